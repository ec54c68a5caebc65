/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"
#include "tests/unit/test.h"

static void clean(void **state)
{
	/* What Go's path.Clean gives for each. */
	static const char *const cases[][2] = {
		{"", "."},
		{".", "."},
		{"./", "."},
		{"./.", "."},
		{"..", ".."},
		{"../", ".."},
		{"../..", "../.."},
		{"../../x", "../../x"},
		{"../a/..", ".."},
		{"../a/../..", "../.."},
		{"a", "a"},
		{"a/", "a"},
		{"a/.", "a"},
		{"a/..", "."},
		{"a/../", "."},
		{"a/../..", ".."},
		{"a/../../b", "../b"},
		{"a/../b//", "b"},
		{"a/b/..", "a"},
		{"a/b/../..", "."},
		{"a/b/../../..", ".."},
		{"a//b///c", "a/b/c"},
		{"./a/./b/.", "a/b"},
		{"a/b/../../../../c", "../../c"},
		{"/", "/"},
		{"//", "/"},
		{"///a", "/a"},
		{"/.", "/"},
		{"/..", "/"},
		{"/../..", "/"},
		{"/../a", "/a"},
		{"/a/..", "/"},
		{"/a/../..", "/"},
		{"/a/../../b", "/b"},
		{"/a/b/../c/", "/a/c"},
		{"/a/b/./../c", "/a/c"},
		{"...", "..."},
		{"a/...", "a/..."},
		{"..a/b..", "..a/b.."},
		{"/..a", "/..a"},
		{".a/.", ".a"},
		{"a/.b", "a/.b"},
		{" /..", "."},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_FREE char *got = wh_path_clean(cases[i][0]);

		if (strcmp(got, cases[i][1]) != 0)
			fail_msg("clean \"%s\": got \"%s\", not \"%s\"", cases[i][0], got, cases[i][1]);
	}
}

static void join(void **state)
{
	static const char *const cases[][3] = {
		{"a", "b", "a/b"},
		{"a/", "/b", "a/b"},
		{"", "b", "b"},
		{"a", "", "a"},
		{"", "", "."},
		{"/", "..", "/"},
		{"a", "../b", "b"},
		{"a", "../../b", "../b"},
		{"/a", "b/../c", "/a/c"},
		{NULL, "x/", "x"},
		{"/a/b", "..", "/a"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_FREE char *got = wh_path_join(cases[i][0], cases[i][1]);

		assert_string_equal(got, cases[i][2]);
	}
}

static void abs_in(void **state)
{
	static const char *const cases[][3] = {
		{"/", "a", "/a"},
		{"/w", "a", "/w/a"},
		{"/w", "/a", "/a"},
		{"/w", "..", "/"},
		{"/w", "../../../x", "/x"},
		{"/w", "/../x", "/x"},
		{"", "a", "/a"},
		{"w", "a", "/w/a"},
		{"/w", "", "/w"},
		{"/w/x/../y", "./z", "/w/y/z"},
		{NULL, NULL, "/"},
		{"..", "a", "/a"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_FREE char *got = wh_path_abs_in(cases[i][0], cases[i][1]);

		assert_string_equal(got, cases[i][2]);
	}
}

static void base_and_dir(void **state)
{
	static const char *const cases[][3] = {
		{"a", "a", "."},       {"/", "", "/"}, {"/a", "a", "/"},   {"a/b", "b", "a"},   {"a/", "", "a"},
		{"/a/b/", "", "/a/b"}, {"", "", "."},  {"a//b", "b", "a"}, {"../x", "x", ".."}, {"a/../b", "b", "."},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_FREE char *dir = wh_path_dir(cases[i][0]);

		assert_string_equal(wh_path_base(cases[i][0]), cases[i][1]);
		assert_string_equal(dir, cases[i][2]);
	}
}

static void order(void **state)
{
	/* In order: a directory's children come right behind it. */
	static const char *const sorted[] = {"",    "a",     "a/b", "a/b/c", "a/b\001", "a\001", "a!",
					     "a-b", "a.txt", "a0",  "ab",    "b",       "b/a",   "\xc3\xa9"};
	size_t i, j;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(sorted); i++) {
		for (j = 0; j < WH_ARRAY_SIZE(sorted); j++) {
			int c = wh_path_cmp(sorted[i], sorted[j]);

			assert_int_equal((c > 0) - (c < 0), (i > j) - (i < j));
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean),        cmocka_unit_test(join),  cmocka_unit_test(abs_in),
		cmocka_unit_test(base_and_dir), cmocka_unit_test(order),
	};

	return cmocka_run_group_tests_name("base/path", tests, NULL, NULL);
}
