/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"
#include "tests/unit/test.h"

#include <errno.h>

static void canonical(void **state)
{
	static const char *const cases[][2] = {
		{" { \"b\" : 1 , \"a\" : [ 1, 2 ] } ", "{\"a\":[1,2],\"b\":1}"},
		{"{\"ab\":1,\"a\":2,\"B\":3,\"\":4}", "{\"\":4,\"B\":3,\"a\":2,\"ab\":1}"},
		{"[\"a\\/b\", \"\\u00e9\", \"\xc3\xa9\", \"<&>\"]", "[\"a/b\",\"\xc3\xa9\",\"\xc3\xa9\",\"<&>\"]"},
		{"[\"\\u0001\\n\"]", "[\"\\u0001\\n\"]"},
		{"[]", "[]"},
		{"{}", "{}"},
		{"[true,false,null,-0,9223372036854775807]", "[true,false,null,0,9223372036854775807]"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_JSON json_t *j = NULL;
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

		assert_int_equal(wh_json_parse(cases[i][0], strlen(cases[i][0]), "test", &j, NULL), 0);
		wh_json_dump(j, &b);
		assert_true(wh_buf_ok(&b));
		assert_string_equal(b.p, cases[i][1]);
	}
}

static void refused(void **state)
{
	static const char *const cases[] = {"",           "{",   "[1,]",  "{\"a\":1,\"a\":2}", "[1] x",
					    "[\"\xff\"]", "nul", "\"x\"", "[\"\\u0000\"]",     "[1e999]"};
	WH_AUTO_BUF struct wh_buf deep = WH_BUF_INIT;
	WH_AUTO_ERR struct wh_err *err = NULL;
	json_t *j = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_ERR struct wh_err *e = NULL;

		if (wh_json_parse(cases[i], strlen(cases[i]), "manifest", &j, &e) != -EINVAL)
			fail_msg("taken: %s", cases[i]);
		assert_null(j);
		assert_true(wh_has_prefix(e->msg, "manifest: bad JSON in line "));
	}
	for (i = 0; i < 100000; i++)
		wh_buf_addc(&deep, '[');
	assert_int_equal(wh_json_parse(deep.p, deep.n, "deep", &j, &err), -EINVAL);
}

static void getters(void **state)
{
	static const char text[] = "{\"s\":\"x\",\"i\":-5,\"a\":[]}";
	WH_AUTO_JSON json_t *j = NULL;

	(void)state;
	assert_int_equal(wh_json_parse(text, strlen(text), "test", &j, NULL), 0);
	assert_string_equal(wh_json_str(j, "s"), "x");
	assert_null(wh_json_str(j, "i"));
	assert_null(wh_json_str(j, "none"));
	assert_null(wh_json_str(NULL, "s"));
	assert_int_equal(wh_json_int(j, "i", 7), -5);
	assert_int_equal(wh_json_int(j, "s", 7), 7);
	assert_int_equal(wh_json_int(j, "none", 7), 7);
}

static void limit(void **state)
{
	WH_AUTO_JSON json_t *j = json_pack("[s]", "0123456789");
	WH_AUTO_BUF struct wh_buf b = {.max = 8};

	(void)state;
	wh_json_dump(j, &b);
	assert_false(wh_buf_ok(&b));
}

/* Every value costs memory, however short its text; a long report of ours is no such thing. */
static void many(void **state)
{
	static const struct {
		const char *head, *entry, *tail;
		size_t n;
		int r;
	} rows[] = {
		{"[0", ",{}", "]", 3000000, -EFBIG},
		{"[0", ",[]", "]", 3000000, -EFBIG},
		{"[0", ",\"\\\"\"", "]", 3000000, -EFBIG},
		{"[\"\\\\\"", ",0", "]", 3000000, -EFBIG},
		{"[\"", ",{[\\\"", "\"]", 3000000, 0},
		{"[0",
		 ",{\"path\":\"usr/share/doc/package/copyright\",\"rule\":\"doc\",\"via\":[\"a\",\"b, c\"],\"size\":1}",
		 "]", 150000, 0},
	};

	(void)state;
	for (size_t k = 0; k < WH_ARRAY_SIZE(rows); k++) {
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
		WH_AUTO_ERR struct wh_err *err = NULL;
		WH_AUTO_JSON json_t *j = NULL;

		wh_buf_adds(&text, rows[k].head);
		for (size_t i = 0; i < rows[k].n; i++)
			wh_buf_adds(&text, rows[k].entry);
		wh_buf_adds(&text, rows[k].tail);
		if (wh_json_parse(text.p, text.n, "report", &j, &err) != rows[k].r)
			fail_msg("row %zu: %s", k, err ? err->msg : "taken");
		if (err)
			assert_string_equal(err->msg, "report: it has more than 2097152 values");
	}
	{
		WH_AUTO_JSON json_t *j = NULL;

		assert_int_equal(wh_json_parse_max("[1,2]", 5, "x", 2, &j, NULL), 0);
		assert_int_equal(wh_json_parse_max("[1,2,3]", 7, "x", 2, &j, NULL), -EFBIG);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(canonical), cmocka_unit_test(refused), cmocka_unit_test(getters),
		cmocka_unit_test(limit),     cmocka_unit_test(many),
	};

	return cmocka_run_group_tests_name("base/json", tests, NULL, NULL);
}
