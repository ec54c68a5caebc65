/* SPDX-License-Identifier: Apache-2.0 */
/* A prune report while it is asked: what explain*.c share. Private to harden/. */
#ifndef WH_HARDEN_EXPLAIN_PRIVATE_H
#define WH_HARDEN_EXPLAIN_PRIVATE_H

#include "harden/chains.h"
#include "harden/removed.h"
#include "harden/tree.h"

struct wh_ex_gone {        /* what the report says that went */
	char *path;        /* relative, its bytes */
	const char *owner; /* as the report has it, or NULL */
	const char *link;  /* a symlink's text; or NULL */
	bool dir;
};
struct wh_ex_item { /* a path that one of the report's lists has */
	const char *path;
	const json_t *o;
	UT_hash_handle hh;
};
enum wh_ex_list { WH_EX_USED, WH_EX_CREATED, WH_EX_MISSING };
struct wh_ex_use {
	size_t profile;
	enum wh_ex_list list;
	const json_t *o;
	struct wh_ex_use *next;
};
struct wh_ex_seen { /* a path that the profiles have */
	const char *path;
	struct wh_ex_use *first, *last;
	UT_hash_handle hh;
};
struct wh_ex_profile {
	struct wh_chain *v; /* its processes, parents first */
	size_t n;
	const json_t *marks;
};
struct wh_ex_package {
	const char *owner;   /* as the report has it: "nginx", "python flask 2.2.2"; "" is nobody */
	const char *version; /* or NULL */
	const char *state;   /* "kept", "partial", "removed" */
	uint64_t kept, kept_bytes, removed, removed_bytes;
	bool bytes_known; /* of what went */
	UT_hash_handle hh;
};
struct wh_explained {
	struct wh_arena *a;
	json_t *predicate;
	const json_t *report;
	struct wh_tree *t;
	struct wh_ex_item *kept, *unforeseen, *lacking, *shells;
	struct wh_ex_gone *gone; /* sorted by path */
	size_t n_gone, cap_gone, gone_bytes;
	struct wh_ex_seen *seen;
	struct wh_ex_profile *profiles;
	size_t n_profiles, n_own; /* n_own: of PROFILEs; the others were given by --profile-in */
	struct wh_ex_package *packages;
	bool owners_known; /* of what stayed: reports of older versions do not tell */
};

const json_t *wh_ex_item_of(struct wh_ex_item *list, const char *path); /* or NULL */
const struct wh_ex_gone *wh_ex_gone_at(const struct wh_explained *x, const char *path);
struct wh_ex_seen *wh_ex_seen_at(const struct wh_explained *x, const char *path);
struct wh_ex_package *wh_ex_package_of(struct wh_explained *x, const char *owner); /* made where it is new */
/* The tree and what went as one. As wh_walk(). */
int wh_ex_walk(struct wh_explained *x, const char *path, bool follow_last, struct wh_strv *links, char **ret);
/* "/" + path, as JSON; of a path in the report's spelling. */
json_t *wh_ex_path(const char *path);
json_t *wh_ex_told_path(const char *told);
/* {"type","name","version"}; NULL for nobody. */
json_t *wh_ex_package_json(struct wh_explained *x, const char *owner);
/* The same with "state", "kept" and "removed"; of nobody without a name. */
json_t *wh_ex_amounts(struct wh_explained *x, const char *owner);
/* One path: everything that is known of it, or (brief) what the first line of it says. */
json_t *wh_ex_explain(struct wh_explained *x, const char *path, bool brief);

/* What an argument asks for: a path and what is below it, or a pattern. */
struct wh_ex_scope {
	char *dir;                    /* or NULL */
	struct wh_patterns *patterns; /* or NULL */
};
int wh_ex_scope_open(struct wh_explained *x, const char *arg, struct wh_ex_scope *ret, struct wh_err **err);
void wh_ex_scope_release(struct wh_ex_scope *s);
bool wh_ex_scope_has(const struct wh_ex_scope *s, const char *path);

#endif
