/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An image as an OCI layout of its own: a directory, or one tar. The tar's
 * members come in a fixed order with fixed attributes. Every blob is hashed on
 * the way, those of the store too: disks fail, and nobody else looks again.
 * Before anything is written, layers that nobody has read yet are read, so
 * that no image leaves whose layers are not what its config says.
 */
#include "layers/artifact_private.h"
#include "layers/export_private.h"
#include "layers/image_private.h"
#include "layers/store_private.h"
#include "layers/tar_private.h"

#include <dirent.h>
#include <errno.h>
#include <sys/file.h>

static bool is_about(const struct wh_artifact *a, const struct wh_image *i)
{
	bool found = wh_digest_eq(&a->subject, &i->manifest);

	for (size_t k = 0; k < i->n_parts && !found; k++)
		found = is_about(a, &i->parts[k]);
	return found;
}

static bool is_about_one(const struct wh_artifact *a, const struct wh_exporting *e)
{
	bool found = false;

	for (size_t k = 0; k < e->n_items && !found; k++)
		found = is_about(a, e->items[k].image);
	return found;
}

static bool settled_before(const struct wh_artifacts *l, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (wh_digest_eq(&l->v[k].subject, &l->v[i].subject))
			return true;
	return false;
}

/* What an existing layout has of an image's artifacts joins ours, which may replace some of it. */
static int settle_artifacts(struct wh_exporting *e, struct wh_err **err)
{
	const struct wh_artifacts *l = e->x->artifacts;
	WH_AUTO_FREE char *index = e->x->tar ? NULL : wh_asprintf("%s/index.json", e->x->dest);
	bool exists = index && access(index, F_OK) == 0;
	int r = 0;

	for (size_t k = 0; l && k < l->n && r == 0; k++) {
		WH_CLEANUP(wh_artifacts_release) struct wh_artifacts there = {0};

		if (e->n_items && !is_about_one(&l->v[k], e))
			return wh_err_set(err, "layers", WH_ERR_INTERNAL, EINVAL, "an artifact of another image");
		if (settled_before(l, k))
			continue;
		if (exists)
			r = wh_artifacts_in_layout(e->s, e->x->dest, &l->v[k].subject, true, &there, err);
		if (r == 0)
			r = wh_artifacts_settle(e->s, &there, l, &l->v[k].subject, true, &e->attached, err);
	}
	return r;
}

/* Their manifests and what those name; all of it is in the store. */
static int collect_artifacts(struct wh_exporting *e, struct wh_err **err)
{
	for (size_t k = 0; k < e->attached.put.n; k++) {
		WH_CLEANUP(wh_artifact_manifest_release) struct wh_artifact_manifest m = {0};
		const struct wh_artifact *a = &e->attached.put.v[k];
		int r = wh_artifact_manifest_read(e->s, a, &m, err);

		if (r < 0)
			return r;
		wh_exporting_add(e, &a->manifest.digest, a->manifest.size, NULL);
		wh_exporting_add(e, &m.config.digest, m.config.size, NULL);
		for (size_t l = 0; l < m.n; l++)
			wh_exporting_add(e, &m.layers[l].digest, m.layers[l].size, NULL);
	}
	return 0;
}

/* Of images and artifacts, or of artifacts alone. */
static int collect_blobs(struct wh_exporting *e, struct wh_err **err)
{
	int r = 0;

	for (size_t k = 0; k < e->n_items && r == 0; k++)
		r = wh_exporting_add_image(e, e->items[k].image, true, err);
	if (r == 0)
		r = settle_artifacts(e, err);
	if (r == 0)
		r = collect_artifacts(e, err);
	if (r == 0)
		wh_exporting_sort(e);
	return r;
}

/* ---------------------------------------------------------------- directory */

static int write_blob_file(struct wh_exporting *e, const struct wh_export_blob *b, int dir, struct wh_err **err)
{
	WH_AUTO_FREE char *tmp = NULL;
	WH_AUTO_FD int in = -1;
	WH_AUTO_FD int out = -1;
	bool ours;
	struct stat st;
	char hex[65];
	int r;

	wh_digest_hex(&b->digest, hex);
	if (fstatat(dir, hex, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) && (uint64_t)st.st_size == b->size)
		return 0;
	in = wh_exporting_open(e, b, &ours, err);
	if (in < 0)
		return in;
	tmp = wh_temp_name(".blob-");
	out = wh_openat(dir, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
	if (out < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, -out, "make a file in %s", e->x->dest);
	r = wh_exporting_send(e, b, in, out, ours, err);
	if (close(WH_TAKE_FD(out)) < 0 && r == 0)
		r = wh_err_sys(err, "layers", WH_ERR_BUILD, errno, "write %s", hex);
	if (r == 0 && renameat(dir, tmp, dir, hex) < 0)
		r = wh_err_sys(err, "layers", WH_ERR_BUILD, errno, "rename %s", hex);
	if (r < 0)
		(void)unlinkat(dir, tmp, 0);
	return r;
}

/* What an existing layout has stays, but for what bears one of this image's names. */
static int merged_index(struct wh_exporting *e, int dir, struct wh_buf *out, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	WH_AUTO_JSON json_t *old = NULL;
	json_t *ms;
	int r = wh_read_regular(dir, "index.json", WH_MANIFEST_MAX, &buf);

	if (r == -ENOENT) {
		wh_index_settle(e->manifests, &e->attached);
		wh_index_json(e->manifests, out);
		return 0;
	}
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "read %s/index.json", e->x->dest);
	r = wh_document_parse(buf.p, buf.n, "index.json", &old, err);
	if (r < 0)
		return r;
	ms = json_object_get(old, "manifests");
	if (!json_is_array(ms))
		return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "%s/index.json has no list of manifests",
				  e->x->dest);
	for (size_t k = 0; k < json_array_size(e->manifests); k++)
		wh_index_put(ms, json_array_get(e->manifests, k));
	wh_index_settle(ms, &e->attached);
	wh_index_json(ms, out);
	return 0;
}

static int write_dir(struct wh_exporting *e, int dir, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf index = WH_BUF_INIT;
	WH_AUTO_FD int blobs = -1;
	int r = wh_mkdir_p(dir, "blobs/sha256", 0755);

	if (r == 0)
		r = blobs = wh_openat(dir, "blobs/sha256", O_RDONLY | O_DIRECTORY, 0);
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "make %s/blobs/sha256", e->x->dest);
	for (size_t k = 0; k < e->n; k++) {
		r = write_blob_file(e, &e->blobs[k], blobs, err);
		if (r < 0)
			return r;
	}
	r = merged_index(e, dir, &index, err);
	if (r < 0)
		return r;
	if (!wh_buf_ok(&index) || index.n > WH_MANIFEST_MAX)
		return wh_err_set(err, "layers", WH_ERR_BUILD, EFBIG, "%s/index.json would have more than %zu MiB",
				  e->x->dest, WH_MANIFEST_MAX >> 20);
	if (faccessat(dir, "oci-layout", F_OK, 0) < 0)
		r = wh_write_file_atomic(dir, "oci-layout", WH_OCI_LAYOUT, strlen(WH_OCI_LAYOUT), 0644, false);
	if (r == 0)
		r = wh_write_file_atomic(dir, "index.json", index.p, index.n, 0644, false);
	return r < 0 ? wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "write %s/index.json", e->x->dest) : 0;
}

static bool is_empty(int dir)
{
	int fd = wh_openat(dir, ".", O_RDONLY | O_DIRECTORY, 0);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *de;
	bool empty = true;

	if (!d) {
		wh_closep(&fd);
		return false;
	}
	while (empty && (de = readdir(d)))
		empty = strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0;
	closedir(d);
	return empty;
}

static int into_existing(struct wh_exporting *e, int dir, struct wh_err **err)
{
	if (faccessat(dir, "oci-layout", F_OK, 0) < 0 && !is_empty(dir)) {
		int r = wh_err_set(err, "layers", WH_ERR_USAGE, EEXIST,
				   "%s exists, and is neither an OCI image layout nor empty", e->x->dest);

		wh_err_hint(err, "name another directory, or remove it");
		return r;
	}
	return write_dir(e, dir, err);
}

int wh_make_parents(const char *dir)
{
	WH_AUTO_FREE char *up = NULL;
	struct stat st;
	int r;

	/* The user's own path: symlinks in it are his. */
	if (stat(dir, &st) == 0)
		return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
	if (errno != ENOENT)
		return -errno;
	up = wh_path_dir(dir);
	r = wh_make_parents(up);
	return r < 0 ? r : mkdir(dir, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int into_new(struct wh_exporting *e, struct wh_err **err)
{
	WH_AUTO_FREE char *rand = wh_temp_name(".tmp-");
	WH_AUTO_FREE char *clean = wh_path_clean(e->x->dest);
	WH_AUTO_FREE char *parent = wh_path_dir(clean);
	WH_AUTO_FREE char *tmp = wh_asprintf("%s%s", clean, rand);
	WH_AUTO_FD int dir = -1;
	int r = wh_make_parents(parent);

	if (r == 0)
		r = mkdirat(AT_FDCWD, tmp, 0755) < 0 ? -errno : 0;
	if (r == 0)
		r = dir = wh_openat(AT_FDCWD, tmp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (r < 0)
		return wh_err_sys(err, "layers", wh_dest_class(r), -r, "make %s", e->x->dest);
	r = write_dir(e, dir, err);
	if (r == 0 && renameat2(AT_FDCWD, tmp, AT_FDCWD, clean, RENAME_NOREPLACE) < 0 &&
	    (errno != EINVAL || rename(tmp, clean) < 0))
		r = wh_err_sys(err, "layers", WH_ERR_BUILD, errno, "rename to %s", e->x->dest);
	if (r < 0)
		(void)wh_rm_rf(AT_FDCWD, tmp);
	return r;
}

static int export_dir(struct wh_exporting *e, struct wh_err **err)
{
	WH_AUTO_FD int dir = wh_openat(AT_FDCWD, e->x->dest, O_RDONLY | O_DIRECTORY, 0);

	if (dir >= 0)
		return into_existing(e, dir, err);
	if (dir == -ENOENT)
		return into_new(e, err);
	return wh_err_sys(err, "layers", wh_dest_class(dir), -dir, "%s", e->x->dest);
}

/* ---------------------------------------------------------------- tar */

static int write_tar(struct wh_exporting *e, int fd, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	int r = wh_exporting_header(e, fd, "blobs", WH_T_DIR, 0, err);

	if (r == 0)
		r = wh_exporting_header(e, fd, "blobs/sha256", WH_T_DIR, 0, err);
	for (size_t k = 0; k < e->n && r == 0; k++)
		r = wh_exporting_member(e, fd, &e->blobs[k], err);
	if (r < 0)
		return r;
	wh_index_settle(e->manifests, &e->attached);
	wh_index_json(e->manifests, &buf);
	r = wh_exporting_text(e, fd, "index.json", buf.p, buf.n, err);
	if (r == 0)
		r = wh_exporting_text(e, fd, "oci-layout", WH_OCI_LAYOUT, strlen(WH_OCI_LAYOUT), err);
	return r < 0 ? r : wh_exporting_end(e, fd, err);
}

static int write_tar_fd(void *arg, int fd, struct wh_err **err)
{
	return write_tar(arg, fd, err);
}

int wh_export_oci_all(struct wh_store *s, const struct wh_export_item *items, size_t n, const struct wh_export *x, struct wh_err **err)
{
	struct wh_exporting e = {.s = s, .items = items, .n_items = n, .x = x};
	int r = collect_blobs(&e, err);

	for (size_t k = 0; k < n && r == 0; k++)
		r = wh_exporting_verify(s, items[k].image, err);
	if (r == 0)
		r = wh_exporting_names(&e, err);
	if (r == 0)
		r = x->tar ? wh_export_file(x, write_tar_fd, &e, err) : export_dir(&e, err);
	json_decref(e.manifests);
	free(e.blobs);
	wh_settled_release(&e.attached);
	if (r < 0)
		wh_err_wrap(err, "export to %s", x->dest);
	return r;
}

int wh_export_oci(struct wh_store *s, const struct wh_image *i, const struct wh_export *x, struct wh_err **err)
{
	const struct wh_export_item item = {.image = i, .names = x->names, .annotations = x->annotations};

	return wh_export_oci_all(s, &item, 1, x, err);
}

int wh_layout_attach(struct wh_store *s, const char *dir, const struct wh_artifacts *list, struct wh_err **err)
{
	struct wh_export x = {.dest = dir, .artifacts = list};
	struct wh_exporting e = {.s = s, .x = &x};
	WH_AUTO_FD int fd = wh_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
	int r;

	if (fd < 0)
		return wh_err_sys(err, "layers", wh_dest_class(fd), -fd, "%s", dir);
	if (faccessat(fd, "oci-layout", F_OK, 0) < 0)
		return wh_err_set(err, "layers", WH_ERR_USAGE, ENOENT, "%s is no OCI image layout", dir);
	e.manifests = json_array();
	r = collect_blobs(&e, err);
	if (r == 0)
		r = write_dir(&e, fd, err);
	json_decref(e.manifests);
	free(e.blobs);
	wh_settled_release(&e.attached);
	if (r < 0)
		wh_err_wrap(err, "attach to the image in %s", dir);
	return r;
}

/* ---------------------------------------------------------------- an artifact by itself */

/* Replaces what has its type and name. */
static void name_artifact(json_t *ms, const struct wh_artifact *a, const char *tag)
{
	json_t *d = wh_artifact_entry(a);
	size_t i = 0;

	json_object_set_new(d, "annotations", json_pack("{s:s}", WH_AN_REF_NAME, tag));
	while (i < json_array_size(ms)) {
		const json_t *old = json_array_get(ms, i);

		if (wh_streq(wh_json_str(old, "artifactType"), a->artifact_type) &&
		    wh_streq(wh_json_str(json_object_get(old, "annotations"), WH_AN_REF_NAME), tag))
			json_array_remove(ms, i);
		else
			i++;
	}
	json_array_append_new(ms, d);
}

static int read_index(int dir, const char *name, json_t **ret, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	int r = wh_read_regular(dir, "index.json", WH_MANIFEST_MAX, &buf);

	if (r == -ENOENT) {
		*ret = json_pack("{s:[]}", "manifests");
		return 0;
	}
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "read %s/index.json", name);
	r = wh_document_parse(buf.p, buf.n, "index.json", ret, err);
	if (r == 0 && !json_is_array(json_object_get(*ret, "manifests"))) {
		json_decref(WH_TAKE_PTR(*ret));
		r = wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "%s/index.json has no list of manifests", name);
	}
	return r;
}

static const struct wh_layer *layer_of(const struct wh_layer *const *layers, size_t n, const struct wh_digest *d)
{
	for (size_t i = 0; i < n; i++)
		if (wh_digest_eq(&layers[i]->blob, d))
			return layers[i];
	return NULL;
}

static int put_artifact(struct wh_exporting *e, int dir, const char *tag, const struct wh_artifact *a,
			const struct wh_layer *const *layers, size_t n, struct wh_err **err)
{
	WH_CLEANUP(wh_artifact_manifest_release) struct wh_artifact_manifest m = {0};
	WH_AUTO_BUF struct wh_buf index = WH_BUF_INIT;
	WH_AUTO_JSON json_t *old = NULL;
	WH_AUTO_FD int blobs = -1;
	int r = wh_artifact_manifest_read(e->s, a, &m, err);

	if (r < 0)
		return r;
	for (size_t k = 0; k < m.n; k++)
		wh_exporting_add(e, &m.layers[k].digest, m.layers[k].size, layer_of(layers, n, &m.layers[k].digest));
	wh_exporting_add(e, &m.config.digest, m.config.size, NULL);
	wh_exporting_add(e, &a->manifest.digest, a->manifest.size, NULL);
	r = wh_mkdir_p(dir, "blobs/sha256", 0755);
	if (r == 0)
		r = blobs = wh_openat(dir, "blobs/sha256", O_RDONLY | O_DIRECTORY, 0);
	if (r < 0)
		return wh_err_sys(err, "layers", wh_dest_class(r), -r, "make %s/blobs/sha256", e->x->dest);
	for (size_t k = 0; k < e->n; k++) {
		r = write_blob_file(e, &e->blobs[k], blobs, err);
		if (r < 0)
			return r;
	}
	r = read_index(dir, e->x->dest, &old, err);
	if (r < 0)
		return r;
	name_artifact(json_object_get(old, "manifests"), a, tag);
	wh_index_json(json_object_get(old, "manifests"), &index);
	if (faccessat(dir, "oci-layout", F_OK, 0) < 0)
		r = wh_write_file_atomic(dir, "oci-layout", WH_OCI_LAYOUT, strlen(WH_OCI_LAYOUT), 0644, false);
	if (r == 0)
		r = wh_write_file_atomic(dir, "index.json", index.p, index.n, 0644, false);
	return r < 0 ? wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "write %s/index.json", e->x->dest) : 0;
}

int wh_layout_put(struct wh_store *s, const char *dir, const char *tag, const struct wh_artifact *a,
		  const struct wh_layer *const *layers, size_t n_layers, struct wh_err **err)
{
	struct wh_export x = {.dest = dir};
	struct wh_exporting e = {.s = s, .x = &x};
	WH_AUTO_FD int fd = -1;
	int r = wh_make_parents(dir);

	if (r == 0)
		r = fd = wh_openat(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY, 0);
	if (r < 0)
		return wh_err_sys(err, "layers", wh_dest_class(r), -r, "make %s", dir);
	/* Who comes second waits: the index is read, changed and written. Some file systems have no locks; then the last one counts. */
	do
		r = flock(fd, LOCK_EX) < 0 ? -errno : 0;
	while (r == -EINTR);
	r = 0;
	if (faccessat(fd, "oci-layout", F_OK, 0) < 0 && faccessat(fd, "blobs", F_OK, 0) < 0 && !is_empty(fd)) {
		r = wh_err_set(err, "layers", WH_ERR_USAGE, EEXIST, "%s exists, and is neither an OCI image layout nor empty", dir);
		wh_err_hint(err, "name another directory, or remove it");
	}
	if (r == 0)
		r = put_artifact(&e, fd, tag, a, layers, n_layers, err);
	free(e.blobs);
	return r;
}
