/* SPDX-License-Identifier: Apache-2.0 */
/*
 * witness [--own|--names] DIR LOG -- COMMAND [ARG]…
 *
 * Runs the command and, until it ends, writes down which regular files of DIR's file system are opened: by whom does
 * not matter to the kernel's fanotify, which knows nothing of system calls and misses none. What an observer saw can
 * be held against it.
 *
 * What counts is opened in containers: by processes in another pid and another mount namespace than ours, with their
 * program on DIR's file system (before its first exec, a container's process is still the sandbox's own). Paths are
 * seen from DIR: a container's root below it stands before what the container calls the file. With --own the command
 * is given a pid namespace, and what is opened in that counts instead.
 *
 * LOG: "O PATH" opened, "X PATH" opened to be executed (programs, scripts, and the interpreters of both), each once;
 * bytes that are not printable, blanks and backslashes as \xHH.
 *
 * --names: DIR is the root directory of one container, and of a file system that nobody else uses (an overlay with
 * nfs_export=on). Paths begin below it, whatever root a process has. More is told:
 *
 *	L PATH          a directory was opened
 *	R PATH          read (a directory: listed)
 *	W PATH          written
 *	M PATH OBJECT   mode, owner, times, xattrs or the number of links changed
 *	C PATH OBJECT   made: open, mkdir, mknod, symlink, link
 *	D PATH          removed
 *	F PATH, T PATH  renamed from, renamed to
 *
 * OBJECT tells that two names are one file. These come from a second fanotify, which knows file handles instead of files; what it
 * told before the first program of the container was executed was the sandbox's doing.
 *
 * Needs root. Permission events are used, so that the opener waits until it was looked at: it cannot be gone by then.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define LONGEST (3 * PATH_MAX)
#define EXECS 4096

struct seen {
	struct seen *next;
	char text[];
};

struct exec {
	pid_t pid;
	ino_t ino;
};

static struct seen *seen[65536];
static struct exec execs[EXECS]; /* the last one of a process */
static FILE *out;
static int dir; /* descriptor of DIR */
static int fan_names = -1;
static char dir_path[PATH_MAX];
static struct stat dir_st;
static bool own, names;
static int dir_handle_type;
static bool begun; /* --names: the first program of the container was executed */
static ino_t own_ns; /* --own: the pid namespace of the command */

static int die(const char *what)
{
	fprintf(stderr, "witness: %s: %s\n", what, strerror(errno));
	exit(125);
}

static void *grab(size_t n)
{
	void *p = malloc(n);

	return p ? p : (die("memory"), NULL);
}

/* object: NULL, or what stands behind the path. */
static void tell(char kind, const char *path, const char *object)
{
	static char line[4 * LONGEST + 1024];
	size_t n = 0;
	unsigned h = 5381;
	struct seen *s;

	n += (size_t)snprintf(line, sizeof(line), "%c ", kind);
	for (; *path; path++) {
		unsigned char c = (unsigned char)*path;

		if (c > 0x20 && c < 0x7f && c != '\\')
			line[n++] = (char)c;
		else
			n += (size_t)snprintf(line + n, sizeof(line) - n, "\\x%02x", c);
	}
	line[n] = '\0';
	if (object)
		n += (size_t)snprintf(line + n, sizeof(line) - n, " %s", object);
	for (size_t i = 0; i < n; i++)
		h = h * 33 + (unsigned char)line[i];
	h %= sizeof(seen) / sizeof(seen[0]);
	for (s = seen[h]; s; s = s->next)
		if (strcmp(s->text, line) == 0)
			return;
	s = grab(sizeof(*s) + n + 1);
	memcpy(s->text, line, n + 1);
	s->next = seen[h];
	seen[h] = s;
	fprintf(out, "%s\n", line);
}

static bool fd_path(int fd, char path[PATH_MAX])
{
	char link[32];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, PATH_MAX - 1);
	path[n < 0 ? 0 : n] = '\0';
	return n > 0 && path[0] == '/';
}

static ino_t namespace(pid_t pid, const char *ns)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/ns/%s", (int)pid, ns);
	return stat(path, &st) == 0 ? st.st_ino : 0;
}

static bool differs(pid_t pid, const char *ns)
{
	ino_t other = namespace(pid, ns);

	return other && other != namespace(getpid(), ns);
}

/* 1: its program lies on DIR's file system; 0: not; -1: it is gone. With --names DIR is an overlay, whose files have device numbers of
 * their layers, but handles of the overlay's type; who else is on one that has none of its own has no handles. */
static int program_inside(pid_t pid)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = {.h.handle_bytes = MAX_HANDLE_SZ};
	char path[64];
	struct stat st;
	int id;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	if (stat(path, &st) < 0)
		return -1;
	if (!names)
		return st.st_dev == dir_st.st_dev;
	return name_to_handle_at(AT_FDCWD, path, &u.h, &id, AT_SYMLINK_FOLLOW) == 0 && u.h.handle_type == dir_handle_type;
}

static bool counts(pid_t pid, bool exec)
{
	if (own)
		return namespace(pid, "pid") == own_ns;
	if (pid <= 0)
		return false;
	if (!differs(pid, "pid") || !differs(pid, "mnt"))
		return false;
	return exec || program_inside(pid) == 1;
}

/* Where the root of that process lies, seen from us: its own name for it is "/". Through a handle, which knows no
 * mounts. */
static bool root_of(pid_t pid, char path[PATH_MAX])
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = {.h.handle_bytes = MAX_HANDLE_SZ};
	char root[64];
	int id, fd;
	bool ok;

	snprintf(root, sizeof(root), "/proc/%d/root", (int)pid);
	if (name_to_handle_at(AT_FDCWD, root, &u.h, &id, AT_SYMLINK_FOLLOW) < 0)
		return false;
	fd = open_by_handle_at(dir, &u.h, O_PATH | O_CLOEXEC);
	ok = fd >= 0 && fd_path(fd, path);
	if (fd >= 0)
		close(fd);
	return ok;
}

/* ---------------------------------------------------------------- --names: handles and what they stand for */

/* A directory, by its handle. */
struct place {
	struct place *next;
	struct place *parent; /* NULL: the root */
	char *name;
	char handle[2 * MAX_HANDLE_SZ + 16];
};

static struct place *places[65536];

static void handle_text(const struct file_handle *h, char text[2 * MAX_HANDLE_SZ + 16])
{
	int n = sprintf(text, "%x.", (unsigned)h->handle_type & 0xff);

	for (unsigned i = 0; i < h->handle_bytes && i < MAX_HANDLE_SZ; i++)
		n += sprintf(text + n, "%02x", h->f_handle[i]);
}

static struct place **find_place(const char *handle)
{
	unsigned h = 5381;
	struct place **p;

	for (const char *c = handle; *c; c++)
		h = h * 33 + (unsigned char)*c;
	for (p = &places[h % (sizeof(places) / sizeof(places[0]))]; *p; p = &(*p)->next)
		if (strcmp((*p)->handle, handle) == 0)
			break;
	return p;
}

static struct place *put_place(const char *handle, struct place *parent, const char *name)
{
	struct place **at = find_place(handle), *p = *at;

	if (!p) {
		p = *at = grab(sizeof(*p));
		*p = (struct place){0};
		strcpy(p->handle, handle);
	}
	free(p->name);
	p->name = strdup(name);
	p->parent = parent;
	return p;
}

static bool place_of(const char *path, char handle[2 * MAX_HANDLE_SZ + 16])
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = {.h.handle_bytes = MAX_HANDLE_SZ};
	int id;

	if (name_to_handle_at(AT_FDCWD, path, &u.h, &id, 0) < 0)
		return false;
	handle_text(&u.h, handle);
	dir_handle_type = u.h.handle_type;
	return true;
}

static int scan_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	static struct place *above[512];
	char handle[2 * MAX_HANDLE_SZ + 16];

	(void)st;
	if (type != FTW_D)
		return 0;
	if (!place_of(path, handle))
		die(path);
	if (ftw->level < 511)
		above[ftw->level] = put_place(handle, ftw->level ? above[ftw->level - 1] : NULL, ftw->level ? path + ftw->base : "");
	return 0;
}

/* Appends. */
static void place_path(const struct place *p, char path[LONGEST])
{
	if (p->parent)
		place_path(p->parent, path);
	if (*p->name && strlen(path) + strlen(p->name) + 2 < LONGEST)
		strcat(strcat(path, "/"), p->name);
}

/* ---------------------------------------------------------------- --names: the second fanotify */

struct info {
	struct place *at; /* NULL: a directory that we do not know */
	const char *name;
	bool there;
};

static void name_of(const struct info *i, char path[LONGEST])
{
	*path = '\0';
	place_path(i->at, path);
	if (strcmp(i->name, ".") != 0 && strlen(path) + strlen(i->name) + 2 < LONGEST)
		strcat(strcat(path, "/"), i->name);
	if (!*path)
		strcpy(path, "/");
}

static struct info info_of(struct fanotify_event_info_fid *f)
{
	struct file_handle *h = (struct file_handle *)f->handle;
	char handle[2 * MAX_HANDLE_SZ + 16];

	handle_text(h, handle);
	return (struct info){*find_place(handle), (char *)h->f_handle + h->handle_bytes, true};
}

static void tell_named(char kind, const struct info *i, const char *object)
{
	char path[LONGEST];

	if (!i->there)
		return;
	if (!i->at) {
		fprintf(stderr, "witness: %c %s: in a directory that was not seen to be made\n", kind, i->name);
		exit(125);
	}
	name_of(i, path);
	tell(kind, path, object);
}

static void note_named(const struct fanotify_event_metadata *e)
{
	struct info file = {0}, from = {0}, to = {0};
	char object[2 * MAX_HANDLE_SZ + 16] = "-";
	const char *p = (const char *)e + e->metadata_len, *end = (const char *)e + e->event_len;
	struct fanotify_event_info_header h;

	for (; p + sizeof(h) <= end && (memcpy(&h, p, sizeof(h)), h.len >= sizeof(h)); p += h.len) {
		struct fanotify_event_info_fid *f = (struct fanotify_event_info_fid *)(uintptr_t)p;

		if (h.info_type == FAN_EVENT_INFO_TYPE_DFID_NAME)
			file = info_of(f);
		else if (h.info_type == FAN_EVENT_INFO_TYPE_OLD_DFID_NAME)
			from = info_of(f);
		else if (h.info_type == FAN_EVENT_INFO_TYPE_NEW_DFID_NAME)
			to = info_of(f);
		else if (h.info_type == FAN_EVENT_INFO_TYPE_FID)
			handle_text((struct file_handle *)f->handle, object);
	}
	if (begun && program_inside(e->pid) != 0) { /* else it is the sandbox that does it */
		static const struct {
			uint64_t mask;
			char kind;
			bool object;
		} kinds[] = {{FAN_ACCESS, 'R', false}, {FAN_MODIFY, 'W', false}, {FAN_ATTRIB, 'M', true}, {FAN_CREATE, 'C', true},
			     {FAN_DELETE, 'D', false}};

		for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
			if (e->mask & kinds[i].mask)
				tell_named(kinds[i].kind, &file, kinds[i].object ? object : NULL);
		if (e->mask & FAN_RENAME) {
			tell_named('F', &from, NULL);
			tell_named('T', &to, NULL);
		}
	}
	if (!(e->mask & FAN_ONDIR))
		return;
	if (e->mask & FAN_CREATE && file.at)
		put_place(object, file.at, file.name);
	if (e->mask & FAN_RENAME && to.at)
		put_place(object, to.at, to.name);
}

static void take_named(void)
{
	static char buf[65536] __attribute__((aligned(8)));
	ssize_t n;

	while ((n = read(fan_names, buf, sizeof(buf))) > 0)
		for (struct fanotify_event_metadata *e = (void *)buf; FAN_EVENT_OK(e, n); e = FAN_EVENT_NEXT(e, n)) {
			if (e->mask & FAN_Q_OVERFLOW) {
				fprintf(stderr, "witness: events were lost\n");
				exit(125);
			}
			note_named(e);
		}
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		die("fanotify");
}

static void watch_names(void)
{
	if (nftw(dir_path, scan_one, 64, FTW_PHYS | FTW_MOUNT) != 0)
		die(dir_path);
	fan_names = fanotify_init(FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE | FAN_REPORT_DFID_NAME_TARGET,
				  O_RDONLY | O_LARGEFILE | O_CLOEXEC);
	if (fan_names < 0)
		die("fanotify_init with handles");
	if (fanotify_mark(fan_names, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
			  FAN_ACCESS | FAN_MODIFY | FAN_ATTRIB | FAN_CREATE | FAN_DELETE | FAN_RENAME | FAN_ONDIR, dir, NULL) < 0)
		die("fanotify_mark with handles");
}

static void begin(void)
{
	if (begun)
		return;
	/* Whoever executes waits for us: all before this was told already. */
	take_named();
	begun = true;
}

/* ---------------------------------------------------------------- opening and executing */

static void note(const struct fanotify_event_metadata *e)
{
	bool exec = e->mask & FAN_OPEN_EXEC_PERM;
	char name[PATH_MAX], root[PATH_MAX] = "", path[2 * PATH_MAX];
	size_t n = strlen(dir_path);
	struct stat st;

	if (fstat(e->fd, &st) < 0 || !(S_ISREG(st.st_mode) || names) || !counts(e->pid, exec) || !fd_path(e->fd, name))
		return;
	if (names) {
		bool outside = strncmp(name, dir_path, n) == 0 && name[n] == '/';

		if (exec)
			begin();
		/* Its mount is seen from inside of its mount namespace, or is ours. */
		snprintf(path, sizeof(path), "%s", outside ? name + n : name);
		n = 0;
	} else {
		if (differs(e->pid, "mnt") && !root_of(e->pid, root))
			return;
		snprintf(path, sizeof(path), "%s%s", strcmp(root, "/") == 0 ? "" : root, name);
		if (strcmp(dir_path, "/") == 0)
			n = 0;
		else if (strncmp(path, dir_path, n) != 0 || path[n] != '/')
			return;
	}
	/* The kernel tells of an execution twice: as that, and as an opening. */
	if (!exec && execs[e->pid % EXECS].pid == e->pid && execs[e->pid % EXECS].ino == st.st_ino) {
		execs[e->pid % EXECS].pid = 0;
		return;
	}
	if (exec)
		execs[e->pid % EXECS] = (struct exec){e->pid, st.st_ino};
	tell(exec ? 'X' : S_ISDIR(st.st_mode) ? 'L' : 'O', path + n, NULL);
}

static void take(int fan)
{
	char buf[65536] __attribute__((aligned(8)));
	ssize_t n = read(fan, buf, sizeof(buf));
	struct fanotify_event_metadata *e = (void *)buf;

	if (n < 0 && errno != EAGAIN && errno != EINTR)
		die("fanotify");
	for (; n > 0 && FAN_EVENT_OK(e, n); e = FAN_EVENT_NEXT(e, n)) {
		struct fanotify_response r = {e->fd, FAN_ALLOW};

		if (e->mask & FAN_Q_OVERFLOW) {
			fprintf(stderr, "witness: events were lost\n");
			exit(125);
		}
		note(e);
		if (write(fan, &r, sizeof(r)) < 0)
			die("answer");
		close(e->fd);
	}
}

static pid_t start(char **argv, int go[2], const sigset_t *mask)
{
	pid_t pid;
	char c;

	if (pipe2(go, O_CLOEXEC) < 0 || (own && unshare(CLONE_NEWPID) < 0))
		die("prepare");
	pid = fork();
	if (pid < 0)
		die("fork");
	if (pid > 0) {
		own_ns = namespace(pid, "pid");
		return pid;
	}
	sigprocmask(SIG_SETMASK, mask, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(go[1]);
	/* The mark stands: this exec is the first thing to be seen. */
	if (read(go[0], &c, 1) == 1)
		execvp(argv[0], argv);
	fprintf(stderr, "witness: %s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int main(int argc, char **argv)
{
	int fan, signals, status, first = 1, go[2];
	sigset_t mask, old;
	pid_t pid;

	if (argc > 1 && (strcmp(argv[1], "--own") == 0 || strcmp(argv[1], "--names") == 0)) {
		own = argv[1][2] == 'o';
		names = !own;
		first++;
	}
	if (argc < first + 4 || strcmp(argv[first + 2], "--") != 0) {
		fprintf(stderr, "usage: witness [--own|--names] DIR LOG -- COMMAND [ARG]...\n");
		return 125;
	}
	dir = open(argv[first], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fstat(dir, &dir_st) < 0 || !fd_path(dir, dir_path))
		die(argv[first]);
	out = fopen(argv[first + 1], "we");
	if (!out)
		die(argv[first + 1]);
	fan = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK | FAN_UNLIMITED_QUEUE | FAN_UNLIMITED_MARKS,
			    O_RDONLY | O_LARGEFILE | O_CLOEXEC);
	if (fan < 0)
		die("fanotify_init");
	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, &old);
	signals = signalfd(-1, &mask, SFD_CLOEXEC);
	if (names)
		watch_names();
	pid = start(argv + first + 3, go, &old);
	if (fanotify_mark(fan, FAN_MARK_ADD | FAN_MARK_FILESYSTEM,
			  FAN_OPEN_PERM | FAN_OPEN_EXEC_PERM | (names ? FAN_ONDIR : 0), dir, NULL) < 0)
		die("fanotify_mark");
	if (write(go[1], "", 1) != 1)
		die("pipe");
	for (;;) {
		struct pollfd p[] = {{fan, POLLIN, 0}, {signals, POLLIN, 0}, {fan_names, POLLIN, 0}};

		if (poll(p, 3, -1) < 0)
			die("poll");
		if (p[2].revents)
			take_named();
		if (p[0].revents)
			take(fan);
		else if (p[1].revents && waitpid(pid, &status, WNOHANG) == pid)
			break;
	}
	if (names)
		take_named();
	if (fclose(out) != 0)
		die(argv[first + 1]);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
