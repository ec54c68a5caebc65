/* SPDX-License-Identifier: Apache-2.0 */
/* The layer writer: entries and content in, blob and index out, everything read once. */
#include "layers/index_private.h"
#include "layers/pipeline.h"
#include "layers/store_private.h"
#include "layers/tar_private.h"

#include <errno.h>

struct wh_layer_writer {
	struct wh_store *store;
	struct wh_layer_opts opts;
	struct wh_index_builder *index;
	struct wh_pipeline *pipe;
	struct wh_sha256 *sha; /* of the file being written */
	struct wh_buf head;
	char *last_path;
	uint64_t size, left; /* of that file */
	struct wh_digest last_digest;
	bool in_file;
};

int wh_layer_writer_new(struct wh_store *s, const struct wh_layer_opts *o, struct wh_layer_writer **ret,
			struct wh_err **err)
{
	struct wh_layer_writer *w = wh_calloc(1, sizeof(*w));
	int r;

	w->store = s;
	w->opts = *o;
	w->sha = wh_sha256_new();
	r = wh_index_builder_new(s, &w->index, err);
	if (r == 0)
		r = wh_pipeline_new(s, o, &w->pipe, err);
	if (r < 0) {
		wh_layer_writer_abort(w);
		return r;
	}
	*ret = w;
	return 0;
}

void wh_layer_writer_abort(struct wh_layer_writer *w)
{
	if (!w)
		return;
	wh_index_builder_abort(w->index);
	wh_pipeline_abort(w->pipe);
	wh_sha256_free(w->sha);
	wh_buf_release(&w->head);
	free(w->last_path);
	free(w);
}

static int end_file(struct wh_layer_writer *w, struct wh_err **err)
{
	static const char zeros[WH_TAR_BLOCK];

	wh_sha256_end(w->sha, &w->last_digest);
	wh_index_builder_set_digest(w->index, &w->last_digest);
	w->in_file = false;
	return wh_pipeline_add(w->pipe, zeros, wh_tar_padding(w->size), err);
}

int wh_layer_writer_add(struct wh_layer_writer *w, const struct wh_entry *e, struct wh_err **err)
{
	struct wh_entry x = *e;
	int r;

	if (w->in_file)
		return wh_err_set(err, "layers", WH_ERR_INTERNAL, EINVAL, "%s: %llu bytes of content are missing",
				  w->last_path, (unsigned long long)w->left);
	if (w->last_path && wh_path_cmp(w->last_path, e->path) >= 0)
		return wh_err_set(err, "layers", WH_ERR_INTERNAL, EINVAL, "entries out of order: %s after %s", e->path,
				  w->last_path);
	if (x.type == WH_T_WHITEOUT)
		x = (struct wh_entry){.path = e->path, .type = WH_T_WHITEOUT};
	if (x.type != WH_T_FILE && x.type != WH_T_HARDLINK)
		x.size = 0;
	if (x.mtime > w->opts.epoch)
		x.mtime = w->opts.epoch;
	wh_buf_reset(&w->head);
	r = wh_tar_entry(&w->head, &x, err);
	if (r == 0)
		r = wh_pipeline_add(w->pipe, w->head.p, w->head.n, err);
	if (r < 0)
		return r;
	x.offset = x.type == WH_T_FILE ? wh_pipeline_offset(w->pipe) : 0;
	r = wh_index_builder_add(w->index, &x, err);
	if (r < 0)
		return r;
	free(w->last_path);
	w->last_path = wh_strdup(e->path);
	if (x.type != WH_T_FILE)
		return 0;
	wh_sha256_reset(w->sha);
	w->in_file = true;
	w->size = w->left = x.size;
	return x.size ? 0 : end_file(w, err);
}

static int check_cancel(const struct wh_layer_writer *w, struct wh_err **err)
{
	if (!w->opts.cancel || !*w->opts.cancel)
		return 0;
	return wh_err_set(err, "layers", WH_ERR_BUILD, ECANCELED, "canceled while a layer was written");
}

int wh_layer_writer_data(struct wh_layer_writer *w, const void *p, size_t n, struct wh_err **err)
{
	int r;

	if (n > w->left || (!w->in_file && n))
		return wh_err_set(err, "layers", WH_ERR_INTERNAL, EINVAL, "%s: more content than its entry says",
				  w->last_path ? w->last_path : "");
	if (!n)
		return 0;
	r = check_cancel(w, err);
	if (r < 0)
		return r;
	wh_sha256_add(w->sha, p, n);
	r = wh_pipeline_add(w->pipe, p, n, err);
	w->left -= n;
	return r == 0 && !w->left ? end_file(w, err) : r;
}

static int changed(const char *what, struct wh_err **err)
{
	return wh_err_set(err, "layers", WH_ERR_BUILD, EAGAIN, "%s changed while it was read", what);
}

/* Straight into the pipeline's chunks: no copy in between. */
static int read_content(struct wh_layer_writer *w, int fd, const char *what, struct wh_err **err)
{
	while (w->left > 0) {
		size_t room;
		void *to;
		ssize_t n;
		int r = check_cancel(w, err);

		if (r == 0)
			r = wh_pipeline_space(w->pipe, &to, &room, err);
		if (r < 0)
			return r;
		n = read(fd, to, room < w->left ? room : (size_t)w->left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return wh_err_sys(err, "layers", WH_ERR_BUILD, errno, "read %s", what);
		if (n == 0)
			return changed(what, err);
		wh_sha256_add(w->sha, to, (size_t)n);
		wh_pipeline_filled(w->pipe, (size_t)n);
		w->left -= (uint64_t)n;
	}
	return 0;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

int wh_layer_writer_fd(struct wh_layer_writer *w, int fd, const char *what, struct wh_err **err)
{
	struct stat a, b;
	int r;

	if (fstat(fd, &a) < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, errno, "stat %s", what);
	if ((uint64_t)a.st_size != w->size)
		return changed(what, err);
	if (!w->in_file) /* empty, and ended by add */
		return 0;
	r = read_content(w, fd, what, err);
	if (r < 0)
		return r;
	if (fstat(fd, &b) < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, errno, "stat %s", what);
	if (a.st_size != b.st_size || !same_time(&a.st_mtim, &b.st_mtim) || !same_time(&a.st_ctim, &b.st_ctim))
		return changed(what, err);
	return end_file(w, err);
}

void wh_layer_writer_last_digest(const struct wh_layer_writer *w, struct wh_digest *ret)
{
	*ret = w->last_digest;
}

int wh_layer_writer_finish(struct wh_layer_writer *w, struct wh_layer *ret, struct wh_err **err)
{
	struct wh_layer l = {.comp = w->opts.comp};
	struct wh_index_info info;
	int r = 0;

	if (w->in_file)
		r = wh_err_set(err, "layers", WH_ERR_INTERNAL, EINVAL, "%s: %llu bytes of content are missing",
			       w->last_path, (unsigned long long)w->left);
	if (r == 0) {
		wh_buf_reset(&w->head);
		wh_tar_end(&w->head);
		r = wh_pipeline_add(w->pipe, w->head.p, w->head.n, err);
	}
	if (r == 0)
		r = wh_pipeline_finish(WH_TAKE_PTR(w->pipe), &l.diff_id, &l.blob, &l.blob_size, err);
	if (r == 0)
		r = wh_pair_note(w->store, &l.diff_id, &l.blob, err);
	/* The index comes second: a blob without one can be read again, an index without a blob is of little use. */
	if (r == 0)
		r = wh_index_builder_finish(WH_TAKE_PTR(w->index), &l.diff_id, &info, err);
	if (r == 0) {
		l.newest = info.newest;
		l.n_entries = info.n_entries;
		*ret = l;
	}
	wh_layer_writer_abort(w);
	return r;
}
