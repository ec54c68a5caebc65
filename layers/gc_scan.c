/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The store as it lies on the disk: what each file belongs to, its blocks, when it was used last.
 *
 * Trees of steps are hostile: any depth, any names. So a walk keeps at most
 * FDS directories open, comes back through "..", and follows nothing.
 */
#include "layers/gc_private.h"

#include <dirent.h>
#include <errno.h>
#include <sys/file.h>
#include <time.h>

#define FDS 100
#define LOGS_MAX 100
#define LOG_AGE (7 * 24 * 3600 * WH_GC_SECOND)
#define PARTIAL_AGE (24 * 3600 * WH_GC_SECOND)

enum form {           /* of names in a place */
	    HEX,      /* of a SHA-256 */
	    HEX_LONG, /* or of a longer sum */
	    HEX_USED, /* or with ".used" behind it */
	    VARIANT,  /* HEX.HEX, HEX.KIND */
	    LOG,      /* of builder/steplog.h */
	    ANY,
};

static const struct {
	const char *path;
	enum form form;
	bool tree, counts;
	enum wh_gc_kind kind;
} places[WH_AT_PLACES] = {
	[WH_AT_BLOBS] = {"blobs/sha256", HEX, false, true, WH_GC_LAYERS},
	[WH_AT_INDEX] = {"index", HEX, false, false, WH_GC_LAYERS},
	[WH_AT_VARIANTS] = {"variants", VARIANT, false, false, WH_GC_LAYERS},
	[WH_AT_ORIGINS] = {"origins", HEX, false, false, WH_GC_IMAGES},
	[WH_AT_SNAPSHOTS] = {"snapshots", HEX, true, true, WH_GC_SNAPSHOTS},
	[WH_AT_ROOTS] = {"roots", HEX_USED, true, true, WH_GC_ROOTS},
	[WH_AT_MOUNTS] = {"caches", HEX, true, true, WH_GC_MOUNTS},
	[WH_AT_MEMOS] = {"memo", HEX, false, true, WH_GC_MEMOS},
	[WH_AT_TREES] = {"sources/trees", HEX, true, true, WH_GC_SOURCES},
	[WH_AT_GIT] = {"sources/git", HEX, true, true, WH_GC_SOURCES},
	[WH_AT_FILES] = {"sources/files", HEX, false, true, WH_GC_SOURCES},
	[WH_AT_HTTP] = {"sources/http", HEX, false, false, WH_GC_SOURCES},
	[WH_AT_SUMS] = {"sources/sums", HEX_LONG, false, false, WH_GC_SOURCES},
	[WH_AT_REFS] = {"sources/refs", HEX, false, false, WH_GC_SOURCES},
	[WH_AT_LOCKS] = {"sources/locks", HEX, false, false, WH_GC_SOURCES},
	[WH_AT_RECORDS] = {"records", HEX, false, true, WH_GC_RECORDS},
	[WH_AT_CLAIMS] = {"claims", HEX, false, false, WH_GC_TEMPORARY},
	[WH_AT_LOGS] = {"logs", LOG, false, true, WH_GC_LOGS},
	[WH_AT_PARTIAL] = {"partial", HEX, false, true, WH_GC_DOWNLOADS},
	[WH_AT_TMP] = {"tmp", ANY, true, true, WH_GC_TEMPORARY},
	[WH_AT_DB] = {"db", ANY, true, false, WH_GC_DB},
	[WH_AT_VOLUMES] = {"volumes", ANY, true, true, WH_GC_VOLUMES},
	[WH_AT_TOP] = {".", ANY, true, false, WH_GC_STORE},
};

const char *wh_gc_place_path(enum wh_gc_place p)
{
	return places[p].path;
}

const char *wh_gc_kind_name(enum wh_gc_kind k)
{
	static const char *const names[WH_GC_KINDS] = {
		[WH_GC_IMAGES] = "images",       [WH_GC_LAYERS] = "layers",         [WH_GC_RECORDS] = "cache records",
		[WH_GC_SNAPSHOTS] = "snapshots", [WH_GC_ROOTS] = "root copies",     [WH_GC_MOUNTS] = "cache mounts",
		[WH_GC_SOURCES] = "sources",     [WH_GC_MEMOS] = "context memos",   [WH_GC_TEMPORARY] = "temporary",
		[WH_GC_LOGS] = "step logs",      [WH_GC_DOWNLOADS] = "downloads",
		[WH_GC_OLD] = "leftovers",       [WH_GC_DB] = "vulnerability data", [WH_GC_VOLUMES] = "volumes", [WH_GC_STORE] = "store",
		[WH_GC_UNKNOWN] = "unknown",
	};

	return names[k];
}

static int64_t ns(const struct timespec *t)
{
	/* What is beyond 1678 to 2262 is as good as its end. */
	if (t->tv_sec > INT64_MAX / WH_GC_SECOND - 1)
		return INT64_MAX;
	if (t->tv_sec < INT64_MIN / WH_GC_SECOND + 1)
		return INT64_MIN;
	return (int64_t)t->tv_sec * WH_GC_SECOND + t->tv_nsec;
}

/* ---------------------------------------------------------------- bytes */

static void add_shared(struct wh_gc *g, struct wh_gc_thing *t, const struct stat *st)
{
	struct wh_gc_inode *i = NULL;

	HASH_FIND(hh, g->inodes, &st->st_ino, sizeof(st->st_ino), i);
	if (!i) {
		i = wh_calloc(1, sizeof(*i));
		i->ino = st->st_ino;
		i->bytes = (uint64_t)st->st_blocks * 512;
		HASH_ADD(hh, g->inodes, ino, sizeof(i->ino), i);
	}
	i->left = ++i->names;
	WH_PUSH(t->shared, t->n_shared, t->cap_shared) = i;
}

static void add_inode(struct wh_gc *g, struct wh_gc_thing *t, const struct stat *st)
{
	if (!S_ISDIR(st->st_mode) && st->st_nlink > 1 && st->st_blocks)
		add_shared(g, t, st);
	else
		t->bytes += (uint64_t)st->st_blocks * 512;
}

struct level {
	int fd; /* -1: so deep that it was closed */
	ino_t ino;
	struct wh_strv dirs; /* below it */
	size_t next;
};

struct walk {
	struct wh_gc *g;
	struct wh_gc_thing *t;
	struct level *v;
	size_t n, cap;
	bool unseen;
};

/* Takes fd. Counts what is in the directory; its own inode was counted where its name stands. */
static void enter(struct walk *w, int fd, ino_t ino)
{
	DIR *d = fdopendir(fcntl(fd, F_DUPFD_CLOEXEC, 3));
	struct level l = {.fd = fd, .ino = ino};
	const struct dirent *e;
	struct stat st;

	if (!d)
		w->unseen = true;
	while (d && (e = readdir(d))) {
		if (wh_streq(e->d_name, ".") || wh_streq(e->d_name, "..") ||
		    fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || st.st_dev != w->g->dev)
			continue;
		add_inode(w->g, w->t, &st);
		if (S_ISDIR(st.st_mode))
			wh_strv_add(&l.dirs, e->d_name);
	}
	if (d)
		closedir(d);
	WH_PUSH(w->v, w->n, w->cap) = l;
	if (w->n > FDS)
		wh_closep(&w->v[w->n - FDS - 1].fd);
}

/* Back to the level above, which may have been closed. False: it is not where it was. */
static bool leave(struct walk *w)
{
	struct level *l = &w->v[w->n - 1], *up = w->n > 1 ? l - 1 : NULL;
	struct stat st;
	bool ok = true;

	if (up && up->fd < 0) {
		up->fd = wh_openat(l->fd, "..", O_RDONLY | O_DIRECTORY, 0);
		ok = up->fd >= 0 && fstat(up->fd, &st) == 0 && st.st_ino == up->ino && st.st_dev == w->g->dev;
	}
	wh_closep(&l->fd);
	wh_strv_release(&l->dirs);
	w->n--;
	return ok;
}

static void walk_tree(struct wh_gc *g, struct wh_gc_thing *t, int dirfd, const char *name, ino_t ino)
{
	struct walk w = {.g = g, .t = t};
	int fd = wh_openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	bool ok = true;

	if (fd >= 0)
		enter(&w, fd, ino);
	else
		w.unseen = fd != -ENOENT;
	while (w.n) {
		struct level *l = &w.v[w.n - 1];
		struct stat st;
		int below;

		if (!ok || l->next == l->dirs.n) {
			ok = leave(&w) && ok;
			continue;
		}
		below = wh_openat(l->fd, l->dirs.v[l->next++], O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		if (below >= 0 && fstat(below, &st) == 0) {
			enter(&w, below, st.st_ino);
		} else {
			w.unseen = w.unseen || below != -ENOENT;
			wh_closep(&below);
		}
	}
	free(w.v);
	if (w.unseen || !ok)
		wh_strv_addf(&g->unseen, "%s/%s", places[t->place].path, name);
}

/* ---------------------------------------------------------------- last use */

static int time_of(int dirfd, const char *name, int64_t *ret)
{
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	*ret = ns(&st.st_mtim);
	return 0;
}

static int used_of_pairs(struct wh_gc *g, const size_t *pairs, size_t n, int64_t *used)
{
	int found = 0;

	for (size_t i = 0; i < n; i++) {
		int64_t u;

		if (time_of(g->s->variants_fd, g->things[pairs[i]]->name, &u) == 0 && ++found && u > *used)
			*used = u;
	}
	return found;
}

int wh_gc_used(struct wh_gc *g, const struct wh_gc_thing *t, int64_t *ret)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", places[t->place].path, t->name);
	WH_AUTO_FREE char *mark = NULL;
	const struct wh_gc_diff *d = t->diff == WH_GC_NONE ? NULL : g->diff_at[t->diff];
	struct stat st;

	if (fstatat(g->s->dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	*ret = t->place == WH_AT_FILES ? ns(&st.st_atim) : ns(&st.st_mtim);
	if (t->place == WH_AT_BLOBS)
		used_of_pairs(g, t->pairs, t->n_pairs, ret);
	if (t->place != WH_AT_SNAPSHOTS && t->place != WH_AT_ROOTS && t->place != WH_AT_MOUNTS)
		return 0;
	/* Their own mtime is an image's or a step's. Without a mark: when they came. */
	*ret = INT64_MIN;
	if (t->place == WH_AT_SNAPSHOTS) {
		if (!d || !d->n_pairs)
			*ret = ns(&st.st_ctim);
		else if (!used_of_pairs(g, d->pairs, d->n_pairs, ret)) /* they went before it */
			*ret = t->used;
		return 0;
	}
	mark = wh_asprintf(t->place == WH_AT_ROOTS && S_ISDIR(st.st_mode) ? "%s.used" : "%s", path);
	if (t->place == WH_AT_MOUNTS) {
		free(mark);
		mark = wh_asprintf("%s/id", path);
	}
	if (time_of(g->s->dir_fd, mark, ret) < 0)
		*ret = ns(&st.st_ctim);
	return 0;
}

bool wh_gc_mount_busy(int dirfd, const char *name, int **fds, size_t *n)
{
	WH_AUTO_FREE char *path = wh_asprintf("caches/%s", name);
	int fd = wh_openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *e;
	size_t cap = *n;
	bool busy = false;

	if (!d) {
		wh_closep(&fd);
		return false;
	}
	while (!busy && (e = readdir(d))) {
		int lock;

		if (!wh_has_prefix(e->d_name, "lock"))
			continue;
		lock = wh_openat(fd, e->d_name, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
		if (lock < 0)
			continue;
		busy = flock(lock, LOCK_EX | LOCK_NB) < 0;
		WH_PUSH(*fds, *n, cap) = lock;
	}
	closedir(d);
	return busy;
}

/* ---------------------------------------------------------------- names */

static bool is_hex(const char *s, size_t n)
{
	return strspn(s, "0123456789abcdef") >= n;
}

static bool fits(enum form f, const char *name)
{
	size_t n = strlen(name);

	switch (f) {
	case HEX:
		return n == 64 && is_hex(name, n);
	case HEX_LONG:
		return (n == 64 || n == 96 || n == 128) && is_hex(name, n);
	case HEX_USED:
		return (n == 64 && is_hex(name, n)) || (n == 69 && is_hex(name, 64) && wh_has_suffix(name, ".used"));
	case VARIANT:
		return n > 65 && is_hex(name, 64) && name[64] == '.' && !strchr(name + 65, '.');
	case LOG:
		return wh_has_suffix(name, ".log") && name[0] != '.';
	case ANY:
		return true;
	}
	return false;
}

/* wh_write_file_atomic(), killed. */
static bool is_temporary(const char *name)
{
	return wh_has_prefix(name, ".tmp-") && strlen(name) == 21 && is_hex(name + 5, 16);
}

/* The kind of what stands in the store's own directory, and UNKNOWN. */
static enum wh_gc_kind top_kind(const char *name)
{
	static const char *const own[] = {
		"oci-layout", "index.json", "blobs",    "index",        "variants",     "origins",      "snapshots",
		"roots",      "caches",     "memo",     "sources",      "records",      "claims",
		"tmp",        "db",         "cache.db", "cache.db-wal", "cache.db-shm", "cache.db-journal",
		"cache.lock", "index.lock", "gc.lock",  "lock",         "logs",         "partial",      "volumes",
		NULL,
	};

	for (size_t i = 0; own[i]; i++)
		if (wh_streq(name, own[i]))
			return WH_GC_STORE;
	if (wh_streq(name, "cache.db.damaged"))
		return WH_GC_OLD;
	return is_temporary(name) ? WH_GC_TEMPORARY : WH_GC_UNKNOWN;
}

/* ---------------------------------------------------------------- things */

static struct wh_gc_thing *add_thing(struct wh_gc *g, enum wh_gc_place p, enum wh_gc_kind kind, const char *name)
{
	struct wh_gc_thing *t = wh_calloc(1, sizeof(*t));

	t->place = p;
	t->kind = kind;
	t->name = wh_strdup(name);
	t->diff = t->blob = t->unit = WH_GC_NONE;
	t->fixed = kind == WH_GC_UNKNOWN || kind == WH_GC_DB || kind == WH_GC_VOLUMES || kind == WH_GC_STORE;
	t->counts = places[p].counts || t->kind == WH_GC_UNKNOWN || t->kind == WH_GC_OLD;
	WH_PUSH(g->things, g->n, g->cap) = t;
	return t;
}

struct wh_gc_thing *wh_gc_blob(const struct wh_gc *g, const struct wh_digest *d)
{
	struct wh_gc_thing *t = NULL;

	HASH_FIND(hh, g->blobs, d, sizeof(*d), t);
	return t;
}

static void scan_entry(struct wh_gc *g, enum wh_gc_place p, int dirfd, const char *name)
{
	enum wh_gc_kind kind = places[p].kind;
	struct wh_gc_thing *t;
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (p == WH_AT_TOP)
		kind = top_kind(name);
	else if (is_temporary(name) && p != WH_AT_TMP && p != WH_AT_DB && p != WH_AT_VOLUMES)
		kind = WH_GC_TEMPORARY;
	else if (!fits(places[p].form, name) ||
		 (st.st_mode & S_IFMT) != (places[p].tree && !wh_has_suffix(name, ".used") ? S_IFDIR : S_IFREG))
		kind = places[p].form == ANY ? kind : WH_GC_UNKNOWN;
	t = add_thing(g, p, kind, name);
	if (p == WH_AT_ROOTS && wh_has_suffix(name, ".used"))
		t->counts = false;
	add_inode(g, t, &st);
	if (S_ISDIR(st.st_mode) && st.st_dev == g->dev)
		walk_tree(g, t, dirfd, name, st.st_ino);
	if (kind == WH_GC_UNKNOWN)
		wh_strv_addf(&g->unknown, "%s%s%s", p == WH_AT_TOP ? "" : places[p].path, p == WH_AT_TOP ? "" : "/",
			     name);
	if (wh_gc_used(g, t, &t->used) < 0)
		t->used = ns(&st.st_mtim);
	t->busy = !t->fixed && wh_gc_busy(g, t);
	if (p == WH_AT_BLOBS && wh_digest_parse_hex(name, &t->digest))
		HASH_ADD(hh, g->blobs, digest, sizeof(t->digest), t);
}

typedef void (*entry_fn)(struct wh_gc *g, enum wh_gc_place p, int dirfd, const char *name);

static int each_entry(struct wh_gc *g, enum wh_gc_place p, entry_fn fn, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	int fd = wh_openat(g->s->dir_fd, places[p].path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	const struct dirent *e;
	DIR *d;

	if (fd == -ENOENT)
		return 0;
	d = fd >= 0 ? fdopendir(fd) : NULL;
	if (!d) {
		wh_closep(&fd);
		return wh_err_sys(err, "layers", WH_ERR_ENV, errno, "read %s/%s", g->s->path, places[p].path);
	}
	while ((e = readdir(d)))
		if (!wh_streq(e->d_name, ".") && !wh_streq(e->d_name, ".."))
			wh_strv_add(&names, e->d_name);
	/* The order of the file system's is no order: what goes first must not depend on it. */
	wh_strv_sort(&names);
	for (size_t i = 0; i < names.n; i++)
		fn(g, p, fd, names.v[i]);
	closedir(d);
	return 0;
}

/* ---------------------------------------------------------------- the store's own */

static bool is_place(const char *path)
{
	for (size_t p = 0; p < WH_AT_TOP; p++)
		if (wh_streq(places[p].path, path))
			return true;
	return false;
}

static void count_own(struct wh_gc_count *c, int dirfd, const char *path)
{
	struct stat st;

	if (fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) == 0)
		c->bytes += (int64_t)st.st_blocks * 512;
}

void wh_gc_measure_store(struct wh_gc *g, struct wh_gc_count *ret)
{
	static const char *const files[] = {
		"oci-layout",          "index.json", "cache.db",   "cache.db-wal", "cache.db-shm",
		"cache.db-journal",    "cache.lock", "index.lock", "gc.lock",      "lock",
		"sources/known_hosts", "memo/lock",  "blobs",      "sources",      ".",
	};
	struct wh_gc_count c = {0};

	for (size_t i = 0; i < WH_ARRAY_SIZE(files); i++)
		count_own(&c, g->s->dir_fd, files[i]);
	for (size_t p = 0; p < WH_AT_TOP; p++)
		count_own(&c, g->s->dir_fd, places[p].path);
	*ret = c;
}

/* blobs/ and sources/ hold places, and nothing else but ssh's list of hosts. */
static void scan_between(struct wh_gc *g, enum wh_gc_place p, int dirfd, const char *name, const char *above)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", above, name);
	struct wh_gc_thing *t;
	struct stat st;

	if (is_place(path) || wh_streq(path, "sources/known_hosts") ||
	    fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	t = add_thing(g, p, is_temporary(name) ? WH_GC_TEMPORARY : WH_GC_UNKNOWN, path);
	t->used = ns(&st.st_mtim);
	add_inode(g, t, &st);
	if (S_ISDIR(st.st_mode) && st.st_dev == g->dev)
		walk_tree(g, t, dirfd, path, st.st_ino);
	if (t->kind == WH_GC_UNKNOWN)
		wh_strv_add(&g->unknown, path);
}

static void scan_top(struct wh_gc *g, enum wh_gc_place p, int dirfd, const char *name)
{
	WH_AUTO_FD int fd = -1;
	const struct dirent *e;
	DIR *d;

	if (top_kind(name) != WH_GC_STORE) {
		scan_entry(g, p, dirfd, name);
		return;
	}
	if (!wh_streq(name, "blobs") && !wh_streq(name, "sources"))
		return;
	fd = wh_openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	d = fd >= 0 ? fdopendir(fcntl(fd, F_DUPFD_CLOEXEC, 3)) : NULL;
	while (d && (e = readdir(d)))
		if (!wh_streq(e->d_name, ".") && !wh_streq(e->d_name, ".."))
			scan_between(g, p, dirfd, e->d_name, name);
	if (d)
		closedir(d);
}

static void scan_place(struct wh_gc *g, enum wh_gc_place p, int dirfd, const char *name)
{
	if (p == WH_AT_MEMOS && wh_streq(name, "lock"))
		return;
	if (p == WH_AT_TMP && wh_streq(name, g->s->lease.id))
		return;
	scan_entry(g, p, dirfd, name);
}

static int newest_first(const void *a, const void *b)
{
	const struct wh_gc_thing *x = *(struct wh_gc_thing *const *)a, *y = *(struct wh_gc_thing *const *)b;

	return x->used != y->used ? (x->used < y->used ? 1 : -1) : strcmp(y->name, x->name);
}

static void judge_logs(struct wh_gc *g)
{
	WH_AUTO_FREE struct wh_gc_thing **logs = wh_calloc(g->n + 1, sizeof(struct wh_gc_thing *));
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++)
		if (g->things[i]->kind == WH_GC_LOGS)
			logs[n++] = g->things[i];
	qsort(logs, n, sizeof(*logs), newest_first);
	for (size_t i = 0; i < n; i++)
		logs[i]->surplus = i >= LOGS_MAX || logs[i]->used < g->now - LOG_AGE;
}

static void judge_downloads(struct wh_gc *g)
{
	for (size_t i = 0; i < g->n; i++) {
		struct wh_gc_thing *t = g->things[i];
		struct wh_digest d;

		if (t->kind == WH_GC_DOWNLOADS)
			t->surplus = t->used < g->now - PARTIAL_AGE ||
				     (wh_digest_parse_hex(t->name, &d) && wh_gc_blob(g, &d));
	}
}

int wh_gc_scan(struct wh_gc *g, struct wh_err **err)
{
	struct timespec now;
	struct stat st;
	int r = 0;

	if (fstat(g->s->dir_fd, &st) < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, errno, "stat the store %s", g->s->path);
	g->dev = st.st_dev;
	clock_gettime(CLOCK_REALTIME, &now);
	g->now = ns(&now);
	for (size_t p = 0; p < WH_AT_TOP && r == 0; p++)
		r = each_entry(g, (enum wh_gc_place)p, scan_place, err);
	if (r == 0)
		r = each_entry(g, WH_AT_TOP, scan_top, err);
	judge_logs(g);
	judge_downloads(g);
	wh_gc_measure_store(g, &g->store);
	return r < 0 ? r : wh_gc_mark(g, err);
}
