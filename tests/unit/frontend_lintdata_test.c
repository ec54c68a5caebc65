/* SPDX-License-Identifier: Apache-2.0 */
/* The conformance data's lint cases: what a build tells, what a check of all stages tells, and the errors. */
#include "tests/unit/frontend_data.h"
#include "tests/unit/frontend_resolver.h"

struct findings {
	json_t *list; /* [{"rule", "line", "message", "description"}], sorted like the data */
	struct wh_strv ignore;
};

static void collect(void *arg, const struct wh_lint_warning *w)
{
	struct findings *f = arg;

	json_array_append_new(f->list, json_pack("{s:s, s:i, s:s, s:s}", "rule", w->rule, "line", (int)w->line,
						 "message", w->message, "description", w->description));
}

static const char *const *ignore_of(void *arg, const char *local, const struct wh_patterns **ret)
{
	struct findings *f = arg;

	*ret = NULL;
	return f->ignore.n && wh_streq(local, "context") ? (const char *const *)f->ignore.v : NULL;
}

static int by_place(const json_t *a, const json_t *b)
{
	json_int_t la = json_integer_value(json_object_get(a, "line")),
		   lb = json_integer_value(json_object_get(b, "line"));

	if (la != lb)
		return la < lb ? -1 : 1;
	return strcmp(json_string_value(json_object_get(a, "message")),
		      json_string_value(json_object_get(b, "message")));
}

static void sort(json_t *list)
{
	size_t i, k;

	for (i = 1; i < json_array_size(list); i++) {
		json_t *item = json_incref(json_array_get(list, i));

		for (k = i; k && by_place(json_array_get(list, k - 1), item) > 0; k--)
			json_array_set(list, k, json_array_get(list, k - 1));
		json_array_set_new(list, k, item);
	}
}

static const char *text_of(const json_t *row, const char *key)
{
	return json_string_value(json_object_get(row, key));
}

/* One way of looking at the file; returns what differs (malloc'ed), or NULL. */
static char *look(const json_t *row, bool all)
{
	const struct wh_image_resolver resolver = {NULL, test_resolve};
	const char *text = text_of(row, "dockerfile"), *ignore = text_of(row, "dockerignore"), *key;
	const json_t *want = json_object_get(row, all ? "warnings_all_targets" : "warnings"), *value;
	json_t *args = json_object_get(row, "build_args");
	WH_AUTO_JSON json_t *list = json_array();
	struct findings f = {.list = list};
	struct wh_lower_opts opts = {.build_platform = "linux/amd64",
				     .ignore_of = ignore_of,
				     .ignore_arg = &f,
				     .resolver = &resolver,
				     .warn = collect,
				     .warn_arg = &f,
				     .all_stages = all};
	WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;
	WH_AUTO_STRV struct wh_strv build_args = {0};
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_FREE char *got = NULL, *expected = NULL;
	struct wh_graph *g = wh_graph_new();
	struct wh_target t = {0};
	char *fault = NULL;
	int r;

	if (all && !want)
		want = json_object_get(row, "warnings");
	json_object_foreach (args, key, value)
		wh_strv_addf(&build_args, "%s=%s", key, json_string_value(value));
	opts.build_args = &build_args;
	if (ignore)
		wh_ignore_read(ignore, strlen(ignore), &f.ignore);
	r = wh_dockerfile_parse("Dockerfile", text, strlen(text), &d, &err);
	if (r == 0)
		r = wh_dockerfile_lower(d, &opts, g, &t, &err);
	sort(list);
	got = json_dumps(list, JSON_SORT_KEYS);
	expected = want ? json_dumps(want, JSON_SORT_KEYS) : wh_strdup("[]");
	if (!wh_streq(got, expected))
		fault = wh_asprintf("\n  want %s\n  got  %s", expected, got);
	else if (text_of(row, "error") && (r == 0 || !strstr(err->msg, text_of(row, "error"))))
		fault = wh_asprintf("\n  want error %s\n  got        %s", text_of(row, "error"),
				    r < 0 ? err->msg : "none");
	else if (text_of(row, "error") && json_integer_value(json_object_get(row, "error_line")) != err->line)
		fault = wh_asprintf("error at line %u", err->line);
	else if (!text_of(row, "error") && r < 0) /* error_regex is for what happens after lowering */
		fault = wh_asprintf("unexpected: %s", err->msg);
	wh_strv_release(&f.ignore);
	wh_target_release(&t);
	wh_graph_free(g);
	return fault;
}

static void cases(void **state)
{
	DATA(dir);
	WH_AUTO_JSON json_t *rows = data_json(dir, "lint/lint.json");
	size_t i, failed = 0;
	const json_t *row;

	(void)state;
	assert_true(json_array_size(rows) > 0);
	json_array_foreach (rows, i, row) {
		WH_AUTO_FREE char *one = look(row, false), *all = look(row, true);

		if (one)
			MISS(failed, "%s: %s", text_of(row, "name"), one);
		if (all)
			MISS(failed, "%s, all stages: %s", text_of(row, "name"), all);
	}
	print_message("%zu cases, each looked at twice\n", json_array_size(rows));
	assert_int_equal(failed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(cases)};

	if (data_is_missing())
		return 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
