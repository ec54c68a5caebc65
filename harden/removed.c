/* SPDX-License-Identifier: Apache-2.0 */
#include "harden/removed.h"
#include "harden/tree.h"

int wh_removed_open(struct wh_tree *t, struct wh_removed *ret, struct wh_err **err)
{
	int r;

	*ret = (struct wh_removed){.tree = json_object(), .packages = json_object()};
	r = wh_dpkg_read(t, &ret->dpkg, err);
	return r < 0 ? r : wh_dpkg_files_read(t, &ret->dpkg, &ret->files, err);
}

void wh_removed_release(struct wh_removed *r)
{
	wh_dpkg_files_release(&r->files);
	wh_dpkg_release(&r->dpkg);
	for (size_t i = 0; i < r->n_langs; i++)
		free(r->langs[i].path);
	free(r->langs);
	wh_strv_release(&r->lang_owners);
	json_decref(r->tree);
	json_decref(r->packages);
	*r = (struct wh_removed){.tree = NULL};
}

const struct wh_dpkg_record *wh_removed_record_of(const struct wh_removed *r, const char *path)
{
	size_t lo = 0, hi = r->files.n;

	while (lo < hi) { /* the first of that path */
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(r->files.v[mid].path, path) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < r->files.n && wh_streq(r->files.v[lo].path, path); lo++)
		if (r->dpkg.v[r->files.v[lo].record].installed)
			return &r->dpkg.v[r->files.v[lo].record];
	return NULL;
}

/* ---------------------------------------------------------------- packages of languages */

static int by_path(const void *x, const void *y)
{
	const struct wh_lang_owned *a = x, *b = y;
	int r = strcmp(a->path, b->path);

	return r ? r : (a->owner > b->owner) - (a->owner < b->owner);
}

static int on_metadata(void *arg, const struct wh_node_ref *n)
{
	if (n->e.type != WH_T_DIR)
		wh_strv_add(arg, n->e.path);
	return 0;
}

static int add_lang(struct wh_removed *r, struct wh_tree *t, const struct wh_lang_package *p, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv files = {0};
	bool known;
	int e = wh_lang_files(t, p, &files, &known, err);

	if (e == 0)
		e = wh_lang_metadata(t, p, &files, err);
	if (e == 0 && (wh_has_suffix(p->dir, ".dist-info") || wh_has_suffix(p->dir, ".egg-info")))
		e = wh_tree_walk(t, p->dir, on_metadata, &files);
	if (e < 0)
		return e;
	wh_strv_addf(&r->lang_owners, "%s %s %s", p->kind == WH_PKG_NPM ? "npm" : "python", p->name,
		     p->version && *p->version ? p->version : "?");
	for (size_t i = 0; i < files.n; i++)
		WH_PUSH(r->langs, r->n_langs, r->cap_langs) =
			(struct wh_lang_owned){wh_strdup(files.v[i]), r->lang_owners.n - 1};
	return 0;
}

int wh_removed_open_langs(struct wh_removed *r, struct wh_tree *t, struct wh_err **err)
{
	WH_CLEANUP(wh_lang_release) struct wh_lang_packages l = {0};
	int e = wh_lang_find(t, &l, err);

	for (size_t i = 0; e == 0 && i < l.n; i++)
		if (!wh_dpkg_files_owned(&r->files, &r->dpkg, l.v[i].record))
			e = add_lang(r, t, &l.v[i], err);
	if (r->n_langs)
		qsort(r->langs, r->n_langs, sizeof(*r->langs), by_path);
	return e;
}

const char *wh_removed_owner_of(const struct wh_removed *r, const char *path)
{
	const struct wh_dpkg_record *record = wh_removed_record_of(r, path);
	size_t lo = 0, hi = r->n_langs;

	if (record)
		return record->name;
	while (lo < hi) { /* the first of that path */
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(r->langs[mid].path, path) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < r->n_langs && wh_streq(r->langs[lo].path, path) ? r->lang_owners.v[r->langs[lo].owner] : NULL;
}

/* ---------------------------------------------------------------- the tree */

/* One component as a key; NULL at the end of the path. */
static json_t *next_key(const char **path)
{
	WH_AUTO_FREE char *name = NULL;
	size_t n;

	*path += strspn(*path, "/");
	n = strcspn(*path, "/");
	if (!n)
		return NULL;
	name = wh_strndup(*path, n);
	*path += n;
	return wh_path_json(name);
}

static json_t *leaf(const struct wh_node_ref *n, const char *owner)
{
	json_t *o = owner ? wh_path_json(owner) : json_true();

	return n->e.type == WH_T_SYMLINK ? json_pack("[o, o]", wh_path_json(n->e.link), o) : o;
}

/* A hard-linked content counts under its first name. */
static void add_size(struct wh_removed *r, const struct wh_node_ref *n, const char *owner)
{
	WH_AUTO_JSON json_t *key = wh_path_json(owner ? owner : "");
	json_t *o = json_object_get(r->packages, json_string_value(key));
	uint64_t bytes = n->e.type == WH_T_FILE && !n->e.link ? n->e.size : 0;

	if (!o)
		json_object_set_new(r->packages, json_string_value(key), o = json_object());
	json_object_set_new(o, "files", json_integer(wh_json_int(o, "files", 0) + 1));
	json_object_set_new(o, "bytes", json_integer(wh_json_int(o, "bytes", 0) + (json_int_t)bytes));
}

void wh_removed_add(struct wh_removed *r, const struct wh_node_ref *n)
{
	const char *rest = n->e.path, *owner = n->e.type == WH_T_DIR ? NULL : wh_removed_owner_of(r, n->e.path);
	json_t *dir = r->tree, *key, *sub;
	unsigned depth = 0;

	if (n->e.type != WH_T_DIR)
		add_size(r, n, owner);
	while (depth++ < WH_REMOVED_DEPTH && (key = next_key(&rest))) {
		sub = json_object_get(dir, json_string_value(key));
		if (!sub && (*rest || n->e.type == WH_T_DIR))
			json_object_set_new(dir, json_string_value(key), sub = json_object());
		else if (!sub)
			json_object_set_new(dir, json_string_value(key), leaf(n, owner));
		dir = sub;
		json_decref(key);
	}
}

const json_t *wh_removed_find(const json_t *tree, const char *path)
{
	json_t *key;

	while (tree && (key = next_key(&path))) {
		tree = json_object_get(tree, json_string_value(key));
		json_decref(key);
	}
	return tree;
}

const char *wh_removed_owner(const json_t *node)
{
	return json_string_value(json_is_array(node) ? json_array_get(node, 1) : node);
}
