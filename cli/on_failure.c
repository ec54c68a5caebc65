/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Without a terminal, commands come from standard input: whittle hands its bytes on through pipes, so that a step never has a descriptor
 * of the user's.
 *
 *     standard input ─▶ to ─▶ shell ─▶ from[0], from[1] ─▶ standard output, standard error
 */
#include "cli/on_failure.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>

#define CHUNK 16384

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf line = WH_BUF_INIT, out = WH_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	wh_buf_vaddf(&line, fmt, ap);
	va_end(ap);
	wh_text_add_safe(&out, line.p, line.n);
	wh_buf_addc(&out, '\n');
	(void)!wh_write_all(STDERR_FILENO, out.p, out.n);
}

static void tell_error(const struct wh_err *err)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	wh_buf_addc(&out, '\n');
	wh_err_format(err, isatty(STDERR_FILENO), &out);
	wh_buf_addc(&out, '\n');
	(void)!wh_write_all(STDERR_FILENO, out.p, out.n);
}

static void tell_note(struct wh_err *err)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	wh_err_wrap(&err, "--on-failure=shell: no shell");
	wh_note_format(err, isatty(STDERR_FILENO), &out);
	(void)!wh_write_all(STDERR_FILENO, out.p, out.n);
}

/* ---------------------------------------------------------------- through pipes */

struct stream {
	struct wh_loop *loop;
	int from, to; /* -1: over */
	bool owns_from, owns_to;
	struct wh_buf held; /* read, and not written yet */
};

static void on_readable(void *arg, int fd, short revents);

static void end_reading(struct stream *s)
{
	if (s->from < 0)
		return;
	wh_loop_del_fd(s->loop, s->from);
	if (s->owns_from)
		close(s->from);
	s->from = -1;
}

static void end_writing(struct stream *s)
{
	if (s->to < 0)
		return;
	if (s->owns_to) {
		wh_loop_del_fd(s->loop, s->to);
		close(s->to);
	}
	s->to = -1;
}

/* Towards the shell: it takes what it can, when it can. */
static void on_writable(void *arg, int fd, short revents)
{
	struct stream *s = arg;
	ssize_t n = write(fd, s->held.p, s->held.n);

	(void)revents;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) { /* nobody reads any more */
		wh_buf_reset(&s->held);
		end_writing(s);
		end_reading(s);
		return;
	}
	memmove(s->held.p, s->held.p + n, s->held.n - (size_t)n);
	s->held.n -= (size_t)n;
	if (s->held.n)
		return;
	wh_loop_del_fd(s->loop, s->to);
	if (s->from >= 0)
		wh_loop_add_fd(s->loop, s->from, POLLIN, on_readable, s);
	else
		end_writing(s);
}

static void on_readable(void *arg, int fd, short revents)
{
	struct stream *s = arg;
	char chunk[CHUNK];
	ssize_t n = read(fd, chunk, sizeof(chunk));

	(void)revents;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_reading(s);
		if (s->owns_to)
			end_writing(s);
		return;
	}
	if (!s->owns_to) {
		if (s->to >= 0 && wh_write_all(s->to, chunk, (size_t)n) < 0)
			s->to = -1; /* nobody reads it; the shell goes on */
		return;
	}
	wh_buf_add(&s->held, chunk, (size_t)n);
	wh_loop_del_fd(s->loop, s->from);
	wh_loop_add_fd(s->loop, s->to, POLLOUT, on_writable, s);
}

/* What is still in its pipe, when the shell is over. */
static void drain(struct stream *s)
{
	if (s->from >= 0)
		fcntl(s->from, F_SETFL, 0);
	while (s->from >= 0)
		on_readable(s, s->from, POLLIN);
}

/* A pipe; our end does not block. */
static int open_pipe(int p[2], int ours, struct wh_err **err)
{
	if (pipe2(p, O_CLOEXEC) < 0)
		return wh_err_sys(err, "cli", WH_ERR_ENV, errno, "make a pipe");
	fcntl(p[ours], F_SETFL, O_NONBLOCK);
	return 0;
}

static int run_piped(struct wh_failed *f, const char *const *shell, int out, int *ret_status, struct wh_err **err)
{
	struct wh_loop *loop = wh_failed_loop(f);
	struct sigaction old, ignore = {.sa_handler = SIG_IGN};
	int in_p[2] = {-1, -1}, out_p[2] = {-1, -1}, err_p[2] = {-1, -1}, r;

	r = open_pipe(in_p, 1, err);
	if (r == 0)
		r = open_pipe(out_p, 0, err);
	if (r == 0)
		r = open_pipe(err_p, 0, err);
	if (r == 0) {
		struct stream to = {.loop = loop, .from = STDIN_FILENO, .to = in_p[1], .owns_to = true};
		struct stream from = {.loop = loop, .from = out_p[0], .to = out, .owns_from = true};
		struct stream errors = {.loop = loop, .from = err_p[0], .to = STDERR_FILENO, .owns_from = true};
		const struct wh_failed_io io = {.in_fd = in_p[0], .out_fd = out_p[1], .err_fd = err_p[1]};

		sigaction(SIGPIPE, &ignore, &old); /* of a shell that has ended, and of a reader of ours */
		wh_loop_add_fd(loop, to.from, POLLIN, on_readable, &to);
		wh_loop_add_fd(loop, from.from, POLLIN, on_readable, &from);
		wh_loop_add_fd(loop, errors.from, POLLIN, on_readable, &errors);
		r = wh_failed_run(f, shell, &io, ret_status, err);
		wh_closep(&in_p[0]);
		wh_closep(&out_p[1]);
		wh_closep(&err_p[1]);
		end_reading(&to);
		end_writing(&to);
		drain(&from);
		drain(&errors);
		wh_buf_release(&to.held);
		sigaction(SIGPIPE, &old, NULL);
		return r;
	}
	for (int i = 0; i < 2; i++) {
		wh_closep(&in_p[i]);
		wh_closep(&out_p[i]);
		wh_closep(&err_p[i]);
	}
	return r;
}

/* ---------------------------------------------------------------- the shell */

static bool writes_to_stdout(const struct wh_build_spec *s)
{
	for (size_t i = 0; i < s->n_outputs; i++)
		if (wh_streq(s->outputs[i].dest, "-"))
			return true;
	return false;
}

static void tell_shell(struct wh_failed *f, const char *const *shell)
{
	const char *script = wh_failed_script(f);

	say("This is a shell (%s%s%s) in the state in which the failed step was left. What is changed here is thrown away,", shell[0],
	    shell[1] ? " " : "", shell[1] ? shell[1] : "");
	say("but for what is written into cache mounts. \"exit\" ends the build with its failure.");
	for (size_t i = 0; i < wh_failed_lost(f)->n; i++)
		say("The mount %s is not there: with --isolation=chroot it went with the step.", wh_failed_lost(f)->v[i]);
	if (script)
		say("The failed command is %s", script);
}

void wh_on_failure(void *arg, struct wh_failed *f)
{
	struct wh_on_failure *o = arg;
	bool taken = o->spec->context_kind == WH_CONTEXT_STDIN || wh_streq(o->spec->file, "-");
	WH_AUTO_ERR struct wh_err *err = NULL;
	const char *const *shell = NULL;
	int status = 0, r;

	o->asked = true;
	wh_progress_finish(o->progress);
	tell_error(wh_failed_error(f));
	if (taken)
		r = wh_err_set(&err, "cli", WH_ERR_BUILD, ENOTTY, "standard input was what is built, so there is nothing to take commands from");
	else
		r = wh_failed_shell(f, &shell, &err);
	if (r == 0) {
		tell_shell(f, shell);
		say("Standard input is no terminal: commands are read from it as they come.");
		r = run_piped(f, shell, writes_to_stdout(o->spec) ? STDERR_FILENO : STDOUT_FILENO, &status, &err);
	}
	if (r < 0)
		tell_note(err);
	else
		say("The shell has ended with status %d; the build ends with its failure.", status);
}

void wh_on_failure_end(const struct wh_on_failure *o, const struct wh_err *err)
{
	if (o->spec->failure_shell && !o->asked && err && err->class == WH_ERR_BUILD && err->sys != ECANCELED)
		say("note: --on-failure=shell: no shell, as what failed is no command of a RUN");
}
