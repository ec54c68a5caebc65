/* SPDX-License-Identifier: Apache-2.0 */
/* The one way in which frontend/ says that the user's words are wrong. */
#include "frontend/syntax.h"

#include <errno.h>

static int say(struct wh_err **err, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
static int say(struct wh_err **err, const char *fmt, va_list ap)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	wh_buf_vaddf(&text, fmt, ap);
	return wh_err_set(err, "frontend", WH_ERR_USAGE, EINVAL, "%s", text.p ? text.p : "");
}

int wh_usage(struct wh_err **err, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = say(err, fmt, ap);
	va_end(ap);
	return r;
}

int wh_usage_word(struct wh_err **err, const char *word, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = say(err, fmt, ap);
	va_end(ap);
	wh_err_mark(err, WH_MARK_WORD, word);
	return r;
}

int wh_usage_end(struct wh_err **err, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = say(err, fmt, ap);
	va_end(ap);
	wh_err_mark(err, WH_MARK_END, NULL);
	return r;
}

int wh_usage_keyword(struct wh_err **err, const char *keyword, const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = say(err, fmt, ap);
	va_end(ap);
	wh_err_mark(err, WH_MARK_FIRST, keyword);
	return r;
}

/* Two edits turn any short word into any other; two letters that changed places are one mistake, though. */
static bool same_letters(const char *a, const char *b)
{
	int count[256] = {0};

	for (; *a; a++)
		count[(unsigned char)*a | 0x20]++;
	for (; *b; b++)
		count[(unsigned char)*b | 0x20]--;
	for (size_t i = 0; i < WH_ARRAY_SIZE(count); i++)
		if (count[i])
			return false;
	return true;
}

void wh_usage_near(struct wh_err **err, const char *word, const char *const *names, size_t n, const char *before)
{
	WH_AUTO_BUF struct wh_buf all = WH_BUF_INIT;
	const char *near = strlen(word) < 200 ? wh_nearest(word, names, n) : NULL;
	size_t i;

	for (i = 0; i < n; i++)
		wh_buf_addf(&all, "%s%s%s", !i ? "" : i + 1 == n ? " or " : ", ", before, names[i]);
	if (n)
		wh_err_expect(err, "%s", all.p);
	if (near && strcmp(near, word) != 0 &&
	    !(strlen(word) < 5 && wh_edit_distance(word, near, 2) > 1 && !same_letters(word, near) && !wh_has_prefix(near, word)))
		wh_err_hint(err, "did you mean %s%s?", before, near);
}
