/* SPDX-License-Identifier: Apache-2.0 */
/* The deeds of an observed program, by name. */
#ifndef WH_TESTS_UNIT_OBSERVER_ACTS_H
#define WH_TESTS_UNIT_OBSERVER_ACTS_H

#define OBSERVED_INHERITED 50 /* a descriptor: "dir/sub" */

/* Does one; directory: the prepared one, which is the working directory too. 0, or 98: no such deed. */
int observer_act(const char *directory, const char *name);
/* The same for those of observer_cap_acts.c; they abort when something that should succeed does not. */
int observer_cap_act(const char *name);

#endif
