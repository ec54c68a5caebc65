/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whittle-record: runs a command under observation, where it is, and writes the log. One static program that can be
 * carried into any root: the observer for places where the sandbox is somebody else's.
 *
 *     whittle-record -o LOG [--] COMMAND [ARGUMENT]…
 *
 * It makes no namespace. The command runs as the caller, under the filter that steps run under; without CAP_SYS_ADMIN
 * that takes no_new_privs, so that setuid programs lose their power. This process is the supervisor, an ancestor of
 * all that it watches (Yama wants that), and it adopts what the command leaves behind: it ends when the last of them
 * has ended, with the status of the command; 127 or 126 when that could not be executed, 125 when something else went
 * wrong.
 */
#include "sandbox/seccomp.h"
#include "sandbox/supervisor.h"
#include "sandbox/supervisor_private.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define FAILED 125

struct record {
	int signals; /* signalfd */
	pid_t command;
	int status;
};

static void complain(struct wh_err *err)
{
	fprintf(stderr, "whittle-record: %s\n", err->msg);
	if (err->hint)
		fprintf(stderr, "  %s\n", err->hint);
}

static void reap(struct record *r)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
		if (pid == r->command)
			r->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void on_signal(void *arg)
{
	struct record *r = arg;
	struct signalfd_siginfo s;

	if (read(r->signals, &s, sizeof(s)) != sizeof(s))
		return;
	if (s.ssi_signo == SIGCHLD)
		reap(r);
	else if (s.ssi_pid != 0) /* one from the terminal has reached the command already */
		kill(r->command, (int)s.ssi_signo);
}

static int join(int handover, int filter, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *first = NULL;
	int r = wh_supervisor_join(handover, filter, &first);

	if (r == -EACCES && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		return wh_supervisor_join(handover, filter, err);
	wh_err_move(err, &first);
	return r;
}

static _Noreturn void command(char **argv, int handover, int filter, const sigset_t *mask)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	int e;

	if (join(handover, filter, &err) < 0) {
		complain(err);
		_exit(FAILED);
	}
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(argv[0], argv);
	e = errno;
	fprintf(stderr, "whittle-record: %s: %s\n", argv[0], strerror(e));
	_exit(e == ENOENT ? 127 : 126);
}

static int record(int log, char **argv, struct wh_err **err)
{
	struct record r = {.status = FAILED};
	struct wh_supervise how = {.log = log, .control = -1, .fn = on_signal, .arg = &r};
	WH_AUTO_FD int filter = wh_seccomp_build_observed(err), signals = -1, handover = -1;
	sigset_t mask, old;
	int pair[2], e;

	if (filter < 0)
		return filter;
	sigemptyset(&mask);
	for (size_t i = 0; i < 5; i++)
		sigaddset(&mask, (const int[]){SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT}[i]);
	sigprocmask(SIG_BLOCK, &mask, &old);
	r.signals = how.fd = signals = signalfd(-1, &mask, SFD_CLOEXEC);
	if (signals < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0 ||
	    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "prepare");
	handover = pair[1];
	r.command = fork();
	if (r.command == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		command(argv, pair[0], filter, &old);
	}
	close(pair[0]);
	if (r.command < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "fork");
	how.handover = handover;
	e = wh_supervise(&how, err);
	if (e < 0) {
		kill(r.command, SIGKILL);
		return e;
	}
	while (waitpid(r.command, &e, 0) == r.command)
		r.status = WIFSIGNALED(e) ? 128 + WTERMSIG(e) : WEXITSTATUS(e);
	return r.status;
}

int main(int argc, char **argv)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_FD int log = -1;
	int at = 3, r;

	if (argc > at && strcmp(argv[at], "--") == 0)
		at++;
	if (argc <= at || strcmp(argv[1], "-o") != 0) {
		fprintf(stderr, "usage: whittle-record -o LOG [--] COMMAND [ARGUMENT]...\n");
		return FAILED;
	}
	log = wh_openat(AT_FDCWD, argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0644);
	if (log < 0) {
		fprintf(stderr, "whittle-record: %s: %s\n", argv[2], strerror(-log));
		return FAILED;
	}
	r = record(log, argv + at, &err);
	if (r < 0) {
		complain(err);
		return FAILED;
	}
	return r;
}
