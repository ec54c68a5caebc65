/* SPDX-License-Identifier: Apache-2.0 */
/* Heredoc words: [fd] "<<" ["-"] name, where a quoted name says that the body is not expanded. */
#include "base/rune.h"
#include "frontend/expand.h"
#include "frontend/syntax.h"

#include <errno.h>

static size_t count_quotes(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += *s == '\'' || *s == '"';
	return n;
}

int wh_heredoc_word(struct wh_arena *a, const char *word, struct wh_heredoc *ret, struct wh_err **err)
{
	struct wh_expand_opts o = {.escape = '\\', .keep_unset = true};
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT, raw_text = WH_BUF_INIT;
	WH_AUTO_STRV struct wh_strv names = {0}, raw = {0};
	const char *p = word;
	uint64_t fd = 0;
	bool chomp = false;
	int r;

	for (; *p >= '0' && *p <= '9'; p++)
		fd = fd < 100000 ? fd * 10 + (uint64_t)(*p - '0') : fd;
	if (p[0] != '<' || p[1] != '<')
		return 0;
	p += 2;
	if (*p == '-') {
		chomp = true;
		p++;
	}
	while (wh_is_blank(*p) || *p == '\n')
		p++;
	if (!*p || strchr(p, '<'))
		return 0;
	r = wh_expand(p, &o, &text, &names, err);
	if (r < 0)
		return r;
	if (names.n != 1)
		return 0;
	o.raw_quotes = true;
	r = wh_expand(p, &o, &raw_text, &raw, err);
	if (r < 0)
		return r;
	if (raw.n != 1)
		return wh_usage(err, "unclear heredoc word: %s", word);
	*ret = (struct wh_heredoc){
		.name = wh_arena_strdup(a, names.v[0]),
		.fd = (unsigned)fd,
		.expand = count_quotes(names.v[0]) == count_quotes(raw.v[0]),
		.chomp = chomp,
		.data = "",
	};
	return 1;
}

int wh_heredoc_scan(struct wh_arena *a, const char *line, struct wh_heredoc *out, size_t max, struct wh_err **err)
{
	const struct wh_expand_opts o = {.escape = '\\', .raw_quotes = true, .raw_escapes = true, .keep_unset = true};
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_STRV struct wh_strv words = {0};
	size_t n = 0, i;

	/* A line that does not lex holds a shell's own quotation, not a heredoc of ours. */
	if (wh_expand(line, &o, &text, &words, NULL) < 0)
		return 0;
	for (i = 0; i < words.n; i++) {
		struct wh_heredoc doc;
		int r = wh_heredoc_word(a, words.v[i], &doc, err);

		if (r < 0)
			return r;
		if (!r)
			continue;
		if (n == max)
			return wh_err_set(err, "frontend", WH_ERR_USAGE, E2BIG, "more than %zu heredocs", max);
		out[n++] = doc;
	}
	return (int)n;
}

char *wh_heredoc_chomp(const char *data, size_t len, size_t *ret_len)
{
	struct wh_lines in = {data, len, 0, 0};
	struct wh_buf out = WH_BUF_INIT;
	struct wh_str line;

	while (wh_lines_next(&in, &line)) {
		while (line.n && line.p[0] == '\t') {
			line.p++;
			line.n--;
		}
		wh_buf_addstr(&out, line);
	}
	*ret_len = out.n;
	return wh_buf_take(&out);
}
