/* SPDX-License-Identifier: Apache-2.0 */
/* What is mounted in a container of the application's: places that are writable on a read-only root, and what is shared with the driver. */
#include "builder/profile_private.h"

#include <errno.h>

/* An empty directory with the image's mode and owner, or a copy of what the image has there. */
static int add_place(struct wh_trial *t, const struct wh_confined_place *p, const char *name, struct wh_places *to, struct wh_err **err)
{
	struct wh_store *s = t->b->o.store;
	int r = 0;

	if (p->content)
		r = wh_share_copy(s, t->layers, t->n_layers, "a writable place", p->path, t->dir_fd, name, err);
	else if (mkdirat(t->dir_fd, name, 0700) < 0 || fchownat(t->dir_fd, name, p->uid, p->gid, 0) < 0 ||
		 fchmodat(t->dir_fd, name, p->mode, 0) < 0)
		r = wh_err_sys(err, "builder", WH_ERR_ENV, errno, "make a writable place for %s", p->path);
	if (r < 0)
		return r;
	wh_strv_take(&to->dirs, wh_asprintf("%s/%s/%s", wh_store_tmp_path(s), t->dir, name));
	to->binds[to->n++] = (struct wh_bind){
		.kind = WH_BIND_PATH, .source = to->dirs.v[to->dirs.n - 1], .target = p->path};
	return 0;
}

int wh_places_make(struct wh_trial *t, const char *prefix, struct wh_places *ret, struct wh_err **err)
{
	const struct wh_confinement *c = t->how.confinement;
	size_t n = c ? c->n_places : 0;
	int r = 0;

	ret->binds = wh_calloc(n + t->shared.n + 1, sizeof(*ret->binds));
	for (size_t i = 0; i < n && r == 0; i++) {
		WH_AUTO_FREE char *name = wh_asprintf("%s%zu", prefix, i);

		r = add_place(t, &c->places[i], name, ret, err);
	}
	for (size_t i = 0; i < t->shared.n && r == 0; i++) {
		ret->binds[ret->n] = t->binds[i];
		ret->binds[ret->n++].readonly = c && c->read_only && wh_streq(c->read_only, t->op->share[i]);
	}
	return r;
}

void wh_places_release(struct wh_places *p)
{
	free(p->binds);
	wh_strv_release(&p->dirs);
	*p = (struct wh_places){0};
}
