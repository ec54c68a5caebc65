#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# whittle explain: which rule, which processes, which tests, whose package, of any path; lists; packages; the same as JSON; and reports that lie.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/prog/prune-lib.sh"

# ---- an image with packages of dpkg, Python and Node.js ----

stanza() { # PACKAGE VERSION
	printf 'Package:\\x20%s\\x0aStatus:\\x20install\\x20ok\\x20installed\\x0aArchitecture:\\x20amd64\\x0aVersion:\\x20%s\\x0aMaintainer:\\x20m\\x0a\\x0a' "$@"
}
list() { # PACKAGE PATH…
	printf 'f /var/lib/dpkg/info/%s.list text=' "$1"
	printf '%s\\x0a' "${@:2}"
	echo
}
site=/usr/lib/python3/dist-packages

image full <<L
l /lib to=usr/lib
d /tmp mode=1777
d /data
f /data/shared text=shared
f /data/deep text=deep
f /data/one text=one
f /data/odd\x1b[31mname text=odd
f /data/latin\xe9 text=latin
f /etc/passwd text=root:x:0:0:root:/root:/none\x0a
f /var/lib/dpkg/status text=$(stanza tool 1.2-3)$(stanza zed 9)$(stanza gone 4:5)
$(list tool /. /usr /usr/bin /usr/bin/tool /usr/bin/other /usr/share/tool/data /usr/share/tool/more /usr/share/doc/tool/README)
f /usr/bin/tool mode=755 from=$APP
f /usr/bin/other mode=755 text=12345678
f /usr/share/tool/data text=data
f /usr/share/tool/more text=1234
f /usr/share/doc/tool/README text=12
$(list zed /lib/x/libzed.so.1 /lib/x/libzed.so.1.2)
f /usr/lib/x/libzed.so.1.2 text=zed
l /usr/lib/x/libzed.so.1 to=libzed.so.1.2
$(list gone /usr/bin/gone /usr/lib/gone/a /usr/lib/gone/b)
f /usr/bin/gone mode=755 text=123
f /usr/lib/gone/a text=1234
f /usr/lib/gone/b text=12345
f /bin/sh mode=755 text=sh
f /usr/bin/way mode=755 text=#!/usr/bin/tool\x20read:/data/deep\x0a
f $site/thing/__init__.py text=pass
f $site/thing/rest.py text=pass
f $site/thing-2.0.dist-info/METADATA text=Metadata-Version:\x202.1\x0aName:\x20thing\x0aVersion:\x202.0\x0a
f $site/thing-2.0.dist-info/RECORD text=thing/__init__.py,,\x0athing/rest.py,,\x0athing-2.0.dist-info/METADATA,,\x0a
f /srv/node_modules/left/package.json text={"name":"left","version":"3.1.0","main":"index.js"}
f /srv/node_modules/left/index.js text=1
l /dangling to=/nowhere/at/all
L

# tested OUT OPTION…: two tests; the second in another process
tested() {
	local to=$1

	shift
	rm -rf "$to"
	if [ "$WHO" = user ] && is_root; then install -d -o "$TEST_USER" "$to" "$(store_of)"; fi
	run_as prune oci:full --root "$(store_of)" --tests "$TESTS" --start manual "$@" -o "type=oci,dest=$to,tar=false" -t shop:1 \
		--run "/run/whittle/app test 'first one'; $(app_words read:/data/shared exec:/usr/bin/way read:/usr/lib/x/libzed.so.1 '?stat:/bin/sh')" \
		--run "/run/whittle/app test second; $(app_words read:/data/shared exec:/usr/bin/tool '?read:/etc/wanted' create:/tmp/made read:/etc/passwd)"
}

# with_parents LAYOUT: every path of the image, directories that no entry names, too
with_parents() {
	"$TREE" list "$1" | LC_ALL=C awk '{ for (p = $0; p != "" && !seen[p]++; sub("/[^/]*$", "", p)) if (p != "/") print p }' | LC_ALL=C sort
}

# explain ARG…: of the image in the store
explain() { run_as explain --root "$(store_of)" "$@"; }
# document FILTER: of the JSON in $out
document() { jq -rc "$1" <<<"$out" 2>&1; }

everything() {
	tested "$WHO-out"
	is "$status" 0 "$WHO: pruned"
	[ "$status" = 0 ] || { show "$err"; return; }

	# -- kept --
	explain shop:1 /data/shared
	is "$status" 0 "$WHO: of a path in the store's image"
	is "$out" '/data/shared: kept: observed — read by /bin/app
    PROFILE 1: read in test "first one"
        run: starts as /bin/app
    PROFILE 2: read in test "second"
        run: starts as /bin/app' "$WHO: observed: by whom, how, in which tests"
	explain shop:1 /usr/bin/tool
	like "$out" '^/usr/bin/tool: kept: observed — ' "$WHO: a program"
	like "$out" '^    package tool 1.2-3: 1 file, 0.. MB kept; 4 files, 18 B removed' "$WHO: whose it is, and what of it went"
	explain shop:1 /data/deep
	is "$out" '/data/deep: kept: observed — read by /usr/bin/tool (script /usr/bin/way)
    PROFILE 1: read in test "first one"
        run: /bin/app ran /usr/bin/tool (script /usr/bin/way)' "$WHO: a chain of processes"
	explain shop:1 /usr/bin/way
	like "$out" '^    PROFILE 1: (read, )?executed in test "first one"' "$WHO: a script: what was done with it"
	unlike "$out" 'PROFILE 2' "$WHO: a script: nobody else did"
	explain shop:1 /data
	like "$out" '^/data: kept: ' "$WHO: a directory: its rule"
	like "$out" '^/data: a directory: 2 files and links below it kept, 3 removed$' "$WHO: a directory: what is below it"

	# -- links, patterns --
	explain shop:1 /lib/x/libzed.so.1
	like "$out" '^/lib: a link to usr/lib$' "$WHO: below a linked directory: the link"
	like "$out" '^/usr/lib/x/libzed.so.1: a link to libzed.so.1.2$' "$WHO: and the next"
	like "$out" '^/usr/lib/x/libzed.so.1.2: kept: ' "$WHO: and what it leads to"
	explain shop:1 '/lib/**/libz*'
	is "$(grep -c '^/usr/lib/x/libzed.so.1' <<<"$out")" 3 "$WHO: a pattern through a linked directory"
	explain shop:1 '/usr/bin/?one' '/no/**/such*'
	like "$out" '^/usr/bin/gone: removed: ' "$WHO: a pattern of what went"
	like "$out" '^/no/\*\*/such\*: matches nothing that is or was in the image$' "$WHO: a pattern of nothing"
	explain shop:1 /dangling/x
	is "$(tail -n 1 <<<"$out")" '/nowhere/at/all/x: never in the image' "$WHO: a link that leads nowhere"

	# -- removed, and never there --
	explain shop:1 /usr/bin/gone
	is "$out" '/usr/bin/gone: removed: nothing was seen to use it, and no rule needs it (of package gone)
    package gone 4:5: 3 files, 12 B removed, also /usr/lib/gone/a, /usr/lib/gone/b' "$WHO: removed, with its package"
	explain shop:1 /bin/sh
	is "$out" '/bin/sh: removed: a shell; looked for by /bin/app in test "first one" in vain, and not put back (a shell)
    PROFILE 1: looked at in test "first one"
        run: starts as /bin/app' "$WHO: a shell, and who looked at it"
	explain shop:1 $site/thing/rest.py /srv/node_modules/left/index.js
	like "$out" '\(of package python thing\)$' "$WHO: removed, of a package of Python"
	like "$out" '^    package python thing 2.0: 4 files, .* removed, also ' "$WHO: its version"
	like "$out" '^    package npm left 3.1.0: 2 files, ' "$WHO: of a package of Node.js"
	explain shop:1 /etc/wanted
	like "$out" '^/etc/wanted: never in the image: looked for in vain$' "$WHO: what was looked for in vain"
	like "$out" '^    PROFILE 2: looked for in test "second"$' "$WHO: when"
	explain shop:1 /tmp/made /none/at/all
	like "$out" '^/tmp/made: never in the image: the application makes it when it runs$' "$WHO: what a run made"
	like "$out" '^/none/at/all: never in the image$' "$WHO: what never was"

	# -- lists --
	explain shop:1 --kept
	"$TREE" list "$WHO-out" | grep -v '^/$' | LC_ALL=C sort >want
	is "${out//'^['/$'\x1b'}" "$(cat want)" "$WHO: --kept is what is in the image, sorted"
	explain shop:1 --removed
	with_parents full | LC_ALL=C comm -23 - want >went
	is "${out//'^['/$'\x1b'}" "$(cat went)" "$WHO: --removed is what is not"
	unlike "$out" $'\x1b' "$WHO: names cannot command the terminal"
	explain shop:1 --removed /lib/gone '/data/o*'
	is "$out" "$(printf '%s\n' /data/odd^[[31mname /data/one /usr/lib/gone /usr/lib/gone/a /usr/lib/gone/b)" "$WHO: below paths and patterns"
	explain shop:1 --by-package
	like "$out" '^kept in part: 1 package$' "$WHO: by package: in part"
	like "$out" '^  tool 1.2-3: 1 file, [0-9.]+ .B kept; 4 files, 18 B removed$' "$WHO: by package: files and bytes"
	like "$out" '^  gone 4:5: 3 files, 12 B removed$' "$WHO: by package: wholly"
	like "$out" '^removed wholly: 3 packages$' "$WHO: by package: how many went"
	explain shop:1 --by-package --removed /usr/lib
	is "$(sed -n '/  gone/,/^  [a-z]/p' <<<"$out" | head -n 3)" '  gone 4:5: 3 files, 12 B removed
    - /usr/lib/gone/a
    - /usr/lib/gone/b' "$WHO: by package: which files"
	unlike "$out" 'tool' "$WHO: by package: only what is below the path"

	# -- JSON --
	explain shop:1 --json /data/shared /usr/bin/gone /lib/x/libzed.so.1 /etc/wanted /tmp/made /usr '/**/libz*' /none
	printf '%s\n' "$out" >paths.json
	fits explain-1 paths.json "$WHO: --json fits its schema"
	is "$(document '.paths[0].found[0].uses[1] | [.profile, .access[0], .by[0].programs[0].program, .when[0]]')" \
		'[2,"read","/bin/app","test second"]' "$WHO: --json: who, how, when"
	is "$(document '.paths[1].found[0].package | [.name, .version, .state, .removed.bytes]')" '["gone","4:5","removed",12]' "$WHO: --json: package"
	jq '.paths[0].found[0].state = "perhaps"' paths.json >wrong.json
	NODE_PATH=$ajv_path nok "$WHO: another does not" node "$SRC/tests/tools/schema_check.js" "$SRC/schemas/explain-1.json" wrong.json
	explain shop:1 --json --removed
	printf '%s\n' "$out" >removed.json
	fits explain-1 removed.json "$WHO: --json --removed fits its schema"
	is "$(document '.removed | length')" "$(wc -l <went)" "$WHO: --json --removed: as many"
	explain shop:1 --json --kept
	printf '%s\n' "$out" >kept.json
	fits explain-1 kept.json "$WHO: --json --kept fits its schema"
	explain shop:1 --json --by-package --kept --removed
	printf '%s\n' "$out" >packages.json
	fits explain-1 packages.json "$WHO: --json --by-package fits its schema"

	explain shop:1 --json --risk --rules
	printf '%s\n' "$out" >risk.json
	fits explain-1 risk.json "$WHO: --json --risk --rules fits its schema"
	is "$(document '[.risk.tests, (.rules | length > 20)]')" '[2,true]' "$WHO: --json --risk --rules"

	# -- a layout elsewhere, which brought its report --
	explain "oci:$WHO-out" --json /data/shared
	is "$(document '.paths[0].found[0].uses | length')" 2 "$WHO: of a layout"
}

WHO=root
is_root && everything
WHO=user
everything
is_root && WHO=root
[ -d "$WHO-out" ] || WHO=user

# ---- what a rule keeps: down to what was observed ----

tested package-out --mode package
is "$status" 0 'package mode'
explain shop:1 /usr/share/tool/more
like "$out" '^/usr/share/tool/more: kept: package — of a package that stays' 'a rule: which'

# ---- a profile that came from elsewhere ----

mkdir ctx
cp "$APP" ctx/app
echo x >ctx/x
echo y >ctx/y
chmod -R go+rX ctx
printf '%s\n' 'FROM base AS tests' 'FROM scratch' 'COPY app /bin/app' 'COPY x y /data/' 'ENTRYPOINT ["/bin/app"]' \
	'PROFILE --from=tests --start=manual /run/whittle/app test one; /run/whittle/app run read:/data/x' PRUNE >ctx/Dockerfile
build() { run_as build --root "$(store_of)" --build-context "base=oci-layout://$busybox" -f ctx/Dockerfile -t given:1 "$@" ctx; }
mkdir documents
build --profile-out documents/x.json
is "$status" 0 'a profile goes out'
sed 's#/data/x#/data/y#' documents/x.json >y.json
build --profile-in y.json -o type=oci,dest=documents/out,tar=false
is "$status" 0 'and in'
[ "$status" = 0 ] || show "$err"
explain given:1 /data/y
is "$out" '/data/y: kept: observed — read by /bin/app
    --profile-in 1: read
        run: starts as /bin/app' 'what it says is told as its'
for blob in documents/out/blobs/sha256/*; do
	jq -e 'select(.predicateType == "https://whittle.dev/prune-report/v1") | .predicate' "$blob" 2>/dev/null
done >report.json
fits prune-report-1 report.json 'the report with it fits its schema'

# ---- words that cannot be ----

run "$WHITTLE" explain shop:1
is "$status" 2 'an image alone: misuse'
run "$WHITTLE" explain --kept --removed shop:1
is "$status" 2 'two lists at once: misuse'
explain shop:1 'usr/**'
is "$status" 2 'a pattern that is not absolute'
like "$err" '^error: usr/\*\*: a pattern begins with a slash' 'it says so'
explain "$TESTS" /bin/sh
is "$status" 2 'an image that nobody pruned'
like "$err" 'has no prune report$' 'it says so, too'

# ---- reports that lie ----

# forged FILTER: a copy of the layout whose report is another
forged() {
	rm -rf forged
	cp -r "$WHO-out" forged
	python3 "$SRC/tests/tools/report_forge.py" forged "$1" || fail "a forged report" "$1"
	chmod -R go+rX forged
	explain oci:forged /usr/bin/tool /data '/**/libz*' "${@:2}"
}
forged '.report.kept[0].rule = "\u001b[31mred\n/usr/bin/fake: kept"'
is "$status" 0 'a rule that nobody knows'
unlike "$all" $'\x1b' 'it cannot command the terminal'
unlike "$out" '^/usr/bin/fake' 'nor make a line of its own'
while IFS= read -r filter; do
	forged "$filter"
	is "$status" 1 "refused: $filter"
	is "$(grep -c . <<<"$err")" 1 "in one line: $filter"
	like "$err" "^error: the image's prune report is damaged, or of another version: " "as what it is: $filter"
done <<'F'
.report.kept = 3
.report.kept = [null]
.report.kept[0] = {"path": 1, "rule": "observed"}
.report.removed_tree = []
.report.removed_tree = {"a/b": true}
.report.removed_tree = {"": {"x": true}}
.report.removed_tree = {"a": 5}
.report.removed_tree = {"a": ["b"]}
.report.removed_tree = {("x" * 5000): true}
.report.lacking = {"path": "x"}
.profiles = {}
.profiles[0].document = null
.profiles[0].document.processes[0].parent = 0
.profiles[0].document.processes[0].parent = 77
.profiles[0].document.used = [7]
.report.profiles_in = {}
.report.profiles_in = [{"processes": []}]
F
while IFS= read -r filter; do
	forged "$filter" --json
	is "$status" 0 "told as far as it goes: $filter"
done <<'F'
del(.profiles)
.profiles[0].document.marks = "x"
.profiles[0].document.used |= map(.by = [-1, 99999999, 1e30, "x", null] | .when = [-1, 99999999, {}])
.report.packages = [1]
.report.removed_packages = {"": 3, "gone": {"bytes": "x"}}
.report.shells_removed = ["a", "a"]
.report.kept |= map(.via = .path)
.sbomBefore = {"packages": [{"name": 1}, {"name": "gone", "versionInfo": [], "externalRefs": {}}]}
F

done_testing
