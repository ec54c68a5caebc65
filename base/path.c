/* SPDX-License-Identifier: Apache-2.0 */
/* Lexical paths, with the exact results of Go's package path, on which Dockerfile and OCI tools agree. */
#include "base/str.h"

/*
 * Components are copied to the end of what stands already; ".." cuts the last
 * one off again, unless nothing that can be cut is left: then a relative path
 * keeps the "..", and "/.." is "/".
 */
char *wh_path_clean(const char *path)
{
	const char *s = path ? path : "";
	bool rooted = s[0] == '/';
	char *out = wh_malloc(strlen(s) + 2);
	size_t n = 0, floor, len;

	if (rooted)
		out[n++] = '/';
	floor = n; /* what lies before is never cut */
	while (*s) {
		len = strcspn(s, "/");
		if (len == 0) {
			s++;
			continue;
		}
		if (len == 1 && s[0] == '.') {
			s += len;
			continue;
		}
		if (len == 2 && s[0] == '.' && s[1] == '.') {
			s += len;
			if (n > floor) {
				while (n > floor && out[n - 1] != '/')
					n--;
				if (n > floor)
					n--; /* the slash between */
			} else if (!rooted) {
				if (n)
					out[n++] = '/';
				out[n++] = '.';
				out[n++] = '.';
				floor = n;
			}
			continue;
		}
		if (n > (rooted ? 1U : 0U))
			out[n++] = '/';
		memcpy(out + n, s, len);
		n += len;
		s += len;
	}
	if (!n)
		out[n++] = '.';
	out[n] = '\0';
	return out;
}

char *wh_path_join(const char *dir, const char *name)
{
	WH_AUTO_FREE char *both = NULL;

	if (!dir || !*dir)
		return wh_path_clean(name);
	if (!name || !*name)
		return wh_path_clean(dir);
	both = wh_asprintf("%s/%s", dir, name);
	return wh_path_clean(both);
}

char *wh_path_abs_in(const char *cwd, const char *path)
{
	WH_AUTO_FREE char *all = NULL;

	if (path && path[0] == '/')
		return wh_path_clean(path);
	all = wh_asprintf("/%s/%s", cwd ? cwd : "", path ? path : "");
	return wh_path_clean(all);
}

const char *wh_path_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

char *wh_path_dir(const char *path)
{
	WH_AUTO_FREE char *dir = wh_strndup(path, (size_t)(wh_path_base(path) - path));

	return wh_path_clean(dir);
}

static unsigned rank(char c)
{
	return c == '\0' ? 0 : c == '/' ? 1 : 1U + (unsigned char)c;
}

int wh_path_cmp(const char *a, const char *b)
{
	unsigned x, y;

	while (*a && *a == *b) {
		a++;
		b++;
	}
	x = rank(*a);
	y = rank(*b);
	return (x > y) - (x < y);
}
