/* SPDX-License-Identifier: Apache-2.0 */
/* A key from the inside, and the encrypted key file. Private to evidence/. */
#ifndef WH_EVIDENCE_KEY_PRIVATE_H
#define WH_EVIDENCE_KEY_PRIVATE_H

#include "evidence/evidence.h"

#include <openssl/evp.h>

struct wh_key {
	EVP_PKEY *pkey;
	bool private;
};

/* Bytes that are wiped when they go. */
struct wh_wiped {
	uint8_t *p;
	size_t n;
};
void wh_wiped_release(struct wh_wiped *w);
#define WH_AUTO_WIPED WH_CLEANUP(wh_wiped_release)

/* What stands between the PEM lines of an encrypted private key: JSON, hostile until it is opened. */
int wh_key_box_open(const char *json, size_t n, const char *password, const char *what, struct wh_wiped *ret,
		    struct wh_err **err);
int wh_key_box_seal(const struct wh_wiped *plain, const char *password, struct wh_buf *out, struct wh_err **err);

#endif
