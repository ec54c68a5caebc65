/* SPDX-License-Identifier: Apache-2.0 */
/* One command of a run: its pipes, its lines in the build's log, its observation log. */
#include "builder/profile_private.h"

#include <errno.h>
#include <sys/ioctl.h>

#define LINE_MAX_BYTES ((size_t)64 * 1024)
#define OUTPUT_KEEP ((size_t)256 * 1024)
#define STEPS_MAX 64 /* at once: who starts them is the driver */
#define LEFT_MAX 256 /* that are over, but for what they have left running */
#define SHOWN_MAX ((uint64_t)64 << 20) /* of a run's lines: no build's log has a use for more */
#define READS 4 /* at once */
#define LOG_NOW ((off_t)16 << 20) /* a longer log is left to the tear down: reading it would keep the loop */

static const char *const prefixes[] = {"app | ", "test | ", "health | ", "app | ", "app | "};

/* ---------------------------------------------------------------- output */

static void show_line(struct wh_tstep *s, int stream, const char *p, size_t n)
{
	struct wh_trial *t = s->t;
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	wh_buf_adds(&text, prefixes[s->kind]);
	wh_buf_add(&text, p, n);
	wh_buf_addc(&text, '\n');
	wh_tail_keep(s->kind == WH_TSTEP_APP ? &t->app.tail : &t->test_tail, text.p + strlen(prefixes[s->kind]), n + 1);
	wh_node_log(t->shown, text.p, text.n);
	t->shown_bytes += text.n;
	if (t->shown_bytes <= SHOWN_MAX)
		wh_builder_event(t->b, &(struct wh_event){.kind = WH_EV_LOG,
							  .v = t->shown->v,
							  .stream = stream,
							  .data = text.p,
							  .len = text.n});
	else if (t->shown_bytes - text.n <= SHOWN_MAX)
		wh_trial_say(t, "more than %d MiB were printed: the rest of this run is not shown",
			     (int)(SHOWN_MAX >> 20));
	if (s->kind == WH_TSTEP_APP) {
		WH_AUTO_FREE char *line = wh_strndup(p, n);

		wh_ready_line(t, line);
	}
	if (s->kind == WH_TSTEP_DRIVER && stream == 1)
		wh_tests_line(t, p, n);
}

static void lines(struct wh_tstep *s, int stream, const char *p, size_t n, bool end)
{
	struct wh_buf *held = &s->out[stream - 1].line;
	size_t from = 0, at;

	wh_buf_add(held, p, n);
	for (at = held->n - n; at < held->n; at++) {
		if (held->p[at] != '\n' && at - from < LINE_MAX_BYTES)
			continue;
		show_line(s, stream, held->p + from, at - from);
		from = held->p[at] == '\n' ? at + 1 : at;
	}
	if (end && from < held->n) {
		show_line(s, stream, held->p + from, held->n - from);
		from = held->n;
	}
	if (from) {
		memmove(held->p, held->p + from, held->n - from);
		held->n -= from;
	}
}

static void keep_output(struct wh_buf *b, const char *p, size_t n)
{
	if (b->n + n > 2 * OUTPUT_KEEP) {
		size_t drop = b->n > OUTPUT_KEEP ? b->n - OUTPUT_KEEP : 0;

		memmove(b->p, b->p + drop, b->n - drop);
		b->n -= drop;
	}
	wh_buf_add(b, p, n);
}

static void output(struct wh_tstep *s, int stream, const char *p, size_t n, bool end)
{
	struct wh_trial *t = s->t;
	WH_AUTO_BUF struct wh_buf shown = WH_BUF_INIT;

	if (s->kind == WH_TSTEP_APP)
		keep_output(&t->app.output, p, n);
	if (!t->driver || wh_mask_empty(t->driver->mask)) {
		lines(s, stream, p, n, end);
		return;
	}
	/* The driver can hand its secrets to the application, which may print them. */
	wh_mask_feed(t->driver->mask, &s->out[stream - 1].held, p, n, end, &shown);
	lines(s, stream, shown.n ? shown.p : "", shown.n, end);
}

/* Reads once; 0 at the end of the pipe, -EAGAIN when nothing is there. */
static ssize_t take(struct wh_tstep *s, int stream, size_t max)
{
	char chunk[16384];
	ssize_t got;

	do
		got = read(s->out[stream - 1].fd, chunk, max < sizeof(chunk) ? max : sizeof(chunk));
	while (got < 0 && errno == EINTR);
	if (got > 0)
		output(s, stream, chunk, (size_t)got, false);
	return got < 0 ? -errno : got;
}

/* What a command has left running may write for ever: what the pipe holds by now is taken, and nothing is waited for. */
static void take_rest(struct wh_tstep *s, int stream)
{
	ssize_t got;
	int n;

	if (s->out[stream - 1].fd < 0 || ioctl(s->out[stream - 1].fd, FIONREAD, &n) < 0)
		return;
	for (; n > 0; n -= (int)got) {
		got = take(s, stream, (size_t)n);
		if (got <= 0)
			return;
	}
}

static void close_stream(struct wh_tstep *s, int stream)
{
	struct wh_tstream *o = &s->out[stream - 1];

	if (o->fd < 0)
		return;
	wh_loop_del_fd(s->t->b->loop, o->fd);
	wh_closep(&o->fd);
}

static void on_output(void *arg, int fd, short revents)
{
	struct wh_tstep *s = arg;
	int stream = fd == s->out[0].fd ? 1 : 2;
	ssize_t got = 1;

	(void)revents;
	for (int i = 0; got > 0 && i < READS; i++) /* then others get their turn */
		got = take(s, stream, SIZE_MAX);
	if (got <= 0 && got != -EAGAIN)
		close_stream(s, stream);
	if (s->kind == WH_TSTEP_DRIVER)
		wh_tests_settle(s->t);
}

void wh_tstep_drain(struct wh_tstep *s)
{
	for (int stream = 1; stream <= 2; stream++)
		take_rest(s, stream);
	if (s->kind == WH_TSTEP_DRIVER)
		wh_tests_settle(s->t);
}

static void step_free(struct wh_tstep *s)
{
	int i;

	for (i = 0; i < 2; i++) {
		wh_closep(&s->out[i].fd);
		if (s->out[i].held.cap)
			explicit_bzero(s->out[i].held.p, s->out[i].held.cap);
		wh_buf_release(&s->out[i].held);
		wh_buf_release(&s->out[i].line);
	}
	wh_app_close(s->t->closer, s->fds, 3);
	wh_work_discard(s->work);
	free(s);
}

/* ---------------------------------------------------------------- begin and end */

/* The command has ended: who waits for it is told, once. */
static void command_over(struct wh_tstep *s, struct wh_step_result *res)
{
	wh_tstep_fn ended = s->ended;
	struct wh_trial *t = s->t;
	int stream;

	s->ended = NULL;
	for (stream = 1; stream <= 2; stream++) {
		take_rest(s, stream);
		output(s, stream, "", 0, true);
		close_stream(s, stream);
	}
	wh_app_close(t->closer, s->fds, 3);
	if (res->started && (s->kind == WH_TSTEP_APP || s->kind == WH_TSTEP_RUN))
		t->app_ran = true;
	ended(s, res);
}

/* What it has left running is observed on, until that or the container ends. */
static void on_exit_told(void *arg, int status)
{
	struct wh_step_result res = {.status = status, .started = true};

	command_over(arg, &res);
}

/* A test may run thousands of commands: none keeps a descriptor. */
static void read_log(struct wh_trial *t, size_t which)
{
	struct wh_err *err = NULL;
	struct stat st;

	if (which < t->n_logs && t->logs[which].fd >= 0 && fstat(t->logs[which].fd, &st) == 0 &&
	    st.st_size <= LOG_NOW && wh_trial_log_read(&t->logs[which], &err) < 0)
		wh_trial_fail(t, 0, &err);
}

static void on_end(void *arg, struct wh_step_result *res)
{
	struct wh_tstep *s = arg, **at;
	struct wh_trial *t = s->t;

	for (at = &t->steps; *at != s; at = &(*at)->next)
		;
	*at = s->next;
	if (s->ended) {
		command_over(s, res);
	} else if (res->err) {
		wh_err_wrap(&res->err, "what a command has left running in the application's container");
		wh_err_status(&res->err, WH_STATUS_INCOMPLETE);
		wh_trial_fail(t, 0, &res->err);
	}
	wh_err_freep(&res->err);
	read_log(t, s->log);
	step_free(s);
	wh_trial_idle(t);
}

static int open_log(struct wh_trial *t, enum wh_tstep_kind kind, const char *name, struct wh_err **err)
{
	struct wh_trial_log *log;
	int tmp = wh_store_tmp_dirfd(t->b->o.store), fd;
	WH_AUTO_FREE char *file = wh_temp_name("observed-");

	fd = wh_openat(tmp, file, O_RDWR | O_CREAT | O_EXCL | O_APPEND, 0600);
	if (fd < 0)
		return wh_err_sys(err, "builder", WH_ERR_ENV, -fd, "make %s/%s", wh_store_tmp_path(t->b->o.store),
				  file);
	unlinkat(tmp, file, 0);
	WH_PUSH(t->logs, t->n_logs, t->cap_logs) = (struct wh_trial_log){.name = name, .fd = fd, .run = t->run};
	log = &t->logs[t->n_logs - 1];
	wh_tests_mark_log(t, kind, log);
	return fd;
}

static int open_pipes(struct wh_tstep *s, int ends[2], struct wh_err **err)
{
	int i, p[2];

	for (i = 0; i < 2; i++) {
		if (pipe2(p, O_CLOEXEC) < 0)
			return wh_err_sys(err, "builder", WH_ERR_ENV, errno, "make a pipe");
		s->out[i].fd = p[0];
		ends[i] = p[1];
		fcntl(p[0], F_SETFL, O_NONBLOCK); /* only our ends */
	}
	return 0;
}

/* Is there room for one more? */
static int count(const struct wh_trial *t, struct wh_err **err)
{
	const struct wh_tstep *s;
	size_t running = 0, left = 0;

	for (s = t->steps; s; s = s->next)
		*(s->ended ? &running : &left) += 1;
	if (running >= STEPS_MAX)
		return wh_err_set(err, "builder", WH_ERR_BUILD, EAGAIN, "more than %d commands at once", STEPS_MAX);
	if (left >= LEFT_MAX)
		return wh_err_set(err, "builder", WH_ERR_BUILD, EAGAIN,
				  "more than %d commands have left something running", LEFT_MAX);
	return 0;
}

int wh_tstep_start(struct wh_trial *t, enum wh_tstep_kind kind, struct wh_step *spec, int fds[3], const char *log,
		   wh_tstep_fn ended, void *arg, struct wh_tstep **ret, struct wh_err **err)
{
	struct wh_tstep *s;
	WH_AUTO_FD int out_w = -1, err_w = -1;
	int ends[2] = {-1, -1}, i, r = count(t, err);

	if (r < 0)
		return r;
	s = wh_calloc(1, sizeof(*s));
	*s = (struct wh_tstep){.t = t, .kind = kind, .ended = ended, .arg = arg, .out = {{.fd = -1}, {.fd = -1}},
				.fds = {-1, -1, -1}};
	if (fds) {
		spec->in_fd = fds[0];
		spec->out_fd = fds[1];
		spec->err_fd = fds[2];
	} else {
		r = open_pipes(s, ends, err);
		out_w = spec->out_fd = ends[0];
		err_w = spec->err_fd = ends[1];
	}
	spec->proc = t->b->host.proc;
	s->log = SIZE_MAX;
	if (r == 0 && log) {
		s->log = t->n_logs;
		r = spec->observe_fd = open_log(t, kind, log, err);
	}
	if (r >= 0)
		r = wh_launcher_run(t->b->launcher, spec, on_end, s, &s->id, err);
	if (r < 0) {
		step_free(s);
		return r;
	}
	for (i = 0; fds && i < 3; i++)
		s->fds[i] = WH_TAKE_FD(fds[i]);
	for (i = 0; i < 2; i++)
		if (s->out[i].fd >= 0)
			wh_loop_add_fd(t->b->loop, s->out[i].fd, POLLIN, on_output, s);
	if (spec->join)
		wh_launcher_on_exit(t->b->launcher, s->id, on_exit_told, s);
	s->next = t->steps;
	t->steps = s;
	t->busy++;
	*ret = s;
	return 0;
}

void wh_tstep_kill(struct wh_tstep *s)
{
	wh_launcher_kill(s->t->b->launcher, s->id);
}

void wh_tsteps_free(struct wh_trial *t)
{
	struct wh_tstep *s;

	while ((s = t->steps)) {
		t->steps = s->next;
		step_free(s);
	}
}
