/* SPDX-License-Identifier: Apache-2.0 */
#include "layers/registry_toml.h"

#include <errno.h>

#define DEPTH_MAX 16
#define VALUES_MAX 100000
/* In a table: it was given by a header, or as a value, and may not be given again. */
#define DEFINED "\002"
#define CLOSED "\003"

struct toml {
	const char *p, *end;
	unsigned line;
	const char *file;
	unsigned depth, values;
	struct wh_err **err;
};

static int wrong(struct toml *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int wrong(struct toml *t, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	wh_buf_vaddf(&b, fmt, ap);
	va_end(ap);
	return wh_err_set(t->err, "registry", WH_ERR_ENV, EINVAL, "%s:%u: %s", t->file, t->line, b.p);
}

/* ---------------------------------------------------------------- words */

static bool at(const struct toml *t, const char *s)
{
	size_t n = strlen(s);

	return (size_t)(t->end - t->p) >= n && memcmp(t->p, s, n) == 0;
}

static int peek(const struct toml *t)
{
	return t->p < t->end ? (unsigned char)*t->p : -1;
}

static void skip_blanks(struct toml *t)
{
	while (peek(t) == ' ' || peek(t) == '\t')
		t->p++;
}

static int skip_comment(struct toml *t)
{
	if (peek(t) != '#')
		return 0;
	for (; t->p < t->end && *t->p != '\n'; t->p++) {
		unsigned char c = (unsigned char)*t->p;

		if ((c < ' ' && c != '\t' && !(c == '\r' && t->p + 1 < t->end && t->p[1] == '\n')) || c == 0x7f)
			return wrong(t, "a control character in a comment");
	}
	return 0;
}

static bool take_newline(struct toml *t)
{
	if (at(t, "\r\n"))
		t->p++;
	if (peek(t) != '\n')
		return false;
	t->p++;
	t->line++;
	return true;
}

/* Blanks, comments and ends of lines: between values of an array. */
static int skip_space(struct toml *t)
{
	int r;

	do {
		skip_blanks(t);
		r = skip_comment(t);
	} while (r == 0 && take_newline(t));
	return r;
}

static int end_of_line(struct toml *t)
{
	int r;

	skip_blanks(t);
	r = skip_comment(t);
	if (r < 0 || t->p == t->end || take_newline(t))
		return r;
	return wrong(t, "the line goes on where it should end");
}

/* ---------------------------------------------------------------- strings */

static bool add_rune(struct wh_buf *b, uint32_t c)
{
	if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return false;
	if (c < 0x80) {
		wh_buf_addc(b, (char)c);
	} else if (c < 0x800) {
		wh_buf_addc(b, (char)(0xc0 | c >> 6));
		wh_buf_addc(b, (char)(0x80 | (c & 0x3f)));
	} else if (c < 0x10000) {
		wh_buf_addc(b, (char)(0xe0 | c >> 12));
		wh_buf_addc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		wh_buf_addc(b, (char)(0x80 | (c & 0x3f)));
	} else {
		wh_buf_addc(b, (char)(0xf0 | c >> 18));
		wh_buf_addc(b, (char)(0x80 | (c >> 12 & 0x3f)));
		wh_buf_addc(b, (char)(0x80 | (c >> 6 & 0x3f)));
		wh_buf_addc(b, (char)(0x80 | (c & 0x3f)));
	}
	return true;
}

static int take_hex(struct toml *t, unsigned digits, struct wh_buf *b)
{
	uint32_t c = 0;

	for (unsigned i = 0; i < digits; i++) {
		int x = peek(t);

		if (x >= '0' && x <= '9')
			x -= '0';
		else if ((x >= 'a' && x <= 'f') || (x >= 'A' && x <= 'F'))
			x = (x | 0x20) - 'a' + 10;
		else
			return wrong(t, "\\u wants hexadecimal digits");
		c = c << 4 | (uint32_t)x;
		t->p++;
	}
	return add_rune(b, c) ? 0 : wrong(t, "\\u names no character");
}

/* Behind a backslash. */
static int take_escape(struct toml *t, bool multi, struct wh_buf *b)
{
	static const char letters[] = "btnfr\"\\", bytes[] = "\b\t\n\f\r\"\\";
	int c = peek(t);
	const char *found = c > 0 ? strchr(letters, c) : NULL;

	if (found) {
		wh_buf_addc(b, bytes[found - letters]);
		t->p++;
		return 0;
	}
	if (c == 'u' || c == 'U') {
		t->p++;
		return take_hex(t, c == 'u' ? 4 : 8, b);
	}
	if (multi) { /* the end of the line, and all blanks behind it, are left out */
		skip_blanks(t);
		if (take_newline(t)) {
			do
				skip_blanks(t);
			while (take_newline(t));
			return 0;
		}
	}
	return wrong(t, "an escape that TOML does not have");
}

/* quote: '"' or '\''. Appends. */
static int take_string(struct toml *t, struct wh_buf *b)
{
	char quote = *t->p;
	const char three[] = {quote, quote, quote, 0};
	bool multi = at(t, three);
	unsigned begun = t->line;

	t->p += multi ? 3 : 1;
	if (multi)
		(void)take_newline(t);
	for (;;) {
		int c = peek(t), r = 0;

		if (c < 0 || (!multi && (c == '\n' || at(t, "\r\n")))) {
			t->line = begun;
			return wrong(t, "a string without an end");
		}
		if (multi && at(t, three)) {
			t->p += 3;
			for (unsigned i = 0; i < 2 && peek(t) == quote; i++, t->p++)
				wh_buf_addc(b, quote);
			return 0;
		}
		if (!multi && c == quote) {
			t->p++;
			return 0;
		}
		if (multi && take_newline(t)) {
			wh_buf_addc(b, '\n');
			continue;
		}
		if ((c < ' ' && c != '\t') || c == 0x7f)
			return wrong(t, "a control character in a string");
		t->p++;
		if (c == '\\' && quote == '"')
			r = take_escape(t, multi, b);
		else
			wh_buf_addc(b, (char)c);
		if (r < 0)
			return r;
	}
}

/* ---------------------------------------------------------------- keys */

static bool is_bare(int c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

static int take_key_part(struct toml *t, char **ret)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	int r;

	if (peek(t) == '"' || peek(t) == '\'') {
		if (at(t, "\"\"\"") || at(t, "'''"))
			return wrong(t, "a key of several lines");
		r = take_string(t, &b);
		if (r < 0)
			return r;
	} else {
		while (is_bare(peek(t)))
			wh_buf_addc(&b, *t->p++);
		if (b.n == 0)
			return wrong(t, "a key should stand here");
	}
	for (size_t i = 0; i < b.n; i++)
		if ((unsigned char)b.p[i] < ' ')
			return wrong(t, "a control character in a key");
	*ret = wh_buf_take(&b);
	return 0;
}

static int take_key(struct toml *t, struct wh_strv *ret)
{
	for (;;) {
		char *part = NULL;
		int r = take_key_part(t, &part);

		if (r < 0)
			return r;
		wh_strv_take(ret, part);
		if (ret->n > DEPTH_MAX)
			return wrong(t, "keys are nested too deeply");
		skip_blanks(t);
		if (peek(t) != '.')
			return 0;
		t->p++;
		skip_blanks(t);
	}
}

/* ---------------------------------------------------------------- tables */

static json_t *table_new(const struct toml *t)
{
	return json_pack("{s:i}", WH_TOML_LINE, (int)t->line);
}

static bool marked(const json_t *table, const char *mark)
{
	return json_object_get(table, mark) != NULL;
}

static int put(struct toml *t, json_t *table, const char *key, json_t *value)
{
	if (!value)
		return wrong(t, "text that is no UTF-8");
	if (json_object_set_new(table, key, value) < 0)
		return wrong(t, "text that is no UTF-8");
	return 0;
}

/* The table of that name in a table, made when there is none; of an array of tables the last. */
static int step_into(struct toml *t, json_t **table, const char *key, bool header)
{
	json_t *x = json_object_get(*table, key);

	if (!x) {
		int r = put(t, *table, key, table_new(t));

		if (r < 0)
			return r;
		x = json_object_get(*table, key);
		if (!header)
			json_object_set_new(x, DEFINED, json_true());
	}
	if (header && json_is_array(x) && json_is_object(json_array_get(x, json_array_size(x) - 1)))
		x = json_array_get(x, json_array_size(x) - 1);
	if (!json_is_object(x) || marked(x, CLOSED))
		return wrong(t, "\"%.100s\" has a value already", key);
	*table = x;
	return 0;
}

static int take_value(struct toml *t, json_t **ret);

static int take_pair(struct toml *t, json_t *table)
{
	WH_AUTO_STRV struct wh_strv key = {0};
	WH_AUTO_JSON json_t *v = NULL;
	int r = take_key(t, &key);

	if (r < 0)
		return r;
	if (peek(t) != '=')
		return wrong(t, "\"=\" should stand behind \"%.100s\"", key.v[key.n - 1]);
	t->p++;
	skip_blanks(t);
	for (size_t i = 0; i + 1 < key.n && r == 0; i++)
		r = step_into(t, &table, key.v[i], false);
	if (r == 0 && json_object_get(table, key.v[key.n - 1]))
		r = wrong(t, "\"%.100s\" has a value already", key.v[key.n - 1]);
	if (r == 0)
		r = take_value(t, &v);
	return r < 0 ? r : put(t, table, key.v[key.n - 1], WH_TAKE_PTR(v));
}

/* ---------------------------------------------------------------- values */

static int take_array(struct toml *t, json_t **ret)
{
	WH_AUTO_JSON json_t *a = json_array();
	unsigned begun = t->line;

	t->p++;
	for (;;) {
		json_t *v = NULL;
		int r = skip_space(t);

		if (r == 0 && peek(t) == ']')
			break;
		if (r == 0 && t->p == t->end)
			break;
		if (r == 0)
			r = take_value(t, &v);
		if (r < 0)
			return r;
		json_array_append_new(a, v);
		r = skip_space(t);
		if (r < 0)
			return r;
		if (peek(t) == ',')
			t->p++;
		else if (t->p < t->end && peek(t) != ']')
			return wrong(t, "\",\" or \"]\" should stand here");
	}
	if (t->p == t->end) {
		t->line = begun;
		return wrong(t, "an array without an end");
	}
	t->p++;
	*ret = WH_TAKE_PTR(a);
	return 0;
}

/* Tables in it cannot be added to any more: by a header, or by keys with dots. */
static void close_table(json_t *table)
{
	const char *key;
	json_t *v;

	json_object_foreach (table, key, v)
		if (json_is_object(v))
			close_table(v);
	json_object_set_new(table, CLOSED, json_true());
}

static int take_inline_table(struct toml *t, json_t **ret)
{
	WH_AUTO_JSON json_t *o = table_new(t);

	t->p++;
	skip_blanks(t);
	while (peek(t) != '}') {
		int r = take_pair(t, o);

		if (r < 0)
			return r;
		skip_blanks(t);
		if (peek(t) == '}')
			break;
		if (peek(t) != ',')
			return wrong(t, "\",\" or \"}\" should stand here");
		t->p++;
		skip_blanks(t);
		if (peek(t) == '}')
			return wrong(t, "a key should stand here");
	}
	t->p++;
	close_table(o);
	*ret = WH_TAKE_PTR(o);
	return 0;
}

/* A number or a date, whose value nobody here asks for: what its characters can be is all that is looked at. */
static int take_other(struct toml *t, json_t **ret)
{
	const char *start = t->p;
	bool digit = false;

	while (is_bare(peek(t)) || peek(t) == '+' || peek(t) == '.' || peek(t) == ':' ||
	       /* "1979-05-27 07:32:00" */
	       (peek(t) == ' ' && t->p - start == 10 && start[4] == '-' && t->p + 1 < t->end && t->p[1] >= '0' && t->p[1] <= '9')) {
		digit = digit || (*t->p >= '0' && *t->p <= '9');
		t->p++;
	}
	if (t->p == start)
		return wrong(t, "a value should stand here");
	if (!digit)
		return wrong(t, "\"%.*s\" is no value: text stands in quotes", (int)(t->p - start > 100 ? 100 : t->p - start), start);
	*ret = json_null();
	return 0;
}

static bool take_word(struct toml *t, const char *word)
{
	size_t n = strlen(word);

	if (!at(t, word) || (t->p + n < t->end && (is_bare(t->p[n]) || t->p[n] == '.')))
		return false;
	t->p += n;
	return true;
}

static int take_text(struct toml *t, json_t **ret)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	int r = take_string(t, &b);

	if (r < 0)
		return r;
	*ret = json_stringn(b.p ? b.p : "", b.n);
	return *ret ? 0 : wrong(t, "text that is no UTF-8");
}

static int take_value(struct toml *t, json_t **ret)
{
	int c = peek(t), r;

	if (++t->values > VALUES_MAX)
		return wrong(t, "more than %d values", VALUES_MAX);
	if (c == '"' || c == '\'')
		return take_text(t, ret);
	if (c == '[' || c == '{') {
		if (++t->depth > DEPTH_MAX)
			return wrong(t, "values are nested too deeply");
		r = c == '[' ? take_array(t, ret) : take_inline_table(t, ret);
		t->depth--;
		return r;
	}
	if (take_word(t, "true"))
		*ret = json_true();
	else if (take_word(t, "false"))
		*ret = json_false();
	else if (take_word(t, "inf") || take_word(t, "+inf") || take_word(t, "-inf") || take_word(t, "nan") || take_word(t, "+nan") ||
		 take_word(t, "-nan"))
		*ret = json_null();
	else
		return take_other(t, ret);
	return 0;
}

/* ---------------------------------------------------------------- headers */

/* [a.b], or [[a.b]] */
static int take_header(struct toml *t, json_t *root, json_t **ret)
{
	WH_AUTO_STRV struct wh_strv key = {0};
	bool array = at(t, "[[");
	json_t *table = root, *last;
	const char *name;
	int r;

	t->p += array ? 2 : 1;
	skip_blanks(t);
	r = take_key(t, &key);
	if (r == 0 && !at(t, array ? "]]" : "]"))
		r = wrong(t, "\"%s\" should stand here", array ? "]]" : "]");
	if (r < 0)
		return r;
	t->p += array ? 2 : 1;
	if (++t->values > VALUES_MAX)
		return wrong(t, "more than %d values", VALUES_MAX);
	for (size_t i = 0; i + 1 < key.n && r == 0; i++)
		r = step_into(t, &table, key.v[i], true);
	if (r < 0)
		return r;
	name = key.v[key.n - 1];
	last = json_object_get(table, name);
	if (array) {
		if (last && (!json_is_array(last) || !json_is_object(json_array_get(last, 0)) || marked(json_array_get(last, 0), CLOSED)))
			return wrong(t, "\"%.100s\" has a value already", name);
		if (!last) {
			r = put(t, table, name, json_array());
			last = json_object_get(table, name);
		}
		if (r == 0)
			json_array_append_new(last, *ret = table_new(t));
		return r;
	}
	if (last && (!json_is_object(last) || marked(last, DEFINED) || marked(last, CLOSED)))
		return wrong(t, "\"%.100s\" has a value already", name);
	if (!last) {
		r = put(t, table, name, table_new(t));
		last = json_object_get(table, name);
	}
	if (r < 0)
		return r;
	json_object_set_new(last, DEFINED, json_true());
	json_object_set_new(last, WH_TOML_LINE, json_integer(t->line));
	*ret = last;
	return 0;
}

static void drop_marks(json_t *v)
{
	const char *key;
	json_t *x;
	size_t i;

	if (json_is_object(v)) {
		json_object_del(v, DEFINED);
		json_object_del(v, CLOSED);
		json_object_foreach (v, key, x)
			drop_marks(x);
	}
	json_array_foreach (v, i, x)
		drop_marks(x);
}

int wh_toml_parse(const char *p, size_t n, const char *file, json_t **ret, struct wh_err **err)
{
	struct toml t = {.p = p, .end = p + n, .line = 1, .file = file, .err = err};
	WH_AUTO_JSON json_t *root = NULL;
	json_t *table;

	if (n > WH_TOML_MAX)
		return wh_err_set(err, "registry", WH_ERR_ENV, EFBIG, "%s: more than %zu KiB", file, WH_TOML_MAX >> 10);
	if (at(&t, "\xef\xbb\xbf"))
		t.p += 3;
	table = root = table_new(&t);
	while (t.p < t.end) {
		int r;

		skip_blanks(&t);
		if (t.p == t.end || *t.p == '#' || *t.p == '\n' || *t.p == '\r')
			r = 0;
		else
			r = *t.p == '[' ? take_header(&t, root, &table) : take_pair(&t, table);
		if (r == 0)
			r = end_of_line(&t);
		if (r < 0)
			return r;
	}
	drop_marks(root);
	*ret = WH_TAKE_PTR(root);
	return 0;
}

unsigned wh_toml_line(const json_t *table)
{
	return (unsigned)wh_json_int(table, WH_TOML_LINE, 0);
}
