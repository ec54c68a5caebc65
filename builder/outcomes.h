/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each vertex of a solve came out as, for those who look at more than the image: a second build that is compared with
 * the first, and the lock. Part of builder.h.
 */
#ifndef WH_BUILDER_OUTCOMES_H
#define WH_BUILDER_OUTCOMES_H

#include "builder/graph.h"
#include "layers/layers.h"

struct wh_outcome {
	const struct wh_vertex *v;  /* the graph's */
	bool cached;
	bool local;                 /* a directory of this machine: there is no result but the directory */
	struct wh_layer *layers;    /* the whole tree, lowest first */
	size_t n_layers;
	struct wh_digest tree;      /* over the layers' diff ids; of what was fetched: over its content */
	size_t n_below;             /* so many of the layers are those of inputs[0]; the others (one or none, but for sources, merges
				     * and diffs) are its own */
	bool has_selection;
	struct wh_digest selection; /* content of what it took from its other inputs */
	struct wh_digest doc;       /* blob of its document (PROFILE, PRUNE; EXEC: what it was seen to install); zero: none */
	char *fetched;              /* of a URL "sha256:…" of the body, of a repository the commit; else NULL */
};
struct wh_outcomes {
	struct wh_outcome *v; /* in the order of the file: that of the graph */
	size_t n;
};

struct wh_builder;
/* Of the last solve; it must have gone well. Lives on without the builder, but not without the graph. */
void wh_builder_outcomes(struct wh_builder *b, struct wh_outcomes *ret);
void wh_outcomes_release(struct wh_outcomes *o);
/* By vertex; NULL: it was no part of the solve. */
const struct wh_outcome *wh_outcomes_find(const struct wh_outcomes *o, const struct wh_vertex *v);
/* Its own layer, or NULL: it changed nothing, or its result is a list of others' layers. */
static inline const struct wh_layer *wh_outcome_own(const struct wh_outcome *o)
{
	bool makes = o->v->kind != WH_OP_SOURCE && o->v->kind != WH_OP_MERGE && o->v->kind != WH_OP_DIFF;

	return makes && o->n_layers > o->n_below ? &o->layers[o->n_layers - 1] : NULL;
}

#endif
