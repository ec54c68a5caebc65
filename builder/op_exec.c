/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running a command.
 *
 *   [job] prepare: root and mounts are unpacked and laid out
 *   [loop] start: the launcher runs the step; its output comes through two pipes
 *   [loop] end: status
 *   [job] finish: the root becomes a layer, or is thrown away; so are the mounts' trees
 *   [loop] wh_node_ran()
 */
#include "builder/exec_private.h"
#include "builder/explain.h"

#include <errno.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define DEFAULT_HOSTNAME "buildkitsandbox" /* what steps see under docker build */

/* ---------------------------------------------------------------- output */

static void show(struct wh_node *n, int stream, const char *p, size_t len)
{
	if (!len)
		return;
	wh_tail_keep(&n->exec->tail, p, len);
	wh_node_log(n, p, len);
	wh_builder_event(n->b,
			 &(struct wh_event){.kind = WH_EV_LOG, .v = n->v, .stream = stream, .data = p, .len = len});
}

static void output(struct wh_node *n, int stream, const char *p, size_t len, bool end)
{
	WH_AUTO_BUF struct wh_buf shown = WH_BUF_INIT;
	struct wh_exec *x = n->exec;

	if (wh_mask_empty(x->mask)) {
		show(n, stream, p, len);
		return;
	}
	wh_mask_feed(x->mask, &x->held[stream - 1], p, len, end, &shown);
	show(n, stream, shown.p, shown.n);
}

/* Reads what is there; false at the end of the pipe. */
static bool drain(struct wh_node *n, int fd, int stream)
{
	char chunk[16384];
	ssize_t got;

	for (;;) {
		got = read(fd, chunk, sizeof(chunk));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got < 0 && errno == EAGAIN;
		output(n, stream, chunk, (size_t)got, false);
		if ((size_t)got < sizeof(chunk))
			return true; /* others get their turn */
	}
}

static void on_output(void *arg, int fd, short revents)
{
	struct wh_node *n = arg;
	struct wh_exec *x = n->exec;

	(void)revents;
	if (drain(n, fd, fd == x->out ? 1 : 2))
		return;
	wh_loop_del_fd(n->b->loop, fd);
	if (fd == x->out)
		wh_closep(&x->out);
	else
		wh_closep(&x->err);
}

/* Every process of the step is dead: what the pipes hold is all there will be. */
static void drain_all(struct wh_node *n)
{
	int *fds[] = {&n->exec->out, &n->exec->err};
	size_t i;

	for (i = 0; i < 2; i++) {
		if (*fds[i] >= 0) {
			wh_loop_del_fd(n->b->loop, *fds[i]);
			fcntl(*fds[i], F_SETFL, 0); /* blocking: until the end */
			while (drain(n, *fds[i], (int)i + 1))
				;
			wh_closep(fds[i]);
		}
		output(n, (int)i + 1, "", 0, true);
	}
}

/* ---------------------------------------------------------------- how it ended */

/* Where few ids are mapped: what the step asked for in vain, in words. malloc'ed. */
static char *foreign_text(const struct wh_foreign_id *f)
{
	switch (f->kind) {
	case WH_FOREIGN_OWNER:
		return wh_asprintf("it tried to give a file to user or group %u", f->id);
	case WH_FOREIGN_USER:
		return wh_asprintf("it tried to become user or group %u", f->id);
	case WH_FOREIGN_NONE:
	case WH_FOREIGN_UNKNOWN:
		break;
	}
	return wh_strdup("whether it tried to change users or owners is not known");
}

static const char *few_hint(const struct wh_builder *b)
{
	const struct wh_err *few = wh_inner_few_ids(b->o.inner);

	return few && few->hint ? few->hint : "see whittle doctor";
}

static void hint_foreign(const struct wh_builder *b, const struct wh_foreign_id *f, struct wh_err **err)
{
	WH_AUTO_FREE char *what = foreign_text(f);
	uint32_t ids = wh_inner_id_count(b->o.inner);

	wh_err_hint(err, "%s, and only %u id%s mapped here; mend: %s", what, ids, ids == 1 ? " is" : "s are", few_hint(b));
}

/* The command ended well, but its files are not those that it would have left elsewhere. */
static void foreign_err(const struct wh_foreign_id *f, struct wh_err **err)
{
	WH_AUTO_FREE char *what = foreign_text(f);

	wh_err_set(err, "builder", WH_ERR_ENV, EPERM, "the step ended as if nothing were wrong, but its layer would be another than elsewhere: %s",
		   what);
}

static int status_err(struct wh_node *n, const struct wh_step_result *res, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf what = WH_BUF_INIT;
	WH_AUTO_FREE char *tail = NULL;
	uint64_t lines;
	size_t shown;

	wh_args_quote(&what, n->v->op.exec->args);
	/* BuildKit's words: tools look for them. */
	wh_err_set(err, "builder", WH_ERR_BUILD, ECHILD,
		   "process \"%s\" did not complete successfully: exit code: %d%s%s", what.p ? what.p : "", res->status,
		   res->signal ? ": killed by SIG" : "",
		   !res->signal                ? ""
		   : sigabbrev_np(res->signal) ? sigabbrev_np(res->signal)
					       : "?");
	wh_killed_hint(&n->exec->before, res->status, err);
	tail = wh_tail_text(&n->exec->tail, &shown, &lines);
	wh_unrunnable_hint(res->status, tail, err);
	if (tail)
		wh_err_detail(err, tail);
	if (tail && shown < lines)
		wh_err_extent(err, "last %zu of %llu lines", shown, (unsigned long long)lines);
	return -ECHILD;
}

static void finish_work(struct wh_node *n)
{
	struct wh_exec *x = n->exec;

	/* job_r and job_err say how the step ended; wh_node_submit() cleared job_r. */
	if (x->over && n->b->o.seen.wanted)
		n->job_r = wh_seen_finish(x, &n->doc, &n->job_err);
	if (x->over && n->job_r == 0) {
		n->job_r = wh_work_commit(WH_TAKE_PTR(x->root), &n->b->o.layer, &n->own, &n->job_err);
		n->own_empty = n->job_r == 0 && !n->own.n_entries;
		if (n->job_r == 0)
			wh_explain_keep(n);
	} else if (x->root) {
		wh_work_discard(WH_TAKE_PTR(x->root));
	}
	wh_exec_mounts_release(x);
}

static void finish_done(struct wh_node *n)
{
	bool over = n->exec->over;

	wh_exec_free(WH_TAKE_PTR(n->exec));
	if (!over)
		n->job_r = n->job_err && n->job_err->sys ? -n->job_err->sys : -ECANCELED;
	n->chroot = wh_builder_moves(n->b);
	wh_node_ran(n);
}

/* ---------------------------------------------------------------- the step */

static int start(struct wh_node *n, struct wh_err **err);

/* Whether a private network can be had shows when its helper is started. Where the user has left the choice to us the step, which has
 * not begun, takes this host's. */
static bool again_on_host(struct wh_node *n, struct wh_step_result *res)
{
	struct wh_builder *b = n->b;

	if (!res->err || res->err->sys != ENETDOWN || b->stopping || b->o.network != WH_NETCHOICE_AUTO ||
	    n->v->op.exec->network != WH_NET_DEFAULT)
		return false;
	b->net = WH_SANDBOX_NET_HOST;
	b->net_failed = true;
	wh_err_freep(&res->err);
	return start(n, &n->job_err) == 0;
}

static void on_end(void *arg, struct wh_step_result *res)
{
	struct wh_node *n = arg;
	struct wh_builder *b = n->b;
	struct wh_exec *x = n->exec;

	b->outstanding--;
	x->running = false;
	wh_exec_serve_end(x);
	drain_all(n);
	if (again_on_host(n, res))
		return;
	wh_builder_slot_free(b);
	if (res->err) {
		wh_err_move(&n->job_err, &res->err);
		wh_killed_hint(&x->before, res->status, &n->job_err); /* it may have been the launcher */
	} else if (res->status && !b->stopping) {
		status_err(n, res, &n->job_err);
	} else if (res->foreign.kind && !b->stopping) {
		foreign_err(&res->foreign, &n->job_err);
	} else if (!res->status && !b->stopping) {
		x->over = true;
	}
	if (res->foreign.kind && n->job_err)
		hint_foreign(b, &res->foreign, &n->job_err);
	if (wh_failed_hold(n, res))
		wh_node_fail(n, n->job_err->sys ? -n->job_err->sys : -ECHILD, &n->job_err);
	else
		wh_node_submit(n, finish_work, finish_done);
	wh_builder_pump(b);
}

static enum wh_net network(struct wh_builder *b, const struct wh_op_exec *op)
{
	switch (op->network) {
	case WH_NET_NONE:
		return WH_SANDBOX_NET_NONE;
	case WH_NET_HOST:
		return WH_SANDBOX_NET_HOST;
	case WH_NET_DEFAULT:
		break;
	}
	if (b->net == WH_SANDBOX_NET_HOST && b->o.network == WH_NETCHOICE_AUTO && !b->net_told) {
		b->net_told = true;
		wh_builder_notice(b, "network: steps use this host's, as %s",
				  wh_builder_moves(b) ? "--isolation=chroot has no other"
				  : b->net_failed ? "a private one did not come up (see whittle doctor)"
				  : !b->host.tun ? "/dev/net/tun cannot be opened"
					       : "neither pasta nor slirp4netns is installed");
	}
	return b->net;
}

void wh_exec_step(struct wh_exec *x, struct wh_step *ret)
{
	const struct wh_op_exec *op = x->op;
	struct wh_builder *b = x->b;

	*ret = (struct wh_step){
		.args = op->args,
		.env = (const char *const *)x->env.v,
		.cwd = op->cwd ? op->cwd : "/",
		.user = op->user ? op->user : "",
		.hostname = op->hostname ? op->hostname : DEFAULT_HOSTNAME,
		.net = network(b, op),
		.insecure = op->insecure,
		.proc = b->host.proc,
		.binds = x->binds,
		.n_binds = x->n_binds,
		.extra_hosts = op->extra_hosts,
		.shm_size = op->shm_size,
		.ulimits = op->ulimits,
	};

	wh_exec_root(x->root, true, b->snapshotter, &ret->root);
}

static int start(struct wh_node *n, struct wh_err **err)
{
	WH_AUTO_FD int out_w = -1;
	WH_AUTO_FD int err_w = -1;
	struct wh_builder *b = n->b;
	struct wh_exec *x = n->exec;
	struct wh_step step;
	int p[2], r;

	wh_exec_step(x, &step);
	if (pipe2(p, O_CLOEXEC) < 0)
		return wh_err_sys(err, "builder", WH_ERR_ENV, errno, "make a pipe");
	x->out = p[0];
	out_w = p[1];
	if (pipe2(p, O_CLOEXEC) < 0)
		return wh_err_sys(err, "builder", WH_ERR_ENV, errno, "make a pipe");
	x->err = p[0];
	err_w = p[1];
	/* Only our ends: a step's programs do not expect EAGAIN. */
	fcntl(x->out, F_SETFL, O_NONBLOCK);
	fcntl(x->err, F_SETFL, O_NONBLOCK);
	step.out_fd = out_w;
	step.err_fd = err_w;
	wh_killed_look(&x->before);
	r = wh_launcher_run(b->launcher, &step, on_end, n, &x->id, err);
	if (r < 0)
		return r;
	x->running = true;
	b->outstanding++;
	wh_exec_serve(x);
	wh_loop_add_fd(b->loop, x->out, POLLIN, on_output, n);
	wh_loop_add_fd(b->loop, x->err, POLLIN, on_output, n);
	return 0;
}

/* ---------------------------------------------------------------- preparing */

void wh_exec_env(struct wh_exec *x)
{
	const struct wh_op_exec *op = x->op;
	int64_t epoch = x->b->o.layer.epoch;
	size_t i;

	for (i = 0; op->env && op->env[i]; i++)
		wh_strv_add(&x->env, op->env[i]);
	for (i = 0; op->proxy_env && op->proxy_env[i]; i++) {
		WH_AUTO_FREE char *name = wh_strndup(op->proxy_env[i], strcspn(op->proxy_env[i], "="));

		if (!wh_env_get(&x->env, name))
			wh_strv_add(&x->env, op->proxy_env[i]);
	}
	if (!wh_env_get(&x->env, "PATH"))
		wh_strv_add(&x->env, "PATH=" DEFAULT_PATH);
	if (epoch != INT64_MAX && !wh_env_get(&x->env, "SOURCE_DATE_EPOCH"))
		wh_strv_addf(&x->env, "SOURCE_DATE_EPOCH=%lld", (long long)epoch);
}

static void prepare_work(struct wh_node *n)
{
	const struct wh_node *base = n->n_inputs ? n->inputs[0] : NULL;
	struct wh_builder *b = n->b;
	struct wh_exec *x = n->exec;
	int r;

	wh_exec_env(x);
	r = wh_exec_mounts_prepare(x, b->o.seen.wanted ? WH_SEEN_BINDS : 0, &n->job_err);
	if (r == 0 && b->o.seen.wanted)
		r = wh_seen_prepare(x, &n->job_err);
	if (r == 0)
		r = wh_work_new(b->o.store, b->snapshotter, base ? base->result.layers : NULL,
				base ? base->result.n_layers : 0, true, &x->root, &n->job_err);
	n->job_r = r;
}

static void prepare_done(struct wh_node *n)
{
	struct wh_builder *b = n->b;

	if (n->job_r == 0 && !b->stopping && start(n, &n->job_err) == 0)
		return;
	wh_builder_slot_free(b);
	wh_node_submit(n, finish_work, finish_done);
}

void wh_exec_run(struct wh_node *n)
{
	if (!n->b->launcher) {
		wh_err_set(&n->job_err, "builder", WH_ERR_ENV, ENOTSUP, "this builder cannot run commands");
		wh_builder_slot_free(n->b);
		wh_exec_free(WH_TAKE_PTR(n->exec));
		wh_node_fail(n, -ENOTSUP, &n->job_err);
		return;
	}
	wh_node_submit(n, prepare_work, prepare_done);
}

void wh_exec_kill(struct wh_node *n)
{
	if (n->exec && n->exec->running)
		wh_launcher_kill(n->b->launcher, n->exec->id);
}

void wh_exec_free(struct wh_exec *x)
{
	size_t i;

	if (!x)
		return;
	if (x->root)
		wh_work_discard(x->root);
	wh_exec_mounts_release(x);
	wh_seen_free(x);
	free(x->mounts);
	free(x->binds);
	for (i = 0; i < x->env.n; i++)
		explicit_bzero(x->env.v[i], strlen(x->env.v[i])); /* secrets may be among them */
	wh_strv_release(&x->env);
	wh_closep(&x->out);
	wh_closep(&x->err);
	wh_mask_free(x->mask);
	for (i = 0; i < 2; i++) {
		if (x->held[i].cap)
			explicit_bzero(x->held[i].p, x->held[i].cap);
		wh_buf_release(&x->held[i]);
	}
	wh_tail_release(&x->tail);
	free(x);
}
