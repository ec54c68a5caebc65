/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs from and to a registry (distribution-spec, pulling blobs; pushing a blob monolithically). */
#include "layers/registry_private.h"

static int name_host(const struct wh_reg_conn *c, int r, struct wh_err **err)
{
	if (r < 0)
		wh_reg_name(c, err);
	return r;
}

static char *what_of(const char *verb, const struct wh_reg_blob *b)
{
	char text[WH_DIGEST_TEXT];

	return wh_asprintf("%s %s %.19s…", verb, b->what, wh_digest_text(&b->digest, text));
}

static void progress(const struct wh_reg_conn *c, const char *what, uint64_t done, uint64_t total)
{
	struct wh_registry *r = c->r;

	if (!r->o.progress)
		return;
	pthread_mutex_lock(&r->mutex);
	r->o.progress(r->o.arg, what, done, total);
	pthread_mutex_unlock(&r->mutex);
}

/* ---------------------------------------------------------------- get */

struct get {
	const struct wh_reg_conn *c;
	const struct wh_reg_blob *b;
	const char *what;
	struct wh_blob_writer *w;
	uint64_t got;  /* bytes in the writer */
	uint64_t skip; /* of this answer, because we have them */
	bool begun;    /* this answer */
};

static int begin(struct get *g, const struct wh_http_resp *a, struct wh_err **err)
{
	uint64_t start = 0;

	g->begun = true;
	g->skip = g->got;
	if (a->status == 206) {
		if (!a->range || !wh_content_range_start(a->range, &start) || start != g->got)
			return wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG,
					  "%s: the answer has another part than was asked for", g->what);
		g->skip = 0;
	} else if (a->length >= 0 && (uint64_t)a->length != g->b->size) {
		return wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG, "%s: it has %lld bytes there, not %llu",
				  g->what, (long long)a->length, (unsigned long long)g->b->size);
	}
	return 0;
}

static int take(void *arg, const struct wh_http_resp *a, const void *p, size_t n, struct wh_err **err)
{
	struct get *g = arg;
	const char *bytes = p;
	int r = g->begun ? 0 : begin(g, a, err);

	if (r < 0)
		return r;
	if (g->skip) {
		size_t k = n < g->skip ? n : (size_t)g->skip;

		g->skip -= k;
		bytes += k;
		n -= k;
	}
	if (n > g->b->size - g->got)
		return wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG,
				  "%s: it is larger than the %llu bytes it should have", g->what,
				  (unsigned long long)g->b->size);
	if (n == 0)
		return 0;
	r = wh_blob_writer_add(g->w, bytes, n, err);
	g->got += n;
	progress(g->c, g->what, g->got, g->b->size);
	return r;
}

/* One answer. 1: it broke off, or ended early. */
static int get_part(struct wh_reg_conn *c, struct get *g, const char *url, unsigned *ret_after, struct wh_err **err)
{
	struct wh_http_req q = {
		.method = "GET", .url = url, .what = g->what, .from = g->got, .sink = take, .arg = g, .once = true};
	WH_AUTO_HTTP_RESP struct wh_http_resp a = {0};
	int r;

	g->begun = false;
	r = wh_reg_call(c, &q, &a, err);
	if (r == -ECONNRESET || r == -ECONNREFUSED)
		return 1;
	if (r < 0)
		return r;
	*ret_after = a.retry_after;
	if (a.status != 200 && a.status != 206) {
		r = wh_reg_refusal(c, &q, &a, err);
		return wh_reg_status_passing(a.status) ? 1 : r;
	}
	if (g->got == g->b->size)
		return 0;
	wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG, "%s: it ends after %llu of %llu bytes", g->what,
		   (unsigned long long)g->got, (unsigned long long)g->b->size);
	return 1;
}

static int get_all(struct wh_reg_conn *c, struct get *g, struct wh_err **err)
{
	char text[WH_DIGEST_TEXT];
	WH_AUTO_FREE char *url = wh_reg_url(c, "blobs/%s", wh_digest_text(&g->b->digest, text));
	unsigned idle = 0;

	/* A registry that sends a byte at a time does not hold us for ever: each pause is longer than the last. */
	for (unsigned i = 0;; i++) {
		WH_AUTO_ERR struct wh_err *why = NULL;
		uint64_t before = g->got;
		unsigned after = 0;
		int r = get_part(c, g, url, &after, &why);

		if (r == 0)
			return 0;
		idle = g->got > before ? 0 : idle + 1;
		if (r == 1 && idle < WH_REG_TRIES && i < 100) {
			wh_reg_pause(idle, after);
			continue;
		}
		wh_err_move(err, &why);
		return r == 1 ? -EIO : r;
	}
}

int wh_reg_blob_get(struct wh_reg_conn *c, struct wh_store *s, const struct wh_reg_blob *b, struct wh_err **err)
{
	WH_AUTO_FREE char *what = what_of("get", b);
	struct get g = {.c = c, .b = b, .what = what};
	uint64_t size;
	int r;

	if (wh_blob_has(s, &b->digest, &size) && size == b->size)
		return 0;
	r = wh_blob_writer_new(s, &g.w, err);
	if (r < 0)
		return r;
	r = get_all(c, &g, err);
	if (r < 0) {
		wh_blob_writer_abort(g.w);
		return name_host(c, r, err);
	}
	r = wh_blob_writer_finish(g.w, &b->digest, NULL, NULL, err);
	if (r < 0)
		wh_err_wrap(err, "%s", what);
	return name_host(c, r, err);
}

/* ---------------------------------------------------------------- put */

int wh_reg_blob_there(struct wh_reg_conn *c, const struct wh_reg_blob *b, struct wh_err **err)
{
	char text[WH_DIGEST_TEXT];
	WH_AUTO_FREE char *what = what_of("look for", b);
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
	WH_AUTO_FREE char *what = what_of("send", b);
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
			progress(c, what, b->size, b->size);
			return 0;
		}
		if (r == 1 && i + 1 < WH_REG_TRIES) {
			wh_reg_pause(i, after);
			continue;
		}
		wh_err_move(err, &why);
		return name_host(c, r == 1 ? -EIO : r, err);
	}
}
