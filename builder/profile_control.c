/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the driver can ask of us, through the helper /run/whittle/app: run commands in the application's container or
 * beside it, start,
 * stop, restart and signal it, and read what it printed. Protocol: sandbox/app_protocol.h.
 *
 * A connection is one request and one reply. Who connects may be hostile: everything is bounded, nothing waits for a
 * peer.
 */
#include "builder/profile_private.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CONNS_MAX 64
#define PENDING_MAX 256 /* descriptors that a driver can make us wait for */
#define NOT_RUNNING "the application is not running"

struct beside;  /* a further container that is being prepared */
struct barrier; /* a mark that is on its way */

struct wh_conn {
	struct wh_conn *next;
	struct wh_trial *t;
	int fd;
	bool asked; /* the request is whole */
	struct wh_app_request req;
	struct wh_tstep *step; /* EXEC, RUN */
	struct beside *beside;
	struct barrier *barrier;
};

struct barrier {
	struct wh_trial *t;
	struct wh_conn *conn; /* NULL: it is gone */
};

struct beside {
	struct wh_trial *t;
	struct wh_conn *conn; /* NULL: it is gone */
	char *prefix;
	struct wh_work *work;
	struct wh_places places;
	struct wh_err *err;
};

/* ---------------------------------------------------------------- connections */

static void conn_free(struct wh_conn *c)
{
	struct wh_trial *t = c->t;
	struct wh_conn **at;

	for (at = &t->conns; *at != c; at = &(*at)->next)
		;
	*at = c->next;
	wh_loop_del_fd(t->b->loop, c->fd);
	wh_app_close(t->closer, &c->fd, 1); /* what is on its way inside, too */
	if (c->step) {
		c->step->arg = NULL;
		wh_tstep_kill(c->step);
	}
	if (c->beside)
		c->beside->conn = NULL;
	if (c->barrier)
		c->barrier->conn = NULL;
	if (t->app.then && t->app.then_arg == c)
		t->app.then = NULL;
	wh_app_request_release(&c->req);
	free(c);
}

static void reply(struct wh_conn *c, int status, const char *text, size_t n)
{
	(void)wh_app_reply(c->fd, status, text, n); /* who does not listen loses nothing but the answer */
	conn_free(c);
}

static void reply_text(struct wh_conn *c, int status, const char *text)
{
	WH_AUTO_FREE char *line = wh_asprintf("app: %s\n", text);

	reply(c, status, line, strlen(line));
}

static void reply_err(struct wh_conn *c, int status, const struct wh_err *err)
{
	reply_text(c, status, err ? err->msg : "failed");
}

/* ---------------------------------------------------------------- commands in containers */

static void command_ended(struct wh_tstep *s, struct wh_step_result *res)
{
	struct wh_conn *c = s->arg;

	if (!c)
		return;
	c->step = NULL;
	if (res->err)
		reply_err(c, res->status ? res->status : 125, res->err);
	else
		reply(c, res->status, "", 0);
}

/* The application's environment with what was asked for on top. */
static void command_env(const struct wh_trial *t, const struct wh_app_request *q, struct wh_strv *env)
{
	const char *const *e;
	size_t i;

	for (e = t->op->app.env; e && *e; e++)
		wh_strv_add(env, *e);
	for (i = 0; q->env && q->env[i]; i++) {
		const char *eq = strchr(q->env[i], '=');
		WH_AUTO_FREE char *name = eq ? wh_strndup(q->env[i], (size_t)(eq - q->env[i])) : NULL;

		if (name)
			wh_env_set(env, name, eq + 1);
	}
}

/* Starts what c asks for; spec has what tells the two kinds apart. */
static void command(struct wh_conn *c, enum wh_tstep_kind kind, const char *log, struct wh_step *spec)
{
	WH_AUTO_STRV struct wh_strv env = {0};
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_app_request *q = &c->req;

	command_env(c->t, q, &env);
	if (env.n)
		spec->env = (const char *const *)env.v;
	if (q->user)
		spec->user = q->user;
	if (q->cwd)
		spec->cwd = q->cwd;
	if (wh_tstep_start(c->t, kind, spec, q->fds, log, command_ended, c, &c->step, &err) < 0)
		reply_err(c, 125, err);
}

static void do_exec(struct wh_conn *c)
{
	struct wh_step spec;

	if (!c->t->app.step) {
		reply_text(c, 125, NOT_RUNNING);
		return;
	}
	wh_app_spec(c->t, &spec);
	spec.args = (const char *const *)c->req.args;
	spec.join = c->t->app.step->id;
	command(c, WH_TSTEP_EXEC, "exec", &spec);
}

static void beside_work(void *arg)
{
	struct beside *x = arg;
	struct wh_builder *b = x->t->b;

	if (wh_places_make(x->t, x->prefix, &x->places, &x->err) == 0)
		wh_work_new(b->o.store, b->snapshotter, x->t->layers, x->t->n_layers, true, &x->work, &x->err);
}

static void beside_done(void *arg)
{
	struct beside *x = arg;
	struct wh_trial *t = x->t;
	struct wh_conn *c = x->conn;
	WH_AUTO_FREE const char **args = NULL;
	struct wh_step spec;

	if (c)
		c->beside = NULL;
	if (c && !x->work) {
		reply_err(c, 125, x->err);
	} else if (c && !wh_trial_over(t)) {
		args = wh_app_args(&t->op->app,
				   c->req.args && c->req.args[0] ? (const char *const *)c->req.args : NULL);
		wh_app_spec(t, &spec);
		spec.binds = x->places.binds;
		spec.n_binds = x->places.n;
		wh_exec_root(x->work, true, t->b->snapshotter, &spec.root);
		spec.args = args;
		command(c, WH_TSTEP_RUN, "run", &spec);
		/* The connection is gone when the command could not be started. */
		if (t->steps && t->steps->kind == WH_TSTEP_RUN && t->steps->arg == c)
			t->steps->work = WH_TAKE_PTR(x->work);
	}
	wh_work_discard(x->work);
	wh_places_release(&x->places);
	wh_err_free(x->err);
	free(x->prefix);
	free(x);
	wh_trial_idle(t);
}

static void do_run(struct wh_conn *c)
{
	struct beside *x;

	if (!c->req.args[0] && !c->t->op->app.entrypoint[0] && !c->t->op->app.cmd[0]) {
		reply_text(c, 125, "there is nothing to run: the image has no ENTRYPOINT, and no words were given");
		return;
	}
	x = wh_calloc(1, sizeof(*x));
	x->t = c->t;
	x->conn = c;
	x->prefix = wh_asprintf("beside%u-", c->t->besides++);
	c->beside = x;
	wh_trial_job(c->t, beside_work, beside_done, x);
}

/* ---------------------------------------------------------------- marks */

static void on_marked(void *arg, int answer)
{
	struct barrier *x = arg;
	struct wh_trial *t = x->t;

	(void)answer;
	if (x->conn) {
		x->conn->barrier = NULL;
		reply(x->conn, 0, "", 0);
	}
	free(x);
	wh_trial_idle(t);
}

/* Answers when the marks that were ordered are in the logs: orders are carried out one after the other, so a question behind them tells. */
static void reply_marked(struct wh_trial *t, void *arg)
{
	struct wh_conn *c = arg;
	struct barrier *x = wh_calloc(1, sizeof(*x));

	*x = (struct barrier){t, c};
	c->barrier = x;
	t->busy++;
	wh_launcher_exists(t->b->launcher, 0, "/", on_marked, x);
}

/* ---------------------------------------------------------------- the application's life */

static void is_fine(struct wh_trial *t, void *arg)
{
	(void)t;
	reply(arg, 0, "", 0);
}

static void up(struct wh_trial *t, void *arg)
{
	wh_app_up(t, reply_marked, arg);
}

static bool busy(struct wh_conn *c)
{
	const struct wh_app *a = &c->t->app;

	if (!a->then && (a->state == WH_APP_UP || a->state == WH_APP_DOWN))
		return false;
	reply_text(c, 1, "the application is being started or stopped already");
	return true;
}

static void do_start(struct wh_conn *c)
{
	struct wh_app *a = &c->t->app;

	if (busy(c))
		return;
	if (!a->step) {
		wh_app_up(c->t, reply_marked, c);
	} else if (a->asked) {
		/* It was sent a signal that ends it, and may be about to. */
		a->then = up;
		a->then_arg = c;
	} else {
		is_fine(c->t, c);
	}
}

static void do_stop(struct wh_conn *c, wh_app_fn then)
{
	if (!busy(c))
		wh_app_down(c->t, then, c);
}

static bool ends(const struct wh_app *a, int sig)
{
	return sig == SIGKILL || sig == SIGTERM || sig == SIGINT || sig == SIGQUIT || sig == a->stop_signal;
}

static void do_kill(struct wh_conn *c)
{
	struct wh_app *a = &c->t->app;
	const char *name = c->req.args[0] ? c->req.args[0] : "KILL";
	int sig = wh_app_signal_number(name);

	if (!sig) {
		WH_AUTO_FREE char *text = wh_asprintf("%s: no such signal", name);

		reply_text(c, 2, text);
		return;
	}
	if (!a->step) {
		reply_text(c, 1, NOT_RUNNING);
		return;
	}
	/* Another signal is a test of its own: an end after it is nothing that the earlier ones asked for. */
	if (a->state == WH_APP_UP)
		a->asked = ends(a, sig) ? a->asked | UINT64_C(1) << (sig - 1) : 0;
	wh_launcher_signal(c->t->b->launcher, a->step->id, sig);
	if (sig == SIGKILL && a->state == WH_APP_UP && !a->then) {
		a->then = is_fine;
		a->then_arg = c;
		return;
	}
	is_fine(c->t, c);
}

static void do_logs(struct wh_conn *c)
{
	const struct wh_buf *b = &c->t->app.output;

	reply(c, 0, b->n ? b->p : "", b->n);
}

static void do_test(struct wh_conn *c)
{
	struct wh_trial *t = c->t;

	if (!t->driver_step) {
		reply_text(c, 1, "the tests are over");
		return;
	}
	wh_tests_name(t, c->req.args[0] ? c->req.args[0] : "");
	reply_marked(t, c);
}

static void dispatch(struct wh_conn *c)
{
	/* What it printed before it asked is of before. */
	if (c->t->driver_step)
		wh_tstep_drain(c->t->driver_step);
	switch (c->req.verb) {
	case WH_APP_EXEC:
		do_exec(c);
		break;
	case WH_APP_RUN:
		do_run(c);
		break;
	case WH_APP_START:
		do_start(c);
		break;
	case WH_APP_STOP:
		do_stop(c, is_fine);
		break;
	case WH_APP_RESTART:
		do_stop(c, up);
		break;
	case WH_APP_KILL:
		do_kill(c);
		break;
	case WH_APP_LOGS:
		do_logs(c);
		break;
	case WH_APP_TEST:
		do_test(c);
		break;
	}
}

/* ---------------------------------------------------------------- the socket */

static void on_conn(void *arg, int fd, short revents)
{
	struct wh_conn *c = arg;
	WH_AUTO_ERR struct wh_err *err = NULL;
	int r;

	(void)revents;
	if (c->asked) {
		/* There is nothing more to say: it hung up, or is no helper of ours. */
		conn_free(c);
		return;
	}
	r = wh_app_request_read(fd, &c->req, &err);
	if (r == -EAGAIN)
		return;
	if (r == -EINVAL) {
		reply_err(c, 2, err);
	} else if (r < 0) {
		conn_free(c);
	} else {
		c->asked = true;
		dispatch(c);
	}
}

static void on_accept(void *arg, int fd, short revents)
{
	struct wh_trial *t = arg;
	const struct wh_conn *other;
	struct wh_conn *c;
	size_t n = 0;
	int conn;

	(void)revents;
	if (wh_app_closer_pending(t->closer) > PENDING_MAX) {
		wh_trial_failf(t, WH_STATUS_TESTS, NULL, "the tests hand over sockets that cannot be closed");
		return;
	}
	conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (conn < 0)
		return;
	for (other = t->conns; other; other = other->next)
		n++;
	if (n >= CONNS_MAX) {
		wh_app_close(t->closer, &conn, 1);
		return;
	}
	c = wh_calloc(1, sizeof(*c));
	*c = (struct wh_conn){.next = t->conns, .t = t, .fd = conn, .req = WH_APP_REQUEST_INIT};
	c->req.closer = t->closer;
	t->conns = c;
	wh_loop_add_fd(t->b->loop, conn, POLLIN, on_conn, c);
}

int wh_control_make(struct wh_trial *t, int dir, struct wh_err **err)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const void *helper;
	size_t n;
	int r;

	helper = wh_app_helper(&n);
	r = wh_write_file_atomic(dir, WH_APP_HELPER, helper, n, 0755, false);
	if (r < 0)
		return wh_err_sys(err, "builder", WH_ERR_ENV, -r, "write the helper of the test driver");
	/* The directory's own path may be too long for an address. */
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/" WH_APP_SOCKET, dir);
	t->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (t->listener < 0 || bind(t->listener, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    fchmodat(dir, WH_APP_SOCKET, 0666, 0) < 0 || listen(t->listener, CONNS_MAX) < 0)
		return wh_err_sys(err, "builder", WH_ERR_ENV, errno, "make the control socket of the test driver");
	return 0;
}

void wh_control_open(struct wh_trial *t)
{
	wh_loop_add_fd(t->b->loop, t->listener, POLLIN, on_accept, t);
}

void wh_control_close(struct wh_trial *t)
{
	if (t->listener >= 0)
		wh_loop_del_fd(t->b->loop, t->listener);
	wh_app_close(t->closer, &t->listener, 1); /* connections that were never taken, too */
	while (t->conns)
		conn_free(t->conns);
}
