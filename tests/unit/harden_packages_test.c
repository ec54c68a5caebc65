/* SPDX-License-Identifier: Apache-2.0 */
/* What is installed in made-up trees: dpkg's records, Python's and npm's metadata. */
#include "harden/packages_private.h"

#include "tests/unit/harden_packages_helper.h"

static void show_packages(const struct wh_packages *p, struct wh_buf *out)
{
	static const char *const kinds[] = {[WH_PKG_DEB] = "deb", [WH_PKG_PYPI] = "pypi", [WH_PKG_NPM] = "npm"};

	for (size_t i = 0; i < p->n; i++) {
		const struct wh_package *x = &p->v[i];

		wh_buf_addf(out, "%s %s %s", kinds[x->kind], x->name, x->version);
		if (x->arch)
			wh_buf_addf(out, " %s", x->arch);
		if (x->source && !wh_streq(x->source, x->name))
			wh_buf_addf(out, " src=%s", x->source);
		if (x->source_version && !wh_streq(x->source_version, x->version))
			wh_buf_addf(out, " srcv=%s", x->source_version);
		if (x->license)
			wh_buf_addf(out, " license=%s", x->license);
		if (x->maintainer)
			wh_buf_addf(out, " by=%s", x->maintainer);
		for (size_t k = 0; k < x->depends.n; k++)
			wh_buf_addf(out, "%s%s", k ? "," : " needs=", x->depends.v[k]);
		wh_buf_addc(out, '\n');
	}
	if (p->distro_id)
		wh_buf_addf(out, "%s %s \"%s\"\n", p->distro_id, p->distro_version ? p->distro_version : "-",
			    p->distro_name ? p->distro_name : "-");
	if (p->unread)
		wh_buf_addf(out, "unread: %s\n", p->unread);
}

static const struct {
	const char *what;
	struct file files[8];
	const char *out; /* NULL: an error */
} rows[] = {
	{"nothing at all", {{"etc/motd", "x"}}, ""},
	{"one package",
	 {{"var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2-3\n"}},
	 "deb a 1:2-3 amd64\n"},
	{"only what dpkg calls gone is gone",
	 {{"var/lib/dpkg/status",
	   "Package: a\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: b\nStatus: hold ok installed\n"
	   "Version: 2\n\nPackage: c\nStatus: install reinstreq half-installed\nVersion: 3\n\n\n\nPackage: d\n"
	   "Version: 4\n\nPackage: e\nStatus: installed\nVersion: 5\n\nPackage: f\nStatus: install ok not-installed\n\n"
	   "Package: g\nStatus: install ok unpacked\nVersion: 6\n\nPackage: h\nStatus: install ok half-configured\n"
	   "Version: 7\n\nPackage: i\nStatus: install ok triggers-awaited\nVersion: 8\n\nPackage: j\n"
	   "Status: install ok triggers-pending\nVersion: 9\n\nPackage: k\nStatus: purge ok not-installed\nVersion: 1\n\n"
	   "Package: l\nStatus: deinstall ok installed\nVersion: 10\n\nPackage: m\nStatus: install ok nonsense\n"
	   "Version: 11\n\nPackage: n\nStatus: install reinstreq half-installed\n\nPackage: o\nMaintainer: m\n\n"
	   "Package: p\nStatus: unknown ok not-installed\nVersion: 12\n"}},
	 "deb b 2\ndeb c 3\ndeb d 4\ndeb e 5\ndeb g 6\ndeb h 7\ndeb i 8\ndeb j 9\ndeb l 10\ndeb m 11\n"},
	{"source, folded fields, letter case, the first of two",
	 {{"var/lib/dpkg/status", "PACKAGE: a\nstatus: install ok installed\nVersion: 2+b1\nSource: s (2)\nVersion: 9\n"
				  "Description: x\n y\n .\n Package: no\nMaintainer: M <m@x>\n\n"
				  "Package: b\nStatus: install ok installed\nVersion: 1\nSource: t\n"}},
	 "deb a 2+b1 src=s srcv=2 by=M <m@x>\ndeb b 1 src=t\n"},
	{"line ends of another system",
	 {{"var/lib/dpkg/status", "Package: a\r\nStatus: install ok installed\r\nVersion: 1\r\n\r\nPackage: b\r\n"
				  "Status: install ok installed\r\nVersion: 2\r\n"}},
	 "deb a 1\ndeb b 2\n"},
	{"dependencies",
	 {{"var/lib/dpkg/status",
	   "Package: a\nStatus: install ok installed\nVersion: 1\nPre-Depends: c:any (>= 1) [amd64]\n"
	   "Depends: gone | b (>= 2) | c, mail,\n virtual (= 1), a, nobody,, b\n\n"
	   "Package: b\nStatus: install ok installed\nVersion: 1\n\n"
	   "Package: c\nStatus: install ok installed\nVersion: 1\n\n"
	   "Package: x\nStatus: install ok installed\nVersion: 1\nProvides: mail, virtual (= 1)\n\n"
	   "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\nProvides: mail\n"}},
	 "deb a 1 needs=b,c,x\ndeb b 1\ndeb c 1\ndeb x 1\n"},
	{"two architectures of one package",
	 {{"var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nArchitecture: i386\nVersion: 1\n\n"
				  "Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\n"}},
	 "deb a 1 amd64\ndeb a 1 i386\n"},
	{"a record to a file",
	 {{"var/lib/dpkg/status.d/b", "Package: b\nVersion: 2\nArchitecture: all\n"},
	  {"var/lib/dpkg/status.d/b.md5sums", "0123456789abcdef0123456789abcdef  usr/b\n"},
	  {"var/lib/dpkg/status.d/c", "Package: c\nStatus: deinstall ok config-files\nVersion: 2\n"}},
	 "deb b 2 all\n"},
	{"the distribution",
	 {{"etc/os-release",
	   "# PRETTY_NAME=no\nPRETTY_NAME=\"A \\\"B\\\" C\"\nVERSION_ID='12'\nID=debian\nID_LIKE=x\n"}},
	 "debian 12 \"A \"B\" C\"\n"},
	{"the distribution behind a link",
	 {{"etc/os-release", "@../usr/lib/os-release"}, {"usr/lib/os-release", "NAME=X\nID=x\n"}},
	 "x - \"X\"\n"},
	{"the distribution in its other place", {{"usr/lib/os-release", "ID=x\n"}}, "x - \"-\"\n"},
	{"records of others",
	 {{"var/lib/dpkg/status", "Package: a\nStatus: install ok installed\nVersion: 1\n"},
	  {"lib", "@usr/lib"},
	  {"usr/lib/apk/db/installed", "P:musl\nV:1\n"}},
	 "deb a 1\nunread: apk\n"},
	{"records of others, and none of ours", {{"var/lib/rpm", "@../../usr/rpm"}, {"usr/rpm/rpmdb.sqlite", "x"}}, "unread: rpm\n"},
	{"a database of others that is empty", {{"lib/apk/db/installed", ""}}, ""},
	{"Python",
	 {{"opt/v/a.dist-info/METADATA",
	   "Metadata-Version: 2.1\nName: Foo_Bar\nVersion: 1.0\nLicense: BSD\nLicense-Expression: MIT\n"
	   "Author: A\nAuthor-email: a@x\n\nName: no\n"},
	  {"opt/v/b.egg-info", "Name: b\nVersion: 2\nLicense: UNKNOWN\n"},
	  {"opt/v/c.egg-info/PKG-INFO", "name: c\nversion: 3\nMaintainer-email: M <m@x>\n"},
	  {"opt/v/d.egg/EGG-INFO/PKG-INFO", "Name: d\nVersion: 4\n"},
	  {"opt/v/e.dist-info/METADATA", "Name: e\n\nVersion: 5\n"},
	  {"opt/v/METADATA", "Name: f\nVersion: 6\n"}},
	 "pypi Foo_Bar 1.0 license=MIT by=A <a@x>\npypi b 2\npypi c 3 by=M <m@x>\npypi d 4\n"},
	{"npm",
	 {{"app/package.json", "{\"name\":\"app\",\"version\":\"0.1.0\",\"private\":true}"},
	  {"app/node_modules/@s/p/package.json",
	   "{\"name\":\"@s/p\",\"version\":\"1.2.3\",\"license\":{\"type\":\"ISC\"},\"author\":{\"name\":\"N\"}}"},
	  {"app/node_modules/q/package.json", "{\"name\":\"q\",\"version\":\"1\",\"name\":\"q\"}\n{"},
	  {"app/node_modules/q/esm/package.json", "{\"type\":\"module\"}"},
	  {"app/node_modules/q/test/package.json", "{\"name\": broken"},
	  {"app/node_modules/q/t/package.json", "[]"},
	  {"app/.git/package.json", "{\"name\":\"git\",\"version\":\"1\"}"},
	  {"proc/package.json", "{\"name\":\"proc\",\"version\":\"1\"}"}},
	 "npm @s/p 1.2.3 license=ISC by=N\nnpm app 0.1.0\nnpm q 1\n"},
	{"what belongs to one of dpkg's packages is told of once",
	 {{"var/lib/dpkg/status", "Package: python3-x\nStatus: install ok installed\nVersion: 1\n\n"
				  "Package: python3-y\nStatus: deinstall ok config-files\nVersion: 1\n"},
	  {"var/lib/dpkg/info/python3-x.list", "/.\n/lib\n/lib/py\n/lib/py/x.egg-info\n/lib/py/x.egg-info/PKG-INFO\n"},
	  {"var/lib/dpkg/info/python3-y.list", "/.\n/usr/lib/py/y.egg-info\n"},
	  {"lib", "@usr/lib"},
	  {"usr/lib/py/x.egg-info/PKG-INFO", "Name: x\nVersion: 1\n"},
	  {"usr/lib/py/y.egg-info", "Name: y\nVersion: 1\n"}},
	 "deb python3-x 1\npypi y 1\n"},
	{"names that are none of UTF-8", {{"a.egg-info", "Name: a\377\001b\nVersion: 1\n"}}, "pypi a??b 1\n"},
	{"a line that is none", {{"var/lib/dpkg/status", "Package: a\nStatus install ok installed\n"}}, NULL},
	{"it continues nothing", {{"var/lib/dpkg/status", " x\nPackage: a\n"}}, NULL},
	{"a name that climbs",
	 {{"var/lib/dpkg/status", "Package: ../x\nStatus: install ok installed\nVersion: 1\n"}},
	 NULL},
	{"an architecture that climbs",
	 {{"var/lib/dpkg/status", "Package: x\nStatus: install ok installed\nVersion: 1\nArchitecture: a/b\n"}},
	 NULL},
	{"no version", {{"var/lib/dpkg/status", "Package: x\nStatus: install ok installed\n"}}, NULL},
	{"unpacked, without a version", {{"var/lib/dpkg/status", "Package: x\nStatus: install ok unpacked\n"}}, NULL},
	{"no name", {{"var/lib/dpkg/status.d/x", "Version: 1\n"}}, NULL},
	{"a directory in place of the records", {{"var/lib/dpkg/status/x", "Package: x\n"}}, NULL},
};

static void lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(rows); i++) {
		WH_AUTO_BUF struct wh_buf out = WH_BUF_INIT;
		WH_AUTO_ERR struct wh_err *err = NULL;
		struct wh_packages p = {0};
		struct forest f;
		int r;

		forest_open(&f, rows[i].files, WH_ARRAY_SIZE(rows[i].files));
		r = wh_packages_read(f.tree, &p, &err);
		if ((r < 0) != !rows[i].out)
			fail_msg("%s: %d %s", rows[i].what, r, err ? err->msg : "");
		if (r < 0) {
			assert_non_null(err);
			assert_null(strchr(err->msg, '\n'));
		} else {
			show_packages(&p, &out);
			if (strcmp(out.p ? out.p : "", rows[i].out) != 0)
				fail_msg("%s:\n%s", rows[i].what, out.p ? out.p : "");
		}
		wh_packages_release(&p);
		forest_close(&f);
	}
}

static void error_names_the_line(void **state)
{
	static const struct file files[] = {
		{"var/lib/dpkg/status", "Package: a\nVersion: 1\n\nPackage: b\nnonsense\n"}};
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_packages p = {0};
	struct forest f;

	(void)state;
	forest_open(&f, files, 1);
	assert_int_equal(wh_packages_read(f.tree, &p, &err), -EINVAL);
	assert_non_null(strstr(err->msg, "/var/lib/dpkg/status: line 5: "));
	forest_close(&f);
}

static void zero_byte(void **state)
{
	static const char text[] = "Package: a\nVersion: 1\0\n";
	WH_AUTO_ERR struct wh_err *err = NULL;
	struct wh_dpkg d = {0};

	(void)state;
	assert_int_equal(wh_dpkg_parse(&d, wh_memdup(text, sizeof(text) - 1), sizeof(text) - 1, "status", false, &err),
			 -EINVAL);
	assert_non_null(strstr(err->msg, "line 2: a byte 0"));
	wh_dpkg_release(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(error_names_the_line),
		cmocka_unit_test(zero_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
