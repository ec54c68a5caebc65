#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The command line: help, misuse, values of options. Nothing is built here.
. "$(dirname "$0")/lib.sh"

mkdir ctx store
echo 'FROM scratch' >ctx/Dockerfile

run "$WHITTLE"
is "$status" 0 'no command: exit code 0'
like "$out" '^  build  ' 'no command: the commands'
run "$WHITTLE" --version
is "$status" 0 '--version: exit code'
like "$out" '^whittle [0-9]+\.[0-9]+\.[0-9]+$' '--version: the version'
version=$out
run "$WHITTLE" version
is "$out" "$version" 'version says the same'
run "$WHITTLE" --help
is "$status" 0 '--help: exit code'
help=$out
run "$WHITTLE" help
is "$out" "$help" 'help says the same'
run "$WHITTLE" build --help
is "$status" 0 'build --help: exit code'
like "$out" '^  -t, --tag NAME' 'build --help: an option with its letter'
unlike "$out" '--memory' 'build --help: no word of what is not there yet'
help=$out
run "$WHITTLE" help build
is "$out" "$help" 'help build says the same'
if [[ $(cat "$SRC/README.md") == *"$help"* ]]; then
	pass 'the README has the same text'
else
	fail 'the README has the same text' "$help"
fi
run "$WHITTLE" help nonsense
is "$status" 2 'help nonsense: exit code'
like "$("$WHITTLE" help 2>&1 >/dev/full)" 'No space left' 'a full standard output is an error'

# misuse DESC ERE WORD…: exit code 2, nothing on standard output, one line that matches.
misuse() {
	local desc=$1 want=$2

	shift 2
	run "$WHITTLE" "$@"
	is "$status" 2 "$desc: exit code 2"
	is "$out" '' "$desc: nothing on standard output"
	is "$(grep -c ^error <<<"$err")" 1 "$desc: one error"
	like "$err" "^error: .*$want" "$desc: the line"
}

misuse 'unknown command' 'unknown command "biuld"; did you mean "build"\?' biuld .
misuse 'unknown command without a neighbour' 'unknown command "frobnicate"; see whittle help' frobnicate
misuse "docker's command for what is not here" 'unknown command "ps"' ps
like "$err" 'hint: nothing of a container stays' 'and why'
misuse "docker's command by another name" 'unknown command "volume"' volume ls
like "$err" 'hint: .*whittle rm --volume' 'and which'
misuse 'an option before the command' 'option "--root" before the command' --root x images
like "$err" 'hint: options follow the command' 'and where it goes'
misuse 'an option of kaniko' 'unknown option --destination' build --destination x ctx
like "$err" 'hint: --tag NAME --push' 'and what it is here'
misuse 'an option of docker images' 'unknown option --filter' images --filter dangling=true
like "$err" 'hint: a pattern selects by name' 'and what does it here'
run "$WHITTLE" run --dns 192.0.2.1 x
is "$status" 125 'an option of docker run: exit code 125, as docker has it'
like "$err" "hint: .*the host's resolver" 'and what there is in its place'
misuse 'unknown option' 'unknown option --tagg; did you mean --tag\?' build --tagg x ctx
misuse 'unknown letter' 'unknown option -z' build -z ctx
misuse 'an option of docker' '--memory is not supported yet' build --memory 1g ctx
misuse 'a letter of docker' '--memory is not supported yet' build -m 1g ctx
like "$err" 'hint: .*MemoryMax' 'and what does it'
misuse 'no context' 'exactly one context directory wanted, 0 given' build
misuse 'two contexts' 'exactly one context directory wanted, 2 given' build ctx ctx
misuse 'value missing' '--tag needs a value' build ctx --tag
misuse 'no such context' 'context "nowhere": No such file' build nowhere
misuse 'context is a file' 'context "ctx/Dockerfile": Not a directory' build ctx/Dockerfile
misuse 'context of an unknown kind' 'context "ftp://host.invalid/x": No such file' build ftp://host.invalid/x
misuse 'context from an empty standard input' 'standard input is empty: neither a context nor a Dockerfile' build -q - </dev/null
misuse 'output without type' 'says no type=' build --output dest=x ctx
misuse 'a push without a name' 'a push needs a name' build --push ctx
misuse 'output type' 'type is oci, docker, local, tar, registry or image' build --output type=zip,dest=x ctx
misuse 'output compression to come' 'compression=estargz is not supported' build --output type=oci,dest=x,compression=estargz ctx
misuse 'output key' 'no key "colour"' build --output type=oci,dest=x,colour=red ctx
misuse 'output directory to standard output' 'cannot go to standard output' build --output type=oci,dest=-,tar=false ctx
misuse 'two outputs to standard output' 'only one' build -o type=oci,dest=- -o - ctx
misuse 'progress' '--progress is auto, plain, quiet, tty or rawjson, not "loud"' build --progress loud ctx
misuse 'quiet and plain' 'exclude each other' build -q --progress plain ctx
misuse 'network' '--network is default, none or host' build --network=bridge ctx
misuse 'tag' '--tag' build -t 'UPPER CASE' ctx
misuse 'tag with digest' 'has no digest' build -t "x@sha256:$(printf %064d 0)" ctx
misuse 'build context without a name' 'is no NAME=REF' build --build-context =x ctx
misuse 'build context that is not there' '--build-context .*No such file' build --build-context x=nowhere ctx
misuse 'build context of an unknown kind' '"ftp://host.invalid/x" is nothing that is known' build --build-context x=ftp://host.invalid/x ctx
misuse 'build arg without a name' 'is no KEY=VALUE' build --build-arg =x ctx
misuse 'label without a name' 'is no KEY=VALUE' build --label =x ctx
misuse 'secret without an id' 'wants an id' build --secret src=x ctx
misuse 'secret that is not there' 'id=x: read "nowhere": No such file' build --secret id=x,src=nowhere ctx
misuse 'secret from an empty environment' 'the environment has no NOT_SET' build --secret id=x,env=NOT_SET ctx
head -c 600000 /dev/zero >big
misuse 'secret too large' '(larger than 500 KiB|too large)' build --secret id=x,src=big ctx
misuse 'add-host' 'is no NAME:IP' build --add-host a:b ctx
misuse 'shm-size' 'is no size' build --shm-size lots ctx
misuse 'jobs' 'a number from 1' build --jobs 0 ctx
misuse 'allow' '--allow is' build --allow everything ctx
misuse 'option to come' '--squash is not supported yet' build --squash ctx
misuse 'option to come, with a value' '--memory is not supported yet' build --memory 1g ctx
SOURCE_DATE_EPOCH=soon misuse 'SOURCE_DATE_EPOCH in the environment' 'invalid SOURCE_DATE_EPOCH "soon"' build ctx

# Docker's words for what is so in any case.
mkdir noop && printf 'FROM scratch\nCOPY Dockerfile /\n' >noop/Dockerfile
run "$WHITTLE" build -q --rm --force-rm=true --provenance=false --root "$T/noop-store" noop
is "$status" 0 '--rm, --force-rm and --provenance=false are taken'
unlike "$("$WHITTLE" build --help)" 'force-rm' 'and are nothing to tell of'

# The store by the environment, for all commands; the option goes before it.
run env WHITTLE_ROOT=env-store "$WHITTLE" build -q -t by-env noop
is "$status" 0 'WHITTLE_ROOT: a build'
ok 'WHITTLE_ROOT is the store' test -d "$T/env-store/blobs"
like "$(WHITTLE_ROOT=env-store "$WHITTLE" images)" 'by-env' 'and images finds it there'
like "$(WHITTLE_ROOT=env-store "$WHITTLE" inspect by-env)" '"by-env:latest"' 'and inspect'
unlike "$(WHITTLE_ROOT=env-store "$WHITTLE" images --root "$T/noop-store")" 'by-env' '--root goes before it'

done_testing
