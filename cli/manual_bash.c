/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option tables as a completion for bash. It needs no other file: bash splits words at '=' and ':', which is undone in the
 * beginning and done again in the end.
 */
#include "cli/cli.h"

static const char begin[] =
	"# bash completion for whittle; made from its option tables (whittle help --completion=bash)\n"
	"# SPDX-License-Identifier: Apache-2.0\n\n"
	"_whittle_stages()\n{\n"
	"\tlocal file=Dockerfile i\n\n"
	"\tfor ((i = 1; i < ${#words[@]}; i++)); do\n"
	"\t\tcase ${words[i]} in\n"
	"\t\t-f | --file) file=${words[i + 1]-} ;;\n"
	"\t\t--file=*) file=${words[i]#*=} ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\t[ -f \"$file\" ] && sed -nE 's/^[[:blank:]]*[Ff][Rr][Oo][Mm][[:blank:]].*[[:blank:]][Aa][Ss][[:blank:]]+([^[:blank:]]+).*/\\1/p' \"$file\"\n"
	"}\n\n"
	"_whittle_images()\n{\n"
	"\tlocal root=() i\n\n"
	"\tfor ((i = 1; i < ${#words[@]}; i++)); do\n"
	"\t\tcase ${words[i]} in\n"
	"\t\t--root) root=(--root \"${words[i + 1]-}\") ;;\n"
	"\t\t--root=*) root=(\"${words[i]}\") ;;\n"
	"\t\tesac\n"
	"\tdone\n"
	"\t\"${COMP_WORDS[0]}\" help --completion=images \"${root[@]}\" 2>/dev/null\n"
	"}\n\n"
	"# Lines from elsewhere (compgen -W would run what is in them): only what means nothing to a shell.\n"
	"_whittle_lines()\n{\n"
	"\tlocal line\n\n"
	"\twhile IFS= read -r line; do\n"
	"\t\t[[ $line == \"$1\"* && $line != *[!A-Za-z0-9_.:/@+-]* ]] && COMPREPLY+=(\"$2$line\")\n"
	"\tdone\n"
	"}\n\n"
	"# What may stand for the value $2 of kind $1; $3 goes before each.\n"
	"_whittle_value()\n{\n"
	"\tcase $1 in\n"
	"\tfile) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -P \"$3\" -- \"$2\") ;;\n"
	"\tdirectory) compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -P \"$3\" -- \"$2\") ;;\n"
	"\timage) _whittle_lines \"$2\" \"$3\" < <(_whittle_images) ;;\n"
	"\tstage) _whittle_lines \"$2\" \"$3\" < <(_whittle_stages) ;;\n"
	"\t*) mapfile -t COMPREPLY < <(compgen -P \"$3\" -W \"$1\" -- \"$2\") ;;\n"
	"\tesac\n"
	"}\n\n"
	"_whittle()\n{\n"
	"\tlocal words=() cur prev='' options='' arguments='' kind='' raw=${COMP_WORDS[COMP_CWORD]} before i\n\n"
	"\tCOMPREPLY=()\n"
	"\tfor ((i = 1; i <= COMP_CWORD; i++)); do\n"
	"\t\tif ((i > 1)) && { [[ ${COMP_WORDS[i]} == [:=]* ]] || [[ ${COMP_WORDS[i - 1]} == [:=] ]]; }; then\n"
	"\t\t\twords[-1]+=${COMP_WORDS[i]}\n"
	"\t\telse\n"
	"\t\t\twords+=(\"${COMP_WORDS[i]}\")\n"
	"\t\tfi\n"
	"\tdone\n"
	"\tcur=${words[-1]-}\n"
	"\t((${#words[@]} > 1)) && prev=${words[-2]}\n"
	"\t[[ $cur == --*=* ]] && prev=${cur%%=*}\n";

static const char end[] =
	"\tif [[ $cur == --*=* ]]; then\n"
	"\t\t_whittle_value \"$kind\" \"${cur#*=}\" \"$prev=\"\n"
	"\telif [ -n \"$kind\" ]; then\n"
	"\t\t[ \"$kind\" = - ] || _whittle_value \"$kind\" \"$cur\" ''\n"
	"\telif [[ $cur == -* ]]; then\n"
	"\t\t_whittle_value \"$options\" \"$cur\" ''\n"
	"\telif [ -n \"$arguments\" ]; then\n"
	"\t\t_whittle_value \"$arguments\" \"$cur\" ''\n"
	"\tfi\n"
	"\t# What bash takes for words before this one is there already.\n"
	"\tcase $raw in\n"
	"\t[:=]) before=$cur ;;\n"
	"\t*) before=${cur%\"$raw\"} ;;\n"
	"\tesac\n"
	"\tfor i in \"${!COMPREPLY[@]}\"; do\n"
	"\t\tCOMPREPLY[i]=${COMPREPLY[i]#\"$before\"}\n"
	"\tdone\n"
	"} &&\n"
	"\tcomplete -F _whittle whittle\n";

static bool hidden(const struct wh_option *o)
{
	return !o->help || o->type == WH_OPT_LATER || o->type == WH_OPT_LATER_FLAG || o->type == WH_OPT_NOTHING;
}

/* What the value of an option is, in the words of _whittle_value(); "-": anything. NULL: it takes no value, or only after '='. */
static char *kind_of(const struct wh_option *o)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	if (o->type == WH_OPT_FLAG)
		return wh_strdup("true false");
	for (size_t i = 0; o->values && o->values[i]; i++)
		wh_buf_addf(&b, "%s%s", i ? " " : "", o->values[i]);
	if (b.n)
		return wh_buf_take(&b);
	if (wh_streq(o->name, "target"))
		return wh_strdup("stage");
	if (wh_streq(o->name, "tag") || wh_streq(o->name, "tests"))
		return wh_strdup("image");
	if (wh_streq(o->name, "platform"))
		return wh_strdup("linux/amd64 linux/arm64 linux/arm/v7 linux/riscv64 linux/ppc64le linux/s390x linux/386 local");
	if (wh_streq(o->arg, "FILE") || wh_streq(o->arg, "KEY") || wh_streq(o->arg, "FILE|DIR"))
		return wh_strdup("file");
	return wh_strdup(wh_streq(o->arg, "DIR") || wh_streq(o->name, "tests-dir") ? "directory" : "-");
}

/* The words in small letters that a usage line has: "import FILE|DIR… | info". */
static void add_words(const char *args, struct wh_buf *out)
{
	for (const char *p = args; *p;) {
		size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz");

		if (n && (p[n] == '|' || p[n] == ' ' || !p[n]))
			wh_buf_addf(out, "%s%.*s", out->n ? " " : "", (int)n, p);
		p += n + strcspn(p + n, " |");
		p += strspn(p, " |");
	}
}

static char *arguments_of(const struct wh_command *c)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	if (!c->args)
		return wh_strdup("");
	if (wh_streq(c->args, "[COMMAND]")) {
		for (size_t i = 0; wh_commands[i]; i++)
			wh_buf_addf(&b, "%s%s", i ? " " : "", wh_commands[i]->name);
		return wh_buf_take(&b);
	}
	add_words(c->args, &b);
	if (b.n)
		return wh_buf_take(&b);
	if (strstr(c->args, "FILE"))
		return wh_strdup("file");
	if (strstr(c->args, "CONTEXT") || strstr(c->args, "DIR"))
		return wh_strdup("directory");
	return wh_strdup(strstr(c->args, "IMAGE") || strstr(c->args, "NAME") ? "image" : "");
}

static void add_command(const struct wh_command *c, struct wh_buf *out)
{
	WH_AUTO_FREE char *arguments = arguments_of(c);

	wh_buf_addf(out, "\t%s%s)\n\t\targuments='%s'\n\t\toptions='", c->name, wh_streq(c->name, "rm") ? " | rmi" : "", arguments);
	for (const struct wh_option *o = c->options; o && o->name; o++) {
		if (hidden(o))
			continue;
		if (o->letter)
			wh_buf_addf(out, "-%c ", o->letter);
		wh_buf_addf(out, "--%s ", o->name);
	}
	wh_buf_adds(out, "-h --help'\n\t\tcase $prev in\n");
	for (const struct wh_option *o = c->options; o && o->name; o++) {
		WH_AUTO_FREE char *kind = hidden(o) ? NULL : kind_of(o);

		if (!kind)
			continue;
		wh_buf_adds(out, "\t\t");
		if (o->letter && o->type != WH_OPT_FLAG && o->type != WH_OPT_SWITCH)
			wh_buf_addf(out, "-%c | ", o->letter);
		/* These have a value behind '=' alone. */
		if (o->type == WH_OPT_FLAG || o->type == WH_OPT_SWITCH)
			wh_buf_addf(out, "--%s) [[ $cur != --*=* ]] || kind='%s' ;;\n", o->name, kind);
		else
			wh_buf_addf(out, "--%s) kind='%s' ;;\n", o->name, kind);
	}
	wh_buf_adds(out, "\t\tesac\n\t\t;;\n");
}

void wh_manual_bash(struct wh_buf *out)
{
	wh_buf_adds(out, begin);
	wh_buf_adds(out, "\tif ((${#words[@]} < 2)); then\n\t\t_whittle_value '");
	for (size_t i = 0; wh_commands[i]; i++)
		wh_buf_addf(out, "%s ", wh_commands[i]->name);
	wh_buf_adds(out, "--help --version' \"$cur\" ''\n\t\treturn\n\tfi\n\tcase ${words[0]} in\n");
	for (size_t i = 0; wh_commands[i]; i++)
		add_command(wh_commands[i], out);
	wh_buf_adds(out, "\tesac\n");
	wh_buf_adds(out, end);
}
