/* SPDX-License-Identifier: Apache-2.0 */
/* Remote sources without a server: what is refused, what is at hand, what git is told. tests/prog/remote.t has the rest. */
#include "layers/remote_private.h"
#include "tests/unit/layers_helper.h"

static struct bed bed;

static int setup(void **state)
{
	bed_open(&bed);
	*state = bed.store;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	bed_close(&bed);
	return 0;
}

static void shown(void **state)
{
	static const char *const cases[][2] = {
		{"https://h/x", "https://h/x"},
		{"https://u:p@h/x?y=a@b", "https://h/x?y=a@b"},
		{"https://u:p@q@h/x", "https://h/x"},
		{"ssh://git@h/x", "ssh://git@h/x"},
		{"ssh://git:p@h/x", "ssh://h/x"},
		{"git@h:x", "git@h:x"},
		{"a\nb\033c", "a?b?c"},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_FREE char *got = wh_remote_shown(cases[i][0]);

		assert_string_equal(got, cases[i][1]);
	}
}

static void keys(void **state)
{
	char a[65], b[65], c[65];

	(void)state;
	wh_sources_key(a, "ab", "c", NULL);
	wh_sources_key(b, "a", "bc", NULL);
	wh_sources_key(c, "ab", "c", NULL);
	assert_string_not_equal(a, b);
	assert_string_equal(a, c);
	assert_int_equal(strlen(a), 64);
}

static void secrets(void **state)
{
	const struct wh_remote_secret list[] = {{"A.h", "one\r\n", 5}, {"A", "t\nwo", 4}, {"B", "", 0}};
	const struct wh_remote_opts o = {.secrets = list, .n_secrets = WH_ARRAY_SIZE(list)};
	WH_AUTO_FREE char *line = NULL;
	WH_AUTO_FREE char *empty = NULL;
	WH_AUTO_FREE char *basic = wh_remote_basic("user:pass");

	(void)state;
	line = wh_remote_secret_line(wh_remote_secret(&o, "%s.%s", "A", "h"));
	assert_string_equal(line, "one");
	assert_null(wh_remote_secret_line(wh_remote_secret(&o, "A")));
	empty = wh_remote_secret_line(wh_remote_secret(&o, "B"));
	assert_string_equal(empty, "");
	assert_null(wh_remote_secret(&o, "C"));
	assert_null(wh_remote_secret(NULL, "A"));
	assert_string_equal(basic, "dXNlcjpwYXNz");
}

static void records(void **state)
{
	struct wh_store *s = *state;
	WH_AUTO_JSON json_t *record = json_pack("{s:s, s:i}", "etag", "\"x\"", "modified", 7);
	WH_AUTO_JSON json_t *back = NULL;
	WH_AUTO_FD int dir = -1;

	assert_null(wh_sources_record(s, "http", "a"));
	wh_sources_note(s, "http", "a", record);
	back = wh_sources_record(s, "http", "a");
	assert_true(json_equal(record, back));
	dir = wh_sources_dir(s, "http", NULL);
	assert_true(dir >= 0);
	assert_int_equal(wh_write_file_atomic(dir, "a", "{\"etag\":", 8, 0600, false), 0);
	assert_null(wh_sources_record(s, "http", "a"));
}

/* What no server needs to be asked for, and what is refused before one is. */
static void requests(void **state)
{
	static const struct {
		const char *text;
		const char *error; /* NULL: not at hand */
	} cases[] = {
		{"{\"kind\":\"http\",\"url\":\"http://h/x\",\"filename\":\"x\"}", NULL},
		{"{\"kind\":\"http\",\"url\":\"file:///x\",\"filename\":\"x\"}", "is no URL"},
		{"{\"kind\":\"http\",\"url\":\"http://h/x\",\"filename\":\"..\"}", "says too little"},
		{"{\"kind\":\"http\",\"url\":\"http://h/x\",\"filename\":\"a/b\"}", "says too little"},
		{"{\"kind\":\"http\",\"url\":\"http://h/x\",\"filename\":\"x\",\"checksum\":\"sha256:../..\"}",
		 "says too little"},
		{"{\"kind\":\"git\",\"remote\":\"https://h/x.git\"}", NULL},
		{"{\"kind\":\"git\",\"remote\":\"https://h/x.git\",\"ref\":\"--upload-pack=x\"}", "invalid git ref"},
		{"{\"kind\":\"git\",\"remote\":\"https://h/x.git\",\"ref\":\"a b\"}", "invalid git ref"},
		{"{\"kind\":\"git\",\"remote\":\"https://h/x.git\",\"ref\":\"a:b\"}", "invalid git ref"},
		{"{\"kind\":\"git\",\"remote\":\"https://h/x.git\",\"subdir\":\"../x\"}", "invalid directory"},
		{"{\"kind\":\"git\",\"remote\":\"https://h/x.git\",\"subdir\":\"/x\"}", "invalid directory"},
		{"{\"kind\":\"git\",\"remote\":\"https://h/x.git\",\"subdir\":\"a/../b\"}", "invalid directory"},
		{"{\"kind\":\"git\",\"remote\":\"https://h/x.git\",\"checksum\":\"xyz\"}", "expected hex commit hash"},
		{"{\"kind\":\"git\",\"remote\":\"https://h/x.git\",\"by_commit\":true,\"checksum\":\"abc\"}",
		 "requires a full commit SHA checksum"},
		{"{\"kind\":\"git\",\"remote\":\"https://h/x.git\",\"checksum\":\"0123456789012345678901234567890123456789\","
		 "\"ref\":\"1111111111111111111111111111111111111111\"}",
		 "expected checksum to match"},
		{"{\"kind\":\"ftp\"}", "no known kind"},
	};
	struct wh_store *s = *state;

	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_JSON json_t *q = json_loads(cases[i].text, 0, NULL), *reply = NULL;
		WH_AUTO_ERR struct wh_err *err = NULL;
		bool git = strstr(cases[i].text, "\"git\"") != NULL;

		assert_non_null(q);
		assert_int_equal(wh_remote_at_hand(s, q, &reply), 0);
		assert_null(reply);
		if (!cases[i].error)
			continue;
		if (strstr(cases[i].text, "ftp"))
			assert_true(wh_remote_fetch(s, &(struct wh_remote_opts){0}, q, &reply, &err) < 0);
		else if (git)
			assert_true(wh_remote_git(s, NULL, q, &reply, &err) < 0);
		else
			assert_true(wh_remote_http(s, NULL, q, &reply, &err) < 0);
		if (!err || !strstr(err->msg, cases[i].error))
			fail_msg("%s: %s", cases[i].text, err ? err->msg : "no error");
	}
}

/* A body that is there by its digest is all that a pinned request needs; its time is the record's. */
static void pinned(void **state)
{
	struct wh_store *s = *state;
	struct wh_digest d;
	char hex[65];
	WH_AUTO_FD int dir = wh_sources_dir(s, "files", NULL);
	WH_AUTO_JSON json_t *q = NULL, *reply = NULL, *again = NULL, *record = NULL;
	WH_AUTO_FREE char *file = NULL;
	struct stat st;

	wh_digest_of("body", 4, &d);
	wh_digest_hex(&d, hex);
	q = json_pack("{s:s, s:s, s:s, s:s+}", "kind", "http", "url", "http://h.invalid/x", "filename", "name",
		      "checksum", "sha256:", hex);
	assert_int_equal(wh_remote_at_hand(s, q, &reply), 0);
	assert_int_equal(wh_write_file_atomic(dir, hex, "body", 4, 0600, false), 0);
	record = json_pack("{s:i}", "modified", 981173106);
	wh_sources_note(s, "sums", hex, record);
	assert_int_equal(wh_remote_at_hand(s, q, &reply), 1);
	file = wh_asprintf("%s/name", wh_json_str(reply, "path"));
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mtime, 981173106);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(wh_remote_at_hand(s, q, &again), 1);
	assert_true(json_equal(reply, again));
	json_object_set_new(q, "filename", json_string("other"));
	json_decref(again);
	again = NULL;
	assert_int_equal(wh_remote_at_hand(s, q, &again), 1);
	assert_string_not_equal(wh_json_str(reply, "key"), wh_json_str(again, "key"));
}

/* What git is told: no files of this machine, nothing of the user's, logins in its environment alone. */
static void surroundings(void **state)
{
	static const char *const bad[] = {
		"/srv/x.git",
		"file:///srv/x.git",
		"ext::sh -c id",
		"-oProxyCommand=x@h:y",
		"git@-oProxyCommand=x:y",
		"ssh://-oProxyCommand=x/y",
		"git@h:-x",
		"git@h:",
		"https://",
		"https://h/a b.git",
		"ftp://h/x.git",
		"x.git",
	};
	struct wh_store *s = *state;
	const struct wh_remote_secret list[] = {{"GIT_AUTH_TOKEN", "sesame\n", 7}};
	const struct wh_remote_opts o = {.secrets = list, .n_secrets = 1};
	struct wh_git g = {.shown = "x"};
	const char *login = NULL;

	for (size_t i = 0; i < WH_ARRAY_SIZE(bad); i++) {
		struct wh_git no = {.shown = "x"};

		if (wh_git_open(&no, s, NULL, bad[i], NULL) == 0)
			fail_msg("%s: taken", bad[i]);
		wh_git_close(&no);
	}
	assert_int_equal(wh_git_open(&g, s, &o, "https://u:p@h:8/x.git", NULL), 0);
	assert_string_equal(g.remote, "https://h:8/x.git");
	for (size_t i = 0; i < g.env.n; i++) {
		assert_null(strstr(g.env.v[i], "sesame"));
		if (strstr(g.env.v[i], "Authorization: "))
			login = strstr(g.env.v[i], "Authorization: ");
	}
	assert_string_equal(login, "Authorization: basic eC1hY2Nlc3MtdG9rZW46c2VzYW1l"); /* x-access-token:sesame */
	assert_string_equal(wh_env_get(&g.env, "HOME"), "/dev/null");
	assert_string_equal(wh_env_get(&g.env, "GIT_CONFIG_NOSYSTEM"), "1");
	assert_string_equal(wh_env_get(&g.env, "GIT_TERMINAL_PROMPT"), "0");
	assert_null(wh_env_get(&g.env, "SSH_AUTH_SOCK"));
	wh_git_close(&g);
	g = (struct wh_git){.shown = "x"};
	assert_int_equal(wh_git_open(&g, s, &(struct wh_remote_opts){.ssh_socket = "/a"}, "git@h:x", NULL), 0);
	assert_string_equal(wh_env_get(&g.env, "SSH_AUTH_SOCK"), "/a");
	assert_non_null(strstr(wh_env_get(&g.env, "GIT_SSH_COMMAND"), "IdentityFile=none"));
	wh_git_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shown),
		cmocka_unit_test(keys),
		cmocka_unit_test(secrets),
		cmocka_unit_test_setup_teardown(records, setup, teardown),
		cmocka_unit_test_setup_teardown(requests, setup, teardown),
		cmocka_unit_test_setup_teardown(pinned, setup, teardown),
		cmocka_unit_test_setup_teardown(surroundings, setup, teardown),
	};

	return cmocka_run_group_tests_name("layers_remote", tests, NULL, NULL);
}
