/* SPDX-License-Identifier: Apache-2.0 */
#include "harden/script.h"

#include <errno.h>

#define MAX_LINE 255

static struct wh_str next_word(struct wh_str *rest)
{
	struct wh_str w;

	while (rest->n && (*rest->p == ' ' || *rest->p == '\t')) {
		rest->p++;
		rest->n--;
	}
	w = (struct wh_str){rest->p, 0};
	while (w.n < rest->n && w.p[w.n] != ' ' && w.p[w.n] != '\t')
		w.n++;
	rest->p += w.n;
	rest->n -= w.n;
	return w;
}

static bool has(struct wh_str s, char c)
{
	return s.n && memchr(s.p, c, s.n);
}

/* env's own words, then the program. Without -S the kernel hands over all that follows as one word. */
static char *env_program(struct wh_str rest)
{
	struct wh_str w, all = wh_str_trim(rest);

	if (!all.n)
		return NULL;
	if (all.p[0] != '-')
		return has(all, ' ') ? NULL : wh_strndup(all.p, all.n);
	while ((w = next_word(&rest)).n) {
		if (w.n > 2 && w.p[0] == '-' && w.p[1] == 'S') /* -Sprogram */
			return wh_strndup(w.p + 2, w.n - 2);
		if (wh_str_eq(w, "-u") || wh_str_eq(w, "--unset") || wh_str_eq(w, "-C") || wh_str_eq(w, "--chdir"))
			next_word(&rest);
		else if (w.p[0] != '-' && !has(w, '='))
			return wh_strndup(w.p, w.n);
		else if (w.n > 15 && strncmp(w.p, "--split-string=", 15) == 0)
			return wh_strndup(w.p + 15, w.n - 15);
	}
	return NULL;
}

int wh_script_parse(const uint8_t *p, size_t n, struct wh_script *ret)
{
	struct wh_str line = {(const char *)p, n < MAX_LINE ? n : MAX_LINE}, w;
	const char *end;

	*ret = (struct wh_script){0};
	if (n < 3 || p[0] != '#' || p[1] != '!')
		return -ENOEXEC;
	end = memchr(line.p, '\n', line.n);
	if (end)
		line.n = (size_t)(end - line.p);
	line.p += 2;
	line.n -= 2;
	w = next_word(&line);
	if (!w.n || has(w, '\0'))
		return -ENOEXEC;
	ret->interpreter = wh_strndup(w.p, w.n);
	if (has(line, '\0'))
		line.n = (size_t)((const char *)memchr(line.p, '\0', line.n) - line.p);
	if (wh_streq(wh_path_base(ret->interpreter), "env"))
		ret->program = env_program(line);
	return 0;
}

void wh_script_release(struct wh_script *s)
{
	free(s->interpreter);
	free(s->program);
	*s = (struct wh_script){0};
}
