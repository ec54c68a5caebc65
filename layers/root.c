/* SPDX-License-Identifier: Apache-2.0 */
#include "layers/root.h"
#include "layers/reader.h"
#include "layers/stream.h"

#include <errno.h>

#define COPY_SIZE ((size_t)256 << 10)

/* ---------------------------------------------------------------- what there is */

struct collect {
	struct wh_root *r;
	size_t cap;
};

static int collect(void *arg, const struct wh_node_ref *n)
{
	struct collect *c = arg;
	struct wh_root *r = c->r;

	WH_PUSH(r->v, r->n, c->cap) = (struct wh_root_entry){
		.path = n->e.path,
		.type = n->e.type,
		.first = n->e.link && n->e.type == WH_T_FILE ? n->e.link : n->e.path,
		.layer = n->layer,
		.offset = n->e.offset,
		.size = n->e.size,
	};
	return 0;
}

struct key {
	const struct wh_root_entry *e;
	size_t at;
};

static int by_content(const void *a, const void *b)
{
	const struct key *x = a, *y = b;
	int r;

	if (x->e->layer != y->e->layer)
		return x->e->layer < y->e->layer ? -1 : 1;
	r = strcmp(x->e->first, y->e->first);
	return r ? r : x->at < y->at ? -1 : x->at > y->at;
}

static int by_offset(const void *a, const void *b)
{
	const struct key *x = a, *y = b;

	if (x->e->layer != y->e->layer)
		return x->e->layer < y->e->layer ? -1 : 1;
	if (x->e->offset != y->e->offset)
		return x->e->offset < y->e->offset ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* Which files share a content, and in which order contents come. */
static void order_files(struct wh_root *r)
{
	WH_AUTO_FREE struct key *k = wh_calloc(r->n + 1, sizeof(*k));
	size_t n = 0, primaries = 0;

	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].type == WH_T_FILE)
			k[n++] = (struct key){&r->v[i], i};
	if (n)
		qsort(k, n, sizeof(*k), by_content);
	for (size_t i = 0; i < n; i++) {
		bool same = i && k[i].e->layer == k[i - 1].e->layer && strcmp(k[i].e->first, k[i - 1].e->first) == 0;

		r->v[k[i].at].primary = same ? r->v[k[i - 1].at].primary : k[i].at;
	}
	for (size_t i = 0; i < n; i++)
		if (r->v[k[i].at].primary == k[i].at)
			k[primaries++] = k[i];
	if (primaries)
		qsort(k, primaries, sizeof(*k), by_offset);
	r->files = wh_calloc(primaries + 1, sizeof(*r->files));
	for (size_t i = 0; i < primaries; i++)
		r->files[i] = k[i].at;
	r->n_files = primaries;
}

int wh_root_open(struct wh_store *s, const struct wh_image *i, struct wh_root *ret, struct wh_err **err)
{
	struct wh_root r = {.s = s, .i = i};
	struct collect c = {.r = &r};
	int e = wh_tree_open(s, i->layers, i->n_layers, &r.tree, err);

	if (e < 0)
		return e;
	e = wh_tree_walk(r.tree, "", collect, &c);
	if (e < 0) {
		wh_root_close(&r);
		return wh_err_sys(err, "layers", WH_ERR_BUILD, -e, "read the image's indexes");
	}
	order_files(&r);
	*ret = r;
	return 0;
}

void wh_root_close(struct wh_root *r)
{
	wh_tree_close(r->tree);
	free(r->v);
	free(r->files);
	*r = (struct wh_root){0};
}

int wh_root_node(struct wh_root *r, const char *path, struct wh_node_ref *ret, struct wh_err **err)
{
	int e = wh_tree_lookup(r->tree, path, ret);

	return e < 0 ? wh_err_sys(err, "layers", WH_ERR_BUILD, -e, "look up /%s", path) : 0;
}

/* ---------------------------------------------------------------- contents that lie in one piece */

struct wanted { /* the files of one layer */
	struct wh_root *r;
	size_t layer, from, to; /* in r->files */
};

static int bad_index(const struct wh_root_entry *e, struct wh_err **err)
{
	return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "the index of a layer is wrong about /%s", e->path);
}

/* Takes from the stream what lies in [pos, pos + n) for the files from *at on. */
static int take(struct wanted *w, size_t *at, uint64_t pos, const uint8_t *p, size_t n,
		const struct wh_content_sink *sink, void *arg, bool *begun, struct wh_err **err)
{
	while (*at < w->to) {
		const struct wh_root_entry *e = &w->r->v[w->r->files[*at]];
		uint64_t end = e->offset + e->size, from, to;
		int r = 0;

		if (end < e->offset || (!*begun && e->offset < pos))
			return bad_index(e, err);
		if (e->offset >= pos + n && e->size)
			return 0;
		if (!*begun) {
			r = sink->begin(arg, e, err);
			*begun = true;
		}
		from = e->offset > pos ? e->offset : pos;
		to = end < pos + n ? end : pos + n;
		if (r == 0 && to > from)
			r = sink->data(arg, e, p + (from - pos), (size_t)(to - from), err);
		if (r == 0 && end > pos + n)
			return 0;
		if (r == 0)
			r = sink->end(arg, e, err);
		if (r < 0)
			return r;
		*begun = false;
		++*at;
	}
	return 0;
}

static int stream_whole(struct wanted *w, const struct wh_content_sink *sink, void *arg, struct wh_err **err)
{
	WH_CLEANUP(wh_stream_freep) struct wh_stream *t = NULL;
	size_t at = w->from, n = 0;
	uint64_t pos = 0;
	bool begun = false;
	const void *p;
	int r = wh_layer_stream_anywhere(w->r->s, &w->r->i->layers[w->layer], &t, err);

	while (r == 0) {
		r = wh_stream_next(t, &p, &n, err);
		if (r < 0 || n == 0)
			break;
		r = take(w, &at, pos, p, n, sink, arg, &begun, err);
		pos += n;
	}
	if (r == 0 && at < w->to)
		r = bad_index(&w->r->v[w->r->files[at]], err);
	return r;
}

/* ---------------------------------------------------------------- sparse ones */

/* They have no place in the tar, so it is read as one. Later entries of a name replace earlier ones: all go to a spool
 * first. */
struct spool {
	int fd;
	uint64_t end;
	struct wanted *w;
};

static int spool_make(void *arg, struct wh_name *n, struct wh_err **err)
{
	struct spool *s = arg;

	(void)err;
	if (n->ino->type == WH_T_FILE && n->ino->offset == UINT64_MAX) {
		n->ino->spool = s->end;
		s->end += n->ino->size;
	}
	return 0;
}

static int spool_data(void *arg, struct wh_name *n, uint64_t offset, const void *p, size_t len, struct wh_err **err)
{
	struct spool *s = arg;
	int r;

	if (n->ino->offset != UINT64_MAX)
		return 0;
	r = wh_pwrite_all(s->fd, p, len, n->ino->spool + offset);
	return r < 0 ? wh_err_sys(err, "layers", WH_ERR_BUILD, -r, "write a temporary file") : 0;
}

static int send_spooled(struct spool *s, const struct wh_inode *ino, const struct wh_root_entry *e,
			const struct wh_content_sink *sink, void *arg, struct wh_err **err)
{
	WH_AUTO_FREE char *buf = wh_malloc(COPY_SIZE);
	uint64_t at = 0;
	int r = sink->begin(arg, e, err);

	while (r == 0 && at < ino->size) {
		size_t want = ino->size - at < COPY_SIZE ? (size_t)(ino->size - at) : COPY_SIZE;
		ssize_t n = pread(s->fd, buf, want, (off_t)(ino->spool + at));

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return wh_err_sys(err, "layers", WH_ERR_BUILD, n < 0 ? errno : EIO, "read a temporary file");
		r = sink->data(arg, e, buf, (size_t)n, err);
		at += (uint64_t)n;
	}
	return r < 0 ? r : sink->end(arg, e, err);
}

static struct wh_name *find_path(struct wh_names *t, const char *path)
{
	struct wh_name *n = wh_names_root(t);

	while (n && *path) {
		size_t len = strcspn(path, "/");

		n = wh_names_find(t, n, path, len);
		path += len + (path[len] == '/');
	}
	return n;
}

static const struct wh_read_sink spool_sink = {.make = spool_make, .data = spool_data};

static int stream_sparse(struct wanted *w, const struct wh_content_sink *sink, void *arg, struct wh_err **err)
{
	WH_AUTO_FREE char *tmp = wh_temp_name("sparse-");
	WH_AUTO_NAMES struct wh_names *names = wh_names_new();
	int dir = wh_store_tmp_dirfd(w->r->s);
	WH_AUTO_FD int fd = wh_openat(dir, tmp, O_RDWR | O_CREAT | O_EXCL, 0600);
	struct spool s = {.fd = fd, .w = w};
	int r = fd < 0 ? fd : 0;

	if (r == 0 && unlinkat(dir, tmp, 0) < 0)
		r = -errno;
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "make a temporary file");
	r = wh_layer_read(w->r->s, &w->r->i->layers[w->layer], names, &spool_sink, &s, err);
	if (r == 0 && ftruncate(fd, (off_t)s.end) < 0)
		r = wh_err_sys(err, "layers", WH_ERR_BUILD, errno, "write a temporary file");
	for (size_t k = w->from; k < w->to && r == 0; k++) {
		const struct wh_root_entry *e = &w->r->v[w->r->files[k]];
		const struct wh_name *n = find_path(names, e->first);

		r = n && n->ino->type == WH_T_FILE && n->ino->offset == UINT64_MAX && n->ino->size == e->size
			    ? send_spooled(&s, n->ino, e, sink, arg, err)
			    : bad_index(e, err);
	}
	return r;
}

int wh_root_contents(struct wh_root *root, const struct wh_content_sink *sink, void *arg, struct wh_err **err)
{
	size_t at = 0;
	int r = 0;

	while (at < root->n_files && r == 0) {
		struct wanted w = {.r = root, .layer = root->v[root->files[at]].layer, .from = at};

		for (; at < root->n_files && root->v[root->files[at]].layer == w.layer; at++)
			if (root->v[root->files[at]].offset == UINT64_MAX)
				break;
		w.to = at;
		if (w.to > w.from)
			r = stream_whole(&w, sink, arg, err);
		w.from = at;
		while (at < root->n_files && root->v[root->files[at]].layer == w.layer)
			at++;
		w.to = at;
		if (r == 0 && w.to > w.from)
			r = stream_sparse(&w, sink, arg, err);
		if (r < 0)
			wh_err_wrap(err, "layer %zu of %zu", w.layer + 1, root->i->n_layers);
	}
	return r;
}
