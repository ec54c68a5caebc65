/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ports of a container, without a change to the host's network.
 *
 *   client ──▶ listener, made in the host's network ──▶ relay ──▶ 127.0.0.1:PORT, else [::1]:PORT, in the container's
 *
 * The relay is a process whose sockets come from two networks: it has its listeners from before it entered the
 * container's. One epoll loop; of each direction of a connection 64 KiB at most are held, and a side that has nothing
 * to say or to take is not watched. TCP ends are handed on one by one (half-close), resets as resets. A UDP client
 * has a socket of its own inside, until it was silent for 90 seconds.
 */
#include "sandbox/step.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#define ROOM ((size_t)64 << 10)
#define ACCEPT_AT_ONCE 64
#define UDP_IDLE_NS ((uint64_t)90 * 1000000000)
#define UDP_BUCKETS 256
#define MAX_UDP_CLIENTS 4096
#define FREE_TRIES 20

struct listener {
	int fds[2]; /* IPv4, IPv6; -1: none */
	uint16_t host, container;
	bool udp;
};

struct wh_ports {
	struct listener *v;
	size_t n;
	pid_t pid; /* of the relay; 0: not yet */
};

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

/* ---------------------------------------------------------------- listening */

static socklen_t address_of(int family, const char *text, uint16_t port, union address *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->any.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		ret->v4.sin_port = htons(port);
		return !text || inet_pton(AF_INET, text, &ret->v4.sin_addr) == 1 ? sizeof(ret->v4) : 0;
	}
	ret->v6.sin6_port = htons(port);
	return !text || inet_pton(AF_INET6, text, &ret->v6.sin6_addr) == 1 ? sizeof(ret->v6) : 0;
}

/* fd or -errno. */
static int listen_on(int family, const char *text, uint16_t port, bool udp)
{
	const int type = (udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, on = 1;
	WH_AUTO_FD int fd = -1;
	union address a;
	socklen_t len = address_of(family, text, port, &a);

	if (!len)
		return -EAFNOSUPPORT;
	fd = socket(family, type, 0);
	if (fd < 0)
		return -errno;
	if (!udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	if (bind(fd, &a.any, len) < 0 || (!udp && listen(fd, 1024) < 0))
		return -errno;
	return WH_TAKE_FD(fd);
}

static uint16_t port_of(int fd)
{
	union address a = {0};
	socklen_t len = sizeof(a);

	if (getsockname(fd, &a.any, &len) < 0)
		return 0;
	return ntohs(a.any.sa_family == AF_INET ? a.v4.sin_port : a.v6.sin6_port);
}

static bool no_such_family(int r)
{
	return r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL || r == -EPROTONOSUPPORT;
}

/* On one address, or by both families. */
static int listen_both(const struct wh_port *p, uint16_t port, struct listener *l)
{
	bool v6 = p->address && strchr(p->address, ':');
	int r = 0;

	l->fds[0] = l->fds[1] = -1;
	if (!v6)
		r = l->fds[0] = listen_on(AF_INET, p->address, port, p->udp);
	if (r >= 0 && l->fds[0] >= 0)
		port = port_of(l->fds[0]);
	if (r >= 0 && (v6 || !p->address)) {
		r = l->fds[1] = listen_on(AF_INET6, p->address, port, p->udp);
		if (r < 0 && !p->address && no_such_family(r)) {
			l->fds[1] = -1;
			r = 0;
		}
	}
	if (r < 0) {
		for (int i = 0; i < 2; i++)
			if (l->fds[i] >= 0)
				close(l->fds[i]);
		l->fds[0] = l->fds[1] = -1;
		return r;
	}
	l->host = l->fds[0] >= 0 ? port : port_of(l->fds[1]);
	return 0;
}

static int refuse(const struct wh_port *p, int r, struct wh_err **err)
{
	const char *kind = p->udp ? "udp" : "tcp", *at = p->address ? p->address : "this host";

	switch (-r) {
	case EADDRINUSE:
		wh_err_set(err, "sandbox", WH_ERR_BUILD, EADDRINUSE, "port %u/%s of %s is taken", p->host, kind, at);
		wh_err_hint(err, "choose another one, or none for one that is free: -p %u", p->container);
		return r;
	case EACCES:
		wh_err_set(err, "sandbox", WH_ERR_BUILD, EACCES, "port %u/%s of %s: only root may listen there",
			   p->host, kind, at);
		wh_err_hint(err, "choose one from 1024 on, or: sudo sysctl net.ipv4.ip_unprivileged_port_start=%u",
			    p->host);
		return r;
	case EADDRNOTAVAIL:
		return wh_err_set(err, "sandbox", WH_ERR_BUILD, EADDRNOTAVAIL, "%s is no address of this host", at);
	default:
		return wh_err_sys(err, "sandbox", WH_ERR_BUILD, -r, "listen on port %u/%s of %s", p->host, kind, at);
	}
}

int wh_ports_open(const struct wh_port *v, size_t n, struct wh_ports **ret, struct wh_err **err)
{
	struct wh_ports *p = wh_calloc(1, sizeof(*p));

	p->v = wh_calloc(n + 1, sizeof(*p->v));
	for (size_t i = 0; i < n; i++) {
		struct listener *l = &p->v[p->n];
		int r = -EADDRINUSE;

		/* A free port of one family need not be one of the other. */
		for (int tries = 0; r == -EADDRINUSE && tries < (v[i].host ? 1 : FREE_TRIES); tries++)
			r = listen_both(&v[i], v[i].host, l);
		if (r < 0) {
			refuse(&v[i], r, err);
			wh_ports_free(p);
			return r;
		}
		l->container = v[i].container;
		l->udp = v[i].udp;
		p->n++;
	}
	*ret = p;
	return 0;
}

uint16_t wh_ports_host(const struct wh_ports *p, size_t i)
{
	return p->v[i].host;
}

void wh_ports_free(struct wh_ports *p)
{
	if (!p)
		return;
	if (p->pid > 0) {
		kill(p->pid, SIGKILL);
		while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	for (size_t i = 0; i < p->n; i++)
		for (int k = 0; k < 2; k++)
			wh_closep(&p->v[i].fds[k]);
	free(p->v);
	free(p);
}

/* ---------------------------------------------------------------- the relay */

enum kind { LISTENER, CLIENT, INSIDE, UDP_INSIDE };
struct watch { /* of one descriptor */
	enum kind kind;
	int fd;
	uint32_t events; /* asked for; 0: not in the set */
	void *of;
};

struct flow { /* one direction */
	char *held;
	size_t at, n;
	bool ended; /* no more to read */
	bool shut;  /* and that was told */
};

struct conn {
	struct conn *next_dead;
	struct watch client, inside;
	struct flow in, out; /* client to inside, and back */
	uint16_t port;
	bool connecting, v6, dead;
};

struct udp_client {
	struct udp_client *next; /* in its bucket */
	struct udp_client *next_dead;
	struct watch inside;
	const struct watch *listener;
	union address from;
	uint64_t last;
	uint16_t port;
	bool v6;
};

struct relay {
	int epoll;
	struct watch *listeners;
	size_t n_listeners;
	struct udp_client *udp[UDP_BUCKETS];
	size_t n_udp;
	struct conn *dead;
	struct udp_client *dead_udp;
	bool full; /* no descriptors left: nobody is accepted until one is closed */
	char *part;
};

static void want(struct relay *r, struct watch *w, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = w};

	if (w->events == events || w->fd < 0)
		return;
	/* What is asked for nothing would still tell of its end, again and again. */
	epoll_ctl(r->epoll, !events ? EPOLL_CTL_DEL : w->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, w->fd, &e);
	w->events = events;
}

static void accept_again(struct relay *r)
{
	if (!r->full)
		return;
	r->full = false;
	for (size_t i = 0; i < r->n_listeners; i++)
		want(r, &r->listeners[i], EPOLLIN);
}

/* reset: the client shall know that it was no orderly end. */
static void end_conn(struct relay *r, struct conn *c, bool reset)
{
	const struct linger hard = {.l_onoff = 1};

	if (c->dead)
		return;
	if (reset) {
		setsockopt(c->client.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
		if (c->inside.fd >= 0)
			setsockopt(c->inside.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	}
	wh_closep(&c->client.fd);
	wh_closep(&c->inside.fd);
	free(c->in.held);
	free(c->out.held);
	c->dead = true;
	c->next_dead = r->dead;
	r->dead = c;
	accept_again(r);
}

static int dial(uint16_t port, bool v6, int type)
{
	WH_AUTO_FD int fd = socket(v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;
	union address a;
	socklen_t len = address_of(v6 ? AF_INET6 : AF_INET, v6 ? "::1" : "127.0.0.1", port, &a);

	if (fd < 0)
		return -errno;
	if (type == SOCK_STREAM)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, &a.any, len) < 0 && errno != EINPROGRESS)
		return -errno;
	return WH_TAKE_FD(fd);
}

/* The next address; false when there is none. */
static bool connect_inside(struct relay *r, struct conn *c)
{
	int fd = dial(c->port, c->v6, SOCK_STREAM);

	if (fd < 0 && !c->v6) {
		c->v6 = true;
		fd = dial(c->port, true, SOCK_STREAM);
	}
	if (fd < 0)
		return false;
	c->inside = (struct watch){.kind = INSIDE, .fd = fd, .of = c};
	c->connecting = true;
	want(r, &c->inside, EPOLLOUT);
	return true;
}

static void accept_one(struct relay *r, int fd, uint16_t port)
{
	struct conn *c = wh_calloc(1, sizeof(*c));
	const int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	c->port = port;
	c->client = (struct watch){.kind = CLIENT, .fd = fd, .of = c};
	c->inside.fd = -1;
	if (!connect_inside(r, c))
		end_conn(r, c, true);
}

static void on_listener(struct relay *r, struct watch *w)
{
	const struct listener *l = w->of;

	for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
		int fd = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			accept_one(r, fd, l->container);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			r->full = true;
			for (size_t k = 0; k < r->n_listeners; k++)
				want(r, &r->listeners[k], 0);
		}
		return;
	}
}

/* What is held goes to to; false: the connection is broken. */
static bool put(struct flow *f, int to)
{
	while (f->at < f->n) {
		ssize_t n = send(to, f->held + f->at, f->n - f->at, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		f->at += (size_t)n;
	}
	f->at = f->n = 0;
	return true;
}

/* One piece, and at the end the end; false: broken. */
static bool pass(struct relay *r, struct flow *f, int from, int to)
{
	ssize_t n, sent = 0;

	if (f->n || f->ended)
		return true;
	n = recv(from, r->part, ROOM, 0);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	if (n == 0) {
		f->ended = true;
		return true;
	}
	sent = send(to, r->part, (size_t)n, MSG_NOSIGNAL);
	if (sent < 0 && errno != EAGAIN && errno != EINTR)
		return false;
	sent = sent < 0 ? 0 : sent;
	if (sent == n)
		return true;
	if (!f->held)
		f->held = wh_malloc(ROOM);
	f->n = (size_t)(n - sent);
	memcpy(f->held, r->part + sent, f->n);
	return true;
}

static void tell_end(struct flow *f, int to)
{
	if (!f->ended || f->n || f->shut)
		return;
	shutdown(to, SHUT_WR);
	f->shut = true;
}

static uint32_t wanted(const struct flow *from_here, const struct flow *to_here)
{
	return (!from_here->ended && !from_here->n ? (uint32_t)EPOLLIN : 0) | (to_here->n ? (uint32_t)EPOLLOUT : 0);
}

static void settle(struct relay *r, struct conn *c)
{
	tell_end(&c->in, c->inside.fd);
	tell_end(&c->out, c->client.fd);
	if (c->in.shut && c->out.shut) {
		end_conn(r, c, false);
		return;
	}
	want(r, &c->client, wanted(&c->in, &c->out));
	want(r, &c->inside, wanted(&c->out, &c->in));
}

static void on_connected(struct relay *r, struct conn *c)
{
	int why = 0;
	socklen_t len = sizeof(why);

	getsockopt(c->inside.fd, SOL_SOCKET, SO_ERROR, &why, &len);
	if (why) {
		wh_closep(&c->inside.fd);
		if (c->v6 || (c->v6 = true, !connect_inside(r, c)))
			end_conn(r, c, true);
		return;
	}
	c->connecting = false;
	settle(r, c);
}

static void on_conn(struct relay *r, const struct watch *w, uint32_t events)
{
	struct conn *c = w->of;
	bool ok = true;

	if (c->dead)
		return;
	if (c->connecting) {
		on_connected(r, c);
		return;
	}
	if (w == &c->client) {
		if (events & EPOLLOUT)
			ok = put(&c->out, c->client.fd);
		if (ok && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			ok = pass(r, &c->in, c->client.fd, c->inside.fd);
	} else {
		if (events & EPOLLOUT)
			ok = put(&c->in, c->inside.fd);
		if (ok && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			ok = pass(r, &c->out, c->inside.fd, c->client.fd);
	}
	if (ok)
		settle(r, c);
	else
		end_conn(r, c, true);
}

/* ---------------------------------------------------------------- datagrams */

static struct udp_client **bucket(struct relay *r, const union address *a)
{
	const unsigned char *p = (const unsigned char *)a;
	uint32_t h = 2166136261U;

	for (size_t i = 0; i < sizeof(*a); i++)
		h = (h ^ p[i]) * 16777619U;
	return &r->udp[h % UDP_BUCKETS];
}

static void forget_udp(struct relay *r, struct udp_client **at)
{
	struct udp_client *u = *at;

	*at = u->next;
	wh_closep(&u->inside.fd);
	u->next_dead = r->dead_udp;
	r->dead_udp = u;
	r->n_udp--;
}

static void sweep_udp(struct relay *r)
{
	const uint64_t now = wh_now_ns();

	for (size_t i = 0; i < UDP_BUCKETS; i++)
		for (struct udp_client **at = &r->udp[i]; *at;) {
			if (now - (*at)->last > UDP_IDLE_NS)
				forget_udp(r, at);
			else
				at = &(*at)->next;
		}
}

static bool dial_udp(struct relay *r, struct udp_client *u)
{
	int fd = dial(u->port, u->v6, SOCK_DGRAM);

	u->inside = (struct watch){.kind = UDP_INSIDE, .fd = fd, .of = u};
	want(r, &u->inside, EPOLLIN);
	return fd >= 0;
}

static struct udp_client *udp_client(struct relay *r, const struct watch *w, const union address *from)
{
	const struct listener *l = w->of;
	struct udp_client **at = bucket(r, from), *u;

	for (u = *at; u; u = u->next)
		if (u->listener == w && memcmp(&u->from, from, sizeof(*from)) == 0)
			return u;
	if (r->n_udp >= MAX_UDP_CLIENTS)
		return NULL;
	u = wh_calloc(1, sizeof(*u));
	u->listener = w;
	u->from = *from;
	u->port = l->container;
	if (!dial_udp(r, u)) {
		free(u);
		return NULL;
	}
	u->next = *at;
	*at = u;
	r->n_udp++;
	return u;
}

static void on_datagram(struct relay *r, const struct watch *w)
{
	union address from = {0};
	socklen_t len = sizeof(from);
	ssize_t n = recvfrom(w->fd, r->part, ROOM, 0, &from.any, &len);
	struct udp_client *u = n < 0 ? NULL : udp_client(r, w, &from);

	if (!u || u->inside.fd < 0)
		return;
	u->last = wh_now_ns();
	/* A refusal of an earlier one may be told here: once more. */
	if (send(u->inside.fd, r->part, (size_t)n, 0) < 0)
		(void)!send(u->inside.fd, r->part, (size_t)n, 0);
}

static void on_answer(struct relay *r, const struct watch *w)
{
	struct udp_client *u = w->of;
	ssize_t n = u->inside.fd < 0 ? -1 : recv(u->inside.fd, r->part, ROOM, 0);

	if (n >= 0) {
		u->last = wh_now_ns();
		(void)!sendto(u->listener->fd, r->part, (size_t)n, 0, &u->from.any,
			      u->from.any.sa_family == AF_INET ? sizeof(u->from.v4) : sizeof(u->from.v6));
	} else if (errno == ECONNREFUSED && u->inside.fd >= 0) {
		/* Perhaps it listens by the other family: the next one is sent there. */
		wh_closep(&u->inside.fd);
		u->v6 = !u->v6;
		if (!dial_udp(r, u) && u->v6) {
			u->v6 = false;
			dial_udp(r, u);
		}
	}
}

/* ---------------------------------------------------------------- its life */

static void free_dead(struct relay *r)
{
	while (r->dead) {
		struct conn *c = r->dead;

		r->dead = c->next_dead;
		free(c);
	}
	while (r->dead_udp) {
		struct udp_client *u = r->dead_udp;

		r->dead_udp = u->next_dead;
		free(u);
	}
}

static void turn(struct relay *r)
{
	struct epoll_event events[64];
	int n = epoll_wait(r->epoll, events, WH_ARRAY_SIZE(events), r->n_udp ? 1000 : -1);

	for (int i = 0; i < n; i++) {
		struct watch *w = events[i].data.ptr;
		const struct listener *l = w->of;

		switch (w->kind) {
		case LISTENER:
			if (l->udp)
				on_datagram(r, w);
			else
				on_listener(r, w);
			break;
		case CLIENT:
		case INSIDE:
			on_conn(r, w, events[i].events);
			break;
		case UDP_INSIDE:
			on_answer(r, w);
			break;
		}
	}
	if (r->n_udp)
		sweep_udp(r);
	free_dead(r);
}

static _Noreturn void relay(const struct wh_ports *p, int net_fd, pid_t parent)
{
	int *keep = wh_calloc(2 * p->n + 1, sizeof(*keep));
	struct relay r = {.epoll = -1};
	struct rlimit rl;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || setns(net_fd, CLONE_NEWNET) < 0)
		_exit(1);
	setsid(); /* the terminal's signals are not for it */
	prctl(PR_SET_NAME, "whittle-ports");
	for (size_t i = 0; i < 2 * p->n; i++)
		keep[i] = p->v[i / 2].fds[i % 2];
	wh_step_close_all_but(keep, 2 * p->n);
	for (int fd = 0; fd <= 2; fd++)
		close(fd);
	if (getrlimit(RLIMIT_NOFILE, &rl) == 0) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	signal(SIGPIPE, SIG_IGN);
	r.epoll = epoll_create1(EPOLL_CLOEXEC);
	r.part = wh_malloc(ROOM);
	r.listeners = wh_calloc(2 * p->n + 1, sizeof(*r.listeners));
	for (size_t i = 0; i < 2 * p->n; i++) {
		struct watch *w = &r.listeners[r.n_listeners];

		if (keep[i] < 0)
			continue;
		*w = (struct watch){.kind = LISTENER, .fd = keep[i], .of = &p->v[i / 2]};
		r.n_listeners++;
		want(&r, w, EPOLLIN);
	}
	for (;;)
		turn(&r);
}

int wh_ports_serve(struct wh_ports *p, int net_fd, struct wh_err **err)
{
	pid_t self = getpid(), pid = fork();

	if (pid < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, errno, "start the process that serves the ports");
	if (pid == 0)
		relay(p, net_fd, self);
	p->pid = pid;
	/* They are its alone: when it is gone, nobody must seem to listen. */
	for (size_t i = 0; i < p->n; i++)
		for (int k = 0; k < 2; k++)
			wh_closep(&p->v[i].fds[k]);
	return 0;
}
