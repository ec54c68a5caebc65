#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# How sure is a profile: leave-one-out over tests whose files are known, and --max-risk on both sides of it.
. "$(dirname "$0")/lib.sh"

busybox=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }
command -v "${CC:=cc}" >/dev/null || skip_all 'no C compiler'
"$CC" -static -O1 -std=gnu17 -D_GNU_SOURCE -o app "$SRC/tests/prog/tap-app.c" || skip_all 'no static C library'
export HOME=$T
store=$T/store

mkdir -p ctx/data ctx/info
cp app ctx/app
for i in $(seq 1 20) common unused; do echo "this is $i" >ctx/data/$i; done
# One package that has all of it.
printf 'Package: tool\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1\nMaintainer: nobody\nDescription: x\n' >ctx/status
{ printf '/.\n/bin\n/bin/app\n/data\n'; for f in ctx/data/*; do echo "/data/${f##*/}"; done; } >ctx/info/tool.list
chmod -R go+rX ctx

# twenty LAST: a driver of as many tests. Tests 1 to 14 share their files by pairs, each from 15 on has one of its own.
driver() {
	echo 'use() { /run/whittle/app run /data/common "$@" >/dev/null; }'
	for i in $(seq 1 "$1"); do
		echo "use /data/$((i > 14 ? i : (i + 1) / 2 * 2)) && echo ok $i - test $i"
	done
	echo "echo 1..$1"
}
prune() { # TESTS FLAG…
	local n=$1

	shift
	cat >ctx/Dockerfile <<D
FROM base AS tests
FROM scratch AS app
COPY app /bin/app
COPY data /data
COPY status /var/lib/dpkg/status
COPY info /var/lib/dpkg/info
ENTRYPOINT ["/bin/app"]
PROFILE --from=tests --start=manual <<X
$(driver "$n")
X
PRUNE $*
D
	rm -rf out
	run timeout -k 5 100 "$WHITTLE" build --root "$store" --build-context base="oci-layout://$busybox" -t pruned -o type=oci,dest=out,tar=false ctx
}
report() { # FILTER
	local blob

	for blob in out/blobs/sha256/*; do
		jq -rc ".predicate? | select(.report?) | .report | $1" "$blob" 2>/dev/null
	done
}
verdict() { # FILTER
	local blob

	for blob in out/blobs/sha256/*; do
		jq -rc ".predicate? | select(.sizes?) | $1" "$blob" 2>/dev/null
	done
}

# ---- what is known of it ----

# 20 tests, 6 of them (15 to 20) with a file that no other test uses: 30 %. One-sided bound for 6 of 20: 50.78 %.
prune 20
is "$status" 0 'twenty tests'
[ "$status" = 0 ] || show "$err"
is "$(report '.risk | [.tests, .broken, .with_own_paths, .risk, .bound]')" '[20,6,6,3000,5079]' 'leave-one-out: tests, broken, with paths of their own, risk, bound'
is "$(report '.risk.would_break | sort_by(.path) | map(.test + " " + .path) | join(", ")')" \
	'test 15 data/15, test 16 data/16, test 17 data/17, test 18 data/18, test 19 data/19, test 20 data/20' 'leave-one-out: which, and by what'
# Uses that are a test's: 20 of the common file and of the program each, 20 of others; 6 of those once.
is "$(report '.risk.unseen_files | [.once, .uses, .estimate]')" '[6,60,1000]' 'Good-Turing: used once, uses, estimate'
like "$err" 'risk: 6 of 20 tests would have failed on what the others show: 30 %, at most 50\.8 % with 95 % confidence.*"test 15": /data/15' "the build's output says it"
is "$(verdict '.pruned | [.risk, .riskBound, .testsToldApart]')" '[3000,5079,20]' 'the verdict says it'
run "$WHITTLE" explain --root "$store" --risk pruned
like "$out" '^risk: 6 of 20 tests would have failed' 'explain --risk: what'
like "$out" 'test 17 would have missed /data/17' 'explain --risk: each of them'
like "$out" '6 of 60 uses of files by tests .*Good-Turing.*: 10 %' 'explain --risk: unseen files'
run "$WHITTLE" explain --root "$store" --risk pruned /data/unused
like "$out" '^/data/unused: removed' 'explain --risk: and paths'

prune 14
like "$err" 'risk: each of 14 tests would have passed on what the others show: below 7\.15 %, at most 19\.3 %' 'nothing broken: a share of 0 is not claimed'
is "$(report '.risk | [.broken, .risk]')" '[0,715]' 'nothing broken: 1 in 14 is what it can show'

prune 4
like "$err" 'risk: not known: 4 tests are too few to say anything' 'four tests say nothing'
is "$(verdict '.pruned | has("risk")')" false 'and the verdict does not either'

# ---- the gate ----

prune 20 --max-risk=30%
is "$status" 0 '--max-risk: just below'
is "$(report '.risk | [.max_risk, .fallback]')" '[3000,null]' '--max-risk: nothing more is kept'

prune 20 --max-risk=0.299
is "$status" 0 '--max-risk: above, and whole packages are below'
like "$err" 'it was 30 %, more than --max-risk=29\.9 %: whole packages are kept' 'the fallback is told'
is "$(report '.risk | [.fallback, .observed_risk, .broken, .risk]')" '["package",3000,0,500]' 'the fallback is recorded'
is "$(report '.kept | map(select(.path == "data/unused")) | length')" 1 'the fallback keeps the package whole'
run "$WHITTLE" explain --root "$store" --risk pruned
like "$out" '--mode=package was taken' 'explain --risk: tells the fallback'

prune 20 --max-risk=4%
is "$status" 3 '--max-risk: that so many tests cannot show'
like "$err" '^error: .*Dockerfile:[0-9]+: --max-risk=4 %: the risk is above that, with --mode=package, too' 'says so, with its line'
like "$err" '^hint: .*20 tests cannot show less than 1 in 20; at least 25 tests are needed' 'says what is missing'

prune 4 --max-risk=50%
is "$status" 3 '--max-risk: too few tests'
like "$err" '^error: .*--max-risk=50 %: the risk is not known: 4 tests are too few' 'says so'

prune 0 --max-risk=50%
is "$status" 10 'no tests at all: that is another failure'

for word in 5 0 101% 5%% x .5 1. -1% 0.00001 ''; do
	prune 20 --max-risk=$word
	is "$status" 2 "--max-risk=$word is a mistake"
done
like "$err" '^error: .*max-risk' 'and is named'

done_testing
