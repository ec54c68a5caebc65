/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nothing is forgotten: each system call that libseccomp knows, on each machine, is looked at here. One that a newer
 * libseccomp brings belongs to no list, and somebody has to decide: does it take a path (a row), is it hot and harmless
 * (assumed), else (told only), or is it nothing for a step (denied)?
 */
#include "sandbox/sandbox.h"
#include "sandbox/seccomp.h"
#include "sandbox/supervisor.h"
#include "sandbox/supervisor_table.h"
#include "tests/unit/test.h"

#include <seccomp.h>

/* clang-format off */
/* Take no path, no address, and what else is worth a record. (memfd and mq names are no paths; Landlock's rules and pidfds are descriptors.) */
static const char *const told_only[] = {
	"adjtimex", "alarm", "arch_prctl", "arm_fadvise64_64", "arm_sync_file_range", "cachestat", "capget",
	"capset", "clock_adjtime", "clock_adjtime64", "clone", "close_range", "copy_file_range", "dup", "dup2",
	"dup3", "epoll_create", "epoll_create1", "epoll_ctl_old", "epoll_wait_old", "eventfd", "eventfd2",
	"fadvise64", "fadvise64_64", "fallocate", "fdatasync", "fgetxattr", "flistxattr", "flock", "fork", "fstatfs",
	"fstatfs64", "fsync", "ftruncate", "ftruncate64", "futex_requeue", "futex_wait", "futex_waitv", "futex_wake",
	"get_robust_list", "get_thread_area", "getcwd", "getgroups", "getgroups32",
	"getitimer", "getpgid", "getpgrp", "getpriority", "getresgid", "getresgid32", "getresuid", "getresuid32",
	"getrlimit", "getsid", "inotify_init", "inotify_init1", "inotify_rm_watch", "io_cancel", "io_destroy",
	"io_getevents", "io_pgetevents", "io_pgetevents_time64", "io_setup", "io_submit", "ioctl", "ioprio_get",
	"ioprio_set", "ipc", "kill", "landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self",
	"map_shadow_stack", "membarrier", "memfd_create", "memfd_secret", "mincore", "mlock", "mlock2", "mlockall",
	"modify_ldt", "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedreceive_time64",
	"mq_timedsend", "mq_timedsend_time64", "mq_unlink", "mseal", "msgctl", "msgget", "msgrcv", "msgsnd", "msync",
	"munlock", "munlockall", "nice", "oldfstat", "pause", "personality", "pidfd_open", "pidfd_send_signal",
	"pipe", "pipe2", "pkey_alloc", "pkey_free", "pkey_mprotect", "prctl", "prlimit64", "process_mrelease",
	"process_vm_readv", "process_vm_writev", "ptrace", "readahead", "remap_file_pages",
	"rt_sigpending", "rt_sigqueueinfo", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigtimedwait_time64",
	"rt_tgsigqueueinfo", "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity",
	"sched_getattr", "sched_getparam", "sched_getscheduler", "sched_rr_get_interval",
	"sched_rr_get_interval_time64", "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler",
	"semctl", "semget", "semop", "semtimedop", "semtimedop_time64", "set_thread_area", "set_tid_address",
	"setfsgid", "setfsgid32", "setfsuid", "setfsuid32", "setgid", "setgid32", "setgroups", "setgroups32",
	"setitimer", "setpgid", "setpriority", "setregid", "setregid32", "setresgid", "setresgid32", "setresuid",
	"setresuid32", "setreuid", "setreuid32", "setrlimit", "setuid", "setuid32", "shmat", "shmctl", "shmdt",
	"shmget", "sigaction", "signal", "signalfd", "signalfd4", "sigpending", "sigprocmask", "sigsuspend",
	"socket", "socketpair", "splice", "sync", "sync_file_range", "sync_file_range2", "syncfs", "sysinfo", "tee",
	"tgkill", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_gettime64",
	"timer_settime", "timer_settime64", "timerfd_create", "timerfd_gettime", "timerfd_gettime64",
	"timerfd_settime", "timerfd_settime64", "tkill", "ugetrlimit", "umask", "uname", "vfork", "vmsplice",
	"wait4", "waitid", "waitpid",
	NULL,
};
/* Answered with EPERM. */
static const char *const denied[] = {
	"_sysctl", "acct", "add_key", "afs_syscall", "bdflush", "bpf", "break", "clock_settime", "clock_settime64",
	"create_module", "delete_module", "fanotify_init", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick",
	"ftime", "get_kernel_syms", "get_mempolicy", "getpmsg", "gtty", "idle", "init_module", "ioperm", "iopl",
	"kcmp", "kexec_file_load", "kexec_load", "keyctl", "lock", "lookup_dcookie", "mbind", "migrate_pages",
	"mount", "mount_setattr", "move_mount", "move_pages", "mpx", "nfsservctl", "oldolduname", "olduname",
	"open_by_handle_at", "open_tree", "pciconfig_iobase", "pciconfig_read", "pciconfig_write", "perf_event_open", "pidfd_getfd", "pivot_root", "process_madvise", "prof",
	"profil", "putpmsg", "query_module", "quotactl", "quotactl_fd", "reboot", "request_key", "security",
	"set_mempolicy", "set_mempolicy_home_node", "setdomainname", "sethostname", "setns", "settimeofday",
	"sgetmask", "ssetmask", "stime", "stty", "swapoff", "swapon", "sysfs", "syslog", "tuxcall", "ulimit",
	"umount", "umount2", "unshare", "uselib", "userfaultfd", "ustat", "vhangup", "vm86", "vm86old", "vserver",
	NULL,
};
/* Allowed or denied by their arguments. */
static const char *const by_argument[] = {"clone", "personality", "socket", NULL};
/* clang-format on */

static const uint32_t arches[] = {SCMP_ARCH_X86_64, SCMP_ARCH_X86, SCMP_ARCH_AARCH64, SCMP_ARCH_ARM};

static bool in(const char *const *list, const char *name)
{
	for (; *list; list++)
		if (strcmp(*list, name) == 0)
			return true;
	return false;
}

static void decided(const char *name)
{
	bool allowed = in(wh_seccomp_allowed, name) || in(by_argument, name);
	bool assumed = in(wh_syscalls_assumed, name), row = wh_table_find(name) != NULL, only = in(told_only, name);

	if (allowed + in(wh_syscalls_absent, name) + in(denied, name) != 1)
		fail_msg("%s: allowed, absent or denied?", name);
	/* What is assumed is told where it does not go by a lane: then it may have a row. */
	if (allowed && assumed && wh_seccomp_is_told(name))
		return;
	if (allowed ? assumed + row + only != 1 : assumed || row || only)
		fail_msg("%s: has a row, is assumed, or is told only?", name);
}

static void every_call(void **state)
{
	unsigned n = 0;

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(arches); i++)
		for (int nr = 0; nr < WH_TABLE_NUMBERS; nr++) {
			WH_AUTO_FREE char *name = seccomp_syscall_resolve_num_arch(arches[i], nr);

			if (!name)
				continue;
			decided(name);
			n++;
		}
	assert_true(n > 1000);
}

/* The lists say nothing of calls that there are not, and nothing twice. */
static void lists(void **state)
{
	const char *const *all[] = {wh_seccomp_allowed, wh_syscalls_absent, denied, by_argument};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(all); i++)
		for (size_t j = 0; all[i][j]; j++)
			for (size_t k = 0; k < WH_ARRAY_SIZE(all); k++)
				for (size_t l = 0; all[k][l]; l++)
					if ((i != k || j != l) && strcmp(all[i][j], all[k][l]) == 0)
						fail_msg("%s stands twice", all[i][j]);
	for (size_t i = 0; wh_syscalls_assumed[i]; i++)
		if (!in(wh_seccomp_allowed, wh_syscalls_assumed[i]))
			fail_msg("%s is assumed, but not allowed", wh_syscalls_assumed[i]);
	for (size_t i = 0; told_only[i]; i++)
		if (!in(wh_seccomp_allowed, told_only[i]) && !in(by_argument, told_only[i]))
			fail_msg("%s is told, but not allowed", told_only[i]);
	for (size_t i = 0; wh_seccomp_lanes[i].name; i++)
		if (!in(wh_syscalls_assumed, wh_seccomp_lanes[i].name))
			fail_msg("%s has a lane, but is not assumed", wh_seccomp_lanes[i].name);
}

struct expected {
	uint32_t arch;
	int nr;
	const char *name; /* in the log; NULL: not told */
};

/* Numbers as the kernel's own tables have them. */
static const struct expected expected[] = {
	{SCMP_ARCH_X86_64, 2, "open"},
	{SCMP_ARCH_X86_64, 257, "openat"},
	{SCMP_ARCH_X86_64, 437, "openat2"},
	{SCMP_ARCH_X86_64, 59, "execve"},
	{SCMP_ARCH_X86_64, 0, NULL}, /* read */
	{SCMP_ARCH_X86_64, 56, "clone"},
	{SCMP_ARCH_X86_64, 41, "socket"},
	{SCMP_ARCH_X86, 5, "x86:open"},
	{SCMP_ARCH_X86, 295, "x86:openat"},
	{SCMP_ARCH_X86, 102, "x86:socketcall"},
	{SCMP_ARCH_X86, 362, "x86:connect"},
	{SCMP_ARCH_X86, 359, "x86:socket"},
	{SCMP_ARCH_X86, 300, "x86:fstatat64"},
	{SCMP_ARCH_X86, 196, "x86:lstat64"},
	{SCMP_ARCH_X86, 3, NULL},
	{SCMP_ARCH_AARCH64, 56, "openat"},
	{SCMP_ARCH_AARCH64, 437, "openat2"},
	{SCMP_ARCH_AARCH64, 79, "newfstatat"},
	{SCMP_ARCH_AARCH64, 291, "statx"},
	{SCMP_ARCH_AARCH64, 221, "execve"},
	{SCMP_ARCH_AARCH64, 281, "execveat"},
	{SCMP_ARCH_AARCH64, 35, "unlinkat"},
	{SCMP_ARCH_AARCH64, 276, "renameat2"},
	{SCMP_ARCH_AARCH64, 37, "linkat"},
	{SCMP_ARCH_AARCH64, 36, "symlinkat"},
	{SCMP_ARCH_AARCH64, 34, "mkdirat"},
	{SCMP_ARCH_AARCH64, 33, "mknodat"},
	{SCMP_ARCH_AARCH64, 48, "faccessat"},
	{SCMP_ARCH_AARCH64, 439, "faccessat2"},
	{SCMP_ARCH_AARCH64, 78, "readlinkat"},
	{SCMP_ARCH_AARCH64, 49, "chdir"},
	{SCMP_ARCH_AARCH64, 51, "chroot"},
	{SCMP_ARCH_AARCH64, 5, "setxattr"},
	{SCMP_ARCH_AARCH64, 27, "inotify_add_watch"},
	{SCMP_ARCH_AARCH64, 264, "name_to_handle_at"},
	{SCMP_ARCH_AARCH64, 200, "bind"},
	{SCMP_ARCH_AARCH64, 201, "listen"},
	{SCMP_ARCH_AARCH64, 203, "connect"},
	{SCMP_ARCH_AARCH64, 206, "sendto"},
	{SCMP_ARCH_AARCH64, 211, "sendmsg"},
	{SCMP_ARCH_AARCH64, 269, "sendmmsg"},
	{SCMP_ARCH_AARCH64, 220, "clone"},
	{SCMP_ARCH_AARCH64, 63, NULL}, /* read */
	{SCMP_ARCH_AARCH64, 80, NULL}, /* fstat */
	{SCMP_ARCH_ARM, 5, "arm:open"},
	{SCMP_ARCH_ARM, 322, "arm:openat"},
	{SCMP_ARCH_ARM, 283, "arm:connect"},
};

static void table(const struct wh_table *t, uint32_t arch)
{
	unsigned which = arch == t->native ? 0 : 1, rows = 0;
	const char *prefix = !which ? "" : arch == SCMP_ARCH_X86 ? "x86:" : "arm:";

	for (size_t i = 0; i < WH_ARRAY_SIZE(expected); i++) {
		const char *name;

		if (expected[i].arch != arch)
			continue;
		name = t->names[which][expected[i].nr];
		if ((name != NULL) != (expected[i].name != NULL) || (name && strcmp(name, expected[i].name) != 0))
			fail_msg("%#x, %d: %s instead of %s", arch, expected[i].nr, name ? name : "nothing",
				 expected[i].name);
		assert_int_equal(wh_table_row(t, arch, expected[i].nr) != NULL, name != NULL);
	}
	/* Each name that this machine has a number for is found by it again. */
	for (int nr = 0; nr < WH_TABLE_NUMBERS; nr++) {
		WH_AUTO_FREE char *name = seccomp_syscall_resolve_num_arch(arch, nr), *want = NULL;
		const struct wh_row *row = wh_table_row(t, arch, nr);

		if (!name || !(in(wh_seccomp_allowed, name) || in(by_argument, name)))
			continue;
		assert_int_equal(row != NULL, wh_seccomp_is_told(name));
		if (!row)
			continue;
		want = wh_asprintf("%s%s", prefix, name);
		assert_string_equal(t->names[which][nr], want);
		if (wh_table_find(name) && strcmp(name, "fanotify_mark") != 0)
			assert_ptr_equal(row, wh_table_find(name));
		assert_ptr_equal(t->needs[which][nr], wh_need_find(name));
		rows++;
	}
	assert_true(rows > 150);
}

static void tables(void **state)
{
	struct wh_table *t = wh_malloc(sizeof(*t));

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(arches); i += 2) {
		wh_table_make_for(t, arches[i], arches[i + 1]);
		table(t, arches[i]);
		table(t, arches[i + 1]);
		assert_null(wh_table_row(t, arches[(i + 2) % 4], 56));
		wh_table_release(t);
	}
	free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_call), cmocka_unit_test(lists),
					   cmocka_unit_test(tables)};

	return cmocka_run_group_tests_name("sandbox/calls", tests, NULL, NULL);
}
