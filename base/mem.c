/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <stdarg.h>
#include <string.h>

void *wh_malloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		abort();
	return p;
}

void *wh_calloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size ? size : 1);

	if (!p)
		abort();
	return p;
}

void *wh_realloc(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);

	if (!q)
		abort();
	return q;
}

void *wh_memdup(const void *p, size_t n)
{
	void *q = wh_malloc(n);

	if (n)
		memcpy(q, p, n);
	return q;
}

char *wh_strdup(const char *s)
{
	return s ? wh_memdup(s, strlen(s) + 1) : NULL;
}

char *wh_strndup(const char *s, size_t n)
{
	size_t len = s ? strnlen(s, n) : 0;
	char *q = wh_malloc(len + 1);

	if (len)
		memcpy(q, s, len);
	q[len] = '\0';
	return q;
}

char *wh_asprintf(const char *fmt, ...)
{
	char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	return s;
}

void *wh_grow(void *p, size_t n, size_t *cap, size_t size)
{
	size_t want, bytes;

	if (n < *cap)
		return p;
	want = *cap ? *cap * 2 : 8;
	if (want <= n)
		want = n + 1;
	if (__builtin_mul_overflow(want, size, &bytes))
		abort();
	p = wh_realloc(p, bytes);
	*cap = want;
	return p;
}

/* ---- arena ---- */

#define ARENA_CHUNK ((size_t)64 * 1024)

struct chunk {
	struct chunk *next;
	size_t size, used;
	max_align_t data[];
};

struct wh_arena {
	struct chunk *chunks; /* the first one is the one being filled */
};

struct wh_arena *wh_arena_new(void)
{
	return wh_calloc(1, sizeof(struct wh_arena));
}

void wh_arena_free(struct wh_arena *a)
{
	struct chunk *c, *next;

	if (!a)
		return;
	for (c = a->chunks; c; c = next) {
		next = c->next;
		free(c);
	}
	free(a);
}

void *wh_arena_alloc(struct wh_arena *a, size_t n)
{
	const size_t align = _Alignof(max_align_t);
	struct chunk *c = a->chunks;
	size_t size, bytes;
	void *p;

	if (n > SIZE_MAX - align)
		abort();
	n = n ? (n + align - 1) / align * align : align;
	if (!c || c->size - c->used < n) {
		size = n > ARENA_CHUNK / 4 ? n : ARENA_CHUNK;
		if (__builtin_add_overflow(size, sizeof(*c), &bytes))
			abort();
		c = wh_calloc(1, bytes);
		c->size = size;
		if (size != ARENA_CHUNK && a->chunks) {
			/* A big object of its own must not hide the chunk that still has room. */
			c->next = a->chunks->next;
			a->chunks->next = c;
		} else {
			c->next = a->chunks;
			a->chunks = c;
		}
	}
	p = (char *)c->data + c->used;
	c->used += n;
	return p;
}

char *wh_arena_strndup(struct wh_arena *a, const char *s, size_t n)
{
	size_t len = s ? strnlen(s, n) : 0;
	char *q = wh_arena_alloc(a, len + 1);

	if (len)
		memcpy(q, s, len);
	return q;
}

char *wh_arena_strdup(struct wh_arena *a, const char *s)
{
	return s ? wh_arena_strndup(a, s, strlen(s)) : NULL;
}

char *wh_arena_printf(struct wh_arena *a, const char *fmt, ...)
{
	WH_AUTO_FREE char *s = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		abort();
	va_end(ap);
	return wh_arena_strdup(a, s);
}
