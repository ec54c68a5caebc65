/* SPDX-License-Identifier: Apache-2.0 */
/* whittle save: images of the store, or of layouts, as one archive. */
#include "cli/registry_service.h"

#include <errno.h>

struct flags {
	const char *root, *output, *format, *platform;
	bool insecure, no_removed;
};

struct saved {
	struct wh_store *store; /* each name opens one; all are the same place */
	struct wh_image whole;
	const struct wh_image *image; /* that, or one of its images */
	struct wh_strv names;
	bool again; /* another entry stands for it */
};

struct save {
	const struct flags *flags;
	const struct wh_strv *args;
	struct wh_inner *inner;
	struct saved *v;
	size_t n;
	struct wh_artifacts artifacts;
};

#define AT(field) offsetof(struct flags, field)

static const char *const formats[] = {"docker", "oci", NULL};

static const struct wh_option options[] = {
	{"format", 0, WH_OPT_TEXT, AT(format), "KIND", "docker (what docker load and podman load take, the default) or\noci (a layout as tar, with "
	 "what is attached)", formats},
	{"no-removed", 0, WH_OPT_FLAG, AT(no_removed), NULL, "Leave out what build --keep-removed kept", NULL},
	{"output", 'o', WH_OPT_TEXT, AT(output), "FILE", "The archive (default: standard output)", NULL},
	{"platform", 0, WH_OPT_TEXT, AT(platform), "OS/ARCH", "Which image of several (default: for docker this machine's; for\noci all, and the index)",
	 NULL},
	{"registry-insecure", 0, WH_OPT_FLAG, AT(insecure), NULL,
	 "Take plain HTTP and unknown certificates (a registry on\nloopback may always speak plain HTTP)", NULL},
	{"root", 0, WH_OPT_TEXT, AT(root), "DIR", "The store (as for build)", NULL},
	{0},
};

static bool is_oci(const struct save *s)
{
	return wh_streq(s->flags->format, "oci");
}

/* Of the artifacts from that number on: what came before was from another place. */
static int bring_removed(struct save *s, struct saved *x, const char *layout, size_t from, struct wh_err **err)
{
	struct wh_cli_lazy lazy = {.inner = s->inner, .store = x->store, .insecure = s->flags->insecure};
	struct wh_artifacts part = {.v = s->artifacts.v + from, .n = s->artifacts.n - from};
	int r;

	if (s->flags->no_removed)
		wh_removed_part_leave(&part);
	s->artifacts.n = from + part.n;
	if (!part.n)
		return 0;
	wh_cli_lazy_serve(&lazy);
	r = wh_removed_part_bring(x->store, layout, &part, err);
	wh_store_set_fetcher(x->store, NULL, NULL);
	if (r < 0)
		wh_err_hint(err, "--no-removed leaves it out");
	return r;
}

static int add_artifacts(struct save *s, const char *ref, struct saved *x, const struct wh_image *i, struct wh_err **err)
{
	WH_AUTO_FREE char *layout = NULL;
	size_t from = s->artifacts.n;
	int r = wh_cli_image_artifacts(ref, x->store, i, &s->artifacts, err);

	if (r == 0)
		r = wh_cli_image_layout(ref, &layout, err);
	if (r == 0)
		r = bring_removed(s, x, layout, from, err);
	for (size_t k = 0; k < i->n_parts && r == 0; k++)
		r = add_artifacts(s, ref, x, &i->parts[k], err);
	return r;
}

static int add(struct save *s, const char *ref, struct wh_err **err)
{
	struct saved *x = &s->v[s->n];
	int r = wh_cli_image_open_all(ref, s->flags->root, &x->store, &x->whole, err);

	if (r < 0)
		return r;
	s->n++;
	x->image = &x->whole;
	if (s->flags->platform || (wh_image_is_index(&x->whole) && !is_oci(s))) {
		r = wh_cli_image_part(&x->whole, s->flags->platform, &x->image, err);
		if (r < 0)
			wh_err_wrap(err, "%s", ref);
	}
	if (r == 0)
		r = wh_cli_image_names(ref, x->store, x->image, &x->names, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i + 1 < s->n; i++) {
		if (s->v[i].again || !wh_digest_eq(&s->v[i].image->manifest, &x->image->manifest))
			continue;
		for (size_t k = 0; k < x->names.n; k++)
			if (!wh_strv_has(&s->v[i].names, x->names.v[k]))
				wh_strv_add(&s->v[i].names, x->names.v[k]);
		x->again = true;
		return 0;
	}
	return is_oci(s) ? add_artifacts(s, ref, x, x->image, err) : 0;
}

static int write_archive(struct save *s, struct wh_err **err)
{
	WH_AUTO_FREE struct wh_export_item *items = wh_calloc(s->n, sizeof(*items));
	struct wh_cli_lazy lazy = {0};
	int64_t epoch = INT64_MAX;
	struct wh_export x = {.tar = true, .out_fd = STDOUT_FILENO, .artifacts = &s->artifacts};
	size_t n = 0;
	int r = wh_epoch_parse(getenv("SOURCE_DATE_EPOCH"), &epoch, err);

	if (r < 0)
		return r;
	x.dest = s->flags->output && wh_path_stream(s->flags->output) != STDOUT_FILENO ? s->flags->output : "-";
	x.epoch = epoch;
	for (size_t i = 0; i < s->n; i++)
		if (!s->v[i].again)
			items[n++] = (struct wh_export_item){.image = s->v[i].image, .names = (const char *const *)s->v[i].names.v};
	lazy.inner = s->inner;
	lazy.store = s->v[0].store;
	lazy.insecure = s->flags->insecure;
	wh_cli_lazy_serve(&lazy);
	r = is_oci(s) ? wh_export_oci_all(s->v[0].store, items, n, &x, err) : wh_export_docker(s->v[0].store, items, n, &x, err);
	wh_store_set_fetcher(lazy.store, NULL, NULL);
	return r;
}

static int inside(void *arg, struct wh_inner *inner, struct wh_buf *out, struct wh_err **err)
{
	struct save *s = arg;
	int r = 0;

	(void)out;
	s->inner = inner;
	s->v = wh_calloc(s->args->n, sizeof(*s->v));
	for (size_t i = 0; i < s->args->n && r == 0; i++)
		r = add(s, s->args->v[i], err);
	if (r == 0)
		r = write_archive(s, err);
	for (size_t i = 0; i < s->n; i++) {
		wh_image_release(&s->v[i].whole);
		wh_strv_release(&s->v[i].names);
	}
	for (size_t i = s->n; i-- > 0;)
		wh_store_close(s->v[i].store);
	wh_artifacts_release(&s->artifacts);
	free(s->v);
	return r;
}

static int save(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	struct save s = {.flags = flags, .args = args};

	if ((!s.flags->output || wh_streq(s.flags->output, "-")) && isatty(STDOUT_FILENO)) {
		wh_cli_misuse(err, "an archive is not written to a terminal");
		wh_err_hint(err, "--output FILE names a file");
		return -EINVAL;
	}
	return wh_cli_with_registry(inside, &s, out, err);
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, save);
}

const struct wh_command wh_cmd_save = {
	.name = "save",
	.args = "IMAGE…",
	.summary = "Write images as an archive",
	.about = "One archive with one or several images, for docker load, podman load, whittle load, skopeo and others.\n"
		 "The same images give the same bytes. Layers as zstd become gzip in docker's format, whose readers are older.",
	.examples = "  whittle save -o shop.tar shop:1.4\n"
		    "  whittle save shop:1.4 | podman load\n"
		    "  whittle save --format oci -o both.tar shop:1.4 shop:1.5",
	.options = options,
	.min_args = 1,
	.max_args = 200,
	.args_wanted = "at least one image",
	.run = run,
};
