/* SPDX-License-Identifier: Apache-2.0 */
/* What lowering notes of each stage, so that an outline can tell which arguments, secrets, agents and caches it takes. */
#ifndef WH_FRONTEND_OUTLINE_H
#define WH_FRONTEND_OUTLINE_H

#include "frontend/frontend.h"

struct wh_lower;
struct wh_stage;
struct wh_cmd;

struct wh_outline_arg {
	const char *name, *value, *description; /* in the arena; description NULL: none */
	unsigned line, last_line;
	struct wh_strv needs; /* global ARGs that its default names */
};

struct wh_outline_mount {
	enum wh_mount_type type; /* secret, ssh, cache */
	const char *id;
	bool required;
	unsigned line, last_line;
};

struct wh_outline {
	struct wh_outline_arg *args; /* ARGs with a value or default of their own; of a name the latest */
	size_t n_args, cap_args;
	struct wh_strv used;             /* names that FROM used, or that ARG declared */
	struct wh_outline_mount *mounts; /* of an id the first */
	size_t n_mounts, cap_mounts;
};

/* An ARG; value NULL: none. needs: what its default named, or NULL. The same name again keeps its old needs where it needs itself. */
void wh_outline_arg(struct wh_lower *l, struct wh_outline *o, const struct wh_node *n, const struct wh_pos *pos,
		    const char *name, const char *value, const struct wh_strv *needs);
void wh_outline_use(struct wh_outline *o, const char *name);
/* Mounts of a command of the stage. */
void wh_outline_mounts(struct wh_stage *s, const struct wh_cmd *c, const struct wh_op_exec *op);
void wh_outline_release(struct wh_outline *o);
/* The answer for a target whose stages are lowered. */
json_t *wh_outline_json(struct wh_lower *l, struct wh_stage *target);

#endif
