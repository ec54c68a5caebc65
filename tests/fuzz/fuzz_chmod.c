/* SPDX-License-Identifier: Apache-2.0 */
/* --chmod: whatever text is taken gives a mode and nothing else. */
#include "builder/fileop_private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	WH_AUTO_FREE char *text = wh_strndup((const char *)data, size);
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct chmod c;
	int r = chmod_parse(text, &c, &err);

	check((r == 0) == (err == NULL));
	if (r)
		return 0;
	for (uint32_t mode = 0; mode < 010000; mode += 0111) {
		uint32_t file = chmod_apply(&c, mode, false), dir = chmod_apply(&c, mode, true);

		check(file < 010000 && dir < 010000);
		/* Only X tells directories from files. */
		check(strchr(text, 'X') || file == dir);
		check(!c.octal || file == c.mode);
	}
	return 0;
}
