/* SPDX-License-Identifier: Apache-2.0 */
/* How commands started, by their logs: whether a script ended in one exec, and of what. Private to harden/. */
#ifndef WH_HARDEN_ENTRY_H
#define WH_HARDEN_ENTRY_H

#include "harden/chains.h"
#include "harden/keep_private.h"

struct wh_entry_seen {           /* of all logs of one name */
	const struct wh_chain *first; /* what was started */
	const struct wh_chain *last;  /* what it executed in its own place in the end; NULL: nothing, or another thing each time */
	bool has_args, cut;      /* CMD, or `app run`, added words; they stood at the end of last's command line, and were cut off there */
	struct wh_strv words;    /* last's command line */
	struct wh_strv via;      /* programs executed in between */
	struct wh_strv ran;      /* programs that first ran beside that */
	struct wh_strv given;    /* the first program's command line */
};
void wh_entry_release(struct wh_entry_seen *e);
/* Reads all logs of that name. n_own: how many words of the first command line are the config's ENTRYPOINT. */
int wh_entry_read(struct wh_chains *c, const struct wh_obs_log *logs, size_t n, const char *name, size_t n_own,
		  struct wh_entry_seen *ret, struct wh_err **err);

/* The last command in exec form: ENTRYPOINT ["/usr/sbin/nginx"], where the config's CMD are its last words together with CMD; malloc'ed. NULL: there
 * is none to offer. */
char *wh_entry_offer(struct wh_decide *d, const struct wh_entry_seen *e);
/* A shell's -c TEXT of plain words and quotes alone as JSON: ["nginx","-g","daemon off;"], malloc'ed. NULL: a shell is needed to read it. */
char *wh_entry_plain(struct wh_decide *d, const char *text);

#endif
