/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signed is not yet true: what statements of our own making say is compared with what the layers hold. A bill of
 * materials that another tool made may count otherwise, and is not compared.
 */
#include "evidence/verify_private.h"

#include <errno.h>

#define OUR_TOOL "Tool: whittle-"

struct tree { /* opened and read when the first statement asks */
	struct wh_tree *t;
	bool measured, packed;
	struct wh_measure measure;
	struct wh_packages packages;
};

static void tree_release(struct tree *x)
{
	if (x->packed)
		wh_packages_release(&x->packages);
	if (x->t)
		wh_tree_close(x->t);
}

static int wrong(struct wh_err **err, const char *what, const char *why)
{
	return wh_err_set(err, "evidence", WH_ERR_GATE, EBADMSG, "%s: %s", what, why);
}

static int open_tree(const struct wh_proving *p, struct tree *x, struct wh_err **err)
{
	return x->t ? 0 : wh_tree_open(p->s, p->i->layers, p->i->n_layers, &x->t, err);
}

/* ---------------------------------------------------------------- SBOM */

static bool is_ours(const json_t *sbom)
{
	const json_t *creators = json_object_get(json_object_get(sbom, "creationInfo"), "creators");

	for (size_t i = 0; i < json_array_size(creators); i++) {
		const char *s = json_string_value(json_array_get(creators, i));

		if (s && wh_has_prefix(s, OUR_TOOL))
			return true;
	}
	return false;
}

/* The package URLs of a bill of materials, but those of images: that is the subject itself. */
static void purls_of(const json_t *sbom, struct wh_strv *ret)
{
	const json_t *packages = json_object_get(sbom, "packages");

	for (size_t i = 0; i < json_array_size(packages); i++) {
		const json_t *refs = json_object_get(json_array_get(packages, i), "externalRefs");

		for (size_t k = 0; k < json_array_size(refs); k++) {
			const json_t *ref = json_array_get(refs, k);
			const char *purl = wh_json_str(ref, "referenceLocator");

			if (wh_streq(wh_json_str(ref, "referenceType"), "purl") && purl &&
			    !wh_has_prefix(purl, "pkg:oci/"))
				wh_strv_add(ret, purl);
		}
	}
	wh_strv_sort(ret);
}

/* The first that one sorted list has more often than the other, or NULL. */
static const char *first_missing(const struct wh_strv *in, const struct wh_strv *from)
{
	size_t k = 0;

	for (size_t i = 0; i < in->n; i++) {
		while (k < from->n && strcmp(from->v[k], in->v[i]) < 0)
			k++;
		if (k == from->n || strcmp(from->v[k], in->v[i]) != 0)
			return in->v[i];
		k++;
	}
	return NULL;
}

static int prove_sbom(const struct wh_proving *p, const json_t *sbom, struct tree *x, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv said = {0};
	WH_AUTO_STRV struct wh_strv have = {0};
	const char *odd;
	int r = open_tree(p, x, err);

	if (r == 0 && !x->packed) {
		r = wh_packages_read(x->t, &x->packages, err);
		x->packed = r == 0;
	}
	if (r < 0)
		return r;
	purls_of(sbom, &said);
	for (size_t i = 0; i < x->packages.n; i++)
		wh_strv_take(&have, wh_package_purl(&x->packages.v[i], &x->packages));
	wh_strv_sort(&have);
	odd = first_missing(&said, &have);
	if (odd)
		return wh_err_set(err, "evidence", WH_ERR_GATE, EBADMSG,
				  "SBOM: it lists %.200s, which is not in the image", odd);
	odd = first_missing(&have, &said);
	if (odd)
		return wh_err_set(err, "evidence", WH_ERR_GATE, EBADMSG,
				  "SBOM: the image has %.200s, which it does not list", odd);
	return 0;
}

/* ---------------------------------------------------------------- verdict */

static int prove_config(const struct wh_proving *p, const json_t *verdict, struct wh_err **err)
{
	const char *said = wh_json_str(verdict, "configDigest");
	const json_t *config = json_object_get(p->i->config, "config");
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	struct wh_digest d, have;

	if (!said || !wh_digest_parse(said, &d))
		return wrong(err, "hardening verdict", "it does not say which config was tested");
	if (config)
		wh_json_dump(config, &b);
	wh_digest_of(b.p ? b.p : "", b.n, &have);
	return wh_digest_eq(&d, &have)
		       ? 0
		       : wrong(err, "hardening verdict", "the image's config is not the one that was tested");
}

static int prove_figures(const json_t *verdict, const struct wh_measure *m, struct wh_err **err)
{
	WH_AUTO_JSON json_t *have = wh_measure_json(m);
	const json_t *said = json_object_get(json_object_get(verdict, "sizes"), "after");
	const json_t *shell = json_object_get(verdict, "shellPresent");
	const char *key;
	json_t *v;

	if (!json_is_object(said))
		return wrong(err, "hardening verdict", "it has no figures of the image");
	json_object_foreach (have, key, v) {
		const json_t *s = json_object_get(said, key);

		if (!json_equal(s, v))
			return wh_err_set(err, "evidence", WH_ERR_GATE, EBADMSG,
					  "hardening verdict: it says %lld %s, the layers hold %lld",
					  (long long)json_integer_value(s), key, (long long)json_integer_value(v));
	}
	if (!json_is_boolean(shell) || json_is_true(shell) != (m->shells > 0))
		return wrong(err, "hardening verdict", "what it says of shells is not so");
	if (wh_json_int(verdict, "setid", -1) != (int64_t)m->setid)
		return wrong(err, "hardening verdict", "what it says of set-id files is not so");
	return 0;
}

static int prove_verdict(const struct wh_proving *p, const json_t *verdict, struct tree *x, struct wh_err **err)
{
	int r = prove_config(p, verdict, err);

	if (r == 0)
		r = open_tree(p, x, err);
	if (r == 0 && !x->measured) {
		r = wh_measure_tree(x->t, &x->measure, err);
		x->measure.layers = p->i->n_layers;
		x->measured = r == 0;
	}
	return r < 0 ? r : prove_figures(verdict, &x->measure, err);
}

/* ---------------------------------------------------------------- the removed part */

static bool says(const json_t *o, const char *key, const struct wh_digest *d)
{
	const char *said = wh_json_str(o, key);
	struct wh_digest got;

	return said && wh_digest_parse(said, &got) && wh_digest_eq(&got, d);
}

static int prove_removed_layer(struct wh_proving *p, const struct wh_layer *l, const json_t *said, struct wh_err **err)
{
	if (!says(said, "digest", &l->blob) || !says(said, "diffId", &l->diff_id) ||
	    wh_json_int(said, "size", -1) != (int64_t)l->blob_size)
		return wrong(err, "removed part", "its layer is not the one that was signed");
	if (!wh_blob_has(p->s, &l->blob, NULL)) {
		p->found.removed = WH_REMOVED_ELSEWHERE;
		return 0;
	}
	p->found.blobs++;
	p->found.bytes += l->blob_size;
	p->found.removed = WH_REMOVED_PROVED;
	return wh_layer_prove(p->s, l, err);
}

/* It may have been left out, or its layer may be where the image came from. But what is there is what was signed. */
static int prove_removed(struct wh_proving *p, const json_t *said, struct wh_err **err)
{
	struct wh_image part = {0};
	bool other = false;
	int r;

	for (size_t i = 0; p->artifacts && i < p->artifacts->n; i++) {
		const struct wh_artifact *a = &p->artifacts->v[i];

		if (!wh_artifact_is_removed(a) || !wh_digest_eq(&a->subject, &p->i->manifest))
			continue;
		other = true;
		if (!says(said, "artifact", &a->manifest.digest))
			continue;
		r = wh_removed_part_open(p->s, NULL, &a->manifest.digest, &part, err);
		if (r == 0)
			r = prove_removed_layer(p, &part.layers[0], json_object_get(said, "layer"), err);
		wh_image_release(&part);
		return r;
	}
	if (other)
		return wrong(err, "removed part", "what is attached to the image is not what was signed");
	p->found.removed = WH_REMOVED_ELSEWHERE;
	return 0;
}

int wh_prove_content(struct wh_proving *p, struct wh_err **err)
{
	WH_CLEANUP(tree_release) struct tree x = {0};
	int r = 0;

	for (size_t i = 0; i < json_array_size(p->found.statements) && r == 0; i++) {
		const json_t *s = json_array_get(p->found.statements, i);
		const json_t *body = json_object_get(s, "predicate");
		const char *type = wh_json_str(s, "predicateType");

		if (strcmp(type, WH_PREDICATE_SPDX) == 0 && is_ours(body))
			r = prove_sbom(p, body, &x, err);
		else if (strcmp(type, WH_PREDICATE_REMOVED) == 0 && p->found.removed == WH_REMOVED_NONE)
			r = prove_removed(p, body, err);
	}
	return r == 0 && p->found.verdict ? prove_verdict(p, p->found.verdict, &x, err) : r;
}
