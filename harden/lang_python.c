/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Python: the standard library, imports that were not reached, bytecode.
 *
 * Where it looks (sys.path) is told by what was seen: encodings/ lies in the standard library; site-packages and
 * dist-packages lie where used modules do; beside them the directories of scripts, of packages outside of both,
 * PYTHONPATH and the working directory.
 */
#include "harden/lang_python.h"
#include "harden/lang.h"

#include <errno.h>

static void add_root(struct wh_python *y, const char *dir, enum wh_py_kind kind)
{
	for (size_t i = 0; i < y->n; i++)
		if (wh_streq(y->v[i].dir, dir))
			return;
	WH_PUSH(y->v, y->n, y->cap) = (struct wh_py_root){wh_strdup(dir), kind};
}

/* "usr/lib/python3/dist-packages/flask/app.py": the part before "/NAME/", with NAME; malloc'ed or NULL. */
static char *site_of(const char *path)
{
	static const char *const names[] = {"/site-packages/", "/dist-packages/"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(names); i++) {
		const char *p = strstr(path, names[i]);

		if (p)
			return wh_strndup(path, (size_t)(p - path) + strlen(names[i]) - 1);
	}
	return NULL;
}

/* usr/lib/python3.11 of usr/lib/python3.11/encodings/…; malloc'ed or NULL */
static char *library_of(const char *path)
{
	const char *p = strstr(path, "/encodings/");
	bool whole =
		p && (wh_has_prefix(p, "/encodings/__init__.") || wh_has_prefix(p, "/encodings/__pycache__/__init__."));

	return whole ? wh_strndup(path, (size_t)(p - path)) : NULL;
}

/* Names of native modules end in one of these, which the standard library's own tell. */
static void read_suffixes(struct wh_decide *d, struct wh_python *y, const char *dir)
{
	WH_AUTO_STRV struct wh_strv names = {0};

	if (wh_tree_list(d->t, dir, &names) < 0)
		return;
	for (size_t i = 0; i < names.n && y->suffixes.n < 8; i++) {
		const char *dot = strchr(names.v[i], '.');

		if (dot && wh_has_suffix(names.v[i], ".so") && !wh_strv_has(&y->suffixes, dot))
			wh_strv_add(&y->suffixes, dot);
	}
}

/* The directory from which a package outside of the site directories was imported. */
static char *import_root(struct wh_decide *d, const char *path)
{
	WH_AUTO_FREE char *dir = wh_strdup(path);

	for (;;) {
		WH_AUTO_FREE char *init = NULL;
		char *slash = strrchr(dir, '/');

		*(slash ? slash : dir) = '\0';
		if (slash && wh_streq(slash + 1, "__pycache__"))
			continue;
		init = wh_path_join(dir, "__init__.py");
		if (!*dir || !wh_code_is_file(d, init))
			return WH_TAKE_PTR(dir);
	}
}

static void add_path_list(struct wh_decide *d, struct wh_python *y, const char *list)
{
	while (list && *list) {
		size_t n = strcspn(list, ":");
		WH_AUTO_FREE char *word = wh_strndup(list, n), *dir = NULL;
		struct wh_node_ref ref;

		if (n && word[0] == '/' && wh_walk(d->t, word, true, NULL, &dir, &ref) == 0 && ref.e.type == WH_T_DIR &&
		    *dir)
			add_root(y, dir, WH_PY_OWN);
		list += n + (list[n] == ':');
	}
}

/* Where an interpreter with that library looks for what was installed, whether or not anything of it was used. */
static void add_sites(struct wh_decide *d, struct wh_python *y, const char *library)
{
	WH_AUTO_FREE char *above = wh_path_dir(library);
	const char *name = wh_path_base(library);
	char *const sites[] = {wh_path_join(library, "site-packages"), wh_path_join(library, "dist-packages"),
			       wh_path_join(above, "python3/dist-packages"),
			       wh_asprintf("usr/local/lib/%s/dist-packages", name),
			       wh_asprintf("usr/local/lib/%s/site-packages", name)};

	for (size_t i = 0; i < WH_ARRAY_SIZE(sites); i++) {
		if (wh_code_is_dir(d, sites[i]))
			add_root(y, sites[i], WH_PY_SITE);
		free(sites[i]);
	}
}

static void find_roots(struct wh_decide *d, struct wh_python *y)
{
	const struct wh_strv *seen = wh_code_seen(d);
	WH_AUTO_STRV struct wh_strv scripts = {0};

	for (size_t i = 0; i < seen->n; i++) {
		WH_AUTO_FREE char *library = library_of(seen->v[i]), *native = NULL;

		if (!library)
			continue;
		add_root(y, library, WH_PY_LIBRARY);
		native = wh_path_join(library, "lib-dynload");
		if (wh_code_is_dir(d, native))
			add_root(y, native, WH_PY_LIBRARY);
		read_suffixes(d, y, native);
		add_sites(d, y, library);
	}
	if (!y->n)
		return;
	for (size_t i = 0; i < seen->n; i++) {
		WH_AUTO_FREE char *site = site_of(seen->v[i]), *root = NULL;

		if (site)
			add_root(y, site, WH_PY_SITE);
		else if ((wh_has_suffix(seen->v[i], ".py") || wh_has_suffix(seen->v[i], ".pyc")) &&
			 !wh_python_root(y, seen->v[i]))
			add_root(y, root = import_root(d, seen->v[i]), WH_PY_OWN);
	}
	wh_code_scripts(d, "python", &scripts);
	for (size_t i = 0; i < scripts.n; i++) {
		WH_AUTO_FREE char *dir = strchr(scripts.v[i], '/') ? wh_path_dir(scripts.v[i]) : wh_strdup("");

		add_root(y, dir, WH_PY_OWN);
	}
	add_path_list(d, y, wh_code_env(d, "PYTHONPATH"));
	add_path_list(d, y, wh_json_str(d->o->config, "WorkingDir"));
}

const struct wh_python *wh_python_of(struct wh_decide *d)
{
	struct wh_python **y = wh_code_python(d);

	if (!*y) {
		*y = wh_calloc(1, sizeof(**y));
		find_roots(d, *y);
	}
	return *y;
}

void wh_python_free(struct wh_python *y)
{
	if (!y)
		return;
	for (size_t i = 0; i < y->n; i++)
		free(y->v[i].dir);
	free(y->v);
	wh_strv_release(&y->suffixes);
	wh_pydist_free(y->dist);
	free(y);
}

const struct wh_py_root *wh_python_root(const struct wh_python *y, const char *path)
{
	const struct wh_py_root *best = NULL;

	/* The nearest: site-packages lies in the standard library. */
	for (size_t i = 0; i < y->n; i++)
		if (*y->v[i].dir && wh_code_below(path, y->v[i].dir) &&
		    (!best || strlen(y->v[i].dir) > strlen(best->dir)))
			best = &y->v[i];
	return best;
}

/* ---------------------------------------------------------------- the standard library */

/* What an import of something else does not bring: tests, editors, demonstrations, another Python's grammar. */
static bool is_aside(const char *name)
{
	static const char *const names[] = {"test",          "idlelib",     "lib2to3",     "tkinter",
					    "turtledemo",    "ensurepip",   "pydoc_data",  "site-packages",
					    "dist-packages", "__pycache__", "lib-dynload", "venv"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(names); i++)
		if (wh_streq(name, names[i]))
			return true;
	return wh_has_prefix(name, "config-");
}

static bool is_test_dir(struct wh_decide *d, const char *dir)
{
	const char *name = wh_path_base(dir);

	(void)d;
	return wh_streq(name, "test") || wh_streq(name, "tests") || wh_streq(name, "idle_test") ||
	       wh_streq(name, "__pycache__");
}

/* A used package of the standard library stays whole: encodings, email, json, asyncio. */
int wh_rule_python_library(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
			   struct wh_err **err)
{
	const struct wh_py_root *root = wh_python_root(wh_python_of(d), path);
	WH_AUTO_FREE char *top = NULL, *dir = NULL;
	const char *rest;

	if (!root || root->kind != WH_PY_LIBRARY)
		return 0;
	rest = path + strlen(root->dir) + 1;
	if (!strchr(rest, '/'))
		return 0;
	top = wh_strndup(rest, strcspn(rest, "/"));
	dir = wh_path_join(root->dir, top);
	return !is_aside(top) && wh_code_first(d, "py-library", dir)
		       ? wh_code_keep_tree(d, row, dir, is_test_dir, via, err)
		       : 0;
}

/* Modules that Python's own C code, or a name made up in the standard library, imports when it comes to it. */
int wh_rule_python_runtime(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
			   struct wh_err **err)
{
	static const char *const names[] = {"traceback.py",
					    "linecache.py",
					    "tokenize.py",
					    "_strptime.py",
					    "_compat_pickle.py",
					    "copyreg.py",
					    "locale.py",
					    "_pydatetime.py",
					    "_sysconfigdata_*.py",
					    "_sitebuiltins.py",
					    "lib-dynload/unicodedata*.so",
					    "lib-dynload/_codecs_*.so",
					    "lib-dynload/_multibytecodec*.so",
					    "lib-dynload/_lsprof*.so"};
	WH_AUTO_FREE char *dir = library_of(path);
	int r = 0;

	if (!dir || !wh_code_first(d, "py-runtime", dir))
		return 0;
	for (size_t i = 0; r == 0 && i < WH_ARRAY_SIZE(names); i++) {
		WH_AUTO_FREE char *glob = wh_path_join(dir, names[i]);

		r = wh_rule_keep_globs(d, row, glob, via, err);
	}
	return r;
}

/* ---------------------------------------------------------------- bytecode */

/* A module is its source and what was compiled of it: tracebacks need the one, a quick start on a root that cannot be
 * written the other. */
int wh_rule_python_bytecode(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
			    struct wh_err **err)
{
	WH_AUTO_FREE char *dir = wh_path_dir(path), *name = wh_strdup(wh_path_base(path));
	WH_AUTO_STRV struct wh_strv names = {0};
	WH_AUTO_FREE char *cache = NULL;
	int r = 0;

	(void)via;
	if (!wh_python_of(d)->n)
		return 0;
	if (wh_has_suffix(path, ".pyc")) {
		WH_AUTO_FREE char *parent = wh_path_dir(dir), *source = NULL;

		if (!wh_streq(wh_path_base(dir), "__pycache__"))
			return 0;
		name[strcspn(name, ".")] = '\0';
		source = wh_asprintf("%s/%s.py", parent, name);
		return wh_rule_keep(d, row, source, path, err);
	}
	/* name without "py": "module." */
	name[strlen(name) - 2] = '\0';
	cache = wh_path_join(dir, "__pycache__");
	if (!wh_code_is_dir(d, cache) || wh_tree_list(d->t, cache, &names) < 0)
		return 0;
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		WH_AUTO_FREE char *compiled = wh_path_join(cache, names.v[i]);

		if (wh_has_prefix(names.v[i], name) && wh_has_suffix(names.v[i], ".pyc") &&
		    !strstr(names.v[i], ".opt-"))
			r = wh_rule_keep(d, row, compiled, path, err);
	}
	return r;
}

/* ---------------------------------------------------------------- imports */

struct resolve {
	struct wh_decide *d;
	const struct wh_rule_row *row;
	const struct wh_python *y;
	const char *file, *dir; /* of the importing source */
};

/* Below a site directory the distribution's rule does the rest, in the application's the home's; a package anywhere
 * else comes whole. */
static int keep_module(struct resolve *x, const struct wh_py_root *root, const char *path, struct wh_err **err)
{
	const struct wh_py_root *from = wh_python_root(x->y, x->file);
	WH_AUTO_FREE char *dir = NULL;

	/* pydoc imports its topics, and some module tkinter: who wants those says so. */
	if (root && root->kind == WH_PY_LIBRARY && from && from->kind == WH_PY_LIBRARY) {
		const char *rest = path + strlen(root->dir) + 1;
		WH_AUTO_FREE char *top = wh_strndup(rest, strcspn(rest, "/"));

		if (rest[strlen(top)] && is_aside(top) && !wh_streq(top, "lib-dynload"))
			return 0;
	}
	if (!root || root->kind != WH_PY_OWN || !wh_has_suffix(path, "/__init__.py"))
		return wh_rule_keep(x->d, x->row, path, x->file, err);
	dir = wh_path_dir(path);
	return wh_code_first(x->d, "py-package", dir) ? wh_code_keep_tree(x->d, x->row, dir, is_test_dir, x->file, err)
						      : 0;
}

/* Goes down from dir by the parts of a name, as far as there is something. *ret_package: the whole name is a
 * directory. */
static int descend(struct resolve *x, const struct wh_py_root *root, const char *from, const char *name,
		   bool *ret_package, struct wh_err **err)
{
	WH_AUTO_FREE char *dir = wh_strdup(from);
	int r = 0;

	*ret_package = false;
	while (r == 0 && *name) {
		size_t n = strcspn(name, ".");
		WH_AUTO_FREE char *base = wh_asprintf("%s%s%.*s", dir, *dir ? "/" : "", (int)n, name),
				  *init = wh_path_join(base, "__init__.py"), *py = wh_asprintf("%s.py", base);
		bool last = !name[n];

		if (wh_code_is_dir(x->d, base)) {
			*ret_package = last;
			if (wh_code_is_file(x->d, init))
				r = keep_module(x, root, init, err);
		} else {
			if (wh_code_is_file(x->d, py))
				return keep_module(x, root, py, err);
			for (size_t i = 0; i < x->y->suffixes.n + 2; i++) {
				static const char *const plain[] = {".so", ".abi3.so"};
				WH_AUTO_FREE char *so =
					wh_asprintf("%s%s", base, i < 2 ? plain[i] : x->y->suffixes.v[i - 2]);

				if (wh_code_is_file(x->d, so))
					return keep_module(x, root, so, err);
			}
			return 0;
		}
		free(dir);
		dir = WH_TAKE_PTR(base);
		name += n + !last;
	}
	return r;
}

/* Is there something of the name's first part in a root? Asked once for each. */
static bool has_top(struct resolve *x, size_t root, const char *name)
{
	WH_AUTO_FREE char *key = wh_asprintf("%zu:%.*s", root, (int)strcspn(name, "."), name);
	WH_AUTO_FREE char *base = NULL, *py = NULL;
	const char *dir = x->y->v[root].dir;
	bool found;

	if (!wh_code_first(x->d, "py-asked", key))
		return wh_code_met(x->d, "py-top", key);
	base = wh_asprintf("%s%s%.*s", dir, *dir ? "/" : "", (int)strcspn(name, "."), name);
	py = wh_asprintf("%s.py", base);
	found = wh_code_is_dir(x->d, base) || wh_code_is_file(x->d, py);
	for (size_t i = 0; !found && i < x->y->suffixes.n + 2; i++) {
		WH_AUTO_FREE char *so =
			wh_asprintf("%s%s", base, i < 2 ? (i ? ".abi3.so" : ".so") : x->y->suffixes.v[i - 2]);

		found = wh_code_is_file(x->d, so);
	}
	if (found)
		wh_code_first(x->d, "py-top", key);
	return found;
}

static int resolve_absolute(struct resolve *x, const char *name, struct wh_err **err)
{
	int r = 0;

	if (!wh_code_first(x->d, "py-import", name))
		return 0;
	/* Each place is asked: which comes first is decided when it runs. */
	for (size_t i = 0; r == 0 && i < x->y->n; i++) {
		bool package = false;

		if (has_top(x, i, name))
			r = descend(x, &x->y->v[i], x->y->v[i].dir, name, &package, err);
		if (package)
			wh_code_first(x->d, "py-package-name", name);
	}
	return r;
}

/* Has a directory, below which "from a import b" can mean a module. */
static bool is_package(struct resolve *x, const struct wh_py_import *i, const char *dir)
{
	WH_AUTO_FREE char *base = NULL;

	if (!*i->name)
		return true;
	if (!i->level)
		return wh_code_met(x->d, "py-package-name", i->module);
	if (!*i->module)
		return true;
	base = wh_asprintf("%s/%s", dir, i->module);
	for (char *p = base + strlen(dir); (p = strchr(p, '.'));)
		*p = '/';
	return wh_code_is_dir(x->d, base);
}

static int on_import(void *arg, const struct wh_py_import *i, struct wh_err **err)
{
	struct resolve *x = arg;
	WH_AUTO_FREE char *name = NULL, *dir = NULL, *key = NULL;
	bool package;

	dir = wh_strdup(x->dir);
	for (unsigned k = 1; k < i->level && *dir; k++) {
		char *slash = strrchr(dir, '/');

		*(slash ? slash : dir) = '\0';
	}
	if (wh_streq(i->name, "*") || !is_package(x, i, dir))
		return 0;
	if (*i->name)
		name = wh_asprintf("%s%s%s", i->module, *i->module ? "." : "", i->name);
	else
		name = wh_strdup(i->module);
	if (!i->level) {
		const struct wh_py_root *from = wh_python_root(x->y, x->file);
		bool hooked = (wh_streq(name, "distutils") || wh_has_prefix(name, "distutils.")) &&
			      (!from || from->kind != WH_PY_LIBRARY);
		int r = resolve_absolute(x, name, err);

		/* zoneinfo's data where the system has none. */
		if (r == 0 && wh_streq(name, "zoneinfo"))
			r = resolve_absolute(x, "tzdata", err);
		return r == 0 && hooked ? resolve_absolute(x, "setuptools._distutils", err) : r;
	}
	key = wh_asprintf("%s:%s", dir, name);
	if (!*dir || !*name || !wh_code_first(x->d, "py-relative", key))
		return 0;
	return descend(x, wh_python_root(x->y, dir), dir, name, &package, err);
}

/* The application's own sources alone: that some library could call it is no reason for one more program. */
int wh_rule_python_find_library(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
				struct wh_err **err)
{
	static const char call[] = "find_library(";
	const struct wh_python *y = wh_python_of(d);
	const struct wh_py_root *root = wh_python_root(y, path);
	WH_AUTO_BYTES struct wh_bytes b = {0};

	(void)via;
	if (!y->n || (root && root->kind != WH_PY_OWN) || !wh_code_source(d, path, ".py", "python", &b) ||
	    !memmem(b.p, b.n, call, sizeof(call) - 1))
		return 0;
	return wh_rule_keep_globs(d, row, "usr/sbin/ldconfig etc/ld.so.conf etc/ld.so.conf.d/**", path, err);
}

/* What a source that stays imports, whether or not it came to that while it was watched. */
int wh_rule_python_import(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
			  struct wh_err **err)
{
	const struct wh_python *y = wh_python_of(d);
	const struct wh_py_root *root = wh_python_root(y, path);
	WH_AUTO_FREE char *dir = strchr(path, '/') ? wh_path_dir(path) : wh_strdup("");
	struct resolve x = {.d = d, .row = row, .y = y, .file = path, .dir = dir};
	WH_AUTO_BYTES struct wh_bytes b = {0};

	(void)via;
	if (!y->n || strstr(path, WH_PY_HOOK) || (wh_code_in_tests(path) && root && root->kind != WH_PY_OWN) ||
	    !wh_code_source(d, path, ".py", "python", &b))
		return 0;
	return wh_py_imports((const char *)b.p, b.n, !root || root->kind == WH_PY_OWN, on_import, &x, err);
}
