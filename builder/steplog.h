/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that a step prints, in a file of the store's until the step has ended well.
 *
 *   ROOT/logs/20261122T214500Z-2-3-RUN-make-1f2e3d4c.log   when it printed first (UTC), its name, chance; mode 0600
 *
 * Bytes as they were written, both streams in the order in which they came, secrets masked (mask.h); of PROFILE and
 * PRUNE the lines as progress shows them. Nothing is clipped, nothing synced. The file is made when there is more than
 * a little to write, or when that is a second old: a short step that succeeds makes none, and who waits for a long one
 * can read along. It goes when the step has succeeded or was canceled; of steps that failed, and of builds that were
 * killed, it stays until gc finds it too old. That it cannot be written is told with the failure, and fails nothing.
 */
#ifndef WH_BUILDER_STEPLOG_H
#define WH_BUILDER_STEPLOG_H

#include "base/base.h"
#include "layers/layers.h"

struct wh_steplog;
/* name: the step's, as people know it. The loop and the store outlive it; all on the loop's thread. */
struct wh_steplog *wh_steplog_new(struct wh_store *s, struct wh_loop *loop, const char *name);
void wh_steplog_add(struct wh_steplog *l, const char *p, size_t n);
/* The step has failed: the file stays, and *err says where it is. */
void wh_steplog_keep(struct wh_steplog *l, struct wh_err **err);
void wh_steplog_free(struct wh_steplog *l); /* without keep(): nothing is left of it */
/* The part of a file's name that tells the step: at most 40 of A-Z a-z 0-9 . _ -. malloc'ed. */
char *wh_steplog_word(const char *name);

#endif
