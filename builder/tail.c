/* SPDX-License-Identifier: Apache-2.0 */
/* What messages show of a command: its words, and the last that it printed. */
#include "builder/exec_private.h"

#define TAIL_LINES 40
#define TAIL_KEEP ((size_t)64 * 1024)
#define LINE_MAX_SHOWN 4000 /* bytes; of a longer line both ends */
#define LINE_HEAD 2500
#define LINE_END 1000

void wh_tail_keep(struct wh_tail *t, const char *p, size_t n)
{
	struct wh_buf *b = &t->buf;
	const char *nl = p;

	while ((nl = memchr(nl, '\n', n - (size_t)(nl - p)))) {
		t->lines++;
		nl++;
	}
	if (b->n && b->n + n > 2 * TAIL_KEEP) {
		size_t drop = b->n > TAIL_KEEP ? b->n - TAIL_KEEP : 0;

		memmove(b->p, b->p + drop, b->n - drop);
		b->n -= drop;
		t->cut |= drop > 0;
	}
	if (n > TAIL_KEEP) {
		p += n - TAIL_KEEP;
		n = TAIL_KEEP;
		t->cut = true;
		wh_buf_reset(b);
	}
	wh_buf_add(b, p, n);
}

void wh_tail_release(struct wh_tail *t)
{
	wh_buf_release(&t->buf);
	*t = (struct wh_tail){0};
}

/* The message is a string: a NUL must not cut it. */
static void add_text(struct wh_buf *out, const char *p, size_t n)
{
	for (const char *nul; n && (nul = memchr(p, 0, n)); n -= (size_t)(nul + 1 - p), p = nul + 1) {
		wh_buf_add(out, p, (size_t)(nul - p));
		wh_buf_adds(out, "^@");
	}
	wh_buf_add(out, p, n);
}

/* cut: its beginning is not here. */
static void add_line(struct wh_buf *out, const char *p, size_t n, bool cut)
{
	const char *cr;
	size_t head = LINE_HEAD, end;

	while (n && p[n - 1] == '\r')
		n--;
	cr = n ? memrchr(p, '\r', n) : NULL;
	if (cr) {
		n -= (size_t)(cr + 1 - p);
		p = cr + 1;
		cut = false;
	}
	if (cut)
		wh_buf_adds(out, "…");
	if (n <= LINE_MAX_SHOWN) {
		add_text(out, p, n);
		return;
	}
	for (end = n - LINE_END; end < n && (p[end] & 0xc0) == 0x80; end++) /* not inside a character */
		;
	while (head && (p[head] & 0xc0) == 0x80)
		head--;
	add_text(out, p, head);
	wh_buf_addf(out, "…[%zu bytes]…", end - head);
	add_text(out, p + end, n - end);
}

char *wh_tail_text(const struct wh_tail *t, size_t *ret_shown, uint64_t *ret_lines)
{
	const char *p = t->buf.p, *end, *from;
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	size_t lines = 0;

	*ret_shown = 0;
	*ret_lines = t->lines;
	if (!t->buf.n)
		return NULL;
	from = end = p + t->buf.n;
	if (end[-1] == '\n')
		from = --end;
	else
		++*ret_lines;
	while (from > p) {
		if (from[-1] == '\n' && ++lines == TAIL_LINES)
			break;
		from--;
	}
	while (from <= end) {
		const char *nl = from < end ? memchr(from, '\n', (size_t)(end - from)) : NULL;

		if (!nl)
			nl = end;
		if (text.n || *ret_shown)
			wh_buf_addc(&text, '\n');
		add_line(&text, from, (size_t)(nl - from), from == p && t->cut);
		++*ret_shown;
		from = nl + 1;
	}
	return wh_buf_take(&text);
}

/* As Go's %q writes it. */
static void quote(struct wh_buf *b, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			wh_buf_addf(b, "\\%c", c);
		else if (c == '\n')
			wh_buf_adds(b, "\\n");
		else if (c == '\t')
			wh_buf_adds(b, "\\t");
		else if (c == '\r')
			wh_buf_adds(b, "\\r");
		else if (c < 0x20 || c == 0x7f)
			wh_buf_addf(b, "\\x%02x", c);
		else
			wh_buf_addc(b, (char)c);
	}
}

void wh_args_quote(struct wh_buf *b, const char *const *args)
{
	size_t i;

	for (i = 0; args[i]; i++) {
		if (i)
			wh_buf_addc(b, ' ');
		quote(b, args[i]);
	}
}
