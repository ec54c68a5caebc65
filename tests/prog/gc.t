#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# gc and du: sizes to the byte, what goes by age, size and reach, and that nothing goes which somebody needs.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/remote-lib.sh"
is_root || skip_all 'needs root'
for program in jq skopeo python3 git setpriv; do
	command -v $program >/dev/null || skip_all "needs $program"
done
unset GIT_DIR GIT_CONFIG_COUNT http_proxy HTTP_PROXY ALL_PROXY
export SOURCE_DATE_EPOCH=1700000000
base=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }
pids=()
on_exit 'for p in "${pids[@]}"; do kill -CONT $p; kill -9 $p; done 2>/dev/null'

# ---- helpers; WHO and ST say as whom, and which store ----

WHO=root ST=$T/st
w() { as "$WHO" "$WHITTLE" "$@"; }
b() { # CONTEXT [OPTION…]: builds quietly, prints the image's digest
	local context=$1
	shift
	w build -q --root "$ST" --network host --build-context base="oci-layout://$base" "$@" "$context"
}
gc() { w gc --root "$ST" "$@"; }
du_total() { w du --root "$ST" --format json | jq .bytes; }
du_says() { # the judge
	sync -f "$ST"
	du -s -B1 "$ST" | cut -f1
}
hits() { w build --root "$ST" --network host --build-context base="oci-layout://$base" "$1" 2>&1 | grep -c CACHED; }
kinds() { jq -c '[.kinds[] | select(.kind != "store") | {kind, items, bytes}]'; }
sound() { "$SRC/tests/tools/store_check.py" "$ST" "$@"; }
context() { # NAME: a context of which the Dockerfile is standard input
	mkdir -p "$1" && cat >"$1/Dockerfile" && chmod -R go+rX "$1"
}
names() { ls "$ST/$1" 2>/dev/null | grep -v '^lock$' | sort; }
older() { # DAYS [FIND-EXPRESSION…]: everything was last used so long ago
	local days=$1
	shift
	find "$ST"/{blobs/sha256,index,variants,roots,caches,memo,records,sources} -mindepth 1 "$@" -exec touch -h -d "$days days ago" {} + 2>/dev/null
	python3 - "$ST/cache.db" "$days" <<-'P'
		import sqlite3, sys, time
		db = sqlite3.connect(sys.argv[1])
		db.execute("UPDATE record SET used = ?", (int(time.time()) - 86400 * int(sys.argv[2]),))
		db.commit()
	P
}

context one <<'D'
FROM base
RUN --mount=type=cache,target=/c head -c 300000 /dev/urandom >/c/x
RUN mkdir /d && for i in $(seq 50); do echo $i >/d/$i; done && ln /d/1 /d/one && chown -R 1000:1000 /d
COPY . /src
D
context two <<'D'
FROM base
RUN seq 100000 >/big
RUN rm -r /bin/ls /usr
D
chmod 755 "$T"

# ---- sizes ----

for WHO in root user; do
	ST=$T/st-$WHO
	[ $WHO = root ] || ST=$UT/st
	run gc
	is "$status" 0 "$WHO: gc where there is no store"
	nok "$WHO: none is made" test -e "$ST"
	ok "$WHO: builds" b one -t one
	ok "$WHO: builds" b two
	[ $WHO = root ] || ok "$WHO: there are files of subordinate ids" find "$ST/snapshots" ! -user "$TEST_USER"
	before=$(du_says)
	is "$(du_total)" "$before" "$WHO: du is what du(1) says, to the byte"
	ok "$WHO: the store is sound" sound
	dry=$(gc --all --dry-run --format json)
	is "$(du_says)" "$before" "$WHO: a dry run changes nothing"
	did=$(gc --all --format json)
	after=$(du_says)
	is "$(kinds <<<"$did")" "$(kinds <<<"$dry")" "$WHO: a run does what the dry run told, kind for kind"
	is "$(jq .bytes <<<"$did")" $((before - after)) "$WHO: the sum is what du(1) says less"
	is "$(jq .left <<<"$did")" "$after" "$WHO: and so is what is left"
	is "$(du_total)" "$after" "$WHO: du agrees"
	ok "$WHO: something went" test "$(jq .bytes <<<"$did")" -gt 1000000
	ok "$WHO: nothing is left that no name leads to" sound --clean
	is "$(skopeo inspect "oci:$ST:docker.io/library/one:latest" | jq -r .Architecture)" amd64 "$WHO: skopeo reads the image"
	skopeo copy -q "oci:$ST:docker.io/library/one:latest" "oci:$T/copy-$WHO" && pass "$WHO: and copies it" || fail "$WHO: and copies it"
	is "$(gc --all -q)" 0 "$WHO: a second run finds nothing"
	like "$(w du --root "$ST" --verbose)" '^images +[0-9a-f]{12} .* named +docker.io/library/one:latest$' "$WHO: du names the image"
	b one >/dev/null && b two >/dev/null && ok "$WHO: builds go on" sound
	like "$(w du --root "$ST" --verbose)" '^cache records .* RUN .*seq 100000' "$WHO: and the steps of records"
	is "$(du_total)" "$(du_says)" "$WHO: du is right again"
	is "$(gc --all -q)" $((before - after)) "$WHO: -q prints the bytes, the same as before"
done
WHO=root ST=$T/st-root

# ---- what goes by age ----

rm -rf "$ST"
old=$(b one)
older 10
new=$(b two)
records=$(names records | wc -l)
gc >/dev/null
ok 'by itself: what was not used for 7 days goes' test "$(names records | wc -l)" -lt "$records"
nok 'with its image' test -e "$ST/blobs/sha256/${old#sha256:}"
is "$(names caches)" '' 'and its cache mounts'
ok 'what was used stays' test -e "$ST/blobs/sha256/${new#sha256:}"
ok 'the store has nothing that nobody needs' sound --collected
is "$(hits two)" 3 'and is a hit: the base, two steps'
ok 'the store is sound' sound
b one >/dev/null
gc >/dev/null # a step that changed nothing leaves an empty layer
older 3
is "$(gc -q)" 0 '3 days are not 7'
is "$(gc -q --older-than 4d)" 0 'nor 4'
gc -q --filter until=36h >/dev/null
is "$(names records)" '' '--filter until=36h is an age, too'
b one >/dev/null
older 3
b one >/dev/null
n=$(names records | wc -l)
gc --older-than 24h >/dev/null
is "$(names records | wc -l) $(names snapshots | wc -l)" "$n 0" 'a cached build uses the records that it takes, and no unpacked layer'
older 3
w build -q --root "$ST" --network host --build-context base="oci-layout://$base" --no-cache two >/dev/null
gc --older-than 24h >/dev/null
ok 'a layer that was made again is as young as that' test "$(names records | wc -l)" -ge 2

# ---- what goes by size ----

rm -rf "$ST"
for i in 1 2 3 4 5; do
	context "size$i" <<<"FROM base
RUN head -c 400000 /dev/urandom >/f$i"
	b size$i >/dev/null
	older $((11 - i)) -newermt '-5 minutes'
done
python3 - "$ST" <<'P'
import json, os, sqlite3, sys
st = sys.argv[1]
db = sqlite3.connect(st + "/cache.db")
for name in os.listdir(st + "/records"):  # a record is as old as its layer
    r = json.load(open(f"{st}/records/{name}"))
    t = os.stat(f"{st}/blobs/sha256/{r['layer']['blob']}").st_mtime
    db.execute("UPDATE record SET used = ? WHERE key = ?", (int(t), bytes.fromhex(name)))
db.commit()
P
cache() { w du --root "$ST" --format json | jq '[.kinds[] | select(.kind | IN("images", "store", "temporary", "unknown") | not) | .bytes] | add // 0'; }
all=$(cache)
is "$(gc -q --keep-storage "$all")" 0 'what fits stays'
gc --keep-storage 2000000 >/dev/null
ok "2000000 bytes are enough for a part of $all" test "$(cache)" -le 2000000 -a "$(cache)" -gt 1000000
is "$(hits size5)" 2 'the base counts; what was used last stayed'
is "$(hits size1)" 1 'what was used first did not'
older 2
is "$(gc -q --max-used-space 0 --older-than 3d)" 0 'with an age nothing goes that is younger'
gc --max-used-space 0 >/dev/null
is "$(cache)" 0 '0 is nothing'
ok 'nothing is left' sound --clean

# ---- names ----

rm -rf "$ST"
first=$(b two -t img)
context two-b <<'D'
FROM base
RUN seq 90000 >/other
D
gc --all >/dev/null
ok 'a named image keeps its parts' skopeo copy -q "oci:$ST:docker.io/library/img:latest" "oci:$T/named"
second=$(b two-b -t img)
isnt "$first" "$second" 'its name goes to another image'
gc >/dev/null
ok 'the first is still an image of a digest' test -e "$ST/blobs/sha256/${first#sha256:}"
gc --all >/dev/null
nok 'until it goes' test -e "$ST/blobs/sha256/${first#sha256:}"
ok 'it left nothing' sound --clean
ok 'the second is whole' skopeo copy -q "oci:$ST:docker.io/library/img:latest" "oci:$T/second"
export COSIGN_PASSWORD=x
(cd "$T" && "$WHITTLE" keygen >/dev/null 2>&1)
key=$(ls "$T"/*.key 2>/dev/null | head -n 1) pub=$(ls "$T"/*.pub 2>/dev/null | head -n 1)
run "$WHITTLE" sign --root "$ST" --key "$key" img
is "$status" 0 'an image is signed'
gc --all >/dev/null
run "$WHITTLE" verify --root "$ST" --key "$pub" img
is "$status" 0 'a gc leaves its signatures'
n=$(jq '.manifests | length' "$ST/index.json")
b two -t img >/dev/null
gc --all >/dev/null
ok "signatures go with their image ($n entries were there)" test "$n" -gt 1 -a "$(jq '.manifests | length' "$ST/index.json")" = 1
ok 'nothing of them is left' sound --clean
unset COSIGN_PASSWORD

# ---- running builds ----

for WHO in root user; do
	ST=$T/run-$WHO
	[ $WHO = root ] || ST=$UT/run
	context slow <<-'D'
		FROM base AS a
		RUN --mount=type=cache,target=/c echo made >/c/x; seq 1000 >/a; sleep 1
		FROM base AS b
		COPY . /b
		RUN --mount=from=a,target=/a sleep 1; cat /a/a /b/Dockerfile >/all
		FROM base
		COPY --from=b /all /all
		RUN --mount=type=cache,target=/c sleep 1; cat /c/x >/x
		COPY --from=a /a /y
	D
	want=$(b slow)
	b slow >/dev/null
	for how in '' --no-cache; do
		b slow $how >"$T/.got" 2>"$T/.log" &
		pid=$!
		n=0
		while kill -0 $pid 2>/dev/null; do
			gc --keep-storage 0 --quiet >/dev/null 2>"$T/.gc" || fail "$WHO: gc beside a build" "$(cat "$T/.gc")"
			n=$((n + 1))
		done
		wait $pid
		is "$? $(cat "$T/.got")" "0 $want" "$WHO: a build ${how:-with cache} is right, beside $n times gc --keep-storage 0"
		[ -s "$T/.got" ] || show "$(cat "$T/.log")"
	done
	gc --all >/dev/null
	ok "$WHO: nothing is left" sound --clean
done
WHO=root ST=$T/run-root

# ---- a build that is stopped ----

context stop <<'D'
FROM base
RUN seq 2000 >/s
RUN echo running; sleep 2
RUN cat /s >/t
D
want=$(b stop)
older 30
w build --root "$ST" --network host --build-context base="oci-layout://$base" --no-cache-filter nothing stop >/dev/null 2>&1
context stop <<'D'
FROM base
RUN seq 2000 >/s
RUN echo running; sleep 2; echo again
RUN cat /s >/t
D
older 30
"$WHITTLE" build --root "$ST" --network host --build-context base="oci-layout://$base" stop >"$T/.stopped" 2>&1 &
pid=$!
pids+=($pid)
for _ in $(seq 100); do grep -q ' running$' "$T/.stopped" && break; sleep 0.1; done
inner=$(pgrep -P $pid | head -n 1)
pids+=("$inner")
kill -STOP "$inner"
t0=$(date +%s)
run gc --all
is "$status" 0 'gc beside a build that is stopped'
ok 'does not wait for it' test $(($(date +%s) - t0)) -le 5
kill -CONT "$inner"
wait $pid
is $? 0 'the build goes on and ends well'
gc --all >/dev/null
ok 'then all of it goes' sound --clean

# ---- sources ----

mkdir -p srv/www
mkfifo srv/alive
python3 "$SRC/tests/tools/remote_server.py" "$T/srv" <srv/alive 2>srv/errors &
SERVER_PID=$!
exec 8>srv/alive
on_exit 'exec 8>&-; wait "$SERVER_PID" 2>/dev/null'
for _ in $(seq 100); do [ ! -f srv/ports ] || break; sleep 0.1; done
read -r port _ <srv/ports || { echo 'Bail out! no server'; exit 1; }
head -c 500000 /dev/urandom >srv/www/file
git -c init.defaultBranch=main init -q work && (cd work && seq 1000 >f && git add . &&
	git -c user.name=n -c user.email=e commit -qm one) && git clone -q --bare work srv/www/repo.git && touch srv/www/repo.git/git-daemon-export-ok
context fetch <<D
FROM base
ADD http://127.0.0.1:$port/lm/file /x
ADD http://127.0.0.1:$port/git/repo.git#main /r
D
for WHO in root user; do
	ST=$T/src-$WHO
	[ $WHO = root ] || ST=$UT/src
	want=$(b fetch)
	like "$want" '^sha256:' "$WHO: fetches"
	ok "$WHO: sources are there" test -n "$(names sources/git)" -a -n "$(names sources/trees)" -a -n "$(names sources/files)"
	is "$(du_total)" "$(du_says)" "$WHO: a body and its tree are one file to du"
	gc >/dev/null
	is "$(gc -q)" 0 "$WHO: what was just fetched stays"
	before=$(du_says)
	dry=$(gc --all --dry-run --format json)
	did=$(gc --all --format json)
	is "$(kinds <<<"$did")" "$(kinds <<<"$dry")" "$WHO: dry and real are equal"
	is "$(jq .bytes <<<"$did")" $((before - $(du_says))) "$WHO: the sum is right"
	ok "$WHO: all of it goes" sound --clean
	is "$(b fetch)" "$want" "$WHO: and comes again"
	older 10
	b fetch >/dev/null
	gc >/dev/null
	ok "$WHO: what a build asked for is young again" test -n "$(names sources/trees)"
done
WHO=root ST=$T/st-root

# ---- nobody's, and leftovers ----

rm -rf "$ST"
b two -t two >/dev/null
mkdir "$ST/mine" && echo hello >"$ST/mine/file" && echo x >"$ST/blobs/sha256/README" && echo x >"$ST/blobs/x"
touch "$ST/records/.tmp-0123456789abcdef" "$ST/.tmp-0123456789abcdef"
echo '{"schema":99}' >"$ST/records/$(printf %064d 7)"
echo broken >"$ST/cache.db.damaged"
mkdir "$ST/tmp/dead" && head -c 100000 /dev/zero >"$ST/tmp/dead/file"
mkdir -p "$ST/db" && echo data >"$ST/db/mine"
is "$(du_total)" "$(du_says)" 'du counts all of it'
run gc
for f in mine blobs/sha256/README blobs/x; do
	like "$err" "^note: $f is nothing of whittle's" "$f is told"
	ok 'and stays' test -e "$ST/$f"
done
nok 'what a killed process left goes' test -e "$ST/records/.tmp-0123456789abcdef" -o -e "$ST/.tmp-0123456789abcdef" -o -e "$ST/tmp/dead"
ok 'a young leftover stays' test -e "$ST/cache.db.damaged" -a -e "$ST/records/$(printf %064d 7)"
touch -d '8 days ago' "$ST/cache.db.damaged" "$ST/records/$(printf %064d 7)"
gc >/dev/null 2>&1
nok 'an old one goes' test -e "$ST/cache.db.damaged" -o -e "$ST/records/$(printf %064d 7)"
ok 'vulnerability data stay' test -e "$ST/db/mine"
gc --all >/dev/null 2>&1
ok 'whatever is asked' test -e "$ST/db/mine" -a -e "$ST/mine/file"

# What should be a file and is none: a read of it would never end.
rm -rf "$ST"
b two -t two >/dev/null
nobody=$(printf %064d 9)
mkfifo "$ST/records/$nobody" "$ST/blobs/sha256/$nobody" "$ST/index/$nobody"
ln -s "$ST/records/$nobody" "$ST/blobs/sha256/$(printf %064d 8)"
run timeout -k 5 300 "$WHITTLE" gc --root "$ST"
is "$status" 0 'gc beside fifos'
like "$err" "^note: blobs/sha256/$nobody is nothing of whittle's" 'which are told'
is "$(du_total)" "$(du_says)" 'and counted'
rm "$ST"/cache.db*
run timeout -k 5 300 "$WHITTLE" build -q --root "$ST" --network host --build-context base="oci-layout://$base" two
is "$status" 0 'the index of the cache is made again beside them'

# ---- kill -9 of a gc at any moment ----

for WHO in root user; do
	ST=$T/kill-$WHO
	[ $WHO = root ] || ST=$UT/kill
	want=$(b slow)
	b one -t one >/dev/null
	RANDOM=${GC_SEED:-$$}
	echo "# GC_SEED=${GC_SEED:-$$}"
	two=$(b two)
	bad=0 came=0
	for i in $(seq "${GC_KILLS:-10}"); do
		b two >/dev/null
		as "$WHO" setsid "$WHITTLE" gc --all --root "$ST" >/dev/null 2>&1 &
		pid=$!
		sleep "0.0$((RANDOM % 60 + 10))"
		kill -9 -- $pid $(pgrep -P $pid) 2>/dev/null && came=$((came + 1))
		wait $pid 2>/dev/null
		[ "$(b two)" = "$two" ] && sound >"$T/.sound" || { bad=$((bad + 1)); show "$(cat "$T/.sound")"; }
	done
	is "$bad" 0 "$WHO: gc killed $came times: the store is sound and builds are right"
	ok "$WHO: the named image is whole" skopeo copy -q "oci:$ST:docker.io/library/one:latest" "oci:$T/killed-$WHO"
	gc --all >/dev/null
	ok "$WHO: the next gc leaves nothing" sound --clean
	is "$(b slow)" "$want" "$WHO: and builds are right"
done
WHO=root ST=$T/st-root

# ---- clocks ----

WHO=root ST=$T/st-root
rm -rf "$ST"
b one >/dev/null
gc >/dev/null
older -400
is "$(gc -q)" 0 'what was used in the future is not old'
gc >/dev/null
ok 'but now it ages: it was used just now' test "$(find "$ST/blobs/sha256" "$ST/variants" "$ST"/caches/*/id -type f -newermt '1 day' | wc -l)" = 0
older -400
gc --all >/dev/null
ok 'and all of it goes when all is to go' sound --clean

# ---- who else has the store ----

b one >/dev/null
exec 7>"$ST/lock"
flock -s 7
run gc --all
is "$status" 4 'a build of an older version runs: nothing is done'
like "$err" 'older version' 'and that is said'
ok 'nothing went' test -n "$(names records)"
is "$(du_total)" "$(du_says)" 'du does not mind'
exec 7>&-
rm "$ST/gc.lock" "$ST/lock"
run gc --all
is "$status" 0 'a store of an older version has no gc.lock'
ok 'it is collected' sound --clean
b one >/dev/null
(exec 6<"$ST"; flock 6; sleep 1) &
pid=$!
t0=$(date +%s%N)
gc --all >/dev/null
ok 'a second gc waits for the first' test $((($(date +%s%N) - t0) / 1000000)) -ge 700
wait $pid

# ---- disks ----

b one >/dev/null
mkdir ro
mount --bind "$ST" ro && mount -o remount,bind,ro ro && on_exit "umount '$T/ro'"
for command in gc du; do
	run "$WHITTLE" $command --root "$T/ro"
	is "$status $(grep -c ^error: <<<"$err")" '4 1' "$command of a store that is read-only: one error"
	like "$err" 'Read-only file system' 'that says it'
done
for fs in tmpfs ext4; do
	mkdir full
	if [ $fs = tmpfs ]; then
		mount -t tmpfs -o size=12m,mode=755 none full
	else
		truncate -s 24m disk && mkfs.ext4 -q -m 0 disk && mount -o loop disk full
	fi || { echo "# no $fs here"; rmdir full; continue; }
	on_exit "mountpoint -q '$T/full' && umount '$T/full'"
	ST=$T/full/st
	b two -t two >/dev/null
	b one >/dev/null
	dd if=/dev/zero of=full/filler bs=64k 2>/dev/null
	dd if=/dev/zero of=full/filler2 bs=512 2>/dev/null
	i=0
	while mkdir "full/d$((i += 1))" 2>/dev/null && [ $i -lt 5000 ]; do :; done
	run gc --all
	is "$status" 0 "$fs: gc on a full disk"
	show "$all"
	ok "$fs: makes room" test "$(df --output=avail -B1 full | tail -n 1)" -gt 500000
	gc --all >/dev/null
	ok "$fs: the store is sound" sound --clean
	is "$(du_total)" "$(du_says)" "$fs: du is right"
	umount full
	rmdir full
done
ST=$T/st-root

# ---- words ----

for words in '--older-than soon' '--older-than 1h30' '--keep-storage lots' '--filter label=x' '--all --older-than 1d' \
	'--keep-storage 1g --max-used-space 1g' '--older-than 1d --filter until=1d' 'more'; do
	run gc $words
	is "$status" 2 "gc $words: exit code 2"
done
run "$WHITTLE" gc --help
like "$out" '7 days' 'the help tells the age'
run "$WHITTLE" du --help
like "$out" 'du -s -B1' 'and what sizes are'
done_testing
