/* SPDX-License-Identifier: Apache-2.0 */
/* What rows about native code need beyond globs. */
#include "harden/closure_table.h"
#include "harden/packages_private.h"

#include <errno.h>

#define MAX_TEXT ((size_t)256 << 10)

/* ---------------------------------------------------------------- libraries and other files that code names */

struct opening {
	struct wh_decide *d;
	const struct wh_rule_row *row;
	const char *via;
};

/* The library that was asked for is kept by the rule, what it needs in turn by the linker's. */
static int opened(void *arg, const char *what, const char *via, struct wh_err **err)
{
	const struct wh_why why = {.rule = WH_RULE_ELF, .via = via};
	struct opening *o = arg;
	int r;

	if (wh_streq(via, o->via))
		return wh_rule_excludes(o->row->keep, what + (*what == '/'))
			       ? 0
			       : wh_rule_keep(o->d, o->row, what, via, err);
	if (!wh_keep_has(o->d->k, via))
		return 0;
	r = wh_decide_reach(o->d, what, true, &why, err);
	return r == -ENOENT ? 0 : r;
}

int wh_rule_library(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
		    struct wh_err **err)
{
	struct opening o = {d, row, via};

	return wh_libs_opened(d->libs, via, path, opened, &o, err);
}

/* Is it run, not read? Libraries are often executable, too. */
int wh_rule_is_program(struct wh_decide *d, const struct wh_node_ref *n, bool *ret, struct wh_err **err)
{
	WH_AUTO_BYTES struct wh_bytes b = {0};
	const struct wh_elf *elf = NULL;
	int r;

	*ret = false;
	if (n->e.type != WH_T_FILE || !(n->e.mode & 0111))
		return 0;
	r = wh_libs_facts(d->libs, n, &elf, err);
	if (r == 0 && !elf)
		r = wh_bytes_open(d->t, n, &b, err);
	*ret = elf ? elf->program : b.n > 2 && b.p[0] == '#' && b.p[1] == '!';
	return r;
}

/* A file that is no program, or a directory for itself. */
int wh_rule_named_path(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
		       struct wh_err **err)
{
	WH_AUTO_FREE char *canonical = NULL;
	struct wh_node_ref n;
	bool program;
	int r;

	if (wh_walk(d->t, path, true, NULL, &canonical, &n) < 0 || wh_rule_excludes(row->keep, canonical))
		return 0;
	r = wh_rule_is_program(d, &n, &program, err);
	return r < 0 || program ? r : wh_rule_keep(d, row, path, via, err);
}

/* How was the code that names something seen in use? A program that nobody runs is what hardening is against: what stays for another rule's sake
 * brings none. */
static bool was_used(const struct wh_decide *d, const char *via, bool executed)
{
	struct wh_kept *i;

	HASH_FIND_STR(d->k->items, via, i);
	return i && (i->rule == WH_RULE_OBSERVED || i->rule == WH_RULE_REPAIR) &&
	       (!executed || (i->access && strchr(i->access, 'x')));
}

/* By a program that was run; or by code that was used, when both are of one source package (pam_unix.so and unix_chkpwd). */
static int may_run(struct wh_decide *d, const char *path, const char *via, bool *ret, struct wh_err **err)
{
	*ret = was_used(d, via, true);
	return *ret || !was_used(d, via, false) ? 0 : wh_rule_kin(d, path, via, ret, err);
}

int wh_rule_named_program(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
			  struct wh_err **err)
{
	WH_AUTO_FREE char *canonical = NULL;
	struct wh_node_ref n;
	bool program, may = false;
	int r;

	if (wh_walk(d->t, path, true, NULL, &canonical, &n) < 0 || wh_rule_excludes(row->keep, canonical))
		return 0;
	r = wh_rule_is_program(d, &n, &program, err);
	if (r == 0 && program)
		r = may_run(d, canonical, via, &may, err);
	return r < 0 || !may || wh_rule_brings_interpreter(d, &n) ? r : wh_rule_keep(d, row, path, via, err);
}

/* ---------------------------------------------------------------- directories that code names */

struct below {
	struct wh_decide *d;
	const struct wh_rule_row *row;
	const char *via;
	struct wh_err **err;
};

static int keep_kin(void *arg, const struct wh_node_ref *n)
{
	struct below *b = arg;
	bool kin = false, program = false;
	int r;

	if (n->e.type == WH_T_DIR || wh_is_documentation(n->e.path) || wh_rule_excludes(b->row->keep, n->e.path) ||
	    wh_rule_brings_interpreter(b->d, n))
		return 0;
	r = wh_rule_kin(b->d, n->e.path, b->via, &kin, b->err);
	if (r == 0 && kin && n->e.type == WH_T_FILE)
		r = wh_rule_is_program(b->d, n, &program, b->err);
	if (r < 0 || !kin || (program && !was_used(b->d, b->via, true)))
		return r;
	return wh_rule_keep(b->d, b->row, n->e.path, b->via, b->err);
}

/* What came with the code that names the directory. Empty directories need no rule: those that are named stay by another. */
int wh_rule_named_directory(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
			    struct wh_err **err)
{
	struct below b = {d, row, via, err};
	WH_AUTO_FREE char *canonical = NULL;
	struct wh_node_ref n;
	int r;

	if (wh_walk(d->t, path, true, NULL, &canonical, &n) < 0 || n.e.type != WH_T_DIR || !*canonical ||
	    wh_rule_excludes(row->keep, canonical) || wh_libs_searches(d->libs, canonical))
		return 0;
	r = wh_tree_walk(d->t, canonical, keep_kin, &b);
	return r == -EBADMSG ? wh_err_sys(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "read the image's indexes") : r;
}

/* ---------------------------------------------------------------- configuration */

static int keep_configuration(void *arg, const struct wh_node_ref *n)
{
	struct below *b = arg;
	bool program = false;
	int r = n->e.type == WH_T_FILE ? wh_rule_is_program(b->d, n, &program, b->err) : 0;

	if (r < 0 || program || wh_rule_excludes(b->row->keep, n->e.path))
		return r;
	return wh_rule_keep(b->d, b->row, n->e.path, b->via, b->err);
}

/* A directory of configuration files: whoever wrote them, the program that names it reads them. */
static int configuration_directory(struct wh_decide *d, const struct wh_rule_row *row, const char *canonical,
				   const char *via, struct wh_err **err)
{
	struct below b = {d, row, via, err};
	int r;

	if (!wh_has_prefix(canonical, "etc/") && !wh_has_prefix(canonical, "usr/local/etc/"))
		return 0;
	r = wh_tree_walk(d->t, canonical, keep_configuration, &b);
	return r == -EBADMSG ? wh_err_sys(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "read the image's indexes") : r;
}

int wh_rule_configuration_directory(struct wh_decide *d, const struct wh_rule_row *row, const char *path,
				    const char *via, struct wh_err **err)
{
	WH_AUTO_FREE char *canonical = NULL;
	struct wh_node_ref n;

	if (wh_walk(d->t, path, true, NULL, &canonical, &n) < 0 || n.e.type != WH_T_DIR ||
	    wh_rule_excludes(row->keep, canonical))
		return 0;
	return configuration_directory(d, row, canonical, via, err);
}

static int keep_package_configuration(void *arg, const struct wh_node_ref *n)
{
	struct below *b = arg;
	bool kin = false;
	int r;

	/* What lies in /var and /run is made by programs; what they make it in is the package's. */
	if (n->e.type != WH_T_DIR && !wh_has_prefix(n->e.path, "etc/"))
		return 0;
	r = wh_rule_kin(b->d, n->e.path, b->via, &kin, b->err);
	return r < 0 || !kin ? r : keep_configuration(arg, n);
}

/* Configuration of a program that was run, and the directories that its package has for data, logs, sockets. */
int wh_rule_package_configuration(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
				  struct wh_err **err)
{
	static const char *const dirs[] = {"etc", "run", "var"};
	struct below b = {d, row, via, err};
	const char *owner = NULL;
	bool program = false;
	struct wh_node_ref file;
	int r = wh_tree_lookup(d->t, path, &file) < 0 ? 0 : wh_rule_is_program(d, &file, &program, err);

	if (r == 0 && program)
		r = wh_rule_owner(d, path, &owner, err);
	for (size_t i = 0; r == 0 && owner && i < WH_ARRAY_SIZE(dirs); i++) {
		struct wh_node_ref n;

		if (wh_tree_lookup(d->t, dirs[i], &n) == 0 && n.e.type == WH_T_DIR)
			r = wh_tree_walk(d->t, dirs[i], keep_package_configuration, &b);
	}
	return r == -EBADMSG ? wh_err_sys(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "read the image's indexes") : r;
}

/* Directories that hold what many packages bring. */
#define SHARED_DATA                                                                                                           \
	"!usr/share/doc/** !usr/share/man/** !usr/share/info/** !usr/share/locale/** !usr/share/zoneinfo/** !usr/share/fonts/** "  \
	"!usr/share/perl* !usr/share/perl*/** !usr/share/python* !usr/share/python*/** !usr/share/nodejs/** !usr/share/ruby*/**"

static int in_text(void *arg, const char *p, size_t n)
{
	struct below *t = arg;
	WH_AUTO_FREE char *path = wh_strndup(p, n), *canonical = NULL;
	struct wh_node_ref ref;
	int r;

	if (strpbrk(path,
		    "*?")) { /* below a directory at least: what matches "/etc/x/y*" is meant, what matches "/e*" hardly */
		const char *slash = strchr(path + 1, '/');

		return slash && strcspn(path, "*?") > (size_t)(slash - path) + 1
			       ? wh_rule_keep_globs(t->d, t->row, path + 1, t->via, t->err)
			       : 0;
	}
	if (wh_walk(t->d->t, path, true, NULL, &canonical, &ref) < 0 || wh_rule_excludes(t->row->keep, canonical) ||
	    wh_rule_brings_interpreter(t->d, &ref))
		return 0;
	r = wh_rule_keep(t->d, t->row, path, t->via, t->err);
	if (r < 0 || ref.e.type != WH_T_DIR)
		return r;
	r = configuration_directory(t->d, t->row, canonical, t->via, t->err);
	/* What its own package brought for it: a server's icons, its first page. */
	if (r == 0 && wh_rule_matches("usr/share/*/**", canonical) && !wh_rule_excludes(SHARED_DATA, canonical))
		r = wh_tree_walk(t->d->t, canonical, keep_kin, t);
	if (r == -EBADMSG && !*t->err)
		wh_err_sys(t->err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "read the image's indexes");
	return r < 0 ? r : wh_rule_content_below(t->d, t->row, canonical, t->via, t->err);
}

/* Absolute paths in a text: files, programs, directories with the content that the user put there. */
int wh_rule_config_text(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
			struct wh_err **err)
{
	/* As its package knows it: what is enabled is often a link. */
	WH_AUTO_FREE char *file = NULL;
	struct below t = {d, row, via, err};
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	struct wh_node_ref n;
	int r;

	if (wh_rule_excludes(row->keep, path))
		return 0;
	if (wh_walk(d->t, path, true, NULL, &file, &n) == 0)
		t.via = file;
	r = wh_text_read(d->t, path, MAX_TEXT, &b, err);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	return b.n && !memchr(b.p, 0, b.n) ? wh_closure_names_in_text((const uint8_t *)b.p, b.n, in_text, &t) : 0;
}

/* ---------------------------------------------------------------- plugins */

static bool is_library_name(const char *name)
{
	return wh_has_suffix(name, ".so") || strstr(name, ".so.");
}

static int keep_siblings(struct wh_decide *d, const struct wh_rule_row *row, const char *path, bool libraries,
			 const char *via, struct wh_err **err)
{
	WH_AUTO_FREE char *dir = wh_path_dir(path);
	WH_AUTO_STRV struct wh_strv names = {0};
	const char *owner = NULL;
	int r = wh_rule_owner(d, path, &owner, err);

	if (r == 0)
		wh_tree_list(d->t, dir, &names);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		WH_AUTO_FREE char *sibling = wh_path_join(dir, names.v[i]);
		const char *of = NULL;

		if ((libraries && !is_library_name(names.v[i])) || wh_rule_excludes(row->keep, sibling))
			continue;
		r = wh_rule_owner(d, sibling, &of, err);
		if (r == 0 && wh_streq(of, owner))
			r = wh_rule_keep(d, row, sibling, via, err);
	}
	return r;
}

/* A library outside of the linker's directories that was opened: the others that came beside it can be asked for as well. */
int wh_rule_plugins(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
		    struct wh_err **err)
{
	WH_AUTO_FREE char *dir = wh_path_dir(path);
	const struct wh_elf *elf = NULL;
	struct wh_node_ref n;
	int r = wh_tree_lookup(d->t, path, &n);

	if (r < 0 || wh_libs_searches(d->libs, dir))
		return 0;
	r = wh_libs_facts(d->libs, &n, &elf, err);
	return r < 0 || !elf || elf->program ? r : keep_siblings(d, row, path, true, via, err);
}

/* A directory of libraries that is not the linker's, and was looked at: whoever does that opens them by names that it finds. */
int wh_rule_listed_plugins(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
			   struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv names = {0};
	struct wh_node_ref n;
	int r = 0;

	if (wh_tree_lookup(d->t, path, &n) < 0 || n.e.type != WH_T_DIR || wh_rule_excludes(row->keep, path) ||
	    wh_libs_searches(d->libs, path))
		return 0;
	wh_tree_list(d->t, path, &names);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		WH_AUTO_FREE char *plugin = wh_path_join(path, names.v[i]);

		if (is_library_name(names.v[i]) && !wh_rule_excludes(row->keep, plugin))
			r = wh_rule_keep(d, row, plugin, via, err);
	}
	return r;
}

int wh_rule_directory(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
		      struct wh_err **err)
{
	WH_AUTO_FREE char *dir = wh_path_dir(path);

	return *dir ? wh_rule_keep_below(d, row, dir, via, err) : 0;
}

/* What came in the same package into the same directory. */
int wh_rule_siblings(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
		     struct wh_err **err)
{
	return keep_siblings(d, row, path, false, via, err);
}

/* ---------------------------------------------------------------- names of hosts and users */

/* The words of nsswitch.conf that are services, not actions. */
static int nss_services(struct wh_decide *d, struct wh_strv *ret, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
	int r = wh_text_read(d->t, "etc/nsswitch.conf", MAX_TEXT, &b, err);

	if (r < 0 || !b.n)
		return r == -ENOENT ? 0 : r;
	for (char *line = b.p, *next; line && *line; line = next) {
		size_t n = strcspn(line, "\n");

		next = line[n] ? line + n + 1 : NULL;
		line[n] = '\0';
		line[strcspn(line, "#")] = '\0';
		line = strchr(line, ':');
		while (line && *line) {
			line += strspn(line, ": \t\r");
			n = strcspn(line, " \t\r");
			if (*line == '[') {
				n = strcspn(line, "]");
				n += line[n] != '\0';
			} else if (n && n < 64 && !memchr(line, '/', n)) {
				WH_AUTO_FREE char *word = wh_strndup(line, n);

				if (!wh_strv_has(ret, word))
					wh_strv_add(ret, word);
			}
			line += n;
		}
	}
	return 0;
}

/* Each service is a library that the C library opens when a name is looked up. */
int wh_rule_nss(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
		struct wh_err **err)
{
	WH_AUTO_STRV struct wh_strv services = {0};
	int r = nss_services(d, &services, err);

	(void)path;
	for (size_t i = 0; r == 0 && i < services.n; i++) {
		WH_AUTO_FREE char *name = wh_asprintf("libnss_%s.so.2", services.v[i]);

		r = wh_rule_library(d, row, name, via, err);
	}
	return r < 0 || !row->keep ? r : wh_rule_keep_globs(d, row, row->keep, via, err);
}

/* ---------------------------------------------------------------- locales */

static void normal(const char *p, size_t n, struct wh_buf *out)
{
	for (size_t i = 0; i < n; i++)
		if ((p[i] >= 'a' && p[i] <= 'z') || (p[i] >= '0' && p[i] <= '9'))
			wh_buf_addc(out, p[i]);
		else if (p[i] >= 'A' && p[i] <= 'Z')
			wh_buf_addc(out, (char)(p[i] - 'A' + 'a'));
	wh_buf_adds(out, "");
}

/* One locale's name: its own directory (the code set as it is written and as the C library normalises it), the archive, translations. */
static int one_locale(struct wh_decide *d, const struct wh_rule_row *row, const char *p, size_t n, const char *via,
		      struct wh_err **err)
{
	size_t language = strcspn(p, "_.@"), territory = strcspn(p, ".@");
	WH_AUTO_BUF struct wh_buf code = WH_BUF_INIT, globs = WH_BUF_INIT;
	const char *dot;
	int len;

	if (!n || n > 64 || (n == 1 && *p == 'C') || (n == 5 && !strncmp(p, "POSIX", 5)) || strcspn(p, "/*?\\ !") < n)
		return 0;
	language = language < n ? language : n;
	territory = territory < n ? territory : n;
	dot = memchr(p, '.', n);
	if (dot)
		normal(dot + 1, strcspn(dot + 1, "@:"), &code);
	len = (int)territory;
	wh_buf_addf(&globs, "usr/lib/locale/locale-archive usr/lib/locale/%.*s/** usr/lib/locale/%.*s/** ", (int)n, p,
		    len, p);
	if (code.n)
		wh_buf_addf(&globs, "usr/lib/locale/%.*s.%s/** ", len, p, code.p);
	wh_buf_addf(&globs, "usr/share/locale/locale.alias usr/share/locale/%.*s/** usr/share/locale/%.*s/**", len, p,
		    (int)language, p);
	return wh_rule_keep_globs(d, row, globs.p, via, err);
}

static int keep_made(void *arg, const struct wh_node_ref *n)
{
	struct below *b = arg;
	const char *owner = NULL;
	int r = n->e.type == WH_T_DIR ? 0 : wh_rule_owner(b->d, n->e.path, &owner, b->err);

	return r < 0 || owner || n->e.type == WH_T_DIR ? r : wh_rule_keep(b->d, b->row, n->e.path, b->via, b->err);
}

/* Locales that no package brought: somebody had them made for this image. */
int wh_rule_locale_made(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
			struct wh_err **err)
{
	struct below b = {d, row, via, err};
	WH_AUTO_FREE char *canonical = NULL;
	struct wh_node_ref n;
	int r;

	(void)path;
	if (wh_walk(d->t, "usr/lib/locale", true, NULL, &canonical, &n) < 0 || n.e.type != WH_T_DIR)
		return 0;
	r = wh_tree_walk(d->t, canonical, keep_made, &b);
	return r == -EBADMSG ? wh_err_sys(err, WH_HARDEN_DOMAIN, WH_ERR_BUILD, -r, "read the image's indexes") : r;
}

/* path: the value of LANG, LC_… or LANGUAGE (several names). */
int wh_rule_locale(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
		   struct wh_err **err)
{
	int r = 0;

	for (const char *p = path; r == 0 && *p;) {
		size_t n = strcspn(p, ":");

		r = one_locale(d, row, p, n, via, err);
		p += n + (p[n] == ':');
	}
	return r;
}

/* ---------------------------------------------------------------- further names of what stays */

struct naming {
	struct wh_decide *d;
	const struct wh_rule_row *row;
	const char *target;
	struct wh_err **err;
};

static int one_name(void *arg, const char *name)
{
	struct naming *x = arg;
	const struct wh_why why = {.rule = WH_RULE_CLOSURE, .name = x->row->name, .via = x->target};
	int r = wh_decide_reach(x->d, name, false, &why, x->err);

	return r == -ENOENT ? 0 : r;
}

/* Links that lead to a program or library, and other names of its inode: they cost nothing. */
int wh_rule_other_names(struct wh_decide *d, const struct wh_rule_row *row, const char *path, const char *via,
			struct wh_err **err)
{
	struct naming x = {d, row, path, err};
	struct wh_node_ref n;

	(void)via;
	if (wh_tree_lookup(d->t, path, &n) < 0 || n.e.type != WH_T_FILE)
		return 0;
	return wh_rule_each_name(d, &n, one_name, &x, err);
}
