/* SPDX-License-Identifier: Apache-2.0 */
/* Reading layer indexes. The format is told in layers/index_format.h. */
#include "layers/index_format.h"
#include "layers/index_private.h"
#include "layers/store_private.h"

#include <endian.h>
#include <errno.h>
#include <sys/mman.h>

struct wh_index {
	const uint8_t *p;
	size_t n_bytes;
	size_t n;     /* entries */
	size_t table; /* offset */
	int64_t newest;
	bool some_implied;
	bool mapped;
};

static int damaged(struct wh_err **err, const char *why)
{
	return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "layer index is damaged: %s", why);
}

int wh_index_parse(const void *p, size_t n, bool verify, struct wh_index **ret, struct wh_err **err)
{
	struct wh_ix_header h;
	struct wh_digest d;
	struct wh_index *x;
	uint64_t count, table;

	if (n < sizeof(h) + WH_IX_TRAILER)
		return damaged(err, "too short");
	memcpy(&h, p, sizeof(h));
	if (memcmp(h.magic, WH_IX_MAGIC, sizeof(h.magic)) != 0)
		return damaged(err, "no such format");
	if (le32toh(h.version) != WH_IX_VERSION)
		return damaged(err, "another version");
	if (le32toh(h.flags) & ~WH_IX_SOME_IMPLIED)
		return damaged(err, "unknown flags");
	count = le64toh(h.n);
	table = le64toh(h.table);
	n -= WH_IX_TRAILER;
	if (table < sizeof(h) || table % 8 || table > n || count != (n - table) / 8 || (n - table) % 8)
		return damaged(err, "bad table");
	if (verify) {
		wh_digest_of(p, n, &d);
		if (memcmp(d.b, (const uint8_t *)p + n, WH_IX_TRAILER) != 0)
			return damaged(err, "bad checksum");
	}
	x = wh_calloc(1, sizeof(*x));
	x->p = p;
	x->n_bytes = n;
	x->n = (size_t)count;
	x->table = (size_t)table;
	x->newest = (int64_t)le64toh((uint64_t)h.newest);
	x->some_implied = le32toh(h.flags) & WH_IX_SOME_IMPLIED;
	*ret = x;
	return 0;
}

bool wh_index_has(struct wh_store *s, const struct wh_digest *diff_id)
{
	char hex[65];

	return faccessat(s->index_fd, wh_digest_hex(diff_id, hex), F_OK, 0) == 0;
}

int wh_index_open_diff(struct wh_store *s, const struct wh_digest *diff_id, struct wh_index **ret, struct wh_err **err)
{
	WH_AUTO_FD int fd = -1;
	struct wh_index *x = NULL;
	struct stat st;
	char hex[65];
	void *p;
	int r;

	fd = wh_openat(s->index_fd, wh_digest_hex(diff_id, hex), O_RDONLY | O_NOFOLLOW, 0);
	if (fd == -ENOENT)
		return fd;
	if (fd < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, -fd, "open %s/index/%s", s->path, hex);
	if (fstat(fd, &st) < 0)
		return wh_err_sys(err, "layers", WH_ERR_ENV, errno, "stat %s/index/%s", s->path, hex);
	if (!S_ISREG(st.st_mode) || st.st_size <= 0)
		return damaged(err, "empty");
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return wh_err_sys(err, "layers", WH_ERR_ENV, errno, "map %s/index/%s", s->path, hex);
	r = wh_index_parse(p, (size_t)st.st_size, true, &x, err);
	if (r == 0 && memcmp((const uint8_t *)p + offsetof(struct wh_ix_header, diff_id), diff_id->b, 32) != 0) {
		wh_index_close(WH_TAKE_PTR(x));
		r = damaged(err, "it is another layer's");
	}
	if (r < 0) {
		wh_err_wrap(err, "%s/index/%s", s->path, hex);
		munmap(p, (size_t)st.st_size);
		return r;
	}
	x->mapped = true;
	*ret = x;
	return 0;
}

int wh_index_open(struct wh_store *s, const struct wh_layer *l, struct wh_index **ret, struct wh_err **err)
{
	WH_AUTO_ERR struct wh_err *first = NULL;
	char hex[65];
	int r = wh_index_open_diff(s, &l->diff_id, ret, &first);

	if (r == 0) { /* it is named by diff id: is it this blob's? */
		r = wh_layer_verify(s, l, err);
		if (r < 0)
			wh_index_close(WH_TAKE_PTR(*ret));
		return r;
	}
	if (r != -ENOENT && r != -EBADMSG) {
		wh_err_move(err, &first);
		return r;
	}
	/* The blob is the original: a damaged index is as good as a missing one. */
	if (r == -EBADMSG)
		(void)unlinkat(s->index_fd, wh_digest_hex(&l->diff_id, hex), 0);
	r = wh_index_from_blob(s, l, err);
	if (r < 0)
		return r;
	r = wh_index_open_diff(s, &l->diff_id, ret, err);
	if (r == -ENOENT)
		return wh_err_set(err, "layers", WH_ERR_INTERNAL, ENOENT, "reading a layer left no index");
	return r;
}

void wh_index_close(struct wh_index *x)
{
	if (!x)
		return;
	if (x->mapped)
		munmap((void *)(uintptr_t)x->p, x->n_bytes + WH_IX_TRAILER);
	free(x);
}

size_t wh_index_count(const struct wh_index *x)
{
	return x->n;
}

void wh_index_info(const struct wh_index *x, struct wh_index_info *ret)
{
	ret->n_entries = x->n;
	ret->newest = x->newest;
}

bool wh_index_some_implied(const struct wh_index *x)
{
	return x->some_implied;
}

/* The record of entry i, its length and path checked; NULL when it is not sound. */
static const uint8_t *record_at(const struct wh_index *x, size_t i, struct wh_ix_record *ret)
{
	uint64_t off;

	if (i >= x->n)
		return NULL;
	memcpy(&off, x->p + x->table + i * 8, 8);
	off = le64toh(off);
	if (off < sizeof(struct wh_ix_header) || off > x->table || x->table - off < sizeof(*ret))
		return NULL;
	memcpy(ret, x->p + off, sizeof(*ret));
	ret->len = le32toh(ret->len);
	ret->path_len = le32toh(ret->path_len);
	if (ret->len > x->table - off || ret->len < sizeof(*ret) || ret->path_len > WH_IX_MAX_STRING ||
	    ret->path_len >= ret->len - sizeof(*ret))
		return NULL;
	return x->p + off;
}

static const char *path_at(const struct wh_index *x, size_t i)
{
	struct wh_ix_record r;
	const uint8_t *p = record_at(x, i, &r);
	const char *path;

	if (!p)
		return NULL;
	path = (const char *)p + sizeof(r);
	return strnlen(path, r.path_len + 1) == r.path_len ? path : NULL;
}

static bool known_type(uint8_t t)
{
	return t && strchr("fdlhcbpw", t) != NULL;
}

static int read_xattrs(const uint8_t *p, size_t n, size_t count, struct wh_xattr *xs)
{
	for (size_t i = 0; i < count; i++) {
		uint32_t name_len, value_len;

		if (n < 8)
			return -EBADMSG;
		memcpy(&name_len, p, 4);
		memcpy(&value_len, p + 4, 4);
		name_len = le32toh(name_len);
		value_len = le32toh(value_len);
		p += 8;
		n -= 8;
		if (name_len >= n || strnlen((const char *)p, name_len + 1) != name_len || value_len > n - name_len - 1)
			return -EBADMSG;
		xs[i] = (struct wh_xattr){.name = (const char *)p, .value = p + name_len + 1, .len = value_len};
		p += name_len + 1 + value_len;
		n -= name_len + 1 + value_len;
	}
	return n ? -EBADMSG : 0;
}

int wh_index_at(const struct wh_index *x, size_t i, struct wh_entry *ret, struct wh_xattr xs[WH_MAX_XATTRS])
{
	struct wh_ix_record r;
	const uint8_t *p = record_at(x, i, &r), *q;
	const char *path = path_at(x, i);
	uint32_t link_len, xattr_len;
	size_t left, n_xattrs;
	struct wh_entry e;

	if (!p || !path || !known_type(r.type))
		return -EBADMSG;
	q = p + sizeof(r) + r.path_len + 1;
	left = r.len - sizeof(r) - r.path_len - 1;
	link_len = le32toh(r.link_len);
	xattr_len = le32toh(r.xattr_len);
	n_xattrs = le16toh(r.n_xattrs);
	if (n_xattrs > WH_MAX_XATTRS)
		return -EBADMSG;
	e = (struct wh_entry){
		.path = path,
		.type = (enum wh_type)r.type,
		.opaque = r.flags & WH_IX_OPAQUE,
		.implied = r.flags & WH_IX_IMPLIED,
		.mode = le32toh(r.mode),
		.uid = le32toh(r.uid),
		.gid = le32toh(r.gid),
		.mtime = (int64_t)le64toh((uint64_t)r.mtime),
		.size = le64toh(r.size),
		.major = le32toh(r.major),
		.minor = le32toh(r.minor),
		.offset = le64toh(r.offset),
		.xattrs = n_xattrs ? xs : NULL,
		.n_xattrs = n_xattrs,
	};
	memcpy(e.digest.b, r.digest, sizeof(r.digest));
	if (link_len != WH_IX_NO_LINK) {
		if (link_len >= left || strnlen((const char *)q, link_len + 1) != link_len)
			return -EBADMSG;
		e.link = (const char *)q;
		q += link_len + 1;
		left -= link_len + 1;
	} else if (e.type == WH_T_SYMLINK || e.type == WH_T_HARDLINK) {
		return -EBADMSG;
	}
	if (xattr_len > left || read_xattrs(q, xattr_len, n_xattrs, xs) < 0)
		return -EBADMSG;
	*ret = e;
	return 0;
}

/* First position whose path is not before the given one. A damaged record sorts first: wrong, but finite. */
static size_t lower_bound(const struct wh_index *x, size_t lo, const char *path)
{
	size_t hi = x->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const char *p = path_at(x, mid);

		if (!p || wh_path_cmp(p, path) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool wh_index_find(const struct wh_index *x, const char *path, size_t *ret_pos)
{
	size_t pos = lower_bound(x, 0, path);
	const char *p = path_at(x, pos);

	*ret_pos = pos;
	return p && strcmp(p, path) == 0;
}

size_t wh_index_skip(const struct wh_index *x, size_t pos, const char *path)
{
	/* '/' sorts before every other byte: the smallest path behind all of "path/…" is path + \001. */
	WH_AUTO_FREE char *end = NULL;

	if (!*path)
		return x->n;
	end = wh_asprintf("%s\001", path);
	return lower_bound(x, pos, end);
}
