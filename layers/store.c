/* SPDX-License-Identifier: Apache-2.0 */
/* The store's directory: opening, layout, sync points, and mending after a crash of the machine. */
#include "layers/index_private.h"
#include "layers/store_private.h"

#include <dirent.h>
#include <errno.h>
#include <sys/file.h>
#include <time.h>

#define OCI_LAYOUT "{\"imageLayoutVersion\":\"1.0.0\"}"
#define EMPTY_INDEX "{\"manifests\":[],\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"schemaVersion\":2}"

static int open_dir(int at, const char *name, int *ret, struct wh_err **err)
{
	int r = wh_mkdir_p(at, name, 0700);

	if (r == 0)
		r = wh_openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "open the store's %s", name);
	*ret = r;
	return 0;
}

/* Makes a file of the layout unless there is one; a concurrent maker wins. */
static int make_once(struct wh_store *s, const char *name, const char *text, struct wh_err **err)
{
	int r;

	if (faccessat(s->dir_fd, name, F_OK, 0) == 0)
		return 0;
	r = wh_write_file_atomic(s->lease.dir_fd, name, text, strlen(text), 0644, true);
	if (r == 0 && renameat2(s->lease.dir_fd, name, s->dir_fd, name, RENAME_NOREPLACE) < 0 && errno != EEXIST)
		r = -errno;
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "write %s/%s", s->path, name);
	return 0;
}

static int open_dirs(struct wh_store *s, struct wh_err **err)
{
	const struct {
		const char *name;
		int *fd;
	} dirs[] = {
		{"blobs/sha256", &s->blobs_fd}, {"index", &s->index_fd},       {"snapshots", &s->snapshots_fd},
		{"roots", &s->roots_fd},        {"variants", &s->variants_fd}, {"origins", &s->origins_fd},
	};
	int r = wh_mkdir_p(s->dir_fd, "tmp", 0700);

	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "make %s/tmp", s->path);
	for (size_t i = 0; i < WH_ARRAY_SIZE(dirs); i++) {
		r = open_dir(s->dir_fd, dirs[i].name, dirs[i].fd, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int open_gc_lock(struct wh_store *s, struct wh_err **err)
{
	s->gc_fd = wh_openat(s->dir_fd, "gc.lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	return s->gc_fd < 0 ? wh_err_sys(err, "layers", WH_ERR_ENV, -s->gc_fd, "open %s/gc.lock", s->path) : 0;
}

/* Calls fn for each name in the directory; stops at the first failure. */
static int each_name(int dirfd, int (*fn)(struct wh_store *s, int dirfd, const char *name, const struct stat *st),
		     struct wh_store *s, const struct timespec *since)
{
	int fd = wh_openat(dirfd, ".", O_RDONLY | O_DIRECTORY, 0), r = 0;
	const struct dirent *de;
	DIR *d;

	if (fd < 0)
		return fd;
	d = fdopendir(fd);
	if (!d) {
		r = -errno;
		close(fd);
		return r;
	}
	while (r == 0 && (de = readdir(d))) {
		struct stat st;

		if (de->d_name[0] == '.' || fstatat(dirfd, de->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		/* ctime: renames set it, and nobody can set it back. One second for coarse clocks. */
		if (st.st_ctim.tv_sec + 1 >= since->tv_sec)
			r = fn(s, dirfd, de->d_name, &st);
	}
	closedir(d);
	return r;
}

static int recover_blob(struct wh_store *s, int dirfd, const char *name, const struct stat *st)
{
	WH_AUTO_SHA256 struct wh_sha256 *h = wh_sha256_new();
	struct wh_digest want, got;
	WH_AUTO_FD int fd = -1;
	char chunk[65536];
	ssize_t n;

	(void)s;
	(void)st;
	if (wh_digest_parse_hex(name, &want)) {
		fd = wh_openat(dirfd, name, O_RDONLY | O_NOFOLLOW, 0);
		if (fd < 0)
			return fd;
		while ((n = read(fd, chunk, sizeof(chunk))) > 0)
			wh_sha256_add(h, chunk, (size_t)n);
		wh_sha256_end(h, &got);
		if (n == 0 && wh_digest_eq(&want, &got))
			return 0;
	}
	return unlinkat(dirfd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int recover_index(struct wh_store *s, int dirfd, const char *name, const struct stat *st)
{
	struct wh_index *x = NULL;
	struct wh_digest d;

	(void)st;
	if (wh_digest_parse_hex(name, &d) && wh_index_open_diff(s, &d, &x, NULL) == 0) {
		wh_index_close(x);
		return 0;
	}
	return unlinkat(dirfd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

static int recover_variant(struct wh_store *s, int dirfd, const char *name, const struct stat *st)
{
	(void)s;
	(void)st;
	return unlinkat(dirfd, name, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* A tree cannot be checked cheaply, but it can be made again. It goes with our lease. */
static int recover_tree(struct wh_store *s, int dirfd, const char *name, const struct stat *st)
{
	WH_AUTO_FREE char *aside = wh_temp_name("old-");

	(void)st;
	return renameat(dirfd, name, s->lease.dir_fd, aside) < 0 && errno != ENOENT ? -errno : 0;
}

/* What was fetched: it can be fetched again. */
static int recover_sources(struct wh_store *s, const struct timespec *since)
{
	static const struct {
		const char *dir;
		int (*fn)(struct wh_store *s, int dirfd, const char *name, const struct stat *st);
	} table[] = {{"sources/files", recover_blob}, {"sources/trees", recover_tree}, {"sources/git", recover_tree}};
	int r = 0;

	for (size_t i = 0; i < WH_ARRAY_SIZE(table) && r == 0; i++) {
		WH_AUTO_FD int fd = wh_openat(s->dir_fd, table[i].dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);

		r = fd >= 0 ? each_name(fd, table[i].fn, s, since) : fd == -ENOENT ? 0 : fd;
	}
	return r;
}

/* The machine went down while things were in the store that no sync point had covered: look at all that is as young as
 * that, and drop what is not what its name says. */
static int recover(void *arg, const struct timespec *since)
{
	struct wh_store *s = arg;
	int r = each_name(s->blobs_fd, recover_blob, s, since);

	if (r == 0)
		r = each_name(s->index_fd, recover_index, s, since);
	if (r == 0)
		r = each_name(s->variants_fd, recover_variant, s, since);
	if (r == 0)
		r = each_name(s->snapshots_fd, recover_tree, s, since);
	if (r == 0)
		r = each_name(s->roots_fd, recover_tree, s, since);
	if (r == 0)
		r = recover_sources(s, since);
	return r;
}

static void close_fds(struct wh_store *s)
{
	int *fds[] = {&s->dir_fd,   &s->blobs_fd,    &s->index_fd, &s->snapshots_fd,
		      &s->roots_fd, &s->variants_fd, &s->origins_fd, &s->gc_fd};

	for (size_t i = 0; i < WH_ARRAY_SIZE(fds); i++)
		wh_closep(fds[i]);
}

static void store_free(struct wh_store *s)
{
	close_fds(s);
	pthread_mutex_destroy(&s->mutex);
	pthread_mutex_destroy(&s->look_mutex);
	wh_fetcher_release(&s->fetcher);
	free(s->path);
	free(s->tmp_path);
	free(s);
}

static bool is_empty(int dir_fd)
{
	int fd = wh_openat(dir_fd, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *de;
	bool empty = true;

	if (!d) {
		wh_closep(&fd);
		return false;
	}
	while (empty && (de = readdir(d)))
		empty = wh_streq(de->d_name, ".") || wh_streq(de->d_name, "..");
	closedir(d);
	return empty;
}

/* Whoever may rename things in the store decides what later builds run and ship. Asked before anything is written. */
static int check_owner(struct wh_store *s, struct wh_err **err)
{
	struct stat st;
	int r;

	if (fstat(s->dir_fd, &st) < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, errno, "stat the store %s", s->path);
	if (st.st_uid != geteuid()) {
		r = wh_err_set(err, "layers", WH_ERR_ENV, EPERM,
			       "the store %s belongs to user %lu, and this is user %lu", s->path,
			       (unsigned long)st.st_uid, (unsigned long)geteuid());
		wh_err_hint(err, "a store is one user's own: name another directory, or run as its owner (an empty "
				 "directory can be given away with chown)");
		return r;
	}
	if (is_empty(s->dir_fd)) { /* made for us, in the usual way */
		if ((st.st_mode & 07777) != 0700 && fchmod(s->dir_fd, 0700) < 0)
			return wh_err_sys(err, "layers", WH_ERR_ENV, errno, "chmod 700 %s", s->path);
		return 0;
	}
	if (!(st.st_mode & 022))
		return 0;
	r = wh_err_set(err, "layers", WH_ERR_ENV, EPERM, "others may write to the store %s (its mode is %04o)", s->path,
		       (unsigned)(st.st_mode & 07777));
	wh_err_hint(err, "if nobody else can have put anything there: chmod go-w %s; else remove it, a new one is made",
		    s->path);
	return r;
}

/* Without a lease there is nothing to write with: good enough for removing things, and only for that. */
static int take_lease(struct wh_store *s, bool gc, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *why = NULL;
	int r = wh_lease_take(s->dir_fd, &s->lease, &why);

	if (gc && (r == -ENOSPC || r == -EDQUOT)) {
		s->lease.tmp_fd = wh_openat(s->dir_fd, "tmp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		return s->lease.tmp_fd < 0 ? wh_err_sys(err, "layers", WH_ERR_ENV, -s->lease.tmp_fd,
							"open the store's tmp")
					   : 0;
	}
	if (r < 0) {
		wh_err_move(err, &why);
		return r;
	}
	s->tmp_path = wh_asprintf("%s/tmp/%s", s->path, s->lease.id);
	return 0;
}

static int open_at(struct wh_store *s, const char *path, bool gc, struct wh_err **err)
{
	int r = wh_mkdir_p(AT_FDCWD, path, 0700);

	if (r == 0)
		r = s->dir_fd = wh_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	if (r >= 0) {
		s->path = realpath(path, NULL);
		r = s->path ? 0 : -errno;
	}
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "open the store %s", path);
	r = check_owner(s, err);
	if (r == 0)
		r = open_dirs(s, err);
	if (r == 0)
		r = open_gc_lock(s, err);
	if (r == 0)
		r = take_lease(s, gc, err);
	if (r < 0 || !s->lease.id)
		return r;
	r = make_once(s, "oci-layout", OCI_LAYOUT, err);
	if (r == 0)
		r = make_once(s, "index.json", EMPTY_INDEX, err);
	if (r == 0 && !gc)
		r = wh_store_sweep(s, err);
	if (r < 0)
		wh_lease_drop(&s->lease);
	return r;
}

bool wh_store_leavings(const struct wh_store *s)
{
	return wh_lease_leavings(&s->lease);
}

int wh_store_sweep(struct wh_store *s, struct wh_err **err)
{
	int r = wh_lease_sweep(&s->lease, recover, s);

	return r < 0 ? wh_err_sys(err, "layers", WH_ERR_ENV, -r, "check the store %s after a crash", s->path) : 0;
}

static int open_store(const char *path, bool gc, struct wh_store **ret, struct wh_err **err)
{
	struct wh_store *s = wh_calloc(1, sizeof(*s));
	int r;

	s->dir_fd = s->blobs_fd = s->index_fd = s->snapshots_fd = s->roots_fd = s->variants_fd = s->origins_fd = s->gc_fd = -1;
	s->lease = (struct wh_lease){.tmp_fd = -1, .dir_fd = -1, .lock_fd = -1};
	pthread_mutex_init(&s->mutex, NULL);
	pthread_mutex_init(&s->look_mutex, NULL);
	wh_fetcher_init(&s->fetcher);
	r = open_at(s, path, gc, err);
	if (r < 0) {
		store_free(s);
		return r;
	}
	*ret = s;
	return 0;
}

int wh_store_open(const char *path, struct wh_store **ret, struct wh_err **err)
{
	return open_store(path, false, ret, err);
}

bool wh_store_lease_again(struct wh_store *s)
{
	struct wh_lease l;

	if (wh_lease_take(s->dir_fd, &l, NULL) < 0)
		return false;
	wh_lease_forget(&s->lease);
	s->lease = l;
	s->tmp_path = wh_asprintf("%s/tmp/%s", s->path, s->lease.id);
	return true;
}

int wh_store_open_gc(const char *path, struct wh_store **ret, struct wh_err **err)
{
	return open_store(path, true, ret, err);
}

void wh_store_close(struct wh_store *s)
{
	if (!s)
		return;
	(void)wh_store_sync(s, NULL); /* the mark goes with the lease */
	wh_lease_drop(&s->lease);
	store_free(s);
}

void wh_store_forget(struct wh_store *s)
{
	if (!s)
		return;
	wh_lease_forget(&s->lease);
	store_free(s);
}

int wh_store_dirfd(const struct wh_store *s)
{
	return s->dir_fd;
}

const char *wh_store_path(const struct wh_store *s)
{
	return s->path;
}

int wh_store_tmp_dirfd(const struct wh_store *s)
{
	return s->lease.dir_fd;
}

const char *wh_store_tmp_path(const struct wh_store *s)
{
	return s->tmp_path;
}

int wh_store_sync(struct wh_store *s, struct wh_err **err)
{
	bool marked;
	int r = 0;

	pthread_mutex_lock(&s->mutex);
	marked = s->marked;
	s->marked = false; /* what comes during the sync marks again */
	pthread_mutex_unlock(&s->mutex);
	if (!marked)
		return 0;
	if (syncfs(s->dir_fd) < 0)
		r = -errno;
	pthread_mutex_lock(&s->mutex);
	if (r < 0)
		s->marked = true;
	else if (!s->marked)
		wh_lease_unmark(&s->lease);
	pthread_mutex_unlock(&s->mutex);
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "sync the store %s", s->path);
	return 0;
}

int wh_store_lock(struct wh_store *s, const char *name, struct wh_err **err)
{
	WH_AUTO_FREE char *file = wh_asprintf("%s.lock", name);
	WH_AUTO_FD int fd = wh_openat(s->dir_fd, file, O_RDWR | O_CREAT, 0600);
	int r = fd < 0 ? fd : 0;

	while (r == 0 && flock(fd, LOCK_EX) < 0) {
		if (errno != EINTR)
			r = -errno;
	}
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "lock %s/%s", s->path, file);
	return WH_TAKE_FD(fd);
}

/* 0, 1 (there is one already), -errno. */
static int rename_once(struct wh_store *s, const char *name, int dirfd, const char *to, bool replace)
{
	int r = 0;

	/* Under the mutex from the mark to the rename: a sync that runs meanwhile must not take the mark away. */
	pthread_mutex_lock(&s->mutex);
	if (!s->marked)
		r = wh_lease_mark(&s->lease);
	if (r == 0) {
		s->marked = true;
		/* Some file systems lack RENAME_NOREPLACE; replacing a thing by its equal does no harm, and a directory
		 * that is not empty is never replaced. */
		if (renameat2(s->lease.dir_fd, name, dirfd, to, replace ? 0 : RENAME_NOREPLACE) < 0 &&
		    (errno != EINVAL || renameat(s->lease.dir_fd, name, dirfd, to) < 0))
			r = errno == EEXIST || errno == ENOTEMPTY ? 1 : -errno;
	}
	pthread_mutex_unlock(&s->mutex);
	return r;
}

/* Is the mtime of dirfd/name that of its last use? Else it is an image's or a server's, and use.c tells where the use is noted;
 * who publishes such a thing has noted it there before. */
static bool has_own_time(const struct wh_store *s, int dirfd, int at, const char *name)
{
	struct stat st;

	if (dirfd == s->blobs_fd || dirfd == s->index_fd || dirfd == s->variants_fd ||
	    dirfd == s->origins_fd)
		return true;
	if (dirfd == s->snapshots_fd || dirfd == s->roots_fd)
		return false;
	return fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode); /* below sources/ */
}

/* A clock that was set back since the lease began must not make what is new look old. */
static void stamp(const struct wh_store *s, const char *name, int dirfd)
{
	const struct timespec now = wh_store_now(s), ts[2] = {now, now};

	if (has_own_time(s, dirfd, s->lease.dir_fd, name))
		(void)utimensat(s->lease.dir_fd, name, ts, AT_SYMLINK_NOFOLLOW);
}

static bool use_there(struct wh_store *s, int dirfd, const char *name)
{
	return has_own_time(s, dirfd, dirfd, name) ? wh_store_use(s, dirfd, name)
						   : faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int wh_store_publish(struct wh_store *s, const char *name, int dirfd, const char *to, struct wh_err **err)
{
	int r;

	stamp(s, name, dirfd);
	do /* what is there may go before it was noted that we use it */
		r = rename_once(s, name, dirfd, to, false);
	while (r == 1 && !use_there(s, dirfd, to));
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "put %s into the store", to);
	if (r == 0)
		return 0;
	r = wh_rm_rf(s->lease.dir_fd, name);
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "remove %s/%s", s->tmp_path, name);
	return 0;
}

int wh_store_replace(struct wh_store *s, const char *name, int dirfd, const char *to, struct wh_err **err)
{
	int r;

	stamp(s, name, dirfd);
	r = rename_once(s, name, dirfd, to, true);

	if (r > 0) /* a directory that is not empty: none of ours */
		r = -ENOTEMPTY;
	return r < 0 ? wh_err_sys(err, "layers", WH_ERR_ENV, -r, "put %s into the store", to) : 0;
}
