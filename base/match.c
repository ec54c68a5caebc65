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
#include "base/match_private.h"
#include "base/rune.h"

#include <errno.h>

void wh_program_release(struct wh_program *p)
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

static void add(struct wh_program *p, struct wh_step s)
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
static int class(struct wh_program *p, const char **s, bool ordered)
{
	struct wh_step step = {.kind = STEP_CLASS, .class_at = (uint32_t)p->n_ranges};

	if (**s == '^') {
		step.negated = true;
		(*s)++;
	}
	do {
		struct wh_range r;

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

static void stars(struct wh_program *p, const char **s, bool deep)
{
	bool two = deep && (*s)[1] == '*';

	*s += two ? 2 : 1;
	if (!two) {
		add(p, (struct wh_step){.kind = STEP_RUN});
		return;
	}
	if (**s == '/')
		(*s)++;
	add(p, (struct wh_step){.kind = **s ? STEP_DIRS : STEP_REST});
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

static void add_class(struct wh_program *p, const struct wh_range *r, size_t n, bool negated)
{
	add(p,
	    (struct wh_step){
		    .kind = STEP_CLASS, .class_at = (uint32_t)p->n_ranges, .class_n = (uint32_t)n, .negated = negated});
	for (; n; n--, r++)
		WH_PUSH(p->ranges, p->n_ranges, p->cap_ranges) = *r;
}

/* A letter or digit behind a backslash, as RE2 has it. */
static int escaped_word(struct wh_program *p, char c)
{
	static const struct wh_range digits[] = {{'0', '9'}};
	static const struct wh_range word[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
	static const struct wh_range space[] = {{'\t', '\n'}, {'\f', '\r'}, {' ', ' '}};
	static const char controls[] = "afnrtv", codes[] = "\a\f\n\r\t\v";
	const char *found = strchr(controls, c);

	if (found)
		add(p, (struct wh_step){.kind = STEP_CHAR, .c = (unsigned char)codes[found - controls]});
	else if (c == 'd' || c == 'D')
		add_class(p, digits, WH_ARRAY_SIZE(digits), c == 'D');
	else if (c == 'w' || c == 'W')
		add_class(p, word, WH_ARRAY_SIZE(word), c == 'W');
	else if (c == 's' || c == 'S')
		add_class(p, space, WH_ARRAY_SIZE(space), c == 'S');
	else if (strchr("AzbB", c))
		add(p, (struct wh_step){.kind = STEP_ASSERT, .c = (unsigned char)c});
	else
		return -EINVAL;
	return 0;
}

/* *s is behind the backslash. */
static int escaped(struct wh_program *p, const char **s, bool deep)
{
	unsigned char c = (unsigned char)**s;

	if (!c || (deep && c >= 0x80))
		return -EINVAL;
	if (deep && (wh_rune_is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))) {
		(*s)++;
		return escaped_word(p, (char)c);
	}
	add(p, (struct wh_step){.kind = STEP_CHAR, .c = rune(s)});
	return 0;
}

int wh_program_compile(const char *s, bool deep, struct wh_program *p)
{
	/* Without any of these a set's pattern is compared as plain text. */
	bool expression = deep && strpbrk(s, "*?[]\\") && !plain_stars(s);

	while (*s) {
		if (*s == '*') {
			stars(p, &s, deep);
		} else if (*s == '?') {
			s++;
			add(p, (struct wh_step){.kind = STEP_ANY});
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
			add(p, (struct wh_step){.kind = STEP_ASSERT, .c = 'A'});
		} else {
			add(p, (struct wh_step){.kind = STEP_CHAR, .c = rune(&s)});
		}
	}
	return 0;
}

/* ---- matching ---- */

/* Two marks a step: [2i] about to be entered, [2i+1] inside a STEP_DIRS that has swallowed something. */
static void enter(const struct wh_program *p, bool *set, size_t i)
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
static void pass_asserts(const struct wh_program *p, bool *set, uint32_t before, uint32_t after)
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

static bool in_class(const struct wh_program *p, const struct wh_step *s, uint32_t c)
{
	uint32_t i;

	for (i = 0; i < s->class_n; i++)
		if (c >= p->ranges[s->class_at + i].lo && c <= p->ranges[s->class_at + i].hi)
			return !s->negated;
	return s->negated;
}

static void advance(const struct wh_program *p, size_t i, uint32_t c, bool *next)
{
	const struct wh_step *s = &p->steps[i];

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
	const struct wh_program *p;
	size_t size; /* of a set of marks */
	bool small[512], *large, *alive, *next;
	uint32_t before; /* the character read last, 0: none */
};

static void sim_begin(struct sim *s, const struct wh_program *p)
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

static bool run(const struct wh_program *p, const char *name)
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

void wh_program_levels(const struct wh_program *p, const char *path, bool *ret)
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

bool wh_program_reaches(const struct wh_program *p, const char *dir)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/", dir);
	const char *text = path;
	bool any = true;
	struct sim s;
	size_t i;

	sim_begin(&s, p);
	while (*text && any)
		any = sim_step(&s, rune(&text));
	for (i = 0, any = false; i < s.size && !any; i++)
		any = s.alive[i];
	sim_end(&s);
	return any;
}

int wh_glob_match(const char *pattern, const char *name)
{
	WH_CLEANUP(wh_program_release) struct wh_program p = {0};

	if (wh_program_compile(pattern, false, &p) < 0)
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
