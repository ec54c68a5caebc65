/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"

#include <errno.h>
#include <time.h>

struct watch {
	int fd;
	short events;
	bool dead; /* deleted by a handler of this very round; swept after it */
	wh_fd_fn fn;
	void *arg;
};

struct timer {
	uint64_t id, at; /* at: CLOCK_MONOTONIC, ns */
	wh_timer_fn fn;
	void *arg;
};

struct wh_loop {
	struct watch **watches; /* each on its own, so that adding moves none under a handler's feet */
	size_t n_watches, cap_watches;
	struct timer *timers;
	size_t n_timers, cap_timers;
	struct pollfd *fds;
	size_t n_fds, cap_fds;
	uint64_t last_id;
	bool stopped;
	int value;
};

uint64_t wh_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

struct wh_loop *wh_loop_new(void)
{
	return wh_calloc(1, sizeof(struct wh_loop));
}

void wh_loop_free(struct wh_loop *l)
{
	size_t i;

	if (!l)
		return;
	for (i = 0; i < l->n_watches; i++)
		free(l->watches[i]);
	free(l->watches);
	free(l->timers);
	free(l->fds);
	free(l);
}

void wh_loop_add_fd(struct wh_loop *l, int fd, short events, wh_fd_fn fn, void *arg)
{
	struct watch *w = wh_calloc(1, sizeof(*w));

	wh_loop_del_fd(l, fd); /* one watch a descriptor: the newest counts */
	*w = (struct watch){.fd = fd, .events = events, .fn = fn, .arg = arg};
	WH_PUSH(l->watches, l->n_watches, l->cap_watches) = w;
}

void wh_loop_del_fd(struct wh_loop *l, int fd)
{
	size_t i;

	for (i = 0; i < l->n_watches; i++)
		if (l->watches[i]->fd == fd)
			l->watches[i]->dead = true;
}

uint64_t wh_loop_add_timer(struct wh_loop *l, uint64_t ms, wh_timer_fn fn, void *arg)
{
	uint64_t wait, at;

	if (__builtin_mul_overflow(ms, (uint64_t)1000000, &wait) || __builtin_add_overflow(wh_now_ns(), wait, &at))
		at = UINT64_MAX;
	WH_PUSH(l->timers, l->n_timers, l->cap_timers) =
		(struct timer){.id = ++l->last_id, .at = at, .fn = fn, .arg = arg};
	return l->last_id;
}

void wh_loop_del_timer(struct wh_loop *l, uint64_t id)
{
	size_t i;

	for (i = 0; i < l->n_timers; i++) {
		if (l->timers[i].id == id) {
			l->timers[i] = l->timers[--l->n_timers];
			return;
		}
	}
}

/* The one that is due first (the older of two), or NULL. */
static const struct timer *next_timer(const struct wh_loop *l, uint64_t newest)
{
	const struct timer *best = NULL;
	size_t i;

	for (i = 0; i < l->n_timers; i++) {
		const struct timer *t = &l->timers[i];

		if (t->id <= newest && (!best || t->at < best->at || (t->at == best->at && t->id < best->id)))
			best = t;
	}
	return best;
}

/* Fires what is due. A timer that a handler adds waits for the next round, so that fds get their turn. */
static void fire(struct wh_loop *l)
{
	uint64_t now = wh_now_ns(), newest = l->last_id;
	const struct timer *t;
	struct timer due;

	while (!l->stopped && (t = next_timer(l, newest)) && t->at <= now) {
		due = *t;
		wh_loop_del_timer(l, due.id);
		due.fn(due.arg);
	}
}

static void sweep(struct wh_loop *l)
{
	size_t i, kept = 0;

	for (i = 0; i < l->n_watches; i++) {
		if (l->watches[i]->dead)
			free(l->watches[i]);
		else
			l->watches[kept++] = l->watches[i];
	}
	l->n_watches = kept;
}

static void dispatch(struct wh_loop *l)
{
	size_t i;

	/* Handlers may append watches, but entry i of both arrays stays a pair until the sweep. */
	for (i = 0; i < l->n_fds && !l->stopped; i++) {
		struct watch *w = l->watches[i];

		if (l->fds[i].revents && !w->dead)
			w->fn(w->arg, w->fd, l->fds[i].revents);
	}
}

int wh_loop_run(struct wh_loop *l)
{
	struct timespec ts;
	const struct timer *t;
	uint64_t now, wait;
	size_t i;

	while (!l->stopped) {
		sweep(l);
		l->n_fds = 0;
		for (i = 0; i < l->n_watches; i++)
			WH_PUSH(l->fds, l->n_fds, l->cap_fds) =
				(struct pollfd){.fd = l->watches[i]->fd, .events = l->watches[i]->events};
		t = next_timer(l, UINT64_MAX);
		if (!t && !l->n_fds)
			return -EDEADLK; /* nothing could ever wake us: better an error than a hang */
		if (t) {
			now = wh_now_ns();
			wait = t->at > now ? t->at - now : 0;
			ts = (struct timespec){.tv_sec = (time_t)(wait / 1000000000U),
					       .tv_nsec = (long)(wait % 1000000000U)};
		}
		if (ppoll(l->fds, l->n_fds, t ? &ts : NULL, NULL) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		fire(l);
		dispatch(l);
	}
	l->stopped = false;
	return l->value;
}

void wh_loop_stop(struct wh_loop *l, int value)
{
	l->stopped = true;
	l->value = value;
}
