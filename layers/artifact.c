/* SPDX-License-Identifier: Apache-2.0 */
/* Manifests of what is attached to an image: writing them, and reading those of strangers. */
#include "layers/artifact_private.h"
#include "layers/image_private.h"

#include <errno.h>

/* ---------------------------------------------------------------- lists */

void wh_descriptor_release(struct wh_descriptor *d)
{
	free(d->media_type);
	json_decref(d->annotations);
	*d = (struct wh_descriptor){0};
}

void wh_artifact_release(struct wh_artifact *a)
{
	wh_descriptor_release(&a->manifest);
	free(a->artifact_type);
	free(a->tag);
	*a = (struct wh_artifact){0};
}

void wh_artifacts_release(struct wh_artifacts *l)
{
	for (size_t i = 0; i < l->n; i++)
		wh_artifact_release(&l->v[i]);
	free(l->v);
	*l = (struct wh_artifacts){0};
}

struct wh_artifact *wh_artifacts_add(struct wh_artifacts *l)
{
	WH_PUSH(l->v, l->n, l->cap) = (struct wh_artifact){0};
	return &l->v[l->n - 1];
}

bool wh_artifact_tag_parse(const char *tag, struct wh_digest *ret)
{
	struct wh_digest d;
	char hex[65];

	if (!tag || !wh_has_prefix(tag, "sha256-") || strlen(tag) < 7 + 64 + 2 || tag[7 + 64] != '.' ||
	    tag[7 + 65 + strspn(tag + 7 + 65, "abcdefghijklmnopqrstuvwxyz")])
		return false;
	memcpy(hex, tag + 7, 64);
	hex[64] = 0;
	if (!wh_digest_parse_hex(hex, &d))
		return false;
	if (ret)
		*ret = d;
	return true;
}

/* ---------------------------------------------------------------- reading */

int wh_descriptor_parse(const json_t *o, const char *what, struct wh_descriptor *ret, struct wh_err **err)
{
	const char *mt = wh_json_str(o, "mediaType"), *digest = wh_json_str(o, "digest");
	json_t *an = json_object_get(o, "annotations");
	int64_t size = wh_json_int(o, "size", -1);
	struct wh_digest d;

	if (!mt || !digest || size < 0)
		return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG,
				  "%s: a descriptor without mediaType, digest or size", what);
	if (!wh_digest_parse(digest, &d))
		return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "%s: \"%.100s\" is no sha256 digest", what,
				  digest);
	*ret = (struct wh_descriptor){.digest = d, .size = (uint64_t)size, .media_type = wh_strdup(mt)};
	if (json_is_object(an))
		ret->annotations = json_incref(an);
	return 0;
}

void wh_artifact_manifest_release(struct wh_artifact_manifest *m)
{
	for (size_t i = 0; i < m->n; i++)
		wh_descriptor_release(&m->layers[i]);
	free(m->layers);
	wh_descriptor_release(&m->config);
	json_decref(m->doc);
	*m = (struct wh_artifact_manifest){0};
}

static int fill_manifest(struct wh_artifact_manifest *m, const char *what, struct wh_err **err)
{
	const json_t *layers = json_object_get(m->doc, "layers");
	const json_t *subject = json_object_get(m->doc, "subject");
	WH_CLEANUP(wh_descriptor_release) struct wh_descriptor d = {0};
	size_t n = json_array_size(layers);
	int r;

	if (!json_is_object(m->doc) || wh_json_int(m->doc, "schemaVersion", 0) != 2 || !json_is_array(layers))
		return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "%s: it is no manifest of schema version 2",
				  what);
	if (n > WH_ARTIFACT_LAYERS_MAX)
		return wh_err_set(err, "layers", WH_ERR_BUILD, EFBIG, "%s: it has more than %d layers", what,
				  WH_ARTIFACT_LAYERS_MAX);
	r = wh_descriptor_parse(json_object_get(m->doc, "config"), what, &m->config, err);
	if (r == 0 && subject) {
		r = wh_descriptor_parse(subject, what, &d, err);
		m->has_subject = true;
		m->subject = d.digest;
	}
	m->layers = wh_calloc(n ? n : 1, sizeof(*m->layers));
	for (; m->n < n && r == 0; m->n += r == 0)
		r = wh_descriptor_parse(json_array_get(layers, m->n), what, &m->layers[m->n], err);
	m->artifact_type = wh_json_str(m->doc, "artifactType");
	if (r == 0 && !m->artifact_type)
		m->artifact_type = m->config.media_type;
	return r;
}

int wh_artifact_manifest_judge(json_t *doc, const char *what, struct wh_artifact_manifest *ret, struct wh_err **err)
{
	struct wh_artifact_manifest m = {.doc = doc};
	int r = fill_manifest(&m, what, err);

	if (r < 0) {
		wh_artifact_manifest_release(&m);
		return r;
	}
	*ret = m;
	return 0;
}

int wh_artifact_manifest_parse(const char *p, size_t n, const char *what, struct wh_artifact_manifest *ret,
			       struct wh_err **err)
{
	json_t *doc;
	int r = wh_document_parse(p, n, what, &doc, err);

	return r < 0 ? r : wh_artifact_manifest_judge(doc, what, ret, err);
}

int wh_artifact_manifest_read(struct wh_store *s, const struct wh_artifact *a, struct wh_artifact_manifest *ret,
			      struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	char text[WH_DIGEST_TEXT];
	int r = wh_blob_read(s, &a->manifest.digest, WH_MANIFEST_MAX, &buf, err);

	if (r == 0)
		r = wh_artifact_manifest_parse(buf.p, buf.n, wh_digest_text(&a->manifest.digest, text), ret, err);
	for (size_t i = 0; r == 0 && i < ret->n; i++)
		(void)wh_blob_has(s, &ret->layers[i].digest, NULL); /* in use with it */
	return r;
}

int wh_artifact_layers(struct wh_store *s, const struct wh_artifact *a, struct wh_descriptor **ret, size_t *ret_n,
		       struct wh_err **err)
{
	struct wh_artifact_manifest m = {0};
	int r = wh_artifact_manifest_read(s, a, &m, err);

	if (r < 0)
		return r;
	*ret = WH_TAKE_PTR(m.layers);
	*ret_n = m.n;
	m.n = 0;
	wh_artifact_manifest_release(&m);
	return 0;
}

int wh_artifact_config(struct wh_store *s, const struct wh_artifact *a, struct wh_descriptor *ret, struct wh_err **err)
{
	struct wh_artifact_manifest m = {0};
	int r = wh_artifact_manifest_read(s, a, &m, err);

	if (r < 0)
		return r;
	*ret = m.config;
	m.config = (struct wh_descriptor){0};
	wh_artifact_manifest_release(&m);
	return 0;
}

/* ---------------------------------------------------------------- writing */

static json_t *descriptor(const char *mt, const struct wh_digest *d, uint64_t size, const json_t *annotations)
{
	char text[WH_DIGEST_TEXT];
	json_t *o = json_pack("{s:s, s:s, s:I}", "mediaType", mt, "digest", wh_digest_text(d, text), "size",
			      (json_int_t)size);

	if (annotations)
		json_object_set_new(o, "annotations", json_deep_copy(annotations));
	return o;
}

static int put_blob(struct wh_store *s, const struct wh_artifact_blob *b, json_t **ret, struct wh_err **err)
{
	struct wh_digest d;
	int r = wh_blob_put(s, b->data, b->len, &d, err);

	if (r == 0)
		*ret = descriptor(b->media_type, &d, b->len, b->annotations);
	return r;
}

static int put_layers(struct wh_store *s, const struct wh_artifact_blob *layers, size_t n, json_t *list,
		      struct wh_err **err)
{
	for (size_t i = 0; i < n; i++) {
		json_t *d = NULL;
		int r = put_blob(s, &layers[i], &d, err);

		if (r < 0)
			return r;
		json_array_append_new(list, d);
	}
	return 0;
}

static int put_manifest(struct wh_store *s, json_t *m, struct wh_digest *ret, uint64_t *ret_size, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	wh_manifest_json(m, &text);
	if (!wh_buf_ok(&text) || text.n > WH_MANIFEST_MAX)
		return wh_err_set(err, "layers", WH_ERR_BUILD, EFBIG, "an artifact's manifest is larger than %zu MiB",
				  WH_MANIFEST_MAX >> 20);
	*ret_size = text.n;
	return wh_blob_put(s, text.p, text.n, ret, err);
}

int wh_artifact_write(struct wh_store *s, const struct wh_image *subject, const char *artifact_type, const char *tag,
		      const struct wh_artifact_blob *config, const struct wh_artifact_blob *layers, size_t n_layers,
		      const json_t *annotations, struct wh_artifacts *list, struct wh_err **err)
{
	static const struct wh_artifact_blob empty = {.media_type = WH_MEDIA_EMPTY, .data = "{}", .len = 2};
	uint64_t size = 0;
	WH_AUTO_JSON json_t *m = json_pack("{s:i, s:s}", "schemaVersion", 2, "mediaType", WH_MT_MANIFEST);
	json_t *ls = json_array(), *c = NULL;
	struct wh_artifact *a;
	struct wh_digest d;
	int r;

	json_object_set_new(m, "layers", ls);
	if (wh_digest_is_zero(&subject->manifest))
		return wh_err_set(err, "layers", WH_ERR_INTERNAL, EINVAL, "the image has no manifest yet");
	r = put_blob(s, config ? config : &empty, &c, err);
	if (r == 0) {
		json_object_set_new(m, "config", c);
		r = put_layers(s, layers, n_layers, ls, err);
	}
	if (r < 0)
		return r;
	if (!tag) {
		json_object_set_new(m, "artifactType", json_string(artifact_type));
		json_object_set_new(m, "subject",
				    descriptor(subject->media_type ? subject->media_type : WH_MT_MANIFEST,
					       &subject->manifest, subject->manifest_size, NULL));
	}
	if (annotations && json_object_size(annotations))
		json_object_set_new(m, "annotations", json_deep_copy(annotations));
	r = put_manifest(s, m, &d, &size, err);
	if (r < 0)
		return r;
	a = wh_artifacts_add(list);
	a->manifest = (struct wh_descriptor){.digest = d, .size = size, .media_type = wh_strdup(WH_MT_MANIFEST)};
	a->subject = subject->manifest;
	if (tag) {
		a->tag = wh_strdup(tag);
	} else {
		a->artifact_type = wh_strdup(artifact_type);
		a->manifest.annotations = json_incref(json_object_get(m, "annotations"));
	}
	return 0;
}

int wh_artifact_manifest_write(struct wh_store *s, const struct wh_image *subject, const char *artifact_type,
			       const struct wh_artifact_blob *config, const struct wh_descriptor *layers, size_t n_layers,
			       struct wh_artifact *ret, struct wh_err **err)
{
	uint64_t size = 0;
	WH_AUTO_JSON json_t *m = json_pack("{s:i, s:s, s:s, s:[]}", "schemaVersion", 2, "mediaType", WH_MT_MANIFEST, "artifactType",
					   artifact_type, "layers");
	json_t *ls = json_object_get(m, "layers"), *c = NULL;
	struct wh_digest d;
	int r;

	if (n_layers > WH_ARTIFACT_LAYERS_MAX)
		return wh_err_set(err, "layers", WH_ERR_BUILD, EFBIG, "an artifact of more than %d blobs", WH_ARTIFACT_LAYERS_MAX);
	r = put_blob(s, config, &c, err);
	if (r < 0)
		return r;
	json_object_set_new(m, "config", c);
	for (size_t i = 0; i < n_layers; i++)
		json_array_append_new(ls, descriptor(layers[i].media_type, &layers[i].digest, layers[i].size, layers[i].annotations));
	if (subject)
		json_object_set_new(m, "subject",
				    descriptor(subject->media_type ? subject->media_type : WH_MT_MANIFEST, &subject->manifest,
					       subject->manifest_size, NULL));
	r = put_manifest(s, m, &d, &size, err);
	if (r < 0)
		return r;
	*ret = (struct wh_artifact){
		.manifest = {.digest = d, .size = size, .media_type = wh_strdup(WH_MT_MANIFEST)},
		.artifact_type = wh_strdup(artifact_type),
	};
	if (subject)
		ret->subject = subject->manifest;
	return 0;
}
