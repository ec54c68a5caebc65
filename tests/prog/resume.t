#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Downloads that broke off go on where they were, whoever goes on with them.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/tools/registry.sh"
base=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }
command -v docker-registry >/dev/null || skip_all 'needs docker-registry'

FRONT_PID='' PLAIN_PID='' PULL_PID=''
on_exit '[ -z "$FRONT_PID" ] || server_stop "$FRONT_PID"; [ -z "$PLAIN_PID" ] || server_stop "$PLAIN_PID"; [ -z "$PULL_PID" ] || kill -9 "$PULL_PID" 2>/dev/null'
registry_start "$T/plain" || { echo 'Bail out! no registry'; exit 1; }
PLAIN_PID=$REGISTRY_PID reg=$REGISTRY

# An image with one layer of some size, and the same layer twice.
mkdir ctx big
head -c 3000000 /dev/urandom >ctx/data
printf 'FROM scratch\nCOPY data /data\n' >ctx/Dockerfile
run "$WHITTLE" build -q --root "$T/make" --output type=oci,dest=big,tar=false ctx
[ "$status" = 0 ] || { echo "Bail out! $err"; exit 1; }
skopeo copy -q --dest-tls-verify=false "oci:$T/big" "docker://$reg/big/one:1" || { echo 'Bail out! no image'; exit 1; }
manifest=$(registry_get "$reg" /v2/big/one/manifests/1)
layer=$(jq -r '.layers[0].digest' <<<"$manifest") size=$(jq -r '.layers[0].size' <<<"$manifest")
hex=${layer#sha256:}
want=sha256:$(printf %s "$manifest" | sha256sum | cut -d' ' -f1)

WHO=root ST=$T/st
front() { # OPTION…
	[ -z "$FRONT_PID" ] || server_stop "$FRONT_PID"
	rm -rf "$T/f"
	front_start "$T/f" "$reg" "$@" || { echo 'Bail out! no front'; exit 1; }
	chmod -R a+rX "$T/f"
}
fresh() { # WHO
	WHO=$1 ST=$([ "$1" = user ] && echo "$UT/st" || echo "$T/st")
	as "$WHO" chmod -R u+rwX "$ST" 2>/dev/null
	as "$WHO" rm -rf "$ST"
}
w() { as "$WHO" "$WHITTLE" "$@"; }
pull() { run w pull -q --root "$ST" "$FRONT/big/one:1"; }
requests() { # of the layer, in the front's log: status and range
	sed -n "s,^FRONT GET /v2/big/one/blobs/$layer \([^ ]*\) -\(.*\),\1\2,p" f/log | tr '\n' ';'
}
there() { stat -c %s "$ST/partial/$1" 2>/dev/null || echo 0; }
whole() { # DESC: the layer is there, and nothing besides
	is "$status $out" "0 $want" "$1"
	is "$(sha256sum <"$ST/blobs/sha256/$hex" | cut -d' ' -f1)" "$hex" 'the layer is what its name says'
	is "$(ls "$ST/partial")" '' 'nothing is left over'
}
until_there() { # BYTES: a download has come so far, or its process has ended
	while kill -0 "$PULL_PID" 2>/dev/null && [ "$(there "$hex")" -lt "$1" ]; do sleep 0.05; done
	[ "$(there "$hex")" -ge "$1" ]
}
start_pull() {
	as "$WHO" "$WHITTLE" pull -q --root "$ST" "$FRONT/big/one:1" >"$T/pull.out" 2>"$T/pull.err" &
	PULL_PID=$!
}
tree_of() { # PID: it and all below it
	local p

	echo "$1"
	for p in $(cat "/proc/$1/task/$1/children" 2>/dev/null); do tree_of "$p"; done
}
kill_pull() {
	# shellcheck disable=SC2046 # a list of numbers
	kill -9 $(tree_of "$PULL_PID") 2>/dev/null
	wait "$PULL_PID" 2>/dev/null
	PULL_PID=
}
killed() { # OPTION…: a pull was killed with a million bytes there
	front --stall 1000000 "$@"
	start_pull
	until_there 1000000
	kill_pull
	front "$@"
}
start=$(there "$hex")
is "$start" 0 'nothing is there before'

for who in root user; do
	[ "$who" = user ] || is_root || continue
	fresh "$who"
	killed
	is "$(there "$hex")" 1000000 "$who: what came stays"
	ok "$who: no such blob" test ! -e "$ST/blobs/sha256/$hex"
	is "$(w du --root "$ST" --format json | jq -c '[.kinds[] | select(.kind == "downloads") | .items]')" '[1]' "$who: du tells"
	run w gc --root "$ST"
	is "$status $(there "$hex")" '0 1000000' "$who: gc keeps a young one"
	is "$(python3 "$SRC/tests/tools/store_check.py" "$ST" --collected)" '' "$who: the store is in order"
	pull
	whole "$who: the next pull goes on"
	is "$(requests)" '206 bytes=1000000-;' "$who: asks for the rest alone"
done

fresh root
killed
truncate -s "$size" "st/partial/$hex"
pull
whole 'zeros, as a crash of the machine leaves them'
is "$(requests)" '200;' 'are found out without asking for more, and then all is asked for'

fresh root
killed
printf x | dd of="st/partial/$hex" bs=1 seek=5 conv=notrunc status=none
pull
whole 'a beginning with another byte'
is "$(requests)" '206 bytes=1000000-;200;' 'is found out at the end, and all comes once more'

fresh root
killed
head -c "$((size + 5))" /dev/zero >"st/partial/$hex"
pull
whole 'more than there can be'
is "$(requests)" '200;' 'is nothing'

fresh root
mkdir -p st && chmod 700 st
front
run w pull -q --root "$ST" "$FRONT/big/one:1"
mv "st/blobs/sha256/$hex" st/partial/
front
pull
whole 'one that was complete'
is "$(requests)" '' 'is not asked for'

fresh root
killed --no-range
pull
whole 'a registry without ranges'
is "$(requests)" '200 bytes=1000000-;' 'sends all; what is there is passed over'

fresh root
killed --no-range-416
pull
whole 'a registry that has no such range'
is "$(requests)" '416 bytes=1000000-;200;' 'is asked for all'

fresh root
killed --shift
pull
whole 'a range that is another one'
is "$(requests)" '206 bytes=1000000-;200;' 'is found out, and all comes once more'

fresh root
killed
front --damage
pull
is "$status" 1 'wrong bytes'
like "$err" "digest is sha256:[0-9a-f]*, expected $layer" 'are refused'
is "$(ls "$ST/partial")" '' 'and not kept'
is "$(requests)" '206 bytes=1000000-;200;' 'after one more try'

# ---- links that lead out ----

fresh root
front
mkdir -m 700 -p st && mkdir st/partial && echo mine >victim && ln -s "$T/victim" "st/partial/$hex"
pull
is "$status" 0 'a symlink in its place: it is downloaded as if nothing were there'
is "$(cat victim)" mine 'it is not followed'
fresh root
mkdir -m 700 -p st && mkdir st/partial && mkfifo "st/partial/$hex"
pull
is "$status" 0 'a fifo holds nobody'

# ---- two at once ----

fresh root
front --stall 1000000
start_pull
until_there 1000000
first=$PULL_PID
w pull -q --root "$ST" "$FRONT/big/one:1" >second.out 2>second.err &
second=$!
while kill -0 "$second" 2>/dev/null && [ "$(grep -c 'GET /v2/big/one/manifests' f/log)" -lt 2 ]; do sleep 0.05; done
run w gc --all --root "$ST"
is "$status $(there "$hex")" '0 1000000' 'gc --all leaves what is under way'
touch f/go
wait "$first"; is "$? $(cat pull.out)" "0 $want" 'of two pulls the first'
wait "$second"; is "$? $(cat second.out)" "0 $want" 'and the second have the image'
PULL_PID=
is "$(requests)" '200-stalled;' 'the layer came once'

fresh root
front --stall 1000000
start_pull
until_there 1000000
w pull -q --root "$ST" "$FRONT/big/one:1" >second.out 2>second.err &
second=$!
while kill -0 "$second" 2>/dev/null && [ "$(grep -c 'GET /v2/big/one/manifests' f/log)" -lt 2 ]; do sleep 0.05; done
kill_pull
wait "$second"; is "$? $(cat second.out)" "0 $want" 'the first is killed: the second has the image'
is "$(requests)" '200-stalled;206 bytes=1000000-;' 'and went on where the first was'

# ---- what is kept, and for how long ----

fresh root
killed
touch -d '2 days ago' "st/partial/$hex"
run w gc --root "$ST"
is "$status $(ls st/partial)" '0 ' 'after a day it goes'
killed
run w gc --all --root "$ST"
is "$status $(ls st/partial)" '0 ' 'gc --all takes it at once'
killed
run w gc --older-than 1h --root "$ST"
is "$status $(there "$hex")" '0 1000000' 'by age'
mkdir from && printf 'FROM big\n' >from/Dockerfile
run w build -q --root "$ST" --build-context "big=oci-layout://$T/big" -t named from
is "$status" 0 'the blob comes from elsewhere'
run w gc --root "$ST"
is "$status $(ls st/partial)" '0 ' 'then its beginning goes'
is "$(python3 "$SRC/tests/tools/store_check.py" "$ST" --collected)" '' 'the store is in order'

# ---- no blob twice, the largest first ----

mkdir many
for i in 1 2 3 4 5 6; do head -c "$((i * 100000))" /dev/urandom >"ctx/$i"; done
{ echo 'FROM scratch'; for i in 1 2 3 4 5 6; do echo "COPY $i /"; done; } >ctx/Dockerfile
run "$WHITTLE" build -q --root "$T/make" --output type=oci,dest=many,tar=false ctx
m=$(jq -r '.manifests[0].digest' many/index.json)
jq -c '.layers += [.layers[5]]' "many/blobs/sha256/${m#sha256:}" >m2
cfg=$(jq -r .config.digest m2)
jq -c '.rootfs.diff_ids += [.rootfs.diff_ids[5]] | del(.history)' "many/blobs/sha256/${cfg#sha256:}" >c2
cfg2=$(sha256sum <c2 | cut -d' ' -f1)
cp c2 "many/blobs/sha256/$cfg2"
jq -c --arg d "sha256:$cfg2" --argjson s "$(stat -c %s c2)" '.config.digest = $d | .config.size = $s' m2 >m3
m3=$(sha256sum <m3 | cut -d' ' -f1)
cp m3 "many/blobs/sha256/$m3"
jq -c --arg d "sha256:$m3" --argjson s "$(stat -c %s m3)" '.manifests[0].digest = $d | .manifests[0].size = $s' many/index.json >i3 && cp i3 many/index.json
ok 'an image with a layer twice' skopeo copy -q --dest-tls-verify=false "oci:$T/many" "docker://$reg/many/six:1"
fresh root
front --together 4
run w pull -q --root "$ST" "$FRONT/many/six:1"
is "$status $out" "0 sha256:$m3" 'is pulled'
sed -n 's,^FRONT GET /v2/many/six/blobs/\(sha256:[0-9a-f]*\) asked .*,\1,p' f/log >asked
is "$(sort asked | uniq -d)" '' 'no blob comes twice'
is "$(wc -l <asked)" 6 'six layers come'
is "$(sed -n '1,4p' asked | sort)" "$(jq -r '.layers | unique_by(.digest) | sort_by(-.size)[:4][].digest' m3 | sort)" 'four at a time, the largest first'

done_testing
