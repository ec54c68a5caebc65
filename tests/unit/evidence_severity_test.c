/* SPDX-License-Identifier: Apache-2.0 */
/* Words, vectors and the order in which they count. */
#include "evidence/vulndb_private.h"
#include "tests/unit/test.h"

static void test_words(void **state)
{
	static const struct {
		const char *word;
		enum wh_severity want;
	} cases[] = {
		{"unimportant", WH_SEV_NEGLIGIBLE},
		{"LOW", WH_SEV_LOW},
		{"low**", WH_SEV_LOW},
		{"MODERATE", WH_SEV_MEDIUM},
		{"Medium", WH_SEV_MEDIUM},
		{"high", WH_SEV_HIGH},
		{"CRITICAL", WH_SEV_CRITICAL},
		{"UNKNOWN", WH_SEV_UNKNOWN},
		{"not yet assigned", WH_SEV_UNKNOWN},
		{"end-of-life", WH_SEV_UNKNOWN},
		{"", WH_SEV_UNKNOWN},
		{"***", WH_SEV_UNKNOWN},
		{NULL, WH_SEV_UNKNOWN},
		{"lowly", WH_SEV_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++)
		if (wh_severity_of_word(cases[i].word) != cases[i].want)
			fail_msg("%s", cases[i].word);
	for (int s = 0; s < WH_N_SEVERITIES; s++)
		assert_int_equal(wh_severity_of_word(wh_severity_name((enum wh_severity)s)), s);
}

/* Scores as published by the national database for vulnerabilities that everybody knows, and the corners. */
static void test_scores(void **state)
{
	static const struct {
		const char *vector;
		unsigned tenths;
		enum wh_severity band;
	} cases[] = {
		{"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 100, WH_SEV_CRITICAL}, /* CVE-2021-44228 */
		{"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", 98, WH_SEV_CRITICAL},
		{"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N", 75, WH_SEV_HIGH}, /* CVE-2014-0160 */
		{"CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 78, WH_SEV_HIGH}, /* CVE-2021-3156 */
		{"CVSS:3.0/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:L/A:N", 42, WH_SEV_MEDIUM},
		{"CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 61, WH_SEV_MEDIUM},
		{"CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:L/I:N/A:N", 37, WH_SEV_LOW},
		{"CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N", 16, WH_SEV_LOW},
		{"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", 0, WH_SEV_NEGLIGIBLE},
		{"CVSS:3.1/A:H/I:H/C:H/S:C/UI:N/PR:H/AC:L/AV:N", 91, WH_SEV_CRITICAL}, /* any order */
		{"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:U/RL:O/RC:C/MAV:P", 98,
		 WH_SEV_CRITICAL}, /* base alone */
		{"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H", 100, WH_SEV_CRITICAL},
		{"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 93, WH_SEV_CRITICAL},
		{"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N/E:A", 0, WH_SEV_NEGLIGIBLE},
		{"CVSS:4.0/AV:A/AC:L/AT:N/PR:H/UI:N/VC:L/VI:H/VA:N/SC:N/SI:N/SA:H", 82, WH_SEV_HIGH},
		{"CVSS:4.0/AV:A/AC:H/AT:N/PR:N/UI:N/VC:L/VI:L/VA:N/SC:L/SI:H/SA:H", 56, WH_SEV_MEDIUM},
		{"CVSS:4.0/AV:N/AC:H/AT:N/PR:N/UI:N/VC:L/VI:L/VA:N/SC:N/SI:L/SA:L", 63, WH_SEV_MEDIUM},
		{"CVSS:4.0/AV:P/AC:H/AT:N/PR:L/UI:N/VC:N/VI:H/VA:H/SC:H/SI:L/SA:L", 59, WH_SEV_MEDIUM},
		{"CVSS:4.0/AV:A/AC:H/AT:P/PR:H/UI:A/VC:H/VI:L/VA:N/SC:N/SI:H/SA:H", 58, WH_SEV_MEDIUM},
		{"CVSS:4.0/AV:L/AC:L/AT:P/PR:L/UI:A/VC:H/VI:H/VA:N/SC:N/SI:H/SA:L", 68, WH_SEV_MEDIUM},
		{"CVSS:4.0/AV:N/AC:H/AT:P/PR:N/UI:N/VC:N/VI:L/VA:N/SC:H/SI:N/SA:N", 69, WH_SEV_MEDIUM},
		{"CVSS:4.0/AV:N/AC:L/AT:P/PR:H/UI:P/VC:H/VI:L/VA:N/SC:L/SI:H/SA:L", 70, WH_SEV_HIGH},
		{"CVSS:4.0/AV:N/AC:L/AT:P/PR:N/UI:A/VC:N/VI:N/VA:L/SC:N/SI:N/SA:H", 46, WH_SEV_MEDIUM},
		{"CVSS:4.0/AV:N/AC:L/AT:N/PR:L/UI:N/VC:L/VI:N/VA:H/SC:H/SI:L/SA:N", 84, WH_SEV_HIGH},
		{"CVSS:4.0/AV:L/AC:L/AT:N/PR:N/UI:N/VC:H/VI:L/VA:N/SC:L/SI:L/SA:N", 70, WH_SEV_HIGH},
		{"CVSS:4.0/AV:L/AC:H/AT:N/PR:H/UI:A/VC:N/VI:L/VA:H/SC:H/SI:H/SA:N", 58, WH_SEV_MEDIUM},
		{"CVSS:4.0/AV:A/AC:L/AT:P/PR:H/UI:P/VC:H/VI:H/VA:H/SC:N/SI:L/SA:H", 69, WH_SEV_MEDIUM},
		{"CVSS:4.0/AV:P/AC:H/AT:P/PR:H/UI:A/VC:N/VI:N/VA:H/SC:N/SI:L/SA:H", 57, WH_SEV_MEDIUM},
		{"AV:N/AC:L/Au:N/C:C/I:C/A:C", 100, WH_SEV_HIGH},
		{"AV:N/AC:M/Au:N/C:N/I:P/A:N", 43, WH_SEV_MEDIUM},
		{"AV:L/AC:H/Au:M/C:N/I:N/A:P", 8, WH_SEV_LOW},
		{"AV:N/AC:L/Au:N/C:N/I:N/A:N", 0, WH_SEV_LOW},
	};
	unsigned tenths, version;

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		if (!wh_cvss_score(cases[i].vector, &tenths, &version))
			fail_msg("%s is no vector", cases[i].vector);
		if (tenths != cases[i].tenths || wh_cvss_severity(cases[i].vector) != cases[i].band)
			fail_msg("%s: %u, %s", cases[i].vector, tenths,
				 wh_severity_name(wh_cvss_severity(cases[i].vector)));
	}
}

static void test_no_vectors(void **state)
{
	static const char *const cases[] = {
		"",
		"7.5",
		"CVSS:3.1/",
		"CVSS:3.1",
		"CVSS:3.2/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H",
		"CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
		"CVSS:3.1/AV:/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
		"CVSS:3.1/AV:N/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
		"CVSS:3.1/AV:NN/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
		"AV:N/AC:L/Au:N/C:C/I:C",
		"CVSS:3.1/////",
		"AV:",
		"CVSS:3.1/AV",
		"CVSS:4.0/AV:N",
	};
	unsigned tenths, version;

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++)
		if (wh_cvss_score(cases[i], &tenths, &version))
			fail_msg("\"%s\" is a vector", cases[i]);
}

static json_t *parse(const char *text)
{
	json_t *j = NULL;

	if (*text && wh_json_parse(text, strlen(text), text, &j, NULL) < 0)
		fail_msg("%s", text);
	return j;
}

#define V31_HIGH "{\"type\":\"CVSS_V3\",\"score\":\"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N\"}"
#define V30_LOW "{\"type\":\"CVSS_V3\",\"score\":\"CVSS:3.0/AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N\"}"
#define V2_MEDIUM "{\"type\":\"CVSS_V2\",\"score\":\"AV:N/AC:M/Au:N/C:N/I:P/A:N\"}"

static void test_order(void **state)
{
	static const struct {
		const char *record, *affected;
		enum wh_severity want;
	} cases[] = {
		{"{}", "{}", WH_SEV_UNKNOWN},
		{"{\"severity\":[" V31_HIGH "]}", "{}", WH_SEV_HIGH},
		{"{\"severity\":[" V2_MEDIUM "," V31_HIGH "]}", "{}", WH_SEV_HIGH},
		{"{\"severity\":[" V31_HIGH "," V2_MEDIUM "]}", "{}", WH_SEV_HIGH},
		{"{\"severity\":[" V30_LOW "," V31_HIGH "]}", "{}", WH_SEV_HIGH},
		{"{\"severity\":[" V2_MEDIUM "]}", "{}", WH_SEV_MEDIUM},
		{"{\"severity\":[" V31_HIGH "]}", "{\"severity\":[" V30_LOW "]}", WH_SEV_LOW},
		{"{\"severity\":[" V31_HIGH "]}", "{\"ecosystem_specific\":{\"urgency\":\"unimportant\"}}",
		 WH_SEV_NEGLIGIBLE},
		{"{\"severity\":[" V31_HIGH "]}", "{\"ecosystem_specific\":{\"urgency\":\"low\"}}", WH_SEV_LOW},
		{"{\"severity\":[" V31_HIGH "]}", "{\"ecosystem_specific\":{\"urgency\":\"medium\"}}", WH_SEV_HIGH},
		{"{\"severity\":[" V31_HIGH "]}", "{\"ecosystem_specific\":{\"urgency\":\"not yet assigned\"}}",
		 WH_SEV_HIGH},
		{"{}", "{\"ecosystem_specific\":{\"urgency\":\"medium**\"}}", WH_SEV_MEDIUM},
		{"{\"severity\":[" V31_HIGH "]}",
		 "{\"ecosystem_specific\":{\"severity\":\"LOW\",\"urgency\":\"high\"}}", WH_SEV_LOW},
		{"{\"severity\":[" V31_HIGH "]}", "{\"ecosystem_specific\":{\"severity\":\"UNKNOWN\"}}", WH_SEV_HIGH},
		{"{\"severity\":[" V31_HIGH "],\"database_specific\":{\"severity\":\"MODERATE\"}}", "{}",
		 WH_SEV_MEDIUM},
		{"{\"severity\":[{\"type\":\"Ubuntu\",\"score\":\"negligible\"}," V31_HIGH "]}", "{}",
		 WH_SEV_NEGLIGIBLE},
		{"{\"severity\":[{\"type\":\"CVSS_V3\",\"score\":\"high\"}]}", "{}", WH_SEV_UNKNOWN},
		{"{\"severity\":\"high\",\"database_specific\":[]}", "{\"severity\":7,\"ecosystem_specific\":null}",
		 WH_SEV_UNKNOWN},
		{"{\"severity\":[7,{},{\"type\":1},{\"type\":\"CVSS_V3\"}]}", "{\"severity\":null}", WH_SEV_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_JSON json_t *record = parse(cases[i].record);
		WH_AUTO_JSON json_t *affected = parse(cases[i].affected);
		enum wh_severity got = wh_severity_of_osv(record, affected);

		if (got != cases[i].want)
			fail_msg("%s %s: %s", cases[i].record, cases[i].affected, wh_severity_name(got));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_scores),
		cmocka_unit_test(test_no_vectors),
		cmocka_unit_test(test_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
