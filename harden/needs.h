/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an application needs, coarse enough to be reviewed, and held against each other: a lock file, or two releases. Included by harden.h.
 *
 * A need is a line of text of one kind. It must be the same for every run of the same application, and another only when the application has
 * come to need something else; so files are told by their class:
 *
 *   files        "package libssl3", "python flask", "npm express"         what a package owns (as wh_packages tells it)
 *                "/app/lib: .py", "/srv: files"                                           else: the directory (its first three components) and the suffix
 *   executables  "/usr/bin/python3 /app/tool.py"                           program, and script; of what the run made the directory and a star
 *   syscalls     "listen"                                                   what observation takes for granted is none
 *   capabilities "CAP_CHOWN"
 *   ports        "tcp 8080"                                                bound; "tcp any" for one that the kernel chose
 *   peers        "tcp 5432"                                                connected to; ports that the kernel hands out are "tcp high"
 *   written      "/run", "/var/log/nginx"                                  directories in which something was made, changed or removed
 */
#ifndef WH_HARDEN_NEEDS_H
#define WH_HARDEN_NEEDS_H

#include "base/base.h"
#include "layers/layers.h"

enum wh_need_kind {
	WH_NEED_FILES, WH_NEED_EXECUTABLES, WH_NEED_SYSCALLS, WH_NEED_CAPABILITIES, WH_NEED_PORTS, WH_NEED_PEERS, WH_NEED_WRITTEN, WH_NEED_KINDS
};
extern const char *const wh_need_names[WH_NEED_KINDS]; /* keys of the lock file: "files", … */

struct wh_need {
	enum wh_need_kind kind;
	char *text;
	/* Of the first that made it a need; for messages, no part of its identity. NULL: not known. */
	char *example;  /* a path */
	char *chain;    /* "application: /usr/sbin/app ran /bin/dash (script /x)" */
	char *when;     /* "test NAME", "start" */
};
struct wh_needs {
	struct wh_need *v; /* sorted by kind, text */
	size_t n, cap;
};
/* tree: where the profiles were made, or what PRUNE left of it. */
int wh_needs_make(const json_t *const *profiles, size_t n, struct wh_tree *tree, struct wh_needs *ret, struct wh_err **err);
/* What a has and b has not; borrowed from a, NULL-terminated; the array is the caller's to free. */
const struct wh_need **wh_needs_without(const struct wh_needs *a, const struct wh_needs *b, size_t *ret_n);
/* {"files":["…"], …}, every kind, sorted. New reference. */
json_t *wh_needs_json(const struct wh_needs *n);
int wh_needs_of_json(const json_t *j, const char *what, struct wh_needs *ret, struct wh_err **err);
void wh_needs_release(struct wh_needs *n);

/* The lock file, schemas/profile-lock-1.json: {"$schema":"https://whittle.dev/schema/profile-lock-1.json",
 *    "stages":{"release linux/amd64":{needs}, …}}, an item a line. */
#define WH_LOCK_SCHEMA "https://whittle.dev/schema/profile-lock-1.json"
int wh_profile_lock_read(const char *text, size_t n, const char *what, json_t **ret, struct wh_err **err);
void wh_profile_lock_dump(const json_t *lock, struct wh_buf *out);

#endif
