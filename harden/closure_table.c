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

/* Never kept because of its name: what a run makes, secrets, the package manager's, documentation. */
#define NOT_NAMED                                                                                                             \
	"!dev/** !proc/** !sys/** !var/cache/** !var/log/**/* !var/lib/dpkg/** !var/lib/apt/** !usr/share/doc/** !usr/share/man/** " \
	"!etc/shadow* !etc/gshadow* !etc/.pwd.lock !etc/ssh/ssh_host_* !root/.*/** !home/*/.*/**"
/* Named by tables of file types and by messages more often than by who runs them. */
#define INTERPRETERS                                                                                                          \
	"!**/bin/perl* !**/bin/python* !**/bin/ruby* !**/bin/php* !**/bin/node* !**/bin/lua* !**/bin/tclsh* !**/bin/wish* !**/bin/*awk !**/bin/env"
/* Of the system as a whole, not of one program. */
#define NO_CONFIGURATION                                                                                                      \
	"!etc/alternatives !etc/alternatives/** !etc/apt !etc/apt/** !etc/cron* !etc/cron*/** !etc/dpkg !etc/dpkg/** !etc/init.d !etc/init.d/** !etc/logcheck !etc/logcheck/** "    \
	"!etc/rc?.d !etc/rc?.d/** !etc/skel !etc/skel/** !etc/profile* !etc/profile.d/** !etc/systemd !etc/systemd/** !etc/udev !etc/udev/** "       \
	"!etc/ssl/certs/** !etc/ssl/private/** !etc/kernel !etc/kernel/** !etc/default !etc/default/** !etc/security !etc/xdg !etc/X11"
/* Directories that are no package's own. */
#define SHARED                                                                                                                \
	"!bin !dev !etc !home !lib !media !mnt !opt !proc !root !run !sbin !srv !sys !tmp !usr !usr/* !usr/lib/*-linux-gnu* !usr/local/* "   \
	"!usr/share/locale !usr/share/zoneinfo !usr/share/terminfo !usr/share/mime !usr/share/fonts !usr/share/ca-certificates !etc/ssl "  \
	"!etc/ssl/certs !usr/share/applications !usr/share/icons !usr/share/pixmaps !usr/share/bash-completion !var !var/* !var/lib/*/**"
/* Whose modules have rules of their own. */
#define LANGUAGES                                                                                                             \
	"!**/perl !**/perl/** !**/perl5 !**/perl5/** !**/perl-base !**/perl-base/** !**/python* !**/python*/** !**/node_modules !**/node_modules/** " \
	"!**/nodejs !**/nodejs/** !**/ruby !**/ruby/** !usr/lib/jvm !usr/lib/jvm/**"

const struct wh_rule_row wh_closure_table[] = {
	/* ------------------------------------------------ what native code names */
	/* getaddrinfo() opens libidn2 for names beyond ASCII alone, and answers an error when there is none: 2 MB for everybody otherwise. */
	{"named-library", "a program or library that stays has its name in its data, and can open it with dlopen()", WH_NAMED, "*.so *.so.*",
	 /* Whoever draws with Java names the printers' library: twelve more for those who never print. */
	 "!**/libidn2.so* !**/libcups.so*", wh_rule_library},
	{"named-file", "a program or library that stays has its path in its data", WH_NAMED, "**/*", NOT_NAMED, wh_rule_named_path},
	{"named-program", "a program that was run has its path in its data, and can run it, or a library that was used and came with it", WH_NAMED, "**/*",
	 NOT_NAMED " " INTERPRETERS, wh_rule_named_program},
	{"configuration-directory", "a program or library that stays has the directory's path in its data, and reads configuration in it", WH_NAMED, "etc/** usr/local/etc/**",
	 NOT_NAMED " " SHARED " " NO_CONFIGURATION, wh_rule_configuration_directory},
	{"named-directory", "a program or library that stays has this directory's path in its data, and the file came with it", WH_NAMED, "**/*",
	 NOT_NAMED " " SHARED " " LANGUAGES " !etc/** !**/bin !**/bin/** !**/sbin !**/sbin/** !**/include/** !**/src/** !**/test/** "
	 "!**/tests/** !**/*.a !**/*.la !**/*.h !**/*.bc !**/llvmjit* !usr/lib/systemd !usr/lib/systemd/** !usr/lib/udev !usr/lib/udev/** "
	 "!usr/lib/*.d !usr/lib/*.d/**", wh_rule_named_directory},
	{"configuration", "a configuration file that stays has its path", WH_KEPT,
	 "etc/** usr/local/etc/** **/*.conf **/*.cnf **/*.cfg **/*.ini",
	 NOT_NAMED " " INTERPRETERS " " NO_CONFIGURATION " !etc !etc/pam.d !etc/ssl !etc/ssl/certs !etc/passwd* !etc/group* !etc/shells !etc/services !etc/protocols !etc/hosts !etc/fstab !etc/mtab "
	 "!etc/ld.so.* !etc/mime.types !etc/environment",
	 wh_rule_config_text},
	{"package-configuration", "it is configuration of a program that was used, or a directory that its package has for data, logs or sockets", WH_SEEN,
	 "**/bin/* **/sbin/* **/libexec/** usr/lib/** usr/games/*",
	 NOT_NAMED " " NO_CONFIGURATION " !etc/logrotate.d !etc/logrotate.d/** !etc/pam.d/** !etc/bash* !etc/apparmor.d !etc/apparmor.d/** !etc/insserv* "
	 "!etc/ufw !etc/ufw/** !etc/sv !etc/sv/** !etc/rsyslog* !etc/rsyslog.d/**",
	 wh_rule_package_configuration},
	{"plugin-directory", "it came in the package and directory of a library that was opened outside of the linker's directories", WH_SEEN,
	 "**/*.so **/*.so.*",
	 /* Languages know which of their modules are asked for. */
	 "!**/llvmjit*.so !**/lib-dynload/* !**/dist-packages/** !**/site-packages/** !**/node_modules/** !**/jvm/** !**/lib/ruby/** !usr/lib/*/ruby/** "
	 "!**/auto/** !usr/lib/php/** !usr/local/lib/php/**",
	 wh_rule_plugins},
	{"listed-plugins", "its directory, outside of the linker's, was looked at, and what is there can be opened", WH_SOUGHT, "**/lib*/* **/lib*/** opt/** srv/** usr/libexec/**",
	 LANGUAGES " !usr/lib/php !usr/lib/php/** !usr/local/lib/php/** !**/llvmjit*.so", wh_rule_listed_plugins},
	{"other-names", "it is another name of a program or library that stays", WH_KEPT,
	 "usr/bin/* usr/sbin/* usr/games/* usr/lib/** usr/lib64/** usr/local/** opt/**", NULL, wh_rule_other_names},

	/* ------------------------------------------------ the C library */
	{"nss-hosts", "host and service names are looked up with it", WH_IMPORT,
	 "getaddrinfo getnameinfo gethostbyname gethostbyname2 gethostbyname_r gethostbyname2_r gethostbyaddr gethostbyaddr_r getservbyname getservbyname_r "
	 "getservbyport getservbyport_r getservent getprotobyname getprotobyname_r getprotobynumber getprotobynumber_r getprotoent getnetbyname getnetgrent "
	 "innetgr res_init __res_init res_query __res_query res_search __res_search __res_ninit res_ninit",
	 "etc/nsswitch.conf etc/hosts etc/resolv.conf etc/host.conf etc/gai.conf etc/services etc/protocols etc/networks etc/netgroup", wh_rule_nss},
	{"nss-users", "names of users and groups are looked up with it", WH_IMPORT,
	 "getpwnam getpwnam_r getpwuid getpwuid_r getpwent getpwent_r getgrnam getgrnam_r getgrgid getgrgid_r getgrent getgrent_r getgrouplist initgroups "
	 "getspnam getspnam_r getspent cuserid getlogin getlogin_r",
	 "etc/nsswitch.conf etc/passwd etc/group etc/shells", wh_rule_nss},
	/* Four libraries that are everywhere convert what is not UTF-8 in functions that hardly anybody calls. */
	{"gconv", "iconv() converts between code sets with it", WH_IMPORT,
	 "iconv_open libiconv_open !**/libstdc++.so* !**/libunistring.so* !**/libidn2.so* !**/libpsl.so*", "usr/lib/gconv/** usr/lib/*/gconv/**", NULL},
	{"gconv", "iconv() converts between code sets with it", WH_SEEN, "usr/lib/gconv/** usr/lib/*/gconv/*.so", "usr/lib/gconv/** usr/lib/*/gconv/**", NULL},
	{"locale", "the image's environment asks for that language", WH_ENV, "LANG LANGUAGE LC_*", NULL, wh_rule_locale},
	{"locale-files", "locales are asked for, and which one the environment says", WH_SEEN, "usr/lib/locale/**", "usr/lib/locale/**", NULL},
	{"locale-utf8", "setlocale() finds the locale that every system has (C.UTF-8) there", WH_IMPORT, "setlocale newlocale",
	 "usr/lib/locale/C.utf8/** usr/lib/locale/C.UTF-8/**", NULL},
	{"locale-made", "setlocale() finds it there, and it was made for this image: no package brought it", WH_IMPORT, "setlocale newlocale", NULL,
	 wh_rule_locale_made},
	{"time-zones", "local time is asked for, and TZ may name any zone", WH_IMPORT, "localtime localtime_r tzset mktime strftime_l tzalloc localtime_rz", ZONES,
	 NULL},
	{"time-zones", "local time is asked for, and TZ may name any zone", WH_ENV, "TZ", ZONES, NULL},
	{"time-zones", "local time is asked for, and TZ may name any zone", WH_SOUGHT, "usr/share/zoneinfo/**", ZONES, NULL},
	{"time-zones", "local time is asked for, and TZ may name any zone", WH_NAMED, "usr/share/zoneinfo usr/share/zoneinfo/**", ZONES, NULL},
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
	{"openssl", "libssl reads its configuration there, and loads providers and engines", WH_IMPORT,
	 "OPENSSL_init_crypto OPENSSL_init_ssl SSL_CTX_new SSL_CTX_new_ex EVP_MD_fetch EVP_CIPHER_fetch OSSL_PROVIDER_load ENGINE_by_id CONF_modules_load_file "
	 "NCONF_load",
	 "etc/ssl/openssl.cnf usr/lib/ssl/openssl.cnf usr/lib/ssl/certs usr/lib/ssl/cert.pem usr/lib/*/ossl-modules/* usr/lib/*/engines-3/* "
	 "usr/lib/*/engines-1.1/* usr/lib/ossl-modules/* usr/lib/engines-3/*",
	 NULL},
	{"pkcs11", "modules that hold keys and authorities are loaded from there", WH_IMPORT, "p11_kit_modules_load_and_initialize p11_kit_modules_load",
	 "etc/pkcs11/** usr/share/p11-kit/modules/** usr/lib/*/pkcs11/* usr/share/pki/**", NULL},

	/* ------------------------------------------------ users, logins, directories */
	{"shadow", "passwords of the image's users are looked up in it", WH_IMPORT, "getspnam getspnam_r getspent fgetspent lckpwdf", "etc/shadow etc/gshadow", NULL},
	{"pam", "logins are checked by modules that the services' files name", WH_IMPORT, "pam_start pam_start_confdir",
	 "etc/pam.d/** etc/pam.conf usr/lib/pam.d/** etc/security/** etc/environment etc/default/locale etc/shadow etc/gshadow etc/login.defs usr/lib/*/security/* usr/lib/security/* "
	 "usr/sbin/unix_chkpwd usr/sbin/nologin usr/bin/false usr/share/pam/**",
	 NULL},
	{"sasl", "mechanisms of SASL are modules, and the other side chooses", WH_IMPORT, "sasl_client_init sasl_server_init",
	 "usr/lib/*/sasl2/* usr/lib/sasl2/* etc/sasl2/** usr/lib/sasl2/*.conf etc/sasldb2", NULL},
	{"kerberos", "Kerberos reads its configuration and loads plugins", WH_IMPORT,
	 "krb5_init_context krb5_init_secure_context gss_acquire_cred gss_init_sec_context gss_accept_sec_context",
	 "etc/krb5.conf etc/krb5.conf.d/** etc/krb5.keytab etc/krb5kdc/** etc/gss/** usr/lib/*/krb5/plugins/** usr/lib/*/gss/*", NULL},
	{"ldap", "the LDAP library reads its configuration there", WH_IMPORT, "ldap_initialize ldap_init ldap_create ldap_connect",
	 "etc/ldap/ldap.conf etc/openldap/ldap.conf", NULL},

	/* ------------------------------------------------ what libraries read and load */
	{"glib-modules", "GLib loads it for TLS, proxies and settings", WH_IMPORT,
	 "g_tls_client_connection_new g_tls_server_connection_new g_tls_backend_get_default g_tls_certificate_new_from_file g_socket_client_new g_proxy_resolver_get_default "
	 "soup_session_new g_settings_new g_io_modules_scan_all_in_directory",
	 "usr/lib/*/gio/modules/* usr/share/glib-2.0/schemas/gschemas.compiled", NULL},
	{"mime-types", "types of files are told by it", WH_IMPORT,
	 "g_content_type_guess g_content_type_get_mime_type g_content_type_from_mime_type xdg_mime_get_mime_type_for_file", "usr/share/mime/* etc/mime.types", NULL},
	{"mime-types", "types of files are told by it", WH_SOUGHT, "usr/share/mime/* etc/mime.types", "usr/share/mime/* etc/mime.types", NULL},
	{"mime-types", "types of files are told by it", WH_NAMED, "usr/share/mime usr/share/mime/* etc/mime.types", "usr/share/mime/* etc/mime.types", NULL},
	{"pixbuf-loaders", "image formats are loaders, and what is to be shown chooses", WH_KEPT, "usr/lib/*/libgdk_pixbuf-2.0.so.*", "usr/lib/*/gdk-pixbuf-2.0/**",
	 NULL},
	{"fontconfig", "fonts are looked up by it", WH_IMPORT, "FcInit FcInitLoadConfig FcInitLoadConfigAndFonts FcConfigGetCurrent FcFontMatch FcFontSort FcFontList",
	 "etc/fonts/** usr/share/fontconfig/** usr/share/xml/fontconfig/** usr/share/fonts usr/local/share/fonts", NULL},
	{"fonts", "a font beside it was used, and what is to be shown chooses", WH_SEEN, "usr/share/fonts/** usr/local/share/fonts/**", NULL, wh_rule_siblings},
	{"image-coders", "image formats are modules, and what is to be read chooses", WH_KEPT, "usr/lib/*/libMagickCore-*.so.*",
	 "etc/ImageMagick-*/** usr/share/ImageMagick-*/** usr/lib/*/ImageMagick-*/**", NULL},
	{"xml-catalogs", "names of schemas and DTDs are looked up in it", WH_IMPORT, "xmlLoadCatalogs xmlInitializeCatalog xmlLoadCatalog xmlCatalogResolve",
	 "etc/xml/** usr/share/xml/schema/xml-core/**", NULL},
	{"xml-catalogs", "names of schemas and DTDs are looked up in it", WH_SOUGHT, "etc/xml/catalog", "etc/xml/** usr/share/xml/schema/xml-core/**", NULL},
	{"magic", "libmagic tells types of files by it", WH_IMPORT, "magic_load magic_open magic_file magic_buffer",
	 "etc/magic etc/magic.mime usr/share/misc/magic usr/share/misc/magic.mgc usr/share/file/** usr/lib/file/**", NULL},
	{"geoip", "addresses are looked up in it", WH_IMPORT, "GeoIP_open GeoIP_open_type GeoIP_new MMDB_open", "usr/share/GeoIP/** var/lib/GeoIP/** etc/GeoIP.conf", NULL},
	{"mysql-client", "the server chooses how it is logged in to: a plugin; options are read from files", WH_IMPORT,
	 "mysql_real_connect mysql_init mysql_read_default_options", "etc/mysql/** etc/my.cnf etc/my.cnf.d/** usr/lib/*/libmariadb3/plugin/* usr/lib/mysql/plugin/*", NULL},
	{"postgresql-client", "services are looked up in it", WH_IMPORT, "PQconnectdb PQconnectdbParams PQconnectStart PQconnectStartParams PQsetdbLogin",
	 "etc/postgresql-common/** !etc/postgresql-common/pg_upgradecluster.d/**", NULL},
	{"odbc", "data sources are looked up in it, and their drivers loaded", WH_KEPT, "usr/lib/*/libodbc.so.* usr/lib/*/libiodbc.so.*",
	 "etc/odbc.ini etc/odbcinst.ini etc/ODBCDataSources/** usr/lib/*/odbc/*", NULL},
	{"gstreamer", "elements are plugins, and the pipeline or the stream chooses", WH_IMPORT, "gst_init gst_init_check gst_init_with_error",
	 "usr/lib/*/gstreamer-1.0/* usr/lib/*/gstreamer1.0/** usr/libexec/gstreamer-1.0/* usr/share/gstreamer-1.0/**", NULL},
	{"qt-plugins", "Qt loads it for the platform, image formats, TLS, databases", WH_KEPT, "usr/lib/*/libQt5Core.so.* usr/lib/*/libQt6Core.so.*",
	 "usr/lib/*/qt?/plugins/platforms/* usr/lib/*/qt?/plugins/imageformats/* usr/lib/*/qt?/plugins/tls/* usr/lib/*/qt?/plugins/sqldrivers/* "
	 "usr/lib/*/qt?/plugins/styles/* usr/lib/*/qt?/plugins/iconengines/* usr/lib/*/qt?/plugins/bearer/*",
	 NULL},
	{"graphviz", "layouts and formats are plugins, listed in a file that its installation wrote", WH_KEPT, "usr/lib/*/libgvc.so.*", "usr/lib/*/graphviz/*", NULL},
	{"spelling", "dictionaries are chosen by language", WH_IMPORT, "enchant_broker_init Hunspell_create new_aspell_speller aspell_speller_new",
	 "usr/share/hunspell/** usr/share/myspell/** usr/share/enchant*/** usr/lib/*/enchant-2/* usr/lib/aspell/** var/lib/aspell/** usr/share/aspell/** etc/aspell.conf", NULL},
	{"sound", "devices are described in it", WH_IMPORT, "snd_pcm_open snd_ctl_open snd_config_update", "usr/share/alsa/** etc/alsa/** etc/asound.conf usr/lib/*/alsa-lib/*",
	 NULL},
	{"tesseract", "languages are chosen by the caller", WH_SOUGHT, "usr/share/tesseract-ocr/**", "usr/share/tesseract-ocr/**", NULL},

	/* ------------------------------------------------ applications */
	/* Without llvmjit.so the server goes on without compiling expressions, and libLLVM has 100 MB. */
	{"database-directory", "it is of a database, which is whole or damaged", WH_SEEN, "**/PG_VERSION **/ibdata1 **/mysql.ibd **/WiredTiger", NULL, wh_rule_directory},
	{"postgresql-server", "the server loads it when SQL asks for it: extensions, time zones, dictionaries, encodings", WH_SEEN, "**/lib/postgresql/*/bin/postgres",
	 "usr/lib/postgresql/*/lib/** usr/share/postgresql/*/** !**/llvmjit* !**/bitcode/** !**/pgxs/** !**/*.a !**/man/** !**/pkgconfig/**", NULL},
	{"postgresql-server", "the server loads it when SQL asks for it: extensions, time zones, dictionaries, encodings", WH_SEEN, "usr/local/bin/postgres",
	 "usr/local/lib/postgresql/** usr/local/share/postgresql/** !**/llvmjit* !**/bitcode/** !**/pgxs/** !**/*.a !**/man/** !**/pkgconfig/**", NULL},
	{"mysql-server", "the server loads plugins and messages when SQL asks for them", WH_SEEN, "usr/sbin/mysqld usr/sbin/mariadbd",
	 "usr/lib/mysql/plugin/* usr/share/mysql/** usr/share/mariadb/** etc/mysql/** !**/mysql-test/**", NULL},
	{"redis-modules", "the server loads modules by configuration", WH_SEEN, "**/redis-server", "usr/lib/redis/modules/** usr/local/lib/redis/modules/**", NULL},
	{"git-programs", "git runs it for a command of its own", WH_SEEN, "usr/bin/git usr/lib/git-core/git", "usr/lib/git-core/* usr/share/git-core/templates/** etc/gitconfig", NULL},
	{"git-programs", "git runs it for a command of its own", WH_SEEN, "usr/local/bin/git usr/local/libexec/git-core/git",
	 "usr/local/libexec/git-core/* usr/local/share/git-core/templates/**", NULL},
	{"ssh-client", "copying to and from other machines goes through it", WH_SEEN, "usr/bin/git usr/local/bin/git usr/bin/rsync usr/bin/scp usr/bin/sftp", "usr/bin/ssh",
	 NULL},
	{"ssh-server", "the server needs its keys, and starts it for those who log in", WH_SEEN, "usr/sbin/sshd",
	 "etc/ssh/** etc/default/ssh etc/motd run/sshd usr/lib/openssh/* usr/share/openssh/*", NULL},
	{"gnupg-programs", "gpg starts it for keys, cards and networks", WH_SEEN, "usr/bin/gpg usr/bin/gpg2 usr/bin/gpgsm usr/bin/gpg-agent",
	 "usr/bin/gpg-agent usr/bin/dirmngr usr/bin/gpgconf usr/bin/pinentry* usr/lib/gnupg/** usr/share/gnupg/**", NULL},
	{"x11-data", "names of keys, colours and locales of windows", WH_IMPORT, "XOpenDisplay XOpenIM", "usr/share/X11/locale/** usr/share/X11/rgb.txt usr/share/X11/XErrorDB usr/share/X11/xkb/**",
	 NULL},

	/* ------------------------------------------------ code of languages: lang_*.c */
	{"application-home", "it lies in the directory of the application, whose code was used", WH_SEEN, "**", NULL, wh_rule_home},

	{"python-mimetypes", "Python's mimetypes reads it", WH_KEPT, "**/python3*/mimetypes.py", "etc/mime.types", NULL},
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
	{"python-find-library", "ctypes.util.find_library() asks it", WH_KEPT, "**/*.py **/bin/* **/sbin/*", NULL, wh_rule_python_find_library},

	{"node-package", "it is of a package that is used, or that a used one depends on", WH_KEPT,
	 "**/node_modules/** usr/share/nodejs/** usr/lib/nodejs/** usr/lib/*/nodejs/** **/package.json", NULL, wh_rule_node_package},
	{"node-require", "a source that stays asks for it by name", WH_KEPT, "**/*.js **/*.mjs **/*.cjs **/bin/*", NULL, wh_rule_node_require},
	{"node-require", "a source that stays asks for it by name", WH_SEEN, "**", NULL, wh_rule_node_require},

	{"node-template", "it renders templates of the kind of one that stays", WH_KEPT,
	 "**/*.ejs **/*.eta **/*.handlebars **/*.hbs **/*.jade **/*.liquid **/*.mustache **/*.njk **/*.pug **/*.twig", NULL, wh_rule_node_template},

	{"java-home", "the virtual machine loads it by itself when it comes to that", WH_SEEN, "**/lib/modules **/libjvm.so **/lib/rt.jar", NULL, wh_rule_java_home},
	{"java-jar", "the manifest of a jar that stays names it", WH_KEPT, "**/*.jar", NULL, wh_rule_java_jar},
	{"java-desktop", "a class that stays asks for what draws, prints or plays", WH_KEPT, "**/*.jar **/*.class", "**/lib/modules **/libjvm.so **/lib/rt.jar",
	 wh_rule_java_desktop},
	{"java-classes", "it lies in a directory of classes of which one was used", WH_SEEN, "**/*.class", NULL, wh_rule_java_classes},

	{"php-extensions", "a configuration that was read enables it", WH_KEPT, "**/conf.d/*.ini **/php*.ini **/mods-available/*.ini", NULL, wh_rule_php_extensions},
	{"php-package", "it is of a library that is used, or that a used one requires", WH_KEPT, "**/vendor/** usr/share/php/**", NULL, wh_rule_php_package},

	{"perl-module", "it is of a module that is used, or of its distribution", WH_KEPT, "**/*.pm", NULL, wh_rule_perl_module},
	{"perl-use", "a source that stays uses it", WH_KEPT, "**/*.pm **/*.pl **/*.psgi **/*.cgi **/bin/* **/sbin/*", NULL, wh_rule_perl_use},
	{"perl-use", "a source that stays uses it", WH_SEEN, "**", NULL, wh_rule_perl_use},
	{"perl-runtime", "Perl asks for it by itself when it comes to that", WH_SEEN, "**/perl*", NULL, wh_rule_perl_runtime},
	{"perl-unicode", "characters are asked for by name or property", WH_KEPT,
	 "**/unicore/** **/perl*/**/utf8.pm **/perl*/utf8.pm **/_charnames.pm **/Unicode/UCD.pm",
	 "usr/share/perl/*/unicore/** usr/lib/*/perl-base/unicore/** usr/lib/*/perl/*/unicore/** usr/local/lib/perl5/*/unicore/**", NULL},

	{"ruby-runtime", "the interpreter loads it by itself when it comes to that", WH_SEEN, "**/ruby* **/libruby*", NULL, wh_rule_ruby_runtime},
	{"ruby-library", "it lies below the name of a library that is used", WH_KEPT, "**/*.rb **/*.so", NULL, wh_rule_ruby_library},
	{"ruby-gem", "it is of a gem that is used, or that a used one depends on", WH_KEPT,
	 "**/gems/** **/specifications/*.gemspec usr/lib/ruby/vendor_ruby/** usr/lib/*/ruby/vendor_ruby/**", NULL, wh_rule_ruby_gem},
	{"ruby-require", "a source that stays requires it", WH_KEPT, "**/*.rb **/*.ru **/*.gemspec **/bin/*", NULL, wh_rule_ruby_require},
	{"ruby-require", "a source that stays requires it", WH_SEEN, "**", NULL, wh_rule_ruby_require},
	/* ------------------------------------------------ what is nobody's: last, so that those who know more tell why */
	{"content", "it lies beside content that was used, and no package brought it", WH_SEEN,
	 "srv/** var/www/** www/** app/** opt/** home/** usr/local/share/** usr/local/*/htdocs/** usr/share/nginx/html/**", NULL, wh_rule_content},
};
const size_t wh_closure_rows = WH_ARRAY_SIZE(wh_closure_table);
