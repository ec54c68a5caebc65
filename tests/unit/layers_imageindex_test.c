/* SPDX-License-Identifier: Apache-2.0 */
/* Image indexes: their bytes, what leads to them, and exports of all that is in one. */
#include "layers/image_private.h"
#include "tests/unit/layers_helper.h"

#define MANIFEST "application/vnd.oci.image.manifest.v1+json"
#define INDEX "application/vnd.oci.image.index.v1+json"

/* An image of one file, written. variant may be NULL. */
static void image_for(struct bed *b, const char *arch, const char *variant, struct wh_image *ret)
{
	WH_AUTO_FREE char *spec = wh_asprintf("d . 755\nd bin 755\nf bin/arch 755 %s\nh bin/same bin/arch\n", arch);
	struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
	struct wh_err *err = NULL;

	*ret = (struct wh_image){.layers = wh_calloc(1, sizeof(*ret->layers)), .n_layers = 1};
	o.comp = WH_COMP_NONE;
	o.threads = 1;
	assert_ok(layer_of_opts(b->store, spec, &o, &ret->layers[0], &err), err);
	ret->config = json_pack("{s:s, s:s, s:s}", "os", "linux", "architecture", arch, "created", "1970-01-01T00:00:00Z");
	if (variant)
		json_object_set_new(ret->config, "variant", json_string(variant));
	assert_ok(wh_image_write(b->store, ret, &err), err);
}

static void index_of(struct bed *b, struct wh_image *ret)
{
	struct wh_image images[3];
	struct wh_err *err = NULL;

	image_for(b, "amd64", NULL, &images[0]);
	image_for(b, "arm64", NULL, &images[1]);
	image_for(b, "arm", "v7", &images[2]);
	assert_ok(wh_image_index_write(b->store, images, 3, ret, &err), err);
	for (size_t i = 0; i < 3; i++)
		wh_image_release(&images[i]);
}

static void bytes(void **state)
{
	static const char *const platforms[] = {
		"\"architecture\":\"amd64\",\"os\":\"linux\"",
		"\"architecture\":\"arm64\",\"os\":\"linux\"",
		"\"architecture\":\"arm\",\"os\":\"linux\",\"variant\":\"v7\"",
	};
	WH_AUTO_BUF struct wh_buf want = WH_BUF_INIT;
	WH_AUTO_BUF struct wh_buf got = WH_BUF_INIT;
	struct wh_err *err = NULL;
	char text[WH_DIGEST_TEXT];
	struct wh_image x;
	struct bed b;

	(void)state;
	bed_open(&b);
	index_of(&b, &x);
	assert_true(wh_image_is_index(&x));
	assert_false(wh_image_is_index(&x.parts[0]));
	wh_buf_adds(&want, "{\"schemaVersion\":2,\"mediaType\":\"" INDEX "\",\"manifests\":[");
	for (size_t i = 0; i < 3; i++)
		wh_buf_addf(&want,
			    "%s{\"mediaType\":\"" MANIFEST "\",\"digest\":\"%s\",\"size\":%llu,\"platform\":{%s}}",
			    i ? "," : "", wh_digest_text(&x.parts[i].manifest, text),
			    (unsigned long long)x.parts[i].manifest_size, platforms[i]);
	wh_buf_adds(&want, "]}");
	assert_ok(wh_blob_read(b.store, &x.manifest, 1 << 20, &got, &err), err);
	assert_string_equal(got.p, want.p);
	assert_int_equal(x.manifest_size, got.n);
	wh_image_release(&x);
	bed_close(&b);
}

static void two_for_one_platform(void **state)
{
	struct wh_err *err = NULL;
	struct wh_image images[2], x;
	struct bed b;

	(void)state;
	bed_open(&b);
	/* v8 is what arm64 is without a word. */
	image_for(&b, "arm64", NULL, &images[0]);
	image_for(&b, "arm64", "v8", &images[1]);
	assert_int_equal(wh_image_index_write(b.store, images, 2, &x, &err), -EEXIST);
	assert_string_equal(err->msg, "two images of the index are for linux/arm64");
	wh_err_freep(&err);
	wh_image_release(&images[0]);
	wh_image_release(&images[1]);
	bed_close(&b);
}

static void same_image(const struct wh_image *a, const struct wh_image *b)
{
	assert_true(wh_digest_eq(&a->manifest, &b->manifest));
	assert_int_equal(a->n_parts, b->n_parts);
	for (size_t i = 0; i < a->n_parts; i++)
		same_image(&a->parts[i], &b->parts[i]);
}

/* By name: the index as such, or the image for a platform. */
static void names(void **state)
{
	static const struct {
		const char *platform;
		int part; /* -1: none */
	} table[] = {
		{"linux/amd64", 0},  {"linux/arm64", 1}, {"linux/arm64/v8", 1}, {"linux/arm/v7", 2},
		{"linux/arm/v8", 2}, {"linux/arm/v6", -1}, {"linux/s390x", -1},
	};
	struct wh_err *err = NULL;
	struct wh_image x, y;
	char text[WH_DIGEST_TEXT];
	struct bed b;

	(void)state;
	bed_open(&b);
	index_of(&b, &x);
	assert_ok(wh_store_tag(b.store, "shop:1", &x, &err), err);
	assert_ok(wh_image_all_from_store(b.store, "shop:1", &y, &err), err);
	same_image(&x, &y);
	wh_image_release(&y);
	assert_ok(wh_image_all_from_store(b.store, wh_digest_text(&x.manifest, text), &y, &err), err);
	same_image(&x, &y);
	wh_image_release(&y);
	assert_ok(wh_image_all_from_store(b.store, wh_digest_text(&x.parts[1].manifest, text), &y, &err), err);
	same_image(&x.parts[1], &y);
	wh_image_release(&y);
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		struct wh_platform p;
		int r;

		assert_int_equal(wh_platform_parse(table[i].platform, NULL, &p, NULL), 0);
		r = wh_image_from_store(b.store, "shop:1", &p, &y, &err);
		if (table[i].part < 0) {
			assert_int_equal(r, -ENOENT);
			wh_err_freep(&err);
			continue;
		}
		assert_ok(r, err);
		same_image(&x.parts[table[i].part], &y);
		wh_image_release(&y);
	}
	wh_image_release(&x);
	bed_close(&b);
}

static void file_is(const char *dir, const char *name, const char *text)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", dir, name);
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;

	assert_int_equal(wh_read_file(AT_FDCWD, path, 1 << 20, &buf), 0);
	assert_string_equal(buf.p, text);
}

static void exports(void **state)
{
	static const char *const tags[] = {"registry.example/shop:1", NULL};
	struct wh_err *err = NULL;
	struct wh_image x, y;
	unsigned skipped = 99;
	struct bed b, other;

	(void)state;
	bed_open(&b);
	bed_open(&other);
	index_of(&b, &x);
	{
		WH_AUTO_FREE char *oci = wh_asprintf("%s/oci", b.dir), *local = wh_asprintf("%s/local", b.dir);
		WH_AUTO_FREE char *tar = wh_asprintf("%s/x.tar", b.dir), *lost = NULL, *again = NULL;
		struct wh_export e = {.dest = oci, .names = tags, .epoch = INT64_MAX};
		WH_AUTO_BUF struct wh_buf first = WH_BUF_INIT, second = WH_BUF_INIT;
		char hex[65];

		assert_ok(wh_export_oci(b.store, &x, &e, &err), err);
		assert_ok(wh_layout_check(oci, &err), err);
		assert_ok(wh_image_all_from_layout(other.store, oci, "1", NULL, &y, &err), err);
		same_image(&x, &y);
		wh_image_release(&y);
		/* One image is not there: it is counted, and the index not handed on. */
		lost = wh_asprintf("%s/blobs/sha256/%s", oci, wh_digest_hex(&x.parts[1].manifest, hex));
		assert_int_equal(unlink(lost), 0);
		assert_ok(wh_image_all_from_layout(other.store, oci, NULL, NULL, &y, &err), err);
		assert_int_equal(y.n_parts, 2);
		assert_int_equal(y.n_absent, 1);
		assert_int_equal(wh_store_tag(other.store, "shop", &y, &err), -ENOENT);
		wh_err_freep(&err);
		wh_image_release(&y);

		e.dest = local;
		assert_ok(wh_export_local(b.store, &x, &e, false, &skipped, &err), err);
		assert_int_equal(skipped, 0);
		file_is(local, "linux_amd64/bin/arch", "amd64");
		file_is(local, "linux_arm64/bin/same", "arm64");
		file_is(local, "linux_arm_v7/bin/arch", "arm");
		assert_int_equal(wh_export_local(b.store, &x, &e, false, &skipped, &err), -ENOTEMPTY);
		wh_err_freep(&err);

		e.dest = tar;
		assert_ok(wh_export_tar(b.store, &x, &e, &err), err);
		again = wh_asprintf("%s/y.tar", b.dir);
		e.dest = again;
		assert_ok(wh_export_tar(b.store, &x, &e, &err), err);
		assert_int_equal(wh_read_file(AT_FDCWD, tar, 1 << 20, &first), 0);
		assert_int_equal(wh_read_file(AT_FDCWD, again, 1 << 20, &second), 0);
		assert_int_equal(first.n, second.n);
		assert_memory_equal(first.p, second.p, first.n);
		assert_non_null(memmem(first.p, first.n, "linux_arm_v7/bin/arch", strlen("linux_arm_v7/bin/arch")));
	}
	wh_image_release(&x);
	bed_close(&other);
	bed_close(&b);
}

/* Hostile ones: what is in an index is bounded, and one kind of thing. */
static void strange(void **state)
{
	static const struct {
		const char *text;
		int r;
	} table[] = {
		{"{\"schemaVersion\":2,\"manifests\":[{}]}", -EBADMSG},
		{"{\"schemaVersion\":2,\"manifests\":[1]}", -EBADMSG},
		{"{\"schemaVersion\":2,\"manifests\":[],\"layers\":[]}", -EBADMSG},
		{"{\"schemaVersion\":2,\"manifests\":[],\"mediaType\":\"" MANIFEST "\"}", -EBADMSG},
		{"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"" INDEX "\",\"digest\":\"sha256:"
		 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\",\"size\":2}]}",
		 -ENOTSUP},
		{"{\"schemaVersion\":2,\"manifests\":[{\"mediaType\":\"x/y\",\"digest\":\"sha256:"
		 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\",\"size\":2}]}",
		 0},
	};
	struct bed b;

	(void)state;
	bed_open(&b);
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct wh_image y = {0};
		struct wh_digest d;
		char text[WH_DIGEST_TEXT];

		assert_ok(wh_blob_put(b.store, table[i].text, strlen(table[i].text), &d, &err), err);
		assert_int_equal(wh_image_all_from_store(b.store, wh_digest_text(&d, text), &y, &err), table[i].r);
		if (table[i].r == 0)
			assert_int_equal(y.n_parts, 0);
		wh_image_release(&y);
	}
	bed_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes),   cmocka_unit_test(two_for_one_platform), cmocka_unit_test(names),
		cmocka_unit_test(exports), cmocka_unit_test(strange),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
