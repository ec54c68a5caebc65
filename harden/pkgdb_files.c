/* SPDX-License-Identifier: Apache-2.0 */
/* Who owns what, from info/NAME.list (or NAME:ARCH.list), else from NAME.md5sums, and from the Conffiles field. */
#include "harden/packages_private.h"

#include <errno.h>
#include <uthash.h>

#define MAX_LIST ((size_t)32 << 20)
#define MAX_OWNED ((size_t)8 << 20) /* paths, of all packages */
#define MAX_PATH 4096

struct dir {                          /* a directory as a list names it, and where it is */
	const char *name, *canonical; /* canonical NULL: nowhere */
	UT_hash_handle hh;
};
struct diversion {                       /* dpkg-divert(1) */
	const char *from, *to, *package; /* package ":": for all of them */
	UT_hash_handle hh;
};
struct wh_dpkg_map {
	struct wh_tree *t;
	struct wh_arena *arena;
	struct dir *dirs;
	struct diversion *diversions;
};

bool wh_is_documentation(const char *path)
{
	static const char *const dirs[] = {"usr/share/doc", "usr/share/man", "usr/share/info", "usr/share/lintian",
					   "usr/share/doc-base"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(dirs); i++) {
		size_t n = strlen(dirs[i]);

		if (wh_has_prefix(path, dirs[i]) && (path[n] == '\0' || path[n] == '/'))
			return true;
	}
	return false;
}

/* ---------------------------------------------------------------- from a list's path to the tree's */

static int read_diversions(struct wh_dpkg_map *m, const char *dir, struct wh_err **err)
{
	WH_AUTO_FREE char *path = wh_asprintf("%s/diversions", dir);
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	int r = wh_pkg_read_file(m->t, path, MAX_LIST, false, &buf, err);
	struct wh_str text = {buf.p, buf.n}, line[3];

	if (r < 0)
		return r == -ENOENT ? 0 : r;
	while (wh_next_line(&text, &line[0]) && wh_next_line(&text, &line[1]) && wh_next_line(&text, &line[2])) {
		struct diversion *d = wh_arena_alloc(m->arena, sizeof(*d)), *old;

		d->from = wh_arena_strndup(m->arena, line[0].p, line[0].n);
		d->to = wh_arena_strndup(m->arena, line[1].p, line[1].n);
		d->package = wh_arena_strndup(m->arena, line[2].p, line[2].n);
		HASH_FIND_STR(m->diversions, d->from, old);
		if (!old)
			HASH_ADD_KEYPTR(hh, m->diversions, d->from, strlen(d->from), d);
	}
	return 0;
}

static const char *map_dir(struct wh_dpkg_map *m, const char *dir)
{
	WH_AUTO_FREE char *canonical = NULL;
	struct dir *d;

	HASH_FIND_STR(m->dirs, dir, d);
	if (d)
		return d->canonical;
	d = wh_arena_alloc(m->arena, sizeof(*d));
	d->name = wh_arena_strdup(m->arena, dir);
	if (wh_tree_resolve(m->t, dir, true, true, &canonical, NULL) == 0)
		d->canonical = wh_arena_strdup(m->arena, canonical);
	HASH_ADD_KEYPTR(hh, m->dirs, d->name, strlen(d->name), d);
	return d->canonical;
}

const char *wh_dpkg_files_map(struct wh_dpkg_files *f, const struct wh_dpkg_record *r, struct wh_str listed)
{
	struct wh_dpkg_map *m = f->map;
	WH_AUTO_FREE char *path = NULL;
	const struct diversion *d;
	const char *dir;
	char *slash;

	if (!listed.n || listed.n > MAX_PATH || memchr(listed.p, '\0', listed.n))
		return NULL;
	path = wh_asprintf("%s%.*s", listed.p[0] == '/' ? "" : "/", (int)listed.n, listed.p);
	HASH_FIND_STR(m->diversions, path, d);
	if (d && !wh_streq(d->package, r->name)) {
		free(path);
		path = wh_asprintf("%s%s", d->to[0] == '/' ? "" : "/", d->to);
	}
	slash = strrchr(path, '/');
	if (!slash[1] || wh_streq(slash + 1, ".") || wh_streq(slash + 1, ".."))
		return NULL;
	*slash = '\0';
	dir = map_dir(m, path);
	if (!dir)
		return NULL;
	return *dir ? wh_arena_printf(m->arena, "%s/%s", dir, slash + 1) : wh_arena_strdup(m->arena, slash + 1);
}

/* ---------------------------------------------------------------- lists */

struct listing { /* one package's paths, as its list has them */
	struct wh_str *v;
	size_t n, cap;
};

static int by_listed(const void *x, const void *y)
{
	const struct wh_str *a = x, *b = y;
	size_t n = a->n < b->n ? a->n : b->n;

	/* As wh_path_cmp(): what is below a directory comes right behind it. */
	for (size_t i = 0; i < n; i++) {
		if (a->p[i] == b->p[i])
			continue;
		if (a->p[i] == '/' || b->p[i] == '/')
			return a->p[i] == '/' ? -1 : 1;
		return (unsigned char)a->p[i] < (unsigned char)b->p[i] ? -1 : 1;
	}
	return (a->n > b->n) - (a->n < b->n);
}

/* Is it a directory of the package: something of it lies below, or the tree has one there? The links of a merged /usr
 * (bin, lib64) stand for directories, too; no package brings any other link into the root. */
static bool is_dir(struct wh_tree *t, const struct listing *l, size_t i, const char *path, bool *ret_exists)
{
	struct wh_node_ref n;

	*ret_exists = wh_tree_lookup(t, path, &n) == 0;
	if (!*ret_exists)
		return false;
	if (n.e.type == WH_T_DIR || (n.e.type == WH_T_SYMLINK && !strchr(path, '/')))
		return true;
	if (n.e.type != WH_T_SYMLINK)
		return false;
	return i + 1 < l->n && l->v[i + 1].n > l->v[i].n && l->v[i + 1].p[l->v[i].n] == '/' &&
	       memcmp(l->v[i + 1].p, l->v[i].p, l->v[i].n) == 0;
}

static int add_listing(struct wh_dpkg_files *f, const struct wh_dpkg *d, uint32_t record, struct listing *l,
		       struct wh_err **err)
{
	struct wh_tree *t = f->map->t;
	size_t n = 0;

	if (l->n)
		qsort(l->v, l->n, sizeof(*l->v), by_listed);
	for (size_t i = 0; i < l->n; i++)
		if (!n || by_listed(&l->v[n - 1], &l->v[i]) != 0)
			l->v[n++] = l->v[i];
	l->n = n;
	for (size_t i = 0; i < l->n; i++) {
		const char *path = wh_dpkg_files_map(f, &d->v[record], l->v[i]);
		bool exists, dir;

		if (!path)
			continue;
		dir = is_dir(t, l, i, path, &exists);
		if (!exists)
			continue;
		if (f->n == MAX_OWNED)
			return wh_err_set(err, "harden", WH_ERR_BUILD, EFBIG, "packages own more than %zu paths",
					  MAX_OWNED);
		WH_PUSH(f->v, f->n, f->cap) = (struct wh_owned){path, record, dir};
	}
	return 0;
}

static void add_md5sums(struct listing *l, struct wh_str text)
{
	struct wh_str line;

	while (wh_next_line(&text, &line)) {
		/* 32 digits, two blanks, path; escapes as md5sum(1) has them are not made by dpkg's tools */
		if (line.n > 34 && line.p[32] == ' ')
			WH_PUSH(l->v, l->n, l->cap) = (struct wh_str){line.p + 34, line.n - 34};
	}
}

/* " /etc/x 0123… [obsolete]" */
static void add_conffiles(struct listing *l, struct wh_str text)
{
	struct wh_str line;

	while (wh_next_line(&text, &line)) {
		size_t n = 0;

		line = wh_str_trim(line);
		while (n < line.n && line.p[n] != ' ')
			n++;
		if (n && line.p[0] == '/')
			WH_PUSH(l->v, l->n, l->cap) = (struct wh_str){line.p, n};
	}
}

/* Reads the first of the candidates that is there. */
static int read_first(struct wh_tree *t, const struct wh_strv *paths, struct wh_buf *buf, size_t *ret_which,
		      struct wh_err **err)
{
	int r = -ENOENT;

	for (size_t i = 0; r == -ENOENT && i < paths->n; i++) {
		r = wh_pkg_read_file(t, paths->v[i], MAX_LIST, false, buf, err);
		*ret_which = i;
	}
	return r;
}

static int read_lists(struct wh_dpkg_files *f, const struct wh_dpkg *d, uint32_t record, struct wh_err **err)
{
	const struct wh_dpkg_record *r = &d->v[record];
	WH_AUTO_STRV struct wh_strv lists = {0}, sums = {0};
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	struct listing l = {0};
	size_t which = 0;
	struct wh_str line;
	int ret;

	wh_strv_addf(&lists, "%s/info/%s:%s.list", d->dir, r->name, r->arch);
	wh_strv_addf(&lists, "%s/info/%s.list", d->dir, r->name);
	if (r->own_file)
		wh_strv_addf(&sums, "%s.md5sums", r->file);
	wh_strv_addf(&sums, "%s/info/%s:%s.md5sums", d->dir, r->name, r->arch);
	wh_strv_addf(&sums, "%s/info/%s.md5sums", d->dir, r->name);
	ret = read_first(f->map->t, &lists, &buf, &which, err);
	f->listed[record] = ret == 0;
	if (ret == 0) {
		struct wh_str text = {buf.p, buf.n};

		f->base[record] = which == 0 ? wh_asprintf("%s:%s", r->name, r->arch) : wh_strdup(r->name);
		while (wh_next_line(&text, &line))
			WH_PUSH(l.v, l.n, l.cap) = line;
	} else if (ret == -ENOENT) {
		ret = read_first(f->map->t, &sums, &buf, &which, err);
		f->listed[record] = ret == 0;
		f->base[record] =
			ret == 0 && which + 2 == sums.n ? wh_asprintf("%s:%s", r->name, r->arch) : wh_strdup(r->name);
		if (ret == 0)
			add_md5sums(&l, (struct wh_str){buf.p, buf.n});
	}
	if (ret == 0 || ret == -ENOENT) {
		add_conffiles(&l, r->conffiles);
		ret = add_listing(f, d, record, &l, err);
	}
	free(l.v);
	return ret;
}

static int by_path(const void *x, const void *y)
{
	const struct wh_owned *a = x, *b = y;
	int r = strcmp(a->path, b->path);

	return r ? r : (a->record > b->record) - (a->record < b->record);
}

int wh_dpkg_files_read(struct wh_tree *t, const struct wh_dpkg *d, struct wh_dpkg_files *ret, struct wh_err **err)
{
	struct wh_dpkg_files f = {.arena = wh_arena_new()};
	int r = 0;

	f.map = wh_calloc(1, sizeof(*f.map));
	f.map->t = t;
	f.map->arena = f.arena;
	f.listed = wh_calloc(d->n + 1, sizeof(*f.listed));
	f.base = wh_calloc(d->n + 1, sizeof(*f.base));
	if (d->dir)
		r = read_diversions(f.map, d->dir, err);
	for (size_t i = 0; r == 0 && i < d->n; i++)
		r = read_lists(&f, d, (uint32_t)i, err);
	if (f.n)
		qsort(f.v, f.n, sizeof(*f.v), by_path);
	for (size_t i = 0; i < d->n; i++) /* kept for the release, which does not know d */
		f.base[i] = f.base[i] ? f.base[i] : wh_strdup(d->v[i].name);
	if (r < 0) {
		wh_err_wrap(err, "files of packages");
		wh_dpkg_files_release(&f);
		return r;
	}
	*ret = f;
	return 0;
}

void wh_dpkg_files_release(struct wh_dpkg_files *f)
{
	if (f->map) {
		HASH_CLEAR(hh, f->map->dirs);
		HASH_CLEAR(hh, f->map->diversions);
	}
	for (char **b = f->base; b && *b; b++)
		free(*b);
	free(f->base);
	free(f->map);
	free(f->v);
	free(f->listed);
	wh_arena_freep(&f->arena);
	*f = (struct wh_dpkg_files){0};
}

bool wh_dpkg_files_owned(const struct wh_dpkg_files *f, const struct wh_dpkg *d, const char *path)
{
	size_t lo = 0, hi = f->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(f->v[mid].path, path) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; lo < f->n && wh_streq(f->v[lo].path, path); lo++)
		if (d->v[f->v[lo].record].installed && !f->v[lo].dir)
			return true;
	return false;
}
