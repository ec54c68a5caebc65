/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/guests.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <sys/mount.h>
#include <unistd.h>

#define ASIDE "aside"
#define DELETED " (deleted)"

/* ---------------------------------------------------------------- where things are */

/* What the kernel calls this file now; NULL when it has no name any more. */
static char *name_of(int fd)
{
	WH_AUTO_FREE char *link = wh_asprintf("/proc/self/fd/%d", fd), *text = wh_malloc(PATH_MAX + 1);
	ssize_t n = readlink(link, text, PATH_MAX);

	if (n <= 0 || text[0] != '/')
		return NULL;
	text[n] = '\0';
	return wh_has_suffix(text, DELETED) ? NULL : WH_TAKE_PTR(text);
}

static bool same_file(int fd, int at, const char *name)
{
	struct stat a, b;

	return fstat(fd, &a) == 0 && fstatat(at, name, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Where in the root the step has moved it to, NULL: nowhere. */
static char *strayed(const struct wh_guests *g, const struct wh_guest *m)
{
	WH_AUTO_FREE char *path = m->self < 0 ? NULL : name_of(m->self);
	size_t n = strlen(g->root_path);

	if (!path || !wh_has_prefix(path, g->root_path) || path[n] != '/' || !same_file(m->self, AT_FDCWD, path))
		return NULL;
	return WH_TAKE_PTR(path);
}

int wh_guests_open(struct wh_guests *g, struct wh_rootfs *r, const struct wh_root *root, struct wh_err **err)
{
	WH_AUTO_FREE char *beside = wh_path_dir(root->dir);
	WH_AUTO_FD int parent = wh_openat(AT_FDCWD, beside, O_RDONLY | O_DIRECTORY, 0);
	struct statx sx;

	*g = (struct wh_guests){.root = r, .aside = -1};
	r->fd = wh_openat(AT_FDCWD, root->dir, O_PATH | O_DIRECTORY, 0);
	r->base = r->fd < 0 ? -1 : fcntl(r->fd, F_DUPFD_CLOEXEC, 3);
	if (r->base < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_BUILD, r->fd < 0 ? -r->fd : errno, "open the root %s", root->dir);
	if (statx(r->fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &sx) == 0)
		r->mount = sx.stx_mnt_id;
	g->root_path = name_of(r->fd);
	if (!g->root_path)
		return wh_err_set(err, "sandbox", WH_ERR_ENV, ENOENT, "/proc does not tell where the root %s is", root->dir);
	if (parent < 0 || (mkdirat(parent, ASIDE, 0700) < 0 && errno != EEXIST))
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, parent < 0 ? -parent : errno, "make a directory beside the root %s", root->dir);
	g->aside = wh_openat(parent, ASIDE, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (g->aside < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -g->aside, "open the directory beside the root %s", root->dir);
	return 0;
}

/* ---------------------------------------------------------------- coming */

static void keep_times(int dir, const struct stat *was)
{
	futimens(dir, (struct timespec[2]){was->st_atim, was->st_mtim});
}

/* In a directory that came before it. There what is made for it stays, as a mount point would. */
static bool in_a_guest(const struct wh_guests *g, const char *real)
{
	for (size_t i = 0; i < g->n; i++) {
		size_t n = strlen(g->v[i].real);

		if (wh_has_prefix(real, g->v[i].real) && real[n] == '/')
			return true;
	}
	return false;
}

static int set_aside(const struct wh_guests *g, struct wh_guest *m, bool made, bool dir)
{
	/* Made for us, and nobody's to miss. */
	if (made && !in_a_guest(g, m->real))
		return unlinkat(m->parent, m->name, dir ? AT_REMOVEDIR : 0) < 0 ? -errno : 0;
	m->aside = wh_asprintf("%zu", g->n);
	return renameat(m->parent, m->name, g->aside, m->aside) < 0 ? -errno : 0;
}

static void forget(struct wh_guest *m)
{
	wh_closep(&m->parent);
	wh_closep(&m->self);
	wh_closep(&m->content);
	wh_closep(&m->home);
	free(m->name);
	free(m->real);
	free(m->aside);
	free(m->home_name);
}

/* The place is made free for a guest, which is added to the list: whatever fails from here on, leaving sets it right. */
static int make_room(struct wh_guests *g, const char *path, bool dir, struct wh_guest **ret, struct wh_err **err)
{
	WH_AUTO_FREE char *clean = wh_path_abs_in("/", path), *parent = NULL;
	const size_t known = g->root->made.n;
	WH_AUTO_FD int target = -1;
	struct wh_guest m = {.parent = -1, .self = -1, .content = -1, .home = -1};
	struct stat was;
	int r;

	if (wh_streq(clean, "/"))
		return wh_err_set(err, "sandbox", WH_ERR_BUILD, EINVAL, "cannot mount over the root of the step");
	target = wh_rootfs_target(g->root, clean, dir, err);
	if (target < 0)
		return target;
	r = wh_stub_resolve(g->root->fd, clean, &m.real);
	if (r < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_BUILD, -r, "find %s", clean);
	parent = wh_path_dir(m.real);
	m.name = wh_strdup(wh_path_base(m.real));
	m.parent = wh_open_in_root(g->root->fd, parent, O_RDONLY | O_DIRECTORY, 0);
	r = m.parent < 0 ? m.parent : fstat(m.parent, &was) < 0 ? -errno : same_file(target, m.parent, m.name) ? 0 : -ESTALE;
	if (r == 0)
		r = set_aside(g, &m, g->root->made.n > known, dir);
	if (r < 0) {
		wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "move %s aside", m.real);
		if (r == -EXDEV)
			wh_err_hint(err, "the store lies in a lower layer of the container's file system: have it on a volume, or made anew");
		forget(&m);
		return r;
	}
	keep_times(m.parent, &was);
	WH_PUSH(g->v, g->n, g->cap) = m;
	*ret = &g->v[g->n - 1];
	return 0;
}

/* It is there: remembered by its inode. */
static int settle(struct wh_guest *m, const struct stat *was, struct wh_err **err)
{
	keep_times(m->parent, was);
	m->self = wh_openat(m->parent, m->name, O_PATH | O_NOFOLLOW, 0);
	return m->self < 0 ? wh_err_sys(err, "sandbox", WH_ERR_ENV, -m->self, "look at the step's %s", m->name) : 0;
}

int wh_guests_dir(struct wh_guests *g, const char *path, mode_t mode, uint32_t uid, uint32_t gid, int *ret_fd, struct wh_err **err)
{
	WH_AUTO_FD int fd = -1;
	struct wh_guest *m;
	struct stat was;
	int r = make_room(g, path, true, &m, err);

	if (r < 0)
		return r;
	if (fstat(m->parent, &was) < 0 || mkdirat(m->parent, m->name, 0700) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "make the step's %s", path);
	fd = wh_openat(m->parent, m->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (fd < 0 || fchown(fd, uid, gid) < 0 || fchmod(fd, mode) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, fd < 0 ? -fd : errno, "make the step's %s for %u:%u", path, uid, gid);
	r = settle(m, &was, err);
	if (r == 0 && ret_fd)
		*ret_fd = WH_TAKE_FD(fd);
	return r;
}

int wh_guests_file(struct wh_guests *g, const char *path, const void *p, size_t n, mode_t mode, uint32_t uid, uint32_t gid,
		   struct wh_err **err)
{
	WH_AUTO_FD int fd = -1;
	struct wh_guest *m;
	struct stat was;
	int r = make_room(g, path, false, &m, err);

	if (r < 0)
		return r;
	if (fstat(m->parent, &was) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "look at the directory of %s", path);
	fd = wh_openat(m->parent, m->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	r = fd < 0 ? fd : wh_write_all(fd, p, n);
	/* Not for writing: a script that anybody has open so cannot be executed. */
	if (r == 0)
		r = m->content = wh_openat(m->parent, m->name, O_RDONLY | O_NOFOLLOW, 0);
	if (r >= 0)
		r = fchown(fd, uid, gid) < 0 || fchmod(fd, mode & 07777) < 0 ? -errno : 0;
	if (r < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "make a file of %zu bytes for %u:%u", n, uid, gid);
	return settle(m, &was, err);
}

/* Moves what the source names into the root. */
static int move_in(struct wh_guests *g, const struct wh_bind *b, struct wh_err **err)
{
	WH_AUTO_FREE char *above = NULL, *real = NULL, *parent = NULL, *name = NULL;
	WH_AUTO_FD int from = -1, whole = -1;
	struct wh_guest *m;
	struct stat st, was;
	bool inside = b->subpath && b->subpath[strspn(b->subpath, "/")];
	int r = 0;

	if (inside) {
		/* As if the source were "/": neither ".." nor a symlink of its own leads out of it. */
		whole = wh_openat(AT_FDCWD, b->source, O_PATH | O_DIRECTORY, 0);
		r = whole < 0 ? whole : wh_stub_resolve(whole, b->subpath, &real);
		inside = r == 0 && !wh_streq(real, "/");
	}
	if (r == 0 && inside) {
		parent = wh_path_dir(real);
		name = wh_strdup(wh_path_base(real));
		r = from = wh_open_in_root(whole, parent, O_RDONLY | O_DIRECTORY, 0);
	} else if (r == 0) {
		above = wh_path_dir(b->source);
		name = wh_strdup(wh_path_base(b->source));
		r = from = wh_openat(AT_FDCWD, above, O_RDONLY | O_DIRECTORY, 0);
	}
	if (r >= 0 && fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		r = -errno;
	if (r < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_BUILD, -r, "mount source: open %s in %s", b->subpath ? b->subpath : "/",
				  b->source ? b->source : "the stage");
	r = make_room(g, b->target, S_ISDIR(st.st_mode), &m, err);
	if (r < 0)
		return r;
	if (fstat(m->parent, &was) < 0 || renameat(from, name, m->parent, m->name) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "move what is mounted on %s into the root", b->target);
	if (b->stays) {
		m->home = WH_TAKE_FD(from);
		m->home_name = WH_TAKE_PTR(name);
	}
	return settle(m, &was, err);
}

int wh_guests_bind(struct wh_guests *g, const struct wh_bind *b, struct wh_err **err)
{
	switch (b->kind) {
	case WH_BIND_PATH:
		return move_in(g, b, err);
	case WH_BIND_TMPFS:
		return wh_guests_dir(g, b->target, b->mode ? b->mode & 07777 : 01777, b->uid, b->gid, NULL, err);
	case WH_BIND_DATA:
		return wh_guests_file(g, b->target, b->data, b->data_len, b->mode, b->uid, b->gid, err);
	}
	return wh_err_set(err, "sandbox", WH_ERR_INTERNAL, EINVAL, "a bind of an unknown kind");
}

/* ---------------------------------------------------------------- leaving */

/* What is to outlive the step: the guest itself, wherever it is now; else what the step has put in its place. */
static int go_home(const struct wh_guests *g, struct wh_guest *m)
{
	WH_AUTO_FREE char *elsewhere = NULL;
	struct stat st;

	if (!same_file(m->self, m->parent, m->name)) {
		elsewhere = strayed(g, m);
		if (elsewhere)
			return renameat2(AT_FDCWD, elsewhere, m->home, m->home_name, RENAME_NOREPLACE) < 0 ? -errno : 0;
		if (fstatat(m->parent, m->name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
			return 0; /* removed: the next one begins anew */
	}
	return renameat2(m->parent, m->name, m->home, m->home_name, RENAME_NOREPLACE) < 0 ? -errno : 0;
}

static int empty(int content)
{
	WH_AUTO_FREE char *path = wh_asprintf("/proc/self/fd/%d", content);
	WH_AUTO_FD int fd = wh_openat(AT_FDCWD, path, O_WRONLY | O_TRUNC, 0);

	return fd < 0 ? fd : 0;
}

static int leave(const struct wh_guests *g, struct wh_guest *m)
{
	WH_AUTO_FREE char *elsewhere = NULL;
	struct stat now, st;
	int r = 0, e;

	if (fstat(m->parent, &now) < 0)
		return -errno;
	if (m->mounted) {
		WH_AUTO_FREE char *at = wh_asprintf("/proc/self/fd/%d/%s", m->parent, m->name);

		umount2(at, MNT_DETACH | UMOUNT_NOFOLLOW);
	}
	if (m->home >= 0 && m->self >= 0)
		r = go_home(g, m);
	/* Another process has made itself one meanwhile: that one counts. */
	if (r == -EEXIST || r == -ENOTEMPTY)
		r = 0;
	e = wh_rm_rf(m->parent, m->name);
	r = r < 0 ? r : e;
	elsewhere = strayed(g, m);
	if (elsewhere) {
		e = wh_rm_rf(AT_FDCWD, elsewhere);
		r = r < 0 ? r : e;
	}
	/* A further name that the step gave it leads to nothing of it. */
	if (m->content >= 0 && fstat(m->content, &st) == 0 && st.st_nlink > 0) {
		e = empty(m->content);
		r = r < 0 ? r : e;
	}
	/* With its directory removed it has no place to go back to. */
	if (m->aside && renameat2(g->aside, m->aside, m->parent, m->name, RENAME_NOREPLACE) < 0 && errno != ENOENT)
		r = r < 0 ? r : -errno;
	keep_times(m->parent, &now);
	return r;
}

int wh_guests_leave(struct wh_guests *g, struct wh_err **err)
{
	int r = 0;

	while (g->n) {
		struct wh_guest *m = &g->v[--g->n];
		int e = leave(g, m);

		if (e < 0 && r == 0)
			r = wh_err_sys(err, "sandbox", WH_ERR_ENV, -e, "take the step's %s out of its root", m->name);
		forget(m);
	}
	free(g->v);
	free(g->root_path);
	wh_closep(&g->aside);
	*g = (struct wh_guests){.aside = -1};
	return r;
}
