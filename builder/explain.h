/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a step missed the cache, by input.
 *
 *   result made → what it was made of, in words, a blob that its record names → missed at the same place → the two compared
 */
#ifndef WH_BUILDER_EXPLAIN_H
#define WH_BUILDER_EXPLAIN_H

#include "builder/builder_private.h"

/* Where in the user's file it stands: its text, and its number. False: it is no step of the file. */
bool wh_explain_place(const struct wh_vertex *v, struct wh_digest *ret_place, struct wh_digest *ret_slot);
/* Writes what the node was made of, once; any thread that has the node. Nothing fails for it. */
void wh_explain_keep(struct wh_node *n);

#endif
