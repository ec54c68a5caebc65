/* SPDX-License-Identifier: Apache-2.0 */
/* The inner process's way into its user and mount namespace. */
#include "sandbox/inner.h"
#include "sandbox/chroot.h"
#include "sandbox/idmap.h"
#include "sandbox/service.h"
#include "sandbox/wire.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>

struct wh_inner {
	int sock;
	pid_t outer;
	bool entered, lost;
	uint32_t id_count;
	struct wh_err *few_ids; /* why so few */
	enum wh_isolation isolation;
};

/* Kernel and credentials changes may clear the death signal, so it is set anew after each; the look at the parent
 * closes the gap before it was set. */
static void die_with_outer(const struct wh_inner *i)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != i->outer)
		_exit(137);
}

struct wh_inner *wh_inner_new(int sock, pid_t outer)
{
	struct wh_inner *i = wh_calloc(1, sizeof(*i));

	i->sock = sock;
	i->outer = outer;
	die_with_outer(i);
	return i;
}

static uint64_t sysctl_number(const char *path, uint64_t fallback)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	WH_AUTO_FREE char *text = NULL;
	struct wh_str s;
	uint64_t v;

	if (wh_read_file(AT_FDCWD, path, 64, &b) < 0 || !b.n)
		return fallback;
	s = wh_str_trim((struct wh_str){b.p, b.n});
	text = wh_strndup(s.p, s.n);
	return wh_parse_u64(text, 10, &v) ? v : fallback;
}

/* The smallest mend for a host that refuses user namespaces. as_root: real root asks, for whom there is another way. */
static void hint_userns(struct wh_err **err, int sys, bool as_root)
{
	const char *other = as_root ? "; or build with --isolation=chroot" : "";

	if (sysctl_number("/proc/sys/user/max_user_namespaces", 1) == 0)
		wh_err_hint(err, "sudo sysctl user.max_user_namespaces=15000 (on the host)%s", other);
	else if (!as_root && sysctl_number("/proc/sys/kernel/unprivileged_userns_clone", 1) == 0)
		wh_err_hint(err, "sudo sysctl kernel.unprivileged_userns_clone=1 (on the host)");
	else if (sys == ENOSPC || sys == EUSERS)
		wh_err_hint(err, "too many user namespaces, or nested too deep: see user.max_user_namespaces%s", other);
	else if (sys == EACCES)
		wh_err_hint(err, "this container's AppArmor or SELinux profile forbids it: start it with --security-opt apparmor=unconfined, or "
				 "label=disable%s", other);
	else if (wh_self_status("Seccomp", 10) == 2)
		wh_err_hint(err, "this container's seccomp profile forbids it, as docker's default does: start it with "
				 "--security-opt seccomp=unconfined (Kubernetes: seccompProfile: {type: Unconfined})%s", other);
	else if (sysctl_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0) == 1)
		wh_err_hint(err, "AppArmor forbids it: allow this program in a profile of its own (userns,), or "
				 "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0 (on the host)%s", other);
	else
		wh_err_hint(err, "a security module of the host may forbid it, and in a chroot(2) the kernel does%s", other);
}

static int enter_user_namespace(struct wh_inner *i, bool as_root, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf reply = WH_BUF_INIT;
	struct wh_err *theirs, *few;
	struct wh_wire w;
	uint32_t count;
	int r = wh_id_map_possible(err);

	if (r < 0)
		return r;
	if (unshare(CLONE_NEWUSER) < 0) {
		r = errno;
		wh_err_sys(err, "sandbox", WH_ERR_ENV, r, "this host refuses a user namespace");
		hint_userns(err, r, as_root);
		return -r;
	}
	i->lost = true;
	die_with_outer(i);
	r = wh_wire_send(i->sock, WH_ASK_MAP, strlen(WH_ASK_MAP), NULL, 0);
	if (r == 0)
		r = wh_wire_recv(i->sock, &reply, NULL, NULL);
	if (r < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_INTERNAL, -r, "ask the outer process for the id maps");
	w = (struct wh_wire){reply.p, reply.n, false};
	count = wh_wire_u32(&w);
	theirs = wh_wire_err(&w);
	few = wh_wire_err(&w);
	if (theirs) {
		r = theirs->sys ? -theirs->sys : -EPERM;
		wh_err_move(err, &theirs);
		wh_err_freep(&few);
		return r;
	}
	i->few_ids = few;
	/* The caller's ids are 0 now by the map alone; this drops nothing and only states it for saved and fs ids. */
	if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "become root of the user namespace");
	die_with_outer(i);
	i->lost = false;
	i->id_count = count;
	return 0;
}

int wh_inner_enter(struct wh_inner *i, struct wh_err **err)
{
	bool as_root = geteuid() == 0 && !i->id_count;
	int r = 0;

	if (i->entered)
		return 0;
	if (i->isolation == WH_ISOLATION_CHROOT) {
		r = wh_chroot_enter(&i->id_count, err);
		i->entered = r == 0;
		return r;
	}
	/* Once: it cannot be left again, whatever comes after it. */
	if (!i->id_count)
		r = enter_user_namespace(i, as_root, err);
	if (r < 0)
		return r;
	/* Slave, not private: what the host unmounts meanwhile goes here too and is not kept busy; ours never go
	 * there. */
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) {
		r = errno;
		wh_err_sys(err, "sandbox", WH_ERR_ENV, r, "enter a mount namespace");
		hint_userns(err, r, as_root);
		return -r;
	}
	i->entered = true;
	return 0;
}

/* Nothing here depends on the process's other state, and a packet is sent whole or not at all: any thread may. */
int wh_inner_call_telling(struct wh_inner *i, const char *service, const json_t *request, const _Atomic bool *cancel, wh_tell_fn tell,
			  void *arg, json_t **ret_reply, struct wh_err **err)
{
	WH_AUTO_FREE char *ask = wh_asprintf(WH_ASK_SERVICE "%s", service);
	WH_AUTO_FD int ours = -1;
	int pair[2], r;

	if (strlen(service) > WH_SERVICE_NAME_MAX)
		return wh_err_set(err, "sandbox", WH_ERR_INTERNAL, EINVAL, "a service's name of %zu bytes",
				  strlen(service));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "socketpair");
	ours = pair[0];
	r = wh_wire_send(i->sock, ask, strlen(ask), &pair[1], 1);
	close(pair[1]);
	if (r < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_INTERNAL, -r, "ask the outer process for \"%s\"", service);
	return wh_service_ask(ours, service, request, cancel, tell, arg, ret_reply, err);
}

int wh_inner_call_while(struct wh_inner *i, const char *service, const json_t *request, const _Atomic bool *cancel,
			json_t **ret_reply, struct wh_err **err)
{
	return wh_inner_call_telling(i, service, request, cancel, NULL, NULL, ret_reply, err);
}

int wh_inner_call(struct wh_inner *i, const char *service, const json_t *request, json_t **ret_reply,
		  struct wh_err **err)
{
	return wh_inner_call_while(i, service, request, NULL, ret_reply, err);
}

void wh_inner_set_isolation(struct wh_inner *i, enum wh_isolation kind)
{
	i->isolation = kind;
}

enum wh_isolation wh_inner_isolation(const struct wh_inner *i)
{
	return i->isolation;
}

bool wh_inner_entered(const struct wh_inner *i)
{
	return i->entered;
}

uint32_t wh_inner_id_count(const struct wh_inner *i)
{
	return i->id_count;
}

bool wh_inner_lost(const struct wh_inner *i)
{
	return i->lost;
}

const struct wh_err *wh_inner_few_ids(const struct wh_inner *i)
{
	return i->few_ids;
}

void wh_inner_free(struct wh_inner *i)
{
	if (!i)
		return;
	wh_err_free(i->few_ids);
	close(i->sock);
	free(i);
}
