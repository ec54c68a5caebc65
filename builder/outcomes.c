/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/builder_private.h"

static int by_index(const void *a, const void *b)
{
	const struct wh_outcome *x = a, *y = b;

	return (x->v->index > y->v->index) - (x->v->index < y->v->index);
}

static void fill(const struct wh_node *n, struct wh_outcome *ret)
{
	const struct wh_node *base = n->n_inputs ? n->inputs[0] : NULL;
	bool on_top = n->v->kind == WH_OP_EXEC || n->v->kind == WH_OP_FILE || n->v->kind == WH_OP_PROFILE;

	*ret = (struct wh_outcome){
		.v = n->v,
		.cached = n->result.cached,
		.local = n->local_path && !n->fetched,
		.tree = n->tree_key,
		.n_below = base && on_top ? base->result.n_layers : 0,
		.has_selection = n->key.has_selection,
		.doc = n->doc,
		.fetched = wh_strdup(n->source_digest),
	};
	if (n->key.has_selection)
		ret->selection = n->key.selection;
	ret->layers = wh_calloc(n->result.n_layers + 1, sizeof(*ret->layers));
	for (size_t i = 0; i < n->result.n_layers; i++)
		wh_layer_copy(&ret->layers[ret->n_layers++], &n->result.layers[i]);
}

void wh_builder_outcomes(struct wh_builder *b, struct wh_outcomes *ret)
{
	struct wh_outcomes o = {0};
	size_t cap = 0;

	for (size_t i = 0; i < WH_NODE_BUCKETS; i++) {
		for (const struct wh_node *n = b->buckets[i]; n; n = n->chain) {
			if (n->mark != b->solve_no || n->state != WH_NODE_DONE)
				continue;
			WH_PUSH(o.v, o.n, cap) = (struct wh_outcome){0};
			fill(n, &o.v[o.n - 1]);
		}
	}
	if (o.n)
		qsort(o.v, o.n, sizeof(*o.v), by_index);
	*ret = o;
}

void wh_outcomes_release(struct wh_outcomes *o)
{
	for (size_t i = 0; i < o->n; i++) {
		for (size_t k = 0; k < o->v[i].n_layers; k++)
			wh_layer_release(&o->v[i].layers[k]);
		free(o->v[i].layers);
		free(o->v[i].fetched);
	}
	free(o->v);
	*o = (struct wh_outcomes){0};
}

const struct wh_outcome *wh_outcomes_find(const struct wh_outcomes *o, const struct wh_vertex *v)
{
	size_t lo = 0, hi = o->n;

	while (v && lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (o->v[mid].v->index < v->index)
			lo = mid + 1;
		else
			hi = mid;
	}
	return v && lo < o->n && o->v[lo].v->index == v->index ? &o->v[lo] : NULL;
}
