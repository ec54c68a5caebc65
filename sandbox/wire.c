/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/wire.h"

#include <errno.h>
#include <sys/socket.h>

#define MAX_PACKET ((size_t)64 * 1024)
#define MAX_TEXT 4096
#define MAX_DETAIL 32768 /* with the other texts still below a packet */
#define MAX_FDS 8

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

static void put_text(struct wh_buf *b, const char *s, size_t max)
{
	size_t n;

	if (!s) {
		wh_buf_lstr(b, NULL);
		return;
	}
	n = strlen(s);
	wh_buf_lbytes(b, s, n > max ? max : n);
}

/* struct wh_err holds a static string: one of these, or ours. */
static const char *domain_of(struct wh_str s)
{
	static const char *const known[] = {"base",   "layers",   "sandbox",  "harden",
					    "builder", "frontend", "evidence", "cli"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(known); i++)
		if (wh_str_eq(s, known[i]))
			return known[i];
	return "sandbox";
}

void wh_wire_put_err(struct wh_buf *b, const struct wh_err *e)
{
	wh_buf_u8(b, e != NULL);
	if (!e)
		return;
	put_text(b, e->domain, MAX_TEXT);
	wh_buf_u32(b, e->class);
	wh_buf_u32(b, (uint32_t)e->sys);
	wh_buf_u32(b, (uint32_t)e->status);
	put_text(b, e->msg, MAX_TEXT);
	put_text(b, e->hint, MAX_TEXT);
	put_text(b, e->file, MAX_TEXT);
	wh_buf_u32(b, e->line);
	wh_buf_u32(b, e->column);
	put_text(b, e->excerpt, MAX_TEXT);
	put_text(b, e->detail, MAX_DETAIL);
}

struct wh_err *wh_wire_err(struct wh_wire *w)
{
	struct wh_err got = {0}, *e = NULL;

	if (!wh_wire_u8(w))
		return NULL;
	got.domain = domain_of(wh_wire_bytes(w));
	got.class = (enum wh_err_class)wh_wire_u32(w);
	got.sys = (int)wh_wire_u32(w);
	got.status = (int)wh_wire_u32(w);
	got.msg = wh_wire_str(w);
	got.hint = wh_wire_str(w);
	got.file = wh_wire_str(w);
	got.line = wh_wire_u32(w);
	got.column = wh_wire_u32(w);
	got.excerpt = wh_wire_str(w);
	got.detail = wh_wire_str(w);
	if (!w->bad && got.msg) {
		wh_err_set(&e, got.domain, got.class, got.sys, "%s", got.msg);
		wh_err_status(&e, got.status);
		if (got.hint)
			wh_err_hint(&e, "%s", got.hint);
		wh_err_at(&e, got.file, got.line, got.column, got.excerpt);
		if (got.detail)
			wh_err_detail(&e, got.detail);
	}
	free(got.msg);
	free(got.hint);
	free(got.file);
	free(got.excerpt);
	free(got.detail);
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
