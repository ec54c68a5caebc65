/* SPDX-License-Identifier: Apache-2.0 */
/* USER and --chown texts against the passwd and group files of an image (hostile text; bounded). */
#ifndef WH_BASE_PASSWD_H
#define WH_BASE_PASSWD_H

#include "base/err.h"
#include "base/str.h"

struct wh_user {
	uint32_t uid, gid;
	uint32_t groups[64]; /* supplementary: every group whose member list names the user (only when no group was given) */
	size_t n_groups;
	char home[256];      /* from passwd; "" when unknown */
	char name[64];       /* from passwd; "" when unknown */
};

/* spec: "", "name", "uid", "name:group", "uid:gid" …; "" is 0:0. Either text may be empty (no such file).
 * for_chown: --chown's rule: a lone uid or name sets gid to the same number (numeric) or the user's primary group (name).
 * Unknown names are errors that say which file was looked into. */
int wh_user_resolve(const char *spec, struct wh_str passwd, struct wh_str group, bool for_chown, struct wh_user *ret,
		    struct wh_err **err);

#endif
