/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a PROVE (op_prove.c) takes away, and what it learns.
 *
 *   controls   which calls, capabilities, places, accesses may be missed         prove_controls.c
 *   needs      a document of privileges, need by need, and two of them compared   prove_needs.c
 */
#ifndef WH_BUILDER_PROVE_PRIVATE_H
#define WH_BUILDER_PROVE_PRIVATE_H

#include "builder/profile_private.h"

#define WH_CONTROL_KINDS (WH_CONTROL_LANDLOCK + 1)
extern const char *const wh_control_kinds[WH_CONTROL_KINDS]; /* in words: "seccomp"; NULL for NONE */

struct wh_controls {
	struct wh_arena *a;
	struct wh_control *v; /* in order of kind; of one kind the surest first */
	size_t n, cap;
};
/* parts: which are enforced; abi: Landlock's, here. */
void wh_controls_collect(const json_t *privileges, const json_t *const *profiles, size_t n, unsigned parts, int abi,
			 struct wh_controls *ret);
void wh_controls_release(struct wh_controls *c);

/* What the second document has over the first: [{"kind":"seccomp","what":"flock"}, …], a new reference. */
json_t *wh_needs_new(const json_t *before, const json_t *after);
/* Adds what the list lacks. */
void wh_needs_join(json_t *list, const json_t *more);
void wh_needs_words(const json_t *list, struct wh_buf *out);

#endif
