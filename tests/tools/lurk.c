/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lurks in a container for processes that are started in it from outside, and takes what it can get of them: their
 * program file, their descriptors, their root, a trace. Built static by tests/prog/containers.t.
 *
 *   lurk SECRET END         until the file END is there; prints what it got that it should not, then "seen N"
 *   lurk SECRET END hold    traces the first that comes and never lets go, once it has told so in the file /tmp/held
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *secret;

/* What is this container's own: its programs, the test's output, and what has no path. */
static int harmless(const char *target)
{
	return !strcmp(target, "/bin/busybox") || !strcmp(target, "/bin/lurk") || strstr(target, " (deleted)");
}

static void look(const char *pid, const char *what)
{
	char path[512], target[512] = "";
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, what);
	n = readlink(path, target, sizeof(target) - 1);
	if (n > 0 && !strcmp(what, "exe") && !harmless(target))
		printf("program file: %s\n", target);
	/* A directory of the host's leads to the secret; so does a root or a working directory. */
	snprintf(path, sizeof(path), "/proc/%s/%s/%s", pid, what, secret);
	if (access(path, F_OK) == 0)
		printf("the host: %s\n", path);
	snprintf(path, sizeof(path), "/proc/%s/%s/../../../../../../../../%s", pid, what, secret);
	if (access(path, F_OK) == 0)
		printf("the host: %s\n", path);
}

static void take(const char *pid)
{
	char path[512], before[64] = "", what[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/exe", pid);
	look(pid, "exe");
	look(pid, "cwd");
	look(pid, "root");
	for (int fd = 0; fd < 24; fd++) {
		snprintf(what, sizeof(what), "fd/%d", fd);
		look(pid, what);
	}
	/* Traced, it would do anything: so it must be the container's own program by then. In a process of its own, whose end
	 * lets go of it. */
	if (fork() == 0) {
		if (ptrace(PTRACE_SEIZE, atoi(pid), NULL, NULL) == 0) {
			n = readlink(path, before, sizeof(before) - 1);
			if (n > 0 && !harmless(before))
				printf("traced: %s\n", before);
		}
		fflush(stdout);
		_exit(0);
	}
	wait(NULL);
}

static void hold(const char *pid)
{
	int fd;

	while (ptrace(PTRACE_SEIZE, atoi(pid), NULL, NULL) < 0)
		if (kill(atoi(pid), 0) < 0)
			return;
	fd = open("/tmp/held", O_CREAT | O_WRONLY, 0644);
	close(fd);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	char self[16];
	int highest = 0, seen = 0;

	if (argc != 3 && argc != 4)
		return 2;
	secret = argv[1] + 1;
	setvbuf(stdout, NULL, _IOLBF, 0);
	snprintf(self, sizeof(self), "%d", (int)getpid());
	while (access(argv[2], F_OK) < 0) {
		DIR *d = opendir("/proc");
		const struct dirent *e;

		while (d && (e = readdir(d))) {
			if (!isdigit((unsigned char)e->d_name[0]) || !strcmp(e->d_name, self) || !strcmp(e->d_name, "1"))
				continue;
			if (atoi(e->d_name) > highest) {
				highest = atoi(e->d_name);
				seen++;
			}
			if (argc == 4)
				hold(e->d_name);
			else
				take(e->d_name);
		}
		if (d)
			closedir(d);
	}
	printf("seen %d\n", seen);
	return 0;
}
