#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# build --reproducible: the same digest by another user, umask, time zone, number of cores, directory, snapshotter and date.
#
# Of packages nginx alone is built here; with WHITTLE_REPRODUCIBLE=all all those that DOCKERFILE.md names but npm, each twice, and the examples'
# images ten times (an hour).
. "$(dirname "$0")/lib.sh"
is_root || skip_all 'compares root with an ordinary user'

faketime=$(find /usr/lib -name libfaketime.so.1 2>/dev/null | head -n 1)
[ -n "$faketime" ] || skip_all 'libfaketime is not installed'
busybox=$(test_base busybox) && debian=$(test_base debian) || skip_all 'a base cannot be made'

# ---- two ways to build ----

# clock NAME OFFSET: a directory that steps mount, and the programs in them see a date that is so far away.
clock() {
	mkdir -p "$T/$1"
	cp "$faketime" "$T/$1/libfaketime.so.1"
	echo "$2" >"$T/$1/date"
}
clock now +0
clock later +400d

# Before a command of a step. Times of files are the kernel's.
under='export LD_PRELOAD=/clock/libfaketime.so.1 FAKETIME_TIMESTAMP_FILE=/clock/date NO_FAKE_STAT=1 DONT_FAKE_MONOTONIC=1'

# one NAME CONTEXT [OPTION…]: as root, overlay, all cores. The layout is NAME.one.
one() {
	run "$WHITTLE" build --root "$T/store" --no-cache --reproducible --build-context "debian=oci-layout://$debian" \
		--build-context "busybox=oci-layout://$busybox" --build-context "clock=$T/now" \
		-o "type=oci,dest=$T/$1.one,tar=false" "${@:3}" "$2"
}

# other NAME CONTEXT [OPTION…]: as a user, from another directory with another umask, time zone, number of cores and date (of the
# steps; whittle itself goes by a third), on a plain copy.
other() {
	rm -rf "$UT/other"
	(umask 077 && cp -r "$2" "$UT/other")
	chown -R "$TEST_USER:" "$UT/other"
	run as_user bash -c 'umask 077; cd / && exec taskset -c 0 "$@"' - \
		env TZ=Asia/Tokyo LD_PRELOAD="$faketime" FAKETIME=-900d NO_FAKE_STAT=1 DONT_FAKE_MONOTONIC=1 \
		"$WHITTLE" build --root "$UT/store" --no-cache --reproducible --jobs 1 --snapshotter copy \
		--build-context "debian=oci-layout://$debian" --build-context "busybox=oci-layout://$busybox" \
		--build-context "clock=$T/later" -o "type=oci,dest=$UT/$1.other,tar=false" "${@:3}" "$UT/other"
}

image() {
	sed -n 's/^image *//p' <<<"$out"
}

# same NAME CONTEXT DESC [OPTION…]: both ways, one digest.
same() {
	local first

	one "$1" "$2" "${@:4}"
	is "$status" 0 "$3: built by root"
	[ "$status" = 0 ] || show "$err"
	first=$(image) first_log=$err
	other "$1" "$2" "${@:4}"
	is "$status" 0 "$3: built by a user, elsewhere, with another date"
	[ "$status" = 0 ] || show "$err"
	is "$(image)" "${first:-nothing}" "$3: the same image"
	[ "$(image)" = "$first" ] || show "$(diff <(members "$T/$1.one") <(members "$UT/$1.other"))"
}

# layer_files LAYOUT: the blobs of the layers of its image, lowest first.
layer_files() {
	local manifest

	manifest=$1/blobs/sha256/$(jq -r '.manifests[0].digest' "$1/index.json" | cut -d : -f 2)
	jq -r '.layers[].digest' "$manifest" | sed "s,^sha256:,$1/blobs/sha256/,"
}

# members LAYOUT: what is in the layers, a line an entry.
members() {
	layer_files "$1" | while read -r f; do
		bsdtar -xOf "$f" --include nothing 2>/dev/null
		bsdtar -tvf "$f" --numeric-owner
		bsdtar -cf - --format=mtree --options='!all,sha256' "@$f" | grep sha256
	done
}

config() {
	local b=$1/blobs/sha256

	cat "$b/$(jq -r .config.digest "$b/$(jq -r '.manifests[0].digest' "$1/index.json" | cut -d : -f 2)" | cut -d : -f 2)"
}

# ---- a package ----

mkdir nginx
cat >nginx/Dockerfile <<END
FROM debian
RUN --mount=type=bind,from=clock,target=/clock $under && date "+the date here is %Y" \\
 && apt-get -o Acquire::Check-Date=false -o Acquire::Check-Valid-Until=false update && DEBIAN_FRONTEND=noninteractive apt-get install -y nginx
END
same nginx nginx 'apt-get install nginx'
isnt "$(sed -n 's/.*the date here is //p' <<<"$first_log")" "$(sed -n 's/.*the date here is //p' <<<"$err")" 'the dates were not the same'
is "$(config "$T/nginx.one" | jq -r .created)" "$(config "$debian" | jq -r .created)" "the image's time is the base's"
names=$(layer_files "$T/nginx.one" | tail -n 1 | xargs bsdtar -tf)
like "$names" '^usr/sbin/nginx$' 'nginx is there'
unlike "$names" '^var/(log/(apt/(history|term)|dpkg|alternatives)|cache/apt/(src)?pkgcache|cache/ldconfig/aux)' 'no logs, no caches'
# Without the option there is something to mend.
run "$WHITTLE" build --root "$T/store" --no-cache --build-context "debian=oci-layout://$debian" --build-context "clock=$T/now" \
	--build-arg SOURCE_DATE_EPOCH=1700000000 -o "type=oci,dest=$T/plain,tar=false" nginx
like "$(layer_files "$T/plain" | tail -n 1 | xargs bsdtar -tf)" '^var/log/dpkg.log$' 'without --reproducible the logs stay'

# ---- Python's bytecode ----

mkdir python
cat >python/a.py <<'END'
print("a")
END
cat >python/check.py <<'END'
import os, struct, sys

wrong = []
for name in sys.argv[1:]:
    head = open(os.path.join(os.path.dirname(name), "__pycache__", os.path.basename(name)[:-3] + ".cpython-%d%d.pyc" % sys.version_info[:2]), "rb").read(16)
    flags, mtime, size = struct.unpack("<III", head[4:])
    if flags or mtime != int(os.stat(name).st_mtime) or size != os.stat(name).st_size:
        wrong.append(name)
sys.exit("bytecode does not fit: %s" % wrong if wrong else 0)
END
cat >python/Dockerfile <<'END'
FROM debian
RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-minimal libpython3-stdlib
COPY check.py a.py /
# b.py is newer than the epoch, c.py keeps an old time; the bytecode goes by time.
RUN mkdir /p && cp /a.py /p/b.py && cp /a.py /p/c.py && touch -d @1000000000 /p/c.py \
 && env -u SOURCE_DATE_EPOCH python3 -m compileall -q --invalidation-mode timestamp /p
RUN python3 /check.py /p/b.py /p/c.py
END
same python python 'bytecode that fits its source'

# ---- times ----

cat >"$T/times.py" <<'END'
import io, json, subprocess, sys, tarfile

layout, base_layers, epoch = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
blob = lambda d: layout + "/blobs/sha256/" + d.split(":")[1]
manifest = json.load(open(blob(json.load(open(layout + "/index.json"))["manifests"][0]["digest"])))
for l in manifest["layers"][base_layers:]:
    data = subprocess.run(["zstd", "-dc", blob(l["digest"])], stdout=subprocess.PIPE).stdout
    for m in tarfile.open(fileobj=io.BytesIO(data)):
        if m.mtime != epoch and "/.wh." not in m.name:
            print(m.name, m.mtime)
END
mkdir times
cat >times/Dockerfile <<'END'
FROM busybox AS base
RUN mkdir /d && echo text >/d/f && ln -s f /d/l && mkfifo /d/p && ln /d/f /d/h && touch -d '2100-01-01 00:00:00' /d/late
RUN echo more >>/d/f && chmod 600 /etc/passwd && rm /etc/group
FROM base
COPY --from=base /d /e
WORKDIR /w
ADD file program /a/b/
RUN cp -p /d/f /w/g
END
echo x >times/file
echo '#!/bin/sh' >times/program
chmod 755 times/program
touch -d 2001-01-01 times/file times/program # in the other directory they are new, and 0600 and 0700
number=$(date -d "$(config "$busybox" | jq -r .created)" +%s)
same times times 'times, and files from all over'
derived=$(image)
is "$(python3 times.py "$T/times.one" 1 "$number" 2>&1)" '' 'every entry has the time of the base'
one given times --build-arg "SOURCE_DATE_EPOCH=$number"
is "$(image)" "$derived" 'the number itself gives the same image'
run env SOURCE_DATE_EPOCH="$number" "$WHITTLE" build --root "$T/store" --no-cache --reproducible --build-context "busybox=oci-layout://$busybox" times
is "$(image)" "$derived" 'so does the environment'

# A machine whose clock is behind the epoch: the first build is one, the second is not.
soon=$(($(date +%s) + 15))
one behind times --build-arg "SOURCE_DATE_EPOCH=$soon"
ok 'the first build was before the epoch' test "$(date +%s)" -lt "$soon"
behind=$(image)
while [ "$(date +%s)" -le "$soon" ]; do sleep 1; done
other behind times --build-arg "SOURCE_DATE_EPOCH=$soon"
is "$(image)" "$behind" 'a clock that is behind the epoch changes nothing'
is "$(python3 times.py "$T/behind.one" 1 "$soon" 2>&1)" 'etc/passwd 1700000000' 'every entry that was written has the epoch'

mkdir scratch
printf 'FROM scratch\nCOPY file /\nWORKDIR /w\n' >scratch/Dockerfile
echo x >scratch/file
same scratch scratch 'scratch alone'
is "$(config "$T/scratch.one" | jq -r .created)" 1970-01-01T00:00:00Z 'its time is the beginning'
is "$(python3 times.py "$T/scratch.one" 0 0 2>&1)" '' 'and so are those of its entries'

# The newest of all bases counts, wherever it stands; what a stage that is not needed stands on does not.
mkdir bases
printf 'FROM busybox\nLABEL a=b\n' >bases/Dockerfile
for t in 1800000000 1900000000; do
	"$WHITTLE" build --root "$T/store" --build-arg "SOURCE_DATE_EPOCH=$t" --build-context "busybox=oci-layout://$busybox" \
		-o "type=oci,dest=$T/base-$t,tar=false" bases >"$T/log" 2>&1 || show "$(cat "$T/log")"
done
printf 'FROM never AS unused\nRUN true\nFROM busybox\nCOPY --from=newer /bin/busybox /x\nRUN echo $SOURCE_DATE_EPOCH >/epoch\n' >bases/Dockerfile
run "$WHITTLE" build --root "$T/store" --reproducible --build-context "busybox=oci-layout://$busybox" \
	--build-context "newer=oci-layout://$T/base-1800000000" --build-context "never=oci-layout://$T/base-1900000000" \
	-o "type=local,dest=$T/bases.out" bases
is "$status" 0 'bases of several ages' || show "$err"
is "$(cat bases.out/epoch)" 1800000000 'RUN has the time of the newest that the build asks for'
is "$(stat -c %Y bases.out/epoch)" 1800000000 'and so has its file'

# ---- SOURCE_DATE_EPOCH alone: nothing that a build writes is newer ----

cat >"$T/newer.py" <<'END'
import base64, io, json, os, re, subprocess, sys, tarfile, datetime

epoch = int(sys.argv[1])
stamp = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
seen = 0

def check(what, t):
    global seen
    seen += 1
    if t > epoch:
        print(what, t)

def texts(what, v):
    for envelope in (v, v.get("dsseEnvelope", {})):
        if "payload" in envelope:
            texts(what, json.loads(base64.b64decode(envelope["payload"])))
    for m in stamp.findall(json.dumps(v)):
        check(what, datetime.datetime.fromisoformat(m + "+00:00").timestamp())

def tar(what, data):
    for m in tarfile.open(fileobj=io.BytesIO(data)):
        check(what + " " + m.name, m.mtime)

for path in sys.argv[2:]:
    if not os.path.isdir(path):
        tar(path, open(path, "rb").read())
    elif os.path.exists(path + "/oci-layout"):
        for name in ["index.json"] + ["blobs/sha256/" + n for n in os.listdir(path + "/blobs/sha256")]:
            data = open(path + "/" + name, "rb").read()
            if data[:1] == b"{":
                texts(name, json.loads(data))
            else:
                tar(name, subprocess.run(["zstd", "-dc"], input=data, stdout=subprocess.PIPE).stdout)
    else:
        for root, dirs, files in os.walk(path):
            for n in dirs + files:
                check(root + "/" + n, os.lstat(root + "/" + n).st_mtime)
if seen < 80:
    print("only %d times seen" % seen)
END
mkdir everything
cat >everything/Dockerfile <<'END'
FROM busybox AS base
RUN touch -d 2030-01-01 /new && for i in 1 2 3 4 5 6 7 8 9; do echo $i >/f$i; done
COPY file /x/
WORKDIR /w
FROM scratch AS app
COPY --from=base / /
RUN echo text >/srv.txt
CMD ["/bin/sh", "-c", "trap 'exit 0' TERM; echo up; while :; do cat /srv.txt >/dev/null; sleep 0.1; done"]
FROM app
PROFILE --ready=log:up cat /srv.txt
PRUNE --shell=keep
END
echo x >everything/file
export COSIGN_PASSWORD=''
"$WHITTLE" keygen --output-key-prefix "$T/ours" >/dev/null 2>&1
for target in app ''; do
	rm -rf out.*
	run env SOURCE_DATE_EPOCH=1650000000 "$WHITTLE" build --root "$T/store" --no-cache -t n:1 ${target:+--target "$target"} --sign-key "$T/ours.key" \
		--build-context "busybox=oci-layout://$busybox" -o "type=oci,dest=$T/out.oci,tar=false" -o "type=oci,dest=$T/out.oci.tar" \
		-o "type=tar,dest=$T/out.tar" -o "type=local,dest=$T/out.local" everything
	is "$status" 0 "everything${target:+ to $target}: built" || show "$err"
	is "$(python3 newer.py 1650000000 out.* 2>&1)" '' 'layers, config, history, outputs and evidence have no newer time'
done

# ---- the cache ----

run "$WHITTLE" build --root "$T/store" --build-arg "SOURCE_DATE_EPOCH=$number" --build-context "busybox=oci-layout://$busybox" times
is "$status" 0 'the same without the option'
is "$(grep -c CACHED <<<"$err")" 1 'takes nothing but its base from the cache of reproducible builds'
run "$WHITTLE" build --root "$T/store" --reproducible --build-context "busybox=oci-layout://$busybox" times
is "$(image)" "$derived" 'with it, from the cache: the same image'
is "$(grep -c CACHED <<<"$err")" 7 'and no step runs'

# ---- more packages ----

# package NAME: commands of one step on standard input, after apt-get update.
package() {
	mkdir -p "$1"
	{
		cat <<-END
			FROM debian
			RUN --mount=type=bind,from=clock,target=/clock $under \\
			 && apt-get -qq -o Acquire::Check-Date=false -o Acquire::Check-Valid-Until=false update && export DEBIAN_FRONTEND=noninteractive \\
		END
		sed 's/^/ \&\& /; $!s/$/ \\/'
	} >"$1/Dockerfile"
	same "$1" "$1" "$1"
	rm -rf "$T/$1.one" "$UT/$1.other" "$T/store" "$UT/store" # a few GB each
}

if [ "${WHITTLE_REPRODUCIBLE:-}" = all ]; then
	package redis <<<'apt-get install -y redis-server'
	package systemd <<<'apt-get install -y systemd dbus'
	package java <<<'mkdir -p /usr/share/man/man1 && apt-get install -y openjdk-17-jre-headless'
	package mail <<<'apt-get install -y exim4-daemon-light cron logrotate sudo'
	package desktop <<<'apt-get install -y --no-install-recommends libgtk-3-0 shared-mime-info adwaita-icon-theme gtk-update-icon-cache aspell-en udev docbook-xml cracklib-runtime libgdk-pixbuf2.0-bin'
	package users <<-'END'
		adduser --system --group alpha
		useradd -m -p x beta
		adduser --disabled-password --gecos "" gamma
		groupadd delta && usermod -aG delta gamma && passwd -l beta
		echo 'gamma:$y$j9T$jsctRlZRh10bl6emwGY.v.$tUWOi9Cee1aRB9NV.TOkbW9Sj4NafTEj.nmIIULjOq7' | chpasswd -e
	END
	package system <<-'END'
		apt-get install -y locales fontconfig fonts-dejavu-core man-db perl git
		echo 'de_DE.UTF-8 UTF-8' >/etc/locale.gen && locale-gen
		update-alternatives --install /usr/bin/foo foo /bin/ls 10 && ldconfig && mandb -q && fc-cache -f
	END
	package compiler <<-'END'
		apt-get install -y --no-install-recommends gcc libc6-dev make
		mkdir /b && cd /b && printf '\043include <stdio.h>\nint main(void) { puts(__DATE__ __TIME__ __FILE__); }\n' >a.c
		gcc -g -O2 -o a a.c && gcc -c a.c && ar rcs liba.a a.o && gcc -flto -O2 -o b a.c
	END
	package pip <<-'END'
		apt-get install -y --no-install-recommends python3-pip python3-setuptools python3-wheel python3-venv
		mkdir -p /src/pkgx && cd /src && touch pkgx/__init__.py && echo 'X = "a" in {"a", "b", "c"}' >pkgx/a.py
		echo 'from setuptools import setup; setup(name="pkgx", version="1.0", packages=["pkgx"])' >setup.py
		pip install --break-system-packages --no-index --no-build-isolation . && python3 -m venv /venv
		env -u SOURCE_DATE_EPOCH python3 -m compileall -q -f /venv
	END
	# What DOCKERFILE.md says to do about what is not mended.
	package keys <<<'apt-get install -y --no-install-recommends openssh-server && rm -f /etc/ssh/ssh_host_*_key*'
	package mysql <<<'apt-get install -y --no-install-recommends mariadb-server && rm -rf /var/lib/mysql/*'
	package postgresql <<-'END'
		apt-get install -y --no-install-recommends postgresql-common
		echo 'create_main_cluster = false' >>/etc/postgresql-common/createcluster.conf
		apt-get install -y --no-install-recommends postgresql
		rm -f /etc/ssl/private/ssl-cert-snakeoil.key /etc/ssl/certs/ssl-cert-snakeoil.pem
	END
	for e in nginx redis python-service; do
		digests=''
		for i in 1 2 3 4 5; do
			run "$WHITTLE" build --root "$T/store" --no-cache --reproducible --jobs "$i" --build-context "debian=oci-layout://$debian" "$SRC/examples/$e"
			digests+=$(image)$'\n'
			cp -r "$SRC/examples/$e" "$UT/$e.$i"
			chown -R "$TEST_USER:" "$UT/$e.$i"
			run as_user "$WHITTLE" build --root "$UT/store" --no-cache --reproducible --build-context "debian=oci-layout://$debian" "$UT/$e.$i"
			digests+=$(image)$'\n'
		done
		is "$(grep sha256 <<<"$digests" | sort | uniq -c | sed 's/sha256:.*/image/; s/^ *//')" '10 image' "examples/$e: ten builds, one image"
	done
fi

# ---- what the documentation says ----

"$WHITTLE" debug rules >"$T/rules"
ok 'DOCKERFILE.md shows the rules as they are' python3 - "$SRC/DOCKERFILE.md" "$T/rules" <<'END'
import sys
sys.exit(open(sys.argv[2]).read() not in open(sys.argv[1]).read())
END

done_testing
