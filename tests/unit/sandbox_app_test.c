/* SPDX-License-Identifier: Apache-2.0 */
/* The listener's side of the helper's protocol: what is typed arrives, nonsense is refused, no descriptor is lost. */
#include "sandbox/sandbox.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <sys/socket.h>

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static int passed_fd = -1; /* instead of /dev/null */

static void send_fds(int sock, const char *p, size_t n, size_t n_fds)
{
	WH_AUTO_FD int passed = wh_openat(AT_FDCWD, "/dev/null", O_RDONLY, 0);
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(8 * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_len = n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	memcpy(&iov.iov_base, &p, sizeof(p));
	if (n_fds) {
		struct cmsghdr *c;

		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		c = CMSG_FIRSTHDR(&msg);
		if (!c)
			abort();
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		for (size_t i = 0; i < n_fds; i++)
			memcpy(CMSG_DATA(c) + i * sizeof(int), passed_fd < 0 ? &passed : &passed_fd, sizeof(int));
	}
	assert_int_equal(sendmsg(sock, &msg, MSG_NOSIGNAL), n);
}

/* "exec|-u|app|sh", as the helper sends it. */
static void request(const char *words, struct wh_buf *out)
{
	WH_AUTO_BUF struct wh_buf body = WH_BUF_INIT;

	while (*words) {
		size_t n = strcspn(words, "|");

		wh_buf_u32(&body, (uint32_t)n);
		wh_buf_add(&body, words, n);
		words += n + (words[n] == '|');
	}
	wh_buf_u32(out, (uint32_t)body.n);
	wh_buf_add(out, body.p, body.n);
}

/* verb, user, cwd, environment, rest: the same as a text. */
static char *tell(const struct wh_app_request *r)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	wh_buf_addf(&b, "%d %s %s", (int)r->verb, r->user ? r->user : "-", r->cwd ? r->cwd : "-");
	for (char **e = r->env; *e; e++)
		wh_buf_addf(&b, " {%s}", *e);
	for (char **a = r->args; *a; a++)
		wh_buf_addf(&b, " [%s]", *a);
	return wh_buf_take(&b);
}

static const struct {
	const char *words, *want; /* want: tell(), or a part of the error after "!" */
} cases[] = {
	{"exec|true", "1 - - [true]"},
	{"exec|-u|app|-w|/tmp|-e|A=1|-e|B=|sh|-c|exit 3|-u", "1 app /tmp {A=1} {B=} [sh] [-c] [exit 3] [-u]"},
	{"exec|-uapp|-w/x|-eA=b=c|--|-x", "1 app /x {A=b=c} [-x]"},
	{"exec|--user|1:2|--workdir=/y|--env=A=1|--env|C=2|cat", "1 1:2 /y {A=1} {C=2} [cat]"},
	{"exec|-u|a|-u|b|true", "1 b - [true]"},
	{"exec|-|x", "1 - - [-] [x]"},
	{"run", "2 - -"},
	{"run|--|--help", "2 - - [--help]"},
	{"run|-e|A=1|x|-e", "2 - - {A=1} [x] [-e]"},
	{"start", "3 - -"},
	{"stop", "4 - -"},
	{"restart", "5 - -"},
	{"kill", "6 - -"},
	{"kill|TERM", "6 - - [TERM]"},
	{"kill|-9", "6 - - [-9]"},
	{"logs", "7 - -"},
	{"exec", "!exec wants a command"},
	{"exec|-u|app", "!exec wants a command"},
	{"exec|-u", "!-u wants a value"},
	{"exec|-x|true", "!exec has no option -x"},
	{"exec|--users|a|true", "!exec has no option --users"},
	{"run|--json|x", "2 - - [--json] [x]"},
	{"exec|-e|A|true", "!-e A is not NAME=VALUE"},
	{"exec|-e|=x|true", "!-e =x is not NAME=VALUE"},
	{"start|now", "!start: what is \"now\"?"},
	{"kill|TERM|KILL", "!kill: what is \"KILL\"?"},
	{"stop|-t", "!stop: what is \"-t\"?"},
	{"destroy", "!\"destroy\" is no command"},
};

static void words(void **st)
{
	int before = count_fds();

	(void)st;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
		struct wh_app_request r = WH_APP_REQUEST_INIT;
		WH_AUTO_ERR struct wh_err *err = NULL;
		int pair[2], e;

		request(cases[i].words, &b);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		send_fds(pair[0], b.p, b.n, 3);
		e = wh_app_request_read(pair[1], &r, &err);
		if (cases[i].want[0] == '!') {
			assert_int_equal(e, -EINVAL);
			assert_int_equal(err->class, WH_ERR_USAGE);
			if (!strstr(err->msg, cases[i].want + 1))
				fail_msg("%s: %s", cases[i].words, err->msg);
		} else {
			WH_AUTO_FREE char *got = e == 0 ? tell(&r) : wh_strdup(err->msg);

			assert_string_equal(got, cases[i].want);
			for (int f = 0; f < 3; f++)
				assert_true(fcntl(r.fds[f], F_GETFD) & FD_CLOEXEC);
		}
		wh_app_request_release(&r);
		close(pair[0]);
		close(pair[1]);
	}
	assert_int_equal(count_fds(), before);
}

/* As slowly as can be; the descriptors come with the first byte. */
static void in_pieces(void **st)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	WH_AUTO_FREE char *got = NULL;
	struct wh_app_request r = WH_APP_REQUEST_INIT;
	int pair[2];

	(void)st;
	request("exec|-u|app|echo|a b", &b);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	assert_int_equal(wh_app_request_read(pair[1], &r, NULL), -EAGAIN);
	for (size_t i = 0; i < b.n; i++) {
		send_fds(pair[0], b.p + i, 1, i ? 0 : 3);
		assert_int_equal(wh_app_request_read(pair[1], &r, NULL), i + 1 < b.n ? -EAGAIN : 0);
	}
	got = tell(&r);
	assert_string_equal(got, "1 app - [echo] [a b]");
	wh_app_request_release(&r);
	close(pair[0]);
	close(pair[1]);
}

static const struct {
	const char *bytes;
	size_t n, n_fds;
	int want;
} hostile[] = {
	{"\x08\0\0\0\x04\0\0\0logs", 12, 0, -EBADMSG},                /* no descriptors */
	{"\x08\0\0\0\x04\0\0\0logs", 12, 2, -EBADMSG},                /* too few */
	{"\x08\0\0\0\x04\0\0\0logs", 12, 4, -EBADMSG},                /* too many */
	{"\x08\0\0\0\x04\0\0\0logs", 12, 8, -EBADMSG},                /* far too many */
	{"\x08\0\0\0\x04\0\0\0logs!", 13, 3, -EBADMSG},               /* something behind it */
	{"\0\0\0\0", 4, 3, -EBADMSG},                                 /* nothing */
	{"\x04\0\0\0\xff\xff\xff\xff", 8, 3, -EBADMSG},               /* a string that is none */
	{"\x08\0\0\0\x05\0\0\0logs", 12, 3, -EBADMSG},                /* longer than what it is in */
	{"\x08\0\0\0\xf0\xff\xff\x7flogs", 12, 3, -EBADMSG},          /* far longer */
	{"\x09\0\0\0\x05\0\0\0lo\0gs", 13, 3, -EBADMSG},              /* NUL */
	{"\xf0\xff\xff\xff", 4, 3, -EBADMSG},                         /* announces too much */
	{"\0\0\x10\0", 4, 3, -EBADMSG},                               /* just too much */
	{"\x08\0\0\0\x04\0\0\0lo", 10, 3, -EAGAIN},                   /* may still come */
};

static void nonsense(void **st)
{
	int before = count_fds();

	(void)st;
	for (size_t i = 0; i < WH_ARRAY_SIZE(hostile); i++) {
		struct wh_app_request r = WH_APP_REQUEST_INIT;
		WH_AUTO_ERR struct wh_err *err = NULL;
		int pair[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		send_fds(pair[0], hostile[i].bytes, hostile[i].n, hostile[i].n_fds);
		if (wh_app_request_read(pair[1], &r, &err) != hostile[i].want)
			fail_msg("case %zu", i);
		close(pair[0]);
		if (hostile[i].want == -EAGAIN)
			assert_int_equal(wh_app_request_read(pair[1], &r, &err), -EPIPE);
		assert_non_null(err);
		wh_app_request_release(&r);
		close(pair[1]);
	}
	assert_int_equal(count_fds(), before);
}

/* Descriptors in the middle of a request are refused too. */
static void late_fds(void **st)
{
	struct wh_app_request r = WH_APP_REQUEST_INIT;
	int before = count_fds(), pair[2];

	(void)st;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	send_fds(pair[0], "\x08\0\0\0\x04\0\0\0lo", 10, 3);
	assert_int_equal(wh_app_request_read(pair[1], &r, NULL), -EAGAIN);
	send_fds(pair[0], "g", 1, 3);
	assert_int_equal(wh_app_request_read(pair[1], &r, NULL), -EBADMSG);
	wh_app_request_release(&r);
	close(pair[0]);
	close(pair[1]);
	assert_int_equal(count_fds(), before);
}

/* A command's standard input may be a local socket, but none of a network; what waits at the end waits elsewhere. */
static void sockets(void **st)
{
	static const struct {
		int domain, want;
	} kinds[] = {{AF_UNIX, 0}, {AF_INET, -EINVAL}, {AF_INET6, -EINVAL}, {AF_NETLINK, -EINVAL}};
	int before = count_fds();

	(void)st;
	for (size_t i = 0; i < WH_ARRAY_SIZE(kinds); i++) {
		struct wh_app_closer *closer = wh_app_closer_new();
		struct wh_app_request r = WH_APP_REQUEST_INIT;
		WH_AUTO_ERR struct wh_err *err = NULL;
		int pair[2];

		r.closer = closer;
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		passed_fd = socket(kinds[i].domain, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		assert_true(passed_fd >= 0);
		send_fds(pair[0], "\x08\0\0\0\x04\0\0\0logs", 12, 3);
		assert_int_equal(wh_app_request_read(pair[1], &r, &err), kinds[i].want);
		if (kinds[i].want)
			assert_non_null(strstr(err->msg, "standard input is a network's socket"));
		wh_app_request_release(&r);
		wh_app_close(closer, pair, 2);
		assert_int_equal(pair[0], -1);
		while (wh_app_closer_pending(closer))
			usleep(1000);
		wh_app_closer_free(closer);
		wh_closep(&passed_fd);
	}
	assert_int_equal(count_fds(), before);
}

static void replies(void **st)
{
	static const size_t sizes[] = {0, 5, (size_t)5 << 20};
	const int32_t statuses[] = {0, 137, -1};

	(void)st;
	for (size_t i = 0; i < WH_ARRAY_SIZE(sizes); i++) {
		WH_AUTO_FREE char *text = wh_malloc(sizes[i] + 1);
		WH_AUTO_BUF struct wh_buf got = WH_BUF_INIT;
		union {
			struct cmsghdr align;
			char space[CMSG_SPACE(sizeof(int))];
		} control;
		unsigned char head[8];
		struct iovec iov = {head, sizeof(head)};
		struct msghdr msg = {
			.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
		const struct cmsghdr *c;
		int pair[2], file;

		memset(text, 'x', sizes[i]);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
		assert_int_equal(wh_app_reply(pair[0], statuses[i], text, sizes[i]), 0);
		assert_int_equal(recvmsg(pair[1], &msg, MSG_CMSG_CLOEXEC), 8);
		assert_int_equal(head[0], (unsigned char)statuses[i]);
		assert_int_equal(head[4] | head[5] << 8 | head[6] << 16, sizes[i]);
		c = CMSG_FIRSTHDR(&msg);
		assert_int_equal(c != NULL, sizes[i] != 0);
		if (c) {
			memcpy(&file, CMSG_DATA(c), sizeof(file));
			assert_int_equal(lseek(file, 0, SEEK_SET), 0);
			assert_int_equal(wh_read_fd(file, SIZE_MAX, &got), 0);
			assert_int_equal(got.n, sizes[i]);
			assert_memory_equal(got.p, text, got.n);
			assert_true(write(file, "y", 1) < 0); /* sealed */
			close(file);
		}
		close(pair[1]);
		assert_true(wh_app_reply(pair[0], 0, "gone", 4) < 0); /* and no SIGPIPE */
		close(pair[0]);
	}
}

static void helper(void **st)
{
	size_t n = 0;
	const char *p = wh_app_helper(&n);

	(void)st;
	assert_true(n > 4096);
	assert_memory_equal(p, "\177ELF", 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words),    cmocka_unit_test(in_pieces), cmocka_unit_test(nonsense),
		cmocka_unit_test(late_fds), cmocka_unit_test(sockets), cmocka_unit_test(replies),   cmocka_unit_test(helper),
	};

	return cmocka_run_group_tests_name("sandbox/app", tests, NULL, NULL);
}
