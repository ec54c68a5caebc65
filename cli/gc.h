/* SPDX-License-Identifier: Apache-2.0 */
/* What whittle gc and whittle du have in common. */
#ifndef WH_CLI_GC_H
#define WH_CLI_GC_H

#include "cli/cli.h"

/* The store, looked at as a whole (names: records with the words of their steps); inside the user namespace where that
 * is needed to see all. *ret NULL: there is no store. */
int wh_cli_gc_look(const char *root, bool change, bool names, struct wh_inner *inner, struct wh_gc **ret,
		   struct wh_err **err);
/* In tables: "12.3 MB". */
char *wh_cli_size(int64_t bytes);
/* Every kind that is there, in both sums: "kind", "items", "bytes" of the first, "reclaimable" of the second unless it
 * is NULL. */
json_t *wh_cli_gc_kinds(const struct wh_gc_sum *sum, const struct wh_gc_sum *reclaimable);
json_t *wh_cli_gc_unknown(const struct wh_gc *g);
/* Notes on standard error: what is nobody's, what could not be seen. */
void wh_cli_gc_notes(const struct wh_gc *g);
/* "7d", "1h30m", "90" (seconds): seconds. */
bool wh_age_parse(const char *text, int64_t *ret);

#endif
