#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# whittle check, build --check and build --call: what they print, and how they end. Findings of a build.
. "$(dirname "$0")/lib.sh"
data=${WHITTLE_CONFORMANCE:-$SRC/../shared/conformance}
export HOME=$T

mkdir ctx
printf 'FROM scratch AS Base\nCOPY Dockerfile /\nCMD run it\n' >ctx/Dockerfile

# json KEY…: what the JSON on standard output holds there.
json() {
	python3 -c 'import json, sys
doc = json.load(sys.stdin)
for key in sys.argv[1:]:
    doc = doc[int(key)] if key.lstrip("-").isdigit() else doc[key]
print(doc if isinstance(doc, str) else json.dumps(doc))' "$@" <<<"$out"
}

# ---- text ----

run "$WHITTLE" check ctx
is "$status" 0 'warnings alone: exit code 0'
is "$err" '' 'nothing on standard error'
is "$out" "Check complete, 2 warnings have been found!

WARNING: StageNameCasing - https://docs.docker.com/go/dockerfile/rule/stage-name-casing/
Stage name 'Base' should be lowercase
ctx/Dockerfile:1
--------------------
   1 | >>> FROM scratch AS Base
   2 |     COPY Dockerfile /
   3 |     CMD run it
--------------------

WARNING: JSONArgsRecommended - https://docs.docker.com/go/dockerfile/rule/json-args-recommended/
JSON arguments recommended for CMD to prevent unintended behavior related to OS signals
ctx/Dockerfile:3
--------------------
   1 |     FROM scratch AS Base
   2 |     COPY Dockerfile /
   3 | >>> CMD run it
   4 |     
--------------------" 'the text, as docker prints it'
nok 'no store was made' test -e "$T/.local"

printf 'FROM scratch\nCOPY Dockerfile /\n' >ctx/good
run "$WHITTLE" check -f ctx/good ctx
is "$status $out" '0 Check complete, no warnings found.' 'nothing to find'
run "$WHITTLE" check ctx/good
is "$status $out" '0 Check complete, no warnings found.' 'a file as the argument'
run sh -c 'cd ctx && "$0" check' "$WHITTLE"
like "$out" '^Check complete, 2 warnings' 'no argument: the current directory'
run sh -c '"$0" check - <ctx/Dockerfile' "$WHITTLE"
like "$out" '^standard input:3$' '- is standard input'
run "$WHITTLE" check --target nope ctx
is "$status" 1 'a target that is not there: exit code 1'
like "$err" '^error: ctx/Dockerfile: target stage "nope" could not be found' 'a target that is not there: the error'

# ---- what docker calls buildError ----

printf 'FROM scratch AS Base\nMAINTAINER me\nBADCMD\n' >ctx/bad
run "$WHITTLE" check ctx/bad
is "$status" 1 'an unknown instruction: exit code 1'
like "$out" '^Check complete, 2 warnings' 'an unknown instruction: what was found above it'
like "$err" '^error: ctx/bad:3:1: unknown instruction: BADCMD$' 'an unknown instruction: the error'
run "$WHITTLE" check --format json ctx/bad
is "$status $(json buildError message)" '1 dockerfile parse error on line 3: unknown instruction: BADCMD' \
	'an unknown instruction: in JSON, docker says it so'
printf 'FROM scratch\nENV x\n' >ctx/bad
run "$WHITTLE" check --format json ctx/bad
is "$status" 1 'a text that does not parse: exit code 1'
is "$(json buildError location ranges 0 start line)" 2 'a text that does not parse: the line'
is "$(json warnings)" '[]' 'a text that does not parse: no warnings'

# ---- JSON ----

run "$WHITTLE" check --format json ctx
is "$status" 0 'JSON: exit code 0'
is "$(json warnings 0 ruleName)" StageNameCasing 'JSON: ruleName'
is "$(json warnings 0 description)" 'Stage names should be lowercase' 'JSON: description'
is "$(json warnings 0 url)" https://docs.docker.com/go/dockerfile/rule/stage-name-casing/ 'JSON: url'
is "$(json warnings 0 detail)" "Stage name 'Base' should be lowercase" 'JSON: detail'
is "$(json warnings 1 location ranges 0 start)" '{"line": 3}' 'JSON: location'
is "$(json sources 0 filename)" Dockerfile 'JSON: filename'
is "$(json sources 0 data | base64 -d)" "$(cat ctx/Dockerfile)" 'JSON: the text'

# ---- settings ----

printf '# check=error=true\nFROM scratch\nCMD a\n' >ctx/strict
run "$WHITTLE" check ctx/strict
is "$status" 1 'error=true: exit code 1'
like "$err" '^error: ctx/strict:3: lint violation found for rules: JSONArgsRecommended$' 'error=true: the error'
run "$WHITTLE" check --build-arg BUILDKIT_DOCKERFILE_CHECK=skip=all ctx/strict
is "$status $out" '0 Check complete, no warnings found.' 'BUILDKIT_DOCKERFILE_CHECK counts instead of the directive'
run "$WHITTLE" check --build-arg BUILDKIT_DOCKERFILE_CHECK=error=true --format json ctx
is "$status $(json buildError message)" '1 lint violation found for rules: StageNameCasing, JSONArgsRecommended' \
	'BUILDKIT_DOCKERFILE_CHECK may say error=true'
printf 'FROM scratch\n# check=skip=JSONArgsRecommended // a shell is wanted\nCMD a\nENTRYPOINT b\n' >ctx/comment
run "$WHITTLE" check --format json ctx/comment
is "$(json warnings | grep -o '"ruleName"' | grep -c .) $(json warnings 0 location ranges 0 start line)" '1 4' \
	'a comment above an instruction is for that alone'
run "$WHITTLE" check --build-arg BUILDKIT_DOCKERFILE_CHECK=wrong ctx
is "$status" 1 'settings that cannot be read: exit code 1'
like "$err" 'failed to parse build-arg:BUILDKIT_DOCKERFILE_CHECK: invalid check option "wrong"' 'settings that cannot be read'

# ---- misuse ----

for words in 'nowhere' '--format xml ctx' 'ctx ctx' '-f ctx/good ctx/good' '--nonsense' '-f nowhere ctx'; do
	# shellcheck disable=SC2086
	run "$WHITTLE" check $words
	is "$status" 2 "check $words: exit code 2"
done

# ---- images and ignore files ----

printf 'FROM nothing.example/base:1 AS a\nWORKDIR x\nFROM scratch\nCOPY --from=other /y /\n' >ctx/away
run "$WHITTLE" check ctx/away
is "$status" 0 'images that are not at hand: exit code 0'
like "$err" 'nothing.example/base:1 is not at hand' 'images that are not at hand: a note'
like "$out" '^Check complete, 1 warning has been found!$' 'the rest is judged'
base=$(test_base busybox)
# The base sets PATH and Cmd; a variable that only its config may have is known when it can be read.
printf 'FROM base\nCOPY $PATH $NONE /\n' >ctx/vars
run "$WHITTLE" check --build-context base="oci-layout://$base" --format json ctx/vars
is "$status $err" '0 ' 'an image in a layout is read'
is "$(json warnings 0 detail)" "Usage of undefined variable '\$NONE'" 'an image in a layout: its variables are known'
is "$(find "$T" -path '*whittle-check*' | head -n 1)" '' 'nothing is left of reading it'
printf 'ctx\n*.o\n' >ctx/.dockerignore
printf 'FROM scratch\nCOPY a.o b.c /\n' >ctx/copy
run "$WHITTLE" check --format json ctx/copy
is "$(json warnings 0 detail)" 'Attempting to Copy file "a.o" that is excluded by .dockerignore' 'the ignore file counts'

# ---- build --check, --call ----

run "$WHITTLE" build --check ctx
is "$status" 1 'build --check with warnings: exit code 1, as docker buildx has it'
like "$out" '^Check complete, 2 warnings have been found!$' 'build --check: the text'
run "$WHITTLE" build --call=check,format=json,ignorestatus=true ctx
is "$status $(json warnings 1 ruleName)" '0 JSONArgsRecommended' 'ignorestatus: exit code 0'
run "$WHITTLE" build --call lint -f ctx/good ctx
is "$status $out" '0 Check complete, no warnings found.' '--call lint'
cat >ctx/multi <<'END'
ARG base=scratch
# tools has what is needed to build
FROM $base AS tools
# level of it
# LEVEL how much
ARG LEVEL=1
RUN --mount=type=secret,id=token,required --mount=type=ssh --mount=type=cache,target=/c true
FROM tools AS Tests
FROM scratch
COPY --from=tools /x /
END
run "$WHITTLE" build --call=outline,format=json --build-arg LEVEL=2 -f ctx/multi ctx
is "$status" 0 'outline: exit code'
is "$(json args 0 name) $(json args 0 value)" 'base scratch' 'outline: a global argument'
is "$(json args 1 name) $(json args 1 value) $(json args 1 description)" 'LEVEL 2 how much' 'outline: an argument of a stage'
is "$(json secrets)" '[{"name": "token", "required": true, "location": {"ranges": [{"start": {"line": 7}, "end": {"line": 7}}]}}]' \
	'outline: secrets'
is "$(json ssh 0 name) $(json cache 0 ID)" 'default /c' 'outline: agents, caches'
run "$WHITTLE" build --call=outline --target tools -f ctx/multi ctx
is "$(sed 's/ *$//' <<<"$out")" "TARGET:      tools
DESCRIPTION: has what is needed to build

BUILD ARG   VALUE     DESCRIPTION
base        scratch
LEVEL       1         how much

SECRET   REQUIRED
token    true

SSH       REQUIRED
default

CACHE
/c" 'outline: the text'
run "$WHITTLE" build --call=targets -f ctx/multi ctx
is "$(sed 's/ *$//' <<<"$out")" "TARGET    DESCRIPTION
tools     has what is needed to build
tests
(default)" 'targets: the text'
run "$WHITTLE" build --call targets,format=json -f ctx/multi ctx
is "$(json targets 0 name) $(json targets 0 base) $(json targets 1 name)" 'tools $base tests' 'targets: names, bases'
is "$(json targets 2 default) $(json targets 2 location ranges 0 start line)" 'true 9' 'targets: the default one'
run "$WHITTLE" build --call=subrequests.describe,format=json ctx
is "$(json 0 name) $(json 1 name)" 'frontend.outline frontend.targets' 'the methods there are'
run "$WHITTLE" build --call=nothing ctx
is "$status" 2 '--call of no method: exit code 2'
nok 'nothing of all that made a store' test -e "$T/.local"

# ---- contexts from elsewhere ----

# shellcheck disable=SC2016
run sh -c '"$0" build --root store --check - <ctx/Dockerfile' "$WHITTLE"
like "$out" '^Check complete, 2 warnings' 'build --check: a Dockerfile on standard input'
tar -C ctx -cf ctx.tar Dockerfile
# shellcheck disable=SC2016
run sh -c '"$0" build --root store --call=targets - <ctx.tar' "$WHITTLE"
like "$out" '^base \(default\)' 'build --call: an archive on standard input'
run "$WHITTLE" check https://nothing.example/x.git
is "$status" 2 'check fetches nothing'
like "$err" 'build --check fetches' 'check says who does'

# ---- findings of a build ----

run "$WHITTLE" build --root store ctx
is "$status" 0 'findings do not stop a build'
is "$(grep -A 3 'warnings found' <<<"$err")" " 2 warnings found (whittle check shows more):
 - StageNameCasing: Stage name 'Base' should be lowercase (line 1)
 - JSONArgsRecommended: JSON arguments recommended for CMD to prevent unintended behavior related to OS signals (line 3)" \
	'findings of a build, each once'
run "$WHITTLE" build --root store --quiet ctx
is "$err" '' 'not with --quiet'
run "$WHITTLE" build --root store --call=build ctx
like "$out" '^image  sha256:' '--call=build builds'
printf '# check=error=true\nFROM base\nRUN touch %s/ran\nCMD a\n' "$T" >ctx/strict
run "$WHITTLE" build --root store --build-context base="oci-layout://$base" -f ctx/strict ctx
is "$status" 2 'error=true: no build'
like "$err" 'lint violation found for rules: JSONArgsRecommended' 'error=true: the error'
like "$err" '^ - JSONArgsRecommended: .*\(line 4\)$' 'error=true: the finding'
unlike "$err" 'RUN touch' 'error=true: no step was begun'
printf 'FROM scratch AS unused\nCMD a\nFROM scratch\nCOPY good /\n' >ctx/unused
run "$WHITTLE" build --root store -f ctx/unused ctx
unlike "$err" 'warning' 'stages that the target does not need are not judged'

# The one lint case of the data that fails after lowering.
printf 'FROM scratch\nCOPY Dockerfile .\nADD Dockerfile /windy\n' >ctx/Dockerfile
echo Dockerfile >ctx/.dockerignore
run "$WHITTLE" build --root store ctx
isnt "$status" 0 'COPY of an ignored file fails'
like "$err" '"/Dockerfile": not found' 'COPY of an ignored file: the error'
like "$err" '^ - CopyIgnoredFile: Attempting to Add file "Dockerfile" that is excluded by .dockerignore \(line 3\)$' \
	'COPY of an ignored file: the finding'

# ---- Dockerfiles as they are published ----

if [ -e "$data/realworld" ]; then
	failed=0 seen=0
	while read -r file; do
		seen=$((seen + 1))
		run "$WHITTLE" check --format json "$file"
		[ "$status" = 0 ] || { failed=$((failed + 1)) && echo "# $file: $(grep -v '^note: ' <<<"$err" | head -n 1)"; }
	done < <(find "$data/realworld" -type f ! -name index.json)
	is "$failed" 0 "published Dockerfiles are checked without an error ($seen)"
	ok 'all of them were' test "$seen" -ge 50
else
	echo '# no published Dockerfiles at hand'
fi
done_testing
