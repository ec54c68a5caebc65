/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"
#include "tests/unit/test.h"

#include <errno.h>

static void set_and_wrap(void **state)
{
	WH_AUTO_ERR struct wh_err *err = NULL;

	(void)state;
	assert_int_equal(wh_err_set(&err, "layers", WH_ERR_BUILD, ENOENT, "no blob %s", "x"), -ENOENT);
	assert_string_equal(err->msg, "no blob x");
	assert_string_equal(err->domain, "layers");
	assert_int_equal(err->class, WH_ERR_BUILD);
	assert_int_equal(err->sys, ENOENT);
	wh_err_wrap(&err, "unpack layer %d", 2);
	assert_string_equal(err->msg, "unpack layer 2: no blob x");

	/* The first error stays. */
	assert_int_equal(wh_err_set(&err, "base", WH_ERR_USAGE, 0, "second"), -EINVAL);
	assert_string_equal(err->msg, "unpack layer 2: no blob x");
}

static void sys_appends_reason(void **state)
{
	static const struct {
		int sys;
		enum wh_err_class given, expected;
	} cases[] = {
		{ENOENT, WH_ERR_BUILD, WH_ERR_BUILD}, {ENOENT, WH_ERR_USAGE, WH_ERR_USAGE},
		{ENOSPC, WH_ERR_BUILD, WH_ERR_ENV},   {EDQUOT, WH_ERR_BUILD, WH_ERR_ENV},
		{EROFS, WH_ERR_BUILD, WH_ERR_ENV},    {EMFILE, WH_ERR_INTERNAL, WH_ERR_ENV},
		{ENFILE, WH_ERR_BUILD, WH_ERR_ENV},   {ENOMEM, WH_ERR_USAGE, WH_ERR_ENV},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		WH_AUTO_FREE char *msg = wh_asprintf("open f: %s", strerror(cases[i].sys));

		assert_int_equal(wh_err_sys(&err, "base", cases[i].given, cases[i].sys, "open %s", "f"), -cases[i].sys);
		assert_string_equal(err->msg, msg);
		assert_int_equal(err->class, cases[i].expected);
	}
}

static void null_slot(void **state)
{
	(void)state;
	assert_int_equal(wh_err_set(NULL, "base", WH_ERR_BUILD, EPERM, "x"), -EPERM);
	assert_int_equal(wh_err_sys(NULL, "base", WH_ERR_BUILD, EPERM, "x"), -EPERM);
	wh_err_wrap(NULL, "x");
	wh_err_hint(NULL, "x");
	wh_err_at(NULL, "f", 1, 1, "x");
	wh_err_detail(NULL, "x");
	wh_err_free(NULL);
}

static void place_hint_detail(void **state)
{
	WH_AUTO_ERR struct wh_err *err = NULL;

	(void)state;
	wh_err_set(&err, "frontend", WH_ERR_USAGE, 0, "unknown instruction");
	wh_err_hint(&err, "did you mean %s?", "COPY");
	wh_err_hint(&err, "later ones do not count");
	wh_err_at(&err, "Dockerfile", 3, 5, "COYP a b");
	wh_err_at(&err, "other", 9, 9, NULL);
	wh_err_detail(&err, "one");
	wh_err_detail(&err, "two\nthree");
	assert_string_equal(err->hint, "did you mean COPY?");
	assert_string_equal(err->file, "Dockerfile");
	assert_int_equal(err->line, 3);
	assert_int_equal(err->column, 5);
	assert_string_equal(err->excerpt, "COYP a b");
	assert_string_equal(err->detail, "two\nthree");
}

static void move(void **state)
{
	struct wh_err *a = NULL, *b = NULL;

	(void)state;
	wh_err_set(&a, "base", WH_ERR_BUILD, 0, "first");
	wh_err_move(&b, &a);
	assert_null(a);
	assert_string_equal(b->msg, "first");
	wh_err_set(&a, "base", WH_ERR_BUILD, 0, "second");
	wh_err_move(&b, &a);
	assert_null(a);
	assert_string_equal(b->msg, "first");
	wh_err_move(NULL, &b);
	assert_null(b);
	wh_err_move(&a, &b);
	assert_null(a);
}

static void marks(void **state)
{
	static const struct {
		const char *text;
		enum wh_mark how;
		const char *word, *within;
		unsigned row, column, length; /* column 0: not found */
	} cases[] = {
		{"RUN a b", WH_MARK_WORD, "b", NULL, 0, 7, 1},
		{"RUN a b", WH_MARK_WORD, "c", NULL, 0, 0, 0},
		{"RUN a b", WH_MARK_WORD, "RUN", NULL, 0, 1, 3},
		{"RUN RUN", WH_MARK_WORD, "RUN", NULL, 0, 5, 3},
		{"  RUN RUN", WH_MARK_FIRST, NULL, NULL, 0, 3, 3},
		{"COPY a", WH_MARK_END, NULL, NULL, 0, 7, 0},
		{"COPY a  \n", WH_MARK_END, NULL, NULL, 0, 8, 0},
		{"COPY abc ab-c c", WH_MARK_WORD, "c", NULL, 0, 15, 1},
		{"COPY abc ab-c", WH_MARK_WORD, "c", NULL, 0, 13, 1},
		{"COPY abc", WH_MARK_WORD, "c", NULL, 0, 8, 1},
		{"ENV a=b c b", WH_MARK_LAST, "b", NULL, 0, 11, 1},
		{"RUN --mount=type=x,id=x x", WH_MARK_WORD, "id=x", "--mount=type=x,id=x", 0, 20, 4},
		{"RUN --mount=type=x,id=x x", WH_MARK_WORD, "zz", "--mount=type=x,id=x", 0, 5, 19},
		{"RUN x --a=x --b=x", WH_MARK_WORD, "x", "--b=x", 0, 17, 1},
		{"COPY --chown=\"a b\" c d", WH_MARK_WORD, "--chown=a b", NULL, 0, 6, 10},
		{"RUN a \\\n# b\n  b\n", WH_MARK_WORD, "b", NULL, 2, 3, 1},
		{"RUN a \\\n# b\n  b\n", WH_MARK_WORD, "# b", NULL, 0, 0, 0},
		{"COPY ../up/x y", WH_MARK_PATH, "/up/x", NULL, 0, 6, 7},
		{"COPY $d/x y", WH_MARK_PATH, "/up/x", NULL, 0, 6, 4},
		{"COPY [\"./a\", \"b\"]", WH_MARK_PATH, "a", NULL, 0, 8, 3},
		{"COPY $d y", WH_MARK_PATH, "/up/x", NULL, 0, 0, 0},
		{"RUN", WH_MARK_WORD, "", NULL, 0, 0, 0},
		{"", WH_MARK_FIRST, NULL, NULL, 0, 0, 0},
		{"", WH_MARK_END, NULL, NULL, 0, 1, 0},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL, *after = NULL;

		wh_err_set(&err, "frontend", WH_ERR_USAGE, 0, "x");
		wh_err_mark(&err, cases[i].how, cases[i].word);
		wh_err_mark(&err, WH_MARK_WORD, "a"); /* later ones do not count */
		wh_err_within(&err, cases[i].within);
		wh_err_at(&err, "D", 3, 0, cases[i].text);
		if (err->row != cases[i].row || err->column != cases[i].column || err->length != cases[i].length)
			fail_msg("%s: %s: row %u column %u length %u", cases[i].text, cases[i].word, err->row, err->column,
				 err->length);
		/* The place may be known first. */
		wh_err_set(&after, "frontend", WH_ERR_USAGE, 0, "x");
		wh_err_at(&after, "D", 3, 0, cases[i].text);
		wh_err_within(&after, cases[i].within);
		wh_err_mark(&after, cases[i].how, cases[i].word);
		assert_int_equal(after->column, cases[i].column);
		wh_err_unmark(&err);
		assert_int_equal(err->column, 0);
	}
}

static void lists(void **state)
{
	WH_AUTO_ERR struct wh_err *list = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		struct wh_err *one = NULL;

		wh_err_set(&one, "frontend", WH_ERR_USAGE, 0, "%zu", i);
		wh_err_expect(&one, "a %s", "number");
		wh_err_expect(&one, "later ones do not count");
		wh_err_append(&list, &one);
		assert_null(one);
	}
	assert_string_equal(list->msg, "0");
	assert_string_equal(list->expected, "a number");
	assert_string_equal(list->next->next->msg, "2");
	assert_null(list->next->next->next);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_and_wrap), cmocka_unit_test(sys_appends_reason),
		cmocka_unit_test(null_slot),    cmocka_unit_test(place_hint_detail),
		cmocka_unit_test(move),         cmocka_unit_test(marks),
		cmocka_unit_test(lists),
	};

	return cmocka_run_group_tests_name("base/err", tests, NULL, NULL);
}
