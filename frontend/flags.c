/* SPDX-License-Identifier: Apache-2.0 */
/* Flags of instructions, held against the list that the grammar gives. */
#include "frontend/syntax.h"

#include <errno.h>

#define FLAGS_MAX 64

/* Length of the name in "--name" or "--name=value". */
static size_t name_len(const char *flag)
{
	const char *eq = strchr(flag, '=');

	return eq ? (size_t)(eq - flag) : strlen(flag);
}

static const struct wh_flag_def *find(const struct wh_flag_def *defs, const char *flag)
{
	size_t n = name_len(flag);

	for (; defs && defs->name; defs++)
		if (strlen(defs->name) == n - 2 && memcmp(defs->name, flag + 2, n - 2) == 0)
			return defs;
	return NULL;
}

static int unknown(const struct wh_flag_def *defs, const char *flag, struct wh_err **err)
{
	WH_AUTO_FREE char *name = wh_strndup(flag + 2, name_len(flag) - 2);
	const char *names[FLAGS_MAX], *near;
	size_t n = 0;

	wh_usage(err, "unknown flag: --%s", name);
	for (; defs && defs->name && n < FLAGS_MAX; defs++)
		names[n++] = defs->name;
	near = wh_nearest(name, names, n);
	if (near)
		wh_err_hint(err, "did you mean --%s?", near);
	return -EINVAL;
}

static bool is_bool(const char *s)
{
	return strcasecmp(s, "true") == 0 || strcasecmp(s, "false") == 0;
}

int wh_flags_check(const struct wh_node *n, const struct wh_flag_def *defs, struct wh_err **err)
{
	size_t i, k;

	for (i = 0; i < n->n_flags; i++) {
		const char *flag = n->flags[i];
		const struct wh_flag_def *def;
		size_t len = name_len(flag);
		const char *value = flag[len] ? flag + len + 1 : NULL;

		if (wh_streq(flag, "--"))
			return 0;
		def = find(defs, flag);
		if (!def)
			return unknown(defs, flag, err);
		for (k = 0; k < i && def->type != WH_FLAG_LIST; k++)
			if (find(defs, n->flags[k]) == def)
				return wh_usage(err, "duplicate flag specified: --%s", def->name);
		if (def->type == WH_FLAG_BOOL ? value && !*value : !value)
			return wh_usage(err, "missing a value on flag: --%s", def->name);
		if (def->type == WH_FLAG_BOOL && value && !is_bool(value))
			return wh_usage(err, "expecting boolean value for flag --%s, not: %s", def->name, value);
	}
	return 0;
}

const char *wh_flag_next(const struct wh_node *n, const char *name, size_t *pos)
{
	size_t len = strlen(name);

	while (*pos < n->n_flags) {
		const char *flag = n->flags[(*pos)++];

		if (name_len(flag) == len + 2 && memcmp(flag + 2, name, len) == 0)
			return flag[len + 2] ? flag + len + 3 : "";
	}
	return NULL;
}

const char *wh_flag_text(const struct wh_node *n, const char *name)
{
	size_t pos = 0;

	return wh_flag_next(n, name, &pos);
}

bool wh_flag_bool(const struct wh_node *n, const char *name, bool fallback)
{
	const char *value = wh_flag_text(n, name);

	return value ? strcasecmp(value, "false") != 0 : fallback;
}
