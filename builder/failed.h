/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of builder.h. The failed step, once more: commands in the state that it was left in. For wh_builder_opts.failed,
 * and only while that runs.
 *
 *   a RUN fails ─▶ all else is stopped ─▶ the solve's loop ends ─▶ failed(arg, f) ─▶ its tree and mounts go
 *                                                                    └─▶ wh_failed_run(), as often as wanted
 *
 * Kept are the root with what the command wrote, cache mounts with their locks, secrets, agents, trees of other inputs,
 * environment, user, directory, network, limits. What lived in memory alone (processes, tmpfs mounts, /dev/shm) is
 * gone; such mounts are there again, empty. Nothing of it is ever recorded or becomes a layer; but what is written to a
 * cache mount stays there.
 */
#ifndef WH_BUILDER_FAILED_H
#define WH_BUILDER_FAILED_H

#include "base/base.h"
#include "builder/graph.h"

struct wh_failed;
const struct wh_vertex *wh_failed_vertex(const struct wh_failed *f);
/* What the build ends with, place and log included. Borrowed. */
const struct wh_err *wh_failed_error(const struct wh_failed *f);
/* Turns while a command runs; what else is to be watched meanwhile may be added before. */
struct wh_loop *wh_failed_loop(struct wh_failed *f);
/* In the step's root, a file whose content is the failed command as a script; NULL: a mount of the step's is in the
 * way. */
const char *wh_failed_script(const struct wh_failed *f);

/* Mounts that are not there any more, by their targets: under --isolation=chroot they went with the step. */
const struct wh_strv *wh_failed_lost(const struct wh_failed *f);

/* A shell that can be run there: the one that SHELL set, else bash, sh, busybox; else a static busybox of this machine.
 * Each is tried. Its words, NULL-terminated, borrowed. -ENOENT: there is none. */
int wh_failed_shell(struct wh_failed *f, const char *const **ret, struct wh_err **err);

struct wh_failed_io {
	int in_fd, out_fd, err_fd;     /* as of wh_step */
	int console_fd;                /* as of wh_step */
	uint16_t rows, columns;
	const char *term;              /* TERM, unless the step has one; or NULL */
};
/* Runs a command there until it has ended, or a signal (SIGINT, SIGTERM, SIGHUP) ended it: -ECANCELED. */
int wh_failed_run(struct wh_failed *f, const char *const *args, const struct wh_failed_io *io, int *ret_status,
		  struct wh_err **err);

#endif
