/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers that stay where they are.
 *
 * Of an image whose layers nobody has read the store has manifest and config; ROOT/origins/MANIFESTHEX says in which repository the
 * blobs are that the store may lack: {"sha256:…": "registry:HOST/NAME"}. It is a hint about where to ask, no more: what comes
 * from there is known by its digest. It is written before the manifest is known or named, and stays as long as that.
 */
#include "layers/image_private.h"
#include "layers/store_private.h"

#include <errno.h>

#define ORIGINS_MAX ((size_t)1 << 20)

json_t *wh_origins_read(const struct wh_store *s, const struct wh_digest *manifest)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	json_t *o = NULL;
	char hex[65];

	wh_digest_hex(manifest, hex);
	if (wh_read_regular(s->origins_fd, hex, ORIGINS_MAX, &text) < 0)
		return NULL;
	(void)wh_json_parse(text.p, text.n, hex, &o, NULL);
	return o;
}

char *wh_origins_find(const json_t *origins, const struct wh_digest *blob)
{
	char text[WH_DIGEST_TEXT];
	const char *origin = wh_json_str(origins, wh_digest_text(blob, text));

	return origin && wh_has_prefix(origin, WH_ORIGIN_REGISTRY) ? wh_strdup(origin) : NULL;
}

void wh_origins_add(json_t *origins, const struct wh_digest *blob, const char *origin)
{
	char text[WH_DIGEST_TEXT];

	json_object_set_new(origins, wh_digest_text(blob, text), json_string(origin));
}

int wh_origins_note(struct wh_store *s, const struct wh_digest *manifest, json_t *origins, struct wh_err **err)
{
	WH_AUTO_JSON json_t *old = wh_origins_read(s, manifest);
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	WH_AUTO_FREE char *tmp = NULL;
	char hex[65];
	int r;

	if (!json_object_size(origins) || json_equal(old, origins))
		return 0;
	wh_json_dump(origins, &text);
	if (text.n > ORIGINS_MAX)
		return 0;
	tmp = wh_temp_name("origins-");
	r = wh_write_file_atomic(s->lease.dir_fd, tmp, text.p, text.n, 0644, false);
	if (r < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "make a file in %s", s->tmp_path);
	return wh_store_replace(s, tmp, s->origins_fd, wh_digest_hex(manifest, hex), err);
}
