/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One call of a service, over a stream socket of its own. Request and reply are each a byte that tells what follows, a
 * u32 length, and that many bytes: canonical JSON, or an error (wire.h). Before the reply there may be notes in the same form.
 */
#ifndef WH_SANDBOX_SERVICE_H
#define WH_SANDBOX_SERVICE_H

#include "sandbox/sandbox.h"

#define WH_SERVICE_MAX ((size_t)64 << 20)
#define WH_SERVICE_NAME_MAX ((size_t)64)

/* The caller's side: writes the request, reads the reply, blocks. Notes go to tell (NULL: nowhere).
 * Once *cancel is true (NULL: never) it no longer waits for the answer: -ECANCELED. */
int wh_service_ask(int sock, const char *name, const json_t *request, const _Atomic bool *cancel, wh_tell_fn tell, void *arg,
		   json_t **ret_reply, struct wh_err **err);
/* The other side, in the process that was forked for the call: reads, runs, answers. s NULL: no such service. */
void wh_service_answer(int sock, const struct wh_service *s);
/* Says that the call failed before anything of it ran. */
void wh_service_refuse(int sock, const struct wh_err *why);

#endif
