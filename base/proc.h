/* SPDX-License-Identifier: Apache-2.0 */
/* Helper programs (newuidmap, pasta, git …): run one, with its descriptors stated. No shell, ever. */
#ifndef WH_BASE_PROC_H
#define WH_BASE_PROC_H

#include "base/err.h"
#include "base/str.h"

#include <sys/types.h>

struct wh_proc_opts {
	int stdin_fd, stdout_fd, stderr_fd; /* -1: /dev/null */
	const char *const *env;             /* NULL: inherit */
	bool die_with_parent;               /* PR_SET_PDEATHSIG SIGKILL, checked against the race */
	bool no_new_privs;                  /* set-id bits mean nothing */
};
#define WH_PROC_OPTS_INIT ((struct wh_proc_opts){.stdin_fd = -1, .stdout_fd = -1, .stderr_fd = -1})

/* argv[0] is searched in PATH when it has no slash. Returns the pid, or -errno (ENOENT when there is no such program). */
pid_t wh_proc_spawn(const char *const *argv, const struct wh_proc_opts *opts);
/* Waits; returns the exit status 0–255, 128+signal, or -errno. */
int wh_proc_wait(pid_t pid);
/* Runs to the end, standard output and error captured together (at most 64 KiB kept) when out is not NULL. */
int wh_proc_run(const char *const *argv, struct wh_buf *out);
/* Waits for a program that was started, and reads what it prints until it ends: a daemon that it leaves behind may hold the pipe for ever.
 * As wh_proc_wait(); -EFBIG: it printed more than max, and was killed. fd becomes O_NONBLOCK. */
int wh_proc_answer(pid_t pid, int fd, size_t max, struct wh_buf *out);
/* Finds a program in PATH (and in /usr/sbin, /sbin); malloc'ed path or NULL. */
char *wh_proc_find(const char *name);

#endif
