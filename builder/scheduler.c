/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scheduler: one loop, a ready queue, counters of inputs that are not done.
 *
 *   blocked → ready → (key → hit) → done
 *               ↑        └ miss → [parked | queued] → busy → done
 *               └─ another build made it ─┘
 *
 * Until the first miss everything happens right here on the main thread,
 * because a process with threads can no longer enter a user namespace, and a
 * cached build needs neither. After it, reading and hashing are jobs of the
 * pool; steps are bounded by slots of their own, because they wait more than
 * they work, while the pool is bounded by the CPUs.
 *
 * On the first failure nothing new starts, steps are killed, jobs are waited
 * for (they leave nothing half-made in the store), and what was finished goes
 * into the index like after a success.
 */
#include "builder/builder_private.h"
#include "builder/explain.h"

#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>

/* ---------------------------------------------------------------- failure and cancellation */

static void stop(struct wh_builder *b)
{
	size_t i;

	if (b->stopping)
		return;
	b->stopping = true;
	b->cancel = true;
	b->ready.n = b->parked.n = b->queued.n = 0;
	for (i = 0; i < b->running.n; i++) {
		wh_exec_kill(b->running.v[i]);
		wh_trial_cancel(b->running.v[i]->trial);
	}
}

static void fail(struct wh_builder *b, int r, struct wh_err **err)
{
	if (!b->fail_r) {
		b->fail_r = r;
		wh_err_move(&b->fail, err);
	}
	stop(b);
}

/* "not found" of a tree, or of a directory of the user's: in which one? */
static void say_where(const char *sought, struct wh_err *err)
{
	static const char context[] = " in the build context";
	size_t n = strlen(err->msg);
	WH_AUTO_FREE char *plain = NULL;

	if (wh_has_suffix(err->msg, context))
		n -= sizeof(context) - 1;
	plain = wh_strndup(err->msg, n);
	if (!wh_has_suffix(plain, ": not found"))
		return;
	free(err->msg);
	err->msg = wh_asprintf("%s in %s", plain, sought);
}

/* What failed for a user or a shell that another line set: that line, behind the hint that there is. */
static void say_origin(const struct wh_pos *pos, struct wh_err *err)
{
	const char *origin = NULL;
	char *old = err->hint;

	if (strstr(err->msg, "unable to find user") || strstr(err->msg, "unable to find group"))
		origin = pos->user_from;
	else if (wh_has_prefix(err->msg, "exec: "))
		origin = pos->shell_from;
	if (!origin)
		return;
	err->hint = old ? wh_asprintf("%s; %s", origin, old) : wh_strdup(origin);
	free(old);
}

/* Did the command end badly by itself, before it could be stopped for another's failure? Then it is told as well. */
static bool failed_too(const struct wh_node *n, const struct wh_err *err)
{
	return n->v->kind == WH_OP_EXEC && err && err->sys == ECHILD && !n->b->canceled && n->b->fail;
}

void wh_node_fail(struct wh_node *n, int r, struct wh_err **err)
{
	struct wh_builder *b = n->b;
	const struct wh_pos *pos = &n->v->pos;

	n->state = WH_NODE_FAILED;
	wh_claim_drop(WH_TAKE_PTR(n->claim));
	wh_nodes_remove(&b->running, n);
	if (b->stopping && !failed_too(n, *err)) {
		/* Killed or failed because of another's failure. */
		if (n->started)
			wh_builder_event(b, &(struct wh_event){
						    .kind = WH_EV_CANCELED, .v = n->v, .ns = wh_now_ns() - n->started});
		wh_steplog_free(WH_TAKE_PTR(n->log));
		wh_err_freep(err);
		return;
	}
	if (!*err)
		wh_err_sys(err, "builder", WH_ERR_BUILD, -r, "%s", n->v->name ? n->v->name : "step");
	if ((*err)->sys == ENOENT && pos->sought)
		say_where(pos->sought, *err);
	say_origin(pos, *err);
	if ((*err)->sys == ENOENT && pos->missing)
		wh_err_hint(err, "%s", pos->missing);
	if (pos->brought_by && !(*err)->file)
		wh_err_wrap(err, "ONBUILD trigger %s", pos->brought_by);
	if (pos->file || pos->line)
		wh_err_at(err, pos->file, pos->line, 0, pos->excerpt);
	if (n->log)
		wh_steplog_keep(n->log, err);
	wh_steplog_free(WH_TAKE_PTR(n->log));
	wh_builder_event(b, &(struct wh_event){
				    .kind = WH_EV_ERROR,
				    .v = n->v,
				    .err = *err,
				    .ns = n->started ? wh_now_ns() - n->started : 0,
			    });
	if (b->stopping)
		wh_err_append(&b->fail, err);
	else
		fail(b, r, err);
}

static void on_signal(void *arg, int fd, short revents)
{
	struct wh_builder *b = arg;
	struct wh_err *err = NULL;
	struct signalfd_siginfo si;

	(void)revents;
	while (read(fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		if (b->canceled)
			continue;
		b->canceled = true;
		wh_err_set(&err, "builder", WH_ERR_BUILD, ECANCELED, "canceled (SIG%s)",
			   sigabbrev_np((int)si.ssi_signo));
		wh_err_status(&err, 128 + (int)si.ssi_signo); /* as shells and docker say it */
		fail(b, -ECANCELED, &err);
		wh_err_freep(&err); /* an earlier failure was kept */
	}
	if (b->in_loop)
		wh_builder_pump(b);
}

/* ---------------------------------------------------------------- results */

void wh_node_begin(struct wh_node *n)
{
	if (n->started)
		return;
	n->started = wh_now_ns();
	wh_builder_event(n->b, &(struct wh_event){.kind = WH_EV_START, .v = n->v});
}

void wh_node_log(struct wh_node *n, const char *p, size_t len)
{
	if (!n->log)
		n->log = wh_steplog_new(n->b->o.store, n->b->loop, n->v->name);
	wh_steplog_add(n->log, p, len);
}

static void unpark(struct wh_builder *b)
{
	struct wh_nodes waiting = b->parked;
	size_t i;

	/* They go through the cache again; who finds nothing parks again, or runs. */
	b->parked = (struct wh_nodes){0};
	for (i = 0; i < waiting.n; i++) {
		waiting.v[i]->state = WH_NODE_READY;
		wh_nodes_add(&b->ready, waiting.v[i]);
	}
	free(waiting.v);
}

void wh_node_again(struct wh_node *n)
{
	struct wh_builder *b = n->b;

	wh_claim_drop(WH_TAKE_PTR(n->claim));
	n->state = WH_NODE_READY;
	wh_nodes_add(&b->ready, n);
	if (wh_nodes_remove(&b->running, n))
		unpark(b);
}

/* The result stands in n: tell it, and unblock who waited. */
static void done(struct wh_node *n, bool cached)
{
	struct wh_builder *b = n->b;
	size_t i;

	n->state = WH_NODE_DONE;
	wh_steplog_free(WH_TAKE_PTR(n->log));
	n->result.cached = cached;
	if (!n->fetched)
		wh_tree_key(n->result.layers, n->result.n_layers, &n->tree_key);
	n->in_chroot = n->chroot;
	for (i = 0; i < n->n_inputs; i++)
		n->in_chroot |= n->inputs[i] && n->inputs[i]->in_chroot;
	b->remaining--;
	if (n->started)
		wh_builder_event(b, &(struct wh_event){.kind = WH_EV_DONE, .v = n->v, .ns = wh_now_ns() - n->started});
	else if ((!n->local_path || n->fetched) && n->v->name && n->v->kind != WH_OP_MERGE) /* a list of layers: nothing was done */
		wh_builder_event(b, &(struct wh_event){.kind = WH_EV_CACHED, .v = n->v});
	if (wh_nodes_remove(&b->running, n))
		unpark(b);
	for (i = 0; i < n->users.n; i++) {
		struct wh_node *u = n->users.v[i];

		if (--u->blocked == 0 && !b->stopping) {
			u->state = WH_NODE_READY;
			wh_nodes_add(&b->ready, u);
		}
	}
}

/* What somebody outside thinks of a profile: no key has it, so it is asked each time. */
static int judge_profile(struct wh_node *n, struct wh_err **err)
{
	const struct wh_builder_opts *o = &n->b->o;
	WH_AUTO_JSON json_t *doc = NULL;
	int r;

	if (n->v->kind != WH_OP_PROFILE || !o->judge_profile || !(o->judge_all || n->v->op.profile->lock))
		return 0;
	r = wh_doc_read(n->b, &n->doc, &doc, err);
	return r < 0 ? r
		     : o->judge_profile(o->judge_profile_arg, n->v, json_object_get(doc, "document"), n->result.layers,
					n->result.n_layers, err);
}

void wh_node_finish(struct wh_node *n, struct wh_layer *own, bool cached)
{
	const struct wh_node *base = n->n_inputs ? n->inputs[0] : NULL;
	/* A pruned tree is its own layer and nothing below. */
	size_t i, below = base && n->v->kind != WH_OP_PRUNE ? base->result.n_layers : 0;
	struct wh_err *err = NULL;
	int r;

	wh_result_release(&n->result);
	n->result.layers = wh_calloc(below + 1, sizeof(*n->result.layers));
	for (i = 0; i < below; i++)
		wh_layer_copy(&n->result.layers[i], &base->result.layers[i]);
	n->base_time = base ? base->base_time : 0;
	if (own) {
		if (own->newest > n->base_time)
			n->base_time = own->newest;
		n->result.layers[i++] = *own;
		*own = (struct wh_layer){0};
	}
	n->result.n_layers = i;
	r = judge_profile(n, &err);
	if (r < 0)
		wh_node_fail(n, r, &err);
	else
		done(n, cached);
}

void wh_node_ran(struct wh_node *n)
{
	struct wh_layer *own = n->own_empty ? NULL : &n->own;

	if (n->job_r < 0) {
		wh_node_fail(n, n->job_r, &n->job_err);
		return;
	}
	wh_explain_keep(n);
	if (n->key.has_fast)
		wh_node_remember(n, &n->key.fast, &n->own, n->own_empty);
	if (n->key.has_selection) {
		wh_content_key(&n->key.op, &n->key.base, &n->key.selection, &n->key.content);
		wh_node_remember(n, &n->key.content, &n->own, n->own_empty);
	}
	/* Before others may look for it. */
	wh_builder_write_records(n->b);
	wh_claim_drop(WH_TAKE_PTR(n->claim));
	wh_node_finish(n, own, false);
}

/* ---------------------------------------------------------------- jobs */

static void job_work(void *arg)
{
	struct wh_node *n = arg;

	n->job_work(n);
}

static void job_done(void *arg)
{
	struct wh_node *n = arg;
	struct wh_builder *b = n->b;

	b->outstanding--;
	n->job_done(n);
	wh_builder_pump(b);
}

void wh_node_submit(struct wh_node *n, wh_node_fn work, wh_node_fn told)
{
	n->job_work = work;
	n->job_done = told;
	n->job_r = 0;
	n->b->outstanding++;
	wh_pool_submit(n->b->pool, job_work, job_done, n);
}

void wh_builder_slot_free(struct wh_builder *b)
{
	b->slots_used--;
}

/* ---------------------------------------------------------------- from ready to done */

static bool same_key(const struct wh_node *a, const struct wh_node *b)
{
	return (a->key.has_fast && b->key.has_fast && wh_digest_eq(&a->key.fast, &b->key.fast)) ||
	       (a->key.has_content && b->key.has_content && wh_digest_eq(&a->key.content, &b->key.content));
}

/* What this machine does not allow is not the fault of a line in the user's file: the error gets no place there. */
static bool enter(struct wh_node *n)
{
	struct wh_err *err = NULL;
	int r = wh_builder_enter(n->b, n->v->kind != WH_OP_FILE, &err);

	if (r == 0)
		return true;
	n->state = WH_NODE_FAILED;
	fail(n->b, r, &err);
	wh_err_freep(&err);
	return false;
}

static void miss(struct wh_node *n)
{
	struct wh_builder *b = n->b;
	struct wh_err *err = NULL;
	size_t i;
	int r;

	for (i = 0; i < b->running.n; i++) {
		if (same_key(n, b->running.v[i])) {
			n->state = WH_NODE_PARKED;
			wh_nodes_add(&b->parked, n);
			return;
		}
	}
	if (!enter(n))
		return;
	r = wh_node_platforms(n, &err);
	if (r < 0) {
		wh_node_fail(n, r, &err);
		return;
	}
	wh_nodes_add(&b->running, n);
	wh_queue_add(n);
}

static void hit(struct wh_node *n, struct wh_record *rec)
{
	n->doc = rec->doc;
	n->chroot = rec->chroot;
	wh_buf_release(&n->listing);
	wh_fileop_free(WH_TAKE_PTR(n->fileop)); /* of a large context it is large */
	wh_node_finish(n, rec->empty ? NULL : &rec->layer, true);
	wh_record_release(rec);
}

/* The selection was looked at. */
static void selected(struct wh_node *n)
{
	struct wh_record rec;

	if (n->job_r < 0) {
		wh_node_fail(n, n->job_r, &n->job_err);
		return;
	}
	if (n->b->stopping) {
		n->state = WH_NODE_FAILED;
		return;
	}
	if (n->key.has_selection) {
		wh_content_key(&n->key.op, &n->key.base, &n->key.selection, &n->key.content);
		n->key.has_content = true;
		if (wh_node_lookup(n, &n->key.content, &rec)) {
			n->doc = rec.doc;
			n->inputs_blob = rec.inputs;
			n->chroot = rec.chroot;
			/* Next time without a look at the files. */
			if (n->key.has_fast)
				wh_node_remember(n, &n->key.fast, &rec.layer, rec.empty);
			hit(n, &rec);
			return;
		}
	}
	miss(n);
}

static bool others_are_local(const struct wh_node *n)
{
	size_t i;

	for (i = 1; i < n->n_inputs; i++)
		if (!n->inputs[i] || !n->inputs[i]->local_path)
			return false;
	return true;
}

/* Are its inputs but for the first PROFILEs, whose documents count? */
static bool is_of_profiles(const struct wh_node *n)
{
	return n->v->kind == WH_OP_PRUNE || n->v->kind == WH_OP_PROVE;
}

static void select_content(struct wh_node *n)
{
	wh_node_fn work = n->v->kind == WH_OP_FILE    ? wh_file_select
			  : is_of_profiles(n)         ? wh_prune_select
						      : wh_exec_select;

	/* Files of ours can be read as we are; images' indexes may have to be made first, from foreign archives. */
	if (!n->b->entered && others_are_local(n)) {
		n->job_r = 0;
		work(n);
		selected(n);
		return;
	}
	if (!enter(n))
		return;
	n->state = WH_NODE_BUSY;
	wh_node_submit(n, work, selected);
}

static void keys(struct wh_node *n)
{
	WH_AUTO_FREE const struct wh_digest **others = wh_calloc(n->n_inputs, sizeof(*others));
	WH_AUTO_FREE struct wh_digest *profiles = wh_calloc(n->n_inputs, sizeof(*profiles));
	const struct wh_node *base = n->n_inputs ? n->inputs[0] : NULL;
	struct wh_digest none;
	size_t i;

	if (n->key.has_fast || n->key.has_content)
		return; /* unparked: they are known */
	wh_tree_key(NULL, 0, &none);
	n->key.base = base ? base->tree_key : none;
	if (n->v->kind == WH_OP_FILE)
		wh_file_base_key(&n->key.base, base ? base->base_time : 0, &n->key.base);
	wh_op_key(n->v, &n->b->o.layer, &n->key.op);
	n->wants_selection = n->n_inputs > 1;
	for (i = 1; i < n->n_inputs; i++) {
		others[i - 1] = !n->inputs[i]                                            ? &none
				: n->inputs[i]->local_path && !n->inputs[i]->fetched ? NULL
										     : &n->inputs[i]->tree_key;
		if (is_of_profiles(n) && n->inputs[i]) {
			wh_profile_key(&n->inputs[i]->key, &n->inputs[i]->doc, &profiles[i]);
			others[i - 1] = &profiles[i];
		}
	}
	n->key.has_fast =
		wh_fast_key(&n->key.op, &n->key.base, others, n->n_inputs ? n->n_inputs - 1 : 0, &n->key.fast);
}

/* ---------------------------------------------------------------- sources that are fetched */

static void fetched(struct wh_node *n)
{
	if (n->job_r == -ECANCELED && !n->b->stopping) {
		/* Its signal is on its way to us as well, and ends more than this. */
		wh_err_freep(&n->job_err);
		n->state = WH_NODE_READY;
		wh_nodes_add(&n->b->ready, n);
		return;
	}
	if (n->job_r < 0) {
		wh_node_fail(n, n->job_r, &n->job_err);
		return;
	}
	wh_source_fetched(n);
	done(n, false);
}

static bool others_are_ready(const struct wh_builder *b)
{
	size_t i;

	for (i = 0; i < b->ready.n; i++)
		if (!wh_source_is_remote(b->ready.v[i]->v))
			return true;
	return false;
}

/* Servers are asked by jobs. Before there may be any: last, and right here when there is but one to be asked, so that a build
 * that is cached but for this question starts nothing. */
static void fetch(struct wh_node *n)
{
	struct wh_builder *b = n->b;

	if (wh_source_at_hand(n)) {
		done(n, true);
		return;
	}
	if (!b->entered && others_are_ready(b)) {
		wh_nodes_add(&b->ready, n);
		return;
	}
	if (!b->entered && !b->ready.n) {
		wh_node_begin(n);
		n->job_r = 0;
		wh_source_fetch(n);
		fetched(n);
		return;
	}
	if (!enter(n))
		return;
	n->state = WH_NODE_BUSY;
	wh_node_begin(n);
	wh_node_submit(n, wh_source_fetch, fetched);
}

/* All inputs are done. */
static void advance(struct wh_node *n)
{
	struct wh_err *err = NULL;
	struct wh_record rec;
	int r = 0;

	switch (n->v->kind) {
	case WH_OP_SOURCE:
		if (wh_source_is_remote(n->v)) {
			fetch(n);
			return;
		}
		r = wh_source_solve(n, &err);
		break;
	case WH_OP_MERGE:
		r = wh_merge_solve(n, &err);
		break;
	case WH_OP_DIFF:
		r = wh_diff_solve(n, &err);
		break;
	case WH_OP_EXEC:
	case WH_OP_FILE:
	case WH_OP_PROFILE:
	case WH_OP_PRUNE:
	case WH_OP_PROVE:
		if (n->n_inputs && n->inputs[0] && n->inputs[0]->local_path) {
			r = wh_err_set(&err, "builder", WH_ERR_INTERNAL, EINVAL,
				       "a local directory cannot be built upon");
			break;
		}
		keys(n);
		if ((n->key.has_fast && wh_node_lookup(n, &n->key.fast, &rec)) ||
		    (n->key.has_content && wh_node_lookup(n, &n->key.content, &rec)))
			hit(n, &rec);
		/* An operation without any record: its files are read once, while the layer is written; but who asks why it missed
		 * wants to hear of them. */
		else if (n->wants_selection && !n->key.has_content &&
			 (n->v->kind != WH_OP_FILE ||
			  (!n->v->no_cache && (n->b->o.explain || wh_node_op_known(n, NULL)))))
			select_content(n);
		else
			miss(n);
		return;
	}
	if (r < 0)
		wh_node_fail(n, r, &err);
	else
		done(n, n->result.cached);
}

void wh_builder_pump(struct wh_builder *b)
{
	struct wh_node *n;

	while (!b->stopping) {
		n = wh_nodes_shift(&b->ready);
		if (n)
			advance(n);
		else
			wh_queue_start(b);
		if (!n && !b->ready.n)
			break;
	}
	if (b->in_loop && !b->stopping && b->remaining && !b->outstanding && !b->queued.n) {
		struct wh_err *err = NULL;

		/* Better an error than a loop that nothing ever wakes. */
		wh_err_set(&err, "builder", WH_ERR_INTERNAL, EDEADLK, "%zu steps wait for nothing", b->remaining);
		fail(b, -EDEADLK, &err);
	}
	if (b->in_loop && (b->stopping || !b->remaining) && !b->outstanding)
		wh_loop_stop(b->loop, 0);
}

/* ---------------------------------------------------------------- a solve */

static int by_index(const void *a, const void *b)
{
	const struct wh_node *x = *(struct wh_node *const *)a, *y = *(struct wh_node *const *)b;

	return (x->v->index > y->v->index) - (x->v->index < y->v->index);
}

/* Marks a vertex for this solve; pushes it when it is new to it. */
static struct wh_node *want(struct wh_builder *b, const struct wh_vertex *v, struct wh_nodes *all)
{
	struct wh_node *n = wh_node_get(b, v);

	if (n->mark != b->solve_no) {
		n->mark = b->solve_no;
		n->v = v;
		n->users.n = n->blocked = 0;
		n->started = n->waits_since = 0;
		n->wait_told = false;
		wh_nodes_add(all, n);
	}
	return n;
}

static void collect(struct wh_builder *b, struct wh_vertex *const *targets, size_t n_targets)
{
	struct wh_nodes all = {0};
	size_t i, j;

	b->solve_no++;
	b->remaining = 0;
	for (i = 0; i < n_targets; i++)
		if (targets[i])
			want(b, targets[i], &all);
	for (i = 0; i < all.n; i++) { /* grows while it is walked */
		struct wh_node *n = all.v[i];

		for (j = 0; j < n->n_inputs; j++)
			n->inputs[j] = n->v->inputs[j] ? want(b, n->v->inputs[j], &all) : NULL;
	}
	if (all.n)
		qsort(all.v, all.n, sizeof(*all.v), by_index);
	for (i = 0; i < all.n; i++) {
		struct wh_node *n = all.v[i];

		if (n->state == WH_NODE_DONE)
			continue;
		wh_result_release(&n->result);
		n->key = (struct wh_key_parts){0};
		n->inputs_blob = (struct wh_digest){0};
		wh_buf_release(&n->listing);
		for (j = 0; j < n->n_inputs; j++) {
			if (n->inputs[j] && n->inputs[j]->state != WH_NODE_DONE) {
				n->blocked++;
				wh_nodes_add(&n->inputs[j]->users, n);
			}
		}
		n->state = n->blocked ? WH_NODE_BLOCKED : WH_NODE_READY;
		if (!n->blocked)
			wh_nodes_add(&b->ready, n);
		b->remaining++;
	}
	free(all.v);
}

static void copy_result(const struct wh_node *n, struct wh_result *ret)
{
	size_t i;

	*ret = (struct wh_result){.cached = true};
	if (!n)
		return;
	ret->cached = n->result.cached;
	ret->layers = wh_calloc(n->result.n_layers, sizeof(*ret->layers));
	for (i = 0; i < n->result.n_layers; i++)
		wh_layer_copy(&ret->layers[i], &n->result.layers[i]);
	ret->n_layers = i;
}

/* Runs until all is done, or after a failure nothing is under way any more. */
static int run(struct wh_builder *b, struct wh_err **err)
{
	WH_AUTO_FD int sig = -1;
	sigset_t set, old;
	int r = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	sig = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sig < 0) {
		r = wh_err_sys(err, "builder", WH_ERR_ENV, errno, "signalfd");
		pthread_sigmask(SIG_SETMASK, &old, NULL);
		return r;
	}
	while (!b->entered && !b->stopping && b->ready.n) {
		struct wh_node *n = wh_nodes_shift(&b->ready);

		on_signal(b, sig, 0);
		if (!b->stopping)
			advance(n);
	}
	if (!b->stopping)
		wh_queue_start(b);
	if (b->outstanding || (!b->stopping && b->remaining)) {
		wh_loop_add_fd(b->loop, sig, POLLIN, on_signal, b);
		b->in_loop = true;
		wh_builder_pump(b);
		r = wh_loop_run(b->loop);
		b->in_loop = false;
		wh_loop_del_fd(b->loop, sig);
		if (r < 0)
			r = wh_err_sys(err, "builder", WH_ERR_INTERNAL, -r, "event loop");
	}
	if (b->retry_timer)
		wh_loop_del_timer(b->loop, b->retry_timer);
	b->retry_timer = 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

int wh_builder_solve(struct wh_builder *b, struct wh_vertex *const *targets, size_t n, struct wh_result *ret,
		     struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *record_err = NULL;
	size_t i;
	int r, rr;

	b->stopping = b->canceled = false;
	b->cancel = false;
	b->fail_r = 0;
	collect(b, targets, n);
	r = wh_builder_check_platforms(b, err);
	if (r == 0)
		r = run(b, err);
	wh_failed_tell(b, r == 0);
	if (r == 0 && b->fail_r) {
		r = b->fail_r;
		wh_err_move(err, &b->fail);
	}
	wh_err_freep(&b->fail);
	b->ready.n = b->parked.n = b->queued.n = b->running.n = 0;
	rr = wh_builder_record(b, &record_err);
	if (r == 0 && rr < 0) {
		r = rr;
		wh_err_move(err, &record_err);
	}
	if (r < 0)
		return r;
	for (i = 0; i < n; i++)
		copy_result(targets[i] ? wh_builder_node(b, targets[i]) : NULL, &ret[i]);
	return 0;
}
