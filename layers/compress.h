/* SPDX-License-Identifier: Apache-2.0 */
/* Compression of layer blobs: the same input and level give the same bytes, whatever the number of threads and however
 * the input is cut into calls. Private to layers/. */
#ifndef WH_LAYERS_COMPRESS_H
#define WH_LAYERS_COMPRESS_H

#include "layers/layers.h"

struct wh_compressor;
typedef int (*wh_compress_sink)(void *arg, const void *p, size_t n, struct wh_err **err);

/* threads 0: as many as CPUs. Threads of its own start with the first call of add, with all signals blocked. */
struct wh_compressor *wh_compressor_new(enum wh_compression kind, int level, unsigned threads, wh_compress_sink sink,
					void *arg);
int wh_compressor_add(struct wh_compressor *c, const void *p, size_t n, struct wh_err **err);
int wh_compressor_finish(struct wh_compressor *c, struct wh_err **err); /* does not free */
void wh_compressor_free(struct wh_compressor *c);

#endif
