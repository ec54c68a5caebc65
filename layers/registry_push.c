/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pushing (distribution-spec, pushing manifests). What a name leads to is there before the name is: blobs, the manifest
 * by its digest, what is attached to it, the tags.
 */
#include "layers/artifact_private.h"
#include "layers/registry_private.h"
#include "layers/store_private.h"

#define TAG_ROUNDS 4
#define GARBLED_ROUNDS 3 /* of a manifest that does not arrive as it was sent */
#define MAX_SOURCES 200 /* manifests of the store read to find what can be mounted */

/* 1: what was taken in is something else, which another try puts right. */
static int put_manifest(struct wh_reg_conn *c, const struct wh_http_req *q, const struct wh_digest *d,
			bool *ret_subject, struct wh_err **err)
{
	char text[WH_DIGEST_TEXT], other[WH_DIGEST_TEXT];
	WH_AUTO_HTTP_RESP struct wh_http_resp a = {0};
	struct wh_digest said;
	int r = wh_reg_call(c, q, &a, err);

	if (r < 0)
		return r;
	if (a.status / 100 != 2) {
		r = wh_reg_refusal(c, q, &a, err);
		/* So says a registry, too, where another push writes the same at the same time. */
		return a.status == 400 && wh_reg_error_is(a.body.p, a.body.n, "DIGEST_INVALID") ? 1 : r;
	}
	if (a.digest && wh_digest_parse(a.digest, &said) && !wh_digest_eq(&said, d)) {
		wh_err_set(err, "registry", WH_ERR_BUILD, EBADMSG, "%s: it was taken in as %s, but is %s", q->what,
			   wh_digest_text(&said, other), wh_digest_text(d, text));
		return 1;
	}
	if (ret_subject)
		*ret_subject = a.subject && wh_digest_parse(a.subject, &said);
	return 0;
}

int wh_reg_manifest_put(struct wh_reg_conn *c, const char *tag, const char *type, const void *p, size_t n,
			bool *ret_subject, struct wh_err **err)
{
	char text[WH_DIGEST_TEXT];
	struct wh_digest d;
	WH_AUTO_FREE char *url = NULL;
	WH_AUTO_FREE char *what = NULL;
	struct wh_http_req q = {.method = "PUT", .type = type, .body = p, .len = n};

	wh_digest_of(p, n, &d);
	wh_digest_text(&d, text);
	q.url = url = wh_reg_url(c, "manifests/%s", tag ? tag : text);
	q.what = what = wh_asprintf("send manifest %s%s%s", c->ref.path, tag ? ":" : "@", tag ? tag : text);
	for (unsigned i = 1;; i++) {
		WH_AUTO_ERR struct wh_err *why = NULL;
		int r = put_manifest(c, &q, &d, ret_subject, &why);

		if (r == 0)
			return 0;
		if (r == 1 && i < GARBLED_ROUNDS) {
			wh_reg_pause(i, 0);
			continue;
		}
		wh_err_move(err, &why);
		return wh_reg_named(c, r < 0 ? r : -EBADMSG, err);
	}
}

/* ---------------------------------------------------------------- manifests in the store */

static int read_manifest(struct wh_store *s, const struct wh_digest *d, struct wh_buf *buf, json_t **ret,
			 const char **ret_type, struct wh_err **err)
{
	char text[WH_DIGEST_TEXT];
	int r = wh_blob_read(s, d, WH_MANIFEST_MAX, buf, err);

	if (r == 0)
		r = wh_document_parse(buf->p, buf->n, wh_digest_text(d, text), ret, err);
	if (r == 0)
		*ret_type = wh_json_str(*ret, "mediaType");
	return r;
}

/* ---------------------------------------------------------------- blobs */

struct blobs {
	struct wh_store *s;
	const struct wh_image *image; /* its (or its images') layers may lie elsewhere; NULL: all is in the store */
	struct wh_reg_blob *v;
	size_t n, cap;
	struct wh_strv repositories; /* what .from of the blobs points to */
};

static void add_blob(struct blobs *b, const struct wh_reg_blob *x)
{
	for (size_t i = 0; i < b->n; i++)
		if (wh_digest_eq(&b->v[i].digest, &x->digest))
			return;
	WH_PUSH(b->v, b->n, b->cap) = *x;
}

static int blobs_of(const json_t *manifest, struct blobs *b, struct wh_err **err)
{
	const json_t *ls = json_object_get(manifest, "layers");
	struct wh_reg_blob x = {.what = "layer"};
	const char *type;
	int r;

	for (size_t i = 0; i < json_array_size(ls); i++) {
		r = wh_reg_descriptor(json_array_get(ls, i), "layer", &type, &x.digest, &x.size, err);
		if (r < 0)
			return r;
		add_blob(b, &x);
	}
	x.what = "config";
	r = wh_reg_descriptor(json_object_get(manifest, "config"), "config", &type, &x.digest, &x.size, err);
	if (r == 0)
		add_blob(b, &x);
	return r;
}

static bool have_blob(struct wh_store *s, const struct wh_digest *d, uint64_t want)
{
	uint64_t size;

	return wh_blob_has(s, d, &size) && size == want;
}

static const struct wh_layer *find_layer(const struct wh_image *i, const struct wh_digest *d)
{
	const struct wh_layer *l = NULL;

	for (size_t k = 0; i && k < i->n_layers; k++)
		if (wh_digest_eq(&i->layers[k].blob, d))
			return &i->layers[k];
	for (size_t k = 0; i && k < i->n_parts && !l; k++)
		l = find_layer(&i->parts[k], d);
	return l;
}

/* The repository of a registry that has the layer; NULL: it is elsewhere. */
static const char *repository_of(const struct wh_layer *l, const char *domain)
{
	size_t n = strlen(domain);
	const char *name = l->origin;

	if (!name || !wh_has_prefix(name, WH_ORIGIN_REGISTRY))
		return NULL;
	name += strlen(WH_ORIGIN_REGISTRY);
	return strncmp(name, domain, n) == 0 && name[n] == '/' ? name + n + 1 : NULL;
}

static int get_from(struct wh_reg_conn *c, struct wh_store *s, const char *ref, const struct wh_reg_blob *x,
		    struct wh_err **err)
{
	WH_AUTO_REG_CONN struct wh_reg_conn *other = NULL;
	int r = wh_reg_connect_digest(c->r, ref, &other, err);

	return r < 0 ? r : wh_reg_blob_get(other, s, x, err);
}

/* From the layout or the repository that the image came from. */
static int fetch(struct wh_reg_conn *c, const struct blobs *b, const struct wh_reg_blob *x, struct wh_err **err)
{
	const struct wh_layer *l = find_layer(b->image, &x->digest);

	if (l && l->origin && wh_has_prefix(l->origin, WH_ORIGIN_REGISTRY))
		return get_from(c, b->s, l->origin + strlen(WH_ORIGIN_REGISTRY), x, err);
	return l ? wh_layer_fetch(b->s, l, err) : 0;
}

/* What the store lacks is mounted where that can be, and comes here only where not. */
static int put_blob(struct wh_reg_conn *c, void *arg, size_t i, struct wh_err **err)
{
	struct blobs *b = arg;
	struct wh_reg_blob x = b->v[i];
	int r = wh_reg_blob_there(c, &x, err);

	if (r != 0)
		return r < 0 ? r : 0;
	if (!have_blob(b->s, &x.digest, x.size)) {
		if (x.from && wh_reg_blob_mount(c, &x) > 0)
			return 0;
		x.from = NULL;
		r = fetch(c, b, &x, err);
	}
	return r < 0 ? r : wh_reg_blob_put(c, b->s, &x, err);
}

/* What came from another repository of this registry, a base or from a cache, is still there. */
static void note_origins(const struct wh_reg_conn *c, struct blobs *b)
{
	for (size_t k = 0; k < b->n; k++) {
		const struct wh_layer *l = find_layer(b->image, &b->v[k].digest);
		const char *name = l ? repository_of(l, c->ref.domain) : NULL;

		if (name && strcmp(name, c->ref.path) != 0)
			b->v[k].from = name;
	}
}

/* Blobs of the manifest can be had from this repository. True: some, which did not have a source. */
static bool note_layers(struct blobs *b, const json_t *manifest, const char *repository)
{
	const json_t *ls = json_object_get(manifest, "layers");
	bool used = false;

	for (size_t i = 0; i < json_array_size(ls); i++) {
		const char *type;
		struct wh_digest d;
		uint64_t size;

		if (wh_reg_descriptor(json_array_get(ls, i), "", &type, &d, &size, NULL) < 0)
			continue;
		for (size_t k = 0; k < b->n; k++) {
			if (b->v[k].from || !wh_digest_eq(&b->v[k].digest, &d))
				continue;
			b->v[k].from = repository;
			used = true;
		}
	}
	return used;
}

/* Of an index those of its images. */
static bool note_manifest(struct blobs *b, const json_t *m, const char *repository, unsigned *left)
{
	const json_t *ms = json_object_get(m, "manifests");
	bool used = note_layers(b, m, repository);

	for (size_t i = 0; i < json_array_size(ms) && *left; i++, --*left) {
		WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
		WH_AUTO_JSON json_t *part = NULL;
		const char *type;
		struct wh_digest d;
		uint64_t size;

		if (wh_reg_descriptor(json_array_get(ms, i), "", &type, &d, &size, NULL) == 0 &&
		    read_manifest(b->s, &d, &buf, &part, &type, NULL) == 0)
			used |= note_layers(b, part, repository);
	}
	return used;
}

static void note_source(struct wh_reg_conn *c, struct blobs *b, const json_t *named, unsigned *left)
{
	const char *name = wh_json_str(json_object_get(named, "annotations"), WH_AN_IMAGE_NAME);
	WH_CLEANUP(wh_reg_ref_release) struct wh_reg_ref ref = {0};
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *m = NULL;
	const char *type;
	struct wh_digest d;
	uint64_t size;

	if (!name || wh_reg_ref_parse(name, &ref, NULL) < 0 || strcmp(ref.domain, c->ref.domain) != 0 ||
	    strcmp(ref.path, c->ref.path) == 0)
		return;
	--*left;
	if (wh_reg_descriptor(named, "", &type, &d, &size, NULL) == 0 &&
	    read_manifest(b->s, &d, &buf, &m, &type, NULL) == 0 && note_manifest(b, m, ref.path, left))
		wh_strv_take(&b->repositories, WH_TAKE_PTR(ref.path));
}

/* What an image of the store has that is named after another repository of this registry is there, most likely: a base. */
static void find_sources(struct wh_reg_conn *c, struct blobs *b)
{
	WH_AUTO_JSON json_t *names = NULL;
	unsigned left = MAX_SOURCES;

	if (wh_store_names(b->s, &names, NULL) < 0)
		return;
	for (size_t i = 0; i < json_array_size(names) && left; i++)
		note_source(c, b, json_array_get(names, i), &left);
}

static int put_blobs(struct wh_reg_conn *c, struct blobs *b, struct wh_err **err)
{
	if (b->image) {
		note_origins(c, b);
		find_sources(c, b);
	}
	return wh_reg_each(c, b->n, put_blob, b, err);
}

static void blobs_release(struct blobs *b)
{
	wh_strv_release(&b->repositories);
	free(b->v);
}

/* ---------------------------------------------------------------- artifacts */

static int put_artifact(struct wh_reg_conn *c, struct wh_store *s, const struct wh_artifact *a, bool *ret_subject,
			struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *m = NULL;
	const char *type;
	WH_CLEANUP(blobs_release) struct blobs b = {.s = s};
	int r = read_manifest(s, &a->manifest.digest, &buf, &m, &type, err);

	if (r == 0)
		r = blobs_of(m, &b, err);
	if (r == 0)
		r = put_blobs(c, &b, err);
	if (r == 0)
		r = wh_reg_manifest_put(c, a->tag, type ? type : WH_MT_MANIFEST, buf.p, buf.n, ret_subject, err);
	return r;
}

/* What the tag is to stand for: ours, with what others signed before. 1: it stands for that. */
static int with_others(struct wh_reg_conn *c, struct wh_store *s, const struct wh_artifact *a, struct wh_artifact *ret,
		       struct wh_err **err)
{
	WH_AUTO_REG_MANIFEST struct wh_reg_manifest m = {0};
	WH_AUTO_ERR struct wh_err *why = NULL;
	struct wh_artifact old = {0};
	struct wh_digest put;
	int r = wh_reg_manifest_get(c, a->tag, NULL, UINT64_MAX, &m, &why);

	if (r < 0 && r != -ENOENT) {
		wh_err_move(err, &why);
		return r;
	}
	if (r == -ENOENT)
		return wh_artifact_merge(s, a, a, ret, err);
	old.manifest.digest = m.digest;
	r = wh_blob_put(s, m.bytes.p, m.bytes.n, &put, err);
	if (r == 0)
		r = wh_artifact_merge(s, &old, a, ret, err);
	return r < 0 ? r : wh_digest_eq(&ret->manifest.digest, &m.digest);
}

/* Read, merged, written, and read again, as for the list of referrers. */
static int put_tagged(struct wh_reg_conn *c, struct wh_store *s, const struct wh_artifact *a, struct wh_err **err)
{
	for (unsigned i = 0; i < TAG_ROUNDS; i++) {
		WH_CLEANUP(wh_artifact_release) struct wh_artifact all = {0};
		int r = with_others(c, s, a, &all, err);

		if (r != 0)
			return r < 0 ? r : 0;
		r = put_artifact(c, s, &all, NULL, err);
		if (r < 0)
			return r;
	}
	return wh_err_set(err, "registry", WH_ERR_BUILD, EBUSY, "it does not keep what is written to it");
}

struct attaching {
	struct wh_reg_conn *c;
	struct wh_store *s;
	const struct wh_artifacts *l; /* or NULL */
	bool *unlisted;               /* of each: the registry does not list it by itself */
};

static int attach_one(struct attaching *x, size_t k, bool again, struct wh_err **err)
{
	const struct wh_artifact *a = &x->l->v[k];
	bool listed = true;
	int r = 0;

	if (a->tag)
		r = put_tagged(x->c, x->s, a, err);
	else if (!again)
		r = put_artifact(x->c, x->s, a, &listed, err);
	if (r < 0)
		wh_err_wrap(err, "%s", a->tag ? a->tag : a->artifact_type ? a->artifact_type : "artifact");
	else if (!listed)
		x->unlisted[k] = true;
	return r;
}

/* again: somebody who did the same at the same time may have overwritten what is found by a tag. */
static int put_artifacts(struct attaching *x, const struct wh_image *i, bool again, struct wh_err **err)
{
	WH_AUTO_FREE const struct wh_artifact **v = wh_calloc((x->l ? x->l->n : 0) + 1, sizeof(*v));
	size_t n = 0;

	for (size_t k = 0; x->l && k < x->l->n; k++) {
		int r;

		if (!wh_digest_eq(&x->l->v[k].subject, &i->manifest))
			continue;
		r = attach_one(x, k, again, err);
		if (r < 0)
			return r;
		if (x->unlisted[k])
			v[n++] = &x->l->v[k];
	}
	return n ? wh_referrers_announce(x->c, &i->manifest, v, n, err) : 0;
}

/* ---------------------------------------------------------------- one image */

/* May it stay where it is, because each of these registries has it? */
static bool may_stay(struct wh_store *s, const struct wh_layer *l, const struct wh_strv *refs)
{
	bool there = refs && refs->n && !have_blob(s, &l->blob, l->blob_size);

	for (size_t i = 0; there && i < refs->n; i++) {
		WH_CLEANUP(wh_reg_ref_release) struct wh_reg_ref ref = {0};

		there = wh_reg_ref_parse(refs->v[i], &ref, NULL) == 0 && repository_of(l, ref.domain);
	}
	return there;
}

int wh_registry_prepare_for(struct wh_store *s, const struct wh_image *i, const struct wh_strv *refs,
			    struct wh_err **err)
{
	WH_AUTO_FREE const struct wh_layer **v = wh_calloc(i->n_layers + 1, sizeof(*v));
	int r = wh_image_whole(i, err);
	size_t n = 0;

	for (size_t k = 0; k < i->n_parts && r == 0; k++)
		r = wh_registry_prepare_for(s, &i->parts[k], refs, err);
	for (size_t k = 0; k < i->n_layers; k++)
		if (!may_stay(s, &i->layers[k], refs))
			v[n++] = &i->layers[k];
	return r < 0 ? r : wh_layers_settle(s, v, n, err);
}

int wh_registry_prepare(struct wh_store *s, const struct wh_image *i, struct wh_err **err)
{
	return wh_registry_prepare_for(s, i, NULL, err);
}

/* Nothing leaves the store before it was seen to be what the image says; reading it is not for a process with a login.
 * What never was in the store is the word of who gave the image. */
static int check_layers(const struct wh_reg_conn *c, struct wh_store *s, const struct wh_image *i, struct wh_err **err)
{
	char text[WH_DIGEST_TEXT];

	for (size_t k = 0; k < i->n_layers; k++) {
		const struct wh_layer *l = &i->layers[k];

		if (wh_pair_known(s, &l->diff_id, &l->blob) ||
		    (repository_of(l, c->ref.domain) && !have_blob(s, &l->blob, l->blob_size)))
			continue;
		wh_err_set(err, "registry", WH_ERR_BUILD, EINVAL, "layer %.19s… was never read",
			   wh_digest_text(&l->blob, text));
		wh_err_hint(err, "give the image a name in the store: that reads what was not read yet");
		return -EINVAL;
	}
	return 0;
}

static int read_image(struct wh_store *s, const struct wh_image *i, struct wh_buf *buf, json_t **ret,
		      const char **ret_type, struct wh_err **err)
{
	int r = read_manifest(s, &i->manifest, buf, ret, ret_type, err);

	if (r == 0 && !*ret_type)
		*ret_type = i->media_type ? i->media_type : WH_MT_MANIFEST;
	return r;
}

/* Of an index those of all its images: they go side by side. */
static int gather(const struct wh_reg_conn *c, const struct wh_image *i, struct blobs *b, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *m = NULL;
	const char *type;
	int r = wh_image_whole(i, err);

	if (r == 0)
		r = check_layers(c, b->s, i, err);
	for (size_t k = 0; k < i->n_parts && r == 0; k++)
		r = gather(c, &i->parts[k], b, err);
	if (r < 0 || wh_image_is_index(i))
		return r;
	r = read_image(b->s, i, &buf, &m, &type, err);
	return r < 0 ? r : blobs_of(m, b, err);
}

/* Manifest and artifacts, named by nothing but digests; of an index, its images' first. again: artifacts alone
 * (put_artifacts()). */
static int put_documents(struct attaching *x, const struct wh_image *i, bool again, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *m = NULL;
	const char *type;
	int r = 0;

	for (size_t k = 0; k < i->n_parts && r == 0; k++)
		r = put_documents(x, &i->parts[k], again, err);
	if (r == 0 && !again)
		r = read_image(x->s, i, &buf, &m, &type, err);
	if (r == 0 && !again)
		r = wh_reg_manifest_put(x->c, NULL, type, buf.p, buf.n, NULL, err);
	return r < 0 ? r : put_artifacts(x, i, again, err);
}

static int put_image(struct attaching *x, const struct wh_image *i, struct wh_err **err)
{
	WH_CLEANUP(blobs_release) struct blobs b = {.s = x->s, .image = i};
	int r = gather(x->c, i, &b, err);

	if (r == 0)
		r = put_blobs(x->c, &b, err);
	return r < 0 ? r : put_documents(x, i, false, err);
}

static int put_tag(struct wh_reg_conn *c, struct wh_store *s, const struct wh_image *i, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *m = NULL;
	const char *type;
	int r = c->ref.tag ? read_image(s, i, &buf, &m, &type, err) : 0;

	return r < 0 || !c->ref.tag ? r : wh_reg_manifest_put(c, c->ref.tag, type, buf.p, buf.n, NULL, err);
}

/* Nothing is passed over that somebody wants to go along. */
static int check_artifacts(const struct wh_image *i, const struct wh_artifacts *l, struct wh_err **err)
{
	for (size_t k = 0; l && k < l->n; k++) {
		bool found = wh_digest_eq(&l->v[k].subject, &i->manifest);

		for (size_t p = 0; p < i->n_parts && !found; p++)
			found = wh_digest_eq(&l->v[k].subject, &i->parts[p].manifest);
		if (!found)
			return wh_err_set(err, "registry", WH_ERR_INTERNAL, EINVAL, "an artifact of another image");
	}
	return 0;
}

struct target {
	struct wh_reg_conn *c;
	bool first; /* of its repository */
	struct attaching x;
};

static int aim(struct wh_registry *r, const char *ref, const struct wh_image *i, struct target *v, size_t k,
	       struct wh_err **err)
{
	int res = wh_reg_connect(r, ref, "pull,push", &v[k].c, err);

	if (res < 0)
		return res;
	if (v[k].c->ref.has_digest && !wh_digest_eq(&v[k].c->ref.digest, &i->manifest))
		return wh_err_set(err, "registry", WH_ERR_USAGE, EINVAL, "the image has another digest");
	v[k].first = true;
	for (size_t j = 0; j < k; j++)
		if (strcmp(v[j].c->ref.domain, v[k].c->ref.domain) == 0 &&
		    strcmp(v[j].c->ref.path, v[k].c->ref.path) == 0)
			v[k].first = false;
	return 0;
}

enum stage { AIM, CONTENT, TAG, AGAIN, STAGES };

int wh_registry_push(struct wh_registry *r, struct wh_store *s, const struct wh_strv *refs, const struct wh_image *i,
		     const struct wh_artifacts *artifacts, struct wh_err **err)
{
	WH_AUTO_FREE struct target *v = wh_calloc(refs->n + 1, sizeof(*v));
	size_t n = artifacts ? artifacts->n : 0;
	int res = check_artifacts(i, artifacts, err);

	/* No name stands for it anywhere before all is everywhere. */
	for (unsigned stage = AIM; stage < STAGES && res == 0; stage++) {
		for (size_t k = 0; k < refs->n && res == 0; k++) {
			if (stage == AIM) {
				res = aim(r, refs->v[k], i, v, k, err);
				v[k].x = (struct attaching){v[k].c, s, artifacts, wh_calloc(n + 1, sizeof(bool))};
			}
			if (stage == CONTENT && v[k].first)
				res = put_image(&v[k].x, i, err);
			else if (stage == TAG)
				res = put_tag(v[k].c, s, i, err);
			else if (stage == AGAIN && v[k].first)
				res = put_documents(&v[k].x, i, true, err);
			if (res < 0)
				wh_err_wrap(err, "push %s", refs->v[k]);
		}
	}
	for (size_t k = 0; k < refs->n; k++) {
		wh_reg_conn_free(v[k].c);
		free(v[k].x.unlisted);
	}
	return res;
}

/* ---------------------------------------------------------------- an artifact by itself */

/* What the store lacks is mounted from the repository that has it, or taken there. */
static int put_or_mount(struct wh_reg_conn *c, void *arg, size_t i, struct wh_err **err)
{
	struct blobs *b = arg;
	struct wh_reg_blob *x = &b->v[i];
	WH_AUTO_FREE char *ref = NULL;
	int r = wh_reg_blob_there(c, x, err);

	if (r != 0)
		return r < 0 ? r : 0;
	if (x->from && !have_blob(b->s, &x->digest, x->size)) {
		if (wh_reg_blob_mount(c, x) > 0)
			return 0;
		ref = wh_asprintf("%s/%s", c->ref.domain, x->from);
		r = get_from(c, b->s, ref, x, err);
	}
	return r < 0 ? r : wh_reg_blob_put(c, b->s, x, err);
}

int wh_registry_put(struct wh_registry *r, struct wh_store *s, const char *ref, const struct wh_digest *manifest,
		    const json_t *sources, struct wh_err **err)
{
	WH_AUTO_REG_CONN struct wh_reg_conn *c = NULL;
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *m = NULL;
	struct blobs b = {.s = s};
	char text[WH_DIGEST_TEXT];
	const char *type;
	int res = wh_reg_connect(r, ref, "pull,push", &c, err);

	if (res == 0)
		res = read_manifest(s, manifest, &buf, &m, &type, err);
	if (res == 0)
		res = blobs_of(m, &b, err);
	for (size_t i = 0; i < b.n && res == 0; i++)
		b.v[i].from = wh_json_str(sources, wh_digest_text(&b.v[i].digest, text));
	if (res == 0)
		res = wh_reg_each(c, b.n, put_or_mount, &b, err);
	if (res == 0)
		res = wh_reg_manifest_put(c, c->ref.tag, type ? type : WH_MT_MANIFEST, buf.p, buf.n, NULL, err);
	free(b.v);
	return res;
}
