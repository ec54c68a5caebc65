/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The observer under the real kernel. A copy of this program lies in a directory of its own, is executed there under the filter,
 * and does one thing; what the log says of that directory is compared with what it should say, all of it, in order.
 */
#include "base/base.h"
#include "base/observation.h"
#include "sandbox/seccomp.h"
#include "sandbox/supervisor.h"
#include "sandbox/supervisor_private.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <limits.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <utime.h>

#define AT AT_FDCWD

static char *top; /* the directory */
static int filter = -1;

/* ---------------------------------------------------------------- what is done; the working directory is the directory */

static void look(const char *path, int flags)
{
	int fd = openat(AT, path, flags, 0644);

	if (fd >= 0)
		close(fd);
}

static void run(const char *path, const char *act)
{
	char *const argv[] = {wh_strdup(path), wh_strdup("--act"), wh_strdup(act), NULL};
	pid_t pid = fork();

	if (pid == 0) {
		execv(path, argv);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

static void do_nothing(void)
{
}

static void do_open(void)
{
	WH_AUTO_FREE char *absolute = wh_asprintf("%s/file", top);

	look("file", O_RDONLY);
	look("file", O_RDONLY);
	look(absolute, O_RDWR);
	look("dir", O_RDONLY | O_DIRECTORY);
	look("dir", O_PATH);
	look("dir/.././/file", O_PATH);
	look("file", O_RDONLY | O_TRUNC);
	look("dir", O_TMPFILE | O_RDWR);
}

static void do_links(void)
{
	look("link", O_RDONLY);
	look("a", O_RDONLY);
	look("dlink/file", O_RDONLY);
	look("absolute", O_RDONLY);
	look("dlink/../link", O_RDONLY);
	look("loop", O_RDONLY);
	look("dangling", O_RDONLY);
	look("link", O_RDONLY | O_NOFOLLOW);
	look("dlink/", O_RDONLY | O_NOFOLLOW);
}

static void do_dirfd(void)
{
	int dir = openat(AT, "dir", O_PATH);

	close(openat(dir, "file", O_RDONLY));
	close(openat(dir, "../file", O_RDONLY));
	close(openat(dir, "nothing", O_RDONLY));
	faccessat(dir, "sub", F_OK, 0);
	openat(99, "file", O_RDONLY);
}

static void do_cwd(void)
{
	int here = openat(AT, ".", O_PATH);

	if (chdir("dir") < 0)
		return;
	look("file", O_RDONLY);
	look("../link", O_PATH | O_NOFOLLOW);
	if (fchdir(here) == 0)
		look("link2", O_RDONLY);
}

static void do_gone_cwd(void)
{
	mkdir("gone", 0755);
	if (chdir("gone") == 0) {
		rmdir("../gone");
		look("file", O_RDONLY);
	}
}

static void do_missing(void)
{
	struct stat st;

	look("nothing", O_RDONLY);
	if (stat("no/such/thing", &st) == 0 || stat("no/../file", &st) == 0 || stat("file/below", &st) == 0 ||
	    stat("dlink/no", &st) == 0)
		abort();
}

static void do_create(void)
{
	look("new", O_WRONLY | O_CREAT);
	look("new", O_WRONLY | O_CREAT | O_APPEND);
	look("file", O_WRONLY | O_CREAT | O_EXCL);
	look("dangling", O_WRONLY | O_CREAT);
	look("no/new", O_WRONLY | O_CREAT);
	syscall(SYS_creat, "made", 0644);
	syscall(SYS_creat, "file", 0644);
}

static void do_names(void)
{
	if (mkdir("d", 0755) || mkdir("dir", 0755) == 0 || mknod("fifo", S_IFIFO | 0600, 0) || symlink("x", "s") ||
	    link("file", "hard") || linkat(AT, "link", AT, "hard2", AT_SYMLINK_FOLLOW) || rename("hard", "moved") ||
	    rename("moved", "hard2") || unlink("hard2") || rmdir("d") || unlink("s") || unlink("nothing") == 0)
		abort();
	syscall(SYS_renameat2, AT, "file", AT, "fifo", 2);
}

static void do_look(void)
{
	char buf[4096];
	struct stat st;
	struct statfs fs;
	struct statx sx;
	struct file_handle *h = (struct file_handle *)(void *)buf;
	int id, n = inotify_init1(IN_CLOEXEC);

	lstat("link", &st);
	stat("link2", &st);
	if (readlink("a", buf, sizeof(buf)) != 1)
		abort();
	statx(AT, "file", AT_SYMLINK_NOFOLLOW, STATX_MODE, &sx);
	statfs("dir", &fs);
	inotify_add_watch(n, "dlink", IN_ACCESS | IN_DONT_FOLLOW);
	getxattr("script", "user.x", buf, sizeof(buf));
	h->handle_bytes = 128;
	name_to_handle_at(AT, "dir/file", h, &id, 0);
	/* Of an open file: nothing new. */
	fstatat(openat(AT, "dir", O_PATH), "", &st, AT_EMPTY_PATH);
}

static void do_change(void)
{
	int fd = openat(AT, "dir/file", O_RDONLY);
	struct utimbuf t = {0, 0};

	if (chmod("file", 0600) || lchown("link", (uid_t)-1, (gid_t)-1) || utime("link2", &t) || truncate("a", 1) ||
	    utimensat(AT, "dir", NULL, 0) || fchmod(fd, 0600) || futimens(fd, NULL))
		abort();
	setxattr("script", "user.x", "1", 1, 0);
}

static void do_exec(void)
{
	run("prog", "open_one");
	run("./script", "ignored");
	run("nested", "ignored");
	run("link", "ignored"); /* not executable */
	run("nothing", "ignored");
	look("file", O_RDONLY);
}

static void do_open_one(void)
{
	look("dir/file", O_RDONLY);
}

static void do_fexec(void)
{
	char *const argv[] = {wh_strdup("prog"), wh_strdup("--act"), wh_strdup("open_one"), NULL};

	syscall(SYS_execveat, openat(AT, "prog", O_PATH | O_CLOEXEC), "", argv, environ, AT_EMPTY_PATH);
}

static void do_reexec(void)
{
	char *const argv[] = {wh_strdup("prog"), wh_strdup("--act"), wh_strdup("open_one"), NULL};

	execv("/proc/self/exe", argv);
}

static void do_vfork(void)
{
	char *const argv[] = {wh_strdup("prog"), wh_strdup("--act"), wh_strdup("open_one"), NULL};
	pid_t pid = vfork();

	if (pid == 0) {
		execv("prog", argv);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
	look("file", O_RDONLY);
}

/* The child calls for the first time when its parent was another program and is gone. */
static void do_orphan(void)
{
	char *const argv[] = {wh_strdup("prog2"), wh_strdup("--act"), wh_strdup("nothing"), NULL};
	int p[2];
	char c;

	if (pipe(p))
		abort();
	if (fork() == 0) {
		close(p[1]);
		if (read(p[0], &c, 1) == 0)
			look("file", O_RDONLY);
		_exit(0);
	}
	execv("prog2", argv);
}

static void *thread(void *arg)
{
	look(arg, O_RDONLY);
	return NULL;
}

static void *exec_thread(void *arg)
{
	(void)arg;
	do_fexec();
	return NULL;
}

static void do_threads(void)
{
	pthread_t t;

	for (int i = 0; i < 50; i++)
		if (pthread_create(&t, NULL, thread, wh_strdup(i % 2 ? "file" : "dir/file")) || pthread_join(t, NULL))
			abort();
	pthread_create(&t, NULL, exec_thread, NULL);
	pthread_join(t, NULL);
}

static void do_proc(void)
{
	WH_AUTO_FREE char *mine = wh_asprintf("/proc/%d/fd/3", (int)getpid());
	char buf[PATH_MAX];
	struct stat st;
	int fd;

	syscall(SYS_close_range, 3, ~0U, 0);
	fd = openat(AT, "file", O_RDONLY);
	if (fd != 3 || stat("/proc/self/exe", &st) || readlink("/proc/self/exe", buf, sizeof(buf)) < 0)
		abort();
	look("/proc/self/fd/3", O_WRONLY);
	look("/dev/fd/3", O_PATH);
	look("/proc/self/cwd/dir/file", O_RDONLY);
	look("/proc/thread-self/root/proc/self/cwd/a", O_RDONLY);
	look(mine, O_RDWR);
	look("/proc/self/status", O_RDONLY);
	look("/dev/null", O_RDONLY);
}

static void do_sockets(void)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "sock"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 1) ||
	    connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&a,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 4)))
		abort();
	a.sun_path[0] = '\0';
	bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&a, sizeof(a));
	memcpy(a.sun_path, "none", 5);
	connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&a, sizeof(a));
}

static void do_bytes(void)
{
	const size_t page = (size_t)getpagesize();
	char *end = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char path[PATH_MAX];

	look("\xff \n\t\\-", O_RDONLY);
	look("-", O_RDONLY);
	/* A string that ends where the memory does. */
	munmap(end + page, page);
	memcpy(end + page - 5, "file", 5);
	look(end + page - 5, O_RDONLY);
	syscall(SYS_openat, AT, end + page - 4, O_RDONLY); /* "ile" */
	memset(end + page - 4, 'x', 4);
	syscall(SYS_openat, AT, end + page - 4, O_RDONLY); /* EFAULT */
	syscall(SYS_openat, AT, NULL, O_RDONLY);
	/* The longest. */
	for (size_t i = 0; i < sizeof(path) - 2; i += 2)
		memcpy(path + i, "./", 2);
	memcpy(path + sizeof(path) - 10, "/dir/file", 10);
	look(path, O_RDONLY);
	/* Too long. */
	memset(path, 'y', 300);
	path[300] = '\0';
	look(path, O_RDONLY);
}

static void do_remarks(void)
{
	struct { unsigned short len; void *filter; } none = {0, NULL};

	if (fork() == 0) {
		setsid();
		setsid();
		_exit(0);
	}
	wait(NULL);
	syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &none);
	syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &none);
}

static void do_chroot(void)
{
	look("file", O_RDONLY);
	if (chroot("dir") || chdir("/"))
		abort();
	look("/file", O_RDONLY);
	look("/../../file", O_RDONLY);
	look("in", O_RDONLY);
	look("/no", O_RDONLY);
}

static void do_openat2(void)
{
	struct open_how how = {.flags = O_RDONLY, .resolve = RESOLVE_IN_ROOT};
	int dir = openat(AT, "dir", O_PATH);

	syscall(SYS_openat2, dir, "/file", &how, sizeof(how));
	syscall(SYS_openat2, dir, "../../in", &how, sizeof(how));
	how.resolve = 0;
	syscall(SYS_openat2, dir, "../link", &how, sizeof(how));
}

static void do_many(void)
{
	for (int i = 0; i < 300; i++) {
		if (fork() == 0) {
			look("dir/file", O_RDONLY);
			look("file", O_RDONLY);
			_exit(0);
		}
		if (i % 20 == 19)
			while (wait(NULL) > 0)
				;
	}
	while (wait(NULL) > 0)
		;
}

#ifdef __x86_64__
static long call_32(unsigned nr, const void *a, unsigned b)
{
	int r;

	__asm__ volatile("int $0x80"
			 : "=a"(r)
			 : "a"(nr), "b"((unsigned)(uintptr_t)a), "c"(b), "d"(0)
			 : "memory", "r8", "r9", "r10", "r11");
	return r;
}

static void do_32(void)
{
	char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "file"};
	uint32_t *args = (uint32_t *)(void *)(low + 1024);

	memcpy(low, "file", 5);
	call_32(5, low, O_RDONLY);
	memcpy(low, "link", 5);
	call_32(195, low, (unsigned)(uintptr_t)(low + 2048)); /* stat64 */
	memcpy(low + 512, &a, sizeof(a));
	args[0] = (uint32_t)socket(AF_UNIX, SOCK_STREAM, 0);
	args[1] = (uint32_t)(uintptr_t)(low + 512);
	args[2] = sizeof(a);
	call_32(102, (void *)3, (unsigned)(uintptr_t)args);  /* socketcall: connect */
	call_32(102, (void *)13, (unsigned)(uintptr_t)args); /* another */
}
#endif

static const struct {
	const char *name;
	void (*fn)(void);
	const char *want[24]; /* "KIND ACCESS PROCESS PATH", "P N PARENT PROGRAM SCRIPT", "X N TEXT" */
	bool root;
} acts[] = {
	{"nothing", do_nothing, {NULL}, false},
	{"open_one", do_open_one, {"A r 1 dir/file"}, false},
	{"open",
	 do_open,
	 {"A r 1 file", "A w 1 file", "A l 1 dir", "A r 1 dir", "A w 1 dir"},
	 false},
	{"links",
	 do_links,
	 {"A k 1 link", "A r 1 file", "A k 1 a", "A k 1 b", "A k 1 dlink", "A r 1 dir/file", "A k 1 absolute", "A k 1 loop",
	  "A k 1 dangling", "N r 1 nothere", "A s 1 link", "A l 1 dir"},
	 false},
	{"dirfd", do_dirfd, {"A r 1 dir", "A r 1 dir/file", "A r 1 file", "N r 1 dir/nothing", "A s 1 dir/sub"}, false},
	{"cwd",
	 do_cwd,
	 {"A r 1 .", "A g 1 dir", "A r 1 dir/file", "A rk 1 link", "A g 1 .", "A k 1 link2", "A r 1 file"},
	 false},
	{"gone_cwd", do_gone_cwd, {"N c 1 gone", "A g 1 gone", "A d 1 gone"}, false},
	{"missing", do_missing, {"N r 1 nothing", "N s 1 no/such/thing", "N s 1 no", "N s 1 file/below", "A k 1 dlink",
				 "N s 1 dir/no"}, false},
	{"create",
	 do_create,
	 {"N c 1 new", "A w 1 new", "A s 1 file", "A k 1 dangling", "N c 1 nothere", "N c 1 no/new", "N c 1 made", "A w 1 file"},
	 false},
	{"names",
	 do_names,
	 {"N c 1 d", "A s 1 dir", "N c 1 fifo", "N c 1 s", "A r 1 file", "N c 1 hard", "A k 1 link", "N c 1 hard2", "A d 1 hard",
	  "N c 1 moved", "A d 1 moved", "A c 1 hard2", "A d 1 hard2", "A d 1 d", "A dk 1 s", "N d 1 nothing", "A cd 1 file",
	  "A c 1 fifo"},
	 false},
	{"look",
	 do_look,
	 {"A sk 1 link", "A k 1 link2", "A s 1 file", "A sk 1 a", "A s 1 dir", "A sk 1 dlink", "A s 1 script", "A s 1 dir/file",
	  "A r 1 dir"},
	 false},
	{"change",
	 do_change,
	 {"A r 1 dir/file", "A m 1 file", "A mk 1 link", "A k 1 link2", "A k 1 a", "A k 1 b", "A w 1 file", "A m 1 dir",
	  "A m 1 dir/file", "A m 1 script"},
	 false},
	{"exec",
	 do_exec,
	 {"A x 1 prog", "P 2 1 prog -", "A r 2 dir/file", "A x 1 script", "P 3 1 prog script", "A r 3 dir/file", "A x 1 nested",
	  "P 4 1 prog nested", "A r 4 dir/file", "A k 1 link", "A x 1 file", "N x 1 nothing", "A r 1 file"},
	 false},
	{"fexec", do_fexec, {"A r 1 prog", "A x 1 prog", "P 2 1 prog -", "A r 2 dir/file"}, false},
	{"reexec", do_reexec, {"A x 1 prog", "P 2 1 prog -", "A r 2 dir/file"}, false},
	{"vfork", do_vfork, {"A x 1 prog", "P 2 1 prog -", "A r 2 dir/file", "A r 1 file"}, false},
	{"orphan", do_orphan, {"A x 1 prog2", "P 2 1 prog2 -", "A r 1 file"}, false},
	{"threads", do_threads, {"A r 1 dir/file", "A r 1 file", "A r 1 prog", "A x 1 prog", "P 2 1 prog -", "A r 2 dir/file"},
	 false},
	{"proc",
	 do_proc,
	 {"A r 1 file", "A s 1 prog", "A w 1 file", "A r 1 dir/file", "A k 1 a", "A k 1 b"},
	 false},
	{"sockets", do_sockets, {"N c 1 sock", "A u 1 sock", "N u 1 none"}, false},
	{"bytes", do_bytes, {"N r 1 \xff \n\t\\-", "N r 1 -", "A r 1 file", "N r 1 ile", "A r 1 dir/file"}, false},
	{"remarks", do_remarks, {"X 1 setsid", "X 1 listener"}, false},
	{"chroot",
	 do_chroot,
	 {"A r 1 file", "A g 1 dir", "X 1 chroot dir", "A r 1 dir/file", "A k 1 dir/in", "N r 1 dir/no"},
	 true},
	{"openat2", do_openat2, {"A r 1 dir", "A r 1 dir/file", "A k 1 dir/in", "A k 1 link", "A r 1 file"}, false},
	{"many", do_many, {"A r 1 dir/file", "A r 1 file"}, false},
#ifdef __x86_64__
	{"32", do_32, {"A r 1 file", "A k 1 link", "A s 1 file", "A u 1 file"}, false},
#endif
};

/* ---------------------------------------------------------------- the directory */

static void put(const char *name, const char *text, mode_t mode)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", top, name);
	WH_AUTO_FD int fd = wh_openat(AT, path, O_WRONLY | O_CREAT | O_EXCL, mode);

	assert_true(fd >= 0);
	assert_int_equal(wh_write_all(fd, text, strlen(text)), 0);
}

static void copy(const char *from, const char *name)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", top, name);
	WH_AUTO_FD int in = wh_openat(AT, from, O_RDONLY, 0), out = wh_openat(AT, path, O_WRONLY | O_CREAT, 0755);

	assert_true(in >= 0 && out >= 0);
	assert_int_equal(wh_copy_fd(in, out, UINT64_MAX), 0);
}

static void link_to(const char *name, const char *target)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", top, name);

	assert_int_equal(symlink(target, path), 0);
}

static void make_dir(const char *name)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", top, name);

	assert_int_equal(mkdir(path, 0755), 0);
}

static void tree_new(void)
{
	WH_AUTO_FREE char *absolute = NULL, *script = NULL, *nested = NULL;
	char name[] = "/tmp/whittle-observer-XXXXXX";

	assert_non_null(mkdtemp(name));
	top = realpath(name, NULL);
	absolute = wh_asprintf("%s/dir/file", top);
	script = wh_asprintf("#! %s/prog --script\n", top);
	nested = wh_asprintf("#!%s/script x\n", top);
	make_dir("dir");
	make_dir("dir/sub");
	put("file", "1", 0644);
	put("dir/file", "2", 0644);
	put("script", script, 0755);
	put("nested", nested, 0755);
	copy("/proc/self/exe", "prog");
	copy("/proc/self/exe", "prog2");
	link_to("link", "file");
	link_to("link2", "dir/.././file");
	link_to("a", "b");
	link_to("b", "file");
	link_to("dlink", "dir");
	link_to("absolute", absolute);
	link_to("loop", "loop");
	link_to("dangling", "nothere");
	link_to("dir/in", "/file");
}

static void tree_free(void)
{
	assert_int_equal(wh_rm_rf(AT, top), 0);
	free(top);
	top = NULL;
}

/* ---------------------------------------------------------------- running one */

struct reaper {
	int fd;
	pid_t pid;
	int status;
};

static void reap(void *arg)
{
	struct reaper *r = arg;
	struct signalfd_siginfo s;
	int status;

	if (read(r->fd, &s, sizeof(s)) < 0)
		return;
	while (true) {
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid <= 0)
			break;
		if (pid == r->pid)
			r->status = status;
	}
}

static _Noreturn void observed(int handover, const char *act)
{
	WH_AUTO_FREE char *prog = wh_asprintf("%s/prog", top);
	char *const argv[] = {prog, wh_strdup("--act"), wh_strdup(act), NULL};
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setenv("WH_TEST_TOP", top, 1);
	if (chdir(top) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && wh_supervisor_join(handover, filter, NULL) == 0)
		execv(prog, argv);
	_exit(99);
}

static void observe(const char *act, struct wh_buf *log)
{
	WH_AUTO_FD int fd = memfd_create("log", MFD_CLOEXEC), signals = -1;
	struct wh_supervise how = {.log = fd, .control = -1, .fn = reap};
	struct reaper r = {.status = -1};
	struct wh_err *err = NULL;
	sigset_t mask;
	int pair[2];

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signals = signalfd(-1, &mask, SFD_CLOEXEC);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	r.fd = how.fd = signals;
	how.arg = &r;
	how.handover = pair[1];
	r.pid = fork();
	if (r.pid == 0)
		observed(pair[0], act);
	close(pair[0]);
	if (wh_supervise(&how, &err) < 0)
		fail_msg("%s: %s", act, err->msg);
	close(pair[1]);
	while (waitpid(-1, &r.status, 0) > 0)
		;
	if (r.status != 0)
		fail_msg("%s: ended with %d", act, r.status);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(wh_read_fd(fd, (size_t)1 << 24, log), 0);
}

/* ---------------------------------------------------------------- comparing */

static const char *inside(const char *path)
{
	size_t n = strlen(top);

	if (!path || strncmp(path, top, n) != 0)
		return NULL;
	return path[n] == '/' ? path + n + 1 : path[n] ? NULL : ".";
}

static const char *kinds(unsigned access, char out[16])
{
	static const char letters[] = "rwxslcdmkug";
	size_t n = 0;

	for (unsigned i = 0; letters[i]; i++)
		if (access >> i & 1)
			out[n++] = letters[i];
	out[n] = '\0';
	return out;
}

static int collect(void *arg, const struct wh_obs *o)
{
	struct wh_strv *lines = arg;
	char letters[16];

	switch (o->kind) {
	case WH_OBS_PROCESS:
		if (o->process > 1 && inside(o->program))
			wh_strv_addf(lines, "P %u %u %s %s", o->process, o->parent, inside(o->program),
				     o->script ? inside(o->script) : "-");
		break;
	case WH_OBS_USED:
	case WH_OBS_MISSING:
		if (o->process && inside(o->path))
			wh_strv_addf(lines, "%s %s %u %s", o->kind == WH_OBS_USED ? "A" : "N", kinds(o->access, letters),
				     o->process, inside(o->path));
		break;
	case WH_OBS_REMARK:
		if (wh_has_prefix(o->text, "chroot "))
			wh_strv_addf(lines, "X %u chroot %s", o->process, inside(o->text + 7));
		else
			wh_strv_addf(lines, "X %u %s", o->process, o->text);
		break;
	case WH_OBS_END:
		if (o->lost || !o->events)
			wh_strv_addf(lines, "%llu lost", (unsigned long long)o->lost);
		break;
	case WH_OBS_MARK:
		wh_strv_addf(lines, "M %s", o->text);
		break;
	}
	return 0;
}

static void compare(const char *name, const struct wh_strv *got, const char *const *want)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	bool same = true;
	size_t n;

	for (n = 0; want[n]; n++)
		same = same && n < got->n && strcmp(got->v[n], want[n]) == 0;
	if (same && n == got->n)
		return;
	for (size_t i = 0; i < got->n || i < n; i++)
		wh_buf_addf(&b, "  %-40s %s\n", i < got->n ? got->v[i] : "", i < n ? want[i] : "");
	fail_msg("%s, got and wanted:\n%s", name, b.p);
}

static void all_acts(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(acts); i++) {
		WH_AUTO_BUF struct wh_buf log = WH_BUF_INIT;
		WH_AUTO_STRV struct wh_strv got = {0};
		struct wh_err *err = NULL;

		if (acts[i].root && geteuid() != 0)
			continue;
		tree_new();
		observe(acts[i].name, &log);
		if (wh_obs_read(log.p, log.n, collect, &got, &err) < 0)
			fail_msg("%s: %s", acts[i].name, err->msg);
		compare(acts[i].name, &got, acts[i].want);
		tree_free();
	}
}

/* ---------------------------------------------------------------- the launcher's side */

static void supervisor(void **state)
{
	static const char *const want[] = {"M start", "A r 1 dir/file", "M test 1", "A r 1 dir/file", "M stop", NULL};
	WH_AUTO_FD int fd = memfd_create("log", MFD_CLOEXEC);
	WH_AUTO_BUF struct wh_buf log = WH_BUF_INIT;
	WH_AUTO_STRV struct wh_strv got = {0};
	struct wh_supervisor s;
	struct pollfd p;
	int go[2], done[2], status;
	pid_t pid;
	char c;

	(void)state;
	if (geteuid() != 0)
		return; /* Yama: no ancestor of the command's */
	tree_new();
	assert_int_equal(pipe(go) | pipe(done), 0);
	assert_int_equal(wh_supervisor_start(fd, &s, NULL), 0);
	wh_supervisor_mark(&s, "start");
	pid = fork();
	if (pid == 0) {
		WH_AUTO_FREE char *prog = wh_asprintf("%s/prog", top);
		WH_AUTO_FREE char *fds = wh_asprintf("%d,%d", go[0], done[1]);
		char *const argv[] = {prog, wh_strdup("--twice"), fds, NULL};

		close(s.control);
		if (chdir(top) == 0 && wh_supervisor_join(s.handover, filter, NULL) == 0)
			execv(prog, argv);
		_exit(99);
	}
	wh_closep(&s.handover);
	assert_int_equal(read(done[0], &c, 1), 1);
	wh_supervisor_mark(&s, "test 1");
	assert_int_equal(write(go[1], "", 1), 1);
	assert_int_equal(read(done[0], &c, 1), 1);
	wh_supervisor_mark(&s, "stop");
	assert_int_equal(write(go[1], "", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	p = (struct pollfd){s.pidfd, POLLIN, 0};
	assert_int_equal(poll(&p, 1, -1), 1);
	wh_supervisor_mark(&s, "too late");
	assert_int_equal(wh_supervisor_end(&s), 0);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(wh_read_fd(fd, (size_t)1 << 24, &log), 0);
	assert_int_equal(wh_obs_read(log.p, log.n, collect, &got, NULL), 0);
	compare("supervisor", &got, want);
	tree_free();
	for (int i = 0; i < 2; i++) {
		close(go[i]);
		close(done[i]);
	}
}

/* The log of one that was killed has no last line, and of one whom nobody joined nothing else. */
static void supervisor_ends(void **state)
{
	WH_AUTO_FD int fd = memfd_create("log", MFD_CLOEXEC), fd2 = memfd_create("log", MFD_CLOEXEC);
	WH_AUTO_BUF struct wh_buf log = WH_BUF_INIT, log2 = WH_BUF_INIT;
	WH_AUTO_STRV struct wh_strv got = {0};
	struct wh_supervisor s;
	struct pollfd p;

	(void)state;
	assert_int_equal(wh_supervisor_start(fd, &s, NULL), 0);
	wh_supervisor_mark(&s, "start");
	assert_int_equal(wh_supervisor_end(&s), 128 + SIGKILL);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(wh_read_fd(fd, 4096, &log), 0);
	assert_int_equal(wh_obs_read(log.p, log.n, collect, &got, NULL), -EBADMSG);
	assert_int_equal(wh_supervisor_start(fd2, &s, NULL), 0);
	wh_closep(&s.handover);
	p = (struct pollfd){s.pidfd, POLLIN, 0};
	assert_int_equal(poll(&p, 1, -1), 1);
	assert_int_equal(wh_supervisor_end(&s), 0);
	lseek(fd2, 0, SEEK_SET);
	assert_int_equal(wh_read_fd(fd2, 4096, &log2), 0);
	assert_string_equal(log2.p, "whittle-observation 1\nE\t0\t0\n");
}

/* ---------------------------------------------------------------- main */

/* As the observed program. */
static int act(int argc, char **argv)
{
	const char *name = argv[1];

	top = getenv("WH_TEST_TOP");
	if (strcmp(name, "--script") == 0) {
		do_open_one();
		return 0;
	}
	if (argc > 2 && strcmp(name, "--twice") == 0) {
		int in = (int)strtol(argv[2], NULL, 10), out = (int)strtol(strchr(argv[2], ',') + 1, NULL, 10);
		char c;

		for (int i = 0; i < 2; i++) {
			do_open_one();
			do_open_one();
			if (write(out, "", 1) != 1 || read(in, &c, 1) != 1)
				return 1;
		}
		return 0;
	}
	for (size_t i = 0; argc > 2 && i < WH_ARRAY_SIZE(acts); i++)
		if (strcmp(acts[i].name, argv[2]) == 0) {
			acts[i].fn();
			return 0;
		}
	return 98;
}

static int setup(void **state)
{
	(void)state;
	filter = wh_seccomp_build_observed(NULL);
	return filter < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_acts),
		cmocka_unit_test(supervisor),
		cmocka_unit_test(supervisor_ends),
	};

	if (argc > 1)
		_exit(act(argc, argv)); /* whatever an exit would still do is no part of the act */
	return cmocka_run_group_tests_name("sandbox/observer", tests, setup, NULL);
}
