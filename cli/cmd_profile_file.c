/* SPDX-License-Identifier: Apache-2.0 */
/* whittle profile show, merge, check: documents of profiles. */
#include "cli/cmd_profile.h"
#include "cli/documents.h"
#include "evidence/evidence.h"

#include <errno.h>

#define FILE_MAX ((size_t)256 << 20)

struct flags {
	const char *root, *platform, *output;
	bool tests;
};

static int read_document(const char *path, json_t **ret, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	int r = wh_streq(path, "-") ? wh_read_fd(STDIN_FILENO, FILE_MAX, &text) : wh_read_file(AT_FDCWD, path, FILE_MAX, &text);

	if (r < 0)
		return wh_err_sys(err, "cli", WH_ERR_USAGE, -r, "read the profile %s", path);
	return wh_document_read(text.n ? text.p : "", text.n, wh_streq(path, "-") ? "standard input" : path, ret, err);
}

static int give(const struct flags *f, const json_t *doc, struct wh_buf *out, struct wh_err **err)
{
	if (f->output && !wh_streq(f->output, "-"))
		return wh_document_save(doc, f->output, err);
	wh_document_dump(doc, out);
	return 0;
}

/* ---------------------------------------------------------------- show */

static int document_of(const struct wh_image *i, const json_t *report, bool when, json_t **ret, struct wh_err **err)
{
	const json_t *list = json_object_get(report, "profiles"), *one;
	WH_AUTO_FREE const json_t **profiles = wh_calloc(json_array_size(list) + 1, sizeof(*profiles));
	const char *os = wh_json_str(i->config, "os"), *arch = wh_json_str(i->config, "architecture"),
		   *variant = wh_json_str(i->config, "variant");
	WH_AUTO_FREE char *platform =
		wh_asprintf("%s/%s%s%s", os ? os : "linux", arch ? arch : "amd64", variant ? "/" : "", variant ? variant : "");
	const struct wh_document_opts o = {.platform = platform, .when = when};
	size_t k;

	json_array_foreach (list, k, one)
		profiles[k] = json_object_get(one, "document");
	return wh_document_make(profiles, json_array_size(list), &o, ret, err);
}

static int show(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	WH_CLEANUP(wh_artifacts_release) struct wh_artifacts artifacts = {0};
	WH_AUTO_JSON json_t *report = NULL;
	WH_AUTO_JSON json_t *doc = NULL;
	const struct flags *f = flags;
	struct wh_store *s = NULL;
	struct wh_image image = {0};
	int r = wh_cli_image_open(args->v[0], f->root, f->platform, &s, &image, err);

	if (r == 0)
		r = wh_cli_image_artifacts(args->v[0], s, &image, &artifacts, err);
	if (r == 0) {
		report = wh_predicate_find(s, &artifacts, WH_PREDICATE_REPORT);
		if (json_array_size(json_object_get(report, "profiles")))
			r = document_of(&image, report, f->tests, &doc, err);
		else
			r = wh_err_set(err, "cli", WH_ERR_USAGE, ENODATA, "%s has no profile", args->v[0]);
		if (r == -ENODATA)
			wh_err_hint(err, "images that PRUNE made have one; copies made by tools that leave referrers behind do not");
	}
	if (r == 0)
		r = give(f, doc, out, err);
	wh_image_release(&image);
	if (s)
		wh_store_close(s);
	return r;
}

static const struct wh_option show_options[] = {
	{"output", 'o', WH_OPT_TEXT, offsetof(struct flags, output), "FILE", "Write to this file instead of standard output", NULL},
	{"platform", 0, WH_OPT_TEXT, offsetof(struct flags, platform), "OS/ARCH", "Which image of several (default: this machine's)", NULL},
	{"root", 0, WH_OPT_TEXT, offsetof(struct flags, root), "DIR", "The store (as for build)", NULL},
	{"tests", 0, WH_OPT_FLAG, offsetof(struct flags, tests), NULL,
	 "Say of everything in which test it was seen, which timing may\ndecide: two runs then differ", NULL},
	{0},
};

static int run_show(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, show);
}

const struct wh_command wh_cmd_profile_show = {
	.name = "profile show",
	.args = "IMAGE",
	.summary = "Print the profile of a pruned image",
	.about = "What the image's application was seen to use, by which programs: schemas/profile-1.json. Equal observations are equal bytes.\n"
		 "IMAGE is a name in the store, oci:DIR[:TAG] or oci-layout://DIR[:TAG].",
	.examples = "  whittle profile show shop:1.4 > shop.profile.json",
	.options = show_options,
	.min_args = 1,
	.max_args = 1,
	.args_wanted = "one image",
	.run = run_show,
};

/* ---------------------------------------------------------------- merge, check */

static int merge(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	WH_AUTO_FREE json_t **docs = wh_calloc(args->n + 1, sizeof(json_t *));
	WH_AUTO_JSON json_t *all = NULL;
	size_t n = 0;
	int r = 0;

	for (; n < args->n && r == 0; n += r == 0)
		r = read_document(args->v[n], &docs[n], err);
	if (r == 0)
		r = wh_document_merge((const json_t *const *)docs, n, &all, err);
	for (size_t i = 0; i < n; i++)
		json_decref(docs[i]);
	return r < 0 ? r : give(flags, all, out, err);
}

static const struct wh_option merge_options[] = {
	{"output", 'o', WH_OPT_TEXT, offsetof(struct flags, output), "FILE", "Write to this file instead of standard output", NULL},
	{0},
};

static int run_merge(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, merge);
}

const struct wh_command wh_cmd_profile_merge = {
	.name = "profile merge",
	.args = "FILE…",
	.summary = "Make one profile of several",
	.about = "Of test shards, platforms, staging: the result is as if all had been seen at once, in whatever order they are named. Where not\n"
		 "all platforms saw something, it says which did.",
	.examples = "  whittle profile merge shard-*.json -o profile.json\n"
		    "  whittle build --profile-in profile.json .",
	.options = merge_options,
	.min_args = 1,
	.max_args = 1000,
	.args_wanted = "files",
	.run = run_merge,
};

static int check(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	int r = 0;

	(void)flags;
	for (size_t i = 0; i < args->n && r == 0; i++) {
		WH_AUTO_JSON json_t *doc = NULL;
		WH_AUTO_JSON json_t *profile = NULL;

		r = read_document(args->v[i], &doc, err);
		if (r == 0)
			r = wh_document_profile(doc, &profile, err);
		if (r == 0)
			wh_buf_addf(out, "%s: a profile: %zu files used, %zu system calls, %zu tests\n", args->v[i],
				    json_array_size(json_object_get(doc, "used")), json_array_size(json_object_get(doc, "syscalls")),
				    json_array_size(json_object_get(doc, "tests")));
	}
	return r;
}

static int run_check(const struct wh_command *c, int argc, char **argv)
{
	return wh_command_main(c, argc, argv, NULL, check);
}

const struct wh_command wh_cmd_profile_check = {
	.name = "profile check",
	.args = "FILE…",
	.summary = "Say whether files are profiles",
	.about = "Reads them as build --profile-in does. Exit code 2 at the first that is none.",
	.examples = "  whittle profile check staging.json",
	.min_args = 1,
	.max_args = 1000,
	.args_wanted = "files",
	.run = run_check,
};
