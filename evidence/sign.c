/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing an image and statements about it, everything in both forms: there are readers that know only the older one,
 * and readers that look at the newer one first. Each bundle is a referrer of its own; of the older form there is one
 * manifest for signatures and one for attestations, with a layer each.
 */
#include "evidence/sign_private.h"

#include <errno.h>

struct piece { /* bytes to be signed, and the signature */
	const char *type; /* of the predicate; NULL: the older form's payload */
	struct wh_buf text, der;
	struct wh_digest digest;
};

struct signing {
	struct wh_store *s;
	const struct wh_image *i;
	const struct wh_strv *repos;
	const struct wh_signer *signer;
	struct wh_artifacts list;
	struct piece *pieces; /* the older form's payloads; the statement that is the signature; then the others */
	size_t n_pieces, n_simple;
	struct wh_artifact_blob *atts; /* layers of the .att manifest; data and annotations owned */
	size_t n_atts, cap_atts;
};

static void signing_release(struct signing *x)
{
	for (size_t k = 0; k < x->n_pieces; k++) {
		wh_buf_release(&x->pieces[k].text);
		wh_buf_release(&x->pieces[k].der);
	}
	free(x->pieces);
	for (size_t k = 0; k < x->n_atts; k++) {
		free((void *)(uintptr_t)x->atts[k].data);
		json_decref(x->atts[k].annotations);
	}
	free(x->atts);
	wh_artifacts_release(&x->list);
}

static char *tag_of(const struct wh_image *i, const char *kind)
{
	char hex[65];

	return wh_asprintf("sha256-%s.%s", wh_digest_hex(&i->manifest, hex), kind);
}

/* ---------------------------------------------------------------- the older form */

/* The manifest of the older form looks like an image's: its config lists the layers as if they were file systems. */
static void dummy_config(const struct wh_artifact_blob *layers, size_t n, struct wh_buf *out)
{
	WH_AUTO_JSON json_t *o = NULL;
	json_t *ids = json_array(), *history = json_array();
	char text[WH_DIGEST_TEXT];
	struct wh_digest d;

	for (size_t k = 0; k < n; k++) {
		wh_digest_of(layers[k].data, layers[k].len, &d);
		json_array_append_new(ids, json_string(wh_digest_text(&d, text)));
		json_array_append_new(history, json_pack("{s:s}", "created", "0001-01-01T00:00:00Z"));
	}
	o = json_pack("{s:s, s:s, s:{}, s:o, s:s, s:{s:s, s:o}}", "architecture", "", "created", "0001-01-01T00:00:00Z",
		      "config", "history", history, "os", "", "rootfs", "type", "layers", "diff_ids", ids);
	wh_json_dump(o, out);
}

static int write_older(struct signing *x, const char *kind, const struct wh_artifact_blob *layers, size_t n,
		       struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf config = WH_BUF_INIT;
	WH_AUTO_FREE char *tag = tag_of(x->i, kind);
	struct wh_artifact_blob c = {.media_type = WH_MEDIA_CONFIG};

	dummy_config(layers, n, &config);
	c.data = config.p;
	c.len = config.n;
	return wh_artifact_write(x->s, x->i, NULL, tag, &c, layers, n, NULL, &x->list, err);
}

/* A layer for each name. */
static int write_simple(struct signing *x, struct wh_err **err)
{
	struct wh_artifact_blob *layers = wh_calloc(x->n_simple, sizeof(*layers));
	int r;

	for (size_t k = 0; k < x->n_simple; k++) {
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
		const struct piece *p = &x->pieces[k];

		wh_base64_add(&text, p->der.p, p->der.n);
		layers[k] = (struct wh_artifact_blob){
			.media_type = WH_MEDIA_SIMPLE,
			.data = p->text.p,
			.len = p->text.n,
			.annotations = json_pack("{s:s}", WH_AN_SIGNATURE, text.p),
		};
	}
	r = write_older(x, "sig", layers, x->n_simple, err);
	for (size_t k = 0; k < x->n_simple; k++)
		json_decref(layers[k].annotations);
	free(layers);
	return r;
}

/* ---------------------------------------------------------------- statements */

static int write_bundle(struct signing *x, const char *type, json_t *envelope, struct wh_err **err)
{
	WH_AUTO_JSON json_t *bundle = wh_bundle_json(x->signer->hint, json_incref(envelope));
	WH_AUTO_JSON json_t *an =
		json_pack("{s:s, s:s}", WH_AN_BUNDLE_CONTENT, "dsse-envelope", WH_AN_BUNDLE_PREDICATE, type);
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	struct wh_artifact_blob layer = {.media_type = WH_MEDIA_BUNDLE};

	wh_json_dump(bundle, &text);
	layer.data = text.p;
	layer.len = text.n;
	return wh_artifact_write(x->s, x->i, WH_MEDIA_BUNDLE, NULL, NULL, &layer, 1, an, &x->list, err);
}

static void add_att(struct signing *x, const char *type, const json_t *envelope)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	struct wh_artifact_blob *b;

	wh_json_dump(envelope, &text);
	WH_PUSH(x->atts, x->n_atts, x->cap_atts) = (struct wh_artifact_blob){.media_type = WH_MEDIA_DSSE};
	b = &x->atts[x->n_atts - 1];
	b->len = text.n;
	b->data = wh_buf_take(&text);
	/* The signature is in the envelope; readers want the annotation all the same. */
	b->annotations = json_pack("{s:s, s:s}", WH_AN_SIGNATURE, "", WH_AN_PREDICATE, type);
}

static int write_statement(struct signing *x, const struct piece *p, bool att, struct wh_err **err)
{
	WH_AUTO_JSON json_t *envelope = wh_envelope_json(WH_TYPE_INTOTO, p->text.p, p->text.n, p->der.p, p->der.n);

	if (att)
		add_att(x, p->type, envelope);
	return write_bundle(x, p->type, envelope, err);
}

/* One subject for each name: the same digest. */
static json_t *statement(const struct signing *x, const struct wh_attest_item *item)
{
	json_t *st = wh_statement(x->repos->n ? x->repos->v[0] : "", &x->i->manifest, item->predicate_type,
				  item->predicate);
	json_t *subjects = json_object_get(st, "subject");
	char hex[65];

	for (size_t k = 1; st && k < x->repos->n; k++)
		json_array_append_new(subjects, json_pack("{s:s, s:{s:s}}", "name", x->repos->v[k], "digest", "sha256",
							  wh_digest_hex(&x->i->manifest, hex)));
	return st;
}

static int add_statement(struct signing *x, const struct wh_attest_item *item, struct wh_err **err)
{
	WH_AUTO_JSON json_t *st = statement(x, item);
	struct piece *p = &x->pieces[x->n_pieces++];

	p->type = item->predicate_type;
	if (!st || json_array_size(json_object_get(st, "subject")) != (x->repos->n ? x->repos->n : 1))
		return wh_err_set(err, "evidence", WH_ERR_INTERNAL, EINVAL, "a statement that is not UTF-8");
	wh_json_dump(st, &p->text);
	if (!wh_buf_ok(&p->text) || p->text.n > WH_PAYLOAD_MAX / 2)
		return wh_err_set(err, "evidence", WH_ERR_BUILD, EFBIG, "the statement is larger than %zu MiB",
				  WH_PAYLOAD_MAX >> 21);
	wh_dsse_digest(WH_TYPE_INTOTO, p->text.p, p->text.n, &p->digest);
	return 0;
}

/* Everything is signed at once: opening a key costs a third of a second, on purpose. */
static int sign(struct signing *x, struct wh_err **err)
{
	WH_AUTO_FREE struct wh_digest *digests = wh_calloc(x->n_pieces, sizeof(*digests));
	WH_AUTO_FREE struct wh_buf *ders = wh_calloc(x->n_pieces, sizeof(*ders));
	int r;

	for (size_t k = 0; k < x->n_pieces; k++)
		digests[k] = x->pieces[k].digest;
	r = x->signer->sign(x->signer->arg, digests, x->n_pieces, ders, err);
	for (size_t k = 0; k < x->n_pieces; k++)
		x->pieces[k].der = ders[k];
	return r;
}

static int prepare(struct signing *x, const struct wh_attest_item *items, size_t n, struct wh_err **err)
{
	/* A bundle about the image itself has its own type: another statement's is not "the signature". */
	static const struct wh_attest_item image = {.predicate_type = WH_PREDICATE_SIGN};
	int r;

	x->n_simple = x->repos->n ? x->repos->n : 1;
	x->pieces = wh_calloc(x->n_simple + n + 1, sizeof(*x->pieces));
	for (; x->n_pieces < x->n_simple; x->n_pieces++) {
		struct piece *p = &x->pieces[x->n_pieces];

		wh_simple_payload(x->repos->n ? x->repos->v[x->n_pieces] : "", &x->i->manifest, &p->text);
		wh_digest_of(p->text.p ? p->text.p : "", p->text.n, &p->digest);
	}
	r = add_statement(x, &image, err);
	for (size_t k = 0; k < n && r == 0; k++) {
		r = add_statement(x, &items[k], err);
		if (r < 0)
			wh_err_wrap(err, "sign the statement %s", items[k].predicate_type);
	}
	return r;
}

static int sign_all(struct signing *x, const struct wh_attest_item *items, size_t n, struct wh_err **err)
{
	int r = prepare(x, items, n, err);

	if (r == 0)
		r = sign(x, err);
	if (r == 0)
		r = write_simple(x, err);
	for (size_t k = x->n_simple; k < x->n_pieces && r == 0; k++)
		r = write_statement(x, &x->pieces[k], k > x->n_simple, err);
	if (r == 0 && n)
		r = write_older(x, "att", x->atts, x->n_atts, err);
	if (r < 0)
		wh_err_wrap(err, "sign the image");
	return r;
}

int wh_sign_image(struct wh_store *s, const struct wh_image *i, const struct wh_strv *repos, const struct wh_signer *signer,
		  const struct wh_attest_item *items, size_t n, struct wh_artifacts *list, struct wh_err **err)
{
	static const struct wh_strv none;
	WH_CLEANUP(signing_release)
	struct signing x = {.s = s, .i = i, .repos = repos ? repos : &none, .signer = signer};
	int r;

	if (wh_digest_is_zero(&i->manifest))
		return wh_err_set(err, "evidence", WH_ERR_INTERNAL, EINVAL, "the image has no manifest yet");
	r = sign_all(&x, items, n, err);
	if (r < 0)
		return r;
	for (size_t k = 0; k < x.list.n; k++) {
		*wh_artifacts_add(list) = x.list.v[k];
		x.list.v[k] = (struct wh_artifact){0};
	}
	return 0;
}

/* ---------------------------------------------------------------- other names of the same image */

#define KEEP_MAX 64
#define KEEP_BYTES ((size_t)64 << 10) /* of one payload */

struct kept {
	struct wh_artifact_blob *v; /* data and annotations owned */
	size_t n, cap;
	struct wh_strv names;
};

static void kept_release(struct kept *x)
{
	for (size_t k = 0; k < x->n; k++) {
		free((void *)(uintptr_t)x->v[k].data);
		json_decref(x->v[k].annotations);
	}
	free(x->v);
	wh_strv_release(&x->names);
}

/* Whose signature it is, is the verifier's question. */
static void keep_layer(struct wh_store *s, const struct wh_digest *manifest, const struct wh_descriptor *layer,
		       struct kept *x)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_FREE char *name = NULL;
	struct wh_digest about;

	if (strcmp(layer->media_type, WH_MEDIA_SIMPLE) != 0 || layer->size > KEEP_BYTES || x->n == KEEP_MAX ||
	    wh_blob_read(s, &layer->digest, KEEP_BYTES, &text, NULL) < 0 ||
	    wh_simple_parse(text.p ? text.p : "", text.n, "signature", &about, &name, NULL) < 0 ||
	    !wh_digest_eq(&about, manifest) || wh_strv_has(&x->names, name))
		return;
	WH_PUSH(x->v, x->n, x->cap) = (struct wh_artifact_blob){
		.media_type = WH_MEDIA_SIMPLE,
		.len = text.n,
		.annotations = json_incref(layer->annotations),
	};
	x->v[x->n - 1].data = wh_buf_take(&text);
	wh_strv_add(&x->names, name);
}

static const struct wh_artifact *keep_all(struct wh_store *s, const struct wh_image *i, const struct wh_artifacts *list,
					  struct kept *x)
{
	WH_AUTO_FREE char *tag = tag_of(i, "sig");
	const struct wh_artifact *found = NULL;

	for (size_t k = 0; k < list->n; k++) {
		struct wh_descriptor *layers = NULL;
		size_t n = 0;

		if (!wh_streq(list->v[k].tag, tag) || wh_artifact_layers(s, &list->v[k], &layers, &n, NULL) < 0)
			continue;
		found = &list->v[k];
		for (size_t l = 0; l < n; l++) {
			keep_layer(s, &i->manifest, &layers[l], x);
			wh_descriptor_release(&layers[l]);
		}
		free(layers);
	}
	return found;
}

int wh_sign_keep(struct wh_store *s, const struct wh_image *i, struct wh_artifacts *list, struct wh_err **err)
{
	WH_CLEANUP(wh_artifacts_release) struct wh_artifacts old = {0};
	WH_CLEANUP(signing_release) struct signing x = {.s = s, .i = i};
	WH_CLEANUP(kept_release) struct kept kept = {0};
	struct wh_artifact *ours = (struct wh_artifact *)(uintptr_t)keep_all(s, i, list, &kept);
	size_t n = kept.n;
	int r = ours ? wh_artifacts_from_store(s, &i->manifest, &old, err) : 0;

	if (r < 0 || !ours)
		return r;
	keep_all(s, i, &old, &kept);
	if (kept.n == n)
		return 0;
	r = write_older(&x, "sig", kept.v, kept.n, err);
	if (r < 0)
		return r;
	wh_artifact_release(ours);
	*ours = x.list.v[0];
	x.list.v[0] = (struct wh_artifact){0};
	return 0;
}
