#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# whittle debug: the windows into the frontend, by themselves and over the conformance data.
. "$(dirname "$0")/lib.sh"
data=${WHITTLE_CONFORMANCE:-$SRC/../shared/conformance}

# ---- the command ----

run "$WHITTLE" debug
is "$status" 2 'debug alone is misuse'
run "$WHITTLE" help debug
like "$out" '^  graph FILE ' 'help debug names its words'
for word in ast expand words ignore graph rules; do
	run "$WHITTLE" debug "$word" --help
	is "$status" 0 "debug $word --help"
	like "$out" "^Usage: whittle debug $word( |$)" "debug $word --help: its usage"
done
run "$WHITTLE" debug grahp x
is "$status" 2 'an unknown word is misuse'
like "$err" 'did you mean "graph"' 'and the nearest is told'

# ---- ast ----

printf 'FROM a AS b\nENV x=1 y="2 3"\nLABEL old way\nONBUILD ONBUILD RUN --mount=x ["a", "b\\u0000"]\nFROBNICATE all of it\nCOPY <<E /x\ntext\nE\n' >D
want='(from "a" "AS" "b")
(env "x" "1" "=" "y" "\"2 3\"" "=")
(label "old" "way" "")
(onbuild (onbuild (run ["--mount=x"] "a" "b\x00")))
(frobnicate "")
(copy "<<E" "/x")'
run "$WHITTLE" debug ast D
is "$out" "$want" 'ast: what parses though later stages refuse it'
is "$("$WHITTLE" debug ast - <D)" "$want" 'ast: standard input'
is "$("$WHITTLE" debug ast --lines D)" '{"root": [1, 8], "children": [[1, 1], [2, 2], [3, 3], [4, 4], [5, 5], [6, 8]]}' 'ast --lines'
printf 'FROM a\nENV x\n' >bad
run "$WHITTLE" debug ast bad
is "$status" 1 'ast: what does not parse: exit code 1'
is "$out" '' 'nothing on standard output'
like "$err" '^error: bad:2:.*ENV must have two arguments' 'and where it is'
run "$WHITTLE" debug ast nowhere
is "$status" 2 'ast: no such file: exit code 2'

# ---- expand, words ----

export given=from-environment
is "$(printf '%s\n' 'a  $v b' '${v:?no}' '${w:?no}' "'\$v'" '' '$given$PATH' | "$WHITTLE" debug expand -e v=1 -e given)" \
	$'a  1 b\n1\nerror\n$v\n\nfrom-environment' 'expand: a line a word, blanks and all'
is "$(printf 'c:\\d`$v $v' | "$WHITTLE" debug expand --escape '`' -e v=1)" 'c:\d$v 1' 'expand: another escape character, no last line end'
is "$(echo '$v' | "$WHITTLE" debug expand -e $'v=a\nb')" $'a\nb' 'expand: a line end in a value stays one'
is "$(printf '$v${w}\n${w?gone}\n' | "$WHITTLE" debug expand --format json -e $'v=a\nb')" \
	'{"result": "a\nb", "matched": ["v"], "unmatched": ["w"]}
{"result": null, "matched": [], "unmatched": ["w"], "error": "failed to process \"${w?gone}\": w: gone"}' 'expand --format json'
is "$(printf 'ENV v=b  c \na$v "$v"\n${\nENV v=\n$v\n' | "$WHITTLE" debug words)" $'ab,c,b  c \nerror' 'words: ENV lines set, and are not answered'
is "$(printf 'a,b "c d"\n' | "$WHITTLE" debug words --format json)" '["a,b", "c d"]' 'words --format json'
is "$(printf 'a\0b\n' | "$WHITTLE" debug expand 2>&1)" 'error: line 1 holds a zero byte' 'expand: a zero byte is no word'

# An answer comes before the next question is asked.
coproc asked { "$WHITTLE" debug expand -e v=1; }
echo '$v' >&"${asked[1]}"
IFS= read -r -t 20 answer <&"${asked[0]}"
is "$answer" 1 'expand: answers at once'
asked_pid=$asked_PID
exec {asked[1]}>&-
wait "$asked_pid"
is "$?" 0 'expand: exit code 0 though words were wrong'

# ---- ignore ----

printf '# rules\n\nnode_modules\n*.log\n!keep.log\n**/tmp\n' >ignore
is "$(printf '%s\n' node_modules/x/y ./a.log /keep.log d/a.log x/y/tmp/ src | "$WHITTLE" debug ignore ignore)" \
	$'excluded\nexcluded\nincluded\nincluded\nexcluded\nincluded' 'ignore: paths as people write them'
is "$(printf 'a.log\nkeep.log\nx\n' | "$WHITTLE" debug ignore --why ignore)" \
	$'excluded by ignore:4: *.log\nincluded by ignore:5: !keep.log\nincluded' 'ignore --why: the line that decided'
printf 'a\n# b\n[c\n' >broken
run "$WHITTLE" debug ignore broken </dev/null
is "$status" 2 'ignore: a broken pattern: exit code 2'
like "$err" '^error: broken:3: .*\[c' 'and its line'
is "$(grep -c . <<<"$err")" 1 'in one line'

# ---- graph ----

cat >G <<'END'
ARG base=busybox:1
FROM ${base} AS build
RUN --mount=type=cache,target=/c --network=none make "a\b"
FROM --platform=$BUILDPLATFORM other
COPY --from=build /x /y
FROM scratch AS last
COPY --from=ctx --chown=1 . /z/
ENTRYPOINT ["/z/app"]
PROFILE ["/test"]
PRUNE
END
run env -i "$WHITTLE" debug graph --build-context ctx=nowhere G
is "$status" 0 'graph: no store, no network, no images'
like "$out" '^#[0-9]+ exec .*RUN --mount' 'graph: a block a vertex'
like "$out" '^    at +G:3$' 'with its place'
like "$out" '^    mounts +\{"type": "cache", "target": "/c"' 'its mounts'
like "$out" '^    ref +docker-image://busybox:1$' 'sources'
like "$out" '^    ref +local://ctx$' 'contexts'
like "$out" '^#[0-9]+ profile ' 'profiles'
like "$out" '^#[0-9]+ prune ' 'prunes'
like "$out" '^stage last is #[0-9]+$' 'and what it comes to'
run "$WHITTLE" debug graph --target build --build-arg base=other:2 G
unlike "$out" ' prune ' 'graph --target: only what the stage needs'
like "$out" '^    ref +docker-image://other:2$' 'graph --build-arg'
run "$WHITTLE" debug graph --format json --build-context ctx=nowhere G
is "$(jq -r '.vertices | map(.kind) | sort | unique | join(" ")' <<<"$out")" 'exec file profile prune source' 'graph --format json: kinds'
is "$(jq -r '.vertices[] | select(.line == 3) | .op.args[2]' <<<"$out")" 'make "a\b"' 'graph --format json: an argument as it is'
run "$WHITTLE" debug graph --platform linux/amd64,linux/arm64 --format json --target build G
is "$(jq -r '.targets | length' <<<"$out") $(jq -r '[.vertices[].op.platform | strings] | sort | unique | join(" ")' <<<"$out")" \
	'2 linux/amd64 linux/arm64' 'graph --platform: one graph for several'
"$WHITTLE" debug graph --format dot --build-context ctx=nowhere G >G.dot
ok 'graph --format dot: Graphviz takes it' dot -Tsvg -o G.svg G.dot
printf 'FROM a\nRUN echo "\033]0;x\007" \xff \\ " "\n' >hostile
"$WHITTLE" debug graph hostile >text
nok 'graph: no control character reaches the terminal' grep -qP '[\x00-\x08\x0b-\x1f\x7f]' text
"$WHITTLE" debug graph --format dot hostile >hostile.dot
ok 'graph --format dot: nor Graphviz' dot -Tsvg -o hostile.svg hostile.dot
ok 'graph --format json: nor programs' jq . <("$WHITTLE" debug graph --format json hostile)
printf 'FROM a\nPROFILE ["/test"]\nPRUNE\n' >unknown
run "$WHITTLE" debug graph unknown
is "$status" 0 'graph: a base that is not at hand may say how it is started'
printf 'FROM a\nCOPPY x y\n' >bad
run "$WHITTLE" debug graph bad
is "$status" 2 'graph: a wrong Dockerfile'
like "$err" '^error: bad:2:.*unknown instruction' 'graph: its message'

# ---- the conformance data ----

if [ -d "$data/parser" ]; then
	mkdir cases
	python3 "$SRC/tests/tools/debug_cases.py" "$WHITTLE" "$data" "$T/cases" >result
	is "$?" 0 'the conformance cases were all tried'
	while read -r verdict name why; do
		case $verdict in
		PASS) pass "$name" ;;
		FAIL) fail "$name" "$why" ;;
		esac
	done <result
	ok "all kinds are there ($(grep -c . result) cases)" test "$(cut -d' ' -f2 result | cut -d: -f1 | sort -u | wc -l)" = 9
fi
done_testing
