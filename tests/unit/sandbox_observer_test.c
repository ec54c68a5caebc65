/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The observer under the real kernel. A copy of this program lies in a directory of its own, is executed there under
 * the filter, and does one thing; what the log says of that directory is compared with what it should say, all of it,
 * in order.
 */
#include "base/base.h"
#include "base/observation.h"
#include "sandbox/observer.h"
#include "sandbox/seccomp.h"
#include "sandbox/supervisor.h"
#include "sandbox/supervisor_private.h"
#include "tests/unit/observer_acts.h"
#include "tests/unit/observer_run.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define AT AT_FDCWD

static const struct {
	const char *name;
	const char *want[24]; /* "KIND ACCESS PROCESS PATH", "P N PARENT PROGRAM SCRIPT", "X N TEXT" */
	bool root;
} acts[] = {
	{"nothing", {NULL}, false},
	{"open_one", {"A r 1 dir/file"}, false},
	{"open", {"A r 1 file", "A w 1 file", "A l 1 dir", "A r 1 dir", "A w 1 dir"}, false},
	{"links",
	 {"A k 1 link", "A r 1 file", "A k 1 a", "A k 1 b", "A k 1 dlink", "A r 1 dir/file", "A k 1 absolute",
	  "A k 1 loop", "A k 1 dangling", "N r 1 nothere", "A s 1 link", "A l 1 dir"},
	 false},
	{"dirfd", {"A r 1 dir", "A r 1 dir/file", "A r 1 file", "N r 1 dir/nothing", "A s 1 dir/sub"}, false},
	{"cwd",
	 {"A r 1 .", "A g 1 dir", "A r 1 dir/file", "A rk 1 link", "A g 1 .", "A k 1 link2", "A r 1 file"},
	 false},
	{"gone_cwd",
	 {"N c 1 gone", "A g 1 gone", "A d 1 gone", "N r 1 gone/file", "A k 1 link", "A r 1 file", "A x 1 script",
	  "A x 1 prog", "P 2 1 prog script", "N r 2 gone/dir/file"},
	 false},
	{"missing",
	 {"N r 1 nothing", "N s 1 no/such/thing", "N s 1 no", "N s 1 file/below", "A k 1 dlink", "N s 1 dir/no"},
	 false},
	{"create",
	 {"N c 1 new", "A w 1 new", "A s 1 file", "A k 1 dangling", "N c 1 nothere", "N c 1 no/new", "N c 1 made",
	  "A w 1 file"},
	 false},
	{"names",
	 {"N c 1 d", "A s 1 dir", "N c 1 fifo", "N c 1 s", "A r 1 file", "N c 1 hard", "A k 1 link", "N c 1 hard2",
	  "A d 1 hard", "N c 1 moved", "A d 1 moved", "A c 1 hard2", "A d 1 hard2", "A d 1 d", "A dk 1 s",
	  "N d 1 nothing", "A cd 1 file", "A c 1 fifo"},
	 false},
	{"look",
	 {"A sk 1 link", "A k 1 link2", "A s 1 file", "A sk 1 a", "A s 1 dir", "A sk 1 dlink", "A s 1 script",
	  "A s 1 dir/file", "A s 1 dir/sub", "A r 1 dir"},
	 false},
	{"change",
	 {"A r 1 dir/file", "A m 1 file", "A mk 1 link", "A k 1 link2", "A k 1 a", "A k 1 b", "A w 1 file", "A m 1 dir",
	  "A m 1 dir/file", "A m 1 script"},
	 false},
	{"exec",
	 {"A x 1 prog", "P 2 1 prog -", "A r 2 dir/file", "A x 1 script", "P 3 1 prog script", "A r 3 dir/file",
	  "A x 1 nested", "P 4 1 prog nested", "A r 4 dir/file", "A k 1 link", "A x 1 file", "N x 1 nothing",
	  "A r 1 file"},
	 false},
	{"fexec", {"A r 1 prog", "A x 1 prog", "P 2 1 prog -", "A r 2 dir/file"}, false},
	{"reexec", {"A x 1 prog", "P 2 1 prog -", "A r 2 dir/file"}, false},
	{"vfork", {"A x 1 prog", "P 2 1 prog -", "A r 2 dir/file", "A r 1 file"}, false},
	{"orphan", {"A x 1 prog2", "P 2 1 prog2 -", "A r 1 file"}, false},
	{"threads",
	 {"A r 1 dir/file", "A r 1 file", "A r 1 prog", "A x 1 prog", "P 2 1 prog -", "A r 2 dir/file"},
	 false},
	{"proc", {"A r 1 file", "A s 1 prog", "A w 1 file", "A r 1 dir/file", "A k 1 a", "A k 1 b"}, false},
	{"proc_up",
	 {"A r 1 file", "A k 1 a", "A k 1 b", "A r 1 dir/file", "A r 1 script", "A k 1 dlink", "A l 1 dir/sub",
	  "A r 1 nested"},
	 false},
	{"proc_gone", {"N c 1 gone", "A l 1 gone", "A d 1 gone", "lost"}, false},
	{"nameless",
	 {"A x 1 prog", "P 2 1 prog -", "A r 2 dir/file", "N c 1 made", "A m 1 made", "A r 1 made", "A d 1 made",
	  "A x 1 prog2", "P 3 1 prog2 -", "A r 3 dir/file", "A k 1 link", "A r 1 file"},
	 false},
	{"lease", {"A r 1 nested", "A x 1 nested", "P 2 1 prog -", "A r 2 dir/file", "lost"}, false},
	{"deep", {"A r 1 .", "A g 1 .", "lost"}, false},
	{"sockets", {"N c 1 sock", "A u 1 sock", "N u 1 none"}, false},
	{"bytes", {"N r 1 \xff \n\t\\-", "N r 1 -", "A r 1 file", "N r 1 ile", "A r 1 dir/file"}, false},
	{"remarks", {"X 1 setsid", "X 1 listener"}, false},
	{"chroot",
	 {"A r 1 file", "A g 1 dir", "X 1 chroot dir", "A r 1 dir/file", "A k 1 dir/in", "N r 1 dir/no"},
	 true},
	{"openat2", {"A r 1 dir", "A r 1 dir/file", "A k 1 dir/in", "A k 1 link", "A r 1 file"}, false},
	{"dropped",
	 {"A r 1 file", "A k 1 dlink", "A r 1 dir/file", "A x 1 prog", "P 2 1 prog -", "A r 2 dir/file"},
	 true},
	{"chroot_child", {"A g 1 dir", "X 1 chroot dir", "A r 1 dir/file", "A r 1 file"}, true},
	{"shared_cwd", {"A g 1 dir", "A r 1 dir/file", "A l 1 dir/sub"}, false},
	{"inherited", {"A l 1 dir/sub", "A r 1 file"}, false},
	{"many", {"A r 1 dir/file", "A r 1 file"}, false},
#ifdef __x86_64__
	{"32", {"A r 1 file", "A k 1 link", "A s 1 file", "A u 1 file"}, false},
	{"32_paths",
	 {"A r 1 file", "A r 1 dir/file", "A s 1 script", "A sk 1 link",  "A s 1 nested", "A sk 1 a",
	  "A s 1 dir",  "A s 1 prog",     "A s 1 prog2",  "N c 1 d",      "A d 1 d",      "N c 1 e",
	  "A d 1 e",    "N c 1 s",        "A dk 1 s",     "A m 1 file",   "A w 1 file",   "A w 1 dir/file",
	  "A m 1 dir",  "A s 1 file",     "A u 1 script", "A u 1 nested", "A g 1 dir",    "A r 1 prog"},
	 false},
#endif
};

/* ---------------------------------------------------------------- comparing */

static const char *inside(const char *path)
{
	size_t n = strlen(observed_top);

	if (!path || strncmp(path, observed_top, n) != 0)
		return NULL;
	return path[n] == '/' ? path + n + 1 : path[n] ? NULL : ".";
}

static const char *kinds(unsigned access, char out[16])
{
	static const char letters[] = "rwxslcdmkug";
	size_t n = 0;

	for (unsigned i = 0; letters[i]; i++)
		if (access >> i & 1)
			out[n++] = letters[i];
	out[n] = '\0';
	return out;
}

static int collect(void *arg, const struct wh_obs *o)
{
	struct wh_strv *lines = arg;
	char letters[16];

	switch (o->kind) {
	case WH_OBS_PROCESS:
		if (o->process > 1 && inside(o->program))
			wh_strv_addf(lines, "P %u %u %s %s", o->process, o->parent, inside(o->program),
				     o->script ? inside(o->script) : "-");
		break;
	case WH_OBS_USED:
	case WH_OBS_MISSING:
		if (o->process && inside(o->path) && !wh_has_prefix(inside(o->path), "deep"))
			wh_strv_addf(lines, "%s %s %u %s", o->kind == WH_OBS_USED ? "A" : "N",
				     kinds(o->access, letters), o->process, inside(o->path));
		break;
	case WH_OBS_REMARK:
		if (wh_has_prefix(o->text, "chroot "))
			wh_strv_addf(lines, "X %u chroot %s", o->process, inside(o->text + 7));
		else
			wh_strv_addf(lines, "X %u %s", o->process, o->text);
		break;
	case WH_OBS_END:
		if (o->lost || !o->events)
			wh_strv_add(lines, "lost");
		break;
	case WH_OBS_MARK:
		wh_strv_addf(lines, "M %s", o->text);
		break;
	case WH_OBS_SYSCALL:
	case WH_OBS_CAPABILITY:
	case WH_OBS_BOUND:
	case WH_OBS_PEER:
	case WH_OBS_WORD:
		break;
	}
	return 0;
}

static void compare(const char *name, const struct wh_strv *got, const char *const *want)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	bool same = true;
	size_t n;

	for (n = 0; want[n]; n++)
		same = same && n < got->n && strcmp(got->v[n], want[n]) == 0;
	if (same && n == got->n)
		return;
	for (size_t i = 0; i < got->n || i < n; i++)
		wh_buf_addf(&b, "  %-40s %s\n", i < got->n ? got->v[i] : "", i < n ? want[i] : "");
	fail_msg("%s, got and wanted:\n%s", name, b.p);
}

static void all_acts(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(acts); i++) {
		WH_AUTO_BUF struct wh_buf log = WH_BUF_INIT;
		WH_AUTO_STRV struct wh_strv got = {0};
		struct wh_err *err = NULL;

		if (acts[i].root && geteuid() != 0)
			continue;
		observed_tree_new();
		observed_run("--act", acts[i].name, &log);
		if (wh_obs_read(log.p, log.n, collect, &got, &err) < 0)
			fail_msg("%s: %s", acts[i].name, err->msg);
		compare(acts[i].name, &got, acts[i].want);
		observed_tree_free();
	}
}

/* ---------------------------------------------------------------- the launcher's side */

static void supervisor(void **state)
{
	static const char *const want[] = {"M start", "A r 1 dir/file", "M test 1", "A r 1 dir/file", "M stop", NULL};
	WH_AUTO_FD int fd = memfd_create("log", MFD_CLOEXEC);
	WH_AUTO_BUF struct wh_buf log = WH_BUF_INIT;
	WH_AUTO_STRV struct wh_strv got = {0};
	struct wh_supervisor s;
	struct pollfd p;
	int go[2], done[2], status;
	pid_t pid;
	char c;

	(void)state;
	if (geteuid() != 0)
		return; /* Yama: no ancestor of the command's */
	observed_tree_new();
	assert_int_equal(pipe(go) | pipe(done), 0);
	assert_int_equal(wh_supervisor_start(fd, &s, NULL), 0);
	wh_supervisor_mark(&s, "start");
	pid = fork();
	if (pid == 0) {
		WH_AUTO_FREE char *prog = wh_asprintf("%s/prog", observed_top);
		WH_AUTO_FREE char *fds = wh_asprintf("%d,%d", go[0], done[1]);
		char *const argv[] = {prog, wh_strdup("--twice"), fds, NULL};

		close(s.control);
		if (chdir(observed_top) == 0 && wh_supervisor_join(s.handover, observed_filter, NULL) == 0)
			execv(prog, argv);
		_exit(99);
	}
	wh_closep(&s.handover);
	assert_int_equal(read(done[0], &c, 1), 1);
	wh_supervisor_mark(&s, "test 1");
	assert_int_equal(write(go[1], "", 1), 1);
	assert_int_equal(read(done[0], &c, 1), 1);
	wh_supervisor_mark(&s, "stop");
	assert_int_equal(write(go[1], "", 1), 1);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	p = (struct pollfd){s.pidfd, POLLIN, 0};
	assert_int_equal(poll(&p, 1, -1), 1);
	wh_supervisor_mark(&s, "too late");
	assert_int_equal(wh_supervisor_end(&s), 0);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(wh_read_fd(fd, (size_t)1 << 24, &log), 0);
	assert_int_equal(wh_obs_read(log.p, log.n, collect, &got, NULL), 0);
	compare("supervisor", &got, want);
	observed_tree_free();
	for (int i = 0; i < 2; i++) {
		close(go[i]);
		close(done[i]);
	}
}

/* The log of one that was killed has no last line, and of one whom nobody joined nothing else. */
static void supervisor_ends(void **state)
{
	WH_AUTO_FD int fd = memfd_create("log", MFD_CLOEXEC), fd2 = memfd_create("log", MFD_CLOEXEC);
	WH_AUTO_BUF struct wh_buf log = WH_BUF_INIT, log2 = WH_BUF_INIT;
	WH_AUTO_STRV struct wh_strv got = {0};
	struct wh_supervisor s;
	struct pollfd p;

	(void)state;
	assert_int_equal(wh_supervisor_start(fd, &s, NULL), 0);
	wh_supervisor_mark(&s, "start");
	assert_int_equal(wh_supervisor_end(&s), 128 + SIGKILL);
	lseek(fd, 0, SEEK_SET);
	assert_int_equal(wh_read_fd(fd, 4096, &log), 0);
	assert_int_equal(wh_obs_read(log.p, log.n, collect, &got, NULL), -EBADMSG);
	assert_int_equal(wh_supervisor_start(fd2, &s, NULL), 0);
	wh_closep(&s.handover);
	p = (struct pollfd){s.pidfd, POLLIN, 0};
	assert_int_equal(poll(&p, 1, -1), 1);
	assert_int_equal(wh_supervisor_end(&s), 0);
	lseek(fd2, 0, SEEK_SET);
	assert_int_equal(wh_read_fd(fd2, 4096, &log2), 0);
	assert_string_equal(log2.p, "whittle-observation 1\nE\t0\t0\n");
}

/* What no log has room for takes no memory either. */
static void full(void **state)
{
	struct wh_observer o = {.out = WH_BUF_INIT, .log = -1};

	(void)state;
	wh_record(&o, 1, WH_ACCESS_READ, false, "/some/file");
	assert_int_equal(wh_program(&o, 0, "/bin/some", NULL), 1);
	assert_int_equal(o.n_seen, 1);
	o.size = (uint64_t)1 << 40;
	wh_record(&o, 1, WH_ACCESS_READ, false, "/some/file"); /* known */
	assert_int_equal(o.lost, 0);
	wh_record(&o, 1, WH_ACCESS_READ, false, "/other/file");
	wh_record(&o, 1, WH_ACCESS_READ, true, "/no/file");
	wh_remark(&o, 1, "setsid");
	assert_int_equal(wh_program(&o, 1, "/bin/other", NULL), 1);
	assert_int_equal(o.lost, 4);
	assert_int_equal(o.n_seen, 1);
	assert_int_equal(o.n_programs, 1);
	wh_log_release(&o);
}

/* ---------------------------------------------------------------- main */

/* As the observed program. */
static int act(int argc, char **argv)
{
	const char *name = argv[1];

	observed_top = getenv("WH_TEST_TOP");
	if (strcmp(name, "--script") == 0)
		return observer_act(observed_top, "open_one");
	if (argc > 2 && strcmp(name, "--twice") == 0) {
		int in = (int)strtol(argv[2], NULL, 10), out = (int)strtol(strchr(argv[2], ',') + 1, NULL, 10);
		char c;

		for (int i = 0; i < 2; i++) {
			observer_act(observed_top, "open_one");
			observer_act(observed_top, "open_one");
			if (write(out, "", 1) != 1 || read(in, &c, 1) != 1)
				return 1;
		}
		return 0;
	}
	return argc > 2 ? observer_act(observed_top, argv[2]) : 98;
}

static int setup(void **state)
{
	(void)state;
	observed_filter = wh_seccomp_build_observed(NULL);
	return observed_filter < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_acts),
		cmocka_unit_test(supervisor),
		cmocka_unit_test(supervisor_ends),
		cmocka_unit_test(full),
	};

	if (argc > 1)
		_exit(act(argc, argv)); /* whatever an exit would still do is no part of the act */
	return cmocka_run_group_tests_name("sandbox/observer", tests, setup, NULL);
}
