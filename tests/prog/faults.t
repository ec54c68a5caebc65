#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every request of a push and of a pull goes wrong in every way: tests/tools/fault_proxy.py says which ways there are.
. "$(dirname "$0")/lib.sh"
. "$SRC/tests/tools/registry.sh"
command -v docker-registry >/dev/null || skip_all 'needs docker-registry'

if is_root; then how=full; else how=thin; fi
unset DOCKER_CONFIG XDG_RUNTIME_DIR SSL_CERT_FILE
registry_start "$T/registry" htpasswd tester 'geheim-7!x' || { echo 'Bail out! no registry'; exit 1; }
on_exit "server_stop $REGISTRY_PID"
printf '{"auths":{"%s":{"auth":"%s"}}}' "$REGISTRY" "$(printf 'tester:geheim-7!x' | base64 -w0)" >login.json
export REGISTRY_AUTH_FILE=$T/login.json

mkdir ctx
for i in a b c d; do head -c 100000 /dev/urandom >"ctx/$i"; done
printf 'FROM scratch AS old\nCOPY d /\nFROM scratch AS base\nCOPY a /\nFROM base\nCOPY b /\nCOPY c /\n' >ctx/Dockerfile
"$WHITTLE" build -q --root "$T/st" --target base -t seed/base:1 ctx >/dev/null &&
	"$WHITTLE" build -q --root "$T/st" --target old -t "$REGISTRY/seed/old:1" --push ctx >/dev/null &&
	"$WHITTLE" build -q --root "$T/st" -t image:1 ctx >/dev/null &&
	"$WHITTLE" push -q --root "$T/st" seed/base:1 "$REGISTRY/seed/base:1" >/dev/null &&
	"$WHITTLE" push -q --root "$T/st" image:1 "$REGISTRY/whole/image:1" >/dev/null || { echo 'Bail out! no image'; exit 1; }
jq -n --arg r "$REGISTRY" --arg w "$WHITTLE" --arg s "$T/st" \
	'{registry: $r, user: "tester", password: "geheim-7!x", store: $s, image: "image:1", base: "seed/base:1", old: "seed/old:1", whittle: $w}' >case.json
mkdir stores
PYTHONDONTWRITEBYTECODE=1 python3 "$SRC/tests/tools/fault_cases.py" "$T" "${FAULT_WORKERS:-16}" "$how" 2>&1
