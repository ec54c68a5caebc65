/* SPDX-License-Identifier: Apache-2.0 */
/* ECDSA P-256 keys with SHA-256: making, reading, writing, using. What held a private key is wiped before it is freed.
 */
#include "evidence/key_private.h"
#include "evidence/sign_private.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#define PEM_MAX 65536
#define PEM_SIGSTORE "ENCRYPTED SIGSTORE PRIVATE KEY"
#define PEM_COSIGN "ENCRYPTED COSIGN PRIVATE KEY"

static int bug(struct wh_err **err, const char *what)
{
	int r = wh_err_set(err, "evidence", WH_ERR_INTERNAL, EIO, "OpenSSL cannot %s", what);

	ERR_clear_error();
	return r;
}

static struct wh_key *key_new(EVP_PKEY *pkey, bool private)
{
	struct wh_key *k = wh_calloc(1, sizeof(*k));

	k->pkey = pkey;
	k->private = private;
	return k;
}

void wh_key_free(struct wh_key *k)
{
	if (!k)
		return;
	EVP_PKEY_free(k->pkey); /* clears the private number */
	free(k);
}

int wh_key_generate(struct wh_key **ret, struct wh_err **err)
{
	EVP_PKEY *p = EVP_EC_gen("P-256");

	if (!p)
		return bug(err, "make a key");
	*ret = key_new(p, true);
	return 0;
}

/* ---------------------------------------------------------------- reading */

static void pkey_freep(EVP_PKEY **p)
{
	EVP_PKEY_free(*p);
}

/* Takes p when it is a sound key on P-256. */
static int take_key(EVP_PKEY *p, bool private, const char *what, struct wh_key **ret, struct wh_err **err)
{
	WH_CLEANUP(pkey_freep) EVP_PKEY *mine = p;
	EVP_PKEY_CTX *c;
	char group[32] = "";
	size_t n;
	int sound;

	ERR_clear_error();
	if (!mine)
		return wh_err_set(err, "evidence", WH_ERR_USAGE, EBADMSG, "%s: damaged: there is no key in it", what);
	if (!EVP_PKEY_is_a(mine, "EC") || EVP_PKEY_get_group_name(mine, group, sizeof(group), &n) != 1 ||
	    strcmp(group, "prime256v1") != 0)
		return wh_err_set(err, "evidence", WH_ERR_USAGE, ENOTSUP,
				  "%s: it is not an ECDSA key on the curve P-256", what);
	c = EVP_PKEY_CTX_new_from_pkey(NULL, mine, NULL);
	sound = c && EVP_PKEY_public_check(c) == 1 && (!private || EVP_PKEY_pairwise_check(c) == 1);
	EVP_PKEY_CTX_free(c);
	ERR_clear_error();
	if (!sound)
		return wh_err_set(err, "evidence", WH_ERR_USAGE, EBADMSG, "%s: damaged: it is no sound key", what);
	*ret = key_new(mine, private);
	mine = NULL;
	return 0;
}

struct pem {
	char *name, *header;
	unsigned char *data;
	long n;
};

static void pem_release(struct pem *p)
{
	OPENSSL_free(p->name);
	OPENSSL_free(p->header);
	OPENSSL_clear_free(p->data, p->n > 0 ? (size_t)p->n : 0);
}

static int pem_parse(const char *text, size_t n, const char *what, struct pem *ret, struct wh_err **err)
{
	BIO *b;
	int got;

	if (n > PEM_MAX)
		return wh_err_set(err, "evidence", WH_ERR_USAGE, EFBIG, "%s: it is too big for a key file", what);
	b = BIO_new_mem_buf(n ? text : "", (int)n);
	if (!b)
		return bug(err, "read memory");
	got = PEM_read_bio(b, &ret->name, &ret->header, &ret->data, &ret->n);
	BIO_free(b);
	ERR_clear_error();
	if (got != 1)
		return wh_err_set(err, "evidence", WH_ERR_USAGE, EBADMSG, "%s: it is no key file (PEM)", what);
	return 0;
}

static int load_encrypted(const struct pem *pem, const char *password, const char *what, struct wh_key **ret,
			  struct wh_err **err)
{
	WH_AUTO_WIPED struct wh_wiped der = {0};
	const unsigned char *p;
	EVP_PKEY *pkey;
	int r;

	if (!password) {
		r = wh_err_set(err, "evidence", WH_ERR_USAGE, EKEYREJECTED, "%s: it needs a password", what);
		wh_err_hint(err, "set COSIGN_PASSWORD");
		return r;
	}
	r = wh_key_box_open((const char *)pem->data, (size_t)pem->n, password, what, &der, err);
	if (r < 0)
		return r;
	p = der.p;
	pkey = d2i_AutoPrivateKey(NULL, &p, (long)der.n);
	return take_key(pkey, true, what, ret, err);
}

int wh_key_load(const char *pem, size_t n, const char *password, const char *what, struct wh_key **ret,
		struct wh_err **err)
{
	WH_CLEANUP(pem_release) struct pem p = {0};
	const unsigned char *at;
	int r = pem_parse(pem, n, what, &p, err);

	if (r < 0)
		return r;
	if (strcmp(p.name, PEM_SIGSTORE) == 0 || strcmp(p.name, PEM_COSIGN) == 0)
		return load_encrypted(&p, password, what, ret, err);
	if ((strcmp(p.name, "PRIVATE KEY") == 0 || strcmp(p.name, "EC PRIVATE KEY") == 0) && !p.header[0]) {
		at = p.data;
		return take_key(d2i_AutoPrivateKey(NULL, &at, p.n), true, what, ret, err);
	}
	r = wh_err_set(err, "evidence", WH_ERR_USAGE, ENOTSUP, "%s: \"%.60s\" is no private key that can be used", what,
		       p.name);
	wh_err_hint(err, "a key of whittle keygen or cosign generate-key-pair, or PKCS#8 without a password");
	return r;
}

int wh_key_load_public(const char *pem, size_t n, const char *what, struct wh_key **ret, struct wh_err **err)
{
	WH_CLEANUP(pem_release) struct pem p = {0};
	const unsigned char *at;
	EVP_PKEY *pkey;
	int r = pem_parse(pem, n, what, &p, err);

	if (r < 0)
		return r;
	if (strcmp(p.name, "PUBLIC KEY") != 0) {
		r = wh_err_set(err, "evidence", WH_ERR_USAGE, ENOTSUP, "%s: \"%.60s\" is no public key", what, p.name);
		if (strstr(p.name, "PRIVATE"))
			wh_err_hint(err, "a private key proves nothing to others: give the .pub file");
		return r;
	}
	at = p.data;
	pkey = d2i_PUBKEY(NULL, &at, p.n);
	if (pkey && at != p.data + p.n) {
		EVP_PKEY_free(pkey);
		pkey = NULL;
	}
	return take_key(pkey, false, what, ret, err);
}

/* ---------------------------------------------------------------- writing */

static int pem_write(const char *name, const void *p, size_t n, struct wh_buf *out, struct wh_err **err)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *text;
	long len;

	if (!b || PEM_write_bio(b, name, "", p, (long)n) <= 0) {
		BIO_free(b);
		return bug(err, "write a key");
	}
	len = BIO_get_mem_data(b, &text);
	wh_buf_add(out, text, (size_t)len);
	BIO_free(b);
	return 0;
}

int wh_key_private_pem(const struct wh_key *k, const char *password, struct wh_buf *out, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf json = WH_BUF_INIT;
	WH_AUTO_WIPED struct wh_wiped der = {0};
	PKCS8_PRIV_KEY_INFO *p8;
	int n, r;

	if (!k->private)
		return wh_err_set(err, "evidence", WH_ERR_INTERNAL, EINVAL, "it is a public key");
	p8 = EVP_PKEY2PKCS8(k->pkey);
	n = p8 ? i2d_PKCS8_PRIV_KEY_INFO(p8, &der.p) : -1;
	PKCS8_PRIV_KEY_INFO_free(p8);
	if (n <= 0)
		return bug(err, "encode a key");
	der.n = (size_t)n;
	r = wh_key_box_seal(&der, password, &json, err);
	return r < 0 ? r : pem_write(PEM_SIGSTORE, json.p, json.n, out, err);
}

/* The SubjectPublicKeyInfo; OPENSSL_free. Length, or negative. */
static int spki(const struct wh_key *k, unsigned char **ret)
{
	*ret = NULL;
	return i2d_PUBKEY(k->pkey, ret);
}

int wh_key_public_pem(const struct wh_key *k, struct wh_buf *out, struct wh_err **err)
{
	unsigned char *der;
	int n = spki(k, &der), r;

	if (n <= 0)
		return bug(err, "encode a public key");
	r = pem_write("PUBLIC KEY", der, (size_t)n, out, err);
	OPENSSL_free(der);
	return r;
}

char *wh_key_hint(const struct wh_key *k)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	unsigned char *der;
	struct wh_digest d;
	int n = spki(k, &der);

	if (n <= 0)
		abort(); /* a key that was checked when it was taken, and memory for a hundred bytes */
	wh_digest_of(der, (size_t)n, &d);
	OPENSSL_free(der);
	wh_base64_add(&text, d.b, sizeof(d.b));
	return wh_buf_take(&text);
}

/* ---------------------------------------------------------------- using */

static EVP_PKEY_CTX *context(const struct wh_key *k, int (*init)(EVP_PKEY_CTX *c))
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);

	if (c && init(c) == 1 && EVP_PKEY_CTX_set_signature_md(c, EVP_sha256()) == 1)
		return c;
	EVP_PKEY_CTX_free(c);
	return NULL;
}

int wh_key_sign(const struct wh_key *k, const struct wh_digest *d, struct wh_buf *ret_der, struct wh_err **err)
{
	EVP_PKEY_CTX *c;
	unsigned char sig[128];
	size_t n = sizeof(sig);
	int done;

	if (!k->private)
		return wh_err_set(err, "evidence", WH_ERR_INTERNAL, EINVAL, "a public key cannot sign");
	c = context(k, EVP_PKEY_sign_init);
	done = c && EVP_PKEY_sign(c, sig, &n, d->b, sizeof(d->b)) == 1;
	EVP_PKEY_CTX_free(c);
	if (!done)
		return bug(err, "sign");
	wh_buf_add(ret_der, sig, n);
	return 0;
}

int wh_key_verify(const struct wh_key *k, const struct wh_digest *d, const void *sig, size_t n)
{
	EVP_PKEY_CTX *c = context(k, EVP_PKEY_verify_init);
	int right = c && n && EVP_PKEY_verify(c, sig, n, d->b, sizeof(d->b)) == 1;

	EVP_PKEY_CTX_free(c);
	ERR_clear_error();
	return right ? 0 : -EBADMSG;
}

static int sign_here(void *arg, const struct wh_digest *d, size_t n, struct wh_buf *ret_der, struct wh_err **err)
{
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = wh_key_sign(arg, &d[i], &ret_der[i], err);
	return r;
}

struct wh_signer wh_key_signer(struct wh_key *k, char **hint_storage)
{
	*hint_storage = wh_key_hint(k);
	return (struct wh_signer){.sign = sign_here, .arg = k, .hint = *hint_storage};
}
