#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a RUN runs with: limits, hosts, network, security, heredocs, SHELL, USER, WORKDIR, ENV; and ONBUILD RUN with all of it.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/step-lib.sh"
base=$(test_base busybox)
mkdir "$T/ctx"

for who in root user; do
	[ $who = root ] && ! is_root && continue
	mkdir -p "$T/$who"
	[ $who = root ] || chown "$TEST_USER": "$T/$who" 2>/dev/null

	build $who --ulimit nofile=100:200 --ulimit core=0 --ulimit nproc=500 --shm-size 1m --add-host db:10.1.2.3 --add-host 'six=[fd00::1]' \
		--cgroup-parent whatever --build-arg BUILDKIT_SANDBOX_HOSTNAME=boxname <<'D'
FROM base
RUN [ "$(ulimit -Sn) $(ulimit -Hn) $(ulimit -c)" = '100 200 0' ]
RUN grep -q '^Max processes *500 ' /proc/self/limits
RUN grep -q ' /dev/shm tmpfs .*size=1024k' /proc/mounts
RUN grep -qE '^10.1.2.3[[:space:]]+db$' /etc/hosts && grep -qE '^fd00::1[[:space:]]+six$' /etc/hosts && grep -q localhost /etc/hosts
RUN [ "$(hostname)" = boxname ] && grep -q boxname /etc/hosts
RUN [ -s /etc/resolv.conf ]
D
	is "$status" 0 "$who: limits, shared memory, hosts, hostname"
	[ "$status" = 0 ] || show "$all"
	like "$all" 'cgroup-parent does nothing' "$who: --cgroup-parent is taken with a note"
	build $who --ulimit nofile=50 <<'D'
FROM base
RUN [ "$(ulimit -Sn) $(ulimit -Hn) $(ulimit -c)" = '100 200 0' ]
D
	like "$all" 'CACHED' "$who: limits are in no key"
	build $who --ulimit nofile=2000000000:2000000000 <<'D'
FROM base
RUN true above the limit
D
	is "$status" 4 "$who: a limit above our own: exit code"
	like "$err" 'ulimit nofile: set the hard limit to 2000000000' "$who: a limit above our own: the message"
	like "$err" "^hint: a step's limits cannot be above those of who builds" "$who: and why"

	build $who --network none <<'D'
FROM base
RUN --network=none [ "$(ls /sys/class/net)" = lo ]
RUN [ "$(ls /sys/class/net)" = lo ]
RUN --network=default [ "$(ls /sys/class/net)" = lo ] && ping -c 1 -w 2 127.0.0.1
D
	is "$status" 0 "$who: no network"
	build $who --allow network.host <<D
FROM base
RUN --network=host [ "\$(ls /sys/class/net 2>/dev/null | wc -l)" -ge 1 ] && [ "\$(readlink /proc/self/ns/net)" = "$(readlink /proc/self/ns/net)" ]
D
	is "$status" 0 "$who: the host's network, granted"

	build $who --allow security.insecure <<'D'
FROM base
RUN [ "$(grep CapBnd /proc/self/status)" = "$(printf 'CapBnd:\t00000000a80425fb')" ] && grep -q '^Seccomp:.*2' /proc/self/status
RUN --security=sandbox [ "$(grep CapBnd /proc/self/status)" = "$(printf 'CapBnd:\t00000000a80425fb')" ]
RUN --security=insecure [ "$(printf '%x' $(( 0x$(grep CapBnd /proc/self/status | cut -f 2) & 0x3fffffffff )))" = 3fffffffff ]
RUN --security=insecure mkdir /m && mount -t tmpfs none /m && touch /m/x && umount /m
RUN ! mount -t tmpfs none /m 2>/dev/null
D
	is "$status" 0 "$who: capabilities, with and without --security=insecure"
	[ "$status" = 0 ] || show "$all"

	build $who --build-arg A=arg -o "type=local,dest=$T/$who/out" <<'D'
FROM base
ARG A
ENV B=env
WORKDIR /w
USER 33
RUN [ "$(id -u) $PWD $A $B $HOME" = '33 /w arg env /var/www' ]
USER root
RUN ["/bin/sh", "-c", "[ \"$0 $1\" = 'x y' ]", "x", "y"]
RUN ['/bin/sh'] 2>/dev/null; [ $? = 127 ]
SHELL ["/bin/sh", "-e", "-c"]
RUN false || touch /w/shell
SHELL ["/bin/sh", "-c"]
RUN <<EOF
echo one > /w/one
echo $A >> /w/one
EOF
RUN <<-EOF
	echo "	tab" > /w/tab
	EOF
RUN <<EOF cat > /w/cat
body $B
EOF
RUN cat <<A <<'B' > /w/last; cat <<C >> /w/last
lost
A
kept $B
B
third
C
RUN cat 3<<X 4<<Y <&3 > /w/three && true
x
X
y
Y
RUN <<EOF 3<<IN1 4<<IN2 sh
cat <&3 > /w/fd3
cat <&4 > /w/fd4
EOF
in $A
IN1
in2
IN2
RUN <<EOF
#!/bin/awk -f
BEGIN { print "awk" > "/w/awk" }
EOF
RUN <<"EOF"
#!/bin/sh
echo "$0 $B" > /w/script
EOF
ONBUILD RUN --mount=type=tmpfs,target=/t --network=none <<EOF
touch /t/x
[ "$(ls /sys/class/net)" = lo ] && echo trigger > /w/trigger
EOF
D
	is "$status" 0 "$who: heredocs, SHELL, forms"
	[ "$status" = 0 ] || show "$all"
	w=$T/$who/out/w
	is "$(cat "$w/one")" $'one\narg' "$who: a heredoc is the shell's text"
	is "$(cat "$w/tab")" $'\ttab' "$who: <<- drops tabs in front of lines alone"
	is "$(cat "$w/cat")" 'body env' "$who: a heredoc as input"
	is "$(cat "$w/last")" $'kept $B\nthird' "$who: several in a line"
	is "$(cat "$w/fd3" "$w/fd4")" $'in arg\nin2' "$who: heredocs on other descriptors"
	is "$(cat "$w/three")" x "$who: one of two is read"
	is "$(cat "$w/awk")" awk "$who: #! another interpreter"
	is "$(cat "$w/script")" '/dev/pipes/EOF env' "$who: #! a file"
	ok "$who: exec form, SHELL" test -e "$w/shell"

	cp "$T/Dockerfile" "$T/parent"
	build $who --build-arg A=arg -t parent <"$T/parent"
	build $who -o "type=local,dest=$T/$who/child" <<'D'
FROM parent
D
	is "$status" 0 "$who: ONBUILD RUN with mount, network and heredoc"
	is "$(cat "$T/$who/child/w/trigger" 2>/dev/null)" trigger "$who: it ran"

	build $who <<'D'
FROM base
RUN --device=vendor.com/class=name --device=other.com/x=y,required=false true
D
	is "$status" 0 "$who: devices that a step can do without"
done

refused() { # ARG WANT [HINT]
	printf 'FROM base\n' >"$T/Dockerfile"
	run timeout 60 "$WHITTLE" build --root "$T/refused" "$1" -f "$T/Dockerfile" "$T/ctx"
	is "$status" 2 "$1: exit code"
	like "$err" "$2" "$1: the message"
	[ $# -lt 3 ] || like "$err" "$3" "$1: the hint"
}
refused --ulimit=nofile 'invalid ulimit argument: nofile'
refused --ulimit=nofil=1 'invalid ulimit type: nofil' 'did you mean nofile'
refused --ulimit=nofile=2:1 'ulimit soft limit must be less than or equal to hard limit'
refused --ulimit=nofile=-1:5 'ulimit soft limit must be less than or equal to hard limit'
refused --ulimit=nofile=x 'is no SOFT or SOFT:HARD'
refused --ulimit=nofile=1:2:3 'is no SOFT or SOFT:HARD'
done_testing
