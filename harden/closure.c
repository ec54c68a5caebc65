/* SPDX-License-Identifier: Apache-2.0 */
/* What kept entries need: where symlinks lead, interpreters and libraries of ELF files, interpreters of scripts. */
#include "harden/closure_table.h"
#include "harden/keep_private.h"
#include "harden/script.h"

#include <errno.h>

static bool runnable(struct wh_tree *t, const char *path)
{
	struct wh_node_ref n;

	return wh_walk(t, path, true, NULL, NULL, &n) == 0 && n.e.type == WH_T_FILE && (n.e.mode & 0111);
}

char *wh_decide_program(struct wh_decide *d, const char *name, const char *cwd)
{
	if (!*name)
		return NULL;
	if (strchr(name, '/')) {
		char *path = name[0] == '/' ? wh_strdup(name) : wh_asprintf("%s/%s", cwd ? cwd : "", name);

		if (runnable(d->t, path))
			return path;
		free(path);
		return NULL;
	}
	for (size_t i = 0; i < d->path.n; i++) {
		char *path = wh_asprintf("%s/%s", d->path.v[i], name);

		if (runnable(d->t, path))
			return path;
		free(path);
	}
	return NULL;
}

static int reach_maybe(struct wh_decide *d, const char *path, const struct wh_why *why, struct wh_err **err)
{
	int r = wh_decide_reach(d, path, true, why, err);

	return r == -ENOENT ? 0 : r;
}

/* ---------------------------------------------------------------- scripts */

bool wh_decide_removes(struct wh_decide *d, const char *path)
{
	WH_AUTO_FREE char *canonical = NULL;
	struct wh_node_ref n;

	return !d->o->keep_shell && wh_walk(d->t, path, true, NULL, &canonical, &n) == 0 &&
	       wh_shells_kind_of(d->shells, d->t, &n) != WH_SHELL_NONE;
}

/* A module that is imported, never run, may begin with "#!/usr/bin/env python3", too: no reason for env. */
static bool is_module(const struct wh_decide *d, const struct wh_kept *i)
{
	static const char *const languages[] = {"python-", "node-", "perl-", "ruby-", "php-"};
	WH_AUTO_FREE char *dir = strchr(i->path, '/') ? wh_path_dir(i->path) : wh_strdup("");

	for (size_t k = 0; k < d->path.n; k++)
		if (wh_streq(d->path.v[k] + (d->path.v[k][0] == '/'), dir))
			return false;
	for (size_t k = 0; i->rule == WH_RULE_CLOSURE && k < WH_ARRAY_SIZE(languages); k++)
		if (wh_has_prefix(i->name, languages[k]))
			return true;
	return false;
}

static int close_script(struct wh_decide *d, const struct wh_kept *i, const struct wh_bytes *b, struct wh_err **err)
{
	const struct wh_why why = {.rule = WH_RULE_SCRIPT, .via = i->path};
	WH_AUTO_SCRIPT struct wh_script s = {0};
	WH_AUTO_FREE char *program = NULL;
	int r = 0;

	if (wh_script_parse(b->p, b->n, &s) < 0)
		return 0;
	if (s.program)
		program = wh_decide_program(d, s.program, "/");
	if (program)
		r = reach_maybe(d, program, &why, err);
	/* env is of no use when what it would start is gone. */
	if (r < 0 || (program && wh_decide_removes(d, program)) || (s.program && is_module(d, i)))
		return r;
	return reach_maybe(d, s.interpreter, &why, err);
}

/* ---------------------------------------------------------------- ELF files */

static int need(void *arg, const char *what, const char *via, struct wh_err **err)
{
	const struct wh_why why = {.rule = WH_RULE_ELF, .via = via};

	return reach_maybe(arg, what, &why, err);
}

static int close_file(struct wh_decide *d, const struct wh_kept *i, const struct wh_node_ref *n, struct wh_err **err)
{
	WH_AUTO_BYTES struct wh_bytes b = {0};
	int r = wh_bytes_open(d->t, n, &b, err);

	if (r == 0)
		r = wh_closure_see(d, d->closure, i, &b, err);
	if (r < 0 || b.n < 4)
		return r;
	if (b.p[0] == '#')
		/* The kernel looks at files that may be executed only. */
		return n->e.mode & 0111 ? close_script(d, i, &b, err) : 0;
	return wh_elf_is(b.p, b.n) ? wh_libs_closure(d->libs, i->path, need, d, err) : 0;
}

static int close_one(struct wh_decide *d, const struct wh_kept *i, struct wh_err **err)
{
	const struct wh_why why = {.rule = WH_RULE_SYMLINK, .via = i->path};
	const struct wh_bytes none = {0};
	WH_AUTO_FREE char *target = NULL;
	struct wh_node_ref n;
	int r = wh_tree_lookup(d->t, i->path, &n);

	if (r < 0)
		return wh_err_sys(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "look up /%s", i->path);
	if (n.e.type == WH_T_FILE)
		return close_file(d, i, &n, err);
	r = wh_closure_see(d, d->closure, i, &none, err);
	if (r < 0 || n.e.type != WH_T_SYMLINK)
		return r;
	target = wh_link_target(&n);
	return reach_maybe(d, target, &why, err);
}

int wh_decide_close(struct wh_decide *d, struct wh_err **err)
{
	bool more = true;
	int r = 0;

	while (r == 0 && more) {
		while (r == 0 && d->n_todo)
			r = close_one(d, d->todo[--d->n_todo], err);
		if (r == 0)
			r = wh_closure_run(d, d->closure, &more, err);
	}
	return r;
}
