/* SPDX-License-Identifier: Apache-2.0 */
/* Instructions one by one: their flags, the number of their arguments, and what else shows without variables. */
#include "frontend/check.h"
#include "frontend/mount.h"
#include "frontend/syntax.h"

#include <errno.h>

int wh_check_paths(const struct wh_node *n, struct wh_err **err)
{
	WH_AUTO_ARENA struct wh_arena *a = wh_arena_new();
	struct wh_heredoc doc;
	size_t i;

	if (wh_heredoc_word(a, n->args[n->n_args - 1], &doc, NULL) == 1)
		return wh_usage(err, "%s cannot accept a heredoc as a destination", wh_instr_name(n->instr));
	for (i = 0; i < n->n_heredocs; i++)
		if (strchr(n->heredocs[i].name, '/') || wh_streq(n->heredocs[i].name, ".") ||
		    wh_streq(n->heredocs[i].name, ".."))
			return wh_usage(err, "heredoc name '%s' cannot be the name of a file", n->heredocs[i].name);
	return 0;
}

int wh_check_pairs(const struct wh_node *n, struct wh_err **err)
{
	size_t i;

	for (i = 0; i < n->n_args; i += 3)
		if (!*n->args[i])
			return wh_usage(err, "%s names can not be blank", wh_instr_name(n->instr));
	return 0;
}

int wh_check_arg(const struct wh_node *n, struct wh_err **err)
{
	size_t i;

	for (i = 0; i < n->n_args; i++)
		if (n->args[i][0] == '=' || !n->args[i][0])
			return wh_usage(err, "ARG names can not be blank");
	return 0;
}

/* ^[a-z][a-z0-9-_.]*$, case folded */
static bool stage_name_ok(const char *s)
{
	const char *p;

	for (p = s; *p; p++) {
		char c = *p >= 'A' && *p <= 'Z' ? (char)(*p + 32) : *p;

		if (!(c >= 'a' && c <= 'z') && (p == s || (!(c >= '0' && c <= '9') && !strchr("-_.", c))))
			return false;
	}
	return p > s;
}

int wh_check_from(const struct wh_node *n, struct wh_err **err)
{
	if (n->n_args == 1)
		return 0;
	if (n->n_args != 3 || strcasecmp(n->args[1], "as") != 0) {
		wh_usage(err, "FROM requires either one or three arguments");
		wh_err_hint(err, "write FROM image, or FROM image AS name");
		return -EINVAL;
	}
	if (!stage_name_ok(n->args[2]))
		return wh_usage(
			err, "invalid name for build stage: \"%s\", name can't start with a number or contain symbols",
			n->args[2]);
	return 0;
}

static int check_interval(const struct wh_node *n, const char *flag, struct wh_err **err)
{
	const char *value = wh_flag_text(n, flag);
	int64_t ns;
	int r;

	if (!value || !*value)
		return 0;
	r = wh_duration_parse(value, &ns, err);
	if (r < 0) {
		wh_err_wrap(err, "--%s", flag);
		return r;
	}
	return ns && ns < 1000000 ? wh_usage(err, "interval \"%s\" cannot be less than 1ms", flag) : 0;
}

int wh_check_health(const struct wh_node *n, struct wh_err **err)
{
	static const char *const flags[] = {"interval", "timeout", "start-period", "start-interval"};
	const char *retries = wh_flag_text(n, "retries");
	uint64_t count;
	size_t i;
	int r;

	if (strcasecmp(n->args[0], "NONE") == 0)
		return n->n_args > 1 ? wh_usage(err, "HEALTHCHECK NONE takes no arguments") : 0;
	if (strcasecmp(n->args[0], "CMD") != 0) {
		wh_usage(err, "unknown type \"%s\" in HEALTHCHECK (try CMD)", n->args[0]);
		return -EINVAL;
	}
	if (n->n_args < 2)
		return wh_usage(err, "missing command after HEALTHCHECK CMD");
	for (i = 0; i < WH_ARRAY_SIZE(flags); i++) {
		r = check_interval(n, flags[i], err);
		if (r < 0)
			return r;
	}
	if (!retries || !*retries)
		return 0;
	if (*retries == '-')
		return wh_usage(err, "--retries cannot be negative (%s)", retries);
	if (!wh_parse_u64(retries, 10, &count) || count > INT32_MAX)
		return wh_usage(err, "--retries is not a number: %s", retries);
	return 0;
}

static int check_node(const struct wh_node *n, struct wh_err **err);

static int check_trigger(const struct wh_node *n, struct wh_err **err)
{
	if (n->instr == WH_I_FROM || n->instr == WH_I_MAINTAINER || n->instr == WH_I_ONBUILD ||
	    n->instr == WH_I_PROFILE || n->instr == WH_I_PRUNE)
		return wh_usage(err, "%s isn't allowed as an ONBUILD trigger", wh_instr_name(n->instr));
	return check_node(n, err);
}

int wh_check_onbuild(const struct wh_node *n, struct wh_err **err)
{
	struct wh_node child;

	if (!n->child)
		return wh_usage(err, "ONBUILD requires at least one argument");
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

int wh_check_run(const struct wh_node *n, struct wh_err **err)
{
	const char *network = wh_flag_text(n, "network"), *security = wh_flag_text(n, "security"), *mount;
	size_t pos = 0;
	int r;

	if (n->json ? !n->n_args : !n->n_args || !*n->args[0])
		return wh_usage(err, "%s requires at least one argument", wh_instr_name(n->instr));
	if (network && !wh_streq(network, "default") && !wh_streq(network, "none") && !wh_streq(network, "host")) {
		wh_usage(err, "invalid network mode \"%s\"", network);
		wh_err_hint(err, "use default, none or host");
		return -EINVAL;
	}
	if (security && !wh_streq(security, "sandbox") && !wh_streq(security, "insecure")) {
		wh_usage(err, "security \"%s\" is not valid", security);
		wh_err_hint(err, "use sandbox or insecure");
		return -EINVAL;
	}
	while ((mount = wh_flag_next(n, "mount", &pos))) {
		r = wh_mount_check(mount, err);
		if (r < 0)
			return r;
	}
	return wh_devices_check(n, err);
}

int wh_check_shell(const struct wh_node *n, struct wh_err **err)
{
	return n->json ? 0 : wh_usage(err, "SHELL requires the arguments to be in JSON form");
}

int wh_check_volume(const struct wh_node *n, struct wh_err **err)
{
	size_t i;

	for (i = 0; i < n->n_args; i++)
		if (!wh_str_trim(wh_str(n->args[i])).n)
			return wh_usage(err, "VOLUME specified can not be an empty string");
	return 0;
}

int wh_check_unknown(const struct wh_node *n, struct wh_err **err)
{
	const char *near = wh_grammar_nearest(n->keyword);

	wh_usage(err, "unknown instruction: %.100s", n->keyword);
	if (near)
		wh_err_hint(err, "did you mean %s?", near);
	else
		wh_err_hint(err, "a line that goes on must end in the escape character, \\ unless told otherwise");
	return -EINVAL;
}

static int check_arity(const struct wh_node *n, enum wh_arity arity, struct wh_err **err)
{
	const char *name = wh_instr_name(n->instr);

	switch (arity) {
	case WH_ARGS_ANY:
		return 0;
	case WH_ARGS_ONE:
		return n->n_args == 1 ? 0 : wh_usage(err, "%s requires exactly one argument", name);
	case WH_ARGS_SOME:
		return n->n_args ? 0 : wh_usage(err, "%s requires at least one argument", name);
	case WH_ARGS_PATHS:
		break;
	}
	return n->n_args > 1
		       ? 0
		       : wh_usage(err,
				  "%s requires at least two arguments, but only one was provided. Destination could "
				  "not be determined",
				  name);
}

static int check_node(const struct wh_node *n, struct wh_err **err)
{
	const struct wh_grammar *row = wh_grammar_row(n->instr);
	int r = check_arity(n, row->arity, err);

	if (r == 0 && n->instr != WH_I_UNKNOWN)
		r = wh_flags_check(n, row->flags, err);
	if (r == 0 && row->check)
		r = row->check(n, err);
	return r;
}

int wh_dockerfile_check(const struct wh_dockerfile *d, struct wh_err **err)
{
	bool stage = false;
	size_t i;
	int r = 0;

	for (i = 0; i < d->n_nodes && r == 0; i++) {
		const struct wh_node *n = &d->nodes[i];

		stage |= n->instr == WH_I_FROM;
		r = check_node(n, err);
		if (r == 0 && !stage && n->instr != WH_I_ARG) {
			r = wh_usage(err, "no build stage in current context");
			wh_err_hint(err, "only ARG may stand before the first FROM");
		}
		if (r < 0)
			wh_node_at(d, n, err);
	}
	if (r == 0 && !stage) {
		r = wh_usage(err, "dockerfile contains no stages to build");
		wh_err_at(err, d->name, 0, 0, NULL);
		wh_err_hint(err, "a stage begins with FROM");
	}
	return r;
}
