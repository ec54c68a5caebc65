/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root file system as plain files. Directories come first, then contents
 * layer by layer, then further names; directories get their attributes last,
 * children first. Everything is opened beneath the destination with no symlink
 * followed, so a tree that somebody changes meanwhile leads nowhere else.
 */
#include "layers/image_private.h"
#include "layers/root.h"

#include <dirent.h>
#include <errno.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

struct local {
	struct wh_root root;
	const struct wh_export *x;
	bool chown;
	unsigned skipped;
	int top;  /* the destination */
	char *at; /* the directory that at_fd is */
	int at_fd;
	int file_fd;
	struct wh_node_ref ref;
};

static int failed(const char *what, const char *path, int sys, struct wh_err **err)
{
	return wh_err_sys(err, "layers", WH_ERR_BUILD, sys, "%s /%s", what, path);
}

/* Descriptor of the directory that path lies in. */
static int parent_fd(struct local *l, const char *path, struct wh_err **err)
{
	const char *base = wh_path_base(path);
	size_t n = base > path ? (size_t)(base - path - 1) : 0;
	int fd;

	if (n == 0)
		return l->top;
	if (l->at && strlen(l->at) == n && memcmp(l->at, path, n) == 0)
		return l->at_fd;
	wh_closep(&l->at_fd);
	free(l->at);
	l->at = wh_strndup(path, n);
	fd = wh_open_beneath(l->top, l->at, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0, true);
	if (fd < 0) {
		free(WH_TAKE_PTR(l->at));
		return failed("open the directory of", path, -fd, err);
	}
	l->at_fd = fd;
	return fd;
}

/* Without owners, a set-id bit would lend the caller's own rights to whoever runs the file. */
static uint32_t mode_of(const struct local *l, const struct wh_entry *e)
{
	return l->chown || e->type == WH_T_DIR ? e->mode : e->mode & ~06000u;
}

static void set_time(struct timespec ts[2], int64_t mtime)
{
	ts[0] = ts[1] = (struct timespec){.tv_sec = mtime};
}

static int set_xattrs(const struct local *l, int fd, const struct wh_entry *e)
{
	for (size_t k = 0; k < e->n_xattrs; k++) {
		const struct wh_xattr *x = &e->xattrs[k];

		if (!l->chown && strcmp(x->name, "security.capability") == 0)
			continue;
		if (fsetxattr(fd, x->name, x->value, x->len, 0) < 0 && errno != ENOTSUP)
			return -errno;
	}
	return 0;
}

static int set_attributes(const struct local *l, int fd, const struct wh_entry *e)
{
	struct timespec ts[2];
	int r = 0;

	if (l->chown && fchown(fd, e->uid, e->gid) < 0)
		r = -errno;
	if (r == 0 && fchmod(fd, mode_of(l, e)) < 0)
		r = -errno;
	if (r == 0)
		r = set_xattrs(l, fd, e);
	set_time(ts, e->mtime);
	if (r == 0 && futimens(fd, ts) < 0)
		r = -errno;
	return r;
}

/* ---------------------------------------------------------------- everything without content */

static int make_device(struct local *l, int dir, const char *name, const struct wh_entry *e)
{
	mode_t type = e->type == WH_T_CHR ? S_IFCHR : e->type == WH_T_BLK ? S_IFBLK : S_IFIFO;

	/* A fifo anybody may make; 0:0 would be a whiteout to overlay. */
	if (e->type != WH_T_FIFO && (!l->chown || (!e->major && !e->minor)))
		return 1;
	if (mknodat(dir, name, type | 0600, e->type == WH_T_FIFO ? 0 : makedev(e->major, e->minor)) == 0)
		return 0;
	return errno == EPERM && e->type != WH_T_FIFO ? 1 : -errno;
}

static int make_other(struct local *l, int dir, const char *name, const struct wh_entry *e)
{
	struct timespec ts[2];
	int r;

	if (e->type == WH_T_SYMLINK)
		r = symlinkat(e->link, dir, name) < 0 ? -errno : 0;
	else
		r = make_device(l, dir, name, e);
	if (r != 0) {
		l->skipped += r > 0;
		return r < 0 ? r : 0;
	}
	if (l->chown && fchownat(dir, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (e->type != WH_T_SYMLINK && fchmodat(dir, name, mode_of(l, e), 0) < 0)
		return -errno;
	set_time(ts, e->mtime);
	return utimensat(dir, name, ts, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int make_tree(struct local *l, struct wh_err **err)
{
	for (size_t i = 0; i < l->root.n; i++) {
		const struct wh_root_entry *e = &l->root.v[i];
		const char *name = wh_path_base(e->path);
		int dir, r;

		if (e->type == WH_T_FILE)
			continue;
		dir = parent_fd(l, e->path, err);
		if (dir < 0)
			return dir;
		if (e->type == WH_T_DIR) {
			r = mkdirat(dir, name, 0700) < 0 ? -errno : 0;
		} else {
			r = wh_root_node(&l->root, e->path, &l->ref, err);
			if (r < 0)
				return r;
			r = make_other(l, dir, name, &l->ref.e);
		}
		if (r < 0)
			return failed("make", e->path, -r, err);
	}
	return 0;
}

static int finish_dirs(struct local *l, struct wh_err **err)
{
	for (size_t i = l->root.n + 1; i-- > 0;) {
		const char *path = i ? l->root.v[i - 1].path : "";
		WH_AUTO_FD int fd = -1;
		int r;

		if (i && l->root.v[i - 1].type != WH_T_DIR)
			continue;
		r = wh_root_node(&l->root, path, &l->ref, err);
		if (r < 0)
			return r;
		fd = wh_open_beneath(l->top, i ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0, true);
		r = fd < 0 ? fd : set_attributes(l, fd, &l->ref.e);
		if (r < 0)
			return failed("set the attributes of", path, -r, err);
	}
	return 0;
}

/* ---------------------------------------------------------------- contents */

static int on_begin(void *arg, const struct wh_root_entry *e, struct wh_err **err)
{
	struct local *l = arg;
	int dir = parent_fd(l, e->path, err);

	if (dir < 0)
		return dir;
	l->file_fd = wh_openat(dir, wh_path_base(e->path), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	return l->file_fd < 0 ? failed("make", e->path, -l->file_fd, err) : 0;
}

static int on_data(void *arg, const struct wh_root_entry *e, const void *p, size_t n, struct wh_err **err)
{
	struct local *l = arg;
	int r = wh_write_all(l->file_fd, p, n);

	return r < 0 ? failed("write", e->path, -r, err) : 0;
}

static int on_end(void *arg, const struct wh_root_entry *e, struct wh_err **err)
{
	struct local *l = arg;
	int r = wh_root_node(&l->root, e->path, &l->ref, err);

	if (r < 0)
		return r;
	r = set_attributes(l, l->file_fd, &l->ref.e);
	if (close(WH_TAKE_FD(l->file_fd)) < 0 && r == 0)
		r = -errno;
	return r < 0 ? failed("set the attributes of", e->path, -r, err) : 0;
}

static const struct wh_content_sink file_sink = {.begin = on_begin, .data = on_data, .end = on_end};

static int make_links(struct local *l, struct wh_err **err)
{
	for (size_t i = 0; i < l->root.n; i++) {
		const struct wh_root_entry *e = &l->root.v[i], *first;
		WH_AUTO_FD int from = -1;
		int dir;

		if (e->type != WH_T_FILE || e->primary == i)
			continue;
		first = &l->root.v[e->primary];
		dir = parent_fd(l, first->path, err);
		if (dir < 0)
			return dir;
		from = fcntl(dir, F_DUPFD_CLOEXEC, 3);
		dir = parent_fd(l, e->path, err);
		if (dir < 0)
			return dir;
		if (from < 0 || linkat(from, wh_path_base(first->path), dir, wh_path_base(e->path), 0) < 0)
			return failed("link", e->path, errno, err);
	}
	return 0;
}

/* ---------------------------------------------------------------- the destination */

static int open_dest(const struct wh_export *x, bool *made, struct wh_err **err)
{
	WH_AUTO_FREE char *clean = wh_path_clean(x->dest);
	WH_AUTO_FREE char *parent = wh_path_dir(clean);
	WH_AUTO_FD int fd = -1;
	const struct dirent *de;
	bool empty = true;
	DIR *d;
	int copy, r;

	r = wh_make_parents(parent);
	if (r == 0) {
		*made = mkdir(x->dest, 0755) == 0;
		r = *made || errno == EEXIST ? 0 : -errno;
	}
	if (r < 0)
		return wh_err_sys(err, "layers", wh_dest_class(r), -r, "make %s", x->dest);
	fd = wh_openat(AT_FDCWD, x->dest, O_RDONLY | O_DIRECTORY, 0);
	if (fd < 0)
		return wh_err_sys(err, "layers", wh_dest_class(fd), -fd, "open %s", x->dest);
	copy = wh_openat(fd, ".", O_RDONLY | O_DIRECTORY, 0);
	d = copy < 0 ? NULL : fdopendir(copy);
	if (!d) {
		wh_closep(&copy);
		return wh_err_sys(err, "layers", WH_ERR_ENV, EACCES, "read %s", x->dest);
	}
	while (empty && (de = readdir(d)))
		empty = strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0;
	closedir(d);
	if (!empty) {
		r = wh_err_set(err, "layers", WH_ERR_USAGE, ENOTEMPTY, "%s exists and is not empty", x->dest);
		wh_err_hint(err, "name a directory that does not exist, or empty it");
		return r;
	}
	return WH_TAKE_FD(fd);
}

static void undo(struct local *l, bool made)
{
	for (size_t i = 0; i < l->root.n; i++)
		if (!strchr(l->root.v[i].path, '/'))
			(void)wh_rm_rf(l->top, l->root.v[i].path);
	if (made)
		(void)rmdir(l->x->dest);
}

static int export_image(struct wh_store *s, const struct wh_image *i, const struct wh_export *x, bool chown,
			unsigned *ret_skipped, struct wh_err **err)
{
	struct local l = {.x = x, .chown = chown, .top = -1, .at_fd = -1, .file_fd = -1};
	bool made = false;
	int r;

	r = wh_root_open(s, i, &l.root, err);
	if (r < 0)
		return r;
	r = l.top = open_dest(x, &made, err);
	if (r >= 0) {
		r = make_tree(&l, err);
		if (r == 0)
			r = wh_root_contents(&l.root, &file_sink, &l, err);
		if (r == 0)
			r = make_links(&l, err);
		if (r == 0)
			r = finish_dirs(&l, err);
		wh_closep(&l.file_fd);
		if (r < 0)
			undo(&l, made);
		else
			*ret_skipped += l.skipped;
	}
	wh_root_close(&l.root);
	wh_closep(&l.at_fd);
	wh_closep(&l.top);
	free(l.at);
	return r < 0 ? r : 0;
}

/* A directory for each image; all of them, or none. */
static int export_index(struct wh_store *s, const struct wh_image *i, const struct wh_export *x, bool chown,
			unsigned *ret_skipped, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv done = {0};
	WH_AUTO_FD int top = -1;
	bool made = false;
	int r = wh_image_whole(i, err);

	if (r == 0)
		r = wh_image_index_check(i, err);
	if (r == 0)
		r = top = open_dest(x, &made, err);
	for (size_t k = 0; k < i->n_parts && r >= 0; k++) {
		WH_AUTO_FREE char *name = wh_image_platform_dir(&i->parts[k]);
		WH_AUTO_FREE char *dest = wh_path_join(x->dest, name);
		struct wh_export part = *x;

		part.dest = dest;
		r = export_image(s, &i->parts[k], &part, chown, ret_skipped, err);
		if (r >= 0)
			wh_strv_take(&done, WH_TAKE_PTR(name));
	}
	for (size_t k = 0; r < 0 && k < done.n; k++)
		(void)wh_rm_rf(top, done.v[k]);
	if (r < 0 && made)
		(void)rmdir(x->dest);
	return r < 0 ? r : 0;
}

int wh_export_local(struct wh_store *s, const struct wh_image *i, const struct wh_export *x, bool chown,
		    unsigned *ret_skipped, struct wh_err **err)
{
	unsigned skipped = 0;
	int r;

	if (chown && geteuid() != 0)
		return wh_err_set(err, "layers", WH_ERR_ENV, EPERM, "only root can give exported files their owners");
	r = wh_image_is_index(i) ? export_index(s, i, x, chown, &skipped, err)
				 : export_image(s, i, x, chown, &skipped, err);
	if (r == 0)
		*ret_skipped = skipped;
	else
		wh_err_wrap(err, "export to %s", x->dest);
	return r;
}
