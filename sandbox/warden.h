/* SPDX-License-Identifier: Apache-2.0 */
/* The launcher's own process, and what it and the inner process say to each other. */
#ifndef WH_SANDBOX_WARDEN_H
#define WH_SANDBOX_WARDEN_H

#include "sandbox/sandbox.h"
#include "sandbox/wire.h"

enum wh_order_kind {
	WH_ORDER_RUN = 1,
	WH_ORDER_KILL,
	WH_ORDER_SIGNAL, /* number: which */
	WH_ORDER_MARK,   /* the text follows the struct */
	WH_ORDER_EXISTS, /* number: of the question; the path follows the struct */
};
/* Descriptors that a RUN carries after spec, standard output and standard error, in this order. */
enum {
	WH_ORDER_INPUT = 1,
	WH_ORDER_NETNS = 2,
	WH_ORDER_LOG = 4,
	WH_ORDER_CONSOLE = 8, /* no further one: in the place of standard output and error stands the console's socket */
};
#define WH_ORDER_MAX_FDS 6
/* inner → launcher, one packet. */
struct wh_order {
	uint32_t kind;
	uint32_t net; /* enum wh_net */
	uint32_t insecure;
	uint32_t guarded; /* few ids are mapped: what it asks for in vain is told */
	uint32_t own_dns; /* the step brings its resolv.conf */
	uint64_t carries; /* WH_ORDER_INPUT … */
	uint64_t id;
	uint64_t join; /* the step whose container is entered; 0: none */
	uint64_t number;
};
#define WH_ORDER_MAX_TEXT ((size_t)4096)

enum wh_said_kind {
	WH_SAID_END = 1, /* u64 id, u32 status, u32 signal, u64 wall_ns, u8 started, error (wire.h), u32 and u32 foreign id */
	WH_SAID_EXISTS,  /* u64 number, u32 answer */
	WH_SAID_EXIT,    /* u64 id, u32 status: the command is over, what it left is not */
};
/* launcher → inner: a u32 of the above, and what it says. */

/* Never returns: ends when the socket does. */
_Noreturn void wh_warden_main(int sock, enum wh_isolation isolation);

#endif
