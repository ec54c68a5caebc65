/* SPDX-License-Identifier: Apache-2.0 */
/* whittle sbom IMAGE: the packages that the image's own records tell of, as SPDX. */
#include "cli/cli.h"
#include "cli/password.h"
#include "cli/registry_service.h"
#include "evidence/evidence.h"

#include <errno.h>

struct flags {
	const char *root, *format, *output, *platform;
	bool before;
};
struct job {
	const struct flags *flags;
	const char *ref;
};

static const char *const formats[] = {"spdx-json", NULL};
static const struct wh_option options[] = {
	{"before", 0, WH_OPT_FLAG, offsetof(struct flags, before), NULL,
	 "What a pruned image held before PRUNE, as its prune report has it", NULL},
	{"format", 0, WH_OPT_TEXT, offsetof(struct flags, format), "FORMAT", "spdx-json: SPDX 2.3 (default)", formats},
	{"output", 'o', WH_OPT_TEXT, offsetof(struct flags, output), "FILE",
	 "Write to this file instead of standard output", NULL},
	{"platform", 0, WH_OPT_TEXT, offsetof(struct flags, platform), "OS/ARCH",
	 "Which image of several (default: this machine's)", NULL},
	{"root", 0, WH_OPT_TEXT, offsetof(struct flags, root), "DIR", "The store (as for build)", NULL},
	{0},
};

static int make(const struct job *j, struct wh_inner *inner, struct wh_buf *out, struct wh_err **err)
{
	WH_CLEANUP(wh_cli_contents_release) struct wh_cli_contents in = {0};
	WH_AUTO_JSON json_t *doc = NULL;
	WH_AUTO_FREE char *name = NULL;
	int r = wh_cli_contents_open(j->ref, j->flags->root, j->flags->platform, inner, &in, err);

	if (r == 0)
		r = wh_cli_image_name(j->ref, in.store, &in.image, &name, err);
	if (r == 0)
		r = wh_cli_contents_read(&in, err);
	if (r == 0) {
		const struct wh_sbom_subject subject = {
			.name = name, .digest = in.image.manifest, .created = wh_json_str(in.image.config, "created")};

		r = wh_sbom_spdx(&in.packages, &subject, &doc, err);
	}
	if (r < 0)
		return r;
	wh_json_dump(doc, out);
	wh_buf_addc(out, '\n');
	return wh_buf_ok(out) ? 0 : wh_err_set(err, "cli", WH_ERR_BUILD, EFBIG, "the SBOM is beyond all measure");
}

/* The document that the build made of the unpruned tree, whose layers need not be at hand any more. */
static int before(const struct job *j, struct wh_buf *out, struct wh_err **err)
{
	WH_CLEANUP(wh_artifacts_release) struct wh_artifacts attached = {0};
	WH_AUTO_JSON json_t *report = NULL;
	struct wh_image image = {0};
	struct wh_store *s = NULL;
	const json_t *doc;
	int r = wh_cli_image_open(j->ref, j->flags->root, j->flags->platform, &s, &image, err);

	if (r < 0)
		return r;
	r = wh_cli_image_artifacts(j->ref, s, &image, &attached, err);
	if (r == 0)
		report = wh_predicate_find(s, &attached, WH_PREDICATE_REPORT);
	doc = json_object_get(report, "sbomBefore");
	if (r == 0 && doc) {
		wh_json_dump(doc, out);
		wh_buf_addc(out, '\n');
	} else if (r == 0) {
		r = wh_err_set(err, "cli", WH_ERR_USAGE, ENODATA, "%s has no prune report", j->ref);
		wh_err_hint(err, "images that PRUNE made have one; without --before the image itself is listed");
	}
	wh_image_release(&image);
	wh_store_close(s);
	return r;
}

static int list(const struct job *j, struct wh_inner *inner, struct wh_buf *out, struct wh_err **err)
{
	return j->flags->before ? before(j, out, err) : make(j, inner, out, err);
}

static int inside(void *arg, struct wh_inner *inner, struct wh_buf *out, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf doc = WH_BUF_INIT;
	const struct job *j = arg;
	int r;

	if (!j->flags->output)
		return list(j, inner, out, err);
	r = list(j, inner, &doc, err);
	if (r < 0)
		return r;
	return wh_cli_write_file(j->flags->output, doc.p, doc.n, "the bill of materials", err);
}

static int sbom(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	struct job j = {flags, args->v[0]};

	wh_password_free(wh_password_take()); /* not wanted here, where other people's data is read */
	return wh_cli_with_registry(inside, &j, out, err);
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, sbom);
}

const struct wh_command wh_cmd_sbom = {
	.name = "sbom",
	.group = "Evidence",
	.args = "IMAGE",
	.summary = "List the packages of an image as a bill of materials",
	.about =
		"Reads what the image's own records tell of: packages of dpkg, Python and Node.js. The same image gives\n"
		"the same bytes. IMAGE is a name in the store, oci:DIR[:TAG] or oci-layout://DIR[:TAG][@DIGEST].",
	.examples = "  whittle sbom shop:1.4 > shop.spdx.json\n"
		    "  whittle sbom --before oci:./out:latest",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.args_wanted = "one image",
	.run = run,
};
