/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the observer tells beside paths: capabilities, addresses, system calls, words. What is told of capabilities is put
 * to the proof: with these alone the same deed succeeds again, and with any one fewer it fails.
 */
#include "base/base.h"
#include "base/observation.h"
#include "sandbox/observer.h"
#include "sandbox/seccomp.h"
#include "sandbox/supervisor.h"
#include "tests/unit/observer_acts.h"
#include "tests/unit/observer_run.h"
#include "tests/unit/test.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define OTHER 1

#define CHOWN (1U << CAP_CHOWN)
#define DAC (1U << CAP_DAC_OVERRIDE)
#define FOWNER (1U << CAP_FOWNER)
#define FSETID (1U << CAP_FSETID)
#define KILL (1U << CAP_KILL)
#define SETGID (1U << CAP_SETGID)
#define SETUID (1U << CAP_SETUID)
#define SETPCAP (1U << CAP_SETPCAP)
#define PORT (1U << CAP_NET_BIND_SERVICE)
#define RAW (1U << CAP_NET_RAW)
#define CHROOT (1U << CAP_SYS_CHROOT)
#define MKNOD (1U << CAP_MKNOD)
#define SETFCAP (1U << CAP_SETFCAP)
/* What a step has. */
#define ALL                                                                                                         \
	(CHOWN | DAC | FOWNER | FSETID | KILL | SETGID | SETUID | SETPCAP | PORT | RAW | CHROOT | MKNOD | SETFCAP | \
	 1U << CAP_AUDIT_WRITE)

static const struct {
	const char *name;
	unsigned want;
	unsigned spare; /* of these: told, though it can do without here */
} acts[] = {
	{"plain", 0, 0},
	{"chown", CHOWN, 0},
	{"chgrp", CHOWN, 0},
	{"dac_file", DAC, 0},
	{"dac_write", DAC, 0},
	{"dac_search", DAC, 0},
	{"dac_link", DAC, 0},
	{"dac_list", DAC, 0},
	{"dac_make", DAC, 0},
	{"dac_access", DAC, 0},
	{"dac_chdir", DAC, 0},
	{"dac_unix", DAC, 0},
	{"dac_later", CHOWN | DAC, 0},
	{"fowner", FOWNER, 0},
	{"fowner_fd", FOWNER, 0},
	{"fowner_times", FOWNER, 0},
	{"fowner_sticky", FOWNER, 0},
	{"fsetid", FSETID, 0},
	{"mknod", MKNOD, 0},
	{"setfcap", SETFCAP, 0},
	{"chroot", CHROOT, 0},
	{"setuid", SETUID, 0},
	{"setgid", SETGID, 0},
	{"setgroups", SETGID, 0},
	{"dropped", SETUID | SETGID, 0},
	{"threads_differ", SETUID | DAC, 0},
	{"setpcap", SETPCAP, 0},
	{"kill_own", 0, 0},
	{"kill_other", SETUID | KILL, 0},
	{"speak", SETUID | SETGID, 0},
	{"port", PORT, PORT}, /* where net.ipv4.ip_unprivileged_port_start is lower */
	{"raw", RAW, 0},
	{"packet", RAW, 0},
	{"net", 0, 0},
	{"unix", 0, 0},
};

/* ---------------------------------------------------------------- what is needed on the way */

static void make(const char *name, mode_t type, mode_t mode, uid_t uid, gid_t gid)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", observed_top, name);

	if (S_ISDIR(type)) {
		assert_int_equal(mkdir(path, 0700), 0);
	} else {
		WH_AUTO_FD int fd = wh_openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_EXCL, 0600);

		assert_true(fd >= 0);
	}
	assert_int_equal(lchown(path, uid, gid), 0);
	assert_int_equal(chmod(path, mode), 0);
}

static void tree_new(void)
{
	WH_AUTO_FREE char *link = NULL;

	observed_tree_new();
	link = wh_asprintf("%s/in-others", observed_top);
	assert_int_equal(symlink("others/file", link), 0);
	if (geteuid() != 0)
		return;
	make("others", S_IFDIR, 0700, OTHER, OTHER);
	make("others/file", S_IFREG, 0644, OTHER, OTHER);
	make("private", S_IFREG, 0600, OTHER, OTHER);
	make("public", S_IFREG, 0644, OTHER, OTHER);
	make("mine", S_IFREG, 0600, 0, 0);
	make("grouped", S_IFREG, 0644, 0, OTHER);
	make("sticky", S_IFDIR, 01777, OTHER, OTHER);
	make("sticky/file", S_IFREG, 0666, OTHER, OTHER);
}

static void set_caps(unsigned mask)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2] = {{mask, mask, 0}, {0, 0, 0}};

	for (int i = 0; i <= CAP_LAST_CAP; i++)
		if (i >= 32 || !(mask >> i & 1))
			prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
	if (syscall(SYS_capset, &h, d) < 0)
		_exit(97);
}

/* The deed, unobserved, with these. */
static bool succeeds(const char *name, unsigned mask)
{
	int status;
	pid_t pid;

	tree_new();
	pid = fork();
	if (pid == 0) {
		WH_AUTO_FREE char *prog = wh_asprintf("%s/prog", observed_top);
		char *const argv[] = {prog, wh_strdup("--cap"), wh_strdup(name), NULL};
		const struct rlimit none = {0, 0};

		setrlimit(RLIMIT_CORE, &none);
		set_caps(mask);
		if (chdir(observed_top) == 0)
			execv(prog, argv);
		_exit(96);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status) >= 96);
	observed_tree_free();
	return status == 0;
}

/* ---------------------------------------------------------------- reading */

struct got {
	unsigned caps;
	struct wh_strv lines; /* "S P NAME", "L P PROTOCOL ADDRESS PORT", "K …", "V P N WORD" */
	bool complete;
};

static void got_release(struct got *g)
{
	wh_strv_release(&g->lines);
}

static unsigned number_of(const char *name)
{
	static const char *const names[] = {
		"CHOWN",
		"DAC_OVERRIDE",
		"DAC_READ_SEARCH",
		"FOWNER",
		"FSETID",
		"KILL",
		"SETGID",
		"SETUID",
		"SETPCAP",
		"LINUX_IMMUTABLE",
		"NET_BIND_SERVICE",
		"NET_BROADCAST",
		"NET_ADMIN",
		"NET_RAW",
		"IPC_LOCK",
		"IPC_OWNER",
		"SYS_MODULE",
		"SYS_RAWIO",
		"SYS_CHROOT",
		"SYS_PTRACE",
		"SYS_PACCT",
		"SYS_ADMIN",
		"SYS_BOOT",
		"SYS_NICE",
		"SYS_RESOURCE",
		"SYS_TIME",
		"SYS_TTY_CONFIG",
		"MKNOD",
		"LEASE",
		"AUDIT_WRITE",
		"AUDIT_CONTROL",
		"SETFCAP",
	};

	assert_true(wh_has_prefix(name, "CAP_"));
	for (unsigned i = 0; i < WH_ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name + 4) == 0)
			return i;
	fail_msg("%s", name);
	return 0;
}

static int collect(void *arg, const struct wh_obs *o)
{
	struct got *g = arg;

	if (o->kind == WH_OBS_CAPABILITY && o->process)
		g->caps |= 1U << number_of(o->text);
	if (o->kind == WH_OBS_SYSCALL)
		wh_strv_addf(&g->lines, "S %u %s", o->process, o->text);
	if (o->kind == WH_OBS_BOUND || o->kind == WH_OBS_PEER)
		wh_strv_addf(&g->lines, "%c %u %s %s %u", o->kind == WH_OBS_BOUND ? 'L' : 'K', o->process, o->text,
			     o->address, o->number);
	if (o->kind == WH_OBS_WORD)
		wh_strv_addf(&g->lines, "V %u %u %s", o->process, o->number, o->text);
	if (o->kind == WH_OBS_MARK)
		wh_strv_addf(&g->lines, "M %s", o->text);
	if (o->kind == WH_OBS_END)
		g->complete = o->events && !o->lost;
	return 0;
}

static void run(const char *name, struct got *g)
{
	WH_AUTO_BUF struct wh_buf log = WH_BUF_INIT;
	struct wh_err *err = NULL;

	observed_run("--cap", name, &log);
	if (wh_obs_read(log.p, log.n, collect, g, &err) < 0)
		fail_msg("%s: %s", name, err->msg);
	if (!g->complete)
		fail_msg("%s: lost something", name);
}

/* ---------------------------------------------------------------- capabilities */

static void capabilities(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(acts); i++) {
		WH_CLEANUP(got_release) struct got g = {0};
		unsigned told;

		if (geteuid() != 0)
			break;
		tree_new();
		run(acts[i].name, &g);
		observed_tree_free();
		/* The kernel's own ones, whole here: not what a step has. */
		told = g.caps & ALL;
		if (told != acts[i].want)
			fail_msg("%s: told %#x instead of %#x", acts[i].name, told, acts[i].want);
		if (!succeeds(acts[i].name, told))
			fail_msg("%s: %#x is too few", acts[i].name, told);
		for (unsigned j = 0; j < 32; j++)
			if ((told & ~acts[i].spare) >> j & 1 && succeeds(acts[i].name, told & ~(1U << j)))
				fail_msg("%s: without number %u it succeeds as well", acts[i].name, j);
	}
}

/* Who holds none needs none. */
static void unprivileged(void **state)
{
	(void)state;
	if (geteuid() == 0)
		return;
	for (size_t i = 0; i < 2; i++) {
		WH_CLEANUP(got_release) struct got g = {0};

		tree_new();
		run(i ? "net" : "plain", &g);
		observed_tree_free();
		assert_int_equal(g.caps, 0);
	}
}

/* ---------------------------------------------------------------- lines */

static void lines(const char *name, char first, const char *const *want)
{
	WH_CLEANUP(got_release) struct got g = {0};
	WH_AUTO_BUF struct wh_buf all = WH_BUF_INIT;
	size_t n = 0;
	bool same = true;

	tree_new();
	run(name, &g);
	observed_tree_free();
	for (size_t i = 0; i < g.lines.n; i++) {
		if (g.lines.v[i][0] != first || g.lines.v[i][2] == '0')
			continue;
		wh_buf_addf(&all, "  %s\n", g.lines.v[i]);
		same = same && want[n] && strcmp(want[n], g.lines.v[i]) == 0;
		n += want[n] != NULL;
	}
	if (!same || want[n])
		fail_msg("%s:\n%s", name, all.p);
}

static void addresses(void **state)
{
	static const char *const bound[] = {"L 1 tcp 127.0.0.1 0", "L 1 tcp 0.0.0.0 0", NULL};
	static const char *const peers[] = {"K 1 udp 127.0.0.1 10",
					    "K 1 udp 127.0.0.2 11",
					    "K 1 udp ::1 9",
					    "K 1 udp 127.0.0.3 11",
					    "K 1 udp 127.0.0.3 12",
					    "K 1 udp 127.0.0.3 13",
					    NULL};

	(void)state;
	lines("net", 'L', bound);
	lines("net", 'K', peers);
}

static void many_ports(void **state)
{
	WH_CLEANUP(got_release) struct got g = {0};
	unsigned n = 0, any = 0;

	(void)state;
	tree_new();
	run("ports", &g);
	observed_tree_free();
	for (size_t i = 0; i < g.lines.n; i++) {
		n += wh_has_prefix(g.lines.v[i], "K 1 udp 127.0.0.1 1");
		any += strcmp(g.lines.v[i], "K 1 udp 127.0.0.1 0") == 0;
	}
	assert_int_equal(n, 64);
	assert_int_equal(any, 1);
}

static void unix_paths(void **state)
{
	WH_AUTO_BUF struct wh_buf log = WH_BUF_INIT;
	WH_AUTO_FREE char *used = NULL, *none = NULL, *gone = NULL;

	(void)state;
	tree_new();
	observed_run("--cap", "unix", &log);
	used = wh_asprintf("\nA\tu\t1\t%s/sock\n", observed_top);
	none = wh_asprintf("\nN\tu\t1\t%s/none\n", observed_top);
	gone = wh_asprintf("\nN\tu\t1\t%s/gone\n", observed_top);
	assert_non_null(strstr(log.p, used));
	assert_non_null(strstr(log.p, none));
	assert_non_null(strstr(log.p, gone));
	observed_tree_free();
}

/* Each once, and of what is assumed nothing. */
static void calls(void **state)
{
	static const char *const told[] = {"S 1 getpgid", "S 1 umask", "S 1 pipe2"};
	static const char *const not [] = {"S 1 read", "S 1 write", "S 1 close", "S 1 sched_yield"};

	(void)state;
	for (unsigned child = 0; child < 2; child++) {
		WH_CLEANUP(got_release) struct got g = {0};

		tree_new();
		run(child ? "calls_child" : "calls", &g);
		observed_tree_free();
		for (size_t i = 0; i < g.lines.n; i++)
			for (size_t j = 0; j < i; j++)
				if (strcmp(g.lines.v[i], g.lines.v[j]) == 0)
					fail_msg("%s stands there twice", g.lines.v[i]);
		for (size_t i = 0; i < WH_ARRAY_SIZE(told); i++)
			if (!wh_strv_has(&g.lines, told[i]) && !(i == 2 && wh_strv_has(&g.lines, "S 1 pipe")))
				fail_msg("%s is missing", told[i]);
		for (size_t i = 0; i < WH_ARRAY_SIZE(not ); i++)
			if (wh_strv_has(&g.lines, not [i]))
				fail_msg("%s is assumed", not [i]);
		assert_true(wh_strv_has(&g.lines, "S 0 execve"));
		assert_true(wh_strv_has(&g.lines, "V 1 1 --cap"));
		assert_true(wh_strv_has(&g.lines, child ? "V 1 2 calls_child" : "V 1 2 calls"));
		assert_false(wh_strv_has(&g.lines, "V 1 3 "));
	}
}

/* The table of what was told holds for a mark. */
static void marks(void **state)
{
	struct wh_observer o = {.out = WH_BUF_INIT, .log = -1};

	(void)state;
	assert_int_equal(wh_program(&o, 0, "/bin/some", NULL), 1);
	for (unsigned i = 0; i < 3; i++) {
		wh_syscall(&o, 1, 0, 5, "getpgid");
		wh_syscall(&o, 1, 1, 5, "x86:open");
		wh_syscall(&o, 0, 0, 5, "getpgid");
		wh_capability(&o, 1, CAP_CHOWN);
		wh_endpoint(&o, WH_OBS_BOUND, 1, "tcp", "::", 80);
	}
	assert_string_equal(o.out.p,
			    "P\t1\t0\t/bin/some\t-\nS\t1\tgetpgid\nS\t1\tx86:open\nS\t0\tgetpgid\nC\t1\tCAP_CHOWN\n"
			    "L\t1\ttcp\t::\t80\n");
	for (unsigned i = 0; i < 5000; i++) {
		wh_buf_reset(&o.out);
		o.phase++;
		wh_syscall(&o, 1, 0, 5, "getpgid");
		wh_capability(&o, 1, CAP_CHOWN);
		wh_endpoint(&o, WH_OBS_BOUND, 1, "tcp", "::", 80);
		wh_record(&o, 1, WH_ACCESS_READ, false, "/some/file");
		wh_record(&o, 1, WH_ACCESS_READ, false, "/some/file");
		assert_string_equal(o.out.p,
				    "S\t1\tgetpgid\nC\t1\tCAP_CHOWN\nL\t1\ttcp\t::\t80\nA\tr\t1\t/some/file\n");
	}
	/* However many marks: one entry for the address, one for how many ports it has, one for the file. */
	assert_int_equal(o.n_seen, 3);
	assert_int_equal(o.lost, 0);
	wh_log_release(&o);
}

/* ---------------------------------------------------------------- main */

static int setup(void **state)
{
	(void)state;
	observed_filter = wh_seccomp_build_observed(NULL);
	return observed_filter < 0 ? -1 : 0;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(capabilities), cmocka_unit_test(unprivileged), cmocka_unit_test(addresses),
		cmocka_unit_test(many_ports),   cmocka_unit_test(unix_paths),   cmocka_unit_test(calls),
		cmocka_unit_test(marks),
	};

	if (argc > 2 && strcmp(argv[1], "--cap") == 0)
		_exit(observer_cap_act(argv[2]));
	return cmocka_run_group_tests_name("sandbox/told", tests, setup, NULL);
}
