/* SPDX-License-Identifier: Apache-2.0 */
/* What this host allows, found out by trying. */
#include "sandbox/doctor.h"
#include "sandbox/mount.h"
#include "sandbox/rootfs.h"
#include "sandbox/step.h"

#include <errno.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>

static char *why(const char *what, int e)
{
	char text[128];

	return wh_asprintf("%s: %s", what, strerror_r(e, text, sizeof(text)));
}

static int touch(int at, const char *path)
{
	int fd = wh_openat(at, path, O_WRONLY | O_CREAT | O_EXCL, 0644);

	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* With the trial overlay mounted on merged: does a deletion leave a whiteout, and a replaced directory an opaque mark? */
static char *try_changes(int at)
{
	char value[2] = "";
	struct stat st;
	WH_AUTO_FD int dir = -1;
	int r;

	if (unlinkat(at, "merged/file", 0) < 0)
		return why("delete a file of a lower layer", errno);
	if (fstatat(at, "upper/file", &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISCHR(st.st_mode) ||
	    st.st_rdev != makedev(0, 0))
		return wh_strdup("a deletion leaves no whiteout in the upper directory");
	r = wh_rm_rf(at, "merged/dir");
	if (r < 0)
		return why("delete a directory of a lower layer", -r);
	if (mkdirat(at, "merged/dir", 0755) < 0)
		return why("make a directory anew", errno);
	dir = wh_openat(at, "upper/dir", O_RDONLY | O_DIRECTORY, 0);
	if (dir < 0 || fgetxattr(dir, "user.overlay.opaque", value, 1) != 1 || value[0] != 'y')
		return wh_strdup("a replaced directory carries no user.overlay.opaque");
	return NULL;
}

static char *try_overlay(int at, const char *path)
{
	static const char *const dirs[] = {"lower", "lower/dir", "lower2", "upper", "work", "merged"};
	WH_AUTO_FREE char *lower = wh_path_join(path, "lower"), *lower2 = wh_path_join(path, "lower2");
	WH_AUTO_FREE char *upper = wh_path_join(path, "upper"), *work = wh_path_join(path, "work");
	WH_AUTO_FREE char *merged = wh_path_join(path, "merged");
	const char *const lowers[] = {lower, lower2, NULL};
	struct wh_root root = {.kind = WH_ROOT_OVERLAY, .lowers = lowers, .upper = upper, .work = work};
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_FD int target = -1;
	char *bad;
	int r = 0;

	for (size_t i = 0; i < WH_ARRAY_SIZE(dirs); i++)
		if (mkdirat(at, dirs[i], 0755) < 0)
			return why("make a trial directory", errno);
	r = touch(at, "lower/file");
	if (r == 0)
		r = touch(at, "lower/dir/file");
	if (r < 0)
		return why("make a trial file", -r);
	target = wh_openat(at, "merged", O_PATH | O_DIRECTORY, 0);
	if (target < 0)
		return why("open a trial directory", -target);
	if (wh_overlay_mount(&root, NULL, target, &err) < 0)
		return wh_strdup(err->msg);
	bad = try_changes(at);
	umount2(merged, MNT_DETACH);
	return bad;
}

/* fn() in a process with namespaces of its own: 0, or the errno that it returned. */
static int try_in_child(unsigned long namespaces, int (*fn)(void))
{
	siginfo_t end = {0};
	long pid = syscall(SYS_clone, namespaces | SIGCHLD, NULL, NULL, NULL, NULL);

	if (pid < 0)
		return errno;
	if (pid == 0)
		_exit(-fn());
	while (waitid(P_PID, (id_t)pid, &end, WEXITED) < 0)
		if (errno != EINTR)
			return errno;
	return end.si_code == CLD_EXITED ? end.si_status : EIO;
}

static int try_proc(void)
{
	int fd = wh_proc_open(WH_PROC_FRESH);

	return fd < 0 ? fd : 0;
}

static int try_sys(void)
{
	int fd = wh_mount_new("sysfs", NULL, 0, MOUNT_ATTR_RDONLY);

	return fd < 0 ? fd : 0;
}

static int try_hostname(void)
{
	return sethostname("probe", 5) < 0 ? -errno : 0;
}

static bool may_notify(void)
{
	uint32_t action = SECCOMP_RET_USER_NOTIF;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

void wh_host_kernel(unsigned *ret_major, unsigned *ret_minor)
{
	struct utsname u;
	char *end;

	if (uname(&u) < 0)
		return;
	*ret_major = (unsigned)strtoul(u.release, &end, 10);
	if (*end == '.')
		*ret_minor = (unsigned)strtoul(end + 1, NULL, 10);
}

uint64_t wh_self_status(const char *key, int base)
{
	WH_AUTO_FREE char *wanted = wh_asprintf("\n%s:\t", key);
	WH_AUTO_BUF struct wh_buf status = WH_BUF_INIT;
	const char *line;

	if (wh_read_file(AT_FDCWD, "/proc/self/status", 65536, &status) < 0 || !status.n)
		return 0;
	line = strstr(status.p, wanted);
	return line ? strtoull(line + strlen(wanted), NULL, base) : 0;
}

int wh_host_probe(int scratch_dirfd, const char *scratch_path, struct wh_host *ret, struct wh_err **err)
{
	WH_AUTO_FREE char *name = wh_temp_name("probe-");
	WH_AUTO_FREE char *path = wh_path_join(scratch_path, name);
	WH_AUTO_FD int at = -1, tun = -1;
	uint32_t action = SECCOMP_RET_ERRNO;
	struct statvfs fs;
	struct wh_host h = {0};

	if (mkdirat(scratch_dirfd, name, 0700) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "make a trial directory in %s", scratch_path);
	at = wh_openat(scratch_dirfd, name, O_RDONLY | O_DIRECTORY, 0);
	if (at < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -at, "open %s", path);
	if (fstatvfs(at, &fs) == 0) {
		h.noexec = fs.f_flag & ST_NOEXEC;
		h.nosuid = fs.f_flag & ST_NOSUID;
	}
	wh_host_kernel(&h.kernel_major, &h.kernel_minor);
	h.overlay_why = try_overlay(at, path);
	h.overlay = !h.overlay_why;
	wh_rm_rf(scratch_dirfd, name);
	tun = wh_openat(AT_FDCWD, "/dev/net/tun", O_RDWR, 0);
	h.tun = tun >= 0;
	h.tun_error = tun < 0 ? -tun : 0;
	h.proc_error = try_in_child(CLONE_NEWPID, try_proc);
	h.proc = h.proc_error == EPERM || h.proc_error == EACCES ? WH_PROC_BOUND : WH_PROC_FRESH;
	h.hostname_error = try_in_child(CLONE_NEWUTS, try_hostname);
	h.sys_error = try_in_child(CLONE_NEWNET, try_sys);
	h.pasta = wh_proc_find("pasta");
	h.slirp4netns = wh_proc_find("slirp4netns");
	h.seccomp = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
	h.notify = may_notify();
	h.landlock_abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	h.landlock = h.landlock_abi > 0;
	if (!h.landlock)
		h.landlock_abi = 0;
	*ret = h;
	return 0;
}

void wh_host_release(struct wh_host *h)
{
	free(h->overlay_why);
	free(h->pasta);
	free(h->slirp4netns);
	*h = (struct wh_host){0};
}
