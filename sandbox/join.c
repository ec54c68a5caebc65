/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Into a running container, for a further command or a look at its files.
 *
 *   launcher ──fork──▶ agent ──clone(CLONE_PARENT)──▶ the command's process
 *                        setns: mount, network, ipc, uts, cgroup; pid for its children
 *
 * The agent stays in the launcher's pid namespace, where nothing of the
 * container sees it. By the time that there is a process which the container
 * does see, this one has the container's root, holds no descriptor but the
 * few that its start needs, and cannot be traced: what is in the container
 * could otherwise use it as a way out.
 */
#include "sandbox/join.h"
#include "sandbox/wire.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define ENTER_ALL (CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWPID)

static int over(struct wh_err **err)
{
	return wh_err_set(err, "sandbox", WH_ERR_BUILD, ESRCH, "the container to enter is not running");
}

/* The root of a mount namespace is not always its first process's: where we run in a chroot, what lies above that is
 * still there. Only what the container calls "/" is entered. */
static int enter(const struct wh_container *c, int namespaces, struct wh_err **err)
{
	struct statx sx;

	if (setns(c->pidfd, namespaces) < 0)
		return errno == ESRCH ? over(err)
				      : wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "enter the container's namespaces");
	if (statx(AT_FDCWD, "/", AT_SYMLINK_NOFOLLOW, STATX_MNT_ID, &sx) < 0 || sx.stx_mnt_id != c->root_mount)
		return wh_err_set(err, "sandbox", WH_ERR_ENV, EXDEV, "the container's root is not that of its mounts");
	return 0;
}

/* The container's null device, and nothing else that somebody may have put there. */
static int open_null(struct wh_err **err)
{
	WH_AUTO_FD int fd = wh_openat(AT_FDCWD, "/dev/null", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISCHR(st.st_mode) || st.st_rdev != makedev(1, 3))
		return wh_err_set(err, "sandbox", WH_ERR_BUILD, ENODEV,
				  "the container's /dev/null is not the null device");
	fcntl(fd, F_SETFL, O_RDONLY);
	return WH_TAKE_FD(fd);
}

/* In the agent: from here on it holds what the command's process needs, and sock. */
static int keep_only(const struct wh_step_task *t, int sock, struct wh_err **err)
{
	const int keep[] = {t->spec_fd, t->report_fd, t->filter_fd, t->handover_fd, t->console_fd, sock};
	const bool console = t->console_fd >= 0; /* opened by the process itself */
	WH_AUTO_FD int null = -1;

	if (t->in_fd < 0) {
		null = open_null(err);
		if (null < 0)
			return null;
	}
	if (dup2(t->in_fd < 0 ? null : t->in_fd, 0) < 0 || dup2(console ? null : t->out_fd, 1) < 0 ||
	    dup2(console ? null : t->err_fd, 2) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "set up standard input and output");
	wh_step_close_all_but(keep, WH_ARRAY_SIZE(keep));
	null = -1;
	return 0;
}

static int start_inside(const struct wh_container *c, const struct wh_step_task *t, int sock, pid_t *ret_pid,
			int *ret_pidfd, struct wh_err **err)
{
	int r = enter(c, ENTER_ALL | (c->own_net ? CLONE_NEWNET : 0), err);
	long pid;

	if (r == 0)
		r = keep_only(t, sock, err);
	if (r < 0)
		return r;
	/* A child of the launcher, which waits for it. */
	pid = syscall(SYS_clone, CLONE_PARENT | CLONE_PIDFD | SIGCHLD, NULL, ret_pidfd, NULL, NULL);
	if (pid == 0) {
		close(sock);
		wh_step_main(t);
	}
	/* A pid namespace whose first process is gone answers so. */
	if (pid < 0 && errno == ENOMEM)
		return over(err);
	if (pid < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "start a process in the container");
	*ret_pid = (pid_t)pid;
	return 0;
}

static _Noreturn void be_agent(const struct wh_container *c, const struct wh_step_task *t, int sock)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	struct wh_err *err = NULL;
	pid_t pid = 0;
	int pidfd = -1;

	prctl(PR_SET_DUMPABLE, 0);
	start_inside(c, t, sock, &pid, &pidfd, &err);
	wh_buf_u32(&b, (uint32_t)pid);
	wh_wire_put_err(&b, err);
	wh_wire_send(sock, b.p, b.n, &pidfd, pidfd < 0 ? 0 : 1);
	_exit(0);
}

/* What the agent tells. It waits for nothing that the container could hold back, so neither do we. */
static int hear(int sock, pid_t *ret_pid, int *ret_pidfd, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	WH_AUTO_FD int pidfd = -1;
	struct wh_err *theirs;
	struct wh_wire w;
	size_t n = 1;
	pid_t pid;
	int r = wh_wire_recv(sock, &b, &pidfd, &n);

	if (r < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_INTERNAL, -r, "enter the container");
	w = (struct wh_wire){b.p, b.n, false};
	pid = (pid_t)wh_wire_u32(&w);
	theirs = wh_wire_err(&w);
	if (theirs) {
		r = -theirs->sys;
		wh_err_move(err, &theirs);
		return r;
	}
	if (pid <= 0 || pidfd < 0)
		return wh_err_set(err, "sandbox", WH_ERR_INTERNAL, EBADMSG, "enter the container: no process");
	*ret_pid = pid;
	*ret_pidfd = WH_TAKE_FD(pidfd);
	return 0;
}

int wh_join_start(const struct wh_container *c, const struct wh_step_task *task, pid_t *ret_pid, int *ret_pidfd,
		  struct wh_err **err)
{
	int pair[2], r;
	pid_t agent;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "socketpair");
	agent = fork();
	if (agent == 0)
		be_agent(c, task, pair[1]);
	close(pair[1]);
	r = agent < 0 ? wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "fork") : hear(pair[0], ret_pid, ret_pidfd, err);
	close(pair[0]);
	if (agent > 0)
		while (waitpid(agent, NULL, 0) < 0 && errno == EINTR)
			;
	return r;
}

/* ---------------------------------------------------------------- a look */

/* What it finds is its exit status: 0 nothing, 1 something, 2 + errno. */
static _Noreturn void look(const struct wh_container *c, const char *path)
{
	WH_AUTO_FD int root = -1, fd = -1;
	const int keep[] = {c->pidfd};
	int r;

	prctl(PR_SET_DUMPABLE, 0);
	wh_step_close_all_but(keep, WH_ARRAY_SIZE(keep));
	r = enter(c, CLONE_NEWNS, NULL);
	if (r == 0)
		r = root = wh_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
	if (r >= 0)
		r = fd = wh_open_in_root(root, path, O_PATH, 0);
	if (r == -ENOENT || r == -ENOTDIR)
		_exit(0);
	_exit(r >= 0 ? 1 : -r < 253 ? 2 - r : 2 + EIO);
}

int wh_join_look(const struct wh_container *c, const char *path)
{
	int pidfd = -1;
	long pid = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, NULL, &pidfd, NULL, NULL);

	if (pid == 0)
		look(c, path);
	return pid < 0 ? -errno : pidfd;
}

int wh_join_seen(int pidfd)
{
	siginfo_t end = {0};

	syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0); /* no matter when it has ended */
	while (waitid(P_PIDFD, (id_t)pidfd, &end, WEXITED) < 0 && errno == EINTR)
		;
	close(pidfd);
	if (end.si_code != CLD_EXITED)
		return -ESRCH;
	return end.si_status <= 1 ? end.si_status : 2 - end.si_status;
}
