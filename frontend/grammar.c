/* SPDX-License-Identifier: Apache-2.0 */
/* The language in one table: a row an instruction. */
#include "frontend/check.h"
#include "frontend/syntax.h"

static const struct wh_flag_def none[] = {{0}};
static const struct wh_flag_def add_flags[] = {
	{"chown", WH_FLAG_TEXT},    {"chmod", WH_FLAG_TEXT},  {"link", WH_FLAG_BOOL},    {"keep-git-dir", WH_FLAG_BOOL},
	{"checksum", WH_FLAG_TEXT}, {"unpack", WH_FLAG_BOOL}, {"exclude", WH_FLAG_LIST}, {0},
};
static const struct wh_flag_def copy_flags[] = {
	{"from", WH_FLAG_TEXT},
	{"chown", WH_FLAG_TEXT},
	{"chmod", WH_FLAG_TEXT},
	{"link", WH_FLAG_BOOL},
	{"parents", WH_FLAG_BOOL},
	{"exclude", WH_FLAG_LIST},
	{0},
};
static const struct wh_flag_def from_flags[] = {{"platform", WH_FLAG_TEXT}, {0}};
static const struct wh_flag_def health_flags[] = {
	{"interval", WH_FLAG_TEXT},       {"timeout", WH_FLAG_TEXT}, {"start-period", WH_FLAG_TEXT},
	{"start-interval", WH_FLAG_TEXT}, {"retries", WH_FLAG_TEXT}, {0},
};
static const struct wh_flag_def run_flags[] = {
	{"mount", WH_FLAG_LIST}, {"network", WH_FLAG_TEXT}, {"security", WH_FLAG_TEXT}, {"device", WH_FLAG_LIST}, {0},
};
static const struct wh_flag_def profile_flags[] = {
	{"from", WH_FLAG_TEXT},    {"ready", WH_FLAG_LIST},
	{"start", WH_FLAG_TEXT},   {"share", WH_FLAG_LIST},
	{"network", WH_FLAG_TEXT}, {"mount", WH_FLAG_LIST},
	{"env", WH_FLAG_LIST},     {"timeout", WH_FLAG_TEXT},
	{"runs", WH_FLAG_TEXT},    {"lock", WH_FLAG_TEXT},
	{0},
};
static const struct wh_flag_def prune_flags[] = {
	{"keep", WH_FLAG_LIST},
	{"drop", WH_FLAG_LIST},
	{"mode", WH_FLAG_TEXT},
	{"shell", WH_FLAG_TEXT},
	{"setuid", WH_FLAG_LIST},
	{"repair", WH_FLAG_TEXT},
	{"max-risk", WH_FLAG_TEXT},
	{"runtime", WH_FLAG_TEXT},
	{0},
};

/* name, usage, form, number of arguments, heredocs, flags, further check */
static const struct wh_grammar rows[] = {
	[WH_I_ADD] = {"ADD", "[--FLAG…] SOURCE… DESTINATION", WH_FORM_JSON_WORDS, WH_ARGS_PATHS, true, add_flags, wh_check_paths},
	[WH_I_ARG] = {"ARG", "NAME[=VALUE] …", WH_FORM_NAMES, WH_ARGS_SOME, false, none, wh_check_arg},
	[WH_I_CMD] = {"CMD", "[\"PROGRAM\", \"ARGUMENT\", …], or a shell command", WH_FORM_JSON_TEXT, WH_ARGS_ANY, false, none, NULL},
	[WH_I_COPY] = {"COPY", "[--FLAG…] SOURCE… DESTINATION", WH_FORM_JSON_WORDS, WH_ARGS_PATHS, true, copy_flags, wh_check_paths},
	[WH_I_ENTRYPOINT] = {"ENTRYPOINT", "[\"PROGRAM\", \"ARGUMENT\", …], or a shell command", WH_FORM_JSON_TEXT, WH_ARGS_ANY, false, none, NULL},
	[WH_I_ENV] = {"ENV", "NAME=VALUE …", WH_FORM_PAIRS, WH_ARGS_SOME, false, none, wh_check_pairs},
	[WH_I_EXPOSE] = {"EXPOSE", "PORT[-PORT][/PROTOCOL] …", WH_FORM_WORDS, WH_ARGS_SOME, false, none, NULL},
	[WH_I_FROM] = {"FROM", "[--platform=OS/ARCH] IMAGE [AS NAME]", WH_FORM_WORDS, WH_ARGS_ANY, false, from_flags, wh_check_from},
	[WH_I_HEALTHCHECK] = {"HEALTHCHECK", "[--FLAG…] CMD COMMAND, or NONE", WH_FORM_HEALTH, WH_ARGS_SOME, false, health_flags, wh_check_health},
	[WH_I_LABEL] = {"LABEL", "NAME=VALUE …", WH_FORM_PAIRS, WH_ARGS_SOME, false, none, wh_check_pairs},
	[WH_I_MAINTAINER] = {"MAINTAINER", "NAME", WH_FORM_TEXT, WH_ARGS_ONE, false, none, NULL},
	[WH_I_ONBUILD] = {"ONBUILD", "INSTRUCTION", WH_FORM_NESTED, WH_ARGS_ANY, true, none, wh_check_onbuild},
	[WH_I_RUN] = {"RUN", "[--FLAG…] COMMAND, or [\"PROGRAM\", \"ARGUMENT\", …]", WH_FORM_JSON_TEXT, WH_ARGS_ANY, true, run_flags, wh_check_run},
	[WH_I_SHELL] = {"SHELL", "[\"PROGRAM\", \"ARGUMENT\", …]", WH_FORM_JSON_TEXT, WH_ARGS_SOME, false, none, wh_check_shell},
	[WH_I_STOPSIGNAL] = {"STOPSIGNAL", "SIGNAL", WH_FORM_TEXT, WH_ARGS_ONE, false, none, NULL},
	[WH_I_USER] = {"USER", "USER[:GROUP]", WH_FORM_TEXT, WH_ARGS_ONE, false, none, NULL},
	[WH_I_VOLUME] = {"VOLUME", "PATH …, or [\"PATH\", …]", WH_FORM_JSON_WORDS, WH_ARGS_SOME, false, none, wh_check_volume},
	[WH_I_WORKDIR] = {"WORKDIR", "PATH", WH_FORM_TEXT, WH_ARGS_ONE, false, none, NULL},
	[WH_I_PROFILE] = {"PROFILE", "[--FLAG…] COMMAND", WH_FORM_JSON_TEXT, WH_ARGS_SOME, true, profile_flags, wh_check_profile},
	[WH_I_UNKNOWN] = {"?", "", WH_FORM_TEXT, WH_ARGS_ANY, false, none, wh_check_unknown},
	[WH_I_PRUNE] = {"PRUNE", "[--FLAG…]", WH_FORM_WORDS, WH_ARGS_ANY, false, prune_flags, wh_check_prune},
};

const struct wh_grammar *wh_grammar_row(enum wh_instr i)
{
	return &rows[i];
}

const char *wh_instr_name(enum wh_instr i)
{
	return (size_t)i < WH_ARRAY_SIZE(rows) ? rows[i].name : "?";
}

enum wh_instr wh_grammar_find(struct wh_str word)
{
	size_t i;

	for (i = 0; i < WH_I_UNKNOWN; i++)
		if (wh_str_ieq(word, rows[i].name))
			return (enum wh_instr)i;
	return WH_I_UNKNOWN;
}

const char *wh_grammar_nearest(const char *word)
{
	const char *names[WH_I_UNKNOWN];
	size_t i;

	for (i = 0; i < WH_I_UNKNOWN; i++)
		names[i] = rows[i].name;
	return strlen(word) < 64 ? wh_nearest(word, names, WH_I_UNKNOWN) : NULL;
}
