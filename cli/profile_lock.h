/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PROFILE --lock, build --profile-lock and --update-lock: what an application may need, written down in git and held to.
 *
 *   each PROFILE's profile ─▶ needs (harden/needs.h) ─┬─▶ held against the lock's: something new fails the step, at once
 *                                                      └─▶ --update-lock: gathered, written when the build has succeeded
 *
 * What the lock names and no profile of the build needs any more is told at the end.
 */
#ifndef WH_CLI_PROFILE_LOCK_H
#define WH_CLI_PROFILE_LOCK_H

#include "cli/cli.h"

struct wh_profile_locks;
/* spec, store and progress outlive it. */
struct wh_profile_locks *wh_profile_locks_new(const struct wh_build_spec *spec, struct wh_store *store, struct wh_progress *progress);
void wh_profile_locks_free(struct wh_profile_locks *l); /* NULL is none */
/* wh_builder_opts.judge_profile */
int wh_profile_locks_judge(void *locks, const struct wh_vertex *v, const json_t *profile, const struct wh_layer *layers, size_t n_layers,
			   struct wh_err **err);
/* All PROFILEs are known: was there a lock to be updated? Before anything is published. */
int wh_profile_locks_check(const struct wh_profile_locks *l, struct wh_err **err);
/* The build has succeeded, and what it made is where it should be. */
int wh_profile_locks_end(struct wh_profile_locks *l, struct wh_err **err);

#endif
