/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache index: key → layer.
 *
 *   ROOT/cache.db       SQLite; an index only, made again from records/ when it is missing, damaged or of another version
 *   ROOT/records/HEX    one JSON document for each key (format: cacheindex_record.c)
 *
 * A record is a hit only when its blobs are in the store. One thread at a time;
 * any number of processes.
 */
#ifndef WH_BUILDER_CACHEINDEX_H
#define WH_BUILDER_CACHEINDEX_H

#include "base/base.h"
#include "layers/layers.h"

struct wh_record {
	struct wh_digest key;       /* fast or content key */
	struct wh_digest op;        /* the operation without its inputs */
	struct wh_digest base;      /* tree key of inputs[0], for --explain-cache */
	struct wh_digest selection; /* content of the other inputs; zero when there are none or it was not told */
	bool empty;                 /* nothing changed: no layer */
	struct wh_layer layer;      /* unless empty; never has an origin */
	bool chroot;                /* the step ran under --isolation=chroot */
	struct wh_digest doc;       /* a blob that belongs to the result (PROFILE, PRUNE); zero: none */
	struct wh_digest place;     /* stage and instruction, for --explain-cache; zero: not told */
	struct wh_digest slot;      /* stage and number of the step: the second chance, when the instruction was edited */
	struct wh_digest inputs;    /* a blob: what it was made of, for --explain-cache; zero: none. Its loss is no loss of a hit */
};
void wh_record_copy(struct wh_record *dst, const struct wh_record *src);
void wh_record_release(struct wh_record *r);
/* As a document: one line of JSON. */
void wh_record_dump(const struct wh_record *r, struct wh_buf *out);
/* False for what is not a record of this schema with the key that hex tells. */
bool wh_record_load(const char *hex, const char *p, size_t n, struct wh_record *ret);

struct wh_cache;
/* notice (may be NULL) is told when a damaged index was replaced. */
int wh_cache_open(struct wh_store *s, void (*notice)(void *arg, const char *text), void *arg, struct wh_cache **ret,
		  struct wh_err **err);
void wh_cache_close(struct wh_cache *c);
/* 1 a hit (layer and document are there), 0 none, or -errno. */
int wh_cache_get(struct wh_cache *c, const struct wh_digest *key, struct wh_record *ret, struct wh_err **err);
/* 1 when some record of this operation exists, whatever its inputs; *ret (may be NULL) is the one used last. */
int wh_cache_find_op(struct wh_cache *c, const struct wh_digest *op, struct wh_record *ret, struct wh_err **err);
/* The record of this place that was made last. */
int wh_cache_find_place(struct wh_cache *c, const struct wh_digest *place, struct wh_record *ret, struct wh_err **err);
int wh_cache_find_slot(struct wh_cache *c, const struct wh_digest *slot, struct wh_record *ret, struct wh_err **err);
/* 1: there is a record of this key, whether its blobs are there or not. */
int wh_cache_known(struct wh_cache *c, const struct wh_digest *key, struct wh_err **err);
/* Each record, whether its blobs are there or not, with the time of its last use (seconds since the epoch). fn returns 0, or a
 * negative errno that ends it; it may change the index. */
typedef int (*wh_cache_fn)(void *arg, const struct wh_record *r, int64_t used);
int wh_cache_each(struct wh_cache *c, wh_cache_fn fn, void *arg, struct wh_err **err);
/* Rows and files; keys that are not there are passed over. */
int wh_cache_remove(struct wh_cache *c, const struct wh_digest *keys, size_t n, struct wh_err **err);
/* Record files first, then one transaction. Blobs that are not on disk yet need the store's mark that they are not (they have it,
 * see wh_store_publish()): after a power cut it drops what is torn, and a record without its blob is no hit. */
int wh_cache_put(struct wh_cache *c, const struct wh_record *recs, size_t n, struct wh_err **err);
/* Notes that these keys were used now; one transaction; skipped for those noted within the last hour. */
int wh_cache_touch(struct wh_cache *c, const struct wh_digest *keys, size_t n, struct wh_err **err);
/* After many removals: the file becomes as small as its rows, and uses that lie in the future are now. For a gc; what cannot be had
 * within a moment, as builds write, is left. */
void wh_cache_shrink(struct wh_cache *c);
/* Empties the index and reads records/ again. *ret_n: how many were taken. */
int wh_cache_rebuild(struct wh_cache *c, size_t *ret_n /* may be NULL */, struct wh_err **err);

#endif
