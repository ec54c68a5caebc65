/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which artifacts an image has: in the store's index.json, or in a layout's. What an index says of an artifact is not
 * believed: its manifest says what it is, and whose.
 */
#include "layers/artifact_private.h"
#include "layers/image_private.h"
#include "layers/store_private.h"

#include <errno.h>

#define MAX_DEPTH 3
#define MAX_PARTS 256       /* of an index, looked at for an image's name */
#define MAX_DOCUMENTS 20000 /* manifests read while the artifacts of one image are looked for */

struct source {
	struct wh_store *s;
	int dir;          /* a layout; -1: the store itself */
	const char *path; /* its name for messages */
	const struct wh_digest *subject;
	unsigned documents;
	bool caches; /* of a layout: take build caches as well, manifest and config */
	struct wh_artifacts *list;
};

/* ---------------------------------------------------------------- blobs */

static int damaged(const struct source *x, const struct wh_digest *d, struct wh_err **err)
{
	char hex[65];

	return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG,
			  "damaged: the content of %s/blobs/sha256/%s is not what its name says", x->path,
			  wh_digest_hex(d, hex));
}

/* A blob of the source, verified. */
static int read_blob(struct source *x, const struct wh_descriptor *d, size_t max, struct wh_buf *buf,
		     struct wh_err **err)
{
	WH_AUTO_FREE char *name = NULL;
	WH_AUTO_FD int fd = -1;
	struct wh_digest got;
	struct stat st;
	char hex[65];
	int r;

	if (d->size > max)
		return wh_err_set(err, "layers", WH_ERR_BUILD, EFBIG, "a blob of %llu bytes is too big for an artifact",
				  (unsigned long long)d->size);
	if (x->dir < 0) {
		r = wh_blob_read(x->s, &d->digest, max, buf, err);
	} else {
		name = wh_asprintf("blobs/sha256/%s", wh_digest_hex(&d->digest, hex));
		/* O_NONBLOCK: it may be a fifo. */
		fd = wh_open_beneath(x->dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, false);
		if (fd < 0)
			return wh_err_sys(err, "layers", WH_ERR_BUILD, -fd, "open %s/%s", x->path, name);
		if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
			return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "%s/%s is not a regular file", x->path,
					  name);
		r = wh_read_fd(fd, max, buf);
		if (r < 0)
			return wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "read %s/%s", x->path, name);
		wh_digest_of(buf->p ? buf->p : "", buf->n, &got);
		if (!wh_digest_eq(&got, &d->digest))
			return damaged(x, &d->digest, err);
	}
	if (r == 0 && buf->n != d->size)
		return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG,
				  "damaged: blob %s has %zu bytes, its descriptor says %llu",
				  wh_digest_hex(&d->digest, hex), buf->n, (unsigned long long)d->size);
	return r;
}

/* From a layout into the store. */
static int import_blob(struct source *x, const struct wh_descriptor *d, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	struct wh_digest put;
	int r = read_blob(x, d, WH_ARTIFACT_BLOB_MAX, &buf, err);

	return r < 0 ? r : wh_blob_put(x->s, buf.p ? buf.p : "", buf.n, &put, err);
}

static int import(struct source *x, const struct wh_buf *manifest, const struct wh_artifact_manifest *m,
		  struct wh_err **err)
{
	struct wh_digest put;
	int r = import_blob(x, &m->config, err);

	for (size_t i = 0; i < m->n && r == 0 && !wh_streq(m->artifact_type, WH_ARTIFACT_CACHE) && !wh_streq(m->artifact_type, WH_ARTIFACT_REMOVED);
	     i++)
		r = import_blob(x, &m->layers[i], err);
	return r < 0 ? r : wh_blob_put(x->s, manifest->p, manifest->n, &put, err);
}

/* ---------------------------------------------------------------- looking */

static bool is_manifest(const char *mt)
{
	return strcmp(mt, WH_MT_MANIFEST) == 0 || strcmp(mt, WH_MT_DOCKER_MANIFEST) == 0;
}

static bool listed(const struct wh_artifacts *l, const struct wh_digest *d, const char *tag)
{
	for (size_t i = 0; i < l->n; i++)
		if (wh_digest_eq(&l->v[i].manifest.digest, d) && wh_streq(l->v[i].tag, tag))
			return true;
	return false;
}

static int take(struct source *x, const struct wh_descriptor *d, const char *tag, const struct wh_artifact_manifest *m,
		struct wh_err **err)
{
	struct wh_artifact *a;

	if (listed(x->list, &d->digest, tag))
		return 0;
	if (x->list->n >= WH_ARTIFACTS_MAX)
		return wh_err_set(err, "layers", WH_ERR_BUILD, EFBIG, "the image has more than %d artifacts",
				  WH_ARTIFACTS_MAX);
	a = wh_artifacts_add(x->list);
	a->manifest.digest = d->digest;
	a->manifest.size = d->size;
	a->manifest.media_type = wh_strdup(d->media_type);
	a->subject = *x->subject;
	a->tag = wh_strdup(tag);
	if (!tag) {
		a->artifact_type = wh_strdup(m->artifact_type ? m->artifact_type : "");
		a->manifest.annotations = wh_artifact_annotations(m->doc);
	}
	return 0;
}

static int consider_manifest(struct source *x, const struct wh_descriptor *d, const char *tag, struct wh_err **err)
{
	WH_CLEANUP(wh_artifact_manifest_release) struct wh_artifact_manifest m = {0};
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	char text[WH_DIGEST_TEXT];
	struct wh_digest about;
	bool ours;
	int r = read_blob(x, d, WH_MANIFEST_MAX, &buf, err);

	if (r == 0)
		r = wh_artifact_manifest_parse(buf.p, buf.n, wh_digest_text(&d->digest, text), &m, err);
	if (r < 0)
		return r;
	ours = tag && wh_artifact_tag_parse(tag, &about) && wh_digest_eq(&about, x->subject);
	if (!ours) {
		tag = NULL;
		ours = m.has_subject && wh_digest_eq(&m.subject, x->subject);
	}
	if (!ours || (x->dir >= 0 && !x->caches && wh_streq(m.artifact_type, WH_ARTIFACT_CACHE)))
		return 0;
	if (x->dir >= 0)
		r = import(x, &buf, &m, err);
	return r < 0 ? r : take(x, d, tag, &m, err);
}

static int consider_all(struct source *x, const json_t *manifests, unsigned depth, struct wh_err **err);

static int consider_index(struct source *x, const struct wh_descriptor *d, unsigned depth, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *o = NULL;
	char text[WH_DIGEST_TEXT];
	int r;

	if (depth == MAX_DEPTH)
		return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "indexes are nested too deeply");
	r = read_blob(x, d, WH_MANIFEST_MAX, &buf, err);
	if (r == 0)
		r = wh_document_parse(buf.p, buf.n, wh_digest_text(&d->digest, text), &o, err);
	return r < 0 ? r : consider_all(x, json_object_get(o, "manifests"), depth + 1, err);
}

static int consider(struct source *x, const json_t *o, unsigned depth, struct wh_err **err)
{
	WH_CLEANUP(wh_descriptor_release) struct wh_descriptor d = {0};
	const char *tag;
	int r = wh_descriptor_parse(o, "index", &d, err);

	if (r < 0)
		return r;
	if (++x->documents > MAX_DOCUMENTS)
		return wh_err_set(err, "layers", WH_ERR_BUILD, EFBIG, "more than %d documents have to be read",
				  MAX_DOCUMENTS);
	if (strcmp(d.media_type, WH_MT_INDEX) == 0)
		return x->dir < 0 ? 0 : consider_index(x, &d, depth, err);
	if (!is_manifest(d.media_type) || wh_digest_eq(&d.digest, x->subject))
		return 0;
	tag = depth == 0 ? wh_json_str(d.annotations, WH_AN_REF_NAME) : NULL;
	return consider_manifest(x, &d, tag, err);
}

static int consider_all(struct source *x, const json_t *manifests, unsigned depth, struct wh_err **err)
{
	int r = 0;

	for (size_t i = 0; i < json_array_size(manifests) && r == 0; i++)
		r = consider(x, json_array_get(manifests, i), depth, err);
	return r;
}

/* Only what is complete reaches the caller's list. */
static void hand_over(struct wh_artifacts *from, struct wh_artifacts *to)
{
	for (size_t i = 0; i < from->n; i++) {
		*wh_artifacts_add(to) = from->v[i];
		from->v[i] = (struct wh_artifact){0};
	}
}

int wh_artifacts_among(struct wh_store *s, const json_t *ms, const struct wh_digest *subject, struct wh_artifacts *ret, struct wh_err **err)
{
	WH_CLEANUP(wh_artifacts_release) struct wh_artifacts list = {0};
	struct source x = {.s = s, .dir = -1, .path = wh_store_path(s), .subject = subject, .list = &list};
	int r = 0;

	for (size_t i = 0; i < json_array_size(ms) && r == 0; i++) {
		const json_t *d = json_array_get(ms, i);

		/* Only what says that it is attached needs a look. */
		if (wh_index_entry_is_artifact(d))
			r = consider(&x, d, 0, err);
	}
	if (r == 0)
		hand_over(&list, ret);
	return r;
}

int wh_artifacts_from_store(struct wh_store *s, const struct wh_digest *subject, struct wh_artifacts *ret,
			    struct wh_err **err)
{
	WH_AUTO_JSON json_t *ms = NULL;
	int r = wh_store_names(s, &ms, err);

	if (r == 0)
		r = wh_artifacts_among(s, ms, subject, ret, err);
	if (r < 0)
		wh_err_wrap(err, "artifacts in the store");
	return r;
}

/* Does the descriptor name the manifest, or an index of the layout that does? What cannot be read leads nowhere. */
static bool leads_to(const char *dir, const json_t *o, const struct wh_digest *manifest, unsigned depth)
{
	const char *digest = wh_json_str(o, "digest"), *type = wh_json_str(o, "mediaType");
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *index = NULL;
	WH_AUTO_FREE char *path = NULL;
	const json_t *ms;
	struct wh_digest d;
	char hex[65];
	bool found;

	if (!digest || !wh_digest_parse(digest, &d))
		return false;
	found = wh_digest_eq(&d, manifest);
	if (found || depth == MAX_DEPTH || !type || (strcmp(type, WH_MT_INDEX) != 0 && strcmp(type, WH_MT_DOCKER_LIST) != 0))
		return found;
	path = wh_asprintf("%s/blobs/sha256/%s", dir, wh_digest_hex(&d, hex));
	if (wh_read_regular(AT_FDCWD, path, WH_MANIFEST_MAX, &buf) < 0 ||
	    wh_document_parse(buf.p ? buf.p : "", buf.n, hex, &index, NULL) < 0)
		return false;
	ms = json_object_get(index, "manifests");
	for (size_t i = 0; i < json_array_size(ms) && i < MAX_PARTS && !found; i++)
		found = leads_to(dir, json_array_get(ms, i), manifest, depth + 1);
	return found;
}

int wh_layout_names(const char *dir, const struct wh_digest *manifest, struct wh_strv *ret, struct wh_err **err)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/index.json", dir);
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *o = NULL;
	const json_t *ms;
	int r = wh_read_regular(AT_FDCWD, path, WH_MANIFEST_MAX, &buf);

	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "read %s", path);
	r = wh_document_parse(buf.p, buf.n, path, &o, err);
	if (r < 0)
		return r;
	ms = json_object_get(o, "manifests");
	for (size_t i = 0; i < json_array_size(ms); i++) {
		const json_t *d = json_array_get(ms, i);
		const char *name = wh_json_str(json_object_get(d, "annotations"), WH_AN_IMAGE_NAME);

		if (name && leads_to(dir, d, manifest, MAX_DEPTH - 1))
			wh_strv_add(ret, name);
	}
	wh_strv_sort(ret);
	return 0;
}

int wh_artifacts_from_layout(struct wh_store *s, const char *dir, const struct wh_digest *subject,
			     struct wh_artifacts *ret, struct wh_err **err)
{
	return wh_artifacts_in_layout(s, dir, subject, false, ret, err);
}

int wh_artifacts_in_layout(struct wh_store *s, const char *dir, const struct wh_digest *subject, bool caches,
			   struct wh_artifacts *ret, struct wh_err **err)
{
	WH_CLEANUP(wh_artifacts_release) struct wh_artifacts list = {0};
	WH_AUTO_FD int fd = wh_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
	struct source x = {.s = s, .dir = fd, .path = dir, .subject = subject, .caches = caches, .list = &list};
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *o = NULL;
	int r;

	if (fd < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, -fd, "open %s", dir);
	r = wh_read_regular(fd, "index.json", WH_MANIFEST_MAX, &buf);
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "read %s/index.json", dir);
	r = wh_document_parse(buf.p, buf.n, "index.json", &o, err);
	if (r == 0)
		r = consider_all(&x, json_object_get(o, "manifests"), 0, err);
	if (r == 0)
		hand_over(&list, ret);
	else
		wh_err_wrap(err, "artifacts in %s", dir);
	return r;
}

/* ---------------------------------------------------------------- by type and name */

#define FOUND_MAX 16

/* An entry's manifest, when it is of the type: it and its config, into the store. */
static int take_bare(struct source *x, const json_t *o, const char *type, struct wh_err **err)
{
	WH_CLEANUP(wh_artifact_manifest_release) struct wh_artifact_manifest m = {0};
	WH_CLEANUP(wh_descriptor_release) struct wh_descriptor d = {0};
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	struct wh_artifact *a;
	struct wh_digest put;
	int r = wh_descriptor_parse(o, "index", &d, err);

	if (r == 0)
		r = read_blob(x, &d, WH_MANIFEST_MAX, &buf, err);
	if (r == 0)
		r = wh_artifact_manifest_parse(buf.p, buf.n, "manifest", &m, err);
	if (r < 0 || !wh_streq(m.artifact_type, type) || x->list->n >= FOUND_MAX)
		return r;
	r = import_blob(x, &m.config, err);
	if (r == 0)
		r = wh_blob_put(x->s, buf.p, buf.n, &put, err);
	if (r < 0)
		return r;
	a = wh_artifacts_add(x->list);
	a->manifest = (struct wh_descriptor){.digest = put, .size = buf.n, .media_type = wh_strdup(d.media_type)};
	a->artifact_type = wh_strdup(type);
	return 0;
}

/* name: those that bear it; else those without any. */
static int find_in_index(struct source *x, const json_t *ms, const char *type, const char *name, const char *digest,
			 struct wh_err **err)
{
	int r = 0;

	for (size_t i = 0; i < json_array_size(ms) && r == 0; i++) {
		const json_t *o = json_array_get(ms, i);
		const char *its = wh_json_str(json_object_get(o, "annotations"), WH_AN_REF_NAME);

		if (digest ? wh_streq(wh_json_str(o, "digest"), digest)
			   : wh_streq(wh_json_str(o, "artifactType"), type) && wh_streq(its, name))
			r = take_bare(x, o, type, err);
	}
	return r;
}

int wh_layout_find(struct wh_store *s, const char *dir, const char *type, const char *tag, const struct wh_digest *digest,
		   struct wh_artifacts *ret, struct wh_err **err)
{
	WH_CLEANUP(wh_artifacts_release) struct wh_artifacts list = {0};
	WH_AUTO_FD int fd = wh_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
	struct source x = {.s = s, .dir = fd, .path = dir, .list = &list};
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *o = NULL;
	char text[WH_DIGEST_TEXT];
	const json_t *ms;
	int r = fd < 0 ? fd : wh_read_regular(fd, "index.json", WH_MANIFEST_MAX, &buf);

	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "read %s/index.json", dir);
	r = wh_document_parse(buf.p, buf.n, "index.json", &o, err);
	ms = json_object_get(o, "manifests");
	if (r == 0)
		r = find_in_index(&x, ms, type, tag, digest ? wh_digest_text(digest, text) : NULL, err);
	if (r == 0 && !list.n && !digest)
		r = find_in_index(&x, ms, type, NULL, NULL, err);
	if (r == 0)
		hand_over(&list, ret);
	return r;
}

/* ---------------------------------------------------------------- attaching */

/* The rest of an artifact of which only digest, subject and tag are known. */
int wh_artifact_complete(struct wh_store *s, struct wh_artifact *a, struct wh_err **err)
{
	WH_CLEANUP(wh_artifact_manifest_release) struct wh_artifact_manifest m = {0};
	int r = wh_artifact_manifest_read(s, a, &m, err);

	if (r < 0 || a->tag)
		return r;
	json_decref(a->manifest.annotations);
	a->manifest.annotations = wh_artifact_annotations(m.doc);
	return 0;
}

static bool handled_before(const struct wh_artifacts *list, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (wh_digest_eq(&list->v[k].subject, &list->v[i].subject))
			return true;
	return false;
}

static int settle(struct wh_store *s, const struct wh_artifacts *list, bool ours, json_t *ms, struct wh_err **err)
{
	for (size_t i = 0; i < list->n; i++) {
		WH_CLEANUP(wh_artifacts_release) struct wh_artifacts there = {0};
		WH_CLEANUP(wh_settled_release) struct wh_settled x = {0};
		int r;

		if (handled_before(list, i))
			continue;
		r = wh_artifacts_from_store(s, &list->v[i].subject, &there, err);
		if (r == 0)
			r = wh_artifacts_settle(s, &there, list, &list->v[i].subject, ours, &x, err);
		if (r < 0)
			return r;
		wh_index_settle(ms, &x);
	}
	return 0;
}

static int attach(struct wh_store *s, const struct wh_artifacts *list, bool ours, struct wh_err **err)
{
	WH_AUTO_JSON json_t *ms = NULL;
	WH_AUTO_FD int lock = -1;
	int r;

	if (list->n == 0)
		return 0;
	r = wh_store_sync(s, err);
	if (r < 0)
		return r;
	r = lock = wh_store_lock(s, "index", err);
	if (r >= 0)
		r = wh_store_names(s, &ms, err);
	if (r >= 0)
		r = settle(s, list, ours, ms, err);
	/* What was merged is new. */
	if (r >= 0)
		r = wh_store_sync(s, err);
	if (r < 0)
		return r;
	/* What strangers attach leaves room for names of our own. */
	return wh_store_names_write_max(s, ms, ours ? WH_STORE_INDEX_MAX : WH_STORE_INDEX_MAX / 2, err);
}

int wh_store_attach(struct wh_store *s, const struct wh_artifacts *list, struct wh_err **err)
{
	return attach(s, list, true, err);
}

int wh_store_attach_pulled(struct wh_store *s, const struct wh_artifacts *list, struct wh_err **err)
{
	return attach(s, list, false, err);
}
