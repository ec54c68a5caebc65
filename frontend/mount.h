/* SPDX-License-Identifier: Apache-2.0 */
/* RUN --mount=…: its text taken apart and judged. */
#ifndef WH_FRONTEND_MOUNT_H
#define WH_FRONTEND_MOUNT_H

#include "frontend/frontend.h"

struct wh_mount_spec {
	enum wh_mount_type type;
	const char *from; /* strings are "" when not given, and in the arena */
	const char *source;
	const char *target;
	const char *id;
	const char *env;
	bool has_env;
	bool readonly;
	bool required;
	enum wh_sharing sharing;
	bool has_sharing;
	uint64_t size;
	bool has_mode, has_uid, has_gid;
	uint32_t mode, uid, gid;
};

/* Expands one word; the result is malloc'ed. */
typedef int (*wh_expand_fn)(void *arg, const char *word, char **ret, struct wh_err **err);

/* What shows before variables are known: the CSV, and "from", which takes none. */
int wh_mount_check(const char *text, struct wh_err **err);
/* The value of "from", NULL when not given; in the arena. Only after wh_mount_check(). */
const char *wh_mount_from(struct wh_arena *a, const char *text);
int wh_mount_parse(struct wh_arena *a, const char *text, wh_expand_fn expand, void *arg, struct wh_mount_spec *ret,
		   struct wh_err **err);

#endif
