/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a layer index (format: layers/index_format.h). Records go to the file
 * as they come; in memory there are only 8 bytes an entry, so that a layer of
 * a million files costs 8 MB. What needs the whole (order, duplicates, missing
 * parents, targets of hard links) is done at the end on a mapping of them.
 */
#include "layers/index_format.h"
#include "layers/index_private.h"
#include "layers/store_private.h"

#include <endian.h>
#include <errno.h>
#include <sys/mman.h>

#define FLUSH_AT (256U << 10)
#define MAX_ENTRIES (64U << 20)
#define MAX_LINK_HOPS 8

struct wh_index_builder {
	struct wh_store *store;
	char *name, *out_name; /* in the lease directory: records as they come, the index */
	int fd, out_fd;
	struct wh_buf buf; /* not yet written; the record added last is always here */
	uint64_t pos;      /* file offset of buf */
	size_t last;       /* where that record starts in buf */
	uint64_t *at;      /* offsets of records */
	size_t n, cap;
	char *last_path;
	bool unsorted;
	uint8_t *map; /* in finish: the records that are in the file */
	size_t map_len;
};

int wh_index_builder_new(struct wh_store *s, struct wh_index_builder **ret, struct wh_err **err)
{
	WH_AUTO_FREE char *name = wh_temp_name("index-");
	int fd = wh_openat(s->lease.dir_fd, name, O_RDWR | O_CREAT | O_EXCL, 0600);
	struct wh_ix_header zero = {0};
	struct wh_index_builder *b;

	if (fd < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -fd, "make a layer index in %s", s->tmp_path);
	b = wh_calloc(1, sizeof(*b));
	b->store = s;
	b->out_name = wh_asprintf("%s.out", name);
	b->name = WH_TAKE_PTR(name);
	b->fd = fd;
	b->out_fd = -1;
	wh_buf_add(&b->buf, &zero, sizeof(zero));
	*ret = b;
	return 0;
}

void wh_index_builder_abort(struct wh_index_builder *b)
{
	if (!b)
		return;
	if (b->map)
		munmap(b->map, b->map_len);
	wh_closep(&b->fd);
	wh_closep(&b->out_fd);
	(void)unlinkat(b->store->lease.dir_fd, b->name, 0);
	(void)unlinkat(b->store->lease.dir_fd, b->out_name, 0);
	wh_buf_release(&b->buf);
	free(b->name);
	free(b->out_name);
	free(b->at);
	free(b->last_path);
	free(b);
}

static int io_err(struct wh_index_builder *b, int r, struct wh_err **err)
{
	return wh_err_sys(err, "layers", WH_ERR_ENV, -r, "write a layer index in %s", b->store->tmp_path);
}

static int flush(struct wh_index_builder *b, struct wh_err **err)
{
	int r = wh_write_all(b->fd, b->buf.p, b->buf.n);

	if (r < 0)
		return io_err(b, r, err);
	b->pos += b->buf.n;
	wh_buf_reset(&b->buf);
	return 0;
}

static bool clean_path(const char *p)
{
	if (!*p)
		return true; /* the root */
	for (;;) {
		size_t n = strcspn(p, "/");

		if (!n || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
			return false;
		if (!p[n])
			return true;
		p += n + 1;
	}
}

static int check(const struct wh_index_builder *b, const struct wh_entry *e, struct wh_err **err)
{
	if (!clean_path(e->path))
		return wh_err_set(err, "layers", WH_ERR_BUILD, EINVAL, "not a clean path: %s", e->path);
	if (strlen(e->path) > WH_IX_MAX_STRING || (e->link && strlen(e->link) > WH_IX_MAX_STRING))
		return wh_err_set(err, "layers", WH_ERR_BUILD, ENAMETOOLONG, "path too long: %.200s…", e->path);
	if ((e->type == WH_T_SYMLINK || e->type == WH_T_HARDLINK) && !e->link)
		return wh_err_set(err, "layers", WH_ERR_INTERNAL, EINVAL, "link without a target: %s", e->path);
	if (e->n_xattrs > WH_MAX_XATTRS)
		return wh_err_set(err, "layers", WH_ERR_BUILD, E2BIG, "%s has more than %d extended attributes",
				  e->path, WH_MAX_XATTRS);
	for (size_t i = 0; i < e->n_xattrs; i++) {
		if (e->xattrs[i].len > WH_IX_MAX_STRING + 1 || strlen(e->xattrs[i].name) > WH_IX_MAX_STRING)
			return wh_err_set(err, "layers", WH_ERR_BUILD, E2BIG, "%s: extended attribute %.80s is too big",
					  e->path, e->xattrs[i].name);
		if (i && strcmp(e->xattrs[i - 1].name, e->xattrs[i].name) >= 0)
			return wh_err_set(err, "layers", WH_ERR_INTERNAL, EINVAL, "%s: extended attributes not sorted",
					  e->path);
	}
	if (b->n >= MAX_ENTRIES)
		return wh_err_set(err, "layers", WH_ERR_BUILD, E2BIG, "more than %u entries in a layer", MAX_ENTRIES);
	return 0;
}

static void append(struct wh_index_builder *b, const struct wh_entry *e)
{
	struct wh_ix_record r = {
		.type = (uint8_t)e->type,
		.flags = (uint8_t)((e->opaque ? WH_IX_OPAQUE : 0) | (e->implied ? WH_IX_IMPLIED : 0)),
		.n_xattrs = htole16((uint16_t)e->n_xattrs),
		.mode = htole32(e->mode),
		.uid = htole32(e->uid),
		.gid = htole32(e->gid),
		.major = htole32(e->major),
		.minor = htole32(e->minor),
		.path_len = htole32((uint32_t)strlen(e->path)),
		.mtime = (int64_t)htole64((uint64_t)e->mtime),
		.size = htole64(e->size),
		.offset = htole64(e->offset),
		.link_len = htole32(e->link ? (uint32_t)strlen(e->link) : WH_IX_NO_LINK),
	};
	size_t start = b->buf.n, xattrs;
	uint32_t len;

	b->last = start;
	WH_PUSH(b->at, b->n, b->cap) = b->pos + start;
	if (e->type == WH_T_FILE || e->type == WH_T_HARDLINK)
		memcpy(r.digest, e->digest.b, sizeof(r.digest));
	wh_buf_add(&b->buf, &r, sizeof(r));
	wh_buf_add(&b->buf, e->path, strlen(e->path) + 1);
	if (e->link)
		wh_buf_add(&b->buf, e->link, strlen(e->link) + 1);
	xattrs = b->buf.n;
	for (size_t i = 0; i < e->n_xattrs; i++) {
		wh_buf_u32(&b->buf, (uint32_t)strlen(e->xattrs[i].name));
		wh_buf_u32(&b->buf, (uint32_t)e->xattrs[i].len);
		wh_buf_add(&b->buf, e->xattrs[i].name, strlen(e->xattrs[i].name) + 1);
		wh_buf_add(&b->buf, e->xattrs[i].value, e->xattrs[i].len);
	}
	len = htole32((uint32_t)(b->buf.n - xattrs));
	memcpy(b->buf.p + start + offsetof(struct wh_ix_record, xattr_len), &len, 4);
	while ((b->pos + b->buf.n) % 8)
		wh_buf_u8(&b->buf, 0);
	len = htole32((uint32_t)(b->buf.n - start));
	memcpy(b->buf.p + start, &len, 4);
}

int wh_index_builder_add(struct wh_index_builder *b, const struct wh_entry *e, struct wh_err **err)
{
	int r = check(b, e, err);

	if (r == 0 && b->buf.n >= FLUSH_AT)
		r = flush(b, err);
	if (r < 0)
		return r;
	if (b->last_path && wh_path_cmp(b->last_path, e->path) >= 0)
		b->unsorted = true;
	free(b->last_path);
	b->last_path = wh_strdup(e->path);
	append(b, e);
	return 0;
}

int wh_index_builder_add_opaque(struct wh_index_builder *b, const char *path, struct wh_err **err)
{
	return wh_index_builder_add(
		b, &(struct wh_entry){.path = path, .type = WH_T_DIR, .opaque = true, .implied = true, .mode = 0755},
		err);
}

void wh_index_builder_set_digest(struct wh_index_builder *b, const struct wh_digest *d)
{
	memcpy(b->buf.p + b->last + offsetof(struct wh_ix_record, digest), d->b, 32);
}

/* ---------------------------------------------------------------- finishing */

/* Private: what is changed here costs a copied page in memory, and no full disk can make a store instruction fail. */
static int map_records(struct wh_index_builder *b, struct wh_err **err)
{
	void *p;

	b->map_len = (size_t)b->pos;
	p = mmap(NULL, b->map_len, PROT_READ | PROT_WRITE, MAP_PRIVATE, b->fd, 0);
	if (p == MAP_FAILED)
		return io_err(b, -errno, err);
	b->map = p;
	return 0;
}

/* Records are at multiples of 8 and were all written by append(); those that came after the mapping are in buf. */
static struct wh_ix_record *rec(const struct wh_index_builder *b, uint64_t at)
{
	void *p = at < b->map_len ? (char *)b->map + at : b->buf.p + (at - b->map_len);

	return p;
}

static const char *rec_path(const struct wh_index_builder *b, uint64_t at)
{
	return (const char *)rec(b, at) + sizeof(struct wh_ix_record);
}

static int by_path(const void *x, const void *y, void *arg)
{
	uint64_t a = *(const uint64_t *)x, b = *(const uint64_t *)y;
	int r = wh_path_cmp(rec_path(arg, a), rec_path(arg, b));

	return r ? r : (a > b) - (a < b); /* equal paths stay in the order in which they came */
}

/* One path was given twice, first as a, then as b: which record stands for both? */
static uint64_t merge(struct wh_index_builder *bd, uint64_t a, uint64_t b)
{
	struct wh_ix_record *ra = rec(bd, a), *rb = rec(bd, b);

	if (rb->type == WH_T_WHITEOUT) {
		if (ra->type == WH_T_DIR)
			ra->flags |= WH_IX_OPAQUE;
		return a; /* a whiteout never hides what its own layer holds */
	}
	if (ra->type == WH_T_DIR && rb->type == WH_T_DIR) {
		uint8_t opaque = (ra->flags | rb->flags) & WH_IX_OPAQUE;

		ra->flags |= opaque;
		rb->flags |= opaque;
		return rb->flags & WH_IX_IMPLIED ? a : b;
	}
	if (rb->type == WH_T_DIR)
		rb->flags |= WH_IX_OPAQUE; /* in place of something: nothing of lower layers shows through */
	return b;
}

static bool below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return !n || (strncmp(path, dir, n) == 0 && path[n] == '/');
}

/* Sees to it that all parents of path are in table: those that were never given are appended as implied directories.
 * last is the path before it in the table. */
static void imply_parents(struct wh_index_builder *b, const char *path, const char *last, uint64_t **table, size_t *n,
			  size_t *cap)
{
	WH_AUTO_FREE char *copy = wh_strdup(path);

	for (char *slash = strchr(copy, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		/* Everything below a directory follows it directly: if last is it or is below it, it is there. */
		if (!last || (strcmp(last, copy) != 0 && !below(last, copy))) {
			append(b, &(struct wh_entry){.path = copy, .type = WH_T_DIR, .implied = true, .mode = 0755});
			WH_PUSH(*table, *n, *cap) = b->pos + b->last;
		}
		*slash = '/';
	}
}

/* From all records to those that count, in order. */
static void settle(struct wh_index_builder *b)
{
	size_t n = b->n, n_table = 0, cap = 0;
	uint64_t *all = WH_TAKE_PTR(b->at), *table = NULL, last = 0;

	b->n = b->cap = 0;
	if (b->unsorted)
		qsort_r(all, n, sizeof(*all), by_path, b);
	for (size_t i = 0; i < n; i++) {
		uint64_t cur = all[i];
		const char *path = rec_path(b, cur), *last_path = last ? rec_path(b, last) : NULL;

		while (i + 1 < n && strcmp(rec_path(b, all[i + 1]), path) == 0)
			cur = merge(b, cur, all[++i]);
		if (last && rec(b, last)->type != WH_T_DIR && below(path, last_path)) {
			if (rec(b, last)->type != WH_T_WHITEOUT)
				continue;
			rec(b, last)->type = WH_T_DIR; /* removed, then something below it: a new directory */
			rec(b, last)->flags = WH_IX_OPAQUE | WH_IX_IMPLIED;
			rec(b, last)->mode = htole32(0755);
		}
		imply_parents(b, path, last_path, &table, &n_table, &cap);
		WH_PUSH(table, n_table, cap) = cur;
		last = cur;
	}
	free(all);
	free(b->at);
	b->at = table;
	b->n = n_table;
}

static struct wh_ix_record *find(const struct wh_index_builder *b, const char *path)
{
	size_t lo = 0, hi = b->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int c = wh_path_cmp(rec_path(b, b->at[mid]), path);

		if (c == 0)
			return rec(b, b->at[mid]);
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static const char *rec_link(const struct wh_ix_record *r)
{
	return (const char *)r + sizeof(*r) + le32toh(r->path_len) + 1;
}

/* Hard links take size and digest from what they link to; the header learns the newest time and its flags. */
static void resolve(struct wh_index_builder *b, struct wh_ix_header *h)
{
	int64_t newest = INT64_MIN;
	uint32_t flags = 0;

	for (size_t i = 0; i < b->n; i++) {
		struct wh_ix_record *r = rec(b, b->at[i]), *t = r;

		if (r->flags & WH_IX_IMPLIED) {
			flags = WH_IX_SOME_IMPLIED;
		} else if (r->type != WH_T_WHITEOUT) {
			int64_t mtime = (int64_t)le64toh((uint64_t)r->mtime);

			newest = mtime > newest ? mtime : newest;
		}
		if (r->type != WH_T_HARDLINK)
			continue;
		for (unsigned hops = 0; t && t->type == WH_T_HARDLINK && hops < MAX_LINK_HOPS; hops++)
			t = find(b, rec_link(t));
		if (t && t->type == WH_T_FILE) {
			r->size = t->size;
			memcpy(r->digest, t->digest, sizeof(r->digest));
		}
	}
	h->newest = (int64_t)htole64((uint64_t)newest);
	h->flags = htole32(flags);
}

/* The header, the records as they are now, and after them what is in buf: further records and the table. */
static int write_out(struct wh_index_builder *b, const struct wh_ix_header *h, struct wh_err **err)
{
	WH_AUTO_SHA256 struct wh_sha256 *sha = wh_sha256_new();
	const struct {
		const void *p;
		size_t n;
	} parts[] = {
		{h, sizeof(*h)},
		{b->map + sizeof(*h), b->map_len - sizeof(*h)},
		{b->buf.p, b->buf.n},
	};
	struct wh_digest d;
	int r = 0;

	for (size_t i = 0; r == 0 && i < WH_ARRAY_SIZE(parts); i++) {
		if (!parts[i].n)
			continue;
		wh_sha256_add(sha, parts[i].p, parts[i].n);
		r = wh_write_all(b->out_fd, parts[i].p, parts[i].n);
	}
	wh_sha256_end(sha, &d);
	if (r == 0)
		r = wh_write_all(b->out_fd, d.b, sizeof(d.b));
	return r < 0 ? io_err(b, r, err) : 0;
}

static int make_index(struct wh_index_builder *b, const struct wh_digest *diff_id, struct wh_index_info *info,
		      struct wh_err **err)
{
	struct wh_ix_header h = {.magic = WH_IX_MAGIC, .version = htole32(WH_IX_VERSION)};
	int r = flush(b, err);

	if (r == 0)
		r = map_records(b, err);
	if (r < 0)
		return r;
	settle(b);
	resolve(b, &h);
	*info = (struct wh_index_info){.n_entries = b->n, .newest = (int64_t)le64toh((uint64_t)h.newest)};
	h.table = htole64(b->pos + b->buf.n);
	h.n = htole64(b->n);
	memcpy(h.diff_id, diff_id->b, sizeof(h.diff_id));
	for (size_t i = 0; i < b->n; i++)
		wh_buf_u64(&b->buf, b->at[i]);
	if (!wh_buf_ok(&b->buf))
		return io_err(b, -EFBIG, err);
	b->out_fd = wh_openat(b->store->lease.dir_fd, b->out_name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (b->out_fd < 0)
		return io_err(b, b->out_fd, err);
	return write_out(b, &h, err);
}

int wh_index_builder_finish(struct wh_index_builder *b, const struct wh_digest *diff_id, struct wh_index_info *ret,
			    struct wh_err **err)
{
	struct wh_index_info info = {0};
	char hex[65];
	int r = make_index(b, diff_id, &info, err);

	if (r == 0)
		r = wh_store_publish(b->store, b->out_name, b->store->index_fd, wh_digest_hex(diff_id, hex), err);
	if (r == 0 && ret)
		*ret = info;
	wh_index_builder_abort(b); /* after a rename the name is gone already */
	return r;
}
