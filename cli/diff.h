/* SPDX-License-Identifier: Apache-2.0 */
/*
 * whittle diff: what two images have in common, and what not.
 *
 *   two images ─▶ struct wh_diff_side each ─▶ wh_diff_make() ─▶ a document (schemas/diff-1.json) ─▶ text, Markdown, or itself
 */
#ifndef WH_CLI_DIFF_H
#define WH_CLI_DIFF_H

#include "cli/cli.h"
#include "evidence/evidence.h"

struct wh_diff_side {
	const char *name;     /* as the user calls it */
	struct wh_store *store;
	struct wh_cli_lazy lazy;
	struct wh_image image;
	struct wh_tree *tree;
	struct wh_packages packages;
	struct wh_findings findings;
	struct wh_owners *owners;
	struct wh_measure measure;
	json_t *report;           /* predicate, or NULL */
	struct wh_needs needs;    /* of report's profiles */
};
void wh_diff_side_release(struct wh_diff_side *s);

/* New reference. */
int wh_diff_make(struct wh_diff_side *a, struct wh_diff_side *b, json_t **ret, struct wh_err **err);
/* all_files: those of packages one by one, too. */
void wh_diff_text(const json_t *diff, bool all_files, bool colours, struct wh_buf *out);
void wh_diff_markdown(const json_t *diff, bool all_files, struct wh_buf *out);

#endif
