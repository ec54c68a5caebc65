/* SPDX-License-Identifier: Apache-2.0 */
/* Which files are the code of a Python or npm package. */
#include "harden/packages_private.h"

#include <errno.h>

#define MAX_RECORD ((size_t)32 << 20)

struct gather {
	struct wh_strv *out;
	const char *skip; /* metadata: this path and what is below it; NULL: none */
	bool npm;
};

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !n || (strncmp(path, dir, n) == 0 && (path[n] == '/' || !path[n]));
}

static int on_file(void *arg, const struct wh_node_ref *n)
{
	struct gather *g = arg;

	if (g->skip && is_below(n->e.path, g->skip))
		return n->e.type == WH_T_DIR;
	if (n->e.type == WH_T_DIR)
		return g->npm && wh_streq(wh_path_base(n->e.path), "node_modules");
	wh_strv_add(g->out, n->e.path);
	return 0;
}

/* Everything below a directory. In the root only what lies there itself: an application that was put there does not
 * own the system. */
static int add_tree(struct wh_tree *t, const char *dir, struct gather *g)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	int r;

	if (*dir)
		return wh_tree_walk(t, dir, on_file, g);
	r = wh_tree_list(t, "", &names);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		struct wh_node_ref n;

		if (wh_tree_lookup(t, names.v[i], &n) == 0 && n.e.type == WH_T_FILE && !wh_streq(names.v[i], g->skip))
			wh_strv_add(g->out, names.v[i]);
	}
	return r;
}

/* A path that a list names, from a directory: added when it is there and no directory. */
static void add_listed(struct wh_tree *t, const char *from, const char *listed, const char *skip, struct wh_strv *out)
{
	WH_AUTO_FREE char *cwd = wh_asprintf("/%s", from), *path = wh_path_abs_in(cwd, listed), *canonical = NULL;
	struct wh_node_ref n;

	if (wh_tree_resolve(t, path, false, false, &canonical, &n) < 0 || n.e.type == WH_T_DIR)
		return;
	if (!is_below(canonical, skip))
		wh_strv_add(out, canonical);
}

/* First column of a line of comma-separated values; malloc'ed. */
static char *first_column(struct wh_str line)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	const char *comma;

	if (line.n && line.p[0] != '"') {
		comma = memchr(line.p, ',', line.n);
		return wh_strndup(line.p, comma ? (size_t)(comma - line.p) : line.n);
	}
	for (size_t i = 1; i < line.n; i++) {
		if (line.p[i] == '"' && (i + 1 == line.n || line.p[++i] != '"'))
			break;
		wh_buf_addc(&b, line.p[i]);
	}
	return wh_buf_take(&b);
}

/* RECORD (relative to the modules) or installed-files.txt (relative to the metadata). 1: there was one. */
static int add_from_list(struct wh_tree *t, const struct wh_lang_package *p, const char *site, struct wh_strv *out,
			 struct wh_err **err)
{
	static const char *const names[] = {"RECORD", "installed-files.txt"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(names); i++) {
		WH_AUTO_FREE char *path = wh_path_join(p->dir, names[i]);
		WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
		int r = wh_pkg_read_file(t, path, MAX_RECORD, false, &buf, err);
		struct wh_str text = {buf.p, buf.n}, line;

		if (r == -ENOENT)
			continue;
		if (r < 0)
			return r;
		while (wh_next_line(&text, &line)) {
			WH_AUTO_FREE char *listed = first_column(wh_str_trim(line));

			if (*listed && strlen(listed) < 4096)
				add_listed(t, i == 0 ? site : p->dir, listed, p->dir, out);
		}
		return 1;
	}
	return 0;
}

/* A module by its name: a package NAME/, or NAME.py, NAME.cpython-….so. */
static int add_module(struct wh_tree *t, const char *site, const char *name, struct wh_strv *out)
{
	WH_AUTO_FREE char *dir = wh_path_join(site, name);
	WH_AUTO_STRV struct wh_strv names = {0};
	struct gather g = {.out = out};
	struct wh_node_ref n;
	size_t len = strlen(name);
	int r = 0;

	if (wh_tree_lookup(t, dir, &n) == 0 && n.e.type == WH_T_DIR)
		r = wh_tree_walk(t, dir, on_file, &g);
	if (r == 0)
		r = wh_tree_list(t, site, &names);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		WH_AUTO_FREE char *path = wh_path_join(site, names.v[i]);
		const char *x = names.v[i];

		if (!wh_has_prefix(x, name) || x[len] != '.' || !(wh_has_suffix(x, ".py") || wh_has_suffix(x, ".so")))
			continue;
		if (wh_tree_lookup(t, path, &n) == 0 && n.e.type != WH_T_DIR)
			wh_strv_add(out, path);
	}
	return r;
}

static int add_modules(struct wh_tree *t, const struct wh_lang_package *p, const char *site, struct wh_strv *out,
		       struct wh_err **err)
{
	WH_AUTO_FREE char *path = wh_path_join(p->dir, "top_level.txt"), *name = wh_strdup(p->name);
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	struct wh_str text, line;
	int r = -ENOENT;

	if (!wh_has_suffix(p->record, ".egg-info"))
		r = wh_pkg_read_file(t, path, MAX_RECORD, false, &buf, err);
	if (r < 0 && r != -ENOENT)
		return r;
	text = (struct wh_str){buf.p, buf.n};
	while (wh_next_line(&text, &line)) {
		WH_AUTO_FREE char *module = NULL;

		line = wh_str_trim(line);
		module = wh_strndup(line.n ? line.p : "", line.n);
		if (*module && module[0] != '.' && strlen(module) < 256 && (r = add_module(t, site, module, out)) < 0)
			return r;
	}
	if (out->n)
		return 0;
	for (char *c = name; *c; c++)
		*c = *c == '-' ? '_' : *c == '/' ? '\0' : *c;
	r = *name && name[0] != '.' ? add_module(t, site, name, out) : 0;
	for (char *c = name; *c; c++)
		*c = *c >= 'A' && *c <= 'Z' ? (char)(*c - 'A' + 'a') : *c;
	return r == 0 && !out->n && *name && name[0] != '.' ? add_module(t, site, name, out) : r;
}

int wh_lang_files(struct wh_tree *t, const struct wh_lang_package *p, struct wh_strv *ret, bool *ret_known,
		  struct wh_err **err)
{
	WH_AUTO_FREE char *site = wh_lang_site(p);
	WH_AUTO_STRV struct wh_strv out = {0};
	int r = 0;

	if (p->kind == WH_PKG_NPM) {
		struct gather g = {.out = &out, .skip = p->record, .npm = true};

		r = add_tree(t, p->dir, &g);
		*ret_known = true;
	} else {
		r = add_from_list(t, p, site, &out, err);
		*ret_known = r > 0 || out.n;
		if (r == 0) {
			r = add_modules(t, p, site, &out, err);
			*ret_known = out.n > 0;
		}
	}
	if (r < 0)
		return wh_err_sys(err, "harden", WH_ERR_BUILD, -r, "files of the package of /%s", p->record);
	wh_strv_sort(&out);
	wh_strv_copy(ret, &out);
	return 0;
}

/* ---------------------------------------------------------------- metadata */

static bool is_licence(const char *name)
{
	static const char *const words[] = {"licen", "copying", "notice", "authors"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(words); i++)
		if (strncasecmp(name, words[i], strlen(words[i])) == 0)
			return true;
	return false;
}

int wh_lang_metadata(struct wh_tree *t, const struct wh_lang_package *p, struct wh_strv *ret, struct wh_err **err)
{
	static const char *const lists[] = {"RECORD", "installed-files.txt", "top_level.txt"};
	WH_AUTO_STRV struct wh_strv names = {0};
	int r = 0;

	wh_strv_add(ret, p->record);
	if (wh_has_suffix(p->record, ".egg-info"))
		return 0;
	r = wh_tree_list(t, p->dir, &names);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		WH_AUTO_FREE char *path = wh_path_join(p->dir, names.v[i]);
		struct gather g = {.out = ret};
		struct wh_node_ref n;
		bool list = false;

		for (size_t k = 0; k < WH_ARRAY_SIZE(lists); k++)
			list = list || (p->kind == WH_PKG_PYPI && wh_streq(names.v[i], lists[k]));
		if ((!list && !is_licence(names.v[i])) || wh_tree_lookup(t, path, &n) < 0)
			continue;
		if (n.e.type == WH_T_FILE || n.e.type == WH_T_SYMLINK)
			wh_strv_add(ret, path);
		else if (n.e.type == WH_T_DIR && p->kind == WH_PKG_PYPI)
			r = wh_tree_walk(t, path, on_file, &g);
	}
	return r < 0 ? wh_err_sys(err, "harden", WH_ERR_BUILD, -r, "metadata of the package of /%s", p->record) : 0;
}
