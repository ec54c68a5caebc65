/* SPDX-License-Identifier: Apache-2.0 */
/* The forms in which signatures travel, and an image signed with its statements. */
#include "evidence/sign_private.h"
#include "tests/unit/layers_helper.h"

static char shop_name[] = "registry.example/shop";
static char *shop_names[] = {shop_name};
static const struct wh_strv shop = {.v = shop_names, .n = 1};

/* What the specification itself gives as an example (dsse, protocol.md). */
static void encoding(void **state)
{
	static const char want[] = "DSSEv1 29 http://example.com/HelloWorld 11 hello world";
	struct wh_digest a, b;

	(void)state;
	wh_digest_of(want, strlen(want), &a);
	wh_dsse_digest("http://example.com/HelloWorld", "hello world", 11, &b);
	assert_true(wh_digest_eq(&a, &b));
}

static void payload(void **state)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	WH_AUTO_FREE char *reference = NULL;
	struct wh_err *err = NULL;
	struct wh_digest d, got;

	(void)state;
	wh_digest_of("", 0, &d);
	wh_simple_payload("registry.example/shop", &d, &b);
	assert_string_equal(
		b.p,
		"{\"critical\":{\"identity\":{\"docker-reference\":\"registry.example/shop\"},\"image\":"
		"{\"docker-manifest-digest\":\"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"},"
		"\"type\":\"cosign container image signature\"},\"optional\":null}");
	assert_ok(wh_simple_parse(b.p, b.n, "test", &got, &reference, &err), err);
	assert_true(wh_digest_eq(&d, &got));
	assert_string_equal(reference, "registry.example/shop");
}

static void bad_payloads(void **state)
{
	static const char *const cases[] = {
		"",
		"null",
		"{}",
		"{\"critical\":{\"image\":{\"docker-manifest-digest\":\"sha256:"
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"},\"type\":\"atomic container signature\"}}",
		"{\"critical\":{\"image\":{\"docker-manifest-digest\":\"sha256:e3\"},\"type\":\"cosign container image "
		"signature\"}}",
		"{\"critical\":{\"image\":{},\"type\":\"cosign container image signature\"}}",
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		char *reference = NULL;
		struct wh_digest d;

		assert_true(wh_simple_parse(cases[i], strlen(cases[i]), "test", &d, &reference, &err) < 0);
		assert_non_null(err);
		assert_null(reference);
	}
}

#define SIG "\"signatures\":[{\"sig\":\"QUJD\"}]"
#define ENVELOPE "{\"payload\":\"QUJD\",\"payloadType\":\"t\"," SIG "}"
#define BUNDLE(type, material, envelope) \
	"{\"mediaType\":\"" type "\",\"verificationMaterial\":" material ",\"dsseEnvelope\":" envelope "}"
#define HINT "{\"publicKey\":{\"hint\":\"h\"}}"

static void bundles(void **state)
{
	static const struct {
		const char *text, *hint;
		bool good;
	} cases[] = {
		{BUNDLE(WH_MEDIA_BUNDLE, HINT, ENVELOPE), "h", true},
		{BUNDLE(WH_MEDIA_BUNDLE, "{\"publicKey\":{}}", ENVELOPE), NULL, true},
		{BUNDLE(WH_MEDIA_BUNDLE, "{\"certificate\":{}}", ENVELOPE), NULL, true},
		{BUNDLE("application/vnd.dev.sigstore.bundle+json;version=0.1", HINT, ENVELOPE), "h", true},
		{BUNDLE("application/json", HINT, ENVELOPE), NULL, false},
		{BUNDLE(WH_MEDIA_BUNDLE, HINT, "{}"), NULL, false},
		{BUNDLE(WH_MEDIA_BUNDLE, HINT, "{\"payload\":\"QUJD\"," SIG "}"), NULL, false},
		{BUNDLE(WH_MEDIA_BUNDLE, HINT, "{\"payload\":\"-_-_\",\"payloadType\":\"t\"," SIG "}"), NULL, false},
		{BUNDLE(WH_MEDIA_BUNDLE, HINT, "{\"payload\":\"QUJD\",\"payloadType\":\"t\",\"signatures\":[]}"), NULL,
		 false},
		{BUNDLE(WH_MEDIA_BUNDLE, HINT,
			"{\"payload\":\"QUJD\",\"payloadType\":\"t\",\"signatures\":[{\"sig\":\"QUJD\"},{\"sig\":\"QUJD\"}]}"),
		 NULL, false},
		{BUNDLE(WH_MEDIA_BUNDLE, HINT,
			"{\"payload\":\"QUJD\",\"payloadType\":\"t\",\"signatures\":[{\"sig\":\"x\"}]}"),
		 NULL, false},
		{BUNDLE(WH_MEDIA_BUNDLE, HINT, "{\"payload\":\"QUJD\",\"payloadType\":\"t\",\"signatures\":[1]}"), NULL,
		 false},
		{"[]", NULL, false},
		{"", NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_CLEANUP(wh_bundle_release) struct wh_bundle b = {0};
		WH_AUTO_ERR struct wh_err *err = NULL;
		bool good = wh_bundle_parse(cases[i].text, strlen(cases[i].text), "test", &b, &err) == 0;

		if (good != cases[i].good)
			fail_msg("%zu: %s", i, err ? err->msg : "taken");
		if (good) {
			assert_true(wh_streq(b.hint, cases[i].hint));
			assert_int_equal(b.envelope.n, 3);
			assert_memory_equal(b.envelope.payload, "ABC", 3);
		}
	}
}

#define SUBJECT \
	"\"subject\":[{\"name\":\"_\",\"digest\":{\"sha256\":\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}}]"
#define OTHER \
	"{\"name\":\"_\",\"digest\":{\"sha256\":\"00b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}}"
#define V1 "\"_type\":\"https://in-toto.io/Statement/v1\""

static void statements(void **state)
{
	static const struct {
		const char *text;
		int r;
	} cases[] = {
		{"{" V1 "," SUBJECT ",\"predicateType\":\"p\",\"predicate\":{}}", 0},
		{"{\"_type\":\"https://in-toto.io/Statement/v0.1\"," SUBJECT ",\"predicateType\":\"p\"}", 0},
		{"{" V1 ",\"subject\":[" OTHER ",{\"digest\":{\"sha256\":"
		 "\"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"}}],\"predicateType\":\"p\"}",
		 0},
		{"{" V1 ",\"subject\":[" OTHER "],\"predicateType\":\"p\"}", -ESTALE},
		{"{" V1 ",\"subject\":[],\"predicateType\":\"p\"}", -ESTALE},
		{"{" V1 ",\"predicateType\":\"p\"}", -ESTALE},
		{"{" V1 ",\"subject\":[{\"digest\":{\"sha512\":\"00\"}}],\"predicateType\":\"p\"}", -ESTALE},
		{"{" V1 ",\"subject\":{\"digest\":1},\"predicateType\":\"p\"}", -ESTALE},
		{"{" V1 "," SUBJECT "}", -EBADMSG},
		{"{" V1 "," SUBJECT ",\"predicateType\":\"\"}", -EBADMSG},
		{"{" V1 "," SUBJECT ",\"predicateType\":[]}", -EBADMSG},
		{"{\"_type\":\"https://in-toto.io/Statement/v2\"," SUBJECT ",\"predicateType\":\"p\"}", -EBADMSG},
		{"{" SUBJECT ",\"predicateType\":\"p\"}", -EBADMSG},
		{"[]", -EBADMSG},
		{"", -EINVAL},
	};
	struct wh_digest d;

	(void)state;
	wh_digest_of("", 0, &d);
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		WH_AUTO_JSON json_t *o = NULL;
		const char *type = NULL;
		int r = wh_statement_parse(cases[i].text, strlen(cases[i].text), &d, "test", &o, &type, &err);

		if (r != cases[i].r)
			fail_msg("%zu: %d %s", i, r, err ? err->msg : "");
		if (r == 0)
			assert_string_equal(type, "p");
	}
}

/* ---------------------------------------------------------------- an image */

static json_t *document(struct bed *b, const struct wh_digest *d)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	struct wh_err *err = NULL;
	json_t *o = NULL;

	assert_ok(wh_blob_read(b->store, d, 1 << 20, &buf, &err), err);
	assert_ok(wh_json_parse(buf.p, buf.n, "test", &o, &err), err);
	return o;
}

/* The statement in an envelope, whose signature is the key's. */
static json_t *opened(const json_t *envelope, const struct wh_key *k)
{
	WH_CLEANUP(wh_envelope_release) struct wh_envelope e = {0};
	struct wh_err *err = NULL;
	json_t *o = NULL;

	assert_ok(wh_envelope_parse(envelope, &e, &err), err);
	assert_string_equal(e.type, "application/vnd.in-toto+json");
	assert_true(wh_envelope_signed_by(&e, k));
	assert_ok(wh_json_parse((const char *)e.payload, e.n, "test", &o, &err), err);
	return o;
}

static void check_older(struct bed *b, const struct wh_artifact *a, const char *kind, size_t n, const struct wh_key *k)
{
	WH_AUTO_JSON json_t *m = document(b, &a->manifest.digest), *config = NULL;
	const json_t *ids;
	struct wh_descriptor *layers;
	struct wh_err *err = NULL;
	char hex[65], text[WH_DIGEST_TEXT];
	WH_AUTO_FREE char *tag = wh_asprintf("sha256-%s.%s", wh_digest_hex(&a->subject, hex), kind);
	struct wh_digest d;
	size_t got;

	assert_string_equal(a->tag, tag);
	assert_null(json_object_get(m, "subject"));
	assert_ok(wh_artifact_layers(b->store, a, &layers, &got, &err), err);
	assert_int_equal(got, n);
	assert_true(wh_digest_parse(wh_json_str(json_object_get(m, "config"), "digest"), &d));
	config = document(b, &d);
	ids = json_object_get(json_object_get(config, "rootfs"), "diff_ids");
	assert_int_equal(json_array_size(ids), n);
	for (size_t i = 0; i < n; i++) {
		assert_string_equal(json_string_value(json_array_get(ids, i)), wh_digest_text(&layers[i].digest, text));
		if (strcmp(kind, "sig") == 0) {
			const char *sig = wh_json_str(layers[i].annotations, WH_AN_SIGNATURE);
			WH_AUTO_FREE uint8_t *der = NULL;
			size_t len;

			assert_string_equal(layers[i].media_type, "application/vnd.dev.cosign.simplesigning.v1+json");
			assert_true(wh_base64_decode(sig, 1000, &der, &len));
			assert_int_equal(wh_key_verify(k, &layers[i].digest, der, len), 0);
		} else {
			WH_AUTO_JSON json_t *envelope = document(b, &layers[i].digest), *st = opened(envelope, k);

			assert_string_equal(layers[i].media_type, "application/vnd.dsse.envelope.v1+json");
			assert_string_equal(wh_json_str(layers[i].annotations, "predicateType"),
					    wh_json_str(st, "predicateType"));
			assert_string_equal(wh_json_str(layers[i].annotations, WH_AN_SIGNATURE), "");
		}
		wh_descriptor_release(&layers[i]);
	}
	free(layers);
}

static void check_bundle(struct bed *b, const struct wh_artifact *a, const char *type, const struct wh_key *k)
{
	WH_AUTO_JSON json_t *m = document(b, &a->manifest.digest), *bundle = NULL, *st = NULL;
	WH_AUTO_FREE char *hint = wh_key_hint(k);
	const json_t *subject;
	struct wh_descriptor *layers;
	struct wh_err *err = NULL;
	char hex[65];
	size_t n;

	assert_null(a->tag);
	assert_string_equal(a->artifact_type, "application/vnd.dev.sigstore.bundle.v0.3+json");
	assert_string_equal(wh_json_str(m, "artifactType"), a->artifact_type);
	assert_string_equal(wh_json_str(a->manifest.annotations, "dev.sigstore.bundle.content"), "dsse-envelope");
	assert_string_equal(wh_json_str(a->manifest.annotations, "dev.sigstore.bundle.predicateType"), type);
	assert_ok(wh_artifact_layers(b->store, a, &layers, &n, &err), err);
	assert_int_equal(n, 1);
	bundle = document(b, &layers[0].digest);
	assert_string_equal(wh_json_str(bundle, "mediaType"), a->artifact_type);
	assert_string_equal(
		wh_json_str(json_object_get(json_object_get(bundle, "verificationMaterial"), "publicKey"), "hint"),
		hint);
	st = opened(json_object_get(bundle, "dsseEnvelope"), k);
	assert_string_equal(wh_json_str(st, "_type"), "https://in-toto.io/Statement/v1");
	assert_string_equal(wh_json_str(st, "predicateType"), type);
	subject = json_array_get(json_object_get(st, "subject"), 0);
	assert_string_equal(wh_json_str(subject, "name"), "registry.example/shop");
	assert_string_equal(wh_json_str(json_object_get(subject, "digest"), "sha256"), wh_digest_hex(&a->subject, hex));
	wh_descriptor_release(&layers[0]);
	free(layers);
}

static void image(void **state)
{
	struct bed b;
	struct wh_image i = {.config = json_pack("{s:s, s:s}", "architecture", "amd64", "os", "linux")};
	WH_AUTO_JSON json_t *one = json_pack("{s:i}", "one", 1), *two = json_pack("{s:s}", "two", "zwei ü");
	const struct wh_attest_item items[] = {{"https://spdx.dev/Document", one}, {"https://example.org/two", two}};
	struct wh_artifacts list = {0};
	WH_AUTO_FREE char *hint = NULL;
	struct wh_signer signer;
	struct wh_err *err = NULL;
	struct wh_key *k;

	(void)state;
	bed_open(&b);
	assert_ok(wh_image_write(b.store, &i, &err), err);
	assert_ok(wh_key_generate(&k, &err), err);
	signer = wh_key_signer(k, &hint);
	assert_ok(wh_sign_image(b.store, &i, &shop, &signer, items, 2, &list, &err), err);
	assert_int_equal(list.n, 5);
	check_older(&b, &list.v[0], "sig", 1, k);
	check_bundle(&b, &list.v[1], "https://sigstore.dev/cosign/sign/v1", k);
	check_bundle(&b, &list.v[2], "https://spdx.dev/Document", k);
	check_bundle(&b, &list.v[3], "https://example.org/two", k);
	check_older(&b, &list.v[4], "att", 2, k);
	wh_artifacts_release(&list);

	assert_ok(wh_sign_image(b.store, &i, NULL, &signer, NULL, 0, &list, &err), err);
	assert_int_equal(list.n, 2); /* nothing to attest: no .att */
	wh_artifacts_release(&list);
	wh_key_free(k);
	wh_image_release(&i);
	bed_close(&b);
}

static int no_key(void *arg, const struct wh_digest *d, size_t n, struct wh_buf *ret_der, struct wh_err **err)
{
	int *left = arg;

	(void)d;
	for (size_t i = 0; i < n && (*left)-- > 0; i++)
		wh_buf_adds(&ret_der[i], "0");
	return wh_err_set(err, "test", WH_ERR_USAGE, EKEYREJECTED, "no");
}

/* Whichever signature fails: an error, and nothing on the list. */
static void failing(void **state)
{
	struct bed b;
	struct wh_image i = {.config = json_pack("{s:s, s:s}", "architecture", "amd64", "os", "linux")};
	WH_AUTO_JSON json_t *one = json_object();
	const struct wh_attest_item item = {"https://example.org/one", one};
	struct wh_err *err = NULL;

	(void)state;
	bed_open(&b);
	assert_ok(wh_image_write(b.store, &i, &err), err);
	for (int n = 0; n < 3; n++) {
		struct wh_artifacts list = {0};
		int left = n;
		struct wh_signer signer = {.sign = no_key, .arg = &left, .hint = "h"};

		assert_int_equal(wh_sign_image(b.store, &i, NULL, &signer, &item, 1, &list, &err), -EKEYREJECTED);
		assert_true(wh_has_prefix(err->msg, "sign the image: no"));
		assert_int_equal(list.n, 0);
		wh_err_freep(&err);
	}
	wh_image_release(&i);
	bed_close(&b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(encoding), cmocka_unit_test(payload),    cmocka_unit_test(bad_payloads),
		cmocka_unit_test(bundles),  cmocka_unit_test(statements), cmocka_unit_test(image),
		cmocka_unit_test(failing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
