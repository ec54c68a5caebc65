/* SPDX-License-Identifier: Apache-2.0 */
/* What a step changed. Private to layers/. */
#ifndef WH_LAYERS_DIFF_H
#define WH_LAYERS_DIFF_H

#include "layers/layers.h"

struct wh_diff {
	struct wh_store *store;
	struct wh_tree *tree; /* what was there before */
	int root_fd;          /* overlay's upper directory, or a whole root */
	/* The directory is a whole root: what it lacks was removed. Else it is an upper directory: what it lacks is as
	 * before; and it is made equal to what the layer says (times, whiteouts, nothing that did not change). */
	bool whole;
	int64_t epoch;
	/* The rules of normalise.c count, and so do times: what was written from then to then (seconds, by the clock of the
	 * file system) gets the epoch, whether or not that is later. */
	bool normal;
	int64_t from, to;
	/* For whole roots: was this inode left alone since it was made equal to the tree? (May say no when in
	 * doubt.) */
	bool (*untouched)(void *arg, const struct stat *st);
	/* Is this directory the one that was made for this path? (One that was moved here has children that were
	 * not.) */
	bool (*in_place)(void *arg, const struct stat *st, const char *path);
	void *arg;
};

/* Adds entries to the writer: those that differ from the tree, with the directories above them. */
int wh_diff_run(const struct wh_diff *d, struct wh_layer_writer *w, struct wh_err **err);

/* A whiteout in overlay's form: character device 0:0 or, where not even this one may be made, an empty file that is
 * marked. 0 or -errno. */
int wh_whiteout_make(int dirfd, const char *name);
bool wh_whiteout_is(int dirfd, const char *name, const struct stat *st);

#endif
