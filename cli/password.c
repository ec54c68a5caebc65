/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/password.h"

#include <errno.h>
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

/* One line, its end left out. */
static int read_line(int tty, char *buf, size_t max)
{
	size_t n = 0;

	for (;;) {
		ssize_t got = read(tty, buf + n, 1);

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

static int ask_once(int tty, const char *question, char *buf)
{
	struct termios old, silent;
	int r;

	if (tcgetattr(tty, &old) < 0)
		return -errno;
	silent = old;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(tty, TCSAFLUSH, &silent);
	(void)!wh_write_all(tty, question, strlen(question));
	r = read_line(tty, buf, MAX_PASSWORD);
	tcsetattr(tty, TCSAFLUSH, &old);
	(void)!wh_write_all(tty, "\n", 1);
	return r;
}

static int ask(int tty, const char *what, bool twice, char **ret, struct wh_err **err)
{
	WH_AUTO_FREE char *question = wh_asprintf("Password for %s: ", what);
	char first[MAX_PASSWORD], second[MAX_PASSWORD];
	int r = ask_once(tty, question, first);

	if (r == 0 && twice)
		r = ask_once(tty, "The same again: ", second);
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

void wh_password_free(char *p)
{
	if (p)
		explicit_bzero(p, strlen(p));
	free(p);
}
