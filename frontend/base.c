/* SPDX-License-Identifier: Apache-2.0 */
/* What stages stand on: scratch, images, named contexts, other stages; and the ONBUILD triggers that come with it. */
#include "frontend/check.h"
#include "frontend/lower.h"
#include "frontend/syntax.h"

#include <errno.h>
#include <strings.h>

static void set_scratch_image(struct wh_lower *l, struct wh_stage *s)
{
	s->image = wh_image_empty(s->platform ? s->platform : &l->target);
}

static void set_scratch(struct wh_lower *l, struct wh_stage *s)
{
	s->state = NULL;
	set_scratch_image(l, s);
}

struct wh_vertex *wh_local_source(struct wh_lower *l, const char *local)
{
	struct wh_op_source *op = wh_arena_alloc(l->a, sizeof(*op));
	struct wh_vertex v = {.kind = WH_OP_SOURCE, .op.source = op};
	const char *const *ignore = NULL;

	op->ref = wh_arena_printf(l->a, "local://%s", local);
	if (l->o->ignore_of)
		ignore = l->o->ignore_of(l->o->ignore_arg, local, &op->filter);
	if (ignore) {
		struct wh_strv lines = {0};

		for (; *ignore; ignore++)
			wh_strv_add(&lines, *ignore);
		op->ignore = wh_arena_list(l->a, &lines);
		wh_strv_release(&lines);
	}
	v.name = wh_streq(local, "context") ? "[internal] load build context"
					    : wh_arena_printf(l->a, "[context %s] load from client", local);
	v.pos.file = l->d->name;
	return wh_graph_add(l->g, &v);
}

/* An image without layers is scratch, whatever its config says. */
static bool has_layers(const json_t *doc)
{
	return json_array_size(json_object_get(json_object_get(doc, "rootfs"), "diff_ids")) > 0;
}

static void adopt_platform(struct wh_lower *l, struct wh_stage *s)
{
	const char *os = json_string_value(json_object_get(s->image, "os"));
	const char *arch = json_string_value(json_object_get(s->image, "architecture"));
	const char *variant = json_string_value(json_object_get(s->image, "variant"));
	struct wh_platform *p;

	if (!os || !arch || strlen(os) >= sizeof(p->os) || strlen(arch) >= sizeof(p->arch))
		return;
	p = wh_arena_alloc(l->a, sizeof(*p));
	memcpy(p->os, os, strlen(os));
	memcpy(p->arch, arch, strlen(arch));
	if (variant && strlen(variant) < sizeof(p->variant))
		memcpy(p->variant, variant, strlen(variant));
	wh_platform_normalize(p);
	s->platform = p;
}

/* FROM debian:12 beside --build-context debian=…, or the way to an image that only a registry has. */
static void missing_hint(const struct wh_lower *l, const char *title, const char *ref, struct wh_err **err)
{
	const char *name = wh_has_prefix(ref, "docker-image://") ? ref + strlen("docker-image://") : NULL;
	size_t i, n;

	wh_stages_hint(l, title, err);
	if (!name || !err || !*err)
		return;
	n = strcspn(title, ":@");
	for (i = 0; i < l->o->n_contexts; i++)
		if (title[n] && wh_str_eq((struct wh_str){title, n}, l->o->contexts[i].name))
			wh_err_hint(err, "the build context is called %s: write FROM %s, or --build-context %s=…",
				    l->o->contexts[i].name, l->o->contexts[i].name, title);
	wh_err_hint(err,
		    "a base that is in an OCI layout on this machine is named so: --build-context %s=oci-layout://DIR",
		    title);
}

/* An image that nobody has at hand, as far as a check needs it: it has a layer, and its config says nothing. */
static json_t *unknown_image(struct wh_lower *l, const char *title, const struct wh_platform *p)
{
	static const char some[] = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
	json_t *doc = json_pack("{s:s, s:s, s:{}, s:{s:s, s:[s]}}", "os", p->os, "architecture", p->arch, "config", "rootfs",
				"type", "layers", "diff_ids", some);
	size_t i;

	if (p->variant[0])
		json_object_set_new(doc, "variant", json_string(p->variant));
	for (i = 0; i < l->unresolved.n && !wh_streq(l->unresolved.v[i], title); i++)
		;
	if (i == l->unresolved.n) {
		wh_strv_add(&l->unresolved, title);
		if (l->o->unresolved)
			l->o->unresolved(l->o->warn_arg, title);
	}
	return doc;
}

static int set_image(struct wh_lower *l, struct wh_stage *s, const char *ref, struct wh_err **err)
{
	const struct wh_platform *p = s->platform ? s->platform : &l->target;
	const char *platform = wh_lower_platform(l, p);
	const char *title = s->replaced ? s->name : s->base_name;
	struct wh_op_source *op;
	struct wh_vertex v = {.kind = WH_OP_SOURCE, .pos = s->pos};
	WH_AUTO_ERR struct wh_err *why = NULL;
	WH_AUTO_FREE char *pinned = NULL;
	WH_AUTO_JSON json_t *doc = NULL;
	const char *at;
	int r;

	if (l->o->resolver)
		r = l->o->resolver->resolve(l->o->resolver->arg, ref, platform, &pinned, &doc, &why);
	else
		r = wh_usage(&why, "no image can be resolved here: %s", ref);
	if (r < 0 && l->o->unresolved_ok) {
		pinned = wh_strdup(ref);
		doc = unknown_image(l, title, p);
	} else if (r < 0) {
		wh_err_wrap(&why, "%s", title);
		missing_hint(l, title, ref, &why);
		wh_err_move(err, &why);
		return r;
	}
	s->image = wh_image_adopt(doc, &s->base_history);
	if (has_layers(doc))
		wh_lint_base_platform(l, s, title, p, doc);
	adopt_platform(l, s);
	if (!has_layers(doc))
		return 0;
	op = wh_arena_alloc(l->a, sizeof(*op));
	op->ref = wh_arena_strdup(l->a, pinned);
	op->platform = platform;
	v.op.source = op;
	v.stage = s->name;
	at = strchr(title, '@') ? NULL : strrchr(pinned, '@');
	s->from_text = wh_arena_printf(l->a, "FROM %s%s", title, at ? at : "");
	v.name = s->from_text;
	s->state = wh_graph_add(l->g, &v);
	return 0;
}

static int set_context(struct wh_lower *l, struct wh_stage *s, struct wh_err **err)
{
	const char *ref = s->context->ref;
	int r;

	if (wh_streq(ref, "docker-image://scratch")) {
		set_scratch(l, s);
		return 0;
	}
	if (wh_has_prefix(ref, "local://")) {
		set_scratch(l, s);
		s->state = wh_local_source(l, ref + strlen("local://"));
		return 0;
	}
	r = wh_context_source(l, ref, &s->state, err);
	if (r == 0)
		return set_image(l, s, ref, err);
	set_scratch_image(l, s);
	return r < 0 ? r : 0;
}

static void at_base(const struct wh_stage *s, struct wh_err **err)
{
	if (s->brought_by) {
		wh_err_wrap(err, "ONBUILD trigger");
		wh_err_detail(err, s->brought_by);
		wh_err_unmark(err);
	} else {
		wh_err_mark(err, WH_MARK_WORD, s->from && !s->replaced ? s->from->args[0] : s->base_name);
	}
	wh_pos_at(&s->pos, err);
}

/* Could it be the name of an image? Asked of every stage, as BuildKit does, those that nobody needs, too. */
static int check_name(struct wh_lower *l, const struct wh_stage *s, struct wh_err **err)
{
	int r;

	if (s->base || s->context || wh_streq(s->base_name, "scratch"))
		return 0;
	r = wh_reference_check(s->base_name, err);
	if (r < 0) {
		wh_stages_hint(l, s->base_name, err);
		at_base(s, err);
	}
	return r;
}

static int check_system(struct wh_lower *l, const struct wh_stage *s, struct wh_err **err)
{
	const struct wh_platform *p = s->platform ? s->platform : &l->target;
	const char *flag = s->platform && s->from ? wh_flag_text(s->from, "platform") : NULL;
	WH_AUTO_FREE char *text = NULL;

	if (!wh_streq(p->os, "windows"))
		return 0;
	text = wh_platform_text(p);
	if (flag)
		wh_usage_word(err, flag, "--platform=%s: images of Windows are not built", text);
	else
		wh_usage(err, "platform %s: images of Windows are not built", text);
	wh_pos_at(&s->pos, err);
	return -EINVAL;
}

static int resolve(struct wh_lower *l, struct wh_stage *s, struct wh_err **err)
{
	WH_AUTO_FREE char *ref = NULL;
	int r = check_name(l, s, err);

	s->resolved = true;
	if (r == 0)
		r = check_system(l, s, err);
	if (r < 0 || s->base)
		return r;
	if (s->context) {
		r = set_context(l, s, err);
	} else if (wh_streq(s->base_name, "scratch")) {
		s->platform = NULL; /* nothing is for every platform: it is the target's */
		set_scratch(l, s);
	} else {
		ref = wh_asprintf("docker-image://%s", s->base_name);
		r = set_image(l, s, ref, err);
	}
	if (r < 0)
		at_base(s, err);
	/* What has no instructions of ours is ready at once. */
	s->lowered = s->outside || s->replaced;
	return r;
}

/* ---- ONBUILD ---- */

void wh_trigger_told(const struct wh_stage *s, const char *text, struct wh_err **err)
{
	const char *word = s->from ? s->from->args[0] : s->base_name;

	if (!*err || ((*err)->line && !wh_streq((*err)->file, "ONBUILD") && (*err)->line != s->pos.line))
		return; /* another place is at fault */
	wh_err_wrap(err, "ONBUILD trigger of %s", s->base_name);
	wh_err_unmark(err);
	wh_err_unplace(err);
	wh_err_mark(err, WH_MARK_WORD, word);
	wh_err_detail(err, text);
	wh_pos_at(&s->pos, err);
}

/* A trigger is parsed by itself, but whatever is wrong with it is told at the FROM that brought it in. */
static int add_trigger(struct wh_lower *l, struct wh_stage *s, const char *text, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *why = NULL;
	struct wh_dockerfile *d = NULL;
	struct wh_cmd c = {.pos = s->pos, .trigger = true};
	const char *line = wh_arena_strndup(l->a, text, strcspn(text, "\n"));
	int r = wh_dockerfile_parse("ONBUILD", text, strlen(text), &d, &why);

	if (r == 0) {
		WH_PUSH(l->trigger_files, l->n_trigger_files, l->cap_trigger_files) = d;
		r = wh_trigger_check(d, &why);
	}
	if (r < 0) {
		wh_trigger_told(s, text, &why);
		wh_err_move(err, &why);
		return r;
	}
	c.n = &d->nodes[0];
	c.pos.brought_by = wh_arena_printf(l->a, "\"%s\" of %s", line, s->base_name);
	r = wh_stage_add_cmd(l, s, &c, &why);
	if (r < 0)
		wh_trigger_told(s, text, &why);
	wh_err_move(err, &why);
	return r;
}

/* Triggers of an image are in its config; those of a stage are its own ONBUILD instructions. */
static void find_triggers(struct wh_stage *s, struct wh_strv *out)
{
	size_t i;

	if (!s->base) {
		wh_image_get_list(s, "OnBuild", out);
		wh_image_drop(s, "OnBuild");
		return;
	}
	for (i = 0; i < s->base->n_cmds; i++)
		if (s->base->cmds[i].n->instr == WH_I_ONBUILD)
			wh_strv_take(out, wh_onbuild_text(s->base->cmds[i].n));
}

static int add_triggers(struct wh_lower *l, struct wh_stage *s, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv triggers = {0};
	struct wh_cmd *own = s->cmds;
	size_t n_own = s->n_cmds, i;
	int r = 0;

	find_triggers(s, &triggers);
	if (!triggers.n)
		return 0;
	s->cmds = NULL;
	s->n_cmds = s->cap_cmds = 0;
	for (i = 0; i < triggers.n && r == 0; i++)
		r = add_trigger(l, s, triggers.v[i], err);
	s->cmd_total += (unsigned)s->n_cmds;
	for (i = 0; i < n_own; i++)
		WH_PUSH(s->cmds, s->n_cmds, s->cap_cmds) = own[i];
	free(own);
	return r;
}

/* The next stage whose base is still to be looked at: those that bases and triggers make needed come up in turn. */
static struct wh_stage *next_unresolved(struct wh_lower *l)
{
	size_t i;

	for (i = 0; i < l->n_stages; i++)
		if (l->stages[i]->needed && !l->stages[i]->resolved)
			return l->stages[i];
	return NULL;
}

static void mark_needed(struct wh_lower *l, struct wh_stage *target)
{
	size_t i;

	wh_stage_need(target);
	for (i = 0; l->o->all_stages && i < l->n_file_stages; i++)
		wh_stage_need(l->stages[i]);
}

int wh_bases_resolve(struct wh_lower *l, struct wh_stage *target, struct wh_err **err)
{
	struct wh_stage *s;
	size_t k;

	for (k = 0; k < l->n_stages; k++) {
		int r = check_name(l, l->stages[k], err);

		if (r < 0)
			return r;
	}
	mark_needed(l, target);
	while ((s = next_unresolved(l))) {
		size_t before = s->n_cmds, i;
		int r = resolve(l, s, err);

		if (r < 0)
			return r;
		if (s->replaced) /* the image stands for a stage: what it would do in children is no part of that */
			wh_image_drop(s, "OnBuild");
		if (s->outside || s->replaced || l->d->literal) /* composed: it is the image itself, nobody builds upon it */
			continue;
		r = add_triggers(l, s, err);
		if (r < 0)
			return r;
		if (s->n_cmds == before)
			continue;
		for (i = 0; i < l->n_stages; i++) /* triggers may need more: ask again from the top */
			l->stages[i]->needed = false;
		mark_needed(l, target);
	}
	return wh_stages_check_cycles(l, err);
}

/* ---- beginning ---- */

/* A directory or what was fetched cannot be built upon: a copy of it can. */
static void take_solid(struct wh_lower *l, struct wh_stage *s)
{
	struct wh_vertex *v = wh_solid_tree(l, s->state);

	if (v == s->state)
		return;
	s->state = v;
	wh_history_add(l, s, v->name, v);
}

void wh_stage_begin(struct wh_lower *l, struct wh_stage *s)
{
	WH_AUTO_STRV struct wh_strv env = {0};
	const char *dir;
	size_t i, k, at = 0;

	if (!s->base && !wh_streq(s->base_name, "scratch")) { /* the base is step 1 */
		const struct wh_cmd from = {.pos = s->pos};
		const char *name = wh_step_name(l, s, &from, s->from_text ? s->from_text : "");

		if (s->state && s->state->name == s->from_text)
			s->state->name = name;
	}
	if (s->base) {
		s->state = s->base->state;
		s->platform = s->base->platform;
		s->image = wh_image_copy_doc(s->base->image);
		s->base_history = json_incref(s->base->base_history);
		wh_image_drop(s, "OnBuild"); /* ran at the start of this stage; not handed on */
		for (i = 0; i < s->base->n_history; i++)
			WH_PUSH(s->history, s->n_history, s->cap_history) = s->base->history[i];
		s->workdir_given = s->base->workdir_given;
		s->user_from = s->base->user_from;
		s->shell_from = s->base->shell_from;
		s->given = s->base->given;
		for (i = 0; i < s->base->n_args; i++)
			WH_PUSH(s->args, s->n_args, s->cap_args) = s->base->args[i];
	}
	take_solid(l, s);
	s->begin = s->state;
	wh_image_get_list(s, "Env", &env);
	if (!wh_env_get(&env, "PATH")) {
		wh_strv_add(&env, WH_PATH_DEFAULT);
		wh_image_set_list(s, "Env", (const char *const *)env.v, env.n);
	}
	/* A stage's ARGs go on in the stages built from it; what the image says by then counts more. */
	wh_strv_copy(&s->env, s->base ? &s->base->env : &env);
	for (i = 0; s->base && i < env.n; i++) {
		size_t n = strcspn(env.v[i], "=");
		WH_AUTO_FREE char *name = wh_strndup(env.v[i], n);

		for (k = at; k < s->env.n && !wh_streq(s->env.v[k], env.v[i]); k++)
			;
		if (k < s->env.n) { /* most are there, in the same order */
			at = k + 1;
			continue;
		}
		wh_env_set(&s->env, name, env.v[i] + n + (env.v[i][n] == '='));
	}
	dir = wh_image_text(s, "WorkingDir");
	if (*dir && *dir != '/') {
		WH_AUTO_FREE char *abs = wh_path_abs_in("/", dir);

		wh_image_set_text(s, "WorkingDir", abs);
	}
}
