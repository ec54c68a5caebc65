/* SPDX-License-Identifier: Apache-2.0 */
/* Entering a container that runs, from the launcher. */
#ifndef WH_SANDBOX_JOIN_H
#define WH_SANDBOX_JOIN_H

#include "sandbox/step.h"

/* Where to: the container's first process, and what its root is known by. */
struct wh_container {
	int pidfd;
	uint64_t root_mount; /* as that process reported it */
	bool own_net;        /* not the host's, which is ours too and could not be entered */
};

/* Starts the task's process in all of the container's namespaces, as our child. *ret_pid is its number here,
 * *ret_pidfd the caller's. -ESRCH: the container is over. */
int wh_join_start(const struct wh_container *c, const struct wh_step_task *task, pid_t *ret_pid, int *ret_pidfd,
		  struct wh_err **err);

/* Forks somebody who looks whether the path exists in the container; its pidfd, or -errno. */
int wh_join_look(const struct wh_container *c, const char *path);
/* Once that has ended (or to end it): waits and closes. 1, 0, or -errno. */
int wh_join_seen(int pidfd);

#endif
