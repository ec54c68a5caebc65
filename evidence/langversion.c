/* SPDX-License-Identifier: Apache-2.0 */
/* The orders of versions of language packages: PEP 440 for PyPI, semver.org 2.0.0 for npm. And which ecosystem has
 * which. */
#include "evidence/vulndb_private.h"

#include <strings.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* A run of digits at *s, without leading zeros; empty when there is none. */
static struct wh_str number(const char **s)
{
	const char *p = *s, *end;

	while (*p == '0' && is_digit(p[1]))
		p++;
	for (end = p; is_digit(*end);)
		end++;
	*s = end;
	return (struct wh_str){p, (size_t)(end - p)};
}

static int sign(int d)
{
	return (d > 0) - (d < 0);
}

/* Numbers of any length; none counts as zero. */
static int number_cmp(struct wh_str a, struct wh_str b)
{
	if (!a.n)
		a = WH_STR("0");
	if (!b.n)
		b = WH_STR("0");
	if (a.n != b.n)
		return a.n < b.n ? -1 : 1;
	return sign(memcmp(a.p, b.p, a.n));
}

/* ---------------------------------------------------------------- PEP 440 */

#define MAX_RELEASE 32

struct pep440 {
	struct wh_str epoch, release[MAX_RELEASE];
	size_t n;
	int pre_kind; /* 0 a, 1 b, 2 rc, 3: none */
	struct wh_str pre, post, dev;
	bool has_post, has_dev;
	struct wh_str local; /* behind the plus */
};

static bool word(const char **s, const char *w)
{
	size_t n = strlen(w);

	if (strncasecmp(*s, w, n) != 0)
		return false;
	*s += n;
	return true;
}

static void separator(const char **s)
{
	if (**s == '.' || **s == '-' || **s == '_')
		++*s;
}

static void pre_release(const char **s, struct pep440 *v)
{
	static const struct {
		const char *word;
		int kind;
	} words[] = {{"alpha", 0}, {"a", 0}, {"beta", 1}, {"b", 1}, {"rc", 2}, {"c", 2}, {"preview", 2}, {"pre", 2}};
	const char *p = *s;

	separator(&p);
	for (size_t i = 0; i < WH_ARRAY_SIZE(words); i++) {
		if (!word(&p, words[i].word))
			continue;
		if ((*p == '.' || *p == '-' || *p == '_') && is_digit(p[1]))
			p++;
		v->pre_kind = words[i].kind;
		v->pre = number(&p);
		*s = p;
		return;
	}
}

static bool suffix(const char **s, const char *const *words, struct wh_str *ret)
{
	const char *p = *s;

	separator(&p);
	for (size_t i = 0; words[i]; i++) {
		if (!word(&p, words[i]))
			continue;
		if ((*p == '.' || *p == '-' || *p == '_') && is_digit(p[1]))
			p++;
		*ret = number(&p);
		*s = p;
		return true;
	}
	return false;
}

static bool local_ok(struct wh_str l)
{
	bool part = false;

	for (size_t i = 0; i < l.n; i++) {
		if (is_alnum(l.p[i]))
			part = true;
		else if (part && (l.p[i] == '.' || l.p[i] == '-' || l.p[i] == '_'))
			part = false;
		else
			return false;
	}
	return part;
}

static bool pep440_parse(const char *text, struct pep440 *v)
{
	static const char *const post[] = {"post", "rev", "r", NULL}, *const dev[] = {"dev", NULL};
	const char *s = text + strspn(text, " \t\r\n"), *p;
	size_t end;

	*v = (struct pep440){.pre_kind = 3};
	if (*s == 'v' || *s == 'V')
		s++;
	if (!is_digit(*s))
		return false;
	p = s;
	v->epoch = number(&p);
	if (*p == '!')
		s = p + 1;
	else
		v->epoch = (struct wh_str){s, 0};
	do {
		if (!is_digit(*s) || v->n == MAX_RELEASE)
			return false;
		v->release[v->n++] = number(&s);
	} while (*s == '.' && is_digit(s[1]) && *++s);
	while (v->n > 1 && v->release[v->n - 1].n == 1 && v->release[v->n - 1].p[0] == '0')
		v->n--; /* 1.0 is 1 */
	pre_release(&s, v);
	if (*s == '-' && is_digit(s[1])) {
		s++;
		v->has_post = true;
		v->post = number(&s);
	} else {
		v->has_post = suffix(&s, post, &v->post);
	}
	v->has_dev = suffix(&s, dev, &v->dev);
	if (*s == '+') {
		s++;
		end = strcspn(s, " \t\r\n");
		v->local = (struct wh_str){s, end};
		if (!local_ok(v->local))
			return false;
		s += end;
	}
	return s[strspn(s, " \t\r\n")] == 0;
}

/* 1.0.dev1 < 1.0a1 < 1.0: what is only a development release stands before all pre-releases. */
static int phase(const struct pep440 *v)
{
	return v->pre_kind == 3 && !v->has_post && v->has_dev ? -1 : v->pre_kind;
}

static struct wh_str local_part(struct wh_str *l)
{
	struct wh_str part = {l->p, 0};

	while (part.n < l->n && is_alnum(part.p[part.n]))
		part.n++;
	l->p += part.n;
	l->n -= part.n;
	if (l->n) {
		l->p++;
		l->n--;
	}
	return part;
}

static bool all_digits(struct wh_str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_digit(s.p[i]))
			return false;
	return true;
}

static int folded_cmp(struct wh_str a, struct wh_str b)
{
	int d = strncasecmp(a.p, b.p, a.n < b.n ? a.n : b.n);

	return d ? sign(d) : (a.n > b.n) - (a.n < b.n);
}

/* Numbers stand above words. */
static int local_cmp(struct wh_str a, struct wh_str b)
{
	while (a.n && b.n) {
		struct wh_str x = local_part(&a), y = local_part(&b);
		bool xd = all_digits(x), yd = all_digits(y);
		const char *xs = x.p, *ys = y.p;
		int d;

		if (xd != yd)
			return xd ? 1 : -1;
		d = xd ? number_cmp(number(&xs), number(&ys)) : folded_cmp(x, y);
		if (d)
			return d;
	}
	return (a.n > 0) - (b.n > 0);
}

static int pep440_cmp(const struct pep440 *a, const struct pep440 *b)
{
	int d = number_cmp(a->epoch, b->epoch);

	for (size_t i = 0; !d && (i < a->n || i < b->n); i++)
		d = number_cmp(i < a->n ? a->release[i] : (struct wh_str){0},
			       i < b->n ? b->release[i] : (struct wh_str){0});
	if (!d)
		d = phase(a) - phase(b);
	if (!d)
		d = number_cmp(a->pre, b->pre);
	if (!d)
		d = a->has_post - b->has_post;
	if (!d)
		d = number_cmp(a->post, b->post);
	if (!d)
		d = b->has_dev - a->has_dev;
	if (!d)
		d = number_cmp(a->dev, b->dev);
	return d ? d : local_cmp(a->local, b->local);
}

/* ---------------------------------------------------------------- semver */

struct semver {
	struct wh_str n[3], pre;
};

/* Section 9: identifiers of letters, digits and hyphens, none empty. */
static bool identifiers(const char **s, struct wh_str *ret)
{
	const char *p = *s;
	bool part = false;

	for (; *p; p++) {
		if (is_alnum(*p) || *p == '-')
			part = true;
		else if (*p == '.' && part)
			part = false;
		else
			break;
	}
	*ret = (struct wh_str){*s, (size_t)(p - *s)};
	*s = p;
	return part;
}

/* Shorter numbers ("1.2") are taken with zeros behind, as advisories write them. */
static bool semver_parse(const char *s, struct semver *v)
{
	struct wh_str build;

	*v = (struct semver){0};
	if (*s == 'v' || *s == '=')
		s++;
	for (size_t i = 0; i < 3; i++) {
		if (!is_digit(*s))
			return false;
		v->n[i] = number(&s);
		if (*s != '.')
			break;
		if (i < 2)
			s++;
	}
	if (*s == '-' && (s++, !identifiers(&s, &v->pre)))
		return false;
	if (*s == '+' && (s++, !identifiers(&s, &build)))
		return false;
	return !*s;
}

static struct wh_str identifier(struct wh_str *l)
{
	struct wh_str part = {l->p, 0};

	while (part.n < l->n && part.p[part.n] != '.')
		part.n++;
	l->p += part.n;
	l->n -= part.n;
	if (l->n) {
		l->p++;
		l->n--;
	}
	return part;
}

/* Section 11: none is above any; numbers stand below words. */
static int pre_cmp(struct wh_str a, struct wh_str b)
{
	if (!a.n || !b.n)
		return (b.n > 0) - (a.n > 0);
	while (a.n && b.n) {
		struct wh_str x = identifier(&a), y = identifier(&b);
		bool xd = all_digits(x), yd = all_digits(y);
		const char *xs = x.p, *ys = y.p;
		size_t n = x.n < y.n ? x.n : y.n;
		int d;

		if (xd != yd)
			return xd ? -1 : 1;
		d = xd ? number_cmp(number(&xs), number(&ys)) : sign(memcmp(x.p, y.p, n));
		if (!d && !xd)
			d = (x.n > y.n) - (x.n < y.n);
		if (d)
			return d;
	}
	return (a.n > 0) - (b.n > 0);
}

static int semver_cmp(const struct semver *a, const struct semver *b)
{
	int d = 0;

	for (size_t i = 0; !d && i < 3; i++)
		d = number_cmp(a->n[i], b->n[i]);
	return d ? d : pre_cmp(a->pre, b->pre);
}

/* ---------------------------------------------------------------- by ecosystem */

static bool is_ecosystem(const char *text, const char *name)
{
	size_t n = strlen(name);

	return strncmp(text, name, n) == 0 && (!text[n] || text[n] == ':');
}

enum wh_version_scheme wh_version_scheme_of(const char *ecosystem)
{
	if (is_ecosystem(ecosystem, "Debian") || is_ecosystem(ecosystem, "Ubuntu"))
		return WH_SCHEME_DEB;
	if (is_ecosystem(ecosystem, "PyPI"))
		return WH_SCHEME_PEP440;
	return is_ecosystem(ecosystem, "npm") ? WH_SCHEME_SEMVER : WH_SCHEME_NONE;
}

bool wh_version_cmp(enum wh_version_scheme s, const char *a, const char *b, int *ret)
{
	struct pep440 pa, pb;
	struct semver sa, sb;

	switch (s) {
	case WH_SCHEME_DEB:
		*ret = wh_deb_version_cmp(a, b);
		return true;
	case WH_SCHEME_PEP440:
		if (!pep440_parse(a, &pa) || !pep440_parse(b, &pb))
			return false;
		*ret = pep440_cmp(&pa, &pb);
		return true;
	case WH_SCHEME_SEMVER:
		if (!semver_parse(a, &sa) || !semver_parse(b, &sb))
			return false;
		*ret = semver_cmp(&sa, &sb);
		return true;
	case WH_SCHEME_NONE:
		break;
	}
	return false;
}

char *wh_ecosystem_name(const char *ecosystem, const char *name)
{
	char *out = wh_strdup(name), *w = out;

	if (!is_ecosystem(ecosystem, "PyPI"))
		return out;
	for (const char *p = out; *p; p++) {
		if (*p == '-' || *p == '_' || *p == '.') {
			if (w == out || w[-1] != '-')
				*w++ = '-';
		} else {
			*w++ = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;
		}
	}
	*w = 0;
	return out;
}
