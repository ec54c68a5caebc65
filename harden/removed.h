/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report's list of what went, as a tree: a directory is an object of its names, a symlink [its text, owner],
 * anything else its owner: the name of the package that brought it, or true. Directories that stay are in it when
 * something below them went. Private to harden/.
 */
#ifndef WH_HARDEN_REMOVED_H
#define WH_HARDEN_REMOVED_H

#include "harden/packages_private.h"

struct wh_removed {
	struct wh_dpkg dpkg;
	struct wh_dpkg_files files; /* who owns what */
	json_t *tree;
};
/* ret is to be released in any case. */
int wh_removed_open(struct wh_tree *t, struct wh_removed *ret, struct wh_err **err);
void wh_removed_release(struct wh_removed *r);
/* The installed package that a path is of (a directory: one of them); NULL: of none. */
const struct wh_dpkg_record *wh_removed_record_of(const struct wh_removed *r, const char *path);
void wh_removed_add(struct wh_removed *r, const struct wh_node_ref *n);

/* What the tree of a report says about a path: NULL: nothing went there. */
const json_t *wh_removed_find(const json_t *tree, const char *path);
/* The package that it was of; NULL: of none, or it is a directory. */
const char *wh_removed_owner(const json_t *node);
/* How many that are no directories went below. */
size_t wh_removed_count(const json_t *node);

#endif
