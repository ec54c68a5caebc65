/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where logins come from: docker's config.json ("auths", "credHelpers", "credsStore") and containers' auth.json, which has the
 * same form with keys that may go on into the repository's path. Helpers: docker-credential-NAME get, the key on its
 * standard input, {"Username", "Secret"} on its output.
 */
#include "layers/registry_private.h"

#include <pwd.h>
#include <sodium.h>

#define CONFIG_MAX ((size_t)4 << 20)
#define SECRET_MAX ((size_t)64 << 10)
#define HELPER_MAX ((size_t)64 << 10)

void wh_secret_free(char *s)
{
	if (s)
		explicit_bzero(s, strlen(s));
	free(s);
}

void wh_login_release(struct wh_login *l)
{
	free(l->user);
	wh_secret_free(l->password);
	wh_secret_free(l->identity);
	free(l->helper);
	free(l->helper_key);
	free(l->trouble);
	*l = (struct wh_login){0};
}

void wh_secret_buf_release(struct wh_buf *b)
{
	if (b->p)
		explicit_bzero(b->p, b->cap);
	wh_buf_release(b);
}

/* ---------------------------------------------------------------- one document */

static bool is_docker_hub(const char *domain)
{
	return wh_streq(domain, "docker.io") || wh_streq(domain, "index.docker.io") ||
	       wh_streq(domain, "registry-1.docker.io");
}

/* The key of "auths" without scheme, and without the path of an API ("https://index.docker.io/v1/"). malloc'ed. */
static char *plain_key(const char *key)
{
	const char *scheme = strstr(key, "://");
	const char *p = scheme ? scheme + 3 : key;
	size_t n = strlen(p);
	WH_AUTO_FREE char *plain = NULL;

	while (n && p[n - 1] == '/')
		n--;
	plain = wh_strndup(p, n);
	if (scheme || wh_has_suffix(plain, "/v1") || wh_has_suffix(plain, "/v2")) {
		char *slash = strchr(plain, '/');

		if (slash)
			*slash = '\0';
	}
	return WH_TAKE_PTR(plain);
}

/* How much of DOMAIN/PATH a key names: its length, or 0 when it names something else. */
static size_t key_fits(const char *key, const char *domain, const char *path)
{
	WH_AUTO_FREE char *plain = plain_key(key);
	const char *slash = strchr(plain, '/');
	size_t host = slash ? (size_t)(slash - plain) : strlen(plain), rest;
	WH_AUTO_FREE char *name = wh_strndup(plain, host);

	if (!(is_docker_hub(domain) ? is_docker_hub(name) : wh_str_ieq(wh_str(name), domain)) || host == 0)
		return 0;
	if (!slash)
		return host;
	rest = strlen(slash + 1);
	if (strncmp(path, slash + 1, rest) != 0 || (path[rest] != '\0' && path[rest] != '/'))
		return 0;
	return host + 1 + rest;
}

bool wh_login_key_is(const char *key, const char *domain)
{
	return key_fits(key, domain, "") > 0;
}

/* The member of an object whose key fits best. */
static const json_t *best_member(const json_t *o, const char *domain, const char *path, const char **ret_key)
{
	const json_t *best = NULL;
	size_t most = 0;
	const char *key;
	json_t *v;

	/* jansson's iteration is over a const object in all but its signature. */
	json_object_foreach ((json_t *)(uintptr_t)o, key, v) {
		size_t n = key_fits(key, domain, path);

		if (n <= most)
			continue;
		most = n;
		best = v;
		*ret_key = key;
	}
	return best;
}

/* Header values are made of it. */
static bool harmless(const char *s)
{
	return s && s[0] && strlen(s) <= SECRET_MAX && !strpbrk(s, "\r\n");
}

static bool split_auth(const char *b64, struct wh_login *l)
{
	size_t n = strlen(b64), got = 0;
	WH_AUTO_SECRET char *text = NULL;
	const char *end;
	char *colon;

	if (n == 0 || n > SECRET_MAX)
		return false;
	text = wh_calloc(1, n + 1);
	if (sodium_base642bin((unsigned char *)text, n, b64, n, "\r\n", &got, &end, sodium_base64_VARIANT_ORIGINAL) !=
		    0 ||
	    *end)
		return false;
	text[got] = '\0';
	/* docker pads with zero bytes at times; a longer tail would be no password. */
	colon = strchr(text, ':');
	if (!colon || colon == text || !harmless(colon + 1))
		return false;
	l->user = wh_strndup(text, (size_t)(colon - text));
	l->password = wh_strdup(colon + 1);
	return true;
}

static bool from_entry(const json_t *e, struct wh_login *l)
{
	const char *auth = wh_json_str(e, "auth"), *identity = wh_json_str(e, "identitytoken");
	const char *user = wh_json_str(e, "username"), *password = wh_json_str(e, "password");

	if (harmless(identity)) {
		l->identity = wh_strdup(identity);
		return true;
	}
	if (harmless(user) && !strchr(user, ':') && harmless(password)) {
		l->user = wh_strdup(user);
		l->password = wh_strdup(password);
		return true;
	}
	return auth && split_auth(auth, l);
}

bool wh_login_helper_name(const char *s)
{
	if (!s || !s[0] || strlen(s) > 64)
		return false;
	for (; *s; s++)
		if (!((*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z') || (*s >= '0' && *s <= '9') ||
		      strchr("._-", *s)))
			return false;
	return true;
}

bool wh_login_find(const json_t *config, const char *domain, const char *path, struct wh_login *ret)
{
	const char *key = NULL, *helper;
	const json_t *e;

	*ret = (struct wh_login){0};
	helper = json_string_value(best_member(json_object_get(config, "credHelpers"), domain, path, &key));
	if (!helper) {
		e = best_member(json_object_get(config, "auths"), domain, path, &key);
		if (e && from_entry(e, ret))
			return true;
		/* With a store, "auths" has empty entries whose keys the store knows. */
		helper = wh_json_str(config, "credsStore");
		if (!key)
			key = is_docker_hub(domain) ? "https://index.docker.io/v1/" : domain;
	}
	if (!wh_login_helper_name(helper))
		return false;
	ret->helper = wh_strdup(helper);
	ret->helper_key = wh_strdup(key);
	return true;
}

/* ---------------------------------------------------------------- helpers */

int wh_login_helper(const char *helper, const char *verb, const char *in, size_t n, struct wh_buf *out, struct wh_err **err)
{
	WH_AUTO_FREE char *program = wh_asprintf("docker-credential-%s", helper);
	const char *const argv[] = {program, verb, NULL};
	struct wh_proc_opts opts = WH_PROC_OPTS_INIT;
	WH_AUTO_FD int in_r = -1, in_w = -1, out_r = -1, out_w = -1;
	int i[2], o[2], r;
	pid_t pid;

	if (n > WH_HELPER_INPUT_MAX)
		return wh_err_set(err, "registry", WH_ERR_ENV, EFBIG, "%s: that is too long for it", program);
	if (pipe2(i, O_CLOEXEC) < 0)
		return wh_err_sys(err, "registry", WH_ERR_ENV, errno, "make a pipe");
	in_r = i[0];
	in_w = i[1];
	if (pipe2(o, O_CLOEXEC) < 0)
		return wh_err_sys(err, "registry", WH_ERR_ENV, errno, "make a pipe");
	out_r = o[0];
	out_w = o[1];
	/* Fits into the pipe, so nobody waits for anybody; and the reading end is open here, so there is no SIGPIPE. */
	r = wh_write_all(in_w, in, n);
	wh_closep(&in_w);
	if (r < 0)
		return wh_err_sys(err, "registry", WH_ERR_ENV, -r, "write to %s", program);
	opts.stdin_fd = in_r;
	opts.stdout_fd = out_w;
	opts.die_with_parent = true;
	pid = wh_proc_spawn(argv, &opts);
	wh_closep(&out_w);
	if (pid < 0)
		return wh_err_sys(err, "registry", WH_ERR_ENV, -pid, "run %s", program);
	r = wh_proc_answer(pid, out_r, HELPER_MAX, out);
	if (r < 0)
		return wh_err_sys(err, "registry", WH_ERR_ENV, -r, "read from %s", program);
	if (r == 0)
		return 0;
	if (r > 0 && out->n && strstr(out->p, "credentials not found"))
		return -ENOENT;
	return wh_err_set(err, "registry", WH_ERR_ENV, EIO, "%s: exit code %d", program, r);
}

/* Replaces the helper's name by what it says. */
static void ask_helper(struct wh_login *l)
{
	WH_AUTO_SECRET_BUF struct wh_buf out = WH_BUF_INIT;
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_JSON json_t *o = NULL;
	const char *user, *secret;
	int r = wh_login_helper(l->helper, "get", l->helper_key, strnlen(l->helper_key, 4096), &out, &err);

	if (r == -ENOENT && !err)
		return;
	if (r == 0)
		r = wh_json_parse(out.p, out.n, "its answer", &o, NULL);
	user = wh_json_str(o, "Username");
	secret = wh_json_str(o, "Secret");
	if (r == 0 && user && harmless(secret)) {
		if (wh_streq(user, "<token>")) {
			l->identity = wh_strdup(secret);
			return;
		}
		if (harmless(user) && !strchr(user, ':')) {
			l->user = wh_strdup(user);
			l->password = wh_strdup(secret);
			return;
		}
	}
	l->trouble = err ? wh_strdup(err->msg) : wh_asprintf("docker-credential-%s: its answer is no login", l->helper);
}

/* ---------------------------------------------------------------- files */

static char *home_file(const char *name)
{
	const char *home = getenv("HOME");
	struct passwd pw, *found = NULL;
	char buf[4096];

	if ((!home || home[0] != '/') && getpwuid_r(geteuid(), &pw, buf, sizeof(buf), &found) == 0 && found)
		home = pw.pw_dir;
	return home && home[0] == '/' ? wh_asprintf("%s/%s", home, name) : NULL;
}

char *wh_reg_config_file(const char *name)
{
	const char *config = getenv("XDG_CONFIG_HOME");
	WH_AUTO_FREE char *below = wh_asprintf(".config/%s", name);

	return config && config[0] == '/' ? wh_asprintf("%s/%s", config, name) : home_file(below);
}

/* A file that the user named must be there; the usual ones need not. */
static int from_file(const char *file, bool named, const char *domain, const char *path, struct wh_login *ret,
		     bool *ret_found, struct wh_err **err)
{
	WH_AUTO_SECRET_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *o = NULL;
	int r = wh_read_file(AT_FDCWD, file, CONFIG_MAX, &buf);

	if ((r == -ENOENT || r == -ENOTDIR || r == -EACCES) && !named)
		return 0;
	if (r < 0)
		return wh_err_sys(err, "registry", WH_ERR_ENV, -r, "read logins from %s", file);
	if (wh_str_trim((struct wh_str){buf.p, buf.n}).n == 0)
		return 0;
	r = wh_json_parse(buf.p, buf.n, file, &o, NULL);
	if (r < 0) /* jansson's text may quote a secret */
		return wh_err_set(err, "registry", WH_ERR_ENV, EINVAL, "%s is no JSON", file);
	*ret_found = wh_login_find(o, domain, path, ret);
	return 0;
}

char *wh_login_file(const struct wh_registry_opts *o, bool *ret_named)
{
	const char *named = o->auth_file ? o->auth_file : getenv("REGISTRY_AUTH_FILE"), *docker = getenv("DOCKER_CONFIG");

	*ret_named = named && named[0];
	if (*ret_named)
		return wh_strdup(named);
	return docker && docker[0] ? wh_path_join(docker, "config.json") : home_file(".docker/config.json");
}

static void add_file(struct wh_strv *files, char *name)
{
	if (name)
		wh_strv_take(files, name);
}

static void usual_files(const struct wh_registry_opts *o, struct wh_strv *ret, bool *ret_named)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");

	add_file(ret, wh_login_file(o, ret_named));
	if (*ret_named)
		return;
	add_file(ret, runtime && runtime[0] == '/' ? wh_path_join(runtime, "containers/auth.json")
						   : wh_asprintf("/run/containers/%u/auth.json", (unsigned)geteuid()));
	add_file(ret, wh_reg_config_file("containers/auth.json"));
}

int wh_login_files(const struct wh_registry_opts *o, struct wh_strv *ret, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv files = {0};
	bool named;

	usual_files(o, &files, &named);
	for (size_t i = 0; i < files.n; i++) {
		struct wh_login l = {0};
		bool found;
		int r;

		if (!named && access(files.v[i], R_OK) < 0)
			continue;
		r = from_file(files.v[i], named, "docker.io", "", &l, &found, err);
		wh_login_release(&l);
		if (r < 0)
			return r;
		wh_strv_add(ret, files.v[i]);
	}
	return 0;
}

int wh_login_load(const struct wh_registry_opts *o, const char *domain, const char *path, struct wh_login *ret,
		  struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv files = {0};
	struct wh_login l = {0};
	bool found = false, named;
	int r;

	if (o->user) {
		*ret = (struct wh_login){.user = wh_strdup(o->user),
					 .password = wh_strdup(o->password ? o->password : "")};
		return 0;
	}
	usual_files(o, &files, &named);
	for (size_t i = 0; i < files.n && !found; i++) {
		r = from_file(files.v[i], named, domain, path, &l, &found, err);
		if (r < 0)
			return r;
		if (found && l.helper)
			ask_helper(&l);
		if (found && !l.user && !l.identity && i + 1 < files.n && !l.trouble) {
			wh_login_release(&l); /* a helper that knows nothing: the next file may */
			found = false;
		}
	}
	*ret = l;
	return 0;
}
