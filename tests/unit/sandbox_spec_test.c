/* SPDX-License-Identifier: Apache-2.0 */
/* What goes between the sandbox's processes comes out as it went in; damaged, it is refused. */
#include "sandbox/report.h"
#include "sandbox/spec.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <sys/socket.h>

static const char *const lowers[] = {"/a:b,c", "/store/x", NULL};
static const char *const args[] = {"sh", "-c", "echo \"ü\n\"", "", NULL};
static const char *const env[] = {"A=1", "B=", NULL};
static const char *const hosts[] = {"db:10.0.0.1", NULL};
static const struct wh_root stage = {.kind = WH_ROOT_OVERLAY, .lowers = lowers, .stubs = "/s"};
static const struct wh_bind binds[] = {
	{.kind = WH_BIND_PATH, .source = "/src", .subpath = "../x", .target = "/t", .readonly = true},
	{.kind = WH_BIND_PATH, .overlay = &stage, .target = "/o"},
	{.kind = WH_BIND_TMPFS, .target = "/tmp/x", .size = 1ULL << 40, .mode = 01777, .uid = 4, .gid = 5},
	{.kind = WH_BIND_DATA, .target = "/run/secrets/k", .data = "a\0b", .data_len = 3, .mode = 0400},
};
static const struct wh_step step = {
	.root = {.kind = WH_ROOT_OVERLAY, .lowers = lowers, .upper = "/u", .work = "/w", .stubs = "/s"},
	.args = args,
	.env = env,
	.cwd = "/work",
	.user = "app",
	.hostname = "h",
	.net = WH_SANDBOX_NET_USER,
	.insecure = true,
	.binds = binds,
	.n_binds = WH_ARRAY_SIZE(binds),
	.extra_hosts = hosts,
	.shm_size = 77,
	.join = 1ULL << 33,
};

static void same_list(const char *const *a, const char *const *b)
{
	size_t i;

	for (i = 0; a[i]; i++)
		assert_string_equal(a[i], b[i]);
	assert_null(b[i]);
}

static void round_trip(void **state)
{
	WH_AUTO_ARENA struct wh_arena *a = wh_arena_new();
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT, again = WH_BUF_INIT;
	struct wh_step got;

	(void)state;
	wh_spec_write(&step, &b);
	assert_int_equal(wh_spec_read(a, b.p, b.n, &got), 0);
	same_list(lowers, got.root.lowers);
	same_list(args, got.args);
	same_list(env, got.env);
	same_list(hosts, got.extra_hosts);
	assert_string_equal(got.root.upper, "/u");
	assert_null(got.root.dir);
	assert_null(got.resolv_conf);
	assert_int_equal(got.n_binds, 4);
	assert_string_equal(got.binds[0].subpath, "../x");
	assert_true(got.binds[0].readonly);
	same_list(lowers, got.binds[1].overlay->lowers);
	assert_int_equal(got.binds[2].size, 1ULL << 40);
	assert_int_equal(got.binds[3].data_len, 3);
	assert_memory_equal(got.binds[3].data, "a\0b", 3);
	/* and every other field: written again it must be the same bytes */
	wh_spec_write(&got, &again);
	assert_int_equal(again.n, b.n);
	assert_memory_equal(again.p, b.p, b.n);
}

static void cut_short(void **state)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	(void)state;
	wh_spec_write(&step, &b);
	for (size_t n = 0; n < b.n; n++) {
		WH_AUTO_ARENA struct wh_arena *a = wh_arena_new();
		WH_AUTO_FREE char *copy = wh_memdup(b.p, n ? n : 1); /* so that a sanitizer sees a read past the end */
		struct wh_step got;

		assert_int_equal(wh_spec_read(a, copy, n, &got), -EBADMSG);
	}
}

static void errors(void **state)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	WH_AUTO_ERR struct wh_err *e = NULL, *got = NULL;
	struct wh_wire w;

	(void)state;
	wh_err_set(&e, "x", WH_ERR_ENV, ENOSPC, "no %s", "room");
	wh_err_hint(&e, "buy a disk");
	wh_err_status(&e, 11);
	wh_err_at(&e, "f", 2, 3, "x y");
	wh_err_detail(&e, "line 1\nline 2");
	wh_wire_put_err(&b, e);
	wh_wire_put_err(&b, NULL);
	w = (struct wh_wire){b.p, b.n, false};
	got = wh_wire_err(&w);
	assert_non_null(got);
	assert_int_equal(got->class, WH_ERR_ENV);
	assert_int_equal(got->sys, ENOSPC);
	assert_string_equal(got->msg, "no room");
	assert_string_equal(got->hint, "buy a disk");
	assert_string_equal(got->domain, "sandbox"); /* "x" is none of ours */
	assert_int_equal(got->status, 11);
	assert_string_equal(got->file, "f");
	assert_int_equal(got->line, 2);
	assert_int_equal(got->column, 3);
	assert_string_equal(got->excerpt, "x y");
	assert_string_equal(got->detail, "line 1\nline 2");
	assert_null(wh_wire_err(&w));
	assert_false(w.bad);
	assert_null(wh_wire_err(&w));
	assert_true(w.bad);
}

/* However long its texts, an error fits into a packet. */
static void long_errors(void **state)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT, got = WH_BUF_INIT;
	WH_AUTO_FREE char *text = wh_malloc(200001);
	WH_AUTO_ERR struct wh_err *e = NULL, *back = NULL;
	struct wh_wire w;
	int pair[2];

	(void)state;
	memset(text, 't', 200000);
	text[200000] = '\0';
	wh_err_set(&e, "layers", WH_ERR_BUILD, 0, "%s", text);
	wh_err_hint(&e, "%s", text);
	wh_err_at(&e, text, 1, 1, text);
	wh_err_detail(&e, text);
	wh_wire_put_err(&b, e);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(wh_wire_send(pair[0], b.p, b.n, NULL, 0), 0);
	assert_int_equal(wh_wire_recv(pair[1], &got, NULL, NULL), 0);
	w = (struct wh_wire){got.p, got.n, false};
	back = wh_wire_err(&w);
	assert_non_null(back);
	assert_string_equal(back->domain, "layers");
	assert_int_equal(strlen(back->detail), 32768);
	close(pair[0]);
	close(pair[1]);
}

static void reports(void **state)
{
	int p[2];
	WH_AUTO_BUF struct wh_buf body = WH_BUF_INIT, all = WH_BUF_INIT;
	const struct wh_stub_made made = {.path = (char[]){"etc/x"},
					  .dir = true,
					  .copied_up = true,
					  .ino = 1ULL << 40,
					  .mode = 040755,
					  .uid = 1,
					  .gid = 2,
					  .mtime_s = -5,
					  .mtime_ns = 999999999};
	struct wh_report r;

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	wh_buf_lstr(&body, "/upper");
	wh_report(p[1], WH_REPORT_BASE, &body);
	wh_buf_reset(&body);
	wh_stub_write(&made, &body);
	wh_report(p[1], WH_REPORT_MADE, &body);
	wh_buf_reset(&body);
	wh_buf_u64(&body, 12345);
	wh_buf_u64(&body, 678);
	wh_report(p[1], WH_REPORT_START, &body);
	close(p[1]);
	assert_int_equal(wh_read_fd(p[0], 4096, &all), 0);
	close(p[0]);
	wh_report_read((struct wh_str){all.p, all.n}, &r);
	assert_string_equal(r.made.base, "/upper");
	assert_int_equal(r.made.n, 1);
	assert_string_equal(r.made.v[0].path, "etc/x");
	assert_true(r.made.v[0].dir && r.made.v[0].copied_up && !r.made.v[0].whiteout);
	assert_int_equal(r.made.v[0].ino, 1ULL << 40);
	assert_int_equal(r.made.v[0].mtime_s, -5);
	assert_true(r.started);
	assert_int_equal(r.start_ns, 12345);
	assert_int_equal(r.root_mount, 678);
	assert_null(r.err);
	wh_report_release(&r);
	/* a step that was killed in the middle of a record */
	for (size_t n = 0; n < all.n; n++) {
		wh_report_read((struct wh_str){all.p, n}, &r);
		wh_report_release(&r);
	}
}

static void packets(void **state)
{
	int pair[2], fds[4] = {-1, -1, -1, -1};
	size_t n_fds = 1;
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	struct stat before, after;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(wh_wire_send(pair[0], "hello", 5, (int[]){pair[0], pair[1], 0}, 3), 0);
	assert_int_equal(wh_wire_recv(pair[1], &b, fds, &n_fds), 0);
	assert_int_equal(b.n, 5);
	assert_int_equal(n_fds, 1); /* no room for the others: closed, not lost */
	assert_int_equal(fstat(pair[0], &before), 0);
	assert_int_equal(fstat(fds[0], &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_true(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
	close(fds[0]);
	close(pair[0]);
	assert_int_equal(wh_wire_recv(pair[1], &b, NULL, NULL), -EPIPE);
	close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip), cmocka_unit_test(cut_short), cmocka_unit_test(errors),
		cmocka_unit_test(long_errors),
		cmocka_unit_test(reports),    cmocka_unit_test(packets),
	};

	return cmocka_run_group_tests_name("sandbox/spec", tests, NULL, NULL);
}
