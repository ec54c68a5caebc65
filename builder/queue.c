/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nodes that missed the cache, until they start: each waits for a slot, for
 * the other build that runs the same step, for its cache mounts, and holds
 * none of these while it waits for another (claim.h tells why).
 */
#include "builder/builder_private.h"

#define RETRY_MS 50          /* how often what other processes hold is asked for */
#define QUIET_NS 300000000LL /* a wait as short as that is not worth a word */

static void on_retry(void *arg)
{
	struct wh_builder *b = arg;

	b->retry_timer = 0;
	wh_builder_pump(b);
}

/* Whatever runs commands has a slot; a file operation is a job like others. */
static void start(struct wh_node *n)
{
	n->state = WH_NODE_BUSY;
	wh_node_explain(n);
	wh_node_begin(n);
	if (n->v->kind == WH_OP_FILE) {
		wh_node_submit(n, wh_file_work, wh_node_ran);
		return;
	}
	n->b->slots_used++;
	if (n->v->kind == WH_OP_PROFILE)
		wh_profile_run(n);
	else if (n->v->kind == WH_OP_PRUNE)
		wh_prune_run(n);
	else if (n->v->kind == WH_OP_PROVE)
		wh_prove_run(n);
	else
		wh_exec_run(n);
}

/* What names the step for other builds: the more general of its keys. A file operation that nobody did before does not know
 * yet what it selects; then it is one of its kind at a time, until there is a record from which it is seen to. False: nothing
 * does, or its user wants this very run. */
static bool claim_key(const struct wh_node *n, struct wh_digest *ret)
{
	struct wh_sha256 *h;

	if (n->v->no_cache || n->b->o.again || n->b->cache_failed)
		return false;
	if (n->key.has_content || n->key.has_fast) {
		*ret = n->key.has_content ? n->key.content : n->key.fast;
		return true;
	}
	if (n->v->kind != WH_OP_FILE)
		return false;
	h = wh_sha256_new();
	wh_sha256_add(h, n->key.op.b, sizeof(n->key.op.b));
	wh_sha256_add(h, n->key.base.b, sizeof(n->key.base.b));
	wh_sha256_end(h, ret);
	wh_sha256_free(h);
	return true;
}

/* Between its lookup and its claim another build may have finished: with this result, or with one that makes a look at the
 * files worth while. */
static bool made_meanwhile(struct wh_node *n)
{
	struct wh_record rec;

	if ((n->key.has_fast && wh_node_lookup(n, &n->key.fast, &rec)) ||
	    (n->key.has_content && wh_node_lookup(n, &n->key.content, &rec))) {
		wh_record_release(&rec);
		return true;
	}
	return n->v->kind == WH_OP_FILE && n->wants_selection && !n->key.has_content && wh_node_op_known(n, NULL);
}

static void tell_wait(struct wh_node *n)
{
	uint64_t now = wh_now_ns();

	if (!n->waits_since)
		n->waits_since = now;
	if (n->wait_told || now - n->waits_since < QUIET_NS)
		return;
	n->wait_told = true;
	wh_builder_notice(n->b, "waiting for another build that runs this step: %s", n->v->name ? n->v->name : "step");
}

enum turn {
	TURN_NOW,
	TURN_SLOT,  /* waits for a slot of ours */
	TURN_HELD,  /* waits for what another process holds */
	TURN_OTHER, /* in the queue no longer */
};

static enum turn its_turn(struct wh_node *n)
{
	struct wh_builder *b = n->b;
	struct wh_err *err = NULL;
	struct wh_digest key;
	int r = 0;

	if (n->v->kind != WH_OP_FILE && b->slots_used >= b->slots)
		return TURN_SLOT;
	if (claim_key(n, &key)) {
		if (!wh_claim_take(b->o.store, &key, &n->claim)) {
			tell_wait(n);
			return TURN_HELD;
		}
		if (made_meanwhile(n)) {
			wh_nodes_remove(&b->queued, n);
			wh_node_again(n);
			return TURN_OTHER;
		}
	}
	if (n->v->kind == WH_OP_EXEC && !wh_exec_lock(n, &r, &err)) {
		wh_claim_drop(WH_TAKE_PTR(n->claim));
		if (r == 0)
			return TURN_HELD;
		wh_node_fail(n, r, &err);
		return TURN_OTHER;
	}
	return TURN_NOW;
}

void wh_queue_add(struct wh_node *n)
{
	n->state = WH_NODE_QUEUED;
	wh_nodes_add(&n->b->queued, n);
}

void wh_queue_start(struct wh_builder *b)
{
	bool held = false;
	struct wh_node *n;
	size_t i = 0;

	/* One that has to wait lets others pass. */
	while (!b->stopping && i < b->queued.n) {
		n = b->queued.v[b->o.again ? b->queued.n - 1 - i : i];
		switch (its_turn(n)) {
		case TURN_NOW:
			wh_nodes_remove(&b->queued, n);
			start(n);
			break;
		case TURN_HELD:
			held = true;
			i++;
			break;
		case TURN_SLOT:
			i++;
			break;
		case TURN_OTHER:
			break;
		}
	}
	if (held && !b->stopping && !b->retry_timer)
		b->retry_timer = wh_loop_add_timer(b->loop, RETRY_MS, on_retry, b);
}
