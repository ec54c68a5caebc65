/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile while it is made: from logs (profile.c) or from documents (profile_merge.c), then written (profile_write.c). Private to harden/.
 *
 * The document must not differ between equal observations. So a process is known by its chain (who was observed, its parent's chain, program, script), never by
 * a number or by when it came; processes are put in order generation by generation; and numbers that the kernel makes up (/proc/4711/...) are replaced.
 */
#ifndef WH_HARDEN_PROFILE_PRIVATE_H
#define WH_HARDEN_PROFILE_PRIVATE_H

#include "harden/harden.h"

#include <uthash.h>

#define WH_PROFILE_SCHEMA 2
#define WH_PROFILE_LETTERS "rwxslcdmkug" /* of enum wh_access, lowest bit first */

struct wh_process {
	const char *name, *program, *script;
	struct wh_process *parent;
	size_t depth, index;
	UT_hash_handle hh; /* by all of the above */
};

/* Small numbers, sorted, each once. */
struct wh_numbers {
	uint32_t *v;
	size_t n, cap;
};
void wh_numbers_add(struct wh_numbers *s, uint32_t number);
bool wh_numbers_has(const struct wh_numbers *s, uint32_t number);

struct wh_seen_by {
	const char *text; /* a path (relative), or what the list has in its place: "PROTOCOL ADDRESS PORT" of addresses */
	unsigned access;
	bool exists, made;
	struct wh_process **by;
	size_t n, cap;
	struct wh_numbers when, runs;
	UT_hash_handle hh;
};

struct wh_prof_mark {
	uint32_t profile;    /* which of several that were merged */
	const char *phase;   /* "start", "serve", "stop" */
	const char *test;    /* or NULL */
};

enum wh_seen_list { WH_SEEN_PATHS, WH_SEEN_SYSCALLS, WH_SEEN_CAPABILITIES, WH_SEEN_BOUND, WH_SEEN_PEERS, WH_SEEN_REMARKS, WH_SEEN_LISTS };

struct wh_profile {
	struct wh_arena *a;
	struct wh_process *processes;
	struct wh_seen_by *seen[WH_SEEN_LISTS];
	struct wh_prof_mark *marks;
	size_t n_marks, cap_marks;
	unsigned runs;
	uint32_t profiles; /* merged so far */
};
void wh_profile_release(struct wh_profile *p);
struct wh_process *wh_profile_process(struct wh_profile *p, const char *name, struct wh_process *parent, const char *program, const char *script);
struct wh_seen_by *wh_profile_seen(struct wh_profile *p, enum wh_seen_list list, const char *text);
void wh_profile_by(struct wh_seen_by *s, struct wh_process *by); /* NULL: nobody */
uint32_t wh_profile_mark(struct wh_profile *p, uint32_t profile, const char *phase, const char *test);
json_t *wh_profile_write(struct wh_profile *p);
/* Adds a document. -EBADMSG with err. */
int wh_profile_add(struct wh_profile *p, const json_t *doc, struct wh_err **err);

#endif
