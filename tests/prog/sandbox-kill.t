#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# kill -9 of each process of the sandbox, in the middle of a step and at its start: no process, no mount, no network helper
# stays, as root and as an ordinary user.
built=${WHITTLE:-}
. "$(dirname "$0")/lib.sh"
driver=${SANDBOX_DRIVER:-$(dirname "${built:-$SRC/build/whittle}")/tests/prog/sandbox-driver}
[ -x "$driver" ] || { echo "Bail out! no $driver"; exit 1; }
# Under a name of its own, so that what is left of it can be told from all else on the machine.
name=whsbx$$
mkdir -p "$T/bin"
install -m 755 "$driver" "$T/bin/$name"
driver=$T/bin/$name
mark=97$((RANDOM % 10000 + 10000))
echo "$mark" >in-cmdline
echo "WHITTLE_TEST_MARK=$mark" >in-environ

everyone() {
	if [ "$who" = root ]; then "$@"; else as_user "$@"; fi
}
make_dirs() {
	everyone sh -ec '
		mkdir -p "$1/root/bin" "$1/up" "$1/up-work" "$1/up-stubs"
		cp /bin/busybox "$1/root/bin/"
		for a in sh sleep; do ln -sf busybox "$1/root/bin/$a"; done' sh "$home"
}

# Our processes: by the environment, which network helpers inherit; by the program; and steps by their argument. The patterns
# stand in files: on the command line grep would find itself.
ours() {
	grep -lzxf in-environ /proc/[0-9]*/environ 2>/dev/null
	# shellcheck disable=SC2012
	ls -l /proc/[0-9]*/exe 2>/dev/null | grep -- "/$name\( \|\$\)"
	grep -lzxf in-cmdline /proc/[0-9]*/cmdline 2>/dev/null
}
mounts_of() {
	# in the host's own namespace, and in whatever namespace a process still holds
	grep -h -- "$home/" /proc/[0-9]*/mountinfo 2>/dev/null | sort -u
}
gone() { # within 5 s
	local _
	for _ in $(seq 100); do
		[ -z "$(ours)" ] && [ -z "$(mounts_of)" ] && return 0
		sleep 0.05
	done
	ours
	mounts_of
	return 1
}
pid_of() { # ROLE, from the tree below the driver's outer process
	local outer=$1 inner launcher
	inner=$(pgrep -P "$outer" | head -n 1)
	launcher=$(pgrep -P "${inner:-0}" | head -n 1)
	case $2 in
	outer) echo "$outer" ;;
	inner) echo "$inner" ;;
	launcher) echo "$launcher" ;;
	step) pgrep -P "${launcher:-0}" -f "$mark" | head -n 1 ;;
	network) pgrep -P "${launcher:-0}" -f 'netns' | head -n 1 ;;
	esac
}
spawn() { # OPTION…: sets $outer
	# The job may be a shell around it, so the outer process tells its own number.
	rm -f "$home/pid"
	WHITTLE_TEST_MARK=$mark everyone sh -c 'echo $$ >"$1/pid.new"; mv "$1/pid.new" "$1/pid"; shift; exec "$@"' sh "$home" \
		"$driver" --lower "$home/root" --upper "$home/up" --work "$home/up-work" --stubs "$home/up-stubs" "$@" \
		-- sh -c "sleep $mark & sleep $mark & exec sleep $mark" >"$T/log" 2>&1 </dev/null &
	job=$!
	until [ -e "$home/pid" ]; do sleep 0.005; done
	outer=$(cat "$home/pid")
}
running() {
	local _
	for _ in $(seq 200); do
		[ "$(pgrep -cf "^sleep $mark")" -ge 3 ] && return 0
		sleep 0.02
	done
	cat "$T/log"
	return 1
}

for who in root user; do
	is_root || [ "$who" = user ] || continue
	if [ "$who" = root ]; then home=$T/r; mkdir "$home"; else home=$UT/u; everyone mkdir "$home"; fi
	make_dirs
	nets=(host none)
	# An ordinary user may open the tun device on few machines; root may where there is one.
	if [ "$who" = root ] && [ -w /dev/net/tun ] && command -v pasta >/dev/null; then nets+=(user); fi
	for net in "${nets[@]}"; do
		roles=(outer inner launcher step)
		[ "$net" = user ] && roles+=(network)
		for role in "${roles[@]}"; do
			spawn --net "$net"
			ok "$who, $net: a step runs" running
			pid=$(pid_of "$outer" "$role")
			ok "$who, $net: there is the $role" test -n "$pid"
			[ "$net" != user ] || [ "$role" != network ] || ok "$who: and it is seen" grep -zqxf in-environ "/proc/$pid/environ"
			kill -9 "$pid"
			# A network helper's death is no step's end.
			[ "$role" = network ] && { sleep 0.2; ok "$who: the step lives on without its helper" running; kill -9 "$outer"; }
			wait "$job" 2>/dev/null
			code=$?
			case $role in
			step) is "$code" 137 "$who, $net: a killed step is reported" ;;
			launcher) like "$(cat "$T/log")" 'starts the steps was killed' "$who, $net: a killed launcher is told" ;;
			*) isnt "$code" 0 "$who, $net: kill -9 of the $role is no success" ;;
			esac
			ok "$who, $net: after kill -9 of the $role nothing is left" gone
		done
	done
	# at random moments of the start
	left=0
	for _ in $(seq "${SANDBOX_KILL_ROUNDS:-30}"); do
		spawn --net none --repeat 3
		sleep "0.0$((RANDOM % 40 + 10))"
		role=$(shuf -n 1 -e outer inner launcher step)
		pid=$(pid_of "$outer" "$role")
		[ -z "$pid" ] || kill -9 "$pid" 2>/dev/null
		kill -9 "$outer" 2>/dev/null
		wait "$job" 2>/dev/null
		gone >"$T/left" || { left=$((left + 1)); sed 's/^/# /' "$T/left"; }
	done
	is "$left" 0 "$who: kill -9 at random moments leaves nothing"
	on_exit "remove_tree $home"
done
done_testing
