/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stays. Rules add paths in this order, each with its reason; the first reason a path gets is the one that is
 * told: observed, repair, what the config names, the base of every image, --keep; then, until nothing new comes, what
 * those need (closure.c); whole packages with --mode=package; and last the package database of what stays.
 *
 * A profile that saw everything makes the other rules idle: they are for what no observation can show (the interpreter
 * of an ELF file is opened by the kernel) and for what a run may do that no test did.
 */
#include "harden/closure_table.h"
#include "harden/keep_private.h"
#include "harden/lang.h"
#include "harden/packages_private.h"

#include <errno.h>

#define MAX_LIST ((size_t)32 << 20)
#define MD5_LINE 34 /* "SUM  " before the path */

const char *wh_rule_name(enum wh_rule r)
{
	static const char *const names[] = {
		[WH_RULE_OBSERVED] = "observed", [WH_RULE_SYMLINK] = "symlink", [WH_RULE_ELF] = "elf",
		[WH_RULE_SCRIPT] = "script",     [WH_RULE_CONFIG] = "config",   [WH_RULE_BASE] = "base",
		[WH_RULE_PACKAGE] = "package",   [WH_RULE_KEEP] = "keep",       [WH_RULE_REPAIR] = "repair",
		[WH_RULE_PARENT] = "parent",     [WH_RULE_CLOSURE] = "closure",
	};

	return names[r];
}

/* ---------------------------------------------------------------- the set */

static struct wh_kept *find(struct wh_kept *set, const char *path)
{
	struct wh_kept *i;

	HASH_FIND_STR(set, path, i);
	return i;
}

static char *own(struct wh_keep *k, const char *s)
{
	return s ? wh_arena_strdup(k->a, s) : NULL;
}

static void explain(struct wh_keep *k, struct wh_kept *i, const struct wh_why *why)
{
	i->rule = why->rule;
	i->via = own(k, why->via);
	i->access = own(k, why->access);
	i->program = own(k, why->program);
	i->script = own(k, why->script);
	i->name = why->name;
}

static struct wh_kept *insert(struct wh_keep *k, struct wh_kept **set, const char *path, const struct wh_why *why)
{
	struct wh_kept *i = wh_arena_alloc(k->a, sizeof(*i));

	i->path = own(k, path);
	explain(k, i, why);
	HASH_ADD_KEYPTR(hh, *set, i->path, strlen(i->path), i);
	return i;
}

static void add_parents(struct wh_decide *d, const char *path)
{
	const struct wh_why why = {.rule = WH_RULE_PARENT, .via = path};
	WH_AUTO_FREE char *dir = wh_strdup(path);
	char *slash;

	do {
		slash = strrchr(dir, '/');
		*(slash ? slash : dir) = '\0';
		if (find(d->k->items, dir))
			return;
		insert(d->k, &d->k->items, dir, &why);
	} while (*dir);
}

/* Only a rule about what was not seen asks for it, or what such a rule keeps does. */
static bool is_soft(const struct wh_decide *d, const struct wh_why *why)
{
	const struct wh_kept *via = why->via ? find(d->k->items, why->via) : NULL;

	if (why->rule == WH_RULE_CLOSURE)
		return true;
	return via && via->soft &&
	       (why->rule == WH_RULE_SYMLINK || why->rule == WH_RULE_ELF || why->rule == WH_RULE_SCRIPT);
}

/* Must it stay whatever --drop says? */
static bool is_needed(const struct wh_decide *d, const struct wh_why *why)
{
	enum wh_rule r = why->rule;

	return r != WH_RULE_BASE && r != WH_RULE_PACKAGE && r != WH_RULE_KEEP && r != WH_RULE_PARENT && !is_soft(d, why);
}

static int refuse_drop(struct wh_decide *d, const char *path, const struct wh_why *why, struct wh_err **err)
{
	const char *word = wh_globs_word(&d->drop, path);

	if (why->rule == WH_RULE_OBSERVED)
		wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_USAGE, EINVAL,
			   "--drop=%s would take away /%s, which %s%s was seen to use", word, path,
			   why->program ? "/" : "the application", why->program ? why->program : "");
	else
		wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_USAGE, EINVAL,
			   "--drop=%s would take away /%s, which %s%s needs (rule \"%s\")", word, path,
			   why->via ? "/" : "the image", why->via ? why->via : "", wh_rule_name(why->rule));
	wh_err_hint(err, "narrow the pattern, or change the application so that it does without");
	return -EINVAL;
}

static int add_node(struct wh_decide *d, const struct wh_node_ref *n, const struct wh_why *why, struct wh_err **err)
{
	struct wh_kept *i;

	if (!d->o->keep_shell && wh_shells_kind_of(d->shells, d->t, n) != WH_SHELL_NONE) {
		if (!find(d->k->shells, n->e.path))
			insert(d->k, &d->k->shells, n->e.path, why);
		return 0;
	}
	if (wh_globs_word(&d->drop, n->e.path)) {
		if (is_needed(d, why))
			return refuse_drop(d, n->e.path, why, err);
		return 0;
	}
	i = insert(d->k, &d->k->items, n->e.path, why);
	i->soft = is_soft(d, why);
	if (*n->e.path)
		add_parents(d, n->e.path);
	WH_PUSH(d->todo, d->n_todo, d->cap_todo) = i;
	return 0;
}

/* A directory that is there for what is below it: is it worth telling that it is there for itself? */
static bool says_more(enum wh_rule r)
{
	return r == WH_RULE_OBSERVED || r == WH_RULE_CONFIG || r == WH_RULE_KEEP || r == WH_RULE_REPAIR ||
	       r == WH_RULE_CLOSURE;
}

int wh_decide_add(struct wh_decide *d, const char *path, const struct wh_why *why, struct wh_err **err)
{
	struct wh_kept *i = find(d->k->items, path);
	struct wh_node_ref n;
	int r;

	if (i) {
		if (i->rule == WH_RULE_PARENT && says_more(why->rule))
			explain(d->k, i, why);
		return 0;
	}
	r = wh_tree_lookup(d->t, path, &n);
	if (r == -ENOENT)
		return 0;
	if (r < 0)
		return wh_err_sys(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "look up /%s", path);
	return add_node(d, &n, why, err);
}

int wh_decide_reach(struct wh_decide *d, const char *path, bool follow_last, const struct wh_why *why,
		    struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv links = {0};
	WH_AUTO_FREE char *canonical = NULL;
	struct wh_why link = *why;
	struct wh_node_ref n;
	bool gone;
	int r = wh_walk(d->t, path, follow_last, &links, &canonical, &n);

	if (r == -EBADMSG)
		return wh_err_sys(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "look up %s", path);
	if (r < 0)
		return -ENOENT;
	link.rule = WH_RULE_SYMLINK;
	link.access = link.name = NULL;
	gone = !d->o->keep_shell && wh_shells_kind_of(d->shells, d->t, &n) != WH_SHELL_NONE;
	for (size_t i = 0; r == 0 && i < links.n; i++)
		/* On the way to a shell only what is one itself is worth a note. */
		if (!gone || wh_shells_kind(d->shells, d->t, links.v[i]) != WH_SHELL_NONE)
			r = wh_decide_add(d, links.v[i], &link, err);
	return r < 0 ? r : wh_decide_add(d, canonical, why, err);
}

/* ---------------------------------------------------------------- observed */

static void set_by(struct wh_decide *d, const json_t *o, struct wh_why *why, char **program, char **script)
{
	const json_t *by = json_array_get(json_object_get(o, "by"), 0);
	const json_t *p =
		by ? json_array_get(json_object_get(d->profile, "processes"), (size_t)json_integer_value(by)) : NULL;

	if (!p)
		return;
	*program = wh_path_of_json(wh_json_str(p, "program"));
	*script = wh_json_str(p, "script") ? wh_path_of_json(wh_json_str(p, "script")) : NULL;
	why->program = *program;
	why->script = *script;
}

static int add_used(struct wh_decide *d, const json_t *o, struct wh_err **err)
{
	WH_AUTO_FREE char *path = wh_path_of_json(wh_json_str(o, "path")), *program = NULL, *script = NULL;
	struct wh_why why = {.rule = WH_RULE_OBSERVED, .access = wh_json_str(o, "access")};
	struct wh_node_ref n;

	set_by(d, o, &why, &program, &script);
	if (wh_tree_lookup(d->t, path, &n) == -ENOENT) {
		if (wh_shell_name(path)) /* an earlier PRUNE took it away */
			return 0;
		wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, ENOENT,
			   "the profile says that /%s is used, and the image does not have it", path);
		wh_err_hint(err, "the profile was made with another image: profile this one");
		return -ENOENT;
	}
	wh_strv_add(&d->k->observed, path);
	return wh_decide_add(d, path, &why, err);
}

/* Where something was made, the directory has to be there; not what was made. */
static int add_created(struct wh_decide *d, const json_t *o, struct wh_err **err)
{
	WH_AUTO_FREE char *path = wh_path_of_json(wh_json_str(o, "path")), *program = NULL, *script = NULL;
	struct wh_why why = {.rule = WH_RULE_OBSERVED, .access = "c"};
	struct wh_node_ref n;

	set_by(d, o, &why, &program, &script);
	for (;;) {
		char *slash = strrchr(path, '/');

		*(slash ? slash : path) = '\0';
		if (wh_tree_lookup(d->t, path, &n) == 0)
			return n.e.type == WH_T_DIR ? wh_decide_add(d, path, &why, err) : 0;
		if (!*path)
			return 0;
	}
}

static int add_observed(struct wh_decide *d, struct wh_err **err)
{
	const json_t *used = json_object_get(d->profile, "used"), *created = json_object_get(d->profile, "created");
	int r = 0;

	for (size_t i = 0; r == 0 && i < json_array_size(used); i++)
		r = add_used(d, json_array_get(used, i), err);
	for (size_t i = 0; r == 0 && i < json_array_size(created); i++)
		r = add_created(d, json_array_get(created, i), err);
	return r;
}

static int add_repairs(struct wh_decide *d, struct wh_err **err)
{
	const struct wh_why why = {.rule = WH_RULE_REPAIR};
	size_t n = d->o->repairs ? d->o->repairs->n : 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		const char *path = d->o->repairs->v[i];
		bool before = find(d->k->items, path);

		r = wh_decide_add(d, path, &why, err);
		if (!before && find(d->k->items, path))
			wh_strv_add(&d->k->repaired, path);
	}
	return r;
}

/* ---------------------------------------------------------------- --keep, --drop */

/* A pattern on an absolute path, its plain beginning made canonical (/lib/x on a merged /usr is /usr/lib/x). Links on
 * the way go to links. malloc'ed; NULL with err: no pattern. */
char *wh_glob_pattern(struct wh_tree *t, const char *option, const char *word, struct wh_strv *links, struct wh_err **err)
{
	WH_AUTO_FREE char *plain = NULL, *canonical = NULL;
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	size_t n = strcspn(word, "*?[\\");
	struct wh_node_ref ref;

	if (word[0] != '/') {
		wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_USAGE, EINVAL, "%s%s%s: a pattern begins with a slash", option,
			   *option ? "=" : "", word);
		return NULL;
	}
	/* Only whole components; of a word without a pattern, not the last, which may be a link itself. */
	while (n && word[n - 1] != '/')
		n--;
	plain = wh_strndup(word, n);
	if (wh_walk(t, plain, true, links, &canonical, &ref) < 0)
		return wh_strdup(word);
	wh_buf_addc(&b, '/');
	for (const char *p = canonical; *p; p++) {
		if (strchr("*?[\\", *p))
			wh_buf_addc(&b, '\\');
		wh_buf_addc(&b, *p);
	}
	if (*canonical)
		wh_buf_addc(&b, '/');
	wh_buf_adds(&b, word + n);
	return wh_buf_take(&b);
}

int wh_globs_open(struct wh_globs *g, struct wh_tree *t, const char *option, const char *const *globs, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv words = {0};

	for (size_t i = 0; globs && globs[i]; i++) {
		char *p = wh_glob_pattern(t, option, globs[i], NULL, err);

		if (!p)
			return -EINVAL;
		wh_strv_take(&words, p);
		wh_strv_add(&g->words, globs[i]);
	}
	return words.n ? wh_patterns_new(&words, &g->patterns, err) : 0;
}

void wh_globs_release(struct wh_globs *g)
{
	wh_patterns_freep(&g->patterns);
	wh_strv_release(&g->words);
}

const char *wh_globs_word(const struct wh_globs *g, const char *path)
{
	unsigned by;

	if (!g->patterns || !wh_patterns_excluded(g->patterns, path))
		return NULL;
	by = wh_patterns_decider(g->patterns, path);
	return by && by <= g->words.n ? g->words.v[by - 1] : "";
}

struct keeping {
	struct wh_decide *d;
	const struct wh_patterns *p;
	size_t matches, shells;
	struct wh_err **err;
};

static int keep_match(void *arg, const struct wh_node_ref *n)
{
	const struct wh_why why = {.rule = WH_RULE_KEEP};
	struct keeping *k = arg;

	if (!wh_patterns_excluded(k->p, n->e.path))
		return 0;
	k->matches++;
	k->shells += wh_decide_removes(k->d, n->e.path);
	return wh_decide_add(k->d, n->e.path, &why, k->err);
}

static int add_keep(struct wh_decide *d, const char *word, struct wh_err **err)
{
	const struct wh_why why = {.rule = WH_RULE_KEEP};
	WH_CLEANUP(wh_patterns_freep) struct wh_patterns *p = NULL;
	WH_AUTO_STRV struct wh_strv links = {0}, words = {0};
	char *pattern = wh_glob_pattern(d->t, "--keep", word, &links, err);
	struct keeping k = {.d = d, .err = err};
	int r = pattern ? 0 : -EINVAL;

	if (pattern)
		wh_strv_take(&words, pattern);
	if (r == 0)
		r = wh_patterns_new(&words, &p, err);
	k.p = p;
	if (r == 0)
		r = wh_tree_walk(d->t, "", keep_match, &k);
	if (r < 0)
		return wh_err_sys(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "--keep=%s", word);
	for (size_t i = 0; r == 0 && k.matches && i < links.n; i++)
		r = wh_decide_add(d, links.v[i], &why, err);
	if (r == 0 && k.matches && k.shells == k.matches) {
		r = wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_USAGE, EPERM,
			       "--keep=%s is a shell, and PRUNE removes shells", word);
		wh_err_hint(err, "PRUNE --shell=keep keeps them");
	}
	if (!k.matches) {
		r = wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_USAGE, ENOENT, "--keep=%s matches nothing in the image",
			       word);
		wh_err_hint(err, "patterns are absolute paths; ** stands for any number of directories");
	}
	return r;
}

/* ---------------------------------------------------------------- packages */

/* A file of several names is a package's under each of them: it stays when one of them does, and so does the record of
 * the package. */
struct wh_sibling {
	char *key; /* "LAYER:first name" */
	UT_hash_handle hh;
};

static char *key_of(const struct wh_node_ref *n)
{
	return wh_asprintf("%zu:%s", n->layer, n->e.link ? n->e.link : n->e.path);
}

static void add_sibling(struct wh_decide *d, const struct wh_node_ref *n)
{
	WH_AUTO_FREE char *key = key_of(n);
	struct wh_sibling *s;

	HASH_FIND_STR(d->siblings, key, s);
	if (s)
		return;
	s = wh_calloc(1, sizeof(*s));
	s->key = WH_TAKE_PTR(key);
	HASH_ADD_KEYPTR(hh, d->siblings, s->key, strlen(s->key), s);
}

/* First names do not know that they have others: the others tell. */
static int note_sibling(void *arg, const struct wh_node_ref *n)
{
	struct wh_decide *d = arg;
	struct wh_node_ref first;

	if (n->e.type != WH_T_FILE || !n->e.link)
		return 0;
	if (find(d->k->items, n->e.path) ||
	    (find(d->k->items, n->e.link) && wh_tree_lookup(d->t, n->e.link, &first) == 0 &&
	     first.e.type == WH_T_FILE && first.layer == n->layer))
		add_sibling(d, n);
	return 0;
}

static void forget_siblings(struct wh_decide *d)
{
	struct wh_sibling *s, *next;

	HASH_ITER (hh, d->siblings, s, next) {
		HASH_DEL(d->siblings, s);
		free(s->key);
		free(s);
	}
}

static int find_siblings(struct wh_decide *d, struct wh_err **err)
{
	forget_siblings(d);
	if (wh_tree_walk(d->t, "", note_sibling, d) < 0)
		return wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, EBADMSG, "read the image's indexes");
	return 0;
}

static bool has_kept_sibling(const struct wh_decide *d, const struct wh_node_ref *n)
{
	WH_AUTO_FREE char *key = NULL;
	struct wh_sibling *s;

	if (!d->siblings || n->e.type != WH_T_FILE)
		return false;
	key = key_of(n);
	HASH_FIND_STR(d->siblings, key, s);
	return s;
}

bool wh_decide_is_kept(void *arg, const char *path)
{
	const struct wh_decide *d = arg;
	struct wh_node_ref n;

	if (find(d->k->items, path))
		return true;
	return d->siblings && wh_tree_lookup(d->t, path, &n) == 0 && has_kept_sibling(d, &n);
}

static int add_list(struct wh_decide *d, const struct wh_strv *paths, struct wh_err **err)
{
	const struct wh_why why = {.rule = WH_RULE_PACKAGE};
	int r = 0;

	for (size_t i = 0; r == 0 && i < paths->n; i++) {
		r = wh_decide_reach(d, paths->v[i], false, &why, err);
		if (r == -ENOENT)
			r = 0;
	}
	return r;
}

/* Does a line's path name nothing that stays, because only another name of the file does? gone: or for any reason. */
static bool is_absent(struct wh_decide *d, const char *path, bool gone)
{
	WH_AUTO_FREE char *canonical = NULL;
	struct wh_node_ref n;

	if (wh_walk(d->t, path, false, NULL, &canonical, &n) < 0 || find(d->k->items, canonical))
		return false;
	return gone || has_kept_sibling(d, &n);
}

/* The lines of a list whose paths stay. False: all do. */
static bool cut_list(struct wh_decide *d, struct wh_str text, size_t skip, struct wh_buf *ret)
{
	bool cut = false;

	/* Without a file that goes the list is right already; with one, the directories that led to it go, too. */
	for (int pass = 0; pass == 0 || (pass == 1 && cut); pass++) {
		struct wh_str rest = text, line;

		while (wh_next_line(&rest, &line)) {
			WH_AUTO_FREE char *path = wh_asprintf("/%.*s", (int)(line.n > skip ? line.n - skip : 0),
							      line.p + (line.n > skip ? skip : 0));
			bool absent = is_absent(d, path, pass == 1);

			cut |= absent;
			if (pass == 1 && !absent) {
				wh_buf_addstr(ret, line);
				wh_buf_addc(ret, '\n');
			}
		}
	}
	return cut;
}

static struct wh_pkgdb_change *change_of(struct wh_pkgdb_plan *p, const char *path)
{
	for (size_t i = 0; i < p->n; i++)
		if (wh_streq(p->v[i].path, path))
			return &p->v[i];
	return NULL;
}

static int by_change(const void *a, const void *b)
{
	return strcmp(((const struct wh_pkgdb_change *)a)->path, ((const struct wh_pkgdb_change *)b)->path);
}

static int correct_list(struct wh_decide *d, const char *path, size_t skip, struct wh_err **err)
{
	struct wh_pkgdb_plan *p = &d->k->plan;
	struct wh_pkgdb_change *c = change_of(p, path);
	WH_AUTO_BUF struct wh_buf was = WH_BUF_INIT, now = WH_BUF_INIT;
	int r = 0;

	if (!find(d->k->items, path) || (c && c->drop))
		return 0;
	if (!c)
		r = wh_text_read(d->t, path, MAX_LIST, &was, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (!cut_list(d, c ? (struct wh_str){c->data.p, c->data.n} : (struct wh_str){was.p, was.n}, skip, &now))
		return 0;
	if (!c) {
		p->v = wh_realloc(p->v, (p->n + 1) * sizeof(*p->v));
		c = &p->v[p->n++];
		*c = (struct wh_pkgdb_change){.path = wh_strdup(path)};
	}
	wh_buf_release(&c->data);
	c->data = now;
	now = WH_BUF_INIT;
	qsort(p->v, p->n, sizeof(*p->v), by_change);
	return 0;
}

/* A record that stays for a file's other name has lists with the name that went: they name only what is there. */
static int correct_lists(struct wh_decide *d, struct wh_err **err)
{
	static const char dir[] = "var/lib/dpkg/";
	int r = 0;

	for (size_t i = 0; r == 0 && d->siblings && i < d->k->plan.keep.n; i++) {
		const char *path = d->k->plan.keep.v[i];

		if (wh_has_prefix(path, dir) && wh_has_suffix(path, ".list"))
			r = correct_list(d, path, 0, err);
		else if (wh_has_prefix(path, dir) && wh_has_suffix(path, ".md5sums"))
			r = correct_list(d, path, MD5_LINE, err);
	}
	return r;
}

int wh_decide_database(struct wh_decide *d, struct wh_err **err)
{
	struct wh_pkgdb_plan *p = &d->k->plan;
	const struct wh_why why = {.rule = WH_RULE_PACKAGE};
	int r = find_siblings(d, err);

	if (r == 0)
		r = wh_pkgdb_plan_make(d->t, wh_decide_is_kept, d, p, err);
	if (r == 0)
		r = add_list(d, &p->keep, err);
	for (size_t i = 0; r == 0 && i < p->n; i++) {
		struct wh_kept *item = find(d->k->items, p->v[i].path);

		if (!p->v[i].drop)
			r = wh_decide_add(d, p->v[i].path, &why, err);
		else if (item && item->rule != WH_RULE_OBSERVED && item->rule != WH_RULE_REPAIR &&
			 item->rule != WH_RULE_KEEP)
			HASH_DEL(d->k->items, item);
	}
	if (r == 0)
		r = wh_decide_close(d, err);
	return r < 0 ? r : correct_lists(d, err);
}

/* ---------------------------------------------------------------- all of it */

static const char *env_of(const json_t *config, const char *key)
{
	const json_t *env = json_object_get(config, "Env");
	size_t n = strlen(key);

	for (size_t i = 0; i < json_array_size(env); i++) {
		const char *s = json_string_value(json_array_get(env, i));

		if (s && strncmp(s, key, n) == 0 && s[n] == '=')
			return s + n + 1;
	}
	return NULL;
}

int wh_decide_open(struct wh_decide *d, struct wh_err **err)
{
	const char *path = env_of(d->o->config, "PATH");
	int r = 0;

	if (!path)
		path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	while (*path) {
		size_t n = strcspn(path, ":");

		if (n && path[0] == '/')
			wh_strv_take(&d->path, wh_strndup(path, n));
		path += n + (path[n] == ':');
	}
	if (!d->o->shells)
		r = wh_shells_open(d->t, &d->own_shells, err);
	d->shells = d->o->shells ? d->o->shells : d->own_shells;
	if (r == 0)
		r = wh_libs_open(d->t, env_of(d->o->config, "LD_LIBRARY_PATH"), &d->libs, err);
	if (r == 0)
		r = wh_globs_open(&d->drop, d->t, "--drop", d->o->drop, err);
	return r < 0 ? r : wh_closure_new(d, &d->closure, err);
}

static int begin(struct wh_decide *d, struct wh_err **err)
{
	int r;

	if (!d->o->n_profiles) {
		wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_USAGE, EINVAL,
			   "nothing was profiled, so nothing can be pruned");
		wh_err_hint(err, "put a PROFILE before the PRUNE");
		return -EINVAL;
	}
	r = wh_profile_merge(d->o->profiles, d->o->n_profiles, &d->profile, err);
	return r < 0 ? r : wh_decide_open(d, err);
}

static int list_shell(void *arg, const struct wh_node_ref *n)
{
	struct wh_decide *d = arg;

	if ((n->e.type == WH_T_FILE || n->e.type == WH_T_SYMLINK) &&
	    wh_shells_kind_of(d->shells, d->t, n) == WH_SHELL_YES)
		wh_strv_add(&d->k->shell_names, n->e.path);
	return 0;
}

static int decide(struct wh_decide *d, struct wh_err **err)
{
	int r = d->o->keep_shell ? 0 : wh_decide_shells_run(d, err);

	if (r == 0 && !d->o->keep_shell)
		r = wh_decide_shells_named(d, err);
	if (r == 0 && wh_tree_walk(d->t, "", list_shell, d) < 0)
		r = wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, EBADMSG, "read the image's indexes");

	if (r == 0)
		r = add_observed(d, err);
	if (r == 0)
		r = add_repairs(d, err);
	if (r == 0)
		r = wh_decide_config(d, err);
	for (size_t i = 0; r == 0 && d->o->keep && d->o->keep[i]; i++)
		r = add_keep(d, d->o->keep[i], err);
	if (r == 0)
		r = wh_decide_close(d, err);
	/* With fewer reasons than those: so that the others are told where both hold. */
	if (r == 0)
		r = wh_decide_base(d, err);
	if (r == 0)
		r = wh_decide_close(d, err);
	if (r == 0 && d->o->package_mode)
		r = find_siblings(d, err);
	if (r == 0 && d->o->package_mode)
		r = wh_decide_packages(d, err);
	if (r == 0)
		r = wh_decide_late(d, err);
	return r < 0 ? r : wh_decide_database(d, err);
}

void wh_decide_release(struct wh_decide *d)
{
	if (d->own_shells)
		wh_shells_free(d->own_shells);
	wh_libs_free(d->libs);
	wh_closure_free(d->closure);
	wh_code_free(d->code);
	wh_globs_release(&d->drop);
	wh_strv_release(&d->path);
	json_decref(d->profile);
	forget_siblings(d);
	free(d->todo);
}

int wh_keep_decide(struct wh_tree *t, const struct wh_prune_opts *o, struct wh_keep **ret, struct wh_err **err)
{
	struct wh_keep *k = wh_calloc(1, sizeof(*k));
	WH_CLEANUP(wh_decide_release) struct wh_decide d = {.t = t, .o = o, .k = k};
	int r;

	k->a = wh_arena_new();
	k->keep_setid = o->keep_setid;
	r = begin(&d, err);
	if (r == 0)
		r = wh_setid_named(t, o->setid, &k->setid, err);
	if (r == 0)
		r = decide(&d, err);
	if (r < 0) {
		wh_keep_free(k);
		return r;
	}
	*ret = k;
	return 0;
}

void wh_keep_free(struct wh_keep *k)
{
	if (!k)
		return;
	HASH_CLEAR(hh, k->items);
	HASH_CLEAR(hh, k->shells);
	wh_strv_release(&k->observed);
	wh_strv_release(&k->repaired);
	wh_strv_release(&k->setid);
	wh_strv_release(&k->shell_names);
	wh_pkgdb_plan_release(&k->plan);
	wh_arena_free(k->a);
	free(k);
}

bool wh_keep_has(const struct wh_keep *k, const char *path)
{
	return find(k->items, path);
}

bool wh_keep_shell(const struct wh_keep *k, const char *path)
{
	return find(k->shells, path);
}
