/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs from a registry (distribution-spec, pulling blobs). */
#include "layers/registry_private.h"

int wh_reg_named(struct wh_reg_conn *c, int r, struct wh_err **err)
{
	if (r < 0)
		wh_reg_name(c, err);
	return r;
}

char *wh_reg_blob_what(const char *verb, const struct wh_reg_blob *b)
{
	char text[WH_DIGEST_TEXT];

	return wh_asprintf("%s %s %.19s…", verb, b->what, wh_digest_text(&b->digest, text));
}

void wh_reg_progress(const struct wh_reg_conn *c, const char *what, uint64_t done, uint64_t total)
{
	struct wh_registry *r = c->r;

	if (!r->o.progress)
		return;
	pthread_mutex_lock(&r->mutex);
	r->o.progress(r->o.arg, what, done, total);
	pthread_mutex_unlock(&r->mutex);
}

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
	wh_reg_progress(g->c, g->what, g->got, g->b->size);
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

static int get_once(struct wh_reg_conn *c, struct wh_store *s, const struct wh_reg_blob *b, const char *what, struct wh_err **err)
{
	struct get g = {.c = c, .b = b, .what = what};
	int r = wh_blob_writer_new(s, &g.w, err);

	if (r < 0)
		return r;
	r = get_all(c, &g, err);
	if (r < 0) {
		wh_blob_writer_abort(g.w);
		return r;
	}
	r = wh_blob_writer_finish(g.w, &b->digest, NULL, NULL, err);
	if (r < 0)
		wh_err_wrap(err, "%s", what);
	return r;
}

int wh_reg_blob_get(struct wh_reg_conn *c, struct wh_store *s, const struct wh_reg_blob *b, struct wh_err **err)
{
	WH_AUTO_FREE char *what = wh_reg_blob_what("get", b);
	uint64_t size;

	if (wh_blob_has(s, &b->digest, &size) && size == b->size)
		return 0;
	for (;;) {
		WH_AUTO_ERR struct wh_err *why = NULL;
		int r;

		c->mirrored = false;
		r = get_once(c, s, b, what, &why);
		if (r == 0)
			return 0;
		/* Bytes of a mirror that lies, or that broke off and was not what the next one has. */
		if ((r == -EBADMSG || r == -EIO) && wh_reg_distrust(c, &why))
			continue;
		wh_err_move(err, &why);
		return wh_reg_named(c, r, err);
	}
}
