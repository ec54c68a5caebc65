/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/hostile: each archive gives an error, or a tree that stays inside. The
 * tree is looked at twice: as the index tells it, and unpacked.
 */
#include "layers/reader.h"
#include "layers/stream.h"
#include "tests/unit/layers_helper.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/xattr.h>

#define X "1:2d7116" /* a file that holds "x" */
#define D100                                                 \
	"dddddddddddddddddddddddddddddddddddddddddddddddddd" \
	"dddddddddddddddddddddddddddddddddddddddddddddddddd"
#define N50 "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn"
#define FIVE N50 N50 N50 N50 N50 "nnnnn"

static const struct {
	const char *name;
	const char *tree;  /* as describe() has it, or NULL: reading fails */
	const char *error; /* part of the text */
} cases[] = {
	{"absolute", "f b 644 " X "\nl c -> /etc/a\nd etc 755\nh etc/a 644 " X " -> b\n", NULL},
	{"aufs", "f a 644 " X "\n", NULL},
	{"behind-the-end", "f a 644 " X "\n", NULL},
	{"capabilities",
	 "f bad 644 " X "\nd dir 755\nf ping 644 " X " security.capability=20\nf ping3 644 " X
	 " security.capability=20\n",
	 NULL},
	{"dir-becomes-file", "f a 644 " X "\n", NULL},
	{"dir-becomes-symlink", "l a -> /etc\n", NULL},
	{"dir-then-whiteout", "d a opaque 755\nf a/x 644 " X "\n", NULL},
	{"dup-dir", "d a 755\nf a/x 644 " X "\n", NULL},
	{"dup-file", "f a 644 5:8b5b9d\n", NULL},
	{"dup-linked", "f a 644 5:8b5b9d\nf b 644 3:7692c3\n", NULL},
	{"empty", "", NULL},
	{"file-becomes-dir", "d a 755\nf a/x 644 " X "\n", NULL},
	{"file-then-whiteout", "f a 644 3:11507a\n", NULL},
	{"fraction", "f a 644 " X "\n", NULL},
	{"implied", "d a 755\nd a/b 755\nf a/b/c 644 " X "\n", NULL},
	{"link-through-symlink", "d d 755\nf d/x 644 " X "\nl s -> d\nh y 644 " X " -> d/x\n", NULL},
	{"link-to-symlink", "l a -> nowhere\nl b -> nowhere\n", NULL},
	{"long",
	 "d " D100 " 755\nd " D100 "/" D100 " 755\nd " D100 "/" D100 "/" D100 " 755\nd " D100 "/" D100 "/" D100 "/" D100
	 " 755\nd " D100 "/" D100 "/" D100 "/" D100 "/" D100 " 755\nf " D100 "/" D100 "/" D100 "/" D100 "/" D100
	 "/" FIVE " 644 " X "\n",
	 NULL},
	{"names",
	 "f back\\slash 644 " X "\nd d e 755\nf d e/f g 644 " X "\nf esc\033[31m 644 " X "\nf e\314\201 644 " X
	 "\nf new\nline 644 " X "\nf \303\251 644 " X "\nf \377\376 644 " X "\n",
	 NULL},
	{"no-end", "f a 644 " X "\n", NULL},
	{"nothing", "", NULL},
	{"old-gnu", "d d 755\nf d/f 644 4:982d9e\nl s -> d/f\n", NULL},
	{"old-oldgnu", "d d 755\nf d/f 644 4:982d9e\nl s -> d/f\n", NULL},
	{"old-posix", "d d 755\nf d/f 644 4:982d9e\nl s -> d/f\n", NULL},
	{"old-time", "f a 644 " X "\n", NULL},
	{"old-ustar", "d d 755\nf d/f 644 4:982d9e\nl s -> d/f\n", NULL},
	{"old-v7", "d d 755\nf d/f 644 4:982d9e\nl s -> d/f\n", NULL},
	{"overwrite-symlink", "f a 644 4:3fd305\n", NULL},
	{"slashes", "d a 755\nd a/b 755\nf a/b/c 644 " X "\nf d 644 " X "\n", NULL},
	{"sparse-0.0", "f hole 644 3145728:c93ed1\n", NULL},
	{"sparse-0.1", "f hole 644 3145728:c93ed1\n", NULL},
	{"sparse-1.0", "f hole 644 3145728:c93ed1\n", NULL},
	{"sparse-gnu", "f hole 644 3145728:c93ed1\n", NULL},
	{"symlink-becomes-dir", "d a 755\nf a/x 644 " X "\n", NULL},
	{"through-absolute-symlink", "l a -> /etc\nd etc 755\nf etc/x 644 " X "\n", NULL},
	{"through-dotdot-symlink", "l a -> ../../../etc\nd etc 755\nf etc/x 644 " X "\n", NULL},
	{"through-symlink", "l lib -> usr/lib\nd usr 755\nd usr/lib 755\nf usr/lib/x 644 " X "\n", NULL},
	{"through-two-symlinks", "l a -> b\nl b -> c/d\nd c 755\nd c/d 755\nf c/d/x 644 " X "\n", NULL},
	{"whiteout-then-below", "d a opaque 755\nf a/x 644 " X "\n", NULL},
	{"whiteout-then-dir", "d a opaque 755\nf a/x 644 " X "\n", NULL},
	{"whiteout-then-file", "f a 644 3:11507a\n", NULL},
	{"whiteouts", "d a opaque 755\nw a/gone\nw b\nd c 755\nd c/d opaque 755\n", NULL},
	{"xattrs", "f a 644 " X " user.note=5\nd d 755 user.a=1 user.b=1\n", NULL},

	{"bad-below-fifo", NULL, "\"a/b\": it lies below something that is not a directory"},
	{"bad-below-file", NULL, "\"a/b\": it lies below something that is not a directory"},
	{"bad-below-whiteout", NULL, "\".wh.a/b\": it lies below a whiteout"},
	{"bad-checksum", NULL, "Unrecognized archive format"},
	{"bad-dotdot", NULL, "\"../x\": its name has \"..\""},
	{"bad-dotdot-end", NULL, "its name has \"..\""},
	{"bad-dotdot-inside", NULL, "\"a/../b\": its name has \"..\""},
	{"bad-dotdot-link", NULL, "its hard link target has \"..\""},
	{"bad-link-below-self", NULL, "\"a\": it is a hard link to something below itself"},
	{"bad-link-dir", NULL, "\"b\": it is a hard link to a directory"},
	{"bad-link-self-dir", NULL, "\"a\": it is a hard link to itself"},
	{"bad-link-whiteout", NULL, "\"b\": it is a hard link to a whiteout"},
	{"bad-owner", NULL, "\"a\": its owner is no user id"},
	{"bad-owner-negative", NULL, "\"a\": its owner is no user id"},
	{"bad-part", NULL, "longer than 255 bytes"},
	{"bad-path", NULL, "its path is too long"},
	{"bad-random", NULL, "Unrecognized archive format"},
	{"bad-root-file", NULL, "Damaged tar archive"},
	{"bad-root-link", NULL, "\"a\": it is a hard link to the root directory"},
	{"bad-size", NULL, "Truncated tar archive"},
	{"bad-size-huge", NULL, "more content (in bytes) than the limit"},
	{"bad-sparse-bomb", NULL, "more in sparse files (in bytes) than the limit"},
	{"bad-symlink-growing", NULL, "behind too many symlinks"},
	{"bad-symlink-loop", NULL, "behind too many symlinks"},
	{"bad-symlink-part", NULL, "longer than 255 bytes"},
	{"bad-truncated", NULL, "Truncated tar archive"},
	{"bad-whiteout-dot", NULL, "it is a whiteout of nothing"},
	{"bad-whiteout-dotdot", NULL, "it is a whiteout of nothing"},
	{"bad-whiteout-nothing", NULL, "it is a whiteout of nothing"},
	{"bad-xattr-size", NULL, "an extended attribute is longer than 64 KiB"},
	{"bad-xattrs", NULL, "it has too many extended attributes"},
};

/* These are read as well, but cannot be unpacked everywhere: tests of their own below. */
static const char *const others[] = {"big-owner", "link-below-lower", "link-lower", "plain"};

static void load(const char *name, struct wh_buf *buf)
{
	const char *src = getenv("WH_SRCDIR");
	WH_AUTO_FREE char *path = wh_asprintf("%s/tests/hostile/%s.tar", src ? src : ".", name);

	if (wh_read_file(AT_FDCWD, path, 1 << 20, buf) < 0)
		fail_msg("cannot read %s", path);
}

/* ---------------------------------------------------------------- names only */

struct memory {
	const struct wh_buf *buf;
	size_t at;
};

/* In small pieces, so that nothing depends on how the bytes come. */
static int next(void *src, const void **p, size_t *n, struct wh_err **err)
{
	struct memory *m = src;

	(void)err;
	*p = m->buf->p + m->at;
	*n = m->buf->n - m->at < 1000 ? m->buf->n - m->at : 1000;
	m->at += *n;
	return 0;
}

static int describe_one(void *arg, const struct wh_entry *e, const struct wh_inode *ino, struct wh_err **err)
{
	(void)ino;
	(void)err;
	describe(arg, e);
	return 0;
}

static int read_tree(const char *name, const struct wh_read_opts *o, struct wh_buf *out, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_NAMES struct wh_names *names = wh_names_new();
	struct memory m = {&buf, 0};
	int r;

	load(name, &buf);
	r = wh_tar_read(next, &m, o, names, NULL, NULL, err);
	wh_buf_adds(out, "");
	return r < 0 ? r : wh_names_list(names, describe_one, out, err);
}

static void trees(void **state)
{
	struct wh_read_opts o = {.digests = true, .limits = WH_READ_LIMITS};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
		WH_AUTO_ERR struct wh_err *err = NULL;
		int r = read_tree(cases[i].name, &o, &out, &err);

		if (cases[i].tree) {
			if (r < 0)
				fail_msg("%s: %s", cases[i].name, err->msg);
			if (strcmp(out.p, cases[i].tree) != 0)
				fail_msg("%s: got\n%s", cases[i].name, out.p);
		} else {
			if (r >= 0)
				fail_msg("%s: should have failed, gave\n%s", cases[i].name, out.p);
			assert_non_null(err);
			if (!strstr(err->msg, cases[i].error))
				fail_msg("%s: unexpected error \"%s\"", cases[i].name, err->msg);
			assert_null(strchr(err->msg, '\n'));
		}
	}
}

static bool in_a_table(const char *name)
{
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++)
		if (strcmp(cases[i].name, name) == 0)
			return true;
	for (size_t i = 0; i < WH_ARRAY_SIZE(others); i++)
		if (strcmp(others[i], name) == 0)
			return true;
	return false;
}

static void all_there(void **state)
{
	const char *src = getenv("WH_SRCDIR");
	WH_AUTO_FREE char *path = wh_asprintf("%s/tests/hostile", src ? src : ".");
	DIR *d = opendir(path);
	const struct dirent *de;

	(void)state;
	assert_non_null(d);
	while ((de = readdir(d))) {
		WH_AUTO_FREE char *name = NULL;

		if (!wh_has_suffix(de->d_name, ".tar"))
			continue;
		name = wh_strndup(de->d_name, strlen(de->d_name) - strlen(".tar"));
		if (!in_a_table(name))
			fail_msg("%s is in no table", de->d_name);
	}
	closedir(d);
}

static void limits(void **state)
{
	static const struct {
		const char *name;
		struct wh_read_limits l;
		const char *error;
	} table[] = {
		{"plain",
		 {.entries = 8, .bytes = 1000, .holes = 0, .memory = 1 << 20},
		 "more entries than the limit of 8"},
		{"plain",
		 {.entries = 9, .bytes = 4, .holes = 0, .memory = 1 << 20},
		 "more content (in bytes) than the limit of 4"},
		{"plain", {.entries = 9, .bytes = 1000, .holes = 0, .memory = 100}, "more names and attributes"},
		{"plain", {.entries = 9, .bytes = 5, .holes = 0, .memory = 1 << 20}, NULL},
		{"sparse-gnu", {.entries = 9, .bytes = 4 << 20, .holes = 3 << 20, .memory = 1 << 20}, NULL},
		{"sparse-gnu", {.entries = 9, .bytes = 4 << 20, .holes = (3 << 20) - 1, .memory = 1 << 20}, "sparse"},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		struct wh_read_opts o = {.limits = table[i].l};
		WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
		WH_AUTO_ERR struct wh_err *err = NULL;
		int r = read_tree(table[i].name, &o, &out, &err);

		if (!table[i].error) {
			assert_ok(r, err);
		} else {
			assert_int_equal(r, -EFBIG);
			assert_non_null(strstr(err->msg, table[i].error));
		}
	}
}

/* What a layer refuses, ADD keeps inside; what means something in a layer only, ADD refuses. */
static void add_mode(void **state)
{
	static const struct {
		const char *name, *tree;
	} table[] = {
		{"bad-dotdot", "f x 644 " X "\n"},
		{"bad-dotdot-inside", "d a 755\nf b 644 " X "\n"},
		{"through-absolute-symlink", "l a -> /etc\nd etc 755\nf etc/x 644 " X "\n"},
		{"whiteouts", NULL},
		{"link-lower", NULL},
		{"bad-dotdot-link", NULL},
	};
	struct wh_read_opts o = {.add = true, .digests = true, .limits = WH_READ_LIMITS};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
		WH_AUTO_ERR struct wh_err *err = NULL;
		int r = read_tree(table[i].name, &o, &out, &err);

		if (table[i].tree) {
			assert_ok(r, err);
			assert_string_equal(out.p, table[i].tree);
		} else {
			assert_int_equal(r, -EBADMSG);
		}
	}
}

/* ---------------------------------------------------------------- unpacked */

static void layer_from(struct bed *b, const char *name, struct wh_layer *ret)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	struct wh_err *err = NULL;

	load(name, &buf);
	*ret = (struct wh_layer){.comp = WH_COMP_NONE, .blob_size = buf.n, .newest = INT64_MIN};
	assert_ok(wh_blob_put(b->store, buf.p, buf.n, &ret->blob, &err), err);
	ret->diff_id = ret->blob;
}

static size_t count_files(int fd)
{
	int copy = wh_openat(fd, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fdopendir(copy);
	const struct dirent *de;
	size_t n = 0;

	assert_non_null(d);
	while ((de = readdir(d))) {
		int sub;

		if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
			continue;
		n++;
		sub = wh_openat(fd, de->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
		if (sub < 0)
			continue;
		n += count_files(sub);
		close(sub);
	}
	closedir(d);
	return n;
}

/* Is the entry on disk what the index says? */
static bool same(int root, const struct wh_entry *e, char *why, size_t room)
{
	WH_AUTO_FD int fd = wh_open_beneath(root, e->path[0] ? e->path : ".", O_PATH | O_NOFOLLOW, 0, true);
	WH_AUTO_FD int target = -1;
	WH_AUTO_FD int data = -1;
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	struct stat st, ts;
	struct wh_digest d;
	char text[5000], proc[64];
	ssize_t n;

	snprintf(why, room, "%s", e->path);
	if (e->type == WH_T_CHR || e->type == WH_T_BLK)
		return fd == -ENOENT || fd == -ELOOP;
	if (fd < 0 || fstat(fd, &st) < 0)
		return false;
	snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
	switch (e->type) {
	case WH_T_WHITEOUT:
		return S_ISCHR(st.st_mode) && st.st_rdev == 0;
	case WH_T_SYMLINK:
		n = readlinkat(fd, "", text, sizeof(text));
		return S_ISLNK(st.st_mode) && n == (ssize_t)strlen(e->link) && memcmp(text, e->link, (size_t)n) == 0;
	case WH_T_HARDLINK:
		target = wh_open_beneath(root, e->link, O_PATH | O_NOFOLLOW, 0, true);
		return target >= 0 && fstat(target, &ts) == 0 && ts.st_ino == st.st_ino && st.st_nlink > 1;
	case WH_T_DIR:
		n = getxattr(proc, "user.overlay.opaque", text, sizeof(text));
		if (!S_ISDIR(st.st_mode) || (n == 1) != e->opaque)
			return false;
		break;
	case WH_T_FIFO:
		return S_ISFIFO(st.st_mode);
	case WH_T_FILE:
		data = wh_openat(AT_FDCWD, proc, O_RDONLY, 0);
		if (!S_ISREG(st.st_mode) || data < 0 || wh_read_fd(data, 64 << 20, &buf) < 0)
			return false;
		wh_digest_of(buf.p, buf.n, &d);
		if (buf.n != e->size || !wh_digest_eq(&d, &e->digest))
			return false;
		break;
	case WH_T_CHR:
	case WH_T_BLK:
		break;
	}
	for (size_t i = 0; i < e->n_xattrs; i++)
		if (getxattr(proc, e->xattrs[i].name, text, sizeof(text)) < 0)
			return false;
	return (st.st_mode & 07777) == e->mode && (e->path[0] == '\0' || st.st_mtime == e->mtime || e->implied);
}

static void compare(struct bed *b, const struct wh_layer *l, const char *name)
{
	char hex[65], why[5000];
	WH_AUTO_FREE char *path = wh_asprintf("snapshots/%s", wh_digest_hex(&l->diff_id, hex));
	WH_AUTO_FD int root = wh_openat(wh_store_dirfd(b->store), path, O_RDONLY | O_DIRECTORY, 0);
	struct wh_xattr xs[WH_MAX_XATTRS];
	struct wh_index *x = NULL;
	struct wh_err *err = NULL;
	struct wh_entry e;
	size_t n = 0;

	assert_true(root >= 0);
	assert_ok(wh_index_open(b->store, l, &x, &err), err);
	for (size_t i = 0; i < wh_index_count(x); i++) {
		assert_int_equal(wh_index_at(x, i, &e, xs), 0);
		if (!same(root, &e, why, sizeof(why)))
			fail_msg("%s: %s is not on disk as the index says", name, why);
		n += e.path[0] && e.type != WH_T_CHR && e.type != WH_T_BLK;
	}
	wh_index_close(x);
	assert_int_equal(count_files(root), n);
}

static void unpacking(void **state)
{
	struct bed b;

	(void)state;
	bed_open(&b);
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct wh_layer l;
		int r;

		layer_from(&b, cases[i].name, &l);
		r = wh_snapshot_ensure(b.store, &l, &err);
		if (cases[i].tree) {
			if (r < 0)
				fail_msg("%s: %s", cases[i].name, err->msg);
			compare(&b, &l, cases[i].name);
		} else {
			char hex[65];
			WH_AUTO_FREE char *path = wh_asprintf("snapshots/%s", wh_digest_hex(&l.diff_id, hex));

			assert_true(r < 0);
			assert_int_equal(faccessat(wh_store_dirfd(b.store), path, F_OK, AT_SYMLINK_NOFOLLOW), -1);
		}
		wh_layer_release(&l);
	}
	/* Nothing was left behind, and nothing lies beside the store. */
	{
		WH_AUTO_FD int tmp = wh_openat(wh_store_tmp_dirfd(b.store), ".", O_RDONLY | O_DIRECTORY, 0);
		WH_AUTO_FD int top = wh_openat(AT_FDCWD, b.dir, O_RDONLY | O_DIRECTORY, 0);
		DIR *d;
		size_t n = 0;

		assert_true(count_files(tmp) <= 2); /* the lease's lock and mark */
		d = fdopendir(WH_TAKE_FD(top));
		while (readdir(d))
			n++;
		closedir(d);
		assert_int_equal(n, 3);
	}
	bed_close(&b);
}

static void links_to_lower(void **state)
{
	struct bed b;

	(void)state;
	bed_open(&b);
	for (size_t i = 0; i < 2; i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct wh_xattr xs[WH_MAX_XATTRS];
		struct wh_index *x = NULL;
		struct wh_entry e;
		struct wh_layer l;
		size_t pos;

		layer_from(&b, i ? "link-below-lower" : "link-lower", &l);
		assert_ok(wh_index_open(b.store, &l, &x, &err), err);
		assert_true(wh_index_find(x, i ? "b" : "a", &pos));
		assert_int_equal(wh_index_at(x, pos, &e, xs), 0);
		assert_int_equal(e.type, WH_T_HARDLINK);
		assert_string_equal(e.link, "bin/lower");
		assert_false(wh_index_find(x, "bin", &pos));
		wh_index_close(x);
		assert_int_equal(wh_snapshot_ensure(b.store, &l, &err), -ENOTSUP);
		assert_non_null(strstr(err->msg, "a hard link to bin/lower, which is not in the same layer"));
		wh_layer_release(&l);
	}
	bed_close(&b);
}

/* Owners that this user namespace knows are set; others are an error that says what to do. */
static void owners(void **state)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_layer l;
	struct bed b;
	bool may;
	int r;

	(void)state;
	bed_open(&b);
	layer_from(&b, "plain", &l);
	may = chown(b.dir, 1, 2) == 0;
	r = wh_snapshot_ensure(b.store, &l, &err);
	if (may) {
		assert_ok(r, err);
		compare(&b, &l, "plain");
	} else {
		assert_true(r < 0);
		assert_non_null(strstr(err->hint, "subuid"));
	}
	wh_layer_release(&l);
	bed_close(&b);
}

/* ---------------------------------------------------------------- damage */

static void damaged(void **state)
{
	struct bed b;
	struct wh_err *err = NULL;
	struct wh_layer l, wrong;
	WH_AUTO_FREE char *origin = NULL;
	WH_AUTO_FREE char *file = NULL;
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	char hex[65];

	(void)state;
	bed_open(&b);
	/* The diff id is not that of what comes out. */
	layer_from(&b, "implied", &l);
	wrong = l;
	wrong.diff_id.b[0] ^= 1;
	assert_int_equal(wh_snapshot_ensure(b.store, &wrong, &err), -EBADMSG);
	assert_non_null(strstr(err->msg, "diff id"));
	wh_err_freep(&err);
	err = NULL;
	/* A blob in a layout that is not what its name says, or not as long. */
	load("dup-file", &buf);
	wh_digest_of(buf.p, buf.n, &wrong.blob);
	wrong.diff_id = wrong.blob;
	wrong.blob_size = buf.n;
	wrong.origin = origin = wh_asprintf("%s/layout", b.dir);
	file = wh_asprintf("layout/blobs/sha256/%s", wh_digest_hex(&wrong.blob, hex));
	{
		WH_AUTO_FD int dir = wh_openat(AT_FDCWD, b.dir, O_RDONLY | O_DIRECTORY, 0);

		assert_int_equal(wh_mkdir_p(dir, "layout/blobs/sha256", 0755), 0);
		buf.p[600] ^= 1;
		assert_int_equal(wh_write_file_atomic(dir, file, buf.p, buf.n, 0644, false), 0);
		assert_int_equal(wh_snapshot_ensure(b.store, &wrong, &err), -EBADMSG);
		wh_err_freep(&err);
		err = NULL;
		assert_false(wh_blob_has(b.store, &wrong.blob, NULL));
		assert_int_equal(wh_write_file_atomic(dir, file, buf.p, buf.n - 1, 0644, false), 0);
		assert_int_equal(wh_layer_fetch(b.store, &wrong, &err), -EBADMSG);
		assert_non_null(strstr(err->msg, "bytes, not"));
		wh_err_freep(&err);
		err = NULL;
		buf.p[600] ^= 1;
		assert_int_equal(wh_write_file_atomic(dir, file, buf.p, buf.n, 0644, false), 0);
		assert_ok(wh_snapshot_ensure(b.store, &wrong, &err), err);
		compare(&b, &wrong, "from a layout");
	}
	wh_layer_release(&l);
	bed_close(&b);
}

/* ---------------------------------------------------------------- streams */

static int stream_of(struct bed *b, const void *p, size_t n, uint64_t max, struct wh_buf *out, struct wh_err **err)
{
	WH_CLEANUP(wh_stream_freep) struct wh_stream *t = NULL;
	struct wh_stream_opts o = {.max = max};
	const void *data;
	size_t k = 0;
	int fd, r;

	assert_int_equal(wh_write_file_atomic(wh_store_tmp_dirfd(b->store), "in", p, n, 0600, false), 0);
	fd = wh_openat(wh_store_tmp_dirfd(b->store), "in", O_RDONLY, 0);
	assert_true(fd >= 0);
	wh_buf_adds(out, "");
	r = wh_stream_new(fd, &o, &t, err);
	while (r == 0) {
		r = wh_stream_next(t, &data, &k, err);
		if (r < 0 || k == 0)
			break;
		wh_buf_add(out, data, k);
	}
	return r;
}

#define GZ_AB "\x1f\x8b\x08\0\0\0\0\0\0\x03\x4b\x4c\x02\0\x6d\x48\x83\x9e\x02\0\0\0" /* "ab" */
#define ZST_AB "\x28\xb5\x2f\xfd\x20\x02\x11\0\0\x61\x62"                            /* "ab" */
#define ZST_SKIP "\x50\x2a\x4d\x18\x03\0\0\0xyz"
#define LEN(s) (s), sizeof(s) - 1

static void streams(void **state)
{
	static const struct {
		const char *in;
		size_t n;
		const char *out, *error;
	} table[] = {
		{LEN("plain"), "plain", NULL},
		{LEN(""), "", NULL},
		{LEN("\x1f"), "\x1f", NULL},
		{LEN(GZ_AB), "ab", NULL},
		{LEN(GZ_AB GZ_AB), "abab", NULL},
		{LEN(GZ_AB "\0\0\0\0\0"), "ab", NULL},
		{LEN(GZ_AB "junk"), NULL, "behind the end"},
		{GZ_AB, sizeof(GZ_AB) - 3, NULL, "too early"},
		{GZ_AB, 5, NULL, "too early"},
		{LEN("\x1f\x8b\x08\0\0\0\0\0\0\x03\xff\xff\xff\xff"), NULL, "damaged gzip"},
		{LEN(ZST_AB), "ab", NULL},
		{LEN(ZST_AB ZST_AB), "abab", NULL},
		{LEN(ZST_SKIP ZST_AB), "ab", NULL},
		{LEN(ZST_AB ZST_SKIP), "ab", NULL},
		{LEN(ZST_AB "junk"), NULL, "damaged zstd"},
		{ZST_AB, sizeof(ZST_AB) - 3, NULL, "too early"},
	};
	struct bed b;

	(void)state;
	bed_open(&b);
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
		WH_AUTO_ERR struct wh_err *err = NULL;
		int r = stream_of(&b, table[i].in, table[i].n, 1000, &out, &err);

		if (table[i].out) {
			assert_ok(r, err);
			assert_string_equal(out.p, table[i].out);
		} else {
			assert_int_equal(r, -EBADMSG);
			if (!strstr(err->msg, table[i].error))
				fail_msg("case %zu: %s", i, err->msg);
		}
	}
	bed_close(&b);
}

/* A few KiB that become 64 MiB. */
static void bomb(void **state)
{
	struct bed b;
	struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
	static const char zeros[1 << 16];
	struct wh_entry e = {.path = "zeros", .type = WH_T_FILE, .mode = 0644, .size = 64 << 20};
	WH_AUTO_BUF struct wh_buf blob = WH_BUF_INIT;
	struct wh_layer_writer *w;
	struct wh_layer l;

	(void)state;
	bed_open(&b);
	for (int gz = 0; gz < 2; gz++) {
		WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
		WH_AUTO_ERR struct wh_err *err = NULL;

		o.comp = gz ? WH_COMP_GZIP : WH_COMP_ZSTD;
		assert_ok(wh_layer_writer_new(b.store, &o, &w, &err), err);
		assert_ok(wh_layer_writer_add(w, &e, &err), err);
		for (size_t k = 0; k < 64 << 20; k += sizeof(zeros))
			assert_ok(wh_layer_writer_data(w, zeros, sizeof(zeros), &err), err);
		assert_ok(wh_layer_writer_finish(w, &l, &err), err);
		wh_buf_reset(&blob);
		assert_ok(wh_blob_read(b.store, &l.blob, 1 << 20, &blob, &err), err);
		assert_int_equal(stream_of(&b, blob.p, blob.n, 1 << 20, &out, &err), -EFBIG);
		assert_non_null(strstr(err->msg, "more than 1048576 bytes come out of it"));
		assert_true(out.n <= 1 << 20);
		wh_layer_release(&l);
	}
	bed_close(&b);
}

/* Two threads, one snapshot. */
struct racer {
	struct bed *b;
	const struct wh_layer *l;
	int result;
};

static void *race_one(void *arg)
{
	struct racer *r = arg;
	struct wh_err *err = NULL;

	r->result = wh_snapshot_ensure(r->b->store, r->l, &err);
	wh_err_freep(&err);
	return NULL;
}

static void race(void **state)
{
	struct racer r[4];
	pthread_t t[4];
	struct wh_layer l;
	struct bed b;

	(void)state;
	bed_open(&b);
	for (int round = 0; round < 10; round++) {
		char hex[65];
		WH_AUTO_FREE char *path = NULL;

		layer_from(&b, "sparse-gnu", &l);
		for (int i = 0; i < 4; i++) {
			r[i] = (struct racer){&b, &l, -1};
			assert_int_equal(pthread_create(&t[i], NULL, race_one, &r[i]), 0);
		}
		for (int i = 0; i < 4; i++) {
			pthread_join(t[i], NULL);
			assert_int_equal(r[i].result, 0);
		}
		compare(&b, &l, "race");
		path = wh_asprintf("snapshots/%s", wh_digest_hex(&l.diff_id, hex));
		assert_int_equal(wh_rm_rf(wh_store_dirfd(b.store), path), 0);
		wh_layer_release(&l);
	}
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trees),    cmocka_unit_test(all_there), cmocka_unit_test(limits),
		cmocka_unit_test(add_mode), cmocka_unit_test(unpacking), cmocka_unit_test(links_to_lower),
		cmocka_unit_test(owners),   cmocka_unit_test(damaged),   cmocka_unit_test(streams),
		cmocka_unit_test(bomb),     cmocka_unit_test(race),
	};

	become_root();
	umask(0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
