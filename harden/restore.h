/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What PRUNE took away, and how some of it comes back. Part of harden.h.
 *
 *   full tree − pruned tree ──▶ removed part, one layer
 *   pruned tree + removed part = full tree;  paths + what they need ──▶ one more layer on the pruned tree
 *
 * In the removed part is what the pruned tree does not have, with its directories, and the originals of files that PRUNE has
 * rewritten (the package database): without them the records of what comes back could not be told.
 */
#ifndef WH_HARDEN_RESTORE_H
#define WH_HARDEN_RESTORE_H

#include "layers/layers.h"

struct wh_removed_part {
	struct wh_layer layer;
	uint64_t entries;   /* that went: files, links, directories … */
	uint64_t files, bytes;
	uint64_t originals; /* of files that stayed, and were rewritten */
};
/* removed_part.c. Nothing went: entries is 0, and there is no layer. */
int wh_removed_part_make(struct wh_store *s, struct wh_tree *full, struct wh_tree *pruned, const struct wh_layer_opts *o,
			 struct wh_removed_part *ret, struct wh_err **err);

struct wh_restore_opts {
	const struct wh_strv *paths; /* absolute, globs allowed */
	bool exact;                  /* those, without what they need */
	bool all;                    /* everything: paths are not looked at */
	const json_t *config;        /* the image's config{} */
};
/* restore.c. pruned: the image's layers; part: the removed part. ret: the layer to put on the image. The document:
 *   {"mode":"needed" | "exact" | "all", "asked":["/bin/sh", …],     schemas/restored-1.json, with "$schema" and "base"; paths with a slash
 *    "restored":[{"path","rule","via","name"}, …],   as kept ones of a prune's report: keep (asked for), symlink, elf, script, closure, package, parent
 *    "rewritten":[paths of the package database], "packages":[names whose files came back], "shells":[paths], "setid":[paths]}
 * Errors (WH_ERR_USAGE): a path that was never there, or that is there; (WH_ERR_BUILD, -EBADMSG) a part that is not this image's. */
int wh_restore_write(struct wh_store *s, const struct wh_layer *pruned, size_t n_pruned, const struct wh_layer *part,
		     const struct wh_restore_opts *o, const struct wh_layer_opts *lo, struct wh_layer *ret, json_t **ret_doc,
		     struct wh_err **err);
/* What the document says of a path, as a line of text. False: it says nothing. */
bool wh_restore_explain(const json_t *doc, const char *path, struct wh_buf *out);

#endif
