/* SPDX-License-Identifier: Apache-2.0 */
/* Closure rules of languages: what each keeps, and that it keeps nothing without its evidence. */
#include "harden/lang.h"

#include "tests/unit/harden_helper.h"
#include "tests/unit/harden_packages_helper.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>

#define PY "usr/lib/python3.11"
#define SITE "usr/lib/python3/dist-packages"
#define PYTHON_RUNS                                                                     \
	"P 1 0 /usr/bin/python3.11 /app/main.py\nA x 1 /usr/bin/python3.11\nA r 1 /" PY \
	"/encodings/__init__.py\nA r 1 /app/main.py\n"
#define NODE_RUNS "P 1 0 /usr/bin/node -\nA x 1 /usr/bin/node\nA r 1 /app/server.js\n"
#define JAVA_RUNS "P 1 0 /opt/jdk/bin/java -\nA x 1 /opt/jdk/bin/java\n"
#define PHP_RUNS "P 1 0 /usr/bin/php8.2 -\nA x 1 /usr/bin/php8.2\n"
#define PERL_RUNS "P 1 0 /usr/bin/perl -\nA x 1 /usr/bin/perl\n"
#define RUBY_RUNS "P 1 0 /usr/bin/ruby3.1 -\nA x 1 /usr/bin/ruby3.1\n"

/* One small system for each language, one table of who is kept by whom. */
static const struct file python_files[] = {
	{"usr/bin/python3.11", "python"},
	{"usr/sbin/ldconfig", "x"},
	{"app/main.py",
	 "import flask\ndef lazy():\n\timport csv, json.decoder as d\n\tfrom zoneinfo import ZoneInfo\n\tfrom sqlite3 import (connect, # x\n\t\tdbapi2)\n"
	 "\timportlib.import_module('named')\nif TYPE_CHECKING:\n    import onlytyped\ncls = 'loghandlers.sub:Handler'\n"},
	{"app/templates/page.html", "x"},
	{"app/node_modules/x/index.js", "x"},
	{"opt/bare.py", "x"},
	{"opt/native/main.py", "import ctypes.util\nctypes.util.find_library('z')\n"},
	{"opt/templates/bare.html", "x"},
	{"opt/other/file", "x"},
	{"usr/share/zoneinfo/Asia/Tokyo", "x"},
	{"etc/mime.types", "x"},
	{PY "/mimetypes.py", "x"},
	{PY "/os.py", "x"},
	{PY "/encodings/__init__.py", "from . import aliases\n"},
	{PY "/encodings/cp1250.py", "x"},
	{PY "/traceback.py", "import linecache\n"},
	{PY "/csv.py", "import _csv\n"},
	{PY "/__pycache__/csv.cpython-311.pyc", "x"},
	{PY "/__pycache__/csv.cpython-311.opt-1.pyc", "x"},
	{PY "/__pycache__/seen.cpython-311.pyc", "x"},
	{PY "/seen.py", "x"},
	{PY "/unused.py", "x"},
	{PY "/named.py", "x"},
	{PY "/onlytyped.py", "x"},
	{PY "/lib-dynload/_csv.cpython-311-x86_64-linux-gnu.so", "x"},
	{PY "/lib-dynload/_dbm.cpython-311-x86_64-linux-gnu.so", "x"},
	{PY "/json/__init__.py", "import test.support\nimport pydoc_data.topics\n"},
	{PY "/json/decoder.py", "x"},
	{PY "/json/tool.py", "x"},
	{PY "/json/tests/test_x.py", "import unused\n"},
	{PY "/sqlite3/__init__.py", "x"},
	{PY "/sqlite3/dbapi2.py", "x"},
	{PY "/loghandlers/__init__.py", "x"},
	{PY "/loghandlers/sub.py", "x"},
	{PY "/pydoc_data/topics.py", "x"},
	{PY "/test/support/__init__.py", "x"},
	{PY "/zoneinfo/__init__.py", "x"},
	{PY "/ctypes/__init__.py", "x"},
	{PY "/ctypes/util.py", "x"},
	{SITE "/flask/__init__.py", "from .app import Flask\n"},
	{SITE "/flask/app.py", "def f():\n from ..beside import g\n"},
	{SITE "/flask/data/style.css", "x"},
	{SITE "/beside.py", "x"},
	{SITE "/tzdata/__init__.py", "x"},
	{SITE "/tzdata/zoneinfo/UTC", "x"},
	{SITE "/Flask-2.2.egg-info/PKG-INFO", "Metadata-Version: 2.1\nName: Flask\nVersion: 2.2\n"},
	{SITE "/Flask-2.2.egg-info/top_level.txt", "flask\n"},
	{SITE "/Flask-2.2.egg-info/entry_points.txt", "x"},
	{SITE "/Flask-2.2.egg-info/requires.txt", "Click_Two>=8\n\n[dotenv]\npython-dotenv\n"},
	{SITE "/click2/__init__.py", "x"},
	{SITE "/click2/cli.so", "x"},
	{SITE "/click_two-8.dist-info/METADATA",
	 "Metadata-Version: 2.1\nName: click-two\nVersion: 8\nRequires-Dist: deep (>=1)\nRequires-Dist: dotenv ; extra == 'x'\n"},
	{SITE "/click_two-8.dist-info/RECORD", "click2/__init__.py,,\nclick2/cli.so,,\n../../../bin/click,,\n"},
	{SITE "/deep-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: deep\nVersion: 1\nRequires-Dist: Flask\n"},
	{SITE "/deep-1.dist-info/RECORD", "deep.py,,\n"},
	{SITE "/deep.py", "x"},
	{SITE "/dotenv/__init__.py", "x"},
	{SITE "/dotenv-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: dotenv\nVersion: 1\n"},
	{SITE "/dotenv-1.dist-info/RECORD", "dotenv/__init__.py,,\n"},
	{SITE "/_distutils_hack/__init__.py", "import setuptools\n"},
	{SITE "/pkg_resources/__init__.py", "x"},
	{SITE "/pkg_resources/extern.py", "x"},
	{SITE "/setuptools/__init__.py", "x"},
	{SITE "/setuptools/_distutils/__init__.py", "x"},
	{SITE "/setuptools-66.dist-info/METADATA", "Metadata-Version: 2.1\nName: setuptools\nVersion: 66\n"},
	{SITE "/setuptools-66.dist-info/RECORD",
	 "_distutils_hack/__init__.py,,\npkg_resources/__init__.py,,\npkg_resources/extern.py,,\nsetuptools/__init__.py,,\n"},
	{SITE "/wants_distutils.py", "from distutils.core import setup\n"},
	{SITE "/bare/__init__.py", "x"},
	{SITE "/bare/data.json", "x"},
	{NULL, NULL},
};
static const struct file node_files[] = {
	{"usr/bin/node", "node"},
	{"app/package.json",
	 "{\"name\":\"app\",\"version\":\"1.0.0\",\"dependencies\":{\"declared\":\"*\",\"../etc\":\"*\"},\"devDependencies\":{\"dev\":\"*\"}}"},
	{"app/server.js",
	 "const a = require('asked/sub');\nimport b from \"@scope/b\";\n// require('commented')\nconst p = await import(`templated`)\n"},
	{"app/views/page.html", "x"},
	{"app/views/other.ejs", "x"},
	{"app/node_modules/ejs/package.json", "{\"name\":\"ejs\",\"version\":\"1.0.0\"}"},
	{"app/node_modules/pug/package.json", "{\"name\":\"pug\",\"version\":\"1.0.0\"}"},
	{"app/node_modules/asked/package.json",
	 "{\"name\":\"asked\",\"version\":\"1.0.0\",\"dependencies\":{\"deep\":\"*\"}}"},
	{"app/node_modules/asked/sub.js", "x"},
	{"app/node_modules/asked/lib/data.json", "x"},
	{"app/node_modules/asked/run.js", "#!/usr/bin/env node\n"},
	{"usr/bin/env", "env"},
	{"app/node_modules/asked/node_modules/deep/index.js", "x"},
	{"app/node_modules/asked/node_modules/deep/addon.node", "x"},
	{"app/node_modules/asked/node_modules/deep/package.json",
	 "{\"name\":\"deep\",\"version\":\"1.0.0\",\"dependencies\":{\"asked\":\"*\"}}"},
	{"app/node_modules/asked/node_modules/other/index.js", "x"},
	{"app/node_modules/asked/tests.js", "require('dev')"},
	{"app/node_modules/@scope/b/package.json", "{\"name\":\"@scope/b\",\"version\":\"1.0.0\"}"},
	{"app/node_modules/@scope/b/index.mjs", "x"},
	{"app/node_modules/@scope/c/index.js", "x"},
	{"app/node_modules/declared/package.json", "{\"name\":\"declared\",\"version\":\"1.0.0\"}"},
	{"app/node_modules/declared/main.js", "require('debian')"},
	{"app/node_modules/dev/index.js", "x"},
	{"app/node_modules/commented/index.js", "x"},
	{"app/node_modules/templated/index.js", "x"},
	{"usr/share/nodejs/debian/index.js", "x"},
	{"usr/share/nodejs/debian/more.js", "x"},
	{"usr/share/nodejs/unused/index.js", "x"},
	{NULL, NULL},
};
static const struct file java_files[] = {
	{"opt/jdk/bin/java", "java"},
	{"opt/jdk/lib/modules", "x"},
	{"opt/jdk/lib/libnio.so", "x"},
	{"opt/jdk/lib/libawt.so", "x"},
	{"opt/jdk/lib/src.zip", "x"},
	{"opt/draw/Draws.class", "java/awt/Graphics"},
	{"opt/plain/Plain.class", "java/lang/String"},
	{"opt/prints/Prints.class", "javax/print/PrintService"},
	{"opt/jdk/lib/libjsound.so", "x"},
	{"usr/lib/x86_64-linux-gnu/libcups.so.2", "x"},
	{"opt/jdk/lib/jrt-fs.jar", "x"},
	{"opt/shop/shop.jar", "x"},
	{"opt/shop/conf/shop.properties", "x"},
	{"opt/jdk/lib/tzdb.dat", "x"},
	{"opt/jdk/lib/security/cacerts", "@/etc/ssl/certs/java/cacerts"},
	{"etc/ssl/certs/java/cacerts", "x"},
	{"opt/jdk/conf/net.properties", "x"},
	{"opt/jdk/jmods/java.base.jmod", "x"},
	{NULL, NULL},
};
static const struct file php_files[] = {
	{"usr/bin/php8.2", "php"},
	{"etc/php/8.2/cli/php.ini",
	 "x = y\n;extension=off\nextension=mbstring ; text\nzend_extension = \"opcache.so\"\n"},
	{"usr/lib/php/20220829/mbstring.so", "x"},
	{"usr/lib/php/20220829/opcache.so", "x"},
	{"usr/lib/php/20220829/off.so", "x"},
	{"srv/www/composer.json", "{}"},
	{"srv/www/index.php", "x"},
	{"srv/www/pages/other.phtml", "x"},
	{"srv/www/vendor/autoload.php", "x"},
	{"srv/www/vendor/composer/autoload_real.php", "x"},
	{"srv/www/vendor/composer/installed.json", "[]"},
	{"srv/www/vendor/a/used/composer.json", "{\"require\":{\"php\":\">=8\",\"b/needed\":\"*\",\"../../x\":\"*\"}}"},
	{"srv/www/vendor/a/used/src/A.php", "x"},
	{"srv/www/vendor/a/used/src/B.php", "x"},
	{"srv/www/vendor/b/needed/composer.json", "{}"},
	{"srv/www/vendor/b/needed/src/C.php", "x"},
	{"srv/www/vendor/c/unused/D.php", "x"},
	{NULL, NULL},
};
static const struct file perl_files[] = {
	{"usr/bin/perl", "perl"},
	{"app/main.pl",
	 "use strict; use Foo::Bar 1.0 qw(x); my $from = \"DBI:Lite(a=>1):x\";\nuse parent -norequire, qw(Base::One\nsub f { require Lazy; require \"old.pl\"; }\n=pod\n\nuse Pod;\n\n=cut\n__END__\nuse Ended;\n"},
	{"usr/share/perl5/Foo/Bar.pm", "use utf8;\n"},
	{"usr/share/perl5/Foo/Bar/Plugin.pm", "x"},
	{"usr/share/perl5/Foo/Else.pm", "x"},
	{"usr/lib/x86_64-linux-gnu/perl5/5.36/auto/Foo/Bar/Bar.so", "x"},
	{"usr/share/perl5/Base/One.pm", "x"},
	{"usr/share/perl5/Lazy.pm", "x"},
	{"usr/share/perl5/old.pl", "x"},
	{"usr/share/perl5/Pod.pm", "x"},
	{"usr/share/perl5/DBD/Lite.pm", "x"},
	{"usr/share/perl5/DBD/Else.pm", "x"},
	{"usr/share/perl/5.36.0/PerlIO.pm", "x"},
	{"usr/share/perl5/Ended.pm", "x"},
	{"usr/share/perl/5.36.0/utf8.pm", "x"},
	{"usr/share/perl/5.36.0/unicore/Name.pl", "x"},
	{"usr/share/perl/5.36.0/attributes.pm", "x"},
	{"usr/share/perl/5.36.0/Unused.pm", "x"},
	{"usr/local/share/perl/5.36.0/Cpan/One.pm", "x"},
	{"usr/local/share/perl/5.36.0/Cpan/Two.pm", "x"},
	{"usr/local/lib/x86_64-linux-gnu/perl/5.36.0/auto/Cpan/.packlist",
	 "/usr/local/share/perl/5.36.0/Cpan/One.pm\n/usr/local/share/perl/5.36.0/Cpan/Two.pm type=file\n/etc/secret\n"},
	{"etc/secret", "x"},
	{NULL, NULL},
};
static const struct file ruby_files[] = {
	{"usr/bin/ruby3.1", "ruby"},
	{"app/main.rb",
	 "require 'psych'\nrequire_relative \"lib/own\"\nautoload :Late, 'late'\ndef f\n  require('gemmed')\nend\n# require 'commented'\nrequire \"#{x}\"\n"},
	{"usr/lib/ruby/3.1.0/rubygems.rb", "x"},
	{"usr/lib/ruby/3.1.0/rubygems/errors.rb", "x"},
	{"usr/lib/ruby/3.1.0/psych.rb", "require 'second'\n"},
	{"usr/lib/ruby/3.1.0/second.rb", "x"},
	{"usr/lib/ruby/3.1.0/psych/syntax_error.rb", "x"},
	{"usr/lib/ruby/3.1.0/late.rb", "x"},
	{"usr/lib/ruby/3.1.0/commented.rb", "x"},
	{"usr/lib/ruby/3.1.0/unused.rb", "x"},
	{"usr/lib/x86_64-linux-gnu/ruby/3.1.0/enc/shift_jis.so", "x"},
	{"var/lib/gems/3.1.0/gems/gemmed-1.0/lib/gemmed.rb", "x"},
	{"var/lib/gems/3.1.0/gems/gemmed-1.0/data/x.yml", "x"},
	{"var/lib/gems/3.1.0/specifications/gemmed-1.0.gemspec",
	 "s.add_runtime_dependency(%q<deep>.freeze, [\">= 1\"])\ns.add_development_dependency(%q<dev>.freeze)\n"},
	{"var/lib/gems/3.1.0/extensions/x86_64-linux/3.1.0/gemmed-1.0/gemmed.so", "x"},
	{"var/lib/gems/3.1.0/gems/deep-2.0/lib/deep.rb", "x"},
	{"var/lib/gems/3.1.0/specifications/deep-2.0.gemspec", "s.add_dependency 'gemmed'\n"},
	{"var/lib/gems/3.1.0/gems/deep-er-2.0/lib/er.rb", "x"},
	{"var/lib/gems/3.1.0/specifications/deep-er-2.0.gemspec", "x"},
	{"var/lib/gems/3.1.0/gems/dev-1.0/lib/dev.rb", "x"},
	{"var/lib/gems/3.1.0/specifications/dev-1.0.gemspec", "x"},
	{NULL, NULL},
};

struct wanted {
	const struct file *files;
	const char *records;
	const char *rule, *kept; /* a path that this rule keeps; rule NULL: a path that nothing keeps */
};

static const struct wanted cases[] = {
	{python_files, PYTHON_RUNS, "application-home", "app/templates/page.html"},
	{python_files, PYTHON_RUNS, NULL, "app/node_modules/x/index.js"},
	{python_files, PYTHON_RUNS "A r 1 /opt/bare.py\n", "application-home", "opt/templates/bare.html"},
	{python_files, PYTHON_RUNS "A r 1 /opt/bare.py\n", NULL, "opt/other/file"},
	{python_files, PYTHON_RUNS, NULL, "opt/templates/bare.html"},
	{python_files, PYTHON_RUNS, "python-runtime", PY "/traceback.py"},
	{python_files, PYTHON_RUNS "A r 1 /" PY "/mimetypes.py\n", "python-mimetypes", "etc/mime.types"},
	{python_files, PYTHON_RUNS, "python-library", PY "/encodings/cp1250.py"},
	{python_files, PYTHON_RUNS, "python-library", PY "/json/tool.py"},
	{python_files, PYTHON_RUNS, "python-import", PY "/csv.py"},
	{python_files, PYTHON_RUNS, "python-import", PY "/lib-dynload/_csv.cpython-311-x86_64-linux-gnu.so"},
	{python_files, PYTHON_RUNS, "python-import", PY "/sqlite3/__init__.py"},
	{python_files, PYTHON_RUNS, "python-import", PY "/named.py"},
	{python_files, PYTHON_RUNS, "python-import", PY "/loghandlers/sub.py"},
	{python_files, PYTHON_RUNS, "python-bytecode", PY "/__pycache__/csv.cpython-311.pyc"},
	{python_files, PYTHON_RUNS "A r 1 /" PY "/__pycache__/seen.cpython-311.pyc\n", "python-bytecode",
	 PY "/seen.py"},
	{python_files, PYTHON_RUNS, NULL, PY "/__pycache__/csv.cpython-311.opt-1.pyc"},
	{python_files, PYTHON_RUNS, NULL, PY "/unused.py"},
	{python_files, PYTHON_RUNS, NULL, PY "/onlytyped.py"},
	{python_files, PYTHON_RUNS, NULL, PY "/json/tests/test_x.py"},
	{python_files, PYTHON_RUNS, NULL, PY "/test/support/__init__.py"},
	{python_files, PYTHON_RUNS, NULL, PY "/pydoc_data/topics.py"},
	{python_files, PYTHON_RUNS, NULL, PY "/lib-dynload/_dbm.cpython-311-x86_64-linux-gnu.so"},
	{python_files, PYTHON_RUNS, "python-zones", "usr/share/zoneinfo/Asia/Tokyo"},
	{python_files, PYTHON_RUNS "A r 1 /" PY "/ctypes/util.py\n", "python-find-library", "usr/sbin/ldconfig"},
	{python_files, PYTHON_RUNS, NULL, "usr/sbin/ldconfig"},
	{python_files, PYTHON_RUNS "A r 1 /opt/native/main.py\n", "python-find-library", "usr/sbin/ldconfig"},
	/* Nothing that was installed was used: it is found all the same. */
	{python_files, PYTHON_RUNS, "python-import", SITE "/flask/__init__.py"},
	{python_files, PYTHON_RUNS "A r 1 /" SITE "/flask/__init__.py\n", "python-distribution",
	 SITE "/flask/data/style.css"},
	{python_files, PYTHON_RUNS "A r 1 /" SITE "/flask/__init__.py\n", "python-distribution",
	 SITE "/Flask-2.2.egg-info/entry_points.txt"},
	{python_files, PYTHON_RUNS "A r 1 /" SITE "/flask/__init__.py\n", "python-distribution", SITE "/click2/cli.so"},
	{python_files, PYTHON_RUNS "A r 1 /" SITE "/flask/__init__.py\n", "python-distribution", SITE "/deep.py"},
	{python_files, PYTHON_RUNS "A r 1 /" SITE "/flask/__init__.py\n", "python-import", SITE "/beside.py"},
	{python_files, PYTHON_RUNS "A r 1 /" SITE "/flask/__init__.py\n", NULL, SITE "/dotenv/__init__.py"},
	{python_files, PYTHON_RUNS "A r 1 /" SITE "/flask/__init__.py\n", "python-distribution",
	 SITE "/tzdata/zoneinfo/UTC"},
	{python_files, PYTHON_RUNS "A r 1 /" SITE "/dotenv-1.dist-info/METADATA\n", NULL, SITE "/dotenv/__init__.py"},
	{python_files, PYTHON_RUNS "A r 1 /" SITE "/_distutils_hack/__init__.py\n", NULL,
	 SITE "/setuptools/__init__.py"},
	{python_files, PYTHON_RUNS "A r 1 /" SITE "/pkg_resources/__init__.py\n", "python-distribution",
	 SITE "/pkg_resources/extern.py"},
	{python_files, PYTHON_RUNS "A r 1 /" SITE "/pkg_resources/__init__.py\n", "python-distribution",
	 SITE "/setuptools-66.dist-info/METADATA"},
	{python_files, PYTHON_RUNS "A r 1 /" SITE "/pkg_resources/__init__.py\n", NULL, SITE "/setuptools/__init__.py"},
	{python_files, PYTHON_RUNS "A r 1 /" SITE "/wants_distutils.py\n", "python-import",
	 SITE "/setuptools/_distutils/__init__.py"},
	{python_files, PYTHON_RUNS "A r 1 /" SITE "/bare/__init__.py\n", "python-distribution", SITE "/bare/data.json"},
	/* Sources are texts where no Python runs. */
	{python_files, "P 1 0 /usr/sbin/ldconfig -\nA r 1 /app/main.py\n", NULL, PY "/csv.py"},

	{node_files, NODE_RUNS, "application-home", "app/views/page.html"},
	{node_files, NODE_RUNS, "node-require", "app/node_modules/asked/package.json"},
	{node_files, NODE_RUNS, "node-require", "app/node_modules/@scope/b/package.json"},
	{node_files, NODE_RUNS, "node-require", "app/node_modules/templated/index.js"},
	{node_files, NODE_RUNS, "node-package", "app/node_modules/asked/lib/data.json"},
	{node_files, NODE_RUNS, "node-package", "app/node_modules/asked/run.js"},
	{node_files, NODE_RUNS, NULL, "usr/bin/env"},
	{node_files, NODE_RUNS, "node-package", "app/node_modules/@scope/b/index.mjs"},
	{node_files, NODE_RUNS, "node-package", "app/node_modules/asked/node_modules/deep/addon.node"},
	{node_files, NODE_RUNS, "node-package", "app/node_modules/declared/main.js"},
	{node_files, NODE_RUNS, "node-package", "usr/share/nodejs/debian/more.js"},
	{node_files, NODE_RUNS, "node-template", "app/node_modules/ejs/package.json"},
	{node_files, NODE_RUNS, NULL, "app/node_modules/pug/package.json"},
	{node_files, NODE_RUNS, NULL, "app/node_modules/dev/index.js"},
	{node_files, NODE_RUNS, NULL, "app/node_modules/@scope/c/index.js"},
	{node_files, NODE_RUNS, NULL, "app/node_modules/commented/index.js"},
	{node_files, NODE_RUNS, NULL, "app/node_modules/asked/node_modules/other/index.js"},
	{node_files, NODE_RUNS, NULL, "usr/share/nodejs/unused/index.js"},
	{node_files, "P 1 0 /usr/bin/other -\nA r 1 /app/package.json\n", NULL, "app/node_modules/declared/main.js"},

	{java_files, JAVA_RUNS "A r 1 /opt/jdk/lib/modules\n", "java-home", "opt/jdk/lib/libnio.so"},
	{java_files, JAVA_RUNS "A r 1 /opt/jdk/lib/modules\n", "java-home", "opt/jdk/lib/tzdb.dat"},
	{java_files, JAVA_RUNS "A r 1 /opt/jdk/lib/modules\n", "java-home", "etc/ssl/certs/java/cacerts"},
	{java_files, JAVA_RUNS "A r 1 /opt/jdk/lib/modules\n", "java-home", "opt/jdk/conf/net.properties"},
	{java_files, JAVA_RUNS "A r 1 /opt/jdk/lib/modules\n", NULL, "opt/jdk/lib/libawt.so"},
	{java_files, JAVA_RUNS "A r 1 /opt/jdk/lib/modules\n", NULL, "opt/jdk/lib/src.zip"},
	{java_files, JAVA_RUNS "A r 1 /opt/jdk/lib/modules\nA r 1 /opt/draw/Draws.class\n", "java-desktop", "opt/jdk/lib/libawt.so"},
	{java_files, JAVA_RUNS "A r 1 /opt/jdk/lib/modules\nA r 1 /opt/draw/Draws.class\n", NULL, "opt/jdk/lib/libjsound.so"},
	{java_files, JAVA_RUNS "A r 1 /opt/jdk/lib/modules\nA r 1 /opt/plain/Plain.class\n", NULL, "opt/jdk/lib/libawt.so"},
	{java_files, JAVA_RUNS "A r 1 /opt/jdk/lib/modules\nA r 1 /opt/prints/Prints.class\n", "java-desktop", "usr/lib/x86_64-linux-gnu/libcups.so.2"},
	{java_files, JAVA_RUNS "A r 1 /opt/jdk/lib/modules\n", NULL, "opt/jdk/jmods/java.base.jmod"},
	{java_files, JAVA_RUNS, NULL, "opt/jdk/lib/libnio.so"},
	{java_files, JAVA_RUNS "A r 1 /opt/jdk/lib/jrt-fs.jar\n", NULL, "opt/jdk/lib/src.zip"},
	{java_files, JAVA_RUNS "A r 1 /opt/shop/shop.jar\n", "application-home", "opt/shop/conf/shop.properties"},

	{php_files, PHP_RUNS "A r 1 /etc/php/8.2/cli/php.ini\n", "php-extensions", "usr/lib/php/20220829/mbstring.so"},
	{php_files, PHP_RUNS "A r 1 /etc/php/8.2/cli/php.ini\n", "php-extensions", "usr/lib/php/20220829/opcache.so"},
	{php_files, PHP_RUNS "A r 1 /etc/php/8.2/cli/php.ini\n", NULL, "usr/lib/php/20220829/off.so"},
	{php_files, PHP_RUNS, NULL, "usr/lib/php/20220829/mbstring.so"},
	{php_files, PHP_RUNS "A r 1 /srv/www/index.php\n", "application-home", "srv/www/pages/other.phtml"},
	{php_files, PHP_RUNS "A r 1 /srv/www/index.php\nA r 1 /srv/www/vendor/a/used/src/A.php\n", "php-package",
	 "srv/www/vendor/a/used/src/B.php"},
	{php_files, PHP_RUNS "A r 1 /srv/www/index.php\nA r 1 /srv/www/vendor/a/used/src/A.php\n", "php-package",
	 "srv/www/vendor/b/needed/src/C.php"},
	{php_files, PHP_RUNS "A r 1 /srv/www/index.php\nA r 1 /srv/www/vendor/a/used/src/A.php\n", "php-package",
	 "srv/www/vendor/autoload.php"},
	{php_files, PHP_RUNS "A r 1 /srv/www/index.php\nA r 1 /srv/www/vendor/a/used/src/A.php\n", NULL,
	 "srv/www/vendor/c/unused/D.php"},

	{perl_files, PERL_RUNS, "perl-runtime", "usr/share/perl/5.36.0/attributes.pm"},
	{perl_files, PERL_RUNS "A r 1 /app/main.pl\n", "perl-use", "usr/share/perl5/Foo/Bar.pm"},
	{perl_files, PERL_RUNS "A r 1 /app/main.pl\n", "perl-use", "usr/share/perl5/Base/One.pm"},
	{perl_files, PERL_RUNS "A r 1 /app/main.pl\n", "perl-use", "usr/share/perl5/Lazy.pm"},
	{perl_files, PERL_RUNS "A r 1 /app/main.pl\n", "perl-use", "usr/share/perl5/old.pl"},
	{perl_files, PERL_RUNS "A r 1 /app/main.pl\n", "perl-module", "usr/share/perl5/Foo/Bar/Plugin.pm"},
	{perl_files, PERL_RUNS "A r 1 /app/main.pl\n", "perl-module",
	 "usr/lib/x86_64-linux-gnu/perl5/5.36/auto/Foo/Bar/Bar.so"},
	{perl_files, PERL_RUNS "A r 1 /app/main.pl\n", "perl-unicode", "usr/share/perl/5.36.0/unicore/Name.pl"},
	{perl_files, PERL_RUNS "A r 1 /app/main.pl\n", NULL, "usr/share/perl5/Foo/Else.pm"},
	{perl_files, PERL_RUNS "A r 1 /app/main.pl\n", NULL, "usr/share/perl5/Pod.pm"},
	{perl_files, PERL_RUNS "A r 1 /app/main.pl\n", "perl-use", "usr/share/perl5/DBD/Lite.pm"},
	{perl_files, PERL_RUNS "A r 1 /app/main.pl\n", NULL, "usr/share/perl5/DBD/Else.pm"},
	{perl_files, PERL_RUNS, "perl-runtime", "usr/share/perl/5.36.0/PerlIO.pm"},
	{perl_files, PERL_RUNS "A r 1 /app/main.pl\n", NULL, "usr/share/perl5/Ended.pm"},
	{perl_files, PERL_RUNS "A r 1 /usr/local/share/perl/5.36.0/Cpan/One.pm\n", "perl-module",
	 "usr/local/share/perl/5.36.0/Cpan/Two.pm"},
	{perl_files, PERL_RUNS "A r 1 /usr/local/share/perl/5.36.0/Cpan/One.pm\n", NULL, "etc/secret"},
	{perl_files, PERL_RUNS, NULL, "usr/share/perl/5.36.0/unicore/Name.pl"},

	{ruby_files, RUBY_RUNS, "ruby-runtime", "usr/lib/x86_64-linux-gnu/ruby/3.1.0/enc/shift_jis.so"},
	{ruby_files, RUBY_RUNS, "ruby-runtime", "usr/lib/ruby/3.1.0/rubygems/errors.rb"},
	{ruby_files, RUBY_RUNS "A r 1 /app/main.rb\n", "ruby-require", "usr/lib/ruby/3.1.0/psych.rb"},
	{ruby_files, RUBY_RUNS "A r 1 /app/main.rb\n", "ruby-require", "usr/lib/ruby/3.1.0/late.rb"},
	{ruby_files, RUBY_RUNS "A r 1 /app/main.rb\n", "ruby-require", "usr/lib/ruby/3.1.0/second.rb"},
	{ruby_files, RUBY_RUNS "A r 1 /app/main.rb\n", "ruby-library", "usr/lib/ruby/3.1.0/psych/syntax_error.rb"},
	{ruby_files, RUBY_RUNS "A r 1 /app/main.rb\n", "ruby-require",
	 "var/lib/gems/3.1.0/gems/gemmed-1.0/lib/gemmed.rb"},
	{ruby_files, RUBY_RUNS "A r 1 /app/main.rb\n", "ruby-gem", "var/lib/gems/3.1.0/gems/gemmed-1.0/data/x.yml"},
	{ruby_files, RUBY_RUNS "A r 1 /app/main.rb\n", "ruby-gem",
	 "var/lib/gems/3.1.0/extensions/x86_64-linux/3.1.0/gemmed-1.0/gemmed.so"},
	{ruby_files, RUBY_RUNS "A r 1 /app/main.rb\n", "ruby-gem", "var/lib/gems/3.1.0/gems/deep-2.0/lib/deep.rb"},
	{ruby_files, RUBY_RUNS "A r 1 /app/main.rb\n", NULL, "var/lib/gems/3.1.0/gems/deep-er-2.0/lib/er.rb"},
	{ruby_files, RUBY_RUNS "A r 1 /app/main.rb\n", NULL, "var/lib/gems/3.1.0/gems/dev-1.0/lib/dev.rb"},
	{ruby_files, RUBY_RUNS "A r 1 /app/main.rb\n", NULL, "usr/lib/ruby/3.1.0/commented.rb"},
	{ruby_files, RUBY_RUNS "A r 1 /app/main.rb\nA r 1 /var/lib/gems/3.1.0/specifications/dev-1.0.gemspec\n", NULL,
	 "var/lib/gems/3.1.0/gems/dev-1.0/lib/dev.rb"},
	{ruby_files, RUBY_RUNS "A r 1 /app/main.rb\nA r 1 /var/lib/gems/3.1.0/specifications/deep-2.0.gemspec\n",
	 "ruby-gem", "var/lib/gems/3.1.0/gems/deep-2.0/lib/deep.rb"},
};

static size_t count(const struct file *v)
{
	size_t n = 0;

	while (v[n].path)
		n++;
	return n;
}

static struct wh_keep *decide(struct wh_tree *t, const char *records)
{
	WH_AUTO_JSON json_t *profile = profile_of(t, records);
	const json_t *profiles[] = {profile};
	const struct wh_prune_opts o = {.profiles = profiles, .n_profiles = 1};
	struct wh_keep *k = NULL;
	struct wh_err *err = NULL;

	assert_ok(wh_keep_decide(t, &o, &k, &err), err);
	return k;
}

static const struct wh_kept *item(const struct wh_keep *k, const char *path)
{
	struct wh_kept *i;

	HASH_FIND_STR(k->items, path, i);
	return i;
}

static void test_rules(void **state)
{
	const struct file *files = NULL;
	struct forest f = {.tree = NULL};

	(void)state;
	become_root();
	for (size_t i = 0; i < WH_ARRAY_SIZE(cases); i++) {
		const struct wanted *w = &cases[i];
		const struct wh_kept *kept;
		struct wh_node_ref n;
		struct wh_keep *k;

		print_message("%zu: %s %s\n", i, w->rule ? w->rule : "nothing", w->kept);
		if (files && w->files != files)
			forest_close(&f);
		if (w->files != files)
			forest_open(&f, w->files, count(w->files));
		files = w->files;
		assert_int_equal(wh_tree_lookup(f.tree, w->kept, &n), 0);
		k = decide(f.tree, w->records);
		kept = item(k, w->kept);
		if (!w->rule) {
			if (kept)
				fail_msg("/%s is kept: %s", w->kept,
					 kept->name ? kept->name : wh_rule_name(kept->rule));
		} else {
			if (!kept) {
				fail_msg("/%s is not kept", w->kept);
				return;
			}
			assert_string_equal(kept->name ? kept->name : wh_rule_name(kept->rule), w->rule);
		}
		wh_keep_free(k);
	}
	forest_close(&f);
}

/* Each language's rule has a case above, and the next test. */
static void test_all_rules_have_cases(void **state)
{
	static const char *const elsewhere[] = {"java-jar", "java-classes"};

	(void)state;
	for (size_t r = 0; r < wh_closure_rows; r++) {
		const char *name = wh_closure_table[r].name;
		bool found =
			!(wh_has_prefix(name, "python-") || wh_has_prefix(name, "node-") ||
			  wh_has_prefix(name, "java-") || wh_has_prefix(name, "php-") || wh_has_prefix(name, "perl-") ||
			  wh_has_prefix(name, "ruby-") || wh_has_prefix(name, "application-home"));

		for (size_t i = 0; !found && i < WH_ARRAY_SIZE(cases); i++)
			found = wh_streq(cases[i].rule, name);
		for (size_t i = 0; !found && i < WH_ARRAY_SIZE(elsewhere); i++)
			found = wh_streq(elsewhere[i], name);
		if (!found)
			fail_msg("no case for %s", name);
	}
}

/* ---------------------------------------------------------------- files with zeros in them */

struct blob {
	const char *path;
	const void *p;
	size_t n;
};

static void blobs_open(struct forest *f, const struct blob *v, size_t n)
{
	struct wh_layer_opts o = WH_LAYER_OPTS_INIT;
	WH_AUTO_STRV struct wh_strv dirs = {0};
	struct wh_layer_writer *w = NULL;
	struct wh_err *err = NULL;

	*f = (struct forest){.tree = NULL};
	bed_open(&f->bed);
	o.threads = 1;
	assert_ok(wh_layer_writer_new(f->bed.store, &o, &w, &err), err);
	for (size_t i = 0; i < n; i++) {
		/* What has no suffix can be run. */
		unsigned mode = strchr(wh_path_base(v[i].path), '.') ? 0644 : 0755;
		struct wh_entry e = {.path = v[i].path, .type = WH_T_FILE, .mode = mode, .mtime = 1000, .size = v[i].n};

		for (const char *s = strchr(e.path, '/'); s; s = strchr(s + 1, '/')) {
			WH_AUTO_FREE char *dir = wh_strndup(e.path, (size_t)(s - e.path));
			struct wh_entry d = {.path = dir, .type = WH_T_DIR, .mode = 0755, .mtime = 1000};

			if (wh_strv_has(&dirs, dir))
				continue;
			wh_strv_add(&dirs, dir);
			assert_ok(wh_layer_writer_add(w, &d, &err), err);
		}
		assert_ok(wh_layer_writer_add(w, &e, &err), err);
		assert_ok(wh_layer_writer_data(w, v[i].p, v[i].n, &err), err);
	}
	assert_ok(wh_layer_writer_finish(w, &f->layer, &err), err);
	assert_ok(wh_tree_open(f->bed.store, &f->layer, 1, &f->tree, &err), err);
}

static size_t make_jar(char *to, size_t room, const char *name, const char *p, size_t n)
{
	struct archive *a = archive_write_new();
	struct archive_entry *e = archive_entry_new();
	size_t used = 0;

	assert_int_equal(archive_write_set_format_zip(a), ARCHIVE_OK);
	assert_int_equal(archive_write_open_memory(a, to, room, &used), ARCHIVE_OK);
	archive_entry_set_pathname(e, name);
	archive_entry_set_filetype(e, AE_IFREG);
	archive_entry_set_size(e, (la_int64_t)n);
	assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
	assert_int_equal(archive_write_data(a, p, n), (la_ssize_t)n);
	archive_entry_free(e);
	assert_int_equal(archive_write_close(a), ARCHIVE_OK);
	archive_write_free(a);
	return used;
}

/* The class com.Main: a constant pool of a long (which takes two places), its name, a class. */
static const char class_file[] = "\xca\xfe\xba\xbe\0\0\0\x3d\0\5"
				 "\5\0\0\0\0\0\0\0\1"
				 "\1\0\x08"
				 "com/Main"
				 "\7\0\3"
				 "\0\x21\0\4\0\0";

static void test_java(void **state)
{
	static const char manifest[] =
		"Manifest-Version: 1.0\r\nClass-Path: lib/a.jar li\r\n b/b.jar ../../../etc/none classes/\r\nMain-Class: x\r\n\r\n";
	char jar[4096];
	const size_t n = make_jar(jar, sizeof(jar), "META-INF/MANIFEST.MF", manifest, sizeof(manifest) - 1);
	const struct blob files[] = {
		{"opt/jdk/bin/java", "x", 1},
		{"usr/local/lib/classes/X.class", "x", 1},
		{"usr/local/lib/lib/a.jar", "x", 1},
		{"usr/local/lib/lib/b.jar", "x", 1},
		{"usr/local/lib/lib/c.jar", "x", 1},
		{"usr/local/lib/main.jar", jar, n},
		{"usr/share/com/Main.class", class_file, sizeof(class_file) - 1},
		{"usr/share/java/perl/com/Main.class", class_file, sizeof(class_file) - 1},
		{"usr/share/java/perl/com/sub/text.properties", "x", 1},
		{"usr/share/other/Y.class", "x", 1},
	};
	static const struct {
		const char *rule, *path;
	} want[] = {{"java-jar", "usr/local/lib/lib/a.jar"},
		    {"java-jar", "usr/local/lib/lib/b.jar"},
		    {NULL, "usr/local/lib/lib/c.jar"},
		    {"java-jar", "usr/local/lib/classes/X.class"},
		    {"java-classes", "usr/share/java/perl/com/sub/text.properties"},
		    {NULL, "usr/share/other/Y.class"}};
	const char *records = JAVA_RUNS "A r 1 /usr/local/lib/main.jar\nA r 1 /usr/share/java/perl/com/Main.class\n";
	struct forest f;
	struct wh_keep *k;

	(void)state;
	become_root();
	blobs_open(&f, files, WH_ARRAY_SIZE(files));
	k = decide(f.tree, records);
	for (size_t i = 0; i < WH_ARRAY_SIZE(want); i++) {
		const struct wh_kept *kept = item(k, want[i].path);

		print_message("%s\n", want[i].path);
		if (!want[i].rule ? kept != NULL : !kept || !wh_streq(kept->name, want[i].rule))
			fail_msg("/%s: %s", want[i].path,
				 kept ? kept->name ? kept->name : wh_rule_name(kept->rule) : "not kept");
	}
	wh_keep_free(k);
	/* A root that is everybody's is nobody's. */
	k = decide(f.tree, JAVA_RUNS "A r 1 /usr/share/com/Main.class\n");
	assert_null(item(k, "usr/share/other/Y.class"));
	wh_keep_free(k);
	forest_close(&f);
}

/* A jar in a jar has a class that draws. */
static void test_java_jars_in_jars(void **state)
{
	static const char draws[] = "\xca\xfe\xba\xbe\1\0\x12java/awt/Rectangle", plain[] = "\xca\xfe\xba\xbe\1\0\x10java/lang/String";
	char inner[4096], outer[8192], other[4096];
	const size_t n_inner = make_jar(inner, sizeof(inner), "a/Draws.class", draws, sizeof(draws) - 1),
		     n_outer = make_jar(outer, sizeof(outer), "BOOT-INF/lib/inner.jar", inner, n_inner),
		     n_other = make_jar(other, sizeof(other), "a/Plain.class", plain, sizeof(plain) - 1);
	const struct blob files[] = {
		{"opt/jdk/bin/java", "x", 1},        {"opt/jdk/lib/libawt.so", "x", 1}, {"opt/jdk/lib/modules", "x", 1},
		{"usr/local/lib/boot.jar", outer, n_outer}, {"usr/local/lib/other.jar", other, n_other},
	};
	struct forest f;
	struct wh_keep *k;

	(void)state;
	become_root();
	blobs_open(&f, files, WH_ARRAY_SIZE(files));
	k = decide(f.tree, JAVA_RUNS "A r 1 /opt/jdk/lib/modules\nA r 1 /usr/local/lib/other.jar\n");
	assert_null(item(k, "opt/jdk/lib/libawt.so"));
	wh_keep_free(k);
	k = decide(f.tree, JAVA_RUNS "A r 1 /opt/jdk/lib/modules\nA r 1 /usr/local/lib/boot.jar\n");
	assert_non_null(item(k, "opt/jdk/lib/libawt.so"));
	wh_keep_free(k);
	forest_close(&f);
}

#define TEXT(s) (s), sizeof(s) - 1

/* Programs whose names do not say what they are written in. */
static void test_scripts(void **state)
{
	static const struct blob files[] = {
		{"app/perl/run", TEXT("#!/usr/bin/perl\nuse Asked;\n")},
		{"app/python/run", TEXT("#!/usr/bin/env python3\nimport asked\n")},
		{"app/ruby/run", TEXT("#!/usr/bin/ruby\nrequire 'asked'\n")},
		{"app/serve/run", TEXT("#!/usr/bin/env node\nrequire('asked')\n")},
		{"usr/lib/python3.11/asked.py", TEXT("x")},
		{"usr/lib/python3.11/encodings/__init__.py", TEXT("x")},
		{"usr/lib/ruby/3.1.0/asked.rb", TEXT("x")},
		{"usr/share/nodejs/asked/index.js", TEXT("x")},
		{"usr/share/perl5/Asked.pm", TEXT("x")},
	};
	static const struct {
		const char *process, *script, *path;
	} want[] = {
		{"/usr/bin/python3", "/app/python/run", "usr/lib/python3.11/asked.py"},
		{"/usr/bin/node", "/app/serve/run", "usr/share/nodejs/asked/index.js"},
		{"/usr/bin/perl", "/app/perl/run", "usr/share/perl5/Asked.pm"},
		{"/usr/bin/ruby", "/app/ruby/run", "usr/lib/ruby/3.1.0/asked.rb"},
	};
	struct forest f;

	(void)state;
	become_root();
	blobs_open(&f, files, WH_ARRAY_SIZE(files));
	for (size_t i = 0; i < WH_ARRAY_SIZE(want); i++) {
		WH_AUTO_FREE char *records =
			wh_asprintf("P 1 0 %s %s\nA rx 1 %s\nA r 1 /usr/lib/python3.11/encodings/__init__.py\n",
				    want[i].process, want[i].script, want[i].script);
		struct wh_keep *k = decide(f.tree, records);

		print_message("%s\n", want[i].path);
		for (size_t n = 0; n < WH_ARRAY_SIZE(want); n++)
			assert_int_equal(item(k, want[n].path) != NULL, n == i);
		wh_keep_free(k);
	}
	forest_close(&f);
}

/* ---------------------------------------------------------------- texts */

static int note_import(void *arg, const struct wh_py_import *i, struct wh_err **err)
{
	(void)err;
	wh_buf_addf(arg, "%.*s%s%s%s%s|", (int)i->level, "....", i->module, *i->name ? ":" : "", i->name,
		    i->text ? "?" : "");
	return 0;
}

static void test_python_text(void **state)
{
	static const struct {
		const char *text, *want;
	} texts[] = {
		{"import a, b.c as d\n", "a|b.c|"},
		{"import a; import b\n", "a|b|"},
		{"try: import a\nexcept ImportError: from b import c\n", "a|b|b:c|"},
		{"from . import (a,\n  # text\n  b as c,\n)\nimport d\n", ".|.:a|.:b|d|"},
		{"from .import a\n", ".|.:a|"},
		{"from ...x.y import *\n", "...x.y|...x.y:*|"},
		{"import a, \\\n  b\n", "a|b|"},
		{"x = \"import a\"\n'''\nimport b\n'''\nr\"\"\"\nimport c\\\"\"\"\"\nimport d", "d|"},
		{"# import a\nx = 1 # import b\nimported = 1\nx.import_ = 2\n", ""},
		{"importlib.import_module('a.b')\n__import__ ( \"c\", x)\nimport_module(name)\n", "a.b|c|"},
		{"if TYPE_CHECKING:\n  import a\n\n  # x\n  from b import c\nimport d\nif typing.TYPE_CHECKING:\n\timport e\nelse:\n\timport f\n",
		 "d|f|"},
		{"x = {\n'import a': 1,\n}\nimport b\n", "b|"},
		{"\xef\xbb\xbfimport a\r\nimport b\r\n", "a|b|"},
		{"c = 'logging.handlers.X'\nd = 'plain'\ne = 'a b.c'\nf = 'pkg.mod:app'\n",
		 "logging.handlers.X?|pkg.mod?|"},
		{"import", ""},
		{"from", ""},
		{"from .", ""},
		{"from a import (", "a|"},
		{"import_module(", ""},
		{"'''", ""},
		{"\\", ""},
		{"", ""},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(texts); i++) {
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
		WH_AUTO_FREE char *text = wh_memdup(texts[i].text, strlen(texts[i].text) + 1);

		print_message("%zu: %s\n", i, texts[i].text);
		assert_int_equal(wh_py_imports(text, strlen(text), true, note_import, &b, NULL), 0);
		assert_string_equal(b.n ? b.p : "", texts[i].want);
	}
}

static int note_word(void *arg, const struct wh_word *w, struct wh_err **err)
{
	(void)err;
	wh_buf_addf(arg, "%s%s|", w->name, w->bare ? "!" : "");
	return 0;
}

static void test_words(void **state)
{
	static const char *const js[] = {"require", "import", "from", NULL}, *const perl[] = {"use", "require", NULL};
	const struct wh_words w[] = {{.words = js, .comment = "//", .tight = true},
				     {.words = perl, .comment = "#", .pod = "=", .stop = "__END__", .bare = true}};
	static const struct {
		size_t w;
		const char *text, *want;
	} texts[] = {
		{0, "var a=require('a'),b=require(\"b/c\");import{x}from'd';import 'e'\n", "a|b/c|d|e|"},
		{0,
		 "await import( `f` ); require(x); require('a' + y); x.from('g')\n * require('h')\n// require('i')\n",
		 "f|a|"},
		{0, "prerequire('a'); $require('b'); require('${c}'); require('d\\n'); require('", ""},
		{1,
		 "use strict; use Foo::Bar 1 qw(x);\nrequire 'a.pl';\n=head1\nuse Pod;\n=cut\nuse After;\n__END__\nuse Not;\n",
		 "strict!|Foo::Bar!|a.pl|After!|"},
		{1, "$use Foo; reuse Bar; @use Baz; use", ""},
	};

	(void)state;
	for (size_t i = 0; i < WH_ARRAY_SIZE(texts); i++) {
		WH_AUTO_BUF struct wh_buf b = WH_BUF_INIT;
		WH_AUTO_FREE char *text = wh_memdup(texts[i].text, strlen(texts[i].text) + 1);

		print_message("%zu: %s\n", i, texts[i].text);
		assert_int_equal(wh_words_find(text, strlen(text), &w[texts[i].w], note_word, &b, NULL), 0);
		assert_string_equal(b.n ? b.p : "", texts[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rules),   cmocka_unit_test(test_java), cmocka_unit_test(test_java_jars_in_jars),
		cmocka_unit_test(test_scripts), cmocka_unit_test(test_python_text),
		cmocka_unit_test(test_words),   cmocka_unit_test(test_all_rules_have_cases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
