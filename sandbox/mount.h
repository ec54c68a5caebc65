/* SPDX-License-Identifier: Apache-2.0 */
/* The descriptor-based mount calls (Linux 5.2 and later), so that no path is walked twice. */
#ifndef WH_SANDBOX_MOUNT_H
#define WH_SANDBOX_MOUNT_H

#include "base/base.h"

#include <sys/mount.h>

struct wh_mount_opt {
	const char *key, *value; /* value NULL: a flag */
};

/* A new file system, not attached anywhere yet. attrs: MOUNT_ATTR_*. fd or -errno. */
int wh_mount_new(const char *type, const struct wh_mount_opt *opts, size_t n, unsigned attrs);
/* A detached copy of what fd (or dirfd/path) shows, submounts included when recursive. fd or -errno. */
int wh_mount_clone(int fd, const char *path, bool recursive);
/* Puts a detached tree onto target, then (or before, where the kernel can) adds attrs; recursive as in wh_mount_clone.
 * 0 or -errno; -ENOSYS: a recursive attribute on a kernel without mount_setattr. */
int wh_mount_attach(int tree, int target, unsigned attrs, bool recursive);
/* mount(2) onto a descriptor. */
int wh_mount_legacy(const char *source, int target, const char *type, unsigned long flags, const char *data);

#endif
