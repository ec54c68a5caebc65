/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/mount.h"
#include "sandbox/step.h"

#include <errno.h>

int wh_files_new(struct wh_err **err)
{
	static const struct wh_mount_opt opts[] = {{"mode", "0700"}};
	int fd = wh_mount_new("tmpfs", opts, WH_ARRAY_SIZE(opts), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);

	if (fd < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -fd, "make a private tmpfs");
	mkdirat(fd, WH_FILES_EMPTY, 0755);
	return fd;
}

int wh_files_add(int files, const char *name, const void *p, size_t n, mode_t mode, uint32_t uid, uint32_t gid,
		 struct wh_err **err)
{
	WH_AUTO_FD int fd = wh_openat(files, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	int r = fd < 0 ? fd : wh_write_all(fd, p, n);

	if (r == 0 && (fchown(fd, uid, gid) < 0 || fchmod(fd, mode & 07777) < 0))
		r = -errno;
	if (r == 0)
		r = wh_mount_clone(files, name, false);
	if (r < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "make a private file of %zu bytes for %u:%u", n, uid,
				  gid);
	return r;
}

static int open_path(const struct wh_bind *b, struct wh_source *ret, struct wh_err **err)
{
	WH_AUTO_FD int whole = -1, at = -1, tree = -1;
	const char *source = b->overlay ? "the stage" : b->source;
	struct stat st;

	if (b->overlay) {
		whole = wh_rootfs_tree(b->overlay, err);
		if (whole < 0)
			return whole;
	} else {
		whole = wh_openat(AT_FDCWD, b->source, O_PATH, 0);
		if (whole < 0)
			return wh_err_sys(err, "sandbox", WH_ERR_BUILD, -whole, "open the mount source %s", b->source);
	}
	/* As if the source were "/": neither ".." nor a symlink of its own leads out of it. */
	at = wh_open_in_root(whole, b->subpath && *b->subpath ? b->subpath : ".", O_PATH, 0);
	if (at == -ENOTDIR && !(b->subpath && *b->subpath))
		at = fcntl(whole, F_DUPFD_CLOEXEC, 3);
	if (at < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_BUILD, -at, "mount source: open %s in %s",
				  b->subpath && *b->subpath ? b->subpath : "/", source);
	if (fstat(at, &st) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_BUILD, errno, "look at the mount source %s", source);
	tree = wh_mount_clone(at, "", b->recursive);
	if (tree < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -tree, "bind the mount source %s", source);
	ret->dir = S_ISDIR(st.st_mode);
	ret->tree = WH_TAKE_FD(tree);
	return 0;
}

static int open_tmpfs(const struct wh_bind *b, struct wh_source *ret, struct wh_err **err)
{
	char size[24], mode[16], uid[16], gid[16];
	const struct wh_mount_opt opts[] = {{"mode", mode}, {"uid", uid}, {"gid", gid}, {"size", size}};

	snprintf(size, sizeof(size), "%llu", (unsigned long long)b->size);
	snprintf(mode, sizeof(mode), "%04o", b->mode ? b->mode & 07777 : 01777);
	snprintf(uid, sizeof(uid), "%u", b->uid);
	snprintf(gid, sizeof(gid), "%u", b->gid);
	ret->dir = true;
	ret->tree = wh_mount_new("tmpfs", opts, WH_ARRAY_SIZE(opts) - (b->size ? 0 : 1),
				 MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	if (ret->tree < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -ret->tree, "make a tmpfs for %s", b->target);
	return 0;
}

int wh_bind_open(const struct wh_bind *b, int files, size_t index, struct wh_source *ret, struct wh_err **err)
{
	char name[24];

	switch (b->kind) {
	case WH_BIND_PATH:
		return open_path(b, ret, err);
	case WH_BIND_TMPFS:
		return open_tmpfs(b, ret, err);
	case WH_BIND_DATA:
		snprintf(name, sizeof(name), "%zu", index);
		ret->dir = false;
		ret->tree = wh_files_add(files, name, b->data, b->data_len, b->mode, b->uid, b->gid, err);
		return ret->tree < 0 ? ret->tree : 0;
	}
	return wh_err_set(err, "sandbox", WH_ERR_INTERNAL, EINVAL, "a bind of an unknown kind");
}

int wh_bind_attach(struct wh_rootfs *r, const struct wh_bind *b, const struct wh_source *s, struct wh_err **err)
{
	WH_AUTO_FREE char *path = wh_path_abs_in("/", b->target);
	WH_AUTO_FD int target = -1;
	int e;

	if (wh_streq(path, "/"))
		return wh_err_set(err, "sandbox", WH_ERR_BUILD, EINVAL, "cannot mount over the root of the step");
	target = wh_rootfs_target(r, path, s->dir, err);
	if (target < 0)
		return target;
	e = wh_mount_attach(s->tree, target, b->readonly ? MOUNT_ATTR_RDONLY : 0, b->recursive);
	if (e < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -e, "mount %s", path);
	return 0;
}
