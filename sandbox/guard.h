/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard of a step where few ids are mapped: a program that gives a file to somebody who is not there gets EINVAL, and may go on as if
 * nothing were wrong, so that its layer would be another than elsewhere. The guard sees such calls (seccomp notifications, answered
 * with "go on"), and the step fails for them whatever its exit status.
 *
 *   warden ──fork──▶ guard ◀──listener── the step's process (just before its exec)
 */
#ifndef WH_SANDBOX_GUARD_H
#define WH_SANDBOX_GUARD_H

#include "sandbox/sandbox.h"

struct wh_guard { /* the launcher's end */
	pid_t pid;
	int said;
	int handover; /* for the step's process; closed once that is cloned */
};
#define WH_GUARD_INIT ((struct wh_guard){.said = -1, .handover = -1})

int wh_guard_start(struct wh_guard *ret, struct wh_err **err);
/* When all processes of the step are dead: what it saw first. */
struct wh_foreign_id wh_guard_end(struct wh_guard *g);
/* In the step's process, while CAP_SYS_ADMIN is held. */
int wh_guard_join(int handover, struct wh_err **err);

#endif
