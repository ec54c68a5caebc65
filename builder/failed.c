/* SPDX-License-Identifier: Apache-2.0 */
#include "builder/exec_private.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>

#define BUSYBOX "/bin/busybox"
#define MORE_BINDS 2

struct wh_failed {
	struct wh_builder *b;
	struct wh_node *node;
	struct wh_exec *exec;
	const char *place; /* where our own files are shown, or NULL */
	char *script, *script_path;
	char *busybox_path; /* in the step; NULL: none is shown */
	struct wh_bind *binds;
	size_t n_binds;
	struct wh_strv shell, lost;

	/* The command under way. */
	uint64_t id;
	bool running, canceled;
	struct wh_step_result result;
};

const struct wh_vertex *wh_failed_vertex(const struct wh_failed *f)
{
	return f->node->v;
}

const struct wh_err *wh_failed_error(const struct wh_failed *f)
{
	return f->b->fail;
}

struct wh_loop *wh_failed_loop(struct wh_failed *f)
{
	return f->b->loop;
}

const char *wh_failed_script(const struct wh_failed *f)
{
	return f->script_path;
}

const struct wh_strv *wh_failed_lost(const struct wh_failed *f)
{
	return &f->lost;
}

/* ---------------------------------------------------------------- what is shown there besides */

static void quote_word(struct wh_buf *b, const char *s)
{
	wh_buf_addc(b, '\'');
	for (; *s; s++) {
		if (*s == '\'')
			wh_buf_adds(b, "'\\''");
		else
			wh_buf_addc(b, *s);
	}
	wh_buf_addc(b, '\'');
}

/* Any shell can run it; people can read it. */
static char *script_of(const struct wh_op_exec *op)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	wh_buf_adds(&b, "#!/bin/sh\n# The command that failed.\nexec");
	for (size_t i = 0; op->args[i]; i++) {
		wh_buf_addc(&b, ' ');
		quote_word(&b, op->args[i]);
	}
	wh_buf_addc(&b, '\n');
	return wh_buf_take(&b);
}

static void add_script(struct wh_failed *f)
{
	static const char *const places[] = {"/run/whittle", "/.whittle"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(places) && !f->place; i++)
		if (!wh_exec_covers(f->exec->op, places[i]))
			f->place = places[i];
	if (!f->place)
		return;
	f->script = script_of(f->exec->op);
	f->script_path = wh_asprintf("%s/failed", f->place);
	f->binds[f->n_binds++] = (struct wh_bind){.kind = WH_BIND_DATA, .target = f->script_path, .readonly = true,
						  .mode = 0755, .data = f->script, .data_len = strlen(f->script)};
}

/* Does it run without libraries, which the step's root need not have? */
static bool is_static(const char *path)
{
	WH_AUTO_FD int fd = wh_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK, 0);
	Elf64_Ehdr h;

	if (fd < 0 || pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h) || memcmp(h.e_ident, ELFMAG, SELFMAG) != 0 ||
	    h.e_ident[EI_CLASS] != ELFCLASS64 || h.e_phentsize != sizeof(Elf64_Phdr) || h.e_phnum > 64)
		return false;
	for (size_t i = 0; i < h.e_phnum; i++) {
		Elf64_Phdr p;

		if (pread(fd, &p, sizeof(p), (off_t)(h.e_phoff + i * sizeof(p))) != (ssize_t)sizeof(p) ||
		    p.p_type == PT_INTERP)
			return false;
	}
	return h.e_phnum > 0;
}

static bool add_busybox(struct wh_failed *f)
{
	/* What would be moved into the root would be gone from here. */
	if (!f->place || wh_builder_moves(f->b) || !is_static(BUSYBOX))
		return false;
	f->busybox_path = wh_asprintf("%s/busybox", f->place);
	f->binds[f->n_binds++] = (struct wh_bind){.kind = WH_BIND_PATH, .source = BUSYBOX, .target = f->busybox_path,
						  .readonly = true};
	return true;
}

/* ---------------------------------------------------------------- a command */

static void on_end(void *arg, struct wh_step_result *res)
{
	struct wh_failed *f = arg;

	f->running = false;
	f->result = *res;
	res->err = NULL;
	wh_loop_stop(f->b->loop, 0);
}

static void on_signal(void *arg, int fd, short revents)
{
	struct wh_failed *f = arg;
	struct signalfd_siginfo si;

	(void)revents;
	while (read(fd, &si, sizeof(si)) == (ssize_t)sizeof(si)) {
		f->canceled = true;
		if (f->running)
			wh_launcher_kill(f->b->launcher, f->id);
	}
}

static int launch(struct wh_failed *f, const char *const *args, const struct wh_failed_io *io, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv env = {0};
	struct wh_step step;
	int r;

	wh_exec_step(f->exec, &step);
	wh_strv_copy(&env, &f->exec->env);
	if (io->term && !wh_env_get(&env, "TERM"))
		wh_env_set(&env, "TERM", io->term);
	step.args = args;
	step.env = (const char *const *)env.v;
	step.binds = f->binds;
	step.n_binds = f->n_binds;
	step.in_fd = io->in_fd;
	step.out_fd = io->out_fd;
	step.err_fd = io->err_fd;
	step.console_fd = io->console_fd;
	step.console_rows = io->rows;
	step.console_columns = io->columns;
	r = wh_launcher_run(f->b->launcher, &step, on_end, f, &f->id, err);
	f->running = r == 0;
	for (size_t i = 0; i < env.n; i++)
		explicit_bzero(env.v[i], strlen(env.v[i])); /* secrets may be among them */
	return r;
}

/* f->result is the caller's. */
static int run(struct wh_failed *f, const char *const *args, const struct wh_failed_io *io, struct wh_err **err)
{
	struct wh_loop *loop = f->b->loop;
	WH_AUTO_FD int sig = -1;
	sigset_t set, old;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, &old);
	sig = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	r = sig < 0 ? wh_err_sys(err, "builder", WH_ERR_ENV, errno, "signalfd") : 0;
	f->canceled = false;
	if (r == 0)
		r = launch(f, args, io, err);
	if (r == 0) {
		wh_loop_add_fd(loop, sig, POLLIN, on_signal, f);
		wh_exec_serve(f->exec);
		while (f->running && r == 0)
			r = wh_loop_run(loop);
		wh_exec_serve_end(f->exec);
		wh_loop_del_fd(loop, sig);
		if (r < 0)
			wh_err_sys(err, "builder", WH_ERR_INTERNAL, -r, "event loop");
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

int wh_failed_run(struct wh_failed *f, const char *const *args, const struct wh_failed_io *io, int *ret_status,
		  struct wh_err **err)
{
	int r = run(f, args, io, err);

	if (r < 0)
		return r;
	if (f->result.err) {
		r = f->result.err->sys ? -f->result.err->sys : -EINVAL;
		wh_err_move(err, &f->result.err);
	} else if (f->canceled) {
		r = wh_err_set(err, "builder", WH_ERR_BUILD, ECANCELED, "a signal ended it");
	} else {
		*ret_status = f->result.status;
	}
	return r;
}

/* ---------------------------------------------------------------- which shell */

/* 1: it can be run, 0: it cannot, or -errno. */
static int try_shell(struct wh_failed *f, const char *a, const char *b, struct wh_err **err)
{
	const char *args[] = {a, b ? b : "-c", b ? "-c" : ":", b ? ":" : NULL, NULL};
	WH_AUTO_FD int null = wh_openat(AT_FDCWD, "/dev/null", O_RDWR, 0);
	const struct wh_failed_io io = {.out_fd = null, .err_fd = null};
	int r;

	if (null < 0)
		return wh_err_sys(err, "builder", WH_ERR_ENV, -null, "open /dev/null");
	r = run(f, args, &io, err);
	if (r < 0)
		return r;
	if (f->canceled)
		r = wh_err_set(err, "builder", WH_ERR_BUILD, ECANCELED, "a signal ended it");
	else if (!f->result.err)
		r = 1;
	else if (f->result.status != 126 && f->result.status != 127) { /* nothing at all can be run there */
		r = f->result.err->sys ? -f->result.err->sys : -EINVAL;
		wh_err_move(err, &f->result.err);
	}
	wh_err_freep(&f->result.err);
	if (r == 1) {
		wh_strv_add(&f->shell, a);
		if (b)
			wh_strv_add(&f->shell, b);
	}
	return r;
}

int wh_failed_shell(struct wh_failed *f, const char *const **ret, struct wh_err **err)
{
	static const char *const usual[][2] = {{"/bin/bash"}, {"/bin/sh"}, {"/bin/busybox", "sh"}};
	const struct wh_op_exec *op = f->exec->op;
	int r = 0;

	if (!f->shell.n && f->node->v->pos.shell_from && op->args[0])
		r = try_shell(f, op->args[0], NULL, err);
	for (size_t i = 0; i < WH_ARRAY_SIZE(usual) && !f->shell.n && r == 0; i++)
		r = try_shell(f, usual[i][0], usual[i][1], err);
	if (!f->shell.n && r == 0 && add_busybox(f))
		r = try_shell(f, f->busybox_path, "sh", err);
	if (r < 0)
		return r;
	if (!f->shell.n) {
		wh_err_set(err, "builder", WH_ERR_BUILD, ENOENT, "the step's image has no shell");
		wh_err_hint(err, "where this machine's " BUSYBOX " is a static one it would be used");
		return -ENOENT;
	}
	*ret = (const char *const *)f->shell.v;
	return 0;
}

/* ---------------------------------------------------------------- from the failure to the end */

bool wh_failed_hold(struct wh_node *n, const struct wh_step_result *res)
{
	struct wh_builder *b = n->b;

	/* 126, 127: the command cannot be run. What failed before that would fail for a shell as well. */
	if (!b->o.failed || b->held || b->stopping || !n->job_err || !res->status ||
	    (!res->started && res->status != 126 && res->status != 127))
		return false;
	b->held = n;
	return true;
}

void wh_failed_tell(struct wh_builder *b, bool show)
{
	struct wh_node *n = WH_TAKE_PTR(b->held);
	struct wh_failed f = {.b = b, .node = n};

	if (!n)
		return;
	f.exec = n->exec;
	if (show && !b->canceled) {
		f.binds = wh_calloc(f.exec->n_binds + MORE_BINDS, sizeof(*f.binds));
		for (size_t i = 0; i < f.exec->n_binds; i++) {
			const struct wh_bind *bind = &f.exec->binds[i];

			if (bind->kind == WH_BIND_PATH && !bind->stays && wh_builder_moves(b))
				wh_strv_add(&f.lost, bind->target);
			else
				f.binds[f.n_binds++] = *bind;
		}
		add_script(&f);
		b->o.failed(b->o.failed_arg, &f);
	}
	wh_err_freep(&f.result.err);
	free(f.binds);
	free(f.script);
	free(f.script_path);
	free(f.busybox_path);
	wh_strv_release(&f.shell);
	wh_strv_release(&f.lost);
	wh_exec_free(WH_TAKE_PTR(n->exec));
}
