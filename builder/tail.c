/* SPDX-License-Identifier: Apache-2.0 */
/* What messages show of a command: its words, and the last that it printed. */
#include "builder/exec_private.h"

#define TAIL_LINES 40
#define LINE_MAX_SHOWN 4000 /* bytes; of a longer line both ends */
#define LINE_HEAD 2500
#define LINE_END 1000
#define LINE_REST (LINE_MAX_SHOWN - LINE_HEAD)

static void drop(struct wh_buf *b, size_t n)
{
	memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

static void begin_line(struct wh_tail *t)
{
	wh_buf_reset(&t->head);
	wh_buf_reset(&t->rest);
	t->between = 0;
	t->cr = false;
}

/* Of the line that is not over yet. */
static void add(struct wh_tail *t, const char *p, size_t n)
{
	size_t head = LINE_HEAD - t->head.n, over;

	if (head > n)
		head = n;
	wh_buf_add(&t->head, p, head);
	p += head;
	n -= head;
	if (n > LINE_REST) {
		t->between += t->rest.n + n - LINE_REST;
		wh_buf_reset(&t->rest);
		p += n - LINE_REST;
		n = LINE_REST;
	}
	if (!n)
		return;
	wh_buf_add(&t->rest, p, n);
	if (t->rest.n > 2 * LINE_REST) {
		over = t->rest.n - LINE_REST;
		t->between += over;
		drop(&t->rest, over);
	}
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

/* How many bytes at the end are the beginning of a character (UTF-8) whose rest is missing? */
static size_t cut_character(const char *p, size_t n)
{
	size_t back = 0, width;
	unsigned char c;

	while (back < 3 && back < n && ((unsigned char)p[n - 1 - back] & 0xc0) == 0x80)
		back++;
	c = back < n ? (unsigned char)p[n - 1 - back] : 0;
	width = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
	return back + 1 < width ? back + 1 : 0;
}

/* The line as it is shown. */
static void add_line(struct wh_buf *out, const struct wh_tail *t)
{
	size_t head = t->head.n, end = 0;

	if (t->between || t->head.n + t->rest.n > LINE_MAX_SHOWN) {
		/* Not inside a character. */
		head -= cut_character(t->head.p, head);
		for (end = t->rest.n - LINE_END; end < t->rest.n - LINE_END + 3 && (t->rest.p[end] & 0xc0) == 0x80; end++)
			;
	}
	add_text(out, t->head.p, head);
	if (end)
		wh_buf_addf(out, "…[%llu bytes]…", (unsigned long long)(t->between + end + t->head.n - head));
	add_text(out, t->rest.n ? t->rest.p + end : "", t->rest.n - end);
}

/* Where the last n lines of the buffer begin, each of which ends in a newline. */
static size_t last_lines(const struct wh_buf *b, size_t n)
{
	size_t at = b->n;

	for (; at; at--)
		if (b->p[at - 1] == '\n' && n-- == 0)
			break;
	return at;
}

static void end_line(struct wh_tail *t)
{
	add_line(&t->done, t);
	wh_buf_addc(&t->done, '\n');
	t->lines++;
	if (++t->n_done == 2 * TAIL_LINES) {
		drop(&t->done, last_lines(&t->done, TAIL_LINES));
		t->n_done = TAIL_LINES;
	}
	begin_line(t);
}

void wh_tail_keep(struct wh_tail *t, const char *p, size_t n)
{
	while (n) {
		const char *nl = memchr(p, '\n', n), *end = nl ? nl : p + n, *cr;
		size_t used = (size_t)(end - p) + (nl != NULL);
		bool last = false;

		/* CRs at the end of a line mean nothing; behind any others it begins anew. */
		for (; end > p && end[-1] == '\r'; end--)
			last = true;
		if (p < end) {
			cr = memrchr(p, '\r', (size_t)(end - p));
			if (cr || t->cr)
				begin_line(t);
			add(t, cr ? cr + 1 : p, (size_t)(end - (cr ? cr + 1 : p)));
		}
		t->cr |= last;
		p += used;
		n -= used;
		if (nl)
			end_line(t);
	}
}

bool wh_tail_empty(const struct wh_tail *t)
{
	return !t->lines && !t->head.n;
}

void wh_tail_release(struct wh_tail *t)
{
	wh_buf_release(&t->done);
	wh_buf_release(&t->head);
	wh_buf_release(&t->rest);
	*t = (struct wh_tail){0};
}

char *wh_tail_text(const struct wh_tail *t, size_t *ret_shown, uint64_t *ret_lines)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	size_t whole = t->head.n ? TAIL_LINES - 1 : TAIL_LINES, from;

	*ret_lines = t->lines + (t->head.n > 0);
	*ret_shown = *ret_lines < TAIL_LINES ? (size_t)*ret_lines : TAIL_LINES;
	if (wh_tail_empty(t))
		return NULL;
	from = last_lines(&t->done, whole);
	wh_buf_add(&text, t->done.p ? t->done.p + from : "", t->done.n - from);
	if (t->head.n)
		add_line(&text, t);
	else
		text.p[--text.n] = 0;
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
