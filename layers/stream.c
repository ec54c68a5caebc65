/* SPDX-License-Identifier: Apache-2.0 */
#include "layers/stream.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <zlib.h>
#include <zstd.h>

#define IN_SIZE (256u << 10)
#define OUT_SIZE (256u << 10)
#define SLOTS 6

struct codec {
	enum wh_compression kind;
	z_stream z;
	ZSTD_DCtx *zstd;
	bool ended; /* at the end of a gzip member or zstd frame: the input may end here */
};

struct slot {
	uint8_t *p;
	size_t n;
};

struct wh_stream {
	int fd;
	bool check_blob, check_diff;
	struct wh_digest blob, diff_id;
	uint64_t max, made;
	struct wh_sha256 *blob_hash, *diff_hash;
	struct codec c;
	uint8_t *in;
	size_t in_n, in_at;
	bool in_eof;

	pthread_t thread;
	bool threaded;
	pthread_mutex_t lock;
	pthread_cond_t filled, emptied;
	struct slot slots[SLOTS];
	unsigned head, count; /* filled slots: head … head + count - 1 */
	bool held;            /* the consumer still looks at slots[head] */
	bool done, stop;
	int result; /* 0 or -errno, once done */
	struct wh_err *err;
	char *hint; /* for a damaged blob */
};

static int refill(struct wh_stream *t)
{
	while (!t->in_eof && t->in_at == t->in_n) {
		ssize_t n = read(t->fd, t->in, IN_SIZE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return wh_err_sys(&t->err, "layers", WH_ERR_BUILD, errno, "read a blob");
		t->in_at = 0;
		t->in_n = (size_t)n;
		if (n == 0)
			t->in_eof = true;
		else if (t->check_blob)
			wh_sha256_add(t->blob_hash, t->in, (size_t)n);
	}
	return 0;
}

static int bad(struct wh_stream *t, const char *what)
{
	return wh_err_set(&t->err, "layers", WH_ERR_BUILD, EBADMSG, "%s", what);
}

static int codec_start(struct wh_stream *t)
{
	/* The magic numbers need four bytes, and read() on a regular file gives them unless the file is shorter. */
	const uint8_t *p = t->in;

	t->c.kind = WH_COMP_NONE;
	if (t->in_n >= 2 && p[0] == 0x1f && p[1] == 0x8b) {
		t->c.kind = WH_COMP_GZIP;
		if (inflateInit2(&t->c.z, 15 + 16) != Z_OK)
			abort();
	} else if (t->in_n >= 4 && ((p[0] == 0x28 && p[1] == 0xb5 && p[2] == 0x2f && p[3] == 0xfd) ||
				    ((p[0] & 0xf0) == 0x50 && p[1] == 0x2a && p[2] == 0x4d && p[3] == 0x18))) {
		t->c.kind = WH_COMP_ZSTD;
		t->c.zstd = ZSTD_createDCtx();
		if (!t->c.zstd)
			abort();
	}
	return 0;
}

/* After a gzip member: another one, padding with zeros, or the end. */
static int gzip_next_member(struct wh_stream *t)
{
	int r;

	for (;;) {
		r = refill(t);
		if (r < 0 || t->in_eof)
			return r;
		if (t->in[t->in_at] != 0)
			break;
		t->in_at++;
	}
	if (t->in[t->in_at] != 0x1f)
		return bad(t, "there is something behind the end of the gzip data");
	if (inflateReset(&t->c.z) != Z_OK)
		abort();
	t->c.ended = false;
	return 0;
}

static int gzip_step(struct wh_stream *t, uint8_t *out, size_t room, size_t *made)
{
	z_stream *z = &t->c.z;
	int r;

	if (t->c.ended) {
		r = gzip_next_member(t);
		if (r < 0 || t->in_eof)
			return r;
	}
	z->next_in = t->in + t->in_at;
	z->avail_in = (unsigned)(t->in_n - t->in_at);
	z->next_out = out;
	z->avail_out = (unsigned)room;
	r = inflate(z, Z_NO_FLUSH);
	t->in_at = t->in_n - z->avail_in;
	*made = room - z->avail_out;
	if (r == Z_STREAM_END)
		t->c.ended = true;
	else if (r != Z_OK && r != Z_BUF_ERROR)
		return bad(t, "damaged gzip data");
	return 0;
}

static int zstd_step(struct wh_stream *t, uint8_t *out, size_t room, size_t *made)
{
	ZSTD_inBuffer in = {t->in, t->in_n, t->in_at};
	ZSTD_outBuffer o = {out, room, 0};
	size_t r = ZSTD_decompressStream(t->c.zstd, &o, &in);

	if (ZSTD_isError(r))
		return wh_err_set(&t->err, "layers", WH_ERR_BUILD, EBADMSG, "damaged zstd data (%s)",
				  ZSTD_getErrorName(r));
	t->in_at = in.pos;
	*made = o.pos;
	t->c.ended = r == 0;
	return 0;
}

/* Fills one slot; n == 0 at the end. */
static int produce(struct wh_stream *t, uint8_t *out, size_t *n)
{
	size_t have = 0, made;
	int r;

	while (have < OUT_SIZE) {
		r = refill(t);
		if (r < 0)
			return r;
		made = 0;
		switch (t->c.kind) {
		case WH_COMP_NONE:
			made = t->in_n - t->in_at;
			if (made > OUT_SIZE - have)
				made = OUT_SIZE - have;
			memcpy(out + have, t->in + t->in_at, made);
			t->in_at += made;
			break;
		case WH_COMP_GZIP:
			r = gzip_step(t, out + have, OUT_SIZE - have, &made);
			break;
		case WH_COMP_ZSTD:
			if (!(t->in_eof && t->c.ended))
				r = zstd_step(t, out + have, OUT_SIZE - have, &made);
			break;
		}
		if (r < 0)
			return r;
		have += made;
		if (t->in_eof && made == 0) {
			if (t->c.kind != WH_COMP_NONE && !t->c.ended)
				return bad(t, "the compressed data ends too early");
			break;
		}
	}
	*n = have;
	return 0;
}

static int check(struct wh_stream *t, struct wh_sha256 *h, const struct wh_digest *want, const char *what,
		 const char *hint)
{
	char a[WH_DIGEST_TEXT], b[WH_DIGEST_TEXT];
	struct wh_digest got;

	wh_sha256_end(h, &got);
	if (wh_digest_eq(&got, want))
		return 0;
	/* A wrong digest explains whatever else was found wrong. */
	wh_err_free(t->err);
	t->err = NULL;
	wh_err_set(&t->err, "layers", WH_ERR_BUILD, EBADMSG, "damaged: the %s is %s, not %s", what,
		   wh_digest_text(&got, a), wh_digest_text(want, b));
	if (hint)
		wh_err_hint(&t->err, "%s", hint);
	return -EBADMSG;
}

/* Data that does not decompress is most often data that was damaged on the way: then say so. */
static int blame(struct wh_stream *t, int result)
{
	int r;

	if (!t->check_blob)
		return result;
	t->in_at = t->in_n;
	while (!t->in_eof) {
		if (refill(t) < 0)
			return result;
		t->in_at = t->in_n;
	}
	r = check(t, t->blob_hash, &t->blob, "digest of the blob", t->hint);
	return r < 0 ? r : result;
}

static int step(struct wh_stream *t, struct slot *s)
{
	int r = produce(t, s->p, &s->n);

	if (r == -EBADMSG)
		return blame(t, r);
	if (r < 0)
		return r;
	if (s->n) {
		t->made += s->n;
		if (t->made > t->max)
			return wh_err_set(&t->err, "layers", WH_ERR_BUILD, EFBIG, "more than %llu bytes come out of it",
					  (unsigned long long)t->max);
		if (t->check_diff)
			wh_sha256_add(t->diff_hash, s->p, s->n);
		return 0;
	}
	if (t->check_blob)
		r = check(t, t->blob_hash, &t->blob, "digest of the blob", t->hint);
	if (r == 0 && t->check_diff)
		r = check(t, t->diff_hash, &t->diff_id, "digest of the uncompressed layer (diff id)", NULL);
	return r;
}

static void *run(void *arg)
{
	struct wh_stream *t = arg;

	pthread_mutex_lock(&t->lock);
	while (!t->stop) {
		struct slot *s;
		int r;

		if (t->count == SLOTS) {
			pthread_cond_wait(&t->emptied, &t->lock);
			continue;
		}
		s = &t->slots[(t->head + t->count) % SLOTS];
		pthread_mutex_unlock(&t->lock);
		r = step(t, s);
		pthread_mutex_lock(&t->lock);
		if (r < 0 || s->n == 0) {
			t->result = r;
			t->done = true;
			pthread_cond_signal(&t->filled);
			break;
		}
		t->count++;
		pthread_cond_signal(&t->filled);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

int wh_stream_new(int fd, const struct wh_stream_opts *o, struct wh_stream **ret, struct wh_err **err)
{
	struct wh_stream *t = wh_calloc(1, sizeof(*t));
	sigset_t all, old;
	int r;

	t->fd = fd;
	t->max = o->max;
	t->hint = wh_strdup(o->hint);
	t->in = wh_malloc(IN_SIZE);
	if (o->blob) {
		t->check_blob = true;
		t->blob = *o->blob;
		t->blob_hash = wh_sha256_new();
	}
	if (o->diff_id) {
		t->check_diff = true;
		t->diff_id = *o->diff_id;
		t->diff_hash = wh_sha256_new();
	}
	for (size_t i = 0; i < SLOTS; i++)
		t->slots[i].p = wh_malloc(OUT_SIZE);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->filled, NULL);
	pthread_cond_init(&t->emptied, NULL);
	r = refill(t);
	if (r == 0)
		r = codec_start(t);
	if (r < 0) {
		wh_err_move(err, &t->err);
		wh_stream_free(t);
		return r;
	}
	/* Signals are for the main thread's signalfd. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&t->thread, NULL, run, t);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r != 0) {
		wh_stream_free(t);
		return wh_err_sys(err, "layers", WH_ERR_ENV, r, "start a thread");
	}
	t->threaded = true;
	*ret = t;
	return 0;
}

int wh_stream_next(struct wh_stream *t, const void **p, size_t *n, struct wh_err **err)
{
	int r = 0;

	pthread_mutex_lock(&t->lock);
	if (t->held) {
		t->head = (t->head + 1) % SLOTS;
		t->count--;
		t->held = false;
		pthread_cond_signal(&t->emptied);
	}
	while (t->count == 0 && !t->done)
		pthread_cond_wait(&t->filled, &t->lock);
	*p = NULL;
	*n = 0;
	if (t->count) {
		*p = t->slots[t->head].p;
		*n = t->slots[t->head].n;
		t->held = true;
	} else {
		r = t->result;
		wh_err_move(err, &t->err);
	}
	pthread_mutex_unlock(&t->lock);
	return r;
}

int wh_stream_drain(struct wh_stream *t, struct wh_err **err)
{
	const void *p;
	size_t n;
	int r;

	do {
		r = wh_stream_next(t, &p, &n, err);
	} while (r == 0 && n > 0);
	return r;
}

void wh_stream_free(struct wh_stream *t)
{
	if (!t)
		return;
	if (t->threaded) {
		pthread_mutex_lock(&t->lock);
		t->stop = true;
		pthread_cond_signal(&t->emptied);
		pthread_mutex_unlock(&t->lock);
		pthread_join(t->thread, NULL);
	}
	if (t->c.kind == WH_COMP_GZIP)
		inflateEnd(&t->c.z);
	ZSTD_freeDCtx(t->c.zstd);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->filled);
	pthread_cond_destroy(&t->emptied);
	for (size_t i = 0; i < SLOTS; i++)
		free(t->slots[i].p);
	free(t->in);
	free(t->hint);
	if (t->blob_hash)
		wh_sha256_free(t->blob_hash);
	if (t->diff_hash)
		wh_sha256_free(t->diff_hash);
	wh_err_free(t->err);
	if (t->fd >= 0)
		close(t->fd);
	free(t);
}
