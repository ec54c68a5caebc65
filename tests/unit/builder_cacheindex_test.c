/* SPDX-License-Identifier: Apache-2.0 */
/* The cache index: what goes in comes out, whatever happens to its file. */
#include "builder/cacheindex.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <time.h>

struct env {
	char path[64];
	struct wh_store *store;
	struct wh_cache *cache;
	unsigned notices;
};

static void on_notice(void *arg, const char *text)
{
	struct env *e = arg;

	assert_non_null(text);
	e->notices++;
}

static void reopen(struct env *e)
{
	struct wh_err *err = NULL;

	wh_cache_close(e->cache);
	e->cache = NULL;
	if (wh_cache_open(e->store, on_notice, e, &e->cache, &err) < 0)
		fail_msg("%s", err ? err->msg : "?");
}

static int setup(void **state)
{
	struct env *e = wh_calloc(1, sizeof(*e));

	snprintf(e->path, sizeof(e->path), "/tmp/wh-cache-test.XXXXXX");
	assert_non_null(mkdtemp(e->path));
	assert_int_equal(wh_store_open(e->path, &e->store, NULL), 0);
	reopen(e);
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	wh_cache_close(e->cache);
	wh_store_close(e->store);
	wh_rm_rf(AT_FDCWD, e->path);
	free(e);
	return 0;
}

/* A record whose blob is in the store. */
static struct wh_record record(struct env *e, unsigned n)
{
	struct wh_record r = {
		.layer = {.comp = WH_COMP_GZIP, .newest = (int64_t)n - 5, .n_entries = n, .blob_size = 4}};
	uint32_t bytes[2] = {n, 1};

	assert_int_equal(wh_blob_put(e->store, &n, sizeof(n), &r.layer.blob, NULL), 0);
	wh_digest_of(bytes, sizeof(bytes), &r.key);
	bytes[1] = 2;
	wh_digest_of(bytes, sizeof(bytes), &r.base);
	bytes[1] = 3;
	wh_digest_of(bytes, sizeof(bytes), &r.layer.diff_id);
	bytes[0] = n / 10; /* ten records an operation */
	wh_digest_of(bytes, sizeof(bytes), &r.op);
	return r;
}

static void put(struct env *e, unsigned n)
{
	struct wh_record r = record(e, n);

	assert_int_equal(wh_cache_put(e->cache, &r, 1, NULL), 0);
	wh_record_release(&r);
}

static void expect(struct env *e, unsigned n)
{
	struct wh_record want = record(e, n), got;
	struct wh_err *err = NULL;
	int r = wh_cache_get(e->cache, &want.key, &got, &err);

	if (r != 1)
		fail_msg("record %u: %d %s", n, r, err ? err->msg : "");
	assert_true(wh_digest_eq(&want.op, &got.op));
	assert_true(wh_digest_eq(&want.base, &got.base));
	assert_true(wh_digest_is_zero(&got.selection));
	assert_false(got.empty);
	assert_true(wh_digest_eq(&want.layer.diff_id, &got.layer.diff_id));
	assert_true(wh_digest_eq(&want.layer.blob, &got.layer.blob));
	assert_int_equal(got.layer.blob_size, 4);
	assert_int_equal(got.layer.comp, WH_COMP_GZIP);
	assert_int_equal(got.layer.newest, want.layer.newest);
	assert_int_equal(got.layer.n_entries, n);
	assert_null(got.layer.origin);
	wh_record_release(&got);
	wh_record_release(&want);
}

static void expect_none(struct env *e, unsigned n)
{
	struct wh_record want = record(e, n), got;

	assert_int_equal(wh_cache_get(e->cache, &want.key, &got, NULL), 0);
	wh_record_release(&want);
}

static char *file(const struct env *e, const char *name)
{
	return wh_asprintf("%s/%s", e->path, name);
}

static void test_roundtrip(void **state)
{
	struct env *e = *state;
	struct wh_record empty = {.empty = true}, got;
	struct wh_digest op;

	expect_none(e, 1);
	put(e, 1);
	put(e, 2);
	expect(e, 1);
	expect(e, 2);
	expect_none(e, 3);
	reopen(e);
	expect(e, 1);
	wh_digest_of("k", 1, &empty.key);
	wh_digest_of("s", 1, &empty.selection);
	wh_digest_of("o", 1, &empty.op);
	assert_int_equal(wh_cache_put(e->cache, &empty, 1, NULL), 0);
	assert_int_equal(wh_cache_get(e->cache, &empty.key, &got, NULL), 1);
	assert_true(got.empty);
	assert_true(wh_digest_eq(&got.selection, &empty.selection));
	assert_int_equal(wh_cache_find_op(e->cache, &empty.op, NULL, NULL), 1);
	wh_digest_of("p", 1, &op);
	assert_int_equal(wh_cache_find_op(e->cache, &op, NULL, NULL), 0);
	assert_int_equal(wh_cache_touch(e->cache, &empty.key, 1, NULL), 0);
}

/* A record is worth nothing without its blob. */
static void test_blob_gone(void **state)
{
	struct env *e = *state;
	struct wh_record r;
	char hex[65];
	WH_AUTO_FREE char *blob = NULL;

	put(e, 1);
	r = record(e, 1);
	blob = wh_asprintf("%s/blobs/sha256/%s", e->path, wh_digest_hex(&r.layer.blob, hex));
	assert_int_equal(unlink(blob), 0);
	assert_int_equal(wh_cache_get(e->cache, &r.key, &r, NULL), 0);
	put(e, 1); /* made again */
	expect(e, 1);
}

/* A result's document: told by record and table, needed for a hit. */
static void test_doc(void **state)
{
	struct env *e = *state;
	WH_AUTO_FREE char *db = file(e, "cache.db");
	WH_AUTO_FREE char *blob = NULL;
	struct wh_record r = record(e, 1), empty = {.empty = true}, got;
	char hex[65];

	assert_int_equal(wh_blob_put(e->store, "{}", 2, &r.doc, NULL), 0);
	empty.doc = r.doc;
	wh_digest_of("k", 1, &empty.key);
	assert_int_equal(wh_cache_put(e->cache, &r, 1, NULL), 0);
	assert_int_equal(wh_cache_put(e->cache, &empty, 1, NULL), 0);
	put(e, 2);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(wh_cache_get(e->cache, &r.key, &got, NULL), 1);
		assert_true(wh_digest_eq(&got.doc, &r.doc));
		wh_record_release(&got);
		assert_int_equal(wh_cache_get(e->cache, &empty.key, &got, NULL), 1);
		assert_true(wh_digest_eq(&got.doc, &r.doc));
		expect(e, 2); /* one without */
		wh_cache_close(WH_TAKE_PTR(e->cache));
		assert_int_equal(unlink(db), 0);
		reopen(e); /* the second time from the records */
	}
	blob = wh_asprintf("%s/blobs/sha256/%s", e->path, wh_digest_hex(&r.doc, hex));
	assert_int_equal(unlink(blob), 0);
	assert_int_equal(wh_cache_get(e->cache, &r.key, &got, NULL), 0);
	assert_int_equal(wh_cache_get(e->cache, &empty.key, &got, NULL), 0);
	expect(e, 2);
}

/* The tables of the versions before, which had fewer columns; records of that time are as good as ever. */
static void test_table_before(void **state)
{
#define BEFORE                                                                                                               \
	"DROP TABLE record; CREATE TABLE record(key BLOB PRIMARY KEY, op BLOB NOT NULL, base BLOB NOT NULL,"                 \
	" selection BLOB NOT NULL, empty INT NOT NULL, diff_id BLOB, blob BLOB, size INT NOT NULL, comp INT NOT NULL,"       \
	" newest INT NOT NULL, entries INT NOT NULL,"
	static const char *const make[] = {
		BEFORE " used INT NOT NULL) WITHOUT ROWID; PRAGMA user_version = 1",
		BEFORE " doc BLOB, used INT NOT NULL) WITHOUT ROWID; PRAGMA user_version = 2",
	};
	struct env *e = *state;
	WH_AUTO_FREE char *path = file(e, "cache.db");
	sqlite3 *db;
	size_t i;

	for (i = 0; i < WH_ARRAY_SIZE(make); i++) {
		put(e, 1);
		wh_cache_close(WH_TAKE_PTR(e->cache));
		assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
		assert_int_equal(sqlite3_exec(db, make[i], NULL, NULL, NULL), SQLITE_OK);
		sqlite3_close(db);
		reopen(e);
		expect(e, 1);
		put(e, 2);
		expect(e, 2);
	}
	assert_int_equal(e->notices, 0);
#undef BEFORE
}

/* What tells of a step: kept by table and documents; not needed for a hit. */
static void test_place(void **state)
{
	struct env *e = *state;
	WH_AUTO_FREE char *db = file(e, "cache.db");
	WH_AUTO_FREE char *blob = NULL, *older = NULL;
	struct wh_record a = record(e, 1), b = record(e, 2), got;
	struct timespec past[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
	struct wh_digest place, other;
	char hex[65];

	wh_digest_of("stage, text", 11, &place);
	wh_digest_of("another", 7, &other);
	assert_int_equal(wh_blob_put(e->store, "{\"a\":1}", 7, &a.inputs, NULL), 0);
	a.place = b.place = place;
	/* The last one made, whichever was used last. */
	assert_int_equal(wh_cache_put(e->cache, &b, 1, NULL), 0);
	assert_int_equal(wh_cache_put(e->cache, &a, 1, NULL), 0);
	put(e, 3); /* one without a place */
	/* The clock of files is coarser than that of the table. */
	older = wh_asprintf("%s/records/%s", e->path, wh_digest_hex(&b.key, hex));
	assert_int_equal(utimensat(AT_FDCWD, older, past, 0), 0);
	for (int again = 0; again < 2; again++) {
		assert_int_equal(wh_cache_find_place(e->cache, &place, &got, NULL), 1);
		assert_true(wh_digest_eq(&got.key, &a.key));
		assert_true(wh_digest_eq(&got.place, &place));
		assert_true(wh_digest_eq(&got.inputs, &a.inputs));
		wh_record_release(&got);
		assert_int_equal(wh_cache_find_place(e->cache, &other, &got, NULL), 0);
		assert_int_equal(wh_cache_find_place(e->cache, &place, NULL, NULL), 1);
		assert_int_equal(wh_cache_get(e->cache, &b.key, &got, NULL), 1);
		assert_true(wh_digest_eq(&got.place, &place));
		assert_true(wh_digest_is_zero(&got.inputs));
		wh_record_release(&got);
		expect(e, 3);
		wh_cache_close(WH_TAKE_PTR(e->cache));
		assert_int_equal(unlink(db), 0);
		reopen(e); /* the second time from the documents */
	}
	assert_int_equal(wh_cache_put(e->cache, &b, 1, NULL), 0);
	assert_int_equal(wh_cache_find_place(e->cache, &place, &got, NULL), 1);
	assert_true(wh_digest_eq(&got.key, &b.key));
	blob = wh_asprintf("%s/blobs/sha256/%s", e->path, wh_digest_hex(&a.inputs, hex));
	assert_int_equal(unlink(blob), 0);
	expect(e, 1);
}

/* Documents as earlier programs wrote them, and such as nobody did. */
static void test_documents(void **state)
{
#define K "1111111111111111111111111111111111111111111111111111111111111111"
#define D "2222222222222222222222222222222222222222222222222222222222222222"
#define IDS "\"key\":\"" K "\",\"op\":\"" D "\",\"base\":\"" D "\""
#define LAYER "\"layer\":{\"diff_id\":\"" D "\",\"blob\":\"" D "\",\"size\":1,\"comp\":\"zstd\",\"entries\":2}"
	static const struct {
		const char *text;
		bool good;
	} cases[] = {
		{"{\"schema\":1," IDS "," LAYER "}", true},
		{"{\"schema\":1," IDS ",\"empty\":true}", true},
		{"{\"schema\":1," IDS "," LAYER ",\"place\":\"" D "\",\"inputs\":\"" D "\"}", true},
		{"{\"schema\":1," IDS "," LAYER ",\"place\":3,\"inputs\":\"no digest\"}", true},
		{"{\"schema\":1," IDS "," LAYER ",\"doc\":\"no digest\"}", false},
		{"{\"schema\":2," IDS "," LAYER "}", false},
		{"{\"schema\":1," IDS "}", false},
		{"{\"schema\":1," LAYER "}", false},
		{"{\"schema\":1," IDS "," LAYER, false},
		{"", false},
	};
	struct wh_record r;
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		if (wh_record_load(K, cases[i].text, strlen(cases[i].text), &r) != cases[i].good)
			fail_msg("%s", cases[i].text);
		if (cases[i].good)
			wh_record_release(&r);
		assert_false(wh_record_load(D, cases[i].text, strlen(cases[i].text), &r));
	}
#undef K
#undef D
#undef IDS
#undef LAYER
}

struct seen {
	struct env *e;
	size_t n, stop_at;
	bool remove;
};

static int on_record(void *arg, const struct wh_record *r, int64_t used)
{
	struct seen *s = arg;
	int64_t now = time(NULL);

	assert_true(used <= now && used > now - 1000);
	assert_int_equal(r->layer.blob_size, 4);
	if (s->n++ == s->stop_at)
		return -ECANCELED;
	return s->remove ? wh_cache_remove(s->e->cache, &r->key, 1, NULL) : 0;
}

static void test_each_and_remove(void **state)
{
	struct env *e = *state;
	struct seen all = {e, 0, SIZE_MAX, false}, some = {e, 0, 3, false}, gone = {e, 0, SIZE_MAX, true};
	WH_AUTO_FREE char *blob = NULL;
	struct wh_record a = record(e, 4), b = record(e, 5);
	struct wh_digest keys[3] = {a.key, b.key};
	char hex[65];
	size_t n;
	unsigned i;

	for (i = 0; i < 12; i++)
		put(e, i);
	/* Without its blob a record is still one: who collects wants to know. */
	blob = wh_asprintf("%s/blobs/sha256/%s", e->path, wh_digest_hex(&a.layer.blob, hex));
	assert_int_equal(unlink(blob), 0);
	assert_int_equal(wh_cache_each(e->cache, on_record, &all, NULL), 0);
	assert_int_equal(all.n, 12);
	assert_int_equal(wh_cache_each(e->cache, on_record, &some, NULL), -ECANCELED);
	assert_int_equal(some.n, 4);
	/* Two that are there, one that never was; and again, when none is. */
	assert_int_equal(wh_cache_remove(e->cache, keys, 3, NULL), 0);
	assert_int_equal(wh_cache_remove(e->cache, keys, 3, NULL), 0);
	expect_none(e, 5);
	expect(e, 6);
	assert_int_equal(wh_cache_rebuild(e->cache, &n, NULL), 0);
	assert_int_equal(n, 10); /* their documents are gone, too */
	assert_int_equal(wh_cache_each(e->cache, on_record, &gone, NULL), 0);
	assert_int_equal(gone.n, 10);
	assert_int_equal(wh_cache_rebuild(e->cache, &n, NULL), 0);
	assert_int_equal(n, 0);
	put(e, 5);
	expect(e, 5);
}

static void test_rebuild(void **state)
{
	struct env *e = *state;
	WH_AUTO_FREE char *db = file(e, "cache.db");
	WH_AUTO_FREE char *junk = file(e, "records/junk");
	WH_AUTO_FREE char *bad = NULL;
	struct wh_record r = record(e, 999);
	size_t n = 0;
	char hex[65];
	unsigned i;

	for (i = 0; i < 25; i++)
		put(e, i);
	/* What is not a record, or lies about its key, is not taken. */
	assert_int_equal(wh_write_file_atomic(AT_FDCWD, junk, "x", 1, 0600, false), 0);
	bad = wh_asprintf("%s/records/%s", e->path, wh_digest_hex(&r.key, hex));
	assert_int_equal(wh_write_file_atomic(AT_FDCWD, bad, "{\"schema\":1}", 12, 0600, false), 0);
	assert_int_equal(wh_cache_rebuild(e->cache, &n, NULL), 0);
	assert_int_equal(n, 25);
	expect(e, 7);
	/* The whole index lost. */
	wh_cache_close(WH_TAKE_PTR(e->cache));
	assert_int_equal(unlink(db), 0);
	reopen(e);
	for (i = 0; i < 25; i++)
		expect(e, i);
	assert_int_equal(e->notices, 0);
}

/* Another version of the table: thrown away, made from the records. */
static void test_other_version(void **state)
{
	struct env *e = *state;
	WH_AUTO_FREE char *path = file(e, "cache.db");
	sqlite3 *db;

	put(e, 1);
	wh_cache_close(WH_TAKE_PTR(e->cache));
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "DROP TABLE record; CREATE TABLE record(x); PRAGMA user_version = 99", NULL,
				      NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	reopen(e);
	expect(e, 1);
	/* The right version, but the table is not there. */
	wh_cache_close(WH_TAKE_PTR(e->cache));
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "DROP TABLE record", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	reopen(e);
	expect(e, 1);
}

static void scribble(const char *path, off_t at, size_t n)
{
	WH_AUTO_FD int fd = wh_openat(AT_FDCWD, path, O_WRONLY, 0);
	WH_AUTO_FREE char *junk = wh_malloc(n);

	assert_true(fd >= 0);
	memset(junk, 0xa5, n);
	assert_int_equal(pwrite(fd, junk, n, at), (ssize_t)n);
}

static void test_damaged(void **state)
{
	static const struct {
		off_t at;
		size_t n;
	} cases[] = {{0, 100}, {0, 4096}, {100, 3000}, {4096, 4096}, {8192, 60000}};
	struct env *e = *state;
	WH_AUTO_FREE char *path = file(e, "cache.db");
	WH_AUTO_FREE char *aside = file(e, "cache.db.damaged");
	size_t i, n = 0;
	unsigned j;

	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		for (j = 0; j < 200; j++)
			put(e, j);
		wh_cache_close(WH_TAKE_PTR(e->cache)); /* the log is written back */
		scribble(path, cases[i].at, cases[i].n);
		unlink(aside);
		e->notices = 0;
		reopen(e);
		for (j = 0; j < 200; j++)
			expect(e, j);
		put(e, 1000 + (unsigned)i);
		expect(e, 1000 + (unsigned)i);
		assert_int_equal(e->notices, 1);
		assert_int_equal(access(aside, F_OK), 0);
	}
	/* Cut short, as after a power cut. */
	wh_cache_close(WH_TAKE_PTR(e->cache));
	assert_int_equal(truncate(path, 5000), 0);
	reopen(e);
	expect(e, 150);
	assert_int_equal(wh_cache_rebuild(e->cache, &n, NULL), 0);
	assert_int_equal(n, 200 + WH_ARRAY_SIZE(cases));
}

enum { WRITERS = 6, EACH = 10, ROUNDS = 8 };

/* A process of its own, which opens the index when the pipe closes: all at once. */
static int writer(const char *path, int i, const int gun[2])
{
	struct env e = {0};
	char c;
	int j;

	snprintf(e.path, sizeof(e.path), "%s", path);
	if (wh_store_open(e.path, &e.store, NULL) < 0)
		return 1;
	close(gun[1]);
	if (read(gun[0], &c, 1) != 0)
		return 5;
	if (wh_cache_open(e.store, NULL, NULL, &e.cache, NULL) < 0)
		return 2;
	for (j = 0; j < EACH; j++) {
		struct wh_record r = record(&e, (unsigned)(i * EACH + j)), got;

		if (wh_cache_put(e.cache, &r, 1, NULL) < 0)
			return 3;
		if (wh_cache_get(e.cache, &r.key, &got, NULL) != 1)
			return 4;
	}
	wh_cache_close(e.cache);
	wh_store_close(e.store);
	return 0;
}

/* Processes that open, read and write at once; they meet when there is no index yet. */
static void test_concurrent(void **state)
{
	struct env *e = *state;
	WH_AUTO_FREE char *db = file(e, "cache.db");
	pid_t pids[WRITERS];
	int status, round, i, gun[2];

	for (round = 0; round < ROUNDS; round++) {
		assert_int_equal(pipe2(gun, O_CLOEXEC), 0);
		wh_cache_close(WH_TAKE_PTR(e->cache));
		assert_int_equal(unlink(db), 0);
		for (i = 0; i < WRITERS; i++) {
			pids[i] = fork();
			assert_true(pids[i] >= 0);
			if (pids[i] == 0) {
				wh_store_forget(e->store);
				_exit(writer(e->path, i, gun));
			}
		}
		close(gun[0]);
		close(gun[1]);
		for (i = 0; i < WRITERS; i++) {
			assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
			assert_int_equal(status, 0);
		}
		reopen(e);
		for (i = 0; i < WRITERS * EACH; i++)
			expect(e, (unsigned)i);
	}
	assert_int_equal(e->notices, 0);
}

static void test_last_use(void **state)
{
	struct env *e = *state;
	WH_AUTO_FREE char *path = file(e, "cache.db");
	struct wh_record a = record(e, 11), b = record(e, 12), got;
	sqlite3 *db;

	/* 11 and 12 are of one operation: the one used last is the one shown. */
	put(e, 11);
	put(e, 12);
	wh_cache_close(WH_TAKE_PTR(e->cache));
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "UPDATE record SET used = used - 100000; ", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	reopen(e);
	assert_int_equal(wh_cache_touch(e->cache, &a.key, 1, NULL), 0);
	assert_int_equal(wh_cache_find_op(e->cache, &a.op, &got, NULL), 1);
	assert_true(wh_digest_eq(&got.key, &a.key));
	wh_record_release(&got);
	wh_record_release(&a);
	wh_record_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_roundtrip, setup, teardown),
		cmocka_unit_test_setup_teardown(test_blob_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(test_doc, setup, teardown),
		cmocka_unit_test_setup_teardown(test_table_before, setup, teardown),
		cmocka_unit_test_setup_teardown(test_place, setup, teardown),
		cmocka_unit_test(test_documents),
		cmocka_unit_test_setup_teardown(test_each_and_remove, setup, teardown),
		cmocka_unit_test_setup_teardown(test_rebuild, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_version, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_concurrent, setup, teardown),
		cmocka_unit_test_setup_teardown(test_last_use, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
