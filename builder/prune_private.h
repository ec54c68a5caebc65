/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A PRUNE at work. Files:
 *
 *   op_prune.c       the operation: decide, write, test, document
 *   prune_repair.c   what a run on the pruned tree looked for in vain, and what is done about it
 *   prune_risk.c     --max-risk: may it be shipped?
 *   prune_fail.c     the tests pass before and fail after it: both logs, and where the two runs differ first
 *
 * A round: the layer is written, and every PROFILE of the stage runs on it. What a run looked for in vain, passed or not, and the
 * full tree has, is put back for the next round; a round in which nothing was missing is the last.
 */
#ifndef WH_BUILDER_PRUNE_PRIVATE_H
#define WH_BUILDER_PRUNE_PRIVATE_H

#include "builder/profile_private.h"

struct wh_prune {
	const struct wh_op_prune *op;
	json_t **profiles; /* documents; n_inputs - 1 */
	size_t n_profiles; /* those of --profile-in last */
	size_t n_trials;   /* the PROFILEs of the stage */
	struct wh_node *node;
	struct wh_trace *traces; /* of the profiles, when somebody asked */
	struct wh_obs_log *logs; /* of all of them */
	size_t n_logs;
	struct wh_layer layer; /* of this round */
	json_t *report;
	json_t *risk;       /* of the first round (harden.h); "max_risk", "fallback":"package", "observed_risk" added */
	bool fallback, risk_said;
	json_t *runs;       /* array, one entry a profile */
	size_t at;          /* the profile under test */
	struct wh_err *why; /* how its tests failed; NULL: they passed */

	/* What was looked for in vain. */
	unsigned attempts;       /* rounds of repair so far */
	struct wh_strv repaired; /* put back so far */
	struct wh_strv fresh;    /* to be put back: of this round */
	struct wh_repairs missing; /* of the last run */
	struct wh_strv tried;    /* shells that this round tried to run: who did, in words */
	struct wh_strv held;     /* of this round: paths in lacking */
	json_t *unforeseen;      /* array for the report: put back */
	json_t *lacking;         /* array for the report: not put back, of this round */
};

/* ---------------------------------------------------------------- op_prune.c */

/* The trees. */
int wh_prune_open_full(const struct wh_node *n, struct wh_tree **ret, struct wh_err **err);
/* What harden/ needs to know of the operation; borrowed from p. */
void wh_prune_opts_of(struct wh_prune *p, struct wh_prune_opts *ret);
/* The next round: decides and writes anew. */
void wh_prune_again(struct wh_node *n);
/* The next PROFILE, or the end of the round. */
void wh_prune_next(struct wh_node *n);
void wh_prune_finish(struct wh_node *n); /* all is well: the document */
void wh_prune_end(struct wh_node *n);    /* with job_r */

/* ---------------------------------------------------------------- prune_repair.c */

/* A trial is over, n->trial is there still: what did it look for? Goes on by itself. */
void wh_prune_look(struct wh_node *n);
/* All PROFILEs of the round passed. */
void wh_prune_round_over(struct wh_node *n);
/* Of every round. */
void wh_prune_forget_round(struct wh_prune *p);

/* ---------------------------------------------------------------- prune_risk.c */

/* Job: once, when what was observed was decided on. Sets package mode in o where --max-risk wants it; WH_ERR_GATE where nothing helps. */
int wh_prune_risk(struct wh_prune *p, struct wh_tree *full, struct wh_prune_opts *o, struct wh_err **err);
void wh_prune_say_risk(struct wh_node *n); /* once */

/* ---------------------------------------------------------------- prune_fail.c */

void wh_prune_fail(struct wh_node *n);

#endif
