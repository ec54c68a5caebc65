/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The changes, in order, into the layer writer: each file is read once, into
 * tar, digest and compressor at the same time. A file that changed while it was
 * read makes the whole layer begin again, once.
 */
#include "builder/fileop_private.h"

#include <errno.h>

#define MAX_TRIES 2
#define CHUNK ((size_t)256 * 1024)

struct first {
	const char *path;
	struct wh_digest digest;
	uint64_t size;
};

static void abort_writer(struct wh_layer_writer **w)
{
	if (*w)
		wh_layer_writer_abort(*w);
}

static void to_entry(const struct out *o, struct wh_entry *e)
{
	const struct node *n = &o->n;

	*e = (struct wh_entry){
		.path = n->path,
		.type = o->removed ? WH_T_WHITEOUT : n->type,
		.opaque = o->opaque,
		.mode = n->mode,
		.uid = n->uid,
		.gid = n->gid,
		.mtime = n->mtime,
		.size = n->type == WH_T_FILE ? n->size : 0,
		.major = n->major,
		.minor = n->minor,
		.link = n->type == WH_T_SYMLINK ? n->link : NULL,
		.xattrs = n->xattrs,
		.n_xattrs = n->n_xattrs,
	};
}

static int write_from_blob(struct wh_layer_writer *w, int blob, const struct node *n, struct wh_err **err)
{
	WH_AUTO_FREE char *buf = wh_malloc(CHUNK);
	uint64_t done = 0;
	int r = 0;

	while (!r && done < n->size) {
		size_t want = n->size - done < CHUNK ? (size_t)(n->size - done) : CHUNK;
		ssize_t got = pread(blob, buf, want, (off_t)(n->offset + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return wh_err_sys(err, DOMAIN, WH_ERR_BUILD, got < 0 ? errno : EIO, "read /%s from its layer",
					  n->path);
		r = wh_layer_writer_data(w, buf, (size_t)got, err);
		done += (uint64_t)got;
	}
	return r;
}

/* A file from a source; what was learned of it goes back to the selection and the memo. */
static int write_file(struct wh_layer_writer *w, struct out *o, struct wh_entry *e, struct wh_err **err)
{
	struct node *src = &o->item->n;
	WH_AUTO_FREE char *what = wh_asprintf("%s%s%s", o->view->tree ? "" : o->view->in->local_path, "/", src->path);
	int blob = view_blob(o->view, src);
	WH_AUTO_FD int fd = blob < 0 ? view_open_file(o->view, src, err) : -1;
	struct wh_digest known = src->digest;
	bool was_known = src->has_digest;
	int r;

	if (blob < 0 && fd < 0)
		return fd;
	e->size = o->n.size = src->size;
	e->mtime = o->n.mtime = src->mtime;
	r = wh_layer_writer_add(w, e, err);
	if (!r)
		r = blob < 0 ? wh_layer_writer_fd(w, fd, what, err) : write_from_blob(w, blob, src, err);
	if (r) {
		src->has_digest = was_known && r != -EAGAIN;
		return r;
	}
	wh_layer_writer_last_digest(w, &src->digest);
	if (o->view->tree && was_known && !wh_digest_eq(&known, &src->digest)) {
		wh_err_set(err, DOMAIN, WH_ERR_ENV, EBADMSG, "the store is damaged: /%s is not what its layer says",
			   src->path);
		return -EBADMSG;
	}
	src->has_digest = true;
	if (!o->view->tree && !(was_known && wh_digest_eq(&known, &src->digest)))
		local_learned(o->view, src);
	return 0;
}

static int write_one(struct wh_layer_writer *w, struct out *o, struct first *groups, struct wh_err **err)
{
	struct first *first = o->group ? &groups[o->group] : NULL;
	struct wh_entry e;
	int r;

	to_entry(o, &e);
	if (o->removed || o->n.type != WH_T_FILE)
		return wh_layer_writer_add(w, &e, err);
	if (o->origin != FROM_VIEW) {
		r = wh_layer_writer_add(w, &e, err);
		return r || !o->data_len ? r : wh_layer_writer_data(w, o->data, o->data_len, err);
	}
	if (!first || !first->path) {
		r = write_file(w, o, &e, err);
		if (!r && first)
			*first = (struct first){o->n.path, o->item->n.digest, o->n.size};
		return r;
	}
	e.type = WH_T_HARDLINK;
	e.link = first->path;
	e.size = first->size;
	e.digest = first->digest;
	o->item->n.digest = first->digest;
	o->item->n.has_digest = true;
	return wh_layer_writer_add(w, &e, err);
}

static int write_all(struct wh_fileop *f, struct out **list, size_t n, size_t n_groups, const struct wh_layer_opts *o,
		     struct wh_layer *ret, struct wh_err **err)
{
	WH_CLEANUP(abort_writer) struct wh_layer_writer *w = NULL;
	WH_AUTO_FREE struct first *groups = wh_calloc(n_groups + 2, sizeof(*groups));
	int r = wh_layer_writer_new(f->store, o, &w, err);

	for (size_t i = 0; !r && i < n; i++) {
		r = write_one(w, list[i], groups, err);
		/* Without a text: gone or no file any more since it was scanned. */
		if (r == -EAGAIN)
			wh_err_set(err, DOMAIN, WH_ERR_BUILD, EAGAIN, "/%s changed while it was read",
				   list[i]->item ? list[i]->item->n.path : list[i]->n.path);
	}
	return r ? r : wh_layer_writer_finish(WH_TAKE_PTR(w), ret, err);
}

int write_layer(struct wh_fileop *f, struct dest *d, const struct wh_layer_opts *o, struct wh_layer *ret,
		bool *ret_empty, struct wh_err **err)
{
	WH_AUTO_FREE struct out **list = NULL;
	size_t n;
	int r = -EAGAIN;

	list = dest_sorted(d, &n);
	for (int tries = 0; r == -EAGAIN && tries < MAX_TRIES; tries++) {
		WH_AUTO_ERR struct wh_err *last = NULL;

		r = write_all(f, list, n, d->groups, o, ret, &last);
		if (r && (r != -EAGAIN || tries + 1 == MAX_TRIES))
			wh_err_move(err, &last);
	}
	if (!r)
		*ret_empty = n == 0;
	return r;
}
