/* SPDX-License-Identifier: Apache-2.0 */
/* What the scheduler asks the cache index, and what it tells it: records of this build first, those of earlier ones behind. */
#include "builder/builder_private.h"
#include "builder/explain.h"

/* A cache that cannot be read is no reason to fail a build. */
static void cache_trouble(struct wh_builder *b, struct wh_err **err)
{
	if (!b->cache_failed)
		wh_builder_notice(b, "the cache is not used: %s", *err ? (*err)->msg : "it cannot be read");
	b->cache_failed = true;
	wh_err_freep(err);
}

/* Without the document that its kind of step has, a record was written by an older program that passed the field over, or nobody
 * watched the step. */
static bool has_document(const struct wh_node *n, const struct wh_record *rec)
{
	bool wanted = n->v->kind == WH_OP_PROFILE || n->v->kind == WH_OP_PRUNE || n->v->kind == WH_OP_PROVE ||
		      (n->v->kind == WH_OP_EXEC && n->b->o.seen.wanted);

	return !wanted || !wh_digest_is_zero(&rec->doc);
}

static bool lookup(struct wh_node *n, const struct wh_digest *key, struct wh_record *ret)
{
	struct wh_builder *b = n->b;
	WH_AUTO_ERR struct wh_err *err = NULL;
	size_t i;
	int r;

	for (i = 0; i < b->n_made; i++) {
		if (wh_digest_eq(&b->made[i].key, key)) {
			wh_record_copy(ret, &b->made[i]);
			return true;
		}
	}
	if (n->v->no_cache || b->o.again || b->cache_failed)
		return false;
	r = wh_cache_get(b->cache, key, ret, &err);
	if (r < 0)
		cache_trouble(b, &err);
	if (r > 0 && (!has_document(n, ret) || !wh_isolation_serves(b, ret))) {
		wh_record_release(ret);
		return false;
	}
	if (r > 0)
		WH_PUSH(b->touched, b->n_touched, b->cap_touched) = *key;
	return r > 0;
}

/* With the keys that were not computed, as a hit makes that needless: they go into caches. */
static bool known(struct wh_node *n, const struct wh_record *rec)
{
	if (!n->key.has_selection && !wh_digest_is_zero(&rec->selection)) {
		n->key.selection = rec->selection;
		n->key.has_selection = true;
	}
	return true;
}

static bool import_lookup(struct wh_node *n, const struct wh_digest *key, struct wh_record *ret)
{
	if (n->v->no_cache || n->b->o.again || !wh_import_lookup(n, key, ret))
		return false;
	if (has_document(n, ret))
		return true;
	wh_record_release(ret);
	return false;
}

bool wh_node_lookup(struct wh_node *n, const struct wh_digest *key, struct wh_record *ret)
{
	return (lookup(n, key, ret) || import_lookup(n, key, ret)) && known(n, ret);
}

bool wh_node_op_known(struct wh_node *n, struct wh_record *ret)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	int r;

	if (!ret && wh_import_knows_op(n->b, &n->key.op))
		return true;
	if (n->b->cache_failed)
		return false;
	r = wh_cache_find_op(n->b->cache, &n->key.op, ret, &err);
	if (r < 0)
		cache_trouble(n->b, &err);
	return r > 0;
}

void wh_node_remember(struct wh_node *n, const struct wh_digest *key, const struct wh_layer *layer, bool empty)
{
	struct wh_builder *b = n->b;
	struct wh_record rec = {.key = *key, .op = n->key.op, .base = n->key.base, .empty = empty, .chroot = n->chroot, .doc = n->doc};

	if (n->key.has_selection)
		rec.selection = n->key.selection;
	rec.inputs = n->inputs_blob;
	wh_explain_place(n->v, &rec.place, &rec.slot);
	if (!empty && layer->origin && !wh_layer_at_hand(b->o.store, layer)) {
		rec.layer = *layer; /* lent */
		wh_import_keep(b, &rec);
		return;
	}
	if (!empty) {
		wh_layer_copy(&rec.layer, layer);
		free(WH_TAKE_PTR(rec.layer.origin));
	}
	WH_PUSH(b->made, b->n_made, b->cap_made) = rec;
}

void wh_builder_write_records(struct wh_builder *b)
{
	WH_AUTO_ERR struct wh_err *err = NULL;

	if (b->n_made > b->n_written && !b->cache_failed && !b->o.again &&
	    wh_cache_put(b->cache, &b->made[b->n_written], b->n_made - b->n_written, &err) < 0)
		cache_trouble(b, &err);
	b->n_written = b->n_made;
}

int wh_builder_record(struct wh_builder *b, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *cache_err = NULL;
	uint64_t from = wh_now_ns();
	size_t i;
	int r = 0;

	if (b->n_made && !b->o.again) {
		wh_builder_write_records(b);
		r = wh_store_sync(b->o.store, err);
		wh_builder_event(b, &(struct wh_event){
					    .kind = WH_EV_PHASE, .text = "saving the cache", .ns = wh_now_ns() - from});
	}
	if (r == 0 && !b->cache_failed && wh_cache_touch(b->cache, b->touched, b->n_touched, &cache_err) < 0)
		cache_trouble(b, &cache_err);
	for (i = 0; i < b->n_made; i++)
		wh_record_release(&b->made[i]);
	b->n_made = b->n_written = b->n_touched = 0;
	return r;
}
