#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# alone
# The observer against an independent witness: while the examples are profiled, fanotify watches the file system on which the
# application's root lies (as plain files). A file that the kernel saw opened, and the profile does not have, is a bug.
. "$(dirname "$0")/lib.sh"

is_root || skip_all 'fanotify needs root'
debian=$(test_base debian) || skip_all 'no Debian base'
witness=$(dirname "$WHITTLE")/tests/tools/witness
[ -x "$witness" ] || witness=$SRC/build/tests/tools/witness
[ -x "$witness" ] || { cc -O1 -D_GNU_SOURCE -o "$T/witness" "$SRC/tests/tools/witness.c" && witness=$T/witness; } ||
	{ echo 'Bail out! no witness'; exit 1; }
common=(--build-context "debian=oci-layout://$debian" --snapshotter copy --root "$T/disk/store")
mkdir disk
mount -t tmpfs -o size=6g tmpfs disk || skip_all 'cannot mount a tmpfs'
on_exit "umount -l '$T/disk'"

# watched NAME PROGRAM: PROGRAM (a path in the image) tells the application's root from other containers'.
watched() {
	local name=$1 program=$2

	# Everything but the profile comes from the cache: only the application and its tests run under the witness.
	for target in app tests; do
		run "$WHITTLE" build "${common[@]}" --target $target "$SRC/examples/$name"
		is "$status" 0 "$name: the stage $target"
	done
	run "$witness" "$T/disk" "$name.seen" -- "$WHITTLE" build "${common[@]}" -o "type=oci,dest=$T/$name,tar=false" \
		"$SRC/examples/$name"
	is "$status" 0 "$name: profiled and pruned under the witness"
	[ "$status" = 0 ] || { show "$err"; return; }
	python3 "$SRC/tests/tools/compare_witness.py" "$name" "$name.seen" "$program" >"$name.missed" 2>"$name.said"
	is $? 0 "$name: everything the kernel saw is in the profile ($(tail -n 1 "$name.said"))"
	show "$(head -n 20 "$name.missed")"
}

watched nginx usr/sbin/nginx
# The server is a link to this.
watched redis usr/bin/redis-check-rdb
watched python-service app/service.py

done_testing
