/* SPDX-License-Identifier: Apache-2.0 */
/* What the command line of `whittle run` says, checked; then what it and the image's config make of each other. */
#ifndef WH_CLI_RUN_SPEC_H
#define WH_CLI_RUN_SPEC_H

#include "cli/cli.h"

#define WH_RUN_FAILED 125 /* exit code: whittle's own failure, as docker's */

struct wh_run_flags {
	bool interactive, tty, publish_all, read_only, init, insecure;
	const char *workdir, *user, *entrypoint, *hostname, *network, *shm_size, *platform, *pull, *root, *stop_signal,
		*stop_timeout, *profile_out;
	struct wh_strv env, env_files, volumes, mounts, tmpfs, publish, add_hosts, ulimits;
};

enum wh_run_mount_kind { WH_RUN_BIND, WH_RUN_VOLUME, WH_RUN_TMPFS };
struct wh_run_mount {
	enum wh_run_mount_kind kind;
	char *source; /* BIND: absolute path; VOLUME: name, NULL: one for this run alone */
	char *target; /* absolute, cleaned */
	bool readonly;
	bool make; /* BIND: a directory, when there is none */
	bool copy; /* VOLUME: a new one starts with what the image has there */
	uint64_t size;
	uint32_t mode; /* TMPFS; 0: 1777 */
};

enum wh_run_network { WH_RUN_NET_DEFAULT, WH_RUN_NET_NONE, WH_RUN_NET_HOST };

/* debug_shell.c: what lies below the image. */
struct wh_run_spec;
struct wh_run_below {
	struct wh_run_spec *spec;
	struct wh_inner *inner;
	struct wh_store *store;
	const char *ref;
	const struct wh_image *image;
	bool pulled; /* just now: what is attached to it is still there */
};
struct wh_run_under {
	void *arg;
	/* Before the user namespace: the layers to run on, lowest first (of ret only those), which the caller releases; may add to the spec. */
	int (*find)(void *arg, const struct wh_run_below *b, struct wh_image *ret, struct wh_err **err);
	/* Within it, before anything is mounted. */
	int (*fill)(void *arg, const struct wh_run_below *b, struct wh_err **err);
};

struct wh_run_spec {
	const struct wh_run_under *under; /* or NULL */
	const char *ref;
	const struct wh_run_flags *flags;
	struct wh_strv words; /* after the image's name */
	struct wh_strv env;   /* KEY=VALUE; KEY alone: the image's is to go */
	struct wh_run_mount *mounts;
	size_t n_mounts, cap_mounts;
	struct wh_port *ports;
	size_t n_ports, cap_ports;
	enum wh_run_network network;
	enum wh_pull_policy pull;
	uint64_t shm_size;
	int stop_signal; /* 0: the image's */
	uint64_t stop_ms;
};
int wh_run_spec_make(const struct wh_run_flags *f, const struct wh_strv *args, struct wh_run_spec *ret,
		     struct wh_err **err);
void wh_run_spec_release(struct wh_run_spec *s);

/* The image's part. */
struct wh_run_config {
	struct wh_strv args, env;
	char *cwd, *user;
	int stop_signal;
};
/* Volumes and (with -P) ports of the config are added to the spec. -EINVAL: there is no command. */
int wh_run_config_make(struct wh_run_spec *s, const json_t *config, struct wh_run_config *ret, struct wh_err **err);
void wh_run_config_release(struct wh_run_config *c);

/* run_profile.c: --profile-out. A file for the log, which has no name; the document of it, when the run is over. */
int wh_run_profile_open(struct wh_store *s, int *ret, struct wh_err **err);
int wh_run_profile_save(struct wh_store *s, const struct wh_image *i, int fd, const char *path, struct wh_err **err);

/* run_words.c: one value of an option each. */
int wh_run_port_parse(struct wh_run_spec *s, const char *text, struct wh_err **err);
int wh_run_volume_parse(struct wh_run_spec *s, const char *text, struct wh_err **err);
int wh_run_mount_parse(struct wh_run_spec *s, const char *text, struct wh_err **err);
int wh_run_tmpfs_parse(struct wh_run_spec *s, const char *text, struct wh_err **err);

/* run_container.c: in the inner process. The exit code. */
int wh_run_container(struct wh_run_spec *s, struct wh_inner *inner);
/* cmd_run.c: outer and inner process. The exit code, or negative with err. */
int wh_run_start(struct wh_run_spec *s, struct wh_err **err);

#endif
