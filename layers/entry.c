/* SPDX-License-Identifier: Apache-2.0 */
/* From a file to an entry: what of a file's metadata becomes part of a layer. */
#include "layers/layers.h"
#include "layers/xattr.h"

#include <errno.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define CAPABILITY "security.capability"
#define MAX_LIST 65536U
#define MAX_VALUE 65536U

const char *wh_compression_name(enum wh_compression c)
{
	return c == WH_COMP_NONE ? "uncompressed" : c == WH_COMP_GZIP ? "gzip" : "zstd";
}

const char *wh_layer_media_type(enum wh_compression c)
{
	return c == WH_COMP_NONE   ? "application/vnd.oci.image.layer.v1.tar"
	       : c == WH_COMP_GZIP ? "application/vnd.oci.image.layer.v1.tar+gzip"
				   : "application/vnd.oci.image.layer.v1.tar+zstd";
}

void wh_layer_copy(struct wh_layer *dst, const struct wh_layer *src)
{
	*dst = *src;
	dst->origin = wh_strdup(src->origin);
}

void wh_layer_release(struct wh_layer *l)
{
	free(WH_TAKE_PTR(l->origin));
}

struct wh_entry_scratch {
	struct wh_arena *arena; /* strings of the entry made last */
	struct wh_xattr xs[WH_MAX_XATTRS];
	char list[MAX_LIST];
	char value[MAX_VALUE];
	char link[4097];
};

struct wh_entry_scratch *wh_entry_scratch_new(void)
{
	return wh_calloc(1, sizeof(struct wh_entry_scratch));
}

void wh_entry_scratch_free(struct wh_entry_scratch *x)
{
	if (!x)
		return;
	wh_arena_freep(&x->arena);
	free(x);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct wh_xattr *)a)->name, ((const struct wh_xattr *)b)->name);
}

static int read_xattrs(const char *proc, const char *path, struct wh_entry_scratch *x, size_t *ret_n,
		       struct wh_err **err)
{
	ssize_t len = llistxattr(proc, x->list, sizeof(x->list));
	size_t count = 0;

	if (len < 0 && errno == ENOTSUP)
		len = 0;
	if (len < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, errno, "list extended attributes of %s", path);
	for (const char *name = x->list; name < x->list + len; name += strlen(name) + 1) {
		ssize_t n;

		if (!wh_xattr_keep(name))
			continue;
		n = lgetxattr(proc, name, x->value, sizeof(x->value));
		/* EOVERFLOW: a capability of another user namespace; it grants nothing in this one. */
		if (n < 0 && (errno == ENODATA || errno == EOVERFLOW))
			continue;
		if (n < 0)
			return wh_err_sys(err, "layers", WH_ERR_BUILD, errno, "read %s of %s", name, path);
		if (strcmp(name, CAPABILITY) == 0) {
			size_t len2;

			if (wh_cap_normalize(x->value, (size_t)n, (uint8_t *)x->value, &len2) < 0)
				return wh_err_set(err, "layers", WH_ERR_BUILD, EINVAL, "%s: malformed file capability",
						  path);
			n = (ssize_t)len2;
		}
		if (count == WH_MAX_XATTRS)
			return wh_err_set(err, "layers", WH_ERR_BUILD, E2BIG, "%s has more than %d extended attributes",
					  path, WH_MAX_XATTRS);
		if (!x->arena)
			x->arena = wh_arena_new();
		x->xs[count].name = name;
		x->xs[count].value = memcpy(wh_arena_alloc(x->arena, (size_t)n + 1), x->value, (size_t)n);
		x->xs[count++].len = (size_t)n;
	}
	qsort(x->xs, count, sizeof(x->xs[0]), by_name);
	*ret_n = count;
	return 0;
}

static int read_link(int dirfd, const char *name, const char *path, struct wh_entry_scratch *x, struct wh_err **err)
{
	ssize_t n = readlinkat(dirfd, name, x->link, sizeof(x->link) - 1);

	if (n < 0)
		return wh_err_sys(err, "layers", WH_ERR_BUILD, errno, "read the link %s", path);
	x->link[n] = '\0';
	return 0;
}

int wh_entry_from_at(int dirfd, const char *name, const struct stat *st, const char *path, struct wh_entry_scratch *x,
		     struct wh_entry *ret, struct wh_err **err)
{
	struct wh_entry e = {
		.path = path,
		.mode = st->st_mode & 07777,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.mtime = st->st_mtim.tv_sec,
	};
	char fixed[320];
	WH_AUTO_FREE char *longer = NULL;
	const char *proc = fixed;
	int r = 0;

	wh_arena_freep(&x->arena);
	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
		e.type = WH_T_FILE;
		e.size = (uint64_t)st->st_size;
		break;
	case S_IFDIR:
		e.type = WH_T_DIR;
		break;
	case S_IFLNK:
		e.type = WH_T_SYMLINK;
		e.mode = 0777;
		r = read_link(dirfd, name, path, x, err);
		e.link = x->link;
		break;
	case S_IFCHR:
	case S_IFBLK:
		e.type = S_ISCHR(st->st_mode) ? WH_T_CHR : WH_T_BLK;
		e.major = major(st->st_rdev);
		e.minor = minor(st->st_rdev);
		break;
	case S_IFIFO:
		e.type = WH_T_FIFO;
		break;
	default:
		return -ENOTSUP;
	}
	/* Other kinds of files cannot have what the allow list lets through. */
	if (e.type == WH_T_FILE || e.type == WH_T_DIR) {
		/* By way of /proc, because a file without read permission or a FIFO cannot be opened for this; the
		 * final component is not followed. */
		if ((size_t)snprintf(fixed, sizeof(fixed), "/proc/self/fd/%d/%s", dirfd, *name ? name : ".") >=
		    sizeof(fixed))
			proc = longer = wh_asprintf("/proc/self/fd/%d/%s", dirfd, name);
		r = read_xattrs(proc, path, x, &e.n_xattrs, err);
		e.xattrs = e.n_xattrs ? x->xs : NULL;
	}
	if (r < 0)
		return r;
	*ret = e;
	return 0;
}
