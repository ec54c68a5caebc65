/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a directory that a step has changed to the entries of a layer.
 *
 * The rule is the same for both snapshotters, so that they give the same
 * layers: an entry is in the layer if it differs from what the layers below
 * show at its path, or if it is a directory above such an entry. An overlay's
 * upper directory holds more than that: directories and files that were copied
 * up and left as they were, whiteouts of what never was, opaque directories
 * (image-spec layer.md prefers explicit whiteouts, and so do we: what was in
 * the directory is known).
 *
 * An upper directory is corrected to be exactly what the layer says, because
 * it becomes the layer's snapshot, and the same layer may be found on top of
 * others than those it was made on.
 */
#include "layers/diff.h"
#include "layers/normalise.h"

#include <dirent.h>
#include <errno.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <uthash.h>

#define PYCACHE "__pycache__"
#define MAX_PATH 4095U /* nothing on Linux can name more in one piece */
#define OVERLAY_OPAQUE "user.overlay.opaque"
#define OVERLAY_WHITEOUT "user.overlay.whiteout"
#define OVERLAY_REDIRECT "user.overlay.redirect"

struct first_name { /* of an inode with several */
	struct {
		dev_t dev;
		ino_t ino;
	} key;
	char *path;
	UT_hash_handle hh;
};

struct frame { /* a directory on the way from the root to where we are */
	struct frame *up;
	int fd;
	const char *path; /* as entries have it */
	struct wh_entry e;
	struct wh_arena *mem; /* what e points to */
	bool emitted;
	bool has_lower; /* there is a directory below it, which it covers */
	bool whole;     /* what it lacks was removed */
	bool in_place;  /* untouched() may be believed for its children */
	struct old_time {
		char *name;
		int64_t mtime;
	} * times; /* of Python's sources that were visited and have another time now; in the order of names */
	size_t n_times, cap_times;
};

struct diff {
	const struct wh_diff *o;
	struct wh_layer_writer *w;
	struct wh_entry_scratch *scratch;
	struct first_name *links;
};

static int failed(const char *what, const char *path, int r, struct wh_err **err)
{
	return wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "%s /%s", what, path);
}

int wh_whiteout_make(int dirfd, const char *name)
{
	WH_AUTO_FD int fd = -1;

	if (mknodat(dirfd, name, S_IFCHR, 0) == 0)
		return 0;
	if (errno != EPERM)
		return -errno;
	fd = wh_openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return fd;
	return fsetxattr(fd, OVERLAY_WHITEOUT, "y", 1, 0) < 0 ? -errno : 0;
}

bool wh_whiteout_is(int dirfd, const char *name, const struct stat *st)
{
	WH_AUTO_FD int fd = -1;

	if (S_ISCHR(st->st_mode))
		return st->st_rdev == makedev(0, 0);
	if (!S_ISREG(st->st_mode) || st->st_size)
		return false;
	fd = wh_openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	return fd >= 0 && fgetxattr(fd, OVERLAY_WHITEOUT, NULL, 0) >= 0;
}

/* ---------------------------------------------------------------- comparing */

static bool same_xattrs(const struct wh_entry *a, const struct wh_entry *b)
{
	if (a->n_xattrs != b->n_xattrs)
		return false;
	for (size_t i = 0; i < a->n_xattrs; i++) {
		if (strcmp(a->xattrs[i].name, b->xattrs[i].name) != 0 || a->xattrs[i].len != b->xattrs[i].len ||
		    memcmp(a->xattrs[i].value, b->xattrs[i].value, a->xattrs[i].len) != 0)
			return false;
	}
	return true;
}

static int64_t clamp(const struct diff *d, int64_t mtime)
{
	const struct wh_diff *o = d->o;

	/* A machine whose clock is behind the epoch writes its own time, too. */
	return mtime > o->epoch || (o->normal && mtime >= o->from && mtime <= o->to) ? o->epoch : mtime;
}

/* All but content. A time is the same, too, if clamping makes it so. */
static bool same_meta(const struct diff *d, const struct wh_entry *e, const struct wh_entry *was)
{
	if (e->type != was->type || e->mode != was->mode || e->uid != was->uid || e->gid != was->gid ||
	    !same_xattrs(e, was))
		return false;
	if (e->mtime != was->mtime && clamp(d, e->mtime) != was->mtime)
		return false;
	if (e->type == WH_T_SYMLINK)
		return strcmp(e->link, was->link) == 0;
	if (e->type == WH_T_CHR || e->type == WH_T_BLK)
		return e->major == was->major && e->minor == was->minor;
	return e->type != WH_T_FILE || e->size == was->size;
}

static int open_file(int dirfd, const char *name, const char *path, struct wh_err **err)
{
	int fd = wh_openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);

	return fd < 0 ? failed("open", path, fd, err) : fd;
}

/* 1 same, 0 other, -errno. */
static int same_content(int dirfd, const char *name, const char *path, const struct wh_digest *want,
			struct wh_err **err)
{
	WH_AUTO_SHA256 struct wh_sha256 *h = wh_sha256_new();
	WH_AUTO_FREE char *buf = wh_malloc(256U << 10);
	WH_AUTO_FD int fd = open_file(dirfd, name, path, err);
	struct wh_digest got;
	ssize_t n;

	if (fd < 0)
		return fd;
	while ((n = read(fd, buf, 256U << 10)) > 0 || (n < 0 && errno == EINTR)) {
		if (n > 0)
			wh_sha256_add(h, buf, (size_t)n);
	}
	if (n < 0)
		return failed("read", path, -errno, err);
	wh_sha256_end(h, &got);
	return wh_digest_eq(&got, want);
}

/* ---------------------------------------------------------------- writing */

static int add_dir(struct diff *d, const struct wh_entry *e, struct wh_err **err)
{
	struct wh_entry x = *e;

	x.mtime = clamp(d, e->mtime);
	return wh_layer_writer_add(d->w, &x, err);
}

static bool has_suffix(const char *s, const char *suffix)
{
	size_t n = strlen(s), m = strlen(suffix);

	return n >= m && strcmp(s + n - m, suffix) == 0;
}

/*
 * The time in the layer of a file that is not as below (was, NULL: nothing).
 *
 * Python takes bytecode for that of a source which has the time and size that the bytecode tells. A source that is changed
 * in one step after the other would have the epoch after each, and so the bytecode of the first would pass for that of the
 * second. Hence one that was changed without growing is a second older than it was; what a thousand changes later is
 * of the first time again is beyond any layers that there can be.
 */
#define CHANGES_MAX 1000
static int64_t time_of(const struct diff *d, const char *path, const struct stat *st, const struct wh_entry *was)
{
	int64_t was_written = st->st_mtim.tv_sec, t = clamp(d, was_written);

	if (t == was_written || !was || was->type != WH_T_FILE || !S_ISREG(st->st_mode) || st->st_nlink != 1 ||
	    (uint64_t)st->st_size != was->size || !has_suffix(path, ".py"))
		return t;
	return was->mtime <= t && was->mtime > t - CHANGES_MAX ? was->mtime - 1 : t;
}

/* Directories above what is to be written come first. The root is in a layer only if it changed itself. */
static int flush_dirs(struct diff *d, struct frame *f, struct wh_err **err)
{
	int r;

	if (!f->up || f->emitted)
		return 0;
	r = flush_dirs(d, f->up, err);
	if (r == 0)
		r = add_dir(d, &f->e, err);
	f->emitted = true;
	return r;
}

static int emit(struct diff *d, struct frame *parent, const struct wh_entry *e, struct wh_err **err)
{
	int r = flush_dirs(d, parent, err);

	return r == 0 ? wh_layer_writer_add(d->w, e, err) : r;
}

static int emit_file(struct diff *d, struct frame *f, const char *name, const struct wh_entry *e, struct wh_err **err)
{
	WH_AUTO_FD int fd = open_file(f->fd, name, e->path, err);
	int r = fd < 0 ? fd : emit(d, f, e, err);

	return r == 0 ? wh_layer_writer_fd(d->w, fd, e->path, err) : r;
}

static int set_time(int dirfd, const char *name, int64_t t)
{
	struct timespec ts[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = t}};

	return utimensat(dirfd, name, ts, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* The time in the directory becomes the layer's, t. */
static int cut_time(const struct diff *d, struct frame *f, const char *name, const struct stat *st, int64_t t,
		    const char *path, struct wh_err **err)
{
	int r;

	if (d->o->whole || (!st->st_mtim.tv_nsec && st->st_mtim.tv_sec == t))
		return 0;
	r = set_time(f->fd, name, t);
	return r < 0 ? failed("set the time of", path, r, err) : 0;
}

/* Something is in the upper directory that the layer does not have. */
static int drop(const struct diff *d, struct frame *f, const char *name, const char *path, int flags,
		struct wh_err **err)
{
	if (d->o->whole || unlinkat(f->fd, name, flags) == 0 || errno == ENOENT)
		return 0;
	return failed("clean up", path, -errno, err);
}

/* What was below name is not there any more. present: there is something in its place that is no part of a layer. */
static int removed(struct diff *d, struct frame *f, const char *name, const char *path, bool present, bool is_whiteout,
		   struct wh_err **err)
{
	int r = 0;

	if (present && !is_whiteout)
		r = drop(d, f, name, path, 0, err);
	if (r == 0 && !d->o->whole && !is_whiteout) {
		r = wh_whiteout_make(f->fd, name);
		if (r < 0)
			r = failed("make a whiteout for", path, r, err);
	}
	return r == 0 ? emit(d, f, &(struct wh_entry){.path = path, .type = WH_T_WHITEOUT}, err) : r;
}

/* ---------------------------------------------------------------- one name */

static struct first_name *first_name(const struct diff *d, const struct stat *st)
{
	struct first_name *l, key = {0};

	key.key.dev = st->st_dev;
	key.key.ino = st->st_ino;
	HASH_FIND(hh, d->links, &key.key, sizeof(key.key), l);
	return l;
}

/* A file with several names: the first is the file, the others link to it. All of them are in the layer if one is: the
 * layer below may not know them as one. */
static int linked_file(struct diff *d, struct frame *f, const char *name, const struct stat *st, struct wh_entry *e,
		       struct wh_err **err)
{
	struct first_name *l = first_name(d, st), key = {0};

	if (l) {
		e->type = WH_T_HARDLINK;
		e->link = l->path;
		e->n_xattrs = 0;
		return emit(d, f, e, err);
	}
	key.key.dev = st->st_dev;
	key.key.ino = st->st_ino;
	l = wh_memdup(&key, sizeof(key));
	l->path = wh_strdup(e->path);
	HASH_ADD(hh, d->links, key, sizeof(l->key), l);
	return e->type == WH_T_FILE ? emit_file(d, f, name, e, err) : emit(d, f, e, err);
}

/* The plain-copy root holds an empty file where a device is that could not be made. */
static bool stands_for_device(const struct wh_entry *e, const struct wh_entry *was)
{
	return (was->type == WH_T_CHR || was->type == WH_T_BLK) && e->type == WH_T_FILE && !e->size && !e->mode &&
	       e->mtime == was->mtime;
}

/* 1 if it is what the layers below show, 0 if not, -errno. */
static int as_below(const struct diff *d, const struct frame *f, const char *name, const struct stat *st,
		    const struct wh_entry *e, const struct wh_node_ref *was, struct wh_err **err)
{
	/* More names than one: the step made them, as no root for a step begins with any that could be changed. */
	if (!was || st->st_nlink != 1 || !same_meta(d, e, &was->e))
		return 0;
	if (e->type != WH_T_FILE || (d->o->whole && f->in_place && d->o->untouched(d->o->arg, st)))
		return 1;
	return same_content(f->fd, name, e->path, &was->e.digest, err);
}

/* ---- what --reproducible does to a file that the step changed ---- */

/* Bytecode that comes later in the order of names knows its source by the time that it had. */
static void keep_time(const struct diff *d, struct frame *f, const char *name, const struct stat *st)
{
	if (d->o->normal && !d->o->whole && has_suffix(name, ".py") &&
	    clamp(d, st->st_mtim.tv_sec) != st->st_mtim.tv_sec)
		WH_PUSH(f->times, f->n_times, f->cap_times) = (struct old_time){wh_strdup(name), st->st_mtim.tv_sec};
}

static int by_name(const void *key, const void *x)
{
	return strcmp(key, ((const struct old_time *)x)->name);
}

static void forget_times(struct frame *f)
{
	for (size_t i = 0; i < f->n_times; i++)
		free(f->times[i].name);
	free(f->times);
}

/* Is the source of a bytecode file as below, and so keeps its time? */
static int keeps_time(const struct diff *d, int dirfd, const char *name, const struct stat *st,
		      const struct wh_entry *was, struct wh_err **err)
{
	int64_t t = st->st_mtim.tv_sec;

	if ((t != was->mtime && clamp(d, t) != was->mtime) || (uint64_t)st->st_size != was->size ||
	    (st->st_mode & 07777) != was->mode || st->st_uid != was->uid || st->st_gid != was->gid)
		return 0;
	return same_content(dirfd, name, was->path, &was->digest, err);
}

/* 1 found, 0 not, -errno. */
static int find_source(const struct diff *d, const struct frame *f, const char *name, struct wh_pyc_source *ret,
		       struct wh_err **err)
{
	bool in_cache = f->up && strcmp(wh_path_base(f->path), PYCACHE) == 0;
	const struct frame *dir = in_cache ? f->up : f;
	WH_AUTO_FREE char *source = wh_pyc_source(name, in_cache), *path = NULL;
	const struct old_time *old = NULL;
	struct wh_node_ref was;
	bool below;
	struct stat st;
	int r;

	if (!source)
		return 0;
	if (dir->n_times)
		old = bsearch(source, dir->times, dir->n_times, sizeof(*old), by_name);
	path = *dir->path ? wh_asprintf("%s/%s", dir->path, source) : wh_strdup(source);
	below = dir->has_lower && wh_tree_lookup(d->o->tree, path, &was) == 0 && was.e.type == WH_T_FILE;
	if (fstatat(dir->fd, source, &st, AT_SYMLINK_NOFOLLOW) == 0) {
		if (!S_ISREG(st.st_mode) || (!d->o->whole && wh_whiteout_is(dir->fd, source, &st)))
			return 0;
		*ret = (struct wh_pyc_source){old ? old->mtime : st.st_mtim.tv_sec, st.st_mtim.tv_sec,
					      (uint64_t)st.st_size};
		if (old) /* it has its time already */
			return 1;
		ret->becomes = time_of(d, path, &st, below ? &was.e : NULL);
		r = below && ret->was != ret->becomes ? keeps_time(d, dir->fd, source, &st, &was.e, err) : 0;
		if (r == 1)
			ret->becomes = was.e.mtime;
		return r < 0 ? r : 1;
	}
	/* Names are visited in order: one that was before us and is not here any more was as below, one that is still to
	 * come was removed. */
	if (d->o->whole || !below || (dir->whole && in_cache && strcmp(source, PYCACHE) > 0))
		return 0;
	*ret = (struct wh_pyc_source){old ? old->mtime : was.e.mtime, was.e.mtime, was.e.size};
	return 1;
}

static int normal_pyc(const struct diff *d, const struct frame *f, const char *name, const struct stat *st,
		      const struct wh_entry *e, struct wh_err **err)
{
	WH_AUTO_FD int fd = open_file(f->fd, name, e->path, err);
	unsigned char head[WH_PYC_HEADER];
	struct wh_pyc_source source;
	struct wh_pyc pyc;
	uint32_t t;
	ssize_t n;
	int r;

	if (fd < 0)
		return fd;
	n = pread(fd, head, sizeof(head), 0);
	if (n < 0)
		return failed("read", e->path, -errno, err);
	if (!wh_pyc_read(head, (size_t)n, &pyc))
		return 0;
	r = find_source(d, f, name, &source, err);
	if (r < 0)
		return r;
	t = wh_pyc_time(&pyc, r ? &source : NULL, clamp(d, (int64_t)pyc.mtime));
	r = t == pyc.mtime ? 0 : wh_pyc_write(f->fd, name, st, t);
	return r < 0 ? failed("write", e->path, r, err) : 0;
}

static int64_t clamp_any(void *d, int64_t seconds)
{
	return clamp(d, seconds);
}

static int normal_jks(struct diff *d, const struct frame *f, const char *name, const struct stat *st,
		      const struct wh_entry *e, struct wh_err **err)
{
	WH_AUTO_FD int fd = open_file(f->fd, name, e->path, err);
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	int r;

	if (fd < 0 || e->size > WH_JKS_MAX)
		return fd < 0 ? fd : 0;
	r = wh_read_fd(fd, WH_JKS_MAX, &b);
	if (r < 0)
		return failed("read", e->path, r, err);
	r = wh_jks_times((unsigned char *)b.p, b.n, clamp_any, d) ? wh_normal_write(f->fd, name, st, b.p, b.n) : 0;
	return r < 0 ? failed("write", e->path, r, err) : 0;
}

/* 1: what the step wrote does not count. 0: it is in the layer, with a new stat and entry where the file was changed. */
static int normalise(struct diff *d, const struct frame *f, const char *name, struct stat *st, struct wh_entry *e,
		     const struct wh_node_ref *was, struct wh_err **err)
{
	enum wh_normal action = wh_normal_action(e->path);
	int r = 0;

	if (action == WH_NORMAL_BELOW)
		return !was || was->e.type != WH_T_DIR;
	if (action == WH_NORMAL_NONE || e->type != WH_T_FILE || !e->size)
		return 0;
	if (st->st_nlink > 1 && first_name(d, st)) /* it is in the layer already */
		return 0;
	switch (action) {
	case WH_NORMAL_EMPTY:
		r = wh_normal_truncate(f->fd, name, st);
		if (r < 0)
			failed("empty", e->path, r, err);
		break;
	case WH_NORMAL_JKS:
		r = normal_jks(d, f, name, st, e, err);
		break;
	case WH_NORMAL_PYC:
		r = normal_pyc(d, f, name, st, e, err);
		break;
	case WH_NORMAL_NONE:
	case WH_NORMAL_BELOW:
		break;
	}
	if (r < 0)
		return r;
	if (fstatat(f->fd, name, st, AT_SYMLINK_NOFOLLOW) < 0)
		return failed("stat", e->path, -errno, err);
	r = wh_entry_from_at(f->fd, name, st, e->path, d->scratch, e, err);
	return r < 0 ? r : as_below(d, f, name, st, e, was, err);
}

/* ---- */

static int leaf(struct diff *d, struct frame *f, const char *name, struct stat *st, struct wh_entry *e,
		const struct wh_node_ref *was, struct wh_err **err)
{
	int same, r;

	if (was && d->o->whole && stands_for_device(e, &was->e))
		return 0;
	same = as_below(d, f, name, st, e, was, err);
	if (same == 0 && d->o->normal)
		same = normalise(d, f, name, st, e, was, err);
	if (same < 0)
		return same;
	if (e->type == WH_T_FILE)
		keep_time(d, f, name, st);
	if (same)
		return drop(d, f, name, e->path, 0, err);
	e->mtime = time_of(d, e->path, st, was ? &was->e : NULL);
	if (st->st_nlink > 1)
		r = linked_file(d, f, name, st, e, err);
	else
		r = e->type == WH_T_FILE ? emit_file(d, f, name, e, err) : emit(d, f, e, err);
	return r == 0 ? cut_time(d, f, name, st, e->mtime, e->path, err) : r;
}

static int directory(struct diff *d, struct frame *up, const char *name, const struct stat *st,
		     const struct wh_entry *e, const struct wh_node_ref *was, struct wh_err **err);

/* was: what the layers below have at this path, NULL for nothing. */
static int one_name(struct diff *d, struct frame *f, const char *name, const char *path, const struct wh_node_ref *was,
		    bool present, struct wh_err **err)
{
	struct wh_entry e;
	struct stat st;
	int r;

	if (!present)
		return was ? removed(d, f, name, path, false, false, err) : 0;
	if (fstatat(f->fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return failed("stat", path, -errno, err);
	if ((!d->o->whole || S_ISCHR(st.st_mode)) && wh_whiteout_is(f->fd, name, &st))
		return was ? removed(d, f, name, path, true, true, err) : drop(d, f, name, path, 0, err);
	r = wh_entry_from_at(f->fd, name, &st, path, d->scratch, &e, err);
	if (r == -ENOTSUP) /* a socket: nothing that an image could hold */
		return was ? removed(d, f, name, path, true, false, err) : drop(d, f, name, path, 0, err);
	if (r < 0)
		return r;
	if (e.type == WH_T_DIR && !was && d->o->normal && wh_normal_action(path) == WH_NORMAL_BELOW) {
		r = d->o->whole ? 0 : wh_rm_rf(f->fd, name);
		return r < 0 ? failed("clean up", path, r, err) : 0;
	}
	if (e.type == WH_T_DIR)
		return directory(d, f, name, &st, &e, was, err);
	return leaf(d, f, name, &st, &e, was, err);
}

/* ---------------------------------------------------------------- one directory */

static int upper_names(int fd, const char *path, struct wh_strv *names, struct wh_err **err)
{
	int copy = wh_openat(fd, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *de;
	int r = copy < 0 ? copy : dir ? 0 : -errno;

	while (r == 0) {
		errno = 0;
		de = readdir(dir);
		if (!de) {
			r = -errno;
			break;
		}
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			wh_strv_add(names, de->d_name);
	}
	if (dir)
		closedir(dir);
	else
		wh_closep(&copy);
	wh_strv_sort(names);
	return r < 0 ? failed("read directory", path, r, err) : 0;
}

/* Both lists are sorted; each name of either is visited once, in order. */
static int children(struct diff *d, struct frame *f, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv upper = {0}, lower = {0};
	size_t i = 0, j = 0;
	int r = upper_names(f->fd, f->path, &upper, err);

	if (r == 0 && f->whole && f->has_lower) {
		r = wh_tree_list(d->o->tree, f->path, &lower);
		if (r < 0)
			return failed("list the layers' directory", f->path, r, err);
	}
	while (r == 0 && (i < upper.n || j < lower.n)) {
		int c = i == upper.n ? 1 : j == lower.n ? -1 : strcmp(upper.v[i], lower.v[j]);
		const char *name = c <= 0 ? upper.v[i] : lower.v[j];
		WH_AUTO_FREE char *path = *f->path ? wh_asprintf("%s/%s", f->path, name) : wh_strdup(name);
		struct wh_node_ref was;
		int found = -ENOENT;

		if (strlen(path) > MAX_PATH)
			return failed("path too long:", path, -ENAMETOOLONG, err);
		if (f->has_lower)
			found = wh_tree_lookup(d->o->tree, path, &was);
		if (found < 0 && found != -ENOENT)
			return failed("look up", path, found, err);
		r = one_name(d, f, name, path, found == 0 ? &was : NULL, c <= 0, err);
		i += c <= 0;
		j += c >= 0;
	}
	return r;
}

/* The entry outlives the scratch buffer: children use it, too. */
static void keep_entry(struct frame *f, const struct wh_entry *e)
{
	struct wh_xattr *xs;

	f->e = *e;
	f->e.path = f->path;
	if (!e->n_xattrs)
		return;
	f->mem = wh_arena_new();
	xs = wh_arena_alloc(f->mem, e->n_xattrs * sizeof(*xs));
	for (size_t i = 0; i < e->n_xattrs; i++) {
		xs[i].name = wh_arena_strdup(f->mem, e->xattrs[i].name);
		xs[i].value =
			memcpy(wh_arena_alloc(f->mem, e->xattrs[i].len + 1), e->xattrs[i].value, e->xattrs[i].len);
		xs[i].len = e->xattrs[i].len;
	}
	f->e.xattrs = xs;
}

static int overlay_marks(struct frame *f, struct wh_err **err)
{
	char v[2] = "";
	ssize_t n = fgetxattr(f->fd, OVERLAY_OPAQUE, v, sizeof(v));

	/* It is mounted with redirect_dir=off: a directory from elsewhere would be missing here. */
	if (fgetxattr(f->fd, OVERLAY_REDIRECT, NULL, 0) >= 0)
		return wh_err_set(err, "layers", WH_ERR_INTERNAL, EINVAL, "/%s was redirected by overlay", f->path);
	if (n < 0)
		return 0;
	f->whole |= n == 1 && v[0] == 'y';
	if (n == 1 && v[0] == 'y' && fremovexattr(f->fd, OVERLAY_OPAQUE) < 0)
		return failed("clean up", f->path, -errno, err);
	return 0;
}

static int in_directory(struct diff *d, struct frame *f, const struct wh_node_ref *was, struct wh_err **err)
{
	int r = d->o->whole ? 0 : overlay_marks(f, err);

	if (r == 0 && (!was || !same_meta(d, &f->e, &was->e))) {
		r = f->up ? flush_dirs(d, f->up, err) : 0;
		if (r == 0)
			r = add_dir(d, &f->e, err);
		f->emitted = true;
	}
	return r == 0 ? children(d, f, err) : r;
}

static int directory(struct diff *d, struct frame *up, const char *name, const struct stat *st,
		     const struct wh_entry *e, const struct wh_node_ref *was, struct wh_err **err)
{
	struct frame f = {.up = up, .path = e->path, .whole = up->whole};
	int r;

	f.has_lower = was && was->e.type == WH_T_DIR;
	f.in_place = up->in_place && f.has_lower && d->o->whole && d->o->in_place(d->o->arg, st, e->path);
	keep_entry(&f, e);
	f.fd = wh_openat(up->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	r = f.fd < 0 ? failed("open directory", f.path, f.fd, err) : in_directory(d, &f, was, err);
	if (r == 0 && !f.emitted)
		r = drop(d, up, name, f.path, AT_REMOVEDIR, err);
	else if (r == 0 && !d->o->whole &&
		 set_time(up->fd, name, clamp(d, st->st_mtim.tv_sec)) < 0) /* changed by what was cleaned up in it */
		r = failed("set the time of", f.path, -errno, err);
	wh_closep(&f.fd);
	wh_arena_freep(&f.mem);
	forget_times(&f);
	return r;
}

int wh_diff_run(const struct wh_diff *o, struct wh_layer_writer *w, struct wh_err **err)
{
	struct diff d = {.o = o, .w = w, .scratch = wh_entry_scratch_new()};
	struct frame root = {.fd = o->root_fd, .path = "", .has_lower = true, .whole = o->whole, .in_place = o->whole};
	struct first_name *l, *next;
	struct wh_node_ref was;
	struct wh_entry e;
	struct stat st;
	int r = wh_tree_lookup(o->tree, "", &was);

	if (r < 0)
		r = failed("look up", "", r, err);
	else if (fstat(o->root_fd, &st) < 0)
		r = failed("stat", "", -errno, err);
	else
		r = wh_entry_from_at(o->root_fd, "", &st, "", d.scratch, &e, err);
	if (r == 0) {
		keep_entry(&root, &e);
		r = in_directory(&d, &root, &was, err);
	}
	if (r == 0 && !o->whole && set_time(o->root_fd, ".", clamp(&d, st.st_mtim.tv_sec)) < 0)
		r = failed("set the time of", "", -errno, err);
	HASH_ITER (hh, d.links, l, next) {
		HASH_DEL(d.links, l);
		free(l->path);
		free(l);
	}
	wh_arena_freep(&root.mem);
	forget_times(&root);
	wh_entry_scratch_free(d.scratch);
	return r;
}
