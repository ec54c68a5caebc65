/* SPDX-License-Identifier: Apache-2.0 */
/* The step's root file system: overlay or directory, its mount points, and the change into it. */
#ifndef WH_SANDBOX_ROOTFS_H
#define WH_SANDBOX_ROOTFS_H

#include "sandbox/sandbox.h"
#include "sandbox/stubs.h"

/* A place where something will be mounted. */
struct wh_place {
	const char *path; /* absolute inside the root */
	bool dir;         /* else a file */
};

struct wh_rootfs {
	int fd;         /* the mounted root, O_PATH */
	int base;       /* upper, or the directory that is the root; -1: read-only */
	uint64_t mount; /* its mount's id: what is made elsewhere needs no note */
	struct wh_stub_list made;
	/* Called with each new note at once, so that it is known outside whatever happens here. */
	void (*on_made)(void *arg, const struct wh_stub_made *m);
	void *arg;
};

/* Mounts the root, with mount points for all places (in order; those inside another's are left to wh_rootfs_target()).
 * r->on_made is set by the caller; the rest is initialised here. */
int wh_rootfs_mount(struct wh_rootfs *r, const struct wh_root *root, const struct wh_place *places, size_t n,
		    struct wh_err **err);
/* The place itself, O_PATH; made in place when missing. fd or -errno. */
int wh_rootfs_target(struct wh_rootfs *r, const char *path, bool dir, struct wh_err **err);
/* The working directory, made for real (0755, root's) when missing. fd or -errno. */
int wh_rootfs_cwd(struct wh_rootfs *r, const char *path, struct wh_err **err);
/* Makes it "/" of this mount namespace; nothing of the old root stays. */
int wh_rootfs_pivot(struct wh_rootfs *r, struct wh_err **err);

/* A detached tree that shows root (overlay or directory), for a bind. fd or -errno. */
int wh_rootfs_tree(const struct wh_root *root, struct wh_err **err);

/* The overlay options that hold everywhere. Not redirect_dir=off: where redirect_always_follow is set (the default)
 * the kernel reads that as "follow", and refuses it beside userxattr. An upper also gets volatile: no fsync in the
 * step (what it writes is flushed once, when the snapshot is taken). */
#define WH_OVERLAY_OPTIONS "userxattr,redirect_dir=nofollow,metacopy=off,index=off"
/* Mounts an overlay onto target. Names given to the kernel are descriptor numbers: short enough for 500 lowers in
 * one page of options, and free of ':' and ','. bottom: one more lower, or NULL. */
int wh_overlay_mount(const struct wh_root *root, const char *bottom, int target, struct wh_err **err);

#endif
