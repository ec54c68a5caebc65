/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of cli/ share: exit codes, messages, progress, the commands. */
#ifndef WH_CLI_H
#define WH_CLI_H

#include "base/base.h"
#include "builder/builder.h"
#include "cli/options.h"
#include "cli/progress.h"
#include "harden/harden.h"

/* ---------------------------------------------------------------- errors.c */

/* 0 done, 1 the build failed, 2 the user's words are wrong, 3 not verified, 4 this machine cannot, 5 a bug of ours;
 * 10–18: enum wh_status of harden.h */
int wh_err_exit_code(const struct wh_err *err);
/* "error: FILE:LINE:COLUMN: message", the source with a marker, "expected: …", "hint: …", detail; a block for each further
 * mistake. Control characters are made visible; colours: those in the detail, the output of a step, are kept. */
void wh_err_format(const struct wh_err *err, bool colours, struct wh_buf *out);
/* The same form for what is no error, "note: …". */
void wh_note_format(const struct wh_err *note, bool colours, struct wh_buf *out);
/* Prints it to standard error and returns the exit code. */
int wh_err_report(const struct wh_err *err);

/* What the user said is wrong: class USAGE; -EINVAL. */
int wh_cli_misuse(struct wh_err **err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---------------------------------------------------------------- text.c */

/* Foreign bytes as one safe line: tabs and good UTF-8 stay, all other control characters and bytes become ^X, \u009b, \x9b.
 * Line ends at the end are left out. */
void wh_text_add_safe(struct wh_buf *out, const char *p, size_t n);
/* Columns of a terminal that the bytes take as wh_text_add_safe() shows them; a tab counts one. */
size_t wh_text_columns(const char *p, size_t n);
/* Of one character that may be shown. */
unsigned wh_rune_columns(uint32_t r);
/* The same for messages; words of hundreds of bytes are cut in the middle. */
void wh_text_add_short(struct wh_buf *out, const char *s);
/* The same for a line that a step printed: its colours (SGR) stay or are left out. */
void wh_text_add_output(struct wh_buf *out, const char *p, size_t n, bool colours);
/* Output as it comes, cut into lines: at line feeds, and at carriage returns, so that nothing is hidden by what overwrites it. */
struct wh_text_lines {
	struct wh_buf line; /* unfinished */
	bool ended;         /* by a carriage return: a line feed right behind belongs to it */
};
typedef void (*wh_text_fn)(void *arg, const char *line, size_t n);
void wh_text_feed(struct wh_text_lines *l, const char *p, size_t n, wh_text_fn fn, void *arg);
void wh_text_flush(struct wh_text_lines *l, wh_text_fn fn, void *arg); /* what is unfinished is a line, too */
void wh_text_release(struct wh_text_lines *l);

/* ---------------------------------------------------------------- cmd_build.c */

/* The words of `whittle build` as the option table stores them; lists of strings, nothing checked yet. */
struct wh_build_flags {
	const char *file, *target, *network, *shm_size, *progress, *iidfile, *root, *snapshotter, *sign_key;
	struct wh_strv tags, build_args, contexts, no_cache_filter, outputs, platforms, labels;
	struct wh_strv secrets, ssh, add_hosts, allow, ulimits;
	const char *cgroup_parent;
	bool no_cache, quiet, explain, push, insecure_registry, check;
	struct wh_strv cache_from, cache_to;
	bool reproducible, verify_reproducible, locked, keep_removed;
	const char *verify_report;
	const char *lock, *isolation;
	const char *call;
	const char *pull, *metadata_file, *on_failure, *runtime_out, *profile_lock, *profile_out;
	struct wh_strv profile_in;
	bool update_lock;
	struct wh_strv annotations;
	const char *load; /* "true", "docker", "podman", "containerd" */
	unsigned jobs;
};

/* ---------------------------------------------------------------- build_spec.c */

/* As buildx's --output has them. */
enum wh_output_type {
	WH_OUT_OCI,
	WH_OUT_DOCKER,   /* an archive as docker save writes it, which docker load and podman load take; without dest it goes to LOAD */
	WH_OUT_LOCAL,
	WH_OUT_TAR,
	WH_OUT_REGISTRY, /* to where the tags (or name=) say */
	WH_OUT_IMAGE,    /* the store's name for it, which every build has; with push=true like REGISTRY */
	WH_OUT_LOAD,     /* --load: into docker, podman or containerd, through their own programs */
};

struct wh_output {
	enum wh_output_type type;
	char *dest; /* "-": standard output; REGISTRY, IMAGE: NULL; LOAD: "docker", "podman", "containerd", or NULL: the first there is */
	struct wh_strv names;       /* name=: instead of the tags */
	struct wh_strv annotations; /* annotation[…].KEY=VALUE, as --annotation's text */
	uint64_t chunk;             /* REGISTRY, chunk-size=: blobs are sent in pieces of at most so many bytes; 0: as a whole */
	bool tar;   /* OCI: one file instead of a directory */
	bool has_comp;
	enum wh_compression comp;
	int level;       /* 0: default */
	bool force_comp; /* the base's layers too */
	bool docker_types; /* oci-mediatypes=false: docker's media types, which have none for zstd */
	bool by_digest;    /* REGISTRY, push-by-digest=true: nothing is tagged there */
};

/* --pull: when registries are asked what a base's name means now. */
enum wh_pull_policy {
	WH_PULL_MISSING, /* when the store does not know the name: the default */
	WH_PULL_ALWAYS,  /* --pull, as docker's: of what has not changed, nothing is fetched again */
	WH_PULL_NEVER,
};

enum wh_context_kind { WH_CONTEXT_DIR, WH_CONTEXT_GIT, WH_CONTEXT_HTTP, WH_CONTEXT_STDIN, WH_CONTEXT_NONE };
#define WH_CONTEXT_FILE "context" /* what a file from a URL is called in a context of its own, as in BuildKit */

/* Everything that the command line of `whittle build` says, checked, with paths made absolute. */
struct wh_composer;
struct wh_build_spec {
	const struct wh_composer *composer; /* who says what is built, where no Dockerfile does; else NULL */
	enum wh_context_kind context_kind;
	char *context;       /* DIR: absolute; else as the user wrote it */
	char *context_shown; /* as the user wrote it, but for passwords */
	const char *file;    /* -f as written; NULL: CONTEXT/Dockerfile; "-": standard input */
	struct wh_strv tags; /* normalised */
	struct wh_strv build_args;
	struct wh_strv labels;
	struct wh_strv no_cache_filter;
	struct wh_strv extra_hosts, ulimits;
	bool cgroup_parent; /* was given: a note says that it does nothing */
	bool allow_emulated_profile;
	const char *target;
	bool no_cache, quiet, allow_insecure, allow_host_network, explain;
	enum wh_progress_kind progress;
	struct wh_output *outputs;
	size_t n_outputs;
	struct wh_named_ctx {
		char *name;
		char *ref;  /* for the frontend */
		char *path; /* directories: absolute path, else NULL */
	} * contexts;
	size_t n_contexts;
	struct wh_secret_text {
		char *id, *data;
		size_t len;
	} * secrets;
	size_t n_secrets;
	struct wh_ssh_agent_text {
		char *id, *socket;   /* socket NULL: an agent is to be started for the keys */
		struct wh_strv keys; /* files */
	} * ssh;
	size_t n_ssh;
	enum wh_network network;
	uint64_t shm_size;
	char *platform; /* this machine's, "linux/amd64" */
	bool index; /* the image is an index, of one platform, too */
	struct wh_strv platforms; /* --platform, normalised, each once, in the order given; empty: this machine's */
	const char *iidfile;
	char *metadata_file; /* absolute path, or NULL */
	char *runtime_out;   /* the same, a directory: documents.h */
	char *profile_lock;  /* the same: profile_lock.h */
	char *profile_out;   /* the same, or "-": documents.h */
	bool profile_tests;  /* … with what was seen in which test */
	struct wh_strv profile_in; /* the same, files */
	bool update_lock;
	enum wh_pull_policy pull;
	bool failure_shell;  /* --on-failure=shell */
	struct wh_strv annotations; /* --annotation's texts, checked: [LEVEL[PLATFORM][,LEVEL…]:]KEY=VALUE */
	char *sign_key; /* absolute path of the private key, or NULL; only the outer process reads it */
	bool insecure_registry;
	char *root; /* store */
	unsigned jobs;
	enum wh_snapshot_choice snapshotter;
	int64_t epoch; /* SOURCE_DATE_EPOCH; INT64_MAX: none given */
	bool reproducible, verify_reproducible;
	bool keep_removed;   /* what PRUNE takes away becomes an artifact of the image */
	char *verify_report; /* absolute path, or NULL */
	char *lock;    /* absolute path of the lock file, or NULL */
	bool locked;   /* it is checked, else written */
	enum wh_isolation isolation;
	struct wh_cache_opts *cache; /* cache_opts.c: --cache-from, --cache-to; or NULL */
	bool as_root;  /* real root started us */
};
/* Another command than build that builds: its words instead of a Dockerfile. */
struct wh_dockerfile;
struct wh_composer {
	void *arg;
	/* The tree (wh_dockerfile_compose()), and what spec needs for it (contexts). Called in the inner process, before any
	 * thread and outside of the user namespace. */
	int (*compose)(void *arg, struct wh_build_spec *spec, struct wh_store *store, struct wh_dockerfile **ret,
		       struct wh_err **err);
	/* Puts an error of the build into the words of that command. */
	void (*tell)(void *arg, struct wh_err *err);
};
/* args: the context; of a command that composes, none. */
int wh_build_spec_make(const struct wh_build_flags *f, const struct wh_strv *args, struct wh_build_spec *ret,
		       struct wh_err **err);
void wh_build_spec_release(struct wh_build_spec *s);
/* Joined to the working directory, not cleaned: with a symlink before it, ".." means what the kernel says. malloc'ed. */
char *wh_cli_absolute(const char *path);
/* "true", "1", "false", "0". */
bool wh_bool_parse(const char *text, bool *ret);
/* One --platform value: words between commas, "local" for this machine's; what the list has already is passed over. */
int wh_platforms_parse(const char *text, struct wh_strv *ret, struct wh_err **err);
/* SOURCE_DATE_EPOCH's text; "" is none. */
int wh_epoch_parse(const char *text, int64_t *ret, struct wh_err **err);
/* "64m", "1gb", "134217728": bytes. */
bool wh_size_parse(const char *text, uint64_t *ret);

/* ---------------------------------------------------------------- output_spec.c */

/* One --output value. */
int wh_output_parse(const char *text, struct wh_output *ret, struct wh_err **err);
void wh_output_release(struct wh_output *o);
/* All of them, --push, --load and --annotation; tags and platforms are known already. */
int wh_outputs_make(const struct wh_build_flags *f, struct wh_build_spec *s, struct wh_err **err);
/* Nothing that is written replaces something else that is. */
int wh_outputs_apart(const struct wh_build_spec *s, struct wh_err **err);
/* Its own names, else the tags. */
const struct wh_strv *wh_output_names(const struct wh_build_spec *s, const struct wh_output *o);
/* Does it hand on an image, and not its files alone? */
bool wh_output_is_image(const struct wh_output *o);
/* The compression in which it wants layers that are made by this build, and the level. False: it takes them as they are. */
bool wh_output_wants(const struct wh_output *o, enum wh_compression *ret, int *ret_level);

/* ---------------------------------------------------------------- build_run.c */

/* cmd_build.c: forks the inner process, serves it, and ends as it did: exit code, or negative with err. */
int wh_build_start(struct wh_build_spec *spec, struct wh_err **err);
/* The inner process: from the Dockerfile to what came out. Prints; returns the exit code. */
int wh_build_run(struct wh_build_spec *s, struct wh_inner *inner);

/* ---------------------------------------------------------------- output.c */

/* Brings the image into the form an output wants (compression, annotations, media types), writing a manifest for it when it differs. */
/* o NULL: as the store keeps it. spec: its annotations. */
int wh_output_image(struct wh_store *s, const struct wh_image *i, size_t n_base_layers, const struct wh_build_spec *spec,
		    const struct wh_output *o, const struct wh_layer_opts *layer, struct wh_image *ret, struct wh_err **err);
/* Is there nothing, or a regular file itself, so that a rename may replace it? Not so for symlinks, devices, pipes. */
bool wh_path_plain(const char *path);
/* 1 or 2 when the path leads to the file or pipe that is our standard output or error, say as /dev/stdout: opened anew, it
 * would be written from its beginning. Else -1. */
int wh_path_stream(const char *path);
/* A small file that the user asked for: a regular file is replaced whole; what is behind a link, in a device or a pipe is written to, as
 * replacing it would take the link or the device away. what: for the error. */
int wh_cli_write_file(const char *path, const void *p, size_t n, const char *what, struct wh_err **err);
/* Will that work, as far as can be seen now? Asked before anything runs. */
int wh_cli_write_check(const char *path, const char *what, struct wh_err **err);
/* Can the destination be made at all? Asked before anything runs. */
int wh_output_check(const struct wh_output *o, struct wh_err **err);
int wh_output_write(struct wh_store *s, const struct wh_image *i, const struct wh_artifacts *artifacts,
		    const struct wh_build_spec *spec, const struct wh_output *o, int stdout_fd, int64_t epoch,
		    struct wh_progress *p, struct wh_err **err);

/* ---------------------------------------------------------------- load.c */

#define WH_SERVICE_LOAD "load"
/* Outer side: docker, podman or containerd, through their own programs, which may need the user's environment and logins. arg is not used. */
int wh_load_service(void *arg, const json_t *request, json_t **ret_reply, struct wh_err **err);
/* Inner side: the image in a docker archive, whole before anybody reads it. Of an index, this machine's image. */
int wh_load_image(struct wh_inner *inner, struct wh_store *s, const struct wh_image *i, const struct wh_build_spec *spec,
		  const struct wh_output *o, int64_t epoch, struct wh_progress *p, struct wh_err **err);

/* ---------------------------------------------------------------- publish.c */

struct wh_proof;
struct wh_cache_share;
/* What a build made for one platform. */
struct wh_built {
	struct wh_target target;
	struct wh_image image;
	size_t n_base_layers;
	struct wh_hardening hardening;
	enum wh_isolation isolation; /* what its steps were kept apart by */
	json_t *provenance;          /* predicate */
	struct wh_proof *proof; /* set by wh_publish(). NULL: nothing was to be proved */
};
/* From the finished images to wherever they are to be: evidence, signatures, outputs, registries, the store's name for them. */
struct wh_publish {
	struct wh_store *store;
	struct wh_inner *inner;
	const struct wh_build_spec *spec;
	struct wh_progress *progress;
	const struct wh_layer_opts *layer;
	int64_t epoch;
	struct wh_cache_share *share; /* cache_opts.h: caches that go with the image; or NULL */
	struct wh_built *built;
	size_t n;              /* several: an index over them is what is named and handed on */
	struct wh_image image; /* set by the call, the caller releases it: image or index, as the only output wrote it where there is one */
};
int wh_publish(struct wh_publish *p, struct wh_err **err);

/* ---------------------------------------------------------------- registry_service.c */

#define WH_SERVICE_REGISTRY "registry"
/* Outer side: service for wh_outer_offer(), in which credentials live. arg is not used. */
int wh_cli_registry_service(void *arg, const json_t *request, json_t **ret_reply, struct wh_err **err);
/* Inner side. */
struct wh_cli_pull {
	struct wh_inner *inner;
	struct wh_store *store;
	struct wh_progress *progress;
	const struct wh_progress_row *row; /* of this pull; or NULL */
	enum wh_pull_policy policy;
	bool insecure;
};
int wh_cli_registry_builder_pull(void *arg /* struct wh_cli_pull */, const char *ref, const char *platform,
				 struct wh_digest *ret, struct wh_err **err); /* a wh_pull_fn */
/* To all these references; chunk: struct wh_output's. */
int wh_cli_registry_push(struct wh_inner *inner, struct wh_store *s, const struct wh_strv *refs, const struct wh_image *i,
			 const struct wh_artifacts *artifacts, bool insecure, uint64_t chunk,
			 const struct wh_progress_row *row, struct wh_err **err);

/* ---------------------------------------------------------------- image_ref.c */

/* An image by any name that the user has for it: a name or digest in the store, an id or its beginning, oci:DIR[:TAG] or
 * oci-layout://DIR[:TAG][@DIGEST]. root: what --root says, or NULL. platform: what --platform says, or NULL: of an index this
 * machine's image, and an image that is in none whatever it is for. The caller closes the store and releases the image. */
int wh_cli_image_open(const char *ref, const char *root, const char *platform, struct wh_store **ret_store, struct wh_image *ret,
		      struct wh_err **err);
/* The same, but an index as such, with all that is in it. */
int wh_cli_image_open_all(const char *ref, const char *root, struct wh_store **ret_store, struct wh_image *ret,
			  struct wh_err **err);
/* Which part of an index that is; -ENOENT names those there are. Of an image alone: it, or an error when it is for another platform. */
int wh_cli_image_part(const struct wh_image *i, const char *platform, const struct wh_image **ret, struct wh_err **err);
/* The directory when the name is a layout's (malloc'ed), else NULL. */
int wh_cli_image_layout(const char *ref, char **ret, struct wh_err **err);
/* The same words, docker://NAME and docker-archive:FILE (which is loaded), as a build's source: "docker-image://NAME[@DIGEST]" or
 * "oci-layout://DIR…"; malloc'ed. A name need not be in the store. */
int wh_cli_image_source(const char *ref, struct wh_store *s, char **ret, struct wh_err **err);
/* What is attached to it, where it was found. */
int wh_cli_image_artifacts(const char *ref, struct wh_store *s, const struct wh_image *i, struct wh_artifacts *ret,
			   struct wh_err **err);
/* The full names that ref gives it: of an id or a digest none, of a layout those that it has there. */
int wh_cli_image_names(const char *ref, struct wh_store *s, const struct wh_image *i, struct wh_strv *ret, struct wh_err **err);
/* The first of them, else "image"; malloc'ed. */
int wh_cli_image_name(const char *ref, struct wh_store *s, const struct wh_image *i, char **ret, struct wh_err **err);

/* Layers that are still in their registry (layers/origin.c) are brought when somebody reads them: lazy.c. */
struct wh_cli_lazy {
	struct wh_inner *inner; /* whose outer side offers the service "registry" */
	struct wh_store *store;
	struct wh_progress *progress;
	bool insecure;
};
/* From now on, until the store is closed; lazy must live as long. */
void wh_cli_lazy_serve(struct wh_cli_lazy *lazy);

/* An image whose files are looked into. What the records of packages say is in files, so the layers that hold them are
 * unpacked: within the user namespace. */
struct wh_cli_contents {
	struct wh_store *store;
	struct wh_cli_lazy lazy;
	struct wh_image image;
	struct wh_tree *tree;
	struct wh_packages packages;
};
/* Store and image, then into the user namespace. Not before: inside, everybody is root, and root's store is another. */
int wh_cli_contents_open(const char *ref, const char *root, const char *platform, struct wh_inner *inner,
			 struct wh_cli_contents *ret, struct wh_err **err);
/* Tree and packages. */
int wh_cli_contents_read(struct wh_cli_contents *c, struct wh_err **err);
void wh_cli_contents_release(struct wh_cli_contents *c); /* also of what failed half-way, or of {0} */

/* A new empty directory PARENT/whittle-WHAT-XXXXXX (parent NULL: $TMPDIR, else /tmp), which the caller removes; malloc'ed. It stays
 * locked while this process lives: those that killed ones left are removed here. */
int wh_cli_temp_dir(const char *parent, const char *what, char **ret, struct wh_err **err);

/* ---------------------------------------------------------------- commands */

extern const struct wh_command wh_cmd_build, wh_cmd_explain, wh_cmd_version, wh_cmd_help;
extern const struct wh_command wh_cmd_db, wh_cmd_scan;
extern const struct wh_command wh_cmd_check, wh_cmd_debug, wh_cmd_doctor;
extern const struct wh_command wh_cmd_pull, wh_cmd_push;
extern const struct wh_command wh_cmd_login, wh_cmd_logout;
extern const struct wh_command wh_cmd_run, wh_cmd_prune, wh_cmd_restore, wh_cmd_debug_shell;
extern const struct wh_command wh_cmd_sbom;
extern const struct wh_command wh_cmd_du, wh_cmd_gc;
extern const struct wh_command wh_cmd_images, wh_cmd_inspect, wh_cmd_history, wh_cmd_tag, wh_cmd_rm;
extern const struct wh_command wh_cmd_load, wh_cmd_save;
extern const struct wh_command wh_cmd_profile, wh_cmd_diff;
extern const struct wh_command wh_cmd_keygen, wh_cmd_sign, wh_cmd_verify;
/* Prints a buffer to standard output; exit code. */
int wh_cli_say(const struct wh_buf *text);

#endif
