/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application of repair.t: what it does hangs on the number of its run, its second word. No whole path of what it opens
 * stands in it, so that nothing but being seen tells of them.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DIR_OF "/%s%s", "da", "ta" /* in pieces */

static int try(const char *name, int n)
{
	char dir[16], path[64], text[64];
	int fd;
	ssize_t got;

	snprintf(dir, sizeof(dir), DIR_OF);
	if (n)
		snprintf(path, sizeof(path), "%s/%s%d", dir, name, n);
	else
		snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY);
	if (fd < 0) {
		printf("not there: number %d\n", n);
		return -1;
	}
	got = read(fd, text, sizeof(text));
	if (got > 0)
		fwrite(text, 1, (size_t)got, stdout);
	close(fd);
	return 0;
}

static int entries(void)
{
	char dir[16];
	DIR *d;
	int n = 0;

	snprintf(dir, sizeof(dir), DIR_OF);
	d = opendir(dir);
	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

static int shell(void)
{
	int status;
	char path[16];
	pid_t p = fork();

	if (!p) {
		snprintf(path, sizeof(path), "/%s/%s", "bin", "sh");
		execl(path, path, "-c", "exit 0", (char *)NULL);
		_exit(127);
	}
	waitpid(p, &status, 0);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	int n = argc > 2 ? atoi(argv[2]) : 1;

	if (!strcmp(what, "read"))
		return try("n", n < 5 ? n : 5), 0;
	if (!strcmp(what, "need"))
		return try("n", n < 2 ? n : 2) < 0;
	if (!strcmp(what, "deep"))
		return n > 1 ? try("sub/way/deep", 0), 0 : 0;
	if (!strcmp(what, "second-shell"))
		return n > 1 ? shell() : 0;
	if (!strcmp(what, "count-list"))
		return entries() < 5;
	if (!strcmp(what, "second-fails"))
		return n > 1 || try("n", 1) < 0;
	return 2;
}
