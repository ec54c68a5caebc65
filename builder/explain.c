/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a result was made of is a blob of JSON:
 *
 *   {"args":[NAME,…],              variables of facts that ARG gave; the others are ENV's
 *    "base_time":SECONDS,          FILE: of what is below
 *    "below":[DIFF,…],             the layers of inputs[0], lowest first: the beginnings of their diff ids
 *    "facts":{NAME:TEXT,…},        the key's projection (key.c): values of variables and file data are digests
 *    "files":[PATH,VALUE,…],       what was selected of other inputs (fileop_list.c)
 *    "schema":1}
 *
 * It is written once a result, never read but for --explain-cache, and no hit depends on it.
 */
#include "builder/explain.h"

#include <errno.h>

#define SCHEMA 1
#define BLOB_MAX ((size_t)64 << 20)
#define FILES_TOLD 5
#define REASONS_TOLD 12
#define OLD_SHOWN 120 /* bytes of what a text was before */

/* ---------------------------------------------------------------- places */

static void place_digest(const char *kind, const struct wh_place *p, const char *text, unsigned number,
			 struct wh_digest *ret)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	wh_buf_lstr(&b, kind);
	wh_buf_lstr(&b, p->stage);
	wh_buf_lstr(&b, text);
	wh_buf_u32(&b, number);
	wh_digest_of(b.p, b.n, ret);
}

bool wh_explain_place(const struct wh_vertex *v, struct wh_digest *ret_place, struct wh_digest *ret_slot)
{
	if (!v->place.stage)
		return false;
	place_digest("place", &v->place, v->place.text, v->place.occurrence, ret_place);
	place_digest("slot", &v->place, "", v->place.ordinal, ret_slot);
	return true;
}

/* ---------------------------------------------------------------- what it is made of */

static json_t *args_of(const struct wh_vertex *v, const json_t *facts)
{
	WH_AUTO_JSON json_t *seen = json_object();
	json_t *names = json_array();

	for (const struct wh_given *g = v->place.given; g; g = g->before) {
		WH_AUTO_FREE char *fact = wh_asprintf("ENV %s", g->name);

		if (json_object_get(seen, g->name) || !json_object_get(facts, fact))
			continue;
		json_object_set_new(seen, g->name, json_true());
		if (g->by_arg)
			json_array_append_new(names, json_string(g->name));
	}
	return names;
}

static json_t *below_of(const struct wh_node *n)
{
	const struct wh_node *base = n->n_inputs ? n->inputs[0] : NULL;
	json_t *below = json_array();
	char hex[65];

	for (size_t i = 0; base && i < base->result.n_layers; i++) {
		wh_digest_hex(&base->result.layers[i].diff_id, hex)[16] = '\0';
		json_array_append_new(below, json_string(hex));
	}
	return below;
}

static void describe(struct wh_node *n, struct wh_buf *out)
{
	json_t *facts = wh_op_facts(n->v, &n->b->o.layer), *below = below_of(n), *args = args_of(n->v, facts);
	const struct wh_node *base = n->n_inputs ? n->inputs[0] : NULL;
	char hex[65];

	if ((n->v->kind == WH_OP_PRUNE || n->v->kind == WH_OP_PROVE) && n->key.has_selection) {
		wh_digest_hex(&n->key.selection, hex)[16] = '\0';
		json_object_set_new(facts, "profiles' findings", json_string(hex));
	}
	if (n->v->kind == WH_OP_PROFILE && n->n_inputs > 1 && n->inputs[1] && !n->inputs[1]->local_path) {
		wh_digest_hex(&n->inputs[1]->tree_key, hex)[16] = '\0';
		json_object_set_new(facts, "tests' tree", json_string(hex));
	}
	wh_buf_adds(out, "{\"args\":");
	wh_json_dump(args, out);
	wh_buf_addf(out, ",\"base_time\":%lld,\"below\":",
		    (long long)(base && n->v->kind == WH_OP_FILE ? base->base_time : 0));
	wh_json_dump(below, out);
	wh_buf_adds(out, ",\"facts\":");
	wh_json_dump(facts, out);
	if (n->wants_selection && n->listing.n) {
		wh_buf_adds(out, ",\"files\":[");
		wh_buf_add(out, n->listing.p, n->listing.n);
		wh_buf_addc(out, ']');
	}
	wh_buf_addf(out, ",\"schema\":%d}", SCHEMA);
	json_decref(args);
	json_decref(below);
	json_decref(facts);
}

void wh_explain_keep(struct wh_node *n)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_ERR struct wh_err *err = NULL;

	if (n->v->place.stage && wh_digest_is_zero(&n->inputs_blob)) {
		describe(n, &text);
		if (!wh_buf_ok(&text) || text.n > BLOB_MAX ||
		    wh_blob_put(n->b->o.store, text.p, text.n, &n->inputs_blob, &err) < 0)
			n->inputs_blob = (struct wh_digest){0}; /* only an explanation is lost */
	}
	wh_buf_release(&n->listing);
}

/* ---------------------------------------------------------------- two of them compared */

struct reasons {
	struct wh_strv v;
	size_t more;
};

static void reason(struct reasons *r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void reason(struct reasons *r, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	va_list ap;

	if (r->v.n >= REASONS_TOLD) {
		r->more++;
		return;
	}
	va_start(ap, fmt);
	wh_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	wh_strv_add(&r->v, text.p ? text.p : "");
}

/* A text of before, short and in one line. malloc'ed. */
static char *shown(const char *text)
{
	size_t n = strlen(text), cut = n;
	char *s;

	if (n > OLD_SHOWN)
		for (cut = OLD_SHOWN; cut && ((unsigned char)text[cut] & 0xc0) == 0x80; cut--)
			;
	s = wh_asprintf("%.*s%s", (int)cut, text, cut < n ? "…" : "");
	for (char *p = s; *p; p++)
		if (*p == '\n' || *p == '\t')
			*p = ' ';
	return s;
}

static bool in_list(const json_t *doc, const char *key, const char *name)
{
	const json_t *list = json_object_get(doc, key);
	size_t i;
	json_t *v;

	json_array_foreach (list, i, v)
		if (wh_streq(json_string_value(v), name))
			return true;
	return false;
}

static void variable_differs(const json_t *old, const json_t *now, const char *name, bool was, bool is,
			     struct reasons *r)
{
	const char *kind = in_list(is ? now : old, "args", name) ? "ARG" : "ENV";

	reason(r, "%s %s %s", kind, name, !was ? "is new" : !is ? "is gone" : "changed");
}

/* Facts whose texts say nothing to people. */
static bool is_digest(const char *name)
{
	return wh_has_suffix(name, "text") || wh_streq(name, "image's config") ||
	       wh_streq(name, "profiles' findings") || wh_streq(name, "tests' tree");
}

/* One fact of a mount differs: the mount does. */
static bool mount_differs(const char *name, const json_t *old, const json_t *now, json_t *told, struct reasons *r)
{
	const char *mount = strstr(name, "mount "), *end = mount ? strstr(mount, ": ") : NULL;
	WH_AUTO_FREE char *head = NULL, *type = NULL;
	bool was, is;

	if (!end || (mount != name && mount[-1] != ' '))
		return false;
	head = wh_strndup(name, (size_t)(end - name));
	type = wh_asprintf("%s: type", head);
	was = json_object_get(old, type) != NULL;
	is = json_object_get(now, type) != NULL;
	if (json_object_get(told, head))
		return true;
	json_object_set_new(told, head, json_true());
	if (wh_has_prefix(strstr(head, "mount "), "mount /dev/pipes/"))
		reason(r, "the command's heredoc changed");
	else
		reason(r, "the %s %s", head, !was ? "is new" : !is ? "is gone" : "changed");
	return true;
}

static void fact_differs(const char *name, const json_t *old_doc, const json_t *now_doc, json_t *told,
			 struct reasons *r)
{
	const json_t *old = json_object_get(old_doc, "facts"), *now = json_object_get(now_doc, "facts");
	const char *was = wh_json_str(old, name), *is = wh_json_str(now, name), *env = strstr(name, "ENV ");
	WH_AUTO_FREE char *text = was ? shown(was) : NULL;

	if (env && (env == name || env[-1] == ' '))
		variable_differs(old_doc, now_doc, env + 4, was != NULL, is != NULL, r);
	else if (mount_differs(name, old, now, told, r))
		return;
	else if (wh_streq(name, "SOURCE_DATE_EPOCH") || is_digest(name))
		reason(r, "%s%s changed", wh_streq(name, "text") ? "its " : is_digest(name) ? "the " : "", name);
	else if (!was || !is || wh_streq(is, "yes"))
		reason(r, "%s%s %s", name[0] == '-' ? "" : "the ", name, was ? "is gone" : "is new");
	else
		reason(r, "%s%s changed: was \"%s\"", name[0] == '-' ? "" : "the ", name, text);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void compare_facts(const json_t *old, const json_t *now, struct reasons *r)
{
	json_t *a = json_object_get(old, "facts"), *b = json_object_get(now, "facts");
	WH_AUTO_JSON json_t *all = json_object(), *told = json_object();
	WH_AUTO_FREE const char **names = NULL;
	const char *name;
	size_t n = 0;
	json_t *v;

	json_object_update(all, a);
	json_object_update(all, b);
	names = wh_calloc(json_object_size(all) + 1, sizeof(*names));
	json_object_foreach (all, name, v)
		names[n++] = name;
	qsort(names, n, sizeof(*names), by_name);
	/* What people wrote last first. */
	for (int pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < n; i++)
			if ((pass == 0) == wh_streq(names[i], "command") &&
			    !wh_streq(wh_json_str(a, names[i]), wh_json_str(b, names[i])))
				fact_differs(names[i], old, now, told, r);
}

/* ---- files ---- */

/* Cuts a value: "f 0644 0:0 DIGEST …". */
static const char *word(const char *value, int i, size_t *ret_n)
{
	while (i-- && *value) {
		value += strcspn(value, " ");
		value += strspn(value, " ");
	}
	*ret_n = strcspn(value, " ");
	return value;
}

static bool same_word(const char *a, const char *b, int i)
{
	size_t n, m;
	const char *x = word(a, i, &n), *y = word(b, i, &m);

	return n == m && memcmp(x, y, n) == 0;
}

static void say_file(const char *path, const char *was, const char *is, struct wh_strv *out)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	const char *x, *y;
	size_t n, m;

	wh_buf_adds(&b, path);
	if (!was) {
		wh_buf_adds(&b, " is new");
	} else if (!is) {
		wh_buf_adds(&b, " is gone");
	} else if (was[0] != is[0]) {
		wh_buf_adds(&b, ": of another type");
	} else if (is[0] == 'D') {
		wh_buf_adds(&b, " holds something else");
	} else if (is[0] == 'l') {
		wh_buf_addf(&b, " → %s (was %s)", is[1] ? is + 2 : "", was[1] ? was + 2 : "");
	} else {
		const char *sep = ": ";

		if (!same_word(was, is, 3)) {
			wh_buf_addf(&b, "%s%s", sep, is[0] == 'f' ? "other content" : "another device");
			sep = ", ";
		}
		if (!same_word(was, is, 1)) {
			x = word(was, 1, &n);
			y = word(is, 1, &m);
			wh_buf_addf(&b, "%smode %.*s → %.*s", sep, (int)n, x, (int)m, y);
			sep = ", ";
		}
		if (!same_word(was, is, 2)) {
			x = word(was, 2, &n);
			y = word(is, 2, &m);
			wh_buf_addf(&b, "%sowner %.*s → %.*s", sep, (int)n, x, (int)m, y);
			sep = ", ";
		}
		x = word(was, 4, &n);
		y = word(is, 4, &m);
		if (strcmp(x, y) != 0)
			wh_buf_addf(&b, "%sother %s", sep,
				    *x == 'x' || *y == 'x' ? "extended attributes" : "hard links");
	}
	wh_strv_add(out, b.p);
}

static json_t *files_of(const json_t *doc)
{
	const json_t *list = json_object_get(doc, "files");
	json_t *files = json_object();

	for (size_t i = 0; i + 1 < json_array_size(list); i += 2) {
		const char *path = json_string_value(json_array_get(list, i));

		if (path)
			json_object_set(files, path, json_array_get(list, i + 1));
	}
	return files;
}

static bool is_by_directory(const json_t *doc)
{
	return wh_has_prefix(json_string_value(json_array_get(json_object_get(doc, "files"), 1)) ?: "", "D ");
}

static void compare_files(const json_t *old, const json_t *now, struct reasons *r)
{
	WH_AUTO_JSON json_t *a = files_of(old), *b = files_of(now), *all = json_object();
	WH_AUTO_FREE const char **names = wh_calloc(json_object_size(a) + json_object_size(b) + 1, sizeof(*names));
	WH_AUTO_STRV struct wh_strv told = {0};
	size_t n = 0, more = 0;
	const char *name;
	json_t *v;

	if (is_by_directory(old) != is_by_directory(now) && json_object_size(a) && json_object_size(b)) {
		reason(r, "the files that it takes changed");
		return;
	}
	json_object_update(all, a);
	json_object_update(all, b);
	json_object_foreach (all, name, v)
		if (!wh_streq(wh_json_str(a, name), wh_json_str(b, name)))
			names[n++] = name;
	qsort(names, n, sizeof(*names), by_name);
	for (size_t i = 0; i < n; i++) {
		if (told.n < FILES_TOLD)
			say_file(names[i], wh_json_str(a, names[i]), wh_json_str(b, names[i]), &told);
		else
			more++;
	}
	for (size_t i = 0; i < told.n; i++) {
		WH_AUTO_FREE char *s = shown(told.v[i]);

		reason(r, "%s", s);
	}
	if (more)
		reason(r, "and %zu more", more);
}

/* ---- what is below ---- */

/* Which step made layer i of the tree that n builds on. */
static const struct wh_node *maker(const struct wh_node *n, size_t i)
{
	const struct wh_node *at = n->n_inputs ? n->inputs[0] : NULL;

	while (at && at->n_inputs && at->v->kind != WH_OP_PRUNE) {
		const struct wh_node *base = at->inputs[0];
		size_t k, below = base ? base->result.n_layers : 0;

		if (at->v->kind == WH_OP_MERGE) {
			for (k = 0; k + 1 < at->n_inputs && i >= (at->inputs[k] ? at->inputs[k]->result.n_layers : 0);
			     k++)
				i -= at->inputs[k] ? at->inputs[k]->result.n_layers : 0;
			at = at->inputs[k];
			continue;
		}
		if (i >= below)
			break;
		at = base;
	}
	return at;
}

static void compare_below(const struct wh_node *n, const json_t *old, const json_t *now, struct reasons *r)
{
	const json_t *a = json_object_get(old, "below"), *b = json_object_get(now, "below");
	size_t i = 0, na = json_array_size(a), nb = json_array_size(b);
	const struct wh_node *by;

	while (i < na && i < nb && json_equal(json_array_get(a, i), json_array_get(b, i)))
		i++;
	if (i == na && i == nb) {
		if (wh_json_int(old, "base_time", 0) != wh_json_int(now, "base_time", 0))
			reason(r, "the date of what it builds on changed");
		return;
	}
	by = i < nb ? maker(n, i) : NULL;
	if (i == nb)
		reason(r, "the tree it builds on changed: a layer of it is gone");
	else if (by && by->v->kind == WH_OP_SOURCE)
		reason(r, "the base image changed");
	else
		reason(r, "the tree it builds on changed: by step \"%s\"", by && by->v->name ? by->v->name : "?");
}

/* ---------------------------------------------------------------- a miss */

static int last_run(struct wh_node *n, struct wh_record *ret)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_digest place, slot;
	int r = 0;

	if (n->b->cache_failed || !wh_explain_place(n->v, &place, &slot))
		return 0;
	r = wh_cache_find_place(n->b->cache, &place, ret, &err);
	if (r == 0)
		r = wh_cache_find_slot(n->b->cache, &slot, ret, &err);
	return r > 0;
}

/* There is a record of this very key: why was it no hit? NULL: there is none. */
static const char *recorded(struct wh_node *n, bool has, const struct wh_digest *key)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_record rec = {.empty = true};
	bool whole, serves;

	if (!has || n->b->cache_failed || wh_cache_known(n->b->cache, key, &err) <= 0)
		return NULL;
	whole = wh_cache_get(n->b->cache, key, &rec, &err) > 0;
	serves = wh_isolation_serves(n->b, &rec);
	wh_record_release(&rec);
	if (whole && !serves)
		return "its last run was in a chroot";
	return whole ? "its last run did not note all that is asked for now" : "its layer is no longer in the store";
}

static int read_inputs(struct wh_node *n, const struct wh_record *rec, json_t **ret)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_ERR struct wh_err *err = NULL;
	int r = -ENOENT;

	if (!wh_digest_is_zero(&rec->inputs))
		r = wh_blob_read(n->b->o.store, &rec->inputs, BLOB_MAX, &text, &err);
	if (r == 0)
		r = wh_json_parse(text.p, text.n, "what a step was made of", ret, &err);
	if (r == 0 && wh_json_int(*ret, "schema", 0) != SCHEMA) {
		json_decref(*ret);
		r = -ENOENT;
	}
	return r;
}

/* Without the words of its last run. */
static void compare_digests(struct wh_node *n, const struct wh_record *old, struct reasons *r)
{
	if (!wh_digest_eq(&old->op, &n->key.op))
		reason(r, "its command, environment or arguments changed");
	if (!wh_digest_eq(&old->base, &n->key.base))
		reason(r, "the tree it builds on changed");
	if (n->key.has_selection && !wh_digest_eq(&old->selection, &n->key.selection))
		reason(r, "the files it takes from the context or another stage changed");
}

static void compare(struct wh_node *n, const struct wh_record *old, struct reasons *r)
{
	WH_AUTO_JSON json_t *was = NULL, *is = NULL;
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_ERR struct wh_err *err = NULL;

	if (n->fileop && n->key.has_selection && !n->listing.n)
		wh_fileop_list(n->fileop, "", &n->listing);
	describe(n, &text);
	if (read_inputs(n, old, &was) < 0 || wh_json_parse(text.p, text.n, "what a step is made of", &is, &err) < 0) {
		compare_digests(n, old, r);
		return;
	}
	compare_facts(was, is, r);
	compare_below(n, was, is, r);
	if (n->key.has_selection && n->v->kind != WH_OP_PRUNE && n->v->kind != WH_OP_PROVE)
		compare_files(was, is, r);
	if (!r->v.n)
		compare_digests(n, old, r);
}

void wh_node_explain(struct wh_node *n)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	struct wh_record old = {.empty = true};
	struct reasons r = {0};
	const char *why;

	if (!n->b->o.explain)
		return;
	why = recorded(n, n->key.has_fast, &n->key.fast);
	if (!why)
		why = recorded(n, n->key.has_content, &n->key.content);
	if (n->v->no_cache)
		reason(&r, "%s asks for it", n->v->place.no_cache ? n->v->place.no_cache : "--no-cache");
	else if (why)
		reason(&r, "%s", why);
	else if (last_run(n, &old) || wh_node_op_known(n, &old))
		compare(n, &old, &r);
	else
		reason(&r, "it was never run here");
	if (!r.v.n)
		reason(&r, "another version of this program made its last result");
	for (size_t i = 0; i < r.v.n; i++)
		wh_buf_addf(&text, "%s%s", i ? "; " : "", r.v.v[i]);
	if (r.more)
		wh_buf_addf(&text, "; and %zu more", r.more);
	wh_builder_notice(n->b, "%s: not cached: %s", n->v->name ? n->v->name : "step", text.p);
	wh_strv_release(&r.v);
	wh_record_release(&old);
}
