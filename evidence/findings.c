/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packages against the vulnerability database.
 *
 * Debian's and Ubuntu's records speak of source packages: a binary package is looked up by its source's name and
 * version, among the records of the release that os-release names. PyPI's and npm's are looked up by their own. What
 * could not be looked up is counted, not passed over: a figure that leaves things out says so.
 */
#include "evidence/vulndb_private.h"

#include <errno.h>

#define MAX_ECOSYSTEMS 4 /* names of one release */

struct search {
	struct wh_vulndb *db;
	const struct wh_packages *packages;
	sqlite3_stmt *find;
	struct wh_strv distro, pypi, npm; /* ecosystems, of which the database has records */
	struct wh_finding *v;
	size_t n, cap;
	bool *specific; /* the finding's record is about this one id; parallel to v */
	size_t n_specific, cap_specific;
};

static void finding_release(struct wh_finding *f)
{
	free(f->id);
	free(f->record);
	free(f->package);
	free(f->version);
	free(f->source);
	free(f->purl);
	free(f->fixed);
	*f = (struct wh_finding){0};
}

void wh_findings_release(struct wh_findings *f)
{
	for (size_t i = 0; i < f->n; i++)
		finding_release(&f->v[i]);
	free(f->v);
	free(f->why);
	free(f->database_date);
	*f = (struct wh_findings){0};
}

/* ---------------------------------------------------------------- which ecosystems */

/* "12.4" → "12" */
static char *major(const char *version)
{
	return wh_strndup(version, strcspn(version, "."));
}

/* Names under which OSV has the records of this release, the exact one first. */
static void release_names(const struct wh_packages *p, struct wh_strv *ret)
{
	WH_AUTO_FREE char *m = NULL;

	if (!p->distro_id || !p->distro_version || !*p->distro_version)
		return;
	if (wh_streq(p->distro_id, "debian")) {
		m = major(p->distro_version);
		wh_strv_addf(ret, "Debian:%s", m);
		wh_strv_add(ret, "Debian");
	} else if (wh_streq(p->distro_id, "ubuntu")) {
		wh_strv_addf(ret, "Ubuntu:%s", p->distro_version);
		wh_strv_addf(ret, "Ubuntu:%s:LTS", p->distro_version);
		wh_strv_add(ret, "Ubuntu");
	}
}

static void present(const struct wh_vulndb_info *info, const struct wh_strv *names, struct wh_strv *ret)
{
	for (size_t i = 0; i < names->n; i++)
		if (wh_strv_has(&info->ecosystems, names->v[i]))
			wh_strv_add(ret, names->v[i]);
}

static const struct wh_strv *ecosystems_of(const struct search *s, const struct wh_package *p)
{
	switch (p->kind) {
	case WH_PKG_DEB:
		return &s->distro;
	case WH_PKG_PYPI:
		return &s->pypi;
	case WH_PKG_NPM:
		return &s->npm;
	}
	return &s->distro;
}

static size_t count_kind(const struct wh_packages *p, enum wh_package_kind kind)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		n += p->v[i].kind == kind;
	return n;
}

/* Is there any package of an ecosystem that the database has? */
static bool any_known(const struct search *s)
{
	bool known = false;

	for (size_t i = 0; i < s->packages->n && !known; i++)
		known = ecosystems_of(s, &s->packages->v[i])->n > 0;
	return known;
}

/* NULL when findings can be told, else why not (malloc'ed). */
static char *why_not(const struct search *s, const struct wh_vulndb_info *info)
{
	const struct wh_packages *p = s->packages;
	size_t debs = count_kind(p, WH_PKG_DEB);
	WH_AUTO_STRV struct wh_strv names = {0};

	if (!info->present)
		return wh_strdup("there is no vulnerability database");
	/* Nobody knows how many there are and what: a number about the others alone would pass for one about all. */
	if (p->unread)
		return wh_asprintf("the image has packages of %s, whose records are not read here", p->unread);
	if (!p->n)
		return wh_strdup("the image has no package records");
	if (debs && s->distro.n)
		return NULL;
	if (!debs)
		return any_known(s) ? NULL : wh_strdup("the database has no records for the image's kinds of packages");
	release_names(p, &names);
	if (!p->distro_id)
		return wh_strdup("the image does not say which distribution it is (no etc/os-release)");
	if (!names.n)
		return wh_asprintf("the image's distribution (%s%s%s) is not known here", p->distro_id,
				   p->distro_version ? " " : "", p->distro_version ? p->distro_version : "");
	return wh_asprintf("the database has no records for %s", names.v[0]);
}

/* ---------------------------------------------------------------- one package */

static void add(struct search *s, const struct wh_package *p, const char *record, const char *id,
		enum wh_severity severity, const char *fixed, bool specific)
{
	bool deb = p->kind == WH_PKG_DEB;

	WH_PUSH(s->v, s->n, s->cap) = (struct wh_finding){
		.id = wh_strdup(id),
		.record = wh_strdup(record),
		.package = wh_strdup(p->name),
		.version = wh_strdup(p->version),
		.source = wh_strdup(deb && p->source ? p->source : p->name),
		.purl = wh_package_purl(p, s->packages),
		.fixed = wh_strdup(fixed),
		.severity = severity,
	};
	WH_PUSH(s->specific, s->n_specific, s->cap_specific) = specific;
}

/* One row of the database. Severities beyond ours are none. */
static int judge(struct search *s, const struct wh_package *p, enum wh_version_scheme scheme, bool *unsure,
		 struct wh_err **err)
{
	const char *record = (const char *)sqlite3_column_text(s->find, 0),
		   *ids = (const char *)sqlite3_column_text(s->find, 1),
		   *spec = (const char *)sqlite3_column_text(s->find, 3);
	const char *version = p->kind == WH_PKG_DEB && p->source_version ? p->source_version : p->version;
	int severity = sqlite3_column_int(s->find, 2);
	WH_AUTO_JSON json_t *o = NULL;
	const char *fixed = NULL;
	enum wh_osv_match m;

	if (!record || !ids || !*ids || !spec || wh_json_parse(spec, strlen(spec), record, &o, NULL) < 0)
		return wh_vulndb_error(s->db, s->db->sql, SQLITE_CORRUPT, false, "read a record", err);
	if (severity < 0 || severity >= WH_N_SEVERITIES)
		severity = WH_SEV_UNKNOWN;
	m = wh_osv_affects(o, scheme, version, &fixed);
	if (m == WH_OSV_UNSURE)
		*unsure = true;
	if (m != WH_OSV_YES)
		return 0;
	for (const char *at = ids; *at;) {
		size_t n = strcspn(at, "\n");
		WH_AUTO_FREE char *id = wh_strndup(at, n);

		add(s, p, record, id, (enum wh_severity)severity, fixed, !strchr(ids, '\n'));
		at += n + (at[n] == '\n');
	}
	return 0;
}

/* *ret_unassessed: nothing is known of its kind, or a record's range could not be compared with its version. */
static int look_up(struct search *s, const struct wh_package *p, bool *ret_unassessed, struct wh_err **err)
{
	const struct wh_strv *ecosystems = ecosystems_of(s, p);
	bool deb = p->kind == WH_PKG_DEB, unsure = false;
	int r = 0;

	for (size_t i = 0; i < ecosystems->n && r == 0; i++) {
		WH_AUTO_FREE char *name = wh_ecosystem_name(ecosystems->v[i], deb && p->source ? p->source : p->name);
		int rc;

		sqlite3_bind_text(s->find, 1, ecosystems->v[i], -1, SQLITE_STATIC);
		sqlite3_bind_text(s->find, 2, name, -1, SQLITE_STATIC);
		while ((rc = sqlite3_step(s->find)) == SQLITE_ROW && r == 0)
			r = judge(s, p, wh_version_scheme_of(ecosystems->v[i]), &unsure, err);
		sqlite3_reset(s->find);
		sqlite3_clear_bindings(s->find);
		if (r == 0 && rc != SQLITE_DONE)
			r = wh_vulndb_error(s->db, s->db->sql, rc, false, "read", err);
	}
	*ret_unassessed = !ecosystems->n || unsure;
	return r;
}

/* ---------------------------------------------------------------- all of them */

static int compare(const struct wh_finding *a, const struct wh_finding *b)
{
	int d = strcmp(a->id, b->id);

	if (!d)
		d = strcmp(a->package, b->package);
	if (!d)
		d = strcmp(a->purl, b->purl);
	return d;
}

struct ranked {
	struct wh_finding f;
	bool specific;
};

/* Of several records that say the same, first: one that knows a severity, one about this id alone, the gravest, one
 * that knows a fix. */
static int rank(const void *x, const void *y)
{
	const struct ranked *a = x, *b = y;
	int d = compare(&a->f, &b->f);

	if (!d)
		d = (a->f.severity == WH_SEV_UNKNOWN) - (b->f.severity == WH_SEV_UNKNOWN);
	if (!d)
		d = b->specific - a->specific;
	if (!d)
		d = (int)b->f.severity - (int)a->f.severity;
	if (!d)
		d = (a->f.fixed == NULL) - (b->f.fixed == NULL);
	if (!d)
		d = strcmp(a->f.record, b->f.record);
	return d ? d : strcmp(a->f.fixed ? a->f.fixed : "", b->f.fixed ? b->f.fixed : "");
}

/* Sorts, and leaves one finding for each id and package. */
static void settle(struct search *s)
{
	struct ranked *all = wh_calloc(s->n + 1, sizeof(*all));
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		all[i] = (struct ranked){s->v[i], s->specific[i]};
	qsort(all, s->n, sizeof(*all), rank);
	for (size_t i = 0; i < s->n; i++) {
		struct wh_finding *last = n ? &s->v[n - 1] : NULL;

		if (last && compare(last, &all[i].f) == 0) {
			if (!last->fixed)
				last->fixed = WH_TAKE_PTR(all[i].f.fixed);
			finding_release(&all[i].f);
		} else {
			s->v[n++] = all[i].f;
		}
	}
	s->n = n;
	free(all);
}

/* Distinct ids, each by the gravest that any package has of it. */
static void count(struct wh_findings *f)
{
	for (size_t i = 0; i < f->n;) {
		enum wh_severity worst = WH_SEV_UNKNOWN;
		size_t k = i;

		for (; k < f->n && wh_streq(f->v[k].id, f->v[i].id); k++)
			if (f->v[k].severity > worst)
				worst = f->v[k].severity;
		f->count[worst]++;
		f->total++;
		i = k;
	}
}

static int look_up_all(struct search *s, struct wh_findings *f, struct wh_err **err)
{
	/* Withdrawn records are kept for their ids and dates, but say nothing any more. */
	static const char text[] =
		"SELECT r.id, r.ids, a.severity, a.spec FROM affected a JOIN record r ON r.n = a.record"
		" WHERE a.ecosystem = ?1 AND a.name = ?2 AND NOT r.withdrawn";
	int rc = sqlite3_prepare_v2(s->db->sql, text, -1, &s->find, NULL), r = 0;

	if (rc != SQLITE_OK)
		return wh_vulndb_error(s->db, s->db->sql, rc, false, "read", err);
	for (size_t i = 0; i < s->packages->n && r == 0; i++) {
		bool unassessed = false;

		r = look_up(s, &s->packages->v[i], &unassessed, err);
		f->packages_unassessed += unassessed;
	}
	sqlite3_finalize(s->find);
	return r;
}

static void search_release(struct search *s)
{
	for (size_t i = 0; i < s->n; i++)
		finding_release(&s->v[i]);
	free(s->v);
	free(s->specific);
	wh_strv_release(&s->distro);
	wh_strv_release(&s->pypi);
	wh_strv_release(&s->npm);
}

static void choose_ecosystems(struct search *s, const struct wh_vulndb_info *info)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	bool own = false;

	release_names(s->packages, &names);
	present(info, &names, &s->distro);
	/* Only the release's own records make it an assessed one; those of no release come on top. */
	for (size_t i = 0; i < s->distro.n; i++)
		own |= strchr(s->distro.v[i], ':') != NULL;
	if (!own)
		wh_strv_release(&s->distro);
	if (wh_strv_has(&info->ecosystems, "PyPI"))
		wh_strv_add(&s->pypi, "PyPI");
	if (wh_strv_has(&info->ecosystems, "npm"))
		wh_strv_add(&s->npm, "npm");
}

static int find_all(struct search *s, const struct wh_vulndb_info *info, struct wh_findings *f, struct wh_err **err)
{
	int r;

	f->database = info->digest;
	f->database_date = wh_strdup(info->newest);
	choose_ecosystems(s, info);
	f->why = why_not(s, info);
	if (f->why) {
		f->packages_unassessed = s->packages->n;
		return 0;
	}
	r = look_up_all(s, f, err);
	if (r < 0)
		return r;
	settle(s);
	f->assessed = true;
	f->v = WH_TAKE_PTR(s->v);
	f->n = s->n;
	s->n = 0;
	count(f);
	return 0;
}

int wh_findings_find(struct wh_vulndb *db, const struct wh_packages *p, struct wh_findings *ret, struct wh_err **err)
{
	struct search s = {.db = db, .packages = p};
	struct wh_vulndb_info info = {0};
	struct wh_findings f = {0};
	int r = db ? wh_vulndb_info(db, &info, err) : 0;

	if (r == 0)
		r = find_all(&s, &info, &f, err);
	search_release(&s);
	wh_vulndb_info_release(&info);
	if (r < 0) {
		wh_findings_release(&f);
		return r;
	}
	*ret = f;
	return 0;
}

/* ---------------------------------------------------------------- as JSON */

static json_t *text_or_null(const char *s)
{
	json_t *t = s ? json_string(s) : NULL;

	return t ? t : json_null(); /* no UTF-8: packages may have any bytes */
}

static json_t *counts_json(const struct wh_findings *f)
{
	json_t *o = json_object();

	for (int s = 0; s < WH_N_SEVERITIES; s++)
		json_object_set_new(o, wh_severity_name((enum wh_severity)s), json_integer((json_int_t)f->count[s]));
	json_object_set_new(o, "total", json_integer((json_int_t)f->total));
	return o;
}

static json_t *finding_json(const struct wh_finding *f)
{
	json_t *o = json_object();

	json_object_set_new(o, "id", text_or_null(f->id));
	json_object_set_new(o, "record", text_or_null(f->record));
	json_object_set_new(o, "package", text_or_null(f->package));
	json_object_set_new(o, "version", text_or_null(f->version));
	json_object_set_new(o, "source", text_or_null(f->source));
	json_object_set_new(o, "purl", text_or_null(f->purl));
	json_object_set_new(o, "fixed", text_or_null(f->fixed));
	json_object_set_new(o, "severity", json_string(wh_severity_name(f->severity)));
	return o;
}

json_t *wh_findings_json(const struct wh_findings *f)
{
	json_t *o = json_object(), *list;
	char text[WH_DIGEST_TEXT];

	json_object_set_new(o, "assessed", json_boolean(f->assessed));
	if (!wh_digest_is_zero(&f->database))
		json_object_set_new(o, "database",
				    json_pack("{s:s, s:o}", "digest", wh_digest_text(&f->database, text), "date",
					      text_or_null(f->database_date)));
	json_object_set_new(o, "packagesUnassessed", json_integer((json_int_t)f->packages_unassessed));
	if (!f->assessed) {
		json_object_set_new(o, "why", text_or_null(f->why));
		return o;
	}
	json_object_set_new(o, "counts", counts_json(f));
	list = json_array();
	for (size_t i = 0; i < f->n; i++)
		json_array_append_new(list, finding_json(&f->v[i]));
	json_object_set_new(o, "findings", list);
	return o;
}
