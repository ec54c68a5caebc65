#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 at random moments, Ctrl-C and SIGTERM: nothing keeps running, nothing stays mounted, and the next build gives the
# undisturbed digest.
. "$(dirname "$0")/lib.sh"
base=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }
rounds=${KILL_ROUNDS:-20}

mkdir -p ctx/data
for i in $(seq 200); do head -c 20000 /dev/zero | tr '\0' "$(printf '\\%03o' $((i % 90 + 33)))" >ctx/data/$i; done
cat >ctx/Dockerfile <<'D'
FROM base AS one
COPY data /data
RUN cat /data/* > /all; sleep 0.15; md5sum /all > /sum
FROM base AS two
RUN sleep 0.1; mkdir /d; for i in $(seq 300); do echo $i > /d/$i; done
FROM base
COPY --from=one /sum /data /one/
COPY --from=two /d /two/
RUN rm -r /one/1*; sleep 0.1; ls /one /two > /list
D
chmod -R go+rX .
export SOURCE_DATE_EPOCH=1700000000
build() { # STORE ARG…
	local store=$1
	shift
	"$WHITTLE" build --root "$store" --network host --build-context base="oci-layout://$base" "$@" ctx
}
mounts() { # of ours, in this namespace
	grep -F -- "$T/" /proc/self/mountinfo | sort
}
running() { # processes of ours that name this test's directory
	pgrep -af -- "$T/store" | grep -v pgrep
	# steps have another command line; their root lies in the store
	for p in /proc/[0-9]*; do
		grep -qs -- "$T/store" "$p/mountinfo" && echo "$p $(tr '\0' ' ' <"$p/cmdline" 2>/dev/null)"
	done
}
gone() { # waits at most 5 s for what was killed to disappear: the kernel does it, but not at once
	local i
	for i in $(seq 50); do
		[ -z "$(running)" ] && return 0
		sleep 0.1
	done
	running
	return 1
}

want=$(build "$T/reference" -q --no-cache 2>/dev/null)
t0=$(date +%s%N)
is "$(build "$T/reference" -q --no-cache 2>/dev/null)" "$want" 'built twice, the digest is the same'
took=$((($(date +%s%N) - t0) / 1000000))
like "$want" '^sha256:[0-9a-f]{64}$' 'and it is one'
echo "# an undisturbed build takes $took ms"
before=$(mounts)

bad_end='' bad_digest=0 bad_mount=0 finished=0
RANDOM=${KILL_SEED:-$$}
echo "# KILL_SEED=${KILL_SEED:-$$}"
for i in $(seq "$rounds"); do
	setsid "$WHITTLE" build --root "$T/store" --network host --build-context base="oci-layout://$base" -q --no-cache ctx >/dev/null 2>&1 &
	pid=$!
	wait_ms=$((RANDOM * took * 9 / 10 / 32768))
	sleep "$(printf '%d.%03d' $((wait_ms / 1000)) $((wait_ms % 1000)))"
	kill -9 $pid 2>/dev/null || finished=$((finished + 1))
	wait $pid 2>/dev/null
	bad_end+=$(gone)
	[ "$(mounts)" = "$before" ] || bad_mount=$((bad_mount + 1))
	# every second time the next build may use what the killed one left in the cache, else it makes all anew
	if [ $((i % 2)) = 0 ]; then got=$(build "$T/store" -q 2>"$T/log"); else got=$(build "$T/store" -q --no-cache 2>"$T/log"); fi
	[ "$got" = "$want" ] || { bad_digest=$((bad_digest + 1)); sed 's/^/# /' "$T/log"; echo "# round $i: got '$got' after $wait_ms ms"; }
done
echo "# $finished of $rounds were done before the signal came"
ok "at least half of the kills came in time" test $((finished * 2)) -le "$rounds"
is "$bad_end" '' "kill -9, $rounds times: no process is left"
is "$bad_mount" 0 "kill -9, $rounds times: no mount is left"
is "$bad_digest" 0 "kill -9, $rounds times: the next build gives the undisturbed digest"
left=$(find "$T/store/tmp" -mindepth 1 -maxdepth 1 | wc -l)
ok "kill -9: the next builds sweep the temporaries ($left left)" test "$left" -le 1

printf 'FROM base\nRUN trap "" INT TERM; echo started; sleep 100\n' >ctx/long
start_long() { # sets pid; returns when the step runs
	: >"$T/log" # what the last one said must not count
	setsid "$WHITTLE" build --root "$T/store" --network host --build-context base="oci-layout://$base" --no-cache -f ctx/long ctx >"$T/log" 2>&1 &
	pid=$!
	for _ in $(seq 100); do grep -q 'started$' "$T/log" && break; sleep 0.1; done
}

# the other processes of whittle: killing any of them ends the build, with nothing left
for which in 2 3; do
	start_long
	victim=$pid
	for _ in $(seq $((which - 1))); do victim=$(pgrep -P "$victim" | head -n 1); done
	kill -9 "${victim:-none}"
	wait $pid
	code=$?
	ok "kill -9 of process $which of the chain: the build fails ($code)" test $code -ne 0
	ok "kill -9 of process $which of the chain: nothing is left running" gone
done
is "$(build "$T/store" -q --no-cache 2>/dev/null)" "$want" 'the next build gives the undisturbed digest'

# Ctrl-C signals the whole group; a CI runner only the process that it started.
for how in INT:group TERM:group HUP:group INT:alone TERM:alone; do
	sig=${how%:*}
	start_long
	t0=$(date +%s)
	if [ "${how#*:}" = group ]; then kill -"$sig" -- -$pid; else kill -"$sig" $pid; fi
	wait $pid
	code=$?
	is "$code" $((128 + $(kill -l "$sig"))) "SIG$sig, ${how#*:}: the exit code tells the signal"
	ok "SIG$sig, ${how#*:}: within 5 s" test $(($(date +%s) - t0)) -le 5
	ok "SIG$sig, ${how#*:}: nothing is left running" gone
	like "$(cat "$T/log")" '[Cc]ancel+ed|[Ii]nterrupted' "SIG$sig, ${how#*:}: says that it was interrupted"
done
# A terminal that goes away tells the leader of its session alone, which may be whittle.
cat >hang-up.py <<'E'
import os, pty, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b""
while b"started" not in seen.replace(b"echo started", b""):
    seen += os.read(fd, 4096)
os.close(fd)
for _ in range(100):
    if os.waitpid(pid, os.WNOHANG)[0]:
        sys.exit(0)
    time.sleep(0.1)
os.kill(pid, 9)
sys.exit("it goes on")
E
ok 'the terminal goes away: the build ends' python3 hang-up.py "$WHITTLE" build --root "$T/store" --network host --build-context base="oci-layout://$base" --no-cache -f ctx/long ctx
ok 'the terminal goes away: nothing is left running' gone
is "$(mounts)" "$before" 'nothing is left mounted'
is "$(build "$T/store" -q 2>/dev/null)" "$want" 'the next build gives the undisturbed digest'

done_testing
