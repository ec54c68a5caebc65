/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/mount.h"
#include "sandbox/rootfs.h"

#include <errno.h>

struct layer_fds {
	int *v;
	size_t n, cap;
};

static void close_all(struct layer_fds *l)
{
	for (size_t i = 0; i < l->n; i++)
		close(l->v[i]);
	free(l->v);
}

/* Opens a directory of the overlay; fd or -errno. */
static int add(struct layer_fds *l, const char *path, struct wh_err **err)
{
	int fd = wh_openat(AT_FDCWD, path, O_PATH | O_DIRECTORY, 0);

	if (fd < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_BUILD, -fd, "open layer directory %s", path);
	WH_PUSH(l->v, l->n, l->cap) = fd;
	return fd;
}

/* A volatile mount leaves a mark in work, for which the next mount of the same upper (a resumed one) is refused. */
static void forget_volatile(int work)
{
	WH_AUTO_FD int fd = wh_openat(work, "work", O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);

	if (fd >= 0)
		wh_rm_rf(fd, "incompat");
}

/* mount(2) with the descriptors' own directory as current one, so that each name is a bare number. */
static int mount_here(int target, unsigned long flags, const char *options)
{
	WH_AUTO_FD int before = wh_openat(AT_FDCWD, ".", O_PATH | O_DIRECTORY, 0);
	char name[16];
	int r = 0;

	if (before < 0)
		return before;
	if (chdir("/proc/self/fd") < 0)
		return -errno;
	snprintf(name, sizeof(name), "%d", target);
	if (mount("overlay", name, "overlay", flags, options) < 0)
		r = -errno;
	if (fchdir(before) < 0 && r == 0)
		r = -errno;
	return r;
}

int wh_overlay_mount(const struct wh_root *root, const char *bottom, int target, struct wh_err **err)
{
	WH_CLEANUP(close_all) struct layer_fds fds = {0};
	WH_AUTO_BUF struct wh_buf lower = WH_BUF_INIT, options = WH_BUF_INIT;
	int fd, work, r;
	size_t n = 0;

	for (; root->lowers && root->lowers[n]; n++) {
		fd = add(&fds, root->lowers[n], err);
		if (fd < 0)
			return fd;
		wh_buf_addf(&lower, "%s%d", lower.n ? ":" : "", fd);
	}
	if (bottom) {
		fd = add(&fds, bottom, err);
		if (fd < 0)
			return fd;
		wh_buf_addf(&lower, "%s%d", lower.n ? ":" : "", fd);
	}
	wh_buf_addf(&options, WH_OVERLAY_OPTIONS ",lowerdir=%s", lower.p);
	if (root->upper) {
		fd = add(&fds, root->upper, err);
		if (fd < 0)
			return fd;
		work = add(&fds, root->work, err);
		if (work < 0)
			return work;
		forget_volatile(work);
		wh_buf_addf(&options, ",upperdir=%d,workdir=%d,volatile", fd, work);
	}
	r = mount_here(target, root->upper ? 0 : MS_RDONLY, options.p);
	if (r < 0) {
		wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "mount an overlay of %zu layers", n);
		wh_err_hint(err, "`whittle doctor` says what this host allows; --snapshotter=copy needs no overlay");
	}
	return r;
}

/* A directory shown as it is. */
static int directory_tree(const char *path, struct wh_err **err)
{
	int tree = wh_mount_clone(AT_FDCWD, path, false);

	if (tree < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_BUILD, -tree, "bind %s", path);
	return tree;
}

int wh_rootfs_tree(const struct wh_root *root, struct wh_err **err)
{
	WH_AUTO_FD int at = -1;
	const char *spot;
	size_t n = 0;
	int r, tree;

	if (root->kind == WH_ROOT_DIR)
		return directory_tree(root->dir, err);
	while (root->lowers && root->lowers[n])
		n++;
	spot = n ? root->lowers[0] : root->stubs;
	if (!spot)
		return wh_err_set(err, "sandbox", WH_ERR_INTERNAL, EINVAL, "an overlay without a lower directory");
	/* The kernel wants two lowers where there is no upper; a lone directory shows itself as well. */
	if (!root->upper && (n == 0 || (n == 1 && !root->stubs)))
		return directory_tree(spot, err);
	/* Mounted for a moment over its own top layer: a directory that surely exists, in this private namespace. */
	at = wh_openat(AT_FDCWD, spot, O_PATH | O_DIRECTORY, 0);
	if (at < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_BUILD, -at, "open layer directory %s", spot);
	r = wh_overlay_mount(root, root->stubs, at, err);
	if (r < 0)
		return r;
	tree = wh_mount_clone(AT_FDCWD, spot, false);
	umount2(spot, MNT_DETACH);
	if (tree < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -tree, "clone an overlay mount");
	return tree;
}
