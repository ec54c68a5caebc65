/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which capability a call needs, from its arguments and its caller's credentials: one row a call. What modes of files
 * call for is observer_creds.c's. Where it would take the kernel's own state to be sure, a row says yes: a profile with one
 * capability too many starts, one with one too few does not.
 */
#include "sandbox/observer_caps.h"
#include "sandbox/sandbox.h"

#include <errno.h>
#include <linux/net.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>

#define ID_NONE UINT32_MAX
#define MAX_CONTROL ((size_t)4096) /* of a message's */
#define NETLINK_AUDIT 9
#define PORTS_OF_OLD 1024 /* whatever the machine's sysctl says: the next one's may differ */

typedef struct wh_observer obs;
typedef const struct wh_call call;
typedef const struct wh_creds creds;

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
	"MAC_OVERRIDE",
	"MAC_ADMIN",
	"SYSLOG",
	"WAKE_ALARM",
	"BLOCK_SUSPEND",
	"AUDIT_READ",
	"PERFMON",
	"BPF",
	"CHECKPOINT_RESTORE",
};

char *wh_capability_name(unsigned capability)
{
	return wh_asprintf("CAP_%s", names[capability]);
}

int wh_capability_number(const char *name)
{
	for (size_t i = 0; wh_has_prefix(name, "CAP_") && i < WH_ARRAY_SIZE(names); i++)
		if (wh_streq(name + 4, names[i]))
			return (int)i;
	return -1;
}

static void fixed(obs *o, call *c, creds *k, const struct stat *st)
{
	(void)st;
	wh_cap_need(o, c, k, c->need->arg);
}

/* ---------------------------------------------------------------- files */

static void owner(obs *o, call *c, creds *k, const struct stat *st)
{
	if (k->uid[WH_ID_FS] != st->st_uid)
		wh_cap_need(o, c, k, WH_CAP_FOWNER);
}

/* arg: the mode's argument. The set-group-id bit is taken away from whose group it is not. */
static void change_mode(obs *o, call *c, creds *k, const struct stat *st)
{
	owner(o, c, k, st);
	if ((c->args[c->need->arg] & S_ISGID) && !wh_creds_in_group(k, st->st_gid))
		wh_cap_need(o, c, k, WH_CAP_FSETID);
}

/* 32-bit programs have calls with ids of 16 bits: those whose name has no "32". */
static uint32_t id_of(call *c, unsigned arg)
{
	uint32_t id = (uint32_t)c->args[arg];
	bool narrow = c->compat && !wh_has_suffix(c->need->name, "32") && strcmp(c->need->name, "fchownat") != 0;

	return narrow && (id & 0xffff) == 0xffff ? ID_NONE : narrow ? id & 0xffff : id;
}

/* arg: the user's; the group's is the next. */
static void change_owner(obs *o, call *c, creds *k, const struct stat *st)
{
	uint32_t uid = id_of(c, c->need->arg), gid = id_of(c, c->need->arg + 1);
	bool mine = k->uid[WH_ID_FS] == st->st_uid;

	if ((uid != ID_NONE && !(mine && uid == st->st_uid)) ||
	    (gid != ID_NONE && !(mine && (gid == st->st_gid || wh_creds_in_group(k, gid)))))
		wh_cap_need(o, c, k, WH_CAP_CHOWN);
}

/* arg: the times'. Now, for everybody who may write; others, for the owner. */
static void change_times(obs *o, call *c, creds *k, const struct stat *st)
{
	if (k->uid[WH_ID_FS] == st->st_uid)
		return;
	if (c->args[c->need->arg])
		wh_cap_need(o, c, k, WH_CAP_FOWNER);
	else
		wh_cap_modes(o, c, k, st, WH_MAY_WRITE);
}

static bool starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* arg: the name's. */
static void change_xattr(obs *o, call *c, creds *k, const struct stat *st)
{
	char name[PATH_MAX];

	if (wh_task_string(o, c->tid, c->args[c->need->arg], name) < 0)
		return;
	if (strcmp(name, "security.capability") == 0)
		wh_cap_need(o, c, k, WH_CAP_SETFCAP);
	else if (starts(name, "trusted.") || starts(name, "security."))
		wh_cap_need(o, c, k, WH_CAP_SYS_ADMIN);
	else if (starts(name, "system."))
		owner(o, c, k, st);
	else
		wh_cap_modes(o, c, k, st, WH_MAY_WRITE);
	if (S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX) && starts(name, "user."))
		owner(o, c, k, st);
}

static void read_xattr(obs *o, call *c, creds *k, const struct stat *st)
{
	char name[PATH_MAX];

	if (wh_task_string(o, c->tid, c->args[c->need->arg], name) < 0)
		return;
	if (starts(name, "trusted."))
		wh_cap_need(o, c, k, WH_CAP_SYS_ADMIN);
	else if (starts(name, "user."))
		wh_cap_modes(o, c, k, st, WH_MAY_READ);
}

/* arg: the mode's. */
static void ask_access(obs *o, call *c, creds *k, const struct stat *st)
{
	wh_cap_modes(o, c, k, st, (unsigned)c->args[c->need->arg] & 7);
}

static void to_read(obs *o, call *c, creds *k, const struct stat *st)
{
	wh_cap_modes(o, c, k, st, WH_MAY_READ);
}

/* Of another's file: for some only (fs.protected_hardlinks). */
static void link_from(obs *o, call *c, creds *k, const struct stat *st)
{
	owner(o, c, k, st);
}

/* arg: the flags'. */
static void open_flags(obs *o, call *c, creds *k, const struct stat *st)
{
	if (c->args[c->need->arg] & O_NOATIME)
		owner(o, c, k, st);
}

/* arg: the mode's. */
static void make_node(obs *o, call *c, creds *k, const struct stat *st)
{
	mode_t type = c->args[c->need->arg] & S_IFMT;

	(void)st;
	if (type == S_IFCHR || type == S_IFBLK)
		wh_cap_need(o, c, k, WH_CAP_MKNOD);
}

/* ---------------------------------------------------------------- who one is */

enum { GROUPS = 1 };

static unsigned cap_of_ids(call *c)
{
	return c->need->arg & GROUPS ? WH_CAP_SETGID : WH_CAP_SETUID;
}

static bool has_id(const uint32_t *have, unsigned n, uint32_t id)
{
	for (unsigned i = 0; i < n; i++)
		if (have[i] == id)
			return true;
	return id == ID_NONE;
}

static const uint32_t *ids_of(call *c, creds *k)
{
	return c->need->arg & GROUPS ? k->gid : k->uid;
}

/* With the capability it sets all three. */
static void set_id(obs *o, call *c, creds *k, const struct stat *st)
{
	const uint32_t *have = ids_of(c, k);
	uint32_t id = id_of(c, 0);

	(void)st;
	if (id != have[WH_ID_REAL] || id != have[WH_ID_EFFECTIVE] || id != have[WH_ID_SAVED])
		wh_cap_need(o, c, k, cap_of_ids(c));
}

static void set_re_id(obs *o, call *c, creds *k, const struct stat *st)
{
	const uint32_t *have = ids_of(c, k);

	(void)st;
	if (!has_id(have, 2, id_of(c, 0)) || !has_id(have, 3, id_of(c, 1)))
		wh_cap_need(o, c, k, cap_of_ids(c));
}

static void set_res_id(obs *o, call *c, creds *k, const struct stat *st)
{
	const uint32_t *have = ids_of(c, k);

	(void)st;
	for (unsigned i = 0; i < 3; i++)
		if (!has_id(have, 3, id_of(c, i)))
			wh_cap_need(o, c, k, cap_of_ids(c));
}

static void set_fs_id(obs *o, call *c, creds *k, const struct stat *st)
{
	(void)st;
	if (!has_id(ids_of(c, k), 4, id_of(c, 0)))
		wh_cap_need(o, c, k, cap_of_ids(c));
}

/* capset(2): only what is to be inherited and is not held now. */
static void set_caps(obs *o, call *c, creds *k, const struct stat *st)
{
	uint32_t v[6] = {0};
	uint64_t inheritable;

	(void)st;
	if (wh_task_read(o, c->tid, c->args[1], v, sizeof(v)) < 0)
		return;
	inheritable = v[2] | (uint64_t)v[5] << 32;
	if (inheritable & ~(k->inheritable | k->permitted))
		wh_cap_need(o, c, k, WH_CAP_SETPCAP);
}

static void process_control(obs *o, call *c, creds *k, const struct stat *st)
{
	(void)st;
	switch ((int)c->args[0]) {
	case PR_CAPBSET_DROP:
	case PR_SET_SECUREBITS:
		wh_cap_need(o, c, k, WH_CAP_SETPCAP);
		break;
	case PR_SET_SECCOMP:
		if (!k->no_new_privs)
			wh_cap_need(o, c, k, WH_CAP_SYS_ADMIN);
		break;
	case PR_SET_MM:
		wh_cap_need(o, c, k, WH_CAP_SYS_RESOURCE);
		break;
	default:
		break;
	}
}

static void restrict_self(obs *o, call *c, creds *k, const struct stat *st)
{
	(void)st;
	if (!k->no_new_privs)
		wh_cap_need(o, c, k, WH_CAP_SYS_ADMIN);
}

/* ---------------------------------------------------------------- signals */

struct target {
	pid_t inner; /* 0: all */
	uint32_t real, effective;
	bool found, other; /* somebody else's */
};

static bool look_at(void *arg, obs *o, struct wh_task *t)
{
	struct target *g = arg;
	creds *k;

	if (g->inner && wh_task_inner(o, t) != g->inner)
		return true;
	g->found = true;
	k = wh_creds_of(o, t, t->pid);
	g->other = !k || !(g->real == k->uid[WH_ID_REAL] || g->real == k->uid[WH_ID_SAVED] ||
			   g->effective == k->uid[WH_ID_REAL] || g->effective == k->uid[WH_ID_SAVED]);
	return !g->other && !g->inner;
}

/* Is there such a process in the container? Without a /proc that can be asked: perhaps. */
static bool may_exist(obs *o, pid_t inner)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d", (int)inner);
	return wh_place_stat(o, path, &st) == 0 || wh_place_stat(o, "/proc/uptime", &st) < 0;
}

/* pid: in the container's numbers; up to 0: several. */
static void signals(obs *o, call *c, creds *k, pid_t pid)
{
	struct target g = {pid > 0 ? pid : 0, k->uid[WH_ID_REAL], k->uid[WH_ID_EFFECTIVE], false, false};

	if (!wh_creds_has(k, WH_CAP_KILL) || wh_capability_told(o, c->task->record, WH_CAP_KILL) ||
	    (pid > 0 && pid == wh_task_inner(o, c->task)))
		return;
	wh_task_each(o, look_at, &g);
	if (!g.found && g.inner && may_exist(o, pid)) {
		/* It was not heard of since it was forked, so it is somebody's who was. */
		g.inner = 0;
		wh_task_each(o, look_at, &g);
	}
	if (!g.other)
		return;
	k = wh_creds_of(o, c->task, c->tid);
	if (k)
		wh_cap_need(o, c, k, WH_CAP_KILL);
}

static void send_signal(obs *o, call *c, creds *k, const struct stat *st)
{
	(void)st;
	signals(o, c, k, (pid_t)c->args[0]);
}

/* tkill(2): a thread, mostly one of its own. */
static void signal_thread(obs *o, call *c, creds *k, const struct stat *st)
{
	char path[96];
	struct stat task;

	(void)st;
	snprintf(path, sizeof(path), "/proc/%d/task/%d", (int)wh_task_inner(o, c->task), (int)c->args[0]);
	if (wh_place_stat(o, path, &task) < 0)
		signals(o, c, k, (pid_t)c->args[0]);
}

static void signal_any(obs *o, call *c, creds *k, const struct stat *st)
{
	(void)st;
	signals(o, c, k, 0);
}

/* ---------------------------------------------------------------- sockets */

#define BIT(x) (UINT64_C(1) << (x))
#define RAW BIT(WH_CAP_NET_RAW)
#define ADMIN BIT(WH_CAP_NET_ADMIN)

/* Any of them will do, and it depends on the kernel which: all that are held. */
static void any_of(obs *o, call *c, creds *k, uint64_t mask)
{
	for (unsigned i = 0; i < WH_ARRAY_SIZE(names); i++)
		if (mask >> i & 1)
			wh_cap_need(o, c, k, i);
}

static void make_socket(obs *o, call *c, creds *k, const struct stat *st)
{
	int family = (int)c->args[0], type = (int)c->args[1] & 0xf, protocol = (int)c->args[2];

	(void)st;
	switch (family) {
	case AF_INET:
	case AF_INET6:
		if (type == SOCK_RAW || type == SOCK_PACKET)
			any_of(o, c, k, RAW);
		break;
	case AF_PACKET:
	case AF_XDP:
		any_of(o, c, k, RAW);
		break;
	case AF_NETLINK: /* what it is for, messages tell that may have no address */
		if (protocol == NETLINK_AUDIT)
			any_of(o, c, k, BIT(WH_CAP_AUDIT_WRITE) | BIT(WH_CAP_AUDIT_CONTROL) | BIT(WH_CAP_AUDIT_READ));
		else
			any_of(o, c, k, ADMIN);
		break;
	case AF_KEY:
		any_of(o, c, k, ADMIN);
		break;
	case AF_BLUETOOTH:
		if (type == SOCK_RAW)
			any_of(o, c, k, RAW | ADMIN);
		break;
	default:
		break;
	}
}

static void socket_option(obs *o, call *c, creds *k, const struct stat *st)
{
	static const struct {
		int level, from, to;
		uint64_t need;
	} options[] = {
		{SOL_SOCKET, SO_DEBUG, SO_DEBUG, ADMIN},
		{SOL_SOCKET, SO_PRIORITY, SO_PRIORITY, RAW | ADMIN},
		{SOL_SOCKET, SO_BINDTODEVICE, SO_BINDTODEVICE, RAW},
		{SOL_SOCKET, SO_SNDBUFFORCE, SO_RCVBUFFORCE, ADMIN},
		{SOL_SOCKET, SO_MARK, SO_MARK, RAW | ADMIN},
		{SOL_SOCKET, 46, 46, ADMIN},       /* SO_BUSY_POLL */
		{SOL_SOCKET, 61, 61, ADMIN},       /* SO_TXTIME */
		{SOL_SOCKET, 62, 62, RAW},         /* SO_BINDTOIFINDEX */
		{SOL_SOCKET, 69, 70, ADMIN},       /* SO_PREFER_BUSY_POLL, SO_BUSY_POLL_BUDGET */
		{SOL_SOCKET, 75, 75, RAW | ADMIN}, /* SO_RCVMARK */
		{SOL_IP, IP_IPSEC_POLICY, IP_XFRM_POLICY, ADMIN},
		{SOL_IP, IP_TRANSPARENT, IP_TRANSPARENT, RAW | ADMIN},
		{SOL_IP, 64, 255, ADMIN}, /* tables, multicast routing */
		{SOL_IPV6, 3, 6, RAW},    /* headers, as RFC 2292 has them */
		{SOL_IPV6, 9, 9, RAW},
		{SOL_IPV6, IPV6_IPSEC_POLICY, IPV6_XFRM_POLICY, ADMIN},
		{SOL_IPV6, IPV6_HOPOPTS, IPV6_DSTOPTS, RAW},
		{SOL_IPV6, 64, 65, ADMIN},
		{SOL_IPV6, IPV6_TRANSPARENT, IPV6_TRANSPARENT, RAW | ADMIN},
		{SOL_IPV6, 200, 255, ADMIN},
		{IPPROTO_TCP, 13, 13, ADMIN},                     /* TCP_CONGESTION */
		{IPPROTO_TCP, 19, 19, ADMIN},                     /* TCP_REPAIR */
		{270, 1, 255, ADMIN | BIT(WH_CAP_NET_BROADCAST)}, /* SOL_NETLINK */
	};
	int level = (int)c->args[1], name = (int)c->args[2], value = 0;

	(void)st;
	if (level == SOL_SOCKET && name == SO_PRIORITY &&
	    wh_task_read(o, c->tid, c->args[3], &value, sizeof(value)) == 0 && value >= 0 && value <= 6)
		return;
	for (size_t i = 0; i < WH_ARRAY_SIZE(options); i++)
		if (level == options[i].level && name >= options[i].from && name <= options[i].to)
			any_of(o, c, k, options[i].need);
}

void wh_cap_port(obs *o, call *c, uint16_t port)
{
	creds *k = port && port < PORTS_OF_OLD ? wh_creds_of(o, c->task, c->tid) : NULL;

	if (k)
		wh_cap_need(o, c, k, WH_CAP_NET_BIND_SERVICE);
}

/* In somebody else's name (SCM_CREDENTIALS). */
static void speaks_for(obs *o, call *c, creds *k, const uint32_t ucred[3])
{
	if (ucred[0] && (pid_t)ucred[0] != wh_task_inner(o, c->task))
		wh_cap_need(o, c, k, WH_CAP_SYS_ADMIN);
	if (!has_id(k->uid, 3, ucred[1]))
		wh_cap_need(o, c, k, WH_CAP_SETUID);
	if (!has_id(k->gid, 3, ucred[2]))
		wh_cap_need(o, c, k, WH_CAP_SETGID);
}

void wh_cap_control(obs *o, call *c, uint64_t addr, uint64_t len)
{
	const size_t word = c->compat ? 4 : 8, head = word + 8;
	creds *k = addr && len >= head ? wh_creds_of(o, c->task, c->tid) : NULL;
	unsigned char control[MAX_CONTROL];
	size_t n = len < sizeof(control) ? (size_t)len : sizeof(control);

	if (!k || !k->effective || wh_task_read(o, c->tid, addr, control, n) < 0)
		return;
	for (size_t at = 0; at + head <= n;) {
		uint64_t size = 0;
		uint32_t kind[2], ucred[3];

		memcpy(&size, control + at, word);
		memcpy(kind, control + at + word, sizeof(kind));
		if (size < head || size > n - at)
			return;
		if (kind[0] == SOL_SOCKET && kind[1] == SCM_CREDENTIALS && size >= head + sizeof(ucred)) {
			memcpy(ucred, control + at + head, sizeof(ucred));
			speaks_for(o, c, k, ucred);
		}
		at += ((size_t)size + word - 1) / word * word;
	}
}

/* ---------------------------------------------------------------- the rest */

/* arg: the clock's. */
static void set_clock(obs *o, call *c, creds *k, const struct stat *st)
{
	clockid_t clock = (clockid_t)c->args[0];

	(void)st;
	if (clock == CLOCK_REALTIME_ALARM || clock == CLOCK_BOOTTIME_ALARM)
		wh_cap_need(o, c, k, WH_CAP_WAKE_ALARM);
}

/* Only where there is a new limit. arg: its argument. */
static void set_limit(obs *o, call *c, creds *k, const struct stat *st)
{
	(void)st;
	if (c->args[c->need->arg])
		wh_cap_need(o, c, k, WH_CAP_SYS_RESOURCE);
}

static void file_control(obs *o, call *c, creds *k, const struct stat *st)
{
	(void)st;
	switch ((int)c->args[1]) {
	case F_SETFL:
		if (c->args[2] & O_NOATIME)
			wh_cap_need(o, c, k, WH_CAP_FOWNER);
		break;
	case F_SETLEASE:
		wh_cap_need(o, c, k, WH_CAP_LEASE);
		break;
	case F_SETPIPE_SZ:
		wh_cap_need(o, c, k, WH_CAP_SYS_RESOURCE);
		break;
	default:
		break;
	}
}

static void device_control(obs *o, call *c, creds *k, const struct stat *st)
{
	static const struct {
		uint32_t from, to;
		uint64_t need;
	} requests[] = {
		{0x40086602, 0x40086602, BIT(WH_CAP_LINUX_IMMUTABLE) | BIT(WH_CAP_FOWNER)}, /* FS_IOC_SETFLAGS */
		{0x40046602, 0x40046602, BIT(WH_CAP_LINUX_IMMUTABLE) | BIT(WH_CAP_FOWNER)}, /* of 32-bit programs */
		{0x401c5820, 0x401c5820, BIT(WH_CAP_LINUX_IMMUTABLE) | BIT(WH_CAP_FOWNER)}, /* FS_IOC_FSSETXATTR */
		{0x4b00, 0x4bff, BIT(WH_CAP_SYS_TTY_CONFIG)},                               /* the console */
		{0x5600, 0x56ff, BIT(WH_CAP_SYS_TTY_CONFIG)},
		{0x540e, 0x540e, BIT(WH_CAP_SYS_ADMIN)}, /* TIOCSCTTY of another's terminal */
		{0x5412, 0x5412, BIT(WH_CAP_SYS_ADMIN)}, /* TIOCSTI */
		{0x541d, 0x541d, BIT(WH_CAP_SYS_ADMIN)}, /* TIOCCONS */
		{0x890b, 0x890c, ADMIN},                 /* routes */
		{0x8914, 0x8914, ADMIN},                 /* interfaces: flags, addresses, … */
		{0x8916, 0x8916, ADMIN},
		{0x8918, 0x8918, ADMIN},
		{0x891a, 0x891a, ADMIN},
		{0x891c, 0x891c, ADMIN},
		{0x891e, 0x891e, ADMIN},
		{0x8922, 0x8926, ADMIN},
		{0x8928, 0x8932, ADMIN},
		{0x8934, 0x8937, ADMIN},
		{0x8943, 0x8943, ADMIN},
		{0x8946, 0x89ff, ADMIN},
		{0x400454ca, 0x400454ca, ADMIN}, /* TUNSETIFF */
	};

	(void)st;
	for (size_t i = 0; i < WH_ARRAY_SIZE(requests); i++)
		if ((uint32_t)c->args[1] >= requests[i].from && (uint32_t)c->args[1] <= requests[i].to)
			any_of(o, c, k, requests[i].need);
}

/* clang-format off */
static const struct wh_need needs[] = {
	/* name, what, argument, of a path or descriptor's file, credentials change */
	{"open", open_flags, 1, true, false},
	{"openat", open_flags, 2, true, false},
	{"chmod", change_mode, 1, true, false},
	{"fchmod", change_mode, 1, true, false},
	{"fchmodat", change_mode, 2, true, false},
	{"fchmodat2", change_mode, 2, true, false},
	{"chown", change_owner, 1, true, false},
	{"chown32", change_owner, 1, true, false},
	{"lchown", change_owner, 1, true, false},
	{"lchown32", change_owner, 1, true, false},
	{"fchown", change_owner, 1, true, false},
	{"fchown32", change_owner, 1, true, false},
	{"fchownat", change_owner, 2, true, false},
	{"utime", change_times, 1, true, false},
	{"utimes", change_times, 1, true, false},
	{"futimesat", change_times, 2, true, false},
	{"utimensat", change_times, 2, true, false},
	{"utimensat_time64", change_times, 2, true, false},
	{"setxattr", change_xattr, 1, true, false},
	{"lsetxattr", change_xattr, 1, true, false},
	{"fsetxattr", change_xattr, 1, true, false},
	{"setxattrat", change_xattr, 3, true, false},
	{"removexattr", change_xattr, 1, true, false},
	{"lremovexattr", change_xattr, 1, true, false},
	{"fremovexattr", change_xattr, 1, true, false},
	{"removexattrat", change_xattr, 3, true, false},
	{"getxattr", read_xattr, 1, true, false},
	{"lgetxattr", read_xattr, 1, true, false},
	{"getxattrat", read_xattr, 3, true, false},
	{"access", ask_access, 1, true, false},
	{"faccessat", ask_access, 2, true, false},
	{"faccessat2", ask_access, 2, true, false},
	{"inotify_add_watch", to_read, 0, true, false},
	{"link", link_from, 0, true, false},
	{"linkat", link_from, 0, true, false},
	{"mknod", make_node, 1, false, false},
	{"mknodat", make_node, 2, false, false},
	{"chroot", fixed, WH_CAP_SYS_CHROOT, false, false},
	{"setuid", set_id, 0, false, true},
	{"setuid32", set_id, 0, false, true},
	{"setgid", set_id, GROUPS, false, true},
	{"setgid32", set_id, GROUPS, false, true},
	{"setreuid", set_re_id, 0, false, true},
	{"setreuid32", set_re_id, 0, false, true},
	{"setregid", set_re_id, GROUPS, false, true},
	{"setregid32", set_re_id, GROUPS, false, true},
	{"setresuid", set_res_id, 0, false, true},
	{"setresuid32", set_res_id, 0, false, true},
	{"setresgid", set_res_id, GROUPS, false, true},
	{"setresgid32", set_res_id, GROUPS, false, true},
	{"setfsuid", set_fs_id, 0, false, true},
	{"setfsuid32", set_fs_id, 0, false, true},
	{"setfsgid", set_fs_id, GROUPS, false, true},
	{"setfsgid32", set_fs_id, GROUPS, false, true},
	{"setgroups", fixed, WH_CAP_SETGID, false, true},
	{"setgroups32", fixed, WH_CAP_SETGID, false, true},
	{"capset", set_caps, 0, false, true},
	{"execve", NULL, 0, false, true},
	{"execveat", NULL, 0, false, true},
	{"prctl", process_control, 0, false, false},
	{"seccomp", restrict_self, 0, false, false},
	{"landlock_restrict_self", restrict_self, 0, false, false},
	{"kill", send_signal, 0, false, false},
	{"tgkill", send_signal, 0, false, false},
	{"rt_sigqueueinfo", send_signal, 0, false, false},
	{"rt_tgsigqueueinfo", send_signal, 0, false, false},
	{"tkill", signal_thread, 0, false, false},
	{"pidfd_send_signal", signal_any, 0, false, false},
	{"socket", make_socket, 0, false, false},
	{"setsockopt", socket_option, 0, false, false},
	{"mlock", fixed, WH_CAP_IPC_LOCK, false, false},
	{"mlock2", fixed, WH_CAP_IPC_LOCK, false, false},
	{"mlockall", fixed, WH_CAP_IPC_LOCK, false, false},
	{"shmat", fixed, WH_CAP_IPC_OWNER, false, false},
	{"shmctl", fixed, WH_CAP_IPC_OWNER, false, false},
	{"semop", fixed, WH_CAP_IPC_OWNER, false, false},
	{"semtimedop", fixed, WH_CAP_IPC_OWNER, false, false},
	{"semtimedop_time64", fixed, WH_CAP_IPC_OWNER, false, false},
	{"semctl", fixed, WH_CAP_IPC_OWNER, false, false},
	{"msgsnd", fixed, WH_CAP_IPC_OWNER, false, false},
	{"msgrcv", fixed, WH_CAP_IPC_OWNER, false, false},
	{"msgctl", fixed, WH_CAP_IPC_OWNER, false, false},
	{"ipc", fixed, WH_CAP_IPC_OWNER, false, false},
	{"ptrace", fixed, WH_CAP_SYS_PTRACE, false, false},
	{"process_vm_readv", fixed, WH_CAP_SYS_PTRACE, false, false},
	{"process_vm_writev", fixed, WH_CAP_SYS_PTRACE, false, false},
	{"process_mrelease", fixed, WH_CAP_SYS_PTRACE, false, false},
	{"sched_setaffinity", fixed, WH_CAP_SYS_NICE, false, false},
	{"sched_setscheduler", fixed, WH_CAP_SYS_NICE, false, false},
	{"sched_setparam", fixed, WH_CAP_SYS_NICE, false, false},
	{"sched_setattr", fixed, WH_CAP_SYS_NICE, false, false},
	{"setpriority", fixed, WH_CAP_SYS_NICE, false, false},
	{"nice", fixed, WH_CAP_SYS_NICE, false, false},
	{"ioprio_set", fixed, WH_CAP_SYS_NICE, false, false},
	{"setrlimit", set_limit, 1, false, false},
	{"prlimit64", set_limit, 2, false, false},
	{"adjtimex", fixed, WH_CAP_SYS_TIME, false, false},
	{"clock_adjtime", fixed, WH_CAP_SYS_TIME, false, false},
	{"clock_adjtime64", fixed, WH_CAP_SYS_TIME, false, false},
	{"timer_create", set_clock, 0, false, false},
	{"timerfd_create", set_clock, 0, false, false},
	{"fcntl", file_control, 0, false, false},
	{"ioctl", device_control, 0, false, false},
};
/* clang-format on */

const struct wh_need *wh_need_find(const char *name)
{
	for (size_t i = 0; i < WH_ARRAY_SIZE(needs); i++)
		if (strcmp(needs[i].name, name) == 0)
			return &needs[i];
	return NULL;
}

void wh_cap_call(obs *o, call *c, const struct stat *st)
{
	creds *k;

	if (!c->need || !c->need->fn || c->need->of_path != (st != NULL))
		return;
	k = wh_creds_of(o, c->task, c->tid);
	if (k && k->effective)
		c->need->fn(o, c, k, st);
}

void wh_need_done(obs *o, call *c)
{
	bool no_new_privs = c->need->fn == process_control && (int)c->args[0] == PR_SET_NO_NEW_PRIVS;

	if (!c->need->fn)
		wh_creds_replace(c->task);
	else if (c->need->changes || no_new_privs)
		wh_creds_change(o, c->task);
}

/* What has no name in the root is opened all the same: a pipe by /dev/stdout. */
void wh_cap_object(obs *o, call *c, unsigned access, const struct stat *st)
{
	creds *k = wh_creds_of(o, c->task, c->tid);

	if (k)
		wh_cap_modes(o, c, k, st,
			     (access & WH_ACCESS_READ ? WH_MAY_READ : 0) |
				     (access & WH_ACCESS_WRITE ? WH_MAY_WRITE : 0));
}
