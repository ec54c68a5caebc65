/* SPDX-License-Identifier: Apache-2.0 */
/* jansson, with our limits and our one canonical form. */
#ifndef WH_BASE_JSON_H
#define WH_BASE_JSON_H

#include "base/err.h"
#include "base/str.h"

#include <jansson.h>

static inline void wh_json_decrefp(json_t **j)
{
	json_decref(*j);
	*j = NULL;
}
#define WH_AUTO_JSON WH_CLEANUP(wh_json_decrefp)

/* Parses hostile text: duplicate keys rejected, depth bounded by jansson; what names the document in the error. */
int wh_json_parse(const char *p, size_t n, const char *what, json_t **ret, struct wh_err **err);
/* Canonical bytes: keys sorted, no blanks, UTF-8 as is, no escaped slashes. Appends. */
void wh_json_dump(const json_t *j, struct wh_buf *out);
/* Getters for objects from outside: NULL / fallback when absent or of another type. */
const char *wh_json_str(const json_t *obj, const char *key);
int64_t wh_json_int(const json_t *obj, const char *key, int64_t fallback);

#endif
