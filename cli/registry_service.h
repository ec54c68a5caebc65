/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Registries, for a process that holds no login.
 *
 *   inner: wh_cli_registry_…() ──request──▶ outer: service "registry" ──▶ a fork with logins: store ⇄ registry
 *
 * The two meet in the store: what was pulled is there by digest, what is to be pushed was prepared there. (Service, push and
 * the builder's pull are declared in cli.h.)
 */
#ifndef WH_CLI_REGISTRY_SERVICE_H
#define WH_CLI_REGISTRY_SERVICE_H

#include "cli/cli.h"

/* row: what comes and goes is told as its transfers; or NULL. */

/* By digest in the store; platform NULL: this machine's. */
int wh_cli_registry_pull(struct wh_inner *inner, struct wh_store *s, const char *ref, const char *platform,
			 bool insecure, const struct wh_progress_row *row, struct wh_digest *ret, struct wh_err **err);
/* Everything behind the name, as wh_registry_pull_all(). */
int wh_cli_registry_pull_all(struct wh_inner *inner, struct wh_store *s, const char *ref, bool layers, bool insecure,
			     const struct wh_progress_row *row, struct wh_digest *ret, struct wh_err **err);
/* What is attached to the image of this manifest, in the store. */
int wh_cli_registry_artifacts(struct wh_inner *inner, struct wh_store *s, const char *ref,
			      const struct wh_digest *subject, bool insecure, struct wh_artifacts *ret,
			      struct wh_err **err);
/* Artifacts of a type, manifest and config in the store (wh_registry_find()). */
int wh_cli_registry_find(struct wh_inner *inner, struct wh_store *s, const char *ref, const char *type, bool insecure,
			 struct wh_artifacts *ret, struct wh_err **err);
/* From any thread; ends with -ECANCELED once *cancel (may be NULL) is true. */
int wh_cli_registry_blobs(struct wh_inner *inner, struct wh_store *s, const char *ref, const struct wh_descriptor *blobs, size_t n,
			  bool insecure, const _Atomic bool *cancel, const struct wh_progress_row *row, struct wh_err **err);
/* wh_registry_put() */
int wh_cli_registry_put(struct wh_inner *inner, struct wh_store *s, const char *ref, const struct wh_digest *manifest,
			json_t *sources, bool insecure, const struct wh_progress_row *row, struct wh_err **err);
/* For commands that have nothing else to ask the outer process: forks, offers the service, runs fn in the inner one.
 * Returns in both: in the inner what fn gave, in the outer the inner's exit code (both as a wh_command_fn does). */
typedef int (*wh_cli_inner_fn)(void *arg, struct wh_inner *inner, struct wh_buf *out, struct wh_err **err);
int wh_cli_with_registry(wh_cli_inner_fn fn, void *arg, struct wh_buf *out, struct wh_err **err);
/* The store that --root names, or the usual one; made when missing. */
char *wh_cli_store_path(const char *root); /* malloc'ed; NULL: there is no place for one */
int wh_cli_store_open(const char *root, struct wh_store **ret, struct wh_err **err);

#endif
