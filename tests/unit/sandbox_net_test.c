/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/net.h"
#include "sandbox/step.h"
#include "tests/unit/test.h"

static void hosts(void **state)
{
	static const char *const good[] = {"db:10.0.0.1", "six:2001:db8::1", "eq=10.0.0.2", NULL};
	static const char *const bad[][2] = {{"nocolon", NULL},
					     {":1.2.3.4", NULL},
					     {"name:", NULL},
					     {"a b:1.2.3.4", NULL},
					     {"x:1.2.3.4\n6.6.6.6\tgithub.com", NULL}};
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	struct wh_step s = {.hostname = "build", .extra_hosts = good};

	(void)state;
	assert_int_equal(wh_net_hosts(&s, &b, NULL), 0);
	assert_non_null(strstr(b.p, "127.0.0.1\tlocalhost build\n"));
	assert_non_null(strstr(b.p, "\n10.0.0.1\tdb\n"));
	assert_non_null(strstr(b.p, "\n2001:db8::1\tsix\n"));
	assert_non_null(strstr(b.p, "\n10.0.0.2\teq\n"));
	for (size_t i = 0; i < WH_ARRAY_SIZE(bad); i++) {
		WH_AUTO_ERR struct wh_err *err = NULL;

		s.extra_hosts = bad[i];
		assert_true(wh_net_hosts(&s, &b, &err) < 0);
		assert_int_equal(err->class, WH_ERR_USAGE);
	}
}

static void resolv(void **state)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	struct wh_step s = {.net = WH_SANDBOX_NET_USER};

	(void)state;
	assert_int_equal(wh_net_resolv(&s, &b, NULL), 0);
	assert_true(wh_has_prefix(b.p, "nameserver " WH_NET_DNS "\n"));
	assert_null(strstr(b.p + 5, "\nnameserver")); /* the host's are not named beside it */
	wh_buf_reset(&b);
	s.resolv_conf = "nameserver 192.0.2.1\n";
	assert_int_equal(wh_net_resolv(&s, &b, NULL), 0);
	assert_string_equal(b.p, s.resolv_conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(hosts), cmocka_unit_test(resolv)};

	return cmocka_run_group_tests_name("sandbox/net", tests, NULL, NULL);
}
