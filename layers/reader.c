/* SPDX-License-Identifier: Apache-2.0 */
#include "layers/reader.h"
#include "layers/xattr.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>

#define WHITEOUT ".wh."
#define WHITEOUT_META ".wh..wh."
#define OPAQUE ".wh..wh..opq"
#define MAX_SYMLINKS 40

struct reader {
	const struct wh_read_opts *o;
	struct wh_names *names;
	const struct wh_read_sink *sink;
	void *arg;
	struct archive *a;
	struct wh_sha256 *hash;
	uint64_t entries, bytes, holes;
	char *last_dir; /* the directory of the entry before, and its place: most entries share it */
	struct wh_name *last_at;
	uint64_t last_generation;
	wh_bytes_fn next;
	void *src;
	int src_result; /* what next() failed with */
	struct wh_err *src_err;
};

static int refuse(struct wh_err **err, const char *name, const char *why)
{
	return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "entry \"%.200s\": %s", name, why);
}

static int over(struct wh_err **err, const char *what, uint64_t limit)
{
	return wh_err_set(err, "layers", WH_ERR_BUILD, EFBIG, "the archive has %s than the limit of %llu", what,
			  (unsigned long long)limit);
}

/* ---------------------------------------------------------------- changes to the tree */

static int make(struct reader *r, struct wh_name *n, struct wh_err **err)
{
	return r->sink && r->sink->make ? r->sink->make(r->arg, n, err) : 0;
}

static int drop(struct reader *r, struct wh_name *n, struct wh_err **err)
{
	int e = r->sink && r->sink->drop ? r->sink->drop(r->arg, n, err) : 0;

	if (e == 0)
		wh_names_remove(r->names, n);
	return e;
}

/* A new name for ino in dir; the sink is told by the caller. */
static int enter(struct reader *r, struct wh_name *dir, const char *name, size_t len, struct wh_inode *ino,
		 struct wh_name **ret, struct wh_err **err)
{
	if (len > 255)
		return refuse(err, name, "a part of its name is longer than 255 bytes");
	if (dir->path_len + len + 1 > WH_PATH_LIMIT)
		return refuse(err, name, "its path is too long");
	if (wh_names_memory(r->names) > r->o->limits.memory)
		return over(err, "more names and attributes (in bytes)", r->o->limits.memory);
	*ret = wh_names_add(r->names, dir, name, len, ino);
	return 0;
}

static int imply_dir(struct reader *r, struct wh_name *dir, const char *name, size_t len, bool opaque,
		     struct wh_name **ret, struct wh_err **err)
{
	struct wh_inode *ino = wh_names_inode(r->names, WH_T_DIR);
	int e;

	ino->implied = true;
	ino->opaque = opaque;
	e = enter(r, dir, name, len, ino, ret, err);
	return e < 0 ? e : make(r, *ret, err);
}

/* The path must not leave the root; both texts are joined by a slash. malloc'ed. */
static char *in_root(const char *dir, const char *path)
{
	WH_AUTO_FREE char *abs = wh_path_abs_in(dir[0] ? dir : "/", path);

	return wh_strdup(abs + 1);
}

/* One step down. *redirect is set when the step met a symlink: go on with that path instead. Unless may_make, one
 * that is not there gives *ret NULL. */
static int step_into(struct reader *r, struct wh_name *at, const char *part, size_t len, const char *rest,
		     const char *whole, bool may_make, struct wh_name **ret, char **redirect, struct wh_err **err)
{
	struct wh_name *n = wh_names_find(r->names, at, part, len);

	if (!may_make && (!n || n->ino->type == WH_T_WHITEOUT)) {
		*ret = NULL;
		return 0;
	}
	if (!n)
		return imply_dir(r, at, part, len, false, ret, err);
	switch (n->ino->type) {
	case WH_T_DIR:
		*ret = n;
		return 0;
	case WH_T_WHITEOUT: {
		int e = drop(r, n, err);

		return e < 0 ? e : imply_dir(r, at, part, len, true, ret, err);
	}
	case WH_T_SYMLINK: {
		/* As an extractor with this directory as its root would go: the link is followed inside the layer. */
		WH_AUTO_BUF struct wh_buf here = WH_BUF_INIT;
		WH_AUTO_FREE char *base = wh_asprintf("/%s", wh_name_path(at, &here));
		WH_AUTO_FREE char *to = wh_asprintf("%s/%s", n->ino->link, rest);

		*redirect = in_root(base, to);
		return 0;
	}
	case WH_T_FILE:
	case WH_T_HARDLINK:
	case WH_T_CHR:
	case WH_T_BLK:
	case WH_T_FIFO:
		break;
	}
	return refuse(err, whole, "it lies below something that is not a directory");
}

static int walk(struct reader *r, const char *path, const char *whole, bool may_make, struct wh_name **ret,
		struct wh_err **err)
{
	WH_AUTO_FREE char *owned = NULL;
	struct wh_name *at = wh_names_root(r->names);
	const char *p = path;
	unsigned links = 0;

	while (*p && at) {
		size_t len = strcspn(p, "/");
		const char *rest = p[len] ? p + len + 1 : "";
		char *redirect = NULL;
		int e = step_into(r, at, p, len, rest, whole, may_make, &at, &redirect, err);

		if (e < 0)
			return e;
		if (!redirect) {
			p = rest;
			continue;
		}
		free(owned);
		p = owned = redirect;
		at = wh_names_root(r->names);
		if (++links > MAX_SYMLINKS)
			return refuse(err, whole, "it lies behind too many symlinks");
		if (strlen(p) > WH_PATH_LIMIT)
			return refuse(err, whole, "its path is too long");
	}
	*ret = at;
	return 0;
}

/* The directory a path lies in, made when it is missing. */
static int find_dir(struct reader *r, const char *path, struct wh_name **ret, const char **ret_base,
		    struct wh_err **err)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash ? (size_t)(slash - path) : 0;
	int e;

	*ret_base = slash ? slash + 1 : path;
	if (r->last_dir && r->last_generation == wh_names_generation(r->names) && strlen(r->last_dir) == len &&
	    memcmp(r->last_dir, path, len) == 0) {
		*ret = r->last_at;
		return 0;
	}
	free(r->last_dir);
	r->last_dir = wh_strndup(path, len);
	e = walk(r, r->last_dir, path, true, ret, err);
	if (e < 0) {
		wh_freep(&r->last_dir);
		r->last_dir = NULL;
		return e;
	}
	r->last_at = *ret;
	r->last_generation = wh_names_generation(r->names);
	return 0;
}

/* ---------------------------------------------------------------- names from outside */

/* Cleans a name: malloc'ed relative path, "" for the root. ".." is refused, or with .add kept inside. */
static int clean_name(struct reader *r, const char *name, const char *what, char **ret, struct wh_err **err)
{
	WH_AUTO_FREE char *out = NULL;

	if (strlen(name) > WH_PATH_LIMIT * 2)
		return refuse(err, name, "its name is too long");
	if (!r->o->add) {
		for (const char *p = name; *p; p += strspn(p, "/")) {
			size_t len = strcspn(p, "/");

			if (len == 2 && p[0] == '.' && p[1] == '.')
				return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG,
						  "entry \"%.200s\": its %s has \"..\"", name, what);
			p += len;
		}
	}
	out = in_root("/", name);
	if (strlen(out) > WH_PATH_LIMIT)
		return refuse(err, name, "its path is too long");
	*ret = WH_TAKE_PTR(out);
	return 0;
}

enum whiteout_name { NO_WHITEOUT, IS_WHITEOUT, IS_AUFS, BELOW_WHITEOUT };

static enum whiteout_name whiteout_name(const char *path)
{
	for (const char *p = path; *p;) {
		size_t len = strcspn(p, "/");

		if (wh_has_prefix(p, WHITEOUT)) {
			if (strcmp(p, OPAQUE) == 0)
				return IS_WHITEOUT;
			if (wh_has_prefix(p, WHITEOUT_META))
				return IS_AUFS;
			return p[len] ? BELOW_WHITEOUT : IS_WHITEOUT;
		}
		p += len + (p[len] == '/');
	}
	return NO_WHITEOUT;
}

/* ---------------------------------------------------------------- attributes */

static int read_xattrs(struct reader *r, struct archive_entry *e, const char *path, struct wh_inode *ino,
		       struct wh_err **err)
{
	struct wh_xattr found[WH_MAX_XATTRS];
	size_t n = 0;
	const char *name;
	const void *value;
	size_t len;

	archive_entry_xattr_reset(e);
	while (archive_entry_xattr_next(e, &name, &value, &len) == ARCHIVE_OK) {
		uint8_t cap[WH_CAP_MAX];
		size_t at;

		if (!name || !wh_xattr_keep(name))
			continue;
		if (len > WH_XATTR_LIMIT)
			return refuse(err, path, "an extended attribute is longer than 64 KiB");
		if (strcmp(name, "security.capability") == 0) {
			int c = ino->type == WH_T_FILE ? wh_cap_normalize(value, len, cap, &len) : -EINVAL;

			if (c < 0)
				continue; /* a kernel would not take it either */
			value = cap;
		}
		for (at = 0; at < n && strcmp(found[at].name, name) < 0; at++)
			;
		if (at == n || strcmp(found[at].name, name) != 0) {
			if (n == WH_MAX_XATTRS)
				return refuse(err, path, "it has too many extended attributes");
			memmove(found + at + 1, found + at, (n - at) * sizeof(*found));
			n++;
		}
		found[at].name = wh_names_strdup(r->names, name);
		found[at].len = len;
		found[at].value = len ? wh_names_alloc(r->names, len) : "";
		if (len)
			memcpy((void *)(uintptr_t)found[at].value, value, len);
	}
	if (n) {
		ino->xattrs = wh_names_alloc(r->names, n * sizeof(*found));
		memcpy((void *)(uintptr_t)ino->xattrs, found, n * sizeof(*found));
		ino->n_xattrs = n;
	}
	return 0;
}

static int read_owner(struct archive_entry *e, const char *path, struct wh_inode *ino, struct wh_err **err)
{
	int64_t uid = archive_entry_uid(e), gid = archive_entry_gid(e);

	if (uid < 0 || uid >= UINT32_MAX || gid < 0 || gid >= UINT32_MAX)
		return refuse(err, path, "its owner is no user id");
	ino->uid = (uint32_t)uid;
	ino->gid = (uint32_t)gid;
	return 0;
}

static int read_attributes(struct reader *r, struct archive_entry *e, const char *path, struct wh_inode *ino,
			   struct wh_err **err)
{
	int x = read_owner(e, path, ino, err);

	if (x < 0)
		return x;
	ino->mode = ino->type == WH_T_SYMLINK ? 0777 : archive_entry_perm(e) & 07777;
	ino->mtime = archive_entry_mtime_is_set(e) ? archive_entry_mtime(e) : 0;
	if (ino->type == WH_T_CHR || ino->type == WH_T_BLK) {
		ino->major = (uint32_t)archive_entry_rdevmajor(e);
		ino->minor = (uint32_t)archive_entry_rdevminor(e);
	}
	return read_xattrs(r, e, path, ino, err);
}

/* ---------------------------------------------------------------- entries */

/* Formats that keep names in UTF-16 have no bytes to give in the "C" locale. */
static const char *text_of(const char *bytes, const char *(*utf8)(struct archive_entry *), struct archive_entry *e)
{
	return bytes ? bytes : utf8(e);
}

static int hash_hole(struct reader *r, uint64_t n)
{
	static const char zero[65536];

	while (r->hash && n) {
		size_t k = n < sizeof(zero) ? (size_t)n : sizeof(zero);

		wh_sha256_add(r->hash, zero, k);
		n -= k;
	}
	return 0;
}

static int archive_failed(struct reader *r, const char *what, struct wh_err **err)
{
	const char *text = archive_error_string(r->a);

	if (r->src_result < 0) {
		wh_err_move(err, &r->src_err);
		return r->src_result;
	}
	if (archive_errno(r->a) == ENOMEM)
		return wh_err_sys(err, "layers", WH_ERR_ENV, ENOMEM, "%s", what);
	return wh_err_set(err, "layers", WH_ERR_BUILD, EBADMSG, "%s: %s", what, text ? text : "damaged archive");
}

static int read_content(struct reader *r, struct wh_name *n, const char *path, struct wh_err **err)
{
	struct wh_inode *ino = n->ino;
	uint64_t at = 0;
	int e;

	if (r->hash)
		wh_sha256_reset(r->hash);
	for (;;) {
		const void *p;
		la_int64_t off;
		size_t len;
		int x = archive_read_data_block(r->a, &p, &len, &off);

		if (x == ARCHIVE_EOF)
			break;
		if (x != ARCHIVE_OK)
			return archive_failed(r, "read the archive", err);
		if (len == 0)
			continue;
		if (off < 0 || (uint64_t)off < at || (uint64_t)off > ino->size || len > ino->size - (uint64_t)off)
			return refuse(err, path, "its data lies outside of it");
		hash_hole(r, (uint64_t)off - at);
		if (r->hash)
			wh_sha256_add(r->hash, p, len);
		if (r->sink && r->sink->data) {
			e = r->sink->data(r->arg, n, (uint64_t)off, p, len, err);
			if (e < 0)
				return e;
		}
		at = (uint64_t)off + len;
	}
	if (at < ino->size && ino->offset != UINT64_MAX)
		return refuse(err, path, "its data ends too early");
	hash_hole(r, ino->size - at);
	if (r->hash)
		wh_sha256_end(r->hash, &ino->digest);
	return r->sink && r->sink->done ? r->sink->done(r->arg, n, err) : 0;
}

static int add_file(struct reader *r, struct archive_entry *e, struct wh_name *n, const char *path, struct wh_err **err)
{
	struct wh_inode *ino = n->ino;
	int64_t size = archive_entry_size(e);

	if (size < 0 || !archive_entry_size_is_set(e))
		return refuse(err, path, "it has no size");
	ino->size = (uint64_t)size;
	if (archive_entry_sparse_count(e) > 0) {
		/* Bounded by itself: a few bytes can claim any number of zeros. */
		if (ino->size > r->o->limits.holes - r->holes)
			return over(err, "more in sparse files (in bytes)", r->o->limits.holes);
		r->holes += ino->size;
	} else {
		ino->offset = (uint64_t)archive_filter_bytes(r->a, 0);
	}
	if (ino->size > r->o->limits.bytes - r->bytes)
		return over(err, "more content (in bytes)", r->o->limits.bytes);
	r->bytes += ino->size;
	return 0;
}

static bool is_below(const struct wh_name *n, const struct wh_name *top)
{
	for (; n; n = n->parent)
		if (n == top)
			return true;
	return false;
}

/* What a hard link leads to, or NULL when this archive has no such name (yet). */
static int find_target(struct reader *r, const char *target, struct wh_name **ret, struct wh_err **err)
{
	WH_AUTO_FREE char *dir = wh_path_dir(target);
	const char *base = wh_path_base(target);
	struct wh_name *at;
	int e = walk(r, strcmp(dir, ".") == 0 ? "" : dir, target, false, &at, err);

	if (e == 0)
		*ret = at ? wh_names_find(r->names, at, base, strlen(base)) : NULL;
	return e;
}

/* In cpio archives the last name of a file brings its content. */
static int late_content(struct reader *r, struct archive_entry *ent, struct wh_name *to, const char *path,
			struct wh_err **err)
{
	int e;

	if (!r->o->any || to->ino->type != WH_T_FILE || to->ino->size || archive_entry_size(ent) <= 0)
		return 0;
	e = add_file(r, ent, to, path, err);
	if (e == 0)
		e = make(r, to, err);
	return e < 0 ? e : read_content(r, to, path, err);
}

static int add_hardlink(struct reader *r, struct archive_entry *ent, struct wh_name *dir, const char *base,
			const char *path, struct wh_err **err)
{
	WH_AUTO_FREE char *target = NULL;
	struct wh_name *to = NULL, *old, *n;
	struct wh_inode *ino;
	int e = clean_name(r, text_of(archive_entry_hardlink(ent), archive_entry_hardlink_utf8, ent),
			   "hard link target", &target, err);

	if (e < 0)
		return e;
	if (!target[0])
		return refuse(err, path, "it is a hard link to the root directory");
	e = find_target(r, target, &to, err);
	if (e < 0)
		return e;
	old = wh_names_find(r->names, dir, base, strlen(base));
	if (to) {
		e = late_content(r, ent, to, path, err);
		if (e < 0)
			return e;
	}
	if (to && to == old)
		return to->ino->type == WH_T_DIR || to->ino->type == WH_T_WHITEOUT
			       ? refuse(err, path, "it is a hard link to itself")
			       : 0;
	if (to && (to->ino->type == WH_T_DIR || to->ino->type == WH_T_WHITEOUT))
		return refuse(err, path,
			      to->ino->type == WH_T_DIR ? "it is a hard link to a directory"
							: "it is a hard link to a whiteout");
	if (old && to && is_below(to, old))
		return refuse(err, path, "it is a hard link to something below itself");
	if (!to && r->o->add)
		return refuse(err, path, "it is a hard link to a file that is not in the archive before it");
	if (old) {
		e = drop(r, old, err);
		if (e < 0)
			return e;
	}
	if (to) {
		e = enter(r, dir, base, strlen(base), to->ino, &n, err);
		if (e < 0)
			return e;
		return r->sink && r->sink->link ? r->sink->link(r->arg, n, to, err) : 0;
	}
	/* Not in this layer. The index can tell it, and a tree of layers can find it; a layer unpacked alone cannot. */
	ino = wh_names_inode(r->names, WH_T_HARDLINK);
	ino->link = wh_names_strdup(r->names, target);
	e = read_attributes(r, ent, path, ino, err);
	if (e == 0)
		e = enter(r, dir, base, strlen(base), ino, &n, err);
	return e < 0 ? e : make(r, n, err);
}

static int add_dir(struct reader *r, struct archive_entry *ent, struct wh_name *dir, const char *base, const char *path,
		   struct wh_err **err)
{
	struct wh_name *n = base[0] ? wh_names_find(r->names, dir, base, strlen(base)) : wh_names_root(r->names);
	struct wh_inode *ino, fresh;
	bool opaque = false;
	int e;

	if (n && n->ino->type != WH_T_DIR) {
		opaque = n->ino->type == WH_T_WHITEOUT;
		e = drop(r, n, err);
		if (e < 0)
			return e;
		n = NULL;
	}
	if (!n) {
		e = imply_dir(r, dir, base, strlen(base), opaque, &n, err);
		if (e < 0)
			return e;
	}
	ino = n->ino;
	fresh = *ino;
	fresh.implied = false;
	fresh.xattrs = NULL;
	fresh.n_xattrs = 0;
	e = read_attributes(r, ent, path, &fresh, err);
	if (e == 0)
		*ino = fresh;
	return e;
}

static int type_of(struct archive_entry *e, enum wh_type *ret)
{
	switch (archive_entry_filetype(e)) {
	case AE_IFREG:
		*ret = WH_T_FILE;
		return 0;
	case AE_IFDIR:
		*ret = WH_T_DIR;
		return 0;
	case AE_IFLNK:
		*ret = WH_T_SYMLINK;
		return 0;
	case AE_IFCHR:
		*ret = WH_T_CHR;
		return 0;
	case AE_IFBLK:
		*ret = WH_T_BLK;
		return 0;
	case AE_IFIFO:
		*ret = WH_T_FIFO;
		return 0;
	default:
		return -EINVAL;
	}
}

/* Everything but directories and hard links. */
static int add_other(struct reader *r, struct archive_entry *ent, enum wh_type type, struct wh_name *dir,
		     const char *base, const char *path, struct wh_err **err)
{
	struct wh_inode *ino = wh_names_inode(r->names, type);
	struct wh_name *n;
	int e = read_attributes(r, ent, path, ino, err);

	if (e < 0)
		return e;
	if (type == WH_T_SYMLINK) {
		const char *to = text_of(archive_entry_symlink(ent), archive_entry_symlink_utf8, ent);

		if (!to || !to[0] || strlen(to) > WH_PATH_LIMIT)
			return refuse(err, path, "it is a symlink to nothing, or to too long a name");
		ino->link = wh_names_strdup(r->names, to);
	}
	n = wh_names_find(r->names, dir, base, strlen(base));
	if (n) {
		e = drop(r, n, err);
		if (e < 0)
			return e;
	}
	e = enter(r, dir, base, strlen(base), ino, &n, err);
	if (e == 0 && type == WH_T_FILE)
		e = add_file(r, ent, n, path, err);
	if (e == 0)
		e = make(r, n, err);
	if (e == 0 && type == WH_T_FILE)
		e = read_content(r, n, path, err);
	return e;
}

static int add_whiteout(struct reader *r, struct wh_name *dir, const char *base, const char *path, struct wh_err **err)
{
	const char *name = base + strlen(WHITEOUT);
	struct wh_name *n;
	int e;

	if (strcmp(base, OPAQUE) == 0) {
		dir->ino->opaque = true;
		return 0;
	}
	if (!name[0] || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return refuse(err, path, "it is a whiteout of nothing");
	n = wh_names_find(r->names, dir, name, strlen(name));
	if (n) {
		/* A whiteout speaks of lower layers only; of a directory that is new here, it hides the old content. */
		if (n->ino->type == WH_T_DIR)
			n->ino->opaque = true;
		return 0;
	}
	e = enter(r, dir, name, strlen(name), wh_names_inode(r->names, WH_T_WHITEOUT), &n, err);
	return e < 0 ? e : make(r, n, err);
}

static int add_entry(struct reader *r, struct archive_entry *ent, struct wh_err **err)
{
	const char *name = text_of(archive_entry_pathname(ent), archive_entry_pathname_utf8, ent);
	WH_AUTO_FREE char *path = NULL;
	struct wh_name *dir;
	const char *base;
	enum wh_type type = WH_T_FILE;
	bool hard = text_of(archive_entry_hardlink(ent), archive_entry_hardlink_utf8, ent) != NULL;
	enum whiteout_name w;
	int e;

	if (++r->entries > r->o->limits.entries)
		return over(err, "more entries", r->o->limits.entries);
	if (!name)
		return refuse(err, "", "it has no name");
	e = clean_name(r, name, "name", &path, err);
	if (e < 0)
		return e;
	if (!hard && type_of(ent, &type) < 0)
		return refuse(err, name, "its type is not known");
	w = whiteout_name(path);
	if (w != NO_WHITEOUT && r->o->add)
		return refuse(err, name, "names that begin with \".wh.\" cannot be kept in a layer");
	if (w == BELOW_WHITEOUT)
		return refuse(err, name, "it lies below a whiteout");
	if (w == IS_AUFS) /* what aufs kept for itself means nothing here */
		return 0;
	if (!path[0]) {
		/* Some archivers begin with an empty file without a name; for ADD, as under docker, it says nothing. */
		if (r->o->add && !hard && type == WH_T_FILE && archive_entry_size(ent) == 0)
			return 0;
		if (hard || type != WH_T_DIR)
			return refuse(err, name, "the root must be a directory");
		return add_dir(r, ent, NULL, "", name, err);
	}
	e = find_dir(r, path, &dir, &base, err);
	if (e < 0)
		return e;
	if (w == IS_WHITEOUT)
		return add_whiteout(r, dir, base, path, err);
	if (hard)
		return add_hardlink(r, ent, dir, base, path, err);
	if (type == WH_T_DIR)
		return add_dir(r, ent, dir, base, path, err);
	return add_other(r, ent, type, dir, base, path, err);
}

/* ---------------------------------------------------------------- libarchive */

static la_ssize_t give_bytes(struct archive *a, void *arg, const void **p)
{
	struct reader *r = arg;
	size_t n = 0;
	int e = r->src_result < 0 ? r->src_result : r->next(r->src, p, &n, &r->src_err);

	if (e < 0) {
		r->src_result = e;
		archive_set_error(a, -e, "cannot be read");
		return -1;
	}
	return (la_ssize_t)n;
}

/* opened: what opening gave. Reads on from ent when the first header was read already. */
static int run(struct reader *r, int opened, struct archive_entry *ent, struct wh_err **err)
{
	int e = 0;

	if (opened != ARCHIVE_OK)
		e = archive_failed(r, "read the archive", err);
	else if (r->o->digests)
		r->hash = wh_sha256_new();
	while (e == 0) {
		if (!ent) {
			int x = archive_read_next_header(r->a, &ent);

			if (x == ARCHIVE_EOF)
				break;
			if (x != ARCHIVE_OK && x != ARCHIVE_WARN) {
				e = archive_failed(r, "read the archive", err);
				break;
			}
		}
		e = add_entry(r, ent, err);
		ent = NULL;
	}
	if (r->hash)
		wh_sha256_free(r->hash);
	free(r->last_dir);
	wh_err_free(r->src_err);
	return e;
}

/* In any other locale than "C" libarchive would normalise the names of pax headers. */
static locale_t plain_locale(locale_t *old)
{
	locale_t c = newlocale(LC_ALL_MASK, "C", (locale_t)0);

	if (!c)
		abort();
	*old = uselocale(c);
	return c;
}

int wh_tar_read(wh_bytes_fn next, void *src, const struct wh_read_opts *o, struct wh_names *names,
		const struct wh_read_sink *sink, void *arg, struct wh_err **err)
{
	struct reader r = {.o = o, .names = names, .sink = sink, .arg = arg, .next = next, .src = src};
	locale_t old, c = plain_locale(&old);
	int e;

	r.a = archive_read_new();
	if (!r.a)
		abort();
	archive_read_support_format_tar(r.a);
	archive_read_support_format_empty(r.a);
	e = run(&r, archive_read_open(r.a, &r, NULL, give_bytes, NULL), NULL, err);
	archive_read_free(r.a);
	uselocale(old);
	freelocale(c);
	return e;
}

/* Not mtree, which is a text that may name files of this machine, nor what takes any bytes for an archive ("raw", "empty"),
 * nor filters that start programs. */
static void support_others(struct archive *a)
{
	archive_read_support_format_7zip(a);
	archive_read_support_format_ar(a);
	archive_read_support_format_cab(a);
	archive_read_support_format_cpio(a);
	archive_read_support_format_iso9660(a);
	archive_read_support_format_lha(a);
	archive_read_support_format_rar(a);
	archive_read_support_format_rar5(a);
	archive_read_support_format_xar(a);
	archive_read_support_format_zip(a);
	archive_read_support_filter_compress(a);
	archive_read_support_filter_lz4(a);
	archive_read_support_filter_lzip(a);
	archive_read_support_filter_lzma(a);
	archive_read_support_filter_rpm(a);
	archive_read_support_filter_uu(a);
}

int wh_archive_read(int fd, const struct wh_read_opts *o, struct wh_names *names, const struct wh_read_sink *sink,
		    void *arg, struct wh_err **err)
{
	struct reader r = {.o = o, .names = names, .sink = sink, .arg = arg};
	locale_t old, c = plain_locale(&old);
	struct archive_entry *ent;
	int e;

	r.a = archive_read_new();
	if (!r.a)
		abort();
	archive_read_support_format_tar(r.a);
	archive_read_support_filter_gzip(r.a);
	archive_read_support_filter_bzip2(r.a);
	archive_read_support_filter_xz(r.a);
	archive_read_support_filter_zstd(r.a);
	if (o->any)
		support_others(r.a);
	/* As docker does: what shows one good header is an archive, and must then be good as a whole. */
	if (archive_read_open_fd(r.a, fd, 256 << 10) != ARCHIVE_OK)
		e = -ENOTSUP;
	else
		e = archive_read_next_header(r.a, &ent);
	if (e == ARCHIVE_OK || e == ARCHIVE_WARN)
		e = run(&r, ARCHIVE_OK, ent, err);
	else
		e = -ENOTSUP;
	archive_read_free(r.a);
	uselocale(old);
	freelocale(c);
	return e;
}
