/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closure rules: what an application will want beyond what it was seen to use, told as data. One table, closure_table.c, a row a rule; closure_rules.c finds
 * what sets a row off. Private to harden/.
 *
 *   evidence (a path seen, sought or kept; a symbol that kept code imports; a variable of the config) ──▶ paths to keep, each with the rule's name
 *
 * Rows are tried until nothing new comes: what one keeps may set off another. A row never keeps what --drop takes, nor a shell.
 */
#ifndef WH_HARDEN_CLOSURE_TABLE_H
#define WH_HARDEN_CLOSURE_TABLE_H

#include "harden/keep_private.h"

enum wh_evidence {
	WH_SEEN,   /* a path that matches was used: more than looked at (access other than s, k, g, l alone) */
	WH_SOUGHT, /* it was used, looked at, or looked for in vain */
	WH_KEPT,   /* it stays, for whatever reason */
	WH_IMPORT, /* an ELF file that stays has an undefined dynamic symbol of that name */
	WH_ENV,    /* the config's Env has that variable */
};

struct wh_rule_row;
/* For what globs cannot say. path: what matched (WH_IMPORT: the importing file; WH_ENV: the value). Keeps with wh_decide_reach() and
 * wh_closure_why(). 0 or -errno with err. */
typedef int (*wh_rule_fn)(struct wh_decide *d, const struct wh_rule_row *row, const char *path, struct wh_err **err);

struct wh_rule_row {
	const char *name;      /* "python-distribution": in reports, in explain, in tests/prog/closure-*.t */
	const char *says;      /* why, for a person: one line */
	enum wh_evidence when;
	const char *match;     /* alternatives separated by spaces: globs without leading slash (** crosses directories), or names */
	const char *keep;      /* globs separated by spaces, or NULL; matches of the image's paths */
	wh_rule_fn fn;         /* or NULL; once for each path that matched */
};
extern const struct wh_rule_row wh_closure_table[];
extern const size_t wh_closure_rows;

/* closure_rules.c: sets off what can be set off; *ret_more tells whether anything was added. */
struct wh_closure;
int wh_closure_run(struct wh_decide *d, struct wh_closure *c, bool *ret_more, struct wh_err **err);

#endif
