/* SPDX-License-Identifier: Apache-2.0 */
/* whittle sbom IMAGE: the packages that the image's own records tell of, as SPDX. */
#include "cli/cli.h"
#include "cli/password.h"
#include "cli/registry_service.h"
#include "evidence/evidence.h"

#include <errno.h>

struct flags {
	const char *root, *format, *output;
};
struct job {
	struct flags flags;
	const char *ref;
};

static const char *const formats[] = {"spdx-json", NULL};
static const struct wh_option options[] = {
	{"format", 0, WH_OPT_TEXT, offsetof(struct flags, format), "FORMAT", "spdx-json: SPDX 2.3 (default)", formats},
	{"output", 'o', WH_OPT_TEXT, offsetof(struct flags, output), "FILE",
	 "Write to this file instead of standard output", NULL},
	{"root", 0, WH_OPT_TEXT, offsetof(struct flags, root), "DIR", "The store (as for build)", NULL},
	{0},
};

/* What the records say is in files, so the layers that hold them are unpacked: within the user namespace. */
static int make(const struct job *j, struct wh_inner *inner, struct wh_buf *out, struct wh_err **err)
{
	WH_CLEANUP(wh_packages_release) struct wh_packages packages = {0};
	WH_AUTO_JSON json_t *doc = NULL;
	WH_AUTO_FREE char *name = NULL;
	struct wh_image image = {0};
	struct wh_store *s = NULL;
	struct wh_tree *t = NULL;
	int r = wh_cli_image_open(j->ref, j->flags.root, &s, &image, err);

	/* Not before: inside, everybody is root, and root's store is another. */
	if (r == 0)
		r = wh_inner_enter(inner, err);
	if (r == 0)
		r = wh_cli_image_name(j->ref, &image, &name, err);
	if (r == 0)
		r = wh_tree_open(s, image.layers, image.n_layers, &t, err);
	if (r == 0)
		r = wh_packages_read(t, &packages, err);
	if (r == 0) {
		const struct wh_sbom_subject subject = {
			.name = name, .digest = image.manifest, .created = wh_json_str(image.config, "created")};

		r = wh_sbom_spdx(&packages, &subject, &doc, err);
	}
	if (r == 0) {
		wh_json_dump(doc, out);
		wh_buf_addc(out, '\n');
		if (!wh_buf_ok(out))
			r = wh_err_set(err, "cli", WH_ERR_BUILD, EFBIG, "the SBOM is beyond all measure");
	}
	if (t)
		wh_tree_close(t);
	wh_image_release(&image);
	if (s)
		wh_store_close(s);
	return r;
}

static int inside(void *arg, struct wh_inner *inner)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	const struct job *j = arg;
	int r = make(j, inner, &out, &err);

	if (r == 0 && !j->flags.output)
		return wh_cli_say(&out);
	if (r == 0) {
		r = wh_write_file_atomic(AT_FDCWD, j->flags.output, out.p, out.n, 0644, false);
		if (r < 0)
			wh_err_sys(&err, "cli", WH_ERR_ENV, -r, "write \"%s\"", j->flags.output);
	}
	return r < 0 ? wh_err_report(err) : 0;
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_STRV struct wh_strv args = {0};
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	struct job j = {.ref = NULL};
	bool help;
	int r = wh_options_parse(c, argc, argv, &j.flags, &args, &help, &err);

	if (r < 0)
		return wh_err_report(err);
	if (help) {
		wh_options_help(c, &out);
		return wh_cli_say(&out);
	}
	j.ref = args.v[0];
	wh_password_free(wh_password_take()); /* not wanted here, where other people's data is read */
	r = wh_cli_with_registry(inside, &j);
	wh_options_release(c, &j.flags);
	return r;
}

const struct wh_command wh_cmd_sbom = {
	.name = "sbom",
	.args = "IMAGE",
	.summary = "List the packages of an image as a bill of materials",
	.about =
		"Reads what the image's own records tell of: packages of dpkg, Python and Node.js. The same image gives\n"
		"the same bytes. IMAGE is a name in the store, oci:DIR[:TAG] or oci-layout://DIR[:TAG][@DIGEST].",
	.examples = "  whittle sbom shop:1.4 > shop.spdx.json\n"
		    "  whittle sbom oci:./out:latest",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.args_wanted = "one image",
	.run = run,
};
