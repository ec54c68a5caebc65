/* SPDX-License-Identifier: Apache-2.0 */
/* Stages: what the file declares, what each needs, which one is wanted. */
#include "frontend/lower.h"
#include "frontend/mount.h"
#include "frontend/syntax.h"

#include <errno.h>
#include <strings.h>

#define STAGES_MAX 1000
#define MISTAKES_MAX 10

struct wh_pos wh_node_pos(struct wh_lower *l, const struct wh_node *n)
{
	WH_AUTO_FREE char *excerpt = wh_excerpt(n->source);

	return (struct wh_pos){
		.file = l->d->name,
		.option = l->d->literal ? wh_arena_strndup(l->a, n->source.p, strcspn(n->source.p, "\n")) : NULL,
		.line = n->line,
		.last_line = n->last_line,
		.excerpt = excerpt ? wh_arena_strdup(l->a, excerpt) : NULL,
	};
}

void wh_pos_at(const struct wh_pos *pos, struct wh_err **err)
{
	if (err && *err && !(*err)->file)
		wh_err_at(err, pos->file, pos->line, 0, pos->excerpt);
}

void wh_stages_hint(const struct wh_lower *l, const char *word, struct wh_err **err)
{
	WH_AUTO_FREE const char **names = wh_calloc(l->n_stages + l->o->n_contexts + 1, sizeof(*names));
	const char *near;
	size_t i, n = 0;

	for (i = 0; i < l->n_stages; i++)
		if (l->stages[i]->name)
			names[n++] = l->stages[i]->name;
	for (i = 0; i < l->o->n_contexts; i++)
		names[n++] = l->o->contexts[i].name;
	near = wh_nearest(word, names, n);
	if (near && strcasecmp(near, word) != 0)
		wh_err_hint(err, "did you mean %s?", near);
}

static struct wh_stage *stage_by_name(const struct wh_lower *l, const char *name)
{
	size_t i;

	for (i = l->n_file_stages; i > 0; i--) /* of two with one name the later counts */
		if (l->stages[i - 1]->name && strcasecmp(l->stages[i - 1]->name, name) == 0)
			return l->stages[i - 1];
	return NULL;
}

static bool is_number(const char *s)
{
	uint64_t v;

	return wh_parse_u64(s, 10, &v);
}

static const struct wh_named_context *context_for(const struct wh_lower *l, const char *name)
{
	WH_AUTO_FREE char *familiar = NULL;
	size_t i;

	if (strcasecmp(name, "scratch") == 0 || strcasecmp(name, "context") == 0)
		return NULL;
	familiar = wh_reference_familiar(name);
	for (i = 0; i < l->o->n_contexts; i++) {
		WH_AUTO_FREE char *theirs = wh_reference_familiar(l->o->contexts[i].name);

		if (strcasecmp(theirs, familiar) == 0)
			return &l->o->contexts[i];
	}
	return NULL;
}

/* ---- sources of instructions ---- */

/* The image that a --from names; one entry a name. */
static struct wh_stage *outside_stage(struct wh_lower *l, const char *name, const struct wh_cmd *c)
{
	struct wh_stage *s;
	size_t i;

	for (i = l->n_file_stages; i < l->n_stages; i++)
		if (wh_streq(l->stages[i]->base_name, name))
			return l->stages[i];
	s = wh_arena_alloc(l->a, sizeof(*s));
	s->base_name = wh_arena_strdup(l->a, name);
	s->label = name;
	s->pos = c->pos;
	s->outside = true;
	s->brought_by = c->trigger ? c->n->original : NULL;
	s->context = context_for(l, name);
	WH_PUSH(l->stages, l->n_stages, l->cap_stages) = s;
	return s;
}

/* The name of a source stands behind --from= or, in a mount, from=. */
static void within_from(const char *name, struct wh_err **err)
{
	WH_AUTO_FREE char *text = wh_asprintf("from=%s", name);

	wh_err_within(err, text);
}

static int source_named(struct wh_lower *l, const char *name, const struct wh_cmd *c, struct wh_stage **ret,
			struct wh_err **err)
{
	struct wh_stage *found = stage_by_name(l, name);
	uint64_t index;

	if (!found && wh_parse_u64(name, 10, &index)) {
		if (index >= l->n_file_stages) {
			wh_usage_word(err, name, "invalid stage index %s", name);
			within_from(name, err);
			wh_err_hint(err, "stages are counted from 0; there %s %zu", l->n_file_stages == 1 ? "is" : "are",
				    l->n_file_stages);
			return -EINVAL;
		}
		found = l->stages[index];
	}
	*ret = found ? found : outside_stage(l, name, c);
	return 0;
}

/* The stage or image that the instruction's --from names; NULL: none. */
static int from_source(struct wh_lower *l, struct wh_cmd *c, struct wh_stage **ret, struct wh_err **err)
{
	const char *from = wh_flag_text(c->n, "from");
	WH_AUTO_FREE char *expanded = NULL;
	WH_AUTO_STRV struct wh_strv nothing = {0};
	int r;

	*ret = NULL;
	if (!from || !*from)
		return 0;
	if (l->d->literal)
		return source_named(l, from, c, ret, err);
	r = wh_expand_word(from, l->d->escape, wh_scope_get, &nothing, &expanded, err);
	if (r < 0)
		return r;
	if (!wh_streq(expanded, from)) {
		wh_usage_word(err, from,
			      "variable expansion is not supported for --from, define a new stage with FROM using ARG "
			      "from global scope as a workaround");
		within_from(from, err);
		wh_err_hint(err, "write FROM %s AS name above, and --from=name here", from);
		return -EINVAL;
	}
	return source_named(l, from, c, ret, err);
}

static int copy_source(struct wh_lower *l, struct wh_cmd *c, struct wh_err **err)
{
	c->sources = wh_arena_alloc(l->a, sizeof(struct wh_stage *));
	c->n_sources = 1;
	return from_source(l, c, &c->sources[0], err);
}

/* One a mount, behind the first ones. */
static int mount_sources(struct wh_lower *l, struct wh_cmd *c, size_t first, struct wh_err **err)
{
	const char *mount;
	size_t pos = 0, n = first;
	int r = 0;

	while (wh_flag_next(c->n, "mount", &pos))
		n++;
	c->sources = wh_arena_alloc(l->a, (n + 1) * sizeof(struct wh_stage *));
	c->n_sources = n;
	pos = 0;
	for (n = first; r == 0 && (mount = wh_flag_next(c->n, "mount", &pos)); n++) {
		const char *from = wh_mount_from(l->a, mount);

		if (from && *from && !wh_streq(from, "scratch"))
			r = source_named(l, from, c, &c->sources[n], err);
	}
	return r;
}

static int profile_sources(struct wh_lower *l, struct wh_cmd *c, struct wh_err **err)
{
	int r = mount_sources(l, c, 1, err);

	return r < 0 ? r : from_source(l, c, &c->sources[0], err);
}

int wh_stage_add_cmd(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err)
{
	struct wh_cmd cmd = *c;
	int r = 0;

	if (c->n->instr == WH_I_COPY)
		r = copy_source(l, &cmd, err);
	else if (c->n->instr == WH_I_RUN)
		r = mount_sources(l, &cmd, 0, err);
	else if (c->n->instr == WH_I_PROFILE)
		r = profile_sources(l, &cmd, err);
	if (r < 0) {
		wh_pos_at(&c->pos, err);
		return r;
	}
	WH_PUSH(s->cmds, s->n_cmds, s->cap_cmds) = cmd;
	return 0;
}

/* ---- stages ---- */

/* " (did you mean X?)" for the first of these names that is near to a global one. */
static const char *suggest_any(struct wh_lower *l, const struct wh_strv *names)
{
	const char *found = "";
	size_t i;

	for (i = 0; i < names->n && !*found; i++)
		found = wh_lint_suggest(l, names->v[i], &l->globals, "");
	return found;
}

/* The part at fault is named as users of containerd's platform names know it. */
static int refuse_platform(struct wh_lower *l, const char *flag, const char *text, const struct wh_strv *misses,
			   struct wh_err **err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	const char *part = text, *near = suggest_any(l, misses);
	size_t n = strcspn(part, "/"), parts = 1;

	while (n && strspn(part, allowed) >= n && part[n] && parts++ < 3) {
		part += n + 1;
		n = strcspn(part, "/");
	}
	if (parts <= 3 && (!n || strspn(part, allowed) < n))
		wh_usage(err,
			 "failed to parse platform %s: \"%.*s\" is an invalid component of \"%s\": platform specifier "
			 "component must match \"^[A-Za-z0-9_.-]+$\": invalid argument%s",
			 flag, (int)n, part, text, near);
	else if (strchr(text, '/'))
		wh_usage(err, "failed to parse platform %s: \"%s\": cannot parse platform specifier: invalid argument%s",
			 flag, text, near);
	else
		wh_usage(err,
			 "failed to parse platform %s: \"%s\": unknown operating system or architecture: invalid "
			 "argument%s",
			 flag, text, near);
	wh_err_mark(err, WH_MARK_WORD, flag);
	wh_err_hint(err, "write it as os/arch or os/arch/variant, such as linux/amd64");
	return -EINVAL;
}

static int stage_platform(struct wh_lower *l, struct wh_stage *s, struct wh_err **err)
{
	const char *flag = wh_flag_text(s->from, "platform");
	WH_CLEANUP(wh_matches_release) struct wh_matches m = {0};
	size_t i;
	WH_AUTO_FREE char *text = NULL;
	struct wh_platform p;
	struct wh_platform *kept;
	int r;

	if (!flag || !*flag)
		return 0;
	r = wh_scope_global(l, flag, &m, &text, err);
	if (r < 0) {
		wh_err_wrap(err, "failed to process arguments for platform");
		return r;
	}
	wh_lint_platform(l, s, flag, text, &m.hits, &m.misses);
	if (!*text)
	{
		wh_usage_word(err, flag, "empty platform value from expression %s%s", flag, suggest_any(l, &m.misses));
		wh_err_expect(err, "os/arch or os/arch/variant, such as linux/amd64");
		return -EINVAL;
	}
	r = wh_platform_parse(text, &l->target, &p, NULL);
	if (r < 0)
		return refuse_platform(l, flag, text, &m.misses, err);
	kept = wh_arena_alloc(l->a, sizeof(*kept));
	*kept = p;
	s->platform = kept;
	for (i = 0; i < m.hits.n; i++)
		wh_outline_use(&s->outline, m.hits.v[i]);
	return 0;
}

static int blank_base(struct wh_lower *l, const char *word, const struct wh_strv *misses, struct wh_err **err)
{
	const char *near;
	size_t i;

	wh_usage_word(err, word, "base name (%s) should not be blank", word);
	wh_err_expect(err, "an image or a stage");
	for (i = 0; i < misses->n; i++) {
		near = wh_nearest(misses->v[i], (const char *const *)l->global_names.v, l->global_names.n);
		if (near && !wh_streq(near, misses->v[i]))
			wh_err_hint(err, "did you mean $%s?", near);
	}
	wh_err_hint(err, "give the ARG a default before FROM, or pass it with --build-arg");
	return -EINVAL;
}

static int begin_stage(struct wh_lower *l, const struct wh_node *n, struct wh_err **err)
{
	struct wh_stage *s = wh_arena_alloc(l->a, sizeof(*s));
	WH_CLEANUP(wh_matches_release) struct wh_matches m = {0};
	WH_AUTO_FREE char *base = NULL, *name = NULL;
	size_t i;
	int r;

	if (l->n_stages == STAGES_MAX)
		return wh_usage(err, "more than %d stages", STAGES_MAX);
	s->from = n;
	s->pos = wh_node_pos(l, n);
	wh_lint_comments(l, n->comments);
	r = wh_scope_global(l, n->args[0], &m, &base, err);
	wh_lint_from(l, &s->pos, &m.misses);
	if (r < 0)
		return r;
	for (i = 0; i < m.hits.n; i++)
		wh_outline_use(&s->outline, m.hits.v[i]);
	s->base_name = wh_arena_strdup(l->a, base);
	r = *base ? stage_platform(l, s, err) : blank_base(l, n->args[0], &m.misses, err);
	if (r < 0) {
		wh_outline_release(&s->outline);
		return r;
	}
	name = n->n_args == 3 ? wh_lower_case(n->args[2]) : NULL;
	s->name = name ? wh_arena_strdup(l->a, name) : NULL;
	s->label = s->name ? s->name : wh_arena_printf(l->a, "stage-%zu", l->n_stages);
	s->context = s->name ? context_for(l, s->name) : NULL;
	s->replaced = s->context != NULL;
	if (!s->context)
		s->base = stage_by_name(l, s->base_name);
	if (!s->context && !s->base)
		s->context = context_for(l, s->base_name);
	WH_PUSH(l->stages, l->n_stages, l->cap_stages) = s;
	l->n_file_stages = l->n_stages;
	return 0;
}

static bool stage_in_list(const struct wh_strv *names, const char *name)
{
	size_t i;

	for (i = 0; names && name && i < names->n; i++)
		if (strcasecmp(names->v[i], name) == 0)
			return true;
	return false;
}

/* How many numbers progress shows for the stage: its base and each step; WORKDIR counts even where it does nothing. */
static unsigned count_steps(const struct wh_stage *s)
{
	unsigned total = !s->base && !wh_streq(s->base_name, "scratch");
	size_t i;

	for (i = 0; i < s->n_cmds; i++) {
		enum wh_instr instr = s->cmds[i].n->instr;

		total += instr == WH_I_ADD || instr == WH_I_COPY || instr == WH_I_RUN || instr == WH_I_WORKDIR ||
			 instr == WH_I_PROFILE || instr == WH_I_PRUNE;
	}
	return total;
}

int wh_stages_build(struct wh_lower *l, struct wh_err **ret_mistakes, struct wh_err **err)
{
	size_t i, at = 0, told = 0;
	int r = 0;

	for (i = 0; i < l->d->n_nodes && r == 0; i++) {
		if (l->d->nodes[i].instr != WH_I_FROM)
			continue;
		r = begin_stage(l, &l->d->nodes[i], err);
		if (r < 0) {
			wh_node_at(l->d, &l->d->nodes[i], err);
			return r;
		}
	}
	/* Only now that every stage has its name: an instruction may name one that comes later. */
	for (i = 0; i < l->d->n_nodes; i++) {
		const struct wh_node *n = &l->d->nodes[i];
		struct wh_cmd c = {.n = n};
		WH_AUTO_ERR struct wh_err *one = NULL;

		if (n->instr == WH_I_FROM)
			at++;
		if (n->instr == WH_I_FROM || !at || l->stages[at - 1]->replaced)
			continue;
		c.pos = wh_node_pos(l, n);
		if (wh_stage_add_cmd(l, l->stages[at - 1], &c, &one) < 0 && told++ < MISTAKES_MAX)
			wh_err_append(ret_mistakes, &one);
	}
	for (i = 0; i < l->n_file_stages; i++) {
		struct wh_stage *s = l->stages[i];

		s->cmd_total = count_steps(s);
		s->no_cache = l->o->no_cache || stage_in_list(l->o->no_cache_filter, s->name);
	}
	if (l->n_stages == 1)
		l->stages[0]->label = "";
	return 0;
}

/* The stages that there are. */
static void expect_stage(const struct wh_lower *l, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf names = WH_BUF_INIT;
	size_t i, n = 0;

	for (i = 0; i < l->n_file_stages; i++)
		if (l->stages[i]->name && n++ < 20)
			wh_buf_addf(&names, "%s%s", n > 1 ? ", " : "", l->stages[i]->name);
	if (n > 20)
		wh_buf_adds(&names, ", …");
	if (n)
		wh_err_expect(err, "a stage of this file: %s", names.p);
	else
		wh_err_expect(err, "a number from 0 to %zu: no stage has a name", l->n_file_stages - 1);
}

int wh_stages_target(struct wh_lower *l, struct wh_stage **ret, struct wh_err **err)
{
	const char *target = l->o->target;
	uint64_t index;

	*ret = l->stages[l->n_file_stages - 1];
	if (!target || !*target)
		return 0;
	*ret = stage_by_name(l, target);
	if (*ret)
		return 0;
	if (is_number(target) && wh_parse_u64(target, 10, &index) && index < l->n_file_stages) {
		*ret = l->stages[index];
		return 0;
	}
	wh_usage(err, "target stage \"%s\" could not be found", target);
	wh_err_at(err, l->d->name, 0, 0, NULL);
	expect_stage(l, err);
	wh_stages_hint(l, target, err);
	return -EINVAL;
}

/* ---- needs ---- */

/* A stage's needs in order: its base, then what its instructions name. NULL at the end. */
static struct wh_stage *need_at(const struct wh_stage *s, size_t *cmd, size_t *source, const struct wh_cmd **ret_cmd)
{
	while (*cmd < s->n_cmds) {
		const struct wh_cmd *c = &s->cmds[*cmd];

		while (*source < c->n_sources) {
			struct wh_stage *found = c->sources[(*source)++];

			if (found) {
				*ret_cmd = c;
				return found;
			}
		}
		(*cmd)++;
		*source = 0;
	}
	return NULL;
}

void wh_stage_need(struct wh_stage *s)
{
	const struct wh_cmd *c;
	struct wh_stage *other;
	size_t cmd = 0, source = 0;

	if (!s || s->needed)
		return;
	s->needed = true;
	wh_stage_need(s->base);
	while ((other = need_at(s, &cmd, &source, &c)))
		wh_stage_need(other);
}

static const char *title(const struct wh_stage *s)
{
	return s->name ? s->name : *s->label ? s->label : "0";
}

/* last needs first, which is on the way to it. Names the whole circle. */
static int circle(const struct wh_stage *first, const struct wh_stage *last, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf way = WH_BUF_INIT;
	const struct wh_stage *s = first;

	wh_usage_word(err, title(first), "circular dependency detected on stage: %s", title(last));
	within_from(title(first), err);
	wh_pos_at(last->leads_at, err);
	for (; wh_buf_addf(&way, "%s (line %u) needs ", title(s), s->leads_at->line), s != last; s = s->leads_to)
		;
	wh_buf_adds(&way, first == last ? "itself" : title(first));
	wh_err_hint(err, "%s", way.p);
	return -EINVAL;
}

static int visit(struct wh_stage *s, struct wh_err **err);

/* The way goes on from s to other, by what stands at pos. */
static int follow(struct wh_stage *s, struct wh_stage *other, const struct wh_pos *pos, struct wh_err **err)
{
	s->leads_to = other;
	s->leads_at = pos;
	return other->on_path ? circle(other, s, err) : visit(other, err);
}

static int visit(struct wh_stage *s, struct wh_err **err)
{
	const struct wh_cmd *c;
	struct wh_stage *other;
	size_t cmd = 0, source = 0;
	int r = 0;

	if (s->visited)
		return 0;
	s->visited = s->on_path = true;
	if (s->base)
		r = follow(s, s->base, &s->pos, err);
	while (r == 0 && (other = need_at(s, &cmd, &source, &c)))
		r = follow(s, other, &c->pos, err);
	s->on_path = false;
	return r;
}

int wh_stages_check_cycles(struct wh_lower *l, struct wh_err **err)
{
	size_t i;
	int r = 0;

	for (i = 0; i < l->n_stages; i++)
		l->stages[i]->visited = l->stages[i]->on_path = false;
	for (i = 0; i < l->n_stages && r == 0; i++)
		r = visit(l->stages[i], err);
	return r;
}
