/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/step.h"

#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* docker's default set; together 0x00000000a80425fb. */
#define DEFAULTS(X)                                                                                                 \
	X(CAP_CHOWN)                                                                                                \
	X(CAP_DAC_OVERRIDE)                                                                                         \
	X(CAP_FOWNER)                                                                                               \
	X(CAP_FSETID) X(CAP_KILL) X(CAP_SETGID) X(CAP_SETUID) X(CAP_SETPCAP) X(CAP_NET_BIND_SERVICE) X(CAP_NET_RAW) \
		X(CAP_SYS_CHROOT) X(CAP_MKNOD) X(CAP_AUDIT_WRITE) X(CAP_SETFCAP)

#define AS_NUMBER(cap) cap,
#define AS_NAME(cap) #cap,
static const unsigned defaults[] = {DEFAULTS(AS_NUMBER)};
static const char *const names[] = {DEFAULTS(AS_NAME) NULL};

const char *const *wh_default_capabilities(void)
{
	return names;
}

unsigned wh_caps_number(size_t i)
{
	return defaults[i];
}

uint64_t wh_caps_mask(enum wh_caps which)
{
	uint64_t mask = 0;

	for (size_t i = 0; i < WH_ARRAY_SIZE(defaults); i++)
		mask |= (uint64_t)1 << defaults[i];
	switch (which) {
	case WH_CAPS_DEFAULT:
		break;
	case WH_CAPS_ALL:
		mask = UINT64_MAX;
		break;
	case WH_CAPS_CHROOT:
		mask &= ~((uint64_t)1 << CAP_SYS_CHROOT | (uint64_t)1 << CAP_MKNOD);
		break;
	}
	return mask;
}

static int get(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct hdr = {.version = _LINUX_CAPABILITY_VERSION_3};

	return syscall(SYS_capget, &hdr, data) < 0 ? -errno : 0;
}

static int set(struct __user_cap_data_struct data[2])
{
	struct __user_cap_header_struct hdr = {.version = _LINUX_CAPABILITY_VERSION_3};

	return syscall(SYS_capset, &hdr, data) < 0 ? -errno : 0;
}

int wh_caps_bound(uint64_t keep, struct wh_err **err)
{
	for (unsigned cap = 0; cap < 64; cap++) {
		int in;

		if (keep >> cap & 1)
			continue;
		in = prctl(PR_CAPBSET_READ, cap, 0, 0, 0);
		if (in < 0)
			break; /* past the newest that this kernel knows */
		if (in && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "drop capability %u", cap);
	}
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return 0;
}

int wh_caps_limit(uint64_t keep, struct wh_err **err)
{
	struct __user_cap_data_struct data[2] = {{0}, {0}};
	int r = get(data);

	for (int i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(keep >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	if (r == 0)
		r = set(data);
	return r < 0 ? wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "limit the capabilities") : 0;
}

bool wh_caps_has(unsigned cap)
{
	struct __user_cap_data_struct data[2] = {{0}, {0}};

	return get(data) == 0 && (data[cap / 32].effective >> cap % 32 & 1);
}
