/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The actions, with the rules of BuildKit's file operations:
 *
 * - A destination's symlinks are followed inside the root, the last one too.
 * - The content of a directory is copied, merged with what is there. The named
 *   directory's own mode and owner are not: a destination that exists keeps its
 *   own, one that does not is made 0755 (or --chmod, when octal).
 * - A directory inside it overwrites mode, owner and time of one that exists.
 * - A file replaces anything but a directory; a directory replaces nothing else.
 * - Owner: --chown, else root for local files and as it was for trees.
 */
#include "builder/fileop_private.h"

#include "base/passwd.h"

#include <errno.h>

#define MAX_PASSWD ((size_t)4 << 20)

struct copying {
	struct wh_fileop *f;
	struct dest *d;
	const struct wh_file_action *a;
	struct owner owner;
	struct chmod chmod;
	struct dir_attr dir; /* for directories made on the way */
};

/* ---------------------------------------------------------------- --chown */

static int read_from_base(struct dest *d, const char *path, struct wh_buf *buf, struct wh_err **err)
{
	WH_AUTO_FREE char *real = NULL;
	WH_AUTO_FD int fd = -1;
	struct wh_node_ref ref;
	int r;

	if (!d->base || wh_tree_resolve(d->base, path, true, false, &real, &ref) || ref.e.type != WH_T_FILE)
		return 0;
	fd = wh_tree_open_file(d->base, &ref, err);
	if (fd < 0)
		return fd;
	r = wh_read_fd(fd, MAX_PASSWD, buf);
	return r ? wh_err_sys(err, DOMAIN, WH_ERR_BUILD, -r, "read /%s of the image", path) : 0;
}

/* BuildKit's reading: "root" is 0 without a look at any file, and so is a part that is there but empty. malloc'ed. */
static char *plain_owner(const char *text)
{
	const char *colon = strchr(text, ':');
	WH_AUTO_FREE char *user = colon ? wh_strndup(text, (size_t)(colon - text)) : wh_strdup(text);
	const char *group = colon ? colon + 1 : NULL;

	if (!*user || wh_streq(user, "root")) {
		free(user);
		user = wh_strdup("0");
	}
	if (!group)
		return WH_TAKE_PTR(user);
	return wh_asprintf("%s:%s", user, !*group || wh_streq(group, "root") ? "0" : group);
}

/* What of an owner can be found; the rest is 0. So does BuildKit for WORKDIR under a USER that the image does not know. */
static struct wh_user known_part(const char *text, struct wh_str passwd, struct wh_str group)
{
	const char *colon = strchr(text, ':');
	WH_AUTO_FREE char *user = colon ? wh_strndup(text, (size_t)(colon - text)) : wh_strdup(text);
	WH_AUTO_FREE char *as_group = wh_asprintf("0%s", colon ? colon : "");
	WH_AUTO_ERR struct wh_err *e1 = NULL, *e2 = NULL;
	struct wh_user u, g;

	if (wh_user_resolve(user, passwd, group, true, &u, &e1) < 0)
		u = (struct wh_user){0};
	if (colon && wh_user_resolve(as_group, passwd, group, true, &g, &e2) == 0)
		u.gid = g.gid;
	return u;
}

static int find_owner(struct dest *d, const char *given, bool strict, struct owner *ret, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf passwd = WH_BUF_INIT, group = WH_BUF_INIT;
	WH_AUTO_FREE char *text = NULL;
	struct wh_user u;
	int r = 0;

	*ret = (struct owner){0};
	if (!given || !*given)
		return 0;
	text = plain_owner(given);
	/* Numbers need no files, and those may lie in a layer that nobody has unpacked yet. */
	if (text[strspn(text, "0123456789:")]) {
		r = read_from_base(d, "etc/passwd", &passwd, err);
		if (!r)
			r = read_from_base(d, "etc/group", &group, err);
		if (r)
			return r;
	}
	if (strict)
		r = wh_user_resolve(text, (struct wh_str){passwd.p, passwd.n}, (struct wh_str){group.p, group.n}, true,
				    &u, err);
	else
		u = known_part(text, (struct wh_str){passwd.p, passwd.n}, (struct wh_str){group.p, group.n});
	if (r) {
		WH_AUTO_FREE char *whole = wh_asprintf("--chown=%s", given);

		wh_err_wrap(err, "--chown=%s", given);
		wh_err_mark(err, WH_MARK_WORD, given);
		wh_err_within(err, whole);
		return r;
	}
	*ret = (struct owner){true, u.uid, u.gid};
	return 0;
}

/* ---------------------------------------------------------------- COPY */

static void give_info(const struct copying *c, struct out *o, const struct node *src)
{
	const char *path = o->n.path;

	o->n = *src;
	o->n.path = path;
	if (c->owner.set) {
		o->n.uid = c->owner.uid;
		o->n.gid = c->owner.gid;
	}
	if (src->type != WH_T_SYMLINK)
		o->n.mode = chmod_apply(&c->chmod, src->mode, src->type == WH_T_DIR);
}

static int put_dir(struct copying *c, const struct item *it, const char *target, struct wh_err **err)
{
	struct node now;
	struct out *o;

	if (dest_lookup(c->d, target, &now)) {
		o = dest_put(c->d, target, WH_T_DIR);
		give_info(c, o, &it->n);
		return 0;
	}
	if (now.type != WH_T_DIR) {
		wh_err_set(err, DOMAIN, WH_ERR_BUILD, ENOTDIR, "cannot copy to non-directory: /%s", target);
		wh_err_hint(err, "the source has a directory where the image has a file or a link");
		return -ENOTDIR;
	}
	if (!*it->rel) {
		/* Made a moment ago for this very purpose: then it is as old as what it was made after. */
		o = dest_find(c->d, target);
		if (o && o->fresh)
			o->n.mtime = it->n.mtime;
		return 0;
	}
	o = dest_put(c->d, target, WH_T_DIR);
	if (it->lazy) {
		const char *path = o->n.path;

		now.path = path;
		o->n = now;
		o->n.mode = it->n.mode;
	} else {
		give_info(c, o, &it->n);
	}
	return 0;
}

static int put_item(struct copying *c, struct view *v, struct item *it, const char *target, size_t group,
		    struct wh_err **err)
{
	struct node now;
	struct out *o;

	if (it->n.type == WH_T_DIR)
		return put_dir(c, it, target, err);
	if (dest_lookup(c->d, target, &now) == 0 && now.type == WH_T_DIR) {
		wh_err_set(err, DOMAIN, WH_ERR_BUILD, EISDIR, "cannot replace to directory /%s with file", target);
		wh_err_hint(err, "the image has a directory where the source has a file or a link");
		return -EISDIR;
	}
	o = dest_put(c->d, target, it->n.type);
	give_info(c, o, &it->n);
	if (it->n.type == WH_T_FILE && !it->n.stub) {
		o->origin = FROM_VIEW;
		o->view = v;
		o->item = it;
		o->group = group;
	}
	return 0;
}

static int put_all(struct copying *c, struct view *v, struct pick *p, const char *target, struct wh_err **err)
{
	size_t first_group = c->d->groups;
	int r = 0;

	c->d->groups += p->n + 1;
	for (size_t i = 0; !r && i < p->n; i++) {
		struct item *it = &p->items[i];
		WH_AUTO_FREE char *path = *it->rel ? wh_path_join(target, it->rel) : wh_strdup(target);

		r = put_item(c, v, it, path, it->peer ? first_group + it->peer : 0, err);
	}
	return r;
}

/* The directory that must exist before anything else: all of "dir/" and "dir/.", else the one above. */
static char *ensured(const char *dest)
{
	const char *base = wh_path_base(dest);

	if (!*base || strcmp(base, ".") == 0)
		return wh_strdup(dest);
	return wh_strndup(dest, (size_t)(base - dest));
}

static int copy_pick(struct copying *c, struct view *v, struct pick *p, struct wh_err **err)
{
	bool is_dir = p->items[0].n.type == WH_T_DIR, exists;
	WH_AUTO_FREE char *first = ensured(c->a->path), *clean = wh_path_clean(c->a->path), *target = NULL,
			  *made = NULL;
	const char *dir, *dst;
	struct node now;
	int r;

	r = dest_resolve(c->d, "", first, &dir, err);
	if (!r)
		r = dest_mkdir_all(c->d, dir, &c->dir, err);
	if (!r)
		r = dest_resolve(c->d, "", clean, &dst, err);
	if (r)
		return r;
	exists = dest_lookup(c->d, dst, &now) == 0;
	if (!is_dir && exists && now.type == WH_T_DIR)
		target = *dst ? wh_asprintf("%s/%s", dst, p->base) : wh_strdup(p->base);
	else
		target = wh_strdup(dst);
	if (is_dir && !exists) {
		made = wh_strdup(target);
	} else {
		made = wh_path_dir(target);
		if (strcmp(made, ".") == 0)
			*made = '\0';
	}
	r = dest_mkdir_all(c->d, made, &c->dir, err);
	return r ? r : put_all(c, v, p, target, err);
}

static int copy_action(struct copying *c, size_t action, struct wh_err **err)
{
	int r = 0;

	for (size_t i = 0; !r && i < c->f->n_picks; i++) {
		struct pick *p = &c->f->picks[i];
		struct view *v;
		bool done = false;

		if (p->action != action)
			continue;
		r = fileop_view(c->f, p->input, &v, err);
		if (!r && c->a->unpack && p->items[0].n.type == WH_T_FILE && !p->items[0].n.stub)
			r = unpack_pick(c->f, c->d, c->a, p, &c->owner, &done, err);
		if (!r && !done)
			r = copy_pick(c, v, p, err);
	}
	return r;
}

/* ---------------------------------------------------------------- the others */

static void own(const struct copying *c, struct out *o, uint32_t mode, bool is_dir)
{
	o->n.uid = c->owner.uid;
	o->n.gid = c->owner.gid;
	o->n.mode = chmod_apply(&c->chmod, mode, is_dir);
	o->n.mtime = c->d->time;
}

/* Resolves the path and makes what is above it. */
static int place(struct copying *c, bool follow_last, const char **ret, struct wh_err **err)
{
	WH_AUTO_FREE char *clean = wh_path_clean(c->a->path), *dir = wh_path_dir(clean), *up = NULL;
	const char *at;
	int r;

	if (follow_last) {
		r = dest_resolve(c->d, "", clean, ret, err);
	} else {
		r = dest_resolve(c->d, "", dir, &at, err);
		if (!r)
			*ret = wh_arena_printf(c->d->arena, "%s%s%s", at, *at ? "/" : "", wh_path_base(clean));
	}
	if (r)
		return r;
	up = wh_path_dir(*ret);
	return strcmp(up, ".") == 0 ? 0 : dest_mkdir_all(c->d, up, &c->dir, err);
}

static int mkdir_action(struct copying *c, struct wh_err **err)
{
	WH_AUTO_FREE char *clean = wh_path_clean(c->a->path), *up = NULL;
	struct dir_attr a = {chmod_apply(&c->chmod, 0755, true), c->owner.uid, c->owner.gid};
	struct node now;
	const char *path;
	int r;

	r = dest_resolve(c->d, "", clean, &path, err);
	if (r)
		return r;
	up = wh_path_dir(path);
	if (!c->a->make_parents && strcmp(up, ".") != 0 && dest_lookup(c->d, up, &now)) {
		wh_err_set(err, DOMAIN, WH_ERR_BUILD, ENOENT, "mkdir %s: no such file or directory", c->a->path);
		return -ENOENT;
	}
	return dest_mkdir_all(c->d, path, &a, err);
}

static int mkfile_action(struct copying *c, struct wh_err **err)
{
	struct node now;
	const char *path;
	struct out *o;
	int r = place(c, true, &path, err);

	if (r)
		return r;
	if (dest_lookup(c->d, path, &now) == 0 && now.type == WH_T_DIR) {
		wh_err_set(err, DOMAIN, WH_ERR_BUILD, EISDIR, "open /%s: is a directory", path);
		return -EISDIR;
	}
	o = dest_put(c->d, path, WH_T_FILE);
	own(c, o, 0644, false);
	o->origin = FROM_DATA;
	o->data = c->a->data;
	o->data_len = c->a->data_len;
	o->n.size = c->a->data_len;
	return 0;
}

static int symlink_action(struct copying *c, struct wh_err **err)
{
	struct node now;
	const char *path;
	struct out *o;
	int r = place(c, false, &path, err);

	if (r)
		return r;
	if (dest_lookup(c->d, path, &now) == 0) {
		wh_err_set(err, DOMAIN, WH_ERR_BUILD, EEXIST, "symlink /%s: file exists", path);
		return -EEXIST;
	}
	o = dest_put(c->d, path, WH_T_SYMLINK);
	own(c, o, 0777, false);
	o->n.mode = 0777;
	o->n.link = c->a->data;
	return 0;
}

static int rm_action(struct copying *c, struct wh_err **err)
{
	WH_AUTO_FREE char *clean = wh_path_clean(c->a->path), *dir = wh_path_dir(clean), *full = NULL;
	const char *at;
	int r;

	r = dest_resolve(c->d, "", dir, &at, err);
	if (r)
		return r;
	full = *at ? wh_asprintf("%s/%s", at, wh_path_base(clean)) : wh_strdup(wh_path_base(clean));
	r = dest_remove(c->d, full);
	if (r == -ENOENT && c->a->missing_ok)
		return 0;
	if (r)
		wh_err_set(err, DOMAIN, WH_ERR_BUILD, -r, "remove %s: %s", c->a->path, strerror(-r));
	return r;
}

static int run_one(struct copying *c, size_t action, struct wh_err **err)
{
	int r = find_owner(c->d, c->a->chown, c->a->kind != WH_FILE_MKDIR, &c->owner, err);

	if (r)
		return r;
	c->chmod = (struct chmod){0};
	if (c->a->chmod && *c->a->chmod) {
		r = chmod_parse(c->a->chmod, &c->chmod, err);
		if (r)
			return r;
	}
	c->dir = (struct dir_attr){c->chmod.octal ? c->chmod.mode & 0777 : 0755, c->owner.uid, c->owner.gid};
	switch (c->a->kind) {
	case WH_FILE_COPY:
		return copy_action(c, action, err);
	case WH_FILE_MKFILE:
		return mkfile_action(c, err);
	case WH_FILE_MKDIR:
		return mkdir_action(c, err);
	case WH_FILE_RM:
		return rm_action(c, err);
	case WH_FILE_SYMLINK:
		return symlink_action(c, err);
	}
	return wh_err_set(err, DOMAIN, WH_ERR_INTERNAL, EINVAL, "file action of an unknown kind");
}

int run_actions(struct wh_fileop *f, struct dest *d, struct wh_err **err)
{
	const struct wh_op_file *op = f->v->op.file;
	int r = 0;

	for (size_t i = 0; !r && i < op->n_actions; i++) {
		struct copying c = {.f = f, .d = d, .a = &op->actions[i]};

		r = run_one(&c, i, err);
	}
	return r;
}
