/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An archive that ADD was given, as a layer. Contents go to one spool file in
 * the order they come; the layer needs them in the order of paths. No file of
 * the archive's choosing is ever made, so this needs no privileges either.
 */
#include "layers/reader.h"

#include <errno.h>
#include <zlib.h>

#define TAR_BLOCK 512

struct spool {
	int fd;
	uint64_t end;
	struct wh_layer_writer *w;
};

static int on_make(void *arg, struct wh_name *n, struct wh_err **err)
{
	struct spool *s = arg;

	(void)err;
	if (n->ino->type == WH_T_FILE) {
		n->ino->spool = s->end;
		s->end += n->ino->size;
	}
	return 0;
}

static int on_data(void *arg, struct wh_name *n, uint64_t offset, const void *p, size_t len, struct wh_err **err)
{
	struct spool *s = arg;
	int r = wh_pwrite_all(s->fd, p, len, n->ino->spool + offset);

	return r < 0 ? wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "write a temporary file") : 0;
}

static const struct wh_read_sink spool_sink = {.make = on_make, .data = on_data};

static int put_content(struct spool *s, const struct wh_inode *ino, struct wh_err **err)
{
	size_t cap = (size_t)256 << 10;
	WH_AUTO_FREE char *buf = wh_malloc(cap);
	uint64_t at = 0;
	int r = 0;

	while (at < ino->size && r == 0) {
		size_t want = ino->size - at < cap ? (size_t)(ino->size - at) : cap;
		ssize_t n = pread(s->fd, buf, want, (off_t)(ino->spool + at));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return wh_err_sys(err, "layers", WH_ERR_BUILD, n < 0 ? errno : EIO, "read a temporary file");
		r = wh_layer_writer_data(s->w, buf, (size_t)n, err);
		at += (uint64_t)n;
	}
	return r;
}

static int put_entry(void *arg, const struct wh_entry *e, const struct wh_inode *ino, struct wh_err **err)
{
	struct spool *s = arg;
	struct wh_entry copy = *e;
	int r;

	copy.offset = 0;
	r = wh_layer_writer_add(s->w, &copy, err);
	return r < 0 || e->type != WH_T_FILE ? r : put_content(s, ino, err);
}

static int write_layer(struct wh_store *store, struct spool *s, struct wh_names *names, struct wh_layer *ret,
		       struct wh_err **err)
{
	struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
	int r;

	o.comp = WH_COMP_NONE;
	/* The tail of a sparse file was never written. */
	if (ftruncate(s->fd, (off_t)s->end) < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, errno, "write a temporary file");
	r = wh_layer_writer_new(store, &o, &s->w, err);
	if (r < 0)
		return r;
	r = wh_names_list(names, put_entry, s, err);
	if (r < 0) {
		wh_layer_writer_abort(s->w);
		return r;
	}
	return wh_layer_writer_finish(s->w, ret, err);
}

/* ---------------------------------------------------------------- what is none, and what is a broken one */

static bool gunzip_block(unsigned char *in, size_t n, unsigned char *out)
{
	z_stream z = {.next_in = in, .avail_in = (uInt)n, .next_out = out, .avail_out = TAR_BLOCK};

	if (inflateInit2(&z, 15 + 16) != Z_OK)
		return false;
	inflate(&z, Z_SYNC_FLUSH);
	inflateEnd(&z);
	return z.avail_out == 0;
}

static bool is_tar_header(const unsigned char *p)
{
	char text[9] = {0};
	uint64_t want;
	unsigned sum = 0;

	memcpy(text, p + 148, 8);
	for (size_t i = 0; i < TAR_BLOCK; i++)
		sum += i >= 148 && i < 156 ? ' ' : p[i];
	text[strspn(text, " 01234567")] = '\0';
	while (*text && text[strlen(text) - 1] == ' ')
		text[strlen(text) - 1] = '\0';
	return wh_parse_u64(text + strspn(text, " "), 8, &want) && want == sum;
}

/* libarchive decompresses more at a time than the first header, and fails before it shows when a short file is cut off. (In other
 * compressions the header stands in a block that is whole or lost.) */
static bool begins_like_one(int fd)
{
	size_t cap = (size_t)256 << 10;
	WH_AUTO_FREE unsigned char *in = wh_malloc(cap);
	unsigned char block[TAR_BLOCK];
	ssize_t n = pread(fd, in, cap, 0);

	return n > 2 && in[0] == 0x1f && in[1] == 0x8b && gunzip_block(in, (size_t)n, block) && is_tar_header(block);
}

int wh_archive_to_layer(struct wh_store *s, int fd, const char *what, bool any, struct wh_layer *ret,
			struct wh_err **err)
{
	struct wh_read_opts o = {.add = true, .any = any, .limits = WH_READ_LIMITS};
	WH_AUTO_FREE char *tmp = wh_temp_name("spool-");
	WH_AUTO_NAMES struct wh_names *names = wh_names_new();
	int dir = wh_store_tmp_dirfd(s), r;
	WH_AUTO_FD int spool_fd = wh_openat(dir, tmp, O_RDWR | O_CREAT | O_EXCL, 0600);
	struct spool spool = {.fd = spool_fd};

	r = spool_fd < 0 ? spool_fd : unlinkat(dir, tmp, 0) < 0 ? -errno : 0;
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "make a temporary file");
	r = wh_archive_read(fd, &o, names, &spool_sink, &spool, err);
	if (r == -ENOTSUP && begins_like_one(fd)) {
		wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "it is cut off or damaged");
		wh_err_hint(err, "--unpack=false copies it as it is");
		r = -EBADMSG;
	}
	if (r == 0)
		r = write_layer(s, &spool, names, ret, err);
	if (r < 0 && r != -ENOTSUP)
		wh_err_wrap(err, "archive %s", what);
	return r;
}
