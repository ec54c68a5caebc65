/* SPDX-License-Identifier: Apache-2.0 */
/* What a run on the pruned tree looked for in vain, and the full tree has: it is put back. */
#include "harden/tree.h"

#include <errno.h>

static const char *rel(const char *path)
{
	return path + strspn(path, "/");
}

struct repairs {
	struct wh_tree *full, *pruned;
	struct wh_strv found;
};

static void repair(struct repairs *x, const char *path)
{
	struct wh_node_ref n;

	if (wh_tree_lookup(x->pruned, path, &n) == -ENOENT && wh_tree_lookup(x->full, path, &n) == 0)
		wh_strv_add(&x->found, path);
}

/* What stands there in the full tree, and the links on the way to it. */
static int on_lookup(void *arg, const struct wh_obs *o)
{
	struct repairs *x = arg;
	WH_AUTO_STRV struct wh_strv links = {0};
	WH_AUTO_FREE char *path = NULL;
	struct wh_node_ref n;

	if (o->kind != WH_OBS_MISSING)
		return 0;
	if (wh_walk(x->full, rel(o->path), true, &links, &path, &n) == 0)
		repair(x, path);
	else
		wh_strv_release(&links);
	repair(x, rel(o->path)); /* a link that leads nowhere is something, too */
	for (size_t i = 0; i < links.n; i++)
		repair(x, links.v[i]);
	return 0;
}

int wh_profile_repairs(struct wh_tree *full, struct wh_tree *pruned, const struct wh_obs_log *logs, size_t n,
		       struct wh_strv *ret, struct wh_err **err)
{
	struct repairs x = {.full = full, .pruned = pruned};
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		/* Also a run that was cut short says what it missed. */
		WH_AUTO_ERR struct wh_err *own = NULL;

		r = wh_obs_read(logs[i].data, logs[i].len, on_lookup, &x, &own);
		if (r == -EBADMSG)
			r = 0;
		else if (r < 0)
			wh_err_move(err, &own);
	}
	wh_strv_sort(&x.found);
	for (size_t i = 0; r == 0 && i < x.found.n; i++)
		if (!i || !wh_streq(x.found.v[i], x.found.v[i - 1]))
			wh_strv_add(ret, x.found.v[i]);
	wh_strv_release(&x.found);
	return r;
}
