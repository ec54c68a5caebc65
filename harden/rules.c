/* SPDX-License-Identifier: Apache-2.0 */
/* What stays in any image: what its config names, what every system has, what glibc's linker reads. All else that stays unseen: closure_table.c. */
#include "base/passwd.h"
#include "harden/keep_private.h"

#include <errno.h>

#define MAX_TEXT ((size_t)256 << 10)

static int reach(struct wh_decide *d, const char *path, enum wh_rule rule, const char *via, struct wh_err **err)
{
	const struct wh_why why = {.rule = rule, .via = via};
	int r = wh_decide_reach(d, path, true, &why, err);

	return r == -ENOENT ? 0 : r;
}

/* ---------------------------------------------------------------- every system */

int wh_decide_base(struct wh_decide *d, struct wh_err **err)
{
	static const char *const paths[] = {
		"",
		"dev",
		"etc/group",
		"etc/hostname",
		"etc/hosts",
		"etc/localtime",
		"etc/nsswitch.conf",
		"etc/os-release",
		"etc/passwd",
		"etc/resolv.conf",
		"home",
		"mnt",
		"opt",
		"proc",
		"root",
		"run",
		"run/lock",
		"srv",
		"sys",
		"tmp",
		"usr/lib/os-release",
		"var/cache",
		"var/lib",
		"var/lock",
		"var/log",
		"var/run",
		"var/spool",
		"var/tmp",
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < WH_ARRAY_SIZE(paths); i++)
		r = reach(d, paths[i], WH_RULE_BASE, NULL, err);
	return r;
}

/* bin → usr/bin and its like: another way to what stays is part of it. */
static int add_top_links(struct wh_decide *d, struct wh_err **err)
{
	const struct wh_why why = {.rule = WH_RULE_BASE};
	WH_AUTO_STRV struct wh_strv names = {0};
	int r = wh_tree_list(d->t, "", &names);

	if (r < 0)
		return wh_err_sys(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "list the image's root");
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		WH_AUTO_FREE char *canonical = NULL;
		struct wh_node_ref n;

		if (wh_tree_lookup(d->t, names.v[i], &n) < 0 || n.e.type != WH_T_SYMLINK)
			continue;
		if (wh_walk(d->t, names.v[i], true, NULL, &canonical, &n) == 0 && n.e.type == WH_T_DIR &&
		    wh_keep_has(d->k, canonical))
			r = wh_decide_add(d, names.v[i], &why, err);
	}
	return r;
}

/* ---------------------------------------------------------------- glibc */

static int add_preload(struct wh_decide *d, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	int r = reach(d, "etc/ld.so.preload", WH_RULE_ELF, NULL, err);

	if (r == 0)
		r = wh_text_read(d->t, "etc/ld.so.preload", MAX_TEXT, &b, err);
	if (r < 0 || !b.n)
		return r == -ENOENT ? 0 : r;
	for (char *p = b.p; r == 0 && *p;) {
		size_t n;

		p += strspn(p, ": \t\r\n");
		n = strcspn(p, ": \t\r\n");
		if (n && p[0] == '/') {
			WH_AUTO_FREE char *path = wh_strndup(p, n);

			r = reach(d, path, WH_RULE_ELF, "etc/ld.so.preload", err);
		}
		p += n;
	}
	return r;
}

static bool has_linker(const struct wh_decide *d)
{
	for (const struct wh_kept *i = d->k->items; i; i = i->hh.next)
		if (wh_is_glibc_linker(i->path))
			return true;
	return false;
}

int wh_decide_late(struct wh_decide *d, struct wh_err **err)
{
	bool linker = has_linker(d);
	int r = 0;

	if (linker)
		r = reach(d, "etc/ld.so.cache", WH_RULE_ELF, NULL, err);
	if (r == 0 && linker)
		r = add_preload(d, err);
	if (r == 0)
		r = wh_decide_close(d, err);
	return r < 0 ? r : add_top_links(d, err);
}

/* ---------------------------------------------------------------- config */

static int add_program(struct wh_decide *d, const json_t *argv, size_t at, const char *cwd, struct wh_err **err)
{
	const char *name = json_string_value(json_array_get(argv, at));
	WH_AUTO_FREE char *path = name ? wh_decide_program(d, name, cwd) : NULL;

	return path ? reach(d, path, WH_RULE_CONFIG, NULL, err) : 0;
}

static int add_health(struct wh_decide *d, const json_t *test, const char *cwd, struct wh_err **err)
{
	const char *kind = json_string_value(json_array_get(test, 0));

	if (wh_streq(kind, "CMD"))
		return add_program(d, test, 1, cwd, err);
	return wh_streq(kind, "CMD-SHELL") ? reach(d, "bin/sh", WH_RULE_CONFIG, NULL, err) : 0;
}

static int add_home(struct wh_decide *d, const char *home, struct wh_err **err)
{
	WH_AUTO_FREE char *canonical = NULL;
	struct wh_node_ref n;

	if (!home || *home != '/' || wh_walk(d->t, home, true, NULL, &canonical, &n) < 0 || n.e.type != WH_T_DIR)
		return 0;
	return reach(d, home, WH_RULE_CONFIG, NULL, err);
}

/* The home directory of USER, which $HOME leads to, for what the application may put there: it alone, not what is in it. */
static int add_homes(struct wh_decide *d, const json_t *config, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf passwd = WH_BUF_INIT, group = WH_BUF_INIT;
	const json_t *env = json_object_get(config, "Env");
	const char *spec = wh_json_str(config, "User");
	struct wh_user user = {0};
	int r = wh_text_read(d->t, "etc/passwd", MAX_TEXT, &passwd, err);

	if (r == 0 || r == -ENOENT)
		r = wh_text_read(d->t, "etc/group", MAX_TEXT, &group, err);
	if (r < 0 && r != -ENOENT)
		return r;
	/* A user whom nobody knows has been told of already: nothing could be started. */
	if (wh_user_resolve(spec ? spec : "", (struct wh_str){passwd.p, passwd.n}, (struct wh_str){group.p, group.n}, false, &user,
			    NULL) < 0)
		*user.home = '\0';
	r = add_home(d, user.home, err);
	for (size_t i = 0; r == 0 && i < json_array_size(env); i++) {
		const char *s = json_string_value(json_array_get(env, i));

		if (s && wh_has_prefix(s, "HOME="))
			r = add_home(d, s + strlen("HOME="), err);
	}
	return r;
}

struct volume {
	struct wh_decide *d;
	struct wh_err **err;
};

static int keep_in_volume(void *arg, const struct wh_node_ref *n)
{
	const struct wh_why why = {.rule = WH_RULE_CONFIG};
	struct volume *v = arg;

	return wh_decide_add(v->d, n->e.path, &why, v->err);
}

/* What the image has there is what a new volume begins with. */
static int add_volume(struct wh_decide *d, const char *path, struct wh_err **err)
{
	WH_AUTO_FREE char *canonical = NULL;
	struct volume v = {d, err};
	struct wh_node_ref n;
	int r = reach(d, path, WH_RULE_CONFIG, NULL, err);

	if (r < 0 || wh_walk(d->t, path, true, NULL, &canonical, &n) < 0 || n.e.type != WH_T_DIR || !*canonical)
		return r;
	r = wh_tree_walk(d->t, canonical, keep_in_volume, &v);
	return r == -EBADMSG ? wh_err_sys(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "read the image's indexes") : r;
}

int wh_decide_config(struct wh_decide *d, struct wh_err **err)
{
	const json_t *c = d->o->config, *entrypoint = json_object_get(c, "Entrypoint"), *value;
	const char *cwd = wh_json_str(c, "WorkingDir"), *volume;
	json_t *volumes = json_object_get(c, "Volumes");
	int r = 0;

	r = add_program(d, json_array_size(entrypoint) ? entrypoint : json_object_get(c, "Cmd"), 0, cwd, err);
	if (r == 0)
		r = add_health(d, json_object_get(json_object_get(c, "Healthcheck"), "Test"), cwd, err);
	if (r == 0 && cwd)
		r = reach(d, cwd, WH_RULE_CONFIG, NULL, err);
	if (r == 0)
		r = add_homes(d, c, err);
	if (r < 0)
		return r;
	json_object_foreach (volumes, volume, value) {
		r = add_volume(d, volume, err);
		if (r < 0)
			return r;
	}
	return 0;
}
