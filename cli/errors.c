/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

int wh_err_exit_code(const struct wh_err *err)
{
	if (!err)
		return WH_ERR_INTERNAL;
	switch (err->class) {
	case WH_ERR_BUILD:
	case WH_ERR_USAGE:
	case WH_ERR_GATE:
	case WH_ERR_ENV:
	case WH_ERR_INTERNAL:
		return (int)err->class;
	}
	return WH_ERR_INTERNAL;
}

void wh_text_add_safe(struct wh_buf *out, const char *p, size_t n)
{
	const char *cr;

	while (n && (p[n - 1] == '\r' || p[n - 1] == '\n'))
		n--;
	cr = n ? memrchr(p, '\r', n) : NULL;
	if (cr) {
		n -= (size_t)(cr + 1 - p);
		p = cr + 1;
	}
	for (size_t i = 0; i < n; i++) {
		unsigned char ch = (unsigned char)p[i];

		if (ch >= 0x20 && ch != 0x7f)
			wh_buf_addc(out, (char)ch);
		else if (ch == '\t')
			wh_buf_addc(out, '\t');
		else
			wh_buf_addf(out, "^%c", ch ^ 0x40);
	}
}

/* Every line of a text, made safe, each behind a prefix. */
static void add_block(struct wh_buf *out, const char *text, const char *prefix)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		wh_buf_adds(out, prefix);
		wh_text_add_safe(out, text, n);
		wh_buf_addc(out, '\n');
		text += n + (text[n] == '\n');
	}
}

/* The source with line numbers, and a mark: under the column when it is known, else beside the lines. */
static void add_excerpt(struct wh_buf *out, const struct wh_err *err)
{
	unsigned line = err->line;

	for (const char *p = err->excerpt; *p;) {
		size_t n = strcspn(p, "\n");

		if (line)
			wh_buf_addf(out, "%6u %c ", line, err->column ? '|' : '>');
		else
			wh_buf_adds(out, "       > ");
		wh_text_add_safe(out, p, n);
		wh_buf_addc(out, '\n');
		if (line == err->line && err->column && err->column <= n + 1) {
			wh_buf_adds(out, "       | ");
			for (size_t i = 0; i + 1 < err->column; i++)
				wh_buf_addc(out, p[i] == '\t' ? '\t' : ' ');
			wh_buf_adds(out, "^\n");
		}
		p += n + (p[n] == '\n');
		line += line != 0;
	}
}

void wh_err_format(const struct wh_err *err, struct wh_buf *out)
{
	if (!err) {
		wh_buf_adds(out, "error: something failed without saying why; this is a bug of whittle\n");
		return;
	}
	wh_buf_adds(out, err->class == WH_ERR_INTERNAL ? "error (a bug of whittle): " : "error: ");
	if (err->file) {
		wh_text_add_safe(out, err->file, strlen(err->file));
		if (err->line)
			wh_buf_addf(out, ":%u", err->line);
		wh_buf_adds(out, ": ");
	}
	wh_text_add_safe(out, err->msg, strlen(err->msg));
	wh_buf_addc(out, '\n');
	if (err->excerpt && err->excerpt[0])
		add_excerpt(out, err);
	if (err->hint) {
		wh_buf_adds(out, "hint: ");
		wh_text_add_safe(out, err->hint, strlen(err->hint));
		wh_buf_addc(out, '\n');
	}
	if (err->detail && err->detail[0])
		add_block(out, err->detail, "  | ");
}

int wh_err_report(const struct wh_err *err)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	wh_err_format(err, &out);
	/* When even this cannot be written there is nowhere left to say so; the exit code still tells. */
	(void)!wh_write_all(STDERR_FILENO, out.p, out.n);
	return wh_err_exit_code(err);
}
