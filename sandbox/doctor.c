/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `whittle doctor` says of a host: each check is what a build does as well (wh_inner_enter(), wh_host_probe(), the network's
 * helper, wh_foreign_ensure()), tried and put into words. Nothing here is a second opinion.
 */
#include "sandbox/doctor.h"
#include "sandbox/net.h"
#include "sandbox/step.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>

#define OLDEST_MAJOR 5
#define OLDEST_MINOR 11

void wh_doctor_add(struct wh_doctor *d, const char *name, enum wh_check_state state, const char *mend, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	wh_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	WH_PUSH(d->v, d->n, d->cap) = (struct wh_check){name, state, wh_strdup(text.p ? text.p : ""), wh_strdup(mend)};
}

/* What is said of the error that a build would end with. */
static void add_err(struct wh_doctor *d, const char *name, enum wh_check_state state, const struct wh_err *e)
{
	wh_doctor_add(d, name, state, e->hint, "%s", e->msg);
}

void wh_doctor_release(struct wh_doctor *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->v[i].text);
		free(d->v[i].mend);
	}
	free(d->v);
	wh_strv_release(&d->limits);
	*d = (struct wh_doctor){0};
}

/* ---------------------------------------------------------------- before the user namespace */

static void kernel(struct wh_doctor *d)
{
	unsigned major = 0, minor = 0;
	struct utsname u;

	if (uname(&u) < 0)
		return;
	wh_host_kernel(&major, &minor);
	if (major > OLDEST_MAJOR || (major == OLDEST_MAJOR && minor >= OLDEST_MINOR))
		wh_doctor_add(d, "kernel", WH_CHECK_OK, NULL, "Linux %s", u.release);
	else
		wh_doctor_add(d, "kernel", WH_CHECK_MISSING, "a kernel of 5.11 or later", "Linux %s: too old for overlays of ordinary users",
			      u.release);
}

/* The engine that runs this, or NULL. */
static const char *engine(void)
{
	WH_AUTO_BUF struct wh_buf env = WH_BUF_INIT;

	if (getenv("KUBERNETES_SERVICE_HOST"))
		return "Kubernetes";
	if (access("/run/.containerenv", F_OK) == 0)
		return "podman";
	if (access("/.dockerenv", F_OK) == 0)
		return "docker";
	if (getenv("container") || (wh_read_file(AT_FDCWD, "/proc/1/environ", 65536, &env) == 0 && env.n &&
				    memmem(env.p, env.n, "container=", 10)))
		return "a container";
	return NULL;
}

/* How many mounts lie on /proc. */
static unsigned masks(void)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	unsigned n = 0;

	if (wh_read_file(AT_FDCWD, "/proc/self/mountinfo", (size_t)4 << 20, &text) < 0 || !text.n)
		return 0;
	for (const char *p = text.p; (p = strstr(p, " /proc/")); p++)
		n++;
	return n;
}

/* Of those that engines give by default. */
static void missing_caps(struct wh_buf *out)
{
	const char *const *names = wh_default_capabilities();
	uint64_t has = wh_self_status("CapEff", 16);

	for (size_t i = 0; names[i]; i++)
		if (!(has >> wh_caps_number(i) & 1))
			wh_buf_addf(out, "%s%s", out->n ? " " : "", names[i] + strlen("CAP_"));
}

static void surroundings(struct wh_doctor *d)
{
	const char *in = engine();
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT, caps = WH_BUF_INIT;
	unsigned n = masks();

	if (wh_self_status("Seccomp", 10) == 2)
		wh_buf_adds(&text, "; a filter of system calls");
	if (wh_self_status("NoNewPrivs", 10) == 1)
		wh_buf_adds(&text, "; no_new_privs");
	if (geteuid() == 0)
		missing_caps(&caps);
	if (caps.n)
		wh_buf_addf(&text, "; root without %s", caps.p);
	if (n)
		wh_buf_addf(&text, "; %u mounts over /proc", n);
	wh_doctor_add(d, "surroundings", WH_CHECK_OK, NULL, "%s%s", in ? in : text.n ? "restricted" : "no container", text.n ? text.p : "");
}

static void control_groups(struct wh_doctor *d)
{
	const char *what = access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0 ? "version 2"
			   : access("/sys/fs/cgroup/memory", F_OK) == 0		  ? "version 1"
										  : "none";

	wh_doctor_add(d, "control groups", WH_CHECK_OK, NULL, "%s (steps stay in the one that whittle runs in)", what);
}

void wh_doctor_outside(struct wh_doctor *d)
{
	kernel(d);
	surroundings(d);
	control_groups(d);
}

/* ---------------------------------------------------------------- what came of entering it */

void wh_doctor_entered(struct wh_doctor *d, const struct wh_inner *i, const struct wh_err *refused)
{
	const struct wh_err *few = wh_inner_few_ids(i);
	uint32_t ids = wh_inner_id_count(i);

	if (refused) {
		add_err(d, "user namespace", WH_CHECK_MISSING, refused);
		return;
	}
	d->steps = true;
	wh_doctor_add(d, "user namespace", WH_CHECK_OK, NULL, "entered");
	if (!few) {
		wh_doctor_add(d, "ids", WH_CHECK_OK, NULL, "%u are mapped", ids);
		return;
	}
	wh_doctor_add(d, "ids", WH_CHECK_DEGRADED, few->hint, "%u mapped: %s; files of other owners cannot be made or unpacked", ids, few->msg);
	wh_strv_addf(&d->limits, "with %u user id%s", ids, ids == 1 ? "" : "s");
}

/* ---------------------------------------------------------------- what the probe found */

static void mounts(struct wh_doctor *d, const struct wh_host *h)
{
	if (h->overlay) {
		wh_doctor_add(d, "overlay", WH_CHECK_OK, NULL, "works on the store's file system");
	} else {
		wh_doctor_add(d, "overlay", WH_CHECK_DEGRADED, "a store on ext4, xfs, btrfs or tmpfs: --root DIR (in a container: on a volume)",
			      "%s; every step gets a copy of its root", h->overlay_why);
		wh_strv_add(&d->limits, "with copied roots");
		if (h->noexec) {
			wh_doctor_add(d, "noexec", WH_CHECK_MISSING, "--root DIR on a file system that is not mounted noexec",
				      "the store's file system: nothing can be run from a copied root");
			d->steps = false;
		}
		if (h->nosuid)
			wh_doctor_add(d, "nosuid", WH_CHECK_DEGRADED, "--root DIR on a file system that is not mounted nosuid",
				      "the store's file system: set-id programs have no effect in copied roots");
	}
	if (h->proc == WH_PROC_FRESH) {
		wh_doctor_add(d, "/proc", WH_CHECK_OK, NULL, "steps have their own");
	} else {
		wh_doctor_add(d, "/proc", WH_CHECK_DEGRADED,
			      "start the container with --security-opt systempaths=unconfined (podman: unmask=ALL; Kubernetes: procMount: "
			      "Unmasked)",
			      "%s: steps see this container's, read-only, and run one at a time; no PROFILE", strerrordesc_np(h->proc_error));
		wh_strv_add(&d->limits, "one step at a time, without PROFILE");
	}
	if (h->sys_error)
		wh_doctor_add(d, "/sys", WH_CHECK_OK, NULL, "%s: steps see the one at hand, read-only", strerrordesc_np(h->sys_error));
	else
		wh_doctor_add(d, "/sys", WH_CHECK_OK, NULL, "steps have their own");
	if (h->hostname_error)
		wh_doctor_add(d, "hostname", WH_CHECK_DEGRADED, "start the container with --security-opt seccomp=unconfined",
			      "%s: steps have this container's", strerrordesc_np(h->hostname_error));
}

static void filters(struct wh_doctor *d, const struct wh_host *h)
{
	if (h->seccomp)
		wh_doctor_add(d, "seccomp", WH_CHECK_OK, NULL, "steps are filtered");
	else
		wh_doctor_add(d, "seccomp", WH_CHECK_MISSING, "a kernel with CONFIG_SECCOMP_FILTER", "the kernel has no filters");
	if (h->notify)
		wh_doctor_add(d, "observer", WH_CHECK_OK, NULL, "the kernel notifies of system calls");
	else
		wh_doctor_add(d, "observer", WH_CHECK_DEGRADED, "a kernel of 5.5 or later", "no notifications of system calls: no PROFILE");
	if (h->landlock_abi >= 6)
		wh_doctor_add(d, "landlock", WH_CHECK_OK, NULL, "version %d", h->landlock_abi);
	else
		wh_doctor_add(d, "landlock", WH_CHECK_DEGRADED, "Linux 6.12 or later, with landlock among its security modules (lsm=)",
			      "version %d: steps with the host's network reach its abstract sockets", h->landlock_abi);
}

/* ---------------------------------------------------------------- network */

static _Noreturn void await_network(int go)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	_exit(wh_net_loopback(NULL) < 0 || wh_net_wait(go, NULL) < 0 ? 1 : 0);
}

/* A network namespace that the helper connects, as for a step. */
static int try_network(struct wh_err **err)
{
	struct wh_usernet net = {-1, -1};
	WH_AUTO_BUF struct wh_buf said = WH_BUF_INIT;
	WH_AUTO_FD int ours = -1, pidfd = -1;
	siginfo_t end = {0};
	int go[2], r, fd = -1;
	long pid;

	if (pipe2(go, O_CLOEXEC) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "make a pipe");
	ours = go[1];
	pid = syscall(SYS_clone, CLONE_NEWNET | CLONE_PIDFD | SIGCHLD, NULL, &fd, NULL, NULL);
	if (pid == 0) {
		close(go[1]);
		await_network(go[0]);
	}
	r = pid < 0 ? wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "make a network namespace") : 0;
	close(go[0]);
	pidfd = fd;
	if (r < 0)
		return r;
	r = wh_usernet_start(pidfd, -1, false, &net, err);
	if (r == 0) {
		struct pollfd p[] = {{pidfd, POLLIN, 0}, {net.pidfd, POLLIN, 0}};

		while (poll(p, 2, -1) < 0 && errno == EINTR)
			;
	}
	wh_closep(&ours); /* the helper is dead, or the route is there: in both cases nothing more to wait for */
	while (waitid(P_PID, (id_t)pid, &end, WEXITED) < 0 && errno == EINTR)
		;
	wh_usernet_stop(&net, &said);
	if (r == 0 && (end.si_code != CLD_EXITED || end.si_status != 0)) {
		/* One line of what the helper said. */
		if (said.n)
			said.p[strcspn(said.p, "\r\n")] = '\0';
		r = wh_err_set(err, "sandbox", WH_ERR_ENV, ENETDOWN, "a private network did not come up%s%s", said.n ? ": " : "",
			       said.n ? said.p : "");
	}
	return r;
}

static void network(struct wh_doctor *d)
{
	WH_AUTO_ERR struct wh_err *err = NULL;

	if (try_network(&err) == 0) {
		wh_doctor_add(d, "network", WH_CHECK_OK, NULL, "steps have their own");
		return;
	}
	add_err(d, "network", WH_CHECK_DEGRADED, err);
	wh_strv_add(&d->limits, "with this host's network");
}

/* ---------------------------------------------------------------- programs of other machines */

static void emulators(struct wh_doctor *d)
{
	static const char *const platforms[] = {"linux/amd64", "linux/386",	"linux/arm64", "linux/arm/v7",
						"linux/riscv64", "linux/ppc64le", "linux/s390x"};
	WH_AUTO_BUF struct wh_buf can = WH_BUF_INIT, cannot = WH_BUF_INIT;
	struct wh_foreign *f = wh_foreign_new();

	for (size_t i = 0; i < WH_ARRAY_SIZE(platforms); i++) {
		struct wh_emulation how = {0};
		bool yes = wh_foreign_ensure(f, platforms[i], &how, NULL) == 0;
		struct wh_buf *b = yes ? &can : &cannot;

		wh_buf_addf(b, "%s%s", b->n ? " " : "", platforms[i] + strlen("linux/"));
		wh_emulation_release(&how);
	}
	wh_foreign_free(f);
	wh_doctor_add(d, "platforms", WH_CHECK_OK, cannot.n ? "sudo apt-get install qemu-user-static (for others)" : NULL, "%s%s%s",
		      can.n ? can.p : "none", cannot.n ? "; no emulator for " : "", cannot.n ? cannot.p : "");
}

void wh_doctor_inside(struct wh_doctor *d, const struct wh_host *h)
{
	mounts(d, h);
	network(d);
	filters(d, h);
	emulators(d);
	if (!h->seccomp)
		d->steps = false;
}
