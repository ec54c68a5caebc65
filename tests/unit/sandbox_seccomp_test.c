/* SPDX-License-Identifier: Apache-2.0 */
/* The filter as the kernel applies it: each call is made in a child that has loaded it. */
#include "sandbox/seccomp.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define OK 0
#define X32 0x40000000L

static int filter = -1;

/* errno of the call under the filter (0: success), or 255 when the filter could not be loaded. */
static int under_filter(long nr, long a, long b, long c)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		long r;

		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || wh_seccomp_load(filter, NULL) < 0)
			_exit(255);
		errno = 0;
		r = syscall(nr, a, b, c, 0, 0);
		if ((nr == SYS_clone || nr == SYS_fork) && r == 0)
			_exit(0);
		_exit(r < 0 ? errno : OK);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 254;
}

static void calls(void **state)
{
	static const struct {
		const char *what;
		long nr, a, b, c;
		int want;
	} cases[] = {
		{"getpid", SYS_getpid, 0, 0, 0, OK},
		{"read of a bad descriptor", SYS_read, -1, 0, 0, EBADF},
		{"openat", SYS_openat, AT_FDCWD, (long)"/", O_RDONLY, OK},
		{"chroot reaches the kernel", SYS_chroot, (long)"/nonexistent", 0, 0, ENOENT},
		{"ptrace reaches the kernel", SYS_ptrace, 16, 999999999, 0, ESRCH},
		{"mount", SYS_mount, 0, 0, 0, EPERM},
		{"umount2", SYS_umount2, (long)"/nonexistent", 0, 0, EPERM},
		{"pivot_root", SYS_pivot_root, 0, 0, 0, EPERM},
		{"unshare", SYS_unshare, CLONE_NEWUSER, 0, 0, EPERM},
		{"unshare without a flag", SYS_unshare, 0, 0, 0, EPERM},
		{"setns", SYS_setns, -1, 0, 0, EPERM},
		{"fsopen", SYS_fsopen, 0, 0, 0, EPERM},
		{"open_tree", SYS_open_tree, -1, 0, 0, EPERM},
		{"move_mount", SYS_move_mount, -1, 0, 0, EPERM},
		{"mount_setattr", SYS_mount_setattr, -1, 0, 0, EPERM},
		{"bpf", SYS_bpf, 0, 0, 0, EPERM},
		{"perf_event_open", SYS_perf_event_open, 0, 0, 0, EPERM},
		{"keyctl", SYS_keyctl, 0, 0, 0, EPERM},
		{"add_key", SYS_add_key, 0, 0, 0, EPERM},
		{"request_key", SYS_request_key, 0, 0, 0, EPERM},
		{"kexec_load", SYS_kexec_load, 0, 0, 0, EPERM},
		{"init_module", SYS_init_module, 0, 0, 0, EPERM},
		{"finit_module", SYS_finit_module, -1, 0, 0, EPERM},
		{"reboot", SYS_reboot, 0, 0, 0, EPERM},
		{"swapon", SYS_swapon, 0, 0, 0, EPERM},
		{"settimeofday", SYS_settimeofday, 0, 0, 0, EPERM},
		{"clock_settime", SYS_clock_settime, 0, 0, 0, EPERM},
		{"syslog", SYS_syslog, 10, 0, 0, EPERM},
		{"userfaultfd", SYS_userfaultfd, 0, 0, 0, EPERM},
		{"open_by_handle_at", SYS_open_by_handle_at, -1, 0, 0, EPERM},
		{"pidfd_getfd", SYS_pidfd_getfd, -1, 0, 0, EPERM},
		{"iopl", SYS_iopl, 3, 0, 0, EPERM},
		{"acct", SYS_acct, 0, 0, 0, EPERM},
		{"quotactl", SYS_quotactl, 0, 0, 0, EPERM},
		{"sethostname", SYS_sethostname, 0, 0, 0, EPERM},
		{"fanotify_init", SYS_fanotify_init, 0, 0, 0, EPERM},
		/* answered as if the kernel had them not */
		{"clone3", SYS_clone3, 0, 0, 0, ENOSYS},
		{"io_uring_setup", SYS_io_uring_setup, 1, 0, 0, ENOSYS},
		{"io_uring_enter", SYS_io_uring_enter, -1, 0, 0, ENOSYS},
		{"io_uring_register", SYS_io_uring_register, -1, 0, 0, ENOSYS},
		{"a number of the future", 1000, 0, 0, 0, ENOSYS},
		{"another", 1023, 0, 0, 0, ENOSYS},
		{"a large one", 0x3fffffff, 0, 0, 0, ENOSYS},
#ifdef __x86_64__
		{"x32 getpid", X32 + SYS_getpid, 0, 0, 0, ENOSYS},
		{"x32 mount", X32 + SYS_mount, 0, 0, 0, ENOSYS},
#endif
		/* by argument */
		{"personality 0", SYS_personality, 0, 0, 0, OK},
		{"personality query", SYS_personality, 0xffffffff, 0, 0, OK},
		{"personality PER_LINUX32", SYS_personality, 8, 0, 0, OK},
		{"personality ADDR_NO_RANDOMIZE", SYS_personality, 0x40000, 0, 0, EPERM},
		{"personality READ_IMPLIES_EXEC", SYS_personality, 0x400000, 0, 0, EPERM},
		{"clone", SYS_clone, SIGCHLD, 0, 0, OK},
		{"clone NEWUSER", SYS_clone, SIGCHLD | CLONE_NEWUSER, 0, 0, EPERM},
		{"clone NEWNS", SYS_clone, SIGCHLD | CLONE_NEWNS, 0, 0, EPERM},
		{"clone NEWPID", SYS_clone, SIGCHLD | CLONE_NEWPID, 0, 0, EPERM},
		{"clone NEWNET", SYS_clone, SIGCHLD | CLONE_NEWNET, 0, 0, EPERM},
		{"clone NEWIPC", SYS_clone, SIGCHLD | CLONE_NEWIPC, 0, 0, EPERM},
		{"clone NEWUTS", SYS_clone, SIGCHLD | CLONE_NEWUTS, 0, 0, EPERM},
		{"clone NEWCGROUP", SYS_clone, SIGCHLD | CLONE_NEWCGROUP, 0, 0, EPERM},
		{"socket unix", SYS_socket, AF_UNIX, SOCK_STREAM, 0, OK},
		{"socket inet", SYS_socket, AF_INET, SOCK_STREAM, 0, OK},
		{"socket vsock", SYS_socket, AF_VSOCK, SOCK_STREAM, 0, EPERM},
		{"socket vsock with a high bit", SYS_socket, (1L << 32) | AF_VSOCK, SOCK_STREAM, 0, EPERM},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		int got = under_filter(cases[i].nr, cases[i].a, cases[i].b, cases[i].c);

		if (got != cases[i].want)
			fail_msg("%s: %d (%s) instead of %d", cases[i].what, got, strerror(got), cases[i].want);
	}
}

#ifdef __x86_64__
/* The 32-bit way in, by number. */
static int under_filter_32(unsigned nr, unsigned a)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int r;

		if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || wh_seccomp_load(filter, NULL) < 0)
			_exit(255);
		__asm__ volatile("int $0x80"
				 : "=a"(r)
				 : "a"(nr), "b"(a), "c"(0), "d"(0)
				 : "memory", "r8", "r9", "r10", "r11");
		_exit(r < 0 ? -r : OK);
	}
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 254;
}

static void calls_32(void **state)
{
	static const struct {
		const char *what;
		unsigned nr, a;
		int want;
	} cases[] = {
		{"getpid", 20, 0, OK},
		{"mount", 21, 0, EPERM},
		{"unshare", 310, CLONE_NEWNS, EPERM},
		{"clone3", 435, 0, ENOSYS},
		{"io_uring_setup", 425, 1, ENOSYS},
		{"vm86old", 113, 0, EPERM},
		{"number of the future", 1000, 0, ENOSYS},
		{"keyctl", 288, 0, EPERM},
		{"socket vsock", 359, AF_VSOCK, EPERM},
	};

	(void)state;
	if (under_filter_32(20, 0) == 254)
		return; /* a kernel without 32-bit calls has nothing to filter */
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		int got = under_filter_32(cases[i].nr, cases[i].a);

		if (got != cases[i].want)
			fail_msg("32-bit %s: %d instead of %d", cases[i].what, got, cases[i].want);
	}
}
#endif

static int setup(void **state)
{
	(void)state;
	filter = wh_seccomp_build(NULL);
	return filter < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	close(filter);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls),
#ifdef __x86_64__
		cmocka_unit_test(calls_32),
#endif
	};

	return cmocka_run_group_tests_name("sandbox/seccomp", tests, setup, teardown);
}
