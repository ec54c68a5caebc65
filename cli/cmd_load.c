/* SPDX-License-Identifier: Apache-2.0 */
/* whittle load: images from an archive into the store. */
#include "cli/registry_service.h"

#include <errno.h>

struct flags {
	const char *root, *input, *platform;
	bool quiet;
};

#define AT(field) offsetof(struct flags, field)

static const struct wh_option options[] = {
	{"input", 'i', WH_OPT_TEXT, AT(input), "FILE", "The archive (default: standard input)", NULL},
	{"platform", 0, WH_OPT_TEXT, AT(platform), "OS/ARCH", "Which image of several (default: all, and the index)", NULL},
	{"quiet", 'q', WH_OPT_FLAG, AT(quiet), NULL, "Taken for docker's sake: there is nothing to be left out", NULL},
	{"root", 0, WH_OPT_TEXT, AT(root), "DIR", "The store (as for build)", NULL},
	{0},
};

static int open_input(const struct flags *f, struct wh_err **err)
{
	int fd;

	if (f->input && !wh_streq(f->input, "-")) {
		fd = wh_openat(AT_FDCWD, f->input, O_RDONLY | O_NOCTTY, 0);
		return fd < 0 ? wh_err_sys(err, "cli", WH_ERR_USAGE, -fd, "%s", f->input) : fd;
	}
	if (isatty(STDIN_FILENO)) {
		wh_cli_misuse(err, "an archive is to be loaded from standard input, and that is a terminal");
		wh_err_hint(err, "--input FILE names one");
		return -EINVAL;
	}
	fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	return fd < 0 ? wh_err_sys(err, "cli", WH_ERR_ENV, errno, "standard input") : fd;
}

static void tell(const struct wh_loaded *x, struct wh_buf *out)
{
	const struct wh_image *i = &x->image;
	char id[WH_DIGEST_TEXT];

	for (size_t k = 0; k < x->names.n; k++) {
		WH_AUTO_FREE char *shown = wh_reference_familiar(x->names.v[k]);

		/* docker shows the tag in any case */
		wh_buf_addf(out, "Loaded image: %s%s\n", shown,
			    wh_has_suffix(x->names.v[k], ":latest") && !wh_has_suffix(shown, ":latest") ? ":latest" : "");
	}
	if (!x->names.n)
		wh_buf_addf(out, "Loaded image ID: %s\n", wh_digest_text(wh_image_is_index(i) ? &i->manifest : &i->config_digest, id));
}

static int load(void *flags, const struct wh_strv *args, struct wh_buf *out, struct wh_err **err)
{
	const struct flags *f = flags;
	struct wh_platform platform;
	struct wh_loaded *v = NULL;
	struct wh_store *s = NULL;
	WH_AUTO_FD int fd = -1;
	size_t n = 0;
	int r = f->platform ? wh_platform_parse(f->platform, NULL, &platform, err) : 0;

	(void)args;
	if (r < 0)
		return r;
	r = fd = open_input(f, err);
	if (r >= 0)
		r = wh_cli_store_open(f->root, &s, err);
	if (r >= 0)
		r = wh_archive_load(s, fd, f->input && !wh_streq(f->input, "-") ? f->input : "the archive", f->platform ? &platform : NULL,
				    &v, &n, err);
	for (size_t i = 0; i < n; i++)
		tell(&v[i], out);
	wh_loaded_free(v, n);
	if (s)
		wh_store_close(s);
	return r < 0 ? r : 0;
}

static int run(const struct wh_command *c, int argc, char **argv)
{
	struct flags flags = {0};

	return wh_command_main(c, argc, argv, &flags, load);
}

const struct wh_command wh_cmd_load = {
	.name = "load",
	.summary = "Take images from an archive into the store",
	.about = "Archives of docker save, podman save (both formats) and whittle save, and OCI layouts as tar; in gzip,\n"
		 "bzip2, xz or zstd, too. Every digest and diff id is checked before an image gets its name.",
	.examples = "  docker save shop:1.4 | whittle load\n"
		    "  whittle load -i shop.tar",
	.options = options,
	.args_wanted = "no arguments",
	.run = run,
};
