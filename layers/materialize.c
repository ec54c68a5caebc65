/* SPDX-License-Identifier: Apache-2.0 */
#include "layers/materialize.h"

#include <errno.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <time.h>

struct dir { /* open, from the root down to where the walk is */
	char *path;
	int fd;
	int64_t mtime;
};

struct maker {
	struct wh_tree *tree;
	struct wh_made *made;
	bool links;
	struct dir *stack;
	size_t depth, cap;
	struct wh_err **err;
};

static int failed(struct maker *m, const char *what, const char *path, int r)
{
	return wh_err_sys(m->err, "layers", WH_ERR_ENV, -r, "%s /%s", what, path);
}

static uint64_t hash(const char *s)
{
	uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
	return h;
}

static int set_mtime(int dirfd, const char *name, int64_t mtime)
{
	struct timespec ts[2] = {{.tv_sec = mtime}, {.tv_sec = mtime}};

	return utimensat(dirfd, name, ts, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

int wh_entry_apply(int dirfd, const char *name, const struct wh_entry *e)
{
	WH_AUTO_FD int fd = -1;

	/* Owner before mode before capabilities: each takes away what would come after it. */
	if (fchownat(dirfd, name, e->uid, e->gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (e->type != WH_T_SYMLINK && fchmodat(dirfd, name, e->mode, 0) < 0)
		return -errno;
	if (e->n_xattrs && (e->type == WH_T_FILE || e->type == WH_T_DIR)) {
		fd = wh_openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
		if (fd < 0)
			return fd;
	}
	for (size_t i = 0; fd >= 0 && i < e->n_xattrs; i++) {
		if (fsetxattr(fd, e->xattrs[i].name, e->xattrs[i].value, e->xattrs[i].len, 0) < 0)
			return -errno;
	}
	return set_mtime(dirfd, name, e->mtime);
}

/* A directory gets its time when nothing more is put into it. */
static int leave(struct maker *m)
{
	struct dir *d = &m->stack[m->depth - 1];
	int r = set_mtime(d->fd, ".", d->mtime);

	if (r < 0)
		r = failed(m, "set the time of", d->path, r);
	m->depth--;
	wh_closep(&d->fd);
	free(d->path);
	return r;
}

static int enter(struct maker *m, int fd, const struct wh_entry *e)
{
	struct stat st;

	WH_PUSH(m->stack, m->depth, m->cap) = (struct dir){.path = wh_strdup(e->path), .fd = fd, .mtime = e->mtime};
	if (fstat(fd, &st) < 0)
		return failed(m, "stat", e->path, -errno);
	WH_PUSH(m->made->dirs, m->made->n, m->made->cap) = (struct wh_made_dir){st.st_ino, hash(e->path)};
	return 0;
}

static int copy_file(struct maker *m, int dirfd, const char *name, const struct wh_node_ref *n)
{
	WH_AUTO_FD int from = wh_tree_open_file(m->tree, n, m->err);
	WH_AUTO_FD int to = -1;
	int r;

	if (from < 0)
		return from;
	to = wh_openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	r = to < 0 ? to : wh_copy_fd(from, to, UINT64_MAX);
	return r < 0 ? failed(m, "copy", n->e.path, r) : 0;
}

static int make_device(struct maker *m, int dirfd, const char *name, const struct wh_entry *e)
{
	mode_t type = e->type == WH_T_CHR ? S_IFCHR : S_IFBLK;
	struct wh_entry stand_in = {.type = WH_T_FILE, .mtime = e->mtime};
	WH_AUTO_FD int fd = -1;

	if (mknodat(dirfd, name, type | 0600, makedev(e->major, e->minor)) == 0)
		return wh_entry_apply(dirfd, name, e);
	if (errno != EPERM)
		return -errno;
	m->made->n_devices++;
	fd = wh_openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0);
	return fd < 0 ? fd : wh_entry_apply(dirfd, name, &stand_in);
}

/* The first name of a file with several was made before, unless a higher layer took its place. 1: linked. */
static int try_link(struct maker *m, int dirfd, const char *name, const struct wh_node_ref *n)
{
	struct wh_node_ref first;

	if (!m->links || n->e.type != WH_T_FILE || !n->e.link || wh_path_cmp(n->e.link, n->e.path) >= 0)
		return 0;
	if (wh_tree_lookup(m->tree, n->e.link, &first) < 0 || first.e.type != WH_T_FILE || first.layer != n->layer ||
	    first.e.offset != n->e.offset)
		return 0;
	if (linkat(m->stack[0].fd, n->e.link, dirfd, name, 0) < 0)
		return failed(m, "link", n->e.path, -errno);
	return 1;
}

static int make(void *arg, const struct wh_node_ref *n)
{
	struct maker *m = arg;
	const struct wh_entry *e = &n->e;
	const char *name = wh_path_base(e->path);
	size_t parent_len = name > e->path ? (size_t)(name - e->path) - 1 : 0;
	int r = 0, dirfd, fd;

	/* Leave the directories that are not above this entry. */
	while (m->depth > 1 && r == 0) {
		const struct dir *top = &m->stack[m->depth - 1];

		if (strlen(top->path) == parent_len && strncmp(top->path, e->path, parent_len) == 0)
			break;
		r = leave(m);
	}
	if (r < 0)
		return r;
	dirfd = m->stack[m->depth - 1].fd;
	switch (e->type) {
	case WH_T_DIR:
		if (mkdirat(dirfd, name, 0700) < 0)
			return failed(m, "make", e->path, -errno);
		r = wh_entry_apply(dirfd, name, e);
		if (r < 0)
			break;
		fd = wh_openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		if (fd < 0)
			return failed(m, "open", e->path, fd);
		return enter(m, fd, e);
	case WH_T_FILE:
		r = try_link(m, dirfd, name, n);
		if (r != 0)
			return r < 0 ? r : 0;
		r = copy_file(m, dirfd, name, n);
		if (r < 0)
			return r;
		r = wh_entry_apply(dirfd, name, e);
		break;
	case WH_T_SYMLINK:
		r = symlinkat(e->link, dirfd, name) < 0 ? -errno : wh_entry_apply(dirfd, name, e);
		break;
	case WH_T_FIFO:
		r = mknodat(dirfd, name, S_IFIFO | 0600, 0) < 0 ? -errno : wh_entry_apply(dirfd, name, e);
		break;
	case WH_T_CHR:
	case WH_T_BLK:
		r = make_device(m, dirfd, name, e);
		break;
	case WH_T_HARDLINK:
	case WH_T_WHITEOUT:
		r = -EINVAL; /* a walk shows neither */
		break;
	}
	return r < 0 ? failed(m, "make", e->path, r) : 0;
}

static int by_ino(const void *x, const void *y)
{
	const struct wh_made_dir *a = x, *b = y;

	return (a->ino > b->ino) - (a->ino < b->ino);
}

/* Waits until a change gets a later ctime than all there is (a clock tick, some milliseconds). */
static int barrier(int dirfd, struct timespec *ret)
{
	WH_AUTO_FD int fd = wh_openat(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
	struct stat a, b;

	if (fd < 0 || fstat(fd, &a) < 0)
		return fd < 0 ? fd : -errno;
	/* The root was touched last, so that nothing is younger. Setting its time again makes a new ctime. */
	for (;;) {
		struct timespec ts[2] = {a.st_atim, a.st_mtim}, ms = {.tv_nsec = 1000000};

		nanosleep(&ms, NULL);
		if (futimens(fd, ts) < 0 || fstat(fd, &b) < 0)
			return -errno;
		if (b.st_ctim.tv_sec != a.st_ctim.tv_sec || b.st_ctim.tv_nsec != a.st_ctim.tv_nsec)
			break;
	}
	*ret = a.st_ctim;
	return 0;
}

int wh_materialize(struct wh_tree *t, int dirfd, bool links, struct wh_made *ret, struct wh_err **err)
{
	struct wh_made made = {0};
	struct maker m = {.tree = t, .made = &made, .links = links, .err = err};
	struct wh_node_ref root;
	int r = wh_tree_lookup(t, "", &root), fd = -1;

	if (r == 0)
		r = wh_entry_apply(dirfd, ".", &root.e);
	if (r == 0)
		r = fd = wh_openat(dirfd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (r < 0)
		return failed(&m, "make", "", r);
	r = enter(&m, fd, &root.e);
	if (r == 0)
		r = wh_tree_walk(t, "", make, &m);
	/* A walk ends with an error text only if it was ours. */
	if (r < 0 && err && !*err)
		failed(&m, "read the layers' tree below", "", r);
	while (m.depth) {
		int r2 = leave(&m);

		r = r < 0 ? r : r2;
	}
	free(m.stack);
	if (r == 0) {
		r = barrier(dirfd, &made.before);
		if (r < 0)
			failed(&m, "stat", "", r);
	}
	if (r < 0) {
		wh_made_release(&made);
		return r;
	}
	qsort(made.dirs, made.n, sizeof(*made.dirs), by_ino);
	*ret = made;
	return 0;
}

static int apply_at(struct maker *m, int dirfd, const char *name, const char *path)
{
	struct wh_node_ref ref;
	int r = wh_tree_lookup(m->tree, path, &ref);

	if (r == 0)
		r = wh_entry_apply(dirfd, name, &ref.e);
	return r < 0 ? failed(m, "make", path, r) : 0;
}

int wh_materialize_dirs(struct wh_tree *t, struct wh_strv *paths, int dirfd, struct wh_err **err)
{
	struct maker m = {.tree = t, .err = err};
	int r = 0;

	for (size_t i = 0, n = paths->n; i < n; i++) {
		for (const char *s = strchr(paths->v[i], '/'); s; s = strchr(s + 1, '/'))
			wh_strv_take(paths, wh_strndup(paths->v[i], (size_t)(s - paths->v[i])));
	}
	/* In this order parents come first; and all are made before any gets its time. */
	wh_strv_sort(paths);
	for (size_t i = 0; i < paths->n; i++) {
		if (mkdirat(dirfd, paths->v[i], 0700) < 0 && errno != EEXIST)
			return failed(&m, "make", paths->v[i], -errno);
	}
	for (size_t i = paths->n; r == 0 && i-- > 0;)
		r = apply_at(&m, dirfd, paths->v[i], paths->v[i]);
	return r == 0 ? apply_at(&m, dirfd, ".", "") : r;
}

void wh_made_release(struct wh_made *m)
{
	free(m->dirs);
	*m = (struct wh_made){0};
}

bool wh_made_untouched(void *arg, const struct stat *st)
{
	const struct wh_made *m = arg;

	if (st->st_ctim.tv_sec != m->before.tv_sec)
		return st->st_ctim.tv_sec < m->before.tv_sec;
	return st->st_ctim.tv_nsec <= m->before.tv_nsec;
}

bool wh_made_in_place(void *arg, const struct stat *st, const char *path)
{
	const struct wh_made *m = arg;
	struct wh_made_dir key = {.ino = st->st_ino};
	const struct wh_made_dir *found = m->n ? bsearch(&key, m->dirs, m->n, sizeof(key), by_ino) : NULL;

	return found && found->path == hash(path);
}
