/* SPDX-License-Identifier: Apache-2.0 */
#include "layers/names.h"

#include <errno.h>

struct wh_names {
	struct wh_arena *arena;
	struct wh_name *root;
	struct wh_name **buckets;
	size_t n_buckets, n; /* a power of two */
	uint64_t memory, generation;
};

void *wh_names_alloc(struct wh_names *t, size_t n)
{
	t->memory += n;
	return wh_arena_alloc(t->arena, n);
}

const char *wh_names_strdup(struct wh_names *t, const char *s)
{
	size_t n = strlen(s) + 1;
	char *p = wh_names_alloc(t, n);

	memcpy(p, s, n);
	return p;
}

struct wh_inode *wh_names_inode(struct wh_names *t, enum wh_type type)
{
	struct wh_inode *i = wh_names_alloc(t, sizeof(*i));

	i->type = type;
	i->mode = type == WH_T_DIR ? 0755 : type == WH_T_SYMLINK ? 0777 : 0644;
	i->offset = UINT64_MAX;
	return i;
}

struct wh_names *wh_names_new(void)
{
	struct wh_names *t = wh_calloc(1, sizeof(*t));

	t->arena = wh_arena_new();
	t->n_buckets = 1024;
	t->buckets = wh_calloc(t->n_buckets, sizeof(*t->buckets));
	t->root = wh_names_alloc(t, sizeof(*t->root) + 1);
	t->root->ino = wh_names_inode(t, WH_T_DIR);
	t->root->ino->implied = true;
	t->root->ino->names = 1;
	return t;
}

void wh_names_free(struct wh_names *t)
{
	if (!t)
		return;
	free(t->buckets);
	wh_arena_free(t->arena);
	free(t);
}

struct wh_name *wh_names_root(struct wh_names *t)
{
	return t->root;
}

uint64_t wh_names_memory(const struct wh_names *t)
{
	return t->memory;
}

size_t wh_names_count(const struct wh_names *t)
{
	return t->n;
}

uint64_t wh_names_generation(const struct wh_names *t)
{
	return t->generation;
}

/* FNV-1a, begun with the parent's address: an archive cannot know that, so it cannot choose colliding names. */
static uint32_t hash_of(const struct wh_name *dir, const char *name, size_t n)
{
	uint64_t h = UINT64_C(1469598103934665603) ^ (uintptr_t)dir;

	h *= UINT64_C(1099511628211);
	for (size_t i = 0; i < n; i++)
		h = (h ^ (uint8_t)name[i]) * UINT64_C(1099511628211);
	return (uint32_t)(h ^ (h >> 32));
}

struct wh_name *wh_names_find(struct wh_names *t, struct wh_name *dir, const char *name, size_t n)
{
	uint32_t h = hash_of(dir, name, n);

	for (struct wh_name *x = t->buckets[h & (t->n_buckets - 1)]; x; x = x->chain)
		if (x->hash == h && x->parent == dir && strncmp(x->text, name, n) == 0 && x->text[n] == '\0')
			return x;
	return NULL;
}

static void grow(struct wh_names *t)
{
	size_t n = t->n_buckets * 4;
	struct wh_name **b = wh_calloc(n, sizeof(*b));

	for (size_t i = 0; i < t->n_buckets; i++) {
		struct wh_name *x = t->buckets[i];

		while (x) {
			struct wh_name *next = x->chain;

			x->chain = b[x->hash & (n - 1)];
			b[x->hash & (n - 1)] = x;
			x = next;
		}
	}
	free(t->buckets);
	t->buckets = b;
	t->n_buckets = n;
}

struct wh_name *wh_names_add(struct wh_names *t, struct wh_name *dir, const char *name, size_t n, struct wh_inode *ino)
{
	struct wh_name *x = wh_names_alloc(t, sizeof(*x) + n + 1);
	struct wh_name **b;

	if (t->n >= t->n_buckets)
		grow(t);
	memcpy(x->text, name, n);
	x->ino = ino;
	x->parent = dir;
	x->hash = hash_of(dir, name, n);
	x->path_len = dir->path_len + (uint32_t)n + (dir->parent ? 1 : 0);
	b = &t->buckets[x->hash & (t->n_buckets - 1)];
	x->chain = *b;
	*b = x;
	x->next = dir->child;
	if (dir->child)
		dir->child->prev = x;
	dir->child = x;
	dir->n_children++;
	ino->names++;
	t->n++;
	return x;
}

static void take_out(struct wh_names *t, struct wh_name *x)
{
	struct wh_name **b = &t->buckets[x->hash & (t->n_buckets - 1)];

	while (*b != x)
		b = &(*b)->chain;
	*b = x->chain;
	if (x->prev)
		x->prev->next = x->next;
	else
		x->parent->child = x->next;
	if (x->next)
		x->next->prev = x->prev;
	x->parent->n_children--;
	x->ino->names--;
	t->n--;
}

void wh_names_remove(struct wh_names *t, struct wh_name *n)
{
	struct wh_name *x = n;

	/* Leaves first, without recursion: an archive decides how deep it is. */
	for (;;) {
		struct wh_name *up = x->parent;

		if (x->child) {
			x = x->child;
			continue;
		}
		take_out(t, x);
		if (x == n)
			break;
		x = up;
	}
	t->generation++;
}

const char *wh_name_path(const struct wh_name *n, struct wh_buf *buf)
{
	size_t at = n->path_len;

	if (buf->cap <= at) {
		buf->cap = at + 256;
		buf->p = wh_realloc(buf->p, buf->cap);
	}
	buf->n = at;
	buf->p[at] = '\0';
	for (const struct wh_name *x = n; x->parent; x = x->parent) {
		size_t k = strlen(x->text);

		at -= k;
		memcpy(buf->p + at, x->text, k);
		if (at)
			buf->p[--at] = '/';
	}
	return buf->p;
}

static int by_text(const void *a, const void *b)
{
	const struct wh_name *const *x = a, *const *y = b;

	return strcmp((*x)->text, (*y)->text);
}

/* Brings every directory's children into order. Depth is bounded by the length of a path. */
static void sort_children(struct wh_name *dir)
{
	WH_AUTO_FREE struct wh_name **v = NULL;
	size_t n = 0;

	if (dir->n_children < 2)
		return;
	v = wh_malloc(dir->n_children * sizeof(*v));
	for (struct wh_name *x = dir->child; x; x = x->next)
		v[n++] = x;
	qsort(v, n, sizeof(*v), by_text);
	for (size_t i = 0; i < n; i++) {
		v[i]->prev = i ? v[i - 1] : NULL;
		v[i]->next = i + 1 < n ? v[i + 1] : NULL;
	}
	dir->child = v[0];
}

static void fill_entry(struct wh_names *t, struct wh_inode *i, const char *path, struct wh_entry *e)
{
	*e = (struct wh_entry){
		.path = path,
		.type = i->type,
		.opaque = i->opaque,
		.implied = i->implied,
		.mode = i->mode,
		.uid = i->uid,
		.gid = i->gid,
		.mtime = i->mtime,
		.size = i->size,
		.major = i->major,
		.minor = i->minor,
		.link = i->link,
		.digest = i->digest,
		.offset = i->offset,
		.xattrs = i->xattrs,
		.n_xattrs = i->n_xattrs,
	};
	if (i->type != WH_T_FILE) {
		e->offset = 0;
		return;
	}
	if (i->first) {
		e->type = WH_T_HARDLINK;
		e->link = i->first;
		e->offset = 0;
	} else if (i->names > 1) {
		i->first = wh_names_strdup(t, path);
	}
}

static struct wh_name *next_down(struct wh_name *n)
{
	if (n->child)
		return n->child;
	while (n && !n->next)
		n = n->parent;
	return n ? n->next : NULL;
}

int wh_names_list(struct wh_names *t, wh_names_fn fn, void *arg, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	struct wh_entry e;
	int r = 0;

	for (struct wh_name *n = t->root; n && r >= 0; n = next_down(n)) {
		sort_children(n);
		if (n == t->root && n->ino->implied && !n->ino->opaque)
			continue;
		fill_entry(t, n->ino, wh_name_path(n, &buf), &e);
		r = fn(arg, &e, n->ino, err);
	}
	return r < 0 ? r : 0;
}

static struct wh_name *deepest(struct wh_name *n)
{
	while (n->child)
		n = n->child;
	return n;
}

int wh_names_dirs_up(struct wh_names *t, wh_names_dir_fn fn, void *arg, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	struct wh_name *n = deepest(t->root);
	int r = 0;

	while (n && r >= 0) {
		if (n->ino->type == WH_T_DIR)
			r = fn(arg, wh_name_path(n, &buf), n->ino, err);
		n = n->next ? deepest(n->next) : n->parent;
	}
	return r < 0 ? r : 0;
}
