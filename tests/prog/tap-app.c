/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The application of tap.t and risk.t: shows the files that its words name. No path stands in this program: whoever looks for names in it learns nothing.
 *
 *   FILE…   status 1 when one is missing
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int show(const char *path)
{
	char b[4096];
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		perror(path);
		return 1;
	}
	while ((n = read(fd, b, sizeof(b))) > 0)
		if (write(1, b, (size_t)n) < 0)
			return 1;
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	int r = 0;

	for (int i = 1; i < argc; i++)
		r |= show(argv[i]);
	return r;
}
