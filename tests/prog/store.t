#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What lies in the store may be damaged, or another layer's than an image says, or somebody else's: nothing wrong leaves it unnoticed.
. "$(dirname "$0")/lib.sh"
is_root || skip_all 'needs root'
base=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }

export SOURCE_DATE_EPOCH=1700000000
mkdir ctx
printf 'FROM base\nRUN echo made > /made\nCMD ["/bin/cat", "/made"]\n' >ctx/Dockerfile
store=$T/store
build() { # BASE ARG…
	local from=$1
	shift
	run "$WHITTLE" build --root "$store" --network host --build-context base="oci-layout://$from" "$@" ctx
}
flip() { # one byte of each file
	local f
	for f; do
		printf X | dd of="$f" bs=1 seek=20 conv=notrunc status=none
	done
}
sound() { # DIR: every blob is what its name says
	(cd "$1/blobs/sha256" && sha256sum * | awk '$1 != $2 { print; bad = 1 } END { exit bad }')
}

# ---- images whose diff ids lie ----

# Layouts good and evil: one layer each, of which only the blobs differ. evil claims to have good's tar.
"$SRC/tests/tools/lying_layers.py" "$base" "$T/good" "$T/evil" || { echo "Bail out! no images"; exit 1; }

printf 'FROM base\nRUN cat /pay\n' >ctx/Dockerfile
build "$T/evil"
is "$status" 1 'a false diff id is refused by a store that knows nothing'
like "$err" 'diff id' 'and named'
build "$T/good" -o "type=oci,tar=false,dest=$T/out-good"
is "$status" 0 'the honest image builds'
build "$T/evil" --no-cache -o "type=oci,tar=false,dest=$T/out-evil"
is "$status" 1 'the lying one is refused as well by a store that knows the tar'
like "$err" 'diff id' 'and named again'
unlike "$all" GOOD 'and nothing of the other image is run in its stead'
nok 'and nothing is exported' test -e "$T/out-evil"

printf 'FROM base\nENV A=1\n' >ctx/Dockerfile
for o in "type=oci,tar=false,dest=$T/o1" "type=oci,dest=$T/o2" "type=tar,dest=$T/o3" "type=local,dest=$T/o4"; do
	rm -rf "$store"
	build "$T/evil" -o "$o"
	is "$status" 1 "no step reads it: -o $o is refused"
	like "$err" 'diff id' '... for that'
	nok '... and leaves nothing' test -e "${o##*=}"
done
build "$T/evil" -t evil
is "$status" 1 'no step reads it: it gets no name'
nok 'the name is not in the store' grep -q evil "$store/index.json"
build "$T/good" -o "type=oci,tar=false,dest=$T/o5" -t good
is "$status" 0 'the honest one is exported and named'
ok 'its blobs are sound' sound "$T/o5"

# ---- damaged blobs ----

rm -rf "$store"
printf 'FROM base\nRUN echo made > /made\nRUN seq 1 1000 > /more\n' >ctx/Dockerfile
build "$base" -q
want=$out
flip "$store"/blobs/sha256/*
build "$base" -q -o "type=oci,tar=false,dest=$T/d1"
is "$status" 1 'a damaged layer does not leave the store'
like "$err" "^hint: remove $store/blobs/sha256/[0-9a-f]{64}" 'the hint names the file'
nok 'nothing is exported' test -e "$T/d1"
build "$base" -q --no-cache -o "type=oci,tar=false,dest=$T/d2"
if [ "$status" != 0 ]; then # the base's layer is none of the steps': as the hint says
	rm "$(sed -n 's/^hint: remove \(.*\) and build again$/\1/p' <<<"$err")"
	build "$base" -q -o "type=oci,tar=false,dest=$T/d2"
fi
is "$status $out" "0 $want" '--no-cache makes own layers anew, and the hint helps for the base'
ok 'the export is sound' sound "$T/d2"
ok 'so is the store' sound "$store"

for f in "$store"/blobs/sha256/*; do truncate -s 50 "$f"; done
build "$base" -q -o "type=oci,tar=false,dest=$T/d3"
is "$status $out" "0 $want" 'blobs that were cut short are made or got once more'
ok 'the export is sound' sound "$T/d3"
ok 'so is the store' sound "$store"

# ---- index.json ----

for bad in '{' '[]'; do
	echo "$bad" >"$store/index.json"
	build "$base" -t shop
	is "$status" 4 "index.json is $bad: exit code 4"
	like "$err" "^hint: remove $store/index.json" 'the hint names it'
done
rm "$store/index.json"
build "$base" -t shop
is "$status" 0 'the hint helps'

# ---- whose store it is ----

chmod 777 "$store"
build "$base"
is "$status" 4 'a store that others may write to: exit code 4'
like "$err" "^hint: .*chmod go-w $store" 'the hint'
chmod 700 "$store"
build "$base"
is "$status" 0 'chmod helps'
mkdir -m 700 "$UT/theirs" && chown "$TEST_USER:" "$UT/theirs"
store=$UT/theirs
build "$base"
is "$status" 4 "a user's directory is not used by root"
is "$(ls -A "$UT/theirs")" '' 'nothing is written to it'
mkdir -m 777 "$T/open"
chmod 777 "$T/open"
store=$T/open
build "$base"
is "$status $(stat -c %a "$T/open")" '0 700' 'an empty directory becomes private'

# ---- many whiteouts, which are links to each other, hide what they should ----

store=$T/store
"$SRC/tests/tools/lying_layers.py" --whiteouts "$base" "$T/white" || echo "Bail out! no image"
printf 'FROM base\nRUN ls /d | tr "\\n" " "; echo .\nRUN touch /d/f1 && ls /d | tr "\\n" " "; echo ,\n' >ctx/Dockerfile
build "$T/white"
is "$status" 0 'an image with whiteouts builds'
like "$err" ' f0 \.$' 'they hide'
like "$err" ' f0 f1 ,$' 'and give way to a new file'
done_testing
