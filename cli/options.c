/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <errno.h>

#define HELP_COLUMN 34

static int misuse(const struct wh_command *c, struct wh_err **err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* "whittle build: …", and where to read on: one line. */
static int misuse(const struct wh_command *c, struct wh_err **err, const char *fmt, ...)
{
	WH_AUTO_FREE char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	return wh_err_set(err, "cli", WH_ERR_USAGE, EINVAL, "whittle %s: %s", c->name, text);
}

static bool is_later(enum wh_opt_type t)
{
	return t == WH_OPT_LATER || t == WH_OPT_LATER_FLAG;
}

static bool is_hidden(const struct wh_option *o)
{
	return is_later(o->type) || o->type == WH_OPT_NOTHING || !o->help;
}

static bool has_shown(const struct wh_command *c)
{
	for (const struct wh_option *o = c->options; o && o->name; o++)
		if (!is_hidden(o))
			return true;
	return false;
}

static bool takes_value(const struct wh_option *o)
{
	return o->type != WH_OPT_FLAG && o->type != WH_OPT_SWITCH && o->type != WH_OPT_LATER_FLAG && o->type != WH_OPT_NOTHING;
}

static const struct wh_option *find_long(const struct wh_command *c, struct wh_str name)
{
	for (const struct wh_option *o = c->options; o && o->name; o++)
		if (wh_str_eq(name, o->name))
			return o;
	return NULL;
}

static const struct wh_option *find_letter(const struct wh_command *c, char letter)
{
	for (const struct wh_option *o = c->options; o && o->name; o++)
		if (o->letter && o->letter == letter)
			return o;
	return NULL;
}

static int unknown_long(const struct wh_command *c, struct wh_str name, struct wh_err **err)
{
	WH_AUTO_FREE char *word = wh_strndup(name.p, name.n);
	WH_AUTO_FREE const char **names = NULL;
	const char *near, *instead = wh_foreign_option(c->name, name);
	size_t n = 0, cap = 0;
	int r;

	if (instead) {
		r = misuse(c, err, "unknown option --%s", word);
		wh_err_hint(err, "%s", instead);
		return r;
	}
	for (const struct wh_option *o = c->options; o && o->name; o++)
		if (!is_hidden(o))
			WH_PUSH(names, n, cap) = o->name;
	WH_PUSH(names, n, cap) = "help";
	near = wh_nearest(word, names, n);
	if (near)
		return misuse(c, err, "unknown option --%s; did you mean --%s?", word, near);
	return misuse(c, err, "unknown option --%s; see whittle %s --help", word, c->name);
}

static int set_flag(const struct wh_command *c, const struct wh_option *o, const char *value, void *opts,
		    struct wh_err **err)
{
	bool *slot = (bool *)((char *)opts + o->offset);

	if (!value || wh_streq(value, "true") || wh_streq(value, "1"))
		*slot = true;
	else if (wh_streq(value, "false") || wh_streq(value, "0"))
		*slot = false;
	else
		return misuse(c, err, "--%s takes true or false, not \"%s\"", o->name, value);
	return 0;
}

static int check_values(const struct wh_command *c, const struct wh_option *o, const char *value, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf all = WH_BUF_INIT;
	int r;

	for (size_t i = 0; o->values[i]; i++) {
		if (wh_streq(value, o->values[i]))
			return 0;
		wh_buf_addf(&all, "%s%s", i == 0 ? "" : o->values[i + 1] ? ", " : " or ", o->values[i]);
	}
	r = misuse(c, err, "--%s is %s, not \"%s\"", o->name, all.p, value);
	if (strstr(value, "{{"))
		wh_err_hint(err, "there are no templates here; jq takes the json apart");
	return r;
}

static int set_value(const struct wh_command *c, const struct wh_option *o, const char *value, void *opts,
		     struct wh_err **err)
{
	void *slot = (char *)opts + o->offset;
	uint64_t num;
	int r;

	if (o->values) {
		r = check_values(c, o, value, err);
		if (r < 0)
			return r;
	}
	switch (o->type) {
	case WH_OPT_TEXT:
	case WH_OPT_SWITCH:
		*(const char **)slot = value;
		return 0;
	case WH_OPT_LIST:
		wh_strv_add(slot, value);
		return 0;
	case WH_OPT_COUNT:
		if (!wh_parse_u64(value, 10, &num) || num < 1 || num > 65535)
			return misuse(c, err, "--%s takes a number from 1 to 65535, not \"%s\"", o->name, value);
		*(unsigned *)slot = (unsigned)num;
		return 0;
	case WH_OPT_FLAG:
	case WH_OPT_LATER:
	case WH_OPT_LATER_FLAG:
	case WH_OPT_NOTHING:
		break;
	}
	return misuse(c, err, "--%s takes no value", o->name);
}

struct cursor {
	const struct wh_command *c;
	int argc, at; /* at: the word being looked at */
	char **argv;
	void *opts;
};

static int not_here(const struct wh_command *c, const struct wh_option *o, struct wh_err **err)
{
	const char *instead = wh_foreign_option(c->name, wh_str(o->name));
	int r = misuse(c, err, "--%s is not supported yet%s%s", o->name, o->help ? ": " : "", o->help ? o->help : "");

	if (instead)
		wh_err_hint(err, "%s", instead);
	return r;
}

/* value: what followed '=', or NULL. shown: the option as the user wrote it. */
static int apply(struct cursor *k, const struct wh_option *o, const char *shown, const char *value, struct wh_err **err)
{
	if (is_later(o->type) && value && (wh_streq(value, "false") || wh_streq(value, "0")))
		return 0; /* switched off what is not there: scripts say --provenance=false */
	if (o->type == WH_OPT_NOTHING)
		return 0;
	if (is_later(o->type))
		return not_here(k->c, o, err);
	if (!takes_value(o) && o->type != WH_OPT_SWITCH)
		return set_flag(k->c, o, value, k->opts, err);
	if (!value && o->type == WH_OPT_SWITCH)
		value = "true";
	if (!value) {
		if (k->at + 1 >= k->argc)
			return misuse(k->c, err, "%s needs a value: %s %s", shown, shown, o->arg ? o->arg : "VALUE");
		value = k->argv[++k->at];
	}
	return set_value(k->c, o, value, k->opts, err);
}

static int parse_long(struct cursor *k, const char *word, struct wh_err **err)
{
	const char *eq = strchr(word, '=');
	struct wh_str name = {word + 2, eq ? (size_t)(eq - word - 2) : strlen(word + 2)};
	const struct wh_option *o = find_long(k->c, name);
	WH_AUTO_FREE char *shown = wh_strndup(word, name.n + 2);

	if (!o)
		return unknown_long(k->c, name, err);
	return apply(k, o, shown, eq ? eq + 1 : NULL, err);
}

/* -q, -qt NAME, -tNAME, -t=NAME */
static int parse_short(struct cursor *k, const char *word, struct wh_err **err)
{
	for (const char *p = word + 1; *p; p++) {
		const struct wh_option *o = find_letter(k->c, *p);
		char shown[3] = {'-', *p, 0};
		const char *value = NULL;
		int r;

		if (!o)
			return misuse(k->c, err, "unknown option %s%s%s; see whittle %s --help", shown,
				      word[2] ? " in " : "", word[2] ? word : "", k->c->name);
		if (p[1] == '=')
			value = p + 2;
		else if (takes_value(o) && p[1])
			value = p + 1;
		r = apply(k, o, shown, value, err);
		if (r < 0)
			return r;
		if (value)
			break;
	}
	return 0;
}

int wh_options_parse(const struct wh_command *c, int argc, char **argv, void *opts, struct wh_strv *args,
		     bool *ret_help, struct wh_err **err)
{
	struct cursor k = {.c = c, .argc = argc, .argv = argv, .opts = opts};
	bool ended = false;
	int r;

	*ret_help = false;
	for (k.at = 1; k.at < argc; k.at++) {
		const char *w = argv[k.at];

		if (ended || w[0] != '-' || !w[1]) {
			wh_strv_add(args, w);
			ended = ended || c->words_end_options;
			continue;
		}
		if (wh_streq(w, "--")) {
			ended = true;
			continue;
		}
		if (wh_streq(w, "--help") || wh_streq(w, "-h")) {
			*ret_help = true;
			return 0;
		}
		r = w[1] == '-' ? parse_long(&k, w, err) : parse_short(&k, w, err);
		if (r < 0)
			return r;
	}
	if (args->n < c->min_args || args->n > c->max_args)
		return misuse(c, err, "%s wanted, %zu given; see whittle %s --help",
			      c->args_wanted ? c->args_wanted : "no arguments", args->n, c->name);
	return 0;
}

void wh_options_release(const struct wh_command *c, void *opts)
{
	for (const struct wh_option *o = c->options; o && o->name; o++)
		if (o->type == WH_OPT_LIST)
			wh_strv_release((struct wh_strv *)((char *)opts + o->offset));
}

int wh_command_main(const struct wh_command *c, int argc, char **argv, void *flags, wh_command_fn fn)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_STRV struct wh_strv args = {0};
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	bool help;
	int r = wh_options_parse(c, argc, argv, flags, &args, &help, &err);

	if (r == 0 && help)
		wh_options_help(c, &out);
	else if (r == 0)
		r = fn(flags, &args, &out, &err);
	wh_options_release(c, flags);
	if (r < 0)
		return wh_err_report(err);
	return r > 0 ? r : wh_cli_say(&out);
}

static void add_lines(struct wh_buf *out, const char *text, size_t indent)
{
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "\n");

		if (p != text)
			wh_buf_addf(out, "%*s", (int)indent, "");
		wh_buf_add(out, p, n);
		wh_buf_addc(out, '\n');
		p += n + (p[n] == '\n');
	}
}

static void option_help(const struct wh_option *o, struct wh_buf *out)
{
	size_t start = out->n, used;

	if (o->letter)
		wh_buf_addf(out, "  -%c, --%s", o->letter, o->name);
	else
		wh_buf_addf(out, "      --%s", o->name);
	if (o->arg)
		wh_buf_addf(out, o->type == WH_OPT_SWITCH ? "[=%s]" : " %s", o->arg);
	used = wh_text_columns(out->p + start, out->n - start);
	if (used + 2 > HELP_COLUMN) {
		wh_buf_addc(out, '\n');
		used = 0;
	}
	wh_buf_addf(out, "%*s", (int)(HELP_COLUMN - used), "");
	add_lines(out, o->help, HELP_COLUMN);
}

void wh_options_help(const struct wh_command *c, struct wh_buf *out)
{
	wh_buf_addf(out, "Usage: whittle %s%s%s%s\n\n", c->name, has_shown(c) ? " [OPTIONS]" : "", c->args ? " " : "",
		    c->args ? c->args : "");
	wh_buf_addf(out, "%s\n", c->summary);
	if (c->about)
		wh_buf_addf(out, "\n%s\n", c->about);
	if (has_shown(c)) {
		wh_buf_adds(out, "\nOptions:\n");
		for (const struct wh_option *o = c->options; o->name; o++)
			if (!is_hidden(o))
				option_help(o, out);
		wh_buf_adds(out, "  -h, --help                      Show this help\n");
	}
	if (c->examples)
		wh_buf_addf(out, "\nExamples:\n%s\n", c->examples);
}

/* Words of a text, in lines of less than 100 columns. */
static void add_wrapped(struct wh_buf *out, const char *text, size_t *column)
{
	while (*text) {
		size_t n = strcspn(text, " ");

		if (*column && *column + 1 + n > 98) {
			wh_buf_addc(out, '\n');
			*column = 0;
		} else if (*column) {
			wh_buf_addc(out, ' ');
			++*column;
		}
		wh_buf_add(out, text, n);
		*column += n;
		text += n + strspn(text + n, " ");
	}
}

void wh_commands_help(struct wh_buf *out)
{
	size_t column = 0;

	wh_buf_adds(out, "Usage: whittle COMMAND [OPTIONS]\n\n");
	add_wrapped(out, WH_ABOUT, &column);
	wh_buf_addc(out, '\n');
	for (size_t i = 0; wh_commands[i]; i++) {
		if (wh_commands[i]->group)
			wh_buf_addf(out, "\n%s:\n", wh_commands[i]->group);
		wh_buf_addf(out, "  %-10s %s\n", wh_commands[i]->name, wh_commands[i]->summary);
	}
	wh_buf_adds(out, "\n\"whittle COMMAND --help\" says more about a command.\n\n");
	column = 0;
	add_wrapped(out, "Exit codes:", &column);
	for (const struct wh_manual_exit *e = wh_manual_exits; e->text; e++) {
		WH_AUTO_FREE char *words = wh_asprintf("%s%d %s%s", e->code == 10 ? "PROFILE and PRUNE: " : "", e->code, e->text,
						       !e[1].text ? "." : e[1].code == 10 ? ";" : ",");

		add_wrapped(out, words, &column);
	}
	wh_buf_addc(out, '\n');
}

const struct wh_command *wh_command_find(const char *name)
{
	if (wh_streq(name, "rmi")) /* docker's word */
		name = "rm";
	for (size_t i = 0; wh_commands[i]; i++)
		if (wh_streq(wh_commands[i]->name, name))
			return wh_commands[i];
	return NULL;
}
