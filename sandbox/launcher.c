/* SPDX-License-Identifier: Apache-2.0 */
/* The inner process's end of the launcher. */
#include "sandbox/mount.h"
#include "sandbox/sandbox.h"
#include "sandbox/spec.h"
#include "sandbox/warden.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define WARDEN_SOCKET 3

struct pending {
	uint64_t id;
	wh_step_fn done;
	void *arg;
	wh_exit_fn exited; /* NULL: nobody asks, or it was told */
	void *exit_arg;
};

struct question { /* wh_launcher_exists() */
	uint64_t number;
	wh_exists_fn fn;
	void *arg;
	int answer; /* not 0: known already */
};

struct wh_launcher {
	struct wh_loop *loop;
	pid_t pid;
	int sock;
	bool dead;
	bool guarded; /* few ids are mapped */
	uint64_t next_id;
	struct pending *v;
	size_t n, cap;
	uint64_t next_number;
	struct question *questions;
	size_t n_questions, cap_questions;
	uint64_t timer; /* for answers that need no asking */
};

/* Set once, by the first line of main(). */
static bool may_execute_anew;
static const char warden_name[] = "whittle-launcher";
static const char warden_chroot[] = "chroot"; /* its only word, where steps are kept apart by that */

void wh_sandbox_init(int argc, char **argv)
{
	if ((argc == 1 || argc == 2) && wh_streq(argv[0], warden_name)) {
		fcntl(WARDEN_SOCKET, F_SETFD, FD_CLOEXEC);
		wh_warden_main(WARDEN_SOCKET, argc == 2 && wh_streq(argv[1], warden_chroot) ? WH_ISOLATION_CHROOT : WH_ISOLATION_NAMESPACES);
	}
	may_execute_anew = true;
}

/* Our own program's file through a mount that nobody can write to. fd or -errno. */
static int own_file_readonly(void)
{
	struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
	WH_AUTO_FD int at = -1, tree = -1;
	struct stat here, running;
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (n < 0)
		return -errno;
	path[n] = '\0';
	at = wh_openat(AT_FDCWD, path, O_PATH | O_NOFOLLOW, 0);
	if (at < 0)
		return at;
	if (fstat(at, &here) < 0 || stat("/proc/self/exe", &running) < 0 || here.st_dev != running.st_dev ||
	    here.st_ino != running.st_ino)
		return -ESTALE; /* replaced meanwhile */
	tree = wh_mount_clone(at, "", false);
	if (tree < 0)
		return tree;
	if (mount_setattr(tree, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0)
		return -errno;
	return WH_TAKE_FD(tree);
}

/* A sealed copy in memory, where that is not to be had. */
static int own_file_copy(void)
{
	WH_AUTO_FD int in = wh_openat(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0);
	WH_AUTO_FD int out = memfd_create(warden_name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	int r;

	if (in < 0)
		return in;
	if (out < 0)
		return -errno;
	r = wh_copy_fd(in, out, UINT64_MAX);
	if (r < 0)
		return r;
	if (fcntl(out, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0)
		return -errno;
	return WH_TAKE_FD(out);
}

/*
 * A step's process is a fork of this one until it executes the command, so
 * /proc/self/exe is our program's file just then; a command (or a script's
 * interpreter) of that name runs it, and thereafter can open it for writing.
 * Executing anew gives the launcher a read-only view of the file to hand on,
 * and a small memory without whatever the inner process has read.
 */
static void execute_anew(enum wh_isolation isolation)
{
	char name[sizeof(warden_name)], word[sizeof(warden_chroot)];
	char *const argv[] = {name, isolation == WH_ISOLATION_CHROOT ? word : NULL, NULL};
	int fd = own_file_readonly();

	if (fd < 0)
		fd = own_file_copy();
	if (fd < 0)
		_exit(125);
	memcpy(name, warden_name, sizeof(name));
	memcpy(word, warden_chroot, sizeof(word));
	fcntl(WARDEN_SOCKET, F_SETFD, 0);
	execveat(fd, "", argv, environ, AT_EMPTY_PATH);
	_exit(125);
}

/* In the child: nothing of the inner process may stay open here, least of all what a step could inherit. */
static _Noreturn void become_warden(int sock, enum wh_isolation isolation)
{
	int null;

	sock = fcntl(sock, F_DUPFD_CLOEXEC, WARDEN_SOCKET);
	null = wh_openat(AT_FDCWD, "/dev/null", O_RDWR, 0);
	if (sock < 0 || null < 0)
		_exit(125);
	/* Standard error stays for a sanitizer's last words, where there is one. */
	dup2(null, 0);
	dup2(null, 1);
	if (fcntl(2, F_GETFD) < 0)
		dup2(null, 2);
	if (sock != WARDEN_SOCKET) {
		dup2(sock, WARDEN_SOCKET);
		fcntl(WARDEN_SOCKET, F_SETFD, FD_CLOEXEC);
	}
	syscall(SYS_close_range, WARDEN_SOCKET + 1U, ~0U, 0);
	if (may_execute_anew)
		execute_anew(isolation);
	wh_warden_main(WARDEN_SOCKET, isolation);
}

static void command_over(struct pending *p, int status)
{
	wh_exit_fn fn = p->exited;

	p->exited = NULL;
	if (fn)
		fn(p->exit_arg, status);
}

static bool finish(struct wh_launcher *l, uint64_t id, struct wh_step_result *result)
{
	for (size_t i = 0; i < l->n; i++) {
		struct pending p = l->v[i];

		if (p.id != id)
			continue;
		l->v[i] = l->v[--l->n];
		if (result->started)
			command_over(&p, result->status);
		p.done(p.arg, result);
		return true;
	}
	return false;
}

static void tell(struct wh_launcher *l, uint64_t number, int answer)
{
	for (size_t i = 0; i < l->n_questions; i++) {
		struct question q = l->questions[i];

		if (q.number != number)
			continue;
		l->questions[i] = l->questions[--l->n_questions];
		q.fn(q.arg, answer);
		return;
	}
}

/* The launcher was killed, and with it every step. */
static void all_dead(struct wh_launcher *l)
{
	l->dead = true;
	wh_loop_del_fd(l->loop, l->sock);
	while (l->n_questions)
		tell(l, l->questions[l->n_questions - 1].number, -ESRCH);
	while (l->n) {
		struct wh_step_result result = {.status = 137, .signal = SIGKILL};

		wh_err_set(&result.err, "sandbox", WH_ERR_ENV, EPIPE, "the process that starts the steps was killed");
		finish(l, l->v[l->n - 1].id, &result);
	}
}

static void on_end(struct wh_launcher *l, struct wh_wire *w)
{
	struct wh_step_result result = {0};
	uint64_t id = wh_wire_u64(w);

	result.status = (int)wh_wire_u32(w);
	result.signal = (int)wh_wire_u32(w);
	result.wall_ns = wh_wire_u64(w);
	result.started = wh_wire_u8(w) != 0;
	result.err = wh_wire_err(w);
	result.foreign.kind = (enum wh_foreign_kind)wh_wire_u32(w);
	result.foreign.id = wh_wire_u32(w);
	if (!finish(l, id, &result))
		wh_err_freep(&result.err);
}

static void on_exit_said(struct wh_launcher *l, uint64_t id, int status)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].id == id) {
			command_over(&l->v[i], status);
			return;
		}
}

static void on_packet(void *arg, int fd, short revents)
{
	struct wh_launcher *l = arg;
	WH_AUTO_BUF struct wh_buf packet = WH_BUF_INIT;
	struct wh_wire w;
	uint64_t number, id;

	(void)revents;
	if (wh_wire_recv(fd, &packet, NULL, NULL) < 0) {
		all_dead(l);
		return;
	}
	w = (struct wh_wire){packet.p, packet.n, false};
	switch ((enum wh_said_kind)wh_wire_u32(&w)) {
	case WH_SAID_END:
		on_end(l, &w);
		break;
	case WH_SAID_EXISTS:
		number = wh_wire_u64(&w);
		tell(l, number, (int)wh_wire_u32(&w));
		break;
	case WH_SAID_EXIT:
		id = wh_wire_u64(&w);
		on_exit_said(l, id, (int)wh_wire_u32(&w));
		break;
	}
}

int wh_launcher_start(struct wh_inner *i, struct wh_loop *loop, struct wh_launcher **ret, struct wh_err **err)
{
	const enum wh_isolation isolation = wh_inner_isolation(i);
	struct wh_launcher *l;
	int pair[2];
	long pid;

	if (!wh_inner_entered(i))
		return wh_err_set(err, "sandbox", WH_ERR_INTERNAL, EINVAL,
				  "the launcher needs the user namespace first");
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "socketpair");
	pid = syscall(SYS_clone, (isolation == WH_ISOLATION_CHROOT ? 0 : CLONE_NEWPID) | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid < 0) {
		int e = errno;

		close(pair[0]);
		close(pair[1]);
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, e, "start the launcher%s",
				  isolation == WH_ISOLATION_CHROOT ? "" : " in a pid namespace");
	}
	if (pid == 0)
		become_warden(pair[1], isolation);
	close(pair[1]);
	l = wh_calloc(1, sizeof(*l));
	l->loop = loop;
	l->pid = (pid_t)pid;
	l->sock = pair[0];
	l->guarded = wh_inner_few_ids(i) != NULL;
	wh_loop_add_fd(loop, l->sock, POLLIN, on_packet, l);
	*ret = l;
	return 0;
}

/* What the step is, as a file that its own process reads. fd or -errno. */
static int spec_file(const struct wh_step *step, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf spec = WH_BUF_INIT;
	WH_AUTO_FD int memfd = memfd_create("whittle-step", MFD_CLOEXEC);
	int r;

	if (memfd < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "memfd_create");
	wh_spec_write(step, &spec);
	r = wh_buf_ok(&spec) ? wh_write_all(memfd, spec.p, spec.n) : -EFBIG;
	if (r < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "describe the step");
	return WH_TAKE_FD(memfd);
}

/* With all capabilities a step could look into the builder's own processes in the container's /proc, and the observer
 * finds a step's processes by their numbers in a /proc of its own. */
static int needs_own_proc(const struct wh_step *step, struct wh_err **err)
{
	if (!step->insecure && step->observe_fd <= 0)
		return 0;
	wh_err_set(err, "sandbox", WH_ERR_ENV, EPERM,
		   "%s a /proc of its own, which the kernel refuses in a container whose own is masked",
		   step->insecure ? "an insecure step needs" : "observing takes");
	wh_err_hint(err, "start the container with --security-opt systempaths=unconfined (podman: unmask=ALL; Kubernetes: "
			 "procMount: Unmasked)");
	return -EPERM;
}

int wh_launcher_run(struct wh_launcher *l, const struct wh_step *step, wh_step_fn done, void *arg, uint64_t *ret_id,
		    struct wh_err **err)
{
	WH_AUTO_FD int spec = -1;
	int fds[WH_ORDER_MAX_FDS], r;
	size_t n = 0;
	struct wh_order order = {.kind = WH_ORDER_RUN,
				 .net = step->net,
				 .insecure = step->insecure,
				 .guarded = l->guarded,
				 .own_dns = step->resolv_conf != NULL,
				 .join = step->join};

	if (l->dead)
		return wh_err_set(err, "sandbox", WH_ERR_ENV, EPIPE, "the process that starts the steps was killed");
	if (step->observe_fd > 0 && step->insecure)
		return wh_err_set(err, "sandbox", WH_ERR_BUILD, EINVAL, "an insecure step cannot be observed");
	r = step->proc == WH_PROC_BOUND ? needs_own_proc(step, err) : 0;
	if (r < 0)
		return r;
	spec = spec_file(step, err);
	if (spec < 0)
		return spec;
	fds[n++] = spec;
	fds[n++] = step->console_fd > 0 ? step->console_fd : step->out_fd;
	fds[n++] = step->console_fd > 0 ? step->console_fd : step->err_fd;
	if (step->console_fd > 0)
		order.carries |= WH_ORDER_CONSOLE;
	if (step->in_fd > 0 && step->console_fd <= 0) {
		order.carries |= WH_ORDER_INPUT;
		fds[n++] = step->in_fd;
	}
	if ((step->net == WH_SANDBOX_NET_JOIN || (step->net == WH_SANDBOX_NET_USER && step->net_fd > 0)) && !step->join) {
		order.carries |= WH_ORDER_NETNS;
		fds[n++] = step->net_fd;
	}
	if (step->observe_fd > 0) {
		order.carries |= WH_ORDER_LOG;
		fds[n++] = step->observe_fd;
	}
	order.id = ++l->next_id;
	r = wh_wire_send(l->sock, &order, sizeof(order), fds, n);
	if (r < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "reach the process that starts the steps");
	WH_PUSH(l->v, l->n, l->cap) = (struct pending){.id = order.id, .done = done, .arg = arg};
	if (ret_id)
		*ret_id = order.id;
	return 0;
}

static int send_order(struct wh_launcher *l, const struct wh_order *order, const char *text)
{
	WH_AUTO_BUF struct wh_buf packet = WH_BUF_INIT;
	size_t n = strlen(text);

	if (l->dead)
		return -ESRCH;
	if (n > WH_ORDER_MAX_TEXT)
		return -ENAMETOOLONG;
	wh_buf_add(&packet, order, sizeof(*order));
	wh_buf_adds(&packet, text);
	return wh_wire_send(l->sock, packet.p, packet.n, NULL, 0);
}

void wh_launcher_kill(struct wh_launcher *l, uint64_t id)
{
	send_order(l, &(struct wh_order){.kind = WH_ORDER_KILL, .id = id}, "");
}

void wh_launcher_on_exit(struct wh_launcher *l, uint64_t id, wh_exit_fn fn, void *arg)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].id == id) {
			l->v[i].exited = fn;
			l->v[i].exit_arg = arg;
		}
}

void wh_launcher_signal(struct wh_launcher *l, uint64_t id, int sig)
{
	send_order(l, &(struct wh_order){.kind = WH_ORDER_SIGNAL, .id = id, .number = (uint64_t)sig}, "");
}

void wh_launcher_mark(struct wh_launcher *l, uint64_t id, const char *text)
{
	WH_AUTO_FREE char *cut = wh_strndup(text, strnlen(text, WH_ORDER_MAX_TEXT));

	send_order(l, &(struct wh_order){.kind = WH_ORDER_MARK, .id = id}, cut);
}

static void tell_known(void *arg)
{
	struct wh_launcher *l = arg;

	l->timer = 0;
	for (size_t i = l->n_questions; i > 0; i--)
		if (i <= l->n_questions && l->questions[i - 1].answer)
			tell(l, l->questions[i - 1].number, l->questions[i - 1].answer);
}

void wh_launcher_exists(struct wh_launcher *l, uint64_t id, const char *path, wh_exists_fn fn, void *arg)
{
	struct wh_order order = {.kind = WH_ORDER_EXISTS, .id = id, .number = ++l->next_number};
	int r = send_order(l, &order, path);

	WH_PUSH(l->questions, l->n_questions, l->cap_questions) = (struct question){order.number, fn, arg, r};
	/* The answer always comes on the loop, never from in here. */
	if (r < 0 && !l->timer)
		l->timer = wh_loop_add_timer(l->loop, 0, tell_known, l);
}

void wh_launcher_free(struct wh_launcher *l)
{
	if (!l)
		return;
	if (!l->dead)
		wh_loop_del_fd(l->loop, l->sock);
	wh_loop_del_timer(l->loop, l->timer);
	/* As the init of its pid namespace it takes everything below along, and is a zombie only after all of that
	 * is gone. */
	kill(l->pid, SIGKILL);
	while (waitpid(l->pid, NULL, 0) < 0 && errno == EINTR)
		;
	close(l->sock);
	free(l->v);
	free(l->questions);
	free(l);
}
