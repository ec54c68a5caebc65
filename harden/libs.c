/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The search for shared libraries, as ld.so(8) and musl's linker do it, on a tree instead of a running system:
 *
 *   glibc: RPATH of the object and of those that loaded it (when the object has no RUNPATH), LD_LIBRARY_PATH, RUNPATH, the
 *          cache (made of /etc/ld.so.conf's directories), the default directories; in each directory glibc-hwcaps first
 *   musl:  LD_LIBRARY_PATH, RPATH or RUNPATH of the object and its loaders, /etc/ld-musl-ARCH.path or its default
 *
 * A file of another class, byte order or machine is passed over. Which glibc-hwcaps directory is taken depends on the
 * machine that will run the image, so what stands in any of them is part of the answer.
 */
#include "harden/libs.h"

#include <elf.h>
#include <errno.h>
#include <uthash.h>

#define MAX_CONF ((size_t)1 << 20)
#define MAX_CONF_FILES 256
#define MAX_DEPTH 48
#define MAX_DIRS 256
#define MAX_VISITS 100000

struct facts {
	char *path;
	struct wh_elf elf;
	bool is_elf;
	UT_hash_handle hh;
};

struct visit { /* an object that was looked at with these inherited directories */
	char *key;
	UT_hash_handle hh;
};

struct wh_libs {
	struct wh_tree *t;
	struct wh_strv env, glibc, musl;
	struct facts *facts;
	struct visit *visits;
	unsigned conf_files;
};

bool wh_is_glibc_linker(const char *interp)
{
	const char *base = wh_path_base(interp);

	return wh_has_prefix(base, "ld-linux") || wh_has_prefix(base, "ld64.so") || wh_has_prefix(base, "ld.so") ||
	       wh_has_prefix(base, "ld-2.");
}

static bool is_musl_linker(const char *interp)
{
	return wh_has_prefix(wh_path_base(interp), "ld-musl-");
}

/* ---------------------------------------------------------------- directories */

static void add_dir(struct wh_strv *dirs, const char *p, size_t n)
{
	WH_AUTO_FREE char *dir = wh_strndup(p, n);

	if (n && n < WH_ELF_MAX_STRING && dirs->n < MAX_DIRS && !wh_strv_has(dirs, dir))
		wh_strv_add(dirs, dir);
}

/* Absolute directories of a list; relative ones mean nothing here. */
static void add_dirs(struct wh_strv *dirs, const char *list, const char *separators)
{
	for (const char *p = list; *p;) {
		size_t n = strcspn(p, separators);

		if (n && *p == '/')
			add_dir(dirs, p, n);
		p += n;
		p += *p != '\0';
	}
}

static int read_conf(struct wh_libs *l, const char *path, unsigned depth, struct wh_err **err);

/* The last component may be a pattern. */
static int include(struct wh_libs *l, const char *pattern, unsigned depth, struct wh_err **err)
{
	WH_AUTO_FREE char *full = pattern[0] == '/' ? wh_strdup(pattern) : wh_asprintf("/etc/%s", pattern);
	WH_AUTO_FREE char *dir = wh_path_dir(full), *canonical = NULL;
	WH_AUTO_STRV struct wh_strv names = {0};
	struct wh_node_ref n;
	int r = 0;

	if (wh_walk(l->t, dir, true, NULL, &canonical, &n) < 0 || wh_tree_list(l->t, canonical, &names) < 0)
		return 0;
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		WH_AUTO_FREE char *path = wh_asprintf("%s/%s", canonical, names.v[i]);

		if (wh_glob_match(wh_path_base(full), names.v[i]) == 1)
			r = read_conf(l, path, depth + 1, err);
	}
	return r;
}

static int conf_line(struct wh_libs *l, char *line, unsigned depth, struct wh_err **err)
{
	int r = 0;

	line[strcspn(line, "#")] = '\0';
	line += strspn(line, " \t\r");
	if (!wh_has_prefix(line, "include") || !strchr(" \t", line[7])) {
		if (!wh_has_prefix(line, "hwcap"))
			add_dirs(&l->glibc, line, ":, \t\r");
		return 0;
	}
	for (char *p = line + 7; r == 0 && *p;) {
		size_t n;

		p += strspn(p, " \t\r");
		n = strcspn(p, " \t\r");
		if (n) {
			WH_AUTO_FREE char *pattern = wh_strndup(p, n);

			r = include(l, pattern, depth, err);
		}
		p += n;
	}
	return r;
}

static int read_conf(struct wh_libs *l, const char *path, unsigned depth, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	int r;

	if (depth > 8 || ++l->conf_files > MAX_CONF_FILES)
		return 0;
	r = wh_text_read(l->t, path, MAX_CONF, &b, err);
	if (r < 0 || !b.n)
		return r == -ENOENT ? 0 : r;
	for (char *p = b.p; r == 0 && p < b.p + b.n;) {
		size_t n = strcspn(p, "\n");
		char *next = p + n + 1;

		p[n] = '\0';
		r = conf_line(l, p, depth, err);
		p = next;
	}
	return r;
}

/* /lib/x86_64-linux-gnu and its like. */
static void add_triplets(struct wh_libs *l, const char *parent)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	WH_AUTO_FREE char *canonical = NULL;
	struct wh_node_ref n;

	if (wh_walk(l->t, parent, true, NULL, &canonical, &n) < 0 || wh_tree_list(l->t, canonical, &names) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		WH_AUTO_FREE char *dir = wh_asprintf("%s/%s", parent, names.v[i]);

		if (strstr(names.v[i], "-linux-gnu"))
			add_dir(&l->glibc, dir, strlen(dir));
	}
}

static int musl_dirs(struct wh_libs *l, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	WH_AUTO_FREE char *etc = NULL;
	struct wh_node_ref n;
	bool found = false;
	int r = 0;

	if (wh_walk(l->t, "etc", true, NULL, &etc, &n) == 0)
		wh_tree_list(l->t, etc, &names);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		WH_AUTO_FREE char *path = wh_asprintf("%s/%s", etc, names.v[i]);
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

		if (!wh_has_prefix(names.v[i], "ld-musl-") || !wh_has_suffix(names.v[i], ".path"))
			continue;
		r = wh_text_read(l->t, path, MAX_CONF, &b, err);
		if (r == 0 && b.n) {
			add_dirs(&l->musl, b.p, ":\n");
			found = true;
		}
		r = r == -ENOENT ? 0 : r;
	}
	if (!found)
		add_dirs(&l->musl, "/lib:/usr/local/lib:/usr/lib", ":");
	return r;
}

int wh_libs_open(struct wh_tree *t, const char *env, struct wh_libs **ret, struct wh_err **err)
{
	struct wh_libs *l = wh_calloc(1, sizeof(*l));
	int r;

	l->t = t;
	if (env)
		add_dirs(&l->env, env, ":;");
	r = read_conf(l, "etc/ld.so.conf", 0, err);
	add_triplets(l, "/lib");
	add_triplets(l, "/usr/lib");
	add_dirs(&l->glibc, "/lib64:/usr/lib64:/lib:/usr/lib:/lib32:/usr/lib32:/libx32:/usr/libx32", ":");
	if (r == 0)
		r = musl_dirs(l, err);
	if (r < 0) {
		wh_libs_free(l);
		return r;
	}
	*ret = l;
	return 0;
}

void wh_libs_free(struct wh_libs *l)
{
	struct facts *f, *next;
	struct visit *v, *next_v;

	if (!l)
		return;
	HASH_ITER (hh, l->facts, f, next) {
		HASH_DEL(l->facts, f);
		wh_elf_release(&f->elf);
		free(f->path);
		free(f);
	}
	HASH_ITER (hh, l->visits, v, next_v) {
		HASH_DEL(l->visits, v);
		free(v->key);
		free(v);
	}
	wh_strv_release(&l->env);
	wh_strv_release(&l->glibc);
	wh_strv_release(&l->musl);
	free(l);
}

/* ---------------------------------------------------------------- files */

int wh_libs_facts(struct wh_libs *l, const struct wh_node_ref *n, const struct wh_elf **ret, struct wh_err **err)
{
	WH_AUTO_BYTES struct wh_bytes b = {0};
	struct facts *f;
	int r;

	*ret = NULL;
	if (n->e.type != WH_T_FILE)
		return 0;
	HASH_FIND_STR(l->facts, n->e.path, f);
	if (!f) {
		r = wh_bytes_open(l->t, n, &b, err);
		if (r < 0)
			return r;
		f = wh_calloc(1, sizeof(*f));
		f->path = wh_strdup(n->e.path);
		f->is_elf = b.n && wh_elf_parse(b.p, b.n, &f->elf) == 0;
		HASH_ADD_KEYPTR(hh, l->facts, f->path, strlen(f->path), f);
	}
	if (f->is_elf)
		*ret = &f->elf;
	return 0;
}

/* ---------------------------------------------------------------- one library */

struct object {             /* a file being loaded */
	const char *path;   /* canonical */
	const char *origin; /* absolute directory of the name it was found by */
	const struct wh_elf *elf;
	const struct wh_strv *inherited; /* RPATH directories of its loaders */
	bool musl;
};

struct search {
	struct wh_libs *l;
	wh_libs_fn fn;
	void *arg;
	unsigned depth;
	struct wh_err **err;
};

static const char *const *platforms(const struct wh_elf *e)
{
	static const char *const x86_64[] = {"x86_64", "haswell", "xeon_phi", NULL},
				 *const i386[] = {"i686", "i586", "i386", NULL}, *const aarch64[] = {"aarch64", NULL},
				 *const arm[] = {"v7l", "v8l", "v6l", NULL}, *const none[] = {NULL};

	switch (e->machine) {
	case EM_X86_64:
		return x86_64;
	case EM_386:
		return i386;
	case EM_AARCH64:
		return aarch64;
	case EM_ARM:
		return arm;
	default:
		return none;
	}
}

static void replace(const char *dir, size_t n_token, const char *value, struct wh_strv *out, const char *at)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	wh_buf_add(&b, dir, (size_t)(at - dir));
	wh_buf_adds(&b, value);
	wh_buf_adds(&b, at + n_token);
	wh_strv_take(out, wh_buf_take(&b));
}

/* $NAME or ${NAME}: how long it is, 0: another. */
static size_t token_at(const char *p, const char *name)
{
	size_t n = strlen(name);

	if (p[0] != '$')
		return 0;
	if (p[1] == '{')
		return strncmp(p + 2, name, n) == 0 && p[2 + n] == '}' ? n + 3 : 0;
	return strncmp(p + 1, name, n) == 0 ? n + 1 : 0;
}

/* What $LIB means differs between distributions: Debian's triplet first, which nobody else has. */
static const char *const *lib_names(const struct wh_elf *e)
{
	static const char *const x86_64[] = {"lib/x86_64-linux-gnu", "lib64", "lib", NULL},
				 *const aarch64[] = {"lib/aarch64-linux-gnu", "lib64", "lib", NULL},
				 *const i386[] = {"lib/i386-linux-gnu", "lib", "lib32", NULL},
				 *const other64[] = {"lib64", "lib", NULL}, *const other32[] = {"lib", "lib32", NULL};

	if (e->machine == EM_X86_64)
		return x86_64;
	if (e->machine == EM_AARCH64)
		return aarch64;
	if (e->machine == EM_386)
		return i386;
	return e->is64 ? other64 : other32;
}

/* A directory with $ORIGIN, $LIB and $PLATFORM replaced: all that it could mean. Without tokens: itself. */
static void expand(const struct object *o, const char *dir, struct wh_strv *out)
{
	WH_AUTO_STRV struct wh_strv todo = {0};
	const char *origin[] = {o->origin, NULL};
	size_t done = 0;

	wh_strv_add(&todo, dir);
	while (done < todo.n && todo.n < 64) {
		WH_AUTO_FREE char *d = wh_strdup(todo.v[done++]);
		const char *at = strchr(d, '$');
		const char *const *values = NULL;
		size_t n = 0;

		for (; at; at = strchr(at + 1, '$')) {
			if ((n = token_at(at, "ORIGIN")))
				values = origin;
			else if ((n = token_at(at, "LIB")))
				values = lib_names(o->elf);
			else if ((n = token_at(at, "PLATFORM")))
				values = platforms(o->elf);
			if (n)
				break;
		}
		if (!n && d[0] == '/')
			wh_strv_add(out, d);
		for (; n && values && *values; values++)
			replace(d, n, *values, &todo, at);
	}
}

static void expand_list(const struct object *o, const char *list, struct wh_strv *out)
{
	while (list && *list) {
		size_t n = strcspn(list, ":");
		WH_AUTO_FREE char *dir = wh_strndup(list, n);

		if (n && out->n < MAX_DIRS)
			expand(o, dir, out);
		list += n + (list[n] == ':');
	}
}

/* ".." stays: behind a symlink it is another directory than the text says. */
static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash > path ? wh_strndup(path, (size_t)(slash - path)) : wh_strdup("/");
}

static int load(struct search *s, const struct object *o);

/* The file at a path, when it is one that this object can be linked with. *ret_path: canonical. */
static int suitable(struct search *s, const struct object *o, const char *path, char **ret_path,
		    const struct wh_elf **ret)
{
	WH_AUTO_FREE char *canonical = NULL;
	struct wh_node_ref n;
	const struct wh_elf *e;
	int r = wh_walk(s->l->t, path, true, NULL, &canonical, &n);

	*ret = NULL;
	if (r < 0)
		return r == -EBADMSG ? wh_err_sys(s->err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "look up %s", path) : 0;
	r = wh_libs_facts(s->l, &n, &e, s->err);
	if (r < 0 || !e || e->is64 != o->elf->is64 || e->big != o->elf->big || e->machine != o->elf->machine)
		return r;
	*ret = e;
	*ret_path = WH_TAKE_PTR(canonical);
	return 0;
}

/* Found: tells of it, and loads it in turn. *ret_found stays as it is otherwise. */
static int try_path(struct search *s, const struct object *o, const struct wh_strv *rpath, const char *path,
		    bool *ret_found)
{
	WH_AUTO_FREE char *canonical = NULL, *dir = directory_of(path);
	struct object next = {.origin = dir, .inherited = rpath, .musl = o->musl};
	int r = suitable(s, o, path, &canonical, &next.elf);

	if (r < 0 || !next.elf)
		return r;
	*ret_found = true;
	next.path = canonical;
	r = s->fn(s->arg, path, o->path, s->err);
	return r < 0 ? r : load(s, &next);
}

static int try_dir(struct search *s, const struct object *o, const struct wh_strv *rpath, const char *dir,
		   const char *name, bool *ret_found)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", dir, name), *hwcaps = wh_asprintf("%s/glibc-hwcaps", dir),
			  *canonical = NULL;
	WH_AUTO_STRV struct wh_strv variants = {0};
	bool variant = false;
	struct wh_node_ref n;
	int r = 0;

	if (!o->musl && wh_walk(s->l->t, hwcaps, true, NULL, &canonical, &n) == 0 && n.e.type == WH_T_DIR)
		wh_tree_list(s->l->t, canonical, &variants);
	for (size_t i = 0; r == 0 && i < variants.n; i++) {
		WH_AUTO_FREE char *v = wh_asprintf("%s/%s/%s", hwcaps, variants.v[i], name);

		r = try_path(s, o, rpath, v, &variant);
	}
	return r < 0 ? r : try_path(s, o, rpath, path, ret_found);
}

static int try_dirs(struct search *s, const struct object *o, const struct wh_strv *rpath, const struct wh_strv *dirs,
		    const char *name, bool *ret_found)
{
	int r = 0;

	for (size_t i = 0; r == 0 && !*ret_found && i < dirs->n; i++)
		r = try_dir(s, o, rpath, dirs->v[i], name, ret_found);
	return r;
}

/* rpath: the object's own and inherited directories that its libraries inherit; runpath: its own, not inherited. */
static int find(struct search *s, const struct object *o, const struct wh_strv *rpath, const struct wh_strv *runpath,
		const char *name)
{
	const struct wh_strv none = {0};
	const struct wh_strv *glibc[] = {o->elf->runpath ? &none : rpath, &s->l->env, runpath, &s->l->glibc};
	const struct wh_strv *musl[] = {&s->l->env, rpath, &s->l->musl};
	const struct wh_strv **order = o->musl ? musl : glibc;
	size_t n = o->musl ? WH_ARRAY_SIZE(musl) : WH_ARRAY_SIZE(glibc);
	bool found = false;
	int r = 0;

	if (strchr(name, '/')) {
		WH_AUTO_STRV struct wh_strv paths = {0};

		expand(o, name, &paths);
		for (size_t i = 0; r == 0 && i < paths.n; i++)
			r = try_path(s, o, rpath, paths.v[i], &found);
		return r;
	}
	for (size_t i = 0; r == 0 && !found && i < n; i++)
		r = try_dirs(s, o, rpath, order[i], name, &found);
	return r;
}

/* ---------------------------------------------------------------- one object, and all it leads to */

static bool visited(struct wh_libs *l, const struct object *o)
{
	WH_AUTO_BUF struct wh_buf key = WH_BUF_INIT;
	struct visit *v;

	wh_buf_addf(&key, "%d%s", o->musl, o->path);
	/* Where it was found, and from where, matters only to $ORIGIN and RPATH. */
	if (o->elf->rpath || o->elf->runpath || o->inherited->n)
		wh_buf_addf(&key, "\n%s", o->origin);
	for (size_t i = 0; i < o->inherited->n; i++)
		wh_buf_addf(&key, ":%s", o->inherited->v[i]);
	HASH_FIND(hh, l->visits, key.p, key.n, v);
	if (v)
		return true;
	v = wh_calloc(1, sizeof(*v));
	v->key = wh_strndup(key.p, key.n);
	HASH_ADD_KEYPTR(hh, l->visits, v->key, key.n, v);
	return false;
}

static int load(struct search *s, const struct object *o)
{
	WH_AUTO_STRV struct wh_strv rpath = {0}, runpath = {0};
	int r = 0;

	if (s->depth == MAX_DEPTH || visited(s->l, o))
		return 0;
	if (HASH_COUNT(s->l->visits) > MAX_VISITS)
		return wh_err_set(s->err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, E2BIG,
				  "/%s: its libraries look for each other in too many ways", o->path);
	s->depth++;
	if (o->elf->interp && o->elf->interp[0] == '/')
		r = s->fn(s->arg, o->elf->interp, o->path, s->err);
	expand_list(o, o->elf->runpath, &runpath);
	if (!o->elf->runpath)
		expand_list(o, o->elf->rpath, &rpath);
	else if (o->musl)
		wh_strv_copy(&rpath, &runpath);
	for (size_t i = 0; i < o->inherited->n; i++)
		add_dir(&rpath, o->inherited->v[i], strlen(o->inherited->v[i]));
	for (size_t i = 0; r == 0 && i < o->elf->needed.n; i++)
		r = find(s, o, &rpath, &runpath, o->elf->needed.v[i]);
	s->depth--;
	return r;
}

/* A library says by what it needs whose it is. */
static bool is_musl(const struct wh_elf *e)
{
	if (e->interp)
		return is_musl_linker(e->interp);
	for (size_t i = 0; i < e->needed.n; i++)
		if (wh_streq(e->needed.v[i], "libc.so") || wh_has_prefix(e->needed.v[i], "libc.musl-"))
			return true;
	return false;
}

/* The object at a canonical path, to search from; *o lives as long as the facts and the two strings. -ENOENT: no such. */
static int object_at(struct wh_libs *l, const char *path, const struct wh_strv *none, const char *origin, struct object *o,
		     struct wh_err **err)
{
	struct wh_node_ref n;
	int r = wh_tree_lookup(l->t, path, &n);

	*o = (struct object){.path = path, .origin = origin, .inherited = none};
	if (r < 0)
		return r == -ENOENT ? r : wh_err_sys(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "look up /%s", path);
	r = wh_libs_facts(l, &n, &o->elf, err);
	if (r < 0)
		return r;
	if (!o->elf)
		return -ENOENT;
	o->musl = is_musl(o->elf);
	return 0;
}

int wh_libs_closure(struct wh_libs *l, const char *path, wh_libs_fn fn, void *arg, struct wh_err **err)
{
	const struct wh_strv none = {0};
	struct search s = {.l = l, .fn = fn, .arg = arg, .err = err};
	WH_AUTO_FREE char *absolute = wh_asprintf("/%s", path), *origin = directory_of(absolute);
	struct object o;
	int r = object_at(l, path, &none, origin, &o, err);

	return r < 0 ? (r == -ENOENT ? 0 : r) : load(&s, &o);
}

int wh_libs_opened(struct wh_libs *l, const char *path, const char *name, wh_libs_fn fn, void *arg, struct wh_err **err)
{
	const struct wh_strv none = {0};
	struct search s = {.l = l, .fn = fn, .arg = arg, .err = err};
	WH_AUTO_FREE char *absolute = wh_asprintf("/%s", path), *origin = directory_of(absolute);
	WH_AUTO_STRV struct wh_strv rpath = {0}, runpath = {0};
	struct object o;
	int r = object_at(l, path, &none, origin, &o, err);

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	expand_list(&o, o.elf->runpath, &runpath);
	if (!o.elf->runpath)
		expand_list(&o, o.elf->rpath, &rpath);
	else if (o.musl)
		wh_strv_copy(&rpath, &runpath);
	return find(&s, &o, &rpath, &runpath, name);
}

bool wh_libs_searches(struct wh_libs *l, const char *dir)
{
	const struct wh_strv *all[] = {&l->env, &l->glibc, &l->musl};

	for (size_t i = 0; i < WH_ARRAY_SIZE(all); i++)
		for (size_t x = 0; x < all[i]->n; x++) {
			WH_AUTO_FREE char *canonical = NULL;
			struct wh_node_ref n;

			if (wh_walk(l->t, all[i]->v[x], true, NULL, &canonical, &n) == 0 && wh_streq(canonical, dir))
				return true;
		}
	return false;
}
