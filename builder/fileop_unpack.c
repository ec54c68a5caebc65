/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ADD of a local archive: its entries are laid into the destination as tar
 * would extract them there with the destination as its root: symlinks on the way,
 * whether from the archive or from the image, never lead out of it. Unlike
 * COPY, an entry replaces whatever has its name, unless both are directories.
 */
#include "builder/fileop_private.h"

#include <errno.h>

static void archive_free(struct archive *x)
{
	pick_release(&x->pick);
	view_close(&x->view);
	wh_layer_release(&x->layer);
	free(x);
}

void unpack_release(struct wh_fileop *f)
{
	for (size_t i = 0; i < f->n_archives; i++)
		archive_free(f->archives[i]);
	free(f->archives);
	f->archives = NULL;
	f->n_archives = f->cap_archives = 0;
}

static int lay(struct dest *d, struct view *v, struct item *it, const char *root, const struct owner *owner,
	       size_t group, struct wh_err **err)
{
	static const struct dir_attr implied = {0755, 0, 0};
	WH_AUTO_FREE char *dir = wh_path_dir(it->rel), *full = NULL;
	const char *at, *path;
	struct out *o;
	int r;

	r = dest_resolve(d, root, strcmp(dir, ".") == 0 ? "" : dir, &at, err);
	if (!r)
		r = dest_mkdir_all(d, at, &implied, err);
	if (r)
		return r;
	full = *at ? wh_asprintf("%s/%s", at, wh_path_base(it->rel)) : wh_strdup(wh_path_base(it->rel));
	o = dest_put(d, full, it->n.type);
	path = o->n.path;
	o->n = it->n;
	o->n.path = path;
	if (owner->set) {
		o->n.uid = owner->uid;
		o->n.gid = owner->gid;
	}
	if (it->n.type == WH_T_FILE) {
		o->origin = FROM_VIEW;
		o->view = v;
		o->item = it;
		o->group = group;
	}
	return 0;
}

/* The file may change while the archive is read: then what was unpacked is not what the digest says. */
static int read_archive(struct wh_fileop *f, struct view *v, struct item *it, bool any, struct archive *x,
			struct wh_err **err)
{
	for (int tries = 0; tries < 2; tries++) {
		WH_AUTO_FD int fd = -1;
		struct stat st;
		int r;

		if (!v->tree && !it->n.has_digest) {
			r = local_hash(v, &it->n, err);
			if (r)
				return r;
		}
		fd = view_open_file(v, &it->n, err);
		if (fd == -EAGAIN || (fd >= 0 && !it->n.has_digest))
			continue;
		if (fd < 0)
			return fd;
		r = wh_archive_to_layer(f->store, fd, it->n.path, any, &x->layer, err);
		if (r)
			return r;
		if (v->tree)
			return 0;
		if (fstat(fd, &st) == 0 && (uint64_t)st.st_size == it->n.size &&
		    (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec == it->n.ctime_ns)
			return 0;
		wh_layer_release(&x->layer);
		x->layer = (struct wh_layer){0};
		it->n.has_digest = false;
	}
	wh_err_set(err, DOMAIN, WH_ERR_BUILD, EAGAIN, "/%s changes while it is read", it->n.path);
	return -EAGAIN;
}

int unpack_pick(struct wh_fileop *f, struct dest *d, const struct wh_file_action *a, struct pick *p,
		const struct owner *o, bool *ret_done, struct wh_err **err)
{
	struct dir_attr made = {0755, o->uid, o->gid};
	WH_AUTO_FREE char *clean = wh_path_clean(a->path);
	struct archive *x;
	struct view *v;
	const char *root;
	size_t first_group = d->groups;
	int r;

	*ret_done = false;
	r = fileop_view(f, p->input, &v, err);
	if (r)
		return r;
	x = wh_calloc(1, sizeof(*x));
	x->view.rootfd = -1;
	WH_PUSH(f->archives, f->n_archives, f->cap_archives) = x;
	r = read_archive(f, v, &p->items[0], a->unpack_all, x, err);
	if (r == -ENOTSUP) {
		f->n_archives--;
		archive_free(x);
		return 0;
	}
	if (r)
		return r;
	x->in = (struct wh_file_input){.layers = &x->layer, .n_layers = 1};
	x->view.arena = f->arena;
	r = view_open(&x->view, f->store, &x->in, err);
	if (!r)
		r = select_path(&x->view, "", &x->pick, err);
	if (!r)
		r = dest_resolve(d, "", clean, &root, err);
	if (!r)
		r = dest_mkdir_all(d, root, &made, err);
	d->groups += x->pick.n + 1;
	for (size_t i = 1; !r && i < x->pick.n; i++) {
		struct item *it = &x->pick.items[i];

		/* Not in the archive: made when something below it is, unless a link or a directory stands there. */
		if (it->n.implied)
			continue;
		r = lay(d, &x->view, it, root, o, it->peer ? first_group + it->peer : 0, err);
	}
	*ret_done = !r;
	return r;
}
