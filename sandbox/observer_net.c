/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets: what is bound, connected to and sent to. An address of the Internet's is a record of its own; which protocol it
 * is for, a copy of the caller's socket tells. A UNIX address with a path is a path like any other.
 */
#include "sandbox/supervisor_table.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/net.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#define MAX_MESSAGES 1024U /* UIO_MAXIOV: the kernel sends no more in one call */

union address {
	struct sockaddr_storage any;
	struct sockaddr sa;
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
	struct sockaddr_un un;
};

/* What a call does with an address. */
struct deed {
	enum wh_obs_kind kind; /* BOUND, PEER */
	int fd;
};

static void protocol_of(int fd, char *out, size_t n)
{
	static const struct {
		int number;
		const char *name;
	} names[] = {
		{IPPROTO_TCP, "tcp"},         {IPPROTO_UDP, "udp"},   {IPPROTO_MPTCP, "tcp"}, {IPPROTO_SCTP, "sctp"},
		{IPPROTO_UDPLITE, "udplite"}, {IPPROTO_DCCP, "dccp"}, {IPPROTO_ICMP, "icmp"}, {IPPROTO_ICMPV6, "icmp"},
	};
	int protocol = 0, type = 0;
	socklen_t len = sizeof(int), len2 = sizeof(int);

	getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len);
	getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len2);
	snprintf(out, n, "%s-%d", type == SOCK_RAW ? "raw" : "ip", protocol);
	for (size_t i = 0; type != SOCK_RAW && i < WH_ARRAY_SIZE(names); i++)
		if (names[i].number == protocol)
			snprintf(out, n, "%s", names[i].name);
}

/* The family of an IP socket, 0 of any other thing; and its protocol. */
static int family_of(int fd, char *protocol, size_t n)
{
	int family = 0;
	socklen_t len = sizeof(family);

	if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0 || (family != AF_INET && family != AF_INET6))
		return 0;
	protocol_of(fd, protocol, n);
	return family;
}

static void record(struct wh_observer *o, const struct wh_call *c, enum wh_obs_kind kind, const char *protocol,
		   const union address *a)
{
	char text[INET6_ADDRSTRLEN];
	bool six = a->sa.sa_family == AF_INET6;
	const void *address = six ? (const void *)&a->in6.sin6_addr : &a->in4.sin_addr;

	uint16_t port = ntohs(six ? a->in6.sin6_port : a->in4.sin_port);

	if (!inet_ntop(a->sa.sa_family, address, text, sizeof(text)))
		return;
	wh_endpoint(o, kind, c->task->record, protocol, text, port);
	if (kind == WH_OBS_BOUND)
		wh_cap_port(o, c, port);
}

static void see_ip(struct wh_observer *o, const struct wh_call *c, const struct deed *d, const union address *a)
{
	WH_AUTO_FD int fd = wh_task_descriptor(o, c, d->fd);
	char protocol[32];

	if (fd < 0) {
		if (fd != -EBADF && fd != -ESRCH)
			wh_observer_lost(o);
		return;
	}
	if (wh_call_holds(o, c) && family_of(fd, protocol, sizeof(protocol)))
		record(o, c, d->kind, protocol, a);
}

static void see_unix(struct wh_observer *o, const struct wh_call *c, const struct deed *d, const union address *a,
		     size_t len)
{
	WH_AUTO_FOUND struct wh_found f = WH_FOUND_INIT;
	const size_t head = offsetof(struct sockaddr_un, sun_path);
	struct wh_named n;
	int r;

	if (len <= head || !a->un.sun_path[0])
		return;
	if (len > sizeof(a->un))
		len = sizeof(a->un);
	snprintf(n.path, sizeof(n.path), "%.*s", (int)(len - head), a->un.sun_path);
	r = wh_place_start(o, c, AT_FDCWD, n.path, &n.start);
	if (r < 0) {
		wh_call_failed(o, r);
		return;
	}
	if (!wh_call_holds(o, c))
		return;
	if (d->kind == WH_OBS_BOUND)
		wh_call_made(o, c, &n, false);
	else
		wh_call_note(o, c, wh_call_walk(o, c, &n.start, n.path, true, &f), WH_ACCESS_SOCKET, &f);
}

static void see_address(struct wh_observer *o, const struct wh_call *c, const struct deed *d, uint64_t addr,
			uint64_t len)
{
	union address a = {.any = {0}};
	int r;

	if (!addr || len < sizeof(a.sa.sa_family) || len > sizeof(a.any))
		return; /* for the kernel it is none either */
	r = wh_task_read(o, c->tid, addr, &a, (size_t)len);
	if (r < 0) {
		wh_call_failed(o, r);
		return;
	}
	/* bind(2) takes an address without a family for one of IPv4. */
	if (a.sa.sa_family == AF_UNSPEC && d->kind == WH_OBS_BOUND && len >= sizeof(a.in4))
		a.sa.sa_family = AF_INET;
	if (a.sa.sa_family == AF_UNIX)
		see_unix(o, c, d, &a, (size_t)len);
	else if ((a.sa.sa_family == AF_INET && len >= sizeof(a.in4)) ||
		 (a.sa.sa_family == AF_INET6 && len >= offsetof(struct sockaddr_in6, sin6_scope_id)))
		see_ip(o, c, d, &a);
}

void wh_see_bind(struct wh_observer *o, const struct wh_row *row, struct wh_call *c)
{
	see_address(o, c, &(struct deed){WH_OBS_BOUND, (int)c->args[0]}, c->args[row->path],
		    (uint32_t)c->args[row->flags]);
}

/* And sendto(2), which has the same in other places. */
void wh_see_connect(struct wh_observer *o, const struct wh_row *row, struct wh_call *c)
{
	see_address(o, c, &(struct deed){WH_OBS_PEER, (int)c->args[0]}, c->args[row->path],
		    (uint32_t)c->args[row->flags]);
}

/* One that was not bound gets a port from the kernel. */
void wh_see_listen(struct wh_observer *o, const struct wh_row *row, struct wh_call *c)
{
	WH_AUTO_FD int fd = wh_task_descriptor(o, c, (int)c->args[0]);
	union address a = {.any = {0}};
	socklen_t len = sizeof(a.any);
	char protocol[32];

	(void)row;
	if (fd < 0) {
		if (fd != -EBADF && fd != -ESRCH)
			wh_observer_lost(o);
		return;
	}
	/* sin_port and sin6_port are in the same place. */
	if (wh_call_holds(o, c) && family_of(fd, protocol, sizeof(protocol)) && getsockname(fd, &a.sa, &len) == 0 &&
	    !a.in4.sin_port)
		record(o, c, WH_OBS_BOUND, protocol, &a);
}

/* ---------------------------------------------------------------- messages */

/* struct msghdr as 32-bit programs have it. */
struct narrow_msghdr {
	uint32_t name, namelen, iov, iovlen, control, controllen, flags;
};
/* One of sendmmsg's. */
union message {
	struct {
		struct msghdr head;
		uint64_t len;
	} wide;
	struct {
		struct narrow_msghdr head;
		uint32_t len;
	} narrow;
};

static void see_head(struct wh_observer *o, const struct wh_call *c, int fd, const union message *m)
{
	uint64_t name = c->compat ? m->narrow.head.name : (uintptr_t)m->wide.head.msg_name;
	uint32_t len = c->compat ? m->narrow.head.namelen : m->wide.head.msg_namelen;

	/* What is too long is cut here, unlike everywhere else. */
	if (len > sizeof(struct sockaddr_storage))
		len = sizeof(struct sockaddr_storage);
	see_address(o, c, &(struct deed){WH_OBS_PEER, fd}, name, len);
	if (c->compat)
		wh_cap_control(o, c, m->narrow.head.control, m->narrow.head.controllen);
	else
		wh_cap_control(o, c, (uintptr_t)m->wide.head.msg_control, m->wide.head.msg_controllen);
}

static void see_messages(struct wh_observer *o, const struct wh_call *c, int fd, uint64_t at, uint32_t n, size_t size)
{
	union message m;

	for (uint32_t i = 0; i < n && i < MAX_MESSAGES; i++) {
		int r = wh_task_read(o, c->tid, at + i * (uint64_t)size, &m, size);

		if (r < 0) {
			wh_call_failed(o, r);
			return;
		}
		see_head(o, c, fd, &m);
	}
}

void wh_see_sendmsg(struct wh_observer *o, const struct wh_row *row, struct wh_call *c)
{
	see_messages(o, c, (int)c->args[0], c->args[row->path], 1,
		     c->compat ? sizeof(struct narrow_msghdr) : sizeof(struct msghdr));
}

void wh_see_sendmmsg(struct wh_observer *o, const struct wh_row *row, struct wh_call *c)
{
	const union message *m = NULL;

	see_messages(o, c, (int)c->args[0], c->args[row->path], (uint32_t)c->args[row->flags],
		     c->compat ? sizeof(m->narrow) : sizeof(m->wide));
}

/* ---------------------------------------------------------------- socketcall */

/* All of these as one call of 32-bit programs: (number, pointer to the arguments). */
void wh_see_socketcall(struct wh_observer *o, const struct wh_row *row, struct wh_call *c)
{
	static const struct {
		unsigned number, args;
		const char *name;
	} calls[] = {
		{SYS_SOCKET, 3, "socket"},   {SYS_BIND, 3, "bind"},         {SYS_CONNECT, 3, "connect"},
		{SYS_LISTEN, 2, "listen"},   {SYS_SENDTO, 6, "sendto"},     {SYS_SETSOCKOPT, 5, "setsockopt"},
		{SYS_SENDMSG, 3, "sendmsg"}, {SYS_SENDMMSG, 4, "sendmmsg"},
	};
	struct wh_call real = *c;
	uint32_t narrow[6];

	(void)row;
	for (size_t i = 0; i < WH_ARRAY_SIZE(calls); i++) {
		const struct wh_row *is;
		int r;

		if (calls[i].number != (uint32_t)c->args[0])
			continue;
		r = wh_task_read(o, c->tid, c->args[1], narrow, calls[i].args * sizeof(narrow[0]));
		if (r < 0) {
			wh_call_failed(o, r);
			return;
		}
		for (unsigned j = 0; j < calls[i].args; j++)
			real.args[j] = narrow[j];
		is = wh_table_find(calls[i].name);
		real.need = wh_need_find(calls[i].name);
		if (is)
			is->see(o, is, &real);
		wh_cap_call(o, &real, NULL);
		return;
	}
}
