/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sets off the rows of closure_table.c, and what they keep then.
 *
 * Evidence comes in once, as it turns up: the profile's paths and the config's variables at the beginning, what is kept when closure.c looks at it. Each piece
 * that a row waits for becomes a pending pair (row, path); wh_closure_run() works them off in that order, so equal input gives equal reasons.
 */
#include "harden/closure_table.h"
#include "harden/removed.h"
#include "harden/script.h"

#include <errno.h>

struct word { /* a symbol that rows wait for */
	char *name;
	size_t *rows, n, cap;
	UT_hash_handle hh;
};

struct name { /* a string that was met already: "" + text, or file + text */
	char *text;
	UT_hash_handle hh;
};

struct pending {
	size_t row;
	char *path, *via;
};

struct state {      /* of a row */
	bool kept;  /* its globs were worked off */
	char *last; /* what set it off last: a file has many symbols of one row */
};

struct target {    /* names by which an inode is reached beside its own */
	char *key; /* "LAYER:first name" */
	struct wh_strv names;
	UT_hash_handle hh;
};

struct wh_closure {
	struct target *targets;
	bool has_targets;
	struct state *rows;
	struct word *words;
	struct name *names;
	struct pending *pending;
	size_t n, cap, done;
	struct wh_strv paths;
	bool has_paths;
	struct wh_removed owners;
	bool has_owners;
};

/* ---------------------------------------------------------------- globs */

/* One pattern of pe - p bytes. */
static bool glob(const char *p, const char *pe, const char *s, bool at_start)
{
	for (; p < pe; p++, s++) {
		bool whole = at_start && pe - p >= 2 && p[0] == '*' && p[1] == '*';

		if (whole && p + 2 == pe)
			return *s;
		if (whole && p[2] == '/') {
			for (;;) {
				if (glob(p + 3, pe, s, true))
					return true;
				s = strchr(s, '/');
				if (!s++)
					return false;
			}
		}
		if (*p == '*') {
			for (;; s++) {
				if (glob(p + 1, pe, s, false))
					return true;
				if (!*s || *s == '/')
					return false;
			}
		}
		if (*p == '\\' && p + 1 < pe)
			p++;
		else if (*p == '?' && *s && *s != '/') {
			at_start = false;
			continue;
		}
		if (*p != *s)
			return false;
		at_start = *p == '/';
	}
	return !*s;
}

/* A path as a merged /usr has it. */
static const char *as_merged(const char *path, char **ret_own)
{
	static const char *const dirs[] = {"bin/", "lib/", "lib32/", "lib64/", "libx32/", "sbin/"};

	for (size_t i = 0; (path[0] == 'b' || path[0] == 'l' || path[0] == 's') && i < WH_ARRAY_SIZE(dirs); i++)
		if (wh_has_prefix(path, dirs[i])) {
			free(*ret_own);
			return *ret_own = wh_asprintf("usr/%s", path);
		}
	return path;
}

static bool next_glob(const char **globs, const char **ret_p, const char **ret_end)
{
	*globs += strspn(*globs, " ");
	*ret_p = *globs;
	*globs += strcspn(*globs, " ");
	*ret_end = *globs;
	return *ret_p < *ret_end;
}

/* Where libraries are: Debian has usr/lib/TRIPLET/, which rows write as usr/lib/ and a star, others usr/lib64/ or usr/lib/ itself. */
static const char triplets[] = "usr/lib/*/";
static const char *const library_dirs[] = {"usr/lib64/", "usr/lib/"};

static bool library_glob(const char *p, const char *end, const char *path)
{
	size_t n = sizeof(triplets) - 1;

	if ((size_t)(end - p) <= n || memcmp(p, triplets, n) != 0)
		return false;
	for (size_t i = 0; i < WH_ARRAY_SIZE(library_dirs); i++)
		if (wh_has_prefix(path, library_dirs[i]) && glob(p + n, end, path + strlen(library_dirs[i]), true))
			return true;
	return false;
}

static bool any_glob(const char *globs, const char *path)
{
	const char *p, *end;

	while (next_glob(&globs, &p, &end))
		if (*p != '!' && (*p == *path || strchr("*?\\", *p)) &&
		    (glob(p, end, path, true) || library_glob(p, end, path)))
			return true;
	return false;
}

bool wh_rule_matches(const char *globs, const char *path)
{
	WH_AUTO_FREE char *own = NULL;

	return any_glob(globs, as_merged(path, &own));
}

bool wh_rule_excludes(const char *globs, const char *path)
{
	WH_AUTO_FREE char *own = NULL;
	const char *p, *end, *s = as_merged(path, &own);

	while (globs && next_glob(&globs, &p, &end))
		if (*p == '!' && glob(p + 1, end, s, true))
			return true;
	return false;
}

/* ---------------------------------------------------------------- keeping */

int wh_rule_keep(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
		 struct wh_err **err)
{
	const struct wh_why why = {.rule = WH_RULE_CLOSURE, .name = row->name, .via = via && *via ? via : NULL};
	int r = wh_decide_reach(d, path, true, &why, err);

	return r == -ENOENT ? 0 : r;
}

struct below {
	struct wh_decide *d;
	const struct wh_rule_row *row;
	const char *dir, *via; /* dir: as the rule says it: links on the way are kept, too */
	size_t skip;           /* of a path: the canonical directory and its slash */
	const char *p, *end;   /* what the rest has to match; NULL: anything */
	struct wh_err **err;
};

bool wh_rule_brings_interpreter(struct wh_decide *d, const struct wh_node_ref *n)
{
	WH_AUTO_SCRIPT struct wh_script s = {0};
	WH_AUTO_BYTES struct wh_bytes b = {0};
	WH_AUTO_ERR struct wh_err *ignored = NULL;
	WH_AUTO_FREE char *program = NULL, *canonical = NULL;
	struct wh_node_ref x;

	if (n->e.type == WH_T_SYMLINK)
		return wh_walk(d->t, n->e.path, true, NULL, NULL, &x) == 0 && x.e.type == WH_T_FILE &&
		       wh_rule_brings_interpreter(d, &x);
	if (n->e.type != WH_T_FILE || !(n->e.mode & 0111) || wh_bytes_open(d->t, n, &b, &ignored) < 0 ||
	    wh_script_parse(b.p, b.n, &s) < 0)
		return false;
	program = s.program ? wh_decide_program(d, s.program, "/") : wh_strdup(s.interpreter);
	/* env, which would find nothing to run */
	if (!program)
		return true;
	return wh_walk(d->t, program, true, NULL, &canonical, &x) == 0 && !wh_keep_has(d->k, canonical);
}

static int keep_below(void *arg, const struct wh_node_ref *n)
{
	struct below *b = arg;
	const char *rest = n->e.path + b->skip;
	const struct wh_why why = {
		.rule = WH_RULE_CLOSURE, .name = b->row->name, .via = b->via && *b->via ? b->via : NULL};
	WH_AUTO_FREE char *path = NULL;
	int r;

	if ((b->p && !glob(b->p, b->end, rest, true)) || wh_rule_excludes(b->row->keep, n->e.path) ||
	    wh_rule_brings_interpreter(b->d, n))
		return 0;
	path = wh_asprintf("%s/%s", b->dir, rest);
	r = wh_decide_reach(b->d, path, false, &why, b->err);
	return r == -ENOENT ? 0 : r;
}

static int walk_below(struct below *b, const char *dir)
{
	WH_AUTO_FREE char *canonical = NULL;
	struct wh_node_ref n;
	int r;

	if (wh_walk(b->d->t, dir, true, NULL, &canonical, &n) < 0 || n.e.type != WH_T_DIR)
		return 0;
	b->dir = dir;
	b->skip = strlen(canonical) + (*canonical != '\0');
	r = wh_tree_walk(b->d->t, canonical, keep_below, b);
	return r == -EBADMSG ? wh_err_sys(b->err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "read the image's indexes") : r;
}

static int keep_glob(struct wh_decide *d, const struct wh_rule_row *row, const char *p, const char *end,
		     const char *via, struct wh_err **err)
{
	struct below b = {.d = d, .row = row, .via = via, .err = err};
	WH_AUTO_FREE char *dir = NULL;
	size_t n = 0, whole = (size_t)(end - p);

	for (size_t i = 0; i < whole && !strchr("*?\\", p[i]); i++)
		if (p[i] == '/')
			n = i;
		else if (i + 1 == whole)
			n = whole;
	dir = wh_strndup(p, n);
	if (n == whole) {
		if (wh_rule_excludes(row->keep, dir))
			return 0;
		return wh_rule_keep(d, row, dir, via, err);
	}
	b.p = p + n + (n > 0);
	b.end = end;
	return walk_below(&b, dir);
}

/* Where there is no merged /usr, "usr/lib/x" means "lib/x", too. */
static int keep_glob_anywhere(struct wh_decide *d, const struct wh_rule_row *row, const char *p, const char *end,
			      const char *via, struct wh_err **err)
{
	static const char *const dirs[] = {"usr/bin/", "usr/lib/", "usr/lib32/", "usr/lib64/", "usr/sbin/"};
	int r = keep_glob(d, row, p, end, via, err);

	for (size_t i = 0; r == 0 && i < WH_ARRAY_SIZE(dirs); i++) {
		struct wh_node_ref n;
		WH_AUTO_FREE char *top = NULL;

		if (strncmp(p, dirs[i], strlen(dirs[i])) != 0)
			continue;
		top = wh_strndup(dirs[i] + 4, strlen(dirs[i]) - 5);
		if (wh_tree_lookup(d->t, top, &n) == 0 && n.e.type == WH_T_DIR)
			return keep_glob(d, row, p + 4, end, via, err);
	}
	return r;
}

int wh_rule_keep_globs(struct wh_decide *d, const struct wh_rule_row *row, const char *globs, const char *via,
		       struct wh_err **err)
{
	size_t n = sizeof(triplets) - 1;
	const char *p, *end;
	int r = 0;

	while (r == 0 && next_glob(&globs, &p, &end)) {
		if (*p != '!')
			r = keep_glob_anywhere(d, row, p, end, via, err);
		for (size_t i = 0;
		     r == 0 && (size_t)(end - p) > n && !memcmp(p, triplets, n) && i < WH_ARRAY_SIZE(library_dirs);
		     i++) {
			WH_AUTO_FREE char *other =
				wh_asprintf("%s%.*s", library_dirs[i], (int)(size_t)(end - p - n), p + n);

			r = keep_glob_anywhere(d, row, other, other + strlen(other), via, err);
		}
	}
	return r;
}

int wh_rule_keep_below(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
		       struct wh_err **err)
{
	struct below b = {.d = d, .row = row, .via = via, .err = err};
	int r = wh_rule_keep(d, row, path, via, err);

	return r < 0 ? r : walk_below(&b, path);
}

static int list_path(void *arg, const struct wh_node_ref *n)
{
	wh_strv_add(arg, n->e.path);
	return 0;
}

const struct wh_strv *wh_rule_paths(struct wh_decide *d, struct wh_err **err)
{
	struct wh_closure *c = d->closure;

	if (!c->has_paths && wh_tree_walk(d->t, "", list_path, &c->paths) < 0) {
		wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, EBADMSG, "read the image's indexes");
		return NULL;
	}
	c->has_paths = true;
	return &c->paths;
}

static int open_owners(struct wh_decide *d, struct wh_err **err)
{
	struct wh_closure *c = d->closure;
	int r = c->has_owners ? 0 : wh_removed_open(d->t, &c->owners, err);

	c->has_owners = true;
	return r;
}

int wh_rule_owner(struct wh_decide *d, const char *path, const char **ret, struct wh_err **err)
{
	const struct wh_dpkg_record *x;
	int r = open_owners(d, err);

	if (r < 0)
		return r;
	x = wh_removed_record_of(&d->closure->owners, path);
	*ret = x ? x->name : NULL;
	return 0;
}

/* "NAME (VERSION)", or nothing when it is the package's own. */
static struct wh_str source_of(const struct wh_dpkg_record *x)
{
	struct wh_str s = x->source.n ? x->source : wh_str(x->name);

	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == ' ')
			s.n = i;
	return s;
}

int wh_rule_kin(struct wh_decide *d, const char *a, const char *b, bool *ret, struct wh_err **err)
{
	const struct wh_dpkg_record *x, *y;
	int r = open_owners(d, err);

	if (r < 0)
		return r;
	x = wh_removed_record_of(&d->closure->owners, a);
	y = wh_removed_record_of(&d->closure->owners, b);
	*ret = x && y ? x == y || (source_of(x).n == source_of(y).n &&
				   !memcmp(source_of(x).p, source_of(y).p, source_of(x).n))
		      : !x && !y;
	return 0;
}

/* ---------------------------------------------------------------- names of one file */

static char *key_of(const struct wh_node_ref *n)
{
	return wh_asprintf("%zu:%s", n->layer, n->e.link ? n->e.link : n->e.path);
}

static int note_name(void *arg, const struct wh_node_ref *n)
{
	struct wh_decide *d = arg;
	struct wh_node_ref to = *n;
	WH_AUTO_FREE char *key = NULL;
	struct target *t;

	if (!wh_rule_matches("usr/bin/* usr/sbin/* usr/games/* usr/lib*/** usr/local/*bin/* usr/local/lib/** opt/**",
			     n->e.path) ||
	    (n->e.type != WH_T_SYMLINK && (n->e.type != WH_T_FILE || !n->e.link)))
		return 0;
	if (n->e.type == WH_T_SYMLINK &&
	    (wh_walk(d->t, n->e.path, true, NULL, NULL, &to) < 0 || to.e.type != WH_T_FILE))
		return 0;
	key = key_of(&to);
	HASH_FIND_STR(d->closure->targets, key, t);
	if (!t) {
		t = wh_calloc(1, sizeof(*t));
		t->key = WH_TAKE_PTR(key);
		HASH_ADD_KEYPTR(hh, d->closure->targets, t->key, strlen(t->key), t);
	}
	if (n->e.type == WH_T_FILE && !t->names.n) {
		struct wh_node_ref first;

		/* The first name does not know that there are others. */
		if (wh_tree_lookup(d->t, n->e.link, &first) == 0 && first.e.type == WH_T_FILE &&
		    first.layer == n->layer)
			wh_strv_add(&t->names, n->e.link);
	}
	wh_strv_add(&t->names, n->e.path);
	return 0;
}

int wh_rule_each_name(struct wh_decide *d, const struct wh_node_ref *n, wh_rule_name_fn fn, void *arg,
		      struct wh_err **err)
{
	WH_AUTO_FREE char *key = key_of(n), *dir = NULL;
	struct target *t;
	int r = 0;

	if (!d->closure->has_targets && wh_tree_walk(d->t, "", note_name, d) < 0)
		return wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, EBADMSG, "read the image's indexes");
	d->closure->has_targets = true;
	HASH_FIND_STR(d->closure->targets, key, t);
	dir = wh_path_dir(n->e.path);
	for (size_t i = 0; r == 0 && t && i < t->names.n; i++) {
		WH_AUTO_FREE char *beside = wh_path_dir(t->names.v[i]);
		struct wh_node_ref x;

		if (!wh_streq(t->names.v[i], n->e.path) && wh_tree_lookup(d->t, t->names.v[i], &x) == 0 &&
		    (x.e.type == WH_T_SYMLINK || wh_streq(beside, dir)))
			r = fn(arg, t->names.v[i]);
	}
	return r;
}

/* ---------------------------------------------------------------- evidence */

static void set_off(struct wh_closure *c, size_t row, const char *path, const char *via)
{
	const struct wh_rule_row *x = &wh_closure_table[row];

	if ((c->rows[row].kept && !x->fn) || (x->when == WH_IMPORT && wh_streq(c->rows[row].last, path)))
		return;
	free(c->rows[row].last);
	c->rows[row].last = wh_strdup(path);
	c->rows[row].kept |= !x->fn;
	WH_PUSH(c->pending, c->n, c->cap) = (struct pending){row, wh_strdup(path), wh_strdup(via)};
}

static void see_path(struct wh_closure *c, enum wh_evidence when, const char *path)
{
	WH_AUTO_FREE char *own = NULL;
	const char *merged = as_merged(path, &own);

	for (size_t i = 0; i < wh_closure_rows; i++)
		if (wh_closure_table[i].when == when && any_glob(wh_closure_table[i].match, merged))
			set_off(c, i, path, path);
}

static void see_list(struct wh_closure *c, const json_t *list, bool there)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *o = json_array_get(list, i);
		WH_AUTO_FREE char *path = wh_path_of_json(wh_json_str(o, "path"));
		const char *access = wh_json_str(o, "access");

		see_path(c, WH_SOUGHT, path);
		if (there && access && strspn(access, "skgl") < strlen(access))
			see_path(c, WH_SEEN, path);
	}
}

static void see_env(struct wh_closure *c, const json_t *config)
{
	const json_t *env = json_object_get(config, "Env");

	for (size_t i = 0; i < json_array_size(env); i++) {
		const char *s = json_string_value(json_array_get(env, i)), *value = s ? strchr(s, '=') : NULL;
		WH_AUTO_FREE char *name = value ? wh_strndup(s, (size_t)(value - s)) : NULL;

		for (size_t row = 0; name && value[1] && row < wh_closure_rows; row++) {
			const struct wh_rule_row *x = &wh_closure_table[row];
			const char *globs = x->match, *p, *end;

			while (x->when == WH_ENV && next_glob(&globs, &p, &end))
				if (glob(p, end, name, true))
					set_off(c, row, value + 1, "");
		}
	}
}

static void wait_for(struct wh_closure *c, size_t row)
{
	const char *words = wh_closure_table[row].match, *p, *end;

	while (next_glob(&words, &p, &end)) {
		struct word *w;

		if (*p == '!')
			continue;
		HASH_FIND(hh, c->words, p, (unsigned)(end - p), w);
		if (!w) {
			w = wh_calloc(1, sizeof(*w));
			w->name = wh_strndup(p, (size_t)(end - p));
			HASH_ADD_KEYPTR(hh, c->words, w->name, strlen(w->name), w);
		}
		WH_PUSH(w->rows, w->n, w->cap) = row;
	}
}

struct file {
	struct wh_closure *c;
	const char *path;
	bool basis; /* what the C library and its linker name is for whoever calls them: other rows say when */
};

static bool is_basis(const char *path)
{
	const char *base = wh_path_base(path);

	return wh_streq(base, "libc.so.6") || wh_has_prefix(base, "libc.musl-") || wh_has_prefix(base, "ld-musl-") ||
	       wh_is_glibc_linker(path);
}

static int see_import(void *arg, const char *symbol)
{
	struct file *f = arg;
	struct word *w;

	HASH_FIND_STR(f->c->words, symbol, w);
	for (size_t i = 0; w && i < w->n; i++)
		if (!wh_rule_excludes(wh_closure_table[w->rows[i]].match, f->path))
			set_off(f->c, w->rows[i], f->path, f->path);
	return 0;
}

/* A library's name means what it means to the file that has it, a path the same everywhere. */
static int see_name(void *arg, const char *p, size_t n)
{
	WH_AUTO_FREE char *text = NULL, *own = NULL, *key = NULL;
	struct file *f = arg;
	struct name *x;

	if (f->basis && *p == '/')
		return 0;
	text = wh_strndup(p, n);
	key = text[0] == '/' ? wh_strdup(text) : wh_asprintf("%s\n%s", text, f->path);
	HASH_FIND_STR(f->c->names, key, x);
	if (x)
		return 0;
	x = wh_calloc(1, sizeof(*x));
	x->text = WH_TAKE_PTR(key);
	HASH_ADD_KEYPTR(hh, f->c->names, x->text, strlen(x->text), x);
	for (size_t i = 0; i < wh_closure_rows; i++)
		if (wh_closure_table[i].when == WH_NAMED &&
		    any_glob(wh_closure_table[i].match, text[0] == '/' ? as_merged(text + 1, &own) : text))
			set_off(f->c, i, text, f->path);
	return 0;
}

int wh_closure_see(struct wh_decide *d, struct wh_closure *c, const struct wh_kept *i, const struct wh_bytes *b,
		   struct wh_err **err)
{
	struct file f = {c, i->path, is_basis(i->path)};
	int r = 0;

	(void)d;
	see_path(c, WH_KEPT, i->path);
	if (!wh_elf_is(b->p, b->n))
		return 0;
	r = wh_elf_imports(b->p, b->n, see_import, &f);
	if (r == 0 || r == -EBADMSG || r == -ENOEXEC)
		r = wh_closure_names(b->p, b->n, see_name, &f);
	return r == -EBADMSG || r == -ENOEXEC ? 0
	       : r < 0                        ? wh_err_sys(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "read /%s", i->path)
					      : 0;
}

/* ---------------------------------------------------------------- the run */

int wh_closure_new(struct wh_decide *d, struct wh_closure **ret, struct wh_err **err)
{
	struct wh_closure *c = wh_calloc(1, sizeof(*c));

	(void)err;
	c->rows = wh_calloc(wh_closure_rows, sizeof(*c->rows));
	for (size_t i = 0; i < wh_closure_rows; i++)
		if (wh_closure_table[i].when == WH_IMPORT)
			wait_for(c, i);
	see_env(c, d->o->config);
	see_list(c, json_object_get(d->profile, "used"), true);
	see_list(c, json_object_get(d->profile, "missing"), false);
	*ret = c;
	return 0;
}

int wh_closure_run(struct wh_decide *d, struct wh_closure *c, bool *ret_more, struct wh_err **err)
{
	int r = 0;

	while (r == 0 && c->done < c->n) {
		struct pending *p = &c->pending[c->done++];
		const struct wh_rule_row *row = &wh_closure_table[p->row];
		WH_AUTO_FREE char *path = WH_TAKE_PTR(p->path), *via = WH_TAKE_PTR(p->via);

		if (row->keep && !row->fn)
			r = wh_rule_keep_globs(d, row, row->keep, via, err);
		else if (row->fn)
			r = row->fn(d, row, path, via, err);
	}
	*ret_more = d->n_todo;
	return r;
}

void wh_closure_free(struct wh_closure *c)
{
	struct word *w, *next_w;
	struct name *x, *next_x;
	struct target *t, *next_t;

	if (!c)
		return;
	HASH_ITER (hh, c->targets, t, next_t) {
		HASH_DEL(c->targets, t);
		wh_strv_release(&t->names);
		free(t->key);
		free(t);
	}
	HASH_ITER (hh, c->words, w, next_w) {
		HASH_DEL(c->words, w);
		free(w->name);
		free(w->rows);
		free(w);
	}
	HASH_ITER (hh, c->names, x, next_x) {
		HASH_DEL(c->names, x);
		free(x->text);
		free(x);
	}
	for (size_t i = 0; i < wh_closure_rows; i++)
		free(c->rows[i].last);
	for (size_t i = c->done; i < c->n; i++) {
		free(c->pending[i].path);
		free(c->pending[i].via);
	}
	if (c->has_owners)
		wh_removed_release(&c->owners);
	wh_strv_release(&c->paths);
	free(c->pending);
	free(c->rows);
	free(c);
}

uint64_t wh_rules_sum(void)
{
	uint64_t sum = 14695981039346656037U; /* FNV-1a, 64 bit */

	for (size_t i = 0; i < wh_closure_rows; i++) {
		const struct wh_rule_row *row = &wh_closure_table[i];
		const char *const texts[] = {row->name, row->match, row->keep ? row->keep : ""};

		sum = (sum ^ row->when) * 1099511628211U;
		for (size_t x = 0; x < WH_ARRAY_SIZE(texts); x++)
			for (const char *p = texts[x];; p++) {
				sum = (sum ^ (uint8_t)*p) * 1099511628211U;
				if (!*p)
					break;
			}
	}
	return sum;
}
