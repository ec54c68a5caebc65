/* SPDX-License-Identifier: Apache-2.0 */
/* A log that is read is written again to the same bytes; one that is not is refused in one line. */
#include "base/observation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int again(void *arg, const struct wh_obs *o)
{
	wh_obs_write(o, arg);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	WH_AUTO_ERR struct wh_err *err = NULL;

	wh_obs_begin(&out);
	if (wh_obs_read((const char *)data, size, again, &out, &err) < 0) {
		if (!err || strchr(err->msg, '\n'))
			abort();
		return 0;
	}
	if (out.n != size || memcmp(out.p, data, size) != 0)
		abort();
	return 0;
}
