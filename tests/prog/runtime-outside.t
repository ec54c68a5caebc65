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
