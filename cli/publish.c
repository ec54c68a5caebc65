/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the finished image to wherever it is to be.
 *
 *   evidence ─▶ for each output: the image in that output's form ─▶ its artifacts, signed ─▶ written or pushed
 *            └▶ the store: artifacts, then names
 *
 * Signatures are about a manifest's digest, so an image in another compression is signed by itself. Nothing leaves before all
 * that is to go with it is there.
 */
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

static int make_proof(struct publish *x, struct wh_err **err)
{
	struct wh_publish *p = x->p;
	const struct wh_proof_opts opts = {
		.store = p->store,
		.image = p->image,
		.hardening = p->hardening,
		.name = p->spec->tags.n ? p->spec->tags.v[0] : NULL,
	};
	WH_AUTO_ERR struct wh_err *e = NULL;
	unsigned id;
	int r;

	if (!p->spec->sign_key && !(p->hardening && p->hardening->present))
		return 0;
	id = wh_progress_begin(p->progress, "[internal] evidence: packages, findings, figures");
	/* Files of the layers are read, which may have to be unpacked. */
	r = wh_inner_enter(p->inner, &e);
	if (r == 0)
		r = wh_proof_make(&opts, &p->proof, &e);
	wh_progress_end(p->progress, id, e);
	wh_err_move(err, &e);
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

	if (!x->p->proof || wh_digest_eq(&x->manifest, &i->manifest))
		return 0;
	wh_artifacts_release(&x->artifacts);
	repos_of(x->p->spec, &repos);
	if (sign)
		id = wh_progress_begin(x->p->progress, "signing %s", wh_digest_text(&i->manifest, digest));
	if (sign && !x->signer.hint)
		r = wh_remote_signer_new(x->p->inner, &x->signer, &e);
	if (r == 0)
		r = wh_proof_attach(x->p->proof, i, sign ? &x->signer.signer : NULL, &repos, &x->artifacts, &e);
	if (r == 0)
		x->manifest = i->manifest;
	if (sign)
		wh_progress_end(x->p->progress, id, e);
	wh_err_move(err, &e);
	return r;
}

static int push(struct publish *x, const struct wh_image *i, struct wh_err **err)
{
	const struct wh_build_spec *s = x->p->spec;
	int r = 0;

	for (size_t k = 0; k < s->tags.n && r == 0; k++) {
		WH_AUTO_ERR struct wh_err *e = NULL;
		unsigned id = wh_progress_begin(x->p->progress, "pushing %s", s->tags.v[k]);

		r = wh_cli_registry_push(x->p->inner, x->p->store, s->tags.v[k], i, &x->artifacts,
					 s->insecure_registry, &e);
		wh_progress_end(x->p->progress, id, e);
		wh_err_move(err, &e);
	}
	return r;
}

static int write_output(struct publish *x, const struct wh_output *o, struct wh_err **err)
{
	struct wh_publish *p = x->p;
	struct wh_image image;
	int r = wh_output_image(p->store, p->image, p->n_base_layers, o, p->layer, &image, err);

	if (r < 0)
		return r;
	if (o->type == WH_OUT_OCI || o->type == WH_OUT_REGISTRY)
		r = attach(x, &image, err);
	if (r == 0 && o->type == WH_OUT_REGISTRY)
		r = push(x, &image, err);
	else if (r == 0)
		r = wh_output_write(p->store, &image, &x->artifacts, p->spec, o, STDOUT_FILENO, p->epoch, p->progress, err);
	if (r == 0 && p->spec->n_outputs == 1) { /* what is named and printed is what was written */
		struct wh_image old = *p->image;

		*p->image = image;
		image = old;
	}
	wh_image_release(&image);
	return r;
}

static int name_image(struct publish *x, struct wh_err **err)
{
	struct wh_publish *p = x->p;
	int r = attach(x, p->image, err);

	for (size_t i = 0; i < p->spec->tags.n && r == 0; i++) {
		r = wh_store_tag(p->store, p->spec->tags.v[i], p->image, err);
		if (r < 0)
			wh_err_wrap(err, "name the image %s", p->spec->tags.v[i]);
	}
	/* The same image may have been signed under another name before. */
	if (r == 0 && p->spec->sign_key)
		r = wh_sign_keep(p->store, p->image, &x->artifacts, err);
	if (r == 0 && x->artifacts.n)
		r = wh_store_attach(p->store, &x->artifacts, err);
	return r;
}

int wh_publish(struct wh_publish *p, struct wh_err **err)
{
	struct publish x = {.p = p};
	int r = make_proof(&x, err);

	for (size_t i = 0; i < p->spec->n_outputs && r == 0; i++)
		r = write_output(&x, &p->spec->outputs[i], err);
	if (r == 0)
		r = name_image(&x, err);
	wh_artifacts_release(&x.artifacts);
	wh_remote_signer_release(&x.signer);
	return r;
}
