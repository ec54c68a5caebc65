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

static bool good_utf8(uint32_t r, size_t width)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};

	return r < 0x110000 && r >= least[width] && (r < 0xd800 || r >= 0xe000);
}

/* The value of "\uXXXX" at i when that is a surrogate, else 0. */
static unsigned surrogate(struct wh_str text, size_t i)
{
	uint64_t value;
	char hex[5] = {0};

	if (i + 6 > text.n || text.p[i] != '\\' || text.p[i + 1] != 'u')
		return 0;
	memcpy(hex, text.p + i + 2, 4);
	if (strspn(hex, "0123456789abcdefABCDEF") != 4 || !wh_parse_u64(hex, 16, &value))
		return 0;
	return value >= 0xd800 && value < 0xe000 ? (unsigned)value : 0;
}

/*
 * The text with what Go's decoder takes and ours does not in a form that both take: foreign bytes, and surrogates that are half a
 * character ("\ud800"), are U+FFFD.
 */
static char *json_text(struct wh_str text)
{
	struct wh_buf out = WH_BUF_INIT;
	size_t i = 0, w;

	while (i < text.n) {
		unsigned high = surrogate(text, i), low = high >= 0xd800 && high < 0xdc00 ? surrogate(text, i + 6) : 0;

		if (low >= 0xdc00) {
			w = 12;
			wh_buf_add(&out, text.p + i, w);
		} else if (high) {
			w = 6;
			wh_buf_adds(&out, "\xef\xbf\xbd");
		} else if (text.p[i] == '\\' && i + 1 < text.n) {
			w = 1;
			wh_buf_add(&out, text.p + i, w);
			i += w;
			w = (unsigned char)text.p[i] < 0x80;
			wh_buf_add(&out, text.p + i, w);
		} else {
			uint32_t r = wh_rune(text.p + i, text.n - i, &w);

			if (!good_utf8(r, w))
				wh_buf_adds(&out, "\xef\xbf\xbd");
			else
				wh_buf_add(&out, text.p + i, w);
		}
		i += w;
	}
	return wh_buf_take(&out);
}

static int no_string(struct wh_str text, size_t i, const json_t *value, struct wh_err **err)
{
	WH_AUTO_FREE char *word = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT), *rest = wh_strndup(text.p, text.n);

	if (word && json_is_real(value) && wh_has_suffix(word, ".0")) /* read as one, written without */
		word[strlen(word) - 2] = '\0';

	wh_usage(err,
		 "when using JSON array syntax, arrays must be comprised of strings only: not an array of strings");
	wh_err_mark(err, WH_MARK_WORD, word ? word : rest);
	wh_err_expect(err, "a string in double quotes as element %zu", i + 1);
	if (word && (json_is_number(value) || json_is_boolean(value)))
		wh_err_hint(err, "write \"%s\"", word);
	return -EINVAL;
}

static char *without_nul(const json_t *string)
{
	const char *p = json_string_value(string), *end = p + json_string_length(string);
	struct wh_buf out = WH_BUF_INIT;

	for (; p < end; p++) {
		if (*p)
			wh_buf_addc(&out, *p);
		else
			wh_buf_adds(&out, WH_WORD_NUL);
	}
	return wh_buf_take(&out);
}

int wh_words_json(struct wh_str text, struct wh_strv *out, struct wh_err **err)
{
	WH_AUTO_JSON json_t *doc = NULL;
	WH_AUTO_FREE char *clean = NULL;
	size_t i;

	text = wh_line_indent(text);
	if (!text.n || text.p[0] != '[')
		return 0;
	clean = json_text(text);
	doc = json_loads(clean, JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
	if (!json_is_array(doc))
		return 0;
	for (i = 0; i < json_array_size(doc); i++) {
		if (!json_is_string(json_array_get(doc, i)))
			return no_string(text, i, json_array_get(doc, i), err);
		wh_strv_take(out, without_nul(json_array_get(doc, i)));
	}
	return 1;
}

int wh_words_csv(const char *text, struct wh_strv *out, struct wh_err **err)
{
	return wh_strv_add_csv(out, text) ? 0 : wh_usage(err, "bad quotation in '%s'", text);
}

const char *const *wh_arena_list(struct wh_arena *a, const struct wh_strv *list)
{
	const char **v = wh_arena_alloc(a, (list->n + 1) * sizeof(*v));
	size_t i;

	for (i = 0; i < list->n; i++)
		v[i] = wh_arena_strdup(a, list->v[i]);
	return v;
}
