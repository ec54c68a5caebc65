/* SPDX-License-Identifier: Apache-2.0 */
/* Requests for remote sources, and where their results are kept. */
#include "layers/remote_private.h"

#include <errno.h>
#include <sodium.h>
#include <sys/file.h>

#define RECORD_MAX ((size_t)64 << 10)
#define SECRET_MAX ((size_t)16 << 10)

/* ---------------------------------------------------------------- directories */

int wh_sources_dir(struct wh_store *s, const char *name, struct wh_err **err)
{
	WH_AUTO_FREE char *path = wh_asprintf("sources/%s", name);
	int fd = wh_openat(s->dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd == -ENOENT) {
		int r = wh_mkdir_p(s->dir_fd, path, 0700);

		fd = r < 0 ? r : wh_openat(s->dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	}
	if (fd < 0)
		return wh_err_sys(err, "source", WH_ERR_ENV, -fd, "open %s/%s", s->path, path);
	return fd;
}

int wh_sources_lock(struct wh_store *s, const char *name, struct wh_err **err)
{
	WH_AUTO_FD int dir = wh_sources_dir(s, "locks", err), fd = -1;
	struct stat held, named;
	int r;

	if (dir < 0)
		return dir;
	do { /* gc removes files that nobody holds: one that has lost its name holds nothing */
		wh_closep(&fd);
		r = fd = wh_openat(dir, name, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
		while (r >= 0 && flock(fd, LOCK_EX) < 0)
			if (errno != EINTR)
				r = -errno;
	} while (r >= 0 && (fstat(fd, &held) < 0 || fstatat(dir, name, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
			    held.st_ino != named.st_ino));
	if (r < 0)
		return wh_err_sys(err, "source", WH_ERR_ENV, -r, "lock %s/sources/locks/%s", s->path, name);
	return WH_TAKE_FD(fd);
}

json_t *wh_sources_record(struct wh_store *s, const char *dir, const char *name)
{
	WH_AUTO_FD int fd = wh_sources_dir(s, dir, NULL);
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	json_t *j = NULL;

	if (fd < 0 || !wh_store_use(s, fd, name) || wh_read_regular(fd, name, RECORD_MAX, &text) < 0 ||
	    wh_json_parse(text.p ? text.p : "", text.n, name, &j, NULL) < 0)
		return NULL;
	return j;
}

void wh_sources_note(struct wh_store *s, const char *dir, const char *name, const json_t *record)
{
	WH_AUTO_FD int fd = wh_sources_dir(s, dir, NULL);
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	wh_json_dump(record, &text);
	if (fd >= 0 && text.n <= RECORD_MAX)
		(void)wh_write_file_atomic(fd, name, text.p, text.n, 0600, false);
}

void wh_sources_key(char ret[65], const char *first, ...)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	struct wh_digest d;
	va_list ap;

	va_start(ap, first);
	for (const char *p = first; p; p = va_arg(ap, const char *))
		wh_buf_lstr(&b, p);
	va_end(ap);
	wh_digest_of(b.p ? b.p : "", b.n, &d);
	wh_digest_hex(&d, ret);
}

char *wh_sources_tree(struct wh_store *s, const char *key)
{
	WH_AUTO_FREE char *path = wh_asprintf("sources/trees/%s", key);
	struct stat st;

	if (!wh_store_use(s, s->dir_fd, path) || fstatat(s->dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
	    !S_ISDIR(st.st_mode))
		return NULL;
	return wh_asprintf("%s/%s/" WH_TREE, s->path, path);
}

/* ---------------------------------------------------------------- credentials */

const struct wh_remote_secret *wh_remote_secret(const struct wh_remote_opts *o, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf id = WH_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	wh_buf_vaddf(&id, fmt, ap);
	va_end(ap);
	for (size_t i = 0; o && i < o->n_secrets; i++)
		if (wh_streq(o->secrets[i].id, id.p))
			return &o->secrets[i];
	return NULL;
}

char *wh_remote_secret_line(const struct wh_remote_secret *x)
{
	const char *p = x->data;
	size_t n = x->len;

	while (n && (p[n - 1] == '\n' || p[n - 1] == '\r'))
		n--;
	if (n > SECRET_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
			return NULL;
	return wh_strndup(p, n);
}

char *wh_remote_basic(const char *both)
{
	size_t n = strlen(both), room = sodium_base64_ENCODED_LEN(n, sodium_base64_VARIANT_ORIGINAL);
	char *b64 = wh_malloc(room);

	sodium_bin2base64(b64, room, (const unsigned char *)both, n, sodium_base64_VARIANT_ORIGINAL);
	return b64;
}

char *wh_remote_shown(const char *url)
{
	const char *authority = strstr(url, "://"), *at = NULL;
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	size_t n;

	if (authority) {
		authority += strlen("://");
		n = strcspn(authority, "/?#");
		for (size_t i = 0; i < n; i++)
			if (authority[i] == '@')
				at = authority + i;
	}
	/* "git@" of an ssh address is no secret, and part of it. */
	if (at && wh_has_prefix(url, "ssh://") && !memchr(authority, ':', (size_t)(at - authority)))
		at = NULL;
	if (at)
		wh_buf_add(&out, url, (size_t)(authority - url));
	/* It ends up in one line of a message. */
	for (const char *p = at ? at + 1 : url; *p && out.n < 300; p++)
		wh_buf_addc(&out, (unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p);
	return wh_buf_take(&out);
}

/* ---------------------------------------------------------------- requests */

static int dispatch(struct wh_store *s, const struct wh_remote_opts *o, const json_t *q, json_t **ret,
		    struct wh_err **err)
{
	const char *kind = wh_json_str(q, "kind");

	if (wh_streq(kind, "http"))
		return wh_remote_http(s, o, q, ret, err);
	if (wh_streq(kind, "git"))
		return wh_remote_git(s, o, q, ret, err);
	return wh_err_set(err, "source", WH_ERR_INTERNAL, EBADMSG, "a request for a source of no known kind");
}

int wh_remote_fetch(struct wh_store *s, const struct wh_remote_opts *o, const json_t *request, json_t **ret_reply,
		    struct wh_err **err)
{
	WH_AUTO_JSON json_t *reply = NULL;
	int r = dispatch(s, o, request, &reply, err);

	/* Who goes on with it may be gone before the disk has it: the mark of what is unsynced must not outlive us. */
	if (r == 0)
		r = wh_store_sync(s, err);
	if (r == 0)
		*ret_reply = WH_TAKE_PTR(reply);
	return r;
}

int wh_remote_at_hand(struct wh_store *s, const json_t *request, json_t **ret_reply)
{
	WH_AUTO_ERR struct wh_err *err = NULL;

	return dispatch(s, NULL, request, ret_reply, &err) == 0;
}
