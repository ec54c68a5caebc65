/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/stubs.h"
#include "tests/unit/test.h"

#include <errno.h>

static int root = -1;
static char path[] = "/tmp/whittle-stubs.XXXXXX";

static int setup(void **state)
{
	(void)state;
	if (!mkdtemp(path))
		return -1;
	root = wh_openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY, 0);
	assert_return_code(mkdirat(root, "etc", 0755), errno);
	assert_return_code(mkdirat(root, "a", 0755), errno);
	assert_return_code(mkdirat(root, "a/b", 0755), errno);
	wh_write_file_atomic(root, "file", "x", 1, 0644, false);
	assert_return_code(symlinkat("/a/b", root, "abs"), errno);
	assert_return_code(symlinkat("../../../a", root, "a/up"), errno);
	assert_return_code(symlinkat("/run/gone/x", root, "etc/dangling"), errno);
	assert_return_code(symlinkat("loop2", root, "loop1"), errno);
	assert_return_code(symlinkat("loop1", root, "loop2"), errno);
	return root < 0 ? -1 : 0;
}

static int teardown(void **state)
{
	(void)state;
	close(root);
	wh_rm_rf(AT_FDCWD, path);
	return 0;
}

static void resolve(void **state)
{
	static const struct {
		const char *path, *real;
		int error;
	} cases[] = {
		{"/", "/", 0},
		{"/a/b", "/a/b", 0},
		{"a/./b/", "/a/b", 0},
		{"/abs", "/a/b", 0},
		{"/abs/new/dir", "/a/b/new/dir", 0},
		{"/a/up/b", "/a/b", 0},
		{"/../../etc", "/etc", 0},
		{"/etc/dangling", "/run/gone/x", 0},
		{"/etc/dangling/y", "/run/gone/x/y", 0},
		{"/none/../a/x", "/a/x", 0},
		{"/none/../../../../x", "/x", 0},
		{"/loop1/x", NULL, -ELOOP},
		{"/file/x", NULL, -ENOTDIR},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		WH_AUTO_FREE char *real = NULL;

		assert_int_equal(wh_stub_resolve(root, cases[i].path, &real), cases[i].error);
		if (!cases[i].error)
			assert_string_equal(real, cases[i].real);
		else
			assert_null(real);
	}
}

static void lay(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(wh_stub_lay(root, "/l/m/n", true), 1);
	assert_int_equal(wh_stub_lay(root, "/l/m/n", true), 0);
	assert_int_equal(wh_stub_lay(root, "/l/m/f", false), 1);
	assert_int_equal(wh_stub_lay(root, "/l/m/f", false), 0);
	assert_int_equal(wh_stub_lay(root, "/l/m/f/g", true), -ENOTDIR);
	assert_int_equal(fstatat(root, "l/m/f", &st, 0), 0);
	assert_true(S_ISREG(st.st_mode) && st.st_size == 0);
}

static void old(const char *name)
{
	const struct timespec t[2] = {{1000, 5}, {1000, 5}};

	utimensat(root, name, t, 0);
}

static int64_t mtime(const char *name)
{
	struct stat st;

	assert_int_equal(fstatat(root, name, &st, 0), 0);
	return st.st_mtim.tv_sec;
}

static bool exists(const char *name)
{
	return faccessat(root, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void make_and_unmake(void **state)
{
	struct wh_stub_list list = {.base = wh_strdup(path)};

	(void)state;
	old("etc");
	assert_int_equal(wh_stub_make(root, root, "/etc/resolv.conf", false, &list), 0);
	assert_int_equal(wh_stub_make(root, root, "/etc/deep/er/dir", true, &list), 0);
	assert_int_equal(wh_stub_make(root, root, "/etc/kept/dir", true, &list), 0);
	assert_int_equal(wh_stub_make(root, root, "/etc/written", false, &list), 0);
	assert_int_equal(wh_stub_make(root, root, "/etc/moved", false, &list), 0);
	assert_int_equal(mtime("etc"), 1000); /* a step sees what the image says */
	assert_int_equal(list.n, 8);
	/* the step: puts something into one directory, writes one file, replaces another by one of its own */
	wh_write_file_atomic(root, "etc/kept/dir/mine", "x", 1, 0644, false);
	old("etc/kept");
	wh_write_file_atomic(root, "etc/written", "xyz", 3, 0644, false);
	assert_int_equal(renameat(root, "etc/moved", root, "etc/elsewhere"), 0);
	wh_write_file_atomic(root, "etc/moved", "", 0, 0644, false);
	old("etc");
	wh_stub_unmake(&list);
	assert_false(exists("etc/resolv.conf"));
	assert_false(exists("etc/deep"));
	assert_true(exists("etc/kept/dir/mine"));
	assert_true(exists("etc/written"));
	assert_true(exists("etc/moved"));
	assert_true(exists("etc/elsewhere"));
	assert_int_equal(mtime("etc"), 1000);
	assert_int_equal(mtime("etc/kept"), 1000);
	wh_stub_list_release(&list);
}

/* A step that puts a symlink where a parent was must not have anything removed behind it. */
static void unmake_follows_nothing(void **state)
{
	struct wh_stub_list list = {.base = wh_strdup(path)};

	(void)state;
	assert_int_equal(wh_stub_make(root, root, "/p/q/r", true, &list), 0);
	assert_int_equal(renameat(root, "p", root, "p2"), 0);
	assert_return_code(symlinkat("p2", root, "p"), errno);
	wh_stub_unmake(&list);
	assert_true(exists("p2/q/r"));
	assert_true(exists("p"));
	wh_stub_list_release(&list);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resolve),
		cmocka_unit_test(lay),
		cmocka_unit_test(make_and_unmake),
		cmocka_unit_test(unmake_follows_nothing),
	};

	return cmocka_run_group_tests_name("sandbox/stubs", tests, setup, teardown);
}
