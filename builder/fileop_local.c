/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A local directory as a source. Every name is looked up beneath the root with
 * openat2 and without following a symlink; symlinks are followed by us, inside
 * the root, where a source is named, and kept as they are everywhere else.
 * Only regular files are ever opened.
 *
 * What the ignore filter excludes does not exist. An excluded directory is left
 * out with all that is in it, unless a "!" pattern starts with its very path:
 * then it is there, and what is in it is asked one by one. A "!" pattern with a
 * wildcard in that place brings something back only where "*" or "**" was what
 * excluded the directory: docker 20 never does it, docker 23 and later always.
 */
#include "builder/fileop_private.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <sys/sysmacros.h>

#define MAX_LINKS 255
#define READ_SIZE ((size_t)256 * 1024)

static int64_t ns(const struct timespec *t)
{
	return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

static void add_exception(struct view *v, const char *line)
{
	struct wh_str t = wh_str_trim(wh_str(line));
	WH_AUTO_FREE char *raw = NULL, *clean = NULL;

	if (!t.n || t.p[0] != '!')
		return;
	t = wh_str_trim((struct wh_str){t.p + 1, t.n - 1});
	raw = wh_strndup(t.p, t.n);
	clean = wh_path_clean(raw);
	wh_strv_add(&v->exceptions, clean + (clean[0] == '/'));
}

static int open_but_all(struct view *v, const char *const *ignore, struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv lines = {0};
	bool all = false;

	for (size_t i = 0; ignore[i]; i++) {
		if (wh_streq(ignore[i], "*") || wh_streq(ignore[i], "**"))
			all = true;
		else
			wh_strv_add(&lines, ignore[i]);
	}
	return all ? wh_patterns_new(&lines, &v->but_all, err) : 0;
}

int local_open(struct view *v, struct wh_store *s, struct wh_err **err)
{
	const struct wh_op_source *src = v->in->v ? v->in->v->op.source : NULL;
	int r;

	v->rootfd = wh_openat(AT_FDCWD, v->in->local_path, O_RDONLY | O_DIRECTORY, 0);
	if (v->rootfd < 0)
		return wh_err_sys(err, DOMAIN, WH_ERR_USAGE, -v->rootfd, "open context %s", v->in->local_path);
	v->may_noatime = true;
	if (src && src->filter) {
		v->filter = src->filter;
	} else if (src && src->ignore) {
		WH_AUTO_STRV struct wh_strv lines = {0};

		for (size_t i = 0; src->ignore[i]; i++)
			wh_strv_add(&lines, src->ignore[i]);
		r = wh_patterns_new(&lines, &v->own_filter, err);
		if (r)
			return r;
		v->filter = v->own_filter;
	}
	if (v->filter && wh_patterns_empty(v->filter))
		v->filter = NULL;
	for (size_t i = 0; src && src->ignore && src->ignore[i]; i++)
		add_exception(v, src->ignore[i]);
	r = src && src->ignore && v->exceptions.n ? open_but_all(v, src->ignore, err) : 0;
	if (r)
		return r;
	v->memo = wh_memo_open(s, v->in->local_path, v->rootfd);
	return 0;
}

/* Is the directory, or something below it, what a "!" pattern names? */
static bool excepted(const struct view *v, const char *dir)
{
	size_t n = strlen(dir);

	for (size_t i = 0; i < v->exceptions.n; i++) {
		const char *e = v->exceptions.v[i];

		if (strncmp(e, dir, n) == 0 && (!e[n] || e[n] == '/'))
			return true;
	}
	return false;
}

/* Was the directory only taken out because everything is, and may a "!" pattern bring back something below it? */
static bool allowed_below(const struct view *v, const char *dir)
{
	if (!v->but_all || wh_patterns_excluded(v->but_all, dir))
		return false;
	for (size_t i = 0; i < v->exceptions.n; i++)
		if (pattern_may_hold(v->exceptions.v[i], dir))
			return true;
	return false;
}

enum verdict { SHOWN, HIDDEN, THROUGH };

/* Its parents are known to be there. */
static enum verdict judge(const struct view *v, const char *path, bool dir)
{
	if (!v->filter || !*path || !wh_patterns_excluded(v->filter, path))
		return SHOWN;
	if (!dir)
		return HIDDEN;
	return excepted(v, path) ? SHOWN : allowed_below(v, path) ? THROUGH : HIDDEN;
}

static bool hidden_child(const struct view *v, const char *path, bool dir)
{
	return judge(v, path, dir) == HIDDEN;
}

static bool hidden(const struct view *v, const char *path, bool dir)
{
	WH_AUTO_FREE char *part = NULL;

	if (!v->filter || !*path)
		return false;
	part = wh_strdup(path);
	for (char *p = strchr(part, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (hidden_child(v, part, true))
			return true;
		*p = '/';
	}
	return hidden_child(v, path, dir);
}

/* What a checkout's umask, and the time of the checkout, did to an entry says nothing about the image. */
static void normalise(const struct wh_local_attrs *a, struct node *n)
{
	uint32_t plain = n->type == WH_T_DIR ? 0777 : 0666;

	if (n->type == WH_T_SYMLINK) {
		if (a->plain)
			n->mtime = a->time;
		return;
	}
	if (a->plain) {
		n->mode = n->type == WH_T_DIR || n->mode & 0100 ? 0755 : 0644;
		n->mtime = a->time;
	} else if (a->has_umask && n->mode == (0777 & ~a->umask)) {
		n->mode = 0755;
	} else if (a->has_umask && n->mode == (plain & ~a->umask)) {
		n->mode = 0644;
	}
}

/* -ENOTSUP: something nobody knows. */
static int fill(const struct view *v, const struct stat *st, struct node *n)
{
	memset(n, 0, sizeof(*n));
	switch (st->st_mode & S_IFMT) {
	case S_IFREG:
		n->type = WH_T_FILE;
		n->size = (uint64_t)st->st_size;
		n->linked = st->st_nlink > 1;
		break;
	case S_IFDIR:
		n->type = WH_T_DIR;
		break;
	case S_IFLNK:
		n->type = WH_T_SYMLINK;
		break;
	case S_IFCHR:
	case S_IFBLK:
		n->type = S_ISCHR(st->st_mode) ? WH_T_CHR : WH_T_BLK;
		n->major = major(st->st_rdev);
		n->minor = minor(st->st_rdev);
		break;
	case S_IFIFO:
		n->type = WH_T_FIFO;
		break;
	case S_IFSOCK: /* as BuildKit: an empty file of that name and mode */
		n->type = WH_T_FILE;
		n->stub = true;
		break;
	default:
		return -ENOTSUP;
	}
	/* Who owns a checkout says nothing about the image: all is root's. */
	n->mode = st->st_mode & 07777;
	n->mtime = st->st_mtim.tv_sec;
	n->mtime_ns = ns(&st->st_mtim);
	n->ctime_ns = ns(&st->st_ctim);
	n->dev = st->st_dev;
	n->ino = st->st_ino;
	normalise(&v->in->attrs, n);
	return 0;
}

static int read_link(struct view *v, int fd, const char *name, const char *path, char **ret, struct wh_err **err)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(fd, name, text, sizeof(text));

	if (n < 0)
		return wh_err_sys(err, DOMAIN, WH_ERR_BUILD, errno, "read link %s/%s", v->in->local_path, path);
	*ret = wh_strndup(text, (size_t)n);
	return 0;
}

/* As it is on disk, no filter asked. */
static int look(struct view *v, const char *path, struct node *ret, struct wh_err **err)
{
	WH_AUTO_FD int fd = wh_open_beneath(v->rootfd, *path ? path : ".", O_PATH | O_NOFOLLOW, 0, true);
	WH_AUTO_FREE char *link = NULL;
	struct stat st;
	int r;

	/* A symlink in the middle is nobody's parent here: whoever follows links asks for the path behind. */
	if (fd == -ENOENT || fd == -ENOTDIR || fd == -ELOOP || fd == -EXDEV || fd == -ENAMETOOLONG)
		return -ENOENT;
	if (fd < 0)
		return wh_err_sys(err, DOMAIN, WH_ERR_BUILD, -fd, "look up %s/%s", v->in->local_path, path);
	if (fstat(fd, &st) < 0)
		return wh_err_sys(err, DOMAIN, WH_ERR_BUILD, errno, "stat %s/%s", v->in->local_path, path);
	if (fill(v, &st, ret) < 0)
		return -ENOENT;
	if (ret->type == WH_T_SYMLINK) {
		r = read_link(v, fd, "", path, &link, err);
		if (r)
			return r;
		ret->link = wh_arena_strdup(v->arena, link);
	}
	ret->path = wh_arena_strdup(v->arena, path);
	return 0;
}

int local_lookup(struct view *v, const char *path, struct node *ret, struct wh_err **err)
{
	struct node n;
	int r = look(v, path, &n, err);

	if (r)
		return r;
	if (hidden(v, path, n.type == WH_T_DIR))
		return -ENOENT;
	*ret = n;
	ret->through = n.type == WH_T_DIR && judge(v, path, true) == THROUGH;
	return 0;
}

int local_resolve(struct view *v, const char *path, struct node *ret, struct wh_err **err)
{
	WH_AUTO_FREE char *todo = wh_strdup(path), *done = wh_strdup("");
	unsigned links = 0;
	struct node n;
	char *at = todo;
	int r;

	for (;;) {
		WH_AUTO_FREE char *name = NULL, *next = NULL;
		size_t len;

		at += strspn(at, "/");
		if (!*at)
			break;
		len = strcspn(at, "/");
		name = wh_strndup(at, len);
		at += len;
		if (strcmp(name, ".") == 0)
			continue;
		if (strcmp(name, "..") == 0) {
			next = wh_path_dir(done);
			free(done);
			done = strcmp(next, ".") == 0 ? wh_strdup("") : WH_TAKE_PTR(next);
			continue;
		}
		next = *done ? wh_asprintf("%s/%s", done, name) : wh_strdup(name);
		r = local_lookup(v, next, &n, err);
		if (r)
			return r;
		if (n.type == WH_T_SYMLINK) {
			char *more = wh_asprintf("%s/%s", n.link, at);

			free(todo);
			at = todo = more;
			if (++links > MAX_LINKS)
				return -ELOOP;
			if (*n.link == '/')
				*done = '\0';
			continue;
		}
		if (n.type != WH_T_DIR && at[strspn(at, "/")])
			return -ENOTDIR;
		free(done);
		done = WH_TAKE_PTR(next);
	}
	return local_lookup(v, done, ret, err);
}

static int open_noatime(struct view *v, const char *path, int flags)
{
	int fd = -EPERM;

	if (v->may_noatime)
		fd = wh_open_beneath(v->rootfd, path, flags | O_NOATIME, 0, true);
	if (fd != -EPERM)
		return fd;
	fd = wh_open_beneath(v->rootfd, path, flags, 0, true);
	if (fd >= 0)
		v->may_noatime = false; /* files of somebody else's: do not ask each time */
	return fd;
}

/* ---------------------------------------------------------------- walking */

struct kid {
	size_t name; /* offset */
	bool seen;   /* the filter was asked, and lets it in */
	bool through;
	char *link;
	struct node n;
};
struct kids {
	struct wh_buf names;
	struct kid *v;
	size_t n, cap;
};

static void kids_release(struct kids *k)
{
	for (size_t i = 0; i < k->n; i++)
		free(k->v[i].link);
	wh_buf_release(&k->names);
	free(k->v);
}

static void close_dir(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int by_name(const void *a, const void *b, void *names)
{
	const struct kid *x = a, *y = b;

	return strcmp((const char *)names + x->name, (const char *)names + y->name);
}

static bool dots(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* Names first, cheaply: what is excluded is often most of it, and need not even be looked at. */
static int read_names(struct view *v, DIR *d, struct wh_buf *path, struct kids *k, struct wh_err **err)
{
	size_t stem = path->n;
	struct dirent *e;

	for (;;) {
		enum verdict is = SHOWN;

		errno = 0;
		e = readdir(d);
		if (!e)
			break;
		if (dots(e->d_name))
			continue;
		if (v->filter && e->d_type != DT_UNKNOWN) {
			if (stem)
				wh_buf_addc(path, '/');
			wh_buf_adds(path, e->d_name);
			is = judge(v, path->p, e->d_type == DT_DIR);
			path->n = stem;
			if (path->p)
				path->p[stem] = '\0';
		}
		if (is == HIDDEN)
			continue;
		WH_PUSH(k->v, k->n, k->cap) = (struct kid){
			.name = k->names.n,
			.seen = e->d_type != DT_UNKNOWN,
			.through = is == THROUGH,
		};
		wh_buf_add(&k->names, e->d_name, strlen(e->d_name) + 1);
	}
	if (errno)
		return wh_err_sys(err, DOMAIN, WH_ERR_BUILD, errno, "read directory %s/%s", v->in->local_path,
				  path->p ? path->p : "");
	if (!wh_buf_ok(&k->names))
		return wh_err_set(err, DOMAIN, WH_ERR_BUILD, EFBIG, "directory %s/%s is too large", v->in->local_path,
				  path->p ? path->p : "");
	if (k->n)
		qsort_r(k->v, k->n, sizeof(*k->v), by_name, k->names.p);
	return 0;
}

static int read_dir(struct view *v, struct wh_buf *path, struct kids *k, struct wh_err **err)
{
	WH_CLEANUP(close_dir) DIR *d = NULL;
	size_t out = 0;
	int fd = open_noatime(v, path->n ? path->p : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
	int r;

	if (fd < 0)
		return wh_err_sys(err, DOMAIN, WH_ERR_BUILD, -fd, "open directory %s/%s", v->in->local_path,
				  path->n ? path->p : "");
	d = fdopendir(fd);
	if (!d) {
		r = errno;
		close(fd);
		return wh_err_sys(err, DOMAIN, WH_ERR_BUILD, r, "read directory %s", v->in->local_path);
	}
	r = read_names(v, d, path, k, err);
	if (r)
		return r;
	for (size_t i = 0; i < k->n; i++) {
		struct kid *kid = &k->v[i];
		const char *name = k->names.p + kid->name;
		char *link = NULL;
		struct stat st;

		if (fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			if (errno == ENOENT)
				continue; /* gone since: as if it had never been */
			r = wh_err_sys(err, DOMAIN, WH_ERR_BUILD, errno, "stat %s/%s/%s", v->in->local_path,
				       path->n ? path->p : ".", name);
			break;
		}
		if (fill(v, &st, &kid->n) < 0)
			continue;
		if (kid->n.type == WH_T_SYMLINK) {
			r = read_link(v, fd, name, name, &link, err);
			if (r)
				break;
		}
		kid->n.link = kid->link = link;
		k->v[out++] = *kid;
	}
	k->n = out;
	return r;
}

static int walk(struct view *v, struct wh_buf *path, view_fn fn, void *arg, struct wh_err **err)
{
	WH_CLEANUP(kids_release) struct kids k = {0};
	size_t stem = path->n;
	int r = read_dir(v, path, &k, err);

	for (size_t i = 0; !r && i < k.n; i++) {
		struct node *n = &k.v[i].n;
		enum verdict is;

		if (stem)
			wh_buf_addc(path, '/');
		wh_buf_adds(path, k.names.p + k.v[i].name);
		n->path = path->p;
		is = k.v[i].seen ? k.v[i].through ? THROUGH : SHOWN : judge(v, path->p, n->type == WH_T_DIR);
		if (is != HIDDEN) {
			n->through = is == THROUGH && n->type == WH_T_DIR;
			r = fn(arg, n, err);
			if (r == 0 && n->type == WH_T_DIR)
				r = walk(v, path, fn, arg, err);
			if (r > 0)
				r = 0;
		}
		path->n = stem;
		path->p[stem] = '\0';
	}
	return r;
}

int local_walk(struct view *v, const char *dir, view_fn fn, void *arg, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf path = WH_BUF_INIT;

	wh_buf_adds(&path, dir);
	return walk(v, &path, fn, arg, err);
}

int local_list(struct view *v, const char *dir, struct wh_strv *ret, struct wh_err **err)
{
	WH_CLEANUP(kids_release) struct kids k = {0};
	WH_AUTO_BUF struct wh_buf path = WH_BUF_INIT;
	int r;

	wh_buf_adds(&path, dir);
	r = read_dir(v, &path, &k, err);
	for (size_t i = 0; !r && i < k.n; i++) {
		WH_AUTO_FREE char *full = wh_path_join(dir, k.names.p + k.v[i].name);

		if (k.v[i].seen || !hidden_child(v, full, k.v[i].n.type == WH_T_DIR))
			wh_strv_add(ret, k.names.p + k.v[i].name);
	}
	return r;
}

/* The part of path that the filter takes away, with all below it; malloc'ed. NULL: none. */
static char *hidden_part(const struct view *v, const char *path, bool dir)
{
	WH_AUTO_FREE char *part = wh_strdup(path);

	for (char *p = strchr(part, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (hidden_child(v, part, true))
			return WH_TAKE_PTR(part);
		*p = '/';
	}
	return judge(v, path, dir) != SHOWN ? WH_TAKE_PTR(part) : NULL;
}

char *local_hidden_by(struct view *v, const char *path)
{
	const struct wh_op_source *src = v->in->v ? v->in->v->op.source : NULL;
	const struct wh_patterns *filter = v->filter;
	WH_AUTO_FREE char *part = NULL;
	unsigned number, line = 0;
	const char *file, *text;
	struct node n;
	size_t count = 0;
	int r;

	if (!filter || !src || !src->ignore)
		return NULL;
	v->filter = NULL;
	r = look(v, path, &n, NULL) ? local_resolve(v, path, &n, NULL) : 0;
	v->filter = filter;
	part = r ? NULL : hidden_part(v, n.path, n.type == WH_T_DIR);
	if (!part)
		return NULL;
	number = wh_patterns_decider(filter, part);
	while (src->ignore[count])
		count++;
	text = number && number <= count ? src->ignore[number - 1] : "?";
	file = wh_patterns_source(filter, number, &line);
	if (!file)
		return wh_asprintf("the ignore file (\"%s\")", text);
	return line ? wh_asprintf("%s line %u (\"%s\")", file, line, text) : wh_asprintf("%s (\"%s\")", file, text);
}

/* ---------------------------------------------------------------- content */

static struct wh_memo_key key_of(const struct node *n)
{
	return (struct wh_memo_key){n->ino, n->size, n->mtime_ns, n->ctime_ns};
}

static int check_protected(struct view *v, const struct node *n, struct wh_err **err)
{
	for (size_t i = 0; i < v->n_protect; i++) {
		const struct file_id *f = &v->protect[i];

		if (n->dev != f->dev || n->ino != f->ino)
			continue;
		wh_err_set(err, DOMAIN, WH_ERR_USAGE, EPERM,
			   "\"/%s\" is %s, a key of this build: it must not get into an image", n->path, f->path);
		wh_err_hint(err, "keep it outside the context, or name it in .dockerignore");
		return -EPERM;
	}
	return 0;
}

int local_keep(struct view *v, struct node *n, struct wh_err **err)
{
	struct wh_memo_key k = key_of(n);

	if (n->type != WH_T_FILE)
		return 0;
	if (n->stub) {
		wh_digest_of("", 0, &n->digest);
		n->has_digest = true;
		return 0;
	}
	n->has_digest = wh_memo_get(v->memo, n->path, &k, &n->digest);
	return check_protected(v, n, err);
}

void local_learned(struct view *v, const struct node *n)
{
	struct wh_memo_key k = key_of(n);

	wh_memo_put(v->memo, n->path, &k, &n->digest);
}

int local_open_file(struct view *v, struct node *n, struct wh_err **err)
{
	/* O_NONBLOCK: should it have become a FIFO since, opening must not hang. */
	WH_AUTO_FD int fd = open_noatime(v, n->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
	struct node now;
	struct stat st;
	int r;

	if (fd == -ENOENT || fd == -ELOOP || fd == -ENOTDIR || fd == -ENXIO)
		return -EAGAIN;
	if (fd < 0)
		return wh_err_sys(err, DOMAIN, WH_ERR_BUILD, -fd, "open %s/%s", v->in->local_path, n->path);
	if (fstat(fd, &st) < 0)
		return wh_err_sys(err, DOMAIN, WH_ERR_BUILD, errno, "stat %s/%s", v->in->local_path, n->path);
	if (fill(v, &st, &now) < 0 || now.type != WH_T_FILE)
		return -EAGAIN;
	now.path = n->path;
	r = check_protected(v, &now, err);
	if (r)
		return r;
	if (now.ino != n->ino || now.dev != n->dev || now.size != n->size || now.mtime_ns != n->mtime_ns ||
	    now.ctime_ns != n->ctime_ns) {
		/* The mode stays as it was scanned: it has been told to the digest and to the result already. */
		now.mode = n->mode;
		*n = now;
	}
	return WH_TAKE_FD(fd);
}

static int hash_fd(const struct view *v, int fd, struct wh_sha256 *h, char *buf, uint64_t *ret_size)
{
	uint64_t total = 0;
	ssize_t n;

	for (;;) {
		if (v->cancel && *v->cancel)
			return -ECANCELED;
		n = read(fd, buf, READ_SIZE);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		wh_sha256_add(h, buf, (size_t)n);
		total += (uint64_t)n;
	}
	*ret_size = total;
	return 0;
}

int local_hash(struct view *v, struct node *n, struct wh_err **err)
{
	WH_AUTO_FREE char *buf = wh_malloc(READ_SIZE);
	WH_AUTO_SHA256 struct wh_sha256 *h = wh_sha256_new();

	for (int tries = 0; tries < 2; tries++) {
		WH_AUTO_FD int fd = local_open_file(v, n, err);
		uint64_t size = 0;
		struct node after;
		struct stat st;
		int r;

		if (fd == -EAGAIN)
			continue;
		if (fd < 0)
			return fd;
		wh_sha256_reset(h);
		r = hash_fd(v, fd, h, buf, &size);
		if (r < 0)
			return wh_err_sys(err, DOMAIN, WH_ERR_BUILD, -r, "read %s/%s", v->in->local_path, n->path);
		if (fstat(fd, &st) < 0 || fill(v, &st, &after) < 0)
			continue;
		if (size != n->size || after.size != n->size || after.mtime_ns != n->mtime_ns ||
		    after.ctime_ns != n->ctime_ns)
			continue;
		wh_sha256_end(h, &n->digest);
		n->has_digest = true;
		local_learned(v, n);
		return 0;
	}
	wh_err_set(err, DOMAIN, WH_ERR_BUILD, EAGAIN, "%s/%s changes while it is read", v->in->local_path, n->path);
	return -EAGAIN;
}
