/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build --lock FILE and --locked: what a build took from outside, written down, and held to.
 *
 *   lowering ─▶ bases  ┐                                    --lock: the file is written
 *   fetching ─▶ URLs   ┼▶ struct wh_lock ─▶ lock_file.c ──▶ --locked: it is read before, what is asked for is
 *   solving  ─▶ packages ┘                                  answered from it, and the result compared
 *
 * The file is made to be committed beside the Dockerfile: sorted, one thing a line, no times, nothing of the machine.
 *
 *   {
 *     "schema": 1,
 *     "bases": [
 *       {"name": "debian:12", "platform": "linux/amd64", "digest": "sha256:…"}
 *     ],
 *     "urls": [
 *       {"url": "https://example.org/x.tar", "digest": "sha256:…"}
 *     ],
 *     "repositories": [
 *       {"remote": "https://example.org/x.git", "ref": "main", "commit": "…"}
 *     ],
 *     "stages": [
 *       {"stage": "build", "platform": "linux/amd64", "packages": [
 *         {"type": "deb", "name": "curl", "version": "7.88.1-10", "arch": "amd64", "digest": "sha256:…"},
 *         {"type": "deb", "name": "gcc", "version": "4:12.2.0-3", "arch": "amd64", "digest": "sha256:…", "removed": true},
 *         {"type": "pypi", "name": "flask", "version": "3.0.0"}
 *       ]}
 *     ]
 *   }
 *
 * bases: each image that a FROM, a --from or a mount names, as it is written there (a named context by its name), with the digest of
 * the manifest. urls, repositories: of ADD and of named contexts, not the context itself; ref is left out where none is given.
 * stages: by name, else number; platform is what the image is built for. Packages: what the stage added to or changed in the tree
 * it stands on, before a PRUNE; "removed": installed and taken away again. digest: of the archive, where it was seen.
 */
#ifndef WH_CLI_LOCK_H
#define WH_CLI_LOCK_H

#include "cli/cli.h"

/* ---------------------------------------------------------------- lock_file.c */

/* A thing from outside: its name, what tells it from others of that name (or NULL), and what it was. */
struct wh_lock_source {
	char *name;   /* base, URL, remote */
	char *which;  /* base: platform; repository: reference or NULL; URL: NULL */
	char *digest; /* "sha256:…"; repository: the commit */
};
struct wh_lock_package {
	char *type, *name, *version;
	char *arch;   /* deb, else NULL */
	char *digest; /* NULL: its archive was not seen */
	bool removed;
};
struct wh_lock_stage {
	char *name, *platform;
	struct wh_lock_package *v;
	size_t n, cap;
};
enum wh_lock_list { WH_LOCK_BASES, WH_LOCK_URLS, WH_LOCK_REPOSITORIES, WH_LOCK_LISTS };
struct wh_lock {
	struct wh_lock_sources {
		struct wh_lock_source *v;
		size_t n, cap;
	} lists[WH_LOCK_LISTS];
	struct wh_lock_stage *stages;
	size_t n_stages, cap_stages;
};
void wh_lock_release(struct wh_lock *l);

/* name names the file in errors, which are of class USAGE and one line each. Nothing in the text is trusted. */
int wh_lock_parse(const char *text, size_t n, const char *name, struct wh_lock *ret, struct wh_err **err);
/* In the one order that there is. Appends. */
void wh_lock_print(struct wh_lock *l, struct wh_buf *out);
/* NULL: none. */
const struct wh_lock_source *wh_lock_find(const struct wh_lock *l, enum wh_lock_list list, const char *name, const char *which);
const struct wh_lock_stage *wh_lock_find_stage(const struct wh_lock *l, const char *name, const char *platform);
/* All strings are copied. A source that is there already is left as it is. */
void wh_lock_add(struct wh_lock *l, enum wh_lock_list list, const char *name, const char *which, const char *digest);
struct wh_lock_stage *wh_lock_add_stage(struct wh_lock *l, const char *name, const char *platform);
void wh_lock_add_package(struct wh_lock_stage *s, const struct wh_lock_package *p);
/* What of now is not as the lock says: a line each. What only the lock has counts in those stages that now has. */
void wh_lock_compare(struct wh_lock *lock, struct wh_lock *now, struct wh_strv *ret);
/* The same for archives that were just unpacked in a stage; seen: [{"name","version","arch","sha256"}, …]. */
void wh_lock_compare_seen(const struct wh_lock_stage *s, const json_t *seen, struct wh_strv *ret);
/* apt_preferences(5) that allow the stage's packages in their versions alone. Appends; nothing for a stage without. */
void wh_lock_pins(const struct wh_lock_stage *s, struct wh_buf *out);

/* ---------------------------------------------------------------- lock.c */

struct wh_locking {
	const struct wh_build_spec *spec;
	struct wh_store *store;
	struct wh_inner *inner;
	struct wh_progress *progress;
	struct wh_lock lock;       /* --locked: as it was read */
	struct wh_lock now;        /* this build */
	struct wh_strv pins;       /* texts that the lowering was given */
	const struct wh_image_resolver *images;
	struct wh_image_resolver resolver;
	wh_fetch_fn fetch;
	void *fetch_arg;
	const struct wh_lock_stage **stage_of; /* by vertex index */
	size_t n_stage_of;
};

/* Does the build lock, or keep to a lock? All calls below are for those alone. */
static inline bool wh_locking_wanted(const struct wh_build_spec *s)
{
	return s->lock != NULL;
}
/* Reads the file of --locked. The caller fills in what is borrowed: spec, store, inner, progress. */
int wh_locking_open(struct wh_locking *l, struct wh_err **err);
void wh_locking_close(struct wh_locking *l);
/* Around the builder: its options before it is made, its resolver for the lowering, the steps between lowering and solving. */
void wh_locking_opts(struct wh_locking *l, struct wh_builder_opts *o);
const struct wh_image_resolver *wh_locking_resolver(struct wh_locking *l, const struct wh_image_resolver *images);
const char *wh_locking_pins(void *locking, const char *stage, const char *platform); /* wh_lower_opts.pins_of */
void wh_locking_begin(struct wh_locking *l, const struct wh_graph *g, const struct wh_target *targets, size_t n);
/* A build that failed: says so where it is the lock's doing. */
void wh_locking_failed(const struct wh_locking *l, struct wh_err **err);
/* The builder is gone: collects, then writes the file or compares. */
int wh_locking_end(struct wh_locking *l, const struct wh_outcomes *o, const struct wh_target *targets, size_t n, struct wh_err **err);

#endif
