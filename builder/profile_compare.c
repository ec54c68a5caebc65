/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --runs=N: did all runs see the same? The profile itself marks what only some of them saw; here that is counted, and put in words.
 *
 *   {"identical":true} or {"identical":false, "paths":N, "first":{"path","runs":[…]}, "lists":["created", …]}
 *
 * paths: of the image, seen by some runs alone; lists: what else of the canonical profile differs.
 */
#include "builder/profile_private.h"

#define NAMED_MAX 3

static const char *const lists[] = {"processes", "used", "created", "missing", "syscalls",
				    "capabilities", "bound", "peers", "remarks"};

static int canonical(struct wh_tree *tree, const struct wh_obs_log *logs, size_t n, unsigned run, json_t **ret, struct wh_err **err)
{
	WH_AUTO_FREE struct wh_obs_log *own = wh_calloc(n + 1, sizeof(*own));
	WH_AUTO_JSON json_t *profile = NULL;
	size_t i, k = 0;
	int r;

	for (i = 0; i < n; i++) {
		if (logs[i].run != run)
			continue;
		own[k] = logs[i];
		own[k++].run = 0;
	}
	r = wh_profile_make(tree, own, k, &profile, err);
	if (r == 0)
		*ret = wh_profile_canonical(profile);
	return r;
}

/* "(run 2)", "(runs 1, 3)" */
static void add_runs(struct wh_buf *b, const json_t *runs)
{
	size_t i, n = json_array_size(runs);

	wh_buf_adds(b, n == 1 ? " (run " : " (runs ");
	for (i = 0; i < n && i < NAMED_MAX; i++)
		wh_buf_addf(b, "%s%lld", i ? ", " : "",
			    (long long)json_integer_value(json_array_get(runs, i)) + 1);
	wh_buf_adds(b, i < n ? " …)" : ")");
}

/* Paths of the image that not all runs saw. */
static size_t look_at_paths(const json_t *profile, struct wh_buf *words, json_t **ret_first)
{
	const json_t *o;
	size_t n = 0, i;

	json_array_foreach (json_object_get(profile, "used"), i, o) {
		const json_t *runs = json_object_get(o, "runs");

		if (!runs)
			continue;
		if (!n)
			*ret_first = json_pack("{s:O, s:O}", "path", json_object_get(o, "path"), "runs", runs);
		if (n < NAMED_MAX) {
			wh_buf_addf(words, "%s/%s", n ? ", " : "", wh_json_str(o, "path") ? wh_json_str(o, "path") : "");
			add_runs(words, runs);
		}
		n++;
	}
	return n;
}

int wh_profile_compare(struct wh_tree *tree, const struct wh_obs_log *logs, size_t n, unsigned runs, const json_t *profile,
		       json_t **ret, struct wh_buf *words, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf paths = WH_BUF_INIT;
	WH_AUTO_JSON json_t *differ = json_array();
	WH_AUTO_JSON json_t *first = NULL, *path = NULL;
	bool differs[WH_ARRAY_SIZE(lists)] = {false};
	size_t n_paths, i;
	int r = canonical(tree, logs, n, 0, &first, err);

	for (unsigned run = 1; r == 0 && run < runs; run++) {
		WH_AUTO_JSON json_t *other = NULL;

		r = canonical(tree, logs, n, run, &other, err);
		for (i = 0; r == 0 && i < WH_ARRAY_SIZE(lists); i++)
			differs[i] |= !json_equal(json_object_get(first, lists[i]), json_object_get(other, lists[i]));
	}
	if (r < 0)
		return r;
	for (i = 0; i < WH_ARRAY_SIZE(lists); i++)
		if (differs[i])
			json_array_append_new(differ, json_string(lists[i]));
	wh_buf_addf(words, "%u runs", runs);
	if (!json_array_size(differ)) {
		wh_buf_adds(words, ", identical");
		*ret = json_pack("{s:b}", "identical", true);
		return 0;
	}
	n_paths = look_at_paths(profile, &paths, &path);
	if (n_paths)
		wh_buf_addf(words, ": %zu %s of the image %s: %s%s", n_paths, n_paths == 1 ? "path" : "paths",
			    n_paths == 1 ? "differs" : "differ", paths.p, n_paths > NAMED_MAX ? " …" : "");
	else
		wh_buf_adds(words, " used the same paths of the image");
	for (i = 0; i < json_array_size(differ); i++)
		wh_buf_addf(words, "%s%s", i ? ", " : "; what differs: ", json_string_value(json_array_get(differ, i)));
	*ret = json_pack("{s:b, s:I, s:O?, s:O}", "identical", false, "paths", (json_int_t)n_paths, "first", path, "lists", differ);
	return 0;
}

size_t wh_profile_tests(const json_t *profile)
{
	WH_AUTO_JSON json_t *names = json_object();
	const json_t *o;
	size_t i;

	json_array_foreach (json_object_get(profile, "marks"), i, o)
		if (wh_json_str(o, "test"))
			json_object_set_new(names, wh_json_str(o, "test"), json_true());
	return json_object_size(names);
}
