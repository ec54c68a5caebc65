/* SPDX-License-Identifier: Apache-2.0 */
/* Package URLs and the SPDX document. That it fits the schema is shown by tests/prog/sbom.t. */
#include "evidence/evidence.h"
#include "evidence/sbom_private.h"

#include <errno.h>

#include "tests/unit/test.h"

static char *text(const char *s)
{
	return wh_strdup(s);
}

static void purls(void **state)
{
	static const struct {
		enum wh_package_kind kind;
		const char *name, *version, *arch, *source, *id, *distro_version, *want;
	} rows[] = {
		{WH_PKG_DEB, "libssl3", "3.0.22-1~deb12u2", "amd64", "openssl", "debian", "12",
		 "pkg:deb/debian/libssl3@3.0.22-1~deb12u2?arch=amd64&distro=debian-12&upstream=openssl"},
		{WH_PKG_DEB, "dash", "0.5", "amd64", "dash", "debian", "12",
		 "pkg:deb/debian/dash@0.5?arch=amd64&distro=debian-12"},
		{WH_PKG_DEB, "libstdc++6", "1:2+b1", "all", "gcc-12", "ubuntu", "22.04",
		 "pkg:deb/ubuntu/libstdc%2B%2B6@1:2%2Bb1?arch=all&distro=ubuntu-22.04&upstream=gcc-12"},
		{WH_PKG_DEB, "a", "1", "amd64", "a", "debian", NULL, "pkg:deb/debian/a@1?arch=amd64&distro=debian"},
		{WH_PKG_DEB, "a", "1", NULL, "b", NULL, NULL, "pkg:deb/debian/a@1?upstream=b"},
		{WH_PKG_DEB, "a", "1", NULL, "a", "Odd/Id", "?", "pkg:deb/odd%2Fid/a@1?distro=Odd%2FId-%3F"},
		{WH_PKG_PYPI, "Foo_Bar.Baz", "1.0+local", NULL, NULL, "debian", "12",
		 "pkg:pypi/foo-bar.baz@1.0%2Blocal"},
		{WH_PKG_NPM, "@scope/name", "1.0.0-rc.1", NULL, NULL, "debian", "12",
		 "pkg:npm/%40scope/name@1.0.0-rc.1"},
		{WH_PKG_NPM, "JSONStream", "1 2", NULL, NULL, NULL, NULL, "pkg:npm/JSONStream@1%202"},
		{WH_PKG_NPM, "caf\303\251", "1", NULL, NULL, NULL, NULL, "pkg:npm/caf%C3%A9@1"},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		struct wh_package p = {.kind = rows[i].kind};
		struct wh_packages all = {0};
		WH_AUTO_FREE char *name = text(rows[i].name), *version = text(rows[i].version), *got = NULL;
		WH_AUTO_FREE char *arch = text(rows[i].arch), *source = text(rows[i].source);
		WH_AUTO_FREE char *id = text(rows[i].id), *dv = text(rows[i].distro_version);

		p.name = name;
		p.version = version;
		p.arch = arch;
		p.source = source;
		all.distro_id = id;
		all.distro_version = dv;
		got = wh_package_purl(&p, &all);
		assert_string_equal(got, rows[i].want);
	}
}

static void times(void **state)
{
	static const char *const rows[][2] = {
		{"2023-11-14T22:13:20Z", "2023-11-14T22:13:20Z"},
		{"2023-11-14T22:13:20.123456789Z", "2023-11-14T22:13:20Z"},
		{"2023-11-14T23:13:20+01:00", "2023-11-14T22:13:20Z"},
		{"2023-12-31T22:43:20.5-01:30", "2024-01-01T00:13:20Z"},
		{"1970-01-01T00:00:00Z", "1970-01-01T00:00:00Z"},
		{"2023-11-14", NULL},
		{"2023-11-14T22:13:20", NULL},
		{"2023-13-14T22:13:20Z", NULL},
		{"2023-11-14T22:13:20Zx", NULL},
		{"2023-11-14T22:13:20+1:00", NULL},
		{"x", NULL},
		{"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		WH_AUTO_FREE char *got = wh_spdx_time(rows[i][0]);

		if (!wh_streq(got, rows[i][1]))
			fail_msg("%s gives %s", rows[i][0], got ? got : "nothing");
	}
	assert_null(wh_spdx_time(NULL));
}

static void agents(void **state)
{
	static const char *const rows[][2] = {
		{NULL, "NOASSERTION"},
		{"", "NOASSERTION"},
		{"Jane Doe <jane@example.org>", "Person: Jane Doe (jane@example.org)"},
		{"Jane (JD) Doe <jane@example.org>", "Person: Jane [JD] Doe (jane@example.org)"},
		{"GNU Libc Maintainers <x@lists.example.org>",
		 "Organization: GNU Libc Maintainers (x@lists.example.org)"},
		{"X <x@packages.example.org>", "Organization: X (x@packages.example.org)"},
		{"jane@example.org", "Person: jane@example.org"},
		{"<jane@example.org>", "Person: jane@example.org"},
		{"Jane <broken", "Person: Jane"},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		WH_AUTO_FREE char *got = wh_spdx_agent(rows[i][0]);

		assert_string_equal(got, rows[i][1]);
	}
}

static void licences(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{"MIT", true},
		{"MIT OR Apache-2.0", true},
		{"(MIT AND (BSD-3-Clause OR ISC))", true},
		{"Apache-2.0 WITH LLVM-exception OR MIT", true},
		{"", false},
		{"MIT License", false},
		{"mit", false},
		{"MIT OR", false},
		{"OR MIT", false},
		{"(MIT", false},
		{"MIT)", false},
		{"()", false},
		{"MIT WITH MIT", false},
		{"NOASSERTION", false},
		{"((((((((((((MIT))))))))))))", false},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++)
		if (wh_spdx_is_expression(rows[i].text) != rows[i].good)
			fail_msg("%s", rows[i].text);
}

/* Some of every kind; fields belong to the caller, who frees with wh_packages_release(). */
static void some_packages(struct wh_packages *p)
{
	*p = (struct wh_packages){.v = wh_calloc(5, sizeof(*p->v)), .n = 5};
	p->distro_id = text("debian");
	p->distro_version = text("12");
	p->distro_name = text("Debian GNU/Linux 12 (bookworm)");
	for (size_t i = 0; i < 3; i++)
		p->v[i] = (struct wh_package){
			.kind = WH_PKG_DEB,
			.name = text(i == 0 ? "a" : "libc6"),
			.version = text("1"),
			.arch = text(i == 1 ? "amd64" : "i386"),
			.source = text("glibc"),
			.source_version = text("1"),
			.record = text("var/lib/dpkg/status"),
		};
	p->v[0].maintainer = text("Jane <j@example.org>");
	p->v[0].homepage = text("https://example.org/a");
	wh_strv_add(&p->v[0].depends, "libc6");
	wh_strv_add(&p->v[0].depends, "gone");
	p->v[3] = (struct wh_package){.kind = WH_PKG_PYPI,
				      .name = text("B"),
				      .version = text("2"),
				      .license = text("MIT"),
				      .homepage = text("javascript:x"),
				      .record = text("v/B.dist-info/METADATA")};
	p->v[4] = (struct wh_package){.kind = WH_PKG_NPM,
				      .name = text("@c/c"),
				      .version = text("3"),
				      .license = text("SEE LICENSE IN x"),
				      .record = text("app/package.json")};
}

static void subject(struct wh_sbom_subject *s)
{
	*s = (struct wh_sbom_subject){.name = "reg.example:5000/team/shop:1.4", .created = "2023-11-14T22:13:20.5Z"};
	memset(s->digest.b, 0xab, sizeof(s->digest.b));
}

static const json_t *find(const json_t *doc, const char *list, const char *key, const char *value)
{
	const json_t *o;
	size_t i;

	json_array_foreach (json_object_get(doc, list), i, o)
		if (wh_streq(wh_json_str(o, key), value))
			return o;
	fail_msg("no %s with %s %s", list, key, value);
	return NULL;
}

static bool related(const json_t *doc, const char *a, const char *type, const char *b)
{
	const json_t *o;
	size_t i;

	json_array_foreach (json_object_get(doc, "relationships"), i, o)
		if (wh_streq(wh_json_str(o, "spdxElementId"), a) &&
		    wh_streq(wh_json_str(o, "relationshipType"), type) &&
		    wh_streq(wh_json_str(o, "relatedSpdxElement"), b))
			return true;
	return false;
}

static const char *purl_of(const json_t *package)
{
	return wh_json_str(json_array_get(json_object_get(package, "externalRefs"), 0), "referenceLocator");
}

static void document(void **state)
{
	WH_AUTO_JSON json_t *doc = NULL;
	struct wh_packages p;
	struct wh_sbom_subject s;
	const json_t *a, *x, *sum;
	const char *amd64 = NULL, *i386 = NULL;

	(void)state;
	some_packages(&p);
	subject(&s);
	assert_int_equal(wh_sbom_spdx(&p, &s, &doc, NULL), 0);
	assert_string_equal(wh_json_str(doc, "spdxVersion"), "SPDX-2.3");
	assert_string_equal(wh_json_str(json_object_get(doc, "creationInfo"), "created"), "2023-11-14T22:13:20Z");
	assert_true(wh_has_prefix(wh_json_str(doc, "documentNamespace"), "https://"));
	assert_int_equal(json_array_size(json_object_get(doc, "packages")), 6);
	x = find(doc, "packages", "primaryPackagePurpose", "CONTAINER");
	sum = json_array_get(json_object_get(x, "checksums"), 0);
	assert_string_equal(wh_json_str(sum, "checksumValue"),
			    "abababababababababababababababababababababababababababababababab");
	assert_string_equal(purl_of(x),
			    "pkg:oci/shop@sha256%3Aabababababababababababababababababababababababababababababababab"
			    "?repository_url=reg.example:5000/team/shop&tag=1.4");
	assert_true(related(doc, "SPDXRef-DOCUMENT", "DESCRIBES", wh_json_str(x, "SPDXID")));
	a = find(doc, "packages", "name", "a");
	assert_string_equal(wh_json_str(a, "supplier"), "Person: Jane (j@example.org)");
	assert_string_equal(wh_json_str(a, "homepage"), "https://example.org/a");
	assert_string_equal(wh_json_str(a, "licenseDeclared"), "NOASSERTION");
	assert_true(related(doc, wh_json_str(x, "SPDXID"), "CONTAINS", wh_json_str(a, "SPDXID")));
	for (size_t i = 0; i < 6; i++) {
		const json_t *o = json_array_get(json_object_get(doc, "packages"), i);

		if (wh_streq(wh_json_str(o, "name"), "libc6"))
			*(strstr(purl_of(o), "arch=amd64") ? &amd64 : &i386) = wh_json_str(o, "SPDXID");
	}
	assert_non_null(amd64);
	assert_non_null(i386);
	assert_true(related(doc, wh_json_str(a, "SPDXID"), "DEPENDS_ON", i386));
	assert_false(related(doc, wh_json_str(a, "SPDXID"), "DEPENDS_ON", amd64));
	x = find(doc, "packages", "name", "B");
	assert_string_equal(wh_json_str(x, "licenseDeclared"), "MIT");
	assert_string_equal(wh_json_str(x, "supplier"), "NOASSERTION");
	assert_null(wh_json_str(x, "homepage"));
	x = find(doc, "packages", "name", "@c/c");
	assert_string_equal(wh_json_str(x, "licenseDeclared"), "NOASSERTION");
	assert_string_equal(wh_json_str(x, "licenseComments"), "the package's metadata says: SEE LICENSE IN x");
	wh_packages_release(&p);
}

static void same_bytes(void **state)
{
	struct wh_buf out[3] = {WH_BUF_INIT, WH_BUF_INIT, WH_BUF_INIT};
	WH_AUTO_JSON json_t *doc = NULL;
	const char *namespaces[3];
	struct wh_packages p;
	struct wh_sbom_subject s;

	(void)state;
	subject(&s);
	for (size_t i = 0; i < 3; i++) {
		some_packages(&p);
		if (i == 2)
			p.v[4].version[0] = '4';
		assert_int_equal(wh_sbom_spdx(&p, &s, &doc, NULL), 0);
		wh_json_dump(doc, &out[i]);
		namespaces[i] = strstr(out[i].p, "\"documentNamespace\"");
		assert_non_null(namespaces[i]);
		wh_json_decrefp(&doc);
		wh_packages_release(&p);
	}
	assert_string_equal(out[0].p, out[1].p);
	assert_true(strncmp(namespaces[0], namespaces[2], 100) != 0);
	wh_buf_release(&out[0]);
	wh_buf_release(&out[1]);
	wh_buf_release(&out[2]);
}

static void no_subject(void **state)
{
	WH_AUTO_JSON json_t *doc = NULL;
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_sbom_subject s = {.name = "image"};
	struct wh_packages p = {0};
	const json_t *x;

	(void)state;
	assert_int_equal(wh_sbom_spdx(&p, &s, &doc, NULL), 0);
	x = find(doc, "packages", "name", "image");
	assert_null(json_object_get(x, "checksums"));
	wh_json_decrefp(&doc);
	s.digest.b[0] = 1;
	assert_int_equal(wh_sbom_spdx(&p, &s, &doc, NULL), 0);
	x = find(doc, "packages", "name", "image");
	assert_non_null(json_object_get(x, "checksums"));
	assert_null(json_object_get(x, "externalRefs"));
	assert_string_equal(wh_json_str(json_object_get(doc, "creationInfo"), "created"), "1970-01-01T00:00:00Z");
	wh_json_decrefp(&doc);
	s.name = "\377";
	assert_int_equal(wh_sbom_spdx(&p, &s, &doc, &err), -EILSEQ);
	assert_null(doc);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(purls),      cmocka_unit_test(times),    cmocka_unit_test(agents),
		cmocka_unit_test(licences),   cmocka_unit_test(document), cmocka_unit_test(same_bytes),
		cmocka_unit_test(no_subject),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
