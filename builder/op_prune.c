/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PRUNE: what the profiles prove or the rules require, as one layer; then every PROFILE of the stage once more, on
 * that.
 *
 *   [job] decide, write ──▶ trial of the first profile ──▶ … of the last ──▶ nothing was missing: [job] document ──▶ done
 *     ▲                       │ after each, passed or not: [job] what was looked up in vain, and is in the full tree
 *     └────── repair ◀────────┴── a trial failed, or the last one passed, and something was missing
 *
 * The result is that layer alone and a document, a blob:
 *
 *   {"report":{see harden.h}, "runs_after":[[run, …], …]}   one list of runs a profile
 *
 * To the report come "unforeseen" and "lacking" (harden.h). Layers of rounds that were not the last stay in the store, named by nothing.
 */
#include "builder/prune_private.h"

#include <errno.h>

void wh_prune_free(struct wh_prune *p)
{
	size_t i;

	if (!p)
		return;
	for (i = 0; i < p->n_profiles; i++) {
		json_decref(p->profiles[i]);
		if (p->traces && i < p->n_trials)
			wh_trace_release(&p->traces[i]);
	}
	free(p->traces);
	free(p->logs);
	free(p->profiles);
	wh_prune_forget_round(p);
	json_decref(p->lacking);
	json_decref(p->unforeseen);
	wh_strv_release(&p->repaired);
	wh_layer_release(&p->layer);
	json_decref(p->report);
	json_decref(p->risk);
	json_decref(p->runs);
	wh_err_free(p->why);
	free(p);
}

/* ---------------------------------------------------------------- keys */

void wh_prune_select(struct wh_node *n)
{
	WH_AUTO_BUF struct wh_buf all = WH_BUF_INIT;
	size_t i;

	for (i = 1; i < n->n_inputs; i++) {
		WH_AUTO_JSON json_t *doc = NULL;
		WH_AUTO_JSON json_t *seen = NULL;
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
		struct wh_digest d;
		int r;

		/* The record tells times, and under which test something was seen; what was seen is what counts. */
		r = wh_doc_read(n->b, &n->inputs[i]->doc, &doc, &n->job_err);
		if (r < 0) {
			n->job_r = r;
			return;
		}
		seen = wh_profile_canonical(json_object_get(doc, "document"));
		wh_json_dump(seen, &text);
		wh_digest_of(text.n ? text.p : "", text.n, &d);
		wh_profile_key(&n->inputs[i]->key, &d, &d);
		wh_buf_add(&all, d.b, sizeof(d.b));
	}
	wh_digest_of(all.n ? all.p : "", all.n, &n->key.selection);
	n->key.has_selection = true;
}

/* ---------------------------------------------------------------- deciding and writing */

static const struct wh_node *base_of(const struct wh_node *n)
{
	return n->inputs[0];
}

int wh_prune_open_full(const struct wh_node *n, struct wh_tree **ret, struct wh_err **err)
{
	const struct wh_node *base = base_of(n);

	return wh_tree_open(n->b->o.store, base ? base->result.layers : NULL, base ? base->result.n_layers : 0, ret,
			    err);
}

static int load_profiles(struct wh_node *n, struct wh_prune *p, struct wh_err **err)
{
	const char *const *text;
	size_t i, more = 0;

	if (p->profiles)
		return 0;
	for (text = p->op->profiles_in; text && *text; text++)
		more++;
	p->n_trials = p->n_profiles = n->n_inputs - 1;
	p->profiles = wh_calloc(p->n_profiles + more, sizeof(json_t *));
	for (i = 0; i < p->n_trials; i++) {
		WH_AUTO_JSON json_t *doc = NULL;
		int r = wh_doc_read(n->b, &n->inputs[i + 1]->doc, &doc, err);

		if (r < 0)
			return r;
		p->profiles[i] = json_incref(json_object_get(doc, "document"));
	}
	for (text = p->op->profiles_in; text && *text; text++) {
		int r = wh_json_parse(*text, strlen(*text), "a profile of --profile-in", &p->profiles[p->n_profiles], err);

		if (r < 0)
			return r;
		p->n_profiles++;
	}
	return 0;
}

/* For messages: what is not at hand is not told. */
static void logs_of(void *arg, const struct wh_obs_log **ret, size_t *ret_n)
{
	struct wh_prune *p = arg;
	size_t i = 0, k, cap = 0;

	if (!p->traces)
		p->traces = wh_calloc(p->n_trials, sizeof(*p->traces));
	else
		i = p->n_trials;
	for (; i < p->n_trials; i++) {
		WH_AUTO_JSON json_t *doc = NULL;
		WH_AUTO_ERR struct wh_err *ignored = NULL;

		if (wh_doc_read(p->node->b, &p->node->inputs[i + 1]->doc, &doc, &ignored) < 0 ||
		    wh_trace_read(p->node->b->o.store, doc, &p->traces[i]) < 0)
			continue;
		for (k = 0; k < p->traces[i].n_logs; k++)
			WH_PUSH(p->logs, p->n_logs, cap) = p->traces[i].logs[k];
	}
	*ret = p->logs;
	*ret_n = p->n_logs;
}

void wh_prune_opts_of(struct wh_prune *p, struct wh_prune_opts *ret)
{
	*ret = (struct wh_prune_opts){
		.keep = p->op->keep,
		.drop = p->op->drop,
		.package_mode = p->op->package_mode,
		.keep_shell = p->op->keep_shell,
		.keep_setid = p->op->keep_setid,
		.setid = p->op->setid,
		.profiles = (const json_t *const *)p->profiles,
		.n_profiles = p->n_profiles,
		.repairs = p->repaired.n ? &p->repaired : NULL,
		.logs = logs_of,
		.logs_arg = p,
	};
}

static int decide(struct wh_prune *p, struct wh_tree *full, struct wh_keep **ret, struct wh_err **err)
{
	WH_AUTO_JSON json_t *config = NULL;
	const char *text = p->op->config ? p->op->config : "{}";
	struct wh_prune_opts o;
	int r = wh_json_parse(text, strlen(text), "the image's config", &config, err);

	if (r < 0)
		return r;
	wh_prune_opts_of(p, &o);
	o.config = config;
	o.package_mode |= p->fallback;
	r = wh_keep_decide(full, &o, ret, err);
	if (r < 0 || p->risk)
		return r;
	r = wh_prune_risk(p, full, &o, err);
	if (r < 0 || !p->fallback)
		return r;
	wh_keep_free(WH_TAKE_PTR(*ret));
	return wh_keep_decide(full, &o, ret, err);
}

static void write_work(struct wh_node *n)
{
	struct wh_prune *p = n->prune;
	struct wh_tree *full = NULL;
	struct wh_keep *keep = NULL;
	int r = load_profiles(n, p, &n->job_err);

	if (r == 0)
		r = wh_prune_open_full(n, &full, &n->job_err);
	if (r == 0)
		r = decide(p, full, &keep, &n->job_err);
	if (r == 0) {
		wh_layer_release(&p->layer);
		p->layer = (struct wh_layer){0};
		json_decref(WH_TAKE_PTR(p->report));
		r = wh_prune_write(n->b->o.store, full, keep, &n->b->o.layer, &p->layer, &p->report, &n->job_err);
	}
	wh_keep_free(keep);
	if (full)
		wh_tree_close(full);
	n->job_r = r;
}

/* ---------------------------------------------------------------- saying */

void wh_node_say(struct wh_node *n, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	wh_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	wh_buf_addc(&text, '\n');
	wh_builder_event(n->b,
			 &(struct wh_event){.kind = WH_EV_LOG, .v = n->v, .stream = 1, .data = text.p, .len = text.n});
}

/* "6,431" */
static const char *grouped(int64_t n, char out[32])
{
	char digits[24];
	int len = snprintf(digits, sizeof(digits), "%lld", (long long)(n < 0 ? 0 : n)), i, o = 0;

	for (i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			out[o++] = ',';
		out[o++] = digits[i];
	}
	out[o] = '\0';
	return out;
}

static void say_figures(struct wh_node *n)
{
	const json_t *before = json_object_get(n->prune->report, "before"),
		     *after = json_object_get(n->prune->report, "after");
	int64_t files = wh_json_int(before, "files", 0), kept = wh_json_int(after, "files", 0);
	char a[32], b[32];

	wh_node_say(n, "kept %s of %s files (%.1f %%), %.1f of %.1f MB", grouped(kept, a), grouped(files, b),
	    files ? 100.0 * (double)kept / (double)files : 100.0, (double)wh_json_int(after, "bytes", 0) / 1e6,
	    (double)wh_json_int(before, "bytes", 0) / 1e6);
}

/* ---------------------------------------------------------------- the end */

void wh_prune_end(struct wh_node *n)
{
	wh_trial_free(WH_TAKE_PTR(n->trial));
	wh_prune_free(WH_TAKE_PTR(n->prune));
	wh_builder_slot_free(n->b);
	wh_node_ran(n);
}

/* The report says it too: whoever asks why a path was kept learns what it was seen on. */
static void add_emulated(struct wh_node *n)
{
	size_t i;

	for (i = 1; i < n->n_inputs; i++) {
		const struct wh_vertex *v = n->inputs[i]->v;

		if (v->kind == WH_OP_PROFILE && wh_builder_emulates(n->b, v->op.profile->platform))
			json_object_set_new(n->prune->report, "emulated", json_string(v->op.profile->platform));
	}
}

/* Profiles from elsewhere are nowhere else in what is told of the image. */
static void add_given(const struct wh_prune *p)
{
	json_t *given = json_array();

	for (size_t i = p->n_trials; i < p->n_profiles; i++)
		json_array_append(given, p->profiles[i]);
	json_object_set_new(p->report, "profiles_in", given);
}

static void document_work(struct wh_node *n)
{
	struct wh_prune *p = n->prune;
	WH_AUTO_JSON json_t *doc = json_object();

	add_emulated(n);
	json_object_set(p->report, "risk", p->risk);
	json_object_set(p->report, "unforeseen", p->unforeseen);
	json_object_set(p->report, "lacking", p->lacking);
	add_given(p);
	json_object_set(doc, "report", p->report);
	json_object_set(doc, "runs_after", p->runs);
	n->job_r = wh_doc_write(n->b, doc, &n->doc, &n->job_err);
	n->own = p->layer;
	p->layer = (struct wh_layer){0};
	n->own_empty = false;
}

/* ---------------------------------------------------------------- rounds */

static void written(struct wh_node *n)
{
	struct wh_prune *p = n->prune;

	if (n->job_r == 0 && n->b->stopping)
		n->job_r = -ECANCELED;
	if (n->job_r < 0) {
		wh_prune_end(n);
		return;
	}
	say_figures(n);
	wh_prune_say_risk(n);
	json_decref(p->runs);
	p->runs = json_array();
	p->at = 0;
	wh_prune_forget_round(p);
	wh_prune_next(n);
}

void wh_prune_again(struct wh_node *n)
{
	wh_node_submit(n, write_work, written);
}

void wh_prune_finish(struct wh_node *n)
{
	wh_node_submit(n, document_work, wh_prune_end);
}

/* What a smaller tree can be the reason of. */
static bool may_be_repaired(const struct wh_err *err)
{
	return err && err->class == WH_ERR_BUILD && err->status != WH_STATUS_INCOMPLETE;
}

static void tested(struct wh_node *n)
{
	struct wh_prune *p = n->prune;
	struct wh_trial *t = n->trial;

	if (t->r < 0 && !may_be_repaired(t->err)) {
		n->job_r = t->r;
		wh_err_move(&n->job_err, &t->err);
		wh_err_wrap(&n->job_err, "the tests on the pruned tree");
		wh_prune_end(n);
		return;
	}
	wh_err_freep(&p->why);
	if (t->r < 0)
		wh_err_move(&p->why, &t->err);
	wh_prune_look(n);
}

void wh_prune_next(struct wh_node *n)
{
	struct wh_prune *p = n->prune;

	if (p->at == p->n_trials) {
		wh_prune_round_over(n);
		return;
	}
	wh_node_say(n, "testing the pruned tree: %s",
		     n->inputs[p->at + 1]->v->name ? n->inputs[p->at + 1]->v->name : "PROFILE");
	wh_trial_start(n, n->inputs[p->at + 1], &p->layer, 1, NULL, tested);
}

void wh_prune_run(struct wh_node *n)
{
	struct wh_prune *p = n->prune = wh_calloc(1, sizeof(*n->prune));

	p->op = n->v->op.prune;
	p->node = n;
	p->unforeseen = json_array();
	p->lacking = json_array();
	if (!n->b->launcher) {
		wh_err_set(&n->job_err, "builder", WH_ERR_ENV, ENOTSUP, "this builder cannot run commands");
		n->job_r = -ENOTSUP;
		wh_prune_end(n);
		return;
	}
	wh_prune_again(n);
}
