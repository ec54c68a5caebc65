/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Artifacts that join those which an image has already. What others signed is theirs and stays; who signs once more
 * replaces what the same key signed before. Of the older form an image has one manifest for all signers: there it is
 * layers that stay or go.
 */
#include "layers/artifact_private.h"
#include "layers/image_private.h"

#include <errno.h>

#define BUNDLE_PREFIX "application/vnd.dev.sigstore.bundle"
#define BUNDLE_VALUES_MAX 1000

/* ---------------------------------------------------------------- whose a bundle is */

static json_t *read_layer(struct wh_store *s, const struct wh_descriptor *l)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	json_t *o = NULL;

	if (wh_blob_read(s, &l->digest, WH_ARTIFACT_BLOB_MAX, &buf, NULL) < 0 ||
	    wh_json_parse_max(buf.p, buf.n, "layer", BUNDLE_VALUES_MAX, &o, NULL) < 0)
		return NULL;
	return o;
}

static const char *signature_in(const json_t *envelope)
{
	return wh_json_str(json_array_get(json_object_get(envelope, "signatures"), 0), "sig");
}

/* The hint at its key; NULL: it is no bundle, or says nothing. malloc'ed. ret_sig (or NULL): its signature, malloc'ed. */
static char *bundle_hint(struct wh_store *s, const struct wh_artifact *a, char **ret_sig)
{
	WH_CLEANUP(wh_artifact_manifest_release) struct wh_artifact_manifest m = {0};
	WH_AUTO_JSON json_t *o = NULL;
	const json_t *key;

	if (a->tag || !a->artifact_type || !wh_has_prefix(a->artifact_type, BUNDLE_PREFIX) ||
	    wh_artifact_manifest_read(s, a, &m, NULL) < 0 || m.n == 0)
		return NULL;
	o = read_layer(s, &m.layers[0]);
	key = json_object_get(json_object_get(o, "verificationMaterial"), "publicKey");
	if (ret_sig)
		*ret_sig = wh_strdup(signature_in(json_object_get(o, "dsseEnvelope")));
	return wh_strdup(wh_json_str(key, "hint"));
}

/* ---------------------------------------------------------------- one manifest of two */

struct merging {
	struct wh_store *s;
	const struct wh_strv *gone; /* signatures whose envelopes are not taken from the old one */
	json_t *layers;             /* the result's */
};

static bool holds(const json_t *layers, const json_t *l)
{
	for (size_t i = 0; i < json_array_size(layers); i++)
		if (json_equal(json_array_get(layers, i), l))
			return true;
	return false;
}

static bool is_gone(const struct merging *x, const json_t *l)
{
	WH_CLEANUP(wh_descriptor_release) struct wh_descriptor d = {0};
	WH_AUTO_JSON json_t *o = NULL;
	const char *sig;

	if (!x->gone->n || wh_descriptor_parse(l, "layer", &d, NULL) < 0)
		return false;
	o = read_layer(x->s, &d);
	sig = signature_in(o);
	return sig && wh_strv_has(x->gone, sig);
}

static void add_layers(struct merging *x, const json_t *manifest, bool old)
{
	const json_t *ls = json_object_get(manifest, "layers");

	for (size_t i = 0; i < json_array_size(ls) && json_array_size(x->layers) < WH_ARTIFACT_LAYERS_MAX; i++) {
		json_t *l = json_array_get(ls, i);

		if (!holds(x->layers, l) && !(old && is_gone(x, l)))
			json_array_append(x->layers, l);
	}
}

static bool holds_all(const json_t *a, const json_t *b)
{
	bool all = true;

	for (size_t i = 0; i < json_array_size(b) && all; i++)
		all = holds(a, json_array_get(b, i));
	return all;
}

static bool same_set(const json_t *a, const json_t *b)
{
	return json_array_size(a) == json_array_size(b) && holds_all(a, b);
}

/* The older form's config tells of its layers as an image's does. One that does not is left as it is. */
static int put_config(struct merging *x, json_t *manifest, struct wh_err **err)
{
	WH_CLEANUP(wh_descriptor_release) struct wh_descriptor d = {0};
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT, text = WH_BUF_INIT;
	WH_AUTO_JSON json_t *o = NULL;
	json_t *ids = json_array(), *history = json_array(), *old;
	char digest[WH_DIGEST_TEXT];
	struct wh_digest put;
	int r = wh_descriptor_parse(json_object_get(manifest, "config"), "config", &d, err);

	if (r == 0)
		r = wh_blob_read(x->s, &d.digest, WH_CONFIG_MAX, &buf, err);
	if (r < 0 || wh_document_parse(buf.p, buf.n, "config", &o, NULL) < 0 ||
	    !json_is_array(json_object_get(json_object_get(o, "rootfs"), "diff_ids"))) {
		json_decref(ids);
		json_decref(history);
		return r;
	}
	old = json_array_get(json_object_get(o, "history"), 0);
	for (size_t i = 0; i < json_array_size(x->layers); i++) {
		json_array_append_new(ids, json_string(wh_json_str(json_array_get(x->layers, i), "digest")));
		if (old)
			json_array_append(history, old);
	}
	json_object_set_new(json_object_get(o, "rootfs"), "diff_ids", ids);
	if (json_object_get(o, "history"))
		json_object_set_new(o, "history", history);
	else
		json_decref(history);
	wh_json_dump(o, &text);
	r = wh_blob_put(x->s, text.p, text.n, &put, err);
	if (r < 0)
		return r;
	json_object_set_new(json_object_get(manifest, "config"), "digest", json_string(wh_digest_text(&put, digest)));
	json_object_set_new(json_object_get(manifest, "config"), "size", json_integer((json_int_t)text.n));
	return 0;
}

static void copy_artifact(const struct wh_artifact *a, struct wh_artifact *ret)
{
	*ret = (struct wh_artifact){
		.manifest = {.digest = a->manifest.digest,
			     .size = a->manifest.size,
			     .media_type = wh_strdup(a->manifest.media_type),
			     .annotations = json_incref(a->manifest.annotations)},
		.subject = a->subject,
		.artifact_type = wh_strdup(a->artifact_type),
		.tag = wh_strdup(a->tag),
	};
}

static int write_merged(struct merging *x, const struct wh_artifact *like, json_t *doc, struct wh_artifact *ret,
			struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	struct wh_digest d;
	int r;

	json_object_set(doc, "layers", x->layers);
	r = put_config(x, doc, err);
	if (r < 0)
		return r;
	wh_manifest_json(doc, &text);
	if (!wh_buf_ok(&text) || text.n > WH_MANIFEST_MAX)
		return wh_err_set(err, "layers", WH_ERR_BUILD, EFBIG, "%s: all its signatures need more than %zu MiB",
				  like->tag, WH_MANIFEST_MAX >> 20);
	r = wh_blob_put(x->s, text.p, text.n, &d, err);
	if (r < 0)
		return r;
	copy_artifact(like, ret);
	ret->manifest.digest = d;
	ret->manifest.size = text.n;
	return 0;
}

enum merge { MERGE_OLD, MERGE_NEW, MERGE_ALL }; /* whose layers have room first; all have to have it, or it fails */

static int merge(struct wh_store *s, const struct wh_artifact *old, const struct wh_artifact *add,
		 const struct wh_strv *gone, enum merge how, struct wh_artifact *ret, struct wh_err **err)
{
	WH_CLEANUP(wh_artifact_manifest_release) struct wh_artifact_manifest a = {0}, b = {0};
	WH_AUTO_JSON json_t *layers = json_array();
	struct merging x = {.s = s, .gone = gone, .layers = layers};
	int r = wh_artifact_manifest_read(s, old, &a, err);

	if (r == 0)
		r = wh_artifact_manifest_read(s, add, &b, err);
	if (r < 0)
		return r;
	/* Where not all have room, those that are trusted have it. */
	if (how != MERGE_OLD)
		add_layers(&x, b.doc, false);
	add_layers(&x, a.doc, true);
	add_layers(&x, b.doc, false);
	if (how == MERGE_ALL && !holds_all(layers, json_object_get(a.doc, "layers")))
		return wh_err_set(err, "layers", WH_ERR_BUILD, EFBIG, "%s: there are more than %d signatures", add->tag,
				  WH_ARTIFACT_LAYERS_MAX);
	if (same_set(layers, json_object_get(a.doc, "layers"))) {
		copy_artifact(old, ret);
		return 0;
	}
	if (same_set(layers, json_object_get(b.doc, "layers"))) {
		copy_artifact(add, ret);
		return 0;
	}
	return write_merged(&x, add, b.doc, ret, err);
}

int wh_artifact_merge(struct wh_store *s, const struct wh_artifact *old, const struct wh_artifact *add,
		      struct wh_artifact *ret, struct wh_err **err)
{
	static const struct wh_strv none;

	return merge(s, old, add, &none, MERGE_ALL, ret, err);
}

/* ---------------------------------------------------------------- all of an image */

struct settling {
	struct wh_store *s;
	const struct wh_artifacts *there;
	bool ours;
	struct wh_strv replaced; /* signatures that ours replace */
	struct wh_settled *to;
};

static bool in_list(const struct wh_artifacts *l, const struct wh_artifact *a)
{
	for (size_t i = 0; i < l->n; i++)
		if (wh_digest_eq(&l->v[i].manifest.digest, &a->manifest.digest) && wh_streq(l->v[i].tag, a->tag))
			return true;
	return false;
}

/* Ours of the same kind, which the key signed (or nobody, then as now) before. */
static void replace_older(struct settling *x, const struct wh_artifact *a)
{
	WH_AUTO_FREE char *hint = bundle_hint(x->s, a, NULL);

	for (size_t i = 0; i < x->there->n; i++) {
		const struct wh_artifact *old = &x->there->v[i];
		WH_AUTO_FREE char *theirs = NULL, *sig = NULL;

		if (old->tag || !wh_digest_eq(&old->subject, &a->subject) ||
		    !wh_streq(old->artifact_type, a->artifact_type) ||
		    !wh_streq(wh_artifact_predicate(old->manifest.annotations),
			      wh_artifact_predicate(a->manifest.annotations)) ||
		    wh_digest_eq(&old->manifest.digest, &a->manifest.digest))
			continue;
		theirs = bundle_hint(x->s, old, &sig);
		if (!wh_streq(theirs, hint))
			continue;
		WH_PUSH(x->to->gone, x->to->n_gone, x->to->cap_gone) = old->manifest.digest;
		if (sig)
			wh_strv_add(&x->replaced, sig);
	}
}

static int settle_tagged(struct settling *x, const struct wh_artifact *a, struct wh_err **err)
{
	struct wh_artifact merged = {0};
	int r;

	for (size_t i = 0; i < x->there->n; i++) {
		if (!wh_streq(x->there->v[i].tag, a->tag))
			continue;
		r = merge(x->s, &x->there->v[i], a, &x->replaced, x->ours ? MERGE_NEW : MERGE_OLD, &merged, err);
		if (r == 0)
			*wh_artifacts_add(&x->to->put) = merged;
		return r;
	}
	copy_artifact(a, wh_artifacts_add(&x->to->put));
	return 0;
}

static bool has_room(const struct settling *x, const struct wh_artifact *a)
{
	return x->ours || in_list(x->there, a) ||
	       (x->there->n + x->to->put.n < WH_ARTIFACTS_TAKEN_MAX &&
		(!a->artifact_type || strlen(a->artifact_type) <= WH_ARTIFACT_TYPE_MAX));
}

int wh_artifacts_settle(struct wh_store *s, const struct wh_artifacts *there, const struct wh_artifacts *list,
			const struct wh_digest *subject, bool ours, struct wh_settled *ret, struct wh_err **err)
{
	struct settling x = {.s = s, .there = there, .ours = ours, .to = ret};
	int r = 0;

	/* Bundles first: of which signatures they are tells what goes from the older form. */
	for (size_t i = 0; i < list->n; i++) {
		const struct wh_artifact *a = &list->v[i];

		if (a->tag || !wh_digest_eq(&a->subject, subject))
			continue;
		if (ours)
			replace_older(&x, a);
		if (has_room(&x, a))
			copy_artifact(a, wh_artifacts_add(&ret->put));
	}
	for (size_t i = 0; i < list->n && r == 0; i++)
		if (list->v[i].tag && wh_digest_eq(&list->v[i].subject, subject))
			r = settle_tagged(&x, &list->v[i], err);
	wh_strv_release(&x.replaced);
	return r;
}

void wh_settled_release(struct wh_settled *x)
{
	wh_artifacts_release(&x->put);
	free(x->gone);
	*x = (struct wh_settled){0};
}
