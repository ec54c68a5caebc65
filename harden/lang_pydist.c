/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Python's distributions: a used one stays whole, with its metadata and with the distributions that it requires.
 *
 * Which files are a distribution's is told by its RECORD or installed-files.txt, by top_level.txt and its name, or by
 * dpkg's list (Debian leaves RECORD away). What no metadata tells of stays as the package directory that it lies in.
 */
#include "harden/lang_python.h"
#include "harden/packages_private.h"

#include <errno.h>

#define MAX_METADATA ((size_t)1 << 20)

struct owner {
	char *path;
	size_t dist;
	UT_hash_handle hh;
};
struct wh_pydist {
	struct wh_lang_packages all; /* Python's alone are looked at */
	struct wh_strv *files;       /* of each */
	struct owner *owners;
};

void wh_pydist_free(struct wh_pydist *x)
{
	struct owner *o, *next;

	if (!x)
		return;
	HASH_ITER (hh, x->owners, o, next) {
		HASH_DEL(x->owners, o);
		free(o->path);
		free(o);
	}
	for (size_t i = 0; x->files && i < x->all.n; i++)
		wh_strv_release(&x->files[i]);
	free(x->files);
	wh_lang_release(&x->all);
	free(x);
}

static void own(struct wh_pydist *x, const char *path, size_t dist)
{
	struct owner *o;

	HASH_FIND_STR(x->owners, path, o);
	if (o)
		return;
	o = wh_calloc(1, sizeof(*o));
	o->path = wh_strdup(path);
	o->dist = dist;
	HASH_ADD_KEYPTR(hh, x->owners, o->path, strlen(o->path), o);
}

static int read_one(struct wh_decide *d, struct wh_pydist *x, size_t i, struct wh_err **err)
{
	const struct wh_lang_package *p = &x->all.v[i];
	WH_AUTO_FREE char *site = wh_lang_site(p);
	bool known;
	int r = wh_lang_files(d->t, p, &x->files[i], &known, err);

	if (r == 0)
		r = wh_code_owned(d, p->record, site, &x->files[i], err);
	for (size_t k = 0; r == 0 && k < x->files[i].n; k++)
		own(x, x->files[i].v[k], i);
	return r;
}

static int dist_of(struct wh_decide *d, struct wh_pydist **ret, struct wh_err **err)
{
	struct wh_python *y = *wh_code_python(d);
	int r = 0;

	if (!y->dist) {
		y->dist = wh_calloc(1, sizeof(*y->dist));
		r = wh_lang_find(d->t, &y->dist->all, err);
		if (r == 0)
			y->dist->files = wh_calloc(y->dist->all.n + 1, sizeof(*y->dist->files));
		for (size_t i = 0; r == 0 && i < y->dist->all.n; i++)
			if (y->dist->all.v[i].kind == WH_PKG_PYPI)
				r = read_one(d, y->dist, i, err);
	}
	*ret = y->dist;
	return r;
}

/* ---------------------------------------------------------------- what it requires */

/* PEP 503: case, and which of "-", "_" and "." it is, say nothing. */
static char *normal_name(struct wh_str name)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	for (size_t i = 0; i < name.n && i < WH_CODE_NAME_MAX; i++) {
		char c = name.p[i];

		if (c == '-' || c == '_' || c == '.') {
			if (b.n && b.p[b.n - 1] != '-')
				wh_buf_addc(&b, '-');
		} else {
			wh_buf_addc(&b, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
		}
	}
	return wh_buf_take(&b);
}

/* "Name[extra] (>=1); marker": the name. n is 0: none, or for an extra only. */
static struct wh_str requirement(struct wh_str line)
{
	size_t n = 0;

	line = wh_str_trim(line);
	if (memmem(line.p ? line.p : "", line.n, "extra", 5) && memchr(line.p, ';', line.n) &&
	    memmem(memchr(line.p, ';', line.n), (size_t)(line.p + line.n - (const char *)memchr(line.p, ';', line.n)),
		   "extra", 5))
		return (struct wh_str){line.p, 0};
	while (n < line.n && !strchr(" \t[(;<>=!~@#", line.p[n]))
		n++;
	return (struct wh_str){line.p, n};
}

static void read_requirements(struct wh_decide *d, const struct wh_lang_package *p, struct wh_strv *ret)
{
	WH_AUTO_FREE char *list = wh_path_join(p->dir, "requires.txt");
	WH_AUTO_BUF struct wh_buf header = WH_BUF_INIT, requires = WH_BUF_INIT;
	struct wh_str text, line;

	if (wh_pkg_read_file(d->t, p->record, MAX_METADATA, true, &header, NULL) < 0)
		return;
	text = (struct wh_str){header.p, header.n};
	while (wh_next_line(&text, &line) && wh_str_trim(line).n) {
		static const char field[] = "requires-dist:";

		if (line.n > sizeof(field) && strncasecmp(line.p, field, sizeof(field) - 1) == 0)
			wh_strv_take(ret, normal_name(requirement((struct wh_str){line.p + sizeof(field) - 1,
										  line.n - sizeof(field) + 1})));
	}
	if (wh_has_suffix(p->record, ".egg-info") ||
	    wh_pkg_read_file(d->t, list, MAX_METADATA, true, &requires, NULL) < 0)
		return;
	text = (struct wh_str){requires.p, requires.n};
	while (wh_next_line(&text, &line)) {
		line = wh_str_trim(line);
		if (line.n && line.p[0] == '[') {
			/* "[:python_version < 3]" is a condition, "[name]" an extra. */
			if (line.n > 1 && line.p[1] != ':')
				return;
			continue;
		}
		if (line.n)
			wh_strv_take(ret, normal_name(requirement(line)));
	}
}

static int keep_metadata(struct wh_decide *d, const struct wh_rule_row *row, const struct wh_lang_package *p,
			 const char *via, struct wh_err **err)
{
	if (wh_has_suffix(p->dir, ".dist-info") || wh_has_suffix(p->dir, ".egg-info") ||
	    wh_streq(wh_path_base(p->dir), "EGG-INFO"))
		return wh_rule_keep_below(d, row, p->dir, via, err);
	return wh_rule_keep(d, row, p->record, via, err);
}

/* setuptools builds packages; what runs needs pkg_resources of it, at most. Who imports more of it says so. */
static bool is_builder(const struct wh_lang_package *p)
{
	return wh_streq(p->name, "setuptools");
}

static bool comes_along(const struct wh_lang_package *p, const char *site, const char *path)
{
	WH_AUTO_FREE char *runtime = wh_path_join(site, "pkg_resources");

	return !is_builder(p) || wh_code_below(path, runtime);
}

static int keep_dist(struct wh_decide *d, const struct wh_rule_row *row, struct wh_pydist *x, size_t at,
		     const char *via, struct wh_err **err)
{
	WH_AUTO_FREE size_t *todo = wh_calloc(x->all.n + 1, sizeof(*todo));
	size_t n = 0;
	int r = 0;

	if (wh_code_first(d, "py-dist", x->all.v[at].record))
		todo[n++] = at;
	/* Each comes into todo once. */
	while (r == 0 && n) {
		size_t i = todo[--n];
		const struct wh_lang_package *p = &x->all.v[i];
		WH_AUTO_FREE char *site = wh_lang_site(p);
		WH_AUTO_STRV struct wh_strv requires = {0};

		for (size_t k = 0; r == 0 && k < x->files[i].n; k++)
			if (comes_along(p, site, x->files[i].v[k]))
				r = wh_rule_keep(d, row, x->files[i].v[k], via, err);
		if (r == 0)
			r = keep_metadata(d, row, p, via, err);
		read_requirements(d, p, &requires);
		wh_strv_sort(&requires);
		for (size_t k = 0; r == 0 && requires.n && k < x->all.n; k++) {
			WH_AUTO_FREE char *name =
				x->all.v[k].kind == WH_PKG_PYPI ? normal_name(wh_str(x->all.v[k].name)) : NULL;

			if (name && wh_strv_has(&requires, name) && wh_code_first(d, "py-dist", x->all.v[k].record))
				todo[n++] = k;
		}
	}
	return r;
}

/* ---------------------------------------------------------------- what has no metadata */

/* The outermost package below the site directory; a directory without __init__.py may be many distributions'. */
static int keep_package(struct wh_decide *d, const struct wh_rule_row *row, const char *site, const char *path,
			const char *via, struct wh_err **err)
{
	for (const char *p = path + strlen(site) + 1, *slash; (slash = strchr(p, '/')); p = slash + 1) {
		WH_AUTO_FREE char *dir = wh_strndup(path, (size_t)(slash - path)),
				  *init = wh_path_join(dir, "__init__.py");

		if (wh_code_is_file(d, init))
			return wh_code_first(d, "py-package", dir) ? wh_rule_keep_below(d, row, dir, via, err) : 0;
	}
	return 0;
}

int wh_rule_python_distribution(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
				struct wh_err **err)
{
	const struct wh_python *y = wh_python_of(d);
	const struct wh_py_root *root = wh_python_root(y, path);
	struct wh_pydist *x;
	struct owner *o;
	int r;

	/* Metadata is read of all that is installed: it tells of no use. */
	if (!root || root->kind != WH_PY_SITE || strstr(path, ".dist-info/") || strstr(path, ".egg-info") ||
	    strstr(path, "/EGG-INFO/") || strstr(path, WH_PY_HOOK) || wh_has_suffix(path, ".pth") ||
	    !wh_code_is_plain(d, path))
		return 0;
	r = dist_of(d, &x, err);
	if (r < 0)
		return r;
	HASH_FIND_STR(x->owners, path, o);
	if (!o && wh_has_suffix(path, ".pyc")) /* its source comes by itself, and knows */
		return 0;
	if (o)
		r = keep_dist(d, row, x, o->dist, via, err);
	return r == 0 && (!o || is_builder(&x->all.v[o->dist])) ? keep_package(d, row, root->dir, path, via, err) : r;
}
