/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mistakes that people make, by name: what stands where an instruction should, and what was nearly JSON. Nothing is
 * accepted or refused here; this only finds the words for it.
 */
#include "base/rune.h"
#include "frontend/syntax.h"

#include <errno.h>

/* ---------------------------------------------------------------- what is no text */

bool wh_not_text(const char *name, const char *text, size_t len, struct wh_err **err)
{
	static const struct {
		const char *magic;
		size_t n;
		const char *what;
	} known[] = {
		{"\xff\xfe", 2, "UTF-16 (little endian)"},
		{"\xfe\xff", 2, "UTF-16 (big endian)"},
		{"\x7f"
		 "ELF",
		 4, "a program (ELF)"},
		{"\x1f\x8b", 2, "a gzip archive"},
		{"PK\3\4", 4, "a zip archive"},
		{"\x28\xb5\x2f\xfd", 4, "a zstd archive"},
		{"\xfd"
		 "7zXZ",
		 5, "an xz archive"},
		{"BZh", 3, "a bzip2 archive"},
		{"\x89PNG", 4, "a picture (PNG)"},
		{"\xff\xd8\xff", 3, "a picture (JPEG)"},
		{"%PDF", 4, "a PDF document"},
	};
	const char *zero = len ? memchr(text, '\0', len) : NULL, *p;
	unsigned line = 1;
	size_t i;

	for (i = 0; i < WH_ARRAY_SIZE(known); i++)
		if (len >= known[i].n && memcmp(text, known[i].magic, known[i].n) == 0)
			break;
	if (i == WH_ARRAY_SIZE(known) && !zero)
		return false;
	for (p = text; zero && p < zero; p++)
		line += *p == '\n';
	if (i < WH_ARRAY_SIZE(known))
		wh_usage(err, "this is no text but %s", known[i].what);
	else if (len > 3 && (!text[1] || !text[0]) && zero < text + 2)
		wh_usage(err, "this is no text in UTF-8 but UTF-16");
	else
		wh_usage(err, "this is no text: it holds a zero byte");
	wh_err_expect(err, "a Dockerfile: text in UTF-8");
	if (i < 2 || zero == text + 1 || zero == text)
		wh_err_hint(err, "convert it: iconv -f UTF-16 -t UTF-8");
	else
		wh_err_hint(err, "-f names the Dockerfile when it is not the context's own");
	wh_err_at(err, name, i == WH_ARRAY_SIZE(known) ? line : 0, 0, NULL);
	return true;
}

/* ---------------------------------------------------------------- JSON that is none */

struct json_fault {
	size_t at, n;     /* the bytes that are wrong */
	const char *what; /* "expected …" */
	const char *hint; /* may be NULL */
};

/* ‘ ’ “ ” „ and their like: their length, or 0. */
static size_t typographic_quote(const char *p, size_t n)
{
	size_t w = 0;
	uint32_t r = n ? wh_rune(p, n, &w) : 0;

	return (r >= 0x2018 && r <= 0x201f) || r == 0xab || r == 0xbb || r == 0xff02 || r == 0xff07 ? w : 0;
}

static size_t skip_blanks(struct wh_str s, size_t i)
{
	while (i < s.n && (wh_is_blank(s.p[i]) || s.p[i] == '\n'))
		i++;
	return i;
}

static bool fault(struct json_fault *f, size_t at, size_t n, const char *what, const char *hint)
{
	*f = (struct json_fault){at, n, what, hint};
	return true;
}

/* How much of a wrong element to mark: up to a comma, a bracket or a blank. */
static size_t element_length(struct wh_str s, size_t i)
{
	size_t n = 0;

	while (i + n < s.n && s.p[i + n] != ',' && s.p[i + n] != ']' && !wh_is_blank(s.p[i + n]))
		n++;
	return n ? n : i < s.n;
}

/* A string from its opening quote at *i; *i is moved behind it. True: it is at fault. */
static bool bad_string(struct wh_str s, size_t *i, struct json_fault *f)
{
	size_t start = *i, k = start + 1;

	for (; k < s.n && s.p[k] != '"'; k++) {
		if ((unsigned char)s.p[k] < ' ')
			return fault(f, k, 1, "no control character inside a string", "write \\t for a tab");
		if (s.p[k] != '\\')
			continue;
		k++;
		if (k < s.n && !strchr("\"\\/bfnrtu", s.p[k]))
			return fault(f, k - 1, 2, "\\\\ for a backslash in a JSON string", NULL);
	}
	if (k >= s.n)
		return fault(f, start, s.n - start, "a \" at the end of the string", NULL);
	*i = k + 1;
	return false;
}

/* Why the text, which begins with '[', is no JSON array of strings. False: no reason was found. */
static bool json_fault(struct wh_str s, struct json_fault *f)
{
	size_t i = skip_blanks(s, 1), before = i;

	if (i < s.n && s.p[i] == ']')
		i++;
	else
		for (;; i = skip_blanks(s, i + 1)) {
			i = skip_blanks(s, i);
			if (i == s.n)
				return fault(f, before, 0, "\"string\" or ]", NULL);
			if (s.p[i] == ']')
				return fault(f, before, 1, "a string behind the comma", "take away the last comma");
			if (s.p[i] == '\'' || typographic_quote(s.p + i, s.n - i))
				return fault(f, i, element_length(s, i), "a string in double quotes",
					     s.p[i] == '\'' ? "JSON knows no single quotes: write \"…\""
							    : "these are typographic quotes: write \"…\"");
			if (s.p[i] != '"')
				return fault(f, i, element_length(s, i), "a string in double quotes", NULL);
			before = i;
			if (bad_string(s, &i, f))
				return true;
			before = i;
			i = skip_blanks(s, i);
			if (i < s.n && s.p[i] == ',') {
				before = i;
				continue;
			}
			if (i < s.n && s.p[i] == ']') {
				i++;
				break;
			}
			return i == s.n ? fault(f, before, 0, "] at the end of the list", NULL)
					: fault(f, i, element_length(s, i), "a comma between the strings", NULL);
		}
	i = skip_blanks(s, i);
	return i < s.n && fault(f, i, s.n - i, "nothing behind the closing ]", NULL);
}

bool wh_json_fault_tell(const char *text, struct wh_err **err)
{
	struct wh_str s = wh_str_trim(wh_str(text));
	struct json_fault f;
	WH_AUTO_FREE char *word = NULL;

	if (!s.n || s.p[0] != '[' || !json_fault(s, &f))
		return false;
	word = wh_strndup(s.p + f.at, f.n);
	if (f.n) {
		wh_err_mark(err, WH_MARK_WORD, word);
		wh_err_within(err, s.p + f.at);
	} else {
		wh_err_mark(err, WH_MARK_END, NULL);
	}
	wh_err_expect(err, "%s", f.what);
	if (f.hint)
		wh_err_hint(err, "%s", f.hint);
	return true;
}

bool wh_json_meant(enum wh_instr instr, const char *text)
{
	struct wh_str s = wh_str_trim(wh_str(text));
	size_t i;

	if (s.n < 2 || s.p[0] != '[')
		return false;
	i = skip_blanks(s, 1);
	if (i == s.n || (s.p[i] != '"' && s.p[i] != '\'' && !typographic_quote(s.p + i, s.n - i)))
		return false;
	return i == 1 || (instr != WH_I_RUN && s.p[s.n - 1] == ']');
}

/* ---------------------------------------------------------------- what is no instruction */

/* The nearest line above that is neither empty nor a comment; its number, or 0. */
static unsigned line_above(const struct wh_dockerfile *d, const struct wh_node *n, struct wh_str *ret)
{
	const char *end = n->source.p;
	unsigned number = n->line;

	while (end > d->text) {
		const char *start = --end; /* at the line's '\n' */

		while (start > d->text && start[-1] != '\n')
			start--;
		number--;
		*ret = wh_str_trim((struct wh_str){start, (size_t)(end - start)});
		if (ret->n && ret->p[0] != '#')
			return number;
		end = start;
	}
	return 0;
}

static bool ends_with(struct wh_str s, const char *tail)
{
	size_t n = strlen(tail);

	return s.n >= n && memcmp(s.p + s.n - n, tail, n) == 0;
}

/* "\ # why": the escape character with a comment behind it. */
static bool escape_and_comment(struct wh_str s, char escape)
{
	size_t i;

	for (i = s.n; i > 1; i--)
		if (s.p[i - 1] == '#')
			for (size_t k = i - 1; k > 0; k--) {
				if (s.p[k - 1] == escape)
					return true;
				if (!wh_is_blank(s.p[k - 1]))
					break;
			}
	return false;
}

/* Is this the rest of the line above? */
static bool hint_continued(const struct wh_dockerfile *d, const struct wh_node *n, struct wh_err **err)
{
	static const char *const open[] = {"&&", "||", "|", ";", "(", "{", ",", " then", " do", " else"};
	char other = d->escape == '\\' ? '`' : '\\';
	struct wh_str above;
	unsigned number = line_above(d, n, &above);
	size_t i;

	if (!number)
		return false;
	if (ends_with(above, (char[]){other, 0})) {
		if (other == '`')
			wh_err_hint(err,
				    "line %u ends in `, which continues a line only below \"# escape=`\" at the top",
				    number);
		else
			wh_err_hint(err,
				    "line %u ends in \\, but \"# escape=%c\" at the top says that %c continues a line",
				    number, d->escape, d->escape);
		return true;
	}
	if (escape_and_comment(above, d->escape)) {
		wh_err_hint(
			err,
			"line %u has a comment behind its %c, so it ends there; put the comment on a line of its own",
			number, d->escape);
		return true;
	}
	if (ends_with(above, (char[]){d->escape, d->escape, 0})) {
		wh_err_hint(err, "line %u ends in %c%c, which is an escaped %c and ends the instruction", number,
			    d->escape, d->escape, d->escape);
		return true;
	}
	for (i = 0; i < WH_ARRAY_SIZE(open); i++) {
		if (!ends_with(above, open[i]))
			continue;
		wh_err_hint(err, "line %u must end in the escape character, %s %c, for this line to belong to it",
			    number, open[i][0] == ' ' ? open[i] + 1 : open[i], d->escape);
		return true;
	}
	return false;
}

static const char *const commands[] = {
	"&&",      "||",      "apk",      "apt",    "apt-get",  "bash",
	"bundle",  "cat",     "cd",       "chmod",  "chown",    "composer",
	"cp",      "curl",    "dnf",      "do",     "done",     "dpkg",
	"echo",    "else",    "exit",     "export", "fi",       "find",
	"for",     "git",     "go",       "grep",   "groupadd", "gunzip",
	"if",      "install", "ls",       "make",   "microdnf", "mkdir",
	"mv",      "node",    "npm",      "npx",    "php",      "pip",
	"pip3",    "pnpm",    "printf",   "python", "python3",  "rm",
	"sed",     "set",     "sh",       "source", "sudo",     "tar",
	"tdnf",    "test",    "then",     "touch",  "unzip",    "update-ca-certificates",
	"useradd", "adduser", "addgroup", "wget",   "while",    "xargs",
	"yarn",    "yum",     "zypper",   "-",
};

static bool is_command(const char *word)
{
	size_t i;

	for (i = 0; i < WH_ARRAY_SIZE(commands); i++)
		if (wh_streq(word, commands[i]))
			return true;
	return word[0] == '-' || wh_has_prefix(word, "./") || wh_has_prefix(word, "&&") || wh_has_prefix(word, "/");
}

/* An instruction with something stuck to it: "FROMalpine", "ENV=x", "RUN[". */
static const char *stuck(const char *word)
{
	enum wh_instr i;

	for (i = 0; i < WH_I_UNKNOWN; i++) {
		const char *name = wh_instr_name(i);

		if (strncmp(word, name, strlen(name)) == 0 && word[strlen(name)])
			return name;
	}
	return NULL;
}

/* Characters that look like a blank, or like nothing. */
static const char *invisible(const char *word)
{
	static const struct {
		uint32_t rune;
		const char *name;
	} known[] = {
		{0xa0, "a no-break space (U+00A0)"},
		{0x200b, "a zero width space (U+200B)"},
		{0x200c, "a zero width non-joiner (U+200C)"},
		{0x200d, "a zero width joiner (U+200D)"},
		{0x202f, "a narrow no-break space (U+202F)"},
		{0x2060, "a word joiner (U+2060)"},
		{0x3000, "an ideographic space (U+3000)"},
		{0xfeff, "a byte order mark (U+FEFF)"},
		{0xad, "a soft hyphen (U+00AD)"},
	};
	size_t w, i, n = strlen(word);

	for (; n; word += w, n -= w) {
		uint32_t r = wh_rune(word, n, &w);

		for (i = 0; i < WH_ARRAY_SIZE(known); i++)
			if (known[i].rune == r)
				return known[i].name;
	}
	return NULL;
}

/* The whole file is something else. */
static const char *other_language(const char *word, const char *line)
{
	size_t n = strlen(word);

	if (strncasecmp(word, "<!doctype", 9) == 0 || strncasecmp(word, "<html", 5) == 0)
		return "an HTML page";
	if (wh_has_prefix(word, "<?xml"))
		return "an XML document";
	if (wh_has_prefix(word, "<?php"))
		return "a PHP program";
	if (*word == '{' || wh_streq(word, "[") || wh_has_prefix(word, "[{"))
		return "a JSON document";
	if (wh_streq(word, "---") || (n > 1 && word[n - 1] == ':' && !strchr("\"'", *word)))
		return "a YAML document";
	if (word[0] == '[' && word[n - 1] == ']')
		return "a TOML or INI file";
	if (wh_streq(word, "target") || wh_streq(word, "group"))
		return strchr(line, '{') ? "a bake file" : NULL;
	if (wh_streq(word, "import") || wh_streq(word, "package") || wh_streq(word, "#include"))
		return "a program's source";
	return NULL;
}

static bool hint_word(const struct wh_node *n, size_t index, struct wh_err **err)
{
	const char *word = n->keyword, *what = invisible(word), *name;

	if (what)
		wh_err_hint(err, "it holds %s, which looks like a blank or nothing but is a character of the word",
			    what);
	else if (!index && (what = other_language(word, n->original)))
		wh_err_hint(err, "this looks like %s: -f names the Dockerfile when it is not the context's own", what);
	else if (strncmp(word, "<<<<<<<", 7) == 0 || strncmp(word, "=======", 7) == 0 ||
		 strncmp(word, ">>>>>>>", 7) == 0)
		wh_err_hint(err, "a merge that git could not do left its marks here");
	else if (wh_has_prefix(word, "//") || wh_has_prefix(word, "/*") || wh_has_prefix(word, ";") ||
		 wh_has_prefix(word, "--"))
		wh_err_hint(err, "a comment begins with #");
	else if (!is_command(word) && (name = wh_grammar_nearest(word)))
		wh_err_hint(err, "did you mean %s?", name);
	else if ((name = stuck(word)))
		wh_err_hint(err, "a blank is missing behind %s", name);
	else
		return false;
	return true;
}

void wh_unknown_hint(const struct wh_node *n, const struct wh_dockerfile *d, size_t index, struct wh_err **err)
{
	bool after_run = d && index && d->nodes[index - 1].instr == WH_I_RUN;
	char escape = d ? d->escape : '\\';
	bool indented = n->source.n && wh_is_blank(n->source.p[0]);

	wh_err_expect(err, "an instruction, like RUN or COPY, or a comment with # in front");
	if ((d && hint_continued(d, n, err)) || hint_word(n, index, err))
		return;
	if (d && index && d->nodes[index - 1].n_heredocs && !is_command(n->keyword) && !strchr(n->original, ' '))
		wh_err_hint(err, "the heredoc above ended in line %u, at its first line that holds only its word",
			    d->nodes[index - 1].last_line);
	else if (after_run && (indented || is_command(n->keyword)))
		wh_err_hint(err,
			    "for this line to belong to the RUN above, line %u must end in the escape character, %c; "
			    "a command of its own wants RUN in front",
			    d->nodes[index - 1].last_line, escape);
	else if (is_command(n->keyword))
		wh_err_hint(err, "a shell command wants RUN in front: RUN %s …", n->keyword);
	else
		wh_err_hint(err, "a line that goes on must end in the escape character, %c", escape);
}
