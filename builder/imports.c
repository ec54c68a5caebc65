/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records from caches elsewhere, in a build: asked after the store's own, and written to its index once what they name is in the store.
 *
 * A hit gives diff ids; nothing of its layer is fetched before somebody reads it. That may fail, long after: then the origin is known
 * (wh_store_failed_origin()), caches with that origin are asked no more, and the solve begins anew. What was run meanwhile is in the
 * store's own index.
 */
#include "builder/explain.h"

#include <errno.h>

/* ---------------------------------------------------------------- looking */

static void turn_off(struct wh_builder *b, size_t i, const char *why)
{
	wh_builder_notice(b, "the cache %s is not used any further: %s", wh_cache_source_name(b->o.imports[i]), why);
	b->import_off[i] = true;
}

/* Documents are small, and later keys are made of them: they are fetched at once. */
static bool get_document(struct wh_builder *b, size_t i, const struct wh_record *rec, uint64_t size)
{
	struct wh_layer blob = {.blob = rec->doc, .blob_size = size};
	WH_AUTO_JSON json_t *doc = NULL;
	WH_AUTO_ERR struct wh_err *err = NULL;
	int r;

	blob.origin = wh_strdup(wh_cache_source_origin(b->o.imports[i]));
	r = wh_layer_fetch(b->o.store, &blob, &err);
	wh_layer_release(&blob);
	if (r == 0)
		r = wh_doc_read(b, &rec->doc, &doc, &err);
	if (r == 0 && !json_is_object(json_object_get(doc, "document")) && !json_is_object(json_object_get(doc, "report")) &&
	    !json_is_array(json_object_get(doc, "debs")))
		r = wh_err_set(&err, "builder", WH_ERR_BUILD, EBADMSG, "it has a document that is none");
	if (r < 0) {
		free(wh_store_failed_origin(b->o.store));
		turn_off(b, i, err ? err->msg : "a document of it cannot be read");
	}
	return r == 0;
}

static bool needs_document(const struct wh_node *n)
{
	return n->v->kind == WH_OP_PROFILE || n->v->kind == WH_OP_PRUNE || n->v->kind == WH_OP_PROVE ||
	       (n->v->kind == WH_OP_EXEC && n->b->o.seen.wanted);
}

/* A layer that is in the store is as good as one that was made here. */
static void take(struct wh_builder *b, const struct wh_record *rec, struct wh_record *ret)
{
	wh_record_copy(ret, rec);
	if (!ret->empty && wh_layer_at_hand(b->o.store, &ret->layer))
		free(WH_TAKE_PTR(ret->layer.origin));
}

static bool ask(struct wh_node *n, size_t i, const struct wh_digest *key, struct wh_record *ret)
{
	struct wh_builder *b = n->b;
	uint64_t doc_size = 0;
	const struct wh_record *rec =
		b->import_off[i] ? NULL : wh_cache_source_find(b->o.imports[i], key, &doc_size);

	if (!rec || (wh_digest_is_zero(&rec->doc) ? needs_document(n) : n->v->kind == WH_OP_FILE))
		return false;
	if (!wh_isolation_serves(b, rec))
		return false;
	if (!rec->empty && b->no_absent && wh_streq(rec->layer.origin, WH_ORIGIN_NOWHERE) &&
	    !wh_layer_at_hand(b->o.store, &rec->layer))
		return false;
	if (needs_document(n) && !get_document(b, i, rec, doc_size))
		return false;
	take(b, rec, ret);
	if (!needs_document(n)) /* what a step was seen to install: nobody asks, and it stays where it is */
		ret->doc = (struct wh_digest){0};
	return true;
}

void wh_import_keep(struct wh_builder *b, const struct wh_record *rec)
{
	struct wh_record mine;

	wh_record_copy(&mine, rec);
	WH_PUSH(b->imported, b->n_imported, b->cap_imported) = mine;
}

bool wh_import_lookup(struct wh_node *n, const struct wh_digest *key, struct wh_record *ret)
{
	struct wh_builder *b = n->b;
	size_t i;

	for (i = 0; i < b->n_imported; i++) {
		if (wh_digest_eq(&b->imported[i].key, key)) {
			take(b, &b->imported[i], ret);
			return true;
		}
	}
	for (i = 0; i < b->o.n_imports; i++) {
		if (ask(n, i, key, ret)) {
			/* For --explain-cache, as if it had been made here. */
			wh_explain_keep(n);
			ret->inputs = n->inputs_blob;
			wh_explain_place(n->v, &ret->place, &ret->slot);
			wh_import_keep(b, ret);
			return true;
		}
	}
	return false;
}

bool wh_import_knows_op(const struct wh_builder *b, const struct wh_digest *op)
{
	size_t i;

	for (i = 0; i < b->o.n_imports; i++)
		if (!b->import_off[i] && wh_cache_source_knows_op(b->o.imports[i], op))
			return true;
	return false;
}

/* ---------------------------------------------------------------- afterwards */

/* What was used and is in the store by now is of use to builds that do not ask for that cache. */
static int write_imported(struct wh_builder *b, struct wh_err **err)
{
	WH_AUTO_FREE struct wh_record *v = wh_calloc(b->n_imported + 1, sizeof(*v));
	size_t i, n = 0;
	int r;

	for (i = 0; i < b->n_imported; i++) {
		struct wh_record *rec = &b->imported[i];

		if (!rec->empty && !wh_layer_at_hand(b->o.store, &rec->layer))
			continue;
		v[n] = *rec; /* lent */
		v[n++].layer.origin = NULL;
	}
	if (n == 0 || b->cache_failed)
		return 0;
	r = wh_store_sync(b->o.store, err);
	return r < 0 ? r : wh_cache_put(b->cache, v, n, err);
}

/* Other origins are those of bases, which may never be needed. */
static bool is_from_cache(const struct wh_builder *b, const struct wh_layer *l)
{
	bool found = l->origin && wh_has_prefix(l->origin, WH_ORIGIN_NOWHERE);

	for (size_t i = 0; i < b->o.n_imports && l->origin && !found; i++)
		found = wh_streq(l->origin, wh_cache_source_origin(b->o.imports[i]));
	return found && !wh_layer_at_hand(b->o.store, l);
}

/* An image in the store is whole, and so is the tree that the evidence of a pruned one is about. */
static int settle(struct wh_builder *b, struct wh_vertex *const *targets, size_t n, struct wh_err **err)
{
	WH_AUTO_FREE const struct wh_layer **v = NULL;
	size_t i, j, k = 0, cap = 0;
	uint64_t from = wh_now_ns();
	int r;

	for (i = 0; i < n; i++) {
		const struct wh_node *t = targets[i] ? wh_builder_node(b, targets[i]) : NULL;
		const struct wh_node *before = t && t->v->kind == WH_OP_PRUNE ? t->inputs[0] : NULL;

		for (j = 0; t && j < t->result.n_layers; j++)
			if (is_from_cache(b, &t->result.layers[j]))
				WH_PUSH(v, k, cap) = &t->result.layers[j];
		for (j = 0; before && j < before->result.n_layers; j++)
			if (is_from_cache(b, &before->result.layers[j]))
				WH_PUSH(v, k, cap) = &before->result.layers[j];
	}
	r = wh_layers_settle(b->o.store, v, k, err);
	if (r == 0 && k)
		wh_builder_event(b, &(struct wh_event){.kind = WH_EV_PHASE, .text = "fetching layers", .ns = wh_now_ns() - from});
	return r;
}

int wh_import_settle(struct wh_builder *b, struct wh_vertex *const *targets, size_t n, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *why = NULL;
	int r;

	if (!b->o.n_imports)
		return 0;
	r = settle(b, targets, n, err);
	if (r == 0 && write_imported(b, &why) < 0)
		wh_builder_notice(b, "what came from caches is not remembered: %s", why ? why->msg : "");
	return r;
}

/* ---------------------------------------------------------------- when it fails */

/* Everything but sources is asked for anew. */
static void forget(struct wh_builder *b)
{
	struct wh_node *n;
	size_t i;

	for (i = 0; i < WH_NODE_BUCKETS; i++) {
		for (n = b->buckets[i]; n; n = n->chain) {
			if (n->v->kind == WH_OP_SOURCE && n->state == WH_NODE_DONE)
				continue;
			wh_node_reset(n);
		}
	}
	for (i = 0; i < b->n_imported; i++)
		wh_record_release(&b->imported[i]);
	b->n_imported = 0;
}

bool wh_import_failed(struct wh_builder *b, int r, const struct wh_err *err)
{
	WH_AUTO_FREE char *origin = b->o.n_imports ? wh_store_failed_origin(b->o.store) : NULL;
	const char *why = err ? err->msg : strerror(-r);
	bool found = false;
	size_t i;

	if (!origin || b->canceled)
		return false;
	if (wh_has_prefix(origin, WH_ORIGIN_NOWHERE)) {
		if (b->no_absent)
			return false;
		b->no_absent = found = true;
		wh_builder_notice(b, "a step needs a layer that its cache (mode=min) does not have: the steps before it run");
	}
	for (i = 0; i < b->o.n_imports && !found; i++) {
		if (b->import_off[i] || !wh_streq(wh_cache_source_origin(b->o.imports[i]), origin))
			continue;
		/* Others with this origin have the same blobs. */
		for (; i < b->o.n_imports; i++)
			if (!b->import_off[i] && wh_streq(wh_cache_source_origin(b->o.imports[i]), origin))
				turn_off(b, i, why);
		found = true;
	}
	if (found)
		forget(b);
	return found;
}

void wh_imports_release(struct wh_builder *b)
{
	size_t i;

	for (i = 0; i < b->n_imported; i++)
		wh_record_release(&b->imported[i]);
	free(b->imported);
	free(b->import_off);
}
