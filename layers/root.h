/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image's root file system for exporters: what is there comes from the
 * indexes, contents come from the blobs, each read once from front to end.
 * Nothing has to be unpacked, so this needs no privileges. Private to layers/.
 */
#ifndef WH_LAYERS_ROOT_H
#define WH_LAYERS_ROOT_H

#include "layers/layers.h"

struct wh_root_entry {
	const char *path;
	enum wh_type type;
	const char *first; /* FILE: the name its layer has the content under */
	size_t layer;
	uint64_t offset, size;
	size_t primary; /* FILE: the number of the entry that shares its content and comes first; may be its own */
};
struct wh_root {
	struct wh_store *s;
	const struct wh_image *i;
	struct wh_tree *tree;
	struct wh_root_entry *v; /* in wh_path_cmp order, the root directory left out */
	size_t n;
	size_t *files; /* numbers of the primary FILEs, in the order in which contents come */
	size_t n_files;
};
int wh_root_open(struct wh_store *s, const struct wh_image *i, struct wh_root *ret, struct wh_err **err);
void wh_root_close(struct wh_root *r);
/* All there is to know about an entry. */
int wh_root_node(struct wh_root *r, const char *path, struct wh_node_ref *ret, struct wh_err **err);

struct wh_content_sink {
	int (*begin)(void *arg, const struct wh_root_entry *e, struct wh_err **err);
	int (*data)(void *arg, const struct wh_root_entry *e, const void *p, size_t n, struct wh_err **err);
	int (*end)(void *arg, const struct wh_root_entry *e, struct wh_err **err);
};
/* The content of each of r->files. That a layer was damaged is known only at its end: be ready to throw away. */
int wh_root_contents(struct wh_root *r, const struct wh_content_sink *sink, void *arg, struct wh_err **err);

#endif
