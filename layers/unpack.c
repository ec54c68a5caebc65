/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer as a directory, for overlay: whiteouts are character devices 0:0,
 * opaque directories carry user.overlay.opaque. Devices are in the index only.
 *
 * What the reader says is followed step by step. Each file is made in its
 * parent directory, which is opened by its place in the tree with no symlink
 * on the way allowed; most files share the parent with the one before, so
 * that it mostly is open already. Directories are 0700 while this goes on and
 * get their attributes at the end, children first.
 */
#include "layers/index_private.h"
#include "layers/reader.h"
#include "layers/store_private.h"

#include <errno.h>
#include <sys/file.h>
#include <sys/xattr.h>

#define OVERLAY_OPAQUE "user.overlay.opaque"
#define OVERLAY_WHITEOUT "user.overlay.whiteout"

struct unpack {
	int root_fd;
	struct wh_name *at; /* whose descriptor at_fd is */
	int at_fd;
	int file_fd; /* the file being written */
	uid_t uid;   /* what new files get by themselves */
	gid_t gid;
	bool xattr_whiteouts;
	char *whiteout; /* in tmp_fd: the device that whiteouts are links to, or NULL */
	int tmp_fd;
	struct wh_buf path;
};

static int failed(struct unpack *u, const struct wh_name *n, int sys, const char *what, struct wh_err **err)
{
	/* EINVAL: an id that is not mapped. */
	int r = wh_err_sys(err, "layers", sys == EINVAL ? WH_ERR_ENV : WH_ERR_BUILD, sys, "%s %s", what, wh_name_path(n, &u->path));

	if (sys == EPERM || sys == EINVAL)
		wh_err_hint(err,
			    "is its owner %lu:%lu among the ids of this user namespace? (see /etc/subuid, /etc/subgid)",
			    (unsigned long)n->ino->uid, (unsigned long)n->ino->gid);
	return r;
}

/* Descriptor of a directory of the tree; stays open until another one is asked for. */
static int dir_fd(struct unpack *u, struct wh_name *dir, struct wh_err **err)
{
	int fd;

	if (!dir->parent)
		return u->root_fd;
	if (u->at == dir)
		return u->at_fd;
	fd = wh_open_beneath(u->root_fd, wh_name_path(dir, &u->path), O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, true);
	if (fd < 0)
		return failed(u, dir, -fd, "open directory", err);
	wh_closep(&u->at_fd);
	u->at_fd = fd;
	u->at = dir;
	return fd;
}

static int on_drop(void *arg, struct wh_name *n, struct wh_err **err)
{
	struct unpack *u = arg;
	int dir = dir_fd(u, n->parent, err), r;

	if (dir < 0)
		return dir;
	r = n->ino->type == WH_T_DIR ? wh_rm_rf(dir, n->text) : unlinkat(dir, n->text, 0) < 0 ? -errno : 0;
	if (r == -ENOENT) /* a device */
		r = 0;
	/* The directory that is open may be among what went. */
	wh_closep(&u->at_fd);
	u->at = NULL;
	return r < 0 ? failed(u, n, -r, "remove", err) : 0;
}

static void drop_whiteout(struct unpack *u)
{
	if (u->whiteout)
		(void)unlinkat(u->tmp_fd, u->whiteout, 0);
	free(WH_TAKE_PTR(u->whiteout));
}

/*
 * All whiteouts of a layer are links to one device, as overlay makes its own (an inode for each costs several times as
 * much). It lies in the lease directory until the end, where nothing that the archive does can reach it.
 */
static int make_whiteout(struct unpack *u, int dir, const char *name)
{
	int fd, r;

	if (u->whiteout && linkat(u->tmp_fd, u->whiteout, dir, name, 0) == 0)
		return 0;
	if (u->whiteout && errno != EMLINK)
		return -errno;
	drop_whiteout(u);
	if (!u->xattr_whiteouts) {
		WH_AUTO_FREE char *one = wh_temp_name("whiteout-");

		if (mknodat(u->tmp_fd, one, S_IFCHR, 0) == 0) {
			u->whiteout = WH_TAKE_PTR(one);
			/* A file system without links. */
			if (linkat(u->tmp_fd, u->whiteout, dir, name, 0) == 0)
				return 0;
			drop_whiteout(u);
			return mknodat(dir, name, S_IFCHR, 0) < 0 ? -errno : 0;
		}
		if (errno != EPERM)
			return -errno;
		u->xattr_whiteouts = true;
	}
	/* Where not even this device may be made, overlay takes an empty file so marked (kernel 6.7). */
	fd = wh_openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fd;
	r = fsetxattr(fd, OVERLAY_WHITEOUT, "y", 1, 0) < 0 ? -errno : 0;
	close(fd);
	return r;
}

static int set_times(int fd, const char *name, int64_t mtime)
{
	struct timespec ts[2] = {{.tv_sec = mtime}, {.tv_sec = mtime}};

	return (name ? utimensat(fd, name, ts, AT_SYMLINK_NOFOLLOW) : futimens(fd, ts)) < 0 ? -errno : 0;
}

static int set_owner_at(struct unpack *u, int dir, const struct wh_name *n)
{
	if (n->ino->uid == u->uid && n->ino->gid == u->gid)
		return 0;
	return fchownat(dir, n->text, n->ino->uid, n->ino->gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int make_special(struct unpack *u, int dir, const struct wh_name *n)
{
	const struct wh_inode *i = n->ino;
	int r = 0;

	if (i->type == WH_T_SYMLINK)
		r = symlinkat(i->link, dir, n->text) < 0 ? -errno : 0;
	else
		r = mknodat(dir, n->text, S_IFIFO | 0600, 0) < 0 ? -errno : 0;
	if (r == 0)
		r = set_owner_at(u, dir, n);
	if (r == 0 && i->type == WH_T_FIFO)
		r = fchmodat(dir, n->text, i->mode, 0) < 0 ? -errno : 0;
	return r < 0 ? r : set_times(dir, n->text, i->mtime);
}

static int open_file(struct unpack *u, int dir, const struct wh_name *n)
{
	/* With its final mode at once where nothing that follows would change it. */
	bool plain = n->ino->uid == u->uid && n->ino->gid == u->gid && !(n->ino->mode & ~0777u);
	int fd = wh_openat(dir, n->text, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, plain ? n->ino->mode : 0600);

	if (fd < 0)
		return fd;
	u->file_fd = fd;
	return 0;
}

static int on_make(void *arg, struct wh_name *n, struct wh_err **err)
{
	struct unpack *u = arg;
	int dir = dir_fd(u, n->parent, err), r = 0;

	if (dir < 0)
		return dir;
	switch (n->ino->type) {
	case WH_T_DIR:
		r = mkdirat(dir, n->text, 0700) < 0 ? -errno : 0;
		break;
	case WH_T_FILE:
		r = open_file(u, dir, n);
		break;
	case WH_T_SYMLINK:
	case WH_T_FIFO:
		r = make_special(u, dir, n);
		break;
	case WH_T_WHITEOUT:
		r = make_whiteout(u, dir, n->text);
		break;
	case WH_T_CHR:
	case WH_T_BLK:
		break; /* no user namespace may make them */
	case WH_T_HARDLINK:
		r = wh_err_set(err, "layers", WH_ERR_BUILD, ENOTSUP,
			       "%s is a hard link to %s, which is not in the same layer", wh_name_path(n, &u->path),
			       n->ino->link);
		wh_err_hint(err,
			    "the image format allows no links between layers; the tool that made this image is wrong");
		return r;
	}
	return r < 0 ? failed(u, n, -r, "make", err) : 0;
}

static int on_link(void *arg, struct wh_name *n, struct wh_name *target, struct wh_err **err)
{
	struct unpack *u = arg;
	WH_AUTO_FD int from = -1;
	int dir, r;

	if (n->ino->type == WH_T_CHR || n->ino->type == WH_T_BLK)
		return 0;
	dir = dir_fd(u, target->parent, err);
	if (dir < 0)
		return dir;
	if (target->parent != n->parent) {
		/* Two directories at once: keep the first by a descriptor of its own. */
		from = fcntl(dir, F_DUPFD_CLOEXEC, 3);
		if (from < 0)
			return failed(u, n, errno, "link", err);
	}
	r = dir_fd(u, n->parent, err);
	if (r < 0)
		return r;
	r = linkat(from >= 0 ? from : r, target->text, r, n->text, 0) < 0 ? errno : 0;
	return r ? failed(u, n, r, "link", err) : 0;
}

static int on_data(void *arg, struct wh_name *n, uint64_t offset, const void *p, size_t len, struct wh_err **err)
{
	struct unpack *u = arg;
	int r = n->ino->offset != UINT64_MAX ? wh_write_all(u->file_fd, p, len) : wh_pwrite_all(u->file_fd, p, len, offset);

	return r < 0 ? failed(u, n, -r, "write", err) : 0;
}

static int set_xattrs(int fd, const struct wh_inode *i)
{
	for (size_t k = 0; k < i->n_xattrs; k++)
		if (fsetxattr(fd, i->xattrs[k].name, i->xattrs[k].value, i->xattrs[k].len, 0) < 0)
			return -errno;
	return 0;
}

/* Owner before mode before capabilities: each takes away what would come after it. Times last. */
static int set_attributes(struct unpack *u, int fd, const struct wh_inode *i, bool mode_done)
{
	int r = 0;

	if ((i->uid != u->uid || i->gid != u->gid) && fchown(fd, i->uid, i->gid) < 0)
		r = -errno;
	if (r == 0 && !mode_done && fchmod(fd, i->mode) < 0)
		r = -errno;
	if (r == 0)
		r = set_xattrs(fd, i);
	return r < 0 ? r : set_times(fd, NULL, i->mtime);
}

static int on_done(void *arg, struct wh_name *n, struct wh_err **err)
{
	struct unpack *u = arg;
	const struct wh_inode *i = n->ino;
	bool plain = i->uid == u->uid && i->gid == u->gid && !(i->mode & ~0777u);
	int r = 0;

	if (i->offset == UINT64_MAX && ftruncate(u->file_fd, (off_t)i->size) < 0)
		r = -errno;
	if (r == 0)
		r = set_attributes(u, u->file_fd, i, plain);
	if (close(WH_TAKE_FD(u->file_fd)) < 0 && r == 0)
		r = -errno;
	return r < 0 ? failed(u, n, -r, "set the attributes of", err) : 0;
}

static int finish_dir(void *arg, const char *path, const struct wh_inode *i, struct wh_err **err)
{
	struct unpack *u = arg;
	WH_AUTO_FD int fd =
		wh_open_beneath(u->root_fd, path[0] ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, true);
	int r = fd < 0 ? fd : 0;

	if (r == 0 && i->opaque && fsetxattr(fd, OVERLAY_OPAQUE, "y", 1, 0) < 0)
		r = -errno;
	if (r == 0)
		r = set_attributes(u, fd, i, false);
	if (r < 0) {
		r = wh_err_sys(err, "layers", r == -EINVAL ? WH_ERR_ENV : WH_ERR_BUILD, -r, "set the attributes of directory /%s", path);
		wh_err_hint(err,
			    "is its owner %lu:%lu among the ids of this user namespace? (see /etc/subuid, /etc/subgid)",
			    (unsigned long)i->uid, (unsigned long)i->gid);
	}
	return r;
}

static const struct wh_read_sink unpack_sink = {
	.drop = on_drop,
	.make = on_make,
	.link = on_link,
	.data = on_data,
	.done = on_done,
};

static int unpack_into(struct wh_store *s, const struct wh_layer *l, int root_fd, struct wh_err **err)
{
	WH_AUTO_NAMES struct wh_names *names = wh_names_new();
	struct unpack u = {.root_fd = root_fd, .at_fd = -1, .file_fd = -1, .uid = geteuid(), .gid = getegid()};
	int r;

	u.tmp_fd = wh_store_tmp_dirfd(s);
	r = wh_layer_read(s, l, names, &unpack_sink, &u, err);

	wh_closep(&u.at_fd);
	wh_closep(&u.file_fd);
	drop_whiteout(&u);
	if (r == 0)
		r = wh_names_dirs_up(names, finish_dir, &u, err);
	wh_buf_release(&u.path);
	return r;
}

static int unpack(struct wh_store *s, const struct wh_layer *l, const char *hex, struct wh_err **err)
{
	WH_AUTO_FREE char *tmp = wh_temp_name("unpack-");
	int tmp_fd = wh_store_tmp_dirfd(s);
	WH_AUTO_FD int fd = -1;
	int r = mkdirat(tmp_fd, tmp, 0700) < 0 ? -errno : 0;

	if (r == 0)
		r = fd = wh_openat(tmp_fd, tmp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	/* Nothing is to be inherited from a store with a set-group-id bit or a default ACL. */
	if (r >= 0) {
		(void)fremovexattr(fd, "system.posix_acl_default");
		r = fchmod(fd, 0700) < 0 ? -errno : 0;
	}
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "make %s/%s", wh_store_tmp_path(s), tmp);
	r = unpack_into(s, l, fd, err);
	if (r == 0)
		r = wh_store_publish(s, tmp, s->snapshots_fd, hex, err);
	if (r < 0)
		(void)wh_rm_rf(tmp_fd, tmp);
	return r;
}

static bool unpacked(struct wh_store *s, const char *hex)
{
	return faccessat(s->snapshots_fd, hex, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int wh_snapshot_ensure(struct wh_store *s, const struct wh_layer *l, struct wh_err **err)
{
	WH_AUTO_FD int lock = -1;
	char hex[65];
	int r;

	wh_digest_hex(&l->diff_id, hex);
	/* In this order: the pair's last use is the snapshot's, too, and from then on it stays. */
	if (wh_pair_known(s, &l->diff_id, &l->blob) && unpacked(s, hex))
		return 0;
	if (unpacked(s, hex)) {
		r = wh_layer_verify(s, l, err);
		if (r < 0 || unpacked(s, hex))
			return r;
	}
	if (geteuid() != 0) {
		r = wh_err_set(err, "layers", WH_ERR_ENV, EPERM,
			       "a layer can be unpacked by root or inside a user namespace only");
		wh_err_hint(err, "files in layers have owners; this process may not give files away");
		return r;
	}
	r = wh_layer_fetch(s, l, err);
	if (r < 0)
		return r;
	/* Whoever comes second, another thread or another process, waits for the first instead of doing it again. The
	 * blob serves as the lock: it is there, and it is the same for all. */
	lock = wh_blob_open(s, &l->blob, NULL, err);
	if (lock < 0)
		return lock;
	do /* a file system without such locks: then both do it, and one result is kept */
		r = flock(lock, LOCK_EX) < 0 ? -errno : 0;
	while (r == -EINTR);
	r = unpacked(s, hex) ? wh_layer_verify(s, l, err) : 0;
	if (r == 0 && !unpacked(s, hex))
		r = unpack(s, l, hex, err);
	if (r < 0)
		wh_err_wrap(err, "unpack");
	flock(lock, LOCK_UN); /* a child that is being started may hold a copy of the descriptor for a moment */
	return r;
}
