/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Perl: a used module keeps what lies below its name (the directory of its name, and that in auto) and the rest of its
 * distribution; what sources use and require by name stays as well. @INC is not told by what was seen, so each
 * directory of the known places that is there counts.
 */
#include "harden/lang.h"

#include <errno.h>

#define PLACES                                                                                         \
	"etc/perl usr/local/lib/*/perl/5* usr/local/share/perl/5* usr/lib/*/perl5/5* usr/share/perl5 " \
	"usr/lib/*/perl-base usr/lib/*/perl/5* usr/share/perl/5* usr/local/lib/site_perl "             \
	"usr/local/lib/perl5/5* usr/local/lib/perl5/5*/*-linux* usr/local/lib/perl5/site_perl/5* "     \
	"usr/local/lib/perl5/site_perl/5*/*-linux* usr/local/lib/perl5/vendor_perl/5* "                \
	"usr/lib/perl5/*_perl usr/share/perl5/*_perl usr/lib64/perl5 usr/lib64/perl5/vendor_perl "     \
	"usr/local/share/perl5"
#define MODULES "etc/perl/** usr/lib/*/perl5/** usr/share/perl5/**"

static void add_own(struct wh_decide *d, struct wh_strv *roots, const char *dir)
{
	WH_AUTO_FREE char *canonical = NULL;
	struct wh_node_ref n;

	if (wh_walk(d->t, dir, true, NULL, &canonical, &n) == 0 && n.e.type == WH_T_DIR &&
	    !wh_strv_has(roots, canonical))
		wh_strv_add(roots, canonical);
}

static int find_roots(struct wh_decide *d, struct wh_err **err)
{
	struct wh_strv *roots = wh_code_roots(d, WH_CODE_PERL);
	const struct wh_strv *all = wh_rule_paths(d, err);
	WH_AUTO_STRV struct wh_strv scripts = {0};
	const char *list = wh_code_env(d, "PERL5LIB");

	if (!all)
		return -EBADMSG;
	for (size_t i = 0; i < all->n; i++)
		if (strstr(all->v[i], "perl") && wh_rule_matches(PLACES, all->v[i]) && wh_code_is_dir(d, all->v[i]))
			add_own(d, roots, all->v[i]);
	while (list && *list) {
		size_t n = strcspn(list, ":");
		WH_AUTO_FREE char *dir = wh_strndup(list, n);

		if (dir[0] == '/' && dir[1])
			add_own(d, roots, dir);
		list += n + (list[n] == ':');
	}
	wh_code_scripts(d, "perl", &scripts);
	for (size_t i = 0; i < scripts.n; i++) {
		static const char *const beside[] = {"lib", "../lib", "local/lib/perl5", "../local/lib/perl5"};

		for (size_t k = 0; k < WH_ARRAY_SIZE(beside); k++) {
			WH_AUTO_FREE char *cwd = wh_asprintf("/%s/..", scripts.v[i]),
					  *dir = wh_path_abs_in(cwd, beside[k]);

			add_own(d, roots, dir);
		}
	}
	return 0;
}

static int roots_of(struct wh_decide *d, const struct wh_strv **ret, struct wh_err **err)
{
	int r = wh_code_runs(d, "perl") && wh_code_first(d, "perl", "roots") ? find_roots(d, err) : 0;

	*ret = wh_code_roots(d, WH_CODE_PERL);
	return r;
}

/* The innermost root that a path lies in, or NULL. */
static const char *root_of(const struct wh_strv *roots, const char *path)
{
	const char *best = NULL;

	for (size_t i = 0; i < roots->n; i++)
		if (wh_code_below(path, roots->v[i]) && (!best || strlen(roots->v[i]) > strlen(best)))
			best = roots->v[i];
	return best;
}

/* A list that an installer left beside the module's native part. */
static int keep_listed(struct wh_decide *d, const struct wh_rule_row *row, const char *root, const char *module,
		       const char *path, struct wh_err **err)
{
	WH_AUTO_FREE char *name = wh_strdup(module);
	int r = 0;

	for (char *slash; r == 0 && *name; *(slash ? slash : name) = '\0') {
		WH_AUTO_FREE char *list = wh_asprintf("%s/auto/%s/.packlist", root, name),
				  *absolute = wh_asprintf("/%s", path);
		WH_AUTO_BYTES struct wh_bytes b = {0};

		slash = strrchr(name, '/');
		if (!wh_code_open(d, list, &b) || !memmem(b.p, b.n, absolute, strlen(absolute)) ||
		    !wh_code_first(d, "perl-list", list))
			continue;
		for (const char *p = (const char *)b.p, *end = p + b.n, *eol; r == 0 && p < end; p = eol + 1) {
			WH_AUTO_FREE char *file = NULL;

			eol = memchr(p, '\n', (size_t)(end - p));
			if (!eol)
				eol = end;
			file = wh_strndup(p, (size_t)(eol - p));
			file[strcspn(file, " ")] = '\0';
			if (file[0] == '/' &&
			    (wh_has_suffix(file, ".pm") || wh_has_suffix(file, ".pl") || wh_has_suffix(file, ".so") ||
			     wh_has_suffix(file, ".al") || wh_has_suffix(file, ".ix") || strstr(file, "/auto/")))
				r = wh_rule_keep(d, row, file, path, err);
		}
	}
	return r;
}

int wh_rule_perl_module(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
			struct wh_err **err)
{
	WH_AUTO_FREE char *module = NULL;
	const struct wh_strv *roots;
	const char *root;
	int r = roots_of(d, &roots, err);

	(void)via;
	root = r == 0 ? root_of(roots, path) : NULL;
	if (!root || !wh_has_suffix(path, ".pm"))
		return r;
	module = wh_strdup(path + strlen(root) + 1);
	module[strlen(module) - 3] = '\0';
	for (size_t i = 0; r == 0 && i < roots->n; i++) {
		WH_AUTO_FREE char *below = wh_path_join(roots->v[i], module),
				  *native = wh_asprintf("%s/auto/%s", roots->v[i], module);

		if (wh_code_is_dir(d, below) && wh_code_first(d, "perl-below", below))
			r = wh_rule_keep_below(d, row, below, path, err);
		if (r == 0 && wh_code_is_dir(d, native) && wh_code_first(d, "perl-below", native))
			r = wh_rule_keep_below(d, row, native, path, err);
		if (r == 0)
			r = keep_listed(d, row, roots->v[i], module, path, err);
	}
	return r == 0 && wh_rule_matches(MODULES, path) ? wh_code_keep_owned(d, row, path, MODULES, path, err) : r;
}

/* Perl's own C code asks for these: attributes of subs, %+ and %!, glob(), methods of handles, in-memory files, names
 * of characters. */
int wh_rule_perl_runtime(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
			 struct wh_err **err)
{
	static const char *const names[] = {"attributes.pm",
					    "auto/attributes/**",
					    "Errno.pm",
					    "Tie/Hash/NamedCapture.pm",
					    "PerlIO.pm",
					    "PerlIO/scalar.pm",
					    "PerlIO/encoding.pm",
					    "PerlIO/via.pm",
					    "IO/File.pm",
					    "mro.pm",
					    "File/Glob.pm",
					    "Carp.pm",
					    "feature.pm",
					    "re.pm",
					    "overloading.pm",
					    "bytes_heavy.pl",
					    "Config.pm",
					    "Config_heavy.pl",
					    "XSLoader.pm",
					    "DynaLoader.pm",
					    "warnings/register.pm"};
	const struct wh_strv *roots;
	int r = roots_of(d, &roots, err);

	(void)path;
	if (r < 0 || !roots->n || !wh_code_first(d, "perl", "runtime"))
		return r;
	return wh_code_keep_below_roots(d, row, roots, names, WH_ARRAY_SIZE(names), via, err);
}

/* ---------------------------------------------------------------- use, require */

struct uses {
	struct wh_decide *d;
	const struct wh_rule_row *row;
	const struct wh_strv *roots;
	const char *path, *dir;
};

/* name: "Foo::Bar", "Foo'Bar" no more; or "foo.pl". */
static int keep_used(struct uses *x, const char *name, bool bare, struct wh_err **err)
{
	WH_AUTO_FREE char *file = NULL, *beside = NULL;
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	int r = 0;

	if (strstr(name, "..") || name[0] == '/' || (name[0] >= '0' && name[0] <= '9') ||
	    (name[0] == 'v' && name[1] >= '0' && name[1] <= '9'))
		return 0;
	for (const char *p = name; *p; p++) {
		if (p[0] == ':' && p[1] == ':')
			wh_buf_addc(&b, '/'), p++;
		else
			wh_buf_addc(&b, *p);
	}
	wh_buf_adds(&b, bare ? ".pm" : "");
	file = wh_buf_take(&b);
	beside = wh_asprintf("%s/%s", x->dir, file);
	if (wh_code_is_file(x->d, beside))
		r = wh_rule_keep(x->d, x->row, beside, x->path, err);
	if (!wh_code_first(x->d, "perl-use", file))
		return r;
	for (size_t i = 0; r == 0 && i < x->roots->n; i++) {
		WH_AUTO_FREE char *path = wh_path_join(x->roots->v[i], file);

		if (wh_code_is_file(x->d, path))
			r = wh_rule_keep(x->d, x->row, path, x->path, err);
	}
	return r;
}

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':';
}

static int on_use(void *arg, const struct wh_word *w, struct wh_err **err)
{
	static const char *const parents[] = {"parent", "base", "autouse", "if", "aliased", "superclass", "fields"};
	struct uses *x = arg;
	bool list = false;
	int r = keep_used(x, w->name, w->bare, err);

	for (size_t i = 0; w->bare && i < WH_ARRAY_SIZE(parents); i++)
		list = list || wh_streq(w->name, parents[i]);
	/* use parent -norequire, qw(A B): each word on the line */
	for (const char *p = w->rest.p, *end = p + w->rest.n; list && r == 0 && p < end;) {
		char name[WH_CODE_NAME_MAX + 1];
		size_t n = 0;

		if (!is_name(*p)) {
			p++;
			continue;
		}
		for (; p < end && is_name(*p); p++)
			if (n < WH_CODE_NAME_MAX)
				name[n++] = *p;
		name[n] = '\0';
		if (name[0] >= 'A' && name[0] <= 'Z')
			r = keep_used(x, name, true, err);
	}
	return r;
}

/* DBI->connect("dbi:SQLite:..."): the driver's module is made from the name of the data source. */
static int on_sources(struct uses *x, const char *p, size_t n, struct wh_err **err)
{
	int r = 0;

	for (const char *end = p + n; r == 0 && (p = memmem(p, (size_t)(end - p), ":", 1)); p++) {
		WH_AUTO_FREE char *module = NULL;
		const char *name = p + 1;
		size_t length = 0;

		if (p - (end - n) < 3 || strncasecmp(p - 3, "dbi", 3) != 0)
			continue;
		while (name + length < end && length < WH_CODE_NAME_MAX && is_name(name[length]) &&
		       name[length] != ':')
			length++;
		module = wh_asprintf("DBD::%.*s", (int)length, name);
		if (length)
			r = keep_used(x, module, true, err);
	}
	return r;
}

int wh_rule_perl_use(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
		     struct wh_err **err)
{
	static const char *const words[] = {"use", "require", "no", NULL};
	const struct wh_words w = {.words = words, .comment = "#", .pod = "=", .stop = "__END__", .bare = true};
	WH_AUTO_FREE char *dir = strchr(path, '/') ? wh_path_dir(path) : wh_strdup("");
	struct uses x = {.d = d, .row = row, .path = path, .dir = dir};
	WH_AUTO_BYTES struct wh_bytes b = {0};
	int r = roots_of(d, &x.roots, err);

	(void)via;
	if (r < 0 || !x.roots->n || wh_code_in_tests(path) ||
	    !wh_code_source(d, path, ".pm .pl .psgi .cgi .t", "perl", &b))
		return r;
	r = wh_words_find((const char *)b.p, b.n, &w, on_use, &x, err);
	/* Modules have such names in what they tell of themselves. */
	return r < 0 || root_of(x.roots, path) ? r : on_sources(&x, (const char *)b.p, b.n, err);
}
