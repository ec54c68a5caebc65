#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The same files, checked out under other umasks and at other times, and changed while a build reads them.
. "$(dirname "$0")/lib.sh"
base=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }

export SOURCE_DATE_EPOCH=1600000000 # the time of a checkout is a change, if a layer is made anew

# checkout NAME UMASK: what git would leave
checkout() {
	(
		umask "$2"
		mkdir "$1" && cd "$1" && mkdir -p sub/deep && mkdir bin || exit 1
		printf 'FROM base\nCOPY . /app/\nRUN --mount=type=bind,target=/ctx find /ctx -type f | sort | xargs stat -c "%%a %%n" > /seen\n' >Dockerfile
		printf 'FROM base\nCOPY . /app/\n' >Other
		cp Other sub/Dockerfile
		echo one >sub/one
		echo two >sub/deep/two
		echo run >bin/run
		chmod "$(printf %o $((0777 & ~0$2)))" bin/run
	)
}
# build WHO CONTEXT ARGS…: in a store of the user's own
build() {
	run as "$1" timeout 120 "$WHITTLE" build --root "$T/$1/store" --network host --progress=plain --iidfile "$T/$1/iid" \
		--build-context base="oci-layout://$base" "${@:3}" "$2"
	iid=$(cat "$T/$1/iid" 2>/dev/null)
	[ "$status" = 0 ] || show "$all"
}
cached() { grep -q '^#[0-9]* CACHED' <<<"$all" && ! grep -q '^#[0-9]* \[.*\] \(COPY\|RUN\)' <(awk '/^#[0-9]+ \[/ { name[$1] = $0 } $2 == "DONE" { print name[$1] }' <<<"$all"); }
for who in root user; do
	[ "$who" = user ] || is_root || continue
	mkdir -p "$T/$who"
	[ "$who" = root ] || ! is_root || chown "$TEST_USER" "$T/$who"
done
for u in 022 002 007 027 077 000; do checkout "c$u" $u; done
is_root && chown -R "$TEST_USER" c???

# ---- the umask is no change ----
build root c022 --no-cache
want=$iid
like "$want" '^sha256:' 'a checkout under umask 022'
for u in 002 007 027 077 000; do
	build root "c$u"
	is "$iid" "$want" "the same under umask $u"
	ok "umask $u: nothing is run" cached
	as root "$WHITTLE" build --root "$T/root/store" --network host --build-context base="oci-layout://$base" -q \
		-o "type=local,dest=$T/out$u" "c$u" >/dev/null 2>&1
	is "$(cd "out$u/app" && stat -c '%a %n' sub sub/one sub/deep/two bin/run | tr '\n' ' ')" \
		'755 sub 644 sub/one 644 sub/deep/two 755 bin/run ' "umask $u: the image has the usual modes"
	unlike "$(cat "out$u/seen")" '^(600|660|640|664|666|700|770|750|775|777) ' "umask $u: so has a bind mount of the context"
done
# a store of another user, from another checkout: the same image
build user c077
is "$iid" "$want" "an ordinary user's checkout under umask 077 gives the same image"
build root c077 -f c077/Other
other=$iid
build root c022 -f c022/Other
is "$iid" "$other" 'the Dockerfile that is used tells it, whatever its name'
build root c077 -f c077/sub/Dockerfile
is "$iid" "$other" '… and wherever it lies in the context'

# ---- and nothing else is passed over ----
cp -a c022 d022
chmod 600 d022/sub/one
build root d022
isnt "$iid" "$want" 'umask 022: a file of mode 600 is one'
cp -a c077 m077
chmod 640 m077/sub/one
build root m077
isnt "$iid" "$want" 'umask 077: a file of mode 640 is one'
cp -a c077 s077
chmod 755 s077
build root s077
isnt "$iid" "$want" 'a directory and a Dockerfile that do not tell the same: modes are as they are'
cp -a c077 f077
cp f077/Dockerfile "$T/elsewhere" && chmod 600 "$T/elsewhere"
build root f077 -f "$T/elsewhere"
isnt "$iid" "$want" 'a Dockerfile that lies elsewhere tells nothing'
rm f077/Dockerfile && ln -s Other f077/Dockerfile
build root f077
isnt "$iid" "$other" 'nor does one that is a link'

# ---- --reproducible: two modes, one time ----
build root c022 --reproducible
want=$iid
cp -a c022 r
find r -exec touch -d '2001-02-03 04:05:06' {} +
chmod 640 r/sub/one && chmod 711 r/bin r/bin/run
build root r --reproducible --no-cache
is "$iid" "$want" '--reproducible: neither modes nor times of a checkout count'
chmod 644 r/bin/run
build root r --reproducible
isnt "$iid" "$want" '--reproducible: whether a file can be run does'

# ---- a file that changes between the look at it and the reading ----
mkdir big
truncate -s 400M big/a
echo before >big/z
printf 'FROM base\nCOPY . /app/\nRUN cat /app/z > /z\n' >big/Dockerfile
touch -d yesterday big/*
setsid "$WHITTLE" build --root "$T/root/store" --network host --progress=plain --iidfile "$T/changed" --build-context base="oci-layout://$base" \
	big >log 2>&1 &
pid=$!
on_exit "kill -9 -- -$pid 2>/dev/null"
under_way() { [ -n "$(find "$T/root/store/claims" -type f)" ]; }
for _ in $(seq 2000); do under_way && break; sleep 0.005; done
sleep 0.05 # the look at the names is over, the reading of a is not
kill -STOP -- -$pid
ok 'a build is stopped while it reads a large file' under_way
echo after!! >big/z
kill -CONT -- -$pid
wait $pid
is "$?" 0 'it goes on'
build root big
is "$iid" "$(cat changed)" 'what it made is what another build makes of the file as it is now'
"$WHITTLE" build --root "$T/root/store" --network host -q --build-context base="oci-layout://$base" -o "type=local,dest=$T/bigout" big >/dev/null 2>&1
is "$(cat bigout/z)" 'after!!' 'the new content is in the image'
echo before >big/z
touch -d yesterday big/z
build root big
isnt "$iid" "$(cat changed)" 'the content from before is another image'
done_testing
