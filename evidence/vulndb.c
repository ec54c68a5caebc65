/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vulnerability database.
 *
 *   ROOT/db/vulnerabilities.db     SQLite; user_version is the schema below
 *   ROOT/db/lock                   held (flock) by who imports
 *
 *   record(n, id, modified, withdrawn, digest, ids)       ids: what findings are called, one a line
 *   affected(record, ecosystem, name, severity, spec)     spec: JSON of vulndb_record.c; severity: enum wh_severity
 *   meta(key, value)                                      counts and digest, written last by each import
 *
 * The published file never changes: an import makes a new one under tmp/, as a copy with the records added, and
 * renames it. So readers need no locks, and whatever is killed when, there is the old database or the new one. The
 * digest is over the records alone, H("whittle vulndb 1" ‖ for each, in order of ids: id ‖ H(canonical JSON)):
 * however they were packed, and in whatever order they came.
 */
#include "evidence/vulndb_private.h"

#include <errno.h>
#include <sys/file.h>

#define SCHEMA 1
#define FILE_NAME "vulnerabilities.db"
#define MAX_ECOSYSTEMS 10000

int wh_sql_run(sqlite3 *sql, const char *text)
{
	return sqlite3_exec(sql, text, NULL, NULL, NULL);
}

static bool is_damage(int rc)
{
	rc &= 0xff;
	/* A plain error: the version is right, but a table or a column is not. */
	return rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB || rc == SQLITE_FORMAT || rc == SQLITE_ERROR;
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

int wh_vulndb_lock(struct wh_vulndb *db, struct wh_err **err)
{
	int fd = wh_openat(db->dir, "lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600);

	while (fd >= 0 && flock(fd, LOCK_EX) < 0) {
		if (errno == EINTR)
			continue;
		close(fd);
		fd = -errno;
	}
	return fd < 0 ? wh_err_sys(err, "evidence", WH_ERR_ENV, -fd, "lock the vulnerability database") : fd;
}

/* True when it was moved by us or by somebody else. */
static bool move_aside(struct wh_vulndb *db, bool locked)
{
	WH_AUTO_FD int lock = locked ? -1 : wh_vulndb_lock(db, NULL);
	struct stat st;

	(void)lock; /* held to the end */
	if (fstatat(db->dir, FILE_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT;
	if (st.st_dev != db->seen.st_dev || st.st_ino != db->seen.st_ino)
		return true;
	return renameat(db->dir, FILE_NAME, db->dir, FILE_NAME ".damaged") == 0;
}

int wh_vulndb_error(struct wh_vulndb *db, sqlite3 *sql, int rc, bool locked, const char *what, struct wh_err **err)
{
	/* What we found ourselves (a check that did not say "ok") is not in the connection. */
	const char *text =
		sql && (sqlite3_errcode(sql) & 0xff) == (rc & 0xff) ? sqlite3_errmsg(sql) : sqlite3_errstr(rc);
	int r;

	if (!is_damage(rc) || !db->sql)
		return wh_err_set(err, "evidence", WH_ERR_ENV, sql_errno(rc), "vulnerability database %s: %s: %s",
				  db->path, what, text);
	if (move_aside(db, locked))
		r = wh_err_set(err, "evidence", WH_ERR_ENV, EBADMSG,
			       "the vulnerability database %s is damaged (%s: %s); it was moved aside to %s.damaged",
			       db->path, what, text, db->path);
	else
		r = wh_err_set(err, "evidence", WH_ERR_ENV, EBADMSG,
			       "the vulnerability database %s is damaged (%s: %s)", db->path, what, text);
	wh_err_hint(err, "import the records again: whittle db import FILE");
	return r;
}

static int version(sqlite3 *sql, int *ret)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(sql, "PRAGMA user_version", -1, &st, NULL);

	if (rc == SQLITE_OK) {
		rc = sqlite3_step(st);
		*ret = sqlite3_column_int(st, 0);
		rc = rc == SQLITE_ROW ? SQLITE_OK : rc;
	}
	sqlite3_finalize(st);
	return rc;
}

static void sql_close(struct wh_vulndb *db)
{
	sqlite3_close(db->sql);
	db->sql = NULL;
}

int wh_vulndb_reopen(struct wh_vulndb *db, struct wh_err **err)
{
	int v = 0, rc, r;

	sql_close(db);
	if (fstatat(db->dir, FILE_NAME, &db->seen, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : wh_err_sys(err, "evidence", WH_ERR_ENV, errno, "open %s", db->path);
	rc = sqlite3_open_v2(db->path, &db->sql, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK)
		rc = version(db->sql, &v);
	if (rc != SQLITE_OK) {
		r = wh_vulndb_error(db, db->sql, rc, false, "open", err);
		sql_close(db);
		return r;
	}
	if (v == SCHEMA)
		return 0;
	sql_close(db);
	r = wh_err_set(err, "evidence", WH_ERR_ENV, EPROTO,
		       "the vulnerability database %s is of version %d, this whittle has %d", db->path, v, SCHEMA);
	wh_err_hint(err, "it is only an index: remove it, and import the records again with whittle db import FILE");
	return r;
}

int wh_vulndb_open(struct wh_store *s, struct wh_vulndb **ret, struct wh_err **err)
{
	struct wh_vulndb *db = wh_calloc(1, sizeof(*db));
	int r = wh_mkdir_p(wh_store_dirfd(s), "db", 0700);

	*db = (struct wh_vulndb){.store = s, .dir = -1, .path = wh_asprintf("%s/db/" FILE_NAME, wh_store_path(s))};
	if (r == 0)
		r = db->dir = wh_openat(wh_store_dirfd(s), "db", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	r = r < 0 ? wh_err_sys(err, "evidence", WH_ERR_ENV, -r, "open %s/db", wh_store_path(s))
		  : wh_vulndb_reopen(db, err);
	if (r < 0) {
		wh_vulndb_close(db);
		return r;
	}
	*ret = db;
	return 0;
}

void wh_vulndb_close(struct wh_vulndb *db)
{
	if (!db)
		return;
	sql_close(db);
	wh_closep(&db->dir);
	free(db->path);
	free(db);
}

/* ---------------------------------------------------------------- a new database */

static const char schema_text[] =
	"CREATE TABLE record(n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, modified TEXT NOT NULL,"
	" withdrawn INT NOT NULL, digest BLOB NOT NULL, ids TEXT NOT NULL);"
	"CREATE TABLE affected(record INT NOT NULL, ecosystem TEXT NOT NULL, name TEXT NOT NULL, severity INT NOT NULL,"
	" spec TEXT NOT NULL);"
	"CREATE INDEX affected_name ON affected(ecosystem, name);"
	"CREATE INDEX affected_record ON affected(record);"
	"CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
	"PRAGMA user_version = 1";
_Static_assert(SCHEMA == 1, "user_version in schema_text");

struct import {
	struct wh_vulndb *db;
	sqlite3 *sql;
	sqlite3_stmt *find, *put, *drop, *add;
	uint64_t taken, skipped;
};

/* The file of the new database, with what is there already. */
static int draft_file(struct wh_vulndb *db, const char *name, struct wh_err **err)
{
	WH_AUTO_FD int out = wh_openat(wh_store_tmp_dirfd(db->store), name, O_RDWR | O_CREAT | O_EXCL, 0600);
	WH_AUTO_FD int in = -1;
	int r = out < 0 ? out : 0;

	if (r == 0 && db->sql) {
		in = wh_openat(db->dir, FILE_NAME, O_RDONLY | O_NOFOLLOW, 0);
		r = in < 0 ? in : wh_copy_fd(in, out, UINT64_MAX);
	}
	return r < 0 ? wh_err_sys(err, "evidence", WH_ERR_ENV, -r, "copy %s", db->path) : 0;
}

static int prepare(struct import *im)
{
	const struct {
		sqlite3_stmt **st;
		const char *text;
	} all[] = {
		{&im->find, "SELECT n, modified, digest FROM record WHERE id = ?1"},
		{&im->put, "INSERT INTO record(id, modified, withdrawn, digest, ids, n) VALUES(?1, ?2, ?3, ?4, ?5, ?6)"
			   " ON CONFLICT(id) DO UPDATE SET modified = ?2, withdrawn = ?3, digest = ?4, ids = ?5"},
		{&im->drop, "DELETE FROM affected WHERE record = ?1"},
		{&im->add, "INSERT INTO affected VALUES(?1, ?2, ?3, ?4, ?5)"},
	};
	int rc = SQLITE_OK;

	for (size_t i = 0; i < WH_ARRAY_SIZE(all) && rc == SQLITE_OK; i++)
		rc = sqlite3_prepare_v3(im->sql, all[i].text, -1, SQLITE_PREPARE_PERSISTENT, all[i].st, NULL);
	return rc;
}

/* What is copied may have been damaged on its disk. */
static int check(sqlite3 *sql)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(sql, "PRAGMA quick_check(1)", -1, &st, NULL);

	if (rc == SQLITE_OK) {
		rc = sqlite3_step(st);
		if (rc == SQLITE_ROW)
			rc = wh_streq((const char *)sqlite3_column_text(st, 0), "ok") ? SQLITE_OK : SQLITE_CORRUPT;
	}
	sqlite3_finalize(st);
	return rc;
}

/* No journal and no syncs: until it is renamed, nobody knows of the file. */
static int draft_open(struct import *im, const char *path)
{
	int rc = sqlite3_open_v2(path, &im->sql, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc == SQLITE_OK)
		rc = wh_sql_run(im->sql,
				"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;"
				"PRAGMA locking_mode = EXCLUSIVE");
	if (rc == SQLITE_OK && im->db->sql)
		rc = check(im->sql);
	if (rc == SQLITE_OK && !im->db->sql)
		rc = wh_sql_run(im->sql, schema_text);
	if (rc == SQLITE_OK)
		rc = prepare(im);
	return rc == SQLITE_OK ? wh_sql_run(im->sql, "BEGIN") : rc;
}

static void draft_close(struct import *im)
{
	sqlite3_finalize(im->find);
	sqlite3_finalize(im->put);
	sqlite3_finalize(im->drop);
	sqlite3_finalize(im->add);
	sqlite3_close(im->sql);
	im->find = im->put = im->drop = im->add = NULL;
	im->sql = NULL;
}

static int step_once(sqlite3_stmt *st)
{
	int rc = sqlite3_step(st);

	sqlite3_reset(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static void bind_text(sqlite3_stmt *st, int i, const char *s)
{
	sqlite3_bind_text(st, i, s, -1, SQLITE_STATIC);
}

/* *ret_n: its row, 0 when it is new; *ret_old: not newer than what is there, or the same. */
static int find(struct import *im, const struct wh_osv *o, int64_t *ret_n, bool *ret_old)
{
	const char *modified;
	int rc;

	*ret_n = 0;
	*ret_old = false;
	bind_text(im->find, 1, o->id);
	rc = sqlite3_step(im->find);
	if (rc == SQLITE_ROW) {
		*ret_n = sqlite3_column_int64(im->find, 0);
		modified = (const char *)sqlite3_column_text(im->find, 1);
		*ret_old = (modified && wh_osv_time_cmp(o->modified, modified) < 0) ||
			   (sqlite3_column_bytes(im->find, 2) == 32 &&
			    memcmp(sqlite3_column_blob(im->find, 2), o->digest.b, 32) == 0);
		rc = SQLITE_DONE;
	}
	sqlite3_reset(im->find);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int put_affected(struct import *im, int64_t n, const struct wh_osv_affected *a)
{
	WH_AUTO_BUF struct wh_buf spec = WH_BUF_INIT;

	wh_json_dump(a->spec, &spec);
	sqlite3_bind_int64(im->add, 1, n);
	bind_text(im->add, 2, a->ecosystem);
	bind_text(im->add, 3, a->name);
	sqlite3_bind_int(im->add, 4, (int)a->severity);
	bind_text(im->add, 5, spec.p);
	return step_once(im->add);
}

static int put(struct import *im, const struct wh_osv *o)
{
	WH_AUTO_BUF struct wh_buf ids = WH_BUF_INIT;
	bool old;
	int64_t n;
	int rc = find(im, o, &n, &old);

	if (rc != SQLITE_OK || old) {
		im->skipped += rc == SQLITE_OK;
		return rc;
	}
	for (size_t i = 0; i < o->ids.n; i++)
		wh_buf_addf(&ids, "%s%s", i ? "\n" : "", o->ids.v[i]);
	bind_text(im->put, 1, o->id);
	bind_text(im->put, 2, o->modified);
	sqlite3_bind_int(im->put, 3, o->withdrawn);
	sqlite3_bind_blob(im->put, 4, o->digest.b, 32, SQLITE_STATIC);
	bind_text(im->put, 5, ids.p);
	if (n)
		sqlite3_bind_int64(im->put, 6, n);
	else
		sqlite3_bind_null(im->put, 6);
	rc = step_once(im->put);
	if (rc == SQLITE_OK && n) {
		sqlite3_bind_int64(im->drop, 1, n);
		rc = step_once(im->drop);
	} else if (rc == SQLITE_OK) {
		n = sqlite3_last_insert_rowid(im->sql);
	}
	for (size_t i = 0; i < o->n_affected && rc == SQLITE_OK; i++)
		rc = put_affected(im, n, &o->affected[i]);
	im->taken++;
	return rc;
}

static int take(void *arg, const char *p, size_t n, const char *what, struct wh_err **err)
{
	struct import *im = arg;
	struct wh_osv o = {0};
	int rc, r = wh_osv_parse(p, n, what, &o, err);

	if (r < 0)
		return r;
	rc = put(im, &o);
	wh_osv_release(&o);
	return rc == SQLITE_OK ? 0 : wh_vulndb_error(im->db, im->sql, rc, true, "write", err);
}

/* ---------------------------------------------------------------- counts and digest */

static int meta(sqlite3 *sql, const char *key, const char *value)
{
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(sql, "INSERT OR REPLACE INTO meta VALUES(?1, ?2)", -1, &st, NULL);

	if (rc == SQLITE_OK) {
		bind_text(st, 1, key);
		bind_text(st, 2, value);
		rc = step_once(st);
	}
	sqlite3_finalize(st);
	return rc;
}

static int seal_digest(sqlite3 *sql)
{
	static const char head[] = "whittle vulndb 1";
	WH_AUTO_SHA256 struct wh_sha256 *h = wh_sha256_new();
	WH_AUTO_FREE char *newest = wh_strdup("");
	char text[WH_DIGEST_TEXT];
	struct wh_digest d;
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(sql, "SELECT id, digest, modified FROM record ORDER BY id", -1, &st, NULL);

	wh_sha256_add(h, head, sizeof(head));
	while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		const char *modified = (const char *)sqlite3_column_text(st, 2);

		wh_sha256_add(h, sqlite3_column_text(st, 0), (size_t)sqlite3_column_bytes(st, 0) + 1);
		wh_sha256_add(h, sqlite3_column_blob(st, 1), (size_t)sqlite3_column_bytes(st, 1));
		if (modified && (!*newest || wh_osv_time_cmp(modified, newest) > 0)) {
			free(newest);
			newest = wh_strdup(modified);
		}
		rc = SQLITE_OK;
	}
	sqlite3_finalize(st);
	wh_sha256_end(h, &d);
	rc = rc == SQLITE_DONE ? meta(sql, "digest", wh_digest_text(&d, text)) : rc;
	return rc == SQLITE_OK ? meta(sql, "newest", newest) : rc;
}

/* Written down once all records are in. */
static int seal(sqlite3 *sql)
{
	int rc = seal_digest(sql);

	if (rc == SQLITE_OK)
		rc = wh_sql_run(
			sql, "INSERT OR REPLACE INTO meta SELECT 'records', count(*) FROM record;"
			     "INSERT OR REPLACE INTO meta SELECT 'withdrawn', count(*) FROM record WHERE withdrawn;"
			     "INSERT OR REPLACE INTO meta SELECT 'affected', count(*) FROM affected;"
			     "INSERT OR REPLACE INTO meta SELECT 'ecosystems', group_concat(ecosystem, char(10)) FROM"
			     " (SELECT DISTINCT ecosystem FROM affected ORDER BY ecosystem);"
			     "COMMIT");
	return rc;
}

/* ---------------------------------------------------------------- import */

static int publish(struct wh_vulndb *db, const char *name, struct wh_err **err)
{
	int tmp = wh_store_tmp_dirfd(db->store), r = 0;
	WH_AUTO_FD int fd = wh_openat(tmp, name, O_RDONLY | O_NOFOLLOW, 0);

	if (fd < 0)
		r = fd;
	else if (fsync(fd) < 0 || renameat(tmp, name, db->dir, FILE_NAME) < 0 || fsync(db->dir) < 0)
		r = -errno;
	return r < 0 ? wh_err_sys(err, "evidence", WH_ERR_ENV, -r, "write %s", db->path) : wh_vulndb_reopen(db, err);
}

static int fill(struct import *im, const char *name, const char *path, struct wh_err **err)
{
	WH_AUTO_FREE char *file = wh_path_join(wh_store_tmp_path(im->db->store), name);
	int rc, r = draft_file(im->db, name, err);

	if (r < 0)
		return r;
	rc = draft_open(im, file);
	if (rc != SQLITE_OK)
		return wh_vulndb_error(im->db, im->sql, rc, true, "open", err);
	r = wh_osv_each(path, take, im, err);
	if (r < 0)
		return r;
	rc = seal(im->sql);
	return rc == SQLITE_OK ? 0 : wh_vulndb_error(im->db, im->sql, rc, true, "write", err);
}

int wh_vulndb_import(struct wh_vulndb *db, const char *path, uint64_t *ret_taken, uint64_t *ret_skipped,
		     struct wh_err **err)
{
	WH_AUTO_FREE char *name = wh_temp_name("vulndb-");
	WH_AUTO_FD int lock = wh_vulndb_lock(db, err);
	struct import im = {.db = db};
	int r = lock < 0 ? lock : 0;

	if (r == 0)
		r = wh_vulndb_reopen(db, err); /* another importer may have been first */
	if (r == 0)
		r = fill(&im, name, path, err);
	draft_close(&im);
	if (r == 0)
		r = publish(db, name, err);
	if (r < 0) {
		(void)unlinkat(wh_store_tmp_dirfd(db->store), name, 0);
		return r;
	}
	if (ret_taken)
		*ret_taken = im.taken;
	if (ret_skipped)
		*ret_skipped = im.skipped;
	return 0;
}

/* ---------------------------------------------------------------- info */

static void split_lines(const char *text, struct wh_strv *ret)
{
	while (*text && ret->n < MAX_ECOSYSTEMS) {
		size_t n = strcspn(text, "\n");

		wh_strv_take(ret, wh_strndup(text, n));
		text += n + (text[n] == '\n');
	}
}

static bool info_row(const char *key, const char *value, struct wh_vulndb_info *i)
{
	if (wh_streq(key, "digest"))
		return wh_digest_parse(value, &i->digest);
	if (wh_streq(key, "newest")) {
		free(i->newest);
		i->newest = *value ? wh_strdup(value) : NULL;
		return true;
	}
	if (wh_streq(key, "ecosystems")) {
		split_lines(value, &i->ecosystems);
		return true;
	}
	if (wh_streq(key, "records"))
		return wh_parse_u64(value, 10, &i->records);
	if (wh_streq(key, "affected"))
		return wh_parse_u64(value, 10, &i->affected);
	return !wh_streq(key, "withdrawn") || wh_parse_u64(value, 10, &i->withdrawn);
}

int wh_vulndb_info(struct wh_vulndb *db, struct wh_vulndb_info *ret, struct wh_err **err)
{
	struct wh_vulndb_info i = {0};
	sqlite3_stmt *st = NULL;
	int rc;

	if (!db->sql) {
		*ret = i;
		return 0;
	}
	rc = sqlite3_prepare_v2(db->sql, "SELECT key, coalesce(value, '') FROM meta", -1, &st, NULL);
	while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		const char *key = (const char *)sqlite3_column_text(st, 0),
			   *value = (const char *)sqlite3_column_text(st, 1);

		rc = key && value && info_row(key, value, &i) ? SQLITE_OK : SQLITE_CORRUPT;
	}
	sqlite3_finalize(st);
	if (rc == SQLITE_DONE && wh_digest_is_zero(&i.digest))
		rc = SQLITE_CORRUPT;
	if (rc != SQLITE_DONE) {
		wh_vulndb_info_release(&i);
		return wh_vulndb_error(db, db->sql, rc, false, "read", err);
	}
	i.present = i.records > 0;
	*ret = i;
	return 0;
}

void wh_vulndb_info_release(struct wh_vulndb_info *i)
{
	wh_strv_release(&i->ecosystems);
	free(i->newest);
	*i = (struct wh_vulndb_info){0};
}
