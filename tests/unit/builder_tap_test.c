/* SPDX-License-Identifier: Apache-2.0 */
/* What a line of a driver's output says of its tests. */
#include "builder/tap.h"
#include "tests/unit/test.h"

static void test_lines(void **state)
{
	static const struct {
		const char *line;
		enum wh_tap_kind kind;
		const char *name;
		bool failed;
	} rows[] = {
		{"ok 1 - login", WH_TAP_RESULT, "login", false},
		{"ok 1 login", WH_TAP_RESULT, "login", false},
		{"ok 12", WH_TAP_RESULT, "#12", false},
		{"ok - login", WH_TAP_RESULT, "login", false},
		{"not ok 2 - mail", WH_TAP_RESULT, "mail", true},
		{"not ok - mail", WH_TAP_RESULT, "mail", true},
		{"not ok 2", WH_TAP_RESULT, "#2", true},
		{"ok 3 - a\r", WH_TAP_RESULT, "a", false},
		/* comments and directives */
		{"ok 3 - a # time=12ms", WH_TAP_RESULT, "a", false},
		{"not ok 3 - a # TODO later", WH_TAP_RESULT, "a", false},
		{"not ok 3 # todo", WH_TAP_RESULT, "#3", false},
		{"ok 3 - a # SKIP no network", WH_TAP_SKIPPED, "a", false},
		{"ok 3 # skipped: why", WH_TAP_SKIPPED, "#3", false},
		{"not ok 3 - a # SKIP", WH_TAP_SKIPPED, "a", false},
		{"ok 3 - issue \\#7 \\\\ x", WH_TAP_RESULT, "issue #7 \\ x", false},
		{"ok 3 - C# code", WH_TAP_RESULT, "C# code", false},
		{"not ok 3 - a \\# TODO", WH_TAP_RESULT, "a # TODO", true},
		{"ok 3 - a\tb\x1b[31m", WH_TAP_RESULT, "a b [31m", false},
		/* what others print, too */
		{"ok", WH_TAP_OTHER, NULL, false},
		{"ok  23 ms", WH_TAP_OTHER, NULL, false},
		{"not ok", WH_TAP_OTHER, NULL, false},
		{"not ok at all", WH_TAP_OTHER, NULL, false},
		{"okay 1", WH_TAP_OTHER, NULL, false},
		{"ok 1st", WH_TAP_OTHER, NULL, false},
		{"    ok 1 - of a subtest", WH_TAP_OTHER, NULL, false},
		{"    not ok 1 - of a subtest", WH_TAP_OTHER, NULL, false},
		{"# Subtest: a", WH_TAP_OTHER, NULL, false},
		{"", WH_TAP_OTHER, NULL, false},
		{"TAP version 13", WH_TAP_OTHER, NULL, false},
		/* plans */
		{"1..4", WH_TAP_PLAN, NULL, false},
		{"1..0 # SKIP all", WH_TAP_PLAN, NULL, false},
		{"1..", WH_TAP_OTHER, NULL, false},
		{"1..4 apples", WH_TAP_OTHER, NULL, false},
		{"1..99999999999", WH_TAP_OTHER, NULL, false},
		{"Bail out! the disk is full", WH_TAP_BAIL, NULL, true},
		{"bail out!", WH_TAP_OTHER, NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		WH_CLEANUP(wh_tap_release) struct wh_tap t = {0};
		WH_AUTO_FREE char *name = NULL;
		WH_AUTO_FREE char *failure = NULL;

		if (wh_tap_line(&t, rows[i].line, strlen(rows[i].line), &name) != rows[i].kind)
			fail_msg("%s", rows[i].line);
		if (!wh_streq(name, rows[i].name))
			fail_msg("%s: %s", rows[i].line, name ? name : "no name");
		failure = wh_tap_failure(&t);
		if ((failure != NULL) != rows[i].failed)
			fail_msg("%s: %s", rows[i].line, failure ? failure : "passed");
	}
}

static void test_streams(void **state)
{
	static const struct {
		const char *text, *failure; /* NULL: passed */
	} rows[] = {
		{"1..2\nok 1 - a\nok 2 - b\n", NULL},
		{"ok 1 - a\nok 2 - b\n1..2\n", NULL},
		{"1..2\nok 1 - a\nnot ok 2 - b\n", "not ok: b"},
		{"1..3\nok 1 - a\n", "3 tests were planned, the results of 1 came"},
		{"1..1\nok 1 - a\n1..2\nok 1 - b\nok 2 - c\n", NULL},
		{"1..1\nok 1 - a\n1..2\nok 1 - b\n", "3 tests were planned, the results of 2 came"},
		{"1..10\n", NULL}, /* whatever that was */
		{"ok 1 - a\nBail out! no disk\n", "Bail out! no disk"},
		{"not ok 1 - a\nBail out!\n", "Bail out!; not ok: a"},
		{"not ok 1 - a\nnot ok 2 - b\nnot ok 3\n", "not ok: a, b, #3"},
		{"not ok 1\nnot ok 2\nnot ok 3\nnot ok 4\nnot ok 5\nnot ok 6\nnot ok 7\nnot ok 8\nnot ok 9\n",
		 "not ok: #1, #2, #3, #4, #5, #6, #7, #8 and 1 more"},
		/* prove -v --timer */
		{"t/a.t .. \nok 1 - x\n1..1\nok        7 ms\nAll tests successful.\n", NULL},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		WH_CLEANUP(wh_tap_release) struct wh_tap t = {0};
		WH_AUTO_FREE char *failure = NULL;

		for (const char *p = rows[i].text; *p;) {
			WH_AUTO_FREE char *name = NULL;
			size_t n = strcspn(p, "\n");

			wh_tap_line(&t, p, n, &name);
			p += n + 1;
		}
		failure = wh_tap_failure(&t);
		if (!wh_streq(failure, rows[i].failure))
			fail_msg("%s: %s", rows[i].text, failure ? failure : "passed");
	}
}

/* A name is cut between characters. */
static void test_long(void **state)
{
	char line[1000] = "ok 1 - ";
	WH_CLEANUP(wh_tap_release) struct wh_tap t = {0};

	(void)state;
	for (size_t pad = 0; pad < 4; pad++) {
		WH_AUTO_FREE char *name = NULL;
		size_t n = 7;

		for (size_t i = 0; i < pad; i++)
			line[n++] = 'x';
		while (n < 900) {
			memcpy(line + n, "€", 3);
			n += 3;
		}
		assert_int_equal(wh_tap_line(&t, line, n, &name), WH_TAP_RESULT);
		assert_in_range(strlen(name), WH_TAP_NAME_MAX - 3, WH_TAP_NAME_MAX);
		assert_int_equal((strlen(name) - pad) % 3, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_streams),
		cmocka_unit_test(test_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
