/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which system calls a step may make. One line of thought for all of it: what
 * an unprivileged process or root in a container with docker's default
 * capabilities may do, and nothing that opens kernel surface which builds do
 * not use.
 *
 *   in wh_seccomp_allowed           allowed
 *   in wh_syscalls_absent            ENOSYS
 *   known to libseccomp, not here   EPERM
 *   unknown to libseccomp           ENOSYS: newer than the table; programs have a fallback for that, none for EPERM
 *   clone, personality, socket      decided by arguments (seccomp.c)
 *
 * Names that an architecture lacks are passed over, so 32-bit variants stand
 * beside the plain ones.
 */
#include "sandbox/sandbox.h"
#include "sandbox/seccomp.h"

#include <fcntl.h>

/* clang-format off */
const char *const wh_seccomp_allowed[] = {
	/* files: open, read, write */
	"open", "openat", "openat2", "creat", "close", "close_range", "read", "readv", "pread64", "preadv",
	"preadv2", "write", "writev", "pwrite64", "pwritev", "pwritev2", "lseek", "_llseek", "sendfile",
	"sendfile64", "splice", "tee", "vmsplice", "copy_file_range", "readahead", "fadvise64", "fadvise64_64",
	"arm_fadvise64_64", "fallocate", "ftruncate", "ftruncate64", "truncate", "truncate64", "fsync",
	"fdatasync", "sync", "syncfs", "sync_file_range", "sync_file_range2", "arm_sync_file_range", "cachestat",
	/* files: names and attributes */
	"access", "faccessat", "faccessat2", "stat", "stat64", "lstat", "lstat64", "fstat", "fstat64", "fstatat64",
	"newfstatat", "statx", "oldstat", "oldlstat", "oldfstat", "readlink", "readlinkat", "getdents",
	"getdents64", "readdir", "getcwd", "chdir", "fchdir", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat",
	"rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "mknod", "mknodat", "chmod",
	"fchmod", "fchmodat", "fchmodat2", "chown", "chown32", "fchown", "fchown32", "lchown", "lchown32",
	"fchownat", "utime", "utimes", "utimensat", "utimensat_time64", "futimesat", "umask", "statfs", "statfs64",
	"fstatfs", "fstatfs64", "getxattr", "lgetxattr", "fgetxattr", "getxattrat", "setxattr", "lsetxattr",
	"fsetxattr", "setxattrat", "listxattr", "llistxattr", "flistxattr", "listxattrat", "removexattr",
	"lremovexattr", "fremovexattr", "removexattrat", "file_getattr", "file_setattr", "name_to_handle_at", "chroot",
	/* descriptors, events, locks */
	"dup", "dup2", "dup3", "fcntl", "fcntl64", "flock", "ioctl", "pipe", "pipe2", "poll", "ppoll",
	"ppoll_time64", "select", "_newselect", "pselect6", "pselect6_time64", "epoll_create", "epoll_create1",
	"epoll_ctl", "epoll_ctl_old", "epoll_wait", "epoll_wait_old", "epoll_pwait", "epoll_pwait2", "eventfd",
	"eventfd2", "signalfd", "signalfd4", "timerfd_create", "timerfd_settime", "timerfd_settime64",
	"timerfd_gettime", "timerfd_gettime64", "inotify_init", "inotify_init1", "inotify_add_watch",
	"inotify_rm_watch", "memfd_create", "memfd_secret", "io_setup", "io_destroy", "io_submit", "io_cancel",
	"io_getevents", "io_pgetevents", "io_pgetevents_time64", "fanotify_mark",
	/* memory */
	"brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "pkey_alloc", "pkey_free", "pkey_mprotect",
	"madvise", "mincore", "mlock", "mlock2", "mlockall", "munlock", "munlockall", "msync", "remap_file_pages",
	"membarrier", "mseal", "map_shadow_stack",
	/* processes and threads */
	"fork", "vfork", "execve", "execveat", "exit", "exit_group", "wait4", "waitid", "waitpid", "getpid",
	"getppid", "gettid", "getpgid", "getpgrp", "setpgid", "getsid", "setsid", "set_tid_address",
	"set_thread_area", "get_thread_area", "set_robust_list", "get_robust_list", "rseq", "futex",
	"futex_time64", "futex_waitv", "futex_wake", "futex_wait", "futex_requeue", "prctl", "arch_prctl",
	"modify_ldt", "ptrace", "process_vm_readv", "process_vm_writev", "process_mrelease", "pidfd_open",
	"pidfd_send_signal", "restart_syscall", "capget", "capset", "seccomp", "landlock_create_ruleset",
	"landlock_add_rule", "landlock_restrict_self", "uretprobe",
	/* signals and timers */
	"kill", "tkill", "tgkill", "pause", "alarm", "sigaction", "signal", "sigpending", "sigprocmask",
	"sigreturn", "sigsuspend", "sigaltstack", "rt_sigaction", "rt_sigpending", "rt_sigprocmask",
	"rt_sigqueueinfo", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigtimedwait_time64",
	"rt_tgsigqueueinfo", "nanosleep", "clock_nanosleep", "clock_nanosleep_time64", "clock_gettime",
	"clock_gettime64", "clock_getres", "clock_getres_time64", "clock_adjtime", "clock_adjtime64", "adjtimex",
	"gettimeofday", "time", "times", "getitimer", "setitimer", "timer_create", "timer_delete",
	"timer_getoverrun", "timer_gettime", "timer_gettime64", "timer_settime", "timer_settime64",
	/* identity, limits, scheduling */
	"getuid", "getuid32", "geteuid", "geteuid32", "getgid", "getgid32", "getegid", "getegid32", "getresuid",
	"getresuid32", "getresgid", "getresgid32", "getgroups", "getgroups32", "setuid", "setuid32", "setgid",
	"setgid32", "setreuid", "setreuid32", "setregid", "setregid32", "setresuid", "setresuid32", "setresgid",
	"setresgid32", "setfsuid", "setfsuid32", "setfsgid", "setfsgid32", "setgroups", "setgroups32", "getrlimit",
	"ugetrlimit", "setrlimit", "prlimit64", "getrusage", "getpriority", "setpriority", "nice", "ioprio_get",
	"ioprio_set", "sched_yield", "sched_getaffinity", "sched_setaffinity", "sched_getattr", "sched_setattr",
	"sched_getparam", "sched_setparam", "sched_getscheduler", "sched_setscheduler", "sched_get_priority_max",
	"sched_get_priority_min", "sched_rr_get_interval", "sched_rr_get_interval_time64", "getcpu", "uname",
	"sysinfo", "getrandom",
	/* sockets (socket itself: seccomp.c) and IPC */
	"socketcall", "socketpair", "bind", "listen", "accept", "accept4", "connect", "shutdown", "getsockname",
	"getpeername", "getsockopt", "setsockopt", "send", "sendto", "sendmsg", "sendmmsg", "recv", "recvfrom",
	"recvmsg", "recvmmsg", "recvmmsg_time64", "ipc", "msgget", "msgctl", "msgsnd", "msgrcv", "semget",
	"semctl", "semop", "semtimedop", "semtimedop_time64", "shmget", "shmctl", "shmat", "shmdt", "mq_open",
	"mq_unlink", "mq_timedsend", "mq_timedsend_time64", "mq_timedreceive", "mq_timedreceive_time64",
	"mq_notify", "mq_getsetattr",
	NULL,
};
/* clang-format on */

const char *const wh_syscalls_absent[] = {
	/* Its flags are behind a pointer, where a filter cannot look; every libc falls back to clone. */
	"clone3",
	/* Works past any filter and past the observer; programs fall back to plain reads and writes. */
	"io_uring_setup",
	"io_uring_enter",
	"io_uring_register",
	NULL,
};

/*
 * What an observer takes for granted: a call is here when it is made too often to be told each time, and when forbidding it would protect from
 * nothing, because it works only on what another call, which is told, has opened, mapped or started, or because it only asks. All
 * else is told.
 */
/* clang-format off */
const char *const wh_syscalls_assumed[] = {
	/* reading, writing and closing what is open */
	"read", "readv", "pread64", "preadv", "preadv2", "write", "writev", "pwrite64", "pwritev", "pwritev2",
	"sendfile", "sendfile64", "lseek", "_llseek", "close", "fstat", "fstat64", "fcntl", "fcntl64",
	/* a socket that was made, bound or connected before */
	"accept", "accept4", "recv", "recvfrom", "recvmsg", "recvmmsg", "recvmmsg_time64", "send", "sendto",
	"setsockopt", "getsockopt", "getsockname", "getpeername", "shutdown",
	/* waiting */
	"poll", "ppoll", "ppoll_time64", "select", "_newselect", "pselect6", "pselect6_time64", "epoll_ctl",
	"epoll_wait", "epoll_pwait", "epoll_pwait2", "futex", "futex_time64", "sched_yield", "nanosleep",
	"clock_nanosleep", "clock_nanosleep_time64", "restart_syscall",
	/* the process's own memory */
	"brk", "mmap", "mmap2", "munmap", "mremap", "mprotect", "madvise",
	/* its own signals, and its end; each new thread's first calls */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "sigaltstack", "exit", "exit_group",
	"set_robust_list", "rseq",
	/* questions about itself and the time */
	"getpid", "gettid", "getppid", "getuid", "getuid32", "geteuid", "geteuid32", "getgid", "getgid32",
	"getegid", "getegid32", "getcpu", "getrandom", "getrusage", "times", "time", "gettimeofday",
	"clock_gettime", "clock_gettime64", "clock_getres", "clock_getres_time64",
	/* nobody's: the kernel puts it into the program */
	"uretprobe",
	NULL,
};
/* clang-format on */

/* The assumed ones that, used in another way than here, are told. */
const struct wh_seccomp_lane wh_seccomp_lanes[] = {
	/* without an address */
	{"sendto", {{4, WH_LANE_NULL, 0, 0}, {0}}},
	/* TCP_NODELAY, TCP_CORK, TCP_KEEP…; TCP_QUICKACK */
	{"setsockopt", {{1, WH_LANE_RANGE, 6, 6}, {2, WH_LANE_RANGE, 1, 6}}},
	{"setsockopt", {{1, WH_LANE_RANGE, 6, 6}, {2, WH_LANE_RANGE, 12, 12}}},
	/* F_DUPFD … F_GETFL; F_SETFL without O_NOATIME; locks and owners; F_OFD_…; F_DUPFD_CLOEXEC */
	{"fcntl", {{1, WH_LANE_RANGE, 0, 3}, {0}}},
	{"fcntl", {{1, WH_LANE_RANGE, 4, 4}, {2, WH_LANE_WITHOUT, O_NOATIME, 0}}},
	{"fcntl", {{1, WH_LANE_RANGE, 5, 16}, {0}}},
	{"fcntl", {{1, WH_LANE_RANGE, 36, 38}, {0}}},
	{"fcntl", {{1, WH_LANE_RANGE, 1030, 1030}, {0}}},
	{NULL, {{0}}},
};

/* PER_LINUX, PER_LINUX32, each also with UNAME26, and the question for the current one. */
const uint32_t wh_seccomp_personalities[5] = {0x0, 0x8, 0x20000, 0x20008, 0xffffffff};
