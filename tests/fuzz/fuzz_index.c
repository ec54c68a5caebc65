/* SPDX-License-Identifier: Apache-2.0 */
/* A layer index made by somebody else: reading it may fail, and does no harm. The checksum is not looked at. */
#include "layers/index_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	WH_AUTO_FREE uint8_t *copy =
		wh_memdup(data, size ? size : 1); /* its own block, so that a sanitizer knows the end */
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_xattr xs[WH_MAX_XATTRS];
	struct wh_index *x = NULL;
	struct wh_entry e;
	size_t pos, sum = 0;

	if (wh_index_parse(copy, size, false, &x, &err) < 0) {
		if (!err || strchr(err->msg, '\n'))
			abort();
		return 0;
	}
	for (size_t i = 0; i <= wh_index_count(x); i++) {
		if (wh_index_at(x, i, &e, xs) < 0)
			continue;
		if (i == wh_index_count(x) || e.n_xattrs > WH_MAX_XATTRS)
			abort();
		sum += strlen(e.path) + (e.link ? strlen(e.link) : 0);
		for (size_t k = 0; k < e.n_xattrs; k++) {
			sum += strlen(e.xattrs[k].name);
			for (size_t n = 0; n < e.xattrs[k].len; n++)
				sum += ((const uint8_t *)e.xattrs[k].value)[n];
		}
		if (wh_index_find(x, e.path, &pos) && pos >= wh_index_count(x))
			abort();
		if (wh_index_skip(x, i, e.path) > wh_index_count(x))
			abort();
	}
	wh_index_close(x);
	return sum == SIZE_MAX; /* so that nothing is optimised away */
}
