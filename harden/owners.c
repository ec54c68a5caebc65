/* SPDX-License-Identifier: Apache-2.0 */
#include "harden/removed.h"

struct wh_owners {
	struct wh_removed of;
};

int wh_owners_open(struct wh_tree *t, struct wh_owners **ret, struct wh_err **err)
{
	struct wh_owners *o = wh_calloc(1, sizeof(*o));
	int r = wh_removed_open(t, &o->of, err);

	if (r == 0)
		r = wh_removed_open_langs(&o->of, t, err);
	if (r < 0)
		wh_owners_free(o);
	else
		*ret = o;
	return r;
}

const char *wh_owners_of(const struct wh_owners *o, const char *path)
{
	return wh_removed_owner_of(&o->of, path);
}

void wh_owners_free(struct wh_owners *o)
{
	if (!o)
		return;
	wh_removed_release(&o->of);
	free(o);
}
