/* SPDX-License-Identifier: Apache-2.0 */
/* Answers without a build: what a check, an outline and a list of targets say, as JSON. */
#include "tests/unit/frontend_resolver.h"
#include "tests/unit/test.h"

static json_t *lint(const char *text, struct wh_lower_opts *o)
{
	const struct wh_image_resolver resolver = {NULL, test_resolve};
	WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;

	assert_int_equal(wh_dockerfile_parse("dir/Dockerfile", text, strlen(text), &d, NULL), 0);
	o->build_platform = "linux/amd64";
	o->resolver = &resolver;
	return wh_dockerfile_lint(d, o);
}

static json_t *outline(const char *text, const char *target, const char *args)
{
	const struct wh_image_resolver resolver = {NULL, test_resolve};
	WH_AUTO_STRV struct wh_strv list = {0};
	struct wh_lower_opts o = {
		.build_platform = "linux/amd64", .resolver = &resolver, .target = target, .build_args = &list};
	WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;
	WH_AUTO_ERR struct wh_err *err = NULL;
	json_t *answer = NULL;

	wh_strv_add(&list, args);
	assert_int_equal(wh_dockerfile_parse("Dockerfile", text, strlen(text), &d, NULL), 0);
	if (wh_dockerfile_outline(d, &o, &answer, &err) < 0)
		fail_msg("%s", err->msg);
	return answer;
}

static void same(json_t *answer, const char *want)
{
	WH_AUTO_JSON json_t *a = answer;
	WH_AUTO_JSON json_t *w = json_loads(want, 0, NULL);
	WH_AUTO_FREE char *got = json_dumps(a, JSON_INDENT(1) | JSON_SORT_KEYS);
	WH_AUTO_FREE char *expected = NULL;

	assert_non_null(w);
	expected = json_dumps(w, JSON_INDENT(1) | JSON_SORT_KEYS);
	assert_string_equal(got, expected);
}

#define AT(l) "{\"ranges\": [{\"start\": {\"line\": " #l "}, \"end\": {\"line\": " #l "}}]}"

static void check_answer(void **state)
{
	struct wh_lower_opts o = {0};

	(void)state;
	/* "RlJ…" is the text in base64; a place has a range for each of its lines. */
	same(lint("FROM scratch AS B\nCMD a\\\n b\n", &o),
	     "{\"warnings\": ["
	     "{\"ruleName\": \"StageNameCasing\", \"description\": \"Stage names should be lowercase\","
	     " \"url\": \"https://docs.docker.com/go/dockerfile/rule/stage-name-casing/\","
	     " \"detail\": \"Stage name 'B' should be lowercase\", \"location\": " AT(
		     1) "},"
			"{\"ruleName\": \"JSONArgsRecommended\", \"description\": \"JSON arguments recommended for ENTRYPOINT/CMD to prevent "
			"unintended behavior related to OS signals\","
			" \"url\": \"https://docs.docker.com/go/dockerfile/rule/json-args-recommended/\","
			" \"detail\": \"JSON arguments recommended for CMD to prevent unintended behavior related to OS signals\","
			" \"location\": {\"ranges\": [{\"start\": {\"line\": 2}, \"end\": {\"line\": 2}},"
			" {\"start\": {\"line\": 3}, \"end\": {\"line\": 3}}]}}],"
			"\"sources\": [{\"filename\": \"Dockerfile\", \"data\": \"RlJPTSBzY3JhdGNoIEFTIEIKQ01EIGFcCiBiCg==\","
			" \"language\": \"Dockerfile\"}]}");
	same(lint("FROM scratch\nMAINTAINER m\nBADCMD\n", &o),
	     "{\"warnings\": [{\"ruleName\": \"MaintainerDeprecated\", \"description\": \"The MAINTAINER instruction is "
	     "deprecated, use a label instead to define an image author\","
	     " \"url\": \"https://docs.docker.com/go/dockerfile/rule/maintainer-deprecated/\","
	     " \"detail\": \"Maintainer instruction is deprecated in favor of using label\", \"location\": " AT(
		     2) "}],"
			"\"buildError\": {\"message\": \"dockerfile parse error on line 3: unknown instruction: BADCMD\","
			" \"location\": " AT(
				3) "},"
				   "\"sources\": [{\"filename\": \"Dockerfile\", \"data\": \"RlJPTSBzY3JhdGNoCk1BSU5UQUlORVIgbQpCQURDTUQK\","
				   " \"language\": \"Dockerfile\"}]}");
}

static void told(void *arg, const char *name)
{
	struct wh_buf *out = arg;

	wh_buf_addf(out, "%s ", name);
}

static void nothing_at_hand(void **state)
{
	WH_AUTO_BUF struct wh_buf names = WH_BUF_INIT;
	struct wh_lower_opts o = {.unresolved_ok = true, .unresolved = told, .warn_arg = &names};
	WH_AUTO_JSON json_t *answer =
		lint("FROM missing:1 AS a\nCMD x\nFROM missing:1\nCOPY --from=missing/b /x /\n", &o);

	(void)state;
	assert_null(json_object_get(answer, "buildError"));
	assert_int_equal(json_array_size(json_object_get(answer, "warnings")), 1);
	assert_string_equal(names.p, "missing:1 missing/b ");
}

static void refused_text(void **state)
{
	static const char text[] = "FROM a\nENV x\n";
	WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_JSON json_t *answer = NULL;
	json_t *error;

	(void)state;
	assert_true(wh_dockerfile_parse("x/F", text, strlen(text), &d, &err) < 0);
	answer = wh_dockerfile_lint_refused("x/F", text, strlen(text), err);
	error = json_object_get(answer, "buildError");
	assert_string_equal(json_string_value(json_object_get(error, "message")), "ENV must have two arguments");
	assert_int_equal(json_array_size(json_object_get(answer, "warnings")), 0);
	assert_int_equal(
		json_integer_value(json_object_get(
			json_object_get(
				json_array_get(json_object_get(json_object_get(error, "location"), "ranges"), 0),
				"start"),
			"line")),
		2);
}

static void outlines(void **state)
{
	WH_AUTO_JSON json_t *answer = NULL;

	(void)state;
	/* Global ARGs count where FROM or an ARG uses them, with what their defaults need; the stage's own replace them. */
	same(outline("ARG a=1\nARG unused=2\n# b of two words\nARG b=${a}x\nFROM img:$b AS one\nARG OWN=$b\nARG TARGETARCH\n"
		     "FROM scratch AS other\nARG no=1\n# goal is it\nFROM one AS Goal\nARG a\nARG q=3 r\n",
		     "goal", "OWN=given"),
	     "{\"name\": \"goal\", \"description\": \"is it\", \"args\": ["
	     "{\"name\": \"a\", \"value\": \"1\", \"location\": " AT(
		     1) "},"
			"{\"name\": \"b\", \"description\": \"of two words\", \"value\": \"1x\", \"location\": " AT(
				4) "},"
				   "{\"name\": \"OWN\", \"value\": \"given\", \"location\": " AT(
					   6) "},"
					      "{\"name\": \"q\", \"value\": \"3\", \"location\": " AT(
						      13) "},"
							  "{\"name\": \"r\", \"location\": " AT(
								  13) "}],"
								      "\"sources\": [\"QVJHIGE9MQpBUkcgdW51c2VkPTIKIyBiIG9mIHR3byB3b3JkcwpBUkcgYj0ke2F9eApGUk9NIGltZzokYiBBUyBvbmUKQVJHIE9XTj0kYgpBUkcgVEFSR0VUQVJDSApGUk9NIHNjcmF0Y2ggQVMgb3RoZXIKQVJHIG5vPTEKIyBnb2FsIGlzIGl0CkZST00gb25lIEFTIEdvYWwKQVJHIGEKQVJHIHE9MyByCg==\"]}");
	answer = outline("FROM a\nRUN --mount=type=secret,target=/x/tok,required --mount=type=ssh true\n"
			 "FROM a AS b\nARG V\nRUN --mount=type=secret,id=s$V --mount=type=cache,target=/c true\n"
			 "FROM a AS unused\nRUN --mount=type=ssh,id=no true\n"
			 "FROM b\nCOPY --from=0 / /\nRUN --mount=type=ssh,id=k,required=true --mount=type=ssh true",
			 NULL, "V=9");
	json_object_del(answer, "sources");
	same(WH_TAKE_PTR(answer),
	     "{\"args\": [{\"name\": \"V\", \"value\": \"9\", \"location\": " AT(
		     4) "}],"
			"\"secrets\": [{\"name\": \"tok\", \"required\": true, \"location\": " AT(
				2) "},"
				   " {\"name\": \"s9\", \"location\": " AT(
					   5) "}],"
					      "\"ssh\": [{\"name\": \"default\", \"location\": " AT(
						      10) "},"
							  " {\"name\": \"k\", \"required\": true, \"location\": " AT(
								  10) "}],"
								      "\"cache\": [{\"ID\": \"/c\", \"location\": " AT(
									      5) "}]}");
	answer = outline("FROM a\nRUN --mount=type=cache,target=/c true\n", NULL, "BUILDKIT_CACHE_MOUNT_NS=n");
	assert_string_equal(json_string_value(json_object_get(json_array_get(json_object_get(answer, "cache"), 0), "ID")), "/c");
}

/* A default that names what it replaces. */
static void outline_of_itself(void **state)
{
	WH_AUTO_JSON json_t *answer =
		outline("ARG F=1\nARG A=a\nARG F=$F$A\nARG B=${F}4\nARG F=${F}_$B\nFROM scratch\nARG F\n"
			"ARG I=1\nARG J=${I}4\nARG I=$I$J\n",
			NULL, "");
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	const json_t *arg;
	size_t i;

	(void)state;
	json_array_foreach (json_object_get(answer, "args"), i, arg)
		wh_buf_addf(&text, "%s=%s ", json_string_value(json_object_get(arg, "name")),
			    json_string_value(json_object_get(arg, "value")));
	assert_string_equal(text.p, "A=a B=1a4 F=1a_1a4 J=14 I=114 ");
}

static void targets(void **state)
{
	static const char text[] =
		"ARG p\n# build makes it\nFROM --platform=$p img:$v AS Build\nRUN x\nFROM build as second\nFROM img\n"
		"# last one\n# fin is the end\nFROM second AS fin\n";
	WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL, *bad = NULL;
	WH_AUTO_ERR struct wh_err *err = NULL;
	json_t *answer = NULL;

	(void)state;
	assert_int_equal(wh_dockerfile_parse("D", text, strlen(text), &d, NULL), 0);
	assert_int_equal(wh_dockerfile_targets(d, &answer, NULL), 0);
	json_object_del(answer, "sources");
	same(answer,
	     "{\"targets\": ["
	     "{\"name\": \"build\", \"description\": \"makes it\", \"base\": \"img:$v\", \"platform\": \"$p\", "
	     "\"location\": " AT(
		     3) "},"
			"{\"name\": \"second\", \"base\": \"build\", \"location\": " AT(
				5) "},"
				   "{\"base\": \"img\", \"location\": " AT(
					   6) "},"
					      "{\"name\": \"fin\", \"default\": true, \"description\": \"is the end\", \"base\": \"second\", "
					      "\"location\": " AT(9) "}]}");
	assert_int_equal(wh_dockerfile_parse("D", "FROM a b", 8, &bad, NULL), 0);
	assert_true(wh_dockerfile_targets(bad, &answer, &err) < 0);
	assert_non_null(strstr(err->msg, "FROM requires either one or three arguments"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_answer), cmocka_unit_test(nothing_at_hand),   cmocka_unit_test(refused_text),
		cmocka_unit_test(outlines),     cmocka_unit_test(outline_of_itself), cmocka_unit_test(targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
