/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The closure rules about native code: each row of the table has a case here in which it alone keeps a path, so that the case fails when the row is taken
 * away, and a row without a case fails the test. (The rows about languages are shown by tests/prog/closure-lang.t.)
 */
#include "harden/closure_table.h"

#include "tests/unit/harden_helper.h"

#include <elf.h>
#include <errno.h>

/* ---------------------------------------------------------------- ELF files from words */

static uint32_t string_of(struct wh_buf *strings, const char *s)
{
	size_t at = strings->n;

	wh_buf_add(strings, s, strlen(s) + 1);
	return (uint32_t)at;
}

/* A shared object (or program) of one segment. Words: "i:NAME" imports it, "n:NAME" needs it, "s:TEXT" has it in its data, "p" is a program. */
static void elf_of(const char *words, struct wh_buf *out)
{
	WH_AUTO_BUF struct wh_buf strings = WH_BUF_INIT, data = WH_BUF_INIT;
	Elf64_Sym symbols[16] = {0};
	Elf64_Dyn dynamic[24] = {0};
	size_t n_symbols = 1, n_dynamic = 0, at = sizeof(Elf64_Ehdr) + 3 * sizeof(Elf64_Phdr), base = at;
	Elf64_Ehdr e = {.e_ident = ELFMAG "\2\1\1", .e_type = ET_DYN, .e_machine = EM_X86_64, .e_phoff = sizeof(e), .e_phentsize = sizeof(Elf64_Phdr), .e_phnum = 3};
	Elf64_Phdr ph[3] = {{.p_type = PT_LOAD, .p_flags = PF_R}, {.p_type = PT_DYNAMIC}, {.p_type = PT_NULL}};
	static const char interp[] = "/lib64/ld-linux-x86-64.so.2";

	string_of(&strings, "");
	wh_buf_addc(&data, '\0');
	for (const char *p = words + strspn(words, " "); *p;) {
		size_t n = strcspn(p, " ");
		WH_AUTO_FREE char *word = wh_strndup(p, n);

		if (*p == 'i')
			symbols[n_symbols++].st_name = string_of(&strings, word + 2);
		else if (*p == 'n')
			dynamic[n_dynamic++] = (Elf64_Dyn){.d_tag = DT_NEEDED, .d_un.d_val = string_of(&strings, word + 2)};
		else if (*p == 's')
			wh_buf_add(&data, word + 2, n - 1);
		else if (*p == 'p')
			ph[2] = (Elf64_Phdr){.p_type = PT_INTERP, .p_filesz = sizeof(interp)};
		p += n + (p[n] == ' ');
	}
	if (ph[2].p_type == PT_INTERP) {
		ph[2].p_offset = ph[2].p_vaddr = base;
		at += (sizeof(interp) + 7) / 8 * 8;
	}
	dynamic[n_dynamic++] = (Elf64_Dyn){.d_tag = DT_SYMTAB, .d_un.d_ptr = at};
	dynamic[n_dynamic++] = (Elf64_Dyn){.d_tag = DT_STRTAB, .d_un.d_ptr = at + n_symbols * sizeof(*symbols)};
	dynamic[n_dynamic++] = (Elf64_Dyn){.d_tag = DT_STRSZ, .d_un.d_val = strings.n};
	n_dynamic++;
	ph[1].p_offset = ph[1].p_vaddr = at + n_symbols * sizeof(*symbols) + strings.n;
	ph[1].p_filesz = n_dynamic * sizeof(*dynamic);
	ph[0].p_filesz = ph[1].p_offset + ph[1].p_filesz + data.n;
	wh_buf_add(out, &e, sizeof(e));
	wh_buf_add(out, ph, sizeof(ph));
	if (ph[2].p_type == PT_INTERP) {
		wh_buf_add(out, interp, sizeof(interp));
		while (out->n < at)
			wh_buf_addc(out, '\0');
	}
	wh_buf_add(out, symbols, n_symbols * sizeof(*symbols));
	wh_buf_add(out, strings.p, strings.n);
	wh_buf_add(out, dynamic, n_dynamic * sizeof(*dynamic));
	wh_buf_add(out, data.p, data.n);
}

/* ---------------------------------------------------------------- a tree */

/* text: "@x": a symlink to x; "=x": a hard link to x; "ELF words": such a file; "/": an empty directory; else the content. Programs and scripts get mode 755. */
struct file {
	const char *path, *text;
};

static int by_path(const void *a, const void *b)
{
	return wh_path_cmp(((const struct file *)a)->path, ((const struct file *)b)->path);
}

static void add_file(struct wh_layer_writer *w, const struct file *f, struct wh_err **err)
{
	WH_AUTO_BUF struct wh_buf bytes = WH_BUF_INIT;
	struct wh_entry e = {.path = f->path, .type = WH_T_FILE, .mode = 0644, .mtime = 1000};

	if (*f->text == '@' || *f->text == '=') {
		e.type = *f->text == '@' ? WH_T_SYMLINK : WH_T_HARDLINK;
		e.link = f->text + 1;
		e.mode = 0777;
	} else if (wh_streq(f->text, "/")) {
		e.type = WH_T_DIR;
		e.mode = 0755;
	} else if (wh_has_prefix(f->text, "ELF")) {
		elf_of(f->text + 3, &bytes);
		e.mode = 0755;
	} else {
		wh_buf_adds(&bytes, f->text);
		if (wh_has_prefix(f->text, "#!"))
			e.mode = 0755;
	}
	e.size = e.type == WH_T_FILE ? bytes.n : 0;
	assert_ok(wh_layer_writer_add(w, &e, err), *err);
	if (e.type == WH_T_FILE)
		assert_ok(wh_layer_writer_data(w, bytes.p, bytes.n, err), *err);
}

static void tree_of(struct grove *g, const struct file *files, size_t n)
{
	WH_AUTO_FREE struct file *v = wh_memdup(files, n * sizeof(*v));
	WH_AUTO_STRV struct wh_strv dirs = {0};
	struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
	struct wh_layer_writer *w = NULL;
	struct wh_err *err = NULL;

	*g = (struct grove){.n = 1};
	become_root();
	bed_open(&g->bed);
	qsort(v, n, sizeof(*v), by_path);
	o.threads = 1;
	assert_ok(wh_layer_writer_new(g->bed.store, &o, &w, &err), err);
	for (size_t i = 0; i < n; i++) {
		for (const char *s = strchr(v[i].path, '/'); s; s = strchr(s + 1, '/')) {
			WH_AUTO_FREE char *dir = wh_strndup(v[i].path, (size_t)(s - v[i].path));
			const struct file d = {dir, "/"};

			if (!wh_strv_has(&dirs, dir))
				add_file(w, &d, &err);
			wh_strv_add(&dirs, dir);
		}
		if (wh_streq(v[i].text, "/"))
			wh_strv_add(&dirs, v[i].path);
		add_file(w, &v[i], &err);
	}
	assert_ok(wh_layer_writer_finish(w, &g->layers[0], &err), err);
	assert_ok(wh_tree_open(g->bed.store, g->layers, 1, &g->tree, &err), err);
}

/* ---------------------------------------------------------------- what stays */

static struct wh_keep *decide(struct grove *g, const char *records, const char *config, const char *const *drop)
{
	WH_AUTO_JSON json_t *profile = profile_of(g->tree, records), *c = NULL;
	const json_t *profiles[] = {profile};
	struct wh_prune_opts o = {.drop = drop, .profiles = profiles, .n_profiles = 1};
	struct wh_err *err = NULL;
	struct wh_keep *k = NULL;

	if (config)
		assert_ok(wh_json_parse(config, strlen(config), "config", &c, &err), err);
	o.config = c;
	assert_ok(wh_keep_decide(g->tree, &o, &k, &err), err);
	return k;
}

static const struct wh_kept *kept_of(const struct wh_keep *k, const char *path)
{
	struct wh_kept *i;

	HASH_FIND_STR(k->items, path, i);
	return i;
}

/* ---------------------------------------------------------------- the rows */

#define LIB "usr/lib/x86_64-linux-gnu/"

static const struct file files[] = {
	/* Debian's layout; contents do not matter unless a rule reads them */
	{"bin", "@usr/bin"},
	{"lib", "@usr/lib"},
	{"usr/bin/sh", "#!shell"},
	{"usr/bin/perl", "ELF p"},
	/* what code names */
	{LIB "libnamed.so.1", "@libnamed.so.1.2"},
	{LIB "libnamed.so.1.2", "ELF n:libneeded.so.3"},
	{LIB "libneeded.so.3", "ELF"},
	{LIB "libidn2.so.0", "ELF"},
	{LIB "libcups.so.2", "ELF"},
	{"etc/app.conf", "x"},
	{"etc/open.conf", "x"},
	{"etc/listed", "include /etc/included.txt # and /srv/pages\nrun = \"/usr/bin/helper\"\n"},
	{"etc/included.txt", "x"},
	{"etc/dropin.conf", "Include /etc/dropin.d/*.conf\n"},
	{"etc/dropin.d/local.conf", "x"},
	{"etc/dropin.d/local.off", "x"},
	{"etc/daemon/rules.d/local", "x"},
	{"etc/daemon/start", "#!/usr/bin/perl"},
	{"etc/cron.d/daemon", "x"},
	{"usr/sbin/served", "ELF p"},
	{"etc/logcheck/ignore.d.server/served", "/usr/bin/helper"},
	{"etc/served/served.cfg", "icons /usr/share/served/icons\n"},
	{"usr/share/served/icons/a.gif", "x"},
	{"usr/share/served/icons/foreign.gif", "x"},
	{"usr/share/served/other.gif", "x"},
	{"etc/served-extra/more.cfg", "x"},
	{"etc/init.d/served", "#!/bin/sh"},
	{"var/lib/served", "/"},
	{"var/lib/served-cache/state", "x"},
	{"var/lib/dpkg/status",
	 "Package: served\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\n"
	 "Package: served-common\nSource: served (1-2)\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n"
	 "Package: unserved\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n"},
	{"var/lib/dpkg/info/served.list", "/.\n/usr\n/usr/sbin\n/usr/sbin/served\n/etc/init.d/served\n"},
	{"var/lib/dpkg/info/served-common.list", "/.\n/etc\n/etc/served\n/etc/served/served.cfg\n/etc/logcheck/ignore.d.server/served\n/var/lib/served\n/usr/share/served/icons/a.gif\n"},
	{"var/lib/dpkg/info/unserved.list", "/.\n/usr/share/served/icons/foreign.gif\n/etc/served-extra\n/etc/served-extra/more.cfg\n/var/lib/served-cache\n"
	 "/usr/lib/locale/fr_FR.utf8/LC_CTYPE\n/usr/lib/locale/C.utf8/LC_CTYPE\n"},
	{"etc/shadow", "root:*:"},
	{"srv/pages/index", "x"},
	{"srv/site/index.html", "x"},
	{"srv/site/deep/other.html", "x"},
	{"srv/site/.git/config", "x"},
	{"srv/site/empty", "/"},
	{"srv/site/tool", "ELF p"},
	{"srv/db/PG_VERSION", "15"},
	{"srv/db/base/4/PG_VERSION", "15"},
	{"srv/db/pg_wal/0001", "x"},
	{"usr/bin/helper", "ELF p"},
	{"usr/bin/script", "#!/usr/bin/perl"},
	{"usr/libexec/worker", "ELF p"},
	{"usr/share/app/data", "x"},
	{"usr/share/app/tool.pl", "#!/usr/bin/perl"},
	{"usr/share/app/tool.py", "#!/usr/bin/env python3"},
	{"usr/bin/env", "ELF p"},
	{"usr/share/app/sub/more", "x"},
	{"usr/share/other/data", "x"},
	{"opt/app/plugins/a.so", "ELF"},
	{"opt/app/plugins/b.so", "ELF n:libneeded.so.3"},
	{"opt/app/plugins/llvmjit.so", "ELF"},
	{"opt/app/plugins/readme", "x"},
	{"usr/bin/first", "ELF p"},
	{"usr/bin/second", "@first"},
	{"usr/bin/third", "=usr/bin/first"},
	/* the C library's */
	{"etc/nsswitch.conf", "hosts: files [NOTFOUND=return] mdns # dns\n"},
	{LIB "libnss_files.so.2", "ELF"},
	{LIB "libnss_mdns.so.2", "ELF"},
	{LIB "libnss_dns.so.2", "ELF"},
	{"etc/gai.conf", "x"},
	{"etc/services", "x"},
	{"etc/shells", "x"},
	{LIB "gconv/gconv-modules", "x"},
	{LIB "gconv/UTF-16.so", "ELF"},
	{LIB "gconv/BIG5.so", "ELF"},
	{"usr/lib/locale/C.utf8/LC_CTYPE", "x"},
	{"usr/lib/locale/locale-archive", "x"},
	{"usr/lib/locale/de_DE.utf8/LC_CTYPE", "x"},
	{"usr/lib/locale/fr_FR.utf8/LC_CTYPE", "x"},
	{"usr/share/locale/de/LC_MESSAGES/app.mo", "x"},
	{"usr/share/zoneinfo/Asia/Tokyo", "x"},
	{"usr/share/zoneinfo/Etc/UTC", "x"},
	{"usr/share/zoneinfo/right/Asia/Tokyo", "x"},
	{"usr/lib/terminfo/x/xterm", "x"},
	{"usr/share/terminfo/s/screen-256color", "x"},
	{"usr/share/terminfo/a/adm3a", "x"},
	/* TLS, users */
	{"etc/ssl/certs/ca-certificates.crt", "x"},
	{"etc/ssl/openssl.cnf", "x"},
	{"usr/lib/ssl/openssl.cnf", "@/etc/ssl/openssl.cnf"},
	{LIB "ossl-modules/legacy.so", "ELF"},
	{"usr/share/p11-kit/modules/p11-kit-trust.module", "x"},
	{"etc/pam.d/login", "x"},
	{LIB "security/pam_unix.so", "ELF"},
	{LIB "sasl2/libdigestmd5.so", "ELF"},
	{"etc/krb5.conf", "x"},
	{LIB "krb5/plugins/preauth/pkinit.so", "ELF"},
	{"etc/ldap/ldap.conf", "x"},
	/* libraries */
	{LIB "gio/modules/libgiognutls.so", "ELF"},
	{"usr/share/mime/globs2", "x"},
	{"etc/mime.types", "x"},
	{LIB "libgdk_pixbuf-2.0.so.0", "ELF"},
	{LIB "gdk-pixbuf-2.0/2.10.0/loaders/png.so", "ELF"},
	{"etc/fonts/fonts.conf", "x"},
	{"usr/share/fonts/a/one.ttf", "x"},
	{"usr/share/fonts/a/two.ttf", "x"},
	{"usr/share/fonts/b/three.ttf", "x"},
	{LIB "libMagickCore-6.Q16.so.6", "ELF"},
	{LIB "ImageMagick-6.9.11/modules-Q16/coders/png.so", "ELF"},
	{"etc/xml/catalog", "x"},
	{"etc/xml/docbook.xml", "x"},
	{"usr/lib/file/magic.mgc", "x"},
	{"usr/share/GeoIP/GeoIP.dat", "x"},
	{LIB "libmariadb3/plugin/dialog.so", "ELF"},
	{"etc/postgresql-common/pg_service.conf", "x"},
	{LIB "libodbc.so.2", "ELF"},
	{LIB "odbc/psqlodbcw.so", "ELF"},
	{LIB "gstreamer-1.0/libgstvolume.so", "ELF"},
	{LIB "libQt5Core.so.5", "ELF"},
	{LIB "qt5/plugins/platforms/libqoffscreen.so", "ELF"},
	{LIB "libgvc.so.6", "ELF"},
	{LIB "graphviz/config6a", "x"},
	{"usr/share/hunspell/en_US.dic", "x"},
	{"usr/share/alsa/alsa.conf", "x"},
	{"usr/share/tesseract-ocr/5/tessdata/eng.traineddata", "x"},
	{"usr/share/tesseract-ocr/5/tessdata/osd.traineddata", "x"},
	{"usr/share/X11/locale/locale.dir", "x"},
	/* applications */
	{"usr/lib/postgresql/15/bin/postgres", "ELF p"},
	{"usr/lib/postgresql/15/lib/citext.so", "ELF"},
	{"usr/lib/postgresql/15/lib/llvmjit.so", "ELF"},
	{"usr/share/postgresql/15/extension/citext.control", "x"},
	{"usr/local/bin/postgres", "ELF p"},
	{"usr/local/share/postgresql/extension/hstore.control", "x"},
	{"usr/sbin/mariadbd", "ELF p"},
	{"usr/lib/mysql/plugin/auth_socket.so", "ELF"},
	{"usr/bin/redis-server", "ELF p"},
	{"usr/lib/redis/modules/search.so", "ELF"},
	{"usr/bin/git", "ELF p"},
	{"usr/lib/git-core/git-remote-http", "ELF p"},
	{"usr/lib/git-core/git-submodule", "#!/bin/sh"},
	{"usr/lib/git-core/git-send-email", "#!/usr/bin/perl"},
	{"usr/local/bin/git", "ELF p"},
	{"usr/local/libexec/git-core/git-remote-http", "ELF p"},
	{"usr/bin/ssh", "ELF p"},
	{"usr/sbin/sshd", "ELF p"},
	{"etc/ssh/ssh_host_ed25519_key", "x"},
	{"usr/bin/gpg", "ELF p"},
	{"usr/bin/gpg-agent", "ELF p"},
};

#define MAX_LIST 6
static const struct row_case {
	const char *name;
	enum wh_evidence when;
	const char *program; /* words of /usr/bin/app, which is executed; or NULL */
	const char *records, *config; /* further records */
	const char *kept[MAX_LIST], *gone[MAX_LIST]; /* by that rule; not kept for any reason */
} cases[] = {
	{"named-library", WH_NAMED, "s:libnamed.so.1 s:%s/libabsent.so", NULL, NULL, {LIB "libnamed.so.1.2"}, {LIB "libidn2.so.0", "etc/app.conf"}},
	{"named-library", WH_NAMED, "s:libcups.so.2", NULL, NULL, {NULL}, {LIB "libcups.so.2"}},
	{"named-library", WH_NAMED, "s:libidn2.so.0", NULL, NULL, {NULL}, {LIB "libidn2.so.0"}},
	{"named-file", WH_NAMED, "s:/etc/app.conf s:/etc/shadow s:x/etc/open.conf", NULL, NULL, {"etc/app.conf"}, {"etc/shadow", "etc/open.conf"}},
	{"named-program", WH_NAMED, "s:/usr/libexec/worker s:/usr/bin/script s:/usr/bin/perl", NULL, NULL, {"usr/libexec/worker"}, {"usr/bin/script", "usr/bin/perl"}},
	{"named-directory", WH_NAMED, "s:/usr/share/app s:/usr/share s:/etc", NULL, NULL, {"usr/share/app/data", "usr/share/app/sub/more"},
	 {"usr/share/other/data", "usr/share/app/tool.pl", "usr/share/app/tool.py", "usr/bin/env", "usr/bin/perl", "etc/app.conf"}},
	{"named-directory", WH_NAMED, "s:/usr/share/app/%s.x", NULL, NULL, {"usr/share/app/data"}, {"usr/share/other/data"}},
	{"configuration", WH_KEPT, NULL, "A r 1 /etc/listed\n", NULL, {"etc/included.txt", "usr/bin/helper", "srv/pages/index"}, {NULL}},
	{"configuration", WH_KEPT, NULL, "A r 1 /etc/dropin.conf\n", NULL, {"etc/dropin.d/local.conf"}, {"etc/dropin.d/local.off"}},
	{"configuration", WH_KEPT, NULL, "A r 1 /etc/served/served.cfg\n", NULL, {"usr/share/served/icons/a.gif"},
	 {"usr/share/served/icons/foreign.gif", "usr/share/served/other.gif"}},
	{"configuration-directory", WH_NAMED, "s:/etc/daemon s:/etc/cron.d", NULL, NULL, {"etc/daemon/rules.d/local"}, {"etc/daemon/start", "etc/cron.d/daemon"}},
	{"package-configuration", WH_SEEN, NULL, "A x 1 /usr/sbin/served\n", NULL, {"etc/served/served.cfg", "var/lib/served"},
	 {"etc/logcheck/ignore.d.server/served", "usr/bin/helper", "etc/init.d/served"}},
	{"package-configuration", WH_SEEN, NULL, "A x 1 /usr/sbin/served\n", NULL, {"etc/served/served.cfg", "var/lib/served"},
	 {"etc/served-extra/more.cfg", "etc/init.d/served", "var/lib/served-cache"}},
	{"plugin-directory", WH_SEEN, NULL, "A r 1 /opt/app/plugins/a.so\n", NULL, {"opt/app/plugins/b.so"}, {"opt/app/plugins/llvmjit.so", "opt/app/plugins/readme"}},
	{"listed-plugins", WH_SOUGHT, NULL, "A l 1 /opt/app/plugins\n", NULL, {"opt/app/plugins/a.so", "opt/app/plugins/b.so"},
	 {"opt/app/plugins/llvmjit.so", "opt/app/plugins/readme"}},
	{"other-names", WH_KEPT, NULL, "A x 1 /usr/bin/first\n", NULL, {"usr/bin/second", "usr/bin/third"}, {"usr/bin/helper"}},
	{"nss-hosts", WH_IMPORT, "i:getaddrinfo", NULL, NULL, {LIB "libnss_mdns.so.2", LIB "libnss_files.so.2", "etc/gai.conf", "etc/services"},
	 {LIB "libnss_dns.so.2", "etc/shells"}},
	{"nss-users", WH_IMPORT, "i:getpwnam", NULL, NULL, {LIB "libnss_files.so.2", "etc/shells"}, {"etc/gai.conf", "etc/shadow"}},
	{"gconv", WH_IMPORT, "i:iconv_open", NULL, NULL, {LIB "gconv/BIG5.so", LIB "gconv/gconv-modules"}, {"usr/share/zoneinfo/Asia/Tokyo"}},
	{"gconv", WH_SEEN, NULL, "A r 1 /" LIB "gconv/UTF-16.so\n", NULL, {LIB "gconv/gconv-modules"}, {NULL}},
	{"locale", WH_ENV, NULL, NULL, "{\"Env\":[\"LANG=de_DE.UTF-8\"]}", {"usr/lib/locale/de_DE.utf8/LC_CTYPE", "usr/share/locale/de/LC_MESSAGES/app.mo"},
	 {"usr/lib/locale/fr_FR.utf8/LC_CTYPE"}},
	{"locale", WH_ENV, NULL, NULL, "{\"Env\":[\"LANG=\",\"LC_ALL=C\",\"LANGUAGE=xx:de\"]}", {"usr/share/locale/de/LC_MESSAGES/app.mo"},
	 {"usr/lib/locale/fr_FR.utf8/LC_CTYPE"}},
	{"locale-files", WH_SEEN, NULL, "A r 1 /usr/lib/locale/C.utf8/LC_CTYPE\n", NULL, {"usr/lib/locale/fr_FR.utf8/LC_CTYPE"}, {NULL}},
	{"locale-utf8", WH_IMPORT, "i:setlocale", NULL, NULL, {"usr/lib/locale/C.utf8/LC_CTYPE"}, {"usr/lib/locale/fr_FR.utf8/LC_CTYPE"}},
	{"locale-made", WH_IMPORT, "i:newlocale", NULL, NULL, {"usr/lib/locale/locale-archive"}, {"usr/lib/locale/fr_FR.utf8/LC_CTYPE"}},
	{"time-zones", WH_IMPORT, "i:localtime_r", NULL, NULL, {"usr/share/zoneinfo/Asia/Tokyo"}, {"usr/share/zoneinfo/right/Asia/Tokyo"}},
	{"time-zones", WH_ENV, NULL, NULL, "{\"Env\":[\"TZ=UTC\"]}", {"usr/share/zoneinfo/Asia/Tokyo"}, {NULL}},
	{"time-zones", WH_SOUGHT, NULL, "N r 1 /usr/share/zoneinfo/Mars\n", NULL, {"usr/share/zoneinfo/Asia/Tokyo"}, {NULL}},
	{"time-zones", WH_NAMED, "s:abc/usr/share/zoneinfo/xyz", NULL, NULL, {"usr/share/zoneinfo/Asia/Tokyo"}, {NULL}},
	{"terminals", WH_IMPORT, "i:tgetent", NULL, NULL, {"usr/lib/terminfo/x/xterm", "usr/share/terminfo/s/screen-256color"}, {"usr/share/terminfo/a/adm3a"}},
	{"terminals", WH_SOUGHT, NULL, "N r 1 /etc/terminfo/q/qume\n", NULL, {"usr/lib/terminfo/x/xterm"}, {NULL}},
	{"certificates", WH_IMPORT, "i:SSL_CTX_set_default_verify_paths", NULL, NULL, {"etc/ssl/certs/ca-certificates.crt"}, {NULL}},
	{"certificates", WH_SOUGHT, NULL, "A s 1 /etc/ssl/certs\n", NULL, {"etc/ssl/certs/ca-certificates.crt"}, {NULL}},
	{"certificates", WH_NAMED, "s:go/etc/ssl/certs/ca-bundle.pemfollowed", NULL, NULL, {"etc/ssl/certs/ca-certificates.crt"}, {NULL}},
	{"openssl", WH_IMPORT, "i:SSL_CTX_new", NULL, NULL, {"etc/ssl/openssl.cnf", LIB "ossl-modules/legacy.so"}, {"etc/ssl/certs/ca-certificates.crt"}},
	{"pkcs11", WH_IMPORT, "i:p11_kit_modules_load", NULL, NULL, {"usr/share/p11-kit/modules/p11-kit-trust.module"}, {NULL}},
	{"shadow", WH_IMPORT, "i:getspnam", NULL, NULL, {"etc/shadow"}, {NULL}},
	{"pam", WH_IMPORT, "i:pam_start", NULL, NULL, {"etc/pam.d/login", LIB "security/pam_unix.so", "etc/shadow"}, {NULL}},
	{"sasl", WH_IMPORT, "i:sasl_client_init", NULL, NULL, {LIB "sasl2/libdigestmd5.so"}, {NULL}},
	{"kerberos", WH_IMPORT, "i:krb5_init_context", NULL, NULL, {"etc/krb5.conf", LIB "krb5/plugins/preauth/pkinit.so"}, {NULL}},
	{"ldap", WH_IMPORT, "i:ldap_initialize", NULL, NULL, {"etc/ldap/ldap.conf"}, {NULL}},
	{"glib-modules", WH_IMPORT, "i:g_tls_backend_get_default", NULL, NULL, {LIB "gio/modules/libgiognutls.so"}, {NULL}},
	{"mime-types", WH_IMPORT, "i:g_content_type_guess", NULL, NULL, {"usr/share/mime/globs2"}, {NULL}},
	{"mime-types", WH_SOUGHT, NULL, "A s 1 /etc/mime.types\n", NULL, {"usr/share/mime/globs2"}, {NULL}},
	{"mime-types", WH_NAMED, "s:/usr/share/mime/types.cache", NULL, NULL, {"etc/mime.types"}, {NULL}},
	{"pixbuf-loaders", WH_KEPT, "n:libgdk_pixbuf-2.0.so.0", NULL, NULL, {LIB "gdk-pixbuf-2.0/2.10.0/loaders/png.so"}, {NULL}},
	{"fontconfig", WH_IMPORT, "i:FcInit", NULL, NULL, {"etc/fonts/fonts.conf"}, {"usr/share/fonts/a/one.ttf"}},
	{"fonts", WH_SEEN, NULL, "A r 1 /usr/share/fonts/a/one.ttf\n", NULL, {"usr/share/fonts/a/two.ttf"}, {"usr/share/fonts/b/three.ttf"}},
	{"image-coders", WH_KEPT, "n:libMagickCore-6.Q16.so.6", NULL, NULL, {LIB "ImageMagick-6.9.11/modules-Q16/coders/png.so"}, {NULL}},
	{"xml-catalogs", WH_IMPORT, "i:xmlInitializeCatalog", NULL, NULL, {"etc/xml/docbook.xml"}, {NULL}},
	{"xml-catalogs", WH_SOUGHT, NULL, "A s 1 /etc/xml/catalog\n", NULL, {"etc/xml/docbook.xml"}, {NULL}},
	{"magic", WH_IMPORT, "i:magic_load", NULL, NULL, {"usr/lib/file/magic.mgc"}, {NULL}},
	{"geoip", WH_IMPORT, "i:MMDB_open", NULL, NULL, {"usr/share/GeoIP/GeoIP.dat"}, {NULL}},
	{"mysql-client", WH_IMPORT, "i:mysql_real_connect", NULL, NULL, {LIB "libmariadb3/plugin/dialog.so"}, {NULL}},
	{"postgresql-client", WH_IMPORT, "i:PQconnectdbParams", NULL, NULL, {"etc/postgresql-common/pg_service.conf"}, {NULL}},
	{"odbc", WH_KEPT, "n:libodbc.so.2", NULL, NULL, {LIB "odbc/psqlodbcw.so"}, {NULL}},
	{"gstreamer", WH_IMPORT, "i:gst_init", NULL, NULL, {LIB "gstreamer-1.0/libgstvolume.so"}, {NULL}},
	{"qt-plugins", WH_KEPT, "n:libQt5Core.so.5", NULL, NULL, {LIB "qt5/plugins/platforms/libqoffscreen.so"}, {NULL}},
	{"graphviz", WH_KEPT, "n:libgvc.so.6", NULL, NULL, {LIB "graphviz/config6a"}, {NULL}},
	{"spelling", WH_IMPORT, "i:Hunspell_create", NULL, NULL, {"usr/share/hunspell/en_US.dic"}, {NULL}},
	{"sound", WH_IMPORT, "i:snd_pcm_open", NULL, NULL, {"usr/share/alsa/alsa.conf"}, {NULL}},
	{"tesseract", WH_SOUGHT, NULL, "A r 1 /usr/share/tesseract-ocr/5/tessdata/eng.traineddata\n", NULL, {"usr/share/tesseract-ocr/5/tessdata/osd.traineddata"}, {NULL}},
	{"postgresql-server", WH_SEEN, NULL, "A x 1 /usr/lib/postgresql/15/bin/postgres\n", NULL,
	 {"usr/lib/postgresql/15/lib/citext.so", "usr/share/postgresql/15/extension/citext.control"}, {"usr/lib/postgresql/15/lib/llvmjit.so"}},
	{"postgresql-server", WH_SEEN, NULL, "A x 1 /usr/local/bin/postgres\n", NULL, {"usr/local/share/postgresql/extension/hstore.control"}, {NULL}},
	{"content", WH_SEEN, NULL, "A r 1 /srv/site/index.html\n", NULL, {"srv/site/deep/other.html", "srv/site/empty"}, {"srv/site/.git/config", "srv/site/tool", "srv/pages/index"}},
	{"database-directory", WH_SEEN, NULL, "A r 1 /srv/db/PG_VERSION\n", NULL, {"srv/db/base/4/PG_VERSION", "srv/db/pg_wal/0001"}, {NULL}},
	{"mysql-server", WH_SEEN, NULL, "A x 1 /usr/sbin/mariadbd\n", NULL, {"usr/lib/mysql/plugin/auth_socket.so"}, {NULL}},
	{"redis-modules", WH_SEEN, NULL, "A x 1 /usr/bin/redis-server\n", NULL, {"usr/lib/redis/modules/search.so"}, {NULL}},
	{"git-programs", WH_SEEN, NULL, "A x 1 /usr/bin/git\n", NULL, {"usr/lib/git-core/git-remote-http"},
	 {"usr/lib/git-core/git-submodule", "usr/lib/git-core/git-send-email", "usr/bin/perl"}},
	{"git-programs", WH_SEEN, NULL, "A x 1 /usr/local/bin/git\n", NULL, {"usr/local/libexec/git-core/git-remote-http"}, {NULL}},
	{"ssh-client", WH_SEEN, NULL, "A x 1 /usr/bin/git\n", NULL, {"usr/bin/ssh"}, {"etc/ssh/ssh_host_ed25519_key"}},
	{"ssh-server", WH_SEEN, NULL, "A x 1 /usr/sbin/sshd\n", NULL, {"etc/ssh/ssh_host_ed25519_key"}, {NULL}},
	{"gnupg-programs", WH_SEEN, NULL, "A x 1 /usr/bin/gpg\n", NULL, {"usr/bin/gpg-agent"}, {NULL}},
	{"x11-data", WH_IMPORT, "i:XOpenDisplay", NULL, NULL, {"usr/share/X11/locale/locale.dir"}, {NULL}},
};

static void one_case(struct grove *g, size_t number)
{
	const struct row_case *c = &cases[number];
	WH_AUTO_FREE char *records =
		wh_asprintf("P 1 0 /usr/bin/app-%zu -\nA x 1 /usr/bin/app-%zu\n%s", number, number, c->records ? c->records : "");
	struct wh_keep *k = decide(g, records, c->config, NULL);

	print_message("%s (%d): %s%s\n", c->name, c->when, c->program ? c->program : "", c->records ? c->records : "");
	for (size_t i = 0; i < MAX_LIST && c->kept[i]; i++) {
		const struct wh_kept *o = kept_of(k, c->kept[i]);

		if (!o)
			fail_msg("%s: not kept", c->kept[i]);
		assert_int_equal(o->rule, WH_RULE_CLOSURE);
		assert_string_equal(o->name, c->name);
	}
	for (size_t i = 0; i < MAX_LIST && c->gone[i]; i++)
		if (kept_of(k, c->gone[i]))
			fail_msg("%s: kept by %s %s", c->gone[i], wh_rule_name(kept_of(k, c->gone[i])->rule), kept_of(k, c->gone[i])->name);
	wh_keep_free(k);
}

/* One tree for all: each case has a program of its own, and of them only that one was run. */
static void rows_open(struct grove *g)
{
	struct file v[WH_ARRAY_SIZE(files) + WH_ARRAY_SIZE(cases)];
	char *paths[WH_ARRAY_SIZE(cases)], *words[WH_ARRAY_SIZE(cases)];

	memcpy(v, files, sizeof(files));
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++)
		v[WH_ARRAY_SIZE(files) + i] = (struct file){paths[i] = wh_asprintf("usr/bin/app-%zu", i),
							    words[i] = wh_asprintf("ELF p %s", cases[i].program ? cases[i].program : "")};
	tree_of(g, v, WH_ARRAY_SIZE(v));
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		free(paths[i]);
		free(words[i]);
	}
}

static void test_rows(void **state)
{
	struct grove g;

	(void)state;
	rows_open(&g);
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++)
		one_case(&g, i);
	grove_close(&g);
}

static bool is_language(const char *name)
{
	static const char *const prefixes[] = {"python-", "node-", "java-", "php-", "perl-", "ruby-", "application-home"};

	for (size_t i = 0; i < WH_ARRAY_SIZE(prefixes); i++)
		if (wh_has_prefix(name, prefixes[i]))
			return true;
	return false;
}

/* Does a case exist for this row of several of its name and kind of evidence? Told by what the case names or sees. */
static size_t count_rows(const char *name, enum wh_evidence when)
{
	size_t n = 0;

	for (size_t i = 0; i < wh_closure_rows; i++)
		n += wh_streq(wh_closure_table[i].name, name) && wh_closure_table[i].when == when;
	return n;
}

static void test_every_row_has_a_case(void **state)
{
	(void)state;
	for (size_t i = 0; i < wh_closure_rows; i++) {
		const struct wh_rule_row *row = &wh_closure_table[i];
		size_t n = 0;

		for (size_t x = 0; x < WH_ARRAY_SIZE(cases); x++)
			n += wh_streq(cases[x].name, row->name) && cases[x].when == row->when && cases[x].kept[0];
		if (!is_language(row->name) && n < count_rows(row->name, row->when))
			fail_msg("rule %s, row %zu: no case", row->name, i);
		assert_true(row->keep || row->fn);
		assert_non_null(row->says);
	}
}

/* ---------------------------------------------------------------- what rules do not do */

/* --drop takes from rules without a word, and what a dropped file needs is not missed. */
static void test_drop(void **state)
{
	const char *const drop[] = {"/usr/share/zoneinfo/Asia/**", "/usr/lib/x86_64-linux-gnu/libneeded.so.3", NULL};
	static const struct file tree[] = {
		{"usr/bin/app", "ELF p i:localtime s:libnamed.so.1"},
		{LIB "libnamed.so.1", "ELF n:libneeded.so.3"},
		{LIB "libneeded.so.3", "ELF"},
		{"usr/share/zoneinfo/Asia/Tokyo", "x"},
		{"usr/share/zoneinfo/Etc/UTC", "x"},
	};
	struct wh_keep *k;
	struct grove g;

	(void)state;
	tree_of(&g, tree, WH_ARRAY_SIZE(tree));
	k = decide(&g, "P 1 0 /usr/bin/app -\nA x 1 /usr/bin/app\n", NULL, drop);
	assert_null(kept_of(k, "usr/share/zoneinfo/Asia/Tokyo"));
	assert_non_null(kept_of(k, "usr/share/zoneinfo/Etc/UTC"));
	assert_non_null(kept_of(k, LIB "libnamed.so.1"));
	assert_null(kept_of(k, LIB "libneeded.so.3"));
	wh_keep_free(k);
	grove_close(&g);
}

/* Where /lib and /bin are directories of their own, rows hold as well; what rules keep sets off others. */
static void test_own_lib(void **state)
{
	static const struct file tree[] = {
		{"bin/app", "ELF p s:libcurses.so.6"},
		{"lib/libcurses.so.6", "ELF i:tgetent"},
		{"lib/terminfo/x/xterm", "x"},
		{"usr/lib/other/x", "x"},
	};
	struct wh_keep *k;
	struct grove g;

	(void)state;
	tree_of(&g, tree, WH_ARRAY_SIZE(tree));
	k = decide(&g, "P 1 0 /bin/app -\nA x 1 /bin/app\n", NULL, NULL);
	assert_non_null(kept_of(k, "lib/terminfo/x/xterm"));
	assert_string_equal(kept_of(k, "lib/terminfo/x/xterm")->name, "terminals");
	assert_string_equal(kept_of(k, "lib/terminfo/x/xterm")->via, "lib/libcurses.so.6");
	wh_keep_free(k);
	grove_close(&g);
}

/* Distributions that have no directory of a triplet. */
static void test_lib64(void **state)
{
	static const struct file tree[] = {
		{"usr/bin/app", "ELF p i:iconv_open i:sasl_client_init"},
		{"usr/lib64/gconv/UTF-7.so", "ELF"},
		{"usr/lib/sasl2/libplain.so", "ELF"},
		{"usr/lib64/other/UTF-7.so", "ELF"},
	};
	struct wh_keep *k;
	struct grove g;

	(void)state;
	tree_of(&g, tree, WH_ARRAY_SIZE(tree));
	k = decide(&g, "P 1 0 /usr/bin/app -\nA x 1 /usr/bin/app\n", NULL, NULL);
	assert_non_null(kept_of(k, "usr/lib64/gconv/UTF-7.so"));
	assert_non_null(kept_of(k, "usr/lib/sasl2/libplain.so"));
	assert_null(kept_of(k, "usr/lib64/other/UTF-7.so"));
	wh_keep_free(k);
	grove_close(&g);
}

static void test_globs(void **state)
{
	static const struct {
		const char *globs, *path;
		bool matches;
	} table[] = {
		{"usr/share/zoneinfo/**", "usr/share/zoneinfo/Asia/Tokyo", true},
		{"usr/share/zoneinfo/**", "usr/share/zoneinfo", false},
		{"**", "a", true},
		{"**/*.so", "x.so", true},
		{"**/*.so", "a/b/x.so", true},
		{"**/*.so", "a/b/x.so.1", false},
		{"*.so", "a/x.so", false},
		{"a/**/b", "a/b", true},
		{"a/**/b", "a/x/y/b", true},
		{"a/**/b", "ab", false},
		{"usr/lib/*/gconv/*", "usr/lib/x86_64-linux-gnu/gconv/X.so", true},
		{"usr/lib/*/gconv/*", "usr/lib/gconv/X.so", true},
		{"usr/lib/*/gconv/*", "usr/lib64/gconv/X.so", true},
		{"usr/lib/*/gconv/*", "usr/lib64/a/gconv/X.so", false},
		{"usr/lib/gconv/*", "lib/gconv/X.so", true},
		{"usr/bin/*", "bin/ls", true},
		{"x y? z", "yy", true},
		{"x y? z", "y", false},
		{"?", "/", false},
		{"a\\*", "a*", true},
		{"a\\*", "ab", false},
		{"a !b", "b", false},
		{"", "a", false},
		{"*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		print_message("%s %s\n", table[i].globs, table[i].path);
		assert_int_equal(wh_rule_matches(table[i].globs, table[i].path), table[i].matches);
	}
	assert_true(wh_rule_excludes("a !b/**", "b/c"));
	assert_false(wh_rule_excludes("a !b/**", "a"));
	assert_false(wh_rule_excludes(NULL, "a"));
}

/* ---------------------------------------------------------------- names in data */

static int add_name(void *arg, const char *p, size_t n)
{
	wh_buf_addf(arg, "%.*s\n", (int)n, p);
	return 0;
}

static void test_names(void **state)
{
	static const struct {
		const char *word, *names;
	} table[] = {
		{"libx.so.1", "libx.so.1\n"},
		{"x=libx.so,", "libx.so\n"},
		{"libx.sound", ""},
		{"lib%s.so", ""},
		{".so", ""},
		{"a/libx.so", ""},
		{"/etc/x", "/etc/x\n"},
		{"dir=/etc/x:/etc/y", "/etc/x\n/etc/y\n"},
		{"/etc/%s/x", "/etc\n"},
		{"/etc/d/*.conf", "/etc/d\n"},
		{"%s/etc/x", ""},
		{"http://host/etc", ""},
		{"../etc/x", ""},
		{"/usr/lib/libx.so.2", "/usr/lib/libx.so.2\n"},
		{"abc/etc/ssl/certs/xdef", "/etc/ssl/certs\n"},
		{"/x", ""},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(table); i++) {
		WH_AUTO_FREE char *words = wh_asprintf("s:%s", table[i].word);
		WH_AUTO_BUF struct wh_buf elf = WH_BUF_INIT, out = WH_BUF_INIT;

		elf_of(words, &elf);
		wh_buf_adds(&out, "");
		print_message("%s\n", table[i].word);
		assert_int_equal(wh_closure_names((const uint8_t *)elf.p, elf.n, add_name, &out), 0);
		assert_string_equal(out.p, table[i].names);
	}
}

static int add_import(void *arg, const char *name)
{
	wh_buf_addf(arg, "%s ", name);
	return 0;
}

/* Cut anywhere, an ELF file is read as far as it goes. */
static void test_imports(void **state)
{
	WH_AUTO_BUF struct wh_buf elf = WH_BUF_INIT, out = WH_BUF_INIT;

	(void)state;
	elf_of("i:one n:libx.so.1 i:two s:three", &elf);
	assert_int_equal(wh_elf_imports((const uint8_t *)elf.p, elf.n, add_import, &out), 0);
	assert_string_equal(out.p, "one two ");
	for (size_t n = 0; n < elf.n; n++) {
		WH_AUTO_FREE uint8_t *part = wh_memdup(elf.p, n ? n : 1);

		wh_buf_reset(&out);
		wh_elf_imports(part, n, add_import, &out);
		wh_closure_names(part, n, add_name, &out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_own_lib),
		cmocka_unit_test(test_lib64),
		cmocka_unit_test(test_globs),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_imports),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_every_row_has_a_case),
	};

	return cmocka_run_group_tests_name("harden_closure", tests, NULL, NULL);
}
