#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Random Dockerfiles and contexts, a seed each (tests/tools/differ), built by whittle and by docker's BuildKit of a newer Debian: trees, configs
# and histories are the same, and what one refuses the other refuses.
#
#   WHITTLE_DIFFER_CASES=N      so many seeds, from 1 on (default: 300)
#   WHITTLE_DIFFER_SEED=S…      these only, as "17", "1000-2000" or several of them
. "$(dirname "$0")/lib.sh"
is_root || skip_all 'dockerd needs root'
. "$SRC/tests/tools/dockerd-newer.sh"
busybox=$(test_base busybox) || { echo 'Bail out! no base'; exit 1; }
root=$("$SRC/tests/tools/fetch_tools.sh" docker 2>fetch.err) || skip_all "there is no newer docker: $(tail -n 1 fetch.err)"

# Files that come and go by the thousand: in memory where there is some.
work=$T/work
mkdir "$work"
mount -t tmpfs -o mode=755 tmpfs "$work" && on_exit 'umount "$work"'
newer_dockerd_start "$root" "$work" || { echo 'Bail out! the newer dockerd does not start'; exit 1; }
on_exit newer_dockerd_stop
echo "# peer: docker $("${NEWER_DOCKER[@]}" version --format '{{.Server.Version}}')"

# Seeds that once found something.
past=()
seeds=(1-"${WHITTLE_DIFFER_CASES:-300}" "${past[@]}")
[ -z "${WHITTLE_DIFFER_SEED:-}" ] || read -ra seeds <<<"$WHITTLE_DIFFER_SEED"
timeout 3000 python3 "$SRC/tests/tools/differ" --whittle "$WHITTLE" --client "${NEWER_DOCKER[*]}" --busybox "$busybox" --work "$work" \
	--peer-work /mnt "${seeds[@]}" >result 2>&1
seed='' why=''
flush() {
	[ -z "$seed" ] || fail "seed $seed" "$why"
	seed='' why=''
}
while IFS= read -r line; do
	case $line in
	'ok '*)
		flush
		pass "seed ${line#ok }"
		;;
	'DIFFERENT '* | 'BROKEN '*)
		flush
		seed=$line
		;;
	'# '[0-9]*)
		flush
		summary=$line
		;;
	*) [ -z "$seed" ] || why+=$line$'\n' ;;
	esac
done <result
flush
echo "${summary:-}"
isnt "${summary:-}" '' 'the run went to its end'
[ -n "${summary:-}" ] || show "$(tail -n 20 result)"
same=$(grep -oE '[0-9]+ same' <<<"${summary:-}")
same=${same% same}
ok "most were built and are the same (${same:-0})" test "$((${same:-0} * 2))" -ge "$tests_run"
done_testing
