/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On a terminal the shell has one of its own, whose bytes are handed on. Without one, commands come from standard
 * input, through pipes. So the step never has a descriptor of the user's.
 */
#include "cli/on_failure.h"
#include "cli/relay.h"
#include "cli/terminal.h"

#include <errno.h>
#include <signal.h>

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

static int run_piped(struct wh_failed *f, const char *const *shell, int out, int *ret_status, struct wh_err **err)
{
	const struct sigaction ignore = {.sa_handler = SIG_IGN};
	struct wh_loop *loop = wh_failed_loop(f);
	struct wh_relay *relays[3];
	struct sigaction before;
	int p[3][2], r = 0;

	for (int i = 0; i < 3; i++) {
		if (pipe2(p[i], O_CLOEXEC) == 0)
			continue;
		r = wh_err_sys(err, "cli", WH_ERR_ENV, errno, "make a pipe");
		while (i-- > 0) {
			close(p[i][0]);
			close(p[i][1]);
		}
		return r;
	}
	sigaction(SIGPIPE, &ignore, &before); /* of a shell that has ended, of a reader of ours */
	relays[0] = wh_relay_new(loop, STDIN_FILENO, p[0][1], WH_RELAY_OWNS_TO, NULL, NULL);
	relays[1] = wh_relay_new(loop, p[1][0], out, WH_RELAY_OWNS_FROM, NULL, NULL);
	relays[2] = wh_relay_new(loop, p[2][0], STDERR_FILENO, WH_RELAY_OWNS_FROM, NULL, NULL);
	r = wh_failed_run(f, shell, &(struct wh_failed_io){.in_fd = p[0][0], .out_fd = p[1][1], .err_fd = p[2][1]},
			  ret_status, err);
	close(p[0][0]);
	close(p[1][1]);
	close(p[2][1]);
	for (int i = 0; i < 3; i++) {
		if (i)
			wh_relay_drain(relays[i]);
		wh_relay_free(relays[i]);
	}
	sigaction(SIGPIPE, &before, NULL);
	return r;
}

/* ---------------------------------------------------------------- on the terminal */

static int run_on_terminal(struct wh_failed *f, const char *const *shell, int in, int out, int *ret_status,
			   struct wh_err **err)
{
	struct wh_failed_io io = {.term = getenv("TERM")};
	struct wh_terminal *t = NULL;
	int r = wh_terminal_open(wh_failed_loop(f), in, out, &t, err);

	if (r < 0)
		return r;
	wh_terminal_lend(t, &io.console_fd, &io.rows, &io.columns);
	r = wh_failed_run(f, shell, &io, ret_status, err);
	wh_terminal_lent(t);
	wh_terminal_close(t);
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

	say("A shell (%s%s%s) in the failed step, as it was left. What is changed here is", shell[0], shell[1] ? " " : "",
	    shell[1] ? shell[1] : "");
	say("thrown away, but for cache mounts. \"exit\" ends the build with its failure.");
	for (size_t i = 0; i < wh_failed_lost(f)->n; i++)
		say("The mount %s is not there: with --isolation=chroot it went with the step.", wh_failed_lost(f)->v[i]);
	if (script)
		say("The failed command, to be run again: %s", script);
}

/* Where a shell's words come from, and go to. tty: to be closed. */
struct ends {
	bool terminal;
	int in, out, tty;
};

static int choose_ends(const struct wh_build_spec *s, struct ends *ret, struct wh_err **err)
{
	bool taken = s->context_kind == WH_CONTEXT_STDIN || wh_streq(s->file, "-"), piped = writes_to_stdout(s);

	*ret = (struct ends){.in = STDIN_FILENO, .out = piped ? STDERR_FILENO : STDOUT_FILENO, .tty = -1};
	if (!taken && !isatty(STDIN_FILENO))
		return 0;
	ret->terminal = true;
	if (isatty(STDERR_FILENO))
		ret->out = STDERR_FILENO;
	if (taken || !isatty(ret->out))
		ret->tty = wh_openat(AT_FDCWD, "/dev/tty", O_RDWR | O_NOCTTY, 0);
	if (taken && ret->tty < 0)
		return wh_err_set(err, "cli", WH_ERR_BUILD, ENOTTY,
				  "standard input was what is built, so there is nothing to take commands from");
	if (taken)
		ret->in = ret->tty;
	if (!isatty(ret->out) && ret->tty >= 0)
		ret->out = ret->tty;
	return 0;
}

void wh_on_failure(void *arg, struct wh_failed *f)
{
	struct wh_on_failure *o = arg;
	WH_AUTO_ERR struct wh_err *err = NULL;
	const char *const *shell = NULL;
	int status = 0, r;
	struct ends e;

	o->asked = true;
	wh_progress_finish(o->progress);
	tell_error(wh_failed_error(f));
	r = choose_ends(o->spec, &e, &err);
	if (r == 0)
		r = wh_failed_shell(f, &shell, &err);
	if (r == 0) {
		tell_shell(f, shell);
		if (!e.terminal)
			say("Standard input is no terminal: commands are read from it.");
		r = e.terminal ? run_on_terminal(f, shell, e.in, e.out, &status, &err)
			       : run_piped(f, shell, e.out, &status, &err);
	}
	wh_closep(&e.tty);
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
