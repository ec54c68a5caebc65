/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launcher's own process: PID 1 of a pid namespace, one thread. It takes
 * orders, clones steps, and reports each once nothing of it is left. Its death
 * is the end of all below it, by the kernel's own doing.
 *
 * A child is a container (a step with namespaces of its own) or a command that
 * joins one. Its way: perhaps waiting (for the container that it joins to be
 * up), running, dead, and answered once its observer has ended too.
 */
#include "sandbox/warden.h"
#include "sandbox/chroot.h"
#include "sandbox/guard.h"
#include "sandbox/join.h"
#include "sandbox/net.h"
#include "sandbox/report.h"
#include "sandbox/sandbox.h"
#include "sandbox/seccomp.h"
#include "sandbox/step.h"
#include "sandbox/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define MAX_REPORT ((size_t)1 << 20)
#define HELD_MS 20
#define NOFILE_WANTED 8192 /* an overlay of 500 layers holds as many descriptors for a moment */

enum state { WAITING, RUNNING, DEAD };

struct child {
	uint64_t id;
	enum state state;
	struct wh_order order;
	int fds[WH_ORDER_MAX_FDS]; /* kept while it waits */
	pid_t pid;
	int pidfd, report;
	struct wh_usernet net;
	int go; /* open as long as the network's helper lives; the step watches the other end */
	struct wh_buf records;
	bool up; /* its command runs, or is about to */
	uint64_t root_mount;
	bool observed;
	struct wh_strv marks; /* that came while it waited */
	struct wh_supervisor observer;
	int observer_status;
	struct wh_guard guard;
	struct wh_foreign_id foreign;
	bool held; /* it has ended, but who traces it in the container has not let go: until then it is not ours to wait for */
	siginfo_t end;
	uint64_t end_ns;
	struct wh_err *err; /* it could not even start */
};

struct look { /* somebody who looks for a path in a container */
	uint64_t number, id;
	int pidfd;
};

struct warden {
	int sock;
	enum wh_isolation isolation;
	int filter, observed_filter; /* BPF memfds, or -1 */
	struct child **v;
	size_t n, cap;
	struct look *looks;
	size_t n_looks, cap_looks;
};

/* ---------------------------------------------------------------- what it says */

static uint32_t exit_status(const siginfo_t *end)
{
	bool killed = end->si_code == CLD_KILLED || end->si_code == CLD_DUMPED;

	return (uint32_t)(killed ? 128 + end->si_status : end->si_status);
}

static void answer(struct warden *w, const struct child *c, const struct wh_report *r)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	WH_AUTO_ERR struct wh_err *unseen = NULL;
	bool killed = c->end.si_code == CLD_KILLED || c->end.si_code == CLD_DUMPED;
	/* Without its network a step ends by itself, and says ENETDOWN. One that ended for another reason may have had no network any more. */
	const struct wh_err *err = c->err && (!r->err || r->err->sys == ENETDOWN) ? c->err : r->err;

	if (!err && c->observer_status) {
		wh_err_set(&unseen, "sandbox", WH_ERR_ENV, EPIPE,
			   "the observer died (status %d): what the command used is not known", c->observer_status);
		err = unseen;
	}
	wh_buf_u32(&b, WH_SAID_END);
	wh_buf_u64(&b, c->id);
	wh_buf_u32(&b, r->err ? r->status : exit_status(&c->end));
	wh_buf_u32(&b, killed ? (uint32_t)c->end.si_status : 0);
	wh_buf_u64(&b, r->started && c->end_ns > r->start_ns ? c->end_ns - r->start_ns : 0);
	wh_buf_u8(&b, r->started && !r->err);
	wh_wire_put_err(&b, err);
	wh_buf_u32(&b, c->foreign.kind);
	wh_buf_u32(&b, c->foreign.id);
	wh_wire_send(w->sock, b.p, b.n, NULL, 0);
}

/* An observed command is over, but perhaps not what it has left in its container. */
static void answer_exit(struct warden *w, const struct child *c)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	struct wh_report report;

	wh_report_read((struct wh_str){c->records.p, c->records.n}, &report);
	if (report.started && !report.err) {
		wh_buf_u32(&b, WH_SAID_EXIT);
		wh_buf_u64(&b, c->id);
		wh_buf_u32(&b, exit_status(&c->end));
		wh_wire_send(w->sock, b.p, b.n, NULL, 0);
	}
	wh_report_release(&report);
}

static void answer_exists(struct warden *w, uint64_t number, int found)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	wh_buf_u32(&b, WH_SAID_EXISTS);
	wh_buf_u64(&b, number);
	wh_buf_u32(&b, (uint32_t)found);
	wh_wire_send(w->sock, b.p, b.n, NULL, 0);
}

/* A child that never ran. */
static void refuse(struct warden *w, uint64_t id, int status, int signal, struct wh_err *err)
{
	struct child c = {.id = id, .err = err};
	struct wh_report none = {0};

	c.end.si_code = signal ? CLD_KILLED : CLD_EXITED;
	c.end.si_status = signal ? signal : status;
	answer(w, &c, &none);
	wh_err_free(err);
}

/* ---------------------------------------------------------------- children */

static struct child *child_new(const struct wh_order *o)
{
	struct child *c = wh_calloc(1, sizeof(*c));

	c->id = o->id;
	c->order = *o;
	c->pidfd = c->report = c->go = -1;
	c->net = WH_USERNET_INIT;
	c->observer = WH_SUPERVISOR_INIT;
	c->guard = WH_GUARD_INIT;
	for (size_t i = 0; i < WH_ARRAY_SIZE(c->fds); i++)
		c->fds[i] = -1;
	return c;
}

static void child_free(struct child *c)
{
	for (size_t i = 0; i < WH_ARRAY_SIZE(c->fds); i++)
		wh_closep(&c->fds[i]);
	wh_closep(&c->pidfd);
	wh_closep(&c->report);
	wh_closep(&c->go);
	if (c->observed)
		wh_supervisor_end(&c->observer);
	wh_guard_end(&c->guard);
	wh_buf_release(&c->records);
	wh_strv_release(&c->marks);
	wh_err_freep(&c->err);
	free(c);
}

static void forget(struct warden *w, struct child *c)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->v[i] == c) {
			w->v[i] = w->v[--w->n];
			break;
		}
	child_free(c);
}

static struct child *find(const struct warden *w, uint64_t id)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->v[i]->id == id)
			return w->v[i];
	return NULL;
}

static struct wh_container container_of(const struct child *c)
{
	return (struct wh_container){c->pidfd, c->root_mount, c->order.net != WH_SANDBOX_NET_HOST};
}

/* What a dead step left in its report, up to the end: nobody else holds the other end any more. */
static void drain(struct child *c)
{
	if (c->report >= 0)
		wh_read_fd(c->report, MAX_REPORT, &c->records);
	wh_closep(&c->report);
}

/* The keeper of a step tells how the command ended. One that does not was killed, and what it kept is ours now. */
static void take_end(struct warden *w, struct child *c, struct wh_report *r)
{
	pid_t *keepers;
	size_t n = 0;

	if (r->ended) {
		c->end.si_code = r->end_code;
		c->end.si_status = r->end_status;
		c->end_ns = r->end_ns;
		return;
	}
	keepers = wh_calloc(w->n + 1, sizeof(*keepers));
	for (size_t i = 0; i < w->n; i++)
		if (w->v[i] != c && w->v[i]->state == RUNNING)
			keepers[n++] = w->v[i]->pid;
	wh_chroot_kill_children(keepers, n);
	free(keepers);
	if (!r->err)
		wh_err_set(&r->err, "sandbox", WH_ERR_BUILD, ESRCH, "the process that keeps the step was killed");
}

/* Nothing of it runs, and its log is complete. */
static void conclude(struct warden *w, struct child *c)
{
	WH_AUTO_BUF struct wh_buf said = WH_BUF_INIT;
	struct wh_report report;

	wh_report_read((struct wh_str){c->records.p, c->records.n}, &report);
	if (w->isolation == WH_ISOLATION_CHROOT)
		take_end(w, c, &report);
	wh_stub_unmake(&report.made);
	wh_usernet_stop(&c->net, &said);
	c->foreign = wh_guard_end(&c->guard);
	if (said.n && report.err && report.err->sys == ENETDOWN)
		wh_err_detail(&report.err, said.p);
	answer(w, c, &report);
	wh_report_release(&report);
	forget(w, c);
}

/* The init of a pid namespace becomes a zombie only when all others in it are gone, and their mounts with them; but for
 * whoever else is in its mount namespace. */
static void bury(struct warden *w, struct child *c)
{
	if (!c->end_ns)
		c->end_ns = wh_now_ns();
	while (waitid(P_PIDFD, (id_t)c->pidfd, &c->end, WEXITED | WNOHANG) < 0 && errno == EINTR)
		;
	c->held = c->end.si_pid == 0;
	if (c->held)
		return;
	c->state = DEAD;
	wh_closep(&c->pidfd);
	drain(c);
	for (size_t i = w->n_looks; i > 0; i--) {
		struct look l = w->looks[i - 1];

		if (l.id != c->id)
			continue;
		w->looks[i - 1] = w->looks[--w->n_looks];
		wh_join_seen(l.pidfd);
		answer_exists(w, l.number, -ESRCH);
	}
	if (!c->observed)
		conclude(w, c);
	else if (c->order.join)
		answer_exit(w, c);
}

/* Before its command has ended: then it saw not all of it, and the rest must not run unseen. */
static void observer_ended(struct warden *w, struct child *c)
{
	c->observed = false;
	c->observer_status = wh_supervisor_end(&c->observer);
	if (c->state == DEAD)
		conclude(w, c);
	else if (c->observer_status)
		syscall(SYS_pidfd_send_signal, c->pidfd, SIGKILL, NULL, 0);
}

/* ---------------------------------------------------------------- starting one */

/* Built at the start, while the inner process is still about other things; tried again when that failed. */
static int filter_of(struct warden *w, bool insecure, bool observed, struct wh_err **err)
{
	if (insecure)
		return -1;
	if (observed && w->observed_filter < 0)
		w->observed_filter = wh_seccomp_build_observed(err);
	if (!observed && w->filter < 0)
		w->filter = wh_seccomp_build(err);
	return observed ? w->observed_filter : w->filter;
}

/* The private network of a step that is already setting itself up. Without it the step ends by itself, and says so. */
static void start_network(struct child *c, int net_fd, bool own_dns)
{
	if (wh_usernet_start(c->pidfd, net_fd, own_dns, &c->net, &c->err) < 0)
		wh_closep(&c->go);
}

static int make_pipes(struct child *c, bool usernet, struct wh_step_task *task, struct wh_err **err)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "make a pipe");
	c->report = p[0];
	task->report_fd = p[1];
	if (!usernet)
		return 0;
	if (pipe2(p, O_CLOEXEC) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "make a pipe");
	task->go_fd = p[0];
	c->go = task->go_other = p[1];
	return 0;
}

/* The descriptors of an order, by name; -1 where it carries none. */
static struct wh_step_task task_of(const struct child *c, int *ret_log)
{
	struct wh_step_task t = WH_STEP_TASK_INIT;
	const uint64_t carries = c->order.carries;
	size_t n = 3;

	t.spec_fd = c->fds[0];
	t.out_fd = c->fds[1];
	t.err_fd = c->fds[2];
	if (carries & WH_ORDER_CONSOLE)
		t.console_fd = t.out_fd;
	if (carries & WH_ORDER_INPUT)
		t.in_fd = c->fds[n++];
	if (carries & WH_ORDER_NETNS)
		t.net_fd = c->fds[n++];
	*ret_log = carries & WH_ORDER_LOG ? c->fds[n++] : -1;
	return t;
}

static int make_container(struct warden *w, struct child *c, const struct wh_step_task *task, struct wh_err **err)
{
	unsigned long flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_PIDFD;
	pid_t self = getpid();
	long pid;

	if (task->net_fd < 0 && (c->order.net == WH_SANDBOX_NET_NONE || c->order.net == WH_SANDBOX_NET_USER))
		flags |= CLONE_NEWNET;
	if (w->isolation == WH_ISOLATION_CHROOT)
		flags = CLONE_PIDFD;
	pid = syscall(SYS_clone, flags | SIGCHLD, NULL, &c->pidfd, NULL, NULL);
	if (pid < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "start a process%s",
				  w->isolation == WH_ISOLATION_CHROOT ? "" : " in namespaces of its own");
	if (pid == 0) {
		close(w->sock);
		if (w->isolation == WH_ISOLATION_CHROOT)
			wh_keeper_main(task, self);
		wh_step_main(task);
	}
	c->pid = (pid_t)pid;
	return 0;
}

static int enter_container(struct child *c, const struct child *target, struct wh_step_task *task,
			   struct wh_err **err)
{
	const struct wh_container where = container_of(target);

	task->joined = true;
	task->net = (enum wh_net)target->order.net;
	task->insecure = c->order.insecure && target->order.insecure;
	return wh_join_start(&where, task, &c->pid, &c->pidfd, err);
}

/* target: the container to join, or NULL. The observer comes before the pipes, whose end it would hide. */
static int launch(struct warden *w, struct child *c, const struct child *target, struct wh_step_task *task, int log,
		  struct wh_err **err)
{
	bool insecure = c->order.insecure && (!target || target->order.insecure), usernet = false;
	int r = 0;

	task->filter_fd = filter_of(w, insecure, log >= 0 && !insecure, err);
	if (task->filter_fd < 0 && !insecure)
		return task->filter_fd;
	if (log >= 0 && !insecure) {
		r = wh_supervisor_start(log, &c->observer, err);
		c->observed = r == 0;
		task->handover_fd = c->observer.handover;
	}
	if (r == 0 && log < 0 && !target && c->order.guarded) {
		r = wh_guard_start(&c->guard, err);
		task->guard_fd = c->guard.handover;
	}
	if (!target)
		usernet = c->order.net == WH_SANDBOX_NET_USER;
	if (r == 0)
		r = make_pipes(c, usernet, task, err);
	if (r == 0)
		r = target ? enter_container(c, target, task, err) : make_container(w, c, task, err);
	wh_closep(&task->report_fd);
	wh_closep(&task->go_fd);
	wh_closep(&c->observer.handover);
	wh_closep(&c->guard.handover);
	if (r == 0 && usernet)
		start_network(c, task->net_fd, c->order.own_dns);
	return r;
}

static void start(struct warden *w, struct child *c, const struct child *target)
{
	struct wh_err *err = NULL;
	int log;
	struct wh_step_task task = task_of(c, &log);
	int r = launch(w, c, target, &task, log, &err);

	c->state = RUNNING;
	for (size_t i = 0; i < WH_ARRAY_SIZE(c->fds); i++)
		wh_closep(&c->fds[i]);
	for (size_t i = 0; c->observed && i < c->marks.n; i++)
		wh_supervisor_mark(&c->observer, c->marks.v[i]);
	if (r == 0)
		return;
	refuse(w, c->id, 125, 0, err);
	forget(w, c);
}

/* Its container is up or over by now, or there is none. True when it was waiting for that. */
static bool try_start(struct warden *w, struct child *c)
{
	const struct child *target = c->order.join ? find(w, c->order.join) : NULL;
	struct wh_err *err = NULL;

	if (c->state != WAITING)
		return false;
	if (!c->order.join) {
		start(w, c, NULL);
		return true;
	}
	if (target && target->state != DEAD) {
		if (target->up)
			start(w, c, target);
		return target->up;
	}
	wh_err_set(&err, "sandbox", WH_ERR_BUILD, ESRCH, "the container to enter is not running");
	refuse(w, c->id, 125, 0, err);
	forget(w, c);
	return true;
}

/* ---------------------------------------------------------------- orders */

static void run_order(struct warden *w, const struct wh_order *o, int fds[WH_ORDER_MAX_FDS])
{
	struct child *c = child_new(o);
	const struct child *target = o->join ? find(w, o->join) : NULL;

	/* By way of a command that has joined it itself. */
	if (target && target->order.join)
		c->order.join = target->order.join;
	for (size_t i = 0; i < WH_ORDER_MAX_FDS; i++)
		c->fds[i] = WH_TAKE_FD(fds[i]);
	WH_PUSH(w->v, w->n, w->cap) = c;
	try_start(w, c);
}

static void send_signal(struct warden *w, uint64_t id, int sig)
{
	struct child *c = find(w, id);

	if (!c || c->state == DEAD)
		return;
	if (c->state == WAITING) {
		if (sig == SIGKILL || sig == SIGTERM) {
			refuse(w, id, 0, sig, NULL);
			forget(w, c);
		}
		return;
	}
	/* A keeper ends the step, and sets its root right. */
	if (w->isolation == WH_ISOLATION_CHROOT && sig == SIGKILL)
		sig = SIGTERM;
	syscall(SYS_pidfd_send_signal, c->pidfd, sig, NULL, 0);
	if (w->isolation == WH_ISOLATION_CHROOT) /* the step may have stopped it */
		syscall(SYS_pidfd_send_signal, c->pidfd, SIGCONT, NULL, 0);
	/* A container ends with its first process. Of what a joined command has started only its group is known, which
	 * has its number; that stays its own until it has been waited for. */
	if (sig == SIGKILL && c->order.join)
		kill(-c->pid, SIGKILL);
}

static void mark(struct child *c, const char *text)
{
	if (c && c->state == WAITING)
		wh_strv_add(&c->marks, text);
	else if (c && c->observed)
		wh_supervisor_mark(&c->observer, text);
}

static void look_for(struct warden *w, const struct wh_order *o, const char *path)
{
	const struct child *c = find(w, o->id);
	struct wh_container where;
	int pidfd;

	if (c && c->order.join)
		c = find(w, c->order.join);
	if (!c || c->state == DEAD) {
		answer_exists(w, o->number, -ESRCH);
		return;
	}
	/* Not up yet: nothing is there, and what its process calls "/" may still be the host's. */
	where = container_of(c);
	pidfd = c->up ? wh_join_look(&where, path) : 0;
	if (pidfd <= 0)
		answer_exists(w, o->number, pidfd);
	else
		WH_PUSH(w->looks, w->n_looks, w->cap_looks) = (struct look){o->number, c->id, pidfd};
}

static void take_order(struct warden *w)
{
	WH_AUTO_BUF struct wh_buf packet = WH_BUF_INIT;
	struct wh_order o;
	int fds[WH_ORDER_MAX_FDS] = {-1, -1, -1, -1, -1, -1};
	size_t n_fds = WH_ARRAY_SIZE(fds);
	const char *text;

	if (wh_wire_recv(w->sock, &packet, fds, &n_fds) < 0 || packet.n < sizeof(o))
		_exit(0); /* the inner process is gone: with this one all steps end */
	memcpy(&o, packet.p, sizeof(o));
	text = packet.p + sizeof(o);
	switch ((enum wh_order_kind)o.kind) {
	case WH_ORDER_RUN:
		run_order(w, &o, fds);
		break;
	case WH_ORDER_KILL:
		send_signal(w, o.id, SIGKILL);
		break;
	case WH_ORDER_SIGNAL:
		send_signal(w, o.id, (int)o.number);
		break;
	case WH_ORDER_MARK:
		mark(find(w, o.id), text);
		break;
	case WH_ORDER_EXISTS:
		look_for(w, &o, text);
		break;
	}
	for (size_t i = 0; i < WH_ARRAY_SIZE(fds); i++)
		wh_closep(&fds[i]);
}

/* ---------------------------------------------------------------- the loop */

/* What the step reports may be more than a pipe holds, so it is read as it comes. */
static void read_report(struct child *c)
{
	struct wh_report report;
	char part[4096];
	ssize_t n = read(c->report, part, sizeof(part));

	if (n > 0 && c->records.n + (size_t)n <= MAX_REPORT)
		wh_buf_add(&c->records, part, (size_t)n);
	if (n == 0)
		wh_closep(&c->report);
	if (c->up)
		return;
	wh_report_read((struct wh_str){c->records.p, c->records.n}, &report);
	c->up = report.started;
	c->root_mount = report.root_mount;
	wh_report_release(&report);
}

enum { END, REPORT, NETWORK, OBSERVER, EACH };

static void watch(const struct child *c, struct pollfd p[EACH])
{
	p[END] = (struct pollfd){c->held ? -1 : c->pidfd, POLLIN, 0};
	p[REPORT] = (struct pollfd){c->report, POLLIN, 0};
	/* A helper that died is looked at once: go is closed then. */
	p[NETWORK] = (struct pollfd){c->go < 0 ? -1 : c->net.pidfd, POLLIN, 0};
	p[OBSERVER] = (struct pollfd){c->observed ? c->observer.pidfd : -1, POLLIN, 0};
}

/* Observed, c outlives its burial. */
static void handle(struct warden *w, struct child *c, const struct pollfd p[EACH])
{
	if (p[REPORT].revents)
		read_report(c);
	if (p[NETWORK].revents)
		wh_closep(&c->go);
	if (p[END].revents || c->held)
		bury(w, c);
	if (p[OBSERVER].revents)
		observer_ended(w, c);
}

static void serve(struct warden *w)
{
	size_t n = w->n, n_looks = w->n_looks;
	struct child **children = wh_calloc(n + 1, sizeof(struct child *));
	struct pollfd *p = wh_calloc(1 + EACH * n + n_looks, sizeof(*p)), *looks = p + 1 + EACH * n;
	int timeout = -1;

	p[0] = (struct pollfd){w->sock, POLLIN, 0};
	for (size_t i = 0; i < n; i++) {
		children[i] = w->v[i];
		watch(children[i], p + 1 + EACH * i);
		if (children[i]->held)
			timeout = HELD_MS;
	}
	for (size_t i = 0; i < n_looks; i++)
		looks[i] = (struct pollfd){w->looks[i].pidfd, POLLIN, 0};
	if (poll(p, 1 + EACH * n + n_looks, timeout) >= 0) {
		/* Looks before children, whose end takes theirs away; downwards, as the last one fills the hole. */
		for (size_t i = n_looks; i > 0; i--) {
			struct look l = w->looks[i - 1];

			if (!looks[i - 1].revents)
				continue;
			w->looks[i - 1] = w->looks[--w->n_looks];
			answer_exists(w, l.number, wh_join_seen(l.pidfd));
		}
		for (size_t i = 0; i < n; i++)
			handle(w, children[i], p + 1 + EACH * i);
		if (p[0].revents)
			take_order(w);
		for (size_t i = 0; i < w->n;)
			i = try_start(w, w->v[i]) ? 0 : i + 1;
	}
	free(children);
	free(p);
}

_Noreturn void wh_warden_main(int sock, enum wh_isolation isolation)
{
	struct warden w = {.sock = sock, .isolation = isolation, .filter = -1, .observed_filter = -1};
	struct rlimit rl;

	/* The parent's pid reads 0 across pid namespaces; the socket's end tells what this comes too late for. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "whittle-launch");
	if (isolation == WH_ISOLATION_CHROOT)
		prctl(PR_SET_CHILD_SUBREAPER, 1);
	umask(0);
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < NOFILE_WANTED) {
		rl.rlim_cur = rl.rlim_max < NOFILE_WANTED ? rl.rlim_max : NOFILE_WANTED;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	w.filter = wh_seccomp_build(NULL);
	for (;;)
		serve(&w);
}
