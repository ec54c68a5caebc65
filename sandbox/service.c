/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/service.h"
#include "sandbox/wire.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

enum { SAYS_JSON = 'j', SAYS_ERROR = 'e', SAYS_NOTE = 'n' };

#define NOTE_MAX ((size_t)4096) /* small enough that the kernel takes it whole or not at all */

/* Where this process's only call is to be told of, while it runs. */
static pthread_mutex_t tell_mutex = PTHREAD_MUTEX_INITIALIZER;
static int tell_sock = -1;

/* A peer that is gone is an error here, never a signal. */
static int send_all(int sock, const char *p, size_t n)
{
	while (n) {
		ssize_t sent = send(sock, p, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return -errno;
		p += sent;
		n -= (size_t)sent;
	}
	return 0;
}

/* -EPIPE when the peer ends before that. */
static int read_exactly(int sock, void *to, size_t n)
{
	char *p = to;

	while (n) {
		ssize_t got = read(sock, p, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == ECONNRESET ? -EPIPE : -errno;
		if (got == 0)
			return -EPIPE;
		p += got;
		n -= (size_t)got;
	}
	return 0;
}

static int say(int sock, uint8_t what, const struct wh_buf *body)
{
	WH_AUTO_BUF struct wh_buf head = WH_BUF_INIT;
	int r;

	wh_buf_u8(&head, what);
	wh_buf_u32(&head, (uint32_t)body->n);
	r = send_all(sock, head.p, head.n);
	return r < 0 || !body->n ? r : send_all(sock, body->p, body->n);
}

/* Appends what the peer says. Memory grows with what has come, not with what was announced. */
static int hear(int sock, uint8_t *ret_what, struct wh_buf *body)
{
	const size_t step = (size_t)1 << 20;
	WH_AUTO_FREE char *part = NULL;
	char head[5];
	struct wh_wire w = {head, sizeof(head), false};
	size_t n;
	int r = read_exactly(sock, head, sizeof(head));

	if (r < 0)
		return r;
	*ret_what = wh_wire_u8(&w);
	n = wh_wire_u32(&w);
	if (n > WH_SERVICE_MAX)
		return -EFBIG;
	part = wh_malloc(step);
	while (n) {
		size_t now = n < step ? n : step;

		r = read_exactly(sock, part, now);
		if (r < 0)
			return r;
		wh_buf_add(body, part, now);
		n -= now;
	}
	return 0;
}

static int dump(const json_t *j, const char *what, const char *name, struct wh_buf *out, struct wh_err **err)
{
	out->max = WH_SERVICE_MAX;
	wh_json_dump(j, out);
	if (!wh_buf_ok(out))
		return wh_err_set(err, "sandbox", WH_ERR_INTERNAL, EFBIG,
				  "the %s of the service \"%s\" is no JSON or more than %zu MiB", what, name,
				  WH_SERVICE_MAX >> 20);
	return 0;
}

/* Until there is something to be heard. */
static int await(int sock, const _Atomic bool *cancel)
{
	struct pollfd p = {.fd = sock, .events = POLLIN};

	while (cancel) {
		if (*cancel)
			return -ECANCELED;
		if (poll(&p, 1, 100) > 0)
			break;
	}
	return 0;
}

static void take_note(const struct wh_buf *in, wh_tell_fn tell, void *arg)
{
	WH_AUTO_JSON json_t *note = NULL;

	if (tell && wh_json_parse(in->p, in->n, "note", &note, NULL) == 0)
		tell(arg, note);
}

/* The answer, past what is told before it. */
static int hear_answer(int sock, const _Atomic bool *cancel, wh_tell_fn tell, void *arg, uint8_t *ret_what, struct wh_buf *in)
{
	for (;;) {
		int r = await(sock, cancel);

		if (r == 0)
			r = hear(sock, ret_what, in);
		if (r < 0 || *ret_what != SAYS_NOTE)
			return r;
		take_note(in, tell, arg);
		wh_buf_reset(in);
	}
}

int wh_service_ask(int sock, const char *name, const json_t *request, const _Atomic bool *cancel, wh_tell_fn tell, void *arg,
		   json_t **ret_reply, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT, in = WH_BUF_INIT;
	uint8_t what = 0;
	int r = dump(request, "request", name, &out, err);

	if (r < 0)
		return r;
	/* Who refuses the call does not read it: then the answer is there although this fails. */
	say(sock, SAYS_JSON, &out);
	r = hear_answer(sock, cancel, tell, arg, &what, &in);
	if (r == -ECANCELED)
		return wh_err_set(err, "sandbox", WH_ERR_BUILD, ECANCELED, "canceled");
	if (r == -EPIPE)
		return wh_err_set(err, "sandbox", WH_ERR_INTERNAL, EPIPE,
				  "the service \"%s\" ended without an answer", name);
	if (r < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_INTERNAL, -r, "hear from the service \"%s\"", name);
	if (what == SAYS_JSON)
		return wh_json_parse(in.p, in.n, name, ret_reply, err);
	if (what == SAYS_ERROR) {
		struct wh_wire w = {in.p, in.n, false};
		struct wh_err *theirs = wh_wire_err(&w);

		if (theirs) {
			r = theirs->sys ? -theirs->sys : -EINVAL;
			wh_err_move(err, &theirs);
			return r;
		}
	}
	return wh_err_set(err, "sandbox", WH_ERR_INTERNAL, EBADMSG, "the service \"%s\" gave no sensible answer", name);
}

/* Whole or not at all: a part of a message would make nonsense of the answer behind it. */
static void send_note(int sock, const struct wh_buf *message)
{
	ssize_t n = send(sock, message->p, message->n, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n > 0 && (size_t)n < message->n)
		send_all(sock, message->p + n, message->n - (size_t)n);
}

void wh_service_tell(const json_t *note)
{
	WH_AUTO_BUF struct wh_buf message = WH_BUF_INIT, body = WH_BUF_INIT;

	body.max = NOTE_MAX;
	wh_json_dump(note, &body);
	if (!wh_buf_ok(&body))
		return;
	wh_buf_u8(&message, SAYS_NOTE);
	wh_buf_u32(&message, (uint32_t)body.n);
	wh_buf_add(&message, body.p, body.n);
	pthread_mutex_lock(&tell_mutex);
	if (tell_sock >= 0)
		send_note(tell_sock, &message);
	pthread_mutex_unlock(&tell_mutex);
}

static void tell_to(int sock)
{
	pthread_mutex_lock(&tell_mutex);
	tell_sock = sock;
	pthread_mutex_unlock(&tell_mutex);
}

void wh_service_refuse(int sock, const struct wh_err *why)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;

	wh_wire_put_err(&out, why);
	say(sock, SAYS_ERROR, &out);
}

static int serve(int sock, const struct wh_service *s, struct wh_buf *out, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf in = WH_BUF_INIT;
	WH_AUTO_JSON json_t *request = NULL, *reply = NULL;
	uint8_t what = 0;
	int r = hear(sock, &what, &in);

	if (r < 0)
		return wh_err_sys(err, "sandbox", WH_ERR_INTERNAL, -r, "hear a request");
	if (!s || what != SAYS_JSON)
		return wh_err_set(err, "sandbox", WH_ERR_INTERNAL, ENOSYS, "there is no such service");
	r = wh_json_parse(in.p, in.n, "request", &request, err);
	wh_buf_release(&in);
	if (r == 0) {
		tell_to(sock);
		r = s->fn(s->arg, request, &reply, err);
		tell_to(-1);
	}
	if (r < 0)
		return wh_err_set(err, "sandbox", WH_ERR_INTERNAL, -r, "the service \"%s\" failed and said nothing",
				  s->name);
	if (!reply)
		reply = json_object();
	return dump(reply, "reply", s->name, out, err);
}

void wh_service_answer(int sock, const struct wh_service *s)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	WH_AUTO_ERR struct wh_err *err = NULL;

	if (serve(sock, s, &out, &err) < 0)
		wh_service_refuse(sock, err);
	else
		say(sock, SAYS_JSON, &out);
}
