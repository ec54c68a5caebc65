/* SPDX-License-Identifier: Apache-2.0 */
/* The verdict: which figures it has, and above all which it has not. */
#include "evidence/evidence.h"
#include "tests/unit/test.h"

static json_t *parse(const char *text)
{
	struct wh_err *err = NULL;
	json_t *j = NULL;

	if (wh_json_parse(text, strlen(text), "test", &j, &err) < 0)
		fail_msg("%s", err->msg);
	return j;
}

static struct wh_findings findings(uint64_t critical, uint64_t high, uint64_t unknown, char *date)
{
	struct wh_findings f = {.assessed = true, .total = critical + high + unknown, .database_date = date};

	f.count[WH_SEV_CRITICAL] = critical;
	f.count[WH_SEV_HIGH] = high;
	f.count[WH_SEV_UNKNOWN] = unknown;
	wh_digest_of("db", 2, &f.database);
	return f;
}

static json_t *make(const struct wh_verdict_input *in)
{
	struct wh_err *err = NULL;
	json_t *j = NULL;

	if (wh_verdict_make(in, &j, &err) < 0)
		fail_msg("%s", err ? err->msg : "?");
	return j;
}

static int64_t at(const json_t *j, const char *object, const char *key)
{
	return wh_json_int(object ? json_object_get(j, object) : j, key, -99);
}

static const char profiles_text[] =
	"[{\"document\":{\"used\":[{\"path\":\"a\"},{\"path\":\"b\"}]},\"before\":[{\"seconds\":2,\"driver\":{\"status\":0}},{\"seconds\":3}],"
	"\"after\":[{\"seconds\":9,\"driver\":{\"status\":0},\"health\":{\"status\":0}},{\"driver\":{\"status\":0}}]},"
	"{\"document\":{\"used\":[{\"path\":\"b\"},{\"path\":\"c\"}]},\"before\":[{\"seconds\":0.9}],"
	"\"after\":[{\"driver\":{\"status\":1},\"health\":{\"status\":1}},{}]}]";
static const char report_text[] =
	"{\"schema\":1,\"kept\":[{},{},{}],\"removed\":40,\"repaired\":[\"x\"],\"setid_stripped\":[],\"shells_removed\":[\"bin/sh\",\"bin/dash\"]}";

static void test_all(void **state)
{
	WH_AUTO_FREE char *date = wh_strdup("2026-01-02T00:00:00Z");
	WH_AUTO_JSON json_t *profiles = parse(profiles_text);
	WH_AUTO_JSON json_t *report = parse(report_text);
	WH_AUTO_JSON json_t *config = parse("{\"User\":\"1\"}");
	struct wh_measure before = {.bytes = 1000, .shells = 3, .setid = 4}, after = {.bytes = 100};
	struct wh_findings fb = findings(3, 4, 20, date), fa = findings(0, 1, 3, date);
	struct wh_verdict_input in = {.before = &before,
				      .after = &after,
				      .findings_before = &fb,
				      .findings_after = &fa,
				      .profiles = profiles,
				      .prune_report = report,
				      .config = config};
	WH_AUTO_JSON json_t *j = NULL;
	WH_AUTO_JSON json_t *again = NULL;
	WH_AUTO_BUF struct wh_buf one = WH_BUF_INIT, two = WH_BUF_INIT;
	char text[WH_DIGEST_TEXT];
	struct wh_digest d;

	(void)state;
	wh_digest_of("tree", 4, &in.tree_before);
	fb.packages_unassessed = 2;
	j = make(&in);
	assert_true(json_is_true(json_object_get(j, "assessed")));
	assert_null(json_object_get(j, "notAssessed"));
	assert_int_equal(at(j, "before", "critical"), 3);
	assert_int_equal(at(j, "before", "medium"), 0);
	assert_int_equal(at(j, "before", "total"), 27);
	assert_int_equal(at(j, "after", "high"), 1);
	assert_int_equal(at(j, "after", "total"), 4);
	assert_int_equal(at(j, "reductionPercent", "total"), 85);        /* 85.18… */
	assert_int_equal(at(j, "reductionPercent", "criticalHigh"), 85); /* 85.7 */
	assert_int_equal(at(j, "packagesUnassessed", "before"), 2);
	assert_string_equal(wh_json_str(json_object_get(j, "database"), "digest"), wh_digest_text(&fb.database, text));
	assert_string_equal(wh_json_str(json_object_get(j, "database"), "date"), date);
	assert_int_equal(at(json_object_get(j, "sizes"), "before", "bytes"), 1000);
	assert_int_equal(at(json_object_get(j, "sizes"), "after", "bytes"), 100);
	assert_true(json_is_false(json_object_get(j, "shellPresent")));
	assert_int_equal(at(j, NULL, "setid"), 0);
	assert_int_equal(at(j, "profiling", "durationSeconds"), 5);
	assert_int_equal(at(j, "profiling", "workloads"), 2);
	assert_int_equal(at(j, "profiling", "filesObserved"), 3);
	assert_int_equal(at(j, "profiling", "runs"), 3);
	assert_int_equal(at(j, "tests", "passed"), 3);
	assert_int_equal(at(j, "tests", "failed"), 3); /* a run that says nothing of its driver has not passed */
	assert_int_equal(at(j, "pruned", "kept"), 3);
	assert_int_equal(at(j, "pruned", "removed"), 40);
	assert_int_equal(at(j, "pruned", "shellsRemoved"), 2);
	wh_digest_of("{\"User\":\"1\"}", 12, &d);
	assert_string_equal(wh_json_str(j, "configDigest"), wh_digest_text(&d, text));
	assert_string_equal(wh_json_str(j, "treeBefore"), wh_digest_text(&in.tree_before, text));
	assert_null(json_object_get(j, "gate")); /* nobody asked one */
	again = make(&in);
	wh_json_dump(j, &one);
	wh_json_dump(again, &two);
	assert_string_equal(one.p, two.p);
}

/* Figures that nobody made are not there. */
static void test_not_assessed(void **state)
{
	struct wh_measure after = {.shells = 1, .setid = 7};
	struct wh_findings fb = findings(1, 1, 1, NULL),
			   none = {.why = wh_strdup("there is no vulnerability database")};
	struct wh_verdict_input in = {.after = &after, .findings_before = &none, .findings_after = &none};
	json_t *j = make(&in);
	char text[WH_DIGEST_TEXT];
	struct wh_digest d;

	(void)state;
	assert_true(json_is_false(json_object_get(j, "assessed")));
	assert_string_equal(wh_json_str(j, "notAssessed"), "there is no vulnerability database");
	assert_null(json_object_get(j, "before"));
	assert_null(json_object_get(j, "after"));
	assert_null(json_object_get(j, "reductionPercent"));
	assert_null(json_object_get(j, "database"));
	assert_null(json_object_get(j, "pruned"));
	wh_digest_of("", 0, &d);
	assert_string_equal(wh_json_str(j, "configDigest"), wh_digest_text(&d, text)); /* an image without a config */
	assert_null(json_object_get(j, "treeBefore"));
	assert_null(json_object_get(json_object_get(j, "sizes"), "before"));
	assert_true(json_is_true(json_object_get(j, "shellPresent")));
	assert_int_equal(at(j, NULL, "setid"), 7);
	assert_int_equal(at(j, "tests", "passed"), 0);
	json_decref(j);

	in.findings_before = &fb;
	j = make(&in);
	assert_true(json_is_false(json_object_get(j, "assessed")));
	assert_int_equal(at(j, "before", "total"), 3);
	assert_null(json_object_get(j, "after"));
	assert_null(json_object_get(j, "reductionPercent"));
	json_decref(j);

	in.findings_after = NULL;
	j = make(&in);
	assert_true(json_is_false(json_object_get(j, "assessed")));
	assert_non_null(wh_json_str(j, "notAssessed"));
	json_decref(j);
	wh_findings_release(&none);
}

static void test_reduction(void **state)
{
	static const struct {
		uint64_t high_before, high_after, rest_before, rest_after;
		int64_t total, bad; /* -99: absent */
	} cases[] = {
		{0, 0, 0, 0, -99, -99}, {0, 0, 3, 3, 0, -99},    {0, 0, 3, 0, 100, -99}, {3, 1, 0, 0, 66, 66},
		{3, 4, 0, 0, -34, -34}, {1000, 1, 0, 0, 99, 99}, {0, 1, 2, 1, 0, -99},   {2, 2, 2, 0, 50, 0},
	};
	struct wh_measure after = {0};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		struct wh_findings b = findings(0, cases[i].high_before, cases[i].rest_before, NULL),
				   a = findings(0, cases[i].high_after, cases[i].rest_after, NULL);
		struct wh_verdict_input in = {.after = &after, .findings_before = &b, .findings_after = &a};
		WH_AUTO_JSON json_t *j = make(&in);

		assert_int_equal(at(j, "reductionPercent", "total"), cases[i].total);
		assert_int_equal(at(j, "reductionPercent", "criticalHigh"), cases[i].bad);
	}
}

static void test_two_databases(void **state)
{
	struct wh_findings b = findings(1, 0, 0, NULL), a = findings(0, 0, 0, NULL);
	struct wh_measure after = {0};
	struct wh_verdict_input in = {.after = &after, .findings_before = &b, .findings_after = &a};
	WH_AUTO_ERR struct wh_err *err = NULL;
	json_t *j = NULL;

	(void)state;
	wh_digest_of("other", 5, &a.database);
	assert_true(wh_verdict_make(&in, &j, &err) < 0);
	assert_non_null(strstr(err->msg, "two states of the vulnerability database"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all),
		cmocka_unit_test(test_not_assessed),
		cmocka_unit_test(test_reduction),
		cmocka_unit_test(test_two_databases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
