/* SPDX-License-Identifier: Apache-2.0 */
/* The inner process's own state, shared by outer.c (which makes it) and launcher.c. */
#ifndef WH_SANDBOX_INNER_H
#define WH_SANDBOX_INNER_H

#include "sandbox/sandbox.h"

/* What the inner process asks of the outer one, a packet each: its id maps (answered on the same socket), or a service
 * by name (with a stream socket that the call then goes over; nothing is answered here). */
#define WH_ASK_MAP "map"
#define WH_ASK_SERVICE "service "

/* In the child, right after the fork; takes sock. Ends the process when the outer one is gone already. */
struct wh_inner *wh_inner_new(int sock, pid_t outer);

/* A number of /proc/self/status ("Seccomp", 10; "CapEff", 16); 0 where it is not there. */
uint64_t wh_self_status(const char *key, int base);

#endif
