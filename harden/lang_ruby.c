/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ruby: a used gem stays whole, with its specification, its native part and the gems that it depends on; what sources
 * require by name stays; so does what the interpreter loads by itself: encodings, rubygems, what makes its error
 * messages.
 */
#include "harden/lang.h"

#include <errno.h>

#define MODULES \
	"usr/lib/ruby/vendor_ruby/** usr/lib/*/ruby/vendor_ruby/** usr/share/rubygems-integration/** usr/lib/*/rubygems-integration/**"

/* Our globs have no sets: a version is what begins with a digit. */
static bool is_place(const char *path)
{
	static const char *const places[] = {"usr/lib/ruby/",
					     "usr/lib/ruby/vendor_ruby/",
					     "usr/local/lib/ruby/",
					     "usr/local/lib/ruby/site_ruby/",
					     "usr/local/lib/site_ruby/",
					     "usr/local/lib/ruby/vendor_ruby/"};
	const char *name = wh_path_base(path);

	if (wh_rule_matches(
		    "usr/lib/ruby/vendor_ruby usr/local/lib/ruby/site_ruby usr/local/lib/site_ruby usr/local/lib/ruby/vendor_ruby "
		    "usr/local/lib/ruby/*/*-linux*",
		    path))
		return true;
	if (name[0] < '0' || name[0] > '9')
		return false;
	for (size_t i = 0; i < WH_ARRAY_SIZE(places); i++)
		if (wh_has_prefix(path, places[i]) && !strchr(path + strlen(places[i]), '/'))
			return true;
	return wh_rule_matches("usr/lib/*/ruby/* usr/lib/*/ruby/vendor_ruby/*", path);
}

/* There can be hundreds of gems: what lies at the top of each one's library is noted as "NAME TAB LIBRARY". */
static void add_gem(struct wh_decide *d, const char *library)
{
	struct wh_strv *gems = wh_code_roots(d, WH_CODE_RUBY_GEMS);
	WH_AUTO_STRV struct wh_strv names = {0};

	if (!wh_code_is_dir(d, library) || wh_tree_list(d->t, library, &names) < 0)
		return;
	for (size_t i = 0; i < names.n; i++) {
		size_t n = strlen(names.v[i]);

		if (wh_has_suffix(names.v[i], ".rb") || wh_has_suffix(names.v[i], ".so"))
			n -= 3;
		wh_strv_addf(gems, "%.*s\t%s", (int)n, names.v[i], library);
	}
}

static int find_roots(struct wh_decide *d, struct wh_err **err)
{
	struct wh_strv *roots = wh_code_roots(d, WH_CODE_RUBY);
	const struct wh_strv *all = wh_rule_paths(d, err);

	if (!all)
		return -EBADMSG;
	for (size_t i = 0; i < all->n; i++) {
		const char *path = all->v[i];
		/* the library of a gem: …/gems/NAME-1.2/lib */
		bool gem = wh_has_suffix(path, "/lib") && wh_rule_matches("**/gems/*-*/lib", path);

		if (!gem && !(strstr(path, "ruby") && is_place(path)))
			continue;
		if (gem)
			add_gem(d, path);
		else if (wh_code_is_dir(d, path))
			wh_strv_add(roots, path);
	}
	wh_strv_sort(wh_code_roots(d, WH_CODE_RUBY_GEMS));
	return 0;
}

static int roots_of(struct wh_decide *d, const struct wh_strv **ret, struct wh_err **err)
{
	int r = wh_code_runs(d, "ruby") && wh_code_first(d, "ruby", "roots") ? find_roots(d, err) : 0;

	*ret = wh_code_roots(d, WH_CODE_RUBY);
	return r;
}

/* ---------------------------------------------------------------- the interpreter */

int wh_rule_ruby_runtime(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
			 struct wh_err **err)
{
	static const char *const names[] = {"rbconfig.rb",
					    "rubygems.rb",
					    "rubygems/**",
					    "enc/**",
					    "did_you_mean.rb",
					    "did_you_mean/**",
					    "error_highlight.rb",
					    "error_highlight/**",
					    "syntax_suggest/**",
					    "unicode_normalize/**",
					    "monitor.rb",
					    "monitor.so",
					    "bundled_gems.rb",
					    "uri.rb",
					    "uri/**",
					    "random/**",
					    "io/console/**",
					    "io/console.so",
					    "delegate.rb",
					    "tempfile.rb",
					    "tmpdir.rb",
					    "objspace.rb"};
	const struct wh_strv *roots;
	int r = roots_of(d, &roots, err);

	(void)path;
	if (r < 0 || !roots->n || !wh_code_first(d, "ruby", "runtime"))
		return r;
	return wh_code_keep_below_roots(d, row, roots, names, WH_ARRAY_SIZE(names), via, err);
}

/* What lies below a used library's name is of it: psych.so asks for psych/syntax_error itself. */
int wh_rule_ruby_library(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
			 struct wh_err **err)
{
	const struct wh_strv *roots;
	const char *best = NULL;
	WH_AUTO_FREE char *name = NULL;
	int r = roots_of(d, &roots, err);

	(void)via;
	for (size_t i = 0; r == 0 && i < roots->n; i++)
		if (wh_code_below(path, roots->v[i]) && (!best || strlen(roots->v[i]) > strlen(best)))
			best = roots->v[i];
	if (!best)
		return r;
	name = wh_strdup(path + strlen(best) + 1);
	name[strlen(name) - 3] = '\0'; /* .rb, .so */
	if (wh_streq(name, "bundler") || wh_streq(name, "rdoc") || wh_streq(name, "irb"))
		return 0;
	for (size_t i = 0; r == 0 && i < roots->n; i++) {
		WH_AUTO_FREE char *below = wh_path_join(roots->v[i], name);

		if (wh_code_is_dir(d, below) && wh_code_first(d, "ruby-below", below))
			r = wh_rule_keep_below(d, row, below, path, err);
	}
	return r;
}

/* ---------------------------------------------------------------- gems */

struct gem {
	struct wh_decide *d;
	const struct wh_rule_row *row;
	const char *base, *via; /* base: has gems/ and specifications/ */
};

/* The gem of a specification: its directory, of which the rule is told when it is kept, and, of Debian's, the package's
 * files. */
static int keep_gem(struct gem *g, const char *base, const char *spec, const char *path, struct wh_err **err)
{
	WH_AUTO_FREE char *dir =
		wh_asprintf("%s/gems/%.*s", base,
			    (int)(strlen(spec) - (wh_has_suffix(spec, ".gemspec") ? strlen(".gemspec") : 0)), spec);
	int r = wh_rule_keep(g->d, g->row, path, g->via, err);

	if (r == 0)
		r = wh_rule_keep(g->d, g->row, dir, g->via, err);
	return r == 0 && wh_rule_matches(MODULES, path) ? wh_code_keep_owned(g->d, g->row, path, MODULES, g->via, err)
							: r;
}

/* A gem of that name, whatever its version. */
static int keep_gem_named(struct gem *g, const char *base, const char *name, struct wh_err **err)
{
	WH_AUTO_FREE char *dir = wh_path_join(base, "specifications");
	WH_AUTO_STRV struct wh_strv names = {0};
	size_t n = strlen(name);
	int r = 0;

	if (!wh_code_is_dir(g->d, dir) || wh_tree_list(g->d->t, dir, &names) < 0)
		return 0;
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		WH_AUTO_FREE char *path = wh_path_join(dir, names.v[i]);

		if (wh_has_prefix(names.v[i], name) && names.v[i][n] == '-' && names.v[i][n + 1] >= '0' &&
		    names.v[i][n + 1] <= '9')
			r = keep_gem(g, base, names.v[i], path, err);
	}
	return r;
}

static int on_dependency(void *arg, const struct wh_word *w, struct wh_err **err)
{
	struct gem *g = arg;

	return strchr(w->name, '/') ? 0 : keep_gem_named(g, g->base, w->name, err);
}

/* s.add_runtime_dependency(%q<rack>.freeze, …) is what installers write. */
static int keep_dependencies(struct gem *g, const char *spec, struct wh_err **err)
{
	static const char *const words[] = {"add_runtime_dependency", "add_dependency", NULL};
	const struct wh_words w = {.words = words, .comment = "#"};
	WH_AUTO_BYTES struct wh_bytes b = {0};
	WH_AUTO_FREE char *text = NULL;

	if (!wh_code_open(g->d, spec, &b))
		return 0;
	text = wh_strndup((const char *)b.p, b.n);
	for (char *p = text; (p = strstr(p, "%q<")); p++) {
		char *close = strchr(p, '>');

		memcpy(p, "  '", 3);
		if (close)
			*close = '\'';
	}
	return wh_words_find(text, strlen(text), &w, on_dependency, g, err);
}

/* "a/gems/NAME-1.2/lib/x.rb" → "a", "NAME-1.2"; the directory itself as well, when a rule keeps it. */
static bool split_gem(struct wh_decide *d, const char *path, char **ret_base, char **ret_name)
{
	const char *at = strstr(path, "/gems/"), *next;
	struct wh_kept *kept;

	/* The last of them: gems of a version lie in …/ruby/gems/3.1.0/gems/NAME-1.2. */
	while (at && (next = strstr(at + 1, "/gems/")))
		at = next;
	if (!at)
		return false;
	HASH_FIND_STR(d->k->items, path, kept);
	if (strchr(at + 6, '/') ? !wh_code_is_plain(d, path)
				: !kept || kept->rule != WH_RULE_CLOSURE || !wh_code_is_dir(d, path))
		return false;
	/* …/gems/3.1.0 is where gems lie. */
	next = memchr(at + 6, '-', strcspn(at + 6, "/"));
	while (next && (next[1] < '0' || next[1] > '9'))
		next = memchr(next + 1, '-', strcspn(next + 1, "/"));
	if (!next)
		return false;
	*ret_base = wh_strndup(path, (size_t)(at - path));
	*ret_name = wh_strndup(at + 6, strcspn(at + 6, "/"));
	return true;
}

int wh_rule_ruby_gem(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
		     struct wh_err **err)
{
	WH_AUTO_FREE char *base = NULL, *name = NULL, *dir = NULL, *file = NULL, *native = NULL;
	struct gem g = {.d = d, .row = row, .via = via};
	int r = 0;

	/* Specifications are read of all that is installed: that tells of no use. */
	if (!wh_code_runs(d, "ruby") || wh_has_suffix(path, ".gemspec"))
		return 0;
	if (!split_gem(d, path, &base, &name)) {
		struct wh_strv gems = {0};

		if (!wh_rule_matches(MODULES, path) || !wh_code_is_plain(d, path))
			return 0;
		r = wh_code_keep_owned(d, row, path, MODULES, via, err);
		if (r == 0 && wh_code_first(d, "ruby-owned", path))
			r = wh_code_owned(d, path, "usr/share/rubygems-integration", &gems, err);
		for (size_t i = 0; r == 0 && i < gems.n; i++) {
			const char *spec = strstr(gems.v[i], "/specifications/");
			WH_AUTO_FREE char *of = spec ? wh_strndup(gems.v[i], (size_t)(spec - gems.v[i])) : NULL;

			g.base = of;
			if (of && wh_code_first(d, "ruby-spec", gems.v[i]))
				r = keep_dependencies(&g, gems.v[i], err);
		}
		wh_strv_release(&gems);
		return r;
	}
	g.base = base;
	dir = wh_asprintf("%s/gems/%s", base, name);
	file = wh_asprintf("%s/specifications/%s.gemspec", base, name);
	native = wh_asprintf("%s/extensions/*/*/%s/**", base, name);
	if (!wh_code_first(d, "ruby-gem", dir))
		return 0;
	r = wh_rule_keep_below(d, row, dir, via, err);
	if (r == 0)
		r = wh_rule_keep(d, row, file, via, err);
	if (r == 0)
		r = wh_rule_keep_globs(d, row, native, via, err);
	return r == 0 ? keep_dependencies(&g, file, err) : r;
}

/* ---------------------------------------------------------------- require */

struct requires
{
	struct wh_decide *d;
	const struct wh_rule_row *row;
	const struct wh_strv *roots;
	const char *path, *dir;
};

static int keep_file(struct requires *x, const char *dir, const char *name, struct wh_err **err)
{
	static const char *const ends[] = {"", ".rb", ".so"};
	int r = 0;

	for (size_t i = 0; r == 0 && i < WH_ARRAY_SIZE(ends); i++) {
		WH_AUTO_FREE char *path = wh_asprintf("%s/%s%s", dir, name, ends[i]);

		if ((*ends[i] || wh_has_suffix(name, ".rb") || wh_has_suffix(name, ".so")) &&
		    wh_code_is_file(x->d, path))
			r = wh_rule_keep(x->d, x->row, path, x->path, err);
	}
	return r;
}

static int keep_anywhere(struct requires *x, const char *name, struct wh_err **err)
{
	const struct wh_strv *gems = wh_code_roots(x->d, WH_CODE_RUBY_GEMS);
	size_t n = strcspn(name, "/"), lo = 0, hi = gems->n;
	WH_AUTO_FREE char *key = NULL;
	int r = 0;

	for (size_t i = 0; r == 0 && i < x->roots->n; i++)
		r = keep_file(x, x->roots->v[i], name, err);
	if (!name[n] && (wh_has_suffix(name, ".rb") || wh_has_suffix(name, ".so")))
		n -= 3;
	key = wh_asprintf("%.*s\t", (int)n, name);
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (strcmp(gems->v[mid], key) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (; r == 0 && lo < gems->n && wh_has_prefix(gems->v[lo], key); lo++)
		r = keep_file(x, gems->v[lo] + strlen(key), name, err);
	return r;
}

static int on_require(void *arg, const struct wh_word *w, struct wh_err **err)
{
	struct requires *x = arg;

	if (wh_streq(w->word, "autoload")) {
		/* autoload :Name, "file": the literal is the second. */
		struct wh_str rest = w->rest;
		const char *from = rest.n ? memchr(rest.p, '"', rest.n) : NULL, *to;
		WH_AUTO_FREE char *name = NULL;

		if (!from)
			from = rest.n ? memchr(rest.p, '\'', rest.n) : NULL;
		to = from ? memchr(from + 1, *from, (size_t)(rest.p + rest.n - from - 1)) : NULL;
		if (!to || to - from > WH_CODE_NAME_MAX)
			return 0;
		name = wh_strndup(from + 1, (size_t)(to - from - 1));
		if (strstr(name, "..") || name[0] == '/')
			return 0;
		return keep_anywhere(x, name, err);
	}
	if (w->bare || w->name[0] == '/')
		return 0;
	if (wh_streq(w->word, "require_relative"))
		return keep_file(x, x->dir, w->name, err);
	if (strstr(w->name, "..") || !wh_code_first(x->d, "ruby-require", w->name))
		return 0;
	return keep_anywhere(x, w->name, err);
}

int wh_rule_ruby_require(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
			 struct wh_err **err)
{
	static const char *const words[] = {"require", "require_relative", "load", "autoload", NULL};
	const struct wh_words w = {.words = words, .comment = "#", .pod = "=begin", .stop = "__END__", .bare = true};
	WH_AUTO_FREE char *dir = strchr(path, '/') ? wh_path_dir(path) : wh_strdup("");
	struct requires x = {.d = d, .row = row, .path = path, .dir = dir};
	WH_AUTO_BYTES struct wh_bytes b = {0};
	int r = roots_of(d, &x.roots, err);

	(void)via;
	if (r < 0 || !wh_code_runs(d, "ruby") || wh_code_in_tests(path) ||
	    !wh_code_source(d, path, ".rb .ru .gemspec", "ruby", &b))
		return r;
	return wh_words_find((const char *)b.p, b.n, &w, on_require, &x, err);
}
