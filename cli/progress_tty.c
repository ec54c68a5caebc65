/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The live view: a child that reads objects from a socket and draws. Its terminal is left as it is but for the cursor, which is hidden
 * within a frame and shown at its end: one write, so whoever is killed leaves nothing to be mended. A frame is drawn over the last one, from
 * its first line, and only lines that differ are written.
 *
 * The worker never waits for the terminal while it works. What the child has not taken in yet is kept; when that is much, pieces of logs
 * and numbers of transfers are left out, of which the last ones alone would be seen. Only the end waits until the last frame is drawn,
 * as who prints would.
 *
 * On the socket: an object a line; "T" and a title; "F": the command has failed; "P": the terminal is somebody else's, which
 * is answered with a byte; "R": it is ours again; "E": the end. (Not the end of file: processes that are forked later
 * hold the socket, too, as long as they live. When the worker is killed they die with it, and the end of file comes.)
 */
#include "cli/progress_screen.h"
#include "cli/progress_view.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#define BEHIND ((size_t)256 * 1024)        /* bytes not taken in: what can be left out is */
#define LONGEST ((size_t)4 * 1024 * 1024)  /* line */
#define FRAME_NS ((uint64_t)100 * 1000 * 1000)

/* ---------------------------------------------------------------- who draws */

struct drawer {
	int from, signals;
	int64_t clock; /* monotonic to real time */
	struct wh_buf in;
	struct wh_screen screen;
	struct wh_screen_look look;
	struct wh_frame last;  /* what stands there */
	unsigned last_columns; /* when it was drawn */
	uint64_t drawn_ns;
	bool dirty, paused, over, ended; /* ended: in order */
};

static void measure(struct drawer *d)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col && size.ws_row) {
		d->look.columns = size.ws_col;
		d->look.rows = size.ws_row;
	}
}

/* Where there is nobody to see it any more there is nothing to do. */
static void put(const struct wh_buf *out)
{
	for (size_t at = 0; at < out->n;) {
		ssize_t n = write(STDERR_FILENO, out->p + at, out->n - at);

		if (n < 0 && errno == EAGAIN)
			poll(&(struct pollfd){STDERR_FILENO, POLLOUT, 0}, 1, 1000);
		else if (n < 0 && errno != EINTR)
			_exit(0);
		if (n > 0)
			at += (size_t)n;
	}
}

/* How many rows the last frame takes by now: terminals break lines that became too long for them. */
static unsigned rows_of_last(const struct drawer *d)
{
	unsigned rows = 0;

	for (size_t i = 0; i < d->last.n; i++) {
		unsigned n = d->last.v[i].columns;

		rows += n > d->look.columns ? (n + d->look.columns - 1) / d->look.columns : 1;
	}
	return rows < d->look.rows ? rows : d->look.rows - 1;
}

/* Line by line: what clears the rest of the screen at once is put into the scrollback by some terminals. */
static void clear_lines(unsigned n, struct wh_buf *out)
{
	for (unsigned i = 0; i < n; i++)
		wh_buf_adds(out, "\033[K\r\n");
	if (n)
		wh_buf_addf(out, "\033[%uA", n);
}

static int64_t real_now(const struct drawer *d)
{
	return (int64_t)wh_now_ns() + d->clock;
}

/* All lines are equally wide, so that it is known how they are broken when the terminal becomes narrower: some count what was
 * cleared, others do not. */
static void fill_lines(struct wh_frame *f, unsigned columns)
{
	for (size_t i = 0; i < f->n; i++) {
		struct wh_frame_line *l = &f->v[i];
		char *text;

		if (l->columns >= columns)
			continue;
		text = wh_asprintf("%s%*s", l->text, (int)(columns - l->columns), "");
		free(l->text);
		*l = (struct wh_frame_line){text, columns};
	}
}

static void draw(struct drawer *d)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	struct wh_frame f = {0};
	bool resized;
	unsigned up;

	measure(d);
	resized = d->last.n && d->last_columns != d->look.columns;
	up = rows_of_last(d);
	wh_screen_draw(&d->screen, real_now(d), &d->look, &f);
	if (!d->look.final)
		fill_lines(&f, d->look.columns - 1);
	wh_buf_adds(&out, "\033[?25l\r\033[K"); /* what was typed meanwhile goes */
	if (up)
		wh_buf_addf(&out, "\033[%uA", up);
	for (size_t i = 0; i < f.n; i++) {
		bool same = !resized && up == d->last.n && i < d->last.n && wh_streq(f.v[i].text, d->last.v[i].text);

		/* A line that was broken is cleared first: else it stays a part of the next one, and joins it when there is room again. */
		if (!same)
			wh_buf_addf(&out, "%s%s\033[K", resized ? "\033[2K" : "", f.v[i].text);
		wh_buf_adds(&out, "\r\n");
	}
	clear_lines(up > f.n ? up - (unsigned)f.n : 0, &out);
	wh_buf_adds(&out, "\033[?25h");
	if (d->look.final)
		wh_screen_words(&d->screen, &d->look, &out);
	put(&out);
	wh_frame_release(&d->last);
	d->last = f;
	d->last_columns = d->look.columns;
	d->drawn_ns = wh_now_ns();
	d->dirty = false;
}

/* What stood there goes, so that it does not stand there twice afterwards. */
static void make_way(struct drawer *d)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	unsigned up;

	measure(d);
	up = rows_of_last(d);
	if (up)
		wh_buf_addf(&out, "\r\033[%uA", up);
	clear_lines(up, &out);
	put(&out);
	wh_frame_release(&d->last);
	d->paused = true;
	(void)!write(d->from, "p", 1);
}

static void take_line(struct drawer *d, const char *line, size_t n)
{
	if (n == 1 && *line == 'E')
		d->over = d->ended = true;
	else if (n == 1 && *line == 'P')
		make_way(d);
	else if (n == 1 && *line == 'R')
		d->paused = false;
	else
		d->dirty |= wh_screen_take(&d->screen, line, n);
}

static void take_lines(struct drawer *d)
{
	size_t from = 0;
	const char *end;

	while (!d->over && from < d->in.n && (end = memchr(d->in.p + from, '\n', d->in.n - from))) {
		size_t n = (size_t)(end - d->in.p) - from;

		take_line(d, d->in.p + from, n);
		from += n + 1;
	}
	if (from) {
		memmove(d->in.p, d->in.p + from, d->in.n - from);
		d->in.n -= from;
	} else if (d->in.n > LONGEST) {
		wh_buf_reset(&d->in);
	}
}

static void hear(struct drawer *d)
{
	char part[65536];
	ssize_t n = read(d->from, part, sizeof(part));

	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		d->over = true;
	if (n > 0) {
		wh_buf_add(&d->in, part, (size_t)n);
		take_lines(d);
	}
}

static void take_signal(struct drawer *d)
{
	struct signalfd_siginfo info;

	if (read(d->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return;
	/* Somebody else had the terminal: what stands there now is not ours. */
	if (info.ssi_signo == SIGCONT)
		wh_frame_release(&d->last);
	d->dirty = true;
}

/* Milliseconds until there is something to draw; -1: when something is heard. */
static int pause_of(const struct drawer *d)
{
	uint64_t since = wh_now_ns() - d->drawn_ns;

	if (d->paused || (!d->dirty && !d->screen.n_started))
		return -1;
	return since >= FRAME_NS ? 0 : (int)((FRAME_NS - since) / 1000000) + 1;
}

static _Noreturn void drawer_main(int from, uint64_t clock)
{
	struct drawer d = {.from = from, .clock = (int64_t)clock, .drawn_ns = wh_now_ns()};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGWINCH);
	sigaddset(&set, SIGCONT);
	sigprocmask(SIG_SETMASK, &set, NULL);
	d.signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	wh_screen_look_init(&d.look);
	while (!d.over) {
		struct pollfd p[2] = {{d.from, POLLIN, 0}, {d.signals, POLLIN, 0}};

		if (poll(p, 2, pause_of(&d)) < 0 && errno != EINTR)
			break;
		if (p[1].revents)
			take_signal(&d);
		if (p[0].revents)
			hear(&d);
		if (!d.over && pause_of(&d) == 0)
			draw(&d);
	}
	/* Else the worker was killed: whoever has the terminal now may be writing below the frame. */
	d.look.final = true;
	if (d.ended)
		draw(&d);
	_exit(0);
}

/* ---------------------------------------------------------------- who works */

struct wh_progress_pipe {
	int fd;
	pid_t pid;
	struct wh_buf kept; /* not taken in yet */
	bool stuck;         /* it was waited for, in vain */
};

bool wh_progress_can_draw(int fd)
{
	const char *term = getenv("TERM");

	return term && *term && strcmp(term, "dumb") != 0 && isatty(fd);
}

/* In the child: nothing is open but the terminal and the socket, so that no lock or pipe of the build is held here. */
static _Noreturn void become_drawer(int from, uint64_t clock)
{
	static const int deaf[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTTOU, SIGUSR1, SIGUSR2};
	int null = wh_openat(AT_FDCWD, "/dev/null", O_RDWR, 0);

	for (size_t i = 0; i < WH_ARRAY_SIZE(deaf); i++)
		signal(deaf[i], SIG_IGN);
	prctl(PR_SET_PDEATHSIG, 0);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
	}
	if (from != 3)
		dup2(from, 3);
	syscall(SYS_close_range, 4U, ~0U, 0U);
	drawer_main(3, clock);
}

int wh_progress_pipe_new(uint64_t clock, struct wh_progress_pipe **ret, struct wh_err **err)
{
	struct wh_progress_pipe *pipe;
	int pair[2];
	pid_t pid;

	if (!isatty(STDERR_FILENO))
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "--progress=tty: standard error is no terminal");
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return wh_err_sys(err, "cli", WH_ERR_ENV, errno, "socketpair");
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		int e = errno;

		close(pair[0]);
		close(pair[1]);
		return wh_err_sys(err, "cli", WH_ERR_ENV, e, "fork");
	}
	if (pid == 0) {
		close(pair[0]);
		become_drawer(pair[1], clock);
	}
	close(pair[1]);
	pipe = wh_calloc(1, sizeof(*pipe));
	*pipe = (struct wh_progress_pipe){.fd = pair[0], .pid = pid};
	*ret = pipe;
	return 0;
}

/* What it takes without waiting. */
static void flush(struct wh_progress_pipe *pipe)
{
	size_t at = 0;

	while (at < pipe->kept.n) {
		ssize_t n = send(pipe->fd, pipe->kept.p + at, pipe->kept.n - at, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) { /* it is gone: nobody sees anything any more */
			wh_closep(&pipe->fd);
			wh_buf_reset(&pipe->kept);
			return;
		}
		if (n < 0)
			break;
		at += (size_t)n;
		pipe->stuck = false;
	}
	if (!at)
		return;
	memmove(pipe->kept.p, pipe->kept.p + at, pipe->kept.n - at);
	pipe->kept.n -= at;
}

void wh_progress_pipe_send(struct wh_progress_pipe *pipe, const char *line, size_t n, bool may_drop)
{
	if (pipe->fd < 0 || (may_drop && pipe->kept.n > BEHIND))
		return;
	wh_buf_add(&pipe->kept, line, n);
	flush(pipe);
	/* That a step is done should be seen at once; a moment for who is only busy, but not again and again for who does not move. */
	if (pipe->fd >= 0 && pipe->kept.n && !may_drop && !pipe->stuck) {
		pipe->stuck = true;
		poll(&(struct pollfd){pipe->fd, POLLOUT, 0}, 1, 50);
		flush(pipe);
	}
}

void wh_progress_pipe_pause(struct wh_progress_pipe *pipe, bool pause)
{
	struct pollfd p = {.fd = pipe->fd, .events = POLLIN};
	char byte;

	wh_progress_pipe_send(pipe, pause ? "P\n" : "R\n", 2, false);
	if (pause && pipe->fd >= 0 && poll(&p, 1, 2000) > 0)
		(void)!read(pipe->fd, &byte, 1);
}

static void wait_for(pid_t pid)
{
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

void wh_progress_pipe_finish(struct wh_progress_pipe *pipe)
{
	if (!pipe->pid)
		return;
	if (pipe->fd >= 0)
		wh_buf_adds(&pipe->kept, "E\n");
	while (pipe->fd >= 0 && pipe->kept.n) {
		flush(pipe);
		if (pipe->fd >= 0 && pipe->kept.n)
			poll(&(struct pollfd){pipe->fd, POLLOUT, 0}, 1, 1000);
	}
	wh_closep(&pipe->fd);
	wait_for(pipe->pid);
	pipe->pid = 0;
}

void wh_progress_pipe_free(struct wh_progress_pipe *pipe)
{
	if (!pipe)
		return;
	wh_closep(&pipe->fd);
	wh_buf_release(&pipe->kept);
	free(pipe);
}
