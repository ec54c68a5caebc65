/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images from an archive, which is hostile: docker save's of any version (docker before 25: a directory a layer, with symlinks where a layer
 * is there twice; since 25: an OCI layout besides), podman save's in both its forms, and OCI layouts as tar; in gzip, bzip2, xz or
 * zstd, too.
 *
 * The tar is read once, from its beginning to its end, so standard input will do. Every member becomes a blob of the store by the digest that
 * it turns out to have; no file of the archive's choosing is ever made. What the archive says comes after that: index.json of an OCI layout,
 * whose images keep their digests; then manifest.json, which gives names to those, or stands for images of its own. Images are named
 * when all of them are verified, layers against the diff ids of their configs, too. What is left over is gc's.
 */
#include "layers/artifact_private.h"
#include "layers/image_private.h"
#include "layers/store_private.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>

#define MEMBERS_MAX 65536
#define NAME_MAX_BYTES 1024
#define LINKS_MAX 8   /* one behind the other */
#define IMAGES_MAX 1024
/* What it unpacks to: so many times what was read, and some. gzip cannot do much better than a thousand. */
#define RATIO_MAX 1100
#define SLACK ((uint64_t)1 << 30)

struct member {
	char *name; /* clean, relative */
	char *link; /* the same, what it links to; or NULL: a file */
	struct wh_digest digest;
	uint64_t size;
	unsigned char head[4];
};

struct load {
	struct wh_store *s;
	const char *what;
	const struct wh_platform *platform;
	struct archive *a;
	struct member *members; /* sorted once all are read */
	size_t n, cap;
	uint64_t total;
	struct wh_buf index, manifest;
	bool has_index, has_manifest, has_layout;
	struct wh_loaded *v;
	size_t n_loaded, cap_loaded;
};

static int bad(const struct load *l, struct wh_err **err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int bad(const struct load *l, struct wh_err **err, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	wh_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "%s: %s", l->what, text.p);
}

/* ---------------------------------------------------------------- members */

/* "./a//b" → "a/b". False: it is absolute, leads up, or is too long. */
static bool clean_name(const char *name, char **ret)
{
	WH_AUTO_FREE char *clean = NULL;

	if (!name || name[0] == '/' || strlen(name) > NAME_MAX_BYTES)
		return false;
	clean = wh_path_clean(name);
	if (strcmp(clean, "..") == 0 || wh_has_prefix(clean, "../"))
		return false;
	*ret = WH_TAKE_PTR(clean);
	return true;
}

static int read_failed(struct load *l, struct wh_err **err)
{
	const char *why = archive_error_string(l->a);

	return bad(l, err, "it cannot be read: %s", why ? why : "it is damaged");
}

/* Counts what came out of the archive. */
static int count(struct load *l, size_t n, struct wh_err **err)
{
	l->total += n;
	if (l->total > (uint64_t)archive_filter_bytes(l->a, -1) * RATIO_MAX + SLACK)
		return bad(l, err, "it unpacks to far more than it is");
	return 0;
}

/* A member that says what is in the archive. */
static int read_text(struct load *l, const char *name, struct wh_buf *out, struct wh_err **err)
{
	char buf[16384];
	ssize_t n;
	int r = 0;

	while (r == 0 && (n = archive_read_data(l->a, buf, sizeof(buf))) != 0) {
		if (n < 0)
			return read_failed(l, err);
		if (out->n + (size_t)n > WH_MANIFEST_MAX)
			return bad(l, err, "its %s is larger than %zu MiB", name, WH_MANIFEST_MAX >> 20);
		wh_buf_add(out, buf, (size_t)n);
		r = count(l, (size_t)n, err);
	}
	return r;
}

static int read_blob(struct load *l, struct member *m, const struct wh_digest *expect, struct wh_err **err)
{
	const size_t cap = (size_t)256 << 10;
	WH_AUTO_FREE unsigned char *buf = wh_malloc(cap);
	WH_AUTO_ERR struct wh_err *e = NULL;
	struct wh_blob_writer *w;
	size_t head = 0;
	int r = wh_blob_writer_new(l->s, &w, err);

	if (r < 0)
		return r;
	for (;;) {
		ssize_t n = archive_read_data(l->a, buf, cap);

		if (n <= 0) {
			r = n < 0 ? read_failed(l, err) : 0;
			break;
		}
		for (ssize_t i = 0; i < n && head < sizeof(m->head); i++)
			m->head[head++] = buf[i];
		r = count(l, (size_t)n, err);
		if (r == 0)
			r = wh_blob_writer_add(w, buf, (size_t)n, err);
		if (r < 0)
			break;
	}
	if (r < 0) {
		wh_blob_writer_abort(w);
		return r;
	}
	r = wh_blob_writer_finish(w, expect, &m->digest, &m->size, &e);
	if (r == -EBADMSG)
		return bad(l, err, "the content of %s is not what its name says", m->name);
	wh_err_move(err, &e);
	return r;
}

/* Members that say nothing which others do not say better: of docker's older archives. */
static bool is_ballast(const char *name)
{
	return strcmp(name, "repositories") == 0 || wh_has_suffix(name, "/json") || wh_has_suffix(name, "/VERSION");
}

static int take_link(struct load *l, struct archive_entry *e, struct member *m, struct wh_err **err)
{
	const char *hard = archive_entry_hardlink(e), *target = hard ? hard : archive_entry_symlink(e);
	WH_AUTO_FREE char *dir = wh_path_dir(m->name);
	WH_AUTO_FREE char *full = NULL;

	if (!target || !target[0] || (!hard && target[0] == '/') || strlen(target) > NAME_MAX_BYTES)
		return bad(l, err, "the link %s leads out of it", m->name);
	full = hard ? wh_strdup(target) : wh_asprintf("%s/%s", dir, target);
	if (!clean_name(full, &m->link))
		return bad(l, err, "the link %s leads out of it", m->name);
	return 0;
}

static int take_file(struct load *l, struct archive_entry *e, struct member *m, struct wh_err **err)
{
	static const char blobs[] = "blobs/sha256/";
	struct wh_digest expect;
	bool named = wh_has_prefix(m->name, blobs);

	if (archive_entry_sparse_count(e) > 0)
		return bad(l, err, "%s is a sparse file", m->name);
	if (strcmp(m->name, "index.json") == 0) {
		l->has_index = true;
		return read_text(l, m->name, &l->index, err);
	}
	if (strcmp(m->name, "manifest.json") == 0) {
		l->has_manifest = true;
		return read_text(l, m->name, &l->manifest, err);
	}
	if (strcmp(m->name, "oci-layout") == 0) {
		l->has_layout = true;
		return 0;
	}
	if (is_ballast(m->name))
		return 0;
	if (named && !wh_digest_parse_hex(m->name + strlen(blobs), &expect))
		return bad(l, err, "%s is no blob's name", m->name);
	return read_blob(l, m, named ? &expect : NULL, err);
}

static int take_member(struct load *l, struct archive_entry *e, struct wh_err **err)
{
	mode_t type = archive_entry_filetype(e);
	WH_AUTO_FREE char *name = NULL;
	struct member *m;

	if (!clean_name(archive_entry_pathname(e), &name))
		return bad(l, err, "a member's name leads out of it, or is no name");
	if (type == AE_IFDIR && !archive_entry_hardlink(e))
		return 0;
	if (l->n == MEMBERS_MAX)
		return bad(l, err, "it has more than %d members", MEMBERS_MAX);
	m = &WH_PUSH(l->members, l->n, l->cap);
	*m = (struct member){.name = WH_TAKE_PTR(name)};
	if (archive_entry_hardlink(e) || type == AE_IFLNK)
		return take_link(l, e, m, err);
	if (type != AE_IFREG)
		return bad(l, err, "%s is neither a file nor a directory", m->name);
	return take_file(l, e, m, err);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct member *)a)->name, ((const struct member *)b)->name);
}

static int read_members(struct load *l, int fd, struct wh_err **err)
{
	struct archive_entry *e;
	int r = 0, got;

	archive_read_support_format_tar(l->a);
	archive_read_support_filter_gzip(l->a);
	archive_read_support_filter_bzip2(l->a);
	archive_read_support_filter_xz(l->a);
	archive_read_support_filter_zstd(l->a);
	if (archive_read_open_fd(l->a, fd, 256 << 10) != ARCHIVE_OK)
		return bad(l, err, "it is no tar archive");
	while (r == 0) {
		got = archive_read_next_header(l->a, &e);
		if (got == ARCHIVE_EOF)
			break;
		if (got != ARCHIVE_OK && got != ARCHIVE_WARN)
			return l->n ? read_failed(l, err) : bad(l, err, "it is no tar archive");
		r = take_member(l, e, err);
	}
	if (r < 0)
		return r;
	if (l->n)
		qsort(l->members, l->n, sizeof(*l->members), by_name);
	for (size_t i = 1; i < l->n; i++)
		if (strcmp(l->members[i - 1].name, l->members[i].name) == 0)
			return bad(l, err, "%s is there twice", l->members[i].name);
	return 0;
}

/* The file behind a name, through links. */
static int find_member(const struct load *l, const char *name, const struct member **ret, struct wh_err **err)
{
	WH_AUTO_FREE char *clean = NULL;

	if (!clean_name(name, &clean))
		return bad(l, err, "a name in its manifest.json leads out of it");
	for (unsigned i = 0; i <= LINKS_MAX; i++) {
		const struct member key = {.name = clean};
		const struct member *m = l->n ? bsearch(&key, l->members, l->n, sizeof(key), by_name) : NULL;

		if (!m)
			return bad(l, err, "%.200s is not in it", clean);
		if (!m->link && wh_digest_is_zero(&m->digest)) /* manifest.json and the like */
			return bad(l, err, "%.200s is neither a layer nor a config", clean);
		if (!m->link) {
			*ret = m;
			return 0;
		}
		free(clean);
		clean = wh_strdup(m->link);
	}
	return bad(l, err, "links lead in a circle");
}

/* ---------------------------------------------------------------- images */

static struct wh_loaded *add_loaded(struct load *l, struct wh_image *image)
{
	struct wh_loaded *x = &WH_PUSH(l->v, l->n_loaded, l->cap_loaded);

	*x = (struct wh_loaded){.image = *image};
	return x;
}

static int add_name(const struct load *l, struct wh_loaded *x, const char *name, struct wh_err **err)
{
	WH_AUTO_FREE char *full = NULL;
	WH_AUTO_ERR struct wh_err *e = NULL;

	if (strlen(name) > 512 || strchr(name, '@') || wh_reference_normalize(name, &full, &e) < 0)
		return bad(l, err, "\"%.100s\" is no image name", name);
	for (size_t i = 0; i < l->n_loaded; i++)
		if (&l->v[i] != x && wh_strv_has(&l->v[i].names, full))
			return bad(l, err, "two images are named %.200s", full);
	if (!wh_strv_has(&x->names, full))
		wh_strv_add(&x->names, full);
	return 0;
}

/* The name that a descriptor of index.json gives; a bare tag is none. */
static const char *name_of(const json_t *descriptor)
{
	const json_t *an = json_object_get(descriptor, "annotations");
	const char *name = wh_json_str(an, WH_AN_IMAGE_NAME), *ref = wh_json_str(an, WH_AN_REF_NAME);

	return name ? name : ref && strpbrk(ref, "/:") ? ref : NULL;
}

/* Of several platforms: the one that is wanted; or all of them; or the one that is there, for docker's containerd store saves the whole index
 * with one image. */
static int choose_part(const struct load *l, struct wh_image *image, struct wh_err **err)
{
	const struct wh_image *best = NULL;
	struct wh_platform host;
	struct wh_image part;
	int top = -1;

	if (!wh_image_is_index(image) || (!l->platform && !image->n_absent))
		return 0;
	wh_platform_host(&host);
	for (size_t i = 0; i < image->n_parts; i++) {
		struct wh_platform p = image->parts[i].listed;
		int rank;

		if (!p.os[0] || !p.arch[0])
			wh_image_platform(&image->parts[i], &p);
		rank = wh_platform_rank(l->platform ? l->platform : &host, &p);
		if (rank > top || (!l->platform && image->n_parts == 1)) {
			top = rank;
			best = &image->parts[i];
		}
	}
	if (!best)
		return wh_err_set(err, "layers", WH_ERR_BUILD, ENOENT, "%s: it has no image for %s", l->what,
				  l->platform ? "that platform" : "this machine's platform");
	wh_image_copy(&part, best);
	wh_image_release(image);
	*image = part;
	return 0;
}

static int check_platform(const struct load *l, const struct wh_image *i, struct wh_err **err)
{
	struct wh_platform p;

	if (!l->platform || wh_image_is_index(i))
		return 0;
	wh_image_platform(i, &p);
	return wh_platform_rank(l->platform, &p) >= 0
		       ? 0
		       : wh_err_set(err, "layers", WH_ERR_BUILD, ENOENT, "%s: an image in it is for another platform", l->what);
}

static int take_descriptor(struct load *l, const json_t *d, struct wh_err **err)
{
	const char *text = wh_json_str(d, "digest"), *name = name_of(d);
	WH_AUTO_ERR struct wh_err *e = NULL;
	struct wh_image image = {0};
	struct wh_digest digest;
	struct wh_loaded *x = NULL;
	int r;

	if (wh_index_entry_is_artifact(d) || wh_image_is_attachment(d))
		return 0;
	if (!text || !wh_digest_parse(text, &digest))
		return bad(l, err, "its index.json has an entry without a digest");
	r = wh_image_all_from_store(l->s, text, &image, &e);
	if (r == 0)
		r = choose_part(l, &image, &e);
	if (r == 0)
		r = check_platform(l, &image, &e);
	if (r < 0) {
		wh_image_release(&image);
		if (e && !wh_has_prefix(e->msg, l->what))
			wh_err_wrap(&e, "%s", l->what);
		wh_err_move(err, &e);
		return r;
	}
	for (size_t i = 0; i < l->n_loaded && !x; i++)
		if (wh_digest_eq(&l->v[i].image.manifest, &image.manifest))
			x = &l->v[i];
	if (x)
		wh_image_release(&image);
	else
		x = add_loaded(l, &image);
	return name ? add_name(l, x, name, err) : 0;
}

static int read_layout(struct load *l, struct wh_err **err)
{
	WH_AUTO_JSON json_t *o = NULL;
	const json_t *ms;
	int r = wh_document_parse(l->index.p, l->index.n, "index.json", &o, err);

	if (r < 0) {
		wh_err_wrap(err, "%s", l->what);
		return r;
	}
	ms = json_object_get(o, "manifests");
	if (!json_is_array(ms))
		return bad(l, err, "its index.json has no list of manifests");
	for (size_t i = 0; i < json_array_size(ms) && r == 0; i++)
		r = l->n_loaded == IMAGES_MAX ? bad(l, err, "it has more than %d images", IMAGES_MAX)
					      : take_descriptor(l, json_array_get(ms, i), err);
	return r;
}

/* ---------------------------------------------------------------- manifest.json */

static enum wh_compression compression_of(const struct member *m)
{
	static const unsigned char gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};

	if (m->size >= 4 && memcmp(m->head, zstd, sizeof(zstd)) == 0)
		return WH_COMP_ZSTD;
	return m->size >= 4 && memcmp(m->head, gzip, sizeof(gzip)) == 0 ? WH_COMP_GZIP : WH_COMP_NONE;
}

static int read_config(struct load *l, const char *name, struct wh_image *ret, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	const struct member *m;
	struct wh_digest named;
	const char *base;
	int r = find_member(l, name, &m, err);

	if (r < 0)
		return r;
	/* docker calls it HEX.json, and the image's id is that. */
	base = wh_path_base(m->name);
	if (strlen(base) == 64 + strlen(".json") && wh_has_suffix(base, ".json")) {
		WH_AUTO_FREE char *hex = wh_strndup(base, 64);

		if (wh_digest_parse_hex(hex, &named) && !wh_digest_eq(&named, &m->digest))
			return bad(l, err, "the content of %s is not what its name says", m->name);
	}
	if (m->size > WH_CONFIG_MAX)
		return bad(l, err, "a config is larger than %zu MiB", WH_CONFIG_MAX >> 20);
	r = wh_blob_read(l->s, &m->digest, WH_CONFIG_MAX, &buf, err);
	if (r == 0)
		r = wh_document_parse(buf.p, buf.n, "an image's config", &ret->config, err);
	if (r < 0) {
		wh_err_wrap(err, "%s", l->what);
		return r;
	}
	ret->config_digest = m->digest;
	if (!wh_json_str(ret->config, "architecture") || !wh_json_str(ret->config, "os"))
		return bad(l, err, "a config says no architecture or os");
	return 0;
}

static int read_layers(struct load *l, const json_t *list, struct wh_image *ret, struct wh_err **err)
{
	const json_t *ids = json_object_get(json_object_get(ret->config, "rootfs"), "diff_ids");
	size_t n = json_array_size(list);
	int r = 0;

	if ((list && !json_is_array(list) && !json_is_null(list)) || n != json_array_size(ids) || n > WH_LAYERS_MAX)
		return bad(l, err, "an image has %zu layers, and %zu in its config", n, json_array_size(ids));
	ret->layers = wh_calloc(n ? n : 1, sizeof(*ret->layers));
	for (; ret->n_layers < n && r == 0; ret->n_layers++) {
		const json_t *path = json_array_get(list, ret->n_layers), *id = json_array_get(ids, ret->n_layers);
		struct wh_layer *x = &ret->layers[ret->n_layers];
		const struct member *m;

		*x = (struct wh_layer){.newest = INT64_MIN};
		if (!json_is_string(path) || !json_is_string(id) || !wh_digest_parse(json_string_value(id), &x->diff_id))
			return bad(l, err, "a layer without a name or diff id");
		r = find_member(l, json_string_value(path), &m, err);
		if (r < 0)
			return r;
		x->blob = m->digest;
		x->blob_size = m->size;
		x->comp = compression_of(m);
		if (x->comp == WH_COMP_NONE && !wh_digest_eq(&x->blob, &x->diff_id))
			return bad(l, err, "layer %s is not what its image's config says", m->name);
	}
	return r;
}

/* Two images may have the same config and other blobs: the same layers in another compression. */
static bool has_layers(const struct load *l, const struct wh_image *i, const json_t *list)
{
	const struct member *m;

	for (size_t k = 0; k < i->n_layers; k++) {
		const char *path = json_string_value(json_array_get(list, k));

		if (!path || find_member(l, path, &m, NULL) < 0 || !wh_digest_eq(&m->digest, &i->layers[k].blob))
			return false;
	}
	return i->n_layers == json_array_size(list);
}

static bool is_same(const struct load *l, const struct wh_image *i, const struct member *config, const json_t *o)
{
	return !wh_image_is_index(i) && wh_digest_eq(&i->config_digest, &config->digest) && has_layers(l, i, json_object_get(o, "Layers"));
}

/* The layout has told already that one of the images that o can mean has this name; they differ in annotations alone. */
static bool is_named(const struct load *l, const struct member *config, const json_t *o, const char *tag)
{
	WH_AUTO_FREE char *full = NULL;

	if (wh_reference_normalize(tag, &full, NULL) < 0)
		return false;
	for (size_t i = 0; i < l->n_loaded; i++)
		if (wh_strv_has(&l->v[i].names, full) && is_same(l, &l->v[i].image, config, o))
			return true;
	return false;
}

static int take_names(struct load *l, struct wh_loaded *x, const struct member *config, const json_t *o, struct wh_err **err)
{
	const json_t *tags = json_object_get(o, "RepoTags");
	int r = 0;

	for (size_t i = 0; i < json_array_size(tags) && r == 0; i++) {
		const char *tag = json_string_value(json_array_get(tags, i));

		if (!tag)
			return bad(l, err, "its manifest.json has a name that is no text");
		if (!wh_has_prefix(tag, "<none>") && !is_named(l, config, o, tag))
			r = add_name(l, x, tag, err);
	}
	return r;
}

static int take_entry(struct load *l, const json_t *o, struct wh_err **err)
{
	const char *config = wh_json_str(o, "Config");
	struct wh_image image = {0};
	struct wh_loaded *x = NULL;
	const struct member *m;
	int r;

	if (!config)
		return bad(l, err, "its manifest.json names no config");
	r = find_member(l, config, &m, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < l->n_loaded && !x; i++)
		if (is_same(l, &l->v[i].image, m, o))
			x = &l->v[i];
	for (size_t i = 0; i < l->n_loaded && !x; i++) /* of an index, whose name it has already */
		for (size_t k = 0; k < l->v[i].image.n_parts; k++)
			if (is_same(l, &l->v[i].image.parts[k], m, o))
				return 0;
	if (x)
		return take_names(l, x, m, o, err);
	r = read_config(l, config, &image, err);
	if (r == 0)
		r = read_layers(l, json_object_get(o, "Layers"), &image, err);
	if (r == 0)
		r = wh_image_manifest_write(l->s, &image, false, err);
	if (r == 0)
		r = check_platform(l, &image, err);
	if (r < 0) {
		wh_image_release(&image);
		return r;
	}
	return take_names(l, add_loaded(l, &image), m, o, err);
}

static int read_manifest(struct load *l, struct wh_err **err)
{
	WH_AUTO_JSON json_t *list = NULL;
	int r = wh_document_parse(l->manifest.p, l->manifest.n, "manifest.json", &list, err);

	if (r < 0) {
		wh_err_wrap(err, "%s", l->what);
		return r;
	}
	if (!json_is_array(list))
		return bad(l, err, "its manifest.json is no list");
	for (size_t i = 0; i < json_array_size(list) && r == 0; i++)
		r = l->n_loaded == IMAGES_MAX ? bad(l, err, "it has more than %d images", IMAGES_MAX)
					      : take_entry(l, json_array_get(list, i), err);
	return r;
}

/* ---------------------------------------------------------------- all of it */

/* What is attached to an image comes before its name: signatures, attestations. Whom to believe is verify's business. */
static int attach(struct load *l, const json_t *entries, const struct wh_image *i, struct wh_err **err)
{
	WH_CLEANUP(wh_artifacts_release) struct wh_artifacts list = {0};
	int r = wh_artifacts_among(l->s, entries, &i->manifest, &list, err);

	if (r == 0 && list.n)
		r = wh_store_attach_pulled(l->s, &list, err);
	for (size_t k = 0; k < i->n_parts && r == 0; k++)
		r = attach(l, entries, &i->parts[k], err);
	return r;
}

static int attach_all(struct load *l, struct wh_err **err)
{
	WH_AUTO_JSON json_t *o = NULL;
	int r = l->has_index && l->has_layout ? wh_document_parse(l->index.p, l->index.n, "index.json", &o, err) : 0;

	for (size_t i = 0; i < l->n_loaded && r == 0 && o; i++)
		r = attach(l, json_object_get(o, "manifests"), &l->v[i].image, err);
	return r;
}

/* Layers are read, and then names given. */
static int keep(struct load *l, struct wh_err **err)
{
	int r = 0;

	for (size_t i = 0; i < l->n_loaded && r == 0; i++)
		r = wh_registry_prepare(l->s, &l->v[i].image, err);
	if (r == 0)
		r = wh_store_sync(l->s, err);
	if (r == 0)
		r = attach_all(l, err);
	for (size_t i = 0; i < l->n_loaded && r == 0; i++)
		for (size_t k = 0; k < l->v[i].names.n && r == 0; k++)
			r = wh_store_tag(l->s, l->v[i].names.v[k], &l->v[i].image, err);
	if (r < 0 && err && *err && !wh_has_prefix((*err)->msg, l->what))
		wh_err_wrap(err, "%s", l->what);
	return r;
}

static int load_archive(struct load *l, int fd, struct wh_err **err)
{
	int r = read_members(l, fd, err);

	if (r < 0)
		return r;
	if (!l->has_manifest && !(l->has_index && l->has_layout)) {
		bad(l, err, "there is neither docker's manifest.json nor an OCI layout in it");
		wh_err_hint(err, "docker save, podman save and whittle save write what can be loaded");
		return -EBADMSG;
	}
	if (l->has_index && l->has_layout)
		r = read_layout(l, err);
	if (r == 0 && l->has_manifest)
		r = read_manifest(l, err);
	if (r == 0 && !l->n_loaded)
		r = bad(l, err, "there is no image in it");
	return r < 0 ? r : keep(l, err);
}

void wh_loaded_free(struct wh_loaded *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		wh_image_release(&v[i].image);
		wh_strv_release(&v[i].names);
	}
	free(v);
}

int wh_archive_load(struct wh_store *s, int fd, const char *what, const struct wh_platform *platform, struct wh_loaded **ret,
		    size_t *ret_n, struct wh_err **err)
{
	struct load l = {.s = s, .what = what, .platform = platform, .a = archive_read_new()};
	int r;

	if (!l.a)
		abort();
	r = load_archive(&l, fd, err);
	archive_read_free(l.a);
	for (size_t i = 0; i < l.n; i++) {
		free(l.members[i].name);
		free(l.members[i].link);
	}
	free(l.members);
	wh_buf_release(&l.index);
	wh_buf_release(&l.manifest);
	if (r < 0) {
		wh_loaded_free(l.v, l.n_loaded);
		return r;
	}
	*ret = l.v;
	*ret_n = l.n_loaded;
	return 0;
}
