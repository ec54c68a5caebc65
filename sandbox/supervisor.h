/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The supervisor: answers the seccomp notifications of one observed command, all its processes included.
 *
 *   warden ──fork──▶ supervisor ◀──listener, root── the step's process (just before its exec)
 *                        │ one loop: receive, dispatch by (architecture, number), answer
 *                        └──▶ log (base/observation.h)
 *
 * There is one listener for a process tree, and one dispatch table (supervisor_table.c): what is observed and what may
 * later be emulated is a row in it, never a second filter. The rows also make the filter's rules, so the two cannot
 * differ. The supervisor holds the namespace's root capabilities, sees the command's processes from the launcher's pid
 * namespace, and mounts a /proc of its own. The command cannot signal or trace it.
 *
 * Lossless or failed: what cannot be told is counted, and the log's last line says so; a supervisor that dies leaves a
 * log without its last line, and the launcher kills the command.
 *
 * whittle-record (record.c) is the same in one static program of its own: it loads the filter, runs a command and
 * writes the log.
 */
#ifndef WH_SANDBOX_SUPERVISOR_H
#define WH_SANDBOX_SUPERVISOR_H

#include "base/base.h"

struct wh_supervisor { /* the launcher's end */
	pid_t pid;
	int pidfd;
	int handover; /* for the step's process: wh_supervisor_join(); the launcher closes it once that is cloned */
	int control;  /* marks go here */
};
#define WH_SUPERVISOR_INIT ((struct wh_supervisor){.pidfd = -1, .handover = -1, .control = -1})

/* Forks it. log_fd: open for appending; the supervisor keeps its own copy. It ends by itself, with 0, when no
 * process of the command is left and the log is complete; with another status when it could not go on. It dies with
 * its parent. */
int wh_supervisor_start(int log_fd, struct wh_supervisor *ret, struct wh_err **err);
/* A phase mark in the log; what is seen from now on comes after it. Returns once the supervisor has taken it. */
void wh_supervisor_mark(struct wh_supervisor *s, const char *text);
/* Kills it when it still runs, reaps it. Returns its exit status (128+signal). */
int wh_supervisor_end(struct wh_supervisor *s);

/* In the step's process, in the final root and while CAP_SYS_ADMIN is held, instead of wh_seccomp_load(): loads the
 * filter (of wh_seccomp_build_observed()) with a listener and hands that and "/" to the supervisor. Returns when the
 * supervisor watches. From then on path system calls of this process are seen; they count from its first execve on. */
int wh_supervisor_join(int handover, int filter_fd, struct wh_err **err);

/* sandbox/seccomp.c: like wh_seccomp_build(), with the observed calls answered by notification. */
int wh_seccomp_build_observed(struct wh_err **err);
/* Does the observed filter ask for that call, of those that it lets pass at all? Of one with a lane: not always. */
bool wh_seccomp_is_told(const char *name);

#endif
