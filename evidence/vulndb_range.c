/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is a version affected? OSV's evaluation (osv-schema, "Evaluation"): when it is listed, or within a range. A range's
 * events are ordered by version; the last one at or below the version says. "introduced": "0" stands before every
 * version. A range with "fixed": "0" is the trackers' way to say that it was never affected.
 */
#include "evidence/vulndb_private.h"

enum kind { INTRODUCED, FIXED, LAST_AFFECTED };

struct event {
	enum kind kind;
	const char *version;
};

struct range {
	struct event *v;
	size_t n;
	bool limited, below_limit; /* limit events: the version must be below one of them */
};

/* <0, 0, >0 with "0" first of all for introduced events. */
static bool event_cmp(enum wh_version_scheme s, const struct event *a, const struct event *b, int *ret)
{
	bool a0 = a->kind == INTRODUCED && wh_streq(a->version, "0"),
	     b0 = b->kind == INTRODUCED && wh_streq(b->version, "0");

	if (a0 || b0) {
		*ret = b0 - a0;
		return true;
	}
	return wh_version_cmp(s, a->version, b->version, ret);
}

/* Sorts, keeping the order of equals; false: not comparable. Ranges are short, and nearly always in order. */
static bool sort(struct range *r, enum wh_version_scheme s)
{
	for (size_t i = 1; i < r->n; i++) {
		struct event e = r->v[i];
		size_t k = i;
		int d;

		for (; k; k--) {
			if (!event_cmp(s, &r->v[k - 1], &e, &d))
				return false;
			if (d <= 0)
				break;
			r->v[k] = r->v[k - 1];
		}
		r->v[k] = e;
	}
	return true;
}

#define MAX_EVENTS 1000 /* of one range; sorting is quadratic at worst */

/* False: not comparable. */
static bool collect(const json_t *events, enum wh_version_scheme s, const char *version, struct range *r)
{
	const json_t *o;
	size_t i;
	int d;

	if (json_array_size(events) > MAX_EVENTS)
		return false;
	r->v = wh_calloc(json_array_size(events) + 1, sizeof(*r->v));
	json_array_foreach (events, i, o) {
		const char *introduced = wh_json_str(o, "introduced"), *fixed = wh_json_str(o, "fixed"),
			   *last = wh_json_str(o, "last_affected"), *limit = wh_json_str(o, "limit");

		if (introduced)
			r->v[r->n++] = (struct event){INTRODUCED, introduced};
		else if (fixed)
			r->v[r->n++] = (struct event){FIXED, fixed};
		else if (last)
			r->v[r->n++] = (struct event){LAST_AFFECTED, last};
		if (!limit)
			continue;
		r->limited = true;
		if (wh_streq(limit, "*"))
			r->below_limit = true;
		else if (!wh_version_cmp(s, version, limit, &d))
			return false;
		else if (d < 0)
			r->below_limit = true;
	}
	return sort(r, s);
}

static bool never(const struct range *r)
{
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].kind == FIXED && wh_streq(r->v[i].version, "0"))
			return true;
	return false;
}

/* Where the version stands among sorted events. *ret_fixed: the first fix above it. */
static enum wh_osv_match evaluate(const struct range *r, enum wh_version_scheme s, const char *version,
				  const char **ret_fixed)
{
	bool in = false;

	*ret_fixed = NULL;
	if (never(r))
		return WH_OSV_NO;
	for (size_t i = 0; i < r->n; i++) {
		const struct event *e = &r->v[i];
		int d = 1;

		if ((e->kind != INTRODUCED || !wh_streq(e->version, "0")) &&
		    !wh_version_cmp(s, version, e->version, &d))
			return WH_OSV_UNSURE;
		if (e->kind == INTRODUCED && d >= 0)
			in = true;
		else if (e->kind == FIXED && d >= 0)
			in = false;
		else if (e->kind == LAST_AFFECTED && d > 0)
			in = false;
		else if (e->kind == FIXED && !*ret_fixed)
			*ret_fixed = e->version;
	}
	if (r->limited && !r->below_limit)
		in = false;
	return in ? WH_OSV_YES : WH_OSV_NO;
}

static enum wh_osv_match in_range(const json_t *events, enum wh_version_scheme s, const char *version,
				  const char **ret_fixed)
{
	struct range r = {0};
	enum wh_osv_match m = WH_OSV_UNSURE;

	if (s != WH_SCHEME_NONE && collect(events, s, version, &r))
		m = evaluate(&r, s, version, ret_fixed);
	free(r.v);
	return m;
}

static bool listed(const json_t *versions, enum wh_version_scheme s, const char *version)
{
	const json_t *v;
	size_t i;
	int d;

	json_array_foreach (versions, i, v) {
		const char *text = json_string_value(v);

		if (text &&
		    (wh_streq(text, version) || (s != WH_SCHEME_NONE && wh_version_cmp(s, text, version, &d) && !d)))
			return true;
	}
	return false;
}

enum wh_osv_match wh_osv_affects(const json_t *spec, enum wh_version_scheme scheme, const char *version,
				 const char **ret_fixed)
{
	enum wh_osv_match best = WH_OSV_NO;
	const char *mended = NULL; /* out of all ranges that it is in */
	bool open_end = false;
	const json_t *events;
	size_t i;
	int d;

	json_array_foreach (json_object_get(spec, "ranges"), i, events) {
		const char *fixed = NULL;
		enum wh_osv_match m = in_range(events, scheme, version, &fixed);

		if (m == WH_OSV_YES || (m == WH_OSV_UNSURE && best == WH_OSV_NO))
			best = m;
		if (m != WH_OSV_YES)
			continue;
		if (!fixed)
			open_end = true;
		else if (!mended || (wh_version_cmp(scheme, fixed, mended, &d) && d > 0))
			mended = fixed;
	}
	if (best != WH_OSV_YES && listed(json_object_get(spec, "versions"), scheme, version))
		best = WH_OSV_YES;
	if (ret_fixed)
		*ret_fixed = open_end ? NULL : mended;
	return best;
}
