/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One step being prepared, run and committed: shared by op_exec.c (its life) and exec_mount.c (its mounts). The
 * driver of a
 * PROFILE is one, too, but for its life (profile_run.c).
 */
#ifndef WH_BUILDER_EXEC_PRIVATE_H
#define WH_BUILDER_EXEC_PRIVATE_H

#include "builder/builder_private.h"
#include "builder/killed.h"
#include "builder/mask.h"

/* The last lines of an output, as a terminal would have left them: of a line that was written over (CR) its last state; of a very long one
 * both ends; NULs as ^@ (tail.c). */
struct wh_tail {
	struct wh_buf done;       /* lines that have ended, as they are shown */
	size_t n_done;            /* how many of them are kept */
	struct wh_buf head, rest; /* of the one that has not: its first bytes, and its last … */
	uint64_t between;         /* … and how many are missing between them */
	bool cr;                  /* and a CR behind them */
	uint64_t lines;           /* that have ended, in all */
};
void wh_tail_keep(struct wh_tail *t, const char *p, size_t n);
/* NULL: nothing was printed. *ret_shown of *ret_lines; malloc'ed. */
char *wh_tail_text(const struct wh_tail *t, size_t *ret_shown, uint64_t *ret_lines);
bool wh_tail_empty(const struct wh_tail *t);
void wh_tail_release(struct wh_tail *t);

struct wh_exec_mount {
	struct wh_work *work;   /* bind, cache with from=: the input's tree */
	struct wh_layer local;  /* bind from a local directory: its tree, made for this step */
	struct wh_digest took;  /* of what is in it */
	struct wh_root overlay; /* the work's, as the sandbox wants it */
	int lock;               /* cache: holds its directory; -1: none */
	unsigned slot;          /* cache, private: which of its directories */
	char *dir, *dir_work;   /* cache: absolute */
	char *source;           /* bind from a local directory: where the source's symlinks lead */
	struct wh_ssh_relay *relay; /* ssh: the step's socket */
};

struct wh_exec {
	struct wh_builder *b;
	struct wh_node *node;        /* whose inputs the mounts name */
	const struct wh_op_exec *op;
	struct wh_work *root;
	struct wh_exec_mount *mounts; /* as the operation's */
	size_t n_mounts;
	struct wh_bind *binds; /* for the step, in order; a secret that is only a variable has none */
	size_t n_binds;
	struct wh_strv env;
	struct wh_seen *seen; /* apt is watched */

	bool running; /* id is of a step whose end was not told yet */
	bool over;    /* it ran to its good end: commit */
	uint64_t id;
	int out, err;          /* read ends of its pipes */
	struct wh_killed before; /* whom the kernel had killed when it started */
	struct wh_mask *mask;  /* the secrets it was given */
	struct wh_buf held[2]; /* of either stream: what may be the beginning of one */
	struct wh_tail tail;   /* the last of its output */
};

/* exec_mount.c */
struct wh_exec *wh_exec_new(struct wh_node *n, const struct wh_op_exec *op);
/* Takes its cache mounts, all or none: 1, 0 when one is held by another, or -errno. */
int wh_exec_try_lock(struct wh_exec *x, struct wh_err **err);
/* Job: what the mounts need is made; then the binds, with room for more behind them. */
int wh_exec_mounts_prepare(struct wh_exec *x, size_t more, struct wh_err **err);
/* Job: mount i (or, as n_mounts, a driver's root) was made from these files. */
void wh_exec_took(struct wh_node *n, size_t i, const struct wh_digest *d);
void wh_exec_mounts_release(struct wh_exec *x); /* trees are discarded, locks dropped */
/* On the loop: its ssh sockets are served from now on; no longer. Before the step starts; when it is over. */
void wh_exec_serve(struct wh_exec *x);
void wh_exec_serve_end(struct wh_exec *x);

/* exec_seen.c. Does the step have a mount of its own there, or above? */
bool wh_exec_covers(const struct wh_op_exec *op, const char *path);
/* Job, behind the mounts, with room for three binds more: apt is watched where the root has one. */
#define WH_SEEN_BINDS 3
int wh_seen_prepare(struct wh_exec *x, struct wh_err **err);
/* Job, when the step went well: what was seen, as a blob. */
int wh_seen_finish(struct wh_exec *x, struct wh_digest *ret, struct wh_err **err);
void wh_seen_free(struct wh_exec *x);

/* ssh_relay.c. Job: the socket. The agent's path is borrowed. */
struct wh_ssh_relay;
int wh_ssh_relay_new(struct wh_builder *b, const char *agent, uint32_t uid, uint32_t gid, uint32_t mode,
		     struct wh_ssh_relay **ret, struct wh_err **err);
const char *wh_ssh_relay_path(const struct wh_ssh_relay *r);
void wh_ssh_relay_open(struct wh_ssh_relay *r);  /* on the loop */
void wh_ssh_relay_close(struct wh_ssh_relay *r); /* on the loop; again is harmless */
void wh_ssh_relay_free(struct wh_ssh_relay *r);  /* closed: any thread */
/* As Go's %q writes strings, with blanks between. */
void wh_args_quote(struct wh_buf *b, const char *const *args);
/* op_exec.c: all that a command in it needs, but for its pipes. Borrows from x. */
void wh_exec_step(struct wh_exec *x, struct wh_step *ret);
/* failed.c: the step has failed and is the one to be shown: it is kept (true), until the solve's loop has ended. */
bool wh_failed_hold(struct wh_node *n, const struct wh_step_result *res);
/* op_exec.c: the environment but for what mounts add. */
void wh_exec_env(struct wh_exec *x);

#endif
