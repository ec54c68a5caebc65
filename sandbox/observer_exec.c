/* SPDX-License-Identifier: Apache-2.0 */
/*
 * execve: the one call after which the caller is another program. What it executes is recorded for the caller; a file
 * that begins with "#!" brings its interpreter, which the kernel opens itself, and so does an ELF file its loader.
 */
#include "sandbox/supervisor_table.h"

#include <elf.h>
#include <errno.h>

#define HEAD 256 /* BINPRM_BUF_SIZE: what the kernel looks at */
#define DEPTH 5  /* scripts that name scripts */
#define PAGE 4096
#define MAX_WORDS 4096
#define MAX_WORDS_SIZE ((size_t)128 * 1024)

struct exec {
	struct wh_observer *o;
	struct wh_call *c;
	struct wh_start start; /* of relative interpreters: the working directory */
	char *script;          /* the outermost one */
};

/* A regular file, through our own descriptor of it, so it is no other file. Not for longer than it takes. */
static int open_found(const struct wh_observer *o, const struct wh_found *f)
{
	char self[64];

	snprintf(self, sizeof(self), "self/fd/%d", f->fd);
	return wh_openat(o->proc, self, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
}

/* Its first bytes and a NUL. What the kernel reads and we cannot (a write lease makes it wait, us not) is lost; but for
 * what only permissions keep from us, as a script's interpreter could not read that either. */
static ssize_t head_of(struct wh_observer *o, const struct wh_found *f, char p[HEAD + 1])
{
	WH_AUTO_FD int fd = open_found(o, f);
	ssize_t n = fd < 0 ? fd : pread(fd, p, HEAD, 0);

	if (n < 0 && fd != -EACCES && fd != -EPERM)
		wh_observer_lost(o);
	p[n < 0 ? 0 : n] = '\0';
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

/* The command line, up to a word that is too long, or is none. */
static void read_words(const struct wh_observer *o, const struct wh_call *c, uint64_t argv, struct wh_strv *words)
{
	WH_AUTO_FREE char *word = wh_malloc(PATH_MAX);
	size_t size = c->compat ? 4 : 8, total = 0;

	for (size_t i = 0; i < MAX_WORDS && total < MAX_WORDS_SIZE; i++) {
		uint64_t at = 0;

		/* Little-endian: the narrow ones leave the upper half 0. */
		if (wh_task_read(o, c->tid, argv + i * size, &at, size) < 0 || !at ||
		    wh_task_string(o, c->tid, at, word) < 0)
			return;
		wh_strv_add(words, word);
		total += strlen(word) + 1;
	}
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

/* PT_INTERP's offset and size from a program header of either class; the machine's byte order, as it runs here. */
static bool interp_at(const char *p, bool is64, uint64_t *ret_at, uint64_t *ret_n)
{
	Elf64_Phdr wide;
	Elf32_Phdr narrow;

	memcpy(&wide, p, is64 ? sizeof(wide) : sizeof(wide.p_type));
	if (wide.p_type != PT_INTERP)
		return false;
	if (!is64)
		memcpy(&narrow, p, sizeof(narrow));
	*ret_at = is64 ? wide.p_offset : narrow.p_offset;
	*ret_n = is64 ? wide.p_filesz : narrow.p_filesz;
	return true;
}

/* The loader that an ELF file names. 0: it names one. -ENOENT: none, or a damaged one, so for the kernel it is none. Else it
 * cannot be told. */
static int loader_of(const struct wh_observer *o, const struct wh_found *f, const char *head, char path[PATH_MAX])
{
	bool is64 = head[EI_CLASS] == ELFCLASS64;
	size_t size = is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	WH_AUTO_FD int fd = open_found(o, f);
	uint64_t table, at, n;
	Elf64_Ehdr wide;
	Elf32_Ehdr narrow;
	unsigned count;

	memcpy(&wide, head, sizeof(wide));
	memcpy(&narrow, head, sizeof(narrow));
	table = is64 ? wide.e_phoff : narrow.e_phoff;
	count = is64 ? wide.e_phnum : narrow.e_phnum;
	if ((is64 ? wide.e_phentsize : narrow.e_phentsize) != size || count > PAGE / size)
		return -ENOENT; /* for the kernel, too */
	for (unsigned i = 0; i < count; i++) {
		char header[sizeof(Elf64_Phdr)];

		if (fd < 0)
			return fd == -EACCES || fd == -EPERM ? -ENOENT : fd;
		if (pread(fd, header, size, (off_t)(table + i * size)) != (ssize_t)size)
			return -ENOENT;
		if (!interp_at(header, is64, &at, &n))
			continue;
		if (n < 2 || n > PATH_MAX || pread(fd, path, n, (off_t)at) != (ssize_t)n || path[n - 1])
			return -ENOENT;
		return 0;
	}
	return -ENOENT;
}

static void begin_at(struct exec *e, const char *path)
{
	if (path[0] == '/')
		memcpy(e->start.at, e->start.root, sizeof(e->start.at));
}

/* The kernel opens the loader that an ELF file names, as it does a script's interpreter. */
static void see_loader(struct exec *e, const struct wh_found *f, const char *head, ssize_t n)
{
	WH_AUTO_FOUND struct wh_found loader = WH_FOUND_INIT;
	struct wh_start working = e->start;
	char path[PATH_MAX];
	int r;

	if (n < (ssize_t)sizeof(Elf64_Ehdr) || memcmp(head, ELFMAG, SELFMAG) != 0)
		return;
	r = loader_of(e->o, f, head, path);
	if (r == 0) {
		begin_at(e, path);
		r = wh_call_walk(e->o, e->c, &e->start, path, true, &loader);
		e->start = working;
	} else if (r != -ENOENT) {
		wh_observer_lost(e->o);
	}
	if (r == 0)
		wh_record(e->o, e->c->task->record, WH_ACCESS_READ, false, loader.path);
}

/* An open file without a name is executed: nothing to record but what it brings. A script's interpreter, or NULL. */
static char *nameless(struct exec *e, struct wh_found *f, char head[HEAD + 1])
{
	ssize_t n;

	if (!S_ISREG(f->st.st_mode) || !(f->st.st_mode & 0111))
		return NULL;
	n = head_of(e->o, f, head);
	see_loader(e, f, head, n);
	return n > 2 ? interpreter_of(head) : NULL;
}

static void executes(struct exec *e, int r, const struct wh_found *f)
{
	wh_record(e->o, e->c->task->record, WH_ACCESS_EXEC, r != 0, f->path);
	wh_cap_access(e->o, e->c, WH_ACCESS_EXEC, r != 0, f);
}

/* f was walked to with outcome r. Goes on with its interpreter, if it has one; returns what will run, or NULL. */
static struct wh_pending *follow_up(struct exec *e, int r, struct wh_found *f)
{
	for (unsigned depth = 0;; depth++) {
		char head[HEAD + 1], *interpreter;
		ssize_t n;

		if (r == -EXDEV && f->fd >= 0 && depth <= DEPTH) {
			interpreter = nameless(e, f, head);
			if (!interpreter)
				return NULL;
		} else {
			if (r == 0 || r == -ENOENT)
				executes(e, r, f);
			/* By another process's descriptor: what it is cannot be told. */
			if (r == -ENOENT && wh_has_suffix(f->path, " (deleted)"))
				wh_observer_lost(e->o);
			if (r < 0 || !S_ISREG(f->st.st_mode) || !(f->st.st_mode & 0111))
				return NULL; /* refused */
			n = depth <= DEPTH ? head_of(e->o, f, head) : 0;
			interpreter = n > 2 ? interpreter_of(head) : NULL;
			if (!interpreter) {
				see_loader(e, f, head, n);
				return pending_new(e, f);
			}
			if (!e->script)
				e->script = wh_strdup(f->path);
		}
		wh_found_release(f);
		begin_at(e, interpreter);
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
	WH_AUTO_STRV struct wh_strv words = {0};

	r = wh_call_string(o, c, c->args[row->path], path);
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
	if (c->task->pid == o->first)
		read_words(o, c, c->args[row->path + 1], &words);
	if (!wh_call_holds(o, c))
		return;
	r = wh_call_walk(o, c, &start, path, !(flags & row->bit), &f);
	p = follow_up(&e, r, &f);
	free(e.script);
	if (!p)
		return;
	p->words = words;
	words = (struct wh_strv){0};
	wh_task_execs(o, c->task, p);
}
