/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

struct seen {
	struct wh_loop *loop;
	struct wh_pool *pool;
	char order[64];
	size_t n;
	int pipe[2][2];
	uint64_t id;
	unsigned done;
	bool wrong_thread;
	pthread_t main;
	atomic_uint worked;
};

static void mark(struct seen *s, char c)
{
	assert_true(s->n + 1 < sizeof(s->order));
	s->order[s->n++] = c;
	s->order[s->n] = '\0';
}

static void at_a(void *arg)
{
	mark(arg, 'a');
}

static void at_b(void *arg)
{
	mark(arg, 'b');
}

static void at_end(void *arg)
{
	struct seen *s = arg;

	mark(s, '.');
	wh_loop_stop(s->loop, 42);
}

static void timers(void **state)
{
	struct seen s = {.loop = wh_loop_new()};
	uint64_t gone, begin = wh_now_ns();

	(void)state;
	wh_loop_add_timer(s.loop, 30, at_end, &s);
	wh_loop_add_timer(s.loop, 20, at_b, &s);
	wh_loop_add_timer(s.loop, 10, at_a, &s);
	gone = wh_loop_add_timer(s.loop, 15, at_a, &s);
	wh_loop_add_timer(s.loop, UINT64_MAX, at_a, &s);
	assert_true(gone != 0);
	wh_loop_del_timer(s.loop, gone);
	wh_loop_del_timer(s.loop, gone);
	assert_int_equal(wh_loop_run(s.loop), 42);
	assert_string_equal(s.order, "ab.");
	assert_true(wh_now_ns() - begin >= 30 * 1000000U);
	wh_loop_free(s.loop);
}

static void chained(void *arg)
{
	struct seen *s = arg;

	mark(s, 'c');
	if (s->n == 5)
		wh_loop_stop(s->loop, 5);
	else
		wh_loop_add_timer(s->loop, 0, chained, s);
}

static void timer_adds_timer(void **state)
{
	struct seen s = {.loop = wh_loop_new()};

	(void)state;
	wh_loop_add_timer(s.loop, 0, chained, &s);
	assert_int_equal(wh_loop_run(s.loop), 5);
	assert_string_equal(s.order, "ccccc");
	wh_loop_free(s.loop);
}

static void on_second(void *arg, int fd, short revents)
{
	char c;

	assert_true(revents & POLLIN);
	assert_int_equal(read(fd, &c, 1), 1);
	mark(arg, c);
	wh_loop_stop(((struct seen *)arg)->loop, 1);
}

static void on_first(void *arg, int fd, short revents)
{
	struct seen *s = arg;
	char c;

	(void)revents;
	assert_int_equal(read(fd, &c, 1), 1);
	mark(s, c);
	/* Removes both, though the second is ready in this very round, and puts the second back with another letter. */
	wh_loop_del_fd(s->loop, fd);
	wh_loop_del_fd(s->loop, s->pipe[1][0]);
	assert_int_equal(write(s->pipe[0][1], "x", 1), 1);
	wh_loop_add_fd(s->loop, s->pipe[1][0], POLLIN, on_second, s);
}

static void never(void *arg, int fd, short revents)
{
	(void)arg;
	(void)fd;
	(void)revents;
	fail();
}

static void descriptors(void **state)
{
	struct seen s = {.loop = wh_loop_new()};
	int i;

	(void)state;
	for (i = 0; i < 2; i++)
		assert_int_equal(pipe2(s.pipe[i], O_CLOEXEC), 0);
	assert_int_equal(write(s.pipe[0][1], "1", 1), 1);
	assert_int_equal(write(s.pipe[1][1], "2", 1), 1);
	wh_loop_add_fd(s.loop, s.pipe[0][0], POLLIN, never, &s);
	wh_loop_add_fd(s.loop, s.pipe[0][0], POLLIN, on_first, &s); /* replaces */
	wh_loop_add_fd(s.loop, s.pipe[1][0], POLLIN, never, &s);
	assert_int_equal(wh_loop_run(s.loop), 1);
	assert_string_equal(s.order, "12");
	for (i = 0; i < 2; i++) {
		close(s.pipe[i][0]);
		close(s.pipe[i][1]);
	}
	wh_loop_free(s.loop);
}

static void ends(void **state)
{
	struct wh_loop *l = wh_loop_new();

	(void)state;
	assert_int_equal(wh_loop_run(l), -EDEADLK); /* nothing to wait for */
	wh_loop_stop(l, 7);                         /* before run: counts */
	assert_int_equal(wh_loop_run(l), 7);
	wh_loop_free(l);
}

static void job(void *arg)
{
	struct seen *s = arg;

	if (pthread_equal(pthread_self(), s->main))
		s->wrong_thread = true;
	atomic_fetch_add(&s->worked, 1);
}

static void job_done(void *arg)
{
	struct seen *s = arg;

	if (!pthread_equal(pthread_self(), s->main))
		s->wrong_thread = true;
	if (++s->done == 50)
		wh_pool_submit(s->pool, job, job_done, s); /* a handler may submit */
	if (s->done == 501) {
		assert_int_equal(wh_pool_busy(s->pool), 0);
		wh_loop_stop(s->loop, 3);
	}
}

static void pool(void **state)
{
	struct seen s = {.loop = wh_loop_new(), .main = pthread_self()};
	int i;

	(void)state;
	s.pool = wh_pool_new(s.loop, 4);
	assert_int_equal(wh_pool_busy(s.pool), 0);
	for (i = 0; i < 500; i++)
		wh_pool_submit(s.pool, job, job_done, &s);
	assert_int_equal(wh_pool_busy(s.pool), 500);
	assert_int_equal(wh_loop_run(s.loop), 3);
	assert_int_equal(s.done, 501);
	assert_int_equal(atomic_load(&s.worked), 501);
	assert_false(s.wrong_thread);
	wh_pool_free(s.pool);
	wh_loop_free(s.loop);
}

static void slow(void *arg)
{
	atomic_uint *at = arg;

	atomic_store(at, 1);
	usleep(50000);
	atomic_store(at, 2);
}

static void must_not(void *arg)
{
	(void)arg;
	fail();
}

static void pool_free_waits(void **state)
{
	struct wh_loop *l = wh_loop_new();
	struct wh_pool *p = wh_pool_new(l, 1);
	atomic_uint running = 0, queued = 0;

	(void)state;
	wh_pool_submit(p, slow, must_not, &running);
	wh_pool_submit(p, slow, must_not, &queued);
	while (atomic_load(&running) == 0)
		sched_yield();
	wh_pool_free(p);
	assert_int_equal(atomic_load(&running), 2);
	assert_int_equal(atomic_load(&queued), 0);
	assert_int_equal(wh_loop_run(l), -EDEADLK); /* the pool's descriptor went with it */
	wh_loop_free(l);
}

static void cpus(void **state)
{
	cpu_set_t old, one;
	int cpu;

	(void)state;
	assert_true(wh_cpu_count() >= 1);
	assert_int_equal(sched_getaffinity(0, sizeof(old), &old), 0);
	for (cpu = 0; !CPU_ISSET(cpu, &old); cpu++)
		;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_int_equal(sched_setaffinity(0, sizeof(one), &one), 0);
	assert_int_equal(wh_cpu_count(), 1);
	sched_setaffinity(0, sizeof(old), &old);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers),      cmocka_unit_test(timer_adds_timer),
		cmocka_unit_test(descriptors), cmocka_unit_test(ends),
		cmocka_unit_test(pool),        cmocka_unit_test(pool_free_waits),
		cmocka_unit_test(cpus),
	};

	return cmocka_run_group_tests_name("base/loop", tests, NULL, NULL);
}
