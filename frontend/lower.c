/* SPDX-License-Identifier: Apache-2.0 */
/* Syntax tree → graph: the driver, the table of what lowers which instruction, and WORKDIR. */
#include "frontend/check.h"
#include "frontend/lower.h"

#include <errno.h>

#define HISTORY_MAX (32 << 20) /* what a Dockerfile itself may be long */

/* What the stage's variables say that is built, where they say it. False: nothing. */
static bool platform_of_env(const struct wh_stage *s, const struct wh_platform *base, struct wh_platform *ret)
{
	const char *all = wh_env_get(&s->env, "TARGETPLATFORM");
	const char *os = wh_env_get(&s->env, "TARGETOS"), *arch = wh_env_get(&s->env, "TARGETARCH");
	const char *variant = wh_env_get(&s->env, "TARGETVARIANT");

	if (all)
		return wh_platform_parse(all, base, ret, NULL) == 0;
	*ret = (struct wh_platform){0};
	snprintf(ret->os, sizeof(ret->os), "%s", os && *os ? os : base->os);
	snprintf(ret->arch, sizeof(ret->arch), "%s", arch && *arch ? arch : base->arch);
	snprintf(ret->variant, sizeof(ret->variant), "%s", variant ? variant : "");
	wh_platform_normalize(ret);
	return os || arch || variant;
}

/* "linux/amd64 ", or "linux/amd64->arm64 " in a stage that builds for another; "" where there is but one platform. */
static const char *platform_label(struct wh_lower *l, const struct wh_stage *s)
{
	const struct wh_platform *p = s->platform ? s->platform : &l->target;
	WH_AUTO_FREE char *text = wh_platform_text(p), *to = NULL;
	struct wh_platform target;

	if (!l->o->multi_platform)
		return "";
	if (!platform_of_env(s, p, &target) || (strcmp(target.os, p->os) == 0 && strcmp(target.arch, p->arch) == 0))
		return wh_arena_printf(l->a, "%s ", text);
	to = wh_platform_text(&target);
	return wh_arena_printf(l->a, "%s->%s ", text, strcmp(target.os, p->os) == 0 ? to + strlen(target.os) + 1 : to);
}

const char *wh_step_name(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, const char *text)
{
	const char *end = strchr(text, ' ');
	char *upper = wh_arena_strdup(l->a, text), *p;
	int width = 1;
	unsigned n;

	for (p = upper; *p && (!end || p < upper + (end - text)); p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 32);
	for (n = s->cmd_total; n >= 10; n /= 10)
		width++;
	s->cmd_index++;
	return wh_arena_printf(l->a, "[%s%s%s%*u/%u] %s%s", platform_label(l, s), s->label, *s->label ? " " : "", width,
			       s->cmd_index, s->cmd_total, c->trigger ? "ONBUILD " : "", upper);
}

#define LOOK_BACK 256 /* steps of one text so far apart are told by their ordinals */

void wh_step_place(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_vertex *v)
{
	const char *stage = s->name, *text = wh_arena_strdup(l->a, c->n->original);
	size_t i, from = s->n_steps > LOOK_BACK ? s->n_steps - LOOK_BACK : 0;

	for (i = 0; !stage && i < l->n_file_stages; i++)
		if (l->stages[i] == s)
			stage = wh_arena_printf(l->a, "%zu", i);
	v->place = (struct wh_place){
		.stage = wh_arena_printf(l->a, "%s %s", stage ? stage : "", wh_lower_platform(l, &l->target)),
		.text = text,
		.occurrence = 1,
		.ordinal = (unsigned)s->n_steps + 1,
		.given = s->given,
		.no_cache = !s->no_cache ? NULL : l->o->no_cache ? "--no-cache" : "--no-cache-filter",
	};
	for (i = from; i < s->n_steps; i++)
		v->place.occurrence += strcmp(s->steps[i], text) == 0;
	WH_PUSH(s->steps, s->n_steps, s->cap_steps) = text;
}

struct wh_vertex *wh_file_vertex(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, const char *name,
				 const struct wh_file_action *actions, size_t n, struct wh_vertex *const *more,
				 size_t n_more)
{
	struct wh_op_file *op = wh_arena_alloc(l->a, sizeof(*op));
	struct wh_vertex **inputs = wh_arena_alloc(l->a, (n_more + 1) * sizeof(struct wh_vertex *));
	struct wh_vertex v = {.kind = WH_OP_FILE, .op.file = op, .pos = c->pos, .stage = s->name};

	inputs[0] = s->state;
	if (n_more)
		memcpy(inputs + 1, more, n_more * sizeof(struct wh_vertex *));
	op->actions = actions;
	op->n_actions = n;
	v.inputs = inputs;
	v.n_inputs = n_more + 1;
	v.no_cache = s->no_cache;
	v.name = wh_step_name(l, s, c, name);
	wh_step_place(l, s, c, &v);
	s->state = wh_graph_add(l->g, &v);
	return s->state;
}

/* WORKDIR makes the directory, owned by the current USER where it is new, and so makes a layer; "/" is always there. */
static int lower_workdir(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err)
{
	struct wh_file_action *mkdir = wh_arena_alloc(l->a, sizeof(*mkdir));
	const char *cwd = wh_image_text(s, "WorkingDir"), *user = wh_image_text(s, "User");
	WH_AUTO_FREE char *word = NULL, *abs = NULL;
	const struct wh_vertex *v = NULL;
	const char *text;
	int r = wh_scope_expand(l, s, c->n->args[0], &word, err);

	if (r < 0)
		return r;
	if (!s->workdir_given && word[0] != '/') {
		WH_AUTO_BUF struct wh_buf shown = WH_BUF_INIT;

		wh_print_quoted(&shown, word);
		wh_lint(l, WH_RULE_WORKDIR_RELATIVE_PATH, &c->pos,
			"Relative workdir %s can have unexpected results if the base image changes", shown.p);
	}
	s->workdir_given = true; /* who mends the first one has mended all */
	abs = wh_path_abs_in(*cwd ? cwd : "/", word);
	/* BuildKit cleans relative ones only, and images are to have the same text. */
	text = word[0] == '/' ? word : abs;
	wh_image_set_text(s, "WorkingDir", text);
	if (abs[1]) {
		WH_AUTO_FREE char *name = wh_scope_shown(l, s, c->n->original);

		*mkdir = (struct wh_file_action){
			.kind = WH_FILE_MKDIR,
			.input = -1,
			.path = wh_arena_strdup(l->a, abs),
			.chown = *user ? wh_arena_strdup(l->a, user) : NULL,
			.make_parents = true,
		};
		v = wh_file_vertex(l, s, c, name, mkdir, 1, NULL, 0);
	}
	wh_history_add(l, s, wh_arena_printf(l->a, "WORKDIR %s", text), v);
	return 0;
}

typedef int (*lower_fn)(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err);

static const lower_fn by_instr[] = {
	[WH_I_ADD] = wh_lower_copy,
	[WH_I_ARG] = wh_lower_arg,
	[WH_I_CMD] = wh_lower_command,
	[WH_I_COPY] = wh_lower_copy,
	[WH_I_ENTRYPOINT] = wh_lower_command,
	[WH_I_ENV] = wh_lower_env,
	[WH_I_EXPOSE] = wh_lower_expose,
	[WH_I_FROM] = NULL, /* begins a stage */
	[WH_I_HEALTHCHECK] = wh_lower_health,
	[WH_I_LABEL] = wh_lower_label,
	[WH_I_MAINTAINER] = wh_lower_maintainer,
	[WH_I_ONBUILD] = wh_lower_onbuild,
	[WH_I_RUN] = wh_lower_run,
	[WH_I_SHELL] = wh_lower_shell,
	[WH_I_STOPSIGNAL] = wh_lower_stopsignal,
	[WH_I_USER] = wh_lower_user,
	[WH_I_VOLUME] = wh_lower_volume,
	[WH_I_WORKDIR] = lower_workdir,
	[WH_I_PROFILE] = wh_lower_profile,
	[WH_I_PRUNE] = wh_lower_prune,
	[WH_I_UNKNOWN] = NULL, /* refused by the check */
};

static int lower_stage(struct wh_lower *l, struct wh_stage *s, struct wh_err **err)
{
	size_t i;

	wh_stage_begin(l, s);
	for (i = 0; i < s->n_cmds; i++) {
		const struct wh_cmd *c = &s->cmds[i];
		int r = wh_stage_check_after_profile(s, c, err);

		l->cmd = c;
		wh_lint_comments(l, c->trigger ? NULL : c->n->comments);
		if (r == 0)
			r = by_instr[c->n->instr](l, s, c, err);
		if (r == 0 && l->told > HISTORY_MAX) {
			r = wh_err_set(err, "frontend", WH_ERR_USAGE, E2BIG,
				       "variables and ports written out make more than %d MiB up to here",
				       HISTORY_MAX >> 20);
			wh_err_hint(err, "no registry takes a config of that size");
		}
		l->cmd = NULL;
		if (r < 0) {
			if (c->trigger && err)
				wh_trigger_told(s, c->n->original, err);
			wh_pos_at(&c->pos, err);
			return r;
		}
	}
	s->lowered = true;
	return 0;
}

/* ---- stages that are done ---- */

static void forget(struct wh_stage *s)
{
	free(WH_TAKE_PTR(s->history));
	s->n_history = s->cap_history = 0;
	free(WH_TAKE_PTR(s->args));
	s->n_args = s->cap_args = 0;
	free(WH_TAKE_PTR(s->steps));
	s->n_steps = s->cap_steps = 0;
	wh_strv_release(&s->env);
	json_decref(s->image);
	json_decref(s->base_history);
	s->image = s->base_history = NULL;
}

static void note_uses(struct wh_lower *l)
{
	size_t i, k, n;

	for (i = 0; i < l->n_file_stages; i++) {
		struct wh_stage *s = l->stages[i];

		s->last_use = i;
		if (!s->needed)
			continue;
		if (s->base)
			s->base->last_use = i;
		for (k = 0; k < s->n_cmds; k++)
			for (n = 0; n < s->cmds[k].n_sources; n++)
				if (s->cmds[k].sources[n])
					s->cmds[k].sources[n]->last_use = i;
	}
}

/* In order of the file. What a stage was made of goes as soon as no later one asks for it: a thousand copies are much. */
static int lower_stages(struct wh_lower *l, const struct wh_stage *target, struct wh_err **err)
{
	size_t i, k;
	int r = 0;

	note_uses(l);
	for (i = 0; i < l->n_file_stages && r == 0; i++) {
		if (l->stages[i]->needed && !l->stages[i]->lowered)
			r = lower_stage(l, l->stages[i], err);
		for (k = 0; k <= i; k++)
			if (l->stages[k] != target && l->stages[k]->last_use == i)
				forget(l->stages[k]);
	}
	return r;
}

/* ---- the result ---- */

static void apply_labels(struct wh_lower *l, struct wh_stage *s)
{
	size_t i;

	for (i = 0; l->o->labels && i < l->o->labels->n; i++) {
		const char *text = l->o->labels->v[i], *eq = strchr(text, '=');
		WH_AUTO_FREE char *name = wh_strndup(text, eq ? (size_t)(eq - text) : strlen(text));

		wh_image_map_add(s, "Labels", name, wh_json_text(eq ? eq + 1 : ""));
	}
}

static void normalize_platform(json_t *image)
{
	static const char *const keys[] = {"os", "architecture", "variant"};
	struct wh_platform p = {0};
	char *const parts[] = {p.os, p.arch, p.variant};

	for (size_t i = 0; i < WH_ARRAY_SIZE(keys); i++) {
		const char *value = json_string_value(json_object_get(image, keys[i]));

		if (value && strlen(value) >= sizeof(p.os))
			return; /* a base's own word */
		if (value)
			memcpy(parts[i], value, strlen(value));
	}
	wh_platform_normalize(&p);
	for (size_t i = 0; i < WH_ARRAY_SIZE(keys); i++)
		if (*parts[i])
			json_object_set_new(image, keys[i], json_string(parts[i]));
	if (!p.variant[0])
		json_object_del(image, "variant");
}

/* With --platform the image says that platform, whatever its base said. */
static void apply_platform(struct wh_lower *l, struct wh_stage *s)
{
	const char *os = json_string_value(json_object_get(s->image, "os"));
	const char *arch = json_string_value(json_object_get(s->image, "architecture"));
	bool given = l->o->platform && *l->o->platform;
	bool same = wh_streq(os, l->target.os) && wh_streq(arch, l->target.arch);

	if (given || !os)
		json_object_set_new(s->image, "os", json_string(l->target.os));
	if (given || !arch)
		json_object_set_new(s->image, "architecture", json_string(l->target.arch));
	/* Another processor's variant, or version of a system, says nothing of this one. */
	if (given && !same)
		json_object_del(s->image, "os.version");
	if (given && (l->target.variant[0] || !same))
		json_object_set_new(s->image, "variant", json_string(l->target.variant));
	normalize_platform(s->image);
}

const char *wh_stage_title(struct wh_lower *l, const struct wh_stage *s)
{
	size_t i;

	for (i = 0; !s->name && i < l->n_file_stages; i++)
		if (l->stages[i] == s)
			return wh_arena_printf(l->a, "%zu", i);
	return s->name;
}

static void take_stages(struct wh_lower *l, struct wh_target *ret)
{
	size_t i;

	ret->platform = wh_lower_platform(l, &l->target);
	ret->stages = wh_arena_alloc(l->a, (l->n_file_stages + 1) * sizeof(*ret->stages));
	for (i = 0; i < l->n_file_stages; i++)
		if (l->stages[i]->needed && !l->stages[i]->replaced)
			ret->stages[ret->n_stages++] = (struct wh_stage_tree){
				.name = wh_stage_title(l, l->stages[i]),
				.begin = l->stages[i]->begin,
				.state = l->stages[i]->state,
			};
}

static void take_target(struct wh_lower *l, struct wh_stage *s, struct wh_target *ret)
{

	s->state = wh_solid_tree(l, s->state); /* --target may be the name of a context */
	apply_labels(l, s);
	apply_platform(l, s);
	*ret = (struct wh_target){
		.state = s->state,
		.prove = wh_lower_prove(l, s),
		.config = json_incref(s->image),
		.base_history = json_incref(s->base_history),
		.history = wh_arena_alloc(l->a, (s->n_history + 1) * sizeof(*ret->history)),
		.n_history = s->n_history,
	};
	if (s->n_history)
		memcpy(ret->history, s->history, s->n_history * sizeof(*ret->history));
	ret->stage = s->name ? wh_arena_strdup(l->a, s->from->args[2]) : wh_stage_title(l, s);
	take_stages(l, ret);
}

static void release(struct wh_lower *l)
{
	size_t i;

	for (i = 0; i < l->n_stages; i++) {
		struct wh_stage *s = l->stages[i];

		free(s->cmds);
		free(s->profiles);
		wh_outline_release(&s->outline);
		forget(s);
	}
	for (i = 0; i < l->n_trigger_files; i++)
		wh_dockerfile_free(l->trigger_files[i]);
	free(l->trigger_files);
	free(l->stages);
	wh_outline_release(&l->outline);
	wh_strv_release(&l->build_args);
	wh_strv_release(&l->globals);
	wh_strv_release(&l->global_names);
	wh_strv_release(&l->unresolved);
	wh_strv_release(&l->proxy);
}

/* ---- mistakes that show before any image is asked for ---- */

#define MISTAKES_MAX 10

/* In order of their lines; of two in one line the first that was found. */
static void add_mistake(struct wh_err **list, struct wh_err **one)
{
	struct wh_err *rest;

	while (*list && (*list)->line < (*one)->line)
		list = &(*list)->next;
	if (*list && (*list)->line == (*one)->line)
		return;
	rest = *list;
	*list = *one;
	(*list)->next = rest;
	*one = NULL;
}

/* Of stages that are needed: nobody looks at the others. */
static void find_mistakes(struct wh_lower *l, struct wh_stage *target, struct wh_err **list)
{
	size_t i, k, told = 0;

	wh_stage_need(target);
	for (i = 0; i < l->n_file_stages; i++) {
		struct wh_stage *s = l->stages[i];

		for (k = 0; k < s->n_cmds && told < MISTAKES_MAX && (s->needed || l->o->all_stages); k++) {
			WH_AUTO_ERR struct wh_err *one = NULL;

			if (wh_check_values(s->cmds[k].n, l->d->escape, &one) == 0)
				continue;
			wh_pos_at(&s->cmds[k].pos, &one);
			add_mistake(list, &one);
			told++;
		}
	}
}

/* Goes on without asking for images, for what a check finds above the first mistake, and for a mistake that hangs on
 * variables there. */
static void look_above(struct wh_lower *l, struct wh_stage *target, struct wh_err **list)
{
	struct wh_lower_opts alone = *l->o;
	const struct wh_lower_opts *given = l->o;
	WH_AUTO_ERR struct wh_err *one = NULL;

	alone.resolver = NULL;
	alone.unresolved_ok = true;
	alone.unresolved = NULL;
	l->o = &alone;
	if (wh_bases_resolve(l, target, &one) == 0)
		(void)lower_stages(l, target, &one);
	l->o = given;
	if (one && one->line && one->line < (*list)->line)
		add_mistake(list, &one);
}

/* What shows in the stages without an image: 0 when it is nothing. */
static int judge_stages(struct wh_lower *l, struct wh_stage **ret_target, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *mistakes = NULL;
	int r = wh_stages_build(l, &mistakes, err);
	bool sources = mistakes != NULL;

	if (r == 0)
		r = wh_stages_target(l, ret_target, sources ? NULL : err);
	if (r == 0 && !sources)
		r = wh_stages_check_cycles(l, err);
	if (r == 0)
		find_mistakes(l, *ret_target, &mistakes);
	if (mistakes && !sources)
		look_above(l, *ret_target, &mistakes);
	if (!mistakes)
		return r;
	r = mistakes->sys ? -mistakes->sys : -EINVAL;
	wh_err_move(err, &mistakes);
	return r;
}

static int run(struct wh_lower *l, struct wh_target *ret, struct wh_err **err)
{
	struct wh_stage *target = NULL;
	int r = judge_stages(l, &target, err);

	if (r == 0)
		r = wh_bases_resolve(l, target, err);
	if (r == 0)
		r = lower_stages(l, target, err);
	if (r == 0)
		r = wh_lint_end(l, err);
	if (r == 0 && l->outline_ret)
		*l->outline_ret = wh_outline_json(l, target);
	if (r == 0)
		take_target(l, target, ret);
	return r;
}

/* The file by itself: what is wrong with it, and what a check finds in it up to there. */
static int judge_file(struct wh_lower *l, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *why = NULL;
	int r = wh_lint_begin(l, err);

	if (r < 0)
		return r;
	r = wh_dockerfile_check(l->d, &why);
	wh_lint_syntax(l, r < 0 ? why->line : 0);
	if (r == 0)
		wh_lint_stages(l);
	wh_err_move(err, &why);
	return r;
}

static int lower_file(const struct wh_dockerfile *d, const struct wh_lower_opts *opts, struct wh_graph *g,
		      struct wh_target *ret, json_t **ret_outline, struct wh_err **err)
{
	struct wh_lower l = {.d = d, .o = opts, .g = g, .a = wh_graph_arena(g), .outline_ret = ret_outline};
	static const struct wh_platform fallback = {.os = "linux", .arch = "amd64"};
	size_t i;
	int r;

	for (i = 0; opts->build_args && i < opts->build_args->n; i++) {
		const char *text = opts->build_args->v[i], *eq = strchr(text, '=');
		WH_AUTO_FREE char *name = wh_strndup(text, eq ? (size_t)(eq - text) : strlen(text));

		if (eq)
			wh_env_set(&l.build_args, name, eq + 1);
	}
	r = judge_file(&l, err);
	if (r == 0)
		r = wh_platform_parse(opts->build_platform ? opts->build_platform : "linux/amd64", &fallback, &l.build,
				      err);
	l.target = l.build;
	if (r == 0 && opts->platform && *opts->platform)
		r = wh_platform_parse(opts->platform, &l.build, &l.target, err);
	if (r == 0)
		r = wh_scope_globals(&l, err);
	if (r == 0)
		r = run(&l, ret, err);
	release(&l);
	return r;
}

int wh_dockerfile_lower(const struct wh_dockerfile *d, const struct wh_lower_opts *opts, struct wh_graph *g,
			struct wh_target *ret, struct wh_err **err)
{
	return lower_file(d, opts, g, ret, NULL, err);
}

int wh_dockerfile_outline(const struct wh_dockerfile *d, const struct wh_lower_opts *opts, json_t **ret, struct wh_err **err)
{
	struct wh_lower_opts o = *opts;
	struct wh_graph *g = wh_graph_new();
	struct wh_target target = {0};
	int r;

	o.allow_insecure = o.allow_host_network = true; /* nothing is run */
	r = lower_file(d, &o, g, &target, ret, err);
	wh_target_release(&target);
	wh_graph_free(g);
	return r;
}
