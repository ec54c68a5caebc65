/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The place of a wrong word. What finds a mistake knows a word and no place: quotes are gone, lines are joined, it may be
 * three calls away from the text. So the error carries the word, and it is looked for where the source lines are known.
 */
#include "base/err.h"
#include "base/str.h"

struct wh_err_mark {
	enum wh_mark how;
	char *word, *within;
};

static struct wh_err_mark *mark_of(struct wh_err *err)
{
	if (!err->mark)
		err->mark = wh_calloc(1, sizeof(*err->mark));
	return err->mark;
}

void wh_err_mark(struct wh_err **err, enum wh_mark how, const char *word)
{
	struct wh_err_mark *m;

	if (!err || !*err || ((*err)->mark && ((*err)->mark->word || (*err)->mark->how != WH_MARK_WORD)))
		return;
	m = mark_of(*err);
	m->how = how;
	m->word = wh_strdup(word);
	(void)wh_err_locate(*err);
}

void wh_err_within(struct wh_err **err, const char *text)
{
	if (!err || !*err || !text || ((*err)->mark && (*err)->mark->within))
		return;
	mark_of(*err)->within = wh_strdup(text);
	(void)wh_err_locate(*err);
}

void wh_err_mark_free(struct wh_err_mark *mark)
{
	if (!mark)
		return;
	free(mark->word);
	free(mark->within);
	free(mark);
}

void wh_err_unmark(struct wh_err **err)
{
	if (!err || !*err)
		return;
	wh_err_mark_free((*err)->mark);
	(*err)->mark = NULL;
	(*err)->row = (*err)->column = (*err)->length = 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (c & 0x80);
}

/* Does the line of p begin with '#', and is it not the first one? */
static bool in_comment(const char *text, const char *p)
{
	const char *line = p;

	while (line > text && line[-1] != '\n')
		line--;
	if (line == text)
		return false;
	while (line < p && is_blank(*line))
		line++;
	return *line == '#';
}

/* 3: stands alone, between blanks and punctuation; 2: is no part of a longer name; 1: is there. */
static int quality(const char *start, const char *p, const char *end)
{
	static const char around[] = " \t\r\n\"'=,[](){}";
	char before = p > start ? p[-1] : ' ', after = *end;

	if (strchr(around, before) && (!after || strchr(around, after)))
		return 3;
	return (is_name(before) && is_name(*p)) || (is_name(after) && is_name(end[-1])) ? 1 : 2;
}

/* The best place of the word from start to end; of equal ones the first, or the last. NULL: none. */
static const char *find(const char *text, const char *start, const char *end, const char *word, bool last)
{
	const char *best = NULL, *p = start;
	size_t n = strlen(word);
	int least = last ? 0 : 1, q;

	if (!n)
		return NULL;
	for (; (p = strstr(p, word)) && p + n <= end; p++) {
		if (in_comment(text, p))
			continue;
		q = quality(text, p, p + n);
		if (q < least)
			continue;
		best = p;
		least = last ? q : q + 1;
	}
	return best;
}

/* A flag's text has its quotes taken off; its name stands in the source in any case. */
static const char *find_flag(const char *text, const char *start, const char *word, bool last, size_t *ret_n)
{
	WH_AUTO_FREE char *name = NULL;
	const char *found;

	*ret_n = strcspn(word, "=");
	if (!wh_has_prefix(word, "--") || !word[*ret_n])
		return NULL;
	name = wh_strndup(word, *ret_n);
	found = find(text, start, start + strlen(start), name, last);
	while (found && found[*ret_n] && !is_blank(found[*ret_n]))
		(*ret_n)++;
	return found;
}

static const char *find_word(const char *text, const char *behind, const char *word, const char *within, bool last,
			     size_t *ret_n)
{
	const char *end = text + strlen(text), *found = NULL, *outer = NULL;
	size_t n = 0;

	if (within) {
		outer = find(text, behind, end, within, false);
		n = strlen(within);
		if (!outer)
			outer = find_flag(text, behind, within, false, &n);
		if (word)
			found = find(text, outer ? outer : behind, outer ? outer + n : end, word, last);
	} else if (word) {
		found = find(text, behind, end, word, last);
		if (!found)
			found = find_flag(text, behind, word, last, &n);
		if (found && n) {
			*ret_n = n;
			return found;
		}
	}
	*ret_n = found ? strlen(word) : n;
	return found ? found : outer;
}

/* A path was cleaned, and perhaps made from variables: the longest tail of it that stands there, and the word around that. */
static const char *find_path(const char *text, const char *behind, const char *path, size_t *ret_n)
{
	static const char around[] = " \t\r\n\"',=[]";
	const char *end = text + strlen(text), *found = NULL, *slash;

	while (*path == '/')
		path++;
	for (;; path = slash + 1) {
		found = find(text, behind, end, path, false);
		slash = strchr(path, '/');
		if (found || !slash)
			break;
	}
	if (!found)
		return NULL;
	end = found + strlen(path);
	while (found > behind && !strchr(around, found[-1]))
		found--;
	while (*end && !strchr(around, *end))
		end++;
	*ret_n = (size_t)(end - found);
	return found;
}

static void place(struct wh_err *err, const char *p, size_t n)
{
	const char *line = err->excerpt, *nl;

	for (err->row = 0; (nl = strchr(line, '\n')) && nl < p; err->row++)
		line = nl + 1;
	err->column = (unsigned)(p - line) + 1;
	nl = memchr(p, '\n', n);
	err->length = (unsigned)(nl ? (size_t)(nl - p) : n);
	while (err->length && is_blank(p[err->length - 1]))
		err->length--;
}

bool wh_err_locate(struct wh_err *err)
{
	const struct wh_err_mark *m = err->mark;
	const char *text = err->excerpt, *first, *behind, *end, *found;
	size_t n = 0;

	if (!m || !text || (err->column && !err->mark))
		return false;
	for (first = text; is_blank(*first); first++)
		;
	for (behind = first; *behind && !is_blank(*behind); behind++)
		;
	switch (m->how) {
	case WH_MARK_FIRST:
		found = m->word ? find(text, text, text + strlen(text), m->word, false) : NULL;
		if (found)
			n = strlen(m->word);
		else
			n = (size_t)(behind - (found = first));
		if (n)
			place(err, found, n);
		return n > 0;
	case WH_MARK_END:
		for (end = text + strlen(text); end > first && is_blank(end[-1]); end--)
			;
		place(err, *end == ' ' ? end + 1 : end, 0);
		return true;
	case WH_MARK_PATH:
		found = find_path(text, behind, m->word, &n);
		if (found)
			place(err, found, n);
		return found != NULL;
	case WH_MARK_WORD:
	case WH_MARK_LAST:
		break;
	}
	found = find_word(text, behind, m->word, m->within, m->how == WH_MARK_LAST, &n);
	if (!found && m->word && strlen(m->word) == (size_t)(behind - first) &&
	    memcmp(first, m->word, (size_t)(behind - first)) == 0) {
		found = first;
		n = strlen(m->word);
	}
	if (found)
		place(err, found, n);
	return found != NULL;
}
