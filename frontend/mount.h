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
	const char *env; /* as BuildKit: any type takes it, secrets heed it */
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

/* "KEY=value": the key in lower case (malloc'ed); *ret_value is NULL when there is no '='. */
char *wh_field_split(const char *field, const char **ret_value);
/* Go's ParseBool. */
int wh_field_bool(const char *key, const char *s, bool *ret, struct wh_err **err);

/* Are all --device of a RUN well formed? */
int wh_devices_check(const struct wh_node *n, struct wh_err **err);
/* RUN --device=[name=]NAME[,required[=BOOL]]: CDI devices. *ret_required: is the step to fail without it? */
int wh_device_parse(struct wh_arena *a, const char *text, const char **ret_name, bool *ret_required, struct wh_err **err);

#endif
