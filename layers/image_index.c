/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image indexes (image-spec image-index.md): several images under one name, one a platform. Here an index is a struct wh_image with
 * parts, so that what names, exports, pushes and signs images does the same with indexes.
 */
#include "layers/image_private.h"

#include <errno.h>

void wh_image_copy(struct wh_image *dst, const struct wh_image *src)
{
	*dst = *src;
	dst->config = src->config ? json_deep_copy(src->config) : NULL;
	dst->annotations = src->annotations ? json_deep_copy(src->annotations) : NULL;
	dst->listed_annotations = src->listed_annotations ? json_deep_copy(src->listed_annotations) : NULL;
	dst->layers = wh_calloc(src->n_layers ? src->n_layers : 1, sizeof(*dst->layers));
	for (size_t i = 0; i < src->n_layers; i++)
		wh_layer_copy(&dst->layers[i], &src->layers[i]);
	dst->parts = src->parts ? wh_calloc(src->n_parts ? src->n_parts : 1, sizeof(*dst->parts)) : NULL;
	for (size_t i = 0; i < src->n_parts; i++)
		wh_image_copy(&dst->parts[i], &src->parts[i]);
}

void wh_image_platform(const struct wh_image *i, struct wh_platform *ret)
{
	wh_platform_from_json(i->config, ret);
}

char *wh_image_platform_dir(const struct wh_image *i)
{
	struct wh_platform p;
	char *text;

	wh_image_platform(i, &p);
	text = wh_platform_text(&p);
	for (char *c = text; *c; c++)
		if (*c == '/')
			*c = '_';
	return text;
}

bool wh_image_is_attachment(const json_t *descriptor)
{
	const char *arch = wh_json_str(json_object_get(descriptor, "platform"), "architecture");

	return wh_json_str(json_object_get(descriptor, "annotations"), "vnd.docker.reference.type") &&
	       (!arch || wh_streq(arch, "unknown"));
}

int wh_image_index_check(const struct wh_image *i, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv seen = {0};

	for (size_t k = 0; k < i->n_parts; k++) {
		struct wh_platform p;
		WH_AUTO_FREE char *text = NULL;

		wh_image_platform(&i->parts[k], &p);
		text = wh_platform_text(&p);
		if (wh_strv_has(&seen, text))
			return wh_err_set(err, "layers", WH_ERR_BUILD, EEXIST, "two images of the index are for %.100s", text);
		wh_strv_add(&seen, text);
	}
	return 0;
}

/* Who hands an index on hands on all of it. */
int wh_image_whole(const struct wh_image *i, struct wh_err **err)
{
	return i->n_absent ? wh_err_set(err, "layers", WH_ERR_BUILD, ENOENT,
					"the index names %zu images that are not at hand", i->n_absent)
			   : 0;
}

int wh_image_index_write_as(struct wh_store *s, const struct wh_image *images, size_t n, const json_t *annotations, bool docker,
			    struct wh_image *ret, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_JSON json_t *list = json_array();
	struct wh_image x = {.media_type = docker ? WH_MT_DOCKER_LIST : WH_MT_INDEX, .n_parts = n};
	int r;

	x.parts = wh_calloc(n ? n : 1, sizeof(*x.parts));
	for (size_t k = 0; k < n; k++) {
		wh_image_copy(&x.parts[k], &images[k]);
		json_array_append_new(list, wh_image_descriptor(&images[k], NULL, NULL));
		if (json_object_size(images[k].listed_annotations))
			json_object_set(json_array_get(list, k), "annotations", images[k].listed_annotations);
	}
	if (json_object_size(annotations))
		x.annotations = json_deep_copy(annotations);
	r = wh_image_index_check(&x, err);
	if (r == 0) {
		wh_index_document(list, x.media_type, annotations, &text);
		r = !wh_buf_ok(&text) || text.n > WH_MANIFEST_MAX
			    ? wh_err_set(err, "layers", WH_ERR_BUILD, EFBIG, "the index is larger than %zu MiB",
					 WH_MANIFEST_MAX >> 20)
			    : wh_blob_put(s, text.p, text.n, &x.manifest, err);
	}
	if (r < 0) {
		wh_image_release(&x);
		return r;
	}
	x.manifest_size = text.n;
	*ret = x;
	return 0;
}

int wh_image_index_write(struct wh_store *s, const struct wh_image *images, size_t n, struct wh_image *ret,
			 struct wh_err **err)
{
	return wh_image_index_write_as(s, images, n, NULL, false, ret, err);
}
