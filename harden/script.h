/* SPDX-License-Identifier: Apache-2.0 */
/* "#!" lines. Private to harden/. */
#ifndef WH_HARDEN_SCRIPT_H
#define WH_HARDEN_SCRIPT_H

#include "base/str.h"

struct wh_script {
	char *interpreter; /* as written; absolute or not */
	char *program;     /* what `env` would look for, or NULL */
};
/* 0, or -ENOEXEC: no script. As Linux reads it: the first line, at most 255 bytes, one argument. */
int wh_script_parse(const uint8_t *p, size_t n, struct wh_script *ret);
void wh_script_release(struct wh_script *s);
#define WH_AUTO_SCRIPT WH_CLEANUP(wh_script_release)

#endif
