/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The removed part: what the full tree has and the pruned one has not, as a layer. By the indexes alone; so it is the same whenever
 * it is made, now or for an image that was pruned long ago, and costs nothing to a build that does not want it.
 */
#include "harden/restore.h"
#include "harden/tree.h"

#include <errno.h>
#include <uthash.h>

struct entry {
	char *path, *content; /* content: of a file whose bytes are wanted, "LAYER:first name" */
	size_t parent;        /* its directory; SIZE_MAX: the root */
	bool dir, wanted, original;
	uint64_t size;
};

struct content { /* the first name of it that is written */
	const char *key, *path;
	struct wh_digest digest;
	UT_hash_handle hh;
};

struct part {
	struct wh_tree *full, *pruned;
	struct entry *v;
	size_t n, cap;
	size_t *open; /* directories on the way to the entry at hand */
	size_t n_open, cap_open;
	struct content *contents;
	struct wh_layer_writer *w;
	struct wh_err **err;
};

static void part_release(struct part *p)
{
	struct content *c, *next;

	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].path);
		free(p->v[i].content);
	}
	free(p->v);
	free(p->open);
	HASH_ITER (hh, p->contents, c, next) {
		HASH_DEL(p->contents, c);
		free(c);
	}
	if (p->w)
		wh_layer_writer_abort(p->w);
}

/* ---------------------------------------------------------------- what went */

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && path[n] == '/';
}

/* Changed bits, owners and times are no reason: what stayed is the image's. */
static bool is_original(const struct wh_node_ref *was, const struct wh_node_ref *is)
{
	return was->e.type == WH_T_FILE && is->e.type == WH_T_FILE && !wh_digest_eq(&was->e.digest, &is->e.digest);
}

static int list_one(void *arg, const struct wh_node_ref *n)
{
	struct part *p = arg;
	struct wh_node_ref is;
	struct entry *e;
	int r = wh_tree_lookup(p->pruned, n->e.path, &is);

	if (r < 0 && r != -ENOENT)
		return r;
	while (p->n_open && !is_below(n->e.path, p->v[p->open[p->n_open - 1]].path))
		p->n_open--;
	e = &WH_PUSH(p->v, p->n, p->cap);
	*e = (struct entry){.path = wh_strdup(n->e.path),
			    .parent = p->n_open ? p->open[p->n_open - 1] : SIZE_MAX,
			    .dir = n->e.type == WH_T_DIR,
			    .original = r == 0 && is_original(n, &is),
			    .size = n->e.size};
	e->wanted = r == -ENOENT || e->original;
	if (e->wanted && n->e.type == WH_T_FILE)
		e->content = wh_asprintf("%zu:%s", n->layer, n->e.link ? n->e.link : n->e.path);
	if (e->dir)
		WH_PUSH(p->open, p->n_open, p->cap_open) = p->n - 1;
	return 0;
}

static void want_directories(struct part *p)
{
	for (size_t i = p->n; i-- > 0;)
		if (p->v[i].wanted && p->v[i].parent != SIZE_MAX)
			p->v[p->v[i].parent].wanted = true;
}

/* ---------------------------------------------------------------- writing */

static int write_content(struct part *p, const struct wh_node_ref *n)
{
	WH_AUTO_FREE char *what = wh_asprintf("/%s", n->e.path);
	WH_AUTO_FD int fd = wh_tree_open_file(p->full, n, p->err);
	struct wh_digest got;
	int r = fd < 0 ? fd : wh_layer_writer_fd(p->w, fd, what, p->err);

	if (r < 0)
		return r;
	wh_layer_writer_last_digest(p->w, &got);
	return wh_digest_eq(&got, &n->e.digest) ? 0
						: wh_err_set(p->err, WH_HARDEN_DOMAIN, WH_ERR_ENV, EBADMSG,
							     "the store is damaged: %s is not what its layer says", what);
}

static int write_file(struct part *p, const struct entry *e, const struct wh_node_ref *n, struct wh_entry *x)
{
	struct content *c;
	int r;

	HASH_FIND_STR(p->contents, e->content, c);
	if (c) {
		x->type = WH_T_HARDLINK;
		x->link = c->path;
		x->digest = c->digest;
		return wh_layer_writer_add(p->w, x, p->err);
	}
	c = wh_calloc(1, sizeof(*c));
	*c = (struct content){.key = e->content, .path = e->path, .digest = n->e.digest};
	HASH_ADD_KEYPTR(hh, p->contents, c->key, strlen(c->key), c);
	r = wh_layer_writer_add(p->w, x, p->err);
	return r < 0 || !x->size ? r : write_content(p, n);
}

static int write_one(struct part *p, const struct entry *e)
{
	struct wh_node_ref n;
	struct wh_entry x;
	int r = wh_tree_lookup(p->full, e->path, &n);

	if (r < 0)
		return wh_err_sys(p->err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "look up /%s", e->path);
	x = n.e;
	x.opaque = x.implied = false;
	x.xattrs = n.xs;
	x.link = x.type == WH_T_SYMLINK ? n.e.link : NULL; /* of a file: its first name, which may have stayed */
	return x.type == WH_T_FILE ? write_file(p, e, &n, &x) : wh_layer_writer_add(p->w, &x, p->err);
}

static int write_all(struct part *p, struct wh_store *s, const struct wh_layer_opts *o, struct wh_layer *ret)
{
	int r = wh_layer_writer_new(s, o, &p->w, p->err);

	for (size_t i = 0; r == 0 && i < p->n; i++)
		if (p->v[i].wanted)
			r = write_one(p, &p->v[i]);
	return r < 0 ? r : wh_layer_writer_finish(WH_TAKE_PTR(p->w), ret, p->err);
}

static void count(const struct part *p, struct wh_removed_part *ret)
{
	for (size_t i = 0; i < p->n; i++) {
		const struct entry *e = &p->v[i];

		ret->originals += e->original;
		ret->files += e->content && !e->original;
		ret->bytes += e->content && !e->original ? e->size : 0;
	}
}

int wh_removed_part_make(struct wh_store *s, struct wh_tree *full, struct wh_tree *pruned, const struct wh_layer_opts *o,
			 struct wh_removed_part *ret, struct wh_err **err)
{
	WH_CLEANUP(part_release) struct part p = {.full = full, .pruned = pruned, .err = err};
	struct wh_removed_part made = {0};
	int r = wh_tree_walk(full, "", list_one, &p);

	if (r < 0)
		return wh_err_sys(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "read the image's indexes");
	for (size_t i = 0; i < p.n; i++)
		made.entries += p.v[i].wanted && !p.v[i].original;
	count(&p, &made);
	if (!made.entries) {
		*ret = (struct wh_removed_part){0};
		return 0;
	}
	want_directories(&p);
	r = write_all(&p, s, o, &made.layer);
	if (r < 0)
		return r;
	*ret = made;
	return 0;
}
