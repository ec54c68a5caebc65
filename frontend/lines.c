/* SPDX-License-Identifier: Apache-2.0 */
/* Physical lines: what ends one, what is a comment, what goes on; and quoting them in messages. */
#include "base/rune.h"
#include "frontend/syntax.h"

#define EXCERPT_MAX 65536

bool wh_lines_next(struct wh_lines *l, struct wh_str *ret)
{
	const char *start = l->p + l->pos, *nl;
	size_t left = l->n - l->pos, n;

	if (!left)
		return false;
	nl = memchr(start, '\n', left);
	n = nl ? (size_t)(nl - start) + 1 : left;
	l->pos += n;
	l->number++;
	*ret = (struct wh_str){start, n};
	return true;
}

struct wh_str wh_line_chomp(struct wh_str line)
{
	while (line.n && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
		line.n--;
	return line;
}

struct wh_str wh_line_indent(struct wh_str line)
{
	while (line.n) {
		size_t w;

		if (!wh_rune_is_space(wh_rune(line.p, line.n, &w)))
			break;
		line.p += w;
		line.n -= w;
	}
	return line;
}

bool wh_line_is_comment(struct wh_str line)
{
	line = wh_line_indent(line);
	return line.n && line.p[0] == '#';
}

/* The escape character must be the last but for blanks, and must not be escaped itself ("\\" at the end is text). */
bool wh_line_continues(struct wh_str *line, char escape)
{
	size_t n = line->n;

	while (n && (line->p[n - 1] == ' ' || line->p[n - 1] == '\t'))
		n--;
	if (!n || line->p[n - 1] != escape)
		return false;
	if (n > 1 && line->p[n - 2] == escape)
		return false;
	line->n = n - 1;
	return true;
}

char *wh_excerpt(struct wh_str source)
{
	while (source.n && (source.p[source.n - 1] == '\n' || source.p[source.n - 1] == '\r'))
		source.n--;
	return wh_strndup(source.p, source.n < EXCERPT_MAX ? source.n : EXCERPT_MAX);
}

void wh_node_at(const struct wh_dockerfile *d, const struct wh_node *n, struct wh_err **err)
{
	WH_AUTO_FREE char *excerpt = NULL;

	if (!err || !*err || (*err)->file)
		return;
	excerpt = wh_excerpt(n->source);
	wh_err_at(err, d->name, n->line, 0, excerpt);
}
