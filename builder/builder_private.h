/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the scheduler share.
 *
 * A node is a vertex being solved. It lives as long as the builder, so that a
 * second target finds what the first one made. All fields belong to the
 * loop's thread, but for those that a job names: between wh_node_submit() and
 * its done() the job may use the node's fileop, exec and job result.
 */
#ifndef WH_BUILDER_PRIVATE_H
#define WH_BUILDER_PRIVATE_H

#include "builder/builder.h"
#include "builder/cacheindex.h"
#include "builder/claim.h"
#include "builder/fileop.h"
#include "builder/steplog.h"

/* ---------------------------------------------------------------- nodes */

enum wh_node_state {
	WH_NODE_NEW,     /* not asked for in this solve */
	WH_NODE_BLOCKED, /* waits for inputs */
	WH_NODE_READY,   /* in the ready queue */
	WH_NODE_BUSY,    /* a job or a step is under way for it */
	WH_NODE_PARKED,  /* another node with the same key runs: what that one makes will be taken */
	WH_NODE_QUEUED,  /* missed; waits for a slot, another build that makes it, or its locked cache mounts */
	WH_NODE_DONE,
	WH_NODE_FAILED,
};

struct wh_node;
struct wh_exec;
struct wh_trial;
struct wh_prune;
struct wh_prove;
typedef void (*wh_node_fn)(struct wh_node *n);

struct wh_nodes { /* a list that owns nothing */
	struct wh_node **v;
	size_t n, cap;
};
void wh_nodes_add(struct wh_nodes *l, struct wh_node *n);
struct wh_node *wh_nodes_shift(struct wh_nodes *l); /* the first, or NULL */
bool wh_nodes_remove(struct wh_nodes *l, const struct wh_node *n);

struct wh_key_parts { /* see key.c */
	struct wh_digest op, base, fast, content, selection;
	bool has_fast, has_content, has_selection;
};

struct wh_node {
	struct wh_node *chain; /* in its bucket */
	struct wh_builder *b;
	const struct wh_vertex *v; /* of the solve under way */
	struct wh_digest id;
	enum wh_node_state state;
	uint64_t mark;           /* number of the solve that asked for it last */
	struct wh_node **inputs; /* as the vertex's; NULL entries: scratch */
	size_t n_inputs;
	struct wh_nodes users; /* of this solve */
	size_t blocked;        /* inputs not done */

	/* The result: the layers of inputs[0] and at most one of its own, or what a merge makes of its inputs. */
	struct wh_result result;
	struct wh_digest tree_key;
	int64_t base_time;      /* time of the newest thing in the tree that its images' configs and our layers tell */
	const char *local_path; /* local://: the directory; such a node has no layers. Of what was fetched, too */
	struct wh_local_attrs local_attrs;
	char *fetched;          /* the same, owned: its content never changes, and tree_key tells it */
	char *source_digest;    /* of what was fetched: the body's digest, the commit */
	struct wh_digest doc;   /* PROFILE, PRUNE: the blob of their document */
	bool chroot, in_chroot; /* the step ran under --isolation=chroot, now or when it was recorded; or one that the result is made of */

	struct wh_key_parts key;
	bool wants_selection; /* other inputs than the first */
	struct wh_digest *taken; /* EXEC, PROFILE: what selection is made of, one a mount, and the driver's root */
	struct wh_buf listing;   /* what selection is made of, in words (explain.h) */
	struct wh_digest inputs_blob; /* all that it was made of, in words; zero: not written */

	/* At work. */
	struct wh_claim *claim; /* from its turn to its end */
	uint64_t waits_since;   /* for another build; 0: it did not have to */
	bool wait_told;
	struct wh_fileop *fileop;
	struct wh_exec *exec;
	struct wh_trial *trial; /* PROFILE, PRUNE: an application under test */
	struct wh_prune *prune;
	struct wh_prove *prove;
	uint64_t started; /* 0: no WH_EV_START was sent */
	struct wh_steplog *log; /* what it prints; NULL: nothing yet */
	wh_node_fn job_work, job_done;
	int job_r;
	struct wh_err *job_err;
	json_t *job_reply;    /* of the fetcher */
	struct wh_layer own; /* the layer that the job made */
	bool own_empty;
};

/* ---------------------------------------------------------------- builder */

struct wh_image_memo {  /* an image that was resolved or is a source */
	char *ref;      /* pinned */
	char *asked;    /* as the Dockerfile has it: a name means one image in a build; or NULL */
	char *platform; /* NULL: the host's */
	struct wh_image image;
};

#define WH_NODE_BUCKETS 256

struct wh_builder {
	struct wh_builder_opts o;
	struct wh_strv local_names, local_paths; /* pairs */
	struct wh_layer *local_layers;           /* to each a layer, or one without a blob */
	struct wh_local_attrs *local_attrs;
	struct wh_strv protect;
	const struct wh_ssh_agent *ssh; /* borrowed, as the locals are */
	size_t n_ssh;
	struct wh_image_resolver resolver;
	struct wh_image_memo **images;
	size_t n_images, cap_images;

	struct wh_cache *cache;
	struct wh_loop *loop;
	struct wh_pool *pool;
	struct wh_launcher *launcher;
	struct wh_host host;
	struct wh_foreign *foreign; /* made with the launcher */
	struct wh_platform_memo {
		char *platform;
		struct wh_emulation how;
	} * platforms; /* those that steps asked for */
	size_t n_platforms, cap_platforms;
	bool entered; /* inside the user namespace: may run, unpack, use threads */
	struct wh_err *no_sandbox; /* why it could not be entered: then files are all that can be made. NULL: it could */
	enum wh_snapshotter snapshotter;
	enum wh_net net; /* what WH_NET_DEFAULT means here */
	bool net_failed; /* a step's own network did not come up */
	bool net_told;   /* that steps use the host's network */
	bool devices_tried; /* isolation.c: they can be made */

	struct wh_node *buckets[WH_NODE_BUCKETS];

	/* The solve under way. */
	struct wh_nodes ready, parked, queued, running; /* running: missed the cache, result not there yet */
	unsigned slots, slots_used;
	size_t remaining;   /* nodes not done */
	size_t outstanding; /* jobs and steps whose end is still to be told */
	bool in_loop, stopping, canceled;
	_Atomic bool cancel; /* stopping, as jobs see it */
	bool cache_failed;   /* the index cannot be read: said once, then everything is a miss */
	uint64_t solve_no;
	uint64_t retry_timer; /* for claims and cache mounts that another process holds */
	int fail_r;
	struct wh_err *fail;
	struct wh_node *held; /* the failed step, as it was left, to be shown (failed.c) */

	struct wh_record *made; /* made or found by content in this solve; the first n_written are in the index */
	size_t n_made, cap_made, n_written;
	struct wh_record *imported; /* used from caches elsewhere; their layers may not be here */
	size_t n_imported, cap_imported;
	bool *import_off; /* to each import: not asked any more */
	bool no_absent;   /* records whose layers are in no cache are no hits */
	struct wh_digest *touched; /* keys of hits */
	size_t n_touched, cap_touched;
};

/* The directory, or (then *ret_layer) the layer; -ENOENT. */
int wh_builder_local(const struct wh_builder *b, const char *name, const char **ret_path, struct wh_local_attrs *ret_attrs,
		     const struct wh_layer **ret_layer);
void wh_builder_event(struct wh_builder *b, const struct wh_event *e);
void wh_builder_notice(struct wh_builder *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* On the first miss: user namespace, host probe, launcher. From then on jobs go to the pool. steps: a command is to be run, so
 * that it cannot be done without. */
int wh_builder_enter(struct wh_builder *b, bool steps, struct wh_err **err);
/* The image behind a pinned reference; borrowed, valid as long as the builder. */
int wh_builder_source_image(struct wh_builder *b, const char *ref, const char *platform, const struct wh_image **ret,
			    struct wh_err **err);

/* ---------------------------------------------------------------- foreign.c */

/* Before anything runs: is every PROFILE of this solve one that may be? */
int wh_builder_check_platforms(struct wh_builder *b, struct wh_err **err);
/* On a miss: can the programs that this node runs be run here? Says so once where they are emulated. */
int wh_node_platforms(struct wh_node *n, struct wh_err **err);
/* Is a platform of this solve emulated here? NULL: no. */
bool wh_builder_emulates(const struct wh_builder *b, const char *platform);
void wh_builder_platforms_free(struct wh_builder *b);

/* ---------------------------------------------------------------- isolation.c */

/* Steps are kept apart by chroot(2) alone; what mounts would show is moved into their roots. */
bool wh_builder_moves(const struct wh_builder *b);
/* A step in a chroot sees and reaches other things (no /proc/self, a bind mount that is read-only elsewhere), so it might have come out
 * differently in namespaces: its record is for builds that keep their steps apart as little. These take either kind. */
bool wh_isolation_serves(const struct wh_builder *b, const struct wh_record *rec);
/* On a miss: can this node be made then? */
int wh_node_isolation(struct wh_node *n, struct wh_err **err);

/* ---------------------------------------------------------------- node.c */

/* The node of a vertex, or NULL when it was never solved. */
struct wh_node *wh_builder_node(struct wh_builder *b, const struct wh_vertex *v);
/* The same, made when there is none. */
struct wh_node *wh_node_get(struct wh_builder *b, const struct wh_vertex *v);
void wh_builder_free_nodes(struct wh_builder *b);
/* As if it had never been asked for. Nothing is under way for it. */
void wh_node_reset(struct wh_node *n);

/* ---------------------------------------------------------------- scheduler.c */

/* Runs work() on a worker thread, then done() on the loop's. */
void wh_node_submit(struct wh_node *n, wh_node_fn work, wh_node_fn done);
/* The node's result is there. own NULL or own_empty: nothing of its own on top of inputs[0]. Takes own's content. */
void wh_node_finish(struct wh_node *n, struct wh_layer *own, bool cached);
/* The first failure counts; takes *err. */
void wh_node_fail(struct wh_node *n, int r, struct wh_err **err);
/* For work that ran: records own and doc and finishes, or fails when the job failed. */
void wh_node_ran(struct wh_node *n);
void wh_node_begin(struct wh_node *n); /* WH_EV_START, once */
/* What it printed, for its log. */
void wh_node_log(struct wh_node *n, const char *p, size_t len);
/* Instead of running: it, and those that wait for it, go through the cache once more. */
void wh_node_again(struct wh_node *n);
/* Starts what is ready. Called by whoever changed something, on the loop's thread. */
void wh_builder_pump(struct wh_builder *b);
/* Gives a step's slot back. */
void wh_builder_slot_free(struct wh_builder *b);

/* ---------------------------------------------------------------- failed.c */

/* What was held is shown (unless the build was canceled, or show is false), then thrown away. Nothing else is under way. */
void wh_failed_tell(struct wh_builder *b, bool show);

/* ---------------------------------------------------------------- queue.c */

/* A node that missed the cache, and is among the running ones. */
void wh_queue_add(struct wh_node *n);
/* Starts those whose turn it is. */
void wh_queue_start(struct wh_builder *b);

/* ---------------------------------------------------------------- explain.c */

/* Why it missed, with --explain-cache; once it is sure that it runs. */
void wh_node_explain(struct wh_node *n);

/* ---------------------------------------------------------------- record.c */

/* True and *ret: somebody made it already, in this process or (unless no_cache) before. */
bool wh_node_lookup(struct wh_node *n, const struct wh_digest *key, struct wh_record *ret);
/* For --explain-cache: a record of the same operation with other inputs. */
bool wh_node_op_known(struct wh_node *n, struct wh_record *ret);
/* What came of it, for this build at once and for others with what follows. */
void wh_node_remember(struct wh_node *n, const struct wh_digest *key, const struct wh_layer *layer, bool empty);
/* What was made so far, for other builds to find. Not on disk yet: a power cut may take it. */
void wh_builder_write_records(struct wh_builder *b);
/* The end of a solve: all that was made is on disk and in the index, and what was used is noted. */
int wh_builder_record(struct wh_builder *b, struct wh_err **err);

/* ---------------------------------------------------------------- cache_remote.c, imports.c */

const struct wh_record *wh_cache_source_find(const struct wh_cache_source *c, const struct wh_digest *key, uint64_t *ret_doc_size);
bool wh_cache_source_knows_op(const struct wh_cache_source *c, const struct wh_digest *op);
/* As wh_node_lookup(), in the caches that were imported. */
bool wh_import_lookup(struct wh_node *n, const struct wh_digest *key, struct wh_record *ret);
bool wh_import_knows_op(const struct wh_builder *b, const struct wh_digest *op);
/* Another key of a result whose layer may not be here. */
void wh_import_keep(struct wh_builder *b, const struct wh_record *rec);
/* After a solve: what the targets are made of is in the store, and what was used in its index. */
int wh_import_settle(struct wh_builder *b, struct wh_vertex *const *targets, size_t n, struct wh_err **err);
/* A solve, or what came after it, failed with r. True: because of what came from a cache, which is not asked any more; solve again. */
bool wh_import_failed(struct wh_builder *b, int r, const struct wh_err *err);
void wh_imports_release(struct wh_builder *b);

/* ---------------------------------------------------------------- key.c */

/* H over the diff ids, lowest first. */
void wh_tree_key(const struct wh_layer *layers, size_t n, struct wh_digest *ret);
/* What a FILE operation takes from the tree below: the tree, and the time for directories made on the way. */
void wh_file_base_key(const struct wh_digest *tree, int64_t base_time, struct wh_digest *ret);
/* H over the operation's projection alone. Not for sources, merges and diffs. Of layer: epoch and reproducible. */
void wh_op_key(const struct wh_vertex *v, const struct wh_layer_opts *layer, struct wh_digest *ret);
/* The same projection for people: name → text (values of variables and files' bytes by digest). */
json_t *wh_op_facts(const struct wh_vertex *v, const struct wh_layer_opts *layer);
/* others: tree keys of inputs[1…] in order; an entry may be NULL (a local directory has none): then there is no fast
 * key
 * (false). */
bool wh_fast_key(const struct wh_digest *op, const struct wh_digest *base, const struct wh_digest *const *others,
		 size_t n_others, struct wh_digest *ret);
void wh_content_key(const struct wh_digest *op, const struct wh_digest *base, const struct wh_digest *selection,
		    struct wh_digest *ret);
/* What a PRUNE's keys say of one of its profiles: which tests, on what, and what they gave (doc: of all that, or
 * of the document). */
void wh_profile_key(const struct wh_key_parts *k, const struct wh_digest *doc, struct wh_digest *ret);

/* ---------------------------------------------------------------- operations */

/* Sources, merges and diffs need no key: their results are lists of layers that exist. They fill result and
 * base_time. */
int wh_source_solve(struct wh_node *n, struct wh_err **err);
/* A URL or a repository: is it at hand, so that nobody needs to be asked? Then it is the result. */
bool wh_source_is_remote(const struct wh_vertex *v);
bool wh_source_at_hand(struct wh_node *n);
void wh_source_fetch(struct wh_node *n); /* job: asks. job_r is -ECANCELED when a signal ended the question */
void wh_source_fetched(struct wh_node *n); /* on the loop's thread, after a job that went well */
int wh_merge_solve(struct wh_node *n, struct wh_err **err);
int wh_diff_solve(struct wh_node *n, struct wh_err **err);

/* The digest of what the node selects from its other inputs; hash: read files that are not known. Job or, with local
 * inputs only,
 * called directly. Sets key.selection when it could be told. */
void wh_file_select(struct wh_node *n);
void wh_file_work(struct wh_node *n); /* job: writes the layer */
void wh_exec_select(struct wh_node *n);
/* Takes the cache mounts it needs; false: one is held by another step or process (nothing is kept). */
bool wh_exec_lock(struct wh_node *n, int *ret_r, struct wh_err **err);
void wh_exec_run(struct wh_node *n); /* prepares in a job, starts the step, commits in a job, ends in wh_node_ran() */
void wh_exec_kill(struct wh_node *n);
void wh_exec_free(struct wh_exec *x);
/* op_profile.c: as wh_exec_run(). */
void wh_profile_run(struct wh_node *n);
/* Documents of results: blobs of canonical JSON. */
int wh_doc_read(struct wh_builder *b, const struct wh_digest *doc, json_t **ret, struct wh_err **err);
int wh_doc_write(struct wh_builder *b, const json_t *doc, struct wh_digest *ret, struct wh_err **err);
/* op_prune.c: the digest of the profiles' documents; the run. */
void wh_prune_select(struct wh_node *n);
void wh_prune_run(struct wh_node *n);
void wh_prune_free(struct wh_prune *p);
#define WH_PROVE_VERSION 2 /* raised when other controls are tried, or the document gets another form: part of its cache key */
void wh_prove_run(struct wh_node *n); /* op_prove.c */
void wh_prove_free(struct wh_prove *p);
/* profile_run.c. NULL is none. Kills what runs; its end is still told. */
void wh_trial_cancel(struct wh_trial *t);
void wh_trial_free(struct wh_trial *t);
/* A local directory as a tree of one layer (bind mounts of the context). */
int wh_local_layer(struct wh_node *n, size_t input, const char *source, struct wh_layer *ret, struct wh_digest *ret_digest,
		   struct wh_err **err);
/* Of the files that such a layer would hold now; list as wh_fileop_list() appends it. */
int wh_local_digest(struct wh_node *n, size_t input, const char *source, const char *label, struct wh_digest *ret,
		    struct wh_buf *list, struct wh_err **err);
/* Layers and such of an input, for fileop.h. */
void wh_node_file_input(const struct wh_node *n, size_t input, struct wh_file_input *ret);

#endif
