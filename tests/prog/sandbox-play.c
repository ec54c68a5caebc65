/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Several steps at once, as a script says; one command a line, words in single quotes where they hold blanks:
 *
 *   netns                           a network namespace, which steps with --net join share
 *   start NAME [OPTION]… -- CMD…    a step; --join NAME: in the container of that one
 *   wait NAME                       for its end: "NAME: status=N signal=N started=N err=…"
 *   signal NAME NUMBER, kill NAME, mark NAME TEXT
 *   exists NAME PATH                "exists PATH: N"
 *   until NAME PATH                 asks until there is one, or the step is over
 *   connect PORT                    from our side, inside the network namespace, to 127.0.0.1 and ::1, until both listen
 *   control DIR                     the helper `app` and the socket that it asks, for a step to be bound
 *   serve NAME                      one request of the helper: an exec runs in the container of NAME
 *   command NAME                    for the end of a joined command itself: "NAME: N"
 *   say TEXT
 */
#include "tests/prog/sandbox-driver.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#define MAX_STEPS 32
#define RETRY_MS 10
#define NOT_YET 1000

struct played {
	char *name;
	struct driver options;
	struct wh_strv words;
	uint64_t id;
	bool over;
	int exited; /* -1: not yet */
	struct wh_step_result result;
};

struct play {
	struct wh_loop *loop;
	struct wh_launcher *launcher;
	int netns, control;
	struct played steps[MAX_STEPS];
	size_t n;
	int answer;
};

static _Noreturn void complain(const char *what, const char *name)
{
	fprintf(stderr, "script: %s: %s\n", what, name ? name : "?");
	exit(2);
}

/* The newest of that name. */
static struct played *find(struct play *p, const char *name)
{
	for (size_t i = p->n; i > 0; i--)
		if (wh_streq(p->steps[i - 1].name, name))
			return &p->steps[i - 1];
	complain("no such step", name);
}

static void on_done(void *arg, struct wh_step_result *r)
{
	struct played *s = arg;

	driver_console_close(&s->options, s->options.loop);
	s->over = true;
	s->result = *r;
	wh_loop_stop(s->options.loop, 0);
}

static void on_exited(void *arg, int status)
{
	struct played *s = arg;

	s->exited = status;
	wh_loop_stop(s->options.loop, 0);
}

static int open_file(const char *path, int flags, int otherwise)
{
	int fd = path ? wh_openat(AT_FDCWD, path, flags, 0644) : otherwise;

	if (fd < 0)
		complain("cannot open", path);
	return fd;
}

static void start(struct play *p, struct wh_strv *words)
{
	struct played *s = &p->steps[p->n++];
	struct wh_step *step = &s->options.step;
	struct wh_err *err = NULL;
	int write_flags = O_WRONLY | O_CREAT | O_APPEND;

	if (p->n > MAX_STEPS || words->n < 2)
		complain("start", "too many, or no name");
	s->name = wh_strdup(words->v[1]);
	s->words = *words;
	*words = (struct wh_strv){0};
	s->options.loop = p->loop;
	/* The name is to getopt what a program's is. */
	if (!driver_options(&s->options, (int)s->words.n - 1, s->words.v + 1))
		complain("options of", s->name);
	step->net_fd = p->netns;
	step->in_fd = open_file(s->options.input, O_RDONLY, 0);
	step->out_fd = step->err_fd = open_file(s->options.output, write_flags, 1);
	step->observe_fd = open_file(s->options.observe, write_flags, 0);
	driver_console_open(&s->options, p->loop);
	if (s->options.join)
		step->join = find(p, s->options.join)->id;
	if (wh_launcher_run(p->launcher, step, on_done, s, &s->id, &err) < 0) {
		s->over = true;
		s->result = (struct wh_step_result){.status = 125, .err = err};
	}
	s->exited = -1;
	if (step->join)
		wh_launcher_on_exit(p->launcher, s->id, on_exited, s);
	/* Nothing is kept of what a step was described with. */
	if (step->in_fd > 2)
		close(step->in_fd);
	if (step->out_fd > 2)
		close(step->out_fd);
	if (step->observe_fd > 2)
		close(step->observe_fd);
}

static void wait_for(struct play *p, struct played *s)
{
	const struct wh_step_result *r = &s->result;

	while (!s->over)
		wh_loop_run(p->loop);
	printf("%s: status=%d signal=%d started=%d err=%s\n", s->name, r->status, r->signal, r->started,
	       r->err ? r->err->msg : "-");
	if (r->err && r->err->hint)
		printf("%s: hint: %s\n", s->name, r->err->hint);
}

static void wait_for_command(struct play *p, const struct played *s)
{
	while (s->exited < 0 && !s->over)
		wh_loop_run(p->loop);
	printf("%s: %d%s\n", s->name, s->exited, s->over ? " over" : "");
}

static void on_answer(void *arg, int answer)
{
	struct play *p = arg;

	p->answer = answer;
	wh_loop_stop(p->loop, 0);
}

static int exists(struct play *p, struct played *s, const char *path)
{
	p->answer = NOT_YET;
	wh_launcher_exists(p->launcher, s->id, path, on_answer, p);
	while (p->answer == NOT_YET) /* a step's end stops the loop too */
		wh_loop_run(p->loop);
	return p->answer;
}

static void on_time(void *arg)
{
	struct play *p = arg;

	p->answer = 0;
	wh_loop_stop(p->loop, 0);
}

static void pause_ms(struct play *p, uint64_t ms)
{
	p->answer = NOT_YET;
	wh_loop_add_timer(p->loop, ms, on_time, p);
	while (p->answer == NOT_YET)
		wh_loop_run(p->loop);
}

/* In the network namespace. 0, or -errno of either family. */
static int connect_both(void *arg)
{
	uint16_t port = htons(*(const uint16_t *)arg);
	struct sockaddr_in a4 = {.sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = in6addr_loopback};
	WH_AUTO_FD int s4 = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	WH_AUTO_FD int s6 = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (connect(s4, (const struct sockaddr *)&a4, sizeof(a4)) < 0)
		return -errno;
	return connect(s6, (const struct sockaddr *)&a6, sizeof(a6)) < 0 ? -errno : 0;
}

static void connect_until(struct play *p, uint16_t port)
{
	struct wh_err *err = NULL;
	int r;

	while ((r = wh_netns_run(p->netns, connect_both, &port, &err)) == -ECONNREFUSED)
		pause_ms(p, RETRY_MS);
	printf("connect %u: %s\n", port, r == 0 ? "both" : strerrorname_np(-r));
	if (err)
		driver_fail(err);
}

static void control(struct play *p, const char *dir)
{
	WH_AUTO_FD int at = wh_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t n = 0;
	const void *helper = wh_app_helper(&n);

	if (at < 0 || wh_write_file_atomic(at, WH_APP_HELPER, helper, n, 0755, false) < 0)
		complain("cannot write", dir);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/" WH_APP_SOCKET, dir);
	p->control = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(p->control, (const struct sockaddr *)&a, sizeof(a)) < 0 || chmod(a.sun_path, 0666) < 0 ||
	    listen(p->control, 8) < 0)
		complain("cannot listen on", a.sun_path);
}

static void tell_request(const struct wh_app_request *r)
{
	printf("asked: %d %s %s", (int)r->verb, r->user ? r->user : "-", r->cwd ? r->cwd : "-");
	for (char **e = r->env; *e; e++)
		printf(" {%s}", *e);
	for (char **a = r->args; *a; a++)
		printf(" [%s]", *a);
	printf("\n");
	fflush(stdout);
}

static void run_asked(struct play *p, const struct wh_app_request *r, uint64_t join, struct wh_step_result *ret)
{
	struct played s = {.options.loop = p->loop};
	struct wh_step step = {.user = r->user, .cwd = r->cwd, .join = join};

	memcpy(&step.args, &r->args, sizeof(step.args));
	memcpy(&step.env, &r->env, sizeof(step.env));
	step.in_fd = r->fds[0];
	step.out_fd = r->fds[1];
	step.err_fd = r->fds[2];
	if (wh_launcher_run(p->launcher, &step, on_done, &s, &s.id, NULL) < 0)
		complain("cannot run", r->args[0]);
	while (!s.over)
		wh_loop_run(p->loop);
	*ret = s.result;
}

static void serve(struct play *p, const struct played *app)
{
	struct wh_app_request r = WH_APP_REQUEST_INIT;
	struct wh_step_result result = {0};
	struct wh_err *err = NULL;
	int conn = accept4(p->control, NULL, NULL, SOCK_CLOEXEC), e;

	while ((e = wh_app_request_read(conn, &r, &err)) == -EAGAIN)
		poll(&(struct pollfd){conn, POLLIN, 0}, 1, -1);
	if (e == 0)
		tell_request(&r);
	if (e == 0 && r.verb == WH_APP_EXEC)
		run_asked(p, &r, app->id, &result);
	if (!err)
		err = WH_TAKE_PTR(result.err);
	if (err) {
		WH_AUTO_FREE char *line = wh_asprintf("%s\n", err->msg);

		wh_app_reply(conn, e == 0 ? result.status : 2, line, strlen(line));
	} else {
		wh_app_reply(conn, result.status, "a log\n", r.verb == WH_APP_LOGS ? 6 : 0);
	}
	wh_err_freep(&err);
	wh_app_request_release(&r);
	close(conn);
}

/* Words apart at blanks; in single quotes they hold any. */
static void split(const char *line, struct wh_strv *words)
{
	while (*line) {
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
		bool quoted = false, any = false;

		line += strspn(line, " \t\n");
		for (; *line && (quoted || !strchr(" \t\n", *line)); line++, any = true)
			if (*line == '\'')
				quoted = !quoted;
			else
				wh_buf_addc(&b, *line);
		if (any)
			wh_strv_take(words, wh_buf_take(&b));
	}
}

static void command(struct play *p, struct wh_strv *w)
{
	const char *verb = w->v[0], *arg = w->n > 1 ? w->v[1] : NULL, *text = w->n > 2 ? w->v[2] : "";
	struct wh_err *err = NULL;
	uint64_t number = 0;

	if (wh_streq(verb, "netns")) {
		p->netns = wh_netns_new(&err);
		if (p->netns < 0)
			driver_fail(err);
	} else if (wh_streq(verb, "start")) {
		start(p, w);
	} else if (wh_streq(verb, "wait")) {
		wait_for(p, find(p, arg));
	} else if (wh_streq(verb, "command")) {
		wait_for_command(p, find(p, arg));
	} else if (wh_streq(verb, "signal")) {
		wh_parse_u64(text, 10, &number);
		wh_launcher_signal(p->launcher, find(p, arg)->id, (int)number);
	} else if (wh_streq(verb, "kill")) {
		wh_launcher_kill(p->launcher, find(p, arg)->id);
	} else if (wh_streq(verb, "mark")) {
		wh_launcher_mark(p->launcher, find(p, arg)->id, text);
	} else if (wh_streq(verb, "exists")) {
		printf("exists %s: %d\n", text, exists(p, find(p, arg), text));
	} else if (wh_streq(verb, "until")) {
		while (exists(p, find(p, arg), text) == 0)
			pause_ms(p, RETRY_MS);
	} else if (wh_streq(verb, "connect") && wh_parse_u64(arg, 10, &number)) {
		connect_until(p, (uint16_t)number);
	} else if (wh_streq(verb, "control")) {
		control(p, arg);
	} else if (wh_streq(verb, "serve")) {
		serve(p, find(p, arg));
	} else if (wh_streq(verb, "say")) {
		printf("%s\n", arg);
	} else {
		complain("no such command", verb);
	}
	fflush(stdout);
}

int driver_play(const char *path, struct wh_inner *inner)
{
	struct play *p = wh_calloc(1, sizeof(*p));
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	struct wh_err *err = NULL;
	char *save = NULL;

	p->netns = p->control = -1;
	p->loop = wh_loop_new();
	if (wh_read_file(AT_FDCWD, path, (size_t)1 << 20, &text) < 0)
		complain("cannot read", path);
	if (wh_launcher_start(inner, p->loop, &p->launcher, &err) < 0) {
		driver_fail(err);
		return 4;
	}
	for (char *line = strtok_r(text.p, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		WH_AUTO_STRV struct wh_strv words = {0};

		split(line, &words);
		if (words.n)
			command(p, &words);
	}
	wh_launcher_free(p->launcher);
	wh_loop_free(p->loop);
	for (size_t i = 0; i < p->n; i++) {
		wh_err_freep(&p->steps[i].result.err);
		driver_release(&p->steps[i].options);
		wh_strv_release(&p->steps[i].words);
		free(p->steps[i].name);
	}
	wh_closep(&p->netns);
	wh_closep(&p->control);
	free(p);
	return 0;
}
