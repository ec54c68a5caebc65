/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the closure rules of all languages need: who owns a file, which scripts were run, where an application lives.
 * Everything is found out once for each prune, when it is first asked for.
 */
#include "harden/lang.h"
#include "harden/lang_python.h"
#include "harden/packages_private.h"

#include <errno.h>

struct once {
	char *key;
	UT_hash_handle hh;
};

struct wh_code {
	struct once *done;
	struct wh_strv seen, scripts, programs; /* programs: names, each once */
	bool has_seen, has_scripts, has_programs;
	struct wh_dpkg dpkg;
	struct wh_dpkg_files files;
	uint32_t *by_record; /* indices into files.v */
	bool has_dpkg, no_dpkg;
	struct wh_python *python;
	struct wh_strv roots[WH_CODE_LANGUAGES];
};

static struct wh_code *state(struct wh_decide *d)
{
	if (!d->code)
		d->code = wh_calloc(1, sizeof(*d->code));
	return d->code;
}

void wh_code_free(struct wh_code *c)
{
	struct once *o, *next;

	if (!c)
		return;
	HASH_ITER (hh, c->done, o, next) {
		HASH_DEL(c->done, o);
		free(o->key);
		free(o);
	}
	wh_strv_release(&c->seen);
	wh_strv_release(&c->scripts);
	wh_strv_release(&c->programs);
	if (c->has_dpkg) {
		wh_dpkg_files_release(&c->files);
		wh_dpkg_release(&c->dpkg);
	}
	free(c->by_record);
	wh_python_free(c->python);
	for (size_t i = 0; i < WH_CODE_LANGUAGES; i++)
		wh_strv_release(&c->roots[i]);
	free(c);
}

struct wh_strv *wh_code_roots(struct wh_decide *d, enum wh_code_language language)
{
	return &state(d)->roots[language];
}

struct wh_python **wh_code_python(struct wh_decide *d)
{
	return &state(d)->python;
}

bool wh_code_first(struct wh_decide *d, const char *what, const char *name)
{
	struct wh_code *c = state(d);
	WH_AUTO_FREE char *key = wh_asprintf("%s:%s", what, name);
	struct once *o;

	HASH_FIND_STR(c->done, key, o);
	if (o)
		return false;
	o = wh_calloc(1, sizeof(*o));
	o->key = WH_TAKE_PTR(key);
	HASH_ADD_KEYPTR(hh, c->done, o->key, strlen(o->key), o);
	return true;
}

bool wh_code_met(struct wh_decide *d, const char *what, const char *name)
{
	WH_AUTO_FREE char *key = wh_asprintf("%s:%s", what, name);
	struct once *o;

	HASH_FIND_STR(state(d)->done, key, o);
	return o;
}

/* ---------------------------------------------------------------- files */

bool wh_code_open(struct wh_decide *d, const char *path, struct wh_bytes *ret)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_node_ref n;

	*ret = (struct wh_bytes){0};
	if (wh_walk(d->t, path, true, NULL, NULL, &n) < 0 || n.e.type != WH_T_FILE || n.e.size > WH_CODE_TEXT_MAX)
		return false;
	return wh_bytes_open(d->t, &n, ret, &err) == 0 && ret->n;
}

/* Most paths that are asked for have no links in them: one look, or one more at where it would be, says so. */
static bool is_type(struct wh_decide *d, const char *path, bool follow, enum wh_type type)
{
	struct wh_node_ref n;

	if (path[0] != '/' && !strstr(path, "..")) {
		const char *slash = strrchr(path, '/');
		int r = wh_tree_lookup(d->t, path, &n);

		if (r == 0 && (n.e.type != WH_T_SYMLINK || !follow))
			return n.e.type == type;
		if (r == -ENOENT && slash) {
			WH_AUTO_FREE char *parent = wh_strndup(path, (size_t)(slash - path));

			if (wh_tree_lookup(d->t, parent, &n) == 0 && n.e.type != WH_T_SYMLINK)
				return false;
		}
	}
	return wh_walk(d->t, path, follow, NULL, NULL, &n) == 0 && n.e.type == type;
}

bool wh_code_is_file(struct wh_decide *d, const char *path)
{
	return is_type(d, path, true, WH_T_FILE);
}

bool wh_code_is_dir(struct wh_decide *d, const char *path)
{
	return is_type(d, path, true, WH_T_DIR);
}

bool wh_code_is_plain(struct wh_decide *d, const char *path)
{
	return is_type(d, path, false, WH_T_FILE);
}

bool wh_code_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !n || (strncmp(path, dir, n) == 0 && (path[n] == '/' || !path[n]));
}

bool wh_code_has_part(const char *path, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = path, *slash; (slash = strchr(p, '/')); p = slash + 1)
		if ((size_t)(slash - p) == n && memcmp(p, name, n) == 0)
			return true;
	return false;
}

bool wh_code_in_tests(const char *path)
{
	static const char *const dirs[] = {"test",    "tests",    "idle_test", "__tests__",  "spec",
					   "example", "examples", "benchmark", "benchmarks", "bench"};
	const char *name = wh_path_base(path);

	for (size_t i = 0; i < WH_ARRAY_SIZE(dirs); i++)
		if (wh_code_has_part(path, dirs[i]))
			return true;
	return wh_rule_matches("test.* tests.* test-* test_* *_test.* *.test.* *.spec.* *_spec.* conftest.py", name);
}

/* ---------------------------------------------------------------- what the profiles say */

const struct wh_strv *wh_code_seen(struct wh_decide *d)
{
	struct wh_code *c = state(d);
	const json_t *used = json_object_get(d->profile, "used");

	for (size_t i = 0; !c->has_seen && i < json_array_size(used); i++) {
		const json_t *o = json_array_get(used, i);
		const char *access = wh_json_str(o, "access"), *path = wh_json_str(o, "path");

		if (path && access && strpbrk(access, "rwx"))
			wh_strv_take(&c->seen, wh_path_of_json(path));
	}
	if (!c->has_seen)
		wh_strv_sort(&c->seen);
	c->has_seen = true;
	return &c->seen;
}

void wh_code_scripts(struct wh_decide *d, const char *interpreter, struct wh_strv *ret)
{
	const json_t *list = json_object_get(d->profile, "processes");

	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *o = json_array_get(list, i);
		const char *program = wh_json_str(o, "program"), *script = wh_json_str(o, "script");
		WH_AUTO_FREE char *path = script ? wh_path_of_json(script) : NULL, *canonical = NULL;
		struct wh_node_ref n;

		if (!path || !program || !wh_has_prefix(wh_path_base(program), interpreter))
			continue;
		if (wh_walk(d->t, path, true, NULL, &canonical, &n) == 0 && n.e.type == WH_T_FILE &&
		    !wh_strv_has(ret, canonical))
			wh_strv_add(ret, canonical);
	}
}

bool wh_code_runs(struct wh_decide *d, const char *interpreter)
{
	struct wh_code *c = state(d);
	const json_t *list = json_object_get(d->profile, "processes");

	for (size_t i = 0; !c->has_programs && i < json_array_size(list); i++) {
		const char *program = wh_json_str(json_array_get(list, i), "program");

		if (program && !wh_strv_has(&c->programs, wh_path_base(program)))
			wh_strv_add(&c->programs, wh_path_base(program));
	}
	c->has_programs = true;
	for (size_t i = 0; i < c->programs.n; i++)
		if (wh_has_prefix(c->programs.v[i], interpreter))
			return true;
	return false;
}

bool wh_code_source(struct wh_decide *d, const char *path, const char *ends, const char *interpreter,
		    struct wh_bytes *ret)
{
	struct wh_node_ref ref;
	bool named = false;
	size_t n = 0;

	if (wh_tree_lookup(d->t, path, &ref) < 0 || ref.e.type != WH_T_FILE)
		return false;
	for (const char *p = ends; *p && !named;) {
		size_t len = strcspn(p, " ");
		WH_AUTO_FREE char *end = wh_strndup(p, len);

		named = wh_has_suffix(path, end);
		p += len + (p[len] == ' ');
	}
	if (named)
		return wh_code_open(d, path, ret);
	if (!(ref.e.mode & 0111) || strchr(wh_path_base(path), '.') || !wh_code_open(d, path, ret))
		return false;
	while (n < ret->n && n < 128 && ret->p[n] != '\n')
		n++;
	if (n > 2 && ret->p[0] == '#' && ret->p[1] == '!' && memmem(ret->p, n, interpreter, strlen(interpreter)))
		return true;
	wh_bytes_release(ret);
	return false;
}

const char *wh_code_env(struct wh_decide *d, const char *name)
{
	const json_t *env = json_object_get(d->o->config, "Env");
	size_t n = strlen(name);

	for (size_t i = 0; i < json_array_size(env); i++) {
		const char *s = json_string_value(json_array_get(env, i));

		if (s && strncmp(s, name, n) == 0 && s[n] == '=')
			return s + n + 1;
	}
	return NULL;
}

/* ---------------------------------------------------------------- packages of dpkg */

static int by_record(const void *a, const void *b, void *arg)
{
	const struct wh_owned *v = arg, *x = &v[*(const uint32_t *)a], *y = &v[*(const uint32_t *)b];

	return x->record != y->record
		       ? (x->record > y->record) - (x->record < y->record)
		       : (*(const uint32_t *)a > *(const uint32_t *)b) - (*(const uint32_t *)a < *(const uint32_t *)b);
}

static int read_dpkg(struct wh_decide *d, struct wh_err **err)
{
	struct wh_code *c = state(d);
	int r;

	if (c->has_dpkg || c->no_dpkg)
		return 0;
	r = wh_dpkg_read(d->t, &c->dpkg, err);
	if (r < 0)
		return r;
	r = wh_dpkg_files_read(d->t, &c->dpkg, &c->files, err);
	if (r < 0) {
		wh_dpkg_release(&c->dpkg);
		return r;
	}
	c->has_dpkg = true;
	c->by_record = wh_calloc(c->files.n + 1, sizeof(*c->by_record));
	for (size_t i = 0; i < c->files.n; i++)
		c->by_record[i] = (uint32_t)i;
	qsort_r(c->by_record, c->files.n, sizeof(*c->by_record), by_record, c->files.v);
	return 0;
}

/* First of the entries for this path, or n. */
static size_t first_owned(const struct wh_dpkg_files *f, const char *path)
{
	size_t lo = 0, hi = f->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(f->v[mid].path, path) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void add_record(const struct wh_code *c, uint32_t record, const char *below, struct wh_strv *ret)
{
	const struct wh_owned *v = c->files.v;
	size_t lo = 0, hi = c->files.n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (v[c->by_record[mid]].record < record)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < c->files.n && v[c->by_record[lo]].record == record; lo++) {
		const struct wh_owned *o = &v[c->by_record[lo]];

		if (!o->dir && wh_code_below(o->path, below))
			wh_strv_add(ret, o->path);
	}
}

int wh_code_owned(struct wh_decide *d, const char *path, const char *below, struct wh_strv *ret, struct wh_err **err)
{
	struct wh_code *c = state(d);
	int r = read_dpkg(d, err);

	if (r < 0)
		return r;
	for (size_t i = first_owned(&c->files, path); i < c->files.n && wh_streq(c->files.v[i].path, path); i++)
		if (!c->files.v[i].dir)
			add_record(c, c->files.v[i].record, below, ret);
	return 0;
}

int wh_code_keep_owned(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *globs,
		       const char *via, struct wh_err **err)
{
	struct wh_code *c = state(d);
	int r = read_dpkg(d, err);

	for (size_t i = r < 0 ? c->files.n : first_owned(&c->files, path);
	     r == 0 && i < c->files.n && wh_streq(c->files.v[i].path, path); i++) {
		WH_AUTO_FREE char *key = wh_asprintf("%s %u", row->name, (unsigned)c->files.v[i].record);
		WH_AUTO_STRV struct wh_strv owned = {0};

		if (c->files.v[i].dir || !wh_code_first(d, "owned", key))
			continue;
		add_record(c, c->files.v[i].record, "", &owned);
		for (size_t k = 0; r == 0 && k < owned.n; k++)
			if (wh_rule_matches(globs, owned.v[k]))
				r = wh_rule_keep(d, row, owned.v[k], via, err);
	}
	return r;
}

bool wh_code_is_owned(struct wh_decide *d, const char *path)
{
	struct wh_code *c = state(d);
	WH_AUTO_ERR struct wh_err *err = NULL;
	size_t i;

	/* A damaged database is told of by those who need it. */
	if (read_dpkg(d, &err) < 0) {
		c->no_dpkg = true;
		return false;
	}
	i = first_owned(&c->files, path);
	return i < c->files.n && wh_streq(c->files.v[i].path, path);
}

/* ---------------------------------------------------------------- where an application lives */

/* May a directory be the application's alone? Directories that every system has hold what belongs to others, too. */
bool wh_code_is_own(const char *dir)
{
	static const char *const system =
		" bin boot dev etc home lib lib32 lib64 libx32 media mnt opt proc root run sbin sys tmp usr var usr/bin usr/games usr/include usr/lib usr/lib32 "
		"usr/lib64 usr/libexec usr/libx32 usr/local usr/local/bin usr/local/etc usr/local/games usr/local/include usr/local/lib "
		"usr/local/lib64 usr/local/libexec usr/local/man usr/local/sbin usr/local/share usr/local/src usr/sbin usr/share usr/src var/backups "
		"var/cache var/lib var/local var/log var/mail var/opt var/run var/spool var/tmp ";
	WH_AUTO_FREE char *word = wh_asprintf(" %s ", dir);

	/* A package's own directories are its package's business. */
	return *dir && !strchr(dir, ' ') && !strstr(system, word) && !wh_code_below(dir, "etc") &&
	       !wh_code_below(dir, "proc") && !wh_code_below(dir, "sys") && !wh_code_below(dir, "dev") &&
	       !wh_code_below(dir, "run") && !wh_code_below(dir, "tmp");
}

static bool has_marker(struct wh_decide *d, const char *dir)
{
	static const char *const names[] = {"package.json",   "pyproject.toml", "setup.py",         "setup.cfg",
					    "manage.py",      "composer.json",  "Gemfile",          "config.ru",
					    "cpanfile",       "Makefile.PL",    "requirements.txt", "Pipfile",
					    "WEB-INF/web.xml"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(names); i++) {
		WH_AUTO_FREE char *path = wh_path_join(dir, names[i]);

		if (wh_code_is_file(d, path))
			return true;
	}
	return false;
}

/* Where interpreters have their libraries, and what belongs to a package of dpkg, is nobody's home. */
static bool is_library(struct wh_decide *d, const char *path)
{
	static const char *const parts[] = {"node_modules", "site-packages", "dist-packages", "gems",   "vendor_ruby",
					    "site_ruby",    "perl5",         "perl",          "nodejs", "jvm"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(parts); i++)
		if (wh_code_has_part(path, parts[i]))
			return true;
	if (wh_has_suffix(path, ".jar")) {
		WH_AUTO_FREE char *dir = strchr(path, '/') ? wh_path_dir(path) : wh_strdup("");
		WH_AUTO_FREE char *image = wh_path_join(dir, "modules"), *old = wh_path_join(dir, "rt.jar");

		/* A virtual machine's own. */
		if (wh_code_is_file(d, image) || wh_code_is_file(d, old))
			return true;
	}
	for (const char *p = path; (p = strstr(p, "/vendor/")); p++) {
		WH_AUTO_FREE char *composer =
			wh_asprintf("%.*s/vendor/composer/autoload_real.php", (int)(p - path), path);

		if (wh_code_is_file(d, composer))
			return true;
	}
	return wh_rule_matches(
		       "usr/lib/python*/** usr/local/lib/python*/** usr/lib/ruby/** usr/local/lib/ruby/** usr/lib/*/ruby/** "
		       "usr/share/php/** usr/lib/php/** usr/local/lib/php/** usr/lib/*/perl-base/**",
		       path) ||
	       wh_code_is_owned(d, path);
}

char *wh_code_home(struct wh_decide *d, const char *path)
{
	const char *cwd = wh_json_str(d->o->config, "WorkingDir");
	WH_AUTO_FREE char *work = NULL, *dir = wh_strdup(path), *first = NULL;
	struct wh_node_ref n;

	if (is_library(d, path))
		return NULL;
	if (cwd && wh_walk(d->t, cwd, true, NULL, &work, &n) == 0 && n.e.type == WH_T_DIR && wh_code_is_own(work) &&
	    wh_code_below(path, work))
		return WH_TAKE_PTR(work);
	for (;;) {
		char *slash = strrchr(dir, '/');

		*(slash ? slash : dir) = '\0';
		if (!wh_code_is_own(dir))
			break;
		if (has_marker(d, dir))
			return WH_TAKE_PTR(dir);
		if (!first)
			first = wh_strdup(dir);
	}
	return WH_TAKE_PTR(first);
}

struct tree {
	struct wh_decide *d;
	const struct wh_rule_row *row;
	wh_code_skip_fn skip;
	const char *via;
	struct wh_strv found;
};

static int on_tree(void *arg, const struct wh_node_ref *n)
{
	struct tree *x = arg;

	if (n->e.type == WH_T_DIR && x->skip && x->skip(x->d, n->e.path))
		return 1;
	wh_strv_add(&x->found, n->e.path);
	return 0;
}

int wh_code_keep_tree(struct wh_decide *d, const struct wh_rule_row *row, const char *dir, wh_code_skip_fn skip,
		      const char *via, struct wh_err **err)
{
	struct tree x = {.d = d, .row = row, .skip = skip, .via = via};
	int r = wh_tree_walk(d->t, dir, on_tree, &x);

	if (r == -ENOENT || r == -ENOTDIR)
		r = 0;
	else if (r < 0)
		wh_err_sys(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "list /%s", dir);
	for (size_t i = 0; r == 0 && i < x.found.n; i++)
		r = wh_rule_keep(d, row, x.found.v[i], via, err);
	wh_strv_release(&x.found);
	return r;
}

int wh_code_keep_below_roots(struct wh_decide *d, const struct wh_rule_row *row, const struct wh_strv *roots,
			     const char *const *globs, size_t n, const char *via, struct wh_err **err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < roots->n; i++) {
		for (size_t k = 0; r == 0 && k < n; k++) {
			WH_AUTO_FREE char *glob = wh_path_join(roots->v[i], globs[k]);

			r = wh_rule_keep_globs(d, row, glob, via, err);
		}
	}
	return r;
}

/* What lies in an application's directory and is not the application: history, installed packages (which have rules of
 * their own). */
bool wh_code_is_foreign(struct wh_decide *d, const char *dir)
{
	static const char *const names[] = {".git",          ".hg",         ".svn",   "node_modules", "site-packages",
					    "dist-packages", "__pycache__", ".cache", ".npm",         ".pytest_cache",
					    ".mypy_cache",   ".tox",        ".nox"};
	const char *name = wh_path_base(dir);
	WH_AUTO_FREE char *venv = wh_path_join(dir, "pyvenv.cfg"),
			  *composer = wh_path_join(dir, "composer/autoload_real.php"),
			  *bundle = wh_path_join(dir, "bundle/ruby");

	for (size_t i = 0; i < WH_ARRAY_SIZE(names); i++)
		if (wh_streq(name, names[i]))
			return true;
	return wh_code_is_file(d, venv) ||
	       (wh_streq(name, "vendor") && (wh_code_is_file(d, composer) || wh_code_is_dir(d, bundle)));
}

bool wh_code_is_code(const char *path)
{
	static const char *const ends[] = {".py", ".pyc", ".js", ".mjs",  ".cjs",   ".php", ".phtml", ".rb",
					   ".ru", ".pl",  ".pm", ".psgi", ".class", ".jar", ".war"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(ends); i++)
		if (wh_has_suffix(path, ends[i]))
			return true;
	return false;
}

static bool is_script(struct wh_decide *d, const char *path)
{
	static const char *const names[] = {"python", "node", "php", "perl", "ruby", "java"};
	struct wh_code *c = state(d);

	for (size_t i = 0; !c->has_scripts && i < WH_ARRAY_SIZE(names); i++)
		wh_code_scripts(d, names[i], &c->scripts);
	c->has_scripts = true;
	return wh_strv_has(&c->scripts, path);
}

/* A script in a directory that others share, /app.py: what frameworks look for beside it. */
static int keep_beside(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
		       struct wh_err **err)
{
	static const char *const names[] = {"templates", "static",  "views",        "public", "assets",
					    "locale",    "locales", "translations", "i18n",   "lang"};
	WH_AUTO_FREE char *dir = strchr(path, '/') ? wh_path_dir(path) : wh_strdup("");
	int r = 0;

	if (is_library(d, path) || !wh_code_first(d, "beside", dir))
		return 0;
	for (size_t i = 0; r == 0 && i < WH_ARRAY_SIZE(names); i++) {
		WH_AUTO_FREE char *data = *dir ? wh_path_join(dir, names[i]) : wh_strdup(names[i]);

		if (wh_code_is_dir(d, data) && !wh_code_is_owned(d, data))
			r = wh_code_keep_tree(d, row, data, wh_code_is_foreign, via, err);
	}
	return r;
}

/* The directory of a used source that is the application's own stays with all that is in it: templates, translations,
 * modules that are imported by a name made up when it runs. */
int wh_rule_home(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
		 struct wh_err **err)
{
	WH_AUTO_FREE char *home = NULL;

	if (!wh_code_is_plain(d, path) || (!wh_code_is_code(path) && !is_script(d, path)))
		return 0;
	home = wh_code_home(d, path);
	if (!home)
		return keep_beside(d, row, path, via, err);
	return wh_code_first(d, "home", home) ? wh_code_keep_tree(d, row, home, wh_code_is_foreign, via, err) : 0;
}
