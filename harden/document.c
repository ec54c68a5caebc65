/* SPDX-License-Identifier: Apache-2.0 */
#include "harden/document_private.h"
#include "harden/profile_private.h"
#include "harden/tree.h"

#include <errno.h>

const struct wh_access_word wh_access_words[] = {
	{'r', "read"},   {'w', "write"},  {'x', "execute"}, {'s', "stat"},   {'l', "list"},  {'c', "create"},
	{'d', "remove"}, {'m', "change"}, {'k', "link"},    {'u', "socket"}, {'g', "enter"}, {0, NULL},
};

/* ---------------------------------------------------------------- sets of texts */

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static json_t *texts(struct wh_strv *v)
{
	json_t *list = json_array();

	if (v->n)
		qsort(v->v, v->n, sizeof(*v->v), by_text);
	for (size_t i = 0; i < v->n; i++)
		if (!i || !wh_streq(v->v[i], v->v[i - 1]))
			json_array_append_new(list, json_string(v->v[i]));
	return list;
}

/* ---------------------------------------------------------------- processes */

struct ids {
	struct wh_strv v; /* one a process of the profile, in its order */
};

static const char *base_of(const json_t *process)
{
	const char *script = wh_json_str(process, "script"), *program = wh_json_str(process, "program");
	const char *path = script ? script : program ? program : "?", *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* All that tells a chain from others. */
static char *chain_text(const json_t *processes, size_t index)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	for (const json_t *p = json_array_get(processes, index); p;) {
		int64_t parent = wh_json_int(p, "parent", -1);

		wh_buf_addf(&b, "%s\n%s\n%s\n", wh_json_str(p, "name") ? wh_json_str(p, "name") : "",
			    wh_json_str(p, "program") ? wh_json_str(p, "program") : "",
			    wh_json_str(p, "script") ? wh_json_str(p, "script") : "");
		p = parent < 0 ? NULL : json_array_get(processes, (size_t)parent);
	}
	return wh_buf_take(&b);
}

static void make_ids(const json_t *processes, struct ids *ret)
{
	WH_AUTO_JSON json_t *count = json_object();
	size_t n = json_array_size(processes);

	for (size_t i = 0; i < n; i++) {
		const json_t *p = json_array_get(processes, i);
		int64_t parent = wh_json_int(p, "parent", -1);
		char *id = parent >= 0 ? wh_asprintf("%s > %s", ret->v.v[parent], base_of(p)) : wh_strdup(base_of(p));

		json_object_set_new(count, id, json_integer(wh_json_int(count, id, 0) + 1));
		wh_strv_take(&ret->v, id);
	}
	for (size_t i = 0; i < n; i++) {
		WH_AUTO_FREE char *chain = NULL;
		struct wh_digest d;
		char hex[65];

		if (wh_json_int(count, ret->v.v[i], 0) < 2)
			continue;
		chain = chain_text(processes, i);
		wh_digest_of(chain, strlen(chain), &d);
		(void)wh_digest_hex(&d, hex);
		{
			char *id = wh_asprintf("%s~%.6s", ret->v.v[i], hex);

			free(ret->v.v[i]);
			ret->v.v[i] = id;
		}
	}
}

static json_t *absolute(const char *text)
{
	WH_AUTO_FREE char *path = wh_asprintf("/%s", text);

	return json_string(path);
}

struct by_id {
	const char *id;
	size_t index;
};

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct by_id *)a)->id, ((const struct by_id *)b)->id);
}

static json_t *processes_of(const json_t *processes, const struct ids *ids)
{
	json_t *list = json_array();
	WH_AUTO_FREE struct by_id *order = wh_calloc(ids->v.n + 1, sizeof(*order));

	for (size_t i = 0; i < ids->v.n; i++)
		order[i] = (struct by_id){ids->v.v[i], i};
	qsort(order, ids->v.n, sizeof(*order), by_id);
	for (size_t k = 0; k < ids->v.n; k++) {
		const json_t *p = json_array_get(processes, order[k].index);
		int64_t parent = wh_json_int(p, "parent", -1);
		json_t *o = json_object();

		json_object_set_new(o, "id", json_string(order[k].id));
		json_object_set(o, "name", json_object_get(p, "name"));
		json_object_set_new(o, "program", absolute(wh_json_str(p, "program") ? wh_json_str(p, "program") : ""));
		if (wh_json_str(p, "script"))
			json_object_set_new(o, "script", absolute(wh_json_str(p, "script")));
		if (parent >= 0)
			json_object_set_new(o, "parent", json_string(ids->v.v[parent]));
		json_array_append_new(list, o);
	}
	return list;
}

/* ---------------------------------------------------------------- what was seen */

struct making {
	const json_t *profile;
	const struct ids *ids;
	bool when;
};

static void add_common(const struct making *m, json_t *o, const json_t *one)
{
	WH_AUTO_STRV struct wh_strv by = {0}, when = {0};
	const json_t *n;
	size_t i;

	json_array_foreach (json_object_get(one, "by"), i, n)
		if ((size_t)json_integer_value(n) < m->ids->v.n)
			wh_strv_add(&by, m->ids->v.v[json_integer_value(n)]);
	json_object_set_new(o, "by", texts(&by));
	if (!m->when)
		return;
	json_array_foreach (json_object_get(one, "when"), i, n) {
		const json_t *mark = json_array_get(json_object_get(m->profile, "marks"), (size_t)json_integer_value(n));
		const char *test = wh_json_str(mark, "test"), *phase = wh_json_str(mark, "phase");

		if (test)
			wh_strv_addf(&when, "test %s", test);
		else if (phase)
			wh_strv_add(&when, phase);
	}
	json_object_set_new(o, "when", texts(&when));
}

static json_t *paths_of(const struct making *m, const char *list)
{
	json_t *to = json_array(), *o;
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(m->profile, list), i, one) {
		const char *access = wh_json_str(one, "access");
		json_t *words = json_array();

		o = json_object();
		json_object_set_new(o, "path", absolute(wh_json_str(one, "path") ? wh_json_str(one, "path") : ""));
		for (const struct wh_access_word *w = wh_access_words; w->word; w++)
			if (access && strchr(access, w->letter))
				json_array_append_new(words, json_string(w->word));
		if (!wh_streq(list, "missing"))
			json_object_set(o, "access", words);
		json_decref(words);
		add_common(m, o, one);
		json_array_append_new(to, o);
	}
	return to;
}

static json_t *named_of(const struct making *m, const char *list, const char *const *keys)
{
	json_t *to = json_array(), *o;
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(m->profile, list), i, one) {
		o = json_object();
		for (const char *const *key = keys; *key; key++)
			json_object_set(o, *key, json_object_get(one, *key));
		add_common(m, o, one);
		json_array_append_new(to, o);
	}
	return to;
}

static json_t *tests_of(const json_t *profile)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	const json_t *mark;
	size_t i;

	json_array_foreach (json_object_get(profile, "marks"), i, mark)
		if (wh_json_str(mark, "test"))
			wh_strv_add(&names, wh_json_str(mark, "test"));
	return texts(&names);
}

json_t *wh_document_of(const json_t *whole, bool when, json_t *platforms, json_t *tests)
{
	static const char *const name[] = {"name", NULL}, *const address[] = {"protocol", "address", "port", NULL},
				 *const text[] = {"text", NULL};
	WH_AUTO_JSON json_t *canonical = when ? NULL : wh_profile_canonical(whole);
	struct ids ids = {.v = {0}};
	struct making m = {.profile = when ? whole : canonical, .ids = &ids, .when = when};
	const json_t *processes = json_object_get(m.profile, "processes");
	json_t *doc = json_object();

	make_ids(processes, &ids);
	json_object_set_new(doc, "$schema", json_string(WH_DOCUMENT_SCHEMA));
	json_object_set(doc, "observer", json_object_get(whole, "observer"));
	json_object_set_new(doc, "platforms", platforms);
	json_object_set_new(doc, "processes", processes_of(processes, &ids));
	json_object_set_new(doc, "used", paths_of(&m, "used"));
	json_object_set_new(doc, "created", paths_of(&m, "created"));
	json_object_set_new(doc, "missing", paths_of(&m, "missing"));
	json_object_set_new(doc, "syscalls", named_of(&m, "syscalls", name));
	json_object_set_new(doc, "capabilities", named_of(&m, "capabilities", name));
	json_object_set_new(doc, "bound", named_of(&m, "bound", address));
	json_object_set_new(doc, "peers", named_of(&m, "peers", address));
	json_object_set_new(doc, "remarks", named_of(&m, "remarks", text));
	json_object_set_new(doc, "tests", tests ? tests : tests_of(whole));
	wh_strv_release(&ids.v);
	return doc;
}

int wh_document_make(const json_t *const *profiles, size_t n, const struct wh_document_opts *o, json_t **ret, struct wh_err **err)
{
	WH_AUTO_JSON json_t *whole = NULL;
	WH_AUTO_JSON json_t *masked = NULL;
	int r = wh_profile_merge(profiles, n, &whole, err);

	if (r < 0)
		return r;
	masked = wh_profile_mask(whole, o->secret_paths);
	*ret = wh_document_of(masked, o->when, json_pack("[s]", o->platform), NULL);
	return 0;
}

/* ---------------------------------------------------------------- its text */

void wh_document_dump(const json_t *doc, struct wh_buf *out)
{
	const char *key;
	json_t *value, *one;
	bool first = true;
	size_t i;

	wh_buf_addc(out, '{');
	json_object_foreach ((json_t *)(uintptr_t)doc, key, value) {
		char *text = NULL;

		wh_buf_addf(out, "%s\n  \"%s\": ", first ? "" : ",", key);
		first = false;
		if (!json_is_array(value) || !json_is_object(json_array_get(value, 0))) {
			text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
			wh_buf_adds(out, text ? text : "null");
			free(text);
			continue;
		}
		wh_buf_addc(out, '[');
		json_array_foreach (value, i, one) {
			text = json_dumps(one, JSON_COMPACT);
			wh_buf_addf(out, "%s\n    %s", i ? "," : "", text ? text : "null");
			free(text);
		}
		wh_buf_adds(out, "\n  ]");
	}
	wh_buf_adds(out, "\n}\n");
}

/* ---------------------------------------------------------------- secrets */

static const char *secret_below(const char *path, const char *const *more)
{
	static const char *const always[] = {"run/secrets/", "var/run/secrets/"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(always); i++)
		if (wh_has_prefix(path, always[i]))
			return "run/secrets/[masked]";
	for (; more && *more; more++) {
		const char *dir = *more + strspn(*more, "/");
		size_t n = strlen(dir);

		if (n && strncmp(path, dir, n) == 0 && (!path[n] || path[n] == '/'))
			return "run/secrets/[masked]";
	}
	return NULL;
}

json_t *wh_profile_mask(const json_t *profile, const char *const *secret_paths)
{
	static const char *const lists[] = {"created", "missing"};
	json_t *copy = json_deep_copy(profile), *merged = NULL;
	struct wh_err *ignored = NULL;
	bool any = false;

	for (size_t k = 0; k < WH_ARRAY_SIZE(lists); k++) {
		json_t *one;
		size_t i;

		json_array_foreach (json_object_get(copy, lists[k]), i, one) {
			const char *path = wh_json_str(one, "path"), *masked = path ? secret_below(path, secret_paths) : NULL;

			if (!masked)
				continue;
			json_object_set_new(one, "path", json_string(masked));
			any = true;
		}
	}
	if (!any)
		return copy;
	/* Several of one name are one. */
	{
		const json_t *const all[] = {copy};

		if (wh_profile_merge(all, 1, &merged, &ignored) < 0) {
			wh_err_freep(&ignored);
			return copy;
		}
	}
	json_decref(copy);
	return merged;
}
