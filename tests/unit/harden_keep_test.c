/* SPDX-License-Identifier: Apache-2.0 */
/* Which rule keeps what. */
#include "tests/unit/harden_helper.h"

#include <errno.h>

/* A small merged-/usr system. Contents are texts: what needs real ELF files is in harden_elf_test. */
static const char *const lower = "l bin usr/bin\n"
				 "d dev 755\n"
				 "d etc 755\n"
				 "d etc/alternatives 755\n"
				 "l etc/alternatives/sh /bin/dash\n"
				 "f etc/group 644 root:x:0:\n"
				 "l etc/localtime /usr/share/zoneinfo/UTC\n"
				 "l etc/os-release ../usr/lib/os-release\n"
				 "f etc/passwd 644 root:x:0:0::/:/bin/sh\n"
				 "d home 755\n"
				 "d home/app 750\n"
				 "l lib usr/lib\n"
				 "d tmp 1777\n"
				 "d usr 755\n"
				 "d usr/bin 755\n"
				 "f usr/bin/dash 755 shell\n"
				 "f usr/bin/env 755 env\n"
				 "f usr/bin/python3 755 python\n"
				 "l usr/bin/sh dash\n"
				 "f usr/bin/tool 755 tool\n"
				 "d usr/lib 755\n"
				 "f usr/lib/data 644 data\n"
				 "f usr/lib/os-release 644 ID=test\n"
				 "f usr/lib/unused 644 data\n"
				 "d usr/share 755\n"
				 "d usr/share/zoneinfo 755\n"
				 "d usr/share/zoneinfo/Asia 755\n"
				 "f usr/share/zoneinfo/Asia/Tokyo 644 tokyo\n"
				 "f usr/share/zoneinfo/UTC 644 utc\n"
				 "d var 755\n"
				 "d var/log 755\n";
static const char *const upper = "d opt 755\n"
				 "f opt/app 755 #!/usr/bin/env python3\n"
				 "f opt/copy 755 shell\n"
				 "f opt/main.py 644 #!/usr/bin/tool\n"
				 "f opt/run 755 #!/bin/sh\n";

#define START "P 1 0 /opt/app -\n"
struct wanted {
	const char *records, *config;
	const char *const *keep, *const *drop;
	const char *kept; /* "rule path" lines in order of path, without base and parents */
	bool keep_shell;
	const char *removed; /* "path" lines of shells_removed beyond those of every case, NULL: not looked at */
};

static char *without_base(const char *lines)
{
	struct wh_buf b = WH_BUF_INIT;

	while (*lines) {
		size_t n = strcspn(lines, "\n");

		if (strncmp(lines, "base ", 5) != 0 && strncmp(lines, "symlink etc/localtime", n) != 0 &&
		    strncmp(lines, "symlink etc/os-release", n) != 0)
			wh_buf_add(&b, lines, n + 1);
		lines += n + 1;
	}
	wh_buf_adds(&b, "");
	return wh_buf_take(&b);
}

static json_t *config_of(const char *text)
{
	struct wh_err *err = NULL;
	json_t *j = NULL;

	if (text)
		assert_ok(wh_json_parse(text, strlen(text), "config", &j, &err), err);
	return j;
}

static int decide(struct grove *g, const struct wanted *w, struct wh_keep **ret, struct wh_err **err)
{
	WH_AUTO_JSON json_t *profile = profile_of(g->tree, w->records), *config = config_of(w->config);
	const json_t *profiles[] = {profile};
	struct wh_prune_opts o = {.keep = w->keep,
				  .drop = w->drop,
				  .keep_shell = w->keep_shell,
				  .config = config,
				  .profiles = profiles,
				  .n_profiles = 1};

	return wh_keep_decide(g->tree, &o, ret, err);
}

static json_t *report_of(struct grove *g, const struct wh_keep *k)
{
	struct wh_layer_opts lo = WH_LAYER_OPTS_INIT;
	struct wh_layer l = {0};
	struct wh_err *err = NULL;
	json_t *report = NULL;

	lo.threads = 1;
	assert_ok(wh_prune_write(g->bed.store, g->tree, k, &lo, &l, &report, &err), err);
	wh_layer_release(&l);
	return report;
}

static void test_rules(void **state)
{
	const struct wanted cases[] = {
		/* a script through env: the program that env starts, and env */
		{.records = START "A r 1 /opt/app\n",
		 .kept = "observed opt/app\nscript usr/bin/env\nscript usr/bin/python3\n"},
		/* a file that cannot be executed has no interpreter */
		{.records = START "A r 1 /opt/main.py\n", .kept = "observed opt/main.py\n"},
		/* links lead on */
		{.records = START "A k 1 /etc/localtime\n",
		 .kept = "observed etc/localtime\nsymlink usr/share/zoneinfo/UTC\n"},
		/* a directory alone */
		{.records = START "A l 1 /usr/share/zoneinfo\n", .kept = "observed usr/share/zoneinfo\n"},
		/* where something was made, and what was made over something that is there */
		{.records = START "N c 1 /var/log/x/y\nA w 1 /usr/lib/data\n",
		 .kept = "observed usr/lib/data\nobserved var/log\n"},
		/* missing things keep nothing */
		{.records = START "N r 1 /usr/lib/none\nN r 1 /home/none\n", .kept = ""},
		/* a script whose shell goes stays */
		{.records = START "A r 1 /opt/run\n", .kept = "observed opt/run\n"},
		/* a shell, a link to one and a copy of one that were looked at go */
		{.records =
			 START "A s 1 /usr/bin/dash\nA k 1 /usr/bin/sh\nA s 1 /opt/copy\nA k 1 /etc/alternatives/sh\n",
		 .kept = "",
		 .removed = "etc/alternatives/sh\nopt/copy\nusr/bin/dash\nusr/bin/sh\n"},
		{.records = START "A k 1 /usr/bin/sh\nA x 1 /opt/run\n",
		 .keep_shell = true,
		 .kept = "symlink bin\nobserved opt/run\nsymlink usr/bin/dash\nobserved usr/bin/sh\n"},
		/* config */
		{.records = START,
		 .config = "{\"Entrypoint\":[\"tool\"],\"Cmd\":[\"python3\"],\"WorkingDir\":\"/home/app\"}",
		 .kept = "config home/app\nconfig usr/bin/tool\n"},
		{.records = START,
		 .config = "{\"Entrypoint\":null,\"Cmd\":[\"./app\"],\"WorkingDir\":\"/opt\"}",
		 .kept = "config opt\nconfig opt/app\nscript usr/bin/env\nscript usr/bin/python3\n"},
		{.records = START,
		 .config = "{\"Cmd\":[\"/bin/tool\"],\"Volumes\":{\"/var/log\":{},\"/none\":{}}}",
		 .kept = "symlink bin\nconfig usr/bin/tool\nconfig var/log\n"},
		{.records = START,
		 .config = "{\"Cmd\":[\"/usr/bin/tool\"],\"Volumes\":{\"/usr/share/zoneinfo\":{}}}",
		 .kept = "config usr/bin/tool\nconfig usr/share/zoneinfo\nconfig usr/share/zoneinfo/Asia\n"
			 "config usr/share/zoneinfo/Asia/Tokyo\nconfig usr/share/zoneinfo/UTC\n"},
		{.records = START,
		 .config =
			 "{\"Cmd\":[\"app\"],\"Env\":[\"PATH=/usr/bin:/opt\"],\"Healthcheck\":{\"Test\":[\"CMD\",\"tool\",\"x\"]}}",
		 .kept = "config opt/app\nscript usr/bin/env\nscript usr/bin/python3\nconfig usr/bin/tool\n"},
		/* --keep: below a directory, through a link, a link itself */
		{.records = START,
		 .keep = (const char *const[]){"/usr/share/zoneinfo/**", NULL},
		 .kept = "keep usr/share/zoneinfo/Asia\nkeep usr/share/zoneinfo/Asia/Tokyo\nkeep usr/share/zoneinfo/UTC\n"},
		{.records = START,
		 .keep = (const char *const[]){"/lib/un*", NULL},
		 .kept = "keep lib\nkeep usr/lib/unused\n"},
		{.records = START,
		 .keep = (const char *const[]){"/usr/lib/unused", "/etc/localtime", NULL},
		 .kept = "keep etc/localtime\nkeep usr/lib/unused\nsymlink usr/share/zoneinfo/UTC\n"},
		/* --keep brings no shell back */
		{.records = START,
		 .keep = (const char *const[]){"/usr/bin/*", NULL},
		 .kept = "keep usr/bin/env\nkeep usr/bin/python3\nkeep usr/bin/tool\n"},
		/* --drop takes from --keep */
		{.records = START,
		 .keep = (const char *const[]){"/usr/share/zoneinfo", NULL},
		 .drop = (const char *const[]){"/usr/share/zoneinfo/Asia", NULL},
		 .kept = "keep usr/share/zoneinfo\nkeep usr/share/zoneinfo/UTC\n"},
	};
	const char *const specs[] = {lower, upper, NULL};
	struct wh_err *err = NULL;
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_FREE char *lines = NULL, *kept = NULL;
		WH_AUTO_JSON json_t *report = NULL;
		struct wh_keep *k = NULL;

		print_message("%zu: %s", i, cases[i].records);
		assert_ok(decide(&g, &cases[i], &k, &err), err);
		report = report_of(&g, k);
		lines = kept_lines(report, false);
		kept = without_base(lines);
		assert_string_equal(kept, cases[i].kept);
		if (cases[i].removed) {
			const json_t *list = json_object_get(report, "shells_removed");
			WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

			for (size_t n = 0; n < json_array_size(list); n++)
				wh_buf_addf(&b, "%s\n", json_string_value(json_array_get(list, n)));
			assert_string_equal(b.p, cases[i].removed);
			assert_int_equal(wh_json_int(json_object_get(report, "before"), "shells", -1), 4);
			assert_int_equal(wh_json_int(json_object_get(report, "after"), "shells", -1), 0);
		}
		wh_keep_free(k);
	}
	grove_close(&g);
}

static void test_base(void **state)
{
	const char *const specs[] = {lower, upper, NULL};
	const struct wanted w = {.records = START "A r 1 /usr/lib/data\n"};
	WH_AUTO_FREE char *lines = NULL;
	WH_AUTO_JSON json_t *report = NULL;
	struct wh_keep *k = NULL;
	struct wh_err *err = NULL;
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	assert_ok(decide(&g, &w, &k, &err), err);
	report = report_of(&g, k);
	lines = kept_lines(report, true);
	/* lib leads to what stays; nothing that bin leads to does. */
	assert_string_equal(
		lines,
		"base dev\nparent etc\nbase etc/group\nsymlink etc/localtime\nsymlink etc/os-release\nbase etc/passwd\n"
		"base home\nbase lib\nbase opt\nbase tmp\nparent usr\nparent usr/lib\nobserved usr/lib/data\nbase usr/lib/os-release\n"
		"parent usr/share\nparent usr/share/zoneinfo\nbase usr/share/zoneinfo/UTC\nparent var\nbase var/log\n");
	wh_keep_free(k);
	grove_close(&g);
}

static void test_refused(void **state)
{
	const struct {
		struct wanted w;
		int status;
		enum wh_err_class class;
		const char *message, *hint;
	} cases[] = {
		{{.records = "P 1 0 /opt/app -\nP 2 1 /usr/bin/dash /opt/run\nA x 2 /usr/bin/dash\n"},
		 WH_STATUS_SHELL,
		 WH_ERR_BUILD,
		 "application: /opt/app ran /usr/bin/dash (script /opt/run)",
		 "--shell=keep"},
		{{.records = "P 1 0 /usr/bin/dash /opt/run\n"},
		 WH_STATUS_SHELL,
		 WH_ERR_BUILD,
		 "application: starts as /usr/bin/dash (script /opt/run)",
		 "the image starts the script /opt/run"},
		{{.records = "P 1 0 /usr/bin/dash -\n", .config = "{\"Cmd\":[\"/bin/sh\",\"-c\",\"x\"]}"},
		 WH_STATUS_SHELL,
		 WH_ERR_BUILD,
		 "application: starts as /usr/bin/dash",
		 "write CMD ["},
		/* what the image would start, whatever was started under the tests */
		{{.records = START, .config = "{\"Entrypoint\":[\"/bin/sh\",\"-c\",\"tool\"]}"},
		 WH_STATUS_SHELL,
		 WH_ERR_BUILD,
		 "the image's ENTRYPOINT needs one: /bin/sh is a shell",
		 "--start"},
		{{.records = START, .config = "{\"Entrypoint\":[\"/opt/run\"]}"},
		 WH_STATUS_SHELL,
		 WH_ERR_BUILD,
		 "the image's ENTRYPOINT needs one: /opt/run is a script for /bin/sh",
		 "--shell=keep"},
		{{.records = START, .config = "{\"Healthcheck\":{\"Test\":[\"CMD\",\"/opt/run\"]}}"},
		 WH_STATUS_SHELL,
		 WH_ERR_BUILD,
		 "the image's HEALTHCHECK CMD needs one: /opt/run",
		 "--shell=keep"},
		{{.records = START, .keep = (const char *const[]){"/bin/sh", NULL}},
		 0,
		 WH_ERR_USAGE,
		 "--keep=/bin/sh is a shell",
		 "--shell=keep"},
		/* a shell under another name */
		{{.records = "P 1 0 /opt/app -\nP 2 1 /opt/copy -\n"},
		 WH_STATUS_SHELL,
		 WH_ERR_BUILD,
		 "/opt/app ran /opt/copy",
		 "--shell=keep"},
		{{.records = START "A r 1 /usr/lib/data\n", .drop = (const char *const[]){"/usr/lib/d*", NULL}},
		 0,
		 WH_ERR_USAGE,
		 "--drop=/usr/lib/d* would take away /usr/lib/data, which /opt/app was seen to use",
		 "narrow"},
		{{.records = START "A r 1 /usr/lib/data\n", .drop = (const char *const[]){"/none", "/lib/**", NULL}},
		 0,
		 WH_ERR_USAGE,
		 "--drop=/lib/** would take away /usr/lib/data",
		 "narrow"},
		{{.records = START "A r 1 /opt/app\n", .drop = (const char *const[]){"/usr/bin/python3", NULL}},
		 0,
		 WH_ERR_USAGE,
		 "--drop=/usr/bin/python3 would take away /usr/bin/python3, which /opt/app needs (rule \"script\")",
		 "narrow"},
		{{.records = START, .keep = (const char *const[]){"/none/**", NULL}},
		 0,
		 WH_ERR_USAGE,
		 "--keep=/none/** matches nothing in the image",
		 "absolute"},
		{{.records = START, .keep = (const char *const[]){"usr/**", NULL}},
		 0,
		 WH_ERR_USAGE,
		 "begins with a slash",
		 NULL},
		{{.records = START, .keep = (const char *const[]){"/a[", NULL}}, 0, WH_ERR_USAGE, "syntax error", NULL},
	};
	const char *const specs[] = {lower, upper, NULL};
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct wh_keep *k = NULL;

		assert_true(decide(&g, &cases[i].w, &k, &err) < 0);
		assert_null(k);
		assert_non_null(err);
		print_message("%s (%s)\n", err->msg, err->hint ? err->hint : "");
		assert_int_equal(err->status, cases[i].status);
		assert_int_equal(err->class, cases[i].class);
		assert_non_null(strstr(err->msg, cases[i].message));
		if (cases[i].hint)
			assert_non_null(strstr(err->hint, cases[i].hint));
	}
	grove_close(&g);
}

/* No profile, and one of another image. */
static void test_wrong_profiles(void **state)
{
	const char *const specs[] = {lower, upper, NULL}, *const other[] = {"f elsewhere 644 x\n", NULL};
	struct wh_prune_opts o = {.n_profiles = 0};
	WH_AUTO_ERR struct wh_err *err = NULL, *err2 = NULL;
	WH_AUTO_JSON json_t *foreign = NULL;
	const json_t *profiles[1];
	struct wh_keep *k = NULL;
	struct grove g, h;

	(void)state;
	grove_open(&g, specs);
	grove_open(&h, other);
	assert_true(wh_keep_decide(g.tree, &o, &k, &err) < 0);
	assert_int_equal(err->class, WH_ERR_USAGE);
	foreign = profile_of(h.tree, START "A r 1 /elsewhere\n");
	profiles[0] = foreign;
	o = (struct wh_prune_opts){.profiles = profiles, .n_profiles = 1};
	assert_true(wh_keep_decide(g.tree, &o, &k, &err2) < 0);
	assert_non_null(strstr(err2->msg, "/elsewhere"));
	grove_close(&h);
	grove_close(&g);
}

static void test_repairs(void **state)
{
	const char *const specs[] = {lower, upper, NULL};
	struct wh_strv repairs = {0};
	WH_AUTO_JSON json_t *report = NULL, *profile = NULL;
	WH_AUTO_FREE char *lines = NULL;
	const json_t *profiles[1];
	struct wh_keep *k = NULL;
	struct wh_err *err = NULL;
	struct wh_prune_opts o;
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	wh_strv_add(&repairs, "usr/lib/unused");
	wh_strv_add(&repairs, "usr/bin/dash"); /* no way back for a shell */
	profile = profile_of(g.tree, START "A r 1 /usr/lib/data\n");
	profiles[0] = profile;
	o = (struct wh_prune_opts){.profiles = profiles, .n_profiles = 1, .repairs = &repairs};
	assert_ok(wh_keep_decide(g.tree, &o, &k, &err), err);
	report = report_of(&g, k);
	lines = kept_lines(report, false);
	assert_non_null(strstr(lines, "\nrepair usr/lib/unused\n"));
	assert_null(strstr(lines, "dash"));
	assert_int_equal(json_array_size(json_object_get(report, "repaired")), 1);
	wh_keep_free(k);
	wh_strv_release(&repairs);
	grove_close(&g);
}

/* glibc's libraries, as far as names tell. */
static void test_glibc_linker(void **state)
{
	static const char *const specs[] = {
		"d etc 755\nf etc/ld.so.cache 644 x\nf etc/ld.so.preload 644 /lib/extra.so\n"
		"d lib 755\nf lib/extra.so 644 x\nf lib/ld-linux-x86-64.so.2 755 x\nf lib/libc.so.6 755 x\nf lib/other 644 x\n",
		NULL};
	static const struct {
		const char *records, *kept;
	} cases[] = {
		{START "A r 1 /lib/other\n", "observed lib/other\n"},
		{START "A r 1 /lib/libc.so.6\nA r 1 /lib/ld-linux-x86-64.so.2\n",
		 "elf etc/ld.so.cache\nelf etc/ld.so.preload\nelf lib/extra.so\nobserved lib/ld-linux-x86-64.so.2\n"
		 "observed lib/libc.so.6\n"},
	};
	struct wh_err *err = NULL;
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		const struct wanted w = {.records = cases[i].records};
		WH_AUTO_JSON json_t *report = NULL;
		WH_AUTO_FREE char *lines = NULL;
		struct wh_keep *k = NULL;

		assert_ok(decide(&g, &w, &k, &err), err);
		report = report_of(&g, k);
		lines = kept_lines(report, false);
		assert_string_equal(lines, cases[i].kept);
		wh_keep_free(k);
	}
	grove_close(&g);
}

static void test_shells(void **state)
{
	static const char *const specs[] = {
		"d bin 755\nf bin/bash 755 bash\nf bin/busybox 755 box\nl bin/cat busybox\nh bin/ls bin/busybox\nf bin/mine 755 bash\nl bin/sh /bin/busybox\n"
		"d share 755\nf share/bash 644 completions\nl share/to-bash ../bin/bash\nf share/zsh 755 \n",
		NULL};
	static const struct {
		const char *path;
		bool shell;
	} cases[] = {{"bin/bash", true},   {"bin/busybox", true}, {"bin/cat", true},     {"bin/ls", true},
		     {"bin/mine", true},   {"bin/sh", true},      {"share/bash", false}, {"share/to-bash", true},
		     {"share/zsh", false}, {"share", false},      {"none", false},       {"", false}};
	struct wh_measure m;
	struct wh_err *err = NULL;
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		print_message("%s\n", cases[i].path);
		assert_int_equal(wh_is_shell(g.tree, cases[i].path), cases[i].shell);
	}
	/* names that start one: bash, busybox, mine, sh, to-bash; not cat and ls */
	assert_ok(wh_measure_tree(g.tree, &m, &err), err);
	assert_int_equal(m.shells, 5);
	assert_int_equal(m.files, 6);
	assert_int_equal(m.symlinks, 3);
	assert_int_equal(m.directories, 2);
	assert_int_equal(m.bytes, 4 + 3 + 4 + 11);
	assert_int_equal(m.layers, 1);
	grove_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),          cmocka_unit_test(test_base),    cmocka_unit_test(test_refused),
		cmocka_unit_test(test_wrong_profiles), cmocka_unit_test(test_repairs), cmocka_unit_test(test_glibc_linker),
		cmocka_unit_test(test_shells),
	};

	return cmocka_run_group_tests_name("harden_keep", tests, NULL, NULL);
}
