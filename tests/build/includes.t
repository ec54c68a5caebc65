#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The may-include table holds for this tree, and check-includes does see each way of breaking it.
set -u

src=${WH_SRCDIR:-$(cd "$(dirname "$0")/../.." && pwd)}
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
n=0

result() { # CODE DESC TEXT
	n=$((n + 1))
	if [ "$1" = 0 ]; then
		echo "ok $n - $2"
	else
		echo "not ok $n - $2"
		printf '%s\n' "$3" | sed 's/^/# /'
	fi
}

seen=$(sh "$src/build-aux/check-includes" "$src" 2>&1)
result $? 'this tree keeps to the table' "$seen"

# FILE | its include line | a regular expression for the complaint, or - for none
while IFS='|' read -r file include complaint; do
	rm -rf "$dir/tree"
	mkdir -p "$dir/tree/$(dirname "$file")"
	printf '/* SPDX-License-Identifier: Apache-2.0 */\n%s\n' "$include" >"$dir/tree/$file"
	seen=$(sh "$src/build-aux/check-includes" "$dir/tree" 2>&1)
	code=$?
	if [ "$complaint" = - ]; then
		[ "$code" = 0 ]
	else
		[ "$code" = 1 ] && grep -qE "^$file:2: $complaint" <<<"$seen"
	fi
	result $? "$file: $include" "exit code $code: $seen"
done <<'TABLE'
base/a.c|#include "base/b.h"|-
base/a.c|#include <stdio.h>|-
base/a.c|#include "layers/layers.h"|base/ may not include
layers/a.c|#include "base/str.h"|-
layers/a.c|#include "layers/inner.h"|-
layers/a.c|#include "sandbox/sandbox.h"|layers/ may not include
sandbox/a.c|#include "layers/layers.h"|sandbox/ may not include
sandbox/a.h|#	include "builder/graph.h"|sandbox/ may not include
builder/a.c|#include "layers/layers.h"|-
builder/a.c|#include "layers/tar.h"|builder/ may not include
builder/a.c|#include "sandbox/sandbox.h"|-
builder/a.c|#include "frontend/frontend.h"|builder/ may not include
builder/a.c|#include "cli/cli.h"|builder/ may not include
builder/graph.h|#include "base/str.h"|-
builder/graph.h|#include "builder/builder.h"|builder/ may not include
builder/graph.h|#include "layers/layers.h"|builder/ may not include
frontend/a.c|#include "builder/graph.h"|-
frontend/a.c|#include "builder/builder.h"|frontend/ may not include
frontend/a.c|#include "layers/layers.h"|frontend/ may not include
harden/a.c|#include "layers/layers.h"|-
harden/a.c|#include "builder/graph.h"|harden/ may not include
evidence/a.c|#include "sandbox/sandbox.h"|evidence/ may not include
cli/a.c|#include "builder/builder.h"|-
cli/a.c|#include "builder/sched.h"|cli/ may not include
cli/a.c|#include "cli/options.h"|-
cli/sub/a.c|#include "layers/tar.h"|cli/ may not include
layers/a.c|#include "tar.h"|"tar.h" is not written from the top
layers/a.c|#include "../base/str.h"|"../base/str.h" is not written from the top
layers/a.c|#include "layers/../sandbox/sandbox.h"|"layers/../sandbox/sandbox.h" takes a detour
layers/a.c|#include <base/str.h>|<base/str.h> is ours
tests/unit/a.c|#include "layers/tar.h"|-
TABLE

rm -rf "$dir/tree"
mkdir -p "$dir/tree/base"
echo 'int x;' >"$dir/tree/base/a.c"
seen=$(sh "$src/build-aux/check-includes" "$dir/tree" 2>&1)
[ $? = 1 ] && grep -q '^base/a.c:1: the first line is not' <<<"$seen"
result $? 'a file without the licence line' "$seen"
: >"$dir/tree/base/a.c"
! seen=$(sh "$src/build-aux/check-includes" "$dir/tree" 2>&1)
result $? 'an empty file' "$seen"
rm -rf "$dir/tree/base"
! seen=$(sh "$src/build-aux/check-includes" "$dir/tree" 2>&1)
result $? 'a tree without sources' "$seen"

echo "1..$n"
