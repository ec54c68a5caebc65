/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PROVE: the least privileges of a pruned stage, and that its tests pass under them and fail with less.
 *
 *   [job] privileges ──▶ trials of all PROFILEs, held to them ──passed──▶ negative controls, one after the other ──▶ [job] document
 *            ▲                 │ failed
 *            └── new needs ◀── a trial that is not held, observed; nothing new: one that is held to all parts but one, for each part
 *                              │ nothing new in any, or three rounds did not do
 *                              ▼ the step fails: which parts, what was asked for
 *
 * A negative control is the same with one thing less: then some PROFILE must fail. What turns out not to be needed (a program may have
 * another way) is followed by the next candidate of its kind. What is the environment's failure ends the step instead: it proves nothing. Kinds:
 *
 *   seccomp        one call; one must be found
 *   capabilities, read-only root, Landlock: where there is something to be taken away; if nothing is needed, the proof says so
 *
 * The tree is handed on. The document, a blob:
 *
 *   {"privileges":{harden/runtime.h}, "proof":{"$schema":…, "proven":true, "enforced":{"seccomp":true,"capabilities":true,
 *     "noNewPrivileges":true,"readOnlyRoot":true,"landlock":true}, "landlockAbi":N, "unproven":["apparmor", …],
 *     "runs":[[run, …], …],                                        a list a PROFILE (builder.h)
 *     "controls":[{"kind":"seccomp","without":"bind","failed":true,"how":"the application ended with status 1 …"}, …],
 *     "notShown":["Landlock", …],                                  kinds of which something was taken away, and nothing of it was needed
 *     "unforeseen":[{"kind":"seccomp","what":"flock"}, …],         what these trials were seen to need beyond the profiles; it is granted
 *     "rounds":N}}                                                 how often that was so
 *
 * Under an emulator nothing is tried: {"proof":{"$schema":…, "proven":false, "why":"…", "platform":"linux/arm64"}}, without privileges. Schema:
 * schemas/proof-1.json.
 */
#include "builder/prove_private.h"

#include <errno.h>

#define ROUNDS_MAX 3
#define SLACK_NS (10 * UINT64_C(1000000000)) /* what a run gets beyond three times what it took */
#define SCHEMA "https://whittle.dev/schema/proof-1.json"

enum stage { HELD, LOOSE, BUT, CONTROL };

struct wh_prove {
	struct wh_node *node;
	const struct wh_op_prove *op;
	json_t **profiles; /* the PROFILEs' documents, then those of --profile-in, then what rounds added */
	size_t n_profiles, cap_profiles, n_trials;
	const char **shares;
	json_t *privileges;
	unsigned parts; /* what is enforced here */
	size_t part;    /* BUT: which one is left out */
	bool learnt;
	unsigned rounds;
	struct wh_strv blamed;
	struct wh_confinement *held;
	enum stage stage;
	size_t at;         /* the PROFILE on trial */
	uint64_t *took_ns; /* of each, held */
	uint64_t from;
	json_t *runs, *controls, *unforeseen, *news; /* news: of the trial just seen */
	struct wh_controls candidates;
	size_t candidate;
	struct wh_err *why; /* how the held trial failed */
};

static void next_trial(struct wh_node *n);
static void begin_controls(struct wh_node *n);
static void next_part(struct wh_node *n);

void wh_prove_free(struct wh_prove *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_profiles; i++)
		json_decref(p->profiles[i]);
	free(p->profiles);
	free(p->shares);
	json_decref(p->privileges);
	json_decref(p->runs);
	json_decref(p->controls);
	json_decref(p->unforeseen);
	wh_strv_release(&p->blamed);
	wh_confinement_free(p->held);
	free(p->took_ns);
	wh_controls_release(&p->candidates);
	json_decref(p->news);
	wh_err_free(p->why);
	free(p);
}

static void end(struct wh_node *n)
{
	wh_trial_free(WH_TAKE_PTR(n->trial));
	wh_prove_free(WH_TAKE_PTR(n->prove));
	wh_builder_slot_free(n->b);
	wh_node_ran(n);
}

/* ---------------------------------------------------------------- deriving */

static int load_profiles(struct wh_node *n, struct wh_prove *p, struct wh_err **err)
{
	size_t n_shares = 0, cap = 0;

	for (size_t i = 1; i < n->n_inputs; i++) {
		const char *const *share = n->inputs[i]->v->op.profile->share;
		WH_AUTO_JSON json_t *doc = NULL;
		int r = wh_doc_read(n->b, &n->inputs[i]->doc, &doc, err);

		if (r < 0)
			return r;
		WH_PUSH(p->profiles, p->n_profiles, p->cap_profiles) = json_incref(json_object_get(doc, "document"));
		for (; share && *share; share++)
			WH_PUSH(p->shares, n_shares, cap) = *share;
	}
	WH_PUSH(p->shares, n_shares, cap) = NULL;
	p->n_trials = p->n_profiles;
	for (const char *const *text = p->op->profiles_in; text && *text; text++) {
		json_t *doc = NULL;
		int r = wh_json_parse(*text, strlen(*text), "a profile of --profile-in", &doc, err);

		if (r < 0)
			return r;
		WH_PUSH(p->profiles, p->n_profiles, p->cap_profiles) = doc;
	}
	p->took_ns = wh_calloc(p->n_trials + 1, sizeof(*p->took_ns));
	return 0;
}

static int derive(struct wh_node *n, struct wh_prove *p, json_t **ret, struct wh_err **err)
{
	const struct wh_node *base = n->inputs[0];
	WH_AUTO_JSON json_t *config = NULL;
	const char *text = p->op->config ? p->op->config : "{}";
	struct wh_tree *tree = NULL;
	int r = wh_json_parse(text, strlen(text), "the image's config", &config, err);

	if (r == 0)
		r = wh_tree_open(n->b->o.store, base->result.layers, base->result.n_layers, &tree, err);
	if (r == 0) {
		const struct wh_privileges_opts o = {
			.profiles = (const json_t *const *)p->profiles,
			.n_profiles = p->n_profiles,
			.tree = tree,
			.config = config,
			.platform = p->op->platform,
			.shares = p->shares,
			.assumed = wh_syscalls_assumed,
			.absent = wh_syscalls_absent,
		};

		r = wh_privileges_make(&o, ret, err);
	}
	if (tree)
		wh_tree_close(tree);
	return r;
}

static void derive_work(struct wh_node *n)
{
	struct wh_prove *p = n->prove;
	json_t *made = NULL;
	int r = p->profiles ? 0 : load_profiles(n, p, &n->job_err);

	if (r == 0)
		r = derive(n, p, &made, &n->job_err);
	json_decref(p->privileges);
	p->privileges = made;
	n->job_r = r;
}

static int hold(struct wh_prove *p, unsigned parts, const struct wh_control *without, struct wh_err **err)
{
	wh_confinement_free(WH_TAKE_PTR(p->held));
	return parts ? wh_confinement_make(p->privileges, parts, without, &p->held, err) : 0;
}

static void begin_held(struct wh_node *n)
{
	struct wh_prove *p = n->prove;

	p->stage = HELD;
	p->at = 0;
	json_decref(p->runs);
	p->runs = json_array();
	wh_err_freep(&p->why);
	n->job_r = hold(p, p->parts, NULL, &n->job_err);
	if (n->job_r < 0)
		end(n);
	else
		next_trial(n);
}

static void derived(struct wh_node *n)
{
	struct wh_prove *p = n->prove;

	if (n->job_r == 0 && n->b->stopping)
		n->job_r = -ECANCELED;
	if (n->job_r < 0) {
		end(n);
		return;
	}
	wh_node_say(n, "%zu system calls observed, %zu capabilities, %zu writable places",
	    json_array_size(json_object_get(p->privileges, "observed")), json_array_size(json_object_get(p->privileges, "capabilities")),
	    json_array_size(json_object_get(p->privileges, "writable")));
	begin_held(n);
}

/* ---------------------------------------------------------------- the end */

/* Kinds of which no control has failed. */
static json_t *not_shown(const struct wh_prove *p)
{
	json_t *list = json_array(), *one;
	size_t i;

	for (size_t kind = WH_CONTROL_SECCOMP; kind < WH_CONTROL_KINDS; kind++) {
		bool tried = false, red = false;

		json_array_foreach (p->controls, i, one) {
			if (!wh_streq(wh_json_str(one, "kind"), wh_control_kinds[kind]))
				continue;
			tried = true;
			red |= json_is_true(json_object_get(one, "failed"));
		}
		if (tried && !red)
			json_array_append_new(list, json_string(wh_control_kinds[kind]));
	}
	return list;
}

static json_t *proof_json(const struct wh_node *n, const struct wh_prove *p)
{
	bool landlock = p->parts & WH_PART_LANDLOCK;
	json_t *unproven = json_pack("[s]", "apparmor"), *proof;

	if (!landlock)
		json_array_append_new(unproven, json_string("landlock"));
	proof = json_pack("{s:s, s:b, s:{s:b, s:b, s:b, s:b, s:b}, s:i}", "$schema", SCHEMA, "proven", 1, "enforced", "seccomp", 1,
			  "capabilities", 1, "noNewPrivileges", json_is_true(json_object_get(p->privileges, "noNewPrivileges")),
			  "readOnlyRoot", json_is_true(json_object_get(p->privileges, "readOnlyRoot")), "landlock", landlock,
			  "landlockAbi", landlock ? n->b->host.landlock_abi : 0);
	json_object_set_new(proof, "unproven", unproven);
	json_object_set(proof, "runs", p->runs);
	json_object_set(proof, "controls", p->controls);
	json_object_set_new(proof, "notShown", not_shown(p));
	json_object_set(proof, "unforeseen", p->unforeseen);
	json_object_set_new(proof, "rounds", json_integer((json_int_t)p->rounds));
	return proof;
}

static void document_work(struct wh_node *n)
{
	struct wh_prove *p = n->prove;
	WH_AUTO_JSON json_t *doc = json_object();

	json_object_set(doc, "privileges", p->privileges);
	json_object_set_new(doc, "proof", proof_json(n, p));
	n->job_r = wh_doc_write(n->b, doc, &n->doc, &n->job_err);
	n->own_empty = true;
}

/* The calls are the emulator's, and what it needs is nobody else's need. */
static void emulated_work(struct wh_node *n)
{
	WH_AUTO_JSON json_t *doc = json_pack("{s:{s:s, s:b, s:s, s:s}}", "proof", "$schema", SCHEMA, "proven", 0, "why",
					     "its programs ran under an emulator, whose system calls are its own", "platform",
					     n->prove->op->platform);

	n->job_r = wh_doc_write(n->b, doc, &n->doc, &n->job_err);
	n->own_empty = true;
}

/* ---------------------------------------------------------------- controls */

static void note_control(struct wh_prove *p, const struct wh_control *c, const struct wh_err *how)
{
	json_t *o = json_pack("{s:s, s:s, s:b}", "kind", wh_control_kinds[c->kind], "without", c->without, "failed", how != NULL);

	if (how) {
		json_t *text = json_string(how->msg);

		json_object_set_new(o, "how", text ? text : json_string("a message that is not UTF-8"));
	}
	json_array_append_new(p->controls, o);
}

/* The candidate at p->candidate, or the end. */
static void next_control(struct wh_node *n)
{
	struct wh_prove *p = n->prove;

	if (p->candidate == p->candidates.n) {
		wh_node_submit(n, document_work, end);
		return;
	}
	p->at = 0;
	wh_node_say(n, "control: %s without %s must fail", wh_control_kinds[p->candidates.v[p->candidate].kind],
	    p->candidates.v[p->candidate].without);
	n->job_r = hold(p, p->parts, &p->candidates.v[p->candidate], &n->job_err);
	if (n->job_r < 0)
		end(n);
	else
		next_trial(n);
}

static void begin_controls(struct wh_node *n)
{
	struct wh_prove *p = n->prove;

	p->stage = CONTROL;
	p->controls = json_array();
	wh_controls_collect(p->privileges, (const json_t *const *)p->profiles, p->n_profiles, p->parts, n->b->host.landlock_abi,
			    &p->candidates);
	p->candidate = 0;
	next_control(n);
}

static void control_failed(struct wh_node *n, const struct wh_err *how)
{
	struct wh_prove *p = n->prove;
	enum wh_control_kind kind = p->candidates.v[p->candidate].kind;

	note_control(p, &p->candidates.v[p->candidate], how);
	while (p->candidate < p->candidates.n && p->candidates.v[p->candidate].kind == kind)
		p->candidate++;
	next_control(n);
}

static void control_passed(struct wh_node *n)
{
	struct wh_prove *p = n->prove;
	const struct wh_control *c = &p->candidates.v[p->candidate++];
	bool last = p->candidate == p->candidates.n || p->candidates.v[p->candidate].kind != c->kind;

	note_control(p, c, NULL);
	wh_node_say(n, "the tests pass without %s", c->without);
	if (last && c->kind == WH_CONTROL_SECCOMP) {
		n->job_r = wh_err_set(&n->job_err, "builder", WH_ERR_BUILD, ECHILD,
				      "the tests pass whatever system call is denied: they prove nothing of the application");
		wh_err_status(&n->job_err, WH_STATUS_CONTROL);
		wh_err_hint(&n->job_err, "a test that runs the application and looks at what it answers would fail");
		end(n);
		return;
	}
	next_control(n);
}

/* ---------------------------------------------------------------- when the tests fail though nothing was taken away */

static const struct {
	unsigned part;
	const char *name;
} parts[] = {
	{WH_PART_SECCOMP, "seccomp"},
	{WH_PART_CAPABILITIES, "capabilities"},
	{WH_PART_READ_ONLY, "read-only root"},
	{WH_PART_LANDLOCK, "Landlock"},
};

static void fail_held(struct wh_node *n)
{
	struct wh_prove *p = n->prove;
	WH_AUTO_BUF struct wh_buf words = WH_BUF_INIT;

	n->job_r = p->why && p->why->sys ? -p->why->sys : -ECHILD;
	wh_err_move(&n->job_err, &p->why);
	if (p->rounds > ROUNDS_MAX) {
		wh_needs_words(p->unforeseen, &words);
		wh_err_wrap(&n->job_err, "the tests on the pruned tree need something new each time: %s; under the privileges without it", words.p);
		wh_err_hint(&n->job_err, "--runs=N, or tests that do the same each time, let the profile see all of it; PRUNE without --runtime=prove leaves the proof out");
	} else {
		for (size_t i = 0; i < p->blamed.n; i++)
			wh_buf_addf(&words, "%s%s", i ? " or " : "", p->blamed.v[i]);
		wh_err_wrap(&n->job_err, "the tests pass on the pruned tree, and fail under the privileges that were derived from them (%s)",
			    p->blamed.n ? words.p : "all of them together");
		wh_err_hint(&n->job_err, p->blamed.n ? "they pass without %s; PRUNE without --runtime=prove leaves the proof out"
						     : "PRUNE without --runtime=prove leaves the proof out%s",
			    p->blamed.n ? words.p : "");
	}
	wh_err_status(&n->job_err, WH_STATUS_CONFINED);
	end(n);
}

static void next_part(struct wh_node *n)
{
	struct wh_prove *p = n->prove;

	while (p->part < WH_ARRAY_SIZE(parts) && !(p->parts & parts[p->part].part))
		p->part++;
	if (p->part == WH_ARRAY_SIZE(parts)) {
		fail_held(n);
		return;
	}
	p->stage = BUT;
	wh_node_say(n, "which part is it? all but %s", parts[p->part].name);
	n->job_r = hold(p, p->parts & ~parts[p->part].part, NULL, &n->job_err);
	if (n->job_r < 0)
		end(n);
	else
		next_trial(n);
}

/* ---------------------------------------------------------------- what was not foreseen */

/* Job: what the trial was seen to need becomes a profile more. */
static void learn_work(struct wh_node *n)
{
	struct wh_prove *p = n->prove;
	const struct wh_node *base = n->inputs[0];
	WH_AUTO_FREE struct wh_obs_log *logs = wh_trial_logs(n->trial);
	WH_AUTO_JSON json_t *made = NULL;
	json_t *profile = NULL;
	struct wh_tree *tree = NULL;
	int r = wh_tree_open(n->b->o.store, base->result.layers, base->result.n_layers, &tree, &n->job_err);

	if (r == 0)
		r = wh_profile_make(tree, logs, n->trial->n_logs, &profile, &n->job_err);
	if (tree)
		wh_tree_close(tree);
	if (r == 0) {
		WH_PUSH(p->profiles, p->n_profiles, p->cap_profiles) = profile;
		r = derive(n, p, &made, &n->job_err);
	}
	p->learnt = r == 0 && !json_equal(p->privileges, made);
	if (p->learnt) {
		json_decref(p->news);
		p->news = wh_needs_new(p->privileges, made);
		wh_needs_join(p->unforeseen, p->news);
		json_decref(p->privileges);
		p->privileges = WH_TAKE_PTR(made);
	}
	n->job_r = r;
}

static void say_news(struct wh_node *n)
{
	WH_AUTO_BUF struct wh_buf words = WH_BUF_INIT;

	wh_needs_words(n->prove->news, &words);
	wh_node_say(n, "not foreseen by the profile: %s", words.n ? words.p : "how something is used");
}

static void learnt(struct wh_node *n)
{
	struct wh_prove *p = n->prove;

	wh_trial_free(WH_TAKE_PTR(n->trial));
	if (n->job_r == 0 && n->b->stopping)
		n->job_r = -ECANCELED;
	if (n->job_r == 0 && p->learnt)
		say_news(n);
	if (n->job_r < 0) {
		end(n);
	} else if (p->learnt && ++p->rounds > ROUNDS_MAX) {
		fail_held(n);
	} else if (p->learnt) {
		begin_held(n);
	} else if (p->stage == LOOSE) {
		p->part = 0;
		next_part(n);
	} else {
		wh_strv_add(&p->blamed, parts[p->part++].name);
		next_part(n);
	}
}

/* ---------------------------------------------------------------- trials */

static bool is_the_applications(const struct wh_err *err)
{
	return err && err->class == WH_ERR_BUILD && err->status != WH_STATUS_INCOMPLETE;
}

static void passed(struct wh_node *n)
{
	struct wh_prove *p = n->prove;
	struct wh_trial *t = n->trial;

	if (p->stage == HELD) {
		p->took_ns[p->at] = (wh_now_ns() - p->from) / t->op->runs;
		json_array_append(p->runs, t->runs);
	}
	if (p->stage == LOOSE || p->stage == BUT) {
		wh_node_submit(n, learn_work, learnt);
		return;
	}
	wh_trial_free(WH_TAKE_PTR(n->trial));
	if (++p->at < p->n_trials) {
		next_trial(n);
		return;
	}
	if (p->stage == HELD)
		begin_controls(n);
	else
		control_passed(n);
}

static void failed(struct wh_node *n, struct wh_err *err)
{
	struct wh_prove *p = n->prove;

	switch (p->stage) {
	case HELD:
		wh_node_say(n, "the tests fail under the derived privileges: %s", err->msg);
		wh_err_freep(&p->why);
		p->why = err;
		p->stage = LOOSE; /* the same PROFILE */
		wh_confinement_free(WH_TAKE_PTR(p->held));
		next_trial(n);
		return;
	case LOOSE: /* they fail without, too: nothing to be learnt */
		n->job_r = err->sys ? -err->sys : -ECHILD;
		n->job_err = err;
		wh_err_wrap(&n->job_err, "the tests on the pruned tree, which passed before");
		end(n);
		return;
	case BUT: /* it is another one, or two of them */
		wh_err_free(err);
		p->part++;
		next_part(n);
		return;
	case CONTROL:
		control_failed(n, err);
		wh_err_free(err);
		return;
	}
}

static void tried(struct wh_node *n)
{
	struct wh_trial *t = n->trial;
	struct wh_err *err;

	if (t->r == 0) {
		passed(n);
		return;
	}
	err = WH_TAKE_PTR(t->err);
	if (t->r == -ECANCELED || !is_the_applications(err)) {
		n->job_r = t->r;
		n->job_err = err;
		wh_err_wrap(&n->job_err, "the tests under the derived privileges");
		end(n);
		return;
	}
	wh_trial_free(WH_TAKE_PTR(n->trial));
	failed(n, err);
}

static void next_trial(struct wh_node *n)
{
	struct wh_prove *p = n->prove;
	const struct wh_node *base = n->inputs[0];
	struct wh_trial_how how = {.confinement = p->held};

	/* A control that hangs has failed: nobody waits ten minutes for that. */
	if (p->stage == CONTROL)
		how.limit_ns = 3 * p->took_ns[p->at] + SLACK_NS;
	if (p->stage == HELD)
		wh_node_say(n, "testing under the derived privileges: %s",
		    n->inputs[p->at + 1]->v->name ? n->inputs[p->at + 1]->v->name : "PROFILE");
	p->from = wh_now_ns();
	wh_trial_start(n, n->inputs[p->at + 1], base->result.layers, base->result.n_layers, &how, tried);
}

void wh_prove_run(struct wh_node *n)
{
	struct wh_prove *p = n->prove = wh_calloc(1, sizeof(*n->prove));
	bool emulated = false;

	p->op = n->v->op.prove;
	p->node = n;
	p->unforeseen = json_array();
	p->parts = WH_PART_ALL;
	if (n->b->launcher && (!n->b->host.landlock || n->b->host.landlock_abi < 1)) {
		p->parts &= ~WH_PART_LANDLOCK;
		wh_node_say(n, "this kernel has no Landlock: its rules are derived and not proven");
	}
	for (size_t i = 1; i < n->n_inputs; i++)
		emulated |= wh_builder_emulates(n->b, n->inputs[i]->v->op.profile->platform);
	if (!n->b->launcher)
		n->job_r = wh_err_set(&n->job_err, "builder", WH_ERR_ENV, ENOTSUP, "this builder cannot run commands");
	if (n->job_r < 0) {
		end(n);
	} else if (emulated) {
		wh_node_say(n, "%s programs run under an emulator here: nothing is proven of their privileges", p->op->platform);
		wh_node_submit(n, emulated_work, end);
	} else {
		wh_node_submit(n, derive_work, derived);
	}
}
