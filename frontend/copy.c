/* SPDX-License-Identifier: Apache-2.0 */
/*
 * COPY and ADD → a file vertex with one action a source.
 *
 * --link: the vertex stands on the empty tree, and a merge lays its layer over
 * the stage. So the layer does not depend on what is below it, and cannot ask
 * it anything either. With --chmod it is a plain copy, as in BuildKit.
 */
#include "frontend/lower.h"
#include "frontend/syntax.h"

#include <errno.h>

struct copy {
	struct wh_lower *l;
	struct wh_stage *s;
	const struct wh_cmd *c;
	bool add;
	struct wh_strv sources; /* expanded paths, in order */
	const char *dest;       /* expanded, as history shows it */
	const char *path;       /* absolute */
	const char *chown, *chmod;
	struct wh_add elsewhere;
	bool link;
	struct wh_file_action *actions;
	size_t n_actions;
	struct wh_vertex **inputs; /* behind the stage's own */
	size_t n_inputs;
};

/* ---- words ---- */

static bool is_heredoc(struct wh_lower *l, const char *word)
{
	struct wh_heredoc doc;

	return wh_heredoc_word(l->a, word, &doc, NULL) == 1;
}

/* Destination: relative ones below WORKDIR; a slash (or "/.") at the end stays, it says "a directory". */
static const char *destination(struct wh_lower *l, struct wh_stage *s, const char *dest)
{
	const char *cwd = wh_image_text(s, "WorkingDir");
	WH_AUTO_FREE char *abs = wh_path_abs_in(*cwd ? cwd : "/", dest);
	bool dir = !*dest || wh_streq(dest, ".") || wh_has_suffix(dest, "/") || wh_has_suffix(dest, "/.");

	return wh_arena_printf(l->a, "%s%s", abs, dir && !wh_streq(abs, "/") ? "/" : "");
}

/* Relative to the source's root, clean; ".." stops at the root. */
static char *relative(const char *path)
{
	char *abs = wh_path_abs_in("/", path), *rel;

	rel = wh_strdup(abs[1] ? abs + 1 : ".");
	free(abs);
	return rel;
}

/* --parents keeps what stands behind the pivot "/./". */
static const char *source_path(struct copy *x, const char *src)
{
	bool parents = wh_flag_bool(x->c->n, "parents", false);
	const char *pivot = parents ? strstr(src, "/./") : NULL;
	WH_AUTO_FREE char *head = NULL, *tail = NULL, *text = NULL;

	if (!pivot) {
		text = relative(src);
		return wh_arena_strdup(x->l->a, text);
	}
	text = wh_strndup(src, (size_t)(pivot - src));
	head = relative(text);
	tail = relative(pivot + 3);
	if (wh_streq(head, "."))
		return wh_arena_strdup(x->l->a, tail);
	return wh_arena_printf(x->l->a, "%s/./%s", head, tail);
}

static int expand_words(struct copy *x, struct wh_err **err)
{
	const struct wh_node *n = x->c->n;
	size_t i;
	int r;

	for (i = 0; i < n->n_args; i++) {
		char *word = NULL;

		if (i + 1 < n->n_args && is_heredoc(x->l, n->args[i]))
			continue;
		r = wh_scope_expand(x->l, x->s, n->args[i], &word, err);
		if (r < 0)
			return r;
		if (i + 1 < n->n_args) {
			wh_strv_take(&x->sources, word);
			continue;
		}
		x->dest = wh_arena_strdup(x->l->a, word);
		free(word);
	}
	x->path = destination(x->l, x->s, x->dest);
	return 0;
}

static int expand_flags(struct copy *x, struct wh_err **err)
{
	const char *chown = wh_flag_text(x->c->n, "chown"), *chmod = wh_flag_text(x->c->n, "chmod");
	int r = 0;

	if (chown)
		r = wh_scope_keep(x->l, x->s, chown, &x->chown, err);
	if (r == 0 && chmod)
		r = wh_scope_keep(x->l, x->s, chmod, &x->chmod, err);
	if (r < 0)
		return r;
	if (x->chown && !*x->chown)
		x->chown = NULL;
	if (x->chmod && !*x->chmod)
		x->chmod = NULL;
	x->link = wh_flag_bool(x->c->n, "link", false) && !x->chmod;
	return x->chmod ? wh_mode_check(x->chmod, err) : 0;
}

/* ---- judging ---- */

static int check_sources(struct copy *x, struct wh_err **err)
{
	size_t i;

	for (i = 0; i < x->sources.n; i++) {
		const char *src = x->sources.v[i];
		bool git = wh_is_git(src);

		if (x->add || (!git && !wh_is_url(src)))
			continue;
		wh_usage_word(err, src, "source can't be a %s for COPY", git ? "git ref" : "URL");
		wh_err_hint(err, "ADD takes it");
		return -EINVAL;
	}
	return x->add ? wh_add_flags(x->l, x->s, x->c, &x->sources, &x->elsewhere, err) : 0;
}

/* A name to look up in the image; "root" needs none. */
static bool is_name(const char *p, size_t n)
{
	size_t i;

	if (n == 4 && memcmp(p, "root", 4) == 0)
		return false;
	for (i = 0; i < n; i++)
		if (p[i] < '0' || p[i] > '9')
			return true;
	return false;
}

static int check_link(const struct copy *x, struct wh_err **err)
{
	const char *owner = x->chown ? x->chown : "", *group = strchr(owner, ':');
	size_t n = group ? (size_t)(group - owner) : strlen(owner);
	bool user = is_name(owner, n);

	if (!x->link || (!user && !(group && is_name(group + 1, strlen(group + 1)))))
		return 0;
	wh_usage_word(err, x->chown, "--chown=%s: with --link nobody can say which %s that is, as the copy does not see the image",
		 x->chown, user ? "user" : "group");
	wh_err_hint(err, "write numbers, or leave out --link");
	return -EINVAL;
}

/* ---- actions ---- */

static int add_input(struct copy *x, struct wh_vertex *v)
{
	x->inputs[x->n_inputs++] = v;
	return (int)x->n_inputs; /* 0 is the stage itself */
}

static int source_tree(struct copy *x, struct wh_vertex **ret, struct wh_err **err)
{
	struct wh_stage *from = x->c->n_sources ? x->c->sources[0] : NULL;

	if (!from) {
		*ret = wh_local_source(x->l, "context");
		return 0;
	}
	if (!from->lowered)
	{
		const char *name = wh_flag_text(x->c->n, "from");
		WH_AUTO_FREE char *flag = wh_asprintf("--from=%s", name);

		wh_usage_word(err, name,
			      "cannot copy from stage \"%s\", it needs to be defined before current stage \"%s\"", name,
			      x->s->name ? x->s->name : x->s->label);
		wh_err_within(err, flag);
		wh_err_hint(err, "move the stage %s above this one", name);
		return -EINVAL;
	}
	*ret = from->state;
	return 0;
}

static const char *const *excludes(struct copy *x)
{
	WH_AUTO_STRV struct wh_strv list = {0};
	const char *pattern;
	size_t pos = 0;

	while ((pattern = wh_flag_next(x->c->n, "exclude", &pos)))
		wh_strv_add(&list, pattern);
	return list.n ? wh_arena_list(x->l->a, &list) : NULL;
}

static const char *const *one(struct wh_arena *a, const char *s)
{
	const char **v = wh_arena_alloc(a, 2 * sizeof(*v));

	v[0] = s;
	return v;
}

/* tree: the input with the context or stage, once there is one. */
static int path_action(struct copy *x, const char *src, const char *const *exclude, int *tree, struct wh_err **err)
{
	struct wh_file_action a = {
		.kind = WH_FILE_COPY,
		.exclude = exclude,
		.path = x->path,
		.chown = x->chown,
		.chmod = x->chmod,
	};
	struct wh_vertex *v = NULL;
	int r = x->add ? wh_add_source(x->l, x->c, &x->elsewhere, src, &v, &a, err) : 0;

	if (r < 0)
		return r;
	if (r == 1) {
		a.input = add_input(x, v);
		x->actions[x->n_actions++] = a;
		return 0;
	}
	if (!*tree) {
		r = source_tree(x, &v, err);
		if (r < 0)
			return r;
		*tree = add_input(x, v);
	}
	a.input = *tree;
	a.srcs = one(x->l->a, source_path(x, src));
	a.no_glob = false;
	a.parents = wh_flag_bool(x->c->n, "parents", false);
	a.unpack = x->add && wh_flag_bool(x->c->n, "unpack", true);
	a.unpack_all = x->add && wh_flag_bool(x->c->n, "unpack", false);
	x->actions[x->n_actions++] = a;
	return 0;
}

/* The body becomes a file of its own, in an empty tree; from there it is copied like any other. */
static int heredoc_action(struct copy *x, const struct wh_heredoc *h, struct wh_err **err)
{
	size_t len = h->len;
	WH_AUTO_FREE char *chomped = h->chomp ? wh_heredoc_chomp(h->data, h->len, &len) : NULL, *expanded = NULL;
	struct wh_file_action *make = wh_arena_alloc(x->l->a, sizeof(*make));
	struct wh_op_file *op = wh_arena_alloc(x->l->a, sizeof(*op));
	struct wh_vertex **inputs = wh_arena_alloc(x->l->a, sizeof(struct wh_vertex *));
	struct wh_vertex v = {.kind = WH_OP_FILE, .op.file = op, .inputs = inputs, .n_inputs = 1, .pos = x->c->pos};
	const char *body = chomped ? chomped : h->data;
	int r;

	if (h->expand) {
		r = wh_scope_expand_raw(x->l, x->s, body, &expanded, err);
		if (r < 0)
			return r;
		body = expanded;
		len = strlen(expanded);
	}
	*make = (struct wh_file_action){
		.kind = WH_FILE_MKFILE,
		.input = -1,
		.path = wh_arena_printf(x->l->a, "/%s", h->name),
		.data = wh_arena_strndup(x->l->a, body, len),
		.data_len = len,
	};
	op->actions = make;
	op->n_actions = 1;
	v.name = "[internal] preparing inline document";
	v.stage = x->s->name;
	x->actions[x->n_actions++] = (struct wh_file_action){
		.kind = WH_FILE_COPY,
		.input = add_input(x, wh_graph_add(x->l->g, &v)),
		.srcs = one(x->l->a, wh_arena_strdup(x->l->a, h->name)),
		.no_glob = true,
		.path = x->path,
		.chown = x->chown,
		.chmod = x->chmod,
	};
	return 0;
}

static int build_actions(struct copy *x, struct wh_err **err)
{
	const struct wh_node *n = x->c->n;
	const char *const *exclude = excludes(x);
	size_t i, all = x->sources.n + n->n_heredocs;
	int r = 0, tree = 0;

	x->actions = wh_arena_alloc(x->l->a, all * sizeof(*x->actions));
	x->inputs = wh_arena_alloc(x->l->a, all * sizeof(struct wh_vertex *));
	for (i = 0; i < x->sources.n && r == 0; i++)
		r = path_action(x, x->sources.v[i], exclude, &tree, err);
	for (i = 0; i < n->n_heredocs && r == 0; i++)
		r = heredoc_action(x, &n->heredocs[i], err);
	return r;
}

/* Why a source may be missing, going by how it is written. NULL: nothing strikes the eye. */
static const char *missing_hint(const struct copy *x)
{
	bool context = !x->c->n_sources || !x->c->sources[0];
	size_t i;

	if (context && x->l->o->no_context)
		return "there is no build context, as the Dockerfile came alone on standard input; give a directory, and "
		       "the file with -f -";
	for (i = 0; i < x->sources.n; i++) {
		const char *src = x->sources.v[i], *word = i < x->c->n->n_args ? x->c->n->args[i] : "";

		if (x->l->d->escape == '\\' && strchr(word, '\\') && !strchr(src, '\\'))
			return "a backslash stands for itself only where \"# escape=`\" is at the top; write paths with /";
		if (context && (wh_streq(src, "..") || wh_has_prefix(src, "../")))
			return "\"..\" does not lead out of the build context; what lies beside it is reached with "
			       "--build-context NAME=DIR on the command line and --from=NAME here";
		if (context && *src == '/')
			return "paths begin at the build context, the directory that build was given, and not at this "
			       "machine's root";
		if (strchr(word, '$') && !*src)
			return "a variable that is not set leaves nothing";
	}
	if (!context && x->c->sources[0]->context && wh_is_url(x->c->sources[0]->context->ref))
		return "a build context from a URL holds one file, called \"context\", as it came; ADD of the URL unpacks";
	return NULL;
}

/* Where --from leads. */
static const char *sought(const struct copy *x)
{
	const char *from = wh_flag_text(x->c->n, "from");

	if (!x->c->n_sources || !x->c->sources[0] || !from || !*from)
		return NULL;
	return from[strspn(from, "0123456789")] ? from : wh_arena_printf(x->l->a, "stage %s", from);
}

static void add_history(struct copy *x, const struct wh_vertex *v)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	size_t i;

	wh_buf_adds(&text, x->add ? "ADD" : "COPY");
	if (wh_flag_bool(x->c->n, "parents", false))
		wh_buf_adds(&text, " --parents");
	if (x->chown)
		wh_buf_addf(&text, " --chown=%s", x->chown);
	if (x->chmod)
		wh_buf_addf(&text, " --chmod=%s", x->chmod);
	for (i = 0; i < x->sources.n; i++)
		wh_buf_addf(&text, " %s", x->sources.v[i]);
	for (i = 0; i < x->c->n->n_heredocs; i++)
		wh_buf_addf(&text, " <<%s", x->c->n->heredocs[i].name);
	wh_buf_addf(&text, " %s # buildkit", x->dest);
	wh_history_add(x->l, x->s, text.p, v);
}

/* What has the copy's layer on top of the stage's. */
static const struct wh_vertex *add_vertex(struct copy *x, const char *name)
{
	struct wh_stage *s = x->s;
	struct wh_vertex *below = s->state;
	struct wh_vertex merge = {.kind = WH_OP_MERGE, .n_inputs = 2, .pos = x->c->pos, .stage = s->name};
	struct wh_vertex **inputs;

	if (!x->link || !below)
		return wh_file_vertex(x->l, s, x->c, name, x->actions, x->n_actions, x->inputs, x->n_inputs);
	s->state = NULL;
	inputs = wh_arena_alloc(x->l->a, 2 * sizeof(struct wh_vertex *));
	inputs[0] = below;
	inputs[1] = wh_file_vertex(x->l, s, x->c, name, x->actions, x->n_actions, x->inputs, x->n_inputs);
	merge.inputs = inputs;
	merge.name = wh_arena_printf(x->l->a, "%s (linked)", inputs[1]->name);
	s->state = wh_graph_add(x->l->g, &merge);
	return s->state;
}

static int lower(struct copy *x, struct wh_err **err)
{
	const struct wh_stage *from = x->c->n_sources ? x->c->sources[0] : NULL;
	struct wh_cmd told = *x->c;
	WH_AUTO_FREE char *name = NULL;
	size_t i;
	int r = expand_words(x, err);

	told.pos.missing = missing_hint(x);
	told.pos.sought = sought(x);
	x->c = &told;
	if (r == 0)
		r = expand_flags(x, err);
	if (r == 0)
		r = check_sources(x, err);
	for (i = 0; i < x->sources.n && r == 0 && !from; i++)
		if (!wh_is_url(x->sources.v[i]) && !wh_is_git(x->sources.v[i]))
			wh_lint_copy_source(x->l, x->c, x->sources.v[i]);
	if (r == 0)
		r = check_link(x, err);
	if (r == 0)
		r = build_actions(x, err);
	if (r < 0)
		return r;
	name = wh_scope_shown(x->l, x->s, x->c->n->original);
	add_history(x, add_vertex(x, name));
	return 0;
}

int wh_lower_copy(struct wh_lower *l, struct wh_stage *s, const struct wh_cmd *c, struct wh_err **err)
{
	struct copy x = {.l = l, .s = s, .c = c, .add = c->n->instr == WH_I_ADD, .dest = ""};
	int r = lower(&x, err);

	wh_strv_release(&x.sources);
	return r;
}
