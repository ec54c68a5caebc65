/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application of profile.t: a server of one static program that does as its first word says. Each word of a
 * connection's request line after GET is a path: what is in /data with that name is the answer.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* In pieces: whoever looks for paths in this program is to find none. */
#define PATH_OF(name) "/%s%s/%s", "da", "ta", (name)

static volatile sig_atomic_t last;

static void on_signal(int s)
{
	last = s;
}

static void handle(int s)
{
	struct sigaction a = {.sa_handler = on_signal};

	sigaction(s, &a, NULL);
}

/* The content of a file, or what is wrong. */
static void show(int out, const char *path)
{
	char b[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0) {
		dprintf(out, "%s: %s\n", path, strerror(errno));
		return;
	}
	while ((n = read(fd, b, sizeof(b))) > 0)
		if (write(out, b, (size_t)n) < 0)
			break;
	close(fd);
}

/* A file in /data. */
static void show_data(int out, const char *name)
{
	char path[512];

	if (snprintf(path, sizeof(path), PATH_OF(name)) < (int)sizeof(path))
		show(out, path);
}

static int count(const char *name)
{
	char path[512];
	DIR *d;
	int n = 0;

	snprintf(path, sizeof(path), PATH_OF(name));
	d = opendir(path);

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n > 2 ? n - 2 : 0;
}

/* What a request asks for. */
static void answer(int c, const char *name)
{
	if (!strcmp(name, "crash"))
		__builtin_trap();
	if (!strcmp(name, "exit"))
		_exit(9);
	if (!strcmp(name, "missing")) {
		dprintf(c, "HTTP/1.0 404 Not Found\r\n\r\n");
		return;
	}
	if (!strcmp(name, "shell")) {
		pid_t p = fork();

		if (!p) {
			execl("/bin/sh", "sh", "-c", "exit 0", (char *)NULL);
			_exit(127);
		}
		waitpid(p, NULL, 0);
	}
	dprintf(c, "HTTP/1.0 200 OK\r\n\r\n");
	/* A directory is listed, its files are never looked at: nothing shows that they are needed. */
	if (!strcmp(name, "list"))
		dprintf(c, "%d files\n", count("list"));
	/* Another file is read when the list is empty, as a fallback would be. */
	else if (!strcmp(name, "fallback")) {
		if (count("list"))
			dprintf(c, "found\n");
		else
			show_data(c, "fallback");
	} else if (!strcmp(name, "id"))
		dprintf(c, "%d:%d %s\n", (int)getuid(), (int)getgid(), getenv("GREETING") ? getenv("GREETING") : "-");
	else if (!strcmp(name, "say")) {
		show_data(STDOUT_FILENO, "hello");
		dprintf(c, "said\n");
	} else
		show_data(c, name);
}

static int serve(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((unsigned short)port)};
	int s = socket(AF_INET, SOCK_STREAM, 0), on = 1, c;
	char b[1024], name[1024];
	ssize_t n;

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 16) < 0) {
		perror("listen");
		return 1;
	}
	printf("listening on %d\n", port);
	for (;;) {
		struct pollfd p = {.fd = s, .events = POLLIN};

		/* Never long: a signal may come just before the wait. */
		c = poll(&p, 1, 50) > 0 ? accept(s, NULL, NULL) : -1;
		if (last == SIGHUP) {
			last = 0;
			printf("reloaded\n");
		}
		if (last)
			return 0;
		if (c < 0)
			continue;
		do
			n = read(c, b, sizeof(b) - 1);
		while (n < 0 && errno == EINTR); /* `app kill HUP`, and at once a request */
		if (n > 0) {
			b[n] = '\0';
			if (sscanf(b, "GET /%1000[^ ]", name) == 1)
				answer(c, name);
			else
				dprintf(c, "HTTP/1.0 200 OK\r\n\r\nroot\n");
		}
		close(c);
	}
}

static int background(int port)
{
	int p[2];
	char c;

	if (pipe(p) < 0)
		return 1;
	if (fork()) {
		close(p[1]);
		return read(p[0], &c, 1) < 0; /* until the other has a session of its own */
	}
	setsid();
	close(p[0]);
	close(p[1]);
	return serve(port);
}

/* Listens and never takes a connection. */
static int deaf(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(8080)};
	int s = socket(AF_INET, SOCK_STREAM, 0);

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 16) < 0)
		return 1;
	printf("listening on 8080\n");
	while (last != SIGTERM) {
		const struct timespec moment = {.tv_nsec = 50000000};

		nanosleep(&moment, NULL);
	}
	return 0;
}

/* A test driver that hands over n descriptors, the last of which is a connection to a deaf application that whoever
 * closes it has to wait for: with the whole request, or as a beginning that nothing follows. */
static int hand_over(int n, int whole)
{
	static const char words[] = "\x0d\0\0\0\4\0\0\0exec\1\0\0\0x";
	static char bytes[65536];
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(8080)};
	struct sockaddr_un control = {.sun_family = AF_UNIX, .sun_path = "/run/whittle/control"};
	struct linger wait = {1, 100000};
	int s = socket(AF_INET, SOCK_STREAM, 0), u = socket(AF_UNIX, SOCK_STREAM, 0), i, fds[8];
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(fds))];
	} space = {0};
	struct iovec v;
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = &space};
	struct cmsghdr *h;
	uint32_t answer[2] = {0};

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(s, (struct sockaddr *)&a, sizeof(a)) < 0 ||
	    connect(u, (struct sockaddr *)&control, sizeof(control)) < 0 ||
	    setsockopt(s, SOL_SOCKET, SO_LINGER, &wait, sizeof(wait)) < 0)
		return 1;
	fcntl(s, F_SETFL, O_NONBLOCK);
	for (i = 0; i < 20; i++) {
		const struct timespec moment = {.tv_nsec = 5000000};

		while (write(s, bytes, sizeof(bytes)) > 0)
			;
		nanosleep(&moment, NULL);
	}
	for (i = 0; i < n; i++)
		fds[i] = i == n - 1 ? s : STDOUT_FILENO;
	memcpy(&v.iov_base, &(const char *){words}, sizeof(v.iov_base));
	v.iov_len = whole ? sizeof(words) - 1 : 4;
	m.msg_controllen = CMSG_SPACE((size_t)n * sizeof(int));
	h = CMSG_FIRSTHDR(&m);
	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
	memcpy(CMSG_DATA(h), fds, (size_t)n * sizeof(int));
	if (sendmsg(u, &m, 0) < 0)
		return 1;
	if (whole && read(u, answer, sizeof(answer)) == sizeof(answer))
		printf("answer %u\n", answer[0]);
	return 0; /* an end does not wait, as a close would */
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "serve";
	char sick[64];

	setvbuf(stdout, NULL, _IOLBF, 0);
	handle(SIGHUP);
	if (!strcmp(mode, "exit"))
		return atoi(argv[2]);
	if (!strcmp(mode, "print")) { /* a command-line tool: its words, a file, a line of its input */
		char line[256] = "";

		printf("words %s\n", argc > 2 ? argv[2] : "none");
		show_data(STDOUT_FILENO, "hello");
		if (argc > 3 && fgets(line, sizeof(line), stdin))
			printf("input %s", line);
		return 5;
	}
	if (!strcmp(mode, "file"))
		return show(STDOUT_FILENO, argv[2]), 0;
	if (!strcmp(mode, "leave")) { /* a child of its own goes on, and reads something later */
		const struct timespec moment = {.tv_nsec = 300000000};

		if (fork())
			return 3;
		nanosleep(&moment, NULL);
		show_data(STDERR_FILENO, "list/a");
		for (;;)
			pause();
	}
	if (!strcmp(mode, "health") && argc > 2) { /* leaves somebody behind who writes for ever */
		if (!fork())
			for (;;)
				if (write(STDOUT_FILENO, "\057data/data/data/data\n", 5 * 4 + 1) < 0)
					_exit(1);
		return 0;
	}
	if (!strcmp(mode, "health"))
		return snprintf(sick, sizeof(sick), PATH_OF("sick")) > 0 && access(sick, F_OK) == 0;
	if (!strcmp(mode, "write")) {
		int fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0644);

		return fd < 0 || dprintf(fd, "%s\n", argv[3]) < 0;
	}
	if (!strcmp(mode, "trap"))
		__builtin_trap();
	if (!strcmp(mode, "ignore")) {
		signal(SIGTERM, SIG_IGN);
		handle(SIGUSR2);
		return serve(8080) ? 1 : last == SIGUSR2 ? 143 : 0;
	}
	if (!strcmp(mode, "background"))
		return background(8080);
	if (!strcmp(mode, "deaf"))
		return handle(SIGTERM), deaf();
	if (!strcmp(mode, "hand-over"))
		return hand_over(atoi(argv[2]), argc > 3);
	if (!strcmp(mode, "port"))
		return handle(SIGTERM), serve(atoi(argv[2]));
	if (!strcmp(mode, "slow")) {
		const struct timespec half = {.tv_nsec = 500000000};

		handle(SIGTERM);
		nanosleep(&half, NULL);
		mkdir("/tmp", 01777);
		close(open("/tmp/is-up", O_WRONLY | O_CREAT, 0644));
		return serve(8080);
	}
	if (!strcmp(mode, "bad-stop")) {
		handle(SIGTERM);
		serve(8080);
		return 3;
	}
	if (!strcmp(mode, "usr1"))
		return handle(SIGUSR1), serve(8080);
	handle(SIGTERM);
	if (!strcmp(mode, "143")) {
		serve(8080);
		return 143;
	}
	return serve(8080);
}
