/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a step did becomes a layer. Each row is run on a real overlay mount and
 * on a plain copy, inside a user namespace, and then:
 *  - both give the same layer, and it is the one that is expected;
 *  - the layers with the new one on top show what the step had left;
 *  - the upper directory, now a snapshot, is what unpacking the layer's blob gives.
 */
#include "layers/layers.h"

#include <dirent.h>
#include <errno.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>

#include "tests/unit/layers_helper.h"

#define EPOCH 2000 /* times of what steps do, clamped; layers in rows have 1000 */
#define MAX_STACK 4

#define BASE                                                                                                   \
	"d a 755\nd a/d 755\nf a/d/1 644 one\nf a/d/2 644 two\nf a/f 644 file\nf a/h1 644 hard\nh a/h2 a/h1\n" \
	"l a/l f\nf z 644 last\n"

static const struct row {
	const char *what;
	const char *layers[MAX_STACK];
	const char *ops;
	const char *out; /* the new layer's index; "" is an empty layer */
} rows[] = {
	{"nothing", {BASE}, "", ""},
	{"a new file", {BASE}, "write a/new x\n", "d a 755\nf a/new 644 1:2d7116\n"},
	{"a file changed", {BASE}, "write a/f other\n", "d a 755\nf a/f 644 5:d9298a\n"},
	{"a file changed to the same size", {BASE}, "write a/f FILE\n", "d a 755\nf a/f 644 4:9ef2fa\n"},
	{"the same size and time", {BASE}, "write a/f FILE\ntouch a/f 1000\n", "d a 755\nf a/f 644 4:9ef2fa\n"},
	{"a file opened for writing only", {BASE}, "open a/f\n", ""},
	{"a file touched to its own time", {BASE}, "touch a/f 1000\n", ""},
	{"a file's mode", {BASE}, "chmod a/f 4711\n", "d a 755\nf a/f 4711 4:3b9c35\n"},
	{"a mode to and fro", {BASE}, "chmod a/f 600\nchmod a/f 644\n", ""},
	{"a file without permissions", {BASE}, "write a/n secret\nchmod a/n 0\n", "d a 755\nf a/n 0 6:2bb80d\n"},
	{"a directory without permissions",
	 {BASE},
	 "mkdir a/n 755\nwrite a/n/f x\nchmod a/n 0\n",
	 "d a 755\nd a/n 0\nf a/n/f 644 1:2d7116\n"},
	{"a directory's mode only", {BASE}, "chmod a/d 700\n", "d a 755\nd a/d 700\n"},
	{"a file removed", {BASE}, "rm a/f\n", "d a 755\nw a/f\n"},
	{"a tree removed", {BASE}, "rm a\n", "w a\n"},
	{"a new file removed again", {BASE}, "write new x\nrm new\n", ""},
	{"a file removed and put back", {BASE}, "rm z\nwrite z last\ntouch z 1000\n", ""},
	{"a directory emptied", {BASE}, "rm a/d/1\nrm a/d/2\n", "d a 755\nd a/d 755\nw a/d/1\nw a/d/2\n"},
	{"a directory removed and made again",
	 {BASE},
	 "rm a/d\nmkdir a/d 755\nwrite a/d/3 x\n",
	 "d a 755\nd a/d 755\nw a/d/1\nw a/d/2\nf a/d/3 644 1:2d7116\n"},
	{"made again with an old name in it",
	 {BASE},
	 "rm a/d\nmkdir a/d 755\nwrite a/d/1 x\n",
	 "d a 755\nd a/d 755\nf a/d/1 644 1:2d7116\nw a/d/2\n"},
	{"made again as it was",
	 {BASE},
	 "rm a/d\nmkdir a/d 755\nwrite a/d/1 one\nwrite a/d/2 two\n",
	 "d a 755\nd a/d 755\nf a/d/1 644 3:7692c3\nf a/d/2 644 3:3fc4cc\n"},
	{"made again as it was, times too",
	 {BASE},
	 "rm a/d\nmkdir a/d 755\nwrite a/d/1 one\ntouch a/d/1 1000\n"
	 "write a/d/2 two\ntouch a/d/2 1000\ntouch a/d 1000\ntouch a 1000\n",
	 ""},
	{"a file in place of a directory", {BASE}, "rm a/d\nwrite a/d x\n", "d a 755\nf a/d 644 1:2d7116\n"},
	{"a link in place of a directory", {BASE}, "rm a/d\nsymlink a/d /etc\n", "d a 755\nl a/d -> /etc\n"},
	{"a directory in place of a file",
	 {BASE},
	 "rm a/f\nmkdir a/f 700\nwrite a/f/x x\n",
	 "d a 755\nd a/f 700\nf a/f/x 644 1:2d7116\n"},
	{"a directory, a file and a directory",
	 {BASE, "d a 755\nf a/d 644 x\n"},
	 "rm a/d\nmkdir a/d 755\nwrite a/d/1 x\n",
	 "d a 755\nd a/d 755\nf a/d/1 644 1:2d7116\n"},
	{"a name that an upper layer removed",
	 {BASE, "w a\n"},
	 "mkdir a 755\nwrite a/f x\n",
	 "d a 755\nf a/f 644 1:2d7116\n"},
	{"a file renamed", {BASE}, "mv a/f a/g\n", "d a 755\nw a/f\nf a/g 644 4:3b9c35\n"},
	{"two files swapped",
	 {BASE},
	 "mv a/d/1 t\nmv a/d/2 a/d/1\nmv t a/d/2\n",
	 "d a 755\nd a/d 755\nf a/d/1 644 3:3fc4cc\nf a/d/2 644 3:7692c3\n"},
	{"a new directory renamed", {BASE}, "mkdir n 755\nwrite n/x x\nmv n m\n", "d m 755\nf m/x 644 1:2d7116\n"},
	{"a new hard link",
	 {BASE},
	 "write a/n x\nln a/n b\n",
	 "d a 755\nf a/n 644 1:2d7116\nh b 644 1:2d7116 -> a/n\n"},
	{"a hard link to an old file", {BASE}, "ln z a/z\n", "d a 755\nf a/z 644 4:3547cb\nh z 644 4:3547cb -> a/z\n"},
	{"one of two names removed", {BASE}, "rm a/h1\n", "d a 755\nw a/h1\n"},
	{"one of two names replaced", {BASE}, "rm a/h2\nwrite a/h2 new\n", "d a 755\nf a/h2 644 3:11507a\n"},
	/* Overlay cuts a link of a lower layer when one of its names is changed. */
	{"written through one of two names", {"f a 644 1\nh b a\n"}, "write b 2\n", "f b 644 1:d4735e\n"},
	{"written through the first of two names", {"f a 644 1\nh b a\n"}, "write a 2\n", "f a 644 1:d4735e\n"},
	{"both names written, differently",
	 {"f a 644 1\nh b a\n"},
	 "write a 2\nwrite b 3\n",
	 "f a 644 1:d4735e\nf b 644 1:4e0740\n"},
	{"the mode of one of two names", {"f a 644 1\nh b a\n"}, "chmod b 600\n", "f b 600 1:6b86b2\n"},
	{"the time of one of two names", {"f a 644 1\nh b a\n"}, "touch a 1001\n", "f a 644 1:6b86b2\n"},
	{"an xattr of one of two names", {"f a 644 1\nh b a\n"}, "xattr b user.k v\n", "f b 644 1:6b86b2 user.k=1\n"},
	{"one of two names opened for writing only", {"f a 644 1\nh b a\n"}, "open a\nopen b\n", ""},
	{"the second of two names removed", {"f a 644 1\nh b a\n"}, "rm b\n", "w b\n"},
	{"one of two names renamed", {"f a 644 1\nh b a\n"}, "mv a c\n", "w a\nf c 644 1:6b86b2\n"},
	{"a third name for the second",
	 {"f a 644 1\nh b a\n"},
	 "ln b c\n",
	 "f b 644 1:6b86b2\nh c 644 1:6b86b2 -> b\n"},
	{"a third name for the first, written through",
	 {"f a 644 1\nh b a\n"},
	 "ln a c\nwrite c 2\n",
	 "f a 644 1:d4735e\nh c 644 1:d4735e -> a\n"},
	{"a third name, removed again", {"f a 644 1\nh b a\n"}, "ln b c\nrm c\n", ""},
	{"a third name in place of the second", {"f a 644 1\nh b a\n"}, "ln b c\nrm b\n", "w b\nf c 644 1:6b86b2\n"},
	{"the two names linked again",
	 {"f a 644 1\nh b a\n"},
	 "rm b\nln a b\n",
	 "f a 644 1:6b86b2\nh b 644 1:6b86b2 -> a\n"},
	{"two names of a symlink and of a fifo",
	 {"l a t\nh b a\np p 600\nh q p\n"},
	 "touch b 1001\nchmod q 644\n",
	 "l b -> t\np q 644\n"},
	{"a symlink changed", {BASE}, "rm a/l\nsymlink a/l z\n", "d a 755\nl a/l -> z\n"},
	{"a fifo and a socket", {BASE}, "fifo a/p 600\nsocket a/s\n", "d a 755\np a/p 600\n"},
	{"a socket in place of a file", {BASE}, "rm a/f\nsocket a/f\n", "d a 755\nw a/f\n"},
	{"a socket in place of a directory", {BASE}, "rm a/d\nsocket a/d\n", "d a 755\nw a/d\n"},
	{"xattrs",
	 {BASE},
	 "xattr a/f user.k v\nxattr a/d user.e x\n",
	 "d a 755\nd a/d 755 user.e=1\nf a/f 644 4:3b9c35 user.k=1\n"},
	{"an xattr removed", {BASE}, "xattr a/f user.k v\nunxattr a/f user.k\n", ""},
	{"a file capability", {BASE}, "cap a/f\n", "d a 755\nf a/f 644 4:3b9c35 security.capability=20\n"},
	{"a setuid file changed", {"f su 4755 x\n"}, "write su y\nchmod su 4755\n", "f su 4755 1:a1fce4\n"},
	{"an empty file", {BASE}, "write a/e\n", "d a 755\nf a/e 644 0:e3b0c4\n"},
	{"deep below",
	 {BASE},
	 "mkdir a/d/x 755\nmkdir a/d/x/y 755\nmkdir a/d/x/y/z 755\nwrite a/d/x/y/z/f x\n",
	 "d a 755\nd a/d 755\nd a/d/x 755\nd a/d/x/y 755\nd a/d/x/y/z 755\nf a/d/x/y/z/f 644 1:2d7116\n"},
	{"the root's mode", {BASE}, "chmod . 700\n", "d . 700\n"},
	{"from nothing", {NULL}, "mkdir a 755\nwrite a/f x\n", "d a 755\nf a/f 644 1:2d7116\n"},
	{"equal layers below", {BASE, "", "d a 755\nw a/f\n", ""}, "write a/n x\n", "d a 755\nf a/n 644 1:2d7116\n"},
	{"two times the same layer",
	 {"d a 755\nf a/1 644 x\n", "d a 755\nw a/1\n", "d a 755\nf a/1 644 x\n"},
	 "rm a/1\n",
	 "d a 755\nw a/1\n"},
	{"a directory that a layer leaves out",
	 {"d tmp 1777\nf tmp/a 644 x\n", "i tmp\nf tmp/foo 644 x\n"},
	 "write tmp/new x\n",
	 "d tmp 1777\nf tmp/new 644 1:2d7116\n"},
	{"left out, and nothing done", {"d tmp 1777\n", "i tmp\nf tmp/foo 644 x\n"}, "write f x\nrm f\n", ""},
	{"left out, removed and made again",
	 {"d tmp 1777\n", "i tmp\nf tmp/foo 644 x\n"},
	 "rm tmp\nmkdir tmp 755\n",
	 "d tmp 755\nw tmp/foo\n"},
	{"left out two times, deep below, and said again on top",
	 {"d a 711\nd a/b 750\nd a/b/c 1770\nd e 700\n", "i a\ni a/b\ni a/b/c\nf a/b/c/1 644 x\ni e\nf e/1 644 x\n",
	  "i a\ni a/b\ni a/b/c\nf a/b/c/2 644 x\n", "d e 711\n"},
	 "write a/b/c/3 x\nwrite e/3 x\n",
	 "d a 711\nd a/b 750\nd a/b/c 1770\nf a/b/c/3 644 1:2d7116\nd e 711\nf e/3 644 1:2d7116\n"},
	{"left out, over what hides the other",
	 {"d a 711\nf a/f 644 x\nd b 711\nd c 711\n", "w a\no b 700\nf c 644 x\n",
	  "i a\nf a/1 644 x\ni b\nf b/1 644 x\ni c\nf c/1 644 x\n"},
	 "write a/2 x\n",
	 "d a 755\nf a/2 644 1:2d7116\n"},
	{"left out, and gone in a higher layer",
	 {"d a 711\nd b 711\n", "i a\nf a/1 644 x\ni b\nf b/1 644 x\n", "w a\nf b 644 x\n"},
	 "write n x\n",
	 "f n 644 1:2d7116\n"},
	{"a foreign opaque directory below",
	 {BASE, "o a 755\nf a/n 644 x\n"},
	 "rm a\nmkdir a 755\nwrite a/f x\n",
	 "d a 755\nf a/f 644 1:2d7116\nw a/n\n"},
};

/* ---------------------------------------------------------------- doing */

static void remove_tree(int root, const char *path)
{
	WH_AUTO_FREE char *dir = wh_path_dir(path);
	WH_AUTO_FD int fd = wh_openat(root, dir, O_RDONLY | O_DIRECTORY, 0);

	assert_true(fd >= 0);
	assert_int_equal(wh_rm_rf(fd, wh_path_base(path)), 0);
}

static void make_socket(int root, const char *path)
{
	WH_AUTO_FD int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	assert_true(snprintf(sa.sun_path, sizeof(sa.sun_path), "/proc/self/fd/%d/%.60s", root, path) > 0);
	assert_int_equal(bind(s, (const struct sockaddr *)&sa, sizeof(sa)), 0);
}

static void set_time(int root, const char *path, long sec)
{
	struct timespec ts[2] = {{.tv_sec = sec}, {.tv_sec = sec}};

	assert_int_equal(utimensat(root, path, ts, AT_SYMLINK_NOFOLLOW), 0);
}

static int open_rw(int root, const char *path, int flags)
{
	int fd = wh_openat(root, path, flags, 0644);

	assert_true(fd >= 0);
	return fd;
}

/* Bytecode of this source as it is now: "x", and the header before it. */
static void write_pyc(int root, const char *path, const char *source, bool by_hash)
{
	unsigned char b[17] = {0xa7, 0x0d, '\r', '\n', by_hash};
	WH_AUTO_FD int fd = open_rw(root, path, O_WRONLY | O_CREAT | O_TRUNC);
	struct stat st;

	assert_int_equal(fstatat(root, source, &st, 0), 0);
	for (int i = 0; i < 4; i++) {
		b[8 + i] = (unsigned char)((uint32_t)st.st_mtim.tv_sec >> 8 * i);
		b[12 + i] = (unsigned char)((uint32_t)st.st_size >> 8 * i);
	}
	b[16] = 'x';
	assert_int_equal(wh_write_all(fd, b, sizeof(b)), 0);
}

static void one_op(int root, const char *line)
{
	char op[16], a[100], b[100] = "";
	static const uint8_t cap[20] = {1, 0, 0, 2, 0, 4};
	int fd, r = 0;

	assert_true(sscanf(line, "%15s %99s %99s", op, a, b) >= 2);
	if (strcmp(op, "write") == 0) {
		fd = open_rw(root, a, O_WRONLY | O_CREAT | O_TRUNC);
		r = wh_write_all(fd, b, strlen(b));
		close(fd);
	} else if (strcmp(op, "open") == 0) {
		close(open_rw(root, a, O_RDWR));
	} else if (strcmp(op, "rm") == 0) {
		remove_tree(root, a);
	} else if (strcmp(op, "mkdir") == 0) {
		r = mkdirat(root, a, (mode_t)strtoul(b, NULL, 8));
	} else if (strcmp(op, "chmod") == 0) {
		r = fchmodat(root, a, (mode_t)strtoul(b, NULL, 8), 0);
	} else if (strcmp(op, "mv") == 0) {
		r = renameat(root, a, root, b);
	} else if (strcmp(op, "ln") == 0) {
		r = linkat(root, a, root, b, 0);
	} else if (strcmp(op, "symlink") == 0) {
		r = symlinkat(b, root, a);
	} else if (strcmp(op, "fifo") == 0) {
		r = mknodat(root, a, S_IFIFO | (mode_t)strtoul(b, NULL, 8), 0);
	} else if (strcmp(op, "socket") == 0) {
		make_socket(root, a);
	} else if (strcmp(op, "touch") == 0) {
		set_time(root, a, strtol(b, NULL, 10));
	} else if (strcmp(op, "pyc") == 0 || strcmp(op, "hashpyc") == 0) {
		write_pyc(root, a, b, op[0] == 'h');
	} else if (strcmp(op, "xattr") == 0 || strcmp(op, "unxattr") == 0 || strcmp(op, "cap") == 0) {
		fd = open_rw(root, a, O_RDONLY);
		if (op[0] == 'x')
			r = fsetxattr(fd, b, "v", 1, 0);
		else if (op[0] == 'u')
			r = fremovexattr(fd, b);
		else
			r = fsetxattr(fd, "security.capability", cap, sizeof(cap), 0);
		close(fd);
	} else {
		fail_msg("no such operation: %s", line);
	}
	if (r < 0)
		fail_msg("%s: %s", line, strerror(errno));
}

/* The root's time is not what the rows are about. */
static void do_ops(int root, const char *ops)
{
	struct stat st;

	assert_int_equal(fstat(root, &st), 0);
	while (*ops) {
		WH_AUTO_FREE char *line = wh_strndup(ops, strcspn(ops, "\n"));

		one_op(root, line);
		ops += strlen(line) + 1;
	}
	set_time(root, ".", st.st_mtim.tv_sec);
}

/* ---------------------------------------------------------------- seeing */

/* A directory in words; raw: with times, and what overlay means by special files. */
static void see(int dirfd, const char *dir, bool raw, struct wh_entry_scratch *x, struct wh_buf *out)
{
	struct dirent **v = NULL;
	int n = scandirat(dirfd, ".", &v, NULL, alphasort);
	WH_AUTO_STRV struct wh_strv names = {0};

	assert_true(n >= 0);
	for (int i = 0; i < n; i++) {
		if (strcmp(v[i]->d_name, ".") != 0 && strcmp(v[i]->d_name, "..") != 0)
			wh_strv_add(&names, v[i]->d_name);
		free(v[i]);
	}
	free(v);
	wh_strv_sort(&names);
	for (size_t i = 0; i < names.n; i++) {
		WH_AUTO_FREE char *path = *dir ? wh_asprintf("%s/%s", dir, names.v[i]) : wh_strdup(names.v[i]);
		WH_AUTO_BUF struct wh_buf data = WH_BUF_INIT;
		struct wh_err *err = NULL;
		WH_AUTO_FD int fd = -1;
		struct wh_entry e;
		struct stat st;
		int r;

		assert_int_equal(fstatat(dirfd, names.v[i], &st, AT_SYMLINK_NOFOLLOW), 0);
		r = wh_entry_from_at(dirfd, names.v[i], &st, path, x, &e, &err);
		if (r == -ENOTSUP)
			continue;
		assert_ok(r, err);
		if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) {
			fd = wh_openat(dirfd, names.v[i], O_RDONLY | O_NOFOLLOW, 0);
			assert_true(fd >= 0);
		}
		if (S_ISREG(st.st_mode)) {
			assert_int_equal(wh_read_fd(fd, 1 << 20, &data), 0);
			wh_digest_of(data.n ? data.p : "", data.n, &e.digest);
		}
		if (raw) {
			/* A whiteout's time and names mean nothing: overlay makes one and links it. */
			if (S_ISCHR(st.st_mode)) {
				assert_int_equal(st.st_rdev, makedev(0, 0));
				e.type = WH_T_WHITEOUT;
			} else {
				wh_buf_addf(out, "%ld.%09ld n%u ", (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec,
					    S_ISDIR(st.st_mode) ? 0 : (unsigned)st.st_nlink);
			}
			e.opaque = S_ISDIR(st.st_mode) && fgetxattr(fd, "user.overlay.opaque", NULL, 0) >= 0;
		}
		describe(out, &e);
		if (S_ISDIR(st.st_mode))
			see(fd, path, raw, x, out);
	}
}

static char *see_path(const char *path, bool raw)
{
	struct wh_entry_scratch *x = wh_entry_scratch_new();
	WH_AUTO_FD int fd = wh_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	struct wh_buf out = WH_BUF_INIT;

	assert_true(fd >= 0);
	see(fd, "", raw, x, &out);
	wh_entry_scratch_free(x);
	return wh_buf_take(&out);
}

static int see_node(void *arg, const struct wh_node_ref *n)
{
	struct wh_entry e = n->e;

	e.opaque = false;
	if (e.type != WH_T_SYMLINK)
		e.link = NULL;
	describe(arg, &e);
	return 0;
}

static char *see_layers(struct wh_store *s, const struct wh_layer *layers, size_t n)
{
	struct wh_buf out = WH_BUF_INIT;
	struct wh_tree *t = NULL;
	struct wh_err *err = NULL;

	assert_ok(wh_tree_open(s, layers, n, &t, &err), err);
	assert_int_equal(wh_tree_walk(t, "", see_node, &out), 0);
	wh_tree_close(t);
	return wh_buf_take(&out);
}

static char *see_index(struct wh_store *s, const struct wh_layer *l, bool times)
{
	struct wh_buf out = WH_BUF_INIT;
	struct wh_xattr xs[WH_MAX_XATTRS];
	struct wh_index *x = NULL;
	struct wh_err *err = NULL;
	struct wh_entry e;

	assert_ok(wh_index_open(s, l, &x, &err), err);
	for (size_t i = 0; i < wh_index_count(x); i++) {
		assert_int_equal(wh_index_at(x, i, &e, xs), 0);
		if (times && e.type != WH_T_WHITEOUT)
			wh_buf_addf(&out, "%lld ", (long long)e.mtime);
		describe(&out, &e);
	}
	wh_index_close(x);
	return wh_buf_take(&out);
}

/* ---------------------------------------------------------------- both snapshotters */

static void mount_overlay(const struct wh_work *w, const char *at)
{
	WH_AUTO_BUF struct wh_buf o = WH_BUF_INIT;

	assert_true(mkdir(at, 0755) == 0 || errno == EEXIST);

	wh_buf_adds(&o, "userxattr,redirect_dir=nofollow,metacopy=off,index=off,lowerdir=");
	for (const char *const *l = wh_work_lowers(w); *l; l++)
		wh_buf_addf(&o, "%s:", *l);
	wh_buf_adds(&o, wh_work_stubs(w));
	if (wh_work_upper(w))
		wh_buf_addf(&o, ",upperdir=%s,workdir=%s", wh_work_upper(w), wh_work_workdir(w));
	if (mount("overlay", at, "overlay", 0, o.p) < 0)
		fail_msg("mount %s: %s", o.p, strerror(errno));
}

static void run_step(struct bed *bed, enum wh_snapshotter kind, const struct wh_layer *layers, size_t n,
		     const char *ops, int64_t normal, struct wh_layer *ret, char **ret_seen)
{
	WH_AUTO_FREE char *mnt = wh_asprintf("%s/mnt", bed->dir);
	struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
	const char *root = mnt;
	struct wh_work *w = NULL;
	struct wh_err *err = NULL;
	int fd;

	assert_ok(wh_work_new(bed->store, kind, layers, n, true, &w, &err), err);
	if (kind == WH_SNAP_OVERLAY) {
		mount_overlay(w, mnt);
	} else {
		root = wh_work_dir(w);
	}
	fd = wh_openat(AT_FDCWD, root, O_RDONLY | O_DIRECTORY, 0);
	assert_true(fd >= 0);
	do_ops(fd, ops);
	close(fd);
	*ret_seen = see_path(root, false);
	if (kind == WH_SNAP_OVERLAY)
		assert_int_equal(umount2(mnt, 0), 0);
	o.epoch = normal ? normal : EPOCH;
	o.reproducible = normal;
	o.threads = 1;
	assert_ok(wh_work_commit(w, &o, ret, &err), err);
}

/* The snapshot that the commit left is the one that another machine would unpack. */
static void check_snapshot(struct bed *bed, const struct wh_layer *l, const char *what)
{
	WH_AUTO_FREE char *mine = NULL, *theirs = NULL, *a = NULL, *b = NULL;
	struct wh_err *err = NULL;
	struct wh_layer copy;
	struct bed other;
	char hex[65];

	bed_open(&other);
	wh_layer_copy(&copy, l);
	free(copy.origin);
	copy.origin = wh_strdup(wh_store_path(bed->store));
	assert_ok(wh_snapshot_ensure(other.store, &copy, &err), err);
	wh_digest_hex(&l->diff_id, hex);
	a = wh_asprintf("%s/snapshots/%s", wh_store_path(bed->store), hex);
	b = wh_asprintf("%s/snapshots/%s", wh_store_path(other.store), hex);
	mine = see_path(a, true);
	theirs = see_path(b, true);
	if (strcmp(mine, theirs) != 0)
		fail_msg("%s: the snapshot is\n%sunpacked it is\n%s", what, mine, theirs);
	wh_layer_release(&copy);
	bed_close(&other);
}

/* Runs the row with one snapshotter on top of stack, whose next member becomes the new layer. */
static void check_one(struct bed *bed, const struct row *row, enum wh_snapshotter kind, struct wh_layer *stack,
		      size_t n, int64_t normal)
{
	const char *name = kind == WH_SNAP_COPY ? "copy" : "overlay";
	WH_AUTO_FREE char *seen = NULL, *index = NULL, *tree = NULL;

	run_step(bed, kind, stack, n, row->ops, normal, &stack[n], &seen);
	index = see_index(bed->store, &stack[n], normal);
	if (strcmp(index, row->out) != 0)
		fail_msg("%s (%s): the layer is\n%s", row->what, name, index);
	tree = see_layers(bed->store, stack, n + 1);
	if (!normal && strcmp(tree, seen) != 0)
		fail_msg("%s (%s): the step left\n%sthe layers show\n%s", row->what, name, seen, tree);
}

/* normal: the rules count, this is the epoch, and the row's layer has times; 0: EPOCH alone. */
static void check_row(const struct row *row, bool with_overlay, int64_t normal)
{
	struct wh_layer stack[MAX_STACK + 1], overlaid;
	char hex[2][65];
	struct bed bed;
	size_t n = 0;

	bed_open(&bed);
	for (; n < MAX_STACK && row->layers[n]; n++)
		layer_of(bed.store, row->layers[n], &stack[n]);
	if (with_overlay) {
		check_one(&bed, row, WH_SNAP_OVERLAY, stack, n, normal);
		check_snapshot(&bed, &stack[n], row->what);
		overlaid = stack[n];
	}
	check_one(&bed, row, WH_SNAP_COPY, stack, n, normal);
	if (with_overlay) {
		assert_string_equal(wh_digest_hex(&overlaid.diff_id, hex[0]), wh_digest_hex(&stack[n].diff_id, hex[1]));
		assert_string_equal(wh_digest_hex(&overlaid.blob, hex[0]), wh_digest_hex(&stack[n].blob, hex[1]));
		wh_layer_release(&overlaid);
	}
	for (size_t i = 0; i <= n; i++)
		wh_layer_release(&stack[i]);
	bed_close(&bed);
}

static void steps(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++)
		check_row(&rows[i], true, 0);
}

/* What overlay refuses with EXDEV, and a plain directory lets through. Sizes and times are equal
 * on purpose: only inode numbers and content tell what happened. */
static const struct row copy_rows[] = {
	{"two directories swapped",
	 {"d a 755\nf a/f 644 1\nd b 755\nf b/f 644 2\n"},
	 "mv a c\nmv b a\nmv c b\n",
	 "d a 755\nf a/f 644 1:d4735e\nd b 755\nf b/f 644 1:6b86b2\n"},
	{"the same, further down",
	 {"d a 755\nd a/x 755\nf a/x/f 644 1\nd b 755\nd b/x 755\nf b/x/f 644 2\n"},
	 "mv a c\nmv b a\nmv c b\n",
	 "d a 755\nd a/x 755\nf a/x/f 644 1:d4735e\nd b 755\nd b/x 755\nf b/x/f 644 1:6b86b2\n"},
	{"a directory renamed", {"d a 755\nf a/f 644 1\n"}, "mv a b\n", "w a\nd b 755\nf b/f 644 1:6b86b2\n"},
};

#include "tests/unit/layers_work_normal.h"

static void normal(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(normal_rows); i++)
		check_row(&normal_rows[i].row, true, normal_rows[i].epoch);
}

static void copies(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(copy_rows); i++)
		check_row(&copy_rows[i], false, 0);
}

/* Devices are in the index only. A step that cannot see them has not removed them. */
static void devices(void **state)
{
	(void)state;
	for (int k = 0; k < 2; k++) {
		struct wh_layer stack[2];
		WH_AUTO_FREE char *seen = NULL, *index = NULL;
		struct bed bed;

		bed_open(&bed);
		layer_of(bed.store, "d dev 755\nc dev/null 666\nf f 644 x\n", &stack[0]);
		run_step(&bed, k ? WH_SNAP_COPY : WH_SNAP_OVERLAY, stack, 1, "write dev/new x\n", 0, &stack[1], &seen);
		index = see_index(bed.store, &stack[1], false);
		assert_string_equal(index, "d dev 755\nf dev/new 644 1:2d7116\n");
		wh_layer_release(&stack[0]);
		wh_layer_release(&stack[1]);
		bed_close(&bed);
	}
}

static void removed_device(void **state)
{
	struct wh_layer stack[2];
	WH_AUTO_FREE char *seen = NULL, *index = NULL;
	struct bed bed;

	(void)state;
	bed_open(&bed);
	layer_of(bed.store, "d dev 755\nc dev/null 666\n", &stack[0]);
	run_step(&bed, WH_SNAP_COPY, stack, 1, "rm dev/null\n", 0, &stack[1], &seen);
	index = see_index(bed.store, &stack[1], false);
	assert_string_equal(index, "d dev 755\nw dev/null\n");
	wh_layer_release(&stack[0]);
	wh_layer_release(&stack[1]);
	bed_close(&bed);
}

/* A name that would mean a whiteout to whoever reads the layer. */
static void names_that_mean_whiteouts(void **state)
{
	(void)state;
	for (int k = 0; k < 2; k++) {
		struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
		WH_AUTO_ERR struct wh_err *err = NULL;
		WH_AUTO_FREE char *file = NULL;
		struct wh_work *w = NULL;
		struct wh_layer l, out;
		struct bed bed;

		bed_open(&bed);
		layer_of(bed.store, "d etc 755\nf etc/passwd 644 x\n", &l);
		assert_ok(wh_work_new(bed.store, k ? WH_SNAP_COPY : WH_SNAP_OVERLAY, &l, 1, true, &w, &err), err);
		file = wh_asprintf("%s/.wh.etc", k ? wh_work_dir(w) : wh_work_upper(w));
		assert_int_equal(wh_write_file_atomic(AT_FDCWD, file, "", 0, 0644, false), 0);
		assert_int_equal(wh_work_commit(w, &o, &out, &err), -EINVAL);
		assert_non_null(strstr(err->msg, "/.wh.etc"));
		assert_int_equal(err->class, WH_ERR_BUILD);
		wh_layer_release(&l);
		bed_close(&bed);
	}
}

static void reading_only(void **state)
{
	(void)state;
	for (int k = 0; k < 2; k++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
		WH_AUTO_FREE char *first = NULL, *seen = NULL;
		struct wh_layer l, out;
		struct bed bed;

		bed_open(&bed);
		layer_of(bed.store, BASE, &l);
		for (int again = 0; again < 2; again++) {
			struct wh_work *w = NULL;

			assert_ok(wh_work_new(bed.store, k ? WH_SNAP_COPY : WH_SNAP_OVERLAY, &l, 1, false, &w, &err),
				  err);
			assert_null(wh_work_upper(w));
			if (k && again)
				assert_string_equal(first, wh_work_dir(w));
			else if (k)
				first = wh_strdup(wh_work_dir(w));
			if (k && again) {
				WH_AUTO_FREE char *tree = see_layers(bed.store, &l, 1);

				wh_work_discard(w);
				seen = see_path(first, false);
				assert_string_equal(seen, tree);
			} else if (again) {
				assert_int_equal(wh_work_commit(w, &o, &out, &err), -EROFS);
			} else {
				wh_work_discard(w);
			}
		}
		wh_layer_release(&l);
		bed_close(&bed);
	}
}

/* Directories that a layer leaves out are in every respect those of the layers below, whether or not a step may write. */
static void left_out(void **state)
{
	const char *const paths[] = {".", "a", "a/tmp"};
	struct wh_layer stack[4];
	struct bed bed;

	(void)state;
	bed_open(&bed);
	layer_of(bed.store, "d . 711\nd a 750\nd a/tmp 1777\n", &stack[0]);
	{
		WH_AUTO_FREE char *seen = NULL;

		run_step(&bed, WH_SNAP_COPY, stack, 1, "xattr a/tmp user.k v\ntouch a/tmp 1234\n", 0, &stack[1], &seen);
	}
	layer_of(bed.store, "i a\ni a/tmp\nf a/tmp/foo 644 x\n", &stack[2]);
	layer_of(bed.store, "f z 644 x\n", &stack[3]);
	for (size_t i = 0; i < 8 * WH_ARRAY_SIZE(paths); i++) {
		bool copy = i & 1, writable = i & 2;
		size_t n = i & 4 ? 4 : 3;
		WH_AUTO_FREE char *mnt = wh_asprintf("%s/mnt", bed.dir), *path = NULL;
		const struct stat want[] = {{.st_mode = S_IFDIR | 0711, .st_mtime = 1000},
					    {.st_mode = S_IFDIR | 0750, .st_mtime = 1000},
					    {.st_mode = S_IFDIR | 01777, .st_mtime = 1234}};
		const struct stat *w = &want[i / 8];
		struct wh_work *work = NULL;
		struct wh_err *err = NULL;
		struct stat st;

		assert_ok(
			wh_work_new(bed.store, copy ? WH_SNAP_COPY : WH_SNAP_OVERLAY, stack, n, writable, &work, &err),
			err);
		if (!copy)
			mount_overlay(work, mnt);
		path = wh_asprintf("%s/%s", copy ? wh_work_dir(work) : mnt, paths[i / 8]);
		assert_int_equal(stat(path, &st), 0);
		if (st.st_mode != w->st_mode || st.st_mtime != w->st_mtime)
			fail_msg("%s (%s, %s, %zu layers): mode %o, time %ld", paths[i / 8], copy ? "copy" : "overlay",
				 writable ? "rw" : "ro", n, st.st_mode, (long)st.st_mtime);
		assert_int_equal(getxattr(path, "user.k", NULL, 0), i / 8 == 2 ? 1 : -1);
		if (!copy)
			assert_int_equal(umount2(mnt, 0), 0);
		wh_work_discard(work);
	}
	for (size_t i = 0; i < WH_ARRAY_SIZE(stack); i++)
		wh_layer_release(&stack[i]);
	bed_close(&bed);
}

/* A step's layer over another base is still that layer: nothing in its snapshot belongs to the first base. */
static void same_layer_on_another_base(void **state)
{
	const char *const bases[] = {"d d 755\nf d/1 644 x\nf d/2 644 x\n", "d d 755\nf d/1 644 x\nf d/3 644 y\n"};
	WH_AUTO_FREE char *left = NULL, *right = NULL;
	struct wh_layer a[2], b[2];
	struct bed bed;

	(void)state;
	bed_open(&bed);
	layer_of(bed.store, bases[0], &a[0]);
	layer_of(bed.store, bases[1], &b[0]);
	/* The first leaves an opaque directory with d/2 in it behind, which is the same as before; the layer only says
	 * that d/1 is gone. The second does just that. */
	run_step(&bed, WH_SNAP_OVERLAY, a, 1, "rm d\nmkdir d 755\nwrite d/2 x\ntouch d/2 1000\ntouch d 1000\n", 0,
		 &a[1], &left);
	run_step(&bed, WH_SNAP_OVERLAY, b, 1, "rm d/1\ntouch d 1000\n", 0, &b[1], &right);
	assert_true(wh_digest_eq(&a[1].diff_id, &b[1].diff_id));
	free(WH_TAKE_PTR(right));
	wh_layer_release(&b[1]);
	/* With the snapshot of the first, the second base still shows its d/3. */
	wh_layer_copy(&b[1], &a[1]);
	{
		struct wh_layer more[3], out;

		more[0] = b[0];
		more[1] = b[1];
		run_step(&bed, WH_SNAP_OVERLAY, more, 2, "write new x\n", 0, &out, &right);
		assert_string_equal(right, "d d 755\nf d/3 644 1:a1fce4\nf new 644 1:2d7116\n");
		wh_layer_release(&out);
	}
	for (int i = 0; i < 2; i++) {
		wh_layer_release(&a[i]);
		wh_layer_release(&b[i]);
	}
	bed_close(&bed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps),
		cmocka_unit_test(normal),
		cmocka_unit_test(copies),
		cmocka_unit_test(devices),
		cmocka_unit_test(removed_device),
		cmocka_unit_test(names_that_mean_whiteouts),
		cmocka_unit_test(reading_only),
		cmocka_unit_test(left_out),
		cmocka_unit_test(same_layer_on_another_base),
	};

	enter_user_namespace();
	umask(0);
	return cmocka_run_group_tests_name("layers_work", tests, NULL, NULL);
}
