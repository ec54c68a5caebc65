/* SPDX-License-Identifier: Apache-2.0 */
/* whittle explain IMAGE PATH…: why a path is in a pruned image, or that it went. */
#include "cli/cli.h"
#include "evidence/evidence.h"

#include <errno.h>

struct flags {
	const char *root, *platform;
	bool rules, risk;
};

static const struct wh_option options[] = {
	{"platform", 0, WH_OPT_TEXT, offsetof(struct flags, platform), "OS/ARCH",
	 "Which image of several (default: this machine's)", NULL},
	{"rules", 0, WH_OPT_FLAG, offsetof(struct flags, rules), NULL,
	 "Print the closure rules: what PRUNE keeps beyond what was seen, on what evidence, and why", NULL},
	{"risk", 0, WH_OPT_FLAG, offsetof(struct flags, risk), NULL,
	 "Print how often a test that nobody has written yet is to be expected to fail, and why", NULL},
	{"root", 0, WH_OPT_TEXT, offsetof(struct flags, root), "DIR", "The store (as for build)", NULL},
	{0},
};

static int report_of(struct wh_store *s, const struct wh_artifacts *list, const char *ref, json_t **ret, struct wh_err **err)
{
	WH_AUTO_JSON json_t *predicate = wh_predicate_find(s, list, WH_PREDICATE_REPORT);

	*ret = json_incref(json_object_get(predicate, "report"));
	if (*ret)
		return 0;
	wh_err_set(err, "cli", WH_ERR_USAGE, ENODATA, "%s has no prune report", ref);
	wh_err_hint(err, "images that PRUNE made have one; copies made by tools that leave referrers behind do not");
	return -ENODATA;
}

static int explain(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	WH_CLEANUP(wh_artifacts_release) struct wh_artifacts artifacts = {0};
	WH_AUTO_JSON json_t *report = NULL;
	const struct flags *f = flags;
	struct wh_store *s = NULL;
	struct wh_image image = {0};
	struct wh_tree *t = NULL;
	int r;

	if (f->rules)
		wh_explain_rules(out);
	if (f->rules && !args->n)
		return 0;
	if (args->n < (f->risk ? 1 : 2))
		return wh_cli_misuse(err, "whittle explain wants an image and a path");
	r = wh_cli_image_open(args->v[0], f->root, f->platform, &s, &image, err);

	if (r == 0)
		r = wh_cli_image_artifacts(args->v[0], s, &image, &artifacts, err);
	if (r == 0)
		r = report_of(s, &artifacts, args->v[0], &report, err);
	if (r == 0)
		r = wh_tree_open(s, image.layers, image.n_layers, &t, err);
	if (r == 0 && wh_json_str(report, "emulated"))
		wh_buf_addf(out, "note: what was observed ran under an emulator of %s\n", wh_json_str(report, "emulated"));
	if (r == 0 && f->risk)
		wh_risk_explain(json_object_get(report, "risk"), out);
	for (size_t i = 1; i < args->n && r == 0; i++)
		r = wh_explain(report, t, args->v[i], out, err);
	if (t)
		wh_tree_close(t);
	wh_image_release(&image);
	if (s)
		wh_store_close(s);
	return r;
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, explain);
}

const struct wh_command wh_cmd_explain = {
	.name = "explain",
	.args = "IMAGE PATH…",
	.summary = "Say why a path is in a pruned image, or that it was removed",
	.about = "Reads the prune report that comes with the image. IMAGE is a name in the store, oci:DIR[:TAG] or\n"
		 "oci-layout://DIR[:TAG].",
	.examples = "  whittle explain shop:1.4 /usr/lib/x86_64-linux-gnu/libz.so.1\n"
		    "  whittle explain oci:./out:latest /bin/sh\n"
		    "  whittle explain shop:1.4 --risk\n"
		    "  whittle explain --rules",
	.options = options,
	.max_args = 64,
	.args_wanted = "an image and a path",
	.run = run,
};
