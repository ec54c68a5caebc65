#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Which test saw what: TAP on the driver's output, `app test`, several runs that see the same or not; and what TAP says of failures.
. "$(dirname "$0")/lib.sh"

busybox=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }
command -v "${CC:=cc}" >/dev/null || skip_all 'no C compiler'
"$CC" -static -O1 -std=gnu17 -D_GNU_SOURCE -o app "$SRC/tests/prog/tap-app.c" || skip_all 'no static C library'
"$CC" -static -O1 -std=gnu17 -D_GNU_SOURCE -o server "$SRC/tests/prog/profile-app.c" || skip_all 'no static C library'
export HOME=$T
store=$T/store

mkdir -p ctx/data
cp app server ctx/
for i in a b c d e f; do echo "this is $i" >ctx/data/$i; done
chmod -R go+rX ctx

head='FROM base AS tests
FROM scratch AS app
COPY app /app
COPY data /data
ENTRYPOINT ["/app"]
'
build() { # WORD…: standard input comes after the stages above
	{ printf '%s' "$head"; cat; } >ctx/Dockerfile
	run timeout -k 5 100 "$WHITTLE" build --root "$store" --build-context base="oci-layout://$busybox" -o type=oci,dest=out,tar=false "$@" ctx
}
builds() { # DESC WORD…
	local desc=$1

	shift
	rm -rf out
	build "$@"
	is "$status" 0 "$desc"
	[ "$status" = 0 ] || show "$err"
}
fails() { # DESC STATUS ERE
	build
	is "$status" "$2" "$1: exit code $2"
	[ "$status" = "$2" ] || show "$err"
	like "$err" "^error: .*$3" "$1: says so"
}
# A driver in sh: standard input is its text.
tests() { # FLAG…
	printf 'PROFILE --from=tests --start=manual %s <<X\nuse() { /run/whittle/app run "$@" >/dev/null; }\n' "$*"
	cat
	printf 'X\nPRUNE\n'
}
# The statement of the prune report in ./out.
report() { # FILTER
	local blob

	for blob in out/blobs/sha256/*; do
		jq -rc ".predicate? | select(.report?) | $1" "$blob" 2>/dev/null
	done
}
# "PATH: TEST TEST…", of which nobody's is "-"
seen='.profiles[0].document as $d | [$d.used[] | select(.path | startswith("data/")) | .path[5:] + ":" + ([.when[] | $d.marks[.].test // "-"] | unique | join("+"))] | join(" ")'

# ---- TAP ----

builds 'TAP' <<D
$(tests <<'E'
use /data/f
echo 1..4
use /data/a && echo "ok 1 - first # time=3ms"
use /data/b && use /data/a && echo "ok 2 - second"
use /data/c && echo "ok 3"
use /data/d && echo "ok 4 - not really # SKIP for the example"
use /data/e
E
)
D
is "$(report "$seen")" 'a:first+second b:second c:#3 d:- e:- f:-' 'TAP: each file is that test'"'"'s'
is "$(report '.profiles[0].document.marks | map(.test // empty) | join(" ")')" 'first second #3' 'TAP: tests by name, in their order'
like "$err" '3 tests were told' 'TAP: they are counted'

builds 'a plan at the end, subtests, other output' <<D
$(tests <<'E'
echo TAP version 14
echo "# Subtest: whole"
use /data/a; echo "    ok 1 - part"; use /data/b; echo "    ok 2 - part"; echo "    1..2"
echo "ok 1 - whole"
use /data/c; echo ok; echo "ok so far"; echo "not ok is what it said"
use /data/d; echo "not ok 2 - known # TODO one day"
echo 1..2
E
)
D
is "$(report "$seen")" 'a:whole b:whole c:known d:known' 'a subtest is its test'"'"'s; what is no TAP says nothing'

builds 'a driver that tells all at its end' <<D
$(tests <<'E'
use /data/a; use /data/b; use /data/c
printf '1..3\nok 1 - x\nok 2 - y\nok 3 - z\n'
E
)
D
is "$(report "$seen")" 'a:x, y, z b:x, y, z c:x, y, z' 'tests that cannot be told apart are one'
like "$err" '2 more ended at the same moment as another.*app test NAME' 'and that is said'

# ---- app test ----

builds 'app test' <<D
$(tests <<'E'
t() { /run/whittle/app test "$@" || exit 1; }
use /data/f
t one; use /data/a
t 'two words'; use /data/b; echo "ok 1 - nobody asks"; use /data/c
t; use /data/d
t one; use /data/e
E
)
D
is "$(report "$seen")" 'a:one b:two words c:two words d:- e:one f:-' 'app test: each file is that test'"'"'s'

head=${head//'["/app"]'/'["/server", "serve"]'}
head=${head//COPY app/COPY server}
head=${head//'/app'/'/server'}
builds 'a server' <<D
PROFILE --from=tests --ready=tcp:8080 <<X
get() { /run/whittle/app test \$1; wget -q -O - http://localhost:8080/\$1; }
get a; get b; get a
/run/whittle/app test; wget -q -O - http://localhost:8080/c
/run/whittle/app test again; /run/whittle/app restart; wget -q -O - http://localhost:8080/d
X
PRUNE
D
is "$(report "$seen")" 'a:a b:b c:- d:again' 'a server: what it opens is the test'"'"'s under way, over restarts'
is "$(report '.profiles[0].document as $d | [$d.used[] | select(.path == "server").when[] | $d.marks[.] | .phase + ":" + (.test // "-")] | unique | join(" ")')" \
	'start:-' 'a server: its start is nobody'"'"'s'

# ---- runs ----

builds 'several runs that see the same' <<D
PROFILE --from=tests --ready=tcp:8080 --runs=10 wget -q -O - http://localhost:8080/a
PRUNE
D
like "$err" '10 runs, identical' 'the same: said'
is "$(report '.profiles[0].compared, ([.profiles[0].document.used[] | select(.runs)] | length)')" '{"identical":true}
0' 'the same: in the record'

builds 'several runs that do not' <<D
PROFILE --from=tests --ready=tcp:8080 --runs=3 --mount=type=cache,id=count,target=/count <<X
n=\$(cat /count/n 2>/dev/null || echo 0); n=\$((n + 1)); echo \$n >/count/n
wget -q -O - http://localhost:8080/a
[ \$n != 2 ] || wget -q -O - http://localhost:8080/e
[ \$n = 1 ] || wget -q -O - http://localhost:8080/f
X
PRUNE
D
like "$err" '3 runs: 2 paths of the image differ: /data/e \(run 2\), /data/f \(runs 2, 3\)' 'not the same: which, and in which run'
is "$(report '[.profiles[0].document.used[] | select(.runs) | [.path, .runs]]')" '[["data/e",[1]],["data/f",[1,2]]]' 'not the same: marked'
is "$(report '.profiles[0].compared | [.identical, .paths, .first.path]')" '[false,2,"data/e"]' 'not the same: in the record'
is "$(report '.report.kept | map(.path) | map(select(startswith("data/"))) | join(" ")')" 'data/a data/e data/f' 'what any run saw is kept'

# ---- failures ----

head=${head//'["/server", "serve"]'/'["/app"]'}
head=${head//COPY server/COPY app}
head=${head//'/server'/'/app'}
fails 'a result that is not ok, and status 0' 10 'the tests fail: .* ended with status 0; not ok: second' <<D
$(tests <<<'use /data/a; echo ok 1 - first; echo not ok 2 - second; echo 1..2')
D
fails 'fewer results than planned' 10 'ended with status 0; 3 tests were planned, the results of 1 came' <<D
$(tests <<<'use /data/a; echo 1..3; echo ok 1 - first')
D
fails 'Bail out!' 10 'ended with status 0; Bail out! the disk is full' <<D
$(tests <<<'use /data/a; echo ok 1 - first; echo "Bail out! the disk is full"')
D
fails 'a status that is not 0' 10 'ended with status 3; not ok: first' <<D
$(tests <<<'use /data/a; echo not ok 1 - first; exit 3')
D
builds 'a plan that is none' <<D
$(tests <<<'use /data/a; echo 1..3')
D

done_testing
