/* SPDX-License-Identifier: Apache-2.0 */
/* Key files as others write them and read them, and keys at work. */
#include "evidence/key_private.h"
#include "evidence/sign_private.h"
#include "tests/unit/test.h"

#include <errno.h>

#define assert_ok(r, err)                                                                  \
	do {                                                                               \
		int wh_r = (r);                                                            \
		if (wh_r < 0)                                                              \
			fail_msg("%s: %d %s", #r, wh_r, (err) ? (err)->msg : "(no text)"); \
	} while (0)

static void key_freep(struct wh_key **k)
{
	wh_key_free(*k);
}
#define AUTO_KEY WH_CLEANUP(key_freep)

/* Made with openssl genpkey; the hint with openssl pkey -pubout -outform DER | openssl dgst -sha256 -binary | base64.
 */
static const char plain_pem[] = "-----BEGIN PRIVATE KEY-----\n"
				"MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgWVTVX9K80HPL9Nr6\n"
				"RYmsAoEocbwyWXKhu96UzkPbQ+OhRANCAASr+fjOwPwIGv5Vx7SKWr6qPdgKDqcb\n"
				"2L1yhaS0KLf4kKa6EJoCbVJJvcKwLSRkhDEm7y6XpDmgMwvH14nJzaau\n"
				"-----END PRIVATE KEY-----\n";
static const char sec1_pem[] = "-----BEGIN EC PRIVATE KEY-----\n"
			       "MHcCAQEEIFlU1V/SvNBzy/Ta+kWJrAKBKHG8MllyobvelM5D20PjoAoGCCqGSM49\n"
			       "AwEHoUQDQgAEq/n4zsD8CBr+Vce0ilq+qj3YCg6nG9i9coWktCi3+JCmuhCaAm1S\n"
			       "Sb3CsC0kZIQxJu8ul6Q5oDMLx9eJyc2mrg==\n"
			       "-----END EC PRIVATE KEY-----\n";
static const char public_pem[] = "-----BEGIN PUBLIC KEY-----\n"
				 "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEq/n4zsD8CBr+Vce0ilq+qj3YCg6n\n"
				 "G9i9coWktCi3+JCmuhCaAm1SSb3CsC0kZIQxJu8ul6Q5oDMLx9eJyc2mrg==\n"
				 "-----END PUBLIC KEY-----\n";
static const char public_hint[] = "ZaaEqnWHuWimp3sTwW/TC2Dmj63nR8NU8AmV1GPbv2Y=";
/* openssl pkeyutl -sign over SHA-256 of "whittle". */
static const char signature[] =
	"MEQCIBrBOY2J9ojrklGu8Ynt6xYp5OLJbCTHVAO68zWVcfieAiB/lPdXNtoMJSeXAGVuKFNaUPkk1baVNp9Z7niV99uZJA==";
static const char p384_pem[] = "-----BEGIN PRIVATE KEY-----\n"
			       "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDAa7RKEqJ3mNeoY80if\n"
			       "vC6H00i+C5AqvcFdiEwbrRmoZVA24tEvpVFxCtzuVncRYXyhZANiAASVCvGk95Cp\n"
			       "0nsNEemh5Y/dsvu016EhZoeQ24EKquy3mjpGd7P+MCw4DvEXRpgY2inGcXpG6iPm\n"
			       "MQv4wPa8aCfEtqsr6pR5RKcHM3u4oVmoE+rdEqySVTYZezCyqf/I/Cc=\n"
			       "-----END PRIVATE KEY-----\n";
static const char rsa_public_pem[] = "-----BEGIN PUBLIC KEY-----\n"
				     "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAufHUytve04R/9QSfUr+s\n"
				     "7eH+Bsfum4BwDxP6XyGM5ZLe0zWPmcKl0dMcxeHhhLZwwjPkLKF46E93vVPIexlu\n"
				     "mQmcCSY+3nCzk0u6zDyfi2GzEyHWj7dzd8bNeyWaPXqa6KgNR8mfFzzEjwTywgrE\n"
				     "VvmRtcczwLhl42AQ73sIrJOFTLeObs565mUfx7ujKMRPiptKN0cwkjq2+QdGvs0I\n"
				     "EDN/ujGZRuwGUrfbLnqgC9qnTPDiXqvug3vaQ0W9IvcDtqhBUIpPe9hJXjd1JqWU\n"
				     "B2nXYQgWKkVZk+e7UkWiWOcFL2WhJ2RoTlPoeCd0S6NF44vq1+TN1LXRVC5V8T56\n"
				     "lQIDAQAB\n"
				     "-----END PUBLIC KEY-----\n";
/* Made by cosign 2.5.0, password "secret"; and the public key that it wrote beside it. */
static const char cosign_pem[] = "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"
				 "eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjo2NTUzNiwiciI6\n"
				 "OCwicCI6MX0sInNhbHQiOiJORTYrazNnak9FaVJTWG9hTFJ2NC9Ddys5bFNIcVh0\n"
				 "TU5LK09sdVRhYXF3PSJ9LCJjaXBoZXIiOnsibmFtZSI6Im5hY2wvc2VjcmV0Ym94\n"
				 "Iiwibm9uY2UiOiJwV3NJeUc1S25wVURQRUFEY1RwcUZlb3Y0Q1ptM2x0aCJ9LCJj\n"
				 "aXBoZXJ0ZXh0IjoiVkgrenFUN2NLR2pDWjViaHhnTkdJNStIcktpY1JpOG5TelJu\n"
				 "MGwxZ09BeG1PeThhWDR0RFIvMFpmUmlkUzBpU1J0YTBrWnBNeVA1VzgvcW1mN09m\n"
				 "ejNaZmlVU2xzK0dlS0cvOGtXQXFRQ0h6dThHQ0xpdUx1L1dxdEdORVRYWFFDVEJk\n"
				 "djFtMHVlNlllWjlsK1pIQWFMUVhNYzhoYnEzR01BaHFUTWJjV0o4TGY5cUJ6eW5X\n"
				 "WDhVMVdTK0tBSzJ6OXY1S1Rid09xMDViRWc9PSJ9\n"
				 "-----END ENCRYPTED SIGSTORE PRIVATE KEY-----\n";
static const char cosign_public_pem[] = "-----BEGIN PUBLIC KEY-----\n"
					"MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEjzcOcuLJNeatn29FmvIYfeNNfijc\n"
					"Ig0uzN8eYEx6toEvS2+wyvr2Ieb/buvMcD0l4UKXsvgmYgNs7Qd0KtVIMA==\n"
					"-----END PUBLIC KEY-----\n";

static int load(const char *pem, const char *password, struct wh_key **ret, struct wh_err **err)
{
	return wh_key_load(pem, strlen(pem), password, "test.key", ret, err);
}

static int load_public(const char *pem, struct wh_key **ret, struct wh_err **err)
{
	return wh_key_load_public(pem, strlen(pem), "test.pub", ret, err);
}

static void expect(int r, struct wh_err **err, int want, const char *text)
{
	assert_int_equal(r, want);
	assert_non_null(*err);
	if (!strstr((*err)->msg, text))
		fail_msg("\"%s\" is not in: %s", text, (*err)->msg);
	assert_int_equal((*err)->class, WH_ERR_USAGE);
	wh_err_freep(err);
}

static void same_key(const struct wh_key *a, const struct wh_key *b)
{
	WH_AUTO_FREE char *x = wh_key_hint(a), *y = wh_key_hint(b);

	assert_string_equal(x, y);
}

static void generated(void **state)
{
	AUTO_KEY struct wh_key *a = NULL, *b = NULL, *pub = NULL, *back = NULL;
	WH_AUTO_BUF struct wh_buf pem = WH_BUF_INIT, sealed = WH_BUF_INIT, again = WH_BUF_INIT, sig = WH_BUF_INIT;
	struct wh_err *err = NULL;
	struct wh_digest d, other;

	(void)state;
	assert_ok(wh_key_generate(&a, &err), err);
	assert_ok(wh_key_generate(&b, &err), err);
	assert_ok(wh_key_public_pem(a, &pem, &err), err);
	assert_ok(load_public(pem.p, &pub, &err), err);
	same_key(a, pub);
	assert_ok(wh_key_private_pem(a, "pass word ü", &sealed, &err), err);
	assert_true(wh_has_prefix(sealed.p, "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n"));
	assert_ok(wh_key_private_pem(a, "pass word ü", &again, &err), err);
	assert_string_not_equal(sealed.p, again.p); /* salt and nonce are new each time */
	expect(load(sealed.p, "pass word u", &back, &err), &err, -EKEYREJECTED, "test.key: wrong password");
	expect(load(sealed.p, "", &back, &err), &err, -EKEYREJECTED, "wrong password");
	expect(load(sealed.p, NULL, &back, &err), &err, -EKEYREJECTED, "needs a password");
	assert_null(back);
	assert_ok(load(sealed.p, "pass word ü", &back, &err), err);
	same_key(a, back);

	wh_digest_of("one", 3, &d);
	wh_digest_of("two", 3, &other);
	assert_ok(wh_key_sign(back, &d, &sig, &err), err);
	assert_int_equal(wh_key_verify(pub, &d, sig.p, sig.n), 0);
	assert_int_equal(wh_key_verify(a, &d, sig.p, sig.n), 0);
	assert_int_equal(wh_key_verify(pub, &other, sig.p, sig.n), -EBADMSG);
	assert_int_equal(wh_key_verify(b, &d, sig.p, sig.n), -EBADMSG);
	assert_int_equal(wh_key_verify(pub, &d, sig.p, 0), -EBADMSG);
	assert_int_equal(wh_key_verify(pub, &d, sig.p, sig.n - 1), -EBADMSG);
	for (size_t i = 0; i < sig.n; i++) {
		sig.p[i] ^= 1;
		assert_int_equal(wh_key_verify(pub, &d, sig.p, sig.n), -EBADMSG);
		sig.p[i] ^= 1;
	}
	wh_buf_addc(&sig, 0);
	assert_int_equal(wh_key_verify(pub, &d, sig.p, sig.n), -EBADMSG);
	assert_int_equal(wh_key_sign(pub, &d, &again, &err), -EINVAL);
	wh_err_freep(&err);
}

static void foreign(void **state)
{
	AUTO_KEY struct wh_key *plain = NULL, *sec1 = NULL, *pub = NULL, *cosign = NULL, *cosign_pub = NULL;
	WH_AUTO_BUF struct wh_buf pem = WH_BUF_INIT;
	WH_AUTO_FREE char *hint = NULL;
	WH_AUTO_FREE uint8_t *sig = NULL;
	struct wh_err *err = NULL;
	struct wh_digest d;
	size_t n;

	(void)state;
	assert_ok(load(plain_pem, NULL, &plain, &err), err);
	assert_ok(load(sec1_pem, "not needed", &sec1, &err), err);
	assert_ok(load_public(public_pem, &pub, &err), err);
	same_key(plain, pub);
	same_key(sec1, pub);
	hint = wh_key_hint(pub);
	assert_string_equal(hint, public_hint);
	assert_ok(wh_key_public_pem(plain, &pem, &err), err);
	assert_string_equal(pem.p, public_pem);
	wh_digest_of("whittle", 7, &d);
	assert_true(wh_base64_decode(signature, 1000, &sig, &n));
	assert_int_equal(wh_key_verify(pub, &d, sig, n), 0);

	assert_ok(load(cosign_pem, "secret", &cosign, &err), err);
	assert_ok(load_public(cosign_public_pem, &cosign_pub, &err), err);
	same_key(cosign, cosign_pub);
	wh_buf_reset(&pem);
	assert_ok(wh_key_public_pem(cosign, &pem, &err), err);
	assert_string_equal(pem.p, cosign_public_pem);
}

static void refused(void **state)
{
	struct wh_key *k = NULL;
	struct wh_err *err = NULL;
	WH_AUTO_FREE char *big = wh_calloc(1, 70001);

	(void)state;
	memset(big, 'x', 70000);
	expect(load("", NULL, &k, &err), &err, -EBADMSG, "test.key: it is no key file");
	expect(load("hello\n", NULL, &k, &err), &err, -EBADMSG, "no key file");
	expect(load(big, NULL, &k, &err), &err, -EFBIG, "too big");
	expect(load(public_pem, NULL, &k, &err), &err, -ENOTSUP, "\"PUBLIC KEY\" is no private key");
	expect(load_public(plain_pem, &k, &err), &err, -ENOTSUP, "\"PRIVATE KEY\" is no public key");
	expect(load_public(cosign_pem, &k, &err), &err, -ENOTSUP, "is no public key");
	expect(load(p384_pem, NULL, &k, &err), &err, -ENOTSUP, "not an ECDSA key on the curve P-256");
	expect(load_public(rsa_public_pem, &k, &err), &err, -ENOTSUP, "not an ECDSA key");
	expect(load("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", NULL, &k, &err), &err, -EBADMSG,
	       "no key in it");
	expect(load_public("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", &k, &err), &err, -EBADMSG,
	       "no key in it");
}

/* ---------------------------------------------------------------- the encrypted part */

#define SALT "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define NONCE "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
#define TEXT "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define BOX(n, r, p, salt, nonce, text)                                                                          \
	"{\"kdf\":{\"name\":\"scrypt\",\"params\":{\"N\":" n ",\"r\":" r ",\"p\":" p "},\"salt\":\"" salt "\"}," \
	"\"cipher\":{\"name\":\"nacl/secretbox\",\"nonce\":\"" nonce "\"},\"ciphertext\":\"" text "\"}"

static void boxes(void **state)
{
	static const struct {
		const char *json, *why;
		int r;
	} cases[] = {
		{BOX("32768", "8", "1", SALT, NONCE, TEXT), "wrong password", -EKEYREJECTED},
		{BOX("65536", "8", "1", SALT, NONCE, TEXT), "wrong password", -EKEYREJECTED},
		{BOX("131072", "8", "1", SALT, NONCE, TEXT), "wrong password", -EKEYREJECTED},
		{BOX("16384", "8", "1", SALT, NONCE, TEXT), "scrypt parameters", -ENOTSUP},
		{BOX("1", "8", "1", SALT, NONCE, TEXT), "scrypt parameters", -ENOTSUP},
		{BOX("262144", "8", "1", SALT, NONCE, TEXT), "scrypt parameters", -ENOTSUP},
		{BOX("1073741824", "8", "1", SALT, NONCE, TEXT), "scrypt parameters", -ENOTSUP},
		{BOX("\"65536\"", "8", "1", SALT, NONCE, TEXT), "scrypt parameters", -ENOTSUP},
		{BOX("65536", "16", "1", SALT, NONCE, TEXT), "scrypt parameters", -ENOTSUP},
		{BOX("65536", "8", "2", SALT, NONCE, TEXT), "scrypt parameters", -ENOTSUP},
		{BOX("65536", "8", "1", "AAAA", NONCE, TEXT), "damaged", -EBADMSG},
		{BOX("65536", "8", "1", SALT SALT, NONCE, TEXT), "damaged", -EBADMSG},
		{BOX("65536", "8", "1", SALT, "", TEXT), "damaged", -EBADMSG},
		{BOX("65536", "8", "1", SALT, NONCE "AAAA", TEXT), "damaged", -EBADMSG},
		{BOX("65536", "8", "1", SALT, NONCE, ""), "damaged", -EBADMSG},
		{BOX("65536", "8", "1", SALT, NONCE, "AAAA"), "damaged", -EBADMSG},
		{BOX("65536", "8", "1", SALT, NONCE, "no base64!"), "damaged", -EBADMSG},
		{"{}", "not encrypted with scrypt", -ENOTSUP},
		{"[]", "not encrypted with scrypt", -ENOTSUP},
		{"", "bad JSON", -EINVAL},
	};
	struct wh_wiped out = {0};
	struct wh_err *err = NULL;

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		int r = wh_key_box_open(cases[i].json, strlen(cases[i].json), "x", "test.key", &out, &err);

		if (r != cases[i].r || !err || !strstr(err->msg, cases[i].why))
			fail_msg("%zu: %d %s", i, r, err ? err->msg : "(no text)");
		assert_null(out.p);
		wh_err_freep(&err);
	}
}

static void base64(void **state)
{
	static const struct {
		const char *text;
		size_t max;
		bool good;
	} cases[] = {
		{"", 0, true},         {"QQ==", 1, true},    {"QUI=", 2, true},   {"QUJD", 3, true},
		{"QUJD", 2, false},    {"QQ", 10, false},    {"QQ=", 10, false},  {"QR==", 10, false},
		{"QUJD\n", 10, false}, {" QUJD", 10, false}, {"QU-_", 10, false}, {"QUJDRA==", 3, false},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_FREE uint8_t *p = NULL;
		WH_AUTO_BUF struct wh_buf back = WH_BUF_INIT;
		size_t n;
		bool good = wh_base64_decode(cases[i].text, cases[i].max, &p, &n);

		if (good != cases[i].good)
			fail_msg("\"%s\" into %zu", cases[i].text, cases[i].max);
		if (!good)
			continue;
		wh_base64_add(&back, p, n);
		assert_string_equal(back.p ? back.p : "", cases[i].text);
	}
	assert_false(wh_base64_decode(NULL, 10, NULL, NULL));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(generated), cmocka_unit_test(foreign), cmocka_unit_test(refused),
		cmocka_unit_test(boxes),     cmocka_unit_test(base64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
