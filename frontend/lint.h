/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Findings while a file is lowered: 22 rules (docs.docker.com/reference/build-checks).
 *
 *   lint.c       one row a rule; what is skipped, what is an error; a finding on its way out
 *   lint_file.c  rules that look at the file before anything is expanded, and at FROM
 *   lint_step.c  rules for single instructions
 *
 * What may be skipped depends on who looks, as in BuildKit: comments above an instruction ("# check=skip=…") count where
 * the instruction is judged by itself, and where it is lowered; rules that compare instructions know the file's own
 * settings only.
 */
#ifndef WH_FRONTEND_LINT_H
#define WH_FRONTEND_LINT_H

#include "frontend/frontend.h"

enum wh_rule {
	WH_RULE_STAGE_NAME_CASING,
	WH_RULE_FROM_AS_CASING,
	WH_RULE_NO_EMPTY_CONTINUATION,
	WH_RULE_CONSISTENT_INSTRUCTION_CASING,
	WH_RULE_DUPLICATE_STAGE_NAME,
	WH_RULE_RESERVED_STAGE_NAME,
	WH_RULE_JSON_ARGS_RECOMMENDED,
	WH_RULE_MAINTAINER_DEPRECATED,
	WH_RULE_UNDEFINED_ARG_IN_FROM,
	WH_RULE_WORKDIR_RELATIVE_PATH,
	WH_RULE_UNDEFINED_VAR,
	WH_RULE_MULTIPLE_INSTRUCTIONS_DISALLOWED,
	WH_RULE_LEGACY_KEY_VALUE_FORMAT,
	WH_RULE_INVALID_BASE_IMAGE_PLATFORM,
	WH_RULE_REDUNDANT_TARGET_PLATFORM,
	WH_RULE_SECRETS_USED_IN_ARG_OR_ENV,
	WH_RULE_INVALID_DEFAULT_ARG_IN_FROM,
	WH_RULE_FROM_PLATFORM_FLAG_CONST_DISALLOWED,
	WH_RULE_COPY_IGNORED_FILE,
	WH_RULE_INVALID_DEFINITION_DESCRIPTION,
	WH_RULE_EXPOSE_PROTO_CASING,
	WH_RULE_EXPOSE_INVALID_FORMAT,
	WH_RULES,
};

/* "skip=A,B;error=true;experimental=all" */
struct wh_lint_config {
	bool skip_all, experimental_all, error;
	uint32_t skip, experimental; /* a bit a rule */
};
int wh_lint_config_parse(const char *text, struct wh_lint_config *ret, struct wh_err **err);

struct wh_lint {
	struct wh_lint_config file;   /* the check directive's, or BUILDKIT_DOCKERFILE_CHECK's */
	struct wh_lint_config now;    /* with what is said above the instruction at hand */
	enum wh_rule found[WH_RULES]; /* rules with findings, in the order of the first ones */
	size_t n_found;
	struct wh_pos first; /* where the first one was */
};

struct wh_lower;
struct wh_stage;
struct wh_cmd;

/* ---- lint.c ---- */
const char *wh_lint_rule_name(enum wh_rule rule);
/* Reads the settings. */
int wh_lint_begin(struct wh_lower *l, struct wh_err **err);
/* Findings from here on are of an instruction with these comments above it; NULL: of the file. */
void wh_lint_comments(struct wh_lower *l, const char *const *comments);
/* A finding; pos is copied. */
void wh_lint(struct wh_lower *l, enum wh_rule rule, const struct wh_pos *pos, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* At the end: findings that are errors. */
int wh_lint_end(struct wh_lower *l, struct wh_err **err);
/* " (did you mean $X?)" for the name within two edits of word, case-sensitive; "" when there is none, or word is one of
 * the names. names: "NAME" or "NAME=VALUE". In the arena. */
const char *wh_lint_suggest(struct wh_lower *l, const char *word, const struct wh_strv *names, const char *mark);

/* ---- lint_file.c ---- */
/* Rules for the file as it was parsed. bad_line: of the instruction that the check refused, 0: none. Nothing behind it is
 * looked at. */
void wh_lint_syntax(struct wh_lower *l, unsigned bad_line);
void wh_lint_stages(struct wh_lower *l);
/* env: global ARGs with their defaults, nothing given with --build-arg. */
void wh_lint_default_args(struct wh_lower *l, const struct wh_strv *env);
/* What the words of FROM name that no global ARG declares. */
void wh_lint_from(struct wh_lower *l, const struct wh_pos *pos, const struct wh_strv *misses);
/* value: --platform's, expanded with these hits and misses. */
void wh_lint_platform(struct wh_lower *l, const struct wh_stage *s, const char *flag, const char *value,
		      const struct wh_strv *hits, const struct wh_strv *misses);
/* name: the image, or the context that stands for one. (BuildKit does not look at contexts.) */
void wh_lint_base_platform(struct wh_lower *l, const struct wh_stage *s, const char *name,
			   const struct wh_platform *expected, const json_t *image);

/* ---- lint_step.c ---- */
/* Names that a word of the instruction asked for and the stage has not. */
void wh_lint_undefined(struct wh_lower *l, const struct wh_stage *s, const struct wh_pos *pos,
		       const struct wh_strv *misses);
void wh_lint_secret(struct wh_lower *l, const struct wh_cmd *c, const char *instruction, const char *name);
/* The instruction's last one counts; previous is where one stood before, updated. */
void wh_lint_once(struct wh_lower *l, const struct wh_cmd *c, const struct wh_pos **previous);
void wh_lint_port(struct wh_lower *l, const struct wh_cmd *c, const char *spec);
/* A source of COPY or ADD in the main context, expanded. */
void wh_lint_copy_source(struct wh_lower *l, const struct wh_cmd *c, const char *src);

#endif
