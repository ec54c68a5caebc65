/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer blob as a stream of its uncompressed bytes. Compression is told by
 * content, never by media type. A thread of its own reads, hashes and
 * decompresses ahead (a few hundred KiB at most), so that whoever writes files
 * from the stream has a processor for himself.
 */
#ifndef WH_LAYERS_STREAM_H
#define WH_LAYERS_STREAM_H

#include "layers/layers.h"

struct wh_stream;
struct wh_stream_opts {
	const struct wh_digest *blob;    /* of the bytes in the file; NULL: not known */
	const struct wh_digest *diff_id; /* of the bytes that come out; NULL: not known */
	uint64_t max;                    /* more than this comes out: an error (decompression bombs) */
	const char *hint;                /* what helps when the blob is damaged, or NULL (copied) */
};
/* The limit for layers. */
#define WH_STREAM_MAX (UINT64_C(256) << 30)

/* Takes fd, whatever is returned. */
int wh_stream_new(int fd, const struct wh_stream_opts *o, struct wh_stream **ret, struct wh_err **err);
/* The next bytes, valid until the next call. *n == 0: the end, and every digest that was asked for is right. */
int wh_stream_next(struct wh_stream *t, const void **p, size_t *n, struct wh_err **err);
/* Reads to the end, so that all is verified. */
int wh_stream_drain(struct wh_stream *t, struct wh_err **err);
void wh_stream_free(struct wh_stream *t);
static inline void wh_stream_freep(struct wh_stream **t)
{
	if (*t)
		wh_stream_free(*t);
	*t = NULL;
}

/* The layer's blob (fetched first when the store lacks it), with all that is known about it checked. */
int wh_layer_stream(struct wh_store *s, const struct wh_layer *l, struct wh_stream **ret, struct wh_err **err);
/* The same without fetching: straight from the store, or else from the layer's origin. */
int wh_layer_stream_anywhere(struct wh_store *s, const struct wh_layer *l, struct wh_stream **ret, struct wh_err **err);
/* The blob as it is (compressed), from the store or else from its origin; *ours: it is from the store.
 * fd or -errno. */
int wh_layer_open_blob(struct wh_store *s, const struct wh_layer *l, bool *ours, struct wh_err **err);

#endif
