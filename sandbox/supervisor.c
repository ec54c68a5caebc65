/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/supervisor.h"
#include "sandbox/mount.h"
#include "sandbox/observer.h"
#include "sandbox/seccomp.h"
#include "sandbox/supervisor_private.h"
#include "sandbox/supervisor_table.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* Linux 6.6; older headers lack it. */
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1ULL << 0)
#endif
#define MAX_MARK 4096
#define SPARE_FDS 32
#define REREADS 8
#define SERVED_BEFORE_MARK 1024 /* calls that wait already when a mark comes */
#define HANDED 2                /* descriptors: listener, root */

struct supervisor {
	struct wh_observer o;
	struct wh_table table;
	struct seccomp_notif *req;
	struct seccomp_notif_resp *resp;
	struct seccomp_notif_sizes sizes;
	int handover, control;
};

/* ---------------------------------------------------------------- the observer's beginning and end */

/* A /proc for the pid namespace that this process is in: the one at hand may belong to another one. */
static int open_proc(struct wh_err **err)
{
	char self[32] = "";
	int fd = wh_mount_new("proc", NULL, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC), r = fd;
	WH_AUTO_FREE char *pid = wh_asprintf("%d", (int)getpid());

	if (fd < 0)
		fd = wh_openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY, 0);
	if (fd >= 0 && readlinkat(fd, "self", self, sizeof(self) - 1) > 0 && strcmp(self, pid) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return wh_err_sys(err, "sandbox", WH_ERR_ENV, r < 0 ? -r : ENOENT, "mount a /proc for the observer");
}

int wh_observer_init(struct wh_observer *o, int log_fd, struct wh_err **err)
{
	struct rlimit rl;

	*o = (struct wh_observer){.root = -1, .proc = -1, .listener = -1, .exits = -1, .log = log_fd, .first = -1};
	o->max_pidfd =
		getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < INT_MAX ? (int)rl.rlim_cur - SPARE_FDS : INT_MAX;
	o->exits = epoll_create1(EPOLL_CLOEXEC);
	if (o->exits < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "make an epoll descriptor");
	o->proc = open_proc(err);
	if (o->proc < 0)
		return o->proc;
	wh_obs_begin(&o->out);
	return 0;
}

int wh_observer_finish(struct wh_observer *o)
{
	const struct wh_obs end = {.kind = WH_OBS_END, .events = o->events};

	wh_tasks_release(o);
	wh_log_flush(o);
	if (o->failed)
		return -EIO;
	wh_obs_write(&(struct wh_obs){.kind = end.kind, .events = end.events, .lost = o->lost}, &o->out);
	wh_log_flush(o);
	return o->failed ? -EIO : 0;
}

void wh_observer_release(struct wh_observer *o)
{
	wh_tasks_release(o);
	wh_log_release(o);
	wh_searched_forget(o);
	for (size_t i = 0; i < WH_ARRAY_SIZE(o->links); i++)
		free(o->links[i]);
	wh_closep(&o->root);
	wh_closep(&o->proc);
	wh_closep(&o->listener);
	wh_closep(&o->exits);
}

/* ---------------------------------------------------------------- notifications */

static void observe(struct supervisor *s)
{
	const struct seccomp_notif *req = s->req;
	const struct wh_row *row = wh_table_row(&s->table, req->data.arch, req->data.nr);
	struct wh_call c = {.id = req->id, .tid = (pid_t)req->pid, .nr = req->data.nr};
	bool first = false;
	int r;

	c.compat = req->data.arch != s->table.native;
	for (unsigned i = 0; i < WH_ARRAY_SIZE(c.args); i++)
		c.args[i] = req->data.args[i];
	if (!row || !c.tid) { /* no rule asks for such; a caller in a pid namespace that we do not see */
		wh_observer_lost(&s->o);
		return;
	}
	/* Until the first execve it is our own code that runs. */
	if (row->see == wh_see_exec && !s->o.counting)
		s->o.counting = first = true;
	if (!s->o.counting)
		return;
	r = wh_task_find(&s->o, c.tid, &c.task);
	if (r < 0) {
		if (r != -ESRCH)
			wh_observer_lost(&s->o);
		return;
	}
	if (first)
		s->o.first = c.task->pid;
	wh_task_settle(&s->o, c.task, c.tid);
	wh_syscall(&s->o, c.task->record, c.compat, c.nr, s->table.names[c.compat][c.nr]);
	c.need = s->table.needs[c.compat][c.nr];
	row->see(&s->o, row, &c);
	/* Written over by another thread meanwhile: what is there now is told as well. */
	for (unsigned i = 0; !wh_call_is_same(&s->o, &c); i++) {
		if (i == REREADS) {
			wh_observer_lost(&s->o);
			break;
		}
		c.n_strings = 0;
		row->see(&s->o, row, &c);
	}
	wh_cap_call(&s->o, &c, NULL);
	if (c.need)
		wh_need_done(&s->o, &c);
}

/* Takes one notification and answers it. 0, or -errno: the listener is of no use any more. */
static int serve_one(struct supervisor *s)
{
	memset(s->req, 0, s->sizes.seccomp_notif);
	if (ioctl(s->o.listener, SECCOMP_IOCTL_NOTIF_RECV, s->req) < 0)
		return errno == EINTR || errno == ENOENT ? 0 : -errno; /* ENOENT: it died meanwhile */
	s->o.events++;
	observe(s);
	memset(s->resp, 0, s->sizes.seccomp_notif_resp);
	s->resp->id = s->req->id;
	s->resp->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	if (ioctl(s->o.listener, SECCOMP_IOCTL_NOTIF_SEND, s->resp) < 0 && errno != ENOENT)
		return -errno;
	return 0;
}

/* ---------------------------------------------------------------- the loop */

static int notif_buffers(struct supervisor *s, struct wh_err **err)
{
	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &s->sizes) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "ask for the size of seccomp notifications");
	if (s->sizes.seccomp_notif < sizeof(*s->req))
		s->sizes.seccomp_notif = sizeof(*s->req);
	if (s->sizes.seccomp_notif_resp < sizeof(*s->resp))
		s->sizes.seccomp_notif_resp = sizeof(*s->resp);
	s->req = wh_calloc(1, s->sizes.seccomp_notif);
	s->resp = wh_calloc(1, s->sizes.seccomp_notif_resp);
	return 0;
}

/* What waits now was called before what comes next. */
static int serve_waiting(struct supervisor *s)
{
	struct pollfd p = {s->o.listener, POLLIN, 0};
	int r = 0;

	for (unsigned i = 0; r == 0 && i < SERVED_BEFORE_MARK && s->o.listener >= 0; i++) {
		if (poll(&p, 1, 0) <= 0 || !(p.revents & POLLIN))
			break;
		while (!wh_task_bury(&s->o))
			;
		r = serve_one(s);
	}
	return r;
}

/* A mark: text in, one byte out when it is in the log. */
static int take_mark(struct supervisor *s)
{
	char text[MAX_MARK + 1];
	ssize_t n = recv(s->control, text, MAX_MARK, MSG_DONTWAIT);
	int r;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		wh_closep(&s->control);
		return 0;
	}
	r = serve_waiting(s);
	text[n] = '\0';
	wh_phase(&s->o, text);
	send(s->control, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	return r;
}

/* Two descriptors and a byte. 1: taken, 0: nobody will come, or -errno. */
static int take_handover(struct supervisor *s)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(HANDED * sizeof(int))];
	} u;
	char byte;
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = u.buf, .msg_controllen = sizeof(u.buf)};
	ssize_t n = recvmsg(s->handover, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
	uint64_t flags = SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP;
	int fds[HANDED];

	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	if (n == 0)
		return 0;
	if (!h || h->cmsg_type != SCM_RIGHTS || h->cmsg_len != CMSG_LEN(sizeof(fds)))
		return -EBADMSG;
	memcpy(fds, CMSG_DATA(h), sizeof(fds));
	s->o.listener = fds[0];
	s->o.root = fds[1];
	/* Wakes us on the caller's processor, which sleeps now anyway. Kernels before 6.6 do without. */
	ioctl(s->o.listener, SECCOMP_IOCTL_NOTIF_SET_FLAGS, flags);
	return send(s->handover, "", 1, MSG_NOSIGNAL) == 1 ? 1 : -errno;
}

/* Until the last process of the command is gone. reaped: called when reap_fd is readable. */
static int watch(struct supervisor *s, const struct wh_supervise *how)
{
	for (;;) {
		struct pollfd p[] = {{s->o.listener < 0 ? s->handover : s->o.listener, POLLIN, 0},
				     {s->control, POLLIN, 0},
				     {s->o.exits, POLLIN, 0},
				     {how->fd, POLLIN, 0}};
		int r = 0;

		if (poll(p, WH_ARRAY_SIZE(p), -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		/* First who is gone: a number in what comes next may be another's by now. */
		if (p[2].revents)
			while (!wh_task_bury(&s->o))
				;
		if (s->o.listener < 0 && p[0].revents) {
			r = take_handover(s);
			if (r <= 0)
				return r;
		} else if (p[0].revents & POLLIN) {
			r = serve_one(s);
		} else if (p[0].revents) {
			return 0; /* POLLHUP: nobody has the filter any more */
		}
		if (r == 0 && p[1].revents)
			r = take_mark(s);
		if (r < 0)
			return r;
		if (p[3].revents)
			how->fn(how->arg);
	}
}

int wh_supervise(const struct wh_supervise *how, struct wh_err **err)
{
	struct supervisor *s = wh_calloc(1, sizeof(*s));
	struct rlimit rl;
	int r;

	/* A descriptor for each process that runs. */
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	s->handover = how->handover;
	s->control = how->control;
	wh_table_make(&s->table);
	r = wh_observer_init(&s->o, how->log, err);
	if (r == 0)
		r = notif_buffers(s, err);
	if (r == 0) {
		r = watch(s, how);
		if (r < 0)
			wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "receive seccomp notifications");
	}
	if (r == 0) {
		r = wh_observer_finish(&s->o);
		if (r < 0)
			wh_err_set(err, "sandbox", WH_ERR_ENV, EIO, "the observation log cannot be written");
	}
	wh_observer_release(&s->o);
	wh_table_release(&s->table);
	free(s->req);
	free(s->resp);
	free(s);
	return r;
}

/* ---------------------------------------------------------------- the launcher's side */

/* Descriptors of other steps would keep their pipes and sockets open. */
static void close_others(const int keep[], size_t n)
{
	for (int fd = 3, next; fd >= 0; fd = next) {
		next = -1;
		for (size_t i = 0; i < n; i++)
			if (keep[i] >= fd && (next < 0 || keep[i] < next))
				next = keep[i];
		if (next < 0)
			syscall(SYS_close_range, fd, ~0U, 0);
		else if (next > fd)
			syscall(SYS_close_range, fd, next - 1, 0);
		if (next >= 0)
			next++;
	}
}

static _Noreturn void supervisor_main(int log, int handover, int control)
{
	const int keep[] = {log, handover, control};
	struct wh_supervise how = {.log = log, .handover = handover, .control = control, .fd = -1};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "whittle-observe");
	close_others(keep, WH_ARRAY_SIZE(keep));
	_exit(wh_supervise(&how, NULL) < 0 ? 1 : 0);
}

int wh_supervisor_start(int log_fd, struct wh_supervisor *ret, struct wh_err **err)
{
	int handover[2] = {-1, -1}, control[2] = {-1, -1}, log = fcntl(log_fd, F_DUPFD_CLOEXEC, 3);
	struct wh_supervisor s = WH_SUPERVISOR_INIT;
	int e = 0;

	if (log < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, handover) < 0 ||
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0)
		e = errno;
	s.pid = e ? -1 : fork();
	if (s.pid == 0)
		supervisor_main(log, handover[1], control[1]);
	if (!e && s.pid < 0)
		e = errno;
	if (!e) {
		s.pidfd = (int)syscall(SYS_pidfd_open, s.pid, 0);
		e = s.pidfd < 0 ? errno : 0;
	}
	s.handover = handover[0];
	s.control = control[0];
	wh_closep(&handover[1]);
	wh_closep(&control[1]);
	wh_closep(&log);
	if (!e) {
		*ret = s;
		return 0;
	}
	if (s.pid > 0)
		wh_supervisor_end(&s);
	wh_closep(&s.handover);
	wh_closep(&s.control);
	return wh_err_sys(err, "sandbox", WH_ERR_ENV, e, "start the observer");
}

void wh_supervisor_mark(struct wh_supervisor *s, const char *text)
{
	char byte;
	size_t n = strnlen(text, MAX_MARK);

	if (s->control < 0 || n == 0 || send(s->control, text, n, MSG_NOSIGNAL) < 0)
		return;
	while (recv(s->control, &byte, 1, 0) < 0 && errno == EINTR)
		;
}

int wh_supervisor_end(struct wh_supervisor *s)
{
	siginfo_t end = {0};
	int r;

	if (s->pid <= 0)
		return 0;
	/* One that has ended keeps its own status: the signal comes too late. */
	kill(s->pid, SIGKILL);
	do
		r = waitid(P_PID, (id_t)s->pid, &end, WEXITED);
	while (r < 0 && errno == EINTR);
	wh_closep(&s->pidfd);
	wh_closep(&s->handover);
	wh_closep(&s->control);
	s->pid = 0;
	if (r < 0)
		return 128 + SIGKILL;
	return end.si_code == CLD_EXITED ? end.si_status : 128 + end.si_status;
}

/* ---------------------------------------------------------------- the command's side */

/* Both descriptors, and a byte. 0 or -errno. */
static int hand_over(int handover, const int fds[HANDED])
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(HANDED * sizeof(int))];
	} u = {0};
	char byte = 0;
	struct iovec iov = {&byte, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = u.buf, .msg_controllen = sizeof(u.buf)};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	ssize_t n;

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(HANDED * sizeof(int));
	memcpy(CMSG_DATA(h), fds, HANDED * sizeof(int));
	do
		n = sendmsg(handover, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/*
 * Who has loaded the filter can send no descriptor until somebody watches: sendmsg(2) is told. So a second process does,
 * without the filter, that has the same table of descriptors; it is asked over a socket pair.
 */
struct second {
	pid_t pid;
	int ask[2];
	bool loaded; /* the filter is */
};

static _Noreturn void second_main(const struct second *s, int handover, int root)
{
	int fds[HANDED] = {-1, root}, r;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(s->ask[1], &fds[0], sizeof(fds[0])) != sizeof(fds[0]) || fds[0] < 0)
		_exit(0);
	r = hand_over(handover, fds);
	_exit(write(s->ask[1], &r, sizeof(r)) == sizeof(r) ? 0 : 1);
}

static int second_start(struct second *s, int handover, int root)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s->ask) < 0)
		return -errno;
	s->pid = (pid_t)syscall(SYS_clone, CLONE_FILES, 0, 0, 0, 0);
	if (s->pid == 0)
		second_main(s, handover, root);
	return s->pid < 0 ? -errno : 0;
}

/* listener -1: nothing is to be handed over. */
static int second_ask(const struct second *s, int listener)
{
	int r = -EPIPE;

	if (write(s->ask[0], &listener, sizeof(listener)) != sizeof(listener))
		return -errno;
	return listener >= 0 && read(s->ask[0], &r, sizeof(r)) != sizeof(r) ? -EPIPE : r;
}

static void second_end(struct second *s)
{
	while (s->pid > 0 && waitpid(s->pid, NULL, __WALL) < 0 && errno == EINTR)
		;
	wh_closep(&s->ask[0]);
	wh_closep(&s->ask[1]);
}

static int load_and_hand_over(int handover, int filter_fd, struct second *second, struct wh_err **err)
{
	WH_AUTO_FD int listener = wh_seccomp_listen(filter_fd, err);
	char byte;
	ssize_t n;
	int r;

	if (listener < 0) {
		second_ask(second, -1);
		return listener;
	}
	second->loaded = true;
	r = second_ask(second, listener);
	if (r < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "hand over to the observer");
	do
		n = recv(handover, &byte, 1, 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return wh_err_set(err, "sandbox", WH_ERR_ENV, n < 0 ? errno : EPIPE, "the observer did not begin");
	return 0;
}

int wh_supervisor_join(int handover, int filter_fd, struct wh_err **err)
{
	/* Before the filter is loaded: an open would wait for the supervisor, who does not watch yet. */
	WH_AUTO_FD int root = wh_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
	struct second second = {.pid = -1, .ask = {-1, -1}};
	int r;

	if (root < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -root, "open the root");
	r = second_start(&second, handover, root);
	if (r < 0)
		wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "start who hands over to the observer");
	else
		r = load_and_hand_over(handover, filter_fd, &second, err);
	/* Under a filter that nobody watches it would wait for ever; then all that is left to do is to exit. */
	if (r == 0 || !second.loaded)
		second_end(&second);
	return r;
}
