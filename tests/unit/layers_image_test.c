/* SPDX-License-Identifier: Apache-2.0 */
/* Names, platforms, and the documents of images: what is written, byte by byte, and what is read. */
#include "layers/image_private.h"

#include <errno.h>

#include "tests/unit/test.h"

static void references(void **state)
{
	static const char hex[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	static const struct {
		const char *in, *out; /* out NULL: refused */
	} table[] = {
		{"shop", "docker.io/library/shop:latest"},
		{"shop:1.4", "docker.io/library/shop:1.4"},
		{"library/shop", "docker.io/library/shop:latest"},
		{"team/shop", "docker.io/team/shop:latest"},
		{"docker.io/shop", "docker.io/library/shop:latest"},
		{"docker.io/team/shop:v1", "docker.io/team/shop:v1"},
		{"index.docker.io/shop", "docker.io/library/shop:latest"},
		{"localhost/shop", "localhost/shop:latest"},
		{"localhost:5000/shop", "localhost:5000/shop:latest"},
		{"127.0.0.1:5000/a/b:t", "127.0.0.1:5000/a/b:t"},
		{"[::1]:5000/a", "[::1]:5000/a:latest"},
		{"registry.example/a/b/c:1", "registry.example/a/b/c:1"},
		{"UPPER.example/a", "UPPER.example/a:latest"},
		{"Registry/a", "Registry/a:latest"},
		{"a-b.c_d__e---f", "docker.io/library/a-b.c_d__e---f:latest"},
		{"shop:_x.Y-z", "docker.io/library/shop:_x.Y-z"},
		{"shop@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		 "docker.io/library/shop@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
		{"shop:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		 "docker.io/library/shop:1@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
		{"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde",
		 "docker.io/library/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde:latest"},
		{hex, NULL},
		{"", NULL},
		{":tag", NULL},
		{"Shop", NULL},
		{"registry.example/Shop", NULL},
		{"shop:", NULL},
		{"shop:-x", NULL},
		{"shop:a b", NULL},
		{"a//b", NULL},
		{"/a", NULL},
		{"a/", NULL},
		{"a_.b", NULL},
		{"a..b", NULL},
		{"a___b", NULL},
		{"-a", NULL},
		{"a-", NULL},
		{"shop@sha256:xyz", NULL},
		{"shop@", NULL},
		{"registry.example:port/a", NULL},
		{"-registry.example/a", NULL},
		{"registry..example/a", NULL},
		{"sh\nop", NULL},
		{"https://registry.example/a", NULL},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		WH_AUTO_FREE char *out = NULL;
		int r = wh_reference_normalize(table[i].in, &out, &err);

		if (!table[i].out) {
			if (r >= 0)
				fail_msg("\"%s\" should be refused, gave %s", table[i].in, out);
			assert_int_equal(err->class, WH_ERR_USAGE);
			continue;
		}
		if (r < 0)
			fail_msg("\"%s\": %s", table[i].in, err->msg);
		assert_string_equal(out, table[i].out);
	}
	assert_string_equal(wh_reference_tag("localhost:5000/shop"), "latest");
	assert_string_equal(wh_reference_tag("localhost:5000/shop:1"), "1");
}

static void long_names(void **state)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	WH_AUTO_FREE char *out = NULL;

	(void)state;
	wh_buf_adds(&b, "x.example/");
	while (b.n < 255)
		wh_buf_addc(&b, 'a');
	assert_int_equal(wh_reference_normalize(b.p, &out, NULL), 0);
	wh_buf_addc(&b, 'a');
	wh_freep(&out);
	out = NULL;
	assert_int_equal(wh_reference_normalize(b.p, &out, NULL), -EINVAL);
	wh_buf_reset(&b);
	wh_buf_adds(&b, "shop:");
	for (int i = 0; i < 129; i++)
		wh_buf_addc(&b, 't');
	assert_int_equal(wh_reference_normalize(b.p, &out, NULL), -EINVAL);
}

static void platforms(void **state)
{
	static const struct {
		const char *in, *out;
	} table[] = {
		{"linux/amd64", "linux/amd64"},
		{"linux/x86_64", "linux/amd64"},
		{"Linux/AMD64", "linux/amd64"},
		{"linux/arm64", "linux/arm64"},
		{"linux/arm64/v8", "linux/arm64"},
		{"linux/aarch64", "linux/arm64"},
		{"linux/arm", "linux/arm/v7"},
		{"linux/arm/v6", "linux/arm/v6"},
		{"linux/arm/6", "linux/arm/v6"},
		{"linux/armhf", "linux/arm/v7"},
		{"linux/i386", "linux/386"},
		{"linux/amd64/v3", "linux/amd64/v3"},
		{"linux/amd64/v1", "linux/amd64"},
		{"linux/s390x", "linux/s390x"},
		{"arm64", "linux/arm64"},
		{"x86_64", "linux/amd64"},
		{"aarch64", "linux/arm64"},
		{"armhf", "linux/arm/v7"},
		{"armel", "linux/arm/v6"},
		{"linux/armhf/v5", "linux/arm/v7"},
		{"linux/arm64/v8.0", "linux/arm64"},
		{"linux/arm64/9", "linux/arm64/v9"},
		{"linux/i386/x", "linux/386"},
		{"macos/arm64", "darwin/arm64"},
		{"linux/nonsense", "linux/nonsense"},
		{"nonsense", NULL},
		{"windows/amd64", "windows/amd64"},
		{"linux/amd64/v2/x", NULL},
		{"", NULL},
		{"/", NULL},
		{"linux/", NULL},
		{"linux//v8", NULL},
		{"linux/am d64", NULL},
		{"linux/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		WH_AUTO_FREE char *out = NULL;
		struct wh_platform p;
		int r = wh_platform_parse(table[i].in, NULL, &p, &err);

		if (!table[i].out) {
			if (r >= 0)
				fail_msg("\"%s\" should be refused", table[i].in);
			continue;
		}
		if (r < 0)
			fail_msg("%s: %s", table[i].in, err->msg);
		out = wh_platform_text(&p);
		assert_string_equal(out, table[i].out);
	}
}

static void platform_words(void **state)
{
	struct wh_platform host, p;

	(void)state;
	wh_platform_host(&host);
	assert_string_equal(host.os, "linux");
	assert_int_equal(wh_platform_parse("linux", NULL, &p, NULL), 0);
	assert_memory_equal(&p, &host, sizeof(p));
	assert_int_equal(wh_platform_parse("s390x", NULL, &p, NULL), 0);
	assert_string_equal(p.os, "linux");
	assert_string_equal(p.arch, "s390x");
}

static void ranks(void **state)
{
	static const struct {
		const char *want, *better, *worse; /* worse NULL: better does not suit at all */
	} table[] = {
		{"linux/amd64", "linux/amd64", "linux/amd64"},
		{"linux/arm/v7", "linux/arm/v7", "linux/arm/v6"},
		{"linux/arm/v7", "linux/arm/v6", "linux/arm/v5"},
		{"linux/amd64/v3", "linux/amd64/v3", "linux/amd64/v2"},
		{"linux/amd64/v3", "linux/amd64/v2", "linux/amd64"},
		{"linux/arm/v6", "linux/arm/v7", NULL},
		{"linux/amd64", "linux/amd64/v2", NULL},
		{"linux/amd64", "linux/arm64", NULL},
		{"linux/amd64", "windows/amd64", NULL},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		struct wh_platform w, a, b;

		assert_int_equal(wh_platform_parse(table[i].want, NULL, &w, NULL), 0);
		assert_int_equal(wh_platform_parse(table[i].better, NULL, &a, NULL), 0);
		if (!table[i].worse) {
			assert_true(wh_platform_rank(&w, &a) < 0);
			continue;
		}
		assert_int_equal(wh_platform_parse(table[i].worse, NULL, &b, NULL), 0);
		assert_true(wh_platform_rank(&w, &b) >= 0);
		if (strcmp(table[i].better, table[i].worse) != 0)
			assert_true(wh_platform_rank(&w, &a) > wh_platform_rank(&w, &b));
	}
}

static void index_documents(void **state)
{
	WH_AUTO_JSON json_t *ms = json_array();
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	static const char *const names[] = {"b", "a", "c", "a", NULL};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(names); i++) {
		WH_AUTO_JSON json_t *d = json_pack("{s:i, s:s}", "size", (int)i, "mediaType", "m");

		if (names[i])
			json_object_set_new(d, "annotations", json_pack("{s:s}", WH_AN_IMAGE_NAME, names[i]));
		wh_index_put(ms, d);
	}
	wh_index_json(ms, &b);
	assert_string_equal(
		b.p, "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":["
		     "{\"mediaType\":\"m\",\"size\":4},"
		     "{\"mediaType\":\"m\",\"size\":3,\"annotations\":{\"io.containerd.image.name\":\"a\"}},"
		     "{\"mediaType\":\"m\",\"size\":0,\"annotations\":{\"io.containerd.image.name\":\"b\"}},"
		     "{\"mediaType\":\"m\",\"size\":2,\"annotations\":{\"io.containerd.image.name\":\"c\"}}]}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(references),     cmocka_unit_test(long_names), cmocka_unit_test(platforms),
		cmocka_unit_test(platform_words), cmocka_unit_test(ranks),      cmocka_unit_test(index_documents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
