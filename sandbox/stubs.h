/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mount points that the image lacks.
 *
 * Most are made in a directory that lies at the bottom of the overlay, where
 * they cannot show in upper. What an upper layer hides there (a file in the
 * way, a whiteout, an opaque directory), and all of them on a plain directory
 * root, is made in place, noted, and taken away again after the step.
 */
#ifndef WH_SANDBOX_STUBS_H
#define WH_SANDBOX_STUBS_H

#include "sandbox/wire.h"

/* Follows every symlink on the way as if root were "/", the last one too; what is missing at the end stays as it is
 * named. *ret_real: absolute, clean, malloc'ed. -ELOOP after 40 links, -ENOTDIR when a file stands in the way. */
int wh_stub_resolve(int root, const char *path, char **ret_real);

/* Makes path (a directory or an empty file, with its parents) in the directory of stubs. 1: something was made,
 * 0: all was there, or -errno. */
int wh_stub_lay(int stubs, const char *path, bool dir);

/* One thing that was made in place. */
struct wh_stub_made {
	char *path; /* below the base, no leading slash */
	bool dir;
	bool whiteout;  /* stood in upper's place of a whiteout: put that back */
	bool copied_up; /* not made: a parent that exists in upper only because something was made in it */
	uint64_t ino;   /* in the base */
	uint32_t mode, uid, gid;
	int64_t mtime_s; /* copied_up: what it had before */
	uint32_t mtime_ns;
};
struct wh_stub_list {
	char *base; /* upper, or the directory that is the root */
	struct wh_stub_made *v;
	size_t n, cap;
};
void wh_stub_list_release(struct wh_stub_list *l);

/* Makes path's missing parents and itself (a real path: see wh_stub_resolve) through the mounted root; parents keep
 * their times. base: upper or the root directory, -1 when what is made there needs no note. Notes are appended to
 * list. */
int wh_stub_make(int root, int base, const char *real, bool dir, struct wh_stub_list *list);
/* After the step: removes what is still as it was made and restores what the making changed. Follows no symlink. */
void wh_stub_unmake(const struct wh_stub_list *list);

void wh_stub_write(const struct wh_stub_made *m, struct wh_buf *out);
bool wh_stub_read(struct wh_wire *w, struct wh_stub_made *ret); /* path malloc'ed */

#endif
