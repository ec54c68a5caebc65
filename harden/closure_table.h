/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Closure rules: what an application will want beyond what it was seen to use, told as data. One table, closure_table.c, a row a rule; closure_rules.c finds
 * what sets a row off; what a glob cannot say is a function: closure_native.c, lang_*.c. Private to harden/.
 *
 *   evidence (a path seen, sought or kept; a symbol or a name in kept code; a variable of the config) ──▶ paths to keep, each with the rule's name
 *
 * Rows are tried until nothing new comes: what one keeps may set off another. A row never keeps what --drop takes, nor a shell; none takes anything back.
 *
 * To add a rule: a row in closure_table.c, and a test of its name in tests/unit/harden_closure_test.c or tests/prog/closure-*.t that fails without the row.
 */
#ifndef WH_HARDEN_CLOSURE_TABLE_H
#define WH_HARDEN_CLOSURE_TABLE_H

#include "harden/keep_private.h"

enum wh_evidence {
	WH_SEEN,   /* a path that matches was used: more than looked at (access other than s, k, g, l alone) */
	WH_SOUGHT, /* it was used, looked at, or looked for in vain */
	WH_KEPT,   /* it stays, for whatever reason but as a parent */
	WH_IMPORT, /* an ELF file that stays has an undefined dynamic symbol of that name (but for files that a glob with "!" names) */
	WH_NAMED,  /* an ELF file that stays, but the C library and its linker, has a string in its data: an absolute path (match: a glob on it, without its slash), or what looks like
		    * the name of a library (match: a glob without a slash) */
	WH_ENV,    /* the config's Env has that variable, and it is not empty */
};

struct wh_rule_row;
/* For what globs cannot say. path: what matched, canonical where it exists (WH_IMPORT: the importing file; WH_ENV: the value; WH_NAMED: the name as
 * it stands there). via: the path that is told as the reason ("", for WH_ENV). Keeps with the functions below. 0 or -errno with err. */
typedef int (*wh_rule_fn)(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via, struct wh_err **err);

/* A row may have further rows of its name: other evidence for the same. Globs: without leading slash; ** stands for any number of directories (at the end:
 * for everything below), * and ? stop at a slash, a backslash takes the next character as it is. Paths in them are those of a merged /usr ("usr/lib/…"): an
 * image that has /lib and /bin of its own is matched as if it had not; a star for a directory in usr/lib at the beginning means usr/lib64
 * and usr/lib itself, too. */
struct wh_rule_row {
	const char *name;      /* "python-distribution": in reports, in explain, in the tests */
	const char *says;      /* why, for a person: one line that can follow the path that is kept */
	enum wh_evidence when;
	const char *match;     /* alternatives separated by spaces: globs, or names (WH_IMPORT, WH_ENV) */
	const char *keep;      /* globs separated by spaces, or NULL; matches of the image's paths, but for those of globs that begin with "!" */
	wh_rule_fn fn;         /* or NULL; once for each path that matched, in the place of keep (which it may use) */
};
extern const struct wh_rule_row wh_closure_table[];
extern const size_t wh_closure_rows;

/* ---------------------------------------------------------------- closure_rules.c: for functions of rows */

/* Keeps the path (canonical or not; links on the way are kept, too). Nothing there: 0, nothing kept. */
int wh_rule_keep(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via, struct wh_err **err);
/* Keeps what matches any of the globs (separated by spaces), with what is below directories only where the globs say so. Scripts whose interpreter
 * does not stay anyway are left out here and below: a rule that is after data brings no interpreter. */
int wh_rule_keep_globs(struct wh_decide *d, const struct wh_rule_row *row, const char *globs, const char *via, struct wh_err **err);
/* Keeps a directory with all that is below it (or a file). */
int wh_rule_keep_below(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via, struct wh_err **err);
/* Is it a script whose interpreter does not stay (yet), or is a shell that goes? */
bool wh_rule_brings_interpreter(struct wh_decide *d, const struct wh_node_ref *n);
/* Does the path match one of the globs? */
bool wh_rule_matches(const char *globs, const char *path);
/* Does one of the globs that begin with "!" match? What keeps by a row's keep leaves that out; functions ask. NULL: no. */
bool wh_rule_excludes(const char *globs, const char *path);
/* The package whose record lists the path, NULL: none. */
int wh_rule_owner(struct wh_decide *d, const char *path, const char **ret, struct wh_err **err);
/* Are two paths of packages from one source, or both of none? */
int wh_rule_kin(struct wh_decide *d, const char *a, const char *b, bool *ret, struct wh_err **err);
/* Calls for each other name of a file: symlinks that lead to it, directly or not (but for those in
 * /usr/share, /var and the like), and hard links in its directory. */
typedef int (*wh_rule_name_fn)(void *arg, const char *name);
int wh_rule_each_name(struct wh_decide *d, const struct wh_node_ref *n, wh_rule_name_fn fn, void *arg, struct wh_err **err);
/* All paths of the image, in wh_path_cmp order. NULL with err. */
const struct wh_strv *wh_rule_paths(struct wh_decide *d, struct wh_err **err);

/* ---------------------------------------------------------------- closure_rules.c: for closure.c and keep.c */

struct wh_closure;
int wh_closure_new(struct wh_decide *d, struct wh_closure **ret, struct wh_err **err);
void wh_closure_free(struct wh_closure *c);
/* Takes notice of something that stays; b: its bytes (of a FILE). */
int wh_closure_see(struct wh_decide *d, struct wh_closure *c, const struct wh_kept *i, const struct wh_bytes *b, struct wh_err **err);
/* Sets off what can be set off; *ret_more tells whether anything was added. */
int wh_closure_run(struct wh_decide *d, struct wh_closure *c, bool *ret_more, struct wh_err **err);

/* ---------------------------------------------------------------- closure_names.c */

/* Calls for each absolute path (that begins with a slash) and each library's name in the data of an ELF file; often more than once. */
typedef int (*wh_closure_name_fn)(void *arg, const char *p, size_t n);
int wh_closure_names(const uint8_t *p, size_t n, wh_closure_name_fn fn, void *arg);
/* The absolute paths of a text; they may be patterns (* and ?). */
int wh_closure_names_in_text(const uint8_t *p, size_t n, wh_closure_name_fn fn, void *arg);

/* ---------------------------------------------------------------- closure_content.c */

int wh_rule_content(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via, struct wh_err **err);
/* What of a directory is content; nothing where it is the system's. */
int wh_rule_content_below(struct wh_decide *d, const struct wh_rule_row *row, const char *dir, const char *via, struct wh_err **err);

/* ---------------------------------------------------------------- closure_native.c */

/* Is a file run, not read? Libraries are often executable, too. */
int wh_rule_is_program(struct wh_decide *d, const struct wh_node_ref *n, bool *ret, struct wh_err **err);

int wh_rule_library(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via, struct wh_err **err);
int wh_rule_named_path(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via, struct wh_err **err);
int wh_rule_named_program(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via, struct wh_err **err);
int wh_rule_named_directory(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via, struct wh_err **err);
int wh_rule_configuration_directory(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via, struct wh_err **err);
int wh_rule_package_configuration(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via, struct wh_err **err);
int wh_rule_listed_plugins(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via, struct wh_err **err);
int wh_rule_config_text(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via, struct wh_err **err);
int wh_rule_other_names(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via, struct wh_err **err);
/* The directory that the path lies in, whole. */
int wh_rule_directory(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via, struct wh_err **err);
int wh_rule_siblings(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via, struct wh_err **err);
int wh_rule_plugins(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via, struct wh_err **err);
int wh_rule_nss(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via, struct wh_err **err);
int wh_rule_locale_made(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via, struct wh_err **err);
int wh_rule_locale(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via, struct wh_err **err);

#endif
