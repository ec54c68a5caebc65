/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The root file system as one tar, in path order: extractors set a directory's
 * time when they leave it. Where the layers hold the contents in another order
 * (several layers, or a foreign one), these go through a spool file.
 */
#include "layers/image_private.h"
#include "layers/root.h"
#include "layers/tar_private.h"

#include <errno.h>

#define FLUSH_AT ((size_t)1 << 20)

struct out {
	struct wh_store *s;
	const struct wh_image *i;
	struct wh_root root;
	const struct wh_export *x;
	char *prefix; /* the directory of an index's image, or NULL */
	int fd;
	struct wh_buf buf;
	size_t next;  /* entries before this one are written */
	int spool_fd; /* -1: contents come in the order in which they are needed */
	uint64_t spooled;
	uint64_t *spool_at;
	struct wh_node_ref ref;
};

static int flush(struct out *o, size_t unless_below, struct wh_err **err)
{
	int r;

	if (o->buf.n == 0 || o->buf.n < unless_below)
		return 0;
	r = wh_write_all(o->fd, o->buf.p, o->buf.n);
	wh_buf_reset(&o->buf);
	return r < 0 ? wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "write %s", o->x->dest) : 0;
}

static char *below(const struct out *o, const char *path)
{
	return wh_asprintf("%s%s%s", o->prefix, *path ? "/" : "", path);
}

static int put_header(struct out *o, const char *path, const char *link, struct wh_err **err)
{
	WH_AUTO_FREE char *at = o->prefix ? below(o, path) : NULL;
	WH_AUTO_FREE char *to = o->prefix && link ? below(o, link) : NULL;
	int r = wh_root_node(&o->root, path, &o->ref, err);

	if (r < 0)
		return r;
	if (at)
		o->ref.e.path = at;
	if (link) {
		o->ref.e.type = WH_T_HARDLINK;
		o->ref.e.link = to ? to : link;
	} else if (o->ref.e.type == WH_T_FILE) {
		o->ref.e.link = NULL;
	}
	/* A root has no layers below it, and its directories are really there. */
	o->ref.e.opaque = false;
	o->ref.e.implied = false;
	r = wh_tar_entry(&o->buf, &o->ref.e, err);
	return r < 0 ? r : flush(o, FLUSH_AT, err);
}

static int put_padding(struct out *o, const struct wh_root_entry *e, struct wh_err **err)
{
	static const char zero[WH_TAR_BLOCK];

	wh_buf_add(&o->buf, zero, wh_tar_padding(e->size));
	return flush(o, FLUSH_AT, err);
}

static int put_spooled(struct out *o, size_t i, struct wh_err **err)
{
	WH_AUTO_FREE char *chunk = wh_malloc(FLUSH_AT);
	const struct wh_root_entry *e = &o->root.v[i];
	uint64_t at = 0;
	int r = 0;

	while (at < e->size && r == 0) {
		size_t want = e->size - at < FLUSH_AT ? (size_t)(e->size - at) : FLUSH_AT;
		ssize_t n = pread(o->spool_fd, chunk, want, (off_t)(o->spool_at[i] + at));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return wh_err_sys(err, "layers", WH_ERR_BUILD, n < 0 ? errno : EIO, "read a temporary file");
		wh_buf_add(&o->buf, chunk, (size_t)n);
		at += (uint64_t)n;
		r = flush(o, FLUSH_AT, err);
	}
	return r < 0 ? r : put_padding(o, e, err);
}

/* Entries up to number end, this one left out. */
static int put_until(struct out *o, size_t end, struct wh_err **err)
{
	int r = 0;

	while (o->next < end && r == 0) {
		size_t i = o->next++;
		const struct wh_root_entry *e = &o->root.v[i];
		bool link = e->type == WH_T_FILE && e->primary != i;

		r = put_header(o, e->path, link ? o->root.v[e->primary].path : NULL, err);
		if (r == 0 && e->type == WH_T_FILE && !link)
			r = put_spooled(o, i, err);
	}
	return r;
}

/* ---------------------------------------------------------------- contents in the right order */

static int direct_begin(void *arg, const struct wh_root_entry *e, struct wh_err **err)
{
	struct out *o = arg;
	int r = put_until(o, (size_t)(e - o->root.v), err);

	o->next++;
	return r < 0 ? r : put_header(o, e->path, NULL, err);
}

static int direct_data(void *arg, const struct wh_root_entry *e, const void *p, size_t n, struct wh_err **err)
{
	struct out *o = arg;

	(void)e;
	wh_buf_add(&o->buf, p, n);
	return flush(o, FLUSH_AT, err);
}

static int direct_end(void *arg, const struct wh_root_entry *e, struct wh_err **err)
{
	return put_padding(arg, e, err);
}

static const struct wh_content_sink direct_sink = {.begin = direct_begin, .data = direct_data, .end = direct_end};

/* ---------------------------------------------------------------- or not */

static int spool_begin(void *arg, const struct wh_root_entry *e, struct wh_err **err)
{
	struct out *o = arg;

	(void)err;
	o->spool_at[e - o->root.v] = o->spooled;
	o->spooled += e->size;
	return 0;
}

static int spool_data(void *arg, const struct wh_root_entry *e, const void *p, size_t n, struct wh_err **err)
{
	struct out *o = arg;
	int r = wh_write_all(o->spool_fd, p, n);

	(void)e;
	return r < 0 ? wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "write a temporary file") : 0;
}

static int spool_end(void *arg, const struct wh_root_entry *e, struct wh_err **err)
{
	(void)arg;
	(void)e;
	(void)err;
	return 0;
}

static const struct wh_content_sink spool_sink = {.begin = spool_begin, .data = spool_data, .end = spool_end};

static int spool(struct out *o, struct wh_err **err)
{
	WH_AUTO_FREE char *tmp = wh_temp_name("spool-");
	int dir = wh_store_tmp_dirfd(o->root.s);
	int r = o->spool_fd = wh_openat(dir, tmp, O_RDWR | O_CREAT | O_EXCL, 0600);

	if (r >= 0)
		r = unlinkat(dir, tmp, 0) < 0 ? -errno : 0;
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "make a temporary file");
	o->spool_at = wh_calloc(o->root.n + 1, sizeof(*o->spool_at));
	return wh_root_contents(&o->root, &spool_sink, o, err);
}

static int write_entries(struct out *o, struct wh_err **err)
{
	bool in_order = true;
	int r;

	for (size_t i = 1; i < o->root.n_files; i++)
		in_order = in_order && o->root.files[i] > o->root.files[i - 1];
	r = in_order ? 0 : spool(o, err);
	if (r == 0)
		r = put_header(o, "", NULL, err);
	if (r == 0 && in_order)
		r = wh_root_contents(&o->root, &direct_sink, o, err);
	return r < 0 ? r : put_until(o, o->root.n, err);
}

static int write_root(struct out *o, const struct wh_image *i, struct wh_err **err)
{
	int r = wh_root_open(o->s, i, &o->root, err);

	if (r < 0)
		return r;
	o->next = 0;
	o->spooled = 0;
	r = write_entries(o, err);
	wh_root_close(&o->root);
	wh_closep(&o->spool_fd);
	free(WH_TAKE_PTR(o->spool_at));
	return r;
}

static int write_tar(void *arg, int fd, struct wh_err **err)
{
	struct out *o = arg;
	int r = 0;

	o->fd = fd;
	if (!wh_image_is_index(o->i))
		r = write_root(o, o->i, err);
	for (size_t k = 0; k < o->i->n_parts && r == 0; k++) {
		o->prefix = wh_image_platform_dir(&o->i->parts[k]);
		r = write_root(o, &o->i->parts[k], err);
		free(WH_TAKE_PTR(o->prefix));
	}
	if (r < 0)
		return r;
	wh_tar_end(&o->buf);
	return flush(o, 0, err);
}

int wh_export_tar(struct wh_store *s, const struct wh_image *i, const struct wh_export *x, struct wh_err **err)
{
	struct out o = {.s = s, .i = i, .x = x, .spool_fd = -1};
	int r = wh_image_whole(i, err);

	if (r == 0)
		r = wh_image_index_check(i, err);
	if (r == 0)
		r = wh_export_file(x, write_tar, &o, err);
	wh_buf_release(&o.buf);
	if (r < 0)
		wh_err_wrap(err, "export to %s", x->dest);
	return r;
}
