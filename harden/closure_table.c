/* SPDX-License-Identifier: Apache-2.0 */
/* The closure rules. How to read and to add one: closure_table.h. */
#include "harden/closure_table.h"
#include "harden/lang.h"

#define ZONES "usr/share/zoneinfo/** !usr/share/zoneinfo/right/** !usr/share/zoneinfo/posix/** etc/timezone etc/localtime"
#define TERMINALS                                                                                                              \
	"etc/terminfo/** usr/lib/terminfo/** usr/share/terminfo/?/ansi usr/share/terminfo/?/dumb usr/share/terminfo/?/linux* " \
	"usr/share/terminfo/?/rxvt* usr/share/terminfo/?/screen* usr/share/terminfo/?/tmux* usr/share/terminfo/?/vt1?? "       \
	"usr/share/terminfo/?/vt220 usr/share/terminfo/?/xterm* etc/termcap"
#define CERTIFICATES "etc/ssl/certs/** usr/share/ca-certificates/** usr/local/share/ca-certificates/** etc/pki/tls/** etc/pki/ca-trust/extracted/**"

const struct wh_rule_row wh_closure_table[] = {
	/* ------------------------------------------------ what native code names */
	{"named-library", "a program or library that stays has its name in its data, and can open it with dlopen()", WH_NAMED, "*.so *.so.*", NULL,
	 wh_rule_library},
	{"named-file", "a program or library that stays has its path in its data", WH_NAMED, "**/*",
	 "!dev/** !proc/** !sys/** !var/cache/** !var/log/** !var/lib/dpkg/** !var/lib/apt/** !usr/share/doc/**", wh_rule_named_path},
	{"plugin-directory", "it came in the package and directory of a library that was opened outside of the linker's directories", WH_SEEN,
	 "**/*.so **/*.so.*", "!**/llvmjit*.so", wh_rule_plugins},

	/* ------------------------------------------------ the C library */
	{"nss-hosts", "host and service names are looked up with it", WH_IMPORT,
	 "getaddrinfo getnameinfo gethostbyname gethostbyname2 gethostbyname_r gethostbyname2_r gethostbyaddr gethostbyaddr_r getservbyname getservbyname_r "
	 "getservbyport getservbyport_r getservent getprotobyname getprotobyname_r getprotobynumber getprotobynumber_r getprotoent getnetbyname getnetgrent "
	 "innetgr res_init __res_init res_query __res_query res_search __res_search __res_ninit res_ninit",
	 "etc/nsswitch.conf etc/hosts etc/resolv.conf etc/host.conf etc/gai.conf etc/services etc/protocols etc/networks etc/netgroup", wh_rule_nss},
	{"nss-users", "names of users and groups are looked up with it", WH_IMPORT,
	 "getpwnam getpwnam_r getpwuid getpwuid_r getpwent getpwent_r getgrnam getgrnam_r getgrgid getgrgid_r getgrent getgrent_r getgrouplist initgroups "
	 "getspnam getspnam_r getspent cuserid getlogin getlogin_r",
	 "etc/nsswitch.conf etc/passwd etc/group etc/shells etc/login.defs", wh_rule_nss},
	{"gconv", "iconv() converts between code sets with it", WH_IMPORT, "iconv_open libiconv_open", "usr/lib/gconv/** usr/lib/*/gconv/**", NULL},
	{"gconv", "iconv() converts between code sets with it", WH_SEEN, "usr/lib/gconv/** usr/lib/*/gconv/*.so", "usr/lib/gconv/** usr/lib/*/gconv/**", NULL},
	{"locale", "the image's environment asks for that language", WH_ENV, "LANG LANGUAGE LC_*", NULL, wh_rule_locale},
	{"locale-files", "locales are asked for, and which one the environment says", WH_SEEN, "usr/lib/locale/**", "usr/lib/locale/**", NULL},
	{"locale-utf8", "setlocale() finds the locale that every system has (C.UTF-8) there", WH_IMPORT, "setlocale newlocale uselocale",
	 "usr/lib/locale/C.utf8/** usr/lib/locale/C.UTF-8/**", NULL},
	{"time-zones", "local time is asked for, and TZ may name any zone", WH_IMPORT, "localtime localtime_r tzset mktime strftime_l tzalloc localtime_rz", ZONES,
	 NULL},
	{"time-zones", "local time is asked for, and TZ may name any zone", WH_ENV, "TZ", ZONES, NULL},
	{"time-zones", "local time is asked for, and TZ may name any zone", WH_SOUGHT, "usr/share/zoneinfo/**", ZONES, NULL},
	{"terminals", "terminals are driven, and TERM may name any of the usual ones", WH_IMPORT,
	 "initscr newterm setupterm tgetent tgetstr tgetnum tgetflag tigetstr tigetnum tigetflag _nc_setupterm", TERMINALS, NULL},
	{"terminals", "terminals are driven, and TERM may name any of the usual ones", WH_SOUGHT,
	 "usr/share/terminfo/** usr/lib/terminfo/** etc/terminfo/**", TERMINALS, NULL},

	/* ------------------------------------------------ TLS */
	{"certificates", "certificates of servers are checked against the system's authorities", WH_IMPORT,
	 "SSL_CTX_set_default_verify_paths SSL_CTX_set_default_verify_dir SSL_CTX_set_default_verify_file X509_STORE_set_default_paths "
	 "X509_get_default_cert_file X509_get_default_cert_dir gnutls_certificate_set_x509_system_trust gnutls_x509_trust_list_add_system_trust",
	 CERTIFICATES, NULL},
	{"certificates", "certificates of servers are checked against the system's authorities", WH_SOUGHT,
	 "etc/ssl/certs etc/ssl/certs/** usr/lib/ssl/cert* etc/ssl/cert.pem etc/pki/tls/** usr/share/ca-certificates/**", CERTIFICATES, NULL},
	{"certificates", "certificates of servers are checked against the system's authorities", WH_NAMED,
	 "etc/ssl/certs etc/ssl/certs/** etc/ssl/cert.pem etc/pki/tls/certs/**", CERTIFICATES, NULL},

	/* ------------------------------------------------ code of languages: lang_*.c */
	{"application-home", "it lies in the directory of the application, whose code was used", WH_SEEN, "**", NULL, wh_rule_home},

	{"python-runtime", "Python imports it by itself when it comes to that", WH_SEEN, "**/encodings/**", NULL, wh_rule_python_runtime},
	{"python-library", "it is of a package of the standard library that is used", WH_KEPT, "**/*.py **/*.pyc", NULL, wh_rule_python_library},
	{"python-distribution", "it is of a distribution that is used, or that a used one requires", WH_KEPT, "**/site-packages/** **/dist-packages/**", NULL,
	 wh_rule_python_distribution},
	{"python-bytecode", "source and bytecode of a module stay together", WH_KEPT, "**/*.py **/__pycache__/*.pyc", NULL, wh_rule_python_bytecode},
	{"python-import", "a source that stays imports it", WH_KEPT, "**/*.py **/bin/* **/sbin/*", NULL, wh_rule_python_import},
	{"python-import", "a source that stays imports it", WH_SEEN, "**", NULL, wh_rule_python_import},
	{"python-zones", "zoneinfo reads it", WH_KEPT, "**/zoneinfo/__init__.py", ZONES, NULL},
	{"python-find-library", "ctypes.util.find_library() asks it", WH_SEEN, "**/ctypes/util.py **/ctypes/__pycache__/util.*", "usr/sbin/ldconfig etc/ld.so.conf etc/ld.so.conf.d/**",
	 NULL},

	{"node-package", "it is of a package that is used, or that a used one depends on", WH_KEPT,
	 "**/node_modules/** usr/share/nodejs/** usr/lib/nodejs/** usr/lib/*/nodejs/** **/package.json", NULL, wh_rule_node_package},
	{"node-require", "a source that stays asks for it by name", WH_KEPT, "**/*.js **/*.mjs **/*.cjs **/bin/*", NULL, wh_rule_node_require},
	{"node-require", "a source that stays asks for it by name", WH_SEEN, "**", NULL, wh_rule_node_require},

	{"java-home", "the virtual machine loads it by itself when it comes to that", WH_SEEN, "**/lib/modules **/libjvm.so **/lib/rt.jar", NULL, wh_rule_java_home},
	{"java-jar", "the manifest of a jar that stays names it", WH_KEPT, "**/*.jar", NULL, wh_rule_java_jar},
	{"java-classes", "it lies in a directory of classes of which one was used", WH_SEEN, "**/*.class", NULL, wh_rule_java_classes},

	{"php-extensions", "a configuration that was read enables it", WH_KEPT, "**/conf.d/*.ini **/php*.ini **/mods-available/*.ini", NULL, wh_rule_php_extensions},
	{"php-package", "it is of a library that is used, or that a used one requires", WH_KEPT, "**/vendor/** usr/share/php/**", NULL, wh_rule_php_package},

	{"perl-module", "it is of a module that is used, or of its distribution", WH_KEPT, "**/*.pm", NULL, wh_rule_perl_module},
	{"perl-use", "a source that stays uses it", WH_KEPT, "**/*.pm **/*.pl **/*.psgi **/*.cgi **/bin/* **/sbin/*", NULL, wh_rule_perl_use},
	{"perl-use", "a source that stays uses it", WH_SEEN, "**", NULL, wh_rule_perl_use},
	{"perl-unicode", "characters are asked for by name or property", WH_SOUGHT,
	 "**/unicore/** **/perl*/**/utf8.pm **/perl*/utf8.pm **/charnames.pm **/_charnames.pm **/Unicode/UCD.pm",
	 "usr/share/perl/*/unicore/** usr/lib/*/perl-base/unicore/** usr/lib/*/perl/*/unicore/** usr/local/lib/perl5/*/unicore/**", NULL},

	{"ruby-runtime", "the interpreter loads it by itself when it comes to that", WH_SEEN, "**/ruby* **/libruby*", NULL, wh_rule_ruby_runtime},
	{"ruby-gem", "it is of a gem that is used, or that a used one depends on", WH_KEPT,
	 "**/gems/** **/specifications/*.gemspec usr/lib/ruby/vendor_ruby/** usr/lib/*/ruby/vendor_ruby/**", NULL, wh_rule_ruby_gem},
	{"ruby-require", "a source that stays requires it", WH_KEPT, "**/*.rb **/*.ru **/*.gemspec **/bin/*", NULL, wh_rule_ruby_require},
	{"ruby-require", "a source that stays requires it", WH_SEEN, "**", NULL, wh_rule_ruby_require},
};
const size_t wh_closure_rows = WH_ARRAY_SIZE(wh_closure_table);
