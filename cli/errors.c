/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

int wh_err_exit_code(const struct wh_err *err)
{
	if (!err)
		return WH_ERR_INTERNAL;
	if (err->status)
		return err->status;
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

#define MAX_EXCERPT 400 /* bytes of a line */

struct block {
	struct wh_buf *out;
	bool colours;
};

static void add_detail_line(void *arg, const char *line, size_t n)
{
	const struct block *b = arg;

	wh_buf_adds(b->out, "  | ");
	wh_text_add_output(b->out, line, n, b->colours);
	wh_buf_addc(b->out, '\n');
}

static void add_detail(struct wh_buf *out, const char *text, bool colours)
{
	WH_CLEANUP(wh_text_release) struct wh_text_lines lines = {0};
	struct block b = {out, colours};

	wh_text_feed(&lines, text, strlen(text), add_detail_line, &b);
	wh_text_flush(&lines, add_detail_line, &b);
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
		wh_text_add_safe(out, p, n > MAX_EXCERPT ? MAX_EXCERPT : n);
		if (n > MAX_EXCERPT)
			wh_buf_addf(out, "…[%zu bytes]", n - MAX_EXCERPT);
		wh_buf_addc(out, '\n');
		if (line == err->line && err->column && err->column <= n + 1 && err->column <= MAX_EXCERPT) {
			wh_buf_adds(out, "       | ");
			for (size_t i = 0; i + 1 < err->column; i++)
				wh_buf_addc(out, p[i] == '\t' ? '\t' : ' ');
			wh_buf_adds(out, "^\n");
		}
		p += n + (p[n] == '\n');
		line += line != 0;
	}
}

void wh_err_format(const struct wh_err *err, bool colours, struct wh_buf *out)
{
	if (!err) {
		wh_buf_adds(out, "error: something failed without saying why; this is a bug of whittle\n");
		return;
	}
	wh_buf_adds(out, err->class == WH_ERR_INTERNAL ? "error (a bug of whittle): " : "error: ");
	if (err->file) {
		wh_text_add_short(out, err->file);
		if (err->line)
			wh_buf_addf(out, ":%u", err->line);
		wh_buf_adds(out, ": ");
	}
	wh_text_add_short(out, err->msg);
	wh_buf_addc(out, '\n');
	if (err->excerpt && err->excerpt[0])
		add_excerpt(out, err);
	if (err->hint) {
		wh_buf_adds(out, "hint: ");
		wh_text_add_short(out, err->hint);
		wh_buf_addc(out, '\n');
	}
	if (err->detail && err->detail[0])
		add_detail(out, err->detail, colours);
}

int wh_err_report(const struct wh_err *err)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	wh_err_format(err, isatty(STDERR_FILENO), &out);
	/* When even this cannot be written there is nowhere left to say so; the exit code still tells. */
	(void)!wh_write_all(STDERR_FILENO, out.p, out.n);
	return wh_err_exit_code(err);
}
