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

/* A value of no more than two bytes ("{}") takes more than two hundred in memory. Our largest documents, reports with a hundred
 * thousand entries, stay well below this. */
#define WH_JSON_VALUES_MAX ((size_t)2 << 20)

/* Parses hostile text: duplicate keys rejected, depth bounded by jansson, values (their commas and opening brackets) by
 * WH_JSON_VALUES_MAX: -EFBIG. what names the document in the error. */
int wh_json_parse(const char *p, size_t n, const char *what, json_t **ret, struct wh_err **err);
/* The same with another bound. */
int wh_json_parse_max(const char *p, size_t n, const char *what, size_t max_values, json_t **ret, struct wh_err **err);
/* Canonical bytes: keys sorted, no blanks, UTF-8 as is, no escaped slashes. Appends. */
void wh_json_dump(const json_t *j, struct wh_buf *out);
/* Getters for objects from outside: NULL / fallback when absent or of another type. */
const char *wh_json_str(const json_t *obj, const char *key);
int64_t wh_json_int(const json_t *obj, const char *key, int64_t fallback);

#endif
