/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing configs and manifests. The bytes are decided by the arguments alone:
 * the keys that the OCI specification names come in its order, others sorted
 * behind them, and there is no blank anywhere.
 */
#include "layers/artifact_private.h"
#include "layers/image_private.h"

#include <errno.h>

static const char *const config_keys[] = {
	"architecture", "os",     "os.version", "os.features", "variant", "author",
	"created",      "config", "rootfs",     "history",     NULL,
};
static const char *const run_keys[] = {
	"User",   "ExposedPorts", "Env",         "Entrypoint", "Cmd",     "Volumes",     "WorkingDir",
	"Labels", "StopSignal",   "Healthcheck", "Shell",      "OnBuild", "ArgsEscaped", NULL,
};
static const char *const history_keys[] = {"created", "created_by", "author", "comment", "empty_layer", NULL};
static const char *const rootfs_keys[] = {"type", "diff_ids", NULL};
static const char *const manifest_keys[] = {
	"schemaVersion", "mediaType", "artifactType", "config", "layers", "subject", "annotations", NULL,
};
static const char *const index_keys[] = {"schemaVersion", "mediaType", "manifests", "annotations", NULL};
static const char *const descriptor_keys[] = {
	"mediaType", "digest", "size", "platform", "artifactType", "annotations", NULL,
};
static const char *const platform_keys[] = {"architecture", "os", "os.version", "os.features", "variant", NULL};

void wh_image_release(struct wh_image *i)
{
	json_decref(i->config);
	json_decref(i->annotations);
	json_decref(i->listed_annotations);
	for (size_t k = 0; k < i->n_layers; k++)
		wh_layer_release(&i->layers[k]);
	free(i->layers);
	for (size_t k = 0; k < i->n_parts; k++)
		wh_image_release(&i->parts[k]);
	free(i->parts);
	*i = (struct wh_image){0};
}

/* ---------------------------------------------------------------- ordered JSON */

/* Which order the value of a key has: keys mean the same wherever they stand in the documents written here. */
static const char *const *order_below(const char *key)
{
	static const struct {
		const char *key;
		const char *const *order;
	} table[] = {
		{"config", run_keys},        {"rootfs", rootfs_keys},        {"history", history_keys},
		{"layers", descriptor_keys}, {"manifests", descriptor_keys}, {"platform", platform_keys},
		{"subject", descriptor_keys},
	};

	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++)
		if (strcmp(key, table[i].key) == 0)
			return table[i].order;
	return NULL;
}

static void dump_value(const char *key, const json_t *v, const char *const *manifest, struct wh_buf *out)
{
	const char *const *order = order_below(key);

	/* In a manifest, "config" is a descriptor. */
	if (order == run_keys && manifest == manifest_keys)
		order = descriptor_keys;
	if (order && json_is_object(v)) {
		wh_json_dump_ordered(v, order, out);
	} else if (order && json_is_array(v)) {
		wh_buf_addc(out, '[');
		for (size_t i = 0; i < json_array_size(v); i++) {
			if (i)
				wh_buf_addc(out, ',');
			if (json_is_object(json_array_get(v, i)))
				wh_json_dump_ordered(json_array_get(v, i), order, out);
			else
				wh_json_dump(json_array_get(v, i), out);
		}
		wh_buf_addc(out, ']');
	} else {
		wh_json_dump(v, out);
	}
}

static void dump_member(const char *key, const json_t *v, const char *const *first, bool *more, struct wh_buf *out)
{
	WH_AUTO_JSON json_t *k = json_string(key);

	if (*more)
		wh_buf_addc(out, ',');
	*more = true;
	wh_json_dump(k, out);
	wh_buf_addc(out, ':');
	dump_value(key, v, first, out);
}

static bool in_list(const char *const *list, const char *s)
{
	for (; *list; list++)
		if (strcmp(*list, s) == 0)
			return true;
	return false;
}

void wh_json_dump_ordered(const json_t *o, const char *const *first, struct wh_buf *out)
{
	WH_AUTO_STRV struct wh_strv rest = {0};
	bool more = false;
	const char *key;
	json_t *v;

	wh_buf_addc(out, '{');
	for (const char *const *k = first; *k; k++)
		if (json_object_get(o, *k))
			dump_member(*k, json_object_get(o, *k), first, &more, out);
	/* jansson's iteration is over a const object in all but its signature. */
	json_object_foreach((json_t *)(uintptr_t)o, key, v)
		if (!in_list(first, key))
			wh_strv_add(&rest, key);
	wh_strv_sort(&rest);
	for (size_t i = 0; i < rest.n; i++)
		dump_member(rest.v[i], json_object_get(o, rest.v[i]), first, &more, out);
	wh_buf_addc(out, '}');
}

/* ---------------------------------------------------------------- documents */

static json_t *descriptor(const char *mt, const struct wh_digest *d, uint64_t size)
{
	char text[WH_DIGEST_TEXT];

	return json_pack("{s:s, s:s, s:I}", "mediaType", mt, "digest", wh_digest_text(d, text), "size",
			 (json_int_t)size);
}

static int complete_config(struct wh_image *i, struct wh_err **err)
{
	json_t *ids = json_array();
	char text[WH_DIGEST_TEXT];

	for (size_t k = 0; k < i->n_layers; k++)
		json_array_append_new(ids, json_string(wh_digest_text(&i->layers[k].diff_id, text)));
	json_object_set_new(i->config, "rootfs", json_pack("{s:s, s:o}", "type", "layers", "diff_ids", ids));
	if (!wh_json_str(i->config, "architecture") || !wh_json_str(i->config, "os"))
		return wh_err_set(err, "layers", WH_ERR_INTERNAL, EINVAL, "an image config without architecture or os");
	return 0;
}

static int write_document(struct wh_store *s, const json_t *o, const char *const *keys, size_t max, const char *what,
			  struct wh_digest *ret, uint64_t *ret_size, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;

	wh_json_dump_ordered(o, keys, &buf);
	if (!wh_buf_ok(&buf) || buf.n > max)
		return wh_err_set(err, "layers", WH_ERR_BUILD, EFBIG, "the image's %s is larger than %zu MiB", what,
				  max >> 20);
	*ret_size = buf.n;
	return wh_blob_put(s, buf.p, buf.n, ret, err);
}

static const char *docker_layer_type(enum wh_compression c)
{
	return c == WH_COMP_NONE ? WH_MT_DOCKER_LAYER : c == WH_COMP_GZIP ? WH_MT_DOCKER_LAYER_GZIP : NULL;
}

static int write_manifest(struct wh_store *s, struct wh_image *i, const struct wh_digest *config, uint64_t config_size, bool docker,
			  struct wh_err **err)
{
	WH_AUTO_JSON json_t *m = NULL;
	WH_AUTO_JSON json_t *layers = json_array();
	struct wh_digest manifest;
	uint64_t manifest_size;
	int r;

	for (size_t k = 0; k < i->n_layers; k++) {
		const struct wh_layer *l = &i->layers[k];
		const char *type = docker ? docker_layer_type(l->comp) : wh_layer_media_type(l->comp);

		if (!type)
			return wh_err_set(err, "layers", WH_ERR_BUILD, ENOTSUP, "docker's media types have none for layers as %s",
					  wh_compression_name(l->comp));
		json_array_append_new(layers, descriptor(type, &l->blob, l->blob_size));
	}
	m = json_pack("{s:i, s:s, s:o, s:O}", "schemaVersion", 2, "mediaType", docker ? WH_MT_DOCKER_MANIFEST : WH_MT_MANIFEST, "config",
		      descriptor(docker ? WH_MT_DOCKER_CONFIG : WH_MT_CONFIG, config, config_size), "layers", layers);
	if (i->annotations && json_object_size(i->annotations))
		json_object_set(m, "annotations", i->annotations);
	r = write_document(s, m, manifest_keys, WH_MANIFEST_MAX, "manifest", &manifest, &manifest_size, err);
	if (r < 0)
		return r;
	i->manifest = manifest;
	i->media_type = docker ? WH_MT_DOCKER_MANIFEST : NULL;
	i->manifest_size = manifest_size;
	i->config_digest = *config;
	return 0;
}

int wh_image_manifest_write(struct wh_store *s, struct wh_image *i, bool docker, struct wh_err **err)
{
	const struct wh_digest config = i->config_digest;
	uint64_t size;

	if (!wh_blob_has(s, &config, &size))
		return wh_err_set(err, "layers", WH_ERR_BUILD, ENOENT, "the image's config is not in the store");
	return write_manifest(s, i, &config, size, docker, err);
}

int wh_image_write(struct wh_store *s, struct wh_image *i, struct wh_err **err)
{
	struct wh_digest config;
	uint64_t size;
	int r = complete_config(i, err);

	if (r == 0)
		r = write_document(s, i->config, config_keys, WH_CONFIG_MAX, "config", &config, &size, err);
	return r < 0 ? r : write_manifest(s, i, &config, size, false, err);
}

json_t *wh_image_descriptor(const struct wh_image *i, const char *name, const char *ref_name)
{
	json_t *d = descriptor(i->media_type ? i->media_type : WH_MT_MANIFEST, &i->manifest, i->manifest_size);
	json_t *p = json_object();
	const char *variant = wh_json_str(i->config, "variant");
	const char *const keys[] = {"architecture", "os", "os.version"};

	for (size_t k = 0; k < WH_ARRAY_SIZE(keys); k++)
		if (wh_json_str(i->config, keys[k]))
			json_object_set(p, keys[k], json_object_get(i->config, keys[k]));
	if (variant && variant[0])
		json_object_set(p, "variant", json_object_get(i->config, "variant"));
	if (json_object_size(p))
		json_object_set_new(d, "platform", p);
	else
		json_decref(p); /* an index: each of its images has one */
	if (name)
		json_object_set_new(d, "annotations",
				    json_pack("{s:s, s:s}", WH_AN_IMAGE_NAME, name, WH_AN_REF_NAME, ref_name));
	return d;
}

static const char *name_in(const json_t *d)
{
	const json_t *an = json_object_get(d, "annotations");
	const char *name = wh_json_str(an, WH_AN_IMAGE_NAME);

	if (!name)
		name = wh_json_str(an, WH_AN_REF_NAME);
	return name ? name : "";
}

/* Gives ref_name up to another entry. False when the entry has no other name: then it must go. */
static bool yield_ref_name(json_t *d, const char *ref_name)
{
	json_t *an = json_object_get(d, "annotations");
	const char *held = wh_json_str(an, WH_AN_REF_NAME);

	if (!ref_name || !held || strcmp(held, ref_name) != 0)
		return true;
	json_object_del(an, WH_AN_REF_NAME);
	return wh_json_str(an, WH_AN_IMAGE_NAME);
}

void wh_index_put(json_t *manifests, json_t *d)
{
	const char *name = name_in(d);
	const char *ref_name = wh_json_str(json_object_get(d, "annotations"), WH_AN_REF_NAME);
	size_t i = 0;

	while (i < json_array_size(manifests)) {
		json_t *old = json_array_get(manifests, i);

		if (wh_index_entry_is_artifact(old))
			i++;
		else if (strcmp(name_in(old), name) == 0 || !yield_ref_name(old, ref_name))
			json_array_remove(manifests, i);
		else
			i++;
	}
	for (i = 0; i < json_array_size(manifests); i++) {
		const json_t *old = json_array_get(manifests, i);

		if (wh_index_entry_is_artifact(old) || strcmp(name_in(old), name) > 0)
			break;
	}
	json_array_insert(manifests, i, d);
}

void wh_manifest_json(const json_t *m, struct wh_buf *out)
{
	wh_json_dump_ordered(m, manifest_keys, out);
}

void wh_index_document(const json_t *manifests, const char *media_type, const json_t *annotations, struct wh_buf *out)
{
	WH_AUTO_JSON json_t *o = json_pack("{s:i, s:s}", "schemaVersion", 2, "mediaType", media_type);

	/* Only read here, and given back as they were. */
	json_object_set(o, "manifests", (json_t *)(uintptr_t)manifests);
	if (json_object_size(annotations))
		json_object_set(o, "annotations", (json_t *)(uintptr_t)annotations);
	wh_json_dump_ordered(o, index_keys, out);
}

void wh_index_json(const json_t *manifests, struct wh_buf *out)
{
	wh_index_document(manifests, WH_MT_INDEX, NULL, out);
}
