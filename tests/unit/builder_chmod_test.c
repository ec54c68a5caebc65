/* SPDX-License-Identifier: Apache-2.0 */
/* --chmod: what the texts mean, and which are none. */
#include "tests/unit/test.h"

#include "builder/fileop_private.h"

static const struct {
	const char *text;
	uint32_t mode, want;
	bool dir;
} good[] = {
	{"644", 0600, 0644, false},
	{"0", 0644, 0, false},
	{"07777", 0600, 07777, false},
	{"00755", 04600, 0755, true},
	{"u=rw", 0777, 0677, false},
	{"a+x", 0644, 0755, false},
	{"+x", 0644, 0755, false},
	{"-w", 0666, 0444, false},
	{"go-rwx", 0755, 0700, false},
	{"u+s", 0755, 04755, false},
	{"g+s", 0755, 02755, false},
	{"ug+s", 0755, 06755, false},
	{"o+s", 0755, 0755, false},
	{"+s", 0755, 06755, false},
	{"u-s", 06755, 02755, false},
	{"+t", 0755, 01755, true},
	{"u+t", 0755, 01755, true},
	{"o+t", 0755, 0755, true},
	{"-t", 01755, 0755, true},
	{"a=", 07777, 01000, false},
	{"u=", 04755, 0055, false},
	{"g=u", 0740, 0770, false},
	{"o=g", 0750, 0755, false},
	{"u=o", 0701, 0101, false},
	{"u=rwX", 0644, 0644, false},
	{"u=rwX", 0644, 0744, true},
	{"go=rX", 0700, 0755, false},
	{"a+X", 0644, 0644, false},
	{"a+X", 0744, 0755, false},
	{"u=rwX,go=rX", 0600, 0755, true},
	{"u=rwX,go=rX", 0600, 0644, false},
	{"u+x,g+w", 0640, 0760, false},
	{"u+r-w", 0300, 0500, false},
	{"=r", 0777, 0444, false},
	{"ugo=rwx", 0, 0777, false},
	{"a=rx,u+w", 0, 0755, false},
	/* A copy leaves set-id bits alone, and what follows it begins anew. */
	{"g=u", 02755, 02775, true},
	{"g=", 02755, 0705, true},
	{"g=ur", 02750, 0740, true},
	{"g=ru", 0300, 0330, false},
	{"u=", 07777, 03077, false},
	{"o+g-u", 0654, 0651, false},
	/* The sticky bit counts as somebody: the letters beside it are for nobody then. */
	{"+rt", 0, 01000, true},
	{"a=t", 0777, 01000, true},
	/* X asks the mode as it was, not as an earlier clause made it. */
	{"u+x,go+X", 0600, 0700, false},
};

static const char *const bad[] = {
	"",         "8",    "10000", "0888",  "077777777777777777777777",
	"rw",       "u",    "u=z",   "u+rw,", ",u+r",
	"u+r,,g+r", "+r ",  " 644",  "u~x",   "u=rwx;o=",
	"0x1ff",    "64 4",
};

static void test_good(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(good); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct chmod c;
		uint32_t got;

		if (chmod_parse(good[i].text, &c, &err))
			fail_msg("%s: %s", good[i].text, err->msg);
		got = chmod_apply(&c, good[i].mode, good[i].dir);
		if (got != good[i].want)
			fail_msg("%s of %04o: %04o, want %04o", good[i].text, good[i].mode, got, good[i].want);
	}
}

static void test_bad(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(bad); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		WH_AUTO_FREE char *want = wh_asprintf("invalid chmod parameter: '%s'", bad[i]);
		struct chmod c;

		if (chmod_parse(bad[i], &c, &err) == 0)
			fail_msg("\"%s\" was taken", bad[i]);
		if (err)
			assert_string_equal(err->msg, want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
