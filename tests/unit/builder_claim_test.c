/* SPDX-License-Identifier: Apache-2.0 */
/* Claims: one holder at any time, whatever happens to holders and to the file. */
#include "builder/claim.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

struct env {
	char path[64];
	struct wh_store *store;
	struct wh_digest key;
};

static int setup(void **state)
{
	struct env *e = wh_calloc(1, sizeof(*e));

	snprintf(e->path, sizeof(e->path), "/tmp/wh-claim-test.XXXXXX");
	assert_non_null(mkdtemp(e->path));
	assert_int_equal(wh_store_open(e->path, &e->store, NULL), 0);
	wh_digest_of("step", 4, &e->key);
	*state = e;
	return 0;
}

static int teardown(void **state)
{
	struct env *e = *state;

	wh_store_close(e->store);
	wh_rm_rf(AT_FDCWD, e->path);
	free(e);
	return 0;
}

static char *file(const struct env *e)
{
	char hex[65];

	return wh_asprintf("%s/claims/%s", e->path, wh_digest_hex(&e->key, hex));
}

static void test_one_holder(void **state)
{
	struct env *e = *state;
	WH_AUTO_FREE char *path = file(e);
	struct wh_claim *a = NULL, *b = NULL, *other = NULL;
	struct wh_digest key;

	assert_true(wh_claim_take(e->store, &e->key, &a));
	assert_non_null(a);
	assert_false(wh_claim_take(e->store, &e->key, &b));
	assert_null(b);
	wh_digest_of("another", 7, &key);
	assert_true(wh_claim_take(e->store, &key, &other));
	assert_non_null(other);
	wh_claim_drop(a);
	assert_int_equal(access(path, F_OK), -1);
	assert_true(wh_claim_take(e->store, &e->key, &b));
	assert_non_null(b);
	wh_claim_drop(b);
	wh_claim_drop(other);
	wh_claim_drop(NULL);
}

/* A holder's child would hold as well: so the file must not be inherited by what it executes. */
static void test_closed_on_exec(void **state)
{
	struct env *e = *state;
	WH_AUTO_FREE char *path = file(e);
	struct wh_claim *a = NULL;
	struct stat named, st;
	bool found = false;
	int fd;

	assert_true(wh_claim_take(e->store, &e->key, &a));
	assert_int_equal(stat(path, &named), 0);
	for (fd = 0; fd < 100; fd++) {
		if (fstat(fd, &st) == 0 && st.st_ino == named.st_ino && st.st_dev == named.st_dev) {
			assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
			found = true;
		}
	}
	assert_true(found);
	wh_claim_drop(a);
}

static void test_killed(void **state)
{
	struct env *e = *state;
	WH_AUTO_FREE char *path = file(e);
	struct wh_claim *a = NULL;
	int status, said[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe2(said, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (!wh_claim_take(e->store, &e->key, &a) || !a || write(said[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(said[0], &c, 1), 1);
	assert_false(wh_claim_take(e->store, &e->key, &a));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(access(path, F_OK), 0); /* it was left, and counts for nothing */
	assert_true(wh_claim_take(e->store, &e->key, &a));
	assert_non_null(a);
	wh_claim_drop(a);
	assert_int_equal(access(path, F_OK), -1);
	close(said[0]);
	close(said[1]);
}

/* Where no claim can be made, a build goes on without. */
static void test_no_directory(void **state)
{
	struct env *e = *state;
	WH_AUTO_FREE char *path = wh_asprintf("%s/claims", e->path);
	struct wh_claim *a = NULL;

	assert_int_equal(wh_write_file_atomic(AT_FDCWD, path, "", 0, 0600, false), 0);
	assert_true(wh_claim_take(e->store, &e->key, &a));
	assert_null(a);
}

enum { PROCESSES = 6, ROUNDS = 3000 };

/* Each adds one to a counter in two steps, which only works under a claim; and each drop removes the file that others open. */
static void test_race(void **state)
{
	struct env *e = *state;
	_Atomic unsigned *counter;
	pid_t pids[PROCESSES];
	struct wh_claim *c;
	int status, i, j;
	unsigned before;

	counter = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(counter != MAP_FAILED);
	for (i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		assert_true(pids[i] >= 0);
		if (pids[i])
			continue;
		for (j = 0; j < ROUNDS; j++) {
			while (!wh_claim_take(e->store, &e->key, &c))
				sched_yield();
			if (!c)
				_exit(1);
			before = *counter;
			if (j % 16 == 0)
				sched_yield();
			*counter = before + 1;
			wh_claim_drop(c);
		}
		_exit(0);
	}
	for (i = 0; i < PROCESSES; i++) {
		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_int_equal(status, 0);
	}
	assert_int_equal(*counter, PROCESSES * ROUNDS);
	munmap(counter, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_one_holder, setup, teardown),
		cmocka_unit_test_setup_teardown(test_closed_on_exec, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(test_race, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
