/* SPDX-License-Identifier: Apache-2.0 */
#include "harden/script.h"

#include <errno.h>

#include "tests/unit/test.h"

static void test_lines(void **state)
{
	static const struct {
		const char *text, *interpreter, *program; /* interpreter NULL: no script */
	} cases[] = {
		{"#!/bin/sh\necho", "/bin/sh", NULL},
		{"#! /usr/bin/python3 -u\n", "/usr/bin/python3", NULL},
		{"#!\t/usr/bin/perl\t-w", "/usr/bin/perl", NULL},
		{"#!/usr/bin/env python3\n", "/usr/bin/env", "python3"},
		{"#!/usr/bin/env python3\r\n", "/usr/bin/env", "python3"},
		{"#!/usr/bin/env -S node --flag\n", "/usr/bin/env", "node"},
		{"#!/usr/bin/env -Snode\n", "/usr/bin/env", "node"},
		{"#!/usr/bin/env --split-string=node\n", "/usr/bin/env", "node"},
		{"#!/usr/bin/env -S -i -u HOME A=b node x\n", "/usr/bin/env", "node"},
		{"#!/usr/bin/env -S\n", "/usr/bin/env", NULL},
		{"#!/usr/bin/env\n", "/usr/bin/env", NULL},
		{"#!/usr/bin/env two words\n", "/usr/bin/env", NULL}, /* one word for the kernel: no such program */
		{"#!relative\n", "relative", NULL},
		{"#!\n/bin/sh", NULL, NULL},
		{"#!   \n", NULL, NULL},
		{"# !/bin/sh\n", NULL, NULL},
		{"#!", NULL, NULL},
		{"", NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_SCRIPT struct wh_script s;
		size_t n = strlen(cases[i].text);
		WH_AUTO_FREE uint8_t *copy = wh_memdup(cases[i].text, n + 1); /* its own block, for the sanitizer */
		int r = wh_script_parse(copy, n, &s);

		print_message("%s", n ? cases[i].text : "\n");
		assert_int_equal(r, cases[i].interpreter ? 0 : -ENOEXEC);
		assert_true(wh_streq(s.interpreter, cases[i].interpreter));
		assert_true(wh_streq(s.program, cases[i].program));
	}
}

static void test_hostile(void **state)
{
	WH_AUTO_SCRIPT struct wh_script s = {0};
	uint8_t long_line[1000], nul[] = "#!/bin\0/sh\n", late[] = "#!/usr/bin/env a\0b\n";

	(void)state;
	memset(long_line, 'x', sizeof(long_line));
	long_line[0] = '#';
	long_line[1] = '!';
	assert_int_equal(wh_script_parse(long_line, sizeof(long_line), &s), 0);
	assert_int_equal(strlen(s.interpreter), 253); /* as the kernel cuts it */
	wh_script_release(&s);
	assert_int_equal(wh_script_parse(nul, sizeof(nul) - 1, &s), -ENOEXEC);
	assert_int_equal(wh_script_parse(late, sizeof(late) - 1, &s), 0);
	assert_string_equal(s.program, "a");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_hostile)};

	return cmocka_run_group_tests_name("harden_script", tests, NULL, NULL);
}
