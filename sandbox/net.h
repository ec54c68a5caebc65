/* SPDX-License-Identifier: Apache-2.0 */
/* The user-mode network of a step: pasta or slirp4netns, run by the launcher in a pid namespace of its own. */
#ifndef WH_SANDBOX_NET_H
#define WH_SANDBOX_NET_H

#include "base/base.h"

/* The nameserver's address inside, which the helper forwards to the host's; it is slirp4netns's own. */
#define WH_NET_DNS "10.0.2.3"

struct wh_usernet {
	int pidfd; /* -1: none, or dead */
	int text;  /* what it says on standard error; non-blocking */
};
#define WH_USERNET_INIT ((struct wh_usernet){-1, -1})
/* Starts the helper for the network namespace net_fd, or (-1) that of the process behind step_pidfd. own_dns: the step's resolv.conf is the
 * user's, not ours with WH_NET_DNS. */
int wh_usernet_start(int step_pidfd, int net_fd, bool own_dns, struct wh_usernet *ret, struct wh_err **err);
/* Kills it, waits, and appends what it said. Nothing when there is none. */
void wh_usernet_stop(struct wh_usernet *n, struct wh_buf *text);

#endif
