/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands that list images have in common. */
#ifndef WH_CLI_LISTING_H
#define WH_CLI_LISTING_H

#include "cli/cli.h"

extern const char *const wh_cli_formats[]; /* table, json */

/* Columns as wide as they need to be, three blanks between; foreign text is made safe. */
struct wh_cli_table {
	size_t columns;
	struct wh_strv cells; /* safe; row by row */
};
void wh_cli_table_cell(struct wh_cli_table *t, const char *text); /* NULL: "-" */
void wh_cli_table_print(const struct wh_cli_table *t, struct wh_buf *out);
void wh_cli_table_release(struct wh_cli_table *t);

/* RFC 3339, seconds; false: it is none. */
bool wh_cli_time(const char *text, int64_t *ret);
/* "3 days ago", in docker's words; of what is no time "N/A". malloc'ed. */
char *wh_cli_since(const char *rfc3339);
/* Twelve digits of it, or all with "sha256:" before them; malloc'ed. */
char *wh_cli_id(const struct wh_digest *d, bool whole);
/* "docker.io/library/shop:1.4" → "shop", "1.4"; malloc'ed. */
void wh_cli_name_split(const char *full, char **ret_repository, char **ret_tag);
/* JSON for people's eyes, or (indent 0) in one line; nothing in it means anything to a terminal. */
void wh_cli_json(const json_t *o, size_t indent, struct wh_buf *out);
/* No store is made for a look at it: *ret NULL. */
int wh_cli_store_look(const char *root, struct wh_store **ret, struct wh_err **err);

#endif
