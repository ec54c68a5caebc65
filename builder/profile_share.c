/* SPDX-License-Identifier: Apache-2.0 */
/* What --share=DIR starts as: a copy of the image's directory, in a directory of ours. */
#include "builder/profile_private.h"

#include <errno.h>
#include <sys/xattr.h>

struct copy {
	struct wh_tree *tree;
	int root;            /* ours */
	size_t skip;         /* length of the directory's own path in the tree, with its slash */
	struct wh_strv dirs; /* relative; their times are set at the end */
	struct wh_err **err;
};

static const char *relative(const struct copy *c, const char *path)
{
	return strlen(path) > c->skip ? path + c->skip : ".";
}

static int failed(const struct copy *c, const char *path, int r)
{
	return wh_err_sys(c->err, "builder", WH_ERR_ENV, -r, "copy /%s to share it", path);
}

/* Owner, then mode (a change of the owner takes set-id bits away), then xattrs: they include what fd has no right to
 * when it is open for
 * nothing. */
static int apply(int fd, const struct wh_node_ref *n)
{
	size_t i;

	if (fchown(fd, n->e.uid, n->e.gid) < 0 || fchmod(fd, n->e.mode & 07777) < 0)
		return -errno;
	for (i = 0; i < n->e.n_xattrs; i++)
		if (fsetxattr(fd, n->e.xattrs[i].name, n->e.xattrs[i].value, n->e.xattrs[i].len, 0) < 0 &&
		    errno != ENOTSUP)
			return -errno;
	return 0;
}

static int set_time(int dirfd, const char *name, const struct wh_node_ref *n)
{
	const struct timespec times[2] = {{.tv_sec = n->e.mtime}, {.tv_sec = n->e.mtime}};

	return utimensat(dirfd, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_file(struct copy *c, const struct wh_node_ref *n, const char *to)
{
	WH_AUTO_FD int in = -1, out = -1;
	const char *first = n->e.link;
	int r;

	/* A second name of what was copied before; where the first lies outside, it is a file of its own. */
	if (first && wh_path_cmp(first, n->e.path) < 0 && strlen(first) > c->skip &&
	    !strncmp(first, n->e.path, c->skip) && linkat(c->root, relative(c, first), c->root, to, 0) == 0)
		return 0;
	in = wh_tree_open_file(c->tree, n, c->err);
	if (in < 0)
		return in;
	out = wh_open_beneath(c->root, to, O_WRONLY | O_CREAT | O_EXCL, 0600, true);
	r = out < 0 ? out : wh_copy_fd(in, out, UINT64_MAX);
	if (r == 0)
		r = apply(out, n);
	if (r == 0)
		r = set_time(c->root, to, n);
	return r < 0 ? failed(c, n->e.path, r) : 0;
}

static int copy_dir(struct copy *c, const struct wh_node_ref *n, const char *to)
{
	WH_AUTO_FD int fd = -1;
	int r = 0;

	if (strcmp(to, ".") && mkdirat(c->root, to, 0700) < 0)
		r = -errno;
	if (r == 0)
		r = fd = wh_open_beneath(c->root, to, O_RDONLY | O_DIRECTORY, 0, true);
	if (r >= 0)
		r = apply(fd, n);
	wh_strv_add(&c->dirs, n->e.path);
	return r < 0 ? failed(c, n->e.path, r) : 0;
}

static int copy_one(void *arg, const struct wh_node_ref *n)
{
	struct copy *c = arg;
	const char *to = relative(c, n->e.path);
	int r = 0;

	switch (n->e.type) {
	case WH_T_DIR:
		return copy_dir(c, n, to);
	case WH_T_FILE:
		return copy_file(c, n, to);
	case WH_T_SYMLINK:
		if (symlinkat(n->e.link, c->root, to) < 0 ||
		    fchownat(c->root, to, n->e.uid, n->e.gid, AT_SYMLINK_NOFOLLOW) < 0)
			r = -errno;
		break;
	case WH_T_FIFO:
		if (mkfifoat(c->root, to, n->e.mode & 07777) < 0 ||
		    fchownat(c->root, to, n->e.uid, n->e.gid, AT_SYMLINK_NOFOLLOW) < 0)
			r = -errno;
		break;
	case WH_T_HARDLINK:
	case WH_T_CHR:
	case WH_T_BLK:
	case WH_T_WHITEOUT:
		return 0; /* devices cannot be made here, nor would containers be let to use them */
	}
	if (r == 0)
		r = set_time(c->root, to, n);
	return r < 0 ? failed(c, n->e.path, r) : 0;
}

static int copy_tree(struct copy *c, const char *path, const struct wh_node_ref *top)
{
	struct wh_node_ref n;
	size_t i;
	int r = copy_dir(c, top, ".");

	if (r == 0)
		r = wh_tree_walk(c->tree, path, copy_one, c);
	/* What was made in them changed their times. */
	for (i = c->dirs.n; r == 0 && i-- > 0;) {
		r = wh_tree_lookup(c->tree, c->dirs.v[i], &n);
		if (r == 0)
			r = set_time(c->root, relative(c, c->dirs.v[i]), &n);
		if (r < 0)
			failed(c, c->dirs.v[i], r);
	}
	return r;
}

/* What a container has there is not the image's, nor is it what the two would share. */
static int check(const char *what, const char *path, const char *real, struct wh_err **err)
{
	static const char *const ours[] = {"proc", "sys", "dev", "run/whittle"};
	bool bad = !*real;
	size_t i;

	for (i = 0; i < WH_ARRAY_SIZE(ours); i++) {
		size_t n = strlen(ours[i]);

		bad |= !strncmp(real, ours[i], n) && (!real[n] || real[n] == '/');
	}
	if (!bad)
		return 0;
	wh_err_set(err, "builder", WH_ERR_USAGE, EINVAL, "%s=%s: /%s cannot be shared", what, path, real);
	wh_err_hint(err, "the root, /proc, /sys, /dev and /run/whittle are each container's own");
	return -EINVAL;
}

int wh_share_check(struct wh_store *s, const struct wh_layer *layers, size_t n, const char *const *paths,
		   struct wh_err **err)
{
	struct wh_tree *tree = NULL;
	int r = paths && *paths ? wh_tree_open(s, layers, n, &tree, err) : 0;

	for (; r == 0 && tree && *paths; paths++) {
		WH_AUTO_FREE char *real = NULL;
		struct wh_node_ref at = {0};

		r = wh_tree_resolve(tree, *paths + strspn(*paths, "/"), true, true, &real, &at);
		if (r < 0)
			wh_err_sys(err, "builder", WH_ERR_BUILD, -r, "--share=%s", *paths);
		else
			r = check("--share", *paths, real, err);
	}
	wh_tree_close(tree);
	return r;
}

int wh_share_copy(struct wh_store *s, const struct wh_layer *layers, size_t n, const char *what, const char *path, int dirfd,
		  const char *name, struct wh_err **err)
{
	struct copy c = {.err = err};
	WH_AUTO_FREE char *real = NULL;
	WH_AUTO_FD int root = -1;
	struct wh_node_ref top = {0};
	int r;

	if (mkdirat(dirfd, name, 0755) < 0)
		return wh_err_sys(err, "builder", WH_ERR_ENV, errno, "make a directory to share %s", path);
	r = c.root = root = wh_openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
	if (r < 0)
		return wh_err_sys(err, "builder", WH_ERR_ENV, -r, "open the directory to share %s", path);
	r = wh_tree_open(s, layers, n, &c.tree, err);
	if (r < 0)
		return r;
	r = wh_tree_resolve(c.tree, path + strspn(path, "/"), true, true, &real, &top);
	if (r == 0 && top.e.path && top.e.type != WH_T_DIR)
		r = -ENOTDIR;
	if (r < 0)
		wh_err_sys(err, "builder", WH_ERR_BUILD, -r, "%s=%s", what, path);
	else
		r = check(what, path, real, err);
	if (r == 0 && top.e.path) {
		c.skip = *real ? strlen(real) + 1 : 0;
		r = copy_tree(&c, real, &top);
	}
	wh_tree_close(c.tree);
	wh_strv_release(&c.dirs);
	return r;
}
