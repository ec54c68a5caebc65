/* SPDX-License-Identifier: Apache-2.0 */
/* What the content of local files was, so that an unchanged context need not be read again. */
#ifndef WH_BUILDER_MEMO_H
#define WH_BUILDER_MEMO_H

#include "layers/layers.h"

struct wh_memo;
struct wh_memo_key {
	uint64_t ino, size;
	int64_t mtime_ns, ctime_ns;
};
/* The memo of a context directory (dirfd is open on path). A missing or damaged one is an empty one. Never fails. */
struct wh_memo *wh_memo_open(struct wh_store *s, const char *path, int dirfd);
/* True when the file's content is known. A path that was asked for lives on in the memo. */
bool wh_memo_get(struct wh_memo *m, const char *path, const struct wh_memo_key *k, struct wh_digest *ret);
/* Learned: k as it was both before and after the bytes were read. */
void wh_memo_put(struct wh_memo *m, const char *path, const struct wh_memo_key *k, const struct wh_digest *d);
/* Writes what was learned, merged with what others wrote meanwhile. Losing it costs time only, so errors are not told:
 * 0 or -errno. Nothing learned: nothing written. */
int wh_memo_save(struct wh_memo *m);
void wh_memo_free(struct wh_memo *m);

#endif
