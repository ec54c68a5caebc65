/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/guard.h"
#include "sandbox/idmap.h"
#include "sandbox/seccomp.h"
#include "sandbox/step.h"
#include "sandbox/wire.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define MAX_MAP 65536
#define NOBODY UINT32_MAX /* -1: leave as it is */

/* Which arguments are ids. */
struct row {
	const char *name;
	enum wh_foreign_kind kind;
	int uid, gid; /* the first argument of each; -1: none */
	int n;	      /* that many in a row */
};
/* clang-format off */
static const struct row rows[] = {
	{"chown", WH_FOREIGN_OWNER, 1, 2, 1},    {"lchown", WH_FOREIGN_OWNER, 1, 2, 1},    {"fchown", WH_FOREIGN_OWNER, 1, 2, 1},
	{"fchownat", WH_FOREIGN_OWNER, 2, 3, 1}, {"chown32", WH_FOREIGN_OWNER, 1, 2, 1},   {"lchown32", WH_FOREIGN_OWNER, 1, 2, 1},
	{"fchown32", WH_FOREIGN_OWNER, 1, 2, 1},
	{"setuid", WH_FOREIGN_USER, 0, -1, 1},   {"setreuid", WH_FOREIGN_USER, 0, -1, 2},  {"setresuid", WH_FOREIGN_USER, 0, -1, 3},
	{"setgid", WH_FOREIGN_USER, -1, 0, 1},   {"setregid", WH_FOREIGN_USER, -1, 0, 2},  {"setresgid", WH_FOREIGN_USER, -1, 0, 3},
	{"setuid32", WH_FOREIGN_USER, 0, -1, 1}, {"setreuid32", WH_FOREIGN_USER, 0, -1, 2}, {"setresuid32", WH_FOREIGN_USER, 0, -1, 3},
	{"setgid32", WH_FOREIGN_USER, -1, 0, 1}, {"setregid32", WH_FOREIGN_USER, -1, 0, 2}, {"setresgid32", WH_FOREIGN_USER, -1, 0, 3},
};
/* clang-format on */

struct guard {
	struct wh_id_map uids, gids; /* of our namespace, which is the step's */
	int listener;
	struct wh_foreign_id first;
};

/* ---------------------------------------------------------------- judging a call */

static bool mapped(const struct wh_id_map *m, uint32_t id)
{
	for (size_t i = 0; i < m->n; i++)
		if (id >= m->v[i].inside && id - m->v[i].inside < m->v[i].count)
			return true;
	return id == NOBODY;
}

static void read_map(const char *path, struct wh_id_map *ret)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	if (wh_read_file(AT_FDCWD, path, MAX_MAP, &text) == 0)
		wh_id_map_identity((struct wh_str){text.p, text.n}, ret);
}

static void judge(struct guard *g, const struct seccomp_data *call)
{
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];

		if (seccomp_syscall_resolve_name_arch(call->arch, r->name) != call->nr)
			continue;
		for (int k = 0; k < r->n; k++) {
			/* The kernel looks at 32 bits. */
			uint32_t uid = r->uid < 0 ? NOBODY : (uint32_t)call->args[r->uid + k];
			uint32_t gid = r->gid < 0 ? NOBODY : (uint32_t)call->args[r->gid + k];

			if (mapped(&g->uids, uid) && mapped(&g->gids, gid))
				continue;
			g->first = (struct wh_foreign_id){r->kind, mapped(&g->uids, uid) ? gid : uid};
			return;
		}
		return;
	}
}

static int serve_one(struct guard *g, struct seccomp_notif *req, struct seccomp_notif_resp *resp, const struct seccomp_notif_sizes *sizes)
{
	memset(req, 0, sizes->seccomp_notif);
	if (ioctl(g->listener, SECCOMP_IOCTL_NOTIF_RECV, req) < 0)
		return errno == EINTR || errno == ENOENT ? 0 : -errno;
	if (g->first.kind == WH_FOREIGN_NONE)
		judge(g, &req->data);
	memset(resp, 0, sizes->seccomp_notif_resp);
	resp->id = req->id;
	resp->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	return ioctl(g->listener, SECCOMP_IOCTL_NOTIF_SEND, resp) < 0 && errno != ENOENT ? -errno : 0;
}

static int watch(struct guard *g)
{
	struct seccomp_notif_sizes sizes = {0};
	struct seccomp_notif_resp *resp;
	struct seccomp_notif *req;
	int r = 0;

	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
		return -errno;
	if (sizes.seccomp_notif < sizeof(*req))
		sizes.seccomp_notif = sizeof(*req);
	if (sizes.seccomp_notif_resp < sizeof(*resp))
		sizes.seccomp_notif_resp = sizeof(*resp);
	req = wh_calloc(1, sizes.seccomp_notif);
	resp = wh_calloc(1, sizes.seccomp_notif_resp);
	while (r == 0) {
		struct pollfd p = {g->listener, POLLIN, 0};

		if (poll(&p, 1, -1) < 0)
			r = errno == EINTR ? 0 : -errno;
		else if (p.revents & POLLIN)
			r = serve_one(g, req, resp, &sizes);
		else
			break; /* nobody has the filter any more */
	}
	free(req);
	free(resp);
	return r;
}

static _Noreturn void guard_main(int handover, int said)
{
	struct guard g = {.listener = -1};
	WH_AUTO_BUF struct wh_buf word = WH_BUF_INIT;
	size_t n_fds = 1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_NAME, "whittle-guard");
	read_map("/proc/self/uid_map", &g.uids);
	read_map("/proc/self/gid_map", &g.gids);
	/* None comes where the step ends before: then there is nothing to tell. */
	if (wh_wire_recv(handover, &word, &g.listener, &n_fds) < 0 || g.listener < 0)
		_exit(0);
	close(handover);
	if (watch(&g) < 0 || wh_write_all(said, (const char *)&g.first, sizeof(g.first)) < 0)
		_exit(1);
	_exit(0);
}

/* ---------------------------------------------------------------- the launcher's side */

int wh_guard_start(struct wh_guard *ret, struct wh_err **err)
{
	int handover[2] = {-1, -1}, said[2] = {-1, -1}, e = 0;
	pid_t pid = -1;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, handover) < 0 || pipe2(said, O_CLOEXEC) < 0)
		e = errno;
	else
		pid = fork();
	if (pid == 0) {
		/* Nothing of other steps stays open here. */
		const int keep[] = {handover[1], said[1]};

		wh_step_close_all_but(keep, WH_ARRAY_SIZE(keep));
		guard_main(handover[1], said[1]);
	}
	if (!e && pid < 0)
		e = errno;
	wh_closep(&handover[1]);
	wh_closep(&said[1]);
	if (e) {
		wh_closep(&handover[0]);
		wh_closep(&said[0]);
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, e, "start the guard of a step");
	}
	*ret = (struct wh_guard){pid, said[0], handover[0]};
	return 0;
}

struct wh_foreign_id wh_guard_end(struct wh_guard *g)
{
	struct wh_foreign_id seen = {0};
	siginfo_t end = {0};
	ssize_t n;

	if (g->pid <= 0)
		return seen;
	wh_closep(&g->handover);
	do
		n = read(g->said, &seen, sizeof(seen));
	while (n < 0 && errno == EINTR);
	while (waitid(P_PID, (id_t)g->pid, &end, WEXITED) < 0 && errno == EINTR)
		;
	/* One that died cannot say that there was nothing. */
	if (end.si_code != CLD_EXITED || end.si_status != 0)
		seen = (struct wh_foreign_id){WH_FOREIGN_UNKNOWN, 0};
	wh_closep(&g->said);
	g->pid = 0;
	return seen;
}

/* ---------------------------------------------------------------- the step's side */

static int build(scmp_filter_ctx f)
{
	uint32_t second = seccomp_arch_native() == SCMP_ARCH_X86_64    ? SCMP_ARCH_X86
			  : seccomp_arch_native() == SCMP_ARCH_AARCH64 ? SCMP_ARCH_ARM
								       : 0;
	int r = second ? seccomp_arch_add(f, second) : 0;

	/* What else there is, the step's own filter judges. */
	if (r == 0)
		r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);
	for (size_t i = 0; r == 0 && i < WH_ARRAY_SIZE(rows); i++) {
		int nr = seccomp_syscall_resolve_name(rows[i].name);

		if (nr != __NR_SCMP_ERROR)
			r = seccomp_rule_add(f, SCMP_ACT_NOTIFY, nr, 0);
	}
	return r;
}

int wh_guard_join(int handover, struct wh_err **err)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	WH_AUTO_FD int program = memfd_create("whittle-guard", MFD_CLOEXEC), listener = -1;
	int r = f && program >= 0 ? build(f) : -ENOMEM;

	if (r == 0)
		r = seccomp_export_bpf(f, program);
	if (f)
		seccomp_release(f);
	if (r < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_INTERNAL, -r, "build the guard's filter");
	listener = wh_seccomp_listen(program, err);
	if (listener < 0)
		return listener;
	r = wh_wire_send(handover, "l", 1, &listener, 1);
	return r < 0 ? wh_err_sys(err, "sandbox", WH_ERR_ENV, -r, "reach the guard") : 0;
}
