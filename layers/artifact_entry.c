/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Artifacts in an index.json: behind the images, sorted by tag and digest, so that the images' part of the document is
 * what it is without them.
 */
#include "layers/artifact_private.h"
#include "layers/image_private.h"

/* What tells apart several bundles about one image. */
static const char *const predicate_keys[] = {"dev.sigstore.bundle.predicateType", "in-toto.io/predicate-type"};

static const char *tag_of(const json_t *d)
{
	const char *tag = wh_json_str(json_object_get(d, "annotations"), WH_AN_REF_NAME);

	return wh_artifact_tag_parse(tag, NULL) ? tag : NULL;
}

bool wh_index_entry_is_artifact(const json_t *d)
{
	return wh_json_str(d, "artifactType") || tag_of(d);
}

json_t *wh_artifact_entry(const struct wh_artifact *a)
{
	char text[WH_DIGEST_TEXT];
	json_t *d = json_pack("{s:s, s:s, s:I}", "mediaType", a->manifest.media_type, "digest",
			      wh_digest_text(&a->manifest.digest, text), "size", (json_int_t)a->manifest.size);

	if (a->tag)
		json_object_set_new(d, "annotations", json_pack("{s:s}", WH_AN_REF_NAME, a->tag));
	else
		json_object_set_new(d, "artifactType", json_string(a->artifact_type));
	if (!a->tag && a->manifest.annotations && json_object_size(a->manifest.annotations))
		json_object_set_new(d, "annotations", json_deep_copy(a->manifest.annotations));
	return d;
}

static const char *predicate_of(const json_t *annotations)
{
	for (size_t i = 0; i < WH_ARRAY_SIZE(predicate_keys); i++) {
		const char *s = wh_json_str(annotations, predicate_keys[i]);

		if (s)
			return s;
	}
	return NULL;
}

static bool same(const json_t *old, const struct wh_artifact *a, wh_subject_fn subject, void *arg)
{
	WH_CLEANUP(wh_descriptor_release) struct wh_descriptor d = {0};
	const char *tag = tag_of(old);
	struct wh_digest about;

	if (tag || a->tag)
		return wh_streq(tag, a->tag);
	if (wh_descriptor_parse(old, "index.json", &d, NULL) < 0)
		return false;
	if (wh_digest_eq(&d.digest, &a->manifest.digest))
		return true;
	return wh_streq(wh_json_str(old, "artifactType"), a->artifact_type) &&
	       wh_streq(predicate_of(d.annotations), predicate_of(a->manifest.annotations)) &&
	       subject(arg, &d, &about) && wh_digest_eq(&about, &a->subject);
}

static int order(const json_t *x, const json_t *y)
{
	const char *a = tag_of(x), *b = tag_of(y);
	int c = strcmp(a ? a : "", b ? b : "");

	return c ? c : strcmp(wh_json_str(x, "digest"), wh_json_str(y, "digest"));
}

void wh_index_put_artifact(json_t *manifests, const struct wh_artifact *a, wh_subject_fn subject, void *arg)
{
	json_t *d = wh_artifact_entry(a);
	size_t i = 0;

	while (i < json_array_size(manifests)) {
		const json_t *old = json_array_get(manifests, i);

		if (wh_index_entry_is_artifact(old) && same(old, a, subject, arg))
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
