#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What a Dockerfile or a context of a stranger's tries on the user of the command: more than was allowed, his files, his terminal.
. "$(dirname "$0")/lib.sh"
base=$(test_base busybox) || { echo "Bail out! no base"; exit 1; }

build() { # ARG…
	run "$WHITTLE" build --root "$T/store" --build-context base="oci-layout://$base" "$@"
}
mkdir ctx

# ---- the host's network ----
printf 'FROM base\nRUN --network=host wc -l </proc/net/dev >/n && echo "lines $(cat /n)"\nRUN --network=none wc -l </proc/net/dev >/n && echo "none $(cat /n)"\n' >ctx/Dockerfile
for net in default none; do
	build --network "$net" ctx
	is "$status" 2 "RUN --network=host with --network $net: exit code 2"
	like "$err" '^error: .*Dockerfile:2: network.host is not allowed$' "RUN --network=host with --network $net: refused"
	like "$err" '^hint: .*--allow network.host' "RUN --network=host with --network $net: says how to allow it"
	build --network "$net" --allow network.host ctx
	is "$status" 0 "--allow network.host with --network $net"
	build --network "$net" --allow security.insecure ctx
	is "$status" 2 "another --allow than network.host with --network $net"
done
build --network host ctx
is "$status" 0 'the command line'\''s --network host allows it, too'
printf 'FROM base\nRUN --network=default true\nRUN --network=none true\n' >ctx/Dockerfile
build --network host ctx
is "$status" 0 'less than the host'\''s needs no permission'

done_testing
