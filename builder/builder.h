/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a graph to images: cache keys, one scheduler, operations, assembly.
 *
 *   frontend → wh_target (graph) → wh_builder_image() → struct wh_image in the store
 *
 * A vertex is done in this order: its inputs are done; its key is computed;
 * the cache is asked; only on a miss something runs. Keys are chained by
 * content: the key of a vertex is
 *
 *   H(schema ‖ kind ‖ projection of the operation ‖ tree key of inputs[0] ‖ key of every other input)
 *
 * where a tree key is H over the diff ids of a result's layers, so that a step
 * whose input came out the same is never run again, however the input was
 * made. Other inputs count in two ways, tried in this order: by their tree key
 * (fast), and by the content of what the operation selects from them
 * (mode, owner, link, xattrs, data; never times). Both keys are recorded.
 * Outside the keys: names, proxies, extra hosts, limits, secrets' values.
 *
 * A cached build starts no process and enters no user namespace.
 */
#ifndef WH_BUILDER_H
#define WH_BUILDER_H

#include "base/base.h"
#include "builder/cache_remote.h"
#include "builder/failed.h"
#include "builder/graph.h"
#include "builder/outcomes.h"
#include "layers/layers.h"
#include "sandbox/sandbox.h"

/* ---------------------------------------------------------------- progress events */

enum wh_event_kind {
	WH_EV_START,   /* the vertex runs (not sent for cached ones) */
	WH_EV_CACHED,  /* taken from the cache */
	WH_EV_LOG,     /* output of the vertex: data, len, stream (1 or 2); any bytes, any cut */
	WH_EV_DONE,    /* ns: how long it took */
	WH_EV_ERROR,   /* it failed; err (borrowed) */
	WH_EV_CANCELED,
	WH_EV_NOTICE,  /* text about the whole build, once: "network: …" */
	WH_EV_PHASE,   /* work outside vertices ("exporting layers"); v NULL, text, sent at its end with ns */
};
struct wh_event {
	enum wh_event_kind kind;
	const struct wh_vertex *v; /* NULL: the build as a whole */
	uint64_t ns;
	int stream;
	const char *data;
	size_t len;
	const char *text;
	const struct wh_err *err;
};

/* ---------------------------------------------------------------- builder */

struct wh_local {          /* what "local://NAME" means */
	const char *name;
	const char *path;  /* directory */
	const struct wh_layer *layer; /* instead: a tree of this one layer (an archive that is a context); or NULL */
	bool has_umask;    /* path: its files were made under this one; modes that come of it are taken as 022's would be */
	uint32_t umask;
};
struct wh_secret {
	const char *id;
	const void *data;
	size_t len;
};

enum wh_snapshot_choice { WH_SNAPSHOT_AUTO, WH_SNAPSHOT_OVERLAY, WH_SNAPSHOT_COPY };
enum wh_net_choice { WH_NETCHOICE_AUTO, WH_NETCHOICE_USER, WH_NETCHOICE_HOST, WH_NETCHOICE_NONE };

/* An image by name that the store lacks: called by the resolver before it says that there is none. Puts manifest, config and layers
 * into the store and gives the manifest's digest. */
typedef int (*wh_pull_fn)(void *arg, const char *ref, const char *platform, struct wh_digest *ret, struct wh_err **err);

/* What a URL or a repository holds now. Called from a worker thread; several calls may be under way. request is
 *   {"kind": "http", "url", "filename", "checksum" or absent}   or
 *   {"kind": "git", "remote", "ref" or absent, "checksum" or absent, "subdir" or absent, "keep_git_dir", "submodules"}
 * and "by_commit" where git_by_commit is set. The reply names a directory whose content will not change: {"path", "digest": of
 * what was fetched (the body's sha256; the commit), "key": 64 hex digits, equal for equal content, "note": words for progress}.
 * Keys, agents, credentials and the network are the fetcher's side; the builder never sees them. Once *cancel is true the call
 * ends with -ECANCELED. -ECANCELED with cancel unset: a signal ended it, which the builder is about to see. */
typedef int (*wh_fetch_fn)(void *arg, const json_t *request, const _Atomic bool *cancel, json_t **ret_reply,
			   struct wh_err **err);

/* One agent for RUN --mount=type=ssh. */
struct wh_ssh_agent {
	const char *id;     /* "default", … */
	const char *socket; /* absolute */
};

/* Called on the builder's thread when a RUN has failed and everything else has been stopped, before its tree is thrown away: it may open a
 * shell there (wh_failed_run()). The build has failed all the same. */
typedef void (*wh_failed_fn)(void *arg, struct wh_failed *f);

struct wh_builder_opts {
	struct wh_store *store;
	struct wh_inner *inner;
	unsigned jobs;                   /* steps at once; 0: number of CPUs, at least 4 (steps wait more than they work) */
	struct wh_layer_opts layer;      /* compression; epoch = SOURCE_DATE_EPOCH, INT64_MAX: none */
	const struct wh_local *locals;
	size_t n_locals;
	const struct wh_secret *secrets;
	size_t n_secrets;
	const struct wh_ssh_agent *ssh;
	size_t n_ssh;
	wh_fetch_fn fetch;               /* http, git sources; NULL: none */
	void *fetch_arg;
	bool allow_emulated_profile;     /* --allow profile.emulated */
	enum wh_snapshot_choice snapshotter;
	enum wh_net_choice network;      /* what WH_NET_DEFAULT is: AUTO = pasta or slirp4netns where usable, else host with a notice */
	const char *const *protect;      /* files that no COPY may take in (signing keys), absolute, NULL-terminated, or NULL */
	wh_pull_fn pull;                 /* NULL: no registries */
	bool pull_always;                /* it is asked first, before the store */
	void *pull_arg;
	bool reproducible;               /* as layer.reproducible; for the files of locals, too */
	struct wh_cache_source *const *imports; /* caches from elsewhere, asked in order after the store's; or NULL */
	size_t n_imports;
	/* Of every EXEC it is kept what apt was seen to unpack (exec_seen.c tells the document); records without that are no
	 * hits. judge (may be NULL; a worker thread calls it) may refuse it: then the step has failed with its error. */
	struct {
		bool wanted;
		int (*judge)(void *arg, const struct wh_vertex *v, const json_t *seen, struct wh_err **err);
		void *arg;
	} seen;
	/* Of PROFILEs, also those from the cache, before anything goes on from it, on the builder's thread. Its error is the step's. layers: the tree that
	 * was profiled. NULL: nobody asks. */
	int (*judge_profile)(void *arg, const struct wh_vertex *v, json_t *profile, const struct wh_layer *layers, size_t n_layers,
			     struct wh_err **err);
	void *judge_profile_arg;
	bool judge_all;                  /* else those alone that have a lock: reading a profile again takes time */
	bool again;                      /* a second build, to compare with: nothing is taken from the cache or recorded; of steps
					  * that could run at once the last comes first */
	bool explain;                    /* send notices that say why a step missed the cache */
	wh_failed_fn failed;             /* NULL: none */
	void *failed_arg;
	void (*event)(void *arg, const struct wh_event *e);
	void *event_arg;
};

/* What this host allows with this store; enters the user namespace. For `whittle doctor`: a build does the same on its first miss. */
int wh_builder_probe(struct wh_inner *i, struct wh_store *s, struct wh_host *ret, struct wh_err **err);

struct wh_builder;
int wh_builder_new(const struct wh_builder_opts *o, struct wh_builder **ret, struct wh_err **err);
void wh_builder_free(struct wh_builder *b); /* kills what still runs */
/* For the frontend: named layouts, the store's images. Valid as long as b. */
const struct wh_image_resolver *wh_builder_resolver(struct wh_builder *b);

/* opts.layer.epoch, where it is known only when the bases were asked for: before anything is solved. */
void wh_builder_set_epoch(struct wh_builder *b, int64_t epoch);
/* Seconds since 1970, from an image's config; 0: it does not say, or lies about a time before that. */
int64_t wh_image_created(const json_t *config);

struct wh_result {
	struct wh_layer *layers; /* lowest first */
	size_t n_layers;
	bool cached;
};
void wh_result_release(struct wh_result *r);

/* Makes the trees of all given vertices (NULL entries: scratch), each once, independent ones at the same time. SIGINT, SIGTERM and
 * SIGHUP cancel: -ECANCELED with an error of class BUILD. On the first failure what runs is killed; what was finished
 * stays in the cache. The error carries the vertex's file, line and excerpt, and the tail of its log as detail. */
int wh_builder_solve(struct wh_builder *b, struct wh_vertex *const *targets, size_t n, struct wh_result *ret, struct wh_err **err);
/* Solves the target and writes its config and manifest: history (base's, then the Dockerfile's), created = the newest time in it. */
int wh_builder_image(struct wh_builder *b, const struct wh_target *t, struct wh_image *ret, struct wh_err **err);
/* The same for several targets in one graph (one a platform), solved together: what they share is made once. ret has room for n; all
 * are written, or none of them is the caller's. */
int wh_builder_images(struct wh_builder *b, const struct wh_target *targets, size_t n, struct wh_image *ret, struct wh_err **err);

/* What the last solve gives to caches (cache_remote.h): its steps, those from the cache, too. */
void wh_builder_cache(struct wh_builder *b, const struct wh_target *targets, size_t n, struct wh_cache_export **ret);

/* CHROOT when any step that the target's tree is made of ran so, in this build or in the one that the cache has it from. After
 * wh_builder_image(). */
enum wh_isolation wh_builder_isolation(struct wh_builder *b, const struct wh_target *t);

/* What the target's last PRUNE and its PROFILEs left behind, after wh_builder_image(); also when they came from the cache. */
struct wh_hardening {
	bool present;           /* the target's state is a PRUNE */
	struct wh_result before;/* the layers of the tree that was pruned */
	json_t *report;         /* prune report (harden.h) */
	json_t *profiles;       /* array, one a PROFILE: {"document":profile (harden.h), "before":[run…], "after":[run…], "emulated":
				 * the platform, where its programs ran under an emulator, else absent, "compared": what several runs
				 * have in common (profile_compare.c)}; a run is
				 * {"seconds":N, "ready_seconds":N, "driver":{"status":N}, "application":{"status":N, "signal":N},
				 *  "health":{"status":N} or absent, "events":N, "files":N} */
	struct wh_digest tree_before; /* over the diff ids */
	json_t *runtime;        /* of the target's PROVE, or NULL: {"privileges":{harden/runtime.h}, "proof":{op_prove.c}} */
};
int wh_builder_hardening(struct wh_builder *b, const struct wh_target *t, struct wh_hardening *ret, struct wh_err **err);
void wh_hardening_release(struct wh_hardening *h);

/* ---------------------------------------------------------------- for who runs a container without a graph */

/* The overlay of a work as a root. */
void wh_exec_root(struct wh_work *w, bool writable, enum wh_snapshotter kind, struct wh_root *ret);
/* profile_share.c. A directory of the tree (or an empty one when it has none) as name in dirfd: owners, modes, times, xattrs, links. Any
 * thread. what: for errors, "--share". */
int wh_share_copy(struct wh_store *s, const struct wh_layer *layers, size_t n, const char *what, const char *path, int dirfd,
		  const char *name, struct wh_err **err);
int wh_app_signal_number(const char *text); /* "SIGTERM", "TERM", "15", "SIGRTMIN+3"; 0: not known */

/* ---------------------------------------------------------------- gc (collect.c) */

/* Adds every record, before wh_gc_scan(). names: with the words of its step, which takes a look into each. */
int wh_cache_tell_gc(struct wh_gc *g, bool names, struct wh_err **err);
/* A wh_gc_forget_fn whose arg is the store. */
int wh_cache_forget(void *store, const struct wh_digest *keys, size_t n, struct wh_err **err);
/* The index becomes as small as what is left in it. */
void wh_cache_compact(struct wh_store *s);

#endif
