/* SPDX-License-Identifier: Apache-2.0 */
/* Where files come from: a local directory or a tree of layers, behind one face. */
#include "builder/fileop_private.h"

#include <errno.h>

int view_open(struct view *v, struct wh_store *s, const struct wh_file_input *in, struct wh_err **err)
{
	v->in = in;
	v->rootfd = -1;
	v->store = s;
	if (in->local_path)
		return local_open(v, s, err);
	v->blobs = wh_calloc(in->n_layers + 1, sizeof(*v->blobs));
	for (size_t i = 0; i < in->n_layers; i++)
		v->blobs[i] = -1;
	return wh_tree_open(s, in->layers, in->n_layers, &v->tree, err);
}

void view_close(struct view *v)
{
	if (v->tree)
		wh_tree_close(v->tree);
	for (size_t i = 0; v->blobs && i < v->in->n_layers; i++)
		wh_closep(&v->blobs[i]);
	free(v->blobs);
	v->blobs = NULL;
	wh_closep(&v->rootfd);
	wh_patterns_freep(&v->own_filter);
	wh_patterns_freep(&v->but_all);
	wh_strv_release(&v->exceptions);
	wh_memo_free(v->memo);
	v->memo = NULL;
	v->tree = NULL;
}

/* Lends: strings of the tree, xattrs of the reference. */
static void from_ref(const struct wh_node_ref *ref, struct node *n)
{
	const struct wh_entry *e = &ref->e;

	*n = (struct node){
		.path = e->path,
		.type = e->type,
		.mode = e->mode,
		.uid = e->uid,
		.gid = e->gid,
		.mtime = e->mtime,
		.size = e->size,
		.major = e->major,
		.minor = e->minor,
		.link = e->type == WH_T_SYMLINK ? e->link : NULL,
		.xattrs = e->xattrs,
		.n_xattrs = e->n_xattrs,
		.has_digest = e->type == WH_T_FILE,
		.digest = e->digest,
		.implied = e->implied,
		.linked = e->type == WH_T_FILE && e->link,
		.layer = ref->layer,
		.first = e->type == WH_T_FILE ? e->link : NULL,
		.offset = e->offset,
	};
}

static const struct wh_xattr *keep_xattrs(struct wh_arena *a, const struct wh_xattr *x, size_t n)
{
	struct wh_xattr *copy;

	if (!n)
		return NULL;
	copy = wh_arena_alloc(a, n * sizeof(*copy));
	memcpy(copy, x, n * sizeof(*copy));
	return copy;
}

int view_keep(struct view *v, const struct node *n, struct node *ret, struct wh_err **err)
{
	struct node copy = *n;

	copy.path = wh_arena_strdup(v->arena, n->path);
	if (!v->tree) {
		copy.link = n->link ? wh_arena_strdup(v->arena, n->link) : NULL;
		*ret = copy;
		return local_keep(v, ret, err);
	}
	copy.xattrs = keep_xattrs(v->arena, n->xattrs, n->n_xattrs);
	*ret = copy;
	return 0;
}

int view_lookup(struct view *v, const char *path, struct node *ret, struct wh_err **err)
{
	struct wh_node_ref ref;
	struct node n;
	int r;

	if (!v->tree)
		return local_lookup(v, path, ret, err);
	r = wh_tree_lookup(v->tree, path, &ref);
	if (r)
		return r;
	from_ref(&ref, &n);
	return view_keep(v, &n, ret, err);
}

/* The root of a tree need not have an entry of its own. */
static void bare_root(struct node *n)
{
	*n = (struct node){.path = "", .type = WH_T_DIR, .mode = 0755};
}

int view_resolve(struct view *v, const char *path, struct node *ret, struct wh_err **err)
{
	WH_AUTO_FREE char *real = NULL;
	struct wh_node_ref ref;
	struct node n;
	int r;

	if (!v->tree)
		return local_resolve(v, path, ret, err);
	while (*path == '/')
		path++;
	r = wh_tree_resolve(v->tree, path, true, true, &real, &ref);
	if (r)
		return r;
	if (!*real || strcmp(real, "/") == 0) {
		bare_root(ret);
		return 0;
	}
	if (!ref.e.path)
		return -ENOENT;
	from_ref(&ref, &n);
	return view_keep(v, &n, ret, err);
}

struct lend {
	view_fn fn;
	void *arg;
	struct wh_err **err;
};

static int lend_ref(void *arg, const struct wh_node_ref *ref)
{
	struct lend *l = arg;
	struct node n;

	from_ref(ref, &n);
	return l->fn(l->arg, &n, l->err);
}

int view_walk(struct view *v, const char *dir, view_fn fn, void *arg, struct wh_err **err)
{
	struct lend l = {fn, arg, err};
	int r;

	if (!v->tree)
		return local_walk(v, dir, fn, arg, err);
	r = wh_tree_walk(v->tree, dir, lend_ref, &l);
	if (r < 0)
		wh_err_sys(err, DOMAIN, WH_ERR_BUILD, -r, "walk /%s", dir); /* keeps what fn said, if it did */
	return r;
}

int view_list(struct view *v, const char *dir, struct wh_strv *ret, struct wh_err **err)
{
	int r;

	if (!v->tree)
		return local_list(v, dir, ret, err);
	r = wh_tree_list(v->tree, dir, ret);
	return r ? wh_err_sys(err, DOMAIN, WH_ERR_BUILD, -r, "list /%s", dir) : 0;
}

int view_open_file(struct view *v, struct node *n, struct wh_err **err)
{
	struct wh_node_ref ref;
	int r;

	if (!v->tree)
		return local_open_file(v, n, err);
	r = wh_tree_lookup(v->tree, n->path, &ref);
	if (r)
		return wh_err_sys(err, DOMAIN, WH_ERR_INTERNAL, -r, "look up /%s again", n->path);
	return wh_tree_open_file(v->tree, &ref, err);
}

int view_blob(struct view *v, const struct node *n)
{
	const struct wh_layer *l;

	if (!v->tree || !v->blobs)
		return -1;
	l = &v->in->layers[n->layer];
	if (v->blobs[n->layer] < 0 && l->comp == WH_COMP_NONE && wh_blob_has(v->store, &l->blob, NULL))
		v->blobs[n->layer] = wh_blob_open(v->store, &l->blob, NULL, NULL);
	return v->blobs[n->layer] < 0 ? -1 : v->blobs[n->layer];
}

/* ---------------------------------------------------------------- what is not there */

#define MAX_SEARCHED 50000 /* entries that are looked at for the sake of a hint */

/* The nearest name beside the first part of path that is not there; with what follows, when that is there below it. */
static char *guess(struct view *v, const char *path, const char *rest)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	WH_AUTO_FREE char *dir = wh_path_dir(path), *up = NULL, *full = NULL;
	const char *base = wh_path_base(path), *near;
	struct node n;

	if (strcmp(dir, ".") == 0)
		*dir = '\0';
	if (*dir && view_resolve(v, dir, &n, NULL)) {
		up = *rest ? wh_path_join(base, rest) : wh_strdup(base);
		return guess(v, dir, up);
	}
	if (!*dir && view_resolve(v, "", &n, NULL))
		return NULL;
	if (n.type != WH_T_DIR || view_list(v, n.path, &names, NULL))
		return NULL;
	near = wh_nearest(base, (const char *const *)names.v, names.n);
	if (!near)
		return NULL;
	up = wh_path_join(dir, near);
	full = *rest ? wh_path_join(up, rest) : NULL;
	return full && view_resolve(v, full, &n, NULL) == 0 ? WH_TAKE_PTR(full) : WH_TAKE_PTR(up);
}

struct search {
	const char *base;
	char *found; /* the shortest path with that name */
	size_t seen;
};

static int search_one(void *arg, const struct node *n, struct wh_err **err)
{
	struct search *s = arg;
	const char *base = wh_path_base(n->path);

	(void)err;
	if (++s->seen > MAX_SEARCHED)
		return -E2BIG;
	if (strcmp(base, s->base) == 0 && (!s->found || strlen(n->path) < strlen(s->found))) {
		free(s->found);
		s->found = wh_strdup(n->path);
	}
	return n->type == WH_T_DIR && strcmp(base, ".git") == 0;
}

/* Something of the same name in another directory. */
static char *elsewhere(struct view *v, const char *path)
{
	struct search s = {.base = wh_path_base(path)};
	WH_AUTO_ERR struct wh_err *quiet = NULL;

	if (*s.base)
		view_walk(v, "", search_one, &s, &quiet);
	return s.found;
}

int view_missing(struct view *v, const char *path, struct wh_err **err)
{
	WH_AUTO_FREE char *near = NULL, *hidden = v->tree ? NULL : local_hidden_by(v, path);
	struct node n;

	wh_err_set(err, DOMAIN, WH_ERR_BUILD, ENOENT, "\"/%s\": not found%s", path,
		   v->tree ? "" : " in the build context");
	wh_err_mark(err, WH_MARK_PATH, path);
	if (hidden) {
		wh_err_hint(err, "it is there, but excluded by %s", hidden);
		return -ENOENT;
	}
	if (view_lookup(v, path, &n, NULL) == 0 && n.type == WH_T_SYMLINK) {
		wh_err_hint(err, "it is a symbolic link, and leads to nothing inside %s",
			    v->tree ? "that tree" : "the build context");
		return -ENOENT;
	}
	near = elsewhere(v, path);
	if (!near)
		near = guess(v, path, "");
	if (near)
		wh_err_hint(err, "did you mean \"/%s\"?", near);
	return -ENOENT;
}
