/* SPDX-License-Identifier: Apache-2.0 */
/* The user-mode network of a step: pasta or slirp4netns, run by the launcher. */
#ifndef WH_SANDBOX_NET_H
#define WH_SANDBOX_NET_H

#include "base/base.h"

#include <sys/types.h>

/* The resolver's address inside, forwarded to the host's where that is on loopback; slirp4netns's own. */
#define WH_NET_DNS "10.0.2.3"

#endif
