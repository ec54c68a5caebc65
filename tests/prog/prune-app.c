/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application of the tests of PRUNE: does as its words say, one after the other, and ends with 1 at the first that fails.
 * A word is VERB:PATH[:MORE]; with "?" in front it may fail, with "!" it has to.
 *
 *   read stat lstat readlink access list chdir exec    what they say; exec runs PATH with the word "true"
 *   text:PATH:TEXT      the file holds TEXT
 *   owner:PATH:UID:GID  mode:PATH:OCTAL  xattr:PATH:NAME=VALUE  same:A:B (one inode)
 *   create mkdir        anew      over  writes into a file that is there      unlink  rename:A:B  append
 *   tree:PATH           every file below is read      cap:PATH  PATH has capabilities when executed (bit 10)
 *   few:DIR:PATH        when DIR has nothing but one entry, PATH is read
 *   many:DIR:N          N processes at once read DIR/0 … DIR/999, each its part of them
 *   chown:PATH:UID      call:N  the Nth of some system calls that nothing else here makes, from 1; above, the last
 *   await:PATH          until it is there
 *   id:UID:GID  env:NAME  print:TEXT  true  serve (until SIGTERM)  listen:PORT (until SIGTERM; answers each who connects)
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static int bad(const char *verb, const char *path)
{
	fprintf(stderr, "%s %s: %s\n", verb, path, strerror(errno));
	return 1;
}

static int slurp(const char *path, char *b, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n, total = 0;

	if (fd < 0)
		return -1;
	while ((n = read(fd, b + total, size - 1 - (size_t)total)) > 0 && (size_t)(total += n) < size - 1)
		;
	close(fd);
	b[total] = '\0';
	return n < 0 ? -1 : 0;
}

static int put(const char *path, int flags)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | flags, 0644);

	if (fd < 0)
		return -1;
	if (write(fd, "written by the run\n", 19) != 19)
		return -1;
	return close(fd);
}

static int list(const char *path, int deep)
{
	DIR *d = opendir(path);
	struct dirent *e;
	int r = 0;

	if (!d)
		return -1;
	while ((e = readdir(d)) && r == 0) {
		char below[4096], b[256];
		struct stat st;

		if (!deep || !strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
		if (lstat(below, &st) < 0)
			r = -1;
		else if (S_ISDIR(st.st_mode))
			r = list(below, 1);
		else if (S_ISREG(st.st_mode))
			r = slurp(below, b, sizeof(b));
	}
	closedir(d);
	return r;
}

static int start(const char *path, const char *word)
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		execl(path, path, word, (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		return -1;
	errno = ENOEXEC;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

static int entries(const char *path)
{
	DIR *d = opendir(path);
	int n = -2; /* . and .. */

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

/* As fast as they can: whoever watches has to keep up. */
static int many(const char *dir, int n)
{
	int status, r = 0;

	for (int p = 0; p < n; p++) {
		if (fork())
			continue;
		for (int i = p; i < 1000 + p; i++) {
			char path[4096], b[64];

			snprintf(path, sizeof(path), "%s/%d", dir, i % 1000);
			if (i % n == p && slurp(path, b, sizeof(b)) < 0)
				_exit(1);
			if (access(path, R_OK) < 0)
				_exit(1);
		}
		_exit(0);
	}
	while (wait(&status) > 0)
		r |= status;
	errno = ENOENT;
	return r ? -1 : 0;
}

static int call(int n)
{
	struct sysinfo info;
	struct utsname name;
	unsigned a, b, c;

	switch (n) {
	case 1:
		return getsid(0) < 0;
	case 2:
		return getpgid(0) < 0;
	case 3:
		return umask(022) > 0777;
	case 4:
		return sysinfo(&info);
	case 5:
		return getpriority(PRIO_PROCESS, 0) == -1 && errno ? -1 : 0;
	case 6:
		return setpriority(PRIO_PROCESS, 0, 1);
	case 7:
		return flock(1, LOCK_UN);
	case 8:
		return uname(&name);
	case 9:
		return getresuid(&a, &b, &c);
	case 10:
		return getgroups(0, NULL) < 0;
	case 11:
		return getresgid(&a, &b, &c);
	default:
		return sched_getscheduler(0) < 0;
	}
}

static void end(int s)
{
	(void)s;
	_exit(0);
}

static int answer(const char *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1, c;
	const char text[] = "HTTP/1.0 200 OK\r\n\r\nhello\n";

	signal(SIGTERM, end);
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (s < 0 || bind(s, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s, 8) < 0)
		return -1;
	while ((c = accept(s, NULL, NULL)) >= 0) {
		char b[512];

		if (recv(c, b, sizeof(b), 0) > 0)
			send(c, text, sizeof(text) - 1, MSG_NOSIGNAL);
		close(c);
	}
	return -1;
}

/* Of what this process holds now. */
static int has_cap(unsigned bit)
{
	unsigned long long have = 0;
	char line[256];
	FILE *f = fopen("/proc/self/status", "re");

	while (f && fgets(line, sizeof(line), f))
		sscanf(line, "CapEff: %llx", &have);
	if (f)
		fclose(f);
	errno = EPERM;
	return have >> bit & 1 ? 0 : -1;
}

static int look(const char *verb, const char *a, char *b)
{
	struct stat x, y;
	char text[4096];
	char *eq;
	ssize_t n;

	if (!strcmp(verb, "same"))
		return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_ino == y.st_ino ? 0 : -1;
	if (!strcmp(verb, "text"))
		return slurp(a, text, sizeof(text)) == 0 && !strncmp(text, b, strlen(b)) ? 0 : -1;
	if (!strcmp(verb, "xattr")) {
		eq = strchr(b, '=');
		*eq = '\0';
		n = getxattr(a, b, text, sizeof(text));
		return n == (ssize_t)strlen(eq + 1) && !memcmp(text, eq + 1, (size_t)n) ? 0 : -1;
	}
	if (stat(a, &x) < 0)
		return -1;
	errno = EINVAL;
	if (!strcmp(verb, "mode"))
		return (x.st_mode & 07777) == strtoul(b, NULL, 8) ? 0 : -1;
	return x.st_uid == strtoul(b, &eq, 10) && x.st_gid == strtoul(eq + 1, NULL, 10) ? 0 : -1; /* owner */
}

static int act(const char *verb, char *a, char *b)
{
	char text[4096];
	struct stat st;

	if (!strcmp(verb, "read"))
		return slurp(a, text, sizeof(text));
	if (!strcmp(verb, "stat"))
		return stat(a, &st);
	if (!strcmp(verb, "lstat"))
		return lstat(a, &st);
	if (!strcmp(verb, "readlink"))
		return readlink(a, text, sizeof(text)) < 0 ? -1 : 0;
	if (!strcmp(verb, "access"))
		return access(a, R_OK);
	if (!strcmp(verb, "list") || !strcmp(verb, "tree"))
		return list(a, verb[0] == 't');
	if (!strcmp(verb, "chdir"))
		return chdir(a);
	if (!strcmp(verb, "exec"))
		return start(a, "true");
	if (!strcmp(verb, "cap"))
		return start(a, "held");
	if (!strcmp(verb, "held"))
		return has_cap(10);
	if (!strcmp(verb, "few"))
		return entries(a) == 1 ? slurp(b, text, sizeof(text)) : 0;
	if (!strcmp(verb, "many"))
		return many(a, atoi(b));
	if (!strcmp(verb, "create"))
		return put(a, O_CREAT | O_EXCL);
	if (!strcmp(verb, "over"))
		return put(a, O_TRUNC);
	if (!strcmp(verb, "append"))
		return put(a, O_APPEND);
	if (!strcmp(verb, "mkdir"))
		return mkdir(a, 0755);
	if (!strcmp(verb, "unlink"))
		return unlink(a);
	if (!strcmp(verb, "rename"))
		return rename(a, b);
	if (!strcmp(verb, "chown"))
		return chown(a, (uid_t)atoi(b), (gid_t)-1);
	if (!strcmp(verb, "call")) {
		errno = 0;
		return call(atoi(a)) ? -1 : 0;
	}
	if (!strcmp(verb, "await")) {
		while (access(a, F_OK) < 0)
			usleep(10000);
		return 0;
	}
	if (!strcmp(verb, "listen"))
		return answer(a);
	if (!strcmp(verb, "id"))
		return getuid() == strtoul(a, NULL, 10) && getgid() == strtoul(b, NULL, 10) ? 0 : -1;
	if (!strcmp(verb, "env"))
		return getenv(a) ? 0 : -1;
	if (!strcmp(verb, "print"))
		return printf("%s\n", a) < 0;
	if (!strcmp(verb, "true"))
		return 0;
	return look(verb, a, b);
}

int main(int argc, char **argv)
{
	static char none[] = "";

	for (int i = 1; i < argc; i++) {
		char *verb = argv[i], *a, *b, kind = 0;
		int r;

		if (*verb == '/') /* of a script: its own name */
			continue;
		if (*verb == '?' || *verb == '!')
			kind = *verb++;
		if (!strcmp(verb, "serve")) {
			signal(SIGTERM, end);
			printf("serving\n");
			fflush(stdout);
			for (;;)
				pause();
		}
		a = strchr(verb, ':');
		if (a)
			*a++ = '\0';
		b = a ? strchr(a, ':') : NULL;
		if (b)
			*b++ = '\0';
		r = act(verb, a ? a : none, b ? b : none);
		if (kind == '!' ? r == 0 : !kind && r < 0)
			return bad(verb, a ? a : none);
	}
	return 0;
}
