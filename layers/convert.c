/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One tar in several compressions.
 *
 * ROOT/variants/HEX.KIND says which blob holds the tar with diff id HEX in
 * that form: "sha256:… SIZE\n". KIND is the compression's name, a dash and the
 * level, so that a level that was asked for once is not given to who asks for
 * another. A file that is unreadable, or whose blob is gone, counts as absent.
 * (Names with 64 digits behind the point are layers/pair.c's.)
 */
#include "layers/pipeline.h"
#include "layers/store_private.h"
#include "layers/stream.h"

#include <errno.h>

static char *variant_name(const struct wh_layer *l, const struct wh_layer_opts *o)
{
	int level = o->level ? o->level : o->comp == WH_COMP_GZIP ? 6 : o->comp == WH_COMP_ZSTD ? 3 : 0;
	char hex[65];

	return wh_asprintf("%s.%s-%d", wh_digest_hex(&l->diff_id, hex), wh_compression_name(o->comp), level);
}

static bool read_variant(struct wh_store *s, const char *name, struct wh_layer *l)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	uint64_t size, there;
	char *space, *end;

	if (!wh_store_use(s, s->variants_fd, name) || wh_read_regular(s->variants_fd, name, 256, &buf) < 0)
		return false;
	space = strchr(buf.p, ' ');
	if (!space)
		return false;
	*space++ = '\0';
	end = strchr(space, '\n');
	if (!end)
		return false;
	*end = '\0';
	if (!wh_digest_parse(buf.p, &l->blob) || !wh_parse_u64(space, 10, &size) || !wh_blob_has(s, &l->blob, &there) ||
	    there != size)
		return false;
	l->blob_size = size;
	return true;
}

static int write_variant(struct wh_store *s, const char *name, const struct wh_layer *l, struct wh_err **err)
{
	WH_AUTO_FREE char *text = NULL;
	char digest[WH_DIGEST_TEXT];
	int r;

	text = wh_asprintf("%s %llu\n", wh_digest_text(&l->blob, digest), (unsigned long long)l->blob_size);
	r = wh_write_file_atomic(s->lease.dir_fd, name, text, strlen(text), 0644, false);
	/* An old one whose blob is gone may lie in the way. */
	if (r == 0 && unlinkat(s->variants_fd, name, 0) < 0 && errno != ENOENT)
		r = -errno;
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "write %s", name);
	return wh_store_publish(s, name, s->variants_fd, name, err);
}

static int convert(struct wh_store *s, const struct wh_layer *l, const struct wh_layer_opts *o, struct wh_layer *ret,
		   struct wh_err **err)
{
	WH_CLEANUP(wh_stream_freep) struct wh_stream *t = NULL;
	struct wh_pipeline *p;
	struct wh_digest tar;
	const void *data;
	size_t n = 0;
	int r = wh_layer_stream_anywhere(s, l, &t, err);

	if (r == 0)
		r = wh_pipeline_new(s, o, &p, err);
	if (r < 0)
		return r;
	do {
		r = wh_stream_next(t, &data, &n, err);
		if (r == 0 && n)
			r = wh_pipeline_add(p, data, n, err);
	} while (r == 0 && n);
	if (r < 0) {
		wh_pipeline_abort(p);
		return r;
	}
	/* The stream has checked what it gave, to the end: both blobs hold this tar. */
	r = wh_pipeline_finish(p, &tar, &ret->blob, &ret->blob_size, err);
	if (r == 0)
		r = wh_pair_note(s, &l->diff_id, &l->blob, err);
	return r < 0 ? r : wh_pair_note(s, &tar, &ret->blob, err);
}

int wh_layer_as(struct wh_store *s, const struct wh_layer *l, const struct wh_layer_opts *o, struct wh_layer *ret,
		struct wh_err **err)
{
	WH_AUTO_FREE char *name = NULL;
	struct wh_layer out;
	int r;

	/* Which level it has is not known, so one that was asked for is made. */
	if (l->comp == o->comp && (!o->level || o->comp == WH_COMP_NONE)) {
		wh_layer_copy(ret, l);
		return 0;
	}
	wh_layer_copy(&out, l);
	out.comp = o->comp;
	wh_freep(&out.origin); /* the new blob is in the store */
	out.origin = NULL;
	name = variant_name(l, o);
	if (read_variant(s, name, &out)) {
		r = wh_layer_verify(s, l, err); /* is it this blob's, too? */
	} else {
		r = convert(s, l, o, &out, err);
		if (r == 0)
			r = write_variant(s, name, &out, err);
	}
	if (r < 0) {
		wh_layer_release(&out);
		wh_err_wrap(err, "convert to %s", wh_compression_name(o->comp));
		return r;
	}
	*ret = out;
	return 0;
}
