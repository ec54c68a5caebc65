/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The git program, which is given nothing of the user's: no configuration, no hooks, no prompt, no keys but an agent
 * that was named. Logins are told by its environment, as command lines can be read by everybody on the machine.
 */
#include "layers/registry_private.h"
#include "layers/remote_private.h"

#include <ctype.h>
#include <errno.h>

#define WORDS_MAX ((size_t)1 << 20)

/* ---------------------------------------------------------------- surroundings */

static void set_config(struct wh_git *g, const char *key, const char *value)
{
	WH_AUTO_FREE char *name = wh_asprintf("GIT_CONFIG_KEY_%zu", g->n_config);
	WH_AUTO_FREE char *text = wh_asprintf("GIT_CONFIG_VALUE_%zu", g->n_config);
	WH_AUTO_FREE char *count = NULL;

	wh_env_set(&g->env, name, key);
	wh_env_set(&g->env, text, value);
	count = wh_asprintf("%zu", ++g->n_config);
	wh_env_set(&g->env, "GIT_CONFIG_COUNT", count);
}

static void set_configs(struct wh_git *g)
{
	static const struct {
		const char *key, *value;
	} table[] = {
		{"advice.detachedHead", "false"},
		{"checkout.workers", "1"},
		{"core.autocrlf", "false"},
		{"core.fileMode", "true"},
		{"core.fsmonitor", "false"},
		{"core.hooksPath", "/dev/null"},
		{"core.logAllRefUpdates", "false"},
		{"core.symlinks", "true"},
		{"credential.helper", ""},
		{"fetch.recurseSubmodules", "false"},
		{"gc.auto", "0"},
		{"http.lowSpeedLimit", "1"},
		{"http.lowSpeedTime", "60"},
		{"init.defaultBranch", "master"},
		{"maintenance.auto", "false"},
		{"protocol.ext.allow", "never"},
		{"submodule.recurse", "false"},
	};

	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++)
		set_config(g, table[i].key, table[i].value);
}

static void pass_on(struct wh_git *g, const char *name)
{
	const char *value = getenv(name);

	if (value && *value)
		wh_env_set(&g->env, name, value);
}

/* Hosts that are not known are taken, and known from then on; one whose key has changed is refused. The file is named by
 * the environment, as ssh has signs of its own in names that it is told. */
static void set_ssh(struct wh_git *g, const struct wh_remote_opts *o)
{
	WH_AUTO_FREE char *known = wh_asprintf("%s/sources/known_hosts", g->store->path);

	wh_env_set(&g->env, "GIT_SSH_COMMAND",
		   "ssh -F /dev/null -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=30 "
		   "-o IdentityFile=none -o StrictHostKeyChecking=accept-new "
		   "-o 'UserKnownHostsFile=${WHITTLE_KNOWN_HOSTS} ~/.ssh/known_hosts'");
	wh_env_set(&g->env, "WHITTLE_KNOWN_HOSTS", known);
	if (o && o->ssh_socket)
		wh_env_set(&g->env, "SSH_AUTH_SOCK", o->ssh_socket);
}

static void set_surroundings(struct wh_git *g, const struct wh_remote_opts *o)
{
	static const char *const inherited[] = {"PATH",       "HTTP_PROXY",  "HTTPS_PROXY", "NO_PROXY",  "ALL_PROXY",
						"http_proxy", "https_proxy", "no_proxy",    "all_proxy", "TMPDIR"};
	const char *ca = getenv("SSL_CERT_FILE");

	for (size_t i = 0; i < WH_ARRAY_SIZE(inherited); i++)
		pass_on(g, inherited[i]);
	if (!wh_env_get(&g->env, "PATH"))
		wh_env_set(&g->env, "PATH", "/usr/local/bin:/usr/bin:/bin");
	if (ca && *ca)
		wh_env_set(&g->env, "GIT_SSL_CAINFO", ca);
	wh_env_set(&g->env, "HOME", "/dev/null");
	wh_env_set(&g->env, "LC_ALL", "C");
	wh_env_set(&g->env, "GIT_CONFIG_NOSYSTEM", "1");
	wh_env_set(&g->env, "GIT_CONFIG_GLOBAL", "/dev/null");
	wh_env_set(&g->env, "GIT_ATTR_NOSYSTEM", "1");
	wh_env_set(&g->env, "GIT_TERMINAL_PROMPT", "0");
	set_configs(g);
	set_ssh(g, o);
}

/* ---------------------------------------------------------------- logins */

static bool is_http(const char *remote)
{
	return wh_has_prefix(remote, "http://") || wh_has_prefix(remote, "https://");
}

/* A token is for its repository alone; on github.com for all of them, as submodules mostly live there, too. */
static const char *token_scope(const char *remote)
{
	static const char *const wide[] = {"https://github.com/", "https://www.github.com/"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(wide); i++)
		if (wh_has_prefix(remote, wide[i]))
			return wide[i];
	return remote;
}

/* After a redirect git sends the header to whatever host it was led to. So with a login it follows none. */
static void set_login(struct wh_git *g, const char *value)
{
	WH_AUTO_FREE char *key = wh_asprintf("http.%s.extraHeader", token_scope(g->remote));
	WH_AUTO_FREE char *follow = wh_asprintf("http.%s.followRedirects", token_scope(g->remote));
	WH_AUTO_SECRET char *header = wh_asprintf("Authorization: %s", value);

	g->n_plain = g->n_config;
	set_config(g, key, header);
	set_config(g, follow, "false");
}

static void forget_login(struct wh_git *g)
{
	WH_AUTO_FREE char *count = wh_asprintf("%zu", g->n_plain);

	wh_env_set(&g->env, "GIT_CONFIG_COUNT", count); /* what lies behind is not read */
	g->n_config = g->n_plain;
	g->n_plain = 0;
	g->led_away = true;
}

static void decode_percent(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s == '%' && isxdigit((unsigned char)s[1]) && isxdigit((unsigned char)s[2])) {
			char digits[3] = {s[1], s[2], 0};

			*to++ = (char)strtoul(digits, NULL, 16);
			s += 2;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
}

/* Secrets in BuildKit's order; else user and password of the address itself, which then are no longer in it. */
static int find_login(struct wh_git *g, const struct wh_remote_opts *o, struct wh_err **err)
{
	char *authority = strstr(g->remote, "://") + strlen("://"), *at;
	size_t n = strcspn(authority, "/");
	WH_AUTO_SECRET char *both = NULL;
	WH_AUTO_FREE char *host = NULL;

	at = memrchr(authority, '@', n);
	if (at) {
		both = wh_strndup(authority, (size_t)(at - authority));
		decode_percent(both);
		memmove(authority, at + 1, strlen(at + 1) + 1);
		n = strcspn(authority, "/");
	}
	host = wh_strndup(authority, n);
	for (unsigned i = 0; i < 4; i++) {
		const char *name = i % 2 ? "GIT_AUTH_TOKEN" : "GIT_AUTH_HEADER";
		const struct wh_remote_secret *x = wh_remote_secret(o, i < 2 ? "%s.%s" : "%s", name, host);
		WH_AUTO_SECRET char *line = x ? wh_remote_secret_line(x) : NULL;
		WH_AUTO_SECRET char *b64 = NULL;
		WH_AUTO_SECRET char *value = NULL;

		if (x && !line)
			return wh_err_set(err, "source", WH_ERR_USAGE, EINVAL,
					  "the secret %s is no value for a header: it has several lines", x->id);
		if (!x)
			continue;
		if (i % 2) {
			value = wh_asprintf("x-access-token:%s", line);
			b64 = wh_remote_basic(value);
		}
		free(WH_TAKE_PTR(value));
		value = b64 ? wh_asprintf("basic %s", b64) : wh_strdup(line);
		set_login(g, value);
		return 0;
	}
	if (both) {
		WH_AUTO_FREE char *pair = strchr(both, ':') ? wh_strdup(both) : wh_asprintf("%s:", both);
		WH_AUTO_SECRET char *b64 = wh_remote_basic(pair);
		WH_AUTO_SECRET char *value = wh_asprintf("Basic %s", b64);

		explicit_bzero(pair, strlen(pair));
		set_login(g, value);
	}
	return 0;
}

/* ---------------------------------------------------------------- the object */

/* user@host:path, without anything that an option could begin with. */
static bool is_scp(const char *s)
{
	size_t user = 0, host = 0;

	while (isalnum((unsigned char)s[user]) || (user && (s[user] == '-' || s[user] == '_')))
		user++;
	if (!user || s[user] != '@')
		return false;
	s += user + 1;
	while (isalnum((unsigned char)s[host]) || s[host] == '.' || (host && s[host] == '-'))
		host++;
	return host && s[host] == ':' && s[host + 1] && s[host + 1] != '-' && s[host + 1] != ':';
}

/* What follows "scheme://": neither the user nor the host could be taken for an option. */
static bool good_authority(const char *s)
{
	const char *at = memrchr(s, '@', strcspn(s, "/"));

	return *s && *s != '-' && *s != '/' && !(at && (at[1] == '-' || at[1] == '/' || !at[1]));
}

static bool good_remote(const char *s)
{
	static const char *const schemes[] = {"http://", "https://", "ssh://", "git://"};

	for (const char *p = s; *p; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f)
			return false;
	for (size_t i = 0; i < WH_ARRAY_SIZE(schemes); i++)
		if (wh_has_prefix(s, schemes[i]))
			return good_authority(s + strlen(schemes[i]));
	return is_scp(s);
}

int wh_git_open(struct wh_git *g, struct wh_store *s, const struct wh_remote_opts *o, const char *remote,
		struct wh_err **err)
{
	int r;

	if (!good_remote(remote))
		return wh_err_set(err, "source", WH_ERR_USAGE, EINVAL,
				  "\"%.200s\" is no address of a git repository: http, https, ssh and git are taken",
				  g->shown);
	g->store = s;
	g->remote = wh_strdup(remote);
	set_surroundings(g, o);
	r = wh_mkdir_p(s->dir_fd, "sources", 0700); /* ssh makes no directory for its file */
	if (r < 0)
		return wh_err_sys(err, "source", WH_ERR_ENV, -r, "make %s/sources", s->path);
	return is_http(remote) ? find_login(g, o, err) : 0;
}

void wh_git_close(struct wh_git *g)
{
	for (size_t i = 0; i < g->env.n; i++)
		explicit_bzero(g->env.v[i], strlen(g->env.v[i]));
	wh_strv_release(&g->env);
	free(WH_TAKE_PTR(g->remote));
	wh_buf_release(&g->out);
	wh_buf_release(&g->words);
}

/* ---------------------------------------------------------------- a run */

/* Its output goes to files without a name: both can be long, and neither may stop it. */
static int temporary(const struct wh_git *g)
{
	WH_AUTO_FREE char *name = wh_temp_name("git-");
	int dir = wh_store_tmp_dirfd(g->store);
	int fd = wh_openat(dir, name, O_RDWR | O_CREAT | O_EXCL, 0600);

	if (fd >= 0)
		(void)unlinkat(dir, name, 0);
	return fd;
}

static int take(int fd, struct wh_buf *to)
{
	wh_buf_reset(to);
	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;
	return wh_read_fd(fd, WORDS_MAX, to);
}

static int run(struct wh_git *g, const struct wh_strv *argv, struct wh_err **err)
{
	WH_AUTO_FD int out = temporary(g), words = temporary(g);
	struct wh_proc_opts p = {.stdin_fd = -1, .stdout_fd = out, .stderr_fd = words, .die_with_parent = true};
	int status, r;
	pid_t pid;

	if (out < 0 || words < 0)
		return wh_err_sys(err, "source", WH_ERR_ENV, out < 0 ? -out : -words, "make a temporary file");
	p.env = (const char *const *)g->env.v;
	pid = wh_proc_spawn((const char *const *)argv->v, &p);
	if (pid == -ENOENT) {
		wh_err_set(err, "source", WH_ERR_ENV, ENOENT, "%s: there is no git program", g->shown);
		wh_err_hint(err, "install git: apt-get install git");
		return -ENOENT;
	}
	if (pid < 0)
		return wh_err_sys(err, "source", WH_ERR_ENV, (int)-pid, "run git");
	status = wh_proc_wait(pid);
	if (status < 0)
		return wh_err_sys(err, "source", WH_ERR_ENV, -status, "wait for git");
	r = take(out, &g->out);
	if (r == 0)
		r = take(words, &g->words);
	if (r < 0)
		return wh_err_sys(err, "source", WH_ERR_BUILD, -r, "%s: read what git says", g->shown);
	return status;
}

int wh_git_run(struct wh_git *g, bool local, struct wh_err **err, const char *first, ...)
{
	WH_AUTO_STRV struct wh_strv argv = {0};
	va_list ap;
	int r;

	wh_strv_add(&argv, "git");
	va_start(ap, first);
	for (const char *p = first; p; p = va_arg(ap, const char *))
		wh_strv_add(&argv, p);
	va_end(ap);
	wh_env_set(&g->env, "GIT_ALLOW_PROTOCOL", local ? "file" : "http:https:ssh:git");
	r = run(g, &argv, err);
	/* Redirected: where that leads may be asked, as a stranger. */
	if (r > 0 && !local && g->n_plain && wh_git_says(g, "returned error: 30", NULL)) {
		forget_login(g);
		r = run(g, &argv, err);
	}
	return r;
}

/* ---------------------------------------------------------------- its words */

bool wh_git_says(const struct wh_git *g, const char *first, ...)
{
	bool found = false;
	va_list ap;

	va_start(ap, first);
	for (const char *p = first; p && !found; p = va_arg(ap, const char *))
		found = g->words.p && strstr(g->words.p, p);
	va_end(ap);
	return found;
}

/* A line of what it said that begins so; NULL: there is none. */
static const char *said(const struct wh_git *g, const char *begin)
{
	const char *p = g->words.p ? g->words.p : "";

	while (*p && !wh_has_prefix(p, begin)) {
		p += strcspn(p, "\n");
		p += *p == '\n';
	}
	return *p ? p : NULL;
}

static void add_line(struct wh_buf *out, const char *line)
{
	for (; !strchr("\r\n", *line) && out->n < 300; line++) /* or its end */
		wh_buf_addc(out, (unsigned char)*line < 0x20 || *line == 0x7f ? ' ' : *line);
}

/* The first line that begins with "fatal:" or "error:": later ones tell what follows from it. Where that says nothing,
 * what the helper (ssh) said before it; with none, the last line. */
static void complaint(const struct wh_git *g, struct wh_buf *out)
{
	const char *p = g->words.p ? g->words.p : "", *last = "", *best = NULL;

	for (; *p && !best; p += *p == '\n') {
		const char *line = p;

		p += strcspn(p, "\n");
		if (wh_has_prefix(line, "fatal: Could not read from remote repository") && *last)
			best = last;
		else if (wh_has_prefix(line, "fatal: ") || wh_has_prefix(line, "error: "))
			best = line + strlen("fatal: ");
		if (p > line)
			last = line;
	}
	best = best ? best : last;
	/* ssh's last word is that it could not verify a key; the one before says why. */
	if (wh_has_prefix(best, "Host key verification failed") && said(g, "Host key for "))
		best = said(g, "Host key for ");
	add_line(out, best);
	best += strcspn(best, "\n");
	if (out->n && out->p[out->n - 1] == ':' && *best) { /* "unable to connect to HOST:", and below it how */
		wh_buf_addc(out, ' ');
		add_line(out, best + 1);
	}
}

/* "Offending ED25519 key in FILE:LINE" */
static void hint_changed(const struct wh_git *g, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf line = WH_BUF_INIT;
	const char *at = said(g, "Offending ");

	if (at)
		add_line(&line, at);
	at = line.p ? strstr(line.p, " key in ") : NULL;
	if (at)
		wh_err_hint(err, "if the new key is the right one, remove the old one: %s", at + strlen(" key in "));
}

static void hint(const struct wh_git *g, struct wh_err **err)
{
	if (g->led_away &&
	    wh_git_says(g, "could not read Username", "Authentication failed", "returned error: 40", NULL))
		wh_err_hint(err,
			    "the address redirects, and logins are not sent after it: name the one that it leads to");
	else if (wh_git_says(g, "could not read Username", "Authentication failed", "returned error: 403", NULL))
		wh_err_hint(err, "--secret id=GIT_AUTH_TOKEN,src=FILE gives a token for https remotes");
	else if (wh_git_says(g, "Host key verification failed", NULL))
		hint_changed(g, err);
	else if (wh_git_says(g, "Permission denied (", NULL) && wh_env_get(&g->env, "SSH_AUTH_SOCK"))
		wh_err_hint(err, "of the keys that --ssh default gave the server takes none");
	else if (wh_git_says(g, "Permission denied (", NULL))
		wh_err_hint(err, "--ssh default passes your agent on, --ssh default=FILE a key; others are not used");
	else if (wh_git_says(g, "cannot run ssh", "ssh: not found", NULL))
		wh_err_hint(err, "install ssh: apt-get install openssh-client");
}

int wh_git_failed(struct wh_git *g, struct wh_err **err, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf what = WH_BUF_INIT, why = WH_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	wh_buf_vaddf(&what, fmt, ap);
	va_end(ap);
	complaint(g, &why);
	wh_err_set(err, "source", WH_ERR_BUILD, EREMOTEIO, "%s: %s", what.p ? what.p : "git",
		   why.n ? why.p : "git failed and said nothing");
	hint(g, err);
	return -EREMOTEIO;
}
