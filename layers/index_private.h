/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making layer indexes, for the layer writer and the reader of foreign layers,
 * and what trees tell this folder alone. Private to layers/.
 */
#ifndef WH_LAYERS_INDEX_PRIVATE_H
#define WH_LAYERS_INDEX_PRIVATE_H

#include "layers/layers.h"

struct wh_index_builder;

/* What finish found out about the layer. */
struct wh_index_info {
	uint64_t n_entries;
	int64_t newest; /* newest mtime, whiteouts not counted; INT64_MIN when there is nothing else */
};

int wh_index_builder_new(struct wh_store *s, struct wh_index_builder **ret, struct wh_err **err);
/*
 * Adds an entry (strings are copied out), in any order; sorted input costs no sort. The path must be clean and relative
 * (checked: -EINVAL), e->xattrs sorted by name and at most WH_MAX_XATTRS.
 *
 * A path that is given again replaces what was given before, as extraction would, but for a whiteout and a directory of
 * one path, which make an opaque directory. Entries below what is finally no directory are dropped.
 * A HARDLINK takes size and digest from its target in finish, when the target is in this layer.
 */
int wh_index_builder_add(struct wh_index_builder *b, const struct wh_entry *e, struct wh_err **err);
/* The digest of the FILE that was added last, once its content is read. */
void wh_index_builder_set_digest(struct wh_index_builder *b, const struct wh_digest *d);
/* Marks the directory as opaque (made with the usual defaults when it never comes), whenever its own entry comes. */
int wh_index_builder_add_opaque(struct wh_index_builder *b, const char *path, struct wh_err **err);
/* Writes index/HEX; one that is there already is kept. Frees b in any case. ret may be NULL. */
int wh_index_builder_finish(struct wh_index_builder *b, const struct wh_digest *diff_id, struct wh_index_info *ret,
			    struct wh_err **err);
void wh_index_builder_abort(struct wh_index_builder *b);

/* Is there an index for this diff id? (Not whether it is sound.) */
bool wh_index_has(struct wh_store *s, const struct wh_digest *diff_id);
/* Opens an index that must exist: -ENOENT without an error text when it does not, -EBADMSG when it is damaged. */
int wh_index_open_diff(struct wh_store *s, const struct wh_digest *diff_id, struct wh_index **ret, struct wh_err **err);
/* The same from memory, which must stay until close. verify false: the checksum is not looked at (for fuzzing). */
int wh_index_parse(const void *p, size_t n, bool verify, struct wh_index **ret, struct wh_err **err);
void wh_index_info(const struct wh_index *x, struct wh_index_info *ret);
/* Is any entry implied? */
bool wh_index_some_implied(const struct wh_index *x);
/* Position of the first entry at or after pos that is neither path nor below it. */
size_t wh_index_skip(const struct wh_index *x, size_t pos, const char *path);

/* Reads the layer's blob (fetched first when need be) once and makes its index. Implemented beside the layer reader. */
int wh_index_from_blob(struct wh_store *s, const struct wh_layer *l, struct wh_err **err);

/* Directories that a layer only implies and a lower one describes: adds their paths, in no order, some twice. */
int wh_tree_list_implied(struct wh_tree *t, struct wh_strv *ret);

#endif
