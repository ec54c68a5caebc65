#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What is said where the context or the Dockerfile is not where it was looked for.
. "$(dirname "$0")/lib.sh"

build() { run timeout 60 "$WHITTLE" build --root "$T/store" -q "$@"; }

printf 'FROM scratch\nCOPY a b\n' >Dockerfile
run sh -c "timeout 60 \"$WHITTLE\" build --root \"$T/store\" -q - <Dockerfile"
is "$status" 1 'COPY without a context fails'
like "$err" '^hint: there is no build context' 'it is said that there is none'

build Dockerfile
is "$status" 2 'a file is no context'
like "$err" '^hint: -f Dockerfile names the Dockerfile; the context is a directory$' 'what -f is for'

mkdir near other none
touch near/Dockerfle other/Containerfile other/Dockerfiles none/x
build near
is "$status" 2 'no Dockerfile'
like "$err" '^hint: there is Dockerfle: -f near/Dockerfle$' 'a near name'
build other
like "$err" '^hint: there is Containerfile: -f other/Containerfile$' 'a Containerfile'
build none
like "$err" '^hint: -f names another file$' 'nothing near'
is "$(grep -c '^error' <<<"$err")" 1 'one message'

printf 'FROM scratch\nADD https://h:99999/x /\n' >other/D
build -f other/D other
is "$status" 2 'a port that is none'
like "$err" 'is no URL: its port is no number from 0 to 65535$' 'it is the port'

printf 'FROM scratch AS one\nCOPY D /\nFROM scratch\nCOPY --from=used x /\nCOPY --from=one / /\n' >other/D
touch none/x
run timeout 60 "$WHITTLE" build --root "$T/store" -f other/D --no-cache-filter on --no-cache-filter ONE \
	--build-context used=none --build-context unused=none other
is "$status" 0 'names that nothing answers to do no harm'
like "$err" '^note: .*--no-cache-filter on: no stage' 'a filter for no stage'
unlike "$err" 'cache-filter ONE' 'not one of a stage'
like "$err" '^note: .*--build-context unused: nothing in the Dockerfile names it$' 'a context for nothing'
unlike "$err" 'context used:' 'not one that is used'

done_testing
