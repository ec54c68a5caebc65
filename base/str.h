/* SPDX-License-Identifier: Apache-2.0 */
/* Text: spans of foreign bytes, growing buffers with a limit, string lists, lexical paths. */
#ifndef WH_BASE_STR_H
#define WH_BASE_STR_H

#include "base/mem.h"

#include <stdarg.h>
#include <string.h>

/* A span: bytes that somebody else owns; not NUL-terminated. */
struct wh_str {
	const char *p;
	size_t n;
};
#define WH_STR(lit) ((struct wh_str){(lit), sizeof(lit) - 1})
static inline struct wh_str wh_str(const char *s)
{
	return (struct wh_str){s, s ? strlen(s) : 0};
}
bool wh_str_eq(struct wh_str a, const char *b);
bool wh_str_ieq(struct wh_str a, const char *b); /* ASCII case folded */
struct wh_str wh_str_trim(struct wh_str s);      /* blanks, tabs, CR, LF, VT, FF at both ends */
bool wh_streq(const char *a, const char *b);     /* NULL equals NULL */
bool wh_has_prefix(const char *s, const char *prefix);
bool wh_has_suffix(const char *s, const char *suffix);
/* Whole string as an unsigned number of the given base; false on anything else or overflow. */
bool wh_parse_u64(const char *s, unsigned base, uint64_t *ret);
/* Edit distance (Levenshtein, ASCII case folded), for "did you mean"; at most max+1 is returned. */
unsigned wh_edit_distance(const char *a, const char *b, unsigned max);
/* The nearest of the names within 2 edits (1 for names shorter than 4), or NULL. */
const char *wh_nearest(const char *word, const char *const *names, size_t n);

/* Growing buffer; p is always NUL-terminated once something was added. max 0: 1 GiB. Past max, `failed` is set, nothing
 * more is added, and wh_buf_ok() says so: check once, at the end. */
struct wh_buf {
	char *p;
	size_t n, cap, max;
	bool failed;
};
#define WH_BUF_INIT ((struct wh_buf){0})
void wh_buf_add(struct wh_buf *b, const void *p, size_t n);
void wh_buf_addc(struct wh_buf *b, char c);
void wh_buf_adds(struct wh_buf *b, const char *s);
void wh_buf_addstr(struct wh_buf *b, struct wh_str s);
void wh_buf_addf(struct wh_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void wh_buf_vaddf(struct wh_buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
void wh_buf_reset(struct wh_buf *b);   /* empties, keeps the memory */
void wh_buf_release(struct wh_buf *b); /* frees */
char *wh_buf_take(struct wh_buf *b);   /* the string, never NULL; the caller frees; b is empty */
static inline bool wh_buf_ok(const struct wh_buf *b)
{
	return !b->failed;
}
#define WH_AUTO_BUF WH_CLEANUP(wh_buf_release)
/* Fixed-width little-endian and length-prefixed fields, for canonical serialisations. */
void wh_buf_u8(struct wh_buf *b, uint8_t v);
void wh_buf_u32(struct wh_buf *b, uint32_t v);
void wh_buf_u64(struct wh_buf *b, uint64_t v);
void wh_buf_lstr(struct wh_buf *b, const char *s); /* u32 length + bytes; NULL is length 0xffffffff */

/* List of owned strings, NULL-terminated (usable as argv). */
struct wh_strv {
	char **v;
	size_t n, cap;
};
void wh_strv_add(struct wh_strv *l, const char *s); /* copies */
void wh_strv_take(struct wh_strv *l, char *s);      /* takes ownership */
void wh_strv_addf(struct wh_strv *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void wh_strv_copy(struct wh_strv *dst, const struct wh_strv *src); /* appends copies */
void wh_strv_sort(struct wh_strv *l);                              /* bytewise */
bool wh_strv_has(const struct wh_strv *l, const char *s);
/* Appends the fields of one CSV line (RFC 4180; as Go's encoding/csv reads it: commas, "quoted ""fields"""). False: a quote is
 * not closed, or stands inside a field; some fields may have been appended. */
bool wh_strv_add_csv(struct wh_strv *v, const char *line);
void wh_strv_release(struct wh_strv *l);
#define WH_AUTO_STRV WH_CLEANUP(wh_strv_release)
/* Environment lists ("K=V"): get (value or NULL), set (replaces in place or appends). */
const char *wh_env_get(const struct wh_strv *env, const char *key);
void wh_env_set(struct wh_strv *env, const char *key, const char *value);

/* Lexical paths; no file system is asked. Results are malloc'ed and never NULL. */
char *wh_path_clean(const char *path);                 /* Go's path.Clean: "" → ".", "a/../b//" → "b" */
char *wh_path_join(const char *dir, const char *name); /* clean(dir + "/" + name); an empty part is left out */
/* Clean absolute path inside a root, path being relative to cwd; ".." never climbs past "/". */
char *wh_path_abs_in(const char *cwd, const char *path);
const char *wh_path_base(const char *path); /* after the last slash (points into path) */
char *wh_path_dir(const char *path);        /* Go's path.Dir */
/* Order in which layers and indexes hold paths: bytewise, but '/' sorts before every other byte, so that a
 * directory's children follow it directly. */
int wh_path_cmp(const char *a, const char *b);

#endif
