/* SPDX-License-Identifier: Apache-2.0 */
/* A directory, a copy of the test program in it, and the observer over that. */
#ifndef WH_TESTS_UNIT_OBSERVER_RUN_H
#define WH_TESTS_UNIT_OBSERVER_RUN_H

#include "base/base.h"

extern char *observed_top;  /* the directory */
extern int observed_filter; /* of wh_seccomp_build_observed() */

void observed_tree_new(void);
void observed_tree_free(void);
/* Executes "DIRECTORY/prog HOW ACT" in the directory, under observation; it must end with 0. */
void observed_run(const char *option, const char *act, struct wh_buf *log);

#endif
