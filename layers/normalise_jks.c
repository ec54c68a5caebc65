/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Java's list of trusted certificates, in the form that is called JKS (big endian):
 *
 *   u32 magic 0xfeedfeed, u32 version 1 or 2, u32 number of entries
 *   an entry: u32 kind (2: a certificate), u16 + text alias, u64 time (milliseconds since 1970),
 *             version 2: u16 + text type, then u32 + bytes certificate
 *   sha1(password as UTF-16 ‖ "Mighty Aphrodite" ‖ all of the above)
 *
 * The password guards no secret: there is none in a list of certificates. One that goes by another password than
 * the usual one, or that holds keys, is left alone.
 */
#include "layers/normalise.h"

#include <openssl/evp.h>

#define MAGIC 0xfeedfeedU
#define TRUSTED 2U
#define SHA1_LEN 20U
/* "changeit", and what Sun put behind every password. */
static const char salt[] = "\0c\0h\0a\0n\0g\0e\0i\0tMighty Aphrodite";

struct reader {
	const unsigned char *p;
	size_t at, n;
	bool bad;
};

static uint64_t number(struct reader *r, size_t bytes)
{
	uint64_t v = 0;

	if (r->bad || r->n - r->at < bytes) {
		r->bad = true;
		return 0;
	}
	while (bytes--)
		v = v << 8 | r->p[r->at++];
	return v;
}

static void skip(struct reader *r, uint64_t n)
{
	if (r->bad || r->n - r->at < n)
		r->bad = true;
	else
		r->at += (size_t)n;
}

static bool sum(const unsigned char *p, size_t n, unsigned char ret[SHA1_LEN])
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool ok = c && EVP_DigestInit_ex(c, EVP_sha1(), NULL) == 1 &&
		  EVP_DigestUpdate(c, salt, sizeof(salt) - 1) == 1 && EVP_DigestUpdate(c, p, n) == 1 &&
		  EVP_DigestFinal_ex(c, ret, NULL) == 1;

	EVP_MD_CTX_free(c);
	return ok;
}

/* Where the next entry's time stands; 0: this is no list of certificates, or it ends here. */
static size_t next_time(struct reader *r, uint64_t version)
{
	size_t at;

	if (number(r, 4) != TRUSTED)
		r->bad = true;
	skip(r, number(r, 2));
	at = r->at;
	skip(r, 8);
	if (version == 2)
		skip(r, number(r, 2));
	skip(r, number(r, 4));
	return r->bad ? 0 : at;
}

bool wh_jks_times(unsigned char *p, size_t n, int64_t (*clamp)(void *arg, int64_t seconds), void *arg)
{
	struct reader r = {.p = p, .n = n > SHA1_LEN ? n - SHA1_LEN : 0};
	uint64_t magic = number(&r, 4), version = number(&r, 4), entries = number(&r, 4);
	unsigned char want[SHA1_LEN];
	const struct reader first = r;
	bool changed = false;

	if (r.bad || magic != MAGIC || version < 1 || version > 2)
		return false;
	for (uint64_t i = 0; i < entries && !r.bad; i++)
		next_time(&r, version);
	if (r.bad || r.at != r.n || !sum(p, r.n, want) || memcmp(want, p + r.n, SHA1_LEN) != 0)
		return false;
	r = first;
	for (uint64_t i = 0; i < entries; i++) {
		size_t at = next_time(&r, version);
		struct reader t = {.p = p, .at = at, .n = n};
		uint64_t ms = number(&t, 8), to;
		int64_t seconds = ms / 1000 > INT64_MAX / 1000 ? INT64_MAX / 1000 : (int64_t)(ms / 1000);

		to = (uint64_t)clamp(arg, seconds) * 1000;
		/* A moment of the epoch's own second is later than the epoch. */
		if (to == (uint64_t)seconds * 1000 && clamp(arg, seconds + 1) == seconds + 1)
			continue;
		changed |= to != ms;
		for (size_t k = 8; k-- > 0; to >>= 8)
			p[at + k] = (unsigned char)to;
	}
	return changed && sum(p, r.n, p + r.n);
}
