/* SPDX-License-Identifier: Apache-2.0 */
/* The lock file of a profile: needs by stage, written so that a review reads it as lines that came and went. */
#include "harden/harden.h"
#include "harden/tree.h"

#include <errno.h>

static int wrong(struct wh_err **err, const char *what, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int wrong(struct wh_err **err, const char *what, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	wh_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_USAGE, EBADMSG, "%s is no lock of a profile: %s", what, text.p);
	wh_err_hint(err, "build --update-lock writes it anew; remove it first where it cannot be mended");
	return -EBADMSG;
}

static bool is_kind(const char *key)
{
	for (size_t k = 0; k < WH_NEED_KINDS; k++)
		if (wh_streq(key, wh_need_names[k]))
			return true;
	return false;
}

static int check_stage(const char *what, const char *stage, json_t *needs, struct wh_err **err)
{
	struct wh_needs read;
	const char *key;
	json_t *list;
	int r;

	if (!json_is_object(needs))
		return wrong(err, what, "stage \"%s\" is no object", stage);
	json_object_foreach (needs, key, list)
		if (!is_kind(key))
			return wrong(err, what, "stage \"%s\" has \"%s\", which is no kind of need", stage, key);
	r = wh_needs_of_json(needs, what, &read, err);
	if (r == 0)
		wh_needs_release(&read);
	return r;
}

int wh_profile_lock_read(const char *text, size_t n, const char *what, json_t **ret, struct wh_err **err)
{
	WH_AUTO_JSON json_t *doc = NULL;
	json_t *stages, *one;
	const char *key;
	int r = wh_json_parse(text, n, what, &doc, err);

	if (r < 0) {
		if (err && *err)
			(*err)->class = WH_ERR_USAGE;
		return r;
	}
	stages = json_object_get(doc, "stages");
	if (!wh_streq(wh_json_str(doc, "$schema"), WH_LOCK_SCHEMA))
		return wrong(err, what, "its \"$schema\" is not " WH_LOCK_SCHEMA);
	if (!json_is_object(stages))
		return wrong(err, what, "\"stages\" is missing");
	json_object_foreach (doc, key, one)
		if (!wh_streq(key, "$schema") && !wh_streq(key, "stages"))
			return wrong(err, what, "\"%s\" is not known", key);
	json_object_foreach (stages, key, one) {
		r = check_stage(what, key, one, err);
		if (r < 0)
			return r;
	}
	*ret = WH_TAKE_PTR(doc);
	return 0;
}

/* ---------------------------------------------------------------- writing */

static void add_string(struct wh_buf *out, const json_t *j)
{
	char *text = json_dumps(j, JSON_ENCODE_ANY);

	wh_buf_adds(out, text ? text : "\"\"");
	free(text);
}

static void add_name(struct wh_buf *out, const char *name)
{
	WH_AUTO_JSON json_t *j = json_string(name);

	add_string(out, j);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_needs(struct wh_buf *out, const json_t *needs)
{
	for (size_t k = 0; k < WH_NEED_KINDS; k++) {
		const json_t *list = json_object_get(needs, wh_need_names[k]), *one;
		size_t i;

		wh_buf_addf(out, "%s      \"%s\": [", k ? ",\n" : "", wh_need_names[k]);
		json_array_foreach (list, i, one) {
			wh_buf_addf(out, "%s\n        ", i ? "," : "");
			add_string(out, one);
		}
		wh_buf_adds(out, json_array_size(list) ? "\n      ]" : "]");
	}
}

void wh_profile_lock_dump(const json_t *lock, struct wh_buf *out)
{
	json_t *stages = json_object_get(lock, "stages"), *needs;
	WH_AUTO_FREE const char **names = wh_calloc(json_object_size(stages) + 1, sizeof(*names));
	const char *key;
	size_t n = 0;

	json_object_foreach (stages, key, needs)
		names[n++] = key;
	qsort(names, n, sizeof(*names), by_text);
	wh_buf_adds(out, "{\n  \"$schema\": \"" WH_LOCK_SCHEMA "\",\n  \"stages\": {");
	for (size_t i = 0; i < n; i++) {
		wh_buf_addf(out, "%s\n    ", i ? "," : "");
		add_name(out, names[i]);
		wh_buf_adds(out, ": {\n");
		add_needs(out, json_object_get(stages, names[i]));
		wh_buf_adds(out, "\n    }");
	}
	wh_buf_adds(out, n ? "\n  }\n}\n" : "}\n}\n");
}
