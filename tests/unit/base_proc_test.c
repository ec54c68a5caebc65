/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

static int sh(const char *script, struct wh_buf *out)
{
	const char *const argv[] = {"sh", "-c", script, NULL};

	return wh_proc_run(argv, out);
}

static void statuses(void **state)
{
	static const struct {
		const char *script;
		int status;
	} cases[] = {{"exit 0", 0}, {"exit 7", 7}, {"kill -9 $$", 137}, {"kill -15 $$", 143}};
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		assert_int_equal(sh(cases[i].script, NULL), cases[i].status);
	}
}

static void output(void **state)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	(void)state;
	assert_int_equal(sh("echo one; echo two >&2; cat", &out), 0); /* cat: standard input is empty */
	assert_string_equal(out.p, "one\ntwo\n");
	wh_buf_reset(&out);
	assert_int_equal(sh("head -c 300000 /dev/zero | tr '\\0' x; exit 3", &out), 3);
	assert_int_equal(out.n, 65536);
}

static void daemon_holds_pipe(void **state)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	uint64_t begin = wh_now_ns();

	(void)state;
	assert_int_equal(sh("sleep 5 & echo $!", &out), 0);
	assert_true(wh_now_ns() - begin < 3000000000U);
	kill((pid_t)strtol(out.p, NULL, 10), SIGKILL);
}

static void missing(void **state)
{
	static const struct {
		const char *name;
		int r;
	} cases[] = {{"no-such-program-here", -ENOENT},
		     {"/no/such/program", -ENOENT},
		     {"", -ENOENT},
		     {"/etc/passwd", -EACCES}};
	struct wh_proc_opts opts = WH_PROC_OPTS_INIT;
	size_t i;

	(void)state;
	for (i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		const char *const argv[] = {cases[i].name, NULL};

		assert_int_equal(wh_proc_spawn(argv, &opts), cases[i].r);
	}
}

static void not_a_program(void **state)
{
	char name[] = "/tmp/wh-proc-XXXXXX";
	const char *const argv[] = {name, NULL};
	struct wh_proc_opts opts = WH_PROC_OPTS_INIT;
	int fd = mkostemp(name, O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(wh_write_all(fd, "junk\n", 5), 0);
	assert_int_equal(fchmod(fd, 0755), 0);
	close(fd);
	assert_int_equal(wh_proc_spawn(argv, &opts), -ENOEXEC);
	unlink(name);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no zombie is left */
	assert_int_equal(errno, ECHILD);
}

static void descriptors(void **state)
{
	const char *const argv[] = {"sh", "-c",
				    "read x; echo got $x; echo oops >&2; test \"$V\" = w; echo $? ${HOME-none}", NULL};
	static const char *const env[] = {"V=w", NULL};
	struct wh_proc_opts opts = WH_PROC_OPTS_INIT;
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	int in[2], both[2];
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(both, O_CLOEXEC), 0);
	assert_int_equal(write(in[1], "hello\n", 6), 6);
	opts.stdin_fd = in[0];
	opts.stdout_fd = opts.stderr_fd = both[1];
	opts.env = env;
	pid = wh_proc_spawn(argv, &opts);
	assert_true(pid > 0);
	close(both[1]);
	assert_int_equal(wh_read_fd(both[0], 1000, &out), 0);
	assert_string_equal(out.p, "got hello\noops\n0 none\n");
	assert_int_equal(wh_proc_wait(pid), 0);
	close(in[0]);
	close(in[1]);
	close(both[0]);
}

/* A leaked descriptor, a blocked or ignored signal would follow the helper for its whole life. */
static void clean_start(void **state)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	sigset_t all, old;
	int leak = fcntl(0, F_DUPFD, 50); /* deliberately without CLOEXEC */

	(void)state;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &old);
	signal(SIGPIPE, SIG_IGN);
	/* The C library keeps signals 32 and 33 to itself: what we inherited for those stays. */
	assert_int_equal(sh("set -- $(grep -E '^Sig(Blk|Ign)' /proc/self/status)\n"
			    "echo $((0x$2)) $((0x$4 & ~0x180000000))\n"
			    "ls /proc/self/fd | sort -n | tr '\\n' ' '",
			    &out),
			 0);
	sigprocmask(SIG_SETMASK, &old, NULL);
	signal(SIGPIPE, SIG_DFL);
	close(leak);
	assert_string_equal(out.p, "0 0\n0 1 2 3 ");
}

/* The helper of a parent that is killed goes with it. */
static void dies_with_parent(void **state)
{
	static const char *const sleeper[] = {"sleep", "60", NULL};
	struct wh_proc_opts opts = WH_PROC_OPTS_INIT;
	int p[2], tries;
	pid_t parent, helper = 0;
	char path[64];

	(void)state;
	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	opts.die_with_parent = true;
	parent = fork();
	assert_true(parent >= 0);
	if (parent == 0) {
		helper = wh_proc_spawn(sleeper, &opts);
		if (write(p[1], &helper, sizeof(helper)) != (ssize_t)sizeof(helper))
			_exit(1);
		pause();
		_exit(0);
	}
	assert_int_equal(read(p[0], &helper, sizeof(helper)), sizeof(helper));
	assert_true(helper > 0);
	kill(parent, SIGKILL);
	assert_int_equal(wh_proc_wait(parent), 128 + SIGKILL);
	/* Whoever adopted it may be slow to reap it: a zombie is dead enough. */
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)helper);
	for (tries = 0; tries < 500; tries++) {
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

		if (wh_read_file(AT_FDCWD, path, 4096, &b) || strstr(b.p, ") Z ") || strstr(b.p, ") X "))
			break;
		usleep(10000);
	}
	kill(helper, SIGKILL);
	close(p[0]);
	close(p[1]);
	assert_true(tries < 500);
}

static void find(void **state)
{
	WH_AUTO_FREE char *sh_path = wh_proc_find("sh");
	WH_AUTO_FREE char *given = wh_proc_find("/bin/sh");
	WH_AUTO_FREE char *none = wh_proc_find("no-such-program-here");
	WH_AUTO_FREE char *dir = wh_proc_find("/tmp");
	WH_AUTO_FREE char *old = wh_strdup(getenv("PATH"));

	(void)state;
	assert_non_null(sh_path);
	assert_true(wh_has_suffix(sh_path, "/sh"));
	assert_string_equal(given, "/bin/sh");
	assert_null(none);
	assert_null(dir);
	setenv("PATH", ":.:relative", 1);
	assert_null(wh_proc_find("sh")); /* never from a relative directory */
	unsetenv("PATH");
	free(sh_path);
	sh_path = wh_proc_find("sh");
	assert_non_null(sh_path);
	if (old)
		setenv("PATH", old, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(statuses),    cmocka_unit_test(output),        cmocka_unit_test(daemon_holds_pipe),
		cmocka_unit_test(missing),     cmocka_unit_test(not_a_program), cmocka_unit_test(descriptors),
		cmocka_unit_test(clean_start), cmocka_unit_test(find),          cmocka_unit_test(dies_with_parent),
	};

	return cmocka_run_group_tests_name("base/proc", tests, NULL, NULL);
}
