/* SPDX-License-Identifier: Apache-2.0 */
#include "harden/removed.h"
#include "harden/tree.h"

#define MAX_DEPTH 512 /* directories; what lies deeper is not listed */

int wh_removed_open(struct wh_tree *t, struct wh_removed *ret, struct wh_err **err)
{
	int r;

	*ret = (struct wh_removed){.tree = json_object()};
	r = wh_dpkg_read(t, &ret->dpkg, err);
	return r < 0 ? r : wh_dpkg_files_read(t, &ret->dpkg, &ret->files, err);
}

void wh_removed_release(struct wh_removed *r)
{
	wh_dpkg_files_release(&r->files);
	wh_dpkg_release(&r->dpkg);
	json_decref(r->tree);
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

void wh_removed_add(struct wh_removed *r, const struct wh_node_ref *n)
{
	const struct wh_dpkg_record *record = n->e.type == WH_T_DIR ? NULL : wh_removed_record_of(r, n->e.path);
	const char *rest = n->e.path, *owner = record ? record->name : NULL;
	json_t *dir = r->tree, *key, *sub;
	unsigned depth = 0;

	while (depth++ < MAX_DEPTH && (key = next_key(&rest))) {
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

static size_t count(const json_t *node, unsigned depth)
{
	const json_t *sub;
	const char *key;
	size_t n = 0;
	union {
		const json_t *c;
		json_t *j;
	} u = {node};

	if (!json_is_object(node))
		return node != NULL;
	if (depth == MAX_DEPTH)
		return 0;
	json_object_foreach (u.j, key, sub) {
		n += count(sub, depth + 1);
	}
	return n;
}

size_t wh_removed_count(const json_t *node)
{
	return count(node, 0);
}
