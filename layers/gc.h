/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is in the store, what needs it, and removing what goes. Part of layers.h.
 *
 *   wh_gc_open ─▶ (user namespace) ─▶ wh_gc_begin ─▶ wh_gc_add_record … ─▶ wh_gc_scan ─▶ wh_gc_decide ─▶ wh_gc_run
 *
 * Things are files and directories of the store. Units are what people think
 * of and policies speak of: images with a name, images without one, cache
 * records, and things that stand for themselves (snapshots, cache mounts, …). A blob goes
 * with the last unit that needs it; what is named by its diff id goes with the
 * last blob that holds it.
 *
 * Bytes are blocks on disk, each inode once, directories included: what du(1) says.
 */
#ifndef WH_LAYERS_GC_H
#define WH_LAYERS_GC_H

#include "base/base.h"

struct wh_store;

enum wh_gc_kind {               /* what a thing counts as */
		  WH_GC_IMAGES, /* blobs and indexes that images with a name need */
		  WH_GC_LAYERS, /* those of cache records and of images without a name, or of nobody */
		  WH_GC_RECORDS,
		  WH_GC_SNAPSHOTS, /* unpacked layers */
		  WH_GC_ROOTS,     /* plain copies */
		  WH_GC_MOUNTS,    /* cache mounts */
		  WH_GC_SOURCES,
		  WH_GC_MEMOS,
		  WH_GC_LOGS,      /* of failed steps: 100 of them, for 7 days */
		  WH_GC_DOWNLOADS, /* that broke off, or go on now: for a day */
		  WH_GC_TEMPORARY, /* below tmp/; of processes that live, or not */
		  WH_GC_OLD,       /* leftovers: of other versions, of damage */
		  WH_GC_DB,        /* vulnerability records; never removed */
		  WH_GC_VOLUMES,   /* run's named volumes; never removed */
		  WH_GC_STORE,     /* the store's own files and directories */
		  WH_GC_UNKNOWN,   /* nobody's: told, never removed */
		  WH_GC_KINDS,
};
const char *wh_gc_kind_name(enum wh_gc_kind k); /* "snapshots" */

struct wh_gc_count {
	uint64_t
		items; /* things that people count: not indexes and pairs, which belong to their blobs; images by their names */
	int64_t bytes;
};
struct wh_gc_sum {
	struct wh_gc_count kinds[WH_GC_KINDS], all;
};

/* What nothing needs goes in any case. */
struct wh_gc_policy {
	int64_t age;  /* seconds: only what was not used for so long goes; 0: whatever its age */
	bool by_size; /* of that only what was used least lately, until all that may go takes no more than keep bytes */
	uint64_t keep;
	const struct wh_digest *only; /* not NULL: of what may go nothing but these images (manifests) without a name, whatever their age */
	size_t n_only;
};

struct wh_gc_record { /* of the cache */
	struct wh_digest key;
	const struct wh_digest *blobs; /* layer, document, …; those that are not there are passed over */
	size_t n_blobs;
	int64_t used;     /* seconds since the epoch */
	const char *name; /* for people, or NULL */
};

struct wh_gc_row {
	enum wh_gc_kind kind;  /* IMAGES: an image, with a name or without; RECORDS: a record; else the thing */
	const char *id, *name; /* name may be NULL; valid as long as the gc */
	bool named;            /* an image with a name */
	bool in_use;           /* by a process that runs */
	bool goes;             /* with the policy that was decided on */
	int64_t used;          /* seconds since the epoch */
	uint64_t bytes, own;   /* all that it needs; what nothing else needs */
};

struct wh_gc;
/* change: for removing; waits for another gc. -EBUSY (WH_ERR_ENV): a build by an older version runs in this store. The
 * store is opened (as its owner, outside of namespaces). */
int wh_gc_open(const char *path, bool change, struct wh_gc **ret, struct wh_err **err);
void wh_gc_free(struct wh_gc *g); /* closes the store */
struct wh_store *wh_gc_store(struct wh_gc *g);
/* Whose processes live. From here on nothing that is asked for goes. After entering the user namespace where there is
 * one. */
int wh_gc_begin(struct wh_gc *g, struct wh_err **err);
void wh_gc_add_record(struct wh_gc *g, const struct wh_gc_record *r);
/* Looks at every file. */
int wh_gc_scan(struct wh_gc *g, struct wh_err **err);
void wh_gc_decide(struct wh_gc *g, const struct wh_gc_policy *p);
/* What is there (as scanned), and what of it goes (as decided; after a run: what went). */
void wh_gc_sums(const struct wh_gc *g, struct wh_gc_sum *ret_there, struct wh_gc_sum *ret_goes);
/* Calls fn for each unit. */
void wh_gc_rows(const struct wh_gc *g, void (*fn)(void *arg, const struct wh_gc_row *row), void *arg);
/* Paths in the store that are nobody's, and directories that could not be looked at. */
const struct wh_strv *wh_gc_unknown(const struct wh_gc *g);
const struct wh_strv *wh_gc_unseen(const struct wh_gc *g);
/* Removes what goes. forget is told once the keys of records that go, before their blobs do; what it says of a failure
 * is handed on at the end: the rest is done all the same. -EBUSY: a process that is stopped holds gc.lock. */
typedef int (*wh_gc_forget_fn)(void *arg, const struct wh_digest *keys, size_t n, struct wh_err **err);
int wh_gc_run(struct wh_gc *g, wh_gc_forget_fn forget, void *arg, struct wh_err **err);
/* At the end, when nobody writes for this process any more: what the store's own files grew or shrank by meanwhile
 * joins the sum. */
void wh_gc_settle(struct wh_gc *g);

#endif
