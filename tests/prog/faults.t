#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every request of a push and of a pull goes wrong in every way: tests/tools/fault_proxy.py says which ways there are. A fourth of it as an ordinary
# user. Nearly all the time goes into pauses before another try, so 16 cases run side by side.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/tools/registry.sh"
command -v docker-registry >/dev/null || skip_all 'needs docker-registry'

unset DOCKER_CONFIG XDG_RUNTIME_DIR SSL_CERT_FILE
registry_start "$T/registry" htpasswd tester 'geheim-7!x' || { echo 'Bail out! no registry'; exit 1; }
on_exit "server_stop $REGISTRY_PID"

mkdir ctx
for i in a b c d; do head -c 100000 /dev/urandom >"ctx/$i"; done
printf 'FROM scratch AS old\nCOPY d /\nFROM scratch AS base\nCOPY a /\nFROM base\nCOPY b /\nCOPY c /\n' >ctx/Dockerfile

login() { # FILE
	printf '{"auths":{"%s":{"auth":"%s"}}}' "$REGISTRY" "$(printf 'tester:geheim-7!x' | base64 -w0)" >"$1"
}

matrix() { # WHO full|thin
	local dir=$T/$1 run=(env "REGISTRY_AUTH_FILE=$T/$1/login.json")

	[ "$1" = root ] || ! is_root || run=(setpriv --reuid "$TEST_USER" --regid "$TEST_USER" --init-groups --reset-env -- env "PATH=$PATH" "${run[1]}")
	mkdir -p "$dir/stores"
	login "$dir/login.json"
	! is_root || [ "$1" = root ] || chown -R "$TEST_USER:" "$dir"
	"${run[@]}" "$WHITTLE" build -q --root "$dir/st" --target base -t seed/base:1 ctx >/dev/null &&
		"${run[@]}" "$WHITTLE" build -q --root "$dir/st" --target old -t "$REGISTRY/seed/old:1" --push ctx >/dev/null &&
		"${run[@]}" "$WHITTLE" build -q --root "$dir/st" -t image:1 ctx >/dev/null &&
		"${run[@]}" "$WHITTLE" push -q --root "$dir/st" seed/base:1 "$REGISTRY/seed/base:1" >/dev/null &&
		"${run[@]}" "$WHITTLE" push -q --root "$dir/st" image:1 "$REGISTRY/whole/$1:1" >/dev/null || { echo 'Bail out! no image'; exit 1; }
	jq -n --arg r "$REGISTRY" --arg w "$WHITTLE" --arg s "$dir/st" --arg p "whole/$1:1" '{registry: $r, user: "tester", password: "geheim-7!x",
		store: $s, image: "image:1", there: $p, base: "seed/base:1", old: "seed/old:1", whittle: $w}' >"$dir/case.json"
	PYTHONDONTWRITEBYTECODE=1 python3 "$SRC/tests/tools/fault_cases.py" "$dir" "${FAULT_WORKERS:-16}" "$2" "$tests_run" "${run[@]}" 2>&1 | tee "$dir.tap"
	local status=${PIPESTATUS[0]}
	tests_run=$((tests_run + $(grep -cE '^(not )?ok ' "$dir.tap")))
	[ "$status" = 0 ] || fail "the cases of $1 end in order"
}

if is_root; then
	matrix root full
fi
matrix user thin
done_testing
