/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses that ADD and contexts take: git references, URLs' file names, checksums. */
#include "frontend/names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_git(const char *text)
{
	WH_CLEANUP(wh_git_ref_release) struct wh_git_ref g = {0};
	WH_AUTO_ERR struct wh_err *err = NULL;
	WH_AUTO_FREE char *format = wh_git_ref_format(text, true);
	int r = wh_git_ref_parse(text, &g, &err);

	if ((r < 0) != (err != NULL))
		abort();
	if (r < 1 && strcmp(format, text) != 0)
		abort();
	if (r < 1)
		return;
	/* What git gets is an address alone, and none that an option could begin with. */
	if (!*g.remote || *g.remote == '-' || strpbrk(g.remote, "#?") || !wh_has_prefix(format, g.remote))
		abort();
	if ((g.ref && !*g.ref) || (g.subdir && !*g.subdir) || (g.checksum && !*g.checksum))
		abort();
	if (wh_is_git(text) == g.local_like)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	WH_AUTO_FREE char *text = wh_strndup((const char *)data, size);
	WH_AUTO_FREE char *name = NULL;

	if (size > 1 << 14)
		return 0;
	check_git(text);
	name = wh_url_filename(text);
	if (!*name || strlen(name) > 255 || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		abort();
	(void)wh_checksum_check(text, NULL);
	return 0;
}
