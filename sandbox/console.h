/* SPDX-License-Identifier: Apache-2.0 */
/* A step's terminal: one end is the step's, the other goes to whoever asked for it. Internal to sandbox/. */
#ifndef WH_SANDBOX_CONSOLE_H
#define WH_SANDBOX_CONSOLE_H

#include "sandbox/sandbox.h"

/* In the step's process, which leads a session without a terminal. Opens a new one of the root's own /dev/pts (root
 * -1: of the host's, where a step has none), makes it the controlling one and standard input, output and error, and
 * sends its other end over sock. bind: /dev/console is it, too; that needs the root's /dev to be ours still. */
int wh_console_open(int root, bool bind, int sock, uint16_t rows, uint16_t columns, struct wh_err **err);
/* It belongs to the user whom the step runs as, so that /dev/tty, /dev/console and its own name can be opened anew. */
void wh_console_give(uint32_t uid);

#endif
