/* SPDX-License-Identifier: Apache-2.0 */
#include "harden/tree.h"

#include <errno.h>
#include <sys/mman.h>

#define MAX_LINKS 40
#define ESCAPE 0x10f700U /* of the last private plane */

/* ---------------------------------------------------------------- walking */

static const char *text(const struct wh_buf *b)
{
	return b->n ? b->p : "";
}

static void cut(struct wh_buf *b, size_t n)
{
	b->n = n;
	if (b->p)
		b->p[n] = '\0';
}

/* Appends a component to done; ".." takes one away. Returns how long done was without it. */
static size_t step(struct wh_buf *done, const char *name, size_t n)
{
	size_t parent = done->n;

	if (n == 1 && name[0] == '.')
		return parent;
	if (n == 2 && name[0] == '.' && name[1] == '.') {
		const char *slash = done->n ? strrchr(done->p, '/') : NULL;

		cut(done, slash ? (size_t)(slash - done->p) : 0);
		return done->n;
	}
	if (done->n)
		wh_buf_addc(done, '/');
	wh_buf_add(done, name, n);
	return parent;
}

int wh_walk_by(wh_walk_fn at, void *arg, const char *path, bool follow_last, struct wh_strv *links, char **ret_path)
{
	WH_AUTO_BUF struct wh_buf done = WH_BUF_INIT;
	WH_AUTO_FREE char *todo = wh_strdup(path);
	const char *p = todo, *link = NULL;
	unsigned n_links = 0;
	int r = at(arg, "", &link);

	while (r >= 0) {
		size_t n, parent;

		p += strspn(p, "/");
		n = strcspn(p, "/");
		if (!n)
			break;
		if (r != WH_WALK_DIR)
			return -ENOTDIR;
		parent = step(&done, p, n);
		p += n;
		r = at(arg, text(&done), &link);
		if (r == WH_WALK_LINK && (follow_last || *p)) {
			char *next = wh_asprintf("%s/%s", link, p);

			if (links)
				wh_strv_add(links, text(&done));
			cut(&done, link[0] == '/' ? 0 : parent);
			free(todo);
			p = todo = next;
			r = ++n_links > MAX_LINKS ? -ELOOP : at(arg, text(&done), &link);
		}
	}
	if (r >= 0 && ret_path)
		*ret_path = wh_strdup(text(&done));
	return r < 0 ? r : 0;
}

struct at_tree {
	struct wh_tree *t;
	struct wh_node_ref *n;
};

static int at_tree(void *arg, const char *path, const char **ret_link)
{
	struct at_tree *x = arg;
	int r = wh_tree_lookup(x->t, path, x->n);

	if (r < 0)
		return r;
	*ret_link = x->n->e.link;
	return x->n->e.type == WH_T_DIR ? WH_WALK_DIR : x->n->e.type == WH_T_SYMLINK ? WH_WALK_LINK : WH_WALK_OTHER;
}

int wh_walk(struct wh_tree *t, const char *path, bool follow_last, struct wh_strv *links, char **ret_path,
	    struct wh_node_ref *ret)
{
	struct at_tree x = {t, ret};

	return wh_walk_by(at_tree, &x, path, follow_last, links, ret_path);
}

char *wh_link_target(const struct wh_node_ref *link)
{
	const char *slash = strrchr(link->e.path, '/');

	if (link->e.link[0] == '/' || !slash)
		return wh_strdup(link->e.link);
	return wh_asprintf("%.*s/%s", (int)(slash - link->e.path), link->e.path, link->e.link);
}

/* ---------------------------------------------------------------- contents */

int wh_bytes_open(struct wh_tree *t, const struct wh_node_ref *n, struct wh_bytes *ret, struct wh_err **err)
{
	WH_AUTO_FD int fd = -1;
	struct stat st;
	void *p;

	*ret = (struct wh_bytes){0};
	if (n->e.type != WH_T_FILE || !n->e.size)
		return 0;
	fd = wh_tree_open_file(t, n, err);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return wh_err_sys(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, errno, "stat /%s", n->e.path);
	if ((uint64_t)st.st_size != n->e.size)
		return wh_err_set(err, WH_HARDEN_DOMAIN, WH_ERR_ENV, EBADMSG,
				  "the store is damaged: /%s is not what its layer says", n->e.path);
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return wh_err_sys(err, WH_HARDEN_DOMAIN, WH_ERR_ENV, errno, "map /%s", n->e.path);
	*ret = (struct wh_bytes){p, (size_t)st.st_size};
	return 0;
}

void wh_bytes_release(struct wh_bytes *b)
{
	union {
		const uint8_t *c;
		void *p;
	} u = {b->p};

	if (b->n)
		munmap(u.p, b->n);
	*b = (struct wh_bytes){0};
}

int wh_text_read(struct wh_tree *t, const char *path, size_t max, struct wh_buf *ret, struct wh_err **err)
{
	WH_AUTO_BYTES struct wh_bytes b = {0};
	struct wh_node_ref n;
	int r = wh_walk(t, path, true, NULL, NULL, &n);

	if (r < 0 || n.e.type != WH_T_FILE)
		return r == -EBADMSG ? r : -ENOENT;
	r = wh_bytes_open(t, &n, &b, err);
	if (r == 0)
		wh_buf_add(ret, b.p ? (const void *)b.p : "", b.n < max ? b.n : max);
	return r;
}

/* ---------------------------------------------------------------- JSON */

/* Length of the valid UTF-8 sequence at p, 0: none. */
static size_t sequence(const uint8_t *p, uint32_t *ret)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
	uint32_t c = n < 2 ? p[0] : p[0] & (0xffU >> (n + 1));

	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80) /* the NUL at the end is none, too */
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	if (n > 1 && (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)))
		return 0;
	*ret = c;
	return n;
}

static bool is_escape(uint32_t c)
{
	return c >= ESCAPE + 0x80 && c <= ESCAPE + 0xff;
}

json_t *wh_path_json(const char *path)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	const uint8_t *p = (const uint8_t *)path;

	while (*p) {
		uint32_t c = 0;
		size_t n = sequence(p, &c);

		if (n && !is_escape(c)) {
			wh_buf_add(&b, p, n);
			p += n;
			continue;
		}
		/* U+10F780 … U+10F7FF */
		wh_buf_addc(&b, (char)0xf4);
		wh_buf_addc(&b, (char)0x8f);
		wh_buf_addc(&b, (char)(0x9c | *p >> 6));
		wh_buf_addc(&b, (char)(0x80 | (*p & 0x3f)));
		p++;
	}
	return json_string(b.n ? b.p : "");
}

char *wh_path_of_json(const char *s)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	const uint8_t *p = (const uint8_t *)s;

	while (*p) {
		uint32_t c = 0;
		size_t n = sequence(p, &c);

		if (n && is_escape(c))
			wh_buf_addc(&b, (char)(c - ESCAPE));
		else
			wh_buf_add(&b, p, n ? n : 1);
		p += n ? n : 1;
	}
	return wh_buf_take(&b);
}
