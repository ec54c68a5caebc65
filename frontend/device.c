/* SPDX-License-Identifier: Apache-2.0 */
/* RUN --device: a device by its CDI name. */
#include "frontend/mount.h"
#include "frontend/syntax.h"

#include <errno.h>

static int unexpected(const char *key, const char *field, struct wh_err **err)
{
	const char *names[] = {"name", "required"}, *near;

	wh_usage(err, "unexpected key '%s' in '%s'", key, field);
	near = wh_nearest(key, names, WH_ARRAY_SIZE(names));
	if (near)
		wh_err_hint(err, "did you mean %s?", near);
	return -EINVAL;
}

/* A first field that is no known key is the name as it stands: CDI names hold a '='. */
static int take_field(struct wh_arena *a, const char *field, const char **name, bool *required, struct wh_err **err)
{
	const char *value;
	WH_AUTO_FREE char *key = wh_field_split(field, &value);

	if (wh_streq(key, "required")) {
		*required = true;
		return value ? wh_field_bool(key, value, required, err) : 0;
	}
	if (value && wh_streq(key, "name")) {
		if (*name)
			return wh_usage(err, "device name already set to %s", *name);
		*name = wh_arena_strdup(a, value);
		return 0;
	}
	if (!*name) {
		*name = wh_arena_strdup(a, field);
		return 0;
	}
	return value ? unexpected(key, field, err)
		     : wh_usage(err, "invalid field '%s' must be a key=value pair", field);
}

int wh_device_parse(struct wh_arena *a, const char *text, const char **ret_name, bool *ret_required, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv fields = {0};
	const char *name = NULL;
	bool required = false;
	size_t i;
	int r = wh_words_csv(text, &fields, err);

	if (r < 0)
		wh_err_wrap(err, "failed to parse csv devices");
	for (i = 0; i < fields.n && r == 0; i++)
		r = take_field(a, fields.v[i], &name, &required, err);
	if (r < 0)
		return r;
	*ret_name = name ? name : "";
	*ret_required = required;
	return 0;
}

int wh_devices_check(const struct wh_node *n, struct wh_err **err)
{
	WH_AUTO_ARENA struct wh_arena *a = wh_arena_new();
	const char *text, *name;
	bool required;
	size_t pos = 0;
	int r = 0;

	while (r == 0 && (text = wh_flag_next(n, "device", &pos)))
		r = wh_device_parse(a, text, &name, &required, err);
	return r;
}
