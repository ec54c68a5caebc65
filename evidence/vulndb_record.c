/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One OSV record (ossf.github.io/osv-schema), as far as it decides what is affected: hostile text in, a struct out.
 * What is not used (details, references, credits) is passed over unread; what is used and has the wrong type makes
 * the record a damaged one.
 */
#include "evidence/vulndb_private.h"

#include <errno.h>

#define MAX_ID 200 /* bytes */
#define MAX_NAME 1000
#define MAX_VERSION 1000
#define MAX_LOOKS 1000000 /* versions × events */

static int bad(struct wh_err **err, const char *what, const char *why)
{
	return wh_err_set(err, "evidence", WH_ERR_USAGE, EINVAL, "%s: %s", what, why);
}

/* One line of text without control characters, neither empty nor too long: these go to terminals and into documents.
 * */
static bool good_text(const char *s, size_t max)
{
	size_t n = s ? strlen(s) : 0;

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	return n && n <= max;
}

/* ---------------------------------------------------------------- times */

/* "2023-01-02T03:04:05Z", with a fraction or without: the schema allows nothing else. */
static bool good_time(const char *s)
{
	static const char shape[] = "0000-00-00T00:00:00";
	size_t i;

	for (i = 0; shape[i]; i++)
		if (shape[i] == '0' ? s[i] < '0' || s[i] > '9' : s[i] != shape[i])
			return false;
	if (s[i] == '.') {
		size_t n = strspn(s + i + 1, "0123456789");

		if (!n || n > 12)
			return false;
		i += 1 + n;
	}
	return s[i] == 'Z' && !s[i + 1];
}

static struct wh_str fraction(const char *s)
{
	struct wh_str f = {s + 19, 0};

	if (*f.p == '.')
		f.p++;
	f.n = strspn(f.p, "0123456789");
	while (f.n && f.p[f.n - 1] == '0')
		f.n--;
	return f;
}

int wh_osv_time_cmp(const char *a, const char *b)
{
	int d = strncmp(a, b, 19);
	struct wh_str x, y;

	if (d)
		return d;
	x = fraction(a);
	y = fraction(b);
	d = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);
	return d ? d : (x.n > y.n) - (x.n < y.n);
}

/* ---------------------------------------------------------------- names of findings */

static bool is_cve(const char *s)
{
	return s && wh_has_prefix(s, "CVE-") && s[4] >= '0' && s[4] <= '9' && good_text(s, MAX_ID);
}

static void add_cves(struct wh_strv *to, const json_t *list)
{
	const json_t *v;
	size_t i;

	json_array_foreach (list, i, v) {
		const char *s = json_string_value(v);

		if (is_cve(s))
			wh_strv_add(to, s);
	}
}

static void sort_distinct(struct wh_strv *l)
{
	size_t n = 0;

	wh_strv_sort(l);
	for (size_t i = 0; i < l->n; i++) {
		if (n && wh_streq(l->v[n - 1], l->v[i]))
			free(l->v[i]);
		else
			l->v[n++] = l->v[i];
	}
	if (l->v)
		l->v[n] = NULL;
	l->n = n;
}

/* Advisories are bundles: each is about all of its CVEs. */
static bool is_advisory(const char *id)
{
	return wh_has_prefix(id, "DSA-") || wh_has_prefix(id, "DLA-") || wh_has_prefix(id, "DTSA-") ||
	       wh_has_prefix(id, "USN-");
}

/* Two records about one thing must give one name, or it would count twice. */
static void set_ids(const json_t *o, struct wh_osv *r)
{
	static const char *const trackers[] = {"DEBIAN-", "UBUNTU-"};

	if (is_cve(r->id)) {
		wh_strv_add(&r->ids, r->id);
		return;
	}
	for (size_t i = 0; i < WH_ARRAY_SIZE(trackers); i++) {
		if (wh_has_prefix(r->id, trackers[i]) && is_cve(r->id + strlen(trackers[i]))) {
			wh_strv_add(&r->ids, r->id + strlen(trackers[i]));
			return;
		}
	}
	add_cves(&r->ids, json_object_get(o, "upstream"));
	if (!r->ids.n && is_advisory(r->id)) {
		add_cves(&r->ids, json_object_get(o, "aliases"));
		if (!r->ids.n)
			add_cves(&r->ids, json_object_get(o, "related"));
	}
	if (!r->ids.n) { /* aliases are other names of the one thing: one will do */
		WH_AUTO_STRV struct wh_strv aliases = {0};

		add_cves(&aliases, json_object_get(o, "aliases"));
		wh_strv_sort(&aliases);
		wh_strv_add(&r->ids, aliases.n ? aliases.v[0] : r->id);
	}
	sort_distinct(&r->ids);
}

/* ---------------------------------------------------------------- what is affected */

/* One event, {"introduced"|"fixed"|"last_affected"|"limit": VERSION}; other keys are left out. NULL: damaged. */
static json_t *read_event(const json_t *event)
{
	static const char *const kinds[] = {"introduced", "fixed", "last_affected", "limit"};
	json_t *ret = json_object();

	if (!json_is_object(event)) {
		json_decref(ret);
		return NULL;
	}
	for (size_t i = 0; i < WH_ARRAY_SIZE(kinds); i++) {
		json_t *v = json_object_get(event, kinds[i]);

		if (!v)
			continue;
		if (!good_text(json_string_value(v), MAX_VERSION)) {
			json_decref(ret);
			return NULL;
		}
		json_object_set(ret, kinds[i], v);
	}
	return ret;
}

/* Commits are no versions: ranges of type GIT are left out. */
static bool read_ranges(const json_t *ranges, json_t *spec)
{
	json_t *out = json_array();
	const json_t *range, *event;
	size_t i, k;

	json_object_set_new(spec, "ranges", out);
	if (ranges && !json_is_array(ranges) && !json_is_null(ranges))
		return false;
	json_array_foreach (ranges, i, range) {
		const char *type = wh_json_str(range, "type");
		const json_t *events = json_object_get(range, "events");
		json_t *list;

		if (!type || !json_is_array(events))
			return false;
		if (wh_streq(type, "GIT"))
			continue;
		list = json_array();
		json_array_append_new(out, list);
		json_array_foreach (events, k, event) {
			json_t *e = read_event(event);

			if (!e)
				return false;
			json_array_append_new(list, e);
		}
	}
	if (!json_array_size(out))
		json_object_del(spec, "ranges");
	return true;
}

/* Is it cheap to look which versions the ranges include? It always is but for records that were made to be slow. */
static bool can_thin(const json_t *versions, const json_t *spec, enum wh_version_scheme scheme)
{
	size_t events = 0, i;
	const json_t *range;

	json_array_foreach (json_object_get(spec, "ranges"), i, range)
		events += json_array_size(range);
	return scheme != WH_SCHEME_NONE && events && json_array_size(versions) <= MAX_LOOKS / events;
}

/* Versions that the ranges include anyway are left out: lists of Debian records have hundreds. */
static bool read_versions(const json_t *versions, json_t *spec, enum wh_version_scheme scheme)
{
	bool thin = can_thin(versions, spec, scheme);
	json_t *out = json_array();
	json_t *v;
	size_t i;

	if (versions && !json_is_array(versions) && !json_is_null(versions)) {
		json_decref(out);
		return false;
	}
	json_array_foreach (versions, i, v) {
		const char *s = json_string_value(v);

		if (!good_text(s, MAX_VERSION)) {
			json_decref(out);
			return false;
		}
		if (!thin || wh_osv_affects(spec, scheme, s, NULL) != WH_OSV_YES)
			json_array_append(out, v);
	}
	if (json_array_size(out))
		json_object_set(spec, "versions", out);
	json_decref(out);
	return true;
}

static int read_affected(const json_t *o, const json_t *a, const char *what, struct wh_osv *r, struct wh_err **err)
{
	const json_t *package = json_object_get(a, "package");
	struct wh_osv_affected *out;
	const char *ecosystem, *name;

	if (!json_is_object(a))
		return bad(err, what, "an entry of \"affected\" is no object");
	if (!package) /* a repository's commits: nothing that an image's packages could be compared with */
		return 0;
	ecosystem = wh_json_str(package, "ecosystem");
	name = wh_json_str(package, "name");
	if (!good_text(ecosystem, MAX_NAME) || !good_text(name, MAX_NAME))
		return bad(err, what, "an entry of \"affected\" has no good \"package\"");
	out = &WH_PUSH(r->affected, r->n_affected, r->cap_affected);
	*out = (struct wh_osv_affected){
		.ecosystem = wh_strdup(ecosystem),
		.name = wh_ecosystem_name(ecosystem, name),
		.severity = wh_severity_of_osv(o, a),
		.spec = json_object(),
	};
	if (!read_ranges(json_object_get(a, "ranges"), out->spec))
		return bad(err, what, "\"ranges\" of an affected package are damaged");
	if (!read_versions(json_object_get(a, "versions"), out->spec, wh_version_scheme_of(ecosystem)))
		return bad(err, what, "\"versions\" of an affected package are damaged");
	return 0;
}

static bool list_or_none(const json_t *o, const char *key)
{
	const json_t *v = json_object_get(o, key);

	return !v || json_is_null(v) || json_is_array(v);
}

static int read_record(const json_t *o, const char *what, struct wh_osv *r, struct wh_err **err)
{
	static const char *const lists[] = {"affected", "aliases", "upstream", "related", "severity"};
	const char *id = wh_json_str(o, "id"), *modified = wh_json_str(o, "modified");
	const json_t *a, *withdrawn = json_object_get(o, "withdrawn");
	size_t i;
	int e = 0;

	if (!json_is_object(o))
		return bad(err, what, "an OSV record is a JSON object, this is none");
	if (!good_text(id, MAX_ID))
		return bad(err, what, "no OSV record: there is no good \"id\"");
	if (!modified || !good_time(modified))
		return bad(err, what, "no OSV record: \"modified\" is no time like 2023-01-02T03:04:05Z");
	for (i = 0; i < WH_ARRAY_SIZE(lists); i++) {
		WH_AUTO_FREE char *why = wh_asprintf("\"%s\" is no list", lists[i]);

		if (!list_or_none(o, lists[i]))
			return bad(err, what, why);
	}
	r->id = wh_strdup(id);
	r->modified = wh_strdup(modified);
	r->withdrawn = withdrawn && !json_is_null(withdrawn);
	set_ids(o, r);
	json_array_foreach (json_object_get(o, "affected"), i, a) {
		e = read_affected(o, a, what, r, err);
		if (e < 0)
			return e;
	}
	return e;
}

int wh_osv_parse(const char *p, size_t n, const char *what, struct wh_osv *ret, struct wh_err **err)
{
	WH_AUTO_JSON json_t *o = NULL;
	WH_AUTO_BUF struct wh_buf canonical = WH_BUF_INIT;
	struct wh_err *e = NULL;
	struct wh_osv r = {0};
	int res = wh_json_parse(p, n, what, &o, &e);

	if (res < 0) {
		if (e)
			e->class = WH_ERR_USAGE;
		wh_err_move(err, &e);
		return res;
	}
	res = read_record(o, what, &r, err);
	if (res < 0) {
		wh_osv_release(&r);
		return res;
	}
	wh_json_dump(o, &canonical);
	wh_digest_of(canonical.p, canonical.n, &r.digest);
	*ret = r;
	return 0;
}

void wh_osv_release(struct wh_osv *o)
{
	for (size_t i = 0; i < o->n_affected; i++) {
		free(o->affected[i].ecosystem);
		free(o->affected[i].name);
		json_decref(o->affected[i].spec);
	}
	free(o->affected);
	free(o->id);
	free(o->modified);
	wh_strv_release(&o->ids);
	*o = (struct wh_osv){0};
}
