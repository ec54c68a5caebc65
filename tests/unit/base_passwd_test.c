/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"
#include "base/passwd.h"
#include "tests/unit/test.h"

#include <errno.h>

static const char passwd[] = "root:x:0:0:root:/root:/bin/sh\n"
			     "# a comment\n"
			     "\n"
			     "broken line\n"
			     "nouid:x::5::/nowhere:/bin/sh\n"
			     "app:x:1000:1001:App,,,:/srv/app:/bin/sh\n"
			     "short:x:7:8\n"
			     "huge:x:4294967296:1::/:/bin/sh\n"
			     "4242:x:55:56::/digits:/bin/sh\n"
			     "app:x:2000:2000::/second:/bin/sh\n"
			     "last:x:9:9::/last"; /* no newline */
static const char group[] = "root:x:0:\n"
			    "app:x:1001:\n"
			    "web:x:33:app,last\n"
			    "web2:x:34:last, app\n"
			    "again:x:33:app\n"
			    "bad:x:zz:app\n"
			    "log:x:40:app";

static void resolves(void **state)
{
	static const struct {
		const char *spec;
		bool chown;
		uint32_t uid, gid;
		size_t groups;
		const char *home;
	} cases[] = {
		{"", false, 0, 0, 0, "/root"},
		{"root", false, 0, 0, 0, "/root"},
		{"0", false, 0, 0, 0, "/root"},
		{"app", false, 1000, 1001, 2, "/srv/app"},
		{"1000", false, 1000, 1001, 2, "/srv/app"},
		{"app:web", false, 1000, 33, 0, "/srv/app"},
		{"app:77", false, 1000, 77, 0, "/srv/app"},
		{"app:", false, 1000, 1001, 2, "/srv/app"},
		{":web", false, 0, 33, 0, "/root"},
		{"12345", false, 12345, 0, 0, ""},
		{"12345:54321", false, 12345, 54321, 0, ""},
		{"short", false, 7, 8, 0, ""},
		{"4242", false, 55, 56, 0, "/digits"},
		{"last", false, 9, 9, 2, "/last"},
		{"2147483647", false, 2147483647, 0, 0, ""},
		/* --chown: a lone number is both, a lone name brings its primary group */
		{"app", true, 1000, 1001, 0, "/srv/app"},
		{"1000", true, 1000, 1000, 0, "/srv/app"},
		{"12345", true, 12345, 12345, 0, ""},
		{"12345:web", true, 12345, 33, 0, ""},
		{"app:0", true, 1000, 0, 0, "/srv/app"},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		struct wh_user u;
		struct wh_err *err = NULL;

		assert_int_equal(
			wh_user_resolve(cases[i].spec, wh_str(passwd), wh_str(group), cases[i].chown, &u, &err), 0);
		assert_null(err);
		assert_int_equal(u.uid, cases[i].uid);
		assert_int_equal(u.gid, cases[i].gid);
		assert_int_equal(u.n_groups, cases[i].groups);
		assert_string_equal(u.home, cases[i].home);
	}
}

static void refuses(void **state)
{
	static const struct {
		const char *spec, *passwd, *group, *says;
	} cases[] = {
		{"nobody", passwd, group, "/etc/passwd"},      {"nouid", passwd, group, "/etc/passwd"},
		{"huge", passwd, group, "/etc/passwd"},        {"broken line", passwd, group, "/etc/passwd"},
		{"root:nogroup", passwd, group, "/etc/group"}, {"root:bad", passwd, group, "/etc/group"},
		{"app", "", "", "has no /etc/passwd"},         {"1:web", "", "", "has no /etc/group"},
		{"2147483648", passwd, group, "highest id"},   {"99999999999999999999", passwd, group, "highest id"},
		{"1:4294967295", passwd, group, "highest id"}, {"-1", passwd, group, "/etc/passwd"},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		struct wh_user u = {.uid = 99};
		struct wh_err *err = NULL;

		assert_true(wh_user_resolve(cases[i].spec, wh_str(cases[i].passwd), wh_str(cases[i].group), false, &u,
					    &err) < 0);
		assert_non_null(err);
		assert_int_equal(err->class, WH_ERR_BUILD);
		assert_non_null(strstr(err->msg, cases[i].says));
		assert_int_equal(u.uid, 99); /* untouched */
		wh_err_free(err);
	}
}

static void many_groups(void **state)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	struct wh_user u;

	(void)state;
	for (int i = 0; i < 1000; i++)
		wh_buf_addf(&text, "g%d:x:%d:x,app,y\n", i, 100 + i);
	assert_int_equal(wh_user_resolve("app", wh_str(passwd), (struct wh_str){text.p, text.n}, false, &u, NULL), 0);
	assert_int_equal(u.n_groups, WH_ARRAY_SIZE(u.groups));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resolves),
		cmocka_unit_test(refuses),
		cmocka_unit_test(many_groups),
	};

	return cmocka_run_group_tests_name("base/passwd", tests, NULL, NULL);
}
