/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading archives, all of them as hostile. The reader turns an archive into a
 * tree of names (layers/names.h) and tells a sink, step by step, what to do to
 * follow it on disk. The sink gets places in the tree, never the archive's
 * words: no "..", no absolute name, no way through a symlink or a file.
 */
#ifndef WH_LAYERS_READER_H
#define WH_LAYERS_READER_H

#include "layers/names.h"

struct wh_read_limits {
	uint64_t entries; /* in the archive, replaced and ignored ones too */
	uint64_t bytes;   /* all contents together */
	uint64_t holes;   /* holes of sparse files, all together */
	uint64_t memory;  /* what names, links and xattrs may take */
};
#define WH_READ_LIMITS                                         \
	((struct wh_read_limits){.entries = 10 * 1000 * 1000,  \
				 .bytes = UINT64_C(256) << 30, \
				 .holes = UINT64_C(16) << 30,  \
				 .memory = UINT64_C(4) << 30})
#define WH_PATH_LIMIT 4095 /* bytes in a path, without NUL; one component: 255 */
#define WH_XATTR_LIMIT 65536

struct wh_read_opts {
	bool add; /* an archive given to ADD: ".." stays inside instead of being refused, whiteouts have no meaning */
	bool any; /* with add: not only tars, but every kind that libarchive reads without a program's help */
	bool digests; /* fill in wh_inode.digest (costs time) */
	struct wh_read_limits limits;
};

/* Each may be NULL. 0 or -errno with err. */
struct wh_read_sink {
	/* n and all below it goes away. */
	int (*drop)(void *arg, struct wh_name *n, struct wh_err **err);
	/* A new name. Its directory was made before. DIR: attributes may still change, so set them at the end. FILE:
	 * data may follow, then done. */
	int (*make)(void *arg, struct wh_name *n, struct wh_err **err);
	/* n becomes another name of what target names. */
	int (*link)(void *arg, struct wh_name *n, struct wh_name *target, struct wh_err **err);
	/* What lies between two pieces, and after the last one up to ino->size, is a hole. */
	int (*data)(void *arg, struct wh_name *n, uint64_t offset, const void *p, size_t len, struct wh_err **err);
	int (*done)(void *arg, struct wh_name *n, struct wh_err **err);
};

/* Where the archive's bytes come from; *n == 0 at the end. Bytes stay valid until the next call. */
typedef int (*wh_bytes_fn)(void *src, const void **p, size_t *n, struct wh_err **err);

/* A layer's tar: v7, ustar, pax, GNU; uncompressed. */
int wh_tar_read(wh_bytes_fn next, void *src, const struct wh_read_opts *o, struct wh_names *names,
		const struct wh_read_sink *sink, void *arg, struct wh_err **err);
/* A tar in any usual compression, from a file; for ADD. -ENOTSUP without an error: it is none. */
int wh_archive_read(int fd, const struct wh_read_opts *o, struct wh_names *names, const struct wh_read_sink *sink,
		    void *arg, struct wh_err **err);

/* Reads a layer once (fetched first when need be), checks all its digests, and writes its index when the store has none.
 * The sink (may be NULL) sees everything. */
int wh_layer_read(struct wh_store *s, const struct wh_layer *l, struct wh_names *names, const struct wh_read_sink *sink,
		  void *arg, struct wh_err **err);

#endif
