/* SPDX-License-Identifier: Apache-2.0 */
/* The order of Debian's versions: [epoch:]upstream[-revision], deb-version(7). */
#include "evidence/vulndb_private.h"

struct parts {
	struct wh_str epoch, upstream, revision;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static struct parts split(const char *text)
{
	struct wh_str s = wh_str_trim(wh_str(text));
	struct parts p = {{s.p, 0}, s, {s.p, 0}};
	size_t n = 0;

	while (n < s.n && is_digit(s.p[n]))
		n++;
	if (n && n < s.n && s.p[n] == ':') {
		p.epoch.n = n;
		p.upstream = (struct wh_str){s.p + n + 1, s.n - n - 1};
	}
	for (size_t i = p.upstream.n; i-- > 0;) {
		if (p.upstream.p[i] != '-')
			continue;
		p.revision = (struct wh_str){p.upstream.p + i + 1, p.upstream.n - i - 1};
		p.upstream.n = i;
		break;
	}
	return p;
}

/* Place of a character among those that are no digits: "~" before the end, then letters, then all else. */
static int place(struct wh_str s, size_t i)
{
	if (i >= s.n || is_digit(s.p[i]))
		return 0;
	if (s.p[i] == '~')
		return -1;
	return (unsigned char)s.p[i] + (is_alpha(s.p[i]) ? 0 : 256);
}

static size_t skip(struct wh_str s, size_t i, bool zeros)
{
	while (i < s.n && (zeros ? s.p[i] == '0' : is_digit(s.p[i])))
		i++;
	return i;
}

/* Texts and numbers in turn; numbers of any length. */
static int compare(struct wh_str a, struct wh_str b)
{
	size_t i = 0, k = 0;

	while (i < a.n || k < b.n) {
		size_t ai, bk;
		int d;

		while ((i < a.n && !is_digit(a.p[i])) || (k < b.n && !is_digit(b.p[k]))) {
			d = place(a, i) - place(b, k);
			if (d)
				return d;
			i++; /* equal, so neither is at its end */
			k++;
		}
		i = skip(a, i, true);
		k = skip(b, k, true);
		ai = skip(a, i, false);
		bk = skip(b, k, false);
		if (ai - i != bk - k)
			return ai - i < bk - k ? -1 : 1;
		d = ai > i ? memcmp(a.p + i, b.p + k, ai - i) : 0;
		if (d)
			return d;
		i = ai;
		k = bk;
	}
	return 0;
}

int wh_deb_version_cmp(const char *a, const char *b)
{
	struct parts x = split(a), y = split(b);
	int d = compare(x.epoch, y.epoch);

	if (!d)
		d = compare(x.upstream, y.upstream);
	return d ? d : compare(x.revision, y.revision);
}
