/* SPDX-License-Identifier: Apache-2.0 */
/* The lexical path functions: what holds for any input. */
#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	WH_AUTO_FREE char *path = wh_strndup((const char *)data, size);
	WH_AUTO_FREE char *clean = wh_path_clean(path);
	WH_AUTO_FREE char *again = wh_path_clean(clean);
	WH_AUTO_FREE char *in = wh_path_abs_in("/srv", path);
	WH_AUTO_FREE char *dir = wh_path_dir(path);

	check(strcmp(clean, again) == 0);
	check(strlen(clean) <= strlen(path) || strcmp(clean, ".") == 0);
	check(!strstr(clean, "//"));
	check(in[0] == '/');
	check(!strstr(in, "/../") && !wh_has_suffix(in, "/.."));
	check(dir[0] != '\0');
	check(wh_path_cmp(path, clean) == -wh_path_cmp(clean, path));
	check(wh_edit_distance(path, clean, 2) == wh_edit_distance(clean, path, 2));
	return 0;
}
