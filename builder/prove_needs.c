/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of privileges (harden/runtime.h), need by need. */
#include "builder/prove_private.h"

static bool has_need(const json_t *list, const json_t *need)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		if (json_equal(one, need))
			return true;
	return false;
}

static void add_need(json_t *list, enum wh_control_kind kind, char *what)
{
	WH_AUTO_FREE char *text = what;
	WH_AUTO_JSON json_t *need = text ? json_pack("{s:s, s:s}", "kind", wh_control_kinds[kind], "what", text) : NULL;

	if (need && !has_need(list, need))
		json_array_append(list, need);
}

static void add_texts(json_t *list, enum wh_control_kind kind, const json_t *texts)
{
	const json_t *one;
	size_t i;

	json_array_foreach (texts, i, one)
		add_need(list, kind, wh_strdup(json_string_value(one)));
}

/* Rules of Landlock's, a word and a path or port each: "write_file /srv", "bind_tcp 8080". */
static void add_rules(json_t *list, const json_t *rules, const char *key)
{
	const json_t *rule, *word, *of;
	size_t i, k, m;

	json_array_foreach (rules, i, rule)
		json_array_foreach (json_object_get(rule, "access"), k, word)
			json_array_foreach (json_object_get(rule, key), m, of)
				add_need(list, WH_CONTROL_LANDLOCK,
					 json_is_string(of) ? wh_asprintf("%s %s", json_string_value(word), json_string_value(of))
							    : wh_asprintf("%s %lld", json_string_value(word),
									  (long long)json_integer_value(of)));
}

static json_t *needs_of(const json_t *privileges)
{
	const json_t *landlock = json_object_get(privileges, "landlock"), *one;
	json_t *list = json_array();
	size_t i;

	add_texts(list, WH_CONTROL_SECCOMP, json_object_get(privileges, "observed"));
	add_texts(list, WH_CONTROL_CAPABILITIES, json_object_get(privileges, "capabilities"));
	if (!json_is_true(json_object_get(privileges, "readOnlyRoot")))
		add_need(list, WH_CONTROL_READ_ONLY, wh_strdup("/"));
	json_array_foreach (json_object_get(privileges, "writable"), i, one)
		add_need(list, WH_CONTROL_READ_ONLY, wh_strdup(wh_json_str(one, "path")));
	add_rules(list, json_object_get(landlock, "fs"), "paths");
	add_rules(list, json_object_get(json_object_get(landlock, "net"), "rules"), "ports");
	return list;
}

json_t *wh_needs_new(const json_t *before, const json_t *after)
{
	WH_AUTO_JSON json_t *old = needs_of(before);
	WH_AUTO_JSON json_t *all = needs_of(after);
	json_t *fresh = json_array(), *one;
	size_t i;

	json_array_foreach (all, i, one)
		if (!has_need(old, one))
			json_array_append(fresh, one);
	return fresh;
}

void wh_needs_join(json_t *list, const json_t *more)
{
	json_t *one;
	size_t i;

	json_array_foreach (more, i, one)
		if (!has_need(list, one))
			json_array_append(list, one);
}

void wh_needs_words(const json_t *list, struct wh_buf *out)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		wh_buf_addf(out, "%s%s (%s)", i ? ", " : "", wh_json_str(one, "what"), wh_json_str(one, "kind"));
}
