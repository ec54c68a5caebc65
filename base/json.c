/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <errno.h>

/* Looks at the text alone, before anything is made of it. Text that is no JSON may be counted wrong: it is refused anyway. */
static bool too_many(const char *p, size_t n, size_t max)
{
	bool quoted = false;
	size_t values = 0;

	for (size_t i = 0; i < n; i++) {
		if (p[i] == '"')
			quoted = !quoted;
		else if (quoted)
			i += p[i] == '\\';
		else if ((p[i] == ',' || p[i] == '[' || p[i] == '{') && ++values > max)
			return true;
	}
	return false;
}

int wh_json_parse_max(const char *p, size_t n, const char *what, size_t max_values, json_t **ret, struct wh_err **err)
{
	json_error_t je;
	json_t *j;

	if (too_many(p, n, max_values))
		return wh_err_set(err, "base", WH_ERR_BUILD, EFBIG, "%s: it has more than %zu values", what,
				  max_values);
	j = json_loadb(n ? p : "", n, JSON_REJECT_DUPLICATES, &je);
	if (!j)
		return wh_err_set(err, "base", WH_ERR_BUILD, EINVAL, "%s: bad JSON in line %d, column %d: %s", what,
				  je.line, je.column, je.text);
	*ret = j;
	return 0;
}

int wh_json_parse(const char *p, size_t n, const char *what, json_t **ret, struct wh_err **err)
{
	return wh_json_parse_max(p, n, what, WH_JSON_VALUES_MAX, ret, err);
}

static int append(const char *p, size_t n, void *arg)
{
	struct wh_buf *out = arg;

	wh_buf_add(out, p, n);
	return wh_buf_ok(out) ? 0 : -1;
}

void wh_json_dump(const json_t *j, struct wh_buf *out)
{
	if (json_dump_callback(j, append, out, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) != 0)
		out->failed = true;
}

const char *wh_json_str(const json_t *obj, const char *key)
{
	return json_string_value(json_object_get(obj, key));
}

int64_t wh_json_int(const json_t *obj, const char *key, int64_t fallback)
{
	const json_t *v = json_object_get(obj, key);

	return json_is_integer(v) ? (int64_t)json_integer_value(v) : fallback;
}
