/* SPDX-License-Identifier: Apache-2.0 */
/* What a run on the pruned tree missed, who looked for it, and what stays away all the same. */
#include "tests/unit/harden_helper.h"

static const char *const full[] = {"d a 755\nl a/nowhere gone\nd a/real 755\nf a/real/f 644 x\nl a/way real\n"
				   "d b 755\nf b/other 644 x\nf b/there 644 x\nf bash 755 shell\n",
				   NULL};
static const char *const pruned[] = {"d a 755\nd b 755\nf b/there 644 x\n", NULL};
static const char log_text[] = LOG_BEGIN "M\tstart\n"
					 "P\t1\t0\t/x\t-\n"
					 "N\tr\t1\t/a/way/f\n" /* through a link that is gone, too */
					 "M\tserve\n"
					 "M\ttest\\x20one\\x20two\n"
					 "P\t2\t1\t/y\t/s\n"
					 "N\ts\t2\t/a/way/f\n"   /* twice */
					 "N\tk\t2\t/a/nowhere\n" /* a link that leads nowhere */
					 "N\tr\t1\t/b/there\n"   /* hidden by a mount, or removed by the run */
					 "M\ttest\n"
					 "N\trc\t0\t/b/other\n" /* made anew where the full image has one */
					 "N\tr\t1\t/b/never\n"
					 "M\tstop\n"
					 "N\tx\t2\t/bash\n"
					 "A\tr\t1\t/a/real/f\n"; /* not even an end */

static void lines_of(struct grove *f, struct grove *p, const struct wh_prune_opts *o, const char *text, struct wh_buf *b)
{
	struct wh_obs_log log = {.name = "application", .data = text, .len = strlen(text)};
	struct wh_repairs found = {0};
	struct wh_err *err = NULL;

	assert_ok(wh_repairs_find(f->tree, p->tree, o, &log, 1, &found, &err), err);
	for (size_t i = 0; i < found.n; i++) {
		const struct wh_unforeseen *u = &found.v[i];
		WH_AUTO_JSON json_t *json = wh_unforeseen_json(u);

		assert_string_equal(wh_json_str(json, "path"), u->path);
		wh_buf_addf(b, "%s: %s %s, %s %s, %x: %s%s\n", u->path, u->program ? u->program : "-",
			    u->script ? u->script : "-", u->phase ? u->phase : "-", u->test ? u->test : "-", u->access,
			    u->withheld ? u->withheld : "-", u->is_shell ? "!" : "");
	}
	wh_repairs_release(&found);
}

static void test_missed(void **state)
{
	static const char *const drop[] = {"/b/**", NULL};
	static const struct {
		struct wh_prune_opts o;
		const char *lines;
	} cases[] = {
		{{0},
		 "a/nowhere: y s, serve one two, 100: -\n"
		 "a/real/f: x -, start -, 9: -\n"
		 "a/way: x -, start -, 100: -\n"
		 "b/other: - -, serve -, 21: -\n"
		 "bash: y s, stop -, 4: a shell!\n"},
		{{.drop = drop, .keep_shell = true},
		 "a/nowhere: y s, serve one two, 100: -\n"
		 "a/real/f: x -, start -, 9: -\n"
		 "a/way: x -, start -, 100: -\n"
		 "b/other: - -, serve -, 21: --drop=/b/**\n"
		 "bash: y s, stop -, 4: -\n"},
	};
	struct grove f, p;

	(void)state;
	grove_open(&f, full);
	grove_open(&p, pruned);
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

		lines_of(&f, &p, &cases[i].o, log_text, &b);
		assert_string_equal(b.p, cases[i].lines);
	}
	grove_close(&p);
	grove_close(&f);
}

/* Logs that were cut anywhere, or are none, give less, never an error. */
static void test_cut(void **state)
{
	struct grove f, p;

	(void)state;
	grove_open(&f, full);
	grove_open(&p, pruned);
	for (size_t n = 0; n < sizeof(log_text); n += 3) {
		WH_AUTO_FREE char *text = wh_strndup(log_text, n);
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

		lines_of(&f, &p, &(struct wh_prune_opts){0}, text, &b);
	}
	grove_close(&p);
	grove_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missed),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
