/* SPDX-License-Identifier: Apache-2.0 */
/* Small things that all of harden/ needs of trees and paths. Private to harden/. */
#ifndef WH_HARDEN_TREE_H
#define WH_HARDEN_TREE_H

#include "harden/harden.h"

#define WH_HARDEN_DOMAIN "harden"

/* Walks path from the root as a kernel would, ".." stopping there. Adds to links (or NULL) each symlink that was
 * walked, by its canonical path, also when it fails then. 0, -ENOENT, -ENOTDIR, -ELOOP. */
int wh_walk(struct wh_tree *t, const char *path, bool follow_last, struct wh_strv *links, char **ret_path,
	    struct wh_node_ref *ret);
/* The same on anything that is like a tree: at says what stands at a canonical path, or a negative errno. */
enum wh_walk_kind { WH_WALK_DIR, WH_WALK_LINK, WH_WALK_OTHER };
typedef int (*wh_walk_fn)(void *arg, const char *path, const char **ret_link /* LINK: its text */);
int wh_walk_by(wh_walk_fn at, void *arg, const char *path, bool follow_last, struct wh_strv *links, char **ret_path);
/* Where a symlink's text leads from, as a path for wh_walk: absolute, or beside the link. malloc'ed. */
char *wh_link_target(const struct wh_node_ref *link);

/* A file's bytes, mapped; empty files and what is no FILE give n = 0. The mapping ends with wh_bytes_release. */
struct wh_bytes {
	const uint8_t *p;
	size_t n;
};
int wh_bytes_open(struct wh_tree *t, const struct wh_node_ref *n, struct wh_bytes *ret, struct wh_err **err);
void wh_bytes_release(struct wh_bytes *b);
#define WH_AUTO_BYTES WH_CLEANUP(wh_bytes_release)
/* A text file of an image by any path, at most max bytes (more is cut). Missing or no file: -ENOENT without a text. */
int wh_text_read(struct wh_tree *t, const char *path, size_t max, struct wh_buf *ret, struct wh_err **err);

/* Paths are bytes, JSON strings are UTF-8: a byte that is no part of valid UTF-8 becomes U+10F700 + byte (and so do
 * the four bytes of such a character itself), which every path survives both ways. */
json_t *wh_path_json(const char *path);
/* wh_path_of_json() is in harden.h. */
/* json_string for other foreign text (programs, remarks): the same. */
static inline json_t *wh_text_json(const char *s)
{
	return s ? wh_path_json(s) : json_null();
}

#endif
