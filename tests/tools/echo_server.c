/* SPDX-License-Identifier: Apache-2.0 */
/* echo_server tcp|udp ADDRESS PORT: gives back what it gets, of a TCP connection all of it at its end. Static: for containers. */
#include <arpa/inet.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void serve(int fd)
{
	char *all = NULL, part[65536];
	size_t n = 0, at = 0;
	ssize_t got;

	while ((got = read(fd, part, sizeof(part))) > 0) {
		all = realloc(all, n + (size_t)got);
		memcpy(all + n, part, (size_t)got);
		n += (size_t)got;
	}
	while (at < n && (got = write(fd, all + at, n - at)) > 0)
		at += (size_t)got;
	_exit(0);
}

int main(int argc, char **argv)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	int udp, fd, six, on = 1;
	char part[65536];

	if (argc != 4)
		return 2;
	udp = strcmp(argv[1], "udp") == 0;
	six = strchr(argv[2], ':') != NULL;
	v4.sin_port = v6.sin6_port = htons((uint16_t)atoi(argv[3]));
	inet_pton(AF_INET, argv[2], &v4.sin_addr);
	inet_pton(AF_INET6, argv[2], &v6.sin6_addr);
	signal(SIGCHLD, SIG_IGN);
	fd = socket(six ? AF_INET6 : AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, six ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4, six ? sizeof(v6) : sizeof(v4)) < 0 ||
	    (!udp && listen(fd, 1024) < 0)) {
		perror("listen");
		return 1;
	}
	printf("listening\n");
	fflush(stdout);
	for (;;) {
		struct sockaddr_storage from;
		socklen_t len = sizeof(from);
		int conn = udp ? -1 : accept(fd, NULL, NULL);

		if (conn >= 0) {
			if (fork() == 0)
				serve(conn);
			close(conn);
		} else if (udp) {
			ssize_t n = recvfrom(fd, part, sizeof(part), 0, (struct sockaddr *)&from, &len);

			if (n >= 0)
				sendto(fd, part, (size_t)n, 0, (struct sockaddr *)&from, len);
		}
	}
}
