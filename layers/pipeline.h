/* SPDX-License-Identifier: Apache-2.0 */
/* From tar bytes to a blob in the store, with both digests, on two further threads. Private to layers/. */
#ifndef WH_LAYERS_PIPELINE_H
#define WH_LAYERS_PIPELINE_H

#include "layers/layers.h"

struct wh_pipeline;

/*
 * caller: fills chunks → thread 1: digest of the tar → thread 2: compresses, digest of the blob, writes
 *
 * Chunks go round: memory is bounded, and the slowest part holds the others up. Threads start when the first chunk is
 * full, so that a small layer costs none.
 */
int wh_pipeline_new(struct wh_store *s, const struct wh_layer_opts *o, struct wh_pipeline **ret, struct wh_err **err);
/* Where the next bytes of the tar go, *ret_n > 0 of them at most; waits for a free chunk. */
int wh_pipeline_space(struct wh_pipeline *p, void **ret, size_t *ret_n, struct wh_err **err);
/* That many were put there. */
void wh_pipeline_filled(struct wh_pipeline *p, size_t n);
int wh_pipeline_add(struct wh_pipeline *p, const void *data, size_t n, struct wh_err **err);
uint64_t wh_pipeline_offset(const struct wh_pipeline *p); /* bytes of tar so far */
/* The blob is in the store when this returns 0. Frees p in any case. */
int wh_pipeline_finish(struct wh_pipeline *p, struct wh_digest *ret_tar, struct wh_digest *ret_blob, uint64_t *ret_size,
		       struct wh_err **err);
void wh_pipeline_abort(struct wh_pipeline *p);

#endif
