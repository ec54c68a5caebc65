/* SPDX-License-Identifier: Apache-2.0 */
/* The removed part, and what comes back of it; and parts that are not the image's. */
#include "tests/unit/harden_helper.h"

#include <errno.h>

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
		e.digest = (struct wh_digest){{0}};
		describe(&b, &e);
	}
	wh_index_close(x);
	return wh_buf_take(&b);
}

static int restore(struct grove *g, const struct wh_layer *part, const char *path, bool exact, char **ret_index, json_t **ret_doc,
		   struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv paths = {0};
	const struct wh_restore_opts o = {.paths = &paths, .exact = exact, .all = !path};
	struct wh_layer_opts lo = WH_LAYER_OPTS_INIT;
	struct wh_layer l = {0};
	int r;

	lo.threads = 1;
	if (path)
		wh_strv_add(&paths, path);
	r = wh_restore_write(g->bed.store, g->layers, g->n, part, &o, &lo, &l, ret_doc, err);
	if (r == 0)
		*ret_index = index_text(g->bed.store, &l);
	wh_layer_release(&l);
	return r;
}

/* ---------------------------------------------------------------- making it */

static void test_part(void **state)
{
	static const struct {
		const char *full, *pruned, *part; /* part: as index_text() */
	} table[] = {
		/* Directories come with their attributes; what stayed does not come. */
		{"d a 750\nf a/one 644 1\nf a/two 600 22\nf b 644 3", "d a 750\nf a/one 644 1", "d a 750\nf a/two 600 2:000000\nf b 644 1:000000\n"},
		/* A name of a content that stayed is a file of its own; two that went are one. */
		{"f a 644 1\nh b a\nh c a", "f a 644 1", "f b 644 1:000000\nh c 644 1:000000 -> b\n"},
		/* The original of what was rewritten; other bits alone are no reason. */
		{"f gone 4755 y\nf list 644 long\nf su 4755 x", "f list 644 cut\nf su 755 x", "f gone 4755 1:000000\nf list 644 4:000000\n"},
		{"f dash 755 x\nd empty 700\nl sh dash", "d empty 700", "f dash 755 1:000000\nl sh -> dash\n"},
		{"f a 644 1", "f a 644 1", NULL},
		/* Rewritten, but nothing went. */
		{"f a 644 1", "f a 644 2", NULL},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		const char *const full_specs[] = {table[i].full, NULL}, *const pruned_specs[] = {table[i].pruned, NULL};
		struct wh_layer_opts lo = WH_LAYER_OPTS_INIT;
		struct wh_removed_part part;
		struct wh_layer pruned = {0};
		struct wh_tree *t = NULL;
		struct wh_err *err = NULL;
		struct grove g;

		lo.threads = 1;
		grove_open(&g, full_specs);
		layer_of(g.bed.store, pruned_specs[0], &pruned);
		assert_ok(wh_tree_open(g.bed.store, &pruned, 1, &t, &err), err);
		assert_ok(wh_removed_part_make(g.bed.store, g.tree, t, &lo, &part, &err), err);
		if (table[i].part) {
			WH_AUTO_FREE char *text = index_text(g.bed.store, &part.layer);

			assert_string_equal(text, table[i].part);
		} else {
			assert_int_equal(part.entries, 0);
		}
		wh_layer_release(&part.layer);
		wh_tree_close(t);
		wh_layer_release(&pruned);
		grove_close(&g);
	}
}

/* ---------------------------------------------------------------- putting back */

static void test_restore(void **state)
{
	static const struct {
		const char *image, *part, *path;
		bool exact;
		const char *layer; /* or the error */
		int r;
	} table[] = {
		{"d a 750\nf a/one 644 1", "d a 750\nf a/two 600 22", "/a/two", false, "d a 750\nf a/two 600 2:000000\n", 0},
		{"d a 750\nf a/one 644 1", "d a 750\nf a/two 600 22\nf b 644 1", "/a", false, "d a 750\nf a/two 600 2:000000\n", 0},
		{"f x 644 1", "f dash 755 x\nl sh dash", "/sh", true, "f dash 755 1:000000\nl sh -> dash\n", 0},
		{"f x 644 1", "f dash 755 x\nl sh dash", "/dash", false, "f dash 755 1:000000\n", 0},
		/* A script's interpreter is what it needs, unless it is not to be. */
		{"f x 644 1", "d bin 755\nf bin/sh 755 x\nf run 755 #!/bin/sh", "/run", false, "d bin 755\nf bin/sh 755 1:000000\nf run 755 9:000000\n", 0},
		{"f x 644 1", "d bin 755\nf bin/sh 755 x\nf run 755 #!/bin/sh", "/run", true, "f run 755 9:000000\n", 0},
		{"l bin usr\nd usr 755", "d usr 755\nf usr/ls 755 x", "/bin/ls", false, "d usr 755\nf usr/ls 755 1:000000\n", 0},
		{"f x 644 1", "f a1 644 1\nf a2 644 2\nf b 644 3", "/a*", false, "f a1 644 1:000000\nf a2 644 1:000000\n", 0},
		{"f x 644 1", "f a 644 1", NULL, false, "f a 644 1:000000\n", 0},
		{"f x 644 1", "f a 644 1", "/x", false, "/x is in the image: there is nothing to put back", -EEXIST},
		{"f x 644 1", "f a 644 1", "/y", false, "/y was never in the image", -ENOENT},
		{"f x 644 1", "f a 644 1", "y", false, "y: a pattern begins with a slash", -EINVAL},
		/* Not this image's. */
		{"f x 644 1", "f a 644 1\nw x", "/a", false, "the removed part is not this image's: /x is a mark that hides what the image has", -EBADMSG},
		{"d d 755\nf d/x 644 1", "o d 755\nf d/a 644 1", "/d/a", false, "the removed part is not this image's: /d hides what the image has there", -EBADMSG},
		{"d d 755\nf d/x 644 1", "f d 644 1", NULL, false, "the removed part is not this image's: /d is something else in the image", -EBADMSG},
		{"f d 644 1", "d d 755\nf d/a 644 1", "/d/a", false, "the removed part is not this image's: /d is something else in the image", -EBADMSG},
		{"l d e", "l d f", NULL, false, "the removed part is not this image's: /d is something else in the image", -EBADMSG},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		const char *const specs[] = {table[i].image, NULL};
		WH_AUTO_FREE char *text = NULL;
		struct wh_layer part = {0};
		struct wh_err *err = NULL;
		json_t *doc = NULL;
		struct grove g;
		int r;

		grove_open(&g, specs);
		layer_of(g.bed.store, table[i].part, &part);
		r = restore(&g, &part, table[i].path, table[i].exact, &text, &doc, &err);
		assert_int_equal(r, table[i].r);
		assert_string_equal(r == 0 ? text : err->msg, table[i].layer);
		wh_err_free(err);
		json_decref(doc);
		wh_layer_release(&part);
		grove_close(&g);
	}
}

static void test_document(void **state)
{
	static const char *const specs[] = {"f x 644 1", NULL};
	WH_AUTO_FREE char *text = NULL, *dumped = NULL;
	WH_AUTO_BUF struct wh_buf said = WH_BUF_INIT;
	WH_AUTO_JSON json_t *doc = NULL;
	struct wh_layer part = {0};
	struct wh_err *err = NULL;
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	layer_of(g.bed.store, "d bin 755\nf bin/dash 4755 x\nl bin/sh dash\nf run 755 #!/bin/sh", &part);
	assert_ok(restore(&g, &part, "/run", false, &text, &doc, &err), err);
	dumped = json_dumps(doc, JSON_COMPACT | JSON_SORT_KEYS);
	assert_string_equal(dumped, "{\"asked\":[\"/run\"],\"mode\":\"needed\",\"packages\":[],\"restored\":["
				    "{\"path\":\"/bin\",\"rule\":\"parent\",\"via\":\"/bin/sh\"},"
				    "{\"path\":\"/bin/dash\",\"rule\":\"script\",\"via\":\"/run\"},"
				    "{\"path\":\"/bin/sh\",\"rule\":\"symlink\",\"via\":\"/run\"},"
				    "{\"path\":\"/run\",\"rule\":\"keep\"}],"
				    "\"rewritten\":[],\"setid\":[\"/bin/dash\"],\"shells\":[\"/bin/dash\",\"/bin/sh\"]}");
	assert_true(wh_restore_explain(doc, "/bin/dash", &said));
	assert_true(wh_restore_explain(doc, "run", &said));
	assert_false(wh_restore_explain(doc, "/x", &said));
	assert_string_equal(said.p, "/bin/dash: put back by whittle restore: /run needs it (rule \"script\")\n"
				    "/run: put back by whittle restore: asked for\n");
	wh_layer_release(&part);
	grove_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_part),
		cmocka_unit_test(test_restore),
		cmocka_unit_test(test_document),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
