/* SPDX-License-Identifier: Apache-2.0 */
/* whittle login, logout: a registry's login is tried, then kept where docker keeps it. Nothing is run here that would not be ours. */
#include "cli/cli.h"
#include "cli/password.h"

#include <errno.h>

#define STDIN_MAX ((size_t)64 << 10)

struct flags {
	const char *user, *password;
	bool insecure, get_login, from_stdin;
};

#define AT(field) offsetof(struct flags, field)

static const struct wh_option login_options[] = {
	{"get-login", 0, WH_OPT_FLAG, AT(get_login), NULL, "Print whose login there is, and ask nobody", NULL},
	{"password", 'p', WH_OPT_TEXT, AT(password), "PASSWORD", "The password, which others can see on the command line", NULL},
	{"password-stdin", 0, WH_OPT_FLAG, AT(from_stdin), NULL, "Read the password, or a token, from standard input", NULL},
	{"registry-insecure", 0, WH_OPT_FLAG, AT(insecure), NULL,
	 "Take plain HTTP and unknown certificates (a registry on\nloopback may always speak plain HTTP)", NULL},
	{"username", 'u', WH_OPT_TEXT, AT(user), "USER", "Whose login (default: asked for on the terminal)", NULL},
	{0},
};

static void warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void warn(const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	va_list ap;

	wh_buf_adds(&b, "warning: ");
	va_start(ap, fmt);
	wh_buf_vaddf(&b, fmt, ap);
	va_end(ap);
	wh_buf_addc(&b, '\n');
	(void)!wh_write_all(STDERR_FILENO, b.p, b.n);
}

/* ---------------------------------------------------------------- words */

static int read_stdin(char **ret, struct wh_err **err)
{
	struct wh_buf buf = {.max = STDIN_MAX + 1};
	int r = wh_read_fd(STDIN_FILENO, STDIN_MAX, &buf);

	if (r == -EFBIG)
		wh_err_set(err, "cli", WH_ERR_USAGE, EFBIG, "a password has no more than %zu KiB", STDIN_MAX >> 10);
	else if (r < 0)
		wh_err_sys(err, "cli", WH_ERR_ENV, -r, "read the password from standard input");
	if (r == 0 && buf.n && buf.p[buf.n - 1] == '\n')
		buf.p[--buf.n] = '\0';
	if (r == 0 && buf.n && buf.p[buf.n - 1] == '\r')
		buf.p[--buf.n] = '\0';
	if (r == 0 && buf.n && memchr(buf.p, '\0', buf.n))
		r = wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "the password has a zero byte");
	if (r == 0)
		*ret = wh_strdup(buf.p ? buf.p : "");
	if (buf.p)
		explicit_bzero(buf.p, buf.cap);
	wh_buf_release(&buf);
	return r;
}

static int get_user(const struct flags *f, const char *host, char **ret, struct wh_err **err)
{
	WH_AUTO_FREE char *question = wh_asprintf("Username for %s: ", host);
	int r;

	if (f->user) {
		*ret = wh_strdup(f->user);
		return 0;
	}
	r = wh_terminal_ask(question, true, ret, err);
	if (r == -ENOTTY)
		wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "no user: --username says who logs in, where there is no terminal to ask on");
	return r;
}

static int get_password(const struct flags *f, const char *user, const char *host, char **ret, struct wh_err **err)
{
	WH_AUTO_FREE char *question = wh_asprintf("Password of %s for %s: ", user, host);
	int r;

	if (f->password) {
		warn("--password can be seen by others on this machine; --password-stdin is not");
		*ret = wh_strdup(f->password);
		return 0;
	}
	if (f->from_stdin)
		return read_stdin(ret, err);
	r = wh_terminal_ask(question, false, ret, err);
	if (r == -ENOTTY)
		wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL,
			   "no password: --password-stdin reads it, where there is no terminal to ask on");
	return r;
}

/* What can be a login: it becomes a header's value. */
static int check_words(const char *user, const char *password, struct wh_err **err)
{
	if (!user[0])
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "the user is empty");
	if (strpbrk(user, ":\r\n"))
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "a user has no colon, and no ends of lines");
	if (!password[0])
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "the password is empty");
	if (strpbrk(password, "\r\n"))
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "the password has more than one line");
	return 0;
}

/* ---------------------------------------------------------------- login */

static int try_and_keep(const struct flags *f, const char *host, const char *user, const char *password, struct wh_buf *out,
			struct wh_err **err)
{
	struct wh_registry_opts o = {.user = user, .password = password, .insecure = f->insecure};
	struct wh_login_kept kept = {0};
	struct wh_registry *registry = NULL;
	char *identity = NULL;
	bool asked = false;
	int r = wh_registry_new(&o, &registry, err);

	if (r == 0)
		r = wh_registry_try(registry, host, &identity, &asked, err);
	if (r == 0)
		r = wh_login_keep(host, user, identity ? identity : password, identity, &kept, err);
	if (r == 0 && !asked)
		warn("%s asks for no login: whether this one is right was not to be seen", host);
	if (r == 0 && !kept.helper)
		warn("the %s is kept readable in %s; a credential helper would keep it safe", identity ? "token" : "password", kept.file);
	if (r == 0)
		wh_buf_addf(out, "Login Succeeded\n");
	wh_login_kept_release(&kept);
	wh_password_free(identity);
	wh_registry_free(registry);
	return r;
}

static int login(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	const struct flags *f = flags;
	WH_AUTO_FREE char *host = NULL, *user = NULL;
	char *password = NULL;
	int r = wh_registry_host(args->n ? args->v[0] : NULL, &host, err);

	if (r < 0)
		return r;
	if (f->get_login) {
		r = wh_login_user(host, &user, err);
		if (r == 0)
			wh_buf_addf(out, "%s\n", user);
		return r;
	}
	if (f->password && f->from_stdin)
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "--password and --password-stdin: one of them");
	if (f->from_stdin && !f->user)
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "--password-stdin wants --username");
	r = get_user(f, host, &user, err);
	if (r == 0)
		r = get_password(f, user, host, &password, err);
	if (r == 0)
		r = check_words(user, password, err);
	if (r == 0)
		r = try_and_keep(f, host, user, password, out, err);
	wh_password_free(password);
	return r;
}

static int run_login(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, login);
}

const struct wh_command wh_cmd_login = {
	.name = "login",
	.args = "[HOST]",
	.summary = "Log in to a registry, and keep the login",
	.about = "The registry (default: docker.io) is asked whether the login is right, then it is kept where docker keeps it: in\n"
		 "$REGISTRY_AUTH_FILE, $DOCKER_CONFIG/config.json or ~/.docker/config.json, or by the credential helper which that\n"
		 "file names. Logins of docker, podman and skopeo are used as they are; theirs need no login of ours.",
	.examples = "  whittle login -u me registry.example.com\n"
		    "  printf %s \"$TOKEN\" | whittle login -u ci --password-stdin registry.example.com\n"
		    "  whittle login --get-login registry.example.com",
	.options = login_options,
	.max_args = 1,
	.args_wanted = "at most one registry",
	.run = run_login,
};

/* ---------------------------------------------------------------- logout */

struct out_flags {
	bool all;
};

static const struct wh_option logout_options[] = {
	{"all", 'a', WH_OPT_FLAG, offsetof(struct out_flags, all), NULL, "All logins of the file", NULL},
	{0},
};

static int logout(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	const struct out_flags *f = flags;
	struct wh_login_kept k = {0};
	WH_AUTO_FREE char *host = NULL, *user = NULL;
	int r = 0;

	if (f->all && args->n)
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "--all, or one registry");
	if (!f->all)
		r = wh_registry_host(args->n ? args->v[0] : NULL, &host, err);
	if (r == 0)
		r = wh_login_forget(host, &k, err);
	if (r == 0 && k.n == 0)
		wh_buf_addf(out, "Not logged in%s%s\n", host ? " to " : "", host ? host : "");
	else if (r == 0 && host)
		wh_buf_addf(out, "Removed the login for %s\n", host);
	else if (r == 0)
		wh_buf_addf(out, "Removed %zu login%s\n", k.n, k.n == 1 ? "" : "s");
	if (r == 0 && host && wh_login_user(host, &user, NULL) == 0)
		warn("%s's login for %s is still found: podman's and skopeo's file has one, which their logout removes", user, host);
	wh_login_kept_release(&k);
	return r;
}

static int run_logout(const struct wh_command *c, int argc, char **argv)
{
	struct out_flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, logout);
}

const struct wh_command wh_cmd_logout = {
	.name = "logout",
	.args = "[HOST]",
	.summary = "Forget the login for a registry",
	.about = "From the file, or the credential helper, in which whittle login keeps it (default: docker.io's).",
	.examples = "  whittle logout registry.example.com\n"
		    "  whittle logout --all",
	.options = logout_options,
	.max_args = 1,
	.args_wanted = "at most one registry",
	.run = run_logout,
};
