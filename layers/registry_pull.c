/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pulling (distribution-spec, pulling manifests; image-spec image-index.md). Blobs first, the manifest last: an image that the
 * store has by its manifest's digest has its config and, when they were asked for, its layers.
 */
#include "layers/registry_private.h"
#include "layers/store_private.h"

#define MAX_DEPTH 4
#define MAX_DOCUMENTS 64 /* manifests and configs read while one image is looked for */

static const char accepted[] = WH_MT_MANIFEST "," WH_MT_INDEX "," WH_MT_DOCKER_MANIFEST "," WH_MT_DOCKER_LIST;

bool wh_reg_is_index(const char *type)
{
	return type && (strcmp(type, WH_MT_INDEX) == 0 || strcmp(type, WH_MT_DOCKER_LIST) == 0);
}

bool wh_reg_is_manifest(const char *type)
{
	return type && (strcmp(type, WH_MT_MANIFEST) == 0 || strcmp(type, WH_MT_DOCKER_MANIFEST) == 0);
}

/* ---------------------------------------------------------------- manifests */

void wh_reg_manifest_release(struct wh_reg_manifest *m)
{
	wh_buf_release(&m->bytes);
	json_decref(m->doc);
	free(m->type);
	*m = (struct wh_reg_manifest){0};
}

int wh_reg_descriptor(const json_t *o, const char *what, const char **ret_type, struct wh_digest *ret_digest,
		      uint64_t *ret_size, struct wh_err **err)
{
	const char *type = wh_json_str(o, "mediaType"), *digest = wh_json_str(o, "digest");
	int64_t size = wh_json_int(o, "size", -1);
	struct wh_digest d;

	if (!type || !digest || size < 0)
		return wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG,
				  "%s: a descriptor without mediaType, digest or size", what);
	if (!wh_digest_parse(digest, &d))
		return wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG, "%s: \"%.100s\" is no sha256 digest", what,
				  digest);
	*ret_type = type;
	*ret_digest = d;
	*ret_size = (uint64_t)size;
	return 0;
}

/* The document says what it is; the header only where it does not. One that could be read in two ways is refused. */
static int judge(struct wh_reg_manifest *m, const char *header, const char *what, struct wh_err **err)
{
	const char *type = wh_json_str(m->doc, "mediaType");

	if (!json_is_object(m->doc))
		return wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG, "%s: it is no JSON object", what);
	if (json_object_get(m->doc, "manifests") &&
	    (json_object_get(m->doc, "layers") || json_object_get(m->doc, "config")))
		return wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG, "%s: it is both index and manifest", what);
	if (wh_json_int(m->doc, "schemaVersion", 0) == 1)
		return wh_err_set(err, "registry", WH_ERR_BUILD, ENOTSUP,
				  "%s: it has docker's schema 1, which nobody writes any more", what);
	if (!type)
		type = header ? header : "";
	m->type = wh_strndup(type, strcspn(type, "; "));
	return 0;
}

static int check_digest(const struct wh_http_resp *a, const char *what, const struct wh_digest *d,
			struct wh_reg_manifest *m, struct wh_err **err)
{
	char x[WH_DIGEST_TEXT], y[WH_DIGEST_TEXT];
	struct wh_digest said;

	wh_digest_of(m->bytes.p ? m->bytes.p : "", m->bytes.n, &m->digest);
	if (!d && a->digest && wh_digest_parse(a->digest, &said))
		d = &said;
	if (!d || wh_digest_eq(d, &m->digest))
		return 0;
	return wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG, "%s: its digest is %s, expected %s", what,
			  wh_digest_text(&m->digest, x), wh_digest_text(d, y));
}

static int manifest_get(struct wh_reg_conn *c, const char *tag, const struct wh_digest *d, uint64_t size,
			struct wh_reg_manifest *ret, struct wh_err **err)
{
	char text[WH_DIGEST_TEXT];
	const char *name = d ? wh_digest_text(d, text) : tag;
	WH_AUTO_FREE char *url = wh_reg_url(c, "manifests/%s", name);
	WH_AUTO_FREE char *what = wh_asprintf("get manifest %s%s%s", c->ref.path, d ? "@" : ":", name);
	struct wh_http_req q = {.method = "GET", .url = url, .what = what, .accept = accepted, .max = WH_MANIFEST_MAX};
	WH_AUTO_HTTP_RESP struct wh_http_resp a = {0};
	WH_AUTO_REG_MANIFEST struct wh_reg_manifest m = {0};
	int r = wh_reg_call(c, &q, &a, err);

	if (r == 0 && a.status != 200)
		r = wh_reg_refusal(c, &q, &a, err);
	if (r < 0)
		return r;
	m.bytes = a.body;
	a.body = (struct wh_buf){0};
	if (d && size != UINT64_MAX && m.bytes.n != size)
		r = wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG, "%s: it has %zu bytes, its descriptor says %llu",
			       what, m.bytes.n, (unsigned long long)size);
	if (r == 0)
		r = check_digest(&a, what, d, &m, err);
	if (r == 0)
		r = wh_document_parse(m.bytes.p, m.bytes.n, what, &m.doc, err);
	if (r == 0)
		r = judge(&m, a.type, what, err);
	if (r == 0) {
		*ret = m;
		m = (struct wh_reg_manifest){0};
		return 0;
	}
	return r;
}

int wh_reg_manifest_get(struct wh_reg_conn *c, const char *tag, const struct wh_digest *d, uint64_t size,
			struct wh_reg_manifest *ret, struct wh_err **err)
{
	for (;;) {
		WH_AUTO_ERR struct wh_err *why = NULL;
		int r;

		c->mirrored = false;
		r = manifest_get(c, tag, d, size, ret, &why);
		if (r == 0)
			return 0;
		if (r == -EBADMSG && wh_reg_distrust(c, &why))
			continue;
		wh_err_move(err, &why);
		wh_reg_name(c, err);
		return r;
	}
}

/* ---------------------------------------------------------------- choosing */

struct search {
	struct wh_reg_conn *c;
	struct wh_store *s;
	const struct wh_platform *p;
	bool lone; /* an image that is in no index is taken whatever its platform */
	unsigned documents;
	int best; /* rank, or -1 */
	struct wh_digest found;
	uint64_t found_size;
	struct wh_strv have;
};

static int count(struct search *x, struct wh_err **err)
{
	if (++x->documents <= MAX_DOCUMENTS)
		return 0;
	return wh_err_set(err, "registry", WH_ERR_BUILD, EFBIG, "more than %d documents have to be read",
			  MAX_DOCUMENTS);
}

/* Config into the store; what platform it is for. */
static int get_config(struct search *x, const struct wh_reg_manifest *m, struct wh_platform *ret, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *o = NULL;
	struct wh_reg_blob b = {.what = "config"};
	const char *type;
	int r = wh_reg_descriptor(json_object_get(m->doc, "config"), "config", &type, &b.digest, &b.size, err);

	if (r == 0 && strcmp(type, WH_MT_CONFIG) != 0 && strcmp(type, WH_MT_DOCKER_CONFIG) != 0)
		r = wh_err_set(err, "registry", WH_ERR_BUILD, ENOTSUP, "it is no container image but %.100s", type);
	if (r == 0 && b.size > WH_CONFIG_MAX)
		r = wh_err_set(err, "registry", WH_ERR_BUILD, EFBIG, "its config is larger than %zu MiB",
			       WH_CONFIG_MAX >> 20);
	if (r == 0)
		r = wh_reg_blob_get(x->c, x->s, &b, err);
	if (r == 0)
		r = wh_blob_read(x->s, &b.digest, WH_CONFIG_MAX, &buf, err);
	if (r == 0)
		r = wh_document_parse(buf.p, buf.n, "config", &o, err);
	if (r == 0)
		wh_platform_from_json(o, ret);
	return r;
}

static int weigh(struct search *x, const struct wh_platform *have, const struct wh_digest *d, uint64_t size)
{
	int rank = have->arch[0] && have->os[0] ? wh_platform_rank(x->p, have) : 1;

	if (rank < 0) {
		WH_AUTO_FREE char *text = wh_platform_text(have);

		if (!wh_strv_has(&x->have, text))
			wh_strv_add(&x->have, text);
	} else if (rank > x->best) {
		x->best = rank;
		x->found = *d;
		x->found_size = size;
	}
	return 0;
}

static int consider_index(struct search *x, const struct wh_reg_manifest *m, unsigned depth, struct wh_err **err);

static int consider(struct search *x, const json_t *o, unsigned depth, struct wh_err **err)
{
	WH_AUTO_REG_MANIFEST struct wh_reg_manifest m = {0};
	struct wh_platform have = {0};
	struct wh_digest d;
	const char *type;
	uint64_t size;
	int r = wh_reg_descriptor(o, "index", &type, &d, &size, err);

	if (r < 0)
		return r;
	if (!wh_reg_is_index(type) && (!wh_reg_is_manifest(type) || wh_image_is_attachment(o)))
		return 0;
	wh_platform_from_json(json_object_get(o, "platform"), &have);
	if (wh_reg_is_manifest(type) && have.arch[0])
		return weigh(x, &have, &d, size);
	r = count(x, err);
	if (r == 0)
		r = wh_reg_manifest_get(x->c, NULL, &d, size, &m, err);
	if (r == 0 && wh_reg_is_index(type))
		return depth == MAX_DEPTH
			       ? wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG, "indexes are nested too deeply")
			       : consider_index(x, &m, depth + 1, err);
	if (r == 0)
		r = get_config(x, &m, &have, err);
	return r < 0 ? r : weigh(x, &have, &d, size);
}

static int consider_index(struct search *x, const struct wh_reg_manifest *m, unsigned depth, struct wh_err **err)
{
	const json_t *ms = json_object_get(m->doc, "manifests");
	int r = 0;

	if (!json_is_array(ms))
		return wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG, "an index without a list of manifests");
	for (size_t i = 0; i < json_array_size(ms) && r == 0; i++)
		r = consider(x, json_array_get(ms, i), depth, err);
	return r;
}

static int none_suits(const struct search *x, struct wh_err **err)
{
	WH_AUTO_FREE char *want = wh_platform_text(x->p);
	WH_AUTO_BUF struct wh_buf have = WH_BUF_INIT;

	for (size_t i = 0; i < x->have.n && i < 16; i++)
		wh_buf_addf(&have, "%s%.100s", i ? ", " : "", x->have.v[i]);
	wh_err_set(err, "registry", WH_ERR_BUILD, ENOENT, "no image for %s", want);
	if (x->have.n)
		wh_err_hint(err, "there is one for %s", have.p);
	return -ENOENT;
}

/* Replaces an index by the manifest in it that suits. */
static int choose(struct search *x, struct wh_reg_manifest *m, struct wh_err **err)
{
	int r = consider_index(x, m, 1, err);

	if (r == 0 && x->best < 0)
		r = none_suits(x, err);
	if (r < 0)
		return r;
	wh_reg_manifest_release(m);
	return wh_reg_manifest_get(x->c, NULL, &x->found, x->found_size, m, err);
}

/* ---------------------------------------------------------------- one image */

struct layers {
	struct wh_store *s;
	struct wh_reg_blob *v;
};

static int get_layer(struct wh_reg_conn *c, void *arg, size_t i, struct wh_err **err)
{
	struct layers *l = arg;

	return wh_reg_blob_get(c, l->s, &l->v[i], err);
}

static int note_origins(struct search *x, const struct wh_reg_manifest *m, const struct wh_reg_blob *v, size_t n, struct wh_err **err)
{
	WH_AUTO_FREE char *origin = wh_asprintf("%s%s/%s", WH_ORIGIN_REGISTRY, x->c->ref.domain, x->c->ref.path);
	WH_AUTO_JSON json_t *origins = json_object();

	for (size_t i = 0; i < n; i++)
		wh_origins_add(origins, &v[i].digest, origin);
	return wh_origins_note(x->s, &m->digest, origins, err);
}

static int largest_first(const void *a, const void *b)
{
	const struct wh_reg_blob *x = a, *y = b;

	if (x->size != y->size)
		return x->size > y->size ? -1 : 1;
	return memcmp(&x->digest, &y->digest, sizeof(x->digest));
}

/* Several at a time, each once; what takes longest begins first. */
static int get_blobs(struct wh_reg_conn *c, struct wh_store *s, struct wh_reg_blob *v, size_t n, struct wh_err **err)
{
	struct layers l = {.s = s, .v = v};
	size_t k = 0;

	qsort(v, n, sizeof(*v), largest_first);
	for (size_t i = 0; i < n; i++)
		if (k == 0 || largest_first(&v[k - 1], &v[i]) != 0)
			v[k++] = v[i];
	return wh_reg_each(c, k, get_layer, &l, err);
}

/* layers false: they stay where they are, which is written down. */
static int get_layers(struct search *x, const struct wh_reg_manifest *m, bool layers, struct wh_err **err)
{
	const json_t *ls = json_object_get(m->doc, "layers");
	size_t n = json_array_size(ls);
	WH_AUTO_FREE struct wh_reg_blob *v = NULL;
	const char *type;
	int r;

	if (n > WH_LAYERS_MAX)
		return wh_err_set(err, "registry", WH_ERR_BUILD, EFBIG, "the image has more than %d layers",
				  WH_LAYERS_MAX);
	v = wh_calloc(n ? n : 1, sizeof(*v));
	for (size_t i = 0; i < n; i++) {
		v[i].what = "layer";
		r = wh_reg_descriptor(json_array_get(ls, i), "layer", &type, &v[i].digest, &v[i].size, err);
		if (r < 0)
			return r;
	}
	return layers ? get_blobs(x->c, x->s, v, n, err) : note_origins(x, m, v, n, err);
}

/* The manifest's config and layers, then the manifest. */
static int take_image(struct search *x, const struct wh_reg_manifest *m, bool layers, struct wh_digest *ret,
		      struct wh_err **err)
{
	struct wh_platform have;
	int r = 0;

	if (!wh_reg_is_manifest(m->type) || !json_is_array(json_object_get(m->doc, "layers")))
		r = wh_err_set(err, "registry", WH_ERR_BUILD, ENOTSUP, "it is no image but %.100s",
			       m->type[0] ? m->type : "something without a type");
	if (r == 0)
		r = get_config(x, m, &have, err);
	if (r == 0)
		r = get_layers(x, m, layers, err);
	return r < 0 ? r : wh_blob_put(x->s, m->bytes.p, m->bytes.n, ret, err);
}

static int take_part(struct search *x, const json_t *o, bool layers, struct wh_err **err)
{
	WH_AUTO_REG_MANIFEST struct wh_reg_manifest m = {0};
	struct wh_digest d, put;
	const char *type;
	uint64_t size;
	int r = wh_reg_descriptor(o, "index", &type, &d, &size, err);

	if (r == 0 && wh_reg_is_index(type))
		r = wh_err_set(err, "registry", WH_ERR_BUILD, ENOTSUP, "an index of indexes");
	if (r < 0 || !wh_reg_is_manifest(type) || wh_image_is_attachment(o))
		return r;
	r = count(x, err);
	if (r == 0)
		r = wh_reg_manifest_get(x->c, NULL, &d, size, &m, err);
	return r < 0 ? r : take_image(x, &m, layers, &put, err);
}

static int get_all(struct search *x, bool layers, struct wh_digest *ret, struct wh_err **err)
{
	WH_AUTO_REG_MANIFEST struct wh_reg_manifest m = {0};
	const struct wh_reg_ref *ref = &x->c->ref;
	const json_t *ms;
	int r = wh_reg_manifest_get(x->c, ref->tag, ref->has_digest ? &ref->digest : NULL, UINT64_MAX, &m, err);

	if (r < 0)
		return r;
	if (!wh_reg_is_index(m.type))
		return take_image(x, &m, layers, ret, err);
	ms = json_object_get(m.doc, "manifests");
	if (!json_is_array(ms))
		return wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG, "an index without a list of manifests");
	for (size_t i = 0; i < json_array_size(ms) && r == 0; i++)
		r = take_part(x, json_array_get(ms, i), layers, err);
	return r < 0 ? r : wh_blob_put(x->s, m.bytes.p, m.bytes.n, ret, err);
}

int wh_registry_pull_all(struct wh_registry *r, struct wh_store *s, const char *ref, bool layers, struct wh_digest *ret,
			 struct wh_err **err)
{
	WH_AUTO_REG_CONN struct wh_reg_conn *c = NULL;
	struct search x = {.s = s, .best = -1};
	int res = wh_reg_connect(r, ref, "pull", &c, err);

	x.c = c;
	if (res == 0)
		res = get_all(&x, layers, ret, err);
	if (res < 0)
		wh_err_wrap(err, "pull %s", ref);
	return res;
}

static int get_image(struct search *x, bool layers, struct wh_digest *ret, struct wh_err **err)
{
	WH_AUTO_REG_MANIFEST struct wh_reg_manifest m = {0};
	const struct wh_reg_ref *ref = &x->c->ref;
	struct wh_platform have = {0};
	int r = wh_reg_manifest_get(x->c, ref->tag, ref->has_digest ? &ref->digest : NULL, UINT64_MAX, &m, err);
	bool by_digest = ref->has_digest;

	if (r < 0)
		return r;
	if (wh_reg_is_index(m.type)) {
		r = choose(x, &m, err);
		by_digest = true;
	}
	if (r == 0 && (!wh_reg_is_manifest(m.type) || !json_is_array(json_object_get(m.doc, "layers"))))
		r = wh_err_set(err, "registry", WH_ERR_BUILD, ENOTSUP, "it is no image but %.100s",
			       m.type[0] ? m.type : "something without a type");
	if (r == 0)
		r = get_config(x, &m, &have, err);
	/* Who names a manifest by its digest gets it, whatever its platform; so does who takes what there is. */
	if (r == 0 && !by_digest && !x->lone) {
		r = weigh(x, &have, &m.digest, m.bytes.n);
		if (r == 0 && x->best < 0)
			r = none_suits(x, err);
	}
	if (r == 0)
		r = get_layers(x, &m, layers, err);
	return r < 0 ? r : wh_blob_put(x->s, m.bytes.p, m.bytes.n, ret, err);
}

int wh_registry_pull(struct wh_registry *r, struct wh_store *s, const char *ref, const struct wh_platform *p,
		     bool lone, bool layers, struct wh_digest *ret, struct wh_err **err)
{
	WH_AUTO_REG_CONN struct wh_reg_conn *c = NULL;
	struct wh_platform host;
	struct search x = {.s = s, .p = p, .lone = lone, .best = -1};
	int res = wh_reg_connect(r, ref, "pull", &c, err);

	if (res == 0) {
		if (!p) {
			wh_platform_host(&host);
			x.p = &host;
		}
		x.c = c;
		res = get_image(&x, layers, ret, err);
	}
	wh_strv_release(&x.have);
	if (res < 0)
		wh_err_wrap(err, "pull %s", ref);
	return res;
}

/* ---------------------------------------------------------------- blobs by themselves */

int wh_registry_blobs(struct wh_registry *r, struct wh_store *s, const char *ref, const struct wh_descriptor *blobs, size_t n,
		      struct wh_err **err)
{
	WH_AUTO_FREE struct wh_reg_blob *v = wh_calloc(n + 1, sizeof(*v));
	WH_AUTO_REG_CONN struct wh_reg_conn *c = NULL;
	int res = wh_reg_connect_digest(r, ref, &c, err);

	for (size_t i = 0; i < n; i++)
		v[i] = (struct wh_reg_blob){.digest = blobs[i].digest, .size = blobs[i].size, .what = "layer"};
	return res < 0 ? res : get_blobs(c, s, v, n, err);
}
