#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The build cases of the conformance data, with their own runner: one line a case.
# WHITTLE_CONFORMANCE names the folder (default: ../shared/conformance beside the source tree).
. "$(dirname "$0")/lib.sh"
is_root || skip_all 'the cases make devices and owners, which needs root'
data=${WHITTLE_CONFORMANCE:-$SRC/../shared/conformance}
[ -e "$data/run_cases.py" ] || skip_all "there is no conformance data at $data"
# The goldens of one case stand on the runner's own Debian base; it is made by its own script.
bases=${WHITTLE_BASES:-/var/tmp/whittle-bases-$(id -u)}/conformance
[ -e "$bases/debian/index.json" ] || ok 'the bases of the cases' sh "$data/make_bases.sh" "$bases"

made=$(python3 "$SRC/tests/tools/conformance_copy.py" "$data/build" "$T/cases" 2>/dev/null)
echo "# $made links made again"
mkdir store
# Two cases have the same step with a random result: it must run once, however many are under way.
timeout 1200 python3 "$data/run_cases.py" --whittle "$WHITTLE" --cases "$T/cases" -j 2 --tmp "$T" --extra-arg="--root=$T/store" \
	--base busybox="$bases/busybox" --base debian="$bases/debian" >result 2>&1
while read -r verdict name why; do
	case $verdict in
	PASS) pass "$name" ;;
	FAIL | SKIP) fail "$name" "$verdict $why" ;;
	esac
done <result
like "$(tail -n 1 result)" '^[0-9]+ passed, 0 failed' 'the runner went to its end'
ok "all cases were run ($tests_run)" test "$tests_run" -ge 214
done_testing
