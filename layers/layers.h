/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trees as layers: the store, layer indexes, the tar writer, snapshots, images, layouts.
 *
 * The layer index is the truth, the file system a projection of it: inside a
 * user namespace devices cannot be made, file capabilities read differently
 * inside and outside, overlay leaves its own xattrs behind. So content keys,
 * COPY, prune, SBOM and diff read indexes, never directories.
 *
 *   ROOT/oci-layout index.json blobs/sha256/HEX   a valid OCI image layout (image-spec image-layout.md)
 *   ROOT/index/HEX            layer index, named by diff id (format: layers/index.c)
 *   ROOT/variants/HEX.KIND    which blob holds diff id HEX in another compression
 *   ROOT/variants/HEX.BLOBHEX this blob was seen to hold diff id HEX (layers/pair.c)
 *   ROOT/origins/HEX          in which repositories blobs of this manifest are that may not be here (layers/origin.c)
 *   ROOT/snapshots/HEX/       a layer unpacked on its own, whiteouts in overlay's form; named by diff id
 *   ROOT/roots/HEX/           plain-copy snapshotter: a whole root, named by chain id (HEX.used: when it was used last)
 *   ROOT/caches/              cache mounts           (builder/)
 *   ROOT/memo/                what local directories held at the last look (builder/)
 *   ROOT/cache.db records/    the build cache        (builder/)
 *   ROOT/volumes/NAME/        volumes of `whittle run`, which nobody but the user removes (cli/)
 *   ROOT/tmp/ID/              what one process is making; ID/lock is its lease (flock). A free lock: garbage
 *   ROOT/gc.lock              shared, for moments: somebody looks for a thing and notes its use; exclusive, for moments too: gc
 *                             looks a last time and removes (layers/use.c)
 *   ROOT/lock                 exclusive: a gc runs. Builds of versions before gc.lock hold it shared, and gc leaves their stores alone
 *
 * Everything that comes to stay is written under tmp/, then renamed. A reader
 * therefore sees a thing whole or not at all, whatever is killed when.
 *
 * A layer's diff id is the word of an image. Nothing that is named by diff id
 * serves a layer, and no layer is exported or named, before its blob was seen
 * to have that diff id: the first time, that costs decompressing it once (-EBADMSG
 * when it has another); from then on, a look at one directory. Layers that
 * were made here are known from the start. One exception: the layers of a base that nobody reads stay in their registry; an
 * image that is named or pushed with them hands on what the base says of itself.
 *
 * Functions here may be called from worker threads, unless said otherwise;
 * a struct wh_store may be shared by threads, other objects belong to one
 * thread at a time.
 */
#ifndef WH_LAYERS_H
#define WH_LAYERS_H

#include "base/base.h"
#include "base/match.h"
#include "layers/artifact.h"
#include "layers/gc.h"
#include "layers/registry.h"
#include "layers/remote.h"

/* ---------------------------------------------------------------- store */

struct wh_store;
/* Opens or makes it (mode 0700; an empty directory gets that), takes a lease (a directory under tmp/). Sweeps tmp/ directories whose lease is free. */
/* A directory that is another user's, or that others may write to, is refused (WH_ERR_ENV). */
int wh_store_open(const char *path, struct wh_store **ret, struct wh_err **err);
/* Removes what dead processes left under tmp/, as an opening does. Inside the user namespace that is all of it.
 * What they had not synced is, and after a crash of the machine it is checked; when that fails the store must not be used. */
int wh_store_sweep(struct wh_store *s, struct wh_err **err);
bool wh_store_leavings(const struct wh_store *s); /* is something of the dead left? */
void wh_store_close(struct wh_store *s); /* drops the lease and this process's temporaries */
/* After fork(): keep the child from sweeping what the parent owns. Call in a child that will not use the store. */
void wh_store_forget(struct wh_store *s);
int wh_store_dirfd(const struct wh_store *s);
const char *wh_store_path(const struct wh_store *s);  /* absolute */
int wh_store_tmp_dirfd(const struct wh_store *s);     /* this process's lease directory */
const char *wh_store_tmp_path(const struct wh_store *s);
/* Is it there? Then it was used now, and no gc takes it while this process lives. For names below directories of the store. */
bool wh_store_use(struct wh_store *s, int dirfd, const char *name);
/* The same for more than a look: between these two calls no gc removes anything. No waiting, and no long work. */
void wh_store_look(struct wh_store *s);
void wh_store_seen(struct wh_store *s);
/* One sync point: everything renamed into the store since the last call is on disk when this returns (syncfs). */
int wh_store_sync(struct wh_store *s, struct wh_err **err);

/* Blobs. open: -ENOENT when absent. */
bool wh_blob_has(struct wh_store *s, const struct wh_digest *d, uint64_t *ret_size /* may be NULL */);
int wh_blob_open(struct wh_store *s, const struct wh_digest *d, uint64_t *ret_size /* may be NULL */, struct wh_err **err); /* fd */
int wh_blob_read(struct wh_store *s, const struct wh_digest *d, size_t max, struct wh_buf *buf, struct wh_err **err); /* verifies */
/* What is damaged under the name (another size; other bytes, below 1 MiB) is replaced; so it is by finish. */
int wh_blob_put(struct wh_store *s, const void *p, size_t n, struct wh_digest *ret, struct wh_err **err);
/* Streaming: hashes while writing. finish renames into blobs/; expect (may be NULL) refuses any other digest. */
struct wh_blob_writer;
int wh_blob_writer_new(struct wh_store *s, struct wh_blob_writer **ret, struct wh_err **err);
int wh_blob_writer_add(struct wh_blob_writer *w, const void *p, size_t n, struct wh_err **err);
int wh_blob_writer_finish(struct wh_blob_writer *w, const struct wh_digest *expect, struct wh_digest *ret, uint64_t *ret_size,
			  struct wh_err **err); /* frees w in any case */
void wh_blob_writer_abort(struct wh_blob_writer *w);

/* ---------------------------------------------------------------- entries and indexes */

enum wh_type {
	WH_T_FILE = 'f', WH_T_DIR = 'd', WH_T_SYMLINK = 'l', WH_T_HARDLINK = 'h', WH_T_CHR = 'c', WH_T_BLK = 'b', WH_T_FIFO = 'p',
	WH_T_WHITEOUT = 'w',
};
struct wh_xattr {
	const char *name;  /* "security.capability" (value normalised to version 2), "user.…"; no other namespaces, no overlay's */
	const void *value;
	size_t len;
};
struct wh_entry {
	const char *path;        /* clean, relative, no leading slash; "" is the root itself */
	enum wh_type type;
	bool opaque;             /* DIR: hides what lower layers have below it */
	bool implied;            /* DIR: not in the tar, there only for what is below it; a lower layer's attributes stay */
	uint32_t mode;           /* 07777 */
	uint32_t uid, gid;
	int64_t mtime;           /* seconds since the epoch; layers carry whole seconds */
	uint64_t size;           /* FILE (HARDLINK: of its target) */
	uint32_t major, minor;   /* CHR, BLK */
	const char *link;        /* SYMLINK: text; HARDLINK: path of the first name, in this layer or a lower one */
	struct wh_digest digest; /* FILE, HARDLINK: sha256 of the content */
	uint64_t offset;         /* FILE: where the content starts in the uncompressed tar; UINT64_MAX: in pieces (sparse) */
	const struct wh_xattr *xattrs; /* sorted by name */
	size_t n_xattrs;
};

enum wh_compression { WH_COMP_NONE, WH_COMP_GZIP, WH_COMP_ZSTD };
const char *wh_compression_name(enum wh_compression c); /* "uncompressed" "gzip" "zstd" */
const char *wh_layer_media_type(enum wh_compression c); /* application/vnd.oci.image.layer.v1.tar[+gzip|+zstd] */

struct wh_layer {
	struct wh_digest diff_id;  /* of the uncompressed tar */
	struct wh_digest blob;     /* of the stored bytes */
	uint64_t blob_size;
	enum wh_compression comp;
	int64_t newest;            /* newest mtime of its entries; INT64_MIN for an empty layer or when not known */
	uint64_t n_entries;        /* 0 with newest INT64_MIN when not known (a base that was never read) */
	char *origin;              /* where the blob can be had when the store lacks it: a layout directory, or one of those below; or NULL (owned) */
};
#define WH_ORIGIN_REGISTRY "registry:" /* and HOST/NAME, a repository: wh_store_set_fetcher() */
#define WH_ORIGIN_NOWHERE "nowhere:"   /* a cache told of the layer, but has no blob of it: its diff id is all there is */
void wh_layer_copy(struct wh_layer *dst, const struct wh_layer *src);
void wh_layer_release(struct wh_layer *l);

struct wh_index; /* one layer's entries in wh_path_cmp order, mapped read-only */
/* Opens the index; when there is none, the blob is fetched and read once to make it (decompressing; slow). */
int wh_index_open(struct wh_store *s, const struct wh_layer *l, struct wh_index **ret, struct wh_err **err);
void wh_index_close(struct wh_index *x);
size_t wh_index_count(const struct wh_index *x);
/* Fills *ret with pointers into the mapping (valid until close); xattrs: a pointer into xs (room for WH_MAX_XATTRS). */
#define WH_MAX_XATTRS 32
int wh_index_at(const struct wh_index *x, size_t i, struct wh_entry *ret, struct wh_xattr xs[WH_MAX_XATTRS]);
/* Position of path, or of the first entry after it when absent (then false). */
bool wh_index_find(const struct wh_index *x, const char *path, size_t *ret_pos);

/* ---------------------------------------------------------------- layers from elsewhere */

/* Brings blobs of an origin that is no directory into the store, each verified by its digest. Called from any thread; several
 * calls may be under way. Once *cancel (may be NULL) is true it ends with -ECANCELED. */
typedef int (*wh_origin_fn)(void *arg, const char *origin, const struct wh_descriptor *blobs, size_t n, const _Atomic bool *cancel,
			    struct wh_err **err);
void wh_store_set_fetcher(struct wh_store *s, wh_origin_fn fn, void *arg);
/* What ends calls of the fetcher; NULL: nothing. It lives until it is set anew. */
void wh_store_set_cancel(struct wh_store *s, const _Atomic bool *cancel);
/* The origin from which a layer was not to be had, or came out as another than was promised, since this was asked last; malloc'ed, or NULL. */
char *wh_store_failed_origin(struct wh_store *s);
/* The layer can be read without asking anybody: its blob is in the store and was seen to have this diff id. */
bool wh_layer_at_hand(struct wh_store *s, const struct wh_layer *l);
/* Fetches what is in registries, many blobs at once. */
int wh_layers_bring(struct wh_store *s, const struct wh_layer *layers, size_t n, struct wh_err **err);
/* Brings those that are not at hand into the store, many at once, and reads each. */
int wh_layers_settle(struct wh_store *s, const struct wh_layer *const *layers, size_t n, struct wh_err **err);

/* ---------------------------------------------------------------- writing a layer */

struct wh_layer_opts {
	enum wh_compression comp;
	int level;           /* 0: default (zstd 3, gzip 6) */
	int64_t epoch;       /* mtimes newer than this become this; INT64_MAX: none */
	unsigned threads;    /* for compression; 0: as many as CPUs. Never changes the bytes */
	bool reproducible;   /* a step's changes go through the rules of normalise.c; epoch must be set */
	const _Atomic bool *cancel; /* once it is true, writing ends with -ECANCELED; NULL: never */
};
#define WH_LAYER_OPTS_INIT ((struct wh_layer_opts){.comp = WH_COMP_ZSTD, .epoch = INT64_MAX})

/* With reproducible, a step's changes go through rules (normalise.c): patterns of paths, an action, and why. */
enum wh_normal {
	WH_NORMAL_NONE,
	WH_NORMAL_BELOW, /* as the tree below has it; gone if it was not there. What a step removed stays removed */
	WH_NORMAL_EMPTY, /* the file has no content */
	WH_NORMAL_JKS,   /* the times of a Java keystore's certificates are clamped like a file's */
	WH_NORMAL_PYC,   /* the time of the source in the header becomes the one that it has in the layer */
};
struct wh_normal_rule {
	const char *pattern;
	enum wh_normal action;
	const char *reason;
};
const struct wh_normal_rule *wh_normal_rules(size_t *ret_n);
const char *wh_normal_name(enum wh_normal action);
void wh_normal_version(struct wh_digest *ret); /* other rules, other version: for cache keys */

struct wh_layer_writer; /* tar + digest + compressor + index, in one pass */
int wh_layer_writer_new(struct wh_store *s, const struct wh_layer_opts *o, struct wh_layer_writer **ret, struct wh_err **err);
/* Entries in strictly increasing wh_path_cmp order (checked). For a FILE, exactly e->size bytes of data follow; its digest
 * and offset are filled in by the writer (e->digest is ignored). The root entry "" may come first or be left out. */
int wh_layer_writer_add(struct wh_layer_writer *w, const struct wh_entry *e, struct wh_err **err);
int wh_layer_writer_data(struct wh_layer_writer *w, const void *p, size_t n, struct wh_err **err);
/* e->size bytes from fd, with big reads; what names the file in errors; -EAGAIN when the file was shorter or longer, or its
 * size, mtime or ctime changed while it was read (the writer is then unusable: abort). */
int wh_layer_writer_fd(struct wh_layer_writer *w, int fd, const char *what, struct wh_err **err);
/* Digest of the content last completed (for the context memo). */
void wh_layer_writer_last_digest(const struct wh_layer_writer *w, struct wh_digest *ret);
/* Blob and index are in the store when this returns 0. Frees w in any case. */
int wh_layer_writer_finish(struct wh_layer_writer *w, struct wh_layer *ret, struct wh_err **err);
void wh_layer_writer_abort(struct wh_layer_writer *w);

/* Turns a stat and the xattrs of an open file (or of a path, for symlinks) into an entry: allow list of xattrs,
 * capabilities normalised to v2, whole seconds. Strings live in the scratch buffer, which the caller resets between entries.
 * Sockets: returns -ENOTSUP (to be skipped). */
struct wh_entry_scratch;
struct wh_entry_scratch *wh_entry_scratch_new(void);
void wh_entry_scratch_free(struct wh_entry_scratch *x);
int wh_entry_from_at(int dirfd, const char *name, const struct stat *st, const char *path, struct wh_entry_scratch *x,
		     struct wh_entry *ret, struct wh_err **err);

/* The same tar in another compression; found again through variants/. Layers that already are of that kind are copied,
 * unless a level is asked for. */
int wh_layer_as(struct wh_store *s, const struct wh_layer *l, const struct wh_layer_opts *o, struct wh_layer *ret, struct wh_err **err);

/* ---------------------------------------------------------------- trees: layers seen as one */

struct wh_tree; /* indexes of a stack of layers, lowest first; nothing is unpacked or merged in advance */
int wh_tree_open(struct wh_store *s, const struct wh_layer *layers, size_t n, struct wh_tree **ret, struct wh_err **err);
void wh_tree_close(struct wh_tree *t);
size_t wh_tree_layers(const struct wh_tree *t); /* how many */
struct wh_node_ref { /* an entry and where it lives; valid while the tree is open */
	struct wh_entry e;             /* HARDLINK is shown as what it links to (FILE, …), with e.link = the first name's path */
	struct wh_xattr xs[WH_MAX_XATTRS];
	size_t layer;                  /* number of the layer that has it */
};
/* path as in entries; no symlink is followed, not even in the middle. 0, or -ENOENT (no error text). */
int wh_tree_lookup(struct wh_tree *t, const char *path, struct wh_node_ref *ret);
/* Follows symlinks inside the root (".." stops at the root; at most 40). follow_last: the final one too. Gives the canonical
 * path (malloc'ed), and the entry when ret is not NULL. missing_ok: components that do not exist are kept as they are
 * (then ret->e.path is NULL). -ENOENT, -ELOOP, -ENOTDIR. */
int wh_tree_resolve(struct wh_tree *t, const char *path, bool follow_last, bool missing_ok, char **ret_path,
		    struct wh_node_ref *ret);
/* Names in a directory, sorted bytewise. */
int wh_tree_list(struct wh_tree *t, const char *dir, struct wh_strv *ret_names);
/* Every entry below dir (dir itself excluded), in wh_path_cmp order, whiteouts and what they hide left out. fn returns 0 to go on,
 * 1 to skip what is below this directory, or a negative errno that ends the walk. */
typedef int (*wh_tree_fn)(void *arg, const struct wh_node_ref *n);
int wh_tree_walk(struct wh_tree *t, const char *dir, wh_tree_fn fn, void *arg);
/* Content of a FILE, from its layer's snapshot (unpacking it when there is none). fd or -errno with err. */
int wh_tree_open_file(struct wh_tree *t, const struct wh_node_ref *n, struct wh_err **err);

/* ---------------------------------------------------------------- snapshots */

enum wh_snapshotter { WH_SNAP_OVERLAY, WH_SNAP_COPY };

/* The layer unpacked under snapshots/ (fetched first when need be). Two processes or threads at once: one result. */
int wh_snapshot_ensure(struct wh_store *s, const struct wh_layer *l, struct wh_err **err);

struct wh_work; /* a root for one step, being changed */
/* layers lowest first; may be none. Unpacks what is not unpacked. */
int wh_work_new(struct wh_store *s, enum wh_snapshotter kind, const struct wh_layer *layers, size_t n, bool writable,
		struct wh_work **ret, struct wh_err **err);
const char *const *wh_work_lowers(const struct wh_work *w); /* OVERLAY: absolute, topmost first, NULL-terminated */
const char *wh_work_upper(const struct wh_work *w);         /* OVERLAY, writable */
const char *wh_work_workdir(const struct wh_work *w);       /* OVERLAY, writable */
const char *wh_work_stubs(const struct wh_work *w);         /* OVERLAY: empty directory */
const char *wh_work_dir(const struct wh_work *w);           /* COPY: the root */
/* What the step changed becomes a layer: OVERLAY from the upper directory alone (never a walk of the root), COPY by comparison
 * with the indexes. Times are clamped and cut to seconds in the directory too, so that the next step sees the layer's
 * times. The directory becomes the layer's snapshot. Frees w in any case. */
int wh_work_commit(struct wh_work *w, const struct wh_layer_opts *o, struct wh_layer *ret, struct wh_err **err);
void wh_work_discard(struct wh_work *w);

/* ---------------------------------------------------------------- images */

struct wh_image {
	struct wh_digest manifest; /* zero until written or when read from elsewhere without one */
	uint64_t manifest_size;
	const char *media_type;    /* static string: of the manifest; NULL: OCI's */
	struct wh_digest config_digest;
	json_t *config;            /* the whole config document */
	json_t *annotations;       /* of the manifest, or NULL */
	struct wh_layer *layers;   /* lowest first */
	size_t n_layers;
	/* An image index has these instead of config and layers: manifest is the index's document, media_type its type. */
	struct wh_image *parts;    /* the images in it, in its order */
	size_t n_parts;
	size_t n_absent;           /* images that the index names and that are not at hand */
	struct wh_platform listed; /* of a part that was read: what the index says it is for; without os: it says nothing */
	json_t *listed_annotations; /* of the descriptor that is to lead to it in an index, or NULL */
};
void wh_image_release(struct wh_image *i);
void wh_image_copy(struct wh_image *dst, const struct wh_image *src);
static inline bool wh_image_is_index(const struct wh_image *i)
{
	return i->parts != NULL;
}
/* What the config says: os, architecture, variant, normalised. */
void wh_image_platform(const struct wh_image *i, struct wh_platform *ret);
/* How well an image for have runs on want: higher is better, negative: not at all. */
int wh_platform_rank(const struct wh_platform *want, const struct wh_platform *have);

/* A layout directory: the tag is org.opencontainers.image.ref.name, or a name that ends in ":tag"; NULL with no digest: the only image, else
 * "latest". Nested indexes are searched for the platform. Config and manifest are verified and put into the store;
 * layers are not touched (origin says where they are). -ENOENT when there is none (the hint lists what there is). */
int wh_image_from_layout(struct wh_store *s, const char *dir, const char *tag, const struct wh_digest *digest,
			 const struct wh_platform *p, struct wh_image *ret, struct wh_err **err);
/* From the store by name (see wh_store_tag) or by manifest digest. */
int wh_image_from_store(struct wh_store *s, const char *ref, const struct wh_platform *p, struct wh_image *ret,
			struct wh_err **err);
/* The same, but a name that leads to an index gives the index with its images (image-spec image-index.md). Entries that are no images
 * (attestations that lie in indexes) are left out. An index of indexes is -ENOTSUP. */
int wh_image_all_from_layout(struct wh_store *s, const char *dir, const char *tag, const struct wh_digest *digest,
			     struct wh_image *ret, struct wh_err **err);
int wh_image_all_from_store(struct wh_store *s, const char *ref, struct wh_image *ret, struct wh_err **err);
/* Fetches the layer's blob into the store from its origin (verified) when it is not there. */
int wh_layer_fetch(struct wh_store *s, const struct wh_layer *l, struct wh_err **err);
/* Reads the blob to its end, whatever is known of it: its digest, and the diff id of what comes out. */
int wh_layer_prove(struct wh_store *s, const struct wh_layer *l, struct wh_err **err);
/* Completes config (rootfs.diff_ids, history as given) and writes config and manifest blobs; sets manifest, manifest_size,
 * config_digest. Keys in fixed order; nothing but the arguments decides the bytes. */
int wh_image_write(struct wh_store *s, struct wh_image *i, struct wh_err **err);
/* A manifest around a config that is in the store and stays as it is (config_digest): for other layers blobs, annotations or media types.
 * docker: its media types (layers as gzip or plain tar only), which docker before 20.10 and old registries want. */
int wh_image_manifest_write(struct wh_store *s, struct wh_image *i, bool docker, struct wh_err **err);
/* An index over images that are written, one a platform, in the order given; they are copied. Their platforms are as their configs say;
 * two for one platform are refused. The images decide the bytes. */
int wh_image_index_write(struct wh_store *s, const struct wh_image *images, size_t n, struct wh_image *ret, struct wh_err **err);
/* The same with annotations (borrowed, or NULL), or as docker's manifest list. */
int wh_image_index_write_as(struct wh_store *s, const struct wh_image *images, size_t n, const json_t *annotations, bool docker,
			    struct wh_image *ret, struct wh_err **err);
/* Names an image in the store's index.json (annotation io.containerd.image.name and org.opencontainers.image.ref.name),
 * replacing the old holder of the name. Serialised between processes by ROOT/lock. Fetches layers that are not in the
 * store, and reads those that were never read; but layers that the store lacks and whose origin is a registry stay there.
 * (image-layout.md allows for blobs that are kept elsewhere.) */
int wh_store_tag(struct wh_store *s, const char *name, const struct wh_image *i, struct wh_err **err);

/* ---------------------------------------------------------------- what the store has (inventory.c) */

/* One name of index.json, or (name NULL) an image that lost its name, or never had one, and is still there. */
struct wh_stored {
	char *name;
	struct wh_digest manifest;
	struct wh_digest id;    /* of the config; of an index: its own */
	const char *media_type; /* static string; NULL: OCI's manifest */
	bool index;
	bool part;              /* without a name, and in an index that is listed as well */
	char *damaged;          /* why it cannot be read: what stands below is then empty; or NULL */
	char *origin;           /* a repository where layers are that the store lacks, or NULL */
	int64_t used;           /* seconds since 1970: when it was made or used last */
	char *created;          /* RFC 3339, as the config says, or NULL; of an index: the newest */
	struct wh_strv platforms;
	uint64_t size, here;    /* bytes of the layers as they are stored; of those that are in the store */
	struct wh_digest *parts; /* of an index: the manifests in it that are in the store */
	size_t n_parts, cap_parts;
};
struct wh_inventory {
	struct wh_stored *v; /* by name; then those without */
	size_t n, cap;
};
/* all: those without names, too; that looks into every small blob. Nothing counts as used by it. What is damaged is listed as such. */
int wh_inventory_read(struct wh_store *s, bool all, struct wh_inventory *ret, struct wh_err **err);
void wh_inventory_release(struct wh_inventory *l);
/* Is it an id (config's or manifest's digest) or the beginning of one: [sha256:] and at least four hex digits? */
bool wh_image_id_like(const char *text);
/* What has this name or, where no name is like that, an id that begins so; l has all.
 * -ENOENT, no error: nothing. -EEXIST: several images. */
int wh_inventory_find(const struct wh_inventory *l, const char *ref, const struct wh_stored **ret, bool *ret_by_id, struct wh_err **err);
/* Adds a hint to an error about a name that the store lacks: the tags of that repository, or a name that is near. */
void wh_store_hint_near(struct wh_store *s, const char *ref, struct wh_err **err);
/* Bytes of files and of symlinks' texts in it, each file once: what docker calls a layer's size. -ENOENT, no error: nobody has read the layer yet. */
int wh_layer_unpacked(struct wh_store *s, const struct wh_layer *l, uint64_t *ret, struct wh_err **err);
/* Takes the name from index.json; what nothing else reaches is gc's. -ENOENT: there is no such name. */
int wh_store_untag(struct wh_store *s, const char *name, struct wh_err **err);

struct wh_export; /* below */

/* ---------------------------------------------------------------- docker's archives (export_docker.c, import_docker.c) */

struct wh_export_item {
	const struct wh_image *image;  /* or index */
	const char *const *names;      /* NULL-terminated; NULL or none: it is known by its digest alone */
	const json_t *annotations;     /* of the descriptor that leads to it in index.json; or NULL */
};
/* As docker save writes it: manifest.json, configs, layers as gzip or plain tar, repositories left out; and, as newer ones do, an OCI layout in
 * the same tar. Of an index: one image each. zstd layers become gzip: docker before 23 cannot read them. */
int wh_export_docker(struct wh_store *s, const struct wh_export_item *items, size_t n, const struct wh_export *x, struct wh_err **err);
/* docker save's archive, or an OCI layout as tar (hostile). Images and their names come into the store, named when all is verified. */
struct wh_loaded {
	struct wh_image image;
	struct wh_strv names; /* may be none */
};
/* platform: of several, and no other (-ENOENT); NULL: whatever there is. what names the archive in errors. */
int wh_archive_load(struct wh_store *s, int fd, const char *what, const struct wh_platform *platform, struct wh_loaded **ret,
		    size_t *ret_n, struct wh_err **err);
void wh_loaded_free(struct wh_loaded *v, size_t n);

/* ---------------------------------------------------------------- export */

struct wh_export {
	const char *dest;        /* path; "-": out_fd */
	int out_fd;
	bool tar;                /* oci: one tar file instead of a directory */
	const char *const *names;/* -t values, NULL-terminated */
	int64_t epoch;           /* oci: mtimes of the tar's members: this, or 0 when INT64_MAX */
	const struct wh_artifacts *artifacts; /* oci: what is attached to the image goes along; or NULL */
	const json_t *annotations; /* oci: of the descriptor in index.json (not for wh_export_oci_all()); or NULL */
};
/* An OCI layout with this one image, or an index and all its images; artifacts may be of each of them. A directory is written beside
 * and renamed when it did not exist; into an existing layout
 * blobs are added and index.json is replaced last. Bytes depend on the image and names alone. Layers that were never
 * read are read before anything is written; all blobs are hashed on the way. */
int wh_export_oci(struct wh_store *s, const struct wh_image *i, const struct wh_export *x, struct wh_err **err);
/* Several, each with names of its own; x->names and x->annotations are not used. */
int wh_export_oci_all(struct wh_store *s, const struct wh_export_item *items, size_t n, const struct wh_export *x, struct wh_err **err);
/* The root file system as plain files. chown: owners as in the image (needs root), else all belong to the caller, and set-id
 * bits and capabilities are left out (they would lend the caller's rights to whoever runs the file).
 * Devices that cannot be made are counted in *ret_skipped. dest must be missing or an empty directory. */
int wh_export_local(struct wh_store *s, const struct wh_image *i, const struct wh_export *x, bool chown, unsigned *ret_skipped,
		    struct wh_err **err);
/* The root file system as one tar. */
int wh_export_tar(struct wh_store *s, const struct wh_image *i, const struct wh_export *x, struct wh_err **err);
/* Both take an index, too: each image's file system is below a directory that is named after its platform, "linux_arm64". */

/* ---------------------------------------------------------------- reading archives (hostile) */

/* A tar, plain or compressed with gzip, bzip2, xz or zstd, as a layer; for ADD (docker copies any other kind, zip and jar too,
 * as it is). any: whatever libarchive reads by itself (zip, 7z, cpio, ar, cab, iso, rar, rpm, … in any compression). Names are cleaned, ".." and absolute names stay inside, links are text, devices are in the index only.
 * -ENOTSUP with no error: it is no such archive. The layer is in the store (uncompressed tar), directories that the archive
 * only implies are marked so in its index. */
int wh_archive_to_layer(struct wh_store *s, int fd, const char *what, bool any, struct wh_layer *ret, struct wh_err **err);

#endif
