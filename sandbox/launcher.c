/* SPDX-License-Identifier: Apache-2.0 */
/* The inner process's end of the launcher. */
#include "sandbox/sandbox.h"
#include "sandbox/spec.h"
#include "sandbox/warden.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

struct pending {
	uint64_t id;
	wh_step_fn done;
	void *arg;
};

struct wh_launcher {
	struct wh_loop *loop;
	pid_t pid;
	int sock;
	bool dead;
	uint64_t next_id;
	struct pending *v;
	size_t n, cap;
};

/* In the child: nothing of the inner process may stay open here, least of all what a step could inherit. */
static _Noreturn void become_warden(int sock)
{
	int null;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Parent pids read 0 across pid namespaces; the socket's end tells what the death signal came too late for. */
	sock = fcntl(sock, F_DUPFD_CLOEXEC, 3);
	null = wh_openat(AT_FDCWD, "/dev/null", O_RDWR, 0);
	if (sock < 0 || null < 0)
		_exit(125);
	/* Standard error stays for a sanitizer's last words, where there is one. */
	dup2(null, 0);
	dup2(null, 1);
	if (fcntl(2, F_GETFD) < 0)
		dup2(null, 2);
	if (sock != 3) {
		dup2(sock, 3);
		fcntl(3, F_SETFD, FD_CLOEXEC);
	}
	syscall(SYS_close_range, 4U, ~0U, 0);
	wh_warden_main(3);
}

static bool finish(struct wh_launcher *l, uint64_t id, struct wh_step_result *result)
{
	for (size_t i = 0; i < l->n; i++) {
		struct pending p = l->v[i];

		if (p.id != id)
			continue;
		l->v[i] = l->v[--l->n];
		p.done(p.arg, result);
		return true;
	}
	return false;
}

/* The launcher was killed, and with it every step. */
static void all_dead(struct wh_launcher *l)
{
	l->dead = true;
	wh_loop_del_fd(l->loop, l->sock);
	while (l->n) {
		struct wh_step_result result = {.status = 137, .signal = SIGKILL};

		wh_err_set(&result.err, "sandbox", WH_ERR_ENV, EPIPE, "the process that starts the steps was killed");
		finish(l, l->v[l->n - 1].id, &result);
	}
}

static void on_packet(void *arg, int fd, short revents)
{
	struct wh_launcher *l = arg;
	WH_AUTO_BUF struct wh_buf packet = WH_BUF_INIT;
	struct wh_step_result result = {0};
	struct wh_wire w;
	uint64_t id;

	(void)revents;
	if (wh_wire_recv(fd, &packet, NULL, NULL) < 0) {
		all_dead(l);
		return;
	}
	w = (struct wh_wire){packet.p, packet.n, false};
	id = wh_wire_u64(&w);
	result.status = (int)wh_wire_u32(&w);
	result.signal = (int)wh_wire_u32(&w);
	result.wall_ns = wh_wire_u64(&w);
	result.err = wh_wire_err(&w);
	if (!finish(l, id, &result))
		wh_err_freep(&result.err);
}

int wh_launcher_start(struct wh_inner *i, struct wh_loop *loop, struct wh_launcher **ret, struct wh_err **err)
{
	struct wh_launcher *l;
	int pair[2];
	long pid;

	if (!wh_inner_entered(i))
		return wh_err_set(err, "sandbox", WH_ERR_INTERNAL, EINVAL,
				  "the launcher needs the user namespace first");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "socketpair");
	pid = syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid < 0) {
		int e = errno;

		close(pair[0]);
		close(pair[1]);
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, e, "start the launcher in a pid namespace");
	}
	if (pid == 0)
		become_warden(pair[1]);
	close(pair[1]);
	l = wh_calloc(1, sizeof(*l));
	l->loop = loop;
	l->pid = (pid_t)pid;
	l->sock = pair[0];
	wh_loop_add_fd(loop, l->sock, POLLIN, on_packet, l);
	*ret = l;
	return 0;
}

int wh_launcher_run(struct wh_launcher *l, const struct wh_step *step, wh_step_fn done, void *arg, uint64_t *ret_id,
		    struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf spec = WH_BUF_INIT;
	WH_AUTO_FD int memfd = -1;
	struct wh_order order = {.kind = WH_ORDER_RUN,
				 .net = step->net,
				 .insecure = step->insecure,
				 .own_dns = step->resolv_conf != NULL};
	int r;

	if (l->dead)
		return wh_err_set(err, "sandbox", WH_ERR_ENV, EPIPE, "the process that starts the steps was killed");
	wh_spec_write(step, &spec);
	memfd = memfd_create("whittle-step", MFD_CLOEXEC);
	if (memfd < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "memfd_create");
	r = wh_buf_ok(&spec) ? wh_write_all(memfd, spec.p, spec.n) : -EFBIG;
	if (r < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "describe the step");
	order.id = ++l->next_id;
	r = wh_wire_send(l->sock, &order, sizeof(order), (int[]){memfd, step->out_fd, step->err_fd}, 3);
	if (r < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "reach the process that starts the steps");
	WH_PUSH(l->v, l->n, l->cap) = (struct pending){order.id, done, arg};
	if (ret_id)
		*ret_id = order.id;
	return 0;
}

void wh_launcher_kill(struct wh_launcher *l, uint64_t id)
{
	struct wh_order order = {.kind = WH_ORDER_KILL, .id = id};

	if (!l->dead)
		wh_wire_send(l->sock, &order, sizeof(order), NULL, 0);
}

void wh_launcher_free(struct wh_launcher *l)
{
	if (!l)
		return;
	if (!l->dead)
		wh_loop_del_fd(l->loop, l->sock);
	/* As the init of its pid namespace it takes everything below along, and is a zombie only after all of that is gone. */
	kill(l->pid, SIGKILL);
	while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(l->sock);
	free(l->v);
	free(l);
}
