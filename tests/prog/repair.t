#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# An application that does not do the same each time: what its run on the pruned tree misses is put back, whether its tests notice or not; and
# what is said when that does not help.
. "$(dirname "$0")/lib.sh"

busybox=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }
command -v "${CC:=cc}" >/dev/null || skip_all 'no C compiler'
"$CC" -static -O1 -std=gnu17 -D_GNU_SOURCE -o app "$SRC/tests/prog/repair-app.c" || skip_all 'no static C library'
export HOME=$T
store=$T/store

mkdir -p ctx/data/sub ctx/real
cp app ctx/app
for i in 1 2 3 4 5; do echo "this is $i" >ctx/data/n$i; done
echo deep >ctx/real/deep
ln -s ../../real ctx/data/sub/way
printf '#!/bin/sh\necho hi\n' >ctx/helper
chmod -R go+rX ctx
chmod 755 ctx/helper

# The driver counts its runs in a cache mount: that is the chance that the application's behaviour hangs on.
head='FROM base AS tests
FROM base AS app
COPY app /app
COPY data /data
COPY real /real
COPY helper /helper
ENTRYPOINT ["/app"]
'
# profile WORD: a PROFILE whose application is given WORD and the number of the run, from 1; each test has a counter of its own
profile() { # NAME OPERATION [COMMAND]
	printf '%s\n' "PROFILE --from=tests --start=manual --mount=type=cache,id=$1,target=/count <<X" \
		'n=$(cat /count/n 2>/dev/null || echo 0); n=$((n + 1)); echo $n >/count/n' \
		'echo "run $n"' "/run/whittle/app run $2 \$n || exit 1" "echo ok 1 - named test" "echo 1..1" X
}
build() { # WORD…: standard input comes after the stage above
	{ printf '%s' "$head"; cat; } >ctx/Dockerfile
	run timeout -k 5 100 "$WHITTLE" build --root "$store" --build-context base="oci-layout://$busybox" "$@" ctx
}
builds() { # DESC WORD…
	local desc=$1

	shift
	build "$@"
	is "$status" 0 "$desc"
	[ "$status" = 0 ] || show "$err"
}
fails() { # DESC STATUS ERE
	build
	is "$status" "$2" "$1: exit code $2"
	[ "$status" = "$2" ] || show "$err"
	like "$err" "^error: .*$3" "$1: says so"
}
report() { # FILTER: of the image in ./out
	local blob

	for blob in out/blobs/sha256/*; do
		jq -c "(.dsseEnvelope.payload // .payload // empty | @base64d | fromjson), . | .predicate.report? // empty | $1" "$blob" 2>/dev/null
	done | head -1
}

# ---- put back though the tests pass ----

# Run N reads /data/nN and does not care whether it is there: 1 is the profile, each round on the pruned tree asks for another.
builds 'tests that never fail' -t unforeseen -o type=local,dest=tree -o type=oci,dest=out,tar=false <<D
$(profile counter read)
PRUNE --repair=3
D
is "$(cd tree/data && echo n*)" 'n1 n2 n3 n4' 'tests that never fail: each round put back what it looked for'
like "$err" 'repair 1: 1 path that the profile had not foreseen: /data/n2' 'the first round is told'
like "$err" 'repair 3: 1 path that the profile had not foreseen: /data/n4' 'the last one is told'
like "$err" 'looked for in vain by /app, and not put back \(--repair=3\): /data/n5' 'what is missing still is told'
like "$out" '^  repaired +3 ' 'the summary counts them'
is "$(report '[.unforeseen[] | [.path, .by.program, .test, .round]]')" \
	'[["data/n2","app","named test",1],["data/n3","app","named test",2],["data/n4","app","named test",3]]' 'the report: who, when, which round'
is "$(report '[.lacking[] | [.path, .why]]')" '[["data/n5","--repair=3"]]' 'the report: what is missing still'
run "$WHITTLE" explain --root "$store" unforeseen /data/n3 /data/n5
like "$out" '^/data/n3: kept: repair — not foreseen by the profile; looked for by /app in test "named test" on the pruned tree, put back in round 2' 'explain: put back'
like "$out" '^/data/n5: removed: .*looked for by /app in test "named test" in vain, and not put back \(--repair=3\)' 'explain: missing still'

builds 'until nothing is missing' -o type=local,dest=tree2 <<D
$(profile until read)
PRUNE
D
is "$(cd tree2/data && echo n*)" 'n1 n2 n3 n4 n5' 'until nothing is missing: all are there, and the build ended'
is "$(grep -c 'repair [0-9]*:' <<<"$err")" 4 'until nothing is missing: four rounds'
unlike "$err" 'not put back' 'until nothing is missing: nothing is'

builds 'never, when so asked' -o type=local,dest=tree3 <<D
$(profile never read)
PRUNE --repair=0
D
like "$err" 'looked for in vain by /app, and not put back \(--repair=0\): /data/n2' 'never, when so asked: told'
is "$(cd tree3/data && echo n*)" n1 'never, when so asked: not there'

builds 'with its closure' -o type=local,dest=tree4 <<D
$(profile closure deep)
PRUNE
D
ok 'with its closure: links that lead there' test -L tree4/data/sub/way
is "$(cat tree4/data/sub/way/deep)" deep 'with its closure: and what they lead to'

# ---- put back because they fail ----

builds 'tests that fail' -o type=local,dest=tree5 <<D
$(profile strict need)
PRUNE
D
is "$(cat tree5/data/n2)" 'this is 2' 'tests that fail: it was put back'
fails 'and not when so asked' 16 'looked up and no longer there: /data/n2' <<D
$(profile strict0 need)
PRUNE --repair=0
D

# ---- never put back ----

builds '--drop' -o type=local,dest=tree6 <<D
$(profile dropped read)
PRUNE --drop=/data/n[23]
D
like "$err" 'looked for in vain by /app, and not put back \(--drop=/data/n\[23\]\): /data/n2' '--drop: told'
is "$(cd tree6/data && echo n*)" n1 '--drop: not there, and no round more'
fails '--drop of what the tests need' 16 'looked up and no longer there: /data/n2' <<D
$(profile dropped2 need)
PRUNE --drop=/data/n2
D
like "$err" '^hint: PRUNE --drop=/data/n2 takes /data/n2 away' '--drop of what the tests need: the hint'

fails 'a shell that only the pruned tree sees wanted' 15 \
	'on the pruned tree the application wanted one, .*: /app in test "named test" tried to run /bin/sh' <<D
$(profile shell second-shell)
PRUNE
D
builds 'a shell that only the pruned tree sees wanted: --shell=keep' <<D
$(profile shell2 second-shell)
PRUNE --shell=keep
D

# ---- what repairs do not mend ----

divergence() { # DESC ERE
	like "$err" "^  \|   $2" "$1: where the two runs differ"
	like "$err" '^  \| on the pruned tree:' "$1: the log on the pruned tree"
	like "$err" '^  \| on the full tree:' "$1: the log on the full tree"
	is "$(grep -c '^  | run 1' <<<"$err")" 1 "$1: its words, before"
}
fails 'a directory that was only listed' 16 'the tests pass before the prune and fail after it' <<D
$(profile list count-list)
PRUNE
D
divergence 'a directory that was only listed' '/app \(run\) listed /data, of whose 6 entries 6 went: .*--keep=/data/\*\* keeps them'
fails 'the same, the profile from the cache' 16 'the tests pass before the prune and fail after it' <<D
$(profile list count-list)
PRUNE --keep=/real
D
like "$err" 'CACHED' 'the profile from the cache: it was'
divergence 'the profile from the cache' '/app \(run\) listed /data'
fails 'by chance' 16 'fail after it .*ended with status 1' <<D
$(profile chance second-fails)
PRUNE
D
divergence 'by chance' '/app \(run\) opened /data/n1 in the full image; here it did not$'

# What is kept of a profile for this stays as long as its record, and no longer.
traces() {
	local digest

	for digest in $digests; do
		[ -e "$store/blobs/sha256/${digest#sha256:}" ] && echo "$digest"
	done
}
digests=$(cat "$store"/blobs/sha256/* | grep -aoE '"trace":"sha256:[0-9a-f]{64}"' | cut -d'"' -f4 | sort -u)
ok 'there are traces' test -n "$digests"
run "$WHITTLE" gc --root "$store"
is "$(traces)" "$digests" 'a gc leaves them'
run "$WHITTLE" gc --root "$store" --all
is "$(traces)" '' 'a gc of everything does not'

done_testing
