/* SPDX-License-Identifier: Apache-2.0 */
/* A whole root as a plain directory, for where overlay cannot be mounted. Private to layers/. */
#ifndef WH_LAYERS_MATERIALIZE_H
#define WH_LAYERS_MATERIALIZE_H

#include "layers/layers.h"

/* What the directory looked like when it was made, in a few bytes for each directory of it. */
struct wh_made {
	struct timespec before; /* inodes with a younger ctime were touched since */
	struct wh_made_dir {
		ino_t ino;
		uint64_t path; /* hash */
	} * dirs;              /* sorted by ino */
	size_t n, cap;
	size_t n_devices; /* that could not be made: empty files of mode 0 are in their places */
};

/*
 * Fills the empty directory with everything the tree shows, files reflinked from the layers' snapshots where possible.
 *
 * links false: each name of a file with several becomes a file of its own. Overlay cuts a link of a lower layer as soon
 * as one of its names is changed, so that the others stay as they are; in a directory with real links all would change,
 * and layers would depend on the snapshotter. Where files cannot be reflinked this costs time and space for each name
 * (400 names of one program of 1 MB make 400 MB), and a step sees link counts of 1 where overlay has more. A root that
 * nobody changes is made with links true.
 */
int wh_materialize(struct wh_tree *t, int dirfd, bool links, struct wh_made *ret, struct wh_err **err);
/* Fills the empty directory with these directories of the tree and those above them, and nothing else. Sorts paths. */
int wh_materialize_dirs(struct wh_tree *t, struct wh_strv *paths, int dirfd, struct wh_err **err);
void wh_made_release(struct wh_made *m);
/* For struct wh_diff; arg is a struct wh_made. */
bool wh_made_untouched(void *arg, const struct stat *st);
bool wh_made_in_place(void *arg, const struct stat *st, const char *path);
/* Owner, mode, xattrs (not for links) and time of an entry go to the file. 0 or -errno. */
int wh_entry_apply(int dirfd, const char *name, const struct wh_entry *e);

#endif
