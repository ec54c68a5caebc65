/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PROVE: the least privileges of a pruned stage, and that its tests pass under them and fail with less.
 *
 *   [job] privileges ──▶ trials of all PROFILEs, held to them ──passed──▶ negative controls, one after the other ──▶ [job] document
 *            ▲                 │ failed
 *            └── new needs ◀── a trial that is not held, observed ── nothing new ──▶ each part alone: which one is it? ──▶ the step fails
 *
 * A negative control is the same with one thing less: then some PROFILE must fail. What turns out not to be needed (a program may have
 * another way) is followed by the next candidate of its kind. Kinds:
 *
 *   seccomp        one call; one must be found
 *   capabilities, read-only root, Landlock: where there is something to be taken away; if nothing is needed, the proof says so
 *
 * The tree is handed on. The document, a blob:
 *
 *   {"privileges":{harden/runtime.h}, "proof":{"$schema":…, "enforced":{"seccomp":true,"capabilities":true,"noNewPrivileges":true,
 *     "readOnlyRoot":true,"landlock":true}, "landlockAbi":N, "unproven":["apparmor", …], "runs":[[run, …], …],    a list a PROFILE (builder.h)
 *     "controls":[{"kind":"seccomp","without":"bind","failed":true,"how":"the application ended with status 1 …"}, …],
 *     "rounds":N}}                                                 how often something was added that the profile had not foreseen
 */
#include "builder/profile_private.h"

#include <errno.h>

#define ROUNDS_MAX 3
#define CANDIDATES_MAX 8
#define SLACK_NS (15 * UINT64_C(1000000000)) /* what a run gets beyond three times what it took */
#define SCHEMA "https://whittle.dev/schema/proof-1.json"

enum stage { HELD, LOOSE, PART, CONTROL };

struct wh_prove {
	struct wh_node *node;
	const struct wh_op_prove *op;
	json_t **profiles; /* the PROFILEs' documents, then those of --profile-in, then what rounds added */
	size_t n_profiles, cap_profiles, n_trials;
	const char **shares;
	json_t *privileges;
	unsigned parts, part; /* what is enforced here; PART: which one alone */
	unsigned rounds;
	struct wh_strv blamed;
	struct wh_confinement *held;
	enum stage stage;
	size_t at;         /* the PROFILE on trial */
	uint64_t *took_ns; /* of each, held */
	uint64_t from;
	json_t *runs, *controls;
	struct wh_control *candidates; /* of all kinds, in order of kind */
	struct wh_arena *a;
	size_t n_candidates, cap_candidates, candidate;
	struct wh_err *why; /* how the held trial failed */
};

static const char *const kind_names[] = {
	[WH_CONTROL_SECCOMP] = "seccomp",
	[WH_CONTROL_CAPABILITIES] = "capabilities",
	[WH_CONTROL_READ_ONLY] = "read-only root",
	[WH_CONTROL_LANDLOCK] = "Landlock",
};

static void next_trial(struct wh_node *n);
static void begin_controls(struct wh_node *n);

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
	wh_strv_release(&p->blamed);
	wh_confinement_free(p->held);
	free(p->took_ns);
	free(p->candidates);
	wh_arena_free(p->a);
	wh_err_free(p->why);
	free(p);
}

static void say(struct wh_node *n, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void say(struct wh_node *n, const char *fmt, ...)
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
	say(n, "%zu system calls observed, %zu capabilities, %zu writable places",
	    json_array_size(json_object_get(p->privileges, "observed")), json_array_size(json_object_get(p->privileges, "capabilities")),
	    json_array_size(json_object_get(p->privileges, "writable")));
	begin_held(n);
}

/* ---------------------------------------------------------------- the end */

static json_t *proof_json(const struct wh_node *n, const struct wh_prove *p)
{
	bool landlock = p->parts & WH_PART_LANDLOCK;
	json_t *unproven = json_pack("[s]", "apparmor");

	if (!landlock)
		json_array_append_new(unproven, json_string("landlock"));
	return json_pack("{s:s, s:{s:b, s:b, s:b, s:b, s:b}, s:i, s:o, s:O, s:O, s:i}", "$schema", SCHEMA, "enforced", "seccomp", 1,
			 "capabilities", 1, "noNewPrivileges", json_is_true(json_object_get(p->privileges, "noNewPrivileges")),
			 "readOnlyRoot", json_is_true(json_object_get(p->privileges, "readOnlyRoot")), "landlock", landlock,
			 "landlockAbi", landlock ? n->b->host.landlock_abi : 0, "unproven", unproven, "runs", p->runs, "controls",
			 p->controls, "rounds", (int)p->rounds);
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

/* ---------------------------------------------------------------- controls */

static void add_candidate(struct wh_prove *p, enum wh_control_kind kind, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void add_candidate(struct wh_prove *p, enum wh_control_kind kind, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	va_list ap;
	size_t of_kind = 0;

	va_start(ap, fmt);
	wh_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < p->n_candidates; i++)
		of_kind += p->candidates[i].kind == kind;
	if (of_kind < CANDIDATES_MAX)
		WH_PUSH(p->candidates, p->n_candidates, p->cap_candidates) =
			(struct wh_control){kind, wh_arena_strdup(p->a, text.p)};
}

static bool was_observed(const struct wh_prove *p, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(p->privileges, "observed"), i, one)
		if (wh_streq(json_string_value(one), name))
			return true;
	return false;
}

/* What fails at once and for good comes first: then a control takes no longer than a start. */
static void call_candidates(struct wh_prove *p)
{
	static const char *const first[] = {"listen", "bind", "socket", "epoll_create1", "epoll_create", "socketpair", "connect",
					    "unlink", "mkdir", "openat", "open", NULL};

	for (const char *const *name = first; *name; name++)
		if (was_observed(p, *name))
			add_candidate(p, WH_CONTROL_SECCOMP, "%s", *name);
	add_candidate(p, WH_CONTROL_SECCOMP, "mmap"); /* without it no dynamic program starts, and hardly another */
	add_candidate(p, WH_CONTROL_SECCOMP, "brk");
	add_candidate(p, WH_CONTROL_SECCOMP, "exit_group");
}

static void collect_candidates(struct wh_prove *p)
{
	const json_t *landlock = json_object_get(p->privileges, "landlock"), *one, *rule, *path;
	size_t i, k;

	call_candidates(p);
	json_array_foreach (json_object_get(p->privileges, "capabilities"), i, one)
		add_candidate(p, WH_CONTROL_CAPABILITIES, "%s", json_string_value(one));
	if (json_is_true(json_object_get(p->privileges, "readOnlyRoot")))
		json_array_foreach (json_object_get(p->privileges, "writable"), i, one)
			add_candidate(p, WH_CONTROL_READ_ONLY, "%s", wh_json_str(one, "path"));
	if (!(p->parts & WH_PART_LANDLOCK))
		return;
	json_array_foreach (json_object_get(json_object_get(landlock, "net"), "rules"), i, rule)
		if (wh_streq(json_string_value(json_array_get(json_object_get(rule, "access"), 0)), "bind_tcp"))
			add_candidate(p, WH_CONTROL_LANDLOCK, "bind_tcp");
	json_array_foreach (json_object_get(landlock, "fs"), i, rule) {
		const char *access = json_string_value(json_array_get(json_object_get(rule, "access"), 0));

		/* /usr first: hardly a program is without it. */
		if (wh_streq(access, "read_file") && json_array_size(json_object_get(rule, "access")) == 2)
			json_array_foreach (json_object_get(rule, "paths"), k, path)
				if (wh_streq(json_string_value(path), "/usr"))
					add_candidate(p, WH_CONTROL_LANDLOCK, "read_file /usr");
		if (wh_streq(access, "read_file") && json_array_size(json_object_get(rule, "access")) == 2)
			json_array_foreach (json_object_get(rule, "paths"), k, path)
				if (!wh_streq(json_string_value(path), "/proc") && !wh_streq(json_string_value(path), "/sys"))
					add_candidate(p, WH_CONTROL_LANDLOCK, "read_file %s", json_string_value(path));
	}
}

static void note_control(struct wh_prove *p, const struct wh_control *c, const struct wh_err *how)
{
	json_t *o = json_pack("{s:s, s:s, s:b}", "kind", kind_names[c->kind], "without", c->without, "failed", how != NULL);

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

	if (p->candidate == p->n_candidates) {
		wh_node_submit(n, document_work, end);
		return;
	}
	p->at = 0;
	say(n, "control: %s without %s must fail", kind_names[p->candidates[p->candidate].kind],
	    p->candidates[p->candidate].without);
	n->job_r = hold(p, p->parts, &p->candidates[p->candidate], &n->job_err);
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
	collect_candidates(p);
	p->candidate = 0;
	next_control(n);
}

static void control_failed(struct wh_node *n, const struct wh_err *how)
{
	struct wh_prove *p = n->prove;
	enum wh_control_kind kind = p->candidates[p->candidate].kind;

	note_control(p, &p->candidates[p->candidate], how);
	while (p->candidate < p->n_candidates && p->candidates[p->candidate].kind == kind)
		p->candidate++;
	next_control(n);
}

static void control_passed(struct wh_node *n)
{
	struct wh_prove *p = n->prove;
	const struct wh_control *c = &p->candidates[p->candidate++];
	bool last = p->candidate == p->n_candidates || p->candidates[p->candidate].kind != c->kind;

	note_control(p, c, NULL);
	say(n, "the tests pass without %s", c->without);
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

static void fail_held(struct wh_node *n)
{
	struct wh_prove *p = n->prove;
	WH_AUTO_BUF struct wh_buf parts = WH_BUF_INIT;

	for (size_t i = 0; i < p->blamed.n; i++)
		wh_buf_addf(&parts, "%s%s", i ? ", " : "", p->blamed.v[i]);
	n->job_r = p->why && p->why->sys ? -p->why->sys : -ECHILD;
	wh_err_move(&n->job_err, &p->why);
	wh_err_wrap(&n->job_err, "the tests pass on the pruned tree and fail under the privileges that were derived from them (%s)",
		    p->blamed.n ? parts.p : "all of them together");
	wh_err_status(&n->job_err, WH_STATUS_CONFINED);
	wh_err_hint(&n->job_err, "a further test or --runs=N lets the profile see what happens at times only; PRUNE without --runtime=prove leaves the proof out");
	end(n);
}

static const struct {
	unsigned part;
	const char *name;
} parts[] = {
	{WH_PART_SECCOMP, "seccomp"},
	{WH_PART_CAPABILITIES, "capabilities"},
	{WH_PART_READ_ONLY, "read-only root"},
	{WH_PART_LANDLOCK, "Landlock"},
};

static void next_part(struct wh_node *n)
{
	struct wh_prove *p = n->prove;

	while (p->part < WH_ARRAY_SIZE(parts) && !(p->parts & parts[p->part].part))
		p->part++;
	if (p->part == WH_ARRAY_SIZE(parts)) {
		fail_held(n);
		return;
	}
	p->stage = PART;
	say(n, "which part is it? %s alone", parts[p->part].name);
	n->job_r = hold(p, parts[p->part].part, NULL, &n->job_err);
	if (n->job_r < 0)
		end(n);
	else
		next_trial(n);
}

/* Job: what the trial that nothing held was seen to need becomes a profile more. */
static void learn_work(struct wh_node *n)
{
	struct wh_prove *p = n->prove;
	const struct wh_node *base = n->inputs[0];
	WH_AUTO_FREE struct wh_obs_log *logs = wh_trial_logs(n->trial);
	WH_AUTO_JSON json_t *before = p->privileges ? json_deep_copy(p->privileges) : NULL;
	json_t *profile = NULL, *made = NULL;
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
	if (r == 0) {
		p->part = json_equal(before, made) ? 1 : 0; /* learnt nothing? */
		json_decref(p->privileges);
		p->privileges = made;
	}
	n->job_r = r;
}

static void learnt(struct wh_node *n)
{
	struct wh_prove *p = n->prove;
	bool nothing = p->part;

	wh_trial_free(WH_TAKE_PTR(n->trial));
	p->part = 0;
	if (n->job_r < 0) {
		end(n);
	} else if (nothing || ++p->rounds > ROUNDS_MAX) {
		p->at = 0;
		next_part(n);
	} else {
		say(n, "the application was seen to need more than the profile says: once more, with that");
		begin_held(n);
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
		p->took_ns[p->at] = wh_now_ns() - p->from;
		json_array_append(p->runs, t->runs);
	}
	if (p->stage == LOOSE) {
		wh_node_submit(n, learn_work, learnt);
		return;
	}
	wh_trial_free(WH_TAKE_PTR(n->trial));
	if (++p->at < p->n_trials) {
		next_trial(n);
		return;
	}
	if (p->stage == HELD) {
		begin_controls(n);
	} else if (p->stage == CONTROL) {
		control_passed(n);
	} else {
		p->part++;
		p->at = 0;
		next_part(n);
	}
}

static void failed(struct wh_node *n, struct wh_err *err)
{
	struct wh_prove *p = n->prove;

	switch (p->stage) {
	case HELD:
		say(n, "the tests fail under the derived privileges: %s", err->msg);
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
	case PART:
		wh_strv_add(&p->blamed, parts[p->part].name);
		wh_err_free(err);
		p->part++;
		p->at = 0;
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
		say(n, "testing under the derived privileges: %s",
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
	p->a = wh_arena_new();
	p->parts = WH_PART_ALL;
	if (n->b->launcher && (!n->b->host.landlock || n->b->host.landlock_abi < 1)) {
		p->parts &= ~WH_PART_LANDLOCK;
		say(n, "this kernel has no Landlock: its rules are derived and not proven");
	}
	for (size_t i = 1; i < n->n_inputs; i++)
		emulated |= wh_builder_emulates(n->b, n->inputs[i]->v->op.profile->platform);
	if (!n->b->launcher)
		n->job_r = wh_err_set(&n->job_err, "builder", WH_ERR_ENV, ENOTSUP, "this builder cannot run commands");
	else if (emulated)
		n->job_r = wh_err_set(&n->job_err, "builder", WH_ERR_ENV, ENOTSUP,
				      "under an emulator system calls are the emulator's: nothing can be proven of %s here", p->op->platform);
	if (n->job_r < 0)
		end(n);
	else
		wh_node_submit(n, derive_work, derived);
}
