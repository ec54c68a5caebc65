/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader of TOML 1.0 as far as configuration files of registries have it: tables, arrays of tables, keys with dots, strings of all
 * four kinds, booleans, arrays and inline tables. Numbers and dates are passed over (null). Memory in, data out. Private to layers/.
 */
#ifndef WH_LAYERS_REGISTRY_TOML_H
#define WH_LAYERS_REGISTRY_TOML_H

#include "base/base.h"

#define WH_TOML_MAX ((size_t)1 << 20) /* of a file */
/* In each table: the line of its header, or of the key that made it. No key of the text can be called that. */
#define WH_TOML_LINE "\001"

/* A table becomes an object, an array an array. file: for the error, which has the line; it must not be above WH_TOML_MAX. */
int wh_toml_parse(const char *p, size_t n, const char *file, json_t **ret, struct wh_err **err);
unsigned wh_toml_line(const json_t *table); /* 0: not known */

#endif
