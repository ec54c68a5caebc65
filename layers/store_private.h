/* SPDX-License-Identifier: Apache-2.0 */
/* The store from the inside. Private to layers/. */
#ifndef WH_LAYERS_STORE_PRIVATE_H
#define WH_LAYERS_STORE_PRIVATE_H

#include "layers/layers.h"

#include <pthread.h>

struct wh_lease {    /* layers/lease.c */
	int tmp_fd;  /* ROOT/tmp */
	int dir_fd;  /* ROOT/tmp/ID */
	int lock_fd; /* ROOT/tmp/ID/lock, held exclusively */
	char *id;
	struct timespec began; /* mtime of the lock: what was asked for since then is kept while it is held */
};

struct wh_fetcher {  /* layers/fetch.c */
	pthread_mutex_t mutex; /* guards what follows */
	pthread_cond_t done;   /* a blob is no longer under way */
	wh_origin_fn fn;
	void *arg;
	const _Atomic bool *cancel;
	struct wh_digest *busy; /* blobs under way */
	size_t n_busy, cap_busy;
	char *failed; /* the first origin that failed */
};
void wh_fetcher_init(struct wh_fetcher *f);
void wh_fetcher_release(struct wh_fetcher *f);

struct wh_store {
	char *path;     /* absolute */
	char *tmp_path; /* absolute */
	int dir_fd, blobs_fd, index_fd, snapshots_fd, roots_fd, variants_fd, origins_fd;
	int gc_fd; /* ROOT/gc.lock */
	struct wh_lease lease; /* none (id NULL) where the disk is full and a gc wants to mend that */
	pthread_mutex_t look_mutex; /* guards lookers */
	unsigned lookers;           /* threads between wh_store_look() and wh_store_seen() */
	struct wh_fetcher fetcher;
	pthread_mutex_t mutex; /* guards marked, and is held over each rename into the store */
	bool marked;           /* tmp/ID/unsynced exists */
};

int wh_lease_take(int store_fd, struct wh_lease *ret, struct wh_err **err);
void wh_lease_drop(struct wh_lease *l);   /* removes the directory */
void wh_lease_forget(struct wh_lease *l); /* closes descriptors only */
int wh_lease_mark(const struct wh_lease *l);
void wh_lease_unmark(const struct wh_lease *l);
/* Removes what dead processes left under tmp/; what cannot be removed now is left for another time. When one of them was
 * ended by a crash of the machine with things unsynced, recover is called first, with the time from which on things
 * are in doubt; when one died by itself with such, they are synced. Unless that went well nothing is removed, and the
 * store must not be used. */
/* Is there something left of a dead process after a sweep, that is, can it be removed inside the user namespace alone? */
bool wh_lease_leavings(const struct wh_lease *l);
int wh_lease_sweep(const struct wh_lease *l, int (*recover)(void *arg, const struct timespec *since), void *arg);

/* For the gc: nothing is swept, and a full disk is no reason to fail. */
int wh_store_open_gc(const char *path, struct wh_store **ret, struct wh_err **err);
bool wh_store_lease_again(struct wh_store *s);

/* layers/use.c, beside what layers.h has. Now, or our lease's beginning where the clock was set back since. */
struct timespec wh_store_now(const struct wh_store *s);
bool wh_time_before(const struct timespec *a, const struct timespec *b);
bool wh_store_use_by_atime(struct wh_store *s, int dirfd, const char *name);
/* The same of a thing whose last use is the time of another file, which is made when missing. */
bool wh_store_use_marked(struct wh_store *s, int dirfd, const char *name, const char *mark);
void wh_store_mark(struct wh_store *s, int dirfd, const char *mark);

/* Waits for ROOT/NAME.lock, held exclusively; close the returned descriptor to let go. For short, rare changes. */
int wh_store_lock(struct wh_store *s, const char *name, struct wh_err **err);
/* Renames tmp/ID/name to dirfd/to. Something of that name being there already is success: it is the same thing, as
 * names are digests; ours is then removed. Everything that enters the store goes through here, so that wh_store_sync()
 * and a recovery after a crash know of it. */
int wh_store_publish(struct wh_store *s, const char *name, int dirfd, const char *to, struct wh_err **err);
/* The same, but what is there gives way to ours. */
int wh_store_replace(struct wh_store *s, const char *name, int dirfd, const char *to, struct wh_err **err);
/* A download of a blob of this size: what earlier ones left in partial/ is taken over, *ret_got bytes (0: none). Until
 * it is finished, aborted or left, it is ours alone. Without an error text: -EBUSY: somebody else is at it, and has
 * *ret_got bytes; -EEXIST: the store has the blob. */
int wh_blob_writer_resume(struct wh_store *s, const struct wh_digest *d, uint64_t size, struct wh_blob_writer **ret,
			  uint64_t *ret_got, struct wh_err **err);
/* Forgets what was added. */
int wh_blob_writer_restart(struct wh_blob_writer *w, struct wh_err **err);
/* Ends it as an abort does; but a download's bytes stay for the next one. */
void wh_blob_writer_leave(struct wh_blob_writer *w);
/* Hints that the store's copy of a blob is to be removed. */
void wh_blob_hint(const struct wh_store *s, const struct wh_digest *d, struct wh_err **err);

/* Blobs and the tars in them: layers/pair.c. Known: the blob was seen to have this diff id. */
bool wh_pair_known(struct wh_store *s, const struct wh_digest *diff_id, const struct wh_digest *blob);
int wh_pair_note(struct wh_store *s, const struct wh_digest *diff_id, const struct wh_digest *blob,
		 struct wh_err **err);
/* Reads the layer's blob, from the store or its origin, unless it is known to have the layer's diff id. */
int wh_layer_verify(struct wh_store *s, const struct wh_layer *l, struct wh_err **err);
/* origin.c: where blobs of a manifest can be had that the store may lack. */
json_t *wh_origins_read(const struct wh_store *s, const struct wh_digest *manifest); /* or NULL */
char *wh_origins_find(const json_t *origins, const struct wh_digest *blob);    /* "registry:HOST/NAME", malloc'ed, or NULL */
void wh_origins_add(json_t *origins, const struct wh_digest *blob, const char *origin);
int wh_origins_note(struct wh_store *s, const struct wh_digest *manifest, json_t *origins, struct wh_err **err);
/* Using the layer failed with r: notes its origin, if that is what failed. */
void wh_layer_blame(struct wh_store *s, const struct wh_layer *l, int r);

#endif
