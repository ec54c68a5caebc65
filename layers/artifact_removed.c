/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What PRUNE took away, as an artifact of the image: a manifest with an image's config and one layer, so that whoever reads images can
 * read it by its digest.
 *
 *   {"artifactType": WH_ARTIFACT_REMOVED, "config": {an image's config: its platform, one diff id}, "layers": [the layer],
 *    "subject": {the image}}
 *
 * It may be larger than the image: manifest and config go wherever what is attached to the image goes, and the layer stays in its
 * registry or layout until somebody reads it.
 */
#include "layers/artifact_private.h"
#include "layers/image_private.h"

#include <errno.h>

bool wh_artifact_is_removed(const struct wh_artifact *a)
{
	return !a->tag && wh_streq(a->artifact_type, WH_ARTIFACT_REMOVED);
}

static void copy_key(json_t *to, const json_t *from, const char *key)
{
	if (json_object_get(from, key))
		json_object_set(to, key, json_object_get(from, key));
}

static void config_text(const struct wh_image *i, const struct wh_layer *l, struct wh_buf *out)
{
	WH_AUTO_JSON json_t *o = json_object();
	char text[WH_DIGEST_TEXT];

	copy_key(o, i->config, "architecture");
	copy_key(o, i->config, "created");
	copy_key(o, i->config, "os");
	copy_key(o, i->config, "variant");
	json_object_set_new(o, "config", json_object());
	json_object_set_new(o, "history", json_pack("[{s:s}]", "created_by", "PRUNE: what it removed"));
	json_object_set_new(o, "rootfs",
			    json_pack("{s:s, s:[s]}", "type", "layers", "diff_ids", wh_digest_text(&l->diff_id, text)));
	wh_json_dump(o, out);
}

int wh_removed_part_write(struct wh_store *s, const struct wh_image *subject, const struct wh_layer *l, struct wh_artifacts *list,
			  struct wh_err **err)
{
	WH_CLEANUP(wh_descriptor_release) struct wh_descriptor d = {
		.digest = l->blob, .size = l->blob_size, .media_type = wh_strdup(wh_layer_media_type(l->comp))};
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	struct wh_artifact_blob config = {.media_type = WH_MT_CONFIG};
	struct wh_artifact a;
	int r;

	config_text(subject, l, &text);
	config.data = text.p;
	config.len = text.n;
	r = wh_artifact_manifest_write(s, subject, WH_ARTIFACT_REMOVED, &config, &d, 1, &a, err);
	if (r == 0)
		*wh_artifacts_add(list) = a;
	return r;
}

int wh_removed_part_open(struct wh_store *s, const char *layout, const struct wh_digest *manifest, struct wh_image *ret,
			 struct wh_err **err)
{
	char text[WH_DIGEST_TEXT];
	struct wh_image i = {0};
	int r = layout ? wh_image_from_layout(s, layout, NULL, manifest, NULL, &i, err)
		       : wh_image_from_store(s, wh_digest_text(manifest, text), NULL, &i, err);

	if (r == 0 && i.n_layers != 1)
		r = wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "it has %zu layers, and one is what it should have", i.n_layers);
	if (r < 0) {
		wh_image_release(&i);
		wh_err_wrap(err, "the removed part");
		return r;
	}
	*ret = i;
	return 0;
}

int wh_removed_part_bring(struct wh_store *s, const char *layout, const struct wh_artifacts *list, struct wh_err **err)
{
	int r = 0;

	for (size_t k = 0; k < list->n && r == 0; k++) {
		struct wh_image i = {0};

		if (!wh_artifact_is_removed(&list->v[k]))
			continue;
		r = wh_removed_part_open(s, layout, &list->v[k].manifest.digest, &i, err);
		if (r == 0)
			r = wh_layer_fetch(s, &i.layers[0], err);
		if (r < 0)
			wh_err_wrap(err, "what PRUNE removed");
		wh_image_release(&i);
	}
	return r;
}

void wh_removed_part_leave(struct wh_artifacts *list)
{
	size_t n = 0;

	for (size_t k = 0; k < list->n; k++) {
		if (wh_artifact_is_removed(&list->v[k]))
			wh_artifact_release(&list->v[k]);
		else
			list->v[n++] = list->v[k];
	}
	list->n = n;
}
