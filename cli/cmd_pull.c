/* SPDX-License-Identifier: Apache-2.0 */
/* whittle pull: from a registry into the store, with what is attached to the image. */
#include "cli/registry_service.h"

#include <errno.h>

struct flags {
	const char *root, *platform, *progress;
	bool insecure, quiet, all, removed;
};

struct pull {
	const struct flags *flags;
	const char *ref;
	struct wh_inner *inner;
	struct wh_store *store;
	struct wh_progress *progress;
	struct wh_progress_row row; /* what is done now */
	struct wh_cli_lazy lazy;
	struct wh_image image;
	size_t attached;
	char *name; /* NULL: it was pulled by digest */
};

#define AT(field) offsetof(struct flags, field)

static const char *const progresses[] = {"auto", "plain", "quiet", "tty", "rawjson", NULL};
static const struct wh_option options[] = {
	{"all-platforms", 0, WH_OPT_FLAG, AT(all), NULL, "All images of several, and the index", NULL},
	{"platform", 0, WH_OPT_TEXT, AT(platform), "OS/ARCH", "Which image of several (default: this machine's)", NULL},
	{"progress", 0, WH_OPT_TEXT, AT(progress), "HOW", "auto, plain, tty, rawjson or quiet", progresses},
	{"quiet", 'q', WH_OPT_FLAG, AT(quiet), NULL, "Print nothing but the manifest's digest", NULL},
	{"registry-insecure", 0, WH_OPT_FLAG, AT(insecure), NULL,
	 "Take plain HTTP and unknown certificates (a registry on\nloopback may always speak plain HTTP)", NULL},
	{"removed", 0, WH_OPT_FLAG, AT(removed), NULL,
	 "Also what PRUNE took away, where it was kept (build --keep-removed):\nelse it is fetched when restore or debug shell want it", NULL},
	{"root", 0, WH_OPT_TEXT, AT(root), "DIR", "The store (as for build)", NULL},
	{0},
};

/* Everything that is behind the name, before anything is done with it. */
static int fetch(struct pull *p, struct wh_err **err)
{
	char text[WH_DIGEST_TEXT];
	struct wh_digest d;
	bool insecure = p->flags->insecure;
	int r = p->flags->all ? wh_cli_registry_pull_all(p->inner, p->store, p->ref, true, insecure, &p->row, &d, err)
			      : wh_cli_registry_pull(p->inner, p->store, p->ref, p->flags->platform, insecure, &p->row, &d, err);

	return r < 0 ? r : wh_image_all_from_store(p->store, wh_digest_text(&d, text), &p->image, err);
}

static int fetch_artifacts_of(struct pull *p, const struct wh_image *i, struct wh_err **err)
{
	WH_CLEANUP(wh_artifacts_release) struct wh_artifacts list = {0};
	int r = wh_cli_registry_artifacts(p->inner, p->store, p->ref, &i->manifest, p->flags->insecure, &list, err);

	if (r == 0 && p->flags->removed)
		r = wh_removed_part_bring(p->store, NULL, &list, err);
	if (r == 0 && list.n)
		r = wh_store_attach_pulled(p->store, &list, err);
	p->attached += list.n;
	return r;
}

static int fetch_artifacts(struct pull *p, struct wh_err **err)
{
	int r = fetch_artifacts_of(p, &p->image, err);

	for (size_t k = 0; k < p->image.n_parts && r == 0; k++)
		r = fetch_artifacts_of(p, &p->image.parts[k], err);
	return r;
}

static int read_image(struct pull *p, struct wh_err **err)
{
	return wh_registry_prepare(p->store, &p->image, err);
}

static int keep(struct pull *p, struct wh_err **err)
{
	WH_AUTO_FREE char *name = NULL;
	int r = wh_reference_normalize(p->ref, &name, err);

	if (r < 0 || strchr(name, '@'))
		return r < 0 ? r : wh_store_sync(p->store, err);
	p->name = WH_TAKE_PTR(name);
	return wh_store_tag(p->store, p->name, &p->image, err);
}

static int step(struct pull *p, const char *what, int (*fn)(struct pull *p, struct wh_err **err), struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *e = NULL;
	unsigned id = wh_progress_begin(p->progress, "%s %s", what, p->ref);
	int r;

	p->row = (struct wh_progress_row){p->progress, id};
	r = fn(p, &e);

	wh_progress_end(p->progress, id, e);
	wh_err_move(err, &e);
	return r;
}

static void tell(const struct pull *p, struct wh_buf *out)
{
	char manifest[WH_DIGEST_TEXT], id[WH_DIGEST_TEXT];

	wh_digest_text(&p->image.manifest, manifest);
	if (p->flags->quiet) {
		wh_buf_addf(out, "%s\n", manifest);
		return;
	}
	wh_buf_addf(out, "image  %s\n", manifest);
	if (!wh_image_is_index(&p->image))
		wh_buf_addf(out, "id     %s\n", wh_digest_text(&p->image.config_digest, id));
	if (p->name)
		wh_buf_addf(out, "name   %s\n", p->name);
	if (p->attached)
		wh_buf_addf(out, "with   %zu attached\n", p->attached);
}

static int inside(void *arg, struct wh_inner *inner, struct wh_buf *out, struct wh_err **err)
{
	struct pull *p = arg;
	int r;

	p->inner = inner;
	r = wh_progress_open(p->flags->progress, p->flags->quiet, "Pulling", &p->progress, err);
	if (r == 0)
		r = wh_cli_store_open(p->flags->root, &p->store, err);
	if (r == 0) {
		p->lazy = (struct wh_cli_lazy){inner, p->store, p->progress, p->flags->insecure};
		wh_cli_lazy_serve(&p->lazy);
		r = step(p, "pulling", fetch, err);
	}
	if (r == 0)
		r = step(p, "reading", read_image, err);
	if (r == 0)
		r = step(p, "looking for what is attached to", fetch_artifacts, err);
	/* The name last: it stands for all of it. */
	if (r == 0)
		r = keep(p, err);
	if (r < 0)
		wh_progress_gap(p->progress);
	if (r == 0)
		tell(p, out);
	wh_image_release(&p->image);
	wh_progress_free(p->progress);
	free(p->name);
	if (p->store)
		wh_store_close(p->store);
	return r;
}

static int pull(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	struct pull p = {.flags = flags, .ref = args->v[0]};

	if (p.flags->all && p.flags->platform)
		return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "--platform and --all-platforms exclude each other");
	return wh_cli_with_registry(inside, &p, out, err);
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, pull);
}

const struct wh_command wh_cmd_pull = {
	.name = "pull",
	.group = "Images",
	.args = "NAME[:TAG][@DIGEST]",
	.summary = "Fetch an image from a registry into the store",
	.about = "Fetches the image and what is attached to it (signatures, attestations, SBOMs). Logins are those of\n"
		 "docker and podman: config.json, auth.json, credential helpers.",
	.examples = "  whittle pull registry.example/shop:1.4",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.args_wanted = "exactly one image name",
	.run = run,
};
