/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The package database after a prune.
 *
 * A scanner knows an image by its records, so a record may go only when the package is gone: when of its files there is
 * nothing left but documentation (usr/share/{doc,man,info,lintian,doc-base}). Directories are no part of a package, and
 * a package that never had a file has nothing there. Where no list tells what a package's files are, nothing can be
 * shown, and its record stays.
 *
 * What stays of the database is what is needed to list packages and their files:
 *   status (records of packages that are gone left out; the others byte for byte), status.d/NAME
 *   info/NAME.list, NAME.md5sums (cut to what is there), info/format, diversions
 * Maintainer scripts, triggers, templates, symbols and the like serve to change packages, which a pruned image does
 * not; nor do available, status-old and the rest. All that goes by not being kept. What kept() wants (an application
 * read it, or the user says so) stays in any case.
 */
#include "harden/packages_private.h"

#include <ctype.h>
#include <errno.h>
#include <uthash.h>

#define MAX_LINKS 40
#define MAX_ROUNDS 64 /* two are what is met with */
#define MAX_LIST ((size_t)32 << 20)
#define MAX_COPYRIGHT ((size_t)4 << 20)
#define COMMON "/usr/share/common-licenses/"

struct member {
	const char *path;
	UT_hash_handle hh;
};

struct plan {
	struct wh_tree *t;
	wh_kept_fn kept;
	void *arg;
	struct wh_dpkg d;
	struct wh_dpkg_files f;
	struct wh_lang_packages l;
	struct wh_strv have;  /* what kept() holds for, no directories; in the tree's order */
	struct member *extra; /* what is kept beyond that */
	size_t n_extra;
	struct wh_arena *arena;
	bool *stays, *missing; /* for each record: it stays; a file of it goes */
	bool *copied;          /* its copyright was seen to */
	struct wh_pkgdb_plan out;
	size_t cap_changes;
};

static void plan_release(struct plan *x)
{
	wh_dpkg_release(&x->d);
	wh_dpkg_files_release(&x->f);
	wh_lang_release(&x->l);
	wh_strv_release(&x->have);
	HASH_CLEAR(hh, x->extra);
	wh_arena_freep(&x->arena);
	free(x->stays);
	free(x->missing);
	free(x->copied);
	wh_pkgdb_plan_release(&x->out);
}

static void add_extra(struct plan *x, const char *path)
{
	struct member *m;

	HASH_FIND_STR(x->extra, path, m);
	if (m)
		return;
	m = wh_arena_alloc(x->arena, sizeof(*m));
	m->path = wh_arena_strdup(x->arena, path);
	HASH_ADD_KEYPTR(hh, x->extra, m->path, strlen(m->path), m);
	wh_strv_add(&x->out.keep, path);
	x->n_extra++;
}

static bool has(const struct plan *x, const char *path)
{
	const struct member *m;

	HASH_FIND_STR(x->extra, path, m);
	return m || x->kept(x->arg, path);
}

/* Keeps a file and every symlink on the way to it. False: it is not there, and nothing is kept. */
static bool keep_with_links(struct plan *x, const char *path)
{
	WH_AUTO_FREE char *todo = wh_strdup(path), *canonical = NULL;
	struct wh_node_ref n;

	if (wh_tree_resolve(x->t, path, true, false, &canonical, &n) < 0 || n.e.type == WH_T_DIR)
		return false;
	add_extra(x, canonical);
	for (unsigned links = 0; links < MAX_LINKS; links++) {
		char *slash = todo;
		bool found = false;

		while (!found && slash) { /* the first component that is a link */
			WH_AUTO_FREE char *head = NULL, *next = NULL, *dir = NULL, *here = NULL;

			slash = strchr(slash + 1, '/');
			head = wh_strndup(todo, slash ? (size_t)(slash - todo) : strlen(todo));
			if (wh_tree_resolve(x->t, head, false, false, &here, &n) < 0)
				return true;
			if (n.e.type != WH_T_SYMLINK)
				continue;
			found = true;
			add_extra(x, here);
			dir = strchr(here, '/') ? wh_path_dir(here) : wh_strdup("");
			next = wh_asprintf("%s%s%s%s", n.e.link[0] == '/' ? "" : dir, n.e.link[0] == '/' ? "" : "/",
					   n.e.link, slash ? slash : "");
			free(todo);
			todo = WH_TAKE_PTR(next);
		}
		if (!found)
			break;
	}
	return true;
}

/* ---------------------------------------------------------------- what stays */

static int on_walk(void *arg, const struct wh_node_ref *n)
{
	struct plan *x = arg;

	if (n->e.type != WH_T_DIR && x->kept(x->arg, n->e.path))
		wh_strv_add(&x->have, n->e.path);
	return 0;
}

static bool any_below(const struct wh_strv *sorted, const char *dir)
{
	size_t lo = 0, hi = sorted->n, n = strlen(dir);

	if (!n)
		return sorted->n > 0;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (wh_path_cmp(sorted->v[mid], dir) <= 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < sorted->n && wh_has_prefix(sorted->v[lo], dir) && sorted->v[lo][n] == '/';
}

static int decide_lang(struct plan *x, struct wh_err **err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < x->l.n; i++) {
		const struct wh_lang_package *p = &x->l.v[i];
		WH_AUTO_STRV struct wh_strv files = {0}, meta = {0};
		bool known = false, stays = false;

		r = wh_lang_files(x->t, p, &files, &known, err);
		for (size_t k = 0; r == 0 && !stays && k < files.n; k++)
			stays = x->kept(x->arg, files.v[k]);
		if (r == 0 && !known) {
			WH_AUTO_FREE char *site = wh_lang_site(p);

			stays = any_below(&x->have, site);
		}
		/* A record that is kept by itself is listed: what belongs to it comes along. */
		if (r == 0 && (stays || x->kept(x->arg, p->record)))
			r = wh_lang_metadata(x->t, p, &meta, err);
		for (size_t k = 0; r == 0 && k < meta.n; k++)
			add_extra(x, meta.v[k]);
	}
	return r;
}

static void decide_debs(struct plan *x)
{
	for (size_t i = 0; i < x->d.n; i++) {
		const struct wh_dpkg_record *r = &x->d.v[i];

		x->stays[i] = (!x->f.listed[i] && r->installed) || (r->own_file && x->kept(x->arg, r->file));
		x->missing[i] = false;
	}
	for (size_t i = 0; i < x->f.n; i++) {
		const struct wh_owned *o = &x->f.v[i];

		if (o->dir || wh_is_documentation(o->path))
			continue;
		if (has(x, o->path))
			x->stays[o->record] = true;
		else
			x->missing[o->record] = true;
	}
}

/* The licence texts that a copyright file refers to: without them it tells only half (they are base-files', whose
 * record then stays). */
static int keep_common_licences(struct plan *x, const char *copyright, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	int r = wh_pkg_read_file(x->t, copyright, MAX_COPYRIGHT, true, &buf, err);
	const char *p = buf.p, *end = buf.p + buf.n;

	while (r == 0 && p && (p = memmem(p, (size_t)(end - p), COMMON, strlen(COMMON)))) {
		size_t n = 0;
		WH_AUTO_FREE char *path = NULL;

		p += strlen(COMMON);
		while (p + n < end && n < 64 && (isalnum((unsigned char)p[n]) || strchr("-.+", p[n] ? p[n] : ' ')))
			n++;
		while (n && p[n - 1] == '.') /* the end of a sentence */
			n--;
		path = wh_asprintf("%s%.*s", &COMMON[1], (int)n, p);
		if (n)
			keep_with_links(x, path);
	}
	return r == -ENOENT ? 0 : r;
}

static int keep_copyright(struct plan *x, struct wh_err **err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < x->d.n; i++) {
		WH_AUTO_FREE char *path = NULL;

		if (!x->stays[i] || !x->d.v[i].installed || x->copied[i])
			continue;
		x->copied[i] = true;
		path = wh_asprintf("usr/share/doc/%s/copyright", x->d.v[i].name);
		if (keep_with_links(x, path))
			r = keep_common_licences(x, path, err);
	}
	return r;
}

/* Each thing that is kept may be a package's last file: round and round until nothing new is kept. */
static int decide(struct plan *x, struct wh_err **err)
{
	/* By these scanners know the distribution, without which they match nothing. */
	static const char *const identity[] = {"etc/os-release", "usr/lib/os-release", "etc/debian_version",
					       "etc/lsb-release"};
	size_t before;
	unsigned rounds = 0;
	int r = wh_tree_walk(x->t, "", on_walk, x);

	if (r < 0)
		return wh_err_sys(err, "harden", WH_ERR_BUILD, -r, "look for what is kept");
	for (size_t i = 0; i < WH_ARRAY_SIZE(identity); i++)
		keep_with_links(x, identity[i]);
	r = decide_lang(x, err);
	do {
		if (rounds++ == MAX_ROUNDS)
			return wh_err_set(err, "harden", WH_ERR_BUILD, ELOOP,
					  "package database: copyright files lead from package to package without end");
		before = x->n_extra;
		decide_debs(x);
		if (r == 0)
			r = keep_copyright(x, err);
	} while (r == 0 && x->n_extra != before);
	return r;
}

/* ---------------------------------------------------------------- records and lists */

static void change(struct plan *x, const char *path, bool drop, struct wh_buf *data)
{
	struct wh_pkgdb_change c = {.path = wh_strdup(path), .drop = drop};

	if (data) {
		c.data = *data;
		*data = WH_BUF_INIT;
	}
	WH_PUSH(x->out.v, x->out.n, x->cap_changes) = c;
}

/* The records of one file, first to last. */
static void filter_records(struct plan *x, size_t first, size_t end)
{
	const struct wh_dpkg_record *v = x->d.v;
	WH_AUTO_BUF struct wh_buf text = WH_BUF_INIT;
	size_t n = 0;

	for (size_t i = first; i < end; i++) {
		if (!x->stays[i])
			continue;
		wh_buf_addstr(&text, v[i].raw);
		if (v[i].raw.p[v[i].raw.n - 1] != '\n')
			wh_buf_addc(&text, '\n');
		if (!v[first].own_file || i + 1 < end)
			wh_buf_addc(&text, '\n');
		n++;
	}
	if (n || !v[first].own_file)
		keep_with_links(x, v[first].file);
	if (n == end - first)
		return;
	if (n || !v[first].own_file)
		change(x, v[first].file, false, &text);
	else
		change(x, v[first].file, true, NULL);
}

static const struct wh_owned *find_owned(const struct wh_dpkg_files *f, const char *path, uint32_t record)
{
	size_t lo = 0, hi = f->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int r = strcmp(f->v[mid].path, path);

		if (r < 0 || (r == 0 && f->v[mid].record < record))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < f->n && f->v[lo].record == record && wh_streq(f->v[lo].path, path) ? &f->v[lo] : NULL;
}

static int by_tree(const void *a, const void *b)
{
	return wh_path_cmp(*(const char *const *)a, *(const char *const *)b);
}

struct listed_line {
	struct wh_str line, path; /* path: the part of the line that is one */
	bool stays, dir;
};

/* Which lines stay: files that do, and the directories that lead to them or are kept empty. */
static void mark_lines(struct plan *x, uint32_t record, struct listed_line *v, size_t n)
{
	WH_AUTO_STRV struct wh_strv left = {0};

	for (size_t i = 0; i < n; i++) {
		const char *path = wh_dpkg_files_map(&x->f, &x->d.v[record], v[i].path);
		const struct wh_owned *o = path ? find_owned(&x->f, path, record) : NULL;

		v[i].dir = o && o->dir;
		v[i].stays = o && has(x, path);
		if (v[i].stays)
			wh_strv_take(&left, wh_strndup(v[i].path.p, v[i].path.n));
	}
	if (left.n)
		qsort(left.v, left.n, sizeof(*left.v), by_tree);
	for (size_t i = 0; i < n; i++) {
		WH_AUTO_FREE char *path = wh_strndup(v[i].path.p, v[i].path.n);

		if (v[i].dir && !v[i].stays)
			v[i].stays = any_below(&left, path);
		else if (wh_streq(path, "/."))
			v[i].stays = true;
	}
}

/* info/NAME.list, or with sums a list of MD5 sums. */
static int filter_list(struct plan *x, uint32_t record, const char *asked, bool sums, struct wh_err **err)
{
	WH_AUTO_FREE char *path = NULL;
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT, text = WH_BUF_INIT;
	struct listed_line *v = NULL;
	size_t n = 0, cap = 0, left = 0;
	struct wh_str rest, line;
	struct wh_node_ref ref;
	int r = wh_tree_resolve(x->t, asked, true, false, &path, &ref);

	if (r < 0)
		return 0;
	if (!x->stays[record]) {
		if (!has(x, path))
			change(x, path, true, NULL);
		return 0;
	}
	r = wh_pkg_read_file(x->t, path, MAX_LIST, false, &buf, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	keep_with_links(x, asked);
	rest = (struct wh_str){buf.p, buf.n};
	while (wh_next_line(&rest, &line)) {
		size_t skip = sums ? 34 : 0;

		if (line.n > skip)
			WH_PUSH(v, n, cap) = (struct listed_line){.line = line, .path = {line.p + skip, line.n - skip}};
	}
	if (n)
		mark_lines(x, record, v, n);
	for (size_t i = 0; i < n; i++) {
		if (!v[i].stays)
			continue;
		wh_buf_addstr(&text, v[i].line);
		wh_buf_addc(&text, '\n');
		left++;
	}
	if (left < n)
		change(x, path, false, &text);
	free(v);
	return 0;
}

static int filter_lists(struct plan *x, uint32_t i, struct wh_err **err)
{
	const struct wh_dpkg_record *r = &x->d.v[i];
	WH_AUTO_FREE char *list = wh_asprintf("%s/info/%s.list", x->d.dir, x->f.base[i]);
	WH_AUTO_FREE char *sums = wh_asprintf("%s/info/%s.md5sums", x->d.dir, x->f.base[i]);
	WH_AUTO_FREE char *beside = wh_asprintf("%s.md5sums", r->file);
	int ret = filter_list(x, i, list, false, err);

	if (ret == 0)
		ret = filter_list(x, i, sums, true, err);
	if (ret == 0 && r->own_file)
		ret = filter_list(x, i, beside, true, err);
	return ret;
}

static int by_change(const void *x, const void *y)
{
	const struct wh_pkgdb_change *a = x, *b = y;

	return strcmp(a->path, b->path);
}

static int filter(struct plan *x, struct wh_err **err)
{
	static const char *const also[] = {"status", "info/format", "diversions"};
	int r = 0;

	for (size_t first = 0, i = 1; i <= x->d.n; i++) {
		if (i < x->d.n && wh_streq(x->d.v[i].file, x->d.v[first].file))
			continue;
		filter_records(x, first, i);
		first = i;
	}
	for (size_t i = 0; r == 0 && i < x->d.n; i++)
		r = filter_lists(x, (uint32_t)i, err);
	for (size_t i = 0; x->d.dir && i < WH_ARRAY_SIZE(also); i++) {
		WH_AUTO_FREE char *path = wh_asprintf("var/lib/dpkg/%s", also[i]);

		keep_with_links(x, path);
	}
	for (size_t i = 0; i < x->d.n; i++) {
		if (!x->d.v[i].installed)
			continue;
		wh_strv_add(x->stays[i] ? &x->out.kept : &x->out.removed, x->f.base[i]);
		if (x->stays[i] && x->missing[i])
			wh_strv_add(&x->out.partial, x->f.base[i]);
	}
	wh_strv_sort(&x->out.kept);
	wh_strv_sort(&x->out.partial);
	wh_strv_sort(&x->out.removed);
	wh_strv_sort(&x->out.keep);
	if (x->out.n)
		qsort(x->out.v, x->out.n, sizeof(*x->out.v), by_change);
	return r;
}

static int plan_open(struct plan *x, struct wh_tree *t, wh_kept_fn kept, void *arg, struct wh_err **err)
{
	int r;

	*x = (struct plan){.t = t, .kept = kept, .arg = arg, .arena = wh_arena_new()};
	r = wh_dpkg_read(t, &x->d, err);
	if (r == 0)
		r = wh_dpkg_files_read(t, &x->d, &x->f, err);
	if (r == 0)
		r = wh_lang_find(t, &x->l, err);
	x->stays = wh_calloc(x->d.n + 1, sizeof(*x->stays));
	x->missing = wh_calloc(x->d.n + 1, sizeof(*x->missing));
	x->copied = wh_calloc(x->d.n + 1, sizeof(*x->copied));
	return r;
}

int wh_pkgdb_plan_make(struct wh_tree *t, wh_kept_fn kept, void *arg, struct wh_pkgdb_plan *ret, struct wh_err **err)
{
	WH_CLEANUP(plan_release) struct plan x;
	int r = plan_open(&x, t, kept, arg, err);

	if (r == 0)
		r = decide(&x, err);
	if (r == 0)
		r = filter(&x, err);
	if (r < 0)
		return r;
	*ret = x.out;
	x.out = (struct wh_pkgdb_plan){0};
	return 0;
}

void wh_pkgdb_plan_release(struct wh_pkgdb_plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].path);
		wh_buf_release(&p->v[i].data);
	}
	free(p->v);
	wh_strv_release(&p->keep);
	wh_strv_release(&p->kept);
	wh_strv_release(&p->partial);
	wh_strv_release(&p->removed);
	*p = (struct wh_pkgdb_plan){0};
}

/* ---------------------------------------------------------------- whole packages */

static int expand_lang(struct plan *x, struct wh_err **err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < x->l.n; i++) {
		WH_AUTO_STRV struct wh_strv files = {0};
		bool known, wanted = false;

		r = wh_lang_files(x->t, &x->l.v[i], &files, &known, err);
		for (size_t k = 0; r == 0 && !wanted && k < files.n; k++)
			wanted = x->kept(x->arg, files.v[k]);
		if (r == 0 && wanted)
			r = wh_lang_metadata(x->t, &x->l.v[i], &files, err);
		for (size_t k = 0; r == 0 && wanted && k < files.n; k++)
			add_extra(x, files.v[k]);
	}
	return r;
}

int wh_pkgdb_expand(struct wh_tree *t, wh_kept_fn kept, void *arg, struct wh_strv *ret, struct wh_err **err)
{
	WH_CLEANUP(plan_release) struct plan x;
	int r = plan_open(&x, t, kept, arg, err);

	for (size_t i = 0; r == 0 && i < x.f.n; i++) {
		const struct wh_owned *o = &x.f.v[i];

		if (!o->dir && !wh_is_documentation(o->path) && kept(arg, o->path))
			x.stays[o->record] = x.d.v[o->record].installed;
	}
	for (size_t i = 0; r == 0 && i < x.f.n; i++)
		if (x.stays[x.f.v[i].record] && !wh_is_documentation(x.f.v[i].path)) /* empty directories, too */
			add_extra(&x, x.f.v[i].path);
	if (r == 0)
		r = expand_lang(&x, err);
	if (r < 0)
		return r;
	wh_strv_sort(&x.out.keep);
	wh_strv_copy(ret, &x.out.keep);
	return 0;
}
