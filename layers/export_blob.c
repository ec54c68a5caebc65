/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What exports have in common: which blobs go, each once, and how they get there. Every blob is hashed on the way, those of the store
 * too: disks fail, and nobody else looks again. Members of a tar have fixed attributes.
 */
#include "layers/export_private.h"
#include "layers/store_private.h"
#include "layers/stream.h"
#include "layers/tar_private.h"

#include <errno.h>
#include <signal.h>

#define COPY_SIZE (256u << 10)
#define BIG (4u << 20) /* worth a thread */

static int by_digest(const void *a, const void *b)
{
	const struct wh_export_blob *x = a, *y = b;

	return memcmp(x->digest.b, y->digest.b, sizeof(x->digest.b));
}

void wh_exporting_add(struct wh_exporting *e, const struct wh_digest *d, uint64_t size, const struct wh_layer *layer)
{
	WH_PUSH(e->blobs, e->n, e->cap) = (struct wh_export_blob){.digest = *d, .size = size, .layer = layer};
}

int wh_exporting_add_image(struct wh_exporting *e, const struct wh_image *i, bool layers, struct wh_err **err)
{
	uint64_t size = 0;
	int r = wh_image_whole(i, err);

	if (r == 0 && wh_digest_is_zero(&i->manifest))
		r = wh_err_set(err, "layers", WH_ERR_INTERNAL, EINVAL, "the image has no manifest yet");
	if (r == 0 && !wh_image_is_index(i) && !wh_blob_has(e->s, &i->config_digest, &size))
		r = wh_err_set(err, "layers", WH_ERR_BUILD, ENOENT, "the image's config is not in the store");
	if (r < 0)
		return r;
	wh_exporting_add(e, &i->manifest, i->manifest_size, NULL);
	if (!wh_image_is_index(i))
		wh_exporting_add(e, &i->config_digest, size, NULL);
	for (size_t l = 0; layers && l < i->n_layers; l++)
		wh_exporting_add(e, &i->layers[l].blob, i->layers[l].blob_size, &i->layers[l]);
	for (size_t k = 0; k < i->n_parts && r == 0; k++)
		r = wh_exporting_add_image(e, &i->parts[k], layers, err);
	return r;
}

void wh_exporting_sort(struct wh_exporting *e)
{
	size_t k = 0;

	if (e->n)
		qsort(e->blobs, e->n, sizeof(*e->blobs), by_digest);
	for (size_t l = 0; l < e->n; l++)
		if (l == 0 || by_digest(&e->blobs[l], &e->blobs[k - 1]) != 0)
			e->blobs[k++] = e->blobs[l];
	e->n = k;
}

int wh_exporting_verify(struct wh_store *s, const struct wh_image *i, struct wh_err **err)
{
	int r = 0;

	for (size_t k = 0; r == 0 && k < i->n_layers; k++)
		r = wh_layer_verify(s, &i->layers[k], err);
	for (size_t k = 0; r == 0 && k < i->n_parts; k++)
		r = wh_exporting_verify(s, &i->parts[k], err);
	return r;
}

static void add_named(struct wh_exporting *e, const struct wh_export_item *item, const char *name, const char *ref_name)
{
	json_t *d = wh_image_descriptor(item->image, name, ref_name), *own = json_deep_copy(item->annotations);

	if (json_object_size(own)) {
		json_object_update(own, json_object_get(d, "annotations")); /* the name is the name */
		json_object_set(d, "annotations", own);
	}
	json_decref(own);
	if (name)
		wh_index_put(e->manifests, d);
	else
		json_array_append(e->manifests, d);
	json_decref(d);
}

int wh_exporting_names(struct wh_exporting *e, struct wh_err **err)
{
	e->manifests = json_array();
	for (size_t k = 0; k < e->n_items; k++) {
		const struct wh_export_item *item = &e->items[k];
		size_t n = 0;

		for (; item->names && item->names[n]; n++) {
			WH_AUTO_FREE char *full = NULL;
			int r = wh_reference_normalize(item->names[n], &full, err);

			if (r < 0)
				return r;
			add_named(e, item, full, wh_reference_tag(full));
		}
		if (n == 0)
			add_named(e, item, NULL, NULL);
	}
	return 0;
}

/* ---------------------------------------------------------------- blobs out */

int wh_exporting_open(struct wh_exporting *e, const struct wh_export_blob *b, bool *ours, struct wh_err **err)
{
	*ours = true;
	return b->layer ? wh_layer_open_blob(e->s, b->layer, ours, err) : wh_blob_open(e->s, &b->digest, NULL, err);
}

static int damaged(struct wh_exporting *e, const struct wh_export_blob *b, bool ours, struct wh_err **err)
{
	char hex[65];
	int r;

	wh_digest_hex(&b->digest, hex);
	r = wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG,
		       "damaged: the content of %s/blobs/sha256/%s is not what its name says",
		       ours ? e->s->path : b->layer->origin, hex);
	if (ours)
		wh_blob_hint(e->s, &b->digest, err);
	else
		wh_err_hint(err, "get the image once more");
	return r;
}

/* Exactly b->size bytes to out, hashed on the way. */
static int send_hashed(struct wh_exporting *e, const struct wh_export_blob *b, int in, int out, bool ours, struct wh_err **err)
{
	WH_AUTO_FREE char *buf = wh_malloc(COPY_SIZE);
	WH_AUTO_SHA256 struct wh_sha256 *h = wh_sha256_new();
	struct wh_digest got;
	uint64_t left = b->size;
	int r = 0;

	while (left && r == 0) {
		ssize_t n = read(in, buf, left < COPY_SIZE ? (size_t)left : COPY_SIZE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return wh_err_sys(err, "layers", WH_ERR_BUILD, errno, "read a blob");
		if (n == 0)
			break;
		wh_sha256_add(h, buf, (size_t)n);
		left -= (uint64_t)n;
		r = wh_write_all(out, buf, (size_t)n);
	}
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "write a blob");
	wh_sha256_end(h, &got);
	return left || !wh_digest_eq(&got, &b->digest) ? damaged(e, b, ours, err) : 0;
}

struct hashing {
	int fd;
	uint64_t size;
	struct wh_digest got;
	bool whole;
};

static void *hash_file(void *arg)
{
	struct hashing *x = arg;
	WH_AUTO_FREE char *buf = wh_malloc(COPY_SIZE);
	WH_AUTO_SHA256 struct wh_sha256 *h = wh_sha256_new();
	uint64_t at = 0;

	while (at < x->size) {
		size_t want = x->size - at < COPY_SIZE ? (size_t)(x->size - at) : COPY_SIZE;
		ssize_t n = pread(x->fd, buf, want, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		wh_sha256_add(h, buf, (size_t)n);
		at += (uint64_t)n;
	}
	wh_sha256_end(h, &x->got);
	x->whole = at == x->size;
	return NULL;
}

/* A big file of the store: the kernel copies (or shares) it, while another thread hashes it. */
static int send_file(struct wh_exporting *e, const struct wh_export_blob *b, int in, int out, struct wh_err **err)
{
	struct hashing x = {.fd = in, .size = b->size};
	pthread_t thread;
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&thread, NULL, hash_file, &x);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (r != 0)
		return send_hashed(e, b, in, out, true, err);
	r = wh_copy_fd(in, out, b->size);
	pthread_join(thread, NULL);
	if (r < 0 && r != -EIO)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "copy a blob");
	if (!x.whole || !wh_digest_eq(&x.got, &b->digest))
		return damaged(e, b, true, err);
	return r < 0 ? wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "copy a blob") : 0;
}

int wh_exporting_send(struct wh_exporting *e, const struct wh_export_blob *b, int in, int out, bool ours, struct wh_err **err)
{
	struct stat st;

	if (fstat(in, &st) < 0 || (uint64_t)st.st_size != b->size)
		return damaged(e, b, ours, err);
	return ours && b->size >= BIG ? send_file(e, b, in, out, err) : send_hashed(e, b, in, out, ours, err);
}

/* ---------------------------------------------------------------- tar */

int wh_exporting_header(struct wh_exporting *e, int fd, const char *path, enum wh_type type, uint64_t size, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	struct wh_entry ent = {
		.path = path,
		.type = type,
		.mode = type == WH_T_DIR ? 0755 : 0644,
		.mtime = e->x->epoch == INT64_MAX ? 0 : e->x->epoch,
		.size = size,
	};
	int r = wh_tar_entry(&buf, &ent, err);

	if (r == 0)
		r = wh_write_all(fd, buf.p, buf.n);
	return r < 0 ? wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "write %s", e->x->dest) : 0;
}

static int tar_pad(struct wh_exporting *e, int fd, uint64_t size, struct wh_err **err)
{
	static const char zero[WH_TAR_BLOCK];
	int r = wh_write_all(fd, zero, wh_tar_padding(size));

	return r < 0 ? wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "write %s", e->x->dest) : 0;
}

int wh_exporting_text(struct wh_exporting *e, int fd, const char *path, const char *p, size_t n, struct wh_err **err)
{
	int r = wh_exporting_header(e, fd, path, WH_T_FILE, n, err);

	if (r == 0) {
		r = wh_write_all(fd, p, n);
		if (r < 0)
			return wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "write %s", e->x->dest);
	}
	return r < 0 ? r : tar_pad(e, fd, n, err);
}

int wh_exporting_member(struct wh_exporting *e, int fd, const struct wh_export_blob *b, struct wh_err **err)
{
	WH_AUTO_FREE char *path = NULL;
	WH_AUTO_FD int in = -1;
	bool ours;
	char hex[65];
	int r;

	path = wh_asprintf("blobs/sha256/%s", wh_digest_hex(&b->digest, hex));
	in = wh_exporting_open(e, b, &ours, err);
	r = in < 0 ? in : wh_exporting_header(e, fd, path, WH_T_FILE, b->size, err);
	if (r == 0)
		r = wh_exporting_send(e, b, in, fd, ours, err);
	return r < 0 ? r : tar_pad(e, fd, b->size, err);
}

int wh_exporting_end(struct wh_exporting *e, int fd, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	int r;

	wh_tar_end(&buf);
	r = wh_write_all(fd, buf.p, buf.n);
	return r < 0 ? wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "write %s", e->x->dest) : 0;
}

/* ---------------------------------------------------------------- the file */

int wh_export_file(const struct wh_export *x, int (*fn)(void *arg, int fd, struct wh_err **err), void *arg,
		   struct wh_err **err)
{
	WH_AUTO_FREE char *rand = NULL;
	WH_AUTO_FREE char *tmp = NULL;
	WH_AUTO_FD int fd = -1;
	struct stat st;
	int r;

	if (strcmp(x->dest, "-") == 0)
		return fn(arg, x->out_fd, err);
	/* A pipe or a device is written to; a file is replaced as a whole. */
	if (stat(x->dest, &st) == 0 && !S_ISREG(st.st_mode)) {
		fd = S_ISDIR(st.st_mode) ? -EISDIR : wh_openat(AT_FDCWD, x->dest, O_WRONLY | O_NOCTTY, 0);
		if (fd >= 0)
			return fn(arg, fd, err);
		r = wh_err_sys(err, "layers", wh_dest_class(fd), -fd, "%s", x->dest);
		if (fd == -EISDIR)
			wh_err_hint(err, "a tar is one file: name that, or ask for a directory with tar=false");
		return r;
	}
	rand = wh_temp_name(".tmp-");
	tmp = wh_asprintf("%s%s", x->dest, rand);
	fd = wh_openat(AT_FDCWD, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
	if (fd < 0)
		return wh_err_sys(err, "layers", wh_dest_class(fd), -fd, "make %s", x->dest);
	r = fn(arg, fd, err);
	if (close(WH_TAKE_FD(fd)) < 0 && r == 0)
		r = wh_err_sys(err, "layers", WH_ERR_BUILD, errno, "write %s", x->dest);
	if (r == 0 && rename(tmp, x->dest) < 0)
		r = wh_err_sys(err, "layers", WH_ERR_BUILD, errno, "rename to %s", x->dest);
	if (r < 0)
		(void)unlink(tmp);
	return r;
}
