/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fs.h"

#include <errno.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

/* Below malloc's threshold for an mmap of its own, which would cost more than a small file's copy. */
#define COPY_CHUNK ((size_t)64 * 1024)

int wh_openat(int dirfd, const char *path, int flags, mode_t mode)
{
	int fd;

	do
		fd = openat(dirfd, path, flags | O_CLOEXEC, mode);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

static int resolve(int dirfd, const char *path, int flags, mode_t mode, uint64_t how)
{
	struct open_how h = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC), .resolve = how};
	unsigned tries = 0;
	long fd;

	/* openat2, unlike openat, refuses a mode that means nothing. */
	if ((flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE)
		h.mode = mode & 07777;
	do
		fd = syscall(SYS_openat2, dirfd, path, &h, sizeof(h));
	/* EAGAIN: a rename or mount anywhere raced with a ".."; the kernel could not be sure and wants another try. */
	while (fd < 0 && (errno == EINTR || (errno == EAGAIN && ++tries < 256)));
	return fd < 0 ? -errno : (int)fd;
}

int wh_open_in_root(int rootfd, const char *path, int flags, mode_t mode)
{
	return resolve(rootfd, path, flags, mode, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int wh_open_beneath(int dirfd, const char *path, int flags, mode_t mode, bool nosymlinks)
{
	return resolve(dirfd, path, flags, mode,
		       RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS | (nosymlinks ? RESOLVE_NO_SYMLINKS : 0));
}

int wh_mkdir_p(int dirfd, const char *path, mode_t mode)
{
	/* An absolute path is the user's own word (a data directory), where /home may well be a symlink. */
	bool rooted = path[0] == '/';
	int flags = O_PATH | O_DIRECTORY | (rooted ? 0 : O_NOFOLLOW);
	WH_AUTO_FD int owned = -1;
	int at = dirfd;

	if (rooted) {
		at = owned = wh_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
		if (owned < 0)
			return owned;
	}
	while (*path) {
		WH_AUTO_FREE char *name = NULL;
		size_t n = strcspn(path, "/");
		int next;

		if (!n) {
			path++;
			continue;
		}
		name = wh_strndup(path, n);
		path += n;
		if (!rooted && strcmp(name, "..") == 0)
			return -EINVAL;
		next = wh_openat(at, name, flags, 0);
		if (next == -ENOENT) {
			if (mkdirat(at, name, mode) < 0 && errno != EEXIST)
				return -errno;
			next = wh_openat(at, name, flags, 0);
		}
		if (next < 0)
			return next;
		wh_closep(&owned);
		at = owned = next;
	}
	return 0;
}

int wh_read_fd(int fd, size_t max, struct wh_buf *buf)
{
	char chunk[16384];
	size_t start = buf->n;
	ssize_t n;
	int r = 0;

	for (;;) {
		n = read(fd, chunk, sizeof(chunk));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			r = -errno;
		if (n <= 0)
			break;
		if ((size_t)n > max - (buf->n - start)) {
			r = -EFBIG;
			break;
		}
		wh_buf_add(buf, chunk, (size_t)n);
		if (!wh_buf_ok(buf)) {
			r = -EFBIG;
			break;
		}
	}
	if (r == 0)
		wh_buf_add(buf, "", 0); /* an empty file gives an empty string, not NULL */
	else if (buf->p) {
		buf->n = start;
		buf->p[start] = '\0';
	}
	return r;
}

int wh_read_file(int dirfd, const char *path, size_t max, struct wh_buf *buf)
{
	WH_AUTO_FD int fd = wh_openat(dirfd, path, O_RDONLY, 0);

	return fd < 0 ? fd : wh_read_fd(fd, max, buf);
}

int wh_read_regular(int dirfd, const char *path, size_t max, struct wh_buf *buf)
{
	WH_AUTO_FD int fd = wh_openat(dirfd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	return S_ISREG(st.st_mode) ? wh_read_fd(fd, max, buf) : -EINVAL;
}

int wh_write_all(int fd, const void *p, size_t n)
{
	const char *s = p;
	ssize_t w;

	while (n) {
		w = write(fd, s, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		s += w;
		n -= (size_t)w;
	}
	return 0;
}

int wh_pwrite_all(int fd, const void *p, size_t n, uint64_t offset)
{
	const char *s = p;
	ssize_t w;

	while (n) {
		w = pwrite(fd, s, n, (off_t)offset);
		if (w < 0 && errno == EINTR)
			continue;
		if (w < 0)
			return -errno;
		s += w;
		offset += (uint64_t)w;
		n -= (size_t)w;
	}
	return 0;
}

char *wh_temp_name(const char *prefix)
{
	uint64_t random = 0;

	while (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		if (errno != EINTR)
			abort();
	return wh_asprintf("%s%016llx", prefix, (unsigned long long)random);
}

int wh_write_file_atomic(int dirfd, const char *name, const void *p, size_t n, mode_t mode, bool sync)
{
	WH_AUTO_FREE char *prefix = wh_asprintf("%.*s.tmp-", (int)(wh_path_base(name) - name), name);
	WH_AUTO_FREE char *temp = wh_temp_name(prefix);
	WH_AUTO_FD int fd = wh_openat(dirfd, temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	int r;

	if (fd < 0)
		return fd;
	r = wh_write_all(fd, p, n);
	if (!r && fchmod(fd, mode) < 0)
		r = -errno;
	if (!r && sync && fsync(fd) < 0)
		r = -errno;
	/* Some file systems tell of a full disk only now. */
	if (close(WH_TAKE_FD(fd)) < 0 && !r && errno != EINTR)
		r = -errno;
	if (!r && renameat(dirfd, temp, dirfd, name) < 0)
		r = -errno;
	if (r)
		unlinkat(dirfd, temp, 0);
	return r;
}

/* Shares the blocks where the file system can; true when that was all there was to do. */
static bool reflink(int in, int out, uint64_t n)
{
	struct file_clone_range range = {.src_fd = in};
	struct stat si, so;
	off_t from, to;
	uint64_t left;

	if (fstat(in, &si) < 0 || fstat(out, &so) < 0 || !S_ISREG(si.st_mode) || !S_ISREG(so.st_mode))
		return false;
	from = lseek(in, 0, SEEK_CUR);
	to = lseek(out, 0, SEEK_CUR);
	if (from < 0 || to < 0 || from >= si.st_size)
		return false;
	left = (uint64_t)(si.st_size - from);
	if (n != UINT64_MAX && n > left)
		return false;
	if (n > left)
		n = left;
	if (!n)
		return false; /* 0 would mean "to the end" */
	range.src_offset = (uint64_t)from;
	range.src_length = n;
	range.dest_offset = (uint64_t)to;
	if (ioctl(out, FICLONERANGE, &range) < 0)
		return false;
	return lseek(in, from + (off_t)n, SEEK_SET) >= 0 && lseek(out, to + (off_t)n, SEEK_SET) >= 0;
}

/* By hand, for whatever the kernel would not copy itself. */
static int copy_bytes(int in, int out, uint64_t n)
{
	WH_AUTO_FREE char *chunk = wh_malloc(COPY_CHUNK);
	ssize_t got;
	int r;

	while (n) {
		got = read(in, chunk, n < COPY_CHUNK ? (size_t)n : COPY_CHUNK);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return n > INT64_MAX ? 0 : -EIO; /* asked for n, the file ended before */
		r = wh_write_all(out, chunk, (size_t)got);
		if (r)
			return r;
		if (n != UINT64_MAX)
			n -= (uint64_t)got;
	}
	return 0;
}

int wh_copy_fd(int in, int out, uint64_t n)
{
	ssize_t got;

	if (!n || reflink(in, out, n))
		return 0;
	while (n) {
		got = copy_file_range(in, NULL, out, NULL, n < (1U << 30) ? (size_t)n : (1U << 30), 0);
		if (got < 0 && errno == EINTR)
			continue;
		/* Real trouble shows up again when copying by hand; 0 may be the end, or a file that states no size. */
		if (got <= 0)
			return copy_bytes(in, out, n);
		if (n != UINT64_MAX)
			n -= (uint64_t)got;
	}
	return 0;
}

bool wh_is_network_fs(int dirfd)
{
	static const uint32_t magics[] = {
		0x00006969, /* nfs */
		0xff534d42, /* cifs */
		0xfe534d42, /* smb2 and later */
		0x0000517b, /* smb */
		0x01021997, /* 9p */
		0x65735546, /* fuse: sshfs and its like; a local one cannot be told from a remote one here */
		0x5346414f, /* afs */
		0x00c36400, /* ceph */
		0x73757245, /* coda */
		0x7461636f, /* ocfs2 */
		0x01161970, /* gfs2 */
		0x0bd00bd0, /* lustre */
		0x786f4256, /* vboxsf */
		0x47504653, /* gpfs */
		0x19830326, /* beegfs */
	};
	struct statfs sf;
	size_t i;

	if (fstatfs(dirfd, &sf) < 0)
		return false;
	for (i = 0; i < WH_ARRAY_SIZE(magics); i++)
		if ((uint32_t)sf.f_type == magics[i])
			return true;
	return false;
}
