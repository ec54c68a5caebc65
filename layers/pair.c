/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which blob holds which tar.
 *
 * That a blob has a certain diff id is the word of an image's config, and all
 * that is named by diff id (indexes, snapshots, roots, variants) may come from
 * another blob. So none of it serves a layer unless blob and diff id are known
 * to belong together: ROOT/variants/DIFFHEX.BLOBHEX, an empty file, says that
 * the blob was decompressed here and came out as that tar, or was made here
 * from it. The answer is asked for by one look at the directory. Whoever uses
 * something that is named by diff id asks for it, so its time is the
 * last use of all of that.
 */
#include "layers/store_private.h"
#include "layers/stream.h"

#include <errno.h>

static char *pair_name(const struct wh_digest *diff_id, const struct wh_digest *blob)
{
	char a[65], b[65];

	return wh_asprintf("%s.%s", wh_digest_hex(diff_id, a), wh_digest_hex(blob, b));
}

bool wh_pair_known(struct wh_store *s, const struct wh_digest *diff_id, const struct wh_digest *blob)
{
	WH_AUTO_FREE char *name = pair_name(diff_id, blob);

	return wh_store_use(s, s->variants_fd, name);
}

int wh_pair_note(struct wh_store *s, const struct wh_digest *diff_id, const struct wh_digest *blob, struct wh_err **err)
{
	WH_AUTO_FREE char *name = pair_name(diff_id, blob);
	WH_AUTO_FREE char *tmp = NULL;
	int fd;

	if (wh_pair_known(s, diff_id, blob))
		return 0;
	tmp = wh_temp_name("pair-");
	fd = wh_openat(s->lease.dir_fd, tmp, O_WRONLY | O_CREAT | O_EXCL, 0644);
	if (fd < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -fd, "make a file in %s", s->tmp_path);
	close(fd);
	return wh_store_publish(s, tmp, s->variants_fd, name, err);
}

int wh_layer_verify(struct wh_store *s, const struct wh_layer *l, struct wh_err **err)
{
	return wh_pair_known(s, &l->diff_id, &l->blob) ? 0 : wh_layer_prove(s, l, err);
}

int wh_layer_prove(struct wh_store *s, const struct wh_layer *l, struct wh_err **err)
{
	WH_CLEANUP(wh_stream_freep) struct wh_stream *t = NULL;
	char text[WH_DIGEST_TEXT];
	int r;

	r = wh_layer_stream_anywhere(s, l, &t, err);
	if (r < 0)
		return r;
	r = wh_stream_drain(t, err);
	wh_layer_blame(s, l, r);
	if (r == 0)
		r = wh_pair_note(s, &l->diff_id, &l->blob, err);
	if (r < 0)
		wh_err_wrap(err, "layer %.19s…", wh_digest_text(&l->blob, text));
	return r;
}
