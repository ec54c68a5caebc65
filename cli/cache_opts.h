/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --cache-from and --cache-to: what they say, and what becomes of it in a build.
 *
 *   wh_cache_opts_make() ─▶ before the build: wh_cache_share_import() ─▶ records for the builder; a fetcher for what they name
 *                         └▶ after the image: wh_cache_share_inline() (publish.c), wh_cache_share_export()
 */
#ifndef WH_CLI_CACHE_OPTS_H
#define WH_CLI_CACHE_OPTS_H

#include "cli/cli.h"

enum wh_cache_type { WH_CACHE_REGISTRY, WH_CACHE_LOCAL, WH_CACHE_INLINE };
struct wh_cache_opt {
	enum wh_cache_type type;
	char *ref;  /* REGISTRY: normalised */
	char *dir;  /* LOCAL: absolute */
	char *tag;  /* LOCAL: the name in the layout */
	char *shown;
	bool has_digest; /* LOCAL, from */
	struct wh_digest digest;
	bool max, ignore_error;
	bool has_comp;
	enum wh_compression comp;
	int level;
};
struct wh_cache_opts {
	struct wh_cache_opt *from, *to;
	size_t n_from, n_to;
};
/* NULL where nothing is said. build_args: BUILDKIT_INLINE_CACHE=1 is --cache-to type=inline. */
int wh_cache_opts_make(const struct wh_strv *from, const struct wh_strv *to, const struct wh_strv *build_args,
		       struct wh_cache_opts **ret, struct wh_err **err);
/* A cache must not take the name under which the image is pushed. */
int wh_cache_opts_check(const struct wh_cache_opts *o, const struct wh_strv *tags, struct wh_err **err);
void wh_cache_opts_free(struct wh_cache_opts *o);

/* ---------------------------------------------------------------- cache_share.c */

struct wh_cache_share {
	/* Given by the caller, borrowed: */
	const struct wh_cache_opts *opts; /* NULL: none */
	struct wh_store *store;
	struct wh_inner *inner;
	struct wh_progress *progress;
	const struct wh_layer_opts *layer;
	bool insecure;
	/* Made: */
	struct wh_cache_source **sources;
	size_t n, cap;
	struct wh_cache_export *export; /* set by the caller after the solve; released with the rest */
};
/* Manifests and configs of caches. What is not there, cannot be reached or is damaged is told and left out: never an error of the build, but
 * for an interruption. */
int wh_cache_share_import(struct wh_cache_share *c, struct wh_err **err);
/* The caches of type=inline: artifacts of the image, or of an index's images. */
int wh_cache_share_inline(struct wh_cache_share *c, const struct wh_image *i, struct wh_artifacts *ret, struct wh_err **err);
/* All others. */
int wh_cache_share_export(struct wh_cache_share *c, struct wh_err **err);
void wh_cache_share_release(struct wh_cache_share *c);

#endif
