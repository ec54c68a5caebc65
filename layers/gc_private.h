/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gc from the inside. Private to layers/.
 *
 *   gc_scan.c   files → things, with their bytes and last uses
 *   gc_mark.c   things → units, who needs what, what goes
 *   gc.c        locks, leases, the last look, removal
 */
#ifndef WH_LAYERS_GC_PRIVATE_H
#define WH_LAYERS_GC_PRIVATE_H

#include "layers/gc.h"
#include "layers/store_private.h"

#include <uthash.h>

#define WH_GC_NONE SIZE_MAX
#define WH_GC_SECOND INT64_C(1000000000)

enum wh_gc_place { /* directories in which each name is a thing */
		   WH_AT_BLOBS,
		   WH_AT_INDEX,
		   WH_AT_VARIANTS,
		   WH_AT_ORIGINS,
		   WH_AT_SNAPSHOTS,
		   WH_AT_ROOTS,
		   WH_AT_MOUNTS,
		   WH_AT_MEMOS,
		   WH_AT_TREES,
		   WH_AT_GIT,
		   WH_AT_FILES,
		   WH_AT_HTTP,
		   WH_AT_SUMS,
		   WH_AT_REFS,
		   WH_AT_LOCKS,
		   WH_AT_RECORDS,
		   WH_AT_CLAIMS,
		   WH_AT_LOGS,
		   WH_AT_PARTIAL,
		   WH_AT_TMP,
		   WH_AT_DB,
		   WH_AT_VOLUMES,
		   WH_AT_TOP, /* the store's own directory */
		   WH_AT_PLACES,
};

/* An inode with several names. */
struct wh_gc_inode {
	ino_t ino;
	uint64_t bytes;
	size_t names, left; /* seen; not yet gone */
	bool told;          /* in a sum */
	UT_hash_handle hh;
};

struct wh_gc_thing {
	enum wh_gc_place place;
	enum wh_gc_kind kind;
	char *name; /* in its place */
	size_t number;
	bool counts; /* in numbers of items */
	bool fixed;  /* never goes */
	bool surplus; /* LOGS: nobody will read it any more; PARTIAL: nor go on with it */
	bool future; /* its time has not come yet, and nobody lives who could have set it */
	bool goes, gone;
	bool busy;    /* a lock is held, or it is a living process's */
	int64_t used; /* ns */
	uint64_t bytes;
	struct wh_gc_inode **shared;
	size_t n_shared, cap_shared;
	size_t diff;             /* of INDEX, VARIANTS, SNAPSHOTS: number of the diff id */
	size_t blob;             /* of VARIANTS: the blob that it leads to */
	size_t holders;          /* BLOBS: units that need it and stay */
	size_t needed;           /* BLOBS: units that need it */
	struct wh_digest digest; /* BLOBS */
	size_t *pairs;           /* BLOBS: pairs of it */
	size_t n_pairs, cap_pairs;
	size_t *of; /* BLOBS: artifacts whose subject it is (units) */
	size_t n_of, cap_of;
	size_t unit;  /* that stands for this thing alone, or NONE */
	size_t stamp; /* for walks: the last unit that came by, plus one */
	UT_hash_handle hh;
};

/* What is named by one diff id. */
struct wh_gc_diff {
	struct wh_digest id;
	size_t number;
	size_t index, snapshot; /* things, or NONE */
	size_t *pairs, *variants;
	size_t n_pairs, cap_pairs, n_variants, cap_variants;
	size_t blobs; /* that hold it and stay */
	UT_hash_handle hh;
};

enum wh_gc_unit_type { WH_UNIT_NAME, WH_UNIT_IMAGE, WH_UNIT_ARTIFACT, WH_UNIT_RECORD, WH_UNIT_THING };

struct wh_gc_unit {
	enum wh_gc_unit_type type;
	char *id, *name;
	int64_t used; /* ns */
	bool goes;
	bool orphan; /* ARTIFACT: its subject is not there */
	bool future;
	struct wh_digest digest; /* RECORD: key; else of the manifest */
	size_t *blobs;
	size_t n_blobs, cap_blobs;
	size_t thing;             /* THING; RECORD: its file; or NONE */
	struct wh_digest *wanted; /* RECORD: blobs by digest, as told */
	size_t n_wanted;
};

struct wh_gc_lives { /* other processes that use the store */
	size_t n;
	int64_t oldest, newest; /* when they began; ns */
};

struct wh_gc {
	struct wh_store *s;
	bool change;
	int one_fd, old_fd;       /* flocks: one gc at a time; no build of an older version */
	int64_t began, now;       /* ns; now: when the scan began */
	struct wh_gc_lives lives; /* at the beginning */
	dev_t dev;
	struct wh_strv unknown, unseen;
	struct wh_gc_thing **things;
	size_t n, cap;
	struct wh_gc_thing *blobs; /* by digest */
	struct wh_gc_inode *inodes;
	struct wh_gc_diff *diffs, **diff_at;
	size_t n_diffs, cap_diffs;
	struct wh_gc_unit *units;
	size_t n_units, cap_units;
	struct wh_gc_policy policy; /* as decided */
	struct wh_gc_count store;   /* kind STORE: at the scan */
	struct wh_gc_sum goes;
	int64_t cache; /* bytes of what may go and has not */
	bool ran;
};

/* ---------------------------------------------------------------- gc_scan.c */

/* The directory of a place below the store: its path. */
const char *wh_gc_place_path(enum wh_gc_place p);
/* When the thing was used last, as the file system has it now; -ENOENT. */
int wh_gc_used(struct wh_gc *g, const struct wh_gc_thing *t, int64_t *ret);
/* Bytes of the store's own files and directories, now. */
void wh_gc_measure_store(struct wh_gc *g, struct wh_gc_count *ret);
struct wh_gc_thing *wh_gc_blob(const struct wh_gc *g, const struct wh_digest *d);
/* Is a lock file of this cache mount held? When not, all are ours until the descriptors in fds are closed. */
bool wh_gc_mount_busy(int dirfd, const char *name, int **fds, size_t *n);

/* ---------------------------------------------------------------- gc_mark.c */

int wh_gc_mark(struct wh_gc *g, struct wh_err **err);
void wh_gc_unit_free(struct wh_gc_unit *u);
/* May a process that lives be using what was last used then? */
bool wh_gc_protected(const struct wh_gc *g, const struct wh_gc_lives *now, int64_t used, bool future);
/* Adds a thing to the sum of what goes, each inode with its last name. */
void wh_gc_account(struct wh_gc *g, struct wh_gc_thing *t);

/* ---------------------------------------------------------------- gc.c */

int wh_gc_look_at_leases(struct wh_gc *g, struct wh_gc_lives *ret);
/* Is it the directory of a process that lives? */
bool wh_gc_busy(struct wh_gc *g, const struct wh_gc_thing *t);

#endif
