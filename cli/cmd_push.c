/* SPDX-License-Identifier: Apache-2.0 */
/* whittle push: an image of the store, or of a layout, to a registry, with what is attached to it. */
#include "cli/registry_service.h"

#include <errno.h>

struct flags {
	const char *root, *platform, *progress, *chunk, *digest_file;
	bool insecure, quiet, no_removed;
};

struct push {
	const struct flags *flags;
	const char *name, *ref; /* here, in the registry */
	uint64_t chunk;
	struct wh_inner *inner;
	struct wh_store *store;
	struct wh_progress *progress;
	struct wh_cli_lazy lazy;
	struct wh_image whole;        /* what the name leads to */
	const struct wh_image *image; /* that, or one of its images */
	struct wh_artifacts artifacts;
};

#define AT(field) offsetof(struct flags, field)

static const char *const progresses[] = {"auto", "plain", "quiet", "tty", "rawjson", NULL};
static const struct wh_option options[] = {
	{"chunk-size", 0, WH_OPT_TEXT, AT(chunk), "SIZE", "Send blobs in pieces of at most so many bytes (as 50m), each\ntried again by itself", NULL},
	{"digestfile", 0, WH_OPT_TEXT, AT(digest_file), "FILE", "Write the manifest's digest to this file", NULL},
	{"no-removed", 0, WH_OPT_FLAG, AT(no_removed), NULL, "Leave out what build --keep-removed kept", NULL},
	{"platform", 0, WH_OPT_TEXT, AT(platform), "OS/ARCH", "One image of several alone (default: all, and the index)", NULL},
	{"progress", 0, WH_OPT_TEXT, AT(progress), "HOW", "auto, plain, tty, rawjson or quiet", progresses},
	{"quiet", 'q', WH_OPT_FLAG, AT(quiet), NULL, "Print nothing but the manifest's digest", NULL},
	{"registry-insecure", 0, WH_OPT_FLAG, AT(insecure), NULL,
	 "Take plain HTTP and unknown certificates (a registry on\nloopback may always speak plain HTTP)", NULL},
	{"root", 0, WH_OPT_TEXT, AT(root), "DIR", "The store (as for build)", NULL},
	{0},
};

static int send(struct push *p, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *e = NULL;
	WH_AUTO_STRV struct wh_strv refs = {0};
	unsigned id = wh_progress_begin(p->progress, "pushing %s", p->ref);
	int r;

	wh_strv_add(&refs, p->ref);
	r = wh_cli_registry_push(p->inner, p->store, &refs, p->image, &p->artifacts, p->flags->insecure, p->chunk,
				 &(struct wh_progress_row){p->progress, id}, &e);
	wh_progress_end(p->progress, id, e);
	wh_err_move(err, &e);
	return r;
}

static int attached_to(struct push *p, const char *layout, const struct wh_image *i, struct wh_err **err)
{
	return layout ? wh_artifacts_from_layout(p->store, layout, &i->manifest, &p->artifacts, err)
		      : wh_artifacts_from_store(p->store, &i->manifest, &p->artifacts, err);
}

static int find_artifacts(struct push *p, struct wh_err **err)
{
	WH_AUTO_FREE char *layout = NULL;
	int r = wh_cli_image_layout(p->name, &layout, err);

	if (r == 0)
		r = attached_to(p, layout, p->image, err);
	for (size_t i = 0; r == 0 && i < p->image->n_parts; i++)
		r = attached_to(p, layout, &p->image->parts[i], err);
	if (p->flags->no_removed)
		wh_removed_part_leave(&p->artifacts);
	if (r == 0)
		r = wh_removed_part_bring(p->store, layout, &p->artifacts, err);
	if (r < 0)
		wh_err_hint(err, "--no-removed leaves it out");
	return r;
}

static int write_digest(const struct push *p, struct wh_err **err)
{
	char text[WH_DIGEST_TEXT];

	wh_digest_text(&p->image->manifest, text);
	return p->flags->digest_file ? wh_cli_write_file(p->flags->digest_file, text, strlen(text), "the digest", err) : 0;
}

static void tell(const struct push *p, struct wh_buf *out)
{
	char manifest[WH_DIGEST_TEXT];

	wh_digest_text(&p->image->manifest, manifest);
	if (p->flags->quiet) {
		wh_buf_addf(out, "%s\n", manifest);
		return;
	}
	wh_buf_addf(out, "image  %s\nname   %s\n", manifest, p->ref);
	if (p->artifacts.n)
		wh_buf_addf(out, "with   %zu attached\n", p->artifacts.n);
}

static int inside(void *arg, struct wh_inner *inner, struct wh_buf *out, struct wh_err **err)
{
	struct push *p = arg;
	int r;

	p->inner = inner;
	r = wh_progress_open(p->flags->progress, p->flags->quiet, "Pushing", &p->progress, err);
	if (r == 0)
		r = wh_cli_image_open_all(p->name, p->flags->root, &p->store, &p->whole, err);
	p->image = &p->whole;
	if (r == 0) {
		p->lazy = (struct wh_cli_lazy){inner, p->store, p->progress, p->flags->insecure};
		wh_cli_lazy_serve(&p->lazy);
	}
	if (r == 0 && p->flags->platform)
		r = wh_cli_image_part(&p->whole, p->flags->platform, &p->image, err);
	if (r == 0)
		r = find_artifacts(p, err);
	if (r == 0)
		r = send(p, err);
	if (r == 0)
		r = write_digest(p, err);
	if (r < 0)
		wh_progress_gap(p->progress);
	if (r == 0)
		tell(p, out);
	wh_artifacts_release(&p->artifacts);
	wh_image_release(&p->whole);
	wh_progress_free(p->progress);
	if (p->store)
		wh_store_close(p->store);
	return r;
}

static int push(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	const struct flags *f = flags;
	struct push p = {.flags = f, .name = args->v[0], .ref = args->v[args->n > 1]};
	WH_AUTO_FREE char *layout = NULL;
	struct wh_digest d;
	int r = 0;

	if (wh_has_prefix(p.ref, "docker://"))
		p.ref += strlen("docker://");
	if (args->n == 1)
		r = wh_cli_image_layout(p.name, &layout, err);
	if (r == 0 && args->n == 1 && (layout || wh_digest_parse(p.name, &d)))
		r = wh_cli_misuse(err, "push \"%s\" to which name?", p.name);
	if (r == 0 && f->chunk && (!wh_size_parse(f->chunk, &p.chunk) || p.chunk == 0))
		r = wh_cli_misuse(err, "--chunk-size \"%s\" is no size like 50m", f->chunk);
	return r < 0 ? r : wh_cli_with_registry(inside, &p, out, err);
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, push);
}

const struct wh_command wh_cmd_push = {
	.name = "push",
	.args = "SOURCE [DESTINATION]",
	.summary = "Send an image of the store to a registry",
	.about = "Sends what the registry lacks: layers, the manifest, what is attached to the image (signatures,\n"
		 "attestations, SBOMs), the tag last. What another repository of that registry has is mounted, not\n"
		 "sent. Of several platforms all. SOURCE is a name or digest in the store, oci:DIR[:TAG] or\n"
		 "oci-layout://DIR[:TAG][@DIGEST]. Logins are those of docker and podman: config.json, auth.json,\n"
		 "credential helpers.",
	.examples = "  whittle push registry.example/shop:1.4\n"
		    "  whittle push shop localhost:5000/shop:1.4\n"
		    "  whittle push --digestfile digest oci:./out registry.example/shop:1.4",
	.options = options,
	.min_args = 1,
	.max_args = 2,
	.args_wanted = "the image's name here and, where it differs, in the registry",
	.run = run,
};
