/* SPDX-License-Identifier: Apache-2.0 */
/* whittle push: an image of the store to a registry, with what is attached to it. */
#include "cli/registry_service.h"

struct flags {
	const char *root;
	bool insecure, quiet;
};

struct push {
	struct flags flags;
	const char *name, *ref; /* in the store, in the registry */
	struct wh_inner *inner;
	struct wh_store *store;
	struct wh_progress *progress;
	struct wh_image image;
	struct wh_artifacts artifacts;
};

#define AT(field) offsetof(struct flags, field)

static const struct wh_option options[] = {
	{"quiet", 'q', WH_OPT_FLAG, AT(quiet), NULL, "Print nothing but the manifest's digest", NULL},
	{"registry-insecure", 0, WH_OPT_FLAG, AT(insecure), NULL,
	 "Take plain HTTP and unknown certificates (a registry on\nloopback may always speak plain HTTP)", NULL},
	{"root", 0, WH_OPT_TEXT, AT(root), "DIR", "The store (as for build)", NULL},
	{0},
};

static int send(struct push *p, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *e = NULL;
	unsigned id = wh_progress_begin(p->progress, "pushing %s", p->ref);
	int r = wh_cli_registry_push(p->inner, p->store, p->ref, &p->image, &p->artifacts, p->flags.insecure, &e);

	wh_progress_end(p->progress, id, e);
	wh_err_move(err, &e);
	return r;
}

static int tell(const struct push *p)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	char manifest[WH_DIGEST_TEXT];

	wh_digest_text(&p->image.manifest, manifest);
	if (p->flags.quiet) {
		wh_buf_addf(&out, "%s\n", manifest);
		return wh_cli_say(&out);
	}
	wh_buf_addf(&out, "image  %s\nname   %s\n", manifest, p->ref);
	if (p->artifacts.n)
		wh_buf_addf(&out, "with   %zu attached\n", p->artifacts.n);
	return wh_cli_say(&out);
}

static int push(void *arg, struct wh_inner *inner)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct push *p = arg;
	int r;

	p->inner = inner;
	if (!p->flags.quiet)
		p->progress = wh_progress_new(stderr);
	r = wh_cli_store_open(p->flags.root, &p->store, &err);
	if (r == 0)
		r = wh_image_from_store(p->store, p->name, NULL, &p->image, &err);
	if (r == 0)
		r = wh_artifacts_from_store(p->store, &p->image.manifest, &p->artifacts, &err);
	if (r == 0)
		r = send(p, &err);
	if (r < 0 && p->progress)
		fputc('\n', stderr);
	r = r < 0 ? wh_err_report(err) : tell(p);
	wh_artifacts_release(&p->artifacts);
	wh_image_release(&p->image);
	wh_progress_free(p->progress);
	if (p->store)
		wh_store_close(p->store);
	return r;
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_STRV struct wh_strv args = {0};
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	struct push p = {0};
	bool help;
	int r = wh_options_parse(c, argc, argv, &p.flags, &args, &help, &err);

	if (r < 0)
		return wh_err_report(err);
	if (help) {
		wh_options_help(c, &out);
		return wh_cli_say(&out);
	}
	p.name = args.v[0];
	p.ref = args.n > 1 ? args.v[1] : args.v[0];
	r = wh_cli_with_registry(push, &p);
	wh_options_release(c, &p.flags);
	return r;
}

const struct wh_command wh_cmd_push = {
	.name = "push",
	.args = "NAME [NAME-IN-REGISTRY]",
	.summary = "Send an image of the store to a registry",
	.about = "Sends what the registry lacks: layers, the manifest, what is attached to the image (signatures,\n"
		 "attestations, SBOMs), the tag last. Logins are those of docker and podman: config.json, auth.json,\n"
		 "credential helpers.",
	.examples = "  whittle push registry.example/shop:1.4\n"
		    "  whittle push shop localhost:5000/shop:1.4",
	.options = options,
	.min_args = 1,
	.max_args = 2,
	.args_wanted = "the image's name in the store and, where it differs, in the registry",
	.run = run,
};
