/* SPDX-License-Identifier: Apache-2.0 */
/* /dev, /proc and /sys of a step where nothing can be mounted. */
#include "sandbox/chroot.h"
#include "sandbox/guests.h"
#include "sandbox/mount.h"

#include <errno.h>
#include <stdio.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define MAX_COPY ((size_t)1 << 20)

static const struct {
	const char *name;
	unsigned major, minor;
} devices[] = {
	{"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
};

/* They lead to nothing: who opens one is told so, instead of writing to another place than he means. */
static const char *const links[][2] = {
	{"pts/ptmx", "ptmx"},          {"/proc/self/fd", "fd"},       {"/proc/self/fd/0", "stdin"},
	{"/proc/self/fd/1", "stdout"}, {"/proc/self/fd/2", "stderr"},
};

/* What programs want to know of the machine, as it is when the step starts. What tells of processes cannot be had. */
static const char *const told[] = {
	"cpuinfo", "filesystems", "loadavg", "meminfo", "stat", "swaps", "uptime", "version",
	"sys/kernel/cap_last_cap", "sys/kernel/hostname", "sys/kernel/ngroups_max", "sys/kernel/osrelease", "sys/kernel/ostype",
	"sys/kernel/pid_max", "sys/kernel/threads-max", "sys/kernel/version", "sys/vm/max_map_count", "sys/vm/overcommit_memory",
	"sys/net/core/somaxconn",
};

static int make_device(int dev, const char *name, unsigned major, unsigned minor)
{
	if (mknodat(dev, name, S_IFCHR | 0600, makedev(major, minor)) < 0)
		return -errno;
	return fchmodat(dev, name, 0666, 0) < 0 ? -errno : 0;
}

/* In another user namespace than the machine's first? */
static bool ids_are_mapped(void)
{
	WH_AUTO_BUF struct wh_buf map = WH_BUF_INIT;
	unsigned inside, outside, count;

	return wh_read_file(AT_FDCWD, "/proc/self/uid_map", 64 << 10, &map) == 0 && map.n &&
	       (sscanf(map.p, "%u %u %u", &inside, &outside, &count) != 3 || inside || outside || count != UINT32_MAX);
}

int wh_chroot_try_devices(int dirfd, struct wh_err **err)
{
	static const char name[] = "whittle-null";
	WH_AUTO_FD int fd = -1;
	int r = make_device(dirfd, name, 1, 3);

	if (r == 0)
		r = fd = wh_openat(dirfd, name, O_RDWR, 0);
	unlinkat(dirfd, name, 0);
	if (r >= 0)
		return 0;
	wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "--isolation=chroot: make /dev/null for the steps");
	if (ids_are_mapped())
		wh_err_hint(err, "this container has a user namespace, where nobody can make devices: leave --isolation=chroot out, "
				 "and start it so that user namespaces may be nested (see whittle doctor)");
	else if (fd == -EACCES)
		wh_err_hint(err, "the store's file system is mounted nodev: put it on another one (--root DIR)");
	else
		wh_err_hint(err, "this container lacks the capability MKNOD, or its device rules forbid it: run it with --cap-add MKNOD");
	return r;
}

static int fill_dev(int dev, struct wh_err **err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < WH_ARRAY_SIZE(devices); i++) {
		r = make_device(dev, devices[i].name, devices[i].major, devices[i].minor);
		if (r < 0)
			return wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "make the step's /dev/%s", devices[i].name);
	}
	for (size_t i = 0; i < WH_ARRAY_SIZE(links); i++)
		if (symlinkat(links[i][0], dev, links[i][1]) < 0)
			return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "make the step's /dev/%s", links[i][1]);
	if (mkdirat(dev, "pts", 0755) < 0 || mkdirat(dev, "mqueue", 01777) < 0 || mkdirat(dev, "shm", 0700) < 0 ||
	    fchmodat(dev, "shm", 01777, 0) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "make directories in the step's /dev");
	return 0;
}

static int fill_proc(int proc, struct wh_err **err)
{
	for (size_t i = 0; i < WH_ARRAY_SIZE(told); i++) {
		WH_AUTO_FREE char *from = wh_path_join("/proc", told[i]), *dir = wh_path_dir(told[i]);
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
		WH_AUTO_FD int fd = -1;
		int r;

		/* What this kernel or container does not show, a step does not see either. */
		if (wh_read_file(AT_FDCWD, from, MAX_COPY, &text) < 0)
			continue;
		r = wh_streq(dir, ".") ? 0 : wh_mkdir_p(proc, dir, 0555);
		if (r == 0)
			r = fd = wh_openat(proc, told[i], O_WRONLY | O_CREAT | O_EXCL, 0444);
		if (r >= 0)
			r = wh_write_all(fd, text.n ? text.p : "", text.n);
		if (r < 0)
			return wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "make the step's /proc/%s", told[i]);
	}
	return 0;
}

/* The container's own, with its masks, and read-only: the files of processes are the kernel's to guard. Where that is refused the
 * directory stays as it is. */
static void show(struct wh_guests *g, const char *path)
{
	struct wh_guest *m = &g->v[g->n - 1];
	WH_AUTO_FD int tree = g->mounts ? wh_mount_clone(AT_FDCWD, path, true) : -1;
	WH_AUTO_FD int target = tree < 0 ? -1 : wh_openat(m->parent, m->name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);

	m->mounted = target >= 0 && wh_mount_attach(tree, target,
						    MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, true) == 0;
}

int wh_guests_system(struct wh_guests *g, struct wh_err **err)
{
	WH_AUTO_FD int dev = -1, proc = -1;
	int r = wh_guests_dir(g, "/proc", 0555, 0, 0, &proc, err);

	if (r == 0)
		r = fill_proc(proc, err);
	if (r == 0)
		show(g, "/proc");
	if (r == 0)
		r = wh_guests_dir(g, "/dev", 0755, 0, 0, &dev, err);
	if (r == 0)
		r = fill_dev(dev, err);
	if (r == 0)
		r = wh_guests_dir(g, "/sys", 0555, 0, 0, NULL, err);
	if (r == 0)
		show(g, "/sys");
	return r;
}
