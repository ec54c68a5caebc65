/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/mask.h"

#define SHORTEST 4
#define SHOWN "***"

struct value {
	char *p; /* owned */
	size_t n;
};

struct wh_mask {
	struct value *v; /* longest first, so that a value is not half hidden by a line of it */
	size_t n, cap;
	bool first[256]; /* the bytes that values begin with */
};

struct wh_mask *wh_mask_new(void)
{
	return wh_calloc(1, sizeof(struct wh_mask));
}

void wh_mask_free(struct wh_mask *m)
{
	size_t i;

	if (!m)
		return;
	for (i = 0; i < m->n; i++) {
		explicit_bzero(m->v[i].p, m->v[i].n);
		free(m->v[i].p);
	}
	free(m->v);
	free(m);
}

bool wh_mask_empty(const struct wh_mask *m)
{
	return !m->n;
}

static void add_one(struct wh_mask *m, const char *p, size_t n)
{
	size_t i;

	while (n && (p[n - 1] == '\n' || p[n - 1] == '\r'))
		n--;
	if (n < SHORTEST)
		return;
	for (i = 0; i < m->n; i++)
		if (m->v[i].n == n && !memcmp(m->v[i].p, p, n))
			return;
	WH_PUSH(m->v, m->n, m->cap) = (struct value){0};
	for (i = m->n - 1; i > 0 && m->v[i - 1].n < n; i--)
		m->v[i] = m->v[i - 1];
	m->v[i] = (struct value){wh_memdup(p, n), n};
	m->first[(unsigned char)p[0]] = true;
}

void wh_mask_add(struct wh_mask *m, const void *value, size_t len)
{
	const char *p = value, *end = p + len, *nl;

	if (!len)
		return;
	add_one(m, p, len);
	for (; p < end && (nl = memchr(p, '\n', (size_t)(end - p))); p = nl + 1)
		add_one(m, p, (size_t)(nl - p));
	if (p < end)
		add_one(m, p, (size_t)(end - p));
}

/* Length of the value at p, 0: none. *ret_partial: what there is may be the beginning of one. */
static size_t match(const struct wh_mask *m, const char *p, size_t n, bool *ret_partial)
{
	size_t i;

	*ret_partial = false;
	if (!m->first[(unsigned char)*p])
		return 0;
	for (i = 0; i < m->n; i++) {
		if (m->v[i].n <= n && !memcmp(m->v[i].p, p, m->v[i].n))
			/* Unless a longer one may yet come. */
			return *ret_partial ? 0 : m->v[i].n;
		if (m->v[i].n > n && !memcmp(m->v[i].p, p, n))
			*ret_partial = true;
	}
	return 0;
}

/* At the end no more will come: the longest that is there whole. */
static size_t match_whole(const struct wh_mask *m, const char *p, size_t n)
{
	size_t i;

	for (i = 0; i < m->n; i++)
		if (m->v[i].n <= n && !memcmp(m->v[i].p, p, m->v[i].n))
			return m->v[i].n;
	return 0;
}

void wh_mask_feed(const struct wh_mask *m, struct wh_buf *held, const char *p, size_t n, bool end, struct wh_buf *out)
{
	size_t at = 0, from = 0, len;
	bool partial = false;

	if (held->n) {
		wh_buf_add(held, p, n);
		p = held->p;
		n = held->n;
	}
	while (at < n) {
		len = match(m, p + at, n - at, &partial);
		if (partial && !end)
			break;
		if (partial)
			len = match_whole(m, p + at, n - at);
		if (!len) {
			at++;
			continue;
		}
		wh_buf_add(out, p + from, at - from);
		wh_buf_adds(out, SHOWN);
		at += len;
		from = at;
	}
	wh_buf_add(out, p + from, at - from);
	if (p == held->p && held->n) {
		memmove(held->p, held->p + at, n - at);
		explicit_bzero(held->p + n - at, at);
		held->n = n - at;
	} else if (at < n) {
		wh_buf_add(held, p + at, n - at);
	}
}
