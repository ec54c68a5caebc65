/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests of artifacts, and their places in an index.json. Private to layers/. */
#ifndef WH_LAYERS_ARTIFACT_PRIVATE_H
#define WH_LAYERS_ARTIFACT_PRIVATE_H

#include "layers/layers.h"

#define WH_ARTIFACTS_MAX 1000       /* of one image */
#define WH_ARTIFACT_LAYERS_MAX 1000 /* of one manifest */
#define WH_ARTIFACTS_TAKEN_MAX 256  /* of one image, that the store takes from registries */
#define WH_ARTIFACT_TYPE_MAX 255    /* bytes, of what is taken from there (RFC 6838) */
#define WH_ARTIFACT_BLOB_MAX ((size_t)64 << 20)

/* A descriptor from outside: -EBADMSG without mediaType, digest or size. Its annotations are taken when they are an
 * object. */
int wh_descriptor_parse(const json_t *o, const char *what, struct wh_descriptor *ret, struct wh_err **err);

/* A document that is no artifact's manifest is judged by its own content alone. */
struct wh_artifact_manifest {
	json_t *doc;
	bool has_subject;
	struct wh_descriptor config;
	struct wh_digest subject;
	struct wh_descriptor *layers;
	size_t n;
	const char *artifact_type; /* of the document: artifactType, else the config's media type; or NULL. Into doc */
};
int wh_artifact_manifest_parse(const char *p, size_t n, const char *what, struct wh_artifact_manifest *ret,
			       struct wh_err **err);
/* The same of a document that is parsed; takes the reference in any case. */
int wh_artifact_manifest_judge(json_t *doc, const char *what, struct wh_artifact_manifest *ret, struct wh_err **err);
void wh_artifact_manifest_release(struct wh_artifact_manifest *m);
int wh_artifact_manifest_read(struct wh_store *s, const struct wh_artifact *a, struct wh_artifact_manifest *ret,
			      struct wh_err **err);

/* As wh_artifacts_from_layout(); caches: build caches, too, of which manifest and config alone come into the store. */
int wh_artifacts_in_layout(struct wh_store *s, const char *dir, const struct wh_digest *subject, bool caches,
			   struct wh_artifacts *ret, struct wh_err **err);

/* Of the entries of an index.json whose blobs are in the store, those that are attached to the subject. */
int wh_artifacts_among(struct wh_store *s, const json_t *manifests, const struct wh_digest *subject, struct wh_artifacts *ret, struct wh_err **err);

/* "sha256-HEX.KIND" with a KIND of small letters: the older form's tag. ret may be NULL. */
bool wh_artifact_tag_parse(const char *tag, struct wh_digest *ret);

/* Is this entry of an index.json an artifact's? By what the entry itself says, which decides only what an entry
 * replaces, and what is meant where an image is looked for without a name. */
bool wh_index_entry_is_artifact(const json_t *d);
/* Annotations are known, short ones alone: an index.json is read by whoever opens the store, and must stay small. */
json_t *wh_artifact_entry(const struct wh_artifact *a);
/* Of a manifest's annotations (or NULL) those that go on with a struct wh_artifact: all when they are short, else those that are
 * known. A new reference, or NULL. */
json_t *wh_artifact_annotations(const json_t *manifest);
/* Its predicate's type, by its annotations; or NULL. */
const char *wh_artifact_predicate(const json_t *annotations);
/* Puts an entry behind those of the images, in a fixed order, in place of one with the same digest or tag. */
void wh_index_put_artifact(json_t *manifests, const struct wh_artifact *a);

/* One manifest of the older form with the layers of both: add's first, and no layer twice. Its blobs are in the store. */
int wh_artifact_merge(struct wh_store *s, const struct wh_artifact *old, const struct wh_artifact *add,
		      struct wh_artifact *ret, struct wh_err **err);
/* What becomes of an image's artifacts when those in list (of which other images' are passed over) join those that are
 * there; everything is in the store. ours: we just made them; what the same key signed before goes. Else nothing goes. */
struct wh_settled {
	struct wh_artifacts put;
	struct wh_digest *gone;
	size_t n_gone, cap_gone;
};
int wh_artifacts_settle(struct wh_store *s, const struct wh_artifacts *there, const struct wh_artifacts *list,
			const struct wh_digest *subject, bool ours, struct wh_settled *ret, struct wh_err **err);
void wh_settled_release(struct wh_settled *x);
/* Into the list of an index.json. */
void wh_index_settle(json_t *manifests, const struct wh_settled *x);

#endif
