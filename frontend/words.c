/* SPDX-License-Identifier: Apache-2.0 */
/* The ways the text of an instruction falls apart: plain words, quoted words, leading flags, JSON arrays, CSV. */
#include "base/rune.h"
#include "frontend/syntax.h"

#include <errno.h>

void wh_words_plain(struct wh_str text, struct wh_strv *out)
{
	size_t i = 0, start;

	while (i < text.n) {
		while (i < text.n && wh_is_blank(text.p[i]))
			i++;
		start = i;
		while (i < text.n && !wh_is_blank(text.p[i]))
			i++;
		if (i > start)
			wh_strv_take(out, wh_strndup(text.p + start, i - start));
	}
}

/* A cursor over words in which quotes hide blanks and the escape character hides anything. */
struct word_scan {
	struct wh_str text;
	size_t pos;
	char escape;
	bool keep; /* quotes and escapes go to the word as they are */
};

/* The next word (buf is emptied first); false at the end. A word of empty quotes counts. */
static bool scan_word(struct word_scan *s, struct wh_buf *buf)
{
	bool quoted = false;
	char quote = 0;

	wh_buf_reset(buf);
	while (s->pos < s->text.n) {
		size_t w;

		if (!wh_rune_is_space(wh_rune(s->text.p + s->pos, s->text.n - s->pos, &w)))
			break;
		s->pos += w;
	}
	if (s->pos == s->text.n)
		return false;
	while (s->pos < s->text.n) {
		const char *p = s->text.p + s->pos;
		size_t left = s->text.n - s->pos, w, next;
		uint32_t r = wh_rune(p, left, &w);

		if (!quote && wh_rune_is_space(r))
			break;
		if (*p == s->escape && (!s->keep || quote != '\'')) {
			if (left == 1) { /* nothing to escape: dropped */
				s->pos++;
				break;
			}
			(void)wh_rune(p + 1, left - 1, &next);
			wh_buf_add(buf, s->keep ? p : p + 1, s->keep ? next + 1 : next);
			s->pos += next + 1;
			continue;
		}
		if (quote ? *p == quote : *p == '\'' || *p == '"') {
			quote = quote ? 0 : *p;
			quoted = true;
			if (!s->keep) {
				s->pos++;
				continue;
			}
		}
		wh_buf_add(buf, p, w);
		s->pos += w;
	}
	return buf->n || quoted || s->pos < s->text.n;
}

void wh_words_quoted(struct wh_str text, char escape, struct wh_strv *out)
{
	struct word_scan s = {text, 0, escape, true};
	WH_AUTO_BUF struct wh_buf word = WH_BUF_INIT;

	while (scan_word(&s, &word))
		wh_strv_take(out, wh_strndup(word.p ? word.p : "", word.n));
}

/* Length of a leading --start=[JSON array], whose quotes and blanks are the array's; 0: the text does not begin with one. */
static size_t json_flag(struct wh_str text)
{
	static const char flag[] = "--start=";
	const size_t n = sizeof(flag) - 1;
	WH_AUTO_JSON json_t *doc = NULL;
	json_error_t at;

	if (text.n <= n || memcmp(text.p, flag, n) != 0 || text.p[n] != '[')
		return 0;
	doc = json_loadb(text.p + n, text.n - n, JSON_DISABLE_EOF_CHECK, &at);
	if (!json_is_array(doc) || at.position < 0)
		return 0;
	return n + (size_t)at.position;
}

struct wh_str wh_words_flags(struct wh_str text, char escape, struct wh_strv *flags)
{
	struct word_scan s = {text, 0, escape, false};
	WH_AUTO_BUF struct wh_buf word = WH_BUF_INIT;
	size_t n;

	for (;;) {
		struct wh_str rest = wh_line_indent((struct wh_str){text.p + s.pos, text.n - s.pos});

		if (rest.n < 2 || rest.p[0] != '-' || rest.p[1] != '-')
			return rest;
		s.pos = text.n - rest.n;
		n = json_flag(rest);
		if (n) {
			wh_strv_take(flags, wh_strndup(rest.p, n));
			s.pos += n;
			continue;
		}
		if (!scan_word(&s, &word))
			return (struct wh_str){text.p + text.n, 0};
		if (word.n == 2) /* a lone "--" ends the flags */
			return wh_line_indent((struct wh_str){text.p + s.pos, text.n - s.pos});
		wh_strv_take(flags, wh_strndup(word.p, word.n));
	}
}

static int no_string(struct wh_str text, size_t i, const json_t *value, struct wh_err **err)
{
	WH_AUTO_FREE char *word = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT), *rest = wh_strndup(text.p, text.n);

	wh_usage(err, "when using JSON array syntax, arrays must be comprised of strings only: not an array of strings");
	wh_err_mark(err, WH_MARK_WORD, word ? word : rest);
	wh_err_expect(err, "a string in double quotes as element %zu", i + 1);
	if (word && (json_is_number(value) || json_is_boolean(value)))
		wh_err_hint(err, "write \"%s\"", word);
	return -EINVAL;
}

int wh_words_json(struct wh_str text, struct wh_strv *out, struct wh_err **err)
{
	WH_AUTO_JSON json_t *doc = NULL;
	size_t i;

	text = wh_line_indent(text);
	if (!text.n || text.p[0] != '[')
		return 0;
	doc = json_loadb(text.p, text.n, 0, NULL);
	if (!json_is_array(doc))
		return 0;
	for (i = 0; i < json_array_size(doc); i++) {
		if (!json_is_string(json_array_get(doc, i)))
			return no_string(text, i, json_array_get(doc, i), err);
		wh_strv_add(out, json_string_value(json_array_get(doc, i)));
	}
	return 1;
}

int wh_words_csv(const char *text, struct wh_strv *out, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf field = WH_BUF_INIT;
	const char *p = text;

	for (;;) {
		wh_buf_reset(&field);
		if (*p == '"') {
			for (p++; *p && (*p != '"' || p[1] == '"'); p++) {
				if (*p == '"')
					p++;
				wh_buf_addc(&field, *p);
			}
			if (*p != '"' || (p[1] && p[1] != ','))
				return wh_usage(err, "bad quotation in '%s'", text);
			p++;
		} else {
			for (; *p && *p != ','; p++) {
				if (*p == '"')
					return wh_usage(err, "bad quotation in '%s'", text);
				wh_buf_addc(&field, *p);
			}
		}
		wh_strv_take(out, wh_strndup(field.p ? field.p : "", field.n));
		if (!*p)
			return 0;
		p++;
	}
}

const char *const *wh_arena_list(struct wh_arena *a, const struct wh_strv *list)
{
	const char **v = wh_arena_alloc(a, (list->n + 1) * sizeof(*v));
	size_t i;

	for (i = 0; i < list->n; i++)
		v[i] = wh_arena_strdup(a, list->v[i]);
	return v;
}
