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
#include "cli/cache_opts.h"
#include "cli/cli.h"
#include "cli/proof.h"
#include "cli/sign_service.h"

#include <unistd.h>

struct publish {
	struct wh_publish *p;
	struct wh_remote_signer signer;
	struct wh_artifacts artifacts; /* of the manifest below */
	struct wh_digest manifest;
};

/* "registry.example/shop" of each name: what the signature calls the image. */
static void repos_of(const struct wh_build_spec *s, struct wh_strv *ret)
{
	for (size_t i = 0; i < s->tags.n; i++) {
		const char *name = s->tags.v[i], *slash = strrchr(name, '/'), *colon = strrchr(name, ':');
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
	};
	WH_AUTO_ERR struct wh_err *e = NULL;
	struct wh_platform platform;
	WH_AUTO_FREE char *which = NULL;
	unsigned id;
	int r;

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
	bool sign = x->p->spec->sign_key != NULL;
	char digest[WH_DIGEST_TEXT];
	unsigned id = 0;
	int r = 0;

	if (wh_digest_eq(&x->manifest, &i->manifest))
		return 0;
	wh_artifacts_release(&x->artifacts);
	repos_of(x->p->spec, &repos);
	if (sign)
		id = wh_progress_begin(x->p->progress, "signing %s", wh_digest_text(&i->manifest, digest));
	if (sign && !x->signer.hint)
		r = wh_remote_signer_new(x->p->inner, &x->signer, &e);
	if (r == 0)
		r = attach_each(x, i, &repos, &e);
	if (r == 0)
		x->manifest = i->manifest;
	if (sign)
		wh_progress_end(x->p->progress, id, e);
	wh_err_move(err, &e);
	return r;
}

/* ---------------------------------------------------------------- outputs */

static int push(struct publish *x, const struct wh_image *i, const struct wh_output *o, struct wh_err **err)
{
	const struct wh_build_spec *s = x->p->spec;
	WH_AUTO_ERR struct wh_err *e = NULL;
	WH_AUTO_BUF struct wh_buf names = WH_BUF_INIT;
	unsigned id;
	int r;

	for (size_t k = 0; k < s->tags.n; k++)
		wh_buf_addf(&names, "%s%s", k ? ", " : "", s->tags.v[k]);
	id = wh_progress_begin(x->p->progress, "pushing %s", names.p);
	r = wh_cli_registry_push(x->p->inner, x->p->store, &s->tags, i, &x->artifacts, s->insecure_registry, o->chunk,
				 &(struct wh_progress_row){x->p->progress, id}, &e);
	wh_progress_end(x->p->progress, id, e);
	wh_err_move(err, &e);
	return r;
}

/* The images in an output's form; of several, the index over them. */
static int in_form(struct publish *x, const struct wh_output *o, struct wh_image *ret, struct wh_err **err)
{
	struct wh_publish *p = x->p;
	WH_AUTO_FREE struct wh_image *images = wh_calloc(p->n, sizeof(*images));
	size_t n = 0;
	int r = 0;

	for (; n < p->n && r == 0; n += r == 0)
		r = wh_output_image(p->store, &p->built[n].image, p->built[n].n_base_layers, o, p->layer, &images[n], err);
	if (r == 0 && !p->spec->index) {
		*ret = images[0];
		return 0;
	}
	if (r == 0)
		r = wh_image_index_write(p->store, images, n, ret, err);
	while (n > 0)
		wh_image_release(&images[--n]);
	return r;
}

static int write_output(struct publish *x, const struct wh_output *o, struct wh_err **err)
{
	struct wh_publish *p = x->p;
	struct wh_image image;
	int r = in_form(x, o, &image, err);

	if (r < 0)
		return r;
	if (o->type == WH_OUT_OCI || o->type == WH_OUT_REGISTRY)
		r = attach(x, &image, err);
	if (r == 0 && o->type == WH_OUT_REGISTRY)
		r = push(x, &image, o, err);
	else if (r == 0)
		r = wh_output_write(p->store, &image, &x->artifacts, p->spec, o, STDOUT_FILENO, p->epoch, p->progress, err);
	if (r == 0 && p->spec->n_outputs == 1) { /* what is named and printed is what was written */
		struct wh_image old = p->image;

		p->image = image;
		image = old;
	}
	wh_image_release(&image);
	return r;
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

static int as_built(struct wh_publish *p, struct wh_err **err)
{
	WH_AUTO_FREE struct wh_image *images = NULL;

	if (!p->spec->index) {
		wh_image_copy(&p->image, &p->built[0].image);
		return 0;
	}
	images = wh_calloc(p->n, sizeof(*images));
	for (size_t i = 0; i < p->n; i++)
		images[i] = p->built[i].image; /* lent */
	return wh_image_index_write(p->store, images, p->n, &p->image, err);
}

int wh_publish(struct wh_publish *p, struct wh_err **err)
{
	struct publish x = {.p = p};
	int r = as_built(p, err);

	for (size_t i = 0; i < p->n && r == 0; i++)
		r = make_proof(&x, &p->built[i], err);
	for (size_t i = 0; i < p->spec->n_outputs && r == 0; i++)
		r = write_output(&x, &p->spec->outputs[i], err);
	if (r == 0)
		r = name_image(&x, err);
	wh_artifacts_release(&x.artifacts);
	wh_remote_signer_release(&x.signer);
	return r;
}
