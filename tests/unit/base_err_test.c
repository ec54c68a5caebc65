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

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_and_wrap), cmocka_unit_test(sys_appends_reason),
		cmocka_unit_test(null_slot),    cmocka_unit_test(place_hint_detail),
		cmocka_unit_test(move),
	};

	return cmocka_run_group_tests_name("base/err", tests, NULL, NULL);
}
