/* SPDX-License-Identifier: Apache-2.0 */
/* Keep sets written as layers: what is in them, how, and what the report says. */
#include "tests/unit/harden_helper.h"

#include <errno.h>

struct result {
	struct wh_layer layer;
	json_t *report;
	char *index; /* as describe() puts it */
};

static void result_release(struct result *r)
{
	wh_layer_release(&r->layer);
	json_decref(r->report);
	free(r->index);
}

static char *index_text(struct wh_store *s, const struct wh_layer *l)
{
	struct wh_xattr xs[WH_MAX_XATTRS];
	struct wh_buf b = WH_BUF_INIT;
	struct wh_index *x = NULL;
	struct wh_err *err = NULL;
	struct wh_entry e;

	assert_ok(wh_index_open(s, l, &x, &err), err);
	for (size_t i = 0; i < wh_index_count(x); i++) {
		assert_int_equal(wh_index_at(x, i, &e, xs), 0);
		describe(&b, &e);
	}
	wh_index_close(x);
	return wh_buf_take(&b);
}

static void prune(struct grove *g, const char *records, struct wh_prune_opts o, struct result *ret)
{
	struct wh_layer_opts lo = WH_LAYER_OPTS_INIT;
	WH_AUTO_JSON json_t *profile = profile_of(g->tree, records);
	const json_t *profiles[] = {profile};
	struct wh_keep *k = NULL;
	struct wh_err *err = NULL;

	*ret = (struct result){.report = NULL};
	lo.threads = 1;
	o.profiles = profiles;
	o.n_profiles = 1;
	assert_ok(wh_keep_decide(g->tree, &o, &k, &err), err);
	assert_ok(wh_prune_write(g->bed.store, g->tree, k, &lo, &ret->layer, &ret->report, &err), err);
	wh_keep_free(k);
	ret->index = index_text(g->bed.store, &ret->layer);
}

static void test_hard_links(void **state)
{
	static const char *const specs[] = {
		"d a 755\nf a/one 644 text\nd b 755\nh b/three a/one\nh b/two a/one\nf c 600 other", NULL};
	struct result r;
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	prune(&g, "P 1 0 /x -\nA r 1 /b/three\nA r 1 /b/two\n", (struct wh_prune_opts){.package_mode = false}, &r);
	assert_string_equal(r.index, "d b 755\n"
				     "f b/three 644 4:982d9e\n"
				     "h b/two 644 4:982d9e -> b/three\n");
	assert_int_equal(wh_json_int(r.report, "removed", -1), 3);
	result_release(&r);
	grove_close(&g);
}

static void test_set_id(void **state)
{
	static const char *const specs[] = {"d a 2755\nf a/su 4755 text\nh a/zu a/su\n", "f a/wall 2755 x", NULL};
	struct result r;
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	for (int keep = 0; keep < 2; keep++) {
		prune(&g, "P 1 0 /x -\nA x 1 /a/su\nA r 1 /a/zu\nA r 1 /a/wall\n",
		      (struct wh_prune_opts){.keep_setid = keep}, &r);
		assert_string_equal(
			r.index,
			keep ? "d a 2755\nf a/su 4755 4:982d9e\nf a/wall 2755 1:2d7116\nh a/zu 4755 4:982d9e -> a/su\n"
			     : "d a 2755\nf a/su 755 4:982d9e\nf a/wall 755 1:2d7116\nh a/zu 755 4:982d9e -> a/su\n");
		assert_int_equal(json_array_size(json_object_get(r.report, "setid_stripped")), keep ? 0 : 3);
		result_release(&r);
	}
	grove_close(&g);
}

/* By any of its names, or by a link to it. */
static void test_set_id_by_name(void **state)
{
	static const char *const specs[] = {
		"d a 755\nl a/edit wall\nf a/plain 755 plain\nf a/su 4755 text\nf a/wall 2755 x\nh a/zu a/su\nl b a\n", NULL};
	static const char records[] = "P 1 0 /x -\nA x 1 /a/su\nA r 1 /a/zu\nA r 1 /a/wall\nA r 1 /a/plain\n";
	static const struct {
		const char *globs[3];
		int su, wall;
	} cases[] = {
		{{"/a/su"}, 04755, 0755},  {{"/a/z*"}, 04755, 0755}, {{"/b/wall"}, 0755, 02755}, {{"/a/edit"}, 0755, 02755},
		{{"/**"}, 04755, 02755},   {{"/a/wall", "/a/su"}, 04755, 02755},
	};
	struct result r;
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_FREE char *want =
			wh_asprintf("d a 755\nf a/plain 755 5:a116c9\nf a/su %o 4:982d9e\nf a/wall %o 1:2d7116\nh a/zu %o 4:982d9e -> a/su\nl b -> a\n",
				    (unsigned)cases[i].su, (unsigned)cases[i].wall, (unsigned)cases[i].su);
		size_t kept = (cases[i].su > 0777 ? 2 : 0) + (cases[i].wall > 0777 ? 1 : 0);

		prune(&g, records, (struct wh_prune_opts){.setid = cases[i].globs}, &r);
		assert_int_equal(json_array_size(json_object_get(r.report, "setid_kept")), kept);
		assert_int_equal(json_array_size(json_object_get(r.report, "setid_stripped")), 3 - kept);
		assert_string_equal(r.index, want);
		result_release(&r);
	}
	{
		static const char *const none[] = {"/a/su", "/a/pl*", NULL};
		struct wh_prune_opts o = {.setid = none};
		WH_AUTO_JSON json_t *p = profile_of(g.tree, records), *config = json_object();
		struct wh_keep *k = NULL;
		struct wh_err *err = NULL;

		o.profiles = (const json_t *const[]){p};
		o.n_profiles = 1;
		o.config = config;
		assert_int_equal(wh_keep_decide(g.tree, &o, &k, &err), -ENOENT);
		assert_non_null(strstr(err->msg, "--setuid=/a/pl* names no file"));
		assert_int_equal(err->class, WH_ERR_USAGE);
		wh_err_free(err);
	}
	grove_close(&g);
}

/* An owner, where this process may give files away: an ordinary user's namespace here has one id. */
static uint32_t owner(uint32_t id)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	unsigned inside, outside, n = 0;

	become_root();
	assert_int_equal(wh_read_file(AT_FDCWD, "/proc/self/uid_map", 4096, &b), 0);
	assert_int_equal(sscanf(b.p, "%u %u %u", &inside, &outside, &n), 3);
	return n > 1 ? id : 0;
}

/* Owners, times, xattrs, directories; several layers seen as one. */
static void test_attributes(void **state)
{
	struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
	const struct wh_xattr cap = {"security.capability", "\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20},
			      user = {"user.note", "x", 1};
	const struct wh_xattr both[] = {cap, user};
	const struct wh_entry entries[] = {
		{.path = "", .type = WH_T_DIR, .mode = 0711, .uid = owner(1), .gid = owner(2), .mtime = 5},
		{.path = "bin", .type = WH_T_DIR, .mode = 01750, .uid = owner(10), .gid = owner(20), .mtime = 7},
		{.path = "bin/ping",
		 .type = WH_T_FILE,
		 .mode = 0755,
		 .uid = owner(3),
		 .gid = owner(4),
		 .mtime = 11,
		 .xattrs = both,
		 .n_xattrs = 2},
		{.path = "bin/pong",
		 .type = WH_T_FILE,
		 .mode = 0755,
		 .uid = owner(3),
		 .gid = owner(4),
		 .mtime = 12,
		 .xattrs = both,
		 .n_xattrs = 2},
		{.path = "fifo", .type = WH_T_FIFO, .mode = 0640, .uid = owner(5), .gid = owner(6), .mtime = 13},
		{.path = "link",
		 .type = WH_T_SYMLINK,
		 .mode = 0777,
		 .uid = owner(7),
		 .gid = owner(8),
		 .mtime = 14,
		 .link = "bin/ping"},
		{.path = "null", .type = WH_T_CHR, .mode = 0666, .major = 1, .minor = 3, .mtime = 15},
	};
	struct wh_layer_writer *w = NULL;
	struct wh_xattr xs[WH_MAX_XATTRS];
	struct wh_index *x = NULL;
	struct wh_err *err = NULL;
	struct grove g = {.n = 1};
	struct wh_entry e;
	struct result r;

	(void)state;
	become_root();
	bed_open(&g.bed);
	assert_ok(wh_layer_writer_new(g.bed.store, &o, &w, &err), err);
	for (size_t i = 0; i < WH_ARRAY_SIZE(entries); i++)
		assert_ok(wh_layer_writer_add(w, &entries[i], &err), err);
	assert_ok(wh_layer_writer_finish(w, &g.layers[0], &err), err);
	assert_ok(wh_tree_open(g.bed.store, g.layers, 1, &g.tree, &err), err);
	prune(&g, "P 1 0 /bin/ping -\nA x 1 /bin/ping\nA r 1 /bin/pong\nA k 1 /link\nA r 1 /fifo\nA w 1 /null\n",
	      (struct wh_prune_opts){.package_mode = false}, &r);
	assert_ok(wh_index_open(g.bed.store, &r.layer, &x, &err), err);
	assert_int_equal(wh_index_count(x), WH_ARRAY_SIZE(entries));
	for (size_t i = 0; i < WH_ARRAY_SIZE(entries); i++) {
		const struct wh_entry *was = &entries[i];

		print_message("/%s\n", was->path);
		assert_int_equal(wh_index_at(x, i, &e, xs), 0);
		assert_string_equal(e.path, was->path);
		assert_int_equal(e.type, was->type);
		assert_int_equal(e.mode, was->mode);
		assert_int_equal(e.uid, was->uid);
		assert_int_equal(e.gid, was->gid);
		assert_int_equal(e.mtime, was->mtime);
		assert_int_equal(e.major, was->major);
		assert_int_equal(e.minor, was->minor);
		assert_true(wh_streq(e.link, was->link));
		if (wh_streq(e.path, "bin/pong")) { /* was not seen to run: no capability */
			assert_int_equal(e.n_xattrs, 1);
			assert_string_equal(e.xattrs[0].name, "user.note");
		} else {
			assert_int_equal(e.n_xattrs, was->n_xattrs);
		}
	}
	assert_int_equal(json_array_size(json_object_get(r.report, "capabilities_stripped")), 1);
	wh_index_close(x);
	result_release(&r);
	grove_close(&g);
}

static void test_layers_as_one(void **state)
{
	static const char *const specs[] = {
		"d a 755\nf a/gone 644 x\nf a/kept 644 old\nd b 700\nf b/x 644 hidden\nf c 644 text\n",
		"d a 750\nw a/gone\nf a/kept 600 new\no b 711\nf b/y 644 seen\n",
		"i a\nh a/link c\nd d 755\nd d/empty 1777\n", NULL};
	struct result r, again;
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	prune(&g,
	      "P 1 0 /x -\nA r 1 /a/kept\nA r 1 /a/link\nA s 1 /b/y\nA r 1 /c\nN c 1 /d/empty/new\nN r 1 /a/gone\nN r 1 /b/x\n",
	      (struct wh_prune_opts){.package_mode = false}, &r);
	assert_string_equal(r.index, "d a 750\n"
				     "f a/kept 600 3:11507a\n"
				     "f a/link 644 4:982d9e\n"
				     "d b 711\n"
				     "f b/y 644 4:720879\n"
				     "h c 644 4:982d9e -> a/link\n"
				     "d d 755\n"
				     "d d/empty 1777\n");
	assert_int_equal(wh_json_int(r.report, "removed", -1), 0);
	assert_int_equal(wh_json_int(json_object_get(r.report, "before"), "layers", -1), 3);
	assert_int_equal(wh_json_int(json_object_get(r.report, "after"), "layers", -1), 1);
	assert_int_equal(wh_json_int(json_object_get(r.report, "before"), "bytes", -1), 11);
	assert_int_equal(wh_json_int(json_object_get(r.report, "after"), "bytes", -1), 11);
	/* The same again: the same bytes. */
	prune(&g, "P 1 0 /x -\nA r 1 /c\nN c 1 /d/empty/other\nA r 1 /a/kept\nA s 1 /b/y\nA r 1 /a/link\n",
	      (struct wh_prune_opts){.package_mode = false}, &again);
	assert_true(wh_digest_eq(&r.layer.diff_id, &again.layer.diff_id));
	assert_true(wh_digest_eq(&r.layer.blob, &again.layer.blob));
	result_release(&again);
	result_release(&r);
	grove_close(&g);
}

/* ---------------------------------------------------------------- packages */

/* The helper's lines have no line breaks in contents, so the files of the database are put in by hand. */
static void dpkg_open(struct grove *g)
{
	static const struct {
		const char *path, *text;
	} files[] = {
		{"bin/bar", "#!bar"}, /* code, to --mode=package */
		{"bin/foo", "foo"},
		{"opt/b", NULL}, /* another name of bin/bar */
		{"usr/share/doc/bar/copyright", "bar's"},
		{"usr/share/doc/foo/copyright", "foo's"},
		{"usr/share/foo.data", "data"},
		{"usr/share/other", "no package's"},
		{"var/lib/dpkg/info/bar.list", "/.\n/bin\n/bin/bar\n/usr/share/doc/bar/copyright\n"},
		{"var/lib/dpkg/info/bar.md5sums",
		 "37b51d194a7513e45b56f6524f2d51f2  bin/bar\nacbd18db4cc2f85cedef654fccc4a4d8  usr/share/doc/bar/copyright\n"},
		{"var/lib/dpkg/info/foo.list",
		 "/.\n/bin\n/bin/foo\n/usr/share/foo.data\n/usr/share/doc/foo/copyright\n"},
		{"var/lib/dpkg/status",
		 "Package: bar\nStatus: install ok installed\nMaintainer: b\nArchitecture: all\nVersion: 2\n\n"
		 "Package: foo\nStatus: install ok installed\nMaintainer: f\nArchitecture: all\nVersion: 1\n\n"},
	};
	static const char *const dirs[] = {"bin",
					   "opt",
					   "usr",
					   "usr/share",
					   "usr/share/doc",
					   "usr/share/doc/bar",
					   "usr/share/doc/foo",
					   "var",
					   "var/lib",
					   "var/lib/dpkg",
					   "var/lib/dpkg/info"};
	struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
	struct wh_layer_writer *w = NULL;
	struct wh_err *err = NULL;

	*g = (struct grove){.n = 1};
	become_root();
	bed_open(&g->bed);
	assert_ok(wh_layer_writer_new(g->bed.store, &o, &w, &err), err);
	for (size_t d = 0, f = 0; d < WH_ARRAY_SIZE(dirs) || f < WH_ARRAY_SIZE(files);) {
		bool dir = f == WH_ARRAY_SIZE(files) ||
			   (d < WH_ARRAY_SIZE(dirs) && wh_path_cmp(dirs[d], files[f].path) < 0);
		struct wh_entry e = {.path = dir ? dirs[d] : files[f].path,
				     .type = dir             ? WH_T_DIR
					     : files[f].text ? WH_T_FILE
							     : WH_T_HARDLINK,
				     .link = dir || files[f].text ? NULL : "bin/bar",
				     .mode = dir ? 0755 : 0640,
				     .uid = owner(3),
				     .gid = owner(4),
				     .mtime = 1234,
				     .size = dir || !files[f].text ? 0 : strlen(files[f].text)};

		assert_ok(wh_layer_writer_add(w, &e, &err), err);
		if (!dir && files[f].text)
			assert_ok(wh_layer_writer_data(w, files[f].text, e.size, &err), err);
		*(dir ? &d : &f) += 1;
	}
	assert_ok(wh_layer_writer_finish(w, &g->layers[0], &err), err);
	assert_ok(wh_tree_open(g->bed.store, g->layers, 1, &g->tree, &err), err);
}

static void read_pruned(struct wh_tree *t, const char *path, struct wh_buf *b, struct wh_node_ref *n)
{
	struct wh_err *err = NULL;
	int fd;

	assert_int_equal(wh_tree_lookup(t, path, n), 0);
	fd = wh_tree_open_file(t, n, &err);
	assert_ok(fd, err);
	assert_int_equal(wh_read_fd(fd, 1 << 20, b), 0);
	close(fd);
}

/* "PATH STATE RULE PACKAGE" of everything that is found, with "-" for what is not told. */
static void explained(const struct result *r, struct wh_tree *pruned, const char *path, const char *expected)
{
	WH_AUTO_JSON json_t *predicate = json_pack("{s:O}", "report", r->report);
	WH_AUTO_JSON json_t *asked = NULL;
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	struct wh_explained *x = NULL;
	struct wh_err *err = NULL;
	const json_t *found;

	assert_ok(wh_explained_open(predicate, pruned, &x, &err), err);
	assert_ok(wh_explained_path(x, path, &asked, &err), err);
	found = json_object_get(asked, "found");
	for (size_t i = 0; i < json_array_size(found); i++) {
		const json_t *o = json_array_get(found, i), *package = json_object_get(o, "package");
		const char *rule = wh_json_str(o, "rule") ? wh_json_str(o, "rule") : wh_json_str(o, "why");
		const char *name = wh_json_str(package, "name");

		wh_buf_addf(&b, "%s%s %s %s %s", i ? "; " : "", wh_json_str(o, "path"), wh_json_str(o, "state"), rule ? rule : "-",
			    name ? name : "-");
	}
	assert_string_equal(b.p, expected);
	wh_explained_close(x);
}

static void test_packages(void **state)
{
	WH_AUTO_BUF struct wh_buf status = WH_BUF_INIT, list = WH_BUF_INIT;
	struct wh_tree *pruned = NULL;
	struct wh_err *err = NULL;
	struct wh_node_ref n;
	struct result r;
	struct grove g;

	(void)state;
	dpkg_open(&g);
	prune(&g, "P 1 0 /bin/foo -\nA rx 1 /bin/foo\n", (struct wh_prune_opts){.package_mode = false}, &r);
	assert_ok(wh_tree_open(g.bed.store, &r.layer, 1, &pruned, &err), err);
	/* The record of what stays, and its owner, mode and time. */
	read_pruned(pruned, "var/lib/dpkg/status", &status, &n);
	assert_non_null(strstr(status.p, "Package: foo"));
	assert_null(strstr(status.p, "Package: bar"));
	assert_int_equal(n.e.mode, 0640);
	assert_int_equal(n.e.uid, owner(3));
	assert_int_equal(n.e.mtime, 1234);
	read_pruned(pruned, "var/lib/dpkg/info/foo.list", &list, &n);
	assert_non_null(strstr(list.p, "/bin/foo\n"));
	assert_null(strstr(list.p, "foo.data"));
	assert_int_equal(wh_tree_lookup(pruned, "var/lib/dpkg/info/bar.list", &n), -ENOENT);
	assert_int_equal(wh_tree_lookup(pruned, "usr/share/doc/foo/copyright", &n), 0);
	assert_int_equal(wh_json_int(json_object_get(r.report, "before"), "packages", -1), 2);
	assert_int_equal(wh_json_int(json_object_get(r.report, "after"), "packages", -1), 1);
	/* why */
	explained(&r, pruned, "/bin/foo", "/bin/foo kept observed foo");
	explained(&r, pruned, "bin/../bin/bar", "/bin/bar removed unused bar");
	explained(&r, pruned, "/usr/share/other", "/usr/share/other removed unused -");
	explained(&r, pruned, "/usr/none", "/usr/none never - -");
	explained(&r, pruned, "/bin/foo/below", "/bin/foo/below never - -");
	explained(&r, pruned, "/bin", "/bin kept parent -");
	explained(&r, pruned, "/usr/share/doc/foo/copyright", "/usr/share/doc/foo/copyright kept package foo");
	explained(&r, pruned, "/**/ba?", "/bin/bar removed unused bar; /usr/share/doc/bar removed unused -");
	wh_tree_close(pruned);
	result_release(&r);
	/* whole packages */
	prune(&g, "P 1 0 /bin/foo -\nA rx 1 /bin/foo\n", (struct wh_prune_opts){.package_mode = true}, &r);
	assert_non_null(strstr(r.index, "f usr/share/foo.data "));
	assert_null(strstr(r.index, "bin/bar"));
	result_release(&r);
	grove_close(&g);
}

/* A package's file that stays under another name alone: its record stays, and its lists name what is there. */
static void test_packages_hard_link(void **state)
{
	WH_AUTO_BUF struct wh_buf status = WH_BUF_INIT, list = WH_BUF_INIT, sums = WH_BUF_INIT;
	struct wh_tree *pruned = NULL;
	struct wh_err *err = NULL;
	struct wh_node_ref n;
	struct result r;
	struct grove g;

	(void)state;
	dpkg_open(&g);
	prune(&g, "P 1 0 /opt/b -\nA r 1 /opt/b\n", (struct wh_prune_opts){.package_mode = false}, &r);
	assert_ok(wh_tree_open(g.bed.store, &r.layer, 1, &pruned, &err), err);
	assert_int_equal(wh_tree_lookup(pruned, "opt/b", &n), 0);
	assert_int_equal(wh_tree_lookup(pruned, "bin/bar", &n), -ENOENT);
	read_pruned(pruned, "var/lib/dpkg/status", &status, &n);
	assert_non_null(strstr(status.p, "Package: bar"));
	assert_null(strstr(status.p, "Package: foo"));
	read_pruned(pruned, "var/lib/dpkg/info/bar.list", &list, &n);
	assert_string_equal(list.p, "/.\n/usr/share/doc/bar/copyright\n");
	read_pruned(pruned, "var/lib/dpkg/info/bar.md5sums", &sums, &n);
	assert_string_equal(sums.p, "acbd18db4cc2f85cedef654fccc4a4d8  usr/share/doc/bar/copyright\n");
	assert_int_equal(wh_json_int(json_object_get(r.report, "after"), "packages", -1), 1);
	wh_tree_close(pruned);
	result_release(&r);
	/* whole packages: the package's own name comes back */
	prune(&g, "P 1 0 /opt/b -\nA r 1 /opt/b\n", (struct wh_prune_opts){.package_mode = true}, &r);
	assert_non_null(strstr(r.index, "f bin/bar "));
	result_release(&r);
	grove_close(&g);
}

static void test_explain_links(void **state)
{
	struct wh_tree *pruned = NULL;
	struct wh_err *err = NULL;
	struct result r;
	struct grove g;

	(void)state;
	grove_open(
		&g,
		(const char *const[]){
			"d a 755\nf a/file 644 x\nl a/lost nowhere\nl a/way file\nl b a\nd bin 755\nf bin/sh 755 shell\nf gone 644 x\n"
			"l togone gone\n",
			NULL});
	prune(&g, "P 1 0 /x /script\nA k 1 /a/way\nA s 1 /bin/sh\n", (struct wh_prune_opts){.package_mode = false}, &r);
	assert_ok(wh_tree_open(g.bed.store, &r.layer, 1, &pruned, &err), err);
	explained(&r, pruned, "/b/way", "/b kept base -; /a/way kept observed -; /a/file kept symlink -");
	explained(&r, pruned, "/togone", "/togone removed unused -; /gone removed unused -");
	explained(&r, pruned, "/a/lost", "/a/lost removed unused -; /a/nowhere never - -");
	explained(&r, pruned, "/b/lost", "/b kept base -; /a/lost removed unused -; /a/nowhere never - -");
	explained(&r, pruned, "/b/nowhere/x", "/b kept base -; /a/nowhere/x never - -");
	explained(&r, pruned, "/bin", "/bin removed unused -");
	explained(&r, pruned, "/../none/x/", "/none/x never - -");
	explained(&r, pruned, "/a/file/x", "/a/file/x never - -");
	explained(&r, pruned, "/bin/sh", "/bin/sh removed shell -");
	wh_tree_close(pruned);
	result_release(&r);
	grove_close(&g);
}

/* A store whose snapshot is not what the index says gives no image. */
static void test_damaged_store(void **state)
{
	static const char *const specs[] = {"f a 644 text\nf b 644 text2\n", NULL};
	struct wh_layer_opts lo = WH_LAYER_OPTS_INIT;
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_FREE char *path = NULL;
	struct wh_prune_opts o = {.n_profiles = 1};
	json_t *report = NULL;
	const json_t *profiles[1];
	WH_AUTO_JSON json_t *profile = NULL;
	struct wh_layer l = {0};
	struct wh_keep *k = NULL;
	char hex[65];
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	profile = profile_of(g.tree, "P 1 0 /a -\nA r 1 /a\nA r 1 /b\n");
	profiles[0] = profile;
	o.profiles = profiles;
	assert_ok(wh_keep_decide(g.tree, &o, &k, &err), err);
	path = wh_asprintf("%s/snapshots/%s/a", wh_store_path(g.bed.store), wh_digest_hex(&g.layers[0].diff_id, hex));
	assert_int_equal(wh_write_file_atomic(AT_FDCWD, path, "evil", 4, 0644, false), 0);
	assert_true(wh_prune_write(g.bed.store, g.tree, k, &lo, &l, &report, &err) < 0);
	assert_non_null(strstr(err->msg, "damaged"));
	assert_null(report);
	wh_keep_free(k);
	grove_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hard_links),    cmocka_unit_test(test_set_id), cmocka_unit_test(test_set_id_by_name),
		cmocka_unit_test(test_attributes),    cmocka_unit_test(test_layers_as_one),
		cmocka_unit_test(test_packages),      cmocka_unit_test(test_packages_hard_link),
		cmocka_unit_test(test_explain_links), cmocka_unit_test(test_damaged_store),
	};

	return cmocka_run_group_tests_name("harden_prune", tests, NULL, NULL);
}
