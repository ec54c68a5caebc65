/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sources of Node, Perl and Ruby ask for by a literal name. No parser: a word, and what stands behind it. A name
 * in a comment or in a text is found, too, and keeps what it names, which harms nobody.
 */
#include "harden/lang.h"

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$';
}

static const char *word_of(const struct wh_words *w, const char *p, size_t n)
{
	for (size_t i = 0; w->words[i]; i++)
		if (strncmp(w->words[i], p, n) == 0 && !w->words[i][n])
			return w->words[i];
	return NULL;
}

/* The literal or name at p; n is 0 when there is none. */
static struct wh_str literal(const struct wh_words *w, const char *p, const char *end, bool *ret_bare)
{
	const char *from = p, *close;

	*ret_bare = false;
	if (p == end)
		return (struct wh_str){p, 0};
	if (*p == '"' || *p == '\'' || *p == '`') {
		close = memchr(p + 1, *p, (size_t)(end - p - 1));
		return (struct wh_str){p + 1, close ? (size_t)(close - p - 1) : 0};
	}
	while (w->bare && p < end && (is_name(*p) || *p == ':'))
		p++;
	*ret_bare = true;
	return (struct wh_str){from, (size_t)(p - from)};
}

static int on_line(const char *p, const char *end, const struct wh_words *w, wh_word_fn fn, void *arg,
		   struct wh_err **err)
{
	int r = 0;

	for (const char *line = p; r == 0 && p < end;) {
		const char *from = p, *word;
		char name[WH_CODE_NAME_MAX + 1];
		struct wh_str text;
		bool gap = false, bare;

		if (!is_name(*p)) {
			p++;
			continue;
		}
		while (p < end && is_name(*p))
			p++;
		word = word_of(w, from, (size_t)(p - from));
		if (!word || (from > line &&
			      (from[-1] == '@' || from[-1] == ':' || (from[-1] == '.' && w->tight && *word != 'r'))))
			continue;
		for (; p < end && (*p == ' ' || *p == '\t' || *p == '('); p++)
			gap = true;
		if (p < end && !gap && *p != '"' && *p != '\'')
			continue;
		text = literal(w, p, end, &bare);
		if (!text.n || text.n > WH_CODE_NAME_MAX || memchr(text.p, '\\', text.n) ||
		    memchr(text.p, '\0', text.n) ||
		    (!bare && (memmem(text.p, text.n, "#{", 2) || memmem(text.p, text.n, "${", 2))))
			continue;
		memcpy(name, text.p, text.n);
		name[text.n] = '\0';
		r = fn(arg, &(struct wh_word){word, name, bare, {text.p + text.n, (size_t)(end - text.p) - text.n}},
		       err);
	}
	return r;
}

static bool begins(const char *p, const char *end, const char *with)
{
	size_t n = strlen(with);

	return (size_t)(end - p) >= n && memcmp(p, with, n) == 0;
}

int wh_words_find(const char *p, size_t n, const struct wh_words *w, wh_word_fn fn, void *arg, struct wh_err **err)
{
	const char *end = p + n;
	bool text = false;
	int r = 0;

	while (r == 0 && p < end) {
		const char *eol = memchr(p, '\n', (size_t)(end - p)), *first = p;

		if (!eol)
			eol = end;
		while (first < eol && (*first == ' ' || *first == '\t'))
			first++;
		if (w->stop && begins(p, eol, w->stop) && (size_t)(eol - p) <= strlen(w->stop) + 1)
			return 0;
		if (w->pod && *p == '=' && p + 1 < eol && is_name(p[1]))
			text = !begins(p, eol, "=cut") && !begins(p, eol, "=end") && begins(p, eol, w->pod);
		else if (!text && !begins(first, eol, w->comment) && !(w->tight && begins(first, eol, "*")))
			r = on_line(first, eol, w, fn, arg, err);
		p = eol + (eol < end);
	}
	return r;
}
