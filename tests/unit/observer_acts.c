/* SPDX-License-Identifier: Apache-2.0 */
/* What the observed program of sandbox_observer_test.c does. */
#include "tests/unit/observer_acts.h"
#include "base/base.h"

#include <elf.h>
#include <errno.h>
#include <limits.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <utime.h>

#define AT AT_FDCWD

static const char *top; /* the directory, and the working directory */

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
	if (faccessat(dir, "sub", F_OK, 0) < 0)
		abort();
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
		look("../link", O_RDONLY);
		run("../script", "ignored");
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
#ifdef SYS_creat
	syscall(SYS_creat, "made", 0644);
	syscall(SYS_creat, "file", 0644);
#else
	look("made", O_WRONLY | O_CREAT | O_TRUNC);
	look("file", O_WRONLY | O_CREAT | O_TRUNC);
#endif
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
	syscall(SYS_fanotify_mark, 99, 1, 0x20, AT, "dir/sub");
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

/* Up and down in /proc, where it is not what the words say. */
static void do_proc_up(void)
{
	int pid = (int)getpid();
	WH_AUTO_FREE char *a = wh_asprintf("/proc/self/../%d/root%s/file", pid, top);
	WH_AUTO_FREE char *b = wh_asprintf("/proc/self/net/../root%s/a", top);
	WH_AUTO_FREE char *c = wh_asprintf("/proc/net/../cwd/dir/file");
	WH_AUTO_FREE char *d = wh_asprintf("/proc/thread-self/../%d/cwd/script", pid);
	WH_AUTO_FREE char *e = wh_asprintf("/proc/self/../..%s/dlink/sub", top);
	WH_AUTO_FREE char *f = wh_asprintf("/proc/self/ns/../fd/../task/%d/../../cwd/nested", pid);
	const char *const all[] = {a, b, c, d, e, f};

	for (size_t i = 0; i < WH_ARRAY_SIZE(all); i++) {
		int fd = openat(AT, all[i], O_RDONLY);

		if (fd < 0)
			abort();
		close(fd);
	}
}

/* An open directory that was removed: what ".." leads to from there, /proc does not say. */
static void do_proc_gone(void)
{
	WH_AUTO_FREE char *path = NULL;
	int fd;

	mkdir("gone", 0755);
	fd = openat(AT, "gone", O_RDONLY);
	rmdir("gone");
	path = wh_asprintf("/proc/self/fd/%d/../file", fd);
	look(path, O_RDONLY);
}

static void exec_fd(int fd)
{
	char *const argv[] = {wh_strdup("x"), wh_strdup("y"), NULL};
	pid_t pid = fork();

	if (pid == 0) {
		syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
		_exit(1);
	}
	waitpid(pid, NULL, 0);
}

static void write_script(int fd, const char *interpreter)
{
	WH_AUTO_FREE char *text = wh_asprintf("#!%s/%s --script\n", top, interpreter);

	if (write(fd, text, strlen(text)) < 0 || fchmod(fd, 0755) < 0)
		abort();
}

/* Scripts and programs that have no name when they are executed. */
static void do_nameless(void)
{
	struct {
		Elf64_Ehdr head;
		Elf64_Phdr segment;
		char loader[64];
	} elf = {0};
	int fd = memfd_create("script", 0);

	write_script(fd, "prog");
	exec_fd(fd);
	close(fd);
	fd = openat(AT, "made", O_CREAT | O_RDWR, 0755);
	write_script(fd, "prog2");
	close(fd);
	fd = openat(AT, "made", O_RDONLY);
	unlink("made");
	exec_fd(fd);
	/* Not one that would run. */
	fd = memfd_create("elf", 0);
	memcpy(elf.head.e_ident, ELFMAG, SELFMAG);
	elf.head.e_ident[EI_CLASS] = ELFCLASS64;
	elf.head.e_phoff = sizeof(elf.head);
	elf.head.e_phentsize = sizeof(elf.segment);
	elf.head.e_phnum = 1;
	elf.segment.p_type = PT_INTERP;
	elf.segment.p_offset = offsetof(__typeof__(elf), loader);
	elf.segment.p_filesz = (Elf64_Xword)snprintf(elf.loader, sizeof(elf.loader), "%s/link", top) + 1;
	if (write(fd, &elf, sizeof(elf)) != sizeof(elf) || fchmod(fd, 0755))
		abort();
	exec_fd(fd);
}

/* A script that only its interpreter may read at once: the kernel waits for it, the observer does not. */
static void do_lease(void)
{
	sigset_t mask;
	pid_t pid;
	int fd;

	sigemptyset(&mask);
	sigaddset(&mask, SIGIO);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	/* Not for writing: what is open so cannot be executed (ETXTBSY), be the lease gone or not. */
	fd = openat(AT, "nested", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		abort();
	pid = fork();
	if (pid == 0) {
		char *const argv[] = {wh_strdup("nested"), NULL};

		close(fd);
		raise(SIGSTOP);
		execv("nested", argv);
		_exit(1);
	}
	waitpid(pid, NULL, WUNTRACED);
	if (fcntl(fd, F_SETLEASE, F_WRLCK))
		abort();
	kill(pid, SIGCONT);
	sigwaitinfo(&mask, NULL);
	fcntl(fd, F_SETLEASE, F_UNLCK);
	close(fd);
	waitpid(pid, NULL, 0);
}

/* A working directory that is deeper than any path tells. */
static void do_deep(void)
{
	char name[201] = "deep", up[256] = "";
	int here = openat(AT, ".", O_PATH);

	memset(name + 4, '-', sizeof(name) - 5);
	for (size_t i = 0; i < 22; i++) {
		if (mkdir(name, 0755) || chdir(name))
			abort();
		snprintf(up + 3 * i, sizeof(up) - 3 * i, "../");
	}
	snprintf(up + 66, sizeof(up) - 66, "dir/file");
	if (faccessat(AT, up, R_OK, 0) || fchdir(here))
		abort();
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
	struct {
		unsigned short len;
		void *filter;
	} none = {0, NULL};

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

#ifdef __x86_64__
static long call_32_6(unsigned nr, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e, uintptr_t f)
{
	register uintptr_t sixth __asm__("r13") = f;
	int r;

	/* The sixth is where a frame may begin. */
	__asm__ volatile("mov %%rbp, %%r12; mov %%r13d, %%ebp; int $0x80; mov %%r12, %%rbp"
			 : "=a"(r)
			 : "a"(nr), "b"((unsigned)a), "c"((unsigned)b), "d"((unsigned)c), "S"((unsigned)d),
			   "D"((unsigned)e), "r"(sixth)
			 : "memory", "r8", "r9", "r10", "r11", "r12");
	return r;
}

static long call_32_5(unsigned nr, uintptr_t a, uintptr_t b, uintptr_t c, uintptr_t d, uintptr_t e)
{
	return call_32_6(nr, a, b, c, d, e, 0);
}

static char *low_next;

/* A copy where 32 bits reach it. */
static uintptr_t low(const void *p, size_t n)
{
	char *at = low_next;

	memcpy(at, p, n);
	low_next += (n + 15) / 16 * 16;
	return (uintptr_t)at;
}

static uintptr_t low_str(const char *s)
{
	return low(s, strlen(s) + 1);
}

/* With numbers of i386, which are others than the machine's own. */
static void do_32_paths(void)
{
	struct open_how how = {.flags = O_RDONLY};
	struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "script"};
	const uint32_t at = (uint32_t)AT_FDCWD, buf = 0x800;
	uintptr_t room, address;
	uint32_t msg[7] = {0}, args[6];
	char *base = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	if (base == MAP_FAILED)
		abort();
	low_next = base + 8192;
	room = (uintptr_t)base + buf;
	call_32_5(295, at, low_str("file"), O_RDONLY, 0, 0);                             /* openat */
	call_32_5(437, at, low_str("dir/file"), low(&how, sizeof(how)), sizeof(how), 0); /* openat2 */
	call_32_5(300, at, low_str("script"), room, 0, 0);                               /* fstatat64 */
	call_32_5(196, low_str("link"), room, 0, 0, 0);                                  /* lstat64 */
	call_32_5(33, low_str("nested"), R_OK, 0, 0, 0);                                 /* access */
	call_32_5(85, low_str("a"), room, 100, 0, 0);                                    /* readlink */
	call_32_5(268, low_str("dir"), 84, room, 0, 0);                                  /* statfs64 */
	call_32_5(229, low_str("prog"), low_str("user.x"), room, 100, 0);                /* getxattr */
	call_32_5(383, at, low_str("prog2"), 0, STATX_MODE, room);                       /* statx */
	call_32_5(39, low_str("d"), 0755, 0, 0, 0);                                      /* mkdir */
	call_32_5(38, low_str("d"), low_str("e"), 0, 0, 0);                              /* rename */
	call_32_5(40, low_str("e"), 0, 0, 0, 0);                                         /* rmdir */
	call_32_5(83, low_str("x"), low_str("s"), 0, 0, 0);                              /* symlink */
	call_32_5(10, low_str("s"), 0, 0, 0, 0);                                         /* unlink */
	call_32_5(15, low_str("file"), 0600, 0, 0, 0);                                   /* chmod */
	call_32_5(92, low_str("file"), 0, 0, 0, 0);                                      /* truncate */
	call_32_5(193, low_str("dir/file"), 0, 0, 0, 0);                                 /* truncate64 */
	call_32_5(320, at, low_str("dir"), 0, 0, 0);                                     /* utimensat */
	call_32_6(339, 99, 1, 0, 0, at, low_str("file"));                                /* fanotify_mark */
	address = low(&a, sizeof(a));
	call_32_6(369, (uintptr_t)fd, low_str("m"), 1, 0, address, sizeof(a)); /* sendto */
	msg[0] = (uint32_t)address;
	msg[1] = sizeof(a);
	memcpy((void *)address, &a, sizeof(a));
	call_32_5(370, (uintptr_t)fd, low(msg, sizeof(msg)), 0, 0, 0); /* sendmsg */
	memcpy(a.sun_path, "nested", 7);
	args[0] = (uint32_t)fd;
	args[1] = (uint32_t)room;
	args[2] = 1;
	args[3] = 0;
	args[4] = (uint32_t)low(&a, sizeof(a));
	args[5] = sizeof(a);
	call_32_5(102, 11, low(args, sizeof(args)), 0, 0, 0); /* socketcall: sendto */
	call_32_5(12, low_str("dir"), 0, 0, 0, 0);            /* chdir */
	call_32_5(5, low_str("../prog"), O_RDONLY, 0, 0, 0);  /* open */
}
#endif

/* Who has become somebody else, and lets nobody look into its memory. */
static void do_dropped(void)
{
	if (setresgid(1, 1, 1) || setresuid(1, 1, 1) || prctl(PR_SET_DUMPABLE, 0))
		abort();
	look("file", O_RDONLY);
	look("dlink/file", O_RDONLY);
	run("prog", "open_one");
}

/* A root of its own, for a child and what that forks; the parent's stays. */
static void do_chroot_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		if (chroot("dir") || chdir("/"))
			abort();
		if (fork() == 0) {
			look("/file", O_RDONLY);
			look("../../file", O_RDONLY);
			_exit(0);
		}
		wait(NULL);
		_exit(0);
	}
	waitpid(pid, NULL, 0);
	look("file", O_RDONLY);
}

static void do_inherited(void)
{
	char buf[1024];

	if (syscall(SYS_getdents64, OBSERVED_INHERITED, buf, sizeof(buf)) <= 0)
		abort();
	look("file", O_RDONLY);
}

/* Threads that use one another's working directory, or not. */
static void *own_cwd(void *arg)
{
	(void)arg;
	if (unshare(CLONE_FS) == 0 || chdir("dir"))
		abort();
	look("file", O_RDONLY);
	return NULL;
}

static void do_shared_cwd(void)
{
	pthread_t t;

	pthread_create(&t, NULL, own_cwd, NULL);
	pthread_join(t, NULL);
	look("sub", O_RDONLY);
}

static const struct {
	const char *name;
	void (*fn)(void);
} acts[] = {
	{"nothing", do_nothing},
	{"open", do_open},
	{"links", do_links},
	{"dirfd", do_dirfd},
	{"cwd", do_cwd},
	{"gone_cwd", do_gone_cwd},
	{"missing", do_missing},
	{"create", do_create},
	{"names", do_names},
	{"look", do_look},
	{"change", do_change},
	{"exec", do_exec},
	{"open_one", do_open_one},
	{"fexec", do_fexec},
	{"reexec", do_reexec},
	{"vfork", do_vfork},
	{"orphan", do_orphan},
	{"threads", do_threads},
	{"proc", do_proc},
	{"proc_up", do_proc_up},
	{"proc_gone", do_proc_gone},
	{"nameless", do_nameless},
	{"lease", do_lease},
	{"deep", do_deep},
	{"sockets", do_sockets},
	{"bytes", do_bytes},
	{"remarks", do_remarks},
	{"chroot", do_chroot},
	{"openat2", do_openat2},
	{"many", do_many},
	{"dropped", do_dropped},
	{"chroot_child", do_chroot_child},
	{"shared_cwd", do_shared_cwd},
	{"inherited", do_inherited},
#ifdef __x86_64__
	{"32", do_32},
	{"32_paths", do_32_paths},
#endif
};

int observer_act(const char *directory, const char *name)
{
	top = directory;
	for (size_t i = 0; i < WH_ARRAY_SIZE(acts); i++)
		if (strcmp(acts[i].name, name) == 0) {
			acts[i].fn();
			return 0;
		}
	return 98;
}
