/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What killed a step, as far as it can be known: the kernel counts whom it has killed for lack of memory, for a control
 * group (memory.events, memory.oom_control) and for the machine (/proc/vmstat). Steps stay in the control group of
 * whittle.
 */
#ifndef WH_BUILDER_KILLED_H
#define WH_BUILDER_KILLED_H

#include "base/base.h"

struct wh_killed {
	bool group, machine; /* is there a count? */
	uint64_t in_group, in_machine;
};
/* Before the step starts. */
void wh_killed_look(struct wh_killed *ret);
/* It ended with that status (128+signal). Adds a hint where there is something to say. */
void wh_killed_hint(const struct wh_killed *before, int status, struct wh_err **err);
/* A shell's 126 or 127, and the last lines of what it printed (or NULL): it is a file that is there, but cannot be run. */
void wh_unrunnable_hint(int status, const char *tail, struct wh_err **err);

#endif
