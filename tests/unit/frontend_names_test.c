/* SPDX-License-Identifier: Apache-2.0 */
/* The small languages: durations, ports, modes, signals, references, mounts. */
#include "frontend/check.h"
#include "frontend/mount.h"
#include "frontend/names.h"
#include "tests/unit/test.h"

static void durations(void **state)
{
	static const struct {
		const char *in, *out; /* NULL: refused */
	} cases[] = {
		{"0", "0s"},           {"5s", "5s"},         {"90s", "1m30s"},   {"1h", "1h0m0s"},
		{"1.5h", "1h30m0s"},   {"1m1.5s", "1m1.5s"}, {"250ms", "250ms"}, {"1500us", "1.5ms"},
		{"10ns", "10ns"},      {"-3s", "-3s"},       {".5s", "500ms"},   {"", NULL},
		{"5", NULL},           {"s", NULL},          {"5x", NULL},       {"1s2", NULL},
		{"9999999999h", NULL}, {".s", NULL},         {"1s ", NULL},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
		int64_t ns;
		int r = wh_duration_parse(cases[i].in, &ns, NULL);

		assert_int_equal(r < 0, cases[i].out == NULL);
		if (r < 0)
			continue;
		wh_duration_print(ns, &out);
		assert_string_equal(out.p, cases[i].out);
	}
}

static void ports(void **state)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"80", "80/tcp"},
		{"80/UDP", "80/udp"},
		{"80/", "80/tcp"},
		{"8000-8002/sctp", "8000/sctp 8001/sctp 8002/sctp"},
		{"1:2", "2/tcp"},
		{"127.0.0.1:1:2", "2/tcp"},
		{"[::1]:1:2", "2/tcp"},
		{"127.0.0.1::2", "2/tcp"},
		{"", NULL},
		{"x", NULL},
		{"70000", NULL},
		{"2-1", NULL},
		{"1-2:1-3", NULL},
		{"host:1:2", NULL},
		{"80/icmp", NULL},
		{"1-", NULL},
	};
	size_t i, k;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_STRV struct wh_strv out = {0};
		WH_AUTO_BUF struct wh_buf got = WH_BUF_INIT;
		int r = wh_ports_parse(cases[i].in, &out, NULL);

		assert_int_equal(r < 0, cases[i].out == NULL);
		for (k = 0; k < out.n; k++)
			wh_buf_addf(&got, "%s%s", k ? " " : "", out.v[k]);
		if (r == 0)
			assert_string_equal(got.p, cases[i].out);
	}
}

static void modes(void **state)
{
	static const char *const good[] = {"0",       "755", "0644", "7777", "u=rwx", "go-w",
					   "a+X,u+s", "+x",  "g=u",  "u=",   "u+r-w"};
	static const char *const bad[] = {"", "8", "10000", "rwx", "u=rwz", "u=r,", ",", "z+x", "u"};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(good); i++)
		assert_int_equal(wh_mode_check(good[i], NULL), 0);
	for (i = 0; i < WH_ARRAY_SIZE(bad); i++)
		assert_true(wh_mode_check(bad[i], NULL) < 0);
}

static void signals(void **state)
{
	static const char *const good[] = {"9", "SIGTERM", "term", "SIGRTMIN+3", "RTMAX-1", "SIGQUIT", "64"};
	static const char *const bad[] = {"", "0", "65", "SIGFOO", "RTMIN+16", "-9", "SIG"};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(good); i++)
		assert_int_equal(wh_signal_check(good[i], NULL), 0);
	for (i = 0; i < WH_ARRAY_SIZE(bad); i++)
		assert_true(wh_signal_check(bad[i], NULL) < 0);
}

static void references(void **state)
{
	static const struct {
		const char *in, *familiar; /* NULL: refused */
	} cases[] = {
		{"busybox", "busybox"},
		{"busybox:latest", "busybox"},
		{"docker.io/library/busybox:1", "busybox:1"},
		{"library/busybox", "busybox"},
		{"docker.io/me/x", "me/x"},
		{"reg.invalid:5000/a/b:t", "reg.invalid:5000/a/b:t"},
		{"localhost/a", "localhost/a"},
		{"a__b/c-d/e.f---g", "a__b/c-d/e.f---g"},
		{"a@sha256:0123456789012345678901234567890123456789012345678901234567890123",
		 "a@sha256:0123456789012345678901234567890123456789012345678901234567890123"},
		{"", NULL},
		{"Busybox", NULL},
		{"a:", NULL},
		{"a@sha256:12", NULL},
		{"a//b", NULL},
		{"-a", NULL},
		{"a..b", NULL},
		{"a b", NULL},
		{"a/", NULL},
	};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_FREE char *familiar = wh_reference_familiar(cases[i].in);
		int r = wh_reference_check(cases[i].in, NULL);

		if ((r < 0) != (cases[i].familiar == NULL))
			fail_msg("%s: %d", cases[i].in, r);
		if (r == 0)
			assert_string_equal(familiar, cases[i].familiar);
	}
}

static int as_is(void *arg, const char *word, char **ret, struct wh_err **err)
{
	(void)arg;
	(void)err;
	*ret = wh_strdup(word);
	return 0;
}

static void mounts(void **state)
{
	static const struct {
		const char *text, *error;
	} bad[] = {
		{"type=tmp", "unsupported mount type \"tmp\""},
		{"tpye=bind", "unexpected key 'tpye' in 'tpye=bind'"},
		{"type=bind,target", "invalid field 'target' must be a key=value pair"},
		{"type=bind,required", "unexpected key 'required' for mount type 'bind'"},
		{"type=bind,size=1", "unexpected key 'size' for mount type 'bind'"},
		{"type=bind,mode=1", "mode not allowed for \"bind\" type mounts"},
		{"type=bind,sharing=locked", "invalid cache sharing set for bind mount"},
		{"type=cache,sharing=x", "unsupported sharing value \"x\""},
		{"type=cache,mode=9", "invalid value 9 for mode"},
		{"type=tmpfs,size=x", "invalid value for size: x"},
		{"type=bind,ro=maybe", "invalid value for ro: maybe"},
		{"type=secret", "one of source, target required"},
		{"type=secret,id=a,src=b", "both source and id can't be set"},
		{"type=secret,id=a,from=b", "secret mount should not have a from"},
		{"type=ssh,src=b", "ssh does not support source"},
		{"type=bind,\"a", "bad quotation"},
	};
	WH_AUTO_ARENA struct wh_arena *a = wh_arena_new();
	struct wh_mount_spec m;
	size_t i;

	(void)state;
	assert_int_equal(wh_mount_parse(a, "target=/x,rw", as_is, NULL, &m, NULL), 0);
	assert_int_equal(m.type, WH_MOUNT_BIND);
	assert_false(m.readonly);
	assert_int_equal(wh_mount_parse(a, "dst=/x", as_is, NULL, &m, NULL), 0);
	assert_true(m.readonly);
	assert_int_equal(
		wh_mount_parse(a, "sharing=locked,uid=5,mode=0700,Target=/x,type=cache", as_is, NULL, &m, NULL), 0);
	assert_int_equal(m.sharing, WH_LOCKED);
	assert_true(m.has_uid && m.has_mode && !m.has_gid && !m.readonly);
	assert_int_equal(m.mode, 0700);
	assert_int_equal(wh_mount_parse(a, "type=tmpfs,target=/x,size=1.5m", as_is, NULL, &m, NULL), 0);
	assert_int_equal(m.size, 3 << 19);
	assert_int_equal(wh_mount_parse(a, "type=secret,id=a,env=,required", as_is, NULL, &m, NULL), 0);
	assert_true(m.required && m.has_env);
	assert_int_equal(wh_mount_parse(a, "\"source=a,b\",target=/x", as_is, NULL, &m, NULL), 0);
	assert_string_equal(m.source, "a,b");
	for (i = 0; i < WH_ARRAY_SIZE(bad); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;

		assert_true(wh_mount_parse(a, bad[i].text, as_is, NULL, &m, &err) < 0);
		if (!strstr(err->msg, bad[i].error))
			fail_msg("%s: %s", bad[i].text, err->msg);
	}
}

static void git_and_urls(void **state)
{
	static const char *const git[] = {"git@host.invalid:a/b", "git://h/x", "ssh://h/x",
					  "https://h.invalid/a.git#b"};
	static const char *const not_git[] = {"a", "./a.git", "a/b@c:d", "https://h.invalid/a.tar", "a:b", "@a:b"};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(git); i++)
		assert_true(wh_is_git(git[i]));
	for (i = 0; i < WH_ARRAY_SIZE(not_git); i++)
		assert_false(wh_is_git(not_git[i]));
	assert_true(wh_is_url("http://x") && wh_is_url("https://x") && !wh_is_url("ftp://x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations), cmocka_unit_test(ports),        cmocka_unit_test(modes),
		cmocka_unit_test(signals),   cmocka_unit_test(references),  
		cmocka_unit_test(mounts),    cmocka_unit_test(git_and_urls),
	};

	return cmocka_run_group_tests_name("frontend_names", tests, NULL, NULL);
}
