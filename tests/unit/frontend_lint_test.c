/* SPDX-License-Identifier: Apache-2.0 */
/* The 22 rules one by one, what may be skipped where, and when a finding is an error. */
#include "frontend/lint.h"
#include "tests/unit/frontend_resolver.h"
#include "tests/unit/test.h"

struct look {
	struct wh_buf found; /* "Rule@line: message\n" */
	const char *ignore;
	struct wh_strv ignored;
};

static void collect(void *arg, const struct wh_lint_warning *w)
{
	struct look *x = arg;

	assert_non_null(w->description);
	assert_true(!w->url || wh_has_prefix(w->url, "https://docs.docker.com/go/dockerfile/rule/"));
	wh_buf_addf(&x->found, "%s@%u%s: %s\n", w->rule, w->line, w->last_line > w->line ? "+" : "", w->message);
}

static const char *const *ignore_of(void *arg, const char *local, const struct wh_patterns **ret)
{
	struct look *x = arg;

	*ret = NULL;
	return x->ignored.n && wh_streq(local, "context") ? (const char *const *)x->ignored.v : NULL;
}

/* What is found, malloc'ed; "error LINE: TEXT" at its end when lowering fails. args: "K=V K=V". */
static char *look(const char *text, const char *args, const char *ignore, struct wh_lower_opts o, const json_t *images)
{
	const struct wh_image_resolver resolver = {(void *)(uintptr_t)images, test_resolve};
	WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;
	WH_AUTO_STRV struct wh_strv list = {0};
	WH_AUTO_FREE char *copy = wh_strdup(args ? args : "");
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_graph *g = wh_graph_new();
	struct wh_target t = {0};
	struct look x = {.ignore = ignore};
	char *save = NULL, *word;
	int r;

	for (word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		wh_strv_add(&list, word);
	if (ignore)
		wh_ignore_read(ignore, strlen(ignore), &x.ignored);
	wh_buf_adds(&x.found, "");
	o.build_args = &list;
	o.build_platform = "linux/amd64";
	o.resolver = &resolver;
	o.ignore_of = ignore_of;
	o.ignore_arg = &x;
	o.warn = collect;
	o.warn_arg = &x;
	r = wh_dockerfile_parse("Dockerfile", text, strlen(text), &d, &err);
	if (r == 0)
		r = wh_dockerfile_lower(d, &o, g, &t, &err);
	if (r < 0)
		wh_buf_addf(&x.found, "error %u: %s\n", err->line, err->msg);
	wh_target_release(&t);
	wh_graph_free(g);
	wh_strv_release(&x.ignored);
	return wh_buf_take(&x.found);
}

static void expect(const char *text, const char *args, const char *ignore, const char *want)
{
	WH_AUTO_FREE char *got = look(text, args, ignore, (struct wh_lower_opts){0}, NULL);

	if (!wh_streq(got, want))
		fail_msg("%s\nwant: %s\ngot:  %s", text, want, got);
}

#define CASING "should match the case of the command majority"
#define JSON_ADVICE "to prevent unintended behavior related to OS signals\n"
#define ONCE "instructions should not be used in the same stage because only the last one will be used\n"
#define IGNORED "that is excluded by .dockerignore\n"

static void file_rules(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"FROM scratch AS Build", "StageNameCasing@1: Stage name 'Build' should be lowercase\n"},
		{"FROM scratch AS build-1", ""},
		{"from scratch AS a", "FromAsCasing@1: 'AS' and 'from' keywords' casing do not match\n"},
		{"FROM scratch As a", "FromAsCasing@1: 'As' and 'FROM' keywords' casing do not match\n"},
		/* A keyword of mixed case is told by itself. */
		{"From scratch AS a\nCOPY a b",
		 "ConsistentInstructionCasing@1: Command 'From' " CASING " (uppercase)\n"},
		{"FROM scratch AS a", ""},
		{"from scratch as a", ""},
		/* Told at the last line of the instruction's words. */
		{"FROM scratch\nCOPY a \\\n\n\n  b\nUSER u", "NoEmptyContinuation@5: Empty continuation line\n"},
		{"FROM scratch\nCOPY <<E \\\n\n /b\nx\nE\n", "NoEmptyContinuation@4: Empty continuation line\n"},
		{"FROM scratch\nCOPY a \\\n# a comment\n  b", ""},
		{"FROM scratch\nuser a\nUSER b",
		 "ConsistentInstructionCasing@2: Command 'user' " CASING " (uppercase)\n"},
		{"from scratch\nuser a\nUSER b",
		 "ConsistentInstructionCasing@3: Command 'USER' " CASING " (lowercase)\n"},
		/* As many of one as of the other: upper case is meant. ARGs above the first stage do not count. */
		{"arg a\narg b\narg c\nFROM scratch\nuser a",
		 "ConsistentInstructionCasing@5: Command 'user' " CASING " (uppercase)\n"},
		{"FROM scratch\nOnbuild run x\nUSER a",
		 "ConsistentInstructionCasing@2: Command 'Onbuild' " CASING " (uppercase)\n"},
		{"FROM scratch AS a\nFROM scratch AS A\nFROM scratch AS a",
		 "StageNameCasing@2: Stage name 'A' should be lowercase\n"
		 "DuplicateStageName@2: Duplicate stage name \"a\", stage names should be unique\n"
		 "DuplicateStageName@3: Duplicate stage name \"a\", stage names should be unique\n"},
		{"FROM scratch AS context\nFROM scratch AS scratch",
		 "ReservedStageName@1: Stage name should not use the same name as reserved stage \"context\"\n"
		 "ReservedStageName@2: Stage name should not use the same name as reserved stage \"scratch\"\n"},
		{"FROM scratch\nMAINTAINER a b",
		 "MaintainerDeprecated@2: Maintainer instruction is deprecated in favor of using label\n"},
		{"FROM scratch\nLABEL maintainer=a", ""},
		/* Up to the mistake, what was seen so far is told. */
		{"FROM scratch AS A\nMAINTAINER a\nBAD\nMAINTAINER b",
		 "StageNameCasing@1: Stage name 'A' should be lowercase\n"
		 "MaintainerDeprecated@2: Maintainer instruction is deprecated in favor of using label\n"
		 "error 3: unknown instruction: BAD\n"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(rows); i++)
		expect(rows[i].text, NULL, NULL, rows[i].want);
}

static void from_rules(void **state)
{
	static const struct {
		const char *text, *args, *want;
	} rows[] = {
		{"ARG version=1\nFROM img:$versoin$version", NULL,
		 "UndefinedArgInFrom@2: FROM argument 'versoin' is not declared (did you mean version?)\n"},
		{"FROM img$nothing", NULL, "UndefinedArgInFrom@1: FROM argument 'nothing' is not declared\n"},
		{"ARG empty\nFROM img$empty", NULL, ""},
		{"FROM img${TARGETVARIANT}", NULL, ""},
		{"ARG a\nFROM --platform=$BUILDPLATFROM img", NULL,
		 "UndefinedArgInFrom@2: FROM argument 'BUILDPLATFROM' is not declared (did you mean BUILDPLATFORM?)\n"
		 "error 2: empty platform value from expression $BUILDPLATFROM (did you mean BUILDPLATFORM?)\n"},
		{"ARG THE_OS=linux\nFROM --platform=linux/${THEOS} img", NULL,
		 "UndefinedArgInFrom@2: FROM argument 'THEOS' is not declared (did you mean THE_OS?)\n"
		 "error 2: failed to parse platform linux/${THEOS}: \"\" is an invalid component of \"linux/\": platform "
		 "specifier component must match \"^[A-Za-z0-9_.-]+$\": invalid argument (did you mean THE_OS?)\n"},
		{"FROM --platform=${TARGETPLATFORM} img", NULL,
		 "RedundantTargetPlatform@1: Setting platform to predefined ${TARGETPLATFORM} in FROM is redundant as this is "
		 "the default behavior\n"},
		{"FROM --platform=$BUILDPLATFORM img", NULL, ""},
		{"FROM --platform=$TARGETOS/$TARGETARCH img", NULL, ""},
		{"FROM --platform=linux/amd64 img", NULL,
		 "FromPlatformFlagConstDisallowed@1: FROM --platform flag should not use constant value \"linux/amd64\"\n"},
		{"FROM --platform=linux/x86_64 img AS for-AMD64", NULL,
		 "StageNameCasing@1: Stage name 'for-AMD64' should be "
		 "lowercase\n"},
		{"FROM --platform=linux/amd64 img AS linux-tools", NULL, ""},
		{"ARG p=linux/amd64\nFROM --platform=$p img", NULL, ""},
		{"ARG V\nFROM img:$V", "V=1",
		 "InvalidDefaultArgInFrom@2: Default value for ARG img:$V results in empty or invalid base image name\n"},
		{"ARG I\nFROM $I", "I=img",
		 "InvalidDefaultArgInFrom@2: Default value for ARG $I results in empty or invalid base image name\n"},
		{"ARG V=1\nFROM img:$V", "V=2", ""},
		{"ARG V\nFROM img:${V:-1}", NULL, ""},
		{"ARG TARGETPLATFORM\nFROM img:${TARGETARCH}", NULL, ""},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(rows); i++)
		expect(rows[i].text, rows[i].args, NULL, rows[i].want);
}

static void step_rules(void **state)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"FROM scratch\nCMD a", "JSONArgsRecommended@2: JSON arguments recommended for CMD " JSON_ADVICE},
		{"FROM scratch\nENTRYPOINT a \\\n b",
		 "JSONArgsRecommended@2+: JSON arguments recommended for ENTRYPOINT " JSON_ADVICE},
		{"from scratch\ncmd a", "JSONArgsRecommended@2: JSON arguments recommended for cmd " JSON_ADVICE},
		{"FROM scratch\nCMD [\"a\"]\nENTRYPOINT []\nHEALTHCHECK CMD a\nRUN a", ""},
		{"FROM scratch AS a\nSHELL [\"/s\"]\nFROM a\nCMD x\nENTRYPOINT y", ""},
		{"FROM scratch\nWORKDIR a\nWORKDIR b",
		 "WorkdirRelativePath@2: Relative workdir \"a\" can have unexpected results "
		 "if the base image changes\n"},
		{"FROM scratch AS a\nWORKDIR /x\nFROM a\nWORKDIR y", ""},
		{"FROM img\nARG d=/x\nWORKDIR $d", ""},
		{"FROM scratch\nARG dir=a\nCOPY $dri $dir $dri /\n",
		 "UndefinedVar@3: Usage of undefined variable '$dri' (did you mean $dir?)\n"
		 "UndefinedVar@3: Usage of undefined variable '$dri' (did you mean $dir?)\n"},
		{"FROM scratch\nCOPY $a$a${b:-x} /", "UndefinedVar@2: Usage of undefined variable '$a'\n"
						     "UndefinedVar@2: Usage of undefined variable '$b'\n"},
		{"FROM scratch\nENV longname=$x\nLABEL $y=1\nUSER $z\nVOLUME /$v\nSTOPSIGNAL ${s:-TERM}\nADD --chown=$c a b",
		 "UndefinedVar@2: Usage of undefined variable '$x'\nUndefinedVar@3: Usage of undefined variable '$y'\n"
		 "UndefinedVar@4: Usage of undefined variable '$z'\nUndefinedVar@5: Usage of undefined variable '$v'\n"
		 "UndefinedVar@6: Usage of undefined variable '$s'\nUndefinedVar@7: Usage of undefined variable '$c'\n"},
		{"FROM img\nRUN --mount=type=cache,target=/c$q true\nARG a=$r",
		 "UndefinedVar@2: Usage of undefined variable '$q'\n"
		 "UndefinedVar@3: Usage of undefined variable "
		 "'$r'\n"},
		{"FROM scratch\nCOPY <<E <<'F' /\n$in\nE\n$out\nF\n",
		 "UndefinedVar@2+: Usage of undefined variable '$in'\n"},
		/* Not expanded, or not told: RUN's words, EXPOSE, an ARG without a value, names that the stage inherits. */
		{"FROM img AS a\nARG v\nENV e=1\nRUN $x\nEXPOSE 8$y\nCMD [\"$z\"]\nFROM a\nCOPY a$v$e$PATH /", ""},
		{"FROM scratch\nARG BUILDKIT_SBOM_SCAN_STAGE=true\nUSER u$BUILDKIT_SBOM_SCAN_STAGE", ""},
		{"FROM scratch\nCMD [\"a\"]\nENTRYPOINT [\"a\"]\nUSER u\nCMD [\"b\"]\nENTRYPOINT [\"b\"]",
		 "MultipleInstructionsDisallowed@2: Multiple CMD " ONCE
		 "MultipleInstructionsDisallowed@3: Multiple ENTRYPOINT " ONCE},
		{"FROM scratch\nHEALTHCHECK NONE\nHEALTHCHECK CMD a\nHEALTHCHECK NONE",
		 "MultipleInstructionsDisallowed@2: Multiple HEALTHCHECK " ONCE
		 "MultipleInstructionsDisallowed@3: Multiple HEALTHCHECK " ONCE},
		{"FROM scratch AS a\nCMD [\"a\"]\nFROM a\nCMD [\"b\"]", ""},
		{"FROM scratch\nENV a b c\nLABEL x y",
		 "LegacyKeyValueFormat@2: \"ENV key=value\" should be used instead of legacy \"ENV key value\" format\n"
		 "LegacyKeyValueFormat@3: \"LABEL key=value\" should be used instead of legacy \"LABEL key value\" format\n"},
		{"FROM scratch\nENV a=b c=\"d e\"\nLABEL x=y", ""},
		{"FROM scratch\nARG DB_PASSWORD\nENV APIKEY=1 my_Auth_x=2 monkey=3 TOKEN_FILE=4 public_key=5",
		 "SecretsUsedInArgOrEnv@2: Do not use ARG or ENV instructions for sensitive data (ARG \"DB_PASSWORD\")\n"
		 "SecretsUsedInArgOrEnv@3: Do not use ARG or ENV instructions for sensitive data (ENV \"APIKEY\")\n"
		 "SecretsUsedInArgOrEnv@3: Do not use ARG or ENV instructions for sensitive data (ENV \"my_Auth_x\")\n"},
		{"ARG PASSWORD\nFROM scratch\nARG passwords\nENV key_version=1 tokenizer=2\nLABEL secret=x", ""},
		{"FROM scratch\nEXPOSE 80/UDP 81/tcp 82",
		 "ExposeProtoCasing@2: Defined protocol '80/UDP' in EXPOSE instruction should be lowercase\n"},
		{"FROM scratch\nEXPOSE 127.0.0.1:1:2 3:4/TCP 5",
		 "ExposeInvalidFormat@2: EXPOSE instruction should not define an IP address or host-port mapping, found "
		 "'127.0.0.1:1:2'\n"
		 "ExposeProtoCasing@2: Defined protocol '3:4/TCP' in EXPOSE instruction should be lowercase\n"
		 "ExposeInvalidFormat@2: EXPOSE instruction should not define an IP address or host-port mapping, found "
		 "'3:4/TCP'\n"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(rows); i++)
		expect(rows[i].text, NULL, NULL, rows[i].want);
}

static void copy_rule(void **state)
{
	static const struct {
		const char *words, *ignore, *want; /* want: the file that is told, NULL: none */
	} rows[] = {
		{"COPY a.o /", "*.o", "a.o"},
		{"COPY ./d/x /", "d", "d/x"},
		{"COPY a.c /", "*.o", NULL},
		{"COPY d /", "d/x", NULL},
		{"COPY . /", "*", "."},
		{"COPY ./ /", "**", "."},
		{"COPY / /", "**/*", "/"},
		{"COPY . /", ".*", NULL},
		/* What an exception brings back cannot be told. */
		{"COPY a.o /", "*.o\n!b.o", NULL},
		{"COPY /a.o /", "a.o", NULL},
		{"COPY /d/a.o /", "**/a.o", "/d/a.o"},
		{"COPY --from=img a.o /", "*.o", NULL},
		{"COPY a.o /", NULL, NULL},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		WH_AUTO_FREE char *text = wh_asprintf("FROM scratch\n%s\n", rows[i].words);
		WH_AUTO_FREE char *want =
			rows[i].want ? wh_asprintf("CopyIgnoredFile@2: Attempting to Copy file \"%s\" " IGNORED,
						   rows[i].want)
				     : wh_strdup("");

		expect(text, NULL, rows[i].ignore, want);
	}
	expect("FROM scratch\nADD a b /\n", NULL, "b", "CopyIgnoredFile@2: Attempting to Add file \"b\" " IGNORED);
}

static void description_rule(void **state)
{
#define ASKED "# check=experimental=InvalidDefinitionDescription\n"
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"# not asked for\nARG a\nFROM scratch", ""},
		{ASKED "# not of a\nARG a=1\nFROM scratch",
		 "InvalidDefinitionDescription@3: Comment for ARG should follow the format: `# a <description>`\n"},
		{ASKED "# first\n# a is it\nARG a\nFROM scratch", ""},
		{ASKED "# c is none of them\nARG a b\nFROM scratch",
		 "InvalidDefinitionDescription@3: Comment for ARG should follow the format: `# <arg_key> <description>`\n"},
		{ASKED "# Base is written otherwise\nFROM scratch AS base",
		 "InvalidDefinitionDescription@3: Comment for FROM should follow the format: `# base <description>`\n"},
		{ASKED "# about all of it\nFROM scratch\n# about the user\nUSER u", ""},
		{ASKED "# ends here\n#\nARG a\nFROM scratch", ""},
		{"# check=skip=all;experimental=all\n# no\nARG a\nFROM scratch\nCMD x",
		 "InvalidDefinitionDescription@3: Comment for ARG should follow the format: `# a <description>`\n"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(rows); i++)
		expect(rows[i].text, NULL, NULL, rows[i].want);
}

static void platform_rule(void **state)
{
	WH_AUTO_JSON json_t *images =
		json_pack("{s:{s:s, s:s, s:s, s:{}, s:{s:s, s:[s]}}, s:{s:s, s:s, s:{}, s:{s:s, s:[]}}}",
			  "docker-image://arm", "os", "linux", "architecture", "arm64", "variant", "v8", "config",
			  "rootfs", "type", "layers", "diff_ids", TEST_DIGEST, "docker-image://empty", "os", "linux",
			  "architecture", "arm64", "config", "rootfs", "type", "layers", "diff_ids");
	static const struct {
		const char *text, *want;
	} rows[] = {
		{"FROM arm",
		 "InvalidBaseImagePlatform@1: Base image arm was pulled with platform \"linux/arm64\", expected "
		 "\"linux/amd64\" for current build\n"},
		{"FROM empty", ""},
		{"FROM other", ""},
		{"FROM arm AS a\nFROM other", ""}, /* not needed */
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		WH_AUTO_FREE char *got = look(rows[i].text, NULL, NULL, (struct wh_lower_opts){0}, images);

		assert_string_equal(got, rows[i].want);
	}
}

static void skipping(void **state)
{
	static const char shell[] = "JSONArgsRecommended@3: JSON arguments recommended for CMD " JSON_ADVICE;
	static const struct {
		const char *text, *args, *want;
	} rows[] = {
		{"# check=skip=all\nFROM scratch\nCMD a", NULL, ""},
		{"#check=skip=StageNameCasing,JSONArgsRecommended\nFROM scratch AS A\nCMD a", NULL, ""},
		{"# check=skip=NoSuchRule\nFROM scratch\nCMD a", NULL, shell},
		{"# CHECK = skip=JSONArgsRecommended\nFROM scratch\nCMD a", NULL, ""},
		{"# check=skip =all\nFROM scratch", NULL, /* cut at the blank */
		 "error 1: failed to parse check options: invalid check option \"skip\"\n"},
		{"# syntax=x\n# check=skip=all\nFROM scratch\nCMD a", NULL, ""},
		/* The argument replaces the directive. */
		{"# check=skip=all\nFROM scratch\nCMD a", "BUILDKIT_DOCKERFILE_CHECK=error=false", shell},
		{"# check=error=true\nFROM scratch\nCMD a", "BUILDKIT_DOCKERFILE_CHECK=skip=all", ""},
		{"# check=error=1\nFROM scratch\nCMD a", "BUILDKIT_DOCKERFILE_CHECK=", shell},
		{"# check=error=true\nFROM scratch\nCMD a", NULL,
		 "JSONArgsRecommended@3: JSON arguments recommended for CMD " JSON_ADVICE
		 "error 3: lint violation found for rules: JSONArgsRecommended\n"},
		{"# check=error=T;skip=JSONArgsRecommended\nFROM scratch AS A\nCMD a\nMAINTAINER m", NULL,
		 "StageNameCasing@2: Stage name 'A' should be lowercase\n"
		 "MaintainerDeprecated@4: Maintainer instruction is deprecated in favor of using label\n"
		 "error 2: lint violation found for rules: StageNameCasing, MaintainerDeprecated\n"},
		/* Comments above an instruction are for it alone; the first check counts; what cannot be read does not. */
		{"FROM scratch\n# check=skip=JSONArgsRecommended // why not\nCMD a\nENTRYPOINT b", NULL,
		 "JSONArgsRecommended@4: JSON arguments recommended for ENTRYPOINT " JSON_ADVICE},
		{"FROM scratch\n# for the shell\n# check=skip=all\n# and so on\nCMD a", NULL, ""},
		{"FROM scratch\n# check=skip=WorkdirRelativePath\n# check=skip=all\nCMD a", NULL,
		 "JSONArgsRecommended@4: JSON arguments recommended for CMD " JSON_ADVICE},
		{"FROM scratch\n# check=nothing\nCMD a", NULL, shell},
		{"# a comment\n# check=skip=StageNameCasing,FromAsCasing\nFROM scratch as A", NULL, ""},
		/* Rules that compare instructions know the file's settings only. */
		{"FROM scratch AS a\n# check=skip=all\nFROM scratch AS a\n# check=skip=all\nuser x", NULL,
		 "DuplicateStageName@3: Duplicate stage name \"a\", stage names should be unique\n"
		 "ConsistentInstructionCasing@5: Command 'user' " CASING " (uppercase)\n"},
		{"# check=skip=ConsistentInstructionCasing,DuplicateStageName\nFROM scratch AS a\nFROM scratch AS a\nuser x",
		 NULL, ""},
		/* Bad settings */
		{"# check=skip\nFROM scratch", NULL,
		 "error 1: failed to parse check options: invalid check option \"skip\"\n"},
		{"# check=what=all\nFROM scratch", NULL,
		 "error 1: failed to parse check options: invalid check option \"what\"\n"},
		{"# check=error=maybe\nFROM scratch", NULL,
		 "error 1: failed to parse check options: failed to parse check option \"error=maybe\": \"maybe\" is neither true "
		 "nor false\n"},
		{"FROM scratch", "BUILDKIT_DOCKERFILE_CHECK=skip=all;",
		 "error 0: failed to parse build-arg:BUILDKIT_DOCKERFILE_CHECK: invalid check option \"\"\n"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(rows); i++)
		expect(rows[i].text, rows[i].args, NULL, rows[i].want);
}

/* What an image's or a stage's ONBUILD brings is told at the FROM that brought it, and no comment skips it. */
static void triggers(void **state)
{
	(void)state;
	expect("FROM scratch AS a\nONBUILD CMD x\nONBUILD USER $u\n\n# check=skip=JSONArgsRecommended\nFROM a\nUSER y",
	       NULL, NULL,
	       "JSONArgsRecommended@6: JSON arguments recommended for CMD " JSON_ADVICE
	       "UndefinedVar@6: Usage of undefined variable '$u'\n");
	expect("FROM scratch\nONBUILD CMD x\nONBUILD ENV a b", NULL, NULL, "");
}

/* A build tells of the stages that it needs, a check of all. */
static void stages(void **state)
{
	static const char text[] = "FROM scratch AS a\nCMD x\nFROM scratch AS b\nENTRYPOINT y\nFROM a";
	static const char in_a[] = "JSONArgsRecommended@2: JSON arguments recommended for CMD " JSON_ADVICE;
	WH_AUTO_FREE char *built = look(text, NULL, NULL, (struct wh_lower_opts){0}, NULL);
	WH_AUTO_FREE char *of_b = look(text, NULL, NULL, (struct wh_lower_opts){.target = "b"}, NULL);
	WH_AUTO_FREE char *all = look(text, NULL, NULL, (struct wh_lower_opts){.all_stages = true}, NULL);

	(void)state;
	assert_string_equal(built, in_a);
	assert_string_equal(of_b, "JSONArgsRecommended@4: JSON arguments recommended for ENTRYPOINT " JSON_ADVICE);
	assert_string_equal(all, "JSONArgsRecommended@2: JSON arguments recommended for CMD " JSON_ADVICE
				 "JSONArgsRecommended@4: JSON arguments recommended for ENTRYPOINT " JSON_ADVICE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_rules), cmocka_unit_test(from_rules),       cmocka_unit_test(step_rules),
		cmocka_unit_test(copy_rule),  cmocka_unit_test(description_rule), cmocka_unit_test(platform_rule),
		cmocka_unit_test(skipping),   cmocka_unit_test(triggers),         cmocka_unit_test(stages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
