/* SPDX-License-Identifier: Apache-2.0 */
/* A request of a profile's driver, as it comes over its connection; with three descriptors, as an honest one. */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void send_with_fds(int sock, const uint8_t *data, size_t size)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(3 * sizeof(int))];
	} control = {0};
	const int fds[3] = {sock, sock, sock};
	struct iovec iov = {.iov_len = size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	memcpy(&iov.iov_base, &data, sizeof(data)); /* sendmsg's type lacks the const that it keeps */
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	if (sendmsg(sock, &msg, MSG_NOSIGNAL) < 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wh_app_request r = WH_APP_REQUEST_INIT;
	WH_AUTO_ERR struct wh_err *err = NULL;
	int pair[2], e;

	if (!size || size > 1 << 15 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return 0;
	send_with_fds(pair[0], data, size);
	e = wh_app_request_read(pair[1], &r, &err);
	if (e == 0) {
		if (!r.verb || !r.args || !r.env || (r.verb == WH_APP_EXEC && !r.args[0]) || r.fds[2] < 0 || err)
			abort();
		for (char **v = r.env; *v; v++)
			if (!strchr(*v, '='))
				abort();
	} else if ((e == -EAGAIN) != !err) {
		abort();
	}
	wh_app_request_release(&r);
	close(pair[0]);
	close(pair[1]);
	return 0;
}
