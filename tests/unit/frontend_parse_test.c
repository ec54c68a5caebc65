/* SPDX-License-Identifier: Apache-2.0 */
/* Text → tree, and what refusals say: message, line, hint, the line itself. */
#include "frontend/syntax.h"
#include "tests/unit/test.h"

static void trees(void **state)
{
	static const struct {
		const char *text, *tree;
	} cases[] = {
		{"FROM a", "(from \"a\")\n"},
		{"\xef\xbb\xbf"
		 "FROM a\r\nRUN b\r\n",
		 "(from \"a\")\n(run \"b\")\n"},
		{"FROM a AS b\n", "(from \"a\" \"AS\" \"b\")\n"},
		{"run a \\\n  b \\\n# comment\n\n  c\n", "(run \"a   b   c\")\n"},
		{"RUN a \\\\\nUSER b", "(run \"a \\\\\\\\\")\n(user \"b\")\n"},
		{"# escape=`\nRUN a `\nb\nCOPY c:\\d e", "(run \"a b\")\n(copy \"c:\\\\d\" \"e\")\n"},
		{"# note\n# escape=`\nRUN a `\n", "(run \"a `\")\n"},
		{"RUN [\"a\", \"b c\"]", "(run \"a\" \"b c\")\n"},
		{"RUN [\"a\", b]", "(run \"[\\\"a\\\", b]\")\n"},
		{"COPY --from=x --chown=\"a b\" c d", "(copy [\"--from=x\" \"--chown=a b\"] \"c\" \"d\")\n"},
		{"COPY -- --x d", "(copy \"--x\" \"d\")\n"},
		{"ENV a=1 b=\"x y\" c=d\\ e",
		 "(env \"a\" \"1\" \"=\" \"b\" \"\\\"x y\\\"\" \"=\" \"c\" \"d\\\\ e\" \"=\")\n"},
		{"ENV a  b  c", "(env \"a\" \"b  c\" \"\")\n"},
		{"HEALTHCHECK --interval=5s CMD [\"a\"]", "(healthcheck [\"--interval=5s\"] \"CMD\" \"a\")\n"},
		{"ONBUILD COPY --from=x a b", "(onbuild (copy [\"--from=x\"] \"a\" \"b\"))\n"},
		{"RUN <<E\nx\nE\nUSER a", "(run \"<<E\")\n(user \"a\")\n"},
		{"RUN echo '<<E'\nUSER a", "(run \"echo '<<E'\")\n(user \"a\")\n"},
		{"PROFILE --ready=tcp:80 --from=t /t.sh a\nPRUNE --keep=/x --keep=/y",
		 "(profile [\"--ready=tcp:80\" \"--from=t\"] \"/t.sh a\")\n(prune [\"--keep=/x\" \"--keep=/y\"])\n"},
		{"LABEL a=\x01\xff\xc3\xa9", "(label \"a\" \"\\x01\\xff\xc3\xa9\" \"=\")\n"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;
		WH_AUTO_BUF struct wh_buf got = WH_BUF_INIT;

		assert_int_equal(wh_dockerfile_parse("D", cases[i].text, strlen(cases[i].text), &d, NULL), 0);
		wh_ast_print(d, &got);
		assert_string_equal(got.p, cases[i].tree);
	}
}

static void refusals(void **state)
{
	static const struct {
		const char *text;
		unsigned line;
		const char *message, *hint, *excerpt;
	} cases[] = {
		{"", 0, "file with no instructions", NULL, NULL},
		{"# only\n\n", 0, "file with no instructions", NULL, NULL},
		{"ARG a\n", 0, "dockerfile contains no stages to build", "a stage begins with FROM", NULL},
		{"RUN a\nFROM b", 1, "no build stage in current context", "only ARG", "RUN a"},
		{"FROM a\n\nRUNN b\\\n c\n", 3, "unknown instruction: RUNN", "did you mean RUN?", "RUNN b\\\n c"},
		{"FROM a\nRUN b &&\n  apt-get install", 3, "unknown instruction: apt-get",
		 "must end in the escape character", "  apt-get install"},
		{"FROM a AS 1x", 1, "invalid name for build stage: \"1x\"", NULL, "FROM a AS 1x"},
		{"FROM a b", 1, "FROM requires either one or three arguments", "FROM a AS b", "FROM a b"},
		{"FROM", 1, "FROM requires either one or three arguments", NULL, "FROM"},
		{"FROM --plattform=x a", 1, "unknown flag: --plattform", "did you mean --platform?", NULL},
		{"FROM a\nCOPY --chown=a --chown=b c d", 2, "duplicate flag specified: --chown", NULL, NULL},
		{"FROM a\nCOPY --chown c d", 2, "missing a value on flag: --chown", NULL, NULL},
		{"FROM a\nCOPY --link=maybe c d", 2, "expecting boolean value for flag --link, not: maybe", NULL, NULL},
		{"FROM a\nCOPY c", 2, "COPY requires at least two arguments, but only one was provided", NULL, NULL},
		{"FROM a\nRUN", 2, "RUN requires at least one argument", NULL, "RUN"},
		{"FROM a\nENV a", 2, "ENV must have two arguments", NULL, "ENV a"},
		{"FROM a\nENV a=b c", 2, "can't find = in \"c\"", "quotes", NULL},
		{"FROM a\nENV =b", 2, "ENV names can not be blank", NULL, NULL},
		{"FROM a\nUSER", 2, "USER requires exactly one argument", NULL, NULL},
		{"FROM a\nSHELL sh", 2, "SHELL requires the arguments to be in JSON form", NULL, NULL},
		{"FROM a\nCMD [\"a\", 1]", 2, "arrays must be comprised of strings only", NULL, NULL},
		{"FROM a\nRUN <<E\nx", 2, "unterminated heredoc", NULL, NULL},
		{"FROM a\nCOPY a <<E\nE", 2, "COPY cannot accept a heredoc as a destination", NULL, NULL},
		{"FROM a\nCOPY <<a/b /c\na/b", 2, "heredoc name 'a/b' cannot be the name of a file", NULL, NULL},
		{"FROM a\nHEALTHCHECK --interval=1x CMD b", 2, "--interval: invalid duration \"1x\"", "30s", NULL},
		{"FROM a\nHEALTHCHECK --interval=1us CMD b", 2, "cannot be less than 1ms", NULL, NULL},
		{"FROM a\nHEALTHCHECK --retries=-1 CMD b", 2, "--retries cannot be negative", NULL, NULL},
		{"FROM a\nHEALTHCHECK NONE x", 2, "HEALTHCHECK NONE takes no arguments", NULL, NULL},
		{"FROM a\nHEALTHCHECK TCP x", 2, "unknown type \"TCP\" in HEALTHCHECK (try CMD)", NULL, NULL},
		{"FROM a\nHEALTHCHECK CMD", 2, "missing command after HEALTHCHECK CMD", NULL, NULL},
		{"FROM a\nONBUILD", 2, "ONBUILD requires at least one argument", NULL, NULL},
		{"FROM a\nONBUILD FROM b", 2, "FROM isn't allowed as an ONBUILD trigger", NULL, NULL},
		{"FROM a\nONBUILD RUNN b", 2, "unknown instruction: RUNN", "did you mean RUN?", NULL},
		{"FROM a\nRUN --network=bridge b", 2, "invalid network mode \"bridge\"", NULL, NULL},
		{"FROM a\nRUN --security=none b", 2, "security \"none\" is not valid", NULL, NULL},
		{"FROM a\nRUN --mount=from=$x b", 2, "'from' doesn't support variable expansion", "AS name", NULL},
		{"# escape=x\nFROM a", 1, "invalid escape token 'x'", NULL, "# escape=x"},
		{"# escape=`\n# escape=`\nFROM a", 2, "only one escape parser directive can be used", NULL, NULL},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;
		WH_AUTO_ERR struct wh_err *err = NULL;
		int r = wh_dockerfile_parse("D", cases[i].text, strlen(cases[i].text), &d, &err);

		if (r == 0)
			r = wh_dockerfile_check(d, &err);
		if (r >= 0 || !strstr(err->msg, cases[i].message) || err->line != cases[i].line ||
		    (cases[i].hint && (!err->hint || !strstr(err->hint, cases[i].hint))) ||
		    (cases[i].excerpt && !wh_streq(err->excerpt, cases[i].excerpt)) || !wh_streq(err->file, "D"))
			fail_msg("%s: line %u: %s (%s) [%s]", cases[i].text, err ? err->line : 0,
				 err ? err->msg : "accepted", err && err->hint ? err->hint : "",
				 err && err->excerpt ? err->excerpt : "");
	}
}

static void positions(void **state)
{
	static const char text[] = "# a\nFROM x\n\n# doc\n#more\nRUN <<E\n1\n2\nE\nRUN a \\\n\n b\n";
	WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;

	(void)state;
	assert_int_equal(wh_dockerfile_parse("D", text, sizeof(text) - 1, &d, NULL), 0);
	assert_int_equal(d->n_nodes, 3);
	assert_int_equal(d->nodes[0].line, 2);
	assert_string_equal(d->nodes[0].comments[0], "a");
	assert_int_equal(d->nodes[1].line, 6);
	assert_int_equal(d->nodes[1].last_line, 9);
	assert_string_equal(d->nodes[1].comments[0], "doc");
	assert_string_equal(d->nodes[1].comments[1], "more");
	assert_true(wh_str_eq(d->nodes[1].source, "RUN <<E\n1\n2\nE\n"));
	assert_int_equal(d->nodes[2].line, 10);
	assert_int_equal(d->nodes[2].empty_line, 11);
	assert_string_equal(d->nodes[2].original, "RUN a  b");
}

static void directives(void **state)
{
	static const char text[] =
		"#Syntax = docker/dockerfile:1 # x\n#check=skip=all;error=true\nFROM x\n# syntax=no\n";
	WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;

	(void)state;
	assert_int_equal(wh_dockerfile_parse("D", text, sizeof(text) - 1, &d, NULL), 0);
	assert_string_equal(d->syntax, "docker/dockerfile:1");
	assert_string_equal(d->check, "skip=all;error=true");
}

static void heredocs(void **state)
{
	static const char text[] = "RUN 3<<A <<-'B' x\n$a\nA\n\tb\n\tB\n";
	WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;
	const struct wh_heredoc *h;

	(void)state;
	assert_int_equal(wh_dockerfile_parse("D", text, sizeof(text) - 1, &d, NULL), 0);
	assert_int_equal(d->nodes[0].n_heredocs, 2);
	h = d->nodes[0].heredocs;
	assert_string_equal(h[0].name, "A");
	assert_int_equal(h[0].fd, 3);
	assert_true(h[0].expand && !h[0].chomp);
	assert_string_equal(h[0].data, "$a\n");
	assert_string_equal(h[1].name, "B");
	assert_true(!h[1].expand && h[1].chomp);
	assert_string_equal(h[1].data, "\tb\n");
}

static void limits(void **state)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_dockerfile *d = NULL;
	size_t i;

	(void)state;
	wh_buf_adds(&text, "FROM a\nRUN ");
	for (i = 0; i < WH_LINE_MAX - 4; i++)
		wh_buf_addc(&text, 'x');
	wh_buf_addc(&text, '\n');
	assert_int_equal(wh_dockerfile_parse("D", text.p, text.n, &d, NULL), 0);
	wh_dockerfile_free(d);
	text.p[text.n - 1] = 'x';
	assert_true(wh_dockerfile_parse("D", text.p, text.n, &d, &err) < 0);
	assert_int_equal(err->line, 2);
	assert_true(wh_dockerfile_parse("D", "FROM\0a", 6, &d, NULL) < 0);
}

/* What Go's decoder takes, ours takes, too, and in the same way. */
static void json_words(void **state)
{
	static const struct {
		const char *in, *out; /* NULL: no JSON */
	} cases[] = {
		{"[\"a\", \"b\"]", "a|b|"},
		{" [] ", ""},
		{"[\"\\ud83d\\ude00\"]", "\xf0\x9f\x98\x80|"},
		{"[\"\\ud83dx\", \"\\ude00\"]", "\xef\xbf\xbdx|\xef\xbf\xbd|"},
		{"[\"caf\xe9\"]", "caf\xef\xbf\xbd|"},
		{"[\"\\\\ud83d\"]", "\\ud83d|"},
		{"[\"a\\u0000b\"]", "a" WH_WORD_NUL "b|"},
		{"[\"a\"] x", NULL},
		{"['a']", NULL},
		{"[\"a", NULL},
	};
	size_t i, k;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_STRV struct wh_strv words = {0};
		WH_AUTO_BUF struct wh_buf got = WH_BUF_INIT;

		assert_int_equal(wh_words_json(wh_str(cases[i].in), &words, NULL), cases[i].out ? 1 : 0);
		for (k = 0; k < words.n; k++)
			wh_buf_addf(&got, "%s|", words.v[k]);
		assert_string_equal(got.p ? got.p : "", cases[i].out ? cases[i].out : "");
	}
	{
		WH_AUTO_STRV struct wh_strv words = {0};

		assert_true(wh_words_json(wh_str("[99999999999999999999]"), &words, NULL) < 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_words), cmocka_unit_test(trees),      cmocka_unit_test(refusals),
		cmocka_unit_test(positions),  cmocka_unit_test(directives), cmocka_unit_test(heredocs),
		cmocka_unit_test(limits),
	};

	return cmocka_run_group_tests_name("frontend_parse", tests, NULL, NULL);
}
