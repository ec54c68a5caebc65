/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of single instructions that need neither variables nor images; the grammar's rows point here. */
#ifndef WH_FRONTEND_CHECK_H
#define WH_FRONTEND_CHECK_H

#include "frontend/frontend.h"

int wh_check_paths(const struct wh_node *n, struct wh_err **err); /* ADD, COPY */
int wh_check_pairs(const struct wh_node *n, struct wh_err **err); /* ENV, LABEL */
int wh_check_arg(const struct wh_node *n, struct wh_err **err);
int wh_check_from(const struct wh_node *n, struct wh_err **err);
int wh_check_health(const struct wh_node *n, struct wh_err **err);
int wh_check_onbuild(const struct wh_node *n, struct wh_err **err);
int wh_check_profile(const struct wh_node *n, struct wh_err **err); /* in harden.c */
int wh_check_prune(const struct wh_node *n, struct wh_err **err);   /* in harden.c */
int wh_check_run(const struct wh_node *n, struct wh_err **err);
int wh_check_shell(const struct wh_node *n, struct wh_err **err);
int wh_check_volume(const struct wh_node *n, struct wh_err **err);
int wh_check_unknown(const struct wh_node *n, struct wh_err **err);

/* The words of an instruction as far as they hang on no variable: mounts, modes, ports, signals, what is never closed. The
 * same texts as when it is lowered. */
int wh_check_values(const struct wh_node *n, char escape, struct wh_err **err);

/* A text that is to be one ONBUILD trigger. */
int wh_trigger_check(const struct wh_dockerfile *d, struct wh_err **err);

/* ---- duration.c: "1h2m3.5s" ---- */

/* Nanoseconds; -EINVAL on bad text or overflow. */
int wh_duration_parse(const char *s, int64_t *ret, struct wh_err **err);
/* As Go prints it: "1m30s", "1.5s", "0s". */
void wh_duration_print(int64_t ns, struct wh_buf *out);

#endif
