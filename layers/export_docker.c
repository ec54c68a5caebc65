/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images as docker save writes them: manifest.json, which docker of any version and podman read, over blobs in the places that an OCI
 * layout has for them, and (as docker writes since version 25) that layout's index.json in the same tar, for whoever reads that. Members
 * come in a fixed order with fixed attributes, so the images and their names alone decide the bytes.
 */
#include "layers/export_private.h"

#include <errno.h>

/* Docker before version 23 reads no zstd from archives. */
static int without_zstd(struct wh_store *s, struct wh_image *i, struct wh_err **err)
{
	struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
	bool changed = false;
	int r = 0;

	o.comp = WH_COMP_GZIP;
	for (size_t k = 0; k < i->n_layers && r == 0; k++) {
		struct wh_layer other = {0};

		if (i->layers[k].comp != WH_COMP_ZSTD)
			continue;
		r = wh_layer_as(s, &i->layers[k], &o, &other, err);
		if (r < 0)
			return r;
		wh_layer_release(&i->layers[k]);
		i->layers[k] = other;
		changed = true;
	}
	return changed ? wh_image_manifest_write(s, i, i->media_type && strcmp(i->media_type, WH_MT_DOCKER_MANIFEST) == 0, err) : 0;
}

static char *blob_path(const struct wh_digest *d)
{
	char hex[65];

	return wh_asprintf("blobs/sha256/%s", wh_digest_hex(d, hex));
}

/* "shop:1.4", as docker shows names; the tag is always there. */
static int repo_tags(const struct wh_export_item *item, json_t **ret, struct wh_err **err)
{
	WH_AUTO_JSON json_t *list = json_array();

	for (size_t n = 0; item->names && item->names[n]; n++) {
		WH_AUTO_FREE char *full = NULL;
		WH_AUTO_FREE char *shown = NULL;
		WH_AUTO_FREE char *tagged = NULL;
		int r = wh_reference_normalize(item->names[n], &full, err);

		if (r < 0)
			return r;
		shown = wh_reference_familiar(full);
		tagged = wh_has_suffix(full, ":latest") && !wh_has_suffix(shown, ":latest") ? wh_asprintf("%s:latest", shown)
											    : wh_strdup(shown);
		json_array_append_new(list, json_string(tagged));
	}
	*ret = json_array_size(list) ? json_incref(list) : json_null();
	return 0;
}

static int add_entry(json_t *list, const struct wh_export_item *item, struct wh_err **err)
{
	const struct wh_image *i = item->image;
	WH_AUTO_FREE char *config = blob_path(&i->config_digest);
	json_t *layers, *tags = NULL;
	int r = repo_tags(item, &tags, err);

	if (r < 0)
		return r;
	layers = json_array();
	for (size_t k = 0; k < i->n_layers; k++) {
		WH_AUTO_FREE char *path = blob_path(&i->layers[k].blob);

		json_array_append_new(layers, json_string(path));
	}
	json_array_append_new(list, json_pack("{s:s, s:o, s:o}", "Config", config, "RepoTags", tags, "Layers", layers));
	return 0;
}

static int manifest_json(const struct wh_exporting *e, struct wh_buf *out, struct wh_err **err)
{
	static const char *const keys[] = {"Config", "RepoTags", "Layers", NULL};
	WH_AUTO_JSON json_t *list = json_array();
	int r = 0;

	for (size_t k = 0; k < e->n_items && r == 0; k++)
		r = add_entry(list, &e->items[k], err);
	for (size_t k = 0; k < json_array_size(list); k++) {
		wh_buf_addc(out, k ? ',' : '[');
		wh_json_dump_ordered(json_array_get(list, k), keys, out);
	}
	wh_buf_addc(out, ']');
	return r;
}

static int write_tar(void *arg, int fd, struct wh_err **err)
{
	struct wh_exporting *e = arg;
	WH_AUTO_BUF struct wh_buf index = WH_BUF_INIT;
	WH_AUTO_BUF struct wh_buf manifest = WH_BUF_INIT;
	int r = manifest_json(e, &manifest, err);

	if (r == 0)
		r = wh_exporting_header(e, fd, "blobs", WH_T_DIR, 0, err);
	if (r == 0)
		r = wh_exporting_header(e, fd, "blobs/sha256", WH_T_DIR, 0, err);
	for (size_t k = 0; k < e->n && r == 0; k++)
		r = wh_exporting_member(e, fd, &e->blobs[k], err);
	if (r < 0)
		return r;
	wh_index_json(e->manifests, &index);
	r = wh_exporting_text(e, fd, "index.json", index.p, index.n, err);
	if (r == 0)
		r = wh_exporting_text(e, fd, "manifest.json", manifest.p, manifest.n, err);
	if (r == 0)
		r = wh_exporting_text(e, fd, "oci-layout", WH_OCI_LAYOUT, strlen(WH_OCI_LAYOUT), err);
	return r < 0 ? r : wh_exporting_end(e, fd, err);
}

static int export_items(struct wh_exporting *e, struct wh_err **err)
{
	int r = 0;

	for (size_t k = 0; k < e->n_items && r == 0; k++)
		r = wh_exporting_add_image(e, e->items[k].image, true, err);
	if (r < 0)
		return r;
	wh_exporting_sort(e);
	for (size_t k = 0; k < e->n_items && r == 0; k++)
		r = wh_exporting_verify(e->s, e->items[k].image, err);
	if (r == 0)
		r = wh_exporting_names(e, err);
	return r < 0 ? r : wh_export_file(e->x, write_tar, e, err);
}

int wh_export_docker(struct wh_store *s, const struct wh_export_item *items, size_t n, const struct wh_export *x, struct wh_err **err)
{
	WH_AUTO_FREE struct wh_export_item *own = wh_calloc(n ? n : 1, sizeof(*own));
	WH_AUTO_FREE struct wh_image *images = wh_calloc(n ? n : 1, sizeof(*images));
	struct wh_exporting e = {.s = s, .items = own, .n_items = n, .x = x};
	size_t made = 0;
	int r = 0;

	for (; made < n && r == 0; made++) {
		own[made] = items[made];
		own[made].image = &images[made];
		wh_image_copy(&images[made], items[made].image);
		if (wh_image_is_index(items[made].image)) {
			r = wh_err_set(err, "layers", WH_ERR_USAGE, ENOTSUP, "docker's archive holds no image of several platforms");
			wh_err_hint(err, "an OCI layout does; or choose one platform");
			continue;
		}
		r = without_zstd(s, &images[made], err);
	}
	if (r == 0)
		r = export_items(&e, err);
	while (made > 0)
		wh_image_release(&images[--made]);
	json_decref(e.manifests);
	free(e.blobs);
	if (r < 0)
		wh_err_wrap(err, "export to %s", x->dest);
	return r;
}
