/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The worker pool: a queue of jobs to be worked on, a queue of jobs to be told
 * of on the loop's thread, one lock over both, and an eventfd that wakes the
 * loop. Workers take no signals: those belong to the loop's signalfd.
 */
#include "base/loop.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>

struct job {
	struct job *next;
	void (*work)(void *arg);
	void (*done)(void *arg);
	void *arg;
};

struct queue {
	struct job *first, **end;
};

struct wh_pool {
	struct wh_loop *loop;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct queue todo, finished;
	bool quit;
	unsigned idle; /* threads that wait */
	/* Below: the loop's thread only. */
	pthread_t *threads;
	unsigned n_threads, max_threads, busy;
	int event;
	bool watched;
};

static void append(struct queue *q, struct job *j)
{
	j->next = NULL;
	*q->end = j;
	q->end = &j->next;
}

static struct job *take(struct queue *q)
{
	struct job *j = q->first;

	if (j) {
		q->first = j->next;
		if (!q->first)
			q->end = &q->first;
	}
	return j;
}

static void wake(int event)
{
	static const uint64_t one = 1;

	while (write(event, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void *worker(void *arg)
{
	struct wh_pool *p = arg;
	struct job *j;

	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!p->quit && !p->todo.first) {
			p->idle++;
			pthread_cond_wait(&p->more, &p->lock);
			p->idle--;
		}
		if (p->quit)
			break;
		j = take(&p->todo);
		pthread_mutex_unlock(&p->lock);
		j->work(j->arg);
		pthread_mutex_lock(&p->lock);
		append(&p->finished, j);
		wake(p->event);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void on_event(void *arg, int fd, short revents)
{
	struct wh_pool *p = arg;
	struct queue ready = {.end = &ready.first};
	struct job *j;
	uint64_t count;

	(void)revents;
	while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
		;
	pthread_mutex_lock(&p->lock);
	while ((j = take(&p->finished)))
		append(&ready, j);
	pthread_mutex_unlock(&p->lock);
	while ((j = take(&ready))) {
		/* Freed first: done() may submit, stop the loop, or look at wh_pool_busy(). */
		struct job copy = *j;

		free(j);
		p->busy--;
		if (copy.done)
			copy.done(copy.arg);
	}
}

struct wh_pool *wh_pool_new(struct wh_loop *l, unsigned threads)
{
	struct wh_pool *p = wh_calloc(1, sizeof(*p));

	p->loop = l;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->more, NULL);
	p->todo.end = &p->todo.first;
	p->finished.end = &p->finished.first;
	p->max_threads = threads ? threads : 1;
	p->threads = wh_calloc(p->max_threads, sizeof(*p->threads));
	p->event = -1;
	return p;
}

static bool start_thread(struct wh_pool *p)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&p->threads[p->n_threads], NULL, worker, p);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r)
		return false;
	p->n_threads++;
	return true;
}

void wh_pool_submit(struct wh_pool *p, void (*work)(void *arg), void (*done)(void *arg), void *arg)
{
	struct job *j = wh_calloc(1, sizeof(*j));
	bool start;

	*j = (struct job){.work = work, .done = done, .arg = arg};
	if (!p->watched) {
		p->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (p->event < 0)
			abort(); /* a pool without it could never report; descriptors are bounded elsewhere */
		wh_loop_add_fd(p->loop, p->event, POLLIN, on_event, p);
		p->watched = true;
	}
	p->busy++;
	pthread_mutex_lock(&p->lock);
	append(&p->todo, j);
	start = p->n_threads < p->max_threads && p->idle < p->busy;
	pthread_cond_signal(&p->more);
	pthread_mutex_unlock(&p->lock);
	if (start && !start_thread(p) && !p->n_threads) {
		/* No thread to be had at all: do it here, slow but right. */
		pthread_mutex_lock(&p->lock);
		j = take(&p->todo);
		pthread_mutex_unlock(&p->lock);
		j->work(j->arg);
		append(&p->finished, j);
		wake(p->event);
	}
}

unsigned wh_pool_busy(const struct wh_pool *p)
{
	return p->busy;
}

void wh_pool_free(struct wh_pool *p)
{
	struct job *j;
	unsigned i;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->quit = true;
	pthread_cond_broadcast(&p->more);
	pthread_mutex_unlock(&p->lock);
	for (i = 0; i < p->n_threads; i++)
		pthread_join(p->threads[i], NULL);
	while ((j = take(&p->todo)) || (j = take(&p->finished)))
		free(j);
	if (p->watched) {
		wh_loop_del_fd(p->loop, p->event);
		close(p->event);
	}
	pthread_cond_destroy(&p->more);
	pthread_mutex_destroy(&p->lock);
	free(p->threads);
	free(p);
}

unsigned wh_cpu_count(void)
{
	size_t cpus;

	for (cpus = 1024; cpus <= 1024 * 64; cpus *= 2) {
		cpu_set_t *set = CPU_ALLOC(cpus);
		int n = -1;

		if (!set)
			break;
		if (sched_getaffinity(0, CPU_ALLOC_SIZE(cpus), set) == 0)
			n = CPU_COUNT_S(CPU_ALLOC_SIZE(cpus), set);
		CPU_FREE(set);
		if (n > 0)
			return (unsigned)n;
		if (errno != EINVAL)
			break;
	}
	return 1;
}
