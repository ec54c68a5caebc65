/* SPDX-License-Identifier: Apache-2.0 */
/* Signatures on artifacts. What an artifact is, its layers' media types say; tags and artifact types are other people's
 * words. */
#include "evidence/verify_private.h"

#include <errno.h>

/* What our key signed, or what says that it did, and is not right. */
static int wrong(struct wh_err **err, const char *what, const char *why)
{
	return wh_err_set(err, "evidence", WH_ERR_GATE, EBADMSG, "%s: %s", what, why);
}

/* ---------------------------------------------------------------- the older image signature */

static int prove_simple(struct wh_proving *p, const struct wh_descriptor *layer, const char *data, size_t n,
			const char *what, struct wh_err **err)
{
	WH_AUTO_FREE uint8_t *sig = NULL;
	WH_AUTO_FREE char *reference = NULL;
	struct wh_digest d, about;
	size_t n_sig;
	int r;

	/* Nothing here says by which key: what this one did not sign is another's. */
	wh_digest_of(data, n, &d);
	if (!wh_base64_decode(wh_json_str(layer->annotations, WH_AN_SIGNATURE), WH_SIGNATURE_MAX, &sig, &n_sig) ||
	    wh_key_verify(p->key, &d, sig, n_sig) < 0)
		return 0;
	r = wh_simple_parse(data, n, what, &about, &reference, err);
	if (r < 0)
		return r;
	if (!wh_digest_eq(&about, &p->i->manifest))
		return wrong(err, what, "it is signed, but for another image");
	p->found.legacy = true;
	if (reference[0] && !wh_strv_has(&p->found.references, reference))
		wh_strv_add(&p->found.references, reference);
	return 0;
}

/* ---------------------------------------------------------------- statements */

static int take_verdict(struct wh_proving *p, json_t *predicate, const char *what, struct wh_err **err)
{
	/* Both forms carry the same one. Two that differ: which would count? */
	if (p->found.verdict && !json_equal(p->found.verdict, predicate))
		return wrong(err, what, "there are two hardening verdicts that differ");
	if (!p->found.verdict)
		p->found.verdict = json_incref(predicate);
	return 0;
}

/* What the statement calls the image; "_" says nothing. */
static void take_names(struct wh_proving *p, const json_t *statement)
{
	const json_t *subjects = json_object_get(statement, "subject");

	for (size_t i = 0; i < json_array_size(subjects) && i < WH_SUBJECTS_MAX; i++) {
		const json_t *o = json_array_get(subjects, i);
		const char *name = wh_json_str(o, "name"), *hex = wh_json_str(json_object_get(o, "digest"), "sha256");
		struct wh_digest d;

		if (name && name[0] && strcmp(name, "_") != 0 && hex && wh_digest_parse_hex(hex, &d) &&
		    wh_digest_eq(&d, &p->i->manifest) && !wh_strv_has(&p->found.references, name))
			wh_strv_add(&p->found.references, name);
	}
}

/* An envelope that our key signed. predicate: which type the artifact says it is of, or NULL. */
static int take_statement(struct wh_proving *p, const struct wh_envelope *e, const char *predicate, bool bundle,
			  const char *what, struct wh_err **err)
{
	WH_AUTO_JSON json_t *o = NULL;
	json_t *body;
	const char *type;
	int r;

	if (strcmp(e->type, WH_TYPE_INTOTO) != 0)
		return wrong(err, what, "what is signed is no in-toto statement");
	r = wh_statement_parse(e->payload, e->n, &p->i->manifest, what, &o, &type, err);
	if (r < 0)
		return r;
	if (predicate && strcmp(predicate, type) != 0)
		return wrong(err, what, "it is labelled as another kind of statement than it is");
	if (strcmp(type, WH_PREDICATE_SIGN) == 0) {
		p->found.bundle |= bundle;
		if (bundle)
			take_names(p, o);
		return 0;
	}
	body = json_object_get(o, "predicate");
	if (!json_is_object(body))
		return wrong(err, what, "the statement says nothing");
	json_array_append_new(p->found.statements, json_pack("{s:s, s:O, s:s}", "predicateType", type, "predicate",
							     body, "form", bundle ? "bundle" : "legacy"));
	return strcmp(type, WH_PREDICATE_VERDICT) == 0 ? take_verdict(p, body, what, err) : 0;
}

static int prove_attestation(struct wh_proving *p, const struct wh_descriptor *layer, const char *data, size_t n,
			     const char *what, struct wh_err **err)
{
	WH_CLEANUP(wh_envelope_release) struct wh_envelope e = {0};
	WH_AUTO_JSON json_t *o = NULL;

	if (wh_json_parse(data, n, what, &o, NULL) < 0 || wh_envelope_parse(o, &e, NULL) < 0 ||
	    !wh_envelope_signed_by(&e, p->key))
		return 0;
	return take_statement(p, &e, wh_json_str(layer->annotations, WH_AN_PREDICATE), false, what, err);
}

/* Does the text name our key, however broken it is otherwise? */
static bool claims_us(const struct wh_proving *p, const char *data, size_t n)
{
	return memmem(data, n, p->hint, strlen(p->hint));
}

static int prove_bundle(struct wh_proving *p, const json_t *annotations, const char *data, size_t n, const char *what,
			struct wh_err **err)
{
	WH_CLEANUP(wh_bundle_release) struct wh_bundle b = {0};
	WH_AUTO_ERR struct wh_err *why = NULL;

	if (wh_bundle_parse(data, n, what, &b, &why) < 0) {
		if (!claims_us(p, data, n))
			return 0;
		wh_err_move(err, &why);
		return -EBADMSG;
	}
	if (b.hint && strcmp(b.hint, p->hint) != 0)
		return 0;
	if (!wh_envelope_signed_by(&b.envelope, p->key))
		return b.hint ? wrong(err, what, "it names this key, but the signature is not this key's") : 0;
	return take_statement(p, &b.envelope, wh_json_str(annotations, WH_AN_BUNDLE_PREDICATE), true, what, err);
}

/* ---------------------------------------------------------------- artifacts */

int wh_prove_layer(struct wh_proving *p, const struct wh_descriptor *layer, const json_t *manifest_annotations,
		   const char *data, size_t n, const char *what, struct wh_err **err)
{
	if (strcmp(layer->media_type, WH_MEDIA_SIMPLE) == 0)
		return prove_simple(p, layer, data, n, what, err);
	if (strcmp(layer->media_type, WH_MEDIA_DSSE) == 0)
		return prove_attestation(p, layer, data, n, what, err);
	if (wh_has_prefix(layer->media_type, WH_MEDIA_BUNDLE_PREFIX))
		return prove_bundle(p, manifest_annotations, data, n, what, err);
	return 0;
}

static bool of_interest(const char *media_type)
{
	return strcmp(media_type, WH_MEDIA_SIMPLE) == 0 || strcmp(media_type, WH_MEDIA_DSSE) == 0 ||
	       wh_has_prefix(media_type, WH_MEDIA_BUNDLE_PREFIX);
}

static int prove_blob(struct wh_proving *p, const struct wh_artifact *a, const struct wh_descriptor *layer,
		      struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_FREE char *what = NULL;
	char hex[65];
	int r;

	/* What nobody here understands may be of any size, and proves nothing: it is hashed where its bytes are taken
	 * in. */
	if (!of_interest(layer->media_type))
		return 0;
	what = a->tag ? wh_asprintf("%.20s….%s", a->tag, strrchr(a->tag, '.') + 1)
		      : wh_asprintf("bundle %.12s…", wh_digest_hex(&layer->digest, hex));
	r = wh_blob_read(p->s, &layer->digest, WH_PAYLOAD_MAX, &buf, err);
	if (r < 0)
		return r;
	if (buf.n != layer->size)
		return wrong(err, what, "its size is not what its manifest says");
	p->found.blobs++;
	p->found.bytes += buf.n;
	return wh_prove_layer(p, layer, a->manifest.annotations, buf.p ? buf.p : "", buf.n, what, err);
}

int wh_prove_artifact(struct wh_proving *p, const struct wh_artifact *a, struct wh_err **err)
{
	struct wh_descriptor *layers;
	size_t n;
	int r;

	if (!wh_digest_eq(&a->subject, &p->i->manifest))
		return 0;
	r = wh_artifact_layers(p->s, a, &layers, &n, err);
	if (r < 0)
		return r;
	p->found.blobs++;
	p->found.bytes += a->manifest.size;
	for (size_t k = 0; k < n && r == 0; k++)
		r = prove_blob(p, a, &layers[k], err);
	for (size_t k = 0; k < n; k++)
		wh_descriptor_release(&layers[k]);
	free(layers);
	return r;
}
