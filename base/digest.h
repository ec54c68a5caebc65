/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256, and digests as OCI writes them (image-spec descriptor.md: "sha256:" + 64 lower-case hex digits). */
#ifndef WH_BASE_DIGEST_H
#define WH_BASE_DIGEST_H

#include "base/str.h"

struct wh_digest {
	uint8_t b[32];
};
#define WH_DIGEST_TEXT 72 /* "sha256:" + 64 + NUL */

/* Streaming; a context may be used from any one thread at a time. */
struct wh_sha256;
struct wh_sha256 *wh_sha256_new(void);
void wh_sha256_reset(struct wh_sha256 *h);
void wh_sha256_add(struct wh_sha256 *h, const void *p, size_t n);
void wh_sha256_end(struct wh_sha256 *h, struct wh_digest *ret); /* needs a reset before further use */
void wh_sha256_free(struct wh_sha256 *h);
static inline void wh_sha256_freep(struct wh_sha256 **h)
{
	if (*h)
		wh_sha256_free(*h);
	*h = NULL;
}
#define WH_AUTO_SHA256 WH_CLEANUP(wh_sha256_freep)

void wh_digest_of(const void *p, size_t n, struct wh_digest *ret);
/* Writes "sha256:…" (WH_DIGEST_TEXT bytes) and returns out. */
char *wh_digest_text(const struct wh_digest *d, char out[WH_DIGEST_TEXT]);
/* Only the 64 hex digits (65 bytes). */
char *wh_digest_hex(const struct wh_digest *d, char out[65]);
/* Accepts "sha256:<64 lower-case hex>" only. */
bool wh_digest_parse(const char *s, struct wh_digest *ret);
bool wh_digest_parse_hex(const char *hex, struct wh_digest *ret);
static inline bool wh_digest_eq(const struct wh_digest *a, const struct wh_digest *b)
{
	return memcmp(a->b, b->b, 32) == 0;
}
bool wh_digest_is_zero(const struct wh_digest *d);

#endif
