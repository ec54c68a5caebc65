/* SPDX-License-Identifier: Apache-2.0 */
/* Services of the outer process: requests and answers arrive whole, and a call that dies is an error and no more. */
#include "sandbox/sandbox.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

static int echo(void *arg, const json_t *request, json_t **ret_reply, struct wh_err **err)
{
	(void)err;
	*ret_reply = json_pack("{s:O, s:s}", "request", request, "arg", (const char *)arg);
	return 0;
}

static int big(void *arg, const json_t *request, json_t **ret_reply, struct wh_err **err)
{
	size_t n = (size_t)wh_json_int(request, "n", 0);
	WH_AUTO_FREE char *text = wh_malloc(n + 1);

	(void)arg;
	(void)err;
	memset(text, 'r', n);
	*ret_reply = json_pack("{s:s#}", "text", text, (int)n);
	return 0;
}

static int nothing(void *arg, const json_t *request, json_t **ret_reply, struct wh_err **err)
{
	(void)arg;
	(void)request;
	(void)ret_reply;
	(void)err;
	return 0;
}

static int bad(void *arg, const json_t *request, json_t **ret_reply, struct wh_err **err)
{
	(void)arg;
	(void)request;
	(void)ret_reply;
	wh_err_set(err, "layers", WH_ERR_GATE, EACCES, "not with that key");
	wh_err_status(err, 9);
	wh_err_hint(err, "use another");
	wh_err_at(err, "Dockerfile", 7, 3, "FROM x");
	wh_err_detail(err, "one\ntwo");
	return -EACCES;
}

static int mute(void *arg, const json_t *request, json_t **ret_reply, struct wh_err **err)
{
	(void)arg;
	(void)request;
	(void)ret_reply;
	(void)err;
	return -EIO;
}

static int die(void *arg, const json_t *request, json_t **ret_reply, struct wh_err **err)
{
	(void)arg;
	(void)request;
	(void)ret_reply;
	(void)err;
	raise(SIGKILL);
	return 0;
}

/* Tells its pid into the pipe, and hangs. */
static int hang(void *arg, const json_t *request, json_t **ret_reply, struct wh_err **err)
{
	pid_t self = getpid();

	(void)request;
	(void)ret_reply;
	(void)err;
	wh_write_all(*(int *)arg, &self, sizeof(self));
	for (;;)
		pause();
	return 0;
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 3; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* What the fork finds: its signals are unblocked, and its call is all that is open besides what was before. */
static int fds_before;
static int state(void *arg, const json_t *request, json_t **ret_reply, struct wh_err **err)
{
	sigset_t mask;

	(void)arg;
	(void)request;
	(void)err;
	sigprocmask(SIG_SETMASK, NULL, &mask);
	*ret_reply = json_pack("{s:b, s:i}", "blocked", sigismember(&mask, SIGTERM), "fds", count_fds());
	return 0;
}

enum { FLOOD = 30000 };

static void *tell_some(void *arg)
{
	for (int i = 0; i < 100; i++) {
		WH_AUTO_JSON json_t *note = json_pack("{s:s, s:i}", "who", (const char *)arg, "i", i);

		wh_service_tell(note);
	}
	return NULL;
}

/* From two threads, then one that is too long, then more than any socket holds. */
static int teller(void *arg, const json_t *request, json_t **ret_reply, struct wh_err **err)
{
	WH_AUTO_FREE char *text = wh_malloc(10000);
	WH_AUTO_JSON json_t *big = NULL;
	static char names[][2] = {"a", "b"};
	pthread_t t[2];

	(void)arg;
	(void)err;
	pthread_create(&t[0], NULL, tell_some, names[0]);
	pthread_create(&t[1], NULL, tell_some, names[1]);
	pthread_join(t[0], NULL);
	pthread_join(t[1], NULL);
	memset(text, 'x', 10000);
	big = json_pack("{s:s#}", "big", text, 10000);
	wh_service_tell(big);
	for (int i = 0; i < (int)wh_json_int(request, "flood", 0); i++) {
		WH_AUTO_JSON json_t *note = json_pack("{s:s#}", "pad", text, 500);

		wh_service_tell(note);
	}
	*ret_reply = json_pack("{s:s}", "the", "answer");
	return 0;
}

static int hung[2];
static char argument[] = "the argument";
static const struct wh_service services[] = {
	{"echo", echo, argument}, {"big", big, NULL}, {"nothing", nothing, NULL}, {"bad", bad, NULL},
	{"mute", mute, NULL},     {"die", die, NULL}, {"hang", hang, &hung[1]},   {"state", state, NULL},
	{"tell", teller, NULL},
};

/* Runs fn as the inner process. Its assertions are exits: cmocka's belong to the parent. */
#define CHECK(x)                                                                     \
	do {                                                                         \
		if (!(x)) {                                                          \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #x); \
			_exit(1);                                                    \
		}                                                                    \
	} while (0)

static int as_inner(void (*fn)(struct wh_inner *i))
{
	struct wh_outer *outer = NULL;
	struct wh_inner *inner = NULL;

	assert_int_equal(wh_outer_fork(&outer, &inner, NULL), 0);
	if (inner) {
		fn(inner);
		wh_inner_free(inner);
		_exit(0);
	}
	wh_outer_offer(outer, services, WH_ARRAY_SIZE(services));
	return wh_outer_serve(outer);
}

static void ask_echo(struct wh_inner *i)
{
	WH_AUTO_JSON json_t *request = json_pack("{s:[i,s,n]}", "list", 42, "ü\n"), *reply = NULL;
	WH_AUTO_ERR struct wh_err *err = NULL;

	CHECK(wh_inner_call(i, "echo", request, &reply, &err) == 0 && !err);
	CHECK(json_equal(json_object_get(reply, "request"), request));
	CHECK(wh_streq(wh_json_str(reply, "arg"), "the argument"));
	json_decref(WH_TAKE_PTR(reply));
	CHECK(wh_inner_call(i, "nothing", request, &reply, &err) == 0);
	CHECK(json_is_object(reply) && json_object_size(reply) == 0);
}

static void echoes(void **st)
{
	(void)st;
	assert_int_equal(as_inner(ask_echo), 0);
}

static void ask_big(struct wh_inner *i)
{
	const size_t n = (size_t)40 << 20;
	WH_AUTO_FREE char *text = wh_malloc(n + 1);
	WH_AUTO_JSON json_t *request = NULL, *reply = NULL;
	WH_AUTO_ERR struct wh_err *err = NULL;

	memset(text, 'q', n);
	request = json_pack("{s:s#, s:i}", "text", text, (int)n, "n", (int)n);
	CHECK(wh_inner_call(i, "big", request, &reply, &err) == 0);
	CHECK(json_string_length(json_object_get(reply, "text")) == n);
	json_decref(WH_TAKE_PTR(reply));
	/* a reply past the limit */
	json_object_set_new(request, "n", json_integer((int64_t)65 << 20));
	CHECK(wh_inner_call(i, "big", request, &reply, &err) < 0 && !reply);
	CHECK(err->class == WH_ERR_INTERNAL && strstr(err->msg, "64 MiB"));
	wh_err_freep(&err);
	/* a request past it */
	json_object_set_new(request, "more", json_pack("s#", text, (int)n));
	CHECK(wh_inner_call(i, "big", request, &reply, &err) < 0 && !reply);
	CHECK(strstr(err->msg, "request") && strstr(err->msg, "64 MiB"));
}

static void payloads(void **st)
{
	(void)st;
	assert_int_equal(as_inner(ask_big), 0);
}

struct told {
	int a, b, pads, others;
	bool ordered, stop;
};

static void told(void *arg, const json_t *note)
{
	struct told *t = arg;
	const char *who = wh_json_str(note, "who");
	int *at = who && *who == 'a' ? &t->a : &t->b;

	if (who)
		t->ordered = t->ordered && wh_json_int(note, "i", -1) == (*at)++;
	else if (wh_json_str(note, "pad"))
		t->pads++;
	else
		t->others++;
	if (t->stop && t->pads == 1)
		usleep(300000); /* the socket fills meanwhile */
}

static void ask_telling(struct wh_inner *i)
{
	WH_AUTO_JSON json_t *request = json_object(), *reply = NULL;
	struct told t = {.ordered = true};

	CHECK(wh_inner_call_telling(i, "tell", request, NULL, told, &t, &reply, NULL) == 0);
	CHECK(wh_streq(wh_json_str(reply, "the"), "answer"));
	CHECK(t.a == 100 && t.b == 100 && t.ordered && !t.others);
	json_decref(WH_TAKE_PTR(reply));
	/* nobody listens */
	json_object_set_new(request, "flood", json_integer(FLOOD));
	CHECK(wh_inner_call(i, "tell", request, &reply, NULL) == 0);
	CHECK(wh_streq(wh_json_str(reply, "the"), "answer"));
	json_decref(WH_TAKE_PTR(reply));
	/* who is slow loses some, and gets the answer */
	t = (struct told){.ordered = true, .stop = true};
	CHECK(wh_inner_call_telling(i, "tell", request, NULL, told, &t, &reply, NULL) == 0);
	CHECK(wh_streq(wh_json_str(reply, "the"), "answer"));
	CHECK(t.pads > 0 && t.pads < FLOOD && t.ordered);
	/* outside a call it goes nowhere */
	wh_service_tell(request);
}

static void tells(void **st)
{
	(void)st;
	assert_int_equal(as_inner(ask_telling), 0);
}

static void ask_bad(struct wh_inner *i)
{
	WH_AUTO_JSON json_t *request = json_object(), *reply = NULL;
	struct wh_err *err = NULL;

	CHECK(wh_inner_call(i, "bad", request, &reply, &err) == -EACCES && !reply);
	CHECK(err->class == WH_ERR_GATE && err->sys == EACCES && err->status == 9);
	CHECK(wh_streq(err->domain, "layers") && wh_streq(err->msg, "not with that key"));
	CHECK(wh_streq(err->hint, "use another") && wh_streq(err->detail, "one\ntwo"));
	CHECK(wh_streq(err->file, "Dockerfile") && err->line == 7 && err->column == 3);
	CHECK(wh_streq(err->excerpt, "FROM x"));
	wh_err_freep(&err);
	CHECK(wh_inner_call(i, "mute", request, &reply, &err) == -EIO);
	CHECK(err->class == WH_ERR_INTERNAL && strstr(err->msg, "mute"));
	wh_err_freep(&err);
	CHECK(wh_inner_call(i, "die", request, &reply, &err) < 0);
	CHECK(strstr(err->msg, "\"die\" ended without an answer"));
	wh_err_freep(&err);
	CHECK(wh_inner_call(i, "no such", request, &reply, &err) < 0);
	CHECK(strstr(err->msg, "no such service"));
	wh_err_freep(&err);
	/* and after all that it still serves */
	ask_echo(i);
}

static void errors(void **st)
{
	(void)st;
	assert_int_equal(as_inner(ask_bad), 0);
}

static void *thread(void *arg)
{
	for (int n = 0; n < 10; n++)
		ask_echo(arg);
	return NULL;
}

static void ask_state(struct wh_inner *i)
{
	WH_AUTO_JSON json_t *request = json_object(), *reply = NULL;
	pthread_t threads[8];

	CHECK(wh_inner_call(i, "state", request, &reply, NULL) == 0);
	CHECK(json_is_false(json_object_get(reply, "blocked")));
	CHECK(wh_json_int(reply, "fds", -1) == fds_before + 1);
	for (size_t n = 0; n < WH_ARRAY_SIZE(threads); n++)
		CHECK(pthread_create(&threads[n], NULL, thread, i) == 0);
	for (size_t n = 0; n < WH_ARRAY_SIZE(threads); n++)
		pthread_join(threads[n], NULL);
}

static void from_threads(void **st)
{
	(void)st;
	fds_before = count_fds();
	assert_int_equal(as_inner(ask_state), 0);
}

static void ask_entered(struct wh_inner *i)
{
	WH_AUTO_ERR struct wh_err *err = NULL;

	ask_echo(i);
	if (wh_inner_enter(i, &err) < 0) {
		CHECK(err->class == WH_ERR_ENV);
		_exit(77);
	}
	ask_echo(i);
}

static void after_entering(void **st)
{
	int status = as_inner(ask_entered);

	(void)st;
	if (status == 77)
		skip(); /* this host has no user namespaces for us */
	assert_int_equal(status, 0);
}

static pid_t read_pid(void)
{
	pid_t pid = 0;

	assert_int_equal(read(hung[0], &pid, sizeof(pid)), sizeof(pid));
	return pid;
}

/* Of no relation to us, so its end is seen by its pipe: it holds the writing end. */
static void wait_for_end(void)
{
	struct pollfd p = {hung[0], POLLIN, 0};

	close(hung[1]);
	assert_int_equal(poll(&p, 1, 10000), 1);
	assert_true(p.revents & POLLHUP);
	close(hung[0]);
}

static void *hanging(void *arg)
{
	WH_AUTO_JSON json_t *request = json_object(), *reply = NULL;

	wh_inner_call(arg, "hang", request, &reply, NULL);
	return NULL;
}

/* The inner process ends with a call under way. */
static void leave_hanging(struct wh_inner *i)
{
	pthread_t t;
	struct pollfd p = {hung[0], POLLIN, 0};

	CHECK(pthread_create(&t, NULL, hanging, i) == 0);
	CHECK(poll(&p, 1, 10000) == 1);
	_exit(3);
}

static void inner_ends(void **st)
{
	(void)st;
	assert_int_equal(pipe2(hung, O_CLOEXEC), 0);
	assert_int_equal(as_inner(leave_hanging), 3);
	assert_true(read_pid() > 0);
	wait_for_end();
}

static void ask_hang(struct wh_inner *i)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_JSON json_t *request = json_object(), *reply = NULL;

	CHECK(wh_inner_call(i, "hang", request, &reply, &err) < 0);
	CHECK(strstr(err->msg, "ended without an answer"));
	_exit(5);
}

/* kill -9 of outer takes the call along; SIGTERM to outer ends the call, and the caller hears of it. */
static void outer_signalled(void **st)
{
	static const int signals[] = {SIGKILL, SIGTERM};

	(void)st;
	for (size_t i = 0; i < WH_ARRAY_SIZE(signals); i++) {
		pid_t outer;
		int status = 0;

		assert_int_equal(pipe2(hung, O_CLOEXEC), 0);
		outer = fork();
		assert_true(outer >= 0);
		if (outer == 0)
			_exit(as_inner(ask_hang));
		assert_true(read_pid() > 0);
		kill(outer, signals[i]);
		assert_int_equal(waitpid(outer, &status, 0), outer);
		if (signals[i] == SIGTERM)
			assert_int_equal(WEXITSTATUS(status), 5);
		wait_for_end();
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells), cmocka_unit_test(echoes),         cmocka_unit_test(payloads),   cmocka_unit_test(errors),
		cmocka_unit_test(from_threads),   cmocka_unit_test(inner_ends), cmocka_unit_test(after_entering),
		cmocka_unit_test(outer_signalled),
	};

	wh_sandbox_init(argc, argv);
	return cmocka_run_group_tests_name("sandbox/service", tests, NULL, NULL);
}
