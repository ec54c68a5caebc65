/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/supervisor_table.h"
#include "sandbox/seccomp.h"
#include "sandbox/supervisor.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>

#define R WH_ACCESS_READ
#define S WH_ACCESS_STAT
#define C WH_ACCESS_CREATE
#define D WH_ACCESS_REMOVE
#define M WH_ACCESS_CHANGE
#define G WH_ACCESS_ENTER
#define L WH_ACCESS_LIST
#define W WH_ACCESS_WRITE
#define X WH_ACCESS_EXEC
#define NO WH_NO_ARG

/* clang-format off */
static const struct wh_row rows[] = {
	/* name, handler, kinds, dirfd, path, flags, follow, bit */
	{"open", wh_see_open, 0, NO, 0, 1, 0, 0, NULL},
	{"openat", wh_see_open, 0, 0, 1, 2, 0, 0, NULL},
	{"openat2", wh_see_openat2, 0, 0, 1, NO, 0, 0, NULL},
	{"creat", wh_see_creat, 0, NO, 0, NO, 0, 0, NULL},
	/* looks */
	{"stat", wh_see_path, S, NO, 0, NO, WH_FOLLOW_YES, 0, NULL},
	{"stat64", wh_see_path, S, NO, 0, NO, WH_FOLLOW_YES, 0, NULL},
	{"oldstat", wh_see_path, S, NO, 0, NO, WH_FOLLOW_YES, 0, NULL},
	{"lstat", wh_see_path, S, NO, 0, NO, WH_FOLLOW_NO, 0, NULL},
	{"lstat64", wh_see_path, S, NO, 0, NO, WH_FOLLOW_NO, 0, NULL},
	{"oldlstat", wh_see_path, S, NO, 0, NO, WH_FOLLOW_NO, 0, NULL},
	{"newfstatat", wh_see_path, S, 0, 1, 3, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL},
	{"fstatat64", wh_see_path, S, 0, 1, 3, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL},
	{"statx", wh_see_path, S, 0, 1, 2, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL},
	{"access", wh_see_path, S, NO, 0, NO, WH_FOLLOW_YES, 0, NULL},
	{"faccessat", wh_see_path, S, 0, 1, NO, WH_FOLLOW_YES, 0, NULL},
	{"faccessat2", wh_see_path, S, 0, 1, 3, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL},
	{"statfs", wh_see_path, S, NO, 0, NO, WH_FOLLOW_YES, 0, NULL},
	{"statfs64", wh_see_path, S, NO, 0, NO, WH_FOLLOW_YES, 0, NULL},
	{"readlink", wh_see_path, S, NO, 0, NO, WH_FOLLOW_NO, 0, NULL},
	{"readlinkat", wh_see_path, S, 0, 1, NO, WH_FOLLOW_NO, 0, NULL},
	{"getxattr", wh_see_path, S, NO, 0, NO, WH_FOLLOW_YES, 0, NULL},
	{"lgetxattr", wh_see_path, S, NO, 0, NO, WH_FOLLOW_NO, 0, NULL},
	{"getxattrat", wh_see_path, S, 0, 1, 2, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL},
	{"listxattr", wh_see_path, S, NO, 0, NO, WH_FOLLOW_YES, 0, NULL},
	{"llistxattr", wh_see_path, S, NO, 0, NO, WH_FOLLOW_NO, 0, NULL},
	{"listxattrat", wh_see_path, S, 0, 1, 2, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL},
	{"file_getattr", wh_see_path, S, 0, 1, 4, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL},
	{"inotify_add_watch", wh_see_path, S, NO, 1, 2, WH_FOLLOW_UNLESS, IN_DONT_FOLLOW, NULL},
	{"fanotify_mark", wh_see_path, S, 3, 4, 1, WH_FOLLOW_UNLESS, FAN_MARK_DONT_FOLLOW, NULL},
	{"name_to_handle_at", wh_see_path, S, 0, 1, 4, WH_FOLLOW_IF, AT_SYMLINK_FOLLOW, NULL},
	/* a directory may have been opened before anybody looked */
	{"getdents", wh_see_fd, L, 0, NO, NO, 0, 0, NULL},
	{"getdents64", wh_see_fd, L, 0, NO, NO, 0, 0, NULL},
	{"readdir", wh_see_fd, L, 0, NO, NO, 0, 0, NULL},
	/* execution, working and root directory */
	{"execve", wh_see_exec, X, NO, 0, NO, WH_FOLLOW_YES, 0, NULL},
	{"execveat", wh_see_exec, X, 0, 1, 4, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL},
	{"chdir", wh_see_path, G, NO, 0, NO, WH_FOLLOW_YES, 0, NULL},
	{"fchdir", wh_see_fd, G, 0, NO, NO, 0, 0, NULL},
	{"chroot", wh_see_chroot, G, NO, 0, NO, WH_FOLLOW_YES, 0, NULL},
	/* what makes, and what takes away */
	{"mkdir", wh_see_make, C, NO, 0, NO, 0, 0, NULL},
	{"mkdirat", wh_see_make, C, 0, 1, NO, 0, 0, NULL},
	{"mknod", wh_see_make, C, NO, 0, NO, 0, 0, NULL},
	{"mknodat", wh_see_make, C, 0, 1, NO, 0, 0, NULL},
	{"symlink", wh_see_make, C, NO, 1, NO, 0, 0, NULL},
	{"symlinkat", wh_see_make, C, 1, 2, NO, 0, 0, NULL},
	{"link", wh_see_link, C, NO, 0, NO, WH_FOLLOW_NO, 0, NULL},
	{"linkat", wh_see_link, C, 0, 1, 4, WH_FOLLOW_IF, AT_SYMLINK_FOLLOW, NULL},
	{"rename", wh_see_rename, C, NO, 0, NO, 0, 0, NULL},
	{"renameat", wh_see_rename, C, 0, 1, NO, 0, 0, NULL},
	{"renameat2", wh_see_rename, C, 0, 1, 4, 0, 0, NULL},
	{"rmdir", wh_see_path, D, NO, 0, NO, WH_FOLLOW_NO, 0, NULL},
	{"unlink", wh_see_path, D, NO, 0, NO, WH_FOLLOW_NO, 0, NULL},
	{"unlinkat", wh_see_path, D, 0, 1, NO, WH_FOLLOW_NO, 0, NULL},
	/* what changes */
	{"truncate", wh_see_path, W, NO, 0, NO, WH_FOLLOW_YES, 0, NULL},
	{"truncate64", wh_see_path, W, NO, 0, NO, WH_FOLLOW_YES, 0, NULL},
	{"chmod", wh_see_path, M, NO, 0, NO, WH_FOLLOW_YES, 0, NULL},
	{"fchmod", wh_see_fd, M, 0, NO, NO, 0, 0, NULL},
	{"fchmodat", wh_see_path, M, 0, 1, NO, WH_FOLLOW_YES, 0, NULL},
	{"fchmodat2", wh_see_path, M, 0, 1, 3, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL},
	{"chown", wh_see_path, M, NO, 0, NO, WH_FOLLOW_YES, 0, NULL},
	{"chown32", wh_see_path, M, NO, 0, NO, WH_FOLLOW_YES, 0, NULL},
	{"lchown", wh_see_path, M, NO, 0, NO, WH_FOLLOW_NO, 0, NULL},
	{"lchown32", wh_see_path, M, NO, 0, NO, WH_FOLLOW_NO, 0, NULL},
	{"fchown", wh_see_fd, M, 0, NO, NO, 0, 0, NULL},
	{"fchown32", wh_see_fd, M, 0, NO, NO, 0, 0, NULL},
	{"fchownat", wh_see_path, M, 0, 1, 4, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL},
	{"utime", wh_see_path, M, NO, 0, NO, WH_FOLLOW_YES, 0, NULL},
	{"utimes", wh_see_path, M, NO, 0, NO, WH_FOLLOW_YES, 0, NULL},
	{"futimesat", wh_see_path, M, 0, 1, NO, WH_FOLLOW_YES, 0, NULL},
	{"utimensat", wh_see_path, M, 0, 1, 3, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL},
	{"utimensat_time64", wh_see_path, M, 0, 1, 3, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL},
	{"setxattr", wh_see_path, M, NO, 0, NO, WH_FOLLOW_YES, 0, NULL},
	{"lsetxattr", wh_see_path, M, NO, 0, NO, WH_FOLLOW_NO, 0, NULL},
	{"fsetxattr", wh_see_fd, M, 0, NO, NO, 0, 0, NULL},
	{"setxattrat", wh_see_path, M, 0, 1, 2, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL},
	{"removexattr", wh_see_path, M, NO, 0, NO, WH_FOLLOW_YES, 0, NULL},
	{"lremovexattr", wh_see_path, M, NO, 0, NO, WH_FOLLOW_NO, 0, NULL},
	{"fremovexattr", wh_see_fd, M, 0, NO, NO, 0, 0, NULL},
	{"file_setattr", wh_see_path, M, 0, 1, 4, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL},
	{"removexattrat", wh_see_path, M, 0, 1, 2, WH_FOLLOW_UNLESS, AT_SYMLINK_NOFOLLOW, NULL},
	/* sockets with a path; the path argument is the address, flags its length */
	{"bind", wh_see_bind, 0, NO, 1, 2, 0, 0, NULL},
	{"connect", wh_see_connect, 0, NO, 1, 2, 0, 0, NULL},
	{"listen", wh_see_listen, 0, NO, NO, NO, 0, 0, NULL},
	{"sendto", wh_see_connect, 0, NO, 4, 5, 0, 0, NULL},
	{"sendmsg", wh_see_sendmsg, 0, NO, 1, NO, 0, 0, NULL},
	{"sendmmsg", wh_see_sendmmsg, 0, NO, 1, 2, 0, 0, NULL},
	{"socketcall", wh_see_socketcall, 0, NO, NO, NO, 0, 0, NULL},
	/* what a reader of the log should know */
	{"setsid", wh_see_remark, 0, NO, NO, NO, 0, 0, "setsid"},
	{"seccomp", wh_see_seccomp, 0, NO, NO, NO, 0, 0, "listener"},
};
/* clang-format on */

const struct wh_row *wh_table_find(const char *name)
{
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

static void see_nothing(struct wh_observer *o, const struct wh_row *row, struct wh_call *c)
{
	(void)o;
	(void)row;
	(void)c;
}

static const struct wh_row told = {.see = see_nothing};
/* Decided by their arguments in the filter (seccomp.c), hence in no list of allowed ones. */
static const char *const by_argument[] = {"clone", "personality", "socket", NULL};
/* Where 32-bit arguments are others: a mask of 64 bits takes two. */
static const struct wh_row narrow_fanotify_mark = {"fanotify_mark",  wh_see_path,          S,   4, 5, 1,
						   WH_FOLLOW_UNLESS, FAN_MARK_DONT_FOLLOW, NULL};
/* i386: libseccomp has names for these that stand for socketcall or ipc and the calls of their own at once. */
static const struct {
	int nr;
	const char *name;
} i386_direct[] = {
	{359, "socket"},   {360, "socketpair"}, {361, "bind"},       {362, "connect"},     {363, "listen"},
	{364, "accept4"},  {365, "getsockopt"}, {366, "setsockopt"}, {367, "getsockname"}, {368, "getpeername"},
	{369, "sendto"},   {370, "sendmsg"},    {371, "recvfrom"},   {372, "recvmsg"},     {373, "shutdown"},
	{345, "sendmmsg"}, {337, "recvmmsg"},   {393, "semget"},     {394, "semctl"},      {395, "shmget"},
	{396, "shmctl"},   {397, "shmat"},      {398, "shmdt"},      {399, "msgget"},      {400, "msgsnd"},
	{401, "msgrcv"},   {402, "msgctl"},
};

static void put(struct wh_table *t, unsigned which, int nr, const char *name)
{
	const struct wh_row *row = wh_table_find(name);
	const char *prefix = !which ? "" : t->compat == SCMP_ARCH_X86 ? "x86:" : "arm:";

	if (nr < 0 || nr >= WH_TABLE_NUMBERS || t->names[which][nr])
		return;
	if (which && row && strcmp(name, "fanotify_mark") == 0)
		row = &narrow_fanotify_mark;
	t->rows[which][nr] = row ? row : &told;
	t->needs[which][nr] = wh_need_find(name);
	t->names[which][nr] = wh_asprintf("%s%s", prefix, name);
}

static void put_all(struct wh_table *t, const char *const *names)
{
	for (; *names; names++) {
		if (!wh_seccomp_is_told(*names))
			continue;
		put(t, 0, seccomp_syscall_resolve_name_arch(t->native, *names), *names);
		if (t->compat)
			put(t, 1, seccomp_syscall_resolve_name_arch(t->compat, *names), *names);
	}
}

void wh_table_make_for(struct wh_table *t, uint32_t native, uint32_t compat)
{
	*t = (struct wh_table){.native = native, .compat = compat};
	put_all(t, wh_seccomp_allowed);
	put_all(t, by_argument);
	for (size_t i = 0; compat == SCMP_ARCH_X86 && i < WH_ARRAY_SIZE(i386_direct); i++)
		if (wh_seccomp_is_told(i386_direct[i].name))
			put(t, 1, i386_direct[i].nr, i386_direct[i].name);
}

void wh_table_make(struct wh_table *t)
{
	uint32_t native = seccomp_arch_native();

	wh_table_make_for(t, native,
			  native == SCMP_ARCH_X86_64    ? SCMP_ARCH_X86
			  : native == SCMP_ARCH_AARCH64 ? SCMP_ARCH_ARM
							: 0);
}

void wh_table_release(struct wh_table *t)
{
	for (unsigned i = 0; i < 2 * WH_TABLE_NUMBERS; i++)
		free(t->names[i / WH_TABLE_NUMBERS][i % WH_TABLE_NUMBERS]);
}

const struct wh_row *wh_table_row(const struct wh_table *t, uint32_t arch, int nr)
{
	if (nr < 0 || nr >= WH_TABLE_NUMBERS || (arch != t->native && (!t->compat || arch != t->compat)))
		return NULL;
	return t->rows[arch == t->native ? 0 : 1][nr];
}
