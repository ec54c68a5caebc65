/* SPDX-License-Identifier: Apache-2.0 */
/* What the files around the vulnerability database share: versions, severities, OSV records. */
#ifndef WH_EVIDENCE_VULNDB_PRIVATE_H
#define WH_EVIDENCE_VULNDB_PRIVATE_H

#include "evidence/evidence.h"

#include <sqlite3.h>

/* ---------------------------------------------------------------- langversion.c, debversion.c: orders of versions */

enum wh_version_scheme { WH_SCHEME_NONE, WH_SCHEME_DEB, WH_SCHEME_PEP440, WH_SCHEME_SEMVER };
/* How an OSV ecosystem ("Debian:12", "PyPI") orders its versions. NONE: not known here. */
enum wh_version_scheme wh_version_scheme_of(const char *ecosystem);
/* False when one of the texts is no version of this scheme (never for deb). */
bool wh_version_cmp(enum wh_version_scheme s, const char *a, const char *b, int *ret);
/* The name under which an ecosystem's packages are looked up: PyPI's are equal without regard to case, "-", "_" and
 * ".". malloc'ed. */
char *wh_ecosystem_name(const char *ecosystem, const char *name);

/* ---------------------------------------------------------------- severity.c, cvss.c */

/* Base score in tenths (0 to 100) of a vector of CVSS 2.0, 3.0, 3.1 or 4.0; false: it is none. Temporal and
 * environmental metrics are passed over, as bands are told by base scores. ret_version: 2, 3 or 4. */
bool wh_cvss_score(const char *vector, unsigned *ret_tenths, unsigned *ret_version);
/* The band of a vector, or WH_SEV_UNKNOWN. */
enum wh_severity wh_cvss_severity(const char *vector);
/* "HIGH", "moderate", "unimportant" …, or WH_SEV_UNKNOWN. */
enum wh_severity wh_severity_of_word(const char *word);
/* Of one affected entry of a record: the vendor's word first, then CVSS (see severity.c). */
enum wh_severity wh_severity_of_osv(const json_t *record, const json_t *affected);

/* ---------------------------------------------------------------- vulndb_record.c: one OSV record */

struct wh_osv_affected {
	char *ecosystem, *name;
	enum wh_severity severity;
	json_t *spec; /* {"ranges":[[event…]…], "versions":[…]}: only what decides, empty parts left out */
};
struct wh_osv {
	char *id, *modified;
	bool withdrawn;
	struct wh_strv ids; /* what a finding is called: one for each CVE that it stands for, else its own id. Sorted */
	struct wh_digest digest; /* over the record's canonical JSON */
	struct wh_osv_affected *affected;
	size_t n_affected, cap_affected;
};
/* -EINVAL with one line of what is wrong; what names the record in it. */
int wh_osv_parse(const char *p, size_t n, const char *what, struct wh_osv *ret, struct wh_err **err);
void wh_osv_release(struct wh_osv *o);
/* <0, 0, >0 for two times as OSV writes them ("2023-01-02T03:04:05.67Z"). */
int wh_osv_time_cmp(const char *a, const char *b);

/* Does the spec of an affected entry include this version? *ret_fixed (may be NULL) points into spec: the next
 * version that is outside, or NULL: none is known. */
enum wh_osv_match { WH_OSV_NO, WH_OSV_YES, WH_OSV_UNSURE /* a range cannot be compared */ };
enum wh_osv_match wh_osv_affects(const json_t *spec, enum wh_version_scheme scheme, const char *version,
				 const char **ret_fixed);

/* ---------------------------------------------------------------- vulndb.c */

struct wh_vulndb {
	struct wh_store *store;
	int dir;          /* ROOT/db */
	char *path;       /* of the database, for messages and SQLite */
	sqlite3 *sql;     /* read only; NULL: nothing was imported */
	struct stat seen; /* the file behind sql */
};
/* Turns what SQLite says about sql into an error. Damage moves the file aside, unless another one took its place by
 * now. locked: by the caller. */
int wh_vulndb_error(struct wh_vulndb *db, sqlite3 *sql, int rc, bool locked, const char *what, struct wh_err **err);
/* Opens what is there now. */
int wh_vulndb_reopen(struct wh_vulndb *db, struct wh_err **err);
/* Waits for other importers; the fd holds the lock. */
int wh_vulndb_lock(struct wh_vulndb *db, struct wh_err **err);
int wh_sql_run(sqlite3 *sql, const char *text); /* statements without results; SQLite's code */

/* ---------------------------------------------------------------- vulndb_stream.c */

/* Calls fn for each OSV record of a file or directory, as text; what names it ("all.zip: CVE-….json: record 1"). */
typedef int (*wh_osv_fn)(void *arg, const char *p, size_t n, const char *what, struct wh_err **err);
int wh_osv_each(const char *path, wh_osv_fn fn, void *arg, struct wh_err **err);

#endif
