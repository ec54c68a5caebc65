/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RUN --mount=type=ssh: a socket for the step, behind which its requests go to the agent of whoever builds.
 *
 * The agent's own socket is not what a step gets: its mode and owner are the user's, agents answer nobody of another id,
 * and a step could empty the agent or lock it. So each mount has a socket of its own, with mode and owner as the mount
 * says, and messages (draft-miller-ssh-agent) are passed on one by one: listing keys and signing, nothing else; all others
 * are answered with a failure, as BuildKit does. A message is a length (4 bytes, big endian) and that many bytes, the first
 * of which is its type. What a step sends is hostile: everything is bounded.
 */
#include "builder/exec_private.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MESSAGE_MAX ((size_t)256 << 10) /* as OpenSSH's agent has it */
#define CONNS_MAX 64
#define CHUNK 16384

enum { AGENT_FAILURE = 5, REQUEST_IDENTITIES = 11, SIGN_REQUEST = 13 };

struct stream {
	int fd;
	struct wh_buf in, out; /* what came, not looked at yet; what is still to be written */
};

struct conn {
	struct conn *next;
	struct wh_ssh_relay *relay;
	struct stream client, agent;
	bool asked; /* a request went to the agent, and its answer is not here yet */
};

struct wh_ssh_relay {
	struct wh_builder *b;
	const char *agent;  /* path of the agent's socket */
	char *name, *path;  /* ours: in the lease, absolute */
	int listener;
	bool open;
	struct conn *conns;
	size_t n_conns;
};

/* ---------------------------------------------------------------- connections */

static void conn_close(struct conn *c)
{
	struct wh_ssh_relay *r = c->relay;
	struct conn **at = &r->conns;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	r->n_conns--;
	wh_loop_del_fd(r->b->loop, c->client.fd);
	wh_loop_del_fd(r->b->loop, c->agent.fd);
	wh_closep(&c->client.fd);
	wh_closep(&c->agent.fd);
	wh_buf_release(&c->client.in);
	wh_buf_release(&c->client.out);
	wh_buf_release(&c->agent.in);
	wh_buf_release(&c->agent.out);
	free(c);
}

static void drop(struct wh_buf *b, size_t n)
{
	if (n < b->n)
		memmove(b->p, b->p + n, b->n - n);
	b->n -= n;
}

/* Length of the whole message that the buffer begins with; 0: not all of it is here. -EMSGSIZE. */
static ssize_t message(const struct wh_buf *b)
{
	const unsigned char *p = (const unsigned char *)b->p;
	size_t n;

	if (b->n < 4)
		return 0;
	n = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
	if (!n || n > MESSAGE_MAX)
		return -EMSGSIZE;
	return b->n < n + 4 ? 0 : (ssize_t)n + 4;
}

/* The next request, when the one before is answered. */
static int pass_request(struct conn *c)
{
	static const char failure[] = {0, 0, 0, 1, AGENT_FAILURE};
	ssize_t n = c->asked ? 0 : message(&c->client.in);

	if (n <= 0)
		return (int)n;
	if (c->client.in.p[4] == REQUEST_IDENTITIES || c->client.in.p[4] == SIGN_REQUEST) {
		wh_buf_add(&c->agent.out, c->client.in.p, (size_t)n);
		c->asked = true;
	} else {
		wh_buf_add(&c->client.out, failure, sizeof(failure));
	}
	drop(&c->client.in, (size_t)n);
	return 1;
}

static int pass_answer(struct conn *c)
{
	ssize_t n = c->asked ? message(&c->agent.in) : c->agent.in.n ? -EPROTO : 0;

	if (n <= 0)
		return (int)n;
	wh_buf_add(&c->client.out, c->agent.in.p, (size_t)n);
	drop(&c->agent.in, (size_t)n);
	c->asked = false;
	return 1;
}

/* 0, or negative when it is over. */
static int receive(struct stream *s)
{
	char chunk[CHUNK];
	ssize_t n;

	if (s->in.n > MESSAGE_MAX + 4)
		return 0; /* later */
	n = read(s->fd, chunk, sizeof(chunk));
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -EPIPE;
	wh_buf_add(&s->in, chunk, (size_t)n);
	return 0;
}

static int transmit(struct stream *s)
{
	ssize_t n;

	if (!s->out.n)
		return 0;
	n = send(s->fd, s->out.p, s->out.n, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	drop(&s->out, (size_t)n);
	return 0;
}

static void on_conn(void *arg, int fd, short revents);

/* What each side is watched for: nothing more is read while what was read is still on its way. */
static void watch(struct conn *c)
{
	struct stream *const both[] = {&c->client, &c->agent};

	for (size_t i = 0; i < 2; i++)
		wh_loop_add_fd(c->relay->b->loop, both[i]->fd,
			       (short)((both[i]->in.n > MESSAGE_MAX + 4 || both[!i]->out.n ? 0 : POLLIN) |
				       (both[i]->out.n ? POLLOUT : 0)),
			       on_conn, c);
}

static void on_conn(void *arg, int fd, short revents)
{
	struct conn *c = arg;
	struct stream *s = fd == c->client.fd ? &c->client : &c->agent;
	int r = 0, passed = 1;

	if (revents & (POLLIN | POLLHUP | POLLERR))
		r = receive(s);
	/* Gone, and not to be read on now: poll would tell so again and again. */
	if (r == 0 && (revents & (POLLHUP | POLLERR)) && !(revents & POLLIN))
		r = -EPIPE;
	while (r == 0 && passed > 0) {
		int asked = pass_request(c), answered = pass_answer(c);

		r = asked < 0 ? asked : answered < 0 ? answered : 0;
		passed = asked + answered;
	}
	if (r == 0)
		r = transmit(&c->client);
	if (r == 0)
		r = transmit(&c->agent);
	if (r < 0)
		conn_close(c);
	else
		watch(c);
}

static int connect_agent(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	WH_AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || strlen(path) >= sizeof(a.sun_path))
		return fd < 0 ? -errno : -ENAMETOOLONG;
	memcpy(a.sun_path, path, strlen(path));
	if (connect(fd, (const struct sockaddr *)&a, sizeof(a)) < 0)
		return -errno;
	return WH_TAKE_FD(fd);
}

static void on_accept(void *arg, int fd, short revents)
{
	struct wh_ssh_relay *r = arg;
	WH_AUTO_FD int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK), agent = -1;
	struct conn *c;

	(void)revents;
	if (client < 0 || r->n_conns == CONNS_MAX)
		return;
	agent = connect_agent(r->agent);
	if (agent < 0)
		return; /* the step sees a connection that ends at once */
	c = wh_calloc(1, sizeof(*c));
	c->relay = r;
	c->client.fd = WH_TAKE_FD(client);
	c->agent.fd = WH_TAKE_FD(agent);
	c->next = r->conns;
	r->conns = c;
	r->n_conns++;
	watch(c);
}

/* ---------------------------------------------------------------- a step's relays */

int wh_ssh_relay_new(struct wh_builder *b, const char *agent, uint32_t uid, uint32_t gid, uint32_t mode,
		     struct wh_ssh_relay **ret, struct wh_err **err)
{
	struct wh_ssh_relay *r = wh_calloc(1, sizeof(*r));
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int dir = wh_store_tmp_dirfd(b->o.store);

	r->b = b;
	r->agent = agent;
	r->name = wh_temp_name("ssh-");
	r->path = wh_asprintf("%s/%s", wh_store_tmp_path(b->o.store), r->name);
	r->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* The store's own path may be too long for an address. */
	snprintf(a.sun_path, sizeof(a.sun_path), "/proc/self/fd/%d/%s", dir, r->name);
	if (r->listener < 0 || bind(r->listener, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
	    fchownat(dir, r->name, uid, gid, AT_SYMLINK_NOFOLLOW) < 0 || fchmodat(dir, r->name, mode & 07777, 0) < 0 ||
	    listen(r->listener, CONNS_MAX) < 0) {
		int e = errno;

		wh_ssh_relay_free(r);
		return wh_err_sys(err, "builder", WH_ERR_ENV, e, "make the step's ssh socket for %u:%u", uid, gid);
	}
	*ret = r;
	return 0;
}

const char *wh_ssh_relay_path(const struct wh_ssh_relay *r)
{
	return r->path;
}

void wh_ssh_relay_open(struct wh_ssh_relay *r)
{
	r->open = true;
	wh_loop_add_fd(r->b->loop, r->listener, POLLIN, on_accept, r);
}

void wh_ssh_relay_close(struct wh_ssh_relay *r)
{
	while (r->conns)
		conn_close(r->conns);
	if (r->open)
		wh_loop_del_fd(r->b->loop, r->listener);
	r->open = false;
}

void wh_ssh_relay_free(struct wh_ssh_relay *r)
{
	if (!r)
		return;
	wh_ssh_relay_close(r);
	wh_closep(&r->listener);
	unlinkat(wh_store_tmp_dirfd(r->b->o.store), r->name, 0);
	free(r->name);
	free(r->path);
	free(r);
}
