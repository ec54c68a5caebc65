/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application's container: up, ready, healthy, down.
 *
 *   DOWN ── start ──▶ STARTING ── probes, health check ──▶ UP ── stop signal ──▶ STOPPING ── end ──▶ DOWN
 *
 * Its root stays over restarts within a run, as a container's does. An end that nobody asked for ends the run; how it
 * is told is
 * decided when the observation log is there (profile_run.c).
 */
#include "builder/profile_private.h"

#include <errno.h>
#include <signal.h>

#define STOP_MS 10000
#define RT_FIRST 34 /* as image configs count SIGRTMIN, which is libc's word, not the kernel's */
#define RT_LAST 64
#define HEALTH_RETRIES 3
#define HEALTH_TIMEOUT_MS 30000
#define HEALTH_INTERVAL_MS 1000 /* at most: who waits is a build */

int wh_app_signal_number(const char *text)
{
	uint64_t n;
	int s;

	if (!text || !*text)
		return SIGTERM;
	if (wh_parse_u64(text, 10, &n))
		return n > 0 && n < NSIG ? (int)n : 0;
	if (!strncasecmp(text, "SIG", 3))
		text += 3;
	for (s = 1; s < 32; s++)
		if (sigabbrev_np(s) && !strcasecmp(text, sigabbrev_np(s)))
			return s;
	if (strncasecmp(text, "RTM", 3) || strlen(text) < 5)
		return 0;
	n = 0;
	if (text[5] && (strchr("+-", text[5]) == NULL || !wh_parse_u64(text + 6, 10, &n) || n > RT_LAST - RT_FIRST))
		return 0;
	if (!strncasecmp(text, "RTMIN", 5) && text[5] != '-')
		return RT_FIRST + (int)n;
	return !strncasecmp(text, "RTMAX", 5) && text[5] != '+' ? RT_LAST - (int)n : 0;
}

const char **wh_app_args(const struct wh_op_app *app, const char *const *args)
{
	const char *const *lists[2] = {app->start ? app->start : app->entrypoint, app->start ? NULL : app->cmd};
	const char **out;
	size_t n = 0, i, j;

	if (args) {
		lists[0] = app->entrypoint;
		lists[1] = args;
	}
	for (i = 0; i < 2; i++)
		for (j = 0; lists[i] && lists[i][j]; j++)
			n++;
	out = wh_calloc(n + 1, sizeof(*out));
	n = 0;
	for (i = 0; i < 2; i++)
		for (j = 0; lists[i] && lists[i][j]; j++)
			out[n++] = lists[i][j];
	return out;
}

void wh_app_spec(struct wh_trial *t, struct wh_step *ret)
{
	const struct wh_op_app *app = &t->op->app;

	*ret = (struct wh_step){
		.env = app->env,
		.cwd = app->cwd ? app->cwd : "/",
		.user = app->user ? app->user : "",
		.hostname = t->hostname,
		.net = t->net_fd >= 0 ? WH_SANDBOX_NET_JOIN : WH_SANDBOX_NET_HOST,
		.net_fd = t->net_fd,
		.binds = t->places.binds,
		.n_binds = t->places.n,
		.confine = t->how.confinement ? &t->how.confinement->c : NULL,
		.out_fd = -1,
		.err_fd = -1,
	};
}

static void then(struct wh_trial *t)
{
	wh_app_fn fn = t->app.then;

	t->app.then = NULL;
	if (fn && !wh_trial_over(t))
		fn(t, t->app.then_arg);
}

static const char *signal_name(int s)
{
	return sigabbrev_np(s) ? sigabbrev_np(s) : "?";
}

/* ---------------------------------------------------------------- health */

static void health_try(void *arg);

static void on_health_timeout(void *arg)
{
	struct wh_trial *t = arg;
	struct wh_tstep *s;

	t->health_timer = 0;
	for (s = t->steps; s; s = s->next)
		if (s->kind == WH_TSTEP_HEALTH)
			wh_tstep_kill(s);
}

static void is_up(struct wh_trial *t)
{
	t->app.state = WH_APP_UP;
	wh_tests_phase(t, "serve");
	if (!t->app.ready_once)
		t->app.ready_ns = wh_now_ns() - t->app.since;
	t->app.ready_once = true;
	then(t);
}

static void health_ended(struct wh_tstep *s, struct wh_step_result *res)
{
	struct wh_trial *t = s->t;
	const struct wh_op_app *app = &t->op->app;
	unsigned retries = app->health_retries ? app->health_retries : HEALTH_RETRIES;
	uint64_t interval = app->health_interval_ns / 1000000;
	WH_AUTO_BUF struct wh_buf what = WH_BUF_INIT;

	wh_loop_del_timer(t->b->loop, t->health_timer);
	t->health_timer = 0;
	if (wh_trial_over(t) || t->app.state != WH_APP_STARTING)
		return;
	t->health_status = res->status;
	if (!res->err && res->status == 0) {
		is_up(t);
		return;
	}
	/* Without a probe the health check is what says that it serves. */
	if (++t->health_tries < retries || (!t->op->n_ready && wh_now_ns() < t->ready_deadline)) {
		if (!interval || interval > HEALTH_INTERVAL_MS)
			interval = HEALTH_INTERVAL_MS;
		t->health_timer = wh_loop_add_timer(t->b->loop, interval, health_try, t);
		return;
	}
	wh_args_quote(&what, app->health);
	if (res->err) {
		wh_err_wrap(&res->err, "HEALTHCHECK");
		wh_trial_fail(t, WH_STATUS_TESTS, &res->err);
		return;
	}
	wh_trial_failf(t, WH_STATUS_TESTS, NULL, "HEALTHCHECK fails: \"%s\" ended with status %d, %u times in a row",
		       what.p, res->status, t->health_tries);
}

static void health_try(void *arg)
{
	struct wh_trial *t = arg;
	uint64_t timeout = t->op->app.health_timeout_ns / 1000000;
	struct wh_err *err = NULL;
	struct wh_tstep *s;
	struct wh_step spec;

	t->health_timer = 0;
	if (wh_trial_over(t) || !t->app.step)
		return;
	wh_app_spec(t, &spec);
	spec.args = t->op->app.health;
	spec.join = t->app.step->id;
	if (wh_tstep_start(t, WH_TSTEP_HEALTH, &spec, NULL, "healthcheck", health_ended, NULL, &s, &err) < 0) {
		wh_trial_fail(t, 0, &err);
		return;
	}
	t->health_timer = wh_loop_add_timer(t->b->loop, timeout ? timeout : HEALTH_TIMEOUT_MS, on_health_timeout, t);
}

void wh_app_ready(struct wh_trial *t)
{
	if (t->op->app.health && t->op->app.health[0] && t->health_status < 0)
		health_try(t);
	else
		is_up(t);
}

/* ---------------------------------------------------------------- its end */

static bool good_end(const struct wh_app *a)
{
	const int fine[] = {a->stop_signal, SIGTERM, SIGINT, SIGQUIT};
	size_t i;

	if (!a->signal && !a->status)
		return true;
	for (i = 0; i < WH_ARRAY_SIZE(fine); i++)
		if (a->signal == fine[i] || a->status == 128 + fine[i])
			return true;
	return false;
}

/* An end that a signal the driver sent accounts for. */
static bool asked_end(const struct wh_app *a)
{
	int by = a->signal ? a->signal : a->status - 128;

	return a->asked && ((!a->signal && !a->status) || (by > 0 && by <= 64 && a->asked >> (by - 1) & 1));
}

bool wh_app_in_shell(const struct wh_trial *t)
{
	static const char *const shells[] = {"sh", "bash", "dash", "ash"};
	WH_AUTO_FREE const char **args = wh_app_args(&t->op->app, NULL);
	size_t i;

	if (!args[0] || !wh_streq(args[1], "-c"))
		return false;
	for (i = 0; i < WH_ARRAY_SIZE(shells); i++)
		if (wh_streq(wh_path_base(args[0]), shells[i]))
			return true;
	return false;
}

static void judge_stop(struct wh_trial *t)
{
	struct wh_app *a = &t->app;
	const char *name = signal_name(a->stop_signal);

	if (a->hung) {
		wh_trial_failf(
			t, WH_STATUS_STOP,
			wh_app_in_shell(t)
				? WH_APP_SHELL_HINT
				: "the first process of a container gets no default action for signals: it has to handle the "
				  "signal, or STOPSIGNAL has to name one that it handles",
			"the application does not stop: SIG%s was sent, and %d s later it still ran", name,
			STOP_MS / 1000);
	} else if (!good_end(a)) {
		if (a->signal)
			wh_trial_failf(t, WH_STATUS_STOP, NULL,
				       "the application stops badly: SIG%s was sent, and it was "
				       "killed by SIG%s",
				       name, signal_name(a->signal));
		else
			wh_trial_failf(t, WH_STATUS_STOP, NULL,
				       "the application stops badly: SIG%s was sent, and it "
				       "ended with status %d",
				       name, a->status);
	} else {
		then(t);
	}
}

static void app_ended(struct wh_tstep *s, struct wh_step_result *res)
{
	struct wh_trial *t = s->t;
	struct wh_app *a = &t->app;
	enum wh_app_state was = a->state;

	a->step = NULL;
	a->state = WH_APP_DOWN;
	a->status = res->status;
	a->signal = res->signal;
	wh_ready_cancel(t);
	wh_loop_del_timer(t->b->loop, a->stop_timer);
	a->stop_timer = 0;
	if (wh_trial_over(t))
		return;
	if (res->err && res->started) {
		wh_err_wrap(&res->err, "the application");
		wh_err_status(&res->err, WH_STATUS_INCOMPLETE);
		wh_trial_fail(t, 0, &res->err);
	} else if (res->err) {
		wh_err_wrap(&res->err, "start the application");
		wh_trial_fail(t, WH_STATUS_DIED, &res->err);
	} else if (was == WH_APP_STOPPING) {
		judge_stop(t);
	} else if (was == WH_APP_STARTING || !asked_end(a)) {
		a->died = true;
		wh_trial_fail(t, 0, &(struct wh_err *){NULL});
	} else {
		then(t);
	}
}

/* ---------------------------------------------------------------- up and down */

void wh_app_up(struct wh_trial *t, wh_app_fn fn, void *arg)
{
	struct wh_app *a = &t->app;
	WH_AUTO_FREE const char **args = wh_app_args(&t->op->app, NULL);
	struct wh_err *err = NULL;
	struct wh_step spec;

	if (wh_trial_over(t))
		return;
	a->then = fn;
	a->then_arg = arg;
	wh_app_spec(t, &spec);
	wh_exec_root(t->root, true, t->b->snapshotter, &spec.root);
	spec.args = args;
	if (!args[0]) {
		wh_trial_failf(t, 0, "give the stage an ENTRYPOINT or CMD, or name the command with --start=[…]",
			       "there is no application to start: the image has neither ENTRYPOINT nor CMD");
		return;
	}
	if (wh_tstep_start(t, WH_TSTEP_APP, &spec, NULL, "application", app_ended, NULL, &a->step, &err) < 0) {
		wh_err_wrap(&err, "start the application");
		wh_trial_fail(t, 0, &err);
		return;
	}
	a->state = WH_APP_STARTING;
	a->since = wh_now_ns();
	a->asked = 0;
	a->hung = false;
	a->started = true;
	wh_tests_phase(t, "start");
	wh_ready_begin(t);
}

static void on_stop_timeout(void *arg)
{
	struct wh_trial *t = arg;

	t->app.stop_timer = 0;
	t->app.hung = true;
	if (t->app.step)
		wh_tstep_kill(t->app.step);
}

void wh_app_down(struct wh_trial *t, wh_app_fn fn, void *arg)
{
	struct wh_app *a = &t->app;

	if (wh_trial_over(t))
		return;
	a->then = fn;
	a->then_arg = arg;
	if (!a->step) {
		then(t);
		return;
	}
	if (a->state == WH_APP_STOPPING)
		return; /* the driver asked for it and did not wait */
	wh_ready_cancel(t);
	a->state = WH_APP_STOPPING;
	wh_tests_phase(t, "stop");
	wh_launcher_signal(t->b->launcher, a->step->id, a->stop_signal);
	a->stop_timer = wh_loop_add_timer(t->b->loop, STOP_MS, on_stop_timeout, t);
}
