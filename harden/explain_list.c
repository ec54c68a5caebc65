/* SPDX-License-Identifier: Apache-2.0 */
/* What a prune report is asked: paths, patterns, lists, packages. The answers are parts of a document (schemas/explain-1.json). */
#include "harden/explain_private.h"

#include <errno.h>

#define MAX_LED 8  /* links to nowhere, one behind the other */
#define IN_FULL 20 /* that many matches of a pattern are explained in full; more get a line each */

/* ---------------------------------------------------------------- what an argument stands for */

/* With the plain beginning of a pattern made canonical: /lib/x on a merged /usr is /usr/lib/x. */
static char *canonical_pattern(struct wh_explained *x, const char *word)
{
	WH_AUTO_FREE char *plain = NULL, *canonical = NULL;
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	size_t n = strcspn(word, "*?[\\");

	while (n && word[n - 1] != '/')
		n--;
	plain = wh_strndup(word, n);
	if (wh_ex_walk(x, plain, true, NULL, &canonical) < 0)
		return wh_strdup(word);
	wh_buf_addc(&b, '/');
	for (const char *p = canonical; *p; p++) {
		if (strchr("*?[\\", *p))
			wh_buf_addc(&b, '\\');
		wh_buf_addc(&b, *p);
	}
	if (*canonical)
		wh_buf_addc(&b, '/');
	wh_buf_adds(&b, word + n);
	return wh_buf_take(&b);
}

/* Where a path would be: as much of it as there is, its links followed, and the rest as it stands. */
static char *as_far_as(struct wh_explained *x, const char *path)
{
	WH_AUTO_FREE char *clean = wh_path_abs_in("/", path), *there = wh_strdup("");
	const char *rest = clean + 1;

	while (*rest) {
		size_t n = (size_t)(rest - clean) + strcspn(rest, "/");
		WH_AUTO_FREE char *head = wh_strndup(clean, n), *canonical = NULL;

		if (wh_ex_walk(x, head, true, NULL, &canonical) < 0)
			break;
		free(there);
		there = WH_TAKE_PTR(canonical);
		rest = clean + n + (clean[n] == '/');
	}
	return wh_asprintf("%s%s%s", there, *there && *rest ? "/" : "", rest);
}

static const char *link_at(struct wh_explained *x, const char *path, struct wh_node_ref *n)
{
	const struct wh_ex_gone *g = wh_ex_gone_at(x, path);

	return g ? g->link : wh_tree_lookup(x->t, path, n) == 0 && n->e.type == WH_T_SYMLINK ? n->e.link : NULL;
}

/* Where a path is, or would be; links: those on the way. */
static char *would_be(struct wh_explained *x, const char *arg, struct wh_strv *links)
{
	WH_AUTO_FREE char *path = NULL;
	struct wh_node_ref n;
	unsigned led = 0;
	int r = wh_ex_walk(x, arg, true, links, &path);

	if (r == 0)
		return WH_TAKE_PTR(path);
	path = as_far_as(x, arg);
	/* One of them leads out of what there is; those in a ring lead nowhere. */
	for (size_t i = 0; r != -ELOOP && links && i < links->n && led < MAX_LED; i++) {
		const char *at = links->v[i], *to = link_at(x, at, &n);
		size_t len = strlen(at);
		WH_AUTO_FREE char *dir = NULL, *next = NULL;

		if (!to || !wh_has_prefix(path, at) || (path[len] && path[len] != '/'))
			continue;
		dir = strchr(at, '/') ? wh_path_dir(at) : wh_strdup("");
		next = wh_asprintf("%s/%s%s", to[0] == '/' ? "" : dir, to, path + len);
		free(path);
		path = as_far_as(x, next);
		led++;
	}
	return WH_TAKE_PTR(path);
}

int wh_ex_scope_open(struct wh_explained *x, const char *arg, struct wh_ex_scope *ret, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv words = {0};

	*ret = (struct wh_ex_scope){.dir = NULL};
	if (!wh_glob_has_meta(arg)) {
		ret->dir = would_be(x, arg, NULL);
		return 0;
	}
	if (arg[0] != '/')
		return wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_USAGE, EINVAL, "%s: a pattern begins with a slash",
				  arg);
	wh_strv_take(&words, canonical_pattern(x, arg));
	return wh_patterns_new(&words, &ret->patterns, err);
}

void wh_ex_scope_release(struct wh_ex_scope *s)
{
	free(s->dir);
	wh_patterns_freep(&s->patterns);
}

bool wh_ex_scope_has(const struct wh_ex_scope *s, const char *path)
{
	size_t n;

	if (s->patterns)
		return wh_patterns_excluded(s->patterns, path);
	n = strlen(s->dir);
	return !n || (wh_has_prefix(path, s->dir) && (!path[n] || path[n] == '/'));
}

struct scopes {
	struct wh_ex_scope *v;
	size_t n;
};

static void scopes_release(struct scopes *s)
{
	for (size_t i = 0; i < s->n; i++)
		wh_ex_scope_release(&s->v[i]);
	free(s->v);
}

static int scopes_open(struct wh_explained *x, const struct wh_strv *args, struct scopes *ret, struct wh_err **err)
{
	int r = 0;

	ret->v = wh_calloc(args->n + 1, sizeof(*ret->v));
	for (; r == 0 && ret->n < args->n; ret->n++)
		r = wh_ex_scope_open(x, args->v[ret->n], &ret->v[ret->n], err);
	return r;
}

static bool in_scope(const struct scopes *s, const char *path)
{
	for (size_t i = 0; i < s->n; i++)
		if (wh_ex_scope_has(&s->v[i], path))
			return true;
	return !s->n;
}

/* ---------------------------------------------------------------- all paths of a kind */

struct gather {
	const struct scopes *s;
	struct wh_strv *out;
};

static int gather_kept(void *arg, const struct wh_node_ref *n)
{
	struct gather *g = arg;

	if (in_scope(g->s, n->e.path))
		wh_strv_add(g->out, n->e.path);
	return 0;
}

static void gather(struct wh_explained *x, const struct scopes *s, bool kept, bool removed, struct wh_strv *ret)
{
	struct gather g = {s, ret};

	if (kept)
		wh_tree_walk(x->t, "", gather_kept, &g);
	for (size_t i = 0; removed && i < x->n_gone; i++)
		if (in_scope(s, x->gone[i].path))
			wh_strv_add(ret, x->gone[i].path);
}

/* Directories are nobody's. */
static const char *owner_of(struct wh_explained *x, const char *path)
{
	const struct wh_ex_gone *g = wh_ex_gone_at(x, path);

	return g ? g->owner : wh_json_str(wh_ex_item_of(x->kept, path), "package");
}

int wh_explained_list(struct wh_explained *x, bool kept, const struct wh_strv *args, json_t **ret, struct wh_err **err)
{
	WH_CLEANUP(scopes_release) struct scopes s = {0};
	WH_AUTO_STRV struct wh_strv paths = {0};
	json_t *a;
	int r = scopes_open(x, args, &s, err);

	if (r < 0)
		return r;
	gather(x, &s, kept, !kept, &paths);
	wh_strv_sort(&paths);
	a = json_array();
	for (size_t i = 0; i < paths.n; i++) {
		const json_t *o = wh_ex_item_of(x->kept, paths.v[i]);
		const char *name = wh_json_str(o, "name"), *rule = wh_json_str(o, "rule");
		json_t *item = json_pack("{s:o}", "path", wh_ex_path(paths.v[i])), *package;

		if (kept && rule)
			json_object_set_new(item, "rule", json_string(rule));
		if (kept && name)
			json_object_set_new(item, "name", json_string(name));
		package = wh_ex_package_json(x, owner_of(x, paths.v[i]));
		if (package)
			json_object_set_new(item, "package", package);
		json_array_append_new(a, item);
	}
	*ret = a;
	return 0;
}

/* ---------------------------------------------------------------- by package */

static int by_owner(struct wh_ex_package *a, struct wh_ex_package *b)
{
	static const char *const order[] = {"partial", "kept", "removed"};
	size_t i = 0, k = 0;

	if (!*a->owner != !*b->owner) /* nobody is last */
		return *a->owner ? -1 : 1;
	while (i < 2 && !wh_streq(a->state, order[i]))
		i++;
	while (k < 2 && !wh_streq(b->state, order[k]))
		k++;
	return i != k ? (i < k ? -1 : 1) : strcmp(a->owner, b->owner);
}

struct group { /* paths of one package */
	const char *owner;
	json_t *kept, *removed;
	UT_hash_handle hh;
};

static void groups_release(struct group **all)
{
	struct group *g, *next;

	HASH_ITER (hh, *all, g, next) {
		HASH_DEL(*all, g);
		json_decref(g->kept);
		json_decref(g->removed);
		free(g);
	}
}

static bool is_dir(struct wh_explained *x, const char *path)
{
	const struct wh_ex_gone *g = wh_ex_gone_at(x, path);
	struct wh_node_ref n;

	return g ? g->dir : wh_tree_lookup(x->t, path, &n) == 0 && n.e.type == WH_T_DIR;
}

static void group_paths(struct wh_explained *x, const struct wh_strv *paths, struct group **all)
{
	for (size_t i = 0; i < paths->n; i++) {
		const char *owner = owner_of(x, paths->v[i]);
		struct group *g;

		if (is_dir(x, paths->v[i]))
			continue;
		owner = owner ? owner : "";
		HASH_FIND_STR(*all, owner, g);
		if (!g) {
			g = wh_calloc(1, sizeof(*g));
			*g = (struct group){.owner = owner, .kept = json_array(), .removed = json_array()};
			HASH_ADD_KEYPTR(hh, *all, g->owner, strlen(g->owner), g);
		}
		json_array_append_new(wh_ex_gone_at(x, paths->v[i]) ? g->removed : g->kept, wh_ex_path(paths->v[i]));
	}
}

int wh_explained_packages(struct wh_explained *x, const struct wh_explained_want *w, const struct wh_strv *args,
			  json_t **ret, struct wh_err **err)
{
	WH_CLEANUP(scopes_release) struct scopes s = {0};
	WH_CLEANUP(groups_release) struct group *groups = NULL;
	WH_AUTO_STRV struct wh_strv paths = {0};
	int r = scopes_open(x, args, &s, err);
	json_t *a;

	if (r < 0)
		return r;
	gather(x, &s, w->kept || !w->removed, w->removed || !w->kept, &paths);
	wh_strv_sort(&paths);
	group_paths(x, &paths, &groups);
	HASH_SORT(x->packages, by_owner);
	a = json_array();
	for (const struct wh_ex_package *p = x->packages; p; p = p->hh.next) {
		struct group *g;
		json_t *o;

		HASH_FIND_STR(groups, p->owner, g);
		/* One that never had a file is in no scope but that of everything. */
		if (!g && (s.n || w->kept || w->removed || !*p->owner))
			continue;
		o = wh_ex_amounts(x, p->owner);
		if (g && (w->kept || s.n))
			json_object_set(o, "kept_paths", g->kept);
		if (g && (w->removed || s.n))
			json_object_set(o, "removed_paths", g->removed);
		json_array_append_new(a, o);
	}
	*ret = a;
	return 0;
}

/* ---------------------------------------------------------------- paths and patterns */

/* A directory that matches stands for what is below it. */
static bool below_another(const struct wh_ex_scope *s, const char *path)
{
	WH_AUTO_FREE char *dir = wh_strdup(path);
	char *slash;

	while ((slash = strrchr(dir, '/'))) {
		*slash = '\0';
		if (wh_ex_scope_has(s, dir))
			return true;
	}
	return false;
}

static int explain_pattern(struct wh_explained *x, const char *arg, json_t *found, struct wh_err **err)
{
	WH_CLEANUP(wh_ex_scope_release) struct wh_ex_scope one;
	struct scopes s = {&one, 1};
	WH_AUTO_STRV struct wh_strv all = {0}, paths = {0};
	int r = wh_ex_scope_open(x, arg, &one, err);

	if (r < 0)
		return r;
	gather(x, &s, true, true, &all);
	for (const struct wh_ex_seen *seen = x->seen; seen; seen = seen->hh.next)
		if (seen->first->list != WH_EX_USED && in_scope(&s, seen->path))
			wh_strv_add(&all, seen->path);
	wh_strv_sort(&all);
	for (size_t i = 0; i < all.n; i++)
		if ((!i || !wh_streq(all.v[i], all.v[i - 1])) && !below_another(&one, all.v[i]))
			wh_strv_add(&paths, all.v[i]);
	for (size_t i = 0; i < paths.n; i++)
		json_array_append_new(found, wh_ex_explain(x, paths.v[i], paths.n > IN_FULL));
	return 0;
}

static void explain_path(struct wh_explained *x, const char *arg, json_t *found)
{
	WH_AUTO_STRV struct wh_strv links = {0};
	WH_AUTO_FREE char *path = would_be(x, arg, &links), *clean = wh_path_abs_in("/", arg);

	for (size_t i = 0; i < links.n; i++) {
		const struct wh_strv before = {.v = links.v, .n = i};

		if (!wh_strv_has(&before, links.v[i])) /* a ring */
			json_array_append_new(found, wh_ex_explain(x, links.v[i], true));
	}
	/* What a run saw is told by where it was then. */
	if (!wh_ex_seen_at(x, path) && !wh_ex_gone_at(x, path) && wh_ex_seen_at(x, wh_rel(clean))) {
		free(path);
		path = wh_strdup(wh_rel(clean));
	}
	json_array_append_new(found, wh_ex_explain(x, path, false));
}

int wh_explained_path(struct wh_explained *x, const char *arg, json_t **ret, struct wh_err **err)
{
	json_t *found = json_array(), *item = json_pack("{s:o, s:o}", "asked", wh_path_json(arg), "found", found);
	int r = 0;

	if (wh_glob_has_meta(arg))
		r = explain_pattern(x, arg, found, err);
	else
		explain_path(x, arg, found);
	if (r < 0)
		json_decref(item);
	else
		*ret = item;
	return r;
}
