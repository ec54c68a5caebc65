/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Remote sources from the inside. Private to layers/.
 *
 *   remote.c         requests, the directories below sources/, records, locks
 *   remote_http.c    URLs: asking, redirects, again, bodies
 *   remote_git.c     repositories: which commit, fetch, checkout
 *   remote_gitrun.c  the git program: its surroundings, its words
 *   remote_tree.c    checkouts made equal everywhere: modes, times, what is left out
 */
#ifndef WH_LAYERS_REMOTE_PRIVATE_H
#define WH_LAYERS_REMOTE_PRIVATE_H

#include "layers/remote.h"
#include "layers/store_private.h"

/* ---------------------------------------------------------------- remote.c */

/* A directory below sources/, made when missing: "trees", "files", … fd. */
int wh_sources_dir(struct wh_store *s, const char *name, struct wh_err **err);
/* Waits for the lock of this name (hex digits). fd: closing it lets go. */
int wh_sources_lock(struct wh_store *s, const char *name, struct wh_err **err);
/* Records are hints: NULL when there is none or it cannot be read; what cannot be written is asked for next time. */
json_t *wh_sources_record(struct wh_store *s, const char *dir, const char *name);
void wh_sources_note(struct wh_store *s, const char *dir, const char *name, const json_t *record);
/* sha256 over the strings (NULL ends them, each with its length), as 64 hex digits. */
void wh_sources_key(char ret[65], const char *first, ...) __attribute__((sentinel));
/* The tree proper lies in its directory: the directory's time is that of its last use, the tree's is in images. */
#define WH_TREE "t"
/* Is there such a tree? Then the reply's path; malloc'ed. */
char *wh_sources_tree(struct wh_store *s, const char *key);
const struct wh_remote_secret *wh_remote_secret(const struct wh_remote_opts *o, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* A secret as one line of a header: without the line's end. NULL: there are others in it. malloc'ed, wipe it. */
char *wh_remote_secret_line(const struct wh_remote_secret *x);
/* "user:password" as base64; malloc'ed, wipe it. */
char *wh_remote_basic(const char *both);

/* ---------------------------------------------------------------- the two kinds */

/* o NULL: only what is at hand; -ENODATA with no error when that is not enough. */
int wh_remote_http(struct wh_store *s, const struct wh_remote_opts *o, const json_t *request, json_t **ret_reply,
		   struct wh_err **err);
int wh_remote_git(struct wh_store *s, const struct wh_remote_opts *o, const json_t *request, json_t **ret_reply,
		  struct wh_err **err);

/* ---------------------------------------------------------------- remote_gitrun.c */

struct wh_git {
	struct wh_store *store;
	const char *shown; /* the remote in messages */
	char *remote;      /* without user and password where that is a header */
	struct wh_strv env;
	size_t n_config;
	size_t n_plain; /* of them without a login; 0: there is none */
	bool led_away;  /* the remote redirects: its login is forgotten */
	struct wh_buf out; /* of the last run: standard output, standard error */
	struct wh_buf words;
};
/* -EINVAL: a remote that is no http, https, ssh or git address. */
int wh_git_open(struct wh_git *g, struct wh_store *s, const struct wh_remote_opts *o, const char *remote,
		struct wh_err **err);
void wh_git_close(struct wh_git *g); /* wipes */
/* Runs "git ARGS…" (NULL ends them). local: only repositories of this machine may be asked; else only others. The exit
 * status, or -errno with err when it could not be run at all. */
int wh_git_run(struct wh_git *g, bool local, struct wh_err **err, const char *first, ...) __attribute__((sentinel));
/* The error that a failed run stands for: "WHAT: its last complaint". */
int wh_git_failed(struct wh_git *g, struct wh_err **err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Does its complaint have one of these words? NULL ends them. */
bool wh_git_says(const struct wh_git *g, const char *first, ...) __attribute__((sentinel));

/* ---------------------------------------------------------------- remote_tree.c */

/* Modes 0755, 0644 (0444 where nobody may write), times as given; files named ".git" go when no repository is kept. */
int wh_checkout_settle(int dirfd, const char *name, bool keep_git, int64_t time, struct wh_err **err);
/* Moves dirfd/from/SUBDIR to dirfd/to. Every part must be a directory itself. */
int wh_checkout_subdir(int dirfd, const char *from, const char *subdir, const char *to, struct wh_err **err);

#endif
