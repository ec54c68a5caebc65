/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/seccomp.h"
#include "sandbox/supervisor.h"
#include "sandbox/supervisor_table.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/net.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* Beyond every number that libseccomp's tables use on the architectures here (x32's have bit 30 and are refused
 * whole). */
#define LAST_NUMBER 1023
#define MAX_PROGRAM 4096 /* BPF_MAXINSNS */
#define MAX_ARCHES 2
#define DENY SCMP_ACT_ERRNO(EPERM)
#define ABSENT SCMP_ACT_ERRNO(ENOSYS)

/* Linux 5.19; libseccomp 2.5.4 has no attribute for it. */
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

static void filter_freep(scmp_filter_ctx *f)
{
	if (*f)
		seccomp_release(*f);
	*f = NULL;
}

/* Allows the call where the bits of its first argument that mask selects are exactly these. */
static int allow_where(scmp_filter_ctx f, int nr, uint64_t mask, uint64_t bits)
{
	const struct scmp_arg_cmp where = {.arg = 0, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = bits};

	return seccomp_rule_add(f, SCMP_ACT_ALLOW, nr, 1, where);
}

/* No new namespaces, no odd personalities, no sockets to the hypervisor's side; all else of these falls to the
 * default. */
static int add_by_argument(scmp_filter_ctx f)
{
	int r = allow_where(f, SCMP_SYS(clone), WH_SECCOMP_CLONE_NAMESPACES, 0);

	/* "Not AF_VSOCK" must look at 32 bits only, as the kernel does: with a plain comparison of 64, any of the upper
	 * half would make another number of it. It differs exactly when it differs in some bit. */
	for (uint32_t bit = 1; r == 0 && bit; bit <<= 1)
		r = allow_where(f, SCMP_SYS(socket), bit, ~(uint32_t)AF_VSOCK & bit);
	for (size_t i = 0; r == 0 && i < WH_ARRAY_SIZE(wh_seccomp_personalities); i++)
		r = allow_where(f, SCMP_SYS(personality), UINT32_MAX, wh_seccomp_personalities[i]);
	return r;
}

static int add_list(scmp_filter_ctx f, const char *const *names, uint32_t action)
{
	for (; *names; names++) {
		int nr = seccomp_syscall_resolve_name(*names), r;

		if (nr == __NR_SCMP_ERROR)
			continue; /* newer than this libseccomp: ENOSYS, by its number */
		r = seccomp_rule_add(f, action, nr, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Asks the supervisor where the argument's bits are as the row wants them, and allows the call where any of them is
 * not. */
static int ask_where(scmp_filter_ctx f, int nr, const struct wh_when *w)
{
	struct scmp_arg_cmp where = {w->arg, SCMP_CMP_MASKED_EQ, w->mask, w->bits};
	int r = seccomp_rule_add_array(f, SCMP_ACT_NOTIFY, nr, 1, &where);

	for (uint32_t bit = 1; r == 0 && bit; bit <<= 1) {
		if (!(w->mask & bit))
			continue;
		where = (struct scmp_arg_cmp){w->arg, SCMP_CMP_MASKED_EQ, bit, ~w->bits & bit};
		r = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, nr, 1, &where);
	}
	return r;
}

/* Like add_list(), but what the supervisor has a row for is asked of it. */
static int add_observed(scmp_filter_ctx f, const char *const *names)
{
	for (; *names; names++) {
		const struct wh_row *row = wh_table_find(*names);
		int nr = seccomp_syscall_resolve_name(*names), r;

		if (nr == __NR_SCMP_ERROR)
			continue;
		if (row && row->when)
			r = ask_where(f, nr, row->when);
		else
			r = seccomp_rule_add(f, row ? SCMP_ACT_NOTIFY : SCMP_ACT_ALLOW, nr, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

/* The 32-bit programs that the machine runs beside its own; 0: none. */
static uint32_t second_arch(void)
{
	switch (seccomp_arch_native()) {
	case SCMP_ARCH_X86_64:
		return SCMP_ARCH_X86;
	case SCMP_ARCH_AARCH64:
		return SCMP_ARCH_ARM;
	default:
		return 0;
	}
}

static int fill(scmp_filter_ctx f, bool observed)
{
	int r = 0;

	if (second_arch())
		r = seccomp_arch_add(f, second_arch());
	if (r == 0)
		r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, ABSENT);
	/* A binary tree instead of a chain; only libseccomp 2.5 has it, and only speed depends on it. */
	seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = observed ? add_observed(f, wh_seccomp_allowed) : add_list(f, wh_seccomp_allowed, SCMP_ACT_ALLOW);
	if (r == 0)
		r = add_list(f, wh_seccomp_absent, ABSENT);
	return r == 0 ? add_by_argument(f) : r;
}

static uint32_t newest_number(uint32_t arch)
{
	for (int nr = LAST_NUMBER; nr > 0; nr--) {
		WH_AUTO_FREE char *name = seccomp_syscall_resolve_num_arch(arch, nr);

		if (name)
			return (uint32_t)nr;
	}
	return 0;
}

/* What stands before libseccomp's program: numbers beyond its tables answer ENOSYS, never its default. */
static size_t prologue(struct sock_filter *p)
{
	const uint32_t arches[MAX_ARCHES] = {seccomp_arch_native(), second_arch()};
	size_t n = 0;

	for (size_t i = 0; i < MAX_ARCHES && arches[i]; i++) {
		p[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
		p[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, arches[i], 0, 3);
		p[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
		p[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, newest_number(arches[i]), 0, 1);
		p[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
	}
	return n;
}

static int build(bool observed, struct wh_err **err)
{
	WH_CLEANUP(filter_freep) scmp_filter_ctx f = seccomp_init(DENY);
	struct sock_filter head[5 * MAX_ARCHES];
	WH_AUTO_FD int fd = memfd_create("whittle-seccomp", MFD_CLOEXEC);
	int r;

	if (fd < 0 || !f)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, fd < 0 ? errno : ENOMEM, "prepare the seccomp filter");
	r = fill(f, observed);
	if (r == 0)
		r = wh_write_all(fd, head, prologue(head) * sizeof(head[0]));
	if (r == 0)
		r = seccomp_export_bpf(f, fd);
	if (r < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_INTERNAL, -r, "build the seccomp filter");
	return WH_TAKE_FD(fd);
}

int wh_seccomp_build(struct wh_err **err)
{
	return build(false, err);
}

int wh_seccomp_build_observed(struct wh_err **err)
{
	return build(true, err);
}

/* The program of the memfd; program must hold MAX_PROGRAM. */
static int read_program(int fd, struct sock_filter *program, struct sock_fprog *ret, struct wh_err **err)
{
	ssize_t n = pread(fd, program, MAX_PROGRAM * sizeof(*program), 0);

	if (n <= 0 || n % (ssize_t)sizeof(*program))
		return wh_err_set(err, "sandbox", WH_ERR_INTERNAL, EBADMSG, "the seccomp filter is damaged");
	*ret = (struct sock_fprog){.len = (unsigned short)((size_t)n / sizeof(*program)), .filter = program};
	return 0;
}

int wh_seccomp_load(int fd, struct wh_err **err)
{
	struct sock_filter program[MAX_PROGRAM];
	struct sock_fprog prog;
	int r = read_program(fd, program, &prog, err);

	/* The raw call: libseccomp's own would set no_new_privs, and with it sudo, su and file capabilities would
	 * end. */
	if (r == 0 && syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "load the seccomp filter");
	return r;
}

int wh_seccomp_listen(int fd, struct wh_err **err)
{
	const unsigned long listen = SECCOMP_FILTER_FLAG_NEW_LISTENER;
	struct sock_filter program[MAX_PROGRAM];
	struct sock_fprog prog;
	int r = read_program(fd, program, &prog, err);
	long listener;

	if (r < 0)
		return r;
	/* A signal then waits until a call that we look at is answered, instead of having it made twice. */
	listener =
		syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, listen | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &prog);
	if (listener < 0 && errno == EINVAL)
		listener = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, listen, &prog);
	if (listener >= 0)
		return (int)listener;
	r = wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "load the seccomp filter of an observed command");
	if (r == -EBUSY)
		wh_err_hint(err,
			    "this runs under a filter with a listener already; a tree of processes may have but one");
	return r;
}
