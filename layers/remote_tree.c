/* SPDX-License-Identifier: Apache-2.0 */
/* A checkout as it would be on any machine: modes and times say nothing of who made it, and when. */
#include "layers/remote_private.h"

#include <dirent.h>
#include <errno.h>

#define DEPTH_MAX 500 /* an open directory each */

struct settle {
	bool keep_git;
	struct timespec times[2];
};

static int settle_dir(const struct settle *x, int fd, unsigned depth);

static int settle_entry(const struct settle *x, int dirfd, const char *name, unsigned depth)
{
	struct stat st;
	mode_t mode;
	int fd, r;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!x->keep_git && strcmp(name, ".git") == 0) /* a submodule's, which leads to where it was fetched */
		return S_ISDIR(st.st_mode) ? wh_rm_rf(dirfd, name) : unlinkat(dirfd, name, 0) < 0 ? -errno : 0;
	if (S_ISDIR(st.st_mode)) {
		fd = wh_openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		if (fd < 0)
			return fd;
		r = depth < DEPTH_MAX ? settle_dir(x, fd, depth + 1) : -ENAMETOOLONG;
		close(fd);
		return r;
	}
	mode = st.st_mode & 0100 ? 0755 : st.st_mode & 0200 ? 0644 : 0444;
	if (S_ISREG(st.st_mode) && (st.st_mode & 07777) != mode && fchmodat(dirfd, name, mode, 0) < 0)
		return -errno;
	return utimensat(dirfd, name, x->times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* fd stays the caller's. Children first: they change a directory's time. */
static int settle_dir(const struct settle *x, int fd, unsigned depth)
{
	int copy = wh_openat(fd, ".", O_RDONLY | O_DIRECTORY, 0), r = 0;
	const struct dirent *e;
	DIR *d = copy < 0 ? NULL : fdopendir(copy);

	if (!d) {
		r = copy < 0 ? copy : -errno;
		if (copy >= 0)
			close(copy);
		return r;
	}
	errno = 0;
	while (r == 0 && (e = readdir(d))) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			r = settle_entry(x, fd, e->d_name, depth);
		errno = 0;
	}
	if (r == 0)
		r = -errno;
	closedir(d);
	if (r == 0 && (fchmod(fd, 0755) < 0 || futimens(fd, x->times) < 0))
		r = -errno;
	return r;
}

int wh_checkout_settle(int dirfd, const char *name, bool keep_git, int64_t time, struct wh_err **err)
{
	const struct settle x = {.keep_git = keep_git, .times = {{.tv_sec = time}, {.tv_sec = time}}};
	WH_AUTO_FD int fd = wh_openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	int r = fd < 0 ? fd : settle_dir(&x, fd, 0);

	return r < 0 ? wh_err_sys(err, "source", WH_ERR_BUILD, -r, "set modes and times of the checkout") : 0;
}

int wh_checkout_subdir(int dirfd, const char *from, const char *subdir, const char *to, struct wh_err **err)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", from, subdir);
	WH_AUTO_FREE char *parent_path = wh_path_dir(path);
	WH_AUTO_FD int dir = wh_open_beneath(dirfd, path, O_RDONLY | O_DIRECTORY, 0, true);
	WH_AUTO_FD int parent = -1;
	int r = dir;

	if (r >= 0)
		r = parent = wh_open_beneath(dirfd, parent_path, O_RDONLY | O_DIRECTORY, 0, true);
	if (r >= 0 && renameat(parent, wh_path_base(path), dirfd, to) < 0)
		r = -errno;
	if (r == -ENOENT)
		return wh_err_set(err, "source", WH_ERR_USAGE, ENOENT, "the repository has no directory \"%.200s\"",
				  subdir);
	if (r == -ELOOP || r == -ENOTDIR)
		return wh_err_set(err, "source", WH_ERR_USAGE, ENOTDIR,
				  "git subpath \"%.200s\" contains non-directory: symlinks are not followed there",
				  subdir);
	return r < 0 ? wh_err_sys(err, "source", WH_ERR_BUILD, -r, "take the directory \"%.200s\"", subdir) : 0;
}
