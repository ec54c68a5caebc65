/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the result looks like while it is being made: the tree below, and over
 * it the paths that this vertex changed. Nothing exists on disk. Looking a path
 * up asks the changes first, then (unless something changed above hides it) the
 * indexes of the layers.
 */
#include "builder/fileop_private.h"

#include <errno.h>

#define MAX_LINKS 255

/* Directories made on the way are as old as the tree below; in an empty one, as the newest thing that is copied. */
static int64_t time_of_new(const struct wh_fileop *f)
{
	int64_t newest = f->base_time;

	for (size_t i = 0; !f->n_base && i < f->n_picks; i++)
		for (size_t k = 0; k < f->picks[i].n; k++)
			if (f->picks[i].items[k].n.mtime > newest)
				newest = f->picks[i].items[k].n.mtime;
	return newest;
}

int dest_open(struct dest *d, struct wh_fileop *f, struct wh_err **err)
{
	*d = (struct dest){.arena = f->arena, .time = time_of_new(f), .n_buckets = 256};
	d->buckets = wh_calloc(d->n_buckets, sizeof(*d->buckets));
	return f->n_base ? wh_tree_open(f->store, f->base, f->n_base, &d->base, err) : 0;
}

void dest_close(struct dest *d)
{
	if (d->base)
		wh_tree_close(d->base);
	free(d->buckets);
	d->base = NULL;
	d->buckets = NULL;
}

static size_t hash(const char *s)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3ULL;
	return (size_t)(h ^ h >> 29);
}

struct out *dest_find(struct dest *d, const char *path)
{
	struct out *o = d->buckets[hash(path) & (d->n_buckets - 1)];

	while (o && strcmp(o->n.path, path) != 0)
		o = o->next;
	return o;
}

static void grow(struct dest *d)
{
	size_t n = d->n_buckets * 2;
	struct out **b = wh_calloc(n, sizeof(*b));

	for (size_t i = 0; i < d->n_buckets; i++) {
		struct out *o, *next;

		for (o = d->buckets[i]; o; o = next) {
			size_t at = hash(o->n.path) & (n - 1);

			next = o->next;
			o->next = b[at];
			b[at] = o;
		}
	}
	free(d->buckets);
	d->buckets = b;
	d->n_buckets = n;
}

static struct out *insert(struct dest *d, const char *path)
{
	struct out *o = dest_find(d, path);
	size_t at;

	if (o)
		return o;
	if (d->n >= d->n_buckets)
		grow(d);
	o = wh_arena_alloc(d->arena, sizeof(*o));
	o->n.path = wh_arena_strdup(d->arena, path);
	at = hash(path) & (d->n_buckets - 1);
	o->next = d->buckets[at];
	d->buckets[at] = o;
	d->n++;
	return o;
}

/* The directory that has this path, in buf; false for the root. */
static bool parent_of(const char *path, char **buf)
{
	const char *slash = strrchr(path, '/');

	if (!*path)
		return false;
	*buf = slash ? wh_strndup(path, (size_t)(slash - path)) : wh_strdup("");
	return true;
}

static void from_entry(struct dest *d, const struct wh_entry *e, const char *path, struct node *n)
{
	struct wh_xattr *x = NULL;

	if (e->n_xattrs) {
		x = wh_arena_alloc(d->arena, e->n_xattrs * sizeof(*x));
		memcpy(x, e->xattrs, e->n_xattrs * sizeof(*x));
	}
	*n = (struct node){
		.path = path,
		.type = e->type,
		.mode = e->mode,
		.uid = e->uid,
		.gid = e->gid,
		.mtime = e->mtime,
		.size = e->size,
		.link = e->type == WH_T_SYMLINK ? e->link : NULL,
		.xattrs = x,
		.n_xattrs = e->n_xattrs,
	};
}

static bool in_base(struct dest *d, const char *path, enum wh_type *ret)
{
	struct wh_node_ref ref;

	if (!d->base || wh_tree_lookup(d->base, path, &ref))
		return false;
	*ret = ref.e.type;
	return true;
}

/* Does something that was changed above keep the base's entry from being seen? */
static bool hidden(struct dest *d, const char *path)
{
	WH_AUTO_FREE char *at = wh_strdup(path);
	char *slash;
	struct out *o;

	if (!d->hides)
		return false;
	while ((slash = strrchr(at, '/'))) {
		*slash = '\0';
		o = dest_find(d, at);
		if (o && (o->removed || o->opaque || o->n.type != WH_T_DIR))
			return true;
	}
	return false;
}

int dest_lookup(struct dest *d, const char *path, struct node *ret)
{
	WH_AUTO_FREE char *up = NULL;
	struct out *o = dest_find(d, path);
	struct wh_node_ref ref;

	if (o && o->removed)
		return -ENOENT;
	if (o) {
		*ret = o->n;
		return 0;
	}
	if (parent_of(path, &up)) {
		o = dest_find(d, up);
		if (o && (o->fresh || o->opaque))
			return -ENOENT;
	}
	if (d->base && !hidden(d, path) && wh_tree_lookup(d->base, path, &ref) == 0) {
		from_entry(d, &ref.e, path, ret);
		return 0;
	}
	if (!*path) {
		*ret = (struct node){.path = "", .type = WH_T_DIR, .mode = 0755, .mtime = d->time};
		return 0;
	}
	return -ENOENT;
}

int dest_resolve(struct dest *d, const char *prefix, const char *path, const char **ret, struct wh_err **err)
{
	WH_AUTO_FREE char *todo = wh_strdup(path), *done = wh_strdup(prefix);
	size_t floor = strlen(prefix);
	unsigned links = 0;
	char *at = todo;

	for (;;) {
		WH_AUTO_FREE char *name = NULL, *next = NULL;
		struct node n;
		size_t len;

		at += strspn(at, "/");
		if (!*at)
			break;
		len = strcspn(at, "/");
		name = wh_strndup(at, len);
		at += len;
		if (strcmp(name, ".") == 0)
			continue;
		if (strcmp(name, "..") == 0) {
			char *slash = strrchr(done, '/');

			if (strlen(done) > floor)
				done[slash && (size_t)(slash - done) >= floor ? (size_t)(slash - done) : floor] = '\0';
			continue;
		}
		next = *done ? wh_asprintf("%s/%s", done, name) : wh_strdup(name);
		if (dest_lookup(d, next, &n) == 0 && n.type == WH_T_SYMLINK) {
			char *more = wh_asprintf("%s/%s", n.link, at);

			free(todo);
			at = todo = more;
			if (++links > MAX_LINKS)
				return wh_err_set(err, DOMAIN, WH_ERR_BUILD, ELOOP,
						  "\"/%s\": too many levels of symbolic links", next);
			if (*n.link == '/')
				done[floor] = '\0';
			continue;
		}
		free(done);
		done = WH_TAKE_PTR(next);
	}
	*ret = wh_arena_strdup(d->arena, done);
	return 0;
}

/* What this vertex had put below a path is gone. */
static void drop_below(struct dest *d, const char *path)
{
	size_t len = strlen(path);

	for (size_t i = 0; i < d->n_buckets; i++) {
		struct out **at = &d->buckets[i];

		while (*at) {
			const char *p = (*at)->n.path;

			if ((strncmp(p, path, len) == 0 && p[len] == '/') || (!len && *p)) {
				*at = (*at)->next;
				d->n--;
			} else {
				at = &(*at)->next;
			}
		}
	}
}

struct out *dest_put(struct dest *d, const char *path, enum wh_type type)
{
	bool was, based, based_dir, fresh = false, opaque = false;
	enum wh_type below = WH_T_FILE;
	struct out *o, *old = dest_find(d, path);
	struct node n;

	was = dest_lookup(d, path, &n) == 0;
	if (was && n.type == WH_T_DIR && type == WH_T_DIR) {
		o = insert(d, path);
		if (!old)
			o->n = (struct node){.path = o->n.path, .type = type};
		o->keep = false;
		return o;
	}
	/* Below a directory that is new there is nothing to hide. */
	based = was || d->hides ? in_base(d, path, &below) : false;
	based_dir = based && below == WH_T_DIR;
	if (type == WH_T_DIR) {
		fresh = true;
		opaque = based_dir;
	}
	if ((was && n.type == WH_T_DIR) || based_dir) {
		drop_below(d, path);
		d->hides = true;
	}
	o = insert(d, path);
	*o = (struct out){.n = {.path = o->n.path, .type = type}, .fresh = fresh, .opaque = opaque, .next = o->next};
	return o;
}

int dest_remove(struct dest *d, const char *path)
{
	enum wh_type below;
	struct out *o;
	struct node n;

	if (!*path)
		return -EINVAL;
	if (dest_lookup(d, path, &n))
		return -ENOENT;
	drop_below(d, path);
	d->hides = true;
	/* A name that only this vertex made leaves no trace but a mark that it is not there. */
	o = insert(d, path);
	*o = (struct out){.n = {.path = o->n.path, .type = n.type}, .removed = true, .next = o->next};
	o->keep = hidden(d, path) || !in_base(d, path, &below);
	return 0;
}

int dest_mkdir_all(struct dest *d, const char *path, const struct dir_attr *a, struct wh_err **err)
{
	WH_AUTO_FREE char *at = wh_strdup(path);
	struct node n;
	size_t len = 0;

	if (!*path || (dest_lookup(d, path, &n) == 0 && n.type == WH_T_DIR))
		return 0;
	do {
		struct out *o;
		char cut;

		len += strcspn(path + len, "/");
		cut = at[len];
		at[len] = '\0';
		if (dest_lookup(d, at, &n)) {
			o = dest_put(d, at, WH_T_DIR);
			o->n.mode = a->mode;
			o->n.uid = a->uid;
			o->n.gid = a->gid;
			o->n.mtime = d->time;
		} else if (n.type != WH_T_DIR) {
			wh_err_set(err, DOMAIN, WH_ERR_BUILD, ENOTDIR,
				   "cannot make the directory \"/%s\": \"/%s\" is not a directory", path, at);
			return -ENOTDIR;
		}
		at[len] = cut;
	} while (path[len++]);
	return 0;
}

static int by_path(const void *a, const void *b)
{
	const struct out *const *x = a, *const *y = b;

	return wh_path_cmp((*x)->n.path, (*y)->n.path);
}

/* A layer is unpacked on its own: the directories on the way must be in it, as they are below. */
static void add_parents(struct dest *d, const char *path)
{
	WH_AUTO_FREE char *at = wh_strdup(path);
	char *slash;

	while ((slash = strrchr(at, '/'))) {
		struct node n;
		struct out *o;

		*slash = '\0';
		if (dest_find(d, at) || dest_lookup(d, at, &n))
			return;
		o = insert(d, at);
		n.path = o->n.path;
		o->n = n;
		o->keep = true;
	}
}

struct out **dest_sorted(struct dest *d, size_t *ret_n)
{
	struct out **list = NULL;
	size_t n = 0, cap = 0, first;

	for (size_t i = 0; i < d->n_buckets; i++)
		for (struct out *o = d->buckets[i]; o; o = o->next)
			if (!(o->removed && o->keep) && *o->n.path)
				WH_PUSH(list, n, cap) = o;
	/* Adding moves entries between the buckets, so not while walking them. */
	first = n;
	for (size_t i = 0; i < first; i++)
		add_parents(d, list[i]->n.path);
	n = 0;
	for (size_t i = 0; i < d->n_buckets; i++)
		for (struct out *o = d->buckets[i]; o; o = o->next)
			if (!(o->removed && o->keep) && *o->n.path)
				WH_PUSH(list, n, cap) = o;
	if (n)
		qsort(list, n, sizeof(*list), by_path);
	*ret_n = n;
	return list;
}
