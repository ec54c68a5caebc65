/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing what goes, beside processes that use the store.
 *
 * Three locks: ROOT itself (one gc at a time), ROOT/lock (builds of versions
 * that note no uses hold it shared: then nothing is removed), and
 * ROOT/gc.lock, exclusively and for moments: with it held, a thing's last use is
 * looked at once more, and if it still goes, it is renamed into our lease. From
 * there it is removed at leisure. A kill at any moment leaves a lease that the
 * next sweep empties.
 *
 * What is spared: everything used since the oldest lease began that was alive
 * when this gc began, or is alive now. (What a build asked for before it gave
 * a name to it and ended is covered by the first half, what one asked for that
 * came later by our own beginning.)
 *
 * First what is named elsewhere, then what it names: records before blobs, index.json before blobs. A record without its
 * blob is no hit, a blob that nobody needs is found by the next gc.
 */
#include "layers/gc_private.h"
#include "layers/image_private.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/file.h>
#include <time.h>

#define BATCH 64
#define BATCH_NS INT64_C(5000000)
#define WAIT_STEP_NS 500000
#define WAIT_MAX_NS (10 * WH_GC_SECOND)

static int64_t ns(const struct timespec *t)
{
	return (int64_t)t->tv_sec * WH_GC_SECOND + t->tv_nsec;
}

/* For locks that others hold for moments, unless they are stopped. 0, -EWOULDBLOCK after ten seconds, -errno. */
static int lock_patiently(int fd)
{
	uint64_t from = wh_now_ns();
	struct timespec step = {.tv_nsec = WAIT_STEP_NS};

	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (wh_now_ns() - from > (uint64_t)WAIT_MAX_NS)
			return -EWOULDBLOCK;
		nanosleep(&step, NULL);
	}
	return 0;
}

/* ---------------------------------------------------------------- leases */

static bool lease_lives(int tmp_fd, const char *id, int64_t *began)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/lock", id);
	WH_AUTO_FD int fd = wh_openat(tmp_fd, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK)
		return false;
	*began = ns(&st.st_mtim);
	return true;
}

int wh_gc_look_at_leases(struct wh_gc *g, struct wh_gc_lives *ret)
{
	/* Held shared by who makes a lease, from its directory to its lock. */
	WH_AUTO_FD int gate = wh_openat(g->s->lease.tmp_fd, ".", O_RDONLY | O_DIRECTORY, 0);
	struct wh_gc_lives l = {.oldest = INT64_MAX, .newest = INT64_MIN};
	int r = gate < 0 ? gate : lock_patiently(gate);
	const struct dirent *e;
	int64_t began;
	DIR *d;

	if (r < 0)
		return r;
	d = fdopendir(fcntl(gate, F_DUPFD_CLOEXEC, 3));
	if (!d)
		return -errno;
	while ((e = readdir(d))) {
		if (e->d_name[0] == '.' || wh_streq(e->d_name, g->s->lease.id) ||
		    !lease_lives(g->s->lease.tmp_fd, e->d_name, &began))
			continue;
		l.n++;
		l.oldest = began < l.oldest ? began : l.oldest;
		l.newest = began > l.newest ? began : l.newest;
	}
	closedir(d);
	*ret = l;
	return 0;
}

bool wh_gc_busy(struct wh_gc *g, const struct wh_gc_thing *t)
{
	int64_t began;

	/* The locks of other places are tried when these go, with gc.lock held: a trial in between could send a build
	 * away. */
	return t->place == WH_AT_TMP && lease_lives(g->s->lease.tmp_fd, t->name, &began);
}

/* ---------------------------------------------------------------- opening */

static int only_one(struct wh_gc *g, struct wh_err **err)
{
	const struct wh_store *s = g->s;
	int r;

	r = g->one_fd = wh_openat(s->dir_fd, ".", O_RDONLY | O_DIRECTORY, 0);
	while (r >= 0 && flock(g->one_fd, LOCK_EX) < 0)
		if (errno != EINTR)
			r = -errno;
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "lock the store %s", s->path);
	g->old_fd = wh_openat(s->dir_fd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	if (g->old_fd == -ENOSPC || g->old_fd == -EDQUOT) /* there was none, so nobody holds it */
		return 0;
	if (g->old_fd < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -g->old_fd, "open %s/lock", s->path);
	if (flock(g->old_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno != EWOULDBLOCK)
		return wh_err_sys(err, "layers", WH_ERR_ENV, errno, "lock %s/lock", s->path);
	r = wh_err_set(err, "layers", WH_ERR_ENV, EBUSY,
		       "a build by an older version of whittle runs in the store %s, which does not tell what it uses",
		       s->path);
	wh_err_hint(err, "when it has ended, try again");
	return r;
}

int wh_gc_open(const char *path, bool change, struct wh_gc **ret, struct wh_err **err)
{
	struct wh_gc *g = wh_calloc(1, sizeof(*g));
	int r;

	g->one_fd = g->old_fd = -1;
	g->change = change;
	r = wh_store_open_gc(path, &g->s, err);
	if (r == 0 && change)
		r = only_one(g, err);
	if (r < 0) {
		wh_gc_free(g);
		return r;
	}
	*ret = g;
	return 0;
}

static void free_things(struct wh_gc *g)
{
	struct wh_gc_inode *in, *next;

	HASH_CLEAR(hh, g->blobs);
	HASH_ITER (hh, g->inodes, in, next) {
		HASH_DEL(g->inodes, in);
		free(in);
	}
	for (size_t i = 0; i < g->n; i++) {
		struct wh_gc_thing *t = g->things[i];

		free(t->name);
		free(t->shared);
		free(t->pairs);
		free(t->of);
		free(t);
	}
	HASH_CLEAR(hh, g->diffs);
	for (size_t i = 0; i < g->n_diffs; i++) {
		free(g->diff_at[i]->pairs);
		free(g->diff_at[i]->variants);
		free(g->diff_at[i]);
	}
	free(g->things);
	free(g->diff_at);
}

void wh_gc_free(struct wh_gc *g)
{
	if (!g)
		return;
	free_things(g);
	for (size_t i = 0; i < g->n_units; i++)
		wh_gc_unit_free(&g->units[i]);
	free(g->units);
	wh_strv_release(&g->unknown);
	wh_strv_release(&g->unseen);
	wh_store_close(g->s);
	wh_closep(&g->old_fd);
	wh_closep(&g->one_fd);
	free(g);
}

struct wh_store *wh_gc_store(struct wh_gc *g)
{
	return g->s;
}

const struct wh_strv *wh_gc_unknown(const struct wh_gc *g)
{
	return &g->unknown;
}

const struct wh_strv *wh_gc_unseen(const struct wh_gc *g)
{
	return &g->unseen;
}

int wh_gc_begin(struct wh_gc *g, struct wh_err **err)
{
	struct timespec now = wh_store_now(g->s);
	int r;

	g->began = ns(g->s->lease.id ? &g->s->lease.began : &now);
	r = wh_gc_look_at_leases(g, &g->lives);
	return r < 0 ? wh_err_sys(err, "layers", WH_ERR_ENV, -r, "look at the leases in %s/tmp", g->s->path) : 0;
}

/* ---------------------------------------------------------------- the last look */

/* Between lock and unlock everybody waits for us: so we are not to be stopped meanwhile. */
struct held {
	sigset_t before;
	struct wh_gc_lives lives;
};

static int hold(struct wh_gc *g, struct held *h, struct wh_err **err)
{
	sigset_t stop;
	int r;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	sigprocmask(SIG_BLOCK, &stop, &h->before);
	r = lock_patiently(g->s->gc_fd);
	if (r == 0) {
		r = wh_gc_look_at_leases(g, &h->lives);
		if (r < 0)
			(void)flock(g->s->gc_fd, LOCK_UN);
	}
	if (r == 0)
		return 0;
	sigprocmask(SIG_SETMASK, &h->before, NULL);
	if (r == -EWOULDBLOCK) {
		r = wh_err_set(err, "layers", WH_ERR_ENV, EBUSY,
			       "a process holds %s/gc.lock and does not let go: it seems to be stopped", g->s->path);
		wh_err_hint(err, "let it go on or end it, then try again: what was not removed yet is as it was");
		return r;
	}
	return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "lock %s/gc.lock", g->s->path);
}

static void let_go(struct wh_gc *g, const struct held *h)
{
	(void)flock(g->s->gc_fd, LOCK_UN);
	sigprocmask(SIG_SETMASK, &h->before, NULL);
}

/* Was it used since it was scanned? Then *used is told anew. */
static bool changed(struct wh_gc *g, struct wh_gc_thing *t)
{
	int64_t used;

	if (wh_gc_used(g, t, &used) < 0 || used == t->used)
		return false;
	t->used = used;
	t->future = false;
	return true;
}

/* Records have no time of their own on disk: their blobs tell. Decides anew as long as that changes anything. */
static int look_at_records(struct wh_gc *g, struct wh_err **err)
{
	struct wh_gc_policy p = g->policy;
	bool again = false;
	struct held h;
	int r;

	for (size_t i = 0; i < g->n_units;) {
		r = hold(g, &h, err);
		if (r < 0)
			return r;
		for (size_t n = 0; i < g->n_units && n < BATCH; i++) {
			struct wh_gc_unit *u = &g->units[i];

			if (!u->goes || u->type == WH_UNIT_THING)
				continue;
			n++;
			for (size_t k = 0; k < u->n_blobs; k++) {
				struct wh_gc_thing *b = g->things[u->blobs[k]];

				if (!changed(g, b))
					continue;
				again = true;
				u->used = b->used > u->used ? b->used : u->used;
			}
		}
		let_go(g, &h);
	}
	if (again)
		wh_gc_decide(g, &p);
	return 0;
}

/* ---------------------------------------------------------------- removing */

struct pile { /* names in our lease: out of the store, still on disk */
	char *v[BATCH];
	size_t n;
};

static void clear_pile(struct wh_gc *g, struct pile *p)
{
	for (size_t i = 0; i < p->n; i++) {
		(void)wh_rm_rf(g->s->lease.dir_fd, p->v[i]);
		free(p->v[i]);
	}
	p->n = 0;
}

static bool is_tree(const struct wh_gc *g, const char *path)
{
	struct stat st;

	return fstatat(g->s->dir_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static bool take_away(struct wh_gc *g, const char *path, struct pile *p)
{
	WH_AUTO_FREE char *aside = wh_temp_name("gc-");

	if (g->s->lease.id && renameat(g->s->dir_fd, path, g->s->lease.dir_fd, aside) == 0) {
		p->v[p->n++] = WH_TAKE_PTR(aside);
		return true;
	}
	/* A disk that is full may have no room for a name. */
	return !is_tree(g, path) && unlinkat(g->s->dir_fd, path, 0) == 0;
}

/* The file, locked, if nobody holds it. Whoever holds one whose name is gone tries again. */
static int lock_file(struct wh_gc *g, const char *path)
{
	WH_AUTO_FD int fd = wh_openat(g->s->dir_fd, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0);
	struct stat held, named;

	if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &held) < 0 ||
	    fstatat(g->s->dir_fd, path, &named, AT_SYMLINK_NOFOLLOW) < 0 || held.st_ino != named.st_ino)
		return -1;
	return WH_TAKE_FD(fd);
}

/* Lock files go by their own rule. */
static bool take_lock_file(struct wh_gc *g, const char *path)
{
	WH_AUTO_FD int fd = lock_file(g, path);

	return fd >= 0 && unlinkat(g->s->dir_fd, path, 0) == 0;
}

/* A download that nobody goes on with. */
static bool take_partial(struct wh_gc *g, const char *path, struct pile *p)
{
	WH_AUTO_FD int fd = lock_file(g, path);

	return fd >= 0 && take_away(g, path, p);
}

static bool take_mount(struct wh_gc *g, const struct wh_gc_thing *t, const char *path, struct pile *p)
{
	int *fds = NULL;
	size_t n = 0;
	bool ok = !wh_gc_mount_busy(g->s->dir_fd, t->name, &fds, &n) && take_away(g, path, p);

	while (n)
		close(fds[--n]);
	free(fds);
	return ok;
}

/* A blob that stays after all keeps what is known of it. */
static void spare(struct wh_gc *g, struct wh_gc_thing *t)
{
	t->goes = false;
	for (size_t i = 0; i < t->n_pairs; i++) {
		struct wh_gc_thing *pair = g->things[t->pairs[i]];
		const struct wh_gc_diff *d = g->diff_at[pair->diff];

		pair->goes = false;
		if (d->index != WH_GC_NONE)
			g->things[d->index]->goes = false;
	}
}

/* With gc.lock held. */
static void last_look(struct wh_gc *g, struct wh_gc_thing *t, const struct wh_gc_lives *lives, struct pile *p)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", wh_gc_place_path(t->place), t->name);
	bool locks = t->place == WH_AT_LOCKS || t->place == WH_AT_CLAIMS;
	bool ok;

	if (!locks && (changed(g, t) || wh_gc_protected(g, lives, t->used, t->future))) {
		spare(g, t);
		return;
	}
	if (locks)
		ok = take_lock_file(g, path);
	else if (t->place == WH_AT_MOUNTS && t->kind == WH_GC_MOUNTS)
		ok = take_mount(g, t, path, p);
	else if (t->kind == WH_GC_DOWNLOADS)
		ok = take_partial(g, path, p);
	else
		ok = take_away(g, path, p);
	if (!ok)
		return;
	t->gone = true;
	wh_gc_account(g, t);
}

static bool is_ours_to_take(const struct wh_gc *g, const struct wh_gc_thing *t, bool trees)
{
	WH_AUTO_FREE char *path = NULL;

	/* Records were forgotten by whoever keeps their index; dead leases are swept. */
	if (!t->goes || t->gone || t->place == WH_AT_TMP || (t->place == WH_AT_RECORDS && t->kind == WH_GC_RECORDS))
		return false;
	path = wh_asprintf("%s/%s", wh_gc_place_path(t->place), t->name);
	return is_tree(g, path) == trees;
}

static int remove_things(struct wh_gc *g, bool trees, struct wh_err **err)
{
	struct pile p = {.n = 0};
	size_t i = 0;

	while (i < g->n) {
		uint64_t from = wh_now_ns();
		struct held h;
		int r;

		while (i < g->n && !is_ours_to_take(g, g->things[i], trees))
			i++;
		if (i == g->n)
			break;
		r = hold(g, &h, err);
		if (r < 0)
			return r;
		for (size_t n = 0; i < g->n && n < BATCH && wh_now_ns() - from < (uint64_t)BATCH_NS; i++) {
			if (!is_ours_to_take(g, g->things[i], trees))
				continue;
			last_look(g, g->things[i], &h.lives, &p);
			n++;
		}
		let_go(g, &h);
		clear_pile(g, &p);
	}
	return 0;
}

/* ---------------------------------------------------------------- names */

static bool goes_from_index(struct wh_gc *g, const json_t *entry)
{
	const char *text = wh_json_str(entry, "digest");
	struct wh_digest d;

	if (!text || !wh_digest_parse(text, &d))
		return false;
	for (size_t i = 0; i < g->n_units; i++)
		if (g->units[i].type == WH_UNIT_ARTIFACT && g->units[i].goes && wh_digest_eq(&g->units[i].digest, &d))
			return true;
	return false;
}

/* Artifacts of images that go. When somebody holds the list they keep their place until the next time. */
static int forget_artifacts(struct wh_gc *g, struct wh_err **err)
{
	WH_AUTO_FD int lock = -1;
	WH_AUTO_JSON json_t *ms = NULL;
	bool any = false;
	int r;

	for (size_t i = 0; i < g->n_units && !any; i++)
		any = g->units[i].type == WH_UNIT_ARTIFACT && g->units[i].goes;
	if (!any || !g->s->lease.id)
		return 0;
	lock = wh_openat(g->s->dir_fd, "index.lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
	r = lock < 0 ? lock : lock_patiently(lock);
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "lock %s/index.lock", g->s->path);
	r = wh_store_names(g->s, &ms, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < json_array_size(ms);) {
		if (goes_from_index(g, json_array_get(ms, i)))
			json_array_remove(ms, i);
		else
			i++;
	}
	return wh_store_names_write(g->s, ms, err);
}

/* The index could not be written: its artifacts stay. */
static void keep_artifacts(struct wh_gc *g)
{
	for (size_t i = 0; i < g->n_units; i++) {
		const struct wh_gc_unit *u = &g->units[i];

		for (size_t k = 0; u->type == WH_UNIT_ARTIFACT && k < u->n_blobs; k++)
			spare(g, g->things[u->blobs[k]]);
	}
}

/* ---------------------------------------------------------------- all of it */

static int forget_records(struct wh_gc *g, wh_gc_forget_fn forget, void *arg, struct wh_err **err)
{
	struct wh_digest *keys = wh_calloc(g->n_units + 1, sizeof(*keys));
	size_t n = 0;
	int r;

	for (size_t i = 0; i < g->n_units; i++)
		if (g->units[i].type == WH_UNIT_RECORD && g->units[i].goes)
			keys[n++] = g->units[i].digest;
	r = n ? forget(arg, keys, n, err) : 0;
	free(keys);
	return r;
}

/* What others removed for us. */
static void account_gone(struct wh_gc *g, enum wh_gc_place place)
{
	for (size_t i = 0; i < g->n; i++) {
		struct wh_gc_thing *t = g->things[i];
		WH_AUTO_FREE char *path = wh_asprintf("%s/%s", wh_gc_place_path(t->place), t->name);

		if (t->place != place || !t->goes || t->gone ||
		    faccessat(g->s->dir_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			continue;
		t->gone = true;
		wh_gc_account(g, t);
	}
}

/* What has a time that has not come yet would never age. Nobody lives who set it. */
static void restamp(struct wh_gc *g, const struct wh_gc_thing *t)
{
	const struct timespec now = wh_store_now(g->s), omit = {.tv_nsec = UTIME_OMIT};
	const struct timespec both[2] = {now, t->place == WH_AT_FILES ? omit : now};
	WH_AUTO_FREE char *path =
		wh_asprintf("%s/%s%s", wh_gc_place_path(t->place), t->name, t->place == WH_AT_MOUNTS ? "/id" : "");

	if (t->place == WH_AT_SNAPSHOTS || t->place == WH_AT_TMP || t->place == WH_AT_RECORDS ||
	    (t->place == WH_AT_ROOTS && !wh_has_suffix(t->name, ".used")))
		return;
	(void)utimensat(g->s->dir_fd, path, both, AT_SYMLINK_NOFOLLOW);
}

static int restamp_future(struct wh_gc *g, struct wh_err **err)
{
	struct held h;
	bool any = false;
	int r;

	for (size_t i = 0; i < g->n && !any; i++)
		any = g->things[i]->future && !g->things[i]->gone && !g->things[i]->fixed;
	if (!any)
		return 0;
	r = hold(g, &h, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < g->n && !h.lives.n; i++)
		if (g->things[i]->future && !g->things[i]->gone && !g->things[i]->fixed)
			restamp(g, g->things[i]);
	let_go(g, &h);
	return 0;
}

static void begin_account(struct wh_gc *g)
{
	struct wh_gc_inode *in, *next;

	memset(&g->goes, 0, sizeof(g->goes));
	HASH_ITER (hh, g->inodes, in, next)
		in->left = in->names;
	g->ran = true;
}

int wh_gc_run(struct wh_gc *g, wh_gc_forget_fn forget, void *arg, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *first = NULL;
	WH_AUTO_ERR struct wh_err *names = NULL;
	int r = look_at_records(g, err), rf, rn;

	if (r < 0)
		return r;
	begin_account(g);
	rn = forget_artifacts(g, &names);
	if (rn < 0)
		keep_artifacts(g);
	rf = forget_records(g, forget, arg, &first);
	r = remove_things(g, false, err);
	if (r < 0)
		return r;
	if (!g->s->lease.id) /* there may be room now */
		(void)wh_store_lease_again(g->s);
	r = remove_things(g, true, err);
	if (r == 0)
		r = restamp_future(g, err);
	if (r < 0)
		return r;
	if (g->s->lease.id)
		r = wh_store_sweep(g->s, err);
	if (r < 0)
		return r;
	account_gone(g, WH_AT_TMP);
	/* The first time there may have been no room to write in. */
	if (rf < 0) {
		wh_err_freep(&first);
		rf = forget_records(g, forget, arg, &first);
	}
	account_gone(g, WH_AT_RECORDS);
	if (rf < 0)
		wh_err_move(err, &first);
	else if (rn < 0)
		wh_err_move(err, &names);
	return rf < 0 ? rf : rn;
}

void wh_gc_settle(struct wh_gc *g)
{
	struct wh_gc_count now;

	wh_gc_measure_store(g, &now);
	g->goes.kinds[WH_GC_STORE].bytes += g->store.bytes - now.bytes;
	g->goes.all.bytes += g->store.bytes - now.bytes;
}
