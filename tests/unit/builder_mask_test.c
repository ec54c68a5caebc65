/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/mask.h"
#include "tests/unit/test.h"

static const struct {
	const char *secrets[4], *in, *want;
} cases[] = {
	{{"s3cret"}, "the s3cret is out", "the *** is out"},
	{{"s3cret"}, "s3crets3cret", "******"},
	{{"s3cret"}, "s3cre", "s3cre"},
	{{"s3cret"}, "s3s3cret", "s3***"},
	{{"s3cret\n"}, "s3cret\n", "***\n"},
	{{"abc"}, "abc", "abc"}, /* too short to be told from anything else */
	{{""}, "x", "x"},
	{{"aaaa"}, "aaaaaaa", "***aaa"},
	{{"abab", "ababab"}, "xabababx", "x***x"},
	{{"abab", "ababab"}, "xababay", "x***ay"},
	{{"abab", "ababab"}, "abab", "***"},
	{{"-----BEGIN\nline-one\nline-two\n"}, "a -----BEGIN\nline-one\nline-two\n", "a ***\n"},
	{{"-----BEGIN\nline-one\nline-two\n"}, "only line-two here", "only *** here"},
	{{"one-value", "two-value"}, "one-value two-value", "*** ***"},
	{{"\xff\xfe\xfd\xfc"}, "x\xff\xfe\xfd\xfcx", "x***x"},
};

/* Whatever way the output is cut, the same is shown. */
static void test_cuts(void **state)
{
	size_t i, j, step;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		size_t len = strlen(cases[i].in);

		for (step = 1; step <= len; step++) {
			struct wh_buf held = WH_BUF_INIT, out = WH_BUF_INIT;
			struct wh_mask *m = wh_mask_new();

			for (j = 0; j < 4 && cases[i].secrets[j]; j++)
				wh_mask_add(m, cases[i].secrets[j], strlen(cases[i].secrets[j]));
			for (j = 0; j < len; j += step)
				wh_mask_feed(m, &held, cases[i].in + j, len - j < step ? len - j : step, false, &out);
			wh_mask_feed(m, &held, "", 0, true, &out);
			if (strcmp(out.p, cases[i].want) != 0)
				fail_msg("case %zu in cuts of %zu: got %s, want %s", i, step, out.p, cases[i].want);
			assert_int_equal(held.n, 0);
			wh_buf_release(&held);
			wh_buf_release(&out);
			wh_mask_free(m);
		}
	}
}

/* What cannot be a secret's beginning is shown at once. */
static void test_no_delay(void **state)
{
	struct wh_buf held = WH_BUF_INIT, out = WH_BUF_INIT;
	struct wh_mask *m = wh_mask_new();

	(void)state;
	assert_true(wh_mask_empty(m));
	wh_mask_add(m, "s3cret", 6);
	assert_false(wh_mask_empty(m));
	wh_mask_feed(m, &held, "progress 10%", 12, false, &out);
	assert_string_equal(out.p, "progress 10%");
	wh_mask_feed(m, &held, " s3", 3, false, &out);
	assert_string_equal(out.p, "progress 10% ");
	wh_mask_feed(m, &held, "x", 1, false, &out);
	assert_string_equal(out.p, "progress 10% s3x");
	wh_buf_release(&held);
	wh_buf_release(&out);
	wh_mask_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_cuts), cmocka_unit_test(test_no_delay)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
