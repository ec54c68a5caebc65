/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs to a registry (distribution-spec, pushing a blob monolithically). */
#include "layers/registry_private.h"

int wh_reg_blob_there(struct wh_reg_conn *c, const struct wh_reg_blob *b, struct wh_err **err)
{
	char text[WH_DIGEST_TEXT];
	WH_AUTO_FREE char *what = wh_reg_blob_what("look for", b);
	WH_AUTO_FREE char *url = wh_reg_url(c, "blobs/%s", wh_digest_text(&b->digest, text));
	struct wh_http_req q = {.method = "HEAD", .url = url, .what = what};
	WH_AUTO_HTTP_RESP struct wh_http_resp a = {0};
	int r = wh_reg_call(c, &q, &a, err);

	if (r == 0 && a.status == 200)
		return 1;
	if (r == 0 && a.status == 404)
		return 0;
	if (r == 0)
		r = wh_reg_refusal(c, &q, &a, err);
	wh_reg_name(c, err);
	return r;
}

/* Asks for an upload, or for the blob of another repository (distribution-spec, mounting a blob), which takes its scope as well. */
static int ask_session(struct wh_reg_conn *c, const struct wh_reg_blob *b, const char *from, const char *what,
		       struct wh_http_resp *a, struct wh_err **err)
{
	WH_AUTO_FREE char *url = wh_reg_url(c, "blobs/uploads/");
	WH_AUTO_FREE char *wide = NULL;
	struct wh_http_req q = {.method = "POST", .url = url, .what = what};
	char text[WH_DIGEST_TEXT], *own = c->scope;
	int r;

	if (from) {
		WH_AUTO_FREE char *mount = wh_url_with(url, "mount", wh_digest_text(&b->digest, text));

		free(url);
		q.url = url = wh_url_with(mount, "from", from);
		c->scope = wide = wh_asprintf("%s repository:%s:pull", own, from);
	}
	r = wh_reg_call(c, &q, a, err);
	c->scope = own;
	if (r < 0 || a->status == 201 || a->status == 202)
		return r;
	return wh_reg_refusal(c, &q, a, err);
}

/* Where to put it to; NULL with success: the registry has it now. */
static int open_session(struct wh_reg_conn *c, const struct wh_reg_blob *b, const char *what, char **ret,
			struct wh_err **err)
{
	WH_AUTO_HTTP_RESP struct wh_http_resp a = {0};
	WH_AUTO_FREE char *to = NULL;
	char text[WH_DIGEST_TEXT];
	int r = b->from ? ask_session(c, b, b->from, what, &a, NULL) : -ENOENT;

	*ret = NULL;
	if (r < 0) { /* the other repository may not be ours to read: then it is sent */
		wh_http_resp_release(&a);
		r = ask_session(c, b, NULL, what, &a, err);
	}
	if (r < 0 || a.status == 201)
		return r;
	to = a.location ? wh_url_resolve(a.url, a.location) : NULL;
	if (!to)
		return wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG, "%s: the answer does not say where to", what);
	if (!wh_url_is_https(to) && !c->r->o.insecure && (wh_url_is_https(a.url) || !wh_url_is_loopback(to)))
		return wh_err_set(err, "registry", WH_ERR_ENV, EACCES, "%s: it wants to be sent it by plain HTTP",
				  what);
	*ret = wh_url_with(to, "digest", wh_digest_text(&b->digest, text));
	return 0;
}

int wh_reg_blob_mount(struct wh_reg_conn *c, const struct wh_reg_blob *b)
{
	WH_AUTO_HTTP_RESP struct wh_http_resp a = {0};

	return ask_session(c, b, b->from, "mount a blob", &a, NULL) == 0 && a.status == 201;
}

/* One upload. 1: another try may help. */
static int put_once(struct wh_reg_conn *c, const struct wh_reg_blob *b, int fd, const char *what, unsigned *ret_after,
		    struct wh_err **err)
{
	WH_AUTO_FREE char *url = NULL;
	struct wh_http_req q = {.method = "PUT",
				.what = what,
				.type = "application/octet-stream",
				.fd = fd,
				.size = b->size,
				.once = true};
	WH_AUTO_HTTP_RESP struct wh_http_resp a = {0};
	int r = open_session(c, b, what, &url, err);

	if (r < 0 || !url)
		return r;
	q.url = url;
	r = wh_reg_call(c, &q, &a, err);
	if (r == -ECONNRESET || r == -ECONNREFUSED)
		return 1;
	if (r < 0 || a.status == 201 || a.status == 204)
		return r;
	*ret_after = a.retry_after;
	r = wh_reg_refusal(c, &q, &a, err);
	if (a.status == 400)
		wh_err_hint(err, "the blob in the store may be damaged");
	/* 404, 416: the session got lost. */
	return wh_reg_status_passing(a.status) || a.status == 404 || a.status == 416 ? 1 : r;
}

int wh_reg_blob_put(struct wh_reg_conn *c, struct wh_store *s, const struct wh_reg_blob *b, struct wh_err **err)
{
	WH_AUTO_FREE char *what = wh_reg_blob_what("send", b);
	WH_AUTO_FD int fd = -1;
	uint64_t size = 0;

	fd = wh_blob_open(s, &b->digest, &size, err);
	if (fd < 0)
		return fd;
	if (size != b->size)
		return wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG,
				  "%s: damaged: the blob in the store has %llu bytes, not %llu", what,
				  (unsigned long long)size, (unsigned long long)b->size);
	for (unsigned i = 0;; i++) {
		WH_AUTO_ERR struct wh_err *why = NULL;
		unsigned after = 0;
		int r = put_once(c, b, fd, what, &after, &why);

		if (r == 0) {
			wh_reg_progress(c, what, b->size, b->size);
			return 0;
		}
		if (r == 1 && i + 1 < WH_REG_TRIES) {
			wh_reg_pause(i, after);
			continue;
		}
		wh_err_move(err, &why);
		return wh_reg_named(c, r == 1 ? -EIO : r, err);
	}
}
