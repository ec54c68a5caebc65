/* SPDX-License-Identifier: Apache-2.0 */
/* Trees from a few words, profiles from logs written as text, and real files put into layers. */
#ifndef WH_TESTS_UNIT_HARDEN_HELPER_H
#define WH_TESTS_UNIT_HARDEN_HELPER_H

#include "harden/harden.h"

#include "tests/unit/layers_helper.h"

#define MAX_LAYERS 4

struct grove {
	struct bed bed;
	struct wh_layer layers[MAX_LAYERS];
	size_t n;
	struct wh_tree *tree;
};

/* specs as in layers_helper.h, lowest layer first, NULL-terminated. */
static UNUSED void grove_open(struct grove *g, const char *const *specs)
{
	struct wh_err *err = NULL;

	*g = (struct grove){.n = 0};
	become_root();
	bed_open(&g->bed);
	for (; specs[g->n]; g->n++) {
		assert_true(g->n < MAX_LAYERS);
		layer_of(g->bed.store, specs[g->n], &g->layers[g->n]);
	}
	assert_ok(wh_tree_open(g->bed.store, g->layers, g->n, &g->tree, &err), err);
}

static UNUSED void grove_close(struct grove *g)
{
	wh_tree_close(g->tree);
	for (size_t i = 0; i < g->n; i++)
		wh_layer_release(&g->layers[i]);
	bed_close(&g->bed);
}

#define LOG_BEGIN "whittle-observation 1\n"
#define LOG_END "E\t10\t0\n"

/* A profile of one log named "application"; records: what stands between first and last line, a blank for each tab. */
static UNUSED json_t *profile_of(struct wh_tree *t, const char *records)
{
	WH_AUTO_FREE char *text = wh_asprintf("%s%s%s", LOG_BEGIN, records, LOG_END);
	struct wh_obs_log log = {.name = "application", .data = text, .len = strlen(text)};
	struct wh_err *err = NULL;
	json_t *profile = NULL;

	for (char *p = text + strlen(LOG_BEGIN); *p; p++)
		if (*p == ' ')
			*p = '\t';
	assert_ok(wh_profile_make(t, &log, 1, &profile, &err), err);
	return profile;
}

/* "rule path" lines of a report, parents left out when asked. */
static UNUSED char *kept_lines(const json_t *report, bool parents)
{
	const json_t *kept = json_object_get(report, "kept");
	struct wh_buf b = WH_BUF_INIT;

	for (size_t i = 0; i < json_array_size(kept); i++) {
		const json_t *o = json_array_get(kept, i);
		const char *rule = wh_json_str(o, "rule");

		if (parents || !wh_streq(rule, "parent"))
			wh_buf_addf(&b, "%s %s\n", rule, wh_json_str(o, "path"));
	}
	return wh_buf_take(&b);
}

#endif
