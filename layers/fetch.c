/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer's bytes: from the store, from the layout the image came from, or through the store's fetcher from a registry; never used
 * with their digest unchecked.
 */
#include "layers/index_private.h"
#include "layers/reader.h"
#include "layers/store_private.h"
#include "layers/stream.h"

#include <errno.h>

#define COPY_SIZE (256u << 10)

static void name_layer(const struct wh_layer *l, struct wh_err **err)
{
	char text[WH_DIGEST_TEXT];

	wh_err_wrap(err, "layer %.19s…", wh_digest_text(&l->blob, text));
}

/* ---------------------------------------------------------------- origins that are no directories */

void wh_fetcher_init(struct wh_fetcher *f)
{
	pthread_mutex_init(&f->mutex, NULL);
	pthread_cond_init(&f->done, NULL);
}

void wh_fetcher_release(struct wh_fetcher *f)
{
	pthread_cond_destroy(&f->done);
	pthread_mutex_destroy(&f->mutex);
	free(f->busy);
	free(f->failed);
}

void wh_store_set_fetcher(struct wh_store *s, wh_origin_fn fn, void *arg)
{
	pthread_mutex_lock(&s->fetcher.mutex);
	s->fetcher.fn = fn;
	s->fetcher.arg = arg;
	pthread_mutex_unlock(&s->fetcher.mutex);
}

void wh_store_set_cancel(struct wh_store *s, const _Atomic bool *cancel)
{
	pthread_mutex_lock(&s->fetcher.mutex);
	s->fetcher.cancel = cancel;
	pthread_mutex_unlock(&s->fetcher.mutex);
}

char *wh_store_failed_origin(struct wh_store *s)
{
	char *failed;

	pthread_mutex_lock(&s->fetcher.mutex);
	failed = WH_TAKE_PTR(s->fetcher.failed);
	pthread_mutex_unlock(&s->fetcher.mutex);
	return failed;
}

void wh_layer_blame(struct wh_store *s, const struct wh_layer *l, int r)
{
	if (r >= 0 || r == -ECANCELED || !l->origin)
		return;
	pthread_mutex_lock(&s->fetcher.mutex);
	if (!s->fetcher.failed)
		s->fetcher.failed = wh_strdup(l->origin);
	pthread_mutex_unlock(&s->fetcher.mutex);
}

static bool is_directory(const char *origin)
{
	return origin && !wh_has_prefix(origin, WH_ORIGIN_REGISTRY) && !wh_has_prefix(origin, WH_ORIGIN_NOWHERE);
}

static bool has_blob(struct wh_store *s, const struct wh_layer *l)
{
	uint64_t size;

	return wh_blob_has(s, &l->blob, &size) && (!l->blob_size || size == l->blob_size);
}

bool wh_layer_at_hand(struct wh_store *s, const struct wh_layer *l)
{
	return has_blob(s, l) && wh_pair_known(s, &l->diff_id, &l->blob);
}

static size_t find_busy(const struct wh_fetcher *f, const struct wh_digest *d)
{
	size_t i = 0;

	while (i < f->n_busy && !wh_digest_eq(&f->busy[i], d))
		i++;
	return i;
}

/* Marks those of the list that are to be fetched, and moves them to its front; waits for those that others fetch. How many. */
static size_t reserve(struct wh_store *s, const struct wh_layer **v, size_t n)
{
	struct wh_fetcher *f = &s->fetcher;
	size_t i, k = 0;

	for (i = 0; i < n; i++) {
		while (find_busy(f, &v[i]->blob) < f->n_busy && k == 0)
			pthread_cond_wait(&f->done, &f->mutex);
		/* With blobs of our own reserved nobody is waited for: two could wait for each other. */
		if (find_busy(f, &v[i]->blob) < f->n_busy || has_blob(s, v[i]))
			continue;
		WH_PUSH(f->busy, f->n_busy, f->cap_busy) = v[i]->blob;
		v[k++] = v[i];
	}
	return k;
}

static int call_fetcher(struct wh_store *s, const struct wh_layer *const *v, size_t n, wh_origin_fn fn, void *arg,
			const _Atomic bool *cancel, struct wh_err **err)
{
	WH_AUTO_FREE struct wh_descriptor *blobs = wh_calloc(n, sizeof(*blobs));
	size_t i;

	if (wh_has_prefix(v[0]->origin, WH_ORIGIN_NOWHERE))
		return wh_err_set(err, "layers", WH_ERR_BUILD, ENOENT, "the cache that told of it does not have it");
	if (!fn) {
		wh_err_set(err, "layers", WH_ERR_ENV, ENOENT, "it is still in the registry, in %s", v[0]->origin + strlen(WH_ORIGIN_REGISTRY));
		wh_err_hint(err, "whittle pull fetches all of an image");
		return -ENOENT;
	}
	for (i = 0; i < n; i++)
		blobs[i] = (struct wh_descriptor){.digest = v[i]->blob, .size = v[i]->blob_size};
	(void)s;
	return fn(arg, v[0]->origin, blobs, n, cancel, err);
}

/* Layers of one origin. */
static int fetch_remote(struct wh_store *s, const struct wh_layer **v, size_t n, struct wh_err **err)
{
	struct wh_fetcher *f = &s->fetcher;
	const _Atomic bool *cancel;
	wh_origin_fn fn;
	void *arg;
	size_t i, k;
	int r = 0;

	pthread_mutex_lock(&f->mutex);
	k = reserve(s, v, n);
	fn = f->fn;
	arg = f->arg;
	cancel = f->cancel;
	pthread_mutex_unlock(&f->mutex);
	if (k == 0)
		return 0;
	r = call_fetcher(s, v, k, fn, arg, cancel, err);
	wh_layer_blame(s, v[0], r);
	pthread_mutex_lock(&f->mutex);
	for (i = 0; i < k; i++)
		f->busy[find_busy(f, &v[i]->blob)] = f->busy[--f->n_busy];
	pthread_cond_broadcast(&f->done);
	pthread_mutex_unlock(&f->mutex);
	return r;
}

/* Those of one origin in one call, whose blobs come side by side. */
static int fetch_all(struct wh_store *s, const struct wh_layer *const *layers, size_t n, struct wh_err **err)
{
	WH_AUTO_FREE const struct wh_layer **v = wh_calloc(n, sizeof(*v));
	WH_AUTO_FREE bool *seen = wh_calloc(n, sizeof(*seen));
	size_t i, j, k;
	int r = 0;

	for (i = 0; i < n && r == 0; i++) {
		if (seen[i] || !layers[i]->origin || is_directory(layers[i]->origin) || has_blob(s, layers[i]))
			continue;
		for (j = i, k = 0; j < n; j++) {
			if (!wh_streq(layers[j]->origin, layers[i]->origin) || has_blob(s, layers[j]))
				continue;
			seen[j] = true;
			v[k++] = layers[j];
		}
		r = fetch_remote(s, v, k, err);
	}
	return r;
}

int wh_layers_bring(struct wh_store *s, const struct wh_layer *layers, size_t n, struct wh_err **err)
{
	WH_AUTO_FREE const struct wh_layer **v = wh_calloc(n + 1, sizeof(*v));
	size_t i, k = 0;

	for (i = 0; i < n; i++)
		if (layers[i].origin && !is_directory(layers[i].origin))
			v[k++] = &layers[i];
	return k ? fetch_all(s, v, k, err) : 0;
}

int wh_layers_settle(struct wh_store *s, const struct wh_layer *const *layers, size_t n, struct wh_err **err)
{
	int r = fetch_all(s, layers, n, err);

	for (size_t i = 0; i < n && r == 0; i++) {
		r = wh_layer_fetch(s, layers[i], err);
		if (r == 0)
			r = wh_layer_verify(s, layers[i], err);
	}
	return r;
}

/* ---------------------------------------------------------------- blobs */

/* A blob file in somebody's layout. */
static int open_origin(const struct wh_layer *l, struct wh_err **err)
{
	WH_AUTO_FREE char *path = NULL;
	WH_AUTO_FD int fd = -1;
	struct stat st;
	char hex[65];
	int r;

	if (!l->origin) {
		wh_err_set(err, "layers", WH_ERR_BUILD, ENOENT, "its blob is not in the store");
		wh_err_hint(err, "whittle pull fetches all of an image");
		return -ENOENT;
	}
	path = wh_asprintf("%s/blobs/sha256/%s", l->origin, wh_digest_hex(&l->blob, hex));
	/* O_NONBLOCK: it may be a fifo, and is looked at only afterwards. */
	fd = wh_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	if (fd < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, -fd, "open %s", path);
	if (fstat(fd, &st) < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, errno, "stat %s", path);
	if (!S_ISREG(st.st_mode))
		return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "%s is not a regular file", path);
	if ((uint64_t)st.st_size != l->blob_size) {
		r = wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "damaged: %s has %llu bytes, not %llu", path,
			       (unsigned long long)st.st_size, (unsigned long long)l->blob_size);
		wh_err_hint(err, "get the image once more");
		return r;
	}
	return WH_TAKE_FD(fd);
}

int wh_layer_open_blob(struct wh_store *s, const struct wh_layer *l, bool *ours, struct wh_err **err)
{
	uint64_t size = 0;
	int fd;

	*ours = wh_blob_has(s, &l->blob, &size);
	if (l->origin && !is_directory(l->origin) && !has_blob(s, l)) {
		int r = fetch_remote(s, &l, 1, err);

		if (r < 0) {
			name_layer(l, err);
			return r;
		}
		*ours = wh_blob_has(s, &l->blob, &size);
	}
	if (*ours && l->blob_size && size != l->blob_size) {
		*ours = false; /* the origin's may be whole */
		if (!l->origin) {
			fd = wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG,
					"damaged: its blob in the store has %llu bytes, not %llu",
					(unsigned long long)size, (unsigned long long)l->blob_size);
			wh_blob_hint(s, &l->blob, err);
			name_layer(l, err);
			return fd;
		}
	}
	fd = *ours ? wh_blob_open(s, &l->blob, NULL, err) : open_origin(l, err);
	wh_layer_blame(s, l, fd);
	if (fd < 0)
		name_layer(l, err);
	return fd;
}

static int copy_in(int fd, const struct wh_layer *l, struct wh_blob_writer *w, struct wh_err **err)
{
	WH_AUTO_FREE char *buf = wh_malloc(COPY_SIZE);
	uint64_t left = l->blob_size;

	for (;;) {
		ssize_t n = read(fd, buf, COPY_SIZE);
		int r;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return wh_err_sys(err, "layers", WH_ERR_BUILD, errno, "read %s", l->origin);
		if (n == 0)
			return 0;
		if ((uint64_t)n > left)
			return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "it grows while it is read");
		left -= (uint64_t)n;
		r = wh_blob_writer_add(w, buf, (size_t)n, err);
		if (r < 0)
			return r;
	}
}

int wh_layer_fetch(struct wh_store *s, const struct wh_layer *l, struct wh_err **err)
{
	WH_AUTO_FD int fd = -1;
	struct wh_blob_writer *w;
	struct wh_digest d;
	bool have;
	int r;

	fd = wh_layer_open_blob(s, l, &have, err);
	if (fd < 0)
		return fd;
	if (have)
		return 0;
	r = wh_blob_writer_new(s, &w, err);
	if (r < 0)
		return r;
	r = copy_in(fd, l, w, err);
	if (r < 0)
		wh_blob_writer_abort(w);
	else
		r = wh_blob_writer_finish(w, &l->blob, &d, NULL, err);
	wh_layer_blame(s, l, r);
	if (r < 0)
		name_layer(l, err);
	return r;
}

int wh_layer_stream_anywhere(struct wh_store *s, const struct wh_layer *l, struct wh_stream **ret, struct wh_err **err)
{
	struct wh_stream_opts o = {.blob = &l->blob, .diff_id = &l->diff_id, .max = WH_STREAM_MAX};
	WH_AUTO_FREE char *hint = NULL;
	bool ours;
	int fd = wh_layer_open_blob(s, l, &ours, err);
	char hex[65];
	int r;

	if (fd < 0)
		return fd;
	hint = ours ? wh_asprintf("remove %s/blobs/sha256/%s and build again", s->path, wh_digest_hex(&l->blob, hex))
		    : wh_strdup("get the image once more");
	o.hint = hint;
	r = wh_stream_new(fd, &o, ret, err);
	if (r < 0)
		name_layer(l, err);
	return r;
}

int wh_layer_stream(struct wh_store *s, const struct wh_layer *l, struct wh_stream **ret, struct wh_err **err)
{
	int r = wh_layer_fetch(s, l, err);

	return r < 0 ? r : wh_layer_stream_anywhere(s, l, ret, err);
}

/* ---------------------------------------------------------------- reading */

static int next_bytes(void *src, const void **p, size_t *n, struct wh_err **err)
{
	return wh_stream_next(src, p, n, err);
}

static int put_entry(void *arg, const struct wh_entry *e, const struct wh_inode *ino, struct wh_err **err)
{
	(void)ino;
	return wh_index_builder_add(arg, e, err);
}

static int write_index(struct wh_store *s, const struct wh_layer *l, struct wh_names *names, struct wh_err **err)
{
	struct wh_index_builder *b;
	int r = wh_index_builder_new(s, &b, err);

	if (r < 0)
		return r;
	r = wh_names_list(names, put_entry, b, err);
	if (r < 0) {
		wh_index_builder_abort(b);
		return r;
	}
	return wh_index_builder_finish(b, &l->diff_id, NULL, err);
}

int wh_layer_read(struct wh_store *s, const struct wh_layer *l, struct wh_names *names, const struct wh_read_sink *sink,
		  void *arg, struct wh_err **err)
{
	bool index = !wh_index_has(s, &l->diff_id);
	struct wh_read_opts o = {.digests = index, .limits = WH_READ_LIMITS};
	WH_CLEANUP(wh_stream_freep) struct wh_stream *t = NULL;
	int r = wh_layer_stream(s, l, &t, err);

	if (r < 0)
		return r;
	r = wh_tar_read(next_bytes, t, &o, names, sink, arg, err);
	if (r == 0)
		r = wh_stream_drain(t, err);
	wh_layer_blame(s, l, r);
	if (r == 0)
		r = wh_pair_note(s, &l->diff_id, &l->blob, err);
	if (r == 0 && index)
		r = write_index(s, l, names, err);
	if (r < 0)
		name_layer(l, err);
	return r;
}

int wh_index_from_blob(struct wh_store *s, const struct wh_layer *l, struct wh_err **err)
{
	WH_AUTO_NAMES struct wh_names *names = wh_names_new();

	return wh_layer_read(s, l, names, NULL, NULL, err);
}
