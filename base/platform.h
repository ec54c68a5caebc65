/* SPDX-License-Identifier: Apache-2.0 */
/* Platforms, "os/arch[/variant]", in the names that OCI images use (image-spec image-index.md). */
#ifndef WH_BASE_PLATFORM_H
#define WH_BASE_PLATFORM_H

#include "base/err.h"
#include "base/str.h"

struct wh_platform {
	char os[32], arch[32], variant[32];
};
/* "linux/arm64", "linux/arm/v7", or one word: an operating system or an architecture, the rest as host's (NULL: this
 * machine's). Spellings are normalised ("x86_64" is amd64). */
int wh_platform_parse(const char *text, const struct wh_platform *host, struct wh_platform *ret, struct wh_err **err);
/* What --platform=VALUE hardly means, as a note with a hint: parts that nearly are known ones, or are in the wrong order. Others may
 * be of tomorrow's machines. Appends to *notes. */
void wh_platform_note(const char *value, struct wh_err **notes);
void wh_platform_host(struct wh_platform *ret);
void wh_platform_normalize(struct wh_platform *p);
char *wh_platform_text(const struct wh_platform *p); /* malloc'ed */

#endif
