/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ADD and contexts take from elsewhere: URLs (libcurl) and git repositories (the git program). Part of layers.h.
 *
 * Results are directories of the store whose content never changes:
 *
 *   sources/trees/KEY/t       what a reply names. A URL's: one file, 0600, of the time of Last-Modified (1970 without
 *                             one). A repository's: the checkout, files 0644 or 0755, all of the commit's time
 *   sources/files/SHA256      a URL's body
 *   sources/http/SHA256(URL)  JSON: what the URL held last: digest, ETag, Last-Modified
 *   sources/sums/DIGEST       JSON: which body has this sha256, sha384 or sha512, and the time it was first given with
 *   sources/git/SHA256(REMOTE)       a bare repository: the commits that were asked for, without their history
 *   sources/refs/SHA256(REMOTE,REF)  JSON: what the reference was last
 *   sources/locks/NAME        flock: one at a time for each URL and remote
 *   sources/known_hosts       ssh's, of hosts that the user's own file does not have
 *
 * All of it can be fetched again; whatever is damaged or missing is.
 */
#ifndef WH_LAYERS_REMOTE_H
#define WH_LAYERS_REMOTE_H

#include "base/base.h"

struct wh_store;

struct wh_remote_secret {
	const char *id;
	const void *data;
	size_t len;
};

struct wh_remote_opts {
	/* HTTP_AUTH_HEADER_HOST, HTTP_AUTH_TOKEN_HOST; GIT_AUTH_HEADER, GIT_AUTH_TOKEN and the same with ".HOST" */
	const struct wh_remote_secret *secrets;
	size_t n_secrets;
	const char *ssh_socket; /* an agent for ssh remotes; NULL: none, and no keys either */
};

/* request: as told in builder/builder.h at wh_fetch_fn, and further
 *   "known": http: the digest of what this build was told the URL holds; git: {"object", "commit", "ref"}; from a reply
 *   "by_commit": git: checksum is the whole commit, the reference is its name alone
 * reply: {"path", "digest", "key": equal for equal content (times apart), "known": for the next request for the same URL,
 * or remote and reference, "note": words for progress}.
 * Looks at servers; call it where credentials are (with umask 022, which git's files take). What is in the store then may
 * be used by another process at once. Errors are one line each. */
int wh_remote_fetch(struct wh_store *s, const struct wh_remote_opts *o, const json_t *request, json_t **ret_reply,
		    struct wh_err **err);
/* The same where nobody needs to be asked: a pinned or known source that is at hand. 1, or 0. */
int wh_remote_at_hand(struct wh_store *s, const json_t *request, json_t **ret_reply);

/* The URL without user and password, for messages. malloc'ed. */
char *wh_remote_shown(const char *url);

#endif
