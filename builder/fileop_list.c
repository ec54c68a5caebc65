/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What was selected, in a form that two builds can be compared by: pairs of a path and of what counts of it,
 *
 *   "src/app.py", "f 0644 0:0 5891b5b522d5df08"       content by the beginning of its digest
 *   "src", "d 0755 0:0"          "link", "l target"          "null", "c 0666 0:0 1:3"
 *
 * with " x…" behind it for xattrs and " linked" for a file that has other names. A pick of more than PATHS_MAX entries is told by
 * directory ("src/lib/", "D …": of what lies in it, not further below). Nothing is decided by this text: the digest of the selection is.
 */
#include "builder/fileop_private.h"

#define PATHS_MAX 10000

/* FNV-1a: these only help to tell what changed. */
static uint64_t mix(uint64_t h, const void *p, size_t n)
{
	const unsigned char *s = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ s[i]) * 0x100000001b3ULL;
	return h;
}
#define MIX_START 0xcbf29ce484222325ULL

static void add_hex(struct wh_buf *b, const uint8_t *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		wh_buf_addc(b, digits[p[i] >> 4]);
		wh_buf_addc(b, digits[p[i] & 15]);
	}
}

/* Inside a JSON string: what is not plain ASCII, by its bytes. */
static void add_name(struct wh_buf *b, const char *s)
{
	size_t plain = 0;

	while (s[plain] >= ' ' && s[plain] <= '~' && s[plain] != '"' && s[plain] != '\\')
		plain++;
	wh_buf_add(b, s, plain);
	s += plain;
	if (*s) {
		WH_AUTO_JSON json_t *text = json_string(s);
		WH_AUTO_BUF struct wh_buf quoted = WH_BUF_INIT;

		if (text) {
			wh_json_dump(text, &quoted);
			wh_buf_add(b, quoted.p + 1, quoted.n - 2);
			return;
		}
		for (; *s; s++) {
			if (*s >= ' ' && *s <= '~' && *s != '"' && *s != '\\')
				wh_buf_addc(b, *s);
			else
				wh_buf_addf(b, "\\\\x%02x", (unsigned char)*s);
		}
	}
}

static uint64_t xattrs_of(const struct node *n)
{
	uint64_t h = MIX_START;

	for (size_t i = 0; i < n->n_xattrs; i++) {
		h = mix(h, n->xattrs[i].name, strlen(n->xattrs[i].name) + 1);
		h = mix(h, n->xattrs[i].value, n->xattrs[i].len);
	}
	return h;
}

static void add_value(struct wh_buf *b, const struct item *it)
{
	const struct node *n = &it->n;
	char head[64];

	wh_buf_addc(b, (char)n->type);
	if (n->type == WH_T_SYMLINK) {
		wh_buf_addc(b, ' ');
		add_name(b, n->link ? n->link : "");
	} else {
		snprintf(head, sizeof(head), " %04o %u:%u", n->mode & 07777, n->uid, n->gid);
		wh_buf_adds(b, head);
	}
	if (n->type == WH_T_CHR || n->type == WH_T_BLK)
		wh_buf_addf(b, " %u:%u", n->major, n->minor);
	if (n->type == WH_T_FILE && n->has_digest) {
		wh_buf_addc(b, ' ');
		add_hex(b, n->digest.b, 8);
	}
	if (n->n_xattrs)
		wh_buf_addf(b, " x%016llx", (unsigned long long)xattrs_of(n));
	if (it->peer)
		wh_buf_adds(b, " linked");
}

static void pair(struct wh_buf *out, const char *label, const char *path)
{
	wh_buf_adds(out, out->n ? ",\"" : "\"");
	add_name(out, label);
	add_name(out, path);
}

/* ---------------------------------------------------------------- by directory */

struct folder {
	const char *path; /* of something in it */
	size_t len;       /* of the folder's part of that */
	size_t n;
	uint64_t sum;
};
struct folders {
	struct folder *v;
	size_t n, cap, told;
	struct folder rest; /* those beyond PATHS_MAX */
};

static void folder_tell(struct wh_buf *out, const char *label, const struct folder *f)
{
	WH_AUTO_FREE char *path = wh_strndup(f->path, f->len);

	pair(out, label, path);
	wh_buf_addf(out, "/\",\"D %zu %016llx\"", f->n, (unsigned long long)f->sum);
}

static void pop(struct folders *s, struct wh_buf *out, const char *label)
{
	struct folder *f = &s->v[--s->n];

	if (s->told < PATHS_MAX) {
		folder_tell(out, label, f);
		s->told++;
		return;
	}
	s->rest.n += f->n;
	s->rest.sum = mix(mix(s->rest.sum, f->path, f->len), &f->sum, sizeof(f->sum));
}

/* Items come in the order of a walk: what lies in a directory follows it, and no directory comes up twice. */
static void list_folders(const struct pick *p, size_t from, const char *label, struct wh_buf *out)
{
	struct folders s = {.rest = {.path = "…", .len = strlen("…"), .sum = MIX_START}};
	WH_AUTO_BUF struct wh_buf value = WH_BUF_INIT;

	for (size_t i = from; i < p->n; i++) {
		const char *path = p->items[i].n.path, *slash = strrchr(path, '/');
		size_t len = slash ? (size_t)(slash - path) : 0;
		struct folder *top;

		while (s.n && (top = &s.v[s.n - 1], top->len > len || memcmp(top->path, path, top->len) != 0 ||
							    (top->len && path[top->len] != '/')))
			pop(&s, out, label);
		if (!s.n || s.v[s.n - 1].len != len)
			WH_PUSH(s.v, s.n, s.cap) = (struct folder){.path = path, .len = len, .sum = MIX_START};
		top = &s.v[s.n - 1];
		wh_buf_reset(&value);
		add_value(&value, &p->items[i]);
		top->sum = mix(mix(top->sum, path + len, strlen(path + len)), value.p, value.n);
		top->n++;
	}
	while (s.n)
		pop(&s, out, label);
	if (s.rest.n)
		folder_tell(out, label, &s.rest);
	free(s.v);
}

void pick_list(const struct pick *p, bool with_root, const char *label, struct wh_buf *out)
{
	/* As in pick_hash(): of a directory that was named, only what is in it. */
	size_t from = p->n && p->items[0].n.type == WH_T_DIR && !with_root;

	if (p->n - from > PATHS_MAX) {
		list_folders(p, from, label, out);
		return;
	}
	for (size_t i = from; i < p->n; i++) {
		pair(out, label, *p->items[i].n.path ? p->items[i].n.path : "/");
		wh_buf_adds(out, "\",\"");
		add_value(out, &p->items[i]);
		wh_buf_addc(out, '"');
	}
}

void wh_fileop_list(const struct wh_fileop *f, const char *label, struct wh_buf *out)
{
	for (size_t i = 0; i < f->n_picks; i++)
		pick_list(&f->picks[i], false, label, out);
}
