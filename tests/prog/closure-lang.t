#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Closure rules of languages, on real interpreters: a test that says hello, a prune, and then everything that it did not try: other modules, templates,
# plugins with made-up names, codecs, zones, tracebacks. (tests/unit/harden_lang_test.c takes each rule for itself.)
. "$(dirname "$0")/lib.sh"

is_root || skip_all 'needs root: packages are installed'
debian=$(test_base debian) || skip_all 'no Debian base'
export HOME=$T

mkdir -p ctx/{flask/plugins,flask/templates,express/lib,express/views,php/lib,php/pages,perl/lib/My,ruby/views}

cat >ctx/flask/app.py <<'E'
from flask import Flask, render_template, request
app = Flask(__name__)
@app.get("/")
def index():
    return "hello\n"
@app.get("/lazy")
def lazy():
    import csv, datetime, importlib, sqlite3, statistics, xml.etree.ElementTree as ET
    from zoneinfo import ZoneInfo
    plugin = importlib.import_module("plugins." + request.args["name"])
    return ",".join(map(str, [plugin.name(), csv.reader(["a,b"]).__next__(), statistics.mean([1, 3]), ET.fromstring("<a>x</a>").text,
        datetime.datetime(2020, 1, 1, tzinfo=ZoneInfo("Asia/Tokyo")).tzname(), sqlite3.connect(":memory:").execute("select 7").fetchone()[0]]))
@app.get("/page")
def page():
    return render_template("page.html", who="template")
@app.get("/codec")
def codec():
    import datetime, unicodedata
    return "\u65e5".encode("shift_jis").hex() + "\u00e4".encode("cp1250").hex() + "b\u00fccher".encode("idna").decode() + \
        unicodedata.name("\u00e4") + str(datetime.datetime.strptime("2020-01-02", "%Y-%m-%d").day)
@app.get("/configured")
def configured():
    import logging.config, ssl
    logging.config.dictConfig({"version": 1, "handlers": {"h": {"class": "logging.handlers.MemoryHandler", "capacity": 1}}, "root": {"handlers": ["h"]}})
    return type(logging.getLogger().handlers[0]).__name__ + ssl.create_default_context().protocol.name
@app.get("/boom")
def boom():
    raise RuntimeError("boom")
if __name__ == "__main__":
    app.run(host="127.0.0.1", port=8000)
E
echo 'def name(): return "plugin"' >ctx/flask/plugins/one.py
echo '<p>{{ who|upper }}</p>' >ctx/flask/templates/page.html
cat >ctx/flask-use.py <<'E'
import sys
sys.path.insert(0, "/app")
import app
client = app.app.test_client()
for path in ("/lazy?name=one", "/page", "/codec", "/boom", "/configured"):
    answer = client.get(path)
    print("flask", path, answer.status_code, answer.get_data(as_text=True).strip()[:120].replace("\n", " "), flush=True)
import click.testing, flask.cli, werkzeug.debug.tbtools, importlib.metadata
print("flask metadata", importlib.metadata.version("flask"), flush=True)
E

cat >ctx/express/server.js <<'E'
const app = require('express')();
app.get('/', (q, r) => r.send('hello\n'));
app.get('/lazy', (q, r) => r.send(require('./lib/' + q.query.name)()));
app.get('/named', (q, r) => r.send(require('iconv-lite').decode(Buffer.from('93fa', 'hex'), 'shift_jis') + require('qs').stringify({ a: 1 })));
app.get('/zone', (q, r) => r.send(new Intl.DateTimeFormat('ja-JP', { dateStyle: 'full', timeZone: 'Asia/Tokyo' }).format(new Date(0))));
app.get('/file', (q, r) => r.sendFile(__dirname + '/views/page.html'));
app.get('/fetch', (q, r) => fetch('http://127.0.0.1:1/').catch((e) => r.send(e.message)));
app.get('/boom', () => { throw new Error('boom'); });
const server = app.listen(8000, '127.0.0.1');
process.on('SIGTERM', () => { server.close(); server.closeAllConnections(); });
E
echo 'module.exports = () => "plugin";' >ctx/express/lib/one.js
echo '<p>page</p>' >ctx/express/views/page.html
echo '{"name":"app","version":"1.0.0","main":"server.js","dependencies":{"express":"*"}}' >ctx/express/package.json
cat >ctx/express-use.js <<'E'
require('/app/server.js');
const http = require('http');
(async () => {
	for (const path of ['/lazy?name=one', '/named', '/zone', '/file', '/fetch', '/boom'])
		await new Promise((done) => http.get('http://127.0.0.1:8000' + path, { agent: false }, (r) => {
			let text = '';
			r.on('data', (part) => { text += part; });
			r.on('end', () => { console.log('express', path, r.statusCode, text.replace(/\n/g, ' ').slice(0, 80)); done(); });
		}));
	process.exit(0);
})();
E

cat >ctx/php/main.php <<'E'
<?php
spl_autoload_register(function ($name) { require __DIR__ . "/lib/$name.php"; });
if (($argv[1] ?? '') != 'lazy') { echo "hello\n"; exit; }
echo 'php plugin ', (new Greeter)->name(), "\n";
include __DIR__ . '/pages/page.phtml';
$doc = new DOMDocument;
$doc->loadXML('<a>xml</a>');
echo 'php extensions ', $doc->documentElement->textContent, mb_strtoupper("\u{e4}"), bin2hex(iconv('UTF-8', 'SHIFT_JIS', "\u{65e5}")), "\n";
echo 'php zone ', (new DateTime('2020-01-01', new DateTimeZone('Asia/Tokyo')))->format('T'), "\n";
throw new RuntimeException('php boom');
E
echo '<?php class Greeter { function name() { return "greeter"; } }' >ctx/php/lib/Greeter.php
echo 'php page <?= 1 + 1 ?>' >ctx/php/pages/page.phtml

cat >ctx/perl/main.pl <<'E'
use strict; use warnings; use FindBin; use lib "$FindBin::Bin/lib";
if (($ARGV[0] // '') ne 'lazy') { print "hello\n"; exit }
require My::Greeter; require JSON::XS; require Encode; require charnames; require POSIX; require LWP::UserAgent;
print 'perl plugin ', My::Greeter::hello(), "\n";
print 'perl json ', JSON::XS->new->encode([1, { a => 2 }]), "\n";
print 'perl codec ', length(Encode::decode('shiftjis', "\x93\xfa")), charnames::viacode(0xe4), "\n";
print 'perl agent ', LWP::UserAgent->new->get('file:///app/main.pl')->code, "\n";
"x" =~ /(?<name>x)/ and print "perl capture $+{name}\n";
require Carp; Carp::confess('perl boom');
E
echo 'package My::Greeter; use parent "Exporter"; use Data::Dumper; sub hello { Data::Dumper->new(["one"])->Terse(1)->Indent(0)->Dump } 1;' >ctx/perl/lib/My/Greeter.pm

cat >ctx/ruby/main.rb <<'E'
unless ARGV[0] == 'lazy' then require 'tilt'; puts 'hello'; exit end
require 'json'; require 'sinatra/base'; require 'erb'; require 'yaml'; require 'digest/sha2'
puts "ruby gem #{Sinatra::Base.name} #{Gem::Specification.find_by_name('sinatra').name}"
puts "ruby library #{JSON.generate([1])}#{[1].to_yaml.size}#{Digest::SHA256.hexdigest('x')[0, 4]}"
puts ERB.new(File.read(__dir__ + '/views/page.erb')).result
puts "ruby codec #{"\u65e5".encode('Shift_JIS').bytes.size}#{"a\u0308".unicode_normalize(:nfc).size}"
nil.ruby_boom
E
echo 'ruby page <%= 1 + 1 %>' >ctx/ruby/views/page.erb

cat >ctx/Dockerfile <<'D'
FROM debian AS languages
# A manual page's link is made when Java is installed; the base has no directory for it.
RUN mkdir -p /usr/share/man/man1 && apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends \
	python3-flask node-express php-cli php-mbstring php-xml perl libwww-perl libjson-xs-perl ruby ruby-sinatra default-jre-headless \
 && apt-get clean && rm -rf /var/lib/apt/lists/*

FROM languages AS flask
COPY flask /app
WORKDIR /app
STOPSIGNAL SIGINT
CMD ["python3", "app.py"]
PROFILE --from=languages --ready=http:8000/ --timeout=1m ["python3", "-c", "import urllib.request; assert urllib.request.urlopen('http://127.0.0.1:8000/').read() == b'hello\\n'"]
PRUNE
FROM flask AS flask-use
COPY flask-use.py /use/
RUN ["python3", "/use/flask-use.py"]

FROM languages AS express
COPY express /app
WORKDIR /app
CMD ["node", "server.js"]
PROFILE --from=languages --ready=http:8000/ --timeout=1m ["perl", "-MLWP::Simple", "-e", "die unless get('http://127.0.0.1:8000/') eq qq(hello\\n)"]
PRUNE
FROM express AS express-use
COPY express-use.js /use/
RUN ["node", "/use/express-use.js"]

FROM languages AS php
COPY php /app
ENTRYPOINT ["php", "/app/main.php"]
PROFILE --start=manual --timeout=1m ["/run/whittle/app", "run", "hello"]
PRUNE

FROM languages AS perl
COPY perl /app
ENTRYPOINT ["perl", "/app/main.pl"]
PROFILE --start=manual --timeout=1m ["/run/whittle/app", "run", "hello"]
PRUNE

FROM languages AS ruby
COPY ruby /app
ENTRYPOINT ["ruby", "/app/main.rb"]
PROFILE --start=manual --timeout=1m ["/run/whittle/app", "run", "hello"]
PRUNE

FROM languages AS java
ENTRYPOINT ["keytool"]
PROFILE --start=manual --timeout=1m ["/run/whittle/app", "run", "-help"]
PRUNE
FROM java AS java-use
RUN ["keytool", "-list", "-cacerts", "-storepass", "changeit"]
RUN ["keytool", "-genkeypair", "-keyalg", "EC", "-alias", "java-key", "-dname", "CN=x", "-keystore", "/tmp/k", "-storepass", "changeit"]
RUN ["keytool", "-J-Duser.language=de", "-J-Duser.timezone=Asia/Tokyo", "-list", "-v", "-keystore", "/tmp/k", "-storepass", "changeit"]

# All of them at once.
FROM scratch AS pruned
COPY --from=flask /etc/passwd /flask
COPY --from=express /etc/passwd /express
COPY --from=php /etc/passwd /php
COPY --from=perl /etc/passwd /perl
COPY --from=ruby /etc/passwd /ruby
COPY --from=java /etc/passwd /java
D

build() { # TARGET WORD…
	run timeout -k 5 300 "$WHITTLE" build --root "$T/store" --build-context "debian=oci-layout://$debian" --target "$@" ctx
}
build pruned
is "$status" 0 'six languages, profiled with a hello and pruned'
[ "$status" = 0 ] || { show "$(tail -40 <<<"$err")"; done_testing; exit; }
unlike "$err" 'repaired' 'nothing had to be put back'

# uses LANGUAGE WORD…: what a step in the pruned image prints
uses() {
	local language=$1 words

	shift
	words=$(printf ', "%s"' "$@")
	{ cat ctx/Dockerfile; printf 'FROM %s AS %s-more\nRUN [%s]\n' "$language" "$language" "${words#, }"; } >ctx/Dockerfile.more
	run timeout -k 5 100 "$WHITTLE" build --root "$T/store" --build-context "debian=oci-layout://$debian" -f ctx/Dockerfile.more \
		--target "$language-more" ctx
}

build flask-use
is "$status" 0 'Python: used otherwise'
like "$all" "flask /lazy\?name=one 200 plugin,\['a', 'b'\],2,x,JST,7" 'Python: imports in functions, a module with a made-up name, a zone, a database'
like "$all" 'flask /page 200 <p>TEMPLATE</p>' 'Python: another template'
like "$all" 'flask /codec 200 93fae4xn--bcher-kvaLATIN SMALL LETTER A WITH DIAERESIS2' 'Python: other codecs'
like "$all" 'flask /configured 200 MemoryHandlerPROTOCOL_TLS_CLIENT' 'Python: a class that a configuration names'
like "$all" 'flask /boom 500 ' 'Python: an error'
like "$all" 'raise RuntimeError' 'Python: its traceback has lines of sources'
like "$all" 'flask metadata [0-9]' "Python: a distribution's metadata"

build express-use
is "$status" 0 'Node: used otherwise'
like "$all" 'express /lazy\?name=one 200 plugin' 'Node: a module with a made-up name'
like "$all" 'express /named 200 日a=1' 'Node: packages that no test asked for'
like "$all" 'express /zone 200 1970年1月1日' 'Node: another language and zone'
like "$all" 'express /file 200 <p>page</p>' 'Node: a file of the application'
like "$all" 'express /fetch 200 fetch failed' "Node: a built-in that lies outside of the program"
like "$all" 'express /boom 500 ' 'Node: an error'

uses php php /app/main.php lazy
is "$status" 1 'PHP: used otherwise, up to an error'
like "$all" 'php plugin greeter' 'PHP: a class that is loaded when it is asked for'
like "$all" 'php page 2' 'PHP: another page'
like "$all" 'php extensions xmlÄ93fa' 'PHP: extensions'
like "$all" 'php zone JST' 'PHP: a zone'
like "$all" 'Uncaught RuntimeException: php boom in /app/main.php:10' 'PHP: the error'

uses perl perl /app/main.pl lazy
is "$status" 1 'Perl: used otherwise, up to an error'
like "$all" "perl plugin 'one'" 'Perl: a module of the application'
like "$all" 'perl json \[1,\{"a":2\}\]' 'Perl: a module with a native part'
like "$all" 'perl codec 1LATIN SMALL LETTER A WITH DIAERESIS' 'Perl: a codec, names of characters'
like "$all" 'perl agent 200' 'Perl: a module with a made-up name (LWP::Protocol::file)'
like "$all" 'perl capture x' "Perl: what its own C code asks for"
like "$all" 'perl boom at /app/main.pl line 9' 'Perl: the error'

uses ruby ruby /app/main.rb lazy
is "$status" 1 'Ruby: used otherwise, up to an error'
like "$all" 'ruby gem Sinatra::Base sinatra' 'Ruby: a gem that no test asked for, with its specification'
like "$all" 'ruby library \[1\]82d71' 'Ruby: the standard library'
like "$all" 'ruby page 2' 'Ruby: a template'
like "$all" 'ruby codec 21' 'Ruby: a codec'
like "$all" "undefined method .ruby_boom" 'Ruby: the error'

build java-use
is "$status" 0 'Java: used otherwise'
like "$all" 'Your keystore contains [1-9][0-9]+ entries' 'Java: authorities'
like "$all" 'java-key' 'Java: keys'
like "$all" 'JST' 'Java: another zone'

# bytes LANGUAGE: of the pruned image
bytes() {
	run "$WHITTLE" build --root "$T/store" --build-context "debian=oci-layout://$debian" --target "$1" -o "type=tar,dest=$1.tar" ctx
	tar -tvf "$1.tar" | awk '$1 ~ /^-/ { n += $3 } END { printf "%d", n }'
}
# Unpruned, with the packages that the language itself needs: 178 MB.
flask=$(bytes flask)
ok "Python: below 30 % of what it was ($flask bytes)" [ "$flask" -lt 53400000 ]
# node's program library and the data of ICU alone are 79 of 277 MB.
express=$(bytes express)
ok "Node: what is more than the program with its libraries is small ($express bytes)" [ "$express" -lt 105000000 ]
is "$(tar -tf flask.tar | grep -E 'lib/python3[^/]*/(test|idlelib|lib2to3|pydoc_data|tkinter)/.' | head -3)" '' "Python: what nothing asks for went"
is "$(tar -tf express.tar | grep -cE 'usr/share/nodejs/(lodash|@babel|yargs)/')" 0 'Node: packages that nothing depends on went'
done_testing
