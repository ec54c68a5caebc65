#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The live view in a real terminal (tmux), and the other ways to tell of progress. Screens are compared with tests/data/screens/, times and
# digests masked; UPDATE_SCREENS=1 writes them anew.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/tools/registry.sh"
command -v tmux >/dev/null && command -v script >/dev/null || skip_all 'needs tmux and script'
base=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }
unset NO_COLOR BUILDKIT_PROGRESS BUILDKIT_COLORS TMUX COSIGN_PASSWORD
export HOME=$T/home
mkdir -m 700 "$HOME"
# A session that stays, so that the server does.
tmux() { command tmux -L "whittle-$$" -f /dev/null "$@"; }
on_exit 'command tmux -L "whittle-$$" kill-server 2>/dev/null; [ -z "${REGISTRY_PID:-}" ] || server_stop "$REGISTRY_PID"; [ -z "${PROXY_PID:-}" ] || server_stop "$PROXY_PID"'
tmux new-session -d -s stays 'sleep 1000'
build="$WHITTLE build --root $T/st --jobs 4 --build-context base=oci-layout://$base"

terminal() { # COLUMNS ROWS COMMAND [LC_ALL]: when it is over, its status and whether the terminal echoes
	tmux kill-session -t x 2>/dev/null
	tmux new-session -d -s x -x "$1" -y "$2" "cd $T; export LC_ALL=${4:-C.UTF-8}; ${3:-}; echo \"status \$?, \$(stty -a | grep -ow -- '-*echo')\"; exec sleep 100"
}
# What is on the screen. A terminal that breaks lines puts into its scrollback what has no room then, and nobody can take it back.
seen() { all=$(tmux capture-pane -p -t x) && echo "$all"; }
all() { tmux capture-pane -p -J -t x -S - "$@" | sed -e :a -e '/^\n*$/{$d;N;ba' -e '}'; }
wait_for() { # ERE [seen]: until a line of the screen matches
	local i

	for ((i = 0; i < 300; i++)); do
		"${2:-all}" | grep -Eq -- "$1" && return 0
		sleep 0.1
	done
	echo "# never seen: $1"
	all | sed 's/^/# /'
	return 1
}
mask() { sed -E -e 's/[0-9]{8}T[0-9]{6}Z/TIME/g' -e 's/[0-9a-f]{8}\.log/HEX.log/g' -e 's/[0-9]+\.[0-9]s/T.Ts/g' -e 's/[0-9a-f]{12,}/HEX/g' -e "s#$T#DIR#g" -e 's/ +$//'; }
same_screen() { # NAME DESC
	local file=$SRC/tests/data/screens/$1.txt

	[ -z "${UPDATE_SCREENS:-}" ] || "${3:-all}" | mask >"$file"
	is "$("${3:-all}" | mask)" "$(cat "$file")" "$2"
}
sane() { # DESC
	is "$(tmux display-message -p -t x '#{cursor_flag} #{alternate_on}')" '1 0' "$1: the cursor is shown"
	ok "$1: the terminal echoes" grep -Eq 'status [0-9]+, echo$' <<<"$(all)"
}

mkdir ctx
cat >ctx/hold <<'EOF'
FROM base AS compile
RUN for i in 1 2 3 4 5 6 7 8; do echo "cc -c file$i.c"; done; sleep 100
FROM base AS text
RUN printf '日本語のログ %s\n\ta\033[2Jb\n' 1 2; printf '10%%\r50%%'; sleep 100
FROM base AS tests
RUN echo quick
RUN echo 'a line that is longer than eighty columns of a terminal, by far, so that its end cannot be seen'; sleep 100
FROM base
COPY --from=compile /etc /1
COPY --from=text /etc /2
COPY --from=tests /etc /3
EOF
held() { wait_for '# cc -c file8' && wait_for '# 50%' && wait_for '# a line that' ; }

# ---- screens ----

while read -r name columns rows locale; do
	terminal "$columns" "$rows" "$build --no-cache -f ctx/hold ctx" "$locale"
	ok "$name: everything is seen" held
	same_screen "$name" "$name: the screen"
	is "$(all | grep -c 'Building')" 1 "$name: one head"
	tmux send-keys -t x C-c
	ok "$name: Ctrl-C ends it" wait_for '^status [1-9]'
	same_screen "$name-interrupted" "$name: all steps stand there then"
	sane "$name"
done <<'EOF'
80x24 80 24 C.UTF-8
200x50 200 50 C.UTF-8
30x16 30 16 C.UTF-8
ascii 80 24 C
low 80 8 C.UTF-8
EOF

# ---- resizing ----

terminal 100 50 "$build --no-cache -f ctx/hold ctx"
ok 'before resizing' held
tmux resize-window -t x -x 50 -y 50
ok 'narrower: drawn anew' wait_for '^ => \[compile 2/2\] RUN for i in .{0,20}… [0-9.]+s$' seen
same_screen 'resized-50x50' 'narrower: nothing else stands there' seen
is "$(seen | grep -c 'Building')" 1 'narrower: one head'
tmux resize-window -t x -x 120 -y 50
ok 'wider: drawn anew' wait_for '^ => \[compile 2/2\] RUN for i in .{40,}done; sleep 100 {20,}[0-9.]+s$' seen
same_screen 'resized-120x50' 'wider: nothing else stands there' seen
tmux resize-window -t x -x 120 -y 12
ok 'lower: drawn anew' wait_for '^ => \[tests 3/3\]' seen
sleep 0.3
is "$(tmux capture-pane -p -t x | grep -c Building)" 1 'lower: one head on the screen'
tmux send-keys -t x C-c
ok 'resized: ends' wait_for '^status [1-9]'
sane 'resized'

# ---- colours ----

cat >ctx/quick <<'EOF'
FROM base
RUN echo one
RUN echo two
EOF
cat >ctx/fail <<'EOF'
FROM base
RUN echo before; sleep 0.3; echo at the end; exit 3
EOF
terminal 80 24 "$build -f ctx/quick ctx"
ok 'a build' wait_for '^status 0'
same_screen quick 'its last frame, and the result below'
ok 'what is done is blue' grep -q $'\033\\[34m => ' <<<"$(all -e)"
terminal 80 24 "$build -f ctx/quick ctx"
ok 'again' wait_for '^status 0'
same_screen cached 'from the cache'
terminal 80 24 "NO_COLOR=1 $build -f ctx/quick ctx"
ok 'NO_COLOR' wait_for '^status 0'
nok 'no colours then' grep -q $'\033' <<<"$(all -e)"
terminal 80 24 "BUILDKIT_COLORS=run=green $build -f ctx/quick ctx"
ok 'BUILDKIT_COLORS' wait_for '^status 0'
ok 'what is done is green' grep -q $'\033\\[32m => ' <<<"$(all -e)"
terminal 100 24 "$build -f ctx/fail ctx"
ok 'a build that fails' wait_for '^status 1'
same_screen failed 'the step, and the error below'
ok 'the step is red' grep -q $'\033\\[31m => ERROR \\[2/2\\]' <<<"$(all -e)"
terminal 80 24 "TERM=dumb $build -f ctx/quick ctx"
ok 'TERM=dumb' wait_for '^status 0'
ok 'is plain' grep -q '^#2 \[1/3\] FROM' <<<"$(all)"
nok 'without a head' grep -q Building <<<"$(all)"

# ---- killed ----

pids() { # the view, the worker, and who started it
	outer=$(pgrep -P "$(tmux display-message -p -t x '#{pane_pid}')" -x whittle)
	inner=$(pgrep -P "$outer" -x whittle)
	view=$(for p in $(pgrep -P "$inner"); do [ "$(find "/proc/$p/fd" -type l | wc -l)" -le 5 ] && echo "$p"; done | head -n 1)
}
gone() { local i; for i in $(seq 50); do kill -0 "$1" 2>/dev/null || return 0; sleep 0.1; done; return 1; }
for who in inner outer; do
	terminal 80 24 "$build --no-cache -f ctx/hold ctx"
	ok "kill -9 of $who: runs" held
	pids
	is "$(readlink "/proc/$view/fd/0" "/proc/$view/fd/1" | sort -u) $(find "/proc/$view/fd" -type l | wc -l)" '/dev/null 5' 'the view has the terminal, its socket and its signals, and nothing else'
	kill -9 "${!who}"
	ok "kill -9 of $who: ends" wait_for '^.*status [1-9]'
	ok "kill -9 of $who: the view is gone" gone "$view"
	sane "kill -9 of $who"
done
terminal 80 24 "$build --no-cache -f ctx/quick ctx; $build --no-cache -f ctx/hold ctx"
ok 'kill -9 of the view: runs' held
pids
kill -9 "$view"
sleep 0.3
tmux send-keys -t x C-c
ok 'kill -9 of the view: the build ends as it does' wait_for '^.*status [1-9]'
sane 'kill -9 of the view'

# ---- a terminal that is stopped ----

cat >ctx/talk <<'EOF'
FROM base
RUN i=0; while [ $i -lt 30000 ]; do echo "line $i of a step that has much to say about what it does all day long"; i=$((i+1)); done
EOF
terminal 80 24 "$build --no-cache --iidfile $T/iid -f ctx/talk ctx"
ok 'a step begins' wait_for '\[2/2\] RUN'
tmux send-keys -t x C-s
written() { local i; for i in $(seq 300); do [ -s "$T/iid" ] && return 0; sleep 0.1; done; return 1; }
ok 'while the terminal is stopped the build is done' written
tmux send-keys -t x C-q
ok 'then it is told' wait_for '^status 0'
same_screen talk 'as always'

# ---- flicker ----

{
	echo 'FROM base'
	for i in $(seq 30); do echo "RUN echo step $i; sleep 0.05"; done
} >ctx/many
recorded() { # COLUMNS ROWS FILE
	TERM=xterm LC_ALL=C.UTF-8 script -qec "stty cols $1 rows $2; $build --no-cache -f ctx/$3 ctx >/dev/null" "$T/typescript" </dev/null >/dev/null
	sed -i -e '1{/^Script started/d}' -e '${/^Script done/d}' "$T/typescript"
	run python3 "$SRC/tests/tools/check_frames.py" "$T/typescript" "$1" "$2"
}
for size in '80 24' '40 8' '20 4'; do
	read -r columns rows <<<"$size"
	recorded "$columns" "$rows" many
	is "$status" 0 "$columns x $rows: every frame lies on the last one, and none is too tall ($err)"
	ok 'there are some' [ "$(head -n 1 <<<"$out")" -ge 5 ]
	is "$(grep -c '^ => \|^  > ' <<<"$out")" 35 'the last one has every step'
done
recorded 80 24 talk
is "$status" 0 "much output: the same ($err)"

# ---- a password ----

COSIGN_PASSWORD=secret "$WHITTLE" keygen --output-key-prefix ours >/dev/null 2>&1
key=$T/ours.key
terminal 80 24 "$build --sign-key $key -f ctx/quick ctx"
ok 'a password is asked for' wait_for '[Pp]assword'
sleep 0.5
ok 'and the question stays' grep -Eq '[Pp]assword' <<<"$(all | tail -n 1)"
tmux send-keys -t x secret Enter
ok 'then it goes on' wait_for '^status 0'
is "$(all | grep -c '\[2/3\] RUN echo one')" 1 'every step stands there once'
sane 'password'

# ---- transfers ----

registry_start "$T/registry" || { echo 'Bail out! no registry'; exit 1; }
python3 "$SRC/tests/tools/slow_proxy.py" "${REGISTRY##*:}" 1000000 >proxy.port 2>/dev/null &
PROXY_PID=$!
mkdir big
for i in 1 2 3; do head -c $((i * 4000000)) /dev/urandom >"big/f$i"; done
printf 'FROM scratch\nCOPY f1 /\nCOPY f2 /\nCOPY f3 /\n' >big/Dockerfile
run "$WHITTLE" build --root "$T/st" -t "$REGISTRY/big:1" --push big
is "$status" 0 'push'
like "$err" '^#[0-9]+ layer sha256:[0-9a-f]{12}… 12\.0MB / 12\.0MB [0-9.]+s done$' 'plain: the end of a big layer'
slow=127.0.0.1:$(cat proxy.port)
terminal 80 24 "$WHITTLE pull --root $T/st2 $slow/big:1"
ok 'pull: a bar' wait_for '^ => => layer [0-9a-f]{12} +[0-9.]+MB / 12\.0MB \[=*> +\] +[0-9.]+[kM]B/s +[0-9]+s left$'
is "$(all | head -n 1 | mask)" '[+] Pulling T.Ts (0/1)' 'pull: the head'
tmux send-keys -t x C-c
ok 'pull: Ctrl-C' wait_for 'status [1-9]'
sane pull
printf 'FROM %s/big:1\nRUN ["/none"]\n' "$slow" >ctx/slow
terminal 200 50 "$WHITTLE build --root $T/st3 -f ctx/slow ctx"
ok 'a base of a build: a bar' wait_for '^ => => layer [0-9a-f]{12} +[0-9.]+MB / 12\.0MB \[=*> +\] +[0-9.]+[kM]B/s +[0-9]+s left$'
tmux send-keys -t x C-c
ok 'a base of a build: Ctrl-C' wait_for 'status [1-9]'
sane 'a base'

# ---- without a terminal ----

run $build --no-cache --progress rawjson -f ctx/talk ctx
is "$status" 0 'rawjson'
echo "$err" >raw
run sh -c "python3 '$SRC/tests/tools/check_rawjson.py' <raw"
is "$status" 0 "rawjson: every object has the form ($err)"
is "$(grep -c '^line [0-9]* of a step' <<<"$out")" 30000 'rawjson: all of the log'
run $build --progress rawjson -f ctx/talk ctx
like "$err" '"cached":true' 'rawjson: cached'
run env BUILDKIT_PROGRESS=rawjson $build -f ctx/quick ctx
like "$err" '^\{"vertexes":' 'BUILDKIT_PROGRESS is heard'
run env BUILDKIT_PROGRESS=rawjson $build --progress plain -f ctx/quick ctx
like "$err" '^#1 ' '--progress counts more'
run env BUILDKIT_PROGRESS=loud $build -f ctx/quick ctx
is "$status" 2 'BUILDKIT_PROGRESS that is no word'
like "$err" 'BUILDKIT_PROGRESS is auto, plain, tty, rawjson or quiet, not "loud"' 'says so'
run env BUILDKIT_PROGRESS=rawjson $build -q -f ctx/quick ctx
is "$err" '' '-q: nothing on standard error'
like "$out" '^sha256:[0-9a-f]{64}$' 'but the id'
is "$(wc -l <<<"$out")" 1 'and nothing else'
run $build --progress tty -f ctx/quick ctx
is "$status" 2 '--progress tty without a terminal'
like "$err" 'standard error is no terminal' 'says so'
run env -u TERM script -qec "$build -f ctx/quick ctx" /dev/null </dev/null
like "$out" '^#1 \[internal\]' 'no TERM: plain'
run $build --progress rawjson --no-cache -f ctx/fail ctx
is "$status" 1 'rawjson: a build that fails'
is "$(grep -c '^{"' <<<"$err")" "$(grep -n '^error: ' <<<"$err" | head -n 1 | cut -d: -f1 | awk '{print $1 - 1}')" 'rawjson: objects, then the error'
done_testing
