/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"
#include "tests/unit/test.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

static char top[] = "/tmp/wh-fs-XXXXXX";
static int at; /* the directory of this run */

static int setup(void **state)
{
	(void)state;
	umask(0);
	if (!mkdtemp(top))
		return -1;
	at = wh_openat(AT_FDCWD, top, O_PATH | O_DIRECTORY, 0);
	return at < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	close(at);
	return wh_rm_rf(AT_FDCWD, top);
}

static void put(const char *path, const char *text)
{
	WH_AUTO_FD int fd = wh_openat(at, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(wh_write_all(fd, text, strlen(text)), 0);
}

static void is_text(int dirfd, const char *path, const char *text)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	assert_int_equal(wh_read_file(dirfd, path, 1 << 20, &b), 0);
	assert_string_equal(b.p, text);
}

static bool exists(const char *path)
{
	struct stat st;

	return fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void in_root(void **state)
{
	static const struct {
		const char *path;
		int r; /* 0: opens, and is the file inside */
	} cases[] = {
		{"etc/f", 0}, {"/etc/f", 0},     {"../../etc/f", 0}, {"abs/f", 0}, {"up/f", 0},
		{"far/f", 0}, {"none", -ENOENT}, {"loop", -ELOOP},   {"abs-f", 0},
	};
	WH_AUTO_FD int root = -1;
	size_t i;

	(void)state;
	assert_int_equal(wh_mkdir_p(at, "root/etc", 0755), 0);
	assert_int_equal(wh_mkdir_p(at, "etc", 0755), 0);
	put("etc/f", "outside");
	put("root/etc/f", "inside");
	assert_int_equal(symlinkat("/etc", at, "root/abs"), 0);
	assert_int_equal(symlinkat("../etc", at, "root/up"), 0);
	assert_int_equal(symlinkat("../../../../../etc", at, "root/etc/far"), 0);
	assert_int_equal(symlinkat("etc/far", at, "root/far"), 0);
	assert_int_equal(symlinkat("/etc/f", at, "root/abs-f"), 0);
	assert_int_equal(symlinkat("loop", at, "root/loop"), 0);
	root = wh_openat(at, "root", O_PATH | O_DIRECTORY, 0);
	assert_true(root >= 0);
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
		WH_AUTO_FD int fd = -1;

		fd = wh_open_in_root(root, cases[i].path, O_RDONLY, 0);
		if (cases[i].r) {
			assert_int_equal(fd, cases[i].r);
			continue;
		}
		if (fd < 0)
			fail_msg("%s: %s", cases[i].path, strerror(-fd));
		assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
		assert_int_equal(wh_read_fd(fd, 100, &b), 0);
		assert_string_equal(b.p, "inside");
	}
}

/* /proc's links lead wherever a process has something open. */
static void magic_links(void **state)
{
	WH_AUTO_FD int proc = wh_openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY, 0);

	(void)state;
	assert_int_equal(wh_open_in_root(proc, "self/cwd/x", O_RDONLY, 0), -ELOOP);
	assert_int_equal(wh_open_beneath(proc, "self/cwd/x", O_RDONLY, 0, false), -ELOOP);
}

static void beneath(void **state)
{
	static const struct {
		const char *path;
		bool nosymlinks;
		int r;
	} cases[] = {
		{"a/f", false, 0},       {"a/../a/f", false, 0}, {"in/f", false, 0},       {"in/f", true, -ELOOP},
		{"a/lf", true, -ELOOP},  {"a/lf", false, 0},     {"../o", false, -EXDEV},  {"a/../../o", true, -EXDEV},
		{"/etc", false, -EXDEV}, {"out", false, -EXDEV}, {"a/abs", false, -EXDEV},
	};
	WH_AUTO_FD int dir = -1;
	size_t i;
	int fd;

	(void)state;
	assert_int_equal(wh_mkdir_p(at, "b/a", 0755), 0);
	put("o", "outside");
	put("b/a/f", "x");
	assert_int_equal(symlinkat("a", at, "b/in"), 0);
	assert_int_equal(symlinkat("f", at, "b/a/lf"), 0);
	assert_int_equal(symlinkat("../o", at, "b/out"), 0);
	assert_int_equal(symlinkat("/etc", at, "b/a/abs"), 0);
	dir = wh_openat(at, "b", O_PATH | O_DIRECTORY, 0);
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		fd = wh_open_beneath(dir, cases[i].path, O_RDONLY, 0777, cases[i].nosymlinks);
		if (cases[i].r ? fd != cases[i].r : fd < 0)
			fail_msg("%s: %d", cases[i].path, fd);
		wh_closep(&fd);
	}
	fd = wh_open_beneath(dir, "new", O_WRONLY | O_CREAT | O_EXCL, 0640, true);
	assert_true(fd >= 0);
	close(fd);
}

static void mkdir_p(void **state)
{
	WH_AUTO_FREE char *abs = wh_asprintf("%s/m/link/deep/er", top);
	struct stat st;

	(void)state;
	assert_int_equal(wh_mkdir_p(at, "m/n//o/", 0750), 0);
	assert_int_equal(fstatat(at, "m/n/o", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0750);
	assert_int_equal(wh_mkdir_p(at, "m/n/o", 0700), 0);
	assert_int_equal(wh_mkdir_p(at, ".", 0700), 0);
	put("m/file", "");
	assert_int_equal(wh_mkdir_p(at, "m/file/x", 0700), -ENOTDIR);
	assert_int_equal(wh_mkdir_p(at, "m/file", 0700), -ENOTDIR);
	assert_int_equal(symlinkat("n", at, "m/link"), 0);
	assert_int_equal(wh_mkdir_p(at, "m/link/x", 0700), -ENOTDIR);
	assert_false(exists("m/n/x"));
	assert_int_equal(wh_mkdir_p(at, "m/../../x", 0700), -EINVAL);
	assert_int_equal(wh_mkdir_p(AT_FDCWD, abs, 0700), 0); /* the user's own symlinks are followed */
	assert_true(exists("m/n/deep/er"));
}

static void reading(void **state)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	WH_AUTO_BUF struct wh_buf small = {.max = 4};

	(void)state;
	put("r", "12345");
	assert_int_equal(wh_read_file(at, "r", 5, &b), 0);
	assert_string_equal(b.p, "12345");
	assert_int_equal(wh_read_file(at, "r", 4, &b), -EFBIG);
	assert_string_equal(b.p, "12345");
	assert_int_equal(wh_read_file(at, "r", 100, &b), 0);
	assert_string_equal(b.p, "1234512345");
	assert_int_equal(wh_read_file(at, "none", 100, &b), -ENOENT);
	assert_int_equal(wh_read_file(at, ".", 100, &b), -EISDIR);
	assert_int_equal(wh_read_file(at, "r", 100, &small), -EFBIG);
	put("empty", "");
	is_text(at, "empty", "");
}

static size_t entries(const char *dir)
{
	DIR *d = fdopendir(wh_openat(at, dir, O_RDONLY | O_DIRECTORY, 0));
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void atomic_write(void **state)
{
	struct stat st;
	struct rlimit old, tiny;
	char *zeros = wh_calloc(1, 1 << 16);

	(void)state;
	assert_int_equal(wh_mkdir_p(at, "w", 0755), 0);
	assert_int_equal(wh_write_file_atomic(at, "w/f", "one", 3, 0600, false), 0);
	assert_int_equal(wh_write_file_atomic(at, "w/f", "two", 3, 0644, true), 0);
	is_text(at, "w/f", "two");
	assert_int_equal(fstatat(at, "w/f", &st, 0), 0);
	assert_int_equal(st.st_mode & 07777, 0644);
	assert_int_equal(wh_write_file_atomic(at, "none/f", "x", 1, 0644, false), -ENOENT);

	/* A write that fails half-way leaves the old file and nothing else. */
	getrlimit(RLIMIT_FSIZE, &old);
	tiny = (struct rlimit){1000, old.rlim_max};
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &tiny), 0);
	assert_int_equal(wh_write_file_atomic(at, "w/f", zeros, 1 << 16, 0644, false), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &old);
	is_text(at, "w/f", "two");
	assert_int_equal(wh_mkdir_p(at, "w/d/x", 0755), 0);
	assert_int_equal(wh_write_file_atomic(at, "w/d", "x", 1, 0644, false), -EISDIR);
	assert_int_equal(entries("w"), 2);
	free(zeros);
}

static void copy_fd(void **state)
{
	WH_AUTO_FREE char *data = wh_malloc(300000);
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	WH_AUTO_FD int in = wh_openat(at, "cin", O_RDWR | O_CREAT, 0600);
	WH_AUTO_FD int out = wh_openat(at, "cout", O_RDWR | O_CREAT, 0600);
	WH_AUTO_FD int proc = wh_openat(AT_FDCWD, "/proc/self/status", O_RDONLY, 0);
	int p[2];
	size_t i;

	(void)state;
	for (i = 0; i < 300000; i++)
		data[i] = (char)(i * 7 + i / 251);
	assert_int_equal(wh_write_all(in, data, 300000), 0);
	lseek(in, 1000, SEEK_SET);
	assert_int_equal(wh_copy_fd(in, out, 100), 0);
	assert_int_equal(wh_copy_fd(in, out, 0), 0);
	assert_int_equal(wh_copy_fd(in, out, UINT64_MAX), 0);
	assert_int_equal(wh_copy_fd(in, out, UINT64_MAX), 0); /* at the end already */
	lseek(out, 0, SEEK_SET);
	assert_int_equal(wh_read_fd(out, 1 << 20, &b), 0);
	assert_int_equal(b.n, 299000);
	assert_memory_equal(b.p, data + 1000, 299000);

	/* The positions moved with it: what follows is written behind. */
	lseek(in, 299990, SEEK_SET);
	assert_int_equal(wh_copy_fd(in, out, 11), -EIO);

	/* No file on the other side, and one that states no size. */
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	lseek(in, 0, SEEK_SET);
	assert_int_equal(wh_copy_fd(in, p[1], 10), 0);
	wh_buf_reset(&b);
	close(p[1]);
	assert_int_equal(wh_read_fd(p[0], 100, &b), 0);
	assert_int_equal(b.n, 10);
	assert_memory_equal(b.p, data, 10);
	close(p[0]);
	assert_int_equal(ftruncate(out, 0), 0);
	lseek(out, 0, SEEK_SET);
	assert_int_equal(wh_copy_fd(proc, out, UINT64_MAX), 0);
	assert_true(lseek(out, 0, SEEK_CUR) > 100);
}

static void temp_names(void **state)
{
	WH_AUTO_FREE char *a = wh_temp_name("x-");
	WH_AUTO_FREE char *b = wh_temp_name("x-");

	(void)state;
	assert_int_equal(strlen(a), 18);
	assert_int_equal(strspn(a + 2, "0123456789abcdef"), 16);
	assert_string_not_equal(a, b);
}

static void rm_simple(void **state)
{
	(void)state;
	assert_int_equal(wh_rm_rf(at, "nothing"), 0);
	put("file", "x");
	assert_int_equal(wh_rm_rf(at, "file"), 0);
	assert_int_equal(wh_mkdir_p(at, "keep/sub", 0755), 0);
	put("keep/sub/f", "precious");
	assert_int_equal(wh_mkdir_p(at, "t/a/b", 0755), 0);
	put("t/a/f", "x");
	assert_int_equal(symlinkat("../keep", at, "t/link"), 0);
	assert_int_equal(symlinkat("/", at, "t/a/root"), 0);
	assert_int_equal(mkfifoat(at, "t/fifo", 0600), 0);
	assert_int_equal(symlinkat("keep", at, "toplink"), 0);
	assert_int_equal(wh_rm_rf(at, "t"), 0);
	assert_int_equal(wh_rm_rf(at, "toplink"), 0);
	assert_false(exists("t"));
	assert_false(exists("toplink"));
	is_text(at, "keep/sub/f", "precious");
	assert_int_equal(wh_rm_rf(at, "."), -EINVAL);
	assert_int_equal(wh_rm_rf(at, "keep/.."), -EINVAL);
	assert_int_equal(wh_rm_rf(at, ""), -EINVAL);
	assert_true(exists("keep/sub/f"));
	assert_int_equal(wh_rm_rf(at, "keep/sub/f/x"), -ENOTDIR);
}

static void rm_wide(void **state)
{
	size_t i;

	(void)state;
	assert_int_equal(mkdirat(at, "wide", 0755), 0);
	for (i = 0; i < 3000; i++) {
		WH_AUTO_FREE char *name = wh_asprintf("wide/%s-%zu", i % 3 ? "file" : "dir", i);

		if (i % 3)
			put(name, "");
		else
			assert_int_equal(mkdirat(at, name, 0755), 0);
	}
	assert_int_equal(wh_rm_rf(at, "wide"), 0);
	assert_false(exists("wide"));
}

/* Far deeper than descriptors, PATH_MAX or a stack would allow; every third directory is locked. */
static void make_deep(unsigned depth)
{
	int dir = wh_openat(at, ".", O_PATH | O_DIRECTORY, 0);
	unsigned i;

	for (i = 0; i < depth; i++) {
		WH_AUTO_FREE char *side = wh_asprintf("side%u", i);
		int next;

		assert_int_equal(mkdirat(dir, "deep", 0755), 0);
		assert_int_equal(mkdirat(dir, side, 0755), 0);
		next = wh_openat(dir, "deep", O_PATH | O_DIRECTORY, 0);
		assert_true(next >= 0);
		close(dir);
		dir = next;
	}
	close(dir);
}

static void rm_deep(void **state)
{
	struct rlimit old, few;

	(void)state;
	make_deep(5000);
	getrlimit(RLIMIT_NOFILE, &old);
	few = (struct rlimit){48, old.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	assert_int_equal(wh_rm_rf(at, "deep"), 0);
	setrlimit(RLIMIT_NOFILE, &old);
	assert_false(exists("deep"));
	assert_int_equal(wh_rm_rf(at, "side0"), 0);
}

/* In a child as an ordinary user: root would not notice missing permissions. */
static int locked_body(void)
{
	static const mode_t modes[] = {0000, 0100, 0200, 0300, 0400, 0500, 0600, 0700};
	WH_AUTO_FD int mine = -1;
	size_t i;

	if (getuid() == 0 && (setgid(65534) || setuid(65534)))
		return 10;
	mine = wh_openat(at, "theirs", O_PATH | O_DIRECTORY, 0);
	for (i = 0; i < WH_ARRAY_SIZE(modes); i++) {
		WH_AUTO_FREE char *d = wh_asprintf("l/%zu/sub", i);
		WH_AUTO_FREE char *f = wh_asprintf("l/%zu/sub/f", i);
		WH_AUTO_FREE char *up = wh_asprintf("l/%zu", i);
		int fd;

		if (wh_mkdir_p(mine, d, 0755))
			return 11;
		fd = wh_openat(mine, f, O_WRONLY | O_CREAT, 0600);
		if (fd < 0)
			return 12;
		close(fd);
		if (fchmodat(mine, d, modes[i], 0) || fchmodat(mine, up, modes[WH_ARRAY_SIZE(modes) - 1 - i], 0))
			return 13;
	}
	if (fchmodat(mine, "l", 0, 0))
		return 14;
	if (wh_rm_rf(mine, "l"))
		return 15;
	return faccessat(mine, "l", F_OK, 0) == 0 ? 16 : 0;
}

/* Another's directory: the rest goes, the failure is told, nothing loops. */
static int foreign_body(void)
{
	WH_AUTO_FD int mine = -1;

	if (getuid() == 0 && (setgid(65534) || setuid(65534)))
		return 10;
	mine = wh_openat(at, "theirs", O_PATH | O_DIRECTORY, 0);
	if (wh_rm_rf(mine, "mixed") != -EACCES)
		return 11;
	if (faccessat(mine, "mixed/own", F_OK, 0) == 0)
		return 12;
	return faccessat(mine, "mixed/foreign/f", F_OK, AT_EACCESS) == 0 ? 13 : 0;
}

static void in_child(int (*body)(void))
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(body());
	assert_int_equal(wh_proc_wait(pid), 0);
}

static void rm_locked(void **state)
{
	(void)state;
	assert_int_equal(chmod(top, 0755), 0);
	assert_int_equal(mkdirat(at, "theirs", 0777), 0);
	in_child(locked_body);
	if (getuid() != 0)
		return; /* the second half needs a directory of somebody else */
	assert_int_equal(mkdirat(at, "theirs/mixed", 0777), 0);
	assert_int_equal(fchownat(at, "theirs/mixed", 65534, 65534, 0), 0);
	assert_int_equal(wh_mkdir_p(at, "theirs/mixed/foreign", 0700), 0);
	put("theirs/mixed/foreign/f", "");
	assert_int_equal(mkdirat(at, "theirs/mixed/own", 0700), 0);
	assert_int_equal(fchownat(at, "theirs/mixed/own", 65534, 65534, 0), 0);
	in_child(foreign_body);
}

/* A mount below, in a namespace of our own: what it shows must survive. */
static int mount_body(void)
{
	WH_AUTO_FREE char *from = wh_asprintf("%s/kept", top);
	WH_AUTO_FREE char *to = wh_asprintf("%s/tree/mnt", top);
	uid_t uid = getuid();

	if (unshare(uid == 0 ? CLONE_NEWNS : CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return 10;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 || mount(from, to, NULL, MS_BIND, NULL) < 0)
		return 11;
	at = wh_openat(AT_FDCWD, top, O_PATH | O_DIRECTORY, 0);
	if (wh_rm_rf(at, "tree") == 0)
		return 13;
	return faccessat(at, "kept/f", F_OK, 0) == 0 && faccessat(at, "tree/gone", F_OK, 0) != 0 ? 0 : 14;
}

static void rm_mount(void **state)
{
	(void)state;
	assert_int_equal(wh_mkdir_p(at, "kept", 0755), 0);
	assert_int_equal(wh_mkdir_p(at, "tree/mnt", 0755), 0);
	assert_int_equal(wh_mkdir_p(at, "tree/gone", 0755), 0);
	put("kept/f", "precious");
	in_child(mount_body);
}

static void regular(void **state)
{
	static const char *const others[] = {"fifo", "link-to-fifo", ".", "/dev/null"};
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	size_t i;

	(void)state;
	put("plain", "text");
	assert_int_equal(mkfifoat(at, "fifo", 0600), 0);
	assert_int_equal(symlinkat("fifo", at, "link-to-fifo"), 0);
	assert_int_equal(wh_read_regular(at, "plain", 4, &b), 0);
	assert_string_equal(b.p, "text");
	assert_int_equal(wh_read_regular(at, "plain", 3, &b), -EFBIG);
	assert_int_equal(wh_read_regular(at, "absent", 3, &b), -ENOENT);
	for (i = 0; i < WH_ARRAY_SIZE(others); i++)
		assert_int_equal(wh_read_regular(at, others[i], 100, &b), -EINVAL);
	assert_string_equal(b.p, "text");
}

static void network_fs(void **state)
{
	WH_AUTO_FD int proc = wh_openat(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY, 0);

	(void)state;
	assert_false(wh_is_network_fs(proc));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_root),  cmocka_unit_test(magic_links), cmocka_unit_test(beneath),
		cmocka_unit_test(mkdir_p),  cmocka_unit_test(reading),     cmocka_unit_test(atomic_write),
		cmocka_unit_test(copy_fd),  cmocka_unit_test(rm_simple),   cmocka_unit_test(temp_names),
		cmocka_unit_test(rm_wide),  cmocka_unit_test(rm_deep),     cmocka_unit_test(rm_locked),
		cmocka_unit_test(rm_mount), cmocka_unit_test(network_fs),  cmocka_unit_test(regular),
	};

	return cmocka_run_group_tests_name("base/fs", tests, setup, teardown);
}
