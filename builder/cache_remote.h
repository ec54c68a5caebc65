/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Caches elsewhere: the records of a build as an artifact, and back. Part of builder.h.
 *
 *   solve ─▶ wh_builder_cache() ─▶ wh_cache_export ─▶ wh_cache_export_write(): config and manifest in the store ─▶ cli: wherever
 *   cli: manifest and config in the store ─▶ wh_cache_source_read() ─▶ wh_builder_opts.imports
 *
 * A cache is an OCI image manifest whose config is canonical JSON (format: cache_remote.c) and whose layers are the layers of steps and
 * documents of PROFILE and PRUNE. What is read may be anybody's: a record says nothing but "this key came out as that diff id", and a
 * layer is used once its blob was seen to have that diff id. Who may write to a cache decides what a build that reads it gives.
 *
 * Nothing of a layer is fetched before somebody reads it. When it then cannot be had, or is another than was promised, that cache
 * is no longer asked, and the solve begins again (finished steps are in the store).
 */
#ifndef WH_BUILDER_CACHE_REMOTE_H
#define WH_BUILDER_CACHE_REMOTE_H

#include "base/base.h"
#include "layers/layers.h"

/* ---------------------------------------------------------------- reading */

struct wh_cache_source;
/* Manifest and config are in the store. name is for messages, origin where the blobs are (struct wh_layer). -EBADMSG: no cache, or one that
 * contradicts itself. */
int wh_cache_source_read(struct wh_store *s, const struct wh_digest *manifest, const char *name, const char *origin,
			 struct wh_cache_source **ret, struct wh_err **err);
/* The same from the config's text and the manifest's blobs. */
int wh_cache_source_parse(const char *p, size_t n, const struct wh_descriptor *blobs, size_t n_blobs, const char *name,
			  const char *origin, struct wh_cache_source **ret, struct wh_err **err);
void wh_cache_source_free(struct wh_cache_source *c);
size_t wh_cache_source_count(const struct wh_cache_source *c); /* records */
const char *wh_cache_source_name(const struct wh_cache_source *c);
const char *wh_cache_source_origin(const struct wh_cache_source *c);
bool wh_cache_source_has(const struct wh_cache_source *c, const struct wh_digest *key);

/* ---------------------------------------------------------------- writing */

struct wh_cache_export; /* what a solve gives to caches */
struct wh_cache_write {
	bool max;                       /* layers of all steps; else of those in the images. Records are of all in either case: who reads
					 * them knows what a step came out as, even where it cannot have the layer */
	const struct wh_image *subject; /* the artifact is attached to it, and has its blobs where they hold the same tar; or NULL */
	size_t target;                  /* subject: which target's steps are in the image */
	bool convert;                   /* layers in this form */
	struct wh_layer_opts layer;
};
/* Config and manifest, into the store. *ret_layers (may be NULL): where the layers are, as some may not be in the store; released with
 * wh_result_release(). */
struct wh_result;
int wh_cache_export_write(struct wh_store *s, const struct wh_cache_export *x, const struct wh_cache_write *w, struct wh_artifact *ret,
			  struct wh_result *ret_layers, struct wh_err **err);
void wh_cache_export_free(struct wh_cache_export *x);

#endif
