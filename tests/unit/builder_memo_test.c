/* SPDX-License-Identifier: Apache-2.0 */
/* The context memo: what it remembers, and everything that must make it forget. */
#include "tests/unit/test.h"

#include "builder/memo.h"

#include <sys/stat.h>
#include <time.h>

struct env {
	char dir[64], ctx[80], other[80];
	int fd, ctx_fd;
	struct wh_store *store;
};

static int setup(void **state)
{
	struct env *e = calloc(1, sizeof(*e));
	WH_AUTO_ERR struct wh_err *err = NULL;
	char store[80];

	snprintf(e->dir, sizeof(e->dir), "/tmp/wh-memo-XXXXXX");
	assert_non_null(mkdtemp(e->dir));
	e->fd = wh_openat(AT_FDCWD, e->dir, O_RDONLY | O_DIRECTORY, 0);
	snprintf(store, sizeof(store), "%s/store", e->dir);
	snprintf(e->ctx, sizeof(e->ctx), "%s/ctx", e->dir);
	snprintf(e->other, sizeof(e->other), "%s/other", e->dir);
	assert_int_equal(mkdirat(e->fd, "ctx", 0755), 0);
	assert_int_equal(mkdirat(e->fd, "other", 0755), 0);
	e->ctx_fd = wh_openat(e->fd, "ctx", O_RDONLY | O_DIRECTORY, 0);
	assert_int_equal(wh_store_open(store, &e->store, &err), 0);
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	wh_store_close(e->store);
	close(e->fd);
	close(e->ctx_fd);
	wh_rm_rf(AT_FDCWD, e->dir);
	free(e);
	return 0;
}

static const struct wh_memo_key old = {.ino = 7, .size = 42, .mtime_ns = 1000000007, .ctime_ns = 2000000009};

static struct wh_digest digest(const char *s)
{
	struct wh_digest d;

	wh_digest_of(s, strlen(s), &d);
	return d;
}

static struct wh_memo *opened(struct env *e)
{
	return wh_memo_open(e->store, e->ctx, e->ctx_fd);
}

static void learn(struct env *e, const char *path, const struct wh_memo_key *k, const char *content)
{
	struct wh_memo *m = opened(e);
	struct wh_digest d = digest(content);

	wh_memo_put(m, path, k, &d);
	assert_int_equal(wh_memo_save(m), 0);
	wh_memo_free(m);
}

static bool knows(struct env *e, const char *path, const struct wh_memo_key *k, const char *content)
{
	struct wh_memo *m = opened(e);
	struct wh_digest want = digest(content), got;
	bool found = wh_memo_get(m, path, k, &got);

	wh_memo_free(m);
	if (found)
		assert_true(wh_digest_eq(&got, &want));
	return found;
}

static int64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void test_remembers(void **state)
{
	struct env *e = *state;

	assert_false(knows(e, "a", &old, "A"));
	learn(e, "a", &old, "A");
	learn(e, "d/b", &old, "B");
	assert_true(knows(e, "a", &old, "A"));
	assert_true(knows(e, "d/b", &old, "B"));
	assert_false(knows(e, "d", &old, "B"));
	assert_false(knows(e, "d/bb", &old, "B"));
	learn(e, "a", &old, "A2");
	assert_true(knows(e, "a", &old, "A2"));
}

static void test_any_difference(void **state)
{
	struct env *e = *state;
	struct wh_memo_key k[4] = {old, old, old, old};

	k[0].ino++;
	k[1].size++;
	k[2].mtime_ns++;
	k[3].ctime_ns++; /* the same size and mtime, set back by hand: ctime tells */
	learn(e, "a", &old, "A");
	for (size_t i = 0; i < WH_ARRAY_SIZE(k); i++)
		assert_false(knows(e, "a", &k[i], "A"));
	assert_true(knows(e, "a", &old, "A"));
}

/* A file that could still change within the same tick is not remembered, be it its mtime or its ctime that says so. */
static void test_racy(void **state)
{
	struct env *e = *state;
	struct wh_memo_key k[3] = {old, old, old};

	k[0].ctime_ns = now();
	k[1].mtime_ns = now();
	k[2].ctime_ns = now() + (int64_t)3600 * 1000000000;
	for (size_t i = 0; i < WH_ARRAY_SIZE(k); i++) {
		learn(e, "a", &k[i], "A");
		assert_false(knows(e, "a", &k[i], "A"));
	}
}

/* What changed while the run was going on, before it was read or after, is as new as the run. */
static void test_started_before(void **state)
{
	struct env *e = *state;
	struct wh_memo *m = opened(e);
	struct wh_digest d = digest("A");
	struct wh_memo_key k = old;

	usleep(30000);
	k.ctime_ns = now() - 10000000;
	wh_memo_put(m, "a", &k, &d);
	assert_int_equal(wh_memo_save(m), 0);
	wh_memo_free(m);
	assert_false(knows(e, "a", &k, "A"));
	learn(e, "a", &k, "A");
	assert_true(knows(e, "a", &k, "A"));
}

static void test_moved(void **state)
{
	struct env *e = *state;
	struct wh_digest d;
	struct wh_memo *m;

	learn(e, "a", &old, "A");
	m = wh_memo_open(e->store, e->other, e->ctx_fd);
	assert_false(wh_memo_get(m, "a", &old, &d));
	wh_memo_free(m);
	m = wh_memo_open(e->store, "/no/such/directory", e->ctx_fd);
	assert_false(wh_memo_get(m, "a", &old, &d));
	d = digest("A");
	wh_memo_put(m, "a", &old, &d);
	assert_int_equal(wh_memo_save(m), 0);
	wh_memo_free(m);
}

/* Two builds at once: neither loses what the other learned. */
static void test_together(void **state)
{
	struct env *e = *state;
	struct wh_memo *m = opened(e), *n = opened(e);
	struct wh_digest a = digest("A"), b = digest("B");

	wh_memo_put(m, "a", &old, &a);
	wh_memo_put(n, "b", &old, &b);
	assert_int_equal(wh_memo_save(m), 0);
	assert_int_equal(wh_memo_save(n), 0);
	wh_memo_free(m);
	wh_memo_free(n);
	assert_true(knows(e, "a", &old, "A"));
	assert_true(knows(e, "b", &old, "B"));
}

static void memo_file(struct env *e, struct wh_buf *name)
{
	WH_AUTO_FREE char *real = realpath(e->ctx, NULL);
	struct wh_digest d;
	char hex[65];

	assert_non_null(real);
	wh_digest_of(real, strlen(real), &d);
	wh_buf_addf(name, "%s/store/memo/%s", e->dir, wh_digest_hex(&d, hex));
}

static void test_damaged(void **state)
{
	struct env *e = *state;
	WH_AUTO_BUF struct wh_buf name = WH_BUF_INIT, good = WH_BUF_INIT;

	learn(e, "a", &old, "A");
	learn(e, "b", &old, "B");
	memo_file(e, &name);
	assert_int_equal(wh_read_file(AT_FDCWD, name.p, 1 << 20, &good), 0);
	assert_true(good.n > 100);
	/* Every byte altered, every length cut. */
	for (size_t i = 0; i < 2 * good.n; i++) {
		WH_AUTO_FREE char *copy = wh_memdup(good.p, good.n);
		size_t n = i < good.n ? good.n : i - good.n;
		struct wh_memo *m;
		struct wh_digest d;

		if (i < good.n)
			copy[i] ^= 0x40;
		assert_int_equal(wh_write_file_atomic(AT_FDCWD, name.p, copy, n, 0600, false), 0);
		m = opened(e);
		assert_false(wh_memo_get(m, "a", &old, &d));
		assert_false(wh_memo_get(m, "b", &old, &d));
		wh_memo_free(m);
	}
	/* and it is written anew */
	learn(e, "b", &old, "B");
	assert_true(knows(e, "b", &old, "B"));
	assert_false(knows(e, "a", &old, "A"));
}

static void test_nothing_learned(void **state)
{
	struct env *e = *state;
	WH_AUTO_BUF struct wh_buf name = WH_BUF_INIT;
	struct stat before, after;

	learn(e, "a", &old, "A");
	memo_file(e, &name);
	assert_int_equal(stat(name.p, &before), 0);
	{
		struct wh_memo *m = opened(e);
		struct wh_digest d;

		assert_true(wh_memo_get(m, "a", &old, &d));
		assert_int_equal(wh_memo_save(m), 0);
		wh_memo_free(m);
	}
	assert_int_equal(stat(name.p, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
}

static void test_many(void **state)
{
	struct env *e = *state;
	struct wh_memo *m = opened(e);
	struct wh_digest d;
	char path[64], content[64];

	for (unsigned i = 5000; i-- > 0;) {
		struct wh_memo_key k = old;

		k.ino = i;
		snprintf(path, sizeof(path), "dir%u/file%u", i % 17, i);
		snprintf(content, sizeof(content), "%u", i);
		d = digest(content);
		wh_memo_put(m, path, &k, &d);
	}
	assert_int_equal(wh_memo_save(m), 0);
	wh_memo_free(m);
	m = opened(e);
	for (unsigned i = 0; i < 5000; i++) {
		struct wh_memo_key k = old;
		struct wh_digest want;

		k.ino = i;
		snprintf(path, sizeof(path), "dir%u/file%u", i % 17, i);
		snprintf(content, sizeof(content), "%u", i);
		want = digest(content);
		assert_true(wh_memo_get(m, path, &k, &d));
		assert_true(wh_digest_eq(&d, &want));
	}
	wh_memo_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_remembers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_any_difference, setup, teardown),
		cmocka_unit_test_setup_teardown(test_racy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_started_before, setup, teardown),
		cmocka_unit_test_setup_teardown(test_moved, setup, teardown),
		cmocka_unit_test_setup_teardown(test_together, setup, teardown),
		cmocka_unit_test_setup_teardown(test_damaged, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nothing_learned, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
