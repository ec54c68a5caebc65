/* SPDX-License-Identifier: Apache-2.0 */
/* The supervisor's loop, for whoever runs it in a process of its own: supervisor.c, record.c. */
#ifndef WH_SANDBOX_SUPERVISOR_PRIVATE_H
#define WH_SANDBOX_SUPERVISOR_PRIVATE_H

#include "base/base.h"

struct wh_supervise {
	int log;      /* borrowed */
	int handover; /* borrowed: wh_supervisor_join() is at the other end */
	int control;  /* taken over; -1: no marks will come */
	int fd;       /* fn(arg) is called whenever this is readable; -1: none */
	void (*fn)(void *arg);
	void *arg;
};
/* Returns when no process of the command is left. 0: the log is complete. */
int wh_supervise(const struct wh_supervise *how, struct wh_err **err);

#endif
