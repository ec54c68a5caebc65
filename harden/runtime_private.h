/* SPDX-License-Identifier: Apache-2.0 */
/* Private to harden/: the least privileges (runtime*.c). */
#ifndef WH_HARDEN_RUNTIME_PRIVATE_H
#define WH_HARDEN_RUNTIME_PRIVATE_H

#include "harden/harden.h"

extern const char *const wh_runtime_baseline[]; /* NULL-terminated */

/* Names, each once, sorted. */
struct wh_strv;
json_t *wh_runtime_names(struct wh_strv *names); /* sorts and thins out; new reference */

/* runtime_writable.c: "readOnlyRoot" and "writable" of the document. */
int wh_runtime_writable(const struct wh_privileges_opts *o, json_t *doc, struct wh_err **err);
/* runtime_landlock.c: "landlock". After "writable" and "ports". */
int wh_runtime_landlock(const struct wh_privileges_opts *o, json_t *doc, struct wh_err **err);

#endif
