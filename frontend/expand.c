/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Variable expansion and word splitting, as Dockerfiles have it: the shell's
 * quotes and ${…} forms, no globbing, no command substitution.
 *
 * One recursive walk. Text goes to `out` as it is made; a splitter sees the
 * same text in two kinds: what may be split (plain text, values of variables)
 * and what may not (quoted or escaped).
 */
#include "frontend/expand.h"
#include "base/rune.h"
#include "frontend/syntax.h"

#include <errno.h>

#define DEPTH_MAX 100

struct splitter {
	struct wh_strv *words; /* NULL: nobody wants words */
	struct wh_buf word;
};

struct walk {
	const struct wh_expand_opts *o;
	const char *begin, *p, *end;
	unsigned depth;
	size_t max;  /* bytes of a result, or of what stands inside ${…} */
	size_t work; /* bytes made so far, on the way, too: "${a//?/${a//?/…}}" */
	struct splitter split;
	struct wh_err **err;
};

static int fail(struct walk *w, const char *text)
{
	return wh_usage(w->err, "%s", text);
}

/* Marks what begins at start: to its closing brace, or to the end when none follows. Only the innermost counts. */
static int mark(struct walk *w, const char *start, bool braces)
{
	const char *end = braces ? memchr(w->p, '}', (size_t)(w->end - w->p)) : NULL, *nl;
	WH_AUTO_FREE char *word = NULL;

	end = end ? end + 1 : w->end;
	nl = memchr(start, '\n', (size_t)(end - start));
	word = wh_strndup(start, (size_t)((nl ? nl : end) - start));
	wh_err_mark(w->err, WH_MARK_WORD, word);
	return -EINVAL;
}

/* ---- the splitter ---- */

static void split_flush(struct splitter *s)
{
	if (s->words && s->word.n)
		wh_strv_take(s->words, wh_strndup(s->word.p, s->word.n));
	wh_buf_reset(&s->word);
}

static void split_whole(struct splitter *s, const char *p, size_t n)
{
	if (s->words)
		wh_buf_add(&s->word, p, n);
}

static void split_text(struct splitter *s, const char *p, size_t n)
{
	size_t i, w;

	if (!s->words)
		return;
	for (i = 0; i < n; i += w) {
		if (wh_rune_is_space(wh_rune(p + i, n - i, &w)))
			split_flush(s);
		else
			wh_buf_add(&s->word, p + i, w);
	}
}

/* ---- names and values ---- */

static bool is_special(char c)
{
	return c && strchr("@*#?-$!0", c);
}

/* A name at p: digits, or one special character, or letters, digits and '_'. Its length, maybe 0. */
static size_t name_length(const char *p, const char *end)
{
	const char *s = p;

	if (p < end && wh_rune_is_digit((unsigned char)*p)) {
		while (p < end && wh_rune_is_digit((unsigned char)*p))
			p++;
		return (size_t)(p - s);
	}
	if (p < end && is_special(*p))
		return 1;
	while (p < end) {
		size_t n;
		uint32_t r = wh_rune(p, (size_t)(end - p), &n);

		if (!wh_rune_is_letter(r) && !wh_rune_is_digit(r) && r != '_')
			break;
		p += n;
	}
	return (size_t)(p - s);
}

static const char *value_of(struct walk *w, const char *name)
{
	return w->o->get ? w->o->get(w->o->arg, name) : NULL;
}

static int walk_until(struct walk *w, char stop, bool raw_escapes, struct wh_buf *out, bool split);

/* The text inside ${…} up to stop, which is consumed. */
static int inner(struct walk *w, char stop, bool raw_escapes, struct wh_buf *out, const char *missing)
{
	int r;

	if (++w->depth > DEPTH_MAX)
		return fail(w, "substitutions are nested too deeply");
	r = walk_until(w, stop, raw_escapes, out, false);
	w->depth--;
	if (r < 0)
		return r;
	if (w->p == w->end) {
		fail(w, missing);
		wh_err_expect(w->err, stop == '}' ? "} at the end" : "a / between the pattern and what stands for it");
		return -EINVAL;
	}
	w->p++;
	return 0;
}

/* ${name[:]op word}, op one of - + ? */
static int choose(struct walk *w, const char *name, char op, bool null_is_unset, const struct wh_buf *word,
		  struct wh_buf *out)
{
	const char *value = value_of(w, name), *text = word->p ? word->p : "";
	bool have = value && !(null_is_unset && !*value);

	switch (op) {
	case '-':
		if (have)
			wh_buf_adds(out, value);
		else
			wh_buf_add(out, text, word->n);
		return 0;
	case '+':
		if (have)
			wh_buf_add(out, text, word->n);
		return 0;
	default:
		if (have) {
			wh_buf_adds(out, value);
			return 0;
		}
		if (!*text)
			text = value ? "is not allowed to be empty" : "is not allowed to be unset";
		wh_usage(w->err, "%s: %s", name, text);
		wh_err_hint(w->err, "an ARG gives it a value, and --build-arg %s=… on the command line then", name);
		return -EINVAL;
	}
}

/* ${name/pattern/with} and ${name//pattern/with} */
static int replace(struct walk *w, const char *name, struct wh_buf *out)
{
	WH_AUTO_BUF struct wh_buf pattern = {.max = w->max}, with = {.max = w->max};
	const char *value, *start = w->p;
	bool all = w->p < w->end && *w->p == '/';
	int r;

	w->p += all;
	r = inner(w, '/', true, &pattern, "syntax error: missing '/' in ${}");
	if (r == 0)
		r = inner(w, '}', true, &with, "syntax error: missing '}'");
	if (r < 0)
		return r;
	value = value_of(w, name);
	if (!value && w->o->keep_unset) {
		wh_buf_addf(out, "${%s/%.*s", name, (int)(w->p - start), start);
		return 0;
	}
	/* A pattern may match nothing, so an unset variable is replaced in like an empty one. */
	return wh_subst_replace(value ? value : "", pattern.p ? pattern.p : "", with.p ? with.p : "", all, out, w->err);
}

static int unsupported(struct walk *w, const char *name, bool colon, char op)
{
	wh_usage(w->err, "unsupported modifier (%s%c) in substitution", colon ? ":" : "", op);
	wh_err_expect(w->err, "one of :- - :+ + :? ? # ## %% %%%% / //, as in ${%s:-default}", name);
	if (!*name)
		wh_err_hint(w->err, "a variable's name is letters, digits and _");
	else if (op == ' ' || op == '\t' || op == '\n' || op == '"' || op == '\'' || op == '$')
		wh_err_hint(w->err, "} must stand right behind the name: ${%s}", name);
	else
		wh_err_hint(w->err, "more than these the shell knows: do it in a RUN");
	return -EINVAL;
}

/* After "${name": w->p is at the operator. */
static int braced(struct walk *w, const char *name, struct wh_buf *out)
{
	WH_AUTO_BUF struct wh_buf word = {.max = w->max};
	const char *value, *start = w->p;
	bool null_is_unset = false, longest, cut, known;
	char op = *w->p++;
	int r;

	if (op == '/')
		return replace(w, name, out);
	if (op == '}') {
		value = value_of(w, name);
		if (value)
			wh_buf_adds(out, value);
		else if (w->o->keep_unset)
			wh_buf_addf(out, "${%s}", name);
		return 0;
	}
	if (op == ':' && w->p < w->end) {
		null_is_unset = true;
		op = *w->p++;
	}
	cut = op == '#' || op == '%';
	known = op == '-' || op == '+' || op == '?' || (cut && !null_is_unset);
	/* "${x:=y}" is a shell's: where unset names are kept, it stays as well. */
	if (!known && (cut || !null_is_unset || !w->o->keep_unset))
		return unsupported(w, name, null_is_unset, op);
	r = inner(w, '}', cut, &word, "syntax error: missing '}'");
	if (r < 0)
		return r;
	value = value_of(w, name);
	if (!value && w->o->keep_unset) {
		wh_buf_addf(out, "${%s%.*s", name, (int)(w->p - start), start);
		return 0;
	}
	if (!known)
		return unsupported(w, name, true, op);
	if (!cut)
		return choose(w, name, op, null_is_unset, &word, out);
	if (!value)
		value = "";
	longest = word.n && word.p[0] == op;
	return wh_subst_trim(value, word.n ? word.p + longest : "", op == '%', longest, out, w->err);
}

static int unclosed(struct walk *w)
{
	fail(w, "syntax error: missing '}'");
	wh_err_expect(w->err, "} at the end");
	return -EINVAL;
}

static int misnamed(struct walk *w)
{
	fail(w, "syntax error: bad substitution");
	wh_err_expect(w->err, "a name behind ${, as in ${NAME} or ${NAME:-default}");
	return -EINVAL;
}

static int variable(struct walk *w, struct wh_buf *out)
{
	WH_AUTO_FREE char *name = NULL;
	bool brace = w->p < w->end && *w->p == '{';
	const char *value;
	size_t n;

	if (brace) {
		w->p++;
		if (w->p == w->end)
			return unclosed(w);
		if (*w->p == '{' || *w->p == '}' || *w->p == ':')
			return misnamed(w);
	}
	n = name_length(w->p, w->end);
	if (!n && !brace) {
		wh_buf_addc(out, '$');
		return 0;
	}
	name = wh_strndup(w->p, n);
	w->p += n;
	if (brace)
		return w->p == w->end ? unclosed(w) : braced(w, name, out);
	value = value_of(w, name);
	if (value)
		wh_buf_adds(out, value);
	else if (w->o->keep_unset)
		wh_buf_addf(out, "$%s", name);
	return 0;
}

/* w->p is behind the '$'. */
static int dollar(struct walk *w, struct wh_buf *out)
{
	const char *start = w->p - 1;

	if (variable(w, out) == 0)
		return 0;
	return mark(w, start, true);
}

/* ---- quotes ---- */

static int single_quoted(struct walk *w, struct wh_buf *out)
{
	const char *close = memchr(w->p, '\'', (size_t)(w->end - w->p));

	if (!close) {
		bool apostrophe = w->p - w->begin > 1 && name_length(w->p - 2, w->end);

		fail(w, "unexpected end of statement while looking for matching single-quote");
		wh_err_expect(w->err, "a ' that ends the quotation");
		if (apostrophe)
			wh_err_hint(w->err, "an apostrophe stands inside double quotes, or is written %c'", w->o->escape);
		return -EINVAL;
	}
	wh_buf_add(out, w->p - w->o->raw_quotes, (size_t)(close - w->p) + 2 * w->o->raw_quotes);
	w->p = close + 1;
	return 0;
}

static int double_quoted(struct walk *w, bool raw_escapes, struct wh_buf *out)
{
	int r;

	if (w->o->raw_quotes)
		wh_buf_addc(out, '"');
	while (w->p < w->end) {
		char c = *w->p++;

		if (c == '"') {
			if (w->o->raw_quotes)
				wh_buf_addc(out, '"');
			return 0;
		}
		if (c == '$') {
			r = dollar(w, out);
			if (r < 0)
				return r;
			continue;
		}
		/* Inside quotes only these can be escaped; before anything else the character stands for itself, which raw is
		 * said with two of them: "a\b" in quotes is a pattern that matches a\b. */
		if (c == w->o->escape) {
			if (raw_escapes)
				wh_buf_addc(out, c);
			if (w->p < w->end && (*w->p == '"' || *w->p == '$' || *w->p == c))
				c = *w->p++;
		}
		wh_buf_addc(out, c);
	}
	fail(w, "unexpected end of statement while looking for matching double-quote");
	wh_err_expect(w->err, "a \" that ends the quotation");
	wh_err_hint(w->err, "a double quote that is meant as it stands is written %c\"", w->o->escape);
	return -EINVAL;
}

/* "<<" takes blanks behind it into its word, so that "<<  EOF" is one. */
static size_t heredoc_sign(const struct walk *w)
{
	const char *p = w->p;

	if (w->end - p < 2 || p[0] != '<' || p[1] != '<')
		return 0;
	for (p += 2; p < w->end && (*p == ' ' || *p == '\t' || *p == '\r'); p++)
		;
	return (size_t)(p - w->p);
}

/* One element of text that is not quoted; *ret_whole says that the splitter must not cut it. */
static int element(struct walk *w, bool raw_escapes, struct wh_buf *out, bool *ret_whole)
{
	size_t n = heredoc_sign(w);
	char c = *w->p;

	*ret_whole = true;
	if (n) {
		wh_buf_add(out, w->p, n);
		w->p += n;
		return 0;
	}
	if (c == '$') {
		*ret_whole = false;
		w->p++;
		return dollar(w, out);
	}
	if (!w->o->no_quotes && (c == '\'' || c == '"')) {
		const char *start = w->p++;
		int r = c == '"' ? double_quoted(w, raw_escapes, out) : single_quoted(w, out);

		return r < 0 ? mark(w, start, false) : 0;
	}
	if (c == w->o->escape) {
		if (raw_escapes)
			wh_buf_addc(out, c);
		w->p++;
		if (w->p == w->end)
			return 0;
	} else {
		*ret_whole = false;
	}
	(void)wh_rune(w->p, (size_t)(w->end - w->p), &n);
	wh_buf_add(out, w->p, n);
	w->p += n;
	return 0;
}

/* Up to stop (not consumed; '\0': to the end). */
static int walk_until(struct walk *w, char stop, bool raw_escapes, struct wh_buf *out, bool split)
{
	while (w->p < w->end && (!stop || *w->p != stop)) {
		size_t before = out->n;
		bool whole;
		int r = element(w, raw_escapes, out, &whole);

		if (r < 0)
			return r;
		w->work += out->n - before;
		if (!wh_buf_ok(out) || w->work > 2 * w->max)
			return fail(w, "the expanded text is too long");
		if (!split || out->n == before)
			continue;
		if (whole)
			split_whole(&w->split, out->p + before, out->n - before);
		else
			split_text(&w->split, out->p + before, out->n - before);
	}
	return 0;
}

int wh_expand(const char *text, const struct wh_expand_opts *o, struct wh_buf *out, struct wh_strv *words,
	      struct wh_err **err)
{
	struct walk w = {.o = o, .begin = text, .p = text, .end = text + strlen(text), .split.words = words, .err = err};
	int r;

	w.max = strlen(text) + WH_EXPAND_MAX;
	if (!out->max)
		out->max = w.max;
	r = walk_until(&w, '\0', o->raw_escapes, out, words != NULL);
	if (r == 0)
		split_flush(&w.split);
	wh_buf_release(&w.split.word);
	if (r < 0)
		wh_err_wrap(err, "failed to process \"%.200s\"%s", text, strnlen(text, 201) > 200 ? "…" : "");
	return r;
}

static int expand_to(const char *text, const struct wh_expand_opts *o, char **ret, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	int r = wh_expand(text, o, &out, NULL, err);

	if (r == 0)
		*ret = wh_buf_take(&out);
	return r;
}

int wh_expand_word(const char *word, char escape, wh_lookup_fn get, void *arg, char **ret, struct wh_err **err)
{
	return expand_to(word, &(struct wh_expand_opts){.escape = escape, .get = get, .arg = arg}, ret, err);
}

int wh_expand_raw(const char *word, char escape, wh_lookup_fn get, void *arg, char **ret, struct wh_err **err)
{
	return expand_to(word, &(struct wh_expand_opts){.escape = escape, .no_quotes = true, .get = get, .arg = arg},
			 ret, err);
}

int wh_expand_words(const char *text, char escape, wh_lookup_fn get, void *arg, struct wh_strv *out,
		    struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf whole = WH_BUF_INIT;

	return wh_expand(text, &(struct wh_expand_opts){.escape = escape, .get = get, .arg = arg}, &whole, out, err);
}
