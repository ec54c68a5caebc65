/* SPDX-License-Identifier: Apache-2.0 */
/*
 * File operations: COPY, ADD, WORKDIR's mkdir, heredoc files. The result is a
 * layer written directly from its sources: a local directory is read once,
 * straight into tar, digests and compressor, and never copied to disk first.
 *
 *   new → scan → [hash] → digest → (cache asked) → write → digest
 *
 * scan     walks the sources (stat only), expands wildcards, applies ignore
 *          and exclude patterns, joins with the context memo; decides nothing
 *          about the destination.
 * known    says whether every selected file's digest is known from the memo
 *          (or from the layer index, for trees).
 * hash     reads the files that are not known. Skipped when no record of this
 *          operation exists at all: then nothing could be found anyway, and
 *          write() learns the digests on its one pass.
 * digest   of the selection: names, modes, owners, links, xattrs, content;
 *          never times. Needs all known.
 * write    resolves the destination in the tree below (symlinks inside the
 *          root, existing directories keep their attributes and are not
 *          written again unless needed), sorts, and writes the layer. A file
 *          that changes while it is read is read again once, then an error.
 *
 * The context memo (ROOT/memo/HEX, one file for each context directory) maps path,
 * inode, size, mtime, ctime to a digest, under git's racy rule: an entry
 * whose mtime or ctime is not older than the memo's own writing is not trusted.
 *
 * One object, one thread at a time; any worker thread.
 */
#ifndef WH_BUILDER_FILEOP_H
#define WH_BUILDER_FILEOP_H

#include "builder/graph.h"
#include "layers/layers.h"

/* How modes and times of local files are read. */
struct wh_local_attrs {
	bool has_umask; /* modes that come of this umask are as 022's would be */
	uint32_t umask;
	bool plain;     /* --reproducible: 0644 or, where the owner may execute it and for directories, 0755; and one time */
	int64_t time;
};

struct wh_file_input {
	const struct wh_vertex *v;       /* the source vertex (for messages and its ignore filter) */
	const char *local_path;          /* local://: the directory; NULL: a tree */
	struct wh_local_attrs attrs;     /* of what is in it */
	const struct wh_layer *layers;   /* tree: lowest first */
	size_t n_layers;
};

struct wh_fileop;
struct wh_fileop_args {
	struct wh_store *store;
	const struct wh_vertex *v;       /* kind WH_OP_FILE */
	const struct wh_layer *base;     /* layers of inputs[0], lowest first */
	size_t n_base;
	int64_t base_time;               /* time for directories made on the way: newest of the base, 0 when there is none */
	const struct wh_file_input *inputs; /* indexed as the vertex's inputs; [0] unused */
	size_t n_inputs;
	const char *const *protect;      /* files that must not be taken in, absolute; NULL: none */
	const _Atomic bool *cancel;      /* once it is true, hashing ends with -ECANCELED (writing: see wh_layer_opts); or NULL */
};
int wh_fileop_new(const struct wh_fileop_args *a, struct wh_fileop **ret, struct wh_err **err); /* copies what it needs of a */
int wh_fileop_scan(struct wh_fileop *f, struct wh_err **err);
bool wh_fileop_known(const struct wh_fileop *f);
int wh_fileop_hash(struct wh_fileop *f, struct wh_err **err);
int wh_fileop_digest(struct wh_fileop *f, struct wh_digest *ret, struct wh_err **err);
/* What was selected, path by path: elements of a JSON array (fileop_list.c), for --explain-cache. label goes before each path.
 * After digest(). Appends. */
void wh_fileop_list(const struct wh_fileop *f, const char *label, struct wh_buf *out);
/* *ret_empty: nothing changed (a directory that existed already): no layer is needed; ret is then an empty layer all the same. */
int wh_fileop_write(struct wh_fileop *f, const struct wh_layer_opts *o, struct wh_layer *ret, bool *ret_empty, struct wh_err **err);
void wh_fileop_free(struct wh_fileop *f);

/* Content digest of one path (a file, or a directory and all below it) in a tree, for `RUN --mount=type=bind,from=…,source=…` keys.
 * list (may be NULL): what it is made of, as wh_fileop_list() says it. */
int wh_tree_content_digest(struct wh_tree *t, const char *path, struct wh_digest *ret, const char *label, struct wh_buf *list,
			   struct wh_err **err);
/* The same for a local directory (ignore filter applied, memo used). */
int wh_local_content_digest(struct wh_store *s, const struct wh_file_input *in, const char *path, struct wh_digest *ret,
			    struct wh_err **err);
/* Where a path of a local directory leads, its symlinks followed inside the directory: "/" or "/a/b", malloc'ed. */
int wh_local_resolve(struct wh_store *s, const struct wh_file_input *in, const char *path, char **ret, struct wh_err **err);

#endif
