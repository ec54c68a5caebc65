/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <errno.h>

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

#define MAX_LINES 10  /* of an instruction, where nothing in it is marked */
#define AROUND 1      /* lines shown above and below a marked one */
#define MAX_WIDTH 160 /* bytes of a line; longer ones are cut to what is around the mark */
#define LEAD 60       /* bytes kept in front of the mark then */

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

/* Where a long line is cut, not inside a character. */
static size_t cut_at(const char *p, size_t n, size_t at)
{
	if (at >= n)
		return n;
	while (at && ((unsigned char)p[at] & 0xc0) == 0x80)
		at--;
	return at;
}

/* One line of source; mark is the byte at fault, n where there is none. Returns the first byte shown. */
static size_t add_source(struct wh_buf *out, const char *p, size_t n, size_t mark, size_t *ret_end)
{
	size_t from = 0, to = n;

	if (n > MAX_WIDTH) {
		from = mark < n && mark > MAX_WIDTH - LEAD ? cut_at(p, n, mark - LEAD) : 0;
		to = cut_at(p, n, from + MAX_WIDTH);
	}
	if (from)
		wh_buf_adds(out, "…");
	wh_text_add_safe(out, p + from, to - from);
	if (to < n)
		wh_buf_addf(out, "…[%zu bytes]", n - to);
	wh_buf_addc(out, '\n');
	*ret_end = to;
	return from;
}

/* The line below: blanks as wide as what stands in front of the mark, then "^~~~". */
static void add_marker(struct wh_buf *out, const char *p, size_t from, size_t mark, size_t end)
{
	size_t width = mark < end ? wh_text_columns(p + mark, end - mark) : 1;

	wh_buf_adds(out, from ? "       |  " : "       | ");
	for (size_t i = from, start = i; i <= mark; i++) {
		if (i < mark && p[i] != '\t')
			continue;
		for (size_t k = wh_text_columns(p + start, i - start); k; k--)
			wh_buf_addc(out, ' ');
		if (i < mark)
			wh_buf_addc(out, '\t');
		start = i + 1;
	}
	wh_buf_addc(out, '^');
	for (; width > 1; width--)
		wh_buf_addc(out, '~');
	wh_buf_addc(out, '\n');
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; *text; n++) {
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return n;
}

/* Is the line one that is shown? The first always is: it says which instruction this is. */
static bool shown(const struct wh_err *err, size_t row)
{
	if (!err->column)
		return row < MAX_LINES;
	return row == 0 || (row + AROUND >= err->row && row <= (size_t)err->row + AROUND);
}

/* The source with line numbers, and a mark: under the word when it is known, else beside the lines. */
static void add_excerpt(struct wh_buf *out, const struct wh_err *err)
{
	size_t total = count_lines(err->excerpt), row, last = 0, end;
	const char *p = err->excerpt;

	for (row = 0; row < total; row++) {
		size_t n = strcspn(p, "\n"), text = n && p[n - 1] == '\r' ? n - 1 : n, mark = text + 1, from;

		if (shown(err, row)) {
			if (row > last + 1)
				wh_buf_adds(out, "       …\n");
			last = row;
			if (err->line)
				wh_buf_addf(out, "%6zu %c ", err->line + row, err->column ? '|' : '>');
			else
				wh_buf_adds(out, "       > ");
			if (row == err->row && err->column && err->column <= text + 1)
				mark = err->column - 1;
			from = add_source(out, p, text, mark, &end);
			if (mark <= end)
				add_marker(out, p, from, mark, mark + err->length < end ? mark + err->length : end);
		}
		p += n + (p[n] == '\n');
	}
	if (!err->column && total > MAX_LINES)
		wh_buf_addf(out, "       …[%zu lines]\n", total - MAX_LINES);
}

/* "FILE:LINE:COLUMN: "; columns count characters, as editors do. */
static void add_place(struct wh_buf *out, const struct wh_err *err)
{
	const char *p = err->excerpt;
	unsigned column = 1;

	wh_text_add_short(out, err->file);
	if (err->line)
		wh_buf_addf(out, ":%u", err->line + (err->column ? err->row : 0));
	if (err->line && err->column && p) {
		for (unsigned row = 0; row < err->row && strchr(p, '\n'); row++)
			p = strchr(p, '\n') + 1;
		for (size_t i = 0; p[i] && i + 1 < err->column; i++)
			column += ((unsigned char)p[i + 1] & 0xc0) != 0x80 || !p[i + 1];
		wh_buf_addf(out, ":%u", column);
	}
	wh_buf_adds(out, ": ");
}

static void add_line(struct wh_buf *out, const char *what, const char *text)
{
	if (!text)
		return;
	wh_buf_adds(out, what);
	wh_text_add_short(out, text);
	wh_buf_addc(out, '\n');
}

/* Whole, so that it can be copied. */
static void add_path(struct wh_buf *out, const char *what, const char *path)
{
	if (!path)
		return;
	wh_buf_adds(out, what);
	wh_text_add_safe(out, path, strlen(path));
	wh_buf_addc(out, '\n');
}

/* One message: what, where, the source with its mark, what was expected, how to mend it. */
static void add_block(const struct wh_err *err, const char *kind, bool colours, struct wh_buf *out)
{
	wh_buf_adds(out, kind);
	if (err->file)
		add_place(out, err);
	wh_text_add_short(out, err->msg);
	wh_buf_addc(out, '\n');
	if (err->excerpt && err->excerpt[0])
		add_excerpt(out, err);
	add_line(out, "expected: ", err->expected);
	add_line(out, "hint: ", err->hint);
	if (err->detail && err->detail[0]) {
		if (err->extent)
			wh_buf_addf(out, "%s:\n", err->extent);
		add_detail(out, err->detail, colours);
	}
	add_path(out, "full log: ", err->log);
}

void wh_err_format(const struct wh_err *err, bool colours, struct wh_buf *out)
{
	if (!err) {
		wh_buf_adds(out, "error: something failed without saying why; this is a bug of whittle\n");
		return;
	}
	for (; err; err = err->next)
		add_block(err, err->class == WH_ERR_INTERNAL ? "error (a bug of whittle): " : "error: ", colours, out);
}

void wh_note_format(const struct wh_err *note, bool colours, struct wh_buf *out)
{
	for (; note; note = note->next)
		add_block(note, "note: ", colours, out);
}

int wh_err_report(const struct wh_err *err)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	wh_err_format(err, isatty(STDERR_FILENO), &out);
	/* When even this cannot be written there is nowhere left to say so; the exit code still tells. */
	(void)!wh_write_all(STDERR_FILENO, out.p, out.n);
	return wh_err_exit_code(err);
}

int wh_cli_misuse(struct wh_err **err, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	wh_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "%s", text.p ? text.p : "");
}
