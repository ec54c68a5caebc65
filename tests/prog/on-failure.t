#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# --on-failure=shell: what a shell in the failed step finds there, through pipes and on a terminal; and that nothing of it stays.
. "$(dirname "$0")/lib.sh"
base=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }
command -v tmux >/dev/null || skip_all 'needs tmux'

who=(user)
is_root && who=(root user)
context() { # NAME: a context of which the Dockerfile is standard input
	mkdir -p "$1" && cat >"$1/Dockerfile" && chmod -R go+rX "$1"
}
options() { printf '%s\n' --root "$ST" --build-context base="oci-layout://$base"; }
build() { # CONTEXT [OPTION…], with the shell's commands on standard input
	as "$WHO" timeout -k 5 60 "$WHITTLE" build $(options) "${@:2}" "$1" >"$T/.out" 2>"$T/.err"
	status=$?
	out=$(cat "$T/.out") err=$(cat "$T/.err")
}
shell() { # CONTEXT [OPTION…]
	build "$1" --on-failure=shell "${@:2}"
}
wait_for() { # CMD…
	local i

	for ((i = 0; i < 300; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	return 1
}

mkdir state && echo in-context >state/file
context state <<'D'
FROM base AS other
RUN echo from-other >/other
FROM base
RUN echo app:x:1000:1000::/home/app:/bin/sh >>/etc/passwd
ENV COLOUR="blue and green"
USER app
WORKDIR /srv/work
RUN --network=none --mount=type=cache,id=c,target=/c,uid=1000 --mount=type=secret,id=s,uid=1000 --mount=type=secret,id=s,env=SECRET \
    --mount=type=bind,target=/ctx --mount=type=bind,from=other,target=/o,rw --mount=type=tmpfs,target=/t \
    mkdir made && echo "it's made" >made/file && echo cached >/c/file && echo gone >/t/file && [ -e /c/pass ]
RUN ! [ -e /left-by-the-shell ] && ! [ -e made/by-the-shell ]
D
context shells <<'D'
FROM base
SHELL ["/bin/ash", "-e", "-c"]
RUN false
D
context exec-form <<'D'
FROM base
RUN ["/no/such/program", "it's", "two words"]
D
context heredoc <<'D'
FROM base
RUN <<E
echo one >/one
false || exit 5
E
D
context long <<D
FROM base
RUN sleep $((900000 + $$))4
D
mkdir empty && cat >empty/prog.c <<'C'
#include <fcntl.h>
int main(void)
{
	return open("/made", O_CREAT | O_WRONLY, 0644) < 0 ? 2 : 1;
}
C
context empty <<'D'
FROM scratch
COPY prog /prog
RUN ["/prog"]
D
context copy <<'D'
FROM base
COPY nothing-of-that-name /
D
context two <<D
FROM base AS slow
RUN --mount=type=cache,id=two,target=/c touch /c/here; sleep $((900000 + $$))1
FROM base
RUN --mount=type=cache,id=two,target=/c while ! [ -e /c/here ]; do :; done; rm /c/here; exit 1
COPY --from=slow / /
D
have_prog=
"${CC:-cc}" -static -O1 -o empty/prog empty/prog.c 2>/dev/null && have_prog=1
printf hush-hush-1234 >secret && chmod 644 secret

for WHO in "${who[@]}"; do
	ST=$UT/store-$WHO

	# ---- through pipes ----

	shell state --secret "id=s,src=$T/secret" <<-'E'
		echo "user $(id -u):$(id -g) in $PWD, home $HOME"
		echo "colour $COLOUR, secret $SECRET $(cat /run/secrets/s)"
		echo "files $(cat made/file /c/file /ctx/file /o/other)"
		echo "tmpfs $(ls -A /t | wc -l)"
		echo "net $(ls /sys/class/net 2>/dev/null || cut -d: -f1 -s /proc/net/dev | tr -d ' ' | paste -sd,)"
		sh /run/whittle/failed; echo "again $?"
		echo to-stderr >&2
		touch made/by-the-shell /c/pass /o/written
		exit 42
	E
	is "$status" 1 "$WHO: the build fails with 1"
	is "$out" "user 1000:1000 in /srv/work, home /home/app
colour blue and green, secret hush-hush-1234 hush-hush-1234
files it's made
cached
in-context
from-other
tmpfs 0
net lo
again 1" "$WHO: the shell finds what the step had"
	like "$err" '^to-stderr$' "$WHO: its errors, too"
	is "$(grep -c '^Standard input is no terminal' <<<"$err")" 1 "$WHO: it is said where commands come from, once"
	like "$err" '^A shell \(/bin/sh\) in the failed step' "$WHO: and what this is"
	like "$err" '^The shell has ended with status 42' "$WHO: how it ended"
	is "$(grep -c '^error: state/Dockerfile:8: process' <<<"$err")" 2 "$WHO: the failure is told before it, and at the end"
	is "$(find "$ST/tmp" -mindepth 1 -maxdepth 1 2>/dev/null)" '' "$WHO: nothing is left in the store's tmp"

	build state --secret "id=s,src=$T/secret" -q </dev/null
	is "$status" 0 "$WHO: only the cache mount kept what was written there: the next build goes on"

	shell shells -q <<<'echo "$0"'
	is "$out" /bin/ash "$WHO: the stage's own shell is taken"
	shell exec-form <<<'cat /run/whittle/failed'
	is "$status:$out" "1:#!/bin/sh
# The command that failed.
exec '/no/such/program' 'it'\\''s' 'two words'" "$WHO: a program that is not there: a shell is; the command as a script"
	shell heredoc <<<'cat /one; sh /run/whittle/failed; echo $?'
	is "$out" "one
5" "$WHO: a heredoc can be run again"
	shell copy <<<'echo never'
	is "$out$status" 1 "$WHO: a COPY that fails opens no shell"
	like "$err" '^note: --on-failure=shell: no shell, as what failed is no command of a RUN$' "$WHO: and says so"
	as "$WHO" sh -c 'tar -cC "$1" . | "$2" build --root "$3" --build-context base=oci-layout://"$4" --on-failure=shell -' - shells "$WHITTLE" "$ST" "$base" \
		>"$T/.out" 2>"$T/.err"
	is "$?" 1 "$WHO: a context from standard input: exit code"
	like "$(cat "$T/.err")" '^note: --on-failure=shell: no shell: standard input was what is built' "$WHO: and why there is no shell"
	if [ -n "$have_prog" ]; then
		shell empty <<<'ls /; echo in the shell'
		is "$status" 1 "$WHO: an image without a shell: exit code"
		if grep -q 'busybox sh' <<<"$err"; then
			like "$out" '^made$' "$WHO: this machine's static busybox stands in"
			unlike "$out" '^bin$' "$WHO: and is not seen in the step's files"
		else
			like "$err" '^note: --on-failure=shell: no shell: the step.s image has no shell$' "$WHO: it is said that there is none"
			pass "$WHO: (this machine has no static busybox)"
		fi
	fi
	shell shells -q < <(echo n=0; yes 'n=$((n+1))' | head -n 20000; echo 'echo $n; seq 50000')
	is "$(head -n 1 <<<"$out"),$(wc -l <<<"$out"),$(tail -n 1 <<<"$out")" "20000,50001,50000" "$WHO: much in, much out"
	shell shells -q < <(echo 'exec <&-; exit 3'; seq 100000)
	is "$status" 1 "$WHO: who stops reading is no mistake"

	# ---- others are stopped; signals ----

	mkfifo "$T/fifo"
	as "$WHO" "$WHITTLE" build $(options) --on-failure=shell two >"$T/.out" 2>"$T/.err" <"$T/fifo" &
	pid=$!
	exec 7>"$T/fifo"
	ok "$WHO: a step fails beside another" wait_for grep -q '^A shell' "$T/.err"
	is "$(pgrep -fx "sleep $((900000 + $$))1")" '' "$WHO: the other one is stopped before the shell opens"
	echo 'echo here' >&7
	ok "$WHO: the shell answers line by line" wait_for grep -qx here "$T/.out"
	echo "sleep $((900000 + $$))2" >&7
	ok "$WHO: and runs a command" wait_for pgrep -fx "sleep $((900000 + $$))2"
	pkill -INT -P "$pid" -x whittle || kill -INT "$pid"
	wait "$pid"
	is "$?" 1 "$WHO: a signal ends it with the failure"
	exec 7>&-
	is "$(pgrep -fx "sleep $((900000 + $$))2")" '' "$WHO: and the shell with all in it"
	rm "$T/fifo"

	as "$WHO" "$WHITTLE" build $(options) --on-failure=shell long >"$T/.out" 2>"$T/.err" < <(echo echo never) &
	pid=$!
	ok "$WHO: a step runs" wait_for pgrep -fx "sleep $((900000 + $$))4"
	pkill -INT -P "$pid" -x whittle
	wait "$pid"
	is "$?" 130 "$WHO: Ctrl-C while it builds is none of its failures"
	unlike "$(cat "$T/.err" "$T/.out")" '^A shell|on-failure|never' "$WHO: and opens no shell"
done

if is_root && [ -n "$have_prog" ]; then
	WHO=root ST=$UT/store-root
	run unshare -m sh -c 'mount --bind /dev/null /bin/busybox 2>/dev/null; echo "echo never" | exec "$@"' - \
		"$WHITTLE" build $(options) --on-failure=shell empty
	is "$status" 1 'no shell anywhere: exit code'
	like "$err" '^note: --on-failure=shell: no shell: the step.s image has no shell$' 'no shell anywhere: it is said'
fi

if is_root; then
	WHO=root ST=$UT/store-chroot
	sed 's/--network=none //' state/Dockerfile >state/in-chroot && chmod 644 state/in-chroot
	shell state -f state/in-chroot --secret "id=s,src=$T/secret" --isolation=chroot <<<'cat made/file /c/file /run/secrets/s; ls /ctx; sh /run/whittle/failed; id -u'
	is "$status" 1 'in a chroot: exit code'
	is "$out" "it's made
cached
hush-hush-1234${out#*hush-hush-1234}" 'in a chroot: the shell finds what is left'
	like "$out" '1000$' 'in a chroot: as the same user'
	like "$err" '^The mount /ctx is not there: with --isolation=chroot it went with the step' 'in a chroot: and what is not, is told'
fi

# ---- on a terminal ----

mux() { as "$WHO" tmux -L "whittle-t$$" -f /dev/null "$@"; }
screen() { mux capture-pane -p -t 0; }
type_in() { mux send-keys -t 0 "$1" Enter; }
sees() { screen | grep -qE -- "$1"; }
cleared() { ! sees '^A shell'; }
shows() { # ERE DESC
	wait_for sees "$1"
	like "$(screen)" "$1" "$2"
}
on_exit 'for WHO in "${who[@]}"; do mux kill-server; done 2>/dev/null'
context terminal <<'D'
FROM base
WORKDIR /srv
RUN echo some output; touch here; false
D
for WHO in "${who[@]}"; do
	ST=$UT/store-$WHO
	cat >run-it <<-E
		PS1='host> '
		before=\$(stty -g </dev/tty)
		build() { $WHITTLE build $(options | paste -sd' ') "\$@"; echo "exit code \$?"; [ "\$(stty -g </dev/tty)" = "\$before" ] && echo "terminal as before"; }
	E
	chmod 644 run-it
	mux new-session -d -x 100 -y 40 "bash --rcfile $T/run-it"
	shows '^host>' "$WHO: a terminal"
	type_in "clear; build --on-failure=shell $T/terminal"
	shows '^/srv [#$]' "$WHO: on a terminal the shell prompts"
	is "$(screen | grep -E '^(\[\+\] Building|error:|A shell)' | cut -d' ' -f1,2)" '[+] Building
error: '"$T"'/terminal/Dockerfile:3:
A shell' "$WHO: below the finished view and the failure"
	type_in 'ls; stty size; tty'
	shows '^here$' "$WHO: files are there"
	shows '^40 100$' "$WHO: the terminal's size"
	shows '^/dev/pts/0$' "$WHO: a terminal of the step's own"
	type_in "sleep $((900000 + $$))3"
	wait_for pgrep -fx "sleep $((900000 + $$))3"
	mux send-keys -t 0 C-c
	type_in 'echo back $((40 + 2))'
	shows '^back 42$' "$WHO: Ctrl-C ends the command and not the shell"
	mux resize-window -t 0 -x 70 -y 30
	type_in 'clear; stty size'
	shows '^30 70$' "$WHO: a new size arrives"
	type_in 'clear; exit 3'
	shows '^terminal as before$' "$WHO: afterwards the terminal is as it was"
	shows '^exit code 1$' "$WHO: and the build has failed"
	shows '^The shell has ended with status 3' "$WHO: with a word on how the shell ended"
	type_in "clear; build -q --on-failure=shell - <<<\$'FROM base\\nRUN echo piped >/piped; false'"
	shows '^/ [#$]' "$WHO: where standard input is what is built, the terminal is still there"
	type_in 'clear; cat /piped; exit'
	shows '^terminal as before$' "$WHO: and as before afterwards"
	type_in "clear; build -q --on-failure=shell $T/terminal"
	shows '^/srv [#$]' "$WHO: once more"
	outer=$(pgrep -of "^$WHITTLE build --root $ST ")
	type_in clear
	wait_for cleared # the shell in the step has read it, else the host's does
	pkill -9 -P "$outer" -x whittle
	shows '^terminal as before$' "$WHO: the process that works is killed: the terminal is as it was"
	shows '^hint: nothing is left running' "$WHO: and that is told, in whole lines"
	type_in "clear; build -q --on-failure=shell $T/terminal"
	shows '^/srv [#$]' "$WHO: and once more"
	mux kill-server
	gone() { ! pgrep -f "^$WHITTLE build --root $ST "; }
	ok "$WHO: a terminal that goes away ends it all" wait_for gone
done

# ---- words ----

WHO=${who[0]} ST=$UT/store-$WHO
build copy --on-failure=sehll </dev/null
is "$status" 2 'another word: exit code'
like "$err" '^error: .*on-failure.*sehll' 'another word: which'
build shells -q --on-failure=fail <<<'echo never'
is "$status:$out" '1:' '--on-failure=fail: as without it'
done_testing
