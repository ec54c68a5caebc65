/* SPDX-License-Identifier: Apache-2.0 */
/* Where two runs first differ, and in which words. */
#include "tests/unit/harden_helper.h"

static const char *const full[] = {"d b 755\nf b/app 755 app\nf b/su 4755 su\nf b/tool 755 tool\nd e 755\nf e/x 644 x\nf e/y 644 y\n"
				   "d l 755\nf l/1 644 1\nf l/2 644 2\nf list 644 long\n",
				   NULL};
static const char *const pruned[] = {
	"d b 755\nf b/app 755 app\nf b/su 755 su\nd e 755\nf e/y 644 y\nd l 755\nf l/1 644 1\nf list 644 cut\n", NULL};

#define APP "P 1 0 /b/app -\n"
#define HEAD "the first difference seen between the run on the full image and this one, in each process:\n"
#define NONE "no difference was seen between what the application used in the full image and here"

static char *log_of(const char *records)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	wh_buf_adds(&b, "whittle-observation 1\n");
	for (; *records; records++)
		wh_buf_addc(&b, *records == ' ' ? '\t' : *records);
	wh_buf_adds(&b, "E\t1\t0\n");
	return wh_buf_take(&b);
}

static const struct {
	const char *before[2], *after, *text;
} cases[] = {
	{{APP "A r 1 /e/y\n"}, APP "A r 1 /e/y\n", NONE},
	{{APP "A r 1 /e/y\nA r 1 /e/x\n"},
	 APP "A r 1 /e/y\nN r 1 /e/x\n",
	 HEAD "  /b/app opened /e/x in the full image; here it looked for it in vain"},
	{{APP "A r 1 /e/y\n"},
	 APP "A r 1 /e/y\nN s 1 /e/x\n",
	 HEAD "  /b/app looked for /e/x here in vain; in the full image it did not look for it"},
	{{APP "A r 1 /e/y\nA r 1 /e/x\n"},
	 APP "A r 1 /e/y\n",
	 HEAD "  /b/app opened /e/x in the full image; here it did not: the last new thing that it did here is that it opened /e/y"},
	{{APP "A x 1 /b/tool\nP 2 1 /b/tool /s\nA r 2 /e/x\n"},
	 APP "A l 1 /l\n",
	 HEAD "  /b/app listed /l here; in the full image it did not, but executed /b/tool"},
	{{APP "P 2 1 /b/tool /s\nA r 2 /e/x\n"},
	 APP "P 2 1 /b/su -\n",
	 HEAD "  /b/app ran /b/su here; in the full image it did not, but ran /b/tool (script /s)"},
	/* the same call, another answer */
	{{APP "A l 1 /l\nA r 1 /list\nA x 1 /b/su\n"},
	 APP "A l 1 /l\nA r 1 /list\nA x 1 /b/su\n",
	 HEAD "  /b/app listed /l, of whose 2 entries 1 went: 2 (--keep=/l/** keeps them)\n"
	      "  /b/app opened /list, which the prune cut to what stays\n"
	      "  /b/app executed /b/su, whose set-id bit went: --setuid=/b/su keeps it"},
	/* names that are made up at run time come last, and only when nothing else differs */
	{{APP "N c 1 /t/1\nA w 1 /t/1\nA r 1 /e/y\n"}, APP "N c 1 /t/2\nA w 1 /t/2\nA r 1 /e/y\nN r 1 /e/x\n",
	 HEAD "  /b/app looked for /e/x here in vain; in the full image it did not look for it"},
	{{APP "A r 1 /e/y\nA w 1 /t/1\n"},
	 APP "A r 1 /e/y\n",
	 HEAD "  /b/app opened for writing /t/1 in the full image; here it did not: the last new thing that it did here is that it opened /e/y"},
	{{APP "A r 1 /proc/12/stat\nA r 1 /dev/null\n"}, APP "A r 1 /proc/13/stat\n", NONE},
	/* what only one of several runs did is no difference */
	{{APP "A r 1 /e/y\nA r 1 /e/x\n", APP "A r 1 /e/y\n"}, APP "A r 1 /e/y\n", NONE},
	{{APP "A r 1 /e/y\nA r 1 /e/x\n", APP "A r 1 /e/x\n"},
	 APP "P 2 1 /b/tool -\n",
	 HEAD "  /b/app ran /b/tool here; in the full image it did not, but opened /e/x"},
	{{APP}, "", NONE},
};

static void test_cases(void **state)
{
	struct grove f, p;

	(void)state;
	grove_open(&f, full);
	grove_open(&p, pruned);
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
		struct wh_obs_log before[2], after;
		struct wh_err *err = NULL;
		char *texts[3] = {NULL, NULL, log_of(cases[i].after)};
		size_t n = 0;

		for (; n < 2 && cases[i].before[n]; n++) {
			texts[n] = log_of(cases[i].before[n]);
			before[n] = (struct wh_obs_log){.name = "application", .data = texts[n], .len = strlen(texts[n]),
							.run = (unsigned)n};
		}
		after = (struct wh_obs_log){.name = "application", .data = texts[2], .len = strlen(texts[2])};
		assert_ok(wh_diverge(f.tree, p.tree, before, n, &after, 1, &out, &err), err);
		if (!wh_streq(out.p, cases[i].text))
			print_message("case %zu\n", i);
		assert_string_equal(out.p, cases[i].text);
		for (n = 0; n < 3; n++)
			free(texts[n]);
	}
	grove_close(&p);
	grove_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
