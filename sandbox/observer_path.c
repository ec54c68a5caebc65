/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A path as the caller means it → what it stands for in the container's root.
 *
 * Two gaits. The fast one asks the kernel for the whole path at once and forbids symlinks: where that succeeds (or
 * fails for want of a part), the path is what it says, and one call has told all. It is tried anew after each symlink.
 * The slow one goes part by part, up to the next symlink. All that is remembered between calls is where symlinks were
 * met, so that the next walk looks there first; what is there, it asks each time.
 */
#include "sandbox/observer.h"

#include <errno.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#define MAX_LINKS 40 /* the kernel's */
#define TRIES 64
#define PROC_DEPTH 16

struct walk {
	struct wh_observer *o;
	const struct wh_call *c;
	const struct wh_start *s;
	struct wh_found *f;
	char *at; /* f->path, without a last slash: "" is "/" */
	size_t n;
	char rest[WH_PLACE_MAX];
	bool follow;
	unsigned links;
};

static int open_at(int dirfd, const char *path, uint64_t how)
{
	struct open_how h = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC, .resolve = RESOLVE_NO_MAGICLINKS | how};
	long fd;

	for (unsigned i = 0;; i++) {
		fd = syscall(SYS_openat2, dirfd, path, &h, sizeof(h));
		if (fd >= 0)
			return (int)fd;
		/* EAGAIN: a rename somewhere raced with a "..". */
		if ((errno != EINTR && errno != EAGAIN) || i == TRIES)
			return -errno;
	}
}

/* ---------------------------------------------------------------- names */

/* Is the walk at the caller's "/"? There ".." leads nowhere. */
static bool at_root(const struct walk *w)
{
	return w->n == 0 || strcmp(w->at, w->s->root) == 0;
}

static int append(struct walk *w, const char *name, size_t n)
{
	if (w->n + 1 + n + 1 > WH_PLACE_MAX)
		return -E2BIG; /* for us, not for the kernel */
	w->at[w->n] = '/';
	memcpy(w->at + w->n + 1, name, n);
	w->n += 1 + n;
	w->at[w->n] = '\0';
	return 0;
}

static void climb(struct walk *w)
{
	if (at_root(w))
		return;
	while (w->at[--w->n] != '/')
		;
	w->at[w->n] = '\0';
}

static void jump(struct walk *w, const char *to)
{
	w->n = strlen(to);
	memcpy(w->at, to, w->n + 1);
}

static bool is_dot(const char *p, size_t n)
{
	return n == 1 && p[0] == '.';
}

static bool is_dotdot(const char *p, size_t n)
{
	return n == 2 && p[0] == '.' && p[1] == '.';
}

static size_t part(const char **p)
{
	*p += strspn(*p, "/");
	return strcspn(*p, "/");
}

static bool climbs(const char *p)
{
	for (size_t n; (n = part(&p)) > 0; p += n)
		if (is_dotdot(p, n))
			return true;
	return false;
}

/* The rest, word for word: right where no part of it is a symlink. dotdot false: ends before the first "..". */
static int append_words(struct walk *w, const char *p, bool dotdot)
{
	int r = 0;

	for (size_t n; r == 0 && (n = part(&p)) > 0; p += n) {
		if (is_dot(p, n))
			continue;
		if (!is_dotdot(p, n))
			r = append(w, p, n);
		else if (dotdot)
			climb(w);
		else
			break;
	}
	return r;
}

/* In the kernel's trees the slow gait is needed: /proc has links that only mean something to the caller. */
static bool leads_to_proc(const char *at)
{
	return strncmp(at, "/proc", 5) == 0 && (at[5] == '/' || !at[5]);
}

/* ---------------------------------------------------------------- symlinks */

/* rest becomes target/more, and the walk stands where the link's directory is, or at the caller's "/". */
static int replace(struct walk *w, const char *target, const char *more)
{
	char all[WH_PLACE_MAX];
	int n = snprintf(all, sizeof(all), "%s%s%s", target, *more ? "/" : "", more);

	if (n < 0 || (size_t)n >= sizeof(all))
		return -E2BIG;
	memcpy(w->rest, all, (size_t)n + 1);
	if (target[0] == '/')
		jump(w, w->s->root);
	return 0;
}

static char **hint(const struct walk *w)
{
	uint32_t h = 0x811c9dc5;

	for (size_t i = 0; i < w->n; i++)
		h = (h ^ (unsigned char)w->at[i]) * 0x01000193;
	return &w->o->links[h % WH_ARRAY_SIZE(w->o->links)];
}

static void remember(struct walk *w)
{
	char **slot = hint(w);

	if (*slot && strcmp(*slot, w->at) == 0)
		return;
	free(*slot);
	*slot = wh_strdup(w->at);
}

/* fd is a symlink whose directory is dir (a length of at) and whose name ends at. */
static int expand(struct walk *w, int fd, size_t dir, const char *more)
{
	char target[PATH_MAX];
	ssize_t n = readlinkat(fd, "", target, sizeof(target));

	if (n < 0)
		return -errno;
	if (n == 0 || n == sizeof(target))
		return -ENAMETOOLONG;
	target[n] = '\0';
	wh_record(w->o, w->c->task->record, WH_ACCESS_LINK, false, w->at);
	wh_cap_search(w->o, w->c, w->at);
	remember(w);
	if (++w->links > MAX_LINKS)
		return -ELOOP;
	w->n = dir;
	w->at[dir] = '\0';
	return replace(w, target, more);
}

/* ---------------------------------------------------------------- /proc */

static bool is_link_name(const char *p, size_t n)
{
	static const char *const names[] = {"exe", "cwd", "root"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == n && memcmp(names[i], p, n) == 0)
			return true;
	return false;
}

static bool all_digits(const char *p, size_t n)
{
	return n > 0 && n < 11 && strspn(p, "0123456789") >= n;
}

/* Another process's link, as the container's own /proc shows it: it knows the numbers that the caller means. */
static int foreign_link(struct walk *w, const char *name, char target[WH_PLACE_MAX])
{
	char path[PATH_MAX];
	WH_AUTO_FD int fd = -1;
	ssize_t n;

	snprintf(path, sizeof(path), "proc/%s", name);
	fd = open_at(w->o->root, path, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
	if (fd < 0)
		return fd;
	n = readlinkat(fd, "", target, WH_PLACE_MAX - 1);
	if (n <= 0)
		return n < 0 && errno == ENAMETOOLONG ? -E2BIG : -ENOENT;
	target[n] = '\0';
	return target[0] == '/' ? 0 : -ENOENT;
}

struct words {
	const char *p[PROC_DEPTH];
	size_t len[PROC_DEPTH], n;
};

static bool push(struct words *s, const char *p, size_t len)
{
	if (s->n == PROC_DEPTH)
		return false;
	s->p[s->n] = p;
	s->len[s->n++] = len;
	return true;
}

static bool is_word(const struct words *s, size_t i, const char *name)
{
	return i < s->n && s->len[i] == strlen(name) && memcmp(s->p[i], name, s->len[i]) == 0;
}

/* The words are PROCESS[/task/N]/(exe|cwd|root|fd/N): whose link, and which. */
static bool is_process_link(const struct words *s, size_t *ret_who, size_t *ret_name)
{
	size_t who = 0, name = 1;

	if (is_word(s, 1, "task")) {
		who = 2;
		name = 3;
	}
	if (s->n <= name ||
	    (!all_digits(s->p[who], s->len[who]) && !is_word(s, who, "self") && !is_word(s, who, "thread-self")))
		return false;
	*ret_who = who;
	*ret_name = name;
	if (is_word(s, name, "fd"))
		return s->n == name + 2 && all_digits(s->p[name + 1], s->len[name + 1]);
	return s->n == name + 1 && is_link_name(s->p[name], s->len[name]);
}

/* The next word. What is a symlink in /proc itself is replaced, so that ".." leads where it does for the kernel. False:
 * too many of them. */
static bool add_word(struct words *s, const char *p, size_t len)
{
	static const char self[] = "self", task[] = "task", thread[] = "thread-self";
	bool ok = true;

	if (s->n == 0 && len == strlen(thread) && memcmp(p, thread, len) == 0)
		ok = push(s, self, strlen(self)) && push(s, task, strlen(task));
	else if (s->n == 0 && len == 3 && memcmp(p, "net", 3) == 0)
		ok = push(s, self, strlen(self));
	return ok && push(s, p, len);
}

/* Something of the caller's own that has no name in the root (a memfd, a file that was removed): the open file is what
 * f tells of then. */
static int nameless(struct walk *w, pid_t tid, const char *link)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%d/%s", (int)tid, link);
	fd = wh_openat(w->o->proc, path, O_PATH, 0);
	if (fd >= 0 && fstat(fd, &w->f->st) == 0)
		w->f->fd = WH_TAKE_FD(fd);
	wh_closep(&fd);
	return -EXDEV;
}

static int process_link(struct walk *w, const struct words *s, size_t who, size_t name, const char *more)
{
	char link[64], target[WH_PLACE_MAX];
	bool fd = is_word(s, name, "fd");
	pid_t tid = is_word(s, who, "self") ? w->c->task->pid : is_word(s, who, "thread-self") ? w->c->tid : 0;
	size_t last = s->n - 1;
	int r;

	if (!*more && !w->follow)
		return -EXDEV;
	snprintf(link, sizeof(link), "%s%.*s", fd ? "fd/" : "", (int)s->len[last], s->p[last]);
	if (tid) {
		r = wh_task_link(w->o, tid, link, target);
	} else {
		char path[128];

		snprintf(path, sizeof(path), "%.*s/%s", (int)s->len[who], s->p[who], link);
		r = foreign_link(w, path, target);
	}
	/* Out of a directory that has no name, ".." may lead to one that has. */
	if (r == -E2BIG || (climbs(more) && (r < 0 || wh_has_suffix(target, " (deleted)"))))
		return -E2BIG;
	if (r < 0)
		return tid && !more[strspn(more, "/")] ? nameless(w, tid, link) : -EXDEV;
	if (++w->links > MAX_LINKS)
		return -ELOOP;
	memmove(w->rest, more, strlen(more) + 1);
	jump(w, strcmp(target, "/") == 0 ? "" : target);
	return 0;
}

/*
 * The walk stands at /proc with this much to go. 0: at is what a process's link means, or "/", and rest what is left.
 * -EXDEV: there is nothing to record. What goes up and down in /proc is taken word for word; where that cannot tell,
 * it is lost.
 */
static int walk_proc(struct walk *w, const char *rest)
{
	struct words s = {.n = 0};
	size_t who, name;

	for (size_t n; (n = part(&rest)) > 0; rest += n) {
		if (is_dot(rest, n))
			continue;
		if (!is_dotdot(rest, n)) {
			if (!add_word(&s, rest, n))
				return climbs(rest) ? -E2BIG : -EXDEV;
			if (is_process_link(&s, &who, &name))
				return process_link(w, &s, who, name, rest + n);
		} else if (s.n) {
			s.n--;
		} else {
			memmove(w->rest, rest + n, strlen(rest + n) + 1);
			climb(w);
			return 0;
		}
	}
	return -EXDEV;
}

/* ---------------------------------------------------------------- gaits */

enum { ON = 1 }; /* beside 0 and errors: a symlink was taken, go on */

static int found(struct walk *w, int fd)
{
	if (fstat(fd, &w->f->st) < 0) {
		int e = -errno;

		close(fd);
		return e;
	}
	w->f->fd = fd;
	return 0;
}

/* A part of the rest, not the last one, where a symlink was met before. ON: it is one still, and taken. -EAGAIN:
 * there is none. */
static int leap(struct walk *w)
{
	size_t start = w->n;
	const char *p = w->rest;

	for (size_t n; (n = part(&p)) > 0; p += n) {
		const char *more = p + n + strspn(p + n, "/"), *slot;
		size_t dir = w->n;
		int r = -EAGAIN;

		if (!*more || is_dot(p, n) || is_dotdot(p, n) || append(w, p, n) < 0 || leads_to_proc(w->at))
			break;
		slot = *hint(w);
		if (slot && strcmp(slot, w->at) == 0) {
			WH_AUTO_FD int fd = open_at(w->o->root, w->at, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);

			r = fd < 0 ? fd : expand(w, fd, dir, more);
			if (r == 0)
				return ON;
			if (r == -ELOOP || r == -E2BIG)
				return r;
			break;
		}
	}
	w->n = start;
	w->at[start] = '\0';
	return -EAGAIN;
}

/* -EAGAIN: the slow one must look. */
static int fast(struct walk *w)
{
	char saved[WH_PLACE_MAX], path[2 * WH_PLACE_MAX];
	size_t n = w->n, dir;
	bool up = climbs(w->rest);
	int fd, r = leap(w);

	if (r != -EAGAIN || (up && w->s->root[0]))
		return r;
	memcpy(saved, w->at, n + 1);
	if (up)
		snprintf(path, sizeof(path), "%s/%s", w->at, w->rest);
	r = append_words(w, w->rest, true);
	if (r == 0 && leads_to_proc(w->at))
		r = -EAGAIN;
	fd = r < 0 ? r : open_at(w->o->root, up ? path : *w->at ? w->at : "/", RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
	if (!up && (fd == -ENOENT || fd == -ENOTDIR))
		return -ENOENT;
	if (fd < 0) {
		memcpy(w->at, saved, n + 1);
		w->n = n;
		return -EAGAIN;
	}
	r = found(w, fd);
	if (r < 0 || !w->follow || !S_ISLNK(w->f->st.st_mode))
		return r;
	fd = WH_TAKE_FD(w->f->fd);
	dir = (size_t)(strrchr(w->at, '/') - w->at);
	r = expand(w, fd, dir, "");
	close(fd);
	return r < 0 ? r : ON;
}

static int missing(struct walk *w, const char *rest)
{
	int r = append_words(w, rest, false);

	return r < 0 ? r : -ENOENT;
}

/* One part of the rest that is a name; *cur is the directory where the walk stands. */
static int step(struct walk *w, int *cur, const char **p, size_t n)
{
	char name[NAME_MAX + 1];
	size_t dir = w->n;
	const char *more = *p + n;
	bool last = !more[strspn(more, "/")];
	int fd, r;

	if (n > NAME_MAX)
		return -ENAMETOOLONG;
	snprintf(name, sizeof(name), "%.*s", (int)n, *p);
	fd = open_at(*cur, name, RESOLVE_BENEATH);
	if (fd == -ENOENT || fd == -ENOTDIR)
		return missing(w, *p);
	r = fd < 0 ? fd : append(w, name, n);
	if (r == 0)
		r = found(w, fd);
	else if (fd >= 0)
		close(fd);
	if (r < 0)
		return r;
	fd = WH_TAKE_FD(w->f->fd);
	if (S_ISLNK(w->f->st.st_mode) && (!last || w->follow)) {
		r = expand(w, fd, dir, more + strspn(more, "/"));
		close(fd);
		return r < 0 ? r : ON;
	}
	close(*cur);
	*cur = fd;
	*p = more;
	if (!last && leads_to_proc(w->at) && !w->at[5]) {
		r = walk_proc(w, more);
		return r < 0 ? r : ON;
	}
	return 0;
}

static int slow(struct walk *w)
{
	WH_AUTO_FD int cur = -1;
	const char *p = w->rest;
	int r;

	/* Up first, without a look: the way up from a working directory that was removed leads on. */
	for (size_t n; (n = part(&p)) > 0 && (is_dot(p, n) || is_dotdot(p, n)); p += n)
		if (n == 2)
			climb(w);
	cur = open_at(w->o->root, *w->at ? w->at : "/", RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
	if (cur == -ENOENT || cur == -ENOTDIR)
		return missing(w, p);
	r = cur < 0 ? cur : 0;

	if (r == 0 && leads_to_proc(w->at) && !w->at[5] && p[strspn(p, "/")]) {
		r = walk_proc(w, p);
		return r < 0 ? r : ON;
	}
	for (size_t n; r == 0 && (n = part(&p)) > 0;) {
		if (is_dot(p, n) || is_dotdot(p, n)) {
			if (n == 2) {
				climb(w);
				close(cur);
				cur = open_at(w->o->root, *w->at ? w->at : "/", RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
				r = cur < 0 ? cur : 0;
			}
			p += n;
			continue;
		}
		r = step(w, &cur, &p, n);
	}
	return r == 0 ? found(w, WH_TAKE_FD(cur)) : r;
}

int wh_place_walk(struct wh_observer *o, const struct wh_call *c, const struct wh_start *s, const char *path,
		  bool follow, struct wh_found *f)
{
	struct walk w = {.o = o, .c = c, .s = s, .f = f, .at = f->path, .follow = follow};
	size_t len = strlen(path);
	int r;

	if (len >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(w.rest, path, len + 1);
	if (len > 1 && path[len - 1] == '/')
		w.follow = true;
	jump(&w, s->at);
	do {
		r = fast(&w);
		if (r == -EAGAIN)
			r = slow(&w);
	} while (r == ON);
	if ((r == 0 || r == -ENOENT) && !*f->path)
		memcpy(f->path, "/", 2);
	return r;
}

/* ---------------------------------------------------------------- where it begins */

static int link_of(struct wh_observer *o, pid_t tid, const char *name, char *p)
{
	static const char gone[] = " (deleted)";
	int r;

	*p = '\0';
	r = wh_task_link(o, tid, name, p);
	if (r == -ENOENT && *p == '/' && wh_has_suffix(p, gone)) {
		p[strlen(p) - strlen(gone)] = '\0'; /* nothing is in it, but ".." is */
		r = 0;
	}
	if (r == 0 && strcmp(p, "/") == 0)
		*p = '\0';
	return r;
}

int wh_place_start(struct wh_observer *o, const struct wh_call *c, int dirfd, const char *path, struct wh_start *ret)
{
	char name[32];

	ret->at[0] = ret->root[0] = '\0';
	if (o->chrooted) {
		int r = link_of(o, c->tid, "root", ret->root);

		if (r < 0)
			return r;
	}
	if (path[0] == '/') {
		memcpy(ret->at, ret->root, strlen(ret->root) + 1);
		return 0;
	}
	if (dirfd == AT_FDCWD)
		return link_of(o, c->tid, "cwd", ret->at);
	if (dirfd < 0)
		return -ENOTDIR;
	snprintf(name, sizeof(name), "fd/%d", dirfd);
	return link_of(o, c->tid, name, ret->at);
}
