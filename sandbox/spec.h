/* SPDX-License-Identifier: Apache-2.0 */
/* struct wh_step as bytes, from the inner process through a memfd to the step's. */
#ifndef WH_SANDBOX_SPEC_H
#define WH_SANDBOX_SPEC_H

#include "sandbox/sandbox.h"

void wh_spec_write(const struct wh_step *s, struct wh_buf *out);
/* Strings and arrays are allocated from the arena, bind data points into the bytes. -EBADMSG when they are not a spec.
 * The descriptors become -1: they go beside it. */
int wh_spec_read(struct wh_arena *a, const void *p, size_t n, struct wh_step *ret);

#endif
