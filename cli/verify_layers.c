/* SPDX-License-Identifier: Apache-2.0 */
/* What differs between two layers: by their indexes; files are opened only to find the place where their contents part. */
#include "cli/verify_build.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX ((size_t)256 * 1024) /* of larger files the place is told, and no line */
#define SHOWN 160                     /* bytes of a line */
#define LOOKED_INTO 1000              /* files whose contents are compared */

struct side {
	struct wh_store *store;
	const struct wh_layer *layer;
	struct wh_index *index;
	struct wh_tree *tree; /* of this layer alone, opened when a content is wanted */
	size_t i, n;
	struct wh_entry e;
	struct wh_xattr xs[WH_MAX_XATTRS];
};

static void side_release(struct side *s)
{
	if (s->tree)
		wh_tree_close(s->tree);
	if (s->index)
		wh_index_close(s->index);
}

static int side_open(struct wh_store *store, const struct wh_layer *l, struct side *ret, struct wh_err **err)
{
	int r = 0;

	*ret = (struct side){.store = store, .layer = l};
	if (l)
		r = wh_index_open(store, l, &ret->index, err);
	if (r == 0 && l)
		ret->n = wh_index_count(ret->index);
	return r;
}

/* ---------------------------------------------------------------- entries as JSON */

/* Names and texts of a layer are bytes; JSON and terminals want good UTF-8. */
static json_t *safe(const char *p, size_t n)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;

	wh_text_add_safe(&b, p, n);
	return json_string(b.n ? b.p : "");
}

static const char *type_name(enum wh_type t)
{
	switch (t) {
	case WH_T_FILE:
		return "file";
	case WH_T_DIR:
		return "directory";
	case WH_T_SYMLINK:
		return "symlink";
	case WH_T_HARDLINK:
		return "hard link";
	case WH_T_CHR:
		return "character device";
	case WH_T_BLK:
		return "block device";
	case WH_T_FIFO:
		return "fifo";
	case WH_T_WHITEOUT:
		return "removed";
	}
	return "?";
}

static void set_text(json_t *o, const char *key, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static void set_text(json_t *o, const char *key, const char *fmt, ...)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	va_list ap;

	va_start(ap, fmt);
	wh_buf_vaddf(&b, fmt, ap);
	va_end(ap);
	json_object_set_new(o, key, safe(b.p ? b.p : "", b.n));
}

static bool has_content(const struct wh_entry *e)
{
	return e->type == WH_T_FILE || e->type == WH_T_HARDLINK;
}

static json_t *entry_json(const struct wh_entry *e)
{
	json_t *o = json_pack("{s:s}", "type", type_name(e->type)), *xattrs;
	char digest[WH_DIGEST_TEXT], when[32];
	time_t t = (time_t)e->mtime;
	struct tm tm;

	if (e->type == WH_T_WHITEOUT)
		return o;
	set_text(o, "mode", "%04o", e->mode);
	set_text(o, "owner", "%u:%u", e->uid, e->gid);
	if (has_content(e)) {
		json_object_set_new(o, "size", json_integer((json_int_t)e->size));
		set_text(o, "digest", "%s", wh_digest_text(&e->digest, digest));
	}
	if (e->link)
		json_object_set_new(o, "link", safe(e->link, strlen(e->link)));
	if (e->type == WH_T_CHR || e->type == WH_T_BLK)
		set_text(o, "device", "%u:%u", e->major, e->minor);
	if (e->n_xattrs) {
		json_object_set_new(o, "xattrs", xattrs = json_object());
		for (size_t i = 0; i < e->n_xattrs; i++) {
			struct wh_digest d;

			wh_digest_of(e->xattrs[i].len ? e->xattrs[i].value : "", e->xattrs[i].len, &d);
			set_text(xattrs, e->xattrs[i].name, "%s", wh_digest_text(&d, digest));
		}
	}
	if (e->opaque)
		json_object_set_new(o, "opaque", json_true());
	if (gmtime_r(&t, &tm) && strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm))
		set_text(o, "time", "%s", when);
	return o;
}

/* ---------------------------------------------------------------- contents */

static bool is_text(const char *p, size_t n)
{
	return !n || !memchr(p, 0, n < 8192 ? n : 8192);
}

static struct wh_str line_around(const char *p, size_t n, size_t at)
{
	size_t from = at < n ? at : n, to = from;

	while (from && p[from - 1] != '\n')
		from--;
	while (to < n && p[to] != '\n')
		to++;
	return (struct wh_str){p + from, to - from};
}

/* A long line is cut around the place. */
static json_t *shown_line(struct wh_str line, size_t at)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	size_t from = 0, to = line.n;

	if (line.n > SHOWN) {
		from = at > SHOWN / 2 ? at - SHOWN / 2 : 0;
		to = from + SHOWN < line.n ? from + SHOWN : line.n;
		while (from < to && from && ((unsigned char)line.p[from] & 0xc0) == 0x80)
			from++;
		while (to < line.n && to > from && ((unsigned char)line.p[to] & 0xc0) == 0x80)
			to--;
	}
	if (from)
		wh_buf_adds(&b, "…");
	wh_text_add_safe(&b, line.p + from, to - from);
	if (to < line.n)
		wh_buf_adds(&b, "…");
	return json_string(b.n ? b.p : "");
}

/* Places that are known for differing. */
static const char *known_as(const char *p, size_t n, size_t at)
{
	static const struct {
		const char *magic;
		size_t len, magic_at, from, to;
		const char *what;
	} table[] = {
		{"\x1f\x8b", 2, 0, 4, 8, "the time in gzip's header"},
		{"\r\n", 2, 2, 8, 16, "the time or size of the source in the header of compiled Python"},
		{"SQLite format 3", 16, 0, 24, 28, "SQLite's counter of changes"},
		{"PK\x03\x04", 4, 0, 10, 14, "the time of a zip archive's member"},
		{"!<arch>\n", 8, 0, 24, 36, "the time of an ar archive's member"},
	};

	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++)
		if (n >= table[i].magic_at + table[i].len && at >= table[i].from && at < table[i].to &&
		    memcmp(p + table[i].magic_at, table[i].magic, table[i].len) == 0)
			return table[i].what;
	return NULL;
}

static void tell_place(const char *head, size_t n, uint64_t at, json_t *into)
{
	const char *known = at < n ? known_as(head, n, (size_t)at) : NULL;

	json_object_set_new(into, "offset", json_integer((json_int_t)at));
	if (known)
		json_object_set_new(into, "known_as", json_string(known));
}

void wh_verify_texts(const char *a, size_t na, const char *b, size_t nb, json_t *into)
{
	size_t at = 0, line = 1, i;
	struct wh_str la, lb;

	while (at < na && at < nb && a[at] == b[at])
		at++;
	if (at == na && at == nb)
		return;
	tell_place(a, na, at, into);
	if (!is_text(a, na) || !is_text(b, nb))
		return;
	for (i = 0; i < at; i++)
		line += a[i] == '\n';
	la = line_around(a, na, at);
	lb = line_around(b, nb, at);
	json_object_set_new(into, "line", json_integer((json_int_t)line));
	json_object_set_new(into, "first_line", shown_line(la, (size_t)(a + at - la.p)));
	json_object_set_new(into, "second_line", shown_line(lb, (size_t)(b + at - lb.p)));
}

static int open_content(struct side *s, struct wh_err **err)
{
	struct wh_node_ref n;
	int r = 0;

	if (!s->tree)
		r = wh_tree_open(s->store, s->layer, 1, &s->tree, err);
	if (r == 0)
		r = wh_tree_lookup(s->tree, s->e.path, &n);
	if (r < 0 || n.e.type != WH_T_FILE)
		return r < 0 ? r : -ENOENT; /* a link to a file of a lower layer */
	return wh_tree_open_file(s->tree, &n, err);
}

/* Reads on until the end or until the buffer is full. */
static ssize_t fill(int fd, char *p, size_t n)
{
	size_t have = 0;

	while (have < n) {
		ssize_t got = read(fd, p + have, n - have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			break;
		have += (size_t)got;
	}
	return (ssize_t)have;
}

/* From chunk to chunk; the first chunk of the first is kept for what is known of such files. */
static int compare_long(int fa, int fb, json_t *into)
{
	const size_t chunk = 65536;
	WH_AUTO_FREE char *a = wh_malloc(chunk), *b = wh_malloc(chunk), *head = wh_malloc(chunk);
	size_t n_head = 0;
	uint64_t done = 0;

	for (;;) {
		ssize_t na = fill(fa, a, chunk), nb = fill(fb, b, chunk);
		size_t i, n;

		if (na < 0 || nb < 0)
			return (int)(na < 0 ? na : nb);
		if (!done) {
			n_head = (size_t)na;
			memcpy(head, a, n_head);
		}
		n = (size_t)(na < nb ? na : nb);
		for (i = 0; i < n && a[i] == b[i]; i++)
			;
		if (i < n || na != nb) {
			tell_place(head, n_head, done + i, into);
			return 0;
		}
		if (!n)
			return 0;
		done += n;
	}
}

static int compare_contents(struct side *a, struct side *b, json_t *into, struct wh_err **err)
{
	WH_AUTO_FD int fa = open_content(a, err);
	WH_AUTO_FD int fb = fa < 0 ? -1 : open_content(b, err);
	int r = fa < 0 ? fa : fb < 0 ? fb : 0;

	if (r == -ENOENT && (!err || !*err))
		return 0;
	if (r < 0)
		return r;
	if (a->e.size <= TEXT_MAX && b->e.size <= TEXT_MAX) {
		WH_AUTO_BUF struct wh_buf ta = WH_BUF_INIT;
		WH_AUTO_BUF struct wh_buf tb = WH_BUF_INIT;

		r = wh_read_fd(fa, TEXT_MAX, &ta);
		if (r == 0)
			r = wh_read_fd(fb, TEXT_MAX, &tb);
		if (r == 0)
			wh_verify_texts(ta.n ? ta.p : "", ta.n, tb.n ? tb.p : "", tb.n, into);
	} else {
		r = compare_long(fa, fb, into);
	}
	return r < 0 ? wh_err_sys(err, "cli", WH_ERR_BUILD, -r, "compare /%s", a->e.path) : 0;
}

/* ---------------------------------------------------------------- one entry, one layer */

static bool same_xattrs(const struct wh_entry *a, const struct wh_entry *b)
{
	if (a->n_xattrs != b->n_xattrs)
		return false;
	for (size_t i = 0; i < a->n_xattrs; i++)
		if (!wh_streq(a->xattrs[i].name, b->xattrs[i].name) || a->xattrs[i].len != b->xattrs[i].len ||
		    (a->xattrs[i].len && memcmp(a->xattrs[i].value, b->xattrs[i].value, a->xattrs[i].len) != 0))
			return false;
	return true;
}

static void kinds_of(const struct wh_entry *a, const struct wh_entry *b, json_t *kinds)
{
	const struct {
		const char *name;
		bool differs;
	} table[] = {
		{"mode", a->mode != b->mode},
		{"owner", a->uid != b->uid || a->gid != b->gid},
		{"device", a->major != b->major || a->minor != b->minor},
		{"link", !wh_streq(a->link, b->link)},
		{"size", has_content(a) && a->size != b->size},
		{"content", has_content(a) && !wh_digest_eq(&a->digest, &b->digest)},
		{"xattr", !same_xattrs(a, b)},
		{"opaque", a->opaque != b->opaque},
		{"time", a->mtime != b->mtime},
	};

	if (a->type != b->type && !(has_content(a) && has_content(b))) {
		json_array_append_new(kinds, json_string("type"));
		return;
	}
	if (a->type == WH_T_WHITEOUT)
		return;
	if (a->type != b->type) /* one of them is a further name of another file */
		json_array_append_new(kinds, json_string("type"));
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++)
		if (table[i].differs)
			json_array_append_new(kinds, json_string(table[i].name));
}

static bool has_kind(const json_t *kinds, const char *name)
{
	const json_t *k;
	size_t i;

	json_array_foreach (kinds, i, k)
		if (wh_streq(json_string_value(k), name))
			return true;
	return false;
}

static json_t *file_json(const struct wh_entry *a, const struct wh_entry *b, json_t *kinds)
{
	json_t *o = json_object();

	set_text(o, "path", "/%s", a ? a->path : b->path);
	json_object_set_new(o, "kinds", kinds);
	json_object_set_new(o, "first", a ? entry_json(a) : json_null());
	json_object_set_new(o, "second", b ? entry_json(b) : json_null());
	return o;
}

static int compare_entries(struct side *a, struct side *b, size_t *opened, json_t *files, struct wh_err **err)
{
	json_t *kinds = json_array(), *o;

	kinds_of(&a->e, &b->e, kinds);
	if (!json_array_size(kinds)) {
		json_decref(kinds);
		return 0;
	}
	o = file_json(&a->e, &b->e, kinds);
	json_array_append_new(files, o);
	if (!has_kind(kinds, "content") || *opened >= LOOKED_INTO)
		return 0;
	++*opened;
	return compare_contents(a, b, o, err);
}

static int at(struct side *s, struct wh_err **err)
{
	int r = s->i < s->n ? wh_index_at(s->index, s->i, &s->e, s->xs) : 0;

	return r < 0 ? wh_err_sys(err, "cli", WH_ERR_BUILD, -r, "read a layer's index") : 0;
}

int wh_verify_layers(struct wh_store *s, const struct wh_layer *la, const struct wh_layer *lb, json_t **ret, struct wh_err **err)
{
	WH_CLEANUP(side_release) struct side a = {0};
	WH_CLEANUP(side_release) struct side b = {0};
	WH_AUTO_JSON json_t *files = json_array();
	size_t opened = 0;
	int r = side_open(s, la, &a, err);

	if (r == 0)
		r = side_open(s, lb, &b, err);
	while (r == 0 && (a.i < a.n || b.i < b.n)) {
		int order;

		r = at(&a, err);
		if (r == 0)
			r = at(&b, err);
		if (r < 0)
			break;
		order = a.i == a.n ? 1 : b.i == b.n ? -1 : wh_path_cmp(a.e.path, b.e.path);
		if (order == 0)
			r = compare_entries(&a, &b, &opened, files, err);
		else
			json_array_append_new(files, file_json(order < 0 ? &a.e : NULL, order > 0 ? &b.e : NULL,
							       json_pack("[s]", "presence")));
		a.i += order <= 0;
		b.i += order >= 0;
	}
	if (r == 0)
		*ret = WH_TAKE_PTR(files);
	return r;
}
