/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers without a build, in the JSON of BuildKit's subrequests: frontend.lint, frontend.outline, frontend.targets.
 * As there, empty fields are left out, a place is a range for each line, and the file's text goes along in base64.
 */
#include "frontend/outline.h"
#include "frontend/lower.h"

#include <stdlib.h>

/* ---- pieces ---- */

static json_t *place(unsigned line, unsigned last_line)
{
	json_t *ranges = json_array();
	unsigned i;

	for (i = line; line && (i == line || i <= last_line); i++)
		json_array_append_new(ranges, json_pack("{s:{s:I}, s:{s:I}}", "start", "line", (json_int_t)i, "end",
							"line", (json_int_t)i));
	if (json_array_size(ranges))
		return json_pack("{s:o}", "ranges", ranges);
	json_decref(ranges);
	return json_object();
}

static char *base64(const char *data, size_t n)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = (const unsigned char *)data;
	char *out = wh_malloc(n / 3 * 4 + 5), *o = out;
	size_t i;

	for (i = 0; i < n; i += 3) {
		unsigned bits = (unsigned)p[i] << 16;

		if (i + 1 < n)
			bits |= (unsigned)p[i + 1] << 8;
		if (i + 2 < n)
			bits |= p[i + 2];
		*o++ = digits[bits >> 18];
		*o++ = digits[bits >> 12 & 63];
		*o++ = i + 1 < n ? digits[bits >> 6 & 63] : '=';
		*o++ = i + 2 < n ? digits[bits & 63] : '=';
	}
	*o = '\0';
	return out;
}

static json_t *source_text(const char *text, size_t n)
{
	WH_AUTO_FREE char *data = base64(text, n);

	return json_string(data);
}

/* Only what holds something. */
static void put_text(json_t *object, const char *key, const char *value)
{
	if (value && *value)
		json_object_set_new(object, key, wh_json_text(value));
}

/* What a comment above says of a name: "# NAME what it is". */
static const char *description(const struct wh_node *n, const char *name)
{
	size_t len = strlen(name), i;

	for (i = 0; len && n->comments && n->comments[i]; i++)
		if (wh_has_prefix(n->comments[i], name) && n->comments[i][len] == ' ')
			return n->comments[i] + len + 1;
	return NULL;
}

/* ---- lint ---- */

struct sink {
	json_t *warnings;
	const struct wh_lower_opts *caller;
};

static void tell_unresolved(void *arg, const char *name)
{
	const struct sink *sink = arg;

	sink->caller->unresolved(sink->caller->warn_arg, name);
}

static void collect(void *arg, const struct wh_lint_warning *w)
{
	const struct sink *sink = arg;
	json_t *one = json_object();

	json_object_set_new(one, "ruleName", json_string(w->rule));
	put_text(one, "description", w->description);
	put_text(one, "url", w->url);
	put_text(one, "detail", w->message);
	json_object_set_new(one, "location", place(w->line, w->last_line));
	json_array_append_new(sink->warnings, one);
}

static json_t *lint_answer(const char *name, const char *text, size_t len)
{
	json_t *source = json_object();

	put_text(source, "filename", wh_path_base(name));
	json_object_set_new(source, "data", source_text(text, len));
	json_object_set_new(source, "language", json_string("Dockerfile"));
	return json_pack("{s:[], s:[o]}", "warnings", "sources", source);
}

/* syntax: in BuildKit's words, which say the line again. */
static void put_error(json_t *answer, const struct wh_err *err, bool syntax, unsigned last_line)
{
	WH_AUTO_FREE char *text = syntax && err->line
					  ? wh_asprintf("dockerfile parse error on line %u: %s", err->line, err->msg)
					  : wh_strdup(err->msg);

	json_object_set_new(
		answer, "buildError",
		json_pack("{s:o, s:o}", "message", wh_json_text(text), "location", place(err->line, last_line)));
}

json_t *wh_dockerfile_lint_refused(const char *name, const char *text, size_t len, const struct wh_err *err)
{
	json_t *answer = lint_answer(name, text, len);

	put_error(answer, err, false, err->line);
	return answer;
}

json_t *wh_dockerfile_lint(const struct wh_dockerfile *d, const struct wh_lower_opts *opts)
{
	return wh_dockerfile_lint_why(d, opts, NULL);
}

json_t *wh_dockerfile_lint_why(const struct wh_dockerfile *d, const struct wh_lower_opts *opts, struct wh_err **ret_why)
{
	json_t *answer = lint_answer(d->name, d->text, d->len);
	struct sink sink = {json_object_get(answer, "warnings"), opts};
	struct wh_lower_opts o = *opts;
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_graph *g = wh_graph_new();
	struct wh_target target = {0};
	unsigned last_line = 0;
	size_t i;

	o.all_stages = !o.target || !*o.target;
	o.warn = collect;
	o.warn_arg = &sink;
	o.unresolved = opts->unresolved ? tell_unresolved : NULL;
	o.allow_insecure = o.allow_host_network = true; /* nothing is run */
	if (wh_dockerfile_lower(d, &o, g, &target, &err) < 0) {
		for (i = 0; i < d->n_nodes; i++)
			if (d->nodes[i].line == err->line)
				last_line = d->nodes[i].last_line;
		put_error(answer, err, wh_dockerfile_check(d, NULL) < 0, last_line);
		if (ret_why)
			*ret_why = WH_TAKE_PTR(err);
	}
	wh_target_release(&target);
	wh_graph_free(g);
	return answer;
}

/* ---- targets ---- */

int wh_dockerfile_targets(const struct wh_dockerfile *d, json_t **ret, struct wh_err **err)
{
	json_t *list, *one = NULL;
	size_t i;
	int r = wh_dockerfile_check(d, err);

	if (r < 0)
		return r;
	list = json_array();
	for (i = 0; i < d->n_nodes; i++) {
		const struct wh_node *n = &d->nodes[i];
		WH_AUTO_FREE char *name = wh_lower_case(n->instr == WH_I_FROM && n->n_args == 3 ? n->args[2] : "");

		if (n->instr != WH_I_FROM)
			continue;
		one = json_object();
		put_text(one, "name", name);
		put_text(one, "description", description(n, name));
		put_text(one, "base", n->args[0]);
		put_text(one, "platform", wh_flag_text(n, "platform"));
		json_object_set_new(one, "location", place(n->line, n->last_line));
		json_array_append_new(list, one);
	}
	json_object_set_new(one, "default", json_true());
	*ret = json_pack("{s:o, s:[o]}", "targets", list, "sources", source_text(d->text, d->len));
	return 0;
}

/* ---- what lowering notes ---- */

static struct wh_outline_arg *find_arg(const struct wh_outline *o, const char *name)
{
	size_t i;

	for (i = 0; i < o->n_args; i++)
		if (wh_streq(o->args[i].name, name))
			return &o->args[i];
	return NULL;
}

static bool in_list(const struct wh_strv *list, const char *s)
{
	size_t i;

	for (i = 0; i < list->n; i++)
		if (wh_streq(list->v[i], s))
			return true;
	return false;
}

void wh_outline_use(struct wh_outline *o, const char *name)
{
	if (!in_list(&o->used, name))
		wh_strv_add(&o->used, name);
}

void wh_outline_arg(struct wh_lower *l, struct wh_outline *o, const struct wh_node *n, const struct wh_pos *pos,
		    const char *name, const char *value, const struct wh_strv *needs)
{
	struct wh_outline_arg *old = find_arg(o, name), arg = {0};
	const char *text = description(n, name);
	size_t i;

	arg.name = wh_arena_strdup(l->a, name);
	arg.value = value ? wh_arena_strdup(l->a, value) : NULL;
	arg.description = text ? wh_arena_strdup(l->a, text) : NULL;
	arg.line = pos->line;
	arg.last_line = pos->last_line;
	for (i = 0; needs && i < needs->n; i++)
		if (!wh_streq(needs->v[i], name))
			wh_strv_add(&arg.needs, needs->v[i]);
	if (old && needs && in_list(needs, name))
		for (i = 0; i < old->needs.n; i++)
			wh_strv_add(&arg.needs, old->needs.v[i]);
	if (old) {
		wh_strv_release(&old->needs);
		*old = arg;
	} else {
		WH_PUSH(o->args, o->n_args, o->cap_args) = arg;
	}
}

/* As the Dockerfile has it, without the namespace that run.c puts in front. */
static const char *own_id(const struct wh_op_mount *m)
{
	const char *id = m->type == WH_MOUNT_CACHE && wh_has_prefix(m->id, WH_CACHE_NS) ? strstr(m->id + 2, WH_CACHE_NS) : NULL;

	return id ? id + strlen(WH_CACHE_NS) : m->id;
}

void wh_outline_mounts(struct wh_stage *s, const struct wh_cmd *c, const struct wh_op_exec *op)
{
	struct wh_outline *o = &s->outline;
	size_t i, k;

	for (i = 0; i < op->n_mounts; i++) {
		const struct wh_op_mount *m = &op->mounts[i];
		const char *id = own_id(m);

		if (m->type != WH_MOUNT_SECRET && m->type != WH_MOUNT_SSH && m->type != WH_MOUNT_CACHE)
			continue;
		for (k = 0; k < o->n_mounts; k++)
			if (o->mounts[k].type == m->type && wh_streq(o->mounts[k].id, id))
				break;
		if (k == o->n_mounts)
			WH_PUSH(o->mounts, o->n_mounts, o->cap_mounts) =
				(struct wh_outline_mount){m->type, id, m->required, c->pos.line, c->pos.last_line};
	}
}

void wh_outline_release(struct wh_outline *o)
{
	size_t i;

	for (i = 0; i < o->n_args; i++)
		wh_strv_release(&o->args[i].needs);
	free(o->args);
	free(o->mounts);
	wh_strv_release(&o->used);
}

/* ---- the answer ---- */

struct answer {
	struct wh_lower *l;
	struct wh_strv seen; /* names of arguments: the target's own count first, then its base's, then the others' */
	const struct wh_outline_arg **args;
	size_t n_args, cap_args;
	const struct wh_outline_mount **mounts;
	size_t n_mounts, cap_mounts;
};

static const struct wh_outline_arg *arg_of(const struct answer *a, const struct wh_stage *s, const char *name)
{
	const struct wh_outline_arg *own = find_arg(&s->outline, name);

	return own ? own : find_arg(&a->l->outline, name);
}

static void add_args(struct answer *a, const struct wh_stage *s)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	size_t i, k;

	wh_strv_copy(&names, &s->outline.used);
	for (i = 0; i < names.n; i++) { /* grows while it is walked */
		const struct wh_outline_arg *arg = arg_of(a, s, names.v[i]);

		for (k = 0; arg && k < arg->needs.n; k++)
			if (!in_list(&names, arg->needs.v[k]))
				wh_strv_add(&names, arg->needs.v[k]);
		if (!arg || in_list(&a->seen, arg->name))
			continue;
		wh_strv_add(&a->seen, arg->name);
		WH_PUSH(a->args, a->n_args, a->cap_args) = arg;
	}
}

static void add_mounts(struct answer *a, const struct wh_stage *s)
{
	size_t i, k;

	for (i = 0; i < s->outline.n_mounts; i++) {
		const struct wh_outline_mount *m = &s->outline.mounts[i];

		for (k = 0; k < a->n_mounts; k++)
			if (a->mounts[k]->type == m->type && wh_streq(a->mounts[k]->id, m->id))
				break;
		if (k == a->n_mounts)
			WH_PUSH(a->mounts, a->n_mounts, a->cap_mounts) = m;
	}
}

static void add_stage(struct answer *a, struct wh_stage *s)
{
	size_t i, k;

	if (!s || s->visited)
		return;
	s->visited = true;
	add_args(a, s);
	add_mounts(a, s);
	add_stage(a, s->base);
	for (i = 0; i < s->n_cmds; i++)
		for (k = 0; k < s->cmds[i].n_sources; k++)
			add_stage(a, s->cmds[i].sources[k]);
}

static int by_line(unsigned a, unsigned b)
{
	return a < b ? -1 : a > b;
}

static int args_by_line(const void *a, const void *b)
{
	const struct wh_outline_arg *const *x = a, *const *y = b;
	int r = by_line((*x)->line, (*y)->line);

	return r ? r : strcmp((*x)->name, (*y)->name);
}

static int mounts_by_line(const void *a, const void *b)
{
	const struct wh_outline_mount *const *x = a, *const *y = b;
	int r = by_line((*x)->line, (*y)->line);

	return r ? r : strcmp((*x)->id, (*y)->id);
}

static void put_args(json_t *answer, const struct answer *a)
{
	json_t *list = json_array(), *one;
	size_t i;

	for (i = 0; i < a->n_args; i++) {
		one = json_pack("{s:o}", "name", wh_json_text(a->args[i]->name));
		put_text(one, "description", a->args[i]->description);
		put_text(one, "value", a->args[i]->value);
		json_object_set_new(one, "location", place(a->args[i]->line, a->args[i]->last_line));
		json_array_append_new(list, one);
	}
	if (i)
		json_object_set(answer, "args", list);
	json_decref(list);
}

static void put_mounts(json_t *answer, const struct answer *a, enum wh_mount_type type, const char *key)
{
	json_t *list = json_array(), *one;
	size_t i;

	for (i = 0; i < a->n_mounts; i++) {
		const struct wh_outline_mount *m = a->mounts[i];

		if (m->type != type)
			continue;
		one = json_pack("{s:o}", type == WH_MOUNT_CACHE ? "ID" : "name", wh_json_text(m->id));
		if (m->required)
			json_object_set_new(one, "required", json_true());
		json_object_set_new(one, "location", place(m->line, m->last_line));
		json_array_append_new(list, one);
	}
	if (json_array_size(list))
		json_object_set(answer, key, list);
	json_decref(list);
}

json_t *wh_outline_json(struct wh_lower *l, struct wh_stage *target)
{
	struct answer a = {.l = l};
	json_t *answer = json_object();
	size_t i;

	for (i = 0; i < l->n_stages; i++)
		l->stages[i]->visited = false;
	add_stage(&a, target);
	if (a.n_args)
		qsort(a.args, a.n_args, sizeof(struct wh_outline_arg *), args_by_line);
	if (a.n_mounts)
		qsort(a.mounts, a.n_mounts, sizeof(struct wh_outline_mount *), mounts_by_line);
	put_text(answer, "name", target->name);
	put_text(answer, "description", target->name ? description(target->from, target->name) : NULL);
	put_args(answer, &a);
	put_mounts(answer, &a, WH_MOUNT_SECRET, "secrets");
	put_mounts(answer, &a, WH_MOUNT_SSH, "ssh");
	put_mounts(answer, &a, WH_MOUNT_CACHE, "cache");
	json_object_set_new(answer, "sources", json_pack("[o]", source_text(l->d->text, l->d->len)));
	free(a.args);
	free(a.mounts);
	wh_strv_release(&a.seen);
	return answer;
}
