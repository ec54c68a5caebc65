/* SPDX-License-Identifier: Apache-2.0 */
/* Stacks of layers seen as one tree: what hides what. */
#include "layers/layers.h"

#include "tests/unit/layers_helper.h"

#define MAX_STACK 5

static const struct row {
	const char *what;
	const char *layers[MAX_STACK]; /* lowest first */
	const char *out; /* walk; directories show their mode, files their text's length, "@" and the layer */
} rows[] = {
	{"one layer", {"d a 755\nf a/b 644 xy\nl a/c b\n"}, "d a 755\nf a/b 2@0\nl a/c -> b\n"},
	{"no layer", {NULL}, ""},
	{"a file over a file", {"f a 644 1\n", "f a 600 22\n"}, "f a 2@1\n"},
	{"directories merge", {"d a 755\nf a/x 644 1\n", "d a 700\nf a/y 644 1\n"}, "d a 700\nf a/x 1@0\nf a/y 1@1\n"},
	{"a whiteout hides a file", {"f a 644 1\nf b 644 1\n", "w a\n"}, "f b 1@0\n"},
	{"a whiteout hides a tree", {"d a 755\nd a/b 755\nf a/b/c 644 1\nf a-b 644 1\n", "w a\n"}, "f a-b 1@0\n"},
	{"a whiteout of nothing", {"f a 644 1\n", "w b\n"}, "f a 1@0\n"},
	{"back after a whiteout",
	 {"d a 755\nf a/b 644 1\n", "w a\n", "d a 700\nf a/c 644 1\n"},
	 "d a 700\nf a/c 1@2\n"},
	{"an opaque directory",
	 {"d a 755\nf a/b 644 1\nf c 644 1\n", "o a 700\nf a/d 644 1\n"},
	 "d a 700\nf a/d 1@1\nf c 1@0\n"},
	{"an opaque directory in the middle",
	 {"d a 755\nf a/1 644 1\n", "o a 755\nf a/2 644 1\n", "d a 711\nf a/3 644 1\n"},
	 "d a 711\nf a/2 1@1\nf a/3 1@2\n"},
	{"an opaque root", {"f a 644 1\n", "o . 755\nf b 644 1\n"}, "f b 1@1\n"},
	{"opaque above a deeper one",
	 {"d a 755\nd a/b 755\nf a/b/c 644 1\n", "o a 755\n", "d a 755\nd a/b 755\nf a/b/d 644 1\n"},
	 "d a 755\nd a/b 755\nf a/b/d 1@2\n"},
	{"a file in place of a directory",
	 {"d a 755\nf a/b 644 1\nf a.c 644 1\n", "f a 644 22\n"},
	 "f a 2@1\nf a.c 1@0\n"},
	{"a link in place of a directory", {"d a 755\nf a/b 644 1\n", "l a c\n"}, "l a -> c\n"},
	{"a directory in place of a file", {"f a 644 1\n", "d a 755\nf a/b 644 1\n"}, "d a 755\nf a/b 1@1\n"},
	{"a directory, a file, a directory",
	 {"d a 755\nf a/b 644 1\n", "f a 644 1\n", "d a 755\nf a/c 644 1\n"},
	 "d a 755\nf a/c 1@2\n"},
	{"whiteout inside a merged directory",
	 {"d a 755\nf a/1 644 1\nf a/2 644 1\n", "d a 755\nw a/1\n"},
	 "d a 755\nf a/2 1@0\n"},
	{"an implied directory keeps lower attributes",
	 {"d a 711\nf a/1 644 1\n", "i a\nf a/2 644 1\n"},
	 "d a 711\nf a/1 1@0\nf a/2 1@1\n"},
	{"an implied directory over two layers",
	 {"d a 711\n", "i a\nf a/1 644 1\n", "i a\nf a/2 644 1\n"},
	 "d a 711\nf a/1 1@1\nf a/2 1@2\n"},
	{"an implied directory alone", {"i a\nf a/2 644 1\n"}, "d a 755\nf a/2 1@0\n"},
	{"an implied directory over a file", {"f a 600 1\n", "i a\nf a/2 644 1\n"}, "d a 755\nf a/2 1@1\n"},
	{"an implied directory over a whiteout",
	 {"d a 711\nf a/1 644 1\n", "w a\n", "i a\nf a/2 644 1\n"},
	 "d a 755\nf a/2 1@2\n"},
	{"a hard link", {"f a 644 xyz\nh b a\n"}, "f a 3@0\nf b 3@0 = a\n"},
	{"a hard link to a hard link", {"f a 644 xyz\nh b a\nh c b\n"}, "f a 3@0\nf b 3@0 = a\nf c 3@0 = a\n"},
	{"a hard link to a lower layer", {"f a 644 xyz\n", "h b a\n"}, "f a 3@0\nf b 3@0 = a\n"},
	{"through a lower layer's link", {"f a 644 xyz\nh b a\n", "h c b\n"}, "f a 3@0\nf b 3@0 = a\nf c 3@0 = a\n"},
	{"a hard link keeps what was replaced above",
	 {"f a 644 xyz\nh b a\n", "f a 644 1\n"},
	 "f a 1@1\nf b 3@0 = a\n"},
	{"a hard link keeps what was removed above", {"f a 644 xyz\nh b a\n", "w a\n"}, "f b 3@0 = a\n"},
	{"names around the slash",
	 {"d a 755\nf a/z 644 1\nf a\001 644 1\nf a-1 644 1\n", "d a 755\nf a/b 644 1\nf a-0 644 1\n"},
	 "d a 755\nf a/b 1@1\nf a/z 1@0\nf a\001 1@0\nf a-0 1@1\nf a-1 1@0\n"},
	{"five layers",
	 {"d a 755\nf a/0 644 1\n", "d a 755\nf a/1 644 1\n", "d a 755\nw a/0\n", "d a 755\nf a/0 644 22\n",
	  "d a 755\nw a/1\n"},
	 "d a 755\nf a/0 2@3\n"},
};

struct stack {
	struct bed bed;
	struct wh_layer layers[MAX_STACK];
	size_t n;
	struct wh_tree *tree;
};

static void stack_open(struct stack *s, const char *const specs[MAX_STACK])
{
	struct wh_err *err = NULL;

	*s = (struct stack){.n = 0};
	bed_open(&s->bed);
	for (; s->n < MAX_STACK && specs[s->n]; s->n++)
		layer_of(s->bed.store, specs[s->n], &s->layers[s->n]);
	assert_ok(wh_tree_open(s->bed.store, s->layers, s->n, &s->tree, &err), err);
}

static void stack_close(struct stack *s)
{
	wh_tree_close(s->tree);
	for (size_t i = 0; i < s->n; i++)
		wh_layer_release(&s->layers[i]);
	bed_close(&s->bed);
}

static void show(struct wh_buf *b, const struct wh_node_ref *n)
{
	const struct wh_entry *e = &n->e;

	wh_buf_addf(b, "%c %s", e->type, e->path);
	if (e->type == WH_T_DIR)
		wh_buf_addf(b, " %o", e->mode);
	if (e->type == WH_T_FILE)
		wh_buf_addf(b, " %d@%zu", (int)e->size, n->layer);
	if (e->link)
		wh_buf_addf(b, " %s %s", e->type == WH_T_SYMLINK ? "->" : "=", e->link);
	wh_buf_addc(b, '\n');
}

static int on_walk(void *arg, const struct wh_node_ref *n)
{
	show(arg, n);
	return 0;
}

/* The same tree by way of lists and lookups; all three must agree. */
static void by_lists(struct wh_tree *t, const char *dir, struct wh_buf *out)
{
	WH_AUTO_STRV struct wh_strv names = {0};

	assert_int_equal(wh_tree_list(t, dir, &names), 0);
	for (size_t i = 0; i < names.n; i++) {
		WH_AUTO_FREE char *path = *dir ? wh_asprintf("%s/%s", dir, names.v[i]) : wh_strdup(names.v[i]);
		struct wh_node_ref n;

		assert_int_equal(wh_tree_lookup(t, path, &n), 0);
		assert_string_equal(n.e.path, path);
		show(out, &n);
		if (n.e.type == WH_T_DIR)
			by_lists(t, path, out);
	}
}

static const char *text(const struct wh_buf *b)
{
	return b->p ? b->p : "";
}

static void stacks(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		WH_AUTO_BUF struct wh_buf walked = WH_BUF_INIT, listed = WH_BUF_INIT;
		struct stack s;

		stack_open(&s, rows[i].layers);
		assert_int_equal(wh_tree_walk(s.tree, "", on_walk, &walked), 0);
		by_lists(s.tree, "", &listed);
		if (strcmp(text(&walked), rows[i].out) != 0)
			fail_msg("%s: the walk gives\n%s", rows[i].what, text(&walked));
		if (strcmp(text(&listed), rows[i].out) != 0)
			fail_msg("%s: lists and lookups give\n%s", rows[i].what, text(&listed));
		stack_close(&s);
	}
}

static const char *const world[MAX_STACK] = {
	"d etc 755\nf etc/passwd 644 root\nd usr 755\nd usr/bin 755\nf usr/bin/sh 755 #!\nd usr/lib 755\n",
	("l bin usr/bin\nl etc/loop loop\nl etc/mtab /proc/mounts\nl lib usr/lib\nl out ../../../etc/passwd\nl self .\n"
	 "l usr/up ../etc\nl usr/way bin/../../lib/../bin\n"),
	"d etc 755\nl etc/a b\nl etc/b a\nw etc/loop\n",
};

static const struct resolve_row {
	const char *path;
	bool follow, missing_ok;
	int r;
	const char *canonical;
	char type; /* 0: nothing there */
} resolve_rows[] = {
	{"/usr/bin/sh", true, false, 0, "usr/bin/sh", 'f'},
	{"bin/sh", true, false, 0, "usr/bin/sh", 'f'},
	{"/bin", true, false, 0, "usr/bin", 'd'},
	{"/bin", false, false, 0, "bin", 'l'},
	{"/bin/", false, false, 0, "usr/bin", 'd'},
	{"/", true, false, 0, "", 'd'},
	{"", true, false, 0, "", 'd'},
	{"..", true, false, 0, "", 'd'},
	{"../../etc/./passwd", true, false, 0, "etc/passwd", 'f'},
	{"out", true, false, 0, "etc/passwd", 'f'},
	{"self/self/self/etc", true, false, 0, "etc", 'd'},
	{"usr/up/passwd", true, false, 0, "etc/passwd", 'f'},
	{"usr/way/sh", true, false, 0, "usr/bin/sh", 'f'},
	{"bin/../lib", true, false, 0, "usr/lib", 'd'}, /* ".." of what the link leads to */
	{"etc/a", true, false, -ELOOP, NULL, 0},
	{"etc/a", false, false, 0, "etc/a", 'l'},
	{"etc/loop", true, false, -ENOENT, NULL, 0},
	{"etc/passwd/x", true, false, -ENOTDIR, NULL, 0},
	{"etc/passwd/x", true, true, -ENOTDIR, NULL, 0},
	{"no/such", true, false, -ENOENT, NULL, 0},
	{"no/such", true, true, 0, "no/such", 0},
	{"bin/no/../sh", true, true, 0, "usr/bin/sh", 'f'},
	{"no/../etc/passwd", true, true, 0, "etc/passwd", 'f'},
	{"etc/mtab", true, false, -ENOENT, NULL, 0},
	{"etc/mtab", true, true, 0, "proc/mounts", 0},
};

static void resolving(void **state)
{
	struct stack s;

	(void)state;
	stack_open(&s, world);
	for (size_t i = 0; i < WH_ARRAY_SIZE(resolve_rows); i++) {
		const struct resolve_row *w = &resolve_rows[i];
		WH_AUTO_FREE char *path = NULL;
		struct wh_node_ref n;
		int r = wh_tree_resolve(s.tree, w->path, w->follow, w->missing_ok, &path, &n);

		if (r != w->r || !wh_streq(path, w->canonical))
			fail_msg("%s: %d %s", w->path, r, path ? path : "(none)");
		if (r < 0)
			continue;
		if (w->type)
			assert_int_equal(n.e.type, w->type);
		else
			assert_null(n.e.path);
	}
	stack_close(&s);
}

static void not_there(void **state)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	struct wh_node_ref n;
	struct stack s;

	(void)state;
	stack_open(&s, world);
	assert_int_equal(wh_tree_lookup(s.tree, "bin/sh", &n), -ENOENT); /* no link is followed */
	assert_int_equal(wh_tree_lookup(s.tree, "etc/loop", &n), -ENOENT);
	assert_int_equal(wh_tree_list(s.tree, "nowhere", &names), -ENOENT);
	assert_int_equal(wh_tree_list(s.tree, "etc/passwd", &names), -ENOTDIR);
	assert_int_equal(wh_tree_walk(s.tree, "nowhere", on_walk, NULL), -ENOENT);
	assert_int_equal(names.n, 0);
	stack_close(&s);
}

static int skipping(void *arg, const struct wh_node_ref *n)
{
	show(arg, n);
	return strcmp(n->e.path, "usr/bin") == 0 ? 1 : strcmp(n->e.path, "usr/up") == 0 ? -ECANCELED : 0;
}

static void walking_a_part(void **state)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT, all = WH_BUF_INIT;
	struct stack s;

	(void)state;
	stack_open(&s, world);
	assert_int_equal(wh_tree_walk(s.tree, "usr", skipping, &out), -ECANCELED);
	assert_string_equal(out.p, "d usr/bin 755\nd usr/lib 755\nl usr/up -> ../etc\n");
	assert_int_equal(wh_tree_walk(s.tree, "etc", on_walk, &all), 0);
	assert_string_equal(all.p, "l etc/a -> b\nl etc/b -> a\nl etc/mtab -> /proc/mounts\nf etc/passwd 4@0\n");
	stack_close(&s);
}

static void content(void **state)
{
	const char *const specs[MAX_STACK] = {"f a 644 lower\nh b a\n", "d d 755\nf d/a 0 upper\nh e d/a\n"};
	const struct {
		const char *path, *text;
	} files[] = {{"a", "lower"}, {"b", "lower"}, {"d/a", "upper"}, {"e", "upper"}};
	struct stack s;

	(void)state;
	stack_open(&s, specs);
	for (size_t i = 0; i < WH_ARRAY_SIZE(files); i++) {
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
		struct wh_err *err = NULL;
		struct wh_node_ref n;
		WH_AUTO_FD int fd = -1;

		assert_int_equal(wh_tree_lookup(s.tree, files[i].path, &n), 0);
		fd = wh_tree_open_file(s.tree, &n, &err);
		assert_ok(fd, err);
		assert_int_equal(wh_read_fd(fd, 100, &b), 0);
		assert_string_equal(b.p, files[i].text);
	}
	stack_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stacks),         cmocka_unit_test(resolving), cmocka_unit_test(not_there),
		cmocka_unit_test(walking_a_part), cmocka_unit_test(content),
	};

	become_root();
	return cmocka_run_group_tests_name("layers_tree", tests, NULL, NULL);
}
