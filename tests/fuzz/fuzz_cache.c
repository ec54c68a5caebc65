/* SPDX-License-Identifier: Apache-2.0 */
/* The config of a build cache from elsewhere, read over a manifest that has the two blobs of the corpus. */
#include "builder/builder_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wh_descriptor blobs[2] = {{.size = 111}, {.size = 222}};
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_cache_source *c = NULL;
	struct wh_digest key;
	uint64_t doc_size;

	memset(blobs[0].digest.b, 0x11, 32);
	memset(blobs[1].digest.b, 0x22, 32);
	if (wh_cache_source_parse((const char *)data, size, blobs, 2, "cache", "/cache", &c, &err) < 0) {
		if (!err || strchr(err->msg, '\n'))
			abort();
		return 0;
	}
	memset(key.b, 0xaa, 32);
	if (wh_cache_source_has(c, &key)) {
		const struct wh_record *rec = wh_cache_source_find(c, &key, &doc_size);

		/* Only blobs of the manifest are fetched. */
		if (!rec->empty && strcmp(rec->layer.origin, "/cache") == 0 && !wh_digest_eq(&rec->layer.blob, &blobs[0].digest) &&
		    !wh_digest_eq(&rec->layer.blob, &blobs[1].digest))
			abort();
		if (!wh_cache_source_knows_op(c, &rec->op))
			abort();
	}
	wh_cache_source_free(c);
	return 0;
}
