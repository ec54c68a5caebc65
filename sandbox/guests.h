/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands in a step's root while it runs, where nothing can be mounted.
 *
 * A guest is put where a mount would lie: what was there is moved aside, into a directory beside the root, and moved back when no process
 * of the step is left. Parents keep the times that they have, so a guest leaves no trace in the layer. The step may do with it what it
 * could not do with a mount (remove it, move it, link to it); so guests are known by inode, and looked for where the kernel says that
 * they are now.
 */
#ifndef WH_SANDBOX_GUESTS_H
#define WH_SANDBOX_GUESTS_H

#include "sandbox/rootfs.h"

struct wh_guest {
	int parent;    /* the directory that it is in */
	char *name;    /* there */
	char *real;    /* its path in the root, as it was when it came */
	char *aside;   /* what was there before, by its name in the directory beside; NULL: nothing */
	int self;      /* O_PATH */
	int content;   /* of a file of ours: open for writing; -1 */
	bool mounted;  /* over it something is mounted */
	int home;      /* where it goes back to: directory, and name in it; -1: it ends with the step */
	char *home_name;
};
struct wh_guests {
	struct wh_rootfs *root; /* borrowed: fd and base, no mount */
	char *root_path;        /* as /proc/self/fd shows what is below it */
	int aside;              /* the directory beside the root */
	bool mounts;            /* this process is in a mount namespace of its own: what can be mounted nevertheless is */
	struct wh_guest *v;
	size_t n, cap;
};

/* root: dir is opened. The directory beside it is made. */
int wh_guests_open(struct wh_guests *g, struct wh_rootfs *r, const struct wh_root *root, struct wh_err **err);
/* A directory of ours instead of what is at path; *ret_fd: the directory. */
int wh_guests_dir(struct wh_guests *g, const char *path, mode_t mode, uint32_t uid, uint32_t gid, int *ret_fd, struct wh_err **err);
/* A file of ours. */
int wh_guests_file(struct wh_guests *g, const char *path, const void *p, size_t n, mode_t mode, uint32_t uid, uint32_t gid,
		   struct wh_err **err);
/* What a bind of a step shows. Its source is moved; with stays, back again when it leaves. */
int wh_guests_bind(struct wh_guests *g, const struct wh_bind *b, struct wh_err **err);
/* /dev, /proc and /sys as far as they can be had: see chroot_dev.c. */
int wh_guests_system(struct wh_guests *g, struct wh_err **err);
/* All of them leave, last one first; the first error is told, the rest is still tried. No process of the step may be left. */
int wh_guests_leave(struct wh_guests *g, struct wh_err **err);

#endif
