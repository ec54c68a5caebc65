/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading images from OCI layouts, a foreign directory or the store itself
 * (image-spec image-layout.md, image-index.md, manifest.md; docker's schema 2
 * media types mean the same and are taken too). Every document is checked
 * against the digest and size by which it was found.
 */
#include "layers/artifact_private.h"
#include "layers/image_private.h"
#include "layers/store_private.h"

#include <errno.h>

#define MAX_DEPTH 4
#define MAX_DOCUMENTS 256 /* read while one image is looked for */

struct descriptor {
	const char *media_type; /* borrowed from the JSON */
	struct wh_digest digest;
	uint64_t size;
};

struct search {
	struct wh_store *s;
	const char *dir; /* a layout; NULL: the store */
	const struct wh_platform *p;
	bool all; /* an index as such, not what is in it for the platform */
	unsigned documents;
	int best; /* rank of found, or -1 */
	struct wh_digest found;
	uint64_t found_size;
	struct wh_strv have; /* platforms that do not suit */
};

static bool is_index(const char *mt)
{
	return strcmp(mt, WH_MT_INDEX) == 0 || strcmp(mt, WH_MT_DOCKER_LIST) == 0;
}

static bool is_manifest(const char *mt)
{
	return strcmp(mt, WH_MT_MANIFEST) == 0 || strcmp(mt, WH_MT_DOCKER_MANIFEST) == 0;
}

static int parse_descriptor(const json_t *o, const char *what, struct descriptor *ret, struct wh_err **err)
{
	const char *mt = wh_json_str(o, "mediaType"), *digest = wh_json_str(o, "digest");
	int64_t size = wh_json_int(o, "size", -1);

	if (!mt || !digest || size < 0)
		return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG,
				  "%s: a descriptor without mediaType, digest or size", what);
	if (!wh_digest_parse(digest, &ret->digest))
		return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "%s: \"%.100s\" is no sha256 digest", what,
				  digest);
	ret->media_type = mt;
	ret->size = (uint64_t)size;
	return 0;
}

/* ---------------------------------------------------------------- documents */

static int open_regular(const char *dir, const char *name, uint64_t *ret_size, struct wh_err **err)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/%s", dir, name);
	/* O_NONBLOCK: it may be a fifo. */
	WH_AUTO_FD int fd = wh_openat(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
	struct stat st;

	if (fd < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, -fd, "open %s", path);
	if (fstat(fd, &st) < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, errno, "stat %s", path);
	if (!S_ISREG(st.st_mode))
		return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "%s is not a regular file", path);
	*ret_size = (uint64_t)st.st_size;
	return WH_TAKE_FD(fd);
}

/* size UINT64_MAX: not known. */
static int read_blob(struct search *x, const struct wh_digest *d, uint64_t size, size_t max, struct wh_buf *buf,
		     struct wh_err **err)
{
	WH_AUTO_FREE char *name = NULL;
	WH_AUTO_FD int fd = -1;
	struct wh_digest got;
	uint64_t there = 0;
	char hex[65];
	int r;

	if (!x->dir) {
		r = wh_blob_read(x->s, d, max, buf, err);
		there = buf->n;
	} else {
		name = wh_asprintf("blobs/sha256/%s", wh_digest_hex(d, hex));
		fd = open_regular(x->dir, name, &there, err);
		if (fd < 0)
			return fd;
		r = wh_read_fd(fd, max, buf);
		if (r < 0)
			return wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "read %s/%s", x->dir, name);
		there = buf->n;
		wh_digest_of(buf->p, buf->n, &got);
		if (!wh_digest_eq(&got, d))
			return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG,
					  "damaged: the content of %s/%s is not what its name says", x->dir, name);
	}
	if (r == 0 && size != UINT64_MAX && there != size)
		return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG,
				  "damaged: blob %s has %llu bytes, its descriptor says %llu", wh_digest_hex(d, hex),
				  (unsigned long long)there, (unsigned long long)size);
	return r;
}

static int read_document(struct search *x, const struct wh_digest *d, uint64_t size, size_t max, struct wh_buf *buf,
			 json_t **ret, struct wh_err **err)
{
	char text[WH_DIGEST_TEXT];
	int r;

	if (++x->documents > MAX_DOCUMENTS)
		return wh_err_set(err, "layers", WH_ERR_BUILD, EFBIG, "more than %d documents have to be read",
				  MAX_DOCUMENTS);
	wh_buf_reset(buf);
	r = read_blob(x, d, size, max, buf, err);
	if (r < 0)
		return r;
	r = wh_document_parse(buf->p, buf->n, wh_digest_text(d, text), ret, err);
	if (r < 0)
		return r;
	if (!json_is_object(*ret)) {
		json_decref(*ret);
		*ret = NULL;
		return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "%s is no JSON object", text);
	}
	return 0;
}

/* ---------------------------------------------------------------- choosing */

/* The platform a manifest without one in its descriptor is for: its config knows. */
static int platform_by_config(struct search *x, const struct descriptor *d, struct wh_platform *ret,
			      struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *m = NULL, *c = NULL;
	struct descriptor cd;
	int r = read_document(x, &d->digest, d->size, WH_MANIFEST_MAX, &buf, &m, err);

	if (r == 0)
		r = parse_descriptor(json_object_get(m, "config"), "manifest", &cd, err);
	if (r == 0)
		r = read_document(x, &cd.digest, cd.size, WH_CONFIG_MAX, &buf, &c, err);
	if (r == 0)
		wh_platform_from_json(c, ret);
	return r;
}

static int consider(struct search *x, const json_t *o, unsigned depth, struct wh_err **err);

static int consider_all(struct search *x, const json_t *manifests, unsigned depth, struct wh_err **err)
{
	int r = 0;

	for (size_t i = 0; i < json_array_size(manifests) && r == 0; i++)
		r = consider(x, json_array_get(manifests, i), depth, err);
	return r;
}

static int consider_index(struct search *x, const struct descriptor *d, unsigned depth, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *o = NULL;
	int r;

	if (depth == MAX_DEPTH)
		return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "indexes are nested too deeply");
	r = read_document(x, &d->digest, d->size, WH_MANIFEST_MAX, &buf, &o, err);
	return r < 0 ? r : consider_all(x, json_object_get(o, "manifests"), depth + 1, err);
}

/* Keeps the descriptor, or one below it, when it suits better than what was found before. */
static int consider(struct search *x, const json_t *o, unsigned depth, struct wh_err **err)
{
	const json_t *pj = json_object_get(o, "platform");
	struct wh_platform have = {0};
	struct descriptor d;
	int r = parse_descriptor(o, "index", &d, err), rank;

	if (r < 0)
		return r;
	if (x->all && (is_index(d.media_type) || is_manifest(d.media_type)) && x->best < 0) {
		x->best = 0;
		x->found = d.digest;
		x->found_size = d.size;
	}
	if (x->all)
		return 0;
	if (is_index(d.media_type))
		return consider_index(x, &d, depth, err);
	if (!is_manifest(d.media_type) || wh_image_is_attachment(o))
		return 0;
	wh_platform_from_json(pj, &have);
	if (!have.arch[0]) {
		r = platform_by_config(x, &d, &have, err);
		if (r < 0)
			return r;
	}
	rank = have.arch[0] && have.os[0] ? wh_platform_rank(x->p, &have) : 1;
	if (rank < 0) {
		WH_AUTO_FREE char *text = wh_platform_text(&have);

		if (!wh_strv_has(&x->have, text))
			wh_strv_add(&x->have, text);
	} else if (rank > x->best) {
		x->best = rank;
		x->found = d.digest;
		x->found_size = d.size;
	}
	return 0;
}

/* ---------------------------------------------------------------- one image */

static int layer_compression(const char *mt, enum wh_compression *ret)
{
	static const struct {
		const char *mt;
		enum wh_compression c;
	} table[] = {
		{"application/vnd.oci.image.layer.v1.tar+gzip", WH_COMP_GZIP},
		{"application/vnd.oci.image.layer.v1.tar+zstd", WH_COMP_ZSTD},
		{"application/vnd.oci.image.layer.v1.tar", WH_COMP_NONE},
		{"application/vnd.docker.image.rootfs.diff.tar.gzip", WH_COMP_GZIP},
		{"application/vnd.docker.image.rootfs.diff.tar.zstd", WH_COMP_ZSTD},
		{"application/vnd.docker.image.rootfs.diff.tar", WH_COMP_NONE},
	};

	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		if (strcmp(mt, table[i].mt) != 0)
			continue;
		*ret = table[i].c;
		return 0;
	}
	return -ENOTSUP;
}

static int fill_layers(struct search *x, const struct wh_digest *digest, const json_t *manifest, struct wh_image *i, struct wh_err **err)
{
	WH_AUTO_JSON json_t *origins = NULL;
	const json_t *ls = json_object_get(manifest, "layers");
	const json_t *ids = json_object_get(json_object_get(i->config, "rootfs"), "diff_ids");
	size_t n = json_array_size(ls);
	int r;

	if (n > WH_LAYERS_MAX)
		return wh_err_set(err, "layers", WH_ERR_BUILD, EFBIG, "the image has more than %d layers",
				  WH_LAYERS_MAX);
	if (n != json_array_size(ids))
		return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG,
				  "the manifest has %zu layers, the config %zu diff ids", n, json_array_size(ids));
	i->layers = wh_calloc(n ? n : 1, sizeof(*i->layers));
	for (size_t k = 0; k < n; k++) {
		struct wh_layer *l = &i->layers[k];
		const char *id = json_string_value(json_array_get(ids, k));
		struct descriptor d;

		r = parse_descriptor(json_array_get(ls, k), "layer", &d, err);
		if (r < 0)
			return r;
		if (!id || !wh_digest_parse(id, &l->diff_id))
			return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG,
					  "a diff id of the config is no sha256 digest");
		if (layer_compression(d.media_type, &l->comp) < 0)
			return wh_err_set(err, "layers", WH_ERR_BUILD, ENOTSUP,
					  "layers of the kind %.100s are not supported", d.media_type);
		l->blob = d.digest;
		l->blob_size = d.size;
		l->newest = INT64_MIN;
		l->origin = wh_strdup(x->dir);
		/* The image may lose its name while we work with it: its layers are in use from now on. */
		if (!x->dir && !wh_blob_has(x->s, &l->blob, NULL)) {
			if (!origins)
				origins = wh_origins_read(x->s, digest);
			l->origin = wh_origins_find(origins, &l->blob);
		}
		i->n_layers = k + 1;
	}
	return 0;
}

static int load(struct search *x, const struct wh_digest *digest, uint64_t size, struct wh_image *i,
		struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf mbuf = WH_BUF_INIT;
	WH_AUTO_BUF struct wh_buf cbuf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *m = NULL;
	struct descriptor c;
	struct wh_digest put;
	const char *mt;
	int r = read_document(x, digest, size, WH_MANIFEST_MAX, &mbuf, &m, err);

	if (r < 0)
		return r;
	mt = wh_json_str(m, "mediaType");
	if (wh_json_int(m, "schemaVersion", 0) != 2 || (mt && !is_manifest(mt)) ||
	    !json_is_array(json_object_get(m, "layers")))
		return wh_err_set(err, "layers", WH_ERR_BUILD, ENOTSUP, "it is no image manifest of schema version 2");
	r = parse_descriptor(json_object_get(m, "config"), "manifest", &c, err);
	if (r < 0)
		return r;
	if (strcmp(c.media_type, WH_MT_CONFIG) != 0 && strcmp(c.media_type, WH_MT_DOCKER_CONFIG) != 0)
		return wh_err_set(err, "layers", WH_ERR_BUILD, ENOTSUP, "it is no container image but %.100s",
				  c.media_type);
	r = read_document(x, &c.digest, c.size, WH_CONFIG_MAX, &cbuf, &i->config, err);
	if (r == 0)
		r = fill_layers(x, digest, m, i, err);
	if (r == 0 && x->dir) {
		r = wh_blob_put(x->s, mbuf.p, mbuf.n, &put, err);
		if (r == 0)
			r = wh_blob_put(x->s, cbuf.p, cbuf.n, &put, err);
	}
	if (r < 0)
		return r;
	i->manifest = *digest;
	i->manifest_size = mbuf.n;
	i->media_type = mt && strcmp(mt, WH_MT_DOCKER_MANIFEST) == 0 ? WH_MT_DOCKER_MANIFEST : NULL;
	i->config_digest = c.digest;
	if (json_is_object(json_object_get(m, "annotations")))
		i->annotations = json_incref(json_object_get(m, "annotations"));
	return 0;
}

static bool at_hand(const struct search *x, const struct wh_digest *d)
{
	WH_AUTO_FREE char *path = NULL;
	char hex[65];

	if (!x->dir)
		return wh_blob_has(x->s, d, NULL);
	path = wh_asprintf("%s/blobs/sha256/%s", x->dir, wh_digest_hex(d, hex));
	return access(path, F_OK) == 0;
}

static int load_part(struct search *x, const json_t *o, struct wh_image *i, struct wh_err **err)
{
	struct descriptor d;
	int r = parse_descriptor(o, "index", &d, err);

	if (r < 0)
		return r;
	if (is_index(d.media_type))
		return wh_err_set(err, "layers", WH_ERR_BUILD, ENOTSUP, "an index of indexes");
	if (!is_manifest(d.media_type) || wh_image_is_attachment(o))
		return 0;
	if (!at_hand(x, &d.digest)) {
		i->n_absent++;
		return 0;
	}
	wh_platform_from_json(json_object_get(o, "platform"), &i->parts[i->n_parts].listed);
	r = load(x, &d.digest, d.size, &i->parts[i->n_parts], err);
	i->n_parts++; /* also what was begun: the caller releases it */
	return r;
}

/* The index with its images, or an image. */
static int load_all(struct search *x, struct wh_image *i, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *o = NULL;
	const json_t *ms;
	struct wh_digest put;
	const char *mt;
	int r = read_document(x, &x->found, x->found_size, WH_MANIFEST_MAX, &buf, &o, err);

	if (r < 0)
		return r;
	ms = json_object_get(o, "manifests");
	if (!json_is_array(ms))
		return load(x, &x->found, x->found_size, i, err);
	mt = wh_json_str(o, "mediaType");
	if (json_object_get(o, "layers") || json_object_get(o, "config") || (mt && !is_index(mt)))
		return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "it is both index and manifest");
	i->manifest = x->found;
	i->manifest_size = buf.n;
	i->media_type = mt && strcmp(mt, WH_MT_DOCKER_LIST) == 0 ? WH_MT_DOCKER_LIST : WH_MT_INDEX;
	if (json_is_object(json_object_get(o, "annotations")))
		i->annotations = json_incref(json_object_get(o, "annotations"));
	i->parts = wh_calloc(json_array_size(ms) + 1, sizeof(*i->parts));
	for (size_t k = 0; k < json_array_size(ms) && r == 0; k++)
		r = load_part(x, json_array_get(ms, k), i, err);
	return r == 0 && x->dir ? wh_blob_put(x->s, buf.p, buf.n, &put, err) : r;
}

static int load_best(struct search *x, struct wh_image *ret, struct wh_err **err)
{
	WH_AUTO_FREE char *want = wh_platform_text(x->p);
	WH_AUTO_BUF struct wh_buf have = WH_BUF_INIT;
	struct wh_image i = {0};
	int r;

	if (x->best < 0) {
		for (size_t k = 0; k < x->have.n && k < 16; k++)
			wh_buf_addf(&have, "%s%s", k ? ", " : "", x->have.v[k]);
		r = wh_err_set(err, "layers", WH_ERR_BUILD, ENOENT, "no image for %s", want);
		if (x->have.n)
			wh_err_hint(err, "there is one for %s", have.p);
		return r;
	}
	r = x->all ? load_all(x, &i, err) : load(x, &x->found, x->found_size, &i, err);
	if (r < 0) {
		wh_image_release(&i);
		return r;
	}
	*ret = i;
	return 0;
}

/* By digest alone: an index or a manifest, as its content says. */
static int find_by_digest(struct search *x, const struct wh_digest *d, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *o = NULL;
	int r = read_document(x, d, UINT64_MAX, WH_MANIFEST_MAX, &buf, &o, err);

	if (r < 0)
		return r;
	if (json_is_array(json_object_get(o, "manifests")) && !x->all)
		return consider_all(x, json_object_get(o, "manifests"), 1, err);
	/* Who names a manifest by its digest gets it, whatever its platform. */
	x->best = 0;
	x->found = *d;
	x->found_size = UINT64_MAX;
	return 0;
}

/* ---------------------------------------------------------------- layouts */

static int read_layout_file(const char *dir, const char *name, json_t **ret, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	uint64_t size;
	WH_AUTO_FD int fd = open_regular(dir, name, &size, err);
	int r;

	if (fd < 0)
		return fd;
	r = wh_read_fd(fd, WH_MANIFEST_MAX, &buf);
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "read %s/%s", dir, name);
	return wh_document_parse(buf.p, buf.n, name, ret, err);
}

static bool ends_in_tag(const char *name, const char *tag)
{
	size_t n = strlen(name), t = strlen(tag);

	return n > t + 1 && name[n - t - 1] == ':' && strcmp(name + n - t, tag) == 0;
}

enum match { NOT_MEANT, BY_ITS_END, BY_ITS_NAME };

static enum match match_tag(const json_t *o, const char *tag)
{
	static const char *const keys[] = {WH_AN_REF_NAME, WH_AN_IMAGE_NAME};
	const json_t *an = json_object_get(o, "annotations");
	enum match best = NOT_MEANT;

	for (size_t i = 0; i < WH_ARRAY_SIZE(keys); i++) {
		const char *name = wh_json_str(an, keys[i]);

		if (name && strcmp(name, tag) == 0)
			return BY_ITS_NAME;
		if (name && ends_in_tag(name, tag))
			best = BY_ITS_END;
	}
	return best;
}

static void hint_tags(const json_t *manifests, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;

	for (size_t i = 0; i < json_array_size(manifests); i++) {
		const json_t *an = json_object_get(json_array_get(manifests, i), "annotations");
		const char *name = wh_json_str(an, WH_AN_REF_NAME);

		if (name && !wh_artifact_tag_parse(name, NULL) && !wh_strv_has(&names, name) && names.n < 1000)
			wh_strv_add(&names, name);
	}
	wh_strv_sort(&names);
	for (size_t i = 0; i < names.n && i < 20; i++)
		wh_buf_addf(&text, "%s%.100s", i ? ", " : "", names.v[i]);
	if (names.n > 20)
		wh_buf_adds(&text, ", …");
	if (names.n)
		wh_err_hint(err, "it has %s", text.p);
	else
		wh_err_hint(err, "no image in it has a name");
}

/* What is attached to an image does not count as one. */
static json_t *images_among(const json_t *manifests)
{
	json_t *images = json_array();

	for (size_t i = 0; i < json_array_size(manifests); i++)
		if (!wh_index_entry_is_artifact(json_array_get(manifests, i)))
			json_array_append(images, json_array_get(manifests, i));
	return images;
}

/* The entry that a tag means: whose name it is, else whose name ends in it. Who may say which of two images a name stands
 * for, this program or the next, may say what runs: such a layout is refused. NULL: none. */
static int find_entry(const json_t *manifests, const char *tag, const json_t **ret, struct wh_err **err)
{
	enum match best = NOT_MEANT;

	*ret = NULL;
	for (size_t i = 0; i < json_array_size(manifests); i++) {
		const json_t *o = json_array_get(manifests, i);
		enum match m = match_tag(o, tag);

		if (m > best) {
			best = m;
			*ret = o;
		}
	}
	for (size_t i = 0; *ret && i < json_array_size(manifests); i++) {
		const json_t *o = json_array_get(manifests, i);

		if (match_tag(o, tag) == best && !wh_streq(wh_json_str(o, "digest"), wh_json_str(*ret, "digest")))
			return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "two images have the name \"%s\"", tag);
	}
	return 0;
}

static int find_by_tag(struct search *x, const json_t *all, const char *tag, struct wh_err **err)
{
	WH_AUTO_JSON json_t *manifests = images_among(all);
	size_t n = json_array_size(manifests);
	const json_t *o;
	int r;

	if (!tag && n == 1)
		return consider_all(x, manifests, 1, err);
	/* An image that says it is an artifact still has its name for those who do not mind what it says. */
	r = find_entry(all, tag ? tag : "latest", &o, err);
	if (r < 0 || (o && !wh_index_entry_is_artifact(o)))
		return r < 0 ? r : consider(x, o, 1, err);
	if (n == 0)
		return wh_err_set(err, "layers", WH_ERR_BUILD, ENOENT, "there is no image in it");
	r = tag ? wh_err_set(err, "layers", WH_ERR_BUILD, ENOENT, "no image has the tag \"%s\"", tag)
		: wh_err_set(err, "layers", WH_ERR_BUILD, ENOENT,
			     "there are several images, and none has the tag \"latest\"");
	hint_tags(manifests, err);
	return r;
}

static int check_layout(const char *dir, struct wh_err **err)
{
	WH_AUTO_JSON json_t *o = NULL;
	const char *version;
	int r = read_layout_file(dir, "oci-layout", &o, err);

	if (r < 0) {
		wh_err_wrap(err, "not an OCI image layout");
		wh_err_hint(err, "a layout has oci-layout, index.json and blobs; skopeo copy … oci:DIR:TAG makes one");
		return r;
	}
	version = wh_json_str(o, "imageLayoutVersion");
	if (!version || !wh_has_prefix(version, "1."))
		return wh_err_set(err, "layers", WH_ERR_BUILD, ENOTSUP, "its layout version \"%.20s\" is not 1.x",
				  version ? version : "");
	return 0;
}

static int from_layout(struct wh_store *s, const char *dir, const char *tag, const struct wh_digest *digest,
		       const struct wh_platform *p, bool all, struct wh_image *ret, struct wh_err **err)
{
	WH_AUTO_FREE char *path = realpath(dir, NULL);
	WH_AUTO_JSON json_t *index = NULL;
	struct wh_platform host;
	struct search x = {.s = s, .dir = path, .p = p, .all = all, .best = -1};
	int r;

	if (!path)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, errno, "%s", dir);
	if (!p) {
		wh_platform_host(&host);
		x.p = &host;
	}
	r = check_layout(path, err);
	if (r == 0 && digest)
		r = find_by_digest(&x, digest, err);
	else if (r == 0) {
		r = read_layout_file(path, "index.json", &index, err);
		if (r == 0)
			r = find_by_tag(&x, json_object_get(index, "manifests"), tag, err);
	}
	if (r == 0)
		r = load_best(&x, ret, err);
	if (r < 0)
		wh_err_wrap(err, "image layout %s", dir);
	wh_strv_release(&x.have);
	return r;
}

int wh_image_from_layout(struct wh_store *s, const char *dir, const char *tag, const struct wh_digest *digest,
			 const struct wh_platform *p, struct wh_image *ret, struct wh_err **err)
{
	return from_layout(s, dir, tag, digest, p, false, ret, err);
}

int wh_image_all_from_layout(struct wh_store *s, const char *dir, const char *tag, const struct wh_digest *digest,
			     struct wh_image *ret, struct wh_err **err)
{
	return from_layout(s, dir, tag, digest, NULL, true, ret, err);
}

/* ---------------------------------------------------------------- the store */

static int find_by_name(struct search *x, const char *name, struct wh_err **err)
{
	WH_AUTO_JSON json_t *ms = NULL;
	size_t hits = 0;
	int r = wh_store_names(x->s, &ms, err);

	for (size_t i = 0; i < json_array_size(ms) && r == 0; i++) {
		const json_t *o = json_array_get(ms, i);
		const char *have = wh_json_str(json_object_get(o, "annotations"), WH_AN_IMAGE_NAME);

		if (!have || strcmp(have, name) != 0)
			continue;
		hits++;
		r = consider(x, o, 1, err);
	}
	if (r == 0 && hits == 0) {
		r = wh_err_set(err, "layers", WH_ERR_BUILD, ENOENT, "it is not in the store");
		wh_store_hint_near(x->s, name, err);
	}
	return r;
}

static int from_store(struct wh_store *s, const char *ref, const struct wh_platform *p, bool all, struct wh_image *ret,
		      struct wh_err **err)
{
	WH_AUTO_FREE char *name = NULL;
	struct wh_platform host;
	struct search x = {.s = s, .p = p, .all = all, .best = -1};
	const char *at = strchr(ref, '@');
	struct wh_digest d;
	int r;

	if (!p) {
		wh_platform_host(&host);
		x.p = &host;
	}
	if (wh_digest_parse(ref, &d) || (at && wh_digest_parse(at + 1, &d))) {
		r = wh_blob_has(s, &d, NULL)
			    ? find_by_digest(&x, &d, err)
			    : wh_err_set(err, "layers", WH_ERR_BUILD, ENOENT, "it is not in the store");
	} else {
		r = wh_reference_normalize(ref, &name, err);
		if (r < 0)
			return r;
		r = find_by_name(&x, name, err);
	}
	if (r == 0)
		r = load_best(&x, ret, err);
	if (r < 0)
		wh_err_wrap(err, "image %s", ref);
	wh_strv_release(&x.have);
	return r;
}

int wh_image_from_store(struct wh_store *s, const char *ref, const struct wh_platform *p, struct wh_image *ret,
			struct wh_err **err)
{
	return from_store(s, ref, p, false, ret, err);
}

int wh_image_all_from_store(struct wh_store *s, const char *ref, struct wh_image *ret, struct wh_err **err)
{
	return from_store(s, ref, NULL, true, ret, err);
}
