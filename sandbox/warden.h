/* SPDX-License-Identifier: Apache-2.0 */
/* The launcher's own process, and what it and the inner process say to each other. */
#ifndef WH_SANDBOX_WARDEN_H
#define WH_SANDBOX_WARDEN_H

#include "sandbox/wire.h"

enum wh_order_kind { WH_ORDER_RUN = 1, WH_ORDER_KILL = 2 };
/* inner → launcher, one packet; RUN carries three descriptors: spec, standard output, standard error. */
struct wh_order {
	uint32_t kind;
	uint32_t net; /* enum wh_net */
	uint32_t insecure;
	uint32_t own_dns; /* the step brings its resolv.conf */
	uint64_t id;
};
/* launcher → inner: u64 id, u32 status, u32 signal, u64 wall_ns, error (wire.h). */

/* Never returns: ends when the socket does. */
_Noreturn void wh_warden_main(int sock);

#endif
