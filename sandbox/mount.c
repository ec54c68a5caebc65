/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/mount.h"

#include <errno.h>

int wh_mount_new(const char *type, const struct wh_mount_opt *opts, size_t n, unsigned attrs)
{
	WH_AUTO_FD int fs = fsopen(type, FSOPEN_CLOEXEC);
	int fd;

	if (fs < 0)
		return -errno;
	for (size_t i = 0; i < n; i++) {
		bool flag = !opts[i].value;

		if (fsconfig(fs, flag ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, opts[i].key, opts[i].value, 0) < 0)
			return -errno;
	}
	if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	fd = fsmount(fs, FSMOUNT_CLOEXEC, attrs);
	return fd < 0 ? -errno : fd;
}

int wh_mount_clone(int fd, const char *path, bool recursive)
{
	unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0U);
	int tree = open_tree(fd, path, flags);

	return tree < 0 ? -errno : tree;
}

/* Without mount_setattr (before 5.12): a remount, which must repeat the flags that hold already. */
static int remount(int tree, unsigned attrs)
{
	char path[32];
	unsigned long flags = MS_BIND | MS_REMOUNT;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", tree);
	flags |= (attrs & MOUNT_ATTR_RDONLY) ? MS_RDONLY : 0;
	flags |= (attrs & MOUNT_ATTR_NOSUID) ? MS_NOSUID : 0;
	flags |= (attrs & MOUNT_ATTR_NODEV) ? MS_NODEV : 0;
	flags |= (attrs & MOUNT_ATTR_NOEXEC) ? MS_NOEXEC : 0;
	return mount(NULL, path, NULL, flags, NULL) < 0 ? -errno : 0;
}

int wh_mount_attach(int tree, int target, unsigned attrs, bool recursive)
{
	struct mount_attr attr = {.attr_set = attrs};
	bool done = !attrs;

	if (attrs) {
		if (mount_setattr(tree, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0U), &attr, sizeof(attr)) == 0)
			done = true;
		else if (errno != ENOSYS || recursive)
			return -errno;
	}
	if (move_mount(tree, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
		return -errno;
	return done ? 0 : remount(tree, attrs);
}

int wh_mount_legacy(const char *source, int target, const char *type, unsigned long flags, const char *data)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", target);
	return mount(source, path, type, flags, data) < 0 ? -errno : 0;
}
