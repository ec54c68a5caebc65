/* SPDX-License-Identifier: Apache-2.0 */
/* Packages against a small database. */
#include "evidence/vulndb_private.h"
#include "tests/unit/layers_helper.h"

struct base {
	struct bed bed;
	struct wh_vulndb *db;
};

/* ID, day, the rest of the record's top, then entries. */
#define REC(id, top, affected) \
	"{\"id\":\"" id "\",\"modified\":\"2026-01-02T00:00:00Z\"," top "\"affected\":[" affected "]}\n"
#define PKG(eco, name, events, more)                               \
	"{\"package\":{\"ecosystem\":\"" eco "\",\"name\":\"" name \
	"\"},\"ranges\":[{\"type\":\"ECOSYSTEM\",\"events\":[" events "]}]" more "}"
#define SINCE0 "{\"introduced\":\"0\"}"
#define FIXED(v) SINCE0 ",{\"fixed\":\"" v "\"}"
#define SEV(word) ",\"ecosystem_specific\":{\"severity\":\"" word "\"}"
#define URG(word) ",\"ecosystem_specific\":{\"urgency\":\"" word "\"}"

static const char records[] = REC("DEBIAN-CVE-2024-1", "\"upstream\":[\"CVE-2024-1\"],",
				  PKG("Debian:12", "openssl", FIXED("3.0.9-1"), SEV("HIGH")))
	REC("DEBIAN-CVE-2024-2", "\"upstream\":[\"CVE-2024-2\"],",
	    PKG("Debian:12", "openssl", SINCE0, URG("unimportant")) "," PKG("Debian:11", "openssl", SINCE0,
									    URG("high")))
	/* an advisory over three, one of them known to be low */
	REC("DSA-5000-1", "\"upstream\":[\"CVE-2024-3\",\"CVE-2024-1\",\"CVE-2024-4\"],",
	    PKG("Debian:12", "openssl", FIXED("3.0.10-1"), ""))
		REC("DEBIAN-CVE-2024-3", "\"upstream\":[\"CVE-2024-3\"],",
		    PKG("Debian:12", "openssl", SINCE0, URG("low")))
	/* never affected, withdrawn, other release, another package's name */
	REC("DEBIAN-CVE-2024-5", "", PKG("Debian:12", "openssl", FIXED("0"), SEV("CRITICAL")))
		REC("DEBIAN-CVE-2024-6", "\"withdrawn\":\"2026-01-01T00:00:00Z\",",
		    PKG("Debian:12", "openssl", SINCE0, SEV("CRITICAL")))
			REC("DEBIAN-CVE-2024-7", "", PKG("Debian:13", "openssl", SINCE0, SEV("CRITICAL")))
				REC("DEBIAN-CVE-2024-8", "", PKG("Debian:12", "libssl3", SINCE0, SEV("CRITICAL")))
	/* two sources, the graver counts */
	REC("DEBIAN-CVE-2024-9", "",
	    PKG("Debian:12", "zlib", SINCE0, SEV("MEDIUM")) "," PKG("Debian:12", "openssl", SINCE0, SEV("CRITICAL")))
	/* of no release */
	REC("DSA-1-1", "", PKG("Debian", "zlib", FIXED("1:1.3"), ""))
	/* languages */
	REC("GHSA-aaaa", "\"aliases\":[\"CVE-2024-20\"],\"database_specific\":{\"severity\":\"MODERATE\"},",
	    PKG("PyPI", "Flask_Thing", FIXED("2.0"), "")) REC("PYSEC-1", "\"aliases\":[\"CVE-2024-20\",\"GHSA-aaaa\"],",
							      PKG("PyPI", "flask-thing", FIXED("2.0"), ""))
		REC("GO-1", "", PKG("Go", "x", SINCE0, ""));

static void setup(struct base *b, const char *text)
{
	WH_AUTO_FREE char *path = NULL;
	struct wh_err *err = NULL;

	bed_open(&b->bed);
	assert_ok(wh_vulndb_open(b->bed.store, &b->db, &err), err);
	path = wh_asprintf("%s/records.jsonl", b->bed.dir);
	assert_int_equal(wh_write_file_atomic(AT_FDCWD, path, text, strlen(text), 0600, false), 0);
	if (*text)
		assert_ok(wh_vulndb_import(b->db, path, NULL, NULL, &err), err);
}

static void teardown(struct base *b)
{
	wh_vulndb_close(b->db);
	bed_close(&b->bed);
}

static struct wh_package deb(const char *name, const char *version, const char *source, const char *source_version)
{
	return (struct wh_package){.kind = WH_PKG_DEB,
				   .name = wh_strdup(name),
				   .version = wh_strdup(version),
				   .arch = wh_strdup("amd64"),
				   .source = wh_strdup(source),
				   .source_version = wh_strdup(source_version)};
}

static struct wh_package lang(enum wh_package_kind kind, const char *name, const char *version)
{
	return (struct wh_package){.kind = kind, .name = wh_strdup(name), .version = wh_strdup(version)};
}

struct image {
	struct wh_package v[8];
	struct wh_packages p;
};

static void image_of(struct image *i, const char *id, const char *version, size_t n)
{
	i->p = (struct wh_packages){
		.v = i->v, .n = n, .distro_id = wh_strdup(id), .distro_version = wh_strdup(version)};
}

static void image_release(struct image *i)
{
	for (size_t k = 0; k < i->p.n; k++) {
		struct wh_package *p = &i->v[k];

		free(p->name);
		free(p->version);
		free(p->arch);
		free(p->source);
		free(p->source_version);
	}
	free(i->p.distro_id);
	free(i->p.distro_version);
}

static struct wh_findings look(struct base *b, struct image *i)
{
	struct wh_findings f = {0};
	struct wh_err *err = NULL;

	assert_ok(wh_findings_find(b ? b->db : NULL, &i->p, &f, &err), err);
	return f;
}

static void expect_lines(const struct wh_findings *f, const char *want)
{
	WH_AUTO_BUF struct wh_buf got = WH_BUF_INIT;

	wh_buf_adds(&got, "");
	for (size_t i = 0; i < f->n; i++)
		wh_buf_addf(&got, "%s %s %s %s %s\n", f->v[i].id, f->v[i].package, wh_severity_name(f->v[i].severity),
			    f->v[i].fixed ? f->v[i].fixed : "-", f->v[i].record);
	assert_string_equal(got.p ? got.p : "", want);
}

static void test_debian(void **state)
{
	struct base b;
	struct image i;
	struct wh_findings f;

	(void)state;
	setup(&b, records);
	i.v[0] = deb("libssl3", "3.0.8-1+b1", "openssl", "3.0.8-1");
	i.v[1] = deb("openssl", "3.0.8-1", NULL, NULL);
	i.v[2] = deb("zlib1g", "1:1.2.13.dfsg-1", "zlib", "1:1.2.13.dfsg-1");
	i.v[3] = deb("nothing", "1", "nothing", "1");
	image_of(&i, "debian", "12", 4);
	f = look(&b, &i);
	assert_true(f.assessed);
	assert_null(f.why);
	expect_lines(&f, "CVE-2024-1 libssl3 high 3.0.9-1 DEBIAN-CVE-2024-1\n"
			 "CVE-2024-1 openssl high 3.0.9-1 DEBIAN-CVE-2024-1\n"
			 "CVE-2024-2 libssl3 negligible - DEBIAN-CVE-2024-2\n"
			 "CVE-2024-2 openssl negligible - DEBIAN-CVE-2024-2\n"
			 "CVE-2024-3 libssl3 low 3.0.10-1 DEBIAN-CVE-2024-3\n"
			 "CVE-2024-3 openssl low 3.0.10-1 DEBIAN-CVE-2024-3\n"
			 "CVE-2024-4 libssl3 unknown 3.0.10-1 DSA-5000-1\n"
			 "CVE-2024-4 openssl unknown 3.0.10-1 DSA-5000-1\n"
			 "CVE-2024-9 libssl3 critical - DEBIAN-CVE-2024-9\n"
			 "CVE-2024-9 openssl critical - DEBIAN-CVE-2024-9\n"
			 "CVE-2024-9 zlib1g medium - DEBIAN-CVE-2024-9\n"
			 "DSA-1-1 zlib1g unknown 1:1.3 DSA-1-1\n");
	assert_int_equal(f.total, 6);
	assert_int_equal(f.count[WH_SEV_CRITICAL], 1);
	assert_int_equal(f.count[WH_SEV_HIGH], 1);
	assert_int_equal(f.count[WH_SEV_MEDIUM], 0);
	assert_int_equal(f.count[WH_SEV_LOW], 1);
	assert_int_equal(f.count[WH_SEV_NEGLIGIBLE], 1);
	assert_int_equal(f.count[WH_SEV_UNKNOWN], 2);
	assert_int_equal(f.packages_unassessed, 0);
	assert_string_equal(f.v[0].source, "openssl");
	assert_string_equal(f.v[0].version, "3.0.8-1+b1");
	assert_non_null(f.v[0].purl);
	assert_string_equal(f.database_date, "2026-01-02T00:00:00Z");
	assert_false(wh_digest_is_zero(&f.database));
	wh_findings_release(&f);
	image_release(&i);
	teardown(&b);
}

/* The source's version decides, not the binary's. */
static void test_fixed_versions(void **state)
{
	struct base b;
	struct image i;
	struct wh_findings f;

	(void)state;
	setup(&b, records);
	i.v[0] = deb("libssl3", "1", "openssl", "3.0.10-1");
	image_of(&i, "debian", "12.5", 1);
	f = look(&b, &i);
	expect_lines(&f, "CVE-2024-2 libssl3 negligible - DEBIAN-CVE-2024-2\n"
			 "CVE-2024-3 libssl3 low - DEBIAN-CVE-2024-3\n"
			 "CVE-2024-9 libssl3 critical - DEBIAN-CVE-2024-9\n");
	wh_findings_release(&f);
	image_release(&i);
	teardown(&b);
}

static void test_not_assessed(void **state)
{
	static const struct {
		const char *records, *id, *version, *want; /* want NULL: assessed */
		bool no_packages;
		const char *unread;
	} cases[] = {
		{"", "debian", "12", "there is no vulnerability database", false, NULL},
		{records, "debian", "12", NULL, false, NULL},
		{records, "debian", "12", "the image has packages of apk, whose records are not read", false, "apk"},
		{records, "debian", "12", "the image has packages of rpm, whose records are not read", true, "rpm"},
		{records, "debian", "10", "the database has no records for Debian:10", false, NULL},
		{REC("DSA-1-1", "", PKG("Debian", "zlib", SINCE0, "")), "debian", "12",
		 "the database has no records for Debian:12", false, NULL},
		{REC("USN-1", "", PKG("Ubuntu:22.04:LTS", "zlib", SINCE0, "")), "ubuntu", "22.04", NULL, false, NULL},
		{records, "debian", NULL, "the image's distribution (debian) is not known here", false, NULL},
		{records, "raspbian", "12", "the image's distribution (raspbian 12) is not known here", false, NULL},
		{records, "ubuntu", "22.04", "the database has no records for Ubuntu:22.04", false, NULL},
		{records, NULL, NULL, "the image does not say which distribution", false, NULL},
		{records, "debian", "12", "no package records", true, NULL},
	};

	(void)state;
	for (size_t k = 0; k < WH_ARRAY_SIZE(cases); k++) {
		struct base b;
		struct image i;
		struct wh_findings f;

		setup(&b, cases[k].records);
		if (!cases[k].no_packages)
			i.v[0] = deb("libssl3", "1", "openssl", "1");
		image_of(&i, cases[k].id, cases[k].version, !cases[k].no_packages);
		i.p.unread = cases[k].unread;
		f = look(&b, &i);
		assert_int_equal(f.assessed, cases[k].want == NULL);
		if (cases[k].want) {
			WH_AUTO_JSON json_t *j = wh_findings_json(&f);

			if (!strstr(f.why, cases[k].want))
				fail_msg("%s", f.why);
			assert_int_equal(f.n, 0);
			assert_int_equal(f.packages_unassessed, i.p.n);
			/* Nothing that could be taken for a number of findings. */
			assert_false(json_is_true(json_object_get(j, "assessed")));
			assert_null(json_object_get(j, "counts"));
			assert_null(json_object_get(j, "findings"));
			assert_non_null(wh_json_str(j, "why"));
		}
		wh_findings_release(&f);
		f = look(NULL, &i);
		assert_false(f.assessed);
		assert_non_null(strstr(f.why, "no vulnerability database"));
		wh_findings_release(&f);
		image_release(&i);
		teardown(&b);
	}
}

static void test_languages(void **state)
{
	struct base b;
	struct image i;
	struct wh_findings f;
	WH_AUTO_JSON json_t *j = NULL;

	(void)state;
	setup(&b, records);
	i.v[0] = deb("nothing", "1", "nothing", "1");
	i.v[1] = lang(WH_PKG_PYPI, "Flask.Thing", "1.9");
	i.v[2] = lang(WH_PKG_PYPI, "flask-thing", "not a version");
	i.v[3] = lang(WH_PKG_PYPI, "flask-thing", "2.0");
	i.v[4] = lang(WH_PKG_NPM, "lodash", "1.0.0");
	image_of(&i, "debian", "12", 5);
	f = look(&b, &i);
	assert_true(f.assessed);
	expect_lines(&f, "CVE-2024-20 Flask.Thing medium 2.0 GHSA-aaaa\n");
	assert_int_equal(f.total, 1);
	assert_int_equal(f.packages_unassessed, 2); /* the odd version, and npm, of which the database knows nothing */
	j = wh_findings_json(&f);
	assert_int_equal(json_array_size(json_object_get(j, "findings")), 1);
	assert_int_equal(wh_json_int(json_object_get(j, "counts"), "medium", -1), 1);
	assert_int_equal(wh_json_int(json_object_get(j, "counts"), "total", -1), 1);
	assert_int_equal(wh_json_int(j, "packagesUnassessed", -1), 2);
	wh_findings_release(&f);
	/* Without any package of a distribution its name does not matter. */
	i.p.v = i.v + 1;
	i.p.n = 1;
	f = look(&b, &i);
	assert_true(f.assessed);
	assert_int_equal(f.total, 1);
	wh_findings_release(&f);
	i.p.v = i.v + 4;
	f = look(&b, &i);
	assert_false(f.assessed);
	wh_findings_release(&f);
	i.p.v = i.v;
	i.p.n = 5;
	image_release(&i);
	teardown(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_debian),
		cmocka_unit_test(test_fixed_versions),
		cmocka_unit_test(test_not_assessed),
		cmocka_unit_test(test_languages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
