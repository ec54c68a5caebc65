/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report's list of what went, as a tree: a directory is an object of its names, a symlink [its text, owner],
 * anything else its owner: the package that brought it ("nginx", "python flask 2.2.2", "npm express 4.18.2"), or true. Directories that
 * stay are in it when something below them went. Private to harden/.
 */
#ifndef WH_HARDEN_REMOVED_H
#define WH_HARDEN_REMOVED_H

#include "harden/packages_private.h"

#define WH_REMOVED_DEPTH 512 /* directories; what lies deeper is not listed */

struct wh_lang_owned {
	char *path;
	size_t owner; /* in lang_owners */
};
struct wh_removed {
	struct wh_dpkg dpkg;
	struct wh_dpkg_files files; /* who owns what */
	struct wh_lang_owned *langs; /* the same of what no package of dpkg's brought; sorted by path */
	size_t n_langs, cap_langs;
	struct wh_strv lang_owners;
	json_t *tree;
	json_t *packages; /* what went of each: {"nginx":{"files":N,"bytes":N}, …}; "" has what was nobody's */
};
/* ret is to be released in any case. */
int wh_removed_open(struct wh_tree *t, struct wh_removed *ret, struct wh_err **err);
void wh_removed_release(struct wh_removed *r);
/* The installed package that a path is of (a directory: one of them); NULL: of none. */
const struct wh_dpkg_record *wh_removed_record_of(const struct wh_removed *r, const char *path);
/* Reads of the packages of languages, too, whose files they are. */
int wh_removed_open_langs(struct wh_removed *r, struct wh_tree *t, struct wh_err **err);
/* Whose file or link it is, as the tree has it; NULL: nobody's. */
const char *wh_removed_owner_of(const struct wh_removed *r, const char *path);
void wh_removed_add(struct wh_removed *r, const struct wh_node_ref *n);

/* What the tree of a report says about a path: NULL: nothing went there. */
const json_t *wh_removed_find(const json_t *tree, const char *path);
/* The package that it was of; NULL: of none, or it is a directory. */
const char *wh_removed_owner(const json_t *node);

#endif
