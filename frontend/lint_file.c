/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that look at the file as it stands: its words, names and cases; and at FROM, where global ARGs are known. */
#include "frontend/lint.h"
#include "frontend/lower.h"

#include <strings.h>

static bool has_upper(const char *s)
{
	for (; *s; s++)
		if (*s >= 'A' && *s <= 'Z')
			return true;
	return false;
}

static bool has_lower(const char *s)
{
	for (; *s; s++)
		if (*s >= 'a' && *s <= 'z')
			return true;
	return false;
}

static struct wh_pos place(const struct wh_lower *l, const struct wh_node *n)
{
	return (struct wh_pos){.file = l->d->name, .line = n->line, .last_line = n->last_line};
}

/* ---- instructions by themselves ---- */

static void lint_from_words(struct wh_lower *l, const struct wh_node *n, const struct wh_pos *pos)
{
	if (n->n_args == 3 && has_upper(n->args[2]))
		wh_lint(l, WH_RULE_STAGE_NAME_CASING, pos, "Stage name '%s' should be lowercase", n->args[2]);
	/* A keyword of mixed case has a rule of its own. */
	if (n->n_args < 3 || (has_upper(n->keyword) && has_lower(n->keyword)))
		return;
	if (has_lower(n->keyword) ? has_upper(n->args[1]) : has_lower(n->args[1]))
		wh_lint(l, WH_RULE_FROM_AS_CASING, pos, "'%s' and '%s' keywords' casing do not match", n->args[1],
			n->keyword);
}

/* The last comment above must begin with one of the names. */
static void lint_description(struct wh_lower *l, const struct wh_node *n, const struct wh_pos *pos,
			     const struct wh_strv *names)
{
	const char *last = NULL;
	size_t i;

	for (i = 0; n->comments && n->comments[i]; i++)
		last = n->comments[i];
	if (!last || !names->n)
		return;
	for (i = 0; i < names->n; i++)
		if (wh_str_eq((struct wh_str){last, strcspn(last, " ")}, names->v[i]))
			return;
	wh_lint(l, WH_RULE_INVALID_DEFINITION_DESCRIPTION, pos,
		"Comment for %s should follow the format: `# %s <description>`", wh_instr_name(n->instr),
		names->n > 1 ? "<arg_key>" : names->v[0]);
}

static void lint_definition(struct wh_lower *l, const struct wh_node *n, const struct wh_pos *pos)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	size_t i;

	if (n->instr == WH_I_FROM && n->n_args == 3) {
		wh_strv_take(&names, wh_lower_case(n->args[2]));
	} else if (n->instr == WH_I_ARG) {
		for (i = 0; i < n->n_args; i++)
			wh_strv_take(&names, wh_strndup(n->args[i], strcspn(n->args[i], "=")));
	}
	lint_description(l, n, pos, &names);
}

void wh_lint_syntax(struct wh_lower *l, unsigned bad_line)
{
	size_t i;

	wh_lint_comments(l, NULL);
	for (i = 0; i < l->d->n_nodes; i++) {
		const struct wh_node *n = &l->d->nodes[i];
		const struct wh_pos pos = {
			.file = l->d->name, .line = n->text_last_line, .last_line = n->text_last_line};

		if (n->empty_line)
			wh_lint(l, WH_RULE_NO_EMPTY_CONTINUATION, &pos, "Empty continuation line");
	}
	for (i = 0; i < l->d->n_nodes && (!bad_line || l->d->nodes[i].line <= bad_line); i++) {
		const struct wh_node *n = &l->d->nodes[i];
		const struct wh_pos pos = place(l, n);

		wh_lint_comments(l, n->comments);
		if (n->instr == WH_I_FROM)
			lint_from_words(l, n, &pos);
		else if (n->instr == WH_I_MAINTAINER)
			wh_lint(l, WH_RULE_MAINTAINER_DEPRECATED, &pos,
				"Maintainer instruction is deprecated in favor of using label");
		if (n->line != bad_line)
			lint_definition(l, n, &pos);
	}
	wh_lint_comments(l, NULL);
}

/* ---- instructions beside each other ---- */

static void lint_names(struct wh_lower *l)
{
	WH_AUTO_STRV struct wh_strv seen = {0};
	size_t i, k;

	for (i = 0; i < l->d->n_nodes; i++) {
		const struct wh_node *n = &l->d->nodes[i];
		const struct wh_pos pos = place(l, n);
		char *name;

		if (n->instr != WH_I_FROM || n->n_args != 3)
			continue;
		name = wh_lower_case(n->args[2]);
		if (wh_streq(name, "context") || wh_streq(name, "scratch"))
			wh_lint(l, WH_RULE_RESERVED_STAGE_NAME, &pos,
				"Stage name should not use the same name as reserved stage \"%s\"", name);
		for (k = 0; k < seen.n && !wh_streq(seen.v[k], name); k++)
			;
		if (k < seen.n)
			wh_lint(l, WH_RULE_DUPLICATE_STAGE_NAME, &pos,
				"Duplicate stage name \"%s\", stage names should be unique", name);
		wh_strv_take(&seen, name);
	}
}

static void lint_casing(struct wh_lower *l)
{
	size_t lower = 0, upper = 0, i, first;
	bool wrong;

	/* ARGs before the first stage are not counted. */
	for (first = 0; first < l->d->n_nodes && l->d->nodes[first].instr != WH_I_FROM; first++)
		;
	for (i = first; i < l->d->n_nodes; i++) {
		const char *keyword = l->d->nodes[i].keyword;

		if (!has_upper(keyword))
			lower++;
		else if (!has_lower(keyword))
			upper++;
	}
	for (i = first; i < l->d->n_nodes; i++) {
		const struct wh_node *n = &l->d->nodes[i];
		const struct wh_pos pos = place(l, n);

		wrong = lower > upper ? has_upper(n->keyword) : has_lower(n->keyword);
		if (wrong)
			wh_lint(l, WH_RULE_CONSISTENT_INSTRUCTION_CASING, &pos,
				"Command '%s' should match the case of the command majority (%s)", n->keyword,
				lower > upper ? "lowercase" : "uppercase");
	}
}

void wh_lint_stages(struct wh_lower *l)
{
	wh_lint_comments(l, NULL);
	lint_names(l);
	lint_casing(l);
}

/* ---- FROM ---- */

void wh_lint_default_args(struct wh_lower *l, const struct wh_strv *env)
{
	size_t i;

	wh_lint_comments(l, NULL);
	for (i = 0; i < l->d->n_nodes; i++) {
		const struct wh_node *n = &l->d->nodes[i];
		const struct wh_pos pos = place(l, n);
		struct wh_matches m = {.env = env};
		WH_AUTO_FREE char *base = NULL;
		int r;

		if (n->instr != WH_I_FROM)
			continue;
		r = wh_expand_word(n->args[0], l->d->escape, wh_matches_get, &m, &base, NULL);
		wh_matches_release(&m);
		if (r < 0)
			return;
		if (wh_reference_check(base, NULL) < 0)
			wh_lint(l, WH_RULE_INVALID_DEFAULT_ARG_IN_FROM, &pos,
				"Default value for ARG %s results in empty or invalid base image name", n->args[0]);
	}
}

static bool is_declared(const struct wh_lower *l, const char *name)
{
	size_t i;

	for (i = 0; i < l->global_names.n; i++)
		if (wh_streq(l->global_names.v[i], name))
			return true;
	return wh_env_get(&l->globals, name) != NULL;
}

void wh_lint_from(struct wh_lower *l, const struct wh_pos *pos, const struct wh_strv *misses)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	size_t i;

	for (i = 0; i < l->globals.n; i++)
		wh_strv_add(&names, l->globals.v[i]);
	for (i = 0; i < l->global_names.n; i++)
		wh_strv_add(&names, l->global_names.v[i]);
	for (i = 0; i < misses->n; i++)
		if (!is_declared(l, misses->v[i]))
			wh_lint(l, WH_RULE_UNDEFINED_ARG_IN_FROM, pos, "FROM argument '%s' is not declared%s",
				misses->v[i], wh_lint_suggest(l, misses->v[i], &names, ""));
}

void wh_lint_platform(struct wh_lower *l, const struct wh_stage *s, const char *flag, const char *value,
		      const struct wh_strv *hits, const struct wh_strv *misses)
{
	const char *name = s->from->n_args == 3 ? s->from->args[2] : "";
	WH_AUTO_FREE char *lower = wh_lower_case(name);
	struct wh_platform p;

	wh_lint_from(l, &s->pos, misses);
	if (hits->n == 1 && !misses->n && wh_streq(hits->v[0], "TARGETPLATFORM") &&
	    wh_streq(value, wh_env_get(&l->globals, "TARGETPLATFORM")))
		wh_lint(l, WH_RULE_REDUNDANT_TARGET_PLATFORM, &s->pos,
			"Setting platform to predefined %s in FROM is redundant as this is the default behavior", flag);
	if (hits->n || misses->n || wh_platform_parse(value, &l->build, &p, NULL) < 0)
		return;
	/* A stage whose name says so means it. */
	if (strstr(lower, p.os) || strstr(lower, p.arch))
		return;
	wh_lint(l, WH_RULE_FROM_PLATFORM_FLAG_CONST_DISALLOWED, &s->pos,
		"FROM --platform flag should not use constant value \"%s\"", value);
}

void wh_lint_base_platform(struct wh_lower *l, const struct wh_stage *s, const char *name,
			   const struct wh_platform *expected, const json_t *image)
{
	const char *os = json_string_value(json_object_get(image, "os"));
	const char *arch = json_string_value(json_object_get(image, "architecture"));
	const char *variant = json_string_value(json_object_get(image, "variant"));
	WH_AUTO_FREE char *want = wh_platform_text(expected), *have = NULL;
	struct wh_platform p = {0};

	if (!os || !arch || strlen(os) >= sizeof(p.os) || strlen(arch) >= sizeof(p.arch) ||
	    (variant && strlen(variant) >= sizeof(p.variant)))
		return;
	memcpy(p.os, os, strlen(os));
	memcpy(p.arch, arch, strlen(arch));
	if (variant)
		memcpy(p.variant, variant, strlen(variant));
	wh_platform_normalize(&p);
	if (wh_streq(p.os, expected->os) && wh_streq(p.arch, expected->arch))
		return;
	have = wh_platform_text(&p);
	wh_lint_comments(l, NULL);
	wh_lint(l, WH_RULE_INVALID_BASE_IMAGE_PLATFORM, &s->pos,
		"Base image %s was pulled with platform \"%s\", expected \"%s\" for current build", name, have, want);
}
