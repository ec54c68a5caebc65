/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is attached to an image in a registry (distribution-spec, listing referrers; its fallback tag "sha256-HEX", an index that
 * clients keep; and tags "sha256-HEX.sig" and ".att", the older form). A list is only a hint: what an artifact
 * is, and of what, is read from its manifest.
 */
#include "layers/artifact_private.h"
#include "layers/registry_private.h"
#include "layers/store_private.h"

#define LIST_PAGES 16
#define LIST_MAX 256
#define BLOB_MAX ((uint64_t)256 << 20)
#define ALL_MAX ((uint64_t)1 << 30)
#define ROUNDS 4
#define FOUND_MAX 16                         /* artifacts of one type that are taken */
#define FOUND_CONFIG_MAX ((size_t)16 << 20)

static const char *const index_keys[] = {"schemaVersion", "mediaType", "manifests", "annotations", NULL};

/* ---------------------------------------------------------------- the fallback tag's document */

static json_t *list_entry(const struct wh_artifact *a)
{
	char text[WH_DIGEST_TEXT];
	json_t *o = json_pack("{s:s, s:s, s:I}", "mediaType",
			      a->manifest.media_type ? a->manifest.media_type : WH_MT_MANIFEST, "digest",
			      wh_digest_text(&a->manifest.digest, text), "size", (json_int_t)a->manifest.size);

	if (a->artifact_type)
		json_object_set_new(o, "artifactType", json_string(a->artifact_type));
	if (json_object_size(a->manifest.annotations))
		json_object_set(o, "annotations", a->manifest.annotations);
	return o;
}

/* In the place of an entry with the same digest, else at the end. */
static void put_entry(json_t *list, json_t *o)
{
	const char *digest = wh_json_str(o, "digest");

	for (size_t i = 0; i < json_array_size(list); i++) {
		if (!wh_streq(wh_json_str(json_array_get(list, i), "digest"), digest))
			continue;
		json_array_set_new(list, i, o);
		return;
	}
	json_array_append_new(list, o);
}

/* Of an image's caches the last one counts. */
static void drop_older(json_t *list, const struct wh_artifact *a)
{
	for (size_t i = 0; wh_streq(a->artifact_type, WH_ARTIFACT_CACHE) && i < json_array_size(list);) {
		if (wh_streq(wh_json_str(json_array_get(list, i), "artifactType"), WH_ARTIFACT_CACHE))
			json_array_remove(list, i);
		else
			i++;
	}
}

int wh_referrers_merge(const char *doc, size_t n, const struct wh_artifact *const *v, size_t n_v, struct wh_buf *out,
		       struct wh_err **err)
{
	WH_AUTO_JSON json_t *o = NULL;
	json_t *list;
	int r = 0;

	if (n)
		r = wh_document_parse(doc, n, "list of referrers", &o, err);
	else
		o = json_pack("{s:i, s:s, s:[]}", "schemaVersion", 2, "mediaType", WH_MT_INDEX, "manifests");
	if (r < 0)
		return r;
	list = json_object_get(o, "manifests");
	if (wh_json_int(o, "schemaVersion", 0) != 2 || !json_is_array(list) ||
	    (json_object_get(o, "mediaType") && !wh_streq(wh_json_str(o, "mediaType"), WH_MT_INDEX)))
		return wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG,
				  "what has the tag of its referrers is no image index");
	for (size_t i = 0; i < n_v; i++) {
		drop_older(list, v[i]);
		put_entry(list, list_entry(v[i]));
	}
	wh_json_dump_ordered(o, index_keys, out);
	if (!wh_buf_ok(out) || out->n > WH_MANIFEST_MAX)
		return wh_err_set(err, "registry", WH_ERR_BUILD, EFBIG, "its list of referrers is larger than %zu MiB",
				  WH_MANIFEST_MAX >> 20);
	return 0;
}

static bool same_json(const struct wh_buf *a, const struct wh_buf *b)
{
	WH_AUTO_JSON json_t *x = NULL, *y = NULL;

	return wh_document_parse(a->p, a->n, "", &x, NULL) == 0 && wh_document_parse(b->p, b->n, "", &y, NULL) == 0 &&
	       json_equal(x, y);
}

/* Read, changed, written; and read again, as somebody else may have done the same in between. */
int wh_referrers_announce(struct wh_reg_conn *c, const struct wh_digest *subject, const struct wh_artifact *const *v,
			  size_t n, struct wh_err **err)
{
	char hex[65], tag[80];
	int r;

	snprintf(tag, sizeof(tag), "sha256-%s", wh_digest_hex(subject, hex));
	for (unsigned i = 0; i < ROUNDS; i++) {
		WH_AUTO_REG_MANIFEST struct wh_reg_manifest m = {0};
		WH_AUTO_BUF struct wh_buf next = WH_BUF_INIT;
		WH_AUTO_ERR struct wh_err *why = NULL;

		r = wh_reg_manifest_get(c, tag, NULL, UINT64_MAX, &m, &why);
		if (r < 0 && r != -ENOENT) {
			wh_err_move(err, &why);
			return r;
		}
		r = wh_referrers_merge(m.bytes.p, m.bytes.n, v, n, &next, err);
		if (r < 0)
			return r;
		if (m.bytes.n && same_json(&m.bytes, &next))
			return 0;
		r = wh_reg_manifest_put(c, tag, WH_MT_INDEX, next.p, next.n, NULL, err);
		if (r < 0)
			return r;
	}
	return wh_err_set(err, "registry", WH_ERR_BUILD, EBUSY, "%s does not keep what is written to it", tag);
}

/* ---------------------------------------------------------------- reading lists */

struct found {
	struct wh_reg_conn *c;
	struct wh_store *s;
	const struct wh_digest *subject;
	struct wh_artifacts *ret;
	uint64_t bytes; /* fetched */
	struct wh_digest list[LIST_MAX];
	uint64_t sizes[LIST_MAX];
	size_t n;
};

/* Entries that are no descriptors of manifests are passed over, and so is what comes after the first LIST_MAX. */
static void note_entries(struct found *f, const json_t *doc)
{
	const json_t *ms = json_object_get(doc, "manifests");

	for (size_t i = 0; i < json_array_size(ms) && f->n < LIST_MAX; i++) {
		struct wh_digest d;
		const char *type;
		uint64_t size;
		bool known = false;

		if (wh_reg_descriptor(json_array_get(ms, i), "referrer", &type, &d, &size, NULL) < 0 ||
		    !wh_reg_is_manifest(type) || size > WH_MANIFEST_MAX)
			continue;
		for (size_t k = 0; k < f->n && !known; k++)
			known = wh_digest_eq(&f->list[k], &d);
		if (known)
			continue;
		f->list[f->n] = d;
		f->sizes[f->n++] = size;
	}
}

/* One page. 1: there is no such API. */
static int get_page(struct found *f, const char *url, char **ret_next, struct wh_err **err)
{
	struct wh_http_req q = {
		.method = "GET", .url = url, .what = "list referrers", .accept = WH_MT_INDEX, .max = WH_MANIFEST_MAX};
	WH_AUTO_HTTP_RESP struct wh_http_resp a = {0};
	WH_AUTO_FREE char *next = NULL;
	WH_AUTO_JSON json_t *o = NULL;
	int r = wh_reg_call(f->c, &q, &a, err);

	if (r < 0)
		return r;
	if (a.status == 401 || a.status == 403 || wh_reg_status_passing(a.status))
		return wh_reg_refusal(f->c, &q, &a, err);
	if (a.status != 200 || !a.type || !wh_has_prefix(a.type, WH_MT_INDEX) ||
	    wh_document_parse(a.body.p, a.body.n, "list", &o, NULL) < 0)
		return 1;
	note_entries(f, o);
	next = a.link ? wh_link_next(a.link) : NULL;
	*ret_next = next ? wh_url_resolve(a.url, next) : NULL;
	/* The rest of a list is where its beginning was. */
	if (*ret_next && !wh_url_same_origin(*ret_next, a.url))
		free(WH_TAKE_PTR(*ret_next));
	return 0;
}

static int list_by_api(struct found *f, struct wh_err **err)
{
	char text[WH_DIGEST_TEXT];
	WH_AUTO_FREE char *url = wh_reg_url(f->c, "referrers/%s", wh_digest_text(f->subject, text));

	for (unsigned i = 0; url && i < LIST_PAGES; i++) {
		char *next = NULL;
		int r = get_page(f, url, &next, err);

		if (r != 0)
			return r < 0 || i == 0 ? r : 0;
		free(url);
		url = next;
	}
	return 0;
}

/* 0 with an empty m->doc: there is none. */
static int get_tagged(struct found *f, const char *tag, struct wh_reg_manifest *m, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *why = NULL;
	int r = wh_reg_manifest_get(f->c, tag, NULL, UINT64_MAX, m, &why);

	if (r == -ENOENT)
		return 0;
	wh_err_move(err, &why);
	return r;
}

static int list_by_tag(struct found *f, struct wh_err **err)
{
	WH_AUTO_REG_MANIFEST struct wh_reg_manifest m = {0};
	char hex[65], tag[80];
	int r;

	snprintf(tag, sizeof(tag), "sha256-%s", wh_digest_hex(f->subject, hex));
	r = get_tagged(f, tag, &m, err);
	if (r == 0 && m.doc && wh_reg_is_index(m.type))
		note_entries(f, m.doc);
	return r;
}

/* ---------------------------------------------------------------- artifacts */

/* The config, and the first n layers. */
static int get_blobs(struct found *f, const json_t *m, size_t n, struct wh_err **err)
{
	const json_t *ls = json_object_get(m, "layers");

	for (size_t i = 0; i <= n; i++) {
		const json_t *o = i < n ? json_array_get(ls, i) : json_object_get(m, "config");
		struct wh_reg_blob b = {.what = "artifact"};
		const char *type;
		int r = wh_reg_descriptor(o, "artifact", &type, &b.digest, &b.size, err);

		if (r == 0 && (b.size > BLOB_MAX || b.size > ALL_MAX - f->bytes))
			r = wh_err_set(err, "registry", WH_ERR_BUILD, EFBIG, "too large");
		if (r == 0)
			r = wh_reg_blob_get(f->c, f->s, &b, err);
		if (r < 0)
			return r;
		f->bytes += b.size;
	}
	return 0;
}

static bool is_artifact(const struct found *f, const struct wh_reg_manifest *m, bool tagged)
{
	const char *d = wh_json_str(json_object_get(m->doc, "subject"), "digest");
	struct wh_digest subject;

	if (!wh_reg_is_manifest(m->type) || json_array_size(json_object_get(m->doc, "layers")) > WH_LAYERS_MAX)
		return false;
	return tagged || (d && wh_digest_parse(d, &subject) && wh_digest_eq(&subject, f->subject));
}

/* Where the layers are that stay there until somebody reads them. */
static int note_origin(struct found *f, const struct wh_reg_manifest *m, struct wh_err **err)
{
	WH_AUTO_FREE char *origin = wh_asprintf("%s%s/%s", WH_ORIGIN_REGISTRY, f->c->ref.domain, f->c->ref.path);
	WH_AUTO_JSON json_t *origins = json_object();
	const json_t *ls = json_object_get(m->doc, "layers");
	int r = 0;

	for (size_t i = 0; i < json_array_size(ls) && r == 0; i++) {
		struct wh_digest d;
		const char *type;
		uint64_t size;

		r = wh_reg_descriptor(json_array_get(ls, i), "artifact", &type, &d, &size, err);
		if (r == 0)
			wh_origins_add(origins, &d, origin);
	}
	return r < 0 ? r : wh_origins_note(f->s, &m->digest, origins, err);
}

/* What somebody else attached, too big or broken, is passed over: it must not keep anybody from the rest. */
static int take_artifact(struct found *f, const struct wh_reg_manifest *m, const char *tag, struct wh_err **err)
{
	const char *type = wh_json_str(m->doc, "artifactType");
	WH_AUTO_ERR struct wh_err *why = NULL;
	struct wh_artifact *a;
	struct wh_digest d;
	bool removed;
	int r;

	if (!is_artifact(f, m, tag != NULL))
		return 0;
	if (!type && !tag)
		type = wh_json_str(json_object_get(m->doc, "config"), "mediaType");
	if (!tag && wh_streq(type, WH_ARTIFACT_CACHE))
		return 0;
	if (!tag && strlen(type ? type : "") > WH_ARTIFACT_TYPE_MAX)
		return 0;
	removed = !tag && wh_streq(type, WH_ARTIFACT_REMOVED);
	r = get_blobs(f, m->doc, removed ? 0 : json_array_size(json_object_get(m->doc, "layers")), &why);
	if (r == 0 && removed)
		r = note_origin(f, m, &why);
	if (r == -EFBIG || r == -EBADMSG || r == -ENOENT)
		return 0;
	if (r < 0) {
		wh_err_move(err, &why);
		return r;
	}
	r = wh_blob_put(f->s, m->bytes.p, m->bytes.n, &d, err);
	if (r < 0)
		return r;
	a = wh_artifacts_add(f->ret);
	a->manifest.digest = m->digest;
	a->manifest.size = m->bytes.n;
	a->manifest.media_type = wh_strdup(m->type);
	a->manifest.annotations = tag ? NULL : wh_artifact_annotations(m->doc);
	a->subject = *f->subject;
	a->artifact_type = tag ? NULL : wh_strdup(type);
	a->tag = wh_strdup(tag);
	return 0;
}

static int take_listed(struct found *f, size_t i, struct wh_err **err)
{
	WH_AUTO_REG_MANIFEST struct wh_reg_manifest m = {0};
	WH_AUTO_ERR struct wh_err *why = NULL;
	int r = wh_reg_manifest_get(f->c, NULL, &f->list[i], f->sizes[i], &m, &why);

	if (r == -EBADMSG || r == -ENOENT || r == -EINVAL || r == -EFBIG)
		return 0;
	if (r == 0)
		return take_artifact(f, &m, NULL, err);
	wh_err_move(err, &why);
	return r;
}

static int take_tagged(struct found *f, const char *suffix, struct wh_err **err)
{
	WH_AUTO_REG_MANIFEST struct wh_reg_manifest m = {0};
	char hex[65], tag[80];
	int r;

	snprintf(tag, sizeof(tag), "sha256-%s%s", wh_digest_hex(f->subject, hex), suffix);
	r = get_tagged(f, tag, &m, err);
	return r < 0 || !m.doc ? r : take_artifact(f, &m, tag, err);
}

static int find_all(struct found *f, struct wh_err **err)
{
	int r = list_by_api(f, err);

	if (r == 1)
		r = list_by_tag(f, err);
	for (size_t i = 0; i < f->n && r == 0; i++)
		r = take_listed(f, i, err);
	if (r == 0)
		r = take_tagged(f, ".sig", err);
	if (r == 0)
		r = take_tagged(f, ".att", err);
	return r;
}

int wh_registry_artifacts(struct wh_registry *r, struct wh_store *s, const char *ref, const struct wh_digest *subject,
			  struct wh_artifacts *ret, struct wh_err **err)
{
	WH_AUTO_FREE struct found *f = wh_calloc(1, sizeof(*f));
	WH_AUTO_REG_CONN struct wh_reg_conn *c = NULL;
	struct wh_artifacts list = {0};
	int res = wh_reg_connect(r, ref, "pull", &c, err);

	if (res == 0) {
		*f = (struct found){.c = c, .s = s, .subject = subject, .ret = &list};
		res = find_all(f, err);
	}
	if (res < 0) {
		wh_artifacts_release(&list);
		wh_err_wrap(err, "what is attached to %s", ref);
		return res;
	}
	*ret = list;
	return 0;
}

/* ---------------------------------------------------------------- artifacts of one type, without what they are made of */

struct finding {
	struct wh_reg_conn *c;
	struct wh_store *s;
	const char *type;
	struct wh_artifacts *ret;
};

static bool is_type(const struct wh_reg_manifest *m, const char *type)
{
	const char *said = wh_json_str(m->doc, "artifactType");

	return wh_reg_is_manifest(m->type) &&
	       wh_streq(said ? said : wh_json_str(json_object_get(m->doc, "config"), "mediaType"), type);
}

static int take_bare(struct finding *x, const struct wh_reg_manifest *m, struct wh_err **err)
{
	struct wh_reg_blob b = {.what = "config"};
	struct wh_artifact *a;
	struct wh_digest d;
	const char *type;
	int r = wh_reg_descriptor(json_object_get(m->doc, "config"), "config", &type, &b.digest, &b.size, err);

	if (r == 0 && b.size > FOUND_CONFIG_MAX)
		r = wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG, "its config has more than %zu MiB", FOUND_CONFIG_MAX >> 20);
	if (r == 0)
		r = wh_reg_blob_get(x->c, x->s, &b, err);
	if (r == 0)
		r = wh_blob_put(x->s, m->bytes.p, m->bytes.n, &d, err);
	if (r < 0)
		return r;
	a = wh_artifacts_add(x->ret);
	a->manifest = (struct wh_descriptor){.digest = m->digest, .size = m->bytes.n, .media_type = wh_strdup(m->type)};
	a->artifact_type = wh_strdup(x->type);
	return 0;
}

/* Of what is attached to this manifest. */
static int find_attached(struct finding *x, const struct wh_digest *subject, struct wh_err **err)
{
	WH_AUTO_FREE struct found *f = wh_calloc(1, sizeof(*f));
	int r;

	*f = (struct found){.c = x->c, .s = x->s, .subject = subject};
	r = list_by_api(f, err);
	if (r == 1)
		r = list_by_tag(f, err);
	for (size_t i = 0; i < f->n && r == 0 && x->ret->n < FOUND_MAX; i++) {
		WH_AUTO_REG_MANIFEST struct wh_reg_manifest m = {0};
		WH_AUTO_ERR struct wh_err *why = NULL;

		r = wh_reg_manifest_get(x->c, NULL, &f->list[i], f->sizes[i], &m, &why);
		if (r == 0 && is_artifact(f, &m, false) && is_type(&m, x->type))
			r = take_bare(x, &m, err);
		else if (r == -EBADMSG || r == -ENOENT || r == -EINVAL || r == -EFBIG)
			r = 0;
		wh_err_move(err, &why);
	}
	return r;
}

static int find_named(struct finding *x, struct wh_err **err)
{
	WH_AUTO_REG_MANIFEST struct wh_reg_manifest m = {0};
	const struct wh_reg_ref *ref = &x->c->ref;
	const json_t *ms;
	int r = wh_reg_manifest_get(x->c, ref->tag, ref->has_digest ? &ref->digest : NULL, UINT64_MAX, &m, err);

	if (r < 0)
		return r;
	if (is_type(&m, x->type))
		return take_bare(x, &m, err);
	ms = json_object_get(m.doc, "manifests");
	for (size_t i = 0; wh_reg_is_index(m.type) && i < json_array_size(ms) && i < FOUND_MAX && r == 0; i++) {
		struct wh_digest d;
		const char *type;
		uint64_t size;

		if (wh_reg_descriptor(json_array_get(ms, i), "index", &type, &d, &size, NULL) == 0)
			r = find_attached(x, &d, err);
	}
	return r < 0 ? r : find_attached(x, &m.digest, err);
}

int wh_registry_find(struct wh_registry *r, struct wh_store *s, const char *ref, const char *type, struct wh_artifacts *ret,
		     struct wh_err **err)
{
	WH_AUTO_REG_CONN struct wh_reg_conn *c = NULL;
	struct wh_artifacts list = {0};
	struct finding x = {.s = s, .type = type, .ret = &list};
	int res = wh_reg_connect(r, ref, "pull", &c, err);

	x.c = c;
	if (res == 0)
		res = find_named(&x, err);
	if (res < 0) {
		wh_artifacts_release(&list);
		return res;
	}
	*ret = list;
	return 0;
}
