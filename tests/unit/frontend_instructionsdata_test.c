/* SPDX-License-Identifier: Apache-2.0 */
/* The instruction tables of the conformance data: the groups that end at the syntax tree. */
#include "frontend/check.h"
#include "frontend/names.h"
#include "frontend/syntax.h"
#include "tests/unit/frontend_data.h"

static int parse_text(const char *text, struct wh_dockerfile **d, struct wh_err **err)
{
	return wh_dockerfile_parse("Dockerfile", text, strlen(text), d, err);
}

typedef bool (*group_fn)(const json_t *row);

static bool same_list(const json_t *want, const struct wh_strv *got)
{
	size_t i;

	for (i = 0; i < got->n && i < json_array_size(want); i++)
		if (!wh_streq(got->v[i], json_string_value(json_array_get(want, i))))
			return false;
	return json_array_size(want) == got->n;
}

static bool contains(const struct wh_err *err, const char *text)
{
	return err && strcasestr(err->msg, text);
}

/* One instruction below a FROM: is it refused with this text? */
static bool refused(const json_t *row)
{
	WH_AUTO_FREE char *text = wh_asprintf("FROM scratch\n%s", str(row, "input"));
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;
	int r = parse_text(text, &d, &err);

	if (r == 0)
		r = wh_dockerfile_check(d, &err);
	return r < 0 && contains(err, str(row, "error"));
}

static bool nameval(const json_t *row)
{
	WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;
	json_t *pairs = json_object_get(json_object_get(row, "expect"), "pairs");
	size_t i;

	if (str(row, "error"))
		return refused(row);
	if (parse_text(str(row, "input"), &d, NULL) < 0 || d->nodes[0].n_args != 3 * json_array_size(pairs))
		return false;
	for (i = 0; i < d->nodes[0].n_args; i++)
		if (!wh_streq(d->nodes[0].args[i],
			      json_string_value(json_array_get(json_array_get(pairs, i / 3), i % 3))))
			return false;
	return true;
}

static bool json_words(const json_t *row)
{
	WH_AUTO_STRV struct wh_strv got = {0};
	WH_AUTO_ERR struct wh_err *err = NULL;
	int r = wh_words_json(wh_str(str(row, "input")), &got, &err);

	if (str(row, "error"))
		return r < 0 && contains(err, str(row, "error"));
	return r == 1 && same_list(json_object_get(json_object_get(row, "expect"), "array"), &got);
}

static bool quoted_words(const json_t *row)
{
	WH_AUTO_STRV struct wh_strv got = {0};

	wh_words_quoted(wh_str(str(row, "input")), '\\', &got);
	return same_list(json_object_get(json_object_get(row, "expect"), "words"), &got);
}

static bool flags(const json_t *row)
{
	static const struct wh_flag_def defs[] = {{"str1", WH_FLAG_TEXT}, {"bool1", WH_FLAG_BOOL}, {0}};
	const json_t *input = json_object_get(row, "input"), *expect = json_object_get(row, "expect"), *value;
	const char *list[8] = {0}, *key;
	struct wh_node n = {.flags = list};
	WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;
	size_t i;
	int r;

	if (json_is_string(input)) /* RUN --mount=…: which flags are used */
		return parse_text(json_string_value(input), &d, NULL) == 0 && d->nodes[0].n_flags == 1 &&
		       wh_flag_text(&d->nodes[0], "mount");
	for (i = 0; i < json_array_size(input); i++)
		list[n.n_flags++] = json_string_value(json_array_get(input, i));
	r = wh_flags_check(&n, defs, NULL);
	if (str(row, "error"))
		return r < 0;
	if (r < 0)
		return false;
	json_object_foreach ((json_t *)(uintptr_t)expect, key, value) {
		if (json_is_string(value) && !wh_streq(wh_flag_text(&n, key), json_string_value(value)))
			return false;
		if (json_is_boolean(value) && wh_flag_bool(&n, key, false) != json_is_true(value))
			return false;
		if (json_is_array(value) && (wh_flag_text(&n, "str1") || wh_flag_text(&n, "bool1")))
			return false;
	}
	return true;
}

static bool directives(const json_t *row)
{
	const char *text = str(row, "input"), *key;
	json_t *want = json_object_get(json_object_get(row, "expect"), "directives");
	struct wh_lines in = {text, strlen(text), 0, 0};
	struct wh_directives st = {0};
	struct wh_str line, value;
	size_t n = 0;

	while (wh_lines_next(&in, &line)) {
		json_t *pair = json_array_get(want, n);

		if (wh_directive_line(&st, "#", wh_line_chomp(line), &key, &value, NULL) != 1)
			continue;
		n++;
		if (!wh_streq(key, json_string_value(json_array_get(pair, 0))) ||
		    !wh_str_eq(value, json_string_value(json_array_get(pair, 1))))
			return false;
	}
	return n == json_array_size(want);
}

static bool detect(const json_t *row, const char *key, bool any_form)
{
	const char *text = str(row, "input");
	json_t *expect = json_object_get(row, "expect");
	unsigned line = 0;
	WH_AUTO_FREE char *got = wh_directive_detect(key, text, strlen(text), any_form, &line);
	WH_AUTO_FREE char *word = got ? wh_strndup(got, strcspn(got, " ")) : NULL;

	if (!wh_streq(word, str(expect, key)))
		return false;
	if (str(expect, "cmdline") && !wh_streq(got, str(expect, "cmdline")))
		return false;
	return !json_object_get(expect, "line") || json_integer_value(json_object_get(expect, "line")) == line;
}

static bool syntax(const json_t *row)
{
	return detect(row, "syntax", true);
}

static bool check_directive(const json_t *row)
{
	return detect(row, "check", false);
}

static bool same_heredocs(const json_t *want, const struct wh_node *n)
{
	size_t i;

	if (json_array_size(want) != n->n_heredocs)
		return false;
	for (i = 0; i < n->n_heredocs; i++) {
		const json_t *w = json_array_get(want, i);
		const struct wh_heredoc *h = &n->heredocs[i];

		if (!wh_streq(str(w, "Name"), h->name) || !wh_streq(str(w, "Content"), h->data) ||
		    json_is_true(json_object_get(w, "Expand")) != h->expand ||
		    json_is_true(json_object_get(w, "Chomp")) != h->chomp ||
		    json_integer_value(json_object_get(w, "FileDescriptor")) != (json_int_t)h->fd)
			return false;
	}
	return true;
}

static bool heredoc_parse(const json_t *row)
{
	WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;
	const json_t *expect = json_object_get(row, "expect");
	const json_t *each = json_object_get(expect, "heredocs_of_children_from_1");
	size_t i;

	if (parse_text(str(row, "input"), &d, NULL) < 0)
		return false;
	if (!each)
		return d->n_nodes == 1 && same_heredocs(json_object_get(expect, "heredocs"), &d->nodes[0]);
	for (i = 0; i < json_array_size(each); i++)
		if (i + 1 >= d->n_nodes || !same_heredocs(json_array_get(each, i), &d->nodes[i + 1]))
			return false;
	return true;
}

static bool heredoc_chomp(const json_t *row)
{
	const char *text = str(row, "input");
	size_t len;
	WH_AUTO_FREE char *got = wh_heredoc_chomp(text, strlen(text), &len);

	return wh_streq(got, str(json_object_get(row, "expect"), "chomped"));
}

static bool heredoc_word(const json_t *row)
{
	WH_AUTO_ARENA struct wh_arena *a = wh_arena_new();
	const json_t *expect = json_object_get(row, "expect");
	struct wh_heredoc h;
	int r = wh_heredoc_word(a, str(row, "input"), &h, NULL);

	if (str(row, "error"))
		return r < 0;
	return str(expect, "name") ? r == 1 && wh_streq(h.name, str(expect, "name")) : r == 0;
}

static bool heredoc_line(const json_t *row)
{
	WH_AUTO_ARENA struct wh_arena *a = wh_arena_new();
	const json_t *want = json_object_get(json_object_get(row, "expect"), "names");
	struct wh_heredoc found[8];
	int n = wh_heredoc_scan(a, str(row, "input"), found, 8, NULL), i;

	for (i = 0; i < n; i++)
		if (!wh_streq(found[i].name, json_string_value(json_array_get(want, (size_t)i))))
			return false;
	return n == (int)json_array_size(want);
}

static bool heredoc_copy(const json_t *row)
{
	WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;
	WH_AUTO_ARENA struct wh_arena *a = wh_arena_new();
	const json_t *expect = json_object_get(row, "expect"), *files;
	WH_AUTO_STRV struct wh_strv paths = {0};
	const struct wh_node *n;
	struct wh_heredoc h;
	size_t i;

	if (str(row, "error"))
		return refused(row);
	if (parse_text(str(row, "input"), &d, NULL) < 0)
		return false;
	n = &d->nodes[0];
	for (i = 0; i + 1 < n->n_args; i++)
		if (wh_heredoc_word(a, n->args[i], &h, NULL) != 1)
			wh_strv_add(&paths, n->args[i]);
	files = json_object_get(expect, "SourceContents");
	if (!wh_streq(n->args[n->n_args - 1], str(expect, "DestPath")) ||
	    !same_list(json_object_get(expect, "SourcePaths"), &paths) || json_array_size(files) != n->n_heredocs)
		return false;
	for (i = 0; i < n->n_heredocs; i++) {
		const json_t *w = json_array_get(files, i);

		if (!wh_streq(str(w, "Path"), n->heredocs[i].name) || !wh_streq(str(w, "Data"), n->heredocs[i].data) ||
		    json_is_true(json_object_get(w, "Expand")) != n->heredocs[i].expand)
			return false;
	}
	return true;
}

static bool heredoc_run(const json_t *row)
{
	WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;
	const json_t *expect = json_object_get(row, "expect"), *files = json_object_get(expect, "Files");
	WH_AUTO_STRV struct wh_strv args = {0};
	const struct wh_node *n;
	size_t i;

	if (parse_text(str(row, "input"), &d, NULL) < 0)
		return false;
	n = &d->nodes[0];
	for (i = 0; i < n->n_args; i++)
		wh_strv_add(&args, n->args[i]);
	if (!same_list(json_object_get(expect, "CmdLine"), &args) ||
	    json_is_true(json_object_get(expect, "PrependShell")) == n->json || json_array_size(files) != n->n_heredocs)
		return false;
	for (i = 0; i < n->n_heredocs; i++)
		if (!wh_streq(str(json_array_get(files, i), "Name"), n->heredocs[i].name) ||
		    !wh_streq(str(json_array_get(files, i), "Data"), n->heredocs[i].data))
			return false;
	return true;
}

static bool expose(const json_t *row)
{
	WH_AUTO_STRV struct wh_strv words = {0}, got = {0};
	WH_AUTO_ERR struct wh_err *err = NULL;
	const char *input = str(row, "input");
	size_t i;
	int r = 0;

	wh_words_plain(wh_str(input), &words);
	if (!words.n)
		wh_strv_add(&words, "");
	for (i = 0; i < words.n && r == 0; i++)
		r = wh_ports_parse(words.v[i], &got, &err);
	if (str(row, "error"))
		return r < 0 && contains(err, str(row, "error"));
	return r == 0 && same_list(json_object_get(json_object_get(row, "expect"), "ports"), &got);
}

static bool env_list(const json_t *row)
{
	const json_t *input = json_object_get(row, "input"), *env = json_object_get(input, "env");
	const json_t *set = json_object_get(input, "set");
	WH_AUTO_STRV struct wh_strv got = {0};
	size_t i;

	for (i = 0; i < json_array_size(env); i++)
		wh_strv_add(&got, json_string_value(json_array_get(env, i)));
	wh_env_set(&got, json_string_value(json_array_get(set, 0)), json_string_value(json_array_get(set, 1)));
	return same_list(json_object_get(json_object_get(row, "expect"), "env"), &got);
}

/* The text behind "NAME " in the comments above. */
static const char *doc_of(const struct wh_node *n, const char *name)
{
	size_t i, len = strlen(name);

	for (i = 0; n->comments[i]; i++)
		if (strncmp(n->comments[i], name, len) == 0 && n->comments[i][len] == ' ')
			return n->comments[i] + len + 1;
	return "";
}

static bool doc_comments(const json_t *row)
{
	static const struct {
		size_t node;
		const char *list;
		size_t at;
		const char *key;
	} where[] = {{0, "meta_args", 0, "key"},
		     {1, "stages", 0, "name"},
		     {2, "stage0_args", 0, "key"},
		     {3, "stage0_args", 1, "key"},
		     {3, "stage0_args", 2, "key"}};
	WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;
	const json_t *expect = json_object_get(row, "expect");
	size_t i;

	if (parse_text(str(row, "input"), &d, NULL) < 0 || d->n_nodes != 4)
		return false;
	for (i = 0; i < WH_ARRAY_SIZE(where); i++) {
		const json_t *want = json_array_get(json_object_get(expect, where[i].list), where[i].at);

		if (!wh_streq(doc_of(&d->nodes[where[i].node], str(want, where[i].key)), str(want, "doc")))
			return false;
	}
	return true;
}

static bool empty_continuation(const json_t *row)
{
	WH_AUTO_DOCKERFILE struct wh_dockerfile *d = NULL;
	const json_t *expect = json_object_get(row, "expect"), *want = json_object_get(expect, "contain");
	size_t i, found = 0;

	if (parse_text(str(row, "input"), &d, NULL) < 0)
		return false;
	for (i = 0; i < d->n_nodes; i++) {
		if (!d->nodes[i].empty_line)
			continue;
		if (!strstr(d->nodes[i].original, json_string_value(json_array_get(want, found))))
			return false;
		found++;
	}
	return found == (size_t)json_integer_value(json_object_get(expect, "warnings"));
}

static bool long_line(const json_t *row)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_dockerfile *d = NULL;
	size_t i;

	wh_buf_adds(&text, "FROM image\n\t\tLABEL test=");
	for (i = 0; i < 65536; i++)
		wh_buf_addc(&text, 'a');
	wh_buf_addc(&text, '\n');
	return parse_text(text.p, &d, &err) < 0 && contains(err, str(row, "error")) && err->line == 2;
}

static bool same_text(const json_t *want, const char *key, const char *got)
{
	const char *text = json_string_value(json_object_get(want, key));

	return wh_streq(text ? text : "", got ? got : "");
}

/* An object: the parts; null: no git address; a string: the address in its short form. */
static bool git_ref(const json_t *row)
{
	const json_t *want = json_object_get(json_object_get(row, "expect"), "git");
	WH_CLEANUP(wh_git_ref_release) struct wh_git_ref g = {0};
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_FREE char *text = NULL;
	int r;

	if (json_is_string(want)) {
		text = wh_git_ref_format(str(row, "input"), wh_has_suffix(str(row, "source"), "WithSubdir"));
		return wh_streq(text, json_string_value(want));
	}
	r = wh_git_ref_parse(str(row, "input"), &g, &err);
	if (str(row, "error"))
		return r < 0 && contains(err, str(row, "error"));
	if (!json_is_object(want))
		return r == 0;
	return r == 1 && same_text(want, "Remote", g.remote) && same_text(want, "ShortName", g.short_name) &&
	       same_text(want, "Ref", g.ref) && same_text(want, "SubDir", g.subdir) &&
	       same_text(want, "Checksum", g.checksum) && same_text(want, "MTime", g.mtime) &&
	       json_is_true(json_object_get(want, "FetchByCommit")) == g.fetch_by_commit &&
	       json_is_true(json_object_get(want, "IndistinguishableFromLocal")) == g.local_like;
}

static const struct {
	const char *group;
	group_fn test;
} groups[] = {
	{"arity", refused},
	{"errors", refused},
	{"nameval", nameval},
	{"json", json_words},
	{"words", quoted_words},
	{"flags", flags},
	{"directives", directives},
	{"syntax", syntax},
	{"check_directive", check_directive},
	{"heredoc_parse", heredoc_parse},
	{"heredoc_chomp", heredoc_chomp},
	{"heredoc_word", heredoc_word},
	{"heredoc_line", heredoc_line},
	{"heredoc_copy", heredoc_copy},
	{"heredoc_run", heredoc_run},
	{"expose", expose},
	{"env_list", env_list},
	{"doc_comments", doc_comments},
	{"empty_continuation", empty_continuation},
	{"long_line", long_line},
	{"git_ref", git_ref},
};

static void instruction_tables(void **state)
{
	DATA(dir);
	WH_AUTO_JSON json_t *rows = data_json(dir, "instructions/instructions.json");
	size_t i, k, failed = 0, done = 0;
	json_t *row;

	(void)state;
	json_array_foreach (rows, i, row) {
		for (k = 0; k < WH_ARRAY_SIZE(groups); k++) {
			if (!wh_streq(groups[k].group, str(row, "group")))
				continue;
			done++;
			if (!groups[k].test(row)) {
				WH_AUTO_FREE char *text = json_dumps(row, JSON_COMPACT);

				MISS(failed, "row %zu: %s", i, text);
			}
		}
	}
	assert_int_equal(failed, 0);
	assert_int_equal(done, 139 - 3 - 5); /* all but healthcheck and convert, which are lowered elsewhere */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(instruction_tables),
	};

	if (data_is_missing())
		return 0;
	return cmocka_run_group_tests_name("frontend_instructionsdata", tests, NULL, NULL);
}
