/* SPDX-License-Identifier: Apache-2.0 */
/* whittle tag: another name for an image. */
#include "cli/registry_service.h"

#include <errno.h>

struct flags {
	const char *root;
};

struct job {
	const struct flags *flags;
	const struct wh_strv *args;
};

static const struct wh_option options[] = {
	{"root", 0, WH_OPT_TEXT, offsetof(struct flags, root), "DIR", "The store (as for build)", NULL},
	{0},
};

/* All of them, before anything gets a name. */
static int check(const struct wh_strv *args, struct wh_err **err)
{
	for (size_t i = 1; i < args->n; i++) {
		WH_AUTO_FREE char *full = NULL;
		int r = wh_reference_normalize(args->v[i], &full, err);

		if (r < 0)
			return r;
		if (strchr(full, '@'))
			return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "\"%s\": a digest cannot be given as a name", args->v[i]);
	}
	return 0;
}

static int inside(void *arg, struct wh_inner *inner, struct wh_buf *out, struct wh_err **err)
{
	const struct job *j = arg;
	struct wh_image image = {0};
	struct wh_store *s = NULL;
	int r = wh_cli_image_open_all(j->args->v[0], j->flags->root, &s, &image, err);

	(void)inner;
	(void)out;
	for (size_t i = 1; i < j->args->n && r == 0; i++)
		r = wh_store_tag(s, j->args->v[i], &image, err);
	wh_image_release(&image);
	if (s)
		wh_store_close(s);
	return r;
}

static int tag(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	struct job j = {.flags = flags, .args = args};
	int r = check(args, err);

	return r < 0 ? r : wh_cli_with_registry(inside, &j, out, err);
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, tag);
}

const struct wh_command wh_cmd_tag = {
	.name = "tag",
	.args = "IMAGE NAME[:TAG] [NAME[:TAG]…]",
	.summary = "Give an image further names in the store",
	.about = "IMAGE is a name or an id in the store, or oci:DIR[:TAG], which is copied into the store. A name that\n"
		 "another image has becomes this one's. Of an index, all its images go along.",
	.examples = "  whittle tag shop:1.4 registry.example/shop:1.4 registry.example/shop:latest",
	.options = options,
	.min_args = 2,
	.max_args = 1000,
	.args_wanted = "an image and at least one name",
	.run = run,
};
