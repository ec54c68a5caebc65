/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stress_paths DIR THREADS ROUNDS
 *
 * Uses paths in every way that a program has, from many threads and processes at once, and prints what it did, in the form
 * of witness.c: "KIND PATH", where KIND is one of witness.c's, or
 *
 *	S looked at   G entered (working or root directory)   K a symlink, walked or read   P opened with O_PATH
 *	U connected or sent to   N not there   V opened, what is no file
 *
 * DIR is absolute, has no symlink in it, and is empty. Each thread works in a directory of its own, so what it finds does not
 * depend on the others; what they share they only read. Whatever does not work as it should ends the program with 1. A line
 * with "0" is what could not be tried here, or was open that should be closed (io_uring).
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define STACK (256 << 10)
#define DIR_MAX 80 /* so that a socket's address has room for it */

struct job {
	pthread_t thread;
	char dir[DIR_MAX + 16]; /* its own; the shared one is DIR itself */
	int at;			/* descriptor of it */
	int rounds, number;
	char *list;
	size_t n;
	FILE *out;
};

static const char *top;

static _Noreturn void fail(const char *what, int line)
{
	fprintf(stderr, "stress_paths:%d: %s: %s\n", line, what, strerror(errno));
	_exit(1);
}

#define MUST(x)                                                                                                                    \
	__extension__({                                                                                                            \
		long v_ = (long)(x);                                                                                               \
		if (v_ < 0)                                                                                                        \
			fail(#x, __LINE__);                                                                                        \
		v_;                                                                                                                \
	})
#define FAILS(x, e)                                                                                                                \
	do {                                                                                                                       \
		errno = 0;                                                                                                         \
		if ((long)(x) >= 0 || errno != (e))                                                                                \
			fail("not " #e ": " #x, __LINE__);                                                                         \
	} while (0)

/* "KIND DIR/PATH"; a path that begins with '^' is one of the shared directory. */
static void did(struct job *j, const char *kinds, const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	for (; *kinds; kinds++) {
		fprintf(j->out, "%c %s/", *kinds, path[0] == '^' ? top : j->dir);
		for (const unsigned char *p = (const unsigned char *)path + (path[0] == '^'); *p; p++)
			if (*p > 0x20 && *p < 0x7f && *p != '\\')
				fputc(*p, j->out);
			else
				fprintf(j->out, "\\x%02x", *p);
		fputc('\n', j->out);
	}
}

static void put(int at, const char *name, const char *text, mode_t mode)
{
	int fd = (int)MUST(openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));

	MUST(write(fd, text, strlen(text)));
	close(fd);
}

static void look(int at, const char *name, int flags)
{
	close((int)MUST(openat(at, name, flags | O_CLOEXEC)));
}

/* Room for what the round's number is part of. */
struct name {
	char s[DIR_MAX + 64];
};
#define NAME(fmt, ...)                                                                                                             \
	__extension__({                                                                                                            \
		struct name n_;                                                                                                    \
		snprintf(n_.s, sizeof(n_.s), fmt, __VA_ARGS__);                                                                    \
		n_;                                                                                                                \
	}).s

static pid_t child(void)
{
	return (pid_t)MUST(fork());
}

static void ends_at(pid_t pid, int line)
{
	int status;

	MUST(waitpid(pid, &status, 0));
	if (status == 0)
		return;
	errno = ECHILD;
	fail("a child", line);
}
#define ends(pid) ends_at(pid, __LINE__)

/* ---------------------------------------------------------------- files */

static void files(struct job *j, int r)
{
	struct open_how beneath = {.flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_BENEATH};
	struct open_how in_root = {.flags = O_RDONLY | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT};
	char text[16], whole[4096];
	int fd;

	put(j->at, NAME("made%d", r), "x", 0644);
	did(j, "COW", "made%d", r);
	fd = (int)MUST(openat(j->at, NAME("made%d", r), O_RDWR | O_CLOEXEC));
	MUST(read(fd, text, 1));
	did(j, "OR", "made%d", r);
	close(fd);
	/* A ".." while others rename is refused for a moment. */
	do
		fd = (int)syscall(SYS_openat2, j->at, "sub/../sub/deep", &beneath, sizeof(beneath));
	while (fd < 0 && errno == EAGAIN);
	MUST(fd);
	close(fd);
	fd = (int)MUST(syscall(SYS_openat2, j->at, "/jail-link", &in_root, sizeof(in_root)));
	close(fd);
	did(j, "O", "sub/deep");
	did(j, "K", "jail-link");
	did(j, "O", "sub/rooted");
	snprintf(whole, sizeof(whole), "%s//./sub/..//shared-link", j->dir);
	look(AT_FDCWD, whole, O_RDONLY);
	did(j, "K", "shared-link");
	did(j, "O", "^shared/file");
	look(j->at, "dlink/twice/deep", O_RDONLY);
	did(j, "K", "dlink");
	did(j, "K", "sub/twice");
	look(j->at, "sub", O_PATH);
	did(j, "P", "sub");
	look(j->at, "sub/deep", O_PATH);
	did(j, "P", "sub/deep");
	FAILS(openat(j->at, NAME("none%d", r), O_RDONLY), ENOENT);
	did(j, "N", "none%d", r);
	FAILS(openat(j->at, NAME("none%d/below", r), O_RDONLY), ENOENT);
	fd = (int)MUST(open(j->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	MUST(syscall(SYS_getdents64, fd, whole, sizeof(whole)));
	did(j, "LR", ".");
	/* The same again by the descriptor's name. */
	snprintf(text, sizeof(text), "%d", fd);
	snprintf(whole, sizeof(whole), "/proc/self/fd/%s/sub/by-fd", text);
	look(AT_FDCWD, whole, O_RDONLY);
	did(j, "O", "sub/by-fd");
	close(fd);
	/* Bytes that mean something elsewhere. */
	put(j->at, NAME("%d\n\t\\ \xff", r), "", 0600);
	did(j, "CO", "%d\n\t\\ \xff", r);
	MUST(unlinkat(j->at, NAME("%d\n\t\\ \xff", r), 0));
	did(j, "D", "%d\n\t\\ \xff", r);
	/* A file that gets its name later. */
	fd = openat(j->at, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0644);
	if (fd >= 0) {
		snprintf(whole, sizeof(whole), "/proc/self/fd/%d", fd);
		MUST(linkat(AT_FDCWD, whole, j->at, NAME("named%d", r), AT_SYMLINK_FOLLOW));
		did(j, "C", "named%d", r);
		close(fd);
	}
}

static void looks(struct job *j, int r)
{
	char path[PATH_MAX], buf[PATH_MAX];
	struct statx sx;
	struct statfs fs;
	struct stat st;
	int fd;

	put(j->at, NAME("look%d", r), "", 0644);
	snprintf(path, sizeof(path), "%s/look%d", j->dir, r);
	MUST(stat(path, &st));
	did(j, "S", "look%d", r);
	MUST(symlinkat(NAME("look%d", r), j->at, NAME("llook%d", r)));
	did(j, "C", "llook%d", r);
	MUST(readlinkat(j->at, NAME("llook%d", r), buf, sizeof(buf)));
	did(j, "K", "llook%d", r);
	/* Each on a file of its own, so that no other call can have told. */
#define LOOK(n, call)                                                                                                              \
	put(j->at, NAME("see%d-%d", r, n), "", 0644);                                                                              \
	snprintf(path, sizeof(path), "%s/see%d-%d", j->dir, r, n);                                                                 \
	call;                                                                                                                      \
	did(j, "S", "see%d-%d", r, n)
	LOOK(0, MUST(statx(AT_FDCWD, path, 0, STATX_BASIC_STATS, &sx)));
	LOOK(1, MUST(access(path, R_OK)));
	LOOK(2, MUST(faccessat(AT_FDCWD, path, R_OK, AT_EACCESS)));
	LOOK(3, MUST(statfs(path, &fs)));
	LOOK(4, getxattr(path, "user.x", buf, sizeof(buf)));
	LOOK(5, MUST(listxattr(path, buf, sizeof(buf))));
	LOOK(6, MUST(lstat(path, &st)));
	LOOK(7, fd = (int)MUST(inotify_init1(IN_CLOEXEC)); MUST(inotify_add_watch(fd, path, IN_OPEN)); close(fd));
	LOOK(8, MUST(syscall(SYS_faccessat2, AT_FDCWD, path, R_OK, AT_SYMLINK_NOFOLLOW)));
	LOOK(9, MUST(fstatat(j->at, NAME("see%d-9", r), &st, 0)));
#undef LOOK
	FAILS(stat(NAME("%s/nothing", "/none"), &st), ENOENT);
	FAILS(faccessat(j->at, NAME("nope%d", r), F_OK, 0), ENOENT);
	did(j, "N", "nope%d", r);
}

static void names(struct job *j, int r)
{
	struct timespec now[2] = {{1, 0}, {1, 0}};
	int fd;

	put(j->at, NAME("a%d", r), "a", 0644);
	did(j, "CO", "a%d", r);
	MUST(linkat(j->at, NAME("a%d", r), j->at, NAME("b%d", r), 0));
	did(j, "C", "b%d", r);
	MUST(renameat(j->at, NAME("b%d", r), j->at, NAME("sub/c%d", r)));
	/* Two names of one file: nothing is done. */
	MUST(renameat(j->at, NAME("a%d", r), j->at, NAME("a%d", r)));
	did(j, "F", "b%d", r);
	did(j, "T", "sub/c%d", r);
	put(j->at, NAME("d%d", r), "d", 0644);
	MUST(renameat(j->at, NAME("d%d", r), j->at, NAME("a%d", r)));
	did(j, "F", "d%d", r);
	did(j, "T", "a%d", r);
	MUST(syscall(SYS_renameat2, j->at, NAME("a%d", r), j->at, NAME("sub/c%d", r), 2 /* RENAME_EXCHANGE */));
	did(j, "FT", "a%d", r);
	did(j, "FT", "sub/c%d", r);
	MUST(unlinkat(j->at, NAME("sub/c%d", r), 0));
	did(j, "D", "sub/c%d", r);
	MUST(fchmodat(j->at, NAME("a%d", r), 0600, 0));
	MUST(utimensat(j->at, NAME("a%d", r), now, 0));
	MUST(fchownat(j->at, NAME("a%d", r), 0, 0, 0));
	did(j, "M", "a%d", r);
	fd = (int)MUST(openat(j->at, NAME("a%d", r), O_WRONLY | O_TRUNC | O_CLOEXEC));
	MUST(fchmod(fd, 0640));
	close(fd);
	did(j, "OW", "a%d", r);
	/* A directory that is renamed while it is held; what is made below it by the descriptor has the new name. */
	MUST(mkdirat(j->at, NAME("dir%d", r), 0755));
	did(j, "C", "dir%d", r);
	fd = (int)MUST(openat(j->at, NAME("dir%d", r), O_PATH | O_CLOEXEC));
	MUST(renameat(j->at, NAME("dir%d", r), j->at, NAME("Dir%d", r)));
	did(j, "F", "dir%d", r);
	did(j, "T", "Dir%d", r);
	put(fd, "inside", "", 0644);
	did(j, "CO", "Dir%d/inside", r);
	MUST(mkdirat(fd, "below", 0700));
	did(j, "C", "Dir%d/below", r);
	MUST(unlinkat(fd, "below", AT_REMOVEDIR));
	did(j, "D", "Dir%d/below", r);
	MUST(unlinkat(fd, "inside", 0));
	MUST(unlinkat(j->at, NAME("Dir%d", r), AT_REMOVEDIR));
	did(j, "D", "Dir%d/inside", r);
	did(j, "D", "Dir%d", r);
	/* Nothing can be made in it any more, by whatever name. */
	FAILS(openat(fd, "late", O_WRONLY | O_CREAT, 0644), ENOENT);
	close(fd);
	MUST(mknodat(j->at, NAME("fifo%d", r), S_IFIFO | 0600, 0));
	did(j, "C", "fifo%d", r);
	look(j->at, NAME("fifo%d", r), O_RDWR | O_NONBLOCK);
	did(j, "V", "fifo%d", r);
}

static void sockets(struct job *j, int r)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX}, d = a;
	struct msghdr m = {.msg_name = &d, .msg_namelen = sizeof(d)};
	struct iovec v = {(void *)(uintptr_t) "x", 1};
	int s, c, g;

	sprintf(a.sun_path, "%.90s/s%d", j->dir, r);
	sprintf(d.sun_path, "%.90s/g%d", j->dir, r);
	s = (int)MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(bind(s, (struct sockaddr *)&a, sizeof(a)));
	MUST(listen(s, 1));
	did(j, "C", "s%d", r);
	c = (int)MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(connect(c, (struct sockaddr *)&a, sizeof(a)));
	did(j, "U", "s%d", r);
	close(c);
	close(s);
	g = (int)MUST(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	MUST(bind(g, (struct sockaddr *)&d, sizeof(d)));
	c = (int)MUST(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	if (r % 2) {
		MUST(sendto(c, "x", 1, 0, (struct sockaddr *)&d, sizeof(d)));
	} else {
		m.msg_iov = &v;
		m.msg_iovlen = 1;
		MUST(sendmsg(c, &m, 0));
	}
	did(j, "CU", "g%d", r);
	close(c);
	close(g);
}

/* ---------------------------------------------------------------- processes */

static char *const no_env[] = {NULL};

static void run(int at, const char *program, const char *file, int how)
{
	char *const argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t) "--open", (char *)(uintptr_t)file, NULL};

	syscall(SYS_execveat, at, program, argv, no_env, how);
	_exit(1);
}

/* The child shares our memory until it executes. */
static __attribute__((noinline)) pid_t run_vforked(const char *program, const char *file)
{
	pid_t pid = vfork();

	if (pid == 0) {
		execle(program, program, "--open", file, (char *)NULL, no_env);
		_exit(1);
	}
	return (pid_t)MUST(pid);
}

struct late {
	struct job *j;
	int r;
};

static void *exec_from_a_thread(void *arg)
{
	struct late *l = arg;
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/by%d-thread", l->j->dir, l->r);
	run(l->j->at, "prog", path, 0);
	return NULL;
}

static int cloned(void *arg)
{
	struct late *l = arg;

	look(l->j->at, NAME("by%d-clone", l->r), O_RDONLY);
	_exit(0);
}

static void executions(struct job *j, int r)
{
	static const char *const ways[] = {"vfork", "script", "fd", "nested", "thread", "clone", "link", "32"};
	char file[DIR_MAX + 64], program[DIR_MAX + 32];
	struct late l = {j, r};
	char *stack;
	pid_t pid;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		put(j->at, NAME("by%d-%s", r, ways[i]), "", 0644);
	snprintf(file, sizeof(file), "%s/by%d-vfork", j->dir, r);
	snprintf(program, sizeof(program), "%s/prog", j->dir);
	ends(run_vforked(program, file));
	did(j, "O", "by%d-vfork", r);
	did(j, "X", "prog");

	snprintf(file, sizeof(file), "%s/by%d-script", j->dir, r);
	pid = child();
	if (pid == 0)
		run(AT_FDCWD, NAME("%s/script", j->dir), file, 0);
	ends(pid);
	did(j, "X", "script");
	did(j, "O", "by%d-script", r);

	snprintf(file, sizeof(file), "%s/by%d-nested", j->dir, r);
	pid = child();
	if (pid == 0)
		run(AT_FDCWD, NAME("%s/nested", j->dir), file, 0);
	ends(pid);
	did(j, "X", "nested");
	did(j, "O", "by%d-nested", r);

	snprintf(file, sizeof(file), "%s/by%d-link", j->dir, r);
	pid = child();
	if (pid == 0)
		run(j->at, "prog-link", file, 0);
	ends(pid);
	did(j, "K", "prog-link");
	did(j, "O", "by%d-link", r);

	snprintf(file, sizeof(file), "%s/by%d-fd", j->dir, r);
	pid = child();
	if (pid == 0) {
		int fd = (int)MUST(openat(j->at, "prog2", O_RDONLY | O_CLOEXEC));

		char *const argv[] = {(char *)(uintptr_t) "x", (char *)(uintptr_t) "--open", file, NULL};

		syscall(SYS_execveat, fd, "", argv, no_env, AT_EMPTY_PATH);
		_exit(1);
	}
	ends(pid);
	did(j, "X", "prog2");
	did(j, "O", "by%d-fd", r);

	pid = child();
	if (pid == 0) {
		pthread_t t;

		pthread_create(&t, NULL, exec_from_a_thread, &l);
		for (;;)
			pause();
	}
	ends(pid);
	did(j, "O", "by%d-thread", r);

	stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ends((pid_t)MUST(clone(cloned, stack + STACK, CLONE_VFORK | CLONE_VM | CLONE_FILES | SIGCHLD, &l)));
	munmap(stack, STACK);
	did(j, "O", "by%d-clone", r);

#ifdef __x86_64__
	pid = child();
	if (pid == 0) {
		char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
		int fd;

		snprintf(low, 4096, "%s/by%d-32", j->dir, r);
		__asm__ volatile("int $0x80" : "=a"(fd) : "a"(5), "b"(low), "c"(0), "d"(0) : "memory", "r8", "r9", "r10", "r11");
		_exit(fd >= 0 ? 0 : fd == -ENOSYS ? 2 : 1);
	}
	{
		int status;

		MUST(waitpid(pid, &status, 0));
		if (WEXITSTATUS(status) == 1)
			fail("a 32-bit open", __LINE__);
		did(j, status == 0 ? "O" : "0", "by%d-32", r);
	}
#endif
}

static void put_in_sub(const struct job *j, int r, const char *name)
{
	put(j->at, NAME("sub/%d-%s", r, name), "", 0644);
}

/* Another process's descriptor as a starting point. */
static void passed(struct job *j, int r)
{
	char byte;
	int up[2];
	pid_t pid;

	put_in_sub(j, r, "passed");
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, up));
	pid = child();
	if (pid == 0) {
		union {
			struct cmsghdr align;
			char buf[CMSG_SPACE(sizeof(int))];
		} u;
		struct iovec v = {&byte, 1};
		struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = u.buf, .msg_controllen = sizeof(u.buf)};
		int fd;

		MUST(recvmsg(up[1], &m, 0));
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
		look(fd, NAME("%d-passed", r), O_RDONLY);
		_exit(0);
	}
	{
		union {
			struct cmsghdr align;
			char buf[CMSG_SPACE(sizeof(int))];
		} u = {0};
		struct iovec v = {(void *)(uintptr_t) "x", 1};
		struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = u.buf, .msg_controllen = sizeof(u.buf)};
		struct cmsghdr *h = CMSG_FIRSTHDR(&m);
		int fd = (int)MUST(openat(j->at, "sub", O_PATH | O_CLOEXEC));

		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(fd));
		memcpy(CMSG_DATA(h), &fd, sizeof(fd));
		MUST(sendmsg(up[0], &m, 0));
		close(fd);
	}
	ends(pid);
	did(j, "O", "sub/%d-passed", r);
	close(up[0]);
	close(up[1]);
}

/* Who works when parents and theirs are gone. */
static void orphans(struct job *j, int r)
{
	char byte;
	int p[2];
	pid_t pid;

	put_in_sub(j, r, "late");
	MUST(pipe2(p, O_CLOEXEC));
	pid = child();
	if (pid == 0) {
		if (fork() == 0) {
			setsid();
			if (fork() == 0) {
				while (getppid() != 1)
					sched_yield();
				look(j->at, NAME("sub/%d-late", r), O_RDONLY);
				put(j->at, NAME("sub/%d-later", r), "", 0644);
				/* The write end closes with us. */
				_exit(0);
			}
			_exit(0);
		}
		_exit(0);
	}
	ends(pid);
	close(p[1]);
	if (read(p[0], &byte, 1) != 0)
		fail("a pipe", __LINE__);
	close(p[0]);
	did(j, "O", "sub/%d-late", r);
	did(j, "CO", "sub/%d-later", r);
}

static void places(struct job *j, int r)
{
	static const char *const files[] = {"cwd", "root", "user", "fs"};
	pid_t pid;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		put_in_sub(j, r, files[i]);

	pid = child();
	if (pid == 0) {
		MUST(fchdir(j->at));
		MUST(chdir("dlink"));
		look(AT_FDCWD, NAME("%d-cwd", r), O_RDONLY);
		_exit(0);
	}
	ends(pid);
	did(j, "G", "sub");
	did(j, "O", "sub/%d-cwd", r);

	pid = child();
	if (pid == 0) {
		MUST(chroot(j->dir));
		MUST(chdir("/sub"));
		look(AT_FDCWD, NAME("/../../dlink/%d-root", r), O_RDONLY);
		look(AT_FDCWD, "twice/deep", O_RDONLY);
		MUST(chroot("."));
		look(AT_FDCWD, "/rooted", O_RDONLY);
		FAILS(open(NAME("/rootless%d", r), O_RDONLY), ENOENT);
		_exit(0);
	}
	ends(pid);
	did(j, "G", ".");
	did(j, "O", "sub/%d-root", r);
	did(j, "N", "sub/rootless%d", r);

	pid = child();
	if (pid == 0) {
		MUST(setresgid(1000, 1000, 1000));
		MUST(setresuid(1000, 1000, 1000));
		look(j->at, NAME("sub/%d-user", r), O_RDONLY);
		FAILS(openat(j->at, "secret/file", O_RDONLY), EACCES);
		FAILS(openat(j->at, NAME("%d-mine", r), O_WRONLY | O_CREAT, 0600), EACCES);
		put(j->at, NAME("open/%d-mine", r), "", 0600);
		_exit(0);
	}
	ends(pid);
	did(j, "O", "sub/%d-user", r);
	did(j, "CO", "open/%d-mine", r);

	/* A working directory of one thread alone, where that is allowed. */
	pid = child();
	if (pid == 0) {
		if (unshare(CLONE_FS) < 0)
			_exit(0);
		MUST(fchdir(j->at));
		look(AT_FDCWD, NAME("sub/%d-fs", r), O_RDONLY);
		_exit(0);
	}
	ends(pid);
	passed(j, r);
	orphans(j, r);
}

/* What only some of root's capabilities allow. */
static void powers(struct job *j, int r)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)(600 + j->number))};
	volatile char *flag;
	int s, on = 1;
	pid_t pid;

	put(j->at, NAME("others%d", r), "x", 0644);
	MUST(fchownat(j->at, NAME("others%d", r), 1000, 1000, 0)); /* CHOWN */
	MUST(fchmodat(j->at, NAME("others%d", r), 0, 0)); /* FOWNER */
	look(j->at, NAME("others%d", r), O_RDWR); /* DAC_OVERRIDE */
	did(j, "MO", "others%d", r);
	s = (int)MUST(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	MUST(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	MUST(bind(s, (struct sockaddr *)&a, sizeof(a))); /* NET_BIND_SERVICE */
	close(s);
	/* No pipe: children of other threads would hold its ends as well. */
	flag = mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid = child();
	if (pid == 0) {
		MUST(setresuid(1000, 1000, 1000));
		*flag = 1;
		for (;;)
			pause();
	}
	while (!*flag)
		sched_yield();
	munmap((void *)(uintptr_t)flag, 1);
	MUST(kill(pid, SIGKILL)); /* KILL */
	MUST(waitpid(pid, NULL, 0));
}

static void refused(struct job *j)
{
	char params[120] = {0};
	long fd = syscall(425 /* io_uring_setup */, 1, params);

	/* Who watches system calls must not let there be a way around them. */
	if (fd < 0)
		return;
	close((int)fd);
	did(j, "0", "io_uring");
}

/* ---------------------------------------------------------------- threads */

static void copy_self(int at, const char *name)
{
	char buf[65536];
	int from = (int)MUST(open("/proc/self/exe", O_RDONLY | O_CLOEXEC)), to;
	ssize_t n;

	to = (int)MUST(openat(at, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0755));
	while ((n = (ssize_t)MUST(read(from, buf, sizeof(buf)))) > 0)
		MUST(write(to, buf, (size_t)n));
	close(from);
	close(to);
}

static void prepare(struct job *j, int i)
{
	char text[PATH_MAX + 64];

	snprintf(j->dir, sizeof(j->dir), "%s/t%d", top, i);
	MUST(mkdir(j->dir, 0755));
	j->number = i;
	j->at = (int)MUST(open(j->dir, O_PATH | O_DIRECTORY | O_CLOEXEC));
	j->out = open_memstream(&j->list, &j->n);
	MUST(mkdirat(j->at, "sub", 0755));
	MUST(mkdirat(j->at, "secret", 0700));
	MUST(mkdirat(j->at, "open", 0777));
	MUST(fchmodat(j->at, "open", 0777, 0));
	put(j->at, "sub/deep", "", 0644);
	put(j->at, "sub/rooted", "", 0644);
	put(j->at, "sub/by-fd", "", 0644);
	put(j->at, "secret/file", "", 0644);
	MUST(symlinkat("/sub/rooted", j->at, "jail-link"));
	MUST(symlinkat("../shared/file", j->at, "shared-link"));
	MUST(symlinkat("sub", j->at, "dlink"));
	MUST(symlinkat("../sub", j->at, "sub/twice"));
	/* Written by this process: nobody may be forked that holds it open for writing while it is executed. */
	copy_self(j->at, "prog");
	copy_self(j->at, "prog2");
	MUST(symlinkat("prog", j->at, "prog-link"));
	snprintf(text, sizeof(text), "#!%s/prog --skip\n", j->dir);
	put(j->at, "script", text, 0755);
	snprintf(text, sizeof(text), "#! %s/script\n", j->dir);
	put(j->at, "nested", text, 0755);
}

static void *work(void *arg)
{
	struct job *j = arg;

	refused(j);
	for (int r = 0; r < j->rounds; r++) {
		files(j, r);
		looks(j, r);
		names(j, r);
		sockets(j, r);
		executions(j, r);
		places(j, r);
		powers(j, r);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	struct job *jobs;
	int n, at;

	/* prog --open FILE; of a script: prog --skip SCRIPT --open FILE, of a nested one: … --skip SCRIPT NESTED … */
	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "--open") == 0)
			return open(argv[i + 1], O_RDONLY | O_CLOEXEC) < 0;
	if (argc != 4 || strlen(argv[1]) > DIR_MAX) {
		fprintf(stderr, "usage: stress_paths DIR THREADS ROUNDS\n");
		return 2;
	}
	umask(022);
	top = argv[1];
	n = atoi(argv[2]);
	at = (int)MUST(open(top, O_PATH | O_DIRECTORY | O_CLOEXEC));
	MUST(mkdirat(at, "shared", 0755));
	put(at, "shared/file", "", 0644);
	jobs = calloc((size_t)n, sizeof(*jobs));
	for (int i = 0; i < n; i++) {
		jobs[i].rounds = atoi(argv[3]);
		prepare(&jobs[i], i);
	}
	for (int i = 0; i < n; i++)
		if (pthread_create(&jobs[i].thread, NULL, work, &jobs[i]) != 0)
			fail("pthread_create", __LINE__);
	for (int i = 0; i < n; i++) {
		pthread_join(jobs[i].thread, NULL);
		fclose(jobs[i].out);
		fwrite(jobs[i].list, 1, jobs[i].n, stdout);
	}
	return fflush(stdout) == 0 ? 0 : 1;
}
