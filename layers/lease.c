/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases: who owns which directory below tmp/.
 *
 *   tmp/ID/           made by one process, ID is random
 *   tmp/ID/lock       held with flock(2) for as long as the process lives; the kernel lets go however it ends. Its mtime
 *                     is when that began
 *   tmp/ID/unsynced   the boot id, while things were renamed into the store that no sync point has covered yet
 *
 * A directory whose lock is free or missing is garbage. The moment between
 * mkdir and flock is covered by a shared flock on tmp/ itself, which a sweeper
 * takes exclusively while it decides.
 */
#include "layers/store_private.h"

#include <dirent.h>
#include <errno.h>
#include <sys/file.h>
#include <time.h>

#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

static int flock_retry(int fd, int op)
{
	while (flock(fd, op) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return 0;
}

/* Of our clock, which is the one that uses are noted by; as the file system keeps it. */
static int note_beginning(int lock, struct timespec *ret)
{
	struct timespec ts[2];
	struct stat st;

	clock_gettime(CLOCK_REALTIME_COARSE, &ts[0]);
	ts[1] = ts[0];
	if (futimens(lock, ts) < 0 || fstat(lock, &st) < 0)
		return -errno;
	*ret = st.st_mtim;
	return 0;
}

static int make_locked_dir(int tmp_fd, const char *id, struct wh_lease *l)
{
	WH_AUTO_FD int dir = -1, lock = -1;
	int r;

	if (mkdirat(tmp_fd, id, 0700) < 0)
		return -errno;
	dir = wh_openat(tmp_fd, id, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (dir < 0)
		return dir;
	lock = wh_openat(dir, "lock", O_RDWR | O_CREAT | O_EXCL, 0600);
	if (lock < 0)
		return lock;
	r = flock_retry(lock, LOCK_EX); /* who looks whether it is free holds it for a moment */
	if (r == 0)
		r = note_beginning(lock, &l->began);
	if (r < 0)
		return r;
	l->dir_fd = WH_TAKE_FD(dir);
	l->lock_fd = WH_TAKE_FD(lock);
	return 0;
}

int wh_lease_take(int store_fd, struct wh_lease *ret, struct wh_err **err)
{
	struct wh_lease l = {.tmp_fd = -1, .dir_fd = -1, .lock_fd = -1};
	WH_AUTO_FREE char *id = NULL;
	WH_AUTO_FD int tmp_fd = -1, gate = -1;
	int r;

	tmp_fd = wh_openat(store_fd, "tmp", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (tmp_fd < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -tmp_fd, "open the store's tmp");
	/* A second description of the directory, so that the flock ends with it. */
	gate = wh_openat(tmp_fd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (gate < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -gate, "open the store's tmp");
	r = flock_retry(gate, LOCK_SH);
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "lock the store's tmp");
	id = wh_temp_name("");
	r = make_locked_dir(tmp_fd, id, &l);
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "make a lease in the store");
	l.tmp_fd = WH_TAKE_FD(tmp_fd);
	l.id = WH_TAKE_PTR(id);
	*ret = l;
	return 0;
}

void wh_lease_forget(struct wh_lease *l)
{
	wh_closep(&l->dir_fd);
	wh_closep(&l->lock_fd);
	wh_closep(&l->tmp_fd);
	free(WH_TAKE_PTR(l->id));
}

void wh_lease_drop(struct wh_lease *l)
{
	/* The lock is held until all is gone. What cannot be removed from here (files of subordinate ids, seen from
	 * outside the user namespace) is left to the next sweep. */
	if (l->id)
		(void)wh_rm_rf(l->tmp_fd, l->id);
	wh_lease_forget(l);
}

static bool boot_id(struct wh_buf *buf)
{
	return wh_read_file(AT_FDCWD, BOOT_ID_FILE, 128, buf) == 0 && buf->n > 0;
}

int wh_lease_mark(const struct wh_lease *l)
{
	WH_AUTO_BUF struct wh_buf id = WH_BUF_INIT;

	/* Without /proc there is no boot id: an empty mark differs from every boot, which errs to the safe side. */
	(void)boot_id(&id);
	return wh_write_file_atomic(l->dir_fd, "unsynced", id.p ? id.p : "", id.n, 0600, false);
}

void wh_lease_unmark(const struct wh_lease *l)
{
	(void)unlinkat(l->dir_fd, "unsynced", 0);
}

struct dead {
	char *name;
	int lock_fd;
};

enum left {
	LEFT_NOTHING,
	LEFT_UNSYNCED, /* the process died, the machine did not: all is still on its way to the disk */
	LEFT_TORN,     /* the machine went down meanwhile */
};

/* Did the process end with things unsynced? Then since gets when it began to be so. */
static enum left left_behind(int dir, struct timespec *since)
{
	WH_AUTO_BUF struct wh_buf then = WH_BUF_INIT, now = WH_BUF_INIT;
	struct stat st;

	if (fstatat(dir, "unsynced", &st, AT_SYMLINK_NOFOLLOW) < 0)
		return LEFT_NOTHING;
	(void)wh_read_regular(dir, "unsynced", 128, &then);
	if (boot_id(&now) && then.n == now.n && memcmp(then.p, now.p, now.n) == 0)
		return LEFT_UNSYNCED;
	*since = st.st_mtim;
	return LEFT_TORN;
}

/* Takes the lock of tmp/name if nobody holds it. */
static bool claim(int tmp_fd, const char *name, struct dead *ret, enum left *ret_left, struct timespec *since)
{
	WH_AUTO_FD int dir = -1, lock = -1;

	dir = wh_openat(tmp_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (dir < 0)
		return false;
	lock = wh_openat(dir, "lock", O_RDWR | O_NOFOLLOW, 0);
	if (lock < 0 && lock != -ENOENT)
		return false;
	if (lock >= 0 && flock_retry(lock, LOCK_EX | LOCK_NB) < 0)
		return false;
	*ret_left = left_behind(dir, since);
	*ret = (struct dead){.name = wh_strdup(name), .lock_fd = WH_TAKE_FD(lock)};
	return true;
}

bool wh_lease_leavings(const struct wh_lease *l)
{
	WH_AUTO_FD int fd = wh_openat(l->tmp_fd, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fcntl(fd, F_DUPFD_CLOEXEC, 0));
	const struct dirent *de;
	bool any = false;

	while (d && !any && (de = readdir(d))) {
		struct dead x = {.lock_fd = -1};
		struct timespec since;
		enum left left;

		if (de->d_name[0] == '.' || wh_streq(de->d_name, l->id) ||
		    !claim(l->tmp_fd, de->d_name, &x, &left, &since))
			continue;
		any = true;
		free(x.name);
		wh_closep(&x.lock_fd);
	}
	if (d)
		closedir(d);
	return any;
}

int wh_lease_sweep(const struct wh_lease *l, int (*recover)(void *arg, const struct timespec *since), void *arg)
{
	WH_AUTO_FD int gate = -1;
	struct dead *v = NULL;
	size_t n = 0, cap = 0;
	const struct dirent *de;
	struct timespec oldest = {0};
	bool torn = false, unsynced = false;
	int r = 0;
	DIR *d;

	/* Who is at it, if anybody, may be mending what we are about to use: waited for. */
	gate = wh_openat(l->tmp_fd, ".", O_RDONLY | O_DIRECTORY, 0);
	if (gate < 0 || (r = flock_retry(gate, LOCK_EX)) < 0)
		return gate < 0 ? gate : r;
	d = fdopendir(fcntl(gate, F_DUPFD_CLOEXEC, 0));
	if (!d)
		return -errno;
	while ((de = readdir(d))) {
		struct dead x = {.lock_fd = -1};
		struct timespec since;
		enum left left = LEFT_NOTHING;

		if (de->d_name[0] == '.' || wh_streq(de->d_name, l->id))
			continue;
		if (!claim(l->tmp_fd, de->d_name, &x, &left, &since))
			continue;
		unsynced = unsynced || left == LEFT_UNSYNCED;
		if (left == LEFT_TORN && (!torn || since.tv_sec < oldest.tv_sec)) {
			oldest = since;
			torn = true;
		}
		WH_PUSH(v, n, cap) = x;
	}
	closedir(d);
	if (torn)
		r = recover(arg, &oldest);
	(void)flock_retry(gate, LOCK_UN);
	/* What a dead process recorded is used from now on, and nobody else will see to it that it gets to the disk. */
	if (r == 0 && unsynced && syncfs(l->tmp_fd) < 0)
		r = -errno;
	/* The marks must outlive what did not work out; and they go first, as some directories cannot from here. */
	for (size_t i = 0; i < n && r == 0; i++) {
		WH_AUTO_FREE char *mark = wh_asprintf("%s/unsynced", v[i].name);

		(void)unlinkat(l->tmp_fd, mark, 0);
		(void)wh_rm_rf(l->tmp_fd, v[i].name);
	}
	for (size_t i = 0; i < n; i++) {
		free(v[i].name);
		wh_closep(&v[i].lock_fd);
	}
	free(v);
	return r;
}
