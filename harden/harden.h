/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From what an application was seen to use to an image that holds that and no more than the rules add.
 *
 *   observation logs + tree ──▶ profile (a JSON document)
 *   profiles + image config + tree ──▶ keep set: path → why      closure.c, elf.c, script.c, shells.c, packages.c
 *   keep set + tree ──▶ one layer, and a report (a JSON document) that answers "why is this here" and "what went"
 *
 * Everything is decided from layer indexes (struct wh_tree): only what the image's own layers hold can be selected, never what a run
 * wrote. Paths here are as in struct wh_entry: relative, canonical ("usr/bin/nginx"); "" is the root.
 * Whatever is read from an image (ELF files, dpkg's files, scripts) is hostile input.
 */
#ifndef WH_HARDEN_H
#define WH_HARDEN_H

#include "base/base.h"
#include "base/observation.h"
#include "harden/document.h"
#include "harden/needs.h"
#include "harden/restore.h"
#include "harden/runtime.h"
#include "layers/layers.h"

/* Raised when rules change what a profile or prune gives: part of their cache keys. */
#define WH_OBSERVER_VERSION 3
#define WH_RULES_VERSION 16

/* ---------------------------------------------------------------- profile.c: what was seen */

struct wh_obs_log { /* one complete observation log (base/observation.h) */
	const char *name; /* "application", "exec", "run", "healthcheck": who was observed */
	const char *data;
	size_t len;
	unsigned run; /* of which run, from 0 */
	const struct wh_strv *tests; /* the run's tests: "test #3" is the third name; or NULL */
};
/* The profile document (no times, no pids):
 *   {"schema":2, "observer":N, "runs":N,
 *    "marks":[{"phase":"serve","test":"name" or null}, …],            in the order in which they came up first; "profile":N where
 *                                                                  several were merged and it is not the first (0)
 *    "processes":[{"name":"application","program":"usr/sbin/nginx","script":null,"parent":-1}, …],   sorted, parents by index
 *    "used":[{"path":"usr/sbin/nginx","access":"rx","by":[0],"when":[0,1],"runs":[0]}, …],  what exists in the tree, sorted; symlinks walked included
 *    "created":[{"path":"run/nginx.pid","access":"wc","by":[0],…}, …], made at run time where the tree has nothing
 *    "missing":[{"path":"etc/ld.so.preload","by":[0],…}, …],          looked up, neither in the tree nor made
 *    "syscalls":[{"name":"accept4","by":[0],…}, …], "capabilities":[{"name":"CAP_CHOWN",…}],
 *    "bound":[{"protocol":"tcp","address":"0.0.0.0","port":80,…}], "peers":[the same],
 *    "remarks":[…]}
 * "when": indices of marks under which it was seen. "runs": the runs that saw it, from 0; left out when all did.
 * Files and directories written are those of used and created whose access has w, c, d or m.
 * An incomplete log is an error (WH_ERR_BUILD, status WH_STATUS_INCOMPLETE). */
int wh_profile_make(struct wh_tree *tree, const struct wh_obs_log *logs, size_t n, json_t **ret, struct wh_err **err);
/* The same without what timing decides (marks, when, runs), and with numbers in the names that the run made as "[n]": equal observations are equal
 * bytes. New reference. */
json_t *wh_profile_canonical(const json_t *profile);
/* Several profiles as one. */
int wh_profile_merge(const json_t *const *profiles, size_t n, json_t **ret, struct wh_err **err);
/* ---------------------------------------------------------------- packages.c: who owns what */

enum wh_package_kind { WH_PKG_DEB, WH_PKG_PYPI, WH_PKG_NPM };
struct wh_package {
	enum wh_package_kind kind;
	char *name, *version, *arch;         /* arch: deb, else NULL */
	char *source, *source_version;       /* deb: source package (equal to name and version when the record has no Source) */
	char *maintainer, *license, *homepage; /* or NULL */
	char *digest;                        /* of the archive it came in, "sha256:…" or "sha512:…", where its record says so (direct_url.json,
					      * npm's node_modules/.package-lock.json); else NULL */
	char *record;                        /* path of the record: "var/lib/dpkg/status", "usr/lib/…/METADATA" … */
	struct wh_strv depends;              /* deb: names of packages in this image that it depends on (Depends, Pre-Depends; first that is there) */
};
struct wh_packages {
	struct wh_package *v; /* sorted by kind, name, arch, version */
	size_t n;
	char *distro_id, *distro_version, *distro_name; /* of etc/os-release (or usr/lib/os-release); NULL: none */
	const char *unread; /* whose records are there and are not read: "apk", "rpm", "pacman"; NULL: nobody's */
};
/* dpkg's status and status.d; *.dist-info and *.egg-info; node_modules/…/package.json. Installed ones only. */
int wh_packages_read(struct wh_tree *t, struct wh_packages *ret, struct wh_err **err);
void wh_packages_release(struct wh_packages *p);

/* owners.c: whose file or link is this? "nginx", "python flask 2.2.2", "npm express 4.18.2"; NULL: nobody's. */
struct wh_owners;
int wh_owners_open(struct wh_tree *t, struct wh_owners **ret, struct wh_err **err);
const char *wh_owners_of(const struct wh_owners *o, const char *path);
void wh_owners_free(struct wh_owners *o); /* NULL is none */

/* The package database after a prune (the honesty rule: a record stays while any file of its package but documentation stays; its lists are cut
 * to what stays; copyright files of what stays are kept). */
struct wh_pkgdb_change {
	char *path;         /* in the tree */
	bool drop;          /* else: data is its new content */
	struct wh_buf data;
};
struct wh_pkgdb_plan {
	struct wh_pkgdb_change *v; /* sorted by path */
	size_t n;
	struct wh_strv keep;       /* further paths to keep: records, copyright files, os-release */
	struct wh_strv kept, partial, removed; /* package names ("name" or "name:arch" as in dpkg's file names), sorted. partial ⊆ kept */
};
typedef bool (*wh_kept_fn)(void *arg, const char *path);
int wh_pkgdb_plan_make(struct wh_tree *t, wh_kept_fn kept, void *arg, struct wh_pkgdb_plan *ret, struct wh_err **err);
void wh_pkgdb_plan_release(struct wh_pkgdb_plan *p);
/* Files and directories of the packages that own any path for which kept() holds, documentation left out (PRUNE --mode=package). */
int wh_pkgdb_expand(struct wh_tree *t, wh_kept_fn kept, void *arg, struct wh_strv *ret, struct wh_err **err);

/* ---------------------------------------------------------------- measure.c */

struct wh_measure {
	uint64_t bytes;       /* sum of file sizes, a hard-linked content once */
	uint64_t files;       /* regular files, each name */
	uint64_t symlinks, directories;
	uint64_t executables; /* regular files with any x bit that are ELF programs or #! scripts (shared libraries not) */
	uint64_t packages;
	uint64_t setid;       /* files with a set-uid or set-gid bit (directories not) */
	uint64_t shells;      /* names by which a shell can be started (shells.c) */
	uint64_t layers;
};
int wh_measure_tree(struct wh_tree *t, struct wh_measure *ret, struct wh_err **err);
json_t *wh_measure_json(const struct wh_measure *m);
/* shells.c: is this a shell? By its name, by the name of a link that leads to it, or by what the file is. */
bool wh_is_shell(struct wh_tree *t, const char *path);

/* ---------------------------------------------------------------- keep.c, closure.c: what stays, and why */

/* Exit codes of their own (all of class WH_ERR_BUILD): docs in cli/errors.c. */
enum wh_status {
	WH_STATUS_TESTS = 10,      /* tests fail before the prune */
	WH_STATUS_NOT_READY = 11,  /* never became ready */
	WH_STATUS_DIED = 12,       /* the application ended by itself */
	WH_STATUS_STOP = 13,       /* hangs at stop, or ends badly */
	WH_STATUS_BACKGROUND = 14, /* its first process went into the background */
	WH_STATUS_SHELL = 15,      /* needs a shell that PRUNE removes */
	WH_STATUS_PRUNED = 16,     /* tests fail only after the prune */
	WH_STATUS_INCOMPLETE = 17, /* the observation is incomplete */
	WH_STATUS_TIMEOUT = 18,    /* the test driver ran out of time */
	WH_STATUS_CONFINED = 19,   /* tests fail under the privileges that were derived from them */
	WH_STATUS_CONTROL = 20,    /* tests pass though something that they need was denied: the proof proves nothing */
};

typedef void (*wh_logs_fn)(void *arg, const struct wh_obs_log **ret, size_t *ret_n); /* borrowed; none: 0 */
struct wh_shells;
struct wh_prune_opts {
	const char *const *keep, *const *drop; /* globs on absolute paths ("/usr/share/zoneinfo/" + "**"), NULL-terminated, or NULL */
	const char *const *setid;       /* globs: files that keep their set-id bits, or NULL */
	bool package_mode, keep_shell, keep_setid;
	const json_t *config;           /* image config's "config" object: Entrypoint, Cmd, User, WorkingDir, Volumes, Healthcheck, Env */
	const json_t *const *profiles;  /* profile documents */
	size_t n_profiles;
	const struct wh_strv *repairs;  /* paths that a repair puts back, or NULL */
	const struct wh_shells *shells; /* of this tree, where it is decided many times (risk.c); or NULL */
	wh_logs_fn logs;                /* the profiles' logs, asked for when a message needs them; or NULL */
	void *logs_arg;
};
struct wh_keep; /* path → rule */
/* Decides. Errors: a shell was run and shells are removed (status WH_STATUS_SHELL: names each program that ran one, through which
 * script); --drop takes away what was observed (WH_ERR_USAGE); --keep matches nothing (WH_ERR_USAGE). */
int wh_keep_decide(struct wh_tree *t, const struct wh_prune_opts *o, struct wh_keep **ret, struct wh_err **err);
void wh_keep_free(struct wh_keep *k);
bool wh_keep_has(const struct wh_keep *k, const char *path);
/* It was asked for and is not kept because it is a shell. */
bool wh_keep_shell(const struct wh_keep *k, const char *path);

/* ---------------------------------------------------------------- risk.c: how sure is a profile */

/* What if a test had not been there? o as for wh_keep_decide() (repairs are left out). Tests are what marks name; a PROFILE without any is one. Figures are parts of 10,000:
 *   {"unit":10000, "tests":T, "measurable":T >= 2,                            the rest only then
 *    "broken":B,            tests that would have failed on what is kept without them
 *    "with_own_paths":N, "grouped":N,   tests with paths of their own; so many were not decided one by one: B is not too low, and may be too high
 *    "risk":max(B,1)/T, "bound":…, "confidence":9500,                         one-sided (Clopper-Pearson)
 *    "would_break":[{"test":name or null, "profile":N, "path":the first, "paths":N}, …]   20 at most
 *    "unseen_files":{"uses":n, "once":N, "estimate", "bound",                 Good-Turing: the next use is of a file that no test used; McAllester-Schapire
 *                    "outside_rules":N, "estimate_outside_rules", "bound_outside_rules"}}   … and that is not kept by a rule either */
int wh_risk_estimate(struct wh_tree *t, const struct wh_prune_opts *o, json_t **ret, struct wh_err **err);
/* risk_words.c. Enough tests to say anything? */
bool wh_risk_known(const json_t *risk);
void wh_risk_words(const json_t *risk, bool brief, struct wh_buf *out); /* part of a line */
void wh_risk_explain(const json_t *risk, struct wh_buf *out);           /* lines */
void wh_risk_share(struct wh_buf *out, unsigned parts);                 /* "5 %", upwards */

/* ---------------------------------------------------------------- repair.c: what the profile had not foreseen */

struct wh_unforeseen {
	char *path;
	char *program, *script; /* who looked for it first; or NULL */
	char *phase, *test;     /* when that was; or NULL */
	unsigned access;        /* enum wh_access */
	char *withheld;         /* why it is not put back: "a shell", "--drop=GLOB"; NULL: it is */
	bool is_shell;
};
struct wh_repairs {
	struct wh_unforeseen *v; /* sorted by path, distinct */
	size_t n;
};
/* What a run on the pruned tree looked for in vain and the full tree would have given it, with the links that lead there. Of o:
 * drop, keep_shell. Logs may be cut short. */
int wh_repairs_find(struct wh_tree *full, struct wh_tree *pruned, const struct wh_prune_opts *o, const struct wh_obs_log *logs,
		    size_t n, struct wh_repairs *ret, struct wh_err **err);
void wh_repairs_release(struct wh_repairs *r);
/* {"path","by","phase","test"}, for the report. New reference. */
json_t *wh_unforeseen_json(const struct wh_unforeseen *u);

/* diverge.c: where the application, run on the pruned tree, first did something else than on the full one, as lines of text. Of after, only one
 * run's logs. Logs may be cut short. */
int wh_diverge(struct wh_tree *full, struct wh_tree *pruned, const struct wh_obs_log *before, size_t n_before,
	       const struct wh_obs_log *after, size_t n_after, struct wh_buf *out, struct wh_err **err);

/* ---------------------------------------------------------------- prune.c */

/* Asserts observed ⊆ kept, then writes the layer: entries as in the tree (owner, mode, time, xattrs, hard links), contents from the
 * lower layers, the package database filtered, set-id bits stripped. The report:
 *   {"schema":1, "rules":N, "before":{measure}, "after":{measure},
 *    "kept":[{"path","rule","name","via","by":{"program","script"},"access","package"}, …],  rule: observed | symlink | elf | script | config | base | package | keep |
 *                                                                  repair | parent | closure; name: of a closure rule (closure_table.c);
 *                                                                  by, access: observed ones alone; package: "nginx",
 *                                                                  "python flask 2.2.2", "npm express 4.18.2"; absent: nobody's
 *    "removed":N, "removed_tree":{"usr":{"bin":{"perl":"perl-base", …}}},  names that went: an object for a directory, [text, owner] for a symlink, else the
 *                                                                  owner: a package, or true
 *    "removed_packages":{"nginx":{"files":N,"bytes":N}, …},           how much of each went ("": of what is nobody's)
 *    "setid_stripped":[paths], "setid_kept":[paths], "capabilities_stripped":[paths], "shells_removed":[paths],
 *    "packages":{"kept":[],"partial":[],"removed":[]}, "repaired":[paths],
 *    "unforeseen":[{"path","by":{"program","script"},"phase","test","round"}, …],  the same, who looked for it first, when; round: from 1
 *    "profiles_in":[profile, …],                                      of --profile-in; those of PROFILEs are beside the report
 *    "lacking":[{"path","by","phase","test","why"}, …]}  looked for in vain on the pruned tree, and not put back; why: "a shell", "--drop=…", "--repair=0" */
int wh_prune_write(struct wh_store *s, struct wh_tree *t, const struct wh_keep *k, const struct wh_layer_opts *o, struct wh_layer *ret,
		   json_t **ret_report, struct wh_err **err);
/* explain*.c. A prune report that is asked: predicate is WH_PREDICATE_REPORT's ({"report", "profiles", "sbomBefore"}; the latter two may be lacking), pruned the
 * image that it came with. Hostile: -EBADMSG, and one line. Both must outlive it. */
struct wh_explained;
int wh_explained_open(const json_t *predicate, struct wh_tree *pruned, struct wh_explained **ret, struct wh_err **err);
void wh_explained_close(struct wh_explained *x);
/* The parts of an explain document (schemas/explain-1.json), new references. A path, links on the way followed, also those that went; or a pattern ("/usr/lib/" + "**"). */
int wh_explained_path(struct wh_explained *x, const char *arg, json_t **ret, struct wh_err **err);
/* All paths that stayed, or that went, sorted; args: only those that are or are below one of these paths or patterns. */
int wh_explained_list(struct wh_explained *x, bool kept, const struct wh_strv *args, json_t **ret, struct wh_err **err);
struct wh_explained_want {
	bool kept, removed; /* also the paths; neither: figures alone */
};
int wh_explained_packages(struct wh_explained *x, const struct wh_explained_want *w, const struct wh_strv *args, json_t **ret,
			  struct wh_err **err);
/* The bytes of a path that a document of ours tells (harden/tree.h); malloc'ed. */
char *wh_path_of_json(const char *text);
/* A number that is another one when the table of closure rules is: part of a prune's cache key. (What functions of rules do is WH_RULES_VERSION's.) */
uint64_t wh_rules_sum(void);
/* How sure the profile is, as the report has it; NULL: it does not say. */
json_t *wh_explained_risk(const struct wh_explained *x);
/* The closure rules, for a person: name, why, evidence, what stays; and as JSON. */
void wh_explain_rules(struct wh_buf *out);
json_t *wh_explain_rules_json(void);

#endif
