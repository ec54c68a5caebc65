/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option tables as manual pages (man(7), for man-db, groff and mandoc) and as a completion for bash.
 *
 * Source lines stay below 80 bytes, ASCII alone, and nothing in a text can be taken for a request: what begins with a dot
 * or a quote is shielded, backslashes and minus signs are spelled out.
 */
#include "base/rune.h"
#include "cli/cli.h"

#define LINE 72 /* bytes of source after which a line is broken, where there is a blank */

/* ---------------------------------------------------------------- text as roff */

static void add_char(struct wh_buf *out, uint32_t r)
{
	static const struct {
		uint32_t r;
		const char *roff;
	} table[] = {
		{'\\', "\\e"}, {'-', "\\-"}, {'~', "\\(ti"}, {'^', "\\(ha"}, {'`', "\\(ga"}, {'\'', "\\(aq"}, {'"', "\\(dq"}, {0x2026, "..."},
	};

	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++)
		if (r == table[i].r) {
			wh_buf_adds(out, table[i].roff);
			return;
		}
	if (r < 0x80)
		wh_buf_addc(out, (char)r);
	else
		wh_buf_addf(out, "\\[u%04X]", r);
}

static void add_text(struct wh_buf *out, const char *p, size_t n)
{
	for (size_t i = 0, w = 0; i < n; i += w) {
		uint32_t r = wh_rune(p + i, n - i, &w);

		add_char(out, r);
		w = w ? w : 1;
		if ((r == ',' || r == '|') && i + w < n && p[i + w] != ' ') /* long words may be broken here */
			wh_buf_adds(out, "\\:");
	}
}

/* A line that begins with a control character would be a request. */
static void shield(struct wh_buf *out, const char *p)
{
	if (*p == '.' || *p == '\'')
		wh_buf_adds(out, "\\&");
}

/* Filled text: words, with lines broken where they have become long. */
static void add_filled(struct wh_buf *out, const char *p, size_t n, size_t *column)
{
	while (n) {
		size_t w = 0, before;

		while (n && (*p == ' ' || *p == '\n'))
			p++, n--;
		while (w < n && p[w] != ' ' && p[w] != '\n')
			w++;
		if (!w)
			return;
		if (*column && *column + w >= LINE) {
			wh_buf_addc(out, '\n');
			*column = 0;
		} else if (*column) {
			wh_buf_addc(out, ' ');
			++*column;
		}
		if (!*column)
			shield(out, p);
		before = out->n;
		add_text(out, p, w);
		*column += out->n - before;
		p += w, n -= w;
	}
}

static void add_paragraph(struct wh_buf *out, const char *text)
{
	size_t column = 0;

	add_filled(out, text, strlen(text), &column);
	wh_buf_addc(out, '\n');
}

/* Lines as they are: examples, and what is indented in a text. */
static void add_literal(struct wh_buf *out, const char *p, size_t n, size_t indent)
{
	for (size_t len; n; p += len, n -= len) {
		const char *end = memchr(p, '\n', n);
		size_t skip = 0;

		len = end ? (size_t)(end - p) : n;
		while (skip < indent && skip < len && p[skip] == ' ')
			skip++;
		shield(out, p + skip);
		add_text(out, p + skip, len - skip);
		wh_buf_addc(out, '\n');
		len += end != NULL;
	}
}

/* "about": paragraphs between empty lines; lines that begin with blanks stay as they are. */
static void add_about(struct wh_buf *out, const char *text)
{
	size_t column = 0;
	bool literal = false;

	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "\n");
		bool indented = *p == ' ' && n;

		if (column && (indented || !n)) {
			wh_buf_addc(out, '\n');
			column = 0;
		}
		if (indented != literal)
			wh_buf_adds(out, !indented ? ".fi\n" : p == text ? ".nf\n" : ".PP\n.nf\n");
		literal = indented;
		if (!n)
			wh_buf_adds(out, ".PP\n");
		else if (indented)
			add_literal(out, p, n, 2);
		else
			add_filled(out, p, n, &column);
		p += n + (p[n] == '\n');
	}
	if (column)
		wh_buf_addc(out, '\n');
	if (literal)
		wh_buf_adds(out, ".fi\n");
}

/* ---------------------------------------------------------------- pages */

static bool hidden(const struct wh_option *o)
{
	return !o->help || o->type == WH_OPT_LATER || o->type == WH_OPT_LATER_FLAG || o->type == WH_OPT_NOTHING;
}

static void add_upper(struct wh_buf *out, const char *s)
{
	for (; *s; s++)
		if (*s == '-')
			wh_buf_adds(out, "\\-");
		else
			wh_buf_addc(out, (char)(*s >= 'a' && *s <= 'z' ? *s - 32 : *s));
}

static void add_head(struct wh_buf *out, const char *name, const char *summary, const char *date)
{
	const char *rest = summary + (summary[0] && summary[1] >= 'a' && summary[1] <= 'z');
	size_t column = LINE / 3; /* of a line of its own */

	wh_buf_adds(out, ".\\\" SPDX-License-Identifier: Apache-2.0\n.\\\" Made from the option tables; see \"whittle help --man\".\n.TH ");
	add_upper(out, name);
	wh_buf_addf(out, " 1 \"%s\" \"whittle " PACKAGE_VERSION "\" \"whittle\"\n.ad l\n.nh\n.SH NAME\n", date);
	add_text(out, name, strlen(name));
	wh_buf_adds(out, " \\- ");
	if (rest != summary)
		wh_buf_addc(out, (char)(summary[0] >= 'A' && summary[0] <= 'Z' ? summary[0] + 32 : summary[0]));
	add_text(out, rest, strcspn(rest, " "));
	rest += strcspn(rest, " ");
	add_filled(out, rest, strlen(rest), &column);
	wh_buf_addc(out, '\n');
}

/* Brackets, bars and dots are the usual roman, words in capitals italic. */
static void add_arguments(struct wh_buf *out, const char *text)
{
	bool italic = false;

	for (size_t i = 0, w = 0; text[i]; i += w) {
		uint32_t r = wh_rune(text + i, strlen(text + i), &w);
		bool word = (r >= 'A' && r <= 'Z') || (italic && r == '-');

		if (word != italic)
			wh_buf_adds(out, word ? "\\fI" : "\\fR");
		italic = word;
		add_char(out, r);
		w = w ? w : 1;
	}
	if (italic)
		wh_buf_adds(out, "\\fR");
}

static void add_option(const struct wh_option *o, struct wh_buf *out)
{
	size_t column = 0;

	wh_buf_adds(out, ".TP\n");
	if (o->letter)
		wh_buf_addf(out, "\\fB\\-%c\\fR, ", o->letter);
	wh_buf_adds(out, "\\fB\\-\\-");
	add_text(out, o->name, strlen(o->name));
	wh_buf_adds(out, "\\fR");
	if (o->arg) {
		wh_buf_adds(out, o->type == WH_OPT_SWITCH ? "[=" : " ");
		add_arguments(out, o->arg);
		if (o->type == WH_OPT_SWITCH)
			wh_buf_addc(out, ']');
	}
	wh_buf_addc(out, '\n');
	add_filled(out, o->help, strlen(o->help), &column);
	wh_buf_addc(out, '\n');
	if (o->values) {
		wh_buf_adds(out, ".br\nOne of:");
		for (size_t i = 0; o->values[i]; i++) {
			wh_buf_addf(out, "%s\n\\fB", i ? "," : "");
			add_text(out, o->values[i], strlen(o->values[i]));
			wh_buf_adds(out, "\\fR");
		}
		wh_buf_adds(out, ".\n");
	}
}

static void add_options(const struct wh_command *c, struct wh_buf *out)
{
	bool nothing = false;

	wh_buf_adds(out, ".SH OPTIONS\n");
	for (const struct wh_option *o = c ? c->options : NULL; o && o->name; o++)
		if (!hidden(o))
			add_option(o, out);
	wh_buf_adds(out, ".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nShow what there is, and end.\n");
	if (!c)
		wh_buf_adds(out, ".TP\n\\fB\\-V\\fR, \\fB\\-\\-version\\fR\nShow the version, and end.\n");
	for (const struct wh_option *o = c ? c->options : NULL; o && o->name; o++)
		if (o->type == WH_OPT_NOTHING) {
			wh_buf_adds(out, nothing ? ",\n" : ".PP\nTaken for docker\\(aqs sake, as they ask for what is so in any case:\n");
			wh_buf_adds(out, "\\fB\\-\\-");
			add_text(out, o->name, strlen(o->name));
			wh_buf_adds(out, "\\fR");
			nothing = true;
		}
	if (nothing)
		wh_buf_adds(out, ".\n");
}

static bool is_for(const char *commands, const struct wh_command *c)
{
	size_t n = c ? strlen(c->name) : 0;

	if (!commands || !c)
		return true;
	for (const char *p = commands; (p = strstr(p, c->name)); p += n)
		if ((p == commands || p[-1] == ' ') && (p[n] == ' ' || !p[n]))
			return true;
	return false;
}

static void add_exits(const struct wh_command *c, struct wh_buf *out)
{
	wh_buf_adds(out, ".SH EXIT STATUS\n");
	for (const struct wh_manual_exit *e = wh_manual_exits; e->text; e++)
		if (is_for(e->commands, c)) {
			wh_buf_addf(out, ".TP\n.B %d\n", e->code);
			add_paragraph(out, e->text);
		}
}

static void add_entries(const char *title, const struct wh_manual_entry *e, const struct wh_command *c, struct wh_buf *out)
{
	wh_buf_addf(out, ".SH %s\n", title);
	for (; e->name; e++)
		if (is_for(e->commands, c)) {
			wh_buf_adds(out, ".TP\n\\fB");
			add_text(out, e->name, strlen(e->name));
			wh_buf_adds(out, "\\fR\n");
			add_paragraph(out, e->text);
		}
}

/* Commands that a command's texts speak of. */
static void add_see_also(const struct wh_command *c, struct wh_buf *out)
{
	wh_buf_adds(out, ".SH SEE ALSO\n");
	if (c)
		wh_buf_adds(out, ".BR whittle (1)");
	for (size_t i = 0; wh_commands[i]; i++) {
		const struct wh_command *o = wh_commands[i];
		WH_AUTO_FREE char *words = wh_asprintf("whittle %s", o->name);

		if (o == c || (c && !(c->about && strstr(c->about, words)) && !(c->examples && strstr(c->examples, words))))
			continue;
		wh_buf_adds(out, c || i ? ",\n.BR whittle\\-" : ".BR whittle\\-");
		add_text(out, o->name, strlen(o->name));
		wh_buf_adds(out, " (1)");
	}
	wh_buf_addc(out, '\n');
}

static void add_examples(const char *examples, struct wh_buf *out)
{
	wh_buf_adds(out, ".SH EXAMPLES\n.nf\n");
	add_literal(out, examples, strlen(examples), 2);
	wh_buf_adds(out, ".fi\n");
}

static void add_commands(struct wh_buf *out)
{
	wh_buf_adds(out, ".SH COMMANDS\n");
	for (size_t i = 0; wh_commands[i]; i++) {
		wh_buf_adds(out, ".TP\n.BR whittle\\-");
		add_text(out, wh_commands[i]->name, strlen(wh_commands[i]->name));
		wh_buf_adds(out, " (1)\n");
		add_paragraph(out, wh_commands[i]->summary);
	}
}

static void program_page(const char *date, struct wh_buf *out)
{
	add_head(out, "whittle", "build container images from Dockerfiles, without a daemon and without root", date);
	wh_buf_adds(out, ".SH SYNOPSIS\n\\fBwhittle\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR]\n.SH DESCRIPTION\n");
	add_paragraph(out, WH_ABOUT);
	wh_buf_adds(out, ".PP\nEach command has a page of its own.\n");
	add_commands(out);
	add_options(NULL, out);
	add_examples(wh_command_find("build")->examples, out);
}

void wh_manual_page(const struct wh_command *c, const char *date, struct wh_buf *out)
{
	WH_AUTO_FREE char *name = c ? wh_asprintf("whittle-%s", c->name) : NULL;

	if (!c) {
		program_page(date, out);
	} else {
		add_head(out, name, c->summary, date);
		wh_buf_addf(out, ".SH SYNOPSIS\n\\fBwhittle %s\\fR%s", c->name, c->options ? " [\\fIOPTIONS\\fR]" : "");
		if (c->args) {
			wh_buf_addc(out, ' ');
			add_arguments(out, c->args);
		}
		wh_buf_adds(out, "\n.SH DESCRIPTION\n");
		if (c->about)
			add_about(out, c->about);
		else
			wh_buf_addf(out, "%s.\n", c->summary);
		add_options(c, out);
		add_examples(c->examples ? c->examples : "", out);
	}
	add_exits(c, out);
	add_entries("ENVIRONMENT", wh_manual_environment, c, out);
	add_entries("FILES", wh_manual_files, c, out);
	add_see_also(c, out);
}
