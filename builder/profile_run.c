/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs of a trial, one after the other.
 *
 *   begin → cache mounts of the driver → [job] prepare → application up → driver → application down → ending → [job] tear down
 *
 * With --start=manual the driver comes first, and brings the application up itself. Whatever fails, the way leads
 * through the ending:
 * everything is killed, all ends are waited for, everything is removed.
 */
#include "builder/profile_private.h"

#include <errno.h>
#include <unistd.h>

#define LOCK_MS 50
#define DEFAULT_TIMEOUT_NS (600 * UINT64_C(1000000000))
#define DIED_FIRST_MS 300 /* how long the end of an application may be told after its driver's */
#define RUN_DIR "/run/whittle"

static void begin(struct wh_trial *t);
static void ending(struct wh_trial *t);

/* ---------------------------------------------------------------- small things */

bool wh_trial_over(const struct wh_trial *t)
{
	return t->phase >= WH_TRIAL_ENDING;
}

void wh_trial_say(struct wh_trial *t, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	wh_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	wh_buf_addc(&text, '\n');
	wh_builder_event(
		t->b,
		&(struct wh_event){.kind = WH_EV_LOG, .v = t->shown->v, .stream = 1, .data = text.p, .len = text.n});
}

void wh_trial_job(struct wh_trial *t, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
	t->busy++;
	wh_pool_submit(t->b->pool, work, done, arg);
}

struct wh_obs_log *wh_trial_logs(const struct wh_trial *t)
{
	struct wh_obs_log *v = wh_calloc(t->n_logs, sizeof(*v));
	size_t i;

	for (i = 0; i < t->n_logs; i++)
		v[i] = (struct wh_obs_log){t->logs[i].name, t->logs[i].text.n ? t->logs[i].text.p : "",
					   t->logs[i].text.n, t->logs[i].run, &t->tests.of_run[t->logs[i].run]};
	return v;
}

/* ---------------------------------------------------------------- failure */

void wh_trial_fail(struct wh_trial *t, int status, struct wh_err **err)
{
	if (!t->r) {
		t->r = *err && (*err)->sys ? -(*err)->sys : -ECHILD;
		if (*err && status && ((*err)->class == WH_ERR_BUILD || (*err)->class == WH_ERR_USAGE))
			wh_err_status(err, status);
		wh_err_move(&t->err, err);
	}
	wh_err_freep(err);
	ending(t);
}

void wh_trial_failf(struct wh_trial *t, int status, const char *hint, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	struct wh_err *err = NULL;
	va_list ap;

	va_start(ap, fmt);
	wh_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	wh_err_set(&err, "builder", WH_ERR_BUILD, ECHILD, "%s", text.p);
	if (hint)
		wh_err_hint(&err, "%s", hint);
	wh_trial_fail(t, status, &err);
}

void wh_trial_cancel(struct wh_trial *t)
{
	struct wh_err *none = NULL;

	if (!t)
		return;
	t->canceled = true;
	if (!wh_trial_over(t)) {
		t->r = -ECANCELED;
		wh_trial_fail(t, 0, &none);
	}
}

static const char *when(const struct wh_trial *t)
{
	return t->app.ready_once ? "while it was tested" : "before it was ready";
}

static void hint_unrunnable(int status, const struct wh_tail *tail, struct wh_err **err)
{
	uint64_t lines;
	size_t shown;
	WH_AUTO_FREE char *text = wh_tail_text(tail, &shown, &lines);

	wh_unrunnable_hint(status, text, err);
}

/* It ended by itself. Whether it meant to is in its log. */
static void tell_death(struct wh_trial *t)
{
	const struct wh_app *a = &t->app;
	const struct wh_trial_log *log = NULL;
	WH_AUTO_FREE const char **args = wh_app_args(&t->op->app, NULL);
	WH_AUTO_BUF struct wh_buf started = WH_BUF_INIT;
	struct wh_err *err = NULL;
	size_t i;

	for (i = t->first_log; i < t->n_logs; i++)
		if (wh_streq(t->logs[i].name, "application"))
			log = &t->logs[i];
	if (a->signal) {
		wh_err_set(&err, "builder", WH_ERR_BUILD, ECHILD, "the application was killed by SIG%s %s",
			   sigabbrev_np(a->signal) ? sigabbrev_np(a->signal) : "?", when(t));
		wh_killed_hint(&t->before, 128 + a->signal, &err);
	} else if (!a->status && log && wh_trial_left_others(log)) {
		wh_err_set(&err, "builder", WH_ERR_BUILD, ECHILD,
			   "the application went into the background: its first process ended with status 0 %s, "
			   "after it had started others",
			   when(t));
		wh_err_hint(&err, "start it in the foreground (nginx: -g 'daemon off;'): with its first process a "
				  "container ends");
	} else {
		wh_args_quote(&started, args);
		wh_err_set(&err, "builder", WH_ERR_BUILD, ECHILD,
			   "the application ended with status %d %s; it was started as \"%s\"", a->status, when(t),
			   started.p ? started.p : "");
		/* JSON that is none is a word of a shell's: then it is not the file that is wrong. */
		if (!wh_app_in_shell(t) || !args[0] || !args[1] || !args[2] || args[2][0] != '[')
			hint_unrunnable(a->status, &a->tail, &err);
		if (a->status && wh_app_in_shell(t))
			wh_err_hint(&err, WH_APP_SHELL_HINT);
		else if (!a->status)
			wh_err_hint(&err, "a server has to stay in the foreground; a command that ends by itself is "
					  "profiled with --start=manual and `/run/whittle/app run ARGS` in the test");
		else if (a->status == 127 || a->status == 126)
			wh_err_hint(&err, "126 and 127 are a shell's words for what cannot be executed or found");
	}
	wh_err_status(&err, !a->signal && !a->status && log && wh_trial_left_others(log) ? WH_STATUS_BACKGROUND
											 : WH_STATUS_DIED);
	wh_err_move(&t->err, &err);
}

/* Tests that pass without the application prove nothing of it. */
static void tell_idle(struct wh_trial *t)
{
	t->r = wh_err_set(&t->err, "builder", WH_ERR_BUILD, ECHILD,
			  "the tests pass, but they never ran the application");
	wh_err_status(&t->err, WH_STATUS_TESTS);
	wh_err_hint(&t->err, "with --start=manual the tests start it: `/run/whittle/app start` for a server, "
			     "`/run/whittle/app run ARGS` for a command");
}

static void add_tail(struct wh_buf *out, const char *what, const struct wh_tail *tail)
{
	uint64_t lines;
	size_t shown;
	WH_AUTO_FREE char *text = wh_tail_text(tail, &shown, &lines);

	if (out->n)
		wh_buf_addc(out, '\n');
	if (!text)
		wh_buf_addf(out, "the %s printed nothing", what);
	else if (shown < lines)
		wh_buf_addf(out, "last output of the %s (%zu of %llu lines):\n%s", what, shown, (unsigned long long)lines, text);
	else
		wh_buf_addf(out, "last output of the %s:\n%s", what, text);
}

/* Both logs, whoever failed. */
static void add_details(struct wh_trial *t)
{
	wh_buf_reset(&t->said);
	if (t->app.started)
		add_tail(&t->said, "application", &t->app.tail);
	if (t->driver_status >= 0 || !wh_tail_empty(&t->test_tail))
		add_tail(&t->said, "test", &t->test_tail);
	if (!t->err)
		return;
	hint_unrunnable(t->driver_status, &t->test_tail, &t->err);
	if (t->said.n)
		wh_err_detail(&t->err, t->said.p);
}

/* ---------------------------------------------------------------- tear down */

static void run_release(struct wh_trial *t)
{
	struct wh_store *s = t->b->o.store;

	wh_app_close(t->closer, &t->listener, 1);
	wh_work_discard(WH_TAKE_PTR(t->root));
	wh_exec_free(WH_TAKE_PTR(t->driver));
	wh_layer_release(&t->driver_layer);
	t->driver_layer = (struct wh_layer){0};
	wh_closep(&t->net_fd);
	wh_closep(&t->dir_fd);
	if (t->dir)
		(void)wh_rm_rf(wh_store_tmp_dirfd(s), t->dir); /* what cannot be removed now goes with the lease */
	free(WH_TAKE_PTR(t->dir));
	free(WH_TAKE_PTR(t->run_dir));
	free(WH_TAKE_PTR(t->binds));
	wh_places_release(&t->places);
	wh_strv_release(&t->shared);
	wh_ready_free(t);
	wh_buf_release(&t->app.output);
	wh_tail_release(&t->app.tail);
	wh_tail_release(&t->test_tail);
	wh_tests_reset(t);
}

static json_t *seconds(uint64_t ns)
{
	return json_real((double)(ns / 1000000) / 1000.0);
}

static void record_run(struct wh_trial *t)
{
	const struct wh_app *a = &t->app;
	json_t *run = json_object();
	uint64_t events, files;

	wh_trial_count(t->logs + t->first_log, t->n_logs - t->first_log, &events, &files);
	json_object_set_new(run, "seconds", seconds(wh_now_ns() - t->from));
	if (a->ready_once)
		json_object_set_new(run, "ready_seconds", seconds(a->ready_ns));
	json_object_set_new(run, "driver", json_pack("{s:i}", "status", t->driver_status));
	if (a->started)
		json_object_set_new(run, "application",
				    json_pack("{s:i,s:i}", "status", a->status, "signal", a->signal));
	if (t->health_status >= 0)
		json_object_set_new(run, "health", json_pack("{s:i}", "status", t->health_status));
	json_object_set_new(run, "events", json_integer((json_int_t)events));
	json_object_set_new(run, "files", json_integer((json_int_t)files));
	json_array_append_new(t->runs, run);
}

/* Job: the whole run is its own. */
static void teardown_work(void *arg)
{
	struct wh_trial *t = arg;
	struct wh_err *err = NULL;
	size_t i;
	int r;

	for (i = t->first_log; i < t->n_logs; i++) {
		r = wh_trial_log_read(&t->logs[i], &err);
		if (r < 0 && !t->r) {
			t->r = r;
			wh_err_move(&t->err, &err);
		}
		wh_err_freep(&err);
	}
	if (t->app.died && !t->err)
		tell_death(t);
	if (!t->r && !t->canceled && !t->app_ran)
		tell_idle(t);
	add_details(t);
	if (!t->r)
		record_run(t);
	run_release(t);
}

static void teardown_done(void *arg)
{
	struct wh_trial *t = arg;
	struct wh_builder *b = t->b;

	t->busy--;
	if (t->canceled && !t->r)
		t->r = -ECANCELED;
	if (!t->r && ++t->run < t->op->runs) {
		begin(t);
		wh_trial_idle(t);
		return;
	}
	wh_tests_told(t, &t->joined);
	b->outstanding--;
	t->done(t->shown);
	wh_builder_pump(b);
}

static void kill_steps(struct wh_trial *t)
{
	struct wh_tstep *s;

	for (s = t->steps; s; s = s->next)
		wh_tstep_kill(s);
}

static void del_timer(struct wh_trial *t, uint64_t *timer)
{
	wh_loop_del_timer(t->b->loop, *timer);
	*timer = 0;
}

static void on_ending(void *arg)
{
	wh_trial_idle(arg);
}

/* Nothing new starts, what runs is killed; the rest comes when the last of it is gone. */
static void ending(struct wh_trial *t)
{
	if (wh_trial_over(t))
		return;
	/* A job that prepares goes on with what is its own. */
	if (t->phase == WH_TRIAL_RUNNING)
		wh_control_close(t);
	t->phase = WH_TRIAL_ENDING;
	t->cancel = true;
	del_timer(t, &t->lock_timer);
	del_timer(t, &t->run_timer);
	del_timer(t, &t->health_timer);
	del_timer(t, &t->app.stop_timer);
	wh_ready_cancel(t);
	kill_steps(t);
	/* Whoever called may go on with the trial: the tear down is never begun from here. */
	t->busy++;
	t->lock_timer = wh_loop_add_timer(t->b->loop, 0, on_ending, t);
}

void wh_trial_idle(struct wh_trial *t)
{
	t->busy--;
	if (t->phase != WH_TRIAL_ENDING || t->busy)
		return;
	t->phase = WH_TRIAL_TEARDOWN;
	wh_trial_job(t, teardown_work, teardown_done, t);
}

/* ---------------------------------------------------------------- the driver */

static void is_down(struct wh_trial *t, void *arg)
{
	(void)arg;
	ending(t);
}

static void tests_failed(struct wh_trial *t)
{
	WH_AUTO_BUF struct wh_buf what = WH_BUF_INIT;
	WH_AUTO_FREE char *told = wh_tap_failure(&t->tests.tap);

	wh_args_quote(&what, t->op->driver.args);
	wh_trial_failf(t, WH_STATUS_TESTS, NULL, "the tests fail: \"%s\" ended with status %d%s%s", what.p,
		       t->driver_status, told ? "; " : "", told ? told : "");
}

static void on_died_first(void *arg)
{
	struct wh_trial *t = arg;

	t->health_timer = 0;
	if (!wh_trial_over(t))
		tests_failed(t);
}

static void kill_others(struct wh_trial *t)
{
	struct wh_tstep *s;

	for (s = t->steps; s; s = s->next)
		if (s->kind != WH_TSTEP_APP)
			wh_tstep_kill(s);
}

static void driver_ended(struct wh_tstep *s, struct wh_step_result *res)
{
	struct wh_trial *t = s->t;
	WH_AUTO_FREE char *failed = wh_tap_failure(&t->tests.tap); /* not every driver's status tells */

	t->driver_step = NULL;
	if (t->driver)
		wh_exec_serve_end(t->driver);
	t->driver_status = res->status;
	wh_tests_end(t);
	wh_control_close(t);
	if (wh_trial_over(t))
		return;
	if (res->err) {
		wh_err_wrap(&res->err, "start the test driver");
		wh_trial_fail(t, WH_STATUS_TESTS, &res->err);
		return;
	}
	kill_others(t);
	if (res->status || failed) {
		/* Tests of an application that died fail, too: then its death is the news. */
		if (t->app.step && t->app.state == WH_APP_UP && !t->app.asked)
			t->health_timer = wh_loop_add_timer(t->b->loop, DIED_FIRST_MS, on_died_first, t);
		else
			tests_failed(t);
		return;
	}
	wh_app_down(t, is_down, NULL);
}

static void drive(struct wh_trial *t, void *arg)
{
	const struct wh_op_exec *op = &t->op->driver;
	struct wh_exec *x = t->driver;
	struct wh_err *err = NULL;
	struct wh_step spec = {
		.args = op->args,
		.env = (const char *const *)x->env.v,
		.cwd = op->cwd ? op->cwd : "/",
		.user = op->user ? op->user : "",
		.hostname = op->hostname ? op->hostname : "test",
		.net = t->net_fd >= 0 ? WH_SANDBOX_NET_JOIN : WH_SANDBOX_NET_HOST,
		.net_fd = t->net_fd,
		.insecure = op->insecure,
		.binds = x->binds,
		.n_binds = x->n_binds,
		.extra_hosts = op->extra_hosts,
		.shm_size = op->shm_size,
		.ulimits = op->ulimits,
	};

	(void)arg;
	wh_exec_root(x->root, true, t->b->snapshotter, &spec.root);
	wh_control_open(t);
	wh_exec_serve(x);
	if (wh_tstep_start(t, WH_TSTEP_DRIVER, &spec, NULL, NULL, driver_ended, NULL, &t->driver_step, &err) < 0) {
		wh_exec_serve_end(x);
		wh_err_wrap(&err, "start the test driver");
		wh_trial_fail(t, 0, &err);
		return;
	}
	wh_tests_begin(t);
}

static void on_timeout(void *arg)
{
	struct wh_trial *t = arg;
	double s = (double)(wh_trial_limit(t) ? wh_trial_limit(t) : DEFAULT_TIMEOUT_NS) / 1e9;

	t->run_timer = 0;
	if (t->driver_step)
		wh_trial_failf(t, WH_STATUS_TIMEOUT, "--timeout=TIME gives it more",
			       "the tests were not over after %g s", s);
	else if (t->app.state == WH_APP_STARTING)
		wh_trial_failf(t, WH_STATUS_NOT_READY, "--timeout=TIME gives it more",
			       "the application did not get ready within %g s", s);
	else
		wh_trial_failf(t, WH_STATUS_TIMEOUT, "--timeout=TIME gives it more", "the run was not over after %g s",
			       s);
}

/* ---------------------------------------------------------------- preparing */

static int share_all(struct wh_trial *t, struct wh_err **err)
{
	struct wh_store *s = t->b->o.store;
	size_t i, n = 0;
	int r = 0;

	while (t->op->share && t->op->share[n])
		n++;
	t->binds = wh_calloc(n, sizeof(*t->binds));
	for (i = 0; r == 0 && i < n; i++) {
		WH_AUTO_FREE char *name = wh_asprintf("share%zu", i);

		r = wh_share_copy(s, t->layers, t->n_layers, "--share", t->op->share[i], t->dir_fd, name, err);
		if (r < 0)
			break;
		wh_strv_take(&t->shared, wh_asprintf("%s/%s/%s", wh_store_tmp_path(s), t->dir, name));
		t->binds[i] = (struct wh_bind){
			.kind = WH_BIND_PATH,
			.source = t->shared.v[i],
			.target = t->op->share[i],
		};
	}
	return r < 0 ? r : wh_places_make(t, "place", &t->places, err);
}

static int control_dir(struct wh_trial *t, struct wh_bind *bind, struct wh_err **err)
{
	WH_AUTO_FD int fd = -1;
	int r = mkdirat(t->dir_fd, "run", 0755) < 0 ? -errno : 0;

	if (r == 0)
		r = fd = wh_openat(t->dir_fd, "run", O_RDONLY | O_DIRECTORY, 0);
	if (r < 0)
		return wh_err_sys(err, "builder", WH_ERR_ENV, -r, "make the directory of the control socket");
	r = wh_control_make(t, fd, err);
	t->run_dir = wh_asprintf("%s/%s/run", wh_store_tmp_path(t->b->o.store), t->dir);
	*bind = (struct wh_bind){
		.kind = WH_BIND_PATH,
		.source = t->run_dir,
		.target = RUN_DIR,
		.readonly = true,
	};
	return r;
}

static int driver_root(struct wh_trial *t, struct wh_err **err)
{
	const struct wh_node *root = t->profile->n_inputs > 1 ? t->profile->inputs[1] : NULL;
	const struct wh_layer *layers = root ? root->result.layers : NULL;
	size_t n = root ? root->result.n_layers : 0;
	struct wh_builder *b = t->b;
	int r;

	if (root && root->local_path) { /* a directory on this machine */
		struct wh_digest took;

		r = wh_local_layer(t->profile, 1, "/", &t->driver_layer, &took, err);
		if (r < 0)
			return r;
		wh_exec_took(t->profile, t->op->driver.n_mounts, &took);
		layers = &t->driver_layer;
		n = 1;
	}
	r = wh_share_check(b->o.store, layers, n, t->op->share, err);
	return r < 0 ? r : wh_work_new(b->o.store, b->snapshotter, layers, n, true, &t->driver->root, err);
}

static int prepare_driver(struct wh_trial *t, struct wh_err **err)
{
	struct wh_exec *x = t->driver;
	size_t i;
	int r;

	wh_exec_env(x);
	r = wh_exec_mounts_prepare(x, t->shared.n + 1, err);
	if (r < 0)
		return r;
	for (i = 0; i < t->shared.n; i++)
		x->binds[x->n_binds++] = t->binds[i];
	r = control_dir(t, &x->binds[x->n_binds], err);
	x->n_binds++;
	return r < 0 ? r : driver_root(t, err);
}

static void prepare_work(void *arg)
{
	struct wh_trial *t = arg;
	struct wh_builder *b = t->b;
	int tmp = wh_store_tmp_dirfd(b->o.store), r = 0;

	t->dir = wh_temp_name("profile-");
	if (mkdirat(tmp, t->dir, 0700) < 0)
		r = -errno;
	if (r == 0)
		r = t->dir_fd = wh_openat(tmp, t->dir, O_RDONLY | O_DIRECTORY, 0);
	if (r < 0)
		r = wh_err_sys(&t->err, "builder", WH_ERR_ENV, -r, "make %s/%s", wh_store_tmp_path(b->o.store), t->dir);
	else
		r = wh_ready_new(t, &t->err);
	if (r == 0 && t->op->driver.network != WH_NET_HOST) {
		t->net_fd = wh_netns_new(&t->err);
		r = t->net_fd < 0 ? t->net_fd : 0;
	}
	if (r == 0)
		r = share_all(t, &t->err);
	if (r == 0)
		r = wh_work_new(b->o.store, b->snapshotter, t->layers, t->n_layers, true, &t->root, &t->err);
	if (r == 0)
		r = prepare_driver(t, &t->err);
	t->job_r = r;
}

static void prepare_done(void *arg)
{
	struct wh_trial *t = arg;
	struct wh_err *err = WH_TAKE_PTR(t->err);
	uint64_t limit = wh_trial_limit(t) ? wh_trial_limit(t) : DEFAULT_TIMEOUT_NS;

	if (t->job_r < 0) {
		wh_trial_fail(t, 0, &err);
	} else if (!wh_trial_over(t)) {
		t->from = wh_now_ns();
		t->run_timer = wh_loop_add_timer(t->b->loop, limit / 1000000 + 1, on_timeout, t);
		t->phase = WH_TRIAL_RUNNING;
		if (t->op->manual)
			drive(t, NULL);
		else
			wh_app_up(t, drive, NULL);
	}
	wh_err_freep(&err);
	wh_trial_idle(t);
}

/* Cache mounts of the driver first: another step may hold them. */
static void try_lock(void *arg)
{
	struct wh_trial *t = arg;
	struct wh_err *err = NULL;
	int r = wh_exec_try_lock(t->driver, &err);

	t->lock_timer = 0;
	if (r < 0)
		wh_trial_fail(t, 0, &err);
	else if (r == 0)
		t->lock_timer = wh_loop_add_timer(t->b->loop, LOCK_MS, try_lock, t);
	else
		wh_trial_job(t, prepare_work, prepare_done, t);
}

static void begin(struct wh_trial *t)
{
	char hex[65];

	t->busy++; /* the caller's wh_trial_idle() */
	t->phase = WH_TRIAL_PREPARING;
	t->cancel = false;
	t->from = wh_now_ns();
	t->first_log = t->n_logs;
	wh_killed_look(&t->before);
	t->net_fd = t->dir_fd = t->listener = -1;
	t->driver_status = t->health_status = -1;
	t->health_tries = 0;
	t->shown_bytes = 0;
	t->app_ran = false;
	t->app = (struct wh_app){.stop_signal = wh_app_signal_number(t->op->app.stop_signal)};
	if (!t->app.stop_signal)
		t->app.stop_signal = 15;
	/* Like docker's, but the same each time: what an application writes may have it in its name. */
	snprintf(t->hostname, sizeof(t->hostname), "%.12s", wh_digest_hex(&t->profile->key.op, hex));
	if (t->op->runs > 1)
		wh_trial_say(t, "run %u of %u", t->run + 1, t->op->runs);
	t->driver = wh_exec_new(t->profile, &t->op->driver);
	try_lock(t);
}

/* ---------------------------------------------------------------- life */

uint64_t wh_trial_limit(const struct wh_trial *t)
{
	return t->how.limit_ns ? t->how.limit_ns : t->op->timeout_ns;
}

void wh_trial_start(struct wh_node *shown, struct wh_node *profile, const struct wh_layer *layers, size_t n_layers,
		    const struct wh_trial_how *how, wh_node_fn done)
{
	struct wh_trial *t = wh_calloc(1, sizeof(*t));

	t->b = shown->b;
	t->shown = shown;
	t->profile = profile;
	t->op = profile->v->op.profile;
	t->layers = layers;
	t->n_layers = n_layers;
	if (how)
		t->how = *how;
	t->done = done;
	t->runs = json_array();
	t->tests.of_run = wh_calloc(t->op->runs, sizeof(*t->tests.of_run));
	t->closer = wh_app_closer_new();
	shown->trial = t;
	t->b->outstanding++;
	begin(t);
	wh_trial_idle(t);
}

void wh_trial_free(struct wh_trial *t)
{
	size_t i;

	if (!t)
		return;
	wh_control_close(t);
	wh_tsteps_free(t);
	run_release(t);
	for (i = 0; i < t->n_logs; i++) {
		wh_closep(&t->logs[i].fd);
		wh_buf_release(&t->logs[i].text);
	}
	free(t->logs);
	for (i = 0; i < t->op->runs; i++)
		wh_strv_release(&t->tests.of_run[i]);
	free(t->tests.of_run);
	wh_buf_release(&t->compared);
	wh_app_closer_free(t->closer);
	json_decref(t->runs);
	wh_buf_release(&t->said);
	wh_err_free(t->err);
	free(t);
}
