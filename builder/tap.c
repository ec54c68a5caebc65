/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/tap.h"

#define FAILED_MAX 8 /* named in a message */
#define PLAN_MAX 1000000

/* Takes a word off the front. */
static bool skip(struct wh_str *s, const char *word)
{
	size_t n = strlen(word);

	if (s->n < n || memcmp(s->p, word, n) != 0)
		return false;
	s->p += n;
	s->n -= n;
	return true;
}

/* Takes digits off the front; at least one. */
static bool skip_number(struct wh_str *s, uint64_t *ret)
{
	size_t n = 0;
	uint64_t v = 0;

	for (; n < s->n && n < 9 && s->p[n] >= '0' && s->p[n] <= '9'; n++)
		v = v * 10 + (uint64_t)(s->p[n] - '0');
	s->p += n;
	s->n -= n;
	*ret = v;
	return n > 0;
}

static bool blank(const struct wh_str *s)
{
	return !s->n || *s->p == ' ' || *s->p == '\t';
}

/* What stands behind the first '#' that begins a word and is not escaped; s is cut there. */
static struct wh_str cut_directive(struct wh_str *s)
{
	size_t i;

	for (i = 0; i < s->n; i++) {
		if (s->p[i] == '\\' && i + 1 < s->n)
			i++;
		else if (s->p[i] == '#' && (i == 0 || s->p[i - 1] == ' ' || s->p[i - 1] == '\t'))
			break;
	}
	if (i < s->n) {
		struct wh_str rest = wh_str_trim((struct wh_str){s->p + i + 1, s->n - i - 1});

		s->n = i;
		return rest;
	}
	return (struct wh_str){NULL, 0};
}

/* "SKIP", "skip: why", "Skipped" */
static bool directive(struct wh_str s, const char *word)
{
	return s.n >= strlen(word) && !strncasecmp(s.p, word, strlen(word));
}

/* Unescaped, without control characters, of bounded length; as it goes into messages and documents. */
static char *name_of(struct wh_str s, bool numbered, uint64_t number)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	size_t i;

	s = wh_str_trim(s);
	if (s.n >= 2 && s.p[0] == '-' && s.p[1] == ' ')
		s = wh_str_trim((struct wh_str){s.p + 2, s.n - 2});
	for (i = 0; i < s.n && b.n < WH_TAP_NAME_MAX; i++) {
		char c = s.p[i];

		if (c == '\\' && i + 1 < s.n && (s.p[i + 1] == '#' || s.p[i + 1] == '\\'))
			c = s.p[++i];
		wh_buf_addc(&b, (unsigned char)c < ' ' || c == 127 ? ' ' : c);
	}
	while (i < s.n && b.n && ((unsigned char)s.p[i] & 0xc0) == 0x80) { /* cut within a character */
		b.p[--b.n] = '\0';
		i--;
	}
	if (!b.n && numbered)
		wh_buf_addf(&b, "#%llu", (unsigned long long)number);
	return wh_buf_take(&b);
}

static enum wh_tap_kind result(struct wh_tap *t, struct wh_str s, bool passed, char **ret_name)
{
	struct wh_str why;
	uint64_t number = 0;
	bool numbered;

	if (!skip(&s, " "))
		return WH_TAP_OTHER;
	numbered = skip_number(&s, &number);
	if (numbered ? !blank(&s) : !skip(&s, "- "))
		return WH_TAP_OTHER;
	why = cut_directive(&s);
	*ret_name = name_of(s, numbered, number);
	t->results++;
	if (directive(why, "skip")) {
		t->skipped++;
		return WH_TAP_SKIPPED;
	}
	if (!passed && !directive(why, "todo")) {
		t->n_failed++;
		if (t->failed.n < FAILED_MAX)
			wh_strv_add(&t->failed, *ret_name);
	}
	return WH_TAP_RESULT;
}

/* "1..4", "1..0 # SKIP why" */
static bool plan(struct wh_tap *t, struct wh_str s)
{
	uint64_t n;

	if (!skip_number(&s, &n) || n > PLAN_MAX)
		return false;
	s = wh_str_trim(s);
	if (s.n && *s.p != '#')
		return false;
	t->planned += n;
	return true;
}

enum wh_tap_kind wh_tap_line(struct wh_tap *t, const char *p, size_t n, char **ret_name)
{
	struct wh_str s = {p, n};

	*ret_name = NULL;
	while (s.n && (s.p[s.n - 1] == '\r' || s.p[s.n - 1] == ' '))
		s.n--;
	if (skip(&s, "ok"))
		return result(t, s, true, ret_name);
	if (skip(&s, "not ok"))
		return result(t, s, false, ret_name);
	if (skip(&s, "1.."))
		return plan(t, s) ? WH_TAP_PLAN : WH_TAP_OTHER;
	if (!skip(&s, "Bail out!"))
		return WH_TAP_OTHER;
	if (!t->bail)
		t->bail = name_of(s, false, 0);
	return WH_TAP_BAIL;
}

char *wh_tap_failure(const struct wh_tap *t)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	if (t->bail)
		wh_buf_addf(&b, "Bail out!%s%s", *t->bail ? " " : "", t->bail);
	for (size_t i = 0; i < t->failed.n; i++)
		wh_buf_addf(&b, "%s%s", i ? ", " : b.n ? "; not ok: " : "not ok: ", t->failed.v[i]);
	if (t->n_failed > t->failed.n)
		wh_buf_addf(&b, " and %llu more", (unsigned long long)(t->n_failed - t->failed.n));
	/* A plan alone is a line like any other. */
	if (!b.n && t->results && t->results < t->planned)
		wh_buf_addf(&b, "%llu tests were planned, the results of %llu came", (unsigned long long)t->planned,
			    (unsigned long long)t->results);
	return b.n ? wh_buf_take(&b) : NULL;
}

void wh_tap_release(struct wh_tap *t)
{
	wh_strv_release(&t->failed);
	free(t->bail);
	*t = (struct wh_tap){0};
}
