/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cache index: the table, made of the documents under records/.
 *
 * cache.db has one table with a document's fields (cacheindex_record.c), the
 * time when the record was made (to find the last one of a place) and that of
 * its last use, both worth nothing after a loss. A document is written before its row, so
 * that the rows can be made again from the files. user_version is the table's own version; any other
 * number, or a damaged file, and the table is filled from records/ again.
 * WAL, but not on network file systems, where its shared memory cannot work.
 */
#include "builder/cacheindex.h"

#include <dirent.h>
#include <errno.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <time.h>

#define TABLE 5 /* 1 had no doc, 2 no place and inputs, 3 no slot, 4 no chroot */
#define RECORD_MAX ((size_t)64 * 1024)
#define BUSY_MS 10000
#define SHRINK_MS 200
#define TOUCH_GRAIN 3600 /* seconds */

enum question {
	BY_KEY,
	BY_OP,
	BY_PLACE,
	BY_SLOT,
	N_QUESTIONS,
};

struct wh_cache {
	struct wh_store *store;
	char *path;
	int records; /* directory */
	sqlite3 *db;
	sqlite3_stmt *ask[N_QUESTIONS], *put, *touch;
	void (*notice)(void *arg, const char *text);
	void *arg;
};

static int record_write(struct wh_cache *c, const struct wh_record *r, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	char hex[65];
	int e;

	wh_record_dump(r, &b);
	wh_digest_hex(&r->key, hex);
	e = wh_write_file_atomic(c->records, hex, b.p, b.n, 0600, false);
	if (e < 0)
		return wh_err_sys(err, "builder", WH_ERR_ENV, -e, "write cache record %s", hex);
	return 0;
}

/* ---------------------------------------------------------------- SQLite */

static bool is_damage(int rc)
{
	rc &= 0xff;
	return rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB || rc == SQLITE_FORMAT;
}

static int sql_errno(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return EBUSY;
	case SQLITE_FULL:
		return ENOSPC;
	case SQLITE_NOMEM:
		return ENOMEM;
	case SQLITE_PERM:
	case SQLITE_READONLY:
	case SQLITE_AUTH:
		return EACCES;
	default:
		return EIO;
	}
}

static int sql_err(struct wh_cache *c, int rc, const char *what, struct wh_err **err)
{
	return wh_err_set(err, "builder", WH_ERR_ENV, sql_errno(rc), "cache index %s: %s: %s", c->path, what,
			  c->db ? sqlite3_errmsg(c->db) : sqlite3_errstr(rc));
}

static int run(struct wh_cache *c, const char *sql)
{
	return sqlite3_exec(c->db, sql, NULL, NULL, NULL);
}

static void finalize(struct wh_cache *c)
{
	size_t i;

	for (i = 0; i < N_QUESTIONS; i++)
		sqlite3_finalize(WH_TAKE_PTR(c->ask[i]));
	sqlite3_finalize(WH_TAKE_PTR(c->put));
	sqlite3_finalize(WH_TAKE_PTR(c->touch));
}

static void db_close(struct wh_cache *c)
{
	finalize(c);
	sqlite3_close(c->db);
	c->db = NULL;
}

static int version(struct wh_cache *c, int *ret)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(c->db, "PRAGMA user_version", -1, &st, NULL);

	if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		*ret = sqlite3_column_int(st, 0);
		rc = SQLITE_OK;
	}
	sqlite3_finalize(st);
	return rc;
}

#define COLUMNS "key, op, base, selection, empty, diff_id, blob, size, comp, newest, entries, doc, place, inputs, slot, chroot"
#define N_COLUMNS 16
#define SELECT "SELECT " COLUMNS " FROM record"

static int prepare(struct wh_cache *c)
{
	static const char *const questions[N_QUESTIONS] = {
		[BY_KEY] = SELECT " WHERE key = ?1",
		[BY_OP] = SELECT " WHERE op = ?1 ORDER BY used DESC LIMIT 1",
		[BY_PLACE] = SELECT " WHERE place = ?1 ORDER BY made DESC LIMIT 1",
		[BY_SLOT] = SELECT " WHERE slot = ?1 ORDER BY made DESC LIMIT 1",
	};
	static const char put[] = "INSERT OR REPLACE INTO record (" COLUMNS ", used, made)"
				  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";
	static const char touch[] = "UPDATE record SET used = ?2 WHERE key = ?1 AND used < ?3";
	int rc = SQLITE_OK;
	size_t i;

	for (i = 0; i < N_QUESTIONS && rc == SQLITE_OK; i++)
		rc = sqlite3_prepare_v3(c->db, questions[i], -1, SQLITE_PREPARE_PERSISTENT, &c->ask[i], NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v3(c->db, put, -1, SQLITE_PREPARE_PERSISTENT, &c->put, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_prepare_v3(c->db, touch, -1, SQLITE_PREPARE_PERSISTENT, &c->touch, NULL);
	return rc;
}

/* NULL for a digest that was not told. */
static void bind_digest(sqlite3_stmt *st, int i, const struct wh_digest *d)
{
	sqlite3_bind_blob(st, i, wh_digest_is_zero(d) ? NULL : d->b, 32, SQLITE_STATIC);
}

static int insert(struct wh_cache *c, const struct wh_record *r, const struct timespec *made)
{
	sqlite3_stmt *st = c->put;
	bool has = !r->empty;
	int rc;

	sqlite3_bind_blob(st, 1, r->key.b, 32, SQLITE_STATIC);
	sqlite3_bind_blob(st, 2, r->op.b, 32, SQLITE_STATIC);
	sqlite3_bind_blob(st, 3, r->base.b, 32, SQLITE_STATIC);
	sqlite3_bind_blob(st, 4, r->selection.b, 32, SQLITE_STATIC);
	sqlite3_bind_int(st, 5, r->empty);
	sqlite3_bind_blob(st, 6, has ? r->layer.diff_id.b : NULL, 32, SQLITE_STATIC);
	sqlite3_bind_blob(st, 7, has ? r->layer.blob.b : NULL, 32, SQLITE_STATIC);
	sqlite3_bind_int64(st, 8, has ? (int64_t)r->layer.blob_size : 0);
	sqlite3_bind_int(st, 9, has ? (int)r->layer.comp : 0);
	sqlite3_bind_int64(st, 10, has ? r->layer.newest : 0);
	sqlite3_bind_int64(st, 11, has ? (int64_t)r->layer.n_entries : 0);
	bind_digest(st, 12, &r->doc);
	bind_digest(st, 13, &r->place);
	bind_digest(st, 14, &r->inputs);
	bind_digest(st, 15, &r->slot);
	sqlite3_bind_int(st, 16, r->chroot);
	sqlite3_bind_int64(st, 17, made->tv_sec);
	sqlite3_bind_int64(st, 18, (int64_t)made->tv_sec * 1000000000 + made->tv_nsec);
	rc = sqlite3_step(st);
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Inside a transaction. */
static int fill(struct wh_cache *c, size_t *ret_n)
{
	int fd = fcntl(c->records, F_DUPFD_CLOEXEC, 3);
	DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	int rc = SQLITE_OK;
	struct dirent *e;

	*ret_n = 0;
	if (!d) {
		if (fd >= 0)
			close(fd);
		return SQLITE_OK;
	}
	rewinddir(d);
	while (rc == SQLITE_OK && (e = readdir(d))) {
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
		struct wh_record r;
		struct stat st;

		if (strlen(e->d_name) != 64 || wh_read_regular(c->records, e->d_name, RECORD_MAX, &b) < 0 || !b.n ||
		    !wh_record_load(e->d_name, b.p, b.n, &r))
			continue;
		if (fstatat(c->records, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			st.st_mtim = (struct timespec){0};
		rc = insert(c, &r, &st.st_mtim);
		if (rc == SQLITE_OK)
			++*ret_n;
		wh_record_release(&r);
	}
	closedir(d);
	return rc;
}

static int recreate(struct wh_cache *c, size_t *ret_n)
{
	static const char make[] = "DROP TABLE IF EXISTS record;"
				   "CREATE TABLE record(key BLOB PRIMARY KEY, op BLOB NOT NULL, base BLOB NOT NULL,"
				   " selection BLOB NOT NULL, empty INT NOT NULL, diff_id BLOB, blob BLOB,"
				   " size INT NOT NULL, comp INT NOT NULL, newest INT NOT NULL, entries INT NOT NULL,"
				   " doc BLOB, place BLOB, inputs BLOB, slot BLOB, chroot INT NOT NULL,"
				   " used INT NOT NULL, made INT NOT NULL)"
				   " WITHOUT ROWID;"
				   "CREATE INDEX record_op ON record(op, used);"
				   "CREATE INDEX record_place ON record(place, made) WHERE place IS NOT NULL;"
				   "CREATE INDEX record_slot ON record(slot, made) WHERE slot IS NOT NULL;"
				   "PRAGMA user_version = 5";
	int rc;

	finalize(c);
	rc = run(c, make);
	if (rc == SQLITE_OK)
		rc = prepare(c);
	if (rc == SQLITE_OK)
		rc = fill(c, ret_n);
	return rc;
}
_Static_assert(TABLE == 5, "user_version in recreate()");

static int make_schema(struct wh_cache *c)
{
	size_t n;
	int v = 0, rc = run(c, "BEGIN IMMEDIATE");

	if (rc != SQLITE_OK)
		return rc;
	rc = version(c, &v); /* another process may have been faster */
	if (rc == SQLITE_OK && v != TABLE)
		rc = recreate(c, &n);
	if (rc == SQLITE_OK)
		rc = run(c, "COMMIT");
	if (rc != SQLITE_OK)
		run(c, "ROLLBACK");
	return rc;
}

/* -1 when it cannot be had: then SQLite's own locks must do. */
static int take_lock(struct wh_cache *c)
{
	int fd = wh_openat(wh_store_dirfd(c->store), "cache.lock", O_RDWR | O_CREAT, 0600);

	if (fd >= 0)
		while (flock(fd, LOCK_EX) < 0 && errno == EINTR)
			;
	return fd;
}

static bool is_wal(struct wh_cache *c)
{
	sqlite3_stmt *st = NULL;
	bool wal = false;

	if (sqlite3_prepare_v2(c->db, "PRAGMA journal_mode", -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW) {
		const unsigned char *t = sqlite3_column_text(st, 0);

		wal = t && !memcmp(t, "wal", 4);
	}
	sqlite3_finalize(st);
	return wal;
}

/* Journal and tables. Under the lock: a change of the journal's mode does not wait, whatever the busy timeout says. */
static int db_setup(struct wh_cache *c, bool wal)
{
	int v = 0, rc;

	rc = run(c, wal ? "PRAGMA journal_mode = WAL" : "PRAGMA journal_mode = DELETE");
	if (rc == SQLITE_OK)
		rc = version(c, &v);
	if (rc == SQLITE_OK && v != TABLE)
		rc = make_schema(c);
	return rc;
}

/* locked: the caller has the lock. */
static int db_open(struct wh_cache *c, bool locked)
{
	bool wal = !wh_is_network_fs(wh_store_dirfd(c->store));
	int v = 0, rc;

	rc = sqlite3_open_v2(c->path, &c->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc != SQLITE_OK)
		return rc;
	sqlite3_extended_result_codes(c->db, 1);
	sqlite3_busy_timeout(c->db, BUSY_MS);
	rc = version(c, &v);
	if (rc == SQLITE_OK && (v != TABLE || is_wal(c) != wal)) {
		WH_AUTO_FD int lock = locked ? -1 : take_lock(c);

		(void)lock; /* held until the tables are there */
		rc = db_setup(c, wal);
	}
	if (rc == SQLITE_OK)
		rc = run(c, "PRAGMA synchronous = NORMAL");
	if (rc == SQLITE_OK && !c->put)
		rc = prepare(c);
	return rc;
}

/* A database whose pages are damaged, or which lacks what its version promises. */
static bool db_is_bad(struct wh_cache *c)
{
	sqlite3_stmt *st = NULL;
	bool ok = false;

	if (sqlite3_prepare_v2(c->db, "PRAGMA quick_check(1)", -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW) {
		const unsigned char *t = sqlite3_column_text(st, 0);

		ok = t && !memcmp(t, "ok", 3);
	}
	sqlite3_finalize(st);
	return !ok;
}

/* Moves a damaged index aside and makes a new one. Two processes that see the damage at once: the second finds the first
 * one's new index whole, and keeps it. */
static int repair(struct wh_cache *c)
{
	static const char *const left[] = {"cache.db-wal", "cache.db-shm", "cache.db-journal"};
	int dir = wh_store_dirfd(c->store);
	WH_AUTO_FD int lock = take_lock(c);
	size_t i;
	int rc;

	(void)lock; /* held to the end */
	db_close(c);
	rc = db_open(c, true);
	if (rc == SQLITE_OK && !db_is_bad(c))
		return rc;
	if (rc != SQLITE_OK && !is_damage(rc) && (rc & 0xff) != SQLITE_ERROR && (rc & 0xff) != SQLITE_CANTOPEN)
		return rc;
	db_close(c);
	if (renameat(dir, "cache.db", dir, "cache.db.damaged") < 0 && errno != ENOENT)
		return SQLITE_CANTOPEN;
	for (i = 0; i < WH_ARRAY_SIZE(left); i++)
		unlinkat(dir, left[i], 0);
	rc = db_open(c, true);
	if (rc == SQLITE_OK && c->notice)
		c->notice(
			c->arg,
			"the cache index was damaged; it was made again from its records (the old one: cache.db.damaged)");
	return rc;
}

int wh_cache_open(struct wh_store *s, void (*notice)(void *arg, const char *text), void *arg, struct wh_cache **ret,
		  struct wh_err **err)
{
	struct wh_cache *c = wh_calloc(1, sizeof(*c));
	int rc, r;

	*c = (struct wh_cache){.store = s, .records = -1, .notice = notice, .arg = arg};
	c->path = wh_asprintf("%s/cache.db", wh_store_path(s));
	r = wh_mkdir_p(wh_store_dirfd(s), "records", 0700);
	if (r == 0)
		r = c->records = wh_openat(wh_store_dirfd(s), "records", O_RDONLY | O_DIRECTORY, 0);
	if (r < 0) {
		r = wh_err_sys(err, "builder", WH_ERR_ENV, -r, "open %s/records", wh_store_path(s));
		wh_cache_close(c);
		return r;
	}
	rc = db_open(c, false);
	/* A plain SQLITE_ERROR: the version is right but a table is not. */
	if (is_damage(rc) || (rc & 0xff) == SQLITE_ERROR)
		rc = repair(c);
	if (rc != SQLITE_OK) {
		r = sql_err(c, rc, "open", err);
		wh_cache_close(c);
		return r;
	}
	*ret = c;
	return 0;
}

void wh_cache_close(struct wh_cache *c)
{
	if (!c)
		return;
	db_close(c);
	if (c->records >= 0)
		close(c->records);
	free(c->path);
	free(c);
}

/* ---------------------------------------------------------------- questions */

static bool column_digest(sqlite3_stmt *st, int i, struct wh_digest *ret)
{
	if (sqlite3_column_type(st, i) != SQLITE_BLOB || sqlite3_column_bytes(st, i) != 32)
		return false;
	memcpy(ret->b, sqlite3_column_blob(st, i), 32);
	return true;
}

static bool column_optional(sqlite3_stmt *st, int i, struct wh_digest *ret)
{
	return sqlite3_column_type(st, i) == SQLITE_NULL || column_digest(st, i, ret);
}

static bool row(sqlite3_stmt *st, struct wh_record *ret)
{
	struct wh_record r = {.empty = sqlite3_column_int(st, 4) != 0, .chroot = sqlite3_column_int(st, 15) != 0};
	int comp = sqlite3_column_int(st, 8);

	if (!column_digest(st, 0, &r.key) || !column_digest(st, 1, &r.op) || !column_digest(st, 2, &r.base) ||
	    !column_digest(st, 3, &r.selection) || !column_optional(st, 11, &r.doc) ||
	    !column_optional(st, 12, &r.place) || !column_optional(st, 13, &r.inputs) ||
	    !column_optional(st, 14, &r.slot))
		return false;
	if (r.empty) {
		*ret = r;
		return true;
	}
	if (!column_digest(st, 5, &r.layer.diff_id) || !column_digest(st, 6, &r.layer.blob) || comp < WH_COMP_NONE ||
	    comp > WH_COMP_ZSTD)
		return false;
	r.layer.blob_size = (uint64_t)sqlite3_column_int64(st, 7);
	r.layer.comp = (enum wh_compression)comp;
	r.layer.newest = sqlite3_column_int64(st, 9);
	r.layer.n_entries = (uint64_t)sqlite3_column_int64(st, 10);
	*ret = r;
	return true;
}

/* The statements are made again by a repair. 1 found, 0 not, or -errno. */
static int ask(struct wh_cache *c, enum question q, const struct wh_digest *d, struct wh_record *ret, struct wh_err **err)
{
	bool repaired = false;
	int rc, found;

	for (;;) {
		sqlite3_stmt *st = c->ask[q];

		sqlite3_bind_blob(st, 1, d->b, 32, SQLITE_STATIC);
		rc = sqlite3_step(st);
		found = rc == SQLITE_ROW && row(st, ret);
		sqlite3_reset(st);
		sqlite3_clear_bindings(st);
		if (rc == SQLITE_ROW || rc == SQLITE_DONE)
			return found;
		if (!is_damage(rc) || repaired)
			return sql_err(c, rc, "read", err);
		repaired = true;
		rc = repair(c);
		if (rc != SQLITE_OK)
			return sql_err(c, rc, "repair", err);
	}
}

int wh_cache_get(struct wh_cache *c, const struct wh_digest *key, struct wh_record *ret, struct wh_err **err)
{
	struct wh_record rec = {0};
	uint64_t size = 0;
	int r = ask(c, BY_KEY, key, &rec, err);

	if (r <= 0)
		return r;
	if ((!rec.empty && (!wh_blob_has(c->store, &rec.layer.blob, &size) || size != rec.layer.blob_size)) ||
	    (!wh_digest_is_zero(&rec.doc) && !wh_blob_has(c->store, &rec.doc, NULL))) {
		wh_record_release(&rec);
		return 0;
	}
	*ret = rec;
	return 1;
}

static int find(struct wh_cache *c, enum question q, const struct wh_digest *d, struct wh_record *ret,
		struct wh_err **err)
{
	struct wh_record rec = {0};
	int r = ask(c, q, d, &rec, err);

	if (r <= 0)
		return r;
	if (ret)
		*ret = rec;
	else
		wh_record_release(&rec);
	return 1;
}

int wh_cache_find_op(struct wh_cache *c, const struct wh_digest *op, struct wh_record *ret, struct wh_err **err)
{
	return find(c, BY_OP, op, ret, err);
}

int wh_cache_find_place(struct wh_cache *c, const struct wh_digest *place, struct wh_record *ret, struct wh_err **err)
{
	return find(c, BY_PLACE, place, ret, err);
}

int wh_cache_find_slot(struct wh_cache *c, const struct wh_digest *slot, struct wh_record *ret, struct wh_err **err)
{
	return find(c, BY_SLOT, slot, ret, err);
}

int wh_cache_known(struct wh_cache *c, const struct wh_digest *key, struct wh_err **err)
{
	return find(c, BY_KEY, key, NULL, err);
}

struct rows {
	struct rows_item {
		struct wh_record rec;
		int64_t used;
	} * v;
	size_t n, cap;
};

static int read_rows(struct wh_cache *c, struct rows *ret)
{
	sqlite3_stmt *st = NULL;
	struct rows_item item;
	int rc = sqlite3_prepare_v2(c->db, "SELECT " COLUMNS ", used FROM record", -1, &st, NULL);

	ret->n = 0;
	while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		rc = SQLITE_OK;
		item.used = sqlite3_column_int64(st, N_COLUMNS);
		if (row(st, &item.rec))
			WH_PUSH(ret->v, ret->n, ret->cap) = item;
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int wh_cache_each(struct wh_cache *c, wh_cache_fn fn, void *arg, struct wh_err **err)
{
	struct rows all = {0};
	int r = 0, rc;
	size_t i;

	/* All of them first: fn may ask and change the index, and a damaged one is read again from the beginning. */
	rc = read_rows(c, &all);
	if (is_damage(rc)) {
		rc = repair(c);
		if (rc == SQLITE_OK)
			rc = read_rows(c, &all);
	}
	if (rc != SQLITE_OK)
		r = sql_err(c, rc, "read", err);
	for (i = 0; i < all.n; i++) {
		if (r == 0)
			r = fn(arg, &all.v[i].rec, all.v[i].used);
		wh_record_release(&all.v[i].rec);
	}
	free(all.v);
	return r;
}

/* ---------------------------------------------------------------- changes */

/* Runs body in a transaction, with one repair and a second try when the index turns out to be damaged. */
static int change(struct wh_cache *c, int (*body)(struct wh_cache *c, void *arg), void *arg, const char *what,
		  struct wh_err **err)
{
	bool repaired = false;
	int rc;

	for (;;) {
		rc = run(c, "BEGIN IMMEDIATE");
		if (rc == SQLITE_OK)
			rc = body(c, arg);
		if (rc == SQLITE_OK)
			rc = run(c, "COMMIT");
		if (rc == SQLITE_OK)
			return 0;
		run(c, "ROLLBACK");
		if (!is_damage(rc) || repaired)
			return sql_err(c, rc, what, err);
		repaired = true;
		rc = repair(c);
		if (rc != SQLITE_OK)
			return sql_err(c, rc, "repair", err);
	}
}

struct put_args {
	const struct wh_record *recs;
	size_t n;
};

static int put_all(struct wh_cache *c, void *arg)
{
	const struct put_args *a = arg;
	int rc = SQLITE_OK;
	struct timespec now;
	size_t i;

	clock_gettime(CLOCK_REALTIME, &now);
	for (i = 0; i < a->n && rc == SQLITE_OK; i++)
		rc = insert(c, &a->recs[i], &now);
	return rc;
}

int wh_cache_put(struct wh_cache *c, const struct wh_record *recs, size_t n, struct wh_err **err)
{
	struct put_args a = {recs, n};
	size_t i;
	int r;

	if (!n)
		return 0;
	for (i = 0; i < n; i++) {
		r = record_write(c, &recs[i], err);
		if (r < 0)
			return r;
	}
	return change(c, put_all, &a, "write", err);
}

struct touch_args {
	const struct wh_digest *keys;
	size_t n;
	int64_t now;
};

static int touch_all(struct wh_cache *c, void *arg)
{
	const struct touch_args *a = arg;
	int rc = SQLITE_OK;
	size_t i;

	for (i = 0; i < a->n && rc == SQLITE_OK; i++) {
		sqlite3_bind_blob(c->touch, 1, a->keys[i].b, 32, SQLITE_STATIC);
		sqlite3_bind_int64(c->touch, 2, a->now);
		sqlite3_bind_int64(c->touch, 3, a->now - TOUCH_GRAIN);
		rc = sqlite3_step(c->touch);
		sqlite3_reset(c->touch);
		rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
	}
	return rc;
}

int wh_cache_touch(struct wh_cache *c, const struct wh_digest *keys, size_t n, struct wh_err **err)
{
	struct touch_args a = {keys, n, time(NULL)};

	return n ? change(c, touch_all, &a, "note the last use", err) : 0;
}

struct remove_args {
	const struct wh_digest *keys;
	size_t n;
};

static int remove_all(struct wh_cache *c, void *arg)
{
	static const char text[] = "DELETE FROM record WHERE key = ?1";
	const struct remove_args *a = arg;
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(c->db, text, -1, &st, NULL);
	char hex[65];
	size_t i;

	for (i = 0; i < a->n && rc == SQLITE_OK; i++) {
		if (unlinkat(c->records, wh_digest_hex(&a->keys[i], hex), 0) < 0 && errno != ENOENT) {
			rc = SQLITE_IOERR_DELETE;
			break;
		}
		sqlite3_bind_blob(st, 1, a->keys[i].b, 32, SQLITE_STATIC);
		rc = sqlite3_step(st);
		sqlite3_reset(st);
		rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
	}
	sqlite3_finalize(st);
	return rc;
}

int wh_cache_remove(struct wh_cache *c, const struct wh_digest *keys, size_t n, struct wh_err **err)
{
	struct remove_args a = {keys, n};

	return n ? change(c, remove_all, &a, "remove records", err) : 0;
}

void wh_cache_shrink(struct wh_cache *c)
{
	char text[128];

	sqlite3_busy_timeout(c->db, SHRINK_MS);
	snprintf(text, sizeof(text), "UPDATE record SET used = %lld WHERE used > %lld", (long long)time(NULL),
		 (long long)time(NULL) + TOUCH_GRAIN);
	(void)run(c, text);
	(void)run(c, "VACUUM");
	(void)run(c, "PRAGMA wal_checkpoint(TRUNCATE)");
	sqlite3_busy_timeout(c->db, BUSY_MS);
}

static int rebuild_all(struct wh_cache *c, void *arg)
{
	return recreate(c, arg);
}

int wh_cache_rebuild(struct wh_cache *c, size_t *ret_n, struct wh_err **err)
{
	size_t n = 0;
	int r = change(c, rebuild_all, &n, "rebuild", err);

	if (r == 0 && ret_n)
		*ret_n = n;
	return r;
}
