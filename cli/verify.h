/* SPDX-License-Identifier: Apache-2.0 */
/* What `whittle verify` found out, and how it is told. */
#ifndef WH_CLI_VERIFY_H
#define WH_CLI_VERIFY_H

#include "cli/cli.h"
#include "evidence/evidence.h"

enum wh_verify_source { WH_FROM_LAYOUT, WH_FROM_STORE, WH_FROM_REGISTRY };

struct wh_proved { /* an image, or an index */
	const struct wh_image *image;
	struct wh_artifacts artifacts;
	struct wh_verified found;
};
struct wh_proofs {
	enum wh_verify_source source;
	char *place;           /* the layout, the store or the registry's name for it */
	struct wh_proved top;  /* what the key stands for */
	struct wh_proved *parts; /* of an index: each image in it */
	size_t n_parts;
	bool nested;           /* an index that the key does not stand for leads to the image, */
	size_t others;         /* and to so many others; of an index that it stands for, what is not at hand */
};
/* A statement of this type, in all images. */
bool wh_proofs_state(const struct wh_proofs *p, const char *type);
/* "spdx", "verdict", "report", or a URI; NULL: none of them. */
const char *wh_predicate_named(const char *word);
void wh_proofs_text(const struct wh_proofs *p, struct wh_buf *out);
void wh_proofs_json(const struct wh_proofs *p, struct wh_buf *out);

#endif
