/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/listing.h"
#include "tests/unit/test.h"

#include <time.h>

/* main.c has the real one. */
const struct wh_command *const wh_commands[] = {NULL};

static void times(void **state)
{
	static const struct {
		const char *text;
		int64_t want; /* -1: none */
	} rows[] = {
		{"1970-01-01T00:00:00Z", 0},
		{"2023-11-14T22:13:20Z", 1700000000},
		{"2023-11-14T22:13:20.123456789Z", 1700000000},
		{"2023-11-14T23:13:20+01:00", 1700000000},
		{"2023-11-14T16:43:20-05:30", 1700000000},
		{"2023-11-14T22:13:20", -1},
		{"2023-11-14T22:13:20Zx", -1},
		{"2023-11-14T22:13:20+0100", -1},
		{"2023-11-14T22:13:20+01:00x", -1},
		{"2023-11-14", -1},
		{"yesterday", -1},
		{"", -1},
		{NULL, -1},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		int64_t got = -1;

		assert_int_equal(wh_cli_time(rows[i].text, &got), rows[i].want >= 0);
		assert_int_equal(got, rows[i].want);
	}
}

/* docker's words; the middle of each span, so that a second that passes changes nothing. */
static void since(void **state)
{
	static const struct {
		int64_t ago;
		const char *want;
	} rows[] = {
		{-1000, "Less than a second ago"}, {30, NULL},
		{90, "About a minute ago"},        {150, "2 minutes ago"},
		{3590, "59 minutes ago"},          {5000, "About an hour ago"},
		{47 * 3600 + 60, "47 hours ago"},  {3 * 86400 + 60, "3 days ago"},
		{13 * 86400 + 60, "13 days ago"},  {15 * 86400, "2 weeks ago"},
		{70 * 86400, "2 months ago"},      {800 * 86400, "2 years ago"},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		time_t t = time(NULL) - rows[i].ago;
		WH_AUTO_FREE char *got = NULL;
		char text[32];
		struct tm tm;

		gmtime_r(&t, &tm);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
		got = wh_cli_since(text);
		if (rows[i].want)
			assert_string_equal(got, rows[i].want);
		else
			assert_true(wh_has_suffix(got, " seconds ago"));
	}
	{
		WH_AUTO_FREE char *got = wh_cli_since("never");

		assert_string_equal(got, "N/A");
	}
}

static void names(void **state)
{
	static const char *const rows[][3] = {
		{"docker.io/library/shop:1.4", "shop", "1.4"},
		{"docker.io/team/shop:latest", "team/shop", "latest"},
		{"localhost:5000/a/b:x", "localhost:5000/a/b", "x"},
		{"registry.example/shop:1", "registry.example/shop", "1"},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		WH_AUTO_FREE char *repository = NULL;
		WH_AUTO_FREE char *tag = NULL;

		wh_cli_name_split(rows[i][0], &repository, &tag);
		assert_string_equal(repository, rows[i][1]);
		assert_string_equal(tag, rows[i][2]);
	}
}

/* Columns are columns of the terminal, and what is in a cell means nothing to it. */
static void table(void **state)
{
	WH_CLEANUP(wh_cli_table_release) struct wh_cli_table t = {.columns = 2};
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	(void)state;
	wh_cli_table_cell(&t, "A");
	wh_cli_table_cell(&t, "B");
	wh_cli_table_cell(&t, "\xc3\xa4\xe2\x80\xa6");
	wh_cli_table_cell(&t, "\033[31mred");
	wh_cli_table_cell(&t, "long");
	wh_cli_table_cell(&t, NULL);
	wh_cli_table_print(&t, &out);
	assert_string_equal(out.p, "A      B\n\xc3\xa4\xe2\x80\xa6     ^[[31mred\nlong   -\n");
}

static void json(void **state)
{
	WH_AUTO_JSON json_t *o = json_pack("{s:s}", "a", "x\033y\x7fz\xc2\x9b\xc3\xa4\"");
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	WH_AUTO_JSON json_t *again = NULL;

	(void)state;
	wh_cli_json(o, 0, &out);
	assert_string_equal(out.p, "{\"a\":\"x\\u001By\\u007fz\\u009b\xc3\xa4\\\"\"}\n");
	again = json_loads(out.p, 0, NULL);
	assert_true(json_equal(o, again));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times), cmocka_unit_test(since), cmocka_unit_test(names), cmocka_unit_test(table), cmocka_unit_test(json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
