/* SPDX-License-Identifier: Apache-2.0 */
/* The conformance data as far as lowering goes: image configs and refusals of the build cases, two instruction tables. */
#include "tests/unit/frontend_data.h"
#include "tests/unit/frontend_resolver.h"

struct lowered {
	struct wh_dockerfile *d;
	struct wh_graph *g;
	struct wh_target t;
	struct wh_err *err;
	int r;
};

static void lower_text(struct lowered *x, const char *text, size_t len, struct wh_lower_opts *o)
{
	const struct wh_image_resolver resolver = {NULL, test_resolve};

	o->build_platform = "linux/amd64";
	o->resolver = &resolver;
	x->g = wh_graph_new();
	x->r = wh_dockerfile_parse("Dockerfile", text, len, &x->d, &x->err);
	if (x->r == 0)
		x->r = wh_dockerfile_lower(x->d, o, x->g, &x->t, &x->err);
}

static void release(struct lowered *x)
{
	wh_target_release(&x->t);
	wh_graph_free(x->g);
	wh_dockerfile_free(x->d);
	if (x->err)
		wh_err_free(x->err);
}

/* error: a text or a list of which any will do; null: none is wanted. */
static bool error_fits(const json_t *want, const struct wh_err *err)
{
	size_t i;

	if (json_is_string(want))
		return strcasestr(err->msg, json_string_value(want)) != NULL;
	for (i = 0; i < json_array_size(want); i++)
		if (json_is_string(json_array_get(want, i)) &&
		    strcasestr(err->msg, json_string_value(json_array_get(want, i))))
			return true;
	return false;
}

static bool is_empty(const json_t *j)
{
	return !j || json_is_null(j) || (json_is_array(j) && !json_array_size(j)) ||
	       (json_is_object(j) && !json_object_size(j)) || (json_is_string(j) && !*json_string_value(j)) ||
	       (json_is_string(j) && wh_streq(json_string_value(j), "/"));
}

static bool env_has(const json_t *env, const char *word, bool name_only)
{
	size_t i, n = strlen(word);

	for (i = 0; i < json_array_size(env); i++) {
		const char *e = json_string_value(json_array_get(env, i));

		if (name_only ? strncmp(e, word, n) == 0 && e[n] == '=' : wh_streq(e, word))
			return true;
	}
	return false;
}

static bool config_fits(const json_t *want, const json_t *image)
{
	const json_t *config = json_object_get(image, "config"), *env = json_object_get(config, "Env");
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach ((json_t *)(uintptr_t)want, key, value) {
		const json_t *got = json_object_get(key[0] >= 'a' ? image : config, key);

		if (wh_streq(key, "created"))
			continue;
		if (wh_streq(key, "Env+") || wh_streq(key, "Env-")) {
			for (i = 0; i < json_array_size(value); i++)
				if (env_has(env, json_string_value(json_array_get(value, i)), key[3] == '-') ==
				    (key[3] == '-'))
					return false;
			continue;
		}
		if (is_empty(value) ? !is_empty(got) : !json_equal(value, got))
			return false;
	}
	return true;
}

static bool history_fits(const json_t *want, const struct wh_target *t)
{
	size_t i, at = 0;

	for (i = 0; i < t->n_history && at < json_array_size(want); i++)
		at += strstr(t->history[i].created_by, json_string_value(json_array_get(want, at))) != NULL;
	return at == json_array_size(want);
}

static size_t configs, errors;

/* One build of a case; false: not as expected. */
static bool build(const char *name, const json_t *args, const json_t *expect, const struct wh_buf *text)
{
	WH_AUTO_STRV struct wh_strv build_args = {0};
	struct wh_named_context contexts[8];
	struct wh_lower_opts o = {.build_args = &build_args, .target = str(args, "target"), .contexts = contexts};
	struct lowered x = {0};
	const json_t *error = json_object_get(expect, "error");
	const char *key;
	json_t *value;
	bool ok = true;

	json_object_foreach (json_object_get(args, "build_args"), key, value)
		wh_strv_addf(&build_args, "%s=%s", key, json_string_value(value));
	json_object_foreach (json_object_get(args, "contexts"), key, value) {
		const char *ref = json_string_value(value);

		contexts[o.n_contexts++] = (struct wh_named_context){key, strstr(ref, "://") ? ref : "local://named"};
	}
	lower_text(&x, text->p, text->n, &o);
	if (x.r < 0 && (!error || json_is_null(error) || !error_fits(error, x.err))) {
		print_error("%s: line %u: %s\n", name, x.err->line, x.err->msg);
		ok = false;
	}
	errors += x.r < 0;
	/* Without an error here, a wanted one comes from a later part of the program. */
	if (x.r == 0 && json_is_object(json_object_get(expect, "config"))) {
		ok = config_fits(json_object_get(expect, "config"), x.t.config);
		configs++;
	}
	if (x.r == 0 && ok)
		ok = history_fits(json_object_get(expect, "history"), &x.t);
	if (!ok && x.r == 0) {
		WH_AUTO_FREE char *got = json_dumps(x.t.config, JSON_COMPACT | JSON_SORT_KEYS);

		print_error("%s: %s\n", name, got);
	}
	release(&x);
	return ok;
}

static void build_cases(void **state)
{
	DATA(dir);
	WH_AUTO_STRV struct wh_strv cases = {0};
	size_t i, k, failed = 0;

	(void)state;
	data_list(dir, "build", &cases);
	for (i = 0; i < cases.n; i++) {
		WH_AUTO_JSON json_t *c = data_json(cases.v[i], "case.json");
		WH_AUTO_FREE char *path = wh_path_join(cases.v[i], "Dockerfile");
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
		json_t *steps = json_object_get(c, "steps"), *args = json_object_get(c, "args");

		/* Some come with another file name, or a link that only the runner makes. */
		if (json_object_get(args, "file") || wh_read_file(AT_FDCWD, path, 1 << 20, &text) < 0 ||
		    strstr(path, "symlinked-dockerfile"))
			continue;
		if (!steps) {
			failed += !build(cases.v[i], args, json_object_get(c, "expect"), &text);
			continue;
		}
		for (k = 0; k < json_array_size(steps); k++) {
			json_t *step = json_array_get(steps, k);
			WH_AUTO_JSON json_t *merged = json_deep_copy(args);

			if (json_object_get(step, "args"))
				json_object_update(merged, json_object_get(step, "args"));
			failed += !build(cases.v[i], merged, json_object_get(step, "expect"), &text);
		}
	}
	assert_int_equal(failed, 0);
	assert_true(configs > 130);
	assert_true(errors > 15);
}

static void convert(void **state)
{
	DATA(dir);
	WH_AUTO_JSON json_t *rows = data_json(dir, "instructions/instructions.json");
	size_t i, done = 0;
	json_t *row;

	(void)state;
	json_array_foreach (rows, i, row) {
		struct lowered x = {0};
		struct wh_lower_opts o = {0};
		const char *text = str(row, "input"), *error = str(row, "error");

		if (!wh_streq(str(row, "group"), "convert"))
			continue;
		done++;
		lower_text(&x, text, strlen(text), &o);
		assert_int_equal(x.r < 0, error != NULL);
		if (error)
			assert_non_null(strcasestr(x.err->msg, error));
		release(&x);
	}
	assert_int_equal(done, 5);
}

static void healthcheck(void **state)
{
	DATA(dir);
	WH_AUTO_JSON json_t *rows = data_json(dir, "instructions/instructions.json");
	size_t i, done = 0;
	json_t *row;

	(void)state;
	json_array_foreach (rows, i, row) {
		struct lowered x = {0};
		struct wh_lower_opts o = {0};
		const char *error = str(row, "error");
		json_t *test = json_object_get(json_object_get(row, "expect"), "Test");
		WH_AUTO_FREE char *text = NULL;

		if (!wh_streq(str(row, "group"), "healthcheck"))
			continue;
		done++;
		text = wh_asprintf("FROM scratch\n%s", str(row, "input"));
		lower_text(&x, text, strlen(text), &o);
		assert_int_equal(x.r < 0, error != NULL);
		if (error)
			assert_non_null(strcasestr(x.err->msg, error));
		if (test)
			assert_true(json_equal(
				test,
				json_object_get(json_object_get(json_object_get(x.t.config, "config"), "Healthcheck"),
						"Test")));
		release(&x);
	}
	assert_int_equal(done, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(build_cases),
		cmocka_unit_test(convert),
		cmocka_unit_test(healthcheck),
	};

	if (data_is_missing())
		return 0;
	return cmocka_run_group_tests_name("frontend_lowerdata", tests, NULL, NULL);
}
