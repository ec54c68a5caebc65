/* SPDX-License-Identifier: Apache-2.0 */
/* Network namespaces without a process of their own. A namespace is entered on a thread that then ends. */
#include "sandbox/step.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

struct job {
	int net_fd; /* -1: a new namespace */
	int (*fn)(void *arg);
	void *arg;
	int result;
	struct wh_err *err;
};

static void *work(void *arg)
{
	struct job *j = arg;

	if (j->net_fd < 0 && unshare(CLONE_NEWNET) < 0)
		j->result = wh_err_sys(&j->err, "sandbox", WH_ERR_ENV, errno, "make a network namespace");
	else if (j->net_fd >= 0 && setns(j->net_fd, CLONE_NEWNET) < 0)
		j->result = wh_err_sys(&j->err, "sandbox", WH_ERR_INTERNAL, errno, "enter the network namespace");
	else
		j->result = j->fn(j->arg);
	return NULL;
}

static int run_on_thread(struct job *j, struct wh_err **err)
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, work, j);

	if (r != 0)
		return wh_err_sys(err, "sandbox", WH_ERR_ENV, r, "start a thread");
	pthread_join(thread, NULL);
	wh_err_move(err, &j->err);
	return j->result;
}

/* Of the thread that runs this: its network namespace, ready for use. */
static int set_up(void *arg)
{
	struct wh_err **err = arg;
	int r = wh_net_loopback(err), fd;

	if (r < 0)
		return r;
	wh_net_open_ports();
	fd = wh_openat(AT_FDCWD, "/proc/thread-self/ns/net", O_RDONLY, 0);
	return fd < 0 ? wh_err_sys(err, "sandbox", WH_ERR_ENV, -fd, "open the network namespace") : fd;
}

int wh_netns_new(struct wh_err **err)
{
	struct job j = {.net_fd = -1, .fn = set_up, .arg = err};

	return run_on_thread(&j, err);
}

int wh_netns_run(int net_fd, int (*fn)(void *arg), void *arg, struct wh_err **err)
{
	struct job j = {.net_fd = net_fd, .fn = fn, .arg = arg};

	if (net_fd < 0)
		return wh_err_set(err, "sandbox", WH_ERR_INTERNAL, EBADF, "there is no network namespace to enter");
	return run_on_thread(&j, err);
}
