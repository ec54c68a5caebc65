/* SPDX-License-Identifier: Apache-2.0 */
/*
 * URLs and repositories, for a process that opens no network and runs no git.
 *
 *   inner: wh_cli_source_fetch() ──request──▶ outer: service "source" ──▶ a fork with secrets: layers/remote.h
 *
 * The two meet in the store: what was fetched is a directory there that the reply names.
 */
#ifndef WH_CLI_SOURCE_SERVICE_H
#define WH_CLI_SOURCE_SERVICE_H

#include "cli/cli.h"

#include <pthread.h>

#define WH_SERVICE_SOURCE "source"
/* Outer side: for wh_outer_offer(); arg is the struct wh_build_spec. */
int wh_cli_source_service(void *arg, const json_t *request, json_t **ret_reply, struct wh_err **err);

/* Inner side: one a build. A URL, or a remote's reference, is asked for once: later requests are told what it was. */
struct wh_cli_source {
	struct wh_inner *inner;
	const char *root; /* the store's directory */
	pthread_mutex_t mutex;
	pthread_cond_t changed;
	struct wh_cli_source_memo {
		char *key;
		bool busy;
		json_t *known;
	} * memo;
	size_t n_memo, cap_memo;
};
void wh_cli_source_init(struct wh_cli_source *s, struct wh_inner *inner, const char *root);
void wh_cli_source_release(struct wh_cli_source *s);
/* A wh_fetch_fn; arg is the struct wh_cli_source. */
int wh_cli_source_fetch(void *arg, const json_t *request, const _Atomic bool *cancel, json_t **ret_reply,
			struct wh_err **err);

#endif
