/* SPDX-License-Identifier: Apache-2.0 */
/* Nodes, found by their vertex's name, and lists of them. */
#include "builder/builder_private.h"

void wh_nodes_add(struct wh_nodes *l, struct wh_node *n)
{
	WH_PUSH(l->v, l->n, l->cap) = n;
}

static void drop(struct wh_nodes *l, size_t i)
{
	memmove(&l->v[i], &l->v[i + 1], (l->n - i - 1) * sizeof(*l->v));
	l->n--;
}

struct wh_node *wh_nodes_shift(struct wh_nodes *l)
{
	struct wh_node *n = NULL;

	if (l->n) {
		n = l->v[0];
		drop(l, 0);
	}
	return n;
}

bool wh_nodes_remove(struct wh_nodes *l, const struct wh_node *n)
{
	size_t i;

	for (i = 0; i < l->n; i++) {
		if (l->v[i] == n) {
			drop(l, i);
			return true;
		}
	}
	return false;
}

static struct wh_node **bucket(struct wh_builder *b, const struct wh_digest *id)
{
	return &b->buckets[id->b[0] % WH_NODE_BUCKETS];
}

struct wh_node *wh_builder_node(struct wh_builder *b, const struct wh_vertex *v)
{
	struct wh_node *n;

	for (n = *bucket(b, &v->id); n; n = n->chain)
		if (wh_digest_eq(&n->id, &v->id))
			return n;
	return NULL;
}

struct wh_node *wh_node_get(struct wh_builder *b, const struct wh_vertex *v)
{
	struct wh_node *n = wh_builder_node(b, v), **at = bucket(b, &v->id);

	if (!n) {
		n = wh_calloc(1, sizeof(*n));
		n->b = b;
		n->id = v->id;
		n->n_inputs = v->n_inputs;
		n->inputs = wh_calloc(v->n_inputs, sizeof(struct wh_node *));
		n->chain = *at;
		*at = n;
	}
	return n;
}

void wh_node_reset(struct wh_node *n)
{
	wh_claim_drop(WH_TAKE_PTR(n->claim));
	wh_result_release(&n->result);
	wh_fileop_free(WH_TAKE_PTR(n->fileop));
	wh_exec_free(WH_TAKE_PTR(n->exec));
	wh_trial_free(WH_TAKE_PTR(n->trial));
	wh_prune_free(WH_TAKE_PTR(n->prune));
	wh_prove_free(WH_TAKE_PTR(n->prove));
	wh_steplog_free(WH_TAKE_PTR(n->log));
	wh_layer_release(&n->own);
	json_decref(WH_TAKE_PTR(n->job_reply));
	wh_err_freep(&n->job_err);
	n->waits_since = 0;
	n->key = (struct wh_key_parts){0};
	n->doc = n->inputs_blob = (struct wh_digest){0};
	wh_buf_release(&n->listing);
	free(WH_TAKE_PTR(n->taken));
	n->state = WH_NODE_NEW;
}

static void node_free(struct wh_node *n)
{
	wh_node_reset(n);
	free(n->fetched);
	free(n->source_digest);
	free(n->inputs);
	free(n->users.v);
	free(n);
}

void wh_builder_free_nodes(struct wh_builder *b)
{
	struct wh_node *n, *next;
	size_t i;

	for (i = 0; i < WH_NODE_BUCKETS; i++) {
		for (n = b->buckets[i]; n; n = next) {
			next = n->chain;
			node_free(n);
		}
		b->buckets[i] = NULL;
	}
	free(b->ready.v);
	free(b->parked.v);
	free(b->queued.v);
	free(b->running.v);
}
