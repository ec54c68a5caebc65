/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory and ownership.
 *
 * Small allocations abort on failure (there is nothing sensible to do);
 * whoever takes a size from outside bounds it first. Ownership moves with
 * WH_TAKE_PTR / WH_TAKE_FD; locals are released by cleanup attributes.
 */
#ifndef WH_BASE_MEM_H
#define WH_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void *wh_malloc(size_t n);
void *wh_calloc(size_t n, size_t size);
void *wh_realloc(void *p, size_t n);
void *wh_memdup(const void *p, size_t n);
char *wh_strdup(const char *s);            /* NULL in, NULL out */
char *wh_strndup(const char *s, size_t n); /* always NUL-terminated */
char *wh_asprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Makes room for one more element: WH_PUSH(v, n, cap) = x. The three are lvalues: element pointer, count, capacity. */
#define WH_PUSH(v, n, cap) (*((v) = wh_grow((v), (n), &(cap), sizeof(*(v))), &(v)[(n)++]))
void *wh_grow(void *p, size_t n, size_t *cap, size_t size);

#define WH_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

#define WH_CLEANUP(fn) __attribute__((cleanup(fn)))
#define WH_TAKE_PTR(p)                    \
	({                                \
		__typeof__(p) wh_t = (p); \
		(p) = NULL;               \
		wh_t;                     \
	})
#define WH_TAKE_FD(fd)           \
	({                       \
		int wh_f = (fd); \
		(fd) = -1;       \
		wh_f;            \
	})

static inline void wh_freep(void *p)
{
	free(*(void **)p);
}
static inline void wh_closep(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}
#define WH_AUTO_FREE WH_CLEANUP(wh_freep)
#define WH_AUTO_FD WH_CLEANUP(wh_closep)
#define WH_AUTO_ERR WH_CLEANUP(wh_err_freep)

/* Arena: many small objects that die together (syntax tree, graph). Never NULL; zeroed; aligned for any type. */
struct wh_arena;
struct wh_arena *wh_arena_new(void);
void wh_arena_free(struct wh_arena *a);
void *wh_arena_alloc(struct wh_arena *a, size_t n);
char *wh_arena_strdup(struct wh_arena *a, const char *s);
char *wh_arena_strndup(struct wh_arena *a, const char *s, size_t n);
char *wh_arena_printf(struct wh_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static inline void wh_arena_freep(struct wh_arena **a)
{
	if (*a)
		wh_arena_free(*a);
	*a = NULL;
}
#define WH_AUTO_ARENA WH_CLEANUP(wh_arena_freep)

#endif
