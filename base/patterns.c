/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of path patterns, as .dockerignore has them: which one of them decides
 * about a path. Sets may be large and contexts larger, so most patterns must
 * not be tried: plain paths are found by search, all others only where the
 * path has what they begin with, end in, or hold.
 */
#include "base/match_private.h"

#include <errno.h>

struct pattern {
	struct wh_program program;
	char *literal; /* the path itself when nothing in it is special */
	/* Of one that is no plain path: what each text that it matches begins with, or else ends in (backwards), and what it holds. */
	char *anchor, *needle;
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
	struct anchors {
		size_t *v; /* by anchor */
		size_t n;
	} heads, tails;
	size_t *loose; /* the others: neither begins nor ends with something plain */
	size_t n_loose;
	/* Where they were read, for messages. */
	char *file;
	unsigned *lines; /* by number - 1 */
	size_t n_lines;
};

static void pattern_release(struct pattern *p)
{
	wh_program_release(&p->program);
	free(p->literal);
	free(p->anchor);
	free(p->needle);
}

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
	if (wh_program_compile(rel, true, &p.program) < 0) {
		wh_program_release(&p.program);
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

static int by_anchor(const void *a, const void *b, void *patterns)
{
	const struct pattern *v = patterns;

	return strcmp(v[*(const size_t *)a].anchor, v[*(const size_t *)b].anchor);
}

/* How many characters from step i on are plain ones, of which a text has to have all in a row. ASCII only: one byte each. */
static size_t plain_run(const struct wh_program *p, size_t i)
{
	size_t n = 0;

	while (i + n < p->n && p->steps[i + n].kind == STEP_CHAR && p->steps[i + n].c < 0x80)
		n++;
	return n;
}

static char *plain_text(const struct wh_program *p, size_t i, size_t n, bool backwards)
{
	char *text = wh_malloc(n + 1);
	size_t k;

	for (k = 0; k < n; k++)
		text[backwards ? n - 1 - k : k] = (char)p->steps[i + k].c;
	text[n] = '\0';
	return text;
}

static void find_anchor(struct wh_patterns *set, size_t index)
{
	struct pattern *p = &set->v[index];
	size_t i, n, last = 0, longest = 0, at = 0;

	for (i = 0; i < p->program.n; i += n ? n : 1) {
		n = plain_run(&p->program, i);
		last = i + n == p->program.n ? n : 0;
		if (n > longest) {
			longest = n;
			at = i;
		}
	}
	p->needle = plain_text(&p->program, at, longest, false);
	n = plain_run(&p->program, 0);
	if (n) {
		p->anchor = plain_text(&p->program, 0, n, false);
		set->heads.v[set->heads.n++] = index;
	} else if (last) {
		p->anchor = plain_text(&p->program, p->program.n - last, last, true);
		set->tails.v[set->tails.n++] = index;
	} else {
		set->loose[set->n_loose++] = index;
	}
}

static void make_indexes(struct wh_patterns *set)
{
	size_t i;

	set->literals = wh_calloc(set->n + 1, sizeof(*set->literals));
	set->heads.v = wh_calloc(set->n + 1, sizeof(*set->heads.v));
	set->tails.v = wh_calloc(set->n + 1, sizeof(*set->tails.v));
	set->loose = wh_calloc(set->n + 1, sizeof(*set->loose));
	for (i = 0; i < set->n; i++) {
		if (set->v[i].literal)
			set->literals[set->n_literals++] = i;
		else
			find_anchor(set, i);
	}
	qsort_r(set->literals, set->n_literals, sizeof(*set->literals), by_literal, set->v);
	qsort_r(set->heads.v, set->heads.n, sizeof(*set->heads.v), by_anchor, set->v);
	qsort_r(set->tails.v, set->tails.n, sizeof(*set->tails.v), by_anchor, set->v);
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
	make_indexes(set);
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
	for (i = 0; i < set.n; i++)
		pattern_release(&set.v[i]);
	free(set.v);
	return bad;
}

void wh_patterns_free(struct wh_patterns *set)
{
	size_t i;

	if (!set)
		return;
	for (i = 0; i < set->n; i++)
		pattern_release(&set->v[i]);
	free(set->literals);
	free(set->heads.v);
	free(set->tails.v);
	free(set->loose);
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

/* Those whose anchor is what stands at the text's position, read forwards (step 1) or backwards (-1): the range of them narrows
 * with each character. */
static void anchored_hits(const struct wh_patterns *set, const struct anchors *a, const char *at, ptrdiff_t step,
			  size_t max, struct hits *hits)
{
	size_t lo = 0, hi = a->n, depth;

	for (depth = 0; lo < hi; depth++) {
		size_t from, to;
		unsigned char c;

		while (lo < hi && !set->v[a->v[lo]].anchor[depth])
			WH_PUSH(hits->v, hits->n, hits->cap) = a->v[lo++];
		if (depth == max)
			return;
		c = (unsigned char)at[step * (ptrdiff_t)depth];
		for (from = lo, to = hi; from < to;) {
			size_t mid = from + (to - from) / 2;

			if ((unsigned char)set->v[a->v[mid]].anchor[depth] < c)
				from = mid + 1;
			else
				to = mid;
		}
		lo = from;
		for (to = hi; from < to;) {
			size_t mid = from + (to - from) / 2;

			if ((unsigned char)set->v[a->v[mid]].anchor[depth] <= c)
				from = mid + 1;
			else
				to = mid;
		}
		hi = from;
	}
}

static int by_number(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	return (x > y) - (x < y);
}

/* The patterns that are no plain text and may match the path or a directory above it, in order: few of very many. */
static void candidates(const struct wh_patterns *set, const char *path, struct hits *ret)
{
	size_t n = strlen(path), i, out = 0;

	anchored_hits(set, &set->heads, path, 1, n, ret);
	for (i = 1; i <= n && set->tails.n; i++)
		if (!path[i] || path[i] == '/')
			anchored_hits(set, &set->tails, path + i - 1, -1, i, ret);
	for (i = 0; i < set->n_loose; i++)
		WH_PUSH(ret->v, ret->n, ret->cap) = set->loose[i];
	if (ret->n > 1)
		qsort(ret->v, ret->n, sizeof(*ret->v), by_number);
	for (i = 0; i < ret->n; i++) {
		if (out && ret->v[out - 1] == ret->v[i])
			continue;
		if (strstr(path, set->v[ret->v[i]].needle))
			ret->v[out++] = ret->v[i];
	}
	ret->n = out;
}

/*
 * One step of moby/patternmatcher's MatchesUsingParentResults: the patterns in order, each tried only where it could change the
 * outcome so far. One that matched a parent matches its children; one that was not tried at the parent, though it would have matched,
 * does not, so "a", "!a/b/c", "a/b" leaves a/b/c in the context. others: patterns that are no plain text; which[i * depth]:
 * does the i-th match the path itself; matched: in and out, which match the parent, and this path.
 */
static const struct pattern *decide_at(const struct wh_patterns *set, const char *path, const struct hits *others,
				       const bool *which, size_t depth, struct hits *matched)
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
		if (other < others->n && others->v[other] < i)
			i = others->v[other];
		if (i == SIZE_MAX)
			break;
		hit = par < matched->n && matched->v[par] == i;
		same = lit < literal.n && literal.v[lit] == i;
		par += hit;
		lit += same;
		if (other < others->n && others->v[other] == i)
			same = which[depth * other++];
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
	WH_AUTO_FREE bool *levels = NULL;
	const struct pattern *found = NULL;
	struct hits matched = {0}, others = {0};
	size_t depth = 1, level, i;
	char *end;

	if (!set->n || wh_streq(path, ".") || !*path)
		return NULL;
	for (i = 0; path[i]; i++)
		depth += path[i] == '/';
	candidates(set, path, &others);
	levels = wh_calloc(others.n * depth + 1, sizeof(*levels));
	for (i = 0; i < others.n; i++)
		wh_program_levels(&set->v[others.v[i]].program, path, levels + i * depth);
	copy = wh_strdup(path);
	end = copy;
	for (level = 0; level < depth; level++) {
		char c;

		end += strcspn(end, "/");
		c = *end;
		*end = '\0';
		found = decide_at(set, copy, &others, levels + level, depth, &matched);
		*end = c;
		end += c != '\0';
	}
	free(matched.v);
	free(others.v);
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
		if (set->v[i].negated && set->v[i].number > decider && wh_program_reaches(&set->v[i].program, dir))
			return false;
	return true;
}
