/* SPDX-License-Identifier: Apache-2.0 */
/* Documents of profiles back in: checked, as a profile, several as one. Whoever wrote them is not believed. */
#include "harden/document_private.h"
#include "harden/profile_private.h"
#include "harden/tree.h"

#include <errno.h>

#define MAX_ITEMS (1U << 20)
#define MAX_PROCESSES (1U << 14)
#define MAX_DEPTH 128     /* of a chain: an id holds the names of all of it */
#define MAX_TEXT 4096     /* bytes of a path or a name */
#define MAX_PLATFORMS 64

struct reading {
	const char *what;
	struct wh_err **err;
};

static int wrong(const struct reading *rd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int wrong(const struct reading *rd, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	wh_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	wh_err_set(rd->err, WH_HARDEN_DOMAIN, WH_ERR_USAGE, EBADMSG, "%s is no profile: %s", rd->what, text.p);
	wh_err_hint(rd->err, "build --profile-out, whittle profile show and whittle run --profile-out write them");
	return -EBADMSG;
}

/* ---------------------------------------------------------------- the form */

enum item_kind { PROCESS, PATH, MISSING, NAMED, ADDRESS, TEXT };
static const struct {
	const char *key;
	enum item_kind kind;
} lists[] = {
	{"processes", PROCESS}, {"used", PATH},     {"created", PATH},  {"missing", MISSING}, {"syscalls", NAMED},
	{"capabilities", NAMED}, {"bound", ADDRESS}, {"peers", ADDRESS}, {"remarks", TEXT},
};

static bool are_texts(const json_t *list)
{
	const json_t *one;
	size_t i;

	if (!json_is_array(list))
		return false;
	json_array_foreach (list, i, one)
		if (!json_is_string(one) || strlen(json_string_value(one)) != json_string_length(one))
			return false;
	return true;
}

static bool are_platforms(const json_t *list)
{
	const json_t *one;
	size_t i;

	if (!are_texts(list) || json_array_size(list) > MAX_PLATFORMS)
		return false;
	json_array_foreach (list, i, one) {
		const char *text = json_string_value(one), *slash = strchr(text, '/');

		if (!slash || slash == text || !slash[1] || strlen(text) > 64 ||
		    text[strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789/.")])
			return false;
	}
	return true;
}

static bool are_marks(const json_t *list)
{
	const json_t *one;
	size_t i;

	if (!are_texts(list))
		return false;
	json_array_foreach (list, i, one) {
		const char *text = json_string_value(one);

		if (!wh_has_prefix(text, "test ") && !wh_streq(text, "start") && !wh_streq(text, "serve") && !wh_streq(text, "stop"))
			return false;
	}
	return true;
}

static bool is_path(const char *text)
{
	WH_AUTO_FREE char *clean = text && *text == '/' && strlen(text) <= MAX_TEXT ? wh_path_abs_in("/", text) : NULL;

	return clean && wh_streq(clean, text);
}

static bool known_words(const json_t *list)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one) {
		const struct wh_access_word *w = wh_access_words;

		while (w->word && !wh_streq(w->word, json_string_value(one)))
			w++;
		if (!w->word)
			return false;
	}
	return true;
}

static bool only(const json_t *o, const char *const *keys)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)o, key, value) {
		const char *const *k = keys;

		while (*k && !wh_streq(*k, key))
			k++;
		if (!*k)
			return false;
	}
	return true;
}

static bool is_item(const json_t *o, enum item_kind kind)
{
	static const char *const keys[][8] = {
		[PROCESS] = {"id", "name", "program", "script", "parent", "platforms", NULL},
		[PATH] = {"path", "access", "by", "when", "platforms", NULL},
		[MISSING] = {"path", "by", "when", "platforms", NULL},
		[NAMED] = {"name", "by", "when", "platforms", NULL},
		[ADDRESS] = {"protocol", "address", "port", "by", "when", "platforms", NULL},
		[TEXT] = {"text", "by", "when", "platforms", NULL},
	};
	int64_t port = wh_json_int(o, "port", -1);

	if (!json_is_object(o) || !only(o, keys[kind]))
		return false;
	if (json_object_get(o, "when") && !are_marks(json_object_get(o, "when")))
		return false;
	if (json_object_get(o, "platforms") && !are_platforms(json_object_get(o, "platforms")))
		return false;
	if (kind != PROCESS && !are_texts(json_object_get(o, "by")))
		return false;
	switch (kind) {
	case PROCESS:
		return wh_json_str(o, "id") && *wh_json_str(o, "id") && wh_json_str(o, "name") && is_path(wh_json_str(o, "program")) &&
		       (!json_object_get(o, "script") || is_path(wh_json_str(o, "script"))) &&
		       (!json_object_get(o, "parent") || wh_json_str(o, "parent"));
	case PATH:
		return is_path(wh_json_str(o, "path")) && are_texts(json_object_get(o, "access")) &&
		       known_words(json_object_get(o, "access"));
	case MISSING:
		return is_path(wh_json_str(o, "path"));
	case NAMED:
		return wh_json_str(o, "name") != NULL;
	case ADDRESS:
		return wh_json_str(o, "protocol") && wh_json_str(o, "address") && !strchr(wh_json_str(o, "address"), '\t') &&
		       !strchr(wh_json_str(o, "protocol"), '\t') && port >= 0 && port <= 65535;
	case TEXT:
		return wh_json_str(o, "text") != NULL;
	}
	return false;
}

static int check(const struct reading *rd, const json_t *doc)
{
	static const char *const keys[] = {"$schema", "observer", "platforms", "processes", "used",    "created", "missing",
					   "syscalls", "capabilities", "bound", "peers", "remarks", "tests", NULL};

	if (!wh_streq(wh_json_str(doc, "$schema"), WH_DOCUMENT_SCHEMA))
		return wrong(rd, "its \"$schema\" is not " WH_DOCUMENT_SCHEMA);
	if (!only(doc, keys))
		return wrong(rd, "it has keys that the schema has not");
	if (wh_json_int(doc, "observer", 0) < 1)
		return wrong(rd, "\"observer\" is no number");
	if (!are_platforms(json_object_get(doc, "platforms")) || !json_array_size(json_object_get(doc, "platforms")))
		return wrong(rd, "\"platforms\" names none");
	if (!are_texts(json_object_get(doc, "tests")))
		return wrong(rd, "\"tests\" is no list of texts");
	for (size_t k = 0; k < WH_ARRAY_SIZE(lists); k++) {
		const json_t *list = json_object_get(doc, lists[k].key), *one;
		size_t i;

		if (!json_is_array(list) || json_array_size(list) > (k ? MAX_ITEMS : MAX_PROCESSES))
			return wrong(rd, "\"%s\" is no list, or beyond all measure", lists[k].key);
		json_array_foreach (list, i, one)
			if (!is_item(one, lists[k].kind))
				return wrong(rd, "item %zu of \"%s\" is not of the form that the schema asks for", i + 1, lists[k].key);
	}
	return 0;
}

static int as_profile(const struct reading *rd, const json_t *doc, json_t **ret);

int wh_document_read(const char *text, size_t n, const char *what, json_t **ret, struct wh_err **err)
{
	const struct reading rd = {what, err};
	WH_AUTO_JSON json_t *doc = NULL;
	WH_AUTO_JSON json_t *profile = NULL; /* who is named in it is there, too */
	int r = wh_json_parse(text, n, what, &doc, err);

	if (r < 0) {
		if (err && *err)
			(*err)->class = WH_ERR_USAGE;
		return r;
	}
	r = check(&rd, doc);
	if (r == 0)
		r = as_profile(&rd, doc, &profile);
	if (r == 0)
		*ret = WH_TAKE_PTR(doc);
	return r;
}

/* ---------------------------------------------------------------- as a profile */

struct converting {
	const struct reading *rd;
	json_t *index; /* id → number */
	json_t *marks, *mark_index;
};

/* Parents first. */
static int convert_processes(struct converting *c, const json_t *doc, json_t *to)
{
	const json_t *list = json_object_get(doc, "processes"), *one;
	size_t left = json_array_size(list), before = left + 1, i;
	WH_AUTO_FREE bool *done = wh_calloc(left + 1, sizeof(*done));
	WH_AUTO_FREE unsigned *depth = wh_calloc(left + 1, sizeof(*depth)); /* by number */

	while (left && left < before) {
		before = left;
		json_array_foreach (list, i, one) {
			const char *parent = wh_json_str(one, "parent"), *script = wh_json_str(one, "script");
			const json_t *at = parent ? json_object_get(c->index, parent) : NULL;

			if (done[i] || (parent && !at))
				continue;
			if (json_object_get(c->index, wh_json_str(one, "id")))
				return wrong(c->rd, "two processes have the id \"%s\"", wh_json_str(one, "id"));
			depth[json_array_size(to)] = at ? depth[json_integer_value(at)] + 1 : 0;
			if (depth[json_array_size(to)] > MAX_DEPTH)
				return wrong(c->rd, "a chain of more than %d processes", MAX_DEPTH);
			json_object_set_new(c->index, wh_json_str(one, "id"), json_integer((json_int_t)json_array_size(to)));
			json_array_append_new(to, json_pack("{s:s, s:s, s:o, s:I}", "name", wh_json_str(one, "name"), "program",
							    wh_json_str(one, "program") + 1, "script",
							    script ? json_string(script + 1) : json_null(), "parent",
							    at ? json_integer_value(at) : (json_int_t)-1));
			done[i] = true;
			left--;
		}
	}
	return left ? wrong(c->rd, "a process has a parent that is not there") : 0;
}

static json_int_t mark_of(struct converting *c, const char *text)
{
	const json_t *at = json_object_get(c->mark_index, text);
	json_int_t n = (json_int_t)json_array_size(c->marks);
	bool test = wh_has_prefix(text, "test ");

	if (at)
		return json_integer_value(at);
	json_object_set_new(c->mark_index, text, json_integer(n));
	json_array_append_new(c->marks, json_pack("{s:s, s:o}", "phase",
						  test || (!wh_streq(text, "start") && !wh_streq(text, "stop")) ? "serve" : text,
						  "test", test ? json_string(text + strlen("test ")) : json_null()));
	return n;
}

static int add_common(struct converting *c, json_t *o, const json_t *one)
{
	json_t *by = json_array(), *when = json_array();
	const json_t *w;
	size_t i;
	int r = 0;

	json_array_foreach (json_object_get(one, "by"), i, w) {
		const json_t *at = json_object_get(c->index, json_string_value(w));

		if (at)
			json_array_append_new(by, json_integer(json_integer_value(at)));
		else if (r == 0)
			r = wrong(c->rd, "\"%s\" is no process of it", json_string_value(w));
	}
	json_array_foreach (json_object_get(one, "when"), i, w)
		json_array_append_new(when, json_integer(mark_of(c, json_string_value(w))));
	if (!json_object_get(one, "when"))
		json_array_append_new(when, json_integer(mark_of(c, "serve")));
	json_object_set_new(o, "by", by);
	json_object_set_new(o, "when", when);
	return r;
}

static int convert(struct converting *c, const json_t *doc, const char *key, enum item_kind kind, json_t *to)
{
	const json_t *one;
	size_t i;
	int r = 0;

	json_array_foreach (json_object_get(doc, key), i, one) {
		json_t *o;
		char letters[sizeof(WH_PROFILE_LETTERS)] = "";
		const json_t *word;
		size_t k, n = 0;

		if (r < 0)
			break;
		o = json_object();
		if (kind == PATH || kind == MISSING)
			json_object_set_new(o, "path", json_string(wh_json_str(one, "path") + 1));
		for (const struct wh_access_word *w = wh_access_words; kind == PATH && w->word; w++)
			json_array_foreach (json_object_get(one, "access"), k, word)
				if (wh_streq(w->word, json_string_value(word)) && n + 1 < sizeof(letters) && !strchr(letters, w->letter))
					letters[n++] = w->letter;
		if (kind == PATH)
			json_object_set_new(o, "access", json_string(letters));
		if (kind == NAMED)
			json_object_set(o, "name", json_object_get(one, "name"));
		if (kind == TEXT)
			json_object_set(o, "text", json_object_get(one, "text"));
		if (kind == ADDRESS) {
			json_object_set(o, "protocol", json_object_get(one, "protocol"));
			json_object_set(o, "address", json_object_get(one, "address"));
			json_object_set(o, "port", json_object_get(one, "port"));
		}
		r = add_common(c, o, one);
		json_array_append_new(to, o);
	}
	return r;
}

static int as_profile(const struct reading *rd, const json_t *doc, json_t **ret)
{
	WH_AUTO_JSON json_t *index = json_object();
	WH_AUTO_JSON json_t *marks = json_array();
	WH_AUTO_JSON json_t *mark_index = json_object();
	struct converting c = {.rd = rd, .index = index, .marks = marks, .mark_index = mark_index};
	WH_AUTO_JSON json_t *profile = json_pack("{s:i, s:O, s:i, s:[]}", "schema", WH_PROFILE_SCHEMA, "observer",
						 json_object_get(doc, "observer"), "runs", 1, "processes");
	const json_t *all[1];
	int r = convert_processes(&c, doc, json_object_get(profile, "processes"));

	(void)mark_of(&c, "serve");
	for (size_t k = 1; k < WH_ARRAY_SIZE(lists) && r == 0; k++) {
		json_object_set_new(profile, lists[k].key, json_array());
		r = convert(&c, doc, lists[k].key, lists[k].kind, json_object_get(profile, lists[k].key));
	}
	json_object_set(profile, "marks", marks);
	if (r < 0)
		return r;
	/* Sorted and numbered as any other. */
	all[0] = profile;
	return wh_profile_merge(all, 1, ret, rd->err);
}

int wh_document_profile(const json_t *doc, json_t **ret, struct wh_err **err)
{
	const struct reading rd = {"the document", err};

	return as_profile(&rd, doc, ret);
}

/* ---------------------------------------------------------------- several as one */

static const char *const key_fields[] = {"id", "path", "name", "protocol", "address", "text"};

static char *key_of(const char *list, const json_t *one)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	wh_buf_addf(&b, "%s", list);
	for (size_t i = 0; i < WH_ARRAY_SIZE(key_fields); i++)
		if (wh_json_str(one, key_fields[i]))
			wh_buf_addf(&b, "\t%s", wh_json_str(one, key_fields[i]));
	wh_buf_addf(&b, "\t%lld", (long long)wh_json_int(one, "port", -1));
	return wh_buf_take(&b);
}

static void add_text(json_t *list, const char *text)
{
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		if (wh_streq(json_string_value(one), text))
			return;
	json_array_append_new(list, json_string(text));
}

static json_t *sorted_texts(const json_t *list)
{
	WH_AUTO_STRV struct wh_strv v = {0};
	json_t *to = json_array();
	const json_t *one;
	size_t i;

	json_array_foreach (list, i, one)
		wh_strv_add(&v, json_string_value(one));
	wh_strv_sort(&v);
	for (i = 0; i < v.n; i++)
		json_array_append_new(to, json_string(v.v[i]));
	return to;
}

/* Who of the documents saw what: key → platforms. */
static void note_platforms(const json_t *doc, json_t *seen)
{
	for (size_t k = 0; k < WH_ARRAY_SIZE(lists); k++) {
		const json_t *one, *p;
		size_t i, j;

		json_array_foreach (json_object_get(doc, lists[k].key), i, one) {
			WH_AUTO_FREE char *key = key_of(lists[k].key, one);
			const json_t *own = json_object_get(one, "platforms");
			json_t *set = json_object_get(seen, key);

			if (!set) {
				set = json_array();
				json_object_set_new(seen, key, set);
			}
			json_array_foreach (own ? own : json_object_get(doc, "platforms"), j, p)
				add_text(set, json_string_value(p));
		}
	}
}

static void tell_platforms(json_t *doc, const json_t *seen)
{
	size_t all = json_array_size(json_object_get(doc, "platforms"));

	for (size_t k = 0; k < WH_ARRAY_SIZE(lists); k++) {
		json_t *one;
		size_t i;

		json_array_foreach (json_object_get(doc, lists[k].key), i, one) {
			WH_AUTO_FREE char *key = key_of(lists[k].key, one);
			const json_t *set = json_object_get(seen, key);

			if (set && json_array_size(set) < all)
				json_object_set_new(one, "platforms", sorted_texts(set));
		}
	}
}

static bool has_when(const json_t *doc)
{
	const json_t *one;
	size_t i;

	json_array_foreach (json_object_get(doc, "used"), i, one)
		if (json_object_get(one, "when"))
			return true;
	return false;
}

int wh_document_merge(const json_t *const *docs, size_t n, json_t **ret, struct wh_err **err)
{
	WH_AUTO_FREE json_t **v = wh_calloc(n + 1, sizeof(json_t *));
	WH_AUTO_JSON json_t *seen = json_object();
	WH_AUTO_JSON json_t *platforms = json_array();
	WH_AUTO_JSON json_t *tests = json_array();
	WH_AUTO_JSON json_t *whole = NULL;
	bool when = n > 0;
	size_t made = 0, i, k;
	const json_t *one;
	int r = 0;

	for (; made < n && r == 0; made += r == 0) {
		r = wh_document_profile(docs[made], &v[made], err);
		note_platforms(docs[made], seen);
		when &= has_when(docs[made]);
		json_array_foreach (json_object_get(docs[made], "platforms"), i, one)
			add_text(platforms, json_string_value(one));
		json_array_foreach (json_object_get(docs[made], "tests"), i, one)
			add_text(tests, json_string_value(one));
	}
	if (r == 0)
		r = wh_profile_merge((const json_t *const *)v, n, &whole, err);
	for (k = 0; k < made; k++)
		json_decref(v[k]);
	if (r < 0)
		return r;
	*ret = wh_document_of(whole, when, sorted_texts(platforms), sorted_texts(tests));
	tell_platforms(*ret, seen);
	return 0;
}
