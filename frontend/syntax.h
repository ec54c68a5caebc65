/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the parser: text → physical lines → logical lines → words → nodes.
 * Nothing here knows what an instruction does; what it looks like stands in
 * one row of the grammar.
 */
#ifndef WH_FRONTEND_SYNTAX_H
#define WH_FRONTEND_SYNTAX_H

#include "frontend/frontend.h"

#define WH_DOCKERFILE_MAX ((size_t)16 << 20)
#define WH_LINE_MAX 65535

/* ---- usage.c ---- */

/* Sets an error of class USAGE and returns -EINVAL. */
int wh_usage(struct wh_err **err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same, and says which word of the instruction it is about; behind its end, where one is missing; or its name. */
int wh_usage_word(struct wh_err **err, const char *word, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int wh_usage_end(struct wh_err **err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
int wh_usage_keyword(struct wh_err **err, const char *keyword, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* What was expected: one of the names, each with `before` in front; and a hint when one is near. */
void wh_usage_near(struct wh_err **err, const char *word, const char *const *names, size_t n, const char *before);

/* ---- lines.c: physical lines ---- */

struct wh_lines {
	const char *p;
	size_t n, pos;
	unsigned number; /* of the line returned last; 1-based */
};
/* The next line with its line ending; false at the end. */
bool wh_lines_next(struct wh_lines *l, struct wh_str *ret);
struct wh_str wh_line_chomp(struct wh_str line);  /* without CR and LF at the end */
struct wh_str wh_line_indent(struct wh_str line); /* without blanks in front */
bool wh_line_is_comment(struct wh_str line);
/* Does the line go on? Then *line is shortened to what stands before the escape character. */
bool wh_line_continues(struct wh_str *line, char escape);
/* Source lines as messages quote them: without the last line end, at most 64 KiB; malloc'ed. */
char *wh_excerpt(struct wh_str source);
/* Gives *err the place of the node, with excerpt. */
void wh_node_at(const struct wh_dockerfile *d, const struct wh_node *n, struct wh_err **err);

/* ---- directive.c: "# key=value" at the very top ---- */

struct wh_directives {
	bool done;
	unsigned seen;
};
/* 1: a directive (key is a static string); 0: none, and none will follow; -EINVAL: given twice, or a bad value. */
int wh_directive_line(struct wh_directives *st, const char *prefix, struct wh_str line, const char **ret_key,
		      struct wh_str *ret_value, struct wh_err **err);
/* What BuildKit's syntax detection finds for key ("syntax", "check") at the top of a text, a "#!" line and a BOM skipped;
 * any_form: also as "//key=value" and {"key": "value"}. The value is malloc'ed, NULL when there is none. */
char *wh_directive_detect(const char *key, const char *text, size_t len, bool any_form, unsigned *ret_line);

/* ---- words.c: the ways an instruction's text falls apart ---- */

/* At runs of blanks, quotes not regarded. */
void wh_words_plain(struct wh_str text, struct wh_strv *out);
/* At blanks outside quotes; quotes and escapes are kept. */
void wh_words_quoted(struct wh_str text, char escape, struct wh_strv *out);
/* Leading "--flag" words, quotes and escapes resolved; returns what follows them. */
struct wh_str wh_words_flags(struct wh_str text, char escape, struct wh_strv *flags);
/* What stands for "\u0000" in the words of a JSON array; no good UTF-8, and refused by the check. */
#define WH_WORD_NUL "\xc0\x80"
/* 1: a JSON array of strings, appended to out; 0: no JSON; -EINVAL: JSON, but not of strings only. */
int wh_words_json(struct wh_str text, struct wh_strv *out, struct wh_err **err);
/* Fields of one CSV record (RFC 4180 quoting). */
int wh_words_csv(const char *text, struct wh_strv *out, struct wh_err **err);
const char *const *wh_arena_list(struct wh_arena *a, const struct wh_strv *list);

/* ---- heredoc.c ---- */

/* 1: the word is "<<NAME", "<<-NAME", "3<<'NAME'"; 0: it is not; -EINVAL: a bad quotation. Name is in the arena. */
int wh_heredoc_word(struct wh_arena *a, const char *word, struct wh_heredoc *ret, struct wh_err **err);
/* All heredoc words of a logical line, in order; at most max. Returns the number or -errno. */
int wh_heredoc_scan(struct wh_arena *a, const char *line, struct wh_heredoc *out, size_t max, struct wh_err **err);
#define WH_HEREDOCS_MAX 256
/* Without the tabs at the start of each line; malloc'ed. */
char *wh_heredoc_chomp(const char *data, size_t len, size_t *ret_len);

/* ---- grammar.c ---- */

enum wh_form {
	WH_FORM_TEXT,       /* the rest of the line is one argument */
	WH_FORM_WORDS,      /* words at blanks */
	WH_FORM_NAMES,      /* words at unquoted blanks: name or name=value */
	WH_FORM_PAIRS,      /* name=value …, or the old "name value" */
	WH_FORM_JSON_TEXT,  /* JSON array, else one shell command */
	WH_FORM_JSON_WORDS, /* JSON array, else words at blanks */
	WH_FORM_HEALTH,     /* a type word, then JSON_TEXT */
	WH_FORM_NESTED,     /* another instruction */
};

enum wh_arity { WH_ARGS_ANY, WH_ARGS_ONE, WH_ARGS_SOME, WH_ARGS_PATHS };

enum wh_flag_type { WH_FLAG_TEXT, WH_FLAG_BOOL, WH_FLAG_LIST };
struct wh_flag_def {
	const char *name; /* NULL ends a list */
	enum wh_flag_type type;
};

struct wh_grammar {
	const char *name;
	const char *usage; /* what follows the name, for messages */
	enum wh_form form;
	enum wh_arity arity;
	bool heredocs;
	const struct wh_flag_def *flags;
	/* What the row cannot say; NULL: nothing. */
	int (*check)(const struct wh_node *n, struct wh_err **err);
};
const struct wh_grammar *wh_grammar_row(enum wh_instr i);
enum wh_instr wh_grammar_find(struct wh_str word);
/* The instruction whose name is nearest, or NULL. */
const char *wh_grammar_nearest(const char *word);

/* ---- mistakes.c ---- */

/* The text begins with '[' and is no JSON: marks where, says what was expected. False: there is nothing to say. */
bool wh_json_fault_tell(const char *text, struct wh_err **err);
/* Is it something else than text in UTF-8? Then *err says what. */
bool wh_not_text(const char *name, const char *text, size_t len, struct wh_err **err);
/* Was the command meant as JSON? "[ -f x ]" and "[ "$a" = b ]" are a shell's own. */
bool wh_json_meant(enum wh_instr instr, const char *text);
/* What may have been meant by a line that begins with no instruction; d may be NULL (a trigger), index is n's in it. */
void wh_unknown_hint(const struct wh_node *n, const struct wh_dockerfile *d, size_t index, struct wh_err **err);

/* ---- flags.c ---- */

int wh_flags_check(const struct wh_node *n, const struct wh_flag_def *defs, struct wh_err **err);
/* The value of "--name=value", NULL when not given. Only after wh_flags_check(). */
const char *wh_flag_text(const struct wh_node *n, const char *name);
bool wh_flag_bool(const struct wh_node *n, const char *name, bool fallback);
/* Values of a repeatable flag: call with *pos 0 first, until NULL. */
const char *wh_flag_next(const struct wh_node *n, const char *name, size_t *pos);

#endif
