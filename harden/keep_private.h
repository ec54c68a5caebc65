/* SPDX-License-Identifier: Apache-2.0 */
/* The keep set while it is being decided: shared by keep.c, closure.c, rules.c, shellrun.c; read by prune.c. Private
 * to harden/. */
#ifndef WH_HARDEN_KEEP_PRIVATE_H
#define WH_HARDEN_KEEP_PRIVATE_H

#include "harden/libs.h"
#include "harden/shells.h"
#include "harden/tree.h"

#include <uthash.h>

enum wh_rule {
	WH_RULE_OBSERVED, WH_RULE_SYMLINK, WH_RULE_ELF, WH_RULE_SCRIPT, WH_RULE_CONFIG, WH_RULE_BASE, WH_RULE_PACKAGE,
	WH_RULE_KEEP, WH_RULE_REPAIR, WH_RULE_PARENT, WH_RULE_CLOSURE,
};
const char *wh_rule_name(enum wh_rule r);

struct wh_kept {
	const char *path;
	enum wh_rule rule;
	const char *via;              /* the path that required it, or NULL */
	const char *access;           /* observed: letters of base/observation.h */
	const char *program, *script; /* observed: by whom, or NULL */
	const char *name;             /* closure: of the rule in closure_table.c, else NULL */
	bool soft;                    /* a closure rule keeps it, or something that one keeps needs it: --drop may take it */
	UT_hash_handle hh;
};

struct wh_keep {
	struct wh_arena *a;
	struct wh_kept *items;
	struct wh_kept *shells; /* what was asked for and is not kept because it is a shell */
	struct wh_strv observed;/* what the profiles say, for the assertion */
	struct wh_strv repaired;
	struct wh_strv shell_names; /* all names of the tree that start a shell */
	struct wh_pkgdb_plan plan;
	bool keep_setid;
	struct wh_strv setid; /* files that keep their set-id bits, sorted */
};

struct wh_globs {
	struct wh_patterns *patterns; /* or NULL */
	struct wh_strv words;         /* as given, for messages */
};
/* keep.c: an option's globs ("--drop") on a tree. */
int wh_globs_open(struct wh_globs *g, struct wh_tree *t, const char *option, const char *const *globs, struct wh_err **err);
void wh_globs_release(struct wh_globs *g);
/* The glob that matches this path; NULL: none. */
const char *wh_globs_word(const struct wh_globs *g, const char *path);
/* setid.c: which files keep their set-id bits. A glob that names none in the tree is an error. */
int wh_setid_named(struct wh_tree *t, const char *const *globs, struct wh_strv *ret, struct wh_err **err);

struct wh_decide {
	struct wh_tree *t;
	const struct wh_prune_opts *o;
	struct wh_keep *k;
	const struct wh_shells *shells;
	struct wh_shells *own_shells; /* unless they were given */
	struct wh_libs *libs;
	struct wh_globs drop;
	struct wh_strv path;        /* directories of PATH */
	json_t *profile;            /* all profiles as one */
	struct wh_kept **todo;      /* what closure.c has not looked at */
	size_t n_todo, cap_todo;
	struct wh_closure *closure; /* rules that wait for evidence */
	struct wh_code *code;       /* lang.h: what rules of languages found out, or NULL */
	struct wh_sibling *siblings; /* hard-linked contents of which a name is kept */
};

struct wh_why {
	enum wh_rule rule;
	const char *via, *access, *program, *script;
	const char *name; /* closure: of the rule */
};
/* keep.c: keeps the entry at a canonical path and its parents. Shells that go are noted, --drop is obeyed or refused
 * (-EINVAL). Nothing there: nothing kept. */
int wh_decide_add(struct wh_decide *d, const char *path, const struct wh_why *why, struct wh_err **err);
/* The same for any path: symlinks walked are kept, too (rule symlink). -ENOENT without a text: leads nowhere, nothing
 * kept. */
int wh_decide_reach(struct wh_decide *d, const char *path, bool follow_last, const struct wh_why *why,
		    struct wh_err **err);
/* Is it kept, or another name of the same content (a wh_kept_fn; arg: the decide)? */
bool wh_decide_is_kept(void *arg, const char *path);
/* keep.c: what deciding needs, of t and o; and its end. What was decided (k) is the caller's. */
int wh_decide_open(struct wh_decide *d, struct wh_err **err);
void wh_decide_release(struct wh_decide *d);
/* keep.c: the package database of what is kept: k's plan, and what it adds. */
int wh_decide_database(struct wh_decide *d, struct wh_err **err);
/* keep.c: an absolute pattern, its plain beginning made canonical; links on the way go to links (or NULL). option is for messages, or "".
 * malloc'ed; NULL with err. */
char *wh_glob_pattern(struct wh_tree *t, const char *option, const char *word, struct wh_strv *links, struct wh_err **err);
/* keep_package.c: PRUNE --mode=package. */
int wh_decide_packages(struct wh_decide *d, struct wh_err **err);
/* closure.c: looks at all that was added, and adds what that needs and what closure rules ask for then, until nothing is left. */
int wh_decide_close(struct wh_decide *d, struct wh_err **err);
/* The file that a program's name means: by PATH, or from cwd when it has a slash. Not canonical; NULL: none.
 * malloc'ed. */
char *wh_decide_program(struct wh_decide *d, const char *name, const char *cwd);
/* rules.c */
int wh_decide_base(struct wh_decide *d, struct wh_err **err);
int wh_decide_config(struct wh_decide *d, struct wh_err **err);
/* What depends on what is kept: what glibc loads, links to kept directories. */
int wh_decide_late(struct wh_decide *d, struct wh_err **err);
/* closure.c: does this path lead to a shell that goes? */
bool wh_decide_removes(struct wh_decide *d, const char *path);
/* shellrun.c: was a shell run? Then the error that says by whom. */
int wh_decide_shells_run(struct wh_decide *d, struct wh_err **err);
/* Could the image not start, or not be asked how it is, without a shell that goes? Whatever the profiles started. */
int wh_decide_shells_named(struct wh_decide *d, struct wh_err **err);

#endif
