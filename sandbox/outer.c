/* SPDX-License-Identifier: Apache-2.0 */
/* The outer process: forks the inner one, writes its id maps when asked, runs services, passes signals on, waits. */
#include "sandbox/idmap.h"
#include "sandbox/inner.h"
#include "sandbox/service.h"
#include "sandbox/wire.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

struct call { /* of a service, in a fork of this process */
	pid_t pid;
	int pidfd;
};

struct wh_outer {
	pid_t pid;
	int sock;
	sigset_t before; /* the signal mask that the caller had */
	sigset_t more;   /* signals that are passed on, too */
	int pidfd, sigfd;
	const struct wh_service *services;
	size_t n_services;
	struct call *calls;
	size_t n, cap;
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
	sigemptyset(&(*ret_outer)->more);
	(*ret_outer)->pidfd = (*ret_outer)->sigfd = -1;
	*ret_inner = NULL;
	return 0;
}

void wh_outer_forward(struct wh_outer *o, int sig)
{
	sigaddset(&o->more, sig);
}

void wh_outer_offer(struct wh_outer *o, const struct wh_service *services, size_t n)
{
	o->services = services;
	o->n_services = n;
}

static int answer_map(struct wh_outer *o)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	WH_AUTO_ERR struct wh_err *e = NULL, *few = NULL;
	uint32_t count = 0;

	wh_id_map_apply(o->pid, &count, &few, &e);
	wh_buf_u32(&out, count);
	wh_wire_put_err(&out, e);
	wh_wire_put_err(&out, few);
	return wh_wire_send(o->sock, out.p, out.n, NULL, 0);
}

static const struct wh_service *find_service(const struct wh_outer *o, struct wh_str name)
{
	for (size_t i = 0; i < o->n_services; i++)
		if (wh_str_eq(name, o->services[i].name))
			return &o->services[i];
	return NULL;
}

/* In the fork. It has the caller's signals, and what only the outer process itself needs is closed. */
static _Noreturn void run_service(struct wh_outer *o, pid_t parent, int conn, struct wh_str name)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(137);
	close(o->sock);
	close(o->pidfd);
	close(o->sigfd);
	for (size_t i = 0; i < o->n; i++)
		wh_closep(&o->calls[i].pidfd);
	sigprocmask(SIG_SETMASK, &o->before, NULL);
	wh_service_answer(conn, find_service(o, name));
	_exit(0);
}

static void start_service(struct wh_outer *o, int conn, struct wh_str name)
{
	WH_AUTO_ERR struct wh_err *e = NULL;
	pid_t self = getpid(), pid;

	pid = fork();
	if (pid == 0)
		run_service(o, self, conn, name);
	if (pid < 0) {
		wh_err_sys(&e, "sandbox", WH_ERR_ENV, errno, "start a service");
		wh_service_refuse(conn, e);
		return;
	}
	/* Without a descriptor for it, it is waited for at the end. */
	WH_PUSH(o->calls, o->n, o->cap) = (struct call){pid, (int)syscall(SYS_pidfd_open, pid, 0)};
}

/* False when the inner process has closed its end, or talks nonsense. */
static bool answer(struct wh_outer *o)
{
	WH_AUTO_BUF struct wh_buf in = WH_BUF_INIT;
	WH_AUTO_FD int conn = -1;
	size_t n_fds = 1, prefix = strlen(WH_ASK_SERVICE);

	if (wh_wire_recv(o->sock, &in, &conn, &n_fds) < 0)
		return false;
	if (wh_streq(in.p, WH_ASK_MAP))
		return answer_map(o) == 0;
	if (!wh_has_prefix(in.p, WH_ASK_SERVICE) || conn < 0)
		return false;
	start_service(o, conn, (struct wh_str){in.p + prefix, in.n - prefix});
	return true;
}

static void reap(struct wh_outer *o, size_t i)
{
	while (waitpid(o->calls[i].pid, NULL, 0) < 0 && errno == EINTR)
		;
	wh_closep(&o->calls[i].pidfd);
	o->calls[i] = o->calls[--o->n];
}

static void pass_on(struct wh_outer *o)
{
	struct signalfd_siginfo info;

	if (read(o->sigfd, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	/* What the terminal sends goes to the whole foreground group: the inner process has it already. But that it is gone is told to the
	 * leader of its session alone, which may be this process. */
	if (info.ssi_code == SI_KERNEL && info.ssi_signo != SIGHUP)
		return;
	kill(o->pid, (int)info.ssi_signo);
	/* A call that is under way would only delay the end. */
	for (size_t i = 0; i < o->n; i++)
		kill(o->calls[i].pid, (int)info.ssi_signo);
}

/* True when the inner process has ended. */
static bool serve(struct wh_outer *o)
{
	size_t n = o->n;
	struct pollfd *p = wh_calloc(3 + n, sizeof(*p));
	bool over = false;

	p[0] = (struct pollfd){o->pidfd, POLLIN, 0};
	p[1] = (struct pollfd){o->sock, POLLIN, 0};
	p[2] = (struct pollfd){o->sigfd, POLLIN, 0};
	for (size_t i = 0; i < n; i++)
		p[3 + i] = (struct pollfd){o->calls[i].pidfd, POLLIN, 0};
	if (poll(p, 3 + n, -1) < 0) {
		over = errno != EINTR;
	} else {
		/* Downwards: reap() fills the hole with the last one, which has been looked at already. */
		for (size_t i = n; i > 0; i--)
			if (p[2 + i].revents)
				reap(o, i - 1);
		if (p[2].revents)
			pass_on(o);
		if (p[1].revents && !answer(o))
			wh_closep(&o->sock); /* poll passes over negative descriptors */
		over = p[0].revents != 0;
	}
	free(p);
	return over;
}

int wh_outer_serve(struct wh_outer *o)
{
	sigset_t set, before = o->before;
	int status = 0;

	forwarded_signals(&set);
	sigorset(&set, &set, &o->more);
	o->sigfd = signalfd(-1, &set, SFD_CLOEXEC);
	o->pidfd = (int)syscall(SYS_pidfd_open, o->pid, 0);
	/* With no descriptors left: wait without serving. */
	while (o->pidfd >= 0 && o->sigfd >= 0 && !serve(o))
		;
	while (waitpid(o->pid, &status, 0) < 0)
		if (errno != EINTR)
			break;
	/* Nobody is left to hear their answers. */
	while (o->n) {
		kill(o->calls[o->n - 1].pid, SIGKILL);
		reap(o, o->n - 1);
	}
	wh_closep(&o->sock);
	wh_closep(&o->pidfd);
	wh_closep(&o->sigfd);
	free(o->calls);
	free(o);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
