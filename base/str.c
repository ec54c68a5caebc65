/* SPDX-License-Identifier: Apache-2.0 */
#include "base/str.h"

#define BUF_MAX_DEFAULT ((size_t)1 << 30)

/* The C library's tolower() follows the locale; keywords do not. */
static unsigned char fold(char c)
{
	return (unsigned char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* ---- spans and C strings ---- */

bool wh_str_eq(struct wh_str a, const char *b)
{
	return b && strlen(b) == a.n && (!a.n || memcmp(a.p, b, a.n) == 0);
}

bool wh_str_ieq(struct wh_str a, const char *b)
{
	size_t i;

	if (!b || strlen(b) != a.n)
		return false;
	for (i = 0; i < a.n; i++)
		if (fold(a.p[i]) != fold(b[i]))
			return false;
	return true;
}

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

struct wh_str wh_str_trim(struct wh_str s)
{
	while (s.n && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool wh_streq(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

bool wh_has_prefix(const char *s, const char *prefix)
{
	return s && strncmp(s, prefix, strlen(prefix)) == 0;
}

bool wh_has_suffix(const char *s, const char *suffix)
{
	size_t n, m = strlen(suffix);

	if (!s)
		return false;
	n = strlen(s);
	return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

bool wh_parse_u64(const char *s, unsigned base, uint64_t *ret)
{
	uint64_t v = 0;
	unsigned digit;

	if (!s || !*s || base < 2 || base > 36)
		return false;
	for (; *s; s++) {
		if (*s >= '0' && *s <= '9')
			digit = (unsigned)(*s - '0');
		else if (fold(*s) >= 'a' && fold(*s) <= 'z')
			digit = (unsigned)(fold(*s) - 'a') + 10;
		else
			return false;
		if (digit >= base || __builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)digit, &v))
			return false;
	}
	*ret = v;
	return true;
}

/* Only cells within max of the diagonal can hold a value that counts, so each row computes at most 2*max+1 of them. */
unsigned wh_edit_distance(const char *a, const char *b, unsigned max)
{
	WH_AUTO_FREE size_t *row = NULL;
	size_t la = strlen(a), lb = strlen(b), longest = la > lb ? la : lb;
	size_t m = max, i, j, lo, hi, best, diag, up, left;

	if (m > longest)
		m = longest;
	if ((la > lb ? la - lb : lb - la) > m)
		return (unsigned)(m + 1);
	row = wh_malloc((lb + 1) * sizeof(*row));
	for (j = 0; j <= lb; j++)
		row[j] = j <= m ? j : m + 1;
	for (i = 1; i <= la; i++) {
		lo = i > m ? i - m : 1;
		if (lo < 1)
			lo = 1;
		hi = i + m < lb ? i + m : lb;
		diag = row[lo - 1];
		/* The cell left of the band: a true value only in column 0. */
		left = row[lo - 1] = lo == 1 && i <= m ? i : m + 1;
		best = left;
		for (j = lo; j <= hi; j++) {
			up = j == i + m ? m + 1 : row[j];
			left = (left < up ? left : up) + 1;
			diag += fold(a[i - 1]) != fold(b[j - 1]);
			if (diag < left)
				left = diag;
			if (left > m)
				left = m + 1;
			diag = row[j];
			row[j] = left;
			if (left < best)
				best = left;
		}
		if (best > m)
			return (unsigned)(m + 1);
	}
	return (unsigned)row[lb];
}

/* Do two neighbours in the wrong order make all the difference? One slip of the fingers, two edits. */
static bool swapped(const char *a, const char *b)
{
	size_t i = 0;

	while (a[i] && fold(a[i]) == fold(b[i]))
		i++;
	return a[i] && b[i] && a[i + 1] && fold(a[i]) == fold(b[i + 1]) && fold(a[i + 1]) == fold(b[i]) &&
	       strcasecmp(a + i + 2, b + i + 2) == 0;
}

const char *wh_nearest(const char *word, const char *const *names, size_t n)
{
	const char *found = NULL;
	unsigned best = 3, d;
	size_t i;

	for (i = 0; i < n; i++) {
		unsigned limit = strlen(names[i]) < 4 ? 1 : 2;

		d = swapped(word, names[i]) ? 1 : wh_edit_distance(word, names[i], limit);
		if (d <= limit && d < best && d < strlen(word)) { /* any letter is one edit from any other */
			best = d;
			found = names[i];
		}
	}
	return found;
}

/* ---- buffer ---- */

/* Room for n more bytes and the NUL; false (and failed) past the limit. */
static bool reserve(struct wh_buf *b, size_t n)
{
	size_t max = b->max ? b->max : BUF_MAX_DEFAULT, want;

	if (b->failed)
		return false;
	if (b->n > max || n > max - b->n) {
		b->failed = true;
		return false;
	}
	want = b->n + n + 1;
	if (want > b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 64;

		if (cap < want)
			cap = want;
		b->p = wh_realloc(b->p, cap);
		b->cap = cap;
	}
	return true;
}

void wh_buf_add(struct wh_buf *b, const void *p, size_t n)
{
	if (!reserve(b, n))
		return;
	if (n)
		memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

void wh_buf_addc(struct wh_buf *b, char c)
{
	wh_buf_add(b, &c, 1);
}

void wh_buf_adds(struct wh_buf *b, const char *s)
{
	if (s)
		wh_buf_add(b, s, strlen(s));
}

void wh_buf_addstr(struct wh_buf *b, struct wh_str s)
{
	wh_buf_add(b, s.p, s.n);
}

void wh_buf_vaddf(struct wh_buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0) {
		b->failed = true;
		return;
	}
	if (!reserve(b, (size_t)n))
		return;
	vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
	b->n += (size_t)n;
}

void wh_buf_addf(struct wh_buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	wh_buf_vaddf(b, fmt, ap);
	va_end(ap);
}

void wh_buf_reset(struct wh_buf *b)
{
	b->n = 0;
	b->failed = false;
	if (b->p)
		b->p[0] = '\0';
}

void wh_buf_release(struct wh_buf *b)
{
	free(b->p);
	*b = (struct wh_buf){.max = b->max};
}

char *wh_buf_take(struct wh_buf *b)
{
	char *p = b->p ? b->p : wh_strdup("");

	*b = (struct wh_buf){.max = b->max};
	return p;
}

void wh_buf_u8(struct wh_buf *b, uint8_t v)
{
	wh_buf_add(b, &v, 1);
}

static void add_le(struct wh_buf *b, uint64_t v, unsigned bytes)
{
	uint8_t out[8];
	unsigned i;

	for (i = 0; i < bytes; i++)
		out[i] = (uint8_t)(v >> (8 * i));
	wh_buf_add(b, out, bytes);
}

void wh_buf_u32(struct wh_buf *b, uint32_t v)
{
	add_le(b, v, 4);
}

void wh_buf_u64(struct wh_buf *b, uint64_t v)
{
	add_le(b, v, 8);
}

void wh_buf_lstr(struct wh_buf *b, const char *s)
{
	size_t n;

	if (!s) {
		wh_buf_u32(b, UINT32_MAX);
		return;
	}
	n = strlen(s);
	if (n >= UINT32_MAX) {
		b->failed = true; /* its length would read as NULL's, or wrap */
		return;
	}
	wh_buf_u32(b, (uint32_t)n);
	wh_buf_add(b, s, n);
}

/* ---- string list ---- */

void wh_strv_take(struct wh_strv *l, char *s)
{
	WH_PUSH(l->v, l->n, l->cap) = s;
	/* The terminator counts for capacity, not for n. */
	l->v = wh_grow(l->v, l->n, &l->cap, sizeof(*l->v));
	l->v[l->n] = NULL;
}

void wh_strv_add(struct wh_strv *l, const char *s)
{
	wh_strv_take(l, wh_strdup(s ? s : ""));
}

void wh_strv_addf(struct wh_strv *l, const char *fmt, ...)
{
	struct wh_buf b = WH_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	wh_buf_vaddf(&b, fmt, ap);
	va_end(ap);
	wh_strv_take(l, wh_buf_take(&b));
}

void wh_strv_copy(struct wh_strv *dst, const struct wh_strv *src)
{
	size_t i, n = src->n; /* dst may be src */

	for (i = 0; i < n; i++)
		wh_strv_add(dst, src->v[i]);
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void wh_strv_sort(struct wh_strv *l)
{
	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), compare);
}

bool wh_strv_has(const struct wh_strv *l, const char *s)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		if (strcmp(l->v[i], s) == 0)
			return true;
	return false;
}

bool wh_strv_add_csv(struct wh_strv *v, const char *line)
{
	for (const char *p = line;; p++) {
		WH_AUTO_BUF struct wh_buf field = WH_BUF_INIT;

		if (*p == '"') {
			for (p++;; p++) {
				if (!*p)
					return false;
				if (*p == '"' && p[1] != '"')
					break;
				if (*p == '"')
					p++;
				wh_buf_addc(&field, *p);
			}
			p++;
			if (*p && *p != ',')
				return false;
		} else {
			for (; *p && *p != ','; p++) {
				if (*p == '"')
					return false;
				wh_buf_addc(&field, *p);
			}
		}
		wh_strv_take(v, wh_buf_take(&field));
		if (!*p)
			return true;
	}
}

void wh_strv_release(struct wh_strv *l)
{
	size_t i;

	for (i = 0; i < l->n; i++)
		free(l->v[i]);
	free(l->v);
	*l = (struct wh_strv){0};
}

/* ---- environment ---- */

/* Where key stands in env, or env->n. */
static size_t env_find(const struct wh_strv *env, const char *key)
{
	size_t i, n = strlen(key);

	for (i = 0; i < env->n; i++)
		if (strncmp(env->v[i], key, n) == 0 && env->v[i][n] == '=')
			break;
	return i;
}

const char *wh_env_get(const struct wh_strv *env, const char *key)
{
	size_t i = env_find(env, key);

	return i < env->n ? env->v[i] + strlen(key) + 1 : NULL;
}

void wh_env_set(struct wh_strv *env, const char *key, const char *value)
{
	size_t i = env_find(env, key);
	char *pair = wh_asprintf("%s=%s", key, value);

	if (i == env->n) {
		wh_strv_take(env, pair);
		return;
	}
	free(env->v[i]);
	env->v[i] = pair;
}
