/* SPDX-License-Identifier: Apache-2.0 */
/* What `whittle prune` was told, as the instructions that it stands for; and errors of these as the options that they came of. */
#ifndef WH_CLI_PRUNE_WORDS_H
#define WH_CLI_PRUNE_WORDS_H

#include "cli/cli.h"
#include "frontend/frontend.h"

/* The words as they were typed; strings are argv's. */
struct wh_prune_flags {
	struct wh_build_flags build; /* what whittle build has, too */
	const char *image;           /* the argument */
	struct wh_strv command;      /* behind "--": one more test command, in exec form */
	struct wh_strv run;          /* --run: shell commands, or JSON arrays */
	const char *tests;           /* --tests: where they run; NULL: in the image itself, before it is pruned */
	struct wh_strv tests_dirs;   /* DIR[:PATH] */
	const char *entrypoint, *cmd, *user, *health; /* the result's, and so the tested one's, in place of the image's */
	bool no_health;
	/* PROFILE's and PRUNE's, by their names there */
	struct wh_strv ready, share, env, mount, keep, drop, setuid;
	const char *start, *network, *timeout, *mode, *shell, *repair, *max_risk, *runtime;
	unsigned runs; /* 0: not given */
};

/* Judges what needs no image: there is something to run, directories are there. */
int wh_prune_words_check(const struct wh_prune_flags *f, struct wh_err **err);
/* As struct wh_composer has them; arg is struct wh_prune_flags. */
int wh_prune_words_compose(void *arg, struct wh_build_spec *spec, struct wh_store *store, struct wh_dockerfile **ret,
			   struct wh_err **err);
void wh_prune_words_tell(void *arg, struct wh_err *err);

#endif
