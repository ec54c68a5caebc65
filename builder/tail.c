/* SPDX-License-Identifier: Apache-2.0 */
/* What messages show of a command: its words, and the last that it printed. */
#include "builder/exec_private.h"

#define TAIL_LINES 40
#define TAIL_KEEP ((size_t)64 * 1024)

void wh_tail_keep(struct wh_buf *tail, const char *p, size_t n)
{
	if (tail->n + n > 2 * TAIL_KEEP) {
		size_t drop = tail->n > TAIL_KEEP ? tail->n - TAIL_KEEP : 0;

		memmove(tail->p, tail->p + drop, tail->n - drop);
		tail->n -= drop;
	}
	if (n > TAIL_KEEP) {
		p += n - TAIL_KEEP;
		n = TAIL_KEEP;
	}
	wh_buf_add(tail, p, n);
}

char *wh_tail_text(const struct wh_buf *tail)
{
	const char *p = tail->p, *end, *from;
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	size_t lines = 0;

	if (!tail->n)
		return NULL;
	from = end = p + tail->n;
	if (end[-1] == '\n')
		from = --end;
	while (from > p) {
		if (from[-1] == '\n' && ++lines == TAIL_LINES)
			break;
		from--;
	}
	/* The message is a string: a NUL must not cut it. */
	for (const char *nul; (nul = memchr(from, 0, (size_t)(end - from))); from = nul + 1) {
		wh_buf_add(&text, from, (size_t)(nul - from));
		wh_buf_adds(&text, "^@");
	}
	wh_buf_add(&text, from, (size_t)(end - from));
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
