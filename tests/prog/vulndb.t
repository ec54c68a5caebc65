#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The vulnerability database, and scans against it. Findings are compared with tests/tools/vuln_check.py, which asks dpkg.
. "$(dirname "$0")/lib.sh"

check=$SRC/tests/tools/vuln_check.py
shared=${WH_SHARED:-$SRC/../shared}
records=$shared/vulndb/debian-bookworm-osv.jsonl.gz
export TMPDIR=$T

# image NAME STATUS ID VERSION: an OCI layout NAME with this dpkg status file and os-release.
image() {
	rm -rf "ctx-$1"
	mkdir -p "ctx-$1/var/lib/dpkg" "ctx-$1/etc"
	cp "$2" "ctx-$1/var/lib/dpkg/status"
	printf 'NAME=Test\nID=%s\nVERSION_ID="%s"\n' "$3" "$4" >"ctx-$1/etc/os-release"
	printf 'FROM scratch\nCOPY var /var\nCOPY etc /etc\n' >"ctx-$1/Dockerfile"
	"$WHITTLE" build -q --root build-store -o "type=oci,dest=$1,tar=false" "ctx-$1" >/dev/null
}

# One package a line, NAME VERSION [SOURCE [SOURCE-VERSION]], as a status file.
status_of() {
	local name version source sv

	while read -r name version source sv; do
		printf 'Package: %s\nStatus: install ok installed\nMaintainer: nobody\nArchitecture: amd64\n' "$name"
		[ -z "$source" ] || printf 'Source: %s%s\n' "$source" "${sv:+ ($sv)}"
		printf 'Version: %s\nDescription: x\n\n' "$version"
	done
}

scan() {
	run "$WHITTLE" scan --root store "$@"
}

digest() {
	"$WHITTLE" db info --root "$1" --format json | jq -r .digest
}

# ---- without a database ----

status_of >small.status <<-'EOF'
	libssl3 3.0.8-1 openssl
	openssl 3.0.8-1
	zlib1g 1:1.2.13.dfsg-1 zlib
	nothing 1
EOF
image small small.status debian 12
scan oci:small
is "$status" 0 'no database: exit code 0'
like "$out" '^NOT ASSESSED: there is no vulnerability database$' 'no database: said loudly'
like "$out" 'whittle db import' 'no database: how to get one'
unlike "$out" '^0 ' 'no database: no number'
scan --format json oci:small
is "$status" 0 'no database, json: exit code 0'
is "$(jq -c '[.assessed, .why, .counts, .findings, .packagesUnassessed]' <<<"$out")" \
	'[false,"there is no vulnerability database",null,null,4]' 'no database, json: no counts, no findings'
printf '%s\n' "$out" >none.json
fits findings-1 none.json 'no database, json: it fits its schema'
run "$WHITTLE" db info --root store
is "$status" 0 'info without a database: exit code 0'
like "$out" '^no vulnerability database' 'info without a database'

# ---- a small one, by hand ----

record() { # ID MORE
	printf '{"id":"%s","modified":"2026-01-02T03:04:05Z",%s}\n' "$1" "$2"
}
entry() { # NAME EVENTS MORE
	printf '"affected":[{"package":{"ecosystem":"Debian:12","name":"%s"},"ranges":[{"type":"ECOSYSTEM","events":[%s]}]%s}]' "$@"
}
{
	record DEBIAN-CVE-2024-1 "$(entry openssl '{"introduced":"0"},{"fixed":"3.0.9-1"}' ',"ecosystem_specific":{"urgency":"high"}'),\"severity\":[{\"type\":\"CVSS_V3\",\"score\":\"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H\"}]"
	record DEBIAN-CVE-2024-2 "$(entry zlib '{"introduced":"0"}' ',"ecosystem_specific":{"urgency":"unimportant"}')"
	record DEBIAN-CVE-2024-3 "$(entry zlib '{"introduced":"0"},{"fixed":"0"}' '')"
	record DSA-1-1 "\"upstream\":[\"CVE-2024-1\",\"CVE-2024-4\"],$(entry openssl '{"introduced":"0"},{"fixed":"3.0.9-1"}' '')"
	record DEBIAN-CVE-2024-5 "\"withdrawn\":\"2026-01-01T00:00:00Z\",$(entry zlib '{"introduced":"0"}' '')"
} >hand.jsonl
run "$WHITTLE" db import --root store hand.jsonl
is "$status" 0 'import: exit code 0'
is "$out" 'hand.jsonl: 5 records taken' 'import: counts'
run "$WHITTLE" db info --root store
like "$out" '^records +5 \(1 withdrawn\)$' 'info: records'
like "$out" '^ecosystems +Debian:12$' 'info: ecosystems'
like "$out" '^newest +2026-01-02T03:04:05Z$' 'info: newest'
scan oci:small
is "$status" 0 'scan: exit code 0'
is "$(head -n 6 <<<"$out")" 'SEVERITY    ID          PACKAGE  VERSION          FIXED IN
critical    CVE-2024-1  libssl3  3.0.8-1          3.0.9-1
critical    CVE-2024-1  openssl  3.0.8-1          3.0.9-1
negligible  CVE-2024-2  zlib1g   1:1.2.13.dfsg-1  -
unknown     CVE-2024-4  libssl3  3.0.8-1          3.0.9-1
unknown     CVE-2024-4  openssl  3.0.8-1          3.0.9-1' 'scan: the table'
like "$out" '^3 known vulnerabilities in 4 packages: 1 critical, 0 high, 0 medium, 0 low, 1 negligible, 1 unknown$' 'scan: the summary'
like "$out" "^database $(digest store), newest record 2026-01-02T03:04:05Z$" 'scan: with which database'
image mixed small.status debian 12
mkdir -p ctx-mixed/var/app/node_modules/q && echo '{"name":"q","version":"1.0.0"}' >ctx-mixed/var/app/node_modules/q/package.json
rm -rf mixed
"$WHITTLE" build -q --root build-store -o type=oci,dest=mixed,tar=false ctx-mixed >/dev/null
scan oci:mixed
like "$out" '^3 known vulnerabilities in 4 of 5 packages: ' 'packages that were not looked up are not counted as looked up'
like "$out" '^NOT ASSESSED: 1 packages ' 'and named'
image eleven small.status debian 11
scan oci:eleven
like "$out" '^NOT ASSESSED: the database has no records for Debian:11$' 'another release is not assessed'
image foreign small.status debian 12
mkdir -p ctx-foreign/var/lib/apk/db && printf 'P:musl\nV:1.2.4-r2\n\n' >ctx-foreign/var/lib/apk/db/installed
rm -rf foreign
"$WHITTLE" build -q --root build-store -o type=oci,dest=foreign,tar=false ctx-foreign >/dev/null
scan oci:foreign
like "$out" '^NOT ASSESSED: the image has packages of apk, whose records are not read here$' 'packages whose records nobody reads'
unlike "$out" '[0-9]+ known vulnerabilities' 'packages whose records nobody reads: no number'
image other small.status alpine 3.19
scan oci:other
like "$out" '^NOT ASSESSED: ' 'another distribution is not assessed'
mkdir empty && printf 'FROM scratch\nCOPY Dockerfile /\n' >empty/Dockerfile
"$WHITTLE" build -q --root build-store -o type=oci,dest=nothing,tar=false empty >/dev/null
scan oci:nothing
like "$out" '^NOT ASSESSED: the image has no package records$' 'an image without records is not assessed'

# ---- dpkg's order of versions, by way of a scan ----

python3 "$check" pairs "${WH_SEED:-20240101}" 3000 pairs.status pairs.jsonl
image pairs pairs.status debian 12
"$WHITTLE" db import --root pairs-store pairs.jsonl >/dev/null
"$WHITTLE" scan --root pairs-store --format json oci:pairs >pairs.json
ok '3,000 pairs of versions stand in the order in which dpkg has them' python3 "$check" check pairs.jsonl pairs.status 12 pairs.json

# ---- the same records, however they come ----

want=$(digest store)
python3 - <<'EOF'
import json, os, zipfile
lines = open("hand.jsonl").read().splitlines()
os.makedirs("dir/sub")
with zipfile.ZipFile("all.zip", "w", zipfile.ZIP_DEFLATED) as z:
    z.writestr("README", "nothing")
    for i, l in enumerate(reversed(lines)):
        r = json.loads(l)
        z.writestr(r["id"] + ".json", json.dumps(dict(reversed(r.items())), indent=2))
        with open("dir/%s%s.json" % ("sub/" if i % 2 else "", r["id"]), "w") as f:
            json.dump(r, f)
EOF
gzip -k hand.jsonl && xz -k hand.jsonl && zstd -q hand.jsonl && mkdir half && head -n 2 hand.jsonl >half/a.jsonl && tail -n 3 hand.jsonl >half/b.jsonl
for from in all.zip dir hand.jsonl.gz hand.jsonl.xz hand.jsonl.zst half; do
	"$WHITTLE" db import --root "s-$from" "$from" >/dev/null
	is "$(digest "s-$from")" "$want" "$from: the same digest"
done
run "$WHITTLE" db import --root s-both half/b.jsonl half/a.jsonl half
is "$out" 'half/b.jsonl: 3 records taken
half/a.jsonl: 2 records taken
half: 0 records taken, 5 left out (the database has them, or newer ones)' 'several files'
is "$(digest s-both)" "$want" 'several files: the same digest'

# ---- damage ----

printf '%s\n{"id":"X-1"}\n' "$(head -n 1 pairs.jsonl)" >bad.jsonl
run "$WHITTLE" db import --root store bad.jsonl
is "$status" 2 'a damaged record: exit code 2'
like "$err" '^error: bad.jsonl: record 2: .*"modified"' 'a damaged record: the file and the record'
is "$(digest store)" "$want" 'a damaged record: nothing was taken'
head -c 100 hand.jsonl.gz >cut.jsonl.gz
run "$WHITTLE" db import --root store cut.jsonl.gz
is "$status" 2 'a truncated file: exit code 2'
run "$WHITTLE" db import --root store nowhere
is "$status" 2 'no such file: exit code 2'
like "$err" 'nowhere: No such file' 'no such file'
mkdir none
run "$WHITTLE" db import --root store none
like "$err" 'none: there is no file with OSV records in it' 'a directory without records'
run "$WHITTLE" db improt --root store x
is "$status" 2 'a wrong word: exit code 2'
like "$err" 'did you mean "import"' 'a wrong word'
is "$(stat -c %a store/db store/db/vulnerabilities.db | xargs)" '700 600' 'modes'
mkfifo pipe.jsonl
"$WHITTLE" db import --root store pipe.jsonl &
importer=$!
exec 7>pipe.jsonl
cat pairs.jsonl >&7
kill -9 "$importer"
wait "$importer" 2>/dev/null
exec 7>&-
is "$(digest store)" "$want" 'killed in the middle: the database is as it was'
ok 'and takes the next import' "$WHITTLE" db import --root store hand.jsonl
dd if=/dev/urandom of=store/db/vulnerabilities.db bs=4096 seek=1 count=2 conv=notrunc status=none
scan oci:small
is "$status" 4 'a damaged database: exit code 4'
like "$err" 'is damaged .*moved aside' 'a damaged database: said'
like "$err" '^hint: import the records again: whittle db import' 'a damaged database: the hint'
ok 'a damaged database: it was moved aside' test -e store/db/vulnerabilities.db.damaged
scan oci:small
like "$out" '^NOT ASSESSED: there is no vulnerability database$' 'and is not used any more'
ok 'importing mends it' "$WHITTLE" db import --root store hand.jsonl
is "$(digest store)" "$want" 'importing mends it: the same digest'

# ---- an ordinary user ----

cp -r small "$UT/small" && chmod -R a+rX "$UT/small"
cp hand.jsonl "$UT"
run as_user "$WHITTLE" db import --root "$UT/store" "$UT/hand.jsonl"
is "$status" 0 'an ordinary user imports'
run as_user "$WHITTLE" scan --root "$UT/store" --format json "oci:$UT/small"
is "$status" 0 'an ordinary user scans'
is "$out" "$("$WHITTLE" scan --root store --format json oci:small)" 'an ordinary user finds the same'

# ---- real records ----

if [ ! -e "$records" ]; then
	echo "# no real records at $records"
	done_testing
	exit
fi
run "$WHITTLE" db import --root real "$records"
is "$status" 0 'real records: imported'
is "$out" "$records: $(zcat "$records" | wc -l) records taken" 'real records: all of them'

# As Debian 12.0 had them.
status_of >june.status <<-'EOF'
	apache2-bin 2.4.57-2 apache2
	bash 5.2.15-2+b2 bash 5.2.15-2
	bind9-libs 1:9.18.12-1 bind9
	bsdutils 1:2.38.1-5+b1 util-linux 2.38.1-5
	curl 7.88.1-10
	libavahi-common3 0.8-10 avahi
	libc6 2.36-9 glibc
	libc-bin 2.36-9 glibc
	libcups2 2.4.2-3 cups
	libcurl4 7.88.1-10 curl
	libexpat1 2.5.0-1 expat
	libfreetype6 2.12.1+dfsg-5 freetype
	libgnutls30 3.7.9-2 gnutls28
	libgssapi-krb5-2 1.20.1-2 krb5
	libmagickcore-6.q16-6 8:6.9.11.60+dfsg-1.6 imagemagick
	libnghttp2-14 1.52.0-1 nghttp2
	libperl5.36 5.36.0-7 perl
	libpq5 15.3-0+deb12u1 postgresql-15
	libpython3.11-minimal 3.11.2-6 python3.11
	libsqlite3-0 3.40.1-2 sqlite3
	libssh2-1 1.10.0-3+b1 libssh2 1.10.0-3
	libssl3 3.0.9-1 openssl
	libsystemd0 252.6-1 systemd
	libtiff6 4.5.0-5 tiff
	libwebp7 1.2.4-0.1 libwebp
	libxml2 2.9.14+dfsg-1.2
	libxslt1.1 1.1.35-1 libxslt
	login 1:4.13+dfsg1-1+b1 shadow 1:4.13+dfsg1-1
	mariadb-common 1:10.11.3-1 mariadb
	ncurses-base 6.4-4 ncurses
	nginx 1.22.1-9
	openssh-client 1:9.2p1-2 openssh
	openssl 3.0.9-1
	perl-base 5.36.0-7 perl
	redis-server 5:7.0.11-1 redis
	tar 1.34+dfsg-1.2
	vim-tiny 2:9.0.1378-2 vim
	zlib1g 1:1.2.13.dfsg-1 zlib
EOF
image june june.status debian 12
"$WHITTLE" scan --root real --format json oci:june >june.json
ok 'packages of Debian 12.0: every finding, severity and fix as the independent check has them' \
	python3 "$check" check "$records" june.status 12 june.json
python3 "$check" check "$records" june.status 12 june.json | sed 's/^/# 12.0: /'
fits findings-1 june.json 'findings fit their schema'
before=$(jq .counts.total june.json)
ok 'packages of Debian 12.0: more than a hundred' test "$before" -gt 100

# All that is installed here, with what its sources are called and how old they are today.
if [ "$(. /etc/os-release && echo "$ID $VERSION_ID")" = 'debian 12' ]; then
	image here /var/lib/dpkg/status debian 12
	"$WHITTLE" scan --root real --format json oci:here >here.json
	ok "this machine's packages: the same as the independent check" \
		python3 "$check" check "$records" /var/lib/dpkg/status 12 here.json
	python3 "$check" check "$records" /var/lib/dpkg/status 12 here.json | sed 's/^/# here: /'
fi
is "$("$WHITTLE" scan --root real --format json oci:june | sha256sum)" "$(sha256sum <june.json)" 'the same bytes again'

done_testing
