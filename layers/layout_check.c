/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layout directory whose every byte is vouched for. Blobs are what their names say. oci-layout and index.json have no
 * digest, so all that they say must follow from what has one: a descriptor's size, kind, platform and annotations from
 * the manifest that it names and that manifest's config, an artifact's tag from what the artifact is about. What cannot
 * be told from a blob is refused, with two exceptions: an image's own name (whoever signed it says which it may have),
 * and blanks between JSON's words.
 */
#include "layers/artifact_private.h"
#include "layers/image_private.h"

#include <dirent.h>
#include <errno.h>

#define CHUNK (256u << 10)
#define DEPTH_MAX 4
#define DOCUMENTS_MAX 10000
#define ENTRIES_MAX 100000 /* files in blobs/sha256, descriptors in index.json */

struct check {
	int dir, blobs;
	const char *path;
	unsigned documents; /* named by indexes below index.json */
};

static int bad(struct check *c, struct wh_err **err, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int bad(struct check *c, struct wh_err **err, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	wh_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "%s: %s", c->path, text.p);
}

/* A regular file and nothing else, not through a symlink. */
static int open_file(struct check *c, int dir, const char *name, uint64_t *ret_size, struct wh_err **err)
{
	WH_AUTO_FD int fd = wh_openat(dir, name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW, 0);
	struct stat st;

	if (fd == -ELOOP)
		return bad(c, err, "%s is a symlink", name);
	if (fd == -ENOENT)
		return bad(c, err, "%s is missing", name);
	if (fd < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, -fd, "%s: open %s", c->path, name);
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return bad(c, err, "%s is not a regular file", name);
	*ret_size = (uint64_t)st.st_size;
	return WH_TAKE_FD(fd);
}

/* ---------------------------------------------------------------- blobs */

static int hash_blob(struct check *c, const char *name, struct wh_err **err)
{
	WH_AUTO_SHA256 struct wh_sha256 *h = wh_sha256_new();
	WH_AUTO_FREE char *buf = wh_malloc(CHUNK);
	struct wh_digest want, got;
	uint64_t size;
	WH_AUTO_FD int fd = -1;
	ssize_t n;

	if (!wh_digest_parse_hex(name, &want))
		return bad(c, err, "blobs/sha256/%.100s is not named by a digest", name);
	fd = open_file(c, c->blobs, name, &size, err);
	if (fd < 0)
		return fd;
	while ((n = read(fd, buf, CHUNK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return wh_err_sys(err, "layers", WH_ERR_BUILD, errno, "%s: read blobs/sha256/%s", c->path,
					  name);
		wh_sha256_add(h, buf, (size_t)n);
	}
	wh_sha256_end(h, &got);
	return wh_digest_eq(&want, &got)
		       ? 0
		       : bad(c, err, "damaged: the content of blobs/sha256/%s is not what its name says", name);
}

/* Names in a directory but "." and "..", sorted, so that of several faults the same is told each time. */
static int list(struct check *c, int dir, const char *what, struct wh_strv *ret, struct wh_err **err)
{
	int fd = wh_openat(dir, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *de;

	if (!d) {
		wh_closep(&fd);
		return wh_err_sys(err, "layers", WH_ERR_BUILD, fd < 0 ? -fd : errno, "%s: list %s", c->path, what);
	}
	while ((de = readdir(d)) && ret->n < ENTRIES_MAX)
		if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
			wh_strv_add(ret, de->d_name);
	closedir(d);
	if (ret->n >= ENTRIES_MAX)
		return bad(c, err, "%s has more than %d entries", what, ENTRIES_MAX);
	wh_strv_sort(ret);
	return 0;
}

static int check_blobs(struct check *c, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	int r = list(c, c->blobs, "blobs/sha256", &names, err);

	for (size_t i = 0; i < names.n && r == 0; i++)
		r = hash_blob(c, names.v[i], err);
	return r;
}

/* Nothing lies about that nobody vouches for. */
static int check_names(struct check *c, struct wh_err **err)
{
	static const char *const top[] = {"blobs", "index.json", "oci-layout"};
	WH_AUTO_STRV struct wh_strv names = {0};
	WH_AUTO_STRV struct wh_strv kinds = {0};
	WH_AUTO_FD int blobs = -1;
	int r = list(c, c->dir, "the directory", &names, err);

	for (size_t i = 0; i < names.n && r == 0; i++) {
		bool known = false;

		for (size_t k = 0; k < WH_ARRAY_SIZE(top); k++)
			known |= strcmp(names.v[i], top[k]) == 0;
		if (!known)
			r = bad(c, err, "%.100s is no part of an image layout, and nothing vouches for it", names.v[i]);
	}
	if (r < 0)
		return r;
	blobs = wh_openat(c->dir, "blobs", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (blobs < 0)
		return bad(c, err, "blobs is no directory");
	r = list(c, blobs, "blobs", &kinds, err);
	for (size_t i = 0; i < kinds.n && r == 0; i++)
		if (strcmp(kinds.v[i], "sha256") != 0)
			r = bad(c, err, "blobs/%.100s: only sha256 digests can be checked", kinds.v[i]);
	if (r < 0)
		return r;
	c->blobs = wh_openat(blobs, "sha256", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	return c->blobs < 0 ? bad(c, err, "blobs/sha256 is no directory") : 0;
}

/* ---------------------------------------------------------------- documents */

static int read_json(struct check *c, int dir, const char *name, size_t max, json_t **ret, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_FD int fd = -1;
	uint64_t size;
	int r;

	fd = open_file(c, dir, name, &size, err);
	if (fd < 0)
		return fd;
	r = wh_read_fd(fd, max, &buf);
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "%s: read %s", c->path, name);
	r = wh_document_parse(buf.p, buf.n, name, ret, err);
	if (r < 0)
		wh_err_wrap(err, "%s", c->path);
	return r < 0 ? -EBADMSG : 0;
}

/* The first key that is not in the list, or NULL. */
static const char *stranger(const json_t *o, const char *const *known)
{
	const char *key;
	json_t *v;

	json_object_foreach ((json_t *)(uintptr_t)o, key, v) {
		const char *const *k = known;

		while (*k && strcmp(*k, key) != 0)
			k++;
		if (!*k)
			return key;
	}
	return NULL;
}

static int check_version(struct check *c, struct wh_err **err)
{
	static const char *const keys[] = {"imageLayoutVersion", NULL};
	WH_AUTO_JSON json_t *o = NULL;
	int r = read_json(c, c->dir, "oci-layout", 4096, &o, err);

	if (r < 0)
		return r;
	if (!json_is_object(o) || stranger(o, keys) || !wh_streq(wh_json_str(o, "imageLayoutVersion"), "1.0.0"))
		return bad(c, err, "oci-layout says something else than that this is an image layout, version 1.0.0");
	return 0;
}

static bool known_type(const char *mt)
{
	static const char *const types[] = {WH_MT_MANIFEST, WH_MT_INDEX, WH_MT_DOCKER_MANIFEST, WH_MT_DOCKER_LIST};

	for (size_t i = 0; i < WH_ARRAY_SIZE(types); i++)
		if (strcmp(mt, types[i]) == 0)
			return true;
	return false;
}

/* What a descriptor says of its document's platform: as the config has it. */
static int check_platform(struct check *c, const json_t *p, const json_t *config, const char *hex, struct wh_err **err)
{
	static const char *const keys[] = {"architecture", "os", "os.version", "os.features", "variant", NULL};
	const char *odd;

	if (!json_is_object(p))
		return bad(c, err, "index.json: the platform of %.12s… is no object", hex);
	odd = stranger(p, keys);
	if (odd)
		return bad(c, err, "index.json: \"%.60s\" in the platform of %.12s…", odd, hex);
	for (size_t i = 0; keys[i]; i++) {
		const json_t *v = json_object_get(p, keys[i]);

		if (v && !json_equal(v, json_object_get(config, keys[i])))
			return bad(c, err, "index.json: the %s of %.12s… is not its config's", keys[i], hex);
	}
	return 0;
}

/* "sha256-HEX.sig" and "sha256-HEX.att" follow from what is in them; HEX must be here, or the tag is a slip. */
static int check_tag(struct check *c, const char *tag, const struct wh_artifact_manifest *m, const char *hex,
		     struct wh_err **err)
{
	static const struct {
		const char *layer, *kind;
	} kinds[] = {
		{"application/vnd.dev.cosign.simplesigning.v1+json", "sig"},
		{"application/vnd.dsse.envelope.v1+json", "att"},
	};
	struct wh_digest about;
	struct stat st;
	char text[65];

	for (size_t i = 0; i < WH_ARRAY_SIZE(kinds); i++) {
		if (m->n == 0 || strcmp(m->layers[0].media_type, kinds[i].layer) != 0)
			continue;
		if (!wh_artifact_tag_parse(tag, &about) || strcmp(strrchr(tag, '.') + 1, kinds[i].kind) != 0)
			return bad(c, err, "index.json: %.12s… is a .%s, but its tag is not", hex, kinds[i].kind);
		if (fstatat(c->blobs, wh_digest_hex(&about, text), &st, AT_SYMLINK_NOFOLLOW) < 0)
			return bad(c, err, "index.json: the tag of %.12s… is about an image that is not here", hex);
		return 0;
	}
	if (wh_artifact_tag_parse(tag, NULL))
		return bad(c, err, "index.json: %.12s… has the tag of a signature, but is none", hex);
	return 0;
}

/* The two annotations that name an image have to agree. */
static int check_image_name(struct check *c, const json_t *an, const char *hex, struct wh_err **err)
{
	const char *ref = wh_json_str(an, WH_AN_REF_NAME), *name = wh_json_str(an, WH_AN_IMAGE_NAME);

	if (ref && name && strcmp(ref, name) != 0 && strcmp(ref, wh_reference_tag(name)) != 0)
		return bad(c, err, "index.json: the two names of %.12s… do not agree", hex);
	return 0;
}

static int check_annotations(struct check *c, const json_t *an, const struct wh_artifact_manifest *m, const char *hex,
			     struct wh_err **err)
{
	const json_t *own = json_object_get(m->doc, "annotations");
	const char *key;
	json_t *v;

	if (an && !json_is_object(an))
		return bad(c, err, "index.json: the annotations of %.12s… are no object", hex);
	json_object_foreach ((json_t *)(uintptr_t)an, key, v) {
		if (strcmp(key, WH_AN_REF_NAME) == 0 || strcmp(key, WH_AN_IMAGE_NAME) == 0) {
			if (!json_is_string(v))
				return bad(c, err, "index.json: a name of %.12s… is no text", hex);
		} else if (!json_equal(v, json_object_get(own, key))) {
			return bad(c, err, "index.json: %.12s… has an annotation \"%.60s\" that its manifest has not",
				   hex, key);
		}
	}
	return 0;
}

static int check_manifest(struct check *c, const json_t *d, const char *hex, struct wh_err **err)
{
	WH_CLEANUP(wh_artifact_manifest_release) struct wh_artifact_manifest m = {0};
	const json_t *an = json_object_get(d, "annotations");
	const char *type = wh_json_str(d, "artifactType");
	WH_AUTO_JSON json_t *doc = NULL;
	WH_AUTO_JSON json_t *config = NULL;
	char text[65];
	int r = read_json(c, c->blobs, hex, WH_MANIFEST_MAX, &doc, err);

	if (r == 0)
		r = wh_artifact_manifest_judge(json_incref(doc), hex, &m, err);
	if (r < 0)
		return r;
	if (type && !wh_streq(type, m.artifact_type))
		return bad(c, err, "index.json: the artifact type of %.12s… is not its manifest's", hex);
	/* Who looks for images passes over what has a type: an image must not hide so. */
	if (type && (strcmp(type, WH_MT_CONFIG) == 0 || strcmp(type, WH_MT_DOCKER_CONFIG) == 0))
		return bad(c, err, "index.json: the image %.12s… is said to be an artifact", hex);
	if (json_object_get(d, "artifactType") && !type)
		return bad(c, err, "index.json: the artifact type of %.12s… is no text", hex);
	if (json_object_get(d, "platform")) {
		r = read_json(c, c->blobs, wh_digest_hex(&m.config.digest, text), WH_CONFIG_MAX, &config, err);
		if (r == 0)
			r = check_platform(c, json_object_get(d, "platform"), config, hex, err);
	}
	if (r == 0)
		r = check_annotations(c, an, &m, hex, err);
	if (r == 0)
		r = check_tag(c, wh_json_str(an, WH_AN_REF_NAME), &m, hex, err);
	return r < 0 ? r : check_image_name(c, an, hex, err);
}

/* What an index says of an image's platform decides who runs it: as the image's config has it. Labels leave out what goes without
 * saying, and configs do. */
static int check_label(struct check *c, const json_t *d, const char *hex, struct wh_err **err)
{
	static const char *const keys[] = {"os.version", "os.features"};
	WH_CLEANUP(wh_artifact_manifest_release) struct wh_artifact_manifest m = {0};
	const json_t *p = json_object_get(d, "platform");
	WH_AUTO_JSON json_t *config = NULL;
	struct wh_platform said, is;
	json_t *doc = NULL;
	char text[65];
	int r;

	wh_platform_from_json(p, &said);
	/* "unknown" suits nobody: what is no image is labelled so. */
	if (!p || (strcmp(said.os, "unknown") == 0 && strcmp(said.arch, "unknown") == 0))
		return 0;
	r = read_json(c, c->blobs, hex, WH_MANIFEST_MAX, &doc, err);
	if (r == 0)
		r = wh_artifact_manifest_judge(doc, hex, &m, err);
	if (r == 0)
		r = read_json(c, c->blobs, wh_digest_hex(&m.config.digest, text), WH_CONFIG_MAX, &config, err);
	if (r < 0)
		return r;
	wh_platform_from_json(config, &is);
	if (strcmp(said.os, is.os) != 0 || strcmp(said.arch, is.arch) != 0 || strcmp(said.variant, is.variant) != 0) {
		WH_AUTO_FREE char *a = wh_platform_text(&said), *b = wh_platform_text(&is);

		return bad(c, err, "an index says %.12s… is for %.60s, its config %.60s", hex, a, b);
	}
	for (size_t i = 0; i < WH_ARRAY_SIZE(keys); i++) {
		const json_t *v = json_object_get(p, keys[i]), *own = json_object_get(config, keys[i]);

		if (v && own && !json_equal(v, own))
			return bad(c, err, "an index says another %s of %.12s… than its config", keys[i], hex);
	}
	return 0;
}

static int check_below(struct check *c, const json_t *index, unsigned depth, struct wh_err **err);

/* A descriptor in an index that has a digest. What it names need not be here: then nobody can run it from here. */
static int check_entry(struct check *c, const json_t *o, unsigned depth, struct wh_err **err)
{
	WH_CLEANUP(wh_descriptor_release) struct wh_descriptor d = {0};
	WH_AUTO_JSON json_t *doc = NULL;
	struct stat st;
	char hex[65];
	int r = wh_descriptor_parse(o, "an index", &d, err);

	if (r < 0) {
		wh_err_wrap(err, "%s", c->path);
		return r;
	}
	wh_digest_hex(&d.digest, hex);
	if (++c->documents > DOCUMENTS_MAX)
		return bad(c, err, "more than %d documents have to be read", DOCUMENTS_MAX);
	if (!known_type(d.media_type) || fstatat(c->blobs, hex, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	if ((uint64_t)st.st_size != d.size)
		return bad(c, err, "%.12s… has %llu bytes, an index says %llu", hex, (unsigned long long)st.st_size,
			   (unsigned long long)d.size);
	if (strcmp(d.media_type, WH_MT_INDEX) != 0 && strcmp(d.media_type, WH_MT_DOCKER_LIST) != 0)
		return check_label(c, o, hex, err);
	r = read_json(c, c->blobs, hex, WH_MANIFEST_MAX, &doc, err);
	return r < 0 ? r : check_below(c, doc, depth + 1, err);
}

static int check_below(struct check *c, const json_t *index, unsigned depth, struct wh_err **err)
{
	const json_t *ms = json_object_get(index, "manifests");
	int r = depth > DEPTH_MAX ? bad(c, err, "indexes are nested too deeply") : 0;

	for (size_t i = 0; i < json_array_size(ms) && r == 0; i++)
		r = check_entry(c, json_array_get(ms, i), depth, err);
	return r;
}

/* An index below index.json: what that says of the index's platform or in annotations has nothing to be compared with. */
static int check_nested(struct check *c, const json_t *d, const char *hex, struct wh_err **err)
{
	WH_CLEANUP(wh_artifact_manifest_release) struct wh_artifact_manifest m = {0};
	const json_t *an = json_object_get(d, "annotations");
	int r = read_json(c, c->blobs, hex, WH_MANIFEST_MAX, &m.doc, err);

	if (r < 0)
		return r;
	if (!json_is_array(json_object_get(m.doc, "manifests")))
		return bad(c, err, "index.json: %.12s… is not the index that it is said to be", hex);
	if (json_object_get(d, "platform") || json_object_get(d, "artifactType"))
		return bad(c, err, "index.json: a platform or type of the index %.12s…, which nothing vouches for",
			   hex);
	r = check_annotations(c, an, &m, hex, err);
	if (r == 0)
		r = check_image_name(c, an, hex, err);
	return r < 0 ? r : check_below(c, m.doc, 1, err);
}

static int check_descriptor(struct check *c, const json_t *o, struct wh_err **err)
{
	static const char *const keys[] = {"mediaType",    "digest",      "size", "platform",
					   "artifactType", "annotations", NULL};
	WH_CLEANUP(wh_descriptor_release) struct wh_descriptor d = {0};
	WH_AUTO_JSON json_t *doc = NULL;
	const char *odd, *own;
	uint64_t size;
	WH_AUTO_FD int fd = -1;
	char hex[65];
	int r = wh_descriptor_parse(o, "index.json", &d, err);

	if (r < 0) {
		wh_err_wrap(err, "%s", c->path);
		return r;
	}
	wh_digest_hex(&d.digest, hex);
	odd = stranger(o, keys);
	if (odd)
		return bad(c, err, "index.json: \"%.60s\" in the descriptor of %.12s…, which nothing vouches for", odd,
			   hex);
	fd = open_file(c, c->blobs, hex, &size, err);
	if (fd < 0)
		return fd;
	if (size != d.size)
		return bad(c, err, "index.json: %.12s… has %llu bytes, its descriptor says %llu", hex,
			   (unsigned long long)size, (unsigned long long)d.size);
	if (!known_type(d.media_type))
		return bad(c, err, "index.json: %.12s… is said to be \"%.100s\", which is no manifest", hex,
			   d.media_type);
	r = read_json(c, c->blobs, hex, WH_MANIFEST_MAX, &doc, err);
	if (r < 0)
		return r;
	own = wh_json_str(doc, "mediaType");
	if (own && strcmp(own, d.media_type) != 0)
		return bad(c, err, "index.json: the media type of %.12s… is not its own", hex);
	return strcmp(d.media_type, WH_MT_INDEX) == 0 || strcmp(d.media_type, WH_MT_DOCKER_LIST) == 0
		       ? check_nested(c, o, hex, err)
		       : check_manifest(c, o, hex, err);
}

/* One name, one image: of two, each reader takes another. "shop:1" and "docker.io/library/shop:1" are one name. */
static int check_name_once(struct check *c, json_t *seen, const char *name, const char *digest, struct wh_err **err)
{
	WH_AUTO_FREE char *full = NULL;
	const char *other;

	if (strpbrk(name, "/:") && wh_reference_normalize(name, &full, NULL) == 0)
		name = full;
	other = wh_json_str(seen, name);
	if (other && strcmp(other, digest) != 0)
		return bad(c, err, "index.json: two images have the name \"%.200s\"", name);
	json_object_set_new(seen, name, json_string(digest));
	return 0;
}

static int check_names_once(struct check *c, const json_t *manifests, struct wh_err **err)
{
	static const char *const keys[] = {WH_AN_REF_NAME, WH_AN_IMAGE_NAME};
	WH_AUTO_JSON json_t *seen = json_object();
	int r = 0;

	for (size_t i = 0; i < json_array_size(manifests); i++) {
		const json_t *d = json_array_get(manifests, i);

		for (size_t k = 0; k < WH_ARRAY_SIZE(keys) && r == 0; k++) {
			const char *name = wh_json_str(json_object_get(d, "annotations"), keys[k]);

			if (name)
				r = check_name_once(c, seen, name, wh_json_str(d, "digest"), err);
		}
	}
	return r;
}

static int check_index(struct check *c, struct wh_err **err)
{
	static const char *const keys[] = {"schemaVersion", "mediaType", "manifests", NULL};
	WH_AUTO_JSON json_t *o = NULL;
	const json_t *ms;
	const char *odd;
	int r = read_json(c, c->dir, "index.json", WH_MANIFEST_MAX, &o, err);

	if (r < 0)
		return r;
	ms = json_object_get(o, "manifests");
	if (!json_is_array(ms) || wh_json_int(o, "schemaVersion", 0) != 2)
		return bad(c, err, "index.json is no image index of schema version 2");
	if (json_object_get(o, "mediaType") && !wh_streq(wh_json_str(o, "mediaType"), WH_MT_INDEX))
		return bad(c, err, "index.json: its media type is not an image index's");
	odd = stranger(o, keys);
	if (odd)
		return bad(c, err, "index.json: \"%.60s\", which nothing vouches for", odd);
	for (size_t i = 0; i < json_array_size(ms) && r == 0; i++)
		r = check_descriptor(c, json_array_get(ms, i), err);
	return r < 0 ? r : check_names_once(c, ms, err);
}

int wh_layout_check(const char *dir, struct wh_err **err)
{
	struct check c = {.path = dir, .blobs = -1};
	int r;

	c.dir = wh_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
	if (c.dir < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, -c.dir, "open %s", dir);
	r = check_names(&c, err);
	if (r == 0)
		r = check_version(&c, err);
	if (r == 0)
		r = check_blobs(&c, err);
	if (r == 0)
		r = check_index(&c, err);
	wh_closep(&c.blobs);
	wh_closep(&c.dir);
	return r;
}
