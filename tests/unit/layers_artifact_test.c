/* SPDX-License-Identifier: Apache-2.0 */
/* What is attached to images: written, listed, replaced, exported, and what a layout must be for every byte of it to
 * count. In one file, long as it is: all tests sign and export the images that the functions at the top make. */
#include "layers/artifact_private.h"
#include "layers/image_private.h"
#include "tests/unit/layers_helper.h"

#include <dirent.h>

#define BUNDLE "application/vnd.dev.sigstore.bundle.v0.3+json"
#define SIMPLE "application/vnd.dev.cosign.simplesigning.v1+json"
#define PREDICATE "dev.sigstore.bundle.predicateType"

static void image_of(struct bed *b, const char *spec, struct wh_image *ret)
{
	struct wh_err *err = NULL;

	*ret = (struct wh_image){.config = json_pack("{s:s, s:s}", "architecture", "amd64", "os", "linux")};
	ret->layers = wh_calloc(1, sizeof(*ret->layers));
	ret->n_layers = 1;
	layer_of(b->store, spec, &ret->layers[0]);
	assert_ok(wh_image_write(b->store, ret, &err), err);
}

static void attach(struct bed *b, const struct wh_image *i, const char *predicate, const char *text,
		   struct wh_artifacts *list)
{
	struct wh_artifact_blob layer = {.media_type = BUNDLE, .data = text, .len = strlen(text)};
	WH_AUTO_JSON json_t *an = json_pack("{s:s}", PREDICATE, predicate);
	struct wh_err *err = NULL;

	assert_ok(wh_artifact_write(b->store, i, BUNDLE, NULL, NULL, &layer, 1, an, list, &err), err);
}

static void sign(struct bed *b, const struct wh_image *i, const char *text, struct wh_artifacts *list)
{
	WH_AUTO_JSON json_t *an = json_pack("{s:s}", "dev.cosignproject.cosign/signature", "AAAA");
	struct wh_artifact_blob layer = {.media_type = SIMPLE, .data = text, .len = strlen(text), .annotations = an};
	struct wh_artifact_blob config = {.media_type = WH_MT_CONFIG, .data = "{\"os\":\"\"}", .len = 9};
	struct wh_err *err = NULL;
	char hex[65];
	WH_AUTO_FREE char *tag = wh_asprintf("sha256-%s.sig", wh_digest_hex(&i->manifest, hex));

	assert_ok(wh_artifact_write(b->store, i, NULL, tag, &config, &layer, 1, NULL, list, &err), err);
}

static json_t *document(struct bed *b, const struct wh_digest *d)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	struct wh_err *err = NULL;
	json_t *o = NULL;

	assert_ok(wh_blob_read(b->store, d, WH_MANIFEST_MAX, &buf, &err), err);
	assert_ok(wh_json_parse(buf.p, buf.n, "test", &o, &err), err);
	return o;
}

static void written(void **state)
{
	struct bed b;
	struct wh_image i;
	struct wh_artifacts list = {0}, again = {0};
	struct wh_descriptor *layers;
	struct wh_err *err = NULL;
	WH_AUTO_JSON json_t *m = NULL, *s = NULL;
	char text[WH_DIGEST_TEXT];
	struct wh_digest d;
	size_t n;

	(void)state;
	bed_open(&b);
	image_of(&b, "f a 644 one\n", &i);
	attach(&b, &i, "https://example.org/a", "{\"a\":1}", &list);
	sign(&b, &i, "payload", &list);
	assert_int_equal(list.n, 2);

	m = document(&b, &list.v[0].manifest.digest);
	assert_string_equal(wh_json_str(m, "artifactType"), BUNDLE);
	assert_string_equal(wh_json_str(json_object_get(m, "config"), "mediaType"), WH_MEDIA_EMPTY);
	assert_string_equal(wh_json_str(json_object_get(m, "config"), "digest"),
			    "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
	assert_string_equal(wh_json_str(json_object_get(m, "subject"), "digest"), wh_digest_text(&i.manifest, text));
	assert_int_equal(wh_json_int(json_object_get(m, "subject"), "size", 0), i.manifest_size);
	assert_string_equal(wh_json_str(list.v[0].manifest.annotations, PREDICATE), "https://example.org/a");

	s = document(&b, &list.v[1].manifest.digest);
	assert_null(json_object_get(s, "subject"));
	assert_null(json_object_get(s, "artifactType"));
	assert_string_equal(wh_json_str(json_object_get(s, "config"), "mediaType"), WH_MT_CONFIG);

	assert_ok(wh_artifact_layers(b.store, &list.v[1], &layers, &n, &err), err);
	assert_int_equal(n, 1);
	wh_digest_of("payload", 7, &d);
	assert_true(wh_digest_eq(&d, &layers[0].digest));
	assert_int_equal(layers[0].size, 7);
	assert_string_equal(wh_json_str(layers[0].annotations, "dev.cosignproject.cosign/signature"), "AAAA");
	wh_descriptor_release(&layers[0]);
	free(layers);

	/* The same again is the same to the byte. */
	attach(&b, &i, "https://example.org/a", "{\"a\":1}", &again);
	assert_true(wh_digest_eq(&again.v[0].manifest.digest, &list.v[0].manifest.digest));
	wh_artifacts_release(&again);
	wh_artifacts_release(&list);
	wh_image_release(&i);
	bed_close(&b);
}

/* "KIND:DIGEST…" of each, in the order in which they come. */
static char *shown(const struct wh_artifacts *l)
{
	struct wh_buf b = WH_BUF_INIT;
	char hex[65];

	for (size_t i = 0; i < l->n; i++)
		wh_buf_addf(&b, "%s:%.8s ", l->v[i].tag ? "tag" : wh_json_str(l->v[i].manifest.annotations, PREDICATE),
			    wh_digest_hex(&l->v[i].manifest.digest, hex));
	return wh_buf_take(&b);
}

static void replaced(void **state)
{
	struct bed b;
	struct wh_image i, other;
	struct wh_artifacts first = {0}, second = {0}, foreign = {0}, got = {0}, none = {0};
	struct wh_err *err = NULL;

	(void)state;
	bed_open(&b);
	image_of(&b, "f a 644 one\n", &i);
	image_of(&b, "f a 644 two\n", &other);
	assert_ok(wh_store_tag(b.store, "first:1", &i, &err), err);
	attach(&b, &i, "p:a", "1", &first);
	attach(&b, &i, "p:b", "2", &first);
	sign(&b, &i, "3", &first);
	attach(&b, &other, "p:a", "4", &foreign);
	sign(&b, &other, "5", &foreign);
	assert_ok(wh_store_attach(b.store, &first, &err), err);
	assert_ok(wh_store_attach(b.store, &foreign, &err), err);
	assert_ok(wh_artifacts_from_store(b.store, &i.manifest, &got, &err), err);
	assert_int_equal(got.n, 3);
	wh_artifacts_release(&got);

	attach(&b, &i, "p:a", "6", &second);
	sign(&b, &i, "7", &second);
	assert_ok(wh_store_attach(b.store, &second, &err), err);
	assert_ok(wh_store_attach(b.store, &second, &err), err); /* once more changes nothing */
	assert_ok(wh_artifacts_from_store(b.store, &i.manifest, &got, &err), err);
	assert_int_equal(got.n, 3);
	for (size_t k = 0; k < got.n; k++) {
		const struct wh_artifact *want = got.v[k].tag ? &got.v[k]
						 : strcmp(wh_json_str(got.v[k].manifest.annotations, PREDICATE), "p:a")
							 ? &first.v[1]
							 : &second.v[0];

		assert_true(wh_digest_eq(&got.v[k].manifest.digest, &want->manifest.digest));
		assert_true(wh_digest_eq(&got.v[k].subject, &i.manifest));
	}
	wh_artifacts_release(&got);
	assert_ok(wh_artifacts_from_store(b.store, &other.manifest, &got, &err), err);
	assert_int_equal(got.n, 2);

	/* The image keeps its name, a new image takes one, and neither disturbs what is attached. */
	assert_ok(wh_store_tag(b.store, "second:1", &other, &err), err);
	wh_artifacts_release(&got);
	assert_ok(wh_artifacts_from_store(b.store, &i.manifest, &got, &err), err);
	assert_int_equal(got.n, 3);
	wh_image_release(&other);
	assert_ok(wh_image_from_store(b.store, "first:1", NULL, &other, &err), err);
	assert_true(wh_digest_eq(&other.manifest, &i.manifest));
	assert_ok(wh_artifacts_from_store(b.store, &first.v[0].manifest.digest, &none, &err), err);
	assert_int_equal(none.n, 0);

	wh_artifacts_release(&got);
	wh_artifacts_release(&first);
	wh_artifacts_release(&second);
	wh_artifacts_release(&foreign);
	wh_image_release(&i);
	wh_image_release(&other);
	bed_close(&b);
}

static void export_to(struct bed *b, const struct wh_image *i, const char *dir, const char *name,
		      const struct wh_artifacts *l)
{
	const char *names[] = {name, NULL};
	struct wh_export x = {.dest = dir, .names = names, .epoch = INT64_MAX, .artifacts = l};
	struct wh_err *err = NULL;

	assert_ok(wh_export_oci(b->store, i, &x, &err), err);
}

/* The texts of an artifact's layers, in their order. */
static char *texts_of(struct bed *b, const struct wh_artifact *a)
{
	struct wh_buf out = WH_BUF_INIT;
	struct wh_descriptor *layers = NULL;
	struct wh_err *err = NULL;
	size_t n = 0;

	assert_ok(wh_artifact_layers(b->store, a, &layers, &n, &err), err);
	for (size_t i = 0; i < n; i++) {
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

		assert_ok(wh_blob_read(b->store, &layers[i].digest, 1000, &text, &err), err);
		wh_buf_addf(&out, "%s ", text.p);
		wh_descriptor_release(&layers[i]);
	}
	free(layers);
	return wh_buf_take(&out);
}

#define BUNDLE_OF(hint, sig)                                         \
	"{\"verificationMaterial\":{\"publicKey\":{\"hint\":\"" hint \
	"\"}},\"dsseEnvelope\":{\"signatures\":[{\"sig\":\"" sig "\"}]}}"
#define ENVELOPE_OF(sig) "{\"signatures\":[{\"sig\":\"" sig "\"}]}"

/* A signing with one key: a bundle, the image's signature and an attestation with the bundle's envelope. */
static void sign_with(struct bed *b, const struct wh_image *i, const char *bundle, const char *sig,
		      const char *envelope, struct wh_artifacts *list)
{
	struct wh_artifact_blob layer = {
		.media_type = "application/vnd.dsse.envelope.v1+json", .data = envelope, .len = strlen(envelope)};
	static const char config_text[] =
		"{\"history\":[{\"created\":\"0\"}],\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"x\"]}}";
	struct wh_artifact_blob config = {.media_type = WH_MT_CONFIG, .data = config_text, .len = strlen(config_text)};
	struct wh_err *err = NULL;
	char hex[65];
	WH_AUTO_FREE char *tag = wh_asprintf("sha256-%s.att", wh_digest_hex(&i->manifest, hex));

	attach(b, i, "p:a", bundle, list);
	sign(b, i, sig, list);
	assert_ok(wh_artifact_write(b->store, i, NULL, tag, &config, &layer, 1, NULL, list, &err), err);
}

/* In the order of an index: bundles (their texts sorted), att, sig. */
static char *all_texts(struct bed *b, const struct wh_artifacts *l)
{
	WH_AUTO_STRV struct wh_strv bundles = {0};
	WH_AUTO_FREE char *att = NULL, *sig = NULL;

	for (size_t i = 0; i < l->n; i++) {
		char *text = texts_of(b, &l->v[i]);

		if (!l->v[i].tag)
			wh_strv_take(&bundles, text);
		else if (strstr(l->v[i].tag, ".att"))
			att = text;
		else
			sig = text;
	}
	wh_strv_sort(&bundles);
	return wh_asprintf("%s%s| %s| %s", bundles.n ? bundles.v[0] : "", bundles.n > 1 ? bundles.v[1] : "", att, sig);
}

/* Two who sign one image do not take each other's signatures away, in the store or in a layout; each replaces his own. */
static void two_signers(void **state)
{
	static const char after[] = BUNDLE_OF("A", "a2") " " BUNDLE_OF("B", "b1") " | " ENVELOPE_OF(
		"a2") " " ENVELOPE_OF("b1") " | sigA2 sigB1 sigA1 ";
	struct bed b;
	struct wh_image i;
	struct wh_artifacts a1 = {0}, b1 = {0}, a2 = {0}, got = {0};
	WH_AUTO_FREE char *dir = NULL, *store = NULL, *layout = NULL;
	WH_AUTO_JSON json_t *m = NULL, *c = NULL;
	struct wh_err *err = NULL;
	struct wh_digest d;

	(void)state;
	bed_open(&b);
	dir = wh_asprintf("%s/layout", b.dir);
	image_of(&b, "f a 644 one\n", &i);
	sign_with(&b, &i, BUNDLE_OF("A", "a1"), "sigA1", ENVELOPE_OF("a1"), &a1);
	sign_with(&b, &i, BUNDLE_OF("B", "b1"), "sigB1", ENVELOPE_OF("b1"), &b1);
	sign_with(&b, &i, BUNDLE_OF("A", "a2"), "sigA2", ENVELOPE_OF("a2"), &a2);
	assert_ok(wh_store_attach(b.store, &a1, &err), err);
	assert_ok(wh_store_attach(b.store, &b1, &err), err);
	assert_ok(wh_store_attach(b.store, &a2, &err), err);
	assert_ok(wh_artifacts_from_store(b.store, &i.manifest, &got, &err), err);
	assert_int_equal(got.n, 4);
	store = all_texts(&b, &got);
	assert_string_equal(store, after);

	/* The config of what was merged lists what is in it. */
	m = document(&b, &got.v[2].manifest.digest);
	assert_true(wh_digest_parse(wh_json_str(json_object_get(m, "config"), "digest"), &d));
	c = document(&b, &d);
	assert_int_equal(json_array_size(json_object_get(json_object_get(c, "rootfs"), "diff_ids")), 2);
	assert_int_equal(json_array_size(json_object_get(c, "history")), 2);
	assert_string_equal(
		json_string_value(json_array_get(json_object_get(json_object_get(c, "rootfs"), "diff_ids"), 0)),
		wh_json_str(json_array_get(json_object_get(m, "layers"), 0), "digest"));

	export_to(&b, &i, dir, NULL, &a1);
	assert_ok(wh_layout_attach(b.store, dir, &b1, &err), err);
	export_to(&b, &i, dir, NULL, &a2);
	assert_ok(wh_layout_check(dir, &err), err);
	wh_artifacts_release(&got);
	assert_ok(wh_artifacts_from_layout(b.store, dir, &i.manifest, &got, &err), err);
	layout = all_texts(&b, &got);
	assert_string_equal(layout, after);

	wh_artifacts_release(&got);
	wh_artifacts_release(&a1);
	wh_artifacts_release(&a2);
	wh_artifacts_release(&b1);
	wh_image_release(&i);
	bed_close(&b);
}

/* What comes from a registry takes nothing away, even when it says it is by the same key. */
static void pulled(void **state)
{
	struct bed b;
	struct wh_image i;
	struct wh_artifacts ours = {0}, theirs = {0}, got = {0};
	WH_AUTO_FREE char *text = NULL;
	struct wh_err *err = NULL;

	(void)state;
	bed_open(&b);
	image_of(&b, "f a 644 one\n", &i);
	sign_with(&b, &i, BUNDLE_OF("A", "a1"), "sigA", ENVELOPE_OF("a1"), &ours);
	sign_with(&b, &i, BUNDLE_OF("A", "z1"), "sigZ", ENVELOPE_OF("z1"), &theirs);
	assert_ok(wh_store_attach(b.store, &ours, &err), err);
	for (int again = 0; again < 2; again++)
		assert_ok(wh_store_attach_pulled(b.store, &theirs, &err), err);
	assert_ok(wh_artifacts_from_store(b.store, &i.manifest, &got, &err), err);
	text = all_texts(&b, &got);
	assert_string_equal(text, BUNDLE_OF("A", "a1") " " BUNDLE_OF("A", "z1") " | " ENVELOPE_OF("a1") " " ENVELOPE_OF(
					  "z1") " | sigA sigZ ");
	wh_artifacts_release(&got);
	wh_artifacts_release(&ours);
	wh_artifacts_release(&theirs);
	wh_image_release(&i);
	bed_close(&b);
}

/* However much strangers attach, however long what they say: index.json stays small, and can be read again. */
static void strangers(void **state)
{
	struct bed b;
	struct wh_image i;
	struct wh_artifacts ours = {0}, theirs = {0}, got = {0};
	WH_AUTO_FREE char *big = wh_calloc(1, 2 << 20), *type = wh_calloc(1, 300);
	struct wh_artifact_blob layer = {.media_type = "text/plain", .data = "x", .len = 1};
	struct wh_err *err = NULL;
	struct stat st;

	(void)state;
	memset(big, 'A', (2 << 20) - 1);
	memset(type, 't', 299);
	bed_open(&b);
	image_of(&b, "f a 644 one\n", &i);
	attach(&b, &i, "p:ours", "1", &ours);
	assert_ok(wh_store_attach(b.store, &ours, &err), err);
	for (int k = 0; k < 300; k++) {
		WH_AUTO_FREE char *predicate = wh_asprintf("p:%d", k);
		WH_AUTO_JSON json_t *an = json_pack("{s:s, s:s, s:s}", PREDICATE, predicate, "long", k < 5 ? big : "",
						    "in-toto.io/predicate-type", k >= 5 && k < 10 ? big : "p:x");

		assert_ok(wh_artifact_write(b.store, &i, k < 20 ? type : BUNDLE, NULL, NULL, &layer, 1, an, &theirs,
					    &err),
			  err);
	}
	assert_ok(wh_store_attach_pulled(b.store, &theirs, &err), err);
	assert_int_equal(fstatat(wh_store_dirfd(b.store), "index.json", &st, 0), 0);
	assert_true(st.st_size < 256 * 1024);
	assert_ok(wh_artifacts_from_store(b.store, &i.manifest, &got, &err), err);
	assert_int_equal(got.n, WH_ARTIFACTS_TAKEN_MAX);
	for (size_t k = 0; k < got.n; k++)
		assert_true(strlen(got.v[k].artifact_type) < 256);

	/* Ours are taken all the same. */
	wh_artifacts_release(&ours);
	attach(&b, &i, "p:more", "1", &ours);
	assert_ok(wh_store_attach(b.store, &ours, &err), err);
	wh_artifacts_release(&got);
	assert_ok(wh_artifacts_from_store(b.store, &i.manifest, &got, &err), err);
	assert_int_equal(got.n, WH_ARTIFACTS_TAKEN_MAX + 1);
	wh_artifacts_release(&got);
	wh_artifacts_release(&ours);
	wh_artifacts_release(&theirs);
	wh_image_release(&i);
	bed_close(&b);
}

/* An index that would be too big is not written, and the one that is there stays. */
static void too_big(void **state)
{
	struct bed b;
	struct wh_image i, got = {0};
	WH_AUTO_FREE char *big = wh_malloc(WH_STORE_INDEX_MAX + 1);
	WH_AUTO_JSON json_t *ms = NULL, *long_one = NULL;
	struct wh_err *err = NULL;

	(void)state;
	bed_open(&b);
	image_of(&b, "f a 644 one\n", &i);
	assert_ok(wh_store_tag(b.store, "first:1", &i, &err), err);
	memset(big, 'A', WH_STORE_INDEX_MAX);
	big[WH_STORE_INDEX_MAX] = 0;
	long_one = json_pack("[{s:s}]", "digest", big);
	assert_int_equal(wh_store_names_write(b.store, long_one, &err), -EFBIG);
	assert_non_null(err->hint);
	wh_err_freep(&err);
	assert_ok(wh_store_names(b.store, &ms, &err), err);
	assert_int_equal(wh_store_names_write_max(b.store, ms, 10, &err), -EFBIG);
	wh_err_freep(&err);
	assert_ok(wh_image_from_store(b.store, "first:1", NULL, &got, &err), err);
	wh_image_release(&got);
	wh_image_release(&i);
	bed_close(&b);
}

static void read_into(const char *dir, const char *name, struct wh_buf *b)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", dir, name);

	assert_int_equal(wh_read_file(AT_FDCWD, path, 1 << 20, b), 0);
}

static void layouts(void **state)
{
	struct bed b, c;
	struct wh_image i, other, back = {0};
	struct wh_artifacts list = {0}, more = {0}, got = {0};
	WH_AUTO_BUF struct wh_buf without = WH_BUF_INIT, with = WH_BUF_INIT;
	WH_AUTO_FREE char *dir = NULL, *plain = NULL, *a = NULL, *z = NULL;
	WH_AUTO_STRV struct wh_strv names = {0};
	struct wh_err *err = NULL;

	(void)state;
	bed_open(&b);
	bed_open(&c);
	dir = wh_asprintf("%s/layout", b.dir);
	plain = wh_asprintf("%s/plain", b.dir);
	image_of(&b, "f a 644 one\n", &i);
	image_of(&b, "f a 644 two\n", &other);
	attach(&b, &i, "p:a", "1", &list);
	attach(&b, &i, "p:b", "2", &list);
	sign(&b, &i, "3", &list);
	export_to(&b, &i, dir, NULL, &list);
	assert_ok(wh_layout_check(dir, &err), err);

	/* What is attached is no image: this is still the only one. */
	assert_ok(wh_image_from_layout(c.store, dir, NULL, NULL, NULL, &back, &err), err);
	assert_true(wh_digest_eq(&back.manifest, &i.manifest));
	assert_ok(wh_artifacts_from_layout(c.store, dir, &back.manifest, &got, &err), err);
	assert_int_equal(got.n, 3);
	a = shown(&got);
	/* All of it came along: it can be exported from there. */
	wh_artifacts_release(&more);
	export_to(&c, &back, plain, NULL, &got);
	read_into(dir, "index.json", &without);
	read_into(plain, "index.json", &with);
	assert_string_equal(without.p, with.p);

	/* Another image, and newer artifacts of the first, into the same layout. */
	export_to(&b, &other, dir, "other:2", NULL);
	attach(&b, &i, "p:a", "4", &more);
	assert_ok(wh_layout_attach(b.store, dir, &more, &err), err);
	assert_ok(wh_layout_check(dir, &err), err);
	wh_artifacts_release(&got);
	assert_ok(wh_artifacts_from_layout(c.store, dir, &i.manifest, &got, &err), err);
	assert_int_equal(got.n, 3);
	z = shown(&got);
	assert_string_not_equal(a, z);
	wh_artifacts_release(&got);
	assert_ok(wh_artifacts_from_layout(c.store, dir, &other.manifest, &got, &err), err);
	assert_int_equal(got.n, 0);
	assert_ok(wh_layout_names(dir, &other.manifest, &names, &err), err);
	assert_int_equal(names.n, 1);
	assert_string_equal(names.v[0], "docker.io/library/other:2");
	wh_image_release(&back);
	assert_ok(wh_image_from_layout(c.store, dir, "2", NULL, NULL, &back, &err), err);
	assert_true(wh_digest_eq(&back.manifest, &other.manifest));
	assert_int_equal(wh_layout_attach(b.store, b.dir, &more, &err), -ENOENT);
	wh_err_freep(&err);

	wh_image_release(&back);
	wh_image_release(&i);
	wh_image_release(&other);
	wh_artifacts_release(&list);
	wh_artifacts_release(&more);
	wh_artifacts_release(&got);
	bed_close(&b);
	bed_close(&c);
}

/* ---------------------------------------------------------------- every byte */

/* All files of a layout: paths relative to it. */
static void files_of(const char *dir, struct wh_strv *ret)
{
	WH_AUTO_FREE char *blobs = wh_asprintf("%s/blobs/sha256", dir);
	DIR *d = opendir(blobs);
	const struct dirent *de;

	assert_non_null(d);
	while ((de = readdir(d)))
		if (de->d_name[0] != '.')
			wh_strv_addf(ret, "blobs/sha256/%s", de->d_name);
	closedir(d);
	wh_strv_add(ret, "index.json");
	wh_strv_add(ret, "oci-layout");
}

static void every_byte(void **state)
{
	struct bed b;
	struct wh_image i;
	struct wh_artifacts list = {0};
	WH_AUTO_FREE char *dir = NULL;
	WH_AUTO_STRV struct wh_strv files = {0};
	struct wh_err *err = NULL;
	size_t flips = 0, unseen = 0;

	(void)state;
	bed_open(&b);
	dir = wh_asprintf("%s/layout", b.dir);
	image_of(&b, "f a 644 one\n", &i);
	attach(&b, &i, "p:a", "1", &list);
	sign(&b, &i, "3", &list);
	export_to(&b, &i, dir, "registry.example/shop:1.4", &list);
	assert_ok(wh_layout_check(dir, &err), err);
	files_of(dir, &files);
	for (size_t f = 0; f < files.n; f++) {
		WH_AUTO_FREE char *path = wh_asprintf("%s/%s", dir, files.v[f]);
		WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;

		read_into(dir, files.v[f], &buf);
		for (size_t k = 0; k < buf.n; k++) {
			static const char flip[] = {1, 2, 4, 8, 32, '\xff'};
			const char *name =
				strcmp(files.v[f], "index.json") ? NULL : strstr(buf.p, "registry.example/shop");

			for (size_t x = 0; x < WH_ARRAY_SIZE(flip); x++) {
				buf.p[k] ^= flip[x];
				assert_int_equal(wh_write_file_atomic(AT_FDCWD, path, buf.p, buf.n, 0644, false), 0);
				flips++;
				/* The name itself is for its signature to vouch for; its tag stands twice. */
				if (wh_layout_check(dir, &err) == 0) {
					unseen++;
					if (!name || buf.p + k < name ||
					    buf.p + k >= name + strlen("registry.example/shop"))
						fail_msg("%s, byte %zu (flip %d): not seen", files.v[f], k, flip[x]);
				} else if (!err || strchr(err->msg, '\n')) {
					fail_msg("%s, byte %zu: no line of text", files.v[f], k);
				}
				wh_err_freep(&err);
				buf.p[k] ^= flip[x];
			}
		}
		assert_int_equal(wh_write_file_atomic(AT_FDCWD, path, buf.p, buf.n, 0644, false), 0);
	}
	assert_ok(wh_layout_check(dir, &err), err);
	print_message("# %zu changes, %zu of them in the name alone\n", flips, unseen);
	wh_image_release(&i);
	wh_artifacts_release(&list);
	bed_close(&b);
}

/* Things that a layout must not have or lack; each is done to a fresh copy. */
static void odd_things(void **state)
{
	static const struct {
		const char *what, *path, *text; /* text NULL: removed; "@": a symlink; "/": a directory */
	} cases[] = {
		{"a stray file", "manifest.json", "[]"},
		{"a stray file among the blobs", "blobs/sha256/x", "x"},
		{"another kind of digest", "blobs/sha512", "/"},
		{"a symlink", "index.json", "@"},
		{"no index", "index.json", NULL},
		{"no oci-layout", "oci-layout", NULL},
		{"an older layout", "oci-layout", "{\"imageLayoutVersion\":\"0.9.0\"}"},
		{"more in oci-layout", "oci-layout", "{\"imageLayoutVersion\":\"1.0.0\",\"x\":1}"},
		{"an index that is none", "index.json", "{\"schemaVersion\":2}"},
		{"a blob that is missing", "index.json",
		 "{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" WH_MT_MANIFEST "\",\"size\":1,\"digest\":"
		 "\"sha256:0000000000000000000000000000000000000000000000000000000000000000\"}]}"},
	};
	struct wh_err *err = NULL;

	(void)state;
	for (size_t k = 0; k < WH_ARRAY_SIZE(cases); k++) {
		struct bed b;
		struct wh_image i;
		WH_AUTO_FREE char *dir = NULL, *path = NULL;

		bed_open(&b);
		dir = wh_asprintf("%s/layout", b.dir);
		path = wh_asprintf("%s/%s", dir, cases[k].path);
		image_of(&b, "f a 644 one\n", &i);
		export_to(&b, &i, dir, NULL, NULL);
		assert_ok(wh_layout_check(dir, &err), err);
		if (!cases[k].text || cases[k].text[0] == '@') {
			WH_AUTO_FREE char *away = wh_asprintf("%s/away", b.dir);

			assert_int_equal(rename(path, away), 0);
			if (cases[k].text)
				assert_int_equal(symlink(away, path), 0);
		} else if (cases[k].text[0] == '/') {
			assert_int_equal(mkdir(path, 0755), 0);
		} else {
			assert_int_equal(
				wh_write_file_atomic(AT_FDCWD, path, cases[k].text, strlen(cases[k].text), 0644, false),
				0);
		}
		if (wh_layout_check(dir, &err) != -EBADMSG)
			fail_msg("%s: %s", cases[k].what, err ? err->msg : "not seen");
		wh_err_freep(&err);
		wh_image_release(&i);
		bed_close(&b);
	}
}

/* index.json of dir, with one annotation or key of the entry that has the manifest changed (value NULL: taken away). */
static void change_entry(const char *dir, const struct wh_digest *d, const char *key, const char *value)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/index.json", dir);
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT, out = WH_BUF_INIT;
	WH_AUTO_JSON json_t *o = NULL;
	struct wh_err *err = NULL;
	char text[WH_DIGEST_TEXT];
	json_t *ms;

	wh_digest_text(d, text);
	read_into(dir, "index.json", &buf);
	assert_ok(wh_json_parse(buf.p, buf.n, path, &o, &err), err);
	ms = json_object_get(o, "manifests");
	for (size_t i = 0; i < json_array_size(ms); i++) {
		json_t *e = json_array_get(ms, i);
		json_t *at = strcmp(key, "artifactType") ? json_object_get(e, "annotations") : e;

		if (strcmp(wh_json_str(e, "digest"), text) != 0)
			continue;
		if (value)
			json_object_set_new(at, key, json_string(value));
		else
			json_object_del(at, key);
	}
	wh_json_dump(o, &out);
	assert_int_equal(wh_write_file_atomic(AT_FDCWD, path, out.p, out.n, 0644, false), 0);
}

/* A second image under a name that is taken: whoever reads the layout next may take that one. */
static void one_name_two_images(void **state)
{
	static const struct {
		const char *what, *ref, *name, *type; /* of the second image */
		bool fails_check, fails_tag, fails_name;
	} rows[] = {
		{"its own names", "2", "docker.io/library/evil:2", NULL, false, false, false},
		{"both names", "1.4", "registry.example/shop:1.4", NULL, true, true, true},
		{"the tag", "1.4", NULL, NULL, true, true, false},
		{"the name", NULL, "registry.example/shop:1.4", NULL, true, false, true},
		{"the name as its tag", "registry.example/shop:1.4", NULL, NULL, true, false, true},
		{"both, and it is said to be an artifact", "1.4", "registry.example/shop:1.4", WH_MT_CONFIG, true, true,
		 true},
		{"the tag of another name", NULL, "registry.example/other:1.4", NULL, false, false, false},
	};
	struct wh_err *err = NULL;

	(void)state;
	for (size_t k = 0; k < WH_ARRAY_SIZE(rows); k++) {
		static const char *const asked[] = {"1.4", "registry.example/shop:1.4"};
		struct bed b;
		struct wh_image good, evil;
		WH_AUTO_FREE char *dir = NULL;

		bed_open(&b);
		dir = wh_asprintf("%s/layout", b.dir);
		image_of(&b, "f a 644 good\n", &good);
		image_of(&b, "f a 644 evil\n", &evil);
		export_to(&b, &good, dir, "registry.example/shop:1.4", NULL);
		export_to(&b, &evil, dir, "evil:2", NULL);
		change_entry(dir, &evil.manifest, WH_AN_REF_NAME, rows[k].ref);
		change_entry(dir, &evil.manifest, WH_AN_IMAGE_NAME, rows[k].name);
		if (rows[k].type)
			change_entry(dir, &evil.manifest, "artifactType", rows[k].type);
		if (wh_layout_check(dir, &err) != (rows[k].fails_check ? -EBADMSG : 0))
			fail_msg("%s: check: %s", rows[k].what, err ? err->msg : "nothing was seen");
		wh_err_freep(&err);
		for (size_t a = 0; a < WH_ARRAY_SIZE(asked); a++) {
			bool fails = a ? rows[k].fails_name : rows[k].fails_tag;
			struct wh_image got = {0};
			int r = wh_image_from_layout(b.store, dir, asked[a], NULL, NULL, &got, &err);

			if (r != (fails ? -EBADMSG : 0) || (err && !strstr(err->msg, "two images have the name")))
				fail_msg("%s, %s: %d %s", rows[k].what, asked[a], r, err ? err->msg : "");
			if (!fails)
				assert_true(wh_digest_eq(&got.manifest, &good.manifest));
			wh_err_freep(&err);
			wh_image_release(&got);
		}
		wh_image_release(&good);
		wh_image_release(&evil);
		bed_close(&b);
	}
}

/* An index in the layout (and one more around it) that says an image is for a platform which its config is not for. */
static void labels(void **state)
{
	static const struct {
		const char *what, *platform, *type; /* of the label; type NULL: an image */
		long long size;                     /* added to the size */
		bool bad;
	} rows[] = {
		{"none", NULL, NULL, 0, false},
		{"right", "{\"os\":\"linux\",\"architecture\":\"amd64\"}", NULL, 0, false},
		{"more words", "{\"os\":\"linux\",\"architecture\":\"amd64\",\"variant\":\"v1\",\"features\":[]}", NULL,
		 0, false},
		{"another machine", "{\"os\":\"linux\",\"architecture\":\"arm64\"}", NULL, 0, true},
		{"a newer machine", "{\"os\":\"linux\",\"architecture\":\"amd64\",\"variant\":\"v3\"}", NULL, 0, true},
		{"another system", "{\"os\":\"windows\",\"architecture\":\"amd64\"}", NULL, 0, true},
		{"half", "{\"os\":\"linux\"}", NULL, 0, true},
		{"no image", "{\"os\":\"unknown\",\"architecture\":\"unknown\"}", NULL, 0, false},
		{"another size", NULL, NULL, 1, true},
		{"something else", NULL, "application/x-other", 0, false},
	};
	struct wh_err *err = NULL;

	(void)state;
	for (size_t k = 0; k < WH_ARRAY_SIZE(rows); k++) {
		struct bed b;
		struct wh_image i;
		WH_AUTO_FREE char *dir = NULL, *text = NULL;
		char digest[WH_DIGEST_TEXT], hex[65];
		struct wh_digest d;

		bed_open(&b);
		dir = wh_asprintf("%s/layout", b.dir);
		image_of(&b, "f a 644 one\n", &i);
		export_to(&b, &i, dir, NULL, NULL);
		text = wh_asprintf("{\"mediaType\":\"%s\",\"digest\":\"%s\",\"size\":%lld%s%s}",
				   rows[k].type ? rows[k].type : WH_MT_MANIFEST, wh_digest_text(&i.manifest, digest),
				   (long long)i.manifest_size + rows[k].size, rows[k].platform ? ",\"platform\":" : "",
				   rows[k].platform ? rows[k].platform : "");
		for (int depth = 0; depth < 3; depth++) {
			WH_AUTO_FREE char *index = wh_asprintf(
				"{\"schemaVersion\":2,\"mediaType\":\"" WH_MT_INDEX "\",\"manifests\":[%s]}", text);
			WH_AUTO_FREE char *path = NULL;

			wh_digest_of(index, strlen(index), &d);
			path = depth < 2 ? wh_asprintf("%s/blobs/sha256/%s", dir, wh_digest_hex(&d, hex))
					 : wh_asprintf("%s/index.json", dir);
			assert_int_equal(wh_write_file_atomic(AT_FDCWD, path, index, strlen(index), 0644, false), 0);
			free(text);
			text = wh_asprintf("{\"mediaType\":\"" WH_MT_INDEX "\",\"digest\":\"%s\",\"size\":%zu}",
					   wh_digest_text(&d, digest), strlen(index));
		}
		if (wh_layout_check(dir, &err) != (rows[k].bad ? -EBADMSG : 0))
			fail_msg("%s: %s", rows[k].what, err ? err->msg : "nothing was seen");
		wh_err_freep(&err);
		wh_image_release(&i);
		bed_close(&b);
	}
}

static void tags(void **state)
{
#define HEX "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	static const struct {
		const char *tag;
		bool good;
	} cases[] = {
		{"sha256-" HEX ".sig", true},
		{"sha256-" HEX ".att", true},
		{"sha256-" HEX ".", false},
		{"sha256-" HEX, false},
		{"sha256:" HEX ".sig", false},
		{"sha256-" HEX ".SIG", false},
		{"sha256-" HEX ".sig/x", false},
		{"sha256-0" HEX ".sig", false},
		{"", false},
		{"latest", false},
	};

	(void)state;
	assert_false(wh_artifact_tag_parse(NULL, NULL));
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++)
		assert_int_equal(wh_artifact_tag_parse(cases[i].tag, NULL), cases[i].good);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(written),
		cmocka_unit_test(replaced),
		cmocka_unit_test(layouts),
		cmocka_unit_test(every_byte),
		cmocka_unit_test(odd_things),
		cmocka_unit_test(tags),
		cmocka_unit_test(one_name_two_images),
		cmocka_unit_test(two_signers),
		cmocka_unit_test(pulled),
		cmocka_unit_test(strangers),
		cmocka_unit_test(labels),
		cmocka_unit_test(too_big),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
