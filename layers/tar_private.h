/* SPDX-License-Identifier: Apache-2.0 */
/* The one tar encoder (POSIX.1-2001 pax interchange format, ustar where that is enough). Private to layers/. */
#ifndef WH_LAYERS_TAR_PRIVATE_H
#define WH_LAYERS_TAR_PRIVATE_H

#include "layers/layers.h"

#define WH_TAR_BLOCK 512U

/*
 * Appends everything of an entry but a FILE's content, which follows with wh_tar_padding() zero bytes behind it. An
 * implied entry gives nothing, an opaque directory two members. Nothing but the entry decides the bytes.
 * -EINVAL: something that tar or OCI has no way to say (a name that begins with ".wh.", '=' in an xattr's name).
 */
int wh_tar_entry(struct wh_buf *out, const struct wh_entry *e, struct wh_err **err);
static inline size_t wh_tar_padding(uint64_t size)
{
	return (size_t)(-size & (WH_TAR_BLOCK - 1));
}
/* The end: two zero blocks, no further padding. */
void wh_tar_end(struct wh_buf *out);

#endif
