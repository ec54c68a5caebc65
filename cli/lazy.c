/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/registry_service.h"

#include <errno.h>

static int fetch(void *arg, const char *origin, const struct wh_descriptor *blobs, size_t n, const _Atomic bool *cancel,
		 struct wh_err **err)
{
	const struct wh_cli_lazy *l = arg;
	const char *repo = origin + strlen(WH_ORIGIN_REGISTRY);
	unsigned id = wh_progress_begin(l->progress, "[internal] fetch layers of %s", repo);
	WH_AUTO_ERR struct wh_err *e = NULL;
	int r = wh_cli_registry_blobs(l->inner, l->store, repo, blobs, n, l->insecure, cancel, &(struct wh_progress_row){l->progress, id}, &e);

	if (r < 0 && r != -ECANCELED)
		wh_err_hint(&e, "they stayed in their registry until now, when they are read; "
				"whittle pull brings an image as a whole");
	wh_progress_end(l->progress, id, e);
	wh_err_move(err, &e);
	return r;
}

void wh_cli_lazy_serve(struct wh_cli_lazy *lazy)
{
	wh_store_set_fetcher(lazy->store, fetch, lazy);
}
