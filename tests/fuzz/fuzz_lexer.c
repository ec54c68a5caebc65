/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines, words, flags, JSON words, CSV fields, heredoc words and directives. Lines put together again are the text; words that
 * are split again stay as they are; nothing that a splitter yields is longer than what it was given.
 */
#include "base/rune.h"
#include "frontend/syntax.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static size_t total(const struct wh_strv *v)
{
	size_t i, n = 0;

	for (i = 0; i < v->n; i++)
		n += strlen(v->v[i]);
	return n;
}

static void same(const struct wh_strv *a, const struct wh_strv *b)
{
	size_t i;

	MUST(a->n == b->n);
	for (i = 0; i < a->n; i++)
		MUST(wh_streq(a->v[i], b->v[i]));
}

static char *joined(const struct wh_strv *v)
{
	struct wh_buf out = WH_BUF_INIT;
	size_t i;

	for (i = 0; i < v->n; i++)
		wh_buf_addf(&out, "%s%s", i ? " " : "", v->v[i]);
	return wh_buf_take(&out);
}

static void lines(struct wh_str text)
{
	struct wh_lines in = {text.p, text.n, 0, 0};
	WH_AUTO_BUF struct wh_buf all = WH_BUF_INIT;
	WH_AUTO_FREE char *excerpt = wh_excerpt(text);
	struct wh_str line;

	while (wh_lines_next(&in, &line)) {
		struct wh_str chomped = wh_line_chomp(line), rest = chomped;

		MUST(line.n > 0 && chomped.n <= line.n);
		MUST(!memchr(chomped.p, '\n', chomped.n));
		if (wh_line_continues(&rest, '\\'))
			MUST(rest.n < chomped.n && chomped.p[rest.n] == '\\' &&
			     (!rest.n || rest.p[rest.n - 1] != '\\'));
		else
			MUST(rest.n == chomped.n);
		if (wh_line_is_comment(line))
			MUST(wh_line_indent(line).p[0] == '#');
		wh_buf_addstr(&all, line);
	}
	MUST(all.n == text.n && (!all.n || memcmp(all.p, text.p, text.n) == 0));
}

static void words(struct wh_str text, char escape)
{
	WH_AUTO_STRV struct wh_strv plain = {0}, again = {0}, quoted = {0}, requoted = {0}, flags = {0};
	WH_AUTO_FREE char *one = NULL, *two = NULL;
	struct wh_str rest;
	size_t i;

	wh_words_plain(text, &plain);
	one = joined(&plain);
	wh_words_plain(wh_str(one), &again);
	same(&plain, &again);
	for (i = 0; i < plain.n; i++)
		MUST(plain.v[i][0] && strcspn(plain.v[i], " \t\r\v\f") == strlen(plain.v[i]));

	/* Quotes and escapes are kept, so what fell apart once falls apart in the same way again. */
	wh_words_quoted(text, escape, &quoted);
	MUST(total(&quoted) <= text.n);
	two = joined(&quoted);
	wh_words_quoted(wh_str(two), escape, &requoted);
	same(&quoted, &requoted);

	rest = wh_words_flags(text, escape, &flags);
	MUST(rest.p >= text.p && rest.p + rest.n == text.p + text.n);
	MUST(total(&flags) <= text.n);
	for (i = 0; i < flags.n; i++)
		MUST(wh_has_prefix(flags.v[i], "--"));
}

static void structured(const char *text, struct wh_str span)
{
	WH_AUTO_STRV struct wh_strv json = {0}, csv = {0};
	WH_AUTO_ERR struct wh_err *err = NULL;
	int r = wh_words_json(span, &json, &err);

	MUST((r < 0) == (err != NULL));
	MUST(r != 0 || json.n == 0);
	r = wh_words_csv(text, &csv, NULL);
	MUST(r < 0 || (csv.n > 0 && total(&csv) <= span.n));
}

static void heredocs(const char *text)
{
	struct wh_arena *a = wh_arena_new();
	struct wh_heredoc doc, found[4];
	WH_AUTO_FREE char *chomped = NULL;
	size_t n;
	int r, i;

	r = wh_heredoc_word(a, text, &doc, NULL);
	if (r > 0)
		MUST(doc.name && !strchr(doc.name, '<') && strlen(doc.name) <= strlen(text));
	r = wh_heredoc_scan(a, text, found, WH_ARRAY_SIZE(found), NULL);
	MUST(r <= (int)WH_ARRAY_SIZE(found));
	for (i = 0; i < r; i++)
		MUST(strstr(text, "<<"));
	chomped = wh_heredoc_chomp(text, strlen(text), &n);
	MUST(n <= strlen(text) && (!n || (chomped[0] != '\t' && !strstr(chomped, "\n\t"))));
	wh_arena_free(a);
}

static void directives(struct wh_str text)
{
	static const char *const keys[] = {"syntax", "escape", "check", "none"};
	size_t i;

	for (i = 0; i < WH_ARRAY_SIZE(keys); i++) {
		unsigned line = 0;
		WH_AUTO_FREE char *value = wh_directive_detect(keys[i], text.p, text.n, i & 1, &line);

		MUST(!value || (line > 0 && i < 3));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	WH_AUTO_FREE char *text = NULL;
	struct wh_str whole = {(const char *)data, size};
	size_t n;

	if (size > 1 << 16)
		return 0;
	lines(whole);
	directives(whole);
	text = wh_strndup((const char *)data, size);
	n = strlen(text);
	words((struct wh_str){text, n}, '\\');
	words((struct wh_str){text, n}, '`');
	structured(text, (struct wh_str){text, n});
	heredocs(text);
	return 0;
}
