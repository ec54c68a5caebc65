/* SPDX-License-Identifier: Apache-2.0 */
/* Figures worked out by hand. */
#include "tests/unit/harden_helper.h"

/* Two packages of code would be rules' business; these files are nobody's but the tests'. */
static const char *const specs[] = {"d etc 755\nf etc/a 644 x\nf etc/b 644 x\nf etc/c 644 x\nf etc/common 644 x\nl etc/l a\nd usr 755\nd usr/bin 755\n"
				    "f usr/bin/app 755 x\nd var 755\nd var/own 755\n",
				    NULL};

struct given {
	const char *const *logs; /* one a profile */
	struct wh_prune_opts opts;
};

static json_t *risk_of(struct wh_tree *t, const struct given *in)
{
	json_t *profiles[4] = {NULL}, *risk = NULL;
	struct wh_prune_opts o = in->opts;
	struct wh_err *err = NULL;
	size_t n = 0;

	for (; in->logs[n]; n++)
		profiles[n] = profile_of(t, in->logs[n]);
	o.profiles = (const json_t *const *)profiles;
	o.n_profiles = n;
	assert_ok(wh_risk_estimate(t, &o, &risk, &err), err);
	while (n--)
		json_decref(profiles[n]);
	return risk;
}

#define APP "P 1 0 /usr/bin/app -\nA x 1 /usr/bin/app\nA r 1 /etc/common\nM serve\n"
#define TEST(name) "M test\\x20" name "\n"

static json_int_t figure(const json_t *risk, const char *key)
{
	return wh_json_int(risk, key, -1);
}

static void test_leave_one_out(void **state)
{
	/* a is used by two, b by "two" alone, c by nobody; "four" makes a file where nobody else does. */
	static const char *const logs[] = {APP TEST("one") "A r 1 /etc/a\n" TEST("two") "A r 1 /etc/a\nA r 1 /etc/b\n" TEST(
						   "three") "A r 1 /etc/common\n" TEST("four") "N c 1 /var/own/x\nA w 1 /var/own/x\n",
					   NULL};
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	{
		WH_AUTO_JSON json_t *risk = risk_of(g.tree, &(struct given){.logs = logs});
		const json_t *first = json_array_get(json_object_get(risk, "would_break"), 0),
			     *second = json_array_get(json_object_get(risk, "would_break"), 1),
			     *unseen = json_object_get(risk, "unseen_files");

		assert_int_equal(figure(risk, "tests"), 4);
		assert_true(json_is_true(json_object_get(risk, "measurable")));
		assert_int_equal(figure(risk, "broken"), 2);
		assert_int_equal(figure(risk, "risk"), 5000);
		/* P(at most 2 of 4) = 0.05 at p = 0.9024 */
		assert_int_equal(figure(risk, "bound"), 9024);
		assert_string_equal(wh_json_str(first, "test"), "two");
		assert_string_equal(wh_json_str(first, "path"), "etc/b");
		assert_string_equal(wh_json_str(second, "test"), "four");
		assert_string_equal(wh_json_str(second, "path"), "var/own/x");
		/* one: a; two: a, b; three: common. */
		assert_int_equal(figure(unseen, "uses"), 4);
		assert_int_equal(figure(unseen, "once"), 1);
		assert_int_equal(figure(unseen, "estimate"), 2500);
		assert_int_equal(figure(unseen, "bound"), 10000);
	}
	grove_close(&g);
}

static void test_rules_save(void **state)
{
	/* What one test alone saw is kept by a rule, or by another's use of the link to it. */
	static const char *const logs[] = {APP TEST("one") "A r 1 /etc/a\nA k 1 /etc/l\n" TEST("two") "A r 1 /etc/b\n", NULL};
	static const char *const keep[] = {"/etc/*", NULL};
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	{
		WH_AUTO_JSON json_t *bare = risk_of(g.tree, &(struct given){.logs = logs});
		WH_AUTO_JSON json_t *kept = risk_of(g.tree, &(struct given){.logs = logs, .opts = {.keep = keep}});

		assert_int_equal(figure(bare, "broken"), 2);
		assert_int_equal(figure(bare, "risk"), 10000);
		assert_int_equal(figure(bare, "bound"), 10000);
		assert_int_equal(figure(kept, "broken"), 0);
		assert_int_equal(figure(kept, "with_own_paths"), 2);
		/* Two tests cannot tell less than a half; 1 - 0.05^(1/2) = 0.7764 */
		assert_int_equal(figure(kept, "risk"), 5000);
		assert_int_equal(figure(kept, "bound"), 7764);
		assert_int_equal(figure(json_object_get(kept, "unseen_files"), "outside_rules"), 0);
	}
	grove_close(&g);
}

static void test_profiles_are_tests(void **state)
{
	static const char *const one[] = {APP "A r 1 /etc/a\n", NULL};
	static const char *const two[] = {APP "A r 1 /etc/a\n", APP "A r 1 /etc/b\n", NULL};
	static const char *const mixed[] = {APP TEST("x") "A r 1 /etc/a\n" TEST("y") "A r 1 /etc/a\n", APP "A r 1 /etc/b\n", NULL};
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	{
		WH_AUTO_JSON json_t *a = risk_of(g.tree, &(struct given){.logs = one});
		WH_AUTO_JSON json_t *b = risk_of(g.tree, &(struct given){.logs = two});
		WH_AUTO_JSON json_t *c = risk_of(g.tree, &(struct given){.logs = mixed});

		assert_int_equal(figure(a, "tests"), 1);
		assert_false(json_is_true(json_object_get(a, "measurable")));
		assert_null(json_object_get(a, "risk"));
		assert_int_equal(figure(b, "tests"), 2);
		assert_int_equal(figure(b, "broken"), 2);
		assert_int_equal(figure(c, "tests"), 3);
		assert_int_equal(figure(c, "broken"), 1);
		assert_true(json_is_null(json_object_get(json_array_get(json_object_get(c, "would_break"), 0), "test")));
		assert_int_equal(figure(json_array_get(json_object_get(c, "would_break"), 0), "profile"), 1);
	}
	grove_close(&g);
}

/* Sixty tests with a file each: more than are decided one by one count as broken all the same. */
static void test_many(void **state)
{
	WH_AUTO_BUF struct wh_buf spec = WH_BUF_INIT, log = WH_BUF_INIT;
	const char *one_spec[] = {NULL, NULL}, *logs[] = {NULL, NULL};
	struct grove g;

	(void)state;
	wh_buf_adds(&spec, "d d 755\n");
	wh_buf_adds(&log, "P 1 0 /usr/bin/app -\nA x 1 /usr/bin/app\nM serve\n");
	for (int i = 0; i < 60; i++) {
		wh_buf_addf(&spec, "f d/%02d 644 x\n", i);
		wh_buf_addf(&log, TEST("t%02d") "A r 1 /d/%02d\n", i, i);
	}
	wh_buf_adds(&spec, "d usr 755\nd usr/bin 755\nf usr/bin/app 755 x\n");
	one_spec[0] = spec.p;
	logs[0] = log.p;
	grove_open(&g, one_spec);
	{
		WH_AUTO_JSON json_t *risk = risk_of(g.tree, &(struct given){.logs = logs});

		assert_int_equal(figure(risk, "tests"), 60);
		assert_int_equal(figure(risk, "broken"), 60);
		assert_int_equal(figure(risk, "grouped"), 60);
		assert_int_equal(json_array_size(json_object_get(risk, "would_break")), 20);
	}
	grove_close(&g);
}

/* Each test comes twice, and uses what all use: it is one user, and counting them is no matter of every pair. */
static void test_used_by_all(void **state)
{
	enum { TESTS = 3000, PATHS = 60 };
	WH_AUTO_BUF struct wh_buf spec = WH_BUF_INIT, log = WH_BUF_INIT;
	const char *one_spec[] = {NULL, NULL}, *logs[] = {NULL, NULL};
	struct grove g;

	(void)state;
	wh_buf_adds(&spec, "d d 755\n");
	for (int i = 0; i < PATHS; i++)
		wh_buf_addf(&spec, "f d/%02d 644 x\n", i);
	wh_buf_adds(&spec, "d usr 755\nd usr/bin 755\nf usr/bin/app 755 x\n");
	wh_buf_adds(&log, "P 1 0 /usr/bin/app -\nA x 1 /usr/bin/app\nM serve\n");
	for (int i = 0; i < 2 * TESTS; i++) {
		wh_buf_addf(&log, TEST("t%d"), i % TESTS);
		for (int x = 0; x < PATHS; x++)
			wh_buf_addf(&log, "A r 1 /d/%02d\n", x);
	}
	one_spec[0] = spec.p;
	logs[0] = log.p;
	grove_open(&g, one_spec);
	{
		WH_AUTO_JSON json_t *risk = risk_of(g.tree, &(struct given){.logs = logs});
		const json_t *unseen = json_object_get(risk, "unseen_files");

		assert_int_equal(figure(risk, "tests"), TESTS);
		assert_int_equal(figure(risk, "broken"), 0);
		assert_int_equal(figure(unseen, "uses"), TESTS * PATHS);
		assert_int_equal(figure(unseen, "once"), 0);
	}
	grove_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_leave_one_out),
		cmocka_unit_test(test_rules_save),
		cmocka_unit_test(test_profiles_are_tests),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_used_by_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
