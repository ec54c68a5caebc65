/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Feeds a fuzz target what it has met before. The program fuzz_NOUN reads every
 * file of tests/fuzz/corpus/NOUN below $WH_SRCDIR (or the files and directories
 * it is given) and prints TAP. There is one promise to test: it comes back,
 * without a sanitizer's complaint. With clang, the same target and
 * -fsanitize=fuzzer instead of this file make a fuzzer.
 */
#include "base/base.h"

#include <dirent.h>
#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count;

static int one(int dirfd, const char *name)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_FREE void *exact = NULL;
	int r = wh_read_file(dirfd, name, (size_t)64 << 20, &buf);

	if (r) {
		fprintf(stderr, "%s: %s\n", name, strerror(-r));
		return r;
	}
	/* Not the buffer itself: its NUL and its spare room would hide a read past the end. */
	exact = wh_memdup(buf.p, buf.n);
	fprintf(stderr, "replaying %s\n", name);
	LLVMFuzzerTestOneInput(exact, buf.n);
	printf("ok %zu - %s\n", ++count, name);
	fflush(stdout);
	return 0;
}

static int all(const char *path)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	struct dirent *e;
	int r = 0;
	size_t i;
	DIR *d = opendir(path);

	if (!d)
		return errno == ENOTDIR ? one(AT_FDCWD, path) : -errno;
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			wh_strv_add(&names, e->d_name);
	wh_strv_sort(&names);
	for (i = 0; i < names.n && !r; i++)
		r = one(dirfd(d), names.v[i]);
	closedir(d);
	return r;
}

int main(int argc, char **argv)
{
	const char *noun = wh_path_base(argv[0]), *src = getenv("WH_SRCDIR");
	WH_AUTO_FREE char *corpus = NULL;
	int i, r = 0;

	for (i = 1; i < argc && !r; i++)
		r = all(argv[i]);
	if (argc == 1) {
		if (wh_has_prefix(noun, "fuzz_"))
			noun += strlen("fuzz_");
		corpus = wh_asprintf("%s/tests/fuzz/corpus/%s", src ? src : ".", noun);
		r = all(corpus);
		if (r)
			fprintf(stderr, "%s: %s\n", corpus, strerror(-r));
	}
	if (!r && !count) {
		fprintf(stderr, "no input at all\n");
		r = -ENOENT;
	}
	printf("1..%zu\n", count);
	return r ? 1 : 0;
}
