/* SPDX-License-Identifier: Apache-2.0 */
/* What PRUNE took away from an image, for the commands that want it: restore, debug shell. */
#ifndef WH_CLI_REMOVED_H
#define WH_CLI_REMOVED_H

#include "cli/cli.h"
#include "evidence/evidence.h"

struct wh_cli_removed {
	bool present;
	struct wh_image part; /* one layer */
	json_t *said;         /* what is said of it (WH_PREDICATE_REMOVED), or NULL */
	json_t *restored;     /* the image was made by restore: what is said of that, or NULL */
};
/* artifacts: what is attached to the image. What is said of the removed part decides which it is; with a key, only what that has signed counts, and
 * the image is verified. layout: where the image is, or NULL. There being none is success. */
int wh_cli_removed_find(struct wh_store *s, const char *layout, const struct wh_image *i, const struct wh_artifacts *artifacts,
			const char *key_file, struct wh_cli_removed *ret, struct wh_err **err);
void wh_cli_removed_release(struct wh_cli_removed *r);
/* whittle explain of an image that restore made: what came back and why, as text or as the document. */
int wh_cli_restored_explain(const json_t *restored, bool json, struct wh_tree *t, const struct wh_strv *paths, struct wh_buf *out,
			    struct wh_err **err);
/* The error where there is none: what to do about it. */
int wh_cli_removed_absent(const struct wh_cli_removed *r, const char *ref, struct wh_err **err);

#endif
