#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# build-aux/fuzz.sh NOUN SECONDS [libFuzzer's options…]
#
# Builds tests/fuzz/fuzz_NOUN.c as a fuzzer (clang, address and undefined-behaviour sanitizers) and runs it at the lowest
# priority. It starts from tests/fuzz/corpus/NOUN and from what earlier runs found, which is in $FUZZ_DIR/NOUN (FUZZ_DIR
# is /tmp/whittle-fuzz unless it is set). An input that crashes, leaks, wants more than 1 GiB or takes longer than five
# seconds is left in $FUZZ_DIR/found, and the exit status is not 0. SECONDS 0 builds, and does not run.
set -euo pipefail

if [ $# -lt 2 ] || [ ! -f "$(dirname "$0")/../tests/fuzz/fuzz_$1.c" ]; then
	echo "usage: build-aux/fuzz.sh NOUN SECONDS [libFuzzer's options...]; NOUN is one of:" >&2
	(cd "$(dirname "$0")/../tests/fuzz" && ls fuzz_*.c) | sed 's/fuzz_\(.*\)\.c/\t\1/' >&2
	exit 2
fi
noun=$1 seconds=$2
shift 2
top=$(cd "$(dirname "$0")/.." && pwd)
dir=${FUZZ_DIR:-/tmp/whittle-fuzz}
fuzz=$top/tests/fuzz

# The language needs a few files only; the others take all but main(). Programs that the sandbox carries with it are not run here.
case $noun in
dockerfile | lexer | expand | ignore | path | json)
	sources=("$top"/base/*.c "$top"/frontend/*.c "$top"/builder/graph.c)
	libs=(libcrypto jansson)
	;;
*)
	mapfile -t sources < <(grep -LE '\bmain\(int|\bmain\(void' "$top"/{base,layers,sandbox,harden,builder,frontend,evidence,cli}/*.c)
	libs=(libarchive libzstd zlib libcrypto jansson libseccomp libcurl sqlite3 libsodium)
	;;
esac

mkdir -p "$dir/stub/sandbox" && : >"$dir/stub/sandbox/app-helper" && : >"$dir/stub/sandbox/container-init"
mkdir -p "$dir/bin" "$dir/$noun" "$dir/found"
read -ra links < <(pkg-config --cflags --libs "${libs[@]}")
flags=(-std=gnu17 -D_GNU_SOURCE -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all -fsanitize=fuzzer,address,undefined
	-I"$top" -Wa,-I"$dir/stub" '-DPACKAGE_VERSION="0"' -include "$top/base/banned.h")
if [ "${#libs[@]}" -gt 2 ]; then
	"${CLANG:-clang}" "${flags[@]}" -Dmain=whittle_main -c "$top/cli/main.c" -o "$dir/main.o"
	sources+=("$dir/main.o")
fi
nice -n 19 "${CLANG:-clang}" "${flags[@]}" "$fuzz/fuzz_$noun.c" "${sources[@]}" "${links[@]}" -o "$dir/bin/fuzz_$noun.new"
mv "$dir/bin/fuzz_$noun.new" "$dir/bin/fuzz_$noun"
[ "$seconds" != 0 ] || exit 0

options=(-max_total_time="$seconds" -rss_limit_mb=1024 -timeout=5 -artifact_prefix="$dir/found/$noun-")
[ ! -f "$fuzz/$noun.dict" ] || options+=(-dict="$fuzz/$noun.dict")
exec nice -n 19 "$dir/bin/fuzz_$noun" "${options[@]}" "$@" "$dir/$noun" "$fuzz/corpus/$noun"
