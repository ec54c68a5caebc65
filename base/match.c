/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Path patterns. One engine for globs and .dockerignore patterns: a pattern
 * becomes a list of steps, and matching keeps the set of steps that are alive,
 * so that its cost is pattern times path and no pattern can make it explode.
 *
 * What the steps mean (moby/patternmatcher turns the same into regular expressions):
 *   *    any run without '/'          ?    one character but '/'
 *   **   at the end: anything; before something: "" or anything that ends in '/', a '/' behind it included
 *   […]  one character of the class, '/' too
 */
#include "base/match.h"
#include "base/rune.h"

#include <errno.h>

enum step_kind { STEP_CHAR, STEP_ANY, STEP_RUN, STEP_DIRS, STEP_REST, STEP_CLASS };

struct step {
	enum step_kind kind;
	uint32_t c;        /* CHAR */
	uint32_t class_at; /* CLASS: index of its first range */
	uint32_t class_n;
	bool negated;
};

struct range {
	uint32_t lo, hi;
};

struct program {
	struct step *steps;
	size_t n, cap;
	struct range *ranges;
	size_t n_ranges, cap_ranges;
};

static void program_release(struct program *p)
{
	free(p->steps);
	free(p->ranges);
}

static uint32_t rune(const char **p)
{
	size_t w;
	uint32_t r = wh_rune(*p, strnlen(*p, 4), &w);

	*p += w;
	return r;
}

/* ---- compiling ---- */

static void add(struct program *p, struct step s)
{
	WH_PUSH(p->steps, p->n, p->cap) = s;
}

/* One end of a range inside […]; 0 or -EINVAL. */
static int class_char(const char **s, uint32_t *ret)
{
	if (!**s || **s == '-' || **s == ']')
		return -EINVAL;
	if (**s == '\\') {
		(*s)++;
		if (!**s)
			return -EINVAL;
	}
	*ret = rune(s);
	return **s ? 0 : -EINVAL; /* a class must still be closed */
}

/* *s is behind the '['. */
static int class(struct program *p, const char **s)
{
	struct step step = {.kind = STEP_CLASS, .class_at = (uint32_t)p->n_ranges};

	if (**s == '^') {
		step.negated = true;
		(*s)++;
	}
	do {
		struct range r;

		if (class_char(s, &r.lo) < 0)
			return -EINVAL;
		r.hi = r.lo;
		if (**s == '-') {
			(*s)++;
			if (class_char(s, &r.hi) < 0)
				return -EINVAL;
		}
		WH_PUSH(p->ranges, p->n_ranges, p->cap_ranges) = r;
	} while (**s != ']');
	(*s)++;
	step.class_n = (uint32_t)p->n_ranges - step.class_at;
	add(p, step);
	return 0;
}

static void stars(struct program *p, const char **s, bool deep)
{
	bool two = deep && (*s)[1] == '*';

	*s += two ? 2 : 1;
	if (!two) {
		add(p, (struct step){.kind = STEP_RUN});
		return;
	}
	if (**s == '/')
		(*s)++;
	add(p, (struct step){.kind = **s ? STEP_DIRS : STEP_REST});
}

/* deep: "**" crosses directories. -EINVAL: malformed. */
static int compile(const char *s, bool deep, struct program *p)
{
	while (*s) {
		if (*s == '*') {
			stars(p, &s, deep);
		} else if (*s == '?') {
			s++;
			add(p, (struct step){.kind = STEP_ANY});
		} else if (*s == '[') {
			s++;
			if (class(p, &s) < 0)
				return -EINVAL;
		} else {
			if (*s == '\\' && !*++s)
				return -EINVAL;
			add(p, (struct step){.kind = STEP_CHAR, .c = rune(&s)});
		}
	}
	return 0;
}

/* ---- matching ---- */

/* Two marks a step: [2i] about to be entered, [2i+1] inside a STEP_DIRS that has swallowed something. */
static void enter(const struct program *p, bool *set, size_t i)
{
	while (!set[2 * i]) {
		set[2 * i] = true;
		if (i == p->n ||
		    (p->steps[i].kind != STEP_RUN && p->steps[i].kind != STEP_DIRS && p->steps[i].kind != STEP_REST))
			return;
		i++;
	}
}

static bool in_class(const struct program *p, const struct step *s, uint32_t c)
{
	uint32_t i;

	for (i = 0; i < s->class_n; i++)
		if (c >= p->ranges[s->class_at + i].lo && c <= p->ranges[s->class_at + i].hi)
			return !s->negated;
	return s->negated;
}

static void advance(const struct program *p, size_t i, uint32_t c, bool *next)
{
	const struct step *s = &p->steps[i];

	switch (s->kind) {
	case STEP_CHAR:
		if (c == s->c)
			enter(p, next, i + 1);
		return;
	case STEP_ANY:
		if (c != '/')
			enter(p, next, i + 1);
		return;
	case STEP_RUN:
		if (c != '/')
			enter(p, next, i);
		return;
	case STEP_REST:
		enter(p, next, i);
		return;
	case STEP_CLASS:
		if (in_class(p, s, c))
			enter(p, next, i + 1);
		return;
	case STEP_DIRS:
		next[2 * i + 1] = true;
		if (c == '/')
			enter(p, next, i + 1);
		return;
	}
}

static bool run(const struct program *p, const char *name)
{
	size_t size = 2 * p->n + 2, i;
	WH_AUTO_FREE bool *large = NULL;
	bool small[512], *alive = small, *next;

	if (2 * size > sizeof(small)) {
		large = wh_malloc(2 * size);
		alive = large;
	}
	next = alive + size;
	memset(alive, 0, size);
	enter(p, alive, 0);
	while (*name) {
		uint32_t c = rune(&name);
		bool *swap = next, any = false;

		memset(next, 0, size);
		for (i = 0; i < p->n; i++) {
			if (alive[2 * i] || alive[2 * i + 1]) {
				advance(p, i, c, next);
				any = true;
			}
		}
		next = alive;
		alive = swap;
		if (!any) /* more characters than the pattern has: nothing is alive */
			break;
	}
	return !*name && alive[2 * p->n];
}

int wh_glob_match(const char *pattern, const char *name)
{
	WH_CLEANUP(program_release) struct program p = {0};

	if (compile(pattern, false, &p) < 0)
		return -EINVAL;
	return run(&p, name);
}

bool wh_glob_has_meta(const char *pattern)
{
	for (; *pattern; pattern++) {
		if (*pattern == '*' || *pattern == '?' || *pattern == '[')
			return true;
		if (*pattern == '\\' && pattern[1])
			pattern++;
	}
	return false;
}

/* ---- pattern sets ---- */

struct pattern {
	struct program program;
	char *literal; /* the path itself when nothing in it is special */
	bool negated;
	unsigned number; /* in the caller's list, 1-based */
};

struct wh_patterns {
	struct pattern *v;
	size_t n, cap;
	bool negations;
	/* Indexes into v, so that a set of very many plain paths is not tried one by one. */
	size_t *literals; /* by text, then in order */
	size_t n_literals;
	size_t *others; /* in order */
	size_t n_others;
	/* Where they were read, for messages. */
	char *file;
	unsigned *lines; /* by number - 1 */
	size_t n_lines;
};

static int pattern_add(struct wh_patterns *set, const char *line, unsigned number, struct wh_err **err)
{
	struct wh_str text = wh_str_trim(wh_str(line));
	WH_AUTO_FREE char *raw = NULL, *path = NULL;
	struct pattern p = {.number = number};
	const char *rel;

	if (!text.n)
		return 0;
	p.negated = text.p[0] == '!';
	if (p.negated)
		text = wh_str_trim((struct wh_str){text.p + 1, text.n - 1});
	if (!text.n) {
		wh_err_set(err, "base", WH_ERR_USAGE, EINVAL, "illegal exclusion pattern: \"!\"");
		wh_err_hint(err, "an exclamation mark must be followed by a pattern");
		return -EINVAL;
	}
	raw = wh_strndup(text.p, text.n);
	path = wh_path_clean(raw);
	rel = path[0] == '/' && path[1] ? path + 1 : path;
	if (compile(rel, true, &p.program) < 0) {
		program_release(&p.program);
		return wh_err_set(err, "base", WH_ERR_USAGE, EINVAL, "syntax error in pattern \"%s\"", line);
	}
	if (!strpbrk(rel, "*?[]\\"))
		p.literal = wh_strdup(rel);
	/* moby/patternmatcher takes "**" and plain text behind it for "ends in that text", slash or not. */
	if (p.program.n && wh_has_prefix(rel, "**") && rel[2] && rel[2] != '/' && !strpbrk(rel + 2, "*?[]\\"))
		p.program.steps[0].kind = STEP_REST;
	set->negations |= p.negated;
	WH_PUSH(set->v, set->n, set->cap) = p;
	return 0;
}

static int by_literal(const void *a, const void *b, void *patterns)
{
	const struct pattern *v = patterns;
	size_t x = *(const size_t *)a, y = *(const size_t *)b;
	int r = strcmp(v[x].literal, v[y].literal);

	return r ? r : x < y ? -1 : x > y;
}

static void index_literals(struct wh_patterns *set)
{
	size_t i;

	set->literals = wh_calloc(set->n + 1, sizeof(*set->literals));
	set->others = wh_calloc(set->n + 1, sizeof(*set->others));
	for (i = 0; i < set->n; i++) {
		if (set->v[i].literal)
			set->literals[set->n_literals++] = i;
		else
			set->others[set->n_others++] = i;
	}
	qsort_r(set->literals, set->n_literals, sizeof(*set->literals), by_literal, set->v);
}

int wh_patterns_new(const struct wh_strv *lines, struct wh_patterns **ret, struct wh_err **err)
{
	struct wh_patterns *set = wh_calloc(1, sizeof(*set));
	size_t i;

	for (i = 0; i < lines->n; i++) {
		int r = pattern_add(set, lines->v[i], (unsigned)i + 1, err);

		if (r < 0) {
			wh_patterns_free(set);
			return r;
		}
	}
	index_literals(set);
	*ret = set;
	return 0;
}

void wh_patterns_free(struct wh_patterns *set)
{
	size_t i;

	if (!set)
		return;
	for (i = 0; i < set->n; i++) {
		program_release(&set->v[i].program);
		free(set->v[i].literal);
	}
	free(set->literals);
	free(set->others);
	free(set->file);
	free(set->lines);
	free(set->v);
	free(set);
}

void wh_patterns_set_source(struct wh_patterns *set, const char *file, const unsigned *lines, size_t n)
{
	free(set->file);
	free(set->lines);
	set->file = wh_strdup(file);
	set->lines = wh_calloc(n + 1, sizeof(*set->lines));
	set->n_lines = n;
	if (n)
		memcpy(set->lines, lines, n * sizeof(*lines));
}

const char *wh_patterns_source(const struct wh_patterns *set, unsigned number, unsigned *ret_line)
{
	*ret_line = number && number <= set->n_lines ? set->lines[number - 1] : 0;
	return set->file;
}

bool wh_patterns_empty(const struct wh_patterns *set)
{
	return set->n == 0;
}

/* The path or one of its parents. Cuts path at its slashes while it looks, and mends it. */
static bool matches(const struct pattern *p, char *path)
{
	char *slash;
	bool found;

	if (run(&p->program, path))
		return true;
	for (slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		found = run(&p->program, path);
		*slash = '/';
		if (found)
			return true;
	}
	return false;
}

struct hits {
	size_t *v;
	size_t n, cap;
};

/* The plain patterns that are this very path. */
static void literal_hits(const struct wh_patterns *set, const char *path, struct hits *hits)
{
	size_t lo = 0, hi = set->n_literals;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(set->v[set->literals[mid]].literal, path) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < set->n_literals && strcmp(set->v[set->literals[lo]].literal, path) == 0; lo++)
		WH_PUSH(hits->v, hits->n, hits->cap) = set->literals[lo];
}

static int by_number(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return x < y ? -1 : x > y;
}

/* Those that match the path or one of its parents, in order. */
static void all_literal_hits(const struct wh_patterns *set, char *path, struct hits *hits)
{
	char *slash;

	for (slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		literal_hits(set, path, hits);
		*slash = '/';
	}
	literal_hits(set, path, hits);
	if (hits->n > 1)
		qsort(hits->v, hits->n, sizeof(*hits->v), by_number);
}

static const struct pattern *decider(const struct wh_patterns *set, const char *path)
{
	WH_AUTO_FREE char *copy = NULL;
	const struct pattern *found = NULL;
	struct hits hits = {0};
	bool excluded = false;
	size_t lit = 0, other = 0;

	if (!set->n || wh_streq(path, ".") || !*path)
		return NULL;
	copy = wh_strdup(path);
	all_literal_hits(set, copy, &hits);
	while (lit < hits.n || other < set->n_others) {
		bool hit = lit < hits.n && (other == set->n_others || hits.v[lit] < set->others[other]);
		const struct pattern *p = &set->v[hit ? hits.v[lit++] : set->others[other++]];

		/* A pattern that could change nothing is not tried. */
		if (p->negated == excluded && (hit || matches(p, copy))) {
			excluded = !p->negated;
			found = p;
		}
	}
	free(hits.v);
	return found;
}

unsigned wh_patterns_decider(const struct wh_patterns *set, const char *path)
{
	const struct pattern *p = decider(set, path);

	return p ? p->number : 0;
}

bool wh_patterns_excluded(const struct wh_patterns *set, const char *path)
{
	const struct pattern *p = decider(set, path);

	return p && !p->negated;
}

/* Could this pattern match something below dir? True when some step is alive after "dir/". */
static bool may_reach(const struct pattern *p, const char *dir)
{
	size_t size = 2 * p->program.n + 2, i;
	WH_AUTO_FREE bool *alive = wh_calloc(size, 1), *next = wh_calloc(size, 1);
	WH_AUTO_FREE char *path = wh_asprintf("%s/", dir);
	const char *s = path;
	bool any = true;

	enter(&p->program, alive, 0);
	while (*s && any) {
		uint32_t c = rune(&s);
		bool *swap = next;

		memset(next, 0, size);
		for (i = 0; i < p->program.n; i++)
			if (alive[2 * i] || alive[2 * i + 1])
				advance(&p->program, i, c, next);
		next = alive;
		alive = swap;
		for (i = 0, any = false; i < size && !any; i++)
			any = alive[i];
	}
	return any;
}

bool wh_patterns_prunable(const struct wh_patterns *set, const char *dir)
{
	unsigned decider;
	size_t i;

	if (!set->negations)
		return true;
	decider = wh_patterns_decider(set, dir);
	/* Only what comes after the deciding pattern can bring a child back; had it matched the directory itself, it
	 * would have decided. */
	for (i = 0; i < set->n; i++)
		if (set->v[i].negated && set->v[i].number > decider && may_reach(&set->v[i], dir))
			return false;
	return true;
}
