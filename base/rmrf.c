/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Removing a tree that a hostile step may have made: of any depth, with
 * directories that grant nobody anything, with symlinks to elsewhere.
 *
 * A stack of at most DEPTH open directories walks it. What lies deeper is
 * first moved up, next to the entries of the tree's top directory, and is
 * then met there: memory and descriptors stay bounded whatever the depth.
 */
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#define DEPTH 24

struct level {
	DIR *dir;
	char *name;      /* in the level above */
	bool progressed; /* something went since the last rewind */
};

struct walk {
	int dirfd; /* holds the tree; the caller's */
	struct level at[DEPTH];
	unsigned depth;
	int result;
};

static void note(struct walk *w, int r)
{
	if (!w->result)
		w->result = r;
}

/* Gives us back read, write and search on a directory of ours. */
static int unlock(int dirfd, const char *name)
{
	WH_AUTO_FD int fd = wh_openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
	char link[64];

	if (fd < 0)
		return fd;
	/* An O_PATH descriptor cannot be chmod'ed itself, and a name could be exchanged for a symlink meanwhile. */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	return chmod(link, 0700) < 0 ? -EACCES : 0; /* not ENOENT, which means "gone" to the callers */
}

/* The directory, open and ours to empty; never a symlink or (below the top) another mount. fd or -errno. */
static int enter(int dirfd, const char *name, bool top)
{
	struct open_how how = {
		.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
		.resolve = top ? 0 : RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH,
	};
	struct stat st;
	int fd;

	fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
	if (fd < 0 && errno == EACCES) {
		int r = unlock(dirfd, name);

		if (r)
			return r;
		fd = (int)syscall(SYS_openat2, dirfd, name, &how, sizeof(how));
	}
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && (st.st_mode & 0700) != 0700)
		fchmod(fd, 0700);
	return fd;
}

static int push(struct walk *w, int dirfd, const char *name)
{
	struct level *l = &w->at[w->depth];
	int fd = enter(dirfd, name, w->depth == 0);
	DIR *d;

	if (fd < 0)
		return fd;
	d = fdopendir(fd);
	if (!d) {
		int r = -errno;

		close(fd);
		return r;
	}
	*l = (struct level){.dir = d, .name = wh_strdup(name)};
	w->depth++;
	return 0;
}

/* Too deep: the directory becomes an entry of the top one, which is read again later. */
static int move_up(struct walk *w, int from, const char *name)
{
	WH_AUTO_FREE char *temp = wh_temp_name(".rm-");
	int fd = enter(from, name, false); /* a move writes "..", so the directory must be writable too */

	if (fd < 0)
		return fd;
	close(fd);
	if (renameat(from, name, dirfd(w->at[0].dir), temp) < 0)
		return -errno;
	w->at[0].progressed = true;
	return 0;
}

static void remove_entry(struct walk *w, const struct dirent *e)
{
	struct level *l = &w->at[w->depth - 1];
	int fd = dirfd(l->dir), r;

	if (e->d_type != DT_DIR) {
		if (unlinkat(fd, e->d_name, 0) == 0 || errno == ENOENT) {
			l->progressed = true;
			return;
		}
		/* DT_UNKNOWN may be a directory yet. */
		if (errno != EISDIR) {
			note(w, -errno);
			return;
		}
	}
	r = w->depth < DEPTH ? push(w, fd, e->d_name) : move_up(w, fd, e->d_name);
	if (r && r != -ENOENT)
		note(w, r);
}

/* The top of the stack is read to its end: remove it, or read it again where entries came or were passed over. */
static void pop(struct walk *w)
{
	struct level *l = &w->at[w->depth - 1];
	int above = w->depth > 1 ? dirfd(w->at[w->depth - 2].dir) : w->dirfd;

	if (unlinkat(above, l->name, AT_REMOVEDIR) < 0) {
		if ((errno == ENOTEMPTY || errno == EEXIST) && l->progressed) {
			l->progressed = false;
			rewinddir(l->dir);
			return;
		}
		if (errno != ENOENT)
			note(w, -errno);
	} else if (w->depth > 1) {
		w->at[w->depth - 2].progressed = true;
	}
	closedir(l->dir);
	free(l->name);
	w->depth--;
}

int wh_rm_rf(int dirfd, const char *name)
{
	struct walk w = {.dirfd = dirfd};
	const char *last = wh_path_base(name);
	struct dirent *e;
	int r;

	if (!*last || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
		return -EINVAL;
	if (unlinkat(dirfd, name, 0) == 0 || errno == ENOENT)
		return 0;
	/* EPERM is what POSIX lets a directory answer; a real one is told apart by the open. */
	if (errno != EISDIR && errno != EPERM)
		return -errno;
	r = errno == EPERM ? -EPERM : 0;
	if (unlinkat(dirfd, name, AT_REMOVEDIR) == 0)
		return 0;
	if (r && errno == ENOTDIR)
		return r;
	r = push(&w, dirfd, name);
	if (r)
		return r == -ENOENT ? 0 : r;
	while (w.depth) {
		errno = 0;
		e = readdir(w.at[w.depth - 1].dir);
		if (!e) {
			if (errno)
				note(&w, -errno);
			pop(&w);
		} else if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
			remove_entry(&w, e);
		}
	}
	return w.result;
}
