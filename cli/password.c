/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/password.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#define MAX_PASSWORD 1024

bool wh_password_available(void)
{
	WH_AUTO_FD int tty = -1;

	if (getenv(WH_PASSWORD_ENV))
		return true;
	tty = wh_openat(AT_FDCWD, "/dev/tty", O_RDWR | O_NOCTTY, 0);
	return tty >= 0;
}

/* ---------------------------------------------------------------- asking */

/* Silence must end before these have their way. */
static void ending_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	sigaddset(set, SIGQUIT);
	sigaddset(set, SIGTSTP);
}

/* Waits for a byte. The number of a signal that came instead, 0, or -errno. */
static int wait_byte(int tty, int signals)
{
	struct signalfd_siginfo info;

	for (;;) {
		struct pollfd p[] = {{tty, POLLIN, 0}, {signals, POLLIN, 0}};

		if (poll(p, WH_ARRAY_SIZE(p), -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (p[1].revents && read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info))
			return (int)info.ssi_signo;
		if (p[0].revents)
			return 0;
	}
}

/* One line, its end left out. */
static int read_line(int tty, int signals, char *buf, size_t max, int *ret_signal)
{
	size_t n = 0;

	for (;;) {
		ssize_t got;
		int r = wait_byte(tty, signals);

		if (r != 0) {
			*ret_signal = r > 0 ? r : 0;
			return r > 0 ? -EINTR : r;
		}
		got = read(tty, buf + n, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0 || buf[n] == '\n') {
			buf[n] = 0;
			return got == 0 && n == 0 ? -EPIPE : 0;
		}
		if (++n == max - 1)
			return -E2BIG;
	}
}

static int ask_line(int tty, const char *question, bool echo, char *buf, int *ret_signal)
{
	WH_AUTO_FD int signals = -1;
	struct termios old, silent;
	sigset_t set, before;
	int r;

	if (tcgetattr(tty, &old) < 0)
		return -errno;
	ending_signals(&set);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (signals < 0)
		return -errno;
	sigprocmask(SIG_BLOCK, &set, &before);
	silent = old;
	if (!echo)
		silent.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(tty, TCSAFLUSH, &silent);
	(void)!wh_write_all(tty, question, strlen(question));
	r = read_line(tty, signals, buf, MAX_PASSWORD, ret_signal);
	tcsetattr(tty, TCSAFLUSH, &old);
	if (!echo)
		(void)!wh_write_all(tty, "\n", 1);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

/* A signal takes effect once the terminal is as it was; after a stop the question is put anew. */
static int ask_once(int tty, const char *question, bool echo, char *buf)
{
	for (;;) {
		int signal = 0, r = ask_line(tty, question, echo, buf, &signal);

		if (signal)
			raise(signal);
		if (signal != SIGTSTP)
			return r;
	}
}

static int ask(int tty, const char *what, bool twice, char **ret, struct wh_err **err)
{
	WH_AUTO_FREE char *question = wh_asprintf("Password for %s: ", what);
	char first[MAX_PASSWORD], second[MAX_PASSWORD];
	int r = ask_once(tty, question, false, first);

	if (r == 0 && twice)
		r = ask_once(tty, "The same again: ", false, second);
	if (r < 0)
		wh_err_sys(err, "cli", WH_ERR_ENV, -r, "ask for the password of %s", what);
	else if (twice && strcmp(first, second) != 0)
		r = wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "the two passwords differ");
	else
		*ret = wh_strdup(first);
	explicit_bzero(first, sizeof(first));
	explicit_bzero(second, sizeof(second));
	return r;
}

int wh_password_ask(const char *what, bool twice, char **ret, struct wh_err **err)
{
	const char *env = getenv(WH_PASSWORD_ENV);
	WH_AUTO_FD int tty = -1;

	if (env) {
		*ret = wh_strdup(env);
		return 0;
	}
	tty = wh_openat(AT_FDCWD, "/dev/tty", O_RDWR | O_NOCTTY, 0);
	if (tty < 0) {
		wh_err_set(err, "cli", WH_ERR_USAGE, ENOKEY, "no password for %s", what);
		wh_err_hint(err, WH_PASSWORD_ENV " holds it where there is no terminal to ask on");
		return -ENOKEY;
	}
	return ask(tty, what, twice, ret, err);
}

int wh_terminal_ask(const char *question, bool echo, char **ret, struct wh_err **err)
{
	WH_AUTO_FD int tty = wh_openat(AT_FDCWD, "/dev/tty", O_RDWR | O_NOCTTY, 0);
	char buf[MAX_PASSWORD];
	int r;

	if (tty < 0)
		return -ENOTTY;
	r = ask_once(tty, question, echo, buf);
	if (r < 0)
		wh_err_sys(err, "cli", WH_ERR_ENV, -r, "read what was asked for on the terminal");
	else
		*ret = wh_strdup(buf);
	explicit_bzero(buf, sizeof(buf));
	return r;
}

void wh_password_free(char *p)
{
	if (p)
		explicit_bzero(p, strlen(p));
	free(p);
}

char *wh_password_take(void)
{
	const char *value = getenv(WH_PASSWORD_ENV);
	char *taken = value ? wh_strdup(value) : NULL;
	size_t n = strlen(WH_PASSWORD_ENV);

	for (char **e = environ; e && *e; e++)
		if (strncmp(*e, WH_PASSWORD_ENV, n) == 0 && (*e)[n] == '=')
			explicit_bzero(*e + n + 1, strlen(*e + n + 1));
	unsetenv(WH_PASSWORD_ENV);
	return taken;
}

/* ---------------------------------------------------------------- for who waits */

/* -1: there is none, or it is somebody else's at the moment. */
static int own_terminal(struct termios *ret)
{
	int tty = wh_openat(AT_FDCWD, "/dev/tty", O_RDWR | O_NOCTTY, 0);

	if (tty >= 0 && tcgetpgrp(tty) == getpgrp() && tcgetattr(tty, ret) == 0)
		return tty;
	wh_closep(&tty);
	return -1;
}

bool wh_password_echo(void)
{
	struct termios t;
	WH_AUTO_FD int tty = own_terminal(&t);

	return tty >= 0 && (t.c_lflag & ECHO);
}

void wh_password_echo_on(void)
{
	struct termios t;
	WH_AUTO_FD int tty = own_terminal(&t);

	if (tty < 0 || (t.c_lflag & ECHO))
		return;
	t.c_lflag |= ECHO;
	tcsetattr(tty, TCSANOW, &t);
}
