/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user's terminal, lent to a step that has one of its own (wh_step.console_fd): bytes both ways, its size, and
 * the terminal as it was afterwards, however it ends.
 *
 *     struct wh_terminal *t;
 *     wh_terminal_open(loop, 0, 1, &t, &err);
 *     wh_terminal_lend(t, &step.console_fd, &step.console_rows, &step.console_columns);
 *     wh_launcher_run(launcher, &step, …);   then, whether that worked or not:
 *     wh_terminal_lent(t);
 *     …                                      the loop runs; the step ends
 *     wh_terminal_close(t);
 */
#ifndef WH_CLI_TERMINAL_H
#define WH_CLI_TERMINAL_H

#include "base/base.h"

struct wh_terminal;
/* in: what is typed, -1 for nothing; out: where the step's output goes. Either may be no terminal; with none there is
 * no size. Raw mode begins when the step's terminal is there. SIGWINCH and SIGPIPE are ours until the close. */
int wh_terminal_open(struct wh_loop *l, int in, int out, struct wh_terminal **ret, struct wh_err **err);
/* The socket, which stays the terminal's, and the size (0: not known). */
void wh_terminal_lend(const struct wh_terminal *t, int *ret_fd, uint16_t *ret_rows, uint16_t *ret_columns);
void wh_terminal_lent(struct wh_terminal *t);
/* Shows what the step has still printed, and puts the terminal back. NULL is none. */
void wh_terminal_close(struct wh_terminal *t);

/* For the outer process, which outlives one that was killed with the terminal in its hands: as it is now, and again
 * so. Of a terminal that meanwhile is another job's nothing is touched. */
struct wh_terminal_state;
struct wh_terminal_state *wh_terminal_save(void);      /* NULL: there is none */
void wh_terminal_restore(struct wh_terminal_state *s); /* frees it */

#endif
