/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/rootfs.h"
#include "sandbox/mount.h"

#include <errno.h>
#include <sys/syscall.h>

static bool inside(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return wh_has_prefix(path, dir) && (path[n] == '/' || path[n] == '\0');
}

/* True when an earlier place will cover this one, so that its mount point belongs there, not into the root. */
static bool covered(const struct wh_place *places, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (inside(places[i].path, places[j].path))
			return true;
	return false;
}

static uint64_t mount_id(int fd)
{
	struct statx sx;

	if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &sx) < 0)
		return 0;
	return sx.stx_mnt_id;
}

/* Lays a stub for every place that the mounted root does not show; 1 when the overlay has to be mounted anew. */
static int lay_missing(int root, int stubs, const struct wh_place *places, size_t n)
{
	int laid = 0;

	for (size_t i = 0; i < n; i++) {
		WH_AUTO_FREE char *real = NULL;
		WH_AUTO_FD int fd = -1;
		int r;

		if (covered(places, i))
			continue;
		fd = wh_open_in_root(root, places[i].path, O_PATH, 0);
		if (fd != -ENOENT)
			continue;
		/* Hidden by a layer above, or behind a dangling symlink. What cannot be laid is made in place later. */
		if (wh_stub_resolve(root, places[i].path, &real) < 0)
			continue;
		r = wh_stub_lay(stubs, real, places[i].dir);
		if (r > 0)
			laid = 1;
	}
	return laid;
}

/* Likely there already: the bottom layer, an image's base, has it. Saves making files for most steps; where a layer
 * above hides it after all, lay_missing() finds out. */
static bool in_bottom_layer(int bottom, const struct wh_place *place)
{
	WH_AUTO_FD int fd = -1;
	struct stat st;

	if (bottom < 0)
		return false;
	fd = wh_open_beneath(bottom, place->path + 1, O_PATH | O_NOFOLLOW, 0, true);
	return fd >= 0 && fstat(fd, &st) == 0 && (place->dir ? S_ISDIR(st.st_mode) : S_ISREG(st.st_mode));
}

static int open_bottom_layer(const struct wh_root *root)
{
	size_t n = 0;

	while (root->lowers && root->lowers[n])
		n++;
	return n ? wh_openat(AT_FDCWD, root->lowers[n - 1], O_PATH | O_DIRECTORY, 0) : -ENOENT;
}

static int mount_overlay_root(struct wh_rootfs *r, const struct wh_root *root, const struct wh_place *places, size_t n,
			      struct wh_err **err)
{
	WH_AUTO_FD int stubs = wh_openat(AT_FDCWD, root->stubs, O_RDONLY | O_DIRECTORY, 0);
	WH_AUTO_FD int bottom = open_bottom_layer(root);

	if (stubs < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -stubs, "open %s", root->stubs);
	for (size_t i = 0; i < n; i++) {
		int e;

		if (covered(places, i) || in_bottom_layer(bottom, &places[i]))
			continue;
		e = wh_stub_lay(stubs, places[i].path, places[i].dir);
		/* A file where another place wants a directory: one of the two will be told so when it is mounted. */
		if (e < 0 && e != -ENOTDIR)
			return wh_err_sys(err, "sandbox", WH_ERR_ENV, -e, "make the mount point %s", places[i].path);
	}
	for (int again = 0; again < 2; again++) {
		/* The mount lies over the stubs' own directory: it exists, is ours and is needed by nobody else. */
		int e = wh_overlay_mount(root, root->stubs, stubs, err);

		if (e < 0)
			return e;
		r->fd = wh_openat(AT_FDCWD, root->stubs, O_PATH | O_DIRECTORY, 0);
		if (r->fd < 0)
			return wh_err_sys(err, "sandbox", WH_ERR_ENV, -r->fd, "open %s", root->stubs);
		if (again || lay_missing(r->fd, stubs, places, n) == 0)
			return 0;
		/* A lower layer must not change under a mounted overlay: once more, with all stubs in place. */
		close(r->fd);
		r->fd = -1;
		if (umount2(root->stubs, MNT_DETACH) < 0)
			return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "unmount %s", root->stubs);
	}
	return 0;
}

static int mount_directory_root(struct wh_rootfs *r, const struct wh_root *root, struct wh_err **err)
{
	WH_AUTO_FD int at = wh_openat(AT_FDCWD, root->dir, O_PATH | O_DIRECTORY, 0);
	WH_AUTO_FD int tree = -1;
	int e;

	if (at < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_BUILD, -at, "open the root %s", root->dir);
	tree = wh_mount_clone(at, "", false);
	if (tree < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -tree, "bind the root %s", root->dir);
	e = wh_mount_attach(tree, at, 0, false);
	if (e < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -e, "mount the root %s", root->dir);
	r->fd = WH_TAKE_FD(tree);
	return 0;
}

int wh_rootfs_mount(struct wh_rootfs *r, const struct wh_root *root, const struct wh_place *places, size_t n,
		    struct wh_err **err)
{
	const char *base = root->kind == WH_ROOT_OVERLAY ? root->upper : root->dir;
	int e;

	r->fd = -1;
	r->base = -1;
	if (base) {
		/* Before the mount hides a directory root under itself. */
		r->base = wh_openat(AT_FDCWD, base, O_PATH | O_DIRECTORY, 0);
		if (r->base < 0)
			return wh_err_sys(err, "sandbox", WH_ERR_BUILD, -r->base, "open %s", base);
	}
	if (root->kind == WH_ROOT_OVERLAY)
		e = mount_overlay_root(r, root, places, n, err);
	else
		e = mount_directory_root(r, root, err);
	if (e < 0)
		return e;
	r->mount = mount_id(r->fd);
	return 0;
}

/* Where the nearest existing parent of a real path lies. */
static bool on_root_mount(const struct wh_rootfs *r, const char *real)
{
	WH_AUTO_FREE char *at = wh_strdup(real);

	for (;;) {
		WH_AUTO_FD int fd = wh_open_in_root(r->fd, at, O_PATH | O_NOFOLLOW, 0);
		char *up;

		if (fd >= 0)
			return mount_id(fd) == r->mount;
		if (at[0] == '\0' || wh_streq(at, "/"))
			return true;
		up = wh_path_dir(at);
		free(at);
		at = up;
	}
}

static int make_in_place(struct wh_rootfs *r, const char *path, bool dir, struct wh_err **err)
{
	WH_AUTO_FREE char *real = NULL;
	size_t known = r->made.n;
	int e = wh_stub_resolve(r->fd, path, &real);

	if (e == 0)
		e = wh_stub_make(r->fd, on_root_mount(r, real) ? r->base : -1, real, dir, &r->made);
	for (; known < r->made.n; known++)
		r->on_made(r->arg, &r->made.v[known]);
	if (e == -EROFS) {
		/* Not this machine's fault, as it would be elsewhere. */
		wh_err_set(err, "sandbox", WH_ERR_BUILD, EROFS, "make the mount point %s: the mount around it is read-only", path);
		wh_err_hint(err, "have it in what is mounted there, or mount that with rw");
		return e;
	}
	if (e < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_BUILD, -e, "make the mount point %s", path);
	return 0;
}

int wh_rootfs_target(struct wh_rootfs *r, const char *path, bool dir, struct wh_err **err)
{
	int fd = wh_open_in_root(r->fd, path, O_PATH, 0);
	struct stat st;

	if (fd == -ENOENT) {
		int e = make_in_place(r, path, dir, err);

		if (e < 0)
			return e;
		fd = wh_open_in_root(r->fd, path, O_PATH, 0);
	}
	if (fd < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_BUILD, -fd, "open the mount point %s", path);
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode) != dir) {
		close(fd);
		return wh_err_set(err, "sandbox", WH_ERR_BUILD, dir ? ENOTDIR : EISDIR,
				  "cannot mount a %s on %s: there is a %s already", dir ? "directory" : "file", path,
				  dir ? "file" : "directory");
	}
	return fd;
}

int wh_rootfs_cwd(struct wh_rootfs *r, const char *path, struct wh_err **err)
{
	int fd = wh_open_in_root(r->fd, path, O_PATH | O_DIRECTORY, 0);

	if (fd == -ENOENT) {
		struct wh_stub_list unused = {0};
		WH_AUTO_FREE char *real = NULL;
		int e = wh_stub_resolve(r->fd, path, &real);

		if (e == 0)
			e = wh_stub_make(r->fd, -1, real, true, &unused);
		if (e < 0)
			return wh_err_sys(err, "sandbox", WH_ERR_BUILD, -e, "make the working directory %s", path);
		fd = wh_open_in_root(r->fd, path, O_PATH | O_DIRECTORY, 0);
	}
	if (fd == -ENOTDIR)
		return wh_err_set(err, "sandbox", WH_ERR_BUILD, ENOTDIR, "the working directory %s is not a directory",
				  path);
	if (fd < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_BUILD, -fd, "open the working directory %s", path);
	return fd;
}

int wh_rootfs_pivot(struct wh_rootfs *r, struct wh_err **err)
{
	WH_AUTO_FD int up = -1;

	if (fchdir(r->fd) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "enter the root");
	if (syscall(SYS_pivot_root, ".", ".") < 0) {
		wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "pivot_root");
		wh_err_hint(err, "a host whose own root is an initramfs cannot change roots");
		return -EINVAL;
	}
	/* The old root now lies over the new one, at the same place; with it goes every mount of the host. */
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "detach the old root");
	/* ".." of a root is whatever is stacked upon it: nothing may be left there. */
	up = wh_openat(AT_FDCWD, "/..", O_PATH | O_DIRECTORY, 0);
	if (up < 0 || mount_id(up) != r->mount)
		return wh_err_set(err, "sandbox", WH_ERR_INTERNAL, EBUSY, "the old root is still there");
	return 0;
}
