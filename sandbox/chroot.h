/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that are kept apart by chroot(2) alone: chroot.c, chroot_dev.c, guests.c. Internal to sandbox/. */
#ifndef WH_SANDBOX_CHROOT_H
#define WH_SANDBOX_CHROOT_H

#include "sandbox/step.h"

/* What wh_inner_enter() does then: looks whether this process may do all that steps need. *ret_ids: how many ids there are, from 0 on. */
int wh_chroot_enter(uint32_t *ret_ids, struct wh_err **err);

/* The keeper of one step, a fork of the launcher: puts what mounts would show into the step's root, starts the command, ends what it has left
 * running, takes everything out again, reports, and ends. SIGTERM, or the launcher's death, end the step. */
_Noreturn void wh_keeper_main(const struct wh_step_task *t, pid_t launcher);

/* Kills this process's children, and what they leave to it (it is a subreaper), but for those spared. -EBUSY when that has no end. */
int wh_chroot_kill_children(const pid_t *spare, size_t n);

#endif
