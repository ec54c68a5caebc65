/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/terminal.h"
#include "cli/relay.h"

#include <errno.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>

#define END_OF_TEXT 4 /* what Ctrl-D sends */

struct wh_terminal {
	struct wh_loop *loop;
	int in, out;
	int ours, theirs; /* the socket over which the step's terminal comes */
	int master;       /* -1: not here yet */
	int winch;        /* signalfd */
	sigset_t before;
	struct sigaction pipe_before;
	bool raw;
	struct termios as_it_was;
	struct wh_relay *typed, *shown;
};

static bool size_of(const struct wh_terminal *t, struct winsize *ret)
{
	return ioctl(t->out, TIOCGWINSZ, ret) == 0 || (t->in >= 0 && ioctl(t->in, TIOCGWINSZ, ret) == 0);
}

static void on_resize(void *arg, int fd, short revents)
{
	struct wh_terminal *t = arg;
	struct signalfd_siginfo si;
	struct winsize size;

	(void)revents;
	while (read(fd, &si, sizeof(si)) == (ssize_t)sizeof(si))
		;
	if (t->master >= 0 && size_of(t, &size))
		ioctl(t->master, TIOCSWINSZ, &size);
}

/* From a job in the background this stops the whole job until it is in front, as a read would. */
static void make_raw(struct wh_terminal *t)
{
	struct termios raw;

	if (t->in < 0 || tcgetattr(t->in, &t->as_it_was) < 0)
		return;
	raw = t->as_it_was;
	cfmakeraw(&raw);
	t->raw = tcsetattr(t->in, TCSADRAIN, &raw) == 0;
}

static int receive(int sock)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	const struct cmsghdr *c;
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC | MSG_DONTWAIT) != 1)
		return -EPIPE;
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(fd)))
		return -EBADMSG;
	memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

/* The step's terminal is there, or (it came to nothing) never will be. */
static void on_master(void *arg, int fd, short revents)
{
	struct wh_terminal *t = arg;
	int writes;

	(void)revents;
	wh_loop_del_fd(t->loop, fd);
	t->master = receive(fd);
	if (t->master < 0)
		return;
	make_raw(t);
	on_resize(t, t->winch, 0); /* it may have changed meanwhile */
	t->shown = wh_relay_new(t->loop, t->master, t->out, 0, NULL, NULL);
	if (t->in < 0)
		return;
	writes = fcntl(t->master, F_DUPFD_CLOEXEC, 3);
	t->typed = wh_relay_new(t->loop, t->in, writes, WH_RELAY_OWNS_TO, NULL, NULL);
	wh_relay_end_with(t->typed, END_OF_TEXT);
}

int wh_terminal_open(struct wh_loop *l, int in, int out, struct wh_terminal **ret, struct wh_err **err)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct wh_terminal *t;
	sigset_t set, before;
	int pair[2], winch;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return wh_err_sys(err, "cli", WH_ERR_ENV, errno, "socketpair");
	sigprocmask(SIG_BLOCK, &set, &before);
	winch = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (winch < 0) {
		wh_err_sys(err, "cli", WH_ERR_ENV, errno, "signalfd");
		close(pair[0]);
		close(pair[1]);
		return -EMFILE;
	}
	t = wh_calloc(1, sizeof(*t));
	*t = (struct wh_terminal){.loop = l,
				  .in = in,
				  .out = out,
				  .ours = pair[0],
				  .theirs = pair[1],
				  .master = -1,
				  .winch = winch,
				  .before = before};
	sigaction(SIGPIPE, &ignore, &t->pipe_before);
	wh_loop_add_fd(l, t->ours, POLLIN, on_master, t);
	wh_loop_add_fd(l, t->winch, POLLIN, on_resize, t);
	*ret = t;
	return 0;
}

void wh_terminal_lend(const struct wh_terminal *t, int *ret_fd, uint16_t *ret_rows, uint16_t *ret_columns)
{
	struct winsize size = {0};
	bool known = size_of(t, &size);

	*ret_fd = t->theirs;
	*ret_rows = known ? size.ws_row : 0;
	*ret_columns = known ? size.ws_col : 0;
}

void wh_terminal_lent(struct wh_terminal *t)
{
	wh_closep(&t->theirs);
}

void wh_terminal_close(struct wh_terminal *t)
{
	if (!t)
		return;
	wh_loop_del_fd(t->loop, t->ours);
	wh_loop_del_fd(t->loop, t->winch);
	wh_relay_free(t->typed);
	if (t->shown)
		wh_relay_drain(t->shown);
	wh_relay_free(t->shown);
	if (t->raw)
		tcsetattr(t->in, TCSADRAIN, &t->as_it_was);
	wh_closep(&t->master);
	wh_closep(&t->ours);
	wh_closep(&t->theirs);
	wh_closep(&t->winch);
	sigaction(SIGPIPE, &t->pipe_before, NULL);
	sigprocmask(SIG_SETMASK, &t->before, NULL);
	free(t);
}

/* ---------------------------------------------------------------- for the outer process */

struct wh_terminal_state {
	struct termios as_it_was;
};

/* -1: there is none, or it is somebody else's at the moment. */
static int own_terminal(struct termios *ret)
{
	int tty = wh_openat(AT_FDCWD, "/dev/tty", O_RDWR | O_NOCTTY, 0);

	if (tty >= 0 && tcgetpgrp(tty) == getpgrp() && tcgetattr(tty, ret) == 0)
		return tty;
	wh_closep(&tty);
	return -1;
}

struct wh_terminal_state *wh_terminal_save(void)
{
	struct wh_terminal_state s, *ret;
	WH_AUTO_FD int tty = own_terminal(&s.as_it_was);

	if (tty < 0)
		return NULL;
	ret = wh_calloc(1, sizeof(*ret));
	*ret = s;
	return ret;
}

void wh_terminal_restore(struct wh_terminal_state *s)
{
	struct termios now;
	WH_AUTO_FD int tty = s ? own_terminal(&now) : -1;

	if (tty >= 0 && memcmp(&now, &s->as_it_was, sizeof(now)) != 0)
		tcsetattr(tty, TCSADRAIN, &s->as_it_was);
	free(s);
}
