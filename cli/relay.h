/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes from one descriptor to another, on a loop: 64 KiB at most are held, and nothing else waits for a slow reader.
 * The user's own descriptors stay as they are: other processes have them, too, so they are never made non-blocking,
 * but asked with poll() and written to in small pieces.
 */
#ifndef WH_CLI_RELAY_H
#define WH_CLI_RELAY_H

#include "base/base.h"

struct wh_relay;
/* Told once, on the loop: nothing more will come, and what came was handed on, or nobody takes it. */
typedef void (*wh_relay_fn)(void *arg);
enum {
	/* Closed at its end, and as soon as nobody takes what comes: who writes there is told with SIGPIPE. */
	WH_RELAY_OWNS_FROM = 1,
	/* Closed once all was handed on: who reads there sees the end. Ours alone, and made non-blocking. */
	WH_RELAY_OWNS_TO = 2,
};
/* Owned descriptors are the relay's from here on. SIGPIPE is to be ignored. */
struct wh_relay *wh_relay_new(struct wh_loop *l, int from, int to, unsigned owns, wh_relay_fn ended, void *arg);
bool wh_relay_ended(const struct wh_relay *r);
/* A terminal's end of text: this byte is handed on when from ends. */
void wh_relay_end_with(struct wh_relay *r, char byte);
/* Without the loop, blocking: what is there to be read now; then free() it. */
void wh_relay_drain(struct wh_relay *r);
void wh_relay_free(struct wh_relay *r);

#endif
