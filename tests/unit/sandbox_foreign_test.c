/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of binfmt_misc, programs' machines, limits by name. */
#include "sandbox/foreign.h"
#include "sandbox/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/resource.h>

#include <cmocka.h>

#define MASK "mask ffffffffffffff00fffffffffffffffffeffffff\n"
#define ARM64 "magic 7f454c460201010000000000000000000200b700\n"

static void entries(void **state)
{
	static const struct {
		const char *text;
		bool good;
		const char *runs, *runs_not;
	} cases[] = {
		{"enabled\ninterpreter /usr/bin/qemu-aarch64-static\nflags: OCF\noffset 0\n" ARM64 MASK, true, "arm64", "arm"},
		{"disabled\ninterpreter /q\nflags: F\noffset 0\n" ARM64 MASK, true, NULL, "arm64"},
		/* Without a mask only what is not position independent is meant: not all programs run. */
		{"enabled\ninterpreter /q\nflags: F\noffset 0\n" ARM64, true, NULL, "arm64"},
		/* The magic of two bytes of every ELF file: for all machines. */
		{"enabled\ninterpreter /q\nflags: \noffset 0\nmagic 7f45\n", true, "riscv64", NULL},
		{"enabled\ninterpreter /q\nflags: \noffset 18\nmagic b700\n", true, "arm64", "amd64"},
		{"enabled\ninterpreter /q\nflags: \noffset 18\nmagic 0016\n", true, "s390x", "riscv64"},
		/* Beyond the header nothing is known. */
		{"enabled\ninterpreter /q\nflags: \noffset 40\nmagic b700\n", true, NULL, "arm64"},
		{"enabled\ninterpreter /usr/bin/python3\nflags: \nextension .py\n", false, NULL, NULL},
		{"enabled\ninterpreter /q\nflags: \noffset 0\nmagic 7f4\n", false, NULL, NULL},
		{"enabled\ninterpreter /q\nflags: \noffset 0\nmagic 7g\n", false, NULL, NULL},
		{"enabled\ninterpreter /q\nflags: \noffset 0\nmagic 7f45\nmask ff\n", false, NULL, NULL},
		{"enabled\ninterpreter /q\nflags: \noffset 99999999999999999999\nmagic 7f45\n", false, NULL, NULL},
		{"enabled\nflags: \noffset 0\nmagic 7f45\n", false, NULL, NULL},
		{"", false, NULL, NULL},
	};
	struct wh_binfmt e;

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		if (wh_binfmt_parse(cases[i].text, strlen(cases[i].text), &e) != cases[i].good)
			fail_msg("%zu: %s", i, cases[i].text);
		if (cases[i].runs && !wh_binfmt_runs(&e, cases[i].runs))
			fail_msg("%zu: does not run %s", i, cases[i].runs);
		if (cases[i].runs_not && wh_binfmt_runs(&e, cases[i].runs_not))
			fail_msg("%zu: runs %s", i, cases[i].runs_not);
	}
}

static void long_magic(void **state)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	struct wh_binfmt e;

	(void)state;
	wh_buf_adds(&text, "enabled\ninterpreter /q\nmagic ");
	for (int i = 0; i < 257; i++)
		wh_buf_adds(&text, "00");
	assert_false(wh_binfmt_parse(text.p, text.n, &e));
	wh_buf_reset(&text);
	wh_buf_adds(&text, "enabled\ninterpreter /");
	for (int i = 0; i < 2000; i++)
		wh_buf_addc(&text, 'a');
	wh_buf_adds(&text, "\nmagic 7f45\n");
	assert_false(wh_binfmt_parse(text.p, text.n, &e)); /* no interpreter that fits */
}

static void machines(void **state)
{
	static const struct {
		unsigned char head[WH_ELF_HEAD];
		const char *arch;
	} cases[] = {
		{"\x7f" "ELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\xb7\0\x01\0\0", "arm64"},
		{"\x7f" "ELF\x02\x01\x01\x03\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0", "amd64"},
		{"\x7f" "ELF\x02\x02\x01\0\0\0\0\0\0\0\0\0\0\x02\0\x16\0\0\0", "s390x"},
		{"\x7f" "ELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x28\0\x01\0\0", "arm"},
		{"\x7f" "ELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x99\x99\x01\0\0", NULL},
		{"#!/bin/sh\n", NULL},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		const char *arch = wh_elf_machine(cases[i].head);

		if (arch != cases[i].arch && (!arch || !cases[i].arch || strcmp(arch, cases[i].arch) != 0))
			fail_msg("%zu: %s", i, arch ? arch : "none");
	}
}

static void native(void **state)
{
	struct wh_platform host;
	WH_AUTO_FREE char *text = NULL;

	(void)state;
	wh_platform_host(&host);
	text = wh_platform_text(&host);
	assert_true(wh_foreign_native(text));
	assert_false(wh_foreign_native("linux/s390x"));
	assert_false(wh_foreign_native("windows/amd64"));
	assert_false(wh_foreign_native("linux/unheard-of"));
	assert_false(wh_foreign_native("?"));
}

static void ulimits(void **state)
{
	static const struct {
		const char *text;
		int resource; /* -1: refused */
		uint64_t soft, hard;
	} cases[] = {
		{"nofile=1024", RLIMIT_NOFILE, 1024, 1024},
		{"nofile=1024:2048", RLIMIT_NOFILE, 1024, 2048},
		{"core=-1", RLIMIT_CORE, RLIM_INFINITY, RLIM_INFINITY},
		{"core=0:-1", RLIMIT_CORE, 0, RLIM_INFINITY},
		{"core=-1:0", -1, 0, 0},
		{"nofile=2:1", -1, 0, 0},
		{"nofile=", -1, 0, 0},
		{"nofile", -1, 0, 0},
		{"=1", -1, 0, 0},
		{"files=1", -1, 0, 0},
		{"nofile=1:", -1, 0, 0},
		{"nofile=1:2:3", -1, 0, 0},
		{"nofile=0x10", -1, 0, 0},
		{"nofile=99999999999999999999", -1, 0, 0},
		{"nofile=-2", -1, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct wh_ulimit u = {0};
		int r = wh_ulimit_parse(cases[i].text, &u, &err);

		if ((r < 0) != (cases[i].resource < 0) || (r < 0) != (err != NULL))
			fail_msg("%s: %d", cases[i].text, r);
		if (r == 0 && (u.resource != cases[i].resource || u.soft != cases[i].soft || u.hard != cases[i].hard))
			fail_msg("%s: %d %llu %llu", cases[i].text, u.resource, (unsigned long long)u.soft,
				 (unsigned long long)u.hard);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries), cmocka_unit_test(long_magic), cmocka_unit_test(machines),
		cmocka_unit_test(native),  cmocka_unit_test(ulimits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
