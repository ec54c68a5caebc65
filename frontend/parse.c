/* SPDX-License-Identifier: Apache-2.0 */
/* Text → syntax tree. The grammar decides how an instruction's words fall apart; nothing is judged here beyond that. */
#include "base/rune.h"
#include "frontend/syntax.h"

#include <errno.h>

#define NODES_MAX 20000
#define NESTING_MAX 16 /* of ONBUILD; one is all that the check lets pass */

struct parser {
	struct wh_dockerfile *d;
	struct wh_lines in;
	struct wh_directives directives;
	struct wh_buf line;      /* the logical line being put together */
	struct wh_strv comments; /* above the next instruction */
	unsigned first;          /* physical line the logical one starts at */
	size_t start;            /* and its offset */
	unsigned empty;          /* last empty continuation line, 0: none */
	struct wh_node *nodes;
	size_t n, cap;
};

/* ---- words by form ---- */

static int lone_name(const char *keyword, struct wh_str rest, struct wh_err **err)
{
	wh_usage_end(err, "%s must have two arguments", keyword);
	wh_err_expect(err, "a value: %s %.*s=VALUE", keyword, (int)(rest.n < 80 ? rest.n : 80), rest.p);
	if (wh_streq(keyword, "ENV"))
		wh_err_hint(err, "an empty value is %.*s=\"\"; a variable of the build only is an ARG",
			    (int)(rest.n < 80 ? rest.n : 80), rest.p);
	return -EINVAL;
}

/* A word without '=' behind one that has it: the rest of a value, more often than not. */
static int no_equals(const char *keyword, char *const *words, size_t n, size_t i, struct wh_err **err)
{
	const char *eq = i ? strchr(words[i - 1], '=') : NULL;

	wh_usage_word(err, words[i], "syntax error - can't find = in \"%.200s\". Must be of the form: name=value",
		      words[i]);
	wh_err_expect(err, "%s NAME=VALUE …", keyword);
	if (wh_streq(words[i], "=") || words[i][0] == '#' || (i + 1 < n && words[i + 1][0] == '='))
		wh_err_hint(err, words[i][0] == '#' ? "a comment stands on a line of its own"
						    : "no blanks may stand around =");
	else if (eq && eq[1] && eq[1] != '"' && eq[1] != '\'' && strlen(words[i - 1]) < 60 && strlen(words[i]) < 60)
		wh_err_hint(err, "put a value with blanks in quotes: %.*s=\"%s %s…\"", (int)(eq - words[i - 1]),
			    words[i - 1], eq + 1, words[i]);
	else
		wh_err_hint(err, "put a value with blanks in quotes");
	return -EINVAL;
}

static int pairs(const char *keyword, struct wh_str rest, char escape, struct wh_strv *out, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv words = {0};
	size_t i;

	wh_words_quoted(rest, escape, &words);
	if (!words.n)
		return 0;
	if (!strchr(words.v[0], '=')) { /* the old form: all behind the first blank is the value */
		for (i = 0; i < rest.n && !wh_is_blank(rest.p[i]); i++)
			;
		if (i == rest.n)
			return lone_name(keyword, rest, err);
		wh_strv_take(out, wh_strndup(rest.p, i));
		while (i < rest.n && wh_is_blank(rest.p[i]))
			i++;
		wh_strv_take(out, wh_strndup(rest.p + i, rest.n - i));
		wh_strv_add(out, "");
		return 0;
	}
	for (i = 0; i < words.n; i++) {
		const char *eq = strchr(words.v[i], '=');

		if (!eq)
			return no_equals(keyword, words.v, words.n, i, err);
		wh_strv_take(out, wh_strndup(words.v[i], (size_t)(eq - words.v[i])));
		wh_strv_add(out, eq + 1);
		wh_strv_add(out, "=");
	}
	return 0;
}

/* JSON when it is JSON. Otherwise the text as a whole, or its words. */
static int json_or(struct wh_str rest, bool words, struct wh_strv *out, bool *json, struct wh_err **err)
{
	int r = wh_words_json(rest, out, err);

	if (r < 0)
		return r;
	*json = r > 0;
	if (r > 0 || !rest.n)
		return 0;
	if (words)
		wh_words_plain(rest, out);
	else
		wh_strv_take(out, wh_strndup(rest.p, rest.n));
	return 0;
}

static int health(struct wh_str rest, struct wh_strv *out, bool *json, struct wh_err **err)
{
	size_t i = 0;

	while (i < rest.n && !wh_is_blank(rest.p[i]))
		i++;
	if (!i)
		return 0;
	wh_strv_take(out, wh_strndup(rest.p, i));
	while (i < rest.n && wh_is_blank(rest.p[i]))
		i++;
	return json_or((struct wh_str){rest.p + i, rest.n - i}, false, out, json, err);
}

static int parse_node(struct wh_dockerfile *d, struct wh_str line, unsigned depth, struct wh_node *n,
		      struct wh_err **err);

static int arguments(struct wh_dockerfile *d, struct wh_str rest, unsigned depth, struct wh_node *n,
		     struct wh_strv *out, struct wh_err **err)
{
	struct wh_node *child;
	int r;

	switch (wh_grammar_row(n->instr)->form) {
	case WH_FORM_TEXT:
		if (rest.n)
			wh_strv_take(out, wh_strndup(rest.p, rest.n));
		return 0;
	case WH_FORM_WORDS:
		wh_words_plain(rest, out);
		return 0;
	case WH_FORM_NAMES:
		wh_words_quoted(rest, d->escape, out);
		return 0;
	case WH_FORM_PAIRS:
		return pairs(wh_instr_name(n->instr), rest, d->escape, out, err);
	case WH_FORM_JSON_TEXT:
		return json_or(rest, false, out, &n->json, err);
	case WH_FORM_JSON_WORDS:
		return json_or(rest, true, out, &n->json, err);
	case WH_FORM_HEALTH:
		return health(rest, out, &n->json, err);
	case WH_FORM_NESTED:
		break;
	}
	if (!rest.n)
		return 0;
	child = wh_arena_alloc(d->arena, sizeof(*child));
	child->line = n->line;
	child->last_line = n->last_line;
	child->text_last_line = n->text_last_line;
	child->source = n->source;
	r = parse_node(d, rest, depth + 1, child, err);
	n->child = child;
	return r;
}

/* Lines and comments of n are set by the caller. */
static int parse_node(struct wh_dockerfile *d, struct wh_str line, unsigned depth, struct wh_node *n,
		      struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv flags = {0}, args = {0};
	struct wh_str word, rest;
	int r;

	line = wh_str_trim(line);
	word = line;
	for (word.n = 0; word.n < line.n && !wh_is_blank(line.p[word.n]); word.n++)
		;
	n->keyword = wh_arena_strndup(d->arena, word.p, word.n);
	n->original = wh_arena_strndup(d->arena, line.p, line.n);
	n->instr = wh_grammar_find(word);
	if (depth == NESTING_MAX)
		return wh_usage(err, "chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
	rest = wh_words_flags((struct wh_str){line.p + word.n, line.n - word.n}, d->escape, &flags);
	r = arguments(d, wh_str_trim(rest), depth, n, &args, err);
	n->flags = wh_arena_list(d->arena, &flags);
	n->n_flags = flags.n;
	n->args = wh_arena_list(d->arena, &args);
	n->n_args = args.n;
	return r;
}

/* ---- heredocs ---- */

static int check_length(const struct wh_str *line, struct wh_err **err)
{
	if (wh_line_chomp(*line).n > WH_LINE_MAX)
	{
		wh_err_set(err, "frontend", WH_ERR_USAGE, E2BIG, "dockerfile line greater than max allowed size of %d",
			   WH_LINE_MAX);
		wh_err_hint(err, "this one has %zu bytes; COPY brings in what is larger", wh_line_chomp(*line).n);
		return -E2BIG;
	}
	return 0;
}

/* No line is the heredoc's word; one may nearly be. */
static int unterminated(const struct parser *p, struct wh_lines in, const struct wh_heredoc *h, struct wh_err **err)
{
	struct wh_str line;

	wh_usage_word(err, h->name, "unterminated heredoc");
	wh_err_within(err, p->line.p ? strstr(p->line.p, "<<") : NULL);
	wh_err_expect(err, "a line that holds only %s, and so ends it", h->name);
	while (wh_lines_next(&in, &line)) {
		line = wh_line_chomp(line);
		if (wh_str_ieq(line, h->name))
			wh_err_hint(err, "line %u has it in other letters: %.*s", in.number, (int)line.n, line.p);
		else if (wh_str_ieq(wh_str_trim(line), h->name))
			wh_err_hint(err, "line %u has blanks around %s%s", in.number, h->name,
				    h->chomp ? ": tabs alone may stand in front" : "; with <<- tabs may stand in front");
	}
	return -EINVAL;
}

static int read_heredoc(struct parser *p, struct wh_heredoc *h, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf body = WH_BUF_INIT;
	const struct wh_lines start = p->in;
	struct wh_str line;
	char *data;

	while (wh_lines_next(&p->in, &line)) {
		struct wh_str word = wh_line_chomp(line);
		int r = check_length(&line, err);

		if (r < 0)
			return r;
		while (h->chomp && word.n && word.p[0] == '\t') {
			word.p++;
			word.n--;
		}
		if (wh_str_eq(word, h->name)) {
			data = wh_arena_alloc(p->d->arena, body.n + 1);
			if (body.n)
				memcpy(data, body.p, body.n);
			h->data = data;
			h->len = body.n;
			return 0;
		}
		wh_buf_addstr(&body, line);
	}
	return unterminated(p, start, h, err);
}

static int heredocs(struct parser *p, struct wh_node *n, struct wh_err **err)
{
	const struct wh_node *owner = n->child ? n->child : n;
	struct wh_heredoc found[WH_HEREDOCS_MAX], *list;
	int count, i, r;

	if (!wh_grammar_row(n->instr)->heredocs || !wh_grammar_row(owner->instr)->heredocs || owner->json ||
	    !strstr(n->original, "<<"))
		return 0;
	count = wh_heredoc_scan(p->d->arena, n->original, found, WH_HEREDOCS_MAX, err);
	for (i = 0; i < count; i++) {
		r = read_heredoc(p, &found[i], err);
		if (r < 0)
			return r;
	}
	if (count <= 0)
		return count;
	list = wh_arena_alloc(p->d->arena, (size_t)count * sizeof(*list));
	memcpy(list, found, (size_t)count * sizeof(*list));
	n->heredocs = list;
	n->n_heredocs = (size_t)count;
	return 0;
}

/* ---- lines ---- */

static int directive(struct parser *p, struct wh_str line, struct wh_err **err)
{
	struct wh_str value;
	const char *key;
	int r = wh_directive_line(&p->directives, "#", line, &key, &value, err);

	if (r <= 0 || !wh_streq(key, "escape"))
		return r;
	if (value.n != 1 || (value.p[0] != '\\' && value.p[0] != '`'))
	{
		WH_AUTO_FREE char *word = wh_strndup(value.p, value.n < 40 ? value.n : 40);

		wh_usage_word(err, word, "invalid escape token '%s' does not match ` or \\", word);
		wh_err_expect(err, "` or \\");
		return -EINVAL;
	}
	p->d->escape = value.p[0];
	return 1;
}

static void comment(struct parser *p, struct wh_str line)
{
	line = wh_str_trim((struct wh_str){line.p + 1, line.n - 1});
	if (line.n)
		wh_strv_take(&p->comments, wh_strndup(line.p, line.n));
	else
		wh_strv_release(&p->comments);
}

/* Puts the lines that continue the first one behind it. */
static int continued(struct parser *p, struct wh_err **err)
{
	struct wh_str line;
	int r;

	while (wh_lines_next(&p->in, &line)) {
		bool more;

		r = check_length(&line, err);
		if (r < 0)
			return r;
		if (wh_line_is_comment(line))
			continue;
		line = wh_line_chomp(line);
		if (!wh_line_indent(line).n) {
			p->empty = p->in.number;
			continue;
		}
		more = wh_line_continues(&line, p->d->escape);
		wh_buf_addstr(&p->line, line);
		if (!more)
			break;
	}
	return 0;
}

/* The next logical line into p->line: 1; the end: 0. */
static int logical_line(struct parser *p, struct wh_err **err)
{
	struct wh_str line;
	int r;

	for (p->start = p->in.pos; wh_lines_next(&p->in, &line); p->start = p->in.pos) {
		bool more;

		p->first = p->in.number;
		p->empty = 0;
		r = check_length(&line, err);
		if (r < 0)
			return r;
		if (p->in.number == 1 && line.n >= 3 && memcmp(line.p, "\xef\xbb\xbf", 3) == 0)
			line = (struct wh_str){line.p + 3, line.n - 3};
		line = wh_line_indent(wh_line_chomp(line));
		r = directive(p, line, err);
		if (r < 0)
			return r;
		if (line.n && line.p[0] == '#') {
			if (!r)
				comment(p, line);
			continue;
		}
		more = wh_line_continues(&line, p->d->escape);
		wh_buf_reset(&p->line);
		wh_buf_addstr(&p->line, line);
		if (more) {
			r = continued(p, err);
			if (r < 0)
				return r;
		}
		if (p->line.n && wh_str_trim((struct wh_str){p->line.p, p->line.n}).n)
			return 1;
	}
	return 0;
}

static int instruction(struct parser *p, struct wh_err **err)
{
	struct wh_node n = {.line = p->first,
			    .last_line = p->in.number,
			    .text_last_line = p->in.number,
			    .empty_line = p->empty,
			    .source = {p->in.p + p->start, p->in.pos - p->start}};
	int r;

	if (p->n == NODES_MAX)
		return wh_usage(err, "too many instructions");
	n.comments = wh_arena_list(p->d->arena, &p->comments);
	wh_strv_release(&p->comments);
	r = parse_node(p->d, (struct wh_str){p->line.p, p->line.n}, 0, &n, err);
	if (r == 0)
		r = heredocs(p, &n, err);
	if (r < 0) {
		wh_node_at(p->d, &n, err);
		return r;
	}
	n.last_line = p->in.number;
	n.source.n = p->in.pos - p->start;
	WH_PUSH(p->nodes, p->n, p->cap) = n;
	return 0;
}

static int parse_all(struct parser *p, struct wh_err **err)
{
	int r;

	while ((r = logical_line(p, err)) > 0) {
		r = instruction(p, err);
		if (r < 0)
			return r;
	}
	if (r < 0) {
		struct wh_node here = {.line = p->first, .source = {p->in.p + p->start, p->in.pos - p->start}};

		wh_node_at(p->d, &here, err);
		return r;
	}
	if (!p->n) {
		wh_usage(err, "file with no instructions");
		wh_err_expect(err, "FROM with the image to build on");
		wh_err_hint(err, !p->in.n ? "the file is empty" : "it holds nothing but blanks and comments");
		wh_err_at(err, p->d->name, 0, 0, NULL);
		return -EINVAL;
	}
	return 0;
}

/* The first word of a directive is its value; what follows belongs to the frontend that it names. */
static const char *directive_value(struct wh_dockerfile *d, const char *key, bool any_form)
{
	WH_AUTO_FREE char *value = NULL;
	unsigned line = 0;

	value = wh_directive_detect(key, d->text, d->len, any_form, &line);
	return value ? wh_arena_strndup(d->arena, value, strcspn(value, " ")) : NULL;
}

int wh_dockerfile_parse(const char *name, const char *text, size_t len, struct wh_dockerfile **ret, struct wh_err **err)
{
	struct wh_dockerfile *d;
	struct wh_arena *arena;
	struct wh_node *nodes;
	struct parser p = {0};
	int r;

	if (len > WH_DOCKERFILE_MAX)
		return wh_err_set(err, "frontend", WH_ERR_USAGE, EFBIG, "%s is larger than %zu MiB", name,
				  WH_DOCKERFILE_MAX >> 20);
	if (wh_not_text(name, text, len, err))
		return -EINVAL;
	arena = wh_arena_new();
	d = wh_arena_alloc(arena, sizeof(*d));
	*d = (struct wh_dockerfile){.name = wh_arena_strdup(arena, name), .len = len, .escape = '\\', .arena = arena};
	d->text = wh_arena_strndup(arena, text, len);
	d->syntax = directive_value(d, "syntax", true);
	d->check = directive_value(d, "check", false);
	p.d = d;
	p.in = (struct wh_lines){d->text, len, 0, 0};
	r = parse_all(&p, err);
	if (r == 0) {
		nodes = wh_arena_alloc(arena, p.n * sizeof(*nodes));
		memcpy(nodes, p.nodes, p.n * sizeof(*nodes));
		d->nodes = nodes;
		d->n_nodes = p.n;
		*ret = d;
	} else {
		wh_arena_free(arena);
	}
	free(p.nodes);
	wh_buf_release(&p.line);
	wh_strv_release(&p.comments);
	return r;
}

void wh_dockerfile_free(struct wh_dockerfile *d)
{
	if (d)
		wh_arena_free(d->arena);
}
