/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PRUNE --mode=package: a package stays whole when code of it was used. A program, a library, a script, a module of an
 * interpreter is code; a configuration file that somebody read, a document, a list of time zones is not: it stays by itself,
 * as in any mode. What only a closure rule keeps was not used.
 */
#include "harden/elf.h"
#include "harden/keep_private.h"
#include "harden/packages_private.h"

#include <errno.h>

/* What interpreters load: beginnings of text say nothing about it. */
static bool is_module(const char *path)
{
	static const char *const ends[] = {
		".py", ".pyc",			   /* Python */
		".js", ".mjs", ".cjs", ".node",    /* Node */
		".rb",				   /* Ruby */
		".pl", ".pm", ".al",		   /* Perl */
		".php", ".phar", ".inc",	   /* PHP */
		".jar", ".war", ".class", ".jmod", /* Java */
		".lua", ".tcl", ".wasm", ".so",
	};
	const char *name = wh_path_base(path);

	for (size_t i = 0; i < WH_ARRAY_SIZE(ends); i++)
		if (wh_has_suffix(name, ends[i]))
			return true;
	return false;
}

static bool is_code(struct wh_decide *d, const char *path)
{
	WH_AUTO_BYTES struct wh_bytes b = {0};
	struct wh_node_ref n;

	if (wh_tree_lookup(d->t, path, &n) < 0 || n.e.type != WH_T_FILE)
		return false;
	if (is_module(path))
		return true;
	/* What cannot be read is told by whoever writes the layer. */
	if (wh_bytes_open(d->t, &n, &b, NULL) < 0 || !b.p)
		return false;
	return wh_elf_is(b.p, b.n) || (b.n > 2 && b.p[0] == '#' && b.p[1] == '!');
}

static bool is_used_code(void *arg, const char *path)
{
	struct wh_decide *d = arg;
	const struct wh_kept *i;

	if (!wh_decide_is_kept(d, path))
		return false;
	HASH_FIND_STR(d->k->items, path, i);
	if (i && i->soft)
		return false;
	return (i && i->access && strchr(i->access, 'x')) || is_code(d, path);
}

/* ---------------------------------------------------------------- alternatives */

/* Names that dpkg's lists do not have, because update-alternatives made them: usr/bin/java → etc/alternatives/java →
 * a program of a package that stays. */
struct alternatives {
	struct wh_decide *d;
	struct wh_strv links;
};

static int on_link(void *arg, const struct wh_node_ref *n)
{
	struct alternatives *x = arg;
	WH_AUTO_FREE char *canonical = NULL;
	struct wh_node_ref end;

	if (n->e.type != WH_T_SYMLINK || !wh_has_prefix(n->e.link, "/etc/alternatives/"))
		return 0;
	if (wh_walk(x->d->t, n->e.path, true, NULL, &canonical, &end) == 0 && end.e.type != WH_T_DIR &&
	    wh_decide_is_kept(x->d, canonical) && !wh_is_documentation(canonical))
		wh_strv_add(&x->links, n->e.path);
	return 0;
}

static int add_alternatives(struct wh_decide *d, struct wh_err **err)
{
	const struct wh_why why = {.rule = WH_RULE_PACKAGE};
	struct alternatives x = {.d = d};
	struct wh_node_ref n;
	int r = 0;

	if (wh_tree_lookup(d->t, "etc/alternatives", &n) == 0 && wh_tree_walk(d->t, "", on_link, &x) < 0)
		r = wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, EBADMSG, "read the image's indexes");
	for (size_t i = 0; r == 0 && i < x.links.n; i++) {
		r = wh_decide_reach(d, x.links.v[i], true, &why, err);
		if (r == -ENOENT)
			r = 0;
	}
	wh_strv_release(&x.links);
	return r;
}

int wh_decide_packages(struct wh_decide *d, struct wh_err **err)
{
	const struct wh_why why = {.rule = WH_RULE_PACKAGE};
	WH_AUTO_STRV struct wh_strv files = {0};
	int r = wh_pkgdb_expand(d->t, is_used_code, d, &files, err);

	for (size_t i = 0; r == 0 && i < files.n; i++) {
		r = wh_decide_reach(d, files.v[i], false, &why, err);
		if (r == -ENOENT)
			r = 0;
	}
	if (r == 0)
		r = add_alternatives(d, err);
	return r < 0 ? r : wh_decide_close(d, err);
}
