/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/relay.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

#define ROOM ((size_t)64 << 10)

struct wh_relay {
	struct wh_loop *loop;
	int from, to; /* -1: over */
	unsigned owns;
	bool plain_to; /* a file: it takes any amount at once */
	int last;      /* byte at the end, or -1 */
	char *held;
	size_t at, n; /* of held: written so far, and read */
	wh_relay_fn ended;
	void *arg;
};

static void on_readable(void *arg, int fd, short revents);

static void close_from(struct wh_relay *r)
{
	if (r->from < 0)
		return;
	wh_loop_del_fd(r->loop, r->from);
	if (r->owns & WH_RELAY_OWNS_FROM)
		close(r->from);
	r->from = -1;
}

static void close_to(struct wh_relay *r)
{
	if (r->to < 0)
		return;
	wh_loop_del_fd(r->loop, r->to);
	if (r->owns & WH_RELAY_OWNS_TO)
		close(r->to);
	r->to = -1;
}

static void end(struct wh_relay *r)
{
	wh_relay_fn fn = r->ended;

	close_from(r);
	close_to(r);
	r->ended = NULL;
	if (fn)
		fn(r->arg);
}

/* Of what is held, as much as goes without waiting. POLLOUT promises that a pipe takes PIPE_BUF. False: nobody takes
 * it any more. */
static bool hand_on(struct wh_relay *r)
{
	size_t n = r->n - r->at;
	ssize_t put;

	if (!r->plain_to && !(r->owns & WH_RELAY_OWNS_TO) && n > PIPE_BUF)
		n = PIPE_BUF;
	put = write(r->to, r->held + r->at, n);
	if (put < 0)
		return errno == EAGAIN || errno == EINTR;
	r->at += (size_t)put;
	return true;
}

static void on_writable(void *arg, int fd, short revents)
{
	struct wh_relay *r = arg;

	(void)revents;
	if (!hand_on(r)) {
		end(r);
		return;
	}
	if (r->at < r->n)
		return;
	wh_loop_del_fd(r->loop, fd);
	r->at = r->n = 0;
	if (r->from >= 0)
		wh_loop_add_fd(r->loop, r->from, POLLIN, on_readable, r);
	else
		end(r);
}

/* False at its end. */
static bool take(struct wh_relay *r)
{
	ssize_t n = read(r->from, r->held, ROOM);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n > 0) {
		r->n = (size_t)n;
		return true;
	}
	/* EIO: a terminal whose other end nobody has open. */
	close_from(r);
	if (r->last >= 0)
		r->held[r->n++] = (char)r->last;
	return false;
}

static void on_readable(void *arg, int fd, short revents)
{
	struct wh_relay *r = arg;

	(void)fd;
	(void)revents;
	if (!take(r) && !r->n) {
		end(r);
		return;
	}
	if (!r->n)
		return;
	if (r->from >= 0)
		wh_loop_del_fd(r->loop, r->from);
	wh_loop_add_fd(r->loop, r->to, POLLOUT, on_writable, r);
}

struct wh_relay *wh_relay_new(struct wh_loop *l, int from, int to, unsigned owns, wh_relay_fn ended, void *arg)
{
	struct wh_relay *r = wh_calloc(1, sizeof(*r));
	struct stat st;

	*r = (struct wh_relay){.loop = l, .from = from, .to = to, .owns = owns, .last = -1, .ended = ended, .arg = arg};
	r->held = wh_malloc(ROOM);
	r->plain_to = fstat(to, &st) == 0 && S_ISREG(st.st_mode);
	if (owns & WH_RELAY_OWNS_TO)
		fcntl(to, F_SETFL, fcntl(to, F_GETFL) | O_NONBLOCK);
	wh_loop_add_fd(l, from, POLLIN, on_readable, r);
	return r;
}

bool wh_relay_ended(const struct wh_relay *r)
{
	return r->from < 0 && r->to < 0;
}

void wh_relay_end_with(struct wh_relay *r, char byte)
{
	r->last = (unsigned char)byte;
}

void wh_relay_drain(struct wh_relay *r)
{
	if (r->to < 0)
		return;
	if (r->from >= 0)
		fcntl(r->from, F_SETFL, fcntl(r->from, F_GETFL) | O_NONBLOCK);
	for (;;) {
		if (r->n > r->at && wh_write_all(r->to, r->held + r->at, r->n - r->at) < 0)
			break;
		r->at = r->n = 0;
		if (r->from < 0 || (take(r) && !r->n))
			break;
	}
	end(r);
}

void wh_relay_free(struct wh_relay *r)
{
	if (!r)
		return;
	close_from(r);
	close_to(r);
	free(r->held);
	free(r);
}
