/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Artifacts in an index.json: behind the images, sorted by tag and digest, so that the images' part of the document is
 * what it is without them.
 */
#include "layers/artifact_private.h"
#include "layers/image_private.h"

#define SHORT_MAX 512                      /* bytes of a value that is kept in any case */
#define ANNOTATIONS_MAX ((size_t)4 << 10) /* of one artifact; else only what is known is kept */

/* What tells apart several bundles about one image. */
static const char *const predicate_keys[] = {"dev.sigstore.bundle.predicateType", "in-toto.io/predicate-type"};

static const char *const known_keys[] = {"dev.sigstore.bundle.predicateType", "in-toto.io/predicate-type",
					 "dev.sigstore.bundle.content", "org.opencontainers.image.created"};

static const char *tag_of(const json_t *d)
{
	const char *tag = wh_json_str(json_object_get(d, "annotations"), WH_AN_REF_NAME);

	return wh_artifact_tag_parse(tag, NULL) ? tag : NULL;
}

bool wh_index_entry_is_artifact(const json_t *d)
{
	return wh_json_str(d, "artifactType") || tag_of(d);
}

static json_t *known(const json_t *annotations)
{
	json_t *o = NULL;

	for (size_t i = 0; i < WH_ARRAY_SIZE(known_keys); i++) {
		json_t *v = json_object_get(annotations, known_keys[i]);

		if (!json_is_string(v) || json_string_length(v) > SHORT_MAX)
			continue;
		if (!o)
			o = json_object();
		json_object_set(o, known_keys[i], v);
	}
	return o;
}

json_t *wh_artifact_annotations(const json_t *manifest)
{
	json_t *an = json_object_get(manifest, "annotations");
	WH_AUTO_BUF struct wh_buf text = {.max = ANNOTATIONS_MAX};

	if (!json_is_object(an))
		return NULL;
	wh_json_dump(an, &text);
	return wh_buf_ok(&text) ? json_incref(an) : known(an);
}

json_t *wh_artifact_entry(const struct wh_artifact *a)
{
	char text[WH_DIGEST_TEXT];
	json_t *d = json_pack("{s:s, s:s, s:I}", "mediaType", a->manifest.media_type, "digest",
			      wh_digest_text(&a->manifest.digest, text), "size", (json_int_t)a->manifest.size);
	json_t *an = a->tag ? json_pack("{s:s}", WH_AN_REF_NAME, a->tag) : known(a->manifest.annotations);

	if (!a->tag)
		json_object_set_new(d, "artifactType", json_string(a->artifact_type));
	if (an)
		json_object_set_new(d, "annotations", an);
	return d;
}

const char *wh_artifact_predicate(const json_t *annotations)
{
	for (size_t i = 0; i < WH_ARRAY_SIZE(predicate_keys); i++) {
		const char *s = wh_json_str(annotations, predicate_keys[i]);

		if (s)
			return s;
	}
	return NULL;
}

static bool same(const json_t *old, const struct wh_artifact *a)
{
	const char *tag = tag_of(old), *digest = wh_json_str(old, "digest");
	char text[WH_DIGEST_TEXT];

	if (tag || a->tag)
		return wh_streq(tag, a->tag);
	return digest && strcmp(digest, wh_digest_text(&a->manifest.digest, text)) == 0;
}

static int order(const json_t *x, const json_t *y)
{
	const char *a = tag_of(x), *b = tag_of(y);
	int c = strcmp(a ? a : "", b ? b : "");

	return c ? c : strcmp(wh_json_str(x, "digest"), wh_json_str(y, "digest"));
}

void wh_index_put_artifact(json_t *manifests, const struct wh_artifact *a)
{
	json_t *d = wh_artifact_entry(a);
	size_t i = 0;

	while (i < json_array_size(manifests)) {
		const json_t *old = json_array_get(manifests, i);

		if (wh_index_entry_is_artifact(old) && same(old, a))
			json_array_remove(manifests, i);
		else
			i++;
	}
	for (i = 0; i < json_array_size(manifests); i++) {
		const json_t *old = json_array_get(manifests, i);

		if (wh_index_entry_is_artifact(old) && wh_json_str(old, "digest") && order(old, d) > 0)
			break;
	}
	json_array_insert_new(manifests, i, d);
}

void wh_index_settle(json_t *manifests, const struct wh_settled *x)
{
	for (size_t g = 0; g < x->n_gone; g++) {
		char text[WH_DIGEST_TEXT];

		wh_digest_text(&x->gone[g], text);
		for (size_t i = 0; i < json_array_size(manifests);) {
			const json_t *old = json_array_get(manifests, i);

			if (wh_index_entry_is_artifact(old) && !tag_of(old) &&
			    wh_streq(wh_json_str(old, "digest"), text))
				json_array_remove(manifests, i);
			else
				i++;
		}
	}
	for (size_t k = 0; k < x->put.n; k++)
		wh_index_put_artifact(manifests, &x->put.v[k]);
}
