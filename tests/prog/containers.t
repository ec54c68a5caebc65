#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Several containers at once: a network of their own, commands that join, observers, the driver's helper, a second run on the
# same root. As root and as an ordinary user.
built=${WHITTLE:-}
. "$(dirname "$0")/lib.sh"
driver=${SANDBOX_DRIVER:-$(dirname "${built:-$SRC/build/whittle}")/tests/prog/sandbox-driver}
[ -x "$driver" ] || { echo "Bail out! no $driver"; exit 1; }
mkdir -p "$T/bin"
name=whctr$$
install -m 755 "$driver" "$T/bin/$name"
driver=$T/bin/$name
for tool in poke lurk; do
	${CC:-cc} -D_GNU_SOURCE -O1 -static -o "$T/bin/$tool" "$SRC/tests/tools/$tool.c" || { echo "Bail out! $tool does not build"; exit 1; }
done

everyone() { # CMD…: as the user of this round
	if [ "$who" = root ]; then "$@"; else as_user "$@"; fi
}
make_root() { # DIR
	everyone sh -ec '
		mkdir -p "$1/bin" "$1/etc" "$1/tmp" "$1/root" "$1/run/whittle"
		cp /bin/busybox "$2/poke" "$2/lurk" "$1/bin/"
		for a in $(/bin/busybox --list); do [ "$a" = busybox ] || ln -s busybox "$1/bin/$a"; done
		printf "%s\n" root:x:0:0:root:/root:/bin/sh app:x:1000:1000:app:/home/app:/bin/sh >"$1/etc/passwd"
		printf "root:x:0:\napp:x:1000:\nextra:x:1001:app\n" >"$1/etc/group"
		chmod 1777 "$1/tmp"' sh "$1" "$T/bin"
}
layer() { # NAME: the options of a container with a writable layer of its own, which is emptied
	remove_tree "$home/$1"
	everyone mkdir -p "$home/$1/up" "$home/$1/work" "$home/$1/stubs"
	same "$1"
}
same() { # NAME: the same, as it was left
	printf -- '--lower %s/root --upper %s/up --work %s/work --stubs %s/stubs' "$home" "$home/$1" "$home/$1" "$home/$1"
}
play() { # reads a script
	cat >script
	run everyone timeout -s KILL 60 "$driver" --script script
}
ended() { # NAME: its result
	sed -n "s/^$1: status/status/p" <<<"$out"
}
fine='status=0 signal=0 started=1 err=-'

network() {
	play <<-S
		netns
		start server $(layer a) --net join --user app -- sh -c 'nc -ll -p 80 -e echo hello'
		connect 80
		start client $(layer b) --net join -- sh -c 'nc 127.0.0.1 80; nc ::1 80; ls /sys/class/net | tr "\n" " "; cat /etc/hosts | head -n 2; wc -l </proc/net/route'
		wait client
		start pinger $(layer c) --net join --user app -- sh -c 'cat /proc/sys/net/ipv4/ping_group_range; poke write /sys/class/net/lo/mtu; readlink /proc/self/ns/net'
		wait pinger
		start alone $(layer d) --net none -- sh -c 'nc -w 2 127.0.0.1 80 || echo refused'
		wait alone
		signal server 9
		wait server
	S
	like "$out" '^connect 80: both$' "$who: an unprivileged user's low port answers on 127.0.0.1 and ::1, asked from our side"
	is "$(grep -c '^hello$' <<<"$out")" 2 "$who: and asked from another container"
	like "$out" '^lo 127.0.0.1	localhost$' "$who: there is loopback alone, and /etc/hosts"
	like "$out" '^0	65535$' "$who: everyone may ping"
	like "$out" '^EROFS|^EACCES' "$who: /sys is read-only"
	like "$out" '^refused$' "$who: a container with a network of its own is not in it"
	is "$(ended client)" "$fine" "$who: result"
	is "$(ended server)" 'status=137 signal=9 started=1 err=-' "$who: a signal that ends the first process"
}

input_and_signals() {
	seq 50000 | everyone tee "$home/numbers" >/dev/null
	play <<-S
		start sum $(layer a) --input $home/numbers -- md5sum
		wait sum
		start empty $(layer a) -- wc -c
		wait empty
		start trap $(layer a) -- sh -c 'trap "echo got term; exit 5" TERM; touch /tmp/up; while :; do sleep 0.1; done'
		until trap /tmp/up
		signal trap 15
		wait trap
		start none $(layer a) -- nosuch
		wait none
		start deaf $(layer a) -- sh -c 'touch /tmp/up; while :; do sleep 0.1; done'
		until deaf /tmp/up
		signal deaf 15
		signal deaf 1
		exists deaf /tmp/up
		kill deaf
		wait deaf
	S
	like "$out" "^$(md5sum <"$home/numbers")\$" "$who: standard input as given"
	is "$(ended sum)" "$fine" "$who: and its result"
	like "$out" '^0$' "$who: none is the null device"
	like "$out" '^got term$' "$who: a signal reaches the first process"
	is "$(ended trap)" 'status=5 signal=0 started=1 err=-' "$who: which ends as it likes"
	is "$(ended none)" 'status=127 signal=0 started=0 err=exec: "nosuch": not found in PATH' "$who: a command that did not run was not started"
	is "$(ended deaf)" 'status=137 signal=9 started=1 err=-' "$who: as PID 1 it is deaf to what it does not handle, but for the last"
}

files() {
	everyone mkdir -p "$home/mounted"
	everyone touch "$home/mounted/in-mount"
	play <<-S
		start app $(layer a) --bind $home/mounted:/mnt/here --tmpfs 100000:/scratch -- sh -c 'mkdir /tmp/d; touch /tmp/d/f /scratch/s; ln -s /tmp/d /tmp/link; ln -s /nowhere /tmp/dangling; ln -s $home/secret /tmp/out; chmod 0 /tmp/d; touch /tmp/up; sleep 1000'
		exists app /tmp/never
		until app /tmp/up
		exists app /tmp/d/f
		exists app /tmp/link/f
		exists app tmp/d/f
		exists app /../../tmp/up
		exists app /tmp/dangling
		exists app /tmp/out
		exists app $home/secret
		exists app /tmp/up/not-a-directory
		exists app /mnt/here/in-mount
		exists app /scratch/s
		exists app /proc/1/status
		exists app /etc/resolv.conf
		kill app
		wait app
		exists app /tmp/up
	S
	is "$(grep '^exists' <<<"$out" | sed 's/.*: //' | tr '\n' ' ')" '0 1 1 1 1 0 0 0 0 1 1 1 1 -3 ' "$who: what is there, and what is not"
}

joins() {
	play <<-S
		netns
		start app $(layer a) --net join --hostname box --user app --env ITS=own -- sleep 1000
		start early --join app -- hostname
		wait early
		start who --join app --user app --env A=b -- sh -c 'id; hostname; echo \$A-\$ITS-\$HOME-\$PATH; umask; pwd; [ "\$(cut -d" " -f6 /proc/self/stat)" = \$\$ ] && echo leader; cut -d" " -f7 /proc/self/stat; cat /proc/self/status | grep -E "^(Cap|Seccomp:|NoNew)" | tr -s "\\\\t\\\\n" " "; ulimit -n'
		wait who
		start new $(layer b) --net join --hostname box --user app --env A=b -- sh -c 'id; hostname; echo \$A-\$ITS-\$HOME-\$PATH; umask; pwd; [ "\$(cut -d" " -f6 /proc/self/stat)" = \$\$ ] && echo leader; cut -d" " -f7 /proc/self/stat; cat /proc/self/status | grep -E "^(Cap|Seccomp:|NoNew)" | tr -s "\\\\t\\\\n" " "; ulimit -n'
		wait new
		say -
		start space --join app --user app --cwd /made/here -- sh -c 'for n in mnt pid net ipc uts cgroup user; do [ "\$(readlink /proc/1/ns/\$n)" = "\$(readlink /proc/self/ns/\$n)" ] || echo differs in \$n; done; pwd; stat -c %a:%u /made/here; ps | grep -c "sleep 100[0]"; ls -di / /proc/1/root/ | sed "s/^ *//" | cut -d" " -f1 | sort -u | wc -l; exit 9'
		wait space
		start fds --join app -- poke fds
		wait fds
		start root --join app -- poke status CapEff
		wait root
		start in --join app --input $home/secret -- cat
		wait in
		start nosuch --join app -- nosuch
		wait nosuch
		start notexec --join app -- /etc/passwd
		wait notexec
		start ghost --join app --user ghost -- true
		wait ghost
		start add --join app -- sh -c 'echo ghost:x:77:88::/ghost: >>/etc/passwd'
		wait add
		start ghost2 --join app --user ghost -- sh -c 'id -u; id -g; echo \$HOME'
		wait ghost2
		start cwd --join app --cwd /etc/passwd -- true
		wait cwd
		start chain --join who -- true
		wait chain
		start term --join app -- sh -c 'trap "exit 6" TERM; touch /tmp/term; while :; do sleep 0.1; done'
		until app /tmp/term
		signal term 15
		wait term
		start group --join app -- sh -c 'sleep 2222 & sleep 2222 & touch /tmp/group; wait'
		until group /tmp/group
		kill group
		wait group
		start check --join app -- sh -c 'for i in \$(seq 100); do ps | grep -q "sleep 222[2]" || break; sleep 0.05; done; ps | grep -c "sleep 222[2]"; ps | grep -c "sleep 100[0]"; exit 0'
		wait check
		start left --join app -- sleep 3333
		start left2 --join app -- sh -c 'touch /tmp/left; sleep 3333 & sleep 3333'
		until app /tmp/left
		kill app
		wait app
		wait left
		wait left2
		start late --join app -- true
		wait late
	S
	is "$(head -n 1 <<<"$out") $(ended early)" "box $fine" "$who: a command that joins before the container is up waits for it"
	is "$(sed -n '/^early/,/^who:/p' <<<"$out" | sed '1d;$d')" "$(sed -n '/^who:/,/^new:/p' <<<"$out" | sed '1d;$d')" \
		"$who: user, groups, environment, limits, privileges and filter are as a container's first process has them"
	is "$(sed -n '/^early/,/^who:/p' <<<"$out" | sed -n 2,4p)" \
		$'uid=1000(app) gid=1000(app) groups=1000(app),1001(extra)\nbox\nb--/home/app-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
		"$who: its own environment, not the container's"
	is "$(sed -n '/^-$/,/^space/p' <<<"$out" | sed '1d;$d' | tr '\n' ' ')" '/made/here 755:0 1 1 ' "$who: all namespaces, the root, and a cwd that is made"
	is "$(ended space)" 'status=9 signal=0 started=1 err=-' "$who: its own exit status"
	is "$(sed -n '/^space/,/^fds:/p' <<<"$out" | sed -n 2p)" '0 1 2 ' "$who: three descriptors, no more"
	like "$out" 'CapEff:.00000000a80425fb' "$who: root has docker's capabilities"
	is "$(sed -n '/^root:/,/^in:/p' <<<"$out" | sed -n 2p)" "$secret" "$who: standard input"
	is "$(ended nosuch)" 'status=127 signal=0 started=0 err=exec: "nosuch": not found in PATH' "$who: 127"
	is "$(ended notexec)" 'status=126 signal=0 started=0 err=exec: "/etc/passwd": Permission denied' "$who: 126"
	like "$(ended ghost)" 'status=125 .*started=0 err=unable to find user "ghost"' "$who: an unknown user"
	is "$(sed -n '/^add:/,/^ghost2:/p' <<<"$out" | sed '1d;$d' | tr '\n' ' ')" '77 88 /ghost ' "$who: users are the container's own of now"
	like "$(ended cwd)" 'err=the working directory /etc/passwd is not a directory' "$who: cwd is a file"
	like "$(ended chain)" 'started=0 err=the container to enter is not running' "$who: a command that is over is no container"
	is "$(ended term)" 'status=6 signal=0 started=1 err=-' "$who: a signal reaches the command"
	is "$(ended group)" 'status=137 signal=9 started=1 err=-' "$who: kill"
	is "$(sed -n '/^group:/,/^check:/p' <<<"$out" | sed '1d;$d' | tr '\n' ' ')" '0 1 ' "$who: takes its group along, and not the container"
	is "$(for n in app left left2; do ended $n; done | sort | uniq -c | tr -s ' ')" ' 3 status=137 signal=9 started=1 err=-' \
		"$who: what has joined ends with the container"
	is "$(ended late)" 'status=125 signal=0 started=0 err=the container to enter is not running' "$who: which then cannot be joined"
}

# From inside, against who enters. Not with the host's network: there Landlock keeps them apart as well.
lurkers() {
	local dots=../../../../../../../../../../.. n leaked=0
	{
		echo "start app $(layer a) --net none -- sh -c 'lurk $home/secret /tmp/end >/tmp/got & lurk $home/secret /tmp/end >/tmp/got2 & touch /tmp/up; wait; sort -u /tmp/got /tmp/got2; exit 4'"
		echo 'until app /tmp/up'
		for n in $(seq 12); do
			printf 'start j%s --join app --user %s -- sleep 0.1\nwait j%s\n' "$n" "$((n % 2 * 1000))" "$n"
		done
		echo "start end --join app -- touch /tmp/end"
		echo 'wait app'
	} >lurkers
	play <lurkers
	is "$(grep -c "^j.*$fine" <<<"$out")" 12 "$who: joins are not held up by who lies in wait for them"
	like "$out" '^seen [1-9]' "$who: who sees their processes"
	is "$(grep -E '^(program|the host|traced)' <<<"$out")" '' "$who: and gets nothing of ours"
	# Who traces a process keeps it from its parent, even when it has ended.
	play <<-S
		start app $(layer a) --net none -- sh -c 'touch /tmp/up; exec lurk /x /tmp/end hold'
		until app /tmp/up
		start j --join app -- sh -c 'until [ -e /tmp/held ]; do :; done'
		start k --join app --input $home/secret -- sh -c 'until [ -e /tmp/held ]; do :; done; cat'
		until app /tmp/held
		wait k
		start other $(layer b) -- true
		wait other
		kill app
		wait app
		wait j
	S
	is "$(head -n 2 <<<"$out")$(ended other)" "$secret"$'\n'"k: $fine$fine" "$who: a traced command holds up nobody else"
	like "$(ended j)" '^status=(0|137) ' "$who: and ends with its container at last"
	# A directory whose links name descriptors of whoever opens them.
	for n in $(seq 3 20); do
		everyone sh -c 'rm -rf "$1/evil"; mkdir "$1/evil"; for f in null zero tty full random urandom; do ln -s "/proc/self/fd/$2/'$dots'$1/secret" "$1/evil/$f"; done' sh "$home" "$n"
		play <<-S
			start app $(layer a) --bind-ro $home/evil:/dev --cwd /tmp -- sh -c 'ln -s /proc/self/fd/$n /tmp/cwd; ln -s /proc/self/fd/$n/$dots$home/secret /etc/x; touch /tmp/up; sleep 1000'
			until app /tmp/up
			start j --join app -- cat
			wait j
			start k --join app --input $home/numbers --cwd /tmp/cwd -- sh -c 'cat secret ..$home/secret'
			wait k
			exists app /tmp/cwd/$dots$home/secret
			start l --join app --input $home/numbers -- cat /etc/x
			wait l
			kill app
			wait app
		S
		grep -q "$secret" <<<"$all" && leaked=$n
		grep -q '^exists.*: 1' <<<"$all" && leaked=$n
		grep -q "^j: status=125 .*err=the container's /dev/null is not the null device" <<<"$out" || leaked="$n, $out"
	done
	is "$leaked" 0 "$who: neither standard input nor the working directory comes from where the container says"
	everyone sh -c 'rm -rf "$1/evil"; mkdir "$1/evil"; mkfifo "$1/evil/null"' sh "$home"
	play <<-S
		start app $(layer a) --bind-ro $home/evil:/dev -- sh -c 'touch /tmp/up; sleep 1000'
		until app /tmp/up
		start j --join app -- cat
		wait j
		start odd --join app --input $home/numbers -- sh -c 'rm /etc/passwd; mkfifo /etc/passwd; rm /etc/group; mkfifo /etc/group'
		wait odd
		start k --join app --input $home/numbers --user 5 -- true
		wait k
	S
	like "$(ended j)" "err=the container's /dev/null is not the null device" "$who: a pipe for a null device holds nobody up"
	is "$(ended k)" "$fine" "$who: nor do odd passwd and group files"
}

observed() {
	local log=$home/log victim calls
	rm -f "$home"/log*
	play <<-S
		start app $(layer a) --observe $log -- sh -c 'cat /etc/passwd >/dev/null; trap "cat /etc/resolv.conf >/dev/null; exit 0" TERM; touch /tmp/up; while :; do sleep 0.1; done'
		mark app start
		until app /tmp/up
		mark app serve
		start j --join app --observe $log-j -- sh -c 'cat /etc/group /nosuch; until [ -e /tmp/marked ]; do sleep 0.1; done'
		mark j 'test one'
		start marked --join app -- touch /tmp/marked
		wait marked
		wait j
		start plain --join app -- cat /etc/hosts
		wait plain
		mark app stop
		signal app 15
		wait app
		start app2 $(layer c) --net none -- sh -c 'touch /tmp/up; sleep 1000'
		start daemon --join app2 --observe $log-daemon -- sh -c '(until [ -e /tmp/go ]; do sleep 0.1; done; cat /etc/group >/dev/null) & exit 3'
		command daemon
		start go --join app2 --observe $log-go -- touch /tmp/go
		wait go
		command go
		wait daemon
		start nodaemon --join app2 --observe $log-no -- nosuch
		command nodaemon
		kill app2
		wait app2
		start caps $(layer b) --net none --observe $log-caps -- sh -c 'touch /tmp/f; chown 1 /tmp/f; httpd -p 81; killall httpd'
		wait caps
		start none $(layer b) --observe $log-none -- nosuch
		wait none
		start setup $(layer b) --observe $log-setup --user ghost -- true
		wait setup
		start insecure $(layer b) --observe $log-insecure --insecure -- true
		wait insecure
	S
	is "$(ended app)" "$fine" "$who: an observed step"
	is "$(head -n 1 "$log")" 'whittle-observation 1' "$who: its log begins"
	like "$(tail -n 1 "$log")" '^E	[1-9][0-9]*	0$' "$who: and ends: nothing is lost"
	is "$(grep '^M' "$log" | cut -f2 | tr '\n' ' ')" 'start serve stop ' "$who: marks in order"
	like "$(sed '/^M	serve/,$d' "$log")" '^A	r	[0-9]+	/etc/passwd$' "$who: what was read before the second mark stands before it"
	like "$(sed '1,/^M	stop/d' "$log")" '^A	r	[0-9]+	/etc/resolv.conf$' "$who: what was read last is told too"
	is "$(grep '^V	1	' "$log" | cut -f3,4 | sed 's/\(.\)	\(.........\).*/\1 \2/' | tr '\t\n' ' ,')" '0 sh,1 -c,2 cat\x20/e,' "$who: the first process's words"
	calls=$(awk -F'\t' '$1 == "M" { m = $2 } $1 == "S" { print m, $2, $3 }' "$log")
	like "$calls" '^start 1 wait4$' "$who: a system call"
	is "$(sort <<<"$calls" | uniq -d)" '' "$who: each once for a mark and a process"
	unlike "$(cat "$log")" '^S	[0-9]+	(read|write|close)$' "$who: but none of those that are assumed"
	like "$(cat "$log-caps")" '^C	[0-9]+	CAP_CHOWN$' "$who: a capability"
	like "$(cat "$log-caps")" '^C	[0-9]+	CAP_NET_BIND_SERVICE$' "$who: another"
	like "$(cat "$log-caps")" '^L	[0-9]+	tcp	(::|0\.0\.0\.0)	81$' "$who: a port"
	is "$(sed -n 's/^C	[0-9]*	//p' "$log-caps" | sort -u | tr '\n' ' ')" 'CAP_CHOWN CAP_NET_BIND_SERVICE ' "$who: and no other capability"
	unlike "$(cat "$log")" '/etc/group|/etc/hosts' "$who: what joins is not in its log"
	like "$(cat "$log-j")" '^A	r	[0-9]+	/etc/group$' "$who: but in one of its own"
	like "$(cat "$log-j")" '^N	[a-z]+	[0-9]+	/nosuch$' "$who: with what it missed"
	like "$(cat "$log-j")" '^M	test.x20one$' "$who: and its mark"
	like "$(tail -n 1 "$log-j")" '^E	[1-9][0-9]*	0$' "$who: complete"
	like "$out" '^daemon: 3$' "$who: an observed command's own end is told before that of what it left"
	like "$out" '^daemon: status=3 signal=0 started=1 err=-' "$who: its result, when all of that has ended"
	like "$(cat "$log-daemon")" '^A	r	[0-9]+	/etc/group$' "$who: and is in the log"
	is "$(grep -E '^(go|nodaemon): -?[0-9]' <<<"$out" | tr '\n' ' ')" 'go: 0 over nodaemon: -1 over ' "$who: it is told at any rate, but not of what never ran"
	like "$(ended none)" '^status=127 .*err=exec: "nosuch"' "$who: observed, a missing program is told as ever"
	like "$(ended setup)" '^status=125 .*err=unable to find user' "$who: and so is a setup that fails"
	like "$(ended insecure)" 'an insecure step cannot be observed' "$who: insecure steps are never observed"
	# kill -9 of the observer, in the middle
	everyone sh -c 'cat >"$1"' sh "$home/script" <<-S
		start app $(layer a) --observe $home/log-killed --output $home/noise -- sh -c 'touch /tmp/up; while :; do cat /etc/passwd >/dev/null; done'
		until app /tmp/up
		say up
		wait app
	S
	rm -f "$T/killed.out"
	WHITTLE_TEST_MARK=$name everyone "$driver" --script "$home/script" >"$T/killed.out" 2>&1 &
	job=$!
	for _ in $(seq 600); do grep -qs ^up "$T/killed.out" && break; sleep 0.05; done
	victim=
	for p in /proc/[0-9]*; do
		[ "$(cat "$p/comm" 2>/dev/null)" = whittle-observe ] && grep -qzx "WHITTLE_TEST_MARK=$name" "$p/environ" && victim=${p#/proc/}
	done
	ok "$who: there is an observer" kill -9 "${victim:-none}"
	[ -n "$victim" ] || kill -9 $job
	wait $job
	like "$(cat "$T/killed.out")" '^app: status=137 signal=9 started=1 err=the observer died \(status 137\)' "$who: without it the step is killed, and that is told"
	unlike "$(tail -n 1 "$home/log-killed")" '^E' "$who: its log has no end"
}

# An application that is started again: the same writable layer, after the first has ended.
again() {
	play <<-S
		start one $(layer a) --observe $home/log-one -- sh -c 'echo first >/state; mkdir /data; echo x >/data/x; rm /etc/group'
		wait one
		start two $(same a) --observe $home/log-two -- sh -c 'cat /state /data/x; [ -e /etc/group ] || echo gone; echo second >/state; sync'
		wait two
		start three $(same a) -- cat /state
		wait three
		start four $(same a) -- sh -c 'touch /tmp/up; sleep 1000'
		until four /tmp/up
		kill four
		wait four
		start five $(same a) -- cat /state
		wait five
	S
	is "$(grep -v : <<<"$out" | tr '\n' ' ')" 'first x gone second second ' "$who: a second step on the same root sees what the first left"
	is "$(grep -c "$fine" <<<"$out")" 4 "$who: and runs"
	is "$(cd "$home/a/up" && find . -mindepth 1 | sort | tr '\n' ' ')" './data ./data/x ./etc ./etc/group ./state ./tmp ./tmp/up ' "$who: nothing of ours shows in the layer"
}

helper() {
	everyone mkdir -p "$home/ctl"
	play <<-S
		control $home/ctl
		start app $(layer a) --hostname application -- sh -c 'echo in-app >/tmp/f; touch /tmp/up; sleep 1000'
		until app /tmp/up
		start driver $(layer b) --hostname driver --bind $home/ctl:/run/whittle -- sh -c 'A=/run/whittle/app; echo to-stdin | \$A exec -u app -w /tmp -e K=V sh -c "cat f; hostname; id -u; pwd; echo \\\$K; cat; echo err >&2; exit 7" 2>/tmp/err; echo status \$?; cat /tmp/err; \$A exec nosuch 2>&1; echo status \$?; \$A logs; \$A kill HUP; \$A restart now 2>&1; echo status \$?; \$A bogus 2>&1; echo status \$?; \$A; echo status \$?; \$A help | head -n 1; cp \$A /tmp/other; /tmp/other logs; exit 0'
		serve app
		serve app
		serve app
		serve app
		serve app
		serve app
		serve app
		wait driver
		kill app
		wait app
		start far $(layer c) --bind $home/ctl/app:/bin/app -- sh -c 'app logs; echo status \$?'
		wait far
	S
	is "$(sed -n '2,8p' <<<"$out")" $'in-app\napplication\n1000\n/tmp\nV\nto-stdin\nstatus 7' "$who: the helper runs a command in the application's container, with its own input and output"
	is "$(sed -n '1p' <<<"$out")" 'asked: 1 app /tmp {K=V} [sh] [-c] [cat f; hostname; id -u; pwd; echo $K; cat; echo err >&2; exit 7]' "$who: as it was asked to"
	is "$(sed -n '9p' <<<"$out")" 'err' "$who: and standard error apart from it"
	is "$(grep -A1 '^exec: "nosuch"' <<<"$out")" $'exec: "nosuch": not found in PATH\nstatus 127' "$who: an error is told with its status"
	is "$(grep -c '^a log$' <<<"$out")" 2 "$who: logs, also from a copy elsewhere"
	like "$out" '^asked: 6 - - \[HUP\]$' "$who: kill with a signal"
	is "$(grep -A1 '^app: restart: what' <<<"$out")" $'app: restart: what is "now"?\nstatus 2' "$who: wrong usage: 2"
	is "$(grep -A1 '^app: "bogus" is no command' <<<"$out" | tail -n 1)" 'status 2' "$who: so is a verb that is none"
	is "$(ended driver)" "$fine" "$who: the driver"
	like "$all" '^app: cannot reach /run/whittle/control' "$who: with nobody there it says so"
	like "$out" '^status 125$' "$who: and ends with 125"
	like "$out" '^usage: app exec' "$who: without words it tells its usage"
}

# kill -9 of any process: nothing is left of containers, joined commands and observers.
kills() {
	local role pid inner launcher mark=96$((RANDOM % 10000 + 10000)) left
	for role in outer inner launcher; do
		everyone sh -c 'cat >"$1"' sh "$home/script" <<-S
			netns
			start a $(layer a) --net join --observe $home/log-k -- sh -c 'touch /tmp/up; sleep $mark & sleep $mark'
			until a /tmp/up
			start b $(layer b) --net join -- sleep $mark
			start j --join a --observe $home/log-k2 -- sh -c 'touch /tmp/up2; sleep $mark'
			until a /tmp/up2
			say up
			wait a
		S
		rm -f "$home/pid" "$T/kills.out"
		WHITTLE_TEST_MARK=$name everyone sh -c 'echo $$ >"$1/pid"; exec "$2" --script "$1/script"' sh "$home" "$driver" >"$T/kills.out" 2>&1 &
		job=$!
		for _ in $(seq 600); do grep -qs ^up "$T/kills.out" && break; sleep 0.05; done
		pid=$(cat "$home/pid")
		inner=$(pgrep -P "$pid" | head -n 1)
		launcher=$(pgrep -P "${inner:-0}" | head -n 1)
		case $role in inner) pid=$inner ;; launcher) pid=$launcher ;; esac
		ok "$who: containers run" pgrep -f "^sleep $mark"
		kill -9 "$pid"
		wait $job
		for _ in $(seq 200); do
			left=$(pgrep -f "^sleep $mark"; grep -lzx "WHITTLE_TEST_MARK=$name" /proc/[0-9]*/environ 2>/dev/null)
			[ -n "$left" ] || break
			sleep 0.05
		done
		is "$left" '' "$who: after kill -9 of the $role nothing is left"
	done
}

terminals() {
	# Its own terminal: of its own devpts, the session's, the user's, in the size that was asked for.
	cat >ask <<-'S'
		tty; stty size; stat -c %U:%a $(tty) /dev/console; test -t 0 && test -t 1 && test -t 2 && echo all three
		echo open anew >/dev/tty; echo console >/dev/console; read line; echo "read $line"
		trap "echo interrupted; exit 0" INT; read line; read line
	S
	everyone tee "$home/ask" <ask >/dev/null
	# shellcheck disable=SC2046
	out=$({ echo typed; sleep 1; printf '\003'; sleep 0.2; echo; } | everyone timeout -s KILL 60 "$driver" $(layer a) --bind "$home/ask:/ask" \
		--console 33x99 --user app -- sh /ask 2>&1 | tr -d '\r')
	like "$out" '^/dev/pts/0$' "$who: a terminal of the step's own"
	like "$out" '^33 99$' "$who: … of that size"
	is "$(grep -c '^app:620$' <<<"$out")" 2 "$who: … which is the user's, as /dev/console"
	like "$out" '^all three$' "$who: … for standard input, output and error"
	like "$out" '^open anew$' "$who: … and controlling"
	like "$out" '^console$' "$who: … and what /dev/console leads to"
	like "$out" '^read typed$' "$who: … gives what is typed"
	like "$out" 'interrupted$' "$who: … and the signals of its keys"
	like "$out" '^result: status=0 ' "$who: … with a result as ever"
	echo | everyone tee "$home/none" >/dev/null
	play <<-S
		start first $(layer b) -- sh -c 'until test -e /over; do sleep 0.05; done'
		start second --join first --console 12x34 --user app -- sh -c 'tty; stty size; stat -c %U \$(tty); test -t 2 && echo three'
		wait second
		start third --join first -- touch /over
		wait third
		wait first
	S
	out=$(tr -d '\r' <<<"$out")
	like "$out" $'/dev/pts/0\n12 34\napp\nthree' "$who: a joined command has one of the container's"
	is "$(ended second)" "$fine" "$who: … and ends well"
}

secret="host-secret-$$-$RANDOM"
for who in root user; do
	is_root || [ "$who" = user ] || continue
	if [ "$who" = root ]; then home=$T/r; mkdir "$home"; else home=$UT/u; everyone mkdir "$home"; fi
	on_exit "remove_tree $home"
	echo "$secret" | everyone tee "$home/secret" >/dev/null
	make_root "$home/root"
	network
	input_and_signals
	files
	joins
	lurkers
	observed
	again
	helper
	terminals
	kills
done
done_testing
