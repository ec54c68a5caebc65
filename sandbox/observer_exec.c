/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execve: the one call after which the caller is another program. What it executes is recorded for the caller; a file
 * that begins with "#!" brings its interpreter, which the kernel opens itself. (An ELF file's loader is derived later,
 * from the file.)
 */
#include "sandbox/supervisor_table.h"

#include <errno.h>

#define HEAD 256 /* BINPRM_BUF_SIZE: what the kernel looks at */
#define DEPTH 5  /* scripts that name scripts */

struct exec {
	struct wh_observer *o;
	struct wh_call *c;
	struct wh_start start; /* of relative interpreters: the working directory */
	char *script;          /* the outermost one */
};

/* The first bytes of a regular file; through our own descriptor of it, so it is no other file. */
static ssize_t head_of(const struct wh_observer *o, const struct wh_found *f, char p[HEAD + 1])
{
	WH_AUTO_FD int fd = -1;
	char self[64];
	ssize_t n;

	if (!S_ISREG(f->st.st_mode))
		return -1;
	snprintf(self, sizeof(self), "self/fd/%d", f->fd);
	fd = wh_openat(o->proc, self, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	n = fd < 0 ? -1 : pread(fd, p, HEAD, 0);
	if (n >= 0)
		p[n] = '\0';
	return n;
}

/* The interpreter of a #! line, in place; NULL: it is none. */
static char *interpreter_of(char *head)
{
	char *p = head + 2;

	if (head[0] != '#' || head[1] != '!')
		return NULL;
	p += strspn(p, " \t");
	p[strcspn(p, " \t\n")] = '\0';
	return *p ? p : NULL;
}

static struct wh_pending *pending_new(struct exec *e, const struct wh_found *f)
{
	struct wh_pending *p = wh_calloc(1, sizeof(*p));

	p->tid = e->c->tid;
	p->program = wh_strdup(f->path);
	p->script = WH_TAKE_PTR(e->script);
	p->dev = f->st.st_dev;
	p->ino = f->st.st_ino;
	return p;
}

/* f was walked to with outcome r. Goes on with its interpreter, if it has one; returns what will run, or NULL. */
static struct wh_pending *follow_up(struct exec *e, int r, struct wh_found *f)
{
	for (unsigned depth = 0;; depth++) {
		char head[HEAD + 1], *interpreter;

		if (r == 0 || r == -ENOENT)
			wh_record(e->o, e->c->task->record, WH_ACCESS_EXEC, r != 0, f->path);
		if (r < 0 || !S_ISREG(f->st.st_mode) || !(f->st.st_mode & 0111))
			return NULL; /* refused */
		interpreter = depth <= DEPTH && head_of(e->o, f, head) > 2 ? interpreter_of(head) : NULL;
		if (!interpreter)
			return pending_new(e, f);
		if (!e->script)
			e->script = wh_strdup(f->path);
		wh_found_release(f);
		memcpy(e->start.at, interpreter[0] == '/' ? e->start.root : e->start.at, sizeof(e->start.at));
		r = wh_call_walk(e->o, e->c, &e->start, interpreter, true, f);
	}
}

void wh_see_exec(struct wh_observer *o, const struct wh_row *row, struct wh_call *c)
{
	WH_AUTO_FOUND struct wh_found f = WH_FOUND_INIT;
	int dirfd = row->dirfd == WH_NO_ARG ? AT_FDCWD : (int)c->args[row->dirfd], r;
	uint32_t flags = row->flags == WH_NO_ARG ? 0 : (uint32_t)c->args[row->flags];
	struct exec e = {.o = o, .c = c};
	struct wh_pending *p;
	struct wh_start start;
	char path[PATH_MAX];

	r = wh_task_string(o, c->tid, c->args[row->path], path);
	if (r == 0 && !*path) {
		if (!(flags & AT_EMPTY_PATH))
			return;
		/* The open file itself, by its name in /proc. */
		snprintf(path, sizeof(path), "/proc/self/fd/%d", dirfd);
		dirfd = AT_FDCWD;
	}
	if (r == 0)
		r = wh_place_start(o, c, dirfd, path, &start);
	if (r == 0)
		r = wh_place_start(o, c, AT_FDCWD, "", &e.start);
	if (r < 0) {
		wh_call_failed(o, r);
		return;
	}
	if (!wh_call_holds(o, c))
		return;
	r = wh_call_walk(o, c, &start, path, !(flags & row->bit), &f);
	p = follow_up(&e, r, &f);
	free(e.script);
	if (p)
		wh_task_execs(o, c->task, p);
}
