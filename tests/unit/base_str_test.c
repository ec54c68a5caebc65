/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"
#include "tests/unit/test.h"

static void spans(void **state)
{
	static const struct {
		const char *in, *out;
	} trims[] = {{"", ""}, {" \t\r\n\v\f", ""}, {" a b ", "a b"}, {"a", "a"}, {"\na\n", "a"}, {"\x80 ", "\x80"}};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(trims); i++)
		assert_true(wh_str_eq(wh_str_trim(wh_str(trims[i].in)), trims[i].out));
	assert_true(wh_str_eq(WH_STR("abc"), "abc"));
	assert_false(wh_str_eq(WH_STR("abc"), "abcd"));
	assert_false(wh_str_eq(WH_STR("abc"), "ab"));
	assert_false(wh_str_eq(WH_STR("ABC"), "abc"));
	assert_true(wh_str_eq(wh_str(NULL), ""));
	assert_false(wh_str_eq(WH_STR(""), NULL));
	assert_true(wh_str_ieq(WH_STR("From"), "fROM"));
	assert_false(wh_str_ieq(WH_STR("From"), "fROMs"));
	assert_false(wh_str_ieq(WH_STR("@"), "`"));
}

static void compares(void **state)
{
	(void)state;
	assert_true(wh_streq(NULL, NULL));
	assert_false(wh_streq(NULL, ""));
	assert_false(wh_streq("", NULL));
	assert_true(wh_streq("a", "a"));
	assert_false(wh_streq("a", "b"));
	assert_true(wh_has_prefix("abc", ""));
	assert_true(wh_has_prefix("abc", "abc"));
	assert_false(wh_has_prefix("ab", "abc"));
	assert_false(wh_has_prefix(NULL, ""));
	assert_true(wh_has_suffix("abc", "bc"));
	assert_true(wh_has_suffix("abc", ""));
	assert_false(wh_has_suffix("c", "bc"));
	assert_false(wh_has_suffix("abd", "bc"));
}

static void numbers(void **state)
{
	static const struct {
		const char *s;
		unsigned base;
		bool good;
		uint64_t v;
	} cases[] = {
		{"0", 10, true, 0},
		{"007", 10, true, 7},
		{"18446744073709551615", 10, true, UINT64_MAX},
		{"18446744073709551616", 10, false, 0},
		{"99999999999999999999", 10, false, 0},
		{"", 10, false, 0},
		{" 1", 10, false, 0},
		{"1 ", 10, false, 0},
		{"+1", 10, false, 0},
		{"-1", 10, false, 0},
		{"1x", 10, false, 0},
		{"0x10", 16, false, 0},
		{"fF", 16, true, 255},
		{"755", 8, true, 0755},
		{"8", 8, false, 0},
		{"ffffffffffffffff", 16, true, UINT64_MAX},
		{"10000000000000000", 16, false, 0},
		{"z", 36, true, 35},
		{NULL, 10, false, 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		uint64_t v = 12345;

		assert_int_equal(wh_parse_u64(cases[i].s, cases[i].base, &v), cases[i].good);
		assert_true(v == (cases[i].good ? cases[i].v : 12345)); /* untouched on failure */
	}
}

/* The textbook's whole table, to hold the banded one against. */
static unsigned distance_by_table(const char *a, const char *b)
{
	unsigned d[16][16];
	size_t i, j, la = strlen(a), lb = strlen(b);

	for (i = 0; i <= la; i++)
		for (j = 0; j <= lb; j++) {
			unsigned x;

			if (!i || !j) {
				d[i][j] = (unsigned)(i + j);
				continue;
			}
			x = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			if (d[i - 1][j] + 1 < x)
				x = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < x)
				x = d[i][j - 1] + 1;
			d[i][j] = x;
		}
	return d[la][lb];
}

static void distance(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned max, want;
	} cases[] = {
		{"", "", 3, 0},
		{"", "abc", 3, 3},
		{"", "abc", 2, 3},
		{"kitten", "sitting", 9, 3},
		{"kitten", "sitting", 3, 3},
		{"kitten", "sitting", 2, 3},
		{"kitten", "sitting", 0, 1},
		{"COPY", "copy", 0, 0},
		{"COYP", "COPY", 2, 2},
		{"abc", "abc", 0, 0},
		{"abc", "xyz", UINT32_MAX, 3},
		{"flaw", "lawn", 5, 2},
	};
	static const char letters[] = "abc";
	unsigned seed = 1, round, max;
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++)
		assert_int_equal(wh_edit_distance(cases[i].a, cases[i].b, cases[i].max), cases[i].want);
	for (round = 0; round < 20000; round++) {
		char w[2][10];
		unsigned k, n, want;

		for (k = 0; k < 2; k++) {
			seed = seed * 1103515245 + 12345;
			n = (seed >> 16) % 9;
			for (i = 0; i < n; i++) {
				seed = seed * 1103515245 + 12345;
				w[k][i] = letters[(seed >> 16) % 3];
			}
			w[k][n] = '\0';
		}
		want = distance_by_table(w[0], w[1]);
		for (max = 0; max < 11; max++)
			assert_int_equal(wh_edit_distance(w[0], w[1], max), want <= max ? want : max + 1);
	}
}

static void nearest(void **state)
{
	static const char *const names[] = {"RUN", "COPY", "ENV", "ENTRYPOINT", "CMD"};
	const size_t n = WH_ARRAY_SIZE(names);

	(void)state;
	assert_string_equal(wh_nearest("COYP", names, n), "COPY");
	assert_string_equal(wh_nearest("entrypont", names, n), "ENTRYPOINT");
	assert_string_equal(wh_nearest("RUM", names, n), "RUN");
	assert_string_equal(wh_nearest("EVN", (const char *const[]){"ENVX", "EVN"}, 2), "EVN");
	assert_null(wh_nearest("RNA", names, n)); /* two edits of a short name */
	assert_string_equal(wh_nearest("rnu", names, n), "RUN");
	assert_null(wh_nearest("URNX", names, n));
	assert_null(wh_nearest("SOMETHING", names, n));
	assert_null(wh_nearest("x", names, 0));
	{ /* a name that ends where the words part; nothing behind it is read */
		WH_AUTO_FREE char *shorter = wh_strdup("debi");

		assert_string_equal(wh_nearest("debian", (const char *const[]){shorter}, 1), shorter);
		assert_null(wh_nearest("debianxx", (const char *const[]){shorter}, 1));
	}
}

static void buffer(void **state)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	WH_AUTO_FREE char *taken = NULL;
	WH_AUTO_FREE char *empty = NULL;
	size_t i;

	(void)state;
	empty = wh_buf_take(&b);
	assert_string_equal(empty, "");
	wh_buf_adds(&b, "ab");
	wh_buf_addc(&b, 'c');
	wh_buf_addstr(&b, (struct wh_str){"defgh", 2});
	wh_buf_addf(&b, "-%d-%s", 5, "x");
	assert_string_equal(b.p, "abcde-5-x");
	assert_int_equal(b.n, 9);
	wh_buf_reset(&b);
	assert_int_equal(b.n, 0);
	assert_string_equal(b.p, "");
	for (i = 0; i < 10000; i++)
		wh_buf_addf(&b, "%04zu", i);
	assert_int_equal(b.n, 40000);
	assert_memory_equal(b.p + 4 * 1234, "1234", 4);
	taken = wh_buf_take(&b);
	assert_int_equal(strlen(taken), 40000);
	assert_null(b.p);
	assert_true(wh_buf_ok(&b));
}

static void buffer_limit(void **state)
{
	WH_AUTO_BUF struct wh_buf b = {.max = 5};

	(void)state;
	wh_buf_adds(&b, "abcde");
	assert_true(wh_buf_ok(&b));
	wh_buf_addc(&b, 'f');
	assert_false(wh_buf_ok(&b));
	wh_buf_adds(&b, "");
	wh_buf_addf(&b, "%d", 1);
	assert_string_equal(b.p, "abcde");
	wh_buf_reset(&b);
	assert_true(wh_buf_ok(&b));
	wh_buf_addf(&b, "%s", "123456");
	assert_false(wh_buf_ok(&b));
	assert_int_equal(b.n, 0);
	wh_buf_release(&b);
	assert_int_equal(b.max, 5);
}

static void fields(void **state)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	(void)state;
	wh_buf_u8(&b, 0xab);
	wh_buf_u32(&b, 0x01020304);
	wh_buf_u64(&b, 0x1112131415161718);
	wh_buf_lstr(&b, "hi");
	wh_buf_lstr(&b, "");
	wh_buf_lstr(&b, NULL);
	assert_int_equal(b.n, 1 + 4 + 8 + 6 + 4 + 4);
	assert_memory_equal(b.p, "\xab\4\3\2\1\x18\x17\x16\x15\x14\x13\x12\x11\2\0\0\0hi\0\0\0\0\xff\xff\xff\xff", b.n);
}

static void lists(void **state)
{
	WH_AUTO_STRV struct wh_strv l = {0};
	WH_AUTO_STRV struct wh_strv m = {0};
	size_t i;

	(void)state;
	for (i = 0; i < 50; i++) {
		wh_strv_addf(&l, "%02zu", 49 - i);
		assert_null(l.v[l.n]);
	}
	wh_strv_take(&l, wh_strdup("\xc3\xa9"));
	wh_strv_add(&l, "Z");
	wh_strv_sort(&l);
	assert_string_equal(l.v[0], "00");
	assert_string_equal(l.v[49], "49");
	assert_string_equal(l.v[50], "Z");
	assert_string_equal(l.v[51], "\xc3\xa9");
	assert_true(wh_strv_has(&l, "17"));
	assert_false(wh_strv_has(&l, "77"));
	wh_strv_copy(&m, &l);
	wh_strv_copy(&m, &m);
	assert_int_equal(m.n, 104);
	assert_string_equal(m.v[103], "\xc3\xa9");
	assert_null(m.v[104]);
}

static void environment(void **state)
{
	WH_AUTO_STRV struct wh_strv env = {0};

	(void)state;
	wh_env_set(&env, "PATH", "/bin");
	wh_env_set(&env, "PATHS", "x");
	wh_env_set(&env, "E", "");
	wh_env_set(&env, "PATH", "/a=b");
	assert_int_equal(env.n, 3);
	assert_string_equal(env.v[0], "PATH=/a=b");
	assert_string_equal(wh_env_get(&env, "PATH"), "/a=b");
	assert_string_equal(wh_env_get(&env, "E"), "");
	assert_null(wh_env_get(&env, "PAT"));
	assert_null(wh_env_get(&env, "x"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(spans),       cmocka_unit_test(compares),     cmocka_unit_test(numbers),
		cmocka_unit_test(distance),    cmocka_unit_test(nearest),      cmocka_unit_test(buffer),
		cmocka_unit_test(fields),      cmocka_unit_test(buffer_limit), cmocka_unit_test(lists),
		cmocka_unit_test(environment),
	};

	return cmocka_run_group_tests_name("base/str", tests, NULL, NULL);
}
