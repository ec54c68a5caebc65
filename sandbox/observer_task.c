/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who called. A notification names a thread; a record names a program image. Between the two:
 *
 *   thread ─▶ process   pidfd_open(2) knows leaders; for others /proc/TID/status says whose they are. A number may be
 *                       given anew: a process is forgotten when its pidfd says that it ended, a thread is asked for
 *                       each time (tgkill 0).
 *   process ─▶ image    what execve left, the same for all that forked from it since. Its name is the auxiliary
 *                       vector: the kernel writes it anew, with addresses made anew, at each execve, and a fork
 *                       inherits it. So a child finds its image even when its parent is gone or is another program by
 *                       now. (Without address space randomization one program executed twice looks the same; then
 *                       what the second does counts as the first's.)
 *   image ─▶ record     found when an execve that was seen coming turns out to have succeeded: the image is another
 *                       one.
 *
 * An execve that fails leaves the image as it was. One that succeeded and was followed by no call that we hear of (a
 * static program that opens nothing) is settled when the process is gone, in favour of success.
 */
#include "sandbox/observer.h"

#include <errno.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <uthash.h>

#define MAX_THREADS 65536
#define MAX_IMAGES ((size_t)1 << 20)
#define EXITS_AT_ONCE 64
#define PAGE 4096U

struct wh_task_links {
	UT_hash_handle hh;
	pid_t pid;
	struct wh_task task;
};

struct wh_thread {
	UT_hash_handle hh;
	pid_t tid, pid;
};

struct wh_image {
	UT_hash_handle hh;
	uint64_t image;
	uint32_t record;
};

/* ---------------------------------------------------------------- /proc and memory */

int wh_task_proc(const struct wh_observer *o, pid_t pid, const char *name, char *p, size_t max)
{
	char path[64];
	WH_AUTO_FD int fd = -1;
	size_t n = 0;
	ssize_t r = 1;

	snprintf(path, sizeof(path), "%d/%s", (int)pid, name);
	fd = wh_openat(o->proc, path, O_RDONLY, 0);
	if (fd < 0)
		return fd == -ENOENT ? -ESRCH : fd;
	while (n < max && r > 0) {
		r = read(fd, p + n, max - n);
		if (r < 0)
			return -errno;
		n += (size_t)r;
	}
	return (int)n;
}

int wh_task_read(const struct wh_observer *o, pid_t tid, uint64_t addr, void *p, size_t n)
{
	struct iovec here = {p, n}, there = {(void *)(uintptr_t)addr, n};
	char path[64];
	WH_AUTO_FD int fd = -1;
	ssize_t r = process_vm_readv(tid, &here, 1, &there, 1, 0);

	if (r == (ssize_t)n)
		return 0;
	if (r < 0 && errno != EFAULT && errno != EPERM && errno != ENOSYS)
		return -errno;
	/* Memory that only the kernel's own copy reaches (no read permission, a device's). */
	snprintf(path, sizeof(path), "%d/mem", (int)tid);
	fd = wh_openat(o->proc, path, O_RDONLY, 0);
	if (fd < 0)
		return fd == -ENOENT ? -ESRCH : fd;
	r = pread(fd, p, n, (off_t)addr);
	if (r == (ssize_t)n)
		return 0;
	return r < 0 && errno != EIO ? -errno : -EFAULT;
}

int wh_task_string(const struct wh_observer *o, pid_t tid, uint64_t addr, char p[PATH_MAX])
{
	size_t n = 0;

	/* Never over the end of a page: what is behind may not be there. */
	while (n < PATH_MAX) {
		size_t want = PAGE - (size_t)((addr + n) % PAGE);
		int r;

		if (n == 0 && want > 256)
			want = 256; /* nearly every path */
		if (want > PATH_MAX - n)
			want = PATH_MAX - n;
		r = wh_task_read(o, tid, addr + n, p + n, want);
		if (r < 0)
			return r;
		if (memchr(p + n, '\0', want))
			return 0;
		n += want;
	}
	return -ENAMETOOLONG;
}

int wh_task_descriptor(const struct wh_observer *o, const struct wh_call *c, int fd)
{
	WH_AUTO_FD int own = -1;
	int pidfd = c->task->pidfd, got, e;
	char link[64];
	struct stat st;

	if (pidfd < 0)
		pidfd = own = (int)syscall(SYS_pidfd_open, c->task->pid, 0);
	got = pidfd < 0 ? -1 : (int)syscall(SYS_pidfd_getfd, pidfd, fd, 0);
	if (got >= 0)
		return got;
	e = errno;
	/* A process whose first thread has ended lends nothing, though the others have it still. */
	snprintf(link, sizeof(link), "%d/fd/%d", (int)c->tid, fd);
	if (e == EBADF && fstatat(o->proc, link, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return -EIO;
	return -e;
}

/* Does the container's root hold just this at the path? */
static bool in_root(const struct wh_observer *o, const char *path, const struct stat *st)
{
	struct open_how h = {.flags = O_PATH | O_NOFOLLOW | O_CLOEXEC,
			     .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS};
	WH_AUTO_FD int fd = (int)syscall(SYS_openat2, o->root, path, &h, sizeof(h));
	struct stat here;

	return fd >= 0 && fstat(fd, &here) == 0 && here.st_dev == st->st_dev && here.st_ino == st->st_ino;
}

int wh_task_link(const struct wh_observer *o, pid_t pid, const char *name, char p[WH_PLACE_MAX])
{
	char link[64];
	struct stat st;
	ssize_t n;

	snprintf(link, sizeof(link), "%d/%s", (int)pid, name);
	/* Twice: a rename may come between the two questions. */
	for (int i = 0; i < 2; i++) {
		n = readlinkat(o->proc, link, p, WH_PLACE_MAX - 1);
		if (n < 0 && errno == ENAMETOOLONG)
			return -E2BIG; /* deeper than /proc can tell: lost */
		if (n < 0)
			return errno == ENOENT && !strchr(name, '/') ? -ESRCH : -errno;
		p[n] = '\0';
		if (p[0] != '/')
			return -ENOENT; /* a pipe, a socket, a timer */
		/* A working or root directory lies in the root; what a descriptor shows may not. */
		if (name[0] != 'f' && name[0] != 'e' && !wh_has_suffix(p, " (deleted)"))
			return 0;
		if (fstatat(o->proc, link, &st, 0) < 0)
			return errno == ENOENT ? -ESRCH : -errno;
		if (in_root(o, p, &st))
			return 0;
	}
	return -ENOENT;
}

/* ---------------------------------------------------------------- images */

/* 0: it has none any more. */
static uint64_t image_of(const struct wh_observer *o, pid_t pid)
{
	unsigned char v[4096];
	int n = wh_task_proc(o, pid, "auxv", (char *)v, sizeof(v));
	uint64_t h = 0xcbf29ce484222325;

	for (int i = 0; i < n; i++)
		h = (h ^ v[i]) * 0x100000001b3; /* FNV-1a: addresses that nobody chose */
	return n > 0 ? h | 1 : 0;
}

static void image_is(struct wh_observer *o, uint64_t image, uint32_t record)
{
	struct wh_image *i, *next;

	HASH_FIND(hh, o->images, &image, sizeof(image), i);
	if (!i) {
		if (o->n_images >= MAX_IMAGES) {
			HASH_ITER (hh, o->images, i, next) {
				HASH_DEL(o->images, i);
				free(i);
			}
			o->n_images = 0;
		}
		i = wh_calloc(1, sizeof(*i));
		i->image = image;
		HASH_ADD(hh, o->images, image, sizeof(i->image), i);
		o->n_images++;
	}
	i->record = record;
}

static bool image_known(struct wh_observer *o, uint64_t image, uint32_t *record)
{
	struct wh_image *i;

	HASH_FIND(hh, o->images, &image, sizeof(image), i);
	if (i)
		*record = i->record;
	return i;
}

/* ---------------------------------------------------------------- execve's outcome */

static void pending_free(struct wh_pending *p)
{
	if (!p)
		return;
	free(p->program);
	free(p->script);
	wh_strv_release(&p->words);
	free(p);
}

/* It did succeed. asked: t still runs, so its own word counts. */
static void commit(struct wh_observer *o, struct wh_task *t, bool asked)
{
	struct wh_pending *p = WH_TAKE_PTR(t->pending);
	char link[64], path[WH_PLACE_MAX];
	const char *program = p->program;
	struct stat st;

	/* Another file runs than was told: binfmt_misc, or a name that changed under way. */
	snprintf(link, sizeof(link), "%d/exe", (int)t->pid);
	if (asked && fstatat(o->proc, link, &st, 0) == 0 && (st.st_dev != p->dev || st.st_ino != p->ino) &&
	    wh_task_link(o, t->pid, "exe", path) == 0)
		program = path;
	t->record = wh_program(o, t->record, program, p->script);
	wh_words(o, t->record, &p->words);
	pending_free(p);
}

void wh_task_settle(struct wh_observer *o, struct wh_task *t, pid_t tid)
{
	uint64_t image;

	if (!t->pending)
		return;
	image = image_of(o, t->pid);
	if (image && image != t->image) {
		commit(o, t, true);
		t->image = image;
		image_is(o, image, t->record);
	} else if (tid == t->pending->tid) {
		pending_free(WH_TAKE_PTR(t->pending));
	}
}

void wh_task_execs(struct wh_observer *o, struct wh_task *t, struct wh_pending *p)
{
	(void)o;
	pending_free(t->pending);
	t->pending = p;
}

/* ---------------------------------------------------------------- processes */

static struct wh_task *task_of(struct wh_observer *o, pid_t pid)
{
	struct wh_task_links *l;

	HASH_FIND(hh, o->tasks, &pid, sizeof(pid), l);
	return l ? &l->task : NULL;
}

static void forget(struct wh_observer *o, struct wh_task *t)
{
	if (t->pending)
		commit(o, t, false);
	if (t->pid == o->first)
		o->first = -1;
	/* Its one descriptor: with it goes the watch. */
	wh_closep(&t->pidfd);
	wh_creds_release(t);
	HASH_DEL(o->tasks, t->links);
	free(t->links);
}

void wh_task_each(struct wh_observer *o, bool (*fn)(void *arg, struct wh_observer *o, struct wh_task *t), void *arg)
{
	struct wh_task_links *l, *next;

	HASH_ITER (hh, o->tasks, l, next)
		if (!fn(arg, o, &l->task))
			return;
}

bool wh_task_bury(struct wh_observer *o)
{
	struct epoll_event e[EXITS_AT_ONCE];
	int n = epoll_wait(o->exits, e, EXITS_AT_ONCE, 0);

	for (int i = 0; i < n; i++)
		forget(o, e[i].data.ptr);
	return n < EXITS_AT_ONCE;
}

static uint64_t started(const struct wh_observer *o, pid_t pid)
{
	char text[1024], *p;
	int n = wh_task_proc(o, pid, "stat", text, sizeof(text) - 1);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	p = strrchr(text, ')'); /* behind the name, which may hold anything */
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p ? strtoull(p + 1, NULL, 10) : 0;
}

/* A number of /proc/TID/status; -ESRCH when it is gone. */
static int status_number(const struct wh_observer *o, pid_t tid, const char *name)
{
	char text[1024], *p;
	int n = wh_task_proc(o, tid, "status", text, sizeof(text) - 1);

	if (n <= 0)
		return n == 0 ? -ESRCH : n;
	text[n] = '\0';
	p = strstr(text, name);
	return p ? (int)strtol(p + strlen(name), NULL, 10) : -ESRCH;
}

/* Its image was not seen before: it executed something, and its child calls before it does. */
static uint32_t record_by_parent(struct wh_observer *o, struct wh_task *t)
{
	int parent = status_number(o, t->pid, "\nPPid:");
	struct wh_task *p = parent > 0 ? task_of(o, parent) : NULL;
	struct wh_task_links *l, *next;
	uint32_t record;

	if (p) {
		wh_task_settle(o, p, 0);
		return image_known(o, t->image, &record) ? record : p->record;
	}
	/* The parent is gone, or was never heard of: whoever's execve made this image. */
	HASH_ITER (hh, o->tasks, l, next) {
		wh_task_settle(o, &l->task, 0);
		if (image_known(o, t->image, &record))
			return record;
	}
	return 0;
}

static int add_task(struct wh_observer *o, pid_t pid, int pidfd, struct wh_task **ret)
{
	struct wh_task_links *l = wh_calloc(1, sizeof(*l));
	struct wh_task *t = &l->task;
	struct epoll_event e = {.events = EPOLLIN, .data = {.ptr = t}};

	l->pid = pid;
	*t = (struct wh_task){.pid = pid, .pidfd = pidfd, .links = l};
	if (pidfd > o->max_pidfd)
		wh_closep(&t->pidfd);
	if (t->pidfd >= 0 && epoll_ctl(o->exits, EPOLL_CTL_ADD, t->pidfd, &e) < 0)
		wh_closep(&t->pidfd);
	if (t->pidfd < 0)
		t->started = started(o, pid);
	t->image = image_of(o, pid);
	HASH_ADD(hh, o->tasks, pid, sizeof(l->pid), l);
	if (t->image && !image_known(o, t->image, &t->record)) {
		t->record = record_by_parent(o, t);
		image_is(o, t->image, t->record);
	}
	*ret = t;
	return 0;
}

static bool is_of(const struct wh_observer *o, const struct wh_task *t, pid_t tid)
{
	if (t->pidfd < 0 && started(o, t->pid) != t->started)
		return false;
	return tid == t->pid || syscall(SYS_tgkill, t->pid, tid, 0) == 0 || errno == EPERM;
}

static void remember_thread(struct wh_observer *o, pid_t tid, pid_t pid)
{
	struct wh_thread *t, *next;

	HASH_FIND(hh, o->threads, &tid, sizeof(tid), t);
	if (!t) {
		if (o->n_threads >= MAX_THREADS) {
			HASH_ITER (hh, o->threads, t, next) {
				HASH_DEL(o->threads, t);
				free(t);
			}
			o->n_threads = 0;
		}
		t = wh_calloc(1, sizeof(*t));
		t->tid = tid;
		HASH_ADD(hh, o->threads, tid, sizeof(t->tid), t);
		o->n_threads++;
	}
	t->pid = pid;
}

int wh_task_find(struct wh_observer *o, pid_t tid, struct wh_task **ret)
{
	struct wh_task *t = task_of(o, tid);
	struct wh_thread *thread = NULL;
	int pid = tid, fd;

	if (!t) {
		HASH_FIND(hh, o->threads, &tid, sizeof(tid), thread);
		t = thread ? task_of(o, thread->pid) : NULL;
	}
	if (t && is_of(o, t, tid)) {
		*ret = t;
		return 0;
	}
	if (t && t->pidfd < 0)
		forget(o, t);
	fd = (int)syscall(SYS_pidfd_open, tid, 0);
	if (fd < 0 && errno == ESRCH)
		return -ESRCH;
	if (fd < 0) { /* no leader (EINVAL, ENOENT), or no descriptor is free */
		pid = status_number(o, tid, "\nTgid:");
		if (pid <= 0)
			return pid ? pid : -ESRCH;
		if (pid != tid) {
			remember_thread(o, tid, pid);
			fd = (int)syscall(SYS_pidfd_open, pid, 0);
		}
	}
	t = task_of(o, pid);
	if (t) {
		wh_closep(&fd);
		*ret = t;
		return 0;
	}
	return add_task(o, pid, fd, ret);
}

void wh_tasks_release(struct wh_observer *o)
{
	struct wh_task_links *l, *next_task;
	struct wh_thread *t, *next_thread;
	struct wh_image *i, *next_image;

	HASH_ITER (hh, o->tasks, l, next_task)
		forget(o, &l->task);
	HASH_ITER (hh, o->threads, t, next_thread) {
		HASH_DEL(o->threads, t);
		free(t);
	}
	HASH_ITER (hh, o->images, i, next_image) {
		HASH_DEL(o->images, i);
		free(i);
	}
}
