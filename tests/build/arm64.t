#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The observer and the filter compile for arm64. (Nothing of it runs there in any test; that its tables are right,
# tests/unit/sandbox_calls_test.c shows from the names.)
set -u

src=${WH_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
cc=aarch64-linux-gnu-gcc
if ! command -v $cc >/dev/null; then
	echo '1..0 # SKIP no compiler for arm64'
	exit 0
fi
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
# Headers that are the same on every machine.
mkdir "$dir/include"
cp /usr/include/seccomp.h /usr/include/seccomp-syscalls.h /usr/include/uthash.h "$dir/include/" || exit 1
n=0
for file in "$src"/sandbox/observer*.c "$src"/sandbox/supervisor*.c "$src"/sandbox/seccomp*.c "$src/sandbox/record.c" "$src/base/observation.c"; do
	n=$((n + 1))
	if seen=$($cc -std=gnu17 -D_GNU_SOURCE -O1 -Wall -Wextra -Wshadow -Wcast-qual -Werror -I"$src" -isystem "$dir/include" -c -o "$dir/out.o" "$file" 2>&1); then
		echo "ok $n - ${file#"$src/"}"
	else
		echo "not ok $n - ${file#"$src/"}"
		printf '%s\n' "$seen" | sed 's/^/# /'
	fi
done
echo "1..$n"
