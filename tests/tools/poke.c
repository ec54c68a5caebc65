/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hostile step would try, one attempt a call; built static by
 * tests/prog/sandbox.t and run inside the step. Prints what came of it:
 * "ok", or the name of the error.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

static int say(const char *what, long r)
{
	printf("%s%s%s\n", what, *what ? ": " : "", r < 0 ? strerrorname_np(errno) : "ok");
	return r < 0;
}

static int abstract(const char *name, int listening)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	socklen_t n = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));

	memcpy(a.sun_path + 1, name, strlen(name));
	if (!listening)
		return say("", connect(fd, (struct sockaddr *)&a, n));
	if (bind(fd, (struct sockaddr *)&a, n) < 0 || listen(fd, 1) < 0)
		return say("listen", -1);
	puts("listening");
	fflush(stdout);
	pause();
	return 0;
}

/* The classic: a root below the current directory, then up and up. */
static int escape(const char *find)
{
	int here = open("/", O_RDONLY | O_DIRECTORY);

	mkdir("/tmp/jail", 0755);
	if (chroot("/tmp/jail") < 0)
		return say("chroot", -1);
	fchdir(here);
	for (int i = 0; i < 64; i++)
		chdir("..");
	if (chroot(".") < 0)
		return say("chroot .", -1);
	return say("", access(find, F_OK));
}

static int mounts(void)
{
	say("mount tmpfs", mount("x", "/tmp", "tmpfs", 0, ""));
	say("bind", mount("/", "/tmp", NULL, MS_BIND, NULL));
	say("remount", mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL));
	say("umount", umount2("/proc/sys", MNT_DETACH));
	say("umount root", umount2("/", MNT_DETACH));
	say("fsopen", fsopen("tmpfs", 0));
	say("open_tree", open_tree(AT_FDCWD, "/proc", OPEN_TREE_CLONE));
	say("mount_setattr", mount_setattr(AT_FDCWD, "/proc/sys", 0, &(struct mount_attr){0}, sizeof(struct mount_attr)));
	say("unshare", unshare(CLONE_NEWUSER | CLONE_NEWNS));
	say("pivot_root", syscall(SYS_pivot_root, "/", "/tmp"));
	return 0;
}

static int fds(void)
{
	for (int fd = 0; fd < 65536; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			printf("%d ", fd);
	puts("");
	return 0;
}

/* cap_net_bind_service, permitted and effective, as setcap(8) would write it. */
static int setcap(const char *file)
{
	struct vfs_cap_data d = {.magic_etc = VFS_CAP_REVISION_2 | VFS_CAP_FLAGS_EFFECTIVE};

	d.data[0].permitted = 1U << CAP_NET_BIND_SERVICE;
	return say("", setxattr(file, "security.capability", &d, sizeof(d), 0));
}

static int status(const char *key)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (strncmp(line, key, strlen(key)) == 0)
			fputs(line, stdout);
	return 0;
}

/* Opens for writing, through whatever path; reports the error. */
static int write_to(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK, 0644);

	if (fd < 0)
		return say("", -1);
	return say("", write(fd, "poked", 5));
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "", *arg = argc > 2 ? argv[2] : "";
	long pid = atol(arg);
	char byte;
	struct iovec here = {&byte, 1}, there = {(void *)0x400000, 1};

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (!strcmp(what, "abstract"))
		return abstract(arg, 0);
	if (!strcmp(what, "listen"))
		return abstract(arg, 1);
	if (!strcmp(what, "escape"))
		return escape(arg);
	if (!strcmp(what, "mounts"))
		return mounts();
	if (!strcmp(what, "fds"))
		return fds();
	if (!strcmp(what, "setcap"))
		return setcap(arg);
	if (!strcmp(what, "status"))
		return status(arg);
	if (!strcmp(what, "euid"))
		return printf("%d %d\n", geteuid(), getegid()) < 0;
	if (!strcmp(what, "write"))
		return write_to(arg);
	if (!strcmp(what, "kill"))
		return say("", kill((pid_t)pid, SIGKILL));
	if (!strcmp(what, "ptrace"))
		return say("", ptrace(PTRACE_ATTACH, (pid_t)pid, NULL, NULL));
	if (!strcmp(what, "vm"))
		return say("", process_vm_readv((pid_t)pid, &here, 1, &there, 1, 0));
	if (!strcmp(what, "mknod"))
		return say("", mknod(arg, S_IFBLK | 0600, 0xfe00));
	return 2;
}
