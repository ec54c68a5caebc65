/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/stubs.h"

#include <errno.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#define MAX_LINKS 40

/* ---------------------------------------------------------------- finding the real place */

/* Reads dir/name as a link: *ret_target stays NULL when it is none. 0 or -errno (-ENOENT: missing). dir is real. */
static int look(int root, const char *dir, const char *name, char **ret_target)
{
	WH_AUTO_FD int at = wh_open_in_root(root, dir, O_PATH | O_DIRECTORY, 0);
	WH_AUTO_FREE char *text = NULL;
	struct stat st;
	ssize_t n;

	if (at < 0)
		return at;
	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISLNK(st.st_mode))
		return 0;
	text = wh_malloc(4097);
	n = readlinkat(at, name, text, 4096);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	*ret_target = WH_TAKE_PTR(text);
	return 0;
}

/* Takes the first component off *rest (malloc'ed result, NULL at the end). */
static char *first_component(const char **rest)
{
	size_t n;
	char *name;

	*rest += strspn(*rest, "/");
	n = strcspn(*rest, "/");
	if (!n)
		return NULL;
	name = wh_strndup(*rest, n);
	*rest += n;
	return name;
}

static void replace(char **slot, char *value)
{
	free(*slot);
	*slot = value;
}

int wh_stub_resolve(int root, const char *path, char **ret_real)
{
	WH_AUTO_FREE char *done = wh_strdup("/"), *left = wh_strdup(path);
	unsigned links = 0;

	for (;;) {
		const char *rest = left;
		WH_AUTO_FREE char *name = first_component(&rest);
		WH_AUTO_FREE char *target = NULL;
		int r;

		if (!name)
			break;
		if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
			replace(&done, wh_path_abs_in(done, name));
			replace(&left, wh_strdup(rest));
			continue;
		}
		r = look(root, done, name, &target);
		if (r == -ENOENT) {
			WH_AUTO_FREE char *tail = wh_asprintf("%s/%s", name, rest);

			replace(&done, wh_path_abs_in(done, tail));
			break;
		}
		if (r < 0)
			return r;
		if (target) {
			if (++links > MAX_LINKS)
				return -ELOOP;
			if (target[0] == '/')
				replace(&done, wh_strdup("/"));
			replace(&left, wh_asprintf("%s/%s", target, rest));
			continue;
		}
		replace(&done, wh_path_abs_in(done, name));
		replace(&left, wh_strdup(rest));
	}
	*ret_real = WH_TAKE_PTR(done);
	return 0;
}

/* ---------------------------------------------------------------- the bottom layer */

int wh_stub_lay(int stubs, const char *path, bool dir)
{
	WH_AUTO_FD int at = wh_openat(stubs, ".", O_PATH | O_DIRECTORY, 0);
	const char *rest = path;
	int made = 0;

	for (;;) {
		WH_AUTO_FREE char *name = first_component(&rest);
		bool last;
		int next;

		if (at < 0)
			return at;
		if (!name)
			return made;
		last = rest[strspn(rest, "/")] == '\0';
		if (last && !dir) {
			next = wh_openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
			if (next < 0)
				return next == -EEXIST ? made : next;
			close(next);
			return 1;
		}
		if (mkdirat(at, name, 0755) == 0)
			made = 1;
		else if (errno != EEXIST)
			return -errno;
		next = wh_openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
		close(at);
		at = next;
	}
}

/* ---------------------------------------------------------------- in place */

void wh_stub_list_release(struct wh_stub_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->v[i].path);
	free(l->v);
	free(l->base);
	*l = (struct wh_stub_list){0};
}

static void note(struct wh_stub_list *l, const char *path, const struct stat *st, bool dir, bool whiteout,
		 bool copied_up)
{
	WH_PUSH(l->v, l->n, l->cap) = (struct wh_stub_made){
		.path = wh_strdup(path),
		.dir = dir,
		.whiteout = whiteout,
		.copied_up = copied_up,
		.ino = st->st_ino,
		.mode = st->st_mode,
		.uid = st->st_uid,
		.gid = st->st_gid,
		.mtime_s = st->st_mtim.tv_sec,
		.mtime_ns = (uint32_t)st->st_mtim.tv_nsec,
	};
}

/* lstat below base without following any link. 0 or -errno. */
static int base_stat(int base, const char *path, struct stat *ret)
{
	WH_AUTO_FD int fd = wh_open_beneath(base, path, O_PATH | O_NOFOLLOW, 0, true);

	if (fd < 0)
		return fd;
	return fstat(fd, ret) < 0 ? -errno : 0;
}

static int create(int at, const char *name, bool dir)
{
	int fd;

	if (dir)
		return mkdirat(at, name, 0755) < 0 ? -errno : 0;
	fd = wh_openat(at, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
	if (fd < 0)
		return fd;
	close(fd);
	return 0;
}

/* Notes the parents of path that upper does not hold yet: making something in them will copy them up. */
static void note_parents(int root, int base, const char *path, struct wh_stub_list *list)
{
	WH_AUTO_FREE char *so_far = wh_strdup("");
	const char *rest = path;

	for (;;) {
		WH_AUTO_FREE char *name = first_component(&rest);
		WH_AUTO_FD int fd = -1;
		struct stat st;

		if (!name || rest[strspn(rest, "/")] == '\0')
			return;
		replace(&so_far, *so_far ? wh_asprintf("%s/%s", so_far, name) : wh_strdup(name));
		if (base_stat(base, so_far, &st) == 0)
			continue;
		fd = wh_open_in_root(root, so_far, O_PATH | O_DIRECTORY | O_NOFOLLOW, 0);
		if (fd < 0 || fstat(fd, &st) < 0)
			return; /* from here on nothing exists: made, not copied */
		note(list, so_far, &st, true, false, true);
	}
}

/* Makes one component in its existing parent, whose times stay. */
static int make_one(int root, int base, const char *path, bool dir, struct wh_stub_list *list)
{
	WH_AUTO_FREE char *parent = wh_path_dir(path);
	WH_AUTO_FD int at = wh_open_in_root(root, parent, O_RDONLY | O_DIRECTORY, 0);
	struct stat before, st;
	bool whiteout = false;
	int r;

	if (at < 0)
		return at;
	if (fstat(at, &before) < 0)
		return -errno;
	if (base >= 0 && base_stat(base, path, &st) == 0)
		whiteout = S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0);
	r = create(at, wh_path_base(path), dir);
	if (r < 0)
		return r;
	if (base < 0)
		return 0;
	futimens(at, (struct timespec[2]){before.st_atim, before.st_mtim});
	r = base_stat(base, path, &st);
	if (r == 0)
		note(list, path, &st, dir, whiteout, false);
	return r;
}

int wh_stub_make(int root, int base, const char *real, bool dir, struct wh_stub_list *list)
{
	WH_AUTO_FREE char *so_far = wh_strdup("");
	const char *rest = real;

	if (base >= 0)
		note_parents(root, base, real + strspn(real, "/"), list);
	for (;;) {
		WH_AUTO_FREE char *name = first_component(&rest);
		WH_AUTO_FD int fd = -1;
		bool last;
		int r;

		if (!name)
			return 0;
		last = rest[strspn(rest, "/")] == '\0';
		replace(&so_far, *so_far ? wh_asprintf("%s/%s", so_far, name) : wh_strdup(name));
		fd = wh_open_in_root(root, so_far, O_PATH | O_NOFOLLOW, 0);
		if (fd >= 0)
			continue;
		if (fd != -ENOENT)
			return fd;
		r = make_one(root, base, so_far, dir || !last, list);
		if (r < 0)
			return r;
	}
}

/* ---------------------------------------------------------------- taking them away */

/* True when the directory carries a mark that means something: opaque, or an attribute that is not overlay's own. */
static bool has_marks(int at, const char *name)
{
	WH_AUTO_FD int fd = wh_openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	char list[4096];
	ssize_t n;

	if (fd < 0)
		return true;
	n = flistxattr(fd, list, sizeof(list));
	if (n < 0)
		return errno != ENOTSUP;
	for (const char *p = list; p < list + n; p += strlen(p) + 1)
		if (strcmp(p, "user.overlay.opaque") == 0 || !wh_has_prefix(p, "user.overlay."))
			return true;
	return false;
}

static bool as_it_was(int at, const char *name, const struct wh_stub_made *m)
{
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	if (m->copied_up)
		return S_ISDIR(st.st_mode) && st.st_mode == m->mode && st.st_uid == m->uid && st.st_gid == m->gid &&
		       st.st_mtim.tv_sec == m->mtime_s && (uint32_t)st.st_mtim.tv_nsec == m->mtime_ns &&
		       !has_marks(at, name);
	if (st.st_ino != m->ino || st.st_mode != m->mode || st.st_uid != m->uid || st.st_gid != m->gid)
		return false;
	return m->dir || st.st_size == 0;
}

static void unmake_one(int base, const struct wh_stub_made *m)
{
	WH_AUTO_FREE char *parent = wh_path_dir(m->path);
	WH_AUTO_FD int at = wh_open_beneath(base, parent, O_RDONLY | O_DIRECTORY, 0, true);
	const char *name = wh_path_base(m->path);
	struct stat before;

	if (at < 0 || fstat(at, &before) < 0 || !as_it_was(at, name, m))
		return;
	/* A directory with something in it stays: rmdir refuses. */
	if (unlinkat(at, name, m->dir ? AT_REMOVEDIR : 0) < 0)
		return;
	if (m->whiteout)
		mknodat(at, name, S_IFCHR, makedev(0, 0));
	futimens(at, (struct timespec[2]){before.st_atim, before.st_mtim});
}

void wh_stub_unmake(const struct wh_stub_list *list)
{
	WH_AUTO_FD int base = -1;

	if (!list->n || !list->base)
		return;
	base = wh_openat(AT_FDCWD, list->base, O_PATH | O_DIRECTORY, 0);
	if (base < 0)
		return;
	for (size_t i = list->n; i > 0; i--)
		unmake_one(base, &list->v[i - 1]);
}

void wh_stub_write(const struct wh_stub_made *m, struct wh_buf *out)
{
	wh_buf_lstr(out, m->path);
	wh_buf_u8(out, (uint8_t)(m->dir | m->whiteout << 1 | m->copied_up << 2));
	wh_buf_u64(out, m->ino);
	wh_buf_u32(out, m->mode);
	wh_buf_u32(out, m->uid);
	wh_buf_u32(out, m->gid);
	wh_buf_u64(out, (uint64_t)m->mtime_s);
	wh_buf_u32(out, m->mtime_ns);
}

bool wh_stub_read(struct wh_wire *w, struct wh_stub_made *ret)
{
	uint8_t flags;

	ret->path = wh_wire_str(w);
	flags = wh_wire_u8(w);
	ret->dir = flags & 1;
	ret->whiteout = flags & 2;
	ret->copied_up = flags & 4;
	ret->ino = wh_wire_u64(w);
	ret->mode = wh_wire_u32(w);
	ret->uid = wh_wire_u32(w);
	ret->gid = wh_wire_u32(w);
	ret->mtime_s = (int64_t)wh_wire_u64(w);
	ret->mtime_ns = wh_wire_u32(w);
	return !w->bad && ret->path;
}
