/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking for what the store has, so that no gc takes it away.
 *
 * The last use of a thing is a time in the file system: of itself where its
 * time means nothing else, of a mark beside it where it is an image's data.
 *
 *   blobs, variants, pairs, memos     mtime
 *   snapshots/HEX, index/HEX          mtime of the layer's pairs (variants/HEX.BLOBHEX): whoever uses them asks for a pair
 *   roots/HEX                         mtime of roots/HEX.used
 *   caches/HEX                        mtime of caches/HEX/id
 *   sources/trees/KEY, sources/git/…  mtime of the directory
 *   sources/files/HEX                 atime, for the mtime is the server's
 *
 * Who asks sets it to the later of now and the beginning of his own lease.
 * The gc spares what is not older than the oldest living lease; hence
 * what a process asked for stays until it ends, whatever the clock does.
 *
 * A look and its touch are one for the gc: it removes nothing while somebody
 * holds ROOT/gc.lock shared. These locks last for microseconds; nobody waits
 * for anything else while he holds one.
 */
#include "layers/store_private.h"

#include <errno.h>
#include <sys/file.h>
#include <time.h>

static void lock(const struct wh_store *s, int op)
{
	/* A file system without such locks has no leases either: such a store was refused when it was opened. */
	while (flock(s->gc_fd, op) < 0 && errno == EINTR)
		;
}

/* One lock for all threads: the first one takes it, the last one lets go. */
void wh_store_look(struct wh_store *s)
{
	pthread_mutex_lock(&s->look_mutex);
	if (s->lookers++ == 0)
		lock(s, LOCK_SH);
	pthread_mutex_unlock(&s->look_mutex);
}

void wh_store_seen(struct wh_store *s)
{
	pthread_mutex_lock(&s->look_mutex);
	if (--s->lookers == 0)
		lock(s, LOCK_UN);
	pthread_mutex_unlock(&s->look_mutex);
}

bool wh_time_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

struct timespec wh_store_now(const struct wh_store *s)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return wh_time_before(&now, &s->lease.began) ? s->lease.began : now;
}

/* What was asked for since our lease began is ours already: one touch a process is enough. */
static bool look_at(struct wh_store *s, int dirfd, const char *name, bool by_atime)
{
	struct timespec ts[2];
	struct stat st;

	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (!wh_time_before(by_atime ? &st.st_atim : &st.st_mtim, &s->lease.began))
		return true;
	ts[0] = wh_store_now(s);
	ts[1] = by_atime ? (struct timespec){.tv_nsec = UTIME_OMIT} : ts[0];
	(void)utimensat(dirfd, name, ts, AT_SYMLINK_NOFOLLOW);
	return true;
}

bool wh_store_use(struct wh_store *s, int dirfd, const char *name)
{
	bool there;

	wh_store_look(s);
	there = look_at(s, dirfd, name, false);
	wh_store_seen(s);
	return there;
}

bool wh_store_use_by_atime(struct wh_store *s, int dirfd, const char *name)
{
	bool there;

	wh_store_look(s);
	there = look_at(s, dirfd, name, true);
	wh_store_seen(s);
	return there;
}

bool wh_store_use_marked(struct wh_store *s, int dirfd, const char *name, const char *mark)
{
	bool there;

	wh_store_look(s);
	there = faccessat(dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
	if (there)
		wh_store_mark(s, dirfd, mark);
	wh_store_seen(s);
	return there;
}

void wh_store_mark(struct wh_store *s, int dirfd, const char *mark)
{
	WH_AUTO_FD int fd = wh_openat(dirfd, mark, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600);
	const struct timespec now = wh_store_now(s), ts[2] = {now, now};

	if (fd >= 0)
		(void)futimens(fd, ts);
}
