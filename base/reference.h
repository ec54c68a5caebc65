/* SPDX-License-Identifier: Apache-2.0 */
/* Image names (distribution/reference's grammar): [domain/]path[:tag][@digest]. */
#ifndef WH_BASE_REFERENCE_H
#define WH_BASE_REFERENCE_H

#include "base/err.h"
#include "base/str.h"

/* docker's rules for what is left out: "shop" → "docker.io/library/shop:latest". malloc'ed. */
int wh_reference_normalize(const char *ref, char **ret, struct wh_err **err);
/* The tag of a name; "latest" when it has none. Points into ref, or is static. */
const char *wh_reference_tag(const char *ref);
/* The short form by which users know it: without "docker.io/", "library/", ":latest"; what is no name comes back as it is.
 * malloc'ed. */
char *wh_reference_familiar(const char *ref);

#endif
