/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The step's own process: PID 1 of its namespaces, from the clone to the exec.
 *
 * Order matters, and is this: what must be seen of the host is opened first;
 * then root, /proc, /dev, /sys, files and binds are mounted, all through
 * descriptors; then the roots change. From there on nothing of the host can be
 * named. Landlock and seccomp come while CAP_SYS_ADMIN is still held, so that
 * no_new_privs may stay off; then capabilities, groups and user; then exec.
 */
#include "sandbox/step.h"
#include "sandbox/console.h"
#include "sandbox/guard.h"
#include "sandbox/mount.h"
#include "sandbox/report.h"
#include "sandbox/seccomp.h"
#include "sandbox/spec.h"
#include "sandbox/supervisor.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define MAX_ETC ((size_t)4 << 20)
#define NOFILE_WANTED 1048576

/* Files that are bound over whatever the image has. */
#define RESOLV_PATH "/etc/resolv.conf"
#define HOSTS_PATH "/etc/hosts"
enum { FILE_RESOLV, FILE_HOSTS, N_FILES };
static const char *const file_paths[N_FILES] = {RESOLV_PATH, HOSTS_PATH};

struct step {
	const struct wh_step_task *task;
	struct wh_step spec;
	struct wh_arena *arena;
	struct wh_rootfs root;
	int files; /* private tmpfs */
	int file_trees[N_FILES];
	struct wh_source *sources; /* one a bind */
	struct wh_user user;
	int cwd;
	struct wh_confined *confined;
	int status; /* of a setup that failed */
};

/* ---------------------------------------------------------------- before the roots change */

static void on_made(void *arg, const struct wh_stub_made *m)
{
	struct step *s = arg;
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	wh_stub_write(m, &b);
	wh_report(s->task->report_fd, WH_REPORT_MADE, &b);
}

int wh_step_spec(int fd, struct wh_arena *a, struct wh_step *ret, struct wh_err **err)
{
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_INTERNAL, errno, "look at the step's description");
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return wh_err_sys(err, "sandbox", WH_ERR_INTERNAL, errno, "read the step's description");
	/* Stays mapped: the exec takes it away. */
	if (wh_spec_read(a, p, (size_t)st.st_size, ret) < 0)
		return wh_err_set(err, "sandbox", WH_ERR_INTERNAL, EBADMSG, "the step's description is damaged");
	return 0;
}

static int read_spec(struct step *s, struct wh_err **err)
{
	return wh_step_spec(s->task->spec_fd, s->arena, &s->spec, err);
}

static int standard_fds(struct step *s, struct wh_err **err)
{
	const struct wh_step_task *t = s->task;
	WH_AUTO_FD int null = t->in_fd >= 0    ? -1
			      : t->root_fd >= 0 ? wh_open_beneath(t->root_fd, "dev/null", O_RDONLY, 0, true)
						: wh_openat(AT_FDCWD, "/dev/null", O_RDONLY, 0);

	if (t->in_fd < 0 && null < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -null, "open /dev/null");
	/* A terminal takes their places later. */
	if (dup2(t->in_fd < 0 ? null : t->in_fd, 0) < 0 || dup2(t->console_fd >= 0 ? null : t->out_fd, 1) < 0 ||
	    dup2(t->console_fd >= 0 ? null : t->err_fd, 2) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "set up standard input and output");
	return 0;
}

/* root: whose /dev/pts it comes from; -1: the host's. */
static int open_console(struct step *s, int root, bool bind, struct wh_err **err)
{
	if (s->task->console_fd < 0)
		return 0;
	return wh_console_open(root, bind, s->task->console_fd, s->spec.console_rows, s->spec.console_columns, err);
}

/* Before /sys is mounted, which shows the network that its mounter is in. */
static int join_network(struct step *s, struct wh_err **err)
{
	if (s->task->net_fd >= 0 && setns(s->task->net_fd, CLONE_NEWNET) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_INTERNAL, errno, "enter the network namespace");
	return 0;
}

static int add_file(struct step *s, int which, const struct wh_buf *text, struct wh_err **err)
{
	const char *name = wh_path_base(file_paths[which]);

	s->file_trees[which] = wh_files_add(s->files, name, text->p, text->n, 0644, 0, 0, err);
	return s->file_trees[which] < 0 ? s->file_trees[which] : 0;
}

static int open_files(struct step *s, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf resolv = WH_BUF_INIT, hosts = WH_BUF_INIT;
	int r = wh_net_resolv(&s->spec, &resolv, err);

	if (r == 0)
		r = wh_net_hosts(&s->spec, &hosts, err);
	if (r < 0)
		return r;
	s->files = wh_files_new(err);
	if (s->files < 0)
		return s->files;
	r = add_file(s, FILE_RESOLV, &resolv, err);
	return r < 0 ? r : add_file(s, FILE_HOSTS, &hosts, err);
}

static int open_binds(struct step *s, struct wh_err **err)
{
	s->sources = wh_arena_alloc(s->arena, (s->spec.n_binds + 1) * sizeof(*s->sources));
	for (size_t i = 0; i < s->spec.n_binds; i++) {
		int r = wh_bind_open(&s->spec.binds[i], s->files, i, &s->sources[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

static int mount_root(struct step *s, struct wh_err **err)
{
	static const struct wh_place fixed[] = {
		{"/proc", true}, {"/dev", true}, {"/sys", true}, {RESOLV_PATH, false}, {HOSTS_PATH, false}};
	size_t n = WH_ARRAY_SIZE(fixed);
	struct wh_place *places = wh_arena_alloc(s->arena, (n + s->spec.n_binds) * sizeof(*places));
	const char *base = s->spec.root.kind == WH_ROOT_OVERLAY ? s->spec.root.upper : s->spec.root.dir;

	memcpy(places, fixed, sizeof(fixed));
	for (size_t i = 0; i < s->spec.n_binds; i++, n++) {
		WH_AUTO_FREE char *clean = wh_path_abs_in("/", s->spec.binds[i].target);

		places[n] = (struct wh_place){wh_arena_strdup(s->arena, clean), s->sources[i].dir};
	}
	if (base) {
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

		wh_buf_lstr(&b, base);
		wh_report(s->task->report_fd, WH_REPORT_BASE, &b);
	}
	s->root.on_made = on_made;
	s->root.arg = s;
	return wh_rootfs_mount(&s->root, &s->spec.root, places, n, err);
}

/* The private tmpfs has done its part: its files are bound where they belong. Put somewhere into the old tree it
 * goes with that, instead of costing an unmount of its own. Not on the old root itself: that would shield it from
 * the unmount. */
static void leave_files(struct step *s)
{
	WH_AUTO_FD int old = wh_openat(AT_FDCWD, "/proc", O_PATH | O_DIRECTORY, 0);

	if (old >= 0)
		wh_mount_attach(s->files, old, 0, false);
}

/* Is the step's root the host's? Then files of the kernel that are root's to write are the step's to write. */
static bool root_is_the_hosts(void)
{
	WH_AUTO_BUF struct wh_buf map = WH_BUF_INIT;
	unsigned inside, outside;

	return wh_read_file(AT_FDCWD, "/proc/self/uid_map", 4096, &map) < 0 || !map.n ||
	       sscanf(map.p, "%u %u", &inside, &outside) != 2 || inside != 0 || outside == 0;
}

/* A network namespace that was made with this step; one that it joins was set up by whoever made it. */
static bool own_net(const struct step *s)
{
	return s->spec.net == WH_SANDBOX_NET_NONE || s->spec.net == WH_SANDBOX_NET_USER;
}

static int mount_inside(struct step *s, struct wh_err **err)
{
	const struct wh_step *spec = &s->spec;
	bool open_kernel = spec->insecure && !root_is_the_hosts();
	int r;

	if (own_net(s))
		wh_net_open_ports();
	r = wh_proc_mount(&s->root, s->files, spec->proc, open_kernel, err);
	if (r == 0)
		r = wh_dev_mount(&s->root, spec->shm_size, s->task->in_fd < 0, err);
	if (r == 0)
		r = open_console(s, s->root.fd, true, err);
	if (r == 0)
		r = wh_sys_mount(&s->root, s->files, open_kernel, spec->net != WH_SANDBOX_NET_HOST, err);
	for (int i = 0; r == 0 && i < N_FILES; i++) {
		const struct wh_bind file = {.kind = WH_BIND_DATA,
					     .target = file_paths[i],
					     .readonly = spec->confine && spec->confine->readonly_root};
		const struct wh_source source = {s->file_trees[i], false};

		r = wh_bind_attach(&s->root, &file, &source, err);
	}
	for (size_t i = 0; r == 0 && i < spec->n_binds; i++)
		r = wh_bind_attach(&s->root, &spec->binds[i], &s->sources[i], err);
	return r;
}

/* A file of the root's /etc; missing is empty. It is the image's: bounded, and only a regular file is read. */
static int read_etc(struct step *s, const char *path, struct wh_buf *out, struct wh_err **err)
{
	WH_AUTO_FD int fd = wh_open_in_root(s->root.fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0;
	r = wh_read_fd(fd, MAX_ETC, out);
	return r < 0 ? wh_err_sys(err, "sandbox", WH_ERR_BUILD, -r, "read the root's %s", path) : 0;
}

static int resolve_user(struct step *s, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf passwd = WH_BUF_INIT, group = WH_BUF_INIT;
	const char *text = s->spec.user ? s->spec.user : "";
	int r = read_etc(s, "/etc/passwd", &passwd, err);

	if (r == 0)
		r = read_etc(s, "/etc/group", &group, err);
	if (r == 0)
		r = wh_user_resolve(text, (struct wh_str){passwd.p, passwd.n}, (struct wh_str){group.p, group.n}, false,
				    &s->user, err);
	return r;
}

/* ---------------------------------------------------------------- after */

void wh_step_close_all_but(const int *keep, size_t n)
{
	unsigned from = 3;

	for (;;) {
		int next = -1;

		for (size_t i = 0; i < n; i++)
			if (keep[i] >= (int)from && (next < 0 || keep[i] < next))
				next = keep[i];
		if (next < 0)
			break;
		if ((unsigned)next > from)
			syscall(SYS_close_range, from, (unsigned)next - 1, 0);
		from = (unsigned)next + 1;
	}
	syscall(SYS_close_range, from, ~0U, 0);
}

/* With the roots changed, /proc/self/fd/N/.. of a directory of the host would still lead there, and the names that
 * are walked from here on are the image's and the build's to choose: what lies on /dev and /proc, a #! line, a
 * program's interpreter. */
static void forget_host(struct step *s)
{
	const int keep[] = {s->task->report_fd, s->task->go_fd, s->task->filter_fd, s->task->handover_fd,
			    s->task->guard_fd,  s->cwd};

	wh_step_close_all_but(keep, WH_ARRAY_SIZE(keep));
}

static int namespaces(struct step *s, struct wh_err **err)
{
	const char *name = s->spec.hostname;

	/* EPERM: a container's filter, as podman has it by default. The builder has found out and told. */
	if (name && *name && sethostname(name, strlen(name)) < 0 && errno != EPERM)
		return wh_err_sys(err, "sandbox", WH_ERR_BUILD, errno, "set the hostname \"%s\"", name);
	if (own_net(s)) {
		int r = wh_net_loopback(err);

		if (r < 0)
			return r;
	}
	return s->task->go_fd < 0 ? 0 : wh_net_wait(s->task->go_fd, err);
}

static void limits(void)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return;
	rl.rlim_cur = rl.rlim_max < NOFILE_WANTED ? rl.rlim_max : NOFILE_WANTED;
	setrlimit(RLIMIT_NOFILE, &rl);
}

static int set_ulimits(const struct step *s, struct wh_err **err)
{
	for (const char *const *text = s->spec.ulimits; text && *text; text++) {
		struct wh_ulimit u;
		int r = wh_ulimit_parse(*text, &u, err);

		if (r < 0)
			return r;
		r = wh_ulimit_set(&u, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Where the namespace around ours has given up setgroups (unshare -r does), the groups stay as they are: they are not
 * mapped, so the step cannot name them. */
static int set_groups(size_t n, const gid_t *groups)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	if (setgroups(n, groups) == 0)
		return 0;
	if (errno != EPERM || wh_read_file(AT_FDCWD, "/proc/self/setgroups", 64, &text) < 0 || !text.n)
		return -1;
	if (wh_has_prefix(text.p, "deny"))
		return 0;
	errno = EPERM;
	return -1;
}

static int become_user(struct step *s, struct wh_err **err)
{
	const struct wh_user *u = &s->user;
	gid_t groups[WH_ARRAY_SIZE(u->groups) + 1];
	size_t n = 0;
	bool known = false;

	for (size_t i = 0; i < u->n_groups; i++) {
		known = known || u->groups[i] == u->gid;
		groups[n++] = u->groups[i];
	}
	/* docker has the primary group among the supplementary ones too. */
	if (!known)
		groups[n++] = u->gid;
	if (set_groups(n, groups) < 0 || setresgid(u->gid, u->gid, u->gid) < 0 ||
	    setresuid(u->uid, u->uid, u->uid) < 0) {
		wh_err_sys(err, "sandbox", WH_ERR_BUILD, errno, "become user %u:%u", u->uid, u->gid);
		if (errno == EINVAL)
			wh_err_hint(err, "ids beyond the mapped range: see /etc/subuid and /etc/subgid");
		return -EINVAL;
	}
	return 0;
}

/* As docker has it: /dev/stdout and /dev/stderr, which open the pipes anew, work for whoever the command runs as. */
static void give_output(const struct step *s)
{
	struct stat st;

	for (int fd = 1; fd <= 2; fd++)
		if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && st.st_uid != s->user.uid)
			(void)!fchown(fd, s->user.uid, (gid_t)-1);
	if (s->task->console_fd >= 0)
		wh_console_give(s->user.uid);
}

static bool may_load_filter(const struct step *s)
{
	/* Without that capability it would take no_new_privs, and with it sudo, su and file capabilities would end. The filter of the
	 * container that all this runs in is in force in any case. */
	return s->task->root_fd < 0 || wh_caps_has(CAP_SYS_ADMIN);
}

/* Of root's the bounding set is left by the exec, of any other user's nothing. */
static int limit_caps(const struct step *s, uint64_t caps, struct wh_err **err)
{
	const uint64_t admin = (uint64_t)1 << CAP_SYS_ADMIN;

	return wh_caps_limit(wh_confine_needs_admin(s->spec.confine) ? (s->user.uid == 0 ? caps : 0) | admin : caps, err);
}

static int confine(struct step *s, struct wh_err **err)
{
	bool insecure = s->spec.insecure;
	const uint64_t caps = wh_confine_caps(
		s->spec.confine,
		wh_caps_mask(s->task->root_fd >= 0 ? WH_CAPS_CHROOT : insecure ? WH_CAPS_ALL : WH_CAPS_DEFAULT));
	int r = wh_confine_prepare(s->spec.confine, s->task->root_fd >= 0, s->arena, &s->confined, err);

	if (r < 0)
		return r;

	/* A keyring of its own instead of the session's of whoever runs us. Without keys in the kernel there is
	 * none. */
	syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL);
	limits();
	/* With the host's network, its abstract sockets (a desktop's bus, an init's) are in reach but for this. */
	if (s->spec.net == WH_SANDBOX_NET_HOST)
		wh_landlock_scope();
	if (fchdir(s->cwd) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_BUILD, errno, "enter the working directory");
	/* What watches over the step lets everything through that is done before its program runs, but asks: so this comes first. */
	r = wh_confine_files(s->spec.confine, err);
	if (r == 0 && s->task->guard_fd >= 0)
		r = wh_guard_join(s->task->guard_fd, err);
	if (r < 0)
		return r;
	if (s->task->handover_fd >= 0)
		r = wh_supervisor_join(s->task->handover_fd, s->task->filter_fd, err);
	else if (s->task->filter_fd >= 0 && !insecure && may_load_filter(s))
		r = wh_seccomp_load(s->task->filter_fd, err);
	if (r == 0)
		r = set_ulimits(s, err);
	if (r == 0)
		r = wh_caps_bound(caps, err);
	if (r == 0)
		give_output(s);
	if (r == 0 && wh_confine_needs_admin(s->spec.confine))
		prctl(PR_SET_KEEPCAPS, 1); /* up to the exec */
	if (r == 0)
		r = become_user(s, err);
	/* For any other user the kernel has cleared them all with the change. */
	if (r == 0)
		r = limit_caps(s, caps, err);
	umask(022);
	return r;
}

static int execute(struct step *s, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv env = {0};
	WH_AUTO_BUF struct wh_buf start = WH_BUF_INIT;
	const char *const *e = s->spec.env;
	const char *home = s->user.home;

	for (; e && *e; e++)
		wh_strv_add(&env, *e);
	if (!wh_env_get(&env, "PATH"))
		wh_env_set(&env, "PATH", DEFAULT_PATH);
	if (!wh_env_get(&env, "HOME") || !*wh_env_get(&env, "HOME"))
		wh_env_set(&env, "HOME", *home ? home : "/");
	/* Closed, not marked: execve walks names of the image's choice too. A failing exec is told through the
	 * report. */
	wh_step_close_all_but(&s->task->report_fd, 1);
	wh_buf_u64(&start, wh_now_ns());
	wh_buf_u64(&start, s->root.mount);
	wh_report(s->task->report_fd, WH_REPORT_START, &start);
	memcpy(&e, &env.v, sizeof(e));
	return wh_exec(s->spec.args, e, s->confined, &s->status, err);
}

/* ---------------------------------------------------------------- all of it */

static int run(struct step *s, struct wh_err **err)
{
	int r = standard_fds(s, err);

	if (r == 0)
		r = read_spec(s, err);
	if (r == 0)
		r = join_network(s, err);
	if (r == 0)
		r = open_files(s, err);
	if (r == 0)
		r = open_binds(s, err);
	if (r == 0)
		r = mount_root(s, err);
	if (r == 0)
		r = mount_inside(s, err);
	if (r == 0)
		r = resolve_user(s, err);
	if (r < 0)
		return r;
	s->cwd = wh_rootfs_cwd(&s->root, s->spec.cwd && *s->spec.cwd ? s->spec.cwd : "/", err);
	if (s->cwd < 0)
		return s->cwd;
	leave_files(s);
	r = wh_confine_root(s->spec.confine, s->root.fd, err);
	if (r < 0)
		return r;
	r = wh_rootfs_pivot(&s->root, err);
	if (r == 0)
		forget_host(s);
	if (r == 0)
		r = namespaces(s, err);
	if (r == 0)
		r = confine(s, err);
	return r < 0 ? r : execute(s, err);
}

/* In the namespaces of a container that runs: its root is ours already. */
static int run_joined(struct step *s, struct wh_err **err)
{
	int r = read_spec(s, err);

	if (r < 0)
		return r;
	s->spec.net = s->task->net;
	s->spec.insecure = s->task->insecure;
	s->root.base = -1;
	s->root.fd = wh_openat(AT_FDCWD, "/", O_PATH | O_DIRECTORY, 0);
	if (s->root.fd < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, -s->root.fd, "open the container's root");
	r = open_console(s, s->root.fd, false, err);
	if (r == 0)
		r = resolve_user(s, err);
	if (r < 0)
		return r;
	s->cwd = wh_rootfs_cwd(&s->root, s->spec.cwd && *s->spec.cwd ? s->spec.cwd : "/", err);
	if (s->cwd < 0)
		return s->cwd;
	forget_host(s);
	r = confine(s, err);
	return r < 0 ? r : execute(s, err);
}

/* What mounts would show is in the root already. */
static int run_chroot(struct step *s, struct wh_err **err)
{
	int r = standard_fds(s, err);

	if (r == 0)
		r = read_spec(s, err);
	/* No devpts of its own can be mounted: the container's that all this is in gives one. */
	if (r == 0)
		r = open_console(s, -1, false, err);
	if (r < 0)
		return r;
	s->root.fd = s->task->root_fd;
	s->root.base = -1;
	r = resolve_user(s, err);
	if (r < 0)
		return r;
	s->cwd = wh_rootfs_cwd(&s->root, s->spec.cwd && *s->spec.cwd ? s->spec.cwd : "/", err);
	if (s->cwd < 0)
		return s->cwd;
	if (fchdir(s->root.fd) < 0 || chroot(".") < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "change the root");
	forget_host(s);
	r = confine(s, err);
	/* A change of user clears it. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != s->task->keeper)
		_exit(137);
	return r < 0 ? r : execute(s, err);
}

static void reset_signals(void)
{
	struct sigaction dfl = {.sa_handler = SIG_DFL};
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		sigaction(i, &dfl, NULL); /* fails for SIGKILL, SIGSTOP and libc's own; nothing to do there */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

_Noreturn void wh_step_main(const struct wh_step_task *t)
{
	struct step s = {.task = t, .arena = wh_arena_new(), .files = -1, .cwd = -1, .status = 125};
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	struct wh_err *err = NULL;

	if (t->go_other >= 0)
		close(t->go_other);
	reset_signals();
	umask(0);
	setsid();
	if (t->joined)
		run_joined(&s, &err);
	else if (t->root_fd >= 0)
		run_chroot(&s, &err);
	else
		run(&s, &err);
	wh_buf_u32(&b, (uint32_t)s.status);
	wh_wire_put_err(&b, err);
	wh_report(t->report_fd, WH_REPORT_ERROR, &b);
	_exit(s.status);
}
