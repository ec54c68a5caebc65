/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs: bytes under their own digest in blobs/sha256. They come in whole (see wh_store_publish), but disks and people
 * damage files later: so one that is written once more takes the place of one that differs.
 *
 *   partial/HEX   the beginning of a blob that is, or was, on its way from a registry; held with flock(2) by who
 *                 writes it. Whoever wants the blob next goes on from there. Its bytes may be anybody's: the digest
 *                 at the end decides.
 */
#include "layers/store_private.h"

#include <errno.h>
#include <sys/file.h>

#define COPY_SIZE (256u << 10)
#define COMPARE_MAX (1u << 20)

bool wh_blob_has(struct wh_store *s, const struct wh_digest *d, uint64_t *ret_size)
{
	char hex[65];
	struct stat st;

	if (!wh_store_use(s, s->blobs_fd, wh_digest_hex(d, hex)) ||
	    fstatat(s->blobs_fd, hex, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
		return false;
	if (ret_size)
		*ret_size = (uint64_t)st.st_size;
	return true;
}

int wh_blob_open(struct wh_store *s, const struct wh_digest *d, uint64_t *ret_size, struct wh_err **err)
{
	char text[WH_DIGEST_TEXT];
	struct stat st;
	WH_AUTO_FD int fd = -1;
	char hex[65];

	(void)wh_store_use(s, s->blobs_fd, wh_digest_hex(d, hex)); /* others may open it later, by its name */
	fd = wh_openat(s->blobs_fd, hex, O_RDONLY | O_NOFOLLOW, 0);
	if (fd >= 0 && fstat(fd, &st) < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, errno, "stat blob %s", wh_digest_text(d, text));
	if (fd == -ENOENT)
		return wh_err_set(err, "layers", WH_ERR_BUILD, ENOENT, "blob %s is not in the store %s",
				  wh_digest_text(d, text), s->path);
	if (fd < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -fd, "open blob %s", wh_digest_text(d, text));
	if (ret_size)
		*ret_size = (uint64_t)st.st_size;
	return WH_TAKE_FD(fd);
}

int wh_blob_read(struct wh_store *s, const struct wh_digest *d, size_t max, struct wh_buf *buf, struct wh_err **err)
{
	WH_AUTO_FD int fd = wh_blob_open(s, d, NULL, err);
	char text[WH_DIGEST_TEXT];
	struct wh_digest got;
	size_t before = buf->n;
	int r;

	if (fd < 0)
		return fd;
	r = wh_read_fd(fd, max, buf);
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "read blob %s", wh_digest_text(d, text));
	wh_digest_of(buf->p ? buf->p + before : "", buf->n - before, &got);
	if (wh_digest_eq(&got, d))
		return 0;
	r = wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "blob %s in the store %s is damaged",
		       wh_digest_text(d, text), s->path);
	wh_blob_hint(s, d, err);
	return r;
}

void wh_blob_hint(const struct wh_store *s, const struct wh_digest *d, struct wh_err **err)
{
	char hex[65];

	wh_err_hint(err, "remove %s/blobs/sha256/%s and build again", s->path, wh_digest_hex(d, hex));
}

/* Is what the store has under this name just these bytes? */
static bool has_bytes(struct wh_store *s, const char *hex, const void *p, size_t n)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	struct stat st;

	return wh_store_use(s, s->blobs_fd, hex) && fstatat(s->blobs_fd, hex, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       S_ISREG(st.st_mode) && (uint64_t)st.st_size == n &&
	       wh_read_regular(s->blobs_fd, hex, n, &buf) == 0 && buf.n == n && (n == 0 || memcmp(buf.p, p, n) == 0);
}

int wh_blob_put(struct wh_store *s, const void *p, size_t n, struct wh_digest *ret, struct wh_err **err)
{
	struct wh_blob_writer *w = NULL;
	struct wh_digest d;
	char hex[65];
	int r;

	wh_digest_of(p, n, &d);
	if (has_bytes(s, wh_digest_hex(&d, hex), p, n)) {
		*ret = d;
		return 0;
	}
	r = wh_blob_writer_new(s, &w, err);
	if (r < 0)
		return r;
	r = wh_blob_writer_add(w, p, n, err);
	if (r < 0) {
		wh_blob_writer_abort(w);
		return r;
	}
	return wh_blob_writer_finish(w, &d, ret, NULL, err);
}

struct wh_blob_writer {
	struct wh_store *store;
	struct wh_sha256 *sha;
	int dir_fd; /* partial/ when it is a download, or -1: the lease's directory */
	char *name; /* in that */
	int fd;
	uint64_t size;
};

int wh_blob_writer_new(struct wh_store *s, struct wh_blob_writer **ret, struct wh_err **err)
{
	WH_AUTO_FREE char *name = wh_temp_name("blob-");
	int fd = wh_openat(s->lease.dir_fd, name, O_RDWR | O_CREAT | O_EXCL, 0644);
	struct wh_blob_writer *w;

	if (fd < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -fd, "make a blob in %s", s->tmp_path);
	w = wh_calloc(1, sizeof(*w));
	w->store = s;
	w->sha = wh_sha256_new();
	w->dir_fd = -1;
	w->name = WH_TAKE_PTR(name);
	w->fd = fd;
	*ret = w;
	return 0;
}

int wh_blob_writer_add(struct wh_blob_writer *w, const void *p, size_t n, struct wh_err **err)
{
	int r = wh_write_all(w->fd, p, n);

	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "write a blob in %s", w->store->path);
	wh_sha256_add(w->sha, p, n);
	w->size += n;
	return 0;
}

static void blob_writer_free(struct wh_blob_writer *w)
{
	wh_closep(&w->fd);
	wh_closep(&w->dir_fd);
	wh_sha256_free(w->sha);
	free(w->name);
	free(w);
}

void wh_blob_writer_abort(struct wh_blob_writer *w)
{
	if (!w)
		return;
	(void)unlinkat(w->dir_fd < 0 ? w->store->lease.dir_fd : w->dir_fd, w->name, 0);
	blob_writer_free(w);
}

/* ---------------------------------------------------------------- downloads */

/* Hashes what is there already. What cannot be read, or is too much, is as good as nothing. */
static int take_over(struct wh_blob_writer *w, uint64_t max, struct wh_err **err)
{
	WH_AUTO_FREE char *buf = wh_malloc(COPY_SIZE);
	ssize_t n;

	while ((n = read(w->fd, buf, COPY_SIZE)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || (uint64_t)n > max - w->size)
			return wh_blob_writer_restart(w, err);
		wh_sha256_add(w->sha, buf, (size_t)n);
		w->size += (uint64_t)n;
	}
	return 0;
}

/* Opens and locks it; by the time that it is ours the name may lead elsewhere. -EBUSY: it is somebody's. */
static int open_partial(int dir, const char *hex, int *ret_fd, uint64_t *ret_size)
{
	for (;;) {
		WH_AUTO_FD int fd = wh_openat(dir, hex, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644);
		struct stat held, named;

		if (fd < 0)
			return fd;
		if (fstat(fd, &held) < 0)
			return -errno;
		*ret_size = (uint64_t)held.st_size;
		if (!S_ISREG(held.st_mode))
			return -EBADMSG;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			if (errno == EINTR)
				continue;
			return errno == EWOULDBLOCK ? -EBUSY : -errno;
		}
		if (fstatat(dir, hex, &named, AT_SYMLINK_NOFOLLOW) < 0 || named.st_ino != held.st_ino ||
		    named.st_dev != held.st_dev)
			continue;
		*ret_fd = WH_TAKE_FD(fd);
		return 0;
	}
}

int wh_blob_writer_resume(struct wh_store *s, const struct wh_digest *d, uint64_t size, struct wh_blob_writer **ret,
			  uint64_t *ret_got, struct wh_err **err)
{
	int r = wh_mkdir_p(s->dir_fd, "partial", 0700), dir, fd = -1;
	struct wh_blob_writer *w;
	uint64_t there;
	char hex[65];

	r = dir = r < 0 ? r : wh_openat(s->dir_fd, "partial", O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (r >= 0)
		r = open_partial(dir, wh_digest_hex(d, hex), &fd, ret_got);
	if (r < 0)
		wh_closep(&dir);
	/* Where none can be kept (something else lies in its place), it comes all the same, and from its beginning. */
	if (r < 0 && r != -EBUSY) {
		*ret_got = 0;
		return wh_blob_writer_new(s, ret, err);
	}
	if (r < 0)
		return r;
	w = wh_calloc(1, sizeof(*w));
	*w = (struct wh_blob_writer){
		.store = s, .sha = wh_sha256_new(), .dir_fd = dir, .name = wh_strdup(hex), .fd = fd};
	/* Who had it before us may have come to its end. */
	if (wh_blob_has(s, d, &there) && there == size) {
		wh_blob_writer_abort(w);
		return -EEXIST;
	}
	r = take_over(w, size, err);
	if (r < 0) {
		wh_blob_writer_abort(w);
		return r;
	}
	*ret_got = w->size;
	*ret = w;
	return 0;
}

int wh_blob_writer_restart(struct wh_blob_writer *w, struct wh_err **err)
{
	if (ftruncate(w->fd, 0) < 0 || lseek(w->fd, 0, SEEK_SET) < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, errno, "write a blob in %s", w->store->path);
	wh_sha256_reset(w->sha);
	w->size = 0;
	return 0;
}

void wh_blob_writer_leave(struct wh_blob_writer *w)
{
	if (w->dir_fd < 0 || !w->size)
		wh_blob_writer_abort(w);
	else
		blob_writer_free(w);
}

/* Everything enters the store through the lease's directory. Who waits for the lock finds that the name is gone. */
static int leave_partial(struct wh_blob_writer *w, struct wh_err **err)
{
	WH_AUTO_FREE char *name = NULL;

	if (w->dir_fd < 0)
		return 0;
	name = wh_temp_name("blob-");
	if (renameat(w->dir_fd, w->name, w->store->lease.dir_fd, name) < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, errno, "move %s/partial/%s", w->store->path, w->name);
	wh_closep(&w->dir_fd);
	free(w->name);
	w->name = WH_TAKE_PTR(name);
	return 0;
}

/* ---------------------------------------------------------------- into the store */

/* Does the store have a sound blob of this name already? Small ones are compared, big ones are not worth reading: the
 * bytes that were just hashed are as good, and renaming them costs nothing. */
static bool is_there(const struct wh_blob_writer *w, const char *hex)
{
	WH_AUTO_BUF struct wh_buf ours = WH_BUF_INIT;

	return w->size < COMPARE_MAX && lseek(w->fd, 0, SEEK_SET) == 0 && wh_read_fd(w->fd, COMPARE_MAX, &ours) == 0 &&
	       has_bytes(w->store, hex, ours.p, ours.n);
}

/* Renames the file to its digest. */
static int publish(struct wh_blob_writer *w, const char *hex, struct wh_err **err)
{
	struct wh_store *s = w->store;
	struct stat st;

	if (fstatat(s->blobs_fd, hex, &st, AT_SYMLINK_NOFOLLOW) < 0 || is_there(w, hex))
		return wh_store_publish(s, w->name, s->blobs_fd, hex, err);
	/* The old one may be on disk and named by an image: a crash must not put a hole in its place. */
	if (fdatasync(w->fd) < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, errno, "write a blob in %s", s->tmp_path);
	return wh_store_replace(s, w->name, s->blobs_fd, hex, err);
}

int wh_blob_writer_finish(struct wh_blob_writer *w, const struct wh_digest *expect, struct wh_digest *ret,
			  uint64_t *ret_size, struct wh_err **err)
{
	char a[WH_DIGEST_TEXT], b[WH_DIGEST_TEXT], hex[65];
	struct wh_digest d;
	uint64_t size = w->size;
	int r;

	wh_sha256_end(w->sha, &d);
	if (expect && !wh_digest_eq(expect, &d)) {
		r = wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "digest is %s, expected %s", wh_digest_text(&d, a),
			       wh_digest_text(expect, b));
		wh_blob_writer_abort(w);
		return r;
	}
	r = leave_partial(w, err);
	if (r == 0)
		r = publish(w, wh_digest_hex(&d, hex), err);
	if (r < 0) {
		wh_blob_writer_abort(w);
		return r;
	}
	blob_writer_free(w);
	if (ret)
		*ret = d;
	if (ret_size)
		*ret_size = size;
	return 0;
}
