/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The patterns of ${v#p}, ${v%p} and ${v/p/r}: '*' any run and '?' any one
 * character (neither crosses a line end), backslash escapes; no brackets.
 *
 * Matching keeps the set of pattern positions that are alive, so its cost is
 * text times pattern, whatever the pattern; a budget bounds what replacing
 * everywhere in a long value may cost.
 */
#include "base/rune.h"
#include "frontend/expand.h"
#include "frontend/syntax.h"

#include <errno.h>

#define ANY_RUN 0xfffffff0U
#define ANY_ONE 0xfffffff1U
#define BUDGET 100000000ULL
#define NO_MATCH SIZE_MAX

/* Characters of a value, with where each starts in the bytes; at[n] is the length. */
struct text {
	uint32_t *r;
	size_t *at;
	size_t n;
};

struct pattern {
	uint32_t *r;
	size_t n;
	bool *alive, *next;
	uint64_t spent;
};

static void text_release(struct text *t)
{
	free(t->r);
	free(t->at);
}

static void pattern_release(struct pattern *p)
{
	free(p->r);
	free(p->alive);
	free(p->next);
}

static void text_init(struct text *t, const char *s)
{
	size_t len = strlen(s), i = 0, w;

	t->r = wh_malloc((len + 1) * sizeof(*t->r));
	t->at = wh_malloc((len + 1) * sizeof(*t->at));
	for (t->n = 0; i < len; i += w, t->n++) {
		t->at[t->n] = i;
		t->r[t->n] = wh_rune(s + i, len - i, &w);
	}
	t->at[t->n] = len;
}

static int pattern_init(struct pattern *p, const char *s, struct wh_err **err)
{
	size_t len = strlen(s), i = 0, w;

	*p = (struct pattern){
		.r = wh_malloc((len + 1) * sizeof(*p->r)),
		.alive = wh_calloc(len + 1, 1),
		.next = wh_calloc(len + 1, 1),
	};
	while (i < len) {
		uint32_t r = wh_rune(s + i, len - i, &w);

		i += w;
		if (r == '\\' && i < len && strchr("*?\\}/", s[i])) {
			r = (unsigned char)s[i++];
		} else if (r == '\\') {
			return wh_usage(err, "invalid pattern (%s) in substitution: invalid escape '\\%.1s'", s, s + i);
		} else if (r == '*') {
			r = ANY_RUN;
		} else if (r == '?') {
			r = ANY_ONE;
		}
		p->r[p->n++] = r;
	}
	return 0;
}

static void revive(const struct pattern *p, bool *set, size_t i)
{
	for (; !set[i]; i++) {
		set[i] = true;
		if (i == p->n || p->r[i] != ANY_RUN)
			return;
	}
}

/* Where a match that starts at `from` may end: the last such place (longest) or the first; NO_MATCH. */
static size_t match_from(struct pattern *p, const struct text *t, size_t from, bool longest)
{
	size_t found = NO_MATCH, i, k;

	memset(p->alive, 0, p->n + 1);
	revive(p, p->alive, 0);
	for (i = from;; i++) {
		bool any = false, *swap;

		if (p->alive[p->n]) {
			found = i;
			if (!longest)
				return found;
		}
		if (i == t->n)
			return found;
		memset(p->next, 0, p->n + 1);
		p->spent += p->n + 1;
		for (k = 0; k < p->n; k++) {
			if (!p->alive[k])
				continue;
			if (p->r[k] == ANY_RUN && t->r[i] != '\n')
				revive(p, p->next, k);
			else if ((p->r[k] == ANY_ONE && t->r[i] != '\n') || p->r[k] == t->r[i])
				revive(p, p->next, k + 1);
			else
				continue;
			any = true;
		}
		if (!any)
			return found;
		swap = p->alive;
		p->alive = p->next;
		p->next = swap;
	}
}

static void reverse(uint32_t *r, size_t n)
{
	size_t i;

	for (i = 0; i < n / 2; i++) {
		uint32_t x = r[i];

		r[i] = r[n - 1 - i];
		r[n - 1 - i] = x;
	}
}

int wh_subst_trim(const char *value, const char *pattern, bool at_end, bool longest, struct wh_buf *out,
		  struct wh_err **err)
{
	WH_CLEANUP(pattern_release) struct pattern p = {0};
	WH_CLEANUP(text_release) struct text t = {0};
	size_t end;
	int r = pattern_init(&p, pattern, err);

	if (r < 0)
		return r;
	text_init(&t, value);
	if (at_end) { /* the end of a text is the start of its mirror image */
		reverse(p.r, p.n);
		reverse(t.r, t.n);
	}
	end = match_from(&p, &t, 0, longest);
	if (end == NO_MATCH)
		end = 0;
	if (at_end)
		wh_buf_add(out, value, t.at[t.n - end]);
	else
		wh_buf_adds(out, value + t.at[end]);
	return 0;
}

int wh_subst_replace(const char *value, const char *pattern, const char *with, bool all, struct wh_buf *out,
		     struct wh_err **err)
{
	WH_CLEANUP(pattern_release) struct pattern p = {0};
	WH_CLEANUP(text_release) struct text t = {0};
	size_t i = 0, last_end = NO_MATCH;
	int r = pattern_init(&p, pattern, err);

	if (r < 0)
		return r;
	text_init(&t, value);
	while (i <= t.n) {
		size_t end = match_from(&p, &t, i, true);

		if (p.spent > BUDGET)
			return wh_err_set(err, "frontend", WH_ERR_USAGE, E2BIG,
					  "pattern substitution in a value of %zu bytes is too costly", strlen(value));
		/* An empty match directly behind another one is none. */
		if (end != NO_MATCH && !(end == i && last_end == i)) {
			wh_buf_adds(out, with);
			last_end = end;
			if (!all) {
				wh_buf_adds(out, value + t.at[end]);
				return 0;
			}
			if (end > i) {
				i = end;
				continue;
			}
		}
		if (i < t.n)
			wh_buf_add(out, value + t.at[i], t.at[i + 1] - t.at[i]);
		i++;
	}
	return 0;
}
