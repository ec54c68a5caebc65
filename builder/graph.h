/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The graph of operations: what frontend/ makes and the scheduler runs.
 *
 * Operations have LLB's shape (moby/buildkit solver/pb/ops.proto): a vertex
 * has one operation and inputs, and yields one file tree. A NULL input is the
 * empty tree ("scratch"). Everything lives in the graph's arena and is
 * immutable once wh_graph_add() returned it.
 *
 * A vertex is named by the digest of its canonical serialisation (operation +
 * the ids of its inputs); equal vertices are one. That name is for
 * de-duplication and printing. It is NOT the cache key: see builder/key.c.
 */
#ifndef WH_BUILDER_GRAPH_H
#define WH_BUILDER_GRAPH_H

#include "base/base.h"
#include "base/match.h"

/* ---------------------------------------------------------------- operations */

enum wh_op_kind {
	WH_OP_SOURCE,
	WH_OP_EXEC,
	WH_OP_FILE,
	WH_OP_MERGE, /* inputs laid over one another, first lowest (COPY --link) */
	WH_OP_DIFF,  /* what inputs[1] has over inputs[0] */
	WH_OP_PROFILE, /* inputs[0], unchanged, and a document: what its application was seen to use under a test driver */
	WH_OP_PRUNE,   /* one layer: what of inputs[0] the profiles (inputs[1…], PROFILE vertices) prove or the rules require */
	WH_OP_PROVE,   /* inputs[0] (a PRUNE), unchanged, and a document: its least privileges, and that its tests (inputs[1…]) pass under them */
};

/* A tree from outside. ref is one of
 *   oci-layout:///abs/dir[:tag]@sha256:…   an image in a layout on this machine
 *   docker-image://name[:tag]@sha256:…     an image by name (the store, later a registry)
 *   local://NAME                           a directory known to the builder by that name ("context", or a named context)
 *   http://… or https://…                  a tree of one file, named filename, as a server gives it (ADD URL)
 *   git:REMOTE                             a repository's tree at one commit; REMOTE is what the git program takes
 * Images are pinned by digest before they get here (see struct wh_image_resolver); so are repositories where a branch or tag
 * is resolved by the builder (wh_builder_opts.fetch), once a build. */
struct wh_op_source {
	const char *ref;
	const char *platform;              /* "linux/amd64[/variant]"; NULL for local:// */
	const char *const *ignore;         /* local://: .dockerignore lines in order, NULL-terminated; NULL: none */
	const struct wh_patterns *filter;  /* the same, compiled; outlives the graph; NULL: none */
	/* http, https: */
	const char *filename;              /* one path component */
	/* http, https: "sha256:…" of the body; git: the commit, or its beginning. Differs: the step fails. NULL: not pinned */
	const char *checksum;
	/* git: */
	const char *git_ref;               /* branch, tag, full ref or commit; NULL: the remote's HEAD */
	const char *git_subdir;            /* clean, relative; NULL: all of it */
	bool keep_git_dir;
	bool git_submodules;
	bool git_by_commit;                /* checksum is a whole commit, which git_ref only gives a name */
};

enum wh_network { WH_NET_DEFAULT, WH_NET_NONE, WH_NET_HOST };
enum wh_mount_type { WH_MOUNT_BIND, WH_MOUNT_CACHE, WH_MOUNT_TMPFS, WH_MOUNT_SECRET, WH_MOUNT_SSH, WH_MOUNT_FILE };
enum wh_sharing { WH_SHARED, WH_PRIVATE, WH_LOCKED };

/* RUN --mount=…, and FILE: a small read-only file whose bytes are part of the operation (heredoc scripts). */
struct wh_op_mount {
	enum wh_mount_type type;
	int input;            /* bind, cache: index into the vertex's inputs, or -1 */
	const char *source;   /* bind, cache: path inside the input; "/" is all of it */
	const char *target;   /* absolute path inside the step's root */
	bool readonly;        /* bind: what is written to a writable one is discarded */
	const char *id;       /* cache, secret, ssh */
	enum wh_sharing sharing;
	bool required;        /* secret, ssh */
	const char *env;      /* secret: also (or only, when target is NULL) as this variable */
	uint64_t size;        /* tmpfs: bytes; 0: no limit */
	bool has_mode, has_owner;
	uint32_t mode, uid, gid;
	const char *data;     /* FILE: content */
	size_t data_len;
};

struct wh_op_exec {              /* inputs[0]: the root; further inputs: mounts */
	const char *const *args;     /* argv, NULL-terminated, never empty */
	const char *const *env;      /* "K=V", NULL-terminated, in order */
	const char *const *proxy_env;/* the same for proxy variables: given to the step, outside the cache key */
	const char *cwd;             /* absolute */
	const char *user;            /* USER's text: name|uid[:group|gid], or "" for root; resolved inside the root */
	enum wh_network network;
	bool insecure;               /* RUN --security=insecure */
	const struct wh_op_mount *mounts;
	size_t n_mounts;
	const char *platform;        /* whose programs these are, "linux/arm64"; NULL: this machine's. Outside the cache key: the
				      * root is in it */
	const char *hostname;        /* NULL: "buildkitsandbox" as BuildKit has it */
	const char *const *extra_hosts; /* "name:ip", NULL-terminated; outside the cache key */
	uint64_t shm_size;           /* bytes; 0: 64 MiB */
	const char *const *ulimits;  /* "NAME=SOFT[:HARD]" (sandbox.h), NULL-terminated, or NULL; outside the cache key */
};

enum wh_file_kind { WH_FILE_COPY, WH_FILE_MKFILE, WH_FILE_MKDIR, WH_FILE_RM, WH_FILE_SYMLINK };

struct wh_file_action {
	enum wh_file_kind kind;
	/* COPY: from inputs[input], each of srcs (clean, relative to the input's root, with wildcards unless no_glob) */
	int input;
	const char *const *srcs;         /* NULL-terminated, at least one */
	bool no_glob;
	const char *const *exclude;      /* --exclude patterns, NULL-terminated, or NULL */
	bool parents;                    /* --parents, with the "/./" pivot still in srcs */
	bool unpack;                     /* ADD: local archives are unpacked */
	bool unpack_all;                 /* with unpack: those that docker does not know, too (zip, cpio, …) */
	bool contents_only;              /* unused by Dockerfiles; a directory's content is always what is copied */
	/* all kinds */
	const char *path;                /* destination: absolute, clean but for a trailing '/' (or "/."), which says "a directory" */
	const char *chown;               /* user[:group] text, resolved in the destination's root; NULL: 0:0, but COPY from a tree keeps owners */
	const char *chmod;               /* octal or symbolic text; NULL: as the source; mkfile 0644, mkdir 0755 */
	bool make_parents;               /* MKDIR */
	bool missing_ok;                 /* RM */
	const char *data;                /* MKFILE: content; SYMLINK: target */
	size_t data_len;
};

/* inputs[0]: the tree changed; further inputs: what is copied from. All actions of one vertex make one layer. */
struct wh_op_file {
	const struct wh_file_action *actions;
	size_t n_actions;
};

enum wh_ready_kind { WH_READY_TCP, WH_READY_HTTP, WH_READY_LOG, WH_READY_FILE, WH_READY_DELAY };
struct wh_ready {
	enum wh_ready_kind kind;
	uint16_t port;     /* TCP */
	const char *text;  /* HTTP: the URL; LOG: extended regular expression (POSIX), found in a line; FILE: absolute path in the container */
	uint64_t ns;       /* DELAY */
};

/* The application as its image config says it is run. */
struct wh_op_app {
	const char *const *entrypoint; /* NULL-terminated; empty: none. `app run ARGS` puts ARGS in CMD's place */
	const char *const *cmd;
	const char *const *start;      /* --start=[…] instead of both, or NULL */
	const char *const *env;        /* "K=V" */
	const char *cwd, *user;
	const char *stop_signal;       /* "SIGTERM" or a number as text, as in the config */
	const char *const *health;     /* HEALTHCHECK's argv (CMD-SHELL: with the shell), or NULL */
	uint64_t health_timeout_ns, health_interval_ns; /* 0: docker's 30 s */
	unsigned health_retries;       /* 0: docker's 3 */
};

struct wh_op_profile {           /* inputs[0]: the application's root; inputs[1]: the driver's (perhaps the same); further: the driver's mounts */
	struct wh_op_app app;
	bool manual;                 /* --start=manual: the driver starts it (`app start`) */
	const struct wh_ready *ready;/* all must hold; none: ready once it runs */
	size_t n_ready;
	const char *const *share;    /* absolute directories that both see, NULL-terminated */
	struct wh_op_exec driver;    /* args, env (with --env's last), cwd, user, mounts (inputs as the vertex's), network */
	uint64_t timeout_ns;         /* for one run, start to end; 0: 10 min */
	unsigned runs;               /* at least 1 */
	const char *platform;        /* the application's, when it is not this machine's: it runs emulated, and the verdict says so; else NULL */
	const char *lock;            /* --lock: the profile's lock file, relative to the context; NULL: none. Outside the cache key */
};

#define WH_NO_LIMIT 0xffffffffU
#define WH_REPAIR_ROUNDS 10
struct wh_op_prune {
	const char *const *keep, *const *drop; /* NULL-terminated, or NULL */
	const char *const *setid;    /* globs: files that keep set-id bits; NULL-terminated, or NULL */
	bool package_mode, keep_shell, keep_setid;
	unsigned repair;             /* how often missing paths may be put back; WH_REPAIR_ROUNDS unless said otherwise */
	unsigned max_risk;           /* parts of 10,000: more is the gate's failure; WH_NO_LIMIT: none */
	const char *config;          /* canonical JSON of the image config's "config" object: what it names is kept, and it binds the verdict */
	bool health_is_shell;        /* unused by keys: for messages */
	const char *const *profiles_in; /* --profile-in: further profiles (harden.h) as canonical JSON texts; NULL-terminated, or NULL. No tests come with them */
};

/* The proof that privileges suffice, and that they are needed: negative controls, each a run of the tests with something taken away. */
struct wh_op_prove {
	const char *config;          /* as wh_op_prune's */
	const char *platform;        /* "linux/amd64" */
	const char *const *profiles_in; /* as wh_op_prune's */
};

/* Where in the user's file a vertex comes from, for messages. */
struct wh_pos {
	const char *user_from, *shell_from; /* "USER x is set in line 3": which line has a command's user, its shell; or NULL */
	const char *file;    /* as the user named it */
	const char *option;  /* it stands in no file: the option that it comes of, "--run /tests/run.sh"; else NULL */
	unsigned line;       /* 1-based, first line of the instruction */
	unsigned last_line;
	const char *excerpt; /* the instruction's source, NULL when not at hand */
	const char *brought_by; /* the ONBUILD trigger that this is, "COPY a b" of NAME; NULL: it stands in the file itself */
	const char *missing; /* a hint for when a file is not found and nothing better is known, or NULL */
	const char *sought;  /* what files are looked for in, when it is not the build context: "stage 0"; or NULL */
};

/* Variables by the instruction that gave them their value; what was said last comes first. */
struct wh_given {
	const char *name;
	bool by_arg;         /* ARG; else ENV */
	const struct wh_given *before;
};

/* Which step of the user's file a vertex is, so that --explain-cache finds its last run after edits of the file. */
struct wh_place {
	const char *stage;   /* its name or number, and the target's platform; NULL: no step of the file */
	const char *text;    /* the instruction before expansion, its heredocs left out */
	unsigned occurrence; /* which of the stage's steps of this text, from 1 */
	unsigned ordinal;    /* which of the stage's steps, from 1 */
	const struct wh_given *given; /* NULL: nothing */
	const char *no_cache;/* the option that made it run anew, or NULL */
};

struct wh_vertex {
	enum wh_op_kind kind;
	union {
		const struct wh_op_source *source;
		const struct wh_op_exec *exec;
		const struct wh_op_file *file;
		const struct wh_op_profile *profile;
		const struct wh_op_prune *prune;
		const struct wh_op_prove *prove;
		const void *any;
	} op;
	struct wh_vertex *const *inputs;
	size_t n_inputs;
	struct wh_digest id;
	size_t index;        /* position in the graph, inputs before users */
	/* Outside identity and key: */
	const char *name;    /* "[build 2/5] RUN make": what progress shows */
	struct wh_pos pos;
	struct wh_place place;
	const char *stage;   /* for --no-cache-filter; NULL: unnamed */
	bool no_cache;       /* run even when a cached result exists */
};

struct wh_graph;
struct wh_graph *wh_graph_new(void);
void wh_graph_free(struct wh_graph *g);
struct wh_arena *wh_graph_arena(struct wh_graph *g); /* for operations and strings that the graph is to own */
/* Serialises, names, de-duplicates. v is a template on the caller's stack whose pointers are in the arena; id and index
 * are filled in. Returns the vertex of the graph (perhaps an older equal one: then its name and pos are kept). */
struct wh_vertex *wh_graph_add(struct wh_graph *g, const struct wh_vertex *v);
size_t wh_graph_count(const struct wh_graph *g);
struct wh_vertex *wh_graph_at(const struct wh_graph *g, size_t index);
/* The canonical serialisation, as named by id. Appends. */
void wh_vertex_serialize(const struct wh_vertex *v, struct wh_buf *out);

/* ---------------------------------------------------------------- what the frontend needs to ask */

/* Images while the graph is made: their config decides ENV, USER, WORKDIR, ONBUILD of what follows. */
struct wh_image_resolver {
	void *arg;
	/* ref: "oci-layout://DIR[:tag][@digest]" or "docker-image://NAME…"; platform as above. On success: the same
	 * reference pinned by digest (malloc'ed) and the image's config document (OCI image-spec config.md; new reference).
	 * -ENOENT with err set when there is no such image. */
	int (*resolve)(void *arg, const char *ref, const char *platform, char **ret_pinned, json_t **ret_config,
		       struct wh_err **err);
};

/* One line of an image's history. */
struct wh_history {
	const char *created_by;
	const char *comment;           /* NULL: none */
	const struct wh_vertex *vertex;/* the vertex whose layer this is; NULL: empty_layer */
};

/* A stage of the file that the target needs. */
struct wh_stage_tree {
	const char *name;              /* as vertices have it, or its number */
	struct wh_vertex *begin;       /* what it stands on: an image, another stage's state; NULL: scratch */
	struct wh_vertex *state;       /* its final tree; NULL: scratch */
};

/* What building one stage yields. Strings and arrays are in the graph's arena; config belongs to the target. */
struct wh_target {
	const char *stage;             /* name as written, or its number */
	struct wh_vertex *state;       /* the final tree; NULL: scratch */
	struct wh_vertex *prove;       /* a PROVE of it that is wanted beside it, or NULL */
	json_t *config;                /* image config without rootfs, history, created: architecture, os, variant, author, config{} */
	json_t *base_history;          /* the base image's history array, or NULL */
	struct wh_history *history;    /* what this Dockerfile adds, in order */
	size_t n_history;
	const char *platform;          /* what the file was lowered for, "linux/amd64" */
	struct wh_stage_tree *stages;  /* in the order of the file */
	size_t n_stages;
};
void wh_target_release(struct wh_target *t);

/* ---------------------------------------------------------------- graph_print.c */

enum wh_graph_format { WH_GRAPH_TEXT, WH_GRAPH_DOT, WH_GRAPH_JSON };
/* For people and programs (the JSON form is told in graph_print.c). Appends; no control character but line ends, good UTF-8. */
void wh_graph_print(const struct wh_graph *g, const struct wh_target *targets, size_t n, enum wh_graph_format format,
		    struct wh_buf *out);

#endif
