/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps the values of secrets out of a step's output, as far as a step prints them as they are: each is shown as "***".
 * No defence against a step that means to tell (it can encode them); a guard against `set -x` and verbose tools.
 *
 * Hidden are a value without its final newline, and each line of a value of several lines (a key file); what is shorter
 * than 4 bytes is left alone, since it would be found everywhere.
 */
#ifndef WH_BUILDER_MASK_H
#define WH_BUILDER_MASK_H

#include "base/base.h"

struct wh_mask;
struct wh_mask *wh_mask_new(void);
void wh_mask_free(struct wh_mask *m);
void wh_mask_add(struct wh_mask *m, const void *value, size_t len);
bool wh_mask_empty(const struct wh_mask *m);

/* One stream: what could be the beginning of a value is held back in *held until the rest comes, or end is set. Appends what may be shown
 * to out. */
void wh_mask_feed(const struct wh_mask *m, struct wh_buf *held, const char *p, size_t n, bool end, struct wh_buf *out);

#endif
