#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Builds at once that need the same step: one of them runs it. Steps tell of themselves through a cache mount, and wait in it for
# a file, so that nothing here depends on who is faster.
. "$(dirname "$0")/lib.sh"
base=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }
waits='waiting for another build that runs this step'
mkdir ctx other
head -c 100000 /dev/urandom >ctx/small
: >other/small
truncate -s 300M ctx/large other/large

on_exit 'for f in */*.pid; do [ ! -e "$f" ] || kill -9 -- "-$(cat "$f")" 2>/dev/null; done'

# step CASE: says that it runs, waits until it may end, leaves something random
step() {
	echo "RUN --mount=type=cache,id=c,target=/c${2:-} echo run >> /c/$1.n; until [ -e /c/$1.go ]; do sleep 0.05; done; od -An -tx1 -N16 /dev/urandom > /$1"
}
begin() { # WHO: its cache mount is there
	who=$1
	mkdir -p "$T/$who"
	is_root && chown "$TEST_USER" "$T/user" 2>/dev/null
	as "$who" "$WHITTLE" build --root "$T/$who/store" --network host --build-context base="oci-layout://$base" -q - >/dev/null <<<"FROM base
RUN --mount=type=cache,id=c,target=/c true"
	data=$(echo "$T/$who"/store/caches/*/data)
	ok "$who: the cache mount is there" test -d "$data"
}
# start NAME ARGS…: in the background, a process group of its own; its Dockerfile is NAME.D, or what -f names
start() {
	local name=$1
	shift
	# shellcheck disable=SC2016
	as "$who" setsid bash -c 'echo $$ >"$0"; exec "$@"' "$T/$who/$name.pid" timeout --foreground 300 "$WHITTLE" build --root "$T/$who/store" \
		--network host --progress=plain --iidfile "$T/$who/$name.iid" --build-context base="oci-layout://$base" "$@" \
		>"$T/$who/$name.log" 2>&1 &
	job[$name]=$!
}
declare -A job
end() { # NAME: its exit code
	wait "${job[$1]}"
	status=$?
	rm -f "$T/$who/$1.pid"
}
pid() { cat "$T/$who/$1.pid"; }
log() { cat "$T/$who/$1.log"; }
iid() { cat "$T/$who/$1.iid"; }
until_ok() { # CMD…: at most a minute
	local i
	for i in $(seq 1200); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	return 1
}
may_end() { as "$who" touch "$data/$1.go"; }
count() { cat "$data/$1.n" 2>/dev/null | wc -l; }
counted() { [ "$(count "$1")" = "$2" ]; }
noticed() { log "$1" | grep -q "$waits"; }
# how a step ended: CACHED or DONE, by words of its line
ended() {
	log "$1" | awk -v words="$2" 'index($0, words) && /^#/ { n[$1] = 1 } ($1 in n) && ($2 == "CACHED" || $2 == "DONE") { print $2; exit }'
}

# ---- N builds, one run ----
at_once() {
	local n=$1 mode=${2:-shared} i ids='' case
	case=$n$mode
	{ echo FROM base; step "$case" ",sharing=$mode"; echo "RUN md5sum /$case > /sum"; } >"$T/$who/$case.D"
	for i in $(seq "$n"); do start "$case.$i" -f "$T/$who/$case.D" ctx; done
	ok "$who: $n builds at once: one runs the step" until_ok counted "$case" 1
	some_noticed() { [ "$(grep -l "$waits" "$T/$who/$case".*.log | wc -l)" = $((n - 1)) ]; }
	ok "$who: $n builds at once: the others say that they wait" until_ok some_noticed
	is "$(find "$T/$who/store/claims" -type f | wc -l)" 1 "$who: $n builds at once: one claim"
	may_end "$case"
	for i in $(seq "$n"); do
		end "$case.$i"
		[ "$status" = 0 ] || fail "$who: build $i of $n" "$(log "$case.$i")"
		ids+=$(iid "$case.$i")$'\n'
	done
	is "$(count "$case")" 1 "$who: $n builds at once: it ran once"
	is "$(sort -u <<<"$ids" | grep -c .)" 1 "$who: $n builds at once: one image"
	is "$(cat "$T/$who/$case".*.log | grep -c "$waits")" $((n - 1)) "$who: $n builds at once: each says it once"
	is "$(find "$T/$who/store/claims" -type f)" '' "$who: $n builds at once: no claim is left"
}

# ---- the one that runs it ends in another way ----
killed() {
	{ echo FROM base; echo 'RUN date +%s%N > /before'; step killed; } >"$T/$who/killed.D"
	start winner -f "$T/$who/killed.D" ctx
	until_ok counted killed 1
	start waiter -f "$T/$who/killed.D" ctx
	ok "$who: the second waits" until_ok noticed waiter
	kill -9 -- "-$(pid winner)"
	end winner
	ok "$who: after kill -9 of the first, the second runs the step" until_ok counted killed 2
	may_end killed
	end waiter
	is "$status" 0 "$who: and ends well"
	is "$(ended waiter 'RUN date')" CACHED "$who: a step that was done before the kill is not run again"
	is "$(ended waiter killed.n)" DONE "$who: the one that was not, is"
}
alone() { # kill -9 in the second step: the first one is not lost, though nobody was there to see it
	{ echo FROM base; echo 'RUN echo alone; date +%s%N > /before'; step alone; } >"$T/$who/alone.D"
	start alone -f "$T/$who/alone.D" ctx
	until_ok counted alone 1
	kill -9 -- "-$(pid alone)"
	end alone
	may_end alone
	start later -f "$T/$who/alone.D" ctx
	end later
	is "$status" 0 "$who: a build after a kill -9"
	is "$(ended later 'RUN echo alone')" CACHED "$who: what was finished is kept"
	is "$(ended later alone.n)" DONE "$who: what was not, is run"
}
failed() {
	{ echo FROM base; step failed; echo; } >"$T/$who/failed.D"
	sed -i 's,od -An.*,[ "$(wc -l < /c/failed.n)" -ge 2 ],' "$T/$who/failed.D"
	start winner -f "$T/$who/failed.D" ctx
	until_ok counted failed 1
	start waiter -f "$T/$who/failed.D" ctx
	ok "$who: the second waits" until_ok noticed waiter
	may_end failed
	end winner
	is "$status" 1 "$who: the first one's step fails"
	end waiter
	is "$status" 0 "$who: the second runs it itself"
	is "$(count failed)" 2 "$who: two runs"
}
interrupted() {
	{ echo FROM base; step interrupted; } >"$T/$who/interrupted.D"
	start winner -f "$T/$who/interrupted.D" ctx
	until_ok counted interrupted 1
	start waiter -f "$T/$who/interrupted.D" ctx
	until_ok noticed waiter
	kill -TERM "$(pid waiter)"
	end waiter
	is "$status" 143 "$who: SIGTERM ends one that waits"
	may_end interrupted
	end winner
	is "$status" 0 "$who: and not the one that runs"
	is "$(count interrupted)" 1 "$who: which ran once"
}

# ---- whoever wants this very run ----
no_cache() {
	{ echo FROM base AS stage; step no_cache; } >"$T/$who/no_cache.D"
	start first -f "$T/$who/no_cache.D" ctx
	until_ok counted no_cache 1
	start second --no-cache -f "$T/$who/no_cache.D" ctx
	ok "$who: --no-cache does not wait" until_ok counted no_cache 2
	start third --no-cache-filter stage -f "$T/$who/no_cache.D" ctx
	ok "$who: nor does --no-cache-filter" until_ok counted no_cache 3
	may_end no_cache
	end first
	end second
	end third
	is "$(cat "$T/$who"/{first,second,third}.log | grep -c "$waits")" 0 "$who: and nobody was told to"
	isnt "$(iid first)" "$(iid second)" "$who: two runs, two images"
}

# ---- two builds that come to the same steps from both ends, with one slot each and one lock for all ----
both_ends() {
	local mode
	for mode in shared locked; do
		{
			echo FROM base AS a; step "a$mode" ",sharing=$mode"
			echo FROM base AS b; step "b$mode" ",sharing=$mode"
		} >"$T/$who/ab"
		{ cat "$T/$who/ab"; echo "FROM scratch
COPY --from=a /a$mode /
COPY --from=b /b$mode /"; } >"$T/$who/ab.D"
		{ tail -n 2 "$T/$who/ab"; head -n 2 "$T/$who/ab"; echo "FROM scratch
COPY --from=a /a$mode /
COPY --from=b /b$mode /"; } >"$T/$who/ba.D"
		start ab --jobs 1 -f "$T/$who/ab.D" ctx
		ok "$who: $mode: one build begins with the first step" until_ok counted "a$mode" 1
		start ba --jobs 1 -f "$T/$who/ba.D" ctx
		[ $mode = locked ] || ok "$who: $mode: another with the second" until_ok counted "b$mode" 1
		may_end "a$mode"
		may_end "b$mode"
		end ab
		is "$status" 0 "$who: $mode: the one ends"
		end ba
		is "$status" 0 "$who: $mode: the other ends"
		is "$(count "a$mode") $(count "b$mode")" '1 1' "$who: $mode: each step ran once"
		is "$(iid ab)" "$(iid ba)" "$who: $mode: one image"
	done
}

# ---- files: a build that is stopped in the middle of reading a large one ----
files() {
	printf 'FROM base\nCOPY . /there/\nRUN md5sum /there/small > /sum\n' >"$T/$who/files.D"
	start first -f "$T/$who/files.D" ctx
	claimed() { [ -n "$(find "$T/$who/store/claims" -type f)" ]; }
	for _ in $(seq 2000); do claimed && break; sleep 0.005; done
	kill -STOP -- "-$(pid first)"
	ok "$who: a COPY is under way" claimed
	start second -f "$T/$who/files.D" ctx
	start third -f "$T/$who/files.D" other
	ok "$who: another build with the same files waits" until_ok noticed second
	ok "$who: so does one with other files: nobody knows yet what they take" until_ok noticed third
	kill -CONT -- "-$(pid first)"
	end first
	is "$status" 0 "$who: the first goes on"
	end second
	is "$status $(ended second 'COPY . /there')" '0 CACHED' "$who: the second takes its result"
	end third
	is "$status $(ended third 'COPY . /there')" '0 DONE' "$who: the third makes its own"
	is "$(iid first)" "$(iid second)" "$who: same files, one image"
	isnt "$(iid first)" "$(iid third)" "$who: other files, another"
}

profiles() {
	cat >"$T/$who/profiles.D" <<'D'
FROM base
CMD ["sh", "-c", "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"]
PROFILE --ready=log:up --mount=type=cache,id=c,target=/c echo run >> /c/profiles.n; until [ -e /c/profiles.go ]; do sleep 0.05; done
PRUNE --shell=keep
D
	start first -f "$T/$who/profiles.D" ctx
	ok "$who: a PROFILE runs" until_ok counted profiles 1
	start second -f "$T/$who/profiles.D" ctx
	ok "$who: another build waits for it" until_ok noticed second
	may_end profiles
	end first
	is "$status" 0 "$who: the first build ends"
	[ "$status" = 0 ] || show "$(log first)"
	end second
	is "$status" 0 "$who: the second does"
	is "$(count profiles)" 2 "$who: the tests ran for PROFILE and for PRUNE, once each"
	is "$(ended second 'PROFILE --ready')" CACHED "$who: the second takes the profile"
	# who comes to PRUNE first is another matter
	is "$({ ended first 'PRUNE --shell'; ended second 'PRUNE --shell'; } | sort | tr '\n' ' ')" 'CACHED DONE ' "$who: one of them prunes"
	is "$(iid first)" "$(iid second)" "$who: one image"
}

for user in root user; do
	[ "$user" = user ] || is_root || continue
	begin "$user"
	at_once 2
	at_once 2 locked
	at_once 8
	killed
	alone
	failed
	interrupted
	no_cache
	both_ends
	files
	profiles
done
done_testing
