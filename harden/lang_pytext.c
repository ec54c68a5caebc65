/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a Python source imports, read without running it: statements wherever they stand (in functions, behind try),
 * names handed to import_module and
 * __import__. What stands below "if TYPE_CHECKING:" is for type checkers. A text that is no Python gives nothing, or
 * nonsense that nothing answers to.
 */
#include "harden/lang.h"

struct scan {
	const char *p, *end;
	bool strings;
	unsigned depth;        /* brackets */
	const char *skip_from; /* in a block for type checkers; its indentation: */
	size_t skip_indent;
	wh_py_fn fn;
	void *arg;
	struct wh_err **err;
};

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
	       (unsigned char)c >= 0x80;
}

static bool starts(const char *p, const char *end, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(end - p) >= n && memcmp(p, word, n) == 0 && (p + n == end || !is_name(p[n]));
}

/* Blanks, joined lines; with many, ends of lines and comments, too. */
static void blanks(struct scan *s, bool many)
{
	while (s->p < s->end) {
		char c = *s->p;

		if (c == ' ' || c == '\t' || c == '\f' || (c == '\r' && !many) || (many && (c == '\n' || c == '\r')))
			s->p++;
		else if (c == '\\' && s->p + 1 < s->end && (s->p[1] == '\n' || s->p[1] == '\r'))
			s->p += 2;
		else if (many && c == '#')
			while (s->p < s->end && *s->p != '\n')
				s->p++;
		else
			return;
	}
}

/* A name with dots into to; blanks around the dots are rare and end it. */
static bool dotted(struct scan *s, char to[static WH_CODE_NAME_MAX + 1])
{
	size_t n = 0;

	while (s->p < s->end && (is_name(*s->p) || (*s->p == '.' && n && s->p[-1] != '.'))) {
		if (n == WH_CODE_NAME_MAX)
			return false;
		to[n++] = *s->p++;
	}
	while (n && to[n - 1] == '.')
		n--;
	to[n] = '\0';
	return n;
}

static int tell(struct scan *s, unsigned level, const char *module, const char *name, bool text)
{
	const struct wh_py_import i = {level, module, name, text};

	return s->fn(s->arg, &i, s->err);
}

static void skip_as(struct scan *s, bool many)
{
	char word[WH_CODE_NAME_MAX + 1];

	blanks(s, many);
	if (!starts(s->p, s->end, "as"))
		return;
	s->p += 2;
	blanks(s, many);
	dotted(s, word);
	blanks(s, many);
}

/* import a.b as c, d */
static int import_names(struct scan *s)
{
	char module[WH_CODE_NAME_MAX + 1];
	int r = 0;

	do {
		blanks(s, false);
		if (!dotted(s, module))
			return 0;
		r = tell(s, 0, module, "", false);
		skip_as(s, false);
	} while (r == 0 && s->p < s->end && *s->p == ',' && s->p++);
	return r;
}

/* from ..a.b import c as d, e — or in brackets, over many lines */
static int from_names(struct scan *s)
{
	char module[WH_CODE_NAME_MAX + 1] = "", name[WH_CODE_NAME_MAX + 1];
	unsigned level = 0;
	bool many;
	int r;

	blanks(s, false);
	for (; s->p < s->end && *s->p == '.' && level < 64; s->p++, blanks(s, false))
		level++;
	if (!dotted(s, module) && !level)
		return 0;
	blanks(s, false);
	/* "from .import x": the word was taken for the module. */
	if (level && strcmp(module, "import") == 0)
		module[0] = '\0';
	else if (starts(s->p, s->end, "import"))
		s->p += 6;
	else
		return 0;
	blanks(s, false);
	many = s->p < s->end && *s->p == '(';
	s->p += many;
	r = tell(s, level, module, "", false);
	do {
		blanks(s, many);
		if (s->p < s->end && *s->p == '*') {
			s->p++;
			return r == 0 ? tell(s, level, module, "*", false) : r;
		}
		if (!dotted(s, name))
			break;
		if (r == 0)
			r = tell(s, level, module, name, false);
		skip_as(s, many);
	} while (r == 0 && s->p < s->end && *s->p == ',' && s->p++);
	blanks(s, many);
	if (many && s->p < s->end && *s->p == ')')
		s->p++;
	return r;
}

/* The end of a string that begins at s->p; its text, when it is short and plain. */
static struct wh_str string(struct scan *s)
{
	char quote = *s->p;
	bool three = s->end - s->p >= 3 && s->p[1] == quote && s->p[2] == quote;
	const char *from = s->p += three ? 3 : 1;

	for (; s->p < s->end; s->p++) {
		if (*s->p == '\\') {
			if (s->p + 1 < s->end)
				s->p++;
		} else if (!three && *s->p == '\n') {
			return (struct wh_str){from, 0};
		} else if (*s->p == quote && (!three || (s->end - s->p >= 3 && s->p[1] == quote && s->p[2] == quote))) {
			struct wh_str text = {from, (size_t)(s->p - from)};

			s->p += three ? 3 : 1;
			return text;
		}
	}
	return (struct wh_str){from, 0};
}

static bool is_dotted(struct wh_str t, bool *ret_dot)
{
	*ret_dot = false;
	if (!t.n || t.n > WH_CODE_NAME_MAX || (t.p[0] >= '0' && t.p[0] <= '9'))
		return false;
	for (size_t i = 0; i < t.n; i++) {
		if (t.p[i] == '.' && i && i + 1 < t.n && t.p[i - 1] != '.')
			*ret_dot = true;
		else if (!is_name(t.p[i]))
			return false;
	}
	return true;
}

static int on_string(struct scan *s, bool imports)
{
	struct wh_str t = string(s);
	char name[WH_CODE_NAME_MAX + 1];
	bool dot;

	/* "package.module:object", as many configurations have it */
	if (s->strings && !imports && t.n && memchr(t.p, ':', t.n))
		t.n = (size_t)((const char *)memchr(t.p, ':', t.n) - t.p);
	if (!is_dotted(t, &dot) || (!imports && (!s->strings || !dot)))
		return 0;
	memcpy(name, t.p, t.n);
	name[t.n] = '\0';
	return tell(s, 0, name, "", !imports);
}

/* A word that is no statement: import_module("x"), __import__("x"). */
static int on_word(struct scan *s)
{
	bool imports = starts(s->p, s->end, "import_module") || starts(s->p, s->end, "__import__");

	while (s->p < s->end && is_name(*s->p))
		s->p++;
	if (!imports)
		return 0;
	blanks(s, false);
	if (s->p == s->end || *s->p != '(')
		return 0;
	s->p++;
	s->depth++;
	blanks(s, true);
	return s->p < s->end && (*s->p == '"' || *s->p == '\'') ? on_string(s, true) : 0;
}

/* At the beginning of a line outside brackets and strings: true when it belongs to a block for type checkers. */
static bool in_type_block(struct scan *s)
{
	static const char *const conditions[] = {"TYPE_CHECKING", "typing.TYPE_CHECKING", "t.TYPE_CHECKING",
						 "te.TYPE_CHECKING"};
	const char *p = s->p;
	size_t indent;

	while (p < s->end && (*p == ' ' || *p == '\t'))
		p++;
	indent = (size_t)(p - s->p);
	if (p == s->end || *p == '\n' || *p == '\r' || *p == '#')
		return s->skip_from;
	if (s->skip_from && indent > s->skip_indent)
		return true;
	s->skip_from = NULL;
	if (!starts(p, s->end, "if"))
		return false;
	p += 2;
	while (p < s->end && *p == ' ')
		p++;
	for (size_t i = 0; i < WH_ARRAY_SIZE(conditions); i++) {
		size_t n = strlen(conditions[i]);

		if (starts(p, s->end, conditions[i]) && p + n < s->end && p[n] == ':') {
			s->skip_from = p;
			s->skip_indent = indent;
		}
	}
	return false;
}

static int statement(struct scan *s, bool skipped)
{
	blanks(s, false);
	if (skipped)
		return 0;
	if (starts(s->p, s->end, "import")) {
		s->p += 6;
		return import_names(s);
	}
	if (starts(s->p, s->end, "from")) {
		s->p += 4;
		return from_names(s);
	}
	return 0;
}

int wh_py_imports(const char *p, size_t n, bool strings, wh_py_fn fn, void *arg, struct wh_err **err)
{
	struct scan s = {.p = p, .end = p + n, .strings = strings, .fn = fn, .arg = arg, .err = err};
	bool begin = true, skipped = false;
	int r = 0;

	if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		s.p += 3;
	while (r == 0 && s.p < s.end) {
		char c;

		if (begin) {
			if (s.p == p || s.p[-1] == '\n')
				skipped = in_type_block(&s);
			begin = false;
			r = statement(&s, skipped);
			continue;
		}
		c = *s.p;
		if (c == '#') {
			while (s.p < s.end && *s.p != '\n')
				s.p++;
		} else if (c == '"' || c == '\'') {
			r = on_string(&s, false);
		} else if (is_name(c)) {
			r = on_word(&s);
		} else {
			s.p++;
			if (c == '(' || c == '[' || c == '{')
				s.depth++;
			else if ((c == ')' || c == ']' || c == '}') && s.depth)
				s.depth--;
			else if (c == '\\' && s.p < s.end)
				s.p++;
			else if (!s.depth && (c == '\n' || c == ';' || c == ':'))
				begin = true;
		}
	}
	return r;
}
