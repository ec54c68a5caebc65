# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154
# Builds of steps as both users: what the tests of RUN share. Sourced after lib.sh. The test sets base (a layout), and more (words
# for every build) where it needs them.

more=()

build() { # WHO ARGS…; the Dockerfile on standard input, the context $T/ctx, a store a user
	local who=$1
	shift
	cat >"$T/Dockerfile"
	run as "$who" timeout 180 "$WHITTLE" build --root "$T/$who/store" --progress=plain --build-context base="oci-layout://$base" \
		"${more[@]}" -f "$T/Dockerfile" "$@" "$T/ctx"
}
