/* SPDX-License-Identifier: Apache-2.0 */
/* Logins are tried, kept and forgotten: in docker's config.json, or with the helper that it names. */
#include "layers/registry_private.h"

#include <limits.h>
#include <sodium.h>
#include <sys/file.h>

#define CONFIG_MAX ((size_t)4 << 20)
#define HUB_KEY "https://index.docker.io/v1/" /* what docker calls docker.io there */

/* ---------------------------------------------------------------- hosts */

int wh_registry_host(const char *text, char **ret, struct wh_err **err)
{
	static const char *const hub[] = {"index.docker.io", "index.docker.io/v1", "registry-1.docker.io"};
	const char *host = text ? text : "docker.io";
	WH_AUTO_FREE char *name = NULL, *ref = NULL;
	struct wh_reg_ref parsed = {0};
	size_t n;
	bool good;

	if (wh_has_prefix(host, "https://") || wh_has_prefix(host, "http://"))
		host = strstr(host, "://") + 3;
	n = strlen(host);
	while (n && host[n - 1] == '/')
		n--;
	name = wh_strndup(host, n);
	for (size_t i = 0; i < WH_ARRAY_SIZE(hub); i++) {
		if (strcmp(name, hub[i]) == 0) {
			*ret = wh_strdup("docker.io");
			return 0;
		}
	}
	/* What a name may begin with is a host. */
	ref = wh_asprintf("%s/x", name);
	good = !strchr(name, '/') && wh_reg_ref_parse(ref, &parsed, NULL) == 0 && strcmp(parsed.domain, name) == 0;
	wh_reg_ref_release(&parsed);
	if (!good)
		return wh_err_set(err, "registry", WH_ERR_USAGE, EINVAL, "\"%.200s\" is no registry: HOST[:PORT]", text ? text : "");
	*ret = WH_TAKE_PTR(name);
	return 0;
}

int wh_registry_try(struct wh_registry *r, const char *host, char **ret_identity, bool *ret_asked, struct wh_err **err)
{
	WH_AUTO_REG_CONN struct wh_reg_conn *c = NULL;
	WH_AUTO_HTTP_RESP struct wh_http_resp a = {0};
	WH_AUTO_FREE char *url = NULL;
	struct wh_http_req q = {.method = "GET", .what = "log in"};
	int res = wh_reg_connect_host(r, host, &c, err);

	if (res < 0)
		return res;
	c->offline = true;
	q.url = url = wh_asprintf("%s/v2/", c->host->base);
	res = wh_reg_call(c, &q, &a, err);
	if (res == 0 && a.status != 200)
		res = wh_reg_refusal(c, &q, &a, err);
	if (res < 0) {
		wh_reg_name(c, err);
		return res;
	}
	*ret_asked = c->host->challenge.scheme != WH_AUTH_NONE;
	*ret_identity = WH_TAKE_PTR(c->refresh);
	return 0;
}

int wh_registry_files(const struct wh_registry_opts *o, struct wh_strv *ret_hosts, struct wh_strv *ret_logins, struct wh_err **err)
{
	struct wh_reg_hosts *h = NULL;
	int r = wh_reg_hosts_read(o, &h, err);

	if (r < 0)
		return r;
	wh_strv_copy(ret_hosts, wh_reg_hosts_files(h));
	wh_reg_hosts_free(h);
	return wh_login_files(o, ret_logins, err);
}

/* ---------------------------------------------------------------- the file */

struct config {
	char *file;  /* behind symlinks */
	int dir;     /* its directory, locked */
	json_t *doc; /* an object */
	struct stat st;
	bool there;
};

/* A dump of it holds secrets; so does what jansson has in memory, until the process ends. */
static void config_release(struct config *c)
{
	free(c->file);
	wh_closep(&c->dir);
	json_decref(c->doc);
}

static int read_config(struct config *c, struct wh_err **err)
{
	WH_AUTO_SECRET_BUF struct wh_buf buf = WH_BUF_INIT;
	int r = wh_read_file(AT_FDCWD, c->file, CONFIG_MAX, &buf);

	if (r < 0 && r != -ENOENT)
		return wh_err_sys(err, "registry", WH_ERR_ENV, -r, "read logins from %s", c->file);
	c->there = r == 0 && stat(c->file, &c->st) == 0;
	if (r == -ENOENT || wh_str_trim((struct wh_str){buf.p, buf.n}).n == 0)
		c->doc = json_object();
	else if (wh_json_parse(buf.p, buf.n, c->file, &c->doc, NULL) < 0 || !json_is_object(c->doc))
		return wh_err_set(err, "registry", WH_ERR_ENV, EINVAL, "%s is no JSON", c->file);
	return 0;
}

/* A symlink to where no file is yet stays, too: there it will be. */
static char *target_of(const char *file, const char *dir)
{
	char target[PATH_MAX];
	ssize_t n = readlink(file, target, sizeof(target) - 1);

	if (n <= 0)
		return wh_strdup(file);
	target[n] = '\0';
	return target[0] == '/' ? wh_strdup(target) : wh_path_join(dir, target);
}

/* Two who log in at once do not lose one of the logins. */
static int open_config(bool make, struct config *c, struct wh_err **err)
{
	bool named;
	WH_AUTO_FREE char *file = wh_login_file(&(struct wh_registry_opts){0}, &named);
	WH_AUTO_FREE char *dir = file ? wh_path_dir(file) : NULL;
	char *real;
	int r;

	*c = (struct config){.dir = -1};
	if (!file)
		return wh_err_set(err, "registry", WH_ERR_ENV, ENOENT, "no place for logins: HOME is not set");
	r = make ? wh_mkdir_p(AT_FDCWD, dir, 0700) : 0;
	if (r < 0)
		return wh_err_sys(err, "registry", WH_ERR_ENV, -r, "make the directory %s for logins", dir);
	real = realpath(file, NULL);
	c->file = real ? real : target_of(file, dir);
	free(WH_TAKE_PTR(dir));
	dir = wh_path_dir(c->file);
	c->dir = wh_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
	if (c->dir < 0 && (make || c->dir != -ENOENT)) {
		r = wh_err_sys(err, "registry", WH_ERR_ENV, -c->dir, "open the directory %s of logins", dir);
		config_release(c);
		return r;
	}
	if (c->dir >= 0)
		while (flock(c->dir, LOCK_EX) < 0 && errno == EINTR)
			;
	r = read_config(c, err);
	if (r < 0)
		config_release(c);
	return r;
}

/* It stays whose it was, when root writes for somebody; who may have put another file, or one more name for it, there by now. */
static int give_back(const struct config *c)
{
	WH_AUTO_FD int fd = wh_openat(c->dir, wh_path_base(c->file), O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fd < 0 ? fd : -errno;
	if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || st.st_uid != geteuid())
		return -EPERM;
	return fchown(fd, c->st.st_uid, c->st.st_gid) < 0 ? -errno : 0;
}

static int write_config(const struct config *c, struct wh_err **err)
{
	WH_AUTO_SECRET_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_SECRET char *text = json_dumps(c->doc, JSON_INDENT(4) | JSON_REAL_PRECISION(17));
	int r;

	if (!text)
		return wh_err_set(err, "registry", WH_ERR_INTERNAL, EINVAL, "logins cannot be written");
	wh_buf_adds(&buf, text);
	wh_buf_addc(&buf, '\n');
	r = wh_write_file_atomic(c->dir, wh_path_base(c->file), buf.p, buf.n, 0600, true);
	if (r == 0 && c->there && c->st.st_uid != geteuid())
		r = give_back(c);
	return r < 0 ? wh_err_sys(err, "registry", WH_ERR_ENV, -r, "write logins to %s", c->file) : 0;
}

/* The object of that name, made when it is missing. */
static json_t *section(json_t *doc, const char *name)
{
	json_t *o = json_object_get(doc, name);

	if (!json_is_object(o)) {
		json_object_set_new(doc, name, json_object());
		o = json_object_get(doc, name);
	}
	return o;
}

/* Under which key the registry's login is, and who keeps it (NULL: the file). */
static const char *helper_of(const json_t *doc, const char *host, const char **ret_key)
{
	json_t *own = json_object_get(doc, "credHelpers"), *v;
	const char *key, *helper;

	*ret_key = strcmp(host, "docker.io") == 0 ? HUB_KEY : host;
	json_object_foreach (own, key, v) {
		if (!wh_login_key_is(key, host))
			continue;
		*ret_key = key;
		return json_string_value(v);
	}
	helper = wh_json_str(doc, "credsStore");
	return helper && helper[0] ? helper : NULL;
}

static int check_helper(const char *helper, const char *file, struct wh_err **err)
{
	if (!helper || wh_login_helper_name(helper))
		return 0;
	return wh_err_set(err, "registry", WH_ERR_ENV, EINVAL, "%s: \"%.100s\" is no name of a credential helper", file, helper);
}

static void drop_host(json_t *auths, const char *host, size_t *n)
{
	const char *key;
	void *next;
	json_t *v;

	json_object_foreach_safe (auths, next, key, v) {
		if (!wh_login_key_is(key, host))
			continue;
		json_object_del(auths, key);
		++*n;
	}
}

/* ---------------------------------------------------------------- keep */

static json_t *entry_new(const char *user, const char *secret, bool identity)
{
	WH_AUTO_SECRET char *both = wh_asprintf("%s:%s", user, identity ? "" : secret);
	size_t n = strlen(both), room = sodium_base64_ENCODED_LEN(n, sodium_base64_VARIANT_ORIGINAL);
	WH_AUTO_SECRET char *b64 = wh_malloc(room);
	json_t *e;

	sodium_bin2base64(b64, room, (const unsigned char *)both, n, sodium_base64_VARIANT_ORIGINAL);
	e = json_pack("{s:s}", "auth", b64);
	if (identity)
		json_object_set_new(e, "identitytoken", json_string(secret));
	return e;
}

static int store_with(const char *helper, const char *key, const char *user, const char *secret, bool identity, struct wh_err **err)
{
	WH_AUTO_SECRET_BUF struct wh_buf in = WH_BUF_INIT;
	WH_AUTO_SECRET_BUF struct wh_buf out = WH_BUF_INIT;
	WH_AUTO_JSON json_t *o =
		json_pack("{s:s, s:s, s:s}", "ServerURL", key, "Username", identity ? "<token>" : user, "Secret", secret);
	int r;

	wh_json_dump(o, &in);
	r = wh_login_helper(helper, "store", in.p ? in.p : "", in.n, &out, err);
	return r < 0 && err && !*err ? wh_err_set(err, "registry", WH_ERR_ENV, EIO, "docker-credential-%s keeps nothing", helper) : r;
}

int wh_login_keep(const char *host, const char *user, const char *secret, bool identity, struct wh_login_kept *ret, struct wh_err **err)
{
	WH_AUTO_FREE char *key = NULL;
	const char *helper, *found;
	json_t *auths, *entry;
	struct config c;
	size_t n = 0;
	int r = open_config(true, &c, err);

	if (r < 0)
		return r;
	helper = helper_of(c.doc, host, &found);
	key = wh_strdup(found);
	r = check_helper(helper, c.file, err);
	if (r == 0 && helper)
		r = store_with(helper, key, user, secret, identity, err);
	if (r == 0) {
		entry = helper ? json_object() : entry_new(user, secret, identity);
		auths = section(c.doc, "auths");
		drop_host(auths, host, &n);
		if (!entry || json_object_set_new(auths, key, entry) < 0)
			r = wh_err_set(err, "registry", WH_ERR_USAGE, EINVAL, "the login is no UTF-8");
	}
	if (r == 0)
		r = write_config(&c, err);
	if (r == 0)
		*ret = (struct wh_login_kept){.file = WH_TAKE_PTR(c.file), .helper = wh_strdup(helper), .n = n};
	config_release(&c);
	return r;
}

/* ---------------------------------------------------------------- forget */

/* A helper that has it no more is as good. */
static int erase_with(const char *helper, const char *key, size_t *n, struct wh_err **err)
{
	WH_AUTO_SECRET_BUF struct wh_buf out = WH_BUF_INIT;
	WH_AUTO_ERR struct wh_err *why = NULL;
	int r = wh_login_helper(helper, "erase", key, strlen(key), &out, &why);

	if (r == 0)
		++*n;
	if (r < 0 && why) {
		wh_err_move(err, &why);
		return r;
	}
	return 0;
}

static int forget_host(struct config *c, const char *host, struct wh_login_kept *k, struct wh_err **err)
{
	const char *key, *helper = helper_of(c->doc, host, &key);
	json_t *auths = json_object_get(c->doc, "auths");
	size_t erased = 0;
	int r = check_helper(helper, c->file, err);

	if (r == 0 && helper) {
		free(k->helper);
		k->helper = wh_strdup(helper);
		r = erase_with(helper, key, &erased, err);
	}
	if (r == 0) {
		size_t n = 0;

		drop_host(auths, host, &n);
		k->n += n ? n : erased;
	}
	return r;
}

/* Those that helpers have, and all that stands in the file. */
static int forget_all(struct config *c, struct wh_login_kept *k, struct wh_err **err)
{
	static const char *const sections[] = {"credHelpers", "auths"};
	const char *store = wh_json_str(c->doc, "credsStore"), *key;
	json_t *auths = json_object_get(c->doc, "auths"), *v;
	int r = 0;

	for (size_t i = 0; i < WH_ARRAY_SIZE(sections); i++) {
		json_object_foreach (json_object_get(c->doc, sections[i]), key, v) {
			const char *helper = i == 0 ? json_string_value(v) : store;
			size_t erased = 0;

			if (!helper || !helper[0] || (i == 1 && json_object_get(json_object_get(c->doc, sections[0]), key)))
				continue;
			if (r == 0)
				r = check_helper(helper, c->file, err);
			if (r == 0)
				r = erase_with(helper, key, &erased, err);
			if (r < 0)
				return r;
			k->n += i == 0 && !json_object_get(auths, key) ? erased : 0;
		}
	}
	k->n += json_object_size(auths);
	json_object_clear(auths);
	return 0;
}

int wh_login_forget(const char *host, struct wh_login_kept *ret, struct wh_err **err)
{
	struct wh_login_kept k = {0};
	struct config c;
	int r = open_config(false, &c, err);

	if (r < 0)
		return r;
	r = host ? forget_host(&c, host, &k, err) : forget_all(&c, &k, err);
	if (r == 0 && k.n && c.there)
		r = write_config(&c, err);
	if (r == 0) {
		*ret = k;
		ret->file = WH_TAKE_PTR(c.file);
	} else {
		wh_login_kept_release(&k);
	}
	config_release(&c);
	return r;
}

void wh_login_kept_release(struct wh_login_kept *k)
{
	free(k->file);
	free(k->helper);
	*k = (struct wh_login_kept){0};
}

int wh_login_user(const char *host, char **ret, struct wh_err **err)
{
	struct wh_login l = {0};
	int r = wh_login_load(&(struct wh_registry_opts){0}, host, "", &l, err);

	if (r < 0)
		return r;
	if (l.user || l.identity)
		*ret = wh_strdup(l.user ? l.user : "<token>");
	else if (l.trouble)
		r = wh_err_set(err, "registry", WH_ERR_ENV, EIO, "%s", l.trouble);
	else
		r = wh_err_set(err, "registry", WH_ERR_BUILD, ENOENT, "no login for %s", host);
	wh_login_release(&l);
	return r;
}
