/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the agent behind SSH_AUTH_SOCK, for tests: static, so that it runs in any root.
 *
 *   ssh_ask list     "keys N", a comment a line
 *   ssh_ask sign     has the first key sign something: "signed N bytes"
 *   ssh_ask TYPE     sends a bare message of that number: "answer NUMBER"
 *   ssh_ask long     sends half a message, then ends: "sent"
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static unsigned char msg[300000];

static uint32_t get32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static unsigned char *put32(unsigned char *p, uint32_t v)
{
	p[0] = (unsigned char)(v >> 24);
	p[1] = (unsigned char)(v >> 16);
	p[2] = (unsigned char)(v >> 8);
	p[3] = (unsigned char)v;
	return p + 4;
}

static void all(int fd, unsigned char *p, size_t n, int out)
{
	while (n) {
		ssize_t got = out ? write(fd, p, n) : read(fd, p, n);

		if (got <= 0) {
			puts("no answer");
			exit(3);
		}
		p += got;
		n -= (size_t)got;
	}
}

/* Sends n bytes of msg + 4, leaves the answer there; its length. */
static uint32_t ask(int fd, uint32_t n)
{
	put32(msg, n);
	all(fd, msg, n + 4, 1);
	all(fd, msg, 4, 0);
	n = get32(msg);
	if (n > sizeof(msg) - 4)
		exit(4);
	all(fd, msg + 4, n, 0);
	return n;
}

int main(int argc, char **argv)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	const char *path = getenv("SSH_AUTH_SOCK"), *what = argc > 1 ? argv[1] : "list";
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	unsigned char *p;

	if (!path || strlen(path) >= sizeof(a.sun_path))
		return 2;
	memcpy(a.sun_path, path, strlen(path));
	if (connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0) {
		perror("connect");
		return 1;
	}
	if (!strcmp(what, "long")) {
		put32(msg, 1000);
		all(fd, msg, 100, 1);
		puts("sent");
		return 0;
	}
	if (strcmp(what, "list") != 0 && strcmp(what, "sign") != 0) {
		msg[4] = (unsigned char)atoi(what);
		ask(fd, 1);
		printf("answer %u\n", msg[4]);
		return 0;
	}
	msg[4] = 11;
	ask(fd, 1);
	printf("keys %u\n", get32(msg + 5));
	p = msg + 9;
	if (!strcmp(what, "sign")) {
		uint32_t blob = get32(p);

		memmove(msg + 9, p + 4, blob);
		msg[4] = 13;
		put32(msg + 5, blob);
		p = put32(msg + 9 + blob, 4);
		memcpy(p, "data", 4);
		put32(p + 4, 0);
		ask(fd, 1 + 4 + blob + 4 + 4 + 4);
		printf("signed %u bytes, answer %u\n", get32(msg + 5), msg[4]);
		return 0;
	}
	for (uint32_t n = get32(msg + 5); n; n--) {
		p += 4 + get32(p);
		printf("%.*s\n", (int)get32(p), (const char *)p + 4);
		p += 4 + get32(p);
	}
	return 0;
}
