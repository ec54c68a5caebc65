/* SPDX-License-Identifier: Apache-2.0 */
/* The package database after a prune: which records stay, how lists are cut, what is kept along with them. */
#include "harden/packages_private.h"

#include "tests/unit/harden_packages_helper.h"

#define REC(name) \
	"Package: " name "\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nDescription: x\n y\n"
#define SUM "0123456789abcdef0123456789abcdef  "
#define MAX_FILES 20

static bool in_list(void *arg, const char *path)
{
	const char *const *list = arg;

	for (; *list; list++)
		if (wh_streq(*list, path))
			return true;
	return false;
}

static void show_names(struct wh_buf *out, const char *what, const struct wh_strv *names)
{
	if (!names->n)
		return;
	wh_buf_adds(out, what);
	for (size_t i = 0; i < names->n; i++)
		wh_buf_addf(out, " %s", names->v[i]);
	wh_buf_addc(out, '\n');
}

static void show_plan(const struct wh_pkgdb_plan *p, struct wh_buf *out)
{
	show_names(out, "kept:", &p->kept);
	show_names(out, "partial:", &p->partial);
	show_names(out, "removed:", &p->removed);
	show_names(out, "keep:", &p->keep);
	for (size_t i = 0; i < p->n; i++) {
		wh_buf_addf(out, "%s %s\n", p->v[i].drop ? "drop" : "write", p->v[i].path);
		if (!p->v[i].drop)
			wh_buf_add(out, p->v[i].data.p ? p->v[i].data.p : "", p->v[i].data.n);
	}
}

static const struct {
	const char *what;
	struct file files[MAX_FILES];
	const char *kept[12];
	const char *out;
} rows[] = {
	{"nothing there", {{"etc/motd", "x"}}, {"etc/motd"}, ""},
	{"all of it stays: no byte changes",
	 {{"var/lib/dpkg/status", REC("a") "\n"}, {"var/lib/dpkg/info/a.list", "/.\n/usr\n/usr/a\n"}, {"usr/a", "1"}},
	 {"usr/a"},
	 "kept: a\nkeep: var/lib/dpkg/info/a.list var/lib/dpkg/status\n"},
	{"a record goes, another stays byte for byte",
	 {{"var/lib/dpkg/status", REC("a") "\n" REC("b") "\n" REC("c") "\n"},
	  {"var/lib/dpkg/info/a.list", "/.\n/usr\n/usr/a\n"},
	  {"var/lib/dpkg/info/b.list", "/.\n/usr\n/usr/b\n/usr/d\n/usr/d/1\n/usr/d/e\n/usr/d/e/2\n/usr/f\n"},
	  {"var/lib/dpkg/info/b.md5sums", SUM "usr/b\n" SUM "usr/d/1\n"},
	  {"var/lib/dpkg/info/b.postinst", "#!/bin/sh\n"},
	  {"var/lib/dpkg/info/c.list", "/.\n/usr\n/usr/c\n"},
	  {"var/lib/dpkg/info/c.md5sums", SUM "usr/c\n"},
	  {"var/lib/dpkg/info/format", "1\n"},
	  {"var/lib/dpkg/status-old", "x"},
	  {"usr/a", "1"},
	  {"usr/b", "1"},
	  {"usr/d/1", "1"},
	  {"usr/d/e/2", "1"},
	  {"usr/f", "1"},
	  {"usr/c", "1"}},
	 {"usr", "usr/d/1"},
	 "kept: b\npartial: b\nremoved: a c\n"
	 "keep: var/lib/dpkg/info/b.list var/lib/dpkg/info/b.md5sums var/lib/dpkg/info/format var/lib/dpkg/status\n"
	 "drop var/lib/dpkg/info/a.list\n"
	 "write var/lib/dpkg/info/b.list\n/.\n/usr\n/usr/d\n/usr/d/1\n"
	 "write var/lib/dpkg/info/b.md5sums\n" SUM "usr/d/1\n"
	 "drop var/lib/dpkg/info/c.list\n"
	 "drop var/lib/dpkg/info/c.md5sums\n"
	 "write var/lib/dpkg/status\n" REC("b") "\n"},
	{"documentation and directories are no remains; locale is none",
	 {{"var/lib/dpkg/status", REC("a") "\n" REC("b") "\n" REC("l") "\n"},
	  {"var/lib/dpkg/info/a.list",
	   "/.\n/usr/share/doc/a/copyright\n/usr/share/man/man1/a.1\n/usr/share/info/a\n/usr/share/lintian/a\n"
	   "/usr/share/doc-base/a\n/usr/lib/a\n/usr/a\n"},
	  {"var/lib/dpkg/info/b.list", "/.\n/usr/share/doc/b\n/usr/share/documents\n"},
	  {"var/lib/dpkg/info/l.list", "/.\n/usr/share/locale/l\n"},
	  {"usr/share/doc/a/copyright", "c"},
	  {"usr/share/man/man1/a.1", "m"},
	  {"usr/share/info/a", "i"},
	  {"usr/share/lintian/a", "i"},
	  {"usr/share/doc-base/a", "i"},
	  {"usr/lib/a", NULL},
	  {"usr/a", "1"},
	  {"usr/share/documents", "1"},
	  {"usr/share/locale/l", "1"}},
	 {"usr/share/doc/a/copyright", "usr/share/man/man1/a.1", "usr/share/info/a", "usr/share/lintian/a",
	  "usr/share/doc-base/a", "usr/lib/a", "usr/share/documents", "usr/share/locale/l"},
	 "kept: b l\nremoved: a\n"
	 "keep: var/lib/dpkg/info/b.list var/lib/dpkg/info/l.list var/lib/dpkg/status\n"
	 "drop var/lib/dpkg/info/a.list\n"
	 "write var/lib/dpkg/info/b.list\n/.\n/usr/share/documents\n"
	 "write var/lib/dpkg/status\n" REC("b") "\n" REC("l") "\n"},
	{"merged /usr: files are found through the links, the links are nobody's",
	 {{"var/lib/dpkg/status", REC("a") "\n" REC("b") "\n"},
	  {"var/lib/dpkg/info/a.list", "/.\n/bin\n/bin/a\n/lib64\n"},
	  {"var/lib/dpkg/info/b.list", "/.\n/bin\n/bin/b\n"},
	  {"bin", "@usr/bin"},
	  {"lib64", "@usr/lib64"},
	  {"usr/lib64", NULL},
	  {"usr/bin/a", "1"},
	  {"usr/bin/b", "1"}},
	 {"bin", "lib64", "usr/bin/b"},
	 "kept: b\nremoved: a\nkeep: var/lib/dpkg/info/b.list var/lib/dpkg/status\n"
	 "drop var/lib/dpkg/info/a.list\nwrite var/lib/dpkg/status\n" REC("b") "\n"},
	{"diversions: the other's file is somewhere else",
	 {{"var/lib/dpkg/status", REC("a") "\n" REC("b") "\n" REC("d") "\n"},
	  {"var/lib/dpkg/diversions", "/bin/x\n/bin/x.a\nb\n/bin/y\n/bin/y.local\n:\n"},
	  {"var/lib/dpkg/info/a.list", "/.\n/bin\n/bin/x\n"},
	  {"var/lib/dpkg/info/b.list", "/.\n/bin\n/bin/x\n"},
	  {"var/lib/dpkg/info/d.list", "/.\n/bin\n/bin/y\n"},
	  {"bin/x", "b's"},
	  {"bin/x.a", "a's"},
	  {"bin/y", "the administrator's"},
	  {"bin/y.local", "d's"}},
	 {"bin/x.a", "bin/y"},
	 "kept: a\nremoved: b d\nkeep: var/lib/dpkg/diversions var/lib/dpkg/info/a.list var/lib/dpkg/status\n"
	 "drop var/lib/dpkg/info/b.list\ndrop var/lib/dpkg/info/d.list\nwrite var/lib/dpkg/status\n" REC("a") "\n"},
	{"several architectures have lists of their own",
	 {{"var/lib/dpkg/status",
	   REC("a") "\nPackage: a\nStatus: install ok installed\nArchitecture: i386\nVersion: 1\n\n"},
	  {"var/lib/dpkg/info/a:amd64.list", "/.\n/usr/64\n/usr/both\n"},
	  {"var/lib/dpkg/info/a:i386.list", "/.\n/usr/32\n"},
	  {"var/lib/dpkg/info/a:i386.md5sums", SUM "usr/32\n"},
	  {"usr/64", "1"},
	  {"usr/32", "1"},
	  {"usr/both", "1"}},
	 {"usr/both"},
	 "kept: a:amd64\npartial: a:amd64\nremoved: a:i386\n"
	 "keep: var/lib/dpkg/info/a:amd64.list var/lib/dpkg/status\n"
	 "write var/lib/dpkg/info/a:amd64.list\n/.\n/usr/both\n"
	 "drop var/lib/dpkg/info/a:i386.list\ndrop var/lib/dpkg/info/a:i386.md5sums\n"
	 "write var/lib/dpkg/status\n" REC("a") "\n"},
	{"a conffile is a file, listed or not; a package of conffiles alone is none",
	 {{"var/lib/dpkg/status",
	   "Package: a\nStatus: install ok installed\nVersion: 1\nConffiles:\n /etc/a 0123 obsolete\n\n"
	   "Package: b\nStatus: deinstall ok config-files\nVersion: 1\nConffiles:\n /etc/b 0123\n\n"
	   "Package: c\nStatus: deinstall ok config-files\nVersion: 1\n\n"},
	  {"var/lib/dpkg/info/a.list", "/.\n/usr/a\n"},
	  {"var/lib/dpkg/info/b.list", "/etc/b\n"},
	  {"etc/a", "1"},
	  {"etc/b", "1"},
	  {"usr/a", "1"}},
	 {"etc/a", "etc/b"},
	 "kept: a\npartial: a\nkeep: var/lib/dpkg/info/a.list var/lib/dpkg/info/b.list var/lib/dpkg/status\n"
	 "write var/lib/dpkg/info/a.list\n/.\n"
	 "write var/lib/dpkg/status\n"
	 "Package: a\nStatus: install ok installed\nVersion: 1\nConffiles:\n /etc/a 0123 obsolete\n\n"
	 "Package: b\nStatus: deinstall ok config-files\nVersion: 1\nConffiles:\n /etc/b 0123\n\n"},
	{"a package without files goes; one without a list stays, for nothing is known",
	 {{"var/lib/dpkg/status", REC("empty") "\n" REC("unknown") "\n"}, {"var/lib/dpkg/info/empty.list", "/.\n"}},
	 {NULL},
	 "kept: unknown\nremoved: empty\nkeep: var/lib/dpkg/status\ndrop var/lib/dpkg/info/empty.list\n"
	 "write var/lib/dpkg/status\n" REC("unknown") "\n"},
	{"nothing stays: an empty list, so that a scanner knows that there is nothing",
	 {{"var/lib/dpkg/status", REC("a") "\n"}, {"var/lib/dpkg/info/a.list", "/.\n/a\n"}, {"a", "1"}},
	 {NULL},
	 "removed: a\nkeep: var/lib/dpkg/status\ndrop var/lib/dpkg/info/a.list\nwrite var/lib/dpkg/status\n"},
	{"a record to a file",
	 {{"var/lib/dpkg/status.d/a", "Package: a\nVersion: 1\n"},
	  {"var/lib/dpkg/status.d/a.md5sums", SUM "usr/a\n" SUM "usr/lib/a\n"},
	  {"var/lib/dpkg/status.d/b", "Package: b\nVersion: 1"},
	  {"var/lib/dpkg/status.d/b.md5sums", SUM "usr/b\n"},
	  {"var/lib/dpkg/status.d/c", "Package: c\nVersion: 1\n"},
	  {"usr/a", "1"},
	  {"usr/lib/a", "1"},
	  {"usr/b", "1"}},
	 {"usr/a"},
	 "kept: a c\npartial: a\nremoved: b\n"
	 "keep: var/lib/dpkg/status.d/a var/lib/dpkg/status.d/a.md5sums var/lib/dpkg/status.d/c\n"
	 "write var/lib/dpkg/status.d/a.md5sums\n" SUM "usr/a\n"
	 "drop var/lib/dpkg/status.d/b\ndrop var/lib/dpkg/status.d/b.md5sums\n"},
	{"what was read by the application stays",
	 {{"var/lib/dpkg/status.d/a", "Package: a\nVersion: 1\n"},
	  {"var/lib/dpkg/status.d/a.md5sums", SUM "usr/a\n"},
	  {"var/lib/dpkg/status", REC("b") "\n"},
	  {"var/lib/dpkg/info/b.list", "/.\n/usr/b\n"},
	  {"usr/a", "1"},
	  {"usr/b", "1"}},
	 {"var/lib/dpkg/status.d/a", "var/lib/dpkg/info/b.list"},
	 "kept: a\npartial: a\nremoved: b\n"
	 "keep: var/lib/dpkg/status var/lib/dpkg/status.d/a var/lib/dpkg/status.d/a.md5sums\n"
	 "write var/lib/dpkg/status\nwrite var/lib/dpkg/status.d/a.md5sums\n"},
	{"copyright, through links, with the licences that it names; their package stays, too",
	 {{"var/lib/dpkg/status", REC("a") "\n" REC("base-files") "\n" REC("gone") "\n"},
	  {"var/lib/dpkg/info/a.list", "/.\n/usr/a\n/usr/share/doc/a\n"},
	  {"var/lib/dpkg/info/base-files.list", "/.\n/usr/share/common-licenses/GPL\n/usr/share/common-licenses/GPL-3\n"
						"/usr/share/common-licenses/BSD\n"},
	  {"var/lib/dpkg/info/gone.list", "/.\n/usr/gone\n/usr/share/doc/gone/copyright\n"},
	  {"usr/a", "1"},
	  {"usr/gone", "1"},
	  {"usr/share/doc/a", "@a-common"},
	  {"usr/share/doc/a-common/copyright",
	   "see /usr/share/common-licenses/GPL.\n/usr/share/common-licenses/../../../a\n"},
	  {"usr/share/doc/gone/copyright", "/usr/share/common-licenses/BSD"},
	  {"usr/share/common-licenses/GPL", "@GPL-3"},
	  {"usr/share/common-licenses/GPL-3", "…"},
	  {"usr/share/common-licenses/BSD", "…"}},
	 {"usr/a"},
	 "kept: a base-files\npartial: base-files\nremoved: gone\n"
	 "keep: usr/share/common-licenses/GPL usr/share/common-licenses/GPL-3 usr/share/doc/a"
	 " usr/share/doc/a-common/copyright"
	 " var/lib/dpkg/info/a.list var/lib/dpkg/info/base-files.list var/lib/dpkg/status\n"
	 "write var/lib/dpkg/info/base-files.list\n/.\n/usr/share/common-licenses/GPL\n/usr/share/common-licenses/GPL-3\n"
	 "drop var/lib/dpkg/info/gone.list\n"
	 "write var/lib/dpkg/status\n" REC("a") "\n" REC("base-files") "\n"},
	{"the distribution's name stays, and with it who owns it",
	 {{"var/lib/dpkg/status", REC("base-files") "\n"},
	  {"var/lib/dpkg/info/base-files.list", "/.\n/etc\n/etc/issue\n/usr\n/usr/lib\n/usr/lib/os-release\n"},
	  {"etc/issue", "x"},
	  {"etc/os-release", "@../usr/lib/os-release"},
	  {"usr/lib/os-release", "ID=x\n"}},
	 {NULL},
	 "kept: base-files\npartial: base-files\n"
	 "keep: etc/os-release usr/lib/os-release var/lib/dpkg/info/base-files.list var/lib/dpkg/status\n"
	 "write var/lib/dpkg/info/base-files.list\n/.\n/usr\n/usr/lib\n/usr/lib/os-release\n"},
	{"a database behind a link",
	 {{"var/lib/dpkg", "@../../opt/dpkg"},
	  {"opt/dpkg/status", REC("a") "\n" REC("b") "\n"},
	  {"opt/dpkg/info/a.list", "/.\n/a\n"},
	  {"opt/dpkg/info/b.list", "/.\n/b\n"},
	  {"a", "1"},
	  {"b", "1"}},
	 {"a"},
	 "kept: a\nremoved: b\nkeep: opt/dpkg/info/a.list opt/dpkg/status var/lib/dpkg\n"
	 "drop opt/dpkg/info/b.list\nwrite opt/dpkg/status\n" REC("a") "\n"},
	{"Python: with a list of files",
	 {{"v/a-1.dist-info/METADATA", "Name: a\nVersion: 1\n"},
	  {"v/a-1.dist-info/RECORD",
	   "a/__init__.py,sha256=x,1\n\"a/q\"\"\",,\n../bin/a,,\na-1.dist-info/RECORD,,\n../../../../x,,\n"},
	  {"v/a-1.dist-info/LICENSE", "MIT"},
	  {"v/a-1.dist-info/INSTALLER", "pip"},
	  {"v/a/__init__.py", "1"},
	  {"bin/a", "1"},
	  {"v/b-1.dist-info/METADATA", "Name: b\nVersion: 1\n"},
	  {"v/b-1.dist-info/RECORD", "b.py,,\n"},
	  {"v/b.py", "1"},
	  {"x", "1"}},
	 {"bin/a"},
	 "keep: v/a-1.dist-info/LICENSE v/a-1.dist-info/METADATA v/a-1.dist-info/RECORD\n"},
	{"Python: by the names of modules, and where nothing is known",
	 {{"v/A-b-1.egg-info", "Name: A-b\nVersion: 1\n"},
	  {"v/a_b/x.py", "1"},
	  {"v/c-1.dist-info/METADATA", "Name: c\nVersion: 1\n"},
	  {"v/c-1.dist-info/top_level.txt", "see\n"},
	  {"v/see.py", "1"},
	  {"v/d-1.dist-info/METADATA", "Name: d\nVersion: 1\n"},
	  {"v/d-1.dist-info/top_level.txt", "dee\n"},
	  {"v/dee.cpython-311-x86_64-linux-gnu.so", "1"},
	  {"w/u-1.dist-info/METADATA", "Name: u\nVersion: 1\n"},
	  {"w/other", "1"},
	  {"z/u-1.dist-info/METADATA", "Name: u\nVersion: 1\n"}},
	 {"v/a_b/x.py", "v/dee.cpython-311-x86_64-linux-gnu.so", "w/other"},
	 "keep: v/A-b-1.egg-info v/d-1.dist-info/METADATA v/d-1.dist-info/top_level.txt w/u-1.dist-info/METADATA\n"},
	{"npm",
	 {{"app/package.json", "{\"name\":\"app\",\"version\":\"1\"}"},
	  {"app/node_modules/a/package.json", "{\"name\":\"a\",\"version\":\"1\"}"},
	  {"app/node_modules/a/lib/x.js", "1"},
	  {"app/node_modules/a/license.md", "1"},
	  {"app/node_modules/a/node_modules/b/package.json", "{\"name\":\"b\",\"version\":\"1\"}"},
	  {"app/node_modules/a/node_modules/b/b.js", "1"},
	  {"app/node_modules/c/package.json", "{\"name\":\"c\",\"version\":\"1\"}"},
	  {"app/node_modules/c/c.js", "1"}},
	 {"app/node_modules/a/lib/x.js"},
	 "keep: app/node_modules/a/license.md app/node_modules/a/package.json\n"},
	{"a package's Python metadata that stays is a file of it",
	 {{"var/lib/dpkg/status", REC("p") "\n"},
	  {"var/lib/dpkg/info/p.list", "/.\n/v/u-1.egg-info\n"},
	  {"v/u-1.egg-info", "Name: u\nVersion: 1\n"},
	  {"v/other", "1"}},
	 {"v/other"},
	 "kept: p\nkeep: v/u-1.egg-info var/lib/dpkg/info/p.list var/lib/dpkg/status\n"},
};

static void plans(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
		struct wh_err *err = NULL;
		struct wh_pkgdb_plan p = {0};
		struct forest f;

		forest_open(&f, rows[i].files, MAX_FILES);
		assert_ok(wh_pkgdb_plan_make(f.tree, in_list, (void *)(uintptr_t)rows[i].kept, &p, &err), err);
		show_plan(&p, &out);
		if (strcmp(out.p ? out.p : "", rows[i].out) != 0)
			fail_msg("%s:\n%s", rows[i].what, out.p ? out.p : "");
		for (size_t k = 0; k < p.keep.n; k++) {
			struct wh_node_ref n;

			assert_int_equal(wh_tree_lookup(f.tree, p.keep.v[k], &n), 0);
			assert_true(n.e.type != WH_T_DIR);
		}
		wh_pkgdb_plan_release(&p);
		forest_close(&f);
	}
}

static void whole_packages(void **state)
{
	static const struct file files[] = {
		{"var/lib/dpkg/status", REC("a") "\n" REC("b") "\n" REC("c") "\n"},
		{"var/lib/dpkg/info/a.list",
		 "/.\n/bin\n/bin/a\n/etc\n/etc/a\n/usr/share/doc/a/copyright\n/var/a\n/gone\n"},
		{"var/lib/dpkg/info/b.list", "/.\n/bin\n/bin/b\n/var/a\n"},
		{"var/lib/dpkg/info/c.list", "/.\n/usr/share/doc/c/copyright\n/bin/c\n"},
		{"bin", "@usr/bin"},
		{"usr/bin/a", "1"},
		{"usr/bin/b", "1"},
		{"usr/bin/c", "1"},
		{"etc/a", "1"},
		{"var/a", NULL},
		{"usr/share/doc/a/copyright", "1"},
		{"usr/share/doc/c/copyright", "1"},
		{"v/p-1.dist-info/METADATA", "Name: p\nVersion: 1\n"},
		{"v/p-1.dist-info/RECORD", "p/1.py,,\np/2.py,,\n"},
		{"v/p/1.py", "1"},
		{"v/p/2.py", "1"},
	};
	const char *kept[] = {"usr/bin/a", "bin", "var/a", "usr/share/doc/c/copyright", "v/p/2.py", NULL};
	struct wh_err *err = NULL;
	WH_AUTO_STRV struct wh_strv got = {0};
	WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
	struct forest f;

	(void)state;
	forest_open(&f, files, WH_ARRAY_SIZE(files));
	assert_ok(wh_pkgdb_expand(f.tree, in_list, kept, &got, &err), err);
	show_names(&out, "", &got);
	assert_string_equal(
		out.p,
		" bin etc etc/a usr/bin/a v/p-1.dist-info/METADATA v/p-1.dist-info/RECORD v/p/1.py v/p/2.py var/a\n");
	forest_close(&f);
}

/* A plan for the pruned tree changes nothing any more, and its packages are the ones that the plan says. */
static void pruning_twice(void **state)
{
	static const struct file files[] = {
		{"var/lib/dpkg/status", REC("a") "\n"},
		{"var/lib/dpkg/info/a.list", "/.\n/usr\n/usr/d\n/usr/d/1\n"},
		{"var/lib/dpkg/info/a.md5sums", SUM "usr/d/1\n"},
		{"usr/d/1", "1"},
	};
	const char *kept[] = {"usr/d/1", NULL};
	struct wh_err *err = NULL;
	struct wh_pkgdb_plan p = {0};
	struct forest f;

	(void)state;
	forest_open(&f, files, WH_ARRAY_SIZE(files));
	assert_ok(wh_pkgdb_plan_make(f.tree, in_list, kept, &p, &err), err);
	assert_int_equal(p.n, 0);
	assert_int_equal(p.kept.n, 1);
	assert_int_equal(p.partial.n + p.removed.n, 0);
	wh_pkgdb_plan_release(&p);
	forest_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plans),
		cmocka_unit_test(whole_packages),
		cmocka_unit_test(pruning_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
