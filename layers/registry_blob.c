/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs from a registry (distribution-spec, pulling blobs). */
#include "layers/registry_private.h"
#include "layers/store_private.h"

#include <errno.h>

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

#define WAIT_STEP_NS 100000000
#define WAIT_MAX_NS ((uint64_t)30000000000)

struct get {
	struct wh_reg_conn *c;
	const struct wh_reg_blob *b;
	const char *what;
	struct wh_blob_writer *w;
	uint64_t got;    /* bytes in the writer */
	uint64_t from;   /* where this answer is to begin */
	uint64_t skip;   /* of this answer, because we have them */
	bool begun;      /* this answer */
	bool pieced;     /* not all came with one answer */
	bool whole_only; /* no ranges are asked for */
};

static int begin(struct get *g, const struct wh_http_resp *a, struct wh_err **err)
{
	uint64_t start = 0;

	g->begun = true;
	g->skip = g->got;
	if (a->status == 206) {
		if (!a->range || !wh_content_range_start(a->range, &start) || start != g->from)
			return wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG,
					  "%s: the answer has another part than was asked for", g->what);
		g->skip = g->got - g->from;
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

static int restart(struct get *g, struct wh_err **err)
{
	g->got = 0;
	g->pieced = false;
	return wh_blob_writer_restart(g->w, err);
}

/* One answer. 1: it broke off, or ended early. 2: the next one will be about all of it. */
static int get_part(struct get *g, const char *url, unsigned *ret_after, struct wh_err **err)
{
	struct wh_http_req q = {.method = "GET", .url = url, .what = g->what, .sink = take, .arg = g, .once = true};
	WH_AUTO_HTTP_RESP struct wh_http_resp a = {0};
	int r;

	g->begun = false;
	g->pieced = g->pieced || g->got;
	q.from = g->from = g->whole_only ? 0 : g->got;
	r = wh_reg_call(g->c, &q, &a, err);
	if (r == -ECONNRESET || r == -ECONNREFUSED)
		return 1;
	if (r < 0)
		return r;
	*ret_after = a.retry_after;
	if (a.status == 416 && g->from) {
		r = restart(g, err);
		return r < 0 ? r : 2;
	}
	if (a.status != 200 && a.status != 206) {
		r = wh_reg_refusal(g->c, &q, &a, err);
		return wh_reg_status_passing(a.status) ? 1 : r;
	}
	if (g->got == g->b->size)
		return 0;
	wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG, "%s: it ends after %llu of %llu bytes", g->what,
		   (unsigned long long)g->got, (unsigned long long)g->b->size);
	return 1;
}

static int get_all(struct get *g, struct wh_err **err)
{
	char text[WH_DIGEST_TEXT];
	WH_AUTO_FREE char *url = wh_reg_url(g->c, "blobs/%s", wh_digest_text(&g->b->digest, text));
	unsigned idle = 0;

	if (g->got && g->got == g->b->size) { /* who had it before did not come to look at its digest */
		g->pieced = true;
		return 0;
	}
	/* A registry that sends a byte at a time does not hold us for ever: each pause is longer than the last. */
	for (unsigned i = 0;; i++) {
		WH_AUTO_ERR struct wh_err *why = NULL;
		uint64_t before = g->got;
		unsigned after = 0;
		int r = get_part(g, url, &after, &why);

		if (r == 0)
			return 0;
		idle = g->got > before ? 0 : idle + 1;
		if (r > 0 && idle < WH_REG_TRIES && i < 100) {
			if (r == 1)
				wh_reg_pause(idle, after);
			continue;
		}
		wh_err_move(err, &why);
		return r > 0 ? -EIO : r;
	}
}

/* Our turn to fetch it. One who is at it already is waited for as long as it gets on. -EEXIST: it is there. */
static int take_turn(struct get *g, struct wh_store *s, struct wh_err **err)
{
	const struct timespec step = {.tv_nsec = WAIT_STEP_NS};
	uint64_t since = wh_now_ns(), seen = 0;

	for (;;) {
		int r = wh_blob_writer_resume(s, &g->b->digest, g->b->size, &g->w, &g->got, err);

		if (r == 0 && g->got)
			wh_reg_progress(g->c, g->what, g->got, g->b->size);
		if (r == -EEXIST && seen)
			wh_reg_progress(g->c, g->what, g->b->size, g->b->size);
		if (r != -EBUSY)
			return r;
		if (g->got != seen) {
			seen = g->got;
			since = wh_now_ns();
			wh_reg_progress(g->c, g->what, seen < g->b->size ? seen : g->b->size, g->b->size);
		} else if (wh_now_ns() - since > WAIT_MAX_NS) {
			g->got = 0;
			return wh_blob_writer_new(s, &g->w, err);
		}
		nanosleep(&step, NULL);
	}
}

static void end(struct get *g, int r)
{
	/* Wrong bytes help nobody, nor does a disk that stays full. */
	if (r == -EBADMSG || r == -ENOSPC || r == -EDQUOT)
		wh_blob_writer_abort(g->w);
	else
		wh_blob_writer_leave(g->w);
}

static int get_once(struct get *g, struct wh_store *s, struct wh_err **err)
{
	int r = take_turn(g, s, err);

	if (r == -EEXIST)
		return 0;
	if (r < 0)
		return r;
	g->pieced = false;
	r = get_all(g, err);
	if (r < 0) {
		end(g, r);
		return r;
	}
	r = wh_blob_writer_finish(g->w, &g->b->digest, NULL, NULL, err);
	if (r < 0)
		wh_err_wrap(err, "%s", g->what);
	return r;
}

int wh_reg_blob_get(struct wh_reg_conn *c, struct wh_store *s, const struct wh_reg_blob *b, struct wh_err **err)
{
	WH_AUTO_FREE char *what = wh_reg_blob_what("get", b);
	struct get g = {.c = c, .b = b, .what = what};
	uint64_t size;

	if (wh_blob_has(s, &b->digest, &size) && size == b->size)
		return 0;
	for (;;) {
		WH_AUTO_ERR struct wh_err *why = NULL;
		int r;

		c->mirrored = false;
		r = get_once(&g, s, &why);
		if (r == 0)
			return 0;
		/* Pieces that do not fit: from others, from before a crash, or from a registry that counts strangely. */
		if (r == -EBADMSG && g.pieced && !g.whole_only) {
			g.whole_only = true;
			continue;
		}
		/* Bytes of a mirror that lies, or that broke off. */
		if ((r == -EBADMSG || r == -EIO) && wh_reg_distrust(c, &why)) {
			g.whole_only = false;
			continue;
		}
		wh_err_move(err, &why);
		return wh_reg_named(c, r, err);
	}
}
