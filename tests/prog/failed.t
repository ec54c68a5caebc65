#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A step that fails: its log is kept whole, the message has the last lines and the Dockerfile's, and --on-failure=shell opens a shell where it failed.
. "$(dirname "$0")/lib.sh"
base=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }

# ---- helpers; WHO and ST say as whom, and in which store ----

who=(user)
is_root && who=(root user)
context() { # NAME: a context of which the Dockerfile is standard input
	mkdir -p "$1" && cat >"$1/Dockerfile" && chmod -R go+rX "$1"
}
build() { # CONTEXT [OPTION…], commands for the shell on standard input
	as "$WHO" timeout -k 5 100 "$WHITTLE" build --root "$ST" --build-context base="oci-layout://$base" "${@:2}" "$1" >"$T/.out" 2>"$T/.err"
	status=$?
	out=$(cat "$T/.out") err=$(tr -d '\0' <"$T/.err")
}
logs() { ls "$ST/logs" 2>/dev/null; }
clear_logs() { rm -f "$ST"/logs/*.log; }
# Where the message says that the log is.
log_of() { sed -n 's/^full log: //p' <<<"$err" | head -n 1; }
# What a cache mount of that id holds.
mounted() { dirname "$(grep -lxF "$1" "$ST"/caches/*/id)"; }
sum() { sha256sum | cut -d' ' -f1; }
wait_for() { # CMD…
	local i

	for ((i = 0; i < 300; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.1
	done
	return 1
}

context many <<'D'
FROM base
ENV A=1

RUN echo first && \
    seq 200000 && echo "to the other" >&2 && \
    exit 3
D
context unrunnable <<'D'
FROM base AS mode
RUN printf 'true\n' > /x.sh && /x.sh
FROM base AS crlf
RUN printf '#!/bin/sh\r\ntrue\r\n' > /x.sh && chmod +x /x.sh && /x.sh
FROM base AS path
RUN no-such-program
FROM base AS other
RUN echo "/x: not found"; exit 3
D
context quiet <<'D'
FROM base
RUN seq 100000
RUN false
D
context binary <<'D'
FROM base
RUN --mount=type=cache,id=binary,target=/c head -c 300000 /dev/urandom | tee /c/copy; exit 1
D
context odd <<'D'
FROM base
RUN seq 5; head -c 200000 /dev/zero | tr '\0' x; echo; \
    printf '10%%\r20%%\r30%%\r\n\033[31mred\033[0m\007bell\nnul\000l\n'; printf 'the end'; exit 1
D
context secret <<'D'
FROM base
RUN --mount=type=secret,id=s echo "it is $(cat /run/secrets/s)"; i=0; while [ $i -lt 20000 ]; do echo "line $i"; i=$((i+1)); done; cat /run/secrets/s; exit 1
D
context both <<'D'
FROM base AS a
RUN --mount=type=cache,id=both,target=/c mkdir /d && cd /d && seq 3000 | xargs touch; echo step a; touch /c/a; exit 1
FROM base AS b
RUN --mount=type=cache,id=both,target=/c mkdir /d && cd /d && seq 3000 | xargs touch; echo step b; while ! [ -e /c/a ]; do :; done; exit 2
FROM base
COPY --from=a /etc/passwd /a
COPY --from=b /etc/passwd /b
D
context slow <<'D'
FROM base
RUN --mount=type=cache,id=slow,target=/c echo it has begun; touch /c/here; while ! [ -e /c/go ]; do sleep 0.1; done
D
context tested <<'D'
FROM base AS app
ENTRYPOINT ["/bin/sh", "-c", "echo app is up; sleep 1000"]
FROM app
PROFILE --ready=log:up seq 100; echo no good; exit 3
D
context heredoc <<'D'
FROM base
RUN <<E
echo in a heredoc
ls /nowhere-at-all
exit 4
E
D

for WHO in "${who[@]}"; do
	ST=$UT/store-$WHO

	# ---- what is there, but cannot be run ----

	build unrunnable --target mode </dev/null
	like "$err" '^hint: the file may not be executed: chmod' "$WHO: 126: a hint"
	build unrunnable --target crlf </dev/null
	like "$err" '^hint: if that file is there, .*CRLF' "$WHO: 127 of a path: a hint"
	build unrunnable --target path </dev/null
	unlike "$err" '^hint: if that file' "$WHO: none of a word"
	build unrunnable --target other </dev/null
	unlike "$err" '^hint: if that file' "$WHO: nor of another status"
	clear_logs

	# ---- the log ----

	build many --progress=plain </dev/null
	is "$status" 1 "$WHO: many lines: exit code"
	log=$(log_of)
	is "$(logs | wc -l)" 1 "$WHO: one log"
	is "$(dirname "$log")" "$ST/logs" "$WHO: it is in the store"
	like "$(basename "$log")" '^20[0-9]{6}T[0-9]{6}Z-[A-Za-z0-9._-]*RUN-echo-first[A-Za-z0-9._-]*-[0-9a-f]{8}\.log$' "$WHO: its name says when and which step"
	is "$(stat -c %a "$log")" 600 "$WHO: its mode"
	is "$(grep -v '^to the other$' "$log" | sum)" "$( (echo first; seq 200000) | sum)" "$WHO: it has every byte of standard output"
	is "$(grep -c '^to the other$' "$log")" 1 "$WHO: and standard error"
	like "$err" '^error: many/Dockerfile:4: process "/bin/sh -c echo first .* did not complete successfully: exit code: 3$' "$WHO: the message"
	is "$(grep -n '^ *[456] > ' <<<"$err" | tail -n 3 | sed 's/.*> //')" "$(sed -n '4,6p' many/Dockerfile)" "$WHO: the Dockerfile's lines"
	like "$err" '^last 40 of 200002 lines:$' "$WHO: how much of it is shown"
	is "$(grep -c '^  | ' <<<"$err")" 40 "$WHO: that many lines"
	like "$err" '^  \| 200000$' "$WHO: the last ones"
	is "$(grep -cE '^#[0-9]+ [0-9.]+ [0-9]+$' <<<"$err")" 200000 "$WHO: plain progress clips nothing"
	clear_logs

	build many -q </dev/null
	is "$status" 1 "$WHO: quiet: exit code"
	is "$(head -n 1 <<<"$err" | cut -d: -f1-3)" 'error: many/Dockerfile:4' "$WHO: quiet: the message comes first"
	like "$err" '^  \| 200000$' "$WHO: quiet: the last lines"
	ok "$WHO: quiet: the full log" test -s "$(log_of)"
	clear_logs

	build quiet </dev/null
	is "$status" 1 "$WHO: a silent step: exit code"
	is "$(logs)" '' "$WHO: neither a step that went well nor one that was silent leaves a log"
	unlike "$err" 'full log|last [0-9]+ of' "$WHO: and none is told of"

	build binary </dev/null
	is "$(sum <"$(log_of)")" "$(sum <"$(mounted binary)/data/copy")" "$WHO: binary output, byte for byte"
	is "$(LC_ALL=C grep -acP '[\x00-\x08\x0b-\x1f\x7f]' "$T/.err")" 0 "$WHO: none of it reaches the terminal as it is"
	clear_logs

	build odd </dev/null
	is "$(sed -n '/^  | /s///p' <<<"$err" | head -n 5)" "$(seq 5)" "$WHO: odd output: all of its lines"
	like "$err" '^  \| x{2500}…\[196500 bytes\]…x{1000}$' "$WHO: of a very long line both ends"
	like "$err" '^  \| 30%$' "$WHO: what was written over is not shown again"
	like "$err" '^  \| red\^Gbell$' "$WHO: no colours where there is no terminal, no bell"
	like "$err" '^  \| nul\^@l$' "$WHO: a NUL does not end it"
	like "$err" '^  \| the end$' "$WHO: nor a missing newline"
	unlike "$err" '^last [0-9]+ of' "$WHO: all of them are shown"
	clear_logs

	echo 'hush-hush-1234' >"$T/s" && chmod 644 "$T/s"
	build secret --secret "id=s,src=$T/s" </dev/null
	is "$(grep -c 'hush' "$(log_of)")" 0 "$WHO: the log has no secret"
	is "$(grep -cxE '\*\*\*|it is \*\*\*' "$(log_of)")" 2 "$WHO: but stars"
	is "$(wc -l <"$(log_of)")" 20002 "$WHO: and all lines"
	clear_logs

	build heredoc </dev/null
	like "$err" '^ +2 > RUN <<E$' "$WHO: a heredoc: its line"
	like "$err" '^ +4 > ls /nowhere-at-all$' "$WHO: and its text"
	is "$(cat "$(log_of)" | head -n 1)" 'in a heredoc' "$WHO: its log"
	clear_logs

	build tested -q </dev/null
	is "$status" 10 "$WHO: a PROFILE that fails: exit code"
	is "$(sort "$(log_of)" | sum)" "$( (echo 'app | app is up'; seq -f 'test | %.0f' 100; echo 'test | no good') | sort | sum)" "$WHO: its log has the application's lines and the test's"
	like "$err" 'last output of the test \(40 of 101 lines\):$' "$WHO: and how many of them are shown"
	build tested --on-failure=shell <<<'echo never'
	like "$err" '^note: --on-failure=shell: no shell, as what failed is no command of a RUN$' "$WHO: for which no shell is opened"
	clear_logs

	for _ in 1 2 3 4 5; do
		rm -rf "$(mounted both)/data/a"
		clear_logs
		build both </dev/null
		[ "$(grep -c '^error: ' <<<"$err")" = 2 ] && break
	done
	is "$(grep -c '^error: both/Dockerfile:[24]: process' <<<"$err")" 2 "$WHO: two steps that fail at once are both told"
	is "$(sed -n 's/^full log: //p' <<<"$err" | sort)" "$(ls -d "$ST"/logs/* | sort)" "$WHO: each with its log"
	is "$(cat "$ST"/logs/* | sort | paste -sd,)" 'step a,step b' "$WHO: and what it printed"
	clear_logs

	# ---- while it runs ----

	as "$WHO" "$WHITTLE" build -q --root "$ST" --build-context base="oci-layout://$base" slow >/dev/null 2>&1 </dev/null &
	pid=$!
	ok "$WHO: the log can be read while the step runs" wait_for grep -rqx 'it has begun' "$ST/logs"
	touch "$(mounted slow)/data/go"
	wait "$pid"
	is "$?" 0 "$WHO: the step goes on"
	is "$(logs)" '' "$WHO: and its log goes"

	# ---- where it cannot be written ----

	rm -rf "$ST/logs" && touch "$ST/logs"
	build many -q </dev/null
	is "$status" 1 "$WHO: no directory for logs: the step's own failure"
	like "$err" '^full log: none, it could not be written: Not a directory$' "$WHO: it is told why there is no log"
	build quiet </dev/null
	like "$err" '^#[0-9]+ \[3/3\] RUN false' "$WHO: steps succeed all the same"
	rm "$ST/logs"
	if is_root && mkdir -p "$ST/logs" && mount -t tmpfs -o size=128k,mode=1777 none "$ST/logs"; then
		on_exit "umount '$ST/logs' 2>/dev/null"
		build many -q --no-cache </dev/null
		is "$status" 1 "$WHO: a full disk: the step's own failure"
		like "$err" 'exit code: 3$' "$WHO: a full disk: and its message"
		like "$err" '^full log: .*\.log \(not all of it: No space left on device\)$' "$WHO: a full disk: what is kept is not all"
		is "$(head -n 1000 "$ST"/logs/*RUN-echo* | sum)" "$( (echo first; seq 999) | sum)" "$WHO: a full disk: its beginning"
		build quiet --no-cache </dev/null
		like "$err" '^#[0-9]+ \[3/3\] RUN false' "$WHO: a full disk: steps succeed all the same"
		umount "$ST/logs"
		rmdir "$ST/logs"
	fi

	# ---- gc ----

	some_logs() { # NUMBER…: so many hours old
		as "$WHO" sh -c 'mkdir -p "$0" && cd "$0" && for i; do touch -d "$i hours ago" "20260101T000000Z-step-$i.log"; done' "$ST/logs" "$@"
	}
	as "$WHO" "$WHITTLE" gc -q --root "$ST" >/dev/null
	some_logs $(seq 20) 192
	like "$(as "$WHO" "$WHITTLE" du --root "$ST")" '^step logs +21 ' "$WHO: du tells logs"
	as "$WHO" "$WHITTLE" gc --root "$ST" >/dev/null 2>&1
	is "$(logs | wc -l)" 20 "$WHO: gc takes what is older than 7 days"
	some_logs $(seq 120)
	as "$WHO" "$WHITTLE" gc --root "$ST" --older-than 30d >/dev/null 2>&1
	is "$(logs | sort -V)" "$(seq 100 | sed 's/.*/20260101T000000Z-step-&.log/')" "$WHO: and all but the newest hundred"
	as "$WHO" "$WHITTLE" gc --all --root "$ST" >/dev/null 2>&1
	is "$(logs)" '' "$WHO: and with --all, all"
done

# ---- what killed it ----

limited() { # MEMORY CMD…: in a control group of its own, where we may make one
	local group

	for group in "/sys/fs/cgroup/memory/whittle-t$$" "/sys/fs/cgroup/whittle-t$$"; do
		mkdir "$group" 2>/dev/null || continue
		if { echo "$1" >"$group/memory.limit_in_bytes" || echo "$1" >"$group/memory.max"; } 2>/dev/null; then
			echo 0 >"$group/memory.swap.max"
			(echo "$BASHPID" >"$group/cgroup.procs" && "${@:2}")
			rmdir "$group"
			return 0
		fi 2>/dev/null
		rmdir "$group"
	done
	return 1
}
context hungry <<'D'
FROM base
RUN tail /dev/zero
D
context cpu <<'D'
FROM base
RUN sh -c 'while :; do :; done'; exit $?
D
WHO=${who[0]} ST=$UT/store-$WHO
if is_root; then
	killed() { timeout 60 "$WHITTLE" build -q --root "$ST" --build-context base="oci-layout://$base" hungry >/dev/null 2>"$T/.err" </dev/null; }
	if limited 100000000 killed; then
		like "$(cat "$T/.err")" '^hint: memory ran out: the kernel.s OOM killer ended a process of this build' 'out of memory: what killed it is said'
	else
		pass 'out of memory: no control group can be made here'
	fi
fi
build cpu --ulimit cpu=1:5 </dev/null
like "$err" 'exit code: 152$' 'a limit of CPU time: the signal'
like "$err" '^hint: SIGXCPU: its limit of CPU time was reached' 'a limit of CPU time: which limit'

done_testing
