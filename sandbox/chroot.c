/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A step without namespaces and mounts: for root in a container that may have neither.
 *
 *   launcher ──fork──▶ keeper ──fork──▶ step: own session, chroot, fewer capabilities, exec
 *   (subreaper)        (subreaper)
 *
 * The keeper is what the kernel is elsewhere: whatever the step starts ends up as its child, however it detaches, and is killed when the
 * command has ended. The keeper dies with the launcher, but not before it has done that; when somebody kills it, the launcher does it.
 * A step keeps neither CAP_SYS_CHROOT, with which root leaves any chroot, nor CAP_MKNOD, which it would not have in a user namespace either.
 * So all of ours have more capabilities than it has, and ptrace(2) and what is like it in /proc are refused to it; signals are not.
 */
#include "sandbox/chroot.h"
#include "sandbox/guests.h"
#include "sandbox/net.h"
#include "sandbox/report.h"
#include "sandbox/spec.h"

#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KILL_NS ((uint64_t)20 * 1000000000)

/* ---------------------------------------------------------------- may we? */

/* All of them are among docker's default ones. */
static const struct {
	unsigned cap;
	const char *name, *why;
} needed[] = {
	{CAP_CHOWN, "CHOWN", "unpacks files of all owners"},
	{CAP_DAC_OVERRIDE, "DAC_OVERRIDE", "unpacks files of all owners"},
	{CAP_FOWNER, "FOWNER", "unpacks files of all owners"},
	{CAP_FSETID, "FSETID", "unpacks set-user-ID programs"},
	{CAP_SETFCAP, "SETFCAP", "unpacks programs with capabilities"},
	{CAP_SETGID, "SETGID", "runs steps as any USER"},
	{CAP_SETUID, "SETUID", "runs steps as any USER"},
	{CAP_SETPCAP, "SETPCAP", "takes capabilities from steps"},
	{CAP_SYS_CHROOT, "SYS_CHROOT", "changes the root of steps"},
	{CAP_KILL, "KILL", "ends what steps leave running"},
};

/* From 0 on, in a row; all of them where there is no map. */
static uint32_t ids_of(const char *path)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	uint64_t end = 0;
	char *save = NULL;

	if (wh_read_file(AT_FDCWD, path, 64 << 10, &text) < 0 || !text.n)
		return UINT32_MAX;
	for (char *line = strtok_r(text.p, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		unsigned inside, outside, count;

		if (sscanf(line, "%u %u %u", &inside, &outside, &count) == 3 && inside == end)
			end += count;
	}
	return end > UINT32_MAX ? UINT32_MAX : (uint32_t)end;
}

int wh_chroot_enter(uint32_t *ret_ids, struct wh_err **err)
{
	uint32_t uids = ids_of("/proc/self/uid_map"), gids = ids_of("/proc/self/gid_map");

	if (geteuid() != 0 || getegid() != 0) {
		wh_err_set(err, "sandbox", WH_ERR_ENV, EPERM, "--isolation=chroot is for root: this is user %u:%u", geteuid(), getegid());
		wh_err_hint(err, "leave it out where user namespaces can be had; else run the container as its root");
		return -EPERM;
	}
	for (size_t i = 0; i < WH_ARRAY_SIZE(needed); i++) {
		if (wh_caps_has(needed[i].cap))
			continue;
		wh_err_set(err, "sandbox", WH_ERR_ENV, EPERM, "--isolation=chroot %s: that takes the capability %s, which this root lacks",
			   needed[i].why, needed[i].name);
		wh_err_hint(err, "run the container with --cap-add %s", needed[i].name);
		return -EPERM;
	}
	if (faccessat(AT_FDCWD, "/proc/self/fd", F_OK, 0) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "--isolation=chroot needs /proc mounted where whittle runs");
	*ret_ids = uids < gids ? uids : gids;
	return 0;
}

/* ---------------------------------------------------------------- ending all */

static bool is_child(const char *pid)
{
	WH_AUTO_FREE char *path = wh_asprintf("/proc/%s/stat", pid);
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	const char *end;
	int parent;

	if (wh_read_file(AT_FDCWD, path, 8192, &text) < 0 || !text.n)
		return false;
	/* The program's name is in parentheses, and may hold some itself. */
	end = strrchr(text.p, ')');
	return end && sscanf(end + 1, " %*c %d", &parent) == 1 && parent == getpid();
}

static bool spared(pid_t pid, const pid_t *spare, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (spare[i] == pid)
			return true;
	return false;
}

/* Number of children that there were. They are waited for in a later round, as one that is traced by another ends only with that. */
static int kill_some(const pid_t *spare, size_t n)
{
	DIR *dir = opendir("/proc");
	const struct dirent *de;
	int found = 0;

	if (!dir)
		return -errno;
	while ((de = readdir(dir))) {
		uint64_t pid;

		if (!wh_parse_u64(de->d_name, 10, &pid) || pid > INT32_MAX || spared((pid_t)pid, spare, n) || !is_child(de->d_name))
			continue;
		kill((pid_t)pid, SIGKILL);
		if (waitpid((pid_t)pid, NULL, WNOHANG) == 0)
			found++;
	}
	closedir(dir);
	return found;
}

int wh_chroot_kill_children(const pid_t *spare, size_t n)
{
	const struct timespec pause = {.tv_nsec = 500000};
	const uint64_t end = wh_now_ns() + KILL_NS;
	int r, quiet = 0;

	/* A killed one leaves its own children to us: once more, until there are none. A look at /proc takes a while, in which one may
	 * have come from where it was not looked for: hence two in a row that find nothing. */
	for (;;) {
		r = kill_some(spare, n);
		quiet = r == 0 ? quiet + 1 : 0;
		if (r < 0 || quiet == 2)
			return r;
		if (wh_now_ns() > end)
			return -EBUSY;
		if (r > 0)
			nanosleep(&pause, NULL);
	}
}

/* ---------------------------------------------------------------- the keeper */

struct keeper {
	const struct wh_step_task *task;
	struct wh_step spec;
	struct wh_arena *arena;
	struct wh_rootfs root;
	struct wh_guests guests;
	int signals;
	pid_t command;
	siginfo_t end;
	uint64_t end_ns;
};

/* Not in every such container is that forbidden: then /proc and /sys can be had. */
static bool own_mounts(void)
{
	return wh_caps_has(CAP_SYS_ADMIN) && unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) == 0;
}

static void on_made(void *arg, const struct wh_stub_made *m)
{
	const struct keeper *k = arg;
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	wh_stub_write(m, &b);
	wh_report(k->task->report_fd, WH_REPORT_MADE, &b);
}

static int read_spec(struct keeper *k, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	int r = wh_step_spec(k->task->spec_fd, k->arena, &k->spec, err);

	if (r == 0 && k->spec.root.kind != WH_ROOT_DIR)
		r = wh_err_set(err, "sandbox", WH_ERR_INTERNAL, EINVAL, "a root that would have to be mounted");
	if (r == 0 && k->spec.net != WH_SANDBOX_NET_HOST)
		r = wh_err_set(err, "sandbox", WH_ERR_INTERNAL, EINVAL, "a network that would have to be made");
	if (r < 0)
		return r;
	wh_buf_lstr(&b, k->spec.root.dir);
	wh_report(k->task->report_fd, WH_REPORT_BASE, &b);
	return 0;
}

/* In the order of the mounts elsewhere. */
static int bring_in(struct keeper *k, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf resolv = WH_BUF_INIT, hosts = WH_BUF_INIT;
	char name[256] = "";
	int r = wh_net_resolv(&k->spec, &resolv, err);

	if (r == 0)
		r = wh_net_hosts(&k->spec, &hosts, err);
	/* The name of this machine stays what it is. */
	if (r == 0 && gethostname(name, sizeof(name) - 1) == 0 && name[0])
		wh_buf_addf(&hosts, "127.0.0.1\t%s\n", name);
	if (r == 0)
		r = wh_guests_system(&k->guests, err);
	if (r == 0)
		r = wh_guests_file(&k->guests, "/etc/resolv.conf", resolv.n ? resolv.p : "", resolv.n, 0644, 0, 0, err);
	if (r == 0)
		r = wh_guests_file(&k->guests, "/etc/hosts", hosts.p, hosts.n, 0644, 0, 0, err);
	for (size_t i = 0; r == 0 && i < k->spec.n_binds; i++)
		r = wh_guests_bind(&k->guests, &k->spec.binds[i], err);
	return r;
}

static int start(struct keeper *k, struct wh_err **err)
{
	struct wh_step_task task = *k->task;
	pid_t self = getpid(), pid;

	task.root_fd = k->root.fd;
	task.keeper = self;
	pid = fork();
	if (pid < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "start a process");
	if (pid == 0)
		wh_step_main(&task);
	k->command = pid;
	return 0;
}

/* False once the command has ended, or is to. */
static bool watch(struct keeper *k)
{
	struct signalfd_siginfo info;

	if (read(k->signals, &info, sizeof(info)) != (ssize_t)sizeof(info))
		return true;
	if (info.ssi_signo == SIGTERM) {
		kill(k->command, SIGKILL);
		return false;
	}
	/* Of the others, which the step has left to us, all that ended meanwhile. */
	for (;;) {
		siginfo_t who = {0};

		if (waitid(P_ALL, 0, &who, WEXITED | WNOHANG | WNOWAIT) < 0 || who.si_pid == 0)
			return true;
		if (who.si_pid == k->command)
			return false;
		waitid(P_PID, (id_t)who.si_pid, &who, WEXITED);
	}
}

static void run(struct keeper *k, struct wh_err **err)
{
	int r = start(k, err);

	if (r < 0)
		return;
	while (watch(k))
		;
	while (waitid(P_PID, (id_t)k->command, &k->end, WEXITED) < 0 && errno == EINTR)
		;
	k->end_ns = wh_now_ns();
	r = wh_chroot_kill_children(NULL, 0);
	if (r < 0)
		wh_err_sys(err, "sandbox", WH_ERR_BUILD, -r, "end what the step has left running");
}

static _Noreturn void tell_end(const struct keeper *k, struct wh_err *err)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	bool killed = k->end.si_code == CLD_KILLED || k->end.si_code == CLD_DUMPED;

	if (err) {
		wh_buf_u32(&b, 125);
		wh_wire_put_err(&b, err);
		wh_report(k->task->report_fd, WH_REPORT_ERROR, &b);
		wh_buf_reset(&b);
	}
	wh_buf_u32(&b, (uint32_t)k->end.si_code);
	wh_buf_u32(&b, (uint32_t)k->end.si_status);
	wh_buf_u64(&b, k->end_ns);
	wh_report(k->task->report_fd, WH_REPORT_END, &b);
	_exit(err || killed ? 125 : k->end.si_status);
}

_Noreturn void wh_keeper_main(const struct wh_step_task *t, pid_t launcher)
{
	struct keeper k = {.task = t, .arena = wh_arena_new(), .root = {.fd = -1, .base = -1}, .guests = {.aside = -1}};
	const int keep[] = {t->spec_fd, t->in_fd, t->out_fd, t->err_fd, t->report_fd, t->filter_fd}; /* the console's is one of them */
	struct wh_err *err = NULL, *late = NULL;
	sigset_t set;
	bool mounts;

	/* Not SIGKILL: the launcher's death is the step's end, and this is who has to bring it about. */
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != launcher)
		_exit(137);
	wh_step_close_all_but(keep, WH_ARRAY_SIZE(keep));
	prctl(PR_SET_NAME, "whittle-keep");
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	umask(0);
	mounts = own_mounts(); /* before anything is opened in it */
	k.root.on_made = on_made;
	k.root.arg = &k;
	k.signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (k.signals < 0)
		wh_err_sys(&err, "sandbox", WH_ERR_ENV, errno, "signalfd");
	else if (read_spec(&k, &err) == 0 && wh_guests_open(&k.guests, &k.root, &k.spec.root, &err) == 0) {
		k.guests.mounts = mounts;
		if (bring_in(&k, &err) == 0)
			run(&k, &err);
	}
	if (wh_guests_leave(&k.guests, &late) < 0 && !err)
		err = WH_TAKE_PTR(late);
	tell_end(&k, err);
}
