/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signing with a key that the process which parses and runs things never holds.
 *
 *   inner: wh_signer ──digest──▶ outer: service "sign" ──▶ a fork that opens the key, signs, ends
 */
#ifndef WH_CLI_SIGN_SERVICE_H
#define WH_CLI_SIGN_SERVICE_H

#include "evidence/evidence.h"
#include "sandbox/sandbox.h"

#define WH_SERVICE_SIGN "sign"

/* What the forks share: the password, so that it is asked for once. Made in the outer process after the inner one was forked,
 * which therefore never has it. */
struct wh_sign_keeper;
/* password: of the environment, or NULL; wiped and freed. */
int wh_sign_keeper_new(const char *path, char *password, struct wh_sign_keeper **ret, struct wh_err **err);
void wh_sign_keeper_free(struct wh_sign_keeper *k); /* wiped */

/* Outer side; arg: a struct wh_sign_keeper. */
int wh_sign_service(void *arg, const json_t *request, json_t **ret_reply, struct wh_err **err);
/* Can it be opened later: is it there, is it a key, is there a password or a terminal to ask for one? Does not open it. */
int wh_sign_key_check(const char *path, struct wh_err **err);

/* Inner side. */
struct wh_remote_signer {
	struct wh_inner *inner;
	char *hint; /* owned */
	struct wh_signer signer;
};
/* Asks the outer process for the key's hint, which opens it for the first time. */
int wh_remote_signer_new(struct wh_inner *inner, struct wh_remote_signer *ret, struct wh_err **err);
void wh_remote_signer_release(struct wh_remote_signer *s);

#endif
