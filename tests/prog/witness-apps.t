#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The observer against an independent witness, application by application: each runs in the sandbox, observed, on an overlay of its
# own, which fanotify watches as a file system. What was opened, executed, read, written, changed, made, removed or renamed there
# and is not in the logs fails.
built=${WHITTLE:-}
. "$(dirname "$0")/lib.sh"

is_root || skip_all 'fanotify needs root'
base=$(test_base apps) || { echo 'Bail out! no tree of applications'; exit 1; }
driver=$(dirname "${built:-$SRC/build/whittle}")/tests/prog/sandbox-driver
[ -x "$driver" ] || { echo "Bail out! no $driver"; exit 1; }
${CC:-cc} -D_GNU_SOURCE -O1 -Wall -Wextra -o witness "$SRC/tests/tools/witness.c" || { echo 'Bail out! no witness'; exit 1; }

${CC:-cc} -D_GNU_SOURCE -O1 -Wall -Wextra -static -pthread -o stress "$SRC/tests/tools/stress_paths.c" || { echo 'Bail out! no stress'; exit 1; }

mkdir disk
mount -t tmpfs -o size=4g whittle-witness disk || skip_all 'cannot mount a tmpfs'
on_exit "umount -l '$T/disk'"
lower=$base/root
if [ "$(stat -f -c %T "$lower")" = overlayfs ]; then # has no file handles by itself
	cp -a "$lower" disk/lower
	lower=$T/disk/lower
fi

# ---- what the applications are given ----

mkdir -p files/srv/{py,node,php,perl} files/etc files/run/php
# Else the sandbox makes these two, and takes them away again.
touch files/etc/{resolv.conf,hostname}
install -D -m 755 stress files/srv/stress/prog
mkdir files/srv/stress/dir
cat >files/srv/py/service.py <<'END'
import csv, io, json, sqlite3, subprocess, tempfile, zoneinfo
from datetime import datetime
from flask import Flask, render_template_string, send_file

app = Flask(__name__)

@app.route("/")
def index():
    return render_template_string("{{ 'hello'|upper }}")

@app.route("/work")
def work():
    with tempfile.NamedTemporaryFile(suffix=".db") as f:
        db = sqlite3.connect(f.name)
        db.execute("create table t (x)")
        db.commit()
        db.close()
    out = subprocess.run(["uname"], capture_output=True, text=True, check=True).stdout
    return json.dumps([out, str(datetime.now(zoneinfo.ZoneInfo("Europe/Berlin"))), "ä".encode("idna").decode()])

@app.route("/file")
def file():
    return send_file(io.BytesIO(b"x"), mimetype="text/plain")

app.run(port=8000, threaded=True)
END
cat >files/srv/node/server.js <<'END'
const http = require('http'), fs = require('fs'), cp = require('child_process'), zlib = require('zlib'), path = require('path');
const { Worker, isMainThread, parentPort } = require('worker_threads');

if (!isMainThread) {
	parentPort.postMessage(fs.readFileSync('/etc/os-release').length);
} else {
	http.createServer((req, res) => {
		if (req.url === '/work') {
			const d = fs.mkdtempSync('/tmp/node-');
			fs.writeFileSync(path.join(d, 'a'), zlib.gzipSync('x'));
			fs.renameSync(path.join(d, 'a'), path.join(d, 'b'));
			fs.symlinkSync('b', path.join(d, 'l'));
			fs.rm(d, { recursive: true }, () => cp.execFile('/bin/date', ['+%s'], (e, out) =>
				new Worker(__filename).on('message', n => res.end(`${out.length} ${n}\n`))));
		} else {
			fs.createReadStream('/etc/passwd').pipe(res);
		}
	}).listen(8000, '127.0.0.1');
	process.on('SIGTERM', () => process.exit(0));
}
END
cat >files/srv/php/index.php <<'END'
<?php
session_save_path('/tmp');
session_start();
$_SESSION['n'] = 1;
$f = tempnam('/tmp', 'php');
file_put_contents($f, json_encode(scandir('/srv')));
copy($f, "$f.2");
unlink($f);
$z = new DateTime('now', new DateTimeZone('Asia/Tokyo'));
echo $z->format('T'), ' ', iconv('UTF-8', 'ISO-8859-2', 'x'), ' ', trim(shell_exec('id -un')), ' ', gethostbyname('localhost'), "\n";
END
cat >files/srv/php/nginx.conf <<'END'
events {}
error_log /dev/stderr;
pid /run/nginx.pid;
http {
	access_log /var/log/nginx/access.log;
	include /etc/nginx/mime.types;
	server {
		listen 127.0.0.1:8000;
		root /srv/php;
		index index.php;
		location ~ \.php$ {
			include /etc/nginx/fastcgi_params;
			fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
			fastcgi_pass unix:/run/php/test.sock;
		}
	}
}
END
cat >files/srv/php/fpm.conf <<'END'
[global]
error_log = /dev/stderr
[www]
user = www-data
group = www-data
listen = /run/php/test.sock
listen.mode = 0666
pm = static
pm.max_children = 2
chdir = /srv/php
END
cat >files/srv/perl/work.pl <<'END'
use strict;
use File::Find;
use File::Temp qw(tempdir);
use File::Copy;
use IO::Socket::INET;
use POSIX qw(strftime setuid);
use Time::Local;
use Encode qw(encode);
my $d = tempdir(CLEANUP => 1);
my $n = 0;
find(sub { $n++ }, '/etc/ssl');
copy('/etc/passwd', "$d/copy") or die;
link "$d/copy", "$d/hard" or die;
symlink "copy", "$d/soft" or die;
chmod 0600, "$d/soft" or die;
rename "$d/hard", "$d/copy2" or die;
open my $f, '+<', "$d/copy2" or die;
seek $f, 0, 2;
print $f encode('iso-8859-15', "x\x{20ac}\n");
close $f;
my @there = glob("$d/*");
my $out = `sort $d/copy | head -n 1`;
chdir '/usr/share' or die;
opendir my $h, '.' or die;
my @all = readdir $h;
# What a daemon does: two forks, another user, work after its parents are gone. The first process of a container may not end before.
pipe my $end, my $held or die;
unless (fork) {
	unless (fork) {
		POSIX::setsid();
		setuid(33);
		open my $g, '>', '/tmp/late' or die;
		print $g scalar(localtime);
		close $g;
		POSIX::_exit(0);
	}
	POSIX::_exit(0);
}
wait;
close $held;
my @nothing = <$end>;
die unless -e '/tmp/late';
print strftime("%Y", localtime), ' ', scalar(@there), "\n";
END
cat >files/srv/tools.sh <<'END'
#!/bin/bash
set -e
export HOME=/tmp/home
mkdir -p $HOME /tmp/repo
cd /tmp/repo
git init -q . 2>/dev/null
git config user.name x
git config user.email x@localhost
for i in 1 2 3; do
	seq $i >file$i
	git add .
	git commit -q -m "number $i"
done
git checkout -q -b other HEAD~1
git mv file1 file4
git commit -q -a -m moved
git merge -q -m merged master >/dev/null 2>&1 || git merge -q -m merged main
git gc -q
git clone -q /tmp/repo /tmp/clone
git log --stat --format=%H | sha1sum >/tmp/log
sqlite3 /tmp/x.db 'create table t(a, b); insert into t values (1, 2); pragma journal_mode=wal; insert into t select * from t;' >/dev/null
sqlite3 -json /tmp/x.db 'select * from t' | jq -c '.[0].a' >/tmp/json
tar -C /usr/share -cf /tmp/t.tar perl5 zoneinfo/Europe
mkdir /tmp/x
tar -C /tmp/x -xf /tmp/t.tar
find /tmp/x -name 'P*' -newer /etc/passwd -exec touch -h {} +
cp -a /tmp/x/zoneinfo /tmp/y
ln /tmp/y/Europe/Paris /tmp/hard
gzip -kf /tmp/hard
install -m 4755 /bin/true /tmp/y/true
mv /tmp/y /srv/moved
rm -rf /tmp/x /tmp/clone
curl -sS file:///etc/os-release | grep -c ^ID= >/dev/null
su www-data -s /bin/sh -c 'id >/tmp/as-user; cd /; ls >/dev/null'
chroot / /bin/cat /etc/hostname >/dev/null || true
END
chmod 755 files/srv/tools.sh

# ---- one application ----

# mounted NAME: prints a new root.
mounted() {
	local dir=$T/$1

	mkdir -p "$dir"/{root,log} "$T/disk/$1"/{up,work}
	mount -t overlay "whittle-witness-$1" "$dir/root" -o \
		"lowerdir=$T/files:$lower,upperdir=$T/disk/$1/up,workdir=$T/disk/$1/work,nfs_export=on,index=on,metacopy=off,redirect_dir=off" &&
		echo "$dir/root"
}
n_apps=0
# watched NAME: its script of steps (sandbox-play.c) on standard input, where ROOT is the directory, LOG what a log's name begins with.
watched() {
	local name=$1 dir=$T/$1 missed

	mounted "$name" >/dev/null || { fail "$name: an overlay that has file handles"; return; }
	on_exit "umount -l '$dir/root'"
	sed "s|ROOT|$dir/root|g; s|LOG|$dir/log/l|g" >"$dir/script"
	WHITTLE_TEST_MARK=$T run timeout -k 5 60 ./witness --names "$dir/root" "$dir/seen" -- "$driver" --script "$dir/script"
	is "$status" 0 "$name: runs"
	like "$out" '^app: status=0 ' "$name: ends well"
	unlike "$out" '^t[0-9]*: status=[1-9]' "$name: so do its tests"
	missed=$(python3 "$SRC/tests/tools/witness_log.py" "$dir/root" "$dir/seen" "$dir"/log/* 2>"$dir/told")
	is "$missed" '' "$name: all is in the log that the kernel saw ($(tail -n 1 "$dir/told"))"
	n_apps=$((n_apps + 1))
}
client='--join app --observe LOG'
get='curl -sS --fail --retry-connrefused --retry 600 --retry-delay 0 --retry-max-time 20'

watched nginx <<END
netns
start app --dir ROOT --net join --observe LOG.app -- nginx -g 'daemon off;'
connect 80
start t $client.t -- sh -c '$get http://localhost/ | head -n 3; curl -sS -o /dev/null -w %{http_code} http://localhost/none; nginx -s reload; $get http://localhost/'
wait t
signal app 3
wait app
END
watched redis <<END
netns
start app --dir ROOT --net join --user redis --cwd /var/lib/redis --observe LOG.app -- redis-server --port 6379 --appendonly yes --unixsocket /tmp/redis.sock
until app /tmp/redis.sock
start t $client.t -- sh -c 'redis-cli set a 1; redis-cli -s /tmp/redis.sock incr a; redis-cli save; redis-cli bgrewriteaof; redis-cli config rewrite; redis-cli script load "return 1"; redis-benchmark -q -n 2000 -c 5 -t set,get >/dev/null'
wait t
signal app 15
wait app
END
watched flask <<END
netns
start app --dir ROOT --net join --observe LOG.app -- sh -c 'trap "kill \$!; exit 0" TERM; python3 /srv/py/service.py & wait'
start t $client.t -- sh -c '$get http://127.0.0.1:8000/ && $get http://127.0.0.1:8000/work && $get http://127.0.0.1:8000/file'
wait t
signal app 15
wait app
END
watched postgres <<END
netns
start app --dir ROOT --net join --user postgres --observe LOG.app -- /usr/lib/postgresql/15/bin/postgres -D /var/lib/postgresql/15/main -c config_file=/etc/postgresql/15/main/postgresql.conf -c unix_socket_directories=/tmp -c fsync=off
until app /tmp/.s.PGSQL.5432
start t $client.t --user postgres -- sh -c 'until psql -h /tmp -c "select 1"; do :; done; psql -h /tmp -c "create table t as select generate_series(1,20000) x; create index on t (x); analyze t; select count(*) from t where x < 7; select now() at time zone \$\$Asia/Tokyo\$\$; create database d encoding \$\$LATIN1\$\$ template template0 locale \$\$C\$\$"; pg_dump -h /tmp postgres | sha1sum'
wait t
signal app 2
wait app
END
watched php-fpm <<END
netns
start app --dir ROOT --net join --observe LOG.app -- sh -c 'php-fpm8.2 -F -y /srv/php/fpm.conf & until [ -S /run/php/test.sock ]; do :; done; nginx -g "daemon off;" -c /srv/php/nginx.conf; kill \$!; wait'
start t $client.t -- sh -c '$get http://127.0.0.1:8000/ && $get http://127.0.0.1:8000/index.php; r=\$?; kill -QUIT \$(cat /run/nginx.pid); exit \$r'
wait t
wait app
END
watched php-cli <<END
start app --dir ROOT --observe LOG.app -- php8.2 /srv/php/index.php
wait app
END
watched node <<END
netns
start app --dir ROOT --net join --observe LOG.app -- node /srv/node/server.js
start t $client.t -- sh -c '$get http://127.0.0.1:8000/ && $get http://127.0.0.1:8000/work'
wait t
signal app 15
wait app
END
watched java <<END
netns
start app --dir ROOT --net join --observe LOG.app -- sh -c 'trap "kill \$!; exit 0" TERM; rmiregistry 8000 & wait'
start t $client.t -- bash -c 'until : </dev/tcp/127.0.0.1/8000; do sleep 0.1; done 2>/dev/null; keytool -genkeypair -alias a -keyalg EC -dname CN=x -storepass secret -keystore /tmp/k; keytool -list -storepass secret -keystore /tmp/k'
wait t
signal app 15
wait app
END
watched perl <<END
start app --dir ROOT --observe LOG.app -- perl /srv/perl/work.pl
wait app
END
watched tools <<END
start app --dir ROOT --observe LOG.app -- /srv/tools.sh
wait app
END
is "$n_apps" 10 'ten applications'

# ---- everything at once ----

# It also says itself what it did: that must be in the log, too, and fanotify must have seen as much of it as it can see.
watched everything <<END
netns
start app --dir ROOT --net join --observe LOG.app --output $T/done.list -- /srv/stress/prog /srv/stress/dir 12 6
wait app
END
missed=$(python3 "$SRC/tests/tools/witness_log.py" everything/root done.list everything/log/l.app 2>told)
is "$missed" '' "all is in the log that it did ($(tail -n 1 told))"
is "$(awk -F'\t' '$1 == "L" && $3 == "tcp" { print $5 }' everything/log/l.app | sort -nu | tr '\n' ' ')" "$(seq -s ' ' 600 611) " 'and the ports that it bound'
is "$(grep '^0' done.list)" '' 'io_uring is no way around, and 32-bit calls are none'
sed -n 's|/\.$||; /^[OXLDFT] /p' done.list | sort -u >done.seen
isnt "$(wc -l <done.seen)" 0 'it did something that fanotify can see'
missed=$(awk '{ print $1, $2 }' everything/seen | grep -vxFf - done.seen)
is "$missed" '' 'and the kernel saw it'

# ---- system calls ----

# strace tells which were made by the same commands in another run. What the observer takes for granted is named in one list.
sed -n '/wh_syscalls_assumed\[\]/,/NULL,/p' "$SRC/sandbox/seccomp_table.c" | grep -o '"[a-z0-9_]*"' | tr -d '"' | sort -u >assumed
is "$(grep -cxE 'read|futex|accept4' assumed)" 3 'the list of calls that are taken for granted is found'
# What the sandbox answers by itself never happened.
printf '%s\n' clone3 io_uring_setup unshare >answered
called() { # NAME COMMAND…
	local name=$1 root missed

	root=$(mounted "$name-again") || { fail "$name: another overlay"; return; }
	on_exit "umount -l '$root'"
	mount --bind /dev "$root/dev" && on_exit "umount -l '$root/dev'"
	mount -t proc proc "$root/proc" && on_exit "umount -l '$root/proc'"
	run timeout -k 5 60 unshare --kill-child --fork --pid --net -- strace -f -qq -o "$T/$name.strace" chroot "$root" "${@:2}"
	is "$status" 0 "$name: again under strace"
	# What chroot(1) calls is not the command's: that begins with the second execve.
	sed -nE 's/^[0-9]+ +([a-z0-9_]+)\(.*/\1/p' "$name.strace" | awk '/^execve$/ { n++ } n > 1' | sort -u >"$name.calls"
	awk -F'\t' '$1 == "S" { sub("^x86:", "", $3); print $3 }' "$name"/log/* | sort -u >"$name.told"
	isnt "$(grep -vxFf assumed "$name.calls" | wc -l)" 0 "$name: made calls that are to be told"
	missed=$(grep -vxFf assumed "$name.calls" | grep -vxFf answered | grep -vxFf "$name.told" | tr '\n' ' ')
	is "$missed" '' "$name: all of them are in the log"
}
called everything /srv/stress/prog /srv/stress/dir 4 2
called tools /srv/tools.sh
called perl perl /srv/perl/work.pl
called php-cli php8.2 /srv/php/index.php

# ---- capabilities ----

# Those in the log are enough: with no others the same commands end as well. Of the stress program each is needed.
capable() { # NAME COMMAND…
	local name=$1 root caps all one

	caps=$(awk -F'\t' '$1 == "C" { print tolower(substr($3, 5)) }' "$name"/log/* | sort -u)
	all=
	[ "$name" != everything ] || all=$caps
	for one in '' $all; do
		root=$(mounted "$name-with${one:+out-$one}") || { fail "$name: another overlay"; return; }
		on_exit "umount -l '$root'"
		mount --bind /dev "$root/dev" && on_exit "umount -l '$root/dev'"
		mount -t proc proc "$root/proc" && on_exit "umount -l '$root/proc'"
		run timeout -k 5 60 unshare --kill-child --fork --pid --net -- chroot "$root" setpriv --inh-caps=-all \
			--bounding-set="-all$(for c in $caps; do [ "$c" = "$one" ] || printf ',+%s' "$c"; done)" -- "${@:2}"
		if [ -z "$one" ]; then
			is "$status" 0 "$name: the capabilities in its log are enough ($(tr '\n' ' ' <<<"$caps"))"
		else
			is "$status" 1 "$name: it does not work without $one"
		fi
	done
}
capable everything /srv/stress/prog /srv/stress/dir 4 2
capable tools /srv/tools.sh
capable perl perl /srv/perl/work.pl
capable php-cli php8.2 /srv/php/index.php

# ---- the comparison can fail ----

# For each kind of thing that the kernel saw, a log that lacks one such record.
for kind in O X L R W M C D F T; do
	path=$(awk -v k=$kind '$1 == k { print $2 }' tools/seen | grep -v '/ld-linux' | head -n 1)
	isnt "$path" '' "something of kind $kind was seen"
	awk -F'\t' -v p="$path" '!($1 ~ /^[AN]$/ && $4 == p)' tools/log/l.app >broken
	run python3 "$SRC/tests/tools/witness_log.py" tools/root tools/seen broken
	is "$status" 1 "a log without it does not pass (kind $kind)"
	like "$out" "^$(sed 's/[][\\.*^$+?(){}|]/\\&/g' <<<"$path"): " 'and it is named'
done
sed '$d' tools/log/l.app >broken
run python3 "$SRC/tests/tools/witness_log.py" tools/root tools/seen broken
is "$status" 1 'a log without its last line does not pass'

done_testing
