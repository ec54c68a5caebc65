/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop (ppoll) and the worker pool. One loop a process, on its main
 * thread. Signals arrive through a signalfd that the owner adds like any fd.
 * Worker threads run only layer work (read, hash, compress, unpack); their
 * results come back as calls on the loop's thread.
 */
#ifndef WH_BASE_LOOP_H
#define WH_BASE_LOOP_H

#include "base/err.h"
#include "base/mem.h"

#include <poll.h>

struct wh_loop;
struct wh_loop *wh_loop_new(void);
void wh_loop_free(struct wh_loop *l);

typedef void (*wh_fd_fn)(void *arg, int fd, short revents);
typedef void (*wh_timer_fn)(void *arg);
/* Watches fd until removed; the loop never closes it. A second watch of the same fd replaces the first.
 * Handlers may add and remove freely, themselves included. */
void wh_loop_add_fd(struct wh_loop *l, int fd, short events, wh_fd_fn fn, void *arg);
void wh_loop_del_fd(struct wh_loop *l, int fd);
/* One-shot timer, milliseconds from now; returns an id (never 0). Deleting an expired id is harmless. */
uint64_t wh_loop_add_timer(struct wh_loop *l, uint64_t ms, wh_timer_fn fn, void *arg);
void wh_loop_del_timer(struct wh_loop *l, uint64_t id);
/* Runs until wh_loop_stop() (also one that came before). Returns the value given to stop, or -errno when ppoll itself
 * fails; -EDEADLK when there is nothing left to wait for. Not to be nested. */
int wh_loop_run(struct wh_loop *l);
void wh_loop_stop(struct wh_loop *l, int value);
/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t wh_now_ns(void);

/* Worker pool: threads start with the first submission (never earlier: before that the process may still unshare). */
struct wh_pool;
struct wh_pool *wh_pool_new(struct wh_loop *l, unsigned threads);
/* work() runs on some thread, then done() on the loop's. Both get arg. */
void wh_pool_submit(struct wh_pool *p, void (*work)(void *arg), void (*done)(void *arg), void *arg);
unsigned wh_pool_busy(const struct wh_pool *p); /* submitted and not yet done() */
/* Waits for what is running; from here on no done() is called, neither for that nor for what was queued or finished: the
 * arguments are the owner's to free. Not to be called from done(). */
void wh_pool_free(struct wh_pool *p);
unsigned wh_cpu_count(void); /* CPUs this process may use, at least 1 */

#endif
