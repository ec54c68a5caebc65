#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# alone
# Many builds at once on one store with gc between them, and kill -9 at random moments of random processes: every digest is the
# undisturbed one, and nothing is left.
#
#   WH_STRESS_SECONDS=300  how long the builds go on, for each of WH_STRESS_AS
#   WH_STRESS_KILLS=50     how often is killed
#   WH_STRESS_AS=root      as whom: "root", "user" or "root user"
#   WH_STRESS_SEED=N       the seed that a run prints
. "$(dirname "$0")/lib.sh"
is_root || skip_all 'needs root'
for program in python3 jq pgrep setsid; do
	command -v $program >/dev/null || skip_all "needs $program"
done
base=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }
seconds=${WH_STRESS_SECONDS:-30} kills=${WH_STRESS_KILLS:-10} whom=${WH_STRESS_AS:-root user}
seed=${WH_STRESS_SEED:-$$}
echo "# WH_STRESS_SEED=$seed, $seconds s, $kills kills, as $whom"
export SOURCE_DATE_EPOCH=1700000000
N=8

# ---- eight contexts, of which some share steps ----

mkdir -p ctx/{1,2,3,4,5,6,7,8}
for i in 1 2 3 4 5 6 7 8; do
	mkdir ctx/$i/data
	for k in $(seq $((20 + i))); do seq $k $((k + 2000)) >ctx/$i/data/$k; done
done
cp -r ctx/1/data/* ctx/2/data/
tar -cf ctx/3/a.tar -C ctx/3 data
cat >ctx/1/Dockerfile <<'D'
FROM base
RUN seq 30000 >/shared
COPY data /data
RUN cat /data/* | md5sum >/sum
D
cat >ctx/2/Dockerfile <<'D'
FROM base
RUN seq 30000 >/shared
COPY data /data
RUN ls /data >/names; rm /data/1
D
cat >ctx/3/Dockerfile <<'D'
FROM base AS a
RUN seq 30000 >/shared
ADD a.tar /
FROM base
COPY --from=a /data /shared /x/
RUN wc -l /x/* >/lines
D
cat >ctx/4/Dockerfile <<'D'
FROM base AS a
RUN --mount=type=cache,target=/c,sharing=locked seq 500 >/c/f; cat /c/f >/f
FROM base AS b
RUN --mount=type=cache,target=/c --mount=type=bind,target=/ctx cat /ctx/data/* >/all
FROM base
COPY --from=a /f /
COPY --from=b /all /
D
cat >ctx/5/Dockerfile <<'D'
FROM base AS tools
RUN mkdir /t; for i in $(seq 200); do echo $i >/t/$i; done
FROM base
RUN --mount=from=tools,source=/t,target=/t,rw rm /t/1; ls /t | wc -l >/count
COPY --link data/1 /one
COPY --from=tools --chown=1000:1000 /t/7 /seven
D
cat >ctx/6/Dockerfile <<'D'
FROM base
COPY data /data
RUN --mount=type=cache,id=p,target=/p,sharing=private mkdir -p /p/d; echo x >/p/d/x; cp -r /p/d /d
RUN mkdir /own && touch /own/a && ln /own/a /own/b && chown -R 33:33 /own && rm -r /data
D
cat >ctx/7/Dockerfile <<'D'
FROM base AS one
RUN seq 30000 >/shared; sleep 0.2
FROM one AS two
RUN rm /shared; mkdir -p /deep/er/still; echo 2 >/deep/er/still/x
FROM one AS three
WORKDIR /work
RUN sleep 0.1; cp /shared here
FROM base
COPY --from=two /deep /deep
COPY --from=three /work /work
D
cat >ctx/8/Dockerfile <<'D'
FROM base
RUN --mount=type=tmpfs,target=/m seq 100 >/m/x; cat /m/x >/x
COPY --chmod=600 data/2 data/3 /files/
RUN cat /files/* >>/x
CMD ["/bin/cat", "/x"]
D
chmod -R go+rX .
chmod 755 .

# ---- helpers ----

build() { # N STORE [OPTION…]
	local n=$1 store=$2
	shift 2
	"$WHITTLE" build -q --root "$store" --network host --build-context base="oci-layout://$base" "$@" "$T/ctx/$n"
}
export -f build
mounts() { grep -F -- "$T/" /proc/self/mountinfo | sort; }
running() { # processes that name the store, or have it in their mounts
	local p
	pgrep -af -- "--root $1" | grep -v pgrep
	for p in /proc/[0-9]*; do
		grep -qs -- "$1/" "$p/mountinfo" && echo "$p $(tr '\0' ' ' <"$p/cmdline" 2>/dev/null)"
	done
}
gone() { # waits at most 10 s: the kernel ends them, but not at once
	local i
	for i in $(seq 100); do
		[ -z "$(running "$1")" ] && return 0
		sleep 0.1
	done
	running "$1"
	return 1
}
sound() { "$SRC/tests/tools/store_check.py" "$@"; }
random() { python3 -c "import random; print(random.Random('$1').randrange($2))"; }

for i in $(seq $N); do
	want[i]=$(build $i "$T/ref")
	[ "$(build $i "$T/ref" --no-cache)" = "${want[i]}" ] || fail "context $i is not deterministic"
	echo "${want[i]}" >"want.$i"
done
is "$(cat want.* | sort -u | wc -l)" $N "$N different images"

# What was used while a gc's own lease begins is spared: by the file system's clock that may be a build that has ended. The next one takes it.
collected() { # STORE
	as $who "$WHITTLE" gc --root "$1" >"$T/gc.out" 2>&1 && sound "$1" --collected && return
	sleep 0.1
	as $who "$WHITTLE" gc --root "$1" >"$T/gc.out" 2>&1 && sound "$1" --collected
}

# ---- builds at once ----

cat >worker <<'W'
# worker NUMBER STORE END: builds at random, notes what is wrong
RANDOM=$(($1 * 1000 + SEED % 30000))
n=0
while [ "$(date +%s)" -lt "$3" ]; do
	i=$((RANDOM % 8 + 1)) how=()
	[ $((RANDOM % 4)) != 0 ] || how+=(--no-cache)
	[ $((RANDOM % 5)) != 0 ] || how+=(-t "img$((RANDOM % 3))")
	got=$(build $i "$2" "${how[@]}" 2>"$LOGS/err.$1")
	[ "$got" = "$(cat "$T/want.$i")" ] || { echo "worker $1, context $i ${how[*]}: got '$got'"; cat "$LOGS/err.$1"; } >>"$LOGS/bad.$1"
	n=$((n + 1))
done
echo $n >"$LOGS/n.$1"
W
cat >collector <<'C'
# collector STORE END: gc of all kinds, as fast as it goes
RANDOM=$((SEED % 30000))
n=0
while [ "$(date +%s)" -lt "$2" ]; do
	case $((RANDOM % 6)) in
	0) how=(--all) ;;
	1) how=(--keep-storage 0) ;;
	2) how=(--keep-storage 2m) ;;
	3) how=(--older-than 1s) ;;
	4) how=() ;;
	5) how=(--all --dry-run) ;;
	esac
	"$WHITTLE" gc --root "$1" "${how[@]}" >"$LOGS/gc.out" 2>&1 || { echo "gc ${how[*]}"; cat "$LOGS/gc.out"; } >>"$LOGS/bad.gc"
	[ $((RANDOM % 3)) != 0 ] || "$WHITTLE" du --root "$1" >"$LOGS/gc.out" 2>&1 || cat "$LOGS/gc.out" >>"$LOGS/bad.gc"
	n=$((n + 1))
	sleep "0.$((RANDOM % 4))"
done
echo $n >"$LOGS/n.gc"
C
export T base SEED=$seed WHITTLE_STRESS=1
for who in $whom; do
	st=$T/many-$who LOGS=$T/logs-$who
	[ $who = root ] || st=$UT/many
	mkdir $LOGS
	[ $who = root ] || chown "$TEST_USER:" $LOGS
	export LOGS
	end=$(($(date +%s) + seconds))
	pids=()
	run_as() { # SCRIPT ARG…
		as $who env T="$T" base="$base" SEED="$seed" LOGS="$LOGS" WHITTLE="$WHITTLE" BUILD="$(declare -f build)" \
			bash -c 'eval "$BUILD"; . "$0"' "$@"
	}
	for k in $(seq $N); do
		run_as "$T/worker" $k "$st" $end &
		pids+=($!)
	done
	run_as "$T/collector" "$st" $end &
	pids+=($!)
	wait "${pids[@]}"
	builds=$(($(paste -sd+ <(cat $LOGS/n.[0-9])))) gcs=$(cat $LOGS/n.gc)
	echo "# $who: $builds builds beside $gcs times gc in $seconds s"
	is "$(cat $LOGS/bad.* 2>/dev/null)" '' "$who: $builds builds, $N at once, with gc between them: every digest is right"
	ok "$who: and there were many" test "$builds" -gt $N -a "$gcs" -gt 3
	ok "$who: no process is left" gone "$st"
	is "$(mounts)" '' "$who: no mount is left"
	echo 'build "$@"' >once
	for i in $(seq $N); do
		got=$(run_as "$T/once" $i "$st" 2>&1)
		[ "$got" = "${want[i]}" ] || fail "$who: context $i afterwards" "$got"
	done
	ok "$who: after a gc there is nothing that nobody needs" collected "$st"
	as $who "$WHITTLE" gc --all --root "$st" >$LOGS/gc.out 2>&1
	ok "$who: after gc --all nothing but images with a name" sound "$st" --clean
	for t in 0 1 2; do
		! grep -q "img$t" "$st/index.json" || ok "$who: img$t is whole" skopeo copy -q "oci:$st:docker.io/library/img$t:latest" "oci:$T/img$t-$who"
	done
	is "$(as $who "$WHITTLE" du --root "$st" --format json | jq .bytes)" "$(sync -f "$st"; du -s -B1 "$st" | cut -f1)" "$who: du is right to the byte"
done

# ---- kill -9 ----

mkdir -m 777 tmpdir
ssh-keygen -q -t ed25519 -N '' -f key && chmod 644 key && with_key=(--ssh "default=$T/key") || with_key=()
mkdir ctx/kill && cp -r ctx/1/data ctx/kill/
cat >ctx/kill/Dockerfile <<'D'
FROM base AS a
COPY data /data
RUN --mount=type=cache,target=/c --mount=type=ssh,target=/agent cat /data/* >/c/x; cp /c/x /x; sleep 0.3
FROM base AS b
RUN mkdir /d; for i in $(seq 200); do echo $i >/d/$i; done; chown -R 7:7 /d; sleep 0.5
FROM base
COPY --from=a /x /x
COPY --from=b /d /d
RUN --mount=from=b,source=/d,target=/m rm -r /d/1*; sleep 0.3; ls /m >/m.txt
D
chmod -R go+rX ctx
family() { # PID: all processes below it, itself included
	local p
	echo "$1"
	for p in $(pgrep -P "$1"); do family "$p"; done
}
for who in $whom; do
	st=$T/kill-$who
	[ $who = root ] || st=$UT/kill
	tmp=$T/tmpdir
	one() { as $who env TMPDIR=$tmp XDG_RUNTIME_DIR= bash -c "$(declare -f build); base=$base T=$T; build \"\$@\"" - kill "$st" "${with_key[@]}" "$@"; }
	want=$(one 2>/dev/null)
	like "$want" '^sha256:' "$who: an undisturbed build"
	t0=$(date +%s%N)
	is "$(one --no-cache 2>/dev/null)" "$want" "$who: has one digest"
	took=$((($(date +%s%N) - t0) / 1000000))
	bad='' came=0 k=0
	while [ $came -lt "$kills" ] && [ $k -lt $((kills * 4)) ]; do # until so many came in time
		k=$((k + 1))
		ms=$(random "$seed-$who-$k-when" $took)
		n=$(random "$seed-$who-$k-whom" 1000)
		as $who env TMPDIR=$tmp XDG_RUNTIME_DIR= setsid "$WHITTLE" build -q --root "$st" --network host --build-context base="oci-layout://$base" \
			"${with_key[@]}" --no-cache "$T/ctx/kill" >/dev/null 2>&1 &
		pid=$!
		sleep "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
		# the job may be a shell that waits for the outer process
		outer=$(family $pid | while read -r p; do [ "$(cat /proc/$p/comm 2>/dev/null)" != whittle ] || { echo $p; break; }; done)
		mapfile -t all < <(family "${outer:-$pid}")
		victim=${outer:-none}
		[ $((k % 2)) = 1 ] || victim=${all[$((n % ${#all[@]}))]}
		if kill -9 "$victim" 2>/dev/null; then
			came=$((came + 1))
		else
			took=$((took * 9 / 10)) # the machine has become faster
		fi
		# a step that was killed alone is a step that failed: the build ends by itself
		wait $pid 2>/dev/null
		[ -z "${VERBOSE:-}" ] || echo "# kill $k: ${#all[@]} processes, $victim (outer $outer) after $ms ms"
		gone "$st" >"$T/left" || bad+="kill $k: process left: $(cat "$T/left")"$'\n'
		[ -z "$(mounts)" ] || bad+="kill $k: mount left"$'\n'
		how=()
		[ $((k % 3)) != 0 ] || how=(--no-cache)
		got=$(one "${how[@]}" 2>"$T/kill.err")
		[ "$got" = "$want" ] || bad+="kill $k of $victim after $ms ms: got '$got' $(cat "$T/kill.err")"$'\n'
		for left in "$st/tmp" "$st/claims" "$tmp"; do
			[ -z "$(ls -A "$left" 2>/dev/null)" ] || bad+="kill $k after $ms ms: left in $left: $(ls -A "$left" | head -n 3 | tr '\n' ' ')"$'\n'
		done
	done
	echo "# $who: $came of $k kills came in time, in the first $took ms of a build"
	is "$bad" '' "$who: kill -9, $came times: no process, mount or temporary is left, and the next build is right"
	is "$came" "$kills" "$who: so many came in time"
	ok "$who: after a gc there is nothing that nobody needs" collected "$st"
	as $who "$WHITTLE" gc --all --root "$st" >gc.out 2>&1
	ok "$who: after gc --all nothing at all" sound "$st" --clean
done
done_testing
