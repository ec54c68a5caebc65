/* SPDX-License-Identifier: Apache-2.0 */
#include "base/proc.h"

#include "base/fs.h"

#include <errno.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define RUN_KEEP ((size_t)64 * 1024)

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

char *wh_proc_find(const char *name)
{
	const char *dirs[] = {getenv("PATH"), "/usr/sbin:/sbin"};
	const char *s;
	size_t i, n;

	if (!name || !*name)
		return NULL;
	if (strchr(name, '/'))
		return is_program(name) ? wh_strdup(name) : NULL;
	if (!dirs[0])
		dirs[0] = "/usr/local/bin:/usr/bin:/bin";
	for (i = 0; i < WH_ARRAY_SIZE(dirs); i++) {
		for (s = dirs[i]; *s; s += n + (s[n] == ':')) {
			char *path;

			n = strcspn(s, ":");
			if (!n || s[0] != '/')
				continue; /* never from whatever directory we happen to be in */
			path = wh_asprintf("%.*s/%s", (int)n, s, name);
			if (is_program(path))
				return path;
			free(path);
		}
	}
	return NULL;
}

/* In the child, before exec: only async-signal-safe calls. Returns errno; on success execve does not return. */
static int become(const char *path, const char *const *argv, const char *const *env, const struct wh_proc_opts *opts,
		  pid_t parent, int report)
{
	int from[3] = {opts->stdin_fd, opts->stdout_fd, opts->stderr_fd};
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;
	int i, err;
	char *const *av, *const *ev;

	if (opts->die_with_parent) {
		if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
			return errno;
		/* The parent may have died before the prctl. 0: it lives outside our pid namespace. */
		if (getppid() != parent && getppid() != 0)
			_exit(127);
	}
	if (opts->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return errno;
	for (i = 1; i < NSIG; i++)
		sigaction(i, &dfl, NULL); /* fails for SIGKILL, SIGSTOP and libc's own; nothing to do there */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);

	/* All three above 2 first: what is given may itself be 0, 1 or 2, in another order. */
	for (i = 0; i < 3; i++) {
		int fd = from[i];

		if (fd < 0) {
			fd = wh_openat(AT_FDCWD, "/dev/null", O_RDWR, 0);
			if (fd < 0)
				return -fd;
		}
		from[i] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (from[i] < 0)
			return errno;
	}
	if (report < 3) {
		report = fcntl(report, F_DUPFD_CLOEXEC, 3);
		if (report < 0)
			return errno;
	}
	for (i = 0; i < 3; i++)
		if (dup2(from[i], i) < 0)
			return errno;
	syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
	/* execve's prototype lacks the const that it keeps. */
	memcpy(&av, &argv, sizeof(av));
	memcpy(&ev, &env, sizeof(ev));
	execve(path, av, ev);
	err = errno;
	/* The caller reports through its own number, which dup2 may have covered: do it here. */
	while (write(report, &err, sizeof(err)) < 0 && errno == EINTR)
		;
	_exit(127);
}

pid_t wh_proc_spawn(const char *const *argv, const struct wh_proc_opts *opts)
{
	WH_AUTO_FREE char *path = wh_proc_find(argv[0]);
	WH_AUTO_FD int rd = -1;
	const char *const *env = opts->env;
	int p[2], err = 0;
	pid_t pid, self = getpid();
	ssize_t n;

	if (!path)
		return argv[0] && access(argv[0], F_OK) == 0 && strchr(argv[0], '/') ? -EACCES : -ENOENT;
	if (!env) {
		char **inherited = environ;

		memcpy(&env, &inherited, sizeof(env));
	}
	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	rd = p[0];
	pid = fork();
	if (pid < 0) {
		err = errno;
		close(p[1]);
		return -err;
	}
	if (pid == 0) {
		err = become(path, argv, env, opts, self, p[1]);
		while (write(p[1], &err, sizeof(err)) < 0 && errno == EINTR)
			;
		_exit(127);
	}
	close(p[1]);
	do
		n = read(rd, &err, sizeof(err));
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)sizeof(err)) {
		wh_proc_wait(pid);
		return -err;
	}
	return pid;
}

int wh_proc_wait(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* Reads once; keeps what fits. False at the end, or when nothing is there. */
static bool collect(int fd, struct wh_buf *out, size_t *left)
{
	char chunk[4096];
	ssize_t n;
	size_t keep;

	do
		n = read(fd, chunk, sizeof(chunk));
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	keep = (size_t)n < *left ? (size_t)n : *left;
	wh_buf_add(out, chunk, keep);
	*left -= keep;
	return true;
}

/* True: it printed max bytes, and stop says that no more is wanted. */
static bool capture(pid_t pid, int fd, size_t max, bool stop, struct wh_buf *out)
{
	WH_AUTO_FD int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd pf[2] = {{.fd = fd, .events = POLLIN}, {.fd = pidfd, .events = POLLIN}};
	size_t left = max;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (;;) {
		if (poll(pf, 2, -1) < 0 && errno != EINTR)
			return false;
		if (pf[0].revents && !collect(fd, out, &left) && (pf[0].revents & (POLLHUP | POLLERR)))
			return false;
		if (stop && left == 0)
			return true;
		if (pf[1].revents) {
			while (left && collect(fd, out, &left))
				;
			return false;
		}
	}
}

int wh_proc_answer(pid_t pid, int fd, size_t max, struct wh_buf *out)
{
	size_t before = out->n;

	if (capture(pid, fd, max + 1, true, out))
		(void)kill(pid, SIGKILL);
	if (out->n - before <= max)
		return wh_proc_wait(pid);
	(void)wh_proc_wait(pid);
	return -EFBIG;
}

int wh_proc_run(const char *const *argv, struct wh_buf *out)
{
	struct wh_proc_opts opts = WH_PROC_OPTS_INIT;
	WH_AUTO_FD int rd = -1;
	int p[2] = {-1, -1};
	pid_t pid;

	opts.die_with_parent = true;
	if (out) {
		if (pipe2(p, O_CLOEXEC) < 0)
			return -errno;
		rd = p[0];
		opts.stdout_fd = opts.stderr_fd = p[1];
	}
	pid = wh_proc_spawn(argv, &opts);
	if (p[1] >= 0)
		close(p[1]);
	if (pid < 0)
		return pid;
	if (out)
		(void)capture(pid, rd, RUN_KEEP, false, out);
	return wh_proc_wait(pid);
}
