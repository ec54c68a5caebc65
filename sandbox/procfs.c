/* SPDX-License-Identifier: Apache-2.0 */
/* /proc and /sys: what docker masks and makes read-only. */
#include "sandbox/mount.h"
#include "sandbox/step.h"

#include <errno.h>

#define STRICT (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

/* docker's list, and what only the host's real root may read or write: a step of real root is that user to such
 * files. */
/* clang-format off */
static const char *const masked_proc[] = {
	"acpi", "asound", "dynamic_debug", "interrupts", "kcore", "keys", "kmsg", "kpagecgroup", "kpagecount",
	"kpageflags", "latency_stats", "mtrr", "pagetypeinfo", "sched_debug", "scsi", "slabinfo", "timer_list",
	"timer_stats", "vmallocinfo",
};
static const char *const readonly_proc[] = {"bus", "driver", "fs", "irq", "pressure", "sys", "sysrq-trigger", "tty"};
/* clang-format on */
static const char *const masked_sys[] = {"firmware", "devices/virtual/powercap"};

/* Covers a file with the null device, a directory with an empty one. Each cover is moved to its place, none is left
 * to be dissolved: that would wait for the kernel's readers every time. */
static int hide(int at, const char *name, int files, struct wh_err **err)
{
	WH_AUTO_FD int target = wh_open_beneath(at, name, O_PATH | O_NOFOLLOW, 0, true);
	WH_AUTO_FD int tree = -1;
	struct stat st;
	bool dir;
	int r;

	if (target < 0)
		return 0; /* this kernel has no such file */
	if (fstat(target, &st) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "look at %s", name);
	dir = S_ISDIR(st.st_mode);
	tree = dir ? wh_mount_clone(files, WH_FILES_EMPTY, false) : wh_mount_clone(AT_FDCWD, "/dev/null", false);
	r = tree < 0 ? tree
		     : wh_mount_attach(tree, target,
				       MOUNT_ATTR_RDONLY | (dir ? STRICT : MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC),
				       false);
	return r < 0 ? wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "mask %s", name) : 0;
}

static int protect(int at, const char *name, struct wh_err **err)
{
	WH_AUTO_FD int target = wh_open_beneath(at, name, O_PATH | O_NOFOLLOW, 0, true);
	WH_AUTO_FD int tree = -1;
	int r;

	if (target < 0)
		return 0;
	tree = wh_mount_clone(target, "", false);
	r = tree < 0 ? tree : wh_mount_attach(tree, target, STRICT | MOUNT_ATTR_RDONLY, false);
	return r < 0 ? wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "make /proc/%s read-only", name) : 0;
}

/* All of a tree of mounts; 0 or -errno. */
static int make_readonly(int tree)
{
	struct mount_attr attr = {.attr_set = STRICT | MOUNT_ATTR_RDONLY};

	return mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) < 0 ? -errno : 0;
}

int wh_proc_open(enum wh_proc_kind kind)
{
	WH_AUTO_FD int fd = -1;
	int r;

	if (kind == WH_PROC_FRESH)
		return wh_mount_new("proc", NULL, 0, STRICT);
	/* With what masks it: the kernel would not part them. */
	fd = wh_mount_clone(AT_FDCWD, "/proc", true);
	if (fd < 0)
		return fd;
	r = make_readonly(fd);
	return r < 0 ? r : WH_TAKE_FD(fd);
}

int wh_proc_mount(struct wh_rootfs *r, int files, enum wh_proc_kind kind, bool insecure, struct wh_err **err)
{
	WH_AUTO_FD int target = wh_rootfs_target(r, "/proc", true, err), proc = -1;
	int e;

	if (target < 0)
		return target;
	proc = wh_proc_open(kind);
	e = proc < 0 ? proc : wh_mount_attach(proc, target, 0, false);
	if (e < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -e, "mount /proc");
	if (insecure)
		return 0;
	for (size_t i = 0; e == 0 && kind == WH_PROC_FRESH && i < WH_ARRAY_SIZE(readonly_proc); i++)
		e = protect(proc, readonly_proc[i], err);
	for (size_t i = 0; e == 0 && i < WH_ARRAY_SIZE(masked_proc); i++)
		e = hide(proc, masked_proc[i], files, err);
	return e;
}

/* A network namespace of our own shows its own devices; with the host's, the host's tree, all of it read-only. */
static int sys_tree(bool insecure, bool own_net)
{
	unsigned attrs = STRICT | (insecure ? 0U : MOUNT_ATTR_RDONLY);
	int fd = own_net ? wh_mount_new("sysfs", NULL, 0, attrs) : -1;
	struct mount_attr attr = {.attr_set = attrs};

	if (fd >= 0)
		return fd;
	fd = wh_mount_clone(AT_FDCWD, "/sys", true);
	if (fd >= 0) {
		if (mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof(attr)) == 0)
			return fd;
		close(fd);
	}
	/* A kernel that cannot make a whole tree read-only (5.11): an empty /sys is better than a writable one. */
	return wh_mount_new("tmpfs", NULL, 0, attrs | MOUNT_ATTR_RDONLY);
}

int wh_sys_mount(struct wh_rootfs *r, int files, bool insecure, bool own_net, struct wh_err **err)
{
	WH_AUTO_FD int target = wh_rootfs_target(r, "/sys", true, err), sys = -1;
	int e;

	if (target < 0)
		return target;
	sys = sys_tree(insecure, own_net);
	e = sys < 0 ? sys : wh_mount_attach(sys, target, 0, false);
	if (e < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -e, "mount /sys");
	if (insecure)
		return 0;
	for (size_t i = 0; e == 0 && i < WH_ARRAY_SIZE(masked_sys); i++)
		e = hide(sys, masked_sys[i], files, err);
	return e;
}
