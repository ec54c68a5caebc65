/* SPDX-License-Identifier: Apache-2.0 */
/* Path patterns, as the Dockerfile world has them. Both frontend (ignore files) and builder (COPY, --exclude) match with these. */
#ifndef WH_BASE_MATCH_H
#define WH_BASE_MATCH_H

#include "base/err.h"
#include "base/str.h"

/* Go's path/filepath.Match on slash paths: `*` and `?` stop at '/', `[a-z]`, `[^…]`, backslash escapes.
 * 1 matches, 0 does not, -EINVAL the pattern is malformed. */
int wh_glob_match(const char *pattern, const char *name);
/* True when the text has one of * ? [ unescaped. */
bool wh_glob_has_meta(const char *pattern);

/* An ordered set of .dockerignore patterns (moby/patternmatcher): `**`, `!`, the last match wins, a matching parent
 * takes its children along. Patterns are cleaned and a leading '/' is dropped when added. */
struct wh_patterns;
int wh_patterns_new(const struct wh_strv *lines, struct wh_patterns **ret, struct wh_err **err);
/* 1-based number of the first line that _new refuses, 0 for none. */
unsigned wh_patterns_bad(const struct wh_strv *lines);
void wh_patterns_free(struct wh_patterns *p);
bool wh_patterns_empty(const struct wh_patterns *p);
/* Is this slash path (no leading slash) excluded, its parents considered? */
bool wh_patterns_excluded(const struct wh_patterns *p, const char *path);
/* May a directory that is itself excluded be skipped without a look inside? False when a later `!` could bring a child back. */
bool wh_patterns_prunable(const struct wh_patterns *p, const char *dir);
/* 1-based number (in the list given to _new) of the pattern that decided, 0 for none. */
unsigned wh_patterns_decider(const struct wh_patterns *p, const char *path);
/* For messages: the file that the patterns were read from, and the line there of each that was given to _new (n numbers).
 * Copied. */
void wh_patterns_set_source(struct wh_patterns *p, const char *file, const unsigned *lines, size_t n);
/* That file, NULL when none was told; *ret_line: of the pattern with this number, 0 when it is not known. */
const char *wh_patterns_source(const struct wh_patterns *p, unsigned number, unsigned *ret_line);
static inline void wh_patterns_freep(struct wh_patterns **p)
{
	if (*p)
		wh_patterns_free(*p);
	*p = NULL;
}

#endif
