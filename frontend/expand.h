/* SPDX-License-Identifier: Apache-2.0 */
/* The expander with all its switches; frontend.h has the usual three ways in. */
#ifndef WH_FRONTEND_EXPAND_H
#define WH_FRONTEND_EXPAND_H

#include "frontend/frontend.h"

struct wh_expand_opts {
	char escape;
	bool raw_quotes;  /* keep quotes in the result */
	bool raw_escapes; /* keep escape characters in the result */
	bool no_quotes;   /* quotes are ordinary characters */
	bool keep_unset;  /* leave "$name" as it stands when name is unset */
	wh_lookup_fn get; /* NULL: nothing is set */
	void *arg;
};

/* Results are at most this much longer than the text; beyond it expansion fails. */
#define WH_EXPAND_MAX ((size_t)4 << 20)

/* Appends the expanded text to out; words (may be NULL) gets it split at unquoted blanks. */
int wh_expand(const char *text, const struct wh_expand_opts *o, struct wh_buf *out, struct wh_strv *words,
	      struct wh_err **err);

/* ---- substitute.c: ${v#p} ${v%p} ${v/p/r} ---- */

/* Drops what the pattern matches at the start (or the end) of value, the longest match or the shortest. */
int wh_subst_trim(const char *value, const char *pattern, bool at_end, bool longest, struct wh_buf *out,
		  struct wh_err **err);
int wh_subst_replace(const char *value, const char *pattern, const char *with, bool all, struct wh_buf *out,
		     struct wh_err **err);

#endif
