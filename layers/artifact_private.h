/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests of artifacts, and their places in an index.json. Private to layers/. */
#ifndef WH_LAYERS_ARTIFACT_PRIVATE_H
#define WH_LAYERS_ARTIFACT_PRIVATE_H

#include "layers/layers.h"

#define WH_ARTIFACTS_MAX 1000       /* of one image */
#define WH_ARTIFACT_LAYERS_MAX 1000 /* of one manifest */
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

/* "sha256-HEX.KIND" with a KIND of small letters: the older form's tag. ret may be NULL. */
bool wh_artifact_tag_parse(const char *tag, struct wh_digest *ret);

/* Is this entry of an index.json an artifact's? By what the entry itself says, which decides only what an entry
 * replaces, and what is meant where an image is looked for without a name. */
bool wh_index_entry_is_artifact(const json_t *d);
json_t *wh_artifact_entry(const struct wh_artifact *a);
/* Puts entries behind those of the images, in a fixed order; what has the same subject, type, tag and predicate goes.
 * The subject of entries that are there is asked of the callback (false: not known, then only the tag counts). */
typedef bool (*wh_subject_fn)(void *arg, const struct wh_descriptor *d, struct wh_digest *ret);
void wh_index_put_artifact(json_t *manifests, const struct wh_artifact *a, wh_subject_fn subject, void *arg);

#endif
