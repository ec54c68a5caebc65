/* SPDX-License-Identifier: Apache-2.0 */
/* --output: an image of the store in the form asked for, written to where it was asked for. */
#include "cli/annotate.h"
#include "cli/cli.h"

#include <errno.h>
#include <sys/stat.h>

/* The layers in the compression that the output asks for. */
static int in_compression(struct wh_store *s, struct wh_image *i, size_t n_base_layers, const struct wh_output *o,
			  const struct wh_layer_opts *layer, bool *changed, struct wh_err **err)
{
	struct wh_layer_opts as = *layer;
	const bool wants = wh_output_wants(o, &as.comp, &as.level), no_zstd = wants && !o->has_comp;
	int r = 0;

	for (size_t k = 0; wants && k < i->n_layers && r == 0; k++) {
		struct wh_layer *l = &i->layers[k], other = {0};

		/* The base's layers stay as they came, so that a registry that has them need not get them again; but docker's media types
		 * have no zstd. Nor need plain tars be anything else, where nobody asked for it. */
		if (l->comp != WH_COMP_ZSTD || !(no_zstd || o->docker_types))
			if (no_zstd || (k < n_base_layers && !o->force_comp))
				continue;
		r = wh_layer_as(s, l, &as, &other, err);
		if (r < 0)
			break;
		*changed |= !wh_digest_eq(&other.blob, &l->blob);
		wh_layer_release(l);
		*l = other;
	}
	return r;
}

static void annotate(struct wh_image *i, const struct wh_strv *all, const struct wh_strv *own)
{
	struct wh_platform p;
	WH_AUTO_FREE char *platform = NULL;

	wh_image_platform(i, &p);
	platform = wh_platform_text(&p);
	for (const struct wh_strv *const *l = (const struct wh_strv *const[]){all, own, NULL}; *l; l++) {
		wh_annotations_collect(*l, WH_ANNOTATE_MANIFEST, platform, &i->annotations);
		wh_annotations_collect(*l, WH_ANNOTATE_MANIFEST_DESCRIPTOR, platform, &i->listed_annotations);
	}
}

int wh_output_image(struct wh_store *s, const struct wh_image *i, size_t n_base_layers, const struct wh_build_spec *spec,
		    const struct wh_output *o, const struct wh_layer_opts *layer, struct wh_image *ret, struct wh_err **err)
{
	static const struct wh_output plain = {.type = WH_OUT_OCI};
	const bool docker = o && o->docker_types;
	bool changed = docker;
	struct wh_image copy;
	int r;

	if (!o)
		o = &plain;
	wh_image_copy(&copy, i);
	annotate(&copy, &spec->annotations, &o->annotations);
	changed |= json_object_size(copy.annotations) > 0;
	r = in_compression(s, &copy, n_base_layers, o, layer, &changed, err);
	if (r == 0 && changed)
		r = wh_image_manifest_write(s, &copy, docker, err);
	if (r < 0) {
		wh_image_release(&copy);
		return r;
	}
	*ret = copy;
	return 0;
}

bool wh_path_plain(const char *path)
{
	struct stat st;

	return lstat(path, &st) < 0 || S_ISREG(st.st_mode);
}

int wh_path_stream(const char *path)
{
	struct stat st, own;

	if (stat(path, &st) < 0 || (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode)))
		return -1;
	for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++)
		if (fstat(fd, &own) == 0 && own.st_dev == st.st_dev && own.st_ino == st.st_ino)
			return fd;
	return -1;
}

int wh_cli_write_check(const char *path, const char *what, struct wh_err **err)
{
	WH_AUTO_FREE char *dir = wh_path_dir(path);
	struct stat st;
	int r = 0;

	if (wh_path_stream(path) >= 0)
		return 0;
	if (stat(path, &st) == 0)
		r = S_ISDIR(st.st_mode) ? -EISDIR : access(path, W_OK) < 0 ? -errno : 0;
	if (r == 0 && wh_path_plain(path) && access(dir, W_OK | X_OK) < 0)
		r = -errno;
	return r < 0 ? wh_err_sys(err, "cli", WH_ERR_USAGE, -r, "%s cannot be written to \"%s\"", what, path) : 0;
}

int wh_cli_write_file(const char *path, const void *p, size_t n, const char *what, struct wh_err **err)
{
	int stream = wh_path_stream(path), r;

	if (stream >= 0) {
		r = wh_write_all(stream, p, n);
	} else if (wh_path_plain(path)) {
		r = wh_write_file_atomic(AT_FDCWD, path, p, n, 0644, false);
	} else {
		WH_AUTO_FD int fd = wh_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOCTTY, 0644);

		r = fd < 0 ? fd : wh_write_all(fd, p, n);
	}
	return r < 0 ? wh_err_sys(err, "cli", WH_ERR_ENV, -r, "write %s to \"%s\"", what, path) : 0;
}

/* Where a symlink leads, so that the file is replaced and not the link. NULL: dest is no symlink, or leads nowhere that can
 * be made; then the export says what is wrong. */
static char *behind_link(const char *dest)
{
	char *path;

	if (wh_path_plain(dest))
		return NULL;
	path = realpath(dest, NULL);
	if (!path && errno == ENOENT) {
		WH_AUTO_FD int fd = wh_openat(AT_FDCWD, dest, O_WRONLY | O_CREAT, 0644);

		path = fd < 0 ? NULL : realpath(dest, NULL);
	}
	return path;
}

static int refuse_dest(const char *dest, int sys, struct wh_err **err)
{
	enum wh_err_class class = sys == EACCES || sys == EPERM ? WH_ERR_ENV : WH_ERR_USAGE;

	return wh_err_sys(err, "cli", class, sys, "export to %s", dest);
}

/* A destination that cannot work is told before the first step, not after the last. What is found wrong only while writing
 * is told then. */
int wh_output_check(const struct wh_output *o, struct wh_err **err)
{
	WH_AUTO_FREE char *at = o->dest ? wh_path_clean(o->dest) : NULL;
	bool missing = false;
	struct stat st;

	if (!at || wh_streq(o->dest, "-"))
		return 0;
	/* Directories above a destination are made: what counts is the nearest that is there. */
	while (lstat(at, &st) < 0) {
		char *up;

		if (errno != ENOENT && errno != ENOTDIR)
			return refuse_dest(o->dest, errno, err);
		missing = true;
		up = wh_path_dir(at);
		free(at);
		at = up;
	}
	if (!missing)
		return 0;
	if (stat(at, &st) < 0 || !S_ISDIR(st.st_mode))
		return refuse_dest(o->dest, ENOTDIR, err);
	return faccessat(AT_FDCWD, at, W_OK | X_OK, AT_EACCESS) < 0 ? refuse_dest(o->dest, errno, err) : 0;
}

static const char *kind_of(const struct wh_output *o)
{
	switch (o->type) {
	case WH_OUT_OCI:
		return o->tar ? "OCI layout as tar" : "OCI layout";
	case WH_OUT_LOCAL:
		return "files";
	case WH_OUT_TAR:
		return "files as tar";
	case WH_OUT_DOCKER:
		return "docker archive";
	case WH_OUT_REGISTRY:
	case WH_OUT_IMAGE:
	case WH_OUT_LOAD:
		return "image";
	}
	return "";
}

int wh_output_write(struct wh_store *s, const struct wh_image *i, const struct wh_artifacts *artifacts,
		    const struct wh_build_spec *spec, const struct wh_output *o, int stdout_fd, int64_t epoch,
		    struct wh_progress *p, struct wh_err **err)
{
	static const char *const no_names[] = {NULL};
	WH_AUTO_JSON json_t *listed = NULL;
	struct wh_export x = {.dest = o->dest, .out_fd = stdout_fd, .tar = o->tar, .names = no_names, .epoch = epoch,
			      .artifacts = artifacts};
	const struct wh_strv *names = wh_output_names(spec, o);
	struct wh_err *e = NULL;
	WH_AUTO_FREE char *behind = NULL;
	unsigned id, skipped = 0;
	int r = 0;

	if (o->type == WH_OUT_TAR || o->type == WH_OUT_DOCKER || (o->type == WH_OUT_OCI && o->tar))
		behind = behind_link(o->dest);
	if (behind)
		x.dest = behind;
	if (names->n)
		x.names = (const char *const *)names->v;
	if (wh_image_is_index(i)) {
		wh_annotations_collect(&spec->annotations, WH_ANNOTATE_INDEX_DESCRIPTOR, NULL, &listed);
		wh_annotations_collect(&o->annotations, WH_ANNOTATE_INDEX_DESCRIPTOR, NULL, &listed);
	} else {
		listed = json_incref(i->listed_annotations);
	}
	x.annotations = listed;
	id = wh_progress_begin(p, "exporting %s to %s", kind_of(o),
			       wh_streq(o->dest, "-") ? "standard output" : o->dest);
	switch (o->type) {
	case WH_OUT_OCI:
		r = wh_export_oci(s, i, &x, &e);
		break;
	case WH_OUT_LOCAL:
		r = wh_export_local(s, i, &x, spec->as_root, &skipped, &e);
		break;
	case WH_OUT_TAR:
		r = wh_export_tar(s, i, &x, &e);
		break;
	case WH_OUT_DOCKER:
		r = wh_export_docker(s, &(struct wh_export_item){.image = i, .names = x.names, .annotations = listed}, 1, &x, &e);
		break;
	case WH_OUT_IMAGE:
	case WH_OUT_LOAD:
	case WH_OUT_REGISTRY: /* publish.c's */
		break;
	}
	if (skipped)
		wh_progress_note(p, id, "%u device nodes left out: only root can make them", skipped);
	wh_progress_end(p, id, e);
	if (e && !wh_has_prefix(e->msg, "export to "))
		wh_err_wrap(&e, "export to %s", wh_streq(o->dest, "-") ? "standard output" : o->dest);
	wh_err_move(err, &e);
	return r;
}
