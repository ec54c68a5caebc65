/* SPDX-License-Identifier: Apache-2.0 */
/* Which extended attributes a layer carries, and in what form. Private to layers/. */
#ifndef WH_LAYERS_XATTR_H
#define WH_LAYERS_XATTR_H

#include "base/base.h"

/* By allow list: file capabilities and user.*, but for what overlay keeps there. */
bool wh_xattr_keep(const char *name);

#define WH_CAP_MAX 20
/*
 * A security.capability value in the one form layers have: version 2 (struct vfs_ns_cap_data without rootid). Inside a
 * user namespace the kernel stores version 3 by itself, and shows 2 or 3 depending on who looks.
 * -EINVAL when it is no such value. out and p may be the same memory.
 */
int wh_cap_normalize(const void *p, size_t n, uint8_t out[WH_CAP_MAX], size_t *ret_n);

#endif
