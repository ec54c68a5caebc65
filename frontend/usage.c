/* SPDX-License-Identifier: Apache-2.0 */
/* The one way in which frontend/ says that the user's words are wrong. */
#include "frontend/syntax.h"

#include <errno.h>

int wh_usage(struct wh_err **err, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	wh_buf_vaddf(&text, fmt, ap);
	va_end(ap);
	return wh_err_set(err, "frontend", WH_ERR_USAGE, EINVAL, "%s", text.p ? text.p : "");
}
