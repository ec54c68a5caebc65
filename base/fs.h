/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files and descriptors. Every descriptor is close-on-exec from birth, and
 * files are addressed by directory descriptor. A path that comes from an
 * image, an archive, a context or a Dockerfile is only ever opened through
 * wh_open_in_root() or wh_open_beneath() (openat2(2); a kernel without it is
 * refused at start).
 */
#ifndef WH_BASE_FS_H
#define WH_BASE_FS_H

#include "base/err.h"
#include "base/str.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Plain opens of our own files: openat(2) with O_CLOEXEC, EINTR retried. Return an fd or -errno. */
int wh_openat(int dirfd, const char *path, int flags, mode_t mode);
/* As if root were "/": absolute symlinks and ".." stay inside (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS). fd or -errno. */
int wh_open_in_root(int rootfd, const char *path, int flags, mode_t mode);
/* Refuses (-EXDEV) whatever would leave the directory, and (-ELOOP) every symlink on the way when nosymlinks. */
int wh_open_beneath(int dirfd, const char *path, int flags, mode_t mode, bool nosymlinks);

/* mkdir -p below dirfd: no symlink is followed (-ENOTDIR), ".." is refused (-EINVAL). An absolute path is the user's own
 * word, whose symlinks are followed. 0 or -errno. */
int wh_mkdir_p(int dirfd, const char *path, mode_t mode);
/* rm -rf of dirfd/name, never following symlinks or leaving the file system; works on directories without permissions.
 * Missing is success. 0 or -errno (first failure; the rest is still tried). */
int wh_rm_rf(int dirfd, const char *name);
/* Whole file, at most max bytes (-EFBIG beyond). Appends to buf, which is as before on failure. 0 or -errno. */
int wh_read_fd(int fd, size_t max, struct wh_buf *buf);
int wh_read_file(int dirfd, const char *path, size_t max, struct wh_buf *buf);
/* The same where others may have put anything: -EINVAL for what is no regular file; a fifo is not waited for. */
int wh_read_regular(int dirfd, const char *path, size_t max, struct wh_buf *buf);
int wh_write_all(int fd, const void *p, size_t n); /* 0 or -errno */
int wh_pwrite_all(int fd, const void *p, size_t n, uint64_t offset);
/* Writes to a temporary beside it, then renames over name; fsyncs the file first when sync. 0 or -errno. */
int wh_write_file_atomic(int dirfd, const char *name, const void *p, size_t n, mode_t mode, bool sync);
/* n bytes (UINT64_MAX: to the end) from in to out, from where both stand: reflink, then copy_file_range, then read/write.
 * 0 or -errno; -EIO when in ends before n. */
int wh_copy_fd(int in, int out, uint64_t n);
/* A name "prefix" + 16 random hex digits. malloc'ed. */
char *wh_temp_name(const char *prefix);
/* True when dir is on a network file system (NFS, CIFS, 9P, FUSE sshfs…), where SQLite's WAL must not be used. */
bool wh_is_network_fs(int dirfd);

#endif
