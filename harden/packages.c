/* SPDX-License-Identifier: Apache-2.0 */
/* What is installed: dpkg's packages, and those of Python and npm that are no part of one of dpkg's. */
#include "harden/packages_private.h"

#include <errno.h>

#define MAX_OS_RELEASE 65536
#define MAX_DEPENDS 4096

/* ---------------------------------------------------------------- os-release(5) */

/* A value as the shell would read it: quotes and backslashes taken away. */
static char *unquote(struct wh_str v)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	char quote = 0;

	v = wh_str_trim(v);
	for (size_t i = 0; i < v.n; i++) {
		char c = v.p[i];

		if (quote ? c == quote : c == '"' || c == '\'') {
			quote = quote ? 0 : c;
			continue;
		}
		if (c == '\\' && quote != '\'' && i + 1 < v.n)
			c = v.p[++i];
		wh_buf_addc(&b, c > 0 && c < ' ' ? ' ' : c);
	}
	return b.n ? wh_buf_take(&b) : NULL;
}

static char *os_value(struct wh_str text, const char *key)
{
	struct wh_str line;
	size_t n = strlen(key);

	while (wh_next_line(&text, &line)) {
		line = wh_str_trim(line);
		if (line.n > n && line.p[n] == '=' && memcmp(line.p, key, n) == 0)
			return unquote((struct wh_str){line.p + n + 1, line.n - n - 1});
	}
	return NULL;
}

static int read_os_release(struct wh_tree *t, struct wh_packages *p, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf buf = WH_BUF_INIT;
	struct wh_str text;
	int r = wh_pkg_read_file(t, "etc/os-release", MAX_OS_RELEASE, false, &buf, err);

	if (r == -ENOENT)
		r = wh_pkg_read_file(t, "usr/lib/os-release", MAX_OS_RELEASE, false, &buf, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	text = (struct wh_str){buf.p, buf.n};
	p->distro_id = os_value(text, "ID");
	p->distro_version = os_value(text, "VERSION_ID");
	p->distro_name = os_value(text, "PRETTY_NAME");
	if (!p->distro_name)
		p->distro_name = os_value(text, "NAME");
	return 0;
}

/* ---------------------------------------------------------------- dependencies */

struct provider {
	const char *virtual, *name;
};
struct names { /* who is there, and what stands in for what; sorted */
	const char **present;
	size_t n_present;
	struct provider *v;
	size_t n, cap;
	struct wh_arena *arena;
};

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int by_virtual(const void *x, const void *y)
{
	const struct provider *a = x, *b = y;
	int r = strcmp(a->virtual, b->virtual);

	return r ? r : strcmp(a->name, b->name);
}

/* Takes what stands before the next sep off list. */
static bool next_part(struct wh_str *list, char sep, struct wh_str *ret)
{
	const char *end;

	if (!list->n)
		return false;
	end = memchr(list->p, sep, list->n);
	ret->p = list->p;
	ret->n = end ? (size_t)(end - list->p) : list->n;
	list->p += ret->n + (end ? 1 : 0);
	list->n -= ret->n + (end ? 1 : 0);
	return true;
}

/* "libc6:any (>= 2.34) [amd64]": the name alone. */
static struct wh_str bare_name(struct wh_str s)
{
	size_t n = 0;

	s = wh_str_trim(s);
	while (n < s.n && !memchr(" \t\r\n(:[<", s.p[n], 9))
		n++;
	s.n = n;
	return s;
}

static void names_make(const struct wh_dpkg *d, struct names *ret)
{
	struct names x = {.arena = wh_arena_new()};

	x.present = wh_calloc(d->n + 1, sizeof(*x.present));
	for (size_t i = 0; i < d->n; i++) {
		struct wh_str list = d->v[i].provides, one;

		if (!d->v[i].installed)
			continue;
		x.present[x.n_present++] = d->v[i].name;
		for (size_t k = 0; k < MAX_DEPENDS && next_part(&list, ',', &one); k++) {
			one = bare_name(one);
			if (one.n)
				WH_PUSH(x.v, x.n, x.cap) =
					(struct provider){wh_arena_strndup(x.arena, one.p, one.n), d->v[i].name};
		}
	}
	qsort(x.present, x.n_present, sizeof(*x.present), by_text);
	if (x.n)
		qsort(x.v, x.n, sizeof(*x.v), by_virtual);
	*ret = x;
}

static void names_release(struct names *x)
{
	free(x->present);
	free(x->v);
	wh_arena_freep(&x->arena);
}

/* The package that answers to the name, or NULL. */
static const char *find_name(const struct names *x, const char *name)
{
	size_t lo = 0, hi = x->n;

	if (bsearch(&name, x->present, x->n_present, sizeof(*x->present), by_text))
		return name;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(x->v[mid].virtual, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < x->n && wh_streq(x->v[lo].virtual, name) ? x->v[lo].name : NULL;
}

static void add_depends(const struct names *x, struct wh_str list, struct wh_package *p)
{
	struct wh_str clause, one;

	for (size_t i = 0; i < MAX_DEPENDS && next_part(&list, ',', &clause); i++) {
		const char *found = NULL;

		for (size_t k = 0; k < MAX_DEPENDS && !found && next_part(&clause, '|', &one); k++) {
			WH_AUTO_FREE char *name = NULL;

			one = bare_name(one);
			name = wh_strndup(one.n ? one.p : "", one.n);
			found = find_name(x, name);
			if (found && !wh_streq(found, p->name) && !wh_strv_has(&p->depends, found))
				wh_strv_add(&p->depends, found);
		}
	}
}

/* ---------------------------------------------------------------- the list */

/* Folded or odd text as one line; NULL for none. */
static char *one_line(struct wh_str s)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	WH_AUTO_JSON json_t *good = NULL;

	for (size_t i = 0; i < s.n && i < 1024; i++)
		wh_buf_addc(&b, (s.p[i] >= 0 && s.p[i] < ' ') || s.p[i] == 0x7f ? ' ' : s.p[i]);
	if (!b.n)
		return NULL;
	good = json_string(b.p);
	for (size_t i = 0; !good && i < b.n; i++)
		if ((unsigned char)b.p[i] >= 0x80)
			b.p[i] = '?';
	return wh_buf_take(&b);
}

/* Source: "name" or "name (version)" (deb-control(5)). */
static void take_source(struct wh_str s, struct wh_package *p)
{
	const char *open = s.n ? memchr(s.p, '(', s.n) : NULL;
	struct wh_str name = wh_str_trim((struct wh_str){s.p, open ? (size_t)(open - s.p) : s.n});
	struct wh_str version = {NULL, 0};

	if (open) {
		const char *close = memchr(open, ')', (size_t)(s.p + s.n - open));

		if (close)
			version = wh_str_trim((struct wh_str){open + 1, (size_t)(close - open - 1)});
	}
	p->source = name.n ? one_line(name) : wh_strdup(p->name);
	p->source_version = version.n ? one_line(version) : wh_strdup(p->version);
}

static void add_debs(const struct wh_dpkg *d, struct wh_packages *ret, size_t *cap)
{
	WH_CLEANUP(names_release) struct names x;

	names_make(d, &x);
	for (size_t i = 0; i < d->n; i++) {
		const struct wh_dpkg_record *r = &d->v[i];
		struct wh_package p = {.kind = WH_PKG_DEB};

		if (!r->installed)
			continue;
		p.name = wh_strdup(r->name);
		p.version = wh_strdup(r->version);
		p.arch = *r->arch ? wh_strdup(r->arch) : NULL;
		take_source(r->source, &p);
		p.maintainer = one_line(r->maintainer);
		p.homepage = one_line(r->homepage);
		p.record = wh_strdup(r->file);
		add_depends(&x, r->pre_depends, &p);
		add_depends(&x, r->depends, &p);
		wh_strv_sort(&p.depends);
		WH_PUSH(ret->v, ret->n, *cap) = p;
	}
}

/* What one of dpkg's packages brought is told of as that package, once. */
static int add_langs(struct wh_tree *t, const struct wh_dpkg *d, struct wh_packages *ret, size_t *cap,
		     struct wh_err **err)
{
	WH_CLEANUP(wh_lang_release) struct wh_lang_packages l = {0};
	WH_CLEANUP(wh_dpkg_files_release) struct wh_dpkg_files files = {0};
	int r = wh_lang_find(t, &l, err);

	if (r == 0 && l.n)
		r = wh_dpkg_files_read(t, d, &files, err);
	for (size_t i = 0; r == 0 && i < l.n; i++) {
		struct wh_lang_package *x = &l.v[i];

		if (wh_dpkg_files_owned(&files, d, x->record))
			continue;
		WH_PUSH(ret->v, ret->n, *cap) = (struct wh_package){
			.kind = x->kind,
			.name = WH_TAKE_PTR(x->name),
			.version = WH_TAKE_PTR(x->version),
			.maintainer = WH_TAKE_PTR(x->author),
			.license = WH_TAKE_PTR(x->license),
			.homepage = WH_TAKE_PTR(x->homepage),
			.digest = WH_TAKE_PTR(x->digest),
			.record = WH_TAKE_PTR(x->record),
		};
	}
	return r;
}

/* A database of another package manager that has something in it. */
static const char *find_unread(struct wh_tree *t)
{
	static const struct {
		const char *path, *who;
	} table[] = {
		{"lib/apk/db/installed", "apk"},
		{"usr/lib/apk/db/installed", "apk"},
		{"var/lib/apk/db/installed", "apk"},
		{"var/lib/rpm/rpmdb.sqlite", "rpm"},
		{"var/lib/rpm/Packages", "rpm"},
		{"var/lib/rpm/Packages.db", "rpm"},
		{"usr/lib/sysimage/rpm/rpmdb.sqlite", "rpm"},
		{"usr/lib/sysimage/rpm/Packages", "rpm"},
		{"usr/lib/sysimage/rpm/Packages.db", "rpm"},
		{"var/lib/pacman/local/ALPM_DB_VERSION", "pacman"},
	};

	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		struct wh_node_ref n;

		if (wh_tree_resolve(t, table[i].path, true, false, NULL, &n) == 0 && n.e.type == WH_T_FILE && n.e.size)
			return table[i].who;
	}
	return NULL;
}

static int by_package(const void *x, const void *y)
{
	const struct wh_package *a = x, *b = y;
	int r = (a->kind > b->kind) - (a->kind < b->kind);

	if (!r)
		r = strcmp(a->name, b->name);
	if (!r)
		r = strcmp(a->arch ? a->arch : "", b->arch ? b->arch : "");
	if (!r)
		r = strcmp(a->version, b->version);
	return r ? r : strcmp(a->record, b->record);
}

int wh_packages_read(struct wh_tree *t, struct wh_packages *ret, struct wh_err **err)
{
	WH_CLEANUP(wh_dpkg_release) struct wh_dpkg d = {0};
	struct wh_packages p = {0};
	size_t cap = 0;
	int r = wh_dpkg_read(t, &d, err);

	if (r == 0)
		r = read_os_release(t, &p, err);
	if (r == 0) {
		p.unread = find_unread(t);
		add_debs(&d, &p, &cap);
		r = add_langs(t, &d, &p, &cap, err);
	}
	if (r < 0) {
		wh_packages_release(&p);
		return r;
	}
	if (p.n)
		qsort(p.v, p.n, sizeof(*p.v), by_package);
	*ret = p;
	return 0;
}

void wh_packages_release(struct wh_packages *p)
{
	for (size_t i = 0; i < p->n; i++) {
		struct wh_package *x = &p->v[i];

		free(x->name);
		free(x->version);
		free(x->arch);
		free(x->source);
		free(x->source_version);
		free(x->maintainer);
		free(x->license);
		free(x->homepage);
		free(x->digest);
		free(x->record);
		wh_strv_release(&x->depends);
	}
	free(p->v);
	free(p->distro_id);
	free(p->distro_version);
	free(p->distro_name);
	*p = (struct wh_packages){0};
}
