/* SPDX-License-Identifier: Apache-2.0 */
#include "frontend/expand.h"
#include "tests/unit/test.h"

static const char *lookup(void *env, const char *name)
{
	return wh_env_get(env, name);
}

static void set_up(struct wh_strv *env)
{
	wh_strv_add(env, "a=one");
	wh_strv_add(env, "empty=");
	wh_strv_add(env, "two=x y");
	wh_strv_add(env, "path=/a/b/c.tar.gz");
}

static void words(void **state)
{
	static const struct {
		const char *in, *out; /* NULL: refused */
	} cases[] = {
		{"", ""},
		{"plain", "plain"},
		{"$a", "one"},
		{"${a}", "one"},
		{"$a$a", "oneone"},
		{"$ab", ""},
		{"$", "$"},
		{"a$", "a$"},
		{"\\$a", "$a"},
		{"'$a'", "$a"},
		{"\"$a\"", "one"},
		{"\"\\$a \\\" \\n\"", "$a \" \\n"},
		{"x\\", "x"},
		{"${none:-d}", "d"},
		{"${empty:-d}", "d"},
		{"${empty-d}", ""},
		{"${a:+y}", "y"},
		{"${none+y}", ""},
		{"${none:-${a:-z}}", "one"},
		{"${none:-\"q }\"}", "q }"},
		{"${a?no}", "one"},
		{"${a:?no}", "one"},
		{"${none:?no such}", NULL},
		{"${empty:?}", NULL},
		{"${path#*/}", "a/b/c.tar.gz"},
		{"${path##*/}", "c.tar.gz"},
		{"${path%.*}", "/a/b/c.tar"},
		{"${path%%.*}", "/a/b/c"},
		{"${path/b/X}", "/a/X/c.tar.gz"},
		{"${path//\\//-}", "-a-b-c.tar.gz"},
		{"${path/?.tar*/X}", "/a/b/X"},
		{"${path//[a]/X}", "/a/b/c.tar.gz"},
		{"${none#x}", ""},
		{"${none/*/X}", "X"},
		{"${none//?/X}", ""},
		{"${a", NULL},
		{"${", NULL},
		{"${}", NULL},
		{"${a=b}", NULL},
		{"${a:#b}", NULL},
		{"${a/b}", NULL},
		{"${a#\\x}", NULL},
		{"${a:=b}", NULL},
		{"'a", NULL},
		{"\"a", NULL},
	};
	WH_AUTO_STRV struct wh_strv env = {0};
	size_t i;

	(void)state;
	set_up(&env);
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_FREE char *got = NULL;
		int r = wh_expand_word(cases[i].in, '\\', lookup, &env, &got, NULL);

		if (cases[i].out ? r < 0 || !wh_streq(got, cases[i].out) : r == 0)
			fail_msg("%s: got %s (%d)", cases[i].in, got ? got : "-", r);
	}
}

static void other_escape(void **state)
{
	WH_AUTO_FREE char *got = NULL;

	(void)state;
	assert_int_equal(wh_expand_word("c:\\x`$a", '`', NULL, NULL, &got, NULL), 0);
	assert_string_equal(got, "c:\\x$a");
}

static void splitting(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"a b", "a|b"},
		{" a  b ", "a|b"},
		{"$two", "x|y"},
		{"\"$two\"", "x y"},
		{"a\\ b", "a b"},
		{"''", ""},
		{"p$two", "px|y"},
		{"${none:-m n}", "m|n"},
		{"<<  EOF x", "<<  EOF|x"},
		{"a'b c'd", "ab cd"},
		{"", ""},
	};
	WH_AUTO_STRV struct wh_strv env = {0};
	size_t i, k;

	(void)state;
	set_up(&env);
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_STRV struct wh_strv list = {0};
		WH_AUTO_BUF struct wh_buf got = WH_BUF_INIT;

		assert_int_equal(wh_expand_words(cases[i].in, '\\', lookup, &env, &list, NULL), 0);
		wh_buf_add(&got, "", 0);
		for (k = 0; k < list.n; k++)
			wh_buf_addf(&got, "%s%s", k ? "|" : "", list.v[k]);
		assert_string_equal(got.p ? got.p : "", cases[i].out);
	}
}

static void raw_and_unset(void **state)
{
	struct wh_expand_opts o = {.escape = '\\', .raw_quotes = true, .raw_escapes = true, .keep_unset = true};
	static const char text[] = "'a' \"b\" \\$c $d ${e} ${f:-g} ${h/i/j}";
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	WH_AUTO_FREE char *raw = NULL;

	(void)state;
	assert_int_equal(wh_expand(text, &o, &out, NULL, NULL), 0);
	assert_string_equal(out.p, text);
	/* A shell's own form stays; so does a backslash that escapes nothing in quotes, said as a pattern says it. */
	wh_buf_reset(&out);
	assert_int_equal(wh_expand("${a:=b} ${c:0:3} \"\\d\"", &o, &out, NULL, NULL), 0);
	assert_string_equal(out.p, "${a:=b} ${c:0:3} \"\\\\d\"");
	wh_buf_reset(&out);
	assert_true(wh_expand("${a=b}", &o, &out, NULL, NULL) < 0);
	assert_int_equal(wh_expand_raw("it's \"$x\" \\$y", '\\', NULL, NULL, &raw, NULL), 0);
	assert_string_equal(raw, "it's \"\" $y");
}

/* Hostile input ends with an error, not with the stack or the memory. */
static void bounds(void **state)
{
	WH_AUTO_BUF struct wh_buf deep = WH_BUF_INIT, wide = WH_BUF_INIT;
	WH_AUTO_STRV struct wh_strv env = {0};
	WH_AUTO_FREE char *got = NULL;
	WH_AUTO_FREE char *big = wh_calloc(4 << 20, 1);
	size_t i;

	(void)state;
	for (i = 0; i < 10000; i++)
		wh_buf_adds(&deep, "${a:-");
	assert_true(wh_expand_word(deep.p, '\\', NULL, NULL, &got, NULL) < 0);
	memset(big, 'x', (4 << 20) - 1);
	wh_env_set(&env, "v", big);
	for (i = 0; i < 20; i++)
		wh_buf_adds(&wide, "$v");
	assert_true(wh_expand_word(wide.p, '\\', lookup, &env, &got, NULL) < 0);
	assert_true(wh_expand_word("${v//x*y/z}", '\\', lookup, &env, &got, NULL) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),         cmocka_unit_test(other_escape), cmocka_unit_test(splitting),
		cmocka_unit_test(raw_and_unset), cmocka_unit_test(bounds),
	};

	return cmocka_run_group_tests_name("frontend_expand", tests, NULL, NULL);
}
