/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/net.h"

#include <errno.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define MAX_SAID 4096

/* The network namespace is their standard input: both drop privileges before they open it, and then could no longer
 * look into the step's /proc entry; newer ones close all other descriptors first. */
#define NETNS "/proc/self/fd/0"

/* No port of the host is forwarded inwards, none of the step's outwards, and the host's loopback is out of reach. */
/* clang-format off */
static const char *const pasta_args[] = {
	"pasta", "--foreground", "--config-net", "--no-map-gw", "--no-netns-quit", "-t", "none", "-u", "none",
	"-T", "none", "-U", "none", "--netns-only", "--netns", NETNS, "--dns-forward", WH_NET_DNS, NULL,
};
/* For a resolv.conf of the user's own: its nameservers are reached as they are, nothing is translated. */
static const char *const pasta_plain_args[] = {
	"pasta", "--foreground", "--config-net", "--no-map-gw", "--no-netns-quit", "-t", "none", "-u", "none",
	"-T", "none", "-U", "none", "--netns-only", "--netns", NETNS, NULL,
};
static const char *const slirp_args[] = {
	"slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback", "--netns-type=path", NETNS,
	"tap0", NULL,
};
/* clang-format on */

/* The process's number in the pid namespace of the /proc that we see, which is not ours. 0: unknown. */
static uint64_t number_in_proc(int pidfd)
{
	WH_AUTO_FREE char *path = wh_asprintf("/proc/self/fdinfo/%d", pidfd);
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	const char *line;

	if (wh_read_file(AT_FDCWD, path, 4096, &text) < 0 || !text.n)
		return 0;
	line = strstr(text.p, "\nPid:");
	return line ? strtoull(line + 5, NULL, 10) : 0;
}

static _Noreturn void become(const char *program, const char *const *argv, int netns, int said)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	int null = wh_openat(AT_FDCWD, "/dev/null", O_RDWR, 0);
	char *const *av;
	sigset_t none;

	setsid(); /* Ctrl-C is not for it */
	for (int i = 1; i < NSIG; i++)
		sigaction(i, &dfl, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (null < 0 || dup2(netns, 0) < 0 || dup2(null, 1) < 0 || dup2(said, 2) < 0)
		_exit(127);
	syscall(SYS_close_range, 3U, ~0U, 0);
	umask(077);
	memcpy(&av, &argv, sizeof(av)); /* execv's prototype lacks the const that it keeps */
	execv(program, av);
	_exit(127);
}

static int find_helper(bool own_dns, char **ret_program, const char *const **ret_argv, struct wh_err **err)
{
	char *program = wh_proc_find("pasta");

	*ret_argv = own_dns ? pasta_plain_args : pasta_args;
	if (!program) {
		program = wh_proc_find("slirp4netns");
		*ret_argv = slirp_args;
	}
	if (!program) {
		wh_err_set(err, "sandbox", WH_ERR_ENV, ENOENT, "neither pasta nor slirp4netns is installed");
		wh_err_hint(err, "sudo apt-get install passt, or --network host");
		return -ENOENT;
	}
	*ret_program = program;
	return 0;
}

static int open_netns(int step_pidfd, struct wh_err **err)
{
	WH_AUTO_FREE char *path = wh_asprintf("/proc/%llu/ns/net", (unsigned long long)number_in_proc(step_pidfd));
	int fd = wh_openat(AT_FDCWD, path, O_RDONLY, 0);

	return fd < 0 ? wh_err_sys(err, "sandbox", WH_ERR_ENV, -fd, "open the step's network namespace") : fd;
}

int wh_usernet_start(int step_pidfd, int net_fd, bool own_dns, struct wh_usernet *ret, struct wh_err **err)
{
	WH_AUTO_FREE char *program = NULL;
	WH_AUTO_FD int tun = -1, netns = -1;
	const char *const *argv;
	int said[2], pidfd = -1, r;
	long child;

	tun = wh_openat(AT_FDCWD, "/dev/net/tun", O_RDWR, 0);
	if (tun < 0) {
		wh_err_sys(err, "sandbox", WH_ERR_ENV, -tun, "a private network needs /dev/net/tun");
		wh_err_hint(err, "sudo modprobe tun; sudo chmod 666 /dev/net/tun (for a container: --device /dev/net/tun); or --network host");
		return tun;
	}
	r = find_helper(own_dns, &program, &argv, err);
	if (r < 0)
		return r;
	netns = net_fd < 0 ? open_netns(step_pidfd, err) : fcntl(net_fd, F_DUPFD_CLOEXEC, 3);
	if (netns < 0)
		return netns;
	if (pipe2(said, O_CLOEXEC | O_NONBLOCK) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "make a pipe");
	/* In a pid namespace of its own: whatever it forks dies with it. */
	child = syscall(SYS_clone, CLONE_NEWPID | CLONE_PIDFD | SIGCHLD, NULL, &pidfd, NULL, NULL);
	if (child == 0)
		become(program, argv, netns, said[1]);
	close(said[1]);
	if (child < 0) {
		r = errno;
		close(said[0]);
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, r, "start %s", program);
	}
	*ret = (struct wh_usernet){pidfd, said[0]};
	return 0;
}

void wh_usernet_stop(struct wh_usernet *n, struct wh_buf *text)
{
	char said[MAX_SAID];
	ssize_t got;

	if (n->pidfd >= 0) {
		syscall(SYS_pidfd_send_signal, n->pidfd, SIGKILL, NULL, 0);
		while (waitid(P_PIDFD, (id_t)n->pidfd, &(siginfo_t){0}, WEXITED) < 0 && errno == EINTR)
			;
		wh_closep(&n->pidfd);
	}
	if (n->text >= 0) {
		got = read(n->text, said, sizeof(said));
		if (got > 0)
			wh_buf_add(text, said, (size_t)got);
		wh_closep(&n->text);
	}
}
