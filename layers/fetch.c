/* SPDX-License-Identifier: Apache-2.0 */
/* A layer's bytes: from the store, or from the layout the image came from; never used with their digest unchecked. */
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

/* A blob file in somebody's layout. */
static int open_origin(const struct wh_layer *l, struct wh_err **err)
{
	WH_AUTO_FREE char *path = NULL;
	WH_AUTO_FD int fd = -1;
	struct stat st;
	char hex[65];
	int r;

	if (!l->origin)
		return wh_err_set(err, "layers", WH_ERR_BUILD, ENOENT, "its blob is not in the store");
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
