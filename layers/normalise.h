/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is known to differ from one run of a step to the next, and what becomes
 * of it with --reproducible. Private to layers/, but for what layers.h tells.
 *
 * The rules are data (wh_normal_rules()); diff.c asks them for each entry that
 * a step changed, so that both snapshotters give the same layer.
 */
#ifndef WH_LAYERS_NORMALISE_H
#define WH_LAYERS_NORMALISE_H

#include "layers/layers.h"

/* What the rules say of this path of an entry: its action, or WH_NORMAL_NONE. */
enum wh_normal wh_normal_action(const char *path);
/* The file of stat *st is to keep its name, mode, owner and time, and to have no content. 0 or -errno. */
int wh_normal_truncate(int dirfd, const char *name, const struct stat *st);

/* A file of Python's bytecode that was made from a source of some time and size (PEP 552): the first 16 bytes. */
#define WH_PYC_HEADER 16U
struct wh_pyc {
	uint32_t mtime, size;
};
/* False: no such file, or one that goes by its source's hash. */
bool wh_pyc_read(const void *p, size_t n, struct wh_pyc *ret);
/* The name of the source of "foo.cpython-311.opt-1.pyc" (in a __pycache__: one directory up) or of "foo.pyc" (beside it).
 * malloc'ed; NULL: it has none. */
char *wh_pyc_source(const char *name, bool in_cache);
/* Which time belongs into the header. source: NULL, there is none; was: its time and size when the step ended; becomes:
 * its time in the layer. clamped: what the header's own time would become if it was a file's. */
struct wh_pyc_source {
	int64_t was, becomes;
	uint64_t size;
};
uint32_t wh_pyc_time(const struct wh_pyc *pyc, const struct wh_pyc_source *source, int64_t clamped);
/* Writes that time into the file and gives it its own times back. 0 or -errno. */
int wh_pyc_write(int dirfd, const char *name, const struct stat *st, uint32_t mtime);

/* Java's list of certificates: times go through clamp. False: it is none, or nothing changed. */
#define WH_JKS_MAX ((size_t)16 << 20)
bool wh_jks_times(unsigned char *p, size_t n, int64_t (*clamp)(void *arg, int64_t seconds), void *arg);
/* Writes n bytes over the file's content, which was as long, and gives it its times back. 0 or -errno. */
int wh_normal_write(int dirfd, const char *name, const struct stat *st, const void *p, size_t n);

#endif
