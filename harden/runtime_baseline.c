/* SPDX-License-Identifier: Apache-2.0 */
#include "harden/runtime_private.h"

/*
 * What runc 1.1 to 1.3 and crun 1.8 call between loading a filter and executing the program, whether or not no_new_privileges is asked for (strace of both
 * says so; the runtimes' own threads are under the filter, too). A profile without these does not start anything.
 */
const char *const wh_runtime_baseline[] = {
	/* the program */
	"execve",
	/* without no_new_privileges the filter comes before the change of user and capabilities */
	"capget", "capset", "prctl", "setgid", "setgroups", "setuid", "setresgid", "setresuid", "fchown",
	/* into the working directory, and is it there? */
	"chdir", "fchdir", "getcwd", "faccessat", "faccessat2", "newfstatat", "stat", "statx", "readlinkat",
	/* descriptors above 2 are closed, or marked; the pipe on which `start` is awaited is opened by its number below /proc */
	"openat", "openat2", "getdents64", "fstatfs", "statfs", "close_range", "dup3",
	/* threads of Go's runtime */
	"clone", "tgkill", "epoll_create1", "eventfd2", "pipe2",
	/* signals of its parent, its parent's number */
	"getppid", "kill",
	NULL,
};
