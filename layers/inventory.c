/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What images the store has. Documents are read as they lie there, and nothing counts as used by being listed: an image
 * that nobody needs must not live on because somebody looks at the list every day.
 */
#include "layers/artifact_private.h"
#include "layers/image_private.h"
#include "layers/store_private.h"

#include <dirent.h>
#include <errno.h>

#define ID_MIN 4 /* digits that an id must have at least */
#define HEX_DIGITS "0123456789abcdef"

static void stored_release(struct wh_stored *e)
{
	free(e->name);
	free(e->damaged);
	free(e->origin);
	free(e->created);
	wh_strv_release(&e->platforms);
	free(e->parts);
}

void wh_inventory_release(struct wh_inventory *l)
{
	for (size_t i = 0; i < l->n; i++)
		stored_release(&l->v[i]);
	free(l->v);
	*l = (struct wh_inventory){0};
}

/* ---------------------------------------------------------------- documents */

/* Verified. Its digest is its name, so what cannot be read or is another document says so. */
static int read_document(const struct wh_store *s, const struct wh_digest *d, size_t max, json_t **ret, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	struct wh_digest got;
	char hex[65];
	int r = wh_read_regular(s->blobs_fd, wh_digest_hex(d, hex), max, &b);

	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "read %s/blobs/sha256/%s", s->path, hex);
	wh_digest_of(b.p, b.n, &got);
	if (!wh_digest_eq(&got, d))
		return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "damaged: the content of %s/blobs/sha256/%s is not what its name says",
				  s->path, hex);
	r = wh_document_parse(b.p ? b.p : "", b.n, hex, ret, err);
	if (r == 0 && !json_is_object(*ret)) {
		json_decref(*ret);
		*ret = NULL;
		return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "%s is no JSON object", hex);
	}
	return r;
}

static bool digest_in(const json_t *descriptor, struct wh_digest *ret)
{
	const char *text = wh_json_str(descriptor, "digest");

	return text && wh_digest_parse(text, ret);
}

static void add_platform(struct wh_stored *e, const json_t *o)
{
	WH_AUTO_FREE char *text = NULL;
	struct wh_platform p;

	wh_platform_from_json(o, &p);
	if (!p.os[0] || !p.arch[0])
		return;
	text = wh_platform_text(&p);
	if (!wh_strv_has(&e->platforms, text))
		wh_strv_add(&e->platforms, text);
}

/* Sums over layers; platform: what an index says of it, or NULL. */
static int add_image(const struct wh_store *s, struct wh_stored *e, const json_t *m, const json_t *platform, struct wh_err **err)
{
	WH_AUTO_JSON json_t *config = NULL;
	const json_t *layers = json_object_get(m, "layers"), *l;
	const char *created;
	struct wh_digest d;
	size_t i;
	int r;

	if (!digest_in(json_object_get(m, "config"), &d))
		return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "its manifest has no config");
	r = read_document(s, &d, WH_CONFIG_MAX, &config, err);
	if (r < 0)
		return r;
	if (!e->index)
		e->id = d;
	created = wh_json_str(config, "created");
	if (created && (!e->created || strcmp(created, e->created) > 0)) {
		free(e->created);
		e->created = wh_strdup(created);
	}
	add_platform(e, platform && wh_json_str(platform, "architecture") ? platform : config);
	json_array_foreach (layers, i, l) {
		int64_t size = wh_json_int(l, "size", 0);
		char hex[65];

		if (size < 0 || i >= WH_LAYERS_MAX || !digest_in(l, &d) || __builtin_add_overflow(e->size, (uint64_t)size, &e->size))
			return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "its manifest has no good list of layers");
		if (faccessat(s->blobs_fd, wh_digest_hex(&d, hex), F_OK, AT_SYMLINK_NOFOLLOW) == 0)
			e->here += (uint64_t)size;
	}
	return 0;
}

static int add_parts(const struct wh_store *s, struct wh_stored *e, const json_t *index, struct wh_err **err)
{
	const json_t *list = json_object_get(index, "manifests"), *o;
	size_t i;
	int r = 0;

	json_array_foreach (list, i, o) {
		WH_AUTO_JSON json_t *m = NULL;
		struct wh_digest d;
		char hex[65];

		if (wh_image_is_attachment(o) || !digest_in(o, &d))
			continue;
		if (faccessat(s->blobs_fd, wh_digest_hex(&d, hex), F_OK, AT_SYMLINK_NOFOLLOW) < 0)
			continue; /* of an index, what is not for this machine may be elsewhere */
		WH_PUSH(e->parts, e->n_parts, e->cap_parts) = d;
		r = read_document(s, &d, WH_MANIFEST_MAX, &m, err);
		if (r == 0)
			r = add_image(s, e, m, json_object_get(o, "platform"), err);
		if (r < 0)
			break;
	}
	return r;
}

/* Where what is missing is: layers of one base mostly, so one place stands for all. */
static void find_origin(const struct wh_store *s, struct wh_stored *e)
{
	for (size_t i = 0; i <= e->n_parts && !e->origin; i++) {
		WH_AUTO_JSON json_t *origins = wh_origins_read(s, i ? &e->parts[i - 1] : &e->manifest);
		const char *digest;
		json_t *where;

		json_object_foreach (origins, digest, where) {
			const char *text = json_string_value(where);
			struct wh_digest d;
			char hex[65];

			if (!e->origin && text && wh_has_prefix(text, WH_ORIGIN_REGISTRY) && wh_digest_parse(digest, &d) &&
			    faccessat(s->blobs_fd, wh_digest_hex(&d, hex), F_OK, AT_SYMLINK_NOFOLLOW) < 0)
				e->origin = wh_strdup(text + strlen(WH_ORIGIN_REGISTRY));
		}
	}
}

static void describe(const struct wh_store *s, struct wh_stored *e)
{
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_JSON json_t *m = NULL;
	struct stat st;
	char hex[65];
	int r;

	e->id = e->manifest;
	if (fstatat(s->blobs_fd, wh_digest_hex(&e->manifest, hex), &st, AT_SYMLINK_NOFOLLOW) == 0)
		e->used = st.st_mtim.tv_sec;
	r = read_document(s, &e->manifest, WH_MANIFEST_MAX, &m, &err);
	if (r == 0) {
		const char *mt = wh_json_str(m, "mediaType");

		e->index = json_is_array(json_object_get(m, "manifests"));
		if (e->index)
			e->media_type = mt && strcmp(mt, WH_MT_DOCKER_LIST) == 0 ? WH_MT_DOCKER_LIST : WH_MT_INDEX;
		else
			e->media_type = mt && strcmp(mt, WH_MT_DOCKER_MANIFEST) == 0 ? WH_MT_DOCKER_MANIFEST : NULL;
		r = e->index ? add_parts(s, e, m, &err) : add_image(s, e, m, NULL, &err);
	}
	if (e->here < e->size)
		find_origin(s, e);
	if (r < 0)
		e->damaged = wh_strdup(err ? err->msg : "it cannot be read");
}

/* ---------------------------------------------------------------- with names */

struct seen { /* digests */
	struct wh_digest *v;
	size_t n, cap;
};

static int by_digest(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct wh_digest));
}

static bool has(const struct seen *l, const struct wh_digest *d)
{
	return l->n && bsearch(d, l->v, l->n, sizeof(*l->v), by_digest);
}

static void sort(struct seen *l)
{
	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), by_digest);
}

static void add_named(const struct wh_store *s, const json_t *entries, struct wh_inventory *ret, struct seen *known)
{
	const json_t *o;
	size_t i;

	json_array_foreach (entries, i, o) {
		const json_t *an = json_object_get(o, "annotations");
		const char *name = wh_json_str(an, WH_AN_IMAGE_NAME);
		struct wh_stored *e;
		struct wh_digest d;

		if (!digest_in(o, &d))
			continue;
		WH_PUSH(known->v, known->n, known->cap) = d;
		if (wh_index_entry_is_artifact(o) || !name)
			continue;
		e = &WH_PUSH(ret->v, ret->n, ret->cap);
		*e = (struct wh_stored){.name = wh_strdup(name), .manifest = d};
		describe(s, e);
	}
}

/* ---------------------------------------------------------------- without */

static bool all_layers(const json_t *list)
{
	const json_t *o;
	size_t i;

	json_array_foreach (list, i, o) {
		const char *mt = wh_json_str(o, "mediaType");

		if (!mt || (!wh_has_prefix(mt, "application/vnd.oci.image.layer.") && !wh_has_prefix(mt, "application/vnd.docker.image.rootfs.")))
			return false;
	}
	return true;
}

/* An index or the manifest of an image; not an artifact's. */
static bool is_image(const json_t *o)
{
	const char *type = wh_json_str(json_object_get(o, "config"), "mediaType");

	if (json_object_get(o, "subject") || json_object_get(o, "artifactType"))
		return false;
	if (json_is_array(json_object_get(o, "manifests")))
		return true;
	return json_is_array(json_object_get(o, "layers")) && type && (strcmp(type, WH_MT_CONFIG) == 0 || strcmp(type, WH_MT_DOCKER_CONFIG) == 0) &&
	       all_layers(json_object_get(o, "layers"));
}

/* What begins as a JSON object does: layers are larger, and most of what is in a store. */
static json_t *peek(const struct wh_store *s, const char *hex)
{
	WH_AUTO_FD int fd = wh_openat(s->blobs_fd, hex, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	json_t *o = NULL;
	char first;

	if (fd < 0 || pread(fd, &first, 1, 0) != 1 || first != '{' || wh_read_fd(fd, WH_MANIFEST_MAX, &b) < 0 ||
	    wh_document_parse(b.p, b.n, hex, &o, NULL) < 0)
		return NULL;
	if (json_is_object(o) && is_image(o))
		return o;
	json_decref(o);
	return NULL;
}

static void add_below(const json_t *index, struct seen *below)
{
	const json_t *list = json_object_get(index, "manifests"), *o;
	struct wh_digest d;
	size_t i;

	json_array_foreach (list, i, o)
		if (digest_in(o, &d))
			WH_PUSH(below->v, below->n, below->cap) = d;
}

static int add_nameless(const struct wh_store *s, const struct seen *known, struct wh_inventory *ret, struct wh_err **err)
{
	int fd = wh_openat(s->blobs_fd, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct seen found = {0}, below = {0};
	const struct dirent *de;

	if (!dir) {
		int r = errno;

		if (fd >= 0)
			close(fd);
		return wh_err_sys(err, "layers", WH_ERR_ENV, fd < 0 ? -fd : r, "list %s/blobs/sha256", s->path);
	}
	while ((de = readdir(dir))) {
		WH_AUTO_JSON json_t *o = NULL;
		struct wh_digest d;

		if (!wh_digest_parse_hex(de->d_name, &d))
			continue;
		o = peek(s, de->d_name);
		add_below(o, &below);
		if (o && !has(known, &d))
			WH_PUSH(found.v, found.n, found.cap) = d;
	}
	closedir(dir);
	sort(&found);
	sort(&below);
	for (size_t i = 0; i < found.n; i++) {
		struct wh_stored *e = &WH_PUSH(ret->v, ret->n, ret->cap);

		*e = (struct wh_stored){.manifest = found.v[i], .part = has(&below, &found.v[i])};
		describe(s, e);
	}
	free(found.v);
	free(below.v);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	const struct wh_stored *x = a, *y = b;

	if (x->name && y->name)
		return strcmp(x->name, y->name);
	if (x->name || y->name)
		return x->name ? -1 : 1;
	return by_digest(&x->manifest, &y->manifest);
}

int wh_inventory_read(struct wh_store *s, bool all, struct wh_inventory *ret, struct wh_err **err)
{
	WH_AUTO_JSON json_t *entries = NULL;
	struct wh_inventory l = {0};
	struct seen known = {0};
	int r = wh_store_names(s, &entries, err);

	if (r == 0) {
		add_named(s, entries, &l, &known);
		sort(&known);
	}
	if (r == 0 && all)
		r = add_nameless(s, &known, &l, err);
	free(known.v);
	if (r < 0) {
		wh_inventory_release(&l);
		return r;
	}
	if (l.n)
		qsort(l.v, l.n, sizeof(*l.v), by_name);
	*ret = l;
	return 0;
}

/* ---------------------------------------------------------------- by name or id */

bool wh_image_id_like(const char *text)
{
	size_t n;

	if (wh_has_prefix(text, "sha256:"))
		text += strlen("sha256:");
	n = strspn(text, HEX_DIGITS);
	return n >= ID_MIN && n <= 64 && !text[n];
}

static bool begins(const struct wh_digest *d, const char *digits)
{
	char hex[65];

	return wh_has_prefix(wh_digest_hex(d, hex), digits);
}

static int by_id(const struct wh_inventory *l, const char *ref, const struct wh_stored **ret, struct wh_err **err)
{
	const char *digits = wh_has_prefix(ref, "sha256:") ? ref + strlen("sha256:") : ref;
	const struct wh_stored *hit = NULL;

	/* One config under several manifests is one image. Those with names come first. */
	for (size_t i = 0; i < l->n; i++) {
		const struct wh_stored *e = &l->v[i];
		char first[WH_DIGEST_TEXT], second[WH_DIGEST_TEXT];
		int r;

		if (!begins(&e->manifest, digits) && !begins(&e->id, digits))
			continue;
		if (!hit || (hit->part && !e->part && wh_digest_eq(&hit->id, &e->id))) {
			hit = e;
			continue;
		}
		if (wh_digest_eq(&hit->id, &e->id))
			continue;
		r = wh_err_set(err, "layers", WH_ERR_USAGE, EEXIST, "the id \"%s\" is that of several images", ref);
		wh_err_hint(err, "%s and %s, at least: say more digits", wh_digest_text(&hit->id, first), wh_digest_text(&e->id, second));
		return r;
	}
	if (!hit)
		return -ENOENT;
	*ret = hit;
	return 0;
}

int wh_inventory_find(const struct wh_inventory *l, const char *ref, const struct wh_stored **ret, bool *ret_by_id, struct wh_err **err)
{
	WH_AUTO_FREE char *name = NULL;
	int r;

	if (!wh_has_prefix(ref, "sha256:") && wh_reference_normalize(ref, &name, NULL) == 0)
		for (size_t i = 0; i < l->n; i++)
			if (wh_streq(l->v[i].name, name)) {
				*ret = &l->v[i];
				*ret_by_id = false;
				return 0;
			}
	if (!wh_image_id_like(ref))
		return -ENOENT;
	r = by_id(l, ref, ret, err);
	if (r == 0)
		*ret_by_id = true;
	return r;
}

/* ---------------------------------------------------------------- a name that is not there */

#define NEAR_MAX 5

/* As in "host:5000/shop:1": what is before the tag. */
static size_t repository_length(const char *full)
{
	const char *slash = strrchr(full, '/'), *colon = strchr(slash ? slash : full, ':');

	return colon ? (size_t)(colon - full) : strlen(full);
}

void wh_store_hint_near(struct wh_store *s, const char *ref, struct wh_err **err)
{
	WH_AUTO_FREE char *full = NULL, *word = NULL;
	WH_AUTO_JSON json_t *entries = NULL;
	WH_AUTO_BUF struct wh_buf same = WH_BUF_INIT;
	WH_AUTO_STRV struct wh_strv all = {0};
	const char *near;
	size_t hits = 0;

	if (wh_reference_normalize(ref, &full, NULL) < 0 || wh_store_names(s, &entries, NULL) < 0)
		return;
	word = wh_reference_familiar(full);
	for (size_t i = 0; i < json_array_size(entries); i++) {
		const json_t *o = json_array_get(entries, i);
		const char *have = wh_json_str(json_object_get(o, "annotations"), WH_AN_IMAGE_NAME);
		size_t n = have ? repository_length(have) : 0;

		if (!have || wh_index_entry_is_artifact(o))
			continue;
		wh_strv_take(&all, wh_reference_familiar(have));
		if (n == repository_length(full) && memcmp(have, full, n) == 0 && hits++ < NEAR_MAX)
			wh_buf_addf(&same, "%s%s", same.n ? ", " : "", all.v[all.n - 1]);
	}
	near = all.n ? wh_nearest(word, (const char *const *)all.v, all.n) : NULL;
	if (same.n)
		wh_err_hint(err, "the store has %s%s", same.p, hits > NEAR_MAX ? " …" : "");
	else if (near)
		wh_err_hint(err, "did you mean %s?", near);
}

/* ---------------------------------------------------------------- names go */

int wh_store_untag(struct wh_store *s, const char *name, struct wh_err **err)
{
	WH_AUTO_JSON json_t *entries = NULL;
	WH_AUTO_FREE char *full = NULL;
	WH_AUTO_FD int lock = -1;
	size_t gone = 0;
	int r = wh_reference_normalize(name, &full, err);

	if (r < 0)
		return r;
	r = lock = wh_store_lock(s, "index", err);
	if (r >= 0)
		r = wh_store_names(s, &entries, err);
	if (r < 0)
		return r;
	for (size_t i = json_array_size(entries); i-- > 0;) {
		const json_t *o = json_array_get(entries, i);

		if (wh_index_entry_is_artifact(o) || !wh_streq(wh_json_str(json_object_get(o, "annotations"), WH_AN_IMAGE_NAME), full))
			continue;
		json_array_remove(entries, i);
		gone++;
	}
	if (!gone) {
		wh_err_set(err, "layers", WH_ERR_BUILD, ENOENT, "image %s: it is not in the store", name);
		wh_store_hint_near(s, full, err);
		return -ENOENT;
	}
	return wh_store_names_write(s, entries, err);
}

/* ---------------------------------------------------------------- how large layers are */

int wh_layer_unpacked(struct wh_store *s, const struct wh_layer *l, uint64_t *ret, struct wh_err **err)
{
	struct wh_xattr xs[WH_MAX_XATTRS];
	struct wh_index *x = NULL;
	uint64_t sum = 0;
	int r;

	if (!wh_layer_at_hand(s, l))
		return -ENOENT;
	r = wh_index_open(s, l, &x, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < wh_index_count(x) && r == 0; i++) {
		struct wh_entry e;

		r = wh_index_at(x, i, &e, xs);
		if (r == 0 && e.type == WH_T_FILE)
			sum += e.size;
		else if (r == 0 && e.type == WH_T_SYMLINK)
			sum += strlen(e.link);
	}
	wh_index_close(x);
	if (r < 0) {
		char text[WH_DIGEST_TEXT];

		return wh_err_set(err, "layers", WH_ERR_ENV, -r, "damaged: the index of layer %s", wh_digest_text(&l->diff_id, text));
	}
	*ret = sum;
	return 0;
}
