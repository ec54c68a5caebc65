/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifying an image: its bytes, who signed it, what else was signed about it, and whether that is true.
 *
 * Whoever made the artifacts may be an enemy, so the question for each is: whose is it? What our key has signed must be
 * right in every respect; what names our key and is not signed by it is a forgery; all else is other people's, and says
 * nothing. One signature counts as the image's: the payload of the older form, or a bundle whose statement has the
 * signature's own type. A statement of another type proves that somebody with the key said something about the image,
 * not that he stands for it.
 */
#include "evidence/verify_private.h"

#include <errno.h>

#define MANIFEST_MAX ((size_t)4 << 20)
#define CONFIG_MAX ((size_t)8 << 20)

void wh_verified_release(struct wh_verified *v)
{
	wh_strv_release(&v->references);
	json_decref(v->statements);
	json_decref(v->verdict);
	*v = (struct wh_verified){0};
}

/* ---------------------------------------------------------------- bytes */

static int differs(struct wh_err **err, const char *what)
{
	return wh_err_set(err, "evidence", WH_ERR_GATE, EBADMSG, "the image's %s is not what its manifest says", what);
}

/* Does the object name this digest and size? */
static bool names(const json_t *o, const struct wh_digest *d, uint64_t size)
{
	const char *text = wh_json_str(o, "digest");
	struct wh_digest got;

	return text && wh_digest_parse(text, &got) && wh_digest_eq(&got, d) &&
	       wh_json_int(o, "size", -1) == (int64_t)size;
}

static bool in_list(const json_t *list, const struct wh_image *i)
{
	for (size_t k = 0; k < json_array_size(list); k++)
		if (names(json_array_get(list, k), &i->manifest, i->manifest_size))
			return true;
	return false;
}

static int prove_index(struct wh_proving *p, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *o = NULL;
	int r = wh_blob_read(p->s, &p->i->manifest, MANIFEST_MAX, &buf, err);

	if (r == 0)
		r = wh_json_parse(buf.p, buf.n, "index", &o, err);
	for (size_t k = 0; k < p->i->n_parts && r == 0; k++)
		if (!in_list(json_object_get(o, "manifests"), &p->i->parts[k]))
			r = differs(err, "list of images");
	if (r < 0)
		return r;
	p->found.blobs++;
	p->found.bytes += buf.n;
	return 0;
}

int wh_prove_documents(struct wh_proving *p, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf mbuf = WH_BUF_INIT, cbuf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *m = NULL, *c = NULL;
	const json_t *layers, *ids;
	int r;

	if (wh_image_is_index(p->i))
		return prove_index(p, err);
	r = wh_blob_read(p->s, &p->i->manifest, MANIFEST_MAX, &mbuf, err);
	if (r == 0)
		r = wh_json_parse(mbuf.p, mbuf.n, "manifest", &m, err);
	if (r == 0)
		r = wh_blob_read(p->s, &p->i->config_digest, CONFIG_MAX, &cbuf, err);
	if (r == 0)
		r = wh_json_parse(cbuf.p, cbuf.n, "config", &c, err);
	if (r < 0)
		return r;
	layers = json_object_get(m, "layers");
	ids = json_object_get(json_object_get(c, "rootfs"), "diff_ids");
	if (!names(json_object_get(m, "config"), &p->i->config_digest, cbuf.n) || !json_equal(c, p->i->config))
		return differs(err, "config");
	if (json_array_size(layers) != p->i->n_layers || json_array_size(ids) != p->i->n_layers)
		return differs(err, "list of layers");
	for (size_t k = 0; k < p->i->n_layers; k++) {
		const char *id = json_string_value(json_array_get(ids, k));
		struct wh_digest d;

		if (!names(json_array_get(layers, k), &p->i->layers[k].blob, p->i->layers[k].blob_size) || !id ||
		    !wh_digest_parse(id, &d) || !wh_digest_eq(&d, &p->i->layers[k].diff_id))
			return differs(err, "list of layers");
	}
	p->found.blobs += 2;
	p->found.bytes += mbuf.n + cbuf.n;
	return 0;
}

int wh_prove_layers(struct wh_proving *p, struct wh_err **err)
{
	int r = 0;

	for (size_t k = 0; k < p->i->n_layers && r == 0; k++) {
		r = wh_layer_prove(p->s, &p->i->layers[k], err);
		p->found.blobs++;
		p->found.bytes += p->i->layers[k].blob_size;
	}
	return r;
}

/* ---------------------------------------------------------------- all */

static int unsigned_image(const struct wh_proving *p, const struct wh_artifacts *artifacts, struct wh_err **err)
{
	const char *what = wh_image_is_index(p->i) ? "index" : "image";
	bool any = false;
	int r;

	if (json_array_size(p->found.statements))
		return wh_err_set(err, "evidence", WH_ERR_GATE, ENOKEY,
				  "the key has signed statements about the %s, but not the %s", what, what);
	for (size_t k = 0; artifacts && k < artifacts->n; k++)
		any |= wh_digest_eq(&artifacts->v[k].subject, &p->i->manifest);
	r = wh_err_set(err, "evidence", WH_ERR_GATE, ENOKEY, "the %s is not signed by this key", what);
	wh_err_hint(err, any ? "what is attached to it was signed by another key, or by none" : "nothing is attached to it");
	return r;
}

static int prove_all(struct wh_proving *p, const struct wh_artifacts *artifacts, struct wh_err **err)
{
	int r = wh_prove_documents(p, err);

	/* What nobody signed is not worth the work of unpacking it. */
	for (size_t k = 0; artifacts && k < artifacts->n && r == 0; k++)
		r = wh_prove_artifact(p, &artifacts->v[k], err);
	if (r < 0)
		return r;
	if (!p->found.legacy && !p->found.bundle && !p->vouched)
		return unsigned_image(p, artifacts, err);
	wh_strv_sort(&p->found.references);
	/* What a verdict says is of one tree. */
	if (wh_image_is_index(p->i))
		return p->found.verdict ? wh_err_set(err, "evidence", WH_ERR_GATE, EBADMSG,
						     "there is a hardening verdict about an index, which has no tree")
					: 0;
	r = wh_prove_layers(p, err);
	return r < 0 ? r : wh_prove_content(p, err);
}

static int verify(struct wh_store *s, const struct wh_image *i, const struct wh_artifacts *artifacts,
		  const struct wh_key *key, bool vouched, struct wh_verified *ret, struct wh_err **err)
{
	struct wh_proving p = {
		.s = s, .i = i, .key = key, .hint = wh_key_hint(key), .artifacts = artifacts, .vouched = vouched};
	struct wh_err *e = NULL;
	int r;

	p.found.statements = json_array();
	r = prove_all(&p, artifacts, &e);
	free(p.hint);
	if (r == 0) {
		*ret = p.found;
		return 0;
	}
	wh_verified_release(&p.found);
	/* Whatever is wrong with what was given to be verified, it is not verified. */
	if (e && e->class != WH_ERR_ENV && e->class != WH_ERR_INTERNAL)
		e->class = WH_ERR_GATE;
	wh_err_move(err, &e);
	return r == -ENOKEY ? r : -EBADMSG;
}

int wh_verify_image(struct wh_store *s, const struct wh_image *i, const struct wh_artifacts *artifacts,
		    const struct wh_key *key, struct wh_verified *ret, struct wh_err **err)
{
	return verify(s, i, artifacts, key, false, ret, err);
}

int wh_verify_part(struct wh_store *s, const struct wh_image *i, const struct wh_artifacts *artifacts,
		   const struct wh_key *key, struct wh_verified *ret, struct wh_err **err)
{
	return verify(s, i, artifacts, key, true, ret, err);
}
