/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content: what nobody's package brought. A server hands out what lies in a directory, and its tests ask for a few files of it; whoever built the image put the others
 * there to be asked for, too. So when data of such a directory was used, or configuration names it, its data stays: programs and libraries do not, they have
 * rules of their own.
 */
#include "harden/closure_table.h"
#include "harden/lang.h"

#include <errno.h>

/* Made by programs, or other people's. */
#define NO_CONTENT                                                                                                            \
	"etc/** usr/bin/** usr/sbin/** usr/lib/** usr/lib32/** usr/lib64/** usr/libexec/** usr/share/*/** usr/include/** usr/src/** var/cache/** var/log/** var/tmp/** "                          \
	"var/lib/apt/** var/lib/dpkg/** var/lib/pam/** var/lib/systemd/** var/lib/ucf/** var/backups/** run/** tmp/** dev/** proc/** sys/** boot/** root/.*/** "                       \
	"home/*/.*/** **/lib/python*/** opt/**/lib/** opt/**/lib64/**"

/* … but these, where web servers look. */
#define SITES "usr/share/nginx/html/** usr/share/*/html/** usr/share/*/htdocs/** usr/share/*/www/**"

struct content {
	struct wh_decide *d;
	struct wh_strv found;
	struct wh_err **err;
};

static int look(void *arg, const struct wh_node_ref *n)
{
	struct content *c = arg;
	bool program = false;
	int r = 0;

	if (n->e.type == WH_T_DIR && wh_code_is_foreign(c->d, n->e.path))
		return 1;
	/* Directories, too: an empty one is to be listed or written to. */
	if (wh_has_suffix(n->e.path, ".so") || strstr(wh_path_base(n->e.path), ".so.") || wh_code_is_owned(c->d, n->e.path))
		return 0;
	r = wh_rule_is_program(c->d, n, &program, c->err);
	if (r == 0 && !program)
		wh_strv_add(&c->found, n->e.path);
	return r;
}

int wh_rule_content_below(struct wh_decide *d, const struct wh_rule_row *row, const char *dir, const char *via,
			  struct wh_err **err)
{
	struct content c = {.d = d, .err = err};
	WH_AUTO_FREE char *inside = wh_path_join(dir, "x");
	int r;

	if (!wh_code_is_own(dir) || (wh_rule_matches(NO_CONTENT, inside) && !wh_rule_matches(SITES, inside)) || !wh_code_first(d, "content", dir))
		return 0;
	r = wh_tree_walk(d->t, dir, look, &c);
	if (r == -EBADMSG && !*err)
		wh_err_sys(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "list /%s", dir);
	for (size_t i = 0; r == 0 && i < c.found.n; i++)
		r = wh_rule_keep(d, row, c.found.v[i], via, err);
	wh_strv_release(&c.found);
	return r;
}

/* The directory of a used file. A program's own is that where it is no directory of programs: /app/server, and what lies beside it. */
int wh_rule_content(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
		    struct wh_err **err)
{
	WH_AUTO_FREE char *dir = strchr(path, '/') ? wh_path_dir(path) : wh_strdup(""), *home = NULL;
	struct wh_node_ref n;
	bool program = false;
	int r;

	if (wh_code_is_code(path) || (wh_rule_matches(NO_CONTENT, path) && !wh_rule_matches(SITES, path)) || wh_tree_lookup(d->t, path, &n) < 0 ||
	    n.e.type != WH_T_FILE || wh_has_suffix(path, ".so") || strstr(wh_path_base(path), ".so."))
		return 0;
	r = wh_rule_is_program(d, &n, &program, err);
	if (r < 0 || (program && wh_rule_matches("bin sbin lib lib64 libexec **/bin **/sbin **/lib **/lib64 **/libexec", dir)))
		return r;
	home = wh_code_home(d, path);
	if (!home && wh_rule_matches("usr/share/nginx/html/**", path))
		home = wh_strdup("usr/share/nginx/html");
	return home ? wh_rule_content_below(d, row, home, via, err) : 0;
}
