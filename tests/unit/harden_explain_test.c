/* SPDX-License-Identifier: Apache-2.0 */
/* What a prune report says of paths, and reports that no prune made. Of an image without files: everything went. */
#include "harden/explain_private.h"

#include <errno.h>

#include "tests/unit/layers_helper.h"

#define REPORT(more) "{\"report\":{\"kept\":[],\"removed_tree\":{}" more "}}"
#define PROFILE(processes, used)                                                                              \
	"{\"document\":{\"marks\":[{\"phase\":\"start\",\"test\":null},{\"phase\":\"serve\",\"test\":\"one\"}],"  \
	"\"processes\":[" processes "],\"used\":[" used "],\"created\":[],\"missing\":[]}}"
#define PROCESS(program, parent) "{\"name\":\"application\",\"program\":\"" program "\",\"script\":null,\"parent\":" parent "}"

static json_t *parse(const char *text)
{
	struct wh_err *err = NULL;
	json_t *j = NULL;

	assert_ok(wh_json_parse(text, strlen(text), "test", &j, &err), err);
	return j;
}

static void test_refused(void **state)
{
	static const char *const table[] = {
		"{}",
		"{\"report\":[]}",
		"{\"report\":{\"kept\":[]}}",
		"{\"report\":{\"kept\":[{\"path\":\"a\"}],\"removed_tree\":{}}}",
		"{\"report\":{\"kept\":[],\"removed_tree\":{\"..\":{\"a/b\":true}}}}",
		"{\"report\":{\"kept\":[],\"removed_tree\":{\"a\":null}}}",
		"{\"report\":{\"kept\":[],\"removed_tree\":{\"a\":[\"b\",3]}}}",
		REPORT(",\"lacking\":{}"),
		REPORT(",\"unforeseen\":[1]"),
		REPORT(",\"profiles_in\":[1]"),
		"{\"report\":{\"kept\":[],\"removed_tree\":{}},\"profiles\":[" PROFILE(PROCESS("a", "0"), "") "]}",
		"{\"report\":{\"kept\":[],\"removed_tree\":{}},\"profiles\":[" PROFILE(PROCESS("a", "-2"), "") "]}",
		"{\"report\":{\"kept\":[],\"removed_tree\":{}},\"profiles\":[" PROFILE("", "{}") "]}",
	};
	struct wh_tree *empty = NULL;

	(void)state;
	assert_int_equal(wh_tree_open(NULL, NULL, 0, &empty, NULL), 0);
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		WH_AUTO_JSON json_t *predicate = parse(table[i]);
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct wh_explained *x = NULL;

		if (wh_explained_open(predicate, empty, &x, &err) != -EBADMSG)
			fail_msg("not refused: %s", table[i]);
		assert_null(x);
		assert_null(strchr(err->msg, '\n'));
		assert_true(wh_has_prefix(err->msg, "the image's prune report is damaged, or of another version: "));
	}
	wh_tree_close(empty);
}

static void test_too_deep(void **state)
{
	WH_AUTO_JSON json_t *tree = json_object();
	WH_AUTO_JSON json_t *predicate = NULL;
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_explained *x = NULL;
	struct wh_tree *empty = NULL;

	(void)state;
	for (size_t i = 0; i <= WH_REMOVED_DEPTH; i++)
		tree = json_pack("{s:o}", "d", tree);
	predicate = json_pack("{s:{s:[], s:O}}", "report", "kept", "removed_tree", tree);
	assert_int_equal(wh_tree_open(NULL, NULL, 0, &empty, NULL), 0);
	assert_int_equal(wh_explained_open(predicate, empty, &x, &err), -EBADMSG);
	wh_tree_close(empty);
}

/* Processes, marks, owners, links and versions find each other. */
static void test_told(void **state)
{
	WH_AUTO_JSON json_t *predicate = parse(
		"{\"report\":{\"kept\":[],\"removed_tree\":{\"bin\":[\"usr/bin\",true],\"usr\":{\"bin\":{\"tool\":\"tool\",\"more\":\"tool\"},"
		"\"x.py\":\"python thing 2.0\"}},\"removed_packages\":{\"tool\":{\"files\":2,\"bytes\":7}}},"
		"\"sbomBefore\":{\"packages\":[{\"name\":\"tool\",\"versionInfo\":\"1-2\",\"externalRefs\":[{\"referenceLocator\":\"pkg:deb/x/tool\"}]}]},"
		"\"profiles\":[" PROFILE(PROCESS("app", "-1") "," PROCESS("usr/bin/tool", "0"),
					 "{\"path\":\"usr/bin/tool\",\"access\":\"rx\",\"by\":[1,7,-1],\"when\":[0,1,9]}") "]}");
	static const struct {
		const char *arg, *found;
	} table[] = {
		{"/bin/tool",
		 "[{\"path\":\"/bin\",\"state\":\"removed\",\"target\":\"usr/bin\",\"type\":\"symlink\",\"why\":\"unused\"},"
		 "{\"package\":{\"also_removed\":[\"/usr/bin/more\"],\"kept\":{\"bytes\":0,\"files\":0},\"name\":\"tool\","
		 "\"removed\":{\"bytes\":7,\"files\":2},\"state\":\"removed\",\"type\":\"deb\",\"version\":\"1-2\"},"
		 "\"path\":\"/usr/bin/tool\",\"state\":\"removed\",\"type\":\"file\",\"uses\":[{\"access\":[\"read\",\"execute\"],"
		 "\"by\":[{\"name\":\"application\",\"programs\":[{\"program\":\"/app\"},{\"program\":\"/usr/bin/tool\"}]}],"
		 "\"path\":\"/usr/bin/tool\",\"when\":[\"start\",\"test one\"]}],\"why\":\"unused\"}]"},
		{"/usr/**/m*",
		 "[{\"package\":{\"also_removed\":[\"/usr/bin/tool\"],\"kept\":{\"bytes\":0,\"files\":0},\"name\":\"tool\","
		 "\"removed\":{\"bytes\":7,\"files\":2},\"state\":\"removed\",\"type\":\"deb\",\"version\":\"1-2\"},"
		 "\"path\":\"/usr/bin/more\",\"state\":\"removed\",\"type\":\"file\",\"uses\":[],\"why\":\"unused\"}]"},
		{"/usr/../etc/./x", "[{\"path\":\"/etc/x\",\"state\":\"never\"}]"},
	};
	struct wh_explained *x = NULL;
	struct wh_tree *empty = NULL;
	struct wh_err *err = NULL;

	(void)state;
	assert_int_equal(wh_tree_open(NULL, NULL, 0, &empty, NULL), 0);
	assert_ok(wh_explained_open(predicate, empty, &x, &err), err);
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		WH_AUTO_JSON json_t *asked = NULL;
		WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

		assert_ok(wh_explained_path(x, table[i].arg, &asked, &err), err);
		wh_json_dump(json_object_get(asked, "found"), &text);
		assert_string_equal(text.p, table[i].found);
	}
	wh_explained_close(x);
	wh_tree_close(empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_too_deep),
		cmocka_unit_test(test_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
