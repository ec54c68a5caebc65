/* SPDX-License-Identifier: Apache-2.0 */
/* A tree of one layer from a few files; directories make themselves. */
#ifndef WH_TESTS_UNIT_HARDEN_PACKAGES_HELPER_H
#define WH_TESTS_UNIT_HARDEN_PACKAGES_HELPER_H

#include "harden/harden.h"

#include "tests/unit/layers_helper.h"

struct file {
	const char *path, *text; /* text "@x": a symlink to x; NULL: an empty directory */
};
struct forest {
	struct bed bed;
	struct wh_layer layer;
	struct wh_tree *tree;
};

static int forest_order(const void *a, const void *b)
{
	return wh_path_cmp(((const struct file *)a)->path, ((const struct file *)b)->path);
}

static UNUSED void forest_open(struct forest *f, const struct file *files, size_t n)
{
	WH_AUTO_FREE struct file *v = wh_memdup(files, n * sizeof(*v));
	WH_AUTO_STRV struct wh_strv dirs = {0};
	struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
	struct wh_layer_writer *w = NULL;
	struct wh_err *err = NULL;

	*f = (struct forest){.tree = NULL};
	bed_open(&f->bed);
	while (n && !v[n - 1].path)
		n--;
	qsort(v, n, sizeof(*v), forest_order);
	o.threads = 1;
	assert_ok(wh_layer_writer_new(f->bed.store, &o, &w, &err), err);
	for (size_t i = 0; i < n; i++) {
		const char *text = v[i].text;
		struct wh_entry e = {.path = v[i].path, .type = WH_T_FILE, .mode = 0644, .mtime = 1000};

		for (const char *s = strchr(e.path, '/'); s; s = strchr(s + 1, '/')) {
			WH_AUTO_FREE char *dir = wh_strndup(e.path, (size_t)(s - e.path));
			struct wh_entry d = {.path = dir, .type = WH_T_DIR, .mode = 0755, .mtime = 1000};

			if (wh_strv_has(&dirs, dir))
				continue;
			wh_strv_add(&dirs, dir);
			assert_ok(wh_layer_writer_add(w, &d, &err), err);
		}
		if (!text) {
			e.type = WH_T_DIR;
			e.mode = 0755;
			wh_strv_add(&dirs, e.path);
		} else if (text[0] == '@') {
			e.type = WH_T_SYMLINK;
			e.mode = 0777;
			e.link = text + 1;
		} else {
			if (wh_has_prefix(text, "#!"))
				e.mode = 0755;
			e.size = strlen(text);
		}
		assert_ok(wh_layer_writer_add(w, &e, &err), err);
		if (e.type == WH_T_FILE)
			assert_ok(wh_layer_writer_data(w, text, e.size, &err), err);
	}
	assert_ok(wh_layer_writer_finish(w, &f->layer, &err), err);
	assert_ok(wh_tree_open(f->bed.store, &f->layer, 1, &f->tree, &err), err);
}

static UNUSED void forest_close(struct forest *f)
{
	wh_tree_close(f->tree);
	wh_layer_release(&f->layer);
	bed_close(&f->bed);
}

#endif
