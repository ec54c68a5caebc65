/* SPDX-License-Identifier: Apache-2.0 */
/* Private to harden/: the least privileges (runtime*.c). */
#ifndef WH_HARDEN_RUNTIME_PRIVATE_H
#define WH_HARDEN_RUNTIME_PRIVATE_H

#include "harden/harden.h"

extern const char *const wh_runtime_baseline[]; /* NULL-terminated */

/* Names, each once, sorted. */
json_t *wh_runtime_names(struct wh_strv *names); /* sorts and thins out; new reference */

/* runtime_writable.c: "readOnlyRoot" and "writable" of the document. */
int wh_runtime_writable(const struct wh_privileges_opts *o, json_t *doc, struct wh_err **err);
/* runtime_landlock.c: "landlock". After "writable" and "ports". */
int wh_runtime_landlock(const struct wh_privileges_opts *o, json_t *doc, struct wh_err **err);

/* "[a-z0-9-]+" of a text, 40 at most: for names of objects. malloc'ed. */
char *wh_runtime_slug(const char *text);
/* Of an item of "writable": is it to be kept on a disk, or to begin with content; is it the user's to mount? */
bool wh_runtime_lasting(const json_t *place);
bool wh_runtime_mounted(const json_t *place);
void wh_runtime_apparmor(const json_t *p, const char *image, const char *name, struct wh_buf *out);   /* runtime_apparmor.c */
void wh_runtime_kubernetes(const json_t *p, const char *image, const char *name, struct wh_buf *out); /* runtime_kubernetes.c */

#endif
