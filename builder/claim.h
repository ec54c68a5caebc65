/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Claims: of all builds that share a store, one runs a step, and the others wait for what it gives.
 *
 *   ROOT/claims/HEX    held with flock(2) by the build that runs the step of this key; the kernel lets go however it ends.
 *                      Files that killed builds left count for nothing, and go with the next gc
 *
 * A claim is asked for and never waited for here. Nothing can deadlock, because who holds a claim waits for nobody:
 *
 *   - A step claims its key last but for what it can give back at once: its inputs are done, a slot is free; when
 *     its cache mounts turn out to be held, the claim is let go before it waits for them.
 *   - From then on it needs jobs of the pool, which always end, and its own processes. (The driver of a PROFILE may
 *     wait for a cache mount; these are held by steps that run, and a step that runs needs no claim.)
 *   - Who finds a claim held keeps nothing: no slot, no cache mount, no other claim. So it does not matter in which
 *     order two builds come to the same steps.
 *   - A claim ends with its step, failed or not, after the result was recorded. Who asks next looks for a record first.
 *
 * A build that is stopped (SIGSTOP) or whose step hangs keeps its claims; those who wait say so, and --no-cache neither
 * claims nor waits.
 *
 * Claims save work and nothing else: two builds that run one step give right results, too. Hence where a file cannot
 * be made or locked there are none. No process is forked off one that holds a claim, as it would hold it as well.
 */
#ifndef WH_BUILDER_CLAIM_H
#define WH_BUILDER_CLAIM_H

#include "base/base.h"
#include "layers/layers.h"

struct wh_claim;
/* False: another build, or another step of this one, has it. True: it is ours, or there are no claims here (then *ret is NULL). */
bool wh_claim_take(struct wh_store *s, const struct wh_digest *key, struct wh_claim **ret);
void wh_claim_drop(struct wh_claim *c); /* NULL is none */

#endif
