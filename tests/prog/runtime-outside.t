#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What `build --runtime-out` and `whittle profile runtime` write, enforced by others: the examples' own tests under runc, green with all that is
# allowed, red with one thing less.
. "$(dirname "$0")/lib.sh"
is_root || skip_all 'needs root, to run containers'
. "$SRC/tests/tools/outside-lib.sh"
debian=$(test_base debian) || skip_all 'no Debian base'
export HOME=$T
common=(--root "${OUTSIDE_STORE:-$T/store}" --build-context "debian=oci-layout://$debian")

# made NAME: the image, its tests, its privileges
made() {
	local name=$1
	run timeout 300 "$WHITTLE" build "${common[@]}" -t "$name" --runtime-out "$name.rt" -o "type=oci,dest=$name.oci,tar=false,compression=gzip" "$SRC/examples/$name"
	is "$status" 0 "$name: built, and proven"
	[ "$status" = 0 ] || { show "$err"; return 1; }
	like "$out" '^  runtime +proven ' "$name: the summary says so"
	run "$WHITTLE" build "${common[@]}" -t "$name-tests" --target tests -o "type=oci,dest=$name.tests,tar=false,compression=gzip" "$SRC/examples/$name"
	fits privileges-1 "$name.rt/privileges.json" "$name: the privileges hold to their schema"
	run outside_bundle "$name" "$name.oci" "$name.tests" "$name.rt"
	is "$status" 0 "$name: unpacked, with config.json as oci-runtime.json says"
	[ "$status" = 0 ] || { show "$all"; return 1; }
}

# green NAME DESC, red NAME DESC JQ
green() {
	if outside_run "$1"; then pass "$1: $2"; else fail "$1: $2" "$(tail -n 30 "$OUT/$1/log")"; fi
}
red() {
	outside_run "$1" "$3"
	case $? in
	0) fail "$1: $2" 'its tests pass' ;;
	2) fail "$1: $2" 'they were not run' ;;
	*) pass "$1: $2" ;;
	esac
}
without_call() {
	printf '.linux.seccomp.syscalls |= map(.names -= ["%s"] | select(.names != []))' "$1"
}
without_place() {
	printf '.mounts |= map(select(.destination != "%s"))' "$1"
}

example() { # NAME CALL PLACE
	local name=$1 call=$2 place=$3
	made "$name" || return
	is "$(jq -c '[.process.capabilities[], .root.readonly, .process.noNewPrivileges, .linux.seccomp.defaultAction] | unique' "$OUT/$name/app.json")" \
		'[true,"SCMP_ACT_ERRNO",[]]' "$name: no capability, nothing writable, nothing but what is listed"
	green "$name" 'its tests pass under runc'
	red "$name" "and fail without $call" "$(without_call "$call")"
	red "$name" "and fail where $place cannot be written" "$(without_place "$place")"
}

# one example alone: its line as words
if [ $# -gt 0 ]; then example "$@"; done_testing; exit; fi
example nginx listen /tmp
example redis bind /data
example postgresql shmget /data
example python-service socket /data
example flask-service listen /data
example node-service epoll_create1 /data

done_testing
