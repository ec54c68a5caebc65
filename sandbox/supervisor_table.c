/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/supervisor_table.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/net.h>
#include <seccomp.h>
#include <sys/inotify.h>

#define R WH_ACCESS_READ
#define S WH_ACCESS_STAT
#define C WH_ACCESS_CREATE
#define D WH_ACCESS_REMOVE
#define M WH_ACCESS_CHANGE
#define G WH_ACCESS_ENTER
#define W WH_ACCESS_WRITE
#define U WH_ACCESS_SOCKET
#define X WH_ACCESS_EXEC
#define NO WH_NO_ARG

/* What a libseccomp without the name of a flag or a call has to be told. */
#ifndef SECCOMP_FILTER_FLAG_NEW_LISTENER
#define SECCOMP_FILTER_FLAG_NEW_LISTENER (1UL << 3)
#endif

static const struct wh_when wants_listener = {1, SECCOMP_FILTER_FLAG_NEW_LISTENER, SECCOMP_FILTER_FLAG_NEW_LISTENER};
/* bind and connect differ in the lowest bit. */
static const struct wh_when binds_or_connects = {0, ~1U, SYS_BIND &SYS_CONNECT};

/* clang-format off */
static const struct wh_row rows[] = {
	/* name, handler, kinds, dirfd, path, flags, follow, bit */
	{"open", wh_see_open, 0, NO, 0, 1, 0, 0, NULL, NULL},
	{"openat", wh_see_open, 0, 0, 1, 2, 0, 0, NULL, NULL},
	{"openat2", wh_see_openat2, 0, 0, 1, NO, 0, 0, NULL, NULL},
	{"creat", wh_see_creat, 0, NO, 0, NO, 0, 0, NULL, NULL},
	/* looks */
	{"stat", wh_see_path, S, NO, 0, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	{"stat64", wh_see_path, S, NO, 0, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	{"oldstat", wh_see_path, S, NO, 0, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	{"lstat", wh_see_path, S, NO, 0, NO, WH_FOLLOW_NO, 0, NULL, NULL},
	{"lstat64", wh_see_path, S, NO, 0, NO, WH_FOLLOW_NO, 0, NULL, NULL},
	{"oldlstat", wh_see_path, S, NO, 0, NO, WH_FOLLOW_NO, 0, NULL, NULL},
	{"newfstatat", wh_see_path, S, 0, 1, 3, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL, NULL},
	{"fstatat64", wh_see_path, S, 0, 1, 3, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL, NULL},
	{"statx", wh_see_path, S, 0, 1, 2, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL, NULL},
	{"access", wh_see_path, S, NO, 0, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	{"faccessat", wh_see_path, S, 0, 1, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	{"faccessat2", wh_see_path, S, 0, 1, 3, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL, NULL},
	{"statfs", wh_see_path, S, NO, 0, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	{"statfs64", wh_see_path, S, NO, 0, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	{"readlink", wh_see_path, S, NO, 0, NO, WH_FOLLOW_NO, 0, NULL, NULL},
	{"readlinkat", wh_see_path, S, 0, 1, NO, WH_FOLLOW_NO, 0, NULL, NULL},
	{"getxattr", wh_see_path, S, NO, 0, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	{"lgetxattr", wh_see_path, S, NO, 0, NO, WH_FOLLOW_NO, 0, NULL, NULL},
	{"getxattrat", wh_see_path, S, 0, 1, 2, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL, NULL},
	{"listxattr", wh_see_path, S, NO, 0, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	{"llistxattr", wh_see_path, S, NO, 0, NO, WH_FOLLOW_NO, 0, NULL, NULL},
	{"listxattrat", wh_see_path, S, 0, 1, 2, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL, NULL},
	{"inotify_add_watch", wh_see_path, S, NO, 1, 2, WH_FOLLOW_UNLESS, IN_DONT_FOLLOW, NULL, NULL},
	{"name_to_handle_at", wh_see_path, S, 0, 1, 4, WH_FOLLOW_IF, AT_SYMLINK_FOLLOW, NULL, NULL},
	/* execution, working and root directory */
	{"execve", wh_see_exec, X, NO, 0, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	{"execveat", wh_see_exec, X, 0, 1, 4, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL, NULL},
	{"chdir", wh_see_path, G, NO, 0, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	{"fchdir", wh_see_fd, G, 0, NO, NO, 0, 0, NULL, NULL},
	{"chroot", wh_see_chroot, G, NO, 0, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	/* what makes, and what takes away */
	{"mkdir", wh_see_make, C, NO, 0, NO, 0, 0, NULL, NULL},
	{"mkdirat", wh_see_make, C, 0, 1, NO, 0, 0, NULL, NULL},
	{"mknod", wh_see_make, C, NO, 0, NO, 0, 0, NULL, NULL},
	{"mknodat", wh_see_make, C, 0, 1, NO, 0, 0, NULL, NULL},
	{"symlink", wh_see_make, C, NO, 1, NO, 0, 0, NULL, NULL},
	{"symlinkat", wh_see_make, C, 1, 2, NO, 0, 0, NULL, NULL},
	{"link", wh_see_link, C, NO, 0, NO, WH_FOLLOW_NO, 0, NULL, NULL},
	{"linkat", wh_see_link, C, 0, 1, 4, WH_FOLLOW_IF, AT_SYMLINK_FOLLOW, NULL, NULL},
	{"rename", wh_see_rename, C, NO, 0, NO, 0, 0, NULL, NULL},
	{"renameat", wh_see_rename, C, 0, 1, NO, 0, 0, NULL, NULL},
	{"renameat2", wh_see_rename, C, 0, 1, 4, 0, 0, NULL, NULL},
	{"rmdir", wh_see_path, D, NO, 0, NO, WH_FOLLOW_NO, 0, NULL, NULL},
	{"unlink", wh_see_path, D, NO, 0, NO, WH_FOLLOW_NO, 0, NULL, NULL},
	{"unlinkat", wh_see_path, D, 0, 1, NO, WH_FOLLOW_NO, 0, NULL, NULL},
	/* what changes */
	{"truncate", wh_see_path, W, NO, 0, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	{"truncate64", wh_see_path, W, NO, 0, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	{"chmod", wh_see_path, M, NO, 0, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	{"fchmod", wh_see_fd, M, 0, NO, NO, 0, 0, NULL, NULL},
	{"fchmodat", wh_see_path, M, 0, 1, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	{"fchmodat2", wh_see_path, M, 0, 1, 3, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL, NULL},
	{"chown", wh_see_path, M, NO, 0, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	{"chown32", wh_see_path, M, NO, 0, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	{"lchown", wh_see_path, M, NO, 0, NO, WH_FOLLOW_NO, 0, NULL, NULL},
	{"lchown32", wh_see_path, M, NO, 0, NO, WH_FOLLOW_NO, 0, NULL, NULL},
	{"fchown", wh_see_fd, M, 0, NO, NO, 0, 0, NULL, NULL},
	{"fchown32", wh_see_fd, M, 0, NO, NO, 0, 0, NULL, NULL},
	{"fchownat", wh_see_path, M, 0, 1, 4, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL, NULL},
	{"utime", wh_see_path, M, NO, 0, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	{"utimes", wh_see_path, M, NO, 0, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	{"futimesat", wh_see_path, M, 0, 1, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	{"utimensat", wh_see_path, M, 0, 1, 3, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL, NULL},
	{"utimensat_time64", wh_see_path, M, 0, 1, 3, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL, NULL},
	{"setxattr", wh_see_path, M, NO, 0, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	{"lsetxattr", wh_see_path, M, NO, 0, NO, WH_FOLLOW_NO, 0, NULL, NULL},
	{"fsetxattr", wh_see_fd, M, 0, NO, NO, 0, 0, NULL, NULL},
	{"setxattrat", wh_see_path, M, 0, 1, 2, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL, NULL},
	{"removexattr", wh_see_path, M, NO, 0, NO, WH_FOLLOW_YES, 0, NULL, NULL},
	{"lremovexattr", wh_see_path, M, NO, 0, NO, WH_FOLLOW_NO, 0, NULL, NULL},
	{"fremovexattr", wh_see_fd, M, 0, NO, NO, 0, 0, NULL, NULL},
	{"removexattrat", wh_see_path, M, 0, 1, 2, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL, NULL},
	/* sockets with a path; the path argument is the address, flags its length */
	{"bind", wh_see_socket, C, NO, 1, 2, 0, 0, NULL, NULL},
	{"connect", wh_see_socket, U, NO, 1, 2, WH_FOLLOW_YES, 0, NULL, NULL},
	{"socketcall", wh_see_socketcall, 0, NO, NO, NO, 0, 0, NULL, &binds_or_connects},
	/* what a reader of the log should know */
	{"setsid", wh_see_remark, 0, NO, NO, NO, 0, 0, "setsid", NULL},
	{"seccomp", wh_see_remark, 0, NO, NO, NO, 0, 0, "listener", &wants_listener},
};
/* clang-format on */

const struct wh_row *wh_table_find(const char *name)
{
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

static void put(struct wh_table *t, unsigned which, int nr, const struct wh_row *row)
{
	if (nr >= 0 && nr < WH_TABLE_NUMBERS)
		t->rows[which][nr] = row;
}

void wh_table_make(struct wh_table *t)
{
	bool pc = seccomp_arch_native() == SCMP_ARCH_X86_64;

	*t = (struct wh_table){.native = seccomp_arch_native(), .compat = pc ? SCMP_ARCH_X86 : 0};
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		const struct wh_row *r = &rows[i];

		put(t, 0, seccomp_syscall_resolve_name_arch(t->native, r->name), r);
		if (pc)
			put(t, 1, seccomp_syscall_resolve_name_arch(t->compat, r->name), r);
	}
	/* libseccomp has names for these that stand for socketcall and the calls of their own at once. */
	if (pc) {
		put(t, 1, 361, wh_table_find("bind"));
		put(t, 1, 362, wh_table_find("connect"));
	}
}

const struct wh_row *wh_table_row(const struct wh_table *t, uint32_t arch, int nr)
{
	if (nr < 0 || nr >= WH_TABLE_NUMBERS || (arch != t->native && (!t->compat || arch != t->compat)))
		return NULL;
	return t->rows[arch == t->native ? 0 : 1][nr];
}
