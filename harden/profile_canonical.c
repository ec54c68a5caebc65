/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What equal observations have in common: a profile without marks and runs, which timing decides, and with numbers in the names that the run itself made as
 * "[n]" (a server's temp-4711.rdb has its process's number in it). Only parts of a path that were made are touched: where something was made, and so what is
 * kept for it, stays as it was.
 */
#include "harden/profile_private.h"
#include "harden/tree.h"

#include <errno.h>

/* p's parts of a path, with numbers replaced where made() says that the path up to there was made. last: the last part was, in any case. */
static char *without_numbers(const char *path, const json_t *made, bool last)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	for (const char *p = path; *p;) {
		size_t n = strcspn(p, "/");
		WH_AUTO_FREE char *prefix = wh_strndup(path, (size_t)(p - path) + n);
		bool replace = json_object_get(made, prefix) || (last && !p[n]);

		for (size_t i = 0; i < n;) {
			size_t digits = strspn(p + i, "0123456789");

			if (digits && replace)
				wh_buf_adds(&b, "[n]");
			else
				wh_buf_add(&b, p + i, digits ? digits : 1);
			i += digits ? digits : 1;
		}
		p += n;
		if (*p)
			wh_buf_addc(&b, *p++);
	}
	return b.n ? wh_buf_take(&b) : wh_strdup("");
}

static int by_number(const void *a, const void *b)
{
	json_int_t x = *(const json_int_t *)a, y = *(const json_int_t *)b;

	return x < y ? -1 : x > y;
}

/* Two entries as one: who and how. */
static void unite(json_t *to, const json_t *from)
{
	const json_t *theirs = json_object_get(from, "by"), *ours = json_object_get(to, "by");
	size_t n = 0, all = json_array_size(ours) + json_array_size(theirs);
	WH_AUTO_FREE json_int_t *v = wh_calloc(all + 1, sizeof(*v));
	char access[sizeof(WH_PROFILE_LETTERS)];
	const char *a = wh_json_str(to, "access"), *b = wh_json_str(from, "access");
	json_t *by = json_array();
	size_t k = 0;

	for (size_t i = 0; i < json_array_size(ours); i++)
		v[n++] = json_integer_value(json_array_get(ours, i));
	for (size_t i = 0; i < json_array_size(theirs); i++)
		v[n++] = json_integer_value(json_array_get(theirs, i));
	qsort(v, n, sizeof(*v), by_number);
	for (size_t i = 0; i < n; i++)
		if (!i || v[i] != v[i - 1])
			json_array_append_new(by, json_integer(v[i]));
	json_object_set_new(to, "by", by);
	for (size_t i = 0; WH_PROFILE_LETTERS[i]; i++)
		if ((a && strchr(a, WH_PROFILE_LETTERS[i])) || (b && strchr(b, WH_PROFILE_LETTERS[i])))
			access[k++] = WH_PROFILE_LETTERS[i];
	access[k] = '\0';
	json_object_set_new(to, "access", json_string(access));
}

static json_t *by_path(const json_t *list)
{
	json_t *o = json_object();

	for (size_t i = 0; i < json_array_size(list); i++) {
		json_t *entry = json_array_get(list, i);
		const char *path = wh_json_str(entry, "path");

		if (path)
			json_object_set(o, path, entry);
	}
	return o;
}

static int in_order(const void *a, const void *b)
{
	return strcmp(wh_json_str(*(json_t *const *)a, "path"), wh_json_str(*(json_t *const *)b, "path"));
}

static json_t *sorted(json_t *map)
{
	size_t n = json_object_size(map), i = 0;
	WH_AUTO_FREE json_t **v = wh_calloc(n + 1, sizeof(json_t *));
	json_t *list = json_array(), *entry;
	const char *path;

	json_object_foreach (map, path, entry)
		v[i++] = entry;
	qsort(v, n, sizeof(json_t *), in_order);
	for (i = 0; i < n; i++)
		json_array_append(list, v[i]);
	return list;
}

static void name_what_was_made(json_t *profile)
{
	WH_AUTO_JSON json_t *made = by_path(json_object_get(profile, "created"));
	WH_AUTO_JSON json_t *named = json_object();
	WH_AUTO_JSON json_t *rest = json_array();
	const json_t *missing = json_object_get(profile, "missing");
	const char *path;
	json_t *entry;

	json_object_foreach (made, path, entry) {
		WH_AUTO_FREE char *name = without_numbers(path, made, false);
		json_t *same = json_object_get(named, name);

		if (same) {
			unite(same, entry);
			continue;
		}
		json_object_set_new(entry, "path", json_string(name));
		json_object_set(named, name, entry);
	}
	for (size_t i = 0; i < json_array_size(missing); i++) {
		json_t *one = json_array_get(missing, i);
		WH_AUTO_FREE char *name = without_numbers(wh_json_str(one, "path") ? wh_json_str(one, "path") : "", made, true);

		/* One of a family that is made at other times. */
		if (!json_object_get(named, name))
			json_array_append(rest, one);
	}
	json_object_set_new(profile, "created", sorted(named));
	json_object_set(profile, "missing", rest);
}

json_t *wh_profile_canonical(const json_t *profile)
{
	json_t *copy = json_deep_copy(profile), *list, *entry;
	const char *key;
	size_t i;

	json_object_del(copy, "marks");
	json_object_del(copy, "runs");
	json_object_foreach (copy, key, list) {
		json_array_foreach (list, i, entry) {
			json_object_del(entry, "when");
			json_object_del(entry, "runs");
		}
	}
	name_what_was_made(copy);
	return copy;
}
