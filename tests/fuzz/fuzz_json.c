/* SPDX-License-Identifier: Apache-2.0 */
/* What parses, dumps to canonical bytes that parse to the same bytes again. */
#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	WH_AUTO_JSON json_t *j = NULL;
	WH_AUTO_JSON json_t *back = NULL;
	WH_AUTO_BUF struct wh_buf once = WH_BUF_INIT;
	WH_AUTO_BUF struct wh_buf twice = WH_BUF_INIT;
	WH_AUTO_ERR struct wh_err *err = NULL;

	if (wh_json_parse((const char *)data, size, "input", &j, &err)) {
		if (!err || strchr(err->msg, '\n'))
			abort();
		return 0;
	}
	wh_json_dump(j, &once);
	if (!wh_buf_ok(&once) || wh_json_parse(once.p, once.n, "canonical", &back, NULL))
		abort();
	wh_json_dump(back, &twice);
	if (once.n != twice.n || memcmp(once.p, twice.p, once.n) != 0)
		abort();
	return 0;
}
