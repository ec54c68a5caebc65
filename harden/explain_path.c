/* SPDX-License-Identifier: Apache-2.0 */
/* Why one path is in a pruned image, or went: as JSON (schemas/explain-1.json), of which the text is made. */
#include "harden/closure_table.h"
#include "harden/document_private.h"
#include "harden/explain_private.h"

#include <errno.h>

#define MAX_VIA 16
#define MAX_BY 100   /* chains of one path in one profile; the rest is counted */
#define MAX_WHEN 200 /* marks of the same */
#define MAX_CHAIN 16
#define ALSO_GONE 3
#define MAX_OWNERS 10

json_t *wh_ex_path(const char *path)
{
	WH_AUTO_FREE char *full = wh_asprintf("/%s", path);

	return wh_path_json(full);
}

json_t *wh_ex_told_path(const char *told)
{
	WH_AUTO_FREE char *path = wh_path_of_json(told);

	return wh_ex_path(path);
}

/* ---------------------------------------------------------------- what was there: the pruned tree and what went */

struct at {
	struct wh_explained *x;
	struct wh_node_ref n;
};

static int at_union(void *arg, const char *path, const char **ret_link)
{
	struct at *a = arg;
	const struct wh_ex_gone *gone;

	if (!*path)
		return WH_WALK_DIR;
	if (wh_tree_lookup(a->x->t, path, &a->n) == 0) {
		*ret_link = a->n.e.link;
		return a->n.e.type == WH_T_DIR       ? WH_WALK_DIR
		       : a->n.e.type == WH_T_SYMLINK ? WH_WALK_LINK
						     : WH_WALK_OTHER;
	}
	gone = wh_ex_gone_at(a->x, path);
	if (!gone)
		return -ENOENT;
	*ret_link = gone->link;
	return gone->dir ? WH_WALK_DIR : gone->link ? WH_WALK_LINK : WH_WALK_OTHER;
}

int wh_ex_walk(struct wh_explained *x, const char *path, bool follow_last, struct wh_strv *links, char **ret)
{
	struct at a = {.x = x};

	return wh_walk_by(at_union, &a, path, follow_last, links, ret);
}

/* ---------------------------------------------------------------- who used it, how, when */

/* The words are those of profile-1. */
static json_t *access_json(const char *access)
{
	json_t *a = json_array();

	for (const struct wh_access_word *w = wh_access_words; access && w->word; w++)
		if (strchr(access, w->letter))
			json_array_append_new(a, json_string(w->word));
	return a;
}

static json_t *chain_json(const struct wh_chain *w)
{
	const struct wh_chain *chain[MAX_CHAIN];
	size_t n = 0;
	json_t *programs = json_array(),
	       *o = json_pack("{s:o, s:o}", "name", wh_path_json(w->name), "programs", programs);

	for (; w && n < MAX_CHAIN; w = w->parent)
		chain[n++] = w;
	while (n-- > 0) {
		json_t *one = json_pack("{s:o}", "program", wh_ex_path(chain[n]->program));

		if (chain[n]->script)
			json_object_set_new(one, "script", wh_ex_path(chain[n]->script));
		json_array_append_new(programs, one);
	}
	if (w)
		json_object_set_new(o, "cut", json_true());
	return o;
}

static void add_chains(const struct wh_ex_profile *p, const json_t *by, json_t *use)
{
	json_t *a = json_array();
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(by); i++) {
		const json_t *j = json_array_get(by, i);
		json_int_t index = json_is_integer(j) ? json_integer_value(j) : -1;

		if (index < 0 || (size_t)index >= p->n)
			continue;
		if (n++ < MAX_BY)
			json_array_append_new(a, chain_json(&p->v[index]));
	}
	json_object_set_new(use, "by", a);
	if (n > MAX_BY)
		json_object_set_new(use, "more_by", json_integer((json_int_t)(n - MAX_BY)));
}

/* "start", "serve", "stop", "test NAME", in the order in which they came up. */
static void add_when(const struct wh_ex_profile *p, const json_t *when, json_t *use)
{
	json_t *a = json_array();
	size_t n = 0;

	for (size_t i = 0; i < json_array_size(when); i++) {
		const json_t *j = json_array_get(when, i), *mark;
		const char *phase, *test;

		mark = json_is_integer(j) ? json_array_get(p->marks, (size_t)json_integer_value(j)) : NULL;
		phase = wh_json_str(mark, "phase");
		test = wh_json_str(mark, "test");
		if (!phase || n++ >= MAX_WHEN)
			continue;
		if (test) {
			WH_AUTO_FREE char *text = wh_asprintf("test %s", test);

			json_array_append_new(a, json_string(text));
		} else {
			json_array_append_new(a, json_string(phase));
		}
	}
	json_object_set_new(use, "when", a);
	if (n > MAX_WHEN)
		json_object_set_new(use, "more_when", json_integer((json_int_t)(n - MAX_WHEN)));
}

static json_t *uses_json(struct wh_explained *x, const char *path)
{
	const struct wh_ex_seen *s = wh_ex_seen_at(x, path);
	json_t *a = json_array();

	for (const struct wh_ex_use *u = s ? s->first : NULL; u; u = u->next) {
		const struct wh_ex_profile *p = &x->profiles[u->profile];
		json_t *use = json_pack("{s:o, s:o}", "path", wh_ex_path(path), "access",
					access_json(u->list == WH_EX_MISSING ? NULL : wh_json_str(u->o, "access")));

		if (u->profile >= x->n_own)
			json_object_set_new(use, "given", json_integer((json_int_t)(u->profile - x->n_own) + 1));
		else if (x->n_own > 1)
			json_object_set_new(use, "profile", json_integer((json_int_t)u->profile + 1));
		add_chains(p, json_object_get(u->o, "by"), use);
		/* A document that does not tell when has it all under one mark. */
		add_when(p,
			 u->profile >= x->n_own && json_array_size(p->marks) < 2 ? NULL : json_object_get(u->o, "when"),
			 use);
		json_array_append_new(a, use);
	}
	return a;
}

/* ---------------------------------------------------------------- packages */

json_t *wh_ex_package_json(struct wh_explained *x, const char *owner)
{
	static const char *const kinds[] = {"python", "npm"};
	const struct wh_ex_package *p;

	if (!owner || !*owner)
		return NULL;
	for (size_t i = 0; i < WH_ARRAY_SIZE(kinds); i++) {
		size_t n = strlen(kinds[i]);
		const char *version = strrchr(owner, ' ');

		if (wh_has_prefix(owner, kinds[i]) && owner[n] == ' ' && version > owner + n + 1)
			return json_pack("{s:s, s:s%, s:s}", "type", kinds[i], "name", owner + n + 1,
					 (size_t)(version - owner - n - 1), "version", version + 1);
	}
	p = wh_ex_package_of(x, owner);
	return p->version ? json_pack("{s:s, s:s, s:s}", "type", "deb", "name", owner, "version", p->version)
			  : json_pack("{s:s, s:s}", "type", "deb", "name", owner);
}

static json_t *amount_json(uint64_t files, uint64_t bytes, bool known)
{
	json_t *o = json_pack("{s:I}", "files", (json_int_t)files);

	if (known)
		json_object_set_new(o, "bytes", json_integer((json_int_t)bytes));
	return o;
}

json_t *wh_ex_amounts(struct wh_explained *x, const char *owner)
{
	const struct wh_ex_package *p = wh_ex_package_of(x, owner);
	json_t *o = wh_ex_package_json(x, owner);

	if (!o)
		o = json_object();
	else
		json_object_set_new(o, "state", json_string(p->state ? p->state : "kept"));
	if (x->owners_known)
		json_object_set_new(o, "kept", amount_json(p->kept, p->kept_bytes, true));
	json_object_set_new(o, "removed", amount_json(p->removed, p->removed_bytes, p->bytes_known));
	return o;
}

static json_t *also_gone(const struct wh_explained *x, const char *owner, const char *path)
{
	json_t *a = json_array();

	for (size_t i = 0; i < x->n_gone && json_array_size(a) < ALSO_GONE; i++)
		if (x->gone[i].owner && wh_streq(x->gone[i].owner, owner) && !wh_streq(x->gone[i].path, path))
			json_array_append_new(a, wh_ex_path(x->gone[i].path));
	return a;
}

static void add_package(struct wh_explained *x, json_t *item, const char *owner, const char *gone, bool brief)
{
	json_t *o;

	if (!owner || !*owner)
		return;
	o = brief ? wh_ex_package_json(x, owner) : wh_ex_amounts(x, owner);
	if (!brief && gone)
		json_object_set_new(o, "also_removed", also_gone(x, owner, gone));
	json_object_set_new(item, "package", o);
}

/* ---------------------------------------------------------------- kept */

static json_t *by_json(const json_t *o)
{
	const json_t *by = json_object_get(o, "by");
	const char *program = wh_json_str(by, "program"), *script = wh_json_str(by, "script");
	json_t *ret;

	if (!program)
		return NULL;
	ret = json_pack("{s:o}", "program", wh_ex_told_path(program));
	if (script)
		json_object_set_new(ret, "script", wh_ex_told_path(script));
	return ret;
}

static void set_text(json_t *to, const char *key, const char *text)
{
	if (text)
		json_object_set_new(to, key, json_string(text));
}

static void add_rule(json_t *to, const json_t *o)
{
	const char *name = wh_json_str(o, "name");

	set_text(to, "rule", wh_json_str(o, "rule"));
	set_text(to, "name", name);
}

/* A report tells the rule's name; what the rule says is this program's, as the report may be of another version. */
static const char *says(const char *rule, const char *name)
{
	static const struct {
		const char *rule, *says;
	} plain[] = {
		{"symlink", "a link that stays leads there"},
		{"elf", "a program or library that stays needs it"},
		{"script", "it interprets a script that stays"},
		{"config", "the image's config names it"},
		{"base", "every image has it"},
		{"package", "of a package that stays: its record, copyright, metadata; with --mode=package its files"},
		{"keep", "--keep asks for it"},
		{"repair", "it was looked for on the pruned tree"},
		{"parent", "a directory above something that stays"},
	};

	for (size_t i = 0; !name && i < WH_ARRAY_SIZE(plain); i++)
		if (wh_streq(plain[i].rule, rule))
			return plain[i].says;
	for (size_t i = 0; name && i < wh_closure_rows; i++)
		if (wh_streq(wh_closure_table[i].name, name))
			return wh_closure_table[i].says;
	return NULL;
}

/* Up to something that was observed, whose path it gives back (malloc'ed, or NULL). */
static char *add_via(struct wh_explained *x, json_t *item, const json_t *o)
{
	WH_AUTO_FREE char *last = NULL;
	const char *via = wh_json_str(o, "via");
	json_t *a;

	if (!via)
		return NULL;
	json_object_set_new(item, "via", a = json_array());
	for (unsigned n = 0; via && n < MAX_VIA; n++) {
		json_t *hop = json_pack("{s:o}", "path", wh_ex_told_path(via));

		free(last);
		last = wh_path_of_json(via);
		o = wh_ex_item_of(x->kept, last);
		if (o)
			add_rule(hop, o);
		json_array_append_new(a, hop);
		if (o && wh_streq(wh_json_str(o, "rule"), "observed"))
			return WH_TAKE_PTR(last);
		via = wh_json_str(o, "via");
	}
	return NULL;
}

/* Who looked for it on the pruned tree, and when. */
static json_t *seeker_json(const json_t *o)
{
	json_t *ret = json_object(), *by = by_json(o);

	if (by)
		json_object_set_new(ret, "by", by);
	set_text(ret, "phase", wh_json_str(o, "phase"));
	set_text(ret, "test", wh_json_str(o, "test"));
	set_text(ret, "why", wh_json_str(o, "why"));
	if (json_is_integer(json_object_get(o, "round")))
		json_object_set(ret, "round", json_object_get(o, "round"));
	return ret;
}

static void add_kept(struct wh_explained *x, json_t *item, const char *path, const json_t *o, bool brief)
{
	const char *rule = wh_json_str(o, "rule"), *owner = wh_json_str(o, "package");
	const json_t *unforeseen = wh_ex_item_of(x->unforeseen, path);
	WH_AUTO_FREE char *seen = NULL;

	json_object_set_new(item, "state", json_string("kept"));
	if (!o) /* in the image, and the report has nothing on it */
		return;
	add_rule(item, o);
	set_text(item, "says", says(rule, wh_json_str(o, "name")));
	if (wh_streq(rule, "observed")) {
		json_t *by = by_json(o);

		json_object_set_new(item, "access", access_json(wh_json_str(o, "access")));
		if (by)
			json_object_set_new(item, "by", by);
		seen = wh_strdup(path);
	} else {
		seen = add_via(x, item, o);
	}
	if (unforeseen && wh_streq(rule, "repair"))
		json_object_set_new(item, "unforeseen", seeker_json(unforeseen));
	if (!brief && !wh_streq(rule, "parent"))
		json_object_set_new(item, "uses", seen ? uses_json(x, seen) : json_array());
	add_package(x, item, owner, NULL, brief);
}

/* ---------------------------------------------------------------- removed */

static void add_removed(struct wh_explained *x, json_t *item, const struct wh_ex_gone *g, bool brief)
{
	const json_t *lacking = wh_ex_item_of(x->lacking, g->path);
	bool shell = wh_ex_item_of(x->shells, g->path) != NULL;

	json_object_set_new(item, "state", json_string("removed"));
	json_object_set_new(item, "why", json_string(shell ? "shell" : "unused"));
	if (lacking)
		json_object_set_new(item, "lacking", seeker_json(lacking));
	if (!brief)
		json_object_set_new(item, "uses", uses_json(x, g->path));
	add_package(x, item, g->owner, g->path, brief);
}

/* ---------------------------------------------------------------- directories */

struct share {
	char *key;
	uint64_t n;
	UT_hash_handle hh;
};
struct below {
	struct wh_explained *x;
	struct share *rules, *kept, *removed;
	uint64_t n_kept, n_removed;
};

static void shares_release(struct share **all)
{
	struct share *s, *next;

	HASH_ITER (hh, *all, s, next) {
		HASH_DEL(*all, s);
		free(s->key);
		free(s);
	}
}

static void below_release(struct below *b)
{
	shares_release(&b->rules);
	shares_release(&b->kept);
	shares_release(&b->removed);
}

static void count(struct share **all, const char *key)
{
	struct share *s;

	HASH_FIND_STR(*all, key, s);
	if (!s) {
		s = wh_calloc(1, sizeof(*s));
		s->key = wh_strdup(key);
		HASH_ADD_KEYPTR(hh, *all, s->key, strlen(s->key), s);
	}
	s->n++;
}

static int count_one(void *arg, const struct wh_node_ref *n)
{
	struct below *b = arg;
	const json_t *o;
	const char *rule, *name, *owner;
	WH_AUTO_FREE char *full = NULL;

	if (n->e.type == WH_T_DIR)
		return 0;
	o = wh_ex_item_of(b->x->kept, n->e.path);
	rule = wh_json_str(o, "rule");
	name = wh_json_str(o, "name");
	owner = wh_json_str(o, "package");
	full = name ? wh_asprintf("closure/%s", name) : wh_strdup(rule ? rule : "unknown");
	b->n_kept++;
	count(&b->rules, full);
	count(&b->kept, owner ? owner : "");
	return 0;
}

static int most_first(struct share *a, struct share *b)
{
	if (a->n != b->n)
		return a->n > b->n ? -1 : 1;
	return strcmp(a->key, b->key);
}

static json_t *owners_json(struct wh_explained *x, struct share **all)
{
	json_t *a = json_array();
	size_t n = 0;

	HASH_SORT(*all, most_first);
	for (const struct share *s = *all; s && n < MAX_OWNERS; s = s->hh.next, n++) {
		json_t *o = wh_ex_package_json(x, s->key);

		if (!o)
			o = json_object();
		json_object_set_new(o, "files", json_integer((json_int_t)s->n));
		json_array_append_new(a, o);
	}
	return a;
}

/* How many files and links below it stayed by which rule, and whose they are. */
static void add_below(struct wh_explained *x, json_t *item, const char *dir)
{
	WH_CLEANUP(below_release) struct below b = {.x = x};
	size_t len = strlen(dir), lo = 0;
	json_t *rules = json_array(), *below;

	wh_tree_walk(x->t, dir, count_one, &b);
	for (; lo < x->n_gone; lo++) {
		const struct wh_ex_gone *g = &x->gone[lo];

		if (g->dir || (len && !(wh_has_prefix(g->path, dir) && g->path[len] == '/')))
			continue;
		b.n_removed++;
		count(&b.removed, g->owner ? g->owner : "");
	}
	HASH_SORT(b.rules, most_first);
	for (const struct share *s = b.rules; s; s = s->hh.next)
		json_array_append_new(rules, json_pack("{s:s, s:I}", "rule", s->key, "files", (json_int_t)s->n));
	below = json_pack("{s:I, s:I, s:o, s:o, s:I}", "kept", (json_int_t)b.n_kept, "removed", (json_int_t)b.n_removed,
			  "rules", rules, "removed_packages", owners_json(x, &b.removed), "n_removed_packages",
			  (json_int_t)HASH_COUNT(b.removed));
	if (x->owners_known) {
		json_object_set_new(below, "kept_packages", owners_json(x, &b.kept));
		json_object_set_new(below, "n_kept_packages", json_integer((json_int_t)HASH_COUNT(b.kept)));
	}
	json_object_set_new(item, "below", below);
}

/* ---------------------------------------------------------------- one path */

static void add_type(json_t *item, bool dir, const char *link)
{
	json_object_set_new(item, "type", json_string(dir ? "directory" : link ? "symlink" : "file"));
	if (link)
		json_object_set_new(item, "target", wh_path_json(link));
}

/* Not of the image: what a run made, or looked for. */
static void add_foreign(struct wh_explained *x, json_t *item, const char *path, bool brief)
{
	const struct wh_ex_seen *s = wh_ex_seen_at(x, path);
	const char *state = "never";

	for (const struct wh_ex_use *u = s ? s->first : NULL; u; u = u->next) {
		const char *access = wh_json_str(u->o, "access");

		if (u->list == WH_EX_MISSING && wh_streq(state, "never"))
			state = "missing";
		else if (u->list != WH_EX_MISSING && access && strpbrk(access, "wc"))
			state = "made";
		else if (u->list != WH_EX_MISSING && !wh_streq(state, "made"))
			state = "mounted";
	}
	json_object_set_new(item, "state", json_string(state));
	if (s && !brief)
		json_object_set_new(item, "uses", uses_json(x, path));
}

json_t *wh_ex_explain(struct wh_explained *x, const char *path, bool brief)
{
	const struct wh_ex_gone *gone;
	struct wh_node_ref n;
	json_t *item = json_pack("{s:o}", "path", wh_ex_path(path));

	if (wh_tree_lookup(x->t, path, &n) == 0) {
		bool dir = n.e.type == WH_T_DIR;

		add_type(item, dir, n.e.type == WH_T_SYMLINK ? n.e.link : NULL);
		add_kept(x, item, path, wh_ex_item_of(x->kept, path), brief);
		if (dir && !brief)
			add_below(x, item, path);
		return item;
	}
	gone = wh_ex_gone_at(x, path);
	if (gone) {
		add_type(item, gone->dir, gone->link);
		add_removed(x, item, gone, brief);
		if (gone->dir && !brief)
			add_below(x, item, path);
	} else {
		add_foreign(x, item, path, brief);
	}
	return item;
}
