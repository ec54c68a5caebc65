/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The launcher's own process: PID 1 of a pid namespace, one thread. It takes
 * orders, clones steps, and reports each once nothing of it is left. Its death
 * is the end of all below it, by the kernel's own doing.
 */
#include "sandbox/warden.h"
#include "sandbox/net.h"
#include "sandbox/report.h"
#include "sandbox/sandbox.h"
#include "sandbox/seccomp.h"
#include "sandbox/step.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define MAX_REPORT ((size_t)1 << 20)
#define NOFILE_WANTED 8192 /* an overlay of 500 layers holds as many descriptors for a moment */

struct child {
	uint64_t id;
	int pidfd, report;
	struct wh_usernet net;
	int go; /* open as long as the network's helper lives; the step watches the other end */
	struct wh_buf records;
	bool dead;
	uint64_t end_ns;
	struct wh_err *err; /* it could not even start */
};

struct warden {
	int sock;
	int filter; /* BPF memfd, or -1 */
	struct child **v;
	size_t n, cap;
};

static void answer(struct warden *w, const struct child *c, const struct wh_report *r, const siginfo_t *end)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	bool killed = end->si_code == CLD_KILLED || end->si_code == CLD_DUMPED;
	const struct wh_err *err = c->err ? c->err : r->err;
	uint32_t status = (uint32_t)(killed ? 128 + end->si_status : end->si_status);

	wh_buf_u32(&b, WH_SAID_END);
	wh_buf_u64(&b, c->id);
	wh_buf_u32(&b, r->err ? r->status : status);
	wh_buf_u32(&b, killed ? (uint32_t)end->si_status : 0);
	wh_buf_u64(&b, r->started && c->end_ns > r->start_ns ? c->end_ns - r->start_ns : 0);
	wh_buf_u8(&b, r->started);
	wh_wire_put_err(&b, err);
	wh_wire_send(w->sock, b.p, b.n, NULL, 0);
}

static void child_free(struct child *c)
{
	wh_closep(&c->pidfd);
	wh_closep(&c->report);
	wh_closep(&c->go);
	wh_buf_release(&c->records);
	wh_err_freep(&c->err);
	free(c);
}

/* What a dead step left in its report, up to the end: nobody else holds the other end any more. */
static void drain(struct child *c)
{
	if (c->report >= 0)
		wh_read_fd(c->report, MAX_REPORT, &c->records);
}

static void bury(struct warden *w, size_t i)
{
	struct child *c = w->v[i];
	WH_AUTO_BUF struct wh_buf said = WH_BUF_INIT;
	struct wh_report report;
	siginfo_t end = {0};

	/* The init of a pid namespace becomes a zombie only when all others in it are gone, and their mounts with
	 * them. */
	c->end_ns = wh_now_ns();
	while (waitid(P_PIDFD, (id_t)c->pidfd, &end, WEXITED) < 0 && errno == EINTR)
		;
	drain(c);
	wh_report_read((struct wh_str){c->records.p, c->records.n}, &report);
	wh_stub_unmake(&report.made);
	wh_usernet_stop(&c->net, &said);
	if (said.n && report.err && report.err->sys == ENETDOWN)
		wh_err_detail(&report.err, said.p);
	answer(w, c, &report, &end);
	wh_report_release(&report);
	w->v[i] = w->v[--w->n];
	child_free(c);
}

static void refuse(struct warden *w, uint64_t id, struct wh_err *err)
{
	struct child c = {.id = id, .err = err};
	struct wh_report none = {0};
	siginfo_t end = {.si_code = CLD_EXITED};

	end.si_status = 125;
	answer(w, &c, &none, &end);
	wh_err_free(err);
}

/* Built at the start, while the inner process is still about other things; tried again when that failed. */
static int filter_of(struct warden *w, bool insecure, struct wh_err **err)
{
	if (insecure)
		return -1;
	if (w->filter < 0)
		w->filter = wh_seccomp_build(err);
	return w->filter;
}

static struct child *child_new(uint64_t id)
{
	struct child *c = wh_calloc(1, sizeof(*c));

	c->id = id;
	c->pidfd = c->report = c->go = -1;
	c->net = WH_USERNET_INIT;
	return c;
}

/* The private network of a step that is already setting itself up. Without it the step ends by itself, and says so. */
static void start_network(struct child *c, bool own_dns)
{
	if (wh_usernet_start(c->pidfd, own_dns, &c->net, &c->err) < 0)
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
static struct wh_step_task task_of(const struct wh_order *o, const int fds[WH_ORDER_MAX_FDS])
{
	struct wh_step_task t = WH_STEP_TASK_INIT;
	size_t n = 3;

	t.spec_fd = fds[0];
	t.out_fd = fds[1];
	t.err_fd = fds[2];
	if (o->carries & WH_ORDER_INPUT)
		t.in_fd = fds[n++];
	if (o->carries & WH_ORDER_NETNS)
		t.net_fd = fds[n++];
	return t;
}

static int start(struct warden *w, const struct wh_order *o, const int fds[WH_ORDER_MAX_FDS], struct wh_err **err)
{
	unsigned long flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_PIDFD;
	struct wh_step_task task = task_of(o, fds);
	struct child *c;
	long pid = -1;
	int r;

	task.filter_fd = filter_of(w, o->insecure, err);
	if (task.filter_fd < 0 && !o->insecure)
		return task.filter_fd;
	c = child_new(o->id);
	r = make_pipes(c, o->net == WH_SANDBOX_NET_USER, &task, err);
	if (o->net == WH_SANDBOX_NET_NONE || o->net == WH_SANDBOX_NET_USER)
		flags |= CLONE_NEWNET;
	if (r == 0) {
		pid = syscall(SYS_clone, flags | SIGCHLD, NULL, &c->pidfd, NULL, NULL);
		if (pid < 0)
			r = wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "start a process in namespaces of its own");
	}
	if (pid == 0) {
		close(w->sock);
		wh_step_main(&task);
	}
	wh_closep(&task.report_fd);
	wh_closep(&task.go_fd);
	if (r < 0) {
		child_free(c);
		return r;
	}
	if (o->net == WH_SANDBOX_NET_USER)
		start_network(c, o->own_dns);
	WH_PUSH(w->v, w->n, w->cap) = c;
	return 0;
}

static void send_signal(struct warden *w, uint64_t id, int sig)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->v[i]->id == id)
			syscall(SYS_pidfd_send_signal, w->v[i]->pidfd, sig, NULL, 0);
}

static void run_order(struct warden *w, const struct wh_order *o, const int fds[WH_ORDER_MAX_FDS])
{
	struct wh_err *err = NULL;

	if (start(w, o, fds, &err) < 0)
		refuse(w, o->id, err);
}

static void take_order(struct warden *w)
{
	WH_AUTO_BUF struct wh_buf packet = WH_BUF_INIT;
	struct wh_order o;
	int fds[WH_ORDER_MAX_FDS] = {-1, -1, -1, -1, -1, -1};
	size_t n_fds = WH_ARRAY_SIZE(fds);

	if (wh_wire_recv(w->sock, &packet, fds, &n_fds) < 0 || packet.n < sizeof(o))
		_exit(0); /* the inner process is gone: with this one all steps end */
	memcpy(&o, packet.p, sizeof(o));
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
	case WH_ORDER_EXISTS:
		break;
	}
	for (size_t i = 0; i < WH_ARRAY_SIZE(fds); i++)
		wh_closep(&fds[i]);
}

/* What the step reports may be more than a pipe holds, so it is read as it comes. */
static void read_report(struct child *c)
{
	char part[4096];
	ssize_t n = read(c->report, part, sizeof(part));

	if (n > 0 && c->records.n + (size_t)n <= MAX_REPORT)
		wh_buf_add(&c->records, part, (size_t)n);
	if (n == 0)
		wh_closep(&c->report);
}

static void serve(struct warden *w)
{
	const size_t each = 3;
	size_t n = w->n;
	struct pollfd *p = wh_calloc(1 + each * n, sizeof(*p)), *q = p + 1;

	p[0] = (struct pollfd){w->sock, POLLIN, 0};
	for (size_t i = 0; i < n; i++, q += each) {
		q[0] = (struct pollfd){w->v[i]->pidfd, POLLIN, 0};
		q[1] = (struct pollfd){w->v[i]->report, POLLIN, 0};
		/* A helper that died is looked at once: go is closed then. */
		q[2] = (struct pollfd){w->v[i]->go < 0 ? -1 : w->v[i]->net.pidfd, POLLIN, 0};
	}
	if (poll(p, 1 + each * n, -1) > 0) {
		/* Downwards: bury() fills the hole with the last one, which has been looked at already. */
		for (size_t i = n; i > 0; i--) {
			q -= each;
			if (q[1].revents)
				read_report(w->v[i - 1]);
			if (q[2].revents)
				wh_closep(&w->v[i - 1]->go);
			if (q[0].revents)
				bury(w, i - 1);
		}
		if (p[0].revents)
			take_order(w);
	}
	free(p);
}

_Noreturn void wh_warden_main(int sock)
{
	struct warden w = {.sock = sock, .filter = -1};
	struct rlimit rl;

	/* The parent's pid reads 0 across pid namespaces; the socket's end tells what this comes too late for. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "whittle-launch");
	umask(0);
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < NOFILE_WANTED) {
		rl.rlim_cur = rl.rlim_max < NOFILE_WANTED ? rl.rlim_max : NOFILE_WANTED;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	w.filter = wh_seccomp_build(NULL);
	for (;;)
		serve(&w);
}
