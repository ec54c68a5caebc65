/* SPDX-License-Identifier: Apache-2.0 */
/* .dockerignore: text → pattern lines. What they match is base/match.c's business. */
#include "frontend/frontend.h"
#include "frontend/syntax.h"

void wh_ignore_read_numbered(const char *text, size_t len, struct wh_strv *out, unsigned **ret_lines)
{
	struct wh_lines in = {text, len, 0, 0};
	unsigned *lines = NULL;
	size_t n = 0, cap = 0;
	struct wh_str line;

	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		in.pos = 3;
	while (wh_lines_next(&in, &line)) {
		WH_AUTO_FREE char *raw = NULL, *path = NULL;
		bool negated;

		if (line.p[0] == '#')
			continue;
		line = wh_str_trim(line);
		negated = line.n && line.p[0] == '!';
		if (negated)
			line = wh_str_trim((struct wh_str){line.p + 1, line.n - 1});
		if (!line.n && !negated)
			continue;
		WH_PUSH(lines, n, cap) = in.number;
		if (!line.n) {
			wh_strv_add(out, "!");
			continue;
		}
		raw = wh_strndup(line.p, line.n);
		path = wh_path_clean(raw);
		wh_strv_addf(out, "%s%s", negated ? "!" : "", path[0] == '/' && path[1] ? path + 1 : path);
	}
	*ret_lines = lines;
}

void wh_ignore_read(const char *text, size_t len, struct wh_strv *out)
{
	unsigned *lines;

	wh_ignore_read_numbered(text, len, out, &lines);
	free(lines);
}
