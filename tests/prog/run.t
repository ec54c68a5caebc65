#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# whittle run: images in the sandbox, as root and as an ordinary user.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/tools/registry.sh"

busybox=$(test_base busybox) || skip_all 'no busybox base'
CLIENT=$SRC/tests/tools/port_client.py
${CC:-cc} -D_GNU_SOURCE -O1 -static -o "$T/echo_server" "$SRC/tests/tools/echo_server.c" || skip_all 'no echo server'
chmod 755 "$T/echo_server"
B=oci:$busybox
mark=$((4000000 + $$))

mine() { as "$who" "$@"; }
w() { as "$who" "$WHITTLE" run --root "$home/store" "$@"; }
# background FILE WORD…: a container whose output goes to that file; its process in $job, whittle's outer one in $outer.
background() {
	local file=$1

	shift
	rm -f "$file"
	w "$@" >"$file" 2>&1 </dev/null &
	job=$!
}
wait_line() { # FILE ERE
	local i

	for i in $(seq 200); do
		grep -qE "$2" "$1" && return
		sleep 0.05
	done
	return 1
}
# The outer process of a container with this word in its command line.
outer_of() {
	pgrep -of "^$WHITTLE run .*$1"
}
free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("", 0)); print(s.getsockname()[1])'
}

statuses() {
	local image

	run w $B true
	is "$status" 0 "$who: exit code 0"
	run w $B sh -c 'echo out; echo err >&2; exit 7'
	is "$status|$out|$err" '7|out|err' "$who: the command's exit code; output and errors apart"
	run w $B nosuch
	is "$status" 127 "$who: 127: no such command"
	like "$err" 'nosuch' "$who: … is named"
	run w $B /etc/passwd
	is "$status" 126 "$who: 126: cannot be executed"
	run w $B sh -c 'sh -c "kill -9 \$\$; :"; exit $?'
	is "$status" 137 "$who: a signal is 128 and its number"
	run w --nonsense $B true
	is "$status" 125 "$who: 125: whittle's own failure"
	run w --pull never nosuch/image true
	is "$status" 125 "$who: … an image that is not there"
	run w -d $B true
	is "$status" 125 "$who: -d is refused"
	like "$err" 'systemd-run' "$who: … with another way"
	run w --memory 1g $B true
	like "$err" 'MemoryMax' "$who: so are limits"
	run w -p 70000:80 $B true
	is "$status" 125 "$who: a port that is none"
	run w --env-file /nosuch $B true
	is "$status" 125 "$who: a file that is not there"
	run w $B printf '%s|' --rm -it 'a b' ''
	is "$out" '--rm|-it|a b||' "$who: words behind the image are the command's"
}

config() {
	mkdir -p ctx
	cat >ctx/Dockerfile <<-'D'
		FROM base
		RUN mkdir -p /data/sub /home/app && echo image >/data/file && echo deep >/data/sub/f && chown -R 1000:1000 /data && chmod 750 /data
		RUN echo app:x:1000:1000::/home/app:/bin/sh >>/etc/passwd && echo app:x:1000: >>/etc/group
		ENV A=image B=image C=image
		WORKDIR /home/app
		USER app
		VOLUME /data
		EXPOSE 80/tcp 81/udp
		ENTRYPOINT ["sh", "-c", "echo entry $0 $*"]
		CMD ["one", "two"]
	D
	run mine "$WHITTLE" build --root "$home/store" -q -t app --build-context "base=oci-layout://$busybox" ctx
	is "$status" 0 "$who: an image with a config"
	run w app
	is "$out" 'entry one two' "$who: ENTRYPOINT and CMD"
	run w app x y
	is "$out" 'entry x y' "$who: the command instead of CMD"
	run w --entrypoint id app -un
	is "$out" app "$who: another ENTRYPOINT; USER"
	run w --entrypoint '' app sh -c 'pwd; echo $HOME'
	is "$out" $'/home/app\n/home/app' "$who: no ENTRYPOINT; WORKDIR"
	run w --entrypoint sh -u 0:7 -w /made app -c 'id -u; id -g; pwd'
	is "$out" $'0\n7\n/made' "$who: --user and --workdir"
	printf '# comment\nB=file\nD=file\nFROM_HOST\n\n' | mine tee "$home/env" >/dev/null
	run mine env FROM_HOST=yes C2=host "$WHITTLE" run --root "$home/store" --env-file "$home/env" -e A=given -e C -e C2 --entrypoint sh app -c 'echo $A $B $C $C2 $D $FROM_HOST'
	is "$out" 'given file host file yes' "$who: --env and --env-file; a name that the environment lacks takes the image's away"
	run w --entrypoint sh app -c 'cat /data/file /data/sub/f; stat -c %u:%a /data; touch /data/new; grep -c " /data " /proc/mounts'
	is "$out" $'image\ndeep\n1000:750\n1' "$who: VOLUME: a mount with what the image has, its owner's"
	run w --entrypoint cat app /data/new
	isnt "$status" 0 "$who: … for one run alone"
	run w --hostname box --add-host other:10.1.2.3 --entrypoint sh app -c 'hostname; grep other /etc/hosts; echo $HOSTNAME; cat /etc/hostname'
	is "$out" $'box\n10.1.2.3\tother\nbox\nbox' "$who: names"
	run w --network none $B sh -c 'ls /sys/class/net; ulimit -n; df -k /dev/shm | tail -n 1 | tr -s " " | cut -d" " -f2' --
	like "$out" '^lo$' "$who: --network none"
	run w --network host --ulimit nofile=100:200 --shm-size 1m $B sh -c 'ulimit -n; df -k /dev/shm | tail -n 1 | tr -s " " | cut -d" " -f2'
	is "$out" $'100\n1024' "$who: --ulimit, --shm-size"
	run w --init $B sh -c 'cat /proc/1/comm; (sleep 0.1 & ); exit 3'
	is "$status|$out" '3|docker-init' "$who: --init"
	run w --platform linux/nosuch $B true
	is "$status" 125 "$who: an image of another platform that is not there"
}

mounts() {
	mine mkdir "$home/dir"
	echo host | mine tee "$home/dir/file" >/dev/null
	run w -v "$home/dir:/mnt" $B sh -c 'cat /mnt/file; stat -c %u /mnt/file; echo new >/mnt/new'
	is "$out" $'host\n0' "$who: a directory of the host; the user's files are root's"
	is "$(cat "$home/dir/new"), $(stat -c %U "$home/dir/new")" "new, $([ "$who" = root ] && echo root || echo "$TEST_USER")" "$who: … and is written to"
	run w -v "$home/dir:/mnt:ro" $B touch /mnt/x
	like "$err" 'Read-only' "$who: … or not"
	run w -v "$home/made/here:/mnt" $B true
	ok "$who: -v makes a directory" test -d "$home/made/here"
	run w --mount "type=bind,src=$home/nosuch,dst=/mnt" $B true
	is "$status" 125 "$who: --mount does not"
	run w -v "$home/dir/file:/etc/motd:ro" $B cat /etc/motd
	is "$out" host "$who: a file of the host"
	run w -v keep:/v $B sh -c 'echo kept >/v/f'
	run w --mount type=volume,src=keep,dst=/w,ro $B sh -c 'cat /w/f; touch /w/g'
	is "$out" kept "$who: a named volume stays"
	like "$err" 'Read-only' "$who: … and may be read-only"
	mine "$WHITTLE" gc --root "$home/store" --all >/dev/null 2>&1
	run w -v keep:/v $B cat /v/f
	is "$out" kept "$who: … whatever gc does"
	run mine "$WHITTLE" du --root "$home/store"
	like "$out" '^volumes +1 ' "$who: … and du tells of it"
	background holding -v keep:/v $B sh -c "echo >/v/up; sleep 1000"
	until [ -e "$home/store/volumes/keep/up" ]; do sleep 0.1; done
	run mine "$WHITTLE" rm --root "$home/store" --volume keep
	is "$status" 2 "$who: one in use is not removed"
	kill -9 "$(outer_of keep:/v)"
	wait "$job" 2>/dev/null
	for i in $(seq 50); do # its processes let go as they die
		run mine "$WHITTLE" rm --root "$home/store" --volume keep
		[ "$status" != 0 ] || break
		sleep 0.1
	done
	is "$status $out" '0 Removed: keep' "$who: … one that is not in use is"
	run mine "$WHITTLE" rm --root "$home/store" --volume keep
	like "$err" 'there is no volume "keep"' "$who: … once"
	run w -v full:/data --entrypoint cat app /data/file
	is "$out" image "$who: a new one starts with what the image has"
	run w --tmpfs /t:size=1m,mode=700 $B sh -c 'stat -c %a /t; dd if=/dev/zero of=/t/f bs=1M count=2 2>&1 | grep -o "No space.*"'
	is "$out" $'700\nNo space left on device' "$who: --tmpfs"
	run w --read-only -v rw:/v $B sh -c 'touch /v/f; touch /f'
	like "$err" "^touch: /f: Read-only" "$who: --read-only"
	unlike "$err" "/v/f" "$who: … but for volumes"
	run w -v "../x y:/a" $B true
	is "$status" 0 "$who: a relative path"
	run w -v "a/b:/a" $B true
	is "$status" 125 "$who: neither a path nor a name"
	rmdir "$T/../x y" 2>/dev/null
}

streams() {
	mine sh -c 'head -c 50000000 /dev/urandom >"$1"' sh "$home/big"
	is "$(w -i $B sha256sum <"$home/big")" "$(sha256sum <"$home/big")" "$who: 50 MB into it"
	is "$(w -i $B cat <"$home/big" | sha256sum)" "$(sha256sum <"$home/big")" "$who: … and through it"
	is "$(echo lost | w $B cat)" '' "$who: without -i there is no input"
	is "$(w $B yes 2>/dev/null | head -n 1)" y "$who: who does not read on ends it"
	is "$( (echo a; sleep 0.3; echo b) | w -i $B sh -c 'read x; echo got $x; read x; echo got $x' | tr '\n' ' ')" 'got a got b ' "$who: nothing is held back"
	run w -i -t $B true </dev/null
	is "$status" 125 "$who: -t with -i wants a terminal"
}

signals() {
	local sig

	for sig in TERM HUP USR1 INT; do
		background sig $B sh -c "trap 'echo caught; exit 42' $sig; echo up $mark; while :; do sleep 0.05; done"
		wait_line sig "^up"
		kill -"$sig" "$(outer_of "up $mark")"
		wait $job
		is "$?, $(tail -n 1 sig)" '42, caught' "$who: SIG$sig reaches the command, whose exit code counts"
	done
	background sig --stop-signal QUIT $B sh -c "trap 'echo quit; exit 0' QUIT; echo up $mark; while :; do sleep 0.05; done"
	wait_line sig "^up"
	kill -TERM "$(outer_of "up $mark")"
	wait $job
	is "$(tail -n 1 sig)" quit "$who: --stop-signal"
	background sig --stop-timeout 1 $B sh -c "trap '' TERM; echo up $mark; while :; do sleep 0.05; done"
	wait_line sig "^up"
	kill -TERM "$(outer_of "up $mark")"
	wait $job
	is "$?" 137 "$who: who does not stop is killed"
	background sig -p 127.0.0.1::80 $B sh -c "echo up; sleep $mark"
	wait_line sig "^up"
	kill -KILL "$(outer_of "sleep $mark")"
	wait $job 2>/dev/null
	for _ in $(seq 100); do
		[ -n "$(pgrep -f "sleep $mark")" ] || break
		sleep 0.05
	done
	is "$(pgrep -f "sleep $mark")" '' "$who: kill -9 of whittle leaves nothing"
}

terminal() {
	local keys=$T/keys typed=$T/typed

	rm -f "$keys"
	mkfifo "$keys"
	# shellcheck disable=SC2016
	(exec 3<>"$keys"; mine script -qec "stty rows 33 cols 77; $WHITTLE run --root $home/store -it $B sh -c 'tty; stty size; trap \"echo interrupted\" INT; echo ready; read a; read a; echo got \$a; exit 9'; echo status \$?; stty -a" /dev/null <&3 >"$typed" 2>&1) &
	job=$!
	wait_line "$typed" '^ready'
	printf '\003' >"$keys"
	wait_line "$typed" 'interrupted'
	printf 'word\n\nword\n' >"$keys"
	wait $job
	out=$(tr -d '\r' <"$typed")
	like "$out" '^/dev/pts/0$' "$who: -t is a terminal"
	like "$out" '^33 77$' "$who: … of the user's size"
	like "$out" 'interrupted$' "$who: … where Ctrl-C is the command's"
	like "$out" '^status 9$' "$who: … whose exit code counts"
	like "$out" '(^| )echo( |$)' "$who: … and the user's is as it was"
	is "$(w -t $B sh -c 'test -t 1 && echo $TERM' | tr -d '\r')" xterm "$who: -t without -i, into a pipe"
}

resizes() {
	local s=(tmux -L "whittle-run-$$" -f /dev/null)

	command -v tmux >/dev/null || { pass "$who: no tmux"; return; }
	"${s[@]}" new-session -d -x 80 -y 20 "$(declare -p who home WHITTLE B >/dev/null 2>&1)exec $WHITTLE run --root $home/store -it $B sh -c 'trap \"stty size\" WINCH; while :; do sleep 0.1; done'"
	on_exit "tmux -L whittle-run-$$ kill-server 2>/dev/null"
	sleep 1
	"${s[@]}" resize-window -x 61 -y 17
	for _ in $(seq 60); do
		"${s[@]}" capture-pane -p | grep -q '^17 61' && break
		sleep 0.1
	done
	like "$("${s[@]}" capture-pane -p)" '^17 61' "$who: a change of size is handed on"
	"${s[@]}" kill-server
}

ports() {
	local p u six

	p=$(free_port)
	background port -v "$T/echo_server:/echo:ro" -p "$p:7000" -p 127.0.0.1::7001/udp -p "[::1]::7002" -p 7009 $B \
		sh -c '/echo udp 0.0.0.0 7001 & /echo tcp ::1 7002 & /echo tcp 0.0.0.0 7000'
	wait_line port '^listening' || fail "$who: the servers are up" "$(cat port)"
	sleep 0.3
	u=$(sed -n 's/.*port 7001.udp is port \([0-9]*\) .*/\1/p' port)
	six=$(sed -n 's/.*port 7002.tcp is port \([0-9]*\) .*/\1/p' port)
	is "$(python3 "$CLIENT" big 127.0.0.1 "$p")" same "$who: TCP: 20 MB there and back, with half-close"
	is "$(python3 "$CLIENT" big ::1 "$p")" same "$who: … by IPv6"
	is "$(python3 "$CLIENT" many 127.0.0.1 "$p")" 200 "$who: 200 connections at once"
	is "$(python3 "$CLIENT" udp 127.0.0.1 "$u")" 15 "$who: UDP at a free port, five clients"
	is "$(python3 "$CLIENT" big ::1 "$six")" same "$who: who listens on ::1 alone is reached, too"
	is "$(python3 "$CLIENT" refused 127.0.0.1 "$(sed -n 's/.*port 7009.tcp is port \([0-9]*\) .*/\1/p' port)")" reset "$who: nobody listens inside: a reset"
	run w -p "$p:80" $B echo ran
	is "$status|$out" '125|' "$who: a port that is taken: nothing is started"
	like "$err" "port $p/tcp of this host is taken" "$who: … and it is said"
	run w --network none -p 80 $B true
	is "$status" 125 "$who: no ports without a network"
	kill "$(outer_of "$p:7000")"
	wait $job
	nok "$who: they end with it" python3 "$CLIENT" refused 127.0.0.1 "$p"
	background port -P --entrypoint sleep app 100
	wait_line port '^whittle: port 81'
	is "$(grep -c '^whittle: port 8[01]/' port)" 2 "$who: -P: what the image exposes"
	kill -KILL "$(outer_of ' -P ')"
	wait $job 2>/dev/null
}

# The leader of its session alone hears of it, and that is whittle here; PID 1 of the container does not mind.
hang_up() {
	local kind

	cat >hang-up.py <<'E'
import os, pty, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
seen = b""
while b"up\r\n" not in seen:
    seen += os.read(fd, 4096)
os.close(fd)
for _ in range(150):
    if os.waitpid(pid, os.WNOHANG)[0]:
        sys.exit(0)
    time.sleep(0.1)
os.kill(pid, 9)
sys.exit("it goes on")
E
	chmod 644 hang-up.py
	for kind in -it -i --rm; do
		ok "$who: run $kind: the terminal goes away" mine python3 hang-up.py "$WHITTLE" run $kind --stop-timeout 1 --root "$home/store" $B sh -c "echo up; sleep ${mark}9"
	done
}

registry() {
	command -v docker-registry >/dev/null || { pass "$who: no registry"; return; }
	[ -n "${REGISTRY:-}" ] || { registry_start "$T/registry" && on_exit "server_stop $REGISTRY_PID"; } || { fail 'a registry'; return; }
	[ "$who" = user ] || mine "$WHITTLE" push --root "$home/store" app "$REGISTRY/app:1" >/dev/null 2>&1
	mine mkdir "$home/empty"
	run mine "$WHITTLE" run --root "$home/empty" "$REGISTRY/app:1" a
	is "$status|$out" '0|entry a' "$who: a missing image is pulled"
	run mine "$WHITTLE" run --root "$home/empty" --pull never "$REGISTRY/app:1" b
	is "$out" 'entry b' "$who: … and then there"
	run mine "$WHITTLE" run --root "$home/empty" --pull always "$REGISTRY/app:1" c
	is "$out" 'entry c' "$who: --pull always"
}

foreign() {
	local arm

	arm=$(test_base busybox-arm64 2>/dev/null) || { pass "$who: no base of another machine"; return; }
	run w "oci:$arm" uname -m
	if [ "$status" = 0 ]; then
		is "$out" aarch64 "$who: another machine's image, emulated"
	else
		is "$status" 125 "$who: another machine's image cannot be run here"
		like "$err" 'arm64' "$who: … and it is said why"
	fi
}

# A server of Debian's, and what PRUNE leaves of it: made once, by root, for both.
make_servers() {
	local debian

	debian=$(test_base debian) || return 1
	mkdir -p servers
	cat >servers/Dockerfile <<-'D'
		FROM debian AS app
		RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends nginx-light redis-server redis-tools >/dev/null
		RUN echo 'pid /tmp/pid; error_log /dev/stderr; events {} http { access_log off; server { listen 8080; root /srv; } }' >/etc/nginx/nginx.conf && \
		    echo served >/srv/index.html && sed -i 's/^user.*//' /etc/nginx/nginx.conf
		FROM base AS tests
		FROM app AS hardened
		STOPSIGNAL SIGQUIT
		ENTRYPOINT ["nginx", "-g", "daemon off;"]
		PROFILE --from=tests --ready=tcp:8080 ["wget", "-qO-", "http://127.0.0.1:8080/index.html"]
		PRUNE
	D
	run "$WHITTLE" build --root "$T/servers-store" -q --build-context "debian=oci-layout://$debian" --build-context "base=oci-layout://$busybox" \
		--target app -o "type=oci,dest=$T/app.oci,tar=false" servers
	[ "$status" = 0 ] && run "$WHITTLE" build --root "$T/servers-store" -q --build-context "debian=oci-layout://$debian" \
		--build-context "base=oci-layout://$busybox" -o "type=oci,dest=$T/hardened.oci,tar=false" servers
	is "$status" 0 'nginx and redis, and a pruned nginx' || echo "$err" | sed 's/^/# /' | tail -n 30
	chmod -R a+rX "$T/app.oci" "$T/hardened.oci"
}

served() { # PORT
	curl -sf --retry 50 --retry-connrefused --retry-all-errors --retry-delay 0 --retry-max-time 20 "http://localhost:$1/"
}

servers() {
	local p q

	p=$(free_port)
	background server -p "$p:8080" "oci:$T/app.oci" nginx -g 'daemon off;'
	is "$(served "$p")" served "$who: nginx is served to the host"
	kill "$(outer_of "$p:8080")"
	wait $job
	is "$?" 0 "$who: … and stops"
	p=$(free_port)
	background server --read-only --tmpfs /tmp --tmpfs /var/lib/nginx -p "$p:8080" "oci:$T/hardened.oci"
	is "$(served "$p")" served "$who: so is the pruned one, read-only"
	kill "$(outer_of "$p:8080")"
	wait $job
	is "$?" 0 "$who: … and stops by its STOPSIGNAL"
	run w --entrypoint sh "oci:$T/hardened.oci" -c true
	is "$status" 127 "$who: … and has no shell"
	q=$(free_port)
	background server -v "redis-$who:/data" -w /data -p "127.0.0.1:$q:6379" "oci:$T/app.oci" redis-server --protected-mode no --save '' --appendonly yes
	wait_line server 'Ready to accept'
	is "$(w --network host "oci:$T/app.oci" redis-cli -p "$q" set key value 2>&1)" OK "$who: redis, with redis-cli from outside"
	kill "$(outer_of "127.0.0.1:$q:6379")"
	wait $job
	background server -v "redis-$who:/data" -w /data -p "127.0.0.1:$q:6379" "oci:$T/app.oci" redis-server --protected-mode no --save '' --appendonly yes
	wait_line server 'Ready to accept'
	is "$(w --network host "oci:$T/app.oci" redis-cli -p "$q" get key 2>&1)" value "$who: … whose volume has it the next time"
	kill "$(outer_of "127.0.0.1:$q:6379")"
	wait $job
}

have_servers=
if is_root && make_servers; then have_servers=1; fi
for who in root user; do
	is_root || [ "$who" = user ] || continue
	if [ "$who" = root ]; then home=$T/r; mkdir "$home"; else home=$UT/u; mine mkdir "$home"; fi
	statuses
	config
	mounts
	streams
	signals
	terminal
	[ "$who" = user ] && is_root || resizes
	ports
	registry
	hang_up
	foreign
	[ -z "$have_servers" ] || servers
done
done_testing
