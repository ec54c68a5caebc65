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
 *
 * Being regular expressions there, some of the sets' patterns mean what nobody wrote them for, and images depend on it: a '^' holds
 * at the beginning only, and a letter after a backslash is that of regular expressions ("\d" is a digit, "\e" is an error). In the
 * globs of COPY a backslash takes the meaning from any character.
 */
#include "base/match.h"
#include "base/rune.h"

#include <errno.h>

enum step_kind { STEP_CHAR, STEP_ANY, STEP_RUN, STEP_DIRS, STEP_REST, STEP_CLASS, STEP_ASSERT };

struct step {
	enum step_kind kind;
	uint32_t c;        /* CHAR; ASSERT: 'A' the beginning, 'z' the end, 'b' a word's end or beginning, 'B' none */
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
	bool asserts; /* has steps of that kind */
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
	p->asserts |= s.kind == STEP_ASSERT;
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

/* *s is behind the '['. ordered: "[z-a]" is malformed, else it is empty. */
static int class(struct program *p, const char **s, bool ordered)
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
			if (class_char(s, &r.hi) < 0 || (ordered && r.hi < r.lo))
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

/* "**text", "text**": plain text at the end or the beginning. */
static bool plain_stars(const char *s)
{
	size_t n = strcspn(s, "*?[]\\");
	const char *rest = s + n;

	if (rest[0] != '*' || rest[1] != '*')
		return false;
	rest += 2 + (rest[2] == '/');
	return n ? !*rest : !strpbrk(rest, "*?[]\\");
}

static void add_class(struct program *p, const struct range *r, size_t n, bool negated)
{
	add(p,
	    (struct step){
		    .kind = STEP_CLASS, .class_at = (uint32_t)p->n_ranges, .class_n = (uint32_t)n, .negated = negated});
	for (; n; n--, r++)
		WH_PUSH(p->ranges, p->n_ranges, p->cap_ranges) = *r;
}

/* A letter or digit behind a backslash, as RE2 has it. */
static int escaped_word(struct program *p, char c)
{
	static const struct range digits[] = {{'0', '9'}};
	static const struct range word[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
	static const struct range space[] = {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}};
	static const char controls[] = "afnrtv", codes[] = "\a\f\n\r\t\v";
	const char *found = strchr(controls, c);

	if (found)
		add(p, (struct step){.kind = STEP_CHAR, .c = (unsigned char)codes[found - controls]});
	else if (c == 'd' || c == 'D')
		add_class(p, digits, WH_ARRAY_SIZE(digits), c == 'D');
	else if (c == 'w' || c == 'W')
		add_class(p, word, WH_ARRAY_SIZE(word), c == 'W');
	else if (c == 's' || c == 'S')
		add_class(p, space, WH_ARRAY_SIZE(space), c == 'S');
	else if (strchr("AzbB", c))
		add(p, (struct step){.kind = STEP_ASSERT, .c = (unsigned char)c});
	else
		return -EINVAL;
	return 0;
}

/* *s is behind the backslash. */
static int escaped(struct program *p, const char **s, bool deep)
{
	unsigned char c = (unsigned char)**s;

	if (!c || (deep && c >= 0x80))
		return -EINVAL;
	if (deep && (wh_rune_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))) {
		(*s)++;
		return escaped_word(p, (char)c);
	}
	add(p, (struct step){.kind = STEP_CHAR, .c = rune(s)});
	return 0;
}

/* deep: a set's pattern, where "**" crosses directories; else a glob. -EINVAL: malformed. */
static int compile(const char *s, bool deep, struct program *p)
{
	/* Without any of these a set's pattern is compared as plain text. */
	bool expression = deep && strpbrk(s, "*?[]\\") && !plain_stars(s);

	while (*s) {
		if (*s == '*') {
			stars(p, &s, deep);
		} else if (*s == '?') {
			s++;
			add(p, (struct step){.kind = STEP_ANY});
		} else if (*s == '[') {
			s++;
			if (class(p, &s, deep) < 0)
				return -EINVAL;
		} else if (*s == '\\') {
			s++;
			if (escaped(p, &s, deep) < 0)
				return -EINVAL;
		} else if (*s == '^' && expression) {
			s++;
			add(p, (struct step){.kind = STEP_ASSERT, .c = 'A'});
		} else {
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

static bool is_word(uint32_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

/* Between these two characters (0: there is none), which assertions hold? */
static void pass_asserts(const struct program *p, bool *set, uint32_t before, uint32_t after)
{
	size_t i;

	for (i = 0; i < p->n; i++) {
		bool holds = false;

		if (p->steps[i].kind != STEP_ASSERT || !set[2 * i])
			continue;
		if (p->steps[i].c == 'A')
			holds = !before;
		else if (p->steps[i].c == 'z')
			holds = !after;
		else
			holds = (is_word(before) != is_word(after)) == (p->steps[i].c == 'b');
		if (holds)
			enter(p, set, i + 1);
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
	case STEP_ASSERT: /* pass_asserts() went on from here */
		return;
	}
}

/* A program on its way through a text. */
struct sim {
	const struct program *p;
	size_t size; /* of a set of marks */
	bool small[512], *large, *alive, *next;
	uint32_t before; /* the character read last, 0: none */
};

static void sim_begin(struct sim *s, const struct program *p)
{
	s->p = p;
	s->size = 2 * p->n + 2;
	s->large = 2 * s->size > sizeof(s->small) ? wh_malloc(2 * s->size) : NULL;
	s->alive = s->large ? s->large : s->small;
	s->next = s->alive + s->size;
	s->before = 0;
	memset(s->alive, 0, s->size);
	enter(p, s->alive, 0);
}

static void sim_end(struct sim *s)
{
	free(s->large);
}

/* False: whatever comes, it will not match. */
static bool sim_step(struct sim *s, uint32_t c)
{
	bool *swap = s->next, any = false;
	size_t i;

	if (s->p->asserts)
		pass_asserts(s->p, s->alive, s->before, c);
	s->before = c;
	memset(s->next, 0, s->size);
	for (i = 0; i < s->p->n; i++) {
		if (s->alive[2 * i] || s->alive[2 * i + 1]) {
			advance(s->p, i, c, s->next);
			any = true;
		}
	}
	s->next = s->alive;
	s->alive = swap;
	return any;
}

/* Does what was read match, were it all? */
static bool sim_matches(struct sim *s)
{
	if (!s->p->asserts)
		return s->alive[2 * s->p->n];
	memcpy(s->next, s->alive, s->size);
	pass_asserts(s->p, s->next, s->before, 0);
	return s->next[2 * s->p->n];
}

static bool run(const struct program *p, const char *name)
{
	struct sim s;
	bool found;

	sim_begin(&s, p);
	while (*name && sim_step(&s, rune(&name)))
		;
	found = !*name && sim_matches(&s);
	sim_end(&s);
	return found;
}

/* ret[i]: does it match the first i + 1 components of the path? In one walk, for paths may be long. */
static void run_levels(const struct program *p, const char *path, bool *ret)
{
	struct sim s;
	bool alive = true;

	sim_begin(&s, p);
	while (*path && alive) {
		if (*path == '/')
			*ret++ = sim_matches(&s);
		alive = sim_step(&s, rune(&path));
	}
	if (alive)
		*ret = sim_matches(&s);
	sim_end(&s);
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
	raw = wh_strndup(text.p, text.n);
	path = wh_path_clean(raw);
	if (!text.n || (p.negated && wh_streq(path, "/"))) {
		wh_err_set(err, "base", WH_ERR_USAGE, EINVAL, "illegal exclusion pattern: \"!\"");
		wh_err_hint(err, "an exclamation mark must be followed by a pattern");
		return -EINVAL;
	}
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

unsigned wh_patterns_bad(const struct wh_strv *lines)
{
	struct wh_patterns set = {0};
	unsigned bad = 0;
	size_t i;

	for (i = 0; i < lines->n && !bad; i++)
		if (pattern_add(&set, lines->v[i], (unsigned)i + 1, NULL) < 0)
			bad = (unsigned)i + 1;
	for (i = 0; i < set.n; i++) {
		program_release(&set.v[i].program);
		free(set.v[i].literal);
	}
	free(set.v);
	return bad;
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

/*
 * One step of moby/patternmatcher's MatchesUsingParentResults: the patterns in order, each tried only where it could change the
 * outcome so far. One that matched a parent matches its children; one that was not tried at the parent, though it would have matched,
 * does not, so "a", "!a/b/c", "a/b" leaves a/b/c in the context. others: which patterns that are no plain text match the path
 * itself; matched: in and out, which match the parent, and this path.
 */
static const struct pattern *decide_at(const struct wh_patterns *set, const char *path, const bool *others,
				       struct hits *matched)
{
	const struct pattern *found = NULL;
	struct hits literal = {0}, now = {0};
	bool excluded = false;
	size_t par = 0, lit = 0, other = 0;

	literal_hits(set, path, &literal);
	for (;;) {
		size_t i = par < matched->n ? matched->v[par] : SIZE_MAX;
		bool hit, same;

		if (lit < literal.n && literal.v[lit] < i)
			i = literal.v[lit];
		if (other < set->n_others && set->others[other] < i)
			i = set->others[other];
		if (i == SIZE_MAX)
			break;
		hit = par < matched->n && matched->v[par] == i;
		same = lit < literal.n && literal.v[lit] == i;
		par += hit;
		lit += same;
		if (other < set->n_others && set->others[other] == i)
			same = others[other++];
		if (!hit && (!same || set->v[i].negated != excluded))
			continue;
		WH_PUSH(now.v, now.n, now.cap) = i;
		excluded = !set->v[i].negated;
		found = &set->v[i];
	}
	free(literal.v);
	free(matched->v);
	*matched = now;
	return found;
}

static const struct pattern *decider(const struct wh_patterns *set, const char *path)
{
	WH_AUTO_FREE char *copy = NULL;
	WH_AUTO_FREE bool *levels = NULL, *others = NULL;
	const struct pattern *found = NULL;
	struct hits matched = {0};
	size_t depth = 1, level, i;
	char *end;

	if (!set->n || wh_streq(path, ".") || !*path)
		return NULL;
	for (i = 0; path[i]; i++)
		depth += path[i] == '/';
	levels = wh_calloc(set->n_others * depth + 1, sizeof(*levels));
	others = wh_calloc(set->n_others + 1, sizeof(*others));
	for (i = 0; i < set->n_others; i++)
		run_levels(&set->v[set->others[i]].program, path, levels + i * depth);
	copy = wh_strdup(path);
	end = copy;
	for (level = 0; level < depth; level++) {
		char c;

		end += strcspn(end, "/");
		c = *end;
		*end = '\0';
		for (i = 0; i < set->n_others; i++)
			others[i] = levels[i * depth + level];
		found = decide_at(set, copy, others, &matched);
		*end = c;
		end += c != '\0';
	}
	free(matched.v);
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
	WH_AUTO_FREE char *path = wh_asprintf("%s/", dir);
	const char *text = path;
	bool any = true;
	struct sim s;
	size_t i;

	sim_begin(&s, &p->program);
	while (*text && any)
		any = sim_step(&s, rune(&text));
	for (i = 0, any = false; i < s.size && !any; i++)
		any = s.alive[i];
	sim_end(&s);
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
