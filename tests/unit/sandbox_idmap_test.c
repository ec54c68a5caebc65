/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/idmap.h"
#include "tests/unit/test.h"

static char *text_of(const struct wh_id_map *m)
{
	struct wh_buf b = WH_BUF_INIT;

	for (size_t i = 0; i < m->n; i++)
		wh_buf_addf(&b, "%u %u %u;", m->v[i].inside, m->v[i].outside, m->v[i].count);
	return wh_buf_take(&b);
}

static void subid(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"", "0 1000 1;"},
		{"joe:100000:65536\n", "0 1000 1;1 100000 65535;"},
		{"joe:100000:65536", "0 1000 1;1 100000 65535;"},
		{"1000:100000:65536\n", "0 1000 1;1 100000 65535;"},
		{"ann:100000:65536\njoe:165536:65536\n", "0 1000 1;1 165536 65535;"},
		{"joe:100000:10\njoe:200000:20\n", "0 1000 1;1 100000 10;11 200000 20;"},
		{"joe:100000:10\n1000:200000:20\n", "0 1000 1;1 100000 10;11 200000 20;"},
		{"joe:100000:60000\njoe:200000:60000\n", "0 1000 1;1 100000 60000;60001 200000 5535;"},
		{"# joe:1:1\n\n  joe:100000:5  \n", "0 1000 1;1 100000 5;"},
		/* malformed, empty, beyond the last id, one that is mapped already: passed over */
		{"joe:100000\njoe:x:5\njoe:5:y\njoe:1:2:3\njoe:300000:0\njoe::\n", "0 1000 1;"},
		{"joe:4294967290:100\n", "0 1000 1;"},
		{"joe:900:200\njoe:2000:5\njoe:2004:5\n", "0 1000 1;1 2000 5;"},
		{"joey:100000:5\njo:100000:5\n10000:100000:5\n", "0 1000 1;"},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_ID_MAP struct wh_id_map m = {0};
		WH_AUTO_FREE char *got = NULL;

		wh_id_map_from_subid(wh_str(cases[i].text), "joe", 1000, 1000, &m);
		got = text_of(&m);
		assert_string_equal(got, cases[i].want);
		assert_true(wh_id_map_total(&m) <= WH_ID_WANTED);
	}
}

static void identity(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"         0          0 4294967295\n", "0 0 65536;"},
		{"         0       1000          1\n         1     100000      65535\n", "0 0 1;1 1 65535;"},
		{"0 1000 1\n1 100000 65536\n", "0 0 1;1 1 65535;"},
		{"0 100000 1000\n", "0 0 1000;"},
		{"0 5 10\n70000 9 10\n", "0 0 10;"},
		{"garbage\n0 5\n", ""},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_ID_MAP struct wh_id_map m = {0};
		WH_AUTO_FREE char *got = NULL;

		wh_id_map_identity(wh_str(cases[i].text), &m);
		got = text_of(&m);
		assert_string_equal(got, cases[i].want);
	}
}

static void first_free(void **state)
{
	(void)state;
	assert_int_equal(wh_subid_first_free(wh_str("")), 100000);
	assert_int_equal(wh_subid_first_free(wh_str("a:5:5\n")), 100000);
	assert_int_equal(wh_subid_first_free(wh_str("a:165536:65536\nb:100000:65536\nx\n")), 231072);
	assert_int_equal(wh_subid_first_free(wh_str("a:4294967000:65536\n")), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(subid),
		cmocka_unit_test(identity),
		cmocka_unit_test(first_free),
	};

	return cmocka_run_group_tests_name("sandbox/idmap", tests, NULL, NULL);
}
