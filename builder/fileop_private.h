/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the file operations share. Read in this order:
 *
 *   fileop_view.c    one face for local directories and trees of layers: look up, walk, open
 *   fileop_local.c   the local half: openat2 only, ignore filter, memo
 *   fileop_select.c  which entries a COPY takes: wildcards, --parents, --exclude
 *   fileop_dest.c    what the result looks like: the tree below, and what this vertex changed over it
 *   fileop_copy.c    the actions, with BuildKit's rules (COPY, mkdir, mkfile, rm, symlink)
 *   fileop_unpack.c  ADD of archives
 *   fileop_write.c   changes → layer writer
 *   fileop_list.c    the selection in words, for --explain-cache
 *   fileop.c         the public functions, and the digest of what was selected
 *
 * Strings and nodes live in the operation's arena and die with it.
 */
#ifndef WH_BUILDER_FILEOP_PRIVATE_H
#define WH_BUILDER_FILEOP_PRIVATE_H

#include "builder/fileop.h"
#include "builder/memo.h"

#define DOMAIN "builder"

/* ---------------------------------------------------------------- nodes */

/* An entry of a source, or of the result. */
struct node {
	const char *path;  /* clean, relative to the root of its view; "" is the root */
	enum wh_type type; /* never HARDLINK, never WHITEOUT */
	uint32_t mode, uid, gid;
	int64_t mtime; /* seconds */
	uint64_t size;
	uint32_t major, minor;
	const char *link;              /* SYMLINK: text */
	const struct wh_xattr *xattrs; /* none for local files: as BuildKit */
	size_t n_xattrs;
	bool has_digest;
	struct wh_digest digest; /* FILE */
	bool implied;            /* DIR of a tree that only exists for what is below it */
	bool through;            /* local DIR that is excluded, but what is below it perhaps not */
	bool linked;             /* FILE with other names; see peer */
	bool stub;               /* FILE that is a socket in truth: empty, never opened */
	/* Who has the same content under another name: local (dev, ino), tree (layer, first name). */
	uint64_t dev, ino;
	size_t layer;
	const char *first;
	uint64_t offset;            /* tree: of the content in its layer's tar */
	int64_t mtime_ns, ctime_ns; /* local: for the memo, and to see a change */
};

/* ---------------------------------------------------------------- views */

struct file_id {
	dev_t dev;
	ino_t ino;
	const char *path;
};

struct view {
	struct wh_arena *arena;
	struct wh_tree *tree; /* or NULL: a local directory */
	int *blobs;           /* tree: one a layer; uncompressed blobs, once opened; else -1 */
	struct wh_store *store;
	int rootfd;
	const struct wh_file_input *in;
	const struct wh_patterns *filter;
	struct wh_patterns *own_filter;
	struct wh_patterns *but_all; /* the filter without "*" and "**", if it has one of them and "!" patterns */
	struct wh_strv exceptions; /* paths of the filter's "!" patterns, cleaned */
	struct wh_memo *memo;
	const struct file_id *protect;
	size_t n_protect;
	const _Atomic bool *cancel;
	bool may_noatime;
};

int view_open(struct view *v, struct wh_store *s, const struct wh_file_input *in, struct wh_err **err);
void view_close(struct view *v);
/* No symlink is followed. -ENOENT without an error text. */
int view_lookup(struct view *v, const char *path, struct node *ret, struct wh_err **err);
/* Follows symlinks inside the root, the last one too. -ENOENT, -ELOOP, -ENOTDIR without an error text. */
int view_resolve(struct view *v, const char *path, struct node *ret, struct wh_err **err);
/* All below dir in wh_path_cmp order. fn: 0 go on, 1 not into this directory, negative: stop. */
typedef int (*view_fn)(void *arg, const struct node *n, struct wh_err **err);
int view_walk(struct view *v, const char *dir, view_fn fn, void *arg, struct wh_err **err);
/* Names in a directory, sorted. */
int view_list(struct view *v, const char *dir, struct wh_strv *ret, struct wh_err **err);
/* Opens a FILE for reading. For local files: n is brought up to date from the open file (fresh stat, digest dropped
 * when it changed); -EAGAIN without text when it is no regular file any more. */
int view_open_file(struct view *v, struct node *n, struct wh_err **err);
/* Of a tree: the layer's blob when it is a plain tar, so that nothing has to be unpacked to read one file; else -1. */
int view_blob(struct view *v, const struct node *n);
/* Copies what a walk lends; says what the memo knows; refuses protected files. */
int view_keep(struct view *v, const struct node *n, struct node *ret, struct wh_err **err);
/* -ENOENT with the text for a source that is not there, and a hint that says why. */
int view_missing(struct view *v, const char *path, struct wh_err **err);

int local_open(struct view *v, struct wh_store *s, struct wh_err **err);
int local_lookup(struct view *v, const char *path, struct node *ret, struct wh_err **err);
int local_resolve(struct view *v, const char *path, struct node *ret, struct wh_err **err);
int local_walk(struct view *v, const char *dir, view_fn fn, void *arg, struct wh_err **err);
int local_list(struct view *v, const char *dir, struct wh_strv *ret, struct wh_err **err);
int local_open_file(struct view *v, struct node *n, struct wh_err **err);
int local_keep(struct view *v, struct node *n, struct wh_err **err);
/* Of a path that is there on disk, but hidden: by what, in words. malloc'ed, or NULL. */
char *local_hidden_by(struct view *v, const char *path);
void local_learned(struct view *v, const struct node *n);
/* Reads the whole file: digest. Reads again once when it changes. */
int local_hash(struct view *v, struct node *n, struct wh_err **err);

/* ---------------------------------------------------------------- selection */

struct item {
	const char *rel; /* below the source; "" is the source itself */
	struct node n;
	bool lazy;   /* a directory that is only there for what was selected below it */
	size_t peer; /* one file under several names: index + 1 of the first item; else 0 */
};

/* One source path of one action, after wildcards. */
struct pick {
	size_t action;
	size_t input;
	const char *base;   /* its name as matched, for a destination that is a directory */
	const char *path;   /* as matched: for messages */
	struct item *items; /* [0] is the source itself, rel "" */
	size_t n, cap;
};

/* An archive that ADD unpacked: a tree of one layer, read while the result is written. */
struct archive {
	struct wh_layer layer;
	struct wh_file_input in;
	struct view view;
	struct pick pick;
};

struct wh_fileop {
	struct wh_arena *arena;
	struct wh_store *store;
	const struct wh_vertex *v;
	struct wh_layer *base;
	size_t n_base;
	int64_t base_time;
	struct wh_file_input *inputs;
	size_t n_inputs;
	struct view *views; /* one an input; opened when first used */
	bool *view_open;
	struct file_id *protect;
	size_t n_protect;
	const _Atomic bool *cancel;
	struct pick *picks;
	size_t n_picks, cap_picks;
	struct archive **archives;
	size_t n_archives, cap_archives;
	bool scanned;
};

int select_action(struct wh_fileop *f, size_t action, struct wh_err **err);
/* A path and all below it, without patterns. */
int select_path(struct view *v, const char *path, struct pick *p, struct wh_err **err);
void pick_release(struct pick *p);
/* Adds the canonical bytes of what was picked to the hash. with_root: a directory's own mode and owner too (COPY gives
 * the destination its own). All digests must be known. */
void pick_hash(const struct pick *p, bool with_root, struct wh_sha256 *h);
/* The same for people (fileop_list.c); label goes before each path. Appends. */
void pick_list(const struct pick *p, bool with_root, const char *label, struct wh_buf *out);
/* May something below this directory match the pattern? */
bool pattern_may_hold(const char *pattern, const char *dir);
bool pick_known(const struct pick *p);
/* Reads the files whose content is not known. */
int pick_read(struct view *v, struct pick *p, struct wh_err **err);

/* ---------------------------------------------------------------- destination */

enum origin { FROM_NOTHING, FROM_VIEW, FROM_DATA };

/* A path that this vertex writes, removes, or keeps but must name (a directory above something new). */
struct out {
	struct node n; /* path in the result */
	bool removed;  /* hides what is below; written as a whiteout when the base has the path */
	bool opaque;   /* DIR made anew over something that was removed */
	bool fresh;    /* DIR that the base does not have: nothing to look up below it */
	bool keep;     /* DIR of the base, repeated with its own attributes for the sake of what is below */
	enum origin origin;
	struct view *view; /* VIEW: where to read */
	struct item *item; /* VIEW: what to read */
	const char *data;  /* DATA */
	size_t data_len;
	size_t group;     /* hard links: same number, same file; 0: none */
	struct out *next; /* hash chain */
};

struct dest {
	struct wh_arena *arena;
	struct wh_tree *base; /* NULL: scratch */
	int64_t time;         /* of directories made on the way */
	struct out **buckets;
	size_t n, n_buckets;
	bool hides; /* something was removed: what the base has below must be checked */
	size_t groups;
};

int dest_open(struct dest *d, struct wh_fileop *f, struct wh_err **err);
void dest_close(struct dest *d);
struct out *dest_find(struct dest *d, const char *path);
/* 0, or -ENOENT (no text). */
int dest_lookup(struct dest *d, const char *path, struct node *ret);
/* Follows symlinks, keeps what does not exist; prefix: symlinks stay below this directory ("" the root). Result in the
 * arena. */
int dest_resolve(struct dest *d, const char *prefix, const char *path, const char **ret, struct wh_err **err);
struct dir_attr {
	uint32_t mode, uid, gid;
};
/* path is resolved already. */
int dest_mkdir_all(struct dest *d, const char *path, const struct dir_attr *a, struct wh_err **err);
/* Takes the path, whatever was there; a directory's content vanishes unless the new one is a directory as well. */
struct out *dest_put(struct dest *d, const char *path, enum wh_type type);
int dest_remove(struct dest *d, const char *path);
/* All that is to be written, sorted; directories above are added. malloc'ed array. */
struct out **dest_sorted(struct dest *d, size_t *ret_n);

/* ---------------------------------------------------------------- actions */

struct owner {
	bool set;
	uint32_t uid, gid;
};
int run_actions(struct wh_fileop *f, struct dest *d, struct wh_err **err);
/* *ret_done: it was an archive, and is unpacked. */
int unpack_pick(struct wh_fileop *f, struct dest *d, const struct wh_file_action *a, struct pick *p,
		const struct owner *o, bool *ret_done, struct wh_err **err);
void unpack_release(struct wh_fileop *f);
int write_layer(struct wh_fileop *f, struct dest *d, const struct wh_layer_opts *o, struct wh_layer *ret,
		bool *ret_empty, struct wh_err **err);

int fileop_view(struct wh_fileop *f, size_t input, struct view **ret, struct wh_err **err);

/* ---------------------------------------------------------------- chmod */

struct chmod {
	bool octal;
	uint32_t mode;
	const char *text;
};
/* NULL text: no change. */
int chmod_parse(const char *text, struct chmod *ret, struct wh_err **err);
uint32_t chmod_apply(const struct chmod *c, uint32_t mode, bool is_dir);

#endif
