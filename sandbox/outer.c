/* SPDX-License-Identifier: Apache-2.0 */
/* The outer process: forks the inner one, writes its id maps when asked, passes signals on, waits. */
#include "sandbox/idmap.h"
#include "sandbox/inner.h"
#include "sandbox/sandbox.h"
#include "sandbox/wire.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

struct wh_outer {
	pid_t pid;
	int sock;
	sigset_t before; /* the signal mask that the caller had */
};

static void forwarded_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGQUIT);
}

int wh_outer_fork(struct wh_outer **ret_outer, struct wh_inner **ret_inner, struct wh_err **err)
{
	int pair[2];
	sigset_t set, before;
	pid_t self = getpid(), pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "socketpair");
	/* Blocked before the fork: a signal that comes in between must not kill one of the two alone. */
	forwarded_signals(&set);
	sigprocmask(SIG_BLOCK, &set, &before);
	pid = fork();
	if (pid < 0) {
		int e = errno;

		sigprocmask(SIG_SETMASK, &before, NULL);
		close(pair[0]);
		close(pair[1]);
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, e, "fork");
	}
	if (pid == 0) {
		close(pair[0]);
		umask(0);
		*ret_inner = wh_inner_new(pair[1], self);
		*ret_outer = NULL;
		return 0;
	}
	close(pair[1]);
	*ret_outer = wh_calloc(1, sizeof(**ret_outer));
	(*ret_outer)->pid = pid;
	(*ret_outer)->sock = pair[0];
	(*ret_outer)->before = before;
	*ret_inner = NULL;
	return 0;
}

/* The one request there is: "I have unshared: map my ids". */
static bool answer(struct wh_outer *o)
{
	WH_AUTO_BUF struct wh_buf in = WH_BUF_INIT, out = WH_BUF_INIT;
	WH_AUTO_ERR struct wh_err *e = NULL;
	uint32_t count = 0;

	if (wh_wire_recv(o->sock, &in, NULL, NULL) < 0)
		return false;
	wh_id_map_apply(o->pid, &count, &e);
	wh_buf_u32(&out, count);
	wh_wire_put_err(&out, e);
	return wh_wire_send(o->sock, out.p, out.n, NULL, 0) == 0;
}

static void pass_on(struct wh_outer *o, int sigfd)
{
	struct signalfd_siginfo info;

	if (read(sigfd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	/* What the terminal sends goes to the whole foreground group: the inner process has it already. */
	if (info.ssi_code != SI_KERNEL)
		kill(o->pid, (int)info.ssi_signo);
}

int wh_outer_serve(struct wh_outer *o)
{
	WH_AUTO_FD int sigfd = -1, pidfd = -1;
	sigset_t set, before = o->before;
	int status = 0;

	forwarded_signals(&set);
	sigfd = signalfd(-1, &set, SFD_CLOEXEC);
	pidfd = (int)syscall(SYS_pidfd_open, o->pid, 0);
	for (;;) {
		struct pollfd p[3] = {{pidfd, POLLIN, 0}, {o->sock, POLLIN, 0}, {sigfd, POLLIN, 0}};

		if (pidfd < 0 || sigfd < 0)
			break; /* no descriptors left: wait without serving */
		if (poll(p, 3, -1) < 0) {
			if (errno == EINTR)
				continue;
			break;
		}
		if (p[2].revents)
			pass_on(o, sigfd);
		if (p[1].revents && !answer(o)) {
			close(o->sock);
			o->sock = -1; /* the inner closed its end; poll passes over negative descriptors */
		}
		if (p[0].revents)
			break;
	}
	while (waitpid(o->pid, &status, 0) < 0)
		if (errno != EINTR)
			break;
	if (o->sock >= 0)
		close(o->sock);
	free(o);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
