/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is who in observation logs: a process is known by its chain (who was observed, the parent's chain, program,
 * script), so that logs of different runs can be held against each other. Private to harden/.
 */
#ifndef WH_HARDEN_CHAINS_H
#define WH_HARDEN_CHAINS_H

#include "harden/harden.h"

#include <uthash.h>

struct wh_chain {
	const char *name;              /* who was observed */
	const char *program, *script;  /* relative paths; program NULL: whoever started the command */
	struct wh_chain *parent;       /* NULL: the command's own */
	size_t index;                  /* by when it came up first, from 0 */
	void *data;                    /* the reader's */
	UT_hash_handle hh;
};

struct wh_chains {
	struct wh_arena *a;
	struct wh_chain *all; /* in the order in which they came up */
};
void wh_chains_init(struct wh_chains *c);
void wh_chains_release(struct wh_chains *c);

struct wh_mark_of {      /* when a record was written */
	const char *phase, *test; /* or NULL */
};
/* Called for each record but marks; w is never NULL. of PROCESS, the chain is the new one's (it comes up anew in each log). */
typedef int (*wh_chain_fn)(void *arg, struct wh_chain *w, const struct wh_mark_of *when, const struct wh_obs *o);
/* Reads a log; one that was cut short, up to there (0). Anything else: what fn returned. */
int wh_chains_read(struct wh_chains *c, const struct wh_obs_log *log, wh_chain_fn fn, void *arg, struct wh_err **err);

/* The name in "test NAME". "#3": the driver told it later; NULL: never, or it is nobody's. */
const char *wh_test_of(const struct wh_obs_log *log, const char *text);

/* "/usr/bin/dash (script /x)". */
void wh_chain_say(struct wh_buf *b, const struct wh_chain *w);
/* "application: /usr/sbin/app ran /usr/bin/dash", with all that came between; "application: starts as …". */
void wh_chain_say_all(struct wh_buf *b, const struct wh_chain *w);

static inline const char *wh_rel(const char *path)
{
	return path + strspn(path, "/");
}

#endif
