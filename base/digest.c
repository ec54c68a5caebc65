/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SHA-256 by OpenSSL's EVP, which picks the processor's SHA instructions by
 * itself. The algorithm is fetched once: a fetch for each small hash would
 * cost more than the hash.
 */
#include "base/digest.h"

#include <openssl/evp.h>
#include <pthread.h>

static EVP_MD *sha256;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void fetch(void)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!sha256)
		abort(); /* a libcrypto without SHA-256 cannot run this program at all */
}

static const EVP_MD *algorithm(void)
{
	pthread_once(&once, fetch);
	return sha256;
}

struct wh_sha256 {
	EVP_MD_CTX *ctx;
};

struct wh_sha256 *wh_sha256_new(void)
{
	struct wh_sha256 *h = wh_malloc(sizeof(*h));

	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx)
		abort();
	wh_sha256_reset(h);
	return h;
}

void wh_sha256_reset(struct wh_sha256 *h)
{
	if (EVP_DigestInit_ex2(h->ctx, algorithm(), NULL) != 1)
		abort();
}

void wh_sha256_add(struct wh_sha256 *h, const void *p, size_t n)
{
	if (n && EVP_DigestUpdate(h->ctx, p, n) != 1)
		abort();
}

void wh_sha256_end(struct wh_sha256 *h, struct wh_digest *ret)
{
	if (EVP_DigestFinal_ex(h->ctx, ret->b, NULL) != 1)
		abort();
}

void wh_sha256_free(struct wh_sha256 *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

void wh_digest_of(const void *p, size_t n, struct wh_digest *ret)
{
	if (EVP_Digest(n ? p : "", n, ret->b, NULL, algorithm(), NULL) != 1)
		abort();
}

char *wh_digest_hex(const struct wh_digest *d, char out[65])
{
	static const char digits[] = "0123456789abcdef";
	size_t i;

	for (i = 0; i < sizeof(d->b); i++) {
		out[2 * i] = digits[d->b[i] >> 4];
		out[2 * i + 1] = digits[d->b[i] & 15];
	}
	out[64] = '\0';
	return out;
}

char *wh_digest_text(const struct wh_digest *d, char out[WH_DIGEST_TEXT])
{
	memcpy(out, "sha256:", 7);
	wh_digest_hex(d, out + 7);
	return out;
}

static int nibble(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

bool wh_digest_parse_hex(const char *hex, struct wh_digest *ret)
{
	struct wh_digest d;
	size_t i;
	int hi, lo;

	if (!hex)
		return false;
	for (i = 0; i < sizeof(d.b); i++) {
		hi = nibble(hex[2 * i]);
		if (hi < 0)
			return false;
		lo = nibble(hex[2 * i + 1]);
		if (lo < 0)
			return false;
		d.b[i] = (uint8_t)(hi << 4 | lo);
	}
	if (hex[64] != '\0')
		return false;
	*ret = d;
	return true;
}

bool wh_digest_parse(const char *s, struct wh_digest *ret)
{
	return wh_has_prefix(s, "sha256:") && wh_digest_parse_hex(s + 7, ret);
}

bool wh_digest_is_zero(const struct wh_digest *d)
{
	static const struct wh_digest zero;

	return wh_digest_eq(d, &zero);
}
