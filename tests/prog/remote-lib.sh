# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Builds of contexts that fetch: what remote.t and remote_ssh.t share. Sourced after lib.sh.

# build NAME [OPTION…]: the Dockerfile of ctx/NAME (standard input) with the store st, into out/NAME
build() {
	local name=$1

	shift
	mkdir -p "ctx/$name"
	cat >"ctx/$name/Dockerfile"
	rm -rf "out/$name"
	run ${AS:-} "$WHITTLE" build -q --root "${ST:-$T/st}" -o "type=local,dest=$T/out/$name" "$@" "ctx/$name"
}
# from CONTEXT [OPTION…]: a build of another context, into out/from
from() {
	local context=$1

	shift
	rm -rf out/from
	run "$WHITTLE" build -q --root "$T/st" -o "type=local,dest=$T/out/from" "$@" "$context"
}
