/* SPDX-License-Identifier: Apache-2.0 */
/* An ignore file and a path: "patterns NUL path". What is promised of the pattern functions among one another must hold. */
#include "frontend/frontend.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
	size_t n = nul ? (size_t)(nul - data) : size;
	WH_AUTO_FREE char *text = wh_strndup((const char *)data, n);
	WH_AUTO_FREE char *raw = nul ? wh_strndup((const char *)nul + 1, size - n - 1) : wh_strdup("a/b/c.txt");
	WH_AUTO_FREE char *path = wh_path_clean(raw);
	WH_AUTO_STRV struct wh_strv lines = {0};
	WH_CLEANUP(wh_patterns_freep) struct wh_patterns *set = NULL;
	WH_AUTO_ERR struct wh_err *err = NULL;
	char *slash;
	size_t i;

	if (size > 1 << 14)
		return 0;
	wh_ignore_read(text, n, &lines);
	for (i = 0; i < lines.n; i++)
		if (!lines.v[i][0] || strchr(lines.v[i], '\n'))
			abort();
	(void)wh_glob_match(text, path);
	(void)wh_glob_has_meta(text);
	if (wh_patterns_new(&lines, &set, &err) < 0) {
		if (!err)
			abort();
		return 0;
	}
	if (wh_patterns_excluded(set, path) && !wh_patterns_decider(set, path))
		abort();
	/* What cannot come back below an excluded directory is excluded there. */
	slash = strrchr(path, '/');
	if (slash && slash != path) {
		bool excluded = wh_patterns_excluded(set, path);

		*slash = '\0';
		if (!excluded && wh_patterns_excluded(set, path) && wh_patterns_prunable(set, path))
			abort();
	}
	return 0;
}
