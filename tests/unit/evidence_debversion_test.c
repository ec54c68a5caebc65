/* SPDX-License-Identifier: Apache-2.0 */
/* Orders of versions: dpkg's, PEP 440, semver. Each line is in order; equals are joined by "=". */
#include "evidence/vulndb_private.h"
#include "tests/unit/test.h"

static int sign(int d)
{
	return (d > 0) - (d < 0);
}

static void expect(enum wh_version_scheme s, const char *a, const char *b, int want)
{
	int got = 9;

	if (!wh_version_cmp(s, a, b, &got) || sign(got) != want)
		fail_msg("\"%s\" and \"%s\": %d, not %d", a, b, got, want);
}

static void ladder(enum wh_version_scheme s, const char *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n; k++)
			expect(s, v[i], v[k], sign((int)i - (int)k));
}

static void test_deb_order(void **state)
{
	static const char *const one[] = {"~~", "~~a", "~",   "",      "a", "b",  "ba",  "z",
					  "+",  "-",   "1~~", "1~rc1", "1", "1a", "1+b", "1.0~"};
	static const char *const two[] = {
		"0.9",   "1.0~rc1-1", "1.0-1~bpo12+1", "1.0-1",      "1.0-1+b1", "1.0-1+deb12u1", "1.0-1.1",
		"1.0-2", "1.0-10",    "1.0a-1",        "1.0+dfsg-1", "1.0.1-1",  "1.1",           "1.10",
		"2",     "10",        "1:0.1",         "1:1",        "2:0",      "10:0"};

	(void)state;
	ladder(WH_SCHEME_DEB, one, 4);
	ladder(WH_SCHEME_DEB, two, WH_ARRAY_SIZE(two));
	ladder(WH_SCHEME_DEB, one + 10, 5);
}

static void test_deb_equal(void **state)
{
	static const struct {
		const char *a, *b;
	} cases[] = {
		{"1", "1"},    {"0:1", "1"},  {"1-0", "1"},    {"1.0", "1.00"},        {"00", "0"},
		{"", "0"},     {"1-", "1-0"}, {"1.", "1.0"},   {"01:1", "1:1"},        {" 1 ", "1"},
		{"1a0", "1a"}, {"1:", "1:0"}, {"1-00", "1-0"}, {"000:1.2-3", "1.2-3"},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		expect(WH_SCHEME_DEB, cases[i].a, cases[i].b, 0);
		expect(WH_SCHEME_DEB, cases[i].b, cases[i].a, 0);
	}
}

/* What is no version still has a place, and the order stays one. */
static void test_deb_any_text(void **state)
{
	static const char *const v[] = {"",
					":",
					"-",
					"a:1",
					"1:2:3",
					"--",
					"\xff\xfe",
					"99999999999999999999999999:1",
					"~",
					"1~",
					"x y",
					"0000000000000000000000000000001",
					"18446744073709551616",
					"1-2-3",
					"é",
					"1:-"};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(v); i++)
		for (size_t k = 0; k < WH_ARRAY_SIZE(v); k++)
			assert_int_equal(sign(wh_deb_version_cmp(v[i], v[k])), -sign(wh_deb_version_cmp(v[k], v[i])));
	assert_true(wh_deb_version_cmp("99999999999999999999999999:1", "18446744073709551616:1") > 0);
}

static void test_pep440(void **state)
{
	static const char *const v[] = {"1.0.dev456",    "1.0a1",         "1.0a2.dev456", "1.0a12.dev456",
					"1.0a12",        "1.0b1.dev456",  "1.0b2",        "1.0b2.post345.dev456",
					"1.0b2.post345", "1.0rc1.dev456", "1.0rc1",       "1.0",
					"1.0+abc.5",     "1.0+abc.7",     "1.0+5",        "1.0.post456.dev34",
					"1.0.post456",   "1.0.15",        "1.1.dev1",     "2013.10",
					"1!0.5",         "1!1.0"};
	static const char *const equal[][2] = {{"1.0", "1"},
					       {"v1.0", "1.0.0"},
					       {"1.0-alpha.1", "1.0a1"},
					       {"1.0c1", "1.0rc1"},
					       {"1.0-1", "1.0.post1"},
					       {"1.0_R2", "1.0.post2"},
					       {"1.0a", "1.0a0"},
					       {"1.0.DEV", "1.0.dev0"},
					       {"1.0+Ubuntu-1", "1.0+ubuntu.1"},
					       {"1.0preview3", "1.0rc3"}};
	static const char *const bad[] = {"",     "x",     "1.0x",         "1.0+", "1.0+a..b",
					  "1..0", "1.0 1", "french toast", "1.0-", "!1"};
	int d;

	(void)state;
	ladder(WH_SCHEME_PEP440, v, WH_ARRAY_SIZE(v));
	for (size_t i = 0; i < WH_ARRAY_SIZE(equal); i++)
		expect(WH_SCHEME_PEP440, equal[i][0], equal[i][1], 0);
	for (size_t i = 0; i < WH_ARRAY_SIZE(bad); i++)
		if (wh_version_cmp(WH_SCHEME_PEP440, bad[i], "1", &d))
			fail_msg("\"%s\" is a version", bad[i]);
}

static void test_semver(void **state)
{
	static const char *const v[] = {"0.0.0-0",
					"0.0.0",
					"0.9.9",
					"1.0.0-1",
					"1.0.0-alpha",
					"1.0.0-alpha.1",
					"1.0.0-alpha.beta",
					"1.0.0-beta",
					"1.0.0-beta.2",
					"1.0.0-beta.11",
					"1.0.0-rc.1",
					"1.0.0",
					"1.2.3-4",
					"1.2.3",
					"1.10.0",
					"2.0.0",
					"99999999999999999999.0.0"};
	static const char *const bad[] = {"",       "a",          "1.",     "1.2.",   "1.2.3.4",
					  "1.2.3-", "1.2.3-a..b", "1.2.3+", "1.2.3 ", "1.2.3-é"};
	int d;

	(void)state;
	ladder(WH_SCHEME_SEMVER, v, WH_ARRAY_SIZE(v));
	expect(WH_SCHEME_SEMVER, "1.0.0+a", "1.0.0+b", 0);
	expect(WH_SCHEME_SEMVER, "1.2", "1.2.0", 0);
	expect(WH_SCHEME_SEMVER, "v1.2.3", "1.2.3", 0);
	for (size_t i = 0; i < WH_ARRAY_SIZE(bad); i++)
		if (wh_version_cmp(WH_SCHEME_SEMVER, bad[i], "1.0.0", &d))
			fail_msg("\"%s\" is a version", bad[i]);
}

static void test_ecosystems(void **state)
{
	static const struct {
		const char *ecosystem, *name, *want;
		enum wh_version_scheme scheme;
	} cases[] = {
		{"Debian", "A_b", "A_b", WH_SCHEME_DEB},
		{"Debian:12", "x", "x", WH_SCHEME_DEB},
		{"Debianish", "x", "x", WH_SCHEME_NONE},
		{"Ubuntu:22.04:LTS", "x", "x", WH_SCHEME_DEB},
		{"PyPI", "Foo__Bar.-baz", "foo-bar-baz", WH_SCHEME_PEP440},
		{"npm", "@a/B_c", "@a/B_c", WH_SCHEME_SEMVER},
		{"Go", "x", "x", WH_SCHEME_NONE},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_FREE char *name = wh_ecosystem_name(cases[i].ecosystem, cases[i].name);

		assert_string_equal(name, cases[i].want);
		assert_int_equal(wh_version_scheme_of(cases[i].ecosystem), cases[i].scheme);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_deb_order), cmocka_unit_test(test_deb_equal), cmocka_unit_test(test_deb_any_text),
		cmocka_unit_test(test_pep440),    cmocka_unit_test(test_semver),    cmocka_unit_test(test_ecosystems),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
