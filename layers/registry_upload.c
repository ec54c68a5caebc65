/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs to a registry (distribution-spec, pushing blobs).
 *
 *   POST: a session ─▶ small: PUT all of it
 *                   ─▶ else PATCH (all of it, or pieces) ─▶ PUT the digest
 *   after a break: is the blob there? ─▶ GET the session: what arrived ─▶ on from there, or with a new session
 *
 * Each answer may say another place to go on at.
 */
#include "layers/registry_private.h"

#include <errno.h>

#define WHOLE_MAX ((uint64_t)4 << 20)  /* up to here a break costs little, and a request less is sent */
#define PIECE ((uint64_t)64 << 20)     /* where the registry speaks of pieces, and the user does not */
#define ROUNDS 1000                    /* of one blob, whatever progress they make */

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

/* Asks for an upload, or for the blob of another repository (distribution-spec, mounting a blob), which takes its scope
 * as well. */
static int ask_session(struct wh_reg_conn *c, const struct wh_reg_blob *b, const char *from, const char *what,
		       struct wh_http_resp *a, struct wh_err **err)
{
	WH_AUTO_FREE char *url = wh_reg_url(c, "blobs/uploads/");
	WH_AUTO_FREE char *wide = NULL, *there = from ? wh_reg_path_there(c, from) : NULL;
	struct wh_http_req q = {.method = "POST", .url = url, .what = what};
	char text[WH_DIGEST_TEXT], *own = c->scope;
	int r;

	if (there) {
		WH_AUTO_FREE char *mount = wh_url_with(url, "mount", wh_digest_text(&b->digest, text));

		free(url);
		q.url = url = wh_url_with(mount, "from", there);
		c->scope = wide = wh_asprintf("%s repository:%s:pull", own, there);
	}
	r = wh_reg_call(c, &q, a, err);
	c->scope = own;
	if (r < 0 || a->status == 201 || a->status == 202)
		return r;
	return wh_reg_refusal(c, &q, a, err);
}

int wh_reg_blob_mount(struct wh_reg_conn *c, const struct wh_reg_blob *b)
{
	WH_AUTO_HTTP_RESP struct wh_http_resp a = {0};

	return ask_session(c, b, b->from, "mount a blob", &a, NULL) == 0 && a.status == 201;
}

struct upload {
	struct wh_reg_conn *c;
	const struct wh_reg_blob *b;
	const char *what;
	int fd;
	bool mount;     /* is to be tried */
	bool whole;     /* in one PUT */
	char *url;      /* of the session; NULL: there is none */
	uint64_t piece; /* no PATCH has more; 0: all that is left */
	uint64_t sent;  /* the registry has so many bytes */
	bool unsure;    /* it may have more or fewer, or the blob */
	unsigned after; /* it said when to come back, in seconds; 0: it did not */
};

static void give_up_session(struct upload *u)
{
	free(WH_TAKE_PTR(u->url));
	u->sent = 0;
	u->unsure = false;
}

/* The session goes on where the answer says; without a word where it was. */
static int keep_location(struct upload *u, const struct wh_http_resp *a, struct wh_err **err)
{
	char *to;

	if (!a->location && u->url)
		return 0;
	to = a->location ? wh_url_resolve(a->url, a->location) : NULL;
	free(u->url);
	u->url = to;
	if (!to)
		return wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG, "%s: the answer does not say where to",
				  u->what);
	if (!wh_url_is_https(to) && !wh_reg_plain_allowed(u->c) && (wh_url_is_https(a->url) || !wh_url_is_loopback(to)))
		return wh_err_set(err, "registry", WH_ERR_ENV, EACCES, "%s: it wants to be sent it by plain HTTP",
				  u->what);
	return 0;
}

static void choose_piece(struct upload *u, const struct wh_http_resp *a)
{
	uint64_t least = 0;

	if (a->chunk_min && !wh_parse_u64(a->chunk_min, 10, &least))
		least = 0;
	u->piece = u->c->r->o.chunk ? u->c->r->o.chunk : least ? PIECE : 0;
	if (u->piece && u->piece < least)
		u->piece = least;
}

/* 1: the registry has the blob now. */
static int open_session(struct upload *u, struct wh_err **err)
{
	WH_AUTO_HTTP_RESP struct wh_http_resp a = {0};
	int r = u->mount ? ask_session(u->c, u->b, u->b->from, u->what, &a, NULL) : -ENOENT;

	u->mount = false;
	if (r < 0) { /* the other repository may not be ours to read: then it is sent */
		wh_http_resp_release(&a);
		r = ask_session(u->c, u->b, NULL, u->what, &a, err);
	}
	if (r < 0 || a.status == 201)
		return r < 0 ? r : 1;
	choose_piece(u, &a);
	return keep_location(u, &a, err);
}

/* What has arrived? A session of which nothing is to be known is given up. */
static int ask_arrived(struct upload *u, struct wh_err **err)
{
	struct wh_http_req q = {.method = "GET", .url = u->url, .what = u->what};
	WH_AUTO_HTTP_RESP struct wh_http_resp a = {0};
	uint64_t n = 0;
	int r = wh_reg_call(u->c, &q, &a, err);

	if (r < 0)
		return r;
	if (a.status / 100 != 2 || !a.arrived || !wh_upload_range(a.arrived, &n) || n == 0 || n > u->b->size) {
		give_up_session(u);
		return 0;
	}
	u->sent = n;
	u->unsure = false;
	return keep_location(u, &a, err);
}

static bool is_break(int r)
{
	return r == -ECONNRESET || r == -ECONNREFUSED;
}

static void sending(void *arg, uint64_t n)
{
	const struct upload *u = arg;

	wh_reg_progress(u->c, u->what, u->sent + n, u->b->size);
}

/* The registry took what was sent, or less of it. 1: it has what cannot be. */
static int note_arrived(struct upload *u, uint64_t n, const struct wh_http_resp *a, struct wh_err **err)
{
	uint64_t have = u->sent + n, said;

	if (a->arrived && wh_upload_range(a->arrived, &said) && said && said != have) {
		if (said > have || said < u->sent) {
			give_up_session(u);
			wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG, "%s: %llu bytes are there, %llu were sent",
				   u->what, (unsigned long long)said, (unsigned long long)have);
			return 1;
		}
		have = said;
	}
	u->sent = have;
	u->unsure = false;
	return keep_location(u, a, err);
}

/* One PATCH. 1: another try may help. */
static int send_piece(struct upload *u, struct wh_err **err)
{
	uint64_t left = u->b->size - u->sent, n = u->piece && left > u->piece ? u->piece : left;
	WH_AUTO_FREE char *range = wh_asprintf("Content-Range: %llu-%llu", (unsigned long long)u->sent,
					       (unsigned long long)(u->sent + n - 1));
	const char *const headers[] = {range, NULL};
	struct wh_http_req q = {.method = "PATCH",
				.url = u->url,
				.what = u->what,
				.type = "application/octet-stream",
				.fd = u->fd,
				.size = n,
				.offset = u->sent,
				.sending = sending,
				.arg = u,
				/* One stream from the beginning needs none, and not all know what that is. */
				.headers = u->piece || u->sent ? headers : NULL,
				.once = true};
	WH_AUTO_HTTP_RESP struct wh_http_resp a = {0};
	int r;

	u->unsure = true;
	r = wh_reg_call(u->c, &q, &a, err);
	if (r < 0)
		return is_break(r) ? 1 : r;
	u->after = a.retry_after;
	if (a.status / 100 == 2)
		return note_arrived(u, n, &a, err);
	r = wh_reg_refusal(u->c, &q, &a, err);
	if (a.status == 413 && !u->c->r->o.chunk)
		wh_err_hint(err,
			    "in pieces it may be taken: --chunk-size 50m, or --output type=registry,chunk-size=50m");
	if (a.status == 404)
		give_up_session(u);
	if (a.status == 405 || a.status == 501) {
		u->whole = true;
		give_up_session(u);
	}
	return wh_reg_status_passing(a.status) || a.status == 404 || a.status == 416 || u->whole ? 1 : r;
}

/* A registry says 400 to what is not what its digest says. Was that so before it was sent? */
static bool is_sound(const struct upload *u)
{
	WH_AUTO_FREE char *buf = wh_malloc(256u << 10);
	WH_CLEANUP(wh_sha256_freep) struct wh_sha256 *h = wh_sha256_new();
	struct wh_digest d;
	uint64_t at = 0;

	while (at < u->b->size) {
		ssize_t n = pread(u->fd, buf, 256u << 10, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		wh_sha256_add(h, buf, (size_t)n);
		at += (uint64_t)n;
	}
	wh_sha256_end(h, &d);
	return at == u->b->size && wh_digest_eq(&d, &u->b->digest);
}

/* The last request: PUT with the digest, and with all the bytes where no PATCH had them. 1: another try may help. */
static int finish(struct upload *u, struct wh_err **err)
{
	char text[WH_DIGEST_TEXT];
	WH_AUTO_FREE char *url = wh_url_with(u->url, "digest", wh_digest_text(&u->b->digest, text));
	struct wh_http_req q = {.method = "PUT", .url = url, .what = u->what, .body = "", .once = true};
	WH_AUTO_HTTP_RESP struct wh_http_resp a = {0};
	int r;

	if (u->whole && u->b->size) {
		q.type = "application/octet-stream";
		q.fd = u->fd;
		q.size = u->b->size;
		q.sending = sending;
		q.arg = u;
	}
	u->unsure = true;
	r = wh_reg_call(u->c, &q, &a, err);
	if (r < 0)
		return is_break(r) ? 1 : r;
	if (a.status == 201 || a.status == 204)
		return 0;
	u->after = a.retry_after;
	r = wh_reg_refusal(u->c, &q, &a, err);
	if (a.status == 400 && !is_sound(u)) {
		wh_err_hint(err, "damaged: the blob in the store is not what its name says");
		return r;
	}
	if (a.status == 400)
		give_up_session(u);
	/* 404, 416: the session got lost, or has something else. */
	return wh_reg_status_passing(a.status) || a.status == 400 || a.status == 404 || a.status == 416 ? 1 : r;
}

/* After a break. 1: the blob arrived all the same. */
static int look_again(struct upload *u, struct wh_err **err)
{
	int r;

	if (!u->unsure)
		return 0;
	if (u->whole || u->sent == u->b->size) {
		r = wh_reg_blob_there(u->c, u->b, err);
		if (r != 0)
			return r;
	}
	/* One PUT has all or nothing. */
	if (u->whole)
		give_up_session(u);
	return u->url ? ask_arrived(u, err) : 0;
}

/* 0: it is there. 1: another try may help. */
static int put_once(struct upload *u, struct wh_err **err)
{
	int r = look_again(u, err);

	if (r == 0 && !u->url)
		r = open_session(u, err);
	if (r != 0)
		return r < 0 ? r : 0;
	while (!u->whole && u->sent < u->b->size) {
		uint64_t before = u->sent;

		r = send_piece(u, err);
		if (r != 0)
			return r;
		if (u->sent == before) {
			wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG, "%s: nothing of it is taken", u->what);
			return 1;
		}
	}
	return finish(u, err);
}

static int put_all(struct upload *u, struct wh_err **err)
{
	uint64_t best = 0;
	unsigned idle = 0;

	for (unsigned i = 0;; i++) {
		WH_AUTO_ERR struct wh_err *why = NULL;
		int r;

		u->after = 0;
		r = put_once(u, &why);
		if (r == 0)
			return 0;
		idle = u->sent > best ? 0 : idle + 1;
		best = u->sent > best ? u->sent : best;
		if (r == 1 && idle < WH_REG_TRIES && i < ROUNDS) {
			wh_reg_pause(idle, u->after);
			continue;
		}
		wh_err_move(err, &why);
		return r == 1 ? -EIO : r;
	}
}

int wh_reg_blob_put(struct wh_reg_conn *c, struct wh_store *s, const struct wh_reg_blob *b, struct wh_err **err)
{
	WH_AUTO_FREE char *what = wh_reg_blob_what("send", b);
	struct upload u = {.c = c,
			   .b = b,
			   .what = what,
			   .mount = b->from != NULL,
			   .whole = b->size <= WHOLE_MAX && (!c->r->o.chunk || b->size <= c->r->o.chunk)};
	WH_AUTO_FD int fd = -1;
	uint64_t size = 0;
	int r;

	fd = wh_blob_open(s, &b->digest, &size, err);
	if (fd < 0)
		return fd;
	if (size != b->size)
		return wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG,
				  "%s: damaged: the blob in the store has %llu bytes, not %llu", what,
				  (unsigned long long)size, (unsigned long long)b->size);
	u.fd = fd;
	r = put_all(&u, err);
	free(u.url);
	if (r == 0)
		wh_reg_progress(c, what, b->size, b->size);
	return wh_reg_named(c, r, err);
}
