/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Foreign text on its way to the terminal: what steps print, names from
 * images and contexts, lines of the Dockerfile. A terminal obeys what it is
 * told and answers into the user's shell, so no control character passes but
 * a tab, and in the output of steps colours, where a terminal will show them.
 *
 *     control characters, DEL   ^[ ^G ^?
 *     C1, in UTF-8              \u009b
 *     broken UTF-8              \x9b
 */
#include "base/rune.h"
#include "cli/cli.h"

#define LONG_WORD 400 /* bytes; longer ones are cut in the middle */
#define KEPT_HEAD 160
#define KEPT_TAIL 80
#define MAX_LINE ((size_t)64 * 1024) /* longer lines of output are cut into several */

/* Width of a character in UTF-8 as the standard has it; 0: broken. */
static size_t utf8_width(const char *p, size_t n, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t w;
	uint32_t r = wh_rune(p, n, &w);

	*ret = r;
	return r >= 0x110000 || r < least[w] || (r >= 0xd800 && r < 0xe000) ? 0 : w;
}

static size_t add_char(struct wh_buf *out, const char *p, size_t n)
{
	unsigned char c = (unsigned char)*p;
	uint32_t r;
	size_t w;

	if (c < 0x20 || c == 0x7f) {
		if (c == '\t')
			wh_buf_addc(out, '\t');
		else
			wh_buf_addf(out, "^%c", c ^ 0x40);
		return 1;
	}
	w = utf8_width(p, n, &r);
	if (!w)
		wh_buf_addf(out, "\\x%02x", c);
	else if (r >= 0x80 && r < 0xa0)
		wh_buf_addf(out, "\\u%04x", r);
	else
		wh_buf_add(out, p, w);
	return w ? w : 1;
}

void wh_text_add_safe(struct wh_buf *out, const char *p, size_t n)
{
	while (n && (p[n - 1] == '\r' || p[n - 1] == '\n'))
		n--;
	for (size_t i = 0; i < n;)
		i += add_char(out, p + i, n - i);
}

/* Characters that a terminal gives two columns, and those that it puts on the one before. Blocks, not every character. */
static const struct {
	uint32_t first, last;
	unsigned columns;
} widths[] = {
	{0x300, 0x36f, 0},     {0x483, 0x489, 0},     {0x591, 0x5bd, 0},     {0x610, 0x61a, 0},     {0x64b, 0x65f, 0},
	{0x1100, 0x115f, 2},   {0x1ab0, 0x1aff, 0},   {0x1dc0, 0x1dff, 0},   {0x200b, 0x200f, 0},   {0x20d0, 0x20ff, 0},
	{0x231a, 0x231b, 2},   {0x23e9, 0x23ec, 2},   {0x2e80, 0x303e, 2},   {0x3041, 0x33ff, 2},   {0x3400, 0x4dbf, 2},
	{0x4e00, 0x9fff, 2},   {0xa000, 0xa4cf, 2},   {0xa960, 0xa97f, 2},   {0xac00, 0xd7a3, 2},   {0xf900, 0xfaff, 2},
	{0xfe00, 0xfe0f, 0},   {0xfe20, 0xfe2f, 0},   {0xfe30, 0xfe6f, 2},   {0xfeff, 0xfeff, 0},   {0xff00, 0xff60, 2},
	{0xffe0, 0xffe6, 2},   {0x1f18e, 0x1f19a, 2}, {0x1f200, 0x1f64f, 2}, {0x1f680, 0x1f6ff, 2}, {0x1f900, 0x1faff, 2},
	{0x20000, 0x3fffd, 2}, {0xe0100, 0xe01ef, 0},
};

unsigned wh_rune_columns(uint32_t r)
{
	for (size_t i = 0; i < WH_ARRAY_SIZE(widths); i++)
		if (r >= widths[i].first && r <= widths[i].last)
			return widths[i].columns;
	return 1;
}

size_t wh_text_columns(const char *p, size_t n)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	size_t columns = 0, w;

	for (size_t i = 0; i < n;)
		i += add_char(&text, p + i, n - i);
	for (size_t i = 0; i < text.n; i += w)
		columns += wh_rune_columns(wh_rune(text.p + i, text.n - i, &w));
	return columns;
}

void wh_text_add_short(struct wh_buf *out, const char *s)
{
	while (*s) {
		size_t n = strcspn(s, " ");

		if (n > LONG_WORD) {
			size_t head = KEPT_HEAD, tail = n - KEPT_TAIL;

			while (head && (s[head] & 0xc0) == 0x80) /* not inside a character */
				head--;
			while (tail < n && (s[tail] & 0xc0) == 0x80)
				tail++;
			wh_text_add_safe(out, s, head);
			wh_buf_addf(out, "…[%zu bytes]…", tail - head);
			wh_text_add_safe(out, s + tail, n - tail);
		} else {
			wh_text_add_safe(out, s, n);
		}
		s += n;
		if (*s)
			wh_buf_addc(out, *s++);
	}
}

/* Length of a colour sequence (SGR: ESC [ digits and ; m) at p, or 0. */
static size_t colour(const char *p, size_t n)
{
	size_t i = 2;

	if (n < 3 || p[0] != '\033' || p[1] != '[')
		return 0;
	while (i < n && ((p[i] >= '0' && p[i] <= '9') || p[i] == ';' || p[i] == ':'))
		i++;
	return i < n && p[i] == 'm' ? i + 1 : 0;
}

void wh_text_add_output(struct wh_buf *out, const char *p, size_t n, bool colours)
{
	bool coloured = false;
	size_t len;

	for (size_t i = 0; i < n; i += len) {
		len = colour(p + i, n - i);
		if (!len) {
			len = add_char(out, p + i, n - i);
		} else if (colours) {
			wh_buf_add(out, p + i, len);
			coloured = len > 3 && memcmp(p + i, "\033[0m", 4) != 0;
		}
	}
	if (coloured)
		wh_buf_adds(out, "\033[0m");
}

void wh_text_feed(struct wh_text_lines *l, const char *p, size_t n, wh_text_fn fn, void *arg)
{
	while (n) {
		size_t part = 0;
		char end;

		while (part < n && p[part] != '\n' && p[part] != '\r')
			part++;
		end = part < n ? p[part] : 0;
		if (part > MAX_LINE - l->line.n) {
			part = MAX_LINE - l->line.n;
			end = 0;
		}
		wh_buf_add(&l->line, p, part);
		p += part + (end != 0);
		n -= part + (end != 0);
		/* CR LF is one end, and CRs in a row, as progress bars write them, begin no lines. */
		if (l->line.n ? end || l->line.n >= MAX_LINE : end == '\n' && !l->ended) {
			fn(arg, l->line.p ? l->line.p : "", l->line.n);
			wh_buf_reset(&l->line);
			l->ended = end == '\r';
		} else if (end == '\n') {
			l->ended = false;
		}
	}
}

void wh_text_flush(struct wh_text_lines *l, wh_text_fn fn, void *arg)
{
	if (l->line.n)
		fn(arg, l->line.p, l->line.n);
	wh_buf_reset(&l->line);
	l->ended = false;
}

void wh_text_release(struct wh_text_lines *l)
{
	wh_buf_release(&l->line);
}
