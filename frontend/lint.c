/* SPDX-License-Identifier: Apache-2.0 */
/* The rules' ids and texts (facts, as tools search for them), settings, and findings on their way out. */
#include "frontend/lint.h"
#include "frontend/lower.h"

#include <errno.h>

#define URL(page) "https://docs.docker.com/go/dockerfile/rule/" page "/"

static const struct rule {
	const char *name, *description, *url;
	bool experimental; /* silent unless asked for */
} rules[WH_RULES] = {
	[WH_RULE_STAGE_NAME_CASING] = {"StageNameCasing", "Stage names should be lowercase", URL("stage-name-casing"),
				       false},
	[WH_RULE_FROM_AS_CASING] = {"FromAsCasing", "The 'as' keyword should match the case of the 'from' keyword",
				    URL("from-as-casing"), false},
	[WH_RULE_NO_EMPTY_CONTINUATION] = {"NoEmptyContinuation",
					   "Empty continuation lines will become errors in a future release",
					   URL("no-empty-continuation"), false},
	[WH_RULE_CONSISTENT_INSTRUCTION_CASING] = {"ConsistentInstructionCasing",
						   "All commands within the Dockerfile should use the same casing "
						   "(either upper or lower)",
						   URL("consistent-instruction-casing"), false},
	[WH_RULE_DUPLICATE_STAGE_NAME] = {"DuplicateStageName", "Stage names should be unique",
					  URL("duplicate-stage-name"), false},
	[WH_RULE_RESERVED_STAGE_NAME] = {"ReservedStageName", "Reserved words should not be used as stage names",
					 URL("reserved-stage-name"), false},
	[WH_RULE_JSON_ARGS_RECOMMENDED] = {"JSONArgsRecommended",
					   "JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended "
					   "behavior related to OS signals",
					   URL("json-args-recommended"), false},
	[WH_RULE_MAINTAINER_DEPRECATED] = {"MaintainerDeprecated",
					   "The MAINTAINER instruction is deprecated, use a label instead to define "
					   "an image author",
					   URL("maintainer-deprecated"), false},
	[WH_RULE_UNDEFINED_ARG_IN_FROM] = {"UndefinedArgInFrom", "FROM command must use declared ARGs",
					   URL("undefined-arg-in-from"), false},
	[WH_RULE_WORKDIR_RELATIVE_PATH] = {"WorkdirRelativePath",
					   "Relative workdir without an absolute workdir declared within the build "
					   "can have unexpected results if the base image changes",
					   URL("workdir-relative-path"), false},
	[WH_RULE_UNDEFINED_VAR] = {"UndefinedVar", "Variables should be defined before their use", URL("undefined-var"),
				   false},
	[WH_RULE_MULTIPLE_INSTRUCTIONS_DISALLOWED] = {"MultipleInstructionsDisallowed",
						      "Multiple instructions of the same type should not be used in "
						      "the same stage",
						      URL("multiple-instructions-disallowed"), false},
	[WH_RULE_LEGACY_KEY_VALUE_FORMAT] = {"LegacyKeyValueFormat",
					     "Legacy key/value format with whitespace separator should not be used",
					     URL("legacy-key-value-format"), false},
	[WH_RULE_INVALID_BASE_IMAGE_PLATFORM] = {"InvalidBaseImagePlatform",
						 "Base image platform does not match expected target platform", NULL,
						 false},
	[WH_RULE_REDUNDANT_TARGET_PLATFORM] = {"RedundantTargetPlatform",
					       "Setting platform to predefined $TARGETPLATFORM in FROM is redundant "
					       "as this is the default behavior",
					       URL("redundant-target-platform"), false},
	[WH_RULE_SECRETS_USED_IN_ARG_OR_ENV] = {"SecretsUsedInArgOrEnv",
						"Sensitive data should not be used in the ARG or ENV commands",
						URL("secrets-used-in-arg-or-env"), false},
	[WH_RULE_INVALID_DEFAULT_ARG_IN_FROM] = {"InvalidDefaultArgInFrom",
						 "Default value for global ARG results in an empty or invalid base "
						 "image name",
						 URL("invalid-default-arg-in-from"), false},
	[WH_RULE_FROM_PLATFORM_FLAG_CONST_DISALLOWED] = {"FromPlatformFlagConstDisallowed",
							 "FROM --platform flag should not use a constant value",
							 URL("from-platform-flag-const-disallowed"), false},
	[WH_RULE_COPY_IGNORED_FILE] = {"CopyIgnoredFile", "Attempting to Copy file that is excluded by .dockerignore",
				       URL("copy-ignored-file"), false},
	[WH_RULE_INVALID_DEFINITION_DESCRIPTION] =
		{"InvalidDefinitionDescription",
		 "Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this "
		 "is not intended to be a description comment, add an empty line or comment between the instruction and "
		 "the comment.",
		 URL("invalid-definition-description"), true},
	[WH_RULE_EXPOSE_PROTO_CASING] = {"ExposeProtoCasing", "Protocol in EXPOSE instruction should be lowercase",
					 URL("expose-proto-casing"), false},
	[WH_RULE_EXPOSE_INVALID_FORMAT] = {"ExposeInvalidFormat",
					   "IP address and host-port mapping should not be used in EXPOSE "
					   "instruction. This will become an error in a future release",
					   URL("expose-invalid-format"), false},
};

/* ---- settings ---- */

const char *wh_lint_rule_name(enum wh_rule rule)
{
	return rules[rule].name;
}

/* "all", or names with commas; names that are none of ours do nothing (they may be a newer frontend's). */
static void rule_set(struct wh_str list, bool *all, uint32_t *set)
{
	size_t i;

	list = wh_str_trim(list);
	*all = wh_str_eq(list, "all");
	*set = 0;
	while (!*all && list.n) {
		const char *comma = memchr(list.p, ',', list.n);
		size_t n = comma ? (size_t)(comma - list.p) : list.n;
		struct wh_str name = wh_str_trim((struct wh_str){list.p, n});

		for (i = 0; i < WH_RULES; i++)
			if (wh_str_eq(name, rules[i].name))
				*set |= 1U << i;
		n += comma != NULL;
		list = (struct wh_str){list.p + n, list.n - n};
	}
}

static bool parse_bool(struct wh_str text, bool *ret)
{
	static const char *const yes[] = {"1", "t", "T", "TRUE", "true", "True"};
	static const char *const no[] = {"0", "f", "F", "FALSE", "false", "False"};
	size_t i;

	for (i = 0; i < WH_ARRAY_SIZE(yes); i++) {
		*ret = wh_str_eq(text, yes[i]);
		if (*ret || wh_str_eq(text, no[i]))
			return true;
	}
	return false;
}

static int parse_option(struct wh_str part, struct wh_lint_config *c, struct wh_err **err)
{
	const char *eq = part.n ? memchr(part.p, '=', part.n) : NULL;
	struct wh_str key = part, value;
	int shown = (int)(part.n < 80 ? part.n : 80), r;

	if (!eq) {
		WH_AUTO_FREE char *word = wh_strndup(part.p, part.n);

		r = wh_usage_word(err, word, "invalid check option \"%.*s\"", shown, part.p);
	} else {
		WH_AUTO_FREE char *word = wh_strndup(part.p, part.n);

		key.n = (size_t)(eq - part.p);
		value = (struct wh_str){eq + 1, part.n - key.n - 1};
		key = wh_str_trim(key);
		if (wh_str_eq(key, "skip")) {
			rule_set(value, &c->skip_all, &c->skip);
			return 0;
		}
		if (wh_str_eq(key, "experimental")) {
			rule_set(value, &c->experimental_all, &c->experimental);
			return 0;
		}
		value = wh_str_trim(value);
		if (wh_str_eq(key, "error")) {
			if (parse_bool(value, &c->error))
				return 0;
			r = wh_usage(err, "failed to parse check option \"%.*s\": \"%.*s\" is neither true nor false",
				     shown, part.p, (int)(value.n < 80 ? value.n : 80), value.p);
			wh_err_mark(err, WH_MARK_WORD, word);
			wh_err_expect(err, "error=true or error=false");
			return r;
		}
		r = wh_usage(err, "invalid check option \"%.*s\"", (int)(key.n < 80 ? key.n : 80), key.p);
		wh_err_mark(err, WH_MARK_WORD, word);
	}
	wh_err_expect(err, "skip=, error= or experimental=");
	wh_err_hint(err, "write skip=RULE,RULE or skip=all, error=true, experimental=RULE, joined by ;");
	return r;
}

int wh_lint_config_parse(const char *text, struct wh_lint_config *ret, struct wh_err **err)
{
	struct wh_lint_config c = {0};
	struct wh_str rest = wh_str_trim(wh_str(text));
	int parts = 0, r = 0;

	while (rest.n && r == 0) {
		const char *semicolon = ++parts < 3 ? memchr(rest.p, ';', rest.n) : NULL;
		size_t n = semicolon ? (size_t)(semicolon - rest.p) : rest.n;

		r = parse_option((struct wh_str){rest.p, n}, &c, err);
		if (r == 0 && semicolon && n + 1 == rest.n) /* "a=b;" has an empty part at its end */
			r = parse_option((struct wh_str){rest.p + n + 1, 0}, &c, err);
		n += semicolon != NULL;
		rest = (struct wh_str){rest.p + n, rest.n - n};
	}
	if (r == 0)
		*ret = c;
	return r;
}

/* The line of the check directive. */
static void directive_at(const struct wh_dockerfile *d, struct wh_err **err)
{
	struct wh_lines in = {d->text, d->len, 0, 0};
	struct wh_str line = {0};
	WH_AUTO_FREE char *value = NULL, *excerpt = NULL;
	unsigned number = 0;

	value = wh_directive_detect("check", d->text, d->len, false, &number);
	while (in.number < number && wh_lines_next(&in, &line))
		;
	excerpt = wh_excerpt(line);
	wh_err_at(err, d->name, number, 0, excerpt);
}

int wh_lint_begin(struct wh_lower *l, struct wh_err **err)
{
	static const char name[] = "BUILDKIT_DOCKERFILE_CHECK";
	const char *given = wh_env_get(&l->build_args, name);
	int r = 0;

	if (given) {
		r = wh_lint_config_parse(given, &l->lint.file, err);
		if (r < 0)
			wh_err_wrap(err, "failed to parse build-arg:%s", name);
	} else if (l->d->check) {
		r = wh_lint_config_parse(l->d->check, &l->lint.file, err);
		if (r < 0) {
			wh_err_wrap(err, "failed to parse check options");
			directive_at(l->d, err);
		}
	}
	l->lint.now = l->lint.file;
	return r;
}

void wh_lint_comments(struct wh_lower *l, const char *const *comments)
{
	struct wh_lint_config more;

	l->lint.now = l->lint.file;
	for (; comments && *comments; comments++) {
		WH_AUTO_FREE char *value = NULL;
		struct wh_directives state = {0};
		struct wh_str text;
		const char *key;

		if (wh_directive_line(&state, "", wh_str(*comments), &key, &text, NULL) <= 0 || !wh_streq(key, "check"))
			continue;
		value = wh_strndup(text.p, text.n);
		value[strcspn(value, " ")] = '\0';
		if (wh_lint_config_parse(value, &more, NULL) < 0)
			return;
		l->lint.now.skip_all |= more.skip_all;
		l->lint.now.experimental_all |= more.experimental_all;
		l->lint.now.skip |= more.skip;
		l->lint.now.experimental |= more.experimental;
		return; /* the first one counts */
	}
}

/* ---- findings ---- */

static bool silent(const struct wh_lint_config *c, enum wh_rule rule)
{
	if (rules[rule].experimental)
		return !c->experimental_all && !(c->experimental >> rule & 1);
	return c->skip_all || (c->skip >> rule & 1);
}

void wh_lint(struct wh_lower *l, enum wh_rule rule, const struct wh_pos *pos, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	struct wh_lint_warning w;
	va_list ap;
	size_t i;

	if (!l->o->warn || silent(&l->lint.now, rule))
		return;
	if (!l->lint.n_found)
		l->lint.first = *pos;
	for (i = 0; i < l->lint.n_found && l->lint.found[i] != rule; i++)
		;
	if (i == l->lint.n_found)
		l->lint.found[l->lint.n_found++] = rule;
	va_start(ap, fmt);
	wh_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	w = (struct wh_lint_warning){
		.rule = rules[rule].name,
		.description = rules[rule].description,
		.url = rules[rule].url,
		.message = wh_arena_strdup(l->a, text.p),
		.line = pos->line,
		.last_line = pos->last_line > pos->line ? pos->last_line : pos->line,
	};
	l->o->warn(l->o->warn_arg, &w);
}

int wh_lint_end(struct wh_lower *l, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf names = WH_BUF_INIT;
	size_t i;

	if (!l->lint.file.error || !l->lint.n_found)
		return 0;
	for (i = 0; i < l->lint.n_found; i++)
		wh_buf_addf(&names, "%s%s", i ? ", " : "", rules[l->lint.found[i]].name);
	wh_usage(err, "lint violation found for rules: %s", names.p);
	wh_err_hint(err, "a check directive or BUILDKIT_DOCKERFILE_CHECK says error=true");
	wh_pos_at(&l->lint.first, err);
	return -EINVAL;
}

/* ---- names that are near ---- */

#define NAME_MAX_COMPARED 256
#define NEAR 3 /* fewer edits than this */

/* Levenshtein distance, cut off at NEAR; case counts. */
static unsigned distance(struct wh_str a, struct wh_str b)
{
	unsigned row[NAME_MAX_COMPARED + 1], diagonal, best;
	size_t i, k;

	if (a.n > NAME_MAX_COMPARED || b.n > NAME_MAX_COMPARED || (a.n > b.n ? a.n - b.n : b.n - a.n) >= NEAR)
		return NEAR;
	for (k = 0; k <= b.n; k++)
		row[k] = (unsigned)k;
	for (i = 1; i <= a.n; i++) {
		diagonal = row[0];
		row[0] = (unsigned)i;
		for (k = 1; k <= b.n; k++) {
			best = diagonal + (a.p[i - 1] != b.p[k - 1]);
			if (row[k] + 1 < best)
				best = row[k] + 1;
			if (row[k - 1] + 1 < best)
				best = row[k - 1] + 1;
			diagonal = row[k];
			row[k] = best;
		}
	}
	return row[b.n];
}

const char *wh_lint_suggest(struct wh_lower *l, const char *word, const struct wh_strv *names, const char *mark)
{
	struct wh_str found = {0}, name;
	unsigned best = NEAR, d;
	size_t i;

	for (i = 0; i < names->n; i++) {
		name = (struct wh_str){names->v[i], strcspn(names->v[i], "=")};
		d = distance(wh_str(word), name);
		if (!d)
			return "";
		if (d < best) {
			best = d;
			found = name;
		}
	}
	return found.n ? wh_arena_printf(l->a, " (did you mean %s%.*s?)", mark, (int)found.n, found.p) : "";
}
