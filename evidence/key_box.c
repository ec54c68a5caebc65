/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encrypted part of a private key file:
 *
 *   {"kdf":{"name":"scrypt","params":{"N":65536,"r":8,"p":1},"salt":"<32 bytes>"},
 *    "cipher":{"name":"nacl/secretbox","nonce":"<24 bytes>"},"ciphertext":"…"}
 *
 * byte strings in base64. The costs come from a file that somebody else may have written: only the usual ones are
 * taken, so that no file makes us use all memory, and none makes guessing the password cheap.
 */
#include "evidence/key_private.h"
#include "evidence/sign_private.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sodium.h>

#define SALT 32
#define COST_R 8
#define COST_P 1
#define COST_N 65536
#define BOX_MAX 65536 /* bytes of ciphertext; a P-256 key has some 150 */

void wh_wiped_release(struct wh_wiped *w)
{
	OPENSSL_clear_free(w->p, w->n);
	*w = (struct wh_wiped){0};
}

/* ---------------------------------------------------------------- base64 */

void wh_base64_add(struct wh_buf *out, const void *p, size_t n)
{
	size_t len = sodium_base64_ENCODED_LEN(n, sodium_base64_VARIANT_ORIGINAL);
	WH_AUTO_FREE char *text = wh_malloc(len);

	sodium_bin2base64(text, len, p, n, sodium_base64_VARIANT_ORIGINAL);
	wh_buf_adds(out, text);
}

bool wh_base64_decode(const char *s, size_t max, uint8_t **ret, size_t *ret_n)
{
	size_t len = s ? strlen(s) : 0, n = 0;
	WH_AUTO_FREE uint8_t *p = NULL;

	if (!s || len / 4 * 3 > max + 2)
		return false;
	p = wh_malloc(len / 4 * 3 + 3);
	if (sodium_base642bin(p, len / 4 * 3 + 3, s, len, NULL, &n, NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
		return false;
	if (n > max)
		return false;
	*ret = WH_TAKE_PTR(p);
	*ret_n = n;
	return true;
}

/* ---------------------------------------------------------------- box */

static int derive(const char *password, const uint8_t *salt, uint64_t cost, struct wh_wiped *ret, struct wh_err **err)
{
	ret->n = crypto_secretbox_KEYBYTES;
	ret->p = OPENSSL_zalloc(ret->n);
	if (!ret->p)
		abort();
	/* scrypt works on 128·N·r bytes; the rest is for what OpenSSL needs beside them. */
	if (EVP_PBE_scrypt(password, strlen(password), salt, SALT, cost, COST_R, COST_P,
			   UINT64_C(128) * COST_R * cost + (UINT64_C(1) << 20), ret->p, ret->n) != 1)
		return wh_err_set(err, "evidence", WH_ERR_ENV, ENOMEM, "scrypt failed (it needs %llu MiB of memory)",
				  (unsigned long long)(UINT64_C(128) * COST_R * cost >> 20));
	return 0;
}

struct box {
	uint64_t cost;
	uint8_t *salt, *nonce, *text;
	size_t salt_n, nonce_n, text_n;
};

static void box_release(struct box *b)
{
	free(b->salt);
	free(b->nonce);
	free(b->text);
}

static bool is_text(const json_t *o, const char *key, const char *want)
{
	const char *s = wh_json_str(o, key);

	return s && strcmp(s, want) == 0;
}

static int box_parse(const char *json, size_t n, const char *what, struct box *b, struct wh_err **err)
{
	WH_AUTO_JSON json_t *o = NULL;
	const json_t *kdf, *params, *cipher;
	int64_t cost;
	int r = wh_json_parse(json, n, what, &o, err);

	if (r < 0)
		return r;
	kdf = json_object_get(o, "kdf");
	params = json_object_get(kdf, "params");
	cipher = json_object_get(o, "cipher");
	if (!is_text(kdf, "name", "scrypt") || !is_text(cipher, "name", "nacl/secretbox"))
		return wh_err_set(err, "evidence", WH_ERR_USAGE, ENOTSUP,
				  "%s: it is not encrypted with scrypt and nacl/secretbox", what);
	cost = wh_json_int(params, "N", 0);
	if ((cost != 32768 && cost != 65536 && cost != 131072) || wh_json_int(params, "r", 0) != COST_R ||
	    wh_json_int(params, "p", 0) != COST_P)
		return wh_err_set(err, "evidence", WH_ERR_USAGE, ENOTSUP,
				  "%s: its scrypt parameters are not among those that key files have", what);
	b->cost = (uint64_t)cost;
	if (!wh_base64_decode(wh_json_str(kdf, "salt"), SALT, &b->salt, &b->salt_n) || b->salt_n != SALT ||
	    !wh_base64_decode(wh_json_str(cipher, "nonce"), crypto_secretbox_NONCEBYTES, &b->nonce, &b->nonce_n) ||
	    b->nonce_n != crypto_secretbox_NONCEBYTES ||
	    !wh_base64_decode(wh_json_str(o, "ciphertext"), BOX_MAX, &b->text, &b->text_n) ||
	    b->text_n <= crypto_secretbox_MACBYTES)
		return wh_err_set(err, "evidence", WH_ERR_USAGE, EBADMSG, "%s: damaged: salt, nonce or ciphertext",
				  what);
	return 0;
}

int wh_key_box_open(const char *json, size_t n, const char *password, const char *what, struct wh_wiped *ret,
		    struct wh_err **err)
{
	WH_CLEANUP(box_release) struct box b = {0};
	WH_AUTO_WIPED struct wh_wiped key = {0};
	WH_AUTO_WIPED struct wh_wiped plain = {0};
	int r;

	if (sodium_init() < 0)
		return wh_err_set(err, "evidence", WH_ERR_ENV, EIO, "libsodium does not start");
	r = box_parse(json, n, what, &b, err);
	if (r == 0)
		r = derive(password, b.salt, b.cost, &key, err);
	if (r < 0)
		return r;
	plain.n = b.text_n - crypto_secretbox_MACBYTES;
	plain.p = OPENSSL_zalloc(plain.n);
	if (!plain.p)
		abort();
	if (crypto_secretbox_open_easy(plain.p, b.text, b.text_n, b.nonce, key.p) != 0)
		return wh_err_set(err, "evidence", WH_ERR_USAGE, EKEYREJECTED, "%s: wrong password", what);
	*ret = plain;
	plain = (struct wh_wiped){0};
	return 0;
}

int wh_key_box_seal(const struct wh_wiped *plain, const char *password, struct wh_buf *out, struct wh_err **err)
{
	uint8_t salt[SALT], nonce[crypto_secretbox_NONCEBYTES];
	WH_AUTO_FREE uint8_t *text = NULL;
	WH_AUTO_WIPED struct wh_wiped key = {0};
	size_t n = plain->n + crypto_secretbox_MACBYTES;
	int r;

	if (sodium_init() < 0)
		return wh_err_set(err, "evidence", WH_ERR_ENV, EIO, "libsodium does not start");
	randombytes_buf(salt, sizeof(salt));
	randombytes_buf(nonce, sizeof(nonce));
	r = derive(password, salt, COST_N, &key, err);
	if (r < 0)
		return r;
	text = wh_malloc(n);
	crypto_secretbox_easy(text, plain->p, plain->n, nonce, key.p);
	wh_buf_addf(out, "{\"kdf\":{\"name\":\"scrypt\",\"params\":{\"N\":%d,\"r\":%d,\"p\":%d},\"salt\":\"", COST_N,
		    COST_R, COST_P);
	wh_base64_add(out, salt, sizeof(salt));
	wh_buf_adds(out, "\"},\"cipher\":{\"name\":\"nacl/secretbox\",\"nonce\":\"");
	wh_base64_add(out, nonce, sizeof(nonce));
	wh_buf_adds(out, "\"},\"ciphertext\":\"");
	wh_base64_add(out, text, n);
	wh_buf_adds(out, "\"}");
	return 0;
}
