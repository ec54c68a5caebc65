/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a stranger attaches to an image, as each of the kinds that are looked into. The first byte says how the rest is
 * taken: 'r', as it is, and then nothing of it is proof; else as something that our key has signed, so that what is
 * below the signature is reached.
 */
#include "evidence/verify_private.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Made for this program. */
static const char private_pem[] = "-----BEGIN PRIVATE KEY-----\n"
				  "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAP1fM6ZNYM65NDqj\n"
				  "RPZTcIk5XtmhEpLU3xejxJEF+syhRANCAARhYPWMkxrkY3RggJ5AeZy/r3AfO+Z5\n"
				  "n2NLGAhp1zdjsVwYAEXf0TI7sa8XUuc2Vgq7i7lT/7CNSPw/gioWJbOu\n"
				  "-----END PRIVATE KEY-----\n";

static void one(struct wh_proving *p, const char *kind, json_t *annotations, const char *data, size_t n)
{
	struct wh_descriptor layer = {
		.media_type = wh_strdup(kind), .size = n, .annotations = json_incref(annotations)};
	WH_AUTO_ERR struct wh_err *err = NULL;
	int r = wh_prove_layer(p, &layer, annotations, data, n, "input", &err);

	if (r < 0 ? !err || strchr(err->msg, '\n') != NULL : err != NULL)
		abort();
	wh_descriptor_release(&layer);
}

static void raw(struct wh_proving *p, const char *data, size_t n)
{
	static const char *const kinds[] = {WH_MEDIA_BUNDLE, WH_MEDIA_DSSE, WH_MEDIA_SIMPLE};
	WH_AUTO_JSON json_t *an = json_pack("{s:s, s:s}", WH_AN_SIGNATURE, "AAAA", WH_AN_PREDICATE, "p");

	for (size_t i = 0; i < WH_ARRAY_SIZE(kinds); i++)
		one(p, kinds[i], an, data, n);
	if (p->found.legacy || p->found.bundle || json_array_size(p->found.statements))
		abort();
}

static void signed_statement(struct wh_proving *p, const char *data, size_t n)
{
	WH_AUTO_JSON json_t *an = json_object(), *bundle = NULL;
	WH_AUTO_BUF struct wh_buf der = WH_BUF_INIT, text = WH_BUF_INIT;
	struct wh_digest d;

	wh_dsse_digest(WH_TYPE_INTOTO, data, n, &d);
	if (wh_key_sign(p->key, &d, &der, NULL) < 0)
		abort();
	bundle = wh_bundle_json(p->hint, wh_envelope_json(WH_TYPE_INTOTO, data, n, der.p, der.n));
	wh_json_dump(bundle, &text);
	one(p, WH_MEDIA_BUNDLE, an, text.p, text.n);
	if (p->found.legacy)
		abort();
}

static void signed_payload(struct wh_proving *p, const char *data, size_t n)
{
	WH_AUTO_BUF struct wh_buf der = WH_BUF_INIT, text = WH_BUF_INIT;
	WH_AUTO_JSON json_t *an = NULL;
	struct wh_digest d;

	wh_digest_of(data, n, &d);
	if (wh_key_sign(p->key, &d, &der, NULL) < 0)
		abort();
	wh_base64_add(&text, der.p, der.n);
	an = json_pack("{s:s}", WH_AN_SIGNATURE, text.p);
	one(p, WH_MEDIA_SIMPLE, an, data, n);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t n = size ? size - 1 : 0;
	WH_AUTO_FREE char *copy = wh_malloc(n ? n : 1); /* its own block, so that a sanitizer knows the end */
	struct wh_image image = {.manifest_size = 1};
	struct wh_proving p = {.i = &image};
	struct wh_key *key;

	if (n)
		memcpy(copy, data + 1, n);
	if (wh_key_load(private_pem, strlen(private_pem), NULL, "key", &key, NULL) < 0)
		abort();
	wh_digest_of("image", 5, &image.manifest);
	p.key = key;
	p.hint = wh_key_hint(key);
	p.found.statements = json_array();
	if (size && data[0] == 'r') {
		raw(&p, copy, n);
	} else {
		signed_statement(&p, copy, n);
		signed_payload(&p, copy, n);
	}
	wh_verified_release(&p.found);
	free(p.hint);
	wh_key_free(key);
	return 0;
}
