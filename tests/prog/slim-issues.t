#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What users of slim (once docker-slim, mint) reported, one test each, by the number of the issue: none of it may happen here.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/prune-lib.sh"

passwd='f /etc/passwd text=root:x:0:0:root:/root:/none\x0aapp:x:1234:2345::/home/app:/none\x0a
f /etc/group text=root:x:0:\x0aapp:x:2345:\x0a'
capability=0100000200040000000000000000000000000000

# ---- slim #26: ownership lost ----

image owned <<L
$passwd
d /data uid=1234 gid=2345 mode=2750 mtime=1400000000
f /data/file uid=4321 gid=5432 mode=0640 mtime=1400000001 text=x
l /data/link to=file uid=77 gid=78 mtime=1400000002
f /data/other uid=1 text=x
L
words=(owner:/data:1234:2345 mode:/data:2750 owner:/data/link:4321:5432 mode:/data/file:640 read:/data/file)
pruned 'slim #26: ownership lost: an image with owners is pruned' owned owned-out -- "${words[@]}"
faithful owned owned-out 'slim #26: owners, modes and times are as they were'
again owned-out 'slim #26: the application finds them so' "${words[@]}"

# ---- slim #676: capabilities lost ----

image capable '{"User": "app"}' <<L
$passwd
f /bin/listen mode=755 from=$APP x.security.capability=$capability
L
pruned 'slim #676: capabilities lost: a program that needs one, run by nobody special' capable capable-out -- id:1234:2345 cap:/bin/listen
has capable-out /bin/listen
is "$("$TREE" show capable-out /bin/listen xattrs | jq -r 'keys[]')" security.capability 'slim #676: it has its capability still'
again capable-out 'slim #676: and can use it' id:1234:2345 cap:/bin/listen

# ---- slim #35: non-root USER fails ----

for user in app 1234 1234:2345 app:app; do
	image user "{\"User\": \"$user\", \"WorkingDir\": \"/home/app\"}" <<L
$passwd
d /home/app uid=1234 gid=2345 mode=700
d /var/spool/app uid=1234 gid=2345 mode=700
d /tmp mode=1777
L
	words=(id:1234:2345 create:/var/spool/app/mail create:/tmp/x create:./cache env:HOME)
	pruned "slim #35: non-root USER $user: pruned" user user-out -- "${words[@]}"
	again user-out "slim #35: non-root USER $user: runs and writes where it may" "${words[@]}"
	has user-out /etc/passwd /etc/group
done

# ---- slim #47: directory symlinks lost ----

image links <<L
d /opt/app-1.2/lib/parts
f /opt/app-1.2/lib/parts/a text=a
f /opt/app-1.2/lib/parts/b text=b
l /opt/app to=app-1.2
l /opt/app-1.2/current to=../app/lib
l /srv/parts to=/opt/app/current/parts
l /way to=srv
L
words=(read:/way/parts/a list:/srv/parts/)
pruned 'slim #47: directory symlinks lost: four of them on one way' links links-out -- "${words[@]}"
has links-out /way /srv/parts /opt/app /opt/app-1.2/current /opt/app-1.2/lib/parts/a
again links-out 'slim #47: the way is there' "${words[@]}" readlink:/opt/app
faithful links links-out 'slim #47: and as it was'

# ---- slim #45: observed, yet not in the image ----

image seen <<L
d /d
d /d/empty
f /d/read text=x
f /d/looked text=x
f /d/asked text=x
f /d/zero
l /d/link to=looked
l /d/broken to=nowhere
f /d/program mode=755 from=$APP
f /d/script mode=755 text=#!/d/program\x0a
p /d/fifo
f /d/unused text=x
L
words=(read:/d/read stat:/d/looked access:/d/asked read:/d/zero readlink:/d/link lstat:/d/broken exec:/d/script lstat:/d/fifo chdir:/d/empty)
pruned 'slim #45: observed yet not in the image: every way to look at something' seen seen-out -- "${words[@]}"
has seen-out /d/read /d/looked /d/asked /d/zero /d/link /d/broken /d/program /d/script /d/fifo /d/empty
lacks seen-out /d/unused
again seen-out 'slim #45: and nothing is missing' "${words[@]}"

# ---- slim #369: a file that the profile never read ----

image choice <<L
d /plugins
f /plugins/one text=1
f /plugins/two text=2
f /fallback text=used\x20where\x20there\x20is\x20one\x20plugin\x20alone
L
pruned 'slim #369: a file that only the pruned application reads' choice choice-out -- read:/plugins/one few:/plugins:/fallback
like "$err" 'repair 1' 'slim #369: is missed'
has choice-out /fallback
again choice-out 'slim #369: and put back' read:/plugins/one few:/plugins:/fallback

# ---- slim #149, #224: dependencies of Node and of Python stripped ----

# Files of this machine as lines: what is a link stays one.
lines_of() {
	local path

	sort -u | while read -r path; do
		if [ -L "$path" ]; then
			echo "l $path to=$(readlink "$path")"
		elif [ -f "$path" ]; then
			echo "f $path mode=$(stat -c %a "$path") from=$path"
		fi
	done
}
libraries() { # PROGRAM…: what they are linked with, and the way to it
	local path

	ldd "$@" 2>/dev/null | grep -o '/[^ ]*' | grep -v ':$' | sort -u | while read -r path; do
		realpath "$path"
		echo "/lib/x86_64-linux-gnu/$(basename "$path")"
	done | grep -v '^/lib/x86_64-linux-gnu/ld-linux'
	realpath /lib64/ld-linux-x86-64.so.2
}
usr='d /usr
l /lib to=usr/lib
l /lib64 to=usr/lib64
l /bin to=usr/bin
d /tmp mode=1777'
python() {
	local version

	version=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
	{
		dpkg -L "libpython$version-minimal" "libpython$version-stdlib" | grep "^/usr/lib/python$version/" | grep -v '/__pycache__/'
		libraries "/usr/bin/python$version" "/usr/lib/python$version"/lib-dynload/*.so
		echo /usr/lib64/ld-linux-x86-64.so.2
		echo "/usr/bin/python$version"
	} | sed 's#^/lib/#/usr/lib/#' | lines_of
	echo "l /usr/bin/python3 to=python$version"
}
if [ "$(uname -m)" = x86_64 ]; then
	"$TREE" make snake '{"Entrypoint": ["/usr/bin/python3", "/srv/app.py"]}' <<L
$usr
$(python)
f /srv/app.py text=import\x20sys\x0aimport\x20shop\x0aprint(getattr(shop,\x20sys.argv[1])())\x0a
f /usr/lib/python3/dist-packages/shop/__init__.py text=import\x20importlib.metadata,\x20importlib.resources\x0adef\x20version():\x20return\x20importlib.metadata.version('shop')\x0adef\x20prices():\x20return\x20importlib.resources.files('shop').joinpath('prices.txt').read_text()\x0adef\x20host():\x20return\x20'caf\xc3\xa9'.encode('idna')\x0adef\x20tax():\x20from\x20.taxes\x20import\x20rate;\x20return\x20rate\x0adef\x20now():\x20from\x20.now\x20import\x20value;\x20return\x20value\x0a
f /usr/lib/python3/dist-packages/shop/now.py text=value=1\x0a
f /usr/lib/python3/dist-packages/shop/taxes.py text=rate=19\x0a
f /usr/lib/python3/dist-packages/shop/prices.txt text=3
f /usr/lib/python3/dist-packages/shop-1.5.dist-info/METADATA text=Metadata-Version:\x202.1\x0aName:\x20shop\x0aVersion:\x201.5\x0a
f /usr/lib/python3/dist-packages/shop-1.5.dist-info/RECORD text=shop/__init__.py,,\x0ashop/now.py,,\x0ashop/taxes.py,,\x0ashop/prices.txt,,\x0a
L
	pruned 'slim #224: dependencies of Python: one thing is tested' snake snake-out -- now
	unlike "$err" 'repair [0-9]+' 'slim #224: at the first try'
	again snake-out 'slim #224: what was tested works' now
	again snake-out "slim #224: so do the package's version" version
	again snake-out 'slim #224: its data' prices
	again snake-out 'slim #224: and an encoding, none of which was tested' host
	pruned 'slim #224: by packages' snake snake-package --mode=package -- now
	again snake-package 'slim #224: then a module that was not tested works, too' tax
fi

node=$(command -v node) || { echo 'Bail out! no node'; exit 1; }
node=$(realpath "$node")
"$TREE" make web "{\"Entrypoint\": [\"/usr/bin/node\", \"/srv/app.js\"]}" <<L
$usr
$({ libraries "$node"; echo /usr/lib64/ld-linux-x86-64.so.2; } | sed 's#^/lib/#/usr/lib/#' | lines_of)
f /usr/bin/node mode=755 from=$node
f /srv/app.js text=const\x20s=require('shop');console.log(s[process.argv[2]]())
f /srv/package.json text={"dependencies":{"shop":"1"}}
l /srv/node_modules/shop to=.store/shop@1/node_modules/shop
f /srv/node_modules/.store/shop@1/node_modules/shop/package.json text={"name":"shop","version":"1.5.0","exports":{".":"./dist/main.js","./prices.json":"./dist/prices.json"}}
f /srv/node_modules/.store/shop@1/node_modules/shop/dist/main.js text=exports.now=()=>require('left').pad(1);exports.prices=()=>require('shop/prices.json').a;exports.taxes=()=>require('./taxes').rate
f /srv/node_modules/.store/shop@1/node_modules/shop/dist/taxes.js text=exports.rate=19
f /srv/node_modules/.store/shop@1/node_modules/shop/dist/prices.json text={"a":3}
l /srv/node_modules/.store/shop@1/node_modules/left to=../../left@2/node_modules/left
f /srv/node_modules/.store/left@2/node_modules/left/package.json text={"name":"left","version":"2.0.0","main":"lib"}
f /srv/node_modules/.store/left@2/node_modules/left/lib/index.js text=exports.pad=(x)=>"\x20"+x
L
pruned 'slim #149: dependencies of Node: through links, main and exports' web web-out -- now
unlike "$err" 'repair [0-9]+' 'slim #149: at the first try'
again web-out 'slim #149: what was tested works' now
pruned 'slim #149: by packages' web web-package --mode=package -- now
again web-package 'slim #149: then what was not tested works, too' taxes
again web-package 'slim #149: and data' prices

# ---- slim #87, #308: a seccomp profile that kills the start ----

# The system calls of the whole life are on record, the start's among them, each with its phase.
image starts <<L
f /data/early text=x
f /data/late text=x
L
run_as prune oci:starts --root "$T/store-starts" --tests "$TESTS" --start '["/bin/app", "?readlink:/proc/self/exe", "mkdir:/made", "serve"]' \
	--ready 'log:^serving' --run '/run/whittle/app exec /bin/app unlink:/data/late' -q
is "$status" 0 'slim #87, #308: a seccomp profile that kills the start: a server is pruned'
calls() { # PHASE: those that were seen then
	# shellcheck disable=SC2046
	jq -r --arg p "$1" '.document | select(.syscalls) | . as $d | .syscalls[] | select(any(.when[]; $d.marks[.].phase == $p)) | .name' \
		$(grep -l '"syscalls"' "$T"/store-starts/blobs/sha256/*) | sort -u | tr '\n' ' '
}
like "$(calls start)" 'execve .*mkdir ' "slim #87, #308: the start's system calls are known"
unlike "$(calls start)" 'unlink ' 'slim #87, #308: as the start'"'"'s'
like "$(calls serve)" 'unlink ' "slim #87, #308: and those that came later"

report() { # LAYOUT TYPE: an attestation's predicate
	local d

	for d in $(jq -r '.manifests[].digest' "$1/index.json"); do
		blob "$1" "$d" | jq -r '.layers[]?.digest' 2>/dev/null
	done | sort -u | while read -r d; do
		blob "$1" "$d" 2>/dev/null | jq -r 'select(.payload or .dsseEnvelope) | .payload // .dsseEnvelope.payload' 2>/dev/null | base64 -d 2>/dev/null |
			jq -c "select(.predicateType | test(\"$2\")) | .predicate" 2>/dev/null
		blob "$1" "$d" 2>/dev/null | jq -c "select((.predicateType // \"\") | test(\"$2\")) | .predicate" 2>/dev/null
	done | head -n 1
}

# ---- slim #617: another result each time ----

manifests=()
for n in 1 2 3; do
	pruned "slim #617: another result each time: $n" seen "seen-$n" --no-cache -- "${words[@]}"
	manifests+=("$(manifest "seen-$n")")
done
is "${manifests[1]} ${manifests[2]}" "${manifests[0]} ${manifests[0]}" 'slim #617: three runs, one image'

# ---- slim #409: scanners blind ----

image debs <<L
f /etc/os-release text=ID=debian\x0aVERSION_ID="12"\x0a
f /var/lib/dpkg/status text=Package:\x20used\x0aStatus:\x20install\x20ok\x20installed\x0aArchitecture:\x20amd64\x0aVersion:\x201.2-3\x0aMaintainer:\x20m\x0a\x0aPackage:\x20gone\x0aStatus:\x20install\x20ok\x20installed\x0aArchitecture:\x20amd64\x0aVersion:\x204\x0aMaintainer:\x20m\x0a
f /var/lib/dpkg/info/used.list text=/.\x0a/usr\x0a/usr/bin\x0a/usr/bin/used\x0a/usr/bin/other\x0a
f /var/lib/dpkg/info/gone.list text=/.\x0a/usr\x0a/usr/bin\x0a/usr/bin/gone\x0a
f /usr/bin/used mode=755 from=$APP
f /usr/bin/other mode=755 from=$APP
f /usr/bin/gone mode=755 from=$APP
L
pruned 'slim #409: scanners blind: an image with packages' debs debs-out -t "debs-out" -- exec:/usr/bin/used
has debs-out /var/lib/dpkg/status /etc/os-release /var/lib/dpkg/info/used.list
lacks debs-out /usr/bin/gone /var/lib/dpkg/info/gone.list
run_as sbom --root "$(store_of)" debs-out
is "$(jq -r '.packages[] | select(.externalRefs != null) | .externalRefs[].referenceLocator' <<<"$out" | grep -o '^pkg:deb[^?]*' | sort)" \
	'pkg:deb/debian/used@1.2-3' 'slim #409: the package that is left is known, with its version, and it alone'

# ---- slim #67: no list of what was removed ----

run_as explain --root "$(store_of)" debs-out /usr/bin/gone
like "$all" 'removed' 'slim #67: no list of what was removed: a path can be asked for'
like "$all" 'gone' 'slim #67: and whose it was'
is "$(report debs-out prune-report | jq -r '.removed_tree // .report.removed_tree | [paths(scalars)] | length > 2')" true \
	'slim #67: the list goes with the image'

# ---- slim #331: the state of a database baked in ----

image db '{"User": "app", "Volumes": {"/var/lib/db": {}}}' <<L
$passwd
d /var/lib/db uid=1234 gid=2345 mode=700
f /var/lib/db/seed uid=1234 text=the\x20image's
f /var/lib/db/log uid=1234 text=the\x20image's
f /var/lib/db/lock uid=1234 text=the\x20image's
d /run mode=1777
L
words=(over:/var/lib/db/seed append:/var/lib/db/log unlink:/var/lib/db/lock create:/var/lib/db/table mkdir:/var/lib/db/wal create:/var/lib/db/wal/1
	create:/run/pid "rename:/var/lib/db/table:/var/lib/db/table.1")
pruned 'slim #331: the state of a database baked in: it writes, renames and removes' db db-out -- "${words[@]}"
faithful db db-out "slim #331: all that it found is the image's"
has db-out /var/lib/db/seed /var/lib/db/log /var/lib/db/lock
lacks db-out /var/lib/db/table /var/lib/db/table.1 /var/lib/db/wal /run/pid
again db-out 'slim #331: and it does it all again' text:/var/lib/db/seed:the "${words[@]}"

# ---- slim #729: only probes by HTTP ----

image plain <<L
f /data/a text=a
d /share mode=1777
L
run_as prune oci:plain --root "$(store_of)" --tests "$TESTS" --ready 'log:^serving' --share /share --run \
	'/run/whittle/app exec /bin/app read:/data/a create:/share/told && grep -q written /share/told && /run/whittle/app logs | grep -q serving'
is "$status" 0 'slim #729: only probes by HTTP: any command is a test, on files, logs and commands in the container'
[ "$status" = 0 ] || show "$err"
run_as prune oci:plain --root "$(store_of)" --tests "$TESTS" --ready 'log:^serving' --run 'exit 3'
is "$status" 10 'slim #729: and its exit status counts'

# ---- slim #278, #60: needs Docker, and root ----

WHO=user
PATH=$T/path:$PATH
mkdir path
printf '#!/bin/sh\necho "asked for $0" >>%s/asked; exit 1\n' "$UT" | tee path/docker path/dockerd path/podman >path/sudo
chmod 755 path path/*
install -d "$T/owned-user"
DOCKER_HOST=unix:///nonexistent pruned 'slim #278, #60: needs Docker and root: neither is there' owned owned-user -- read:/data/other
nok 'slim #278, #60: nobody asked for them' test -e "$UT/asked"
WHO=root
is_root || WHO=user

# ---- relative paths, and more events than somebody can take ----

image relative '{"WorkingDir": "/srv/work"}' <<L
d /srv/work/sub
f /srv/work/here text=x
f /srv/work/sub/below text=x
f /srv/beside text=x
f /far/unused text=x
L
words=(read:here read:./sub/below read:../beside chdir:sub read:below read:../here)
pruned 'relative paths: from the working directory, and from another' relative relative-out -- "${words[@]}"
has relative-out /srv/work/here /srv/work/sub/below /srv/beside
lacks relative-out /far/unused
again relative-out 'relative paths: all are there' "${words[@]}"

image many <<L
$(for i in $(seq 0 999); do echo "f /many/$i text=$i"; done)
L
pruned 'event overflow: twenty processes and 20,000 looks at once' many many-out -- many:/many:20
is "$("$TREE" list many-out | grep -c '^/many/')" 1000 'event overflow: not one is lost'
done_testing
