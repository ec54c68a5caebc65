/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions one by one: their flags, the number of their arguments, and what else shows without variables. */
#include "frontend/check.h"
#include "frontend/mount.h"
#include "frontend/names.h"
#include "frontend/syntax.h"

#include <errno.h>

int wh_check_paths(const struct wh_node *n, struct wh_err **err)
{
	WH_AUTO_ARENA struct wh_arena *a = wh_arena_new();
	const char *last = n->args[n->n_args - 1];
	struct wh_heredoc doc;
	size_t i;

	if (wh_heredoc_word(a, last, &doc, NULL) == 1) {
		wh_usage(err, "%s cannot accept a heredoc as a destination", wh_instr_name(n->instr));
		wh_err_mark(err, WH_MARK_LAST, last);
		wh_err_expect(err, "a path as the last word: %s %s /PATH", wh_instr_name(n->instr), last);
		return -EINVAL;
	}
	for (i = 0; i < n->n_heredocs; i++) {
		const char *name = n->heredocs[i].name;

		if (!strchr(name, '/') && !wh_streq(name, ".") && !wh_streq(name, ".."))
			continue;
		WH_AUTO_FREE char *word = wh_asprintf("<<%s", name);

		wh_usage_word(err, name, "heredoc name '%s' cannot be the name of a file", name);
		wh_err_within(err, word);
		wh_err_hint(err, "the file gets the heredoc's name where the destination is a directory; "
				 "take a word without a slash, and write the path at the end");
		return -EINVAL;
	}
	return 0;
}

int wh_check_pairs(const struct wh_node *n, struct wh_err **err)
{
	size_t i;

	for (i = 0; i < n->n_args; i += 3) {
		WH_AUTO_FREE char *word = wh_asprintf("=%s", n->args[i + 1]);

		if (*n->args[i])
			continue;
		wh_usage_word(err, word, "%s names can not be blank", wh_instr_name(n->instr));
		wh_err_expect(err, "NAME=VALUE");
		if (i)
			wh_err_hint(err, "no blanks may stand around =, and values with blanks want quotes");
		return -EINVAL;
	}
	return 0;
}

int wh_check_arg(const struct wh_node *n, struct wh_err **err)
{
	size_t i;

	for (i = 0; i < n->n_args; i++) {
		if (n->args[i][0] && n->args[i][0] != '=')
			continue;
		wh_usage_word(err, n->args[i], "ARG names can not be blank");
		wh_err_expect(err, "NAME or NAME=VALUE");
		if (i)
			wh_err_hint(err, "no blanks may stand around =: %s=…", n->args[i - 1]);
		return -EINVAL;
	}
	return 0;
}

/* ---- FROM ---- */

static bool name_char(char c, bool first)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (!first && c && ((c >= '0' && c <= '9') || strchr("-_.", c)));
}

/* ^[a-z][a-z0-9-_.]*$, case folded */
static bool stage_name_ok(const char *s)
{
	const char *p;

	for (p = s; *p && name_char(*p, p == s); p++)
		;
	return p > s && !*p;
}

/* A name that would do, made from one that does not. */
static void suggest_name(const char *name, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	const char *p;

	if (!name_char(*name, true))
		wh_buf_adds(&out, "stage");
	for (p = name; *p && p < name + 100; p++) {
		if (!name_char(*p, !out.n) && (!out.n || out.p[out.n - 1] == '-'))
			continue;
		wh_buf_addc(&out, name_char(*p, !out.n) ? *p : '-');
	}
	while (out.n && out.p[out.n - 1] == '-')
		out.p[--out.n] = '\0';
	if (out.n)
		wh_err_hint(err, "%s would do", out.p);
}

static int from_words(const struct wh_node *n, struct wh_err **err)
{
	const char *second = n->n_args > 1 ? n->args[1] : "";
	size_t i;

	wh_usage(err, "FROM requires either one or three arguments");
	if (!n->n_args || (n->n_args == 2 && strcasecmp(second, "as") == 0))
		wh_err_mark(err, WH_MARK_END, NULL);
	else
		wh_err_mark(err, WH_MARK_WORD, n->n_args > 3 && strcasecmp(second, "as") == 0 ? n->args[3] : second);
	wh_err_expect(err, "FROM %s", wh_grammar_row(WH_I_FROM)->usage);
	for (i = 0; i < n->n_args; i++)
		if (n->args[i][0] == '#')
			wh_err_hint(err, "a comment stands on a line of its own");
	if (n->n_args == 3 && strcasecmp(n->args[0], "as") == 0)
		wh_err_hint(err, "the image comes first: FROM %s AS %s", n->args[2], second);
	else if (n->n_args == 3 && strchr("aA", *second))
		wh_err_hint(err, "did you mean AS?");
	else if (n->n_args == 2 && strchr(":@", *second))
		wh_err_hint(err, "without the blank: %s%s", n->args[0], second);
	else if (n->n_args == 2 && strcasecmp(second, "as") == 0)
		wh_err_hint(err, "the stage's name is missing");
	else if (n->n_args > 1 && wh_has_prefix(second, "--"))
		wh_err_hint(err, "flags stand in front of the image: FROM %s %s", second, n->args[0]);
	else if (n->n_args == 2 && stage_name_ok(second) && !strpbrk(n->args[0], ":@"))
		wh_err_hint(err, "write FROM %s:%s for the tag, FROM %s AS %s for a name", n->args[0], second, n->args[0],
			    second);
	else
		wh_err_hint(err, "write FROM image, or FROM image AS name");
	return -EINVAL;
}

int wh_check_from(const struct wh_node *n, struct wh_err **err)
{
	if (n->n_args == 1)
		return 0;
	if (n->n_args != 3 || strcasecmp(n->args[1], "as") != 0)
		return from_words(n, err);
	if (stage_name_ok(n->args[2]))
		return 0;
	wh_usage(err, "invalid name for build stage: \"%s\", name can't start with a number or contain symbols",
		 n->args[2]);
	wh_err_mark(err, WH_MARK_LAST, n->args[2]);
	wh_err_expect(err, "a letter, then letters, digits, '-', '_' or '.'");
	suggest_name(n->args[2], err);
	return -EINVAL;
}

/* ---- HEALTHCHECK ---- */

static int check_interval(const struct wh_node *n, const char *flag, struct wh_err **err)
{
	const char *value = wh_flag_text(n, flag);
	WH_AUTO_FREE char *whole = wh_asprintf("--%s=%s", flag, value ? value : "");
	int64_t ns;
	int r;

	if (!value || !*value)
		return 0;
	r = wh_duration_parse(value, &ns, err);
	if (r < 0) {
		wh_err_within(err, whole);
		wh_err_wrap(err, "--%s", flag);
		return r;
	}
	if (!ns || ns >= 1000000)
		return 0;
	wh_usage_word(err, value, "interval \"%s\" cannot be less than 1ms", flag);
	wh_err_within(err, whole);
	wh_err_expect(err, "0 for the default, or at least 1ms");
	return -EINVAL;
}

static int check_retries(const char *retries, struct wh_err **err)
{
	WH_AUTO_FREE char *whole = wh_asprintf("--retries=%s", retries ? retries : "");
	uint64_t count;

	if (!retries || !*retries || (wh_parse_u64(retries, 10, &count) && count <= INT32_MAX))
		return 0;
	if (*retries == '-')
		wh_usage_word(err, retries, "--retries cannot be negative (%s)", retries);
	else
		wh_usage_word(err, retries, "--retries is not a number: %s", retries);
	wh_err_within(err, whole);
	wh_err_expect(err, "a number from 0 (the default, 3) to %d", INT32_MAX);
	return -EINVAL;
}

static int health_type(const struct wh_node *n, struct wh_err **err)
{
	static const char *const names[] = {"CMD", "NONE"};
	const char *type = n->args[0];

	wh_usage_word(err, type, "unknown type \"%s\" in HEALTHCHECK (try CMD)", type);
	if (wh_has_prefix(type, "--"))
		wh_err_hint(err, "flags stand in front of CMD");
	else if (!wh_nearest(type, names, 2))
		wh_err_hint(err, "the command wants CMD in front: HEALTHCHECK CMD %s …", type);
	wh_usage_near(err, type, names, 2, "");
	return -EINVAL;
}

int wh_check_health(const struct wh_node *n, struct wh_err **err)
{
	static const char *const flags[] = {"interval", "timeout", "start-period", "start-interval"};
	size_t i;
	int r;

	if (strcasecmp(n->args[0], "NONE") == 0)
		return n->n_args > 1 ? wh_usage_word(err, n->args[1], "HEALTHCHECK NONE takes no arguments") : 0;
	if (strcasecmp(n->args[0], "CMD") != 0)
		return health_type(n, err);
	if (n->n_args < 2) {
		wh_usage_end(err, "missing command after HEALTHCHECK CMD");
		wh_err_expect(err, "a shell command, or [\"PROGRAM\", \"ARGUMENT\", …]");
		return -EINVAL;
	}
	for (i = 0; i < WH_ARRAY_SIZE(flags); i++) {
		r = check_interval(n, flags[i], err);
		if (r < 0)
			return r;
	}
	return check_retries(wh_flag_text(n, "retries"), err);
}

/* ---- ONBUILD ---- */

static int check_node(const struct wh_node *n, struct wh_err **err);

static int check_trigger(const struct wh_node *n, struct wh_err **err)
{
	if (n->instr != WH_I_FROM && n->instr != WH_I_MAINTAINER && n->instr != WH_I_ONBUILD &&
	    n->instr != WH_I_PROFILE && n->instr != WH_I_PRUNE)
		return check_node(n, err);
	if (n->instr == WH_I_ONBUILD)
		wh_usage_word(err, n->keyword, "chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
	else
		wh_usage_keyword(err, n->keyword, "%s isn't allowed as an ONBUILD trigger", wh_instr_name(n->instr));
	wh_err_expect(err, "an instruction that changes the image: RUN, COPY, ENV …");
	return -EINVAL;
}

int wh_check_onbuild(const struct wh_node *n, struct wh_err **err)
{
	struct wh_node child;

	if (!n->child) {
		wh_usage_end(err, "ONBUILD requires at least one argument");
		wh_err_expect(err, "an instruction, as in ONBUILD COPY . /app");
		return -EINVAL;
	}
	child = *n->child;
	child.heredocs = n->heredocs;
	child.n_heredocs = n->n_heredocs;
	return check_trigger(&child, err);
}

int wh_trigger_check(const struct wh_dockerfile *d, struct wh_err **err)
{
	return d->n_nodes == 1 ? check_trigger(&d->nodes[0], err)
			       : wh_usage(err, "onbuild trigger should be a single expression");
}

/* ---- RUN ---- */

/* Refuses the value of a flag that must be one of a few. */
static int check_choice(const struct wh_node *n, const char *flag, const char *const *names, size_t count,
			const char *before, const char *after, struct wh_err **err)
{
	const char *value = wh_flag_text(n, flag);
	WH_AUTO_FREE char *whole = NULL;
	size_t i;

	for (i = 0; value && i < count; i++)
		if (wh_streq(value, names[i]))
			return 0;
	if (!value)
		return 0;
	whole = wh_asprintf("--%s=%s", flag, value);
	wh_usage_word(err, value, "%s \"%s\"%s", before, value, after);
	wh_err_within(err, whole);
	wh_usage_near(err, value, names, count, "");
	return -EINVAL;
}

int wh_check_run(const struct wh_node *n, struct wh_err **err)
{
	static const char *const networks[] = {"default", "none", "host"}, *const securities[] = {"sandbox",
												  "insecure"};
	const char *mount;
	size_t pos = 0;
	int r;

	if (n->json ? !n->n_args : !n->n_args || !*n->args[0]) {
		wh_usage_end(err, "%s requires at least one argument", wh_instr_name(n->instr));
		wh_err_expect(err, "%s %s", wh_instr_name(n->instr), wh_grammar_row(n->instr)->usage);
		return -EINVAL;
	}
	r = check_choice(n, "network", networks, 3, "invalid network mode", "", err);
	if (r == 0)
		r = check_choice(n, "security", securities, 2, "security", " is not valid", err);
	while (r == 0 && (mount = wh_flag_next(n, "mount", &pos))) {
		r = wh_mount_check(mount, err);
		if (r < 0) {
			WH_AUTO_FREE char *whole = wh_asprintf("--mount=%s", mount);

			wh_err_within(err, whole);
		}
	}
	return r == 0 ? wh_devices_check(n, err) : r;
}

int wh_check_shell(const struct wh_node *n, struct wh_err **err)
{
	if (n->json)
		return 0;
	wh_usage(err, "SHELL requires the arguments to be in JSON form");
	wh_json_fault_tell(n->args[0], err);
	wh_err_mark(err, WH_MARK_WORD, n->args[0]);
	wh_err_expect(err, "a list of strings in double quotes, as in SHELL [\"/bin/bash\", \"-c\"]");
	return -EINVAL;
}

int wh_check_volume(const struct wh_node *n, struct wh_err **err)
{
	size_t i;

	for (i = 0; i < n->n_args; i++)
		if (!wh_str_trim(wh_str(n->args[i])).n)
			return wh_usage_word(err, "\"\"", "VOLUME specified can not be an empty string");
	return 0;
}

int wh_check_unknown(const struct wh_node *n, struct wh_err **err)
{
	wh_usage_keyword(err, n->keyword, "unknown instruction: %.100s", n->keyword);
	wh_unknown_hint(n, NULL, 0, err);
	return -EINVAL;
}

static int check_arity(const struct wh_node *n, enum wh_arity arity, struct wh_err **err)
{
	const char *name = wh_instr_name(n->instr);

	if (arity == WH_ARGS_ANY || (arity == WH_ARGS_ONE && n->n_args == 1) || (arity == WH_ARGS_SOME && n->n_args) ||
	    (arity == WH_ARGS_PATHS && n->n_args > 1))
		return 0;
	if (arity == WH_ARGS_ONE)
		wh_usage_end(err, "%s requires exactly one argument", name);
	else if (arity == WH_ARGS_SOME)
		wh_usage_end(err, "%s requires at least one argument", name);
	else
		wh_usage_end(err,
			     "%s requires at least two arguments, but only one was provided. Destination could not be "
			     "determined",
			     name);
	wh_err_expect(err, "%s %s", name, wh_grammar_row(n->instr)->usage);
	return -EINVAL;
}

static int check_node(const struct wh_node *n, struct wh_err **err)
{
	const struct wh_grammar *row = wh_grammar_row(n->instr);
	int r = check_arity(n, row->arity, err);
	size_t i;

	for (i = 0; n->json && i < n->n_args && r == 0; i++)
		if (strstr(n->args[i], WH_WORD_NUL))
			r = wh_usage_word(err, "\\u0000", "a string of the JSON array holds a zero byte");
	if (r == 0 && n->instr != WH_I_UNKNOWN)
		r = wh_flags_check(n, row->flags, err);
	if (r == 0 && row->check)
		r = row->check(n, err);
	return r;
}

/* ---- what hangs on no variable ---- */

/* Does the word mean the same whatever variables there are, quotes and escapes included? */
static bool settled(const char *word)
{
	return !strpbrk(word, "$\\`'\"");
}

static int as_it_is(void *arg, const char *word, char **ret, struct wh_err **err)
{
	(void)arg;
	(void)err;
	*ret = wh_strdup(word);
	return 0;
}

static const char *any_value(void *arg, const char *name)
{
	(void)arg;
	(void)name;
	return "x";
}

static int check_mounts(const struct wh_node *n, struct wh_err **err)
{
	WH_AUTO_ARENA struct wh_arena *a = wh_arena_new();
	struct wh_mount_spec spec;
	const char *mount;
	size_t pos = 0;
	int r = 0;

	while (r == 0 && (mount = wh_flag_next(n, "mount", &pos))) {
		WH_AUTO_FREE char *whole = wh_asprintf("--mount=%s", mount);

		if (!settled(mount))
			continue;
		r = wh_mount_parse(a, mount, as_it_is, NULL, &spec, err);
		if (r < 0)
			wh_err_within(err, whole);
	}
	return r;
}

static int check_ports(const struct wh_node *n, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv specs = {0}, ports = {0};
	size_t i;
	int r = 0;

	for (i = 0; i < n->n_args; i++)
		if (settled(n->args[i]))
			wh_strv_add(&specs, n->args[i]);
	wh_strv_sort(&specs);
	for (i = 0; i < specs.n && r == 0; i++) {
		wh_strv_release(&ports);
		r = wh_ports_parse(specs.v[i], &ports, err);
	}
	return r;
}

/* "${" that is never closed, and other words that no value makes right. */
static int check_words(const struct wh_node *n, char escape, struct wh_err **err)
{
	bool paths = n->instr == WH_I_ADD || n->instr == WH_I_COPY;
	WH_AUTO_ARENA struct wh_arena *a = wh_arena_new();
	size_t i;
	int r = 0;

	for (i = 0; i < n->n_args && r == 0; i++) {
		WH_AUTO_FREE char *word = NULL;
		struct wh_heredoc doc;

		if (!strchr(n->args[i], '$') || (paths && wh_heredoc_word(a, n->args[i], &doc, NULL) == 1))
			continue;
		r = wh_expand_word(n->args[i], escape, any_value, NULL, &word, err);
	}
	return r;
}

int wh_check_values(const struct wh_node *n, char escape, struct wh_err **err)
{
	const char *mode;
	int r;

	if (n->instr == WH_I_RUN || n->instr == WH_I_PROFILE)
		return check_mounts(n, err);
	if (n->instr != WH_I_ADD && n->instr != WH_I_COPY && n->instr != WH_I_ENV && n->instr != WH_I_LABEL &&
	    n->instr != WH_I_EXPOSE && n->instr != WH_I_STOPSIGNAL && n->instr != WH_I_USER &&
	    n->instr != WH_I_VOLUME && n->instr != WH_I_WORKDIR)
		return 0;
	r = check_words(n, escape, err);
	if (r < 0)
		return r;
	if (n->instr == WH_I_EXPOSE)
		return check_ports(n, err);
	if (n->instr == WH_I_STOPSIGNAL)
		return settled(n->args[0]) ? wh_signal_check(n->args[0], err) : 0;
	mode = n->instr == WH_I_ADD || n->instr == WH_I_COPY ? wh_flag_text(n, "chmod") : NULL;
	return mode && *mode && settled(mode) ? wh_mode_check(mode, err) : 0;
}

/* ---- the file ---- */

#define MISTAKES_MAX 10

static int check_place(const struct wh_dockerfile *d, size_t i, bool stage, struct wh_err **err)
{
	const struct wh_node *n = &d->nodes[i];
	int r;

	if (n->instr == WH_I_UNKNOWN) {
		wh_usage_keyword(err, n->keyword, "unknown instruction: %.100s", n->keyword);
		wh_unknown_hint(n, d, i, err);
		return -EINVAL;
	}
	r = check_node(n, err);
	if (r < 0 || stage || n->instr == WH_I_ARG)
		return r;
	wh_usage_keyword(err, n->keyword, "no build stage in current context");
	wh_err_expect(err, "FROM, or ARG: nothing else stands before the first FROM");
	wh_err_hint(err, "put FROM with the image to build on above this line; only ARG may stand before it");
	return -EINVAL;
}

/* What follows a line that was not understood is often the rest of it: only the first of such lines is told. */
static bool follows_unknown(const struct wh_dockerfile *d, size_t i)
{
	return i && d->nodes[i].instr == WH_I_UNKNOWN && d->nodes[i - 1].instr == WH_I_UNKNOWN;
}

int wh_dockerfile_check(const struct wh_dockerfile *d, struct wh_err **err)
{
	struct wh_err *first = NULL;
	bool stage = false, outside = false;
	size_t i, told = 0;
	int r = 0;

	for (i = 0; i < d->n_nodes && told < MISTAKES_MAX; i++) {
		WH_AUTO_ERR struct wh_err *one = NULL;
		int here;

		stage |= d->nodes[i].instr == WH_I_FROM;
		if (follows_unknown(d, i) || (outside && !stage))
			continue;
		here = check_place(d, i, stage, &one);
		if (here == 0)
			continue;
		outside |= !stage;
		r = r ? r : here;
		wh_node_at(d, &d->nodes[i], &one);
		wh_err_append(&first, &one);
		told++;
	}
	wh_err_move(err, &first);
	if (r == 0 && !stage) {
		r = wh_usage(err, "dockerfile contains no stages to build");
		wh_err_at(err, d->name, 0, 0, NULL);
		wh_err_expect(err, "FROM with the image to build on, or FROM scratch");
		wh_err_hint(err, "a stage begins with FROM");
	}
	return r;
}
