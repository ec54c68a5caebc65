/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `app`, the helper in a driver's container: passes what was typed, with its
 * own standard descriptors, to whoever runs the application, and ends as that
 * says. A static program of its own; it runs in containers of any content.
 */
#include "sandbox/app_protocol.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { USAGE = 2, UNREACHABLE = 125 };

static const char help[] = "usage: app exec [-u USER] [-w DIR] [-e K=V]... COMMAND [ARG]...\n"
			   "       app run [-u USER] [-w DIR] [-e K=V]... [ARG]...\n"
			   "       app start | stop | restart | logs\n"
			   "       app kill [SIGNAL]\n"
			   "       app test [NAME]\n"
			   "\n"
			   "exec runs a command in the application's container, run the image's own command\n"
			   "with other arguments. Both end with the command's exit status. test says which\n"
			   "test begins, where the tests print no TAP or the border has to be exact.\n";

static _Noreturn void end(int status, const char *text)
{
	if (write(status ? 2 : 1, text, strlen(text)) < 0)
		_exit(UNREACHABLE);
	_exit(status);
}

static unsigned char *put_u32(unsigned char *p, size_t v)
{
	for (int i = 0; i < 4; i++)
		*p++ = (unsigned char)(v >> (8 * i));
	return p;
}

static uint32_t get_u32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static int try_connect(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	size_t n = strlen(path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (n >= sizeof(a.sun_path))
		errno = ENAMETOOLONG;
	memcpy(a.sun_path, path, n < sizeof(a.sun_path) ? n : 0);
	if (fd >= 0 && n < sizeof(a.sun_path) && connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

static int reach(void)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - sizeof(WH_APP_SOCKET));
	int fd = -1;

	while (n > 0 && path[n - 1] != '/')
		n--;
	if (n > 0) {
		memcpy(path + n, WH_APP_SOCKET, sizeof(WH_APP_SOCKET));
		fd = try_connect(path);
	}
	return fd >= 0 ? fd : try_connect(WH_APP_DIR "/" WH_APP_SOCKET);
}

/* A descriptor that is closed here is the null device there. */
static void standard_fds(void)
{
	for (int fd = 0; fd < WH_APP_FDS; fd++)
		while (fcntl(fd, F_GETFD) < 0 && openat(AT_FDCWD, "/dev/null", O_RDWR) == -1)
			_exit(UNREACHABLE);
}

static unsigned char *request_of(char **words, size_t *ret_n)
{
	size_t n = 4, count = 0;
	unsigned char *p, *b;

	for (char **w = words; *w; w++, count++)
		n += 4 + strlen(*w);
	if (n > WH_APP_MAX_REQUEST || count > WH_APP_MAX_WORDS)
		end(USAGE, "app: that is too much to pass on\n");
	b = p = malloc(n);
	if (!b)
		_exit(UNREACHABLE);
	p = put_u32(p, n - 4);
	for (char **w = words; *w; w++) {
		size_t len = strlen(*w);

		p = put_u32(p, len);
		memcpy(p, *w, len);
		p += len;
	}
	*ret_n = n;
	return b;
}

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int) * WH_APP_FDS)];
};

static int send_request(int sock, unsigned char *p, size_t n)
{
	const int fds[WH_APP_FDS] = {0, 1, 2};
	union control control = {0};
	struct iovec iov = {p, n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fds));
	memcpy(CMSG_DATA(c), fds, sizeof(fds));
	while (iov.iov_len) {
		ssize_t sent = sendmsg(sock, &msg, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return -1;
		iov.iov_base = (unsigned char *)iov.iov_base + sent;
		iov.iov_len -= (size_t)sent;
		msg.msg_control = NULL; /* once is enough */
		msg.msg_controllen = 0;
	}
	return 0;
}

static void print(int from, size_t n, int to)
{
	char part[65536];
	off_t at = 0;

	while (n) {
		ssize_t got = pread(from, part, n < sizeof(part) ? n : sizeof(part), at), done = 0;

		if (got <= 0)
			return;
		while (done < got) {
			ssize_t w = write(to, part + done, (size_t)(got - done));

			if (w < 0 && errno != EINTR)
				return;
			done += w > 0 ? w : 0;
		}
		at += got;
		n -= (size_t)got;
	}
}

static int hear_reply(int sock)
{
	unsigned char head[8];
	union control control;
	struct iovec iov = {head, sizeof(head)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	const struct cmsghdr *c;
	int status, text = -1;
	ssize_t n;

	do
		n = recvmsg(sock, &msg, MSG_WAITALL | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n != (ssize_t)sizeof(head))
		end(UNREACHABLE, "app: the connection ended without an answer\n");
	c = CMSG_FIRSTHDR(&msg);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
		memcpy(&text, CMSG_DATA(c), sizeof(text));
	status = (int)get_u32(head);
	if (text >= 0)
		print(text, get_u32(head + 4), status ? 2 : 1);
	return status;
}

int main(int argc, char **argv)
{
	unsigned char *request;
	size_t n;
	int sock;

	standard_fds();
	if (argc < 2)
		end(USAGE, help);
	if (strcmp(argv[1], "help") == 0 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		end(0, help);
	request = request_of(argv + 1, &n);
	sock = reach();
	if (sock < 0 || send_request(sock, request, n) < 0) {
		fprintf(stderr, "app: cannot reach " WH_APP_DIR "/" WH_APP_SOCKET ": %s\n", strerror(errno));
		return UNREACHABLE;
	}
	return hear_reply(sock) & 255;
}
