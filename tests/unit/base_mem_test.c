/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"
#include "tests/unit/test.h"

static void copies(void **state)
{
	WH_AUTO_FREE char *a = wh_strdup("abc");
	WH_AUTO_FREE char *b = wh_strndup("abcdef", 3);
	WH_AUTO_FREE char *c = wh_strndup("ab", 10);
	WH_AUTO_FREE char *d = wh_asprintf("%d-%s", 7, "x");
	WH_AUTO_FREE char *e = wh_memdup("p\0q", 4);

	(void)state;
	assert_string_equal(a, "abc");
	assert_string_equal(b, "abc");
	assert_string_equal(c, "ab");
	assert_string_equal(d, "7-x");
	assert_memory_equal(e, "p\0q", 4);
	assert_null(wh_strdup(NULL));
}

static void push_grows(void **state)
{
	WH_AUTO_FREE unsigned *v = NULL;
	size_t n = 0, cap = 0;
	unsigned i;

	(void)state;
	for (i = 0; i < 1000; i++)
		WH_PUSH(v, n, cap) = i;
	assert_int_equal(n, 1000);
	assert_true(cap >= 1000);
	for (i = 0; i < 1000; i++)
		assert_int_equal(v[i], i);
}

static void takes(void **state)
{
	char *p = wh_strdup("x");
	WH_AUTO_FREE char *q = WH_TAKE_PTR(p);
	WH_AUTO_FD int fd = wh_openat(AT_FDCWD, "/dev/null", O_RDONLY, 0);
	int f;

	(void)state;
	assert_null(p);
	assert_string_equal(q, "x");
	f = WH_TAKE_FD(fd);
	assert_true(f >= 0);
	assert_int_equal(fd, -1);
	wh_closep(&f);
	assert_int_equal(f, -1);
}

static void arena(void **state)
{
	WH_AUTO_ARENA struct wh_arena *a = wh_arena_new();
	char *s = wh_arena_strdup(a, "hello"), *t;
	const char *big;
	size_t i, n;

	(void)state;
	for (n = 0; n < 3000; n++) {
		char *p = wh_arena_alloc(a, n);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
		for (i = 0; i < n; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, n);
	}
	big = wh_arena_alloc(a, 1 << 20);
	for (i = 0; i < 1 << 20; i++)
		assert_int_equal(big[i], 0);
	t = wh_arena_printf(a, "%s, %s %d", s, "world", 42);
	assert_string_equal(t, "hello, world 42");
	assert_string_equal(s, "hello");
	assert_string_equal(wh_arena_strndup(a, "abcdef", 2), "ab");
	assert_null(wh_arena_strdup(a, NULL));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(copies),
		cmocka_unit_test(push_grows),
		cmocka_unit_test(takes),
		cmocka_unit_test(arena),
	};

	return cmocka_run_group_tests_name("base/mem", tests, NULL, NULL);
}
