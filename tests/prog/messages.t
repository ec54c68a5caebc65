#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is said of a Dockerfile that is wrong, one case a directory of tests/data/messages, compared whole:
#   Dockerfile   the wrong one
#   expected     "exit code N", then standard error as it is
#   args         further arguments, one a line; optional
#   context/     the build context; optional
. "$(dirname "$0")/lib.sh"
data=$SRC/tests/data/messages

one() { # NAME
	local dir=$data/$1 args=()

	rm -rf case
	mkdir -p case/context
	cp "$dir/Dockerfile" case/
	[ ! -d "$dir/context" ] || cp -r "$dir/context/." case/context/
	[ ! -e "$dir/args" ] || mapfile -t args <"$dir/args"
	cd case || return
	timeout 60 "$WHITTLE" build --root "$T/store" -q -f Dockerfile "${args[@]}" context >/dev/null 2>../err </dev/null
	printf 'exit code %d\n' $? >../got
	cd .. || return
	cat err >>got
	if cmp -s "$dir/expected" got; then
		pass "$1"
	else
		fail "$1" "$(diff -a "$dir/expected" got)"
	fi
}

unset SOURCE_DATE_EPOCH
for dir in "$data"/*/; do
	one "$(basename "$dir")"
done
ok 'all cases were run' test "$tests_run" -ge 280
done_testing
