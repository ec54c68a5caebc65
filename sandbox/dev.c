/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/mount.h"
#include "sandbox/step.h"

#include <errno.h>

#define SHM_DEFAULT ((uint64_t)64 << 20)

static const char *const devices[] = {"null", "zero", "full", "random", "urandom", "tty"};

static const char *const links[][2] = {
	{"pts/ptmx", "ptmx"},          {"/proc/self/fd", "fd"},       {"/proc/self/fd/0", "stdin"},
	{"/proc/self/fd/1", "stdout"}, {"/proc/self/fd/2", "stderr"}, {"/proc/kcore", "core"},
};

/* A node of the host, since the kernel makes none in a user namespace. */
static int bind_device(int dev, const char *name, struct wh_err **err)
{
	WH_AUTO_FREE char *host = wh_asprintf("/dev/%s", name);
	WH_AUTO_FD int tree = -1, target = -1;
	int r;

	target = wh_openat(dev, name, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0666);
	if (target < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -target, "make /dev/%s", name);
	tree = wh_mount_clone(AT_FDCWD, host, false);
	if (tree < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -tree, "bind the host's %s", host);
	/* Read-only keeps its mode, owner and times from real root's step, who owns the host's node; data still
	 * pass. */
	r = wh_mount_attach(tree, target, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, false);
	if (r < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "mount %s", host);
	return 0;
}

static int mount_below(int dev, const char *name, const char *type, const struct wh_mount_opt *opts, size_t n,
		       unsigned attrs, struct wh_err **err)
{
	WH_AUTO_FD int fs = -1, target = -1;
	int r;

	if (mkdirat(dev, name, 0755) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "make /dev/%s", name);
	fs = wh_mount_new(type, opts, n, attrs);
	if (fs < 0)
		return fs;
	target = wh_openat(dev, name, O_PATH | O_DIRECTORY, 0);
	if (target < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -target, "open /dev/%s", name);
	r = wh_mount_attach(fs, target, 0, false);
	if (r < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "mount /dev/%s", name);
	return 0;
}

static int mount_pts(int dev, struct wh_err **err)
{
	static const struct wh_mount_opt opts[] = {
		{"newinstance", NULL}, {"ptmxmode", "0666"}, {"mode", "0620"}, {"gid", "5"}};
	unsigned attrs = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
	int r = mount_below(dev, "pts", "devpts", opts, WH_ARRAY_SIZE(opts), attrs, err);

	/* With few ids the tty group may have none: then terminals belong to their user's group. */
	if (r == -EINVAL) {
		unlinkat(dev, "pts", AT_REMOVEDIR);
		r = mount_below(dev, "pts", "devpts", opts, WH_ARRAY_SIZE(opts) - 1, attrs, err);
	}
	return r < 0 ? wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "mount /dev/pts") : 0;
}

int wh_dev_mount(struct wh_rootfs *r, uint64_t shm_size, bool null_input, struct wh_err **err)
{
	static const struct wh_mount_opt dev_opts[] = {{"mode", "0755"}, {"size", "64m"}};
	char size[24];
	const struct wh_mount_opt shm_opts[] = {{"mode", "1777"}, {"size", size}};
	unsigned strict = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
	WH_AUTO_FD int target = wh_rootfs_target(r, "/dev", true, err), dev = -1, null = -1;
	int e;

	if (target < 0)
		return target;
	dev = wh_mount_new("tmpfs", dev_opts, WH_ARRAY_SIZE(dev_opts), MOUNT_ATTR_NOSUID);
	if (dev < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -dev, "make a tmpfs for /dev");
	e = wh_mount_attach(dev, target, 0, false);
	if (e < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -e, "mount /dev");
	for (size_t i = 0; i < WH_ARRAY_SIZE(devices); i++) {
		e = bind_device(dev, devices[i], err);
		if (e < 0)
			return e;
	}
	for (size_t i = 0; i < WH_ARRAY_SIZE(links); i++)
		if (symlinkat(links[i][0], dev, links[i][1]) < 0)
			return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "make /dev/%s", links[i][1]);
	/* Ours, read-only, and by this way rather than by its name, which a mount of the build's may cover. The
	 * host's, which stands there until now, would let real root's step change that one's mode. */
	if (null_input)
		null = wh_openat(dev, "null", O_RDONLY, 0);
	if (null_input && (null < 0 || dup2(null, 0) < 0))
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, null < 0 ? -null : errno, "open the step's /dev/null");
	e = mount_pts(dev, err);
	if (e < 0)
		return e;
	snprintf(size, sizeof(size), "%llu", (unsigned long long)(shm_size ? shm_size : SHM_DEFAULT));
	e = mount_below(dev, "shm", "tmpfs", shm_opts, WH_ARRAY_SIZE(shm_opts), strict, err);
	if (e < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -e, "mount /dev/shm");
	e = mount_below(dev, "mqueue", "mqueue", NULL, 0, strict, err);
	/* A kernel without POSIX message queues: then the step has none either. */
	if (e < 0 && e != -ENODEV)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -e, "mount /dev/mqueue");
	return 0;
}
