/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How sure is a profile: what if one of its tests had not been there?
 *
 * Leave-one-out: for test i the keep set is decided from what the others saw; had it not held a path that test i used, i would have failed on the pruned image.
 * B of T tests would have. That is what an unseen test of the same kind can be expected to do, as far as the tests are drawn from one pot; T tests cannot tell
 * less than 1/T, so the figure is max(B, 1)/T. Beside it stands the one-sided 95 % bound for B of T (Clopper and Pearson 1934), never below.
 *
 * Good-Turing (Good 1953): of all uses of a file by a test, the share of those whose file no other test used estimates the chance that the next use is of an unseen
 * file. The bound on it is McAllester's and Schapire's (COLT 2000): G0 + (2 sqrt 2 + sqrt 3) sqrt(ln(3/delta)/n). It wants independent uses, which files of one
 * test are not quite: it is told as what it is.
 *
 * Rules only ever add: what is kept by what all tests have in common is kept whoever is left out. So one decision on that settles most tests. A few that it
 * leaves open get one of their own each. Many are judged by halves: the tests whose number has a bit set, and those that have not, one bit after the other.
 * Any other test is in a half without i, so what one other test alone brings is found; what only several bring together may not be, and counts as missing:
 * too high rather than too low, by 2 log2(T) decisions in place of T.
 */
#include "harden/keep_private.h"
#include "harden/profile_private.h"

#include <math.h>

#define MAX_ALONE 6 /* tests that are decided one by one */
#define MAX_TOLD 20
#define DELTA 0.05
#define WHOLE 10000 /* figures are parts of it */

struct test {
	uint32_t profile;
	const char *name; /* NULL: the whole PROFILE */
	struct wh_seen_by **own; /* paths that no other test and no phase between tests used */
	size_t n_own, cap_own;
	const char *first; /* the first that would be missing */
	size_t missing;
	bool *is_there; /* by own: some decision without this test has it */
	const struct wh_seen_by *counted; /* the path that it was last counted for */
};

struct risk {
	struct wh_tree *tree;
	const struct wh_prune_opts *o;
	struct wh_profile p;
	struct test *v;
	size_t n, cap;
	size_t *of_mark;       /* mark → test; SIZE_MAX: none */
	uint64_t uses, once, outside;
	struct wh_shells *shells;
	size_t grouped;        /* tests that were judged by halves */
};

static void risk_release(struct risk *k)
{
	for (size_t i = 0; i < k->n; i++) {
		free(k->v[i].own);
		free(k->v[i].is_there);
	}
	if (k->shells)
		wh_shells_free(k->shells);
	free(k->v);
	free(k->of_mark);
	wh_profile_release(&k->p);
}

/* ---------------------------------------------------------------- tests */

static size_t test_of(struct risk *k, uint32_t profile, const char *name)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->v[i].profile == profile && (name ? wh_streq(k->v[i].name, name) : !k->v[i].name))
			return i;
	WH_PUSH(k->v, k->n, k->cap) = (struct test){.profile = profile, .name = name};
	return k->n - 1;
}

/* A PROFILE whose driver told no tests is one. */
static void find_tests(struct risk *k)
{
	const struct wh_profile *p = &k->p;
	bool *named = wh_calloc(p->profiles + 1, sizeof(*named));

	k->of_mark = wh_calloc(p->n_marks + 1, sizeof(*k->of_mark));
	for (size_t i = 0; i < p->n_marks; i++)
		named[p->marks[i].profile] |= p->marks[i].test != NULL;
	for (size_t i = 0; i < p->n_marks; i++) {
		const struct wh_prof_mark *m = &p->marks[i];

		k->of_mark[i] = m->test || !named[m->profile] ? test_of(k, m->profile, m->test) : SIZE_MAX;
	}
	free(named);
}

/* The one test that used it. NULL: several did, or nobody in particular. Counts uses. */
static struct test *owner(struct risk *k, const struct wh_seen_by *s)
{
	struct test *only = NULL;
	bool common = !s->when.n;
	size_t users = 0;

	for (size_t i = 0; i < s->when.n; i++) {
		size_t at = k->of_mark[s->when.v[i]];

		common |= at == SIZE_MAX;
		if (at == SIZE_MAX || k->v[at].counted == s)
			continue;
		users++;
		only = &k->v[at];
		only->counted = s;
	}
	if (s->exists)
		k->uses += users;
	return users == 1 && !common ? only : NULL;
}

static void find_own(struct risk *k)
{
	for (struct wh_seen_by *s = k->p.seen[WH_SEEN_PATHS]; s; s = s->hh.next) {
		struct test *t = owner(k, s);

		if (!t)
			continue;
		WH_PUSH(t->own, t->n_own, t->cap_own) = s;
		k->once += s->exists;
	}
}

/* ---------------------------------------------------------------- deciding without */

/* Which tests are left out. */
typedef bool (*out_fn)(const void *arg, size_t test);

static bool all_out(const void *arg, size_t test)
{
	(void)arg;
	(void)test;
	return true;
}

static bool one_out(const void *arg, size_t test)
{
	return *(const size_t *)arg == test;
}

/* The keep set without what these tests alone saw. Their paths are taken out of the profile, and put back. */
static int decide_without(struct risk *k, out_fn out, const void *arg, struct wh_keep **ret, struct wh_err **err)
{
	struct wh_seen_by *all = k->p.seen[WH_SEEN_PATHS];
	WH_AUTO_JSON json_t *doc = NULL;
	const json_t *profiles[1];
	struct wh_prune_opts o = *k->o;

	for (size_t i = 0; i < k->n; i++)
		for (size_t x = 0; out(arg, i) && x < k->v[i].n_own; x++)
			HASH_DEL(all, k->v[i].own[x]);
	k->p.seen[WH_SEEN_PATHS] = all;
	doc = wh_profile_write(&k->p);
	all = k->p.seen[WH_SEEN_PATHS]; /* it sorts */
	for (size_t i = 0; i < k->n; i++)
		for (size_t x = 0; out(arg, i) && x < k->v[i].n_own; x++) {
			struct wh_seen_by *s = k->v[i].own[x];

			HASH_ADD_KEYPTR(hh, all, s->text, strlen(s->text), s);
		}
	k->p.seen[WH_SEEN_PATHS] = all;
	profiles[0] = doc;
	o.profiles = profiles;
	o.n_profiles = 1;
	o.repairs = NULL;
	o.shells = k->shells;
	return wh_keep_decide(k->tree, &o, ret, err);
}

/* Is it there when a test comes to use it? Where it makes something, the directory has to be. */
static bool there(const struct risk *k, const struct wh_keep *keep, const struct wh_seen_by *s)
{
	WH_AUTO_FREE char *path = wh_strdup(s->text);
	struct wh_node_ref n;

	if (s->exists)
		return wh_keep_has(keep, path) || (!k->o->keep_shell && wh_keep_shell(keep, path));
	if (!s->made || wh_has_prefix(path, "proc/"))
		return true;
	do {
		char *slash = strrchr(path, '/');

		*(slash ? slash : path) = '\0';
	} while (*path && wh_tree_lookup(k->tree, path, &n) < 0);
	return wh_keep_has(keep, path);
}

/* Strikes off what of a test's paths is there. */
static void judge(const struct risk *k, struct test *t, const struct wh_keep *keep)
{
	t->missing = 0;
	t->first = NULL;
	for (size_t i = 0; i < t->n_own; i++) {
		t->is_there[i] |= there(k, keep, t->own[i]);
		if (t->is_there[i])
			continue;
		if (!t->first || strcmp(t->own[i]->text, t->first) < 0)
			t->first = t->own[i]->text;
		t->missing++;
	}
}

static int judge_one_by_one(struct risk *k, const size_t *open, size_t n, struct wh_err **err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct wh_keep *keep = NULL;

		r = decide_without(k, one_out, &open[i], &keep, err);
		if (r == 0)
			judge(k, &k->v[open[i]], keep);
		wh_keep_free(keep);
	}
	return r;
}

/* Of the tests under judgement those whose place has this bit as said. */
struct half {
	const size_t *place; /* by test; SIZE_MAX: not under judgement */
	size_t bit;
	bool set;
};

static bool half_out(const void *arg, size_t test)
{
	const struct half *h = arg;

	return h->place[test] != SIZE_MAX && (h->place[test] >> h->bit & 1) == h->set;
}

static int judge_halves(struct risk *k, const size_t *place, size_t n, struct wh_err **err)
{
	int r = 0;

	for (size_t round = 0; r == 0 && (size_t)1 << round / 2 < n; round++) {
		struct half h = {place, round / 2, round % 2};
		struct wh_keep *keep = NULL;

		r = decide_without(k, half_out, &h, &keep, err);
		for (size_t i = 0; r == 0 && i < k->n; i++)
			if (half_out(&h, i))
				judge(k, &k->v[i], keep);
		wh_keep_free(keep);
	}
	return r;
}

static int judge_all(struct risk *k, struct wh_err **err)
{
	WH_AUTO_FREE size_t *open = wh_calloc(k->n, sizeof(*open)), *place = wh_calloc(k->n, sizeof(*place));
	struct wh_keep *keep = NULL;
	size_t n = 0;
	int r = decide_without(k, all_out, NULL, &keep, err);

	for (size_t i = 0; r == 0 && i < k->n; i++) {
		struct test *t = &k->v[i];

		t->is_there = wh_calloc(t->n_own + 1, sizeof(*t->is_there));
		judge(k, t, keep);
		place[i] = t->missing ? n : SIZE_MAX;
		if (t->missing)
			open[n++] = i;
	}
	wh_keep_free(keep);
	if (r == 0 && n <= MAX_ALONE)
		return judge_one_by_one(k, open, n, err);
	k->grouped = n;
	return r < 0 ? r : judge_halves(k, place, n, err);
}

/* ---------------------------------------------------------------- figures */

/* P(at most b of n) when each has probability p. */
static double binomial_cdf(size_t b, size_t n, double p)
{
	double sum = 0, ways = 0; /* log of n over i */

	if (p <= 0 || p >= 1)
		return p <= 0 || b >= n ? 1 : 0;
	for (size_t i = 0; i <= b; i++) {
		if (i)
			ways += log((double)(n - i + 1)) - log((double)i);
		sum += exp(ways + (double)i * log(p) + (double)(n - i) * log1p(-p));
	}
	return sum;
}

/* The greatest p under which b of n or fewer has still the chance DELTA. */
static double upper_bound(size_t b, size_t n)
{
	double low = 0, high = 1;

	if (b >= n)
		return 1;
	for (int i = 0; i < 60; i++) {
		double mid = (low + high) / 2;

		*(binomial_cdf(b, n, mid) > DELTA ? &low : &high) = mid;
	}
	return high;
}

static json_int_t parts(double x)
{
	return (json_int_t)ceil((x > 1 ? 1 : x) * WHOLE - 1e-6);
}

static json_t *unseen_json(const struct risk *k)
{
	double n = (double)k->uses, g = k->uses ? (double)k->once / n : 1,
	       o = k->uses ? (double)k->outside / n : 1,
	       margin = k->uses ? (2 * sqrt(2) + sqrt(3)) * sqrt(log(3 / DELTA) / n) : 1;

	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "uses", (json_int_t)k->uses, "once",
			 (json_int_t)k->once, "outside_rules", (json_int_t)k->outside, "estimate", parts(g), "bound",
			 parts(g + margin), "estimate_outside_rules", parts(o), "bound_outside_rules",
			 parts(o + margin));
}

static json_t *broken_json(const struct risk *k)
{
	json_t *list = json_array();

	for (size_t i = 0; i < k->n && json_array_size(list) < MAX_TOLD; i++) {
		const struct test *t = &k->v[i];

		if (t->missing)
			json_array_append_new(list, json_pack("{s:o, s:I, s:o, s:I}", "test",
							      wh_text_json(t->name), "profile",
							      (json_int_t)t->profile, "path", wh_path_json(t->first),
							      "paths", (json_int_t)t->missing));
	}
	return list;
}

static json_t *figures(struct risk *k)
{
	size_t broken = 0, own = 0;
	json_t *o = json_pack("{s:i, s:I, s:b}", "unit", WHOLE, "tests", (json_int_t)k->n, "measurable", k->n >= 2);

	if (k->n < 2)
		return o;
	for (size_t i = 0; i < k->n; i++) {
		broken += k->v[i].missing != 0;
		own += k->v[i].n_own != 0;
		k->outside += k->v[i].missing;
	}
	json_object_set_new(o, "with_own_paths", json_integer((json_int_t)own));
	json_object_set_new(o, "broken", json_integer((json_int_t)broken));
	json_object_set_new(o, "grouped", json_integer((json_int_t)k->grouped));
	json_object_set_new(o, "risk", json_integer(parts((double)(broken ? broken : 1) / (double)k->n)));
	json_object_set_new(o, "bound", json_integer(parts(upper_bound(broken, k->n))));
	json_object_set_new(o, "confidence", json_integer(parts(1 - DELTA)));
	json_object_set_new(o, "would_break", broken_json(k));
	json_object_set_new(o, "unseen_files", unseen_json(k));
	return o;
}

int wh_risk_estimate(struct wh_tree *t, const struct wh_prune_opts *o, json_t **ret, struct wh_err **err)
{
	WH_CLEANUP(risk_release) struct risk k = {.tree = t, .o = o, .p = {.a = wh_arena_new()}};
	int r = 0;

	for (size_t i = 0; r == 0 && i < o->n_profiles; i++)
		r = wh_profile_add(&k.p, o->profiles[i], err);
	if (r < 0)
		return r;
	find_tests(&k);
	if (k.n >= 2) {
		find_own(&k);
		r = wh_shells_open(t, &k.shells, err);
		if (r == 0)
			r = judge_all(&k, err);
	}
	if (r == 0)
		*ret = figures(&k);
	return r;
}
