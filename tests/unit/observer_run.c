/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/observer_run.h"
#include "sandbox/supervisor.h"
#include "sandbox/supervisor_private.h"
#include "tests/unit/observer_acts.h"
#include "tests/unit/test.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define AT AT_FDCWD

char *observed_top;
int observed_filter = -1;

/* ---------------------------------------------------------------- the directory */

static void put(const char *name, const char *text, mode_t mode)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", observed_top, name);
	WH_AUTO_FD int fd = wh_openat(AT, path, O_WRONLY | O_CREAT | O_EXCL, mode);

	assert_true(fd >= 0);
	assert_int_equal(wh_write_all(fd, text, strlen(text)), 0);
}

static void copy(const char *from, const char *name)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", observed_top, name);
	WH_AUTO_FD int in = wh_openat(AT, from, O_RDONLY, 0), out = wh_openat(AT, path, O_WRONLY | O_CREAT, 0755);

	assert_true(in >= 0 && out >= 0);
	assert_int_equal(wh_copy_fd(in, out, UINT64_MAX), 0);
}

static void link_to(const char *name, const char *target)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", observed_top, name);

	assert_int_equal(symlink(target, path), 0);
}

static void make_dir(const char *name)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", observed_top, name);

	assert_int_equal(mkdir(path, 0755), 0);
}

void observed_tree_new(void)
{
	WH_AUTO_FREE char *absolute = NULL, *script = NULL, *nested = NULL;
	char name[] = "/tmp/whittle-observer-XXXXXX";

	assert_non_null(mkdtemp(name));
	observed_top = realpath(name, NULL);
	assert_int_equal(chmod(name, 0755), 0);
	absolute = wh_asprintf("%s/dir/file", observed_top);
	script = wh_asprintf("#! %s/prog --script\n", observed_top);
	nested = wh_asprintf("#!%s/script x\n", observed_top);
	make_dir("dir");
	make_dir("dir/sub");
	put("file", "1", 0644);
	put("dir/file", "2", 0644);
	put("script", script, 0755);
	put("nested", nested, 0755);
	copy("/proc/self/exe", "prog");
	copy("/proc/self/exe", "prog2");
	link_to("link", "file");
	link_to("link2", "dir/.././file");
	link_to("a", "b");
	link_to("b", "file");
	link_to("dlink", "dir");
	link_to("absolute", absolute);
	link_to("loop", "loop");
	link_to("dangling", "nothere");
	link_to("dir/in", "/file");
}

void observed_tree_free(void)
{
	assert_int_equal(wh_rm_rf(AT, observed_top), 0);
	free(observed_top);
	observed_top = NULL;
}

/* ---------------------------------------------------------------- running one */

struct reaper {
	int fd;
	pid_t pid;
	int status;
};

static void reap(void *arg)
{
	struct reaper *r = arg;
	struct signalfd_siginfo s;
	int status;

	if (read(r->fd, &s, sizeof(s)) < 0)
		return;
	while (true) {
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid <= 0)
			break;
		if (pid == r->pid)
			r->status = status;
	}
}

/* A directory that is open before anybody looks. */
static void inherit(void)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/dir/sub", observed_top);
	WH_AUTO_FD int fd = wh_openat(AT, path, O_RDONLY | O_DIRECTORY, 0);

	dup2(fd, OBSERVED_INHERITED);
}

static _Noreturn void observed(int handover, const char *option, const char *act)
{
	WH_AUTO_FREE char *prog = wh_asprintf("%s/prog", observed_top);
	char *const argv[] = {prog, wh_strdup(option), wh_strdup(act), NULL};
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	inherit();
	setenv("WH_TEST_TOP", observed_top, 1);
	if (chdir(observed_top) == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	    wh_supervisor_join(handover, observed_filter, NULL) == 0)
		execv(prog, argv);
	_exit(99);
}

void observed_run(const char *option, const char *act, struct wh_buf *log)
{
	WH_AUTO_FD int fd = memfd_create("log", MFD_CLOEXEC), signals = -1;
	struct wh_supervise how = {.log = fd, .control = -1, .fn = reap};
	struct reaper r = {.status = -1};
	struct wh_err *err = NULL;
	sigset_t mask;
	int pair[2];

	sigemptyset(&mask);
	sigaddset(&mask, SIGCHLD);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	signals = signalfd(-1, &mask, SFD_CLOEXEC);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	r.fd = how.fd = signals;
	how.arg = &r;
	how.handover = pair[1];
	r.pid = fork();
	if (r.pid == 0)
		observed(pair[0], option, act);
	close(pair[0]);
	if (wh_supervise(&how, &err) < 0)
		fail_msg("%s: %s", act, err->msg);
	close(pair[1]);
	while (waitpid(-1, &r.status, 0) > 0)
		;
	if (r.status != 0)
		fail_msg("%s: ended with %d", act, r.status);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(wh_read_fd(fd, (size_t)1 << 24, log), 0);
}
