/* SPDX-License-Identifier: Apache-2.0 */
/* deb822(5), as dpkg writes its records. What dpkg would refuse to read is refused here, too: a record that is passed
 * over would be a package that nobody is told of. */
#include "harden/packages_private.h"

#include <errno.h>

#define MAX_FIELDS 512

bool wh_next_line(struct wh_str *text, struct wh_str *ret)
{
	const char *end;

	if (!text->n)
		return false;
	end = memchr(text->p, '\n', text->n);
	ret->p = text->p;
	ret->n = end ? (size_t)(end - text->p) : text->n;
	text->p += ret->n + (end ? 1 : 0);
	text->n -= ret->n + (end ? 1 : 0);
	return true;
}

static bool is_blank(struct wh_str line)
{
	return !line.n || (line.n == 1 && line.p[0] == '\r');
}

static int bad(const struct wh_deb822 *d, const char *why, struct wh_err **err)
{
	return wh_err_set(err, "harden", WH_ERR_BUILD, EINVAL, "/%s: line %zu: %s", d->what, d->line, why);
}

/* One line that is not blank: a field, or more of the last one. */
static int take_line(const struct wh_deb822 *d, struct wh_str line, struct wh_stanza *s, struct wh_err **err)
{
	const char *colon = memchr(line.p, ':', line.n);
	struct wh_stanza_field f;

	if (memchr(line.p, '\0', line.n))
		return bad(d, "a byte 0", err);
	if (line.p[0] == ' ' || line.p[0] == '\t') {
		struct wh_stanza_field *last = s->n ? &s->v[s->n - 1] : NULL;

		if (!last)
			return bad(d, "it continues nothing", err);
		last->value.n = (size_t)(line.p + line.n - last->value.p);
		return 0;
	}
	if (!colon || colon == line.p)
		return bad(d, "neither a field nor the continuation of one", err);
	if (s->n == MAX_FIELDS)
		return bad(d, "too many fields in one record", err);
	f.name = (struct wh_str){line.p, (size_t)(colon - line.p)};
	f.value = (struct wh_str){colon + 1, line.n - f.name.n - 1};
	WH_PUSH(s->v, s->n, s->cap) = f;
	return 0;
}

int wh_deb822_next(struct wh_deb822 *d, struct wh_stanza *ret, struct wh_err **err)
{
	struct wh_str line;
	int r = 0;

	ret->n = 0;
	while (r == 0) {
		struct wh_str before = d->text;

		if (!wh_next_line(&d->text, &line))
			break;
		if (is_blank(line)) {
			d->line++;
			if (ret->n)
				break;
			continue;
		}
		if (!ret->n)
			ret->raw.p = before.p;
		r = take_line(d, line, ret, err);
		ret->raw.n = (size_t)(d->text.p - ret->raw.p);
		d->line++;
	}
	for (size_t i = 0; i < ret->n; i++)
		ret->v[i].value = wh_str_trim(ret->v[i].value);
	return r < 0 ? r : ret->n > 0;
}

struct wh_str wh_stanza_get(const struct wh_stanza *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (wh_str_ieq(s->v[i].name, name))
			return s->v[i].value;
	return (struct wh_str){NULL, 0};
}

int wh_pkg_read_file(struct wh_tree *t, const char *path, size_t max, bool head, struct wh_buf *buf,
		     struct wh_err **err)
{
	struct wh_node_ref n;
	WH_AUTO_FD int fd = -1;
	int r = wh_tree_resolve(t, path, true, false, NULL, &n);

	if (r == -ENOENT || r == -ENOTDIR)
		return -ENOENT;
	if (r < 0)
		return wh_err_sys(err, "harden", WH_ERR_BUILD, -r, "/%s", path);
	if (n.e.type != WH_T_FILE)
		return wh_err_set(err, "harden", WH_ERR_BUILD, EINVAL, "/%s is not a regular file", path);
	if (!head && n.e.size > max)
		return wh_err_set(err, "harden", WH_ERR_BUILD, EFBIG,
				  "/%s: %llu bytes are more than the %zu that such a file may have", path,
				  (unsigned long long)n.e.size, max);
	fd = wh_tree_open_file(t, &n, err);
	if (fd < 0)
		return fd;
	if (!head || n.e.size <= max) {
		r = wh_read_fd(fd, max, buf);
	} else {
		WH_AUTO_FREE char *p = wh_malloc(max);
		ssize_t got = 0;
		size_t have = 0;

		while (have < max && (got = read(fd, p + have, max - have)) > 0)
			have += (size_t)got;
		r = got < 0 ? -errno : 0;
		if (r == 0)
			wh_buf_add(buf, p, have);
	}
	return r < 0 ? wh_err_sys(err, "harden", WH_ERR_BUILD, -r, "read /%s", path) : 0;
}
