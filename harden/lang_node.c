/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Node.js: a used package stays whole (package.json, what main and exports name, addons, what it loads by a name made
 * up at run time), with the packages that it depends on; so do packages that a source asks for by name. Found as node
 * finds them: node_modules upwards, NODE_PATH, Debian's directories.
 */
#include "harden/lang.h"

#include <errno.h>

#define MAX_JSON ((size_t)1 << 20)

/* "a/node_modules/@x/y/lib/z.js": "a/node_modules/@x/y"; also of Debian's usr/share/nodejs/NAME/…. malloc'ed or NULL.
 */
static char *package_of(const char *path)
{
	static const char *const debian[] = {"usr/share/nodejs/", "usr/lib/nodejs/"};
	const char *at = NULL, *p = path;
	size_t n;

	if (wh_has_prefix(path, "node_modules/"))
		at = path + strlen("node_modules/");
	while ((p = strstr(p, "/node_modules/")))
		at = p += strlen("/node_modules/");
	for (size_t i = 0; !at && i < WH_ARRAY_SIZE(debian); i++)
		if (wh_has_prefix(path, debian[i]))
			at = path + strlen(debian[i]);
	if (!at && wh_rule_matches("usr/lib/*/nodejs/**", path))
		at = strstr(path, "/nodejs/") + strlen("/nodejs/");
	if (!at || *at == '.')
		return NULL;
	n = strcspn(at, "/");
	if (*at == '@' && at[n])
		n += 1 + strcspn(at + n + 1, "/");
	return at[n] ? wh_strndup(path, (size_t)(at - path) + n) : NULL;
}

static bool is_nested(struct wh_decide *d, const char *dir)
{
	(void)d;
	return wh_streq(wh_path_base(dir), "node_modules") || wh_streq(wh_path_base(dir), ".git");
}

/* The package or file of that name below a directory of packages: what keeps it. */
static char *entry_in(struct wh_decide *d, const char *dir, const char *name)
{
	static const char *const ends[] = {"/package.json", "/index.js", ".js", ".cjs", ".mjs", ".json", ".node"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(ends); i++) {
		WH_AUTO_FREE char *path = wh_asprintf("%s%s%s%s", dir, *dir ? "/" : "", name, ends[i]);

		if (wh_code_is_file(d, path))
			return WH_TAKE_PTR(path);
	}
	return NULL;
}

static char *entry_in_list(struct wh_decide *d, const char *list, const char *name)
{
	while (list && *list) {
		size_t n = strcspn(list, ":");
		WH_AUTO_FREE char *dir = wh_strndup(list, n);
		char *found = n && dir[0] == '/' ? entry_in(d, dir + 1, name) : NULL;

		if (found)
			return found;
		list += n + (list[n] == ':');
	}
	return NULL;
}

/* A package by its name, from a directory. malloc'ed or NULL. */
static char *find_package(struct wh_decide *d, const char *from, const char *name)
{
	WH_AUTO_FREE char *dir = wh_strdup(from);
	static const char *const debian[] = {"usr/lib/x86_64-linux-gnu/nodejs", "usr/lib/aarch64-linux-gnu/nodejs",
					     "usr/share/nodejs", "usr/lib/nodejs"};
	char *found;

	for (;;) {
		WH_AUTO_FREE char *modules = wh_asprintf("%s%snode_modules", dir, *dir ? "/" : "");
		char *slash = strrchr(dir, '/');

		found = wh_streq(wh_path_base(dir), "node_modules") ? NULL : entry_in(d, modules, name);
		if (found)
			return found;
		if (!*dir)
			break;
		*(slash ? slash : dir) = '\0';
	}
	found = entry_in_list(d, wh_code_env(d, "NODE_PATH"), name);
	for (size_t i = 0; !found && i < WH_ARRAY_SIZE(debian); i++)
		found = entry_in(d, debian[i], name);
	return found;
}

/* "lodash/fp" is of lodash, "@x/y/z" of @x/y. */
static char *package_name(const char *name)
{
	size_t n = strcspn(name, "/");

	if (*name == '@' && name[n])
		n += 1 + strcspn(name + n + 1, "/");
	return wh_strndup(name, n);
}

static int keep_dependencies(struct wh_decide *d, const struct wh_rule_row *row, const char *dir, const char *via,
			     struct wh_err **err)
{
	static const char *const fields[] = {"dependencies", "optionalDependencies", "peerDependencies"};
	WH_AUTO_FREE char *path = wh_path_join(dir, "package.json");
	WH_AUTO_BYTES struct wh_bytes b = {0};
	WH_AUTO_JSON json_t *doc = NULL;
	int r = 0;

	/* One that is no JSON is no package.json. */
	if (!wh_code_open(d, path, &b) || b.n > MAX_JSON || wh_json_parse((const char *)b.p, b.n, path, &doc, NULL) < 0)
		return 0;
	for (size_t i = 0; r == 0 && i < WH_ARRAY_SIZE(fields); i++) {
		const char *name;
		json_t *value;

		json_object_foreach (json_object_get(doc, fields[i]), name, value) {
			WH_AUTO_FREE char *found =
				strstr(name, "..") || name[0] == '/' ? NULL : find_package(d, dir, name);

			r = found ? wh_rule_keep(d, row, found, via, err) : 0;
			if (r < 0)
				break;
		}
	}
	return r;
}

int wh_rule_node_package(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
			 struct wh_err **err)
{
	WH_AUTO_FREE char *dir = NULL;
	int r;

	if (!wh_code_runs(d, "node") || !wh_code_is_plain(d, path))
		return 0;
	dir = package_of(path);
	if (!dir) {
		WH_AUTO_FREE char *own = strchr(path, '/') ? wh_path_dir(path) : wh_strdup("");

		/* The application's own. */
		return wh_streq(wh_path_base(path), "package.json") && !strstr(path, "node_modules/")
			       ? keep_dependencies(d, row, own, via, err)
			       : 0;
	}
	if (!wh_code_first(d, "node-package", dir))
		return 0;
	r = wh_code_keep_tree(d, row, dir, is_nested, via, err);
	return r < 0 ? r : keep_dependencies(d, row, dir, via, err);
}

/* ---------------------------------------------------------------- require, import */

struct asks {
	struct wh_decide *d;
	const struct wh_rule_row *row;
	const char *path, *dir, *package;
};

static int keep_relative(struct asks *x, const char *name, struct wh_err **err)
{
	static const char *const ends[] = {"",      ".js",           ".cjs",      ".mjs",       ".json",
					   ".node", "/package.json", "/index.js", "/index.mjs", "/index.cjs"};
	WH_AUTO_FREE char *cwd = wh_asprintf("/%s", x->dir), *base = wh_path_abs_in(cwd, name);
	int r = 0;

	for (size_t i = 0; r == 0 && i < WH_ARRAY_SIZE(ends); i++) {
		WH_AUTO_FREE char *file = wh_asprintf("%s%s", base, ends[i]);

		if (wh_code_is_file(x->d, file))
			r = wh_rule_keep(x->d, x->row, file, x->path, err);
	}
	return r;
}

static int on_ask(void *arg, const struct wh_word *w, struct wh_err **err)
{
	struct asks *x = arg;
	WH_AUTO_FREE char *name = NULL, *key = NULL, *found = NULL;

	if (w->name[0] == '.')
		/* A package is whole anyway. */
		return x->package ? 0 : keep_relative(x, w->name, err);
	if (w->name[0] == '/' || strchr(w->name, ':') || strchr(w->name, ' ') || strstr(w->name, ".."))
		return 0;
	name = package_name(w->name);
	key = wh_asprintf("%s:%s", x->package ? x->package : x->dir, name);
	if (!wh_code_first(x->d, "node-require", key))
		return 0;
	found = find_package(x->d, x->dir, name);
	return found ? wh_rule_keep(x->d, x->row, found, x->path, err) : 0;
}

int wh_rule_node_require(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
			 struct wh_err **err)
{
	static const char *const words[] = {"require", "import", "from", "resolve", NULL};
	const struct wh_words w = {.words = words, .comment = "//", .tight = true};
	WH_AUTO_FREE char *dir = strchr(path, '/') ? wh_path_dir(path) : wh_strdup(""), *package = package_of(path);
	struct asks x = {d, row, path, dir, package};
	WH_AUTO_BYTES struct wh_bytes b = {0};

	(void)via;
	if (!wh_code_runs(d, "node") || (package && wh_code_in_tests(path)) ||
	    !wh_code_source(d, path, ".js .mjs .cjs", "node", &b))
		return 0;
	return wh_words_find((const char *)b.p, b.n, &w, on_ask, &x, err);
}

/* ---------------------------------------------------------------- templates */

/* Who renders a template is asked for by the end of its name, or by a setting: by no literal that a source hands to
 * require. */
int wh_rule_node_template(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
			  struct wh_err **err)
{
	static const struct {
		const char *end, *package;
	} engines[] = {
		{".ejs", "ejs"},
		{".eta", "eta"},
		{".handlebars", "express-handlebars"},
		{".handlebars", "handlebars"},
		{".hbs", "hbs"},
		{".hbs", "express-handlebars"},
		{".jade", "jade"},
		{".liquid", "liquidjs"},
		{".mustache", "mustache-express"},
		{".njk", "nunjucks"},
		{".pug", "pug"},
		{".twig", "twig"},
	};
	WH_AUTO_FREE char *dir = strchr(path, '/') ? wh_path_dir(path) : wh_strdup("");
	int r = 0;

	(void)via;
	if (!wh_code_runs(d, "node") || strstr(path, "node_modules/") || wh_code_below(path, "usr/share/nodejs"))
		return 0;
	for (size_t i = 0; r == 0 && i < WH_ARRAY_SIZE(engines); i++) {
		WH_AUTO_FREE char *found =
			wh_has_suffix(path, engines[i].end) ? find_package(d, dir, engines[i].package) : NULL;

		if (found)
			r = wh_rule_keep(d, row, found, path, err);
	}
	return r;
}
