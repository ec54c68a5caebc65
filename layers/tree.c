/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stack of layers seen as one tree, straight from their indexes.
 *
 * What hides what (image-spec layer.md, and overlay alike): going down from
 * the topmost layer, a layer decides about a path if it has an entry for it,
 * and it ends the search for all below it if the path or one of its parents is
 * there a whiteout, something that is no directory, or an opaque directory.
 */
#include "layers/index_private.h"
#include "layers/store_private.h"

#include <errno.h>

#define MAX_SYMLINKS 40
#define MAX_HARDLINKS 8

struct wh_tree {
	struct wh_store *store;
	struct wh_layer *layers;
	struct wh_index **ix;
	int *snapshot_fd; /* -1: not open yet */
	size_t n;
};

/* What is not here and has no index: all at once. */
static int bring_unread(struct wh_store *s, const struct wh_layer *layers, size_t n, struct wh_err **err)
{
	WH_AUTO_FREE struct wh_layer *v = wh_calloc(n + 1, sizeof(*v)); /* lent */
	size_t k = 0;

	for (size_t i = 0; i < n; i++)
		if (!wh_pair_known(s, &layers[i].diff_id, &layers[i].blob) || !wh_index_has(s, &layers[i].diff_id))
			v[k++] = layers[i];
	return k ? wh_layers_bring(s, v, k, err) : 0;
}

int wh_tree_open(struct wh_store *s, const struct wh_layer *layers, size_t n, struct wh_tree **ret, struct wh_err **err)
{
	struct wh_tree *t = wh_calloc(1, sizeof(*t));
	int r = 0;

	t->store = s;
	t->layers = wh_calloc(n + 1, sizeof(*t->layers));
	t->ix = wh_calloc(n + 1, sizeof(*t->ix));
	t->snapshot_fd = wh_calloc(n + 1, sizeof(*t->snapshot_fd));
	r = bring_unread(s, layers, n, err);
	while (r == 0 && t->n < n) {
		size_t i = t->n++;

		t->snapshot_fd[i] = -1;
		wh_layer_copy(&t->layers[i], &layers[i]);
		r = wh_index_open(s, &layers[i], &t->ix[i], err);
		if (r < 0)
			wh_err_wrap(err, "layer %zu of %zu", i + 1, n);
	}
	if (r < 0) {
		wh_tree_close(t);
		return r;
	}
	*ret = t;
	return 0;
}

void wh_tree_close(struct wh_tree *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++) {
		wh_index_close(t->ix[i]);
		wh_layer_release(&t->layers[i]);
		wh_closep(&t->snapshot_fd[i]);
	}
	free(t->ix);
	free(t->layers);
	free(t->snapshot_fd);
	free(t);
}

size_t wh_tree_layers(const struct wh_tree *t)
{
	return t->n;
}

/* ---------------------------------------------------------------- looking up */

static int load(const struct wh_tree *t, size_t layer, size_t pos, struct wh_node_ref *ret)
{
	ret->layer = layer;
	return wh_index_at(t->ix[layer], pos, &ret->e, ret->xs);
}

static void copy_ref(struct wh_node_ref *dst, const struct wh_node_ref *src)
{
	dst->e = src->e;
	dst->layer = src->layer;
	if (src->e.n_xattrs)
		memcpy(dst->xs, src->xs, src->e.n_xattrs * sizeof(src->xs[0]));
	dst->e.xattrs = src->e.n_xattrs ? dst->xs : NULL;
}

/* Does this layer hide what lower layers have at path, by way of a parent directory? */
static int hides(const struct wh_index *x, const char *path, bool *ret)
{
	WH_AUTO_FREE char *copy = wh_strdup(path);
	struct wh_xattr xs[WH_MAX_XATTRS];
	struct wh_entry e;
	size_t pos;

	*ret = false;
	if (!*path)
		return 0;
	if (wh_index_find(x, "", &pos)) {
		if (wh_index_at(x, pos, &e, xs) < 0)
			return -EBADMSG;
		*ret = e.opaque;
	}
	for (char *slash = strchr(copy, '/'); slash && !*ret; slash = strchr(slash + 1, '/')) {
		bool found;

		*slash = '\0';
		found = wh_index_find(x, copy, &pos);
		*slash = '/';
		if (!found) /* then nothing below it is in this layer either */
			break;
		if (wh_index_at(x, pos, &e, xs) < 0)
			return -EBADMSG;
		*ret = e.type != WH_T_DIR || e.opaque;
	}
	return 0;
}

static int lookup_below(const struct wh_tree *t, size_t n, const char *path, struct wh_node_ref *ret);

/* A hard link becomes what it links to: in its own layer, or in what lies below. */
static int follow_hardlink(const struct wh_tree *t, struct wh_node_ref *ref)
{
	const char *path = ref->e.path;
	int r = 0;

	for (unsigned hops = 0; r == 0 && ref->e.type == WH_T_HARDLINK; hops++) {
		const char *target = ref->e.link;
		size_t pos;

		if (hops == MAX_HARDLINKS)
			return -ELOOP;
		if (wh_index_find(t->ix[ref->layer], target, &pos))
			r = load(t, ref->layer, pos, ref);
		else
			r = lookup_below(t, ref->layer, target, ref);
		if (r == 0 && (ref->e.type == WH_T_DIR || ref->e.type == WH_T_WHITEOUT))
			r = -ENOENT;
	}
	if (r < 0)
		return r;
	/* After a further hop in a lower layer e.link already is the first name. */
	if (ref->e.type != WH_T_SYMLINK && !ref->e.link)
		ref->e.link = ref->e.path;
	ref->e.path = path;
	return 0;
}

/* In the lowest n layers. */
static int lookup_below(const struct wh_tree *t, size_t n, const char *path, struct wh_node_ref *ret)
{
	bool implied = false, stop = false;
	struct wh_node_ref ref;

	while (n-- > 0 && !stop) {
		size_t pos;
		int r;

		if (wh_index_find(t->ix[n], path, &pos)) {
			r = load(t, n, pos, &ref);
			if (r < 0)
				return r;
			if (ref.e.type != WH_T_DIR && implied)
				break;
			if (ref.e.type == WH_T_WHITEOUT)
				return -ENOENT;
			if (!implied || !ref.e.implied)
				copy_ref(ret, &ref);
			if (ref.e.type == WH_T_HARDLINK)
				return follow_hardlink(t, ret);
			if (ref.e.type != WH_T_DIR || !ref.e.implied || ref.e.opaque)
				return 0;
			implied = true; /* there, but its attributes may be further down */
		}
		r = hides(t->ix[n], path, &stop);
		if (r < 0)
			return r;
	}
	if (implied)
		return 0;
	if (*path)
		return -ENOENT;
	/* The root is always there. */
	*ret = (struct wh_node_ref){.e = {.path = "", .type = WH_T_DIR, .mode = 0755, .implied = true}};
	return 0;
}

int wh_tree_lookup(struct wh_tree *t, const char *path, struct wh_node_ref *ret)
{
	return lookup_below(t, t->n, path, ret);
}

/* ---------------------------------------------------------------- resolving */

/* One step from the directory done ("" or "a/b") by a component. */
static void step(struct wh_buf *done, struct wh_str name)
{
	if (name.n == 1 && name.p[0] == '.')
		return;
	if (name.n == 2 && name.p[0] == '.' && name.p[1] == '.') {
		char *slash = done->n ? strrchr(done->p, '/') : NULL;

		done->n = slash ? (size_t)(slash - done->p) : 0;
		if (done->p)
			done->p[done->n] = '\0';
		return;
	}
	if (done->n)
		wh_buf_addc(done, '/');
	wh_buf_addstr(done, name);
}

static const char *text(const struct wh_buf *b)
{
	return b->n ? b->p : "";
}

/* A symlink stands at the end of done: takes its name away, and puts its text before what is left. */
static char *follow(struct wh_buf *done, const char *link, const char *rest)
{
	if (link[0] == '/')
		wh_buf_reset(done);
	else
		step(done, WH_STR(".."));
	return wh_asprintf("%s/%s", link, rest);
}

int wh_tree_resolve(struct wh_tree *t, const char *path, bool follow_last, bool missing_ok, char **ret_path,
		    struct wh_node_ref *ret)
{
	WH_AUTO_BUF struct wh_buf done = WH_BUF_INIT;
	WH_AUTO_FREE char *todo = wh_strdup(path);
	const char *p = todo;
	struct wh_node_ref ref;
	unsigned links = 0;
	bool missing = false;
	int r = wh_tree_lookup(t, "", &ref);

	while (r == 0) {
		struct wh_str name;

		p += strspn(p, "/");
		name = (struct wh_str){p, strcspn(p, "/")};
		if (!name.n)
			break;
		p += name.n;
		if (!missing && ref.e.type != WH_T_DIR)
			return -ENOTDIR;
		step(&done, name);
		/* ".." may lead back to where things exist. */
		r = wh_tree_lookup(t, text(&done), &ref);
		missing = r == -ENOENT;
		if (missing && missing_ok)
			r = 0;
		/* A trailing slash asks for what the link leads to. */
		if (r == 0 && !missing && ref.e.type == WH_T_SYMLINK && (follow_last || *p)) {
			char *next;

			if (++links > MAX_SYMLINKS)
				return -ELOOP;
			next = follow(&done, ref.e.link, p);
			free(todo);
			p = todo = next;
			r = wh_tree_lookup(t, text(&done), &ref);
		}
	}
	if (r < 0)
		return r;
	if (ret) {
		if (missing)
			*ret = (struct wh_node_ref){.e = {.path = NULL}};
		else
			copy_ref(ret, &ref);
	}
	if (ret_path)
		*ret_path = done.n ? wh_buf_take(&done) : wh_strdup("");
	return 0;
}

/* ---------------------------------------------------------------- listing */

struct child {
	const char *name; /* in the mapping; n bytes */
	size_t n, layer;
	bool hidden;
};

static int by_name_then_top(const void *x, const void *y)
{
	const struct child *a = x, *b = y;
	int r = memcmp(a->name, b->name, a->n < b->n ? a->n : b->n);

	if (!r)
		r = (a->n > b->n) - (a->n < b->n);
	return r ? r : (a->layer < b->layer) - (a->layer > b->layer);
}

static size_t prefix_of(const char *dir)
{
	return *dir ? strlen(dir) + 1 : 0;
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !n ? *path : strncmp(path, dir, n) == 0 && path[n] == '/';
}

/* Adds what one layer has in dir. *ret_stop: nothing further down shows through. */
static int layer_children(const struct wh_tree *t, size_t layer, const char *dir, struct child **v, size_t *n,
			  size_t *cap, bool *ret_stop)
{
	const struct wh_index *x = t->ix[layer];
	struct wh_xattr xs[WH_MAX_XATTRS];
	struct wh_entry e;
	size_t pos;
	bool opaque = false;
	int r;

	if (wh_index_find(x, dir, &pos)) {
		if (wh_index_at(x, pos, &e, xs) < 0)
			return -EBADMSG;
		*ret_stop = e.type != WH_T_DIR;
		if (*ret_stop)
			return 0;
		opaque = e.opaque;
		pos++;
	}
	while (pos < wh_index_count(x)) {
		const char *name;

		if (wh_index_at(x, pos, &e, xs) < 0)
			return -EBADMSG;
		if (!is_below(e.path, dir))
			break;
		name = e.path + prefix_of(dir);
		if (strchr(name, '/'))
			return -EBADMSG; /* parents come first */
		WH_PUSH(*v, *n, *cap) = (struct child){name, strlen(name), layer, e.type == WH_T_WHITEOUT};
		pos = e.type == WH_T_DIR ? wh_index_skip(x, pos + 1, e.path) : pos + 1;
	}
	r = hides(x, dir, ret_stop);
	*ret_stop |= opaque;
	return r;
}

int wh_tree_list(struct wh_tree *t, const char *dir, struct wh_strv *ret_names)
{
	struct child *v = NULL;
	size_t n = 0, cap = 0;
	struct wh_node_ref ref;
	bool stop = false;
	int r = wh_tree_lookup(t, dir, &ref);

	if (r == 0 && ref.e.type != WH_T_DIR)
		r = -ENOTDIR;
	for (size_t i = t->n; r == 0 && i-- > 0 && !stop;)
		r = layer_children(t, i, dir, &v, &n, &cap, &stop);
	if (r == 0 && n)
		qsort(v, n, sizeof(*v), by_name_then_top);
	for (size_t i = 0; r == 0 && i < n; i++) {
		if (i && v[i].n == v[i - 1].n && memcmp(v[i].name, v[i - 1].name, v[i].n) == 0)
			continue; /* a higher layer has spoken */
		if (!v[i].hidden)
			wh_strv_take(ret_names, wh_strndup(v[i].name, v[i].n));
	}
	free(v);
	return r;
}

int wh_tree_list_implied(struct wh_tree *t, struct wh_strv *ret)
{
	struct wh_node_ref ref;
	struct wh_entry e;

	for (size_t i = 1; i < t->n; i++) {
		size_t n = wh_index_some_implied(t->ix[i]) ? wh_index_count(t->ix[i]) : 0;

		for (size_t pos = 0; pos < n; pos++) {
			int r = wh_index_at(t->ix[i], pos, &e, ref.xs);

			if (r == 0 && (e.type != WH_T_DIR || !e.implied))
				continue;
			if (r == 0)
				r = wh_tree_lookup(t, e.path, &ref);
			if (r == -ENOENT) /* removed further up */
				continue;
			if (r < 0)
				return r;
			if (ref.e.type == WH_T_DIR && !ref.e.implied && ref.layer < i)
				wh_strv_add(ret, e.path);
		}
	}
	return 0;
}

/* ---------------------------------------------------------------- walking */

struct cursor {
	const struct wh_index *x;
	size_t pos, end;
	bool live;
	struct wh_node_ref at; /* the entry at pos */
};

static int settle(const struct wh_tree *t, struct cursor *c, size_t layer)
{
	c->live = c->pos < c->end;
	return c->live ? load(t, layer, c->pos, &c->at) : 0;
}

static int skip(const struct wh_tree *t, struct cursor *c, size_t layer, const char *path)
{
	c->pos = wh_index_skip(c->x, c->pos, path);
	return settle(t, c, layer);
}

/* Sets each layer's cursor to its part of dir. */
static int begin(const struct wh_tree *t, const char *dir, struct cursor *v)
{
	bool stop = false;

	for (size_t i = t->n; i-- > 0;) {
		size_t pos;
		bool opaque = false;
		int r;

		v[i].x = t->ix[i];
		if (stop)
			continue;
		if (wh_index_find(t->ix[i], dir, &pos)) {
			r = load(t, i, pos, &v[i].at);
			if (r < 0)
				return r;
			opaque = v[i].at.e.opaque;
			stop = v[i].at.e.type != WH_T_DIR;
			if (stop)
				continue;
			v[i].pos = pos + 1;
			v[i].end = wh_index_skip(t->ix[i], pos, dir);
		} else if (!*dir) {
			v[i].end = wh_index_count(t->ix[i]);
		}
		r = settle(t, &v[i], i);
		if (r == 0)
			r = hides(t->ix[i], dir, &stop);
		if (r < 0)
			return r;
		stop |= opaque;
	}
	return 0;
}

/* Where the walk is: the topmost layer among those at the smallest path, and the smallest path of the others. */
struct head {
	ssize_t top, next; /* -1: none */
	bool alone;        /* only top stands at its path, so only top will move */
};

static int cmp_cursors(const struct cursor *a, const struct cursor *b)
{
	return wh_path_cmp(a->at.e.path, b->at.e.path);
}

static void choose(const struct wh_tree *t, const struct cursor *v, struct head *h)
{
	/* Most often a large layer goes on alone until a small one has something to say. */
	if (h->alone && v[h->top].live && (h->next < 0 || cmp_cursors(&v[h->top], &v[h->next]) < 0))
		return;
	h->top = h->next = -1;
	for (size_t i = t->n; i-- > 0;) {
		if (!v[i].live)
			continue;
		if (h->top < 0 || cmp_cursors(&v[i], &v[h->top]) < 0) {
			h->next = h->top;
			h->top = (ssize_t)i;
		} else if (h->next < 0 || cmp_cursors(&v[i], &v[h->next]) < 0) {
			h->next = (ssize_t)i;
		}
	}
	h->alone = h->top >= 0 && (h->next < 0 || cmp_cursors(&v[h->top], &v[h->next]) < 0);
}

/* Moves all cursors that stand at the path of top's entry; ret becomes the entry that is seen, if one is. */
static int take(const struct wh_tree *t, struct cursor *v, size_t top, bool alone, struct wh_node_ref *ret)
{
	const char *path = v[top].at.e.path; /* in the mapping: stays */
	bool stop;
	int r;

	copy_ref(ret, &v[top].at);
	stop = ret->e.type != WH_T_DIR || ret->e.opaque;
	v[top].pos++;
	r = settle(t, &v[top], top);
	for (size_t i = alone ? 0 : top; r == 0 && i-- > 0;) {
		const struct wh_entry *e = &v[i].at.e;

		if (!v[i].live || strcmp(e->path, path) != 0)
			continue;
		if (stop) {
			r = skip(t, &v[i], i, path);
			continue;
		}
		stop = e->type != WH_T_DIR || e->opaque;
		if (e->type == WH_T_DIR && !e->implied && ret->e.implied)
			copy_ref(ret, &v[i].at);
		v[i].pos++;
		r = settle(t, &v[i], i);
	}
	return r;
}

int wh_tree_walk(struct wh_tree *t, const char *dir, wh_tree_fn fn, void *arg)
{
	WH_AUTO_FREE struct cursor *v = wh_calloc(t->n + 1, sizeof(*v));
	struct head h = {.top = -1};
	struct wh_node_ref ref;
	int r = wh_tree_lookup(t, dir, &ref);

	if (r == 0 && ref.e.type != WH_T_DIR)
		r = -ENOTDIR;
	if (r == 0)
		r = begin(t, dir, v);
	while (r == 0) {
		choose(t, v, &h);
		if (h.top < 0)
			break;
		r = take(t, v, (size_t)h.top, h.alone, &ref);
		if (r == 0 && ref.e.type == WH_T_WHITEOUT)
			continue;
		if (r == 0 && ref.e.type == WH_T_HARDLINK)
			r = follow_hardlink(t, &ref);
		if (r < 0)
			break;
		r = fn(arg, &ref);
		if (r != 1)
			continue;
		r = 0;
		h.alone = false;
		for (size_t i = 0; r == 0 && i < t->n; i++) {
			if (v[i].live && is_below(v[i].at.e.path, ref.e.path))
				r = skip(t, &v[i], i, ref.e.path);
		}
	}
	return r;
}

/* ---------------------------------------------------------------- content */

int wh_tree_open_file(struct wh_tree *t, const struct wh_node_ref *n, struct wh_err **err)
{
	const char *path = n->e.link ? n->e.link : n->e.path;
	char hex[65];
	int fd;

	if (n->e.type != WH_T_FILE)
		return wh_err_set(err, "layers", WH_ERR_INTERNAL, EINVAL, "/%s is not a file", n->e.path);
	if (t->snapshot_fd[n->layer] < 0) {
		const struct wh_layer *l = &t->layers[n->layer];
		int r = wh_snapshot_ensure(t->store, l, err);

		if (r < 0)
			return r;
		fd = wh_openat(t->store->snapshots_fd, wh_digest_hex(&l->diff_id, hex),
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		if (fd < 0)
			return wh_err_sys(err, "layers", WH_ERR_ENV, -fd, "open snapshot %s", hex);
		t->snapshot_fd[n->layer] = fd;
	}
	fd = wh_open_beneath(t->snapshot_fd[n->layer], path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, true);
	if (fd < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, -fd, "open /%s in the snapshot of its layer", path);
	return fd;
}
