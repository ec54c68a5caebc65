/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/wire.h"

#include <errno.h>
#include <sys/socket.h>

#define MAX_PACKET ((size_t)64 * 1024)
#define MAX_TEXT 4096
#define MAX_FDS 4

static bool take(struct wh_wire *w, size_t n, const char **ret)
{
	if (w->bad || w->n < n) {
		w->bad = true;
		return false;
	}
	*ret = w->p;
	w->p += n;
	w->n -= n;
	return true;
}

static uint64_t number(struct wh_wire *w, size_t n)
{
	const char *p = NULL;
	uint64_t v = 0;

	if (!take(w, n, &p))
		return 0;
	while (n--)
		v = v << 8 | (uint8_t)p[n];
	return v;
}

uint8_t wh_wire_u8(struct wh_wire *w)
{
	return (uint8_t)number(w, 1);
}

uint32_t wh_wire_u32(struct wh_wire *w)
{
	return (uint32_t)number(w, 4);
}

uint64_t wh_wire_u64(struct wh_wire *w)
{
	return number(w, 8);
}

struct wh_str wh_wire_bytes(struct wh_wire *w)
{
	uint32_t n = wh_wire_u32(w);
	struct wh_str s = {NULL, 0};

	if (n != UINT32_MAX && take(w, n, &s.p))
		s.n = n;
	return s;
}

char *wh_wire_str(struct wh_wire *w)
{
	struct wh_str s = wh_wire_bytes(w);

	return s.p ? wh_strndup(s.p, s.n) : NULL;
}

void wh_buf_lbytes(struct wh_buf *b, const void *p, size_t n)
{
	wh_buf_u32(b, (uint32_t)n);
	if (n)
		wh_buf_add(b, p, n);
}

static void put_text(struct wh_buf *b, const char *s)
{
	size_t n;

	if (!s) {
		wh_buf_lstr(b, NULL);
		return;
	}
	n = strlen(s);
	wh_buf_lbytes(b, s, n > MAX_TEXT ? MAX_TEXT : n);
}

void wh_wire_put_err(struct wh_buf *b, const struct wh_err *e)
{
	wh_buf_u8(b, e != NULL);
	if (!e)
		return;
	wh_buf_u32(b, e->class);
	wh_buf_u32(b, (uint32_t)e->sys);
	put_text(b, e->msg);
	put_text(b, e->hint);
	put_text(b, e->detail);
}

struct wh_err *wh_wire_err(struct wh_wire *w)
{
	WH_AUTO_FREE char *msg = NULL, *hint = NULL, *detail = NULL;
	struct wh_err *e = NULL;
	uint32_t class;
	int sys;

	if (!wh_wire_u8(w))
		return NULL;
	class = wh_wire_u32(w);
	sys = (int)wh_wire_u32(w);
	msg = wh_wire_str(w);
	hint = wh_wire_str(w);
	detail = wh_wire_str(w);
	if (w->bad || !msg)
		return NULL;
	wh_err_set(&e, "sandbox", (enum wh_err_class) class, sys, "%s", msg);
	if (hint)
		wh_err_hint(&e, "%s", hint);
	if (detail)
		wh_err_detail(&e, detail);
	return e;
}

int wh_wire_send(int sock, const void *p, size_t n, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * MAX_FDS)];
	} control;
	struct iovec iov;
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;
	ssize_t sent;

	if (n > MAX_PACKET || n_fds > MAX_FDS)
		return -EMSGSIZE;
	memcpy(&iov.iov_base, &p, sizeof(p)); /* sendmsg's type lacks the const that it keeps */
	iov.iov_len = n;
	if (n_fds) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(c), fds, sizeof(int) * n_fds);
	}
	do
		sent = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent < 0 ? -errno : 0;
}

static void keep_fds(struct msghdr *msg, int *fds, size_t room, size_t *n_fds)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t count;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (*n_fds < room)
				fds[(*n_fds)++] = fd;
			else
				close(fd);
		}
	}
}

int wh_wire_recv(int sock, struct wh_buf *buf, int *fds, size_t *n_fds)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * MAX_FDS)];
	} control;
	WH_AUTO_FREE char *packet = wh_malloc(MAX_PACKET);
	struct iovec iov = {.iov_base = packet, .iov_len = MAX_PACKET};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	size_t room = n_fds ? *n_fds : 0, got = 0;
	ssize_t n;

	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == ECONNRESET ? -EPIPE : -errno;
	if (n == 0)
		return -EPIPE; /* no packet of ours is empty */
	keep_fds(&msg, fds, room, &got);
	if (n_fds)
		*n_fds = got;
	wh_buf_add(buf, packet, (size_t)n);
	return 0;
}
