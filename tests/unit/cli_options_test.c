/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"
#include "tests/unit/test.h"

#define AT(f) offsetof(struct opts, f)

struct opts {
	bool quiet, force;
	const char *file, *mode;
	struct wh_strv tags;
	unsigned jobs;
};

static const char *const modes[] = {"fast", "slow", NULL};
static const struct wh_option table[] = {
	{"quiet", 'q', WH_OPT_FLAG, AT(quiet), NULL, "Be quiet", NULL},
	{"force", 'F', WH_OPT_FLAG, AT(force), NULL, "Force", NULL},
	{"file", 'f', WH_OPT_TEXT, AT(file), "FILE", "A file", NULL},
	{"tag", 't', WH_OPT_LIST, AT(tags), "TAG", "Tags,\nmany", NULL},
	{"mode", 0, WH_OPT_TEXT, AT(mode), "MODE", "A mode", modes},
	{"jobs", 'j', WH_OPT_COUNT, AT(jobs), "N", "Jobs", NULL},
	{"push", 0, WH_OPT_LATER_FLAG, 0, NULL, NULL, NULL},
	{0},
};
static const struct wh_command cmd = {
	.name = "try",
	.args = "DIR",
	.summary = "Try",
	.options = table,
	.min_args = 1,
	.max_args = 2,
	.args_wanted = "one or two directories",
};
/* main.c has the real one. */
const struct wh_command *const wh_commands[] = {&cmd, NULL};

/* Words are separated by blanks. want: what came out as text, or "!" and a part of the message. */
static const struct {
	const char *words, *want;
} rows[] = {
	{"a", "q0 F0 f- m- j0 t[] a[a]"},
	{"-q a", "q1 F0 f- m- j0 t[] a[a]"},
	{"-qF a", "q1 F1 f- m- j0 t[] a[a]"},
	{"--quiet=false -q=true a", "q1 F0 f- m- j0 t[] a[a]"},
	{"--quiet --quiet=0 a", "q0 F0 f- m- j0 t[] a[a]"},
	{"--file x a", "q0 F0 fx m- j0 t[] a[a]"},
	{"--file=x --file=y a", "q0 F0 fy m- j0 t[] a[a]"},
	{"-fx a", "q0 F0 fx m- j0 t[] a[a]"},
	{"-f=x a", "q0 F0 fx m- j0 t[] a[a]"},
	{"-qfx=y a", "q1 F0 fx=y m- j0 t[] a[a]"},
	{"-qf x a", "q1 F0 fx m- j0 t[] a[a]"},
	{"-f - a", "q0 F0 f- m- j0 t[] a[a]"},
	{"a -t 1 b --tag 2 -t3", "q0 F0 f- m- j0 t[1,2,3] a[a,b]"},
	{"-- -q", "q0 F0 f- m- j0 t[] a[-q]"},
	{"- a", "q0 F0 f- m- j0 t[] a[-,a]"},
	{"--mode slow -j 7 a", "q0 F0 f- mslow j7 t[] a[a]"},
	{"--help --nonsense", "help"},
	{"-h", "help"},
	{"--push=false a", "q0 F0 f- m- j0 t[] a[a]"},
	{"", "!whittle try: one or two directories wanted, 0 given"},
	{"a b c", "!3 given"},
	{"--fiel x a", "!unknown option --fiel; did you mean --file?"},
	{"--nonsense a", "!unknown option --nonsense; see whittle try --help"},
	{"--pus a", "!unknown option --pus; see"},
	{"-x a", "!unknown option -x;"},
	{"-qx a", "!unknown option -x in -qx"},
	{"a --file", "!--file needs a value: --file FILE"},
	{"a -f", "!-f needs a value"},
	{"--quiet=perhaps a", "!--quiet takes true or false, not \"perhaps\""},
	{"--mode=medium a", "!--mode is fast or slow, not \"medium\""},
	{"-j 0 a", "!--jobs takes a number"},
	{"-j many a", "!--jobs takes a number"},
	{"-j 65536 a", "!--jobs takes a number"},
	{"--push a", "!--push is not supported yet"},
};

static void add_list(struct wh_buf *b, const struct wh_strv *l)
{
	for (size_t i = 0; i < l->n; i++)
		wh_buf_addf(b, "%s%s", i ? "," : "", l->v[i]);
}

static void parses(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		WH_AUTO_FREE char *line = wh_strdup(rows[i].words);
		WH_AUTO_ERR struct wh_err *err = NULL;
		WH_AUTO_STRV struct wh_strv args = {0};
		WH_AUTO_BUF struct wh_buf got = WH_BUF_INIT;
		struct opts o = {0};
		char *argv[16], *save = NULL;
		int argc = 0;
		bool help = false;

		argv[argc++] = line; /* unused */
		for (char *w = strtok_r(line, " ", &save); w; w = strtok_r(NULL, " ", &save))
			argv[argc++] = w;
		if (wh_options_parse(&cmd, argc, argv, &o, &args, &help, &err) < 0) {
			assert_non_null(err);
			assert_int_equal(wh_err_exit_code(err), 2);
			if (rows[i].want[0] != '!' || !strstr(err->msg, rows[i].want + 1))
				fail_msg("\"%s\": %s", rows[i].words, err->msg);
		} else if (help) {
			assert_string_equal(rows[i].want, "help");
		} else {
			wh_buf_addf(&got, "q%d F%d f%s m%s j%u t[", o.quiet, o.force, o.file ? o.file : "-",
				    o.mode ? o.mode : "-", o.jobs);
			add_list(&got, &o.tags);
			wh_buf_adds(&got, "] a[");
			add_list(&got, &args);
			wh_buf_adds(&got, "]");
			assert_string_equal(got.p, rows[i].want);
		}
		wh_options_release(&cmd, &o);
	}
}

static void helps(void **state)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	(void)state;
	wh_options_help(&cmd, &out);
	assert_non_null(strstr(out.p, "Usage: whittle try [OPTIONS] DIR\n"));
	assert_non_null(strstr(out.p, "  -q, --quiet                     Be quiet\n"));
	assert_non_null(strstr(out.p, "  -t, --tag TAG                   Tags,\n"
				      "                                  many\n"));
	assert_null(strstr(out.p, "--push"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses),
		cmocka_unit_test(helps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
