/* SPDX-License-Identifier: Apache-2.0 */
/* whittle explain IMAGE PATH…: why a path is in a pruned image, or that it went; or the lists of both. */
#include "cli/cli.h"
#include "cli/explain_words.h"
#include "cli/listing.h"
#include "cli/removed.h"
#include "evidence/evidence.h"

#include <errno.h>

#define SCHEMA "https://whittle.dev/schema/explain-1.json"

struct flags {
	const char *root, *platform;
	bool rules, risk, kept, removed, by_package, json;
};

static const struct wh_option options[] = {
	{"kept", 0, WH_OPT_FLAG, offsetof(struct flags, kept), NULL,
	 "List what stayed; with PATHs, what of it is there or below", NULL},
	{"removed", 0, WH_OPT_FLAG, offsetof(struct flags, removed), NULL, "List what went; the same", NULL},
	{"by-package", 0, WH_OPT_FLAG, offsetof(struct flags, by_package), NULL,
	 "Tell how much of each package stayed and went; with --kept or --removed, which files", NULL},
	{"json", 0, WH_OPT_FLAG, offsetof(struct flags, json), NULL, "Print one JSON document (schemas/explain-1.json)",
	 NULL},
	{"platform", 0, WH_OPT_TEXT, offsetof(struct flags, platform), "OS/ARCH",
	 "Which image of several (default: this machine's)", NULL},
	{"rules", 0, WH_OPT_FLAG, offsetof(struct flags, rules), NULL,
	 "Print the closure rules: what PRUNE keeps beyond what was seen, on what evidence, and why", NULL},
	{"risk", 0, WH_OPT_FLAG, offsetof(struct flags, risk), NULL,
	 "Print how often a test that nobody has written yet is to be expected to fail, and why", NULL},
	{"root", 0, WH_OPT_TEXT, offsetof(struct flags, root), "DIR", "The store (as for build)", NULL},
	{0},
};

static int report_of(struct wh_store *s, const struct wh_artifacts *list, const char *ref, json_t **ret,
		     struct wh_err **err)
{
	WH_AUTO_JSON json_t *predicate = wh_predicate_find(s, list, WH_PREDICATE_REPORT);

	if (json_object_get(predicate, "report")) {
		*ret = json_incref(predicate);
		return 0;
	}
	wh_err_set(err, "cli", WH_ERR_USAGE, ENODATA, "%s has no prune report", ref);
	wh_err_hint(err, "images that PRUNE made have one; copies made by tools that leave referrers behind do not");
	return -ENODATA;
}

static int check_flags(const struct flags *f, const struct wh_strv *args, struct wh_err **err)
{
	bool list = f->kept || f->removed || f->by_package;

	if (f->kept && f->removed && !f->by_package)
		return wh_cli_misuse(err, "--kept and --removed are two lists: ask for one, or add --by-package");
	if (args->n < (f->risk || list ? 1 : 2))
		return wh_cli_misuse(err, "whittle explain wants an image and a path");
	return 0;
}

static json_t *image_json(const struct wh_image *i)
{
	char digest[WH_DIGEST_TEXT];
	struct wh_platform p;
	WH_AUTO_FREE char *platform = NULL;
	WH_AUTO_JSON json_t *text = NULL;

	wh_image_platform(i, &p);
	platform = wh_platform_text(&p);
	text = json_string(platform);
	return json_pack("{s:s, s:O*}", "digest", wh_digest_text(&i->manifest, digest), "platform", text);
}

static int fill(struct wh_explained *x, const struct flags *f, const struct wh_strv *args, json_t *doc,
		struct wh_err **err)
{
	const struct wh_explained_want want = {.kept = f->kept, .removed = f->removed};
	json_t *list = NULL, *paths;
	int r = 0;

	if (f->by_package) {
		r = wh_explained_packages(x, &want, args, &list, err);
		json_object_set_new(doc, "packages", list);
	} else if (f->kept || f->removed) {
		r = wh_explained_list(x, f->kept, args, &list, err);
		json_object_set_new(doc, f->kept ? "kept" : "removed", list);
	} else if (args->n) {
		json_object_set_new(doc, "paths", paths = json_array());
		for (size_t i = 0; r == 0 && i < args->n; i++) {
			r = wh_explained_path(x, args->v[i], &list, err);
			if (r == 0)
				json_array_append_new(paths, list);
		}
	}
	return r;
}

/* Names of tests are other people's. */
static void add_risk(const json_t *report, struct wh_buf *out)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	wh_risk_explain(json_object_get(report, "risk"), &text);
	for (const char *p = text.p; p && *p;) {
		size_t n = strcspn(p, "\n");

		wh_text_add_safe(out, p, n);
		wh_buf_addc(out, '\n');
		p += n + (p[n] == '\n');
	}
}

static int answer(const struct flags *f, const struct wh_image *image, const json_t *predicate, struct wh_tree *t,
		  const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	const json_t *report = json_object_get(predicate, "report");
	WH_AUTO_JSON json_t *doc = json_pack("{s:s, s:o}", "$schema", SCHEMA, "image", image_json(image));
	struct wh_explained *x = NULL;
	int r = wh_explained_open(predicate, t, &x, err);

	if (r < 0)
		return r;
	if (wh_json_str(report, "emulated"))
		json_object_set(doc, "emulated", json_object_get(report, "emulated"));
	if (f->rules)
		json_object_set_new(doc, "rules", wh_explain_rules_json());
	if (f->risk)
		json_object_set_new(doc, "risk", wh_explained_risk(x));
	r = fill(x, f, args, doc, err);
	if (r == 0 && f->json) {
		wh_cli_json(doc, 2, out);
	} else if (r == 0) {
		if (f->risk)
			add_risk(report, out);
		wh_explain_say(doc, out);
	}
	wh_explained_close(x);
	if (r == 0 && !wh_buf_ok(out))
		r = wh_err_set(err, "cli", WH_ERR_BUILD, EFBIG, "the answer is beyond all measure");
	return r;
}

static int explain(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	WH_CLEANUP(wh_artifacts_release) struct wh_artifacts artifacts = {0};
	WH_AUTO_STRV struct wh_strv paths = {0};
	WH_AUTO_JSON json_t *predicate = NULL, *restored = NULL;
	const struct flags *f = flags;
	struct wh_store *s = NULL;
	struct wh_image image = {0};
	struct wh_tree *t = NULL;
	int r;

	if (f->rules && !f->json)
		wh_explain_rules(out);
	if (f->rules && !args->n) {
		WH_AUTO_JSON json_t *doc = json_pack("{s:s, s:o}", "$schema", SCHEMA, "rules", wh_explain_rules_json());

		if (f->json)
			wh_cli_json(doc, 2, out);
		return 0;
	}
	r = check_flags(f, args, err);
	if (r < 0)
		return r;
	for (size_t i = 1; i < args->n; i++)
		wh_strv_add(&paths, args->v[i]);
	r = wh_cli_image_open(args->v[0], f->root, f->platform, &s, &image, err);
	if (r == 0)
		r = wh_cli_image_artifacts(args->v[0], s, &image, &artifacts, err);
	if (r == 0)
		restored = wh_predicate_find(s, &artifacts, WH_PREDICATE_RESTORED);
	if (r == 0 && !restored)
		r = report_of(s, &artifacts, args->v[0], &predicate, err);
	if (r == 0)
		r = wh_tree_open(s, image.layers, image.n_layers, &t, err);
	if (r == 0 && restored)
		r = wh_cli_restored_explain(restored, f->json, t, &paths, out, err);
	else if (r == 0)
		r = answer(f, &image, predicate, t, &paths, out, err);
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
	.args = "IMAGE [PATH…]",
	.summary = "Say why a path is in a pruned image, or that it was removed",
	.about =
		"Reads the prune report that comes with the image: by which rule a path stayed, which processes used it, how, in which\n"
		"phases and tests, and whose package it is; or with what it went. PATH may be any path, also one that a run made or\n"
		"looked for, a directory, or a pattern (\"/usr/lib/**/libz*\"; ** stands for any number of directories). IMAGE is a\n"
		"name in the store, oci:DIR[:TAG] or oci-layout://DIR[:TAG].",
	.examples = "  whittle explain shop:1.4 /usr/lib/x86_64-linux-gnu/libz.so.1\n"
		    "  whittle explain oci:./out:latest /bin/sh '/usr/lib/**/libssl*'\n"
		    "  whittle explain shop:1.4 --removed --by-package\n"
		    "  whittle explain shop:1.4 --kept --json /usr/bin\n"
		    "  whittle explain shop:1.4 --risk\n"
		    "  whittle explain --rules",
	.options = options,
	.max_args = 64,
	.args_wanted = "an image and a path",
	.run = run,
};
