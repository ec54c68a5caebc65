/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the finished images to wherever they are to be.
 *
 *   evidence ─▶ for each output: the images in that output's form ─▶ their artifacts, signed ─▶ written or pushed
 *            └▶ the store: artifacts, then names
 *
 * Several platforms: each image has its own evidence and signatures, and the index over them, which is what names lead to, is signed, too.
 * Signatures are about a manifest's digest, so an image in another compression is signed by itself. Nothing leaves before all
 * that is to go with it is there.
 */
#include "cli/annotate.h"
#include "cli/cache_opts.h"
#include "cli/cli.h"
#include "cli/proof.h"
#include "cli/sign_service.h"

#include <unistd.h>

struct publish {
	struct wh_publish *p;
	const struct wh_output *o; /* whose turn it is; NULL: the store's */
	struct wh_remote_signer signer;
	struct wh_artifacts artifacts; /* of the manifest below */
	struct wh_digest manifest;
	const struct wh_strv *names; /* which the signatures were made with */
	struct wh_strv written;      /* outputs, in words */
};

/* "registry.example/shop" of each name: what the signature calls the image. */
static void repos_of(const struct wh_strv *names, struct wh_strv *ret)
{
	for (size_t i = 0; i < names->n; i++) {
		const char *name = names->v[i], *slash = strrchr(name, '/'), *colon = strrchr(name, ':');
		WH_AUTO_FREE char *repo =
			wh_strndup(name, colon && (!slash || colon > slash) ? (size_t)(colon - name) : strlen(name));

		if (!wh_strv_has(ret, repo))
			wh_strv_add(ret, repo);
	}
}

static int make_proof(struct publish *x, struct wh_built *built, struct wh_err **err)
{
	struct wh_publish *p = x->p;
	/* Without a key or a verdict nothing is said of an image, but that its steps had less around them than usual. */
	const bool weak = built->isolation == WH_ISOLATION_CHROOT;
	const struct wh_proof_opts opts = {
		.store = p->store,
		.image = &built->image,
		.hardening = &built->hardening,
		.name = p->spec->tags.n ? p->spec->tags.v[0] : NULL,
		.provenance = p->spec->sign_key || weak ? built->provenance : NULL,
		.built_only = !p->spec->sign_key && !built->hardening.present,
		.removed = p->spec->keep_removed ? p->layer : NULL,
	};
	WH_AUTO_ERR struct wh_err *e = NULL;
	struct wh_platform platform;
	WH_AUTO_FREE char *which = NULL;
	unsigned id;
	int r;

	if (p->spec->keep_removed && !built->hardening.present)
		wh_progress_warn(p->progress, "--keep-removed: nothing was pruned, so nothing was removed");
	if (!p->spec->sign_key && !built->hardening.present && !weak)
		return 0;
	if (opts.built_only)
		return wh_proof_make(&opts, &built->proof, err);
	wh_image_platform(&built->image, &platform);
	which = p->spec->index ? wh_platform_text(&platform) : NULL;
	id = wh_progress_begin(p->progress, "[%s%sinternal] evidence: packages, findings, figures", which ? which : "",
			       which ? " " : "");
	/* Files of the layers are read, which may have to be unpacked. */
	r = wh_inner_enter(p->inner, &e);
	if (r == 0)
		r = wh_proof_make(&opts, &built->proof, &e);
	wh_progress_end(p->progress, id, e);
	wh_err_move(err, &e);
	return r;
}

/* ---------------------------------------------------------------- artifacts */

/* Of the images in this form, and of the index over them, of which there is nothing to say but who stands for it. */
static int attach_each(struct publish *x, const struct wh_image *i, const struct wh_strv *repos, struct wh_err **err)
{
	const struct wh_signer *signer = x->p->spec->sign_key ? &x->signer.signer : NULL;
	const struct wh_image *parts = wh_image_is_index(i) ? i->parts : i;
	int r = 0;

	for (size_t k = 0; k < x->p->n && r == 0; k++)
		if (x->p->built[k].proof)
			r = wh_proof_attach(x->p->built[k].proof, &parts[k], signer, repos, &x->artifacts, err);
	if (r == 0 && signer && wh_image_is_index(i))
		r = wh_sign_image(x->p->store, i, repos, signer, NULL, 0, &x->artifacts, err);
	if (r == 0 && x->p->share)
		r = wh_cache_share_inline(x->p->share, i, &x->artifacts, err);
	return r;
}

/* The artifacts of this form of the image, made once. */
static int attach(struct publish *x, const struct wh_image *i, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv repos = {0};
	WH_AUTO_ERR struct wh_err *e = NULL;
	const struct wh_strv *names = x->o ? wh_output_names(x->p->spec, x->o) : &x->p->spec->tags;
	bool sign = x->p->spec->sign_key != NULL;
	char digest[WH_DIGEST_TEXT];
	unsigned id = 0;
	int r = 0;

	if (wh_digest_eq(&x->manifest, &i->manifest) && x->names == names)
		return 0;
	wh_artifacts_release(&x->artifacts);
	repos_of(names, &repos);
	if (sign)
		id = wh_progress_begin(x->p->progress, "signing %s", wh_digest_text(&i->manifest, digest));
	if (sign && !x->signer.hint) {
		wh_progress_pause(x->p->progress, true); /* a password may be asked for */
		r = wh_remote_signer_new(x->p->inner, &x->signer, &e);
		wh_progress_pause(x->p->progress, false);
	}
	if (r == 0)
		r = attach_each(x, i, &repos, &e);
	if (r == 0)
		x->manifest = i->manifest;
	x->names = names;
	if (sign)
		wh_progress_end(x->p->progress, id, e);
	wh_err_move(err, &e);
	return r;
}

/* ---------------------------------------------------------------- outputs */

/* All refs are those of one image: it is sent once to each registry. */
static int push(struct publish *x, const struct wh_output *o, const struct wh_image *i, struct wh_err **err)
{
	const struct wh_build_spec *s = x->p->spec;
	const struct wh_strv *names = wh_output_names(s, o);
	WH_AUTO_ERR struct wh_err *e = NULL;
	WH_AUTO_BUF struct wh_buf shown = WH_BUF_INIT;
	WH_AUTO_STRV struct wh_strv repos = {0};
	WH_AUTO_STRV struct wh_strv refs = {0};
	char digest[WH_DIGEST_TEXT];
	unsigned id;
	int r;

	repos_of(names, &repos);
	for (size_t k = 0; k < (o->by_digest ? repos.n : names->n); k++)
		wh_strv_addf(&refs, "%s%s%s", o->by_digest ? repos.v[k] : names->v[k], o->by_digest ? "@" : "",
			     o->by_digest ? wh_digest_text(&i->manifest, digest) : "");
	for (size_t k = 0; k < refs.n; k++)
		wh_buf_addf(&shown, "%s%s", k ? ", " : "", refs.v[k]);
	id = wh_progress_begin(x->p->progress, "pushing %s", shown.p);
	r = wh_cli_registry_push(x->p->inner, x->p->store, &refs, i, &x->artifacts, s->insecure_registry, o->chunk,
				 &(struct wh_progress_row){x->p->progress, id}, &e);
	wh_progress_end(x->p->progress, id, e);
	wh_err_move(err, &e);
	return r;
}

static int form_index(struct publish *x, const struct wh_output *o, const struct wh_image *images, size_t n, struct wh_image *ret,
		      struct wh_err **err)
{
	const struct wh_build_spec *s = x->p->spec;
	WH_AUTO_JSON json_t *annotations = NULL;

	wh_annotations_collect(&s->annotations, WH_ANNOTATE_INDEX, NULL, &annotations);
	if (o)
		wh_annotations_collect(&o->annotations, WH_ANNOTATE_INDEX, NULL, &annotations);
	return wh_image_index_write_as(x->p->store, images, n, annotations, o && o->docker_types, ret, err);
}

/* The images in an output's form (NULL: the store's); of several, the index over them. */
static int in_form(struct publish *x, const struct wh_output *o, struct wh_image *ret, struct wh_err **err)
{
	struct wh_publish *p = x->p;
	WH_AUTO_FREE struct wh_image *images = wh_calloc(p->n, sizeof(*images));
	size_t n = 0;
	int r = 0;

	for (; n < p->n && r == 0; n += r == 0)
		r = wh_output_image(p->store, &p->built[n].image, p->built[n].n_base_layers, p->spec, o, p->layer, &images[n], err);
	if (r == 0 && !p->spec->index) {
		*ret = images[0];
		return 0;
	}
	if (r == 0)
		r = form_index(x, o, images, n, ret, err);
	while (n > 0)
		wh_image_release(&images[--n]);
	return r;
}

/* An image by names that are not the build's own. */
static int name_output(struct publish *x, const struct wh_output *o, const struct wh_image *i, struct wh_err **err)
{
	int r = 0;

	for (size_t k = 0; k < o->names.n && r == 0; k++)
		r = wh_store_tag(x->p->store, o->names.v[k], i, err);
	return r < 0 || !x->artifacts.n ? r : wh_store_attach(x->p->store, &x->artifacts, err);
}

static int send_output(struct publish *x, const struct wh_output *o, const struct wh_image *i, struct wh_err **err)
{
	struct wh_publish *p = x->p;
	int r = 0;

	if (o->type == WH_OUT_OCI || o->type == WH_OUT_REGISTRY || o->type == WH_OUT_IMAGE)
		r = attach(x, i, err);
	if (r < 0)
		return r;
	switch (o->type) {
	case WH_OUT_REGISTRY:
		return push(x, o, i, err);
	case WH_OUT_IMAGE:
		return name_output(x, o, i, err);
	case WH_OUT_OCI:
	case WH_OUT_DOCKER:
	case WH_OUT_LOCAL:
	case WH_OUT_TAR:
		return wh_output_write(p->store, i, &x->artifacts, p->spec, o, STDOUT_FILENO, p->epoch, p->progress, err);
	case WH_OUT_LOAD:
		return wh_load_image(p->inner, p->store, i, p->spec, o, p->epoch, p->progress, err);
	}
	return 0;
}

static void note_written(struct publish *x, const struct wh_output *o)
{
	const struct wh_strv *names = wh_output_names(x->p->spec, o);

	switch (o->type) {
	case WH_OUT_REGISTRY:
		for (size_t k = 0; k < names->n; k++)
			wh_strv_add(&x->written, names->v[k]);
		break;
	case WH_OUT_LOAD:
		wh_strv_addf(&x->written, "the image in %s", o->dest ? o->dest : "docker, podman or containerd");
		break;
	case WH_OUT_OCI:
	case WH_OUT_DOCKER:
	case WH_OUT_LOCAL:
	case WH_OUT_TAR:
		wh_strv_add(&x->written, wh_streq(o->dest, "-") ? "standard output" : o->dest);
		break;
	case WH_OUT_IMAGE:
		break;
	}
}

static int write_output(struct publish *x, const struct wh_output *o, struct wh_err **err)
{
	struct wh_publish *p = x->p;
	struct wh_image image;
	int r = in_form(x, o, &image, err);

	if (r < 0)
		return r;
	x->o = o;
	r = send_output(x, o, &image, err);
	x->o = NULL;
	if (r == 0)
		note_written(x, o);
	/* What is named and printed is what was written. */
	if (r == 0 && (p->spec->n_outputs == 1 || o->type == WH_OUT_IMAGE)) {
		struct wh_image old = p->image;

		p->image = image;
		image = old;
	}
	wh_image_release(&image);
	return r;
}

/* Some outputs were written before one failed: they stay, and whoever reads the error should know. */
static void tell_written(const struct publish *x, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf list = WH_BUF_INIT;

	for (size_t k = 0; k < x->written.n; k++)
		wh_buf_addf(&list, "%s%s", k ? ", " : "", x->written.v[k]);
	if (list.n && err && *err && !(*err)->hint)
		wh_err_hint(err, "written before that: %s", list.p);
	else if (list.n && err && *err)
		wh_err_wrap(err, "written: %s; then", list.p);
}

/* The same image may have been signed under another name before. */
static int keep_signatures(struct publish *x, const struct wh_image *i, struct wh_err **err)
{
	int r = wh_sign_keep(x->p->store, i, &x->artifacts, err);

	for (size_t k = 0; k < i->n_parts && r == 0; k++)
		r = keep_signatures(x, &i->parts[k], err);
	return r;
}

static int name_image(struct publish *x, struct wh_err **err)
{
	struct wh_publish *p = x->p;
	int r = attach(x, &p->image, err);

	for (size_t i = 0; i < p->spec->tags.n && r == 0; i++) {
		r = wh_store_tag(p->store, p->spec->tags.v[i], &p->image, err);
		if (r < 0)
			wh_err_wrap(err, "name the image %s", p->spec->tags.v[i]);
	}
	if (r == 0 && p->spec->sign_key)
		r = keep_signatures(x, &p->image, err);
	if (r == 0 && x->artifacts.n)
		r = wh_store_attach(p->store, &x->artifacts, err);
	return r;
}

int wh_publish(struct wh_publish *p, struct wh_err **err)
{
	struct publish x = {.p = p};
	int r = in_form(&x, NULL, &p->image, err);

	for (size_t i = 0; i < p->n && r == 0; i++)
		r = make_proof(&x, &p->built[i], err);
	for (size_t i = 0; i < p->spec->n_outputs && r == 0; i++)
		r = write_output(&x, &p->spec->outputs[i], err);
	if (r == 0)
		r = name_image(&x, err);
	if (r < 0)
		tell_written(&x, err);
	wh_strv_release(&x.written);
	wh_artifacts_release(&x.artifacts);
	wh_remote_signer_release(&x.signer);
	return r;
}
