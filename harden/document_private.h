/* SPDX-License-Identifier: Apache-2.0 */
/* Private to harden/: documents of profiles (document*.c). */
#ifndef WH_HARDEN_DOCUMENT_PRIVATE_H
#define WH_HARDEN_DOCUMENT_PRIVATE_H

#include "harden/harden.h"

struct wh_access_word {
	char letter; /* in a profile */
	const char *word;
};
extern const struct wh_access_word wh_access_words[]; /* up to a NULL word */

/* A profile as a document. Takes platforms and tests; tests NULL: those that its marks name. */
json_t *wh_document_of(const json_t *profile, bool when, json_t *platforms, json_t *tests);

#endif
