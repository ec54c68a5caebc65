/* SPDX-License-Identifier: Apache-2.0 */
/* The conformance data up to the syntax tree: parser, shell, ignore. */
#include "frontend/check.h"
#include "frontend/expand.h"
#include "frontend/names.h"
#include "frontend/syntax.h"
#include "tests/unit/frontend_data.h"

/* ---- parser ---- */

static void trees(void **state)
{
	DATA(dir);
	WH_AUTO_STRV struct wh_strv cases = {0};
	size_t i, failed = 0;

	(void)state;
	data_list(dir, "parser/positive", &cases);
	for (i = 0; i < cases.n; i++) {
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT, want = WH_BUF_INIT, got = WH_BUF_INIT;
		WH_AUTO_ERR struct wh_err *err = NULL;
		WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;

		data_read(cases.v[i], "Dockerfile", &text);
		data_read(cases.v[i], "result", &want);
		if (wh_dockerfile_parse("Dockerfile", text.p, text.n, &d, &err) < 0) {
			MISS(failed, "%s: %s", cases.v[i], err->msg);
			continue;
		}
		wh_ast_print(d, &got);
		if (got.n != want.n || memcmp(got.p, want.p, want.n) != 0)
			MISS(failed, "%s: another tree:\n%s", cases.v[i], got.p);
	}
	assert_int_equal(failed, 0);
}

static void refusals(void **state)
{
	DATA(dir);
	WH_AUTO_STRV struct wh_strv cases = {0};
	size_t i;

	(void)state;
	data_list(dir, "parser/negative", &cases);
	for (i = 0; i < cases.n; i++) {
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct wh_dockerfile *d = NULL;

		data_read(cases.v[i], "Dockerfile", &text);
		assert_true(wh_dockerfile_parse("Dockerfile", text.p, text.n, &d, &err) < 0);
		assert_non_null(err);
	}
}

static void line_numbers(void **state)
{
	DATA(dir);
	WH_AUTO_STRV struct wh_strv cases = {0};
	size_t i, k;

	(void)state;
	data_list(dir, "parser/lines", &cases);
	for (i = 0; i < cases.n; i++) {
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
		WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;
		WH_AUTO_STRV struct wh_strv files = {0};
		WH_AUTO_JSON json_t *want = NULL;
		json_t *rows;

		data_read(cases.v[i], "Dockerfile", &text);
		data_list(cases.v[i], ".", &files);
		for (k = 0; k < files.n; k++)
			if (wh_has_suffix(files.v[k], ".json"))
				want = json_load_file(files.v[k], 0, NULL);
		assert_non_null(want);
		assert_int_equal(wh_dockerfile_parse("Dockerfile", text.p, text.n, &d, NULL), 0);
		rows = json_object_get(want, "children");
		assert_int_equal(json_array_size(rows), d->n_nodes);
		for (k = 0; k < d->n_nodes; k++) {
			json_t *row = json_array_get(rows, k);

			assert_int_equal(json_integer_value(json_array_get(row, 0)), d->nodes[k].line);
			assert_int_equal(json_integer_value(json_array_get(row, 1)), d->nodes[k].last_line);
		}
	}
}

/* Official Dockerfiles: all must parse and pass the checks. */
static void real_world(void **state)
{
	DATA(dir);
	WH_AUTO_STRV struct wh_strv cases = {0};
	size_t i, k, failed = 0, read = 0;

	(void)state;
	data_list(dir, "realworld", &cases);
	for (i = 0; i < cases.n; i++) {
		WH_AUTO_STRV struct wh_strv files = {0};

		if (wh_has_suffix(cases.v[i], ".json"))
			continue;
		data_list(cases.v[i], ".", &files);
		for (k = 0; k < files.n; k++) {
			WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
			WH_AUTO_ERR struct wh_err *err = NULL;
			WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;

			if (!strstr(files.v[k], "Dockerfile"))
				continue;
			assert_int_equal(wh_read_file(AT_FDCWD, files.v[k], 1 << 20, &text), 0);
			read++;
			if (wh_dockerfile_parse("Dockerfile", text.p, text.n, &d, &err) < 0 ||
			    wh_dockerfile_check(d, &err) < 0)
				MISS(failed, "%s:%u: %s", files.v[k], err->line, err->msg);
		}
	}
	assert_int_equal(failed, 0);
	assert_true(read > 50);
}

/* ---- shell ---- */

static const char *lookup(void *env, const char *name)
{
	return wh_env_get(env, name);
}

static void env_lines(void **state)
{
	DATA(dir);
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_STRV struct wh_strv env = {0};
	struct wh_lines in;
	struct wh_str line;
	size_t failed = 0, rows = 0;

	(void)state;
	wh_strv_add(&env, "PWD=/home");
	wh_strv_add(&env, "SHELL=bash");
	wh_strv_add(&env, "KOREAN=\xed\x95\x9c\xea\xb5\xad\xec\x96\xb4");
	wh_strv_add(&env, "NULL=");
	data_read(dir, "shell/envVarTest", &text);
	in = (struct wh_lines){text.p, text.n, 0, 0};
	while (wh_lines_next(&in, &line)) {
		WH_AUTO_FREE char *row = wh_strndup(line.p, wh_line_chomp(line).n), *got = NULL, *want = NULL;
		char *source = strchr(row, '|'), *bar;
		struct wh_str trimmed;
		int r;

		if (!source || row[0] == '#')
			continue;
		bar = strrchr(++source, '|');
		assert_non_null(bar);
		*bar = '\0';
		trimmed = wh_str_trim(wh_str(source));
		source[trimmed.p + trimmed.n - source] = '\0';
		trimmed = wh_str_trim(wh_str(bar + 1));
		want = wh_strndup(trimmed.p, trimmed.n);
		rows++;
		r = wh_expand_word(source, '\\', lookup, &env, &got, NULL);
		if (wh_streq(want, "error") ? r == 0 : r < 0 || !wh_streq(got, want))
			MISS(failed, "line %u: %s: got %s (%d), want %s", in.number, source, got ? got : "-", r, want);
	}
	assert_int_equal(failed, 0);
	assert_true(rows > 80);
}

static void word_lines(void **state)
{
	DATA(dir);
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_STRV struct wh_strv env = {0};
	struct wh_lines in;
	struct wh_str line;
	size_t failed = 0, rows = 0;

	(void)state;
	data_read(dir, "shell/wordsTest", &text);
	in = (struct wh_lines){text.p, text.n, 0, 0};
	while (wh_lines_next(&in, &line)) {
		WH_AUTO_FREE char *row = wh_strndup(line.p, wh_line_chomp(line).n), *input = NULL, *got = NULL;
		WH_AUTO_STRV struct wh_strv words = {0};
		WH_AUTO_BUF struct wh_buf joined = WH_BUF_INIT;
		struct wh_str trimmed;
		char *bar = strchr(row, '|');
		size_t i;

		if (wh_has_prefix(row, "ENV ")) {
			wh_strv_add(&env, row + 4);
			continue;
		}
		if (!bar || row[0] == '#')
			continue;
		trimmed = wh_str_trim((struct wh_str){row, (size_t)(bar - row)});
		input = wh_strndup(trimmed.p, trimmed.n);
		for (bar++; *bar == ' ' || *bar == '\t'; bar++)
			;
		rows++;
		assert_int_equal(wh_expand_words(input, '\\', lookup, &env, &words, NULL), 0);
		for (i = 0; i < words.n; i++)
			wh_buf_addf(&joined, "%s%s", i ? "," : "", words.v[i]);
		got = wh_buf_take(&joined);
		if (!wh_streq(got, bar))
			MISS(failed, "%s: got %s, want %s", input, got, bar);
	}
	assert_int_equal(failed, 0);
	assert_true(rows > 8);
}

struct seen {
	struct wh_strv env, matched, unmatched;
};

static const char *noting(void *arg, const char *name)
{
	struct seen *s = arg;
	const char *value = wh_env_get(&s->env, name);
	struct wh_strv *list = value ? &s->matched : &s->unmatched;

	if (!wh_strv_has(list, name))
		wh_strv_add(list, name);
	return value;
}

static bool same_names(const json_t *want, const struct wh_strv *got)
{
	size_t i;

	if (!want)
		return true;
	for (i = 0; i < json_array_size(want); i++)
		if (!wh_strv_has(got, json_string_value(json_array_get(want, i))))
			return false;
	return json_array_size(want) == got->n;
}

static void expand_rows(void **state)
{
	DATA(dir);
	WH_AUTO_JSON json_t *rows = data_json(dir, "shell/expand.json");
	size_t i, failed = 0;
	json_t *row;

	(void)state;
	json_array_foreach (rows, i, row) {
		struct seen s = {0};
		WH_AUTO_FREE char *got = NULL;
		WH_AUTO_ERR struct wh_err *err = NULL;
		const char *key, *input = str(row, "input"), *contains = str(row, "error_contains");
		json_t *value;
		int r;

		json_object_foreach (json_object_get(row, "env"), key, value)
			wh_strv_addf(&s.env, "%s=%s", key, json_string_value(value));
		r = wh_expand_word(input, '\\', noting, &s, &got, &err);
		if (json_is_true(json_object_get(row, "error")) ? r == 0
								: r < 0 || !wh_streq(got, str(row, "expected")))
			MISS(failed, "%s: got %s (%d), want %s", input, got ? got : "-", r, str(row, "expected"));
		else if (r < 0 && contains && !strstr(err->msg, contains))
			MISS(failed, "%s: error is %s", input, err->msg);
		else if (r == 0 && (!same_names(json_object_get(row, "matched"), &s.matched) ||
				    !same_names(json_object_get(row, "unmatched"), &s.unmatched)))
			MISS(failed, "%s: other names were looked up", input);
		wh_strv_release(&s.env);
		wh_strv_release(&s.matched);
		wh_strv_release(&s.unmatched);
	}
	assert_int_equal(failed, 0);
	assert_int_equal(json_array_size(rows), 31);
}

/* A pattern that is refused is refused in ${v#pattern} too, and "*" and "\*" do what their regular expressions do. */
static void trim_patterns(void **state)
{
	DATA(dir);
	WH_AUTO_JSON json_t *rows = data_json(dir, "shell/trim_patterns.json");
	size_t i;
	json_t *row;

	(void)state;
	json_array_foreach (rows, i, row) {
		WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
		const char *input = str(row, "input");
		int r = wh_subst_trim("*rest", input, false, true, &out, NULL);

		if (json_is_true(json_object_get(row, "error"))) {
			assert_true(r < 0);
			continue;
		}
		assert_int_equal(r, 0);
		assert_string_equal(out.p ? out.p : "", wh_streq(input, "*") ? "" : "rest");
	}
}

/* ---- ignore ---- */

static void ignore_patterns(void **state)
{
	DATA(dir);
	WH_AUTO_JSON json_t *rows = data_json(dir, "ignore/patterns.json");
	size_t i, k, failed = 0;
	json_t *row;

	(void)state;
	json_array_foreach (rows, i, row) {
		WH_AUTO_STRV struct wh_strv lines = {0};
		struct wh_patterns *set = NULL;
		WH_AUTO_FREE char *path = wh_path_clean(str(row, "path"));
		json_t *want = json_object_get(row, "excluded"), *list = json_object_get(row, "patterns");
		int r;

		for (k = 0; k < json_array_size(list); k++)
			wh_strv_add(&lines, json_string_value(json_array_get(list, k)));
		r = wh_patterns_new(&lines, &set, NULL);
		if (json_is_string(want) ? r == 0 : r < 0 || wh_patterns_excluded(set, path) != json_is_true(want))
			MISS(failed, "row %zu: %s against %s", i, path, lines.v[0]);
		wh_patterns_free(set);
	}
	assert_int_equal(failed, 0);
	assert_int_equal(json_array_size(rows), 76);
}

static void ignore_files(void **state)
{
	DATA(dir);
	WH_AUTO_JSON json_t *rows = data_json(dir, "ignore/readall.json");
	size_t i, k;
	json_t *row;

	(void)state;
	json_array_foreach (rows, i, row) {
		WH_AUTO_STRV struct wh_strv lines = {0};
		const char *text = str(row, "content");
		json_t *want = json_object_get(row, "lines");

		wh_ignore_read(text, strlen(text), &lines);
		assert_int_equal(lines.n, json_array_size(want));
		for (k = 0; k < lines.n; k++)
			assert_string_equal(lines.v[k], json_string_value(json_array_get(want, k)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trees),        cmocka_unit_test(refusals),      cmocka_unit_test(line_numbers),
		cmocka_unit_test(real_world),   cmocka_unit_test(env_lines),     cmocka_unit_test(word_lines),
		cmocka_unit_test(expand_rows),  cmocka_unit_test(trim_patterns), cmocka_unit_test(ignore_patterns),
		cmocka_unit_test(ignore_files),
	};

	if (data_is_missing())
		return 0;
	return cmocka_run_group_tests_name("frontend_syntaxdata", tests, NULL, NULL);
}
