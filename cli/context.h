/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts, as docker and buildx take them:
 *
 *   DIR                    a directory of this machine
 *   GIT                    a repository (https://…/x.git[#ref[:dir]], git@host:x, github.com/x): its tree at a commit
 *   http(s)://…            an archive: its content; anything else: a Dockerfile, in a context that is this one file
 *   -                      standard input: the same, but beside a Dockerfile nothing
 *
 * .dockerignore counts in directories of this machine alone: what comes from elsewhere is taken as it is, as in
 * BuildKit.
 */
#ifndef WH_CLI_CONTEXT_H
#define WH_CLI_CONTEXT_H

#include "cli/source_service.h"

/* Which kind it is; nothing is fetched or read. */
int wh_context_main(const char *arg, const char *file, struct wh_build_spec *s, struct wh_err **err);
/* One --build-context NAME=REF. */
int wh_context_named(const char *text, struct wh_named_ctx *ret, struct wh_err **err);
/* Of those that are hardly meant: directories that are image layouts. Appends. */
void wh_context_notes(const struct wh_named_ctx *contexts, size_t n, struct wh_err **notes);

/* The main context at hand. */
struct wh_context {
	const char *path;      /* its directory (borrowed from the spec or own), or NULL */
	struct wh_layer layer; /* instead: a tree */
	bool has_layer;
	bool foreign; /* no directory of the user's: no ignore files, -f names a file inside */
	bool has_text;
	struct wh_buf text; /* the Dockerfile, when it was read already */
	char *text_name;    /* as messages show it */
	char *own;
};
/* Fetches or reads what is not there. Before any thread; the store is used for what is no directory of the user's. */
int wh_context_open(const struct wh_build_spec *s, struct wh_store *store, struct wh_cli_source *source,
		    struct wh_progress *progress, struct wh_context *ret, struct wh_err **err);
void wh_context_release(struct wh_context *c);
/* Does it need the store, or somebody who fetches? */
bool wh_context_is_foreign(const struct wh_build_spec *s);

#endif
