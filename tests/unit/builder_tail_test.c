/* SPDX-License-Identifier: Apache-2.0 */
/* The last lines of an output: the same, however it was cut into pieces. */
#include "builder/exec_private.h"
#include "tests/unit/test.h"

#include <errno.h>

static char *make(char c, size_t n)
{
	char *s = wh_malloc(n + 1);

	memset(s, c, n);
	s[n] = 0;
	return s;
}

static void check(const char *in, size_t n, const char *want, size_t want_shown, uint64_t want_lines)
{
	static const size_t pieces[] = {1, 2, 3, 7, 1000, 4096, SIZE_MAX};

	for (size_t i = 0; i < WH_ARRAY_SIZE(pieces); i++) {
		WH_CLEANUP(wh_tail_release) struct wh_tail t = {0};
		WH_AUTO_FREE char *got = NULL;
		uint64_t lines;
		size_t shown, part;

		for (size_t at = 0; at < n; at += part) {
			part = n - at < pieces[i] ? n - at : pieces[i];
			wh_tail_keep(&t, in + at, part);
		}
		got = wh_tail_text(&t, &shown, &lines);
		if (!want) {
			assert_null(got);
			assert_true(wh_tail_empty(&t));
		} else {
			assert_non_null(got);
			assert_string_equal(got, want);
		}
		assert_int_equal(shown, want_shown);
		assert_int_equal(lines, want_lines);
	}
}

static void test_lines(void **state)
{
	static const struct {
		const char *in;
		size_t n;
		const char *want;
		size_t lines;
	} cases[] = {
		{"", 0, NULL, 0},
		{"a", 1, "a", 1},
		{"a\n", 2, "a", 1},
		{"\n", 1, "", 1},
		{"\n\n", 2, "\n", 2},
		{"a\nb", 3, "a\nb", 2},
		{"a\r\nb\r\n", 6, "a\nb", 2},
		{"10%\r20%\r30%\nx", 13, "30%\nx", 2},
		{"10%\r20%\r\r\nx", 11, "20%\nx", 2},
		{"10%\r20%\r", 8, "20%", 1},
		{"\ra\n", 3, "a", 1},
		{"a\0b\n\0", 5, "a^@b\n^@", 2},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++)
		check(cases[i].in, cases[i].n, cases[i].want, cases[i].lines, cases[i].lines);
}

static void test_many(void **state)
{
	WH_AUTO_BUF struct wh_buf in = WH_BUF_INIT, want = WH_BUF_INIT;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		wh_buf_addf(&in, "line %d\n", i);
		if (i >= 960)
			wh_buf_addf(&want, "%sline %d", want.n ? "\n" : "", i);
	}
	check(in.p, in.n, want.p, 40, 1000);
	/* One that has not ended is a line, too. */
	wh_buf_adds(&in, "end");
	wh_buf_adds(&want, "\nend");
	check(in.p, in.n, strchr(want.p, '\n') + 1, 40, 1001);
}

static void test_long(void **state)
{
	static const size_t lengths[] = {2499, 2500, 2501, 3999, 4000, 4001, 5500, 5501, 7000, 300000};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(lengths); i++) {
		WH_AUTO_FREE char *x = make('x', lengths[i]), *head = make('x', 2500), *end = make('x', 1000);
		WH_AUTO_FREE char *in = wh_asprintf("before\n%s\nafter", x);
		WH_AUTO_FREE char *want =
			lengths[i] <= 4000 ? wh_asprintf("before\n%s\nafter", x)
					   : wh_asprintf("before\n%s…[%zu bytes]…%s\nafter", head, lengths[i] - 3500, end);

		check(in, strlen(in), want, 3, 3);
	}
}

/* Cut between characters. */
static void test_characters(void **state)
{
	(void)state;
	for (size_t before = 0; before < 4; before++) {
		WH_AUTO_BUF struct wh_buf in = WH_BUF_INIT;
		struct wh_tail t = {0};
		WH_AUTO_FREE char *got = NULL;
		uint64_t lines;
		size_t shown, w;

		for (size_t i = 0; i < before; i++)
			wh_buf_addc(&in, 'x');
		while (in.n < 20000)
			wh_buf_adds(&in, "€");
		wh_tail_keep(&t, in.p, in.n);
		got = wh_tail_text(&t, &shown, &lines);
		for (const char *p = got; *p; p += w) {
			unsigned char c = (unsigned char)*p;

			w = c < 0x80 ? 1 : 3;
			assert_true(c < 0x80 || (c == 0xe2 && (p[1] & 0xc0) == 0x80 && (p[2] & 0xc0) == 0x80));
		}
		wh_tail_release(&t);
	}
}

static void test_words(void **state)
{
	static const struct {
		const char *name, *want;
	} cases[] = {
		{"[2/3] RUN make all", "2-3-RUN-make-all"},
		{"../../etc/passwd", "etc-passwd"},
		{"", "step"},
		{NULL, "step"},
		{"\x01\n €", "step"},
		{"[a 1/1] RUN x\ty.z_Z", "a-1-1-RUN-x-y.z_Z"},
		{"[stage-1 12/30] RUN apt-get update && apt-get install", "stage-1-12-30-RUN-apt-get-update-apt-get"},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_FREE char *got = wh_steplog_word(cases[i].name);

		assert_string_equal(got, cases[i].want);
	}
}

/* What a shell's 126 and 127 mean, by the last line of its output; NULL: nothing is said. */
static void test_unrunnable(void **state)
{
	static const struct {
		int status;
		const char *tail, *want;
	} cases[] = {
		{126, "/bin/sh: 1: /x.sh: Permission denied", "chmod +x"},
		{126, "first\n/bin/bash: line 1: ./x.sh: Permission denied", "chmod +x"},
		{127, "/bin/sh: 1: /x.sh: not found", "#! line"},
		{127, "/bin/sh: ./x.sh: not found", "#! line"},
		{127, "/bin/bash: line 1: /x.sh: cannot execute: required file not found", "#! line"},
		{127, "/bin/bash: line 1: /x.sh: No such file or directory", "#! line"},
		{126, "/bin/bash: line 1: /x.sh: /bin/bash^M: bad interpreter: No such file or directory", "CRLF"},
		{127, "/usr/bin/env: 'bash\\r': No such file or directory", "CRLF"},
		{126, "/bin/sh: 1: /x: Exec format error", "architecture"},
		{127, "/bin/sh: 1: curl: not found", NULL},
		{127, "/x.sh: not found\nbye", NULL},
		{1, "/bin/sh: 1: /x.sh: not found", NULL},
		{126, "not found", NULL},
		{127, ": not found", NULL},
		{127, "", NULL},
		{127, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;

		wh_err_set(&err, "test", WH_ERR_BUILD, ECHILD, "failed");
		wh_unrunnable_hint(cases[i].status, cases[i].tail, &err);
		if (!cases[i].want) {
			assert_null(err->hint);
		} else {
			assert_non_null(err->hint);
			assert_non_null(strstr(err->hint, cases[i].want));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines), cmocka_unit_test(test_many), cmocka_unit_test(test_long),
		cmocka_unit_test(test_characters), cmocka_unit_test(test_words), cmocka_unit_test(test_unrunnable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
