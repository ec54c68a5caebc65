/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The hardening verdict: what the prune did to the image, in numbers that an admission policy can compare.
 *
 *   {"schema":1, "assessed":true,
 *    "before":{"critical":N,"high":N,"medium":N,"low":N,"negligible":N,"unknown":N,"total":N}, "after":{…},
 *    "reductionPercent":{"total":N,"criticalHigh":N},
 *    "packagesUnassessed":{"before":N,"after":N},
 *    "database":{"digest":"sha256:…","date":"…"}, "scanner":{"name":"whittle","rule":N},
 *    "sizes":{"before":{measure},"after":{measure}}, "shellPresent":false, "setid":N,
 *    "profiling":{"durationSeconds":N,"workloads":N,"filesObserved":N,"runs":N}, "tests":{"passed":N,"failed":N},
 *    "pruned":{"kept":N,"removed":N,"repaired":N,"setidStripped":N,"shellsRemoved":N,"report":"sha256:…",
 *              "risk":N,"riskBound":N,"testsToldApart":N},        parts of 10,000: may an unseen test fail? Absent where too few tell
 *    "runtime":{"proven":true,"syscalls":N,"capabilities":N,"readOnlyRoot":true,"writable":N,"noNewPrivileges":true,"landlock":true,
 *               "appArmor":false,"controls":N,"privileges":"sha256:…"},      tests passed under these; what was not enforced is false. controls: with
 *               one thing less, which had to fail and did. {"proven":false}: it was asked for and could not be done. Absent: not asked for
 *    "configDigest":"sha256:…", "treeBefore":"sha256:…"}
 *
 * Whole numbers only, rounded towards what claims less. What is not known is absent, so that a policy that asks for
 * it says no:
 *
 *   - findings that were not assessed ("assessed":false, and "notAssessed" says why); a percentage of nothing
 *   - "gate": no policy was asked
 *
 * One database, one rule, before and after: figures that were made with two are refused.
 */
#include "evidence/evidence.h"

#include <errno.h>

#define FINDINGS_RULE \
	1 /* raised when findings.c or severity.c would give other figures for the same database and packages */

static void set_int(json_t *o, const char *key, uint64_t n)
{
	json_object_set_new(o, key, json_integer((json_int_t)n));
}

static void set_digest(json_t *o, const char *key, const struct wh_digest *d)
{
	char text[WH_DIGEST_TEXT];

	if (!wh_digest_is_zero(d))
		json_object_set_new(o, key, json_string(wh_digest_text(d, text)));
}

static void digest_of_json(const json_t *j, struct wh_digest *ret)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	if (j)
		wh_json_dump(j, &b);
	wh_digest_of(b.p ? b.p : "", b.n, ret);
}

/* ---------------------------------------------------------------- findings */

static json_t *counts(const struct wh_findings *f)
{
	json_t *o = json_object();

	for (int s = 0; s < WH_N_SEVERITIES; s++)
		set_int(o, wh_severity_name((enum wh_severity)s), f->count[s]);
	set_int(o, "total", f->total);
	return o;
}

/* Rounded down: below zero where there are more than before. */
static int64_t percent(uint64_t before, uint64_t after)
{
	int64_t n = ((int64_t)before - (int64_t)after) * 100, d = (int64_t)before;

	return n / d - (n % d < 0);
}

static json_t *reduction(const struct wh_findings *b, const struct wh_findings *a)
{
	json_t *o = json_object();
	uint64_t bad_before = b->count[WH_SEV_CRITICAL] + b->count[WH_SEV_HIGH],
		 bad_after = a->count[WH_SEV_CRITICAL] + a->count[WH_SEV_HIGH];

	if (b->total)
		json_object_set_new(o, "total", json_integer(percent(b->total, a->total)));
	if (bad_before)
		json_object_set_new(o, "criticalHigh", json_integer(percent(bad_before, bad_after)));
	return o;
}

static void database(json_t *o, const struct wh_findings *f)
{
	json_t *d = json_object();

	set_digest(d, "digest", &f->database);
	if (f->database_date)
		json_object_set_new(d, "date", json_string(f->database_date));
	json_object_set_new(o, "database", d);
	json_object_set_new(o, "scanner", json_pack("{s:s, s:i}", "name", "whittle", "rule", FINDINGS_RULE));
}

static int add_findings(json_t *o, const struct wh_findings *b, const struct wh_findings *a, struct wh_err **err)
{
	bool before = b && b->assessed, after = a && a->assessed;
	const struct wh_findings *not_assessed = after ? b : a;

	if (before && after && !wh_digest_eq(&b->database, &a->database))
		return wh_err_set(
			err, "evidence", WH_ERR_BUILD, EINVAL,
			"findings before and after the prune come from two states of the vulnerability database");
	json_object_set_new(o, "assessed", json_boolean(before && after));
	if (before)
		json_object_set_new(o, "before", counts(b));
	if (after)
		json_object_set_new(o, "after", counts(a));
	if (before && after) {
		json_t *n = json_object();

		set_int(n, "before", b->packages_unassessed);
		set_int(n, "after", a->packages_unassessed);
		json_object_set_new(o, "packagesUnassessed", n);
		json_object_set_new(o, "reductionPercent", reduction(b, a));
	} else {
		const char *why = not_assessed && not_assessed->why ? not_assessed->why : "nobody looked";

		json_object_set_new(o, "notAssessed", json_string(why));
	}
	if (before || after)
		database(o, after ? a : b);
	return 0;
}

/* ---------------------------------------------------------------- profiles and tests */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Distinct paths that any of the profiles used. */
static size_t files_observed(const json_t *profiles)
{
	const char **v = NULL;
	size_t n = 0, cap = 0, distinct = 0, i, k;
	const json_t *p, *u;

	json_array_foreach (profiles, i, p) {
		json_array_foreach (json_object_get(json_object_get(p, "document"), "used"), k, u) {
			const char *path = wh_json_str(u, "path");

			if (path)
				WH_PUSH(v, n, cap) = path;
		}
	}
	if (n)
		qsort(v, n, sizeof(*v), by_text);
	for (i = 0; i < n; i++)
		distinct += !i || strcmp(v[i - 1], v[i]) != 0;
	free(v);
	return distinct;
}

static bool status_ok(const json_t *run, const char *who)
{
	return wh_json_int(json_object_get(run, who), "status", -1) == 0;
}

/* Each run on the result is a test; so is a health check. */
static json_t *tests(const json_t *profiles)
{
	uint64_t passed = 0, failed = 0;
	json_t *o = json_object();
	const json_t *p, *run;
	size_t i, k;

	json_array_foreach (profiles, i, p) {
		json_array_foreach (json_object_get(p, "after"), k, run) {
			*(status_ok(run, "driver") ? &passed : &failed) += 1;
			if (json_object_get(run, "health"))
				*(status_ok(run, "health") ? &passed : &failed) += 1;
		}
	}
	set_int(o, "passed", passed);
	set_int(o, "failed", failed);
	return o;
}

static json_t *profiling(const json_t *profiles)
{
	json_t *o = json_object();
	const json_t *p, *run;
	double seconds = 0;
	size_t runs = 0, i, k;

	json_array_foreach (profiles, i, p) {
		json_array_foreach (json_object_get(p, "before"), k, run) {
			double s = json_number_value(json_object_get(run, "seconds"));

			if (s > 0 && s < 1e9)
				seconds += s;
			runs++;
		}
	}
	set_int(o, "durationSeconds", (uint64_t)seconds);
	set_int(o, "workloads", json_array_size(profiles));
	set_int(o, "filesObserved", files_observed(profiles));
	set_int(o, "runs", runs);
	return o;
}

/* ---------------------------------------------------------------- all of it */

static json_t *pruned(const json_t *report)
{
	json_t *o = json_object();
	const json_t *risk = json_object_get(report, "risk");
	int64_t removed = wh_json_int(report, "removed", -1);
	struct wh_digest d;

	set_int(o, "kept", json_array_size(json_object_get(report, "kept")));
	if (removed >= 0)
		set_int(o, "removed", (uint64_t)removed);
	set_int(o, "repaired", json_array_size(json_object_get(report, "repaired")));
	set_int(o, "setidStripped", json_array_size(json_object_get(report, "setid_stripped")));
	set_int(o, "shellsRemoved", json_array_size(json_object_get(report, "shells_removed")));
	if (wh_risk_known(risk)) {
		json_object_set(o, "risk", json_object_get(risk, "risk"));
		json_object_set(o, "riskBound", json_object_get(risk, "bound"));
		json_object_set(o, "testsToldApart", json_object_get(risk, "tests"));
	}
	digest_of_json(report, &d);
	set_digest(o, "report", &d);
	return o;
}

/* Whether what was observed ran on another machine's processor, imitated: the platform, or NULL. */
static const char *emulated(const json_t *profiles)
{
	const char *platform = NULL;
	const json_t *p;
	size_t i;

	json_array_foreach (profiles, i, p)
		platform = platform ? platform : wh_json_str(p, "emulated");
	return platform;
}

/* What was enforced while the tests passed; "proven" is no more than that. */
static json_t *runtime(const json_t *of)
{
	const json_t *privileges = json_object_get(of, "privileges"), *proof = json_object_get(of, "proof"), *one,
		     *enforced = json_object_get(proof, "enforced");
	bool proven = json_is_object(privileges) && json_is_true(json_object_get(proof, "proven"));
	uint64_t calls = 0, red = 0;
	json_t *o = json_object();
	struct wh_digest d;
	size_t i;

	json_object_set_new(o, "proven", json_boolean(proven));
	if (!proven)
		return o;
	json_array_foreach (json_object_get(json_object_get(privileges, "seccomp"), "syscalls"), i, one)
		if (wh_streq(wh_json_str(one, "action"), "SCMP_ACT_ALLOW"))
			calls += json_array_size(json_object_get(one, "names"));
	json_array_foreach (json_object_get(proof, "controls"), i, one)
		red += json_is_true(json_object_get(one, "failed"));
	set_int(o, "syscalls", calls);
	set_int(o, "capabilities", json_array_size(json_object_get(privileges, "capabilities")));
	set_int(o, "writable", json_array_size(json_object_get(privileges, "writable")));
	json_object_set_new(o, "readOnlyRoot", json_boolean(json_is_true(json_object_get(enforced, "readOnlyRoot"))));
	json_object_set_new(o, "noNewPrivileges", json_boolean(json_is_true(json_object_get(enforced, "noNewPrivileges"))));
	json_object_set_new(o, "landlock", json_boolean(json_is_true(json_object_get(enforced, "landlock"))));
	json_object_set_new(o, "appArmor", json_false());
	set_int(o, "controls", red);
	digest_of_json(privileges, &d);
	set_digest(o, "privileges", &d);
	return o;
}

static json_t *sizes(const struct wh_verdict_input *in)
{
	json_t *o = json_object();

	if (in->before)
		json_object_set_new(o, "before", wh_measure_json(in->before));
	json_object_set_new(o, "after", wh_measure_json(in->after));
	return o;
}

int wh_verdict_make(const struct wh_verdict_input *in, json_t **ret, struct wh_err **err)
{
	WH_AUTO_JSON json_t *o = json_object();
	struct wh_digest config;
	int r;

	if (!in->after)
		return wh_err_set(err, "evidence", WH_ERR_INTERNAL, EINVAL,
				  "a verdict needs the measures of the result");
	json_object_set_new(o, "schema", json_integer(1));
	r = add_findings(o, in->findings_before, in->findings_after, err);
	if (r < 0)
		return r;
	json_object_set_new(o, "sizes", sizes(in));
	json_object_set_new(o, "shellPresent", json_boolean(in->after->shells > 0));
	set_int(o, "setid", in->after->setid);
	json_object_set_new(o, "profiling", profiling(in->profiles));
	json_object_set_new(o, "tests", tests(in->profiles));
	if (emulated(in->profiles)) {
		json_object_set_new(o, "emulated", json_true());
		json_object_set_new(o, "emulatedPlatform", json_string(emulated(in->profiles)));
	}
	if (in->prune_report)
		json_object_set_new(o, "pruned", pruned(in->prune_report));
	if (in->runtime)
		json_object_set_new(o, "runtime", runtime(in->runtime));
	digest_of_json(in->config, &config); /* none: of nothing */
	set_digest(o, "configDigest", &config);
	set_digest(o, "treeBefore", &in->tree_before);
	*ret = WH_TAKE_PTR(o);
	return 0;
}
