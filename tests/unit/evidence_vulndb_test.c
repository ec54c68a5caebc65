/* SPDX-License-Identifier: Apache-2.0 */
/* OSV records: what is read of them, what they include, and the database that keeps them. */
#include "evidence/vulndb_private.h"
#include "tests/unit/layers_helper.h"

#include <archive.h>
#include <archive_entry.h>
#include <signal.h>
#include <sys/wait.h>

/* ---------------------------------------------------------------- one record */

#define HEAD "{\"modified\":\"2026-01-02T03:04:05Z\",\"id\":"

static void test_ids(void **state)
{
	static const struct {
		const char *record, *want;
	} cases[] = {
		{HEAD "\"CVE-2020-1\",\"aliases\":[\"CVE-2020-2\"]}", "CVE-2020-1"},
		{HEAD "\"DEBIAN-CVE-2020-1\",\"upstream\":[\"CVE-2020-1\"]}", "CVE-2020-1"},
		{HEAD "\"DEBIAN-CVE-2020-1\"}", "CVE-2020-1"},
		{HEAD "\"UBUNTU-CVE-2020-1\",\"upstream\":[\"CVE-2020-1\"]}", "CVE-2020-1"},
		{HEAD "\"DSA-1-1\",\"upstream\":[\"CVE-2020-2\",\"CVE-2020-1\",\"CVE-2020-2\"]}",
		 "CVE-2020-1 CVE-2020-2"},
		{HEAD "\"DLA-1-1\",\"aliases\":[\"CVE-2020-2\",\"CVE-2020-1\"]}", "CVE-2020-1 CVE-2020-2"},
		{HEAD "\"DSA-1-1\",\"related\":[\"CVE-2020-3\"]}", "CVE-2020-3"},
		{HEAD "\"DSA-1-1\"}", "DSA-1-1"},
		{HEAD "\"GHSA-x\",\"aliases\":[\"PYSEC-1\",\"CVE-2020-9\",\"CVE-2020-10\"]}", "CVE-2020-10"},
		{HEAD "\"GHSA-x\",\"related\":[\"CVE-2020-9\"]}", "GHSA-x"},
		{HEAD "\"GHSA-x\",\"aliases\":[\"PYSEC-1\",\"CVE-\",\"CVE-x\",7,null]}", "GHSA-x"},
		{HEAD "\"GHSA-x\",\"aliases\":null,\"affected\":null}", "GHSA-x"},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_BUF struct wh_buf got = WH_BUF_INIT;
		struct wh_err *err = NULL;
		struct wh_osv o;

		assert_ok(wh_osv_parse(cases[i].record, strlen(cases[i].record), "it", &o, &err), err);
		for (size_t k = 0; k < o.ids.n; k++)
			wh_buf_addf(&got, "%s%s", k ? " " : "", o.ids.v[k]);
		assert_string_equal(got.p, cases[i].want);
		wh_osv_release(&o);
	}
}

static void test_bad_records(void **state)
{
	static const struct {
		const char *record, *want;
	} cases[] = {
		{"", "bad JSON"},
		{"[]", "a JSON object"},
		{"{}", "\"id\""},
		{"{\"id\":\"\"}", "\"id\""},
		{"{\"id\":7}", "\"id\""},
		{"{\"id\":\"a\\u001bb\",\"modified\":\"2026-01-02T03:04:05Z\"}", "\"id\""},
		{"{\"id\":\"a\"}", "\"modified\""},
		{"{\"id\":\"a\",\"modified\":\"yesterday\"}", "\"modified\""},
		{"{\"id\":\"a\",\"modified\":\"2026-01-02T03:04:05\"}", "\"modified\""},
		{"{\"id\":\"a\",\"modified\":\"2026-01-02T03:04:05.Z\"}", "\"modified\""},
		{"{\"id\":\"a\",\"id\":\"b\",\"modified\":\"2026-01-02T03:04:05Z\"}", "duplicate"},
		{HEAD "\"a\",\"affected\":{}}", "\"affected\" is no list"},
		{HEAD "\"a\",\"affected\":[7]}", "no object"},
		{HEAD "\"a\",\"aliases\":\"CVE-2020-1\"}", "\"aliases\" is no list"},
		{HEAD "\"a\",\"affected\":[{\"package\":{\"name\":\"x\"}}]}", "no good \"package\""},
		{HEAD "\"a\",\"affected\":[{\"package\":{\"name\":\"x\",\"ecosystem\":\"a\\nb\"}}]}",
		 "no good \"package\""},
		{HEAD "\"a\",\"affected\":[{\"package\":{\"name\":\"x\",\"ecosystem\":\"Debian\"},\"ranges\":{}}]}",
		 "\"ranges\""},
		{HEAD
		 "\"a\",\"affected\":[{\"package\":{\"name\":\"x\",\"ecosystem\":\"Debian\"},\"ranges\":[{\"type\":\"ECOSYSTEM\"}]}]}",
		 "\"ranges\""},
		{HEAD
		 "\"a\",\"affected\":[{\"package\":{\"name\":\"x\",\"ecosystem\":\"Debian\"},\"ranges\":[{\"type\":\"ECOSYSTEM\","
		 "\"events\":[{\"fixed\":7}]}]}]}",
		 "\"ranges\""},
		{HEAD "\"a\",\"affected\":[{\"package\":{\"name\":\"x\",\"ecosystem\":\"Debian\"},\"versions\":[7]}]}",
		 "\"versions\""},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct wh_osv o;

		if (wh_osv_parse(cases[i].record, strlen(cases[i].record), "it", &o, &err) == 0)
			fail_msg("taken: %s", cases[i].record);
		if (!wh_has_prefix(err->msg, "it: ") || !strstr(err->msg, cases[i].want) || strchr(err->msg, '\n') ||
		    err->class != WH_ERR_USAGE)
			fail_msg("%s: %s", cases[i].record, err->msg);
	}
}

static void test_times(void **state)
{
	static const char *const v[] = {"2025-12-31T23:59:59Z",   "2026-01-02T03:04:05Z",    "2026-01-02T03:04:05.01Z",
					"2026-01-02T03:04:05.1Z", "2026-01-02T03:04:05.11Z", "2026-01-02T03:04:06Z"};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(v); i++)
		for (size_t k = 0; k < WH_ARRAY_SIZE(v); k++) {
			int d = wh_osv_time_cmp(v[i], v[k]);

			assert_int_equal((d > 0) - (d < 0), (i > k) - (i < k));
		}
	assert_int_equal(wh_osv_time_cmp("2026-01-02T03:04:05.10Z", "2026-01-02T03:04:05.1Z"), 0);
	assert_int_equal(wh_osv_time_cmp("2026-01-02T03:04:05.0Z", "2026-01-02T03:04:05Z"), 0);
}

/* ---------------------------------------------------------------- what is affected */

static void test_affects(void **state)
{
	static const struct {
		const char *ecosystem, *body, *version, *fixed; /* fixed NULL: none */
		enum wh_osv_match want;
	} cases[] = {
#define R(events) "\"ranges\":[{\"type\":\"ECOSYSTEM\",\"events\":[" events "]}]"
#define I(v) "{\"introduced\":\"" v "\"}"
#define F(v) "{\"fixed\":\"" v "\"}"
#define L(v) "{\"last_affected\":\"" v "\"}"
		{"Debian:12", R(I("0")), "~", NULL, WH_OSV_YES},
		{"Debian:12", R(I("0") "," F("2")), "1", "2", WH_OSV_YES},
		{"Debian:12", R(I("0") "," F("2")), "0~~", "2", WH_OSV_YES},
		{"Debian:12", R(I("0") "," F("2")), "2", NULL, WH_OSV_NO},
		{"Debian:12", R(I("0") "," F("2")), "2~rc1", "2", WH_OSV_YES},
		{"Debian:12", R(I("0") "," F("2")), "1:1", NULL, WH_OSV_NO},
		{"Debian:12", R(I("0") "," F("0")), "1", NULL, WH_OSV_NO},
		{"Debian:12", R(F("0") "," I("0")), "1", NULL, WH_OSV_NO},
		{"Debian:12", R(I("0") "," L("2")), "2", NULL, WH_OSV_YES},
		{"Debian:12", R(I("0") "," L("2")), "2.0", NULL, WH_OSV_NO},
		{"Debian:12", R(I("1") "," F("2") "," I("3") "," F("4")), "0.9", NULL, WH_OSV_NO},
		{"Debian:12", R(I("1") "," F("2") "," I("3") "," F("4")), "1", "2", WH_OSV_YES},
		{"Debian:12", R(I("1") "," F("2") "," I("3") "," F("4")), "2.5", NULL, WH_OSV_NO},
		{"Debian:12", R(I("1") "," F("2") "," I("3") "," F("4")), "3", "4", WH_OSV_YES},
		{"Debian:12", R(F("4") "," I("3") "," F("2") "," I("1")), "3.5", "4", WH_OSV_YES}, /* any order */
		{"Debian:12", R(F("4") "," I("3") "," F("2") "," I("1")), "2.5", NULL, WH_OSV_NO},
		{"Debian:12", R(F("2")), "1", NULL, WH_OSV_NO},
		{"Debian:12", R(I("0") "," F("3") ",{\"limit\":\"2\"}"), "1", "3", WH_OSV_YES},
		{"Debian:12", R(I("0") "," F("3") ",{\"limit\":\"2\"}"), "2.5", NULL, WH_OSV_NO},
		{"Debian:12", R(I("0") ",{\"limit\":\"*\"}"), "9", NULL, WH_OSV_YES},
		{"Debian:12", "\"versions\":[\"1\",\"3\"]", "3", NULL, WH_OSV_YES},
		{"Debian:12", "\"versions\":[\"1\",\"3\"]", "2", NULL, WH_OSV_NO},
		{"Debian:12", "\"versions\":[\"1\",\"3\"]," R(I("0") "," F("2")), "3", NULL, WH_OSV_YES},
		{"Debian:12", "\"versions\":[\"1\",\"3\"]," R(I("0") "," F("2")), "1", "2", WH_OSV_YES},
		{"Debian:12", "\"versions\":[\"1\",\"3\"]," R(I("0") "," F("2")), "2", NULL, WH_OSV_NO},
		{"Debian:12", "\"versions\":null,\"ranges\":null", "2", NULL, WH_OSV_NO},
		{"Debian:12", "\"ranges\":[{\"type\":\"GIT\",\"repo\":\"x\",\"events\":[" I("0") "]}]", "2", NULL,
		 WH_OSV_NO},
		{"Debian:12",
		 "\"ranges\":[{\"type\":\"ECOSYSTEM\",\"events\":[" I("0") "," F(
			 "2") "]},"
			      "{\"type\":\"ECOSYSTEM\",\"events\":[" I("0") "," F("3") "]}]",
		 "1", "3", WH_OSV_YES},
		{"Debian:12",
		 "\"ranges\":[{\"type\":\"ECOSYSTEM\",\"events\":[" I("0") "," F(
			 "2") "]},"
			      "{\"type\":\"ECOSYSTEM\",\"events\":[" I("0") "]}]",
		 "1", NULL, WH_OSV_YES},
		{"PyPI", R(I("0") "," F("2.0rc1")), "2.0b9", "2.0rc1", WH_OSV_YES},
		{"PyPI", R(I("0") "," F("2.0rc1")), "2.0", NULL, WH_OSV_NO},
		{"PyPI", R(I("0") "," F("2.0rc1")), "not-a-version", NULL, WH_OSV_UNSURE},
		{"PyPI", "\"versions\":[\"1.0\"]", "1.0.0", NULL, WH_OSV_YES},
		{"PyPI", "\"versions\":[\"odd one\"]", "odd one", NULL, WH_OSV_YES},
		{"npm", "\"ranges\":[{\"type\":\"SEMVER\",\"events\":[" I("0") "," F("4.17.21") "]}]", "4.17.20",
		 "4.17.21", WH_OSV_YES},
		{"npm", "\"ranges\":[{\"type\":\"SEMVER\",\"events\":[" I("1.0.0") "," F("4.17.21") "]}]", "1.0.0-beta",
		 NULL, WH_OSV_NO},
		{"npm", "\"ranges\":[{\"type\":\"SEMVER\",\"events\":[" I("0") "]}]", "0.0.0-a", NULL, WH_OSV_YES},
		{"Maven", R(I("0") "," F("2")), "1", NULL, WH_OSV_UNSURE},
		{"Maven", "\"versions\":[\"1\"]," R(I("0") "," F("2")), "1", NULL, WH_OSV_YES},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_FREE char *text =
			wh_asprintf(HEAD "\"a\",\"affected\":[{\"package\":{\"name\":\"x\",\"ecosystem\":\"%s\"},%s}]}",
				    cases[i].ecosystem, cases[i].body);
		enum wh_version_scheme scheme = wh_version_scheme_of(cases[i].ecosystem);
		struct wh_err *err = NULL;
		const char *fixed = "unset";
		struct wh_osv o;

		assert_ok(wh_osv_parse(text, strlen(text), "it", &o, &err), err);
		assert_int_equal(o.n_affected, 1);
		if (wh_osv_affects(o.affected[0].spec, scheme, cases[i].version, &fixed) != cases[i].want)
			fail_msg("case %zu: %s %s", i, cases[i].version, cases[i].body);
		if (!wh_streq(fixed, cases[i].fixed))
			fail_msg("case %zu: fixed in %s", i, fixed ? fixed : "none");
		wh_osv_release(&o);
	}
}

/* A version list that its range covers is not kept. */
static void test_thin(void **state)
{
	static const char text[] = HEAD "\"a\",\"affected\":[{\"package\":{\"name\":\"x\",\"ecosystem\":\"Debian:12\"},"
					"\"versions\":[\"1\",\"1.5\",\"3\"]," R(I("0") "," F("2")) "}]}";
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	struct wh_osv o;

	(void)state;
	assert_int_equal(wh_osv_parse(text, strlen(text), "it", &o, NULL), 0);
	wh_json_dump(o.affected[0].spec, &b);
	assert_string_equal(b.p, "{\"ranges\":[[{\"introduced\":\"0\"},{\"fixed\":\"2\"}]],\"versions\":[\"3\"]}");
	wh_osv_release(&o);
}

/* ---------------------------------------------------------------- the database */

struct base {
	struct bed bed;
	struct wh_vulndb *db;
};

static void base_open(struct base *b)
{
	struct wh_err *err = NULL;

	bed_open(&b->bed);
	assert_ok(wh_vulndb_open(b->bed.store, &b->db, &err), err);
}

static void base_close(struct base *b)
{
	wh_vulndb_close(b->db);
	bed_close(&b->bed);
}

static void reopen(struct base *b)
{
	struct wh_err *err = NULL;

	wh_vulndb_close(b->db);
	b->db = NULL;
	assert_ok(wh_vulndb_open(b->bed.store, &b->db, &err), err);
}

static char *file(const struct base *b, const char *name, const char *text)
{
	char *path = wh_asprintf("%s/%s", b->bed.dir, name);

	if (text)
		assert_int_equal(wh_write_file_atomic(AT_FDCWD, path, text, strlen(text), 0600, false), 0);
	return path;
}

static void import(struct base *b, const char *path, uint64_t want_taken, uint64_t want_skipped)
{
	struct wh_err *err = NULL;
	uint64_t taken = 99, skipped = 99;

	assert_ok(wh_vulndb_import(b->db, path, &taken, &skipped, &err), err);
	assert_int_equal(taken, want_taken);
	assert_int_equal(skipped, want_skipped);
}

static void import_text(struct base *b, const char *name, const char *text, uint64_t taken, uint64_t skipped)
{
	WH_AUTO_FREE char *path = file(b, name, text);

	import(b, path, taken, skipped);
}

static struct wh_vulndb_info info(struct base *b)
{
	struct wh_vulndb_info i;
	struct wh_err *err = NULL;

	assert_ok(wh_vulndb_info(b->db, &i, &err), err);
	return i;
}

#define REC(id, day, more)                                                    \
	"{\"id\":\"" id "\",\"modified\":\"2026-01-" day "T00:00:00Z\"," more \
	"\"affected\":[{\"package\":{\"ecosystem\":\"Debian:12\","            \
	"\"name\":\"x\"},\"ranges\":[{\"type\":\"ECOSYSTEM\",\"events\":[{\"introduced\":\"0\"}]}]}]}"
#define A REC("CVE-2020-1", "01", "")
#define B REC("CVE-2020-2", "02", "")
#define C REC("CVE-2020-3", "03", "\"withdrawn\":\"2026-01-03T00:00:00Z\",")
#define D \
	"{\"id\":\"GO-1\",\"modified\":\"2026-01-01T00:00:00Z\",\"affected\":[{\"package\":{\"ecosystem\":\"Go\",\"name\":\"y\"}}]}"

static void test_database(void **state)
{
	struct base b;
	struct wh_vulndb_info i;
	struct stat st;
	WH_AUTO_FREE char *path = NULL;
	struct wh_digest first;

	(void)state;
	base_open(&b);
	i = info(&b);
	assert_false(i.present);
	assert_int_equal(i.records, 0);
	wh_vulndb_info_release(&i);

	import_text(&b, "one.jsonl", A "\n" B "\n\n" C "\n" D, 4, 0);
	i = info(&b);
	assert_true(i.present);
	assert_int_equal(i.records, 4);
	assert_int_equal(i.affected, 4);
	assert_int_equal(i.withdrawn, 1);
	assert_int_equal(i.ecosystems.n, 2);
	assert_string_equal(i.ecosystems.v[0], "Debian:12");
	assert_string_equal(i.ecosystems.v[1], "Go");
	assert_string_equal(i.newest, "2026-01-03T00:00:00Z");
	first = i.digest;
	wh_vulndb_info_release(&i);

	/* Again, and as seen by another process. */
	import_text(&b, "one.jsonl", D A B C, 0, 4);
	reopen(&b);
	i = info(&b);
	assert_true(wh_digest_eq(&i.digest, &first));
	assert_int_equal(i.records, 4);
	wh_vulndb_info_release(&i);

	/* A newer one replaces, an older one is left out. */
	import_text(&b, "newer.json", REC("CVE-2020-1", "09", "\"withdrawn\":\"2026-01-03T00:00:00Z\","), 1, 0);
	import_text(&b, "older.json", A, 0, 1);
	i = info(&b);
	assert_int_equal(i.records, 4);
	assert_int_equal(i.affected, 4);
	assert_int_equal(i.withdrawn, 2);
	assert_string_equal(i.newest, "2026-01-09T00:00:00Z");
	assert_false(wh_digest_eq(&i.digest, &first));
	wh_vulndb_info_release(&i);

	path = wh_asprintf("%s/store/db", b.bed.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	free(path);
	path = wh_asprintf("%s/store/db/vulnerabilities.db", b.bed.dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	base_close(&b);
}

/* Packs one file; the archive's own compression is its outermost layer. */
static char *pack(const struct base *b, const char *name, int filter, bool zip, const char *const *names,
		  const char *const *texts, size_t n)
{
	char *path = file(b, name, NULL);
	struct archive *a = archive_write_new();

	assert_int_equal(zip ? archive_write_set_format_zip(a) : archive_write_set_format_raw(a), ARCHIVE_OK);
	assert_int_equal(archive_write_add_filter(a, filter), ARCHIVE_OK);
	assert_int_equal(archive_write_open_filename(a, path), ARCHIVE_OK);
	for (size_t i = 0; i < n; i++) {
		struct archive_entry *e = archive_entry_new();

		archive_entry_set_pathname(e, names[i]);
		archive_entry_set_filetype(e, AE_IFREG);
		archive_entry_set_perm(e, 0644);
		archive_entry_set_size(e, (la_int64_t)strlen(texts[i]));
		assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
		assert_int_equal(archive_write_data(a, texts[i], strlen(texts[i])), (la_ssize_t)strlen(texts[i]));
		archive_entry_free(e);
	}
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
	return path;
}

/* The same records give the same digest, however they are packed. */
static void test_packings(void **state)
{
	static const struct {
		const char *name;
		int filter;
		bool zip;
	} cases[] = {
		{"r.jsonl", ARCHIVE_FILTER_NONE, false},  {"r.jsonl.gz", ARCHIVE_FILTER_GZIP, false},
		{"r.jsonl.xz", ARCHIVE_FILTER_XZ, false}, {"r.jsonl.zst", ARCHIVE_FILTER_ZSTD, false},
		{"all.zip", ARCHIVE_FILTER_NONE, true},   {"noname", ARCHIVE_FILTER_GZIP, false},
	};
	static const char *const names[] = {"CVE-2020-3.json", "CVE-2020-1.json", "README.txt", "GO-1.json",
					    "sub/CVE-2020-2.json"};
	static const char *const texts[] = {C, "\xef\xbb\xbf" A "\n", "no record", "\n" D, B};
	static const char *const line[] = {D "\n" A "\n" C "\n" B "\n"};
	struct wh_digest want = {0};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_FREE char *path = NULL;
		struct wh_vulndb_info x;
		struct base b;

		base_open(&b);
		path = pack(&b, cases[i].name, cases[i].filter, cases[i].zip, names, cases[i].zip ? texts : line,
			    cases[i].zip ? WH_ARRAY_SIZE(names) : 1);
		import(&b, path, 4, 0);
		x = info(&b);
		if (i)
			assert_true(wh_digest_eq(&x.digest, &want));
		want = x.digest;
		wh_vulndb_info_release(&x);
		base_close(&b);
	}
}

static void test_directory(void **state)
{
	WH_AUTO_FREE char *dir = NULL, *link = NULL;
	struct wh_vulndb_info x;
	struct base b;

	(void)state;
	base_open(&b);
	dir = file(&b, "d/e/f", NULL);
	assert_int_equal(wh_mkdir_p(AT_FDCWD, dir, 0700), 0);
	free(dir);
	free(file(&b, "d/a.json", A));
	free(file(&b, "d/README", "no record"));
	free(file(&b, "d/e/b.jsonl", B "\n" C "\n"));
	free(file(&b, "d/e/f/d.json", D));
	/* A symlink in a directory is not followed. */
	free(file(&b, "outside.json", REC("CVE-2020-99", "01", "")));
	link = file(&b, "d/link.json", NULL);
	assert_int_equal(symlink("../outside.json", link), 0);
	dir = file(&b, "d", NULL);
	import(&b, dir, 4, 0);
	x = info(&b);
	assert_int_equal(x.records, 4);
	wh_vulndb_info_release(&x);
	base_close(&b);
}

/* All or nothing, and one line that names the file and the record. */
static void test_damaged_input(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{A "\n" B "\n{\"id\":", "record 3: the file ends within it"},
		{A "\n" B "\n{\"id\":\"CVE-20\n" C, "record 3: damaged JSON"},
		{A "\ntext", "record 2: an OSV record is a JSON object"},
		{A "\n[" B "]", "record 2: an OSV record is a JSON object"},
		{A "\n{\"id\":\"a\"}", "record 2: no OSV record"},
		{A "\n{\"id\":7,]}", "record 2: bad JSON"},
		{A "\n{,}", "record 2: bad JSON"},
		{"", "there is no OSV record in it"},
		{"\n\n  \n", "there is no OSV record in it"},
	};
	struct wh_digest before;
	struct wh_vulndb_info x;
	struct base b;

	(void)state;
	base_open(&b);
	import_text(&b, "first.json", D, 1, 0);
	x = info(&b);
	before = x.digest;
	wh_vulndb_info_release(&x);
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_FREE char *path = file(&b, "bad.jsonl", cases[i].text);
		WH_AUTO_ERR struct wh_err *err = NULL;

		if (wh_vulndb_import(b.db, path, NULL, NULL, &err) == 0)
			fail_msg("taken: %s", cases[i].text);
		if (!strstr(err->msg, cases[i].want) || !strstr(err->msg, "bad.jsonl") || strchr(err->msg, '\n') ||
		    err->class != WH_ERR_USAGE)
			fail_msg("%s: %s", cases[i].text, err->msg);
		x = info(&b);
		assert_true(wh_digest_eq(&x.digest, &before));
		wh_vulndb_info_release(&x);
	}
	base_close(&b);
}

static void test_damaged_packings(void **state)
{
	static const char *const names[] = {"CVE-2020-1.json", "CVE-2020-2.json"},
				 *const texts[] = {A, "{\"id\":\"CVE-2020-2\"}"}, *const txt[] = {"a.txt", "b"},
				 *const line[] = {A "\n" B "\n"};
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_FREE char *zip = NULL, *none = NULL, *gz = NULL;
	struct wh_vulndb_info x;
	struct base b;
	struct stat st;

	(void)state;
	base_open(&b);
	zip = pack(&b, "all.zip", ARCHIVE_FILTER_NONE, true, names, texts, 2);
	assert_true(wh_vulndb_import(b.db, zip, NULL, NULL, &err) < 0);
	assert_non_null(strstr(err->msg, "all.zip: CVE-2020-2.json: record 1: no OSV record"));
	wh_err_freep(&err);
	none = pack(&b, "none.zip", ARCHIVE_FILTER_NONE, true, txt, texts, 2);
	assert_true(wh_vulndb_import(b.db, none, NULL, NULL, &err) < 0);
	assert_non_null(strstr(err->msg, "there is no OSV record in it"));
	wh_err_freep(&err);
	gz = pack(&b, "cut.jsonl.gz", ARCHIVE_FILTER_GZIP, false, names, line, 1);
	assert_int_equal(stat(gz, &st), 0);
	assert_int_equal(truncate(gz, st.st_size - 20), 0);
	assert_true(wh_vulndb_import(b.db, gz, NULL, NULL, &err) < 0);
	assert_non_null(strstr(err->msg, "cut.jsonl.gz: "));
	x = info(&b);
	assert_false(x.present);
	wh_vulndb_info_release(&x);
	base_close(&b);
}

/* A record of 17 MB, and texts and depths that only want to hurt. */
static void test_big_input(void **state)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_FREE char *path = NULL;
	struct base b;

	(void)state;
	base_open(&b);
	wh_buf_adds(&text, "{\"id\":\"");
	for (size_t i = 0; i < (size_t)17 << 20; i++)
		wh_buf_addc(&text, 'x');
	wh_buf_adds(&text, "\"}");
	path = file(&b, "big.json", text.p);
	assert_true(wh_vulndb_import(b.db, path, NULL, NULL, &err) < 0);
	assert_non_null(strstr(err->msg, "record 1: it is too big"));
	wh_err_freep(&err);
	wh_buf_reset(&text);
	wh_buf_adds(&text, "{\"a\":");
	for (size_t i = 0; i < 100000; i++)
		wh_buf_addc(&text, '[');
	for (size_t i = 0; i < 100000; i++)
		wh_buf_addc(&text, ']');
	wh_buf_adds(&text, "}");
	free(path);
	path = file(&b, "deep.json", text.p);
	assert_true(wh_vulndb_import(b.db, path, NULL, NULL, &err) < 0);
	assert_non_null(strstr(err->msg, "record 1: bad JSON"));
	base_close(&b);
}

static void scribble(const char *path, off_t at, size_t n)
{
	WH_AUTO_FD int fd = wh_openat(AT_FDCWD, path, O_WRONLY, 0);
	WH_AUTO_FREE char *junk = wh_malloc(n);

	assert_true(fd >= 0);
	memset(junk, 0xa5, n);
	assert_int_equal(pwrite(fd, junk, n, at), (ssize_t)n);
}

/* Damage is told, and out of the way the next time. */
static void test_damaged_database(void **state)
{
	static const struct {
		off_t at; /* -1: cut short */
		size_t n;
	} cases[] = {{0, 100}, {0, 4096}, {100, 3000}, {4096, 50000}, {-1, 5000}, {-1, 10}};
	struct base b;
	WH_AUTO_FREE char *db = NULL, *aside = NULL;

	(void)state;
	base_open(&b);
	db = file(&b, "store/db/vulnerabilities.db", NULL);
	aside = file(&b, "store/db/vulnerabilities.db.damaged", NULL);
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct wh_vulndb_info x = {0};
		int r;

		import_text(&b, "all.jsonl", A B C D, 4, 0);
		wh_vulndb_close(WH_TAKE_PTR(b.db));
		if (cases[i].at < 0)
			assert_int_equal(truncate(db, (off_t)cases[i].n), 0);
		else
			scribble(db, cases[i].at, cases[i].n);
		unlink(aside);
		r = wh_vulndb_open(b.bed.store, &b.db, &err);
		if (r == 0) {
			r = wh_vulndb_info(b.db, &x, &err);
			wh_vulndb_info_release(&x);
		}
		if (r == 0)
			fail_msg("case %zu: no error", i);
		if (!strstr(err->msg, "is damaged") || !err->hint || !strstr(err->hint, "whittle db import"))
			fail_msg("case %zu: %s", i, err->msg);
		assert_int_equal(err->class, WH_ERR_ENV);
		assert_int_equal(access(aside, F_OK), 0);
		assert_int_equal(access(db, F_OK), -1);
		reopen(&b);
		x = info(&b);
		assert_false(x.present);
		wh_vulndb_info_release(&x);
	}
	base_close(&b);
}

/* Another version is neither read nor moved. */
static void test_other_version(void **state)
{
	struct base b;
	WH_AUTO_FREE char *db = NULL;
	WH_AUTO_ERR struct wh_err *err = NULL;
	sqlite3 *sql;

	(void)state;
	base_open(&b);
	db = file(&b, "store/db/vulnerabilities.db", NULL);
	import_text(&b, "all.jsonl", A, 1, 0);
	assert_int_equal(sqlite3_open(db, &sql), SQLITE_OK);
	assert_int_equal(wh_sql_run(sql, "PRAGMA user_version = 99"), SQLITE_OK);
	sqlite3_close(sql);
	wh_vulndb_close(WH_TAKE_PTR(b.db));
	assert_int_equal(wh_vulndb_open(b.bed.store, &b.db, &err), -EPROTO);
	assert_non_null(strstr(err->msg, "version 99"));
	assert_non_null(err->hint);
	assert_int_equal(access(db, F_OK), 0);
	base_close(&b);
}

enum { IMPORTERS = 4 };

static int importer(const char *path, const char *records, const int gun[2])
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_store *s = NULL;
	struct wh_vulndb *db = NULL;
	int r = 1;
	char c;

	close(gun[1]);
	if (wh_store_open(path, &s, &err) == 0 && wh_vulndb_open(s, &db, &err) == 0 && read(gun[0], &c, 1) == 0)
		r = wh_vulndb_import(db, records, NULL, NULL, &err) < 0;
	if (err)
		fprintf(stderr, "%s\n", err->msg);
	wh_vulndb_close(db);
	wh_store_close(s);
	return r;
}

/* All at once: nobody's records are lost. */
static void test_two_importers(void **state)
{
	struct base b;
	WH_AUTO_FREE char *store = NULL;
	struct wh_vulndb_info x;
	pid_t pids[IMPORTERS];
	int gun[2], status;

	(void)state;
	base_open(&b);
	store = file(&b, "store", NULL);
	assert_int_equal(pipe2(gun, O_CLOEXEC), 0);
	for (int i = 0; i < IMPORTERS; i++) {
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
		WH_AUTO_FREE char *name = wh_asprintf("part%d.jsonl", i);
		WH_AUTO_FREE char *path = NULL;

		for (int k = 0; k < 200; k++)
			wh_buf_addf(&text, "{\"id\":\"X-%d-%d\",\"modified\":\"2026-01-01T00:00:00Z\"}\n", i, k);
		path = file(&b, name, text.p);
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (!pids[i]) {
			wh_store_forget(b.bed.store);
			_exit(importer(store, path, gun));
		}
	}
	close(gun[0]);
	close(gun[1]);
	for (int i = 0; i < IMPORTERS; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	reopen(&b);
	x = info(&b);
	assert_int_equal(x.records, IMPORTERS * 200);
	wh_vulndb_info_release(&x);
	base_close(&b);
}

/* Killed anywhere: what was there is there, and the next import works. */
static void test_killed(void **state)
{
	struct base b;
	WH_AUTO_FREE char *store = NULL, *fifo = NULL;
	struct wh_vulndb_info x;

	(void)state;
	base_open(&b);
	store = file(&b, "store", NULL);
	fifo = file(&b, "pipe.jsonl", NULL);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	import_text(&b, "first.jsonl", A B, 2, 0);
	for (int round = 0; round < 3; round++) {
		int gun[2], status, to;
		pid_t pid;

		assert_int_equal(pipe2(gun, O_CLOEXEC), 0);
		pid = fork();
		assert_true(pid >= 0);
		if (!pid) {
			wh_store_forget(b.bed.store);
			_exit(importer(store, fifo, gun));
		}
		close(gun[0]);
		close(gun[1]);
		/* It reads from a pipe that never ends, so it is killed in the middle. */
		to = wh_openat(AT_FDCWD, fifo, O_WRONLY, 0);
		assert_true(to >= 0);
		for (int k = 0; k < 2000 * round + 1; k++) {
			WH_AUTO_FREE char *line =
				wh_asprintf("{\"id\":\"X-%d\",\"modified\":\"2026-01-01T00:00:00Z\"}\n", k);

			assert_int_equal(wh_write_all(to, line, strlen(line)), 0);
		}
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		close(to);
		reopen(&b);
		x = info(&b);
		assert_int_equal(x.records, 2);
		wh_vulndb_info_release(&x);
	}
	import_text(&b, "last.jsonl", C, 1, 0);
	base_close(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ids),           cmocka_unit_test(test_bad_records),
		cmocka_unit_test(test_times),         cmocka_unit_test(test_affects),
		cmocka_unit_test(test_thin),          cmocka_unit_test(test_database),
		cmocka_unit_test(test_packings),      cmocka_unit_test(test_directory),
		cmocka_unit_test(test_damaged_input), cmocka_unit_test(test_damaged_packings),
		cmocka_unit_test(test_big_input),     cmocka_unit_test(test_damaged_database),
		cmocka_unit_test(test_other_version), cmocka_unit_test(test_two_importers),
		cmocka_unit_test(test_killed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
