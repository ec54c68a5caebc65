/* SPDX-License-Identifier: Apache-2.0 */
/* Which capabilities a call needs. Internal to the observer. */
#ifndef WH_SANDBOX_OBSERVER_CAPS_H
#define WH_SANDBOX_OBSERVER_CAPS_H

#include "sandbox/observer.h"

/* linux/capability.h's numbers. */
enum wh_cap {
	WH_CAP_CHOWN,
	WH_CAP_DAC_OVERRIDE,
	WH_CAP_DAC_READ_SEARCH,
	WH_CAP_FOWNER,
	WH_CAP_FSETID,
	WH_CAP_KILL,
	WH_CAP_SETGID,
	WH_CAP_SETUID,
	WH_CAP_SETPCAP,
	WH_CAP_LINUX_IMMUTABLE,
	WH_CAP_NET_BIND_SERVICE,
	WH_CAP_NET_BROADCAST,
	WH_CAP_NET_ADMIN,
	WH_CAP_NET_RAW,
	WH_CAP_IPC_LOCK,
	WH_CAP_IPC_OWNER,
	WH_CAP_SYS_MODULE,
	WH_CAP_SYS_RAWIO,
	WH_CAP_SYS_CHROOT,
	WH_CAP_SYS_PTRACE,
	WH_CAP_SYS_PACCT,
	WH_CAP_SYS_ADMIN,
	WH_CAP_SYS_BOOT,
	WH_CAP_SYS_NICE,
	WH_CAP_SYS_RESOURCE,
	WH_CAP_SYS_TIME,
	WH_CAP_SYS_TTY_CONFIG,
	WH_CAP_MKNOD,
	WH_CAP_LEASE,
	WH_CAP_AUDIT_WRITE,
	WH_CAP_AUDIT_CONTROL,
	WH_CAP_SETFCAP,
	WH_CAP_MAC_OVERRIDE,
	WH_CAP_MAC_ADMIN,
	WH_CAP_SYSLOG,
	WH_CAP_WAKE_ALARM,
	WH_CAP_BLOCK_SUSPEND,
	WH_CAP_AUDIT_READ,
	WH_CAP_PERFMON,
	WH_CAP_BPF,
	WH_CAP_CHECKPOINT_RESTORE,
};
/* The ones that modes and owners of files may call for. */
#define WH_CAPS_OF_FILES                                                                                             \
	(UINT64_C(1) << WH_CAP_DAC_OVERRIDE | UINT64_C(1) << WH_CAP_DAC_READ_SEARCH | UINT64_C(1) << WH_CAP_FOWNER | \
	 UINT64_C(1) << WH_CAP_FSETID)

enum { WH_ID_REAL, WH_ID_EFFECTIVE, WH_ID_SAVED, WH_ID_FS };

struct wh_creds {
	pid_t tid; /* whose they are */
	uint32_t uid[4], gid[4];
	uint32_t *groups;
	size_t n_groups;
	uint64_t inheritable, permitted, effective;
	bool no_new_privs;
	uint64_t hash; /* of what decides about files */
};
/* Of the thread; NULL: it is gone, or cannot be asked (then that is lost). Valid until the next such call. */
const struct wh_creds *wh_creds_of(struct wh_observer *o, struct wh_task *t, pid_t tid);
/* A call is about to change them; or to execute a program, of which there is one thread then. */
void wh_creds_change(struct wh_observer *o, struct wh_task *t);
void wh_creds_replace(struct wh_task *t);
bool wh_creds_has(const struct wh_creds *k, unsigned capability);
bool wh_creds_in_group(const struct wh_creds *k, uint32_t gid);

/* It is needed: told where it is held (where not, the call fails, or went another way). */
void wh_cap_need(struct wh_observer *o, const struct wh_call *c, const struct wh_creds *k, unsigned capability);

#define WH_MAY_EXEC 1U /* search, of a directory */
#define WH_MAY_WRITE 2U
#define WH_MAY_READ 4U
/* What has this owner and mode is opened so. */
void wh_cap_modes(struct wh_observer *o, const struct wh_call *c, const struct wh_creds *k, const struct stat *st,
		  unsigned mask);

/* A row: what a call may need beside what wh_cap_access() tells of its paths. */
struct wh_need {
	const char *name;
	/* st: what the call's path or descriptor leads to, of a row that is of_path (then only where there is something);
	 * else NULL. */
	void (*fn)(struct wh_observer *o, const struct wh_call *c, const struct wh_creds *k, const struct stat *st);
	unsigned arg; /* a capability, or which of fn's ways */
	bool of_path;
	bool changes; /* credentials, or may */
};

#endif
