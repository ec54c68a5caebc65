/* SPDX-License-Identifier: Apache-2.0 */
/* The actions but COPY, archives, digests, and sources that are hostile or on the move. */
#include "tests/unit/fileop_fixture.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/stat.h>

/* ---------------------------------------------------------------- mkdir, mkfile, symlink, rm */

#define MKDIR(p)                                                       \
	{                                                              \
		.kind = WH_FILE_MKDIR, .path = p, .make_parents = true \
	}
#define MKFILE(p, text)                                                                       \
	{                                                                                     \
		.kind = WH_FILE_MKFILE, .path = p, .data = text, .data_len = sizeof(text) - 1 \
	}
#define RM(p)                                 \
	{                                     \
		.kind = WH_FILE_RM, .path = p \
	}
#define LINK(p, to)                                            \
	{                                                      \
		.kind = WH_FILE_SYMLINK, .path = p, .data = to \
	}

static const struct {
	const char *name, *base;
	struct wh_file_action actions[4];
	const char *want;
} action_rows[] = {
	{"mkdir", "", {MKDIR("/a/b")}, "d 0755 a\nd 0755 a/b"},
	{"mkdir of what is there", "d 0700@1:2 a\nd 0711 a/b", {MKDIR("/a/b")}, ""},
	{"mkdir of the root", "", {MKDIR("/")}, ""},
	{"mkdir with an owner",
	 "d 0700@1:2 a",
	 {{.kind = WH_FILE_MKDIR, .path = "/a/b/c", .make_parents = true, .chown = "5:6"}},
	 "d 0700@1:2 a\nd 0755@5:6 a/b\nd 0755@5:6 a/b/c"},
	{"mkdir with an owner that nobody knows",
	 "d 0755 etc\nf 0644 etc/group web:x:33:",
	 {{.kind = WH_FILE_MKDIR, .path = "/a", .chown = "joe:web"}},
	 "d 0755@0:33 a"},
	{"mkdir with a mode",
	 "",
	 {{.kind = WH_FILE_MKDIR, .path = "/a", .make_parents = true, .chmod = "0711"}},
	 "d 0711 a"},
	{"mkdir through a link", "l a -> /b\nd 0755 b", {MKDIR("/a/c")}, "d 0755 b\nd 0755 b/c"},
	{"mkdir of a link to a directory", "l a -> /b\nd 0755 b", {MKDIR("/a")}, ""},
	{"mkdir over a file",
	 "f 0644 a A",
	 {MKDIR("/a/b")},
	 "error: cannot make the directory \"/a/b\": \"/a\" is not a directory"},
	{"mkdir without parents",
	 "",
	 {{.kind = WH_FILE_MKDIR, .path = "/a/b"}},
	 "error: mkdir /a/b: no such file or directory"},

	{"mkfile", "", {MKFILE("/a/b", "hi")}, "d 0755 a\nf 0644 a/b hi"},
	{"mkfile, empty", "", {MKFILE("/a", "")}, "f 0644 a"},
	{"mkfile over a file", "f 0600 a A", {MKFILE("/a", "hi")}, "f 0644 a hi"},
	{"mkfile through a link", "l a -> d/f\nd 0755 d", {MKFILE("/a", "hi")}, "d 0755 d\nf 0644 d/f hi"},
	{"mkfile over a directory", "d 0755 a", {MKFILE("/a", "hi")}, "error: open /a: is a directory"},
	{"mkfile twice", "", {MKFILE("/a", "one"), MKFILE("/a", "two")}, "f 0644 a two"},
	{"mkfile with owner and mode",
	 "",
	 {{.kind = WH_FILE_MKFILE, .path = "/a", .data = "x", .data_len = 1, .chown = "3:4", .chmod = "u+x"}},
	 "f 0744@3:4 a x"},

	{"symlink", "", {LINK("/a/l", "../x")}, "d 0755 a\nl a/l -> ../x"},
	{"symlink over a file", "f 0644 a A", {LINK("/a", "x")}, "error: symlink /a: file exists"},

	{"rm", "d 0755 d\nf 0644 d/a A\nf 0644 d/b B", {RM("/d/a")}, "d 0755 d\nw d/a"},
	{"rm of a directory", "d 0755 d\nf 0644 d/a A", {RM("/d")}, "w d"},
	{"rm through a link", "d 0755 d\nf 0644 d/a A\nl l -> d", {RM("/l/a")}, "d 0755 d\nw d/a"},
	{"rm of a link", "d 0755 d\nl l -> d", {RM("/l")}, "w l"},
	{"rm of nothing", "", {RM("/a")}, "error: remove /a: No such file or directory"},
	{"rm of nothing, perhaps", "", {{.kind = WH_FILE_RM, .path = "/a", .missing_ok = true}}, ""},
	{"made and removed", "", {MKFILE("/a", "x"), RM("/a")}, ""},
	{"removed and made", "d 0755 d\nf 0644 d/a A", {RM("/d"), MKDIR("/d")}, "d 0755 d !"},
	{"removed and made, with something in it",
	 "d 0755 d\nf 0644 d/a A\nf 0644 d/b B",
	 {RM("/d"), MKFILE("/d/b", "new")},
	 "d 0755 d !\nf 0644 d/b new"},
	{"what is removed cannot be removed again",
	 "d 0755 d\nf 0644 d/a A",
	 {RM("/d"), RM("/d/a")},
	 "error: remove /d/a: No such file or directory"},
	{"removed and made as a file", "d 0755 d\nf 0644 d/a A", {RM("/d"), MKFILE("/d", "f")}, "f 0644 d f"},
	{"file removed and made as a directory", "f 0644 d A", {RM("/d"), MKDIR("/d/e")}, "d 0755 d\nd 0755 d/e"},
};

static void test_actions(void **state)
{
	struct env *e = *state;
	unsigned bad = 0;

	for (size_t i = 0; i < WH_ARRAY_SIZE(action_rows); i++) {
		WH_AUTO_FREE char *got = NULL;
		struct job j = {0};

		memcpy(j.actions, action_rows[i].actions, sizeof(action_rows[i].actions));
		while (j.op.n_actions < 4 && j.actions[j.op.n_actions].path)
			j.op.n_actions++;
		job_start(e, &j, NULL, action_rows[i].base, "", false);
		got = job_write(e, &j);
		if (strcmp(got, action_rows[i].want) != 0) {
			print_message("%s:\n--- want\n%s\n--- got\n%s\n", action_rows[i].name, action_rows[i].want,
				      got);
			bad++;
		}
		job_end(&j);
	}
	assert_int_equal(bad, 0);
}

/* ---------------------------------------------------------------- archives */

struct member {
	const char *path;
	int type; /* AE_IFREG … */
	unsigned mode, uid;
	const char *text;
};

static void make_archive(struct env *e, const char *name, const struct member *m, bool gzip)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", e->dir, name);
	struct archive *a = archive_write_new();

	archive_write_set_format_pax_restricted(a);
	if (gzip)
		archive_write_add_filter_gzip(a);
	assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
	for (; m->path; m++) {
		struct archive_entry *x = archive_entry_new();

		archive_entry_set_pathname(x, m->path);
		if (m->type)
			archive_entry_set_filetype(x, (unsigned)m->type);
		archive_entry_set_perm(x, (mode_t)m->mode);
		archive_entry_set_uid(x, m->uid);
		archive_entry_set_gid(x, m->uid);
		archive_entry_set_mtime(x, TIME, 0);
		if (m->type == AE_IFREG)
			archive_entry_set_size(x, (la_int64_t)strlen(m->text));
		if (m->type == AE_IFLNK)
			archive_entry_set_symlink(x, m->text);
		if (!m->type)
			archive_entry_set_hardlink(x, m->text);
		assert_int_equal(archive_write_header(a, x), ARCHIVE_OK);
		if (m->type == AE_IFREG)
			assert_true(archive_write_data(a, m->text, strlen(m->text)) >= 0);
		archive_entry_free(x);
	}
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
}

static const struct {
	const char *name, *base;
	struct member members[5];
	bool gzip;
	const char *dest, *chown, *want;
} archive_rows[] = {
	{"plain",
	 "",
	 {{"d/", AE_IFDIR, 0750, 7, NULL}, {"d/f", AE_IFREG, 0600, 8, "F"}, {"d/l", AE_IFLNK, 0777, 9, "f"}},
	 false,
	 "/x",
	 NULL,
	 "d 0755 x\nd 0750@7:7 x/d\nf 0600@8:8 x/d/f F\nl@9:9 x/d/l -> f"},
	{"compressed", "", {{"f", AE_IFREG, 0644, 0, "F"}}, true, "/x/", NULL, "d 0755 x\nf 0644 x/f F"},
	{"owner", "", {{"f", AE_IFREG, 0644, 7, "F"}}, true, "/x/", "5:6", "d 0755@5:6 x\nf 0644@5:6 x/f F"},
	{"implied directories",
	 "d 0700@4:4 x",
	 {{"d/e/f", AE_IFREG, 0644, 0, "F"}},
	 false,
	 "/x",
	 NULL,
	 "d 0700@4:4 x\nd 0755 x/d\nd 0755 x/d/e\nf 0644 x/d/e/f F"},
	{"hard links",
	 "",
	 {{"b", AE_IFREG, 0644, 0, "F"}, {"a", 0, 0644, 0, "b"}},
	 false,
	 "/",
	 NULL,
	 "f 0644 a F\nh b => a"},
	{"directory over a directory",
	 "d 0700@4:4 x\nf 0644 x/g G",
	 {{"x", AE_IFDIR, 0711, 5, NULL}, {"x/f", AE_IFREG, 0644, 0, "F"}},
	 false,
	 "/",
	 NULL,
	 "d 0711@5:5 x\nf 0644 x/f F"},
	{"file over a directory",
	 "d 0755 x\nf 0644 x/g G",
	 {{"x", AE_IFREG, 0644, 0, "F"}},
	 false,
	 "/",
	 NULL,
	 "f 0644 x F"},
	{"directory over a link",
	 "l x -> /y\nd 0755 y",
	 {{"x", AE_IFDIR, 0755, 0, NULL}, {"x/f", AE_IFREG, 0644, 0, "F"}},
	 false,
	 "/",
	 NULL,
	 "d 0755 x\nf 0644 x/f F"},
	{"through a link",
	 "l x -> /y\nd 0755 y",
	 {{"x/f", AE_IFREG, 0644, 0, "F"}},
	 false,
	 "/",
	 NULL,
	 "d 0755 y\nf 0644 y/f F"},
	{"links stay in the destination",
	 "d 0755 d\nl d/x -> /etc\nd 0755 etc",
	 {{"x/f", AE_IFREG, 0644, 0, "F"}},
	 false,
	 "/d",
	 NULL,
	 "d 0755 d\nd 0755 d/etc\nf 0644 d/etc/f F"},
	{"own links stay in the destination",
	 "d 0755 etc",
	 {{"x", AE_IFLNK, 0777, 0, "../../etc"}, {"x/f", AE_IFREG, 0644, 0, "F"}},
	 false,
	 "/d",
	 NULL,
	 "d 0755 d\nd 0755 d/etc\nf 0644 d/etc/f F\nl d/x -> ../../etc"},
	{"names that climb",
	 "",
	 {{"../../f", AE_IFREG, 0644, 0, "F"}, {"/abs", AE_IFREG, 0644, 0, "G"}},
	 false,
	 "/d",
	 NULL,
	 "d 0755 d\nf 0644 d/abs G\nf 0644 d/f F"},
};

static void test_archives(void **state)
{
	struct env *e = *state;
	unsigned bad = 0;

	for (size_t i = 0; i < WH_ARRAY_SIZE(archive_rows); i++) {
		struct copy c = {
			.srcs = {"x.tar"}, .dest = archive_rows[i].dest, .chown = archive_rows[i].chown, .add = true};
		WH_AUTO_FREE char *got = NULL;
		struct job j = {0};

		wh_mkdir_p(e->fd, "ctx", 0755);
		make_archive(e, "ctx/x.tar", archive_rows[i].members, archive_rows[i].gzip);
		job_start(e, &j, &c, archive_rows[i].base, NULL, false);
		got = job_write(e, &j);
		if (strcmp(got, archive_rows[i].want) != 0) {
			print_message("%s:\n--- want\n%s\n--- got\n%s\n", archive_rows[i].name, archive_rows[i].want,
				      got);
			bad++;
		}
		job_end(&j);
	}
	assert_int_equal(bad, 0);
}

/* What is no archive is copied, also when its name says otherwise; directories are not looked into. */
static void test_no_archives(void **state)
{
	struct env *e = *state;
	struct copy plain_file = {.srcs = {"x.tar"}, .dest = "/d/", .add = true};
	struct copy inside = {.srcs = {"."}, .dest = "/d/", .add = true};
	struct member m[] = {{"f", AE_IFREG, 0644, 0, "F"}, {0}};
	WH_AUTO_FREE char *a = NULL, *b = NULL;
	struct job j = {0};

	job_start(e, &j, &plain_file, "", "f 0644 x.tar text", false);
	a = job_write(e, &j);
	assert_string_equal(a, "d 0755 d\nf 0644 d/x.tar text");
	job_end(&j);
	make_archive(e, "ctx/x.tar", m, true);
	job_start(e, &j, &inside, "", NULL, false);
	b = job_write(e, &j);
	assert_true(wh_has_prefix(b, "d 0755 d\nf 0644 d/x.tar "));
	job_end(&j);
}

/* ---------------------------------------------------------------- digests */

#define CTX "d 0755 d\nf 0644 d/a A\nd 0711 d/e\nl d/l -> a"

static struct wh_digest digest_of(struct env *e, const struct copy *c, const char *context, bool tree)
{
	struct wh_digest d;
	struct job j = {0};

	job_start(e, &j, c, "", context, tree);
	d = job_digest(&j);
	job_end(&j);
	return d;
}

static void test_digest(void **state)
{
	static const struct {
		const char *name, *context;
		bool same;
	} r[] = {
		{"the same again", CTX, true},
		{"content", "d 0755 d\nf 0644 d/a B\nd 0711 d/e\nl d/l -> a", false},
		{"mode", "d 0755 d\nf 0600 d/a A\nd 0711 d/e\nl d/l -> a", false},
		{"mode of a directory", "d 0755 d\nf 0644 d/a A\nd 0755 d/e\nl d/l -> a", false},
		{"mode of the source itself", "d 0700 d\nf 0644 d/a A\nd 0711 d/e\nl d/l -> a", true},
		{"name", "d 0755 d\nf 0644 d/b A\nd 0711 d/e\nl d/l -> a", false},
		{"link", "d 0755 d\nf 0644 d/a A\nd 0711 d/e\nl d/l -> b", false},
		{"type", "d 0755 d\nf 0644 d/a A\nd 0711 d/e\nf 0777 d/l a", false},
		{"one more", "d 0755 d\nf 0644 d/a A\nd 0711 d/e\nl d/l -> a\nf 0644 d/z", false},
		{"elsewhere", "d 0755 d\nf 0644 d/a A\nd 0711 d/e\nl d/l -> a\nf 0644 z Z", true},
		{"what is excluded", "d 0755 d\nf 0644 d/a A\nd 0711 d/e\nf 0644 d/e/x.o Z\nl d/l -> a", true},
	};
	struct copy c = {.srcs = {"d"}, .dest = "/x", .exclude = {"**/*.o"}};
	struct env *e = *state;
	struct wh_digest want = digest_of(e, &c, CTX, false), got;

	for (size_t i = 0; i < WH_ARRAY_SIZE(r); i++) {
		got = digest_of(e, &c, r[i].context, false);
		if (wh_digest_eq(&want, &got) != r[i].same)
			fail_msg("%s", r[i].name);
		/* Where it comes from does not matter; the order in a tree is by path. */
		got = digest_of(e, &c, r[i].context, true);
		if (wh_digest_eq(&want, &got) != r[i].same)
			fail_msg("%s, in a tree", r[i].name);
	}
	got = digest_of(e, &c, "d 0755 d\nf 0644@5:5 d/a A\nd 0711 d/e\nl d/l -> a", true);
	assert_false(wh_digest_eq(&want, &got));
}

static void test_digest_links_and_names(void **state)
{
	struct copy all = {.srcs = {"."}, .dest = "/x"}, wild = {.srcs = {"f*"}, .dest = "/x/"};
	struct env *e = *state;
	struct wh_digest a = digest_of(e, &all, "f 0644 a A\nf 0644 b A", false);
	struct wh_digest b = digest_of(e, &all, "f 0644 a A\nh b => a", false);
	struct wh_digest c = digest_of(e, &wild, "f 0644 f1 A", false);
	struct wh_digest d = digest_of(e, &wild, "f 0644 f2 A", false);
	struct wh_digest f = digest_of(e, &wild, "f 0644 g A", false);

	assert_false(wh_digest_eq(&a, &b));
	assert_false(wh_digest_eq(&c, &d));
	assert_false(wh_digest_eq(&c, &f));
}

/* Times are the sources', in the layer; in the digest they are not. */
static void test_times(void **state)
{
	struct timespec t[2] = {{.tv_sec = TIME + 100}, {.tv_sec = TIME + 100}};
	struct copy c = {.srcs = {"."}, .dest = "/x/"};
	struct env *e = *state;
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_layer_opts o = plain();
	struct wh_digest before, after;
	struct wh_layer layer;
	bool empty;
	struct job j = {0};

	before = digest_of(e, &c, "f 0644 a A", false);
	assert_int_equal(utimensat(e->fd, "ctx/a", t, 0), 0);
	job_start(e, &j, &c, "", NULL, false);
	MUST(wh_fileop_write(j.f, &o, &layer, &empty, &err));
	after = job_digest(&j);
	assert_true(wh_digest_eq(&before, &after));
	assert_true(layer.newest >= TIME + 100);
	wh_layer_release(&layer);
	job_end(&j);
}

/* What a checkout's umask did to modes is undone, and nothing else; --reproducible knows two modes and one time. */
static void test_checkout(void **state)
{
	static const struct {
		const char *name;
		struct wh_local_attrs attrs;
		const char *context, *want;
	} rows[] = {
		{"as it is",
		 {0},
		 "f 0600 a 1\nf 0700 b 2\nd 0700 d\nf 0644 e 3",
		 "f 0600 a 1\nf 0700 b 2\nd 0700 d\nf 0644 e 3"},
		{"077",
		 {.has_umask = true, .umask = 077},
		 "f 0600 a 1\nf 0700 b 2\nd 0700 d\nf 0600 d/f 5\nf 0644 e 3\nf 0400 g 4\nd 0755 h\nf 04700 i 6",
		 "f 0644 a 1\nf 0755 b 2\nd 0755 d\nf 0644 d/f 5\nf 0644 e 3\nf 0400 g 4\nd 0755 h\nf 4700 i 6"},
		{"002",
		 {.has_umask = true, .umask = 002},
		 "f 0664 a 1\nf 0775 b 2\nd 0775 d\nf 0600 e 3\nd 01775 h\nl k -> a",
		 "f 0644 a 1\nf 0755 b 2\nd 0755 d\nf 0600 e 3\nd 1775 h\nl k -> a"},
		{"0: as some runners have it",
		 {.has_umask = true, .umask = 0},
		 "f 0666 a 1\nf 0777 b 2\nd 0777 d\nf 0600 e 3",
		 "f 0644 a 1\nf 0755 b 2\nd 0755 d\nf 0600 e 3"},
		{"a directory of a file's mode",
		 {.has_umask = true, .umask = 077},
		 "d 0600 d",
		 "d 0600 d"},
		{"plain",
		 {.plain = true, .time = 7},
		 "f 0600 a 1\nf 0710 b 2\nd 0700 d\nf 04755 e 3\nf 0466 g 4\nl k -> a\nd 0555 m",
		 "f 0644 a 1\nf 0755 b 2\nd 0755 d\nf 0755 e 3\nf 0644 g 4\nl k -> a\nd 0755 m"},
		{"plain counts more",
		 {.plain = true, .time = 7, .has_umask = true, .umask = 007},
		 "f 0660 a 1\nf 0600 b 2\nd 0770 d",
		 "f 0644 a 1\nf 0644 b 2\nd 0755 d"},
	};
	struct copy c = {{"."}, .dest = "/"};
	struct wh_digest digests[WH_ARRAY_SIZE(rows)], digest;
	struct wh_layer_opts o = plain();
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct job j = {0};
	struct env *e = *state;

	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		WH_AUTO_FREE char *got = NULL;
		struct wh_layer layer = {0};
		bool empty;

		j.attrs = rows[i].attrs;
		job_start(e, &j, &c, "", rows[i].context, false);
		MUST(wh_fileop_scan(j.f, &err));
		MUST(wh_fileop_write(j.f, &o, &layer, &empty, &err));
		got = show(e, &layer);
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s:\n--- want\n%s\n--- got\n%s", rows[i].name, rows[i].want, got);
		assert_int_equal(layer.newest == 7, rows[i].attrs.plain);
		MUST(wh_fileop_digest(j.f, &digests[i], &err));
		wh_layer_release(&layer);
		job_end(&j);
	}
	/* Cache keys see the same as layers do. */
	job_start(e, &j, &c, "", rows[3].want, false);
	MUST(wh_fileop_scan(j.f, &err));
	MUST(wh_fileop_hash(j.f, &err));
	digest = job_digest(&j);
	assert_true(wh_digest_eq(&digests[3], &digest));
	job_end(&j);
}

static void test_content_digests(void **state)
{
	struct env *e = *state;
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct copy c = {.srcs = {"."}, .dest = "/"};
	struct wh_digest a, b, other;
	struct wh_tree *t;
	struct job j = {0};

	job_start(e, &j, &c, "", CTX, false);
	MUST(wh_local_content_digest(e->store, &j.in[1], "/d", &a, &err));
	assert_int_equal(wh_local_content_digest(e->store, &j.in[1], "/dd", &b, NULL), -ENOENT);
	MUST(wh_local_content_digest(e->store, &j.in[1], "/d/a", &other, &err));
	job_end(&j);
	assert_false(wh_digest_eq(&a, &other));
	job_start(e, &j, &c, "", CTX, true);
	MUST(wh_tree_open(e->store, &j.tree, 1, &t, &err));
	MUST(wh_tree_content_digest(t, "d", &b, NULL, NULL, &err));
	assert_true(wh_digest_eq(&a, &b));
	assert_int_equal(wh_tree_content_digest(t, "/nothing", &b, NULL, NULL, &err), -ENOENT);
	assert_string_equal(err->msg, "\"/nothing\": not found");
	wh_tree_close(t);
	job_end(&j);
}

/* ---------------------------------------------------------------- the memo at work */

static void test_known(void **state)
{
	struct copy c = {.srcs = {"."}, .dest = "/x/"};
	struct env *e = *state;
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_FREE char *got = NULL;
	struct wh_digest written, known;
	struct job j = {0};

	job_start(e, &j, &c, "", "f 0644 a A\nf 0644 b B", false);
	job_end(&j);
	usleep(50000); /* else the files are as new as the run that reads them */
	job_start(e, &j, &c, "", NULL, false);
	MUST(wh_fileop_scan(j.f, &err));
	assert_false(wh_fileop_known(j.f));
	got = job_write(e, &j);
	assert_true(wh_fileop_known(j.f));
	written = job_digest(&j);
	job_end(&j);

	job_start(e, &j, &c, "", NULL, false);
	MUST(wh_fileop_scan(j.f, &err));
	assert_true(wh_fileop_known(j.f));
	known = job_digest(&j);
	assert_true(wh_digest_eq(&written, &known));
	job_end(&j);

	/* Another content of the same size, with the old mtime. */
	make_dir(e, "ctx", "f 0644 a X");
	job_start(e, &j, &c, "", NULL, false);
	MUST(wh_fileop_scan(j.f, &err));
	assert_false(wh_fileop_known(j.f));
	known = job_digest(&j);
	assert_false(wh_digest_eq(&written, &known));
	job_end(&j);
}

/* ---------------------------------------------------------------- a store that lies */

static void test_damaged_store(void **state)
{
	struct copy c = {.srcs = {"."}, .dest = "/x/"};
	struct env *e = *state;
	WH_AUTO_FREE char *got = NULL, *blob = NULL;
	WH_AUTO_BUF struct wh_buf tar = WH_BUF_INIT;
	struct job j = {0};
	char hex[65], *at;

	job_start(e, &j, &c, "", "f 0644 a needle", true);
	blob = wh_asprintf("store/blobs/sha256/%s", wh_digest_hex(&j.tree.blob, hex));
	assert_int_equal(wh_read_file(e->fd, blob, 1 << 20, &tar), 0);
	at = memmem(tar.p, tar.n, "needle", 6);
	assert_non_null(at);
	*at = 'N';
	assert_int_equal(wh_write_file_atomic(e->fd, blob, tar.p, tar.n, 0600, false), 0);
	got = job_write(e, &j);
	assert_string_equal(got, "error: the store is damaged: /a is not what its layer says");
	job_end(&j);
}

/* ---------------------------------------------------------------- protected files */

static void test_protect(void **state)
{
	static const struct {
		const char *name;
		struct copy c;
		bool refused;
	} r[] = {
		{"with all the rest", {.srcs = {"."}, .dest = "/x/"}, true},
		{"by name", {.srcs = {"k/key"}, .dest = "/x/"}, true},
		{"by wildcard", {.srcs = {"k/*"}, .dest = "/x/"}, true},
		{"by another name", {.srcs = {"hard"}, .dest = "/x/"}, true},
		{"by a link to it", {.srcs = {"soft"}, .dest = "/x/"}, true},
		{"as an archive", {.srcs = {"k/key"}, .dest = "/x/", .add = true}, true},
		{"a link to it is a text", {.srcs = {"l"}, .dest = "/x/"}, false},
		{"ignored", {.srcs = {"."}, .dest = "/x/", .ignore = {"k", "hard"}}, false},
		{"excluded", {.srcs = {"."}, .dest = "/x/", .exclude = {"k", "hard"}}, false},
		{"not asked for", {.srcs = {"a"}, .dest = "/x/"}, false},
	};
	struct env *e = *state;
	WH_AUTO_FREE char *key = wh_asprintf("%s/ctx/k/key", e->dir);

	make_dir(
		e, "ctx",
		"f 0644 a A\nh hard => k/key\nd 0755 k\nf 0600 k/key S\nd 0755 l\nl l/key -> ../k/key\nl soft -> k/key");
	for (size_t i = 0; i < WH_ARRAY_SIZE(r); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct job j = {.protect = {key}};
		struct wh_layer_opts o = plain();
		struct wh_layer layer = {0};
		bool empty;
		int n;

		job_start(e, &j, &r[i].c, "", NULL, false);
		n = wh_fileop_write(j.f, &o, &layer, &empty, &err);
		if ((n != 0) != r[i].refused)
			fail_msg("%s: %d %s", r[i].name, n, err ? err->msg : "");
		if (n) {
			assert_int_equal(n, -EPERM);
			assert_non_null(strstr(err->msg, "must not get into an image"));
			assert_null(strstr(err->msg, "S\n"));
		}
		wh_layer_release(&layer);
		job_end(&j);
	}
}

/* ---------------------------------------------------------------- a context on the move */

static void test_changed_after_scan(void **state)
{
	struct copy c = {.srcs = {"."}, .dest = "/x/"};
	struct env *e = *state;
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_FREE char *got = NULL;
	struct wh_digest hashed, written, fresh;
	struct job j = {0};

	job_start(e, &j, &c, "", "f 0644 a A\nf 0644 b B", false);
	MUST(wh_fileop_scan(j.f, &err));
	MUST(wh_fileop_hash(j.f, &err));
	hashed = job_digest(&j);
	make_dir(e, "ctx", "f 0644 a longer-than-before");
	got = job_write(e, &j);
	assert_string_equal(got, "d 0755 x\nf 0644 x/a longer-than-before\nf 0644 x/b B");
	written = job_digest(&j);
	job_end(&j);
	/* What is told afterwards is what was written. */
	assert_false(wh_digest_eq(&hashed, &written));
	fresh = digest_of(e, &c, "f 0644 a longer-than-before\nf 0644 b B", false);
	assert_true(wh_digest_eq(&fresh, &written));
}

static void swap(struct env *e, const char *path, const char *kind)
{
	WH_AUTO_FREE char *full = wh_path_join("ctx", path);

	assert_int_equal(wh_rm_rf(e->fd, full), 0);
	if (strcmp(kind, "fifo") == 0)
		assert_int_equal(mkfifoat(e->fd, full, 0600), 0);
	else if (strcmp(kind, "link") == 0)
		assert_int_equal(symlinkat("/etc", e->fd, full), 0);
	else if (strcmp(kind, "filelink") == 0)
		assert_int_equal(symlinkat("/etc/passwd", e->fd, full), 0);
	else if (strcmp(kind, "dir") == 0)
		assert_int_equal(mkdirat(e->fd, full, 0755), 0);
}

/* Between looking and reading, somebody puts something else there: never followed, never waited for. */
static void test_swapped(void **state)
{
	static const struct {
		const char *path, *kind;
	} r[] = {
		{"d/passwd", "fifo"}, {"d/passwd", "filelink"},
		{"d/passwd", "dir"},  {"d/passwd", "gone"},
		{"d", "link"},        {"d", "gone"},
	};
	struct copy c = {.srcs = {"."}, .dest = "/x/"};
	struct env *e = *state;

	for (size_t i = 0; i < WH_ARRAY_SIZE(r); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		WH_AUTO_FREE char *got = NULL;
		struct job j = {0};

		job_start(e, &j, &c, "", "d 0755 d\nf 0644 d/passwd A", false);
		MUST(wh_fileop_scan(j.f, &err));
		swap(e, r[i].path, r[i].kind);
		got = job_write(e, &j);
		if (strcmp(got, "error: /d/passwd changed while it was read") != 0)
			fail_msg("%s %s: %s", r[i].path, r[i].kind, got);
		job_end(&j);
		job_start(e, &j, &c, "", "d 0755 d\nf 0644 d/passwd A", false);
		MUST(wh_fileop_scan(j.f, &err));
		swap(e, r[i].path, r[i].kind);
		assert_int_equal(wh_fileop_hash(j.f, &err), -EAGAIN);
		job_end(&j);
	}
}

struct appender {
	int fd;
	atomic_bool stop;
	atomic_uint written;
};

static void *append(void *arg)
{
	struct appender *a = arg;

	while (!atomic_load(&a->stop))
		if (write(a->fd, "x", 1) == 1)
			atomic_fetch_add(&a->written, 1);
		else
			break;
	return NULL;
}

static void test_appended(void **state)
{
	struct copy c = {.srcs = {"log"}, .dest = "/x/"};
	struct env *e = *state;
	struct appender a = {0};
	WH_AUTO_FREE char *got = NULL;
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct job j = {0};
	pthread_t thread;

	make_dir(e, "ctx", "");
	a.fd = wh_openat(e->fd, "ctx/log", O_WRONLY | O_CREAT | O_APPEND, 0644);
	assert_true(a.fd >= 0);
	/* Read long enough that the appender has its turns, on a busy machine too. */
	assert_int_equal(ftruncate(a.fd, 256 << 20), 0);
	job_start(e, &j, &c, "", NULL, false);
	assert_int_equal(pthread_create(&thread, NULL, append, &a), 0);
	while (!atomic_load(&a.written))
		sched_yield();
	got = job_write(e, &j);
	assert_int_equal(wh_fileop_hash(j.f, &err), -EAGAIN);
	atomic_store(&a.stop, true);
	pthread_join(thread, NULL);
	close(a.fd);
	if (!strstr(got, "error:") || !strstr(got, "log"))
		fail_msg("%.200s", got);
	assert_non_null(strstr(err->msg, "changes while it is read"));
	job_end(&j);
	/* Once it is quiet, all is well. */
	job_start(e, &j, &c, "", NULL, false);
	MUST(wh_fileop_hash(j.f, &err));
	job_end(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_actions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_archives, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_archives, setup, teardown),
		cmocka_unit_test_setup_teardown(test_digest, setup, teardown),
		cmocka_unit_test_setup_teardown(test_digest_links_and_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_times, setup, teardown),
		cmocka_unit_test_setup_teardown(test_checkout, setup, teardown),
		cmocka_unit_test_setup_teardown(test_content_digests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_known, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged_store, setup, teardown),
		cmocka_unit_test_setup_teardown(test_protect, setup, teardown),
		cmocka_unit_test_setup_teardown(test_changed_after_scan, setup, teardown),
		cmocka_unit_test_setup_teardown(test_swapped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_appended, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
