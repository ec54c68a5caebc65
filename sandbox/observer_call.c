/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What each system call does with its paths. All of a call is read first (memory, /proc links); then the caller is
 * asked for once more, so that nothing of another process with its number is taken for its own; then paths are walked
 * and recorded. A call that the kernel will refuse for what it was given (a bad address, a descriptor that is none)
 * uses nothing.
 */
#include "sandbox/supervisor_table.h"

#include <errno.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>

#define PATHS 2
#define RENAME_SWAPS 2 /* RENAME_EXCHANGE */

bool wh_call_holds(const struct wh_observer *o, const struct wh_call *c)
{
	return ioctl(o->listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &c->id) == 0;
}

static uint64_t hash_of(const char *p)
{
	uint64_t h = 0xcbf29ce484222325;

	for (; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3;
	return h;
}

int wh_call_string(const struct wh_observer *o, struct wh_call *c, uint64_t addr, char p[PATH_MAX])
{
	int r = wh_task_string(o, c->tid, addr, p);

	if (r == 0 && c->n_strings < WH_CALL_STRINGS) {
		c->strings[c->n_strings].addr = addr;
		c->strings[c->n_strings++].hash = hash_of(p);
	}
	return r;
}

bool wh_call_is_same(const struct wh_observer *o, const struct wh_call *c)
{
	char now[PATH_MAX];

	for (unsigned i = 0; i < c->n_strings; i++) {
		int r = wh_task_string(o, c->tid, c->strings[i].addr, now);

		/* Gone, with its caller: nothing comes of the call. */
		if (r != -ESRCH && (r < 0 || hash_of(now) != c->strings[i].hash))
			return false;
	}
	return true;
}

void wh_call_failed(struct wh_observer *o, int r)
{
	switch (r) {
	case -EFAULT:
	case -ENAMETOOLONG:
	case -ESRCH:
	case -ENOENT:
	case -ENOTDIR:
		return;
	default:
		wh_observer_lost(o);
	}
}

/* Always false, for "do not go on". */
static bool failed(struct wh_observer *o, int r)
{
	wh_call_failed(o, r);
	return false;
}

static int dirfd_of(const struct wh_row *row, const struct wh_call *c)
{
	return row->dirfd == WH_NO_ARG ? AT_FDCWD : (int)c->args[row->dirfd];
}

static uint32_t flags_of(const struct wh_row *row, const struct wh_call *c)
{
	return row->flags == WH_NO_ARG ? 0 : (uint32_t)c->args[row->flags];
}

static bool follows(const struct wh_row *row, const struct wh_call *c)
{
	bool set = flags_of(row, c) & row->bit;

	switch (row->follow) {
	case WH_FOLLOW_YES:
		return true;
	case WH_FOLLOW_NO:
		return false;
	case WH_FOLLOW_UNLESS:
		return !set;
	case WH_FOLLOW_IF:
		return set;
	}
	return true;
}

static bool read_at(struct wh_observer *o, struct wh_call *c, int dirfd, uint64_t addr, struct wh_named *n)
{
	int r = wh_call_string(o, c, addr, n->path);

	if (r == 0 && !*n->path)
		return false;
	if (r == 0)
		r = wh_place_start(o, c, dirfd, n->path, &n->start);
	return r == 0 || failed(o, r);
}

int wh_call_walk(struct wh_observer *o, const struct wh_call *c, const struct wh_start *start, const char *path,
		 bool follow, struct wh_found *f)
{
	int r = wh_place_walk(o, c, start, path, follow, f);

	switch (r) {
	case 0:
	case -ENOENT:
	case -EXDEV:  /* the kernel's */
	case -EACCES: /* we may more than the caller does */
	case -ELOOP:
	case -ENAMETOOLONG:
		return r;
	default:
		wh_observer_lost(o);
		return r;
	}
}

static int walk(struct wh_observer *o, const struct wh_call *c, const struct wh_named *n, bool follow,
		struct wh_found *f)
{
	return wh_call_walk(o, c, &n->start, n->path, follow, f);
}

/* caps: what of access modes are asked for. */
static void note(struct wh_observer *o, const struct wh_call *c, int r, unsigned access, unsigned caps,
		 const struct wh_found *f)
{
	if (r == 0 && S_ISLNK(f->st.st_mode))
		access |= WH_ACCESS_LINK;
	if (r != 0 && r != -ENOENT)
		return;
	wh_record(o, c->task->record, access, r != 0, f->path);
	wh_cap_access(o, c, caps, r != 0, f);
}

void wh_call_note(struct wh_observer *o, const struct wh_call *c, int r, unsigned access, const struct wh_found *f)
{
	note(o, c, r, access, access, f);
	if (r == 0)
		wh_cap_call(o, c, &f->st);
	if (access & WH_ACCESS_CHANGE)
		wh_searched_forget(o);
}

/* ---------------------------------------------------------------- the usual */

static void see_descriptor(struct wh_observer *o, const struct wh_call *c, int fd, unsigned access)
{
	char name[32], path[WH_PLACE_MAX], whole[64];
	struct stat st;
	int r;

	if (fd < 0 && fd != AT_FDCWD)
		return;
	snprintf(name, sizeof(name), "fd/%d", fd);
	if (c->need) {
		snprintf(whole, sizeof(whole), "%d/%s", (int)c->tid, fd == AT_FDCWD ? "cwd" : name);
		if (fstatat(o->proc, whole, &st, 0) == 0 && wh_call_holds(o, c))
			wh_cap_call(o, c, &st);
	}
	if (access & WH_ACCESS_CHANGE)
		wh_searched_forget(o);
	r = wh_task_link(o, c->tid, fd == AT_FDCWD ? "cwd" : name, path);
	if (r < 0)
		failed(o, r);
	else if (wh_call_holds(o, c))
		wh_record(o, c->task->record, access, false, path);
}

void wh_see_fd(struct wh_observer *o, const struct wh_row *row, struct wh_call *c)
{
	see_descriptor(o, c, dirfd_of(row, c), row->access);
}

void wh_see_path(struct wh_observer *o, const struct wh_row *row, struct wh_call *c)
{
	WH_AUTO_FOUND struct wh_found f = WH_FOUND_INIT;
	uint64_t addr = c->args[row->path];
	struct wh_named n;
	int r = addr ? wh_call_string(o, c, addr, n.path) : 0;

	if (!addr || (r == 0 && !*n.path)) {
		/* The descriptor itself: it was opened by name, and that was seen. Only a change is news. */
		if (row->access == WH_ACCESS_CHANGE && row->dirfd != WH_NO_ARG)
			see_descriptor(o, c, dirfd_of(row, c), row->access);
		return;
	}
	if (r == 0)
		r = wh_place_start(o, c, dirfd_of(row, c), n.path, &n.start);
	if (r < 0) {
		failed(o, r);
		return;
	}
	if (wh_call_holds(o, c))
		wh_call_note(o, c, walk(o, c, &n, follows(row, c), &f), row->access, &f);
}

/* ---------------------------------------------------------------- open */

static unsigned kinds_of_open(uint64_t flags, bool dir)
{
	unsigned access = flags & O_TRUNC ? WH_ACCESS_WRITE : 0;

	if (flags & O_PATH)
		return WH_ACCESS_READ;
	if ((flags & O_TMPFILE) == O_TMPFILE)
		return WH_ACCESS_WRITE;
	switch (flags & O_ACCMODE) {
	case O_WRONLY:
		return access | WH_ACCESS_WRITE;
	case O_RDWR:
		return access | WH_ACCESS_READ | WH_ACCESS_WRITE;
	default:
		return access | (dir ? WH_ACCESS_LIST : WH_ACCESS_READ);
	}
}

static void opened(struct wh_observer *o, const struct wh_call *c, const struct wh_named *n, uint64_t flags)
{
	WH_AUTO_FOUND struct wh_found f = WH_FOUND_INIT;
	bool makes = (flags & O_CREAT) && !(flags & O_PATH), alone = makes && (flags & O_EXCL);
	bool follow = !(flags & O_NOFOLLOW) && !alone;
	unsigned access;
	int r = walk(o, c, n, follow, &f);

	if (r == -ENOENT) {
		access = makes ? WH_ACCESS_CREATE : kinds_of_open(flags, flags & O_DIRECTORY);
	} else if (r == 0) {
		/* O_EXCL of what is there, and a symlink that is not to be followed, are refused: looks. */
		bool refused = alone || (S_ISLNK(f.st.st_mode) && !(flags & O_PATH));

		access = refused ? WH_ACCESS_STAT : kinds_of_open(flags, S_ISDIR(f.st.st_mode));
	} else {
		if (r == -EXDEV && f.fd >= 0)
			wh_cap_object(o, c, kinds_of_open(flags, false), &f.st);
		return;
	}
	note(o, c, r, access, flags & O_PATH ? 0 : access, &f);
	if (r == 0)
		wh_cap_call(o, c, &f.st);
}

void wh_see_open(struct wh_observer *o, const struct wh_row *row, struct wh_call *c)
{
	struct wh_named n;

	if (read_at(o, c, dirfd_of(row, c), c->args[row->path], &n) && wh_call_holds(o, c))
		opened(o, c, &n, flags_of(row, c));
}

void wh_see_creat(struct wh_observer *o, const struct wh_row *row, struct wh_call *c)
{
	struct wh_named n;

	if (read_at(o, c, dirfd_of(row, c), c->args[row->path], &n) && wh_call_holds(o, c))
		opened(o, c, &n, O_CREAT | O_WRONLY | O_TRUNC);
}

void wh_see_openat2(struct wh_observer *o, const struct wh_row *row, struct wh_call *c)
{
	struct open_how how = {0};
	int dirfd = dirfd_of(row, c), r;
	struct wh_named n;

	if (c->args[3] < sizeof(how))
		return; /* EINVAL */
	r = wh_task_read(o, c->tid, c->args[2], &how, sizeof(how));
	if (r < 0) {
		failed(o, r);
		return;
	}
	if (!read_at(o, c, dirfd, c->args[row->path], &n))
		return;
	if (how.resolve & RESOLVE_IN_ROOT) {
		struct wh_start in;

		/* The directory is "/" for this call. */
		r = wh_place_start(o, c, dirfd, "", &in);
		if (r < 0) {
			failed(o, r);
			return;
		}
		memcpy(n.start.at, in.at, sizeof(in.at));
		memcpy(n.start.root, in.at, sizeof(in.at));
	}
	if (wh_call_holds(o, c))
		opened(o, c, &n, how.flags);
}

/* ---------------------------------------------------------------- what makes names */

void wh_call_made(struct wh_observer *o, const struct wh_call *c, const struct wh_named *n, bool over)
{
	WH_AUTO_FOUND struct wh_found f = WH_FOUND_INIT;
	int r = walk(o, c, n, false, &f);

	unsigned access = r == 0 && !over ? WH_ACCESS_STAT : WH_ACCESS_CREATE;

	note(o, c, r, access, access, &f);
}

void wh_see_make(struct wh_observer *o, const struct wh_row *row, struct wh_call *c)
{
	struct wh_named n;

	if (read_at(o, c, dirfd_of(row, c), c->args[row->path], &n) && wh_call_holds(o, c))
		wh_call_made(o, c, &n, false);
}

/* (dirfd, path, dirfd, path, flags), or (path, path). */
static bool read_two(struct wh_observer *o, const struct wh_row *row, struct wh_call *c, struct wh_named n[PATHS])
{
	bool at = row->dirfd != WH_NO_ARG;

	return read_at(o, c, at ? (int)c->args[0] : AT_FDCWD, c->args[at ? 1 : 0], &n[0]) &&
	       read_at(o, c, at ? (int)c->args[2] : AT_FDCWD, c->args[at ? 3 : 1], &n[1]) && wh_call_holds(o, c);
}

void wh_see_rename(struct wh_observer *o, const struct wh_row *row, struct wh_call *c)
{
	WH_AUTO_FOUND struct wh_found f = WH_FOUND_INIT;
	bool swap = flags_of(row, c) & RENAME_SWAPS;
	struct wh_named n[PATHS];
	int r;

	if (!read_two(o, row, c, n))
		return;
	c->moves = true;
	r = walk(o, c, &n[0], false, &f);
	wh_call_note(o, c, r, WH_ACCESS_REMOVE | (r == 0 && swap ? WH_ACCESS_CREATE : 0), &f);
	if (r == 0)
		wh_call_made(o, c, &n[1], true);
}

void wh_see_link(struct wh_observer *o, const struct wh_row *row, struct wh_call *c)
{
	WH_AUTO_FOUND struct wh_found f = WH_FOUND_INIT;
	struct wh_named n[PATHS];
	int r;

	if (!read_two(o, row, c, n)) {
		/* linkat(fd, "", …): a name for an open file. */
		if (row->dirfd != WH_NO_ARG && read_at(o, c, (int)c->args[2], c->args[3], &n[1]) && wh_call_holds(o, c))
			wh_call_made(o, c, &n[1], false);
		return;
	}
	r = walk(o, c, &n[0], follows(row, c), &f);
	wh_call_note(o, c, r, WH_ACCESS_READ, &f); /* its content gets another name */
	if (r == 0 || r == -EXDEV)
		wh_call_made(o, c, &n[1], false);
}

/* ---------------------------------------------------------------- roots, remarks */

void wh_see_chroot(struct wh_observer *o, const struct wh_row *row, struct wh_call *c)
{
	WH_AUTO_FOUND struct wh_found f = WH_FOUND_INIT;
	WH_AUTO_FREE char *text = NULL;
	struct wh_named n;
	int r;

	if (!read_at(o, c, AT_FDCWD, c->args[row->path], &n) || !wh_call_holds(o, c))
		return;
	/* From now on each path is asked for its caller's root. */
	o->chrooted = true;
	r = walk(o, c, &n, true, &f);
	wh_call_note(o, c, r, row->access, &f);
	if (r == 0) {
		text = wh_asprintf("chroot %s", f.path);
		wh_remark(o, c->task->record, text);
	}
}

void wh_see_remark(struct wh_observer *o, const struct wh_row *row, struct wh_call *c)
{
	wh_remark(o, c->task->record, row->text);
}

void wh_see_seccomp(struct wh_observer *o, const struct wh_row *row, struct wh_call *c)
{
	if (c->args[0] == SECCOMP_SET_MODE_FILTER && (c->args[1] & SECCOMP_FILTER_FLAG_NEW_LISTENER))
		wh_remark(o, c->task->record, row->text);
}
