/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree of names that an archive describes, kept in memory while it is
 * read: later entries replace earlier ones, links share an inode, and what is
 * finally there is a proper tree. No file system is touched; whoever unpacks
 * follows this tree, so nothing an archive says can lead out of it.
 */
#ifndef WH_LAYERS_NAMES_H
#define WH_LAYERS_NAMES_H

#include "layers/layers.h"

struct wh_inode {
	enum wh_type type;
	bool opaque, implied;
	uint32_t mode, uid, gid, major, minor;
	uint32_t names; /* how many names it has */
	int64_t mtime;
	uint64_t size;
	uint64_t offset; /* in the uncompressed tar, UINT64_MAX when the content is in pieces */
	uint64_t spool;  /* where somebody has put the content */
	struct wh_digest digest;
	const char *link;  /* SYMLINK: text. HARDLINK: a path that this archive lacks */
	const char *first; /* while listing: its first name */
	const struct wh_xattr *xattrs;
	size_t n_xattrs;
};

struct wh_name {
	struct wh_inode *ino;
	struct wh_name *parent; /* NULL: the root */
	struct wh_name *child, *prev, *next;
	struct wh_name *chain; /* in its bucket */
	uint32_t hash;
	uint32_t n_children;
	uint32_t path_len;
	char text[]; /* one component; "" for the root */
};

struct wh_names;
struct wh_names *wh_names_new(void);
void wh_names_free(struct wh_names *t);
static inline void wh_names_freep(struct wh_names **t)
{
	if (*t)
		wh_names_free(*t);
	*t = NULL;
}
#define WH_AUTO_NAMES WH_CLEANUP(wh_names_freep)

struct wh_name *wh_names_root(struct wh_names *t); /* a DIR, implied until said otherwise */
struct wh_name *wh_names_find(struct wh_names *t, struct wh_name *dir, const char *name, size_t n);
/* The name must be new in dir. */
struct wh_name *wh_names_add(struct wh_names *t, struct wh_name *dir, const char *name, size_t n, struct wh_inode *ino);
struct wh_inode *wh_names_inode(struct wh_names *t, enum wh_type type);
/* Takes a name and all below it out of the tree (the memory stays until the tree goes). Not for the root. */
void wh_names_remove(struct wh_names *t, struct wh_name *n);
/* Memory that lives as long as the tree. */
void *wh_names_alloc(struct wh_names *t, size_t n);
const char *wh_names_strdup(struct wh_names *t, const char *s);
uint64_t wh_names_memory(const struct wh_names *t); /* bytes taken so far */
size_t wh_names_count(const struct wh_names *t);    /* names in the tree now, without the root */
/* Counts removals: a remembered struct wh_name may be gone when this has changed. */
uint64_t wh_names_generation(const struct wh_names *t);

/* Path of a name, as entries have it; replaces what buf holds. */
const char *wh_name_path(const struct wh_name *n, struct wh_buf *buf);

/* Every name in wh_path_cmp order as an entry of a layer (an implied root is left out). The first name of a file is the
 * FILE, further ones are HARDLINKs to it. fn's negative result ends it. */
typedef int (*wh_names_fn)(void *arg, const struct wh_entry *e, const struct wh_inode *ino, struct wh_err **err);
int wh_names_list(struct wh_names *t, wh_names_fn fn, void *arg, struct wh_err **err);
/* Directories only, children before their parents, the root last. */
typedef int (*wh_names_dir_fn)(void *arg, const char *path, const struct wh_inode *ino, struct wh_err **err);
int wh_names_dirs_up(struct wh_names *t, wh_names_dir_fn fn, void *arg, struct wh_err **err);

#endif
