/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/console.h"
#include "sandbox/mount.h"
#include "sandbox/wire.h"

#include <errno.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

/* In a container that runs already, somebody may have put another thing there. */
static bool is_ptmx(int fd, bool own)
{
	struct statfs fs;
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(5, 2) &&
	       (!own || (fstatfs(fd, &fs) == 0 && fs.f_type == DEVPTS_SUPER_MAGIC));
}

static int open_pair(int root, int *ret_slave, struct wh_err **err)
{
	const int flags = O_RDWR | O_NOCTTY;
	/* The host's own devpts lets nobody open its ptmx; the device beside it may be. */
	WH_AUTO_FD int master = root >= 0 ? wh_open_in_root(root, "/dev/pts/ptmx", flags | O_NOFOLLOW | O_NONBLOCK, 0)
					  : wh_openat(AT_FDCWD, "/dev/ptmx", flags, 0);
	int unlocked = 0;

	if (master < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -master, "open a terminal of the step's own");
	if (!is_ptmx(master, root >= 0))
		return wh_err_set(err, "sandbox", WH_ERR_BUILD, ENODEV,
				  "the container's /dev/pts/ptmx gives no terminals");
	if (ioctl(master, TIOCSPTLCK, &unlocked) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "unlock the step's terminal");
	*ret_slave = ioctl(master, TIOCGPTPEER, flags | O_CLOEXEC);
	if (*ret_slave < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "open the step's end of its terminal");
	fcntl(master, F_SETFL, O_RDWR); /* O_NONBLOCK was for whatever else might have been there */
	return WH_TAKE_FD(master);
}

/* As docker has it. The kernel makes no device in a user namespace, so it is the terminal itself, bound. */
static int bind_console(int root, int slave, struct wh_err **err)
{
	WH_AUTO_FD int target = wh_open_in_root(root, "/dev/console", O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	WH_AUTO_FD int tree = -1;
	int r = target;

	if (r >= 0)
		r = tree = wh_mount_clone(slave, "", false);
	if (r >= 0)
		r = wh_mount_attach(tree, target, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, false);
	return r < 0 ? wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "make /dev/console") : 0;
}

int wh_console_open(int root, bool bind, int sock, uint16_t rows, uint16_t columns, struct wh_err **err)
{
	const struct winsize size = {.ws_row = rows, .ws_col = columns};
	WH_AUTO_FD int slave = -1;
	WH_AUTO_FD int master = open_pair(root, &slave, err);
	int r = 0;

	if (master < 0)
		return master;
	if (bind)
		r = bind_console(root, slave, err);
	if (r < 0)
		return r;
	if (rows && columns)
		ioctl(master, TIOCSWINSZ, &size);
	for (int fd = 0; fd <= 2; fd++)
		if (dup2(slave, fd) < 0)
			return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "set up standard input and output");
	if (ioctl(0, TIOCSCTTY, 0) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "take the step's terminal");
	r = wh_wire_send(sock, "t", 1, &master, 1);
	return r < 0 ? wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "hand on the step's terminal") : 0;
}

void wh_console_give(uint32_t uid)
{
	/* Where the user has no id of his own in the namespace, he cannot be become either. */
	(void)!fchown(0, uid, (gid_t)-1);
}
