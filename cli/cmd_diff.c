/* SPDX-License-Identifier: Apache-2.0 */
/* whittle diff A B: two images, or two releases of one. */
#include "cli/diff.h"
#include "cli/password.h"
#include "cli/registry_service.h"

#include <errno.h>

struct flags {
	const char *root, *platform, *format, *output;
	bool files, exit_code;
};
struct job {
	const struct flags *flags;
	const struct wh_strv *args;
	bool differ;
};

static const char *const formats[] = {"text", "json", "markdown", NULL};
static const struct wh_option options[] = {
	{"exit-code", 0, WH_OPT_FLAG, offsetof(struct flags, exit_code), NULL, "Exit with 1 when they differ, as git diff has it", NULL},
	{"files", 0, WH_OPT_FLAG, offsetof(struct flags, files), NULL, "Name the files of packages one by one, too", NULL},
	{"format", 0, WH_OPT_TEXT, offsetof(struct flags, format), "FORMAT", "text (default), json, or markdown for a comment", formats},
	{"output", 'o', WH_OPT_TEXT, offsetof(struct flags, output), "FILE", "Write to this file instead of standard output", NULL},
	{"platform", 0, WH_OPT_TEXT, offsetof(struct flags, platform), "OS/ARCH",
	 "Which images of several (default: this machine's)", NULL},
	{"root", 0, WH_OPT_TEXT, offsetof(struct flags, root), "DIR", "The store (as for build)", NULL},
	{0},
};

/* Before the user namespace is entered: inside, everybody is root, and root's store is another. */
static int open_side(const struct job *j, const char *ref, struct wh_inner *inner, struct wh_diff_side *s, struct wh_err **err)
{
	WH_CLEANUP(wh_artifacts_release) struct wh_artifacts attached = {0};
	int r = wh_cli_image_open(ref, j->flags->root, j->flags->platform, &s->store, &s->image, err);

	if (r < 0)
		return r;
	s->name = ref;
	s->lazy = (struct wh_cli_lazy){.inner = inner, .store = s->store};
	wh_cli_lazy_serve(&s->lazy);
	r = wh_cli_image_artifacts(ref, s->store, &s->image, &attached, err);
	if (r < 0)
		return r;
	s->report = wh_predicate_find(s->store, &attached, WH_PREDICATE_REPORT);
	return 0;
}

static int read_side(struct wh_diff_side *s, struct wh_err **err)
{
	const json_t *profiles = json_object_get(s->report, "profiles"), *one;
	WH_AUTO_FREE const json_t **v = wh_calloc(json_array_size(profiles) + 1, sizeof(*v));
	struct wh_vulndb *db = NULL;
	size_t i;
	int r = wh_tree_open(s->store, s->image.layers, s->image.n_layers, &s->tree, err);

	if (r == 0)
		r = wh_packages_read(s->tree, &s->packages, err);
	if (r == 0)
		r = wh_owners_open(s->tree, &s->owners, err);
	if (r == 0)
		r = wh_measure_tree(s->tree, &s->measure, err);
	if (r == 0)
		r = wh_vulndb_open(s->store, &db, err);
	if (r == 0)
		r = wh_findings_find(db, &s->packages, &s->findings, err);
	if (db)
		wh_vulndb_close(db);
	json_array_foreach (profiles, i, one)
		v[i] = json_object_get(one, "document");
	return r < 0 ? r : wh_needs_make(v, json_array_size(profiles), s->tree, &s->needs, err);
}

static int give(const struct job *j, const json_t *doc, struct wh_buf *out, struct wh_err **err)
{
	const struct flags *f = j->flags;
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	if (wh_streq(f->format, "json")) {
		char *s = json_dumps(doc, JSON_INDENT(2));

		wh_buf_addf(&text, "%s\n", s ? s : "{}");
		free(s);
	} else if (wh_streq(f->format, "markdown")) {
		wh_diff_markdown(doc, f->files, &text);
	} else {
		wh_diff_text(doc, f->files, !f->output && isatty(STDOUT_FILENO) && !getenv("NO_COLOR"), &text);
	}
	if (!wh_buf_ok(&text))
		return wh_err_set(err, "cli", WH_ERR_BUILD, EFBIG, "the difference is beyond all measure");
	if (f->output)
		return wh_cli_write_file(f->output, text.p, text.n, "the difference", err);
	wh_buf_add(out, text.p, text.n);
	return 0;
}

static int inside(void *arg, struct wh_inner *inner, struct wh_buf *out, struct wh_err **err)
{
	WH_CLEANUP(wh_diff_side_release) struct wh_diff_side a = {0};
	WH_CLEANUP(wh_diff_side_release) struct wh_diff_side b = {0};
	WH_AUTO_JSON json_t *doc = NULL;
	struct job *j = arg;
	int r = open_side(j, j->args->v[0], inner, &a, err);

	if (r == 0)
		r = open_side(j, j->args->v[1], inner, &b, err);
	if (r == 0)
		r = wh_inner_enter(inner, err);
	if (r == 0)
		r = read_side(&a, err);
	if (r == 0)
		r = read_side(&b, err);
	if (r == 0)
		r = wh_diff_make(&a, &b, &doc, err);
	if (r == 0)
		r = give(j, doc, out, err);
	j->differ = doc && !json_is_true(json_object_get(doc, "same"));
	if (r < 0 || !j->flags->exit_code || !j->differ)
		return r;
	(void)wh_cli_say(out);
	return 1;
}

static int diff(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	struct job j = {.flags = flags, .args = args};

	wh_password_free(wh_password_take()); /* not wanted here, where other people's data is read */
	return wh_cli_with_registry(inside, &j, out, err);
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, diff);
}

const struct wh_command wh_cmd_diff = {
	.name = "diff",
	.group = "Evidence",
	.args = "IMAGE IMAGE",
	.summary = "Tell what differs between two images, or two releases",
	.about = "Files, packages, settings, findings of both with the database that there is now, and, of images that PRUNE made, behaviour:\n"
		 "what the application has come to need (programs, system calls, capabilities, ports, written places), and what it needs no\n"
		 "more, with the processes and tests that show it. Times alone are no difference. An IMAGE is a name in the store, oci:DIR[:TAG] or\n"
		 "oci-layout://DIR[:TAG][@DIGEST].",
	.examples = "  whittle diff shop:1.3 shop:1.4\n"
		    "  whittle diff --format markdown oci:old oci:new > comment.md",
	.options = options,
	.min_args = 2,
	.max_args = 2,
	.args_wanted = "two images",
	.run = run,
};
