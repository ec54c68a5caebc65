/* SPDX-License-Identifier: Apache-2.0 */
/* Names of images in the store: descriptors in its index.json, sorted by name. */
#include "layers/image_private.h"
#include "layers/store_private.h"

#include <errno.h>

#define INDEX "index.json"

int wh_store_names(struct wh_store *s, json_t **ret, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_ERR struct wh_err *why = NULL;
	WH_AUTO_JSON json_t *o = NULL;
	json_t *ms = NULL;
	int r = wh_read_regular(s->dir_fd, INDEX, WH_STORE_INDEX_MAX, &buf);

	if (r < 0 && r != -EFBIG)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "read %s/" INDEX, s->path);
	if (r == 0 && wh_json_parse_max(buf.p, buf.n, INDEX, SIZE_MAX, &o, &why) == 0)
		ms = json_object_get(o, "manifests");
	if (!json_is_array(ms)) {
		r = wh_err_set(err, "layers", WH_ERR_ENV, EBADMSG, "damaged: %s/" INDEX " (%s)", s->path,
			       why     ? why->msg
			       : r < 0 ? "it is too big"
				       : "it has no list of manifests");
		wh_err_hint(err, "remove %s/" INDEX ": names given to images are lost, images and cache are not",
			    s->path);
		return r;
	}
	*ret = json_incref(ms);
	return 0;
}

int wh_store_names_write_max(struct wh_store *s, const json_t *manifests, size_t max, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_FREE char *tmp = wh_temp_name("index-");
	int r;

	buf.max = max;
	wh_index_json(manifests, &buf);
	if (!wh_buf_ok(&buf)) {
		r = wh_err_set(err, "layers", WH_ERR_ENV, EFBIG, "%s/" INDEX " would have more than %zu MiB", s->path,
			       max >> 20);
		wh_err_hint(err, "nothing was changed; another store (--root) has room");
		return r;
	}
	r = wh_write_file_atomic(s->lease.dir_fd, tmp, buf.p, buf.n, 0644, true);
	if (r == 0 && renameat(s->lease.dir_fd, tmp, s->dir_fd, INDEX) < 0)
		r = -errno;
	return r < 0 ? wh_err_sys(err, "layers", WH_ERR_ENV, -r, "write %s/" INDEX, s->path) : 0;
}

int wh_store_names_write(struct wh_store *s, const json_t *manifests, struct wh_err **err)
{
	return wh_store_names_write_max(s, manifests, WH_STORE_INDEX_MAX, err);
}

static int settle_ours(struct wh_store *s, const struct wh_image *i, struct wh_err **err)
{
	WH_AUTO_FREE const struct wh_layer **v = wh_calloc(i->n_layers + 1, sizeof(*v));
	WH_AUTO_JSON json_t *origins = json_object();
	int r = wh_image_whole(i, err);
	size_t n = 0;

	for (size_t k = 0; k < i->n_parts && r == 0; k++)
		r = settle_ours(s, &i->parts[k], err);
	for (size_t k = 0; k < i->n_layers && r == 0; k++) {
		const struct wh_layer *l = &i->layers[k];

		if (!l->origin || !wh_has_prefix(l->origin, WH_ORIGIN_REGISTRY) || wh_blob_has(s, &l->blob, NULL))
			v[n++] = l;
		else
			wh_origins_add(origins, &l->blob, l->origin);
	}
	if (r == 0)
		r = wh_origins_note(s, &i->manifest, origins, err);
	return r < 0 ? r : wh_layers_settle(s, v, n, err);
}

int wh_store_tag(struct wh_store *s, const char *name, const struct wh_image *i, struct wh_err **err)
{
	WH_AUTO_FREE char *full = NULL;
	WH_AUTO_JSON json_t *ms = NULL;
	WH_AUTO_JSON json_t *d = NULL;
	WH_AUTO_FD int lock = -1;
	int r = wh_reference_normalize(name, &full, err);

	if (r < 0)
		return r;
	if (strchr(full, '@'))
		return wh_err_set(err, "layers", WH_ERR_USAGE, EINVAL, "\"%s\": a digest cannot be given as a name",
				  name);
	/* What a name in the layout leads to must all be there, and on disk before the name is; or have a place where it is. */
	r = settle_ours(s, i, err);
	if (r == 0)
		r = wh_store_sync(s, err);
	if (r < 0)
		return r;
	r = lock = wh_store_lock(s, "index", err);
	if (r >= 0)
		r = wh_store_names(s, &ms, err);
	if (r < 0)
		return r;
	/* One layout, many images: the whole name is what tells them apart. */
	d = wh_image_descriptor(i, full, full);
	wh_index_put(ms, d);
	return wh_store_names_write(s, ms, err);
}
