/* SPDX-License-Identifier: Apache-2.0 */
#include "base/observation.h"
#include "tests/unit/test.h"

#include <errno.h>

/* A record as one line of text, to compare with. */
static int tell(void *arg, const struct wh_obs *o)
{
	struct wh_buf *b = arg;

	wh_buf_addf(b, "%d %u %u %x %s|%s|%s|%s|%s %u %llu %llu\n", (int)o->kind, o->process, o->parent, o->access,
		    o->program ? o->program : "NULL", o->script ? o->script : "NULL", o->path ? o->path : "NULL",
		    o->text ? o->text : "NULL", o->address ? o->address : "NULL", o->number,
		    (unsigned long long)o->events, (unsigned long long)o->lost);
	return 0;
}

static const struct wh_obs records[] = {
	{.kind = WH_OBS_USED, .access = WH_ACCESS_EXEC, .process = 0, .path = "/bin/x"},
	{.kind = WH_OBS_PROCESS, .process = 1, .parent = 0, .program = "/bin/x"},
	{.kind = WH_OBS_PROCESS, .process = 2, .parent = 1, .program = "/bin/sh", .script = "/a b"},
	{.kind = WH_OBS_MARK, .text = "test one\ttwo"},
	{.kind = WH_OBS_USED, .access = 0x7ff, .process = 2, .path = "/"},
	{.kind = WH_OBS_MISSING, .access = WH_ACCESS_CREATE | WH_ACCESS_ENTER, .process = 1, .path = "/-"},
	{.kind = WH_OBS_USED,
	 .access = WH_ACCESS_LINK,
	 .process = 1,
	 .path = "/\x01\x1f !\x7e\x7f\x80\xff\\x41\n\r\t..."},
	{.kind = WH_OBS_REMARK, .process = 2, .text = "-"},
	{.kind = WH_OBS_REMARK, .process = 0, .text = ""},
	{.kind = WH_OBS_SYSCALL, .process = 1, .text = "accept4"},
	{.kind = WH_OBS_CAPABILITY, .process = 2, .text = "CAP_CHOWN"},
	{.kind = WH_OBS_BOUND, .process = 1, .text = "tcp", .address = "::", .number = 80},
	{.kind = WH_OBS_PEER, .process = 2, .text = "udp", .address = "127.0.0.53", .number = 53},
	{.kind = WH_OBS_WORD, .process = 1, .number = 0, .text = "nginx"},
	{.kind = WH_OBS_WORD, .process = 1, .number = 2, .text = ""},
	{.kind = WH_OBS_MARK, .text = "\\x2d"},
	{.kind = WH_OBS_END, .events = UINT64_MAX, .lost = 3},
};

static void round_trip(void **state)
{
	WH_AUTO_BUF struct wh_buf log = WH_BUF_INIT, want = WH_BUF_INIT, got = WH_BUF_INIT;
	struct wh_err *err = NULL;

	(void)state;
	wh_obs_begin(&log);
	for (size_t i = 0; i < WH_ARRAY_SIZE(records); i++) {
		wh_obs_write(&records[i], &log);
		tell(&want, &records[i]);
	}
	for (size_t i = strlen("whittle-observation 1"); i < log.n; i++)
		assert_true(log.p[i] == '\n' || log.p[i] == '\t' || (log.p[i] > ' ' && log.p[i] <= '~'));
	if (wh_obs_read(log.p, log.n, tell, &got, &err) < 0)
		fail_msg("%s", err->msg);
	assert_string_equal(got.p, want.p);
}

static void bytes(void **state)
{
	static const char want[] = "whittle-observation 1\n"
				   "A\tx\t0\t/bin/x\n"
				   "P\t1\t0\t/bin/x\t-\n"
				   "P\t2\t1\t/bin/sh\t/a\\x20b\n"
				   "M\ttest\\x20one\\x09two\n"
				   "A\trwxslcdmkug\t2\t/\n"
				   "N\tcg\t1\t/-\n"
				   "A\tk\t1\t/\\x01\\x1f\\x20!~\\x7f\\x80\\xff\\x5cx41\\x0a\\x0d\\x09...\n"
				   "X\t2\t\\x2d\n"
				   "X\t0\t-\n"
				   "S\t1\taccept4\n"
				   "C\t2\tCAP_CHOWN\n"
				   "L\t1\ttcp\t::\t80\n"
				   "K\t2\tudp\t127.0.0.53\t53\n"
				   "V\t1\t0\tnginx\n"
				   "V\t1\t2\t-\n"
				   "M\t\\x5cx2d\n"
				   "E\t18446744073709551615\t3\n";
	WH_AUTO_BUF struct wh_buf log = WH_BUF_INIT;

	(void)state;
	wh_obs_begin(&log);
	for (size_t i = 0; i < WH_ARRAY_SIZE(records); i++)
		wh_obs_write(&records[i], &log);
	assert_string_equal(log.p, want);
}

#define FIRST "whittle-observation 1\n"
#define END "E\t1\t0\n"
#define ONE FIRST "P\t1\t0\t/x\t-\n"

static void damaged(void **state)
{
	static const struct {
		const char *log, *says;
	} cases[] = {
		{"", "no end"},
		{FIRST, "no end"},
		{"whittle-observation 2\n" END, "version"},
		{"whittle-observation 1", "line 1"},
		{ONE "A\tr\t1\t/a\n", "no end"},
		{ONE "A\tr\t1\t/a\n" END "A\tr\t1\t/b\n", "line 5"},
		{ONE END END, "line 4"},
		{ONE "E\t1\t0", "line 3"},
		{ONE "E\t1\n", "line 3"},
		{ONE "E\t1\t0\t0\n", "line 3"},
		{ONE "E\t01\t0\n", "line 3"},
		{ONE "E\t18446744073709551616\t0\n", "line 3"},
		{ONE "E\t-\t0\n", "line 3"},
		{ONE "\n" END, "line 3"},
		{ONE "Q\tr\t1\t/a\n" END, "line 3"},
		{ONE "AA\tr\t1\t/a\n" END, "line 3"},
		{ONE "A\tr\t2\t/a\n" END, "line 3"},
		{ONE "A\t-\t1\t/a\n" END, "line 3"},
		{ONE "A\twr\t1\t/a\n" END, "line 3"},
		{ONE "A\trr\t1\t/a\n" END, "line 3"},
		{ONE "A\tz\t1\t/a\n" END, "line 3"},
		{ONE "A\tr\t1\ta\n" END, "line 3"},
		{ONE "A\tr\t1\t-\n" END, "line 3"},
		{ONE "A\tr\t1\t/a/\n" END, "line 3"},
		{ONE "A\tr\t1\t//a\n" END, "line 3"},
		{ONE "A\tr\t1\t/../a\n" END, "line 3"},
		{ONE "A\tr\t1\t/a/..\n" END, "line 3"},
		{ONE "A\tr\t1\t/./a\n" END, "line 3"},
		{ONE "A\tr\t1\t/\\x2e./a\n" END, "line 3"},
		{ONE "A\tr\t1\t/a \n" END, "line 3"},
		{ONE "A\tr\t1\t/\xff\n" END, "line 3"},
		{ONE "A\tr\t1\t/\\x0\n" END, "line 3"},
		{ONE "A\tr\t1\t/\\x00\n" END, "line 3"},
		{ONE "A\tr\t1\t/\\xFF\n" END, "line 3"},
		{ONE "A\tr\t1\t/\\\n" END, "line 3"},
		{ONE "A\tr\t1\t/\\x41\n" END, "line 3"},
		{ONE "M\t\\x2dx\n" END, "line 3"},
		{ONE "A\tr\t1\n" END, "line 3"},
		{ONE "A\tr\t1\t/a\t/b\n" END, "line 3"},
		{ONE "A\tr\t1\t/a\t/b\t/c\t/d\n" END, "line 3"},
		{ONE "A\tr\t\t/a\n" END, "line 3"},
		{ONE "P\t3\t1\t/a\t-\n" END, "line 3"},
		{ONE "P\t2\t2\t/a\t-\n" END, "line 3"},
		{ONE "P\t2\t1\ta\t-\n" END, "line 3"},
		{ONE "P\t2\t1\t/a\tb\n" END, "line 3"},
		{ONE "P\t2\t1\t/a\n" END, "line 3"},
		{ONE "M\n" END, "line 3"},
		{ONE "S\t2\tread\n" END, "line 3"},
		{ONE "S\t1\t-\n" END, "line 3"},
		{ONE "S\t1\n" END, "line 3"},
		{ONE "C\tx\tCAP_CHOWN\n" END, "line 3"},
		{ONE "L\t1\ttcp\t::\t65536\n" END, "line 3"},
		{ONE "L\t1\ttcp\t::\n" END, "line 3"},
		{ONE "K\t2\ttcp\t::\t1\n" END, "line 3"},
		{ONE "K\t1\t-\t::\t1\n" END, "line 3"},
		{ONE "K\t1\ttcp\t-\t1\n" END, "line 3"},
		{ONE "V\t1\t65537\tx\n" END, "line 3"},
		{ONE "V\t1\t0\n" END, "line 3"},
		{ONE "X\t1\n" END, "line 3"},
		{ONE "X\t4294967297\tt\n" END, "line 3"},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_BUF struct wh_buf got = WH_BUF_INIT;
		struct wh_err *err = NULL;
		int r = wh_obs_read(cases[i].log, strlen(cases[i].log), tell, &got, &err);

		if (r != -EBADMSG || !err || !strstr(err->msg, cases[i].says))
			fail_msg("case %zu: %d, %s", i, r, err ? err->msg : "no error");
		wh_err_free(err);
	}
}

static void limits(void **state)
{
	WH_AUTO_BUF struct wh_buf log = WH_BUF_INIT, got = WH_BUF_INIT;
	struct wh_err *err = NULL;

	(void)state;
	/* A NUL hides nothing, and a line is no longer than any that the writer makes. */
	assert_int_equal(wh_obs_read("whittle-observation 1\nM\ta\0b\nE\t0\t0\n", 34, tell, &got, &err), -EBADMSG);
	wh_err_free(err);
	err = NULL;
	wh_obs_begin(&log);
	wh_buf_adds(&log, "M\t");
	for (int i = 0; i < 200000; i++)
		wh_buf_addc(&log, 'x');
	wh_buf_adds(&log, "\nE\t0\t0\n");
	assert_int_equal(wh_obs_read(log.p, log.n, tell, &got, &err), -EBADMSG);
	wh_err_free(err);
}

static int stop(void *arg, const struct wh_obs *o)
{
	(void)o;
	return --*(int *)arg ? 0 : -ECANCELED;
}

static void stops(void **state)
{
	static const char log[] = ONE "M\ta\nM\tb\n" END;
	int left = 2;

	(void)state;
	assert_int_equal(wh_obs_read(log, strlen(log), stop, &left, NULL), -ECANCELED);
	assert_int_equal(left, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip), cmocka_unit_test(bytes), cmocka_unit_test(damaged),
		cmocka_unit_test(limits),     cmocka_unit_test(stops),
	};

	return cmocka_run_group_tests_name("base/observation", tests, NULL, NULL);
}
