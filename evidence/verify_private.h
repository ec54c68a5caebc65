/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a verification. Private to evidence/. */
#ifndef WH_EVIDENCE_VERIFY_PRIVATE_H
#define WH_EVIDENCE_VERIFY_PRIVATE_H

#include "evidence/sign_private.h"

struct wh_proving {
	struct wh_store *s;
	const struct wh_image *i;
	const struct wh_key *key;
	char *hint; /* the key's */
	const struct wh_artifacts *artifacts; /* or NULL */
	bool vouched; /* an index that names it is signed */
	struct wh_verified found;
};

/* Manifest and config: hashed, and of one mind. */
int wh_prove_documents(struct wh_proving *p, struct wh_err **err);
/* Layers: hashed, packed and unpacked. */
int wh_prove_layers(struct wh_proving *p, struct wh_err **err);
/* One artifact's signatures, if they are ours to judge. */
int wh_prove_artifact(struct wh_proving *p, const struct wh_artifact *a, struct wh_err **err);
/* A layer of one: its bytes, the annotations of layer and manifest. For fuzzing, apart from the store. */
int wh_prove_layer(struct wh_proving *p, const struct wh_descriptor *layer, const json_t *manifest_annotations,
		   const char *data, size_t n, const char *what, struct wh_err **err);
/* Statements of the kinds that we make, against what the layers hold. */
int wh_prove_content(struct wh_proving *p, struct wh_err **err);

#endif
