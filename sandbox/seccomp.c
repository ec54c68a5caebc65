/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/seccomp.h"
#include "sandbox/sandbox.h"
#include "sandbox/supervisor.h"

#include <errno.h>
#include <linux/filter.h>
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
#define MAX_PROLOGUE 160 /* a jump over it must fit into a byte */
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

/* Lets the call pass where the bits of its first argument that mask selects are exactly these. */
static int pass_where(scmp_filter_ctx f, uint32_t action, int nr, uint64_t mask, uint64_t bits)
{
	const struct scmp_arg_cmp where = {.arg = 0, .op = SCMP_CMP_MASKED_EQ, .datum_a = mask, .datum_b = bits};

	return seccomp_rule_add(f, action, nr, 1, where);
}

/* No new namespaces, no odd personalities, no sockets to the hypervisor's side; all else of these falls to the
 * default. */
static int add_by_argument(scmp_filter_ctx f, uint32_t action)
{
	int r = pass_where(f, action, SCMP_SYS(clone), WH_SECCOMP_CLONE_NAMESPACES, 0);

	/* "Not AF_VSOCK" must look at 32 bits only, as the kernel does: with a plain comparison of 64, any of the upper
	 * half would make another number of it. It differs exactly when it differs in some bit. */
	for (uint32_t bit = 1; r == 0 && bit; bit <<= 1)
		r = pass_where(f, action, SCMP_SYS(socket), bit, ~(uint32_t)AF_VSOCK & bit);
	for (size_t i = 0; r == 0 && i < WH_ARRAY_SIZE(wh_seccomp_personalities); i++)
		r = pass_where(f, action, SCMP_SYS(personality), UINT32_MAX, wh_seccomp_personalities[i]);
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

bool wh_seccomp_is_told(const char *name)
{
	for (size_t i = 0; wh_seccomp_lanes[i].name; i++)
		if (strcmp(wh_seccomp_lanes[i].name, name) == 0)
			return true;
	for (size_t i = 0; wh_syscalls_assumed[i]; i++)
		if (strcmp(wh_syscalls_assumed[i], name) == 0)
			return false;
	return true;
}

/* Like add_list(), but what is not taken for granted is told. */
static int add_observed(scmp_filter_ctx f, const char *const *names)
{
	for (; *names; names++) {
		int nr = seccomp_syscall_resolve_name(*names), r;

		if (nr == __NR_SCMP_ERROR)
			continue;
		r = seccomp_rule_add(f, wh_seccomp_is_told(*names) ? SCMP_ACT_NOTIFY : SCMP_ACT_ALLOW, nr, 0);
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
		r = add_list(f, wh_syscalls_absent, ABSENT);
	return r == 0 ? add_by_argument(f, observed ? SCMP_ACT_NOTIFY : SCMP_ACT_ALLOW) : r;
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

/* A program under construction. */
struct bpf {
	struct sock_filter p[MAX_PROLOGUE];
	size_t n;
};

static void emit(struct bpf *b, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (b->n < WH_ARRAY_SIZE(b->p))
		b->p[b->n++] = (struct sock_filter){code, jt, jf, k};
}

static void load(struct bpf *b, size_t offset)
{
	emit(b, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

#define ARG_LOW(i) (offsetof(struct seccomp_data, args) + 8 * (size_t)(i))
#define MISS 255 /* a jump to behind the lane; put right when its end is known */

static void emit_cond(struct bpf *b, const struct wh_lane_cond *c)
{
	if (c->test == WH_LANE_NONE)
		return;
	load(b, ARG_LOW(c->arg));
	switch (c->test) {
	case WH_LANE_NONE:
		break;
	case WH_LANE_RANGE:
		emit(b, BPF_JMP | BPF_JGE | BPF_K, c->a, 0, MISS);
		emit(b, BPF_JMP | BPF_JGT | BPF_K, c->b, MISS, 0);
		break;
	case WH_LANE_WITHOUT:
		emit(b, BPF_JMP | BPF_JSET | BPF_K, c->a, MISS, 0);
		break;
	case WH_LANE_NULL:
		emit(b, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, MISS);
		load(b, ARG_LOW(c->arg) + 4);
		emit(b, BPF_JMP | BPF_JEQ | BPF_K, 0, 0, MISS);
		break;
	}
}

/* Lets pass what the lane says; the number is loaded, before and behind. */
static void emit_lane(struct bpf *b, const struct wh_seccomp_lane *lane, uint32_t nr)
{
	size_t start = b->n;

	emit(b, BPF_JMP | BPF_JEQ | BPF_K, nr, 0, MISS);
	for (size_t i = 0; i < WH_ARRAY_SIZE(lane->all); i++)
		emit_cond(b, &lane->all[i]);
	emit(b, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	for (size_t i = start; i < b->n; i++) {
		if (b->p[i].jt == MISS)
			b->p[i].jt = (uint8_t)(b->n - i - 1);
		if (b->p[i].jf == MISS)
			b->p[i].jf = (uint8_t)(b->n - i - 1);
	}
	load(b, offsetof(struct seccomp_data, nr));
}

static void emit_lanes(struct bpf *b)
{
	for (size_t i = 0; wh_seccomp_lanes[i].name; i++) {
		int nr = seccomp_syscall_resolve_name(wh_seccomp_lanes[i].name);

		if (nr >= 0)
			emit_lane(b, &wh_seccomp_lanes[i], (uint32_t)nr);
	}
}

/* What stands before libseccomp's program: numbers beyond its tables answer ENOSYS, never its default; and lanes. */
static void prologue(struct bpf *b, bool observed)
{
	const uint32_t arches[MAX_ARCHES] = {seccomp_arch_native(), second_arch()};

	for (size_t i = 0; i < MAX_ARCHES && arches[i]; i++) {
		size_t test;

		load(b, offsetof(struct seccomp_data, arch));
		test = b->n;
		emit(b, BPF_JMP | BPF_JEQ | BPF_K, arches[i], 0, 0);
		load(b, offsetof(struct seccomp_data, nr));
		emit(b, BPF_JMP | BPF_JGT | BPF_K, newest_number(arches[i]), 0, 1);
		emit(b, BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS, 0, 0);
		if (observed && i == 0)
			emit_lanes(b);
		b->p[test].jf = (uint8_t)(b->n - test - 1);
	}
}

static int build(bool observed, struct wh_err **err)
{
	WH_CLEANUP(filter_freep) scmp_filter_ctx f = seccomp_init(DENY);
	struct bpf head = {.n = 0};
	WH_AUTO_FD int fd = memfd_create("whittle-seccomp", MFD_CLOEXEC);
	int r;

	if (fd < 0 || !f)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, fd < 0 ? errno : ENOMEM, "prepare the seccomp filter");
	r = fill(f, observed);
	if (r == 0) {
		prologue(&head, observed);
		r = wh_write_all(fd, head.p, head.n * sizeof(head.p[0]));
	}
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

int wh_seccomp_build_list(const char *const *allowed, const char *const *absent, bool both, struct wh_err **err)
{
	WH_CLEANUP(filter_freep) scmp_filter_ctx f = seccomp_init(DENY);
	WH_AUTO_FD int fd = memfd_create("whittle-seccomp", MFD_CLOEXEC);
	int r = 0;

	if (fd < 0 || !f)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, fd < 0 ? errno : ENOMEM, "prepare the seccomp filter");
	if (both && second_arch())
		r = seccomp_arch_add(f, second_arch());
	if (r == 0)
		r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, ABSENT);
	seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r == 0)
		r = add_list(f, allowed, SCMP_ACT_ALLOW);
	if (r == 0 && absent)
		r = add_list(f, absent, ABSENT);
	if (r == 0)
		r = seccomp_export_bpf(f, fd);
	if (r < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_INTERNAL, -r, "build the seccomp filter");
	return WH_TAKE_FD(fd);
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
