/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"
#include "tests/unit/test.h"

#include <pthread.h>

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void known(void **state)
{
	/* FIPS 180-2, appendix B, and the empty message. */
	static const char *const cases[][2] = {
		{"", EMPTY},
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
	};
	struct wh_digest d;
	char hex[65];
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		wh_digest_of(cases[i][0], strlen(cases[i][0]), &d);
		assert_string_equal(wh_digest_hex(&d, hex), cases[i][1]);
	}
	wh_digest_of(NULL, 0, &d);
	assert_string_equal(wh_digest_hex(&d, hex), EMPTY);
}

static void streaming(void **state)
{
	WH_AUTO_SHA256 struct wh_sha256 *h = wh_sha256_new();
	struct wh_digest d;
	char hex[65];
	int i;

	(void)state;
	for (i = 0; i < 1000000; i++)
		wh_sha256_add(h, "a", 1);
	wh_sha256_end(h, &d);
	assert_string_equal(wh_digest_hex(&d, hex), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
	wh_sha256_reset(h);
	wh_sha256_add(h, NULL, 0);
	wh_sha256_end(h, &d);
	assert_string_equal(wh_digest_hex(&d, hex), EMPTY);
}

static void text(void **state)
{
	static const char *const bad[] = {
		"",
		"sha256:",
		EMPTY,
		"sha512:" EMPTY,
		"SHA256:" EMPTY,
		"sha256:" EMPTY "0",
		"sha256:E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"sha256:g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85",
		" sha256:" EMPTY,
		NULL,
	};
	struct wh_digest d, e;
	char out[WH_DIGEST_TEXT];
	size_t i;

	(void)state;
	wh_digest_of("", 0, &d);
	assert_string_equal(wh_digest_text(&d, out), "sha256:" EMPTY);
	assert_true(wh_digest_parse(out, &e));
	assert_true(wh_digest_eq(&d, &e));
	for (i = 0; i < WH_ARRAY_SIZE(bad); i++)
		assert_false(wh_digest_parse(bad[i], &e));
	assert_true(wh_digest_eq(&d, &e)); /* untouched by failures */
	assert_true(wh_digest_parse_hex(EMPTY, &e));
	assert_false(wh_digest_is_zero(&e));
	memset(&e, 0, sizeof(e));
	assert_true(wh_digest_is_zero(&e));
}

static void *hash_many(void *arg)
{
	struct wh_digest d;
	unsigned i;

	for (i = 0; i < 2000; i++)
		wh_digest_of(&i, sizeof(i), &d);
	*(struct wh_digest *)arg = d;
	return NULL;
}

static void threads(void **state)
{
	struct wh_digest d[4];
	pthread_t t[4];
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, hash_many, &d[i]), 0);
	for (i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	for (i = 1; i < 4; i++)
		assert_true(wh_digest_eq(&d[0], &d[i]));
}

int main(void)
{
	/* threads first: it is the one that meets the first fetch. */
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads),
		cmocka_unit_test(known),
		cmocka_unit_test(streaming),
		cmocka_unit_test(text),
	};

	return cmocka_run_group_tests_name("base/digest", tests, NULL, NULL);
}
