/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/harden_helper.h"

static const char *const specs[] = {
	"d etc 755\nf etc/conf 644 x\nl etc/link conf\nd usr 755\nd usr/bin 755\nf usr/bin/app 755 x\nf usr/bin/tool 755 x\n",
	"w etc/gone\nd var 755\n", NULL};

static char *dump(const json_t *j)
{
	struct wh_buf b = WH_BUF_INIT;

	wh_json_dump(j, &b);
	return wh_buf_take(&b);
}

static void test_lists(void **state)
{
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	{
		WH_AUTO_JSON json_t *p = profile_of(g.tree, "M start\n"
							    "P 1 0 /usr/bin/app -\n"
							    "P 2 1 /usr/bin/tool /etc/script\n"
							    "A x 1 /usr/bin/app\n"
							    "A r 2 /etc/conf\n"
							    "M serve\n"
							    "A s 1 /etc/conf\n"
							    "A k 1 /etc/link\n"
							    "N r 1 /etc/none\n"
							    "N c 1 /var/pid\n"
							    "A w 1 /var/pid\n"
							    "N s 2 /var/pid\n"
							    "A r 1 /proc/4711/task/4712/stat\n"
							    "A l 1 /\n"
							    "X 1 setsid\n");
		WH_AUTO_JSON json_t *canonical = wh_profile_canonical(p);
		WH_AUTO_FREE char *text = dump(canonical);

		assert_string_equal(
			text,
			"{\"bound\":[],\"capabilities\":[],\"created\":["
			"{\"access\":\"r\",\"by\":[0],\"path\":\"proc/[pid]/task/[pid]/stat\"},"
			"{\"access\":\"wsc\",\"by\":[0,1],\"path\":\"var/pid\"}],"
			"\"missing\":[{\"by\":[0],\"path\":\"etc/none\"}],"
			"\"observer\":3,\"peers\":[],"
			"\"processes\":["
			"{\"name\":\"application\",\"parent\":-1,\"program\":\"usr/bin/app\",\"script\":null},"
			"{\"name\":\"application\",\"parent\":0,\"program\":\"usr/bin/tool\",\"script\":\"etc/script\"}],"
			"\"remarks\":[{\"by\":[0],\"text\":\"setsid\"}],"
			"\"schema\":2,\"syscalls\":[],"
			"\"used\":["
			"{\"access\":\"l\",\"by\":[0],\"path\":\"\"},"
			"{\"access\":\"rs\",\"by\":[0,1],\"path\":\"etc/conf\"},"
			"{\"access\":\"k\",\"by\":[0],\"path\":\"etc/link\"},"
			"{\"access\":\"x\",\"by\":[0],\"path\":\"usr/bin/app\"}]}");
	}
	grove_close(&g);
}

/* What differs between two runs of the same is numbers and order. */
static void test_equal_observations(void **state)
{
	static const char *const runs[] = {
		"P 1 0 /usr/bin/app -\nP 2 1 /usr/bin/tool -\nP 3 1 /usr/bin/other -\nA r 2 /etc/conf\nA r 3 /etc/link\nA s 1 /proc/12/stat\n",
		"P 1 0 /usr/bin/app -\nP 2 1 /usr/bin/other -\nP 3 1 /usr/bin/tool -\nA s 1 /proc/99/stat\nA r 2 /etc/link\nA r 3 /etc/conf\n",
	};
	WH_AUTO_FREE char *first = NULL, *second = NULL, *merged = NULL;
	struct wh_err *err = NULL;
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	{
		WH_AUTO_JSON json_t *a = profile_of(g.tree, runs[0]), *b = profile_of(g.tree, runs[1]), *both = NULL;
		const json_t *list[] = {a, b};

		first = dump(a);
		second = dump(b);
		assert_string_equal(first, second);
		assert_ok(wh_profile_merge(list, 1, &both, &err), err);
		merged = dump(both);
		assert_string_equal(first, merged);
	}
	grove_close(&g);
}

static void test_merge(void **state)
{
	struct wh_err *err = NULL;
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	{
		WH_AUTO_JSON json_t *a =
			profile_of(g.tree, "P 1 0 /usr/bin/app -\nA r 1 /etc/conf\nN r 1 /var/x\nN r 1 /y\n");
		WH_AUTO_JSON json_t *b = profile_of(g.tree, "P 1 0 /usr/bin/tool -\nA w 1 /etc/conf\nN c 1 /var/x\n"),
				    *both = NULL;
		const json_t *list[] = {a, b};
		WH_AUTO_FREE char *text = NULL;

		assert_ok(wh_profile_merge(list, 2, &both, &err), err);
		text = dump(json_object_get(both, "used"));
		assert_string_equal(text, "[{\"access\":\"rw\",\"by\":[0,1],\"path\":\"etc/conf\",\"when\":[0,1]}]");
		assert_int_equal(json_array_size(json_object_get(both, "created")), 1);
		assert_int_equal(json_array_size(json_object_get(both, "missing")), 1);
	}
	grove_close(&g);
}

static void test_merge_refuses(void **state)
{
	static const char *const bad[] = {
		"[]",
		"{}",
		"{\"schema\":1}",
		"{\"schema\":2,\"processes\":[{\"name\":\"a\",\"program\":\"b\",\"parent\":0}]}",
		"{\"schema\":2,\"processes\":[{\"name\":\"a\",\"parent\":-1}]}",
		"{\"schema\":2,\"used\":[{\"path\":\"a\",\"by\":[0]}]}",
		"{\"schema\":2,\"used\":[{\"path\":\"a\",\"by\":[-1]}]}",
		"{\"schema\":2,\"used\":[{}]}",
		"{\"schema\":2,\"runs\":0}",
		"{\"schema\":2,\"runs\":1000000000}",
		"{\"schema\":2,\"marks\":[{}]}",
		"{\"schema\":2,\"marks\":[{\"phase\":\"start\",\"profile\":-1}]}",
		"{\"schema\":2,\"used\":[{\"path\":\"a\",\"when\":[0]}]}",
		"{\"schema\":2,\"runs\":2,\"used\":[{\"path\":\"a\",\"runs\":[2]}]}",
		"{\"schema\":2,\"syscalls\":[{\"by\":[]}]}",
		"{\"schema\":2,\"bound\":[{\"protocol\":\"tcp\",\"address\":\"::\",\"port\":65536}]}",
		"{\"schema\":2,\"peers\":[{\"protocol\":\"tcp\",\"address\":\"a\\tb\",\"port\":1}]}",
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(bad); i++) {
		WH_AUTO_JSON json_t *doc = NULL, *both = NULL;
		WH_AUTO_ERR struct wh_err *err = NULL;
		const json_t *list[1];

		print_message("%s\n", bad[i]);
		assert_ok(wh_json_parse(bad[i], strlen(bad[i]), "test", &doc, &err), err);
		list[0] = doc;
		assert_true(wh_profile_merge(list, 1, &both, &err) < 0);
		assert_non_null(err);
		assert_null(both);
	}
}

/* A name that has a process's number in it is another in each run; where it is made is not. */
static void test_made_names(void **state)
{
	static const char *const runs[] = {
		"P 1 0 /usr/bin/app -\nP 2 1 /usr/bin/tool -\nN c 1 /var/tmp-12.db\nA w 1 /var/tmp-12.db\nN c 2 /var/tmp-7.db\nN s 1 /var/tmp-3.db\n"
		"N c 1 /var/d4\nN c 1 /var/d4/x5\nN s 1 /usr/lib4\n",
		"P 1 0 /usr/bin/app -\nP 2 1 /usr/bin/tool -\nN c 1 /var/tmp-99.db\nA w 2 /var/tmp-99.db\nN c 1 /var/d9\nN c 1 /var/d9/x1\nN s 1 /usr/lib4\n",
	};
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	{
		WH_AUTO_JSON json_t *a = profile_of(g.tree, runs[0]), *b = profile_of(g.tree, runs[1]);
		WH_AUTO_JSON json_t *ca = wh_profile_canonical(a), *cb = wh_profile_canonical(b);
		WH_AUTO_FREE char *first = dump(ca), *second = dump(cb), *made = dump(json_object_get(ca, "created")),
				  *missing = dump(json_object_get(ca, "missing"));

		assert_string_equal(first, second);
		assert_string_equal(made, "[{\"access\":\"c\",\"by\":[0],\"path\":\"var/d[n]\"},"
					  "{\"access\":\"c\",\"by\":[0],\"path\":\"var/d[n]/x[n]\"},"
					  "{\"access\":\"wc\",\"by\":[0,1],\"path\":\"var/tmp-[n].db\"}]");
		/* A library of another version is another one. */
		assert_string_equal(missing, "[{\"by\":[0],\"path\":\"usr/lib4\"}]");
	}
	grove_close(&g);
}

/* Two runs, tests that were named when they were over, records of every kind. */
static void test_marks(void **state)
{
	static const char *const logs[] = {
		LOG_BEGIN "P\t1\t0\t/usr/bin/app\t-\nA\tx\t1\t/usr/bin/app\nM\tserve\nM\ttest\\x20#1\nA\tr\t1\t/etc/conf\n"
			  "S\t1\taccept4\nC\t1\tCAP_CHOWN\nL\t1\ttcp\t0.0.0.0\t80\nM\ttest\\x20#2\nA\tr\t1\t/etc/conf\n"
			  "K\t1\tudp\t::1\t53\nM\ttest\\x20#3\nA\tr\t1\t/usr/bin/tool\nM\tstop\nA\tr\t1\t/etc/link\n" LOG_END,
		LOG_BEGIN "P\t1\t0\t/usr/bin/app\t-\nA\tx\t1\t/usr/bin/app\nM\tserve\nM\ttest\\x20one\nA\tr\t1\t/etc/conf\n"
			  "M\ttest\nA\tr\t1\t/var\n" LOG_END,
	};
	WH_AUTO_STRV struct wh_strv names = {0};
	struct wh_obs_log in[] = {{.name = "application", .data = logs[0], .len = strlen(logs[0]), .tests = &names},
				  {.name = "application", .data = logs[1], .len = strlen(logs[1]), .run = 1}};
	struct wh_err *err = NULL;
	struct grove g;

	(void)state;
	wh_strv_add(&names, "one");
	wh_strv_add(&names, "two");
	grove_open(&g, specs);
	{
		WH_AUTO_JSON json_t *p = NULL, *twice = NULL;
		WH_AUTO_FREE char *marks = NULL, *used = NULL, *rest = NULL;

		assert_ok(wh_profile_make(g.tree, in, 2, &p, &err), err);
		marks = dump(json_object_get(p, "marks"));
		assert_string_equal(marks, "[{\"phase\":\"start\",\"test\":null},{\"phase\":\"serve\",\"test\":null},"
					   "{\"phase\":\"serve\",\"test\":\"one\"},{\"phase\":\"serve\",\"test\":\"two\"},"
					   "{\"phase\":\"stop\",\"test\":null}]");
		used = dump(json_object_get(p, "used"));
		assert_string_equal(used, "[{\"access\":\"r\",\"by\":[0],\"path\":\"etc/conf\",\"when\":[2,3]},"
					  "{\"access\":\"r\",\"by\":[0],\"path\":\"etc/link\",\"runs\":[0],\"when\":[4]},"
					  "{\"access\":\"x\",\"by\":[0],\"path\":\"usr/bin/app\",\"when\":[0]},"
					  "{\"access\":\"r\",\"by\":[0],\"path\":\"usr/bin/tool\",\"runs\":[0],\"when\":[1]},"
					  "{\"access\":\"r\",\"by\":[0],\"path\":\"var\",\"runs\":[1],\"when\":[1]}]");
		rest = wh_asprintf("%lld", (long long)wh_json_int(p, "runs", 0));
		assert_string_equal(rest, "2");
		assert_string_equal(wh_json_str(json_array_get(json_object_get(p, "syscalls"), 0), "name"), "accept4");
		assert_string_equal(wh_json_str(json_array_get(json_object_get(p, "capabilities"), 0), "name"),
				    "CAP_CHOWN");
		assert_int_equal(wh_json_int(json_array_get(json_object_get(p, "bound"), 0), "port", 0), 80);
		assert_string_equal(wh_json_str(json_array_get(json_object_get(p, "peers"), 0), "address"), "::1");
		{
			const json_t *list[] = {p, p};
			const json_t *m;

			assert_ok(wh_profile_merge(list, 2, &twice, &err), err);
			m = json_array_get(json_object_get(twice, "marks"), 5);
			assert_int_equal(wh_json_int(m, "profile", 0), 1);
			assert_int_equal(wh_json_int(twice, "runs", 0), 4);
			assert_int_equal(json_array_size(json_object_get(twice, "marks")), 10);
			assert_int_equal(json_array_size(json_object_get(twice, "used")), 5);
		}
	}
	grove_close(&g);
}

static void test_incomplete(void **state)
{
	static const char *const logs[] = {
		LOG_BEGIN "P\t1\t0\t/usr/bin/app\t-\n",         LOG_BEGIN "E\t10\t1\n", "", "something else\n",
		LOG_BEGIN "P\t2\t1\t/usr/bin/app\t-\n" LOG_END,
	};
	struct grove g;

	(void)state;
	grove_open(&g, specs);
	for (size_t i = 0; i < WH_ARRAY_SIZE(logs); i++) {
		struct wh_obs_log log = {.name = "application", .data = logs[i], .len = strlen(logs[i])};
		WH_AUTO_ERR struct wh_err *err = NULL;
		json_t *p = NULL;

		assert_true(wh_profile_make(g.tree, &log, 1, &p, &err) < 0);
		assert_non_null(err);
		assert_int_equal(err->status, WH_STATUS_INCOMPLETE);
		assert_int_equal(err->class, WH_ERR_BUILD);
		assert_null(p);
	}
	grove_close(&g);
}

/* Names that are no UTF-8, and those that look like what such names become. */
static void test_foreign_names(void **state)
{
	static const char *const names[] = {"a\xff",        "a\xc3\xa4", "\xf4\x8f\x9f\xbf",
					    "\xed\xa0\x80", "\xc0\xaf",  "x\\x2d"};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(names); i++) {
		WH_AUTO_FREE char *spec = wh_asprintf("f %s 644 x", names[i]);
		const char *const layers[] = {spec, NULL};
		WH_AUTO_BUF struct wh_buf log = WH_BUF_INIT;
		WH_AUTO_FREE char *path = wh_asprintf("/%s", names[i]);
		WH_AUTO_JSON json_t *p = NULL, *again = NULL;
		WH_AUTO_FREE char *one = NULL, *two = NULL;
		const json_t *list[1];
		struct wh_obs_log l = {.name = "application"};
		struct wh_err *err = NULL;
		struct grove g;

		grove_open(&g, layers);
		wh_obs_begin(&log);
		wh_obs_write(&(struct wh_obs){.kind = WH_OBS_PROCESS, .process = 1, .program = path}, &log);
		wh_obs_write(
			&(struct wh_obs){.kind = WH_OBS_USED, .access = WH_ACCESS_READ, .process = 1, .path = path},
			&log);
		wh_obs_write(&(struct wh_obs){.kind = WH_OBS_END, .events = 1}, &log);
		l.data = log.p;
		l.len = log.n;
		assert_ok(wh_profile_make(g.tree, &l, 1, &p, &err), err);
		assert_int_equal(json_array_size(json_object_get(p, "used")), 1);
		list[0] = p;
		assert_ok(wh_profile_merge(list, 1, &again, &err), err);
		one = dump(p);
		two = dump(again);
		assert_string_equal(one, two);
		{
			struct wh_prune_opts o = {.profiles = list, .n_profiles = 1};
			struct wh_keep *k = NULL;

			assert_ok(wh_keep_decide(g.tree, &o, &k, &err), err);
			assert_true(wh_keep_has(k, names[i]));
			wh_keep_free(k);
		}
		grove_close(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),         cmocka_unit_test(test_equal_observations),
		cmocka_unit_test(test_merge),         cmocka_unit_test(test_merge_refuses),
		cmocka_unit_test(test_incomplete),    cmocka_unit_test(test_marks), cmocka_unit_test(test_made_names),
		cmocka_unit_test(test_foreign_names),
	};

	return cmocka_run_group_tests_name("harden_profile", tests, NULL, NULL);
}
